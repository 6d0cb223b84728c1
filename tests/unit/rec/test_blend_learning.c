#include "scoring_bench.h"

#include <math.h>

#include "rec/blend_learning.h"
#include "rec/blended_scores.h"

/* Blends learned from choices that were drawn by known weights: the weights come out again. */

enum { DRAWS = 400 };

struct choices {
    int32_t user[USERS * DRAWS], item[USERS * DRAWS];
    int64_t count;
    double uniform;                         /* mean log of how many there were to choose from */
    float z[USERS][MQ_METHOD_COUNT][ITEMS]; /* standardised scores */
    bool rated[USERS][ITEMS];
};

static void
score_all(struct bench *b, struct choices *c)
{
    struct mq_error err = {0};
    struct mq_blended_scorer *scorer;
    bool known;
    check_ok(mq_blended_scorer_new(b->hybrid, &scorer, &err));
    for (int32_t u = 0; u < USERS; u++) {
        struct mq_rated_user user = bench_user(b, u);
        for (int m = 0; m < MQ_METHOD_COUNT; m++)
            check_ok(mq_standard_scores(scorer, &user, m, c->z[u][m], &known, &err));
        for (int32_t k = 0; k < user.count; k++)
            c->rated[u][user.items[k]] = true;
    }
    mq_blended_scorer_free(scorer);
}

static double
blended(const struct choices *c, const float *weight, int32_t u, int32_t i)
{
    double score = 0;
    for (int m = 0; m < MQ_METHOD_COUNT; m++)
        score += (double)weight[m] * (double)c->z[u][m][i];
    return score;
}

/* P of each film a user has not rated; 0 of the others. */
static void
chances(const struct choices *c, const float *weight, int32_t u, double *ret)
{
    double sum = 0;
    for (int32_t i = 0; i < ITEMS; i++)
        sum += ret[i] = c->rated[u][i] ? 0 : exp(blended(c, weight, u, i));
    for (int32_t i = 0; i < ITEMS; i++)
        ret[i] /= sum;
}

/* Choices of all users, drawn by a blend. Owned. */
static struct choices *
draw_choices(struct bench *b, const float *weight, int draws)
{
    struct choices *c = calloc(1, sizeof(*c));
    struct mq_rng rng;
    mq_rng_init(&rng, 11, 0);
    score_all(b, c);
    for (int32_t u = 0; u < USERS; u++) {
        double chance[ITEMS], open = 0;
        chances(c, weight, u, chance);
        for (int32_t i = 0; i < ITEMS; i++)
            open += !c->rated[u][i];
        c->uniform += log(open) / USERS;
        for (int d = 0; d < draws; d++) {
            double left = mq_rng_uniform(&rng);
            int32_t item = 0, last = 0;
            for (; item < ITEMS && left >= 0; item++)
                if (!c->rated[u][item]) {
                    last = item;
                    left -= chance[item];
                }
            c->user[c->count] = u;
            c->item[c->count++] = last;
        }
    }
    return c;
}

static double
loss_of(const struct choices *c, const float *weight)
{
    double loss = 0, chance[ITEMS];
    for (int64_t i = 0; i < c->count; i++) {
        chances(c, weight, c->user[i], chance);
        loss -= log(chance[c->item[i]]) / (double)c->count;
    }
    return loss;
}

static void
learn_beside(struct bench *b, const struct choices *c, int32_t others, struct mq_pool *pool,
             float *ret_weight, struct mq_blend_report *report)
{
    struct mq_error err = {0};
    const struct mq_blend_cases cases = {
        .count = MQ_MIN(c->count, (int64_t)MQ_BLEND_CASES_MAX), .user = c->user, .item = c->item};
    const struct mq_blend_options options = {.others = others, .worth = 0.004};
    check_ok(mq_blend_learn(b->hybrid, &cases, &options, pool, ret_weight, report, &err));
}

static void
learn(struct bench *b, const struct choices *c, struct mq_pool *pool, float *ret_weight,
      struct mq_blend_report *report)
{
    learn_beside(b, c, 0, pool, ret_weight, report);
}

/* One method is right: the others, which say nothing beside it, are left out. */
static void
one_is_right(void **state)
{
    struct bench *b = *state;
    static const enum mq_method right[] = {MQ_METHOD_EASE, MQ_METHOD_CONTENT, MQ_METHOD_MF,
                                           MQ_METHOD_USER_BASED, MQ_METHOD_POPULAR};
    for (size_t k = 0; k < MQ_COUNT(right); k++) {
        float truth[MQ_METHOD_COUNT] = {0}, got[MQ_METHOD_COUNT], others = 0;
        struct mq_blend_report report;
        truth[right[k]] = 2;
        struct choices *c = draw_choices(b, truth, 300);
        learn(b, c, b->pool, got, &report);
        for (int m = 0; m < MQ_METHOD_COUNT; m++)
            others += m != (int)right[k] ? got[m] : 0;
        if (fabsf(got[right[k]] - 2) > 0.25F || others > 0.15F)
            fail_msg("%s: %g, all others %g", mq_method_name(right[k]), (double)got[right[k]],
                     (double)others);
        int kept = 0;
        for (int m = 0; m < MQ_METHOD_COUNT; m++)
            kept += got[m] > 0;
        assert_in_range(kept, 1, 2);
        free(c);
    }
}

static void
two_are_right(void **state)
{
    struct bench *b = *state;
    const float truth[MQ_METHOD_COUNT] = {[MQ_METHOD_SEQUENCE] = 1.5F, [MQ_METHOD_CONTENT] = 1};
    float got[MQ_METHOD_COUNT];
    struct mq_blend_report report;
    struct choices *c = draw_choices(b, truth, 300);
    learn(b, c, b->pool, got, &report);
    for (int m = 0; m < MQ_METHOD_COUNT; m++)
        assert_true(fabsf(got[m] - truth[m]) < 0.25F);
    /* Its figures by hand. */
    int64_t alternatives = 0;
    for (int64_t i = 0; i < c->count; i++)
        for (int32_t item = 0; item < ITEMS; item++)
            alternatives += !c->rated[c->user[i]][item];
    assert_int_equal(report.cases, c->count);
    assert_int_equal(report.alternatives, alternatives);
    assert_float_equal(report.loss_uniform, c->uniform, 1e-9);
    assert_float_equal(report.loss, loss_of(c, got), 1e-5);
    /* No worse than the truth, but for what a method left out may cost. */
    assert_true(report.loss < loss_of(c, truth) + 0.002);
    free(c);
}

/* A method that is not worth its nats is taken in again, if it puts the choices clearly higher. */
static void
order_has_the_last_word(void **state)
{
    struct bench *b = *state;
    struct mq_error err = {0};
    const float truth[MQ_METHOD_COUNT] = {[MQ_METHOD_SEQUENCE] = 1.5F, [MQ_METHOD_CONTENT] = 1};
    float got[MQ_METHOD_COUNT];
    struct mq_blend_report report;
    struct choices *c = draw_choices(b, truth, 300);
    const struct mq_blend_cases cases = {.count = c->count, .user = c->user, .item = c->item};
    const struct mq_blend_options nothing_is_worth = {.worth = 1000};
    check_ok(mq_blend_learn(b->hybrid, &cases, &nothing_is_worth, b->pool, got, &report, &err));
    assert_true(report.by_order);
    assert_true(got[MQ_METHOD_SEQUENCE] > 0 && got[MQ_METHOD_CONTENT] > 0);
    learn(b, c, b->pool, got, &report);
    assert_false(report.by_order);
    free(c);
}

/* Every film is an alternative already: those drawn by chance are none of the user's, and none
 * stands there twice. */
static void
others_are_passed_over(void **state)
{
    struct bench *b = *state;
    const float truth[MQ_METHOD_COUNT] = {[MQ_METHOD_EASE] = 1, [MQ_METHOD_MF] = 0.5F};
    struct choices *c = draw_choices(b, truth, 20);
    float without[MQ_METHOD_COUNT], with[MQ_METHOD_COUNT];
    struct mq_blend_report first, second;
    learn_beside(b, c, 0, b->pool, without, &first);
    learn_beside(b, c, 100, b->pool, with, &second);
    assert_memory_equal(without, with, sizeof(with));
    assert_int_equal(first.alternatives, second.alternatives);
    free(c);
}

/* A method that must be worth nothing stays, unless it has no weight. */
static void
what_little_is_worth(void **state)
{
    struct bench *b = *state;
    const float truth[MQ_METHOD_COUNT] = {[MQ_METHOD_EASE] = 1, [MQ_METHOD_MF] = 0.5F};
    struct choices *c = draw_choices(b, truth, 20);
    const struct mq_blend_cases cases = {c->count, c->user, c->item};
    int kept[3] = {0};
    const double worth[3] = {0, 0.004, 1};
    for (int k = 0; k < 3; k++) {
        struct mq_error err = {0};
        float got[MQ_METHOD_COUNT];
        const struct mq_blend_options options = {.worth = worth[k]};
        check_ok(mq_blend_learn(b->hybrid, &cases, &options, b->pool, got, NULL, &err));
        for (int m = 0; m < MQ_METHOD_COUNT; m++)
            kept[k] += got[m] > 0;
    }
    assert_true(kept[0] >= kept[1]);
    assert_true(kept[1] >= 2);
    assert_int_equal(kept[2], 1); /* the last one is never left out */
    free(c);
}

static void
threads_change_nothing(void **state)
{
    struct bench *b = *state;
    const float truth[MQ_METHOD_COUNT] = {[MQ_METHOD_EASE] = 1, [MQ_METHOD_MF] = 0.5F};
    struct choices *c = draw_choices(b, truth, 20);
    float one[MQ_METHOD_COUNT], more[MQ_METHOD_COUNT];
    struct mq_blend_report first, other;
    struct mq_error err = {0};
    for (int threads = 1; threads <= 3; threads++) {
        struct mq_pool *pool;
        check_ok(mq_pool_new(threads, &pool, &err));
        learn(b, c, pool, threads == 1 ? one : more, threads == 1 ? &first : &other);
        if (threads > 1) {
            assert_memory_equal(one, more, sizeof(one));
            assert_float_equal(first.loss, other.loss, 0);
        }
        mq_pool_free(pool);
    }
    free(c);
}

static void
nothing_to_learn_from(void **state)
{
    struct bench *b = *state;
    struct mq_error err = {0};
    float got[MQ_METHOD_COUNT];
    struct mq_blend_report report;
    const struct mq_blend_cases none = {0};
    const struct mq_blend_options options = {0};
    check_ok(mq_blend_learn(b->hybrid, &none, &options, b->pool, got, &report, &err));
    for (int m = 0; m < MQ_METHOD_COUNT; m++)
        assert_float_equal(got[m], m != MQ_METHOD_DEEP, 0);
    assert_int_equal(report.cases, 0);

    const struct mq_blend_cases many = {.count = MQ_BLEND_CASES_MAX + 1};
    check_fails(MQ_E_RANGE, mq_blend_learn(b->hybrid, &many, &options, b->pool, got, NULL, &err));
    check_contains(err.message, "10001");
    const struct mq_blend_options wide = {.others = MQ_BLEND_OTHERS_MAX + 1};
    check_fails(MQ_E_RANGE, mq_blend_learn(b->hybrid, &none, &wide, b->pool, got, NULL, &err));
    check_contains(err.message, "by chance (0 to 10000)");
    const struct mq_blend_cases most = {.count = MQ_BLEND_CASES_MAX};
    const struct mq_blend_options widest = {.others = MQ_BLEND_OTHERS_MAX};
    check_fails(MQ_E_RANGE, mq_blend_learn(b->hybrid, &most, &widest, b->pool, got, NULL, &err));
    check_contains(err.message, "(at most 1024)");
    check_contains(err.hint, "hybrid.blend_others");

    /* Choices against all that the methods say: none is worth a weight, so all weigh the same. */
    struct choices *c = calloc(1, sizeof(*c));
    score_all(b, c);
    for (int32_t u = 0; u < USERS; u++) {
        int32_t worst = -1;
        double least = INFINITY;
        for (int32_t i = 0; i < ITEMS; i++) {
            double sum = 0;
            for (int m = 0; m < MQ_METHOD_COUNT; m++)
                sum += (double)c->z[u][m][i];
            if (!c->rated[u][i] && sum < least) {
                least = sum;
                worst = i;
            }
        }
        c->user[c->count] = u;
        c->item[c->count++] = worst;
    }
    learn(b, c, b->pool, got, &report);
    for (int m = 0; m < MQ_METHOD_COUNT; m++)
        assert_float_equal(got[m], m != MQ_METHOD_DEEP, 0);
    assert_float_equal(report.loss, report.loss_uniform, 1e-9);
    free(c);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(one_is_right, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(two_are_right, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(order_has_the_last_word, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(others_are_passed_over, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(what_little_is_worth, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(threads_change_nothing, bench_setup, bench_teardown),
        cmocka_unit_test_setup_teardown(nothing_to_learn_from, bench_setup, bench_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
