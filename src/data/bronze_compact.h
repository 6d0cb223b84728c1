/**
 * Compaction: the many small objects of a day's events become few large ones, by partition, in the
 * order of offsets. Exactly once stays: data/bronze_merges.h says how. A compaction that died is
 * finished by the next one of the same day.
 *
 * No line is merged that its batch's record does not promise: each part is compared, while it is
 * copied, with the lines, bytes and SHA-256 of its record. A part that differs, or that no record
 * names, stays as it is; so do merged objects that differ. They are refused in words, nothing of
 * them is deleted, and all others go on. Parts are deleted only beside a merged object that was
 * compared or just written.
 *
 * Also mended here, from the records: merged objects whose index was lost or damaged, and merges
 * that a replay opened again.
 *
 * Readers that list the folder by themselves see a part and its merged object for a moment (from
 * the end of a merge until its parts are deleted): they read the index, or days that nobody
 * compacts.
 *
 * Memory: streams; a few MiB, and 0.6 KiB an object of the day. Threads: one compaction of a day at
 * a time (a second one fails with MQ_E_CONFLICT and harms nothing).
 */
#ifndef MQ_DATA_BRONZE_COMPACT_H
#define MQ_DATA_BRONZE_COMPACT_H

#include "base/pool.h"
#include "data/bronze_findings.h"
#include "store/object_store.h"

struct mq_compact_options {
    int64_t target_bytes; /**< size of a merged object's parts together, compressed, at most */
    int level;            /**< of compression, 1…9, of new merges */
    bool only_begun;      /**< of a replay that has written all it could: finish merges that were
                             begun or opened again, and begin none */
    struct mq_pool *pool; /**< reads records; may be NULL. Borrowed */
    /** Added to: what was not merged, why, and what mends it; initialised, borrowed. NULL: the
     * first such is the failure, once all else is merged. */
    struct mq_bronze_findings *refusals;
};

struct mq_compact_figures {
    int64_t before, after; /**< objects of the day */
    int64_t merges, parts, lines;
    int64_t leftovers; /**< parts of earlier merges that were still there */
};

/**
 * @param date "YYYY-MM-DD"
 * @return MQ_OK (look at options->refusals) | MQ_E_CONFLICT (another compaction of the day, or
 *         refusals) | MQ_E_UNSUPPORTED (index of a newer Marquee) | MQ_E_CANCELLED | store's errors
 */
enum mq_status mq_bronze_compact(struct mq_object_store *store, const char *region,
                                 const char *date, const struct mq_compact_options *options,
                                 struct mq_compact_figures *ret_figures, struct mq_error *err);

#endif
