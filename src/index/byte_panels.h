/**
 * One-byte codes of vectors, with a guaranteed error: an exact search reads these first and looks
 * at the float32 vectors only of the rows that may still belong to the result.
 *
 * Dimension j of row i is kept as c = round((x[i,j] - middle[j]) / step[j]), -63…63. A query q
 * becomes whole weights w with q[j]*step[j] = scale*w[j] + δ[j], so that
 *   q·x[i] = Σ q[j]*middle[j] + scale*Σ w[j]*c[i,j] + Σ δ[j]*c[i,j] + Σ q[j]*step[j]*r[i,j],
 * r the rounding left over in steps. By Cauchy and Schwarz the last two sums are at most
 *   error = |δ|*max_i |c[i]| + |q*step|*max_i |r[i]|,
 * whatever the data. The middle sum is what mq_kernels()->scan_panels computes, in int16 without
 * overflow: the scale is chosen so that |w|*max_i |c[i]| stays below 2^15.
 *
 * Squared distance: |q-x|² = |q|² - 2*(q·x - |x|²/2); |x|²/2 is kept as one more dimension that the
 * query weighs with -1.
 *
 * Threads: immutable once built.
 */
#ifndef MQ_INDEX_BYTE_PANELS_H
#define MQ_INDEX_BYTE_PANELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/pool.h"
#include "marquee/status.h"

/** Widest vectors for which one-byte codes separate well enough to pay. */
#define MQ_BYTE_PANELS_DIM_MAX 512

struct mq_byte_panels {
    int64_t n;
    int32_t dim;
    bool squared_distance;
    size_t width;       /**< dim, or dim+1 for squared distance */
    size_t pairs;       /**< (width+1)/2 */
    size_t panel_count; /**< of MQ_PANEL_ROWS rows; the last one padded */
    uint8_t *codes;     /**< [panel_count][pairs][MQ_PANEL_ROWS][2], c+64 */
    float *step;        /**< [width] > 0 */
    float *middle;      /**< [width] */
    double code_norm_max, residual_norm_max, vector_norm_max;
};

/** A query in whole weights; weights borrowed from the caller. */
struct mq_byte_query {
    int16_t start; /**< first value of the sums: takes the +64 of the codes off again */
    double scale, constant, error;
};

/** Code n vectors [n,dim], dim up to MQ_BYTE_PANELS_DIM_MAX. @return MQ_OK | MQ_E_NOMEM */
enum mq_status mq_byte_panels_build(const float *vectors, int64_t n, int32_t dim,
                                    bool squared_distance, struct mq_pool *pool,
                                    struct mq_byte_panels *ret_panels, struct mq_error *err);

/** Free the arrays. NULL allowed. */
void mq_byte_panels_release(struct mq_byte_panels *panels);

/** Weigh a query. @param ret_weights int32 [pairs] */
void mq_byte_query_prepare(const struct mq_byte_panels *panels, const float *query,
                           int32_t *ret_weights, struct mq_byte_query *ret_query);

/**
 * Bound for scan_panels: every row whose true score reaches `score` has a sum above it.
 * @param score inner product, or q·x - |x|²/2 for squared distance; -inf passes all rows
 */
int16_t mq_byte_query_above(const struct mq_byte_query *query, double score);

#endif
