/**
 * Whether a merged object holds what it must: the lines of its parts, in order, as the batches'
 * records promise them. The index of merges is not believed in this.
 *
 * Memory: 128 KiB and a pointer a part. Threads: reentrant.
 */
#ifndef MQ_DATA_BRONZE_MERGE_CHECK_H
#define MQ_DATA_BRONZE_MERGE_CHECK_H

#include "data/bronze_contents.h"
#include "data/bronze_history.h"
#include "data/bronze_merges.h"

enum mq_bronze_merge_state {
    MQ_MERGE_SOUND = 0,
    MQ_MERGE_ABSENT,  /**< there is no such object */
    MQ_MERGE_DAMAGED, /**< it is no gzip text */
    MQ_MERGE_DIFFERS, /**< it holds something else */
    MQ_MERGE_UNNAMED  /**< no record that was read names some part, so nobody can tell */
};

struct mq_bronze_merge_verdict {
    enum mq_bronze_merge_state state;
    const char *part; /**< the first that is unnamed, or whose lines are others; NULL: none, but
                         more follows. Borrowed from the index */
    struct mq_bronze_contents contents; /**< of what could be read */
    char words[256];                    /**< what is wrong, for messages: "is no gzip text: …" */
};

/**
 * Read a merged object of a day and compare it.
 * @param key     of the merged object
 * @param history holds the records of its parts, as far as they could be read
 * @return MQ_OK (see ret_verdict) | MQ_E_CANCELLED | store's errors
 */
enum mq_status mq_bronze_merge_check(struct mq_object_store *store, const char *key,
                                     const char *date, const struct mq_bronze_merges *merges,
                                     const struct mq_bronze_merge *merge,
                                     const struct mq_bronze_history *history,
                                     struct mq_bronze_merge_verdict *ret_verdict,
                                     struct mq_error *err);

/**
 * The offsets that a merged object's batches hold, as far as their records are known.
 * @return false: its parts are of several partitions, or of none
 */
bool mq_bronze_merge_extent(const struct mq_bronze_merges *merges,
                            const struct mq_bronze_merge *merge,
                            const struct mq_bronze_history *history,
                            char ret_topic[MQ_TOPIC_NAME_MAX + 1], int32_t *ret_partition,
                            struct mq_bronze_span *ret_span);

#endif
