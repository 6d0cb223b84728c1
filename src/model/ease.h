/**
 * EASE^R, the shallow linear autoencoder (Steck 2019, "Embarrassingly shallow autoencoders for
 * sparse data"): scores of a user are x B, x the user's history and B an item by item matrix with a
 * zero diagonal that minimises |X - X B|² + λ|B|². In closed form, with P = (XᵀX + Λ)⁻¹,
 *   B[i][j] = -P[i][j] / P[j][j]  for i ≠ j,   B[j][j] = 0.
 * Λ = λ + dropout * diagonal(XᵀX): the second term is what training with items dropped at random
 * comes to (Steck 2020, "Autoencoders that don't overfit towards the identity"), dropout standing
 * for p/(1-p).
 *
 * The matrix is dense: memory is 4 * items² bytes, of training too, and time grows with items³. So
 * the catalogue has a stated limit, `items_max`.
 *
 * At scoring time a history may be weighted: mq_recency_weights gives newer items more, which says
 * far better what comes next (docs/decisions/ease.md) and costs nothing.
 *
 * Threads: a model is immutable once trained; scoring is reentrant.
 */
#ifndef MQ_MODEL_EASE_H
#define MQ_MODEL_EASE_H

#include <stdint.h>

#include "base/pool.h"
#include "data/rating_matrix.h"
#include "marquee/status.h"

/** Items of the default limit: 1 GiB of memory, and about a minute of training on two cores. */
#define MQ_EASE_ITEMS_DEFAULT 16384
/** Most items that any limit may allow: 16 GiB. */
#define MQ_EASE_ITEMS_MAX 65536

struct mq_ease_options {
    float regularization; /**< λ > 0 */
    float dropout;        /**< >= 0 */
    int32_t items_max;    /**< 1…MQ_EASE_ITEMS_MAX: a larger catalogue is refused */
};

/** What did best on MovieLens 1M, docs/decisions/ease.md. */
struct mq_ease_options mq_ease_options_default(void);

struct mq_ease {
    int32_t item_count;
    float *weight; /**< float32 [item_count,item_count] row-major: B, row i what item i in a history
                        adds to each item's score; owned */
};

/**
 * Train.
 * @param value float32 [matrix->count] by position in user order, X's entries, finite; NULL: all 1
 * @param pool  NULL: this thread alone. The bytes do not depend on the number of threads.
 * @return MQ_OK | MQ_E_RANGE (an option or value out of range, more than items_max items) |
 *         MQ_E_NOMEM | MQ_E_CANCELLED
 * Cost: O(Σ_u ratings_u² + items³).  Memory: 4 * items² bytes, and 2 kB an item.
 */
enum mq_status mq_ease_train(const struct mq_rating_matrix *matrix, const float *value,
                             const struct mq_ease_options *options, struct mq_pool *pool,
                             struct mq_ease **ret_model, struct mq_error *err);

/** A model from a matrix B that was kept, float32 [item_count,item_count], copied. */
enum mq_status mq_ease_from_array(const float *weight, int32_t item_count,
                                  struct mq_ease **ret_model, struct mq_error *err);

/** NULL allowed. */
void mq_ease_free(struct mq_ease *model);

/**
 * Scores of all items for one history.
 * @param items  int32 [count], in [0, item_count)
 * @param value  float32 [count]; NULL: all 1
 * @param ret_scores float32 [item_count]; 0 for an empty history
 * @return MQ_OK | MQ_E_RANGE
 * Cost: O(count * items).
 */
enum mq_status mq_ease_scores(const struct mq_ease *model, const int32_t *items, const float *value,
                              int64_t count, float *ret_scores, struct mq_error *err);

/**
 * Scores of some items for one history: as mq_ease_scores, but for the order of the sum.
 * @param candidates int32 [candidate_count], in [0, item_count)
 * @param ret_scores float32 [candidate_count]
 * Cost: O(count * candidate_count).
 */
enum mq_status mq_ease_score_items(const struct mq_ease *model, const int32_t *items,
                                   const float *value, int64_t count, const int32_t *candidates,
                                   int64_t candidate_count, float *ret_scores,
                                   struct mq_error *err);

/**
 * The k best unseen items of every user of a matrix with the model's item codes.
 * @param value      float32 [matrix->count] by position in user order; NULL: all 1
 * @param k          1…item_count
 * @param ret_items  int32 [user_count,k], best first; -1 where there are fewer than k
 * @param ret_scores float32 [user_count,k]; -inf where there is no item. NULL allowed
 * @return MQ_OK | MQ_E_RANGE | MQ_E_NOMEM | MQ_E_CANCELLED
 * Cost: O(ratings * items).
 */
enum mq_status mq_ease_lists(const struct mq_ease *model, const struct mq_rating_matrix *matrix,
                             const float *value, int32_t k, struct mq_pool *pool,
                             int32_t *ret_items, float *ret_scores, struct mq_error *err);

#endif
