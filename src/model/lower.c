/* SPDX-License-Identifier: Apache-2.0
 *
 * Lowering: every layer in topological order emits its operations into the builder.
 *
 * Each emit function states one operation: its type, what it reads, its numbers. Nothing is decided here; merging is
 * fuse.c's, memory plan.c's. */
#include "graph.h"

#include <string.h>

int hone__tensor_root(const hone__builder *b, int tensor) {
    while (b->tensors[tensor].root != tensor) tensor = b->tensors[tensor].root;
    return tensor;
}

const hone_shape *hone__tensor_shape(const hone__builder *b, int tensor) {
    return &b->tensors[tensor].shape;
}

hone_status hone__builder_tensor(hone__builder *b, const hone_shape *shape, int *tensor, hone_error *err) {
    int64_t size = hone_shape_size(shape);
    if (size < 1) HONE_FAIL(err, HONE_LIMIT, "a tensor of this layer has more elements than can be counted");
    HONE_TRY(hone__grow((void **)&b->tensors, &b->tensor_capacity, b->tensor_count + 1, sizeof *b->tensors, err));
    *tensor = (int)b->tensor_count++;
    b->tensors[*tensor] = (hone__tensor){.shape = *shape, .size = (size_t)size, .root = *tensor};
    return HONE_OK;
}

/* A new operation of one input with a new output tensor. The pointer is good until the next emit. */
static hone_status emit(hone__builder *b, const hone__op_type *type, int x, const hone_shape *out, hone__op **op,
                        int *y, hone_error *err) {
    hone_shape shape = *out; /* out may lie in the array that grows */
    HONE_TRY(hone__builder_tensor(b, &shape, y, err));
    HONE_TRY(hone__grow((void **)&b->ops, &b->op_capacity, b->op_count + 1, sizeof *b->ops, err));
    *op = &b->ops[b->op_count++];
    **op = (hone__op){.type = type,
                      .layer = b->layer,
                      .input_count = 1,
                      .inputs = {x},
                      .output = *y,
                      .weights = {HONE_NO_WEIGHT, HONE_NO_WEIGHT, HONE_NO_WEIGHT, HONE_NO_WEIGHT}};
    return HONE_OK;
}

/* The last axis of a tensor, and how often it occurs in a sample. */
static size_t last_axis(const hone__builder *b, int tensor) {
    const hone_shape *shape = &b->tensors[tensor].shape;
    return (size_t)shape->dims[shape->rank - 1];
}

static size_t row_count(const hone__builder *b, int tensor) {
    return b->tensors[tensor].size / last_axis(b, tensor);
}

hone_status hone__emit_conv2d(hone__builder *b, int x, const hone_conv2d_shape *shape, int kernel, int bias, int *y,
                              hone_error *err) {
    hone_shape out = {3, {shape->oh, shape->ow, shape->filters}};
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_conv2d, x, &out, &op, y, err));
    op->as.conv2d.shape = *shape;
    op->as.conv2d.shape.has_bias = bias != HONE_NO_WEIGHT;
    op->weights[HONE_OP_KERNEL] = kernel;
    op->weights[HONE_OP_BIAS] = bias;
    return HONE_OK;
}

hone_status hone__emit_depthwise_conv2d(hone__builder *b, int x, const hone_depthwise_shape *shape, int kernel,
                                        int bias, int *y, hone_error *err) {
    hone_shape out = {3, {shape->oh, shape->ow, (int64_t)shape->c * shape->multiplier}};
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_depthwise_conv2d, x, &out, &op, y, err));
    op->as.depthwise = *shape;
    op->as.depthwise.has_bias = bias != HONE_NO_WEIGHT;
    op->weights[HONE_OP_KERNEL] = kernel;
    op->weights[HONE_OP_BIAS] = bias;
    return HONE_OK;
}

hone_status hone__emit_dense(hone__builder *b, int x, int64_t units, int kernel, int bias, int *y, hone_error *err) {
    hone_shape out = b->tensors[x].shape;
    out.dims[out.rank - 1] = units;
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_dense, x, &out, &op, y, err));
    op->as.dense.rows = row_count(b, x);
    op->as.dense.in = last_axis(b, x);
    op->as.dense.units = (size_t)units;
    op->as.dense.epilogue = HONE_EPILOGUE_NONE;
    op->weights[HONE_OP_KERNEL] = kernel;
    op->weights[HONE_OP_BIAS] = bias;
    return HONE_OK;
}

hone_status hone__emit_activation(hone__builder *b, int x, const hone_activation *activation, int *y, hone_error *err) {
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_activation, x, &b->tensors[x].shape, &op, y, err));
    op->as.activation = *activation;
    return HONE_OK;
}

static hone_status emit_rows(hone__builder *b, const hone__op_type *type, int x, hone__op **op, int *y,
                             hone_error *err) {
    HONE_TRY(emit(b, type, x, &b->tensors[x].shape, op, y, err));
    (*op)->as.rows.rows = row_count(b, x);
    (*op)->as.rows.c = last_axis(b, x);
    return HONE_OK;
}

hone_status hone__emit_softmax(hone__builder *b, int x, int *y, hone_error *err) {
    hone__op *op;
    return emit_rows(b, &hone__op_softmax, x, &op, y, err);
}

static hone_status emit_pool(hone__builder *b, const hone__op_type *type, int x, const hone_pool2d_shape *shape, int *y,
                             hone_error *err) {
    hone_shape out = {3, {shape->oh, shape->ow, shape->c}};
    hone__op *op;
    HONE_TRY(emit(b, type, x, &out, &op, y, err));
    op->as.pool = *shape;
    return HONE_OK;
}

hone_status hone__emit_max_pool2d(hone__builder *b, int x, const hone_pool2d_shape *shape, int *y, hone_error *err) {
    return emit_pool(b, &hone__op_max_pool2d, x, shape, y, err);
}

hone_status hone__emit_average_pool2d(hone__builder *b, int x, const hone_pool2d_shape *shape, int *y,
                                      hone_error *err) {
    return emit_pool(b, &hone__op_average_pool2d, x, shape, y, err);
}

static hone_status emit_global_pool(hone__builder *b, const hone__op_type *type, int x, const hone_shape *out, int *y,
                                    hone_error *err) {
    hone__op *op;
    HONE_TRY(emit(b, type, x, out, &op, y, err));
    op->as.rows.rows = row_count(b, x);
    op->as.rows.c = last_axis(b, x);
    return HONE_OK;
}

hone_status hone__emit_global_max_pool2d(hone__builder *b, int x, const hone_shape *out, int *y, hone_error *err) {
    return emit_global_pool(b, &hone__op_global_max_pool2d, x, out, y, err);
}

hone_status hone__emit_global_average_pool2d(hone__builder *b, int x, const hone_shape *out, int *y, hone_error *err) {
    return emit_global_pool(b, &hone__op_global_average_pool2d, x, out, y, err);
}

hone_status hone__emit_zero_padding2d(hone__builder *b, int x, int top, int bottom, int left, int right, int *y,
                                      hone_error *err) {
    hone_shape in = b->tensors[x].shape;
    hone_shape out = {3, {in.dims[0] + top + bottom, in.dims[1] + left + right, in.dims[2]}};
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_zero_padding2d, x, &out, &op, y, err));
    op->as.padding.h = (size_t)in.dims[0];
    op->as.padding.w = (size_t)in.dims[1];
    op->as.padding.c = (size_t)in.dims[2];
    op->as.padding.top = (size_t)top;
    op->as.padding.bottom = (size_t)bottom;
    op->as.padding.left = (size_t)left;
    op->as.padding.right = (size_t)right;
    return HONE_OK;
}

hone_status hone__emit_reshape(hone__builder *b, int x, const hone_shape *shape, int *y, hone_error *err) {
    HONE_TRY(hone__builder_tensor(b, shape, y, err));
    b->tensors[*y].root = x;
    return HONE_OK;
}

hone_status hone__emit_affine(hone__builder *b, int x, const float *scale, const float *offset, size_t count, int *y,
                              hone_error *err) {
    hone__op *op;
    HONE_TRY(emit_rows(b, &hone__op_affine, x, &op, y, err));
    size_t c = op->as.rows.c;
    op->literal = hone__alloc(c, 2 * sizeof *op->literal);
    if (!op->literal) return hone__fail_memory(err, 2 * c * sizeof *op->literal, "scale and offset");
    for (size_t i = 0; i < c; i++) {
        op->literal[i] = scale[count == 1 ? 0 : i];
        op->literal[c + i] = offset[count == 1 ? 0 : i];
    }
    return HONE_OK;
}

hone_status hone__emit_batch_normalization(hone__builder *b, int x, float momentum, float epsilon, bool frozen,
                                           int gamma, int beta, int moving_mean, int moving_variance, int *y,
                                           hone_error *err) {
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_batch_normalization, x, &b->tensors[x].shape, &op, y, err));
    op->as.norm.rows = row_count(b, x);
    op->as.norm.c = last_axis(b, x);
    op->as.norm.momentum = momentum;
    op->as.norm.epsilon = epsilon;
    op->as.norm.frozen = frozen;
    op->weights[HONE_OP_GAMMA] = gamma;
    op->weights[HONE_OP_BETA] = beta;
    op->weights[HONE_OP_MEAN] = moving_mean;
    op->weights[HONE_OP_VARIANCE] = moving_variance;
    return HONE_OK;
}

hone_status hone__emit_layer_normalization(hone__builder *b, int x, float epsilon, int gamma, int beta, int *y,
                                           hone_error *err) {
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_layer_normalization, x, &b->tensors[x].shape, &op, y, err));
    op->as.norm.rows = row_count(b, x);
    op->as.norm.c = last_axis(b, x);
    op->as.norm.epsilon = epsilon;
    op->weights[HONE_OP_GAMMA] = gamma;
    op->weights[HONE_OP_BETA] = beta;
    return HONE_OK;
}

hone_status hone__emit_dropout(hone__builder *b, int x, float rate, bool spatial, size_t layer, int *y,
                               hone_error *err) {
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_dropout, x, &b->tensors[x].shape, &op, y, err));
    op->as.dropout.rows = spatial ? row_count(b, x) : 1;
    op->as.dropout.c = spatial ? last_axis(b, x) : b->tensors[x].size;
    op->as.dropout.rate = rate;
    op->as.dropout.spatial = spatial;
    /* A key for each layer: numbers of two layers never come from the same Philox function. */
    const uint32_t seed[2] = {(uint32_t)b->seed, (uint32_t)(b->seed >> 32)};
    const uint32_t counter[4] = {0, HONE_STREAM_DROPOUT, (uint32_t)layer, (uint32_t)((uint64_t)layer >> 32)};
    uint32_t block[4];
    hone__philox(seed, counter, block);
    op->as.dropout.key[0] = block[0];
    op->as.dropout.key[1] = block[1];
    return HONE_OK;
}

/* ---- the model ------------------------------------------------------------------------------------------------- */

void hone__builder_release(hone__builder *b) {
    for (size_t i = 0; i < b->op_count; i++) hone__free(b->ops[i].literal);
    hone__free(b->ops);
    hone__free(b->tensors);
    *b = (hone__builder){0};
}

/* tensors has one entry per node. */
static hone_status lower_nodes(hone__builder *b, int *tensors, hone_error *err) {
    const hone_model *model = b->model;
    for (size_t i = 0; i < model->node_count; i++) {
        const hone__node *node = &model->nodes[i];
        const hone__layer *layer = model->layers[node->layer];
        if (node->input_count > HONE_MAX_LAYER_INPUTS)
            HONE_FAIL(err, HONE_LIMIT, "layer '%s': %zu inputs, at most %d are allowed", layer->name, node->input_count,
                      HONE_MAX_LAYER_INPUTS);
        int inputs[HONE_MAX_LAYER_INPUTS] = {b->input}; /* where the graph begins */
        for (size_t k = 0; k < node->input_count; k++) inputs[k] = tensors[node->inputs[k]];
        b->layer = node->layer;
        if (layer->type->lower(model, layer, b, inputs, &tensors[i], err) != HONE_OK)
            return hone__fail_context(err, HONE_MEMORY, "layer '%s'", layer->name);
    }
    b->output = tensors[model->outputs[0]];
    return HONE_OK;
}

hone_status hone__lower_model(hone__builder *b, const hone_model *model, uint64_t seed, hone_error *err) {
    b->model = model;
    b->seed = seed;
    if (model->input_count != 1 || model->output_count != 1)
        HONE_FAIL(err, HONE_UNSUPPORTED, "model '%s': %zu inputs and %zu outputs, a plan needs one of each",
                  model->name, model->input_count, model->output_count);
    hone_shape input = hone_model_input_shape(model);
    HONE_TRY(hone__builder_tensor(b, &input, &b->input, err));
    int *tensors = hone__alloc(model->node_count, sizeof *tensors);
    if (!tensors) return hone__fail_memory(err, model->node_count * sizeof *tensors, "the graph");
    hone_status status = lower_nodes(b, tensors, err);
    hone__free(tensors);
    return status;
}
