/**
 * SIMD kernels of training and search, one table an instruction set.
 *
 * mq_kernels() is the table in force (base/cpu.h: processor, lowered by MARQUEE_KERNEL). The
 * generic table is plain C and the oracle: every other kernel agrees with it within the tolerance
 * stated here (tests/property/math). `eps` below is 2^-24; sums of n terms may be reordered, so
 * they agree within 4·eps·n·Σ|terms|. One table always gives the same bytes for the same arguments,
 * whatever the alignment of the pointers.
 *
 * Pointers need no alignment (64 bytes is fastest). Buffers must not overlap unless they are the
 * same buffer where "in place" is said. Lengths may be 0. Row numbers are not checked: the caller
 * guarantees 0 <= rows[i] < rows of the table. Matrices are row-major and dense.
 *
 * Threads: reentrant.
 */
#ifndef MQ_MATH_KERNELS_H
#define MQ_MATH_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cpu.h"

/**
 * Constants of one Adam step (Kingma & Ba 2015, algorithm 1).
 * `correction1` = 1/(1-beta1^t), `correction2` = 1/(1-beta2^t) at step t >= 1: mq_adam_at fills
 * them.
 */
struct mq_adam {
    float rate;           /**< learning rate */
    float beta1, beta2;   /**< decay of the moments, usually 0.9 and 0.999 */
    float epsilon;        /**< usually 1e-8, or 1e-7 as Keras has it */
    float l2;             /**< l2*p is added to the gradient; 0 for none */
    float gradient_scale; /**< multiplies g first (1/batch, clipping); 1 for none */
    float correction1, correction2;
};

/** Constants for step t (1 for the first). */
struct mq_adam mq_adam_at(float rate, float beta1, float beta2, float epsilon, float l2, int64_t t);

struct mq_kernels {
    enum mq_kernel kind;

    /* --- vectors --- */
    /** Σ a[i]*b[i] */
    float (*dot)(const float *a, const float *b, size_t n);
    /** Σ (a[i]-b[i])² */
    float (*square_distance)(const float *a, const float *b, size_t n);
    /** Σ x[i] */
    float (*sum)(const float *x, size_t n);
    /** y += alpha*x */
    void (*axpy)(float alpha, const float *x, float *y, size_t n);
    /** x *= alpha */
    void (*scale)(float alpha, float *x, size_t n);
    /** y += x */
    void (*add)(const float *x, float *y, size_t n);
    /** y *= x, element by element */
    void (*multiply)(const float *x, float *y, size_t n);
    /** Least and greatest of x [n], n >= 1; no NaN. Exact. */
    void (*min_max)(const float *x, size_t n, float *ret_min, float *ret_max);

    /* --- embedding bags: table [*,width], rows int32 [count] --- */
    /** ret_sum[width] = Σ table[rows[i]] (in the order of i: exact in every table) */
    void (*gather_sum)(const float *table, size_t width, const int32_t *rows, size_t count,
                       float *ret_sum);
    /** ret_sum[width] = Σ weights[i]*table[rows[i]] */
    void (*gather_weighted_sum)(const float *table, size_t width, const int32_t *rows,
                                const float *weights, size_t count, float *ret_sum);
    /** table[rows[i]] += alpha*x for each i (x one row; the backward of gather_sum) */
    void (*scatter_add)(float *table, size_t width, const int32_t *rows, size_t count, float alpha,
                        const float *x);
    /** table[rows[i]] += x[i], x [count,width] */
    void (*scatter_add_rows)(float *table, size_t width, const int32_t *rows, size_t count,
                             const float *x);

    /* --- normal equations Σ w*y*yᵀ x = Σ s*y over rows y of a table [*,width] --- */
    /** sum[width] += Σ (shift[i] - weights[i]*dot(row, x)) * row, row = table[rows[i]]
     *  @param shift NULL: all 0  @param weights NULL: all 1 */
    void (*gather_residual)(const float *table, size_t width, const int32_t *rows,
                            const float *shift, const float *weights, size_t count, const float *x,
                            float *sum);
    /** matrix [width,width] += Σ weights[i]*rowᵀ*row, on and above the diagonal; below it stands
     *  nothing of use.  @param weights NULL: all 1 */
    void (*gather_outer)(const float *table, size_t width, const int32_t *rows,
                         const float *weights, size_t count, float *matrix);
    /** a = uᵀu, u upper triangular, in place (Cholesky). Reads a on and above the diagonal; below
     *  it stands nothing of use. Relative error of u some n*eps*condition of a.
     *  @param stride floats from row to row, at least n
     *  @return false: a is not positive definite, or not finite; nothing of use is left in it */
    bool (*cholesky)(float *a, size_t n, size_t stride);

    /* --- layers: x [rows,width] --- */
    /** x += bias[width] in each row, in place */
    void (*bias_add)(float *x, size_t rows, size_t width, const float *bias);
    /** x = max(x + bias, 0), in place; NaN becomes 0 */
    void (*bias_relu)(float *x, size_t rows, size_t width, const float *bias);
    /** sum[width] += Σ rows of x (a bias's gradient) */
    void (*column_sum)(const float *x, size_t rows, size_t width, float *sum);
    /** x = max(x, 0), in place; NaN becomes 0. Exact. */
    void (*relu)(float *x, size_t n);
    /** dy *= (y > 0), y the layer's output, in place. Exact. */
    void (*relu_backward)(const float *y, float *dy, size_t n);

    /* --- exponentials: relative error of exp below 4e-7 (2^-21.2) on [-87,88]; beyond, it goes to
     * denormals, 0 and infinity as expf does; NaN stays NaN --- */
    /** y = e^x; y may be x */
    void (*exp)(const float *x, float *y, size_t n);
    /** log Σ e^x[i], n >= 1, stable for large x; absolute error below 1e-6 + 4 ulp */
    float (*logsumexp)(const float *x, size_t n);
    /** Each row of x becomes its softmax, in place; ret_logsumexp [rows] may be NULL.
     *  @param stride floats from row to row, at least width (>= 1) */
    void (*softmax_rows)(float *x, size_t rows, size_t width, size_t stride, float *ret_logsumexp);
    /** y = 1/(1+e^-x); y may be x; relative error below 8e-7 */
    void (*sigmoid)(const float *x, float *y, size_t n);
    /**
     * Log-loss of logits x against labels in [0,1].
     *   gradient[i] = sigmoid(x[i]) - label[i]  (gradient may be x, or NULL)
     * @return Σ max(x,0) - x*label + log(1+e^-|x|), in double
     */
    double (*log_loss)(const float *x, const float *labels, size_t n, float *gradient);

    /* --- optimiser --- */
    /** One dense Adam step on n parameters, p m v in place; relative tolerance 1e-5 per value. */
    void (*adam)(const struct mq_adam *adam, float *p, float *m, float *v, const float *g,
                 size_t n);

    /* --- search: query [width] --- */
    /** ret_scores[i] = dot(query, rows[i]), rows [count,width] */
    void (*dot_rows)(const float *query, const float *rows, size_t count, size_t width,
                     float *ret_scores);
    /** Four queries [4,width] at once: ret_scores [4,count] */
    void (*dot_rows4)(const float *queries, const float *rows, size_t count, size_t width,
                      float *ret_scores);
    /** ret_scores[i] = dot(query, table[ids[i]]) */
    void (*dot_indexed)(const float *query, const float *table, size_t width, const int32_t *ids,
                        size_t count, float *ret_scores);
    /** ret_distances[i] = |query - rows[i]|² */
    void (*square_distance_rows)(const float *query, const float *rows, size_t count, size_t width,
                                 float *ret_distances);
    /** ret_distances[i] = |query - table[ids[i]]|² */
    void (*square_distance_indexed)(const float *query, const float *table, size_t width,
                                    const int32_t *ids, size_t count, float *ret_distances);
    /**
     * Queries [count,width] against a panel of MQ_DOT_PANEL rows, stored column by column.
     *   ret_scores[q][r] = Σ_j queries[q][j]*panel[j][r], in the order of j, whatever the count
     * @param panel float32 [width][MQ_DOT_PANEL]  @param ret_scores float32 [count][MQ_DOT_PANEL]
     * @param ret_hits uint32 [count]; bit r is set where ret_scores[q][r] > above[q]
     */
    void (*dot_panel)(const float *queries, size_t count, size_t width, const float *panel,
                      const float *above, float *ret_scores, uint32_t *ret_hits);
    /** Positions and values of scores above a threshold, in order; both outputs [n]. Exact.
     *  @return how many */
    size_t (*select_above)(const float *scores, size_t n, float threshold, int32_t *ret_positions,
                           float *ret_scores);
    /** Sort keys [n] ascending, in place, n <= MQ_SORT_FEW. Exact. */
    void (*sort_few)(uint64_t *keys, size_t n);

    /**
     * Which rows of byte panels pass a bound, for one query. Exact in every table.
     *
     * A panel holds MQ_PANEL_ROWS rows, two dimensions after two: uint8 [pairs][rows][2], each
     * value 0…127. With w the query's weights, each -127…127, acc[row] = start + Σ_j
     * value[row][j]*w[j]  (wrapping int16)
     *
     * @param panels  uint8 [panel_count][pairs][MQ_PANEL_ROWS][2]
     * @param weights int32 [pairs]: bytes (w[2p], w[2p+1]) twice, see mq_panel_weight
     * @param ret_hits uint32 [panel_count]; bit r is set where acc[r] > above
     */
    void (*scan_panels)(const uint8_t *panels, size_t panel_count, size_t pairs,
                        const int32_t *weights, const int16_t *start, const int16_t *above,
                        uint32_t *ret_hits);
    /** Four queries at once: weights [4][pairs], start [4], above [4], ret_hits [4][panel_count] */
    void (*scan_panels4)(const uint8_t *panels, size_t panel_count, size_t pairs,
                         const int32_t *weights, const int16_t *start, const int16_t *above,
                         uint32_t *ret_hits);

    /* --- sparse products: columns that stand dense as bytes, and bit sets. Exact in every table.
     * --- */
    /**
     * Add up some rows of a table of bytes:
     *   sums[j] += weight * Σ_i column j of row rows[i]
     *
     * @param table uint8 [*][MQ_BYTE_COLUMNS], column j of a row at byte mq_byte_column(j), each
     *              value up to `most`
     * @param most 1…255: the smaller, the faster
     * @param sums int32 [MQ_BYTE_COLUMNS]; the caller makes sure that none leaves its range
     */
    void (*add_byte_rows)(const uint8_t *table, const int32_t *rows, size_t count, int32_t most,
                          int32_t weight, int32_t *sums);
    /** Bits set in both of a and b, each [words] */
    int64_t (*count_common)(const uint64_t *a, const uint64_t *b, size_t words);
};

/** Rows of a panel of dot_panel. */
#define MQ_DOT_PANEL 32

/** Most keys of sort_few. */
#define MQ_SORT_FEW 64

/** Rows of a byte panel. */
#define MQ_PANEL_ROWS 32

/** Columns of a table that add_byte_rows sums. */
#define MQ_BYTE_COLUMNS 128

/** Where a column stands in a row: byte k of each four is summed apart, so that no sum must be
 * moved to its place. */
static inline size_t
mq_byte_column(size_t column)
{
    return 4 * (column % (MQ_BYTE_COLUMNS / 4)) + column / (MQ_BYTE_COLUMNS / 4);
}

/** A pair of byte weights as scan_panels takes it. */
static inline int32_t
mq_panel_weight(int8_t even, int8_t odd)
{
    uint32_t pair = (uint32_t)(uint8_t)even | (uint32_t)(uint8_t)odd << 8;
    return (int32_t)(pair | pair << 16);
}

/** The table in force, chosen on the first call. Never NULL. */
const struct mq_kernels *mq_kernels(void);

/** The table of one instruction set, NULL where this build or processor lacks it. For tests. */
const struct mq_kernels *mq_kernels_of(enum mq_kernel kind);

#endif
