#include "model/biased_mf_train.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/rng.h"
#include "math/kernels.h"
#include "model/biased_mf_row.h"
#include "model/rated_ridge.h"

/* Rows of one parallel range; what they sum up is kept a range. */
#define RANGE 64

/* Steps of conjugate gradient for the implicit term: it goes on from the iteration before. */
#define RIDGE_STEPS 3

/* Where learning begins, in units of scale²: noise, variance of biases and factors, and of the
 * initial factors themselves. And how far it may go. */
#define FIRST_NOISE 0.5
#define FIRST_VARIANCE 0.1
#define FIRST_COVARIANCE 0.01
#define LEAST_VARIANCE 1e-6
#define MOST_VARIANCE 100.0

/* Iterations before noise and precision are learnt: the first rows are chance. */
#define SETTLING 1

/* One side of the matrix. */
struct side {
    int32_t count;
    const int64_t *offset;
    const int32_t *index; /* codes of the other side */
    const float *rating;
    float *row;        /* [count,d] */
    float *moments;    /* [count,size] */
    float *prior_mean; /* [count,d] */
    float *precision;  /* [d] */
    float *implicit;   /* [other count,d] */
};

struct trainer {
    const struct mq_rating_matrix *matrix;
    const struct mq_biased_mf_options *options;
    struct mq_biased_mf *model;
    struct mq_pool *pool;
    struct side side[2]; /* users, items */
    float *scratch;      /* a worker */
    size_t scratch_size;
    double *sums; /* a range: d squares about the prior, squares of the residuals, rows */
};

static enum mq_status
check_options(const struct mq_biased_mf_options *o, struct mq_error *err)
{
    if (o->factors < 0 || o->factors > MQ_BIASED_MF_FACTORS_MAX)
        return mq_fail(err, MQ_E_RANGE, "matrix factorisation with %d factors (0 to %d)",
                       o->factors, MQ_BIASED_MF_FACTORS_MAX);
    if (o->iterations < 0 || o->iterations > MQ_BIASED_MF_ITERATIONS_MAX)
        return mq_fail(err, MQ_E_RANGE, "matrix factorisation of %d iterations (0 to %d)",
                       o->iterations, MQ_BIASED_MF_ITERATIONS_MAX);
    if (!(o->implicit_regularization > 0) || !(o->implicit_regularization < INFINITY))
        return mq_fail(err, MQ_E_RANGE, "matrix factorisation with implicit regularisation %g",
                       (double)o->implicit_regularization);
    return MQ_OK;
}

/* Mean, scale and range of the ratings. */
static void
measure_ratings(const struct mq_rating_matrix *matrix, struct mq_biased_mf *m)
{
    double mean = mq_rating_matrix_mean(matrix), squares = 0;
    m->low = matrix->count > 0 ? matrix->user_rating[0] : 0;
    m->high = m->low;
    for (int64_t i = 0; i < matrix->count; i++) {
        float r = matrix->user_rating[i];
        squares += ((double)r - mean) * ((double)r - mean);
        m->low = MQ_MIN(m->low, r);
        m->high = MQ_MAX(m->high, r);
    }
    m->mean = (float)mean;
    m->scale = squares > 0 ? (float)sqrt(squares / (double)matrix->count) : 1.0f;
    m->noise = (float)FIRST_NOISE;
}

static enum mq_status
allocate_side(struct side *side, int32_t other_count, int32_t factors, struct mq_error *err)
{
    size_t d = (size_t)factors + 1;
    enum mq_status st = MQ_OK;
    if (side->moments == NULL)
        st = mq_alloc_array((size_t)side->count,
                            (size_t)MQ_BIASED_MF_MOMENTS(factors) * sizeof(float), &side->moments,
                            err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)side->count, d * sizeof(float), &side->prior_mean, err);
    if (st == MQ_OK && side->precision == NULL)
        st = mq_alloc_array(d, sizeof(float), &side->precision, err);
    if (st == MQ_OK && side->implicit == NULL)
        st = mq_alloc_array((size_t)other_count, d * sizeof(float), &side->implicit, err);
    for (size_t j = 0; st == MQ_OK && j < d; j++)
        side->precision[j] = (float)(1 / FIRST_VARIANCE);
    return st;
}

/* Items begin by chance, with a little covariance; biases at zero. */
static enum mq_status
start_items(const struct trainer *t, uint64_t seed, struct mq_error *err)
{
    size_t d = (size_t)t->model->factors + 1;
    size_t size = (size_t)MQ_BIASED_MF_MOMENTS(t->model->factors);
    const struct side *items = &t->side[1];
    mq_autofree float *covariance = NULL;
    enum mq_status st = mq_alloc_array(d * d, sizeof(float), &covariance, err);
    if (st != MQ_OK)
        return st;
    for (size_t j = 0; j < d; j++)
        covariance[j * d + j] = (float)FIRST_COVARIANCE;
    for (int32_t i = 0; i < items->count; i++) {
        struct mq_rng rng;
        float *row = items->row + (size_t)i * d;
        mq_rng_init(&rng, seed, (uint64_t)i);
        for (size_t j = 1; j < d; j++)
            row[j] = (float)(mq_rng_normal(&rng) * FIRST_VARIANCE);
        mq_biased_mf_row_moments(row, covariance, t->model->factors,
                                 items->moments + (size_t)i * size);
    }
    return MQ_OK;
}

struct half {
    const struct trainer *t;
    const struct side *own, *other;
};

static enum mq_status
fit_rows(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct half *half = context;
    const struct trainer *t = half->t;
    const struct side *own = half->own;
    size_t d = (size_t)t->model->factors + 1;
    size_t size = (size_t)MQ_BIASED_MF_MOMENTS(t->model->factors);
    float *scratch = t->scratch + (size_t)worker * t->scratch_size;
    float *covariance = scratch + mq_biased_mf_row_scratch(t->model->factors);
    double *sums = t->sums + (begin / RANGE) * (int64_t)(d + 2);
    struct mq_biased_mf_side side = {.factors = t->model->factors,
                                     .mean = t->model->mean,
                                     .scale = t->model->scale,
                                     .noise = t->model->noise,
                                     .moments = half->other->moments,
                                     .precision = own->precision};
    enum mq_status st = MQ_OK;
    memset(sums, 0, (d + 2) * sizeof(double));
    for (int64_t r = begin; r < end && st == MQ_OK; r++) {
        int64_t first = own->offset[r], count = own->offset[r + 1] - first;
        float *row = own->row + (size_t)r * d;
        const float *prior = own->prior_mean + (size_t)r * d;
        double squares = 0;
        st = mq_biased_mf_row(&side, own->index + first, own->rating + first, count, prior, scratch,
                              row, covariance, &squares, err);
        if (st != MQ_OK)
            break;
        mq_biased_mf_row_moments(row, covariance, t->model->factors,
                                 own->moments + (size_t)r * size);
        if (count == 0)
            continue;
        for (size_t j = 0; j < d; j++) {
            double from = (double)row[j] - (double)prior[j];
            sums[j] += from * from + (double)covariance[j * d + j];
        }
        sums[d] += squares;
        sums[d + 1] += 1;
    }
    return st;
}

static float
within(double variance)
{
    return (float)fmin(fmax(variance, LEAST_VARIANCE), MOST_VARIANCE);
}

/* Precision of the prior and noise from what the rows summed up. */
static void
learn(const struct trainer *t, const struct side *own)
{
    size_t d = (size_t)t->model->factors + 1;
    int64_t ranges = ((int64_t)own->count + RANGE - 1) / RANGE;
    double *total = t->sums;
    for (int64_t r = 1; r < ranges; r++)
        for (size_t j = 0; j < d + 2; j++)
            total[j] += t->sums[(size_t)r * (d + 2) + j];
    if (ranges == 0 || total[d + 1] == 0)
        return;
    for (size_t j = 0; j < d; j++)
        own->precision[j] = 1.0f / within(total[j] / total[d + 1]);
    t->model->noise = within(total[d] / (double)t->matrix->count);
}

/* What was rated: refit `implicit` on the rows as they are, and the rows' prior means with it. */
static enum mq_status
refit_implicit(const struct trainer *t, int side, struct mq_error *err)
{
    const struct side *own = &t->side[side], *other = &t->side[1 - side];
    struct mq_rated_ridge ridge = {.row_count = own->count,
                                   .column_count = other->count,
                                   .dim = t->model->factors + 1,
                                   .row_offset = own->offset,
                                   .row_column = own->index,
                                   .column_offset = other->offset,
                                   .column_row = other->index,
                                   .regularization = t->options->implicit_regularization};
    enum mq_status st =
        mq_rated_ridge_solve(&ridge, own->row, RIDGE_STEPS, own->implicit, t->pool, err);
    return st == MQ_OK ? mq_rated_ridge_fit(&ridge, own->implicit, t->pool, own->prior_mean, err)
                       : st;
}

static enum mq_status
half_iteration(const struct trainer *t, int side, bool learning, bool last, struct mq_error *err)
{
    struct half half = {.t = t, .own = &t->side[side], .other = &t->side[1 - side]};
    enum mq_status st = mq_pool_for(t->pool, half.own->count, RANGE, fit_rows, &half, err);
    if (st == MQ_OK && learning)
        learn(t, half.own);
    if (st == MQ_OK && t->options->implicit && !last)
        st = refit_implicit(t, side, err);
    return st;
}

static enum mq_status
iterate(const struct trainer *t, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    struct mq_progress progress;
    mq_progress_begin(&progress, "matrix factorisation", "iterations", t->options->iterations);
    for (int32_t i = 0; i < t->options->iterations && st == MQ_OK; i++) {
        st = half_iteration(t, 0, i > SETTLING, false, err);
        if (st == MQ_OK)
            st = half_iteration(t, 1, i > SETTLING, false, err);
        mq_progress_add(&progress, 1);
    }
    mq_progress_end(&progress);
    return st == MQ_OK ? half_iteration(t, 0, false, true, err) : st;
}

static enum mq_status
set_up(struct trainer *t, uint64_t seed, struct mq_error *err)
{
    const struct mq_rating_matrix *matrix = t->matrix;
    struct mq_biased_mf *m = t->model;
    size_t d = (size_t)m->factors + 1;
    t->side[0] = (struct side){.count = matrix->user_count,
                               .offset = matrix->user_offset,
                               .index = matrix->user_item,
                               .rating = matrix->user_rating,
                               .row = m->user,
                               .precision = m->precision,
                               .implicit = m->implicit};
    t->side[1] = (struct side){.count = matrix->item_count,
                               .offset = matrix->item_offset,
                               .index = matrix->item_user,
                               .rating = matrix->item_rating,
                               .row = m->item,
                               .moments = m->moments};
    measure_ratings(matrix, m);
    t->scratch_size = mq_biased_mf_row_scratch(m->factors) + d * d;
    int64_t ranges = (MQ_MAX(matrix->user_count, matrix->item_count) + RANGE - 1) / RANGE;
    enum mq_status st = mq_alloc_array_raw((size_t)mq_pool_threads(t->pool) * t->scratch_size,
                                           sizeof(float), &t->scratch, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)ranges, (d + 2) * sizeof(double), &t->sums, err);
    for (int side = 0; side < 2 && st == MQ_OK; side++)
        st = allocate_side(&t->side[side], t->side[1 - side].count, m->factors, err);
    return st == MQ_OK ? start_items(t, seed, err) : st;
}

enum mq_status
mq_biased_mf_train(const struct mq_rating_matrix *matrix,
                   const struct mq_biased_mf_options *options, uint64_t seed, struct mq_pool *pool,
                   struct mq_biased_mf **ret_model, struct mq_biased_mf_report *ret_report,
                   struct mq_error *err)
{
    double begin = mq_clock_monotonic_s();
    struct trainer t = {.matrix = matrix, .options = options, .pool = pool};
    enum mq_status st = check_options(options, err);
    if (st == MQ_OK)
        st = mq_biased_mf_new(matrix->user_count, matrix->item_count, options->factors, &t.model,
                              err);
    if (st != MQ_OK)
        return st;
    st = set_up(&t, seed, err);
    if (st == MQ_OK)
        st = iterate(&t, err);
    mq_free(t.scratch);
    mq_free(t.sums);
    mq_free(t.side[0].moments);
    mq_free(t.side[0].prior_mean);
    mq_free(t.side[1].prior_mean);
    mq_free(t.side[1].precision);
    mq_free(t.side[1].implicit);
    if (st != MQ_OK) {
        mq_biased_mf_free(t.model);
        return st;
    }
    if (ret_report != NULL)
        *ret_report = (struct mq_biased_mf_report){.iterations = options->iterations,
                                                   .seconds = mq_clock_monotonic_s() - begin,
                                                   .noise = sqrt((double)t.model->noise) *
                                                            (double)t.model->scale};
    *ret_model = t.model;
    return MQ_OK;
}
