/**
 * Bootstrap: how far a figure over users would move if other users of the same kind had been asked.
 * Users are drawn with replacement, as many as there are, again and again; the figure is computed
 * of each draw, and the interval is that of the middle share of the results (the percentile method:
 * Efron and Tibshirani, "An introduction to the bootstrap", 1993, chapter 13).
 *
 * All columns share the draws, so the difference of two systems is paired: what is hard for both
 * falls out of it (Sakai, "Evaluating evaluation metrics based on the bootstrap", SIGIR 2006).
 */
#ifndef MQ_EVAL_BOOTSTRAP_H
#define MQ_EVAL_BOOTSTRAP_H

#include <stdbool.h>
#include <stdint.h>

#include "base/pool.h"

#define MQ_RESAMPLES_MAX 100000

struct mq_interval {
    double value;     /**< of all users; NaN where undefined */
    double low, high; /**< NaN where undefined or not asked for */
};

/** A figure as a ratio of sums over users: sum of `sum` over sum of `weight`. Borrowed. */
struct mq_bootstrap_column {
    const double *sum;    /**< double [count]; NaN: the user does not count here */
    const double *weight; /**< double [count], at least 0; NULL: 1 each (the figure is a mean) */
    bool root;            /**< the figure is the ratio's square root */
};

/** Zero-initialise; then mq_bootstrap_release. */
struct mq_bootstrap {
    int64_t count;
    int columns, resamples;
    double *value;     /**< [columns] of all users */
    double *replicate; /**< [columns, resamples] of the draws; NaN where undefined */
};

/**
 * Draw and compute.
 *
 * @param count     users, at most 2^32-1
 * @param resamples 0 (values alone) … MQ_RESAMPLES_MAX
 * @return MQ_OK | MQ_E_RANGE | MQ_E_NOMEM | MQ_E_CANCELLED
 * Threads: uses the pool (NULL: none); the result does not depend on it.
 * Cost: O(resamples · count · columns), about 10^9 a second and thread; 16 bytes a user and thread.
 */
enum mq_status mq_bootstrap_run(const struct mq_bootstrap_column *columns, int column_count,
                                int64_t count, int resamples, uint64_t seed, struct mq_pool *pool,
                                struct mq_bootstrap *ret_bootstrap, struct mq_error *err);

/** A column's interval. @param level share in (0, 1), such as 0.95
 * @return MQ_OK | MQ_E_RANGE (level) | MQ_E_NOMEM */
enum mq_status mq_bootstrap_interval(const struct mq_bootstrap *bootstrap, int column, double level,
                                     struct mq_interval *ret_interval, struct mq_error *err);

/** The interval of column a minus column b, draw by draw. */
enum mq_status mq_bootstrap_difference(const struct mq_bootstrap *bootstrap, int a, int b,
                                       double level, struct mq_interval *ret_interval,
                                       struct mq_error *err);

void mq_bootstrap_release(struct mq_bootstrap *bootstrap);

#endif
