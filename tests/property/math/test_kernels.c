/* Every SIMD kernel against the generic one: random lengths, contents and alignments. */
#include "check.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "math/kernels.h"

enum { MAX = 700, ROWS = 23, ROUNDS = 400 };

static struct mq_rng rng;
static float pool_a[2 * MAX + 64], pool_b[2 * MAX + 64], pool_c[2 * MAX + 64], pool_d[2 * MAX + 64];

/* A vector of n values at a random offset from alignment. */
static float *
vector(float *pool, size_t n, double spread)
{
    float *x = pool + mq_rng_below(&rng, 16);
    for (size_t i = 0; i < n; i++)
        x[i] = (float)(spread * mq_rng_normal(&rng));
    return x;
}

static size_t
length(void)
{
    return mq_rng_below(&rng, 2) ? mq_rng_below(&rng, 70) : mq_rng_below(&rng, MAX);
}

static void
near(const char *what, double got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%s: %.9g, generic gives %.9g (tolerance %g)", what, got, want, tolerance);
}

static void
near_all(const char *what, const float *got, const float *want, size_t n, double relative,
         double absolute)
{
    for (size_t i = 0; i < n; i++)
        near(what, got[i], want[i], absolute + relative * fabs((double)want[i]));
}

static const double eps = 0x1p-24;

static void
check_sums(const struct mq_kernels *k, const struct mq_kernels *g)
{
    size_t n = length();
    float *a = vector(pool_a, n, 1), *b = vector(pool_b, n, 1);
    double products = 0, squares = 0, terms = 0;
    for (size_t i = 0; i < n; i++) {
        products += fabs((double)a[i] * b[i]);
        squares += ((double)a[i] - b[i]) * ((double)a[i] - b[i]);
        terms += fabs((double)a[i]);
    }
    double scale = 4 * eps * (double)n;
    near("dot", k->dot(a, b, n), g->dot(a, b, n), scale * products);
    near("square_distance", k->square_distance(a, b, n), g->square_distance(a, b, n),
         scale * squares);
    near("sum", k->sum(a, n), g->sum(a, n), scale * terms);
    if (n > 0) {
        float low, high, low_g, high_g;
        k->min_max(a, n, &low, &high);
        g->min_max(a, n, &low_g, &high_g);
        assert_true(low == low_g && high == high_g);
    }
    int32_t positions[MAX], positions_g[MAX];
    float values[MAX], values_g[MAX], threshold = n > 0 ? a[n / 2] : 0;
    size_t count = g->select_above(a, n, threshold, positions_g, values_g);
    assert_int_equal(k->select_above(a, n, threshold, positions, values), count);
    assert_memory_equal(positions, positions_g, count * sizeof(*positions));
    assert_memory_equal(values, values_g, count * sizeof(*values));
}

static void
check_in_place(const struct mq_kernels *k, const struct mq_kernels *g)
{
    size_t n = length();
    float *x = vector(pool_a, n, 2), *y = vector(pool_b, n, 2), *z = vector(pool_c, n, 2);
    memcpy(z, y, n * sizeof(float));
    y[n] = z[n] = 77; /* nothing is written beyond the end */
    k->axpy(1.25f, x, y, n), g->axpy(1.25f, x, z, n);
    near_all("axpy", y, z, n, 1e-6, 1e-6);
    memcpy(z, y, n * sizeof(float));
    k->scale(0.3f, y, n), g->scale(0.3f, z, n);
    assert_memory_equal(y, z, n * sizeof(float));
    k->add(x, y, n), g->add(x, z, n);
    assert_memory_equal(y, z, n * sizeof(float));
    k->multiply(x, y, n), g->multiply(x, z, n);
    assert_memory_equal(y, z, n * sizeof(float));
    if (n > 3)
        y[1] = z[1] = NAN, y[2] = z[2] = -0.0f;
    float *dy = vector(pool_d, n, 1), dz[MAX];
    memcpy(dz, dy, n * sizeof(float));
    k->relu(y, n), g->relu(z, n);
    for (size_t i = 0; i < n; i++)
        assert_true(y[i] == z[i]);
    k->relu_backward(y, dy, n), g->relu_backward(z, dz, n);
    for (size_t i = 0; i < n; i++)
        assert_true(dy[i] == dz[i]);
    assert_true(y[n] == 77 && z[n] == 77);
}

static void
check_exponentials(const struct mq_kernels *k, const struct mq_kernels *g)
{
    size_t n = 1 + length() % (MAX - 1);
    float *x = vector(pool_a, n, mq_rng_below(&rng, 2) ? 30 : 2), *y = vector(pool_b, n, 1);
    float z[MAX];
    k->exp(x, y, n), g->exp(x, z, n);
    for (size_t i = 0; i < n; i++)
        if (x[i] >= -87 && x[i] <= 88)
            near("exp", y[i], z[i], 4e-7 * z[i]);
    k->sigmoid(x, y, n), g->sigmoid(x, z, n);
    near_all("sigmoid", y, z, n, 8e-7, 1e-37);
    near("logsumexp", k->logsumexp(x, n), g->logsumexp(x, n),
         1e-6 + 4 * FLT_EPSILON * fabs((double)g->logsumexp(x, n)));
    float *labels = vector(pool_c, n, 1);
    for (size_t i = 0; i < n; i++)
        labels[i] = mq_rng_below(&rng, 2);
    double loss = g->log_loss(x, labels, n, z);
    near("log_loss", k->log_loss(x, labels, n, y), loss, 1e-6 * loss + 1e-9);
    near_all("log_loss gradient", y, z, n, 1e-6, 2e-7);
    assert_true(k->log_loss(x, labels, n, NULL) == k->log_loss(x, labels, n, y));

    size_t rows = 1 + mq_rng_below(&rng, 5), width = 1 + mq_rng_below(&rng, 100);
    size_t stride = width + mq_rng_below(&rng, 3);
    float sums[8], sums_g[8];
    x = vector(pool_a, rows * stride, 5);
    memcpy(z, x, rows * stride * sizeof(float));
    k->softmax_rows(x, rows, width, stride, sums), g->softmax_rows(z, rows, width, stride, sums_g);
    near_all("softmax", x, z, rows * stride, 2e-6, 1e-30);
    near_all("softmax logsumexp", sums, sums_g, rows, 4 * FLT_EPSILON, 2e-6);
}

static void
check_exp_limits(const struct mq_kernels *k)
{
    float x[8] = {0, 88.5f, 89.5f, 1e30f, INFINITY, -INFINITY, -100, NAN}, y[8];
    k->exp(x, y, 8);
    assert_true(y[0] == 1.0f);
    near("exp(88.5)", y[1], exp(88.5), 4e-7 * exp(88.5));
    assert_true(isinf(y[2]) && isinf(y[3]) && isinf(y[4]));
    assert_true(y[5] == 0.0f);
    near("exp(-100)", y[6], exp(-100), 3e-45);
    assert_true(isnan(y[7]));
    float big[3] = {1e4f, 1e4f, -1e4f};
    near("logsumexp", k->logsumexp(big, 3), 1e4 + log(2), 2e-3);
}

static void
check_bags(const struct mq_kernels *k, const struct mq_kernels *g)
{
    size_t width = 1 + mq_rng_below(&rng, 60), count = mq_rng_below(&rng, 12);
    float *table = vector(pool_a, ROWS * width, 1), copy[ROWS * 60], got[60], want[60];
    float weights[12], *x = vector(pool_b, count * width + width, 1);
    int32_t rows[12];
    for (size_t i = 0; i < count; i++) {
        rows[i] = (int32_t)mq_rng_below(&rng, ROWS);
        weights[i] = (float)mq_rng_normal(&rng);
    }
    k->gather_sum(table, width, rows, count, got), g->gather_sum(table, width, rows, count, want);
    assert_memory_equal(got, want, width * sizeof(float));
    k->gather_weighted_sum(table, width, rows, weights, count, got);
    g->gather_weighted_sum(table, width, rows, weights, count, want);
    near_all("gather_weighted_sum", got, want, width, 0, 1e-5);
    memcpy(copy, table, ROWS * width * sizeof(float));
    k->scatter_add(table, width, rows, count, -0.5f, x);
    g->scatter_add(copy, width, rows, count, -0.5f, x);
    near_all("scatter_add", table, copy, ROWS * width, 0, 1e-5);
    memcpy(copy, table, ROWS * width * sizeof(float));
    k->scatter_add_rows(table, width, rows, count, x);
    g->scatter_add_rows(copy, width, rows, count, x);
    assert_memory_equal(table, copy, ROWS * width * sizeof(float));
    k->bias_add(table, ROWS, width, x), g->bias_add(copy, ROWS, width, x);
    k->bias_relu(table, ROWS, width, x), g->bias_relu(copy, ROWS, width, x);
    assert_memory_equal(table, copy, ROWS * width * sizeof(float));
    memcpy(want, got, sizeof(got));
    k->column_sum(table, ROWS, width, got), g->column_sum(copy, ROWS, width, want);
    assert_memory_equal(got, want, width * sizeof(float));
}

static void
check_adam(const struct mq_kernels *k, const struct mq_kernels *g)
{
    size_t n = length();
    float *p = vector(pool_a, n, 0.1), *m = vector(pool_b, n, 0.01), *v = vector(pool_c, n, 0.1);
    float *d = vector(pool_d, n, 0.1), p2[MAX], m2[MAX], v2[MAX];
    for (size_t i = 0; i < n; i++)
        v[i] = v[i] * v[i];
    memcpy(p2, p, n * sizeof(float)), memcpy(m2, m, n * sizeof(float));
    memcpy(v2, v, n * sizeof(float));
    struct mq_adam adam = mq_adam_at(1e-3f, 0.9f, 0.999f, 1e-8f, 1e-4f, 1 + mq_rng_below(&rng, 50));
    adam.gradient_scale = 0.5f;
    k->adam(&adam, p, m, v, d, n), g->adam(&adam, p2, m2, v2, d, n);
    near_all("adam p", p, p2, n, 1e-5, 1e-7);
    near_all("adam m", m, m2, n, 1e-5, 1e-8);
    near_all("adam v", v, v2, n, 1e-5, 1e-10);
}

static void
check_search(const struct mq_kernels *k, const struct mq_kernels *g)
{
    size_t width = 1 + mq_rng_below(&rng, 60), count = mq_rng_below(&rng, ROWS);
    float *rows = vector(pool_a, ROWS * width, 1), *queries = vector(pool_b, 4 * width, 1);
    float got[4 * ROWS], want[4 * ROWS], alone[ROWS];
    int32_t ids[ROWS];
    double tolerance = 4 * eps * (double)width * 60;
    k->dot_rows(queries, rows, count, width, got), g->dot_rows(queries, rows, count, width, want);
    near_all("dot_rows", got, want, count, 0, tolerance);
    /* A row's score does not depend on the rows beside it, nor on the form of the call. */
    for (size_t i = 0; i < count; i++) {
        k->dot_rows(queries, rows + i * width, 1, width, alone);
        assert_true(alone[0] == got[i]);
        ids[i] = (int32_t)mq_rng_below(&rng, ROWS);
    }
    k->dot_rows4(queries, rows, count, width, want);
    assert_memory_equal(got, want, count * sizeof(float));
    g->dot_rows4(queries, rows, count, width, got);
    near_all("dot_rows4", want, got, 4 * count, 0, tolerance);
    k->dot_indexed(queries, rows, width, ids, count, got);
    g->dot_indexed(queries, rows, width, ids, count, want);
    near_all("dot_indexed", got, want, count, 0, tolerance);
    k->square_distance_rows(queries, rows, count, width, got);
    g->square_distance_rows(queries, rows, count, width, want);
    near_all("square_distance_rows", got, want, count, 0, 4 * tolerance);
    k->square_distance_indexed(queries, rows, width, ids, count, got);
    g->square_distance_indexed(queries, rows, width, ids, count, want);
    near_all("square_distance_indexed", got, want, count, 0, 4 * tolerance);
}

static void
check_normal_equations(const struct mq_kernels *k, const struct mq_kernels *g)
{
    enum { WIDTH = 70, MOST = 300 };
    size_t width = 1 + mq_rng_below(&rng, WIDTH), count = mq_rng_below(&rng, 2) ? 300 : 11;
    count = mq_rng_below(&rng, (uint32_t)count);
    float *table = vector(pool_a, ROWS * width > 2 * MAX ? 2 * MAX : ROWS * width, 1);
    uint32_t rows_there = (uint32_t)(2 * MAX / width < ROWS ? 2 * MAX / width : ROWS);
    int32_t rows[MOST];
    float weights[MOST], shift[MOST], got[WIDTH], want[WIDTH];
    static float a[WIDTH * WIDTH + 16], b[WIDTH * WIDTH];
    for (size_t i = 0; i < count; i++) {
        rows[i] = (int32_t)mq_rng_below(&rng, rows_there);
        weights[i] = (float)mq_rng_normal(&rng);
        shift[i] = (float)mq_rng_normal(&rng);
    }
    float *x = vector(pool_b, width, 1);
    bool shifted = mq_rng_below(&rng, 2), weighted = mq_rng_below(&rng, 2);
    for (size_t j = 0; j < width; j++)
        got[j] = want[j] = (float)j;
    k->gather_residual(table, width, rows, shifted ? shift : NULL, weighted ? weights : NULL, count,
                       x, got);
    g->gather_residual(table, width, rows, shifted ? shift : NULL, weighted ? weights : NULL, count,
                       x, want);
    /* Terms are products of three normal values; 6 is beyond any of them. */
    double terms = (double)count * (1 + (double)width * 36) * 36;
    near_all("gather_residual", got, want, width, 1e-6, 4 * eps * terms / 36);
    float *matrix = a + mq_rng_below(&rng, 16);
    for (size_t j = 0; j < width * width; j++)
        matrix[j] = b[j] = 0.25f;
    k->gather_outer(table, width, rows, weighted ? weights : NULL, count, matrix);
    g->gather_outer(table, width, rows, weighted ? weights : NULL, count, b);
    for (size_t i = 0; i < width; i++)
        near_all("gather_outer", matrix + i * width + i, b + i * width + i, width - i, 1e-6,
                 4 * eps * (double)count * 36);
}

static void
check_cholesky(const struct mq_kernels *k, const struct mq_kernels *g)
{
    enum { N = 70 };
    size_t n = 1 + mq_rng_below(&rng, N), stride = n + mq_rng_below(&rng, 3);
    static float a[N * (N + 3) + 16], b[N * (N + 3)];
    float *u = a + mq_rng_below(&rng, 16), *x = vector(pool_a, 20 * n, 1);
    for (size_t i = 0; i < n; i++)
        for (size_t j = i; j < n; j++) {
            double sum = i == j ? 1.0 : 0.0;
            for (size_t t = 0; t < 20; t++)
                sum += (double)x[t * n + i] * (double)x[t * n + j] / 20;
            u[i * stride + j] = b[i * stride + j] = (float)sum;
            u[j * stride + i] = b[j * stride + i] = i == j ? (float)sum : 7;
        }
    assert_true(k->cholesky(u, n, stride) && g->cholesky(b, n, stride));
    for (size_t i = 0; i < n; i++)
        near_all("cholesky", u + i * stride + i, b + i * stride + i, n - i, 0,
                 100 * eps * (double)n);
    /* Not positive definite, not finite. */
    u[0] = 1, u[(n - 1) * (stride + 1)] = -1;
    for (size_t j = 1; j < n; j++)
        u[j] = 0;
    assert_false(k->cholesky(u, n, stride));
    u[0] = NAN;
    assert_false(k->cholesky(u, n, stride));
    u[0] = INFINITY;
    assert_false(k->cholesky(u, n, stride));
}

static void
check_dot_panel(const struct mq_kernels *k, const struct mq_kernels *g)
{
    enum { QUERIES = 15, WIDTH = 40 };
    size_t count = 1 + mq_rng_below(&rng, QUERIES), width = 1 + mq_rng_below(&rng, WIDTH);
    float *queries = vector(pool_a, count * width, 1);
    float *panel = vector(pool_b, width * MQ_DOT_PANEL, 1), above[QUERIES];
    float got[QUERIES * MQ_DOT_PANEL], want[QUERIES * MQ_DOT_PANEL], alone[MQ_DOT_PANEL];
    uint32_t hits[QUERIES], hits_g[QUERIES], hits_alone;
    for (size_t q = 0; q < count; q++)
        above[q] = mq_rng_below(&rng, 8) == 0 ? -INFINITY : (float)mq_rng_normal(&rng);
    k->dot_panel(queries, count, width, panel, above, got, hits);
    g->dot_panel(queries, count, width, panel, above, want, hits_g);
    near_all("dot_panel", got, want, count * MQ_DOT_PANEL, 0, 4 * eps * (double)width * 36);
    for (size_t q = 0; q < count; q++) {
        for (size_t r = 0; r < MQ_DOT_PANEL; r++)
            assert_int_equal(hits[q] >> r & 1, got[q * MQ_DOT_PANEL + r] > above[q]);
        /* A score does not depend on the queries beside it. */
        k->dot_panel(queries + q * width, 1, width, panel, above + q, alone, &hits_alone);
        assert_memory_equal(alone, got + q * MQ_DOT_PANEL, sizeof(alone));
        assert_int_equal(hits_alone, hits[q]);
    }
}

static void
check_panels(const struct mq_kernels *k, const struct mq_kernels *g)
{
    enum { PANELS = 5, PAIRS = 20 };
    static uint8_t storage[PANELS * PAIRS * MQ_PANEL_ROWS * 2 + 64];
    int32_t weights[4 * PAIRS];
    size_t pairs = 1 + mq_rng_below(&rng, PAIRS), panels = 1 + mq_rng_below(&rng, PANELS);
    uint8_t *values = storage + mq_rng_below(&rng, 64);
    for (size_t i = 0; i < panels * pairs * MQ_PANEL_ROWS * 2; i++)
        values[i] = (uint8_t)mq_rng_below(&rng, 128);
    for (size_t i = 0; i < 4 * pairs; i++)
        weights[i] = mq_panel_weight((int8_t)((int)mq_rng_below(&rng, 255) - 127),
                                     (int8_t)((int)mq_rng_below(&rng, 255) - 127));
    int16_t start[4], above[4];
    uint32_t got[4 * PANELS], want[4 * PANELS];
    for (int q = 0; q < 4; q++) {
        start[q] = (int16_t)(uint16_t)mq_rng_next(&rng);
        above[q] = (int16_t)(uint16_t)mq_rng_next(&rng);
    }
    k->scan_panels4(values, panels, pairs, weights, start, above, got);
    g->scan_panels4(values, panels, pairs, weights, start, above, want);
    assert_memory_equal(got, want, 4 * panels * sizeof(*got));
    k->scan_panels(values, panels, pairs, weights, start, above, got);
    assert_memory_equal(got, want, panels * sizeof(*got));
}

static void
check_byte_rows(const struct mq_kernels *k, const struct mq_kernels *g)
{
    enum { TABLE = 40, COUNT = 70000 };
    static uint8_t storage[TABLE * MQ_BYTE_COLUMNS + 64];
    static int32_t rows[COUNT];
    int32_t got[MQ_BYTE_COLUMNS], want[MQ_BYTE_COLUMNS];
    int32_t most = 1 + (int32_t)mq_rng_below(&rng, mq_rng_below(&rng, 2) ? 5 : 255);
    /* Now and then so many that 16 bits overflow. */
    size_t count = mq_rng_below(&rng, mq_rng_below(&rng, 40) == 0 ? COUNT : 600);
    uint8_t *table = storage + mq_rng_below(&rng, 64);
    for (size_t i = 0; i < (size_t)TABLE * MQ_BYTE_COLUMNS; i++)
        table[i] = (uint8_t)(mq_rng_below(&rng, 4) ? (uint32_t)most
                                                   : mq_rng_below(&rng, (uint32_t)most + 1));
    for (size_t i = 0; i < count; i++)
        rows[i] = (int32_t)mq_rng_below(&rng, TABLE);
    for (size_t j = 0; j < MQ_BYTE_COLUMNS; j++)
        got[j] = want[j] = (int32_t)mq_rng_below(&rng, 1000);
    k->add_byte_rows(table, rows, count, most, 15, got);
    g->add_byte_rows(table, rows, count, most, 15, want);
    assert_memory_equal(got, want, sizeof(got));
    /* A column's place is its own. */
    uint8_t seen[MQ_BYTE_COLUMNS] = {0};
    for (size_t j = 0; j < MQ_BYTE_COLUMNS; j++)
        seen[mq_byte_column(j)]++;
    for (size_t j = 0; j < MQ_BYTE_COLUMNS; j++)
        assert_int_equal(seen[j], 1);
}

/* Keys near each other and far apart, and many of them equal. */
static void
check_sort_few(const struct mq_kernels *k, const struct mq_kernels *g)
{
    uint64_t keys[2][MQ_SORT_FEW + 1];
    size_t n = mq_rng_below(&rng, MQ_SORT_FEW + 1);
    uint32_t bits = mq_rng_below(&rng, 65);
    uint64_t mask = bits == 0 ? 0 : UINT64_MAX >> (64 - bits);
    for (size_t i = 0; i <= MQ_SORT_FEW; i++)
        keys[0][i] = mq_rng_below(&rng, 50) == 0 ? UINT64_MAX : mq_rng_next(&rng) & mask;
    memcpy(keys[1], keys[0], sizeof(keys[0]));
    k->sort_few(keys[0], n), g->sort_few(keys[1], n);
    assert_memory_equal(keys[0], keys[1], sizeof(keys[0])); /* nor anything beyond */
    for (size_t i = 1; i < n; i++)
        assert_true(keys[1][i - 1] <= keys[1][i]);
}

static void
check_bit_sets(const struct mq_kernels *k, const struct mq_kernels *g)
{
    uint64_t a[50], b[50];
    size_t words = mq_rng_below(&rng, MQ_BYTE_COLUMNS) % 51;
    for (size_t i = 0; i < words; i++) {
        a[i] = mq_rng_next(&rng);
        b[i] = mq_rng_next(&rng);
    }
    assert_int_equal(k->count_common(a, b, words), g->count_common(a, b, words));
    assert_int_equal(k->count_common(a, a, words) + k->count_common(b, b, words),
                     g->count_common(a, a, words) + g->count_common(b, b, words));
}

static void
test_equal_to_generic(void **state)
{
    const struct mq_kernels *k = *state;
    const struct mq_kernels *g = mq_kernels_of(MQ_KERNEL_GENERIC);
    const char *seed_text = getenv("MARQUEE_TEST_SEED");
    uint64_t seed = seed_text != NULL ? strtoull(seed_text, NULL, 10) : 1;
    printf("%s against generic, seed %llu\n", mq_kernel_name(k->kind), (unsigned long long)seed);
    mq_rng_init(&rng, seed, 0);
    check_exp_limits(k);
    for (int round = 0; round < ROUNDS; round++) {
        check_sums(k, g);
        check_in_place(k, g);
        check_exponentials(k, g);
        check_bags(k, g);
        check_adam(k, g);
        check_search(k, g);
        check_panels(k, g);
        check_normal_equations(k, g);
        check_cholesky(k, g);
        check_dot_panel(k, g);
        check_byte_rows(k, g);
        check_bit_sets(k, g);
        check_sort_few(k, g);
    }
}

static void
test_choice(void **state)
{
    (void)state;
    assert_non_null(mq_kernels());
    assert_int_equal(mq_kernels()->kind, mq_cpu_kernel());
    assert_non_null(mq_kernels_of(MQ_KERNEL_GENERIC));
    assert_null(mq_kernels_of(MQ_KERNEL_COUNT));
}

int
main(void)
{
    struct CMUnitTest tests[MQ_KERNEL_COUNT + 1] = {cmocka_unit_test(test_choice)};
    size_t count = 1;
    for (int kind = 0; kind < MQ_KERNEL_COUNT; kind++) {
        const struct mq_kernels *table = mq_kernels_of((enum mq_kernel)kind);
        if (table != NULL)
            tests[count++] = (struct CMUnitTest){.name = mq_kernel_name((enum mq_kernel)kind),
                                                 .test_func = test_equal_to_generic,
                                                 .initial_state = (void *)(uintptr_t)table};
    }
    return _cmocka_run_group_tests("kernels", tests, count, NULL, NULL);
}
