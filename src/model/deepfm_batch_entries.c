/* Phases 1 and 2 of a DeepFM batch: distinct ids become entries, entries become vectors. */
#include <string.h>

#include "base/memory.h"
#include "math/blas.h"
#include "model/deepfm_batch_parts.h"

/* --- 1: number the distinct ids of a column, group rows by them --- */

enum mq_status
mq_deepfm_number_columns(void *context, int64_t begin, int64_t end, int worker,
                         struct mq_error *err)
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

void
mq_deepfm_cut_chunks(struct mq_deepfm_batch *b)
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

enum mq_status
mq_deepfm_project_entries(void *context, int64_t begin, int64_t end, int worker,
                          struct mq_error *err)
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
