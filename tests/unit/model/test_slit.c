/* SLIT against the sums written out row by row, and what it is for. */
#include "check.h"

#include <math.h>
#include <stdlib.h>

#include "base/memory.h"
#include "base/rng.h"
#include "model/slit.h"

#define USERS 40
#define ITEMS 12

/* Random histories: each user rates some items at distinct times. */
static struct mq_rating_matrix *
make_matrix(uint64_t seed)
{
    static int32_t user[USERS * ITEMS], item[USERS * ITEMS];
    static uint32_t time[USERS * ITEMS];
    int64_t n = 0;
    struct mq_rng rng;
    mq_rng_init(&rng, seed, 0);
    for (int32_t u = 0; u < USERS; u++) {
        int32_t order[ITEMS];
        for (int32_t i = 0; i < ITEMS; i++)
            order[i] = i;
        mq_rng_shuffle(&rng, order, ITEMS);
        int32_t count = (int32_t)mq_rng_below(&rng, ITEMS);
        for (int32_t k = 0; k < count; k++) {
            user[n] = u;
            item[n] = order[k];
            time[n++] = 1000 + (uint32_t)k;
        }
    }
    struct mq_rating_matrix *m;
    struct mq_error err = {0};
    const struct mq_rating_list list = {n, user, item, NULL, time};
    check_ok(mq_rating_matrix_build(&list, USERS, ITEMS, NULL, NULL, &m, &err));
    return m;
}

/* Solve A X = C in place of C by Gauss's elimination. */
static void
solve(double a[ITEMS][ITEMS], double c[ITEMS][ITEMS])
{
    for (int k = 0; k < ITEMS; k++) {
        double pivot = a[k][k]; /* positive definite */
        for (int j = 0; j < ITEMS; j++) {
            a[k][j] /= pivot;
            c[k][j] /= pivot;
        }
        for (int i = 0; i < ITEMS; i++) {
            double factor = i == k ? 0 : a[i][k];
            for (int j = 0; j < ITEMS; j++) {
                a[i][j] -= factor * a[k][j];
                c[i][j] -= factor * c[k][j];
            }
        }
    }
}

static void
by_rows(const struct mq_rating_matrix *m, const struct mq_slit_options *o, double a[ITEMS][ITEMS],
        double c[ITEMS][ITEMS])
{
    double future = o->target_decay > 0 ? exp(-1.0 / (double)o->target_decay) : 0;
    memset(a, 0, sizeof(double[ITEMS][ITEMS]));
    memset(c, 0, sizeof(double[ITEMS][ITEMS]));
    for (int32_t u = 0; u < m->user_count; u++) {
        int32_t history[ITEMS];
        int n = (int)(m->user_offset[u + 1] - m->user_offset[u]);
        mq_rating_matrix_history(m, u, history);
        for (int t = 1; t < n; t++) {
            double x[ITEMS] = {0};
            for (int p = MQ_MAX(t - o->window, 0); p < t; p++)
                x[history[p]] = pow(t - p, -(double)o->exponent);
            for (int i = 0; i < ITEMS; i++)
                for (int j = 0; j < ITEMS; j++)
                    a[i][j] += x[i] * x[j];
            for (int p = MQ_MAX(t - o->window, 0); p < t; p++)
                for (int s = t; s < n && s - p <= o->window; s++)
                    c[history[p]][history[s]] += x[history[p]] * (s == t ? 1 : pow(future, s - t));
        }
    }
    for (int i = 0; i < ITEMS; i++)
        a[i][i] += (double)o->regularization;
}

static void
equals_the_rows(void **state)
{
    (void)state;
    static const struct {
        float exponent, target_decay;
        int32_t window;
    } cases[] = {{0.7f, 3, 40}, {1, 0, 5}, {0, 4, 3}, {2, 20, 12}, {0.5f, 1, 1}};
    struct mq_rating_matrix *m = make_matrix(3);
    for (size_t k = 0; k < MQ_COUNT(cases); k++) {
        struct mq_slit_options o = mq_slit_options_default();
        static double a[ITEMS][ITEMS], c[ITEMS][ITEMS];
        struct mq_slit *model;
        struct mq_error err = {0};
        o.exponent = cases[k].exponent;
        o.target_decay = cases[k].target_decay;
        o.window = cases[k].window;
        o.regularization = 2;
        check_ok(mq_slit_train(m, &o, NULL, &model, &err));
        by_rows(m, &o, a, c);
        solve(a, c);
        for (int i = 0; i < ITEMS; i++)
            for (int j = 0; j < ITEMS; j++)
                if (fabs((double)model->weights[i * ITEMS + j] - c[i][j]) > 1e-5)
                    fail_msg("case %zu: weight %d,%d is %g, not %g", k, i, j,
                             (double)model->weights[i * ITEMS + j], c[i][j]);
        mq_slit_free(model);
    }
    mq_rating_matrix_free(m);
}

/* Whoever saw 0 sees 1 next, then 2: the newest film decides. */
static void
knows_what_follows(void **state)
{
    (void)state;
    enum { VIEWERS = 50 };
    static int32_t user[VIEWERS * 3], item[VIEWERS * 3];
    static uint32_t time[VIEWERS * 3];
    for (int i = 0; i < VIEWERS * 3; i++) {
        user[i] = i / 3;
        item[i] = i % 3;
        time[i] = (uint32_t)(i % 3);
    }
    struct mq_rating_matrix *m;
    struct mq_slit *model, *again;
    struct mq_pool *pool;
    struct mq_error err = {0};
    const struct mq_rating_list list = {VIEWERS * 3, user, item, NULL, time};
    const struct mq_slit_options o = {
        .exponent = 1, .window = 5, .regularization = 1, .items_max = 10};
    check_ok(mq_rating_matrix_build(&list, VIEWERS, 4, NULL, NULL, &m, &err));
    check_ok(mq_pool_new(3, &pool, &err));
    check_ok(mq_slit_train(m, &o, NULL, &model, &err));
    check_ok(mq_slit_train(m, &o, pool, &again, &err));
    assert_memory_equal(model->weights, again->weights, sizeof(float) * 16);
    float scores[4];
    mq_slit_scores(model, (const int32_t[]){0}, 1, scores);
    assert_true(scores[1] > 0.9f && scores[1] < 1.0f && scores[2] < 0.1f);
    mq_slit_scores(model, (const int32_t[]){0, 1}, 2, scores);
    assert_true(scores[2] > 0.8f && scores[2] > scores[1]);
    assert_true(scores[3] == 0);
    mq_slit_scores(model, NULL, 0, scores);
    assert_true(scores[0] == 0 && scores[1] == 0);
    mq_slit_free(model);
    mq_slit_free(again);
    mq_pool_free(pool);
    mq_rating_matrix_free(m);
}

static void
refuses(void **state)
{
    (void)state;
    struct mq_rating_matrix *m = make_matrix(1);
    struct mq_slit_options o = mq_slit_options_default();
    struct mq_slit *model;
    struct mq_error err = {0};
    o.items_max = ITEMS - 1;
    check_fails(MQ_E_RANGE, mq_slit_train(m, &o, NULL, &model, &err));
    check_contains(err.message, "SLIT of 12 items");
    o = mq_slit_options_default();
    o.window = 0;
    check_fails(MQ_E_RANGE, mq_slit_train(m, &o, NULL, &model, &err));
    check_contains(err.message, "window is 0 (1 to 1000)");
    o = mq_slit_options_default();
    o.exponent = NAN;
    check_fails(MQ_E_RANGE, mq_slit_train(m, &o, NULL, &model, &err));
    o = mq_slit_options_default();
    o.target_decay = -1;
    check_fails(MQ_E_RANGE, mq_slit_train(m, &o, NULL, &model, &err));
    o = mq_slit_options_default();
    o.regularization = NAN;
    check_fails(MQ_E_RANGE, mq_slit_train(m, &o, NULL, &model, &err));
    mq_rating_matrix_free(m);
    /* Nothing to learn from. */
    const struct mq_rating_list none = {0};
    o = mq_slit_options_default();
    check_ok(mq_rating_matrix_build(&none, 0, 2, NULL, NULL, &m, &err));
    check_ok(mq_slit_train(m, &o, NULL, &model, &err));
    for (int i = 0; i < 4; i++)
        assert_true(model->weights[i] == 0);
    mq_slit_free(model);
    mq_rating_matrix_free(m);
}

int
main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equals_the_rows),
        cmocka_unit_test(knows_what_follows),
        cmocka_unit_test(refuses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
