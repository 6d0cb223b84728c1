/**
 * What a rating is without any taste: the mean of all ratings, how much kinder than it this user
 * rates, and how much better than it this item is rated.
 *
 *   b[u,i] = mean + user[u] + item[i]
 *
 * User and item parts are found in turn, each the shrunk mean of what the other leaves over:
 *   item[i] = Σ_u (r[u,i] - mean - user[u]) / (item_shrink + ratings of i), then users likewise
 * (Koren, "Factor in the neighbors: scalable and accurate collaborative filtering", TKDD 2010,
 * section 2.1; sweeps and shrinkage as scikit-surprise's ALS baselines).
 *
 * Threads: immutable once fitted.
 */
#ifndef MQ_MODEL_RATING_BASELINE_H
#define MQ_MODEL_RATING_BASELINE_H

#include <stdint.h>

#include "base/pool.h"
#include "data/rating_matrix.h"
#include "marquee/status.h"

struct mq_rating_baseline_options {
    float item_shrink; /**< finite, >= 0 */
    float user_shrink; /**< finite, >= 0 */
    int32_t sweeps;    /**< 0…1000 */
};

/** 10, 15 and 10 sweeps. */
struct mq_rating_baseline_options mq_rating_baseline_options_default(void);

struct mq_rating_baseline {
    int32_t user_count, item_count;
    double mean;
    float *user; /**< float32 [user_count]; 0 for a user without ratings */
    float *item; /**< float32 [item_count]; 0 for an item without ratings */
    float user_shrink, item_shrink;
};

/**
 * Fit.
 * @param ret_baseline to be released; untouched on failure
 * @return MQ_OK (all 0 for a matrix without ratings) | MQ_E_RANGE (options) | MQ_E_NOMEM |
 *         MQ_E_CANCELLED
 * Threads: uses the pool (NULL: this thread alone); the result does not depend on it.
 * Cost: O(ratings · sweeps).
 */
enum mq_status mq_rating_baseline_fit(const struct mq_rating_matrix *matrix,
                                      const struct mq_rating_baseline_options *options,
                                      struct mq_pool *pool, struct mq_rating_baseline *ret_baseline,
                                      struct mq_error *err);

/** Zeroed or fitted; NULL allowed. */
void mq_rating_baseline_release(struct mq_rating_baseline *baseline);

static inline float
mq_rating_baseline_at(const struct mq_rating_baseline *baseline, int32_t user, int32_t item)
{
    return (float)baseline->mean + baseline->user[user] + baseline->item[item];
}

/**
 * The user part of one who is not in the matrix, or whose ratings changed: the sweep's last step
 * for these ratings, so that a user of the matrix gets what the fit found.
 * @param items in [0, item_count), [count]; @param ratings [count]
 */
float mq_rating_baseline_user(const struct mq_rating_baseline *baseline, const int32_t *items,
                              const float *ratings, int32_t count);

#endif
