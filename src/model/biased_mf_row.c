/*
 * With y = (1, factors of the other) and c its bias, t the scaled rating less the mean, a row
 * x = (bias, factors) has the posterior
 *   covariance = noise * A⁻¹,   A = Σ E[y yᵀ] + noise * precision,
 *   A mean = Σ (t E[y] - E[c y]) + noise * precision * prior mean.
 * The expectations stand ready in the other side's moments, so that all sums but one are a sum of
 * rows.
 */
#include "model/biased_mf_row.h"

#include <math.h>
#include <string.h>

#include "math/cholesky.h"
#include "math/kernels.h"
#include "model/biased_mf.h"

/* Rows of moments that are summed before the sum is added to the rest: float32 is too short for a
 * million in a row. */
#define PART 2048

size_t
mq_biased_mf_row_scratch(int32_t factors)
{
    size_t d = (size_t)factors + 1;
    return 2 * (size_t)MQ_BIASED_MF_MOMENTS(factors) + 2 * d * d + 2 * d;
}

/* What the ratings of a row add up to. */
struct sums {
    float *moments;  /* Σ moments */
    float *weighted; /* [d] Σ t E[y] */
    double squares;  /* Σ t² - 2 t E[c] */
};

static void
add_up(const struct mq_biased_mf_side *side, const int32_t *index, const float *ratings,
       int64_t count, float *part, struct sums *sums)
{
    const struct mq_kernels *kernels = mq_kernels();
    size_t d = (size_t)side->factors + 1, size = (size_t)MQ_BIASED_MF_MOMENTS(side->factors);
    size_t bias = d * (d + 1) / 2; /* where E[c y] begins: E[c] */
    memset(sums->moments, 0, size * sizeof(float));
    memset(sums->weighted, 0, d * sizeof(float));
    sums->squares = 0;
    for (int64_t begin = 0; begin < count; begin += PART) {
        int64_t end = begin + PART < count ? begin + PART : count;
        kernels->gather_sum(side->moments, size, index + begin, (size_t)(end - begin), part);
        kernels->add(part, sums->moments, size);
        memset(part, 0, d * sizeof(float));
        for (int64_t i = begin; i < end; i++) {
            const float *moments = side->moments + (size_t)index[i] * size;
            float t = (ratings[i] - side->mean) / side->scale;
            kernels->axpy(t, moments, part, d);
            sums->squares += (double)t * ((double)t - 2 * (double)moments[bias]);
        }
        kernels->add(part, sums->weighted, d);
    }
}

/* covariance = noise * (uᵀu)⁻¹. @param inverse scratch [d,d] */
static void
invert(const float *u, size_t d, float noise, float *inverse, float *ret_covariance)
{
    const struct mq_kernels *kernels = mq_kernels();
    memset(inverse, 0, d * d * sizeof(float)); /* u⁻¹, upper too, from its last row up */
    for (size_t i = d; i-- > 0;) {
        float *row = inverse + i * d, diagonal = 1.0f / u[i * d + i];
        for (size_t k = i + 1; k < d; k++)
            kernels->axpy(-diagonal * u[i * d + k], inverse + k * d + k, row + k, d - k);
        row[i] = diagonal;
    }
    for (size_t i = 0; i < d; i++)
        for (size_t j = i; j < d; j++)
            ret_covariance[i * d + j] = ret_covariance[j * d + i] =
                noise * kernels->dot(inverse + i * d + j, inverse + j * d + j, d - j);
}

/* Σ E[(t - c - x y)²] */
static double
expected_squares(const struct sums *sums, const float *row, const float *covariance, size_t d)
{
    const float *second = sums->moments, *bias = sums->moments + d * (d + 1) / 2;
    double total = sums->squares + (double)bias[d]; /* + Σ E[c²] */
    for (size_t i = 0, at = 0; i < d; i++) {
        total -= 2 * (double)row[i] * ((double)sums->weighted[i] - (double)bias[i]);
        for (size_t j = i; j < d; j++, at++)
            total += (i == j ? 1 : 2) * (double)second[at] *
                     ((double)row[i] * (double)row[j] + (double)covariance[i * d + j]);
    }
    return total;
}

enum mq_status
mq_biased_mf_row(const struct mq_biased_mf_side *side, const int32_t *index, const float *ratings,
                 int64_t count, const float *prior_mean, float *scratch, float *ret_row,
                 float *ret_covariance, double *ret_squares, struct mq_error *err)
{
    size_t d = (size_t)side->factors + 1, size = (size_t)MQ_BIASED_MF_MOMENTS(side->factors);
    struct sums sums = {.moments = scratch, .weighted = scratch + 2 * size};
    float *a = sums.weighted + d, *inverse = a + d * d;
    add_up(side, index, ratings, count, scratch + size, &sums);
    for (size_t i = 0, at = 0; i < d; i++) {
        float own = side->noise * side->precision[i];
        memcpy(a + i * d + i, sums.moments + at, (d - i) * sizeof(float));
        a[i * d + i] += own;
        ret_row[i] = sums.weighted[i] - sums.moments[d * (d + 1) / 2 + i] + own * prior_mean[i];
        at += d - i;
    }
    if (!mq_kernels()->cholesky(a, d, d))
        return mq_fail(err, MQ_E_RANGE, "a row of %lld ratings has no solution: they are too large",
                       (long long)count);
    mq_cholesky_solve(a, d, d, ret_row);
    if (ret_covariance != NULL)
        invert(a, d, side->noise, inverse, ret_covariance);
    if (ret_squares != NULL)
        *ret_squares = expected_squares(&sums, ret_row, ret_covariance, d);
    return MQ_OK;
}

void
mq_biased_mf_row_moments(const float *row, const float *covariance, int32_t factors,
                         float *ret_moments)
{
    size_t d = (size_t)factors + 1, at = 0;
    for (size_t j = 0; j < d; j++)
        ret_moments[at++] = j == 0 ? 1.0f : row[j];
    for (size_t i = 1; i < d; i++)
        for (size_t j = i; j < d; j++)
            ret_moments[at++] = row[i] * row[j] + covariance[i * d + j];
    for (size_t j = 0; j < d; j++)
        ret_moments[at++] = j == 0 ? row[0] : row[0] * row[j] + covariance[j];
    ret_moments[at] = row[0] * row[0] + covariance[0];
}
