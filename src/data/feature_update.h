/**
 * Features of users and films as records of the feature store: rows of silver's tables in, batches
 * of records out.
 *
 * A user's record: rating_count, choice_count, active_days, events_7d, events_28d, first_ms,
 * last_ms (INTEGER), rating_mean, rating_mean_shrunk, rating_deviation (REAL), hours (24 REALS),
 * weekdays (7 REALS, from Monday), genres and people (TEXT, parted by '|', most liked first), and
 * beside them genre_affinities, genre_events, person_affinities (REALS). A film's: rating_count,
 * choice_count, active_days, popularity_1d, popularity_7d, popularity_28d, first_ms, last_ms,
 * rating_mean, rating_mean_shrunk, rating_deviation, trend, hours, weekdays. In both, date: the day
 * of the rows when the record was written. What is not known is not there. Page:
 * docs/formats/silver.md.
 *
 * The record's version is the day's number from 1970-01-01, so writing one again changes nothing.
 * Memory: some 2 kB a record. Threads: one batch, one thread.
 */
#ifndef MQ_DATA_FEATURE_UPDATE_H
#define MQ_DATA_FEATURE_UPDATE_H

#include "base/arena.h"
#include "base/clock.h"
#include "data/sql.h"

struct mq_feature_store;
struct mq_record;

/** Records on their way to a table. Zero-initialise with store, table and date; then
 * mq_feature_batch_release. */
struct mq_feature_batch {
    struct mq_feature_store *store; /**< borrowed, and so is the table's name */
    const char *table;
    char date[MQ_DATE_SIZE];
    struct mq_record *records; /**< [count] */
    size_t count, capacity;
    struct mq_arena arena;
};

void mq_feature_batch_release(struct mq_feature_batch *batch);

/** Types of the columns of user_feature_columns.sql and movie_feature_columns.sql, for
 * mq_sql_query. */
const char *mq_user_feature_types(void);
const char *mq_movie_feature_types(void);

/** Add a user's record from row r of the chunk at hand of user_feature_columns.sql. */
enum mq_status mq_update_user_feature(struct mq_feature_batch *batch,
                                      const struct mq_sql_result *rows, int64_t r,
                                      struct mq_error *err);
/** Add a film's record from row r of the chunk at hand of movie_feature_columns.sql. */
enum mq_status mq_update_movie_feature(struct mq_feature_batch *batch,
                                       const struct mq_sql_result *rows, int64_t r,
                                       struct mq_error *err);

/** Key of the record that was added last. */
const char *mq_feature_batch_last(const struct mq_feature_batch *batch);

/** Write what was added, and empty the batch; on failure it stays, and may be written again. */
enum mq_status mq_feature_batch_write(struct mq_feature_batch *batch, struct mq_error *err);

#endif
