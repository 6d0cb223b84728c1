/* model.tar.gz: model.json (shape, fields, values), weights.safetensors (parameters), model.onnx
 * (the same model for other programs; not read back). */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "format/archive.h"
#include "format/json.h"
#include "format/safetensors.h"
#include "model/deepfm.h"
#include "model/deepfm_onnx.h"

#define FORMAT_NAME "marquee-deepfm"
#define SCHEMA_VERSION 1

static const char *const kind_names[] = {"dense", "category", "bag"};

/* --- parameters as tensors --- */

#define TENSORS_MAX (3 + 2 * (MQ_DEEPFM_LAYERS_MAX + 1))

/* What model.json says; known before anything of that size is allocated. */
struct description {
    struct mq_deepfm_field *fields;
    int32_t field_count, dim, layer_count;
    int32_t width[MQ_DEEPFM_LAYERS_MAX];
    int64_t feature_count;
};

struct named_tensor {
    char name[32];
    int dims;
    int64_t shape[2];
};

/* @return how many */
static int
list_tensors(const struct description *d, struct named_tensor tensors[TENSORS_MAX])
{
    int n = 0;
    tensors[n++] = (struct named_tensor){"bias", 1, {1, 0}};
    tensors[n++] = (struct named_tensor){"w", 1, {d->feature_count, 0}};
    tensors[n++] = (struct named_tensor){"v", 2, {d->feature_count, d->dim}};
    int64_t input = (int64_t)d->field_count * d->dim;
    for (int32_t l = 0; d->layer_count > 0 && l <= d->layer_count; l++) {
        int64_t output = l < d->layer_count ? d->width[l] : 1;
        tensors[n] = (struct named_tensor){"", 2, {input, output}};
        snprintf(tensors[n].name, sizeof(tensors[n].name), "kernel.%d", l);
        n++;
        tensors[n] = (struct named_tensor){"", 1, {output, 0}};
        snprintf(tensors[n].name, sizeof(tensors[n].name), "offset.%d", l);
        n++;
        input = output;
    }
    return n;
}

/* The model's arrays in the order of list_tensors. */
static void
list_arrays(const struct mq_deepfm *model, float *arrays[TENSORS_MAX])
{
    int n = 0;
    arrays[n++] = model->bias;
    arrays[n++] = model->w;
    arrays[n++] = model->v;
    for (int32_t l = 0; model->layer_count > 0 && l <= model->layer_count; l++) {
        arrays[n++] = model->kernel[l];
        arrays[n++] = model->offset[l];
    }
}

static enum mq_status
put_weights(const struct mq_deepfm *model, struct mq_archive_writer *archive, struct mq_error *err)
{
    struct named_tensor named[TENSORS_MAX];
    struct mq_tensor tensors[TENSORS_MAX] = {0};
    float *arrays[TENSORS_MAX];
    struct description d = {.field_count = model->field_count,
                            .dim = model->dim,
                            .layer_count = model->layer_count,
                            .feature_count = model->feature_count};
    memcpy(d.width, model->width, sizeof(d.width));
    int n = list_tensors(&d, named);
    list_arrays(model, arrays);
    for (int i = 0; i < n; i++) {
        tensors[i].name = named[i].name;
        tensors[i].type = MQ_TENSOR_F32;
        tensors[i].dims = named[i].dims;
        memcpy(tensors[i].shape, named[i].shape, sizeof(named[i].shape));
        tensors[i].data = arrays[i];
    }
    struct mq_buffer buffer;
    mq_buffer_init(&buffer, MQ_DEEPFM_FILE_MAX);
    struct mq_writer *writer = NULL;
    enum mq_status st = mq_writer_to_buffer(&buffer, &writer, err);
    if (st == MQ_OK)
        st = mq_safetensors_write(writer, tensors, (size_t)n, NULL, 0, err);
    if (st == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_writer_close(writer);
    if (st == MQ_OK)
        st = mq_archive_put(archive, "weights.safetensors", buffer.data, buffer.size, err);
    mq_buffer_release(&buffer);
    return st;
}

static enum mq_status
put_onnx(const struct mq_deepfm *model, struct mq_archive_writer *archive, struct mq_error *err)
{
    struct mq_deepfm_onnx graph = {0};
    struct mq_writer *writer = NULL;
    enum mq_status st = mq_deepfm_onnx_build(model, &graph, err);
    if (st == MQ_OK)
        st = mq_archive_entry_writer(archive, "model.onnx", mq_onnx_size(graph.onnx), &writer, err);
    if (st == MQ_OK)
        st = mq_onnx_write(graph.onnx, writer, err);
    if (st == MQ_OK)
        st = mq_writer_commit(writer, err);
    mq_writer_close(writer);
    mq_deepfm_onnx_release(&graph);
    return st;
}

/* --- model.json --- */

static json_t *
field_json(const struct mq_deepfm_field *field)
{
    json_t *object =
        json_pack("{s:s, s:s, s:i, s:i}", "name", field->name, "kind", kind_names[field->kind],
                  "first", (int)field->first, "size", (int)field->size);
    if (object == NULL)
        return NULL;
    bool made = true;
    if (field->kind == MQ_DEEPFM_DENSE) {
        made = json_object_set_new(object, "mean", json_real((double)field->mean)) == 0 &&
               json_object_set_new(object, "scale", json_real((double)field->scale)) == 0;
    } else if (field->values != NULL) {
        json_t *values = json_array();
        made = json_object_set_new(object, "values", values) == 0;
        for (int32_t i = 0; made && i < field->size; i++)
            made = json_array_append_new(values, json_string(field->values[i])) == 0;
    }
    if (made)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *
model_json(const struct mq_deepfm *model)
{
    json_t *root =
        json_pack("{s:s, s:i, s:i, s:[], s:[], s:{s:s, s:s, s:s}}", "format", FORMAT_NAME, "schema",
                  SCHEMA_VERSION, "dim", (int)model->dim, "layers", "fields", "onnx", "feat_ids",
                  "int64 [n, fields]", "feat_vals", "float32 [n, fields]", "prob", "float32 [n]");
    bool made = root != NULL;
    for (int32_t l = 0; made && l < model->layer_count; l++)
        made = json_array_append_new(json_object_get(root, "layers"),
                                     json_integer(model->width[l])) == 0;
    for (int32_t f = 0; made && f < model->field_count; f++)
        made = json_array_append_new(json_object_get(root, "fields"),
                                     field_json(&model->fields[f])) == 0;
    if (made)
        return root;
    json_decref(root);
    return NULL;
}

static enum mq_status
put_json(const struct mq_deepfm *model, struct mq_archive_writer *archive, struct mq_error *err)
{
    mq_autojson json_t *root = model_json(model);
    if (root == NULL)
        return mq_fail(err, MQ_E_FORMAT,
                       "cannot describe the DeepFM model in JSON: a field's name or value is not "
                       "UTF-8, or memory is short");
    struct mq_buffer buffer;
    mq_buffer_init(&buffer, MQ_JSON_SIZE_MAX);
    enum mq_status st = mq_json_dump(root, MQ_JSON_INDENTED, &buffer, err);
    if (st == MQ_OK)
        st = mq_buffer_append_char(&buffer, '\n', err);
    if (st == MQ_OK)
        st = mq_archive_put(archive, "model.json", buffer.data, buffer.size, err);
    mq_buffer_release(&buffer);
    return st;
}

enum mq_status
mq_deepfm_write(const struct mq_deepfm *model, struct mq_writer *writer, struct mq_error *err)
{
    struct mq_archive_writer *archive = NULL;
    enum mq_status st = mq_archive_writer_new(writer, MQ_ARCHIVE_TAR_GZ, &archive, err);
    if (st == MQ_OK)
        st = put_json(model, archive, err);
    if (st == MQ_OK)
        st = put_weights(model, archive, err);
    if (st == MQ_OK)
        st = put_onnx(model, archive, err);
    if (st == MQ_OK)
        st = mq_archive_writer_finish(archive, err);
    mq_archive_writer_free(archive);
    return st;
}

/* --- reading --- */

static enum mq_status
need_int32(const json_t *object, const char *key, int32_t *ret_int, struct mq_error *err)
{
    int64_t value = 0;
    enum mq_status st = mq_json_need_int(object, key, &value, err);
    if (st == MQ_OK && (value < INT32_MIN || value > INT32_MAX))
        st = mq_fail(err, MQ_E_FORMAT, "'%s' is %lld, out of range", key, (long long)value);
    if (st == MQ_OK)
        *ret_int = (int32_t)value;
    return st;
}

static enum mq_status
read_values(const json_t *object, struct mq_deepfm_field *field, struct mq_arena *arena,
            struct mq_error *err)
{
    const json_t *values = json_object_get(object, "values");
    if (values == NULL)
        return MQ_OK;
    if (!json_is_array(values) || json_array_size(values) != (size_t)field->size)
        return mq_fail(err, MQ_E_FORMAT, "field '%s' of a DeepFM model does not list its %d values",
                       field->name, field->size);
    field->values = mq_arena_array(arena, (size_t)field->size, sizeof(*field->values));
    if (field->values == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the values of field '%s'", field->name);
    for (int32_t i = 0; i < field->size; i++) {
        const char *text = json_string_value(json_array_get(values, (size_t)i));
        if (text == NULL)
            return mq_fail(err, MQ_E_FORMAT, "value %d of field '%s' of a DeepFM model is no text",
                           i, field->name);
        field->values[i] = mq_arena_copy(arena, text, strlen(text));
        if (field->values[i] == NULL)
            return mq_fail(err, MQ_E_NOMEM, "cannot allocate the values of field '%s'",
                           field->name);
    }
    return MQ_OK;
}

static enum mq_status
read_field(const json_t *object, struct mq_deepfm_field *field, struct mq_arena *arena,
           struct mq_error *err)
{
    const char *name = NULL, *kind = NULL;
    *field = (struct mq_deepfm_field){.scale = 1};
    enum mq_status st = mq_json_need_text(object, "name", &name, err);
    if (st == MQ_OK)
        st = mq_json_need_text(object, "kind", &kind, err);
    if (st == MQ_OK && strlen(name) >= sizeof(field->name))
        st = mq_fail(err, MQ_E_FORMAT, "a field's name has %zu bytes (at most %zu)", strlen(name),
                     sizeof(field->name) - 1);
    if (st == MQ_OK)
        st = need_int32(object, "size", &field->size, err);
    if (st != MQ_OK)
        return st;
    memcpy(field->name, name, strlen(name) + 1);
    size_t k = 0;
    while (k < MQ_COUNT(kind_names) && strcmp(kind, kind_names[k]) != 0)
        k++;
    if (k == MQ_COUNT(kind_names))
        return mq_fail(err, MQ_E_UNSUPPORTED,
                       "field '%s' of a DeepFM model is a '%s' (known: dense, category, bag)", name,
                       kind);
    field->kind = (enum mq_deepfm_kind)k;
    if (field->kind != MQ_DEEPFM_DENSE)
        return read_values(object, field, arena, err);
    double mean = 0, scale = 0;
    st = mq_json_need_real(object, "mean", &mean, err);
    if (st == MQ_OK)
        st = mq_json_need_real(object, "scale", &scale, err);
    field->mean = (float)mean;
    field->scale = (float)scale;
    return st;
}

static enum mq_status
read_shape(const json_t *root, struct mq_arena *arena, struct description *d, struct mq_error *err)
{
    const char *format = NULL;
    int32_t schema = 0;
    enum mq_status st = mq_json_need_text(root, "format", &format, err);
    if (st == MQ_OK)
        st = need_int32(root, "schema", &schema, err);
    if (st == MQ_OK && strcmp(format, FORMAT_NAME) != 0)
        return mq_fail(err, MQ_E_FORMAT, "model.json is of format '%s' (expected: '%s')", format,
                       FORMAT_NAME);
    if (st == MQ_OK && schema != SCHEMA_VERSION)
        return mq_fail(err, MQ_E_UNSUPPORTED, "model.json has schema version %d (known: %d)",
                       schema, SCHEMA_VERSION);
    if (st == MQ_OK)
        st = need_int32(root, "dim", &d->dim, err);
    if (st != MQ_OK)
        return st;
    const json_t *layers = json_object_get(root, "layers");
    const json_t *fields = json_object_get(root, "fields");
    if (!json_is_array(layers) || json_array_size(layers) > MQ_DEEPFM_LAYERS_MAX)
        return mq_fail(err, MQ_E_FORMAT, "'layers' of model.json is no list of at most %d numbers",
                       MQ_DEEPFM_LAYERS_MAX);
    if (!json_is_array(fields) || json_array_size(fields) > MQ_DEEPFM_FIELDS_MAX)
        return mq_fail(err, MQ_E_FORMAT, "'fields' of model.json is no list of at most %d fields",
                       MQ_DEEPFM_FIELDS_MAX);
    d->layer_count = (int32_t)json_array_size(layers);
    d->field_count = (int32_t)json_array_size(fields);
    for (int32_t l = 0; l < d->layer_count; l++) {
        json_int_t value = json_integer_value(json_array_get(layers, (size_t)l));
        d->width[l] = value >= 0 && value <= INT32_MAX ? (int32_t)value : -1;
    }
    d->fields = mq_arena_array(arena, (size_t)MQ_MAX(d->field_count, 1), sizeof(*d->fields));
    if (d->fields == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate %d fields", d->field_count);
    for (int32_t f = 0; st == MQ_OK && f < d->field_count; f++) {
        st = read_field(json_array_get(fields, (size_t)f), &d->fields[f], arena, err);
        d->feature_count += d->fields[f].size;
    }
    return st;
}

static enum mq_status
read_json(struct mq_reader *reader, struct mq_arena *arena, struct description *d,
          struct mq_error *err)
{
    mq_autojson json_t *root = NULL;
    enum mq_status st = mq_json_read(reader, 0, &root, err);
    return st == MQ_OK ? read_shape(root, arena, d, err) : st;
}

/* Only when the weights are there in the shapes that the description asks for is a model of that
 * shape allocated. */
static enum mq_status
read_weights(struct mq_reader *reader, const struct description *d, struct mq_deepfm **ret_model,
             struct mq_error *err)
{
    struct mq_safetensors file = {0};
    struct named_tensor named[TENSORS_MAX];
    const struct mq_tensor *tensors[TENSORS_MAX];
    float *arrays[TENSORS_MAX];
    struct mq_deepfm *model = NULL;
    int n = list_tensors(d, named);
    enum mq_status st = mq_safetensors_read(reader, MQ_DEEPFM_FILE_MAX, &file, err);
    for (int i = 0; st == MQ_OK && i < n; i++) {
        st = mq_safetensors_need_floats(&file, named[i].name, named[i].dims, named[i].shape,
                                        &tensors[i], err);
        for (int64_t k = 0; st == MQ_OK && k < tensors[i]->count; k++)
            if (!isfinite(((const float *)tensors[i]->data)[k]))
                st = mq_fail(err, MQ_E_FORMAT, "'%s' of weights.safetensors holds %g",
                             named[i].name, (double)((const float *)tensors[i]->data)[k]);
    }
    if (st == MQ_OK)
        st =
            mq_deepfm_new(d->fields, d->field_count, d->dim, d->layer_count, d->width, &model, err);
    if (st == MQ_OK) {
        list_arrays(model, arrays);
        for (int i = 0; i < n; i++)
            memcpy(arrays[i], tensors[i]->data, tensors[i]->size_bytes);
        *ret_model = model;
    }
    mq_safetensors_release(&file);
    return st;
}

enum mq_status
mq_deepfm_read(struct mq_reader *reader, struct mq_deepfm **ret_model, struct mq_error *err)
{
    static const struct mq_archive_limits limits = {.entries_max = 16,
                                                    .entry_bytes_max = MQ_DEEPFM_FILE_MAX};
    struct mq_archive_reader *archive = NULL;
    struct mq_archive_entry entry;
    struct mq_reader *member = NULL;
    struct mq_arena arena = {0};
    struct description description = {0};
    enum mq_status st = mq_archive_open(reader, &limits, &archive, err);
    /* Written in this order, so that one pass is enough. */
    if (st == MQ_OK)
        st = mq_archive_find(archive, "model.json", &entry, err);
    if (st == MQ_OK)
        st = mq_archive_entry_reader(archive, &member, err);
    if (st == MQ_OK)
        st = read_json(member, &arena, &description, err);
    mq_reader_close(member);
    member = NULL;
    if (st == MQ_OK)
        st = mq_archive_find(archive, "weights.safetensors", &entry, err);
    if (st == MQ_OK)
        st = mq_archive_entry_reader(archive, &member, err);
    if (st == MQ_OK)
        st = read_weights(member, &description, ret_model, err);
    mq_reader_close(member);
    /* The rest is passed over, so that an archive that is cut short or damaged is refused. */
    for (bool more = true; st == MQ_OK && more;)
        st = mq_archive_next(archive, &entry, &more, err);
    mq_archive_close(archive);
    mq_arena_release(&arena);
    if (st == MQ_OK)
        return MQ_OK;
    /* A member or weight that is missing, or a shape that is none, makes the file malformed. */
    if (st == MQ_E_NOT_FOUND || st == MQ_E_RANGE) {
        st = MQ_E_FORMAT;
        if (err != NULL)
            err->code = MQ_E_FORMAT;
    }
    return mq_fail_context(err, st, "cannot read the DeepFM model");
}
