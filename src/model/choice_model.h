/**
 * Conditional logit (McFadden 1974): which of a set of alternatives is chosen, from features of
 * each:
 *
 *   P(a | set) = exp(w · x_a) / Σ_b exp(w · x_b)
 *
 * The weights maximise Σ log P(chosen) - ridge/2 · |w|², a concave function, found by Newton's
 * method with halved steps; so there is one answer, and no learning rate. It blends scores of
 * several recommenders: with standardised scores for features the weights say what each adds to the
 * others.
 *
 * Threads: reentrant; uses the pool, the result does not depend on it.
 */
#ifndef MQ_MODEL_CHOICE_MODEL_H
#define MQ_MODEL_CHOICE_MODEL_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "marquee/status.h"

#define MQ_CHOICE_FEATURES_MAX 16

/** Choices that were made. All borrowed. */
struct mq_choices {
    int64_t count;         /**< sets */
    int32_t features;      /**< of an alternative, 1…MQ_CHOICE_FEATURES_MAX */
    const int64_t *offset; /**< int64 [count+1]: set s has alternatives offset[s] … offset[s+1]-1 */
    const float *feature;  /**< float32 [offset[count], features], finite */
    const int32_t *chosen; /**< int32 [count]: which of the set's, from 0 */
};

struct mq_choice_options {
    double ridge;       /**< above 0 */
    bool at_least_zero; /**< weights below 0 are held at 0 (features that agree with each other) */
};

/**
 * Fit.
 * @param ret_weights float64 [features]; all 0 without a set
 * @param ret_loss    mean of -log P(chosen); may be NULL
 * @return MQ_OK | MQ_E_RANGE (features, ridge, a choice outside of its set) | MQ_E_NOMEM |
 *         MQ_E_CANCELLED
 * Cost: some ten passes, each O(alternatives · features²).
 */
enum mq_status mq_choice_fit(const struct mq_choices *choices,
                             const struct mq_choice_options *options, struct mq_pool *pool,
                             double *ret_weights, double *ret_loss, struct mq_error *err);

#endif
