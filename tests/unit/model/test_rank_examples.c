#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/rng.h"
#include "model/rank_examples.h"

enum { ITEMS = 12, ROWS_MAX = 64 };

/* Two users with codes and one without; actions given in order of user and time. */
struct stream {
    struct mq_actions actions;
    int64_t offset[4];
    int32_t item[ROWS_MAX];
    uint32_t time_s[ROWS_MAX];
    uint8_t kind[ROWS_MAX];
    float rating[ROWS_MAX];
};

static void
add(struct stream *s, int user, uint32_t time_s, int32_t item, int kind, float rating)
{
    int64_t i = s->actions.count++;
    s->item[i] = item;
    s->time_s[i] = time_s;
    s->kind[i] = (uint8_t)kind;
    s->rating[i] = rating;
    for (int u = user + 1; u <= 3; u++)
        s->offset[u] = i + 1;
}

static void
start(struct stream *s)
{
    memset(s, 0, sizeof(*s));
    s->actions.user_count = 3;
    s->actions.coded_users = 2;
    s->actions.offset = s->offset;
    s->actions.item = s->item;
    s->actions.time_s = s->time_s;
    s->actions.kind = s->kind;
    s->actions.rating = s->rating;
}

static struct mq_user_tower *
random_tower(void)
{
    struct mq_error err = {0};
    struct mq_user_tower *tower = NULL;
    struct mq_rng rng;
    mq_rng_init(&rng, 3, 0);
    check_ok(mq_user_tower_new(2, ITEMS - 1, 1, &tower, &err)); /* the last item is unknown to it */
    for (int i = 0; i < 3 * MQ_TOWER_USER_DIM; i++)
        tower->user[i] = (float)mq_rng_normal(&rng);
    for (int i = 0; i < (ITEMS - 1) * MQ_TOWER_DIM; i++)
        tower->item[i] = (float)mq_rng_normal(&rng);
    for (int len = 1; len <= MQ_TOWER_HISTORY; len++)
        for (int k = 0; k < len; k++)
            tower->pooling[len * MQ_TOWER_HISTORY + k] = 1.0f / (float)(k + 1);
    for (int l = 0; l < MQ_TOWER_LAYERS; l++)
        for (int i = 0; i < tower->layer[l].inputs * tower->layer[l].outputs; i++)
            tower->layer[l].kernel[i] = (float)(0.2 * mq_rng_normal(&rng));
    return tower;
}

static struct mq_rank_example_options
usual(void)
{
    return (struct mq_rank_example_options){.liked = 4,
                                            .disliked = 3,
                                            .exposure_share = 0.01,
                                            .negatives = 3,
                                            .negative_power = 1,
                                            .max_rows = 1000,
                                            .seed = 1};
}

/* The tower's vector of a history, oldest first. */
static void
check_vector(const struct mq_rank_examples *e, int64_t row, const struct mq_user_tower *tower,
             int32_t code, const int32_t *history, int64_t size)
{
    struct mq_error err = {0};
    int64_t offset[2] = {0, size};
    float want[MQ_RANK_DIM] = {0};
    if (size > 0)
        check_ok(mq_user_tower_forward(tower, 1, &code, offset, history, want, NULL, &err));
    const float *got = e->vectors + (int64_t)e->vector_row[row] * MQ_RANK_DIM;
    for (int d = 0; d < MQ_RANK_DIM; d++)
        assert_true(fabsf(got[d] - want[d]) < 1e-5f);
}

static int64_t
find_row(const struct mq_rank_examples *e, int32_t item, float label)
{
    for (int64_t i = 0; i < e->count; i++)
        if (e->item[i] == item && e->label[i] == label)
            return i;
    return -1;
}

static void
history_is_strictly_before_the_row(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct stream s;
    start(&s);
    add(&s, 0, 100, 5, MQ_ACTION_EXPOSURE, MQ_UNKNOWN); /* never played: 0, no history */
    add(&s, 0, 100, 1, MQ_ACTION_PLAY, MQ_UNKNOWN);
    add(&s, 0, 200, 2, MQ_ACTION_EXPOSURE, MQ_UNKNOWN); /* played: left out */
    add(&s, 0, 200, 2, MQ_ACTION_PLAY, MQ_UNKNOWN);
    add(&s, 0, 200, 3, MQ_ACTION_PLAY, MQ_UNKNOWN); /* same moment: does not see item 2 */
    add(&s, 0, 300, 1, MQ_ACTION_PLAY, MQ_UNKNOWN); /* again: left out, no second entry */
    add(&s, 0, 400, 6, MQ_ACTION_EXPOSURE, MQ_UNKNOWN);
    add(&s, 1, 150, 11, MQ_ACTION_PLAY, MQ_UNKNOWN); /* unknown to the tower */
    add(&s, 1, 160, 4, MQ_ACTION_PLAY, MQ_UNKNOWN);
    add(&s, 2, 150, 7, MQ_ACTION_PLAY, MQ_UNKNOWN); /* a user without a code */
    add(&s, 2, 170, 8, MQ_ACTION_PLAY, MQ_UNKNOWN);
    struct mq_user_tower *tower = random_tower();
    struct mq_rank_example_options options = usual();
    struct mq_rank_examples *e = NULL;
    check_ok(mq_rank_examples_make(&s.actions, ITEMS, tower, &options, NULL, &e, &err));
    assert_false(e->drawn);
    assert_int_equal(e->count, 9);
    assert_int_equal(e->train_count, 9);
    assert_int_equal(e->positives, 7);
    assert_int_equal(e->exposures_played, 1);
    assert_int_equal(e->plays_repeated, 1);
    assert_int_equal(e->without_history, 4);
    check_vector(e, find_row(e, 5, 0), tower, 0, NULL, 0);
    check_vector(e, find_row(e, 1, 1), tower, 0, NULL, 0);
    check_vector(e, find_row(e, 2, 1), tower, 0, (int32_t[]){1}, 1);
    check_vector(e, find_row(e, 3, 1), tower, 0, (int32_t[]){1}, 1);
    check_vector(e, find_row(e, 6, 0), tower, 0, (int32_t[]){1, 2, 3}, 3);
    check_vector(e, find_row(e, 4, 1), tower, 1, (int32_t[]){11}, 1);
    check_vector(e, find_row(e, 7, 1), tower, -1, NULL, 0);
    check_vector(e, find_row(e, 8, 1), tower, -1, (int32_t[]){7}, 1);
    mq_rank_examples_free(e);
    mq_user_tower_free(tower);
}

static void
stand_ins_are_unplayed_and_popular(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct stream s;
    start(&s);
    for (int32_t i = 0; i < 4; i++)
        add(&s, 0, (uint32_t)(10 * i), i, MQ_ACTION_PLAY, MQ_UNKNOWN);
    for (int32_t i = 3; i < 9; i++)
        add(&s, 1, (uint32_t)(10 * i), i, MQ_ACTION_PLAY, MQ_UNKNOWN);
    struct mq_user_tower *tower = random_tower();
    struct mq_rank_example_options options = usual();
    struct mq_rank_examples *e = NULL, *again = NULL;
    check_ok(mq_rank_examples_make(&s.actions, ITEMS, tower, &options, NULL, &e, &err));
    assert_true(e->drawn);
    assert_int_equal(e->positives, 10);
    assert_int_equal(e->count, 40);
    for (int64_t i = 0; i < e->count; i++) {
        bool first_user = i < 16;
        if (e->label[i] == 0 && first_user) /* of what only the other played */
            assert_true(e->item[i] >= 4 && e->item[i] < 9);
        if (e->label[i] == 0 && !first_user)
            assert_true(e->item[i] < 3);
    }
    check_ok(mq_rank_examples_make(&s.actions, ITEMS, tower, &options, NULL, &again, &err));
    assert_memory_equal(e->item, again->item, sizeof(int32_t) * 40);
    mq_rank_examples_free(e);
    mq_rank_examples_free(again);
    mq_user_tower_free(tower);
}

static void
ratings_label_when_asked(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct stream s;
    start(&s);
    float ratings[] = {5, 4, 3, 2.5f, 1, MQ_UNKNOWN};
    for (int32_t i = 0; i < 6; i++)
        add(&s, 0, (uint32_t)(10 * i), i, MQ_ACTION_PLAY, ratings[i]);
    struct mq_user_tower *tower = random_tower();
    struct mq_rank_example_options options = usual();
    options.label = MQ_RANK_LABEL_RATING;
    struct mq_rank_examples *e = NULL;
    check_ok(mq_rank_examples_make(&s.actions, ITEMS, tower, &options, NULL, &e, &err));
    assert_int_equal(e->count, 4);
    assert_int_equal(e->unrated, 2);
    assert_true(find_row(e, 0, 1) >= 0 && find_row(e, 1, 1) >= 0);
    assert_true(find_row(e, 3, 0) >= 0 && find_row(e, 4, 0) >= 0);
    /* what was not to the user's liking was still seen */
    check_vector(e, find_row(e, 4, 0), tower, 0, (int32_t[]){0, 1, 2, 3}, 4);
    mq_rank_examples_free(e);
    mq_user_tower_free(tower);
}

static void
newest_rows_are_held_out_and_oldest_left_out(void **state)
{
    (void)state;
    struct mq_error err = {0};
    struct stream s;
    start(&s);
    for (int32_t i = 0; i < 10; i++)
        add(&s, 0, (uint32_t)(100 + 10 * i), i, MQ_ACTION_PLAY, MQ_UNKNOWN);
    for (int32_t i = 0; i < 10; i++)
        add(&s, 1, (uint32_t)(105 + 10 * i), i, MQ_ACTION_EXPOSURE, MQ_UNKNOWN);
    struct mq_user_tower *tower = random_tower();
    struct mq_rank_example_options options = usual();
    options.holdout = 0.2;
    struct mq_rank_examples *e = NULL;
    check_ok(mq_rank_examples_make(&s.actions, ITEMS, tower, &options, NULL, &e, &err));
    assert_int_equal(e->count, 20);
    assert_int_equal(e->train_count, 16);
    assert_int_equal(e->cut_s, 180);
    for (int64_t i = 0; i < e->count; i++)
        assert_true((e->item[i] >= 8) == (i >= 16));
    mq_rank_examples_free(e);
    e = NULL;
    options.max_rows = 8;
    check_ok(mq_rank_examples_make(&s.actions, ITEMS, tower, &options, NULL, &e, &err));
    assert_int_equal(e->count, 8);
    assert_int_equal(e->older, 12);
    for (int64_t i = 0; i < e->count; i++)
        assert_true(e->item[i] >= 6);
    /* rows left out still belong to the history */
    check_vector(e, find_row(e, 6, 1), tower, 0, (int32_t[]){0, 1, 2, 3, 4, 5}, 6);
    mq_rank_examples_free(e);
    e = NULL;
    s.actions.count = 0;
    memset(s.offset, 0, sizeof(s.offset));
    check_ok(mq_rank_examples_make(&s.actions, ITEMS, tower, &options, NULL, &e, &err));
    assert_int_equal(e->count, 0);
    mq_rank_examples_free(e);
    options.negatives = 0;
    check_fails(MQ_E_RANGE,
                mq_rank_examples_make(&s.actions, ITEMS, tower, &options, NULL, &e, &err));
    mq_user_tower_free(tower);
}

static void
dense_fields_are_standardised_without_the_unknown(void **state)
{
    (void)state;
    float vectors[3 * MQ_RANK_DIM] = {0};
    for (int d = 0; d < MQ_RANK_DIM; d++) {
        vectors[MQ_RANK_DIM + d] = 1 + (float)d;
        vectors[2 * MQ_RANK_DIM + d] = 3 + (float)d;
    }
    vectors[MQ_RANK_DIM + 5] = vectors[2 * MQ_RANK_DIM + 5] = 7;
    int32_t rows[4] = {0, 1, 2, 1};
    struct mq_rank_examples e = {
        .count = 4, .train_count = 3, .vector_row = rows, .vectors = vectors};
    struct mq_deepfm_field fields[MQ_RANK_DIM] = {0};
    mq_rank_examples_standardise(&e, fields);
    assert_true(fabsf(fields[0].mean - 2) < 1e-6f && fabsf(fields[0].scale - 1) < 1e-6f);
    assert_true(fabsf(fields[9].mean - 11) < 1e-6f);
    assert_true(fields[5].mean == 7 && fields[5].scale == 1);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(history_is_strictly_before_the_row),
        cmocka_unit_test(stand_ins_are_unplayed_and_popular),
        cmocka_unit_test(ratings_label_when_asked),
        cmocka_unit_test(newest_rows_are_held_out_and_oldest_left_out),
        cmocka_unit_test(dense_fields_are_standardised_without_the_unknown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
