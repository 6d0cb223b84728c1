#include "check.h"

#include <math.h>

#include "data/rating_matrix.h"

static struct mq_rating_matrix *
build(int64_t n, const int32_t *user, const int32_t *item, const float *rating,
      const uint32_t *time)
{
    struct mq_error err = {0};
    struct mq_rating_matrix *m;
    const struct mq_rating_list list = {n, user, item, rating, time};
    check_ok(mq_rating_matrix_build(&list, 3, 4, NULL, NULL, &m, &err));
    return m;
}

static void
both_sides(void **state)
{
    (void)state;
    const int32_t user[] = {2, 0, 2, 0, 2}, item[] = {3, 1, 0, 0, 1};
    const float rating[] = {5, 4, 3, 2, 1};
    struct mq_rating_matrix *m = build(5, user, item, rating, NULL);
    assert_int_equal(m->count, 5);
    assert_memory_equal(m->user_offset, ((int64_t[]){0, 2, 2, 5}), 4 * sizeof(int64_t));
    assert_memory_equal(m->user_item, ((int32_t[]){0, 1, 0, 1, 3}), 5 * sizeof(int32_t));
    assert_memory_equal(m->user_rating, ((float[]){2, 4, 3, 1, 5}), 5 * sizeof(float));
    assert_memory_equal(m->item_offset, ((int64_t[]){0, 2, 4, 4, 5}), 5 * sizeof(int64_t));
    assert_memory_equal(m->item_user, ((int32_t[]){0, 2, 0, 2, 2}), 5 * sizeof(int32_t));
    assert_memory_equal(m->item_rating, ((float[]){2, 3, 4, 1, 5}), 5 * sizeof(float));
    assert_int_equal(mq_rating_matrix_find(m, 2, 3), 4);
    assert_int_equal(mq_rating_matrix_find(m, 2, 2), -1);
    assert_int_equal(mq_rating_matrix_find(m, 1, 0), -1);
    assert_true(mq_rating_matrix_mean(m) == 3);
    mq_rating_matrix_free(m);
}

static void
last_rating_wins(void **state)
{
    (void)state;
    const int32_t user[] = {1, 1, 1, 1, 1}, item[] = {2, 2, 2, 0, 0};
    const float rating[] = {1, 2, 3, 4, 5};
    const uint32_t time[] = {10, 30, 20, 7, 7};
    struct mq_rating_matrix *m = build(5, user, item, rating, time);
    assert_int_equal(m->count, 2);
    assert_int_equal(m->user_item[0], 0);
    assert_true(m->user_rating[0] == 5); /* equal times: the one that came last */
    assert_true(m->user_rating[1] == 2 && m->user_time[1] == 30);
    assert_int_equal(m->item_offset[4], 2);
    mq_rating_matrix_free(m);
}

/* Histories are by time, and of equal times as the ratings came; parts keep that. */
static void
sequences(void **state)
{
    (void)state;
    const int32_t user[] = {0, 0, 0, 0, 1}, item[] = {3, 1, 2, 0, 2};
    const uint32_t time[] = {5, 5, 2, 9, 1};
    struct mq_rating_matrix *m = build(5, user, item, NULL, time), *part;
    struct mq_error err = {0};
    int32_t history[4];
    mq_rating_matrix_history(m, 0, history);
    assert_memory_equal(history, ((int32_t[]){2, 3, 1, 0}), sizeof(history));
    check_ok(mq_rating_matrix_part(m, (const uint8_t[]){1, 0, 1, 1, 1}, &part, &err));
    mq_rating_matrix_history(part, 0, history);
    assert_memory_equal(history, ((int32_t[]){2, 3, 0}), 3 * sizeof(*history));
    mq_rating_matrix_history(part, 1, history);
    assert_int_equal(history[0], 2);
    mq_rating_matrix_free(part);
    mq_rating_matrix_free(m);
}

static void
parts(void **state)
{
    (void)state;
    const int32_t user[] = {0, 0, 1, 2}, item[] = {0, 3, 3, 1};
    struct mq_rating_matrix *m = build(4, user, item, NULL, NULL), *part;
    struct mq_error err = {0};
    check_ok(mq_rating_matrix_part(m, (const uint8_t[]){0, 1, 1, 0}, &part, &err));
    assert_int_equal(part->count, 2);
    assert_int_equal(part->user_count, 3);
    assert_memory_equal(part->user_offset, ((int64_t[]){0, 1, 2, 2}), 4 * sizeof(int64_t));
    assert_memory_equal(part->item_offset, ((int64_t[]){0, 0, 0, 0, 2}), 5 * sizeof(int64_t));
    assert_memory_equal(part->item_user, ((int32_t[]){0, 1}), 2 * sizeof(int32_t));
    mq_rating_matrix_free(part);
    mq_rating_matrix_free(m);
}

/* Some users, with codes of their own; items and histories as they were. */
static void
of_users(void **state)
{
    (void)state;
    const int32_t user[] = {1, 1, 1, 2, 2}, item[] = {3, 0, 2, 1, 3};
    const float rating[] = {2, 3, 4, 5, 1};
    const uint32_t time[] = {7, 9, 3, 5, 4};
    struct mq_rating_matrix *m = build(5, user, item, rating, time), *part;
    struct mq_error err = {0};
    int32_t history[3];
    check_ok(mq_rating_matrix_of_users(m, (const int32_t[]){1, 2}, 2, &part, &err));
    assert_int_equal(part->user_count, 2);
    assert_int_equal(part->item_count, m->item_count);
    assert_int_equal(part->count, 5);
    assert_memory_equal(part->user_offset, ((int64_t[]){0, 3, 5}), 3 * sizeof(int64_t));
    assert_memory_equal(part->user_item, ((int32_t[]){0, 2, 3, 1, 3}), 5 * sizeof(int32_t));
    assert_memory_equal(part->user_rating, ((float[]){3, 4, 2, 5, 1}), 5 * sizeof(float));
    assert_memory_equal(part->user_time, ((uint32_t[]){9, 3, 7, 5, 4}), 5 * sizeof(uint32_t));
    assert_memory_equal(part->item_offset, ((int64_t[]){0, 1, 2, 3, 5}), 5 * sizeof(int64_t));
    assert_memory_equal(part->item_user, ((int32_t[]){0, 1, 0, 0, 1}), 5 * sizeof(int32_t));
    assert_memory_equal(part->item_rating, ((float[]){3, 5, 4, 2, 1}), 5 * sizeof(float));
    mq_rating_matrix_history(part, 0, history);
    assert_memory_equal(history, ((int32_t[]){2, 3, 0}), sizeof(history));
    mq_rating_matrix_free(part);

    check_ok(mq_rating_matrix_of_users(m, (const int32_t[]){0, 2}, 2, &part, &err));
    assert_memory_equal(part->user_offset, ((int64_t[]){0, 0, 2}), 3 * sizeof(int64_t));
    assert_memory_equal(part->user_item, ((int32_t[]){1, 3}), 2 * sizeof(int32_t));
    assert_memory_equal(part->item_user, ((int32_t[]){1, 1}), 2 * sizeof(int32_t));
    mq_rating_matrix_history(part, 1, history);
    assert_memory_equal(history, ((int32_t[]){3, 1}), 2 * sizeof(*history));
    mq_rating_matrix_free(part);
    check_ok(mq_rating_matrix_of_users(m, NULL, 0, &part, &err));
    assert_int_equal(part->count, 0);
    mq_rating_matrix_free(part);
    mq_rating_matrix_free(m);
}

static void
empty_and_refused(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rating_matrix *m = build(0, NULL, NULL, NULL, NULL);
    assert_int_equal(m->count, 0);
    assert_true(mq_rating_matrix_mean(m) == 0);
    mq_rating_matrix_free(m);
    const int32_t user[] = {0, 3}, item[] = {0, 4};
    const float bad[] = {1, NAN};
    struct mq_rating_list list = {2, user, item, NULL, NULL};
    check_fails(MQ_E_RANGE, mq_rating_matrix_build(&list, 3, 4, NULL, NULL, &m, &err));
    check_contains(err.message, "rating 1: user 3 (0 to 2)");
    check_fails(MQ_E_RANGE, mq_rating_matrix_build(&list, 4, 4, NULL, NULL, &m, &err));
    check_contains(err.message, "rating 1: item 4 (0 to 3)");
    list.rating = bad;
    check_fails(MQ_E_RANGE, mq_rating_matrix_build(&list, 4, 5, NULL, NULL, &m, &err));
    check_contains(err.message, "not finite");
}

/* What does not fit the counts, or is no rating, is refused. */
static void
builder_errors(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct mq_rating_builder *b;
    struct mq_rating_matrix *m;
    const int64_t counts[] = {1, 0}, negative[] = {1, -1};
    check_fails(MQ_E_RANGE, mq_rating_builder_new(2, 3, negative, &b, &err));
    check_ok(mq_rating_builder_new(2, 3, counts, &b, &err));
    check_fails(MQ_E_RANGE, mq_rating_builder_add(b, 2, 0, 1, 0, &err));
    check_fails(MQ_E_RANGE, mq_rating_builder_add(b, 0, 3, 1, 0, &err));
    check_fails(MQ_E_RANGE, mq_rating_builder_add(b, 0, -1, 1, 0, &err));
    check_fails(MQ_E_RANGE, mq_rating_builder_add(b, 0, 0, INFINITY, 0, &err));
    check_fails(MQ_E_RANGE, mq_rating_builder_add(b, 1, 0, 1, 0, &err));
    check_contains(err.message, "user 1 has more ratings than were counted");
    check_fails(MQ_E_RANGE, mq_rating_builder_finish(b, 1, NULL, NULL, &m, &err));
    check_contains(err.message, "user 0 has fewer ratings than were counted");
    mq_rating_builder_free(b);
    check_ok(mq_rating_builder_new(0, 0, counts, &b, &err));
    check_ok(mq_rating_builder_finish(b, 1, NULL, NULL, &m, &err));
    assert_int_equal(m->count, 0);
    mq_rating_matrix_free(m);
    mq_rating_builder_free(b);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_sides),     cmocka_unit_test(last_rating_wins),
        cmocka_unit_test(sequences),      cmocka_unit_test(parts),
        cmocka_unit_test(of_users),       cmocka_unit_test(empty_and_refused),
        cmocka_unit_test(builder_errors),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
