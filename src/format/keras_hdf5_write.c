/* Writing of keras_hdf5.h. */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "format/hdf5_guard.h"
#include "format/hdf5_output.h"
#include "format/keras_graph.h"
#include "format/keras_hdf5.h"

/* Both name what wrote the layout, which is what Keras asks before it reads on. */
#define LAYOUT_VERSION "2.10.0"
#define LAYOUT_BACKEND "tensorflow"
#define PIECE_BYTES ((int64_t)4 << 20)

static enum mq_status
write_failed(const char *path, const char *what, struct mq_error *err)
{
    return mq_hdf5_fail(err, MQ_E_IO, "cannot write Keras model '%s': %s", path, what);
}

/* A text of any length: kept on the heap of the file, where an object header's limit ends not. */
static bool
put_text(hid_t object, const char *name, const char *text)
{
    mq_hdf5_auto type = H5Tcopy(H5T_C_S1);
    mq_hdf5_auto space = H5Screate(H5S_SCALAR);
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    mq_hdf5_auto attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    return attribute >= 0 && H5Awrite(attribute, type, &text) >= 0;
}

/* A list of names, as an array of padded strings of one size. */
static bool
put_names(hid_t object, const char *name, char *const *names, size_t count)
{
    size_t size = 1;
    for (size_t i = 0; i < count; i++)
        size = MQ_MAX(size, strlen(names[i]));
    mq_autofree char *block = calloc(MQ_MAX(count, 1), size);
    if (block == NULL)
        return false;
    for (size_t i = 0; i < count; i++)
        memcpy(block + i * size, names[i], strlen(names[i]));
    hsize_t dims[1] = {count};
    mq_hdf5_auto type = H5Tcopy(H5T_C_S1);
    mq_hdf5_auto space = H5Screate_simple(1, dims, NULL);
    H5Tset_size(type, size);
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    mq_hdf5_auto attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    return attribute >= 0 && (count == 0 || H5Awrite(attribute, type, block) >= 0);
}

static hid_t
make_group(hid_t parent, const char *name)
{
    mq_hdf5_auto properties = H5Pcreate(H5P_GROUP_CREATE);
    H5Pset_obj_track_times(properties, false);
    return H5Gcreate2(parent, name, H5P_DEFAULT, properties, H5P_DEFAULT);
}

/* Rows through a buffer of one piece. */
static enum mq_status
write_rows(hid_t set, const struct mq_keras_weight *w, const char *path, struct mq_error *err)
{
    int64_t row = 1;
    for (int d = 1; d < w->rank; d++)
        row *= w->shape[d];
    int64_t piece = MQ_MAX(1, PIECE_BYTES / 4 / row);
    mq_autofree float *values = NULL;
    enum mq_status st =
        mq_alloc_array_raw((size_t)(MQ_MIN(piece, w->shape[0]) * row), sizeof(float), &values, err);
    for (int64_t first = 0; st == MQ_OK && first < w->shape[0]; first += piece) {
        int64_t count = MQ_MIN(piece, w->shape[0] - first);
        if ((st = w->rows(w->rows_context, first, count, values, err)) != MQ_OK)
            break;
        hsize_t start[MQ_KERAS_RANK_MAX] = {(hsize_t)first}, size[MQ_KERAS_RANK_MAX];
        for (int d = 0; d < w->rank; d++)
            size[d] = d == 0 ? (hsize_t)count : (hsize_t)w->shape[d];
        mq_hdf5_auto in_file = H5Dget_space(set);
        mq_hdf5_auto in_memory = H5Screate_simple(w->rank, size, NULL);
        if (H5Sselect_hyperslab(in_file, H5S_SELECT_SET, start, NULL, size, NULL) < 0 ||
            H5Dwrite(set, H5T_NATIVE_FLOAT, in_memory, in_file, H5P_DEFAULT, values) < 0)
            st = write_failed(path, w->name, err);
    }
    return st;
}

static enum mq_status
write_weight(hid_t group, const char *name, const struct mq_keras_weight *w, const char *path,
             struct mq_error *err)
{
    hsize_t dims[MQ_KERAS_RANK_MAX];
    for (int d = 0; d < w->rank; d++)
        dims[d] = (hsize_t)w->shape[d];
    mq_hdf5_auto space = H5Screate_simple(w->rank, dims, NULL);
    mq_hdf5_auto properties = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_obj_track_times(properties, false);
    H5Pset_fill_time(properties, H5D_FILL_TIME_NEVER);
    mq_hdf5_auto set =
        H5Dcreate2(group, name, H5T_IEEE_F32LE, space, H5P_DEFAULT, properties, H5P_DEFAULT);
    if (set < 0)
        return write_failed(path, name, err);
    if (w->data == NULL)
        return write_rows(set, w, path, err);
    if (H5Dwrite(set, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, w->data) < 0)
        return write_failed(path, name, err);
    return MQ_OK;
}

/* Group "<layer>" with the names of its weights, group "<layer>/<layer>" with the weights. */
static enum mq_status
write_layer(hid_t weights, const struct mq_keras_model *model, const char *layer, const char *path,
            struct mq_error *err)
{
    char *names[MQ_KERAS_RANK_MAX * 4];
    size_t count = 0;
    enum mq_status st = MQ_OK;
    mq_hdf5_auto group = make_group(weights, layer);
    mq_hdf5_auto inner = -1;
    if (group < 0)
        return write_failed(path, layer, err);
    for (size_t i = 0; i < model->weight_count && st == MQ_OK; i++) {
        const struct mq_keras_weight *w = &model->weights[i];
        if (strcmp(w->layer, layer) != 0)
            continue;
        if (count == MQ_COUNT(names)) {
            st = mq_fail(err, MQ_E_RANGE, "layer '%s' has more than %zu weights", layer, count);
            break;
        }
        char *name = mq_strfmt("%s/%s:0", layer, w->name);
        if (name == NULL) {
            st = mq_fail(err, MQ_E_NOMEM, "cannot allocate a name");
            break;
        }
        names[count++] = name;
        if (inner < 0 && (inner = make_group(group, layer)) < 0)
            st = write_failed(path, layer, err);
        else
            st = write_weight(inner, strchr(name, '/') + 1, w, path, err);
    }
    if (st == MQ_OK && !put_names(group, "weight_names", names, count))
        st = write_failed(path, layer, err);
    for (size_t i = 0; i < count; i++)
        free(names[i]);
    return st;
}

static enum mq_status
write_groups(hid_t file, const struct mq_keras_model *model, const int32_t *order,
             const char *config, const char *path, struct mq_error *err)
{
    if (!put_text(file, "keras_version", LAYOUT_VERSION) ||
        !put_text(file, "backend", LAYOUT_BACKEND) || !put_text(file, "model_config", config))
        return write_failed(path, "its attributes", err);
    mq_hdf5_auto weights = make_group(file, "model_weights");
    mq_autofree char **names = calloc(model->layer_count, sizeof(*names));
    if (names == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate names");
    for (size_t i = 0; i < model->layer_count; i++)
        names[i] = (char *)(uintptr_t)model->layers[order[i]].name;
    if (weights < 0 || !put_text(weights, "keras_version", LAYOUT_VERSION) ||
        !put_text(weights, "backend", LAYOUT_BACKEND) ||
        !put_names(weights, "layer_names", names, model->layer_count))
        return write_failed(path, "the list of layers", err);
    for (size_t i = 0; i < model->layer_count; i++) {
        enum mq_status st = write_layer(weights, model, names[i], path, err);
        if (st != MQ_OK)
            return st;
    }
    mq_hdf5_auto top = make_group(weights, "top_level_model_weights");
    if (top < 0 || !put_names(top, "weight_names", NULL, 0))
        return write_failed(path, "the list of layers", err);
    return MQ_OK;
}

/* Into an empty file that is open for reading and writing. `path` is for messages. */
static enum mq_status
write_into(const struct mq_keras_model *model, int fd, const char *path, struct mq_error *err)
{
    mq_autofree int32_t *order = NULL;
    mq_autofree char *config = NULL;
    enum mq_status st = mq_alloc_array(MQ_MAX(model->layer_count, 1), sizeof(int32_t), &order, err);
    if (st != MQ_OK || (st = mq_keras_graph_order(model, order, err)) != MQ_OK ||
        (st = mq_keras_graph_config(model, &config, err)) != MQ_OK)
        return mq_fail_context(err, st, "cannot write Keras model '%s'", path);
    struct mq_hdf5_output output = {.fd = fd};
    struct mq_hdf5_guard guard;
    mq_hdf5_enter(&guard);
    {
        mq_hdf5_auto creation = H5Pcreate(H5P_FILE_CREATE);
        H5Pset_obj_track_times(creation, false);
        mq_hdf5_auto access = H5Pcreate(H5P_FILE_ACCESS);
        H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
        hid_t file = mq_hdf5_output_use(access, &output)
                         ? H5Fcreate(path, H5F_ACC_TRUNC, creation, access)
                         : -1;
        if (file < 0) {
            st = write_failed(path, "cannot create it", err);
        } else {
            st = write_groups(file, model, order, config, path, err);
            if (H5Fclose(file) < 0 && st == MQ_OK)
                st = write_failed(path, "cannot close it", err);
        }
    }
    mq_hdf5_leave(&guard);
    if (st == MQ_OK && output.errnum != 0)
        st = mq_fail_errno(err, output.errnum, "cannot write Keras model '%s'", path);
    return st;
}

enum mq_status
mq_keras_model_write_file(const struct mq_keras_model *model, const char *path,
                          struct mq_error *err)
{
    int fd;
    mq_autofree char *partial = NULL;
    enum mq_status st = mq_fs_create_partial(path, &fd, &partial, err);
    if (st != MQ_OK)
        return st;
    if ((st = write_into(model, fd, path, err)) == MQ_OK)
        st = mq_fs_publish(fd, partial, path, err);
    if (st != MQ_OK)
        unlink(partial);
    close(fd);
    return st;
}

enum mq_status
mq_keras_model_write(const struct mq_keras_model *model, struct mq_writer *writer,
                     struct mq_error *err)
{
    mq_autofree char *folder = NULL;
    enum mq_status st = mq_fs_scratch(&folder, err);
    if (st != MQ_OK)
        return st;
    mq_autofree char *path = mq_strfmt("%s/model.h5", folder);
    int fd = path != NULL ? open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600) : -1;
    struct mq_reader *reader = NULL;
    if (fd < 0)
        st = mq_fail_errno(err, errno, "cannot make a scratch file in '%s'", folder);
    if (st == MQ_OK && (st = write_into(model, fd, writer->name, err)) == MQ_OK &&
        (st = mq_reader_from_file(path, &reader, err)) == MQ_OK)
        st = mq_stream_copy(reader, writer, err);
    mq_reader_close(reader);
    if (fd >= 0)
        close(fd);
    (void)mq_fs_remove(folder, NULL);
    return st;
}
