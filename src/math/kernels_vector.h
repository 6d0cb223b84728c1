/**
 * The kernels once, on the vector primitives `vf_…` that each instruction set's file defines before
 * including this (kernels_avx2.c says what each means). Not a header of its own.
 *
 * Sums run in several accumulators to hide the latency of the fused multiply-add; a remainder of
 * fewer lanes goes through the same arithmetic by partial loads, so a value never depends on where
 * in a buffer it stands.
 */
#ifndef VF_LANES
#error "include from the file of an instruction set"
#endif
#ifndef MQ_MATH_KERNELS_VECTOR_H
#define MQ_MATH_KERNELS_VECTOR_H

#include <math.h>
#include <string.h>

#include "math/kernels_table.h"

#define L ((size_t)VF_LANES)

#define vf_zero() vf_set1(0.0f)

/* e^x: x = n·ln2 + r, |r| <= ln2/2, a degree 7 polynomial in r (coefficients of Cephes' expf), then
 * a scaling by 2^n in two halves, so that denormal and infinite results come out by themselves. */
static inline vf
vf_exp(vf x)
{
    x = vf_max_keep(x, vf_set1(-104.0f));
    x = vf_min_keep(x, vf_set1(89.0f));
    vf n = vf_round(vf_mul(x, vf_set1(1.44269504088896341f)));
    vf r = vf_fma(n, vf_set1(-0.693359375f), x);
    r = vf_fma(n, vf_set1(2.12194440e-4f), r);
    vf p = vf_set1(1.9875691500e-4f);
    p = vf_fma(p, r, vf_set1(1.3981999507e-3f));
    p = vf_fma(p, r, vf_set1(8.3334519073e-3f));
    p = vf_fma(p, r, vf_set1(4.1665795894e-2f));
    p = vf_fma(p, r, vf_set1(1.6666665459e-1f));
    p = vf_fma(p, r, vf_set1(5.0000001201e-1f));
    p = vf_add(vf_fma(p, vf_mul(r, r), r), vf_set1(1.0f));
    vf half = vf_round(vf_mul(n, vf_set1(0.5f)));
    return vf_mul(vf_mul(p, vf_power_of_two(half)), vf_power_of_two(vf_sub(n, half)));
}

static float
dot(const float *a, const float *b, size_t n)
{
    vf s0 = vf_zero(), s1 = vf_zero(), s2 = vf_zero(), s3 = vf_zero();
    size_t i = 0;
    for (; i + 4 * L <= n; i += 4 * L) {
        s0 = vf_fma(vf_load(a + i), vf_load(b + i), s0);
        s1 = vf_fma(vf_load(a + i + L), vf_load(b + i + L), s1);
        s2 = vf_fma(vf_load(a + i + 2 * L), vf_load(b + i + 2 * L), s2);
        s3 = vf_fma(vf_load(a + i + 3 * L), vf_load(b + i + 3 * L), s3);
    }
    for (; i + L <= n; i += L)
        s0 = vf_fma(vf_load(a + i), vf_load(b + i), s0);
    if (i < n)
        s1 = vf_fma(vf_load_part(a + i, n - i), vf_load_part(b + i, n - i), s1);
    return vf_sum(vf_add(vf_add(s0, s1), vf_add(s2, s3)));
}

static float
square_distance(const float *a, const float *b, size_t n)
{
    vf s0 = vf_zero(), s1 = vf_zero();
    size_t i = 0;
    for (; i + 2 * L <= n; i += 2 * L) {
        vf d0 = vf_sub(vf_load(a + i), vf_load(b + i));
        vf d1 = vf_sub(vf_load(a + i + L), vf_load(b + i + L));
        s0 = vf_fma(d0, d0, s0);
        s1 = vf_fma(d1, d1, s1);
    }
    for (; i < n; i += L) {
        vf d = n - i >= L ? vf_sub(vf_load(a + i), vf_load(b + i))
                          : vf_sub(vf_load_part(a + i, n - i), vf_load_part(b + i, n - i));
        s0 = vf_fma(d, d, s0);
    }
    return vf_sum(vf_add(s0, s1));
}

static float
sum(const float *x, size_t n)
{
    vf s0 = vf_zero(), s1 = vf_zero(), s2 = vf_zero(), s3 = vf_zero();
    size_t i = 0;
    for (; i + 4 * L <= n; i += 4 * L) {
        s0 = vf_add(vf_load(x + i), s0);
        s1 = vf_add(vf_load(x + i + L), s1);
        s2 = vf_add(vf_load(x + i + 2 * L), s2);
        s3 = vf_add(vf_load(x + i + 3 * L), s3);
    }
    for (; i + L <= n; i += L)
        s0 = vf_add(vf_load(x + i), s0);
    if (i < n)
        s1 = vf_add(vf_load_part(x + i, n - i), s1);
    return vf_sum(vf_add(vf_add(s0, s1), vf_add(s2, s3)));
}

static inline void
axpy(float alpha, const float *x, float *y, size_t n)
{
    vf a = vf_set1(alpha);
    size_t i = 0;
    for (; i + L <= n; i += L)
        vf_store(y + i, vf_fma(a, vf_load(x + i), vf_load(y + i)));
    if (i < n)
        vf_store_part(y + i, n - i,
                      vf_fma(a, vf_load_part(x + i, n - i), vf_load_part(y + i, n - i)));
}

static void
scale(float alpha, float *x, size_t n)
{
    vf a = vf_set1(alpha);
    size_t i = 0;
    for (; i + L <= n; i += L)
        vf_store(x + i, vf_mul(a, vf_load(x + i)));
    if (i < n)
        vf_store_part(x + i, n - i, vf_mul(a, vf_load_part(x + i, n - i)));
}

static inline void
add(const float *x, float *y, size_t n)
{
    size_t i = 0;
    for (; i + L <= n; i += L)
        vf_store(y + i, vf_add(vf_load(y + i), vf_load(x + i)));
    if (i < n)
        vf_store_part(y + i, n - i, vf_add(vf_load_part(y + i, n - i), vf_load_part(x + i, n - i)));
}

static void
multiply(const float *x, float *y, size_t n)
{
    size_t i = 0;
    for (; i + L <= n; i += L)
        vf_store(y + i, vf_mul(vf_load(y + i), vf_load(x + i)));
    if (i < n)
        vf_store_part(y + i, n - i, vf_mul(vf_load_part(y + i, n - i), vf_load_part(x + i, n - i)));
}

static void
min_max(const float *x, size_t n, float *ret_min, float *ret_max)
{
    float low = x[0], high = x[0];
    size_t i = 0;
    if (n >= L) {
        float lows[VF_LANES], highs[VF_LANES];
        vf a = vf_load(x), b = a;
        for (i = L; i + L <= n; i += L) {
            a = vf_min_keep(a, vf_load(x + i));
            b = vf_max_keep(b, vf_load(x + i));
        }
        vf_store(lows, a);
        vf_store(highs, b);
        for (size_t j = 0; j < L; j++) {
            low = lows[j] < low ? lows[j] : low;
            high = highs[j] > high ? highs[j] : high;
        }
    }
    for (; i < n; i++) {
        low = x[i] < low ? x[i] : low;
        high = x[i] > high ? x[i] : high;
    }
    *ret_min = low;
    *ret_max = high;
}

/* One strip of up to four vectors of the sum stays in registers while the rows go by. */
static inline void
gather(const float *table, size_t width, const int32_t *rows, const float *weights, size_t count,
       float *ret_sum)
{
    size_t j = 0;
    for (; j + 4 * L <= width; j += 4 * L) {
        vf s0 = vf_zero(), s1 = vf_zero(), s2 = vf_zero(), s3 = vf_zero();
        for (size_t i = 0; i < count; i++) {
            const float *row = table + (size_t)rows[i] * width + j;
            if (weights != NULL) {
                vf w = vf_set1(weights[i]);
                s0 = vf_fma(w, vf_load(row), s0);
                s1 = vf_fma(w, vf_load(row + L), s1);
                s2 = vf_fma(w, vf_load(row + 2 * L), s2);
                s3 = vf_fma(w, vf_load(row + 3 * L), s3);
            } else {
                s0 = vf_add(s0, vf_load(row));
                s1 = vf_add(s1, vf_load(row + L));
                s2 = vf_add(s2, vf_load(row + 2 * L));
                s3 = vf_add(s3, vf_load(row + 3 * L));
            }
        }
        vf_store(ret_sum + j, s0);
        vf_store(ret_sum + j + L, s1);
        vf_store(ret_sum + j + 2 * L, s2);
        vf_store(ret_sum + j + 3 * L, s3);
    }
    for (; j + L <= width; j += L) {
        vf s = vf_zero();
        for (size_t i = 0; i < count; i++) {
            vf row = vf_load(table + (size_t)rows[i] * width + j);
            s = weights != NULL ? vf_fma(vf_set1(weights[i]), row, s) : vf_add(s, row);
        }
        vf_store(ret_sum + j, s);
    }
    if (j < width) {
        vf s = vf_zero();
        for (size_t i = 0; i < count; i++) {
            vf row = vf_load_part(table + (size_t)rows[i] * width + j, width - j);
            s = weights != NULL ? vf_fma(vf_set1(weights[i]), row, s) : vf_add(s, row);
        }
        vf_store_part(ret_sum + j, width - j, s);
    }
}

static void
gather_sum(const float *table, size_t width, const int32_t *rows, size_t count, float *ret_sum)
{
    gather(table, width, rows, NULL, count, ret_sum);
}

static void
gather_weighted_sum(const float *table, size_t width, const int32_t *rows, const float *weights,
                    size_t count, float *ret_sum)
{
    gather(table, width, rows, weights, count, ret_sum);
}

static void
scatter_add(float *table, size_t width, const int32_t *rows, size_t count, float alpha,
            const float *x)
{
    for (size_t i = 0; i < count; i++)
        axpy(alpha, x, table + (size_t)rows[i] * width, width);
}

static void
scatter_add_rows(float *table, size_t width, const int32_t *rows, size_t count, const float *x)
{
    for (size_t i = 0; i < count; i++)
        add(x + i * width, table + (size_t)rows[i] * width, width);
}

static void
bias_add(float *x, size_t rows, size_t width, const float *bias)
{
    for (size_t r = 0; r < rows; r++)
        add(bias, x + r * width, width);
}

static void
bias_relu(float *x, size_t rows, size_t width, const float *bias)
{
    vf zero = vf_zero();
    for (size_t r = 0; r < rows; r++) {
        float *row = x + r * width;
        size_t i = 0;
        for (; i + L <= width; i += L)
            vf_store(row + i, vf_max_or(vf_add(vf_load(row + i), vf_load(bias + i)), zero));
        if (i < width) {
            vf y = vf_add(vf_load_part(row + i, width - i), vf_load_part(bias + i, width - i));
            vf_store_part(row + i, width - i, vf_max_or(y, zero));
        }
    }
}

static void
column_sum(const float *x, size_t rows, size_t width, float *total)
{
    for (size_t r = 0; r < rows; r++)
        add(x + r * width, total, width);
}

static void
relu(float *x, size_t n)
{
    vf zero = vf_zero();
    size_t i = 0;
    for (; i + L <= n; i += L)
        vf_store(x + i, vf_max_or(vf_load(x + i), zero));
    if (i < n)
        vf_store_part(x + i, n - i, vf_max_or(vf_load_part(x + i, n - i), zero));
}

static void
relu_backward(const float *y, float *dy, size_t n)
{
    size_t i = 0;
    for (; i + L <= n; i += L)
        vf_store(dy + i, vf_where_positive(vf_load(y + i), vf_load(dy + i)));
    if (i < n)
        vf_store_part(dy + i, n - i,
                      vf_where_positive(vf_load_part(y + i, n - i), vf_load_part(dy + i, n - i)));
}

static void
exponential(const float *x, float *y, size_t n)
{
    size_t i = 0;
    for (; i + L <= n; i += L)
        vf_store(y + i, vf_exp(vf_load(x + i)));
    if (i < n)
        vf_store_part(y + i, n - i, vf_exp(vf_load_part(x + i, n - i)));
}

/* Σ e^(x-high); the terms to y unless NULL. */
static float
shifted_exp_sum(const float *x, float *y, size_t n, float high)
{
    vf shift = vf_set1(high), total = vf_zero();
    size_t i = 0;
    for (; i + L <= n; i += L) {
        vf e = vf_exp(vf_sub(vf_load(x + i), shift));
        if (y != NULL)
            vf_store(y + i, e);
        total = vf_add(total, e);
    }
    float rest = 0.0f;
    if (i < n) {
        float lanes[VF_LANES];
        vf_store(lanes, vf_exp(vf_sub(vf_load_part(x + i, n - i), shift)));
        for (size_t j = 0; i + j < n; j++) {
            rest += lanes[j];
            if (y != NULL)
                y[i + j] = lanes[j];
        }
    }
    return vf_sum(total) + rest;
}

static float
logsumexp(const float *x, size_t n)
{
    float low, high;
    min_max(x, n, &low, &high);
    return high + logf(shifted_exp_sum(x, NULL, n, high));
}

static void
softmax_rows(float *x, size_t rows, size_t width, size_t stride, float *ret_logsumexp)
{
    for (size_t r = 0; r < rows; r++) {
        float *row = x + r * stride, low, high;
        min_max(row, width, &low, &high);
        float total = shifted_exp_sum(row, row, width, high);
        scale(1.0f / total, row, width);
        if (ret_logsumexp != NULL)
            ret_logsumexp[r] = high + logf(total);
    }
}

static inline vf
vf_sigmoid(vf x)
{
    vf one = vf_set1(1.0f);
    return vf_div(one, vf_add(one, vf_exp(vf_sub(vf_zero(), x))));
}

static void
sigmoid(const float *x, float *y, size_t n)
{
    size_t i = 0;
    for (; i + L <= n; i += L)
        vf_store(y + i, vf_sigmoid(vf_load(x + i)));
    if (i < n)
        vf_store_part(y + i, n - i, vf_sigmoid(vf_load_part(x + i, n - i)));
}

static double
log_loss(const float *x, const float *labels, size_t n, float *gradient)
{
    double total = 0.0;
    for (size_t i = 0; i < n; i++) {
        float logit = x[i], positive = logit > 0.0f ? logit : 0.0f;
        total += (double)positive - (double)logit * labels[i] + log1pf(expf(-fabsf(logit)));
    }
    if (gradient != NULL) {
        size_t i = 0;
        for (; i + L <= n; i += L)
            vf_store(gradient + i, vf_sub(vf_sigmoid(vf_load(x + i)), vf_load(labels + i)));
        if (i < n)
            vf_store_part(
                gradient + i, n - i,
                vf_sub(vf_sigmoid(vf_load_part(x + i, n - i)), vf_load_part(labels + i, n - i)));
    }
    return total;
}

static inline void
adam_vector(const struct mq_adam *c, vf g, vf *p, vf *m, vf *v)
{
    g = vf_fma(vf_set1(c->l2), *p, vf_mul(g, vf_set1(c->gradient_scale)));
    *m = vf_fma(vf_set1(c->beta1), *m, vf_mul(vf_set1(1.0f - c->beta1), g));
    *v = vf_fma(vf_set1(c->beta2), *v, vf_mul(vf_mul(vf_set1(1.0f - c->beta2), g), g));
    vf down = vf_add(vf_sqrt(vf_mul(*v, vf_set1(c->correction2))), vf_set1(c->epsilon));
    vf step = vf_div(vf_mul(vf_set1(c->rate * c->correction1), *m), down);
    *p = vf_sub(*p, step);
}

static void
adam(const struct mq_adam *c, float *p, float *m, float *v, const float *g, size_t n)
{
    size_t i = 0;
    for (; i + L <= n; i += L) {
        vf pi = vf_load(p + i), mi = vf_load(m + i), vi = vf_load(v + i);
        adam_vector(c, vf_load(g + i), &pi, &mi, &vi);
        vf_store(p + i, pi);
        vf_store(m + i, mi);
        vf_store(v + i, vi);
    }
    if (i < n) {
        size_t rest = n - i;
        vf pi = vf_load_part(p + i, rest), mi = vf_load_part(m + i, rest);
        vf vi = vf_load_part(v + i, rest);
        adam_vector(c, vf_load_part(g + i, rest), &pi, &mi, &vi);
        vf_store_part(p + i, rest, pi);
        vf_store_part(m + i, rest, mi);
        vf_store_part(v + i, rest, vi);
    }
}

/* Four rows at once against one query: four independent sums, one reduction. A row's score does
 * not depend on its neighbours: the single-row form below reduces in the same order. */
static inline void
four_dots(const float *query, const float *a, const float *b, const float *c, const float *d,
          size_t width, float *ret_scores)
{
    vf s0 = vf_zero(), s1 = vf_zero(), s2 = vf_zero(), s3 = vf_zero();
    size_t j = 0;
    for (; j + L <= width; j += L) {
        vf q = vf_load(query + j);
        s0 = vf_fma(q, vf_load(a + j), s0);
        s1 = vf_fma(q, vf_load(b + j), s1);
        s2 = vf_fma(q, vf_load(c + j), s2);
        s3 = vf_fma(q, vf_load(d + j), s3);
    }
    if (j < width) {
        size_t rest = width - j;
        vf q = vf_load_part(query + j, rest);
        s0 = vf_fma(q, vf_load_part(a + j, rest), s0);
        s1 = vf_fma(q, vf_load_part(b + j, rest), s1);
        s2 = vf_fma(q, vf_load_part(c + j, rest), s2);
        s3 = vf_fma(q, vf_load_part(d + j, rest), s3);
    }
    vf_sum4(s0, s1, s2, s3, ret_scores);
}

static inline void
four_distances(const float *query, const float *a, const float *b, const float *c, const float *d,
               size_t width, float *ret_distances)
{
    vf s0 = vf_zero(), s1 = vf_zero(), s2 = vf_zero(), s3 = vf_zero(), t;
    size_t j = 0;
    for (; j + L <= width; j += L) {
        vf q = vf_load(query + j);
        t = vf_sub(q, vf_load(a + j));
        s0 = vf_fma(t, t, s0);
        t = vf_sub(q, vf_load(b + j));
        s1 = vf_fma(t, t, s1);
        t = vf_sub(q, vf_load(c + j));
        s2 = vf_fma(t, t, s2);
        t = vf_sub(q, vf_load(d + j));
        s3 = vf_fma(t, t, s3);
    }
    if (j < width) {
        size_t rest = width - j;
        vf q = vf_load_part(query + j, rest);
        t = vf_sub(q, vf_load_part(a + j, rest));
        s0 = vf_fma(t, t, s0);
        t = vf_sub(q, vf_load_part(b + j, rest));
        s1 = vf_fma(t, t, s1);
        t = vf_sub(q, vf_load_part(c + j, rest));
        s2 = vf_fma(t, t, s2);
        t = vf_sub(q, vf_load_part(d + j, rest));
        s3 = vf_fma(t, t, s3);
    }
    vf_sum4(s0, s1, s2, s3, ret_distances);
}

/* Rows by number (ids) or in sequence (ids NULL), four at a time; a remainder repeats its last row
 * so that it goes through the same arithmetic. */
#define MQ_ROWS_BY_FOUR(four)                                                                      \
    size_t i = 0;                                                                                  \
    for (; i + 4 <= count; i += 4)                                                                 \
        four(query, ROW(i), ROW(i + 1), ROW(i + 2), ROW(i + 3), width, ret + i);                   \
    if (i < count) {                                                                               \
        float last[4];                                                                             \
        size_t end = count - 1;                                                                    \
        four(query, ROW(i), ROW(i + 1 < end ? i + 1 : end), ROW(i + 2 < end ? i + 2 : end),        \
             ROW(end), width, last);                                                               \
        for (size_t j = 0; i + j < count; j++)                                                     \
            ret[i + j] = last[j];                                                                  \
    }

static void
dot_rows(const float *query, const float *rows, size_t count, size_t width, float *ret)
{
#define ROW(i) (rows + (i)*width)
    MQ_ROWS_BY_FOUR(four_dots)
#undef ROW
}

static void
square_distance_rows(const float *query, const float *rows, size_t count, size_t width, float *ret)
{
#define ROW(i) (rows + (i)*width)
    MQ_ROWS_BY_FOUR(four_distances)
#undef ROW
}

static void
dot_indexed(const float *query, const float *table, size_t width, const int32_t *ids, size_t count,
            float *ret)
{
#define ROW(i) (table + (size_t)ids[i] * width)
    MQ_ROWS_BY_FOUR(four_dots)
#undef ROW
}

static void
square_distance_indexed(const float *query, const float *table, size_t width, const int32_t *ids,
                        size_t count, float *ret)
{
#define ROW(i) (table + (size_t)ids[i] * width)
    MQ_ROWS_BY_FOUR(four_distances)
#undef ROW
}

/* A row is loaded once for four queries; each score is summed as four_dots sums it. */
static void
dot_rows4(const float *queries, const float *rows, size_t count, size_t width, float *ret_scores)
{
    for (size_t i = 0; i < count; i++) {
        float scores[4];
        const float *row = rows + i * width;
        four_dots(row, queries, queries + width, queries + 2 * width, queries + 3 * width, width,
                  scores);
        for (size_t q = 0; q < 4; q++)
            ret_scores[q * count + i] = scores[q];
    }
}

static size_t
select_above(const float *scores, size_t n, float threshold, int32_t *ret_positions,
             float *ret_scores)
{
    vf bound = vf_set1(threshold);
    size_t count = 0, i = 0;
    for (; i + L <= n; i += L) {
        unsigned bits = vf_greater(vf_load(scores + i), bound);
        while (bits != 0) {
            size_t position = i + (size_t)__builtin_ctz(bits);
            bits &= bits - 1;
            ret_positions[count] = (int32_t)position;
            ret_scores[count++] = scores[position];
        }
    }
    for (; i < n; i++)
        if (scores[i] > threshold) {
            ret_positions[count] = (int32_t)i;
            ret_scores[count++] = scores[i];
        }
    return count;
}

/* A panel's pairs are loaded once for `queries` queries; the sums stay in registers. */
static inline __attribute__((always_inline)) void
scan(const uint8_t *panels, size_t panel_count, size_t pairs, const int32_t *weights,
     const int16_t *start, const int16_t *above, uint32_t *ret_hits, const int queries)
{
    for (size_t panel = 0; panel < panel_count; panel++) {
        const uint8_t *values = panels + panel * pairs * MQ_PANEL_ROWS * 2;
        vs acc[4][VS_PER_PANEL];
        for (int q = 0; q < queries; q++)
            for (int v = 0; v < VS_PER_PANEL; v++)
                acc[q][v] = vs_set1(start[q]);
        for (size_t p = 0; p < pairs; p++) {
            vp part[VS_PER_PANEL];
            for (int v = 0; v < VS_PER_PANEL; v++)
                part[v] = vp_load(values + p * MQ_PANEL_ROWS * 2 +
                                  (size_t)v * (MQ_PANEL_ROWS * 2 / VS_PER_PANEL));
            for (int q = 0; q < queries; q++)
                for (int v = 0; v < VS_PER_PANEL; v++)
                    vs_add_pairs(acc[q][v], part[v], weights[(size_t)q * pairs + p]);
        }
        for (int q = 0; q < queries; q++)
            ret_hits[(size_t)q * panel_count + panel] = vs_bits(acc[q], above[q]);
    }
}

static void
scan_panels(const uint8_t *panels, size_t panel_count, size_t pairs, const int32_t *weights,
            const int16_t *start, const int16_t *above, uint32_t *ret_hits)
{
    scan(panels, panel_count, pairs, weights, start, above, ret_hits, 1);
}

static void
scan_panels4(const uint8_t *panels, size_t panel_count, size_t pairs, const int32_t *weights,
             const int16_t *start, const int16_t *above, uint32_t *ret_hits)
{
    scan(panels, panel_count, pairs, weights, start, above, ret_hits, 4);
}

#include "math/kernels_vector_factors.h"

#undef L
#endif
