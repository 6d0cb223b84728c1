#include "check.h"

#include <math.h>

#include "base/memory.h"
#include "base/rng.h"
#include "math/blas.h"

/* Plain product in double, for comparison. */
static void
product(bool ta, bool tb, int64_t m, int64_t n, int64_t k, float alpha, const float *a, int64_t lda,
        const float *b, int64_t ldb, float beta, float *c, int64_t ldc)
{
    for (int64_t i = 0; i < m; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = 0;
            for (int64_t l = 0; l < k; l++)
                sum += (double)(ta ? a[l * lda + i] : a[i * lda + l]) *
                       (double)(tb ? b[j * ldb + l] : b[l * ldb + j]);
            float *place = c + i * ldc + j;
            *place = (float)(alpha * sum + (beta == 0 ? 0 : (double)beta * *place));
        }
}

static void
fill(struct mq_rng *rng, float *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        x[i] = (float)mq_rng_normal(rng);
}

static void
test_sgemm(void **state)
{
    (void)state;
    enum { SIZE = 40 };
    static float a[SIZE * SIZE], b[SIZE * SIZE], got[SIZE * SIZE], want[SIZE * SIZE];
    struct mq_rng rng;
    mq_rng_init(&rng, 5, 0);
    for (int round = 0; round < 100; round++) {
        int64_t m = 1 + mq_rng_below(&rng, 30), n = 1 + mq_rng_below(&rng, 30);
        int64_t k = mq_rng_below(&rng, 30);
        bool ta = round & 1, tb = round & 2;
        float beta = round % 3 ? 0.5f : 0.0f;
        fill(&rng, a, SIZE * SIZE);
        fill(&rng, b, SIZE * SIZE);
        fill(&rng, got, SIZE * SIZE);
        if (beta == 0.0f)
            got[0] = NAN; /* not read */
        memcpy(want, got, sizeof(got));
        mq_sgemm(ta, tb, m, n, k, 1.5f, a, SIZE, b, SIZE, beta, got, SIZE);
        product(ta, tb, m, n, k, 1.5f, a, SIZE, b, SIZE, beta, want, SIZE);
        for (int64_t i = 0; i < m; i++)
            for (int64_t j = 0; j < n; j++)
                assert_float_equal(got[i * SIZE + j], want[i * SIZE + j], 1e-4);
        if (m < SIZE)
            assert_memory_equal(got + m * SIZE, want + m * SIZE, SIZE * sizeof(float));
    }
}

static void
test_sgemm_parallel_bytes(void **state)
{
    (void)state;
    struct mq_error err;
    int64_t m = 3 * MQ_SGEMM_ROWS + 17, n = 33, k = 50;
    float *a, *b, *one, *three;
    check_ok(mq_alloc_array((size_t)(m * k), sizeof(float), &a, &err));
    check_ok(mq_alloc_array((size_t)(n * k), sizeof(float), &b, &err));
    check_ok(mq_alloc_array((size_t)(m * n), sizeof(float), &one, &err));
    check_ok(mq_alloc_array((size_t)(m * n), sizeof(float), &three, &err));
    struct mq_rng rng;
    mq_rng_init(&rng, 6, 0);
    fill(&rng, a, (size_t)(m * k));
    fill(&rng, b, (size_t)(n * k));
    struct mq_pool *pool;
    check_ok(mq_pool_new(3, &pool, &err));
    for (int transpose = 0; transpose < 2; transpose++) {
        int64_t lda = transpose ? m : k;
        mq_sgemm_parallel(NULL, transpose, true, m, n, k, 1, a, lda, b, k, 0, one, n);
        mq_sgemm_parallel(pool, transpose, true, m, n, k, 1, a, lda, b, k, 0, three, n);
        assert_memory_equal(one, three, (size_t)(m * n) * sizeof(float));
        product(transpose, true, m, n, k, 1, a, lda, b, k, 0, three, n);
        for (int64_t i = 0; i < m * n; i++)
            assert_float_equal(one[i], three[i], 1e-4);
    }
    mq_pool_free(pool);
    mq_free(a);
    mq_free(b);
    mq_free(one);
    mq_free(three);
}

static void
test_sgemv(void **state)
{
    (void)state;
    float a[6] = {1, 2, 3, 4, 5, 6}, x[3] = {1, 1, 2}, y[3] = {10, 20, 30};
    mq_sgemv(false, 2, 3, 1, a, 3, x, 0.5f, y);
    assert_float_equal(y[0], 9 + 5, 1e-6);
    assert_float_equal(y[1], 21 + 10, 1e-6);
    mq_sgemv(true, 2, 3, 2, a, 3, x, 0, y);
    assert_float_equal(y[0], 10, 1e-6);
    assert_float_equal(y[1], 14, 1e-6);
    assert_float_equal(y[2], 18, 1e-6);
    assert_non_null(mq_blas_description());
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_sgemm),
                                       cmocka_unit_test(test_sgemm_parallel_bytes),
                                       cmocka_unit_test(test_sgemv)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
