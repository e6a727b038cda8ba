/* SPDX-License-Identifier: Apache-2.0
 *
 * Lowering: every layer in topological order emits its operations (emit.c) into the builder; several inputs are slices of
 * one tensor, several outputs lie one behind the other in one. */
#include "graph.h"
#include "layer.h"

void hone__builder_release(hone__builder *b) {
    for (size_t i = 0; i < b->op_count; i++) {
        hone__free(b->ops[i].literal);
        hone__int8_free(b->ops[i].int8);
    }
    hone__free(b->ops);
    hone__free(b->tensors);
    *b = (hone__builder){0};
}

/* The tensor that input number index of the model is: the whole input, or a slice of it. */
static hone_status lower_input(hone__builder *b, size_t index, int *tensor, hone_error *err) {
    size_t from = 0;
    *tensor = b->input;
    if (b->model->input_count == 1) return HONE_OK;
    for (size_t i = 0; i < index; i++) {
        hone_shape before = hone_model_input_shape_at(b->model, i);
        from += (size_t)hone_shape_size(&before);
    }
    hone_shape shape = hone_model_input_shape_at(b->model, index);
    return hone__emit_slice(b, b->input, from, &shape, tensor, err);
}

/* tensors has one entry per node. */
static hone_status lower_node(hone__builder *b, size_t index, int *tensors, hone_error *err) {
    const hone__node *node = &b->model->nodes[index];
    const hone__layer *layer = b->model->layers[node->layer];
    if (node->input_count > HONE_MAX_LAYER_INPUTS)
        HONE_FAIL(err, HONE_LIMIT, "layer '%s': %zu inputs, at most %d are allowed", layer->name, node->input_count,
                  HONE_MAX_LAYER_INPUTS);
    int inputs[HONE_MAX_LAYER_INPUTS];
    for (size_t k = 0; k < node->input_count; k++) inputs[k] = tensors[node->inputs[k]];
    b->layer = node->layer;
    b->inference = node->inference || b->watched;
    b->repeat = 0;
    for (size_t i = 0; i < index; i++) b->repeat += b->model->nodes[i].layer == node->layer;
    for (size_t i = 0; node->input_count == 0 && i < b->model->input_count; i++)
        if (b->model->inputs[i] == index) HONE_TRY(lower_input(b, i, inputs, err));
    hone_status status = layer->type->lower(b->model, layer, b, inputs, &tensors[index], err);
    const hone__regularizer *activity = &layer->activity;
    if (status == HONE_OK && (activity->l1 > 0 || activity->l2 > 0) && !b->inference)
        status = hone__emit_activity(b, tensors[index], activity->l1, activity->l2, &tensors[index], err);
    if (status == HONE_OK && b->watched && node->layer == *b->watched && b->repeat == 0)
        status = hone__emit_watch(b, tensors[index], &tensors[index], err);
    return status ? hone__fail_context(err, status, "layer '%s'", layer->name) : HONE_OK;
}

/* The first application of a layer. */
static size_t node_of(const hone_model *model, size_t layer) {
    size_t node = 0;
    while (node + 1 < model->node_count && model->nodes[node].layer != layer) node++;
    return node;
}

/* Several outputs leave as one, flat, one behind the other. */
static hone_status lower_outputs(hone__builder *b, const int *tensors, hone_error *err) {
    const hone_model *model = b->model;
    size_t own = model->output_count, count = own + b->layer_count;
    b->output = tensors[model->outputs[0]];
    if (count == 1) return HONE_OK;
    int *flat = hone__alloc(count, sizeof *flat);
    if (!flat) return hone__fail_memory(err, count * sizeof *flat, "the outputs");
    hone_status status = HONE_OK;
    for (size_t i = 0; i < count && !status; i++) {
        int x = tensors[i < own ? model->outputs[i] : node_of(model, b->layers[i - own])];
        hone_shape shape = {1, {(int64_t)b->tensors[x].size}};
        status = hone__emit_reshape(b, x, &shape, &flat[i], err);
    }
    if (!status) status = hone__emit_concatenate(b, flat, count, 0, &b->output, err);
    hone__free(flat);
    return status;
}

/* What all inputs of a sample are together. */
static hone_status whole_input(const hone_model *model, hone_shape *shape, hone_error *err) {
    *shape = hone_model_input_shape(model);
    if (model->input_count == 1) return HONE_OK;
    *shape = (hone_shape){1, {hone_model_input_size(model)}};
    return hone__check_elements(shape, err);
}

hone_status hone__lower_model(hone__builder *b, const hone_model *model, uint64_t seed, hone_error *err) {
    b->model = model;
    b->seed = seed;
    hone_shape input;
    HONE_TRY(whole_input(model, &input, err));
    HONE_TRY(hone__builder_tensor(b, &input, &b->input, err));
    int *tensors = hone__alloc(model->node_count, sizeof *tensors);
    if (!tensors) return hone__fail_memory(err, model->node_count * sizeof *tensors, "the graph");
    hone_status status = HONE_OK;
    for (size_t i = 0; i < model->node_count && !status; i++) status = lower_node(b, i, tensors, err);
    if (!status) status = lower_outputs(b, tensors, err);
    hone__free(tensors);
    return status;
}
