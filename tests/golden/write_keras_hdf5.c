/*
 * write_keras_hdf5 OUT DATA: a user tower for keras_hdf5_golden.py to open with Keras and predict
 * with; the weights come from a formula that both sides know. DATA is not used.
 *
 * The tower is the one that keras_hdf5.h describes: masked mean of 50 items by a table of position
 * weights, and beside it the longer form that says 1/length and a Dense over positions apart.
 */
#include <stdio.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "format/keras_hdf5.h"

enum { USERS = 40, ITEMS = 30, POSITIONS = 50 };

/* Number k of table t, in about [-0.5, 0.5); exact in float32. */
static float
value(int t, int64_t k)
{
    return (float)((k * 37 + t * 101 + (k / 7) * 13) % 257 - 128) / 256.0f;
}

struct table {
    int number;
    int64_t row;
};

static enum mq_status
formula_rows(void *context, int64_t first, int64_t count, float *ret_rows, struct mq_error *err)
{
    (void)err;
    const struct table *table = context;
    for (int64_t i = 0; i < count * table->row; i++)
        ret_rows[i] = value(table->number, first * table->row + i);
    return MQ_OK;
}

/* Row L: 1/L in the first L columns. */
static enum mq_status
mean_rows(void *context, int64_t first, int64_t count, float *ret_rows, struct mq_error *err)
{
    (void)context;
    (void)err;
    for (int64_t i = 0; i < count; i++) {
        int64_t length = first + i;
        for (int64_t p = 0; p < POSITIONS; p++)
            ret_rows[i * POSITIONS + p] = p < length ? 1.0f / (float)length : 0.0f;
    }
    return MQ_OK;
}

/* Row L of a mask: 1 in the first L columns. */
static enum mq_status
mask_rows(void *context, int64_t first, int64_t count, float *ret_rows, struct mq_error *err)
{
    (void)context;
    (void)err;
    for (int64_t i = 0; i < count; i++) {
        for (int64_t p = 0; p < POSITIONS; p++)
            ret_rows[i * POSITIONS + p] = p < first + i ? 1.0f : 0.0f;
    }
    return MQ_OK;
}

static enum mq_status
inverse_rows(void *context, int64_t first, int64_t count, float *ret_rows, struct mq_error *err)
{
    (void)context;
    (void)err;
    for (int64_t i = 0; i < count; i++)
        ret_rows[i] = first + i > 0 ? 1.0f / (float)(first + i) : 0.0f;
    return MQ_OK;
}

#define FROM(...)                                                                                  \
    .inputs = (const char *const[])                                                                \
    {                                                                                              \
        __VA_ARGS__                                                                                \
    }

int
main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "use: %s OUT DATA\n", argv[0]);
        return 2;
    }
    const struct mq_keras_layer layers[] = {
        {"InputLayer", "user_id", "{\"batch_input_shape\":[null,1],\"dtype\":\"int32\"}", NULL, 0},
        {"InputLayer", "hist_movie_id", "{\"batch_input_shape\":[null,50],\"dtype\":\"int32\"}",
         NULL, 0},
        {"InputLayer", "hist_len", "{\"batch_input_shape\":[null,1],\"dtype\":\"int32\"}", NULL, 0},
        {"Embedding", "user", "{\"input_dim\":40,\"output_dim\":16}", FROM("user_id"), 1},
        {"Flatten", "user_vector", NULL, FROM("user"), 1},
        {"Embedding", "item", "{\"input_dim\":30,\"output_dim\":32}", FROM("hist_movie_id"), 1},
        /* Masked mean in one table. */
        {"Embedding", "position_weight", "{\"input_dim\":51,\"output_dim\":50}", FROM("hist_len"),
         1},
        {"Reshape", "position_row", "{\"target_shape\":[50]}", FROM("position_weight"), 1},
        {"Dot", "mean", "{\"axes\":[1,1]}", FROM("position_row", "item"), 2},
        /* The same with mask, learned position weights and 1/length apart. */
        {"Embedding", "mask", "{\"input_dim\":51,\"output_dim\":50}", FROM("hist_len"), 1},
        {"Permute", "item_by_position", "{\"dims\":[2,1]}", FROM("item"), 1},
        {"Multiply", "masked", NULL, FROM("item_by_position", "mask"), 2},
        {"Dense", "position", "{\"units\":1,\"use_bias\":false}", FROM("masked"), 1},
        {"Reshape", "summed", "{\"target_shape\":[32]}", FROM("position"), 1},
        {"Embedding", "inverse_length", "{\"input_dim\":51,\"output_dim\":1}", FROM("hist_len"), 1},
        {"Flatten", "inverse", NULL, FROM("inverse_length"), 1},
        {"Multiply", "weighted", NULL, FROM("summed", "inverse"), 2},
        {"Concatenate", "features", "{\"axis\":-1}", FROM("user_vector", "mean", "weighted"), 3},
        {"Dense", "dnn0", "{\"units\":128,\"activation\":\"relu\"}", FROM("features"), 1},
        {"Dense", "dnn1", "{\"units\":64,\"activation\":\"relu\"}", FROM("dnn0"), 1},
        {"Dense", "dnn2", "{\"units\":32}", FROM("dnn1"), 1},
    };
    static float bias[128];
    for (int i = 0; i < 128; i++)
        bias[i] = value(9, i);
    struct table user = {0, 16}, item = {1, 32}, position = {2, 1}, k0 = {3, 128}, k1 = {4, 64},
                 k2 = {5, 32};
    const struct mq_keras_weight weights[] = {
        {"dnn1", "kernel", 2, {128, 64}, NULL, formula_rows, &k1},
        {"dnn1", "bias", 1, {64}, bias, NULL, NULL},
        {"dnn0", "kernel", 2, {80, 128}, NULL, formula_rows, &k0},
        {"dnn0", "bias", 1, {128}, bias, NULL, NULL},
        {"dnn2", "kernel", 2, {64, 32}, NULL, formula_rows, &k2},
        {"dnn2", "bias", 1, {32}, bias, NULL, NULL},
        {"user", "embeddings", 2, {USERS, 16}, NULL, formula_rows, &user},
        {"item", "embeddings", 2, {ITEMS, 32}, NULL, formula_rows, &item},
        {"position_weight", "embeddings", 2, {51, POSITIONS}, NULL, mean_rows, NULL},
        {"mask", "embeddings", 2, {51, POSITIONS}, NULL, mask_rows, NULL},
        {"inverse_length", "embeddings", 2, {51, 1}, NULL, inverse_rows, NULL},
        {"position", "kernel", 2, {POSITIONS, 1}, NULL, formula_rows, &position},
    };
    const struct mq_keras_model model = {
        .name = "user_tower",
        .layers = layers,
        .layer_count = MQ_COUNT(layers),
        .weights = weights,
        .weight_count = MQ_COUNT(weights),
        .inputs = (const char *const[]){"user_id", "hist_movie_id", "hist_len"},
        .input_count = 3,
        .outputs = (const char *const[]){"dnn2"},
        .output_count = 1,
    };
    struct mq_error err = {0};
    char path[MQ_PATH_MAX];
    snprintf(path, sizeof(path), "%s/marquee-tower.h5", argv[1]);
    if (mq_keras_model_write_file(&model, path, &err) != MQ_OK) {
        fprintf(stderr, "write_keras_hdf5: %s\n", err.message);
        return 1;
    }
    return 0;
}
