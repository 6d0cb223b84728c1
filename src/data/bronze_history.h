/**
 * All batches of a bronze layer, and whether they are whole: what `marquee bronze` shows and
 * proves. Threads: one history, one thread; loading and verifying use the pool.
 */
#ifndef MQ_DATA_BRONZE_HISTORY_H
#define MQ_DATA_BRONZE_HISTORY_H

#include "base/pool.h"
#include "data/bronze_record.h"

/** Zero-initialise; then mq_bronze_history_release. */
struct mq_bronze_history {
    struct mq_bronze_record *records; /**< [count] by topic, partition, first offset */
    size_t count, capacity;
    int64_t skipped; /**< records too old to say anything of the date asked for */
};

void mq_bronze_history_release(struct mq_bronze_history *history);

/**
 * Read the records.
 * @param date NULL: all; else those that can hold events of this day (written since two days
 * before)
 */
enum mq_status mq_bronze_history_load(struct mq_object_store *store, const char *region,
                                      const char *date, struct mq_pool *pool,
                                      struct mq_bronze_history *ret_history, struct mq_error *err);

/** Most findings that are kept in words. */
#define MQ_BRONZE_FINDINGS_MAX 1000

/** What was found; zero-initialise, then mq_bronze_report_release. */
struct mq_bronze_report {
    int64_t partitions, batches, offsets; /**< offsets: the lengths of all chains */
    int64_t events, rejected;             /**< events in user-events, and in rejected */
    int64_t empty;                        /**< offsets that stand for no event in the log */
    int64_t lost;                         /**< offsets that retention took before they were read */
    int64_t objects, merged, bytes;       /**< objects read; merged ones among them; of text */
    int64_t finding_count;
    char **findings; /**< [up to MQ_BRONZE_FINDINGS_MAX] "gap: …", owned */
    size_t findings_kept, findings_capacity;
};

void mq_bronze_report_release(struct mq_bronze_report *report);

/**
 * Prove that each offset is accounted for once: every partition's records make a chain without gap
 * or overlap; each record's counts add up; each of its objects is there (alone or merged), with the
 * lines and bytes it names, by SHA-256; and there is no object that no record names.
 * @param date NULL: everything; else chains as far as loaded, and the objects of this day
 */
enum mq_status mq_bronze_verify(struct mq_object_store *store, const char *region, const char *date,
                                const struct mq_bronze_history *history, struct mq_pool *pool,
                                struct mq_bronze_report *ret_report, struct mq_error *err);

#endif
