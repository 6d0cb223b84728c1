/**
 * The k best items of each of many users by the product of their factor vectors, seen items left
 * out: what a batch recommends from iALS or any other model of two tables.
 *
 * Items are laid out in panels, longest vector first. A panel's products with a dozen users stay in
 * registers and are compared there with each user's k-th best so far; what passes goes to that
 * user's reservoir. No row of scores is ever written. By Cauchy and Schwarz a user is done when the
 * next panel's longest vector cannot reach its k-th best. The result is exact: higher score first,
 * of equal scores the lower item first; NaN is never chosen. A user's list does not depend on who
 * else is asked for, nor on the number of threads.
 *
 * Threads: the panels are immutable once built; mq_factor_lists is reentrant.
 */
#ifndef MQ_MODEL_FACTOR_LISTS_H
#define MQ_MODEL_FACTOR_LISTS_H

#include <stdint.h>

#include "base/pool.h"
#include "marquee/status.h"

/** Longest list. */
#define MQ_FACTOR_LISTS_MAX 10000

/** Items in panels. */
struct mq_factor_panels {
    int32_t item_count, factors;
    int64_t panel_count;
    float *panels;   /**< float32 [panel_count][factors][MQ_DOT_PANEL], the last padded with 0 */
    int32_t *item;   /**< int32 [panel_count*MQ_DOT_PANEL] which item stands where; padding -1 */
    int32_t *place;  /**< int32 [item_count] where an item stands */
    double *longest; /**< [panel_count] length of a panel's longest vector, descending */
};

/**
 * @param item float32 [item_count,factors], finite
 * @param pool NULL: this thread alone
 * @return MQ_OK | MQ_E_RANGE (not finite) | MQ_E_NOMEM | MQ_E_CANCELLED
 * Memory: as the items.  Cost: O(items * factors).
 */
enum mq_status mq_factor_panels_build(const float *item, int32_t item_count, int32_t factors,
                                      struct mq_pool *pool, struct mq_factor_panels *ret_panels,
                                      struct mq_error *err);

/** Free the arrays. NULL allowed. */
void mq_factor_panels_release(struct mq_factor_panels *panels);

/** For whom, and what is left out. All borrowed. */
struct mq_factor_queries {
    int64_t count;
    const float *vector;   /**< float32 [count,factors] */
    const int64_t *offset; /**< int64 [count+1]: user q has seen item[offset[q]…offset[q+1]) */
    const int32_t *item;   /**< int32, in [0, item_count); with `offset` NULL nothing is left out */
};

/**
 * @param k          1…MQ_FACTOR_LISTS_MAX
 * @param ret_items  int32 [count,k], best first; -1 where there are fewer than k
 * @param ret_scores float32 [count,k]; -inf where there is no item. NULL allowed
 * @return MQ_OK | MQ_E_RANGE (k, or a seen item out of range) | MQ_E_NOMEM | MQ_E_CANCELLED
 * Cost: O(count * items * factors) at most.
 */
enum mq_status mq_factor_lists(const struct mq_factor_panels *panels,
                               const struct mq_factor_queries *queries, int32_t k,
                               struct mq_pool *pool, int32_t *ret_items, float *ret_scores,
                               struct mq_error *err);

#endif
