/* Leave-one-out ranks, and vectors for untrained items. */
#include "check.h"

#include <math.h>

#include "base/memory.h"
#include "base/rng.h"
#include "model/leave_one_out.h"
#include "model/untrained_items.h"

static void
ranks_by_hand(void **state)
{
    struct mq_error err = {0};
    enum { ITEMS = 100 };
    /* One value a vector: item i scores i for a user of 1 and -i for a user of -1. */
    float items[ITEMS], users[3] = {1.0f, -1.0f, 1.0f};
    for (int i = 0; i < ITEMS; i++)
        items[i] = (float)i;
    /* 94: five above, two of them seen. -60 for the second: sixty above, twenty seen. */
    const int32_t target[3] = {94, 60, 99};
    int32_t history[2 + 20] = {99, 97};
    for (int i = 0; i < 20; i++)
        history[2 + i] = i;
    const int64_t offset[4] = {0, 2, 22, 22};
    struct mq_hit_rates rates;
    check_ok(
        mq_leave_one_out(3, ITEMS, 1, users, items, target, offset, history, NULL, &rates, &err));
    assert_int_equal(rates.count, 3);
    assert_true(fabs(rates.hit_10[0] - 2.0 / 3) < 1e-12);
    assert_true(fabs(rates.hit_50[0] - 2.0 / 3) < 1e-12);
    assert_true(fabs(rates.hit_50[1] - 1.0) < 1e-12);
    assert_true(fabs(rates.ndcg_10[0] - (1 / log2(7.0) + 1) / 3) < 1e-12);
    assert_true(fabs(rates.ndcg_10[1] - (1 / log2(5.0) + 1) / 3) < 1e-12);
    const int32_t outside[3] = {94, 100, 99};
    check_fails(MQ_E_RANGE, mq_leave_one_out(3, ITEMS, 1, users, items, outside, offset, history,
                                             NULL, &rates, &err));
    check_contains(err.message, "target 1 is item 100 (allowed: 0 to 99)");
    check_ok(
        mq_leave_one_out(0, ITEMS, 1, users, items, target, offset, history, NULL, &rates, &err));
    assert_int_equal(rates.count, 0);
}

static void
ranks_do_not_depend_on_threads(void **state)
{
    struct mq_error err = {0};
    enum { N = 300, ITEMS = 57, DIM = 32 };
    mq_autofree float *values = NULL;
    mq_autofree int32_t *target = NULL, *history = NULL;
    mq_autofree int64_t *offset = NULL;
    check_ok(mq_alloc_array((N + ITEMS) * DIM, sizeof(float), &values, &err));
    check_ok(mq_alloc_array(N, sizeof(int32_t), &target, &err));
    check_ok(mq_alloc_array(N * 4, sizeof(int32_t), &history, &err));
    check_ok(mq_alloc_array(N + 1, sizeof(int64_t), &offset, &err));
    struct mq_rng rng;
    mq_rng_init(&rng, 9, 0);
    for (int i = 0; i < (N + ITEMS) * DIM; i++)
        values[i] = (float)mq_rng_normal(&rng);
    for (int u = 0; u < N; u++) {
        target[u] = (int32_t)mq_rng_below(&rng, ITEMS);
        offset[u + 1] = offset[u] + 4;
        for (int j = 0; j < 4; j++)
            history[u * 4 + j] = (int32_t)mq_rng_below(&rng, ITEMS);
    }
    struct mq_pool *pool = NULL;
    check_ok(mq_pool_new(3, &pool, &err));
    struct mq_hit_rates one, three;
    check_ok(mq_leave_one_out(N, ITEMS, DIM, values, values + N * DIM, target, offset, history,
                              NULL, &one, &err));
    check_ok(mq_leave_one_out(N, ITEMS, DIM, values, values + N * DIM, target, offset, history,
                              pool, &three, &err));
    assert_memory_equal(&one, &three, sizeof(one));
    assert_true(one.hit_10[1] > one.hit_10[0]);
    mq_pool_free(pool);
}

static void
untrained_items_get_their_groups_mean(void **state)
{
    struct mq_error err = {0};
    enum { ITEMS = 6 };
    float vectors[ITEMS][2] = {{1, 2}, {3, 6}, {10, 0}, {9, 9}, {9, 9}, {9, 9}};
    const uint8_t trained[ITEMS] = {1, 1, 1, 0, 0, 0};
    /* Groups: 0 of items 0 and 1, 1 of item 2, 2 of nobody trained. */
    const int64_t offset[ITEMS + 1] = {0, 1, 2, 3, 5, 6, 6};
    const int32_t group[] = {0, 0, 1, 0, 1, 2};
    check_ok(mq_untrained_items_fill(ITEMS, 2, trained, 3, offset, group, vectors[0], &err));
    assert_true(vectors[0][0] == 1.0f && vectors[2][0] == 10.0f);
    assert_true(vectors[3][0] == 6.0f && vectors[3][1] == 2.0f); /* mean of two group means */
    assert_true(fabsf(vectors[4][0] - 14.0f / 3) < 1e-6f);       /* all trained items */
    assert_true(fabsf(vectors[5][1] - 8.0f / 3) < 1e-6f);
    const uint8_t none[ITEMS] = {0};
    check_ok(mq_untrained_items_fill(ITEMS, 2, none, 3, offset, group, vectors[0], &err));
    for (int i = 0; i < ITEMS; i++)
        assert_true(vectors[i][0] == 0.0f && vectors[i][1] == 0.0f);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ranks_by_hand),
        cmocka_unit_test(ranks_do_not_depend_on_threads),
        cmocka_unit_test(untrained_items_get_their_groups_mean),
    };
    return cmocka_run_group_tests_name("leave_one_out", tests, NULL, NULL);
}
