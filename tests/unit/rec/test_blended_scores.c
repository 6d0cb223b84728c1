#include "scoring_bench.h"

#include <math.h>

#include "rec/blended_scores.h"

/* Standardised scores and their blend, against plain loops in double. */

/* z of a method for a user. @return whether it tells films apart */
static bool
standardise(struct bench *b, const struct mq_rated_user *user, enum mq_method method, double *ret)
{
    struct mq_method_scorer *scorer;
    struct mq_error err = {0};
    float raw[ITEMS];
    bool known;
    check_ok(mq_method_scorer_new(b->hybrid, &scorer, &err));
    check_ok(mq_method_scores(scorer, user, method, raw, &known, &err));
    mq_method_scorer_free(scorer);
    double mean = 0, variance = 0;
    for (int i = 0; i < ITEMS; i++)
        mean += (double)raw[i] / ITEMS;
    for (int i = 0; i < ITEMS; i++)
        variance += ((double)raw[i] - mean) * ((double)raw[i] - mean) / ITEMS;
    bool apart = known && variance > 1e-9;
    for (int i = 0; i < ITEMS; i++)
        ret[i] = apart ? ((double)raw[i] - mean) / sqrt(variance) : 0;
    return apart;
}

static struct mq_blended_scorer *
open_scorer(struct bench *b)
{
    struct mq_blended_scorer *scorer;
    struct mq_error err = {0};
    check_ok(mq_blended_scorer_new(b->hybrid, &scorer, &err));
    return scorer;
}

/* The hybrid's scores. @return whether anything is known of the user */
static bool
blend(struct mq_blended_scorer *scorer, const struct mq_rated_user *user, float *ret)
{
    struct mq_error err = {0};
    bool known;
    check_ok(mq_blended_scores(scorer, user, MQ_METHOD_HYBRID, ret, &known, &err));
    return known;
}

static void
standard_scores_by_hand(void **state)
{
    struct bench *b = *state;
    struct mq_error err = {0};
    struct mq_blended_scorer *scorer = open_scorer(b);
    for (int32_t u = 0; u < USERS; u++) {
        struct mq_rated_user user = bench_user(b, u);
        for (int m = 0; m < MQ_METHOD_COUNT; m++) {
            double expected[ITEMS];
            float got[ITEMS];
            bool known;
            bool apart = standardise(b, &user, m, expected);
            check_ok(mq_standard_scores(scorer, &user, m, got, &known, &err));
            assert_int_equal(known, apart);
            for (int i = 0; i < ITEMS; i++)
                assert_float_equal(got[i], expected[i], 1e-3);
        }
    }
    mq_blended_scorer_free(scorer);
}

static void
check_blend(struct bench *b, struct mq_blended_scorer *scorer, const struct mq_rated_user *user)
{
    double expected[ITEMS] = {0}, z[MQ_METHOD_COUNT][ITEMS];
    float got[ITEMS];
    for (int m = 0; m < MQ_METHOD_COUNT; m++) {
        standardise(b, user, m, z[m]);
        for (int i = 0; i < ITEMS; i++)
            expected[i] += (double)b->hybrid->blend[m] * z[m][i];
    }
    assert_true(blend(scorer, user, got));
    for (int i = 0; i < ITEMS; i++) {
        double sum = 0;
        assert_float_equal(got[i], expected[i], 2e-3);
        for (int m = 0; m < MQ_METHOD_COUNT; m++) {
            float part = mq_blended_part(scorer, m, i);
            assert_float_equal(part, (double)b->hybrid->blend[m] * z[m][i], 1e-3);
            sum += (double)part;
        }
        assert_float_equal(sum, got[i], 1e-4);
    }
}

static void
blend_by_hand(void **state)
{
    struct bench *b = *state;
    struct mq_blended_scorer *scorer = open_scorer(b);
    for (int32_t u = 0; u < USERS; u++) {
        struct mq_rated_user user = bench_user(b, u);
        check_blend(b, scorer, &user);
        user.changed = true;
        check_blend(b, scorer, &user);
    }
    mq_blended_scorer_free(scorer);
}

static void
weight_0_is_not_asked(void **state)
{
    struct bench *b = *state;
    b->hybrid->blend[MQ_METHOD_EASE] = b->hybrid->blend[MQ_METHOD_POPULAR] = 0;
    struct mq_blended_scorer *scorer = open_scorer(b);
    for (int32_t u = 0; u < USERS; u++) {
        struct mq_rated_user user = bench_user(b, u);
        check_blend(b, scorer, &user);
        assert_float_equal(mq_blended_part(scorer, MQ_METHOD_EASE, 3), 0, 0);
    }
    mq_blended_scorer_free(scorer);
}

/* What says the same of all films sets none apart, whatever it weighs. */
static void
the_same_of_all_adds_nothing(void **state)
{
    struct bench *b = *state;
    struct mq_error err = {0};
    struct mq_blended_scorer *scorer;
    struct mq_rated_user user = bench_user(b, 7);
    float with[ITEMS], z[ITEMS];
    bool known;
    for (int i = 0; i < ITEMS; i++)
        b->hybrid->popularity[i] = 1234.5F;
    b->hybrid->blend[MQ_METHOD_POPULAR] = 1e6F;
    scorer = open_scorer(b);
    check_blend(b, scorer, &user);
    (void)blend(scorer, &user, with);
    for (int i = 0; i < ITEMS; i++) {
        assert_float_equal(mq_blended_part(scorer, MQ_METHOD_POPULAR, i), 0, 0);
        assert_true(fabsf(with[i]) < 100);
    }
    check_ok(mq_standard_scores(scorer, &user, MQ_METHOD_POPULAR, z, &known, &err));
    assert_false(known);
    for (int i = 0; i < ITEMS; i++)
        assert_float_equal(z[i], 0, 0);
    mq_blended_scorer_free(scorer);
}

static void
one_method_as_it_is(void **state)
{
    struct bench *b = *state;
    struct mq_error err = {0};
    struct mq_blended_scorer *blended;
    struct mq_method_scorer *scorer;
    check_ok(mq_blended_scorer_new(b->hybrid, &blended, &err));
    check_ok(mq_method_scorer_new(b->hybrid, &scorer, &err));
    struct mq_rated_user user = bench_user(b, 11);
    for (int m = 0; m < MQ_METHOD_COUNT; m++) {
        float raw[ITEMS], got[ITEMS];
        bool known, expected;
        check_ok(mq_method_scores(scorer, &user, m, raw, &expected, &err));
        check_ok(mq_blended_scores(blended, &user, m, got, &known, &err));
        assert_int_equal(known, expected);
        assert_memory_equal(raw, got, sizeof(raw));
    }
    mq_method_scorer_free(scorer);
    mq_blended_scorer_free(blended);
}

/* Of a stranger the hybrid knows nothing, though popular films are scored. */
static void
strangers(void **state)
{
    struct bench *b = *state;
    struct mq_blended_scorer *scorer;
    struct mq_rated_user nobody = bench_stranger(b), user = bench_user(b, 2);
    float got[ITEMS];
    double z[ITEMS];
    scorer = open_scorer(b);
    (void)blend(scorer, &user, got);
    assert_false(blend(scorer, &nobody, got));
    standardise(b, &nobody, MQ_METHOD_POPULAR, z);
    for (int i = 0; i < ITEMS; i++) {
        assert_float_equal(got[i], (double)b->hybrid->blend[MQ_METHOD_POPULAR] * z[i], 1e-3);
        /* Nothing is left of the user before. */
        assert_float_equal(mq_blended_part(scorer, MQ_METHOD_EASE, i), 0, 0);
    }
    mq_blended_scorer_free(scorer);
}

/* A hybrid of nothing but the popular films has them for all who are known. */
static void
blend_of_the_popular_alone(void **state)
{
    struct bench *b = *state;
    struct mq_blended_scorer *scorer;
    struct mq_rated_user nobody = bench_stranger(b), user = bench_user(b, 2);
    float got[ITEMS];
    for (int m = 0; m < MQ_METHOD_POPULAR; m++)
        b->hybrid->blend[m] = 0;
    scorer = open_scorer(b);
    assert_true(blend(scorer, &user, got));
    assert_false(blend(scorer, &nobody, got));
    mq_blended_scorer_free(scorer);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(standard_scores_by_hand, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(blend_by_hand, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(weight_0_is_not_asked, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(the_same_of_all_adds_nothing, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(one_method_as_it_is, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(strangers, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(blend_of_the_popular_alone, bench_setup, bench_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
