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

/* ---- the literal form: seed 001's words in plain loops ------------------------------------ */

static float
rating_of(const struct mq_rating_matrix *m, int32_t user, int32_t item)
{
    for (int64_t i = m->user_offset[user]; i < m->user_offset[user + 1]; i++)
        if (m->user_item[i] == item)
            return m->user_rating[i];
    return NAN;
}

/* Cosine over what both rated; rows are users, or films. @return NaN where they share nothing */
static double
plain_cosine(const struct mq_rating_matrix *m, bool users, int32_t a, int32_t b)
{
    double both = 0, left = 0, right = 0;
    for (int32_t i = 0; i < (users ? m->item_count : m->user_count); i++) {
        double x = (double)(users ? rating_of(m, a, i) : rating_of(m, i, a));
        double y = (double)(users ? rating_of(m, b, i) : rating_of(m, i, b));
        if (isnan(x) || isnan(y))
            continue;
        both += x * y;
        left += x * x;
        right += y * y;
    }
    return left > 0 ? both / sqrt(left * right) : (double)NAN;
}

/* The rating of a film by the (at most k) most alike above the threshold; NaN: nobody says. */
static double
plain_rating(const struct mq_hybrid *h, bool users, int32_t user, int32_t item, int32_t k)
{
    const struct mq_rating_matrix *m = h->ratings;
    int32_t self = users ? user : item, rows = users ? m->user_count : m->item_count;
    double sum = 0, weights = 0;
    for (int32_t a = 0; a < rows; a++) {
        double cosine = plain_cosine(m, users, self, a);
        int32_t nearer = 0;
        if (a == self || isnan(cosine) || cosine <= (double)h->threshold)
            continue;
        for (int32_t b = 0; b < rows; b++) {
            double other = b != self ? plain_cosine(m, users, self, b) : (double)NAN;
            double ahead = other - cosine;
            nearer += ahead > 1e-6 || (b < a && fabs(ahead) <= 1e-6);
        }
        double rating = (double)(users ? rating_of(m, a, item) : rating_of(m, user, a));
        if (nearer >= k || isnan(rating))
            continue;
        sum += cosine * rating;
        weights += cosine;
    }
    return weights > 0 ? sum / weights : (double)NAN;
}

static void
literal_form(void **state)
{
    struct bench b = {0};
    struct mq_error err = {0};
    (void)state;
    int met = 0, unsaid = 0;
    check_ok(mq_pool_new(2, &b.pool, &err));
    b.hybrid = make_hybrid_in_form(b.pool, 3, "literal");
    check_ok(mq_method_scorer_new(b.hybrid, &b.scorer, &err));
    for (int32_t u = 0; u < USERS; u++) {
        struct mq_rated_user user = user_number(&b, u);
        for (int side = 0; side < 2; side++) {
            float got[ITEMS], fresh[ITEMS];
            enum mq_method method = side == 0 ? MQ_METHOD_USER_BASED : MQ_METHOD_ITEM_BASED;
            scores(&b, &user, method, got);
            for (int32_t i = 0; i < ITEMS; i++) {
                double rating = plain_rating(b.hybrid, side == 0, u, i, 5);
                double expected = isnan(rating) ? 0 : 1 + rating - (double)b.hybrid->rating_low;
                assert_float_equal(got[i], expected, 1e-4);
                met += !isnan(rating);
                unsaid += isnan(rating);
            }
            user.changed = true; /* computed, not looked up: the same */
            scores(&b, &user, method, fresh);
            user.changed = false;
            for (int32_t i = 0; i < ITEMS; i++)
                assert_float_equal(got[i], fresh[i], 1e-4);
        }
    }
    assert_true(met > USERS * ITEMS / 2 && unsaid > USERS);
    mq_method_scorer_free(b.scorer);
    mq_hybrid_free(b.hybrid);
    mq_pool_free(b.pool);
    mq_arena_release(&b.arena);
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
        cmocka_unit_test(literal_form),
        cmocka_unit_test_setup_teardown(nothing_is_known_of_a_stranger, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
