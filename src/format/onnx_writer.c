/* Messages of the generated onnx.pb-c.h, filled in an arena and packed straight into the stream. */
#include "format/onnx_writer.h"

#include <string.h>

#include "base/arena.h"
#include "base/memory.h"
#include "base/strmap.h"
#include "format/onnx.pb-c.h"

#define OPSET_MIN 7
#define OPSET_MAX 18
#define NAME_MAX_BYTES 255
#define DIM_MAX ((int64_t)1 << 40)

struct mq_onnx {
    struct mq_arena arena;
    struct mq_strmap names; /* every value that is defined so far */
    Onnx__ModelProto model;
    Onnx__GraphProto graph;
    Onnx__OperatorSetIdProto opset;
    Onnx__OperatorSetIdProto *opsets[1];
    size_t node_capacity, tensor_capacity, input_capacity, output_capacity, metadata_capacity;
    int64_t tensor_bytes;
};

static enum mq_status
no_memory(struct mq_error *err)
{
    return mq_fail(err, MQ_E_NOMEM, "cannot allocate a part of an ONNX model");
}

static char *
keep(struct mq_onnx *onnx, const char *text)
{
    return mq_arena_copy(&onnx->arena, text, strlen(text));
}

enum mq_status
mq_onnx_new(const char *name, int64_t opset, struct mq_onnx **ret_onnx, struct mq_error *err)
{
    if (opset < OPSET_MIN || opset > OPSET_MAX)
        return mq_fail(err, MQ_E_RANGE, "ONNX operator set %lld (allowed: %d to %d)",
                       (long long)opset, OPSET_MIN, OPSET_MAX);
    struct mq_onnx *onnx = calloc(1, sizeof(*onnx));
    if (onnx == NULL)
        return no_memory(err);
    onnx__model_proto__init(&onnx->model);
    onnx__graph_proto__init(&onnx->graph);
    onnx__operator_set_id_proto__init(&onnx->opset);
    onnx->opset.domain = (char *)(uintptr_t) "";
    onnx->opset.has_version = true;
    onnx->opset.version = opset;
    onnx->opsets[0] = &onnx->opset;
    onnx->model.has_ir_version = true;
    onnx->model.ir_version = opset < 15 ? 7 : 8;
    onnx->model.n_opset_import = 1;
    onnx->model.opset_import = onnx->opsets;
    onnx->model.producer_name = (char *)(uintptr_t) "marquee";
    onnx->model.graph = &onnx->graph;
    onnx->graph.name = keep(onnx, name);
    if (onnx->graph.name == NULL) {
        mq_onnx_free(onnx);
        return no_memory(err);
    }
    *ret_onnx = onnx;
    return MQ_OK;
}

void
mq_onnx_free(struct mq_onnx *onnx)
{
    if (onnx == NULL)
        return;
    free(onnx->graph.node);
    free(onnx->graph.initializer);
    free(onnx->graph.input);
    free(onnx->graph.output);
    free(onnx->model.metadata_props);
    mq_strmap_release(&onnx->names);
    mq_arena_release(&onnx->arena);
    free(onnx);
}

/* ---- names and shapes ------------------------------------------------------------------- */

/* A new value's name: sound, and not taken. */
static enum mq_status
define(struct mq_onnx *onnx, const char *name, struct mq_error *err)
{
    size_t size = strlen(name);
    if (size < 1 || size > NAME_MAX_BYTES)
        return mq_fail(err, MQ_E_RANGE, "ONNX name '%s' has %zu bytes (allowed: 1 to %d)", name,
                       size, NAME_MAX_BYTES);
    int32_t before = onnx->names.count, code;
    enum mq_status st = mq_strmap_add_text(&onnx->names, name, &code, err);
    if (st == MQ_OK && code < before)
        return mq_fail(err, MQ_E_RANGE, "ONNX name '%s' is already in use", name);
    return st;
}

/* @param allow_batch whether MQ_ONNX_BATCH may stand for a size */
static enum mq_status
check_shape(const char *name, int rank, const int64_t *dims, bool allow_batch, int64_t *ret_count,
            struct mq_error *err)
{
    if (rank < 0 || rank > MQ_ONNX_RANK_MAX)
        return mq_fail(err, MQ_E_RANGE, "ONNX value '%s' has %d dimensions (allowed: 0 to %d)",
                       name, rank, MQ_ONNX_RANK_MAX);
    int64_t count = 1;
    for (int d = 0; d < rank; d++) {
        if (allow_batch && dims[d] == MQ_ONNX_BATCH)
            continue;
        if (dims[d] < 0 || dims[d] > DIM_MAX / MQ_MAX(count, 1))
            return mq_fail(err, MQ_E_RANGE, "ONNX value '%s': dimension %d is %lld", name, d,
                           (long long)dims[d]);
        count *= dims[d];
    }
    *ret_count = count;
    return MQ_OK;
}

static enum mq_status
value_info(struct mq_onnx *onnx, const char *name, enum mq_onnx_type type, int rank,
           const int64_t *dims, Onnx__ValueInfoProto **ret_value, struct mq_error *err)
{
    int64_t count = 0;
    enum mq_status st = check_shape(name, rank, dims, true, &count, err);
    if (st != MQ_OK)
        return st;
    struct value {
        Onnx__ValueInfoProto info;
        Onnx__TypeProto type;
        Onnx__TypeProto__Tensor tensor;
        Onnx__TensorShapeProto shape;
        Onnx__TensorShapeProto__Dimension dims[MQ_ONNX_RANK_MAX];
        Onnx__TensorShapeProto__Dimension *dim_list[MQ_ONNX_RANK_MAX];
    } *v = mq_arena_alloc(&onnx->arena, sizeof(*v));
    char *copy = keep(onnx, name);
    if (v == NULL || copy == NULL)
        return no_memory(err);
    onnx__value_info_proto__init(&v->info);
    onnx__type_proto__init(&v->type);
    onnx__type_proto__tensor__init(&v->tensor);
    onnx__tensor_shape_proto__init(&v->shape);
    for (int d = 0; d < rank; d++) {
        onnx__tensor_shape_proto__dimension__init(&v->dims[d]);
        if (dims[d] == MQ_ONNX_BATCH) {
            v->dims[d].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
            v->dims[d].dim_param = (char *)(uintptr_t) "N";
        } else {
            v->dims[d].value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
            v->dims[d].dim_value = dims[d];
        }
        v->dim_list[d] = &v->dims[d];
    }
    v->shape.n_dim = (size_t)rank;
    v->shape.dim = v->dim_list;
    v->tensor.has_elem_type = true;
    v->tensor.elem_type = (int32_t)type;
    v->tensor.shape = &v->shape;
    v->type.value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    v->type.tensor_type = &v->tensor;
    v->info.name = copy;
    v->info.type = &v->type;
    *ret_value = &v->info;
    return MQ_OK;
}

/* ---- building --------------------------------------------------------------------------- */

enum mq_status
mq_onnx_input(struct mq_onnx *onnx, const char *name, enum mq_onnx_type type, int rank,
              const int64_t *dims, struct mq_error *err)
{
    Onnx__ValueInfoProto *value;
    enum mq_status st;
    if ((st = value_info(onnx, name, type, rank, dims, &value, err)) != MQ_OK ||
        (st = mq_grow(&onnx->graph.input, &onnx->input_capacity, onnx->graph.n_input + 1,
                      sizeof(*onnx->graph.input), err)) != MQ_OK ||
        (st = define(onnx, name, err)) != MQ_OK)
        return st;
    onnx->graph.input[onnx->graph.n_input++] = value;
    return MQ_OK;
}

enum mq_status
mq_onnx_output(struct mq_onnx *onnx, const char *name, enum mq_onnx_type type, int rank,
               const int64_t *dims, struct mq_error *err)
{
    if (mq_strmap_find_text(&onnx->names, name) < 0)
        return mq_fail(err, MQ_E_RANGE, "ONNX output '%s' is made by no node", name);
    for (size_t i = 0; i < onnx->graph.n_output; i++) {
        if (strcmp(onnx->graph.output[i]->name, name) == 0)
            return mq_fail(err, MQ_E_RANGE, "ONNX output '%s' is given twice", name);
    }
    Onnx__ValueInfoProto *value;
    enum mq_status st;
    if ((st = value_info(onnx, name, type, rank, dims, &value, err)) != MQ_OK ||
        (st = mq_grow(&onnx->graph.output, &onnx->output_capacity, onnx->graph.n_output + 1,
                      sizeof(*onnx->graph.output), err)) != MQ_OK)
        return st;
    onnx->graph.output[onnx->graph.n_output++] = value;
    return MQ_OK;
}

/* @param values borrowed or in the arena */
static enum mq_status
add_tensor(struct mq_onnx *onnx, const char *name, enum mq_onnx_type type, size_t size, int rank,
           const int64_t *dims, const void *values, struct mq_error *err)
{
    int64_t count = 0;
    enum mq_status st = check_shape(name, rank, dims, false, &count, err);
    if (st != MQ_OK)
        return st;
    int64_t bytes = count * (int64_t)size;
    if (bytes > MQ_ONNX_TENSOR_MAX || onnx->tensor_bytes + bytes > MQ_ONNX_MODEL_MAX)
        return mq_fail(err, MQ_E_RANGE,
                       "ONNX tensor '%s' takes %lld bytes, all of them %lld (allowed: %lld, %lld)",
                       name, (long long)bytes, (long long)(onnx->tensor_bytes + bytes),
                       (long long)MQ_ONNX_TENSOR_MAX, (long long)MQ_ONNX_MODEL_MAX);
    Onnx__TensorProto *tensor = mq_arena_alloc(&onnx->arena, sizeof(*tensor));
    int64_t *shape = mq_arena_array(&onnx->arena, (size_t)MQ_MAX(rank, 1), sizeof(*shape));
    char *copy = keep(onnx, name);
    if (tensor == NULL || shape == NULL || copy == NULL)
        return no_memory(err);
    if ((st = mq_grow(&onnx->graph.initializer, &onnx->tensor_capacity,
                      onnx->graph.n_initializer + 1, sizeof(*onnx->graph.initializer), err)) !=
            MQ_OK ||
        (st = define(onnx, name, err)) != MQ_OK)
        return st;
    onnx__tensor_proto__init(tensor);
    for (int d = 0; d < rank; d++)
        shape[d] = dims[d];
    tensor->name = copy;
    tensor->n_dims = (size_t)rank;
    tensor->dims = shape;
    tensor->has_data_type = true;
    tensor->data_type = (int32_t)type;
    tensor->has_raw_data = true;
    tensor->raw_data.len = (size_t)bytes;
    tensor->raw_data.data = (uint8_t *)(uintptr_t)values;
    onnx->graph.initializer[onnx->graph.n_initializer++] = tensor;
    onnx->tensor_bytes += bytes;
    return MQ_OK;
}

enum mq_status
mq_onnx_float_tensor(struct mq_onnx *onnx, const char *name, int rank, const int64_t *dims,
                     const float *values, struct mq_error *err)
{
    return add_tensor(onnx, name, MQ_ONNX_FLOAT, sizeof(float), rank, dims, values, err);
}

enum mq_status
mq_onnx_int64_tensor(struct mq_onnx *onnx, const char *name, int rank, const int64_t *dims,
                     const int64_t *values, struct mq_error *err)
{
    int64_t count = 0;
    enum mq_status st = check_shape(name, rank, dims, false, &count, err);
    if (st != MQ_OK)
        return st;
    if (count > MQ_ONNX_TENSOR_MAX / (int64_t)sizeof(int64_t))
        return mq_fail(err, MQ_E_RANGE, "ONNX tensor '%s' has %lld elements", name,
                       (long long)count);
    int64_t *copy = mq_arena_array(&onnx->arena, (size_t)MQ_MAX(count, 1), sizeof(*copy));
    if (copy == NULL)
        return no_memory(err);
    memcpy(copy, values, (size_t)count * sizeof(*copy));
    return add_tensor(onnx, name, MQ_ONNX_INT64, sizeof(int64_t), rank, dims, copy, err);
}

static Onnx__AttributeProto *
keep_attribute(struct mq_onnx *onnx, const struct mq_onnx_attribute *a)
{
    Onnx__AttributeProto *attribute = mq_arena_alloc(&onnx->arena, sizeof(*attribute));
    if (attribute == NULL)
        return NULL;
    onnx__attribute_proto__init(attribute);
    attribute->name = keep(onnx, a->name);
    attribute->has_type = true;
    attribute->type = (Onnx__AttributeProto__AttributeType)a->kind;
    bool kept = attribute->name != NULL;
    switch (a->kind) {
    case MQ_ONNX_ATTRIBUTE_FLOAT:
        attribute->has_f = true;
        attribute->f = a->f;
        break;
    case MQ_ONNX_ATTRIBUTE_INT:
        attribute->has_i = true;
        attribute->i = a->i;
        break;
    case MQ_ONNX_ATTRIBUTE_TEXT:
        attribute->has_s = true;
        attribute->s.len = strlen(a->text);
        attribute->s.data = (uint8_t *)keep(onnx, a->text);
        kept &= attribute->s.data != NULL;
        break;
    case MQ_ONNX_ATTRIBUTE_INTS:
        attribute->n_ints = a->int_count;
        attribute->ints = mq_arena_array(&onnx->arena, a->int_count, sizeof(*attribute->ints));
        if (attribute->ints != NULL && a->int_count > 0)
            memcpy(attribute->ints, a->ints, a->int_count * sizeof(*a->ints));
        kept &= attribute->ints != NULL;
        break;
    case MQ_ONNX_ATTRIBUTE_NONE:
        break;
    }
    return kept ? attribute : NULL;
}

static size_t
list_length(const char *const *names)
{
    size_t n = 0;
    while (names[n] != NULL)
        n++;
    return n;
}

/* A NULL-terminated list of names, kept; NULL without memory. */
static char **
keep_names(struct mq_onnx *onnx, const char *const *names, size_t count)
{
    char **list = mq_arena_array(&onnx->arena, count + 1, sizeof(*list));
    for (size_t i = 0; list != NULL && i < count; i++) {
        if ((list[i] = keep(onnx, names[i])) == NULL)
            return NULL;
    }
    return list;
}

enum mq_status
mq_onnx_node(struct mq_onnx *onnx, const char *op, const char *const *inputs,
             const char *const *outputs, const struct mq_onnx_attribute *attributes,
             struct mq_error *err)
{
    size_t input_count = list_length(inputs), output_count = list_length(outputs);
    size_t attribute_count = 0;
    while (attributes != NULL && attributes[attribute_count].name != NULL)
        attribute_count++;
    if (output_count == 0)
        return mq_fail(err, MQ_E_RANGE, "ONNX node %s has no output", op);
    for (size_t i = 0; i < input_count; i++) {
        if (inputs[i][0] != '\0' && mq_strmap_find_text(&onnx->names, inputs[i]) < 0)
            return mq_fail(err, MQ_E_RANGE, "ONNX node %s '%s' takes '%s', which is not defined",
                           op, outputs[0], inputs[i]);
    }
    Onnx__NodeProto *node = mq_arena_alloc(&onnx->arena, sizeof(*node));
    enum mq_status st = mq_grow(&onnx->graph.node, &onnx->node_capacity, onnx->graph.n_node + 1,
                                sizeof(*onnx->graph.node), err);
    if (st != MQ_OK)
        return st;
    if (node == NULL)
        return no_memory(err);
    onnx__node_proto__init(node);
    node->n_input = input_count;
    node->n_output = output_count;
    node->input = keep_names(onnx, inputs, input_count);
    node->output = keep_names(onnx, outputs, output_count);
    node->op_type = keep(onnx, op);
    node->name = keep(onnx, outputs[0]);
    node->n_attribute = attribute_count;
    node->attribute = mq_arena_array(&onnx->arena, attribute_count + 1, sizeof(*node->attribute));
    bool kept = node->input != NULL && node->output != NULL && node->op_type != NULL &&
                node->name != NULL && node->attribute != NULL;
    for (size_t i = 0; kept && i < attribute_count; i++)
        kept = (node->attribute[i] = keep_attribute(onnx, &attributes[i])) != NULL;
    if (!kept)
        return no_memory(err);
    for (size_t i = 0; i < output_count; i++) {
        if ((st = define(onnx, outputs[i], err)) != MQ_OK)
            return st;
    }
    onnx->graph.node[onnx->graph.n_node++] = node;
    return MQ_OK;
}

enum mq_status
mq_onnx_metadata(struct mq_onnx *onnx, const char *key, const char *value, struct mq_error *err)
{
    Onnx__StringStringEntryProto *pair = mq_arena_alloc(&onnx->arena, sizeof(*pair));
    enum mq_status st =
        mq_grow(&onnx->model.metadata_props, &onnx->metadata_capacity,
                onnx->model.n_metadata_props + 1, sizeof(*onnx->model.metadata_props), err);
    if (st != MQ_OK)
        return st;
    if (pair == NULL)
        return no_memory(err);
    onnx__string_string_entry_proto__init(pair);
    pair->key = keep(onnx, key);
    pair->value = keep(onnx, value);
    if (pair->key == NULL || pair->value == NULL)
        return no_memory(err);
    onnx->model.metadata_props[onnx->model.n_metadata_props++] = pair;
    return MQ_OK;
}

/* ---- writing ---------------------------------------------------------------------------- */

int64_t
mq_onnx_size(const struct mq_onnx *onnx)
{
    return (int64_t)onnx__model_proto__get_packed_size(&onnx->model);
}

/* Where protobuf-c packs to: it offers small pieces, and tensor data as one piece each. */
struct stream_buffer {
    ProtobufCBuffer base;
    struct mq_writer *writer;
    struct mq_error *err;
    enum mq_status status;
};

static void
stream_append(ProtobufCBuffer *base, size_t size, const uint8_t *bytes)
{
    struct stream_buffer *buffer = (struct stream_buffer *)base;
    if (buffer->status == MQ_OK)
        buffer->status = mq_writer_put(buffer->writer, bytes, size, buffer->err);
}

enum mq_status
mq_onnx_write(const struct mq_onnx *onnx, struct mq_writer *writer, struct mq_error *err)
{
    if (onnx->graph.n_output == 0)
        return mq_fail(err, MQ_E_USAGE, "cannot write ONNX model '%s': it has no output",
                       writer->name);
    if (mq_onnx_size(onnx) > MQ_ONNX_MODEL_MAX)
        return mq_fail(err, MQ_E_RANGE, "cannot write ONNX model '%s': %lld bytes (allowed: %lld)",
                       writer->name, (long long)mq_onnx_size(onnx), (long long)MQ_ONNX_MODEL_MAX);
    struct stream_buffer buffer = {{stream_append}, writer, err, MQ_OK};
    (void)onnx__model_proto__pack_to_buffer(&onnx->model, &buffer.base);
    return buffer.status;
}
