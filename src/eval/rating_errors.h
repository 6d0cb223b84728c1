/**
 * Predicted ratings against those given: root mean square error, mean absolute error, bias, and
 * how far a prediction of so much means so much (calibration by bins).
 *
 * Sums are kept by user, so that intervals can be had by drawing users (eval/bootstrap.h).
 * Predictions are taken as they are: clipping them to the scale is the predictor's affair.
 */
#ifndef MQ_EVAL_RATING_ERRORS_H
#define MQ_EVAL_RATING_ERRORS_H

#include <stdint.h>

#include "marquee/status.h"

/** Most bins of a calibration. */
#define MQ_RATING_BINS_MAX 64

/** Test ratings, one by one. All borrowed. */
struct mq_rating_task {
    int64_t count;
    const int32_t *user; /**< [count] ascending */
    const float *given;  /**< [count] finite */
};

struct mq_rating_errors {
    int64_t count;
    double rmse, mae; /**< 0 without a rating */
    double bias;      /**< mean of predicted - given */
};

/** Sums of one user's ratings. */
struct mq_user_errors {
    double squares, absolutes, differences, count;
};

/** Ratings whose predictions are neighbours. */
struct mq_rating_bin {
    double predicted; /**< mean */
    double given;     /**< mean */
    double low, high; /**< of given: 95 % by the normal distribution; NaN below two ratings */
    int64_t count;    /**< at least 1 */
};

/** Errors over all ratings. @param predicted float32 [task->count]
 * @return MQ_OK | MQ_E_RANGE (a prediction that is not finite: names the rating) */
enum mq_status mq_rating_errors_measure(const struct mq_rating_task *task, const float *predicted,
                                        struct mq_rating_errors *ret_errors, struct mq_error *err);

/** Users among the task's ratings. */
int64_t mq_rating_task_users(const struct mq_rating_task *task);

/** Sums by user, in order of the task. @param ret_users [mq_rating_task_users] */
void mq_rating_errors_by_user(const struct mq_rating_task *task, const float *predicted,
                              struct mq_user_errors *ret_users);

/**
 * Bins of equal numbers by prediction; equal predictions share a bin, so there may be fewer.
 * @param bins 1 … MQ_RATING_BINS_MAX  @param ret_bins [bins]  @param ret_count how many were made
 * @return MQ_OK | MQ_E_RANGE (bins) | MQ_E_NOMEM
 * Cost: O(count log count).
 */
enum mq_status mq_rating_calibration(const struct mq_rating_task *task, const float *predicted,
                                     int bins, struct mq_rating_bin *ret_bins, int *ret_count,
                                     struct mq_error *err);

#endif
