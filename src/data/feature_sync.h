/**
 * Bringing a table of the feature store in line with a day's features, by writing only what
 * changed; a write that died goes on where it was, and nothing is doubled.
 *
 *   silver/feature-store/<table kind>.parquet          what the table holds: key, digest
 *   silver/feature-store/<table kind>.pending.parquet  what is being written
 *   silver/feature-store/<table kind>.json             which store and table, which day, how far
 *
 * A record is written unless the table is known to hold it as it is. While a write is under way,
 * the pending digests are there as well, and the place reached is noted after each batch: the same
 * features go on from there; other features first make "held" out of both, so that every record
 * that may be either is written. Without these files (they may be deleted), or when features.store
 * names another store, everything is written.
 *
 * Cost: reads two digests a record, and writes what changed. Threads: one table, one thread.
 */
#ifndef MQ_DATA_FEATURE_SYNC_H
#define MQ_DATA_FEATURE_SYNC_H

#include "data/feature_update.h"
#include "store/object_store.h"

enum mq_feature_kind { MQ_FEATURES_OF_USERS = 0, MQ_FEATURES_OF_MOVIES, MQ_FEATURE_KINDS };

/** "user_features", "movie_features". */
const char *mq_feature_kind_name(enum mq_feature_kind kind);

struct mq_feature_sync_options {
    enum mq_feature_kind kind;
    struct mq_object_store *objects;
    const char *region;
    struct mq_feature_store *features;
    const char *table;
    const char *date;    /**< of the features */
    int64_t batch;       /**< records written at once */
    const char *scratch; /**< a local folder */
};

struct mq_feature_sync_figures {
    int64_t records, written, deleted;
    bool resumed; /**< a write that died was gone on with */
    bool is_old;  /**< the table has features of a later day: nothing was done */
};

/**
 * @param sql with the view user_feature or movie_feature: silver's rows of the day
 * @return MQ_OK | errors of both stores; the next call goes on
 */
enum mq_status mq_feature_sync(const struct mq_feature_sync_options *options, struct mq_sql *sql,
                               struct mq_feature_sync_figures *ret_figures, struct mq_error *err);

#endif
