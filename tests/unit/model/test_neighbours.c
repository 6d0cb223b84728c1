/* Lists of neighbours and single queries: small cases by hand, cases without likeness, limits. */
#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "model/recency.h"
#include "neighbours_fixture.h"

static struct mq_error err;

/* Users 0 and 1 agree on films 0 and 1; user 2 shares film 1 with both; user 3 stands alone. */
static const struct rated few[] = {{0, 0, 5}, {0, 1, 1}, {1, 0, 4}, {1, 1, 2},
                                   {1, 2, 3}, {2, 1, 4}, {2, 2, 4}, {3, 3, 2}};

static void
test_by_hand(void **state)
{
    (void)state;
    struct mq_rating_matrix *matrix = matrix_of(few, MQ_COUNT(few), 4, 4);
    struct mq_neighbour_options options = mq_neighbour_options_literal(MQ_NEIGHBOUR_USERS);
    options.k = 3;
    struct mq_neighbours lists = lists_of(matrix, NULL, &options);
    assert_int_equal(lists.count, 4);
    assert_int_equal(lists.k, 3);
    /* One film in common is cosine 1, whatever the ratings: so the lower code is first. */
    struct mq_neighbour_list of0 = mq_neighbours_of(&lists, 0);
    assert_int_equal(of0.count, 2);
    assert_int_equal(of0.ids[0], 2);
    assert_int_equal(of0.shared[0], 1);
    check_near((double)of0.scores[0], 1);
    assert_int_equal(of0.ids[1], 1);
    assert_int_equal(of0.shared[1], 2);
    check_near((double)of0.scores[1], 22 / sqrt(26.0 * 20.0));
    assert_int_equal(lists.ids[2], -1);
    assert_true(lists.scores[2] == 0 && lists.shared[2] == 0);
    /* No film in common with anybody: likeness is undefined, the list empty. */
    assert_int_equal(mq_neighbours_of(&lists, 3).count, 0);
    mq_neighbours_release(&lists);

    options.shared_min = 2;
    options.threshold = 0.96f;
    lists = lists_of(matrix, NULL, &options);
    assert_int_equal(mq_neighbours_of(&lists, 0).count, 1);
    assert_int_equal(lists.ids[0], 1);
    struct mq_neighbour_list of1 = mq_neighbours_of(&lists, 1);
    assert_int_equal(of1.count, 2);
    assert_int_equal(of1.ids[0], 2);
    check_near((double)of1.scores[0], 20 / sqrt(13.0 * 32.0));
    mq_neighbours_release(&lists);

    options = mq_neighbour_options_cosine(MQ_NEIGHBOUR_ITEMS);
    options.k = 2;
    lists = lists_of(matrix, NULL, &options);
    /* Film 1 (users 0, 1, 2): film 0 (0, 1) and film 2 (1, 2) are equally like it. */
    struct mq_neighbour_list film = mq_neighbours_of(&lists, 1);
    assert_int_equal(film.ids[0], 0);
    assert_int_equal(film.ids[1], 2);
    check_near((double)film.scores[0], 2 / sqrt(6.0));
    assert_true(film.scores[0] == film.scores[1]);
    mq_neighbours_release(&lists);

    options.shrink = 2;
    lists = lists_of(matrix, NULL, &options);
    check_near((double)mq_neighbours_of(&lists, 1).scores[0], 2 / sqrt(6.0) * 2 / 4);
    mq_neighbours_release(&lists);
    mq_rating_matrix_free(matrix);
}

static const struct mq_neighbour_options *
every_measure(int number, enum mq_neighbour_side side)
{
    static struct mq_neighbour_options options;
    options = mq_neighbour_options_cosine(side);
    if (number < 4) {
        options.binary = false;
        options.centre = (enum mq_neighbour_centre)number;
    } else if (number < 8) {
        options = mq_neighbour_options_literal(side);
        options.centre = (enum mq_neighbour_centre)(number - 4);
    } else if (number == 8) {
        options.recency = side == MQ_NEIGHBOUR_USERS ? 1.0f : 0.0f;
    }
    return number < 10 ? &options : NULL;
}

/* What every measure must survive. Whether anybody has a neighbour is for the caller. */
static int64_t
neighbours_in(const struct rated *rated, int64_t count, int32_t users, int32_t items, int number,
              enum mq_neighbour_side side)
{
    struct mq_rating_matrix *matrix = matrix_of(rated, count, users, items);
    struct mq_rating_baseline baseline = baseline_of(matrix);
    struct mq_neighbours lists = lists_of(matrix, &baseline, every_measure(number, side));
    int64_t found = 0;
    for (int32_t row = 0; row < lists.count; row++) {
        struct mq_neighbour_list list = mq_neighbours_of(&lists, row);
        found += list.count;
        for (int32_t k = 0; k < list.count; k++) {
            assert_true(isfinite(list.scores[k]) && list.scores[k] <= 1 + 1e-6f);
            assert_int_not_equal(list.ids[k], row);
        }
    }
    mq_neighbours_release(&lists);
    mq_rating_baseline_release(&baseline);
    mq_rating_matrix_free(matrix);
    return found;
}

static void
test_degenerate(void **state)
{
    (void)state;
    static struct rated one_user[200], one_film[200], alike[400], apart[200];
    for (int i = 0; i < 200; i++) {
        one_user[i] = (struct rated){0, i, (float)(1 + i % 5)};
        one_film[i] = (struct rated){i, 0, (float)(1 + i % 5)};
        alike[2 * i] = (struct rated){i, 0, 3.7f};
        alike[2 * i + 1] = (struct rated){i, 1 + i % 3, 3.7f};
        apart[i] = (struct rated){i, i, 4};
    }
    for (int side = 0; side < 2; side++)
        for (int number = 0; every_measure(number, (enum mq_neighbour_side)side) != NULL;
             number++) {
            enum mq_neighbour_side s = (enum mq_neighbour_side)side;
            bool users = s == MQ_NEIGHBOUR_USERS;
            assert_int_equal(neighbours_in(NULL, 0, 0, 0, number, s), 0);
            assert_int_equal(neighbours_in(NULL, 0, 3, 2, number, s), 0);
            /* One row has no other; the other side's rows share one code. */
            int64_t found = neighbours_in(one_user, 200, 1, 200, number, s);
            assert_true(users ? found == 0 : found <= 200 * 100);
            found = neighbours_in(one_film, 200, 200, 1, number, s);
            assert_true(!users ? found == 0 : found <= 200 * 100);
            assert_int_equal(neighbours_in(apart, 200, 200, 200, number, s), 0);
            /* Equal ratings less their mean are nothing; without it they are like any others. */
            found = neighbours_in(alike, 400, 200, 4, number, s);
            bool centred = number % 4 != 0 && number < 8;
            assert_true(centred ? found == 0 : found > 0);
            /* Film 0 is rated by all: everybody shares it. */
            if (users && !centred)
                assert_int_equal(found, 200 * 100);
        }
}

static void
test_recency(void **state)
{
    (void)state;
    /* User 0 chose films 0, 1, 2 in this order; user 1 knows the oldest, user 2 the newest. */
    static const struct rated rated[] = {{0, 0, 1}, {0, 1, 1}, {0, 2, 1}, {1, 0, 1}, {2, 2, 1}};
    struct mq_rating_matrix *matrix = matrix_of(rated, MQ_COUNT(rated), 3, 3);
    struct mq_neighbour_options options = mq_neighbour_options_ranking(MQ_NEIGHBOUR_USERS);
    struct mq_neighbours lists = lists_of(matrix, NULL, &options);
    struct mq_neighbour_list list = mq_neighbours_of(&lists, 0);
    double length = sqrt(1 + 1.0 / 4 + 1.0 / 9);
    assert_int_equal(list.count, 2);
    assert_int_equal(list.ids[0], 2);
    check_near((double)list.scores[0], 1 / length);
    check_near((double)list.scores[1], 1 / (3 * length));
    mq_neighbours_release(&lists);
    mq_rating_matrix_free(matrix);
    check_near((double)mq_recency_weight(3, 0.5f), 0.5);
    check_near((double)mq_recency_weight(7, 0), 1);
}

static void
test_candidates(void **state)
{
    (void)state;
    static struct rated rated[600];
    for (int i = 0; i < 600; i++)
        rated[i] = (struct rated){i / 3, i % 3, 3};
    struct mq_rating_matrix *matrix = matrix_of(rated, 600, 300, 3); /* 100 users without any */
    struct mq_neighbour_options options = mq_neighbour_options_cosine(MQ_NEIGHBOUR_USERS);
    options.candidates_max = 20;
    options.k = 50;
    struct mq_neighbours lists = lists_of(matrix, NULL, &options);
    struct mq_neighbours again = lists_of(matrix, NULL, &options);
    bool named[300] = {false};
    int count = 0;
    for (int32_t user = 0; user < 200; user++) {
        struct mq_neighbour_list list = mq_neighbours_of(&lists, user);
        assert_true(list.count == 20 || list.count == 19);
        for (int32_t k = 0; k < list.count; k++)
            named[list.ids[k]] = true;
    }
    for (int user = 0; user < 300; user++)
        count += named[user];
    assert_int_equal(count, 20); /* the same for all, and none of those without ratings */
    for (int user = 200; user < 300; user++)
        assert_false(named[user]);
    assert_memory_equal(lists.ids, again.ids, (size_t)300 * 50 * sizeof(*lists.ids));
    mq_neighbours_release(&lists);
    mq_neighbours_release(&again);
    mq_rating_matrix_free(matrix);
}

static void
test_query(void **state)
{
    (void)state;
    struct mq_rating_matrix *matrix = matrix_of(few, MQ_COUNT(few), 4, 4);
    struct mq_neighbour_options options = mq_neighbour_options_literal(MQ_NEIGHBOUR_USERS);
    struct mq_neighbour_index *index;
    struct mq_neighbour_scratch *scratch;
    struct mq_neighbour_list list;
    check_ok(mq_neighbour_index_new(matrix, NULL, &options, NULL, &index, &err));
    check_ok(mq_neighbour_scratch_new(index, &scratch, &err));
    int32_t codes[] = {1, 0};
    float ratings[] = {1, 5};
    struct mq_neighbour_row row = {.count = 2, .code = codes, .rating = ratings, .self = -1};
    check_ok(mq_neighbour_query(index, &row, scratch, &list, &err));
    assert_int_equal(list.count, 3); /* user 0 is the same, and a neighbour as any */
    assert_int_equal(list.ids[0], 0);
    assert_int_equal(list.ids[1], 2);
    assert_int_equal(list.ids[2], 1);
    row.self = 0;
    check_ok(mq_neighbour_query(index, &row, scratch, &list, &err));
    assert_int_equal(list.count, 2);
    assert_int_equal(list.shared[1], 2);
    row.count = 0;
    check_ok(mq_neighbour_query(index, &row, scratch, &list, &err));
    assert_int_equal(list.count, 0);

    row.count = 2;
    codes[1] = 1;
    check_fails(MQ_E_RANGE, mq_neighbour_query(index, &row, scratch, &list, &err));
    check_contains(err.message, "code 1 twice");
    codes[1] = 4;
    check_fails(MQ_E_RANGE, mq_neighbour_query(index, &row, scratch, &list, &err));
    check_contains(err.message, "code 4 (allowed: 0 to 3)");
    codes[1] = 0;
    ratings[1] = NAN;
    check_fails(MQ_E_RANGE, mq_neighbour_query(index, &row, scratch, &list, &err));
    ratings[1] = 5;
    float weights[] = {1, -1};
    row.weight = weights;
    check_fails(MQ_E_RANGE, mq_neighbour_query(index, &row, scratch, &list, &err));
    row.weight = NULL;
    row.self = 4;
    check_fails(MQ_E_RANGE, mq_neighbour_query(index, &row, scratch, &list, &err));
    row.self = -1;
    row.count = 5;
    check_fails(MQ_E_RANGE, mq_neighbour_query(index, &row, scratch, &list, &err));
    row.count = 2; /* a refused query leaves nothing behind */
    check_ok(mq_neighbour_query(index, &row, scratch, &list, &err));
    assert_int_equal(list.count, 3);
    assert_int_equal(list.shared[2], 2);
    mq_neighbour_scratch_free(scratch);
    mq_neighbour_index_free(index);
    mq_rating_matrix_free(matrix);
    mq_neighbour_scratch_free(NULL);
    mq_neighbour_index_free(NULL);
    mq_neighbours_release(NULL);
}

static void
refuse(const struct mq_rating_matrix *matrix, const struct mq_neighbour_options *options,
       enum mq_status expected)
{
    struct mq_neighbour_index *index = NULL;
    check_fails(expected, mq_neighbour_index_new(matrix, NULL, options, NULL, &index, &err));
    assert_null(index);
}

static void
test_refused(void **state)
{
    (void)state;
    struct mq_rating_matrix *matrix = matrix_of(few, MQ_COUNT(few), 4, 4);
    struct mq_neighbour_options good = mq_neighbour_options_cosine(MQ_NEIGHBOUR_ITEMS), o;
    o = good, o.k = 0, refuse(matrix, &o, MQ_E_RANGE);
    o = good, o.k = MQ_NEIGHBOUR_K_MAX + 1, refuse(matrix, &o, MQ_E_RANGE);
    o = good, o.candidates_max = 0, refuse(matrix, &o, MQ_E_RANGE);
    o = good, o.shared_min = 0, refuse(matrix, &o, MQ_E_RANGE);
    o = good, o.shrink = -1, refuse(matrix, &o, MQ_E_RANGE);
    o = good, o.threshold = NAN, refuse(matrix, &o, MQ_E_RANGE);
    o = good, o.threshold = 1.5f, refuse(matrix, &o, MQ_E_RANGE);
    o = good, o.centre = MQ_CENTRE_OWN_MEAN, refuse(matrix, &o, MQ_E_RANGE);
    o = good, o.recency = 1, refuse(matrix, &o, MQ_E_RANGE);
    check_contains(err.message, "recency 1 (allowed: 0 for items)");
    o = mq_neighbour_options_rating(MQ_NEIGHBOUR_USERS);
    refuse(matrix, &o, MQ_E_USAGE);
    check_contains(err.message, "need its baseline");
    mq_rating_matrix_free(matrix);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_by_hand), cmocka_unit_test(test_degenerate),
        cmocka_unit_test(test_recency), cmocka_unit_test(test_candidates),
        cmocka_unit_test(test_query),   cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests_name("neighbours", tests, NULL, NULL);
}
