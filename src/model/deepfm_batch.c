/* One batch of DeepFM rows: its memory, and the calls on it (phases: deepfm_batch_parts.h). */
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "math/blas.h"
#include "model/deepfm_batch_parts.h"

void
mq_deepfm_dense_hidden(const struct mq_deepfm *model, float *ret_hidden)
{
    if (model->layer_count == 0)
        return;
    int64_t dim = model->dim, width = model->width[0];
    for (int32_t d = 0; d < model->dense_count; d++)
        mq_sgemv(true, dim, width, 1.0f, model->kernel[0] + d * dim * width, width,
                 model->v + (int64_t)model->fields[d].first * dim, 0.0f, ret_hidden + d * width);
}

void
mq_deepfm_standardise(const struct mq_deepfm *model, const float *x, float *ret_values)
{
    for (int32_t d = 0; d < model->dense_count; d++)
        ret_values[d] = (x[d] - model->fields[d].mean) * model->fields[d].scale;
}

/* Floats per row of each layer's scratch, and so on, all from the batch's arena. */
static float *
floats(struct mq_deepfm_batch *b, size_t rows, size_t width)
{
    size_t count;
    if (__builtin_mul_overflow(rows, width, &count))
        return NULL;
    return mq_arena_array(&b->memory, MQ_MAX(count, 1), sizeof(float));
}

static int32_t *
integers(struct mq_deepfm_batch *b, size_t count)
{
    return mq_arena_array(&b->memory, MQ_MAX(count, 1), sizeof(int32_t));
}

static bool
make_columns(struct mq_deepfm_batch *b, int64_t *ret_entries)
{
    const struct mq_deepfm *model = b->model;
    size_t dim = (size_t)model->dim;
    int64_t entries = 0;
    for (int32_t k = 0; k < b->column_count; k++) {
        struct column *c = &b->columns[k];
        c->number = model->dense_count + k;
        c->field = &model->fields[c->number];
        c->bag = c->field->kind == MQ_DEEPFM_BAG ? k - model->category_count : -1;
        c->bound = c->bag < 0 ? c->field->size : (int32_t)b->rows->bag_count[c->bag];
        c->base = (int32_t)entries;
        entries += MQ_MIN(b->capacity, c->bound);
        if (entries > INT32_MAX - 1)
            return false;
        c->slot = integers(b, (size_t)c->bound);
        if (c->slot == NULL)
            return false;
        memset(c->slot, -1, (size_t)c->bound * sizeof(*c->slot));
        if (!b->backward)
            continue;
        c->grouped = integers(b, (size_t)b->capacity);
        if (c->grouped == NULL)
            return false;
        if (c->bag < 0)
            continue;
        size_t size = (size_t)c->field->size;
        c->member_slot = integers(b, size);
        c->member_feature = integers(b, size);
        c->member_v = floats(b, size, dim);
        c->member_w = floats(b, size, 1);
        if (c->member_slot == NULL || c->member_feature == NULL || c->member_v == NULL ||
            c->member_w == NULL)
            return false;
        memset(c->member_slot, -1, size * sizeof(*c->member_slot));
    }
    *ret_entries = entries;
    return true;
}

static bool
make_lanes(struct mq_deepfm_batch *b)
{
    const struct mq_deepfm *model = b->model;
    size_t dense = (size_t)model->dense_count, slice = (size_t)MQ_MIN(b->capacity, MQ_DEEPFM_SLICE);
    int lanes = mq_pool_threads(b->pool);
    b->lanes = mq_arena_array(&b->memory, (size_t)lanes, sizeof(*b->lanes));
    if (b->lanes == NULL)
        return false;
    for (int i = 0; i < lanes; i++) {
        struct lane *lane = &b->lanes[i];
        lane->x = floats(b, slice, dense);
        lane->term = floats(b, dense, 1);
        lane->sum = floats(b, slice, (size_t)model->dim);
        lane->logit = floats(b, slice, 1);
        if (lane->x == NULL || lane->term == NULL || lane->sum == NULL || lane->logit == NULL)
            return false;
        for (int32_t l = 0; l < model->layer_count; l++) {
            lane->z[l] = floats(b, slice, (size_t)model->width[l]);
            lane->delta[l] =
                l > 0 && b->backward ? floats(b, slice, (size_t)model->width[l]) : NULL;
            if (lane->z[l] == NULL || (l > 0 && b->backward && lane->delta[l] == NULL))
                return false;
        }
    }
    return true;
}

static bool
make_backward(struct mq_deepfm_batch *b, size_t entries, size_t chunks)
{
    const struct mq_deepfm *model = b->model;
    size_t dim = (size_t)model->dim, width = (size_t)b->width0;
    size_t dense = (size_t)model->dense_count, capacity = (size_t)b->capacity;
    size_t slices = (capacity + MQ_DEEPFM_SLICE - 1) / MQ_DEEPFM_SLICE;
    bool mlp = model->layer_count > 0;
    b->layers_from = (size_t)((mlp ? model->kernel[0] : model->bias) - model->parameters);
    b->layers_count = model->parameter_count - b->layers_from;
    b->tail_from = (size_t)((mlp ? model->offset[0] : model->bias) - model->parameters);
    b->tail_count = model->parameter_count - b->tail_from;
    b->partial_stride = (dense * (width + dim + 2) + 15) / 16 * 16 + b->tail_count;
    b->entry_v = floats(b, entries, dim);
    b->entry_w = floats(b, entries, 1);
    b->entry_feature = integers(b, entries);
    b->delta0 = floats(b, capacity, width);
    b->pull = floats(b, capacity, dim);
    b->slope = floats(b, capacity, 1);
    b->partial = floats(b, slices, b->partial_stride);
    b->slice_loss = mq_arena_array(&b->memory, slices, sizeof(double));
    b->chunk_kernel = floats(b, chunks, dim * width);
    b->dense_feature = integers(b, dense);
    b->dense_v = floats(b, dense, dim);
    b->dense_w = floats(b, dense, 1);
    b->layers = floats(b, b->layers_count, 1);
    if (b->entry_v == NULL || b->entry_w == NULL || b->entry_feature == NULL || b->delta0 == NULL ||
        b->pull == NULL || b->slope == NULL || b->partial == NULL || b->slice_loss == NULL ||
        b->chunk_kernel == NULL || b->dense_feature == NULL || b->dense_v == NULL ||
        b->dense_w == NULL || b->layers == NULL)
        return false;
    for (int32_t d = 0; d < model->dense_count; d++)
        b->dense_feature[d] = model->fields[d].first;
    return true;
}

enum mq_status
mq_deepfm_batch_new(const struct mq_deepfm *model, const struct mq_deepfm_rows *rows,
                    int32_t capacity, bool backward, struct mq_pool *pool,
                    struct mq_deepfm_batch **ret_batch, struct mq_error *err)
{
    struct mq_deepfm_batch *b = calloc(1, sizeof(*b));
    if (b == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a batch of %d rows", capacity);
    b->model = model;
    b->rows = rows;
    b->pool = pool;
    b->kernels = mq_kernels();
    b->capacity = MQ_MAX(capacity, 1);
    b->backward = backward;
    b->column_count = model->field_count - model->dense_count;
    b->width0 = model->layer_count > 0 ? model->width[0] : 0;
    size_t dim = (size_t)model->dim, width = (size_t)b->width0;
    size_t dense = (size_t)model->dense_count, columns = (size_t)b->column_count;
    b->columns = mq_arena_array(&b->memory, MQ_MAX(columns, 1), sizeof(*b->columns));
    int64_t entries = 0;
    bool made = b->columns != NULL && make_columns(b, &entries);
    if (made) {
        /* Every chunk but the last of its column holds CHUNK_ENTRIES entries or CHUNK_ROWS rows. */
        size_t chunks =
            (size_t)entries / CHUNK_ENTRIES + columns * ((size_t)b->capacity / CHUNK_ROWS + 2);
        b->chunks = mq_arena_array(&b->memory, MQ_MAX(chunks, 1), sizeof(*b->chunks));
        b->entry_id = integers(b, (size_t)entries);
        b->start = integers(b, (size_t)entries + columns);
        b->vector = floats(b, (size_t)entries, dim);
        b->hidden = floats(b, (size_t)entries, width);
        b->scalar = floats(b, (size_t)entries, 1);
        b->local = integers(b, (size_t)b->capacity * columns);
        b->dense_hidden = floats(b, dense, width);
        b->dense_square = floats(b, dense, 1);
        b->mean = floats(b, dense, 1);
        b->scale = floats(b, dense, 1);
        made = b->chunks != NULL && b->entry_id != NULL && b->start != NULL && b->vector != NULL &&
               b->hidden != NULL && b->scalar != NULL && b->local != NULL &&
               b->dense_hidden != NULL && b->dense_square != NULL && b->mean != NULL &&
               b->scale != NULL && make_lanes(b) &&
               (!backward || make_backward(b, (size_t)entries, chunks));
    }
    if (!made) {
        mq_deepfm_batch_free(b);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a batch of %d rows of %d fields", capacity,
                       model->field_count);
    }
    for (size_t d = 0; d < dense; d++) {
        b->mean[d] = model->fields[d].mean;
        b->scale[d] = model->fields[d].scale;
    }
    *ret_batch = b;
    return MQ_OK;
}

void
mq_deepfm_batch_free(struct mq_deepfm_batch *b)
{
    if (b == NULL)
        return;
    mq_arena_release(&b->memory);
    free(b);
}

static enum mq_status
prepare(struct mq_deepfm_batch *b, struct mq_error *err)
{
    enum mq_status st = mq_pool_for(b->pool, b->column_count, 1, mq_deepfm_number_columns, b, err);
    if (st != MQ_OK)
        return st;
    mq_deepfm_cut_chunks(b);
    return mq_pool_for(b->pool, b->chunk_count + 1, 1, mq_deepfm_project_entries, b, err);
}

enum mq_status
mq_deepfm_batch_forward(struct mq_deepfm_batch *b, int64_t begin, int32_t n, float *ret_prob,
                        struct mq_error *err)
{
    b->order = NULL;
    b->begin = begin;
    b->n = n;
    b->with_gradient = false;
    b->ret_prob = ret_prob;
    enum mq_status st = prepare(b, err);
    if (st != MQ_OK)
        return st;
    return mq_pool_for(b->pool, (n + MQ_DEEPFM_SLICE - 1) / MQ_DEEPFM_SLICE, 1, mq_deepfm_pass_rows,
                       b, err);
}

static enum mq_status
gather_halves(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct mq_deepfm_batch *b = context;
    size_t dim = (size_t)b->model->dim, width = (size_t)b->width0;
    size_t columns = (size_t)b->column_count;
    for (int64_t i = begin; i < end; i++) {
        const int32_t *local = b->local + (size_t)i * columns;
        b->kernels->gather_sum(b->vector, dim, local, columns, b->ret_vector + (size_t)i * dim);
        if (width > 0)
            b->kernels->gather_sum(b->hidden, width, local, columns,
                                   b->ret_hidden + (size_t)i * width);
        float scalar = 0;
        for (size_t k = 0; k < columns; k++)
            scalar += b->scalar[local[k]];
        b->ret_scalar[i] = scalar;
    }
    return MQ_OK;
}

enum mq_status
mq_deepfm_batch_halves(struct mq_deepfm_batch *b, int64_t begin, int32_t n, float *ret_hidden,
                       float *ret_vector, float *ret_scalar, struct mq_error *err)
{
    b->order = NULL;
    b->begin = begin;
    b->n = n;
    b->with_gradient = false;
    b->ret_hidden = ret_hidden;
    b->ret_vector = ret_vector;
    b->ret_scalar = ret_scalar;
    enum mq_status st = prepare(b, err);
    if (st != MQ_OK)
        return st;
    return mq_pool_for(b->pool, n, MQ_DEEPFM_SLICE, gather_halves, b, err);
}

enum mq_status
mq_deepfm_batch_gradient(struct mq_deepfm_batch *b, const int32_t *order, int32_t n, float dropout,
                         uint64_t seed, double *ret_loss, struct mq_error *err)
{
    b->order = order;
    b->begin = 0;
    b->n = n;
    b->with_gradient = true;
    b->dropout = dropout;
    b->seed = seed;
    int64_t slices = (n + MQ_DEEPFM_SLICE - 1) / MQ_DEEPFM_SLICE;
    enum mq_status st = prepare(b, err);
    if (st == MQ_OK)
        st = mq_pool_for(b->pool, slices, 1, mq_deepfm_pass_rows, b, err);
    if (st == MQ_OK)
        st = mq_pool_for(b->pool, b->chunk_count + 2, 1, mq_deepfm_pass_entries, b, err);
    if (st == MQ_OK)
        st = mq_pool_for(b->pool, b->column_count, 1, mq_deepfm_pass_fields, b, err);
    if (st != MQ_OK)
        return st;
    double loss = 0;
    for (int64_t s = 0; s < slices; s++)
        loss += b->slice_loss[s];
    if (ret_loss != NULL)
        *ret_loss = loss / (double)n;
    return MQ_OK;
}

int32_t
mq_deepfm_batch_segments(const struct mq_deepfm_batch *b)
{
    return b->column_count + 1;
}

struct mq_deepfm_feature_gradient
mq_deepfm_batch_segment(const struct mq_deepfm_batch *b, int32_t segment)
{
    if (segment == b->column_count)
        return (struct mq_deepfm_feature_gradient){.count = b->model->dense_count,
                                                   .feature = b->dense_feature,
                                                   .w = b->dense_w,
                                                   .v = b->dense_v};
    const struct column *c = &b->columns[segment];
    if (c->bag >= 0)
        return (struct mq_deepfm_feature_gradient){
            .count = c->members, .feature = c->member_feature, .w = c->member_w, .v = c->member_v};
    return (struct mq_deepfm_feature_gradient){.count = c->entries,
                                               .feature = b->entry_feature + c->base,
                                               .w = b->entry_w + c->base,
                                               .v = b->entry_v +
                                                    (size_t)c->base * (size_t)b->model->dim};
}

const float *
mq_deepfm_batch_layers(const struct mq_deepfm_batch *b, size_t *ret_from, size_t *ret_count)
{
    *ret_from = b->layers_from;
    *ret_count = b->layers_count;
    return b->layers;
}
