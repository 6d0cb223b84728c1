/**
 * Compaction: the many small objects of a day's events become few large ones, by partition, in the
 * order of offsets. Exactly once stays: data/bronze_merges.h says how. A compaction that died is
 * finished by the next one of the same day.
 *
 * Readers that list the folder by themselves see a part and its merged object for a moment (from
 * the end of a merge until its parts are deleted): they read the index, or days that nobody
 * compacts.
 *
 * Memory: streams; a few MiB. Threads: one compaction of a day at a time (a second one fails with
 * MQ_E_CONFLICT and harms nothing).
 */
#ifndef MQ_DATA_BRONZE_COMPACT_H
#define MQ_DATA_BRONZE_COMPACT_H

#include "store/object_store.h"

struct mq_compact_options {
    int64_t target_bytes; /**< size of a merged object's parts together, compressed, at most */
    int level;            /**< of compression, 1…9 */
};

struct mq_compact_figures {
    int64_t before, after; /**< objects of the day */
    int64_t merges, parts, lines;
    int64_t leftovers; /**< parts of earlier merges that were still there */
};

/** @param date "YYYY-MM-DD" */
enum mq_status mq_bronze_compact(struct mq_object_store *store, const char *region,
                                 const char *date, const struct mq_compact_options *options,
                                 struct mq_compact_figures *ret_figures, struct mq_error *err);

#endif
