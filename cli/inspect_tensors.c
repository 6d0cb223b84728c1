#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/memory.h"
#include "cli/inspect.h"
#include "format/archive.h"
#include "format/faiss_index.h"
#include "format/json.h"
#include "format/keras_hdf5.h"
#include "format/npy.h"
#include "format/onnx_summary.h"
#include "format/safetensors.h"

/* Largest JSON entry of an archive that is shown. */
#define ARCHIVE_JSON_MAX ((size_t)64 << 10)
/* Largest array whose values are looked at. */
#define VALUES_BYTES_MAX ((int64_t)4 << 30)

/* Least, greatest, mean and how many are not finite, and the first rows. */
static void
describe_floats(const float *values, int64_t rows, int64_t columns, int samples, json_t *object)
{
    double least = INFINITY, greatest = -INFINITY, sum = 0;
    int64_t odd = 0, count = rows * columns;
    for (int64_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) {
            odd++;
            continue;
        }
        least = fmin(least, values[i]);
        greatest = fmax(greatest, values[i]);
        sum += values[i];
    }
    if (count > odd)
        json_object_set_new(object, "values",
                            json_pack("{s:f, s:f, s:f}", "least", least, "mean",
                                      sum / (double)(count - odd), "greatest", greatest));
    json_object_set_new(object, "not finite", json_integer(odd));
    json_t *first = json_array();
    for (int64_t r = 0; r < MQ_MIN(rows, samples); r++) {
        json_t *row = json_array();
        for (int64_t c = 0; c < MQ_MIN(columns, 8); c++) {
            json_t *number = json_real(values[r * columns + c]);
            json_array_append_new(row, number != NULL ? number : json_null());
        }
        if (columns > 8)
            json_array_append_new(row, json_string("…"));
        json_array_append_new(first, row);
    }
    json_object_set_new(object, "first rows", first);
}

enum mq_status
mq_inspect_npy(const struct mq_inspection *inspection, json_t *object, struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_object_reader(inspection->store, inspection->key, &reader, err);
    if (st != MQ_OK)
        return st;
    struct mq_npy_header header;
    st = mq_npy_read_header(reader, &header, err);
    if (st == MQ_OK) {
        json_object_set_new(object, "type", json_string(mq_npy_type_name(header.type)));
        json_object_set_new(object, "shape", mq_inspect_shape(header.shape, header.dims));
        json_object_set_new(object, "order", json_string(header.fortran_order ? "Fortran" : "C"));
        json_object_set_new(object, "byte order",
                            json_string(header.big_endian ? "big endian" : "little endian"));
    }
    if (st == MQ_OK && header.type == MQ_NPY_F4 && header.dims == 2 &&
        header.size_bytes <= VALUES_BYTES_MAX) {
        float *values = NULL;
        st = mq_alloc_array_raw((size_t)header.count, sizeof(float), &values, err);
        if (st == MQ_OK)
            st = mq_npy_read_data(reader, &header, values, err);
        if (st == MQ_OK)
            describe_floats(values, header.shape[0], header.shape[1], inspection->samples, object);
        mq_free(values);
    }
    mq_reader_close(reader);
    return st;
}

enum mq_status
mq_inspect_index(const struct mq_inspection *inspection, json_t *object, struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_object_reader(inspection->store, inspection->key, &reader, err);
    if (st != MQ_OK)
        return st;
    struct mq_faiss_index index = {0};
    st = mq_faiss_index_read(reader, &index, err);
    if (st == MQ_OK) {
        json_object_set_new(object, "type", json_string(index.hnsw != NULL ? "HNSW" : "flat"));
        json_object_set_new(
            object, "metric",
            json_string(index.metric == MQ_FAISS_L2 ? "squared distance" : "inner product"));
        json_object_set_new(object, "vectors", json_integer(index.n));
        json_object_set_new(object, "dimension", json_integer(index.dim));
        if (index.hnsw != NULL)
            json_object_set_new(object, "graph",
                                json_pack("{s:i, s:i, s:i}", "layers", index.hnsw->max_level + 1,
                                          "ef_construction", index.hnsw->ef_construction,
                                          "ef_search", index.hnsw->ef_search));
        describe_floats(index.vectors, index.n, index.dim, inspection->samples, object);
        mq_faiss_index_release(&index);
    }
    mq_reader_close(reader);
    return st;
}

enum mq_status
mq_inspect_hdf5(const struct mq_inspection *inspection, json_t *object, struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_object_reader(inspection->store, inspection->key, &reader, err);
    if (st != MQ_OK)
        return st;
    struct mq_keras_file *file = NULL;
    st = mq_keras_file_open_reader(reader, &file, err);
    mq_reader_close(reader);
    if (st != MQ_OK)
        return st;
    json_t *weights = json_array();
    int64_t parameters = 0;
    for (size_t i = 0; i < mq_keras_file_weight_count(file); i++) {
        const struct mq_keras_weight_info *w = mq_keras_file_weight(file, i);
        json_array_append_new(weights,
                              json_pack("{s:s, s:s, s:o}", "layer", w->layer, "weight", w->name,
                                        "shape", mq_inspect_shape(w->shape, w->rank)));
        parameters += w->elements;
    }
    json_t *layers = json_array();
    for (size_t i = 0; i < mq_keras_file_layer_count(file); i++)
        json_array_append_new(layers, json_string(mq_keras_file_layer(file, i)));
    json_object_set_new(object, "type", json_string("Keras model"));
    json_object_set_new(object, "parameters", json_integer(parameters));
    json_object_set_new(object, "layers", layers);
    json_object_set_new(object, "weights", weights);
    mq_keras_file_close(file);
    return MQ_OK;
}

static enum mq_status
describe_safetensors(struct mq_reader *reader, json_t *object, struct mq_error *err)
{
    struct mq_safetensors file = {0};
    enum mq_status st = mq_safetensors_read(reader, 0, &file, err);
    if (st != MQ_OK)
        return st;
    json_t *tensors = json_array();
    for (size_t i = 0; i < file.count; i++) {
        const struct mq_tensor *t = &file.tensors[i];
        json_array_append_new(tensors, json_pack("{s:s, s:s, s:o}", "tensor", t->name, "type",
                                                 mq_tensor_type_name(t->type), "shape",
                                                 mq_inspect_shape(t->shape, t->dims)));
    }
    json_object_set_new(object, "tensors", tensors);
    mq_safetensors_release(&file);
    return MQ_OK;
}

enum mq_status
mq_inspect_safetensors(const struct mq_inspection *inspection, json_t *object, struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_object_reader(inspection->store, inspection->key, &reader, err);
    if (st != MQ_OK)
        return st;
    st = describe_safetensors(reader, object, err);
    mq_reader_close(reader);
    return st;
}

static json_t *
onnx_values(const struct mq_onnx_value *values, size_t count)
{
    json_t *array = json_array();
    for (size_t i = 0; i < count; i++) {
        char shape[256] = "";
        for (int d = 0; d < values[i].rank; d++) {
            size_t n = strlen(shape);
            if (values[i].dims[d] == MQ_ONNX_BATCH)
                snprintf(shape + n, sizeof(shape) - n, "%sbatch", d > 0 ? " x " : "");
            else
                snprintf(shape + n, sizeof(shape) - n, "%s%lld", d > 0 ? " x " : "",
                         (long long)values[i].dims[d]);
        }
        json_array_append_new(array,
                              json_pack("{s:s, s:s}", "name", values[i].name, "shape", shape));
    }
    return array;
}

static enum mq_status
describe_onnx(struct mq_reader *reader, json_t *object, struct mq_error *err)
{
    struct mq_onnx_summary summary = {0};
    enum mq_status st = mq_onnx_summary_read(reader, &summary, err);
    if (st != MQ_OK)
        return st;
    json_t *ops = json_object();
    for (size_t i = 0; i < summary.op_count; i++)
        json_object_set_new(ops, summary.ops[i].op, json_integer(summary.ops[i].count));
    json_object_set_new(object, "opset", json_integer(summary.opset));
    json_object_set_new(object, "parameters", json_integer(summary.parameters));
    json_object_set_new(object, "inputs", onnx_values(summary.inputs, summary.input_count));
    json_object_set_new(object, "outputs", onnx_values(summary.outputs, summary.output_count));
    json_object_set_new(object, "operators", ops);
    mq_onnx_summary_release(&summary);
    return MQ_OK;
}

enum mq_status
mq_inspect_onnx(const struct mq_inspection *inspection, json_t *object, struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_object_reader(inspection->store, inspection->key, &reader, err);
    if (st != MQ_OK)
        return st;
    st = describe_onnx(reader, object, err);
    mq_reader_close(reader);
    return st;
}

static bool
ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

/* One entry: what is inside, where the kind is known. */
static enum mq_status
describe_entry(struct mq_archive_reader *archive, const struct mq_archive_entry *entry,
               json_t *object, struct mq_error *err)
{
    json_object_set_new(object, "name", json_string(entry->name));
    json_object_set_new(object, "bytes", json_integer(entry->size_bytes));
    bool is_json = ends_with(entry->name, ".json") && entry->size_bytes >= 0 &&
                   (size_t)entry->size_bytes <= ARCHIVE_JSON_MAX;
    bool is_onnx = ends_with(entry->name, ".onnx");
    bool is_tensors = ends_with(entry->name, ".safetensors");
    if (!is_json && !is_onnx && !is_tensors)
        return MQ_OK;
    struct mq_reader *reader;
    enum mq_status st = mq_archive_entry_reader(archive, &reader, err);
    if (st != MQ_OK)
        return st;
    if (is_json) {
        json_t *content = NULL;
        st = mq_json_read(reader, ARCHIVE_JSON_MAX, &content, err);
        if (st == MQ_OK)
            json_object_set_new(object, "content", content);
    } else {
        st = is_onnx ? describe_onnx(reader, object, err)
                     : describe_safetensors(reader, object, err);
    }
    mq_reader_close(reader);
    return st;
}

enum mq_status
mq_inspect_archive(const struct mq_inspection *inspection, json_t *object, struct mq_error *err)
{
    struct mq_reader *reader;
    enum mq_status st = mq_object_reader(inspection->store, inspection->key, &reader, err);
    if (st != MQ_OK)
        return st;
    struct mq_archive_reader *archive = NULL;
    st = mq_archive_open(reader, NULL, &archive, err);
    json_t *files = json_array();
    bool found = st == MQ_OK;
    while (st == MQ_OK && found) {
        struct mq_archive_entry entry;
        st = mq_archive_next(archive, &entry, &found, err);
        if (st != MQ_OK || !found)
            break;
        json_t *file = json_object();
        st = describe_entry(archive, &entry, file, err);
        json_array_append_new(files, file);
    }
    if (st == MQ_OK)
        json_object_set(object, "files", files);
    json_decref(files);
    mq_archive_close(archive);
    mq_reader_close(reader);
    return st;
}
