/**
 * Learning how predicted ratings are blended: from ratings that were held out when the predictors
 * were trained.
 *
 * Least squares of the held-out ratings on what the predictors say, with an intercept and a ridge
 * that pulls the weights to those of the best single predictor:
 *
 *   min_w Σ (r - bias - Σ_p weight[p] · p)² + 200 · (bias² + Σ_{p>0} (weight[p] - best[p])²)
 *
 * with a sum of weights of 1: where predictors agree the weights are shared, thousands of cases
 * weigh freely, and few do not make the blend much worse than its best part
 * (docs/decisions/hybrid-blend.md).
 *
 * Threads: one call at a time per pool. The weights do not depend on the number of threads.
 */
#ifndef MQ_REC_RATING_BLEND_H
#define MQ_REC_RATING_BLEND_H

#include "base/pool.h"
#include "model/hybrid.h"

/** Ratings that the model does not know. All borrowed. */
struct mq_rating_blend_cases {
    int64_t count;
    const int32_t *user; /**< [count] codes of the model, ascending */
    const int32_t *item; /**< [count] */
    const float *rating; /**< [count] */
};

struct mq_rating_blend {
    float weight[MQ_PREDICTOR_COUNT], bias;
    double rmse[MQ_PREDICTOR_COUNT]; /**< of each on the held-out ratings */
    double rmse_blend;               /**< of the blend, on the ratings it was learned from */
    enum mq_rating_predictor best;   /**< the one that did best alone */
};

/**
 * @param hybrid trained without the cases; its weights are not looked at
 * @return MQ_OK (also without a case: all weight on the last predictor there is) | MQ_E_NOMEM |
 *         MQ_E_CANCELLED
 * Cost: a prediction by each predictor a case.
 */
enum mq_status mq_rating_blend_learn(const struct mq_hybrid *hybrid,
                                     const struct mq_rating_blend_cases *cases,
                                     struct mq_pool *pool, struct mq_rating_blend *ret_blend,
                                     struct mq_error *err);

#endif
