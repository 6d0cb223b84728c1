#include "check.h"

#include <math.h>

#include "base/memory.h"
#include "base/rng.h"
#include "math/cholesky.h"
#include "math/kernels.h"
#include "math/spd_inverse.h"

/* x xᵀ / n + I, lower half and diagonal; NaN above, which must not be read. */
static float *
random_matrix(struct mq_rng *rng, int64_t n)
{
    struct mq_error err = {0};
    float *a = NULL;
    mq_autofree float *x = NULL;
    check_ok(mq_alloc_array((size_t)(n * n), sizeof(float), &a, &err));
    check_ok(mq_alloc_array((size_t)(n * 16), sizeof(float), &x, &err));
    for (int64_t i = 0; i < n * 16; i++)
        x[i] = (float)mq_rng_normal(rng);
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < n; j++) {
            double sum = i == j ? 1 : 0;
            for (int64_t k = 0; k < 16; k++)
                sum += (double)x[i * 16 + k] * (double)x[j * 16 + k] / 16;
            a[i * n + j] = j <= i ? (float)sum : NAN;
        }
    return a;
}

/* Greatest of |A B - I| in double, a the lower half. */
static double
misfit(const float *a, const float *b, int64_t n)
{
    double worst = 0;
    for (int64_t i = 0; i < n; i += 1 + n / 40)
        for (int64_t j = 0; j < n; j++) {
            double sum = i == j ? -1 : 0;
            for (int64_t k = 0; k < n; k++)
                sum += (double)a[i >= k ? i * n + k : k * n + i] * (double)b[k * n + j];
            worst = fmax(worst, fabs(sum));
        }
    return worst;
}

static void
inverse_of_any_size(void **state)
{
    struct mq_error err = {0};
    struct mq_pool *pool = NULL;
    struct mq_rng rng;
    (void)state;
    mq_rng_init(&rng, 3, 0);
    check_ok(mq_pool_new(3, &pool, &err));
    const int64_t sizes[] = {1, 2, 7, 255, 256, 257, 300, 600};
    for (size_t s = 0; s < MQ_COUNT(sizes); s++) {
        int64_t n = sizes[s];
        size_t bytes = (size_t)(n * n) * sizeof(float);
        mq_autofree float *a = random_matrix(&rng, n), *alone = NULL, *together = NULL;
        check_ok(mq_alloc_array((size_t)(n * n), sizeof(float), &alone, &err));
        check_ok(mq_alloc_array((size_t)(n * n), sizeof(float), &together, &err));
        memcpy(alone, a, bytes);
        memcpy(together, a, bytes);
        check_ok(mq_spd_inverse(alone, n, NULL, &err));
        check_ok(mq_spd_inverse(together, n, pool, &err));
        assert_memory_equal(alone, together, bytes);
        /* Condition up to n/8 or so: a hundred times the rounding of a product. */
        if (!(misfit(a, alone, n) < 2e-4))
            fail_msg("inverse of %lld misses by %g", (long long)n, misfit(a, alone, n));
        for (int64_t i = 0; i < n; i++)
            for (int64_t j = 0; j < i; j++)
                assert_true(alone[i * n + j] == alone[j * n + i]);
    }
    check_ok(mq_spd_inverse(NULL, 0, pool, &err));
    mq_pool_free(pool);
}

static void
what_has_no_inverse(void **state)
{
    struct mq_error err = {0};
    float singular[] = {1, 0, 1, 1}, negative[] = {-1}, not_finite[] = {1, 0, NAN, 2};
    (void)state;
    check_fails(MQ_E_RANGE, mq_spd_inverse(singular, 2, NULL, &err));
    check_contains(err.message, "2 rows is not positive definite");
    check_fails(MQ_E_RANGE, mq_spd_inverse(negative, 1, NULL, &err));
    check_fails(MQ_E_RANGE, mq_spd_inverse(not_finite, 2, NULL, &err));
}

static void
small_systems(void **state)
{
    struct mq_error err = {0};
    struct mq_rng rng;
    enum { N = 45, STRIDE = 47 };
    float u[N * STRIDE], inverse[N * STRIDE], b[N], dense[N * N];
    (void)state;
    mq_rng_init(&rng, 4, 0);
    mq_autofree float *a = random_matrix(&rng, N);
    for (int i = 0; i < N; i++)
        for (int j = 0; j < N; j++)
            u[i * STRIDE + j] = i <= j ? a[j * N + i] : NAN;
    assert_true(mq_kernels()->cholesky(u, N, STRIDE));
    for (int i = 0; i < N; i++)
        b[i] = (float)mq_rng_normal(&rng);
    float x[N];
    memcpy(x, b, sizeof(x));
    mq_cholesky_solve(u, N, STRIDE, x);
    for (int i = 0; i < N; i++) {
        double sum = 0;
        for (int k = 0; k < N; k++)
            sum += (double)a[i >= k ? i * N + k : k * N + i] * (double)x[k];
        assert_true(fabs(sum - (double)b[i]) < 1e-4);
    }
    check_ok(mq_cholesky_inverse(u, N, STRIDE, NULL, inverse, &err));
    for (int i = 0; i < N; i++)
        memcpy(dense + i * N, inverse + i * STRIDE, N * sizeof(float));
    assert_true(misfit(a, dense, N) < 1e-4);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(inverse_of_any_size),
        cmocka_unit_test(what_has_no_inverse),
        cmocka_unit_test(small_systems),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
