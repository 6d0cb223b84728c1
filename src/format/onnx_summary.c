#include "format/onnx_summary.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strmap.h"
#include "format/onnx.pb-c.h"

/* ---- before decoding -------------------------------------------------------------------- */

struct cursor {
    const uint8_t *at, *end;
};

static bool
take_number(struct cursor *c, uint64_t *ret_number)
{
    uint64_t number = 0;
    for (int shift = 0; shift < 64 && c->at < c->end; shift += 7) {
        uint8_t byte = *c->at++;
        number |= (uint64_t)(byte & 0x7f) << shift;
        if ((byte & 0x80) == 0) {
            *ret_number = number;
            return true;
        }
    }
    return false;
}

/* Follow the wire format along the schema, as deep as messages nest, without decoding anything. */
static bool
nesting_is_sound(const ProtobufCMessageDescriptor *message, struct cursor c, int depth)
{
    if (depth > MQ_ONNX_DEPTH_MAX)
        return false;
    while (c.at < c.end) {
        uint64_t tag, size;
        if (!take_number(&c, &tag) || tag > UINT32_MAX)
            return false;
        switch (tag & 7) {
        case 0:
            if (!take_number(&c, &size))
                return false;
            continue;
        case 1:
            size = 8;
            break;
        case 2:
            if (!take_number(&c, &size))
                return false;
            break;
        case 5:
            size = 4;
            break;
        default:
            return false;
        }
        if (size > (uint64_t)(c.end - c.at))
            return false;
        const ProtobufCFieldDescriptor *field =
            protobuf_c_message_descriptor_get_field(message, (unsigned)(tag >> 3));
        if (field != NULL && field->type == PROTOBUF_C_TYPE_MESSAGE && (tag & 7) == 2 &&
            !nesting_is_sound(field->descriptor, (struct cursor){c.at, c.at + size}, depth + 1))
            return false;
        c.at += size;
    }
    return true;
}

/* protobuf-c allocates a message for every two bytes if asked to; here it may not. */
struct budget {
    size_t left;
};

static void *
budget_alloc(void *context, size_t size)
{
    struct budget *budget = context;
    if (size > budget->left)
        return NULL;
    budget->left -= size;
    return malloc(MQ_MAX(size, 1));
}

static void
budget_free(void *context, void *block)
{
    (void)context;
    free(block);
}

/* ---- summing up ------------------------------------------------------------------------- */

static const char *
keep(struct mq_onnx_summary *s, const char *text)
{
    const char *copy = text != NULL ? mq_arena_copy(&s->arena, text, strlen(text)) : "";
    return copy != NULL ? copy : "";
}

/* Multiply sizes; false when they are no sizes. */
static bool
count_elements(const int64_t *dims, size_t rank, int64_t *ret_count)
{
    int64_t count = 1;
    for (size_t d = 0; d < rank; d++) {
        if (dims[d] < 0 || (count > 0 && dims[d] > ((int64_t)1 << 48) / count))
            return false;
        count *= dims[d];
    }
    *ret_count = count;
    return true;
}

static bool
take_value(struct mq_onnx_summary *s, const Onnx__ValueInfoProto *info, struct mq_onnx_value *v)
{
    v->name = keep(s, info->name);
    if (info->type == NULL || info->type->value_case != ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE ||
        info->type->tensor_type == NULL)
        return true;
    const Onnx__TypeProto__Tensor *tensor = info->type->tensor_type;
    v->type = tensor->has_elem_type ? tensor->elem_type : 0;
    if (tensor->shape == NULL)
        return true;
    if (tensor->shape->n_dim > MQ_ONNX_RANK_MAX)
        return false;
    v->rank = (int)tensor->shape->n_dim;
    for (int d = 0; d < v->rank; d++) {
        const Onnx__TensorShapeProto__Dimension *dim = tensor->shape->dim[d];
        v->dims[d] = dim->value_case == ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE
                         ? dim->dim_value
                         : MQ_ONNX_BATCH;
    }
    return true;
}

static bool
take_tensor(struct mq_onnx_summary *s, const Onnx__TensorProto *tensor, struct mq_onnx_value *v)
{
    int64_t count;
    if (tensor->n_dims > MQ_ONNX_RANK_MAX || !count_elements(tensor->dims, tensor->n_dims, &count))
        return false;
    v->name = keep(s, tensor->name);
    v->type = tensor->has_data_type ? tensor->data_type : 0;
    v->rank = (int)tensor->n_dims;
    for (int d = 0; d < v->rank; d++)
        v->dims[d] = tensor->dims[d];
    if (s->parameters > INT64_MAX - count)
        return false;
    s->parameters += count;
    return true;
}

static enum mq_status
count_ops(struct mq_onnx_summary *s, const Onnx__GraphProto *graph, struct mq_error *err)
{
    struct mq_strmap ops = {0};
    enum mq_status st = MQ_OK;
    s->node_count = graph->n_node;
    s->ops = mq_arena_array(&s->arena, graph->n_node, sizeof(*s->ops));
    if (s->ops == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a summary");
    for (size_t i = 0; i < graph->n_node && st == MQ_OK; i++) {
        const char *op = graph->node[i]->op_type != NULL ? graph->node[i]->op_type : "";
        int32_t code;
        st = mq_strmap_add(&ops, op, MQ_MIN(strlen(op), 255), &code, err);
        if (st != MQ_OK)
            break;
        if (s->ops[code].count++ == 0)
            s->ops[code].op = keep(s, ops.keys[code]);
    }
    s->op_count = (size_t)ops.count;
    mq_strmap_release(&ops);
    return st;
}

static enum mq_status
summarise(struct mq_onnx_summary *s, const Onnx__ModelProto *model, const char *name,
          struct mq_error *err)
{
    const Onnx__GraphProto *graph = model->graph;
    if (graph == NULL)
        return mq_fail(err, MQ_E_FORMAT, "'%s' is not an ONNX model: it holds no graph", name);
    s->ir_version = model->has_ir_version ? model->ir_version : 0;
    for (size_t i = 0; i < model->n_opset_import; i++) {
        const Onnx__OperatorSetIdProto *set = model->opset_import[i];
        if (set->domain == NULL || set->domain[0] == '\0' || strcmp(set->domain, "ai.onnx") == 0)
            s->opset = set->has_version ? set->version : 0;
    }
    s->producer = keep(s, model->producer_name);
    s->graph = keep(s, graph->name);
    s->inputs = mq_arena_array(&s->arena, graph->n_input, sizeof(*s->inputs));
    s->outputs = mq_arena_array(&s->arena, graph->n_output, sizeof(*s->outputs));
    s->tensors = mq_arena_array(&s->arena, graph->n_initializer, sizeof(*s->tensors));
    if (s->inputs == NULL || s->outputs == NULL || s->tensors == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate a summary of '%s'", name);
    bool sound = true;
    for (size_t i = 0; i < graph->n_input && sound; i++)
        sound = take_value(s, graph->input[i], &s->inputs[s->input_count++]);
    for (size_t i = 0; i < graph->n_output && sound; i++)
        sound = take_value(s, graph->output[i], &s->outputs[s->output_count++]);
    for (size_t i = 0; i < graph->n_initializer && sound; i++)
        sound = take_tensor(s, graph->initializer[i], &s->tensors[s->tensor_count++]);
    if (!sound)
        return mq_fail(err, MQ_E_FORMAT,
                       "'%s' is damaged: a value has impossible sizes, or more than %d dimensions",
                       name, MQ_ONNX_RANK_MAX);
    return count_ops(s, graph, err);
}

enum mq_status
mq_onnx_summary_read(struct mq_reader *reader, struct mq_onnx_summary *ret_summary,
                     struct mq_error *err)
{
    struct mq_buffer bytes;
    mq_buffer_init(&bytes, MQ_ONNX_SUMMARY_BYTES_MAX + ((size_t)1 << 20));
    enum mq_status st = mq_reader_all(reader, MQ_ONNX_SUMMARY_BYTES_MAX, &bytes, err);
    if (st != MQ_OK) {
        mq_buffer_release(&bytes);
        return st;
    }
    const uint8_t *data = (const uint8_t *)bytes.data;
    struct budget budget = {((size_t)64 << 20) + 4 * bytes.size};
    ProtobufCAllocator allocator = {budget_alloc, budget_free, &budget};
    Onnx__ModelProto *model = NULL;
    struct mq_onnx_summary summary = {.producer = "", .graph = ""};
    if (bytes.size > 0 && nesting_is_sound(&onnx__model_proto__descriptor,
                                           (struct cursor){data, data + bytes.size}, 0))
        model = onnx__model_proto__unpack(&allocator, bytes.size, data);
    if (model == NULL)
        st = mq_fail(err, MQ_E_FORMAT, "'%s' is not an ONNX model, or damaged", reader->name);
    else
        st = summarise(&summary, model, reader->name, err);
    if (model != NULL)
        onnx__model_proto__free_unpacked(model, &allocator);
    mq_buffer_release(&bytes);
    if (st != MQ_OK) {
        mq_onnx_summary_release(&summary);
        return st;
    }
    *ret_summary = summary;
    return MQ_OK;
}

void
mq_onnx_summary_release(struct mq_onnx_summary *summary)
{
    if (summary == NULL)
        return;
    mq_arena_release(&summary->arena);
    *summary = (struct mq_onnx_summary){0};
}
