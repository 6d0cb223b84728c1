/**
 * Kernels of factor models on the primitives `vf_…`: normal equations and the scores of all items.
 * Included by kernels_vector.h, not a header of its own.
 */

#define LESSER(a, b) ((a) < (b) ? (a) : (b))

/* Eight rows go together: their products with x share its loads, and what they add to the sum costs
 * one load and one store of it. Here the coefficients of eight rows: shift - weight * (row · x). */
static inline void
eight_residuals(const float *const row[8], const float *shift, const float *weights, const float *x,
                size_t width, float ret[8])
{
    vf s0 = vf_zero(), s1 = vf_zero(), s2 = vf_zero(), s3 = vf_zero();
    vf s4 = vf_zero(), s5 = vf_zero(), s6 = vf_zero(), s7 = vf_zero();
    size_t j = 0;
    for (; j + L <= width; j += L) {
        vf xj = vf_load(x + j);
        s0 = vf_fma(vf_load(row[0] + j), xj, s0);
        s1 = vf_fma(vf_load(row[1] + j), xj, s1);
        s2 = vf_fma(vf_load(row[2] + j), xj, s2);
        s3 = vf_fma(vf_load(row[3] + j), xj, s3);
        s4 = vf_fma(vf_load(row[4] + j), xj, s4);
        s5 = vf_fma(vf_load(row[5] + j), xj, s5);
        s6 = vf_fma(vf_load(row[6] + j), xj, s6);
        s7 = vf_fma(vf_load(row[7] + j), xj, s7);
    }
    if (j < width) {
        size_t rest = width - j;
        vf xj = vf_load_part(x + j, rest);
        s0 = vf_fma(vf_load_part(row[0] + j, rest), xj, s0);
        s1 = vf_fma(vf_load_part(row[1] + j, rest), xj, s1);
        s2 = vf_fma(vf_load_part(row[2] + j, rest), xj, s2);
        s3 = vf_fma(vf_load_part(row[3] + j, rest), xj, s3);
        s4 = vf_fma(vf_load_part(row[4] + j, rest), xj, s4);
        s5 = vf_fma(vf_load_part(row[5] + j, rest), xj, s5);
        s6 = vf_fma(vf_load_part(row[6] + j, rest), xj, s6);
        s7 = vf_fma(vf_load_part(row[7] + j, rest), xj, s7);
    }
    float products[8];
    vf_sum4(s0, s1, s2, s3, products);
    vf_sum4(s4, s5, s6, s7, products + 4);
    for (int i = 0; i < 8; i++)
        ret[i] =
            (shift != NULL ? shift[i] : 0.0f) - (weights != NULL ? weights[i] : 1.0f) * products[i];
}

static inline void
add_eight_rows(const float *const row[8], const float c[8], size_t width, float *sum)
{
    vf c0 = vf_set1(c[0]), c1 = vf_set1(c[1]), c2 = vf_set1(c[2]), c3 = vf_set1(c[3]);
    vf c4 = vf_set1(c[4]), c5 = vf_set1(c[5]), c6 = vf_set1(c[6]), c7 = vf_set1(c[7]);
    size_t j = 0;
    for (; j + L <= width; j += L) {
        vf a = vf_fma(c0, vf_load(row[0] + j), vf_load(sum + j));
        vf b = vf_mul(c1, vf_load(row[1] + j));
        a = vf_fma(c2, vf_load(row[2] + j), a);
        b = vf_fma(c3, vf_load(row[3] + j), b);
        a = vf_fma(c4, vf_load(row[4] + j), a);
        b = vf_fma(c5, vf_load(row[5] + j), b);
        a = vf_fma(c6, vf_load(row[6] + j), a);
        b = vf_fma(c7, vf_load(row[7] + j), b);
        vf_store(sum + j, vf_add(a, b));
    }
    if (j < width) {
        size_t rest = width - j;
        vf a = vf_fma(c0, vf_load_part(row[0] + j, rest), vf_load_part(sum + j, rest));
        vf b = vf_mul(c1, vf_load_part(row[1] + j, rest));
        a = vf_fma(c2, vf_load_part(row[2] + j, rest), a);
        b = vf_fma(c3, vf_load_part(row[3] + j, rest), b);
        a = vf_fma(c4, vf_load_part(row[4] + j, rest), a);
        b = vf_fma(c5, vf_load_part(row[5] + j, rest), b);
        a = vf_fma(c6, vf_load_part(row[6] + j, rest), a);
        b = vf_fma(c7, vf_load_part(row[7] + j, rest), b);
        vf_store_part(sum + j, rest, vf_add(a, b));
    }
}

static void
gather_residual(const float *table, size_t width, const int32_t *rows, const float *shift,
                const float *weights, size_t count, const float *x, float *sum)
{
    const float *row[8];
    float c[8];
    size_t i = 0;
    for (; i + 8 <= count; i += 8) {
        /* Rows are anywhere in the table: those after the next eight start on their way now. */
        if (i + 24 <= count)
            for (size_t k = i + 16; k < i + 24; k++)
                for (size_t j = 0; j < width; j += 16)
                    __builtin_prefetch(table + (size_t)rows[k] * width + j);
        for (size_t k = 0; k < 8; k++)
            row[k] = table + (size_t)rows[i + k] * width;
        eight_residuals(row, shift != NULL ? shift + i : NULL, weights != NULL ? weights + i : NULL,
                        x, width, c);
        add_eight_rows(row, c, width, sum);
    }
    if (i == count)
        return;
    /* Fewer than eight: the last one again, with nothing to add. */
    float last_shift[8] = {0}, last_weights[8] = {0};
    for (size_t k = 0; k < 8; k++) {
        size_t at = LESSER(i + k, count - 1);
        row[k] = table + (size_t)rows[at] * width;
        if (i + k < count) {
            last_shift[k] = shift != NULL ? shift[at] : 0.0f;
            last_weights[k] = weights != NULL ? weights[at] : 1.0f;
        }
    }
    eight_residuals(row, last_shift, last_weights, x, width, c);
    for (size_t k = count - i; k < 8; k++)
        c[k] = 0.0f;
    add_eight_rows(row, c, width, sum);
}

/* A tile of the matrix in registers: `tall` rows from i on, two vectors of columns from j on. */
#if VF_LANES >= 16
#define TILE_TALL 8
#else
#define TILE_TALL 4
#endif
/* Rows of the table that one pass over the matrix takes: what a tile reads of them stays near. */
#define PASS_ROWS 128

static inline __attribute__((always_inline)) void
outer_tile(const float *table, size_t width, const int32_t *rows, const float *weights,
           size_t count, size_t i, size_t j, const size_t tall, const bool partial,
           const bool weighted, float *matrix)
{
    vf acc[TILE_TALL][2];
    size_t first = partial ? LESSER(width - j, L) : L, second = partial ? width - j - first : L;
    for (size_t t = 0; t < tall; t++)
        acc[t][0] = acc[t][1] = vf_zero();
    for (size_t r = 0; r < count; r++) {
        const float *row = table + (size_t)rows[r] * width;
        vf a = partial ? vf_load_part(row + j, first) : vf_load(row + j);
        vf b = partial ? vf_load_part(row + j + first, second) : vf_load(row + j + L);
        if (weighted) {
            vf w = vf_set1(weights[r]);
            a = vf_mul(w, a);
            b = vf_mul(w, b);
        }
        for (size_t t = 0; t < tall; t++) {
            vf s = vf_set1(row[i + t]);
            acc[t][0] = vf_fma(s, a, acc[t][0]);
            acc[t][1] = vf_fma(s, b, acc[t][1]);
        }
    }
    for (size_t t = 0; t < tall; t++) {
        float *out = matrix + (i + t) * width + j;
        if (partial) {
            vf_store_part(out, first, vf_add(vf_load_part(out, first), acc[t][0]));
            vf_store_part(out + first, second,
                          vf_add(vf_load_part(out + first, second), acc[t][1]));
        } else {
            vf_store(out, vf_add(vf_load(out), acc[t][0]));
            vf_store(out + L, vf_add(vf_load(out + L), acc[t][1]));
        }
    }
}

static inline __attribute__((always_inline)) void
outer_pass(const float *table, size_t width, const int32_t *rows, const float *weights,
           size_t count, const bool weighted, float *matrix)
{
    for (size_t j = 0; j < width; j += 2 * L) {
        size_t i = 0, end = LESSER(j + 2 * L, width);
        if (j + 2 * L > width) {
            for (; i < end; i++)
                outer_tile(table, width, rows, weights, count, i, j, 1, true, weighted, matrix);
            continue;
        }
        for (; i + TILE_TALL <= end; i += TILE_TALL)
            outer_tile(table, width, rows, weights, count, i, j, TILE_TALL, false, weighted,
                       matrix);
        for (; i < end; i++)
            outer_tile(table, width, rows, weights, count, i, j, 1, false, weighted, matrix);
    }
}

static void
gather_outer(const float *table, size_t width, const int32_t *rows, const float *weights,
             size_t count, float *matrix)
{
    for (size_t begin = 0; begin < count; begin += PASS_ROWS) {
        size_t size = LESSER(count - begin, PASS_ROWS);
        if (weights != NULL)
            outer_pass(table, width, rows + begin, weights + begin, size, true, matrix);
        else
            outer_pass(table, width, rows + begin, NULL, size, false, matrix);
    }
}

/* row[from…] -= Σ_b c[b] * above[b][from…], four rows above at once. */
static inline void
subtract_four(float *row, const float *above, size_t stride, const float c[4], size_t from,
              size_t n)
{
    vf c0 = vf_set1(-c[0]), c1 = vf_set1(-c[1]), c2 = vf_set1(-c[2]), c3 = vf_set1(-c[3]);
    size_t j = from;
    for (; j + L <= n; j += L) {
        vf a = vf_fma(c0, vf_load(above + j), vf_load(row + j));
        vf b = vf_mul(c1, vf_load(above + stride + j));
        a = vf_fma(c2, vf_load(above + 2 * stride + j), a);
        b = vf_fma(c3, vf_load(above + 3 * stride + j), b);
        vf_store(row + j, vf_add(a, b));
    }
    if (j < n) {
        size_t rest = n - j;
        vf a = vf_fma(c0, vf_load_part(above + j, rest), vf_load_part(row + j, rest));
        vf b = vf_mul(c1, vf_load_part(above + stride + j, rest));
        a = vf_fma(c2, vf_load_part(above + 2 * stride + j, rest), a);
        b = vf_fma(c3, vf_load_part(above + 3 * stride + j, rest), b);
        vf_store_part(row + j, rest, vf_add(a, b));
    }
}

/* Right-looking, four rows of the factor at a time. */
static bool
cholesky(float *a, size_t n, size_t stride)
{
    for (size_t k = 0; k < n; k += 4) {
        size_t end = LESSER(k + 4, n);
        for (size_t i = k; i < end; i++) {
            float *row = a + i * stride;
            for (size_t b = k; b < i; b++)
                axpy(-a[b * stride + i], a + b * stride + i, row + i, n - i);
            if (!(row[i] > 0.0f) || !(row[i] < INFINITY))
                return false;
            scale(1.0f / sqrtf(row[i]), row + i, n - i);
        }
        for (size_t i = end; i < n; i++) { /* k + 4 <= n here */
            float c[4];
            const float *above = a + k * stride;
            for (size_t b = 0; b < 4; b++)
                c[b] = above[b * stride + i];
            subtract_four(a + i * stride, above, stride, c, i / L * L, n);
        }
    }
    return true;
}

/* Queries whose sums, two vectors each, stay in registers. */
#if VF_LANES >= 16
#define DOT_TALL 12
#else
#define DOT_TALL 6
#endif

static inline __attribute__((always_inline)) void
dot_columns(const float *queries, size_t width, const float *columns, const size_t tall,
            float *ret_scores)
{
    vf acc[DOT_TALL][2];
    for (size_t q = 0; q < tall; q++)
        acc[q][0] = acc[q][1] = vf_zero();
    for (size_t j = 0; j < width; j++) {
        vf a = vf_load(columns + j * MQ_DOT_PANEL), b = vf_load(columns + j * MQ_DOT_PANEL + L);
        for (size_t q = 0; q < tall; q++) {
            vf x = vf_set1(queries[q * width + j]);
            acc[q][0] = vf_fma(x, a, acc[q][0]);
            acc[q][1] = vf_fma(x, b, acc[q][1]);
        }
    }
    for (size_t q = 0; q < tall; q++) {
        vf_store(ret_scores + q * MQ_DOT_PANEL, acc[q][0]);
        vf_store(ret_scores + q * MQ_DOT_PANEL + L, acc[q][1]);
    }
}

static void
dot_panel(const float *queries, size_t count, size_t width, const float *panel, const float *above,
          float *ret_scores, uint32_t *ret_hits)
{
    for (size_t at = 0; at < MQ_DOT_PANEL; at += 2 * L) {
        size_t q = 0;
        for (; q + DOT_TALL <= count; q += DOT_TALL)
            dot_columns(queries + q * width, width, panel + at, DOT_TALL,
                        ret_scores + q * MQ_DOT_PANEL + at);
        for (; q < count; q++)
            dot_columns(queries + q * width, width, panel + at, 1,
                        ret_scores + q * MQ_DOT_PANEL + at);
    }
    for (size_t q = 0; q < count; q++) {
        vf bound = vf_set1(above[q]);
        ret_hits[q] = 0;
        for (size_t at = 0; at < MQ_DOT_PANEL; at += L)
            ret_hits[q] |= (uint32_t)vf_greater(vf_load(ret_scores + q * MQ_DOT_PANEL + at), bound)
                           << at;
    }
}
