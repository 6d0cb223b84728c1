/**
 * One batch of DeepFM rows, forward and backward, by the algebra of
 * docs/decisions/deepfm-algebra.md: what rows of a batch share goes through the first layer once.
 *
 * A category (or a bag) that occurs in the batch is an *entry*: its vector e and its hidden half
 * e · W1_f are computed once, rows gather and add them; backward, the rows' deltas are summed by
 * entry first. The dense fields collapse into one [dense, width₀] matrix, rows v_f · W1_f.
 *
 * Inner part of the trainer, the prediction and their tests. Threads: one batch, one thread at a
 * time (it spreads its own work over the pool). Results do not depend on the number of threads.
 */
#ifndef MQ_MODEL_DEEPFM_BATCH_H
#define MQ_MODEL_DEEPFM_BATCH_H

#include "model/deepfm.h"

/** Rows that one worker takes through the layers at a time. */
#define MQ_DEEPFM_SLICE 512

struct mq_deepfm_batch;

/** Gradient of some feature rows: w and v of `feature[i]` are at i. Features are distinct. */
struct mq_deepfm_feature_gradient {
    int32_t count;
    const int32_t *feature; /**< [count] feature ids */
    const float *w;         /**< [count] */
    const float *v;         /**< [count, dim] */
};

/**
 * Workspace for batches of up to `capacity` rows out of `rows`.
 * @param model,rows borrowed, must outlive it; rows were checked by mq_deepfm_rows_check. The
 *        model's parameters may change between batches.
 * @param backward whether gradients will be asked for
 */
enum mq_status mq_deepfm_batch_new(const struct mq_deepfm *model, const struct mq_deepfm_rows *rows,
                                   int32_t capacity, bool backward, struct mq_pool *pool,
                                   struct mq_deepfm_batch **ret_batch, struct mq_error *err);
/** NULL allowed. */
void mq_deepfm_batch_free(struct mq_deepfm_batch *batch);

/** Probabilities of rows [begin, begin+n), n <= capacity. @param ret_prob float32 [n] */
enum mq_status mq_deepfm_batch_forward(struct mq_deepfm_batch *batch, int64_t begin, int32_t n,
                                       float *ret_prob, struct mq_error *err);

/**
 * Halves of rows [begin, begin+n) without their dense fields.
 * @param ret_hidden float32 [n, width₀] (unused without hidden layers)  @param ret_vector [n, dim]
 * @param ret_scalar [n] Σ w − ½ Σ |e|²
 */
enum mq_status mq_deepfm_batch_halves(struct mq_deepfm_batch *batch, int64_t begin, int32_t n,
                                      float *ret_hidden, float *ret_vector, float *ret_scalar,
                                      struct mq_error *err);

/**
 * Gradient of the mean log-loss of some rows (without L2), kept in the batch until the next call.
 * @param order int32 [n] rows, n <= capacity
 * @param dropout share of hidden units left out; `seed` decides which
 * @param ret_loss mean log-loss; may be NULL
 */
enum mq_status mq_deepfm_batch_gradient(struct mq_deepfm_batch *batch, const int32_t *order,
                                        int32_t n, float dropout, uint64_t seed, double *ret_loss,
                                        struct mq_error *err);

/** Gradient of feature rows, by segment; features of different segments differ. */
int32_t mq_deepfm_batch_segments(const struct mq_deepfm_batch *batch);
struct mq_deepfm_feature_gradient mq_deepfm_batch_segment(const struct mq_deepfm_batch *batch,
                                                          int32_t segment);

/** Gradient of the layers and the bias: parallel to model->parameters from *ret_from on. */
const float *mq_deepfm_batch_layers(const struct mq_deepfm_batch *batch, size_t *ret_from,
                                    size_t *ret_count);

/** The collapsed first layer of the dense fields: ret_hidden[d] = v_d · W1_d, [dense, width₀]. */
void mq_deepfm_dense_hidden(const struct mq_deepfm *model, float *ret_hidden);

/** Standardised dense values: ret_values[d] = (x[d] − mean) · scale. */
void mq_deepfm_standardise(const struct mq_deepfm *model, const float *x, float *ret_values);

#endif
