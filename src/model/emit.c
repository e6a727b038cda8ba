/* SPDX-License-Identifier: Apache-2.0
 *
 * What layers lower themselves with: each emit function states one operation, its type, what it reads, its numbers.
 * Nothing is decided here; merging is fuse.c's, memory plan.c's. */
#include "graph.h"
#include "layer.h"

#include <math.h>
#include <string.h>

int hone__tensor_root(const hone__builder *b, int tensor) {
    while (b->tensors[tensor].root != tensor) tensor = b->tensors[tensor].root;
    return tensor;
}

bool hone__builder_inference(const hone__builder *b) {
    return b->inference;
}

const hone_shape *hone__tensor_shape(const hone__builder *b, int tensor) {
    return &b->tensors[tensor].shape;
}

hone_status hone__builder_tensor(hone__builder *b, const hone_shape *shape, int *tensor, hone_error *err) {
    int64_t size = hone_shape_size(shape);
    if (size < 1) HONE_FAIL(err, HONE_LIMIT, "a tensor of this layer has more elements than can be counted");
    HONE_TRY(hone__grow((void **)&b->tensors, &b->tensor_capacity, b->tensor_count + 1, sizeof *b->tensors, err));
    *tensor = (int)b->tensor_count++;
    b->tensors[*tensor] = (hone__tensor){.shape = *shape, .size = (size_t)size, .root = *tensor, .layer = b->layer};
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

/* Of a picture within a larger one. */
static void set_borders(hone__op *op, const hone_shape *within, int top, int bottom, int left, int right) {
    op->as.padding.h = (size_t)within->dims[0];
    op->as.padding.w = (size_t)within->dims[1];
    op->as.padding.c = (size_t)within->dims[2];
    op->as.padding.top = (size_t)top;
    op->as.padding.bottom = (size_t)bottom;
    op->as.padding.left = (size_t)left;
    op->as.padding.right = (size_t)right;
}

hone_status hone__emit_zero_padding2d(hone__builder *b, int x, int top, int bottom, int left, int right, int *y,
                                      hone_error *err) {
    hone_shape in = b->tensors[x].shape;
    hone_shape out = {3, {in.dims[0] + top + bottom, in.dims[1] + left + right, in.dims[2]}};
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_zero_padding2d, x, &out, &op, y, err));
    set_borders(op, &in, top, bottom, left, right);
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

/* A key for each layer, application and part: numbers of two layers never come from the same Philox function. */
static void draw_key(const hone__builder *b, size_t layer, uint32_t part, uint32_t key[2]) {
    const uint32_t seed[2] = {(uint32_t)b->seed, (uint32_t)(b->seed >> 32)};
    const uint32_t counter[4] = {part, HONE_STREAM_DROPOUT, (uint32_t)layer, (uint32_t)b->repeat};
    uint32_t block[4];
    hone__philox(seed, counter, block);
    key[0] = block[0];
    key[1] = block[1];
}

hone_status hone__emit_dropout(hone__builder *b, int x, float rate, bool spatial, size_t layer, int *y,
                               hone_error *err) {
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_dropout, x, &b->tensors[x].shape, &op, y, err));
    op->as.dropout.rows = spatial ? row_count(b, x) : 1;
    op->as.dropout.c = spatial ? last_axis(b, x) : b->tensors[x].size;
    op->as.dropout.rate = rate;
    op->as.dropout.spatial = spatial;
    draw_key(b, layer, 0, op->as.dropout.key);
    return HONE_OK;
}

hone_status hone__emit_noise(hone__builder *b, int x, hone__noise_kind kind, float amount, bool shared, size_t layer,
                             int *y, hone_error *err) {
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_noise, x, &b->tensors[x].shape, &op, y, err));
    op->as.noise.kind = kind;
    op->as.noise.rows = shared ? row_count(b, x) : 1;
    op->as.noise.c = shared ? last_axis(b, x) : b->tensors[x].size;
    op->as.noise.amount = amount;
    draw_key(b, layer, 0, op->as.noise.key);
    return HONE_OK;
}

hone_status hone__emit_unit_normalization(hone__builder *b, int x, double least, int *y, hone_error *err) {
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_unit_normalization, x, &b->tensors[x].shape, &op, y, err));
    op->as.unit.rows = row_count(b, x);
    op->as.unit.c = last_axis(b, x);
    op->as.unit.least = least;
    return HONE_OK;
}

hone_status hone__emit_rms_normalization(hone__builder *b, int x, double epsilon, int *y, hone_error *err) {
    HONE_TRY(hone__emit_unit_normalization(b, x, epsilon, y, err));
    b->ops[b->op_count - 1].as.unit.mean = true;
    return HONE_OK;
}

hone_status hone__emit_random_image(hone__builder *b, int x, const hone__random_image *what, size_t layer, int *y,
                                    hone_error *err) {
    hone__op *op;
    hone_shape out = {3, {what->oh, what->ow, what->c}};
    HONE_TRY(emit(b, &hone__op_random_image, x, &out, &op, y, err));
    op->as.random = *what;
    op->as.random.training = !b->inference;
    draw_key(b, layer, what->part, op->as.random.key);
    return HONE_OK;
}

hone_status hone__emit_resize(hone__builder *b, int x, int height, int width, bool bilinear, int *y, hone_error *err) {
    hone_shape in = b->tensors[x].shape, out = {3, {height, width, in.dims[2]}};
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_resize, x, &out, &op, y, err));
    op->as.resize.h = (size_t)in.dims[0];
    op->as.resize.w = (size_t)in.dims[1];
    op->as.resize.c = (size_t)in.dims[2];
    op->as.resize.oh = (size_t)height;
    op->as.resize.ow = (size_t)width;
    op->as.resize.bilinear = bilinear;
    return HONE_OK;
}

hone_status hone__emit_resample(hone__builder *b, int x, const hone__spans *rows, const hone__spans *columns, int *y,
                                hone_error *err) {
    hone_shape in = b->tensors[x].shape, out = {3, {rows->out, columns->out, in.dims[2]}};
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_resample, x, &out, &op, y, err));
    op->as.resample.h = (size_t)rows->in;
    op->as.resample.w = (size_t)columns->in;
    op->as.resample.c = (size_t)in.dims[2];
    op->as.resample.oh = (size_t)rows->out;
    op->as.resample.ow = (size_t)columns->out;
    op->as.resample.row_taps = (size_t)rows->longest;
    op->as.resample.column_taps = (size_t)columns->longest;
    size_t first = (size_t)rows->out * (size_t)(rows->longest + 1);
    size_t second = (size_t)columns->out * (size_t)(columns->longest + 1);
    op->literal = hone__alloc(first + second, sizeof *op->literal);
    if (!op->literal)
        return hone__fail_memory(err, (first + second) * sizeof *op->literal, "the weights of a Resizing");
    memcpy(op->literal, rows->table, first * sizeof *op->literal);
    memcpy(op->literal + first, columns->table, second * sizeof *op->literal);
    return HONE_OK;
}

hone_status hone__emit_transpose(hone__builder *b, int x, const int *axes, int *y, hone_error *err) {
    hone_shape in = b->tensors[x].shape, out = {.rank = in.rank};
    size_t steps[HONE_MAX_RANK], step = 1;
    for (int i = in.rank; i-- > 0;) {
        steps[i] = step;
        step *= (size_t)in.dims[i];
    }
    for (int i = 0; i < in.rank; i++) out.dims[i] = in.dims[axes[i]];
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_transpose, x, &out, &op, y, err));
    op->as.transpose.rank = in.rank;
    for (int i = 0; i < in.rank; i++) {
        op->as.transpose.dims[i] = (size_t)out.dims[i];
        op->as.transpose.steps[i] = steps[axes[i]];
    }
    return HONE_OK;
}

hone_status hone__emit_conv2d_transpose(hone__builder *b, int x, const hone_conv2d_shape *shape, int kernel, int bias,
                                        int *y, hone_error *err) {
    hone_shape out = {3, {shape->h, shape->w, shape->c}};
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_conv2d_transpose, x, &out, &op, y, err));
    op->as.conv2d.shape = *shape;
    op->weights[HONE_OP_KERNEL] = kernel;
    op->weights[HONE_OP_BIAS] = bias;
    return HONE_OK;
}

hone_status hone__emit_group_normalization(hone__builder *b, int x, size_t groups, float epsilon, int gamma, int beta,
                                           int *y, hone_error *err) {
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_group_normalization, x, &b->tensors[x].shape, &op, y, err));
    op->as.group.rows = row_count(b, x);
    op->as.group.c = last_axis(b, x);
    op->as.group.groups = groups;
    op->as.group.epsilon = epsilon;
    op->weights[HONE_OP_GAMMA] = gamma;
    op->weights[HONE_OP_BETA] = beta;
    return HONE_OK;
}

hone_status hone__emit_embedding(hone__builder *b, int x, int64_t rows, int64_t units, int table, int *y,
                                 hone_error *err) {
    hone_shape out = b->tensors[x].shape;
    out.dims[out.rank++] = units;
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_embedding, x, &out, &op, y, err));
    op->as.embedding.rows = (size_t)rows;
    op->as.embedding.c = (size_t)units;
    op->weights[HONE_OP_KERNEL] = table;
    return HONE_OK;
}

/* ---- several inputs -------------------------------------------------------------------------------------------- */

static void add_input(hone__op *op, int tensor) {
    op->inputs[op->input_count++] = tensor;
}

/* Dim number axis of a shape that is seen as having rank axes, the missing ones being first. */
static int64_t aligned_dim(const hone_shape *shape, int rank, int axis) {
    int own = axis - (rank - shape->rank);
    return own < 0 ? 1 : shape->dims[own];
}

/* How far apart neighbours along each axis of the output are in an operand; 0 where it repeats. */
static void operand_steps(const hone_shape *shape, int rank, size_t *steps) {
    size_t step = 1;
    for (int axis = rank; axis-- > 0;) {
        size_t dim = (size_t)aligned_dim(shape, rank, axis);
        steps[axis] = dim == 1 ? 0 : step;
        step *= dim;
    }
}

hone_status hone__emit_prelu(hone__builder *b, int x, const hone_shape *slopes, int weight, int *y, hone_error *err) {
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_prelu, x, &b->tensors[x].shape, &op, y, err));
    const hone_shape *shape = &b->tensors[x].shape;
    op->as.prelu.rank = shape->rank;
    for (int i = 0; i < shape->rank; i++) op->as.prelu.dims[i] = (size_t)shape->dims[i];
    operand_steps(slopes, shape->rank, op->as.prelu.steps);
    op->weights[HONE_OP_KERNEL] = weight;
    return HONE_OK;
}

static hone_status emit_pair(hone__builder *b, hone__merge_kind kind, int first, int second, int *y, hone_error *err) {
    hone_shape one = b->tensors[first].shape, two = b->tensors[second].shape, out = {0};
    out.rank = one.rank > two.rank ? one.rank : two.rank;
    for (int axis = 0; axis < out.rank; axis++) {
        int64_t a = aligned_dim(&one, out.rank, axis), c = aligned_dim(&two, out.rank, axis);
        out.dims[axis] = a > c ? a : c;
    }
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_merge, first, &out, &op, y, err));
    add_input(op, second);
    op->as.merge.kind = kind;
    op->as.merge.same = hone_shape_equal(&one, &out) && hone_shape_equal(&two, &out);
    op->as.merge.rank = out.rank;
    for (int axis = 0; axis < out.rank; axis++) op->as.merge.dims[axis] = (size_t)out.dims[axis];
    operand_steps(&one, out.rank, op->as.merge.steps[0]);
    operand_steps(&two, out.rank, op->as.merge.steps[1]);
    return HONE_OK;
}

/* As many inputs of one shape as an operation takes; *taken of them. */
static hone_status emit_sum(hone__builder *b, const int *inputs, size_t count, size_t *taken, int *y, hone_error *err) {
    const hone_shape shape = b->tensors[inputs[0]].shape;
    size_t same = 1;
    while (same < count && same < HONE_OP_INPUTS && hone_shape_equal(&shape, &b->tensors[inputs[same]].shape)) same++;
    *taken = same < 2 ? 2 : same;
    if (same < 2) return emit_pair(b, HONE_MERGE_ADD, inputs[0], inputs[1], y, err);
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_merge, inputs[0], &shape, &op, y, err));
    for (size_t i = 1; i < same; i++) add_input(op, inputs[i]);
    op->as.merge.kind = HONE_MERGE_ADD;
    op->as.merge.same = true;
    return HONE_OK;
}

hone_status hone__emit_merge(hone__builder *b, hone__merge_kind kind, const int *inputs, size_t count, int *y,
                             hone_error *err) {
    int rest[HONE_MAX_LAYER_INPUTS];
    for (size_t i = 0; i < count; i++) rest[i] = inputs[i];
    for (size_t first = 0; first + 1 < count;) {
        size_t taken = 2;
        if (kind == HONE_MERGE_ADD) {
            HONE_TRY(emit_sum(b, rest + first, count - first, &taken, y, err));
        } else {
            HONE_TRY(emit_pair(b, kind, rest[first], rest[first + 1], y, err));
        }
        first += taken - 1;
        rest[first] = *y;
    }
    return HONE_OK;
}

hone_status hone__emit_matmul(hone__builder *b, int x, int z, int *y, hone_error *err) {
    const hone_shape one = b->tensors[x].shape, two = b->tensors[z].shape;
    const int rank = one.rank - 2;
    hone_shape out = one;
    out.dims[rank + 1] = two.dims[rank + 1];
    for (int i = 0; i < rank; i++)
        if (out.dims[i] == 1) out.dims[i] = two.dims[i];
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_matmul, x, &out, &op, y, err));
    add_input(op, z);
    op->as.matmul.m = (size_t)one.dims[rank];
    op->as.matmul.k = (size_t)one.dims[rank + 1];
    op->as.matmul.n = (size_t)two.dims[rank + 1];
    op->as.matmul.rank = rank;
    for (int i = 0; i < rank; i++) op->as.matmul.dims[i] = (size_t)out.dims[i];
    const hone_shape *operands[2] = {&one, &two};
    for (int which = 0; which < 2; which++) {
        hone_shape before = *operands[which];
        before.rank = rank;
        operand_steps(&before, rank, op->as.matmul.steps[which]);
    }
    return HONE_OK;
}

hone_status hone__emit_square_root(hone__builder *b, int x, int *y, hone_error *err) {
    hone__op *op;
    const hone_shape shape = b->tensors[x].shape;
    return emit(b, &hone__op_square_root, x, &shape, &op, y, err);
}

/* Of one operation: at most HONE_OP_INPUTS. */
static hone_status emit_side_by_side(hone__builder *b, const int *inputs, size_t count, int axis, int *y,
                                     hone_error *err) {
    hone_shape out = b->tensors[inputs[0]].shape;
    size_t rows = 1, inner = 1;
    for (int i = 0; i < axis; i++) rows *= (size_t)out.dims[i];
    for (int i = axis + 1; i < out.rank; i++) inner *= (size_t)out.dims[i];
    out.dims[axis] = 0;
    for (size_t i = 0; i < count; i++) out.dims[axis] += b->tensors[inputs[i]].shape.dims[axis];
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_concatenate, inputs[0], &out, &op, y, err));
    for (size_t i = 1; i < count; i++) add_input(op, inputs[i]);
    op->as.concatenate.rows = rows;
    for (size_t i = 0; i < count; i++)
        op->as.concatenate.widths[i] = (size_t)b->tensors[inputs[i]].shape.dims[axis] * inner;
    return HONE_OK;
}

hone_status hone__emit_concatenate(hone__builder *b, const int *inputs, size_t count, int axis, int *y,
                                   hone_error *err) {
    int parts[HONE_MAX_LAYER_INPUTS];
    for (size_t i = 0; i < count; i++) parts[i] = inputs[i];
    while (count > HONE_OP_INPUTS) { /* groups of neighbours, and groups of groups */
        size_t groups = 0;
        for (size_t i = 0; i < count; i += HONE_OP_INPUTS, groups++) {
            size_t size = count - i < HONE_OP_INPUTS ? count - i : HONE_OP_INPUTS;
            int group;
            HONE_TRY(emit_side_by_side(b, parts + i, size, axis, &group, err));
            parts[groups] = group;
        }
        count = groups;
    }
    return emit_side_by_side(b, parts, count, axis, y, err);
}

hone_status hone__emit_attention(hone__builder *b, const int inputs[3], size_t heads, float rate, size_t layer, int *y,
                                 hone_error *err) {
    hone_shape out = b->tensors[inputs[0]].shape;
    out.dims[out.rank - 1] = (int64_t)last_axis(b, inputs[2]);
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_attention, inputs[0], &out, &op, y, err));
    add_input(op, inputs[1]);
    add_input(op, inputs[2]);
    op->as.attention.queries = row_count(b, inputs[0]);
    op->as.attention.keys = row_count(b, inputs[1]);
    op->as.attention.heads = heads;
    op->as.attention.key_dim = last_axis(b, inputs[0]) / heads;
    op->as.attention.value_dim = last_axis(b, inputs[2]) / heads;
    op->as.attention.scale = (float)(1 / sqrt((double)op->as.attention.key_dim));
    op->as.attention.rate = b->inference ? 0 : rate;
    draw_key(b, layer, 0, op->as.attention.key);
    return HONE_OK;
}

hone_status hone__emit_slice(hone__builder *b, int x, size_t from, const hone_shape *shape, int *y, hone_error *err) {
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_slice, x, shape, &op, y, err));
    op->as.slice.rows = 1;
    op->as.slice.width = b->tensors[x].size;
    op->as.slice.from = from;
    op->as.slice.kept = b->tensors[*y].size;
    return HONE_OK;
}

hone_status hone__emit_cropping2d(hone__builder *b, int x, int top, int bottom, int left, int right, int *y,
                                  hone_error *err) {
    hone_shape in = b->tensors[x].shape;
    hone_shape out = {3, {in.dims[0] - top - bottom, in.dims[1] - left - right, in.dims[2]}};
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_cropping2d, x, &out, &op, y, err));
    set_borders(op, &out, top, bottom, left, right);
    return HONE_OK;
}

hone_status hone__emit_activity(hone__builder *b, int x, float l1, float l2, int *y, hone_error *err) {
    hone__op *op;
    HONE_TRY(emit(b, &hone__op_activity, x, &b->tensors[x].shape, &op, y, err));
    op->as.activity.l1 = l1;
    op->as.activity.l2 = l2;
    return HONE_OK;
}

hone_status hone__emit_watch(hone__builder *b, int x, int *y, hone_error *err) {
    hone__op *op;
    return emit(b, &hone__op_watch, x, &b->tensors[x].shape, &op, y, err);
}
