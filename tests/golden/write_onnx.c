/*
 * write_onnx OUT DATA: a small DeepFM for onnx_golden.py to check and run with onnxruntime; the
 * weights come from a formula that both sides know. Then the summary of each model in DATA, as
 * OUT/<name>.txt.
 *
 *   y = sigmoid(bias + sum w[id] x + 1/2 sum((sum v[id] x)^2 - sum (v[id] x)^2) + MLP(v[id] x))
 */
#include <stdio.h>

#include "base/filesystem.h"
#include "base/memory.h"
#include "format/onnx_summary.h"
#include "format/onnx_writer.h"

enum { FEATURES = 60, FIELDS = 6, DIM = 4, HIDDEN = 8 };

static float
value(int t, int k)
{
    return (float)((k * 37 + t * 101 + (k / 7) * 13) % 257 - 128) / 256.0f;
}

static enum mq_status
add_table(struct mq_onnx *onnx, const char *name, int t, int rows, int columns, float *room,
          struct mq_error *err)
{
    for (int k = 0; k < rows * columns; k++)
        room[k] = value(t, k);
    return mq_onnx_float_tensor(onnx, name, columns > 1 ? 2 : 1, (int64_t[]){rows, columns}, room,
                                err);
}

#define NAMES(...)                                                                                 \
    (const char *const[])                                                                          \
    {                                                                                              \
        __VA_ARGS__, NULL                                                                          \
    }
#define NODE(op, inputs, outputs, ...)                                                             \
    if (st == MQ_OK)                                                                               \
    st = mq_onnx_node(onnx, op, inputs, outputs,                                                   \
                      (struct mq_onnx_attribute[]){__VA_ARGS__ MQ_ONNX_NO_ATTRIBUTES}, err)

static enum mq_status
build(struct mq_onnx *onnx, struct mq_error *err)
{
    static float v[FEATURES * DIM], w[FEATURES], k0[FIELDS * DIM * HIDDEN], b0[HIDDEN], k1[HIDDEN];
    static const float b1[1] = {0.125f}, half[1] = {0.5f};
    const int64_t batch_fields[] = {MQ_ONNX_BATCH, FIELDS}, batch[] = {MQ_ONNX_BATCH};
    const int64_t one[] = {1}, last[] = {2}, flat[] = {0, FIELDS * DIM};
    enum mq_status st = mq_onnx_input(onnx, "feat_ids", MQ_ONNX_INT32, 2, batch_fields, err);
    if (st == MQ_OK)
        st = mq_onnx_input(onnx, "feat_vals", MQ_ONNX_FLOAT, 2, batch_fields, err);
    if (st == MQ_OK)
        st = add_table(onnx, "V", 0, FEATURES, DIM, v, err);
    if (st == MQ_OK)
        st = add_table(onnx, "W", 1, FEATURES, 1, w, err);
    if (st == MQ_OK)
        st = add_table(onnx, "kernel0", 2, FIELDS * DIM, HIDDEN, k0, err);
    if (st == MQ_OK)
        st = add_table(onnx, "bias0", 3, HIDDEN, 1, b0, err);
    if (st == MQ_OK)
        st = add_table(onnx, "kernel1_row", 4, HIDDEN, 1, k1, err);
    if (st == MQ_OK)
        st = mq_onnx_float_tensor(onnx, "bias1", 1, one, b1, err);
    if (st == MQ_OK)
        st = mq_onnx_float_tensor(onnx, "half", 0, NULL, half, err);
    if (st == MQ_OK)
        st = mq_onnx_int64_tensor(onnx, "axis1", 1, one, (int64_t[]){1}, err);
    if (st == MQ_OK)
        st = mq_onnx_int64_tensor(onnx, "axis2", 1, one, (int64_t[]){2}, err);
    if (st == MQ_OK)
        st = mq_onnx_int64_tensor(onnx, "flat", 1, last, flat, err);
    NODE("Cast", NAMES("feat_ids"), NAMES("ids"), mq_onnx_attribute_int("to", MQ_ONNX_INT64), );
    NODE("Unsqueeze", NAMES("feat_vals", "axis2"), NAMES("values3"), );
    NODE("Gather", NAMES("V", "ids"), NAMES("vectors"), mq_onnx_attribute_int("axis", 0), );
    NODE("Mul", NAMES("vectors", "values3"), NAMES("vx"), );
    NODE("ReduceSum", NAMES("vx", "axis1"), NAMES("sum"), mq_onnx_attribute_int("keepdims", 0), );
    NODE("Mul", NAMES("sum", "sum"), NAMES("sum_squared"), );
    NODE("Mul", NAMES("vx", "vx"), NAMES("squares"), );
    NODE("ReduceSum", NAMES("squares", "axis1"), NAMES("squares_sum"),
         mq_onnx_attribute_int("keepdims", 0), );
    NODE("Sub", NAMES("sum_squared", "squares_sum"), NAMES("pairs"), );
    NODE("ReduceSum", NAMES("pairs", "axis1"), NAMES("pairs1"),
         mq_onnx_attribute_int("keepdims", 0), );
    NODE("Mul", NAMES("pairs1", "half"), NAMES("second"), );
    NODE("Gather", NAMES("W", "ids"), NAMES("w"), mq_onnx_attribute_int("axis", 0), );
    NODE("Mul", NAMES("w", "feat_vals"), NAMES("wx"), );
    NODE("ReduceSum", NAMES("wx", "axis1"), NAMES("first"), mq_onnx_attribute_int("keepdims", 0), );
    NODE("Reshape", NAMES("vx", "flat"), NAMES("deep_input"), );
    NODE("Gemm", NAMES("deep_input", "kernel0", "bias0"), NAMES("hidden"), );
    NODE("Relu", NAMES("hidden"), NAMES("relu"), );
    NODE("Unsqueeze", NAMES("kernel1_row", "axis1"), NAMES("kernel1"), );
    NODE("MatMul", NAMES("relu", "kernel1"), NAMES("deep2"), );
    NODE("Squeeze", NAMES("deep2", "axis1"), NAMES("deep"), );
    NODE("Add", NAMES("first", "second"), NAMES("fm"), );
    NODE("Add", NAMES("fm", "deep"), NAMES("fm_deep"), );
    NODE("Add", NAMES("fm_deep", "bias1"), NAMES("logit"), );
    NODE("Sigmoid", NAMES("logit"), NAMES("prob"), );
    NODE("Concat", NAMES("feat_vals", "feat_vals"), NAMES("twice"),
         mq_onnx_attribute_int("axis", 1), );
    if (st == MQ_OK)
        st = mq_onnx_output(onnx, "prob", MQ_ONNX_FLOAT, 1, batch, err);
    if (st == MQ_OK)
        st = mq_onnx_output(onnx, "twice", MQ_ONNX_FLOAT, 2, (int64_t[]){MQ_ONNX_BATCH, 2 * FIELDS},
                            err);
    if (st == MQ_OK)
        st = mq_onnx_metadata(onnx, "fields", "six", err);
    return st;
}

static enum mq_status
write_model(const char *folder, struct mq_error *err)
{
    struct mq_onnx *onnx;
    enum mq_status st = mq_onnx_new("deepfm", 13, &onnx, err);
    if (st != MQ_OK)
        return st;
    struct mq_writer *writer = NULL;
    char path[MQ_PATH_MAX];
    snprintf(path, sizeof(path), "%s/marquee-deepfm.onnx", folder);
    if ((st = build(onnx, err)) == MQ_OK && (st = mq_writer_to_file(path, &writer, err)) == MQ_OK &&
        (st = mq_onnx_write(onnx, writer, err)) == MQ_OK) {
        if (writer->offset != mq_onnx_size(onnx))
            st = mq_fail(err, MQ_E_INTERNAL, "%lld bytes written, %lld announced",
                         (long long)writer->offset, (long long)mq_onnx_size(onnx));
        else
            st = mq_writer_commit(writer, err);
    }
    mq_writer_close(writer);
    mq_onnx_free(onnx);
    return st;
}

static void
print_value(FILE *out, const char *what, const struct mq_onnx_value *v)
{
    fprintf(out, "%s %s %d", what, v->name, v->type);
    for (int d = 0; d < v->rank; d++)
        fprintf(out, " %lld", (long long)v->dims[d]);
    fprintf(out, "\n");
}

static enum mq_status
write_summary(const char *out, const char *data, const char *name, struct mq_error *err)
{
    char path[MQ_PATH_MAX];
    snprintf(path, sizeof(path), "%s/%s", data, name);
    struct mq_reader *reader;
    struct mq_onnx_summary s;
    enum mq_status st = mq_reader_from_file(path, &reader, err);
    if (st != MQ_OK)
        return st;
    st = mq_onnx_summary_read(reader, &s, err);
    mq_reader_close(reader);
    if (st != MQ_OK)
        return st;
    snprintf(path, sizeof(path), "%s/%s.txt", out, name);
    FILE *text = fopen(path, "w");
    if (text == NULL) {
        st = mq_fail(err, MQ_E_IO, "cannot write '%s'", path);
    } else {
        fprintf(text, "graph %s opset %lld ir %lld\n", s.graph, (long long)s.opset,
                (long long)s.ir_version);
        for (size_t i = 0; i < s.input_count; i++)
            print_value(text, "input", &s.inputs[i]);
        for (size_t i = 0; i < s.output_count; i++)
            print_value(text, "output", &s.outputs[i]);
        for (size_t i = 0; i < s.tensor_count; i++)
            print_value(text, "tensor", &s.tensors[i]);
        for (size_t i = 0; i < s.op_count; i++)
            fprintf(text, "op %s %lld\n", s.ops[i].op, (long long)s.ops[i].count);
        fprintf(text, "parameters %lld\n", (long long)s.parameters);
        fclose(text);
    }
    mq_onnx_summary_release(&s);
    return st;
}

int
main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "use: %s OUT DATA\n", argv[0]);
        return 2;
    }
    struct mq_error err = {0};
    enum mq_status st = write_model(argv[1], &err);
    if (st == MQ_OK)
        st = write_summary(argv[1], argv[2], "onnx-small.onnx", &err);
    if (st == MQ_OK)
        st = write_summary(argv[1], argv[1], "marquee-deepfm.onnx", &err);
    if (st != MQ_OK)
        fprintf(stderr, "write_onnx: %s\n", err.message);
    return st == MQ_OK ? 0 : 1;
}
