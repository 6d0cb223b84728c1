/**
 * The batches of a bronze layer, told from their records.
 *
 * A record that cannot be read is no failure of loading: it is listed beside the others, and who
 * asked decides. Memory: 0.5 KiB a batch, and 0.1 KiB each of its objects. Cost: a listing, and
 * a get for each record, many at once where the store is not a folder.
 * Threads: one history, one thread; loading uses the pool.
 */
#ifndef MQ_DATA_BRONZE_HISTORY_H
#define MQ_DATA_BRONZE_HISTORY_H

#include "base/pool.h"
#include "data/bronze_record.h"
#include "data/bronze_span.h"

/** A record that was named, or is there, and could not be read. */
struct mq_bronze_unread {
    char topic[MQ_TOPIC_NAME_MAX + 1];
    int32_t partition;
    int64_t first;
    enum mq_status why; /**< MQ_E_FORMAT: damaged; MQ_E_UNSUPPORTED: of a newer Marquee;
                           MQ_E_NOT_FOUND: it was named, and is not there */
    char *message;      /**< owned */
};

/** Zero-initialise; then mq_bronze_history_release. */
struct mq_bronze_history {
    struct mq_bronze_record *records; /**< [count] by topic, partition, first offset */
    size_t count, capacity;
    struct mq_bronze_unread *unread; /**< [unread_count] in the same order */
    size_t unread_count, unread_capacity;
};

void mq_bronze_history_release(struct mq_bronze_history *history);

/** Stretches of one topic; the batches that reach into them. */
struct mq_bronze_scope {
    const char *topic;
    const struct mq_bronze_span *spans; /**< [count] by partition */
    int count;
};

/**
 * Read the records.
 * @param scope NULL: all there are
 */
enum mq_status mq_bronze_history_load(struct mq_object_store *store, const char *region,
                                      const struct mq_bronze_scope *scope, struct mq_pool *pool,
                                      struct mq_bronze_history *ret_history, struct mq_error *err);

/** Name a record that mq_bronze_history_read is to read; one that is named or read already is
 * passed over then. */
enum mq_status mq_bronze_history_name(struct mq_bronze_history *history, const char *topic,
                                      int32_t partition, int64_t first, struct mq_error *err);
/** As above, by the name of an object ("<topic>-<partition>-<first>.jsonl.gz"); others are left
 * out. */
enum mq_status mq_bronze_history_name_object(struct mq_bronze_history *history, const char *name,
                                             struct mq_error *err);

/** Name those that reach into a span of a partition (and perhaps the one before it). */
enum mq_status mq_bronze_history_name_span(struct mq_object_store *store, const char *region,
                                           const char *topic, int32_t partition,
                                           struct mq_bronze_span span,
                                           struct mq_bronze_history *history, struct mq_error *err);

/** Read what was named since, and put all in order. */
enum mq_status mq_bronze_history_read(struct mq_object_store *store, const char *region,
                                      struct mq_pool *pool, struct mq_bronze_history *history,
                                      struct mq_error *err);

/** A record by its place, or NULL. */
const struct mq_bronze_record *mq_bronze_history_find(const struct mq_bronze_history *history,
                                                      const char *topic, int32_t partition,
                                                      int64_t first);
/** The unread record of a place, or NULL. */
const struct mq_bronze_unread *mq_bronze_history_find_unread(
    const struct mq_bronze_history *history, const char *topic, int32_t partition, int64_t first);

/** What a record promises of an object by its name and day, or NULL: no record names it. */
const struct mq_bronze_object *mq_bronze_history_object(const struct mq_bronze_history *history,
                                                        enum mq_bronze_kind kind, const char *date,
                                                        const char *name);

/** Where the batch behind [first, …) begins in its partition, read or not; INT64_MAX: nowhere. */
int64_t mq_bronze_history_next(const struct mq_bronze_history *history, const char *topic,
                               int32_t partition, int64_t first);

#endif
