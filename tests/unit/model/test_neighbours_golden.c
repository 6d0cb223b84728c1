/*
 * Likeness, predicted ratings and the baseline against NumPy (tests/golden/neighbours_golden.py, in
 * float64). Both sides make the ratings by the same formula. Tolerance: float32 sums of up to
 * twenty-four terms of size up to 25, so 1e-5 of what is compared, which is of size one.
 */
#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "format/npy.h"
#include "model/neighbour_rating.h"
#include "model/sequence_neighbours.h"

enum { USERS = 24, ITEMS = 20, NEAREST = 5 };
#define TOLERANCE 1e-5

static struct mq_error err;

struct world {
    struct mq_rating_matrix *matrix;
    struct mq_rating_baseline baseline;
    float *golden;
    int64_t count, at;
};

static bool
has(int u, int i)
{
    bool rated = (u * 7 + i * 11 + u * i) % 10 < 4 && i != 1;
    if (u == 0)
        return false;
    if (u == 1)
        rated = false;
    if (u == 2 || u == 3)
        rated = rated && i % 2 == u % 2;
    return i == 0 ? u != 3 : rated;
}

static void
make_world(struct world *w)
{
    static int32_t user[USERS * ITEMS], item[USERS * ITEMS];
    static float rating[USERS * ITEMS];
    static uint32_t time[USERS * ITEMS];
    struct mq_rating_list list = {0, user, item, rating, time};
    for (int u = 0; u < USERS; u++)
        for (int i = 0; i < ITEMS; i++) {
            if (!has(u, i))
                continue;
            user[list.count] = u;
            item[list.count] = i;
            rating[list.count] = (float)(u == 4 ? 3 : 1 + (u * 3 + i * 5 + u * i % 7) % 5);
            time[list.count++] = (uint32_t)(1 + (i * 17 + u * 13) % 101);
        }
    check_ok(mq_rating_matrix_build(&list, USERS, ITEMS, NULL, NULL, &w->matrix, &err));
    struct mq_rating_baseline_options options = mq_rating_baseline_options_default();
    check_ok(mq_rating_baseline_fit(w->matrix, &options, NULL, &w->baseline, &err));
    const char *source = getenv("MARQUEE_SOURCE");
    mq_autofree char *path =
        mq_strfmt("%s/tests/golden/data/neighbours.npy", source != NULL ? source : ".");
    struct mq_reader *reader = NULL;
    int64_t columns;
    check_ok(mq_reader_from_file(path, &reader, &err));
    check_ok(mq_npy_read_floats(reader, 0, &w->golden, &w->count, &columns, &err));
    mq_reader_close(reader);
    assert_int_equal(columns, 1);
    w->at = 0;
}

static void
free_world(struct world *w)
{
    mq_rating_matrix_free(w->matrix);
    mq_rating_baseline_release(&w->baseline);
    mq_free(w->golden);
}

/* The worst difference from the next n golden values. */
static double
difference(struct world *w, const float *got, int64_t n)
{
    double worst = 0;
    assert_true(w->at + n <= w->count);
    for (int64_t i = 0; i < n; i++)
        worst = fmax(worst, fabs((double)got[i] - (double)w->golden[w->at + i]));
    w->at += n;
    return worst;
}

static void
check_lists(struct world *w, const struct mq_neighbours *lists)
{
    static float dense[USERS * USERS];
    int32_t n = lists->count;
    memset(dense, 0, sizeof(dense));
    for (int32_t row = 0; row < n; row++) {
        struct mq_neighbour_list list = mq_neighbours_of(lists, row);
        for (int32_t k = 0; k < list.count; k++)
            dense[row * n + list.ids[k]] = list.scores[k];
    }
    assert_true(difference(w, dense, (int64_t)n * n) < TOLERANCE);
    /* One wrong value would be seen. */
    w->at -= (int64_t)n * n;
    dense[n + n / 2] += 3 * (float)TOLERANCE;
    assert_true(difference(w, dense, (int64_t)n * n) > TOLERANCE);
}

static void
find_lists(struct world *w, const struct mq_neighbour_options *options,
           struct mq_neighbours *ret_lists)
{
    struct mq_neighbour_index *index;
    check_ok(mq_neighbour_index_new(w->matrix, &w->baseline, options, NULL, &index, &err));
    check_ok(mq_neighbours_of_all(index, NULL, ret_lists, &err));
    mq_neighbour_index_free(index);
}

static void
check_ratings(struct world *w, const struct mq_neighbours *lists,
              const struct mq_rater_options *options)
{
    struct mq_rater rater;
    struct mq_rater_scratch *scratch;
    float all[ITEMS];
    check_ok(mq_rater_init(w->matrix, lists, &w->baseline, options, &rater, &err));
    check_ok(mq_rater_scratch_new(&rater, &scratch, &err));
    for (int32_t user = 0; user < USERS; user++) {
        check_ok(mq_rater_take_user(&rater, user, scratch, &err));
        mq_rater_predict_all(&rater, scratch, all);
        assert_true(difference(w, all, ITEMS) < TOLERANCE);
        for (int32_t item = 0; item < ITEMS; item++)
            assert_true(mq_rater_predict(&rater, scratch, item, NULL) == all[item]);
    }
    mq_rater_scratch_free(scratch);
    mq_rater_release(&rater);
}

static void
test_golden(void **state)
{
    (void)state;
    struct world w;
    struct mq_neighbours literal[2], adjusted, centred[2], in_time;
    make_world(&w);
    for (int side = 0; side < 2; side++) {
        struct mq_neighbour_options options =
            mq_neighbour_options_literal((enum mq_neighbour_side)side);
        options.threshold = 0.8f;
        find_lists(&w, &options, &literal[side]);
        options = mq_neighbour_options_rating((enum mq_neighbour_side)side);
        options.shrink = 3;
        find_lists(&w, &options, &centred[side]);
    }
    struct mq_neighbour_options sarwar = mq_neighbour_options_literal(MQ_NEIGHBOUR_ITEMS);
    sarwar.centre = MQ_CENTRE_OTHER_MEAN;
    find_lists(&w, &sarwar, &adjusted);

    check_lists(&w, &literal[MQ_NEIGHBOUR_USERS]);
    check_lists(&w, &adjusted);
    struct mq_rater_options by_users = mq_rater_options_literal(MQ_NEIGHBOUR_USERS, w.matrix);
    struct mq_rater_options by_items = mq_rater_options_literal(MQ_NEIGHBOUR_ITEMS, w.matrix);
    check_ratings(&w, &literal[MQ_NEIGHBOUR_USERS], &by_users);
    check_ratings(&w, &literal[MQ_NEIGHBOUR_ITEMS], &by_items);

    float base[USERS * ITEMS];
    for (int32_t user = 0; user < USERS; user++)
        for (int32_t item = 0; item < ITEMS; item++)
            base[user * ITEMS + item] = mq_rating_baseline_at(&w.baseline, user, item);
    assert_true(difference(&w, base, USERS * ITEMS) < TOLERANCE);
    check_lists(&w, &centred[MQ_NEIGHBOUR_USERS]);
    check_lists(&w, &centred[MQ_NEIGHBOUR_ITEMS]);
    by_users = mq_rater_options_default(MQ_NEIGHBOUR_USERS, w.matrix);
    by_items = mq_rater_options_default(MQ_NEIGHBOUR_ITEMS, w.matrix);
    by_users.neighbours_max = by_items.neighbours_max = NEAREST;
    by_users.power = by_items.power = 1.5f;
    check_ratings(&w, &centred[MQ_NEIGHBOUR_USERS], &by_users);
    check_ratings(&w, &centred[MQ_NEIGHBOUR_ITEMS], &by_items);

    struct mq_sequence_options time = {
        .window = 4, .decay = 2, .backward = 0.3f, .shared_min = 1, .k = ITEMS};
    check_ok(mq_sequence_neighbours(w.matrix, &time, NULL, &in_time, &err));
    check_lists(&w, &in_time);
    assert_int_equal(w.at, w.count);

    for (int side = 0; side < 2; side++) {
        mq_neighbours_release(&literal[side]);
        mq_neighbours_release(&centred[side]);
    }
    mq_neighbours_release(&adjusted);
    mq_neighbours_release(&in_time);
    free_world(&w);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_golden)};
    return cmocka_run_group_tests_name("neighbours golden", tests, NULL, NULL);
}
