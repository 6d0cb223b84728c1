#include "model/youtubednn.h"

#include <string.h>

#include "base/memory.h"
#include "math/kernels.h"

#define DIM MQ_TOWER_DIM
#define HISTORY MQ_TOWER_HISTORY

/* Users of one range of the forward pass. */
#define RANGE 256

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

/*
 * The forward pass goes user by user through the kernels and not block by block through BLAS, whose
 * rounding of a row depends on where in the block it stands: so a user's vector is the same bytes
 * in a batch, alone, on any thread and in any shard. It costs no more: a layer is one weighted sum
 * of its kernel's rows, which the caches hold.
 */
struct forward {
    const struct mq_user_tower *tower;
    const int32_t *user_codes;
    const int64_t *hist_offset;
    const int32_t *hist_items;
    float *ret_vectors;
};

/* Row numbers 0, 1, 2 …: a dense product said as a weighted sum of rows. */
struct counting {
    int32_t row[MQ_TOWER_USER_DIM + MQ_TOWER_HEADS_MAX * DIM];
};

static void
dense(const struct mq_tower_layer *layer, const struct counting *counting, const float *x,
      bool relu, float *y)
{
    const struct mq_kernels *kernels = mq_kernels();
    size_t outputs = (size_t)layer->outputs;
    kernels->gather_weighted_sum(layer->kernel, outputs, counting->row, x, (size_t)layer->inputs,
                                 y);
    (relu ? kernels->bias_relu : kernels->bias_add)(y, 1, outputs, layer->bias);
}

static void
fill_input(const struct forward *f, int64_t user, float *input)
{
    const struct mq_user_tower *tower = f->tower;
    int32_t code = f->user_codes[user], newest[HISTORY], length = 0;
    if (code < 0 || code > tower->user_count)
        code = tower->user_count;
    memcpy(input, tower->user + (size_t)code * MQ_TOWER_USER_DIM,
           sizeof(float) * MQ_TOWER_USER_DIM);
    input += MQ_TOWER_USER_DIM;
    for (int64_t i = f->hist_offset[user + 1]; i > f->hist_offset[user] && length < HISTORY; i--) {
        int32_t item = f->hist_items[i - 1];
        if (item >= 0 && item < tower->item_count)
            newest[length++] = item;
    }
    const float *weight = tower->pooling + (size_t)length * (size_t)tower->heads * HISTORY;
    for (int32_t h = 0; h < tower->heads; h++, weight += HISTORY, input += DIM)
        mq_kernels()->gather_weighted_sum(tower->item, DIM, newest, weight, (size_t)length, input);
}

static enum mq_status
forward_range(void *context, int64_t begin, int64_t end, int worker, struct mq_error *err)
{
    const struct forward *f = context;
    const struct mq_tower_layer *layer = f->tower->layer;
    struct counting counting;
    float input[MQ_COUNT(counting.row)], hidden1[MQ_TOWER_WIDTH_1], hidden2[MQ_TOWER_WIDTH_2];
    for (size_t i = 0; i < MQ_COUNT(counting.row); i++)
        counting.row[i] = (int32_t)i;
    for (int64_t i = begin; i < end; i++) {
        fill_input(f, i, input);
        dense(&layer[0], &counting, input, true, hidden1);
        dense(&layer[1], &counting, hidden1, true, hidden2);
        dense(&layer[2], &counting, hidden2, false, f->ret_vectors + i * DIM);
    }
    return MQ_OK;
}

enum mq_status
mq_user_tower_forward(const struct mq_user_tower *tower, int64_t n, const int32_t *user_codes,
                      const int64_t *hist_offset, const int32_t *hist_items, float *ret_vectors,
                      struct mq_pool *pool, struct mq_error *err)
{
    struct forward f = {.tower = tower,
                        .user_codes = user_codes,
                        .hist_offset = hist_offset,
                        .hist_items = hist_items,
                        .ret_vectors = ret_vectors};
    return mq_pool_for(pool, n, RANGE, forward_range, &f, err);
}
