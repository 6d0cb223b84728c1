#include "format/keras_graph.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"
#include "base/strmap.h"
#include "format/json.h"

static bool
name_is_sound(const char *name)
{
    size_t size = strlen(name);
    if (size < 1 || size > MQ_KERAS_NAME_MAX || name[0] == '.')
        return false;
    for (size_t i = 0; i < size; i++) {
        char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
              c == '_' || c == '-' || c == '.'))
            return false;
    }
    return true;
}

/* ---- order ------------------------------------------------------------------------------ */

/* Layers by number; each is called once, so a layer is a node of Keras' graph. */
struct graph {
    const struct mq_keras_model *model;
    struct mq_strmap names;
    int32_t *first_seen; /* when the walk from the outputs met a layer, -1 not yet */
    int32_t *finished;   /* layers in the order the walk left them */
    int32_t *depth;      /* longest way to an output */
    int32_t seen_count, finished_count;
};

static int32_t
layer_number(const struct graph *graph, const char *name)
{
    return mq_strmap_find_text(&graph->names, name);
}

/* Inputs come before a layer in the list, so the recursion ends and is at most layer_count deep. */
static void
walk(struct graph *graph, int32_t layer)
{
    if (graph->first_seen[layer] >= 0)
        return;
    graph->first_seen[layer] = graph->seen_count++;
    const struct mq_keras_layer *l = &graph->model->layers[layer];
    for (size_t i = 0; i < l->input_count; i++)
        walk(graph, layer_number(graph, l->inputs[i]));
    graph->finished[graph->finished_count++] = layer;
}

static enum mq_status
check_layers(struct graph *graph, struct mq_error *err)
{
    const struct mq_keras_model *model = graph->model;
    size_t names_bytes = 0;
    for (size_t i = 0; i < model->layer_count; i++) {
        const struct mq_keras_layer *layer = &model->layers[i];
        if (!name_is_sound(layer->name) || !name_is_sound(layer->class_name))
            return mq_fail(err, MQ_E_RANGE,
                           "layer %zu '%s' of class '%s': names are letters, digits, _, - and ., 1 "
                           "to %d bytes",
                           i, layer->name, layer->class_name, MQ_KERAS_NAME_MAX);
        int32_t code;
        enum mq_status st = mq_strmap_add_text(&graph->names, layer->name, &code, err);
        if (st != MQ_OK)
            return st;
        if ((size_t)code != i)
            return mq_fail(err, MQ_E_RANGE, "two layers are named '%s'", layer->name);
        bool is_input = strcmp(layer->class_name, "InputLayer") == 0;
        if (is_input != (layer->input_count == 0))
            return mq_fail(err, MQ_E_RANGE, "layer '%s' of class %s has %zu inputs", layer->name,
                           layer->class_name, layer->input_count);
        for (size_t k = 0; k < layer->input_count; k++) {
            int32_t from = layer_number(graph, layer->inputs[k]);
            if (from < 0 || (size_t)from == i)
                return mq_fail(err, MQ_E_RANGE,
                               "layer '%s' takes '%s', which is no layer before it", layer->name,
                               layer->inputs[k]);
        }
        names_bytes += strlen(layer->name) + 1;
    }
    if (names_bytes > 60000)
        return mq_fail(err, MQ_E_RANGE, "layer names take %zu bytes (allowed: 60000)", names_bytes);
    return MQ_OK;
}

static enum mq_status
check_ends(const struct graph *graph, struct mq_error *err)
{
    const struct mq_keras_model *model = graph->model;
    for (size_t i = 0; i < model->input_count; i++) {
        int32_t layer = layer_number(graph, model->inputs[i]);
        if (layer < 0 || model->layers[layer].input_count != 0)
            return mq_fail(err, MQ_E_RANGE, "input '%s' is no InputLayer of the model",
                           model->inputs[i]);
    }
    for (size_t i = 0; i < model->output_count; i++) {
        if (layer_number(graph, model->outputs[i]) < 0)
            return mq_fail(err, MQ_E_RANGE, "output '%s' is no layer of the model",
                           model->outputs[i]);
    }
    for (size_t i = 0; i < model->weight_count; i++) {
        const struct mq_keras_weight *w = &model->weights[i];
        if (layer_number(graph, w->layer) < 0 || !name_is_sound(w->name))
            return mq_fail(err, MQ_E_RANGE, "weight '%s' of layer '%s': no such layer, or bad name",
                           w->name, w->layer);
        if (w->rank < 1 || w->rank > MQ_KERAS_RANK_MAX)
            return mq_fail(err, MQ_E_RANGE, "weight '%s/%s' has %d dimensions (allowed: 1 to %d)",
                           w->layer, w->name, w->rank, MQ_KERAS_RANK_MAX);
        int64_t elements = 1;
        for (int d = 0; d < w->rank; d++) {
            if (w->shape[d] < 1 || w->shape[d] > MQ_KERAS_ELEMENTS_MAX / elements)
                return mq_fail(err, MQ_E_RANGE,
                               "weight '%s/%s': dimension %d is %lld (allowed: 1 to %lld elements "
                               "in all)",
                               w->layer, w->name, d, (long long)w->shape[d],
                               (long long)MQ_KERAS_ELEMENTS_MAX);
            elements *= w->shape[d];
        }
        if (w->data == NULL && w->rows == NULL)
            return mq_fail(err, MQ_E_RANGE, "weight '%s/%s' has no values", w->layer, w->name);
        for (size_t k = 0; k < i; k++) {
            if (strcmp(model->weights[k].layer, w->layer) == 0 &&
                strcmp(model->weights[k].name, w->name) == 0)
                return mq_fail(err, MQ_E_RANGE, "weight '%s/%s' is given twice", w->layer, w->name);
        }
    }
    return MQ_OK;
}

/* Deeper first; at the same depth, the one the walk met first. */
static int
compare_layers(const void *a, const void *b, void *context)
{
    const struct graph *graph = context;
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    if (graph->depth[x] != graph->depth[y])
        return graph->depth[x] > graph->depth[y] ? -1 : 1;
    return graph->first_seen[x] < graph->first_seen[y] ? -1 : 1;
}

static enum mq_status
order_layers(struct graph *graph, int32_t *ret_order, struct mq_error *err)
{
    const struct mq_keras_model *model = graph->model;
    for (size_t i = 0; i < model->layer_count; i++)
        graph->first_seen[i] = -1;
    for (size_t i = 0; i < model->output_count; i++)
        walk(graph, layer_number(graph, model->outputs[i]));
    for (size_t i = 0; i < model->layer_count; i++) {
        if (graph->first_seen[i] < 0)
            return mq_fail(err, MQ_E_RANGE, "layer '%s' leads to no output", model->layers[i].name);
        if (model->layers[i].input_count > 0)
            continue;
        bool listed = false;
        for (size_t k = 0; k < model->input_count; k++)
            listed |= strcmp(model->inputs[k], model->layers[i].name) == 0;
        if (!listed)
            return mq_fail(err, MQ_E_RANGE, "InputLayer '%s' is not among the inputs",
                           model->layers[i].name);
    }
    for (int32_t i = graph->finished_count - 1; i >= 0; i--) {
        int32_t layer = graph->finished[i];
        const struct mq_keras_layer *l = &model->layers[layer];
        for (size_t k = 0; k < l->input_count; k++) {
            int32_t from = layer_number(graph, l->inputs[k]);
            graph->depth[from] = MQ_MAX(graph->depth[from], graph->depth[layer] + 1);
        }
    }
    for (size_t i = 0; i < model->layer_count; i++)
        ret_order[i] = (int32_t)i;
    qsort_r(ret_order, model->layer_count, sizeof(*ret_order), compare_layers, graph);
    return MQ_OK;
}

enum mq_status
mq_keras_graph_order(const struct mq_keras_model *model, int32_t *ret_order, struct mq_error *err)
{
    if (!name_is_sound(model->name))
        return mq_fail(err, MQ_E_RANGE, "model name '%s' is not sound", model->name);
    if (model->layer_count < 1 || model->layer_count > MQ_KERAS_LAYERS_MAX ||
        model->weight_count > MQ_KERAS_WEIGHTS_MAX || model->input_count < 1 ||
        model->output_count < 1)
        return mq_fail(err, MQ_E_RANGE,
                       "a model of %zu layers, %zu weights, %zu inputs and %zu outputs (allowed: "
                       "1 to %d layers, to %d weights, at least one input and output)",
                       model->layer_count, model->weight_count, model->input_count,
                       model->output_count, MQ_KERAS_LAYERS_MAX, MQ_KERAS_WEIGHTS_MAX);
    struct graph graph = {.model = model};
    enum mq_status st;
    size_t n = model->layer_count;
    if ((st = mq_alloc_array(n, sizeof(int32_t), &graph.first_seen, err)) == MQ_OK &&
        (st = mq_alloc_array(n, sizeof(int32_t), &graph.finished, err)) == MQ_OK &&
        (st = mq_alloc_array(n, sizeof(int32_t), &graph.depth, err)) == MQ_OK &&
        (st = check_layers(&graph, err)) == MQ_OK && (st = check_ends(&graph, err)) == MQ_OK)
        st = order_layers(&graph, ret_order, err);
    mq_strmap_release(&graph.names);
    mq_free(graph.first_seen);
    mq_free(graph.finished);
    mq_free(graph.depth);
    return st;
}

/* ---- configuration ---------------------------------------------------------------------- */

/* ["name",0,0], and for a layer's input a fourth element {}. */
static json_t *
tensor_reference(const char *name, bool with_arguments)
{
    return with_arguments ? json_pack("[siio]", name, 0, 0, json_object())
                          : json_pack("[sii]", name, 0, 0);
}

static json_t *
references(const char *const *names, size_t count, bool with_arguments)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++)
        json_array_append_new(list, tensor_reference(names[i], with_arguments));
    return list;
}

static enum mq_status
layer_json(const struct mq_keras_layer *layer, json_t **ret_json, struct mq_error *err)
{
    const char *text = layer->config != NULL ? layer->config : "{}";
    json_t *config = NULL;
    if (mq_json_parse(text, strlen(text), layer->name, &config, NULL) != MQ_OK ||
        !json_is_object(config)) {
        json_decref(config);
        return mq_fail(err, MQ_E_RANGE, "configuration of layer '%s' is not a JSON object: %s",
                       layer->name, layer->config);
    }
    json_object_set_new(config, "name", json_string(layer->name));
    if (json_object_get(config, "dtype") == NULL)
        json_object_set_new(config, "dtype", json_string("float32"));
    json_t *nodes = json_array();
    if (layer->input_count > 0)
        json_array_append_new(nodes, references(layer->inputs, layer->input_count, true));
    json_t *json = json_pack("{sssossso}", "class_name", layer->class_name, "config", config,
                             "name", layer->name, "inbound_nodes", nodes);
    if (json == NULL)
        return mq_fail(err, MQ_E_NOMEM, "cannot allocate the model configuration");
    *ret_json = json;
    return MQ_OK;
}

enum mq_status
mq_keras_graph_config(const struct mq_keras_model *model, char **ret_json, struct mq_error *err)
{
    json_t *layers = json_array();
    for (size_t i = 0; i < model->layer_count; i++) {
        json_t *layer = NULL;
        enum mq_status st = layer_json(&model->layers[i], &layer, err);
        if (st != MQ_OK) {
            json_decref(layers);
            return st;
        }
        json_array_append_new(layers, layer);
    }
    json_t *root = json_pack("{sss{sssosbsoso}}", "class_name", "Functional", "config", "name",
                             model->name, "layers", layers, "trainable", 1, "input_layers",
                             references(model->inputs, model->input_count, false), "output_layers",
                             references(model->outputs, model->output_count, false));
    struct mq_buffer text;
    mq_buffer_init(&text, MQ_KERAS_CONFIG_MAX);
    enum mq_status st = root != NULL ? mq_json_dump(root, MQ_JSON_COMPACT, &text, err)
                                     : mq_fail(err, MQ_E_NOMEM, "cannot allocate a configuration");
    json_decref(root);
    if (st != MQ_OK) {
        mq_buffer_release(&text);
        return st;
    }
    *ret_json = mq_buffer_take(&text);
    return MQ_OK;
}
