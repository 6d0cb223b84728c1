/**
 * SLIT: which films follow which, as one matrix in closed form (Choi, Kim, Lee, Shim & Lee,
 * "Session-aware linear item-item models for session-based recommendation", WWW 2021, section 4.2).
 *
 * A user's films in the order of time i_0 … i_{n-1} give a row for each t in 1 … n-1: what came
 * before, the newer the heavier, and what came from then on, the sooner the heavier:
 *
 *   x_t = Σ_{p<t} ρ^(t-1-p) e(i_p)        y_t = Σ_{s>=t} γ^(s-t) e(i_s)
 *   B = (Σ x_t x_tᵀ + λ I)⁻¹ Σ x_t y_tᵀ
 *
 * minimises Σ |y_t - x_tᵀ B|² + λ |B|². A user's scores are xᵀ B, with x of the whole history. The
 * newest films decide: that is what tells it from EASE (model/ease.h), which knows no order.
 *
 * Neither sum is made row by row: with d = q - p > 0 the pair of positions p < q adds
 *   ρ^d (1 - ρ^(2(n-1-q))) / (1 - ρ²) to both x xᵀ,    (ρ^d - γ^d) / (ρ - γ) to x yᵀ
 * and pairs whose weight fell below MQ_SLIT_LEAST_WEIGHT are left out. Deviations from the paper:
 * sessions are whole histories, whose films are distinct, and sums over targets decay.
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

/** Films of a history or a future weigh at least so much, or count as 0. */
#define MQ_SLIT_LEAST_WEIGHT 1e-3
/** Largest half of a decay's length, so that histories have a bound. */
#define MQ_SLIT_DECAY_MAX 100.0f

struct mq_slit_options {
    float decay; /**< films after which one before weighs 1/e: ρ = e^(-1/decay), 0.1…100 */
    float target_decay;   /**< the same for films to come, 0 for the next one alone, up to 100 */
    float regularization; /**< λ > 0 */
    int32_t items_max;    /**< larger catalogues are refused */
};

/** decay 10, target_decay 3, λ 300, 10,000 films: docs/decisions/slit.md. */
struct mq_slit_options mq_slit_options_default(void);

struct mq_slit {
    int32_t item_count;
    float decay;
    float *weights; /**< float32 [item_count,item_count] row-major: from the film before (row) to
                       the one after (column); rows of films without a successor are 0 */
};

/**
 * Train on all users' histories.
 * @param pool NULL: this thread alone. The bytes do not depend on the number of threads.
 * @return MQ_OK | MQ_E_RANGE (an option, or more items than items_max: the message says both) |
 *         MQ_E_NOMEM | MQ_E_CANCELLED
 * Cost: O(ratings · decay + items³).  Memory: 16 bytes an item and item while it trains, 4 after.
 */
enum mq_status mq_slit_train(const struct mq_rating_matrix *matrix,
                             const struct mq_slit_options *options, struct mq_pool *pool,
                             struct mq_slit **ret_model, struct mq_error *err);

/** From an array that was kept: weights [item_count,item_count], of mq_alloc_array, taken. */
enum mq_status mq_slit_from_weights(float *weights, int32_t item_count, float decay,
                                    struct mq_slit **ret_model, struct mq_error *err);

/** NULL allowed. */
void mq_slit_free(struct mq_slit *model);

/** How many films of a history count: the newest ones. */
int32_t mq_slit_history(float decay);

/**
 * Scores of all films for a history.
 * @param items      int32 [count], in [0, item_count), oldest first
 * @param ret_scores float32 [item_count], overwritten
 * Cost: O(min(count, 7·decay) · item_count).
 */
void mq_slit_scores(const struct mq_slit *model, const int32_t *items, int64_t count,
                    float *ret_scores);

#endif
