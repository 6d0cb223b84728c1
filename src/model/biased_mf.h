/**
 * Biased matrix factorisation of ratings:
 *   rating(u,i) = mean + scale * (user[u].bias + item[i].bias + user[u].factors · item[i].factors)
 * with normal noise and normal priors, fitted by variational Bayes (Lim & Teh 2007, "Variational
 * Bayesian approach to movie rating prediction"): like alternating least squares, but each row
 * keeps its covariance beside its mean, so that a row of few ratings counts as little as it is
 * sure of. The noise and the priors' precisions, one a dimension, are learnt with the rest: there
 * is no regularisation to tune, and factors that the data does not need die away.
 *
 * What somebody rated says something whatever the ratings were (Koren 2008, SVD++). Here the prior
 * mean of a row is linear in it, the prior's precision staying as it is:
 *   E user[u] = Σ_{i rated by u} implicit[i] / √(ratings of u)
 * and alike for items from who rated them; `implicit` is the ridge regression of the rows' means on
 * the rated, renewed each iteration (as Macau does with features, Simm et al. 2017).
 *
 * When all is done every user is fitted once more: so a user's row is what mq_biased_mf_fold_in
 * makes of the same ratings, to the byte.
 *
 * Threads: a model is immutable once trained; all reads are reentrant.
 */
#ifndef MQ_MODEL_BIASED_MF_H
#define MQ_MODEL_BIASED_MF_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"
#include "data/rating_matrix.h"
#include "marquee/status.h"

#define MQ_BIASED_MF_FACTORS_MAX 256
#define MQ_BIASED_MF_ITERATIONS_MAX 1000

struct mq_biased_mf_options {
    int32_t factors;    /**< 0…MQ_BIASED_MF_FACTORS_MAX; 0: biases alone */
    int32_t iterations; /**< 0…MQ_BIASED_MF_ITERATIONS_MAX; 0: the mean and what the prior says */
    float implicit_regularization; /**< of `implicit`, > 0 */
    bool implicit;                 /**< whether what is rated counts beside how */
};

/** What did best on MovieLens 1M, docs/decisions/biased-mf.md. */
struct mq_biased_mf_options mq_biased_mf_options_default(void);

/** Floats of a row's moments with so many factors. */
#define MQ_BIASED_MF_MOMENTS(factors) (((factors) + 1) * ((factors) + 2) / 2 + (factors) + 2)

/** A trained model. All arrays owned by it. */
struct mq_biased_mf {
    int32_t user_count, item_count, factors;
    float mean;      /**< of the ratings */
    float scale;     /**< their standard deviation; 1 where they are all equal */
    float low, high; /**< least and greatest rating seen; predictions are cut to them */
    float noise;     /**< variance of a rating, in units of scale² */
    float *user;     /**< float32 [user_count,factors+1]: bias, then factors */
    float *item;     /**< float32 [item_count,factors+1]: the same */

    /* For folding in: */
    float *precision; /**< float32 [factors+1] of the users' prior */
    float *implicit;  /**< float32 [item_count,factors+1]; zeros without the implicit term */
    float *moments;   /**< float32 [item_count,MQ_BIASED_MF_MOMENTS(factors)] of y = (1, factors)
                           and the bias c: E[y yᵀ] on and above the diagonal, row by row; E[c y];
                           E[c²] */
};

struct mq_biased_mf_report {
    int32_t iterations;
    double seconds;
    double noise; /**< standard deviation of a rating about its prediction, as learnt */
};

/**
 * Train.
 * @param pool NULL: this thread alone. The bytes do not depend on the number of threads.
 * @param ret_report NULL allowed
 * @return MQ_OK | MQ_E_RANGE (option out of range) | MQ_E_NOMEM | MQ_E_CANCELLED
 * Cost an iteration: O(ratings * factors² + rows * factors³).
 * Memory: the moments of all rows: 612 bytes a row at 15 factors, 1.5 kB at 24.
 */
enum mq_status mq_biased_mf_train(const struct mq_rating_matrix *matrix,
                                  const struct mq_biased_mf_options *options, uint64_t seed,
                                  struct mq_pool *pool, struct mq_biased_mf **ret_model,
                                  struct mq_biased_mf_report *ret_report, struct mq_error *err);

/**
 * A model from arrays that were kept, copied. `kept` borrows arrays as struct mq_biased_mf says.
 * @return MQ_OK | MQ_E_RANGE (a size out of range, a value not finite, noise or precision not
 *         above 0) | MQ_E_NOMEM
 */
enum mq_status mq_biased_mf_from_arrays(const struct mq_biased_mf *kept,
                                        struct mq_biased_mf **ret_model, struct mq_error *err);

/** NULL allowed. */
void mq_biased_mf_free(struct mq_biased_mf *model);

/**
 * The row of a user with these ratings.
 * @param items   int32 [count] in [0, item_count); ascending gives a training row's very bytes
 * @param ratings float32 [count], finite
 * @param ret_row float32 [factors+1]: bias, then factors; zeros for count 0
 * @return MQ_OK | MQ_E_RANGE | MQ_E_NOMEM
 * Cost: O(count * factors² + factors³).
 */
enum mq_status mq_biased_mf_fold_in(const struct mq_biased_mf *model, const int32_t *items,
                                    const float *ratings, int64_t count, float *ret_row,
                                    struct mq_error *err);

/** Rating of an item, in [0, item_count), by a row [factors+1]; between low and high. */
float mq_biased_mf_rate(const struct mq_biased_mf *model, const float *row, int32_t item);

/**
 * Ratings of pairs.
 * @param users,items int32 [count], in range: a code beyond the model's is an error
 * @param ret_ratings float32 [count]
 * @return MQ_OK | MQ_E_RANGE
 */
enum mq_status mq_biased_mf_predict(const struct mq_biased_mf *model, const int32_t *users,
                                    const int32_t *items, int64_t count, float *ret_ratings,
                                    struct mq_error *err);

#endif
