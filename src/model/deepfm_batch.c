/* Forward and backward of one batch (docs/decisions/deepfm-algebra.md). Phases, each one loop over
 * the pool whose pieces write to their own places:
 *   1 number   by field: distinct ids become entries; rows are grouped by entry
 *   2 project  by chunk of entries: vectors, hidden halves, scalars
 *   3 rows     by slice of rows: gather, layers, loss, deltas; sums over the slice
 *   4 entries  by chunk of entries: sums of deltas, gradients of vectors, part of W1's
 *   5 fields   by field: W1's parts added up; bags handed down to their members
 */
#include "model/deepfm_batch.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "math/blas.h"
#include "math/kernels.h"

/* A chunk ends at so many entries, or so many rows of them. */
#define CHUNK_ENTRIES 256
#define CHUNK_ROWS 1024
/* Rows of a batch lie anywhere in the columns: they are fetched so many rows ahead. */
#define AHEAD 16

/* A category or bag field. */
struct column {
    const struct mq_deepfm_field *field;
    int32_t number;   /* of the field in the model */
    int32_t bag;      /* of the bag field, -1 for a category */
    int32_t bound;    /* ids, or bags */
    int32_t base;     /* its first entry */
    int32_t entries;  /* in this batch */
    int32_t *slot;    /* [bound] entry within the column, -1 none; all -1 between batches */
    int32_t *grouped; /* [capacity] places in the batch, by entry */
    /* members of this batch's bags */
    int32_t members;
    int32_t *member_slot;    /* [size], -1 none */
    int32_t *member_feature; /* [size] feature ids */
    float *member_v, *member_w;
};

struct chunk {
    int32_t column, begin, end; /* entries */
};

/* Scratch of one worker. */
struct lane {
    float *x;                           /* [SLICE, dense] standardised */
    float *term;                        /* [SLICE, dense] */
    float *sum;                         /* [SLICE, dim] Σ e */
    float *logit;                       /* [SLICE] */
    float *z[MQ_DEEPFM_LAYERS_MAX];     /* [SLICE, width] */
    float *delta[MQ_DEEPFM_LAYERS_MAX]; /* [SLICE, width], from layer 1 on */
};

struct mq_deepfm_batch {
    const struct mq_deepfm *model;
    const struct mq_deepfm_rows *rows;
    struct mq_pool *pool;
    const struct mq_kernels *kernels;
    int32_t capacity;
    bool backward;
    int32_t column_count, width0;
    struct column *columns;
    struct mq_arena memory;

    /* by entry, columns one after the other */
    int32_t *entry_id; /* id or bag */
    int32_t *start;    /* [entries + 1 per column] first of its group in `grouped` */
    float *vector, *hidden, *scalar;
    float *entry_v, *entry_w; /* gradients */
    int32_t *entry_feature;   /* feature ids of category entries */
    struct chunk *chunks;
    int32_t chunk_count;

    /* by row of the batch */
    int32_t *local;               /* [capacity, columns] entries */
    float *delta0, *pull, *slope; /* [capacity, width0], [capacity, dim] g·sum, [capacity] g */

    float *dense_hidden; /* [dense, width0] */
    float *dense_square; /* [dense] |v|² */
    float *mean, *scale; /* [dense] */

    /* sums by slice: M [dense,width0] | V [dense,dim] | w [dense] | x² [dense] | tail */
    float *partial;
    size_t partial_stride, tail_from, tail_count;
    double *slice_loss;
    float *chunk_kernel; /* [chunks, dim, width0] */
    int32_t *dense_feature;
    float *dense_v, *dense_w;
    float *layers; /* gradient parallel to parameters from layers_from on */
    size_t layers_from, layers_count;

    struct lane *lanes;

    /* the call at hand */
    const int32_t *order;
    int64_t begin;
    int32_t n;
    bool with_gradient;
    float dropout;
    uint64_t seed;
    float *ret_prob, *ret_hidden, *ret_vector, *ret_scalar;
};

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

/* --- 1: number the distinct ids of a column, group rows by them --- */

static inline int64_t
row_at(const struct mq_deepfm_batch *b, int32_t i)
{
    return b->order != NULL ? b->order[i] : b->begin + i;
}

static enum mq_status
number_columns(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct mq_deepfm_batch *b = context;
    for (int64_t k = begin; k < end; k++) {
        struct column *c = &b->columns[k];
        const int32_t *ids = b->rows->ids[k];
        int32_t *entry_id = b->entry_id + c->base;
        int32_t *start = b->start + c->base + k;
        int32_t *local = b->local + k;
        int32_t entries = 0;
        start[0] = 0;
        for (int32_t i = 0; i < b->n; i++) {
            int32_t id = ids[row_at(b, i)];
            if (i + AHEAD < b->n)
                __builtin_prefetch(&ids[row_at(b, i + AHEAD)]);
            if ((uint32_t)id >= (uint32_t)c->bound)
                id = 0;
            int32_t e = c->slot[id];
            if (e < 0) {
                e = entries++;
                c->slot[id] = e;
                entry_id[e] = id;
                start[e + 1] = 0;
            }
            start[e + 1]++;
            local[(int64_t)i * b->column_count] = c->base + e;
        }
        c->entries = entries;
        for (int32_t e = 0; e < entries; e++) {
            c->slot[entry_id[e]] = -1;
            start[e + 1] += start[e];
        }
        if (!b->with_gradient)
            continue;
        /* Filling moves every start to its end, which is the next one's start: move them back. */
        for (int32_t i = 0; i < b->n; i++)
            c->grouped[start[local[(int64_t)i * b->column_count] - c->base]++] = i;
        for (int32_t e = entries; e > 0; e--)
            start[e] = start[e - 1];
        start[0] = 0;
        if (c->bag < 0)
            for (int32_t e = 0; e < entries; e++)
                b->entry_feature[c->base + e] = c->field->first + entry_id[e];
    }
    return MQ_OK;
}

static void
cut_chunks(struct mq_deepfm_batch *b)
{
    b->chunk_count = 0;
    for (int32_t k = 0; k < b->column_count; k++) {
        const struct column *c = &b->columns[k];
        const int32_t *start = b->start + c->base + k;
        for (int32_t e = 0; e < c->entries;) {
            int32_t begin = e;
            while (e < c->entries && e - begin < CHUNK_ENTRIES &&
                   start[e] - start[begin] < CHUNK_ROWS)
                e++;
            b->chunks[b->chunk_count++] = (struct chunk){.column = k, .begin = begin, .end = e};
        }
    }
}

/* --- 2: vectors, hidden halves and scalars of entries --- */

/* Feature id of member m of a bag; what is out of range is the reserved one. */
static inline int32_t
member_at(const struct mq_deepfm_batch *b, const struct column *c, int64_t m)
{
    int32_t id = b->rows->bag_ids[c->bag][m];
    return c->field->first + ((uint32_t)id < (uint32_t)c->field->size ? id : 0);
}

static inline void
bag_range(const struct mq_deepfm_batch *b, const struct column *c, int32_t bag, int64_t *ret_begin,
          int64_t *ret_end)
{
    *ret_begin = b->rows->bag_offset[c->bag][bag];
    *ret_end = b->rows->bag_offset[c->bag][bag + 1];
}

/* The mean of a bag's vectors and weights; an empty bag is its reserved feature. */
static float
bag_vector(const struct mq_deepfm_batch *b, const struct column *c, int32_t bag, float *ret_vector)
{
    const struct mq_deepfm *model = b->model;
    size_t dim = (size_t)model->dim;
    int64_t begin, end;
    bag_range(b, c, bag, &begin, &end);
    if (begin == end) {
        memcpy(ret_vector, model->v + (size_t)c->field->first * dim, dim * sizeof(float));
        return model->w[c->field->first];
    }
    float w = 0, share = 1.0f / (float)(end - begin);
    memset(ret_vector, 0, dim * sizeof(float));
    for (int64_t m = begin; m < end; m++) {
        int32_t feature = member_at(b, c, m);
        b->kernels->axpy(share, model->v + (size_t)feature * dim, ret_vector, dim);
        w += share * model->w[feature];
    }
    return w;
}

static enum mq_status
project_entries(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct mq_deepfm_batch *b = context;
    const struct mq_deepfm *model = b->model;
    size_t dim = (size_t)model->dim, width = (size_t)b->width0;
    for (int64_t i = begin; i < end; i++) {
        if (i == b->chunk_count) { /* one more piece: the dense fields */
            mq_deepfm_dense_hidden(model, b->dense_hidden);
            for (int32_t d = 0; d < model->dense_count; d++) {
                const float *v = model->v + (size_t)model->fields[d].first * dim;
                b->dense_square[d] = b->kernels->dot(v, v, dim);
            }
            continue;
        }
        const struct chunk *chunk = &b->chunks[i];
        const struct column *c = &b->columns[chunk->column];
        size_t first = (size_t)(c->base + chunk->begin);
        int32_t count = chunk->end - chunk->begin;
        for (size_t e = first; e < first + (size_t)count; e++) {
            float *vector = b->vector + e * dim;
            float w;
            if (c->bag >= 0) {
                w = bag_vector(b, c, b->entry_id[e], vector);
            } else {
                size_t feature = (size_t)(c->field->first + b->entry_id[e]);
                memcpy(vector, model->v + feature * dim, dim * sizeof(float));
                w = model->w[feature];
            }
            b->scalar[e] = w - 0.5f * b->kernels->dot(vector, vector, dim);
        }
        if (width > 0)
            mq_sgemm_nn(count, (int64_t)width, (int64_t)dim, b->vector + first * dim,
                        model->kernel[0] + (size_t)c->number * dim * width, 0.0f,
                        b->hidden + first * width);
    }
    return MQ_OK;
}

/* --- 3: slices of rows --- */

/* Leave out hidden units: a dropped one is 0, which the ReLU's backward takes for closed. */
static void
drop_units(const struct mq_deepfm_batch *b, int32_t layer, int32_t first, int32_t rows, float *z)
{
    size_t width = (size_t)b->model->width[layer];
    uint32_t threshold = (uint32_t)(b->dropout * 65536.0f);
    float scale = 1.0f / (1.0f - b->dropout);
    for (int32_t i = 0; i < rows; i++, z += width) {
        struct mq_rng rng;
        mq_rng_init(&rng, b->seed, ((uint64_t)layer << 32) | (uint32_t)(first + i));
        for (size_t j = 0; j < width; j += 4) {
            uint64_t bits = mq_rng_next(&rng);
            for (size_t u = j; u < MQ_MIN(j + 4, width); u++, bits >>= 16)
                z[u] = (bits & 0xffff) < threshold ? 0.0f : z[u] * scale;
        }
    }
}

/* Dense values of a row of the batch. */
static inline const float *
dense_at(const struct mq_deepfm_batch *b, int32_t i)
{
    int64_t row = row_at(b, i);
    int64_t at = b->rows->dense_row != NULL ? b->rows->dense_row[row] : row;
    return b->rows->dense + (size_t)at * (size_t)b->model->dense_count;
}

/* Logits of a slice into lane->logit; activations stay in the lane. */
static void
slice_forward(const struct mq_deepfm_batch *b, struct lane *lane, int32_t first, int32_t rows)
{
    const struct mq_deepfm *model = b->model;
    const struct mq_kernels *kernels = b->kernels;
    size_t dim = (size_t)model->dim, width = (size_t)b->width0, dense = (size_t)model->dense_count;
    size_t columns = (size_t)b->column_count;
    for (int32_t i = 0; i < rows; i++) {
        const int32_t *local = b->local + (size_t)(first + i) * columns;
        kernels->gather_sum(b->vector, dim, local, columns, lane->sum + (size_t)i * dim);
        if (width > 0)
            kernels->gather_sum(b->hidden, width, local, columns, lane->z[0] + (size_t)i * width);
        float scalar = model->bias[0];
        for (size_t k = 0; k < columns; k++)
            scalar += b->scalar[local[k]];
        lane->logit[i] = scalar;
    }
    if (dense > 0) {
        const float *w = model->w; /* dense fields come first: feature d is field d */
        for (int32_t i = 0; i < rows; i++) {
            const float *raw = dense_at(b, first + i);
            if (i + AHEAD < rows)
                for (size_t d = 0; d < dense; d += 16)
                    __builtin_prefetch(dense_at(b, first + i + AHEAD) + d);
            float *x = lane->x + (size_t)i * dense, *term = lane->term;
            for (size_t d = 0; d < dense; d++) {
                x[d] = (raw[d] - b->mean[d]) * b->scale[d];
                term[d] = x[d] * (w[d] - 0.5f * x[d] * b->dense_square[d]);
            }
            lane->logit[i] += kernels->sum(term, dense);
        }
        mq_sgemm_nn(rows, (int64_t)dim, (int64_t)dense, lane->x, model->v, 1.0f, lane->sum);
        if (width > 0)
            mq_sgemm_nn(rows, (int64_t)width, (int64_t)dense, lane->x, b->dense_hidden, 1.0f,
                        lane->z[0]);
    }
    for (int32_t i = 0; i < rows; i++) {
        const float *sum = lane->sum + (size_t)i * dim;
        lane->logit[i] += 0.5f * kernels->dot(sum, sum, dim);
    }
    for (int32_t l = 0; l < model->layer_count; l++) {
        int64_t output = model->width[l];
        if (l > 0)
            mq_sgemm_nn(rows, output, model->width[l - 1], lane->z[l - 1], model->kernel[l], 0.0f,
                        lane->z[l]);
        kernels->bias_relu(lane->z[l], (size_t)rows, (size_t)output, model->offset[l]);
        if (b->with_gradient && b->dropout > 0)
            drop_units(b, l, first, rows, lane->z[l]);
    }
    if (model->layer_count > 0) {
        int32_t last = model->layer_count;
        size_t input = (size_t)model->width[last - 1];
        for (int32_t i = 0; i < rows; i++)
            lane->logit[i] +=
                model->offset[last][0] +
                kernels->dot(lane->z[last - 1] + (size_t)i * input, model->kernel[last], input);
    }
}

/* Place in a slice's tail of a parameter array. */
static inline float *
tail_at(const struct mq_deepfm_batch *b, float *tail, const float *parameter)
{
    return tail + ((size_t)(parameter - b->model->parameters) - b->tail_from);
}

static void
slice_layers_backward(struct mq_deepfm_batch *b, struct lane *lane, int32_t first, int32_t rows,
                      float *tail)
{
    const struct mq_deepfm *model = b->model;
    const struct mq_kernels *kernels = b->kernels;
    const float *slope = b->slope + first;
    int32_t last = model->layer_count;
    float keep = b->dropout > 0 ? 1.0f / (1.0f - b->dropout) : 1.0f;
    for (int32_t l = last - 1; l >= 0; l--) {
        size_t width = (size_t)model->width[l];
        float *delta = l > 0 ? lane->delta[l] : b->delta0 + (size_t)first * width;
        if (l == last - 1) {
            float *kernel = tail_at(b, tail, model->kernel[last]);
            mq_sgemv(true, rows, (int64_t)width, 1.0f, lane->z[l], (int64_t)width, slope, 0.0f,
                     kernel);
            tail_at(b, tail, model->offset[last])[0] = kernels->sum(slope, (size_t)rows);
            memset(delta, 0, (size_t)rows * width * sizeof(float));
            for (int32_t i = 0; i < rows; i++)
                kernels->axpy(slope[i], model->kernel[last], delta + (size_t)i * width, width);
        } else {
            size_t above = (size_t)model->width[l + 1];
            mq_sgemm_tn((int64_t)width, (int64_t)above, rows, lane->z[l], lane->delta[l + 1], 0.0f,
                        tail_at(b, tail, model->kernel[l + 1]));
            mq_sgemm_nt(rows, (int64_t)width, (int64_t)above, lane->delta[l + 1],
                        model->kernel[l + 1], 0.0f, delta);
        }
        if (keep != 1.0f)
            kernels->scale(keep, delta, (size_t)rows * width);
        kernels->relu_backward(lane->z[l], delta, (size_t)rows * width);
        float *offset = tail_at(b, tail, model->offset[l]);
        memset(offset, 0, width * sizeof(float));
        kernels->column_sum(delta, (size_t)rows, width, offset);
    }
}

static void
slice_backward(struct mq_deepfm_batch *b, struct lane *lane, int32_t first, int32_t rows)
{
    const struct mq_deepfm *model = b->model;
    const struct mq_kernels *kernels = b->kernels;
    size_t dim = (size_t)model->dim, width = (size_t)b->width0, dense = (size_t)model->dense_count;
    int32_t slice = first / MQ_DEEPFM_SLICE;
    float *partial = b->partial + (size_t)slice * b->partial_stride;
    float *tail = partial + (b->partial_stride - b->tail_count);
    float *slope = b->slope + first;
    float label[MQ_DEEPFM_SLICE];
    for (int32_t i = 0; i < rows; i++) {
        label[i] = b->rows->label[row_at(b, first + i)];
        if (i + AHEAD < rows)
            __builtin_prefetch(&b->rows->label[row_at(b, first + i + AHEAD)]);
    }
    b->slice_loss[slice] = kernels->log_loss(lane->logit, label, (size_t)rows, slope);
    kernels->scale(1.0f / (float)b->n, slope, (size_t)rows);
    tail_at(b, tail, model->bias)[0] = kernels->sum(slope, (size_t)rows);
    if (width > 0)
        slice_layers_backward(b, lane, first, rows, tail);
    float *pull = b->pull + (size_t)first * dim;
    memcpy(pull, lane->sum, (size_t)rows * dim * sizeof(float));
    for (int32_t i = 0; i < rows; i++)
        kernels->scale(slope[i], pull + (size_t)i * dim, dim);
    if (dense == 0)
        return;
    float *part_m = partial, *part_v = part_m + dense * width, *part_w = part_v + dense * dim,
          *part_q = part_w + dense;
    if (width > 0)
        mq_sgemm_tn((int64_t)dense, (int64_t)width, rows, lane->x,
                    b->delta0 + (size_t)first * width, 0.0f, part_m);
    mq_sgemm_tn((int64_t)dense, (int64_t)dim, rows, lane->x, pull, 0.0f, part_v);
    memset(part_w, 0, 2 * dense * sizeof(float));
    for (int32_t i = 0; i < rows; i++) {
        const float *x = lane->x + (size_t)i * dense;
        float g = slope[i];
        for (size_t d = 0; d < dense; d++) {
            part_w[d] += g * x[d];
            part_q[d] += g * x[d] * x[d];
        }
    }
}

static enum mq_status
pass_rows(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct mq_deepfm_batch *b = context;
    struct lane *lane = &b->lanes[worker];
    for (int64_t slice = begin; slice < end; slice++) {
        int32_t first = (int32_t)slice * MQ_DEEPFM_SLICE;
        int32_t rows = MQ_MIN(b->n - first, MQ_DEEPFM_SLICE);
        slice_forward(b, lane, first, rows);
        if (b->with_gradient)
            slice_backward(b, lane, first, rows);
        else
            b->kernels->sigmoid(lane->logit, b->ret_prob + first, (size_t)rows);
    }
    return MQ_OK;
}

/* --- 4: gradients by entry, and of the dense fields and layers --- */

static void
chunk_backward(struct mq_deepfm_batch *b, int64_t number)
{
    const struct mq_deepfm *model = b->model;
    const struct mq_kernels *kernels = b->kernels;
    const struct chunk *chunk = &b->chunks[number];
    const struct column *c = &b->columns[chunk->column];
    const int32_t *start = b->start + c->base + chunk->column;
    size_t dim = (size_t)model->dim, width = (size_t)b->width0;
    size_t first = (size_t)(c->base + chunk->begin);
    int64_t count = chunk->end - chunk->begin;
    /* The halves of this batch were used up by the rows: their place takes the deltas' sums. */
    float *delta = b->hidden + first * width;
    for (int64_t j = 0; j < count; j++) {
        int32_t e = chunk->begin + (int32_t)j;
        const int32_t *members = c->grouped + start[e];
        size_t size = (size_t)(start[e + 1] - start[e]);
        float *gradient = b->entry_v + (first + (size_t)j) * dim;
        if (width > 0)
            kernels->gather_sum(b->delta0, width, members, size, delta + (size_t)j * width);
        kernels->gather_sum(b->pull, dim, members, size, gradient);
        float slope = 0;
        for (size_t i = 0; i < size; i++)
            slope += b->slope[members[i]];
        b->entry_w[first + (size_t)j] = slope;
        kernels->axpy(-slope, b->vector + (first + (size_t)j) * dim, gradient, dim);
    }
    if (width == 0)
        return;
    mq_sgemm_nt(count, (int64_t)dim, (int64_t)width, delta,
                model->kernel[0] + (size_t)c->number * dim * width, 1.0f, b->entry_v + first * dim);
    mq_sgemm_tn((int64_t)dim, (int64_t)width, count, b->vector + first * dim, delta, 0.0f,
                b->chunk_kernel + (size_t)number * dim * width);
}

/* Sum the slices' parts into the first, then undo the collapse of the dense fields. */
static void
dense_backward(struct mq_deepfm_batch *b)
{
    const struct mq_deepfm *model = b->model;
    const struct mq_kernels *kernels = b->kernels;
    size_t dim = (size_t)model->dim, width = (size_t)b->width0, dense = (size_t)model->dense_count;
    size_t part = dense * (width + dim + 2);
    float *m = b->partial, *v = m + dense * width, *w = v + dense * dim, *q = w + dense;
    for (int32_t first = MQ_DEEPFM_SLICE; first < b->n; first += MQ_DEEPFM_SLICE)
        kernels->add(b->partial + (size_t)(first / MQ_DEEPFM_SLICE) * b->partial_stride, m, part);
    for (size_t d = 0; d < dense; d++) {
        const float *vector = model->v + d * dim;
        float *gradient = b->dense_v + d * dim;
        memcpy(gradient, v + d * dim, dim * sizeof(float));
        kernels->axpy(-q[d], vector, gradient, dim);
        b->dense_w[d] = w[d];
        if (width == 0)
            continue;
        const float *kernel = model->kernel[0] + d * dim * width;
        mq_sgemv(false, (int64_t)dim, (int64_t)width, 1.0f, kernel, (int64_t)width, m + d * width,
                 1.0f, gradient);
        float *out = b->layers + d * dim * width;
        memset(out, 0, dim * width * sizeof(float));
        for (size_t j = 0; j < dim; j++)
            kernels->axpy(vector[j], m + d * width, out + j * width, width);
    }
}

static void
tail_backward(struct mq_deepfm_batch *b)
{
    float *out = b->layers + (b->tail_from - b->layers_from);
    size_t skip = b->partial_stride - b->tail_count;
    memcpy(out, b->partial + skip, b->tail_count * sizeof(float));
    for (int32_t first = MQ_DEEPFM_SLICE; first < b->n; first += MQ_DEEPFM_SLICE)
        b->kernels->add(b->partial + (size_t)(first / MQ_DEEPFM_SLICE) * b->partial_stride + skip,
                        out, b->tail_count);
}

static enum mq_status
pass_entries(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct mq_deepfm_batch *b = context;
    for (int64_t i = begin; i < end; i++) {
        if (i == 0)
            dense_backward(b);
        else if (i == 1)
            tail_backward(b);
        else
            chunk_backward(b, i - 2);
    }
    return MQ_OK;
}

/* --- 5: W1 by field, and the members of bags --- */

static void
members_backward(struct mq_deepfm_batch *b, struct column *c)
{
    size_t dim = (size_t)b->model->dim;
    for (int32_t m = 0; m < c->members; m++)
        c->member_slot[c->member_feature[m] - c->field->first] = -1;
    c->members = 0;
    for (int32_t e = 0; e < c->entries; e++) {
        size_t entry = (size_t)(c->base + e);
        int64_t begin, end;
        bag_range(b, c, b->entry_id[entry], &begin, &end);
        bool empty = begin == end;
        float share = empty ? 1.0f : 1.0f / (float)(end - begin);
        for (int64_t m = begin; m < end + empty; m++) {
            int32_t feature = empty ? c->field->first : member_at(b, c, m);
            int32_t *slot = &c->member_slot[feature - c->field->first];
            if (*slot < 0) {
                *slot = c->members++;
                c->member_feature[*slot] = feature;
                c->member_w[*slot] = 0;
                memset(c->member_v + (size_t)*slot * dim, 0, dim * sizeof(float));
            }
            c->member_w[*slot] += share * b->entry_w[entry];
            b->kernels->axpy(share, b->entry_v + entry * dim, c->member_v + (size_t)*slot * dim,
                             dim);
        }
    }
}

static enum mq_status
pass_fields(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct mq_deepfm_batch *b = context;
    size_t block = (size_t)b->model->dim * (size_t)b->width0;
    for (int64_t k = begin; k < end; k++) {
        struct column *c = &b->columns[k];
        if (block > 0) {
            float *out = b->layers + (size_t)c->number * block;
            memset(out, 0, block * sizeof(float));
            for (int32_t i = 0; i < b->chunk_count; i++)
                if (b->chunks[i].column == k)
                    b->kernels->add(b->chunk_kernel + (size_t)i * block, out, block);
        }
        if (c->bag >= 0)
            members_backward(b, c);
    }
    return MQ_OK;
}

/* --- calls --- */

static enum mq_status
prepare(struct mq_deepfm_batch *b, struct mq_error *err)
{
    enum mq_status st = mq_pool_for(b->pool, b->column_count, 1, number_columns, b, err);
    if (st != MQ_OK)
        return st;
    cut_chunks(b);
    return mq_pool_for(b->pool, b->chunk_count + 1, 1, project_entries, b, err);
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
    return mq_pool_for(b->pool, (n + MQ_DEEPFM_SLICE - 1) / MQ_DEEPFM_SLICE, 1, pass_rows, b, err);
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
        st = mq_pool_for(b->pool, slices, 1, pass_rows, b, err);
    if (st == MQ_OK)
        st = mq_pool_for(b->pool, b->chunk_count + 2, 1, pass_entries, b, err);
    if (st == MQ_OK)
        st = mq_pool_for(b->pool, b->column_count, 1, pass_fields, b, err);
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
