#include "check.h"

#include <math.h>

#include "base/rng.h"
#include "eval/bootstrap.h"

#define NEAR(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

enum { USERS = 400, RESAMPLES = 4000 };

static double hits[USERS], other[USERS], gaps[USERS], weight[USERS];

/* Four in ten users are hit; `other` hits them and every tenth more. */
static int
fill(void **state)
{
    (void)state;
    for (int i = 0; i < USERS; i++) {
        hits[i] = i % 10 < 4;
        other[i] = i % 10 < 5;
        gaps[i] = i % 2 == 0 ? (double)NAN : hits[i];
        weight[i] = i % 2 == 0 ? 0 : 2;
    }
    return 0;
}

static void
values_are_ratios(void **state)
{
    (void)state;
    struct mq_error err = {0};
    const struct mq_bootstrap_column columns[] = {
        {.sum = hits},
        {.sum = gaps},
        {.sum = hits, .weight = weight},
        {.sum = hits, .root = true},
    };
    struct mq_bootstrap b = {0};
    check_ok(mq_bootstrap_run(columns, 4, USERS, 0, 1, NULL, &b, &err));
    NEAR(b.value[0], 0.4, 1e-15);
    NEAR(b.value[1], 0.4, 1e-15); /* of the 200 that count, 80 hit */
    NEAR(b.value[2], 160.0 / 400, 1e-15);
    NEAR(b.value[3], sqrt(0.4), 1e-15);
    struct mq_interval interval;
    check_ok(mq_bootstrap_interval(&b, 0, 0.95, &interval, &err));
    NEAR(interval.value, 0.4, 1e-15);
    assert_true(isnan(interval.low) && isnan(interval.high)); /* no draws were asked for */
    mq_bootstrap_release(&b);
}

static void
interval_of_a_share_is_that_of_the_binomial(void **state)
{
    (void)state;
    struct mq_error err = {0};
    const struct mq_bootstrap_column columns[] = {{.sum = hits}, {.sum = gaps}};
    struct mq_bootstrap b = {0};
    struct mq_interval all, half;
    check_ok(mq_bootstrap_run(columns, 2, USERS, RESAMPLES, 7, NULL, &b, &err));
    check_ok(mq_bootstrap_interval(&b, 0, 0.95, &all, &err));
    check_ok(mq_bootstrap_interval(&b, 1, 0.95, &half, &err));
    double deviation = sqrt(0.4 * 0.6 / USERS);
    /* an end of 4,000 draws is known to about a twentieth of a deviation */
    NEAR(all.low, 0.4 - 1.96 * deviation, 0.15 * deviation);
    NEAR(all.high, 0.4 + 1.96 * deviation, 0.15 * deviation);
    /* half the users, so wider by the root of two */
    NEAR(half.high - half.low, 2 * 1.96 * deviation * sqrt(2), 0.4 * deviation);
    check_ok(mq_bootstrap_interval(&b, 0, 0.5, &half, &err));
    NEAR(half.low, 0.4 - 0.6745 * deviation, 0.15 * deviation);
    mq_bootstrap_release(&b);
}

static void
difference_is_paired(void **state)
{
    (void)state;
    struct mq_error err = {0};
    const struct mq_bootstrap_column columns[] = {{.sum = hits}, {.sum = other}};
    struct mq_bootstrap b = {0};
    struct mq_interval difference;
    check_ok(mq_bootstrap_run(columns, 2, USERS, RESAMPLES, 7, NULL, &b, &err));
    check_ok(mq_bootstrap_difference(&b, 1, 0, 0.95, &difference, &err));
    /* the two differ in one user of ten, always upwards: the interval is that of a share of 0.1,
     * much narrower than unpaired draws would give, and holds no zero */
    double deviation = sqrt(0.1 * 0.9 / USERS);
    NEAR(difference.value, 0.1, 1e-12);
    NEAR(difference.low, 0.1 - 1.96 * deviation, 0.2 * deviation);
    NEAR(difference.high, 0.1 + 1.96 * deviation, 0.2 * deviation);
    check_ok(mq_bootstrap_difference(&b, 0, 0, 0.95, &difference, &err));
    assert_true(difference.low == 0 && difference.high == 0);
    mq_bootstrap_release(&b);
}

static void
threads_and_seeds(void **state)
{
    (void)state;
    struct mq_error err = {0};
    const struct mq_bootstrap_column columns[] = {{.sum = hits}, {.sum = gaps, .root = true}};
    struct mq_pool *pool;
    struct mq_bootstrap one = {0}, three = {0}, seeded = {0};
    check_ok(mq_pool_new(3, &pool, &err));
    check_ok(mq_bootstrap_run(columns, 2, USERS, 101, 1, NULL, &one, &err));
    check_ok(mq_bootstrap_run(columns, 2, USERS, 101, 1, pool, &three, &err));
    check_ok(mq_bootstrap_run(columns, 2, USERS, 101, 2, pool, &seeded, &err));
    assert_memory_equal(one.replicate, three.replicate, 202 * sizeof(double));
    assert_memory_not_equal(one.replicate, seeded.replicate, 202 * sizeof(double));
    mq_bootstrap_release(&one);
    mq_bootstrap_release(&three);
    mq_bootstrap_release(&seeded);
    mq_pool_free(pool);
}

static void
undefined_figures_have_no_interval(void **state)
{
    (void)state;
    struct mq_error err = {0};
    const double nothing[] = {NAN, NAN}, single[] = {NAN, 3};
    const struct mq_bootstrap_column columns[] = {{.sum = nothing}, {.sum = single}};
    struct mq_bootstrap b = {0};
    struct mq_interval interval;
    check_ok(mq_bootstrap_run(columns, 2, 2, 100, 1, NULL, &b, &err));
    check_ok(mq_bootstrap_interval(&b, 0, 0.95, &interval, &err));
    assert_true(isnan(interval.value) && isnan(interval.low));
    /* draws without the one user who counts say nothing; the others always 3 */
    check_ok(mq_bootstrap_interval(&b, 1, 0.95, &interval, &err));
    assert_true(interval.value == 3 && interval.low == 3 && interval.high == 3);
    mq_bootstrap_release(&b);
    check_ok(mq_bootstrap_run(columns, 2, 0, 100, 1, NULL, &b, &err));
    check_ok(mq_bootstrap_interval(&b, 1, 0.95, &interval, &err));
    assert_true(isnan(interval.value));
    mq_bootstrap_release(&b);
}

static void
out_of_range(void **state)
{
    (void)state;
    struct mq_error err = {0};
    const struct mq_bootstrap_column columns[] = {{.sum = hits}};
    struct mq_bootstrap b = {0};
    struct mq_interval interval;
    check_fails(MQ_E_RANGE,
                mq_bootstrap_run(columns, 1, USERS, MQ_RESAMPLES_MAX + 1, 1, NULL, &b, &err));
    check_fails(MQ_E_RANGE, mq_bootstrap_run(columns, 1, INT64_C(1) << 32, 10, 1, NULL, &b, &err));
    check_ok(mq_bootstrap_run(columns, 1, USERS, 10, 1, NULL, &b, &err));
    check_fails(MQ_E_RANGE, mq_bootstrap_interval(&b, 0, 0, &interval, &err));
    check_fails(MQ_E_RANGE, mq_bootstrap_interval(&b, 0, 1, &interval, &err));
    check_fails(MQ_E_RANGE, mq_bootstrap_difference(&b, 0, 0, NAN, &interval, &err));
    mq_bootstrap_release(&b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_are_ratios),
        cmocka_unit_test(interval_of_a_share_is_that_of_the_binomial),
        cmocka_unit_test(difference_is_paired),
        cmocka_unit_test(threads_and_seeds),
        cmocka_unit_test(undefined_figures_have_no_interval),
        cmocka_unit_test(out_of_range),
    };
    return cmocka_run_group_tests(tests, fill, NULL);
}
