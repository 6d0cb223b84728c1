#include "check.h"

#include <stdlib.h>

#include "eval/rating_splits.h"

/*
 * user 0: items 0 1 2 3 at times 10 40 40 20: the newest is 1, which came after 2 in the list
 * user 1: item 2 at 30
 * user 2: items 1 3 at times 50 5
 */
static const int32_t user[] = {0, 0, 0, 0, 1, 2, 2};
static const int32_t item[] = {2, 1, 0, 3, 2, 3, 1};
static const uint32_t time_s[] = {40, 40, 10, 20, 30, 5, 50};
static const struct mq_rating_list list = {
    .count = 7, .user = user, .item = item, .time_s = time_s};

static struct mq_rating_matrix *
build(const struct mq_rating_list *from, int32_t users, int32_t items)
{
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix;
    check_ok(mq_rating_matrix_build(from, users, items, NULL, NULL, &matrix, &err));
    return matrix;
}

enum { L = MQ_SPLIT_TRAIN, V = MQ_SPLIT_VALIDATION, T = MQ_SPLIT_TEST };

#define SAME(marks, ...)                                                                           \
    do {                                                                                           \
        const uint8_t expected[] = {__VA_ARGS__};                                                  \
        assert_memory_equal(marks, expected, sizeof(expected));                                    \
    } while (0)

static void
newest_is_left_out(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = build(&list, 3, 4);
    uint8_t marks[7];
    check_ok(mq_split_leave_newest(matrix, false, marks, &err));
    SAME(marks, L, T, L, L, L, T, L);
    check_ok(mq_split_leave_newest(matrix, true, marks, &err));
    SAME(marks, L, T, V, L, L, L, L); /* two ratings are too few for two to be held out */
    struct mq_split_counts counts;
    mq_split_count(matrix, marks, &counts);
    assert_int_equal(counts.train, 5);
    assert_int_equal(counts.validation, 1);
    assert_int_equal(counts.test, 1);
    assert_int_equal(counts.test_users, 1);
    struct mq_rating_matrix *part;
    check_ok(mq_split_part(matrix, marks, MQ_SPLIT_TRAIN | MQ_SPLIT_VALIDATION, &part, &err));
    assert_int_equal(part->count, 6);
    assert_int_equal(mq_rating_matrix_find(part, 0, 1), -1);
    assert_int_equal(mq_rating_matrix_find(part, 0, 2), 1);
    mq_rating_matrix_free(part);
    mq_rating_matrix_free(matrix);
}

static void
newest_share_of_each_user(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = build(&list, 3, 4);
    const struct mq_split_shares shares = {.validation = 0.25, .test = 0.25};
    uint8_t marks[7];
    check_ok(mq_split_newest_per_user(matrix, &shares, marks, &err));
    SAME(marks, L, T, V, L, L, T, L); /* of two, half a rating rounds up for the test alone */
    mq_rating_matrix_free(matrix);
}

static void
one_moment_for_all(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = build(&list, 3, 4);
    uint8_t marks[7];
    int64_t time;
    check_ok(mq_split_at_times(matrix, 30, 41, marks, &err));
    SAME(marks, L, V, V, L, V, T, L);
    check_fails(MQ_E_RANGE, mq_split_at_times(matrix, 42, 41, marks, &err));
    /* newest first: 50 40 40 30 20 10 5 */
    static const struct {
        double share;
        int64_t time_s;
    } cases[] = {{0, 51},       {1.0 / 7, 41}, {2.0 / 7, 41}, {3.0 / 7, 31},
                 {4.0 / 7, 21}, {0.999, 6},    {1, 0}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        check_ok(
            mq_split_time_of_share(matrix, cases[i].share + 1e-12 * (i > 0 && i < 6), &time, &err));
        assert_int_equal(time, cases[i].time_s);
    }
    check_fails(MQ_E_RANGE, mq_split_time_of_share(matrix, 1.5, &time, &err));
    check_fails(MQ_E_RANGE, mq_split_time_of_share(matrix, -1, &time, &err));
    mq_rating_matrix_free(matrix);
    /* across the two halves of the time's bits, and at its end */
    const uint32_t far[] = {0x10000, 0xffff, 0xffffffff, 0xffffffff, 0x20000};
    struct mq_rating_list wide = {.count = 5, .user = user, .item = item, .time_s = far};
    wide.user = (const int32_t[]){0, 1, 2, 3, 4};
    matrix = build(&wide, 5, 4);
    check_ok(mq_split_time_of_share(matrix, 0.2, &time, &err));
    assert_true(time == INT64_C(0x100000000));
    check_ok(mq_split_time_of_share(matrix, 0.6, &time, &err));
    assert_true(time == 0x10001);
    check_ok(mq_split_time_of_share(matrix, 0.8, &time, &err));
    assert_true(time == 0x10000);
    mq_rating_matrix_free(matrix);
}

enum { USERS = 40, ITEMS = 25 };

/* User u has rated u % ITEMS + 1 items. */
static struct mq_rating_matrix *
triangle(void)
{
    static int32_t users[USERS * ITEMS], items[USERS * ITEMS];
    struct mq_rating_list many = {.user = users, .item = items};
    for (int32_t u = 0; u < USERS; u++)
        for (int32_t i = 0; i <= u % ITEMS; i++) {
            users[many.count] = u;
            items[many.count++] = i;
        }
    return build(&many, USERS, ITEMS);
}

static void
random_shares_are_exact_and_seeded(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = triangle();
    const struct mq_split_shares shares = {.validation = 0.1, .test = 0.1};
    static uint8_t marks[USERS * ITEMS], again[USERS * ITEMS], other[USERS * ITEMS];
    static int taken[USERS * ITEMS];
    int64_t n = matrix->count, tenth = (int64_t)(0.1 * (double)n + 0.5);
    for (uint64_t seed = 0; seed < 500; seed++) {
        struct mq_split_counts counts;
        check_ok(mq_split_random(matrix, &shares, seed, marks, &err));
        check_ok(mq_split_random(matrix, &shares, seed, again, &err));
        assert_memory_equal(marks, again, (size_t)n);
        mq_split_count(matrix, marks, &counts);
        assert_int_equal(counts.test, tenth);
        assert_int_equal(counts.validation, tenth);
        assert_int_equal(counts.train, n - 2 * tenth);
        for (int64_t i = 0; i < n; i++)
            taken[i] += marks[i] == MQ_SPLIT_TEST;
    }
    check_ok(mq_split_random(matrix, &shares, 500, other, &err));
    assert_memory_not_equal(marks, other, (size_t)n);
    /* expected 50 of 500, standard deviation 6.7 */
    for (int64_t i = 0; i < n; i++)
        assert_in_range(taken[i], 17, 84);
    mq_rating_matrix_free(matrix);
}

static void
random_shares_of_each_user(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = triangle();
    const struct mq_split_shares shares = {.validation = 0.1, .test = 0.2};
    static uint8_t marks[USERS * ITEMS];
    check_ok(mq_split_random_per_user(matrix, &shares, 3, marks, &err));
    for (int32_t u = 0; u < USERS; u++) {
        int64_t begin = matrix->user_offset[u], n = matrix->user_offset[u + 1] - begin, test = 0,
                validation = 0;
        for (int64_t i = begin; i < begin + n; i++) {
            test += marks[i] == MQ_SPLIT_TEST;
            validation += marks[i] == MQ_SPLIT_VALIDATION;
        }
        assert_int_equal(test, n == 1 ? 0 : (int64_t)((double)n * 0.2 + 0.5));
        assert_int_equal(validation, n == 1 ? 0 : (int64_t)((double)n * 0.1 + 0.5));
    }
    /* a user's marks are the same without the users behind */
    struct mq_rating_matrix *first;
    static uint8_t keep[USERS * ITEMS], fewer[USERS * ITEMS];
    memset(keep, 1, (size_t)matrix->user_offset[20]);
    check_ok(mq_rating_matrix_part(matrix, keep, &first, &err));
    check_ok(mq_split_random_per_user(first, &shares, 3, fewer, &err));
    assert_memory_equal(fewer, marks, (size_t)first->count);
    mq_rating_matrix_free(first);
    mq_rating_matrix_free(matrix);
}

static void
whole_items(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = triangle();
    const struct mq_split_shares shares = {.validation = 0.1, .test = 0.3};
    static uint8_t marks[USERS * ITEMS], again[USERS * ITEMS];
    int64_t n = matrix->count, rated = 0, count[5] = {0};
    check_ok(mq_split_items(matrix, &shares, 3, marks, &err));
    for (int32_t code = 0; code < matrix->item_count; code++) {
        int mark = 0;
        for (int64_t i = 0; i < n; i++)
            if (matrix->user_item[i] == code)
                mark |= marks[i];
        if (mark == 0)
            continue;
        assert_true(mark == L || mark == V || mark == T); /* all its ratings go the same way */
        count[mark]++;
        rated++;
    }
    assert_true(rated > 0);
    assert_int_equal(count[T], (int64_t)((double)rated * 0.3 + 0.5));
    assert_int_equal(count[V], (int64_t)((double)rated * 0.1 + 0.5));
    check_ok(mq_split_items(matrix, &shares, 3, again, &err));
    assert_memory_equal(marks, again, (size_t)n);
    check_ok(mq_split_items(matrix, &shares, 4, again, &err));
    assert_memory_not_equal(marks, again, (size_t)n);
    mq_rating_matrix_free(matrix);
    /* all four rated items would go; one is left */
    matrix = build(&list, 3, 5);
    const struct mq_split_shares most = {.test = 0.95};
    struct mq_split_counts counts;
    check_ok(mq_split_items(matrix, &most, 1, marks, &err));
    mq_split_count(matrix, marks, &counts);
    assert_in_range(counts.train, 1, 2); /* one item's ratings */
    mq_rating_matrix_free(matrix);
}

static void
impossible_shares_are_refused(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rating_matrix *matrix = build(&list, 3, 4);
    uint8_t marks[7];
    const struct mq_split_shares bad[] = {{-0.1, 0.1}, {0, 1}, {0.5, 0.5}, {0, 0.0 / 0.0}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        check_fails(MQ_E_RANGE, mq_split_random(matrix, &bad[i], 1, marks, &err));
        check_contains(err.message, "together below 1");
        check_fails(MQ_E_RANGE, mq_split_random_per_user(matrix, &bad[i], 1, marks, &err));
        check_fails(MQ_E_RANGE, mq_split_newest_per_user(matrix, &bad[i], marks, &err));
        check_fails(MQ_E_RANGE, mq_split_items(matrix, &bad[i], 1, marks, &err));
    }
    mq_rating_matrix_free(matrix);
}

static void
nothing_to_split(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rating_list none = {0};
    struct mq_rating_matrix *matrix = build(&none, 0, 0);
    const struct mq_split_shares shares = {.test = 0.1};
    uint8_t marks[1];
    int64_t time;
    struct mq_split_counts counts;
    check_ok(mq_split_leave_newest(matrix, true, marks, &err));
    check_ok(mq_split_random(matrix, &shares, 1, marks, &err));
    check_ok(mq_split_newest_per_user(matrix, &shares, marks, &err));
    check_ok(mq_split_items(matrix, &shares, 1, marks, &err));
    check_ok(mq_split_time_of_share(matrix, 0.5, &time, &err));
    mq_split_count(matrix, marks, &counts);
    assert_int_equal(counts.train + counts.test, 0);
    mq_rating_matrix_free(matrix);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(newest_is_left_out),
        cmocka_unit_test(newest_share_of_each_user),
        cmocka_unit_test(one_moment_for_all),
        cmocka_unit_test(random_shares_are_exact_and_seeded),
        cmocka_unit_test(random_shares_of_each_user),
        cmocka_unit_test(whole_items),
        cmocka_unit_test(impossible_shares_are_refused),
        cmocka_unit_test(nothing_to_split),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
