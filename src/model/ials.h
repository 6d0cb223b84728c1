/**
 * Matrix factorisation of implicit feedback by alternating least squares (Hu, Koren & Volinsky
 * 2008), regularised and set as in Rendle, Krichene, Zhang & Koren 2022, "Revisiting the
 * performance of iALS on item recommendation benchmarks".
 *
 * With s(u,i) = user[u]·item[i], observed pairs S and their confidence c (1 unless given):
 *   L = Σ_S c (s - 1)²  +  α0 Σ_all s²  +  Σ_u λ_u |user[u]|² + Σ_i λ_i |item[i]|²
 *   λ_u = λ (ratings of u + α0 · items)^ν,   λ_i = λ (ratings of i + α0 · users)^ν
 * which is their equations 1 to 4 and 12. MQ_IALS_INSTEAD is the form of Hu et al.: the second sum
 * runs over the pairs that were not observed, so that an observed one is pulled to 1 alone.
 *
 * One iteration solves all users with items fixed, then all items. Each row is a linear system of
 * `factors` unknowns, solved by a few steps of conjugate gradient from where the row stands
 * (Takács, Pilászy & Tikk 2011), rows in blocks so that their dense part is one product, or exactly
 * by Cholesky. When all is done every user is solved once more, exactly: so a user's vector is what
 * mq_ials_fold_in makes of the same row, to the byte.
 *
 * Ratings below what counts as a choice must be left out by the caller: all of the matrix count,
 * whatever their value (confidence may weigh them).
 *
 * Threads: a model is immutable once trained; mq_ials_fold_in and the scores are reentrant.
 */
#ifndef MQ_MODEL_IALS_H
#define MQ_MODEL_IALS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "data/rating_matrix.h"
#include "marquee/status.h"

#define MQ_IALS_FACTORS_MAX 1024
#define MQ_IALS_ITERATIONS_MAX 1000

enum mq_ials_solver {
    MQ_IALS_AUTO = 0, /**< conjugate gradient, or Cholesky where there are few factors */
    MQ_IALS_CONJUGATE_GRADIENT,
    MQ_IALS_CHOLESKY
};

enum mq_ials_form {
    MQ_IALS_BESIDE =
        0,          /**< all pairs are pulled to 0, observed ones to 1 besides (Rendle et al.) */
    MQ_IALS_INSTEAD /**< pairs not observed are pulled to 0 (Hu et al.); confidence >= α0 */
};

struct mq_ials_options {
    int32_t factors;               /**< 1…MQ_IALS_FACTORS_MAX */
    int32_t iterations;            /**< 0…MQ_IALS_ITERATIONS_MAX */
    float unobserved_weight;       /**< α0 > 0 */
    float regularization;          /**< λ > 0 */
    float regularization_exponent; /**< ν, 0…1: 0 every row alike, 1 in proportion to its ratings */
    float deviation;               /**< initial factors are N(0, deviation/√factors), > 0 */
    enum mq_ials_form form;
    enum mq_ials_solver solver;
    int32_t steps;   /**< of conjugate gradient a row and iteration, 1…100 */
    bool objectives; /**< fill report.objective after each iteration (a pass over the data more) */
};

/** What did best on MovieLens 1M, docs/decisions/ials.md. */
struct mq_ials_options mq_ials_options_default(void);

/** A trained model. All arrays owned by it. */
struct mq_ials {
    int32_t user_count, item_count, factors;
    float *user; /**< float32 [user_count,factors]; zeros for users without ratings */
    float *item; /**< float32 [item_count,factors]; zeros for items without ratings */
    float unobserved_weight, regularization, regularization_exponent;
    enum mq_ials_form form;
    float *gram; /**< float32 [factors,factors] = α0 * itemᵀ*item: what fold-in starts from */
};

struct mq_ials_report {
    int32_t iterations;
    enum mq_ials_solver solver; /**< that was used */
    double seconds_per_iteration;
    double seconds;         /**< in all */
    double *objective;      /**< [iterations] L after each one, or NULL; owned, mq_free */
    double final_objective; /**< L of the model as it is returned */
};

/**
 * Train.
 * @param confidence float32 [matrix->count] by position in user order, finite, > 0; NULL: all 1
 * @param pool NULL: this thread alone. The bytes do not depend on the number of threads.
 * @param ret_report NULL allowed
 * @return MQ_OK | MQ_E_RANGE (an option or confidence out of range) | MQ_E_NOMEM | MQ_E_CANCELLED
 * Cost an iteration: O(ratings * factors * steps + rows * factors² * steps), or with Cholesky
 * O(ratings * factors² + rows * factors³).
 * Memory: the factors, 4 bytes a rating where confidence is given, and a few megabytes a thread.
 */
enum mq_status mq_ials_train(const struct mq_rating_matrix *matrix, const float *confidence,
                             const struct mq_ials_options *options, uint64_t seed,
                             struct mq_pool *pool, struct mq_ials **ret_model,
                             struct mq_ials_report *ret_report, struct mq_error *err);

/**
 * A model from arrays that were kept: user [user_count,factors], item [item_count,factors], copied.
 * Of the options the factors, weights, exponent and form count.
 * @return MQ_OK | MQ_E_RANGE (option out of range, value not finite) | MQ_E_NOMEM
 */
enum mq_status mq_ials_from_arrays(const float *user, int32_t user_count, const float *item,
                                   int32_t item_count, const struct mq_ials_options *options,
                                   struct mq_pool *pool, struct mq_ials **ret_model,
                                   struct mq_error *err);

/** NULL allowed. */
void mq_ials_free(struct mq_ials *model);

/**
 * The vector of a user who chose these items, exactly solved. An item twice counts twice.
 * @param items      int32 [count], in [0, item_count); ascending gives a training row's very bytes
 * @param confidence float32 [count], finite, > 0; NULL: all 1
 * @param ret_vector float32 [factors]; zeros for count 0
 * @return MQ_OK | MQ_E_RANGE | MQ_E_NOMEM
 * Cost: O(count * factors² + factors³); a fifth of a millisecond for 150 items and 64 factors.
 */
enum mq_status mq_ials_fold_in(const struct mq_ials *model, const int32_t *items,
                               const float *confidence, int64_t count, float *ret_vector,
                               struct mq_error *err);

/**
 * The vectors of all users of a matrix with the model's item codes, as mq_ials_fold_in of each:
 * with other confidence than in training (mq_recency_weights_all), or of other users.
 * @param confidence float32 [matrix->count] by position in user order; NULL: all 1
 * @param ret_vectors float32 [matrix->user_count,factors]
 * @return MQ_OK | MQ_E_RANGE | MQ_E_NOMEM | MQ_E_CANCELLED
 */
enum mq_status mq_ials_fold_in_all(const struct mq_ials *model,
                                   const struct mq_rating_matrix *matrix, const float *confidence,
                                   struct mq_pool *pool, float *ret_vectors, struct mq_error *err);

/**
 * L of a model on a matrix with the model's codes. Arguments as mq_ials_train.
 * Cost: O(ratings * factors + rows * factors²).
 */
enum mq_status mq_ials_objective(const struct mq_ials *model, const struct mq_rating_matrix *matrix,
                                 const float *confidence, struct mq_pool *pool,
                                 double *ret_objective, struct mq_error *err);

#endif
