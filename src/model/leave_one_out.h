/**
 * Leave-one-out evaluation of vectors: each user's held-out item is ranked among all items.
 *
 * Rank = number of items that score strictly above the held-out one, so equal scores are decided
 * in its favour; an item is never ranked against itself.
 */
#ifndef MQ_MODEL_LEAVE_ONE_OUT_H
#define MQ_MODEL_LEAVE_ONE_OUT_H

#include <stdint.h>

#include "base/pool.h"
#include "marquee/status.h"

/** Shares of users, and the mean gain 1/log2(rank+2) within 10. */
struct mq_hit_rates {
    int64_t count; /**< users evaluated */
    /** [0] all items ranked, [1] items of the user's history left out. */
    double hit_10[2], hit_50[2], ndcg_10[2];
};

/**
 * Evaluate n users.
 *
 * @param users       float32 [n, dim] row-major
 * @param items       float32 [item_count, dim] row-major
 * @param target      int32 [n], the held-out item of each, in [0, item_count)
 * @param hist_offset int64 [n+1]; @param hist_items int32: each user's history (whole, not only
 * what the tower takes), in [0, item_count); may repeat items
 * @return MQ_OK | MQ_E_RANGE | MQ_E_NOMEM
 * Threads: reentrant; results do not depend on the pool.  Cost: O(n·item_count·dim).
 */
enum mq_status mq_leave_one_out(int64_t n, int32_t item_count, int32_t dim, const float *users,
                                const float *items, const int32_t *target,
                                const int64_t *hist_offset, const int32_t *hist_items,
                                struct mq_pool *pool, struct mq_hit_rates *ret_rates,
                                struct mq_error *err);

#endif
