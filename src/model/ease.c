#include "model/ease.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "math/kernels.h"
#include "math/spd_inverse.h"
#include "math/topk.h"

/* Columns of B that users are scored on together, and bytes of scores of one lot of users. */
#define TILE_COLUMNS 64
#define LOT_BYTES (64 << 20)

struct mq_ease_options
mq_ease_options_default(void)
{
    return (struct mq_ease_options){
        .regularization = 500, .dropout = 0.5f, .items_max = MQ_EASE_ITEMS_DEFAULT};
}

static enum mq_status
check_options(const struct mq_ease_options *o, const struct mq_rating_matrix *matrix,
              const float *value, struct mq_error *err)
{
    if (!(o->regularization > 0) || !(o->regularization < INFINITY))
        return mq_fail(err, MQ_E_RANGE, "EASE with regularisation %g (above 0)",
                       (double)o->regularization);
    if (!(o->dropout >= 0) || !(o->dropout < INFINITY))
        return mq_fail(err, MQ_E_RANGE, "EASE with dropout %g (at least 0)", (double)o->dropout);
    if (o->items_max < 1 || o->items_max > MQ_EASE_ITEMS_MAX)
        return mq_fail(err, MQ_E_RANGE, "EASE for up to %d items (1 to %d)", o->items_max,
                       MQ_EASE_ITEMS_MAX);
    if (matrix->item_count > o->items_max) {
        enum mq_status st =
            mq_fail(err, MQ_E_RANGE, "EASE of %d items would take %.1f GiB (limit: %d items)",
                    matrix->item_count,
                    4.0 * matrix->item_count * matrix->item_count / 1073741824.0, o->items_max);
        mq_error_hint(err, "raise the limit, or use iALS, whose memory grows with items alone");
        return st;
    }
    for (int64_t i = 0; value != NULL && i < matrix->count; i++)
        if (!isfinite(value[i]))
            return mq_fail(err, MQ_E_RANGE, "EASE: the value of rating %" PRId64 " is not finite",
                           i);
    return MQ_OK;
}

/* ---- models ---- */

static enum mq_status
new_model(int32_t item_count, struct mq_ease **ret_model, struct mq_error *err)
{
    struct mq_ease *m = calloc(1, sizeof(*m));
    if (m == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an EASE model");
    m->item_count = item_count;
    enum mq_status st =
        mq_alloc_array((size_t)item_count, (size_t)item_count * sizeof(float), &m->weight, err);
    if (st != MQ_OK) {
        free(m);
        return st;
    }
    *ret_model = m;
    return MQ_OK;
}

void
mq_ease_free(struct mq_ease *model)
{
    if (model == NULL)
        return;
    mq_free(model->weight);
    free(model);
}

enum mq_status
mq_ease_from_array(const float *weight, int32_t item_count, struct mq_ease **ret_model,
                   struct mq_error *err)
{
    if (item_count < 0 || item_count > MQ_EASE_ITEMS_MAX)
        return mq_fail(err, MQ_E_RANGE, "EASE of %d items (0 to %d)", item_count,
                       MQ_EASE_ITEMS_MAX);
    size_t n = (size_t)item_count;
    for (size_t i = 0; i < n * n; i++)
        if (!isfinite(weight[i]))
            return mq_fail(err, MQ_E_RANGE, "EASE: weight %zu,%zu is not finite", i / n, i % n);
    enum mq_status st = new_model(item_count, ret_model, err);
    if (st == MQ_OK)
        memcpy((*ret_model)->weight, weight, n * n * sizeof(float));
    return st;
}

/* ---- training ---- */

struct gram_work {
    const struct mq_rating_matrix *matrix;
    const float *value;
    float *gram; /* [items,items] */
    float regularization, dropout;
};

/* Rows of XᵀX on and left of the diagonal: for each of an item's users what he rated up to it. */
static enum mq_status
gram_rows(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct gram_work *work = context;
    const struct mq_rating_matrix *m = work->matrix;
    (void)worker;
    (void)err;
    for (int64_t i = begin; i < end; i++) {
        float *row = work->gram + i * m->item_count;
        for (int64_t p = m->item_offset[i]; p < m->item_offset[i + 1]; p++) {
            int32_t user = m->item_user[p];
            int64_t at = mq_rating_matrix_find(m, user, (int32_t)i);
            float value = work->value != NULL ? work->value[at] : 1.0f;
            for (int64_t q = m->user_offset[user]; q <= at; q++)
                row[m->user_item[q]] += value * (work->value != NULL ? work->value[q] : 1.0f);
        }
        row[i] += work->regularization + work->dropout * row[i];
    }
    return MQ_OK;
}

struct scale_work {
    float *inverse;     /* P, becomes B */
    const float *scale; /* [items] -1 / P[j][j] */
    int64_t n;
};

static enum mq_status
scale_rows(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct scale_work *work = context;
    (void)worker;
    (void)err;
    for (int64_t i = begin; i < end; i++) {
        float *row = work->inverse + i * work->n;
        mq_kernels()->multiply(work->scale, row, (size_t)work->n);
        row[i] = 0;
    }
    return MQ_OK;
}

enum mq_status
mq_ease_train(const struct mq_rating_matrix *matrix, const float *value,
              const struct mq_ease_options *options, struct mq_pool *pool,
              struct mq_ease **ret_model, struct mq_error *err)
{
    struct mq_ease *model = NULL;
    mq_autofree float *scale = NULL;
    int64_t n = matrix->item_count;
    enum mq_status st = check_options(options, matrix, value, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)n, sizeof(float), &scale, err);
    if (st == MQ_OK)
        st = new_model(matrix->item_count, &model, err);
    if (st != MQ_OK)
        return st;
    struct gram_work gram = {.matrix = matrix,
                             .value = value,
                             .gram = model->weight,
                             .regularization = options->regularization,
                             .dropout = options->dropout};
    st = mq_pool_for(pool, n, 8, gram_rows, &gram, err);
    if (st == MQ_OK)
        st = mq_spd_inverse(model->weight, n, pool, err);
    for (int64_t j = 0; st == MQ_OK && j < n; j++)
        scale[j] = -1.0f / model->weight[j * n + j];
    struct scale_work work = {.inverse = model->weight, .scale = scale, .n = n};
    if (st == MQ_OK)
        st = mq_pool_for(pool, n, 64, scale_rows, &work, err);
    if (st != MQ_OK) {
        mq_ease_free(model);
        return st;
    }
    *ret_model = model;
    return MQ_OK;
}

/* ---- scoring ---- */

static enum mq_status
check_items(const struct mq_ease *model, const char *what, const int32_t *items, int64_t count,
            struct mq_error *err)
{
    for (int64_t i = 0; i < count; i++)
        if (items[i] < 0 || items[i] >= model->item_count)
            return mq_fail(err, MQ_E_RANGE, "EASE: %s %" PRId64 " is item %d (0 to %d)", what, i,
                           items[i], model->item_count - 1);
    return MQ_OK;
}

static void
sum_rows(const float *table, size_t width, const int32_t *rows, const float *value, int64_t count,
         float *ret_sum)
{
    if (value != NULL)
        mq_kernels()->gather_weighted_sum(table, width, rows, value, (size_t)count, ret_sum);
    else
        mq_kernels()->gather_sum(table, width, rows, (size_t)count, ret_sum);
}

enum mq_status
mq_ease_scores(const struct mq_ease *model, const int32_t *items, const float *value, int64_t count,
               float *ret_scores, struct mq_error *err)
{
    enum mq_status st = check_items(model, "rating", items, count, err);
    if (st == MQ_OK)
        sum_rows(model->weight, (size_t)model->item_count, items, value, count, ret_scores);
    return st;
}

enum mq_status
mq_ease_score_items(const struct mq_ease *model, const int32_t *items, const float *value,
                    int64_t count, const int32_t *candidates, int64_t candidate_count,
                    float *ret_scores, struct mq_error *err)
{
    enum mq_status st = check_items(model, "rating", items, count, err);
    if (st == MQ_OK)
        st = check_items(model, "candidate", candidates, candidate_count, err);
    if (st != MQ_OK)
        return st;
    memset(ret_scores, 0, (size_t)candidate_count * sizeof(float));
    for (int64_t i = 0; i < count; i++) {
        const float *row = model->weight + (size_t)items[i] * (size_t)model->item_count;
        float weight = value != NULL ? value[i] : 1.0f;
        for (int64_t c = 0; c < candidate_count; c++)
            ret_scores[c] += weight * row[candidates[c]];
    }
    return MQ_OK;
}

/* A lot of users: all are scored on one tile of columns after another, each copied together so that
 * it stays in the second-level cache, then each user's row is searched. */
struct lists_work {
    const struct mq_ease *model;
    const struct mq_rating_matrix *matrix;
    const float *value;
    int64_t first, count;   /* users */
    int64_t stride;         /* items rounded up to whole tiles */
    float *tile;            /* a worker: [items,TILE_COLUMNS] */
    float *scores;          /* [count,stride] */
    struct mq_scored *best; /* a worker: [k] */
    int32_t k;
    int32_t *items;
    float *ret_scores;
};

static enum mq_status
score_tiles(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct lists_work *work = context;
    const struct mq_rating_matrix *m = work->matrix;
    int64_t n = work->model->item_count;
    float *tile = work->tile + (size_t)worker * (size_t)n * TILE_COLUMNS;
    (void)err;
    for (int64_t t = begin; t < end; t++) {
        int64_t left = t * TILE_COLUMNS, width = MQ_MIN((int64_t)TILE_COLUMNS, n - left);
        for (int64_t i = 0; i < n; i++) {
            memcpy(tile + i * TILE_COLUMNS, work->model->weight + i * n + left,
                   (size_t)width * sizeof(float));
            memset(tile + i * TILE_COLUMNS + width, 0,
                   (size_t)(TILE_COLUMNS - width) * sizeof(float));
        }
        for (int64_t u = 0; u < work->count; u++) {
            int64_t at = m->user_offset[work->first + u];
            sum_rows(tile, TILE_COLUMNS, m->user_item + at,
                     work->value != NULL ? work->value + at : NULL,
                     m->user_offset[work->first + u + 1] - at,
                     work->scores + u * work->stride + left);
        }
    }
    return MQ_OK;
}

static enum mq_status
choose_best(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct lists_work *work = context;
    const struct mq_rating_matrix *m = work->matrix;
    struct mq_scored *best = work->best + (size_t)worker * (size_t)work->k;
    enum mq_status st = MQ_OK;
    for (int64_t u = begin; u < end && st == MQ_OK; u++) {
        int64_t user = work->first + u, at = m->user_offset[user];
        size_t found = 0;
        st = mq_topk_row(work->scores + u * work->stride, (size_t)m->item_count, (size_t)work->k,
                         m->user_item + at, (size_t)(m->user_offset[user + 1] - at), best, &found,
                         err);
        for (size_t i = 0; st == MQ_OK && i < (size_t)work->k; i++) {
            size_t place = (size_t)user * (size_t)work->k + i;
            work->items[place] = i < found ? best[i].id : -1;
            if (work->ret_scores != NULL)
                work->ret_scores[place] = i < found ? best[i].score : -INFINITY;
        }
    }
    return st;
}

enum mq_status
mq_ease_lists(const struct mq_ease *model, const struct mq_rating_matrix *matrix,
              const float *value, int32_t k, struct mq_pool *pool, int32_t *ret_items,
              float *ret_scores, struct mq_error *err)
{
    if (matrix->item_count != model->item_count)
        return mq_fail(err, MQ_E_RANGE, "EASE: a model of %d items for %d", model->item_count,
                       matrix->item_count);
    if (k < 1 || k > model->item_count)
        return mq_fail(err, MQ_E_RANGE, "EASE: lists of %d items (1 to %d)", k, model->item_count);
    size_t n = (size_t)model->item_count, threads = (size_t)mq_pool_threads(pool);
    int64_t tiles = ((int64_t)n + TILE_COLUMNS - 1) / TILE_COLUMNS;
    int64_t lot = MQ_MAX((int64_t)64, LOT_BYTES / (tiles * TILE_COLUMNS * 4));
    lot = MQ_MIN(lot, matrix->user_count);
    mq_autofree float *tile = NULL;
    mq_autofree float *scores = NULL;
    mq_autofree struct mq_scored *best = NULL;
    enum mq_status st = mq_alloc_array_raw(threads * n, TILE_COLUMNS * sizeof(float), &tile, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw((size_t)(lot * tiles), TILE_COLUMNS * sizeof(float), &scores, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(threads * (size_t)k, sizeof(*best), &best, err);
    struct lists_work work = {.model = model,
                              .matrix = matrix,
                              .value = value,
                              .stride = tiles * TILE_COLUMNS,
                              .tile = tile,
                              .scores = scores,
                              .best = best,
                              .k = k,
                              .items = ret_items,
                              .ret_scores = ret_scores};
    for (; work.first < matrix->user_count && st == MQ_OK; work.first += work.count) {
        work.count = MQ_MIN(lot, matrix->user_count - work.first);
        st = mq_pool_for(pool, tiles, 1, score_tiles, &work, err);
        if (st == MQ_OK)
            st = mq_pool_for(pool, work.count, 16, choose_best, &work, err);
    }
    return st;
}
