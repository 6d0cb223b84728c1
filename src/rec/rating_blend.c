#include "rec/rating_blend.h"

#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "rec/predicted_ratings.h"

#define CASES_OF_A_RANGE 1024
/* As many ratings that say: no departure from the best predictor alone. */
#define RIDGE 200.0
/* Unknowns: one a predictor (of the baseline: the intercept). */
#define N MQ_PREDICTOR_COUNT

struct learning {
    const struct mq_hybrid *hybrid;
    const struct mq_rating_blend_cases *cases;
    struct mq_predictor **predictors; /* [threads] */
    struct mq_arena *arenas;          /* [threads] */
    float *parts;                     /* [cases, N] */
};

static enum mq_status
predict(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct learning *l = context;
    int32_t taken = -1;
    for (int64_t i = begin; i < end; i++) {
        struct mq_rated_user user;
        if (l->cases->user[i] != taken) {
            taken = l->cases->user[i];
            mq_arena_reset(&l->arenas[worker]);
            enum mq_status st =
                mq_rated_user_stored(l->hybrid, taken, &l->arenas[worker], &user, err);
            if (st == MQ_OK)
                st = mq_predictor_take(l->predictors[worker], &user, err);
            if (st != MQ_OK)
                return st;
        }
        mq_predict_rating(l->predictors[worker], l->cases->item[i], l->parts + i * N);
    }
    return MQ_OK;
}

static enum mq_status
predict_all(struct learning *l, struct mq_pool *pool, struct mq_error *err)
{
    int threads = mq_pool_threads(pool);
    enum mq_status st =
        mq_alloc_array_raw((size_t)l->cases->count * N, sizeof(*l->parts), &l->parts, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)threads, sizeof(*l->predictors), &l->predictors, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)threads, sizeof(*l->arenas), &l->arenas, err);
    for (int t = 0; st == MQ_OK && t < threads; t++)
        st = mq_predictor_new(l->hybrid, &l->predictors[t], err);
    if (st == MQ_OK)
        st = mq_pool_for(pool, l->cases->count, CASES_OF_A_RANGE, predict, l, err);
    for (int t = 0; t < threads; t++) {
        if (l->predictors != NULL)
            mq_predictor_free(l->predictors[t]);
        if (l->arenas != NULL)
            mq_arena_release(&l->arenas[t]);
    }
    mq_free(l->predictors);
    mq_free(l->arenas);
    return st;
}

/* a x = b, positive definite, by Gauss. */
static void
solve(double a[N][N], double *b)
{
    for (int k = 0; k < N; k++)
        for (int i = k + 1; i < N; i++) {
            double factor = a[i][k] / a[k][k];
            for (int j = k; j < N; j++)
                a[i][j] -= factor * a[k][j];
            b[i] -= factor * b[k];
        }
    for (int k = N - 1; k >= 0; k--) {
        for (int j = k + 1; j < N; j++)
            b[k] -= a[k][j] * b[j];
        b[k] /= a[k][k];
    }
}

/* The predictor that errs least; their errors are told. */
static int
find_best(const struct learning *l, double *ret_rmse)
{
    int best = 0;
    for (int k = 0; k < N; k++) {
        double square = 0;
        for (int64_t i = 0; i < l->cases->count; i++) {
            double error = (double)l->cases->rating[i] - (double)l->parts[i * N + k];
            square += error * error;
        }
        ret_rmse[k] = sqrt(square / (double)l->cases->count);
        best = ret_rmse[k] < ret_rmse[best] ? k : best;
    }
    return best;
}

/* x: 1, then how far each predictor departs from the baseline; y: how far the rating departs from
 * the best predictor; b: the departure from that one's weights. */
static void
fit(const struct learning *l, struct mq_rating_blend *blend)
{
    double a[N][N] = {{0}}, b[N] = {0}, square = 0;
    int best = find_best(l, blend->rmse);
    for (int64_t i = 0; i < l->cases->count; i++) {
        const float *part = l->parts + i * N;
        double x[N] = {1}, y = (double)l->cases->rating[i] - (double)part[best];
        for (int k = 1; k < N; k++)
            x[k] = (double)part[k] - (double)part[0];
        for (int k = 0; k < N; k++) {
            b[k] += x[k] * y;
            for (int j = 0; j < N; j++)
                a[k][j] += x[k] * x[j];
        }
    }
    for (int k = 0; k < N; k++)
        a[k][k] += RIDGE;
    solve(a, b);
    double rest = 1;
    for (int k = 1; k < N; k++) {
        double weight = b[k] + (k == best ? 1 : 0);
        blend->weight[k] = (float)weight;
        rest -= weight;
    }
    blend->weight[0] = (float)rest;
    blend->bias = (float)b[0];
    blend->best = (enum mq_rating_predictor)best;
    for (int64_t i = 0; i < l->cases->count; i++) {
        double rating = b[0];
        for (int k = 0; k < N; k++)
            rating += (double)blend->weight[k] * (double)l->parts[i * N + k];
        rating = fmin(fmax(rating, (double)l->hybrid->rating_low), (double)l->hybrid->rating_high);
        square += (rating - (double)l->cases->rating[i]) * (rating - (double)l->cases->rating[i]);
    }
    blend->rmse_blend = sqrt(square / (double)l->cases->count);
}

enum mq_status
mq_rating_blend_learn(const struct mq_hybrid *hybrid, const struct mq_rating_blend_cases *cases,
                      struct mq_pool *pool, struct mq_rating_blend *ret_blend, struct mq_error *err)
{
    struct learning l = {.hybrid = hybrid, .cases = cases};
    struct mq_rating_blend blend = {0};
    enum mq_status st = MQ_OK;
    if (cases->count == 0) {
        blend.weight[hybrid->factors != NULL ? MQ_PREDICTOR_FACTORS : MQ_PREDICTOR_BASELINE] = 1;
    } else {
        st = predict_all(&l, pool, err);
        if (st == MQ_OK)
            fit(&l, &blend);
    }
    mq_free(l.parts);
    if (st == MQ_OK)
        *ret_blend = blend;
    return st;
}
