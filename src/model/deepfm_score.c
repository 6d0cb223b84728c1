/* Prediction of generic rows, and of one user against a list of items whose halves are kept. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "math/blas.h"
#include "math/kernels.h"
#include "model/deepfm.h"
#include "model/deepfm_batch.h"

/* Rows numbered and projected at a time. */
#define PREDICT_ROWS 16384
/* Pairs that go through the layers at a time. */
#define PAIRS 256

enum mq_status
mq_deepfm_predict(const struct mq_deepfm *model, const struct mq_deepfm_rows *rows,
                  struct mq_pool *pool, float *ret_prob, struct mq_error *err)
{
    enum mq_status st = mq_deepfm_rows_check(model, rows, err);
    if (st != MQ_OK || rows->count == 0)
        return st;
    struct mq_deepfm_batch *batch = NULL;
    int32_t capacity = (int32_t)MQ_MIN(rows->count, PREDICT_ROWS);
    st = mq_deepfm_batch_new(model, rows, capacity, false, pool, &batch, err);
    for (int64_t begin = 0; st == MQ_OK && begin < rows->count; begin += capacity)
        st = mq_deepfm_batch_forward(batch, begin, (int32_t)MQ_MIN(rows->count - begin, capacity),
                                     ret_prob + begin, err);
    mq_deepfm_batch_free(batch);
    return st;
}

struct mq_deepfm_scorer {
    const struct mq_deepfm *model;
    int64_t count;
    size_t width0;
    float *hidden;       /* [count, width0] */
    float *vector;       /* [count, dim] Σ e of the item's fields */
    float *scalar;       /* [count] Σ w − ½ Σ |e|² + ½ |Σ e|² */
    float *dense_hidden; /* [dense, width0] */
    float *dense_square; /* [dense] */
};

void
mq_deepfm_scorer_free(struct mq_deepfm_scorer *scorer)
{
    if (scorer == NULL)
        return;
    mq_free(scorer->hidden);
    mq_free(scorer->vector);
    mq_free(scorer->scalar);
    mq_free(scorer->dense_hidden);
    mq_free(scorer->dense_square);
    free(scorer);
}

static enum mq_status
fill_halves(struct mq_deepfm_scorer *s, const struct mq_deepfm_rows *items, struct mq_pool *pool,
            struct mq_error *err)
{
    const struct mq_deepfm *model = s->model;
    const struct mq_kernels *kernels = mq_kernels();
    size_t dim = (size_t)model->dim;
    struct mq_deepfm_batch *batch = NULL;
    int32_t capacity = (int32_t)MQ_MIN(items->count, PREDICT_ROWS);
    enum mq_status st = mq_deepfm_batch_new(model, items, capacity, false, pool, &batch, err);
    for (int64_t begin = 0; st == MQ_OK && begin < items->count; begin += capacity)
        st = mq_deepfm_batch_halves(batch, begin, (int32_t)MQ_MIN(items->count - begin, capacity),
                                    s->hidden + (size_t)begin * s->width0,
                                    s->vector + (size_t)begin * dim, s->scalar + begin, err);
    mq_deepfm_batch_free(batch);
    if (st != MQ_OK)
        return st;
    for (int64_t i = 0; i < items->count; i++) {
        const float *v = s->vector + (size_t)i * dim;
        s->scalar[i] += 0.5f * kernels->dot(v, v, dim);
    }
    mq_deepfm_dense_hidden(model, s->dense_hidden);
    for (int32_t d = 0; d < model->dense_count; d++) {
        const float *v = model->v + (size_t)model->fields[d].first * dim;
        s->dense_square[d] = kernels->dot(v, v, dim);
    }
    return MQ_OK;
}

enum mq_status
mq_deepfm_scorer_new(const struct mq_deepfm *model, const struct mq_deepfm_rows *items,
                     struct mq_pool *pool, struct mq_deepfm_scorer **ret_scorer,
                     struct mq_error *err)
{
    /* The dense fields are the user's: items need not have them. */
    static const float nothing[1];
    struct mq_deepfm_rows half = *items;
    mq_autofree int32_t *zero = NULL;
    mq_autofree float *dense = NULL;
    enum mq_status st = MQ_OK;
    if (model->dense_count > 0) {
        st = mq_alloc_array((size_t)MQ_MAX(items->count, 1), sizeof(*zero), &zero, err);
        if (st == MQ_OK)
            st = mq_alloc_array((size_t)model->dense_count, sizeof(*dense), &dense, err);
        half.dense = dense;
        half.dense_row = zero;
        half.dense_rows = 1;
    } else {
        half.dense = nothing;
    }
    half.label = NULL;
    if (st == MQ_OK)
        st = mq_deepfm_rows_check(model, &half, err);
    if (st != MQ_OK)
        return st;
    struct mq_deepfm_scorer *s = calloc(1, sizeof(*s));
    if (s == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a scorer of %lld items",
                       (long long)items->count);
    s->model = model;
    s->count = items->count;
    s->width0 = model->layer_count > 0 ? (size_t)model->width[0] : 0;
    size_t count = (size_t)s->count, dim = (size_t)model->dim,
           dense_count = (size_t)model->dense_count;
    st = mq_alloc_array_raw(count * MQ_MAX(s->width0, 1), sizeof(float), &s->hidden, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(count * dim, sizeof(float), &s->vector, err);
    if (st == MQ_OK)
        st = mq_alloc_array_raw(count, sizeof(float), &s->scalar, err);
    if (st == MQ_OK)
        st = mq_alloc_array(dense_count * s->width0, sizeof(float), &s->dense_hidden, err);
    if (st == MQ_OK)
        st = mq_alloc_array(dense_count, sizeof(float), &s->dense_square, err);
    if (st == MQ_OK)
        st = fill_halves(s, &half, pool, err);
    if (st != MQ_OK) {
        mq_deepfm_scorer_free(s);
        return st;
    }
    *ret_scorer = s;
    return MQ_OK;
}

int64_t
mq_deepfm_scorer_count(const struct mq_deepfm_scorer *scorer)
{
    return scorer->count;
}

/* Scratch: x [dense] | user hidden [width0] | user vector [dim] | pair terms [PAIRS] | layers, each
 * on a line of its own. */
static size_t
lines(size_t floats)
{
    return (floats + 15) / 16 * 16;
}

size_t
mq_deepfm_scratch_bytes(const struct mq_deepfm_scorer *s)
{
    const struct mq_deepfm *model = s->model;
    size_t floats = lines((size_t)model->dense_count) + lines(s->width0) +
                    lines((size_t)model->dim) + 2 * lines(PAIRS);
    for (int32_t l = 0; l < model->layer_count; l++)
        floats += lines(PAIRS * (size_t)model->width[l]);
    return floats * sizeof(float);
}

struct user_half {
    float *hidden; /* with the first layer's offset */
    float *vector;
    float scalar; /* with the bias and the output's offset */
};

static enum mq_status
project_user(const struct mq_deepfm_scorer *s, const struct mq_kernels *kernels, const float *user,
             float *x, struct user_half *half, struct mq_error *err)
{
    const struct mq_deepfm *model = s->model;
    size_t dense = (size_t)model->dense_count, dim = (size_t)model->dim;
    for (size_t d = 0; user != NULL && d < dense; d++)
        if (!isfinite(user[d]))
            return mq_fail(
                err, MQ_E_RANGE,
                "cannot score: the user's value of field '%s' is %g, not a finite number",
                model->fields[d].name, (double)user[d]);
    half->scalar = model->bias[0];
    memset(half->vector, 0, dim * sizeof(float));
    if (model->layer_count > 0) {
        memcpy(half->hidden, model->offset[0], s->width0 * sizeof(float));
        half->scalar += model->offset[model->layer_count][0];
    }
    if (user != NULL)
        mq_deepfm_standardise(model, user, x);
    for (size_t d = 0; d < dense; d++) {
        if (user == NULL)
            x[d] = (0.0f - model->fields[d].mean) * model->fields[d].scale;
        half->scalar += x[d] * (model->w[d] - 0.5f * x[d] * s->dense_square[d]);
        kernels->axpy(x[d], model->v + d * dim, half->vector, dim);
        if (s->width0 > 0)
            kernels->axpy(x[d], s->dense_hidden + d * s->width0, half->hidden, s->width0);
    }
    half->scalar += 0.5f * kernels->dot(half->vector, half->vector, dim);
    return MQ_OK;
}

enum mq_status
mq_deepfm_score(const struct mq_deepfm_scorer *s, const float *user, int64_t n,
                const int32_t *item_rows, float *ret_prob, void *scratch, struct mq_error *err)
{
    const struct mq_deepfm *model = s->model;
    const struct mq_kernels *kernels = mq_kernels();
    size_t dim = (size_t)model->dim, width0 = s->width0;
    for (int64_t i = 0; item_rows != NULL && i < n; i++)
        if (item_rows[i] < 0 || item_rows[i] >= s->count)
            return mq_fail(err, MQ_E_RANGE, "cannot score item row %d (allowed: 0 to %lld)",
                           item_rows[i], (long long)s->count - 1);
    if (n < 0 || (item_rows == NULL && n > s->count))
        return mq_fail(err, MQ_E_RANGE, "cannot score %lld items of %lld", (long long)n,
                       (long long)s->count);
    float *at = scratch, *x = at;
    at += lines((size_t)model->dense_count);
    struct user_half half = {.hidden = at, .vector = at + lines(width0)};
    at = half.vector + lines(dim);
    float *logit = at, *term = at + lines(PAIRS);
    at = term + lines(PAIRS);
    float *z[MQ_DEEPFM_LAYERS_MAX];
    for (int32_t l = 0; l < model->layer_count; l++) {
        z[l] = at;
        at += lines(PAIRS * (size_t)model->width[l]);
    }
    enum mq_status st = project_user(s, kernels, user, x, &half, err);
    if (st != MQ_OK)
        return st;
    int32_t numbers[PAIRS];
    for (int64_t begin = 0; begin < n; begin += PAIRS) {
        size_t pairs = (size_t)MQ_MIN(n - begin, PAIRS);
        const int32_t *items = item_rows != NULL ? item_rows + begin : numbers;
        for (size_t i = 0; item_rows == NULL && i < pairs; i++)
            numbers[i] = (int32_t)(begin + (int64_t)i);
        kernels->dot_indexed(half.vector, s->vector, dim, items, pairs, logit);
        for (size_t i = 0; i < pairs; i++)
            logit[i] += half.scalar + s->scalar[items[i]];
        for (int32_t l = 0; l < model->layer_count; l++) {
            if (l == 0)
                for (size_t i = 0; i < pairs; i++)
                    memcpy(z[0] + i * width0, s->hidden + (size_t)items[i] * width0,
                           width0 * sizeof(float));
            else
                mq_sgemm_nn((int64_t)pairs, model->width[l], model->width[l - 1], z[l - 1],
                            model->kernel[l], 0.0f, z[l]);
            kernels->bias_relu(z[l], pairs, (size_t)model->width[l],
                               l == 0 ? half.hidden : model->offset[l]);
        }
        if (model->layer_count > 0) {
            int32_t last = model->layer_count - 1;
            kernels->dot_rows(model->kernel[last + 1], z[last], pairs, (size_t)model->width[last],
                              term);
            kernels->add(term, logit, pairs);
        }
        kernels->sigmoid(logit, ret_prob + begin, pairs);
    }
    return MQ_OK;
}
