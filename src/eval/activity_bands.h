/**
 * Users by how much they have done: bands of about equal numbers, cut at the quantiles of history
 * length; users of one length share a band, so there may be fewer bands than asked for.
 * Threads: reentrant.
 */
#ifndef MQ_EVAL_ACTIVITY_BANDS_H
#define MQ_EVAL_ACTIVITY_BANDS_H

#include <stdint.h>

#include "marquee/status.h"

#define MQ_ACTIVITY_BANDS_MAX 16

struct mq_activity_band {
    int64_t from, to; /**< history lengths, both included; as they occur */
    int64_t count;    /**< cases; at least 1 */
};

/**
 * @param length int64 [count] history lengths
 * @param bands  wanted, 1 … MQ_ACTIVITY_BANDS_MAX
 * @param ret_bands [bands]  @param ret_count how many were made; 0 for count 0
 * @param ret_band  int32 [count] band of each case
 * @return MQ_OK | MQ_E_RANGE (bands) | MQ_E_NOMEM
 * Cost: O(count log count).
 */
enum mq_status mq_activity_bands(const int64_t *length, int64_t count, int bands,
                                 struct mq_activity_band *ret_bands, int *ret_count,
                                 int32_t *ret_band, struct mq_error *err);

#endif
