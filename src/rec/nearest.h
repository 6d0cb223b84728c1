/**
 * The k greatest of a row of scores, where k is a hundred and the row some thousands: the channel
 * of the user vector does it for every user, and a heap would cost more than the products
 * themselves.
 *
 * A sample of the row gives a threshold that somewhat more than k scores pass; one SIMD pass
 * collects those, and only they are sorted. When too few passed, all are looked at: the result is
 * exact. Greater first, of equals the lesser position; NaN is never chosen.
 *
 * Threads: a scratch belongs to one thread.
 */
#ifndef MQ_REC_NEAREST_H
#define MQ_REC_NEAREST_H

#include <stddef.h>

#include "marquee/status.h"
#include "rec/score_order.h"

/** Zero-initialise or init; then release. */
struct mq_nearest_scratch {
    int32_t *positions;        /* [most] */
    float *passed;             /* [most] */
    struct mq_score_key *keys; /* [most] */
};

/** @param most longest row */
enum mq_status mq_nearest_scratch_init(struct mq_nearest_scratch *scratch, size_t most,
                                       struct mq_error *err);
void mq_nearest_scratch_release(struct mq_nearest_scratch *scratch);

/**
 * @param ret_count how many were found: k, or fewer where n or what is not NaN is less
 * @return best first, `order` the position; borrowed from the scratch until its next use
 */
const struct mq_score_key *mq_nearest_choose(struct mq_nearest_scratch *scratch,
                                             const float *scores, size_t n, size_t k,
                                             size_t *ret_count);

#endif
