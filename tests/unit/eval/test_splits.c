#include "check.h"

#include "eval/splits.h"

/*
 * user 0: 5 3 4        held out 4
 * user 1: none
 * user 2: 2            one play: no
 * user 3: 1 1 1        one programme: no
 * user 4: 1 2 1 2      newest first play is row 8, the repeats behind it are dropped
 * user 5: 0 5 0        newest first play is row 12
 */
static int64_t offset[] = {0, 3, 3, 4, 7, 11, 14};
static int32_t item[] = {5, 3, 4, 2, 1, 1, 1, 1, 2, 1, 2, 0, 5, 0};
static struct mq_actions actions = {.user_count = 6, .count = 14, .offset = offset, .item = item};

static void
newest_first_play_is_held_out(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_split split = {0};
    check_ok(mq_split_newest(&actions, 6, 0, 1, &split, &err));
    const int32_t users[] = {0, 4, 5};
    const int64_t held[] = {2, 8, 12};
    assert_int_equal(split.count, 3);
    assert_int_equal(split.eligible, 3);
    assert_int_equal(split.others, 3);
    assert_memory_equal(split.user, users, sizeof(users));
    assert_memory_equal(split.held, held, sizeof(held));
    for (int64_t i = 0; i < split.count; i++)
        for (int64_t row = offset[split.user[i]]; row < split.held[i]; row++)
            assert_int_not_equal(item[row], item[split.held[i]]);
    mq_split_release(&split);
}

#define USERS 200

static void
sample_is_seeded_ordered_and_even(void **state)
{
    (void)state;
    struct mq_error err = {0};
    static int64_t many_offset[USERS + 1];
    static int32_t many_item[USERS * 2];
    int taken[USERS] = {0};
    for (int u = 0; u < USERS; u++) {
        many_offset[u + 1] = 2 * (u + 1);
        many_item[2 * u] = u % 3;
        many_item[2 * u + 1] = 3;
    }
    struct mq_actions many = {
        .user_count = USERS, .count = 2 * USERS, .offset = many_offset, .item = many_item};
    for (uint64_t seed = 0; seed < 400; seed++) {
        struct mq_split split = {0}, again = {0};
        check_ok(mq_split_newest(&many, 4, 50, seed, &split, &err));
        check_ok(mq_split_newest(&many, 4, 50, seed, &again, &err));
        assert_int_equal(split.count, 50);
        assert_int_equal(split.eligible, USERS);
        assert_memory_equal(split.user, again.user, 50 * sizeof(*split.user));
        for (int i = 0; i < 50; i++) {
            assert_int_equal(split.held[i], 2 * split.user[i] + 1);
            assert_true(i == 0 || split.user[i] > split.user[i - 1]);
            taken[split.user[i]]++;
        }
        mq_split_release(&split);
        mq_split_release(&again);
    }
    /* expected 100 of 400, standard deviation 8.7 */
    for (int u = 0; u < USERS; u++)
        assert_in_range(taken[u], 60, 140);
}

static void
sample_larger_than_all_takes_all(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_split split = {0};
    check_ok(mq_split_newest(&actions, 6, 1000, 1, &split, &err));
    assert_int_equal(split.count, 3);
    mq_split_release(&split);
}

static void
nobody_and_exposures(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_split split = {0};
    int64_t none[] = {0};
    struct mq_actions empty = {.offset = none};
    check_ok(mq_split_newest(&empty, 0, 0, 1, &split, &err));
    assert_int_equal(split.count, 0);
    mq_split_release(&split);
    uint8_t kind[14] = {0};
    struct mq_actions mixed = actions;
    mixed.kind = kind;
    check_fails(MQ_E_USAGE, mq_split_newest(&mixed, 6, 0, 1, &split, &err));
    check_contains(err.message, "exposures");
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(newest_first_play_is_held_out),
        cmocka_unit_test(sample_is_seeded_ordered_and_even),
        cmocka_unit_test(sample_larger_than_all_takes_all),
        cmocka_unit_test(nobody_and_exposures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
