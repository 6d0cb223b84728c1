#include "model/ials.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "base/progress.h"
#include "base/rng.h"
#include "math/kernels.h"
#include "model/ials_solve.h"

/* Up to so many factors a row is solved exactly in less time than by steps. */
#define CHOLESKY_FACTORS 16
/* Rows of one range of the initial factors and of the objective. */
#define RANGE_ROWS 256

/* Streams of the seed: one a row, users first. */
#define STREAM_ITEMS (UINT64_C(1) << 32)

struct mq_ials_options
mq_ials_options_default(void)
{
    return (struct mq_ials_options){.factors = 192,
                                    .iterations = 12,
                                    .unobserved_weight = 0.3f,
                                    .regularization = 0.007f,
                                    .regularization_exponent = 1,
                                    .deviation = 0.1f,
                                    .form = MQ_IALS_BESIDE,
                                    .solver = MQ_IALS_AUTO,
                                    .steps = 3};
}

static enum mq_status
check_options(const struct mq_ials_options *o, struct mq_error *err)
{
    if (o->factors < 1 || o->factors > MQ_IALS_FACTORS_MAX)
        return mq_fail(err, MQ_E_RANGE, "iALS with %d factors (1 to %d)", o->factors,
                       MQ_IALS_FACTORS_MAX);
    if (o->iterations < 0 || o->iterations > MQ_IALS_ITERATIONS_MAX)
        return mq_fail(err, MQ_E_RANGE, "iALS of %d iterations (0 to %d)", o->iterations,
                       MQ_IALS_ITERATIONS_MAX);
    if (o->steps < 1 || o->steps > 100)
        return mq_fail(err, MQ_E_RANGE, "iALS with %d steps of conjugate gradient (1 to 100)",
                       o->steps);
    if (!(o->unobserved_weight > 0) || !(o->unobserved_weight < INFINITY))
        return mq_fail(err, MQ_E_RANGE, "iALS with unobserved weight %g (above 0)",
                       (double)o->unobserved_weight);
    if (!(o->regularization > 0) || !(o->regularization < INFINITY))
        return mq_fail(err, MQ_E_RANGE, "iALS with regularisation %g (above 0)",
                       (double)o->regularization);
    if (!(o->regularization_exponent >= 0) || !(o->regularization_exponent <= 1))
        return mq_fail(err, MQ_E_RANGE, "iALS with regularisation exponent %g (0 to 1)",
                       (double)o->regularization_exponent);
    if (!(o->deviation > 0) || !(o->deviation < INFINITY))
        return mq_fail(err, MQ_E_RANGE, "iALS with initial deviation %g (above 0)",
                       (double)o->deviation);
    return MQ_OK;
}

static enum mq_status
check_confidence(const float *confidence, int64_t count, const struct mq_ials *model,
                 struct mq_error *err)
{
    bool instead = model->form == MQ_IALS_INSTEAD;
    float least = instead ? model->unobserved_weight : 0;
    if (confidence == NULL && instead && least > 1)
        return mq_fail(err, MQ_E_RANGE,
                       "iALS: an observed pair weighs 1, less than one that was not observed (%g)",
                       (double)least);
    for (int64_t i = 0; confidence != NULL && i < count; i++)
        if (!(confidence[i] > 0) || !(confidence[i] >= least) || !(confidence[i] < INFINITY))
            return mq_fail(err, MQ_E_RANGE,
                           "iALS: confidence %g of rating %" PRId64 " (%s %g, and finite)",
                           (double)confidence[i], i, instead ? "at least" : "above", (double)least);
    return MQ_OK;
}

/* ---- models ---- */

static enum mq_status
new_model(int32_t user_count, int32_t item_count, const struct mq_ials_options *options,
          struct mq_ials **ret_model, struct mq_error *err)
{
    size_t f = (size_t)options->factors;
    struct mq_ials *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an iALS model");
    m->user_count = user_count;
    m->item_count = item_count;
    m->factors = options->factors;
    m->unobserved_weight = options->unobserved_weight;
    m->regularization = options->regularization;
    m->regularization_exponent = options->regularization_exponent;
    m->form = options->form;
    enum mq_status st = mq_alloc_array((size_t)user_count, f * sizeof(float), &m->user, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)item_count, f * sizeof(float), &m->item, err);
    if (st == MQ_OK)
        st = mq_alloc_array(f, f * sizeof(float), &m->gram, err);
    if (st != MQ_OK) {
        mq_ials_free(m);
        return st;
    }
    *ret_model = m;
    return MQ_OK;
}

void
mq_ials_free(struct mq_ials *model)
{
    if (model == NULL)
        return;
    mq_free(model->user);
    mq_free(model->item);
    mq_free(model->gram);
    free(model);
}

static enum mq_status
check_finite(const char *what, const float *values, int64_t rows, int32_t factors,
             struct mq_error *err)
{
    for (int64_t i = 0; i < rows * factors; i++)
        if (!isfinite(values[i]))
            return mq_fail(err, MQ_E_RANGE, "%s %" PRId64 ": factor %" PRId64 " is not finite",
                           what, i / factors, i % factors);
    return MQ_OK;
}

enum mq_status
mq_ials_from_arrays(const float *user, int32_t user_count, const float *item, int32_t item_count,
                    const struct mq_ials_options *options, struct mq_pool *pool,
                    struct mq_ials **ret_model, struct mq_error *err)
{
    struct mq_ials *m = NULL;
    enum mq_status st = check_options(options, err);
    if (st == MQ_OK)
        st = check_finite("user", user, user_count, options->factors, err);
    if (st == MQ_OK)
        st = check_finite("item", item, item_count, options->factors, err);
    if (st == MQ_OK)
        st = new_model(user_count, item_count, options, &m, err);
    if (st != MQ_OK)
        return st;
    size_t f = (size_t)m->factors;
    memcpy(m->user, user, (size_t)user_count * f * sizeof(float));
    memcpy(m->item, item, (size_t)item_count * f * sizeof(float));
    st = mq_ials_gram(m->item, item_count, m->factors, m->unobserved_weight, pool, m->gram, err);
    if (st != MQ_OK) {
        mq_ials_free(m);
        return st;
    }
    *ret_model = m;
    return MQ_OK;
}

static struct mq_ials_side
user_side(const struct mq_ials *m)
{
    return (struct mq_ials_side){.row_count = m->user_count,
                                 .table_count = m->item_count,
                                 .factors = m->factors,
                                 .table = m->item,
                                 .gram = m->gram,
                                 .unobserved_weight = m->unobserved_weight,
                                 .regularization = m->regularization,
                                 .regularization_exponent = m->regularization_exponent,
                                 .form = m->form};
}

enum mq_status
mq_ials_fold_in(const struct mq_ials *model, const int32_t *items, const float *confidence,
                int64_t count, float *ret_vector, struct mq_error *err)
{
    if (count < 0 || count > MQ_RATINGS_MAX)
        return mq_fail(err, MQ_E_RANGE, "iALS: a user of %" PRId64 " ratings", count);
    for (int64_t i = 0; i < count; i++)
        if (items[i] < 0 || items[i] >= model->item_count)
            return mq_fail(err, MQ_E_RANGE, "iALS: rating %" PRId64 " is of item %d (0 to %d)", i,
                           items[i], model->item_count - 1);
    enum mq_status st = check_confidence(confidence, count, model, err);
    mq_autofree float *scratch = NULL;
    if (st == MQ_OK)
        st = mq_alloc_array_raw(mq_ials_row_scratch(model->factors, count), sizeof(float), &scratch,
                                err);
    if (st != MQ_OK)
        return st;
    struct mq_ials_side side = user_side(model);
    mq_autofree float *vector = NULL;
    st = mq_alloc_array_raw((size_t)model->factors, sizeof(float), &vector, err);
    if (st == MQ_OK)
        st = mq_ials_solve_row(&side, items, confidence, count, scratch, vector, err);
    if (st == MQ_OK)
        memcpy(ret_vector, vector, (size_t)model->factors * sizeof(float));
    return st;
}

enum mq_status
mq_ials_fold_in_all(const struct mq_ials *model, const struct mq_rating_matrix *matrix,
                    const float *confidence, struct mq_pool *pool, float *ret_vectors,
                    struct mq_error *err)
{
    if (matrix->item_count != model->item_count)
        return mq_fail(err, MQ_E_RANGE, "iALS: a model of %d items for %d", model->item_count,
                       matrix->item_count);
    enum mq_status st = check_confidence(confidence, matrix->count, model, err);
    struct mq_ials_side side = user_side(model);
    side.row_count = matrix->user_count;
    side.offset = matrix->user_offset;
    side.index = matrix->user_item;
    side.confidence = confidence;
    return st == MQ_OK ? mq_ials_solve_exactly(&side, ret_vectors, pool, err) : st;
}

/* ---- objective ---- */

struct objective_work {
    const struct mq_ials *model;
    const struct mq_rating_matrix *matrix;
    const float *confidence;
    struct mq_ials_side side;
    float *scores; /* [threads,longest] */
    int64_t longest;
    double *sums; /* a range */
};

static double
square_of(const float *x, int32_t n)
{
    double sum = 0;
    for (int32_t j = 0; j < n; j++)
        sum += (double)x[j] * (double)x[j];
    return sum;
}

static enum mq_status
sum_observed(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct objective_work *work = context;
    const struct mq_ials *m = work->model;
    float *scores = work->scores + worker * work->longest;
    double sum = 0, aside = m->form == MQ_IALS_INSTEAD ? (double)m->unobserved_weight : 0;
    (void)err;
    for (int64_t u = begin; u < end; u++) {
        const float *x = m->user + u * m->factors;
        int64_t first = work->matrix->user_offset[u];
        int64_t count = work->matrix->user_offset[u + 1] - first;
        mq_kernels()->dot_indexed(x, m->item, (size_t)m->factors, work->matrix->user_item + first,
                                  (size_t)count, scores);
        for (int64_t i = 0; i < count; i++) {
            double c = work->confidence != NULL ? (double)work->confidence[first + i] : 1;
            double s = (double)scores[i];
            sum += c * (s - 1) * (s - 1) - aside * s * s;
        }
        sum += (double)mq_ials_row_regularization(&work->side, count) * square_of(x, m->factors);
    }
    work->sums[begin / RANGE_ROWS] = sum;
    return MQ_OK;
}

enum mq_status
mq_ials_objective(const struct mq_ials *model, const struct mq_rating_matrix *matrix,
                  const float *confidence, struct mq_pool *pool, double *ret_objective,
                  struct mq_error *err)
{
    if (matrix->user_count != model->user_count || matrix->item_count != model->item_count)
        return mq_fail(err, MQ_E_RANGE, "iALS: a model of %d users and %d items for %d and %d",
                       model->user_count, model->item_count, matrix->user_count,
                       matrix->item_count);
    struct objective_work work = {
        .model = model, .matrix = matrix, .confidence = confidence, .side = user_side(model)};
    for (int32_t u = 0; u < matrix->user_count; u++)
        work.longest = MQ_MAX(work.longest, matrix->user_offset[u + 1] - matrix->user_offset[u]);
    size_t f = (size_t)model->factors;
    int64_t ranges = (model->user_count + RANGE_ROWS - 1) / RANGE_ROWS;
    mq_autofree float *gram = NULL;
    mq_autofree float *scores = NULL;
    mq_autofree double *sums = NULL;
    enum mq_status st = check_confidence(confidence, matrix->count, model, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)mq_pool_threads(pool) * (size_t)work.longest, sizeof(float),
                                &scores, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)ranges, sizeof(double), &sums, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(2 * f * f, sizeof(float), &gram, err);
    work.scores = scores;
    work.sums = sums;
    if (st == MQ_OK)
        st = mq_pool_for(pool, model->user_count, RANGE_ROWS, sum_observed, &work, err);
    if (st == MQ_OK)
        st = mq_ials_gram(model->user, model->user_count, model->factors, model->unobserved_weight,
                          pool, gram, err);
    if (st == MQ_OK)
        st = mq_ials_gram(model->item, model->item_count, model->factors, 1, pool, gram + f * f,
                          err);
    if (st != MQ_OK)
        return st;
    double total = 0;
    for (int64_t r = 0; r < ranges; r++)
        total += sums[r];
    /* Σ_all s² = trace(XᵀX YᵀY) */
    for (size_t j = 0; j < f * f; j++)
        total += (double)gram[j] * (double)gram[f * f + j];
    struct mq_ials_side side = work.side;
    side.table_count = model->user_count;
    for (int32_t i = 0; i < matrix->item_count; i++)
        total += (double)mq_ials_row_regularization(&side, matrix->item_offset[i + 1] -
                                                               matrix->item_offset[i]) *
                 square_of(model->item + (size_t)i * f, model->factors);
    *ret_objective = total;
    return MQ_OK;
}

/* ---- training ---- */

struct fill_work {
    float *rows;
    size_t factors;
    double deviation;
    uint64_t seed, stream;
};

static enum mq_status
fill_range(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct fill_work *work = context;
    (void)worker;
    (void)err;
    for (int64_t row = begin; row < end; row++) {
        struct mq_rng rng;
        mq_rng_init(&rng, work->seed, work->stream + (uint64_t)row);
        for (size_t j = 0; j < work->factors; j++)
            work->rows[(size_t)row * work->factors + j] =
                (float)(mq_rng_normal(&rng) * work->deviation);
    }
    return MQ_OK;
}

static enum mq_status
init_factors(struct mq_ials *m, const struct mq_ials_options *options, uint64_t seed,
             struct mq_pool *pool, struct mq_error *err)
{
    struct fill_work work = {.rows = m->user,
                             .factors = (size_t)m->factors,
                             .deviation = (double)options->deviation / sqrt((double)m->factors),
                             .seed = seed};
    enum mq_status st = mq_pool_for(pool, m->user_count, RANGE_ROWS, fill_range, &work, err);
    work.rows = m->item;
    work.stream = STREAM_ITEMS;
    return st == MQ_OK ? mq_pool_for(pool, m->item_count, RANGE_ROWS, fill_range, &work, err) : st;
}

/* Confidence in item order. */
static void
transpose_confidence(const struct mq_rating_matrix *matrix, const float *confidence, int64_t *next,
                     float *ret_confidence)
{
    memcpy(next, matrix->item_offset, (size_t)matrix->item_count * sizeof(*next));
    for (int64_t i = 0; i < matrix->count; i++)
        ret_confidence[next[matrix->user_item[i]]++] = confidence[i];
}

struct trainer {
    struct mq_ials *model;
    const struct mq_rating_matrix *matrix;
    const float *confidence;
    float *item_confidence; /* in item order; NULL: none */
    const struct mq_ials_options *options;
    enum mq_ials_solver solver;
    struct mq_pool *pool;
};

static enum mq_status
half_iteration(const struct trainer *t, bool users, bool exactly, struct mq_error *err)
{
    struct mq_ials *m = t->model;
    struct mq_ials_side side = user_side(m);
    const float *table = users ? m->item : m->user;
    side.offset = users ? t->matrix->user_offset : t->matrix->item_offset;
    side.index = users ? t->matrix->user_item : t->matrix->item_user;
    side.confidence = users ? t->confidence : t->item_confidence;
    side.row_count = users ? m->user_count : m->item_count;
    side.table_count = users ? m->item_count : m->user_count;
    side.table = table;
    float *solution = users ? m->user : m->item;
    enum mq_status st = mq_ials_gram(table, side.table_count, m->factors, m->unobserved_weight,
                                     t->pool, m->gram, err);
    if (st != MQ_OK)
        return st;
    return exactly || t->solver == MQ_IALS_CHOLESKY
               ? mq_ials_solve_exactly(&side, solution, t->pool, err)
               : mq_ials_solve_steps(&side, t->options->steps, solution, t->pool, err);
}

static enum mq_status
iterate(const struct trainer *t, double *objective, double *ret_seconds, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    struct mq_progress progress;
    mq_progress_begin(&progress, "iALS", "iterations", t->options->iterations);
    *ret_seconds = 0;
    for (int32_t i = 0; i < t->options->iterations && st == MQ_OK; i++) {
        double begin = mq_clock_monotonic_s();
        st = half_iteration(t, true, false, err);
        if (st == MQ_OK)
            st = half_iteration(t, false, false, err);
        *ret_seconds += mq_clock_monotonic_s() - begin;
        if (st == MQ_OK && objective != NULL)
            st = mq_ials_objective(t->model, t->matrix, t->confidence, t->pool, &objective[i], err);
        mq_progress_add(&progress, 1);
    }
    mq_progress_end(&progress);
    return st == MQ_OK ? half_iteration(t, true, true, err) : st;
}

enum mq_status
mq_ials_train(const struct mq_rating_matrix *matrix, const float *confidence,
              const struct mq_ials_options *options, uint64_t seed, struct mq_pool *pool,
              struct mq_ials **ret_model, struct mq_ials_report *ret_report, struct mq_error *err)
{
    double begin = mq_clock_monotonic_s(), seconds = 0;
    struct trainer t = {.matrix = matrix,
                        .confidence = confidence,
                        .options = options,
                        .solver = options->solver,
                        .pool = pool};
    mq_autofree float *item_confidence = NULL;
    mq_autofree int64_t *next = NULL;
    mq_autofree double *objective = NULL;
    enum mq_status st = check_options(options, err);
    if (st == MQ_OK)
        st = new_model(matrix->user_count, matrix->item_count, options, &t.model, err);
    if (st == MQ_OK)
        st = check_confidence(confidence, matrix->count, t.model, err);
    if (st == MQ_OK && confidence != NULL)
        st = mq_alloc_array_raw((size_t)matrix->count, sizeof(float), &item_confidence, err);
    if (st == MQ_OK && confidence != NULL)
        st = mq_alloc_array_raw((size_t)matrix->item_count, sizeof(*next), &next, err);
    if (st == MQ_OK && options->objectives && ret_report != NULL)
        st = mq_alloc_array((size_t)options->iterations, sizeof(double), &objective, err);
    if (st == MQ_OK && confidence != NULL)
        transpose_confidence(matrix, confidence, next, item_confidence);
    t.item_confidence = item_confidence;
    if (t.solver == MQ_IALS_AUTO)
        t.solver =
            options->factors <= CHOLESKY_FACTORS ? MQ_IALS_CHOLESKY : MQ_IALS_CONJUGATE_GRADIENT;
    if (st == MQ_OK)
        st = init_factors(t.model, options, seed, pool, err);
    if (st == MQ_OK)
        st = iterate(&t, objective, &seconds, err);
    double final_objective = 0;
    if (st == MQ_OK && ret_report != NULL)
        st = mq_ials_objective(t.model, matrix, confidence, pool, &final_objective, err);
    if (st != MQ_OK) {
        mq_ials_free(t.model);
        return st;
    }
    if (ret_report != NULL) {
        *ret_report = (struct mq_ials_report){.iterations = options->iterations,
                                              .solver = t.solver,
                                              .seconds_per_iteration =
                                                  seconds / MQ_MAX(options->iterations, 1),
                                              .seconds = mq_clock_monotonic_s() - begin,
                                              .objective = objective,
                                              .final_objective = final_objective};
        objective = NULL;
    }
    *ret_model = t.model;
    return MQ_OK;
}
