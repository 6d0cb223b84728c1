/**
 * ONNX models, built node by node and written as a stream.
 *
 * Names of inputs, outputs, initializers and node outputs share one space; a node may use only
 * names defined before it (a topological order, as ONNX demands). Structure is checked while
 * building, so a written model passes onnx.checker as far as names, order and shapes of constants
 * go; that an operator exists in the operator set and has these attributes is the caller's care.
 *
 *     struct mq_onnx *onnx;
 *     mq_onnx_new("deepfm", 13, &onnx, err);
 *     mq_onnx_input(onnx, "feat_ids", MQ_ONNX_INT64, 2, (int64_t[]){MQ_ONNX_BATCH, 38}, err);
 *     mq_onnx_float_tensor(onnx, "V", 2, (int64_t[]){rows, 32}, table, err);
 *     mq_onnx_node(onnx, "Gather", (const char *[]){"V", "feat_ids", NULL},
 *                  (const char *[]){"e", NULL}, (struct mq_onnx_attribute[]){
 *                      mq_onnx_attribute_int("axis", 0), MQ_ONNX_NO_ATTRIBUTES}, err);
 *     mq_onnx_output(onnx, "prob", MQ_ONNX_FLOAT, 1, (int64_t[]){MQ_ONNX_BATCH}, err);
 *     mq_onnx_write(onnx, writer, err);
 *
 * Tensor data is borrowed until mq_onnx_free and never copied: memory stays O(nodes). Limits: a
 * tensor MQ_ONNX_TENSOR_MAX bytes, the whole model MQ_ONNX_MODEL_MAX (a protobuf message ends at
 * 2 GiB), names 1…255 bytes, rank MQ_ONNX_RANK_MAX. The IR version is 7 (onnxruntime 1.8 and later,
 * onnx 1.10 and later), operator sets 7…18 of the default domain.
 *
 * Threads: one model, one thread at a time. Same calls, same bytes.
 * Golden: tests/golden/onnx_golden.py
 */
#ifndef MQ_FORMAT_ONNX_WRITER_H
#define MQ_FORMAT_ONNX_WRITER_H

#include <stddef.h>
#include <stdint.h>

#include "base/stream.h"
#include "marquee/status.h"

#define MQ_ONNX_TENSOR_MAX ((int64_t)512 << 20)
#define MQ_ONNX_MODEL_MAX ((int64_t)0x7fffffff)
#define MQ_ONNX_RANK_MAX 8
/** A dimension that varies from call to call, the same in all inputs and outputs ("N"). */
#define MQ_ONNX_BATCH (-1)

/** Element types, numbered as in TensorProto.DataType. */
enum mq_onnx_type { MQ_ONNX_FLOAT = 1, MQ_ONNX_INT32 = 6, MQ_ONNX_INT64 = 7 };

struct mq_onnx;

enum mq_onnx_attribute_kind {
    MQ_ONNX_ATTRIBUTE_NONE = 0,
    MQ_ONNX_ATTRIBUTE_FLOAT = 1,
    MQ_ONNX_ATTRIBUTE_INT = 2,
    MQ_ONNX_ATTRIBUTE_TEXT = 3,
    MQ_ONNX_ATTRIBUTE_INTS = 7
};

/** A node's attribute, copied by mq_onnx_node. A list ends with MQ_ONNX_NO_ATTRIBUTES. */
struct mq_onnx_attribute {
    const char *name;
    enum mq_onnx_attribute_kind kind;
    float f;
    int64_t i;
    const char *text;
    const int64_t *ints; /**< [int_count] */
    size_t int_count;
};

#define MQ_ONNX_NO_ATTRIBUTES                                                                      \
    (struct mq_onnx_attribute)                                                                     \
    {                                                                                              \
        .name = NULL                                                                               \
    }

static inline struct mq_onnx_attribute
mq_onnx_attribute_int(const char *name, int64_t value)
{
    return (struct mq_onnx_attribute){.name = name, .kind = MQ_ONNX_ATTRIBUTE_INT, .i = value};
}

static inline struct mq_onnx_attribute
mq_onnx_attribute_float(const char *name, float value)
{
    return (struct mq_onnx_attribute){.name = name, .kind = MQ_ONNX_ATTRIBUTE_FLOAT, .f = value};
}

static inline struct mq_onnx_attribute
mq_onnx_attribute_text(const char *name, const char *value)
{
    return (struct mq_onnx_attribute){.name = name, .kind = MQ_ONNX_ATTRIBUTE_TEXT, .text = value};
}

static inline struct mq_onnx_attribute
mq_onnx_attribute_ints(const char *name, const int64_t *values, size_t count)
{
    return (struct mq_onnx_attribute){
        .name = name, .kind = MQ_ONNX_ATTRIBUTE_INTS, .ints = values, .int_count = count};
}

/** Start a model. @param name of the graph, copied  @param opset 7…18 */
enum mq_status mq_onnx_new(const char *name, int64_t opset, struct mq_onnx **ret_onnx,
                           struct mq_error *err);
/** NULL allowed. */
void mq_onnx_free(struct mq_onnx *onnx);

/** Declare a graph input. @param dims [rank] sizes or MQ_ONNX_BATCH */
enum mq_status mq_onnx_input(struct mq_onnx *onnx, const char *name, enum mq_onnx_type type,
                             int rank, const int64_t *dims, struct mq_error *err);

/** Declare a graph output; a node must have defined the name already. */
enum mq_status mq_onnx_output(struct mq_onnx *onnx, const char *name, enum mq_onnx_type type,
                              int rank, const int64_t *dims, struct mq_error *err);

/** Add a constant. @param values float32 [dims…] row-major, borrowed until mq_onnx_free */
enum mq_status mq_onnx_float_tensor(struct mq_onnx *onnx, const char *name, int rank,
                                    const int64_t *dims, const float *values, struct mq_error *err);
/** As mq_onnx_float_tensor; the values are copied (meant for axes and shapes). */
enum mq_status mq_onnx_int64_tensor(struct mq_onnx *onnx, const char *name, int rank,
                                    const int64_t *dims, const int64_t *values,
                                    struct mq_error *err);

/**
 * Add a node.
 * @param inputs  names, NULL-terminated; "" leaves an optional input out
 * @param outputs new names, NULL-terminated
 * @param attributes ended by MQ_ONNX_NO_ATTRIBUTES, or NULL for none
 * @return MQ_OK | MQ_E_RANGE (a name that is unknown or taken, a limit) | MQ_E_NOMEM
 */
enum mq_status mq_onnx_node(struct mq_onnx *onnx, const char *op, const char *const *inputs,
                            const char *const *outputs, const struct mq_onnx_attribute *attributes,
                            struct mq_error *err);

/** Add a pair to the model's metadata, both copied. */
enum mq_status mq_onnx_metadata(struct mq_onnx *onnx, const char *key, const char *value,
                                struct mq_error *err);

/** Bytes that mq_onnx_write will give, known up front for an archive's entry. */
int64_t mq_onnx_size(const struct mq_onnx *onnx);

/**
 * Write the model; does not commit the writer.
 * @return MQ_OK | MQ_E_USAGE (no output declared) | MQ_E_RANGE (MQ_ONNX_MODEL_MAX)
 *         | an error of the sink
 */
enum mq_status mq_onnx_write(const struct mq_onnx *onnx, struct mq_writer *writer,
                             struct mq_error *err);

#endif
