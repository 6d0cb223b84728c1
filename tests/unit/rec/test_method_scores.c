#include "../model/hybrid_fixture.h"

#include <math.h>

#include "model/neighbour_ranking.h"
#include "model/recency.h"
#include "rec/method_scores.h"

/* Scores of each method, against what the headers of its parts say. */

struct bench {
    struct mq_pool *pool;
    struct mq_hybrid *hybrid;
    struct mq_method_scorer *scorer;
    struct mq_arena arena;
};

static int
setup(void **state)
{
    struct bench *b = calloc(1, sizeof(*b));
    struct mq_error err = {0};
    check_ok(mq_pool_new(2, &b->pool, &err));
    b->hybrid = make_hybrid(b->pool, 3);
    check_ok(mq_method_scorer_new(b->hybrid, &b->scorer, &err));
    *state = b;
    return 0;
}

static int
teardown(void **state)
{
    struct bench *b = *state;
    mq_method_scorer_free(b->scorer);
    mq_hybrid_free(b->hybrid);
    mq_pool_free(b->pool);
    mq_arena_release(&b->arena);
    free(b);
    return 0;
}

static struct mq_rated_user
user_of(struct bench *b, const char *id)
{
    struct mq_rated_user user;
    struct mq_error err = {0};
    check_ok(mq_rated_user_make(b->hybrid, id, NULL, 0, &b->arena, &user, &err));
    return user;
}

static struct mq_rated_user
user_number(struct bench *b, int32_t number)
{
    char *id = mq_arena_format(&b->arena, "u%d", (int)number);
    return user_of(b, id);
}

static void
scores(struct bench *b, const struct mq_rated_user *user, enum mq_method method, float *ret)
{
    struct mq_error err = {0};
    bool known;
    check_ok(mq_method_scores(b->scorer, user, method, ret, &known, &err));
    assert_true(known);
}

/* @param recency of the model */
static void
check_parts(struct bench *b, float recency)
{
    const struct mq_hybrid *h = b->hybrid;
    b->hybrid->recency = recency;
    for (int32_t u = 0; u < USERS; u++) {
        struct mq_rated_user user = user_number(b, u);
        assert_int_equal(user.code, u);
        double ease[ITEMS] = {0}, like[ITEMS] = {0}, content[ITEMS] = {0};
        for (int32_t k = 0; k < user.count; k++) {
            int32_t newer = user.count - 1 - k, film = user.items[k];
            for (int32_t i = 0; i < ITEMS; i++)
                ease[i] += pow(1.0 + newer, -MQ_RECENCY_EXPONENT * (double)recency) *
                           (double)h->ease->weight[(size_t)film * ITEMS + (size_t)i];
            double weight = pow(1.0 + newer, -1.3 * (double)recency);
            struct mq_neighbour_list list = mq_neighbours_of(&h->items, film);
            for (int32_t n = 0; n < list.count; n++)
                like[list.ids[n]] += weight * (double)list.scores[n];
            list = mq_neighbours_of(&h->content, film);
            double liked = 0.1 + 0.9 * ((double)user.ratings[k] - (double)h->rating_low) /
                                     ((double)h->rating_high - (double)h->rating_low);
            for (int32_t n = 0; n < list.count; n++)
                content[list.ids[n]] += pow(1.0 + newer, -0.3 * (double)recency) * liked *
                                        (double)list.scores[n] * (double)list.scores[n];
        }
        float got[ITEMS];
        scores(b, &user, MQ_METHOD_EASE, got);
        for (int32_t i = 0; i < ITEMS; i++)
            assert_float_equal(got[i], ease[i], 1e-5);
        scores(b, &user, MQ_METHOD_ITEM_BASED, got);
        for (int32_t i = 0; i < ITEMS; i++)
            assert_float_equal(got[i], like[i], 1e-5);
        scores(b, &user, MQ_METHOD_CONTENT, got);
        for (int32_t i = 0; i < ITEMS; i++)
            assert_float_equal(got[i], content[i], 1e-5);
        scores(b, &user, MQ_METHOD_POPULAR, got);
        for (int32_t i = 0; i < ITEMS; i++)
            assert_float_equal(got[i], log1p((double)h->popularity[i]), 1e-5);
    }
}

static void
by_the_parts(void **state)
{
    check_parts(*state, 0); /* all films alike */
    check_parts(*state, 0.5F);
    check_parts(*state, 1);
}

/* What is computed for one who changed agrees with what was kept of the same history. */
static void
a_changed_user_is_scored_as_the_model_would(void **state)
{
    struct bench *b = *state;
    for (int32_t u = 0; u < USERS; u++) {
        struct mq_rated_user user = user_number(b, u);
        float kept[ITEMS], fresh[ITEMS];
        scores(b, &user, MQ_METHOD_MF, kept);
        user.changed = true;
        scores(b, &user, MQ_METHOD_MF, fresh);
        for (int32_t i = 0; i < ITEMS; i++)
            assert_float_equal(kept[i], fresh[i], 1e-4);
        user.changed = false;
        scores(b, &user, MQ_METHOD_USER_BASED, kept);
        user.changed = true;
        scores(b, &user, MQ_METHOD_USER_BASED, fresh);
        for (int32_t i = 0; i < ITEMS; i++)
            assert_float_equal(kept[i], fresh[i], 1e-4);
    }
}

/* A new rating changes what every method says of the user. */
static void
a_new_rating_counts(void **state)
{
    struct bench *b = *state;
    struct mq_error err = {0};
    struct mq_rated_user before = user_of(b, "u4"), after;
    int32_t other = 0;
    for (int32_t k = 0; k < before.count; k++)
        if (before.items[k] == other) {
            other++;
            k = -1;
        }
    check_ok(mq_rated_user_make(b->hybrid, "u4", &(struct mq_rated_item){other, 5, NOW}, 1,
                                &b->arena, &after, &err));
    assert_true(after.changed);
    for (int m = 0; m < MQ_METHOD_POPULAR; m++) {
        if (m == MQ_METHOD_DEEP)
            continue;
        float old[ITEMS], now[ITEMS], most = 0;
        scores(b, &before, m, old);
        scores(b, &after, m, now);
        for (int32_t i = 0; i < ITEMS; i++)
            most = fmaxf(most, fabsf(now[i] - old[i]));
        if (most == 0)
            fail_msg("%s does not hear of a new rating", mq_method_name(m));
    }
}

static void
nothing_is_known_of_a_stranger(void **state)
{
    struct bench *b = *state;
    struct mq_error err = {0};
    struct mq_rated_user nobody = user_of(b, "nobody");
    float got[ITEMS];
    bool known;
    for (int m = 0; m < MQ_METHOD_COUNT; m++) {
        check_ok(mq_method_scores(b->scorer, &nobody, m, got, &known, &err));
        assert_int_equal(known, m == MQ_METHOD_POPULAR);
        for (int32_t i = 0; i < ITEMS && m != MQ_METHOD_POPULAR; i++)
            assert_float_equal(got[i], 0, 0);
    }
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(by_the_parts, setup, teardown),
        cmocka_unit_test_setup_teardown(a_changed_user_is_scored_as_the_model_would, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(a_new_rating_counts, setup, teardown),
        cmocka_unit_test_setup_teardown(nothing_is_known_of_a_stranger, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
