#include "model/deepfm_onnx.h"

#include <stdio.h>

#include "base/memory.h"

/* Names of one node's inputs and outputs, NULL-terminated. */
#define NAMES(...) ((const char *[]){__VA_ARGS__, NULL})

void
mq_deepfm_onnx_release(struct mq_deepfm_onnx *graph)
{
    mq_onnx_free(graph->onnx);
    graph->onnx = NULL;
    mq_arena_release(&graph->arena);
}

static enum mq_status
declare_inputs(struct mq_onnx *onnx, int64_t fields, struct mq_error *err)
{
    int64_t shape[] = {MQ_ONNX_BATCH, fields};
    enum mq_status st = mq_onnx_input(onnx, "feat_ids", MQ_ONNX_INT64, 2, shape, err);
    if (st == MQ_OK)
        st = mq_onnx_input(onnx, "feat_vals", MQ_ONNX_FLOAT, 2, shape, err);
    return st;
}

static enum mq_status
add_tables(const struct mq_deepfm *model, struct mq_deepfm_onnx *graph, struct mq_error *err)
{
    static const float half[1] = {0.5f};
    static const int64_t one[1] = {1}, two[1] = {2}, both[2] = {1, 2};
    struct mq_onnx *onnx = graph->onnx;
    int64_t fields = model->field_count;
    float *mean = mq_arena_array(&graph->arena, (size_t)fields, sizeof(float));
    float *scale = mq_arena_array(&graph->arena, (size_t)fields, sizeof(float));
    if (mean == NULL || scale == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate an ONNX graph");
    for (int64_t f = 0; f < fields; f++) {
        mean[f] = model->fields[f].mean;
        scale[f] = model->fields[f].scale;
    }
    int64_t flat[2] = {-1, fields * model->dim};
    enum mq_status st =
        mq_onnx_float_tensor(onnx, "w", 1, (int64_t[]){model->feature_count}, model->w, err);
    if (st == MQ_OK)
        st = mq_onnx_float_tensor(onnx, "v", 2, (int64_t[]){model->feature_count, model->dim},
                                  model->v, err);
    if (st == MQ_OK)
        st = mq_onnx_float_tensor(onnx, "mean", 1, &fields, mean, err);
    if (st == MQ_OK)
        st = mq_onnx_float_tensor(onnx, "scale", 1, &fields, scale, err);
    if (st == MQ_OK)
        st = mq_onnx_float_tensor(onnx, "bias", 1, one, model->bias, err);
    if (st == MQ_OK)
        st = mq_onnx_float_tensor(onnx, "half", 1, one, half, err);
    if (st == MQ_OK)
        st = mq_onnx_int64_tensor(onnx, "axis_1", 1, one, one, err);
    if (st == MQ_OK)
        st = mq_onnx_int64_tensor(onnx, "axis_2", 1, one, two, err);
    if (st == MQ_OK)
        st = mq_onnx_int64_tensor(onnx, "axes_12", 1, two, both, err);
    if (st == MQ_OK)
        st = mq_onnx_int64_tensor(onnx, "flat_shape", 1, two, flat, err);
    return st;
}

struct step {
    const char *op;
    const char *inputs[3];
    const char *output;
    bool drop_axes; /* ReduceSum: keepdims 0 */
};

static enum mq_status
add_steps(struct mq_onnx *onnx, const struct step *steps, size_t count, struct mq_error *err)
{
    enum mq_status st = MQ_OK;
    for (size_t i = 0; st == MQ_OK && i < count; i++) {
        struct mq_onnx_attribute attributes[2] = {
            steps[i].drop_axes ? mq_onnx_attribute_int("keepdims", 0) : MQ_ONNX_NO_ATTRIBUTES,
            MQ_ONNX_NO_ATTRIBUTES};
        st = mq_onnx_node(onnx, steps[i].op, steps[i].inputs, NAMES(steps[i].output), attributes,
                          err);
    }
    return st;
}

/* Hidden layers and the output: "flat" [N, F·dim] to "deep" [N]. */
static enum mq_status
add_layers(const struct mq_deepfm *model, struct mq_onnx *onnx, struct mq_error *err)
{
    char kernel[32], offset[32], product[32], sum[32], input[32] = "flat", output[32];
    int64_t width = (int64_t)model->field_count * model->dim;
    enum mq_status st = MQ_OK;
    for (int32_t l = 0; st == MQ_OK && l <= model->layer_count; l++) {
        int64_t units = l < model->layer_count ? model->width[l] : 1;
        snprintf(kernel, sizeof(kernel), "kernel_%d", l);
        snprintf(offset, sizeof(offset), "offset_%d", l);
        snprintf(product, sizeof(product), "product_%d", l);
        snprintf(sum, sizeof(sum), "sum_%d", l);
        snprintf(output, sizeof(output), "layer_%d", l);
        st =
            mq_onnx_float_tensor(onnx, kernel, 2, (int64_t[]){width, units}, model->kernel[l], err);
        if (st == MQ_OK)
            st = mq_onnx_float_tensor(onnx, offset, 1, &units, model->offset[l], err);
        bool last = l == model->layer_count;
        struct step steps[] = {
            {"MatMul", {input, kernel, NULL}, product, false},
            {"Add", {product, offset, NULL}, sum, false},
            {last ? "Squeeze" : "Relu",
             {sum, last ? "axis_1" : NULL, NULL},
             last ? "deep" : output,
             false},
        };
        if (st == MQ_OK)
            st = add_steps(onnx, steps, MQ_COUNT(steps), err);
        snprintf(input, sizeof(input), "%s", output);
        width = units;
    }
    return st;
}

enum mq_status
mq_deepfm_onnx_build(const struct mq_deepfm *model, struct mq_deepfm_onnx *ret_graph,
                     struct mq_error *err)
{
    static const struct step shallow[] = {
        {"Sub", {"feat_vals", "mean", NULL}, "centred", false},
        {"Mul", {"centred", "scale", NULL}, "x", false},
        {"Gather", {"w", "feat_ids", NULL}, "w_f", false},
        {"Mul", {"w_f", "x", NULL}, "w_x", false},
        {"ReduceSum", {"w_x", "axis_1", NULL}, "linear", true},
        {"Gather", {"v", "feat_ids", NULL}, "v_f", false},
        {"Unsqueeze", {"x", "axis_2", NULL}, "x_column", false},
        {"Mul", {"v_f", "x_column", NULL}, "e", false},
        {"ReduceSum", {"e", "axis_1", NULL}, "e_sum", true},
        {"Mul", {"e_sum", "e_sum", NULL}, "e_sum_squared", false},
        {"ReduceSum", {"e_sum_squared", "axis_1", NULL}, "square_of_sum", true},
        {"Mul", {"e", "e", NULL}, "e_squared", false},
        {"ReduceSum", {"e_squared", "axes_12", NULL}, "sum_of_squares", true},
        {"Sub", {"square_of_sum", "sum_of_squares", NULL}, "pairs_twice", false},
        {"Mul", {"pairs_twice", "half", NULL}, "pairs", false},
        {"Add", {"linear", "pairs", NULL}, "shallow", false},
        {"Add", {"shallow", "bias", NULL}, "shallow_logit", false},
    };
    static const struct step deep[] = {{"Reshape", {"e", "flat_shape", NULL}, "flat", false}};
    if (model->dense_count + model->category_count < model->field_count)
        return mq_fail(err, MQ_E_UNSUPPORTED,
                       "a DeepFM model with bags ('%s') has no ONNX form of one id a field",
                       model->fields[model->dense_count + model->category_count].name);
    enum mq_status st = mq_onnx_new("deepfm", MQ_DEEPFM_OPSET, &ret_graph->onnx, err);
    if (st != MQ_OK)
        return st;
    struct mq_onnx *onnx = ret_graph->onnx;
    bool mlp = model->layer_count > 0;
    st = declare_inputs(onnx, model->field_count, err);
    if (st == MQ_OK)
        st = add_tables(model, ret_graph, err);
    if (st == MQ_OK)
        st = add_steps(onnx, shallow, MQ_COUNT(shallow), err);
    if (st == MQ_OK && mlp)
        st = add_steps(onnx, deep, MQ_COUNT(deep), err);
    if (st == MQ_OK && mlp)
        st = add_layers(model, onnx, err);
    struct step end[] = {{"Add", {"shallow_logit", "deep", NULL}, "logit", false},
                         {"Sigmoid", {mlp ? "logit" : "shallow_logit", NULL, NULL}, "prob", false}};
    if (st == MQ_OK)
        st = mlp ? add_steps(onnx, end, 2, err) : add_steps(onnx, end + 1, 1, err);
    if (st == MQ_OK)
        st = mq_onnx_output(onnx, "prob", MQ_ONNX_FLOAT, 1, (int64_t[]){MQ_ONNX_BATCH}, err);
    return st;
}
