/**
 * Weights of a history's items by how recent they are: an item with r newer ones weighs
 * (1 + r)^-exponent. What somebody watches next hangs on the last few items far more than on the
 * many before; the power law keeps a long tail where a half-life forgets it.
 *
 * Items of equal time count half of each other as newer, so that their order does not matter.
 * Exponent 0 weighs all alike. Threads: reentrant.
 */
#ifndef MQ_MODEL_RECENCY_H
#define MQ_MODEL_RECENCY_H

#include <math.h>
#include <stdint.h>

#include "data/rating_matrix.h"
#include "marquee/status.h"

/** What did best on MovieLens 1M with EASE and iALS, docs/decisions/ease.md. */
#define MQ_RECENCY_EXPONENT 0.7

/** Weight of an item that `newer` others follow: (1 + newer)^-exponent. */
static inline float
mq_recency_weight(int32_t newer, float exponent)
{
    float place = 1.0f + (float)newer;
    return exponent == 1.0f ? 1.0f / place : powf(place, -exponent);
}

/**
 * Weights of one history.
 * @param time_s     uint32 [count], in any order
 * @param ret_weight float32 [count], in (0,1]
 * @return MQ_OK | MQ_E_NOMEM | MQ_E_RANGE (exponent not 0…10)
 * Cost: O(count log count).
 */
enum mq_status mq_recency_weights(const uint32_t *time_s, int64_t count, double exponent,
                                  float *ret_weight, struct mq_error *err);

/** The same for every user of a matrix. @param ret_weight float32 [count] by position in user order
 */
enum mq_status mq_recency_weights_all(const struct mq_rating_matrix *matrix, double exponent,
                                      float *ret_weight, struct mq_error *err);

#endif
