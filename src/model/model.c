/* SPDX-License-Identifier: Apache-2.0
 *
 * The model: layers and nodes put together, built, looked at.
 *
 * Building walks the nodes in their (topological) order, so every layer finds its input shapes known, and lays the
 * declared weights out one behind the other in one flat array. A build that fails leaves the model as it was. */
#include "layer.h"

#include <inttypes.h>
#include <string.h>

enum { WEIGHT_GRAIN = 16 }; /* floats: every weight starts on a cache line */

/* ---- putting together ------------------------------------------------------------------------------------------ */

hone_status hone_model_create(hone_model **out, const char *name, hone_error *err) {
    *out = NULL;
    if (!name) name = "sequential";
    if (!*name || strlen(name) > HONE_MAX_NAME) {
        HONE_FAIL(err, HONE_ARGUMENT, "the name of a model has %zu bytes, expected 1 to %d", strlen(name),
                  HONE_MAX_NAME);
    }
    hone_model *model = hone__alloc(1, sizeof *model);
    if (!model) return hone__fail_memory(err, sizeof *model, "a model");
    model->is_sequential = true;
    model->keras = 3;
    model->name = hone__strdup(name);
    model->records = hone_value_object();
    if (!model->name || !model->records) {
        hone_model_free(model);
        return hone__fail_memory(err, strlen(name) + 1, "a model");
    }
    *out = model;
    return HONE_OK;
}

/* Back to the first layers and nodes. */
static void truncate_model(hone_model *model, size_t layers, size_t nodes) {
    while (model->layer_count > layers) hone__layer_free(model->layers[--model->layer_count]);
    while (model->node_count > nodes) hone__free(model->nodes[--model->node_count].inputs);
}

void hone_model_free(hone_model *model) {
    if (!model) return;
    truncate_model(model, 0, 0);
    hone__free(model->layers);
    hone__free(model->nodes);
    hone__free(model->inputs);
    hone__free(model->outputs);
    hone__free(model->weights);
    hone__free(model->data);
    for (size_t i = 0; i < model->class_count; i++) hone__free(model->class_names[i]);
    hone__free(model->class_names);
    hone__free(model->whitening);
    hone_value_free(model->records);
    hone__free(model->name);
    hone__free(model);
}

hone_status hone__model_add_layer(hone_model *model, hone__layer *layer, hone_error *err) {
    hone_status status = HONE_OK;
    if (model->layer_count >= HONE_MAX_LAYERS) {
        status = hone__fail(err, HONE_LIMIT, "model '%.128s' has more than %d layers", model->name, HONE_MAX_LAYERS);
    }
    for (size_t i = 0; i < model->layer_count && !status; i++) {
        if (strcmp(model->layers[i]->name, layer->name) == 0) {
            status = hone__fail(err, HONE_ARGUMENT, "the name '%.128s' is used by two layers, names must be unique",
                                layer->name);
        }
    }
    if (!status) {
        status = hone__grow((void **)&model->layers, &model->layer_capacity, model->layer_count + 1,
                            sizeof *model->layers, err);
    }
    if (status) {
        hone__layer_free(layer);
        return status;
    }
    layer->index = model->layer_count;
    model->layers[model->layer_count++] = layer;
    return HONE_OK;
}

hone_status hone__model_add_node(hone_model *model, size_t layer, const size_t *inputs, size_t input_count,
                                 hone_error *err) {
    HONE_TRY(
        hone__grow((void **)&model->nodes, &model->node_capacity, model->node_count + 1, sizeof *model->nodes, err));
    hone__node *node = &model->nodes[model->node_count];
    node->layer = layer;
    node->input_count = input_count;
    node->inputs = hone__alloc(input_count, sizeof *node->inputs);
    if (!node->inputs) return hone__fail_memory(err, input_count * sizeof *node->inputs, "a node");
    for (size_t i = 0; i < input_count; i++) node->inputs[i] = inputs[i];
    model->node_count++;
    return HONE_OK;
}

hone_status hone__model_set_ends(hone_model *model, const size_t *inputs, size_t input_count, const size_t *outputs,
                                 size_t output_count, hone_error *err) {
    size_t *new_inputs = hone__alloc(input_count, sizeof *new_inputs);
    size_t *new_outputs = hone__alloc(output_count, sizeof *new_outputs);
    if (!new_inputs || !new_outputs) {
        hone__free(new_inputs);
        hone__free(new_outputs);
        return hone__fail_memory(err, (input_count + output_count) * sizeof *new_inputs, "a model");
    }
    for (size_t i = 0; i < input_count; i++) new_inputs[i] = inputs[i];
    for (size_t i = 0; i < output_count; i++) new_outputs[i] = outputs[i];
    hone__free(model->inputs);
    hone__free(model->outputs);
    model->inputs = new_inputs;
    model->outputs = new_outputs;
    model->input_count = input_count;
    model->output_count = output_count;
    return HONE_OK;
}

/* The next of Keras' automatic names: "conv2d", "conv2d_1", "conv2d_2", …; the highest number taken decides. */
static char *automatic_name(const hone_model *model, const char *class_name) {
    char base[128];
    hone__snake_case(base, sizeof base, class_name);
    size_t length = strlen(base);
    int64_t next = 0;
    for (size_t i = 0; i < model->layer_count; i++) {
        const char *name = model->layers[i]->name;
        if (strncmp(name, base, length) != 0) continue;
        int64_t number = 0;
        bool is_numbered = name[length] == '_' && hone__parse_integer(name + length + 1, &number) && number >= 0;
        if ((name[length] == '\0' || is_numbered) && number >= next && number < INT32_MAX) next = number + 1;
    }
    return next == 0 ? hone__strdup(base) : hone__asprintf("%s_%" PRId64, base, next);
}

/* The layer, applied to the output so far. Takes ownership of layer. */
static hone_status append(hone_model *model, hone__layer *layer, hone_error *err) {
    bool is_input = hone__layer_is_input(layer), is_first = model->node_count == 0;
    HONE_TRY(hone__model_add_layer(model, layer, err));
    size_t node = model->node_count, previous = node - 1, input = 0;
    HONE_TRY(hone__model_add_node(model, layer->index, &previous, is_first ? 0 : 1, err));
    bool has_input = is_input || model->input_count > 0;
    return hone__model_set_ends(model, &input, has_input ? 1 : 0, &node, 1, err);
}

/* A first layer that states its input shape stands for an InputLayer before it. */
static hone_status append_with_input(hone_model *model, hone__layer *layer, const hone_shape *shape, hone_error *err) {
    if (model->node_count == 0 && shape->rank > 0 && !hone__layer_is_input(layer)) {
        hone__layer *input = NULL;
        char *name = hone__asprintf("%.*s_input", HONE_MAX_NAME - 6, layer->name);
        hone_status status = name ? hone__input_layer_create(&input, name, shape, err)
                                  : hone__fail_memory(err, strlen(layer->name) + 7, "the name of a layer");
        hone__free(name);
        if (!status) status = append(model, input, err);
        if (status) {
            hone__layer_free(layer);
            return status;
        }
    }
    return append(model, layer, err);
}

hone_status hone__model_add(hone_model *model, const char *class_name, const hone_value *config, hone__origin origin,
                            hone_error *err) {
    if (model->built) {
        HONE_FAIL(err, HONE_ARGUMENT, "model '%.128s' is built already, layers are added before", model->name);
    }
    if (!model->is_sequential) {
        HONE_FAIL(err, HONE_ARGUMENT, "model '%.128s' is not a Sequential, it has no end to add a layer to",
                  model->name);
    }
    const hone__layer_type *type = hone__layer_type_find(class_name);
    char *name = automatic_name(model, type ? type->class_name : class_name);
    if (!name) return hone__fail_memory(err, strlen(class_name) + 1, "the name of a layer");
    hone__layer *layer = NULL;
    hone_shape shape;
    hone_status status = hone__layer_create(&layer, class_name, config, name, origin, &shape, err);
    hone__free(name);
    if (status) return status;
    if (hone__layer_is_input(layer) && model->node_count > 0) {
        status = hone__fail(err, HONE_ARGUMENT, "layer '%.128s': an InputLayer can only come first", layer->name);
        hone__layer_free(layer);
        return status;
    }
    size_t layers = model->layer_count, nodes = model->node_count;
    status = append_with_input(model, layer, &shape, err);
    if (!status) return HONE_OK;
    truncate_model(model, layers, nodes);
    if (nodes == 0) model->input_count = model->output_count = 0;
    return status;
}

hone_status hone_model_add(hone_model *model, const char *class_name, const hone_value *config, hone_error *err) {
    return hone__model_add(model, class_name, config, (hone__origin){.from_file = false, .keras = model->keras}, err);
}

/* ---- building -------------------------------------------------------------------------------------------------- */

hone_status hone__declare_weight(hone_model *model, hone__layer *layer, const char *name, const hone_shape *shape,
                                 bool trainable, const hone__initializer *initializer,
                                 const hone__regularizer *regularizer, int *index, hone_error *err) {
    int64_t size = hone_shape_size(shape);
    if (size < 1 || size > HONE_MAX_ELEMENTS || model->data_size + (size_t)size > HONE_MAX_ELEMENTS) {
        char text[96];
        HONE_FAIL(err, HONE_LIMIT, "%s %s would bring the model over %d parameters", name,
                  hone_shape_text(shape, false, text, sizeof text), HONE_MAX_ELEMENTS);
    }
    HONE_TRY(hone__grow((void **)&model->weights, &model->weight_capacity, model->weight_count + 1,
                        sizeof *model->weights, err));
    model->weights[model->weight_count] =
        (hone__weight){.name = name,
                       .shape = *shape,
                       .offset = model->data_size,
                       .size = (size_t)size,
                       .layer = layer->index,
                       .trainable = trainable,
                       .initializer = *initializer,
                       .regularizer = regularizer ? *regularizer : (hone__regularizer){0}};
    *index = (int)model->weight_count++;
    layer->weight_count++;
    model->data_size += ((size_t)size + WEIGHT_GRAIN - 1) / WEIGHT_GRAIN * WEIGHT_GRAIN;
    return HONE_OK;
}

/* As before the build. */
static void forget_build(hone_model *model) {
    for (size_t i = 0; i < model->layer_count; i++) {
        hone__layer *layer = model->layers[i];
        layer->built = false;
        layer->output = (hone_shape){0};
        layer->first_weight = layer->weight_count = 0;
    }
    hone__free(model->data);
    model->data = NULL;
    model->weight_count = model->data_size = 0;
    model->built = false;
}

static hone_status build_layers(hone_model *model, hone_error *err) {
    for (size_t i = 0; i < model->node_count; i++) {
        const hone__node *node = &model->nodes[i];
        hone__layer *layer = model->layers[node->layer];
        layer->input_count = node->input_count;
        for (size_t k = 0; k < node->input_count; k++) {
            layer->inputs[k] = model->layers[model->nodes[node->inputs[k]].layer]->output;
        }
        HONE_TRY(hone__layer_build(model, layer, err));
    }
    model->data = hone__alloc(model->data_size, sizeof *model->data);
    if (!model->data) return hone__fail_memory(err, model->data_size * sizeof *model->data, "the weights");
    return HONE_OK;
}

hone_status hone__model_allocate(hone_model *model, hone_error *err) {
    if (model->input_count == 0) {
        HONE_FAIL(err, HONE_SHAPE,
                  "model '%.128s' has no input shape: add an InputLayer first, or give the first layer an input_shape",
                  model->name);
    }
    hone_status status = build_layers(model, err);
    if (status) forget_build(model);
    model->built = !status;
    return status;
}

hone_status hone_model_build(hone_model *model, uint64_t seed, hone_error *err) {
    if (model->built) return HONE_OK;
    HONE_TRY(hone__model_allocate(model, err));
    for (size_t i = 0; i < model->weight_count; i++) {
        const hone__weight *weight = &model->weights[i];
        hone_status status =
            hone__initialize(&weight->initializer, &weight->shape, seed, i, model->data + weight->offset, err);
        if (status) {
            hone__fail_context(err, status, "layer '%.128s': %s", model->layers[weight->layer]->name, weight->name);
            forget_build(model);
            return status;
        }
    }
    return HONE_OK;
}

/* ---- looking --------------------------------------------------------------------------------------------------- */

const char *hone_model_name(const hone_model *model) {
    return model->name;
}

bool hone_model_is_built(const hone_model *model) {
    return model->built;
}

hone_shape hone_model_input_shape(const hone_model *model) {
    if (model->input_count == 0) return (hone_shape){0};
    return model->layers[model->nodes[model->inputs[0]].layer]->inputs[0];
}

hone_shape hone_model_output_shape(const hone_model *model) {
    if (!model->built) return (hone_shape){0};
    return model->layers[model->nodes[model->outputs[0]].layer]->output;
}

size_t hone_model_layer_count(const hone_model *model) {
    return model->layer_count;
}

hone_status hone_model_layer_info(const hone_model *model, size_t index, hone_layer_info *out) {
    if (index >= model->layer_count) return HONE_ARGUMENT;
    const hone__layer *layer = model->layers[index];
    *out = (hone_layer_info){.name = layer->name,
                             .class_name = layer->type->class_name,
                             .trainable = layer->trainable,
                             .first_weight = layer->first_weight,
                             .weight_count = layer->weight_count};
    if (!layer->built) return HONE_OK;
    out->input = layer->inputs[0];
    out->output = layer->output;
    out->macs = layer->type->macs ? layer->type->macs(model, layer) : 0;
    for (size_t i = layer->first_weight; i < layer->first_weight + layer->weight_count; i++) {
        out->parameters += (int64_t)model->weights[i].size;
        if (hone__weight_trainable(model, i)) out->trainable_parameters += (int64_t)model->weights[i].size;
    }
    return HONE_OK;
}

hone_status hone_model_set_trainable(hone_model *model, size_t layer, bool trainable) {
    if (layer >= model->layer_count) return HONE_ARGUMENT;
    model->layers[layer]->trainable = trainable;
    return HONE_OK;
}

size_t hone_model_weight_count(const hone_model *model) {
    return model->weight_count;
}

hone_status hone_model_weight(const hone_model *model, size_t index, hone_weight_info *out) {
    if (index >= model->weight_count) return HONE_ARGUMENT;
    const hone__weight *weight = &model->weights[index];
    *out = (hone_weight_info){.name = weight->name,
                              .layer = model->layers[weight->layer]->name,
                              .shape = weight->shape,
                              .data = model->data + weight->offset,
                              .trainable = hone__weight_trainable(model, index)};
    return HONE_OK;
}

bool hone__weight_trainable(const hone_model *model, size_t weight) {
    return model->weights[weight].trainable && model->layers[model->weights[weight].layer]->trainable;
}

int hone__weight_find(const hone_model *model, const char *layer, const char *name) {
    for (size_t i = 0; i < model->weight_count; i++) {
        const hone__weight *weight = &model->weights[i];
        if (strcmp(weight->name, name) == 0 && strcmp(model->layers[weight->layer]->name, layer) == 0) return (int)i;
    }
    return -1;
}

/* ---- dtype policy ---------------------------------------------------------------------------------------------- */

hone_precision hone_model_precision(const hone_model *model) {
    for (size_t i = 0; i < model->layer_count; i++)
        if (model->layers[i]->mixed) return HONE_PRECISION_MIXED_BFLOAT16;
    return HONE_PRECISION_FLOAT32;
}

/* As Keras advises: what the model answers is float32, so that its softmax and the loss are. */
void hone_model_set_precision(hone_model *model, hone_precision precision) {
    if (hone_model_precision(model) == precision) return;
    for (size_t i = 0; i < model->layer_count; i++)
        model->layers[i]->mixed = precision == HONE_PRECISION_MIXED_BFLOAT16 && !hone__layer_is_input(model->layers[i]);
    for (size_t i = 0; i < model->output_count; i++) model->layers[model->nodes[model->outputs[i]].layer]->mixed = false;
}
