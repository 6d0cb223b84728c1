/**
 * Sampled softmax: negatives, what each is expected to weigh, the loss and its gradient.
 *
 *   loss_b = -log( e^{s_b,y - log q_y} / ( e^{s_b,y - log q_y} + Σ_{j≠y} c_j·e^{s_b,j - log q_j} )
 * )
 *
 * over the distinct negatives j of a batch, drawn c_j times each, where q_i is the number of times
 * the sampler is expected to draw item i. A negative that is the sample's own target is left out.
 * With every item as a negative and q = 1 this is the softmax over all items, exactly.
 *
 * Source: Jean et al. 2015, section 3; Bengio & Senécal 2008. Golden:
 * tests/golden/youtubednn_golden.py
 */
#ifndef MQ_MODEL_SAMPLED_SOFTMAX_H
#define MQ_MODEL_SAMPLED_SOFTMAX_H

#include <stdint.h>

#include "base/rng.h"
#include "marquee/status.h"

/** Where negatives come from. */
enum mq_negative_source {
    MQ_NEGATIVES_UNIFORM = 0, /**< items with plays, evenly, without replacement */
    MQ_NEGATIVES_POPULARITY,  /**< by plays^0.75, with replacement */
    MQ_NEGATIVES_IN_BATCH,    /**< the targets of the same batch */
    MQ_NEGATIVES_ALL,         /**< no sampling: every item with plays */
};

/** Draws negatives of one kind. All arrays owned. Threads: one sampler, one thread at a time. */
struct mq_negative_sampler {
    enum mq_negative_source source;
    int32_t item_count;
    int32_t active_count; /**< items with plays; only these are ever drawn */
    int32_t draws;        /**< a batch: how many are drawn (all: active_count) */
    int32_t *active;      /**< int32 [active_count] their codes; uniform drawing permutes them */
    float *log_expected;  /**< float32 [item_count]: log q_i; 0 for items without plays */
    double *alias_chance; /**< float64 [active_count] of Walker's alias table, or NULL */
    int32_t *alias;       /**< int32 [active_count], or NULL */
    int32_t *times;       /**< int32 [item_count] scratch, zero between calls */
};

/**
 * @param plays  int64 [item_count], how often each item is a target or in a history
 * @param draws  wanted a batch, >= 1; where as many items are active, all are taken and q is 1
 * @param batch  samples a batch: the draws of MQ_NEGATIVES_IN_BATCH
 * @return MQ_OK | MQ_E_NOMEM
 */
enum mq_status mq_negative_sampler_init(struct mq_negative_sampler *sampler,
                                        enum mq_negative_source source, int32_t item_count,
                                        const int64_t *plays, int32_t draws, int32_t batch,
                                        struct mq_error *err);
/** NULL and zeroed allowed. */
void mq_negative_sampler_release(struct mq_negative_sampler *sampler);

/** Most distinct negatives that one draw returns. */
int32_t mq_negative_sampler_most(const struct mq_negative_sampler *sampler);

/**
 * Draw a batch's negatives, distinct.
 *
 * @param target,target_count the batch's targets; used by MQ_NEGATIVES_IN_BATCH only
 * @param ret_item       int32 [most]
 * @param ret_correction float32 [most]: log(c_j) - log(q_j), to be added to the score
 * @return how many
 */
int32_t mq_negative_sampler_draw(struct mq_negative_sampler *sampler, struct mq_rng *rng,
                                 const int32_t *target, int32_t target_count, int32_t *ret_item,
                                 float *ret_correction);

/**
 * Loss and gradient of `rows` samples against `columns` negatives, in place.
 *
 * @param scores      float32 [rows, columns+1] row-major. In: raw scores of the negatives, and in
 *                    the last column the target's score less its log q. Out: d loss / d score
 * @param correction  float32 [columns+1], added to the scores; 0 in the last column
 * @param own_column  int32 [rows]: the negative that is the row's target, left out; or -1
 * @param weight      float32 [rows]: factor of each row's loss (sample weight / sum of weights)
 * @return Σ weight·loss
 * Threads: reentrant.  Cost: O(rows·columns).
 */
double mq_sampled_softmax(int32_t rows, int32_t columns, float *scores, const float *correction,
                          const int32_t *own_column, const float *weight);

#endif
