/* Phases 4 and 5 of a DeepFM batch: gradients of entries, dense fields, layers and bags. */
#include <string.h>

#include "base/memory.h"
#include "math/blas.h"
#include "model/deepfm_batch_parts.h"

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

enum mq_status
mq_deepfm_pass_entries(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
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

enum mq_status
mq_deepfm_pass_fields(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
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
