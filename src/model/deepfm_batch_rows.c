/* Phase 3 of a DeepFM batch: slices of rows through the layers and back. */
#include <math.h>
#include <string.h>

#include "base/memory.h"
#include "base/rng.h"
#include "math/blas.h"
#include "model/deepfm_batch_parts.h"

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

enum mq_status
mq_deepfm_pass_rows(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
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
