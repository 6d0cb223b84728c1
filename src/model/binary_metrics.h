/**
 * How good predicted probabilities of a yes-or-no label are: order (AUC), sharpness (log-loss), and
 * honesty (calibration).
 *
 * Sums are double, in row order. Threads: reentrant.
 */
#ifndef MQ_MODEL_BINARY_METRICS_H
#define MQ_MODEL_BINARY_METRICS_H

#include <stdint.h>

#include "marquee/status.h"

/** Bins of the calibration table, by equal width of the probability. */
#define MQ_CALIBRATION_BINS 10

struct mq_binary_metrics {
    int64_t rows, positives;
    double auc;         /**< area under the ROC curve, ties half; NAN where one class is missing */
    double log_loss;    /**< mean, natural logarithm, probabilities kept within [1e-7, 1-1e-7] */
    double calibration; /**< mean prediction / share of positives; NAN without positives */
    double calibration_error; /**< Σ_bins share · |mean prediction − share of positives| */
    int64_t bin_rows[MQ_CALIBRATION_BINS];
    double bin_prediction[MQ_CALIBRATION_BINS]; /**< mean, 0 for an empty bin */
    double bin_positives[MQ_CALIBRATION_BINS];  /**< share, 0 for an empty bin */
};

/**
 * @param prob  float32 [n] in [0, 1]   @param label float32 [n], 0 or 1
 * @return MQ_OK | MQ_E_RANGE (n is 0, or a probability is not in [0, 1]) | MQ_E_NOMEM
 * Cost: O(n) with a radix sort of the probabilities.
 */
enum mq_status mq_binary_metrics(const float *prob, const float *label, int64_t n,
                                 struct mq_binary_metrics *ret_metrics, struct mq_error *err);

#endif
