#include "model/youtubednn_shard.h"

#include <string.h>

#include "base/memory.h"
#include "math/blas.h"
#include "math/kernels.h"
#include "model/sampled_softmax.h"

#define DIM MQ_TOWER_DIM
#define USER MQ_TOWER_USER_DIM
#define HISTORY MQ_TOWER_HISTORY
#define WIDTH_1 MQ_TOWER_WIDTH_1
#define WIDTH_2 MQ_TOWER_WIDTH_2

enum mq_status
mq_tower_shard_init(struct mq_tower_shard *shard, const struct mq_user_tower *tower, bool position,
                    int32_t run_max, int32_t negative_most, struct mq_error *err)
{
    struct mq_tower_shard made = {
        .heads = tower->heads, .run_max = run_max, .negative_most = negative_most};
    size_t samples = MQ_TOWER_SHARD, heads = (size_t)tower->heads;
    size_t band = (size_t)run_max + HISTORY - 1;
    struct {
        float **array;
        size_t count;
    } wanted[] = {
        {&made.rows, samples * (HISTORY + 1) * DIM},
        {&made.pooled, samples * heads * DIM},
        {&made.user_rows, samples * USER},
        {&made.user_part, samples * WIDTH_1},
        {&made.hidden1, samples * WIDTH_1},
        {&made.hidden2, samples * WIDTH_2},
        {&made.vector, samples * DIM},
        {&made.d_pooled, samples * heads * DIM},
        {&made.d_hidden1, samples * WIDTH_1},
        {&made.d_hidden2, samples * WIDTH_2},
        {&made.d_vector, samples * DIM},
        {&made.scores, samples * ((size_t)negative_most + 1)},
        {&made.weight, samples},
        {&made.d_rows, ((size_t)run_max + HISTORY) * DIM},
    };
    enum mq_status st = MQ_OK;
    for (size_t i = 0; i < MQ_COUNT(wanted) && st == MQ_OK; i++)
        st = mq_alloc_array(wanted[i].count, sizeof(float), wanted[i].array, err);
    if (st == MQ_OK)
        st = mq_alloc_array(samples, sizeof(int32_t), &made.own_column, err);
    for (int i = 0; i < MQ_TOWER_LAYERS && st == MQ_OK; i++) {
        const struct mq_tower_layer *layer = &tower->layer[i];
        st = mq_alloc_array((size_t)layer->inputs * (size_t)layer->outputs, sizeof(float),
                            &made.kernel[i], err);
        if (st == MQ_OK)
            st = mq_alloc_array((size_t)layer->outputs, sizeof(float), &made.bias[i], err);
    }
    if (position && st == MQ_OK) {
        st = mq_alloc_array(heads * HISTORY, sizeof(float), &made.position, err);
        if (st == MQ_OK)
            st = mq_alloc_array((size_t)run_max * heads * band, sizeof(float), &made.d_toeplitz,
                                err);
    }
    if (st == MQ_OK)
        st = mq_row_gradient_init(&made.user, tower->user_count + 1, USER, MQ_TOWER_SHARD, err);
    if (st == MQ_OK)
        st = mq_row_gradient_init(&made.item, tower->item_count, DIM,
                                  (int64_t)MQ_TOWER_SHARD * (HISTORY + 1) + negative_most, err);
    if (st != MQ_OK) {
        mq_tower_shard_release(&made);
        return st;
    }
    *shard = made;
    return MQ_OK;
}

void
mq_tower_shard_release(struct mq_tower_shard *shard)
{
    if (shard == NULL)
        return;
    float *arrays[] = {shard->rows,      shard->pooled,    shard->user_rows,  shard->user_part,
                       shard->hidden1,   shard->hidden2,   shard->vector,     shard->d_pooled,
                       shard->d_hidden1, shard->d_hidden2, shard->d_vector,   shard->scores,
                       shard->weight,    shard->d_rows,    shard->d_toeplitz, shard->position};
    for (size_t i = 0; i < MQ_COUNT(arrays); i++)
        mq_free(arrays[i]);
    for (int i = 0; i < MQ_TOWER_LAYERS; i++) {
        mq_free(shard->kernel[i]);
        mq_free(shard->bias[i]);
    }
    mq_free(shard->own_column);
    mq_row_gradient_release(&shard->user);
    mq_row_gradient_release(&shard->item);
    *shard = (struct mq_tower_shard){0};
}

void
mq_tower_toeplitz(const struct mq_tower_position *position, int32_t heads, int32_t run_max,
                  float *ret_toeplitz)
{
    int32_t band = run_max + HISTORY - 1;
    for (int32_t j = 0; j < run_max; j++)
        for (int32_t h = 0; h < heads; h++) {
            float *row = ret_toeplitz + (size_t)(j * heads + h) * (size_t)band;
            const float *weight = position->weight + (size_t)h * HISTORY;
            memset(row, 0, sizeof(float) * (size_t)band);
            for (int32_t k = 0; k < HISTORY; k++)
                row[HISTORY - 1 + j - k] = weight[k];
        }
}

/* The run's rows: history right-aligned in the first 50, then its targets. */
static void
gather_run(const struct mq_tower_batch *batch, const struct mq_tower_run *run, float *rows)
{
    const float *table = batch->tower->item;
    int32_t length = MQ_MIN(run->before, HISTORY), empty = HISTORY - length;
    const int32_t *item = batch->item + run->first - length;
    memset(rows, 0, sizeof(float) * (size_t)empty * DIM);
    rows += (size_t)empty * DIM;
    for (int32_t i = 0; i < length + run->count; i++)
        memcpy(rows + (size_t)i * DIM, table + (size_t)item[i] * DIM, sizeof(float) * DIM);
}

static void
pool_mean(const struct mq_tower_run *run, const float *rows, float *pooled)
{
    float sum[DIM] = {0};
    int32_t length = MQ_MIN(run->before, HISTORY);
    for (int32_t r = HISTORY - length; r < HISTORY; r++)
        for (int d = 0; d < DIM; d++)
            sum[d] += rows[r * DIM + d];
    for (int32_t j = 0; j < run->count; j++) {
        float share = 1.0f / (float)MQ_MIN(run->before + j, HISTORY);
        const float *oldest = rows + (size_t)j * DIM, *newest = oldest + HISTORY * DIM;
        float *restrict to = pooled + (size_t)j * DIM;
        for (int d = 0; d < DIM; d++) {
            to[d] = sum[d] * share;
            sum[d] += newest[d] - oldest[d];
        }
    }
}

/* By 1/Σ of weights, which differs from head to head and from length to length. */
static void
scale_heads(const struct mq_tower_batch *batch, const struct mq_tower_run *run, float *pooled)
{
    int32_t heads = batch->tower->heads;
    for (int32_t j = 0; j < run->count; j++) {
        int32_t length = MQ_MIN(run->before + j, HISTORY);
        const float *scale = batch->position->scale + (size_t)length * (size_t)heads;
        for (int32_t h = 0; h < heads; h++)
            for (int d = 0; d < DIM; d++)
                *pooled++ *= scale[h];
    }
}

static void
pool_position(const struct mq_tower_batch *batch, const struct mq_tower_run *run, const float *rows,
              float *pooled)
{
    int32_t heads = batch->tower->heads, band = batch->run_max + HISTORY - 1;
    mq_sgemm(false, false, run->count * heads, DIM, run->count + HISTORY - 1, 1.0f, batch->toeplitz,
             band, rows, DIM, 0.0f, pooled, DIM);
    scale_heads(batch, run, pooled);
}

/* Gradient of the run's rows from that of its pooled vectors: the running sum, backwards. */
static void
unpool_mean(const struct mq_tower_run *run, float *d_pooled, float *d_rows)
{
    float sum[DIM] = {0};
    int32_t rows = HISTORY + run->count - 1;
    for (int32_t j = 0; j < run->count; j++) {
        float share = 1.0f / (float)MQ_MIN(run->before + j, HISTORY);
        for (int d = 0; d < DIM; d++)
            d_pooled[j * DIM + d] *= share;
    }
    for (int32_t r = 0; r < rows; r++) {
        if (r < run->count)
            for (int d = 0; d < DIM; d++)
                sum[d] += d_pooled[r * DIM + d];
        if (r >= HISTORY)
            for (int d = 0; d < DIM; d++)
                sum[d] -= d_pooled[(r - HISTORY) * DIM + d];
        memcpy(d_rows + (size_t)r * DIM, sum, sizeof(sum));
    }
}

static void
unpool_position(struct mq_tower_shard *shard, const struct mq_tower_batch *batch,
                const struct mq_tower_run *run, const float *rows, float *d_pooled)
{
    int32_t heads = shard->heads, band = batch->run_max + HISTORY - 1;
    int32_t m = run->count * heads, n = run->count + HISTORY - 1;
    scale_heads(batch, run, d_pooled);
    mq_sgemm(true, false, n, DIM, m, 1.0f, batch->toeplitz, band, d_pooled, DIM, 0.0f,
             shard->d_rows, DIM);
    mq_sgemm(false, true, m, n, DIM, 1.0f, d_pooled, DIM, rows, DIM, 1.0f, shard->d_toeplitz, band);
}

/* Sums along the diagonals: entry (j, h; 49 + j - k) is weight[h][k]. */
static void
sum_diagonals(struct mq_tower_shard *shard)
{
    int32_t band = shard->run_max + HISTORY - 1;
    memset(shard->position, 0, sizeof(float) * (size_t)shard->heads * HISTORY);
    for (int32_t j = 0; j < shard->run_max; j++)
        for (int32_t h = 0; h < shard->heads; h++) {
            const float *row = shard->d_toeplitz + (size_t)(j * shard->heads + h) * (size_t)band;
            float *weight = shard->position + (size_t)h * HISTORY;
            for (int32_t k = 0; k < HISTORY; k++)
                weight[k] += row[HISTORY - 1 + j - k];
        }
}

/* Forward through the tower; returns the number of samples. */
static int32_t
forward(struct mq_tower_shard *shard, const struct mq_tower_batch *batch,
        const struct mq_tower_run *runs, int32_t run_count)
{
    const struct mq_kernels *kernels = mq_kernels();
    const struct mq_tower_layer *layer = batch->tower->layer;
    int32_t wide = shard->heads * DIM, n = 0;
    float *rows = shard->rows;
    for (int32_t r = 0; r < run_count; r++) {
        const struct mq_tower_run *run = &runs[r];
        gather_run(batch, run, rows);
        float *pooled = shard->pooled + (size_t)n * (size_t)wide;
        if (batch->position == NULL)
            pool_mean(run, rows, pooled);
        else
            pool_position(batch, run, rows, pooled);
        memcpy(shard->user_rows + (size_t)r * USER, batch->tower->user + (size_t)run->user * USER,
               sizeof(float) * USER);
        rows += (size_t)(HISTORY + run->count) * DIM;
        n += run->count;
    }
    mq_sgemm_nn(run_count, WIDTH_1, USER, shard->user_rows, layer[0].kernel, 0.0f,
                shard->user_part);
    kernels->bias_add(shard->user_part, (size_t)run_count, WIDTH_1, layer[0].bias);
    float *hidden = shard->hidden1;
    for (int32_t r = 0; r < run_count; r++)
        for (int32_t j = 0; j < runs[r].count; j++, hidden += WIDTH_1)
            memcpy(hidden, shard->user_part + (size_t)r * WIDTH_1, sizeof(float) * WIDTH_1);
    mq_sgemm_nn(n, WIDTH_1, wide, shard->pooled, layer[0].kernel + USER * WIDTH_1, 1.0f,
                shard->hidden1);
    kernels->relu(shard->hidden1, (size_t)n * WIDTH_1);
    mq_sgemm_nn(n, WIDTH_2, WIDTH_1, shard->hidden1, layer[1].kernel, 0.0f, shard->hidden2);
    kernels->bias_relu(shard->hidden2, (size_t)n, WIDTH_2, layer[1].bias);
    mq_sgemm_nn(n, DIM, WIDTH_2, shard->hidden2, layer[2].kernel, 0.0f, shard->vector);
    kernels->bias_add(shard->vector, (size_t)n, DIM, layer[2].bias);
    return n;
}

/* Loss; gradients of the vectors, of the negatives and (into the gathered rows' place) targets. */
static void
softmax(struct mq_tower_shard *shard, const struct mq_tower_batch *batch,
        const struct mq_tower_run *runs, int32_t run_count, int32_t n)
{
    const struct mq_kernels *kernels = mq_kernels();
    int32_t m = batch->negative_count, s = 0;
    size_t width = (size_t)m + 1;
    /* Negatives take the first places, in order: their gradient is one product, and a target's
     * place below m is the column that must be left out. */
    for (int32_t j = 0; j < m; j++) {
        shard->item.slot[batch->negative[j]] = j;
        shard->item.rows[j] = batch->negative[j];
    }
    shard->item.count = m;
    mq_sgemm(false, true, n, m, DIM, 1.0f, shard->vector, DIM, batch->negative_vector, DIM, 0.0f,
             shard->scores, (int64_t)width);
    const float *rows = shard->rows;
    for (int32_t r = 0; r < run_count; r++) {
        rows += HISTORY * DIM;
        for (int32_t j = 0; j < runs[r].count; j++, s++, rows += DIM) {
            int32_t target = batch->item[runs[r].first + j], place = shard->item.slot[target];
            shard->own_column[s] = place < m ? place : -1;
            shard->scores[(size_t)s * width + (size_t)m] =
                kernels->dot(shard->vector + (size_t)s * DIM, rows, DIM) -
                batch->log_expected[target];
            shard->weight[s] = batch->weight_factor *
                               (batch->weight != NULL ? batch->weight[runs[r].first + j] : 1.0f);
        }
    }
    shard->loss = mq_sampled_softmax(n, m, shard->scores, batch->negative_correction,
                                     shard->own_column, shard->weight);
    mq_sgemm(true, false, m, DIM, n, 1.0f, shard->scores, (int64_t)width, shard->vector, DIM, 0.0f,
             shard->item.value, DIM);
    mq_sgemm(false, false, n, DIM, m, 1.0f, shard->scores, (int64_t)width, batch->negative_vector,
             DIM, 0.0f, shard->d_vector, DIM);
    rows = shard->rows;
    s = 0;
    for (int32_t r = 0; r < run_count; r++) {
        rows += HISTORY * DIM;
        for (int32_t j = 0; j < runs[r].count; j++, s++, rows += DIM)
            kernels->axpy(shard->scores[(size_t)s * width + (size_t)m], rows,
                          shard->d_vector + (size_t)s * DIM, DIM);
    }
}

static void
backward_layers(struct mq_tower_shard *shard, const struct mq_tower_batch *batch,
                const struct mq_tower_run *runs, int32_t run_count, int32_t n)
{
    const struct mq_kernels *kernels = mq_kernels();
    const struct mq_tower_layer *layer = batch->tower->layer;
    int32_t wide = shard->heads * DIM;
    for (int i = 0; i < MQ_TOWER_LAYERS; i++)
        memset(shard->bias[i], 0, sizeof(float) * (size_t)layer[i].outputs);
    mq_sgemm_tn(WIDTH_2, DIM, n, shard->hidden2, shard->d_vector, 0.0f, shard->kernel[2]);
    kernels->column_sum(shard->d_vector, (size_t)n, DIM, shard->bias[2]);
    mq_sgemm_nt(n, WIDTH_2, DIM, shard->d_vector, layer[2].kernel, 0.0f, shard->d_hidden2);
    kernels->relu_backward(shard->hidden2, shard->d_hidden2, (size_t)n * WIDTH_2);
    mq_sgemm_tn(WIDTH_1, WIDTH_2, n, shard->hidden1, shard->d_hidden2, 0.0f, shard->kernel[1]);
    kernels->column_sum(shard->d_hidden2, (size_t)n, WIDTH_2, shard->bias[1]);
    mq_sgemm_nt(n, WIDTH_1, WIDTH_2, shard->d_hidden2, layer[1].kernel, 0.0f, shard->d_hidden1);
    kernels->relu_backward(shard->hidden1, shard->d_hidden1, (size_t)n * WIDTH_1);
    mq_sgemm_tn(wide, WIDTH_1, n, shard->pooled, shard->d_hidden1, 0.0f,
                shard->kernel[0] + USER * WIDTH_1);
    mq_sgemm_nt(n, wide, WIDTH_1, shard->d_hidden1, layer[0].kernel + USER * WIDTH_1, 0.0f,
                shard->d_pooled);
    /* A run's samples share the user: its part has the sum of their gradients. */
    float *part = shard->user_part, *delta = shard->d_hidden1;
    memset(part, 0, sizeof(float) * (size_t)run_count * WIDTH_1);
    for (int32_t r = 0; r < run_count; r++, part += WIDTH_1) {
        kernels->column_sum(delta, (size_t)runs[r].count, WIDTH_1, part);
        delta += (size_t)runs[r].count * WIDTH_1;
    }
    kernels->column_sum(shard->user_part, (size_t)run_count, WIDTH_1, shard->bias[0]);
    mq_sgemm_tn(USER, WIDTH_1, run_count, shard->user_rows, shard->user_part, 0.0f,
                shard->kernel[0]);
    mq_sgemm_nt(run_count, USER, WIDTH_1, shard->user_part, layer[0].kernel, 0.0f,
                shard->user_rows);
}

static void
backward_rows(struct mq_tower_shard *shard, const struct mq_tower_batch *batch,
              const struct mq_tower_run *runs, int32_t run_count)
{
    const struct mq_kernels *kernels = mq_kernels();
    int32_t wide = shard->heads * DIM, s = 0;
    size_t width = (size_t)batch->negative_count + 1;
    const float *rows = shard->rows;
    mq_row_gradient_clear(&shard->user);
    for (int32_t r = 0; r < run_count; r++) {
        const struct mq_tower_run *run = &runs[r];
        float *d_pooled = shard->d_pooled + (size_t)s * (size_t)wide;
        if (batch->position == NULL)
            unpool_mean(run, d_pooled, shard->d_rows);
        else
            unpool_position(shard, batch, run, rows, d_pooled);
        memset(shard->d_rows + (size_t)(HISTORY + run->count - 1) * DIM, 0, sizeof(float) * DIM);
        for (int32_t j = 0; j < run->count; j++, s++)
            kernels->axpy(shard->scores[(size_t)s * width + width - 1],
                          shard->vector + (size_t)s * DIM,
                          shard->d_rows + (size_t)(HISTORY + j) * DIM, DIM);
        int32_t length = MQ_MIN(run->before, HISTORY);
        const int32_t *item = batch->item + run->first - length;
        const float *d_row = shard->d_rows + (size_t)(HISTORY - length) * DIM;
        for (int32_t i = 0; i < length + run->count; i++, d_row += DIM)
            kernels->add(d_row, mq_row_gradient_at(&shard->item, item[i]), DIM);
        kernels->add(shard->user_rows + (size_t)r * USER,
                     mq_row_gradient_at(&shard->user, run->user), USER);
        rows += (size_t)(HISTORY + run->count) * DIM;
    }
}

void
mq_tower_shard_run(struct mq_tower_shard *shard, const struct mq_tower_batch *batch,
                   const struct mq_tower_run *runs, int32_t run_count)
{
    int32_t band = batch->run_max + HISTORY - 1;
    mq_row_gradient_clear(&shard->item);
    if (batch->position != NULL)
        memset(shard->d_toeplitz, 0,
               sizeof(float) * (size_t)shard->run_max * (size_t)shard->heads * (size_t)band);
    int32_t n = forward(shard, batch, runs, run_count);
    softmax(shard, batch, runs, run_count, n);
    backward_layers(shard, batch, runs, run_count, n);
    backward_rows(shard, batch, runs, run_count);
    if (batch->position != NULL)
        sum_diagonals(shard);
}
