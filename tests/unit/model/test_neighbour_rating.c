/* Ratings and rankings made from neighbours, the baseline below them, and neighbours in time. */
#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/pool.h"
#include "model/neighbour_ranking.h"
#include "model/neighbour_rating.h"
#include "model/sequence_neighbours.h"
#include "neighbours_fixture.h"

static struct mq_error err;

static const struct rated few[] = {{0, 0, 5}, {0, 1, 1}, {1, 0, 4}, {1, 1, 2},
                                   {1, 2, 3}, {2, 1, 4}, {2, 2, 5}, {3, 3, 2}};

static void
test_baseline(void **state)
{
    (void)state;
    struct mq_rating_matrix *matrix = matrix_of(few, MQ_COUNT(few), 5, 6);
    struct mq_rating_baseline_options options = mq_rating_baseline_options_default();
    struct mq_rating_baseline baseline, other;
    struct mq_pool *pool;
    check_ok(mq_pool_new(2, &pool, &err));
    check_ok(mq_rating_baseline_fit(matrix, &options, NULL, &baseline, &err));
    check_ok(mq_rating_baseline_fit(matrix, &options, pool, &other, &err));
    assert_memory_equal(baseline.user, other.user, 5 * sizeof(float));
    assert_memory_equal(baseline.item, other.item, 6 * sizeof(float));
    check_near(baseline.mean, 26.0 / 8);
    assert_true(baseline.user[4] == 0 && baseline.item[5] == 0); /* nothing is known of them */
    /* A user of the matrix, given as a row, gets what the fit found. */
    int64_t first = matrix->user_offset[1];
    assert_true(mq_rating_baseline_user(&baseline, matrix->user_item + first,
                                        matrix->user_rating + first, 3) == baseline.user[1]);
    assert_true(mq_rating_baseline_user(&baseline, NULL, NULL, 0) == 0);
    mq_rating_baseline_release(&other);
    mq_rating_baseline_release(&baseline);
    options.sweeps = 0;
    check_ok(mq_rating_baseline_fit(matrix, &options, NULL, &baseline, &err));
    assert_true(mq_rating_baseline_at(&baseline, 0, 0) == (float)(26.0 / 8));
    mq_rating_baseline_release(&baseline);
    options.user_shrink = -1;
    check_fails(MQ_E_RANGE, mq_rating_baseline_fit(matrix, &options, NULL, &baseline, &err));
    options.user_shrink = 1;
    options.sweeps = 1001;
    check_fails(MQ_E_RANGE, mq_rating_baseline_fit(matrix, &options, NULL, &baseline, &err));
    mq_rating_matrix_free(matrix);
    mq_pool_free(pool);

    struct mq_rating_matrix *empty = matrix_of(NULL, 0, 2, 2);
    baseline = baseline_of(empty);
    assert_true(mq_rating_baseline_at(&baseline, 1, 1) == 0);
    mq_rating_baseline_release(&baseline);
    mq_rating_matrix_free(empty);
}

/* Everything a test of predictions needs. */
struct world {
    struct mq_rating_matrix *matrix;
    struct mq_rating_baseline baseline;
    struct mq_neighbours lists;
    struct mq_rater rater;
    struct mq_rater_scratch *scratch;
};

static void
open_world(struct world *w, enum mq_neighbour_side side, bool literal)
{
    w->matrix = matrix_of(few, MQ_COUNT(few), 4, 4);
    w->baseline = baseline_of(w->matrix);
    struct mq_neighbour_options lists =
        literal ? mq_neighbour_options_literal(side) : mq_neighbour_options_rating(side);
    w->lists = lists_of(w->matrix, &w->baseline, &lists);
    struct mq_rater_options options = literal ? mq_rater_options_literal(side, w->matrix)
                                              : mq_rater_options_default(side, w->matrix);
    check_ok(mq_rater_init(w->matrix, &w->lists, &w->baseline, &options, &w->rater, &err));
    check_ok(mq_rater_scratch_new(&w->rater, &w->scratch, &err));
}

static void
close_world(struct world *w)
{
    mq_rater_scratch_free(w->scratch);
    mq_rater_release(&w->rater);
    mq_neighbours_release(&w->lists);
    mq_rating_baseline_release(&w->baseline);
    mq_rating_matrix_free(w->matrix);
}

static void
test_literal_users(void **state)
{
    (void)state;
    struct world w;
    int32_t count = -1;
    open_world(&w, MQ_NEIGHBOUR_USERS, true);
    check_ok(mq_rater_take_user(&w.rater, 0, w.scratch, &err));
    /* Film 2: user 1 (likeness 22/√520) rated it 3, user 2 (likeness 1) 5. */
    double s = 22 / sqrt(520.0);
    check_near((double)mq_rater_predict(&w.rater, w.scratch, 2, &count), (3 * s + 5) / (s + 1));
    assert_int_equal(count, 2);
    /* Nobody like user 0 rated film 3: the baseline. */
    check_near((double)mq_rater_predict(&w.rater, w.scratch, 3, &count),
               (double)mq_rating_baseline_at(&w.baseline, 0, 3));
    assert_int_equal(count, 0);
    struct mq_rater_vote votes[3];
    assert_int_equal(mq_rater_votes(&w.rater, w.scratch, 2, 3, votes), 2);
    assert_int_equal(votes[0].id, 2);
    assert_true(votes[0].rating == 5 && votes[0].score > votes[1].score);
    assert_int_equal(mq_rater_votes(&w.rater, w.scratch, 2, 1, votes), 1);
    /* User 3 has no neighbour at all. */
    float all[4];
    check_ok(mq_rater_take_user(&w.rater, 3, w.scratch, &err));
    mq_rater_predict_all(&w.rater, w.scratch, all);
    check_near((double)all[0], (double)mq_rating_baseline_at(&w.baseline, 3, 0));
    close_world(&w);
}

static void
test_caps(void **state)
{
    (void)state;
    struct world w;
    float all[4];
    int32_t count;
    open_world(&w, MQ_NEIGHBOUR_USERS, true);
    w.rater.options.neighbours_max = 1;
    check_ok(mq_rater_take_user(&w.rater, 0, w.scratch, &err));
    mq_rater_predict_all(&w.rater, w.scratch, all);
    check_near((double)all[2], 5); /* the nearest alone */
    w.rater.options.neighbours_max = 9;
    w.rater.options.neighbours_min = 3;
    float want = mq_rating_baseline_at(&w.baseline, 0, 2);
    check_near((double)mq_rater_predict(&w.rater, w.scratch, 2, &count), (double)want);
    assert_int_equal(count, 0);
    w.rater.options.low = 1;
    w.rater.options.high = 2;
    assert_true(mq_rater_predict(&w.rater, w.scratch, 2, NULL) == 2);
    close_world(&w);
}

/* A user of the matrix given as a row, with the same neighbours, is predicted the same. */
static void
test_rows(void **state)
{
    (void)state;
    for (int form = 0; form < 4; form++) {
        enum mq_neighbour_side side = (enum mq_neighbour_side)(form & 1);
        struct world w;
        float as_user[4], as_row[4];
        open_world(&w, side, form & 2);
        for (int32_t user = 0; user < 4; user++) {
            int64_t first = w.matrix->user_offset[user];
            struct mq_neighbour_row row = {.count =
                                               (int32_t)(w.matrix->user_offset[user + 1] - first),
                                           .code = w.matrix->user_item + first,
                                           .rating = w.matrix->user_rating + first,
                                           .self = user};
            check_ok(mq_rater_take_user(&w.rater, user, w.scratch, &err));
            mq_rater_predict_all(&w.rater, w.scratch, as_user);
            struct mq_neighbour_list list = {0};
            if (side == MQ_NEIGHBOUR_USERS)
                list = mq_neighbours_of(&w.lists, user);
            check_ok(mq_rater_take_row(&w.rater, &row, &list, w.scratch, &err));
            mq_rater_predict_all(&w.rater, w.scratch, as_row);
            for (int item = 0; item < 4; item++)
                check_near((double)as_row[item], (double)as_user[item]);
        }
        /* One who rated nothing gets the items' baseline. */
        struct mq_neighbour_row nothing = {.self = -1};
        struct mq_neighbour_list nobody = {0};
        check_ok(mq_rater_take_row(&w.rater, &nothing, &nobody, w.scratch, &err));
        check_near((double)mq_rater_predict(&w.rater, w.scratch, 0, NULL),
                   w.baseline.mean + (double)w.baseline.item[0]);
        close_world(&w);
    }
}

static void
test_refused(void **state)
{
    (void)state;
    struct world w;
    struct mq_rater rater;
    open_world(&w, MQ_NEIGHBOUR_USERS, true);
    struct mq_rater_options o = w.rater.options;
    check_fails(MQ_E_RANGE, mq_rater_take_user(&w.rater, 4, w.scratch, &err));
    struct mq_neighbour_row row = {.count = 1, .code = &(int32_t){4}, .self = -1};
    struct mq_neighbour_list list = {.count = 1, .ids = &(int32_t){9}, .scores = &(float){1}};
    check_fails(MQ_E_RANGE, mq_rater_take_row(&w.rater, &row, &list, w.scratch, &err));
    row.code = &(int32_t){0};
    check_fails(MQ_E_RANGE, mq_rater_take_row(&w.rater, &row, &list, w.scratch, &err));
    check_fails(MQ_E_USAGE, mq_rater_take_row(&w.rater, &row, NULL, w.scratch, &err));
    check_fails(MQ_E_USAGE, mq_rater_init(w.matrix, &w.lists, NULL, &o, &rater, &err));
    o.power = NAN;
    check_fails(MQ_E_RANGE, mq_rater_init(w.matrix, &w.lists, &w.baseline, &o, &rater, &err));
    o = w.rater.options;
    o.neighbours_max = 0;
    check_fails(MQ_E_RANGE, mq_rater_init(w.matrix, &w.lists, &w.baseline, &o, &rater, &err));
    o = w.rater.options;
    w.lists.count = 3;
    check_fails(MQ_E_USAGE, mq_rater_init(w.matrix, &w.lists, &w.baseline, &o, &rater, &err));
    w.lists.count = 4;
    /* Without lists a user-based rater takes given rows alone. */
    check_ok(mq_rater_init(w.matrix, NULL, &w.baseline, &o, &rater, &err));
    check_fails(MQ_E_USAGE, mq_rater_take_user(&rater, 0, w.scratch, &err));
    mq_rater_release(&rater);
    o.side = MQ_NEIGHBOUR_ITEMS;
    check_fails(MQ_E_USAGE, mq_rater_init(w.matrix, NULL, &w.baseline, &o, &rater, &err));
    close_world(&w);
    mq_rater_release(NULL);
    mq_rater_scratch_free(NULL);
}

static void
test_ranking(void **state)
{
    (void)state;
    struct mq_rating_matrix *matrix = matrix_of(few, MQ_COUNT(few), 4, 4);
    struct mq_neighbour_options options = mq_neighbour_options_cosine(MQ_NEIGHBOUR_ITEMS);
    struct mq_neighbours items = lists_of(matrix, NULL, &options);
    float scores[4];
    int32_t codes[] = {0, 1};
    float weights[] = {0.5f, 1};
    /* Likeness of films: 0-1 2/√6, 0-2 1/2, 1-2 2/√6. */
    struct mq_rank_options plain = {.neighbours_max = 9, .power = 1}, other = plain;
    mq_rank_by_items(&items, codes, weights, 2, &plain, scores);
    check_near((double)scores[2], 0.5 / 2 + 2 / sqrt(6.0));
    check_near((double)scores[3], 0);
    other.power = 2;
    mq_rank_by_items(&items, codes, NULL, 2, &other, scores);
    check_near((double)scores[2], 1.0 / 4 + 4.0 / 6);
    other = plain;
    other.recency = 2; /* one newer: a quarter */
    mq_rank_by_items(&items, codes, NULL, 2, &other, scores);
    check_near((double)scores[2], 0.25 / 2 + 2 / sqrt(6.0));
    other = plain;
    other.neighbours_max = 1; /* film 0 is nearest to 1, and 1 to 0 */
    mq_rank_by_items(&items, codes, NULL, 2, &other, scores);
    check_near((double)scores[2], 0);
    mq_rank_by_items(&items, NULL, NULL, 0, &plain, scores);
    check_near((double)scores[2], 0);
    int32_t ids[] = {1, 2};
    float likeness[] = {0.8f, 0.5f};
    struct mq_neighbour_list list = {.count = 2, .ids = ids, .scores = likeness};
    mq_rank_by_users(matrix, &list, &plain, scores);
    check_near((double)scores[0], 0.8);
    check_near((double)scores[1], 1.3);
    mq_rank_by_users(matrix, &list, &other, scores);
    check_near((double)scores[1], 0.8);
    other.power = 3;
    other.neighbours_max = 2;
    mq_rank_by_users(matrix, &list, &other, scores);
    check_near((double)scores[2], 0.512 + 0.125);
    mq_neighbours_release(&items);
    mq_rating_matrix_free(matrix);
}

static void
test_in_time(void **state)
{
    (void)state;
    /* Films 0, 1, 2, 3 in this order by users 0 and 1; user 2 chose 1 before 0. */
    static const struct rated rated[] = {{0, 0, 1}, {0, 1, 1}, {0, 2, 1}, {0, 3, 1}, {1, 0, 1},
                                         {1, 1, 1}, {1, 2, 1}, {1, 3, 1}, {2, 1, 1}, {2, 0, 1}};
    struct mq_rating_matrix *matrix = matrix_of(rated, MQ_COUNT(rated), 3, 5);
    struct mq_sequence_options options = {
        .window = 2, .decay = 1, .backward = 0.5f, .shared_min = 1, .k = 3};
    struct mq_neighbours lists;
    check_ok(mq_sequence_neighbours(matrix, &options, NULL, &lists, &err));
    struct mq_neighbour_list list = mq_neighbours_of(&lists, 0);
    assert_int_equal(list.count, 2); /* film 3 lies beyond the window */
    assert_int_equal(list.ids[0], 1);
    check_near((double)list.scores[0], (2 + 0.5) / 3);
    assert_int_equal(list.shared[0], 3);
    assert_int_equal(list.ids[1], 2);
    check_near((double)list.scores[1], 2 * exp(-1) / sqrt(6.0));
    assert_int_equal(mq_neighbours_of(&lists, 4).count, 0); /* never chosen */
    mq_neighbours_release(&lists);

    options.backward = 0;
    options.shared_min = 2;
    options.k = 1;
    check_ok(mq_sequence_neighbours(matrix, &options, NULL, &lists, &err));
    assert_int_equal(mq_neighbours_of(&lists, 3).count, 0); /* nothing ever came after it */
    assert_int_equal(mq_neighbours_of(&lists, 0).shared[0], 2);
    mq_neighbours_release(&lists);

    options.window = 0;
    check_fails(MQ_E_RANGE, mq_sequence_neighbours(matrix, &options, NULL, &lists, &err));
    options.window = MQ_SEQUENCE_WINDOW_MAX + 1;
    check_fails(MQ_E_RANGE, mq_sequence_neighbours(matrix, &options, NULL, &lists, &err));
    options = mq_sequence_options_default();
    options.decay = 0;
    check_fails(MQ_E_RANGE, mq_sequence_neighbours(matrix, &options, NULL, &lists, &err));
    mq_rating_matrix_free(matrix);
    struct mq_rating_matrix *empty = matrix_of(NULL, 0, 0, 0);
    options = mq_sequence_options_default();
    check_ok(mq_sequence_neighbours(empty, &options, NULL, &lists, &err));
    assert_int_equal(lists.count, 0);
    mq_neighbours_release(&lists);
    mq_rating_matrix_free(empty);
}

/* Lists do not depend on the number of threads. */
static void
test_threads(void **state)
{
    (void)state;
    static struct rated rated[4000];
    for (int i = 0; i < 4000; i++)
        rated[i] = (struct rated){i * 7 % 97, i * i % 211, 1};
    struct mq_rating_matrix *matrix = matrix_of(rated, 4000, 97, 211);
    struct mq_sequence_options options = mq_sequence_options_default();
    struct mq_neighbours alone, together;
    struct mq_pool *pool;
    check_ok(mq_pool_new(3, &pool, &err));
    check_ok(mq_sequence_neighbours(matrix, &options, NULL, &alone, &err));
    check_ok(mq_sequence_neighbours(matrix, &options, pool, &together, &err));
    size_t places = (size_t)alone.count * (size_t)alone.k;
    assert_memory_equal(alone.ids, together.ids, places * sizeof(*alone.ids));
    assert_memory_equal(alone.scores, together.scores, places * sizeof(*alone.scores));
    mq_neighbours_release(&alone);
    mq_neighbours_release(&together);
    mq_pool_free(pool);
    mq_rating_matrix_free(matrix);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_baseline), cmocka_unit_test(test_literal_users),
        cmocka_unit_test(test_caps),     cmocka_unit_test(test_rows),
        cmocka_unit_test(test_refused),  cmocka_unit_test(test_ranking),
        cmocka_unit_test(test_in_time),  cmocka_unit_test(test_threads),
    };
    return cmocka_run_group_tests_name("neighbour rating", tests, NULL, NULL);
}
