#include "check.h"

#include <math.h>

#include "model/factor_lists.h"

/* tests/property/model/test_ials_solvers.c compares lists with a plain search. */

static void
fewer_than_asked_for(void **state)
{
    struct mq_error err = {0};
    struct mq_factor_panels panels;
    const float item[] = {1, 2, 3, 2}, user[] = {1, -1, 0};
    const int64_t offset[] = {0, 1, 1, 5};
    const int32_t seen[] = {2, 0, 1, 2, 3};
    int32_t items[15];
    float scores[15];
    (void)state;
    check_ok(mq_factor_panels_build(item, 4, 1, NULL, &panels, &err));
    struct mq_factor_queries queries = {.count = 3, .vector = user, .offset = offset, .item = seen};
    check_ok(mq_factor_lists(&panels, &queries, 5, NULL, items, scores, &err));
    assert_memory_equal(items, ((int32_t[]){1, 3, 0, -1, -1, 0, 1, 3, 2, -1, -1, -1, -1, -1, -1}),
                        sizeof(items));
    assert_true(scores[0] == 2 && scores[2] == 1 && isinf(scores[3]) && scores[8] == -3);
    check_ok(mq_factor_lists(&panels, &queries, 1, NULL, items, NULL, &err));
    assert_memory_equal(items, ((int32_t[]){1, 0, -1}), 3 * sizeof(int32_t));
    mq_factor_panels_release(&panels);
    mq_factor_panels_release(NULL);
}

static void
nothing_to_list(void **state)
{
    struct mq_error err = {0};
    struct mq_factor_panels panels;
    const float user[] = {1, 1};
    int32_t items[3] = {7, 7, 7};
    (void)state;
    check_ok(mq_factor_panels_build(NULL, 0, 2, NULL, &panels, &err));
    struct mq_factor_queries queries = {.count = 1, .vector = user};
    check_ok(mq_factor_lists(&panels, &queries, 3, NULL, items, NULL, &err));
    assert_memory_equal(items, ((int32_t[]){-1, -1, -1}), sizeof(items));
    queries.count = 0;
    check_ok(mq_factor_lists(&panels, &queries, 3, NULL, items, NULL, &err));
    mq_factor_panels_release(&panels);
}

static void
bad_input(void **state)
{
    struct mq_error err = {0};
    struct mq_factor_panels panels;
    float item[] = {1, 2, NAN, 4};
    const float user[] = {NAN, 1};
    const int64_t offset[] = {0, 1};
    const int32_t seen[] = {2};
    int32_t items[2];
    (void)state;
    check_fails(MQ_E_RANGE, mq_factor_panels_build(item, 2, 2, NULL, &panels, &err));
    check_contains(err.message, "item 1: a factor is not finite");
    item[2] = 3;
    check_ok(mq_factor_panels_build(item, 2, 2, NULL, &panels, &err));
    struct mq_factor_queries queries = {.count = 1, .vector = user, .offset = offset, .item = seen};
    check_fails(MQ_E_RANGE, mq_factor_lists(&panels, &queries, 2, NULL, items, NULL, &err));
    check_contains(err.message, "seen item 0 is 2 (0 to 1)");
    queries.offset = NULL;
    check_fails(MQ_E_RANGE, mq_factor_lists(&panels, &queries, 0, NULL, items, NULL, &err));
    check_fails(MQ_E_RANGE, mq_factor_lists(&panels, &queries, 10001, NULL, items, NULL, &err));
    /* A vector that is no number has no list. */
    check_ok(mq_factor_lists(&panels, &queries, 2, NULL, items, NULL, &err));
    assert_true(items[0] == -1 && items[1] == -1);
    mq_factor_panels_release(&panels);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fewer_than_asked_for),
        cmocka_unit_test(nothing_to_list),
        cmocka_unit_test(bad_input),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
