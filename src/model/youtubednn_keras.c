/*
 * The user tower as a Keras functional model (docs/formats/user-tower.md):
 *
 *   user_id  [1]       -> Embedding sparse_emb_user_id (U+1,16) -> Reshape [16] ------------.
 *   hist_len [1]       -> Embedding position_weight (51, H·50) -> Reshape [H,50] --.          |
 *   hist_movie_id [50] -> Embedding sparse_seq_emb_hist_movie_id (I,32) ---- Dot [2,1]        |
 *                                                                 -> Reshape [H·32] -- Concatenate
 *   -> Dense dnn_0 128 relu -> Dense dnn_1 64 relu -> Dense dnn_2 32
 *
 * Names of the embeddings are those of the DeepMatch model that older readers know.
 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "format/keras_hdf5.h"
#include "model/youtubednn.h"

#define LAYER_USER "sparse_emb_user_id"
#define LAYER_ITEM "sparse_seq_emb_hist_movie_id"
#define LAYER_POSITION "position_weight"

static const char *const dense_names[MQ_TOWER_LAYERS] = {"dnn_0", "dnn_1", "dnn_2"};

/* ---- writing ---- */

enum { CONFIG_SIZE = 96 };

enum mq_status
mq_user_tower_write(const struct mq_user_tower *tower, struct mq_writer *writer,
                    struct mq_error *err)
{
    if (tower->item_count < 1)
        return mq_fail(err, MQ_E_RANGE,
                       "cannot write a user tower for 0 items (allowed: at least 1)");
    int32_t heads = tower->heads;
    char user[CONFIG_SIZE], item[CONFIG_SIZE], position[CONFIG_SIZE], by_head[CONFIG_SIZE];
    char pooled[CONFIG_SIZE];
    snprintf(user, sizeof(user), "{\"input_dim\":%lld,\"output_dim\":%d}",
             (long long)tower->user_count + 1, MQ_TOWER_USER_DIM);
    snprintf(item, sizeof(item), "{\"input_dim\":%d,\"output_dim\":%d}", tower->item_count,
             MQ_TOWER_DIM);
    snprintf(position, sizeof(position), "{\"input_dim\":%d,\"output_dim\":%d}",
             MQ_TOWER_HISTORY + 1, heads * MQ_TOWER_HISTORY);
    snprintf(by_head, sizeof(by_head), "{\"target_shape\":[%d,%d]}", heads, MQ_TOWER_HISTORY);
    snprintf(pooled, sizeof(pooled), "{\"target_shape\":[%d]}", heads * MQ_TOWER_DIM);
    const char *one = "{\"batch_input_shape\":[null,1],\"dtype\":\"int32\"}";
    const struct mq_keras_layer layers[] = {
        {"InputLayer", "user_id", one, NULL, 0},
        {"InputLayer", "hist_movie_id", "{\"batch_input_shape\":[null,50],\"dtype\":\"int32\"}",
         NULL, 0},
        {"InputLayer", "hist_len", one, NULL, 0},
        {"Embedding", LAYER_USER, user, (const char *const[]){"user_id"}, 1},
        {"Embedding", LAYER_ITEM, item, (const char *const[]){"hist_movie_id"}, 1},
        {"Embedding", LAYER_POSITION, position, (const char *const[]){"hist_len"}, 1},
        {"Reshape", "user", "{\"target_shape\":[16]}", (const char *const[]){LAYER_USER}, 1},
        {"Reshape", "weight_by_head", by_head, (const char *const[]){LAYER_POSITION}, 1},
        {"Dot", "pooling", "{\"axes\":[2,1]}", (const char *const[]){"weight_by_head", LAYER_ITEM},
         2},
        {"Reshape", "pooled", pooled, (const char *const[]){"pooling"}, 1},
        {"Concatenate", "input", "{\"axis\":-1}", (const char *const[]){"user", "pooled"}, 2},
        {"Dense", dense_names[0], "{\"units\":128,\"activation\":\"relu\"}",
         (const char *const[]){"input"}, 1},
        {"Dense", dense_names[1], "{\"units\":64,\"activation\":\"relu\"}", &dense_names[0], 1},
        {"Dense", dense_names[2], "{\"units\":32,\"activation\":\"linear\"}", &dense_names[1], 1},
    };
    struct mq_keras_weight weights[3 + 2 * MQ_TOWER_LAYERS] = {
        {.layer = LAYER_USER,
         .name = "embeddings",
         .rank = 2,
         .shape = {(int64_t)tower->user_count + 1, MQ_TOWER_USER_DIM},
         .data = tower->user},
        {.layer = LAYER_ITEM,
         .name = "embeddings",
         .rank = 2,
         .shape = {tower->item_count, MQ_TOWER_DIM},
         .data = tower->item},
        {.layer = LAYER_POSITION,
         .name = "embeddings",
         .rank = 2,
         .shape = {MQ_TOWER_HISTORY + 1, (int64_t)heads * MQ_TOWER_HISTORY},
         .data = tower->pooling},
    };
    for (int i = 0; i < MQ_TOWER_LAYERS; i++) {
        const struct mq_tower_layer *layer = &tower->layer[i];
        weights[3 + 2 * i] = (struct mq_keras_weight){.layer = dense_names[i],
                                                      .name = "kernel",
                                                      .rank = 2,
                                                      .shape = {layer->inputs, layer->outputs},
                                                      .data = layer->kernel};
        weights[4 + 2 * i] = (struct mq_keras_weight){.layer = dense_names[i],
                                                      .name = "bias",
                                                      .rank = 1,
                                                      .shape = {layer->outputs},
                                                      .data = layer->bias};
    }
    const struct mq_keras_model model = {
        .name = "youtubednn_user_tower",
        .layers = layers,
        .layer_count = MQ_COUNT(layers),
        .weights = weights,
        .weight_count = MQ_COUNT(weights),
        .inputs = (const char *const[]){"user_id", "hist_movie_id", "hist_len"},
        .input_count = 3,
        .outputs = &dense_names[2],
        .output_count = 1,
    };
    return mq_keras_model_write(&model, writer, err);
}

/* ---- reading ---- */

/* A weight of rank 2 with `columns` columns (0: any); *ret_rows and *ret_columns its shape. */
static enum mq_status
find_table(const struct mq_keras_file *file, const char *layer, int64_t columns, int64_t *ret_rows,
           int64_t *ret_columns, struct mq_error *err)
{
    const struct mq_keras_weight_info *info = mq_keras_file_find(file, layer, "embeddings");
    if (info == NULL)
        return mq_fail(err, MQ_E_FORMAT, "no user tower: weight '%s/embeddings' is missing", layer);
    if (info->rank != 2 || info->shape[0] < 1 || info->shape[0] > INT32_MAX ||
        (columns != 0 && info->shape[1] != columns))
        return mq_fail(err, MQ_E_FORMAT,
                       "no user tower: weight '%s/embeddings' has %d dimensions, %lld rows, %lld "
                       "columns (expected 2, at least 1, %lld)",
                       layer, info->rank, (long long)(info->rank > 0 ? info->shape[0] : 0),
                       (long long)(info->rank > 1 ? info->shape[1] : 0), (long long)columns);
    *ret_rows = info->shape[0];
    *ret_columns = info->shape[1];
    return MQ_OK;
}

/* Read a weight of a known size, and refuse values that are not finite. */
static enum mq_status
read_weight(struct mq_keras_file *file, const char *layer, const char *name, int64_t elements,
            float *ret_values, struct mq_error *err)
{
    const struct mq_keras_weight_info *info = mq_keras_file_find(file, layer, name);
    if (info == NULL || info->elements != elements)
        return mq_fail(err, MQ_E_FORMAT,
                       "no user tower: weight '%s/%s' has %lld values (expected %lld)", layer, name,
                       (long long)(info == NULL ? 0 : info->elements), (long long)elements);
    enum mq_status st = mq_keras_file_read(file, info, ret_values, err);
    for (int64_t i = 0; i < elements && st == MQ_OK; i++)
        if (!isfinite(ret_values[i]))
            st = mq_fail(err, MQ_E_FORMAT, "damaged user tower: value %lld of '%s/%s' is %g",
                         (long long)i, layer, name, (double)ret_values[i]);
    return st;
}

static enum mq_status
read_tower(struct mq_keras_file *file, struct mq_user_tower **ret_tower, struct mq_error *err)
{
    int64_t users, items, lengths, width, columns;
    enum mq_status st = find_table(file, LAYER_USER, MQ_TOWER_USER_DIM, &users, &columns, err);
    if (st == MQ_OK)
        st = find_table(file, LAYER_ITEM, MQ_TOWER_DIM, &items, &columns, err);
    if (st == MQ_OK)
        st = find_table(file, LAYER_POSITION, 0, &lengths, &width, err);
    if (st != MQ_OK)
        return st;
    int64_t heads = width / MQ_TOWER_HISTORY;
    if (lengths != MQ_TOWER_HISTORY + 1 || width % MQ_TOWER_HISTORY != 0 || heads < 1 ||
        heads > MQ_TOWER_HEADS_MAX)
        return mq_fail(err, MQ_E_FORMAT,
                       "no user tower: '" LAYER_POSITION
                       "' is %lld by %lld (expected %d by 50 for each of 1 to %d heads)",
                       (long long)lengths, (long long)width, MQ_TOWER_HISTORY + 1,
                       MQ_TOWER_HEADS_MAX);
    struct mq_user_tower *tower = NULL;
    st = mq_user_tower_new((int32_t)(users - 1), (int32_t)items, (int32_t)heads, &tower, err);
    if (st == MQ_OK)
        st = read_weight(file, LAYER_USER, "embeddings", users * MQ_TOWER_USER_DIM, tower->user,
                         err);
    if (st == MQ_OK)
        st = read_weight(file, LAYER_ITEM, "embeddings", items * MQ_TOWER_DIM, tower->item, err);
    if (st == MQ_OK)
        st = read_weight(file, LAYER_POSITION, "embeddings", lengths * width, tower->pooling, err);
    for (int i = 0; i < MQ_TOWER_LAYERS && st == MQ_OK; i++) {
        struct mq_tower_layer *layer = &tower->layer[i];
        st = read_weight(file, dense_names[i], "kernel", (int64_t)layer->inputs * layer->outputs,
                         layer->kernel, err);
        if (st == MQ_OK)
            st = read_weight(file, dense_names[i], "bias", layer->outputs, layer->bias, err);
    }
    if (st != MQ_OK) {
        mq_user_tower_free(tower);
        return st;
    }
    *ret_tower = tower;
    return MQ_OK;
}

enum mq_status
mq_user_tower_read(struct mq_reader *reader, struct mq_user_tower **ret_tower, struct mq_error *err)
{
    struct mq_keras_file *file = NULL;
    enum mq_status st = mq_keras_file_open_reader(reader, &file, err);
    if (st != MQ_OK)
        return st;
    st = read_tower(file, ret_tower, err);
    mq_keras_file_close(file);
    return st == MQ_OK ? MQ_OK : mq_fail_context(err, st, "cannot read '%s'", reader->name);
}
