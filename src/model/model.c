/* SPDX-License-Identifier: Apache-2.0
 *
 * The model: layers and nodes put together, built, looked at.
 *
 * Building unfolds the network into nodes and walks them in their (topological) order, so every layer finds its input
 * shapes known, and lays the declared weights out one behind the other in one flat array. A build that fails leaves the
 * model as it was. */
#include "channels_first.h"

#include <inttypes.h>
#include <string.h>

enum { WEIGHT_GRAIN = 16 }; /* floats: every weight starts on a cache line */

/* ---- putting together ------------------------------------------------------------------------------------------ */

hone_status hone__model_create(hone_model **out, const char *name, bool is_sequential, hone_error *err) {
    *out = NULL;
    if (!*name || strlen(name) > HONE_MAX_NAME) {
        HONE_FAIL(err, HONE_ARGUMENT, "the name of a model has %zu bytes, expected 1 to %d", strlen(name),
                  HONE_MAX_NAME);
    }
    hone_model *model = hone__alloc(1, sizeof *model);
    if (!model) return hone__fail_memory(err, sizeof *model, "a model");
    model->keras = 3;
    model->records = hone_value_object();
    hone_status status = model->records ? hone__network_init(&model->network, name, is_sequential, err)
                                        : hone__fail_memory(err, 0, "a model");
    if (status) {
        hone_model_free(model);
        return status;
    }
    *out = model;
    return HONE_OK;
}

hone_status hone_model_create(hone_model **out, const char *name, hone_error *err) {
    return hone__model_create(out, name ? name : "sequential", true, err);
}

/* Nodes, weights and shapes: what building made. */
static void forget_build(hone_model *model) {
    for (size_t i = 0; i < model->layer_count; i++) {
        hone__layer *layer = model->layers[i];
        layer->built = false;
        layer->output = (hone_shape){0};
        layer->first_weight = layer->weight_count = layer->input_count = 0;
    }
    while (model->node_count > 0) hone__free(model->nodes[--model->node_count].inputs);
    hone__free(model->inputs);
    hone__free(model->outputs);
    hone__free(model->data);
    model->inputs = model->outputs = NULL;
    model->data = NULL;
    model->input_count = model->output_count = 0;
    model->weight_count = model->data_size = 0;
    model->built = false;
}

void hone_model_free(hone_model *model) {
    if (!model) return;
    forget_build(model);
    hone__network_release(&model->network);
    while (model->layer_count > 0) hone__layer_free(model->layers[--model->layer_count]);
    hone__free(model->layers);
    hone__free(model->nodes);
    hone__free(model->weights);
    for (size_t i = 0; i < model->class_count; i++) hone__free(model->class_names[i]);
    hone__free(model->class_names);
    hone__free(model->whitening);
    hone_value_free(model->records);
    hone__free(model);
}

/* The layer's full name must be new, and fit. */
static hone_status check_name(const hone_model *model, const hone__layer *layer, hone_error *err) {
    if (strlen(layer->name) > HONE_MAX_NAME) {
        HONE_FAIL(err, HONE_LIMIT, "the name of layer '%.128s' has over %d bytes with those of its models",
                  layer->own_name, HONE_MAX_NAME);
    }
    for (size_t i = 0; i < model->layer_count; i++) {
        if (strcmp(model->layers[i]->name, layer->name) == 0) {
            HONE_FAIL(err, HONE_ARGUMENT, "the name '%.128s' is used by two layers, names must be unique", layer->name);
        }
    }
    return HONE_OK;
}

hone_status hone__scope_add_layer(const hone__scope *scope, hone__layer *layer, hone_error *err) {
    hone_model *model = scope->model;
    hone_status status = HONE_OK;
    if (model->layer_count >= HONE_MAX_LAYERS) {
        status =
            hone__fail(err, HONE_LIMIT, "model '%.128s' has more than %d layers", model->network.name, HONE_MAX_LAYERS);
    }
    if (!status) status = hone__layer_enter(layer, scope->prefix, err);
    if (!status) status = check_name(model, layer, err);
    if (!status) {
        status = hone__grow((void **)&model->layers, &model->layer_capacity, model->layer_count + 1,
                            sizeof *model->layers, err);
    }
    if (!status) status = hone__network_add(scope->network, (hone__member){.layer = layer}, err);
    if (status) {
        hone__layer_free(layer);
        return status;
    }
    layer->index = model->layer_count;
    model->layers[model->layer_count++] = layer;
    return HONE_OK;
}

/* The next of Keras' automatic names: "conv2d", "conv2d_1", "conv2d_2", …; the highest number taken decides. */
char *hone__scope_name(const hone__scope *scope, const char *class_name) {
    char base[128];
    const hone__layer_type *type = hone__layer_type_find(class_name);
    hone__snake_case(base, sizeof base, type ? type->class_name : class_name);
    size_t length = strlen(base);
    int64_t next = 0;
    for (size_t i = 0; i < scope->network->member_count; i++) {
        const char *name = hone__member_name(&scope->network->members[i]);
        if (strncmp(name, base, length) != 0) continue;
        int64_t number = 0;
        bool is_numbered = name[length] == '_' && hone__parse_integer(name + length + 1, &number) && number >= 0;
        if ((name[length] == '\0' || is_numbered) && number >= next && number < INT32_MAX) next = number + 1;
    }
    return next == 0 ? hone__strdup(base) : hone__asprintf("%s_%" PRId64, base, next);
}

/* ---- Sequential ------------------------------------------------------------------------------------------------ */

/* The newest member, applied to the output so far. */
static hone_status apply_last(const hone__scope *scope, bool is_input, hone_error *err) {
    hone__network *network = scope->network;
    hone__source here = {.application = network->application_count}, before = {.application = here.application - 1};
    size_t inputs = here.application == 0 ? 0 : 1;
    HONE_TRY(hone__network_apply(network, network->member_count - 1, &before, inputs, false, err));
    if (is_input) HONE_TRY(hone__network_set_inputs(network, &here, 1, err));
    return hone__network_set_outputs(network, &here, 1, err);
}

/* A first layer that states its input shape stands for an InputLayer before it. */
static hone_status add_input(const hone__scope *scope, const char *follower, const hone_shape *shape, hone_error *err) {
    hone__layer *input = NULL;
    char *name = hone__asprintf("%.*s_input", HONE_MAX_NAME - 6, follower);
    if (!name) return hone__fail_memory(err, strlen(follower) + 7, "the name of a layer");
    hone_status status = hone__input_layer_create(&input, name, shape, err);
    hone__free(name);
    if (!status) status = hone__scope_add_layer(scope, input, err);
    return status ? status : apply_last(scope, true, err);
}

static hone_status append_made(const hone__scope *scope, const char *class_name, const hone_value *config,
                               const char *name, hone_error *err) {
    bool is_first = scope->network->member_count == 0;
    hone__layer *layer = NULL;
    hone_shape shape;
    HONE_TRY(hone__layer_create(&layer, class_name, config, name, scope->origin, &shape, err));
    bool is_input = hone__layer_is_input(layer);
    hone_status status = HONE_OK;
    if (is_input && !is_first) {
        status = hone__fail(err, HONE_ARGUMENT, "layer '%.128s': an InputLayer can only come first", layer->own_name);
    } else if (is_first && !is_input && shape.rank > 0) {
        status = add_input(scope, layer->own_name, &shape, err);
    }
    if (status) {
        hone__layer_free(layer);
        return status;
    }
    HONE_TRY(hone__scope_add_layer(scope, layer, err));
    return apply_last(scope, is_input, err);
}

/* The shape that the first layer of a Sequential states, as an InputLayer that is adapted like any other. */
static hone_status append_stated_input(const hone__scope *scope, const hone_value *config, const char *follower,
                                       hone_error *err) {
    static const char *const keys[] = {"batch_input_shape", "batch_shape"};
    const hone_value *shape = NULL;
    for (size_t i = 0; i < 2 && !shape; i++) shape = hone_value_get(config, keys[i]);
    if (hone_value_kind_of(shape) != HONE_VALUE_LIST) return HONE_OK; /* which is said when the model is built */
    char *name = hone__asprintf("%.*s_input", HONE_MAX_NAME - 6, follower);
    hone_value *input = hone_value_object();
    hone_value_set(input, "batch_shape", hone_value_copy(shape));
    hone_value_set_string(input, "name", name);
    hone_status status = !name || hone_value_failed(input) ? hone__fail_memory(err, 0, "an input layer")
                                                           : hone__scope_append(scope, "InputLayer", input, err);
    hone_value_free(input);
    hone__free(name);
    return status;
}

static hone_status append_layer(const hone__scope *scope, const char *class_name, const hone_value *config,
                                const char *name, hone_error *err) {
    const hone__network *network = scope->network;
    const char *own = hone_value_as_string(hone_value_get(config, "name"));
    if (!scope->turns && !scope->on_theano) return append_made(scope, class_name, config, name, err);
    if (own) name = own;
    if (network->application_count == 0 && strcmp(class_name, "InputLayer") != 0)
        HONE_TRY(append_stated_input(scope, config, name, err));
    hone__source before = {.application = network->application_count - 1};
    hone__turned_layer layer;
    hone_status status = hone__scope_turn_layer(scope, class_name, config, name, &before,
                                                network->application_count > 0 ? 1 : 0, &layer, err);
    if (!status) status = append_made(scope, class_name, layer.config, name, err);
    if (!status) hone__scope_note_order(scope, layer.given);
    hone_value_free(layer.made);
    return status;
}

/* A model as a layer of a Sequential. */
static hone_status append_network(const hone__scope *scope, const char *class_name, const hone_value *config,
                                  const char *name, hone_error *err) {
    hone__network *network = NULL;
    bool is_first = scope->network->member_count == 0;
    const char *stated = hone_value_as_string(hone_value_get(config, "name"));
    HONE_TRY(hone__scope_read_network(scope, class_name, config, stated ? stated : name, &network, err));
    hone_status status = HONE_OK;
    if (network->input_count != 1 || network->output_count != 1) {
        status = hone__fail(err, HONE_SHAPE,
                            "model '%.128s' has %zu inputs and %zu outputs, a Sequential takes what has one of each",
                            network->name, network->input_count, network->output_count);
    }
    if (!status && is_first) {
        hone_shape shape = hone__network_input_shape(network, 0);
        status = add_input(scope, network->name, &shape, err);
        if (!status) hone__scope_note_order(scope, hone__network_input_order(network, 0));
    }
    hone__source before = {.application = scope->network->application_count - 1};
    if (!status) status = hone__scope_turn_for_network(scope, network, &before, 1, err);
    if (status) {
        hone__network_release(network);
        hone__free(network);
        return status;
    }
    HONE_TRY(hone__network_add(scope->network, (hone__member){.network = network}, err));
    return apply_last(scope, false, err);
}

hone_status hone__scope_append(const hone__scope *scope, const char *class_name, const hone_value *config,
                               hone_error *err) {
    hone__network *network = scope->network;
    size_t members = network->member_count, applications = network->application_count;
    size_t layers = scope->model->layer_count;
    char *name = hone__scope_name(scope, class_name);
    if (!name) return hone__fail_memory(err, strlen(class_name) + 1, "the name of a layer");
    hone_status status = hone__is_model_class(class_name) ? append_network(scope, class_name, config, name, err)
                                                          : append_layer(scope, class_name, config, name, err);
    hone__free(name);
    if (status) hone__scope_rewind(scope, layers, members, applications);
    return status;
}

void hone__scope_rewind(const hone__scope *scope, size_t layers, size_t members, size_t applications) {
    hone_model *model = scope->model;
    hone__network_truncate(scope->network, members, applications);
    while (model->layer_count > layers) hone__layer_free(model->layers[--model->layer_count]);
    if (applications == 0) scope->network->input_count = scope->network->output_count = 0;
}

hone__scope hone__model_scope(hone_model *model, bool from_file) {
    return (hone__scope){.model = model,
                         .network = &model->network,
                         .prefix = "",
                         .origin = {.from_file = from_file, .keras = model->keras}};
}

hone_status hone_model_add(hone_model *model, const char *class_name, const hone_value *config, hone_error *err) {
    if (model->built) {
        HONE_FAIL(err, HONE_ARGUMENT, "model '%.128s' is built already, layers are added before", model->network.name);
    }
    if (!model->network.is_sequential) {
        HONE_FAIL(err, HONE_ARGUMENT,
                  "model '%.128s' is not a Sequential, it has no end to add a layer to; see hone_model_apply",
                  model->network.name);
    }
    hone__scope scope = hone__model_scope(model, false);
    return hone__scope_append(&scope, class_name, config, err);
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
    hone__constraint constraint = {0};
    if (trainable) HONE_TRY(hone__constraint_of(layer, name, shape, &constraint, err));
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
                       .regularizer = regularizer ? *regularizer : (hone__regularizer){0},
                       .constraint = constraint};
    *index = (int)model->weight_count++;
    layer->weight_count++;
    model->data_size += ((size_t)size + WEIGHT_GRAIN - 1) / WEIGHT_GRAIN * WEIGHT_GRAIN;
    return HONE_OK;
}

/* A layer applied again must find what it was built for. */
static hone_status check_again(const hone_model *model, const hone__layer *layer, const hone__node *node,
                               hone_error *err) {
    for (size_t k = 0; k < node->input_count && k < layer->input_count; k++) {
        const hone_shape *shape = &model->layers[model->nodes[node->inputs[k]].layer]->output;
        if (hone_shape_equal(shape, &layer->inputs[k])) continue;
        char first[96], now[96];
        HONE_FAIL(
            err, HONE_SHAPE,
            "layer '%.128s' is applied to %s and to %s; a layer that is applied more than once must get one shape",
            layer->name, hone_shape_text(&layer->inputs[k], true, first, sizeof first),
            hone_shape_text(shape, true, now, sizeof now));
    }
    if (node->input_count == layer->input_count) return HONE_OK;
    HONE_FAIL(err, HONE_SHAPE, "layer '%.128s' is applied to %zu inputs and to %zu", layer->name, layer->input_count,
              node->input_count);
}

static hone_status build_node(hone_model *model, const hone__node *node, hone_error *err) {
    hone__layer *layer = model->layers[node->layer];
    if (layer->built) return check_again(model, layer, node, err);
    HONE_TRY(
        hone__grow((void **)&layer->inputs, &layer->input_capacity, node->input_count, sizeof *layer->inputs, err));
    layer->input_count = node->input_count;
    for (size_t k = 0; k < node->input_count; k++) {
        layer->inputs[k] = model->layers[model->nodes[node->inputs[k]].layer]->output;
    }
    return hone__layer_build(model, layer, err);
}

static hone_status build_layers(hone_model *model, hone_error *err) {
    HONE_TRY(hone__network_unfold(model, err));
    for (size_t i = 0; i < model->node_count; i++) HONE_TRY(build_node(model, &model->nodes[i], err));
    model->data = hone__alloc(model->data_size, sizeof *model->data);
    if (!model->data) return hone__fail_memory(err, model->data_size * sizeof *model->data, "the weights");
    return HONE_OK;
}

hone_status hone__model_allocate(hone_model *model, hone_error *err) {
    if (model->network.input_count == 0) {
        HONE_FAIL(err, HONE_SHAPE,
                  "model '%.128s' has no input shape: add an InputLayer first, or give the first layer an input_shape",
                  model->network.name);
    }
    if (hone_model_input_is_open(model)) {
        HONE_FAIL(err, HONE_SHAPE,
                  "model '%.128s' takes pictures of any size: their height and width must be stated before it is built",
                  model->network.name);
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
    return model->network.name;
}

int hone_model_keras(const hone_model *model) {
    return model->keras;
}

bool hone_model_is_built(const hone_model *model) {
    return model->built;
}

size_t hone_model_input_count(const hone_model *model) {
    return model->network.input_count;
}

size_t hone_model_output_count(const hone_model *model) {
    return model->network.output_count;
}

hone_shape hone_model_input_shape_at(const hone_model *model, size_t index) {
    if (index >= model->network.input_count) return (hone_shape){0};
    return hone__network_input_shape(&model->network, index);
}

hone_shape hone_model_output_shape_at(const hone_model *model, size_t index) {
    if (!model->built || index >= model->output_count) return (hone_shape){0};
    return model->layers[model->nodes[model->outputs[index]].layer]->output;
}

int64_t hone_model_input_size(const hone_model *model) {
    int64_t size = 0;
    for (size_t i = 0; i < hone_model_input_count(model); i++) {
        hone_shape shape = hone_model_input_shape_at(model, i);
        if (hone_shape_size(&shape) < 1) return 0;
        size += hone_shape_size(&shape);
    }
    return size;
}

int64_t hone_model_output_size(const hone_model *model) {
    int64_t size = 0;
    for (size_t i = 0; model->built && i < model->output_count; i++) {
        hone_shape shape = hone_model_output_shape_at(model, i);
        size += hone_shape_size(&shape);
    }
    return size;
}

hone_shape hone_model_input_shape(const hone_model *model) {
    return hone_model_input_shape_at(model, 0);
}

hone_shape hone_model_output_shape(const hone_model *model) {
    return hone_model_output_shape_at(model, 0);
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
    out->input = layer->input_count > 0 ? layer->inputs[0] : layer->output;
    out->output = layer->output;
    out->macs = layer->type->macs ? layer->type->macs(model, layer) : 0;
    for (size_t i = layer->first_weight; i < layer->first_weight + layer->weight_count; i++) {
        out->parameters += (int64_t)model->weights[i].size;
        if (hone__weight_trainable(model, i)) out->trainable_parameters += (int64_t)model->weights[i].size;
    }
    return HONE_OK;
}

const char *hone_model_layer_source(const hone_model *model, size_t layer, size_t index) {
    for (size_t i = 0; i < model->node_count; i++) {
        const hone__node *node = &model->nodes[i];
        if (node->layer != layer) continue;
        if (index < node->input_count) return model->layers[model->nodes[node->inputs[index]].layer]->name;
        index -= node->input_count;
    }
    return NULL;
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
    for (size_t i = 0; i < model->output_count; i++)
        model->layers[model->nodes[model->outputs[i]].layer]->mixed = false;
}
