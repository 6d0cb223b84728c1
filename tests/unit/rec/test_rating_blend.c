#include "scoring_bench.h"

#include <math.h>

#include "rec/predicted_ratings.h"
#include "rec/rating_blend.h"

/* Predicted ratings against their parts, and their blend against what least squares demands. */

#define RIDGE 200.0

static float
clip(const struct mq_hybrid *h, float rating)
{
    return fminf(fmaxf(rating, h->rating_low), h->rating_high);
}

static void
set_blend(struct mq_hybrid *h)
{
    static const float weight[MQ_PREDICTOR_COUNT] = {0.1F, 0.5F, -0.2F, 0.7F};
    memcpy(h->rating_weight, weight, sizeof(weight));
    h->rating_bias = -0.3F;
}

static void
check_parts(const struct mq_hybrid *h, struct mq_predictor *predictor, int32_t item,
            const float *expected, double near)
{
    float parts[MQ_PREDICTOR_COUNT], sum = h->rating_bias;
    float rating = mq_predict_rating(predictor, item, parts);
    for (int k = 0; k < MQ_PREDICTOR_COUNT; k++) {
        assert_float_equal(parts[k], expected[k], near);
        sum += h->rating_weight[k] * parts[k];
    }
    assert_float_equal(rating, clip(h, sum), 1e-5);
    assert_float_equal(mq_predict_rating(predictor, item, NULL), rating, 0);
}

static void
predictions_by_their_parts(void **state)
{
    struct bench *b = *state;
    struct mq_hybrid *h = b->hybrid;
    struct mq_error err = {0};
    struct mq_predictor *predictor;
    struct mq_rater_scratch *items, *users;
    set_blend(h);
    check_ok(mq_predictor_new(h, &predictor, &err));
    check_ok(mq_rater_scratch_new(&h->item_rater, &items, &err));
    check_ok(mq_rater_scratch_new(&h->user_rater, &users, &err));
    for (int32_t u = 0; u < USERS; u++) {
        struct mq_rated_user user = bench_user(b, u);
        check_ok(mq_rater_take_user(&h->item_rater, u, items, &err));
        check_ok(mq_rater_take_user(&h->user_rater, u, users, &err));
        for (int changed = 0; changed < 2; changed++) {
            user.changed = changed != 0;
            check_ok(mq_predictor_take(predictor, &user, &err));
            for (int32_t i = 0; i < ITEMS; i++) {
                float factors;
                check_ok(mq_biased_mf_predict(h->factors, &u, &i, 1, &factors, &err));
                const float expected[MQ_PREDICTOR_COUNT] = {
                    clip(h, mq_rating_baseline_at(&h->baseline, u, i)),
                    mq_rater_predict(&h->item_rater, items, i, NULL),
                    mq_rater_predict(&h->user_rater, users, i, NULL), factors};
                /* One whose ratings are given is predicted as the model's own. */
                check_parts(h, predictor, i, expected, changed ? 1e-4 : 1e-5);
                struct mq_rater_vote votes[3], expected_votes[3];
                int32_t count = mq_predictor_votes(predictor, i, 3, votes);
                assert_int_equal(count,
                                 mq_rater_votes(&h->user_rater, users, i, 3, expected_votes));
                for (int32_t k = 0; k < count && changed == 0; k++)
                    assert_int_equal(votes[k].id, expected_votes[k].id);
            }
        }
    }
    mq_rater_scratch_free(items);
    mq_rater_scratch_free(users);
    mq_predictor_free(predictor);
}

static void
strangers_and_plays(void **state)
{
    struct bench *b = *state;
    struct mq_hybrid *h = b->hybrid;
    struct mq_error err = {0};
    struct mq_predictor *predictor;
    struct mq_rated_user nobody = bench_stranger(b), plays, fan;
    set_blend(h);
    check_ok(mq_predictor_new(h, &predictor, &err));
    float before[ITEMS];
    check_ok(mq_predictor_take(predictor, &nobody, &err));
    for (int32_t i = 0; i < ITEMS; i++) {
        float parts[MQ_PREDICTOR_COUNT];
        before[i] = mq_predict_rating(predictor, i, parts);
        assert_float_equal(parts[0], clip(h, (float)h->baseline.mean + h->baseline.item[i]), 1e-6);
        for (int k = 0; k < MQ_PREDICTOR_COUNT; k++)
            assert_true(isfinite(parts[k]));
        assert_true(before[i] >= h->rating_low && before[i] <= h->rating_high);
        assert_int_equal(mq_predictor_votes(predictor, i, 3, (struct mq_rater_vote[3]){{0}}), 0);
    }
    /* A play without a rating says nothing of how films are rated. */
    const struct mq_rated_item played[] = {{0, -1, NOW}, {4, -1, NOW}};
    check_ok(mq_rated_user_make(h, "new", played, 2, &b->arena, &plays, &err));
    check_ok(mq_predictor_take(predictor, &plays, &err));
    for (int32_t i = 0; i < ITEMS; i++)
        assert_float_equal(mq_predict_rating(predictor, i, NULL), before[i], 0);
    /* One who rates all films at the top rates the next higher than one of whom nothing is known:
     * and a history longer than any before fits. */
    struct mq_rated_item all[ITEMS - 1];
    for (int32_t i = 0; i < ITEMS - 1; i++)
        all[i] = (struct mq_rated_item){i, 5, NOW + (uint32_t)i};
    check_ok(mq_rated_user_make(h, "fan", all, ITEMS - 1, &b->arena, &fan, &err));
    check_ok(mq_predictor_take(predictor, &fan, &err));
    assert_true(mq_predict_rating(predictor, ITEMS - 1, NULL) > before[ITEMS - 1]);
    mq_predictor_free(predictor);
}

/* ---- blend ------------------------------------------------------------------------------- */

enum { REPEATS = 30, CASES_MAX = USERS * ITEMS * REPEATS };

struct cases {
    int64_t count;
    int32_t user[CASES_MAX], item[CASES_MAX];
    float rating[CASES_MAX];
    float parts[CASES_MAX][MQ_PREDICTOR_COUNT];
};

/* All that is not rated, some times over: rated as a predictor says, or by chance (-1). Owned. */
static struct cases *
make_cases(struct bench *b, int predictor_right, int repeats)
{
    struct cases *c = calloc(1, sizeof(*c));
    struct mq_error err = {0};
    struct mq_predictor *predictor;
    struct mq_rng rng;
    mq_rng_init(&rng, 5, 0);
    check_ok(mq_predictor_new(b->hybrid, &predictor, &err));
    for (int32_t u = 0; u < USERS; u++) {
        struct mq_rated_user user = bench_user(b, u);
        check_ok(mq_predictor_take(predictor, &user, &err));
        for (int32_t i = 0; i < ITEMS; i++)
            for (int r = 0; r < repeats; r++) {
                if (mq_rating_matrix_find(b->hybrid->ratings, u, i) >= 0)
                    continue;
                c->user[c->count] = u;
                c->item[c->count] = i;
                (void)mq_predict_rating(predictor, i, c->parts[c->count]);
                c->rating[c->count] = predictor_right < 0 ? (float)(1 + mq_rng_below(&rng, 5))
                                                          : c->parts[c->count][predictor_right];
                c->count++;
            }
    }
    mq_predictor_free(predictor);
    return c;
}

static struct mq_rating_blend
learn(struct bench *b, const struct cases *c, struct mq_pool *pool)
{
    struct mq_error err = {0};
    struct mq_rating_blend blend;
    const struct mq_rating_blend_cases cases = {c->count, c->user, c->item, c->rating};
    check_ok(mq_rating_blend_learn(b->hybrid, &cases, pool, &blend, &err));
    return blend;
}

/* At the least sum of squares and ridge, no weight could be moved either way for better: residuals
 * are to each column as the ridge is to its weight. */
static void
check_least_squares(const struct cases *c, const struct mq_rating_blend *blend)
{
    double pull[MQ_PREDICTOR_COUNT] = {0}, sum = 0;
    for (int64_t n = 0; n < c->count; n++) {
        const float *part = c->parts[n];
        double residual = (double)c->rating[n] - (double)blend->bias;
        for (int k = 0; k < MQ_PREDICTOR_COUNT; k++)
            residual -= (double)blend->weight[k] * (double)part[k];
        pull[0] += residual;
        for (int k = 1; k < MQ_PREDICTOR_COUNT; k++)
            pull[k] += residual * ((double)part[k] - (double)part[0]);
    }
    assert_float_equal(pull[0], RIDGE * (double)blend->bias, 0.02);
    for (int k = 1; k < MQ_PREDICTOR_COUNT; k++)
        assert_float_equal(
            pull[k], RIDGE * ((double)blend->weight[k] - (k == (int)blend->best ? 1 : 0)), 0.02);
    for (int k = 0; k < MQ_PREDICTOR_COUNT; k++)
        assert_true(blend->rmse[blend->best] <= blend->rmse[k]);
    for (int k = 0; k < MQ_PREDICTOR_COUNT; k++)
        sum += (double)blend->weight[k];
    assert_float_equal(sum, 1, 1e-6);
}

static void
check_errors(const struct mq_hybrid *h, const struct cases *c, const struct mq_rating_blend *blend)
{
    double squares[MQ_PREDICTOR_COUNT + 1] = {0};
    for (int64_t n = 0; n < c->count; n++) {
        float sum = blend->bias;
        for (int k = 0; k < MQ_PREDICTOR_COUNT; k++) {
            double error = (double)c->rating[n] - (double)c->parts[n][k];
            squares[k] += error * error;
            sum += blend->weight[k] * c->parts[n][k];
        }
        double error = (double)c->rating[n] - (double)clip(h, sum);
        squares[MQ_PREDICTOR_COUNT] += error * error;
    }
    for (int k = 0; k < MQ_PREDICTOR_COUNT; k++)
        assert_float_equal(blend->rmse[k], sqrt(squares[k] / (double)c->count), 1e-5);
    assert_float_equal(blend->rmse_blend, sqrt(squares[MQ_PREDICTOR_COUNT] / (double)c->count),
                       1e-4);
}

static void
least_squares(void **state)
{
    struct bench *b = *state;
    struct cases *c = make_cases(b, -1, 1);
    struct mq_rating_blend blend = learn(b, c, b->pool);
    check_least_squares(c, &blend);
    check_errors(b->hybrid, c, &blend);
    for (int k = 0; k < MQ_PREDICTOR_COUNT; k++)
        assert_true(blend.rmse_blend <= blend.rmse[k] + 1e-3);
    free(c);
}

static void
the_right_one_is_found(void **state)
{
    struct bench *b = *state;
    for (int right = 1; right < MQ_PREDICTOR_COUNT; right++) {
        struct cases *c = make_cases(b, right, REPEATS);
        struct mq_rating_blend blend = learn(b, c, b->pool);
        check_errors(b->hybrid, c, &blend);
        for (int k = 0; k < MQ_PREDICTOR_COUNT; k++)
            if (fabsf(blend.weight[k] - (float)(k == right)) > 0.1F)
                fail_msg("predictor %d weighs %g where %d is right", k, (double)blend.weight[k],
                         right);
        assert_float_equal(blend.rmse[right], 0, 1e-6);
        assert_true(blend.rmse_blend < 0.05);
        free(c);
    }
}

/* A handful of cases move the blend little from the best predictor: what they say of the others is
 * chance. */
static void
few_cases_move_little(void **state)
{
    struct bench *b = *state;
    for (int right = 1; right < MQ_PREDICTOR_COUNT; right++) {
        struct cases *c = make_cases(b, right, 1);
        struct mq_rng rng;
        mq_rng_init(&rng, (uint64_t)right, 1);
        c->count = MQ_MIN(c->count, 12);
        for (int64_t n = 0; n < c->count; n++)
            c->rating[n] += (float)(mq_rng_below(&rng, 3)) / 10.0F - 0.1F;
        struct mq_rating_blend blend = learn(b, c, b->pool);
        assert_int_equal(blend.best, right);
        assert_float_equal(blend.bias, 0, 0.02);
        for (int k = 0; k < MQ_PREDICTOR_COUNT; k++)
            assert_float_equal(blend.weight[k], k == right, 0.05);
        free(c);
    }
}

static void
threads_change_nothing(void **state)
{
    struct bench *b = *state;
    struct mq_error err = {0};
    struct cases *c = make_cases(b, -1, REPEATS); /* more than a range */
    struct mq_rating_blend blend[3];
    memset(blend, 0, sizeof(blend));
    for (int threads = 1; threads <= 3; threads++) {
        struct mq_pool *pool;
        check_ok(mq_pool_new(threads, &pool, &err));
        blend[threads - 1] = learn(b, c, pool);
        assert_memory_equal(blend[0].weight, blend[threads - 1].weight, sizeof(blend[0].weight));
        assert_float_equal(blend[0].bias, blend[threads - 1].bias, 0);
        mq_pool_free(pool);
    }
    free(c);
}

static void
nothing_to_learn_from(void **state)
{
    struct bench *b = *state;
    struct cases none = {.count = 0};
    struct mq_rating_blend blend = learn(b, &none, b->pool);
    for (int k = 0; k < MQ_PREDICTOR_COUNT; k++)
        assert_float_equal(blend.weight[k], k == MQ_PREDICTOR_FACTORS, 0);
    struct mq_biased_mf *factors = b->hybrid->factors;
    b->hybrid->factors = NULL;
    blend = learn(b, &none, b->pool);
    for (int k = 0; k < MQ_PREDICTOR_COUNT; k++)
        assert_float_equal(blend.weight[k], k == MQ_PREDICTOR_BASELINE, 0);
    /* A model that lacks a predictor gives it no weight. */
    struct cases *c = make_cases(b, MQ_PREDICTOR_ITEM_BASED, 2);
    blend = learn(b, c, b->pool);
    check_least_squares(c, &blend);
    assert_float_equal(blend.weight[MQ_PREDICTOR_FACTORS], 0, 0);
    free(c);
    b->hybrid->factors = factors;
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(predictions_by_their_parts, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(strangers_and_plays, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(least_squares, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(the_right_one_is_found, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(few_cases_move_little, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(threads_change_nothing, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(nothing_to_learn_from, bench_setup, bench_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
