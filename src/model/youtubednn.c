#include "model/youtubednn.h"

#include <string.h>

#include "base/memory.h"
#include "math/blas.h"
#include "math/kernels.h"

#define DIM MQ_TOWER_DIM
#define HISTORY MQ_TOWER_HISTORY

/* Users of one block of the forward pass: enough rows for BLAS, small enough for the caches. */
#define BLOCK 256

enum mq_status
mq_user_tower_new(int32_t user_count, int32_t item_count, int32_t heads,
                  struct mq_user_tower **ret_tower, struct mq_error *err)
{
    if (user_count < 0 || item_count < 0 || heads < 1 || heads > MQ_TOWER_HEADS_MAX)
        return mq_fail(err, MQ_E_RANGE,
                       "cannot make a user tower for %d users, %d items, %d pooling heads "
                       "(allowed: counts of at least 0, 1 to %d heads)",
                       user_count, item_count, heads, MQ_TOWER_HEADS_MAX);
    struct mq_user_tower *tower = NULL;
    enum mq_status st = mq_alloc_array(1, sizeof(*tower), &tower, err);
    if (st != MQ_OK)
        return st;
    tower->user_count = user_count;
    tower->item_count = item_count;
    tower->heads = heads;
    const int32_t widths[MQ_TOWER_LAYERS + 1] = {mq_user_tower_inputs(tower), MQ_TOWER_WIDTH_1,
                                                 MQ_TOWER_WIDTH_2, DIM};
    st = mq_alloc_array((size_t)user_count + 1, sizeof(float) * MQ_TOWER_USER_DIM, &tower->user,
                        err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)item_count, sizeof(float) * DIM, &tower->item, err);
    if (st == MQ_OK)
        st = mq_alloc_array((size_t)(HISTORY + 1) * (size_t)heads, sizeof(float) * HISTORY,
                            &tower->pooling, err);
    for (int i = 0; i < MQ_TOWER_LAYERS && st == MQ_OK; i++) {
        struct mq_tower_layer *layer = &tower->layer[i];
        layer->inputs = widths[i];
        layer->outputs = widths[i + 1];
        st = mq_alloc_array((size_t)widths[i] * (size_t)widths[i + 1], sizeof(float),
                            &layer->kernel, err);
        if (st == MQ_OK)
            st = mq_alloc_array((size_t)widths[i + 1], sizeof(float), &layer->bias, err);
    }
    if (st != MQ_OK) {
        mq_user_tower_free(tower);
        return st;
    }
    *ret_tower = tower;
    return MQ_OK;
}

void
mq_user_tower_free(struct mq_user_tower *tower)
{
    if (tower == NULL)
        return;
    mq_free(tower->user);
    mq_free(tower->item);
    mq_free(tower->pooling);
    for (int i = 0; i < MQ_TOWER_LAYERS; i++) {
        mq_free(tower->layer[i].kernel);
        mq_free(tower->layer[i].bias);
    }
    mq_free(tower);
}

int64_t
mq_history_distinct(int32_t *items, int64_t n, int32_t *seen, int32_t round)
{
    int64_t kept = 0;
    for (int64_t i = 0; i < n; i++) {
        int32_t item = items[i];
        if (seen[item] == round)
            continue;
        seen[item] = round;
        items[kept++] = item;
    }
    return kept;
}

/* What one thread needs for a block. */
struct scratch {
    float *input;   /* [BLOCK, inputs] */
    float *hidden1; /* [BLOCK, 128] */
    float *hidden2; /* [BLOCK, 64] */
    float *rows;    /* [50, 32], newest first */
};

struct forward {
    const struct mq_user_tower *tower;
    int64_t n;
    const int32_t *user_codes;
    const int64_t *hist_offset;
    const int32_t *hist_items;
    float *ret_vectors;
    struct scratch *scratch; /* [threads] */
};

static void
fill_input(const struct forward *f, struct scratch *scratch, int64_t user, float *input)
{
    const struct mq_user_tower *tower = f->tower;
    int32_t code = f->user_codes[user];
    if (code < 0 || code > tower->user_count)
        code = tower->user_count;
    memcpy(input, tower->user + (size_t)code * MQ_TOWER_USER_DIM,
           sizeof(float) * MQ_TOWER_USER_DIM);
    int32_t length = 0;
    for (int64_t i = f->hist_offset[user + 1]; i > f->hist_offset[user] && length < HISTORY; i--) {
        int32_t item = f->hist_items[i - 1];
        if (item >= 0 && item < tower->item_count)
            memcpy(scratch->rows + (length++) * DIM, tower->item + (size_t)item * DIM,
                   sizeof(float) * DIM);
    }
    mq_sgemm(false, false, tower->heads, DIM, length, 1.0f,
             tower->pooling + (size_t)length * (size_t)tower->heads * HISTORY, HISTORY,
             scratch->rows, DIM, 0.0f, input + MQ_TOWER_USER_DIM, DIM);
}

static enum mq_status
forward_block(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    struct forward *f = context;
    struct scratch *scratch = &f->scratch[worker];
    const struct mq_kernels *kernels = mq_kernels();
    const struct mq_tower_layer *layer = f->tower->layer;
    int32_t inputs = layer[0].inputs;
    int64_t n = end - begin;
    for (int64_t i = 0; i < n; i++)
        fill_input(f, scratch, begin + i, scratch->input + i * inputs);
    mq_sgemm_nn(n, MQ_TOWER_WIDTH_1, inputs, scratch->input, layer[0].kernel, 0.0f,
                scratch->hidden1);
    kernels->bias_relu(scratch->hidden1, (size_t)n, MQ_TOWER_WIDTH_1, layer[0].bias);
    mq_sgemm_nn(n, MQ_TOWER_WIDTH_2, MQ_TOWER_WIDTH_1, scratch->hidden1, layer[1].kernel, 0.0f,
                scratch->hidden2);
    kernels->bias_relu(scratch->hidden2, (size_t)n, MQ_TOWER_WIDTH_2, layer[1].bias);
    float *vectors = f->ret_vectors + begin * DIM;
    mq_sgemm_nn(n, DIM, MQ_TOWER_WIDTH_2, scratch->hidden2, layer[2].kernel, 0.0f, vectors);
    kernels->bias_add(vectors, (size_t)n, DIM, layer[2].bias);
    return MQ_OK;
}

enum mq_status
mq_user_tower_forward(const struct mq_user_tower *tower, int64_t n, const int32_t *user_codes,
                      const int64_t *hist_offset, const int32_t *hist_items, float *ret_vectors,
                      struct mq_pool *pool, struct mq_error *err)
{
    struct scratch scratch[MQ_POOL_THREADS_MAX];
    struct forward f = {.tower = tower,
                        .n = n,
                        .user_codes = user_codes,
                        .hist_offset = hist_offset,
                        .hist_items = hist_items,
                        .ret_vectors = ret_vectors,
                        .scratch = scratch};
    int threads = mq_pool_threads(pool);
    size_t inputs = (size_t)mq_user_tower_inputs(tower), block = (size_t)MQ_MIN(n, BLOCK);
    size_t each = block * (inputs + MQ_TOWER_WIDTH_1 + MQ_TOWER_WIDTH_2) + HISTORY * DIM;
    mq_autofree float *memory = NULL;
    enum mq_status st = mq_alloc_array_raw((size_t)threads * each, sizeof(float), &memory, err);
    if (st != MQ_OK)
        return st;
    for (int t = 0; t < threads; t++) {
        float *at = memory + (size_t)t * each;
        scratch[t].rows = at;
        scratch[t].hidden1 = at + HISTORY * DIM;
        scratch[t].hidden2 = scratch[t].hidden1 + block * MQ_TOWER_WIDTH_1;
        scratch[t].input = scratch[t].hidden2 + block * MQ_TOWER_WIDTH_2;
    }
    return mq_pool_for(pool, n, BLOCK, forward_block, &f, err);
}
