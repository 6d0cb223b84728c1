/* Reading of keras_hdf5.h. */
#include <stdlib.h>
#include <string.h>

#include "base/arena.h"
#include "base/filesystem.h"
#include "base/memory.h"
#include "format/hdf5_guard.h"
#include "format/keras_hdf5.h"

/* deflate packs at most about 1032 to one; a claim beyond that is no data of this file. */
#define EXPANSION_MAX 1100
#define SIGNATURE "\211HDF\r\n\032\n"

struct weight {
    struct mq_keras_weight_info info;
    const char *path; /* below the weights group: layer group, then the weight's own name */
};

struct mq_keras_file {
    hid_t file, weights_group;
    int64_t size_bytes;
    const char *name, *config;
    const char **layers;
    struct weight *weights;
    size_t layer_count, weight_count, layers_capacity, weights_capacity;
    struct mq_arena arena;
};

static enum mq_status
damaged(const struct mq_keras_file *file, const char *what, const char *which, struct mq_error *err)
{
    return mq_hdf5_fail(err, MQ_E_FORMAT, "'%s' is damaged: %s '%s'", file->name, what, which);
}

/* ---- attributes of text ----------------------------------------------------------------- */

/* Called for each element; text is valid during the call, not necessarily NUL-terminated. */
typedef enum mq_status (*text_fn)(struct mq_keras_file *file, void *context, const char *text,
                                  size_t size, struct mq_error *err);

static enum mq_status
visit_variable(struct mq_keras_file *file, hid_t attribute, hid_t file_type, hid_t space,
               size_t count, text_fn fn, void *context, struct mq_error *err)
{
    mq_hdf5_auto type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5Tget_cset(file_type));
    mq_autofree char **texts = calloc(count, sizeof(*texts));
    if (texts == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate names of '%s'", file->name);
    enum mq_status st = MQ_OK;
    if (H5Aread(attribute, type, texts) < 0)
        st = damaged(file, "cannot read", "a list of names", err);
    for (size_t i = 0; i < count && st == MQ_OK; i++)
        st = fn(file, context, texts[i] != NULL ? texts[i] : "",
                texts[i] != NULL ? strlen(texts[i]) : 0, err);
    H5Dvlen_reclaim(type, space, H5P_DEFAULT, texts);
    return st;
}

static enum mq_status
visit_fixed(struct mq_keras_file *file, hid_t attribute, hid_t file_type, size_t count, text_fn fn,
            void *context, struct mq_error *err)
{
    size_t size = H5Tget_size(file_type);
    if (size == 0 || size > MQ_KERAS_CONFIG_MAX || size * count > 2 * MQ_KERAS_CONFIG_MAX)
        return damaged(file, "text too long in", "an attribute", err);
    mq_autofree char *block = calloc(count, size);
    if (block == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate names of '%s'", file->name);
    mq_hdf5_auto type = H5Tcopy(file_type);
    if (H5Aread(attribute, type, block) < 0)
        return damaged(file, "cannot read", "a list of names", err);
    for (size_t i = 0; i < count; i++) {
        size_t length = strnlen(block + i * size, size);
        if (H5Tget_strpad(file_type) == H5T_STR_SPACEPAD) {
            while (length > 0 && block[i * size + length - 1] == ' ')
                length--;
        }
        enum mq_status st = fn(file, context, block + i * size, length, err);
        if (st != MQ_OK)
            return st;
    }
    return MQ_OK;
}

/* Visit the texts of an attribute of at most `limit` elements. An empty one has any type. */
static enum mq_status
visit_texts(struct mq_keras_file *file, hid_t object, const char *name, size_t limit, text_fn fn,
            void *context, struct mq_error *err)
{
    mq_hdf5_auto attribute = H5Aopen(object, name, H5P_DEFAULT);
    if (attribute < 0)
        return damaged(file, "cannot open attribute", name, err);
    mq_hdf5_auto space = H5Aget_space(attribute);
    mq_hdf5_auto type = H5Aget_type(attribute);
    hssize_t count = space >= 0 ? H5Sget_simple_extent_npoints(space) : -1;
    if (count == 0)
        return MQ_OK;
    if (count < 0 || (uint64_t)count > limit || type < 0 || H5Tget_class(type) != H5T_STRING)
        return damaged(file, "no list of names in", name, err);
    return H5Tis_variable_str(type) > 0
               ? visit_variable(file, attribute, type, space, (size_t)count, fn, context, err)
               : visit_fixed(file, attribute, type, (size_t)count, fn, context, err);
}

/* As visit_texts, also where Keras split a long list into name0, name1, … */
static enum mq_status
visit_list(struct mq_keras_file *file, hid_t object, const char *name, size_t limit, text_fn fn,
           void *context, struct mq_error *err)
{
    if (H5Aexists(object, name) > 0)
        return visit_texts(file, object, name, limit, fn, context, err);
    char part[64];
    for (int i = 0;; i++) {
        snprintf(part, sizeof(part), "%s%d", name, i);
        if (i >= 1000 || H5Aexists(object, part) <= 0)
            return i > 0 ? MQ_OK : damaged(file, "missing attribute", name, err);
        enum mq_status st = visit_texts(file, object, part, limit, fn, context, err);
        if (st != MQ_OK)
            return st;
    }
}

/* ---- walking ---------------------------------------------------------------------------- */

/*
 * Open an object below a group by a path of names. Every step must be a hard link: soft and
 * external ones could lead in circles or into other files.
 */
static hid_t
open_path(hid_t group, const char *path)
{
    char step[MQ_KERAS_NAME_MAX + 1];
    hid_t here = group;
    while (here >= 0) {
        size_t size = strcspn(path, "/");
        H5L_info_t link;
        hid_t next = -1;
        if (size > 0 && size < sizeof(step)) {
            memcpy(step, path, size);
            step[size] = '\0';
            if (strcmp(step, ".") != 0 && strcmp(step, "..") != 0 &&
                H5Lget_info(here, step, &link, H5P_DEFAULT) >= 0 && link.type == H5L_TYPE_HARD)
                next = H5Oopen(here, step, H5P_DEFAULT);
        }
        if (here != group)
            H5Idec_ref(here);
        here = next;
        if (path[size] == '\0')
            break;
        path += size + 1;
        if (here >= 0 && H5Iget_type(here) != H5I_GROUP) {
            H5Idec_ref(here);
            here = -1;
        }
    }
    return here;
}

static hid_t
open_group(hid_t group, const char *path)
{
    hid_t id = open_path(group, path);
    if (id >= 0 && H5Iget_type(id) != H5I_GROUP) {
        H5Idec_ref(id);
        return -1;
    }
    return id;
}

/* Only plain data of this very file, in a size that the file can hold. */
static enum mq_status
check_storage(struct mq_keras_file *file, hid_t set, hid_t type, int64_t elements, const char *name,
              struct mq_error *err)
{
    mq_hdf5_auto properties = H5Dget_create_plist(set);
    if (properties < 0)
        return damaged(file, "cannot open weight", name, err);
    uint64_t bytes = (uint64_t)elements * H5Tget_size(type);
    uint64_t size = (uint64_t)file->size_bytes;
    switch (H5Pget_layout(properties)) {
    case H5D_COMPACT:
    case H5D_CONTIGUOUS:
        if (H5Pget_external_count(properties) != 0)
            return mq_fail(err, MQ_E_FORMAT, "'%s': weight '%s' points to another file", file->name,
                           name);
        if (bytes > size || H5Dget_storage_size(set) < bytes)
            return mq_fail(err, MQ_E_FORMAT,
                           "'%s' is damaged: weight '%s' claims %llu bytes, the file has %llu",
                           file->name, name, (unsigned long long)bytes, (unsigned long long)size);
        return MQ_OK;
    case H5D_CHUNKED: {
        hsize_t dims[MQ_KERAS_RANK_MAX];
        uint64_t chunk = H5Tget_size(type);
        int rank = H5Pget_chunk(properties, MQ_KERAS_RANK_MAX, dims);
        for (int d = 0; d < rank; d++)
            chunk = dims[d] > size * EXPANSION_MAX / chunk ? UINT64_MAX / 8 : chunk * dims[d];
        if (rank < 0 || bytes > size * EXPANSION_MAX || chunk > size * EXPANSION_MAX)
            return mq_fail(err, MQ_E_FORMAT,
                           "'%s' is damaged: weight '%s' claims %llu bytes, the file has %llu",
                           file->name, name, (unsigned long long)bytes, (unsigned long long)size);
        int filters = H5Pget_nfilters(properties);
        for (int i = 0; i < filters; i++) {
            unsigned flags;
            size_t values = 0;
            H5Z_filter_t filter =
                H5Pget_filter2(properties, (unsigned)i, &flags, &values, NULL, 0, NULL, NULL);
            if (filter != H5Z_FILTER_DEFLATE && filter != H5Z_FILTER_SHUFFLE &&
                filter != H5Z_FILTER_FLETCHER32)
                return mq_fail(err, MQ_E_UNSUPPORTED, "'%s': weight '%s' uses filter %d",
                               file->name, name, (int)filter);
        }
        return MQ_OK;
    }
    default:
        return mq_fail(err, MQ_E_FORMAT, "'%s': weight '%s' is virtual or of an unknown layout",
                       file->name, name);
    }
}

static enum mq_status
describe_weight(struct mq_keras_file *file, hid_t set, const char *name,
                struct mq_keras_weight_info *info, struct mq_error *err)
{
    mq_hdf5_auto type = H5Dget_type(set);
    mq_hdf5_auto space = H5Dget_space(set);
    if (type < 0 || space < 0)
        return damaged(file, "cannot open weight", name, err);
    size_t size = H5Tget_size(type);
    if (H5Tget_class(type) != H5T_FLOAT || (size != 2 && size != 4 && size != 8))
        return mq_fail(err, MQ_E_UNSUPPORTED, "'%s': weight '%s' does not hold 16 to 64 bit floats",
                       file->name, name);
    hsize_t dims[MQ_KERAS_RANK_MAX];
    int rank = H5Sget_simple_extent_ndims(space);
    if (rank < 0 || rank > MQ_KERAS_RANK_MAX ||
        (H5Sget_simple_extent_type(space) != H5S_SIMPLE &&
         H5Sget_simple_extent_type(space) != H5S_SCALAR) ||
        H5Sget_simple_extent_dims(space, dims, NULL) != rank)
        return mq_fail(err, MQ_E_UNSUPPORTED,
                       "'%s': weight '%s' has %d dimensions (allowed: to %d)", file->name, name,
                       rank, MQ_KERAS_RANK_MAX);
    info->rank = rank;
    info->elements = 1;
    for (int d = 0; d < rank; d++) {
        if (dims[d] > (uint64_t)(MQ_KERAS_ELEMENTS_MAX / MQ_MAX(info->elements, 1)))
            return mq_fail(err, MQ_E_RANGE, "'%s': weight '%s' has more than %lld elements",
                           file->name, name, (long long)MQ_KERAS_ELEMENTS_MAX);
        info->shape[d] = (int64_t)dims[d];
        info->elements *= info->shape[d];
    }
    return check_storage(file, set, type, info->elements, name, err);
}

/* ---- listing ---------------------------------------------------------------------------- */

static enum mq_status
keep_config(struct mq_keras_file *file, void *context, const char *text, size_t size,
            struct mq_error *err)
{
    (void)context;
    if (size > MQ_KERAS_CONFIG_MAX)
        return mq_fail(err, MQ_E_RANGE, "'%s': model_config is larger than %zu bytes", file->name,
                       MQ_KERAS_CONFIG_MAX);
    file->config = mq_arena_copy(&file->arena, text, size);
    return file->config != NULL ? MQ_OK : mq_fail(err, MQ_E_NOMEM, "cannot allocate model_config");
}

static enum mq_status
keep_layer(struct mq_keras_file *file, void *context, const char *text, size_t size,
           struct mq_error *err)
{
    (void)context;
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
    const char *name;
    hid_t group;
};

static enum mq_status
keep_weight(struct mq_keras_file *file, void *context, const char *text, size_t size,
            struct mq_error *err)
{
    const struct layer_place *layer = context;
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
    mq_hdf5_auto set = open_path(layer->group, own);
    if (set < 0 || H5Iget_type(set) != H5I_DATASET)
        return damaged(file, "no weight", weight.path, err);
    if ((st = describe_weight(file, set, weight.path, &weight.info, err)) != MQ_OK)
        return st;
    char *last = strrchr(own, '/');
    last = last != NULL ? last + 1 : own;
    last[strcspn(last, ":")] = '\0';
    weight.info.name = last;
    file->weights[file->weight_count++] = weight;
    return MQ_OK;
}

static enum mq_status
list_file(struct mq_keras_file *file, struct mq_error *err)
{
    enum mq_status st;
    file->config = "";
    if (H5Aexists(file->file, "model_config") > 0 &&
        (st = visit_texts(file, file->file, "model_config", 1, keep_config, NULL, err)) != MQ_OK)
        return st;
    file->weights_group = open_group(file->file, "model_weights");
    if (file->weights_group < 0)
        file->weights_group = H5Gopen2(file->file, "/", H5P_DEFAULT);
    if (file->weights_group < 0)
        return damaged(file, "cannot open", "/", err);
    if (H5Aexists(file->weights_group, "layer_names") <= 0 &&
        H5Aexists(file->weights_group, "layer_names0") <= 0)
        return mq_fail(err, MQ_E_UNSUPPORTED, "'%s' is HDF5, but holds no Keras model", file->name);
    st = visit_list(file, file->weights_group, "layer_names", MQ_KERAS_LAYERS_MAX, keep_layer, NULL,
                    err);
    for (size_t i = 0; i < file->layer_count && st == MQ_OK; i++) {
        struct layer_place layer = {file->layers[i],
                                    open_group(file->weights_group, file->layers[i])};
        if (layer.group < 0)
            return damaged(file, "no group for layer", layer.name, err);
        st = visit_list(file, layer.group, "weight_names", MQ_KERAS_WEIGHTS_MAX, keep_weight,
                        &layer, err);
        H5Idec_ref(layer.group);
    }
    return st;
}

/* ---- opening ---------------------------------------------------------------------------- */

static enum mq_status
open_with(const char *path, const void *bytes, size_t size, const char *name,
          struct mq_keras_file **ret_file, struct mq_error *err)
{
    struct mq_keras_file *file = calloc(1, sizeof(*file));
    if (file == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a reader of '%s'", name);
    file->file = file->weights_group = -1;
    file->size_bytes = (int64_t)size;
    file->name = mq_arena_copy(&file->arena, name, strlen(name));
    enum mq_status st = MQ_OK;
    if (file->name == NULL)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a reader of '%s'", name);
    struct mq_hdf5_guard guard;
    mq_hdf5_enter(&guard);
    if (st == MQ_OK) {
        mq_hdf5_auto access = H5Pcreate(H5P_FILE_ACCESS);
        H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
        H5Pset_file_locking(access, false, true);
        if (bytes != NULL) {
            H5Pset_fapl_core(access, (size_t)1 << 20, false);
            H5Pset_file_image(access, (void *)(uintptr_t)bytes, size);
        }
        file->file = H5Fopen(path, H5F_ACC_RDONLY, access);
        st = file->file < 0 ? mq_hdf5_fail(err, MQ_E_FORMAT, "cannot read Keras model '%s'", name)
                            : list_file(file, err);
    }
    mq_hdf5_leave(&guard);
    if (st != MQ_OK) {
        mq_keras_file_close(file);
        return st;
    }
    *ret_file = file;
    return MQ_OK;
}

static enum mq_status
check_signature(struct mq_reader *reader, const char *name, struct mq_error *err)
{
    char head[8];
    size_t got;
    enum mq_status st = mq_reader_some(reader, head, sizeof(head), &got, err);
    if (st == MQ_OK && (got < sizeof(head) || memcmp(head, SIGNATURE, sizeof(head)) != 0))
        return mq_fail(err, MQ_E_FORMAT, "'%s' is not an HDF5 file: it does not begin as one",
                       name);
    return st;
}

static enum mq_status
open_named(const char *path, const char *name, struct mq_keras_file **ret_file,
           struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_reader_from_file(path, &reader, err);
    if (st != MQ_OK)
        return st;
    int64_t size = reader->size_bytes;
    st = check_signature(reader, name, err);
    mq_reader_close(reader);
    return st != MQ_OK ? st : open_with(path, NULL, (size_t)MQ_MAX(size, 0), name, ret_file, err);
}

enum mq_status
mq_keras_file_open(const char *path, struct mq_keras_file **ret_file, struct mq_error *err)
{
    return open_named(path, path, ret_file, err);
}

enum mq_status
mq_keras_file_open_memory(const void *bytes, size_t size, const char *name,
                          struct mq_keras_file **ret_file, struct mq_error *err)
{
    if (size < 8 || memcmp(bytes, SIGNATURE, 8) != 0)
        return mq_fail(err, MQ_E_FORMAT, "'%s' is not an HDF5 file: it does not begin as one",
                       name);
    return open_with(name, bytes, size, name, ret_file, err);
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
    if (path == NULL)
        st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a path");
    if (st == MQ_OK && (st = mq_writer_to_file(path, &writer, err)) == MQ_OK &&
        (st = mq_stream_copy(reader, writer, err)) == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_writer_close(writer);
    if (st == MQ_OK)
        st = open_named(path, reader->name, ret_file, err);
    /* The open file stays readable without its name, and nothing is left behind after a crash. */
    (void)mq_fs_remove(folder, NULL);
    return st;
}

void
mq_keras_file_close(struct mq_keras_file *file)
{
    if (file == NULL)
        return;
    struct mq_hdf5_guard guard;
    mq_hdf5_enter(&guard);
    if (file->weights_group >= 0)
        H5Idec_ref(file->weights_group);
    if (file->file >= 0)
        H5Fclose(file->file);
    mq_hdf5_leave(&guard);
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
    if (info->rank < 1 || first < 0 || count < 0 || count > info->shape[0] - first)
        return mq_fail(err, MQ_E_RANGE, "'%s': rows %lld to %lld of weight '%s' of %lld rows",
                       file->name, (long long)first, (long long)(first + count), weight->path,
                       info->rank < 1 ? 0LL : (long long)info->shape[0]);
    if (count == 0 || info->elements == 0)
        return MQ_OK;
    hsize_t start[MQ_KERAS_RANK_MAX] = {(hsize_t)first}, size[MQ_KERAS_RANK_MAX];
    for (int d = 0; d < info->rank; d++)
        size[d] = d == 0 ? (hsize_t)count : (hsize_t)info->shape[d];
    enum mq_status st = MQ_OK;
    struct mq_hdf5_guard guard;
    mq_hdf5_enter(&guard);
    {
        mq_hdf5_auto set = open_path(file->weights_group, weight->path);
        mq_hdf5_auto in_file = set >= 0 ? H5Dget_space(set) : -1;
        mq_hdf5_auto in_memory = H5Screate_simple(info->rank, size, NULL);
        if (in_file < 0 ||
            H5Sselect_hyperslab(in_file, H5S_SELECT_SET, start, NULL, size, NULL) < 0 ||
            H5Dread(set, H5T_NATIVE_FLOAT, in_memory, in_file, H5P_DEFAULT, ret_values) < 0)
            st = damaged(file, "cannot read weight", weight->path, err);
    }
    mq_hdf5_leave(&guard);
    return st;
}

enum mq_status
mq_keras_file_read(struct mq_keras_file *file, const struct mq_keras_weight_info *info,
                   float *ret_values, struct mq_error *err)
{
    if (info->rank >= 1)
        return mq_keras_file_read_rows(file, info, 0, info->shape[0], ret_values, err);
    const struct weight *weight = (const struct weight *)(const void *)info;
    enum mq_status st = MQ_OK;
    struct mq_hdf5_guard guard;
    mq_hdf5_enter(&guard);
    {
        mq_hdf5_auto set = open_path(file->weights_group, weight->path);
        if (set < 0 ||
            H5Dread(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, ret_values) < 0)
            st = damaged(file, "cannot read weight", weight->path, err);
    }
    mq_hdf5_leave(&guard);
    return st;
}
