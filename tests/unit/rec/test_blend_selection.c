#include "check.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "rec/blend_selection.h"

enum { CASES = 400, ROOM = 21, METHODS = 3 };

static float feature[CASES * ROOM * METHODS];
static int32_t alternatives[CASES];

static const struct mq_blend_table table = {CASES, METHODS, ROOM, alternatives, feature};

/* Scores by chance; the chosen film's are raised by `lift`, of methods 1 and 2 in other cases. */
static void
fill(float lift, uint64_t seed)
{
    struct mq_rng rng;
    mq_rng_init(&rng, seed, 0);
    for (int i = 0; i < CASES; i++) {
        alternatives[i] = ROOM - 1; /* the last row is none, and would come first */
        for (int a = 0; a < ROOM; a++)
            for (int m = 0; m < METHODS; m++)
                feature[(i * ROOM + a) * METHODS + m] =
                    a == ROOM - 1 ? 99.0F : (float)mq_rng_normal(&rng);
        if (i % 4 != 0)
            feature[i * ROOM * METHODS + 1] += lift;
        if (i % 4 != 1)
            feature[i * ROOM * METHODS + 2] += lift / 2;
    }
}

static void
places(void **state)
{
    (void)state;
    const int32_t rows[] = {4, 1, 3};
    const float scores[] = {2, 3, 1, 2, /* one above, one equal */
                            5, 0, 0, 0, /* alone */
                            0, 0, 0, 9};
    const struct mq_blend_table small = {3, 1, 4, rows, scores};
    double ranks[3], weight = 0.5;
    double mean = mq_blend_reciprocal_ranks(&small, &weight, ranks);
    assert_float_equal(ranks[0], 1 / 2.5, 1e-12);
    assert_float_equal(ranks[1], 1, 0);
    assert_float_equal(ranks[2], 0.5, 1e-12); /* of three equal ones the middle */
    assert_float_equal(mean, (0.4 + 1 + 0.5) / 3, 1e-12);
    assert_float_equal(mq_blend_reciprocal_ranks(&small, &weight, NULL), mean, 0);
}

/* The best method, then the other one that helps; never the one that is chance. */
static void
better_weights_are_found(void **state)
{
    (void)state;
    struct mq_error err = {0};
    double weight[METHODS] = {1, 0, 0}, again[METHODS], alone[METHODS] = {0, 1, 0};
    bool changed = false;
    fill(3, 5);
    check_ok(mq_blend_select(&table, weight, &changed, &err));
    assert_true(changed);
    assert_float_equal(weight[0], 0, 0);
    assert_float_equal(weight[1], 1, 0);
    assert_in_range((int)(weight[2] * 1000), 125, 2000);
    assert_true(mq_blend_reciprocal_ranks(&table, weight, NULL) >
                mq_blend_reciprocal_ranks(&table, alone, NULL));

    /* Good weights stay, whatever their scale. */
    for (int m = 0; m < METHODS; m++)
        weight[m] *= 0.01;
    memcpy(again, weight, sizeof(again));
    check_ok(mq_blend_select(&table, again, &changed, &err));
    assert_false(changed);
    assert_memory_equal(again, weight, sizeof(again));

    /* What is missing is added at the scale of what is there. */
    memcpy(again, ((double[]){0, 0.01, 0}), sizeof(again));
    check_ok(mq_blend_select(&table, again, &changed, &err));
    assert_true(changed);
    assert_float_equal(again[1], 0.01, 0);
    assert_float_equal(again[2], weight[2], 1e-12);
}

/* Where nothing is clearly better nothing changes: what is chance seldom looks like more. */
static void
chance_changes_nothing(void **state)
{
    (void)state;
    struct mq_error err = {0};
    int wrong = 0;
    for (uint64_t seed = 1; seed <= 20; seed++) {
        double weight[METHODS] = {1, 0, 0};
        bool changed;
        fill(0, seed);
        check_ok(mq_blend_select(&table, weight, &changed, &err));
        wrong += changed;
    }
    assert_in_range(wrong, 0, 2);
}

/* A few cases say nothing, however well a method does on them. */
static void
few_cases_change_nothing(void **state)
{
    (void)state;
    struct mq_error err = {0};
    const int few[] = {0, 1, 2, 29};
    double weight[METHODS] = {1, 0, 0};
    bool changed = true;
    fill(50, 5);
    for (size_t i = 0; i < MQ_COUNT(few); i++) {
        struct mq_blend_table some = table;
        some.case_count = few[i];
        check_ok(mq_blend_select(&some, weight, &changed, &err));
        assert_false(changed);
        assert_memory_equal(weight, ((double[]){1, 0, 0}), sizeof(weight));
    }
    struct mq_blend_table some = table;
    some.case_count = 30;
    check_ok(mq_blend_select(&some, weight, &changed, &err));
    assert_true(changed);
    some.case_count = 0;
    assert_float_equal(mq_blend_reciprocal_ranks(&some, weight, NULL), 0, 0);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places),
        cmocka_unit_test(better_weights_are_found),
        cmocka_unit_test(chance_changes_nothing),
        cmocka_unit_test(few_cases_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
