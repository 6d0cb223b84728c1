/**
 * SLIT: which films follow which, as one matrix in closed form (Choi, Kim, Lee, Shim & Lee,
 * "Session-aware linear item-item models for session-based recommendation", WWW 2021, section 4.2).
 *
 * A user's films in the order of time i_0 … i_{n-1} give a row for each t in 1 … n-1: what came
 * before, the newer the heavier, and what came from then on, the sooner the heavier:
 *
 *   x_t = Σ_{p<t} w(t-p) e(i_p)         w(g) = g^-exponent for g = 1 … window
 *   y_t = Σ_{s>=t} γ^(s-t) e(i_s)       γ = e^(-1/target_decay)
 *   B = (Σ x_t x_tᵀ + λ I)⁻¹ Σ x_t y_tᵀ
 *
 * minimises Σ |y_t - x_tᵀ B|² + λ |B|². A user's scores are xᵀ B, with x of the newest `window`
 * films. The newest films decide: that is what tells it from EASE (model/ease.h), which knows no
 * order.
 *
 * Neither sum is made row by row: a pair of positions d apart adds to x xᵀ a number that depends on
 * d and on how many rows are left behind it, and to x yᵀ one that depends on d; both are tables.
 * Deviations from the paper: sessions are whole histories, whose films are distinct; pairs further
 * apart than the window are left out of x yᵀ too; weights of the past follow a power law, which did
 * better than the exponential one (docs/decisions/slit.md).
 *
 * For catalogues up to a stated number of films: B is dense. Immutable once trained. Threads:
 * reentrant reads.
 */
#ifndef MQ_MODEL_SLIT_H
#define MQ_MODEL_SLIT_H

#include <stdint.h>

#include "base/pool.h"
#include "data/rating_matrix.h"
#include "marquee/status.h"

#define MQ_SLIT_WINDOW_MAX 1000

struct mq_slit_options {
    float exponent;     /**< of the past's weights, 0…8 */
    int32_t window;     /**< newest films that count, 1…MQ_SLIT_WINDOW_MAX */
    float target_decay; /**< films after which one to come weighs 1/e; 0: the next one alone; to 100
                         */
    float regularization; /**< λ > 0 */
    int32_t items_max;    /**< larger catalogues are refused */
};

/** docs/decisions/slit.md */
struct mq_slit_options mq_slit_options_default(void);

struct mq_slit {
    int32_t item_count;
    float exponent;
    int32_t window;
    float *decay;   /**< float32 [window] weight of a film by how many are newer */
    float *weights; /**< float32 [item_count,item_count] row-major: from the film before (row) to
                       the one after (column); rows of films without a successor are 0 */
};

/**
 * Train on all users' histories.
 * @param pool NULL: this thread alone. The bytes do not depend on the number of threads.
 * @return MQ_OK | MQ_E_RANGE (an option, or more items than items_max: the message says both) |
 *         MQ_E_NOMEM | MQ_E_CANCELLED
 * Cost: O(ratings · window + items³).  Memory: 16 bytes an item and item while it trains, 4 after.
 */
enum mq_status mq_slit_train(const struct mq_rating_matrix *matrix,
                             const struct mq_slit_options *options, struct mq_pool *pool,
                             struct mq_slit **ret_model, struct mq_error *err);

/**
 * From an array that was kept.
 * @param weights float32 [item_count,item_count], finite; of mq_alloc_array, taken on success
 * @return MQ_OK | MQ_E_RANGE (exponent, window) | MQ_E_NOMEM
 */
enum mq_status mq_slit_from_weights(float *weights, int32_t item_count, float exponent,
                                    int32_t window, struct mq_slit **ret_model,
                                    struct mq_error *err);

/** NULL allowed. */
void mq_slit_free(struct mq_slit *model);

/**
 * Scores of all films for a history.
 * @param items      int32 [count], in [0, item_count), oldest first
 * @param ret_scores float32 [item_count], overwritten
 * Cost: O(min(count, window) · item_count).
 */
void mq_slit_scores(const struct mq_slit *model, const int32_t *items, int64_t count,
                    float *ret_scores);

#endif
