/** Inside of model/biased_mf.h: the posterior of one row, the other side's rows fixed. */
#ifndef MQ_MODEL_BIASED_MF_ROW_H
#define MQ_MODEL_BIASED_MF_ROW_H

#include <stddef.h>
#include <stdint.h>

#include "marquee/status.h"

/** The other side, and the prior. All borrowed. */
struct mq_biased_mf_side {
    int32_t factors;
    float mean, scale, noise;
    const float *moments;   /* [*,MQ_BIASED_MF_MOMENTS(factors)] */
    const float *precision; /* [factors+1] */
};

/** Floats of scratch for mq_biased_mf_row. */
size_t mq_biased_mf_row_scratch(int32_t factors);

/**
 * The posterior of a row, and what it says of the noise.
 * @param index, ratings [count]: rows of the moments, ratings as they came
 * @param prior_mean     [factors+1]
 * @param scratch        [mq_biased_mf_row_scratch]
 * @param ret_row        [factors+1] posterior mean; not prior_mean
 * @param ret_covariance [factors+1,factors+1], both halves; NULL allowed
 * @param ret_squares    Σ E[(rating - prediction)²] in units of scale²; NULL allowed, and with
 *                       ret_covariance only
 * @return MQ_OK | MQ_E_RANGE (not finite)
 */
enum mq_status mq_biased_mf_row(const struct mq_biased_mf_side *side, const int32_t *index,
                                const float *ratings, int64_t count, const float *prior_mean,
                                float *scratch, float *ret_row, float *ret_covariance,
                                double *ret_squares, struct mq_error *err);

/** Moments of a row from its mean and covariance. */
void mq_biased_mf_row_moments(const float *row, const float *covariance, int32_t factors,
                              float *ret_moments);

#endif
