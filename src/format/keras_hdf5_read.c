/* Reading of keras_hdf5.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/filesystem.h"
#include "base/memory.h"
#include "format/hdf5_reader.h"
#include "format/keras_hdf5.h"

struct weight {
    struct mq_keras_weight_info info;
    const char *path; /* layer, then the weight's own name; for messages */
    struct mq_hdf5_dataset dataset;
};

struct mq_keras_file {
    struct mq_hdf5_file *file;
    const char *name, *config;
    const char **layers;
    struct weight *weights;
    size_t layer_count, weight_count, layers_capacity, weights_capacity;
    struct mq_arena arena;
};

/* ---- listing ---------------------------------------------------------------------------- */

/* As mq_hdf5_texts, also where Keras split a long list into name0, name1, … */
static enum mq_status
visit_list(struct mq_keras_file *file, uint64_t object, const char *name, size_t limit,
           mq_hdf5_text_fn fn, void *context, struct mq_error *err)
{
    enum mq_status st = mq_hdf5_texts(file->file, object, name, limit, fn, context, err);
    for (int i = 0; st == MQ_E_NOT_FOUND && i < 1000; i++) {
        char part[64];
        snprintf(part, sizeof(part), "%s%d", name, i);
        enum mq_status next = mq_hdf5_texts(file->file, object, part, limit, fn, context, err);
        if (next != MQ_OK)
            return i > 0 && next == MQ_E_NOT_FOUND ? MQ_OK : next;
    }
    return st;
}

static enum mq_status
keep_config(void *context, const char *text, size_t size, struct mq_error *err)
{
    struct mq_keras_file *file = context;
    file->config = mq_arena_copy(&file->arena, text, size);
    return file->config != NULL ? MQ_OK : mq_fail(err, MQ_E_NOMEM, "cannot allocate model_config");
}

static enum mq_status
keep_layer(void *context, const char *text, size_t size, struct mq_error *err)
{
    struct mq_keras_file *file = context;
    if (size < 1 || size > MQ_KERAS_NAME_MAX || file->layer_count == MQ_KERAS_LAYERS_MAX)
        return mq_fail(err, MQ_E_RANGE,
                       "'%s': %zu layers, a name of %zu bytes (allowed: %d layers, 1 to %d bytes)",
                       file->name, file->layer_count, size, MQ_KERAS_LAYERS_MAX, MQ_KERAS_NAME_MAX);
    enum mq_status st = mq_grow(&file->layers, &file->layers_capacity, file->layer_count + 1,
                                sizeof(*file->layers), err);
    if (st != MQ_OK)
        return st;
    char *name = mq_arena_copy(&file->arena, text, size);
    if (name == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a layer's name");
    file->layers[file->layer_count++] = name;
    return MQ_OK;
}

struct layer_place {
    struct mq_keras_file *file;
    const char *name;
    uint64_t group;
};

static enum mq_status
keep_weight(void *context, const char *text, size_t size, struct mq_error *err)
{
    const struct layer_place *layer = context;
    struct mq_keras_file *file = layer->file;
    if (size < 1 || size > 4 * MQ_KERAS_NAME_MAX || file->weight_count == MQ_KERAS_WEIGHTS_MAX)
        return mq_fail(
            err, MQ_E_RANGE,
            "'%s': %zu weights, a name of %zu bytes (allowed: %d weights, 1 to %d bytes)",
            file->name, file->weight_count, size, MQ_KERAS_WEIGHTS_MAX, 4 * MQ_KERAS_NAME_MAX);
    enum mq_status st = mq_grow(&file->weights, &file->weights_capacity, file->weight_count + 1,
                                sizeof(*file->weights), err);
    if (st != MQ_OK)
        return st;
    struct weight weight = {.info.layer = layer->name};
    char *own = mq_arena_copy(&file->arena, text, size);
    weight.path = mq_arena_format(&file->arena, "%s/%.*s", layer->name, (int)size, text);
    if (own == NULL || weight.path == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a weight's name");
    uint64_t object;
    if ((st = mq_hdf5_find(file->file, layer->group, own, &object, err)) != MQ_OK) {
        if (st == MQ_E_NOT_FOUND)
            return mq_fail(err, MQ_E_FORMAT, "'%s' is damaged: no weight '%s'", file->name,
                           weight.path);
        return st;
    }
    if ((st = mq_hdf5_dataset_open(file->file, object, weight.path, &weight.dataset, err)) != MQ_OK)
        return st;
    weight.info.rank = weight.dataset.rank;
    weight.info.elements = weight.dataset.elements;
    memcpy(weight.info.shape, weight.dataset.shape, sizeof(weight.info.shape));
    char *last = strrchr(own, '/');
    last = last != NULL ? last + 1 : own;
    last[strcspn(last, ":")] = '\0';
    weight.info.name = last;
    file->weights[file->weight_count++] = weight;
    return MQ_OK;
}

static enum mq_status
list_weights(struct mq_keras_file *file, uint64_t weights, const char *name, struct mq_error *err)
{
    struct layer_place layer = {.file = file, .name = name};
    enum mq_status st = mq_hdf5_find(file->file, weights, name, &layer.group, err);
    if (st == MQ_OK)
        st = visit_list(file, layer.group, "weight_names", MQ_KERAS_WEIGHTS_MAX, keep_weight,
                        &layer, err);
    if (st == MQ_E_NOT_FOUND)
        return mq_fail(err, MQ_E_FORMAT, "'%s' is damaged: layer '%s' has no list of weights",
                       file->name, name);
    return st;
}

static enum mq_status
list_file(struct mq_keras_file *file, struct mq_error *err)
{
    uint64_t root = mq_hdf5_root(file->file), weights;
    file->config = "";
    enum mq_status st = mq_hdf5_texts(file->file, root, "model_config", 1, keep_config, file, err);
    if (st != MQ_OK && st != MQ_E_NOT_FOUND)
        return st;
    st = mq_hdf5_find(file->file, root, "model_weights", &weights, err);
    if (st == MQ_E_NOT_FOUND)
        weights = root; /* a file of weights only */
    else if (st != MQ_OK)
        return st;
    st = visit_list(file, weights, "layer_names", MQ_KERAS_LAYERS_MAX, keep_layer, file, err);
    if (st == MQ_E_NOT_FOUND)
        return mq_fail(err, MQ_E_UNSUPPORTED, "'%s' is HDF5, but holds no Keras model", file->name);
    for (size_t i = 0; i < file->layer_count && st == MQ_OK; i++)
        st = list_weights(file, weights, file->layers[i], err);
    return st;
}

/* ---- opening ---------------------------------------------------------------------------- */

/* @param hdf5 taken, on failure too */
static enum mq_status
open_with(struct mq_hdf5_file *hdf5, const char *name, struct mq_keras_file **ret_file,
          struct mq_error *err)
{
    struct mq_keras_file *file = calloc(1, sizeof(*file));
    char *copy = file != NULL ? mq_arena_copy(&file->arena, name, strlen(name)) : NULL;
    if (copy == NULL) {
        free(file);
        mq_hdf5_close(hdf5);
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a reader of '%s'", name);
    }
    file->file = hdf5;
    file->name = copy;
    enum mq_status st = list_file(file, err);
    if (st != MQ_OK) {
        mq_keras_file_close(file);
        return mq_fail_context(err, st, "cannot read Keras model");
    }
    *ret_file = file;
    return MQ_OK;
}

enum mq_status
mq_keras_file_open(const char *path, struct mq_keras_file **ret_file, struct mq_error *err)
{
    struct mq_hdf5_file *hdf5;
    enum mq_status st = mq_hdf5_open(path, path, &hdf5, err);
    return st != MQ_OK ? st : open_with(hdf5, path, ret_file, err);
}

enum mq_status
mq_keras_file_open_memory(const void *bytes, size_t size, const char *name,
                          struct mq_keras_file **ret_file, struct mq_error *err)
{
    struct mq_hdf5_file *hdf5;
    enum mq_status st = mq_hdf5_open_memory(bytes, size, name, &hdf5, err);
    return st != MQ_OK ? st : open_with(hdf5, name, ret_file, err);
}

enum mq_status
mq_keras_file_open_reader(struct mq_reader *reader, struct mq_keras_file **ret_file,
                          struct mq_error *err)
{
    mq_autofree char *folder = NULL;
    enum mq_status st = mq_fs_scratch(&folder, err);
    if (st != MQ_OK)
        return st;
    mq_autofree char *path = mq_strfmt("%s/model.h5", folder);
    struct mq_writer *writer = NULL;
    struct mq_hdf5_file *hdf5 = NULL;
    if (path == NULL)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    if (st == MQ_OK && (st = mq_writer_to_file(path, &writer, err)) == MQ_OK &&
        (st = mq_stream_copy(reader, writer, err)) == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_writer_close(writer);
    if (st == MQ_OK)
        st = mq_hdf5_open(path, reader->name, &hdf5, err);
    /* The open file stays readable without its name, and nothing is left behind after a crash. */
    (void)mq_fs_remove(folder, NULL);
    return st != MQ_OK ? st : open_with(hdf5, reader->name, ret_file, err);
}

void
mq_keras_file_close(struct mq_keras_file *file)
{
    if (file == NULL)
        return;
    mq_hdf5_close(file->file);
    free(file->layers);
    free(file->weights);
    mq_arena_release(&file->arena);
    free(file);
}

/* ---- asking ----------------------------------------------------------------------------- */

const char *
mq_keras_file_config(const struct mq_keras_file *file)
{
    return file->config;
}

size_t
mq_keras_file_layer_count(const struct mq_keras_file *file)
{
    return file->layer_count;
}

const char *
mq_keras_file_layer(const struct mq_keras_file *file, size_t i)
{
    return file->layers[i];
}

size_t
mq_keras_file_weight_count(const struct mq_keras_file *file)
{
    return file->weight_count;
}

const struct mq_keras_weight_info *
mq_keras_file_weight(const struct mq_keras_file *file, size_t i)
{
    return &file->weights[i].info;
}

const struct mq_keras_weight_info *
mq_keras_file_find(const struct mq_keras_file *file, const char *layer, const char *weight)
{
    for (size_t i = 0; i < file->weight_count; i++) {
        const struct mq_keras_weight_info *info = &file->weights[i].info;
        if (strcmp(info->layer, layer) == 0 && strcmp(info->name, weight) == 0)
            return info;
    }
    return NULL;
}

enum mq_status
mq_keras_file_read_rows(struct mq_keras_file *file, const struct mq_keras_weight_info *info,
                        int64_t first, int64_t count, float *ret_values, struct mq_error *err)
{
    const struct weight *weight = (const struct weight *)(const void *)info;
    return mq_hdf5_dataset_read(file->file, &weight->dataset, weight->path, first, count,
                                ret_values, err);
}

enum mq_status
mq_keras_file_read(struct mq_keras_file *file, const struct mq_keras_weight_info *info,
                   float *ret_values, struct mq_error *err)
{
    return mq_keras_file_read_rows(file, info, 0, info->rank > 0 ? info->shape[0] : 1, ret_values,
                                   err);
}
