/* SPDX-License-Identifier: Apache-2.0
 *
 * To ONNX: products, activations, normalisation, arithmetic between tensors, attention, other orders of axes. */
#include "onnx_export.h"

#include <math.h>

/* x in the order that it has, and that order: for what works on single elements. */
static const char *as_it_is(hone__onnx_export *e, int tensor, hone__onnx_order *order) {
    (void)hone__onnx_value(e, tensor, hone__onnx_order_of(e, tensor));
    *order = hone__onnx_order_of(e, tensor);
    return hone__onnx_value(e, tensor, *order);
}

static const char *unary(hone__onnx_export *e, const char *op_type, const char *x) {
    return hone__onnx_unary(&e->w, e->layer, op_type, x);
}

static const char *binary(hone__onnx_export *e, const char *op_type, const char *x, const char *z) {
    return hone__onnx_binary(&e->w, e->layer, op_type, x, z);
}

static const char *scalar(hone__onnx_export *e, double value) {
    return hone__onnx_scalar(&e->w, value);
}

/* ---- products -------------------------------------------------------------------------------------------------- */

/* Sequences have a product of matrices and a sum, vectors one operator for both. */
const char *hone__onnx_dense(hone__onnx_export *e, const char *const *inputs, size_t count, int output_rank) {
    if (output_rank == 1) return hone__onnx_output(hone__onnx_node(&e->w, e->layer, "Gemm", inputs, count));
    const char *y = binary(e, "MatMul", inputs[0], inputs[1]);
    return count > 2 ? binary(e, "Add", y, inputs[2]) : y;
}

static void export_dense(hone__onnx_export *e, const hone__op *op) {
    const hone_shape kernel = {2, {(int64_t)op->as.dense.in, (int64_t)op->as.dense.units}};
    const hone_shape bias = {1, {(int64_t)op->as.dense.units}};
    const char *inputs[3] = {hone__onnx_value(e, op->inputs[0], CHANNELS_LAST),
                             hone__onnx_weight(e, op->weights[HONE_OP_KERNEL], &kernel)};
    bool biased = op->weights[HONE_OP_BIAS] != HONE_NO_WEIGHT;
    if (biased) inputs[2] = hone__onnx_weight(e, op->weights[HONE_OP_BIAS], &bias);
    hone__onnx_set_value(e, op->output, CHANNELS_LAST,
                         hone__onnx_dense(e, inputs, biased ? 3 : 2, hone__onnx_shape(e, op->output)->rank));
}

/* (N, steps, heads width) to (N, heads, steps, width), or with perm of one's own. */
static const char *split_heads(hone__onnx_export *e, int tensor, size_t steps, size_t heads, size_t width,
                               const int64_t perm[4]) {
    const int64_t dims[3] = {(int64_t)steps, (int64_t)heads, (int64_t)width};
    return hone__onnx_transpose(e, hone__onnx_reshape(e, hone__onnx_value(e, tensor, CHANNELS_LAST), dims, 3), perm, 4);
}

/* softmax(q k^T / sqrt(key_dim)) v for each head. */
static void export_attention(hone__onnx_export *e, const hone__op *op) {
    size_t queries = op->as.attention.queries, keys = op->as.attention.keys, heads = op->as.attention.heads;
    static const int64_t rows[4] = {0, 2, 1, 3}, columns[4] = {0, 2, 3, 1};
    const char *q = split_heads(e, op->inputs[0], queries, heads, op->as.attention.key_dim, rows);
    const char *k = split_heads(e, op->inputs[1], keys, heads, op->as.attention.key_dim, columns);
    const char *v = split_heads(e, op->inputs[2], keys, heads, op->as.attention.value_dim, rows);
    const char *scores = binary(e, "Mul", binary(e, "MatMul", q, k), scalar(e, op->as.attention.scale));
    Hone__Onnx__Node *softmax = hone__onnx_node(&e->w, e->layer, "Softmax", &scores, 1);
    hone__onnx_set_integer(&e->w, softmax, "axis", -1);
    const char *y = binary(e, "MatMul", hone__onnx_output(softmax), v);
    const hone_shape *shape = hone__onnx_shape(e, op->output);
    y = hone__onnx_reshape(e, hone__onnx_transpose(e, y, rows, 4), shape->dims, (size_t)shape->rank);
    hone__onnx_set_value(e, op->output, CHANNELS_LAST, y);
}

/* An index that is none of the table's means the nearest one. */
static void export_embedding(hone__onnx_export *e, const hone__op *op) {
    const hone_shape table = {2, {(int64_t)op->as.embedding.rows, (int64_t)op->as.embedding.c}};
    const char *inputs[3] = {hone__onnx_value(e, op->inputs[0], CHANNELS_LAST), scalar(e, 0),
                             scalar(e, (double)op->as.embedding.rows - 1)};
    const char *x = hone__onnx_output(hone__onnx_node(&e->w, e->layer, "Clip", inputs, 3));
    Hone__Onnx__Node *cast = hone__onnx_node(&e->w, e->layer, "Cast", &x, 1);
    hone__onnx_set_integer(&e->w, cast, "to", ONNX_INT64);
    hone__onnx_set_value(
        e, op->output, CHANNELS_LAST,
        binary(e, "Gather", hone__onnx_weight(e, op->weights[HONE_OP_KERNEL], &table), hone__onnx_output(cast)));
}

/* ---- activations ----------------------------------------------------------------------------------------------- */

static const char *with_reals(hone__onnx_export *e, const char *op_type, const char *x, const char *one, double a,
                              const char *two, double b) {
    Hone__Onnx__Node *node = hone__onnx_node(&e->w, e->layer, op_type, &x, 1);
    hone__onnx_set_real(&e->w, node, one, a);
    if (two) hone__onnx_set_real(&e->w, node, two, b);
    return hone__onnx_output(node);
}

static const char *clip(hone__onnx_export *e, const char *x, double low, double high) {
    const char *inputs[3] = {x, scalar(e, low), scalar(e, high)};
    return hone__onnx_output(hone__onnx_node(&e->w, e->layer, "Clip", inputs, 3));
}

const char *hone__onnx_relu(hone__onnx_export *e, const char *x, float most) {
    return isinf(most) ? unary(e, "Relu", x) : clip(e, x, 0, most);
}

/* x >= b ? min(x, c) : a (x - b). Where a or b is no zero and another one stands in the way, in so many words. */
static const char *rectifier(hone__onnx_export *e, const char *x, const hone_activation *f) {
    bool bounded = !isinf(f->c);
    if (f->b == 0 && f->a == 0) return hone__onnx_relu(e, x, f->c);
    if (f->b == 0 && !bounded) return with_reals(e, "LeakyRelu", x, "alpha", f->a, NULL, 0);
    const char *above = bounded ? binary(e, "Min", x, scalar(e, f->c)) : x;
    const char *below = binary(e, "Mul", binary(e, "Sub", x, scalar(e, f->b)), scalar(e, f->a));
    const char *inputs[3] = {binary(e, "GreaterOrEqual", x, scalar(e, f->b)), above, below};
    return hone__onnx_output(hone__onnx_node(&e->w, e->layer, "Where", inputs, 3));
}

/* x / 2 (1 + inner) */
static const char *half_of_one_more(hone__onnx_export *e, const char *x, const char *inner) {
    return binary(e, "Mul", binary(e, "Mul", x, binary(e, "Add", inner, scalar(e, 1))), scalar(e, 0.5));
}

static const char *gelu(hone__onnx_export *e, const char *x) {
    return half_of_one_more(e, x, unary(e, "Erf", binary(e, "Div", x, scalar(e, sqrt(2)))));
}

/* tanh(sqrt(2 / pi) (x + 0.044715 x^3)) */
static const char *gelu_tanh(hone__onnx_export *e, const char *x) {
    const double pi = 3.14159265358979323846;
    const char *cube = binary(e, "Mul", binary(e, "Mul", x, x), x);
    const char *sum = binary(e, "Add", x, binary(e, "Mul", cube, scalar(e, 0.044715)));
    return half_of_one_more(e, x, unary(e, "Tanh", binary(e, "Mul", sum, scalar(e, sqrt(2 / pi)))));
}

static const char *activation(hone__onnx_export *e, const char *x, const hone_activation *f) {
    switch (f->kind) {
    case HONE_ACTIVATION_LINEAR: return x;
    case HONE_ACTIVATION_RELU: return rectifier(e, x, f);
    case HONE_ACTIVATION_ELU: return with_reals(e, "Elu", x, "alpha", f->a, NULL, 0);
    case HONE_ACTIVATION_SELU:
        return with_reals(e, "Selu", x, "alpha", 1.6732632423543772, "gamma", 1.0507009873554805);
    case HONE_ACTIVATION_GELU: return gelu(e, x);
    case HONE_ACTIVATION_GELU_TANH: return gelu_tanh(e, x);
    case HONE_ACTIVATION_SILU: return binary(e, "Mul", x, unary(e, "Sigmoid", x));
    case HONE_ACTIVATION_SIGMOID: return unary(e, "Sigmoid", x);
    case HONE_ACTIVATION_HARD_SIGMOID: return with_reals(e, "HardSigmoid", x, "alpha", f->a, "beta", 0.5);
    case HONE_ACTIVATION_HARD_SILU:
        return binary(e, "Mul", x, with_reals(e, "HardSigmoid", x, "alpha", 1.0 / 6, "beta", 0.5));
    case HONE_ACTIVATION_TANH: return unary(e, "Tanh", x);
    case HONE_ACTIVATION_SOFTPLUS: return unary(e, "Softplus", x);
    case HONE_ACTIVATION_SOFTSIGN: return unary(e, "Softsign", x);
    case HONE_ACTIVATION_EXPONENTIAL: return unary(e, "Exp", x);
    }
    return x;
}

static void export_activation(hone__onnx_export *e, const hone__op *op) {
    hone__onnx_order order;
    const char *x = as_it_is(e, op->inputs[0], &order);
    hone__onnx_set_value(e, op->output, order, activation(e, x, &op->as.activation));
}

static void export_softmax(hone__onnx_export *e, const hone__op *op) {
    hone__onnx_order order;
    const char *x = as_it_is(e, op->inputs[0], &order);
    Hone__Onnx__Node *node = hone__onnx_node(&e->w, e->layer, "Softmax", &x, 1);
    hone__onnx_set_integer(&e->w, node, "axis", order == CHANNELS_FIRST ? 1 : -1);
    hone__onnx_set_value(e, op->output, order, hone__onnx_output(node));
}

/* Slopes are (h, w, c), with 1 where they are shared. */
static void export_prelu(hone__onnx_export *e, const hone__op *op) {
    hone_shape slopes = {.rank = op->as.prelu.rank};
    for (int i = 0; i < slopes.rank; i++) slopes.dims[i] = op->as.prelu.steps[i] ? (int64_t)op->as.prelu.dims[i] : 1;
    hone__onnx_order order;
    const char *x = as_it_is(e, op->inputs[0], &order), *weight;
    int weights = op->weights[HONE_OP_KERNEL], axes[HONE_MAX_RANK] = {slopes.rank - 1};
    for (int i = 1; i < slopes.rank; i++) axes[i] = i - 1;
    if (order == CHANNELS_FIRST)
        weight = hone__onnx_permuted_weight(e, weights, &slopes, axes, "_channels_first");
    else
        weight = hone__onnx_weight(e, weights, &slopes);
    hone__onnx_set_value(e, op->output, order, binary(e, "PRelu", x, weight));
}

/* ---- normalisation --------------------------------------------------------------------------------------------- */

/* x scale + offset, either of which may be nothing to do. */
static const char *affine(hone__onnx_export *e, const char *x, const float *scale, const float *offset, size_t c,
                          int rank, hone__onnx_order order) {
    bool scales = false, shifts = false;
    for (size_t i = 0; i < c; i++) {
        scales = scales || scale[i] != 1;
        shifts = shifts || offset[i] != 0;
    }
    if (scales) x = binary(e, "Mul", x, hone__onnx_channels(e, "scale", scale, c, rank, order));
    if (shifts) x = binary(e, "Add", x, hone__onnx_channels(e, "offset", offset, c, rank, order));
    return x;
}

static void export_affine(hone__onnx_export *e, const hone__op *op) {
    hone__onnx_order order;
    const char *x = as_it_is(e, op->inputs[0], &order);
    size_t c = op->as.rows.c;
    int rank = hone__onnx_shape(e, op->output)->rank;
    const float *scale = op->literal, *offset = op->literal + c;
    if (op->fold.on) { /* in a fused graph: what is left of a BatchNormalization */
        float *numbers = hone__onnx_take(&e->w, 2 * c, sizeof *numbers);
        if (!numbers) return;
        hone__fold_affine(e->model, op->fold.weights, op->fold.epsilon, c, numbers, numbers + c);
        scale = numbers;
        offset = numbers + c;
    }
    x = affine(e, x, scale, offset, c, rank, order);
    hone__onnx_set_value(e, op->output, order, x);
}

/* A weight of the last axis, or as many times a number where there is none. */
static const char *vector_or(hone__onnx_export *e, int weight, size_t c, float number) {
    const hone_shape shape = {1, {(int64_t)c}};
    if (weight != HONE_NO_WEIGHT) return hone__onnx_weight(e, weight, &shape);
    float *numbers = hone__onnx_take(&e->w, c, sizeof *numbers);
    for (size_t i = 0; numbers && i < c; i++) numbers[i] = number;
    return hone__onnx_floats(&e->w, hone__onnx_text(&e->w, "constant/%zu_times_%d", c, (int)number), &shape, numbers);
}

/* Pictures and vectors have an operator; of sequences, and without statistics, what is left is a scale and an
 * offset. */
static void export_batch_normalization(hone__onnx_export *e, const hone__op *op) {
    int rank = hone__onnx_shape(e, op->output)->rank;
    size_t c = op->as.norm.c;
    if ((rank == 3 || rank == 1) && op->weights[HONE_OP_VARIANCE] != HONE_NO_WEIGHT) {
        const char *inputs[5] = {
            hone__onnx_value(e, op->inputs[0], CHANNELS_FIRST), vector_or(e, op->weights[HONE_OP_GAMMA], c, 1),
            vector_or(e, op->weights[HONE_OP_BETA], c, 0), vector_or(e, op->weights[HONE_OP_MEAN], c, 0),
            vector_or(e, op->weights[HONE_OP_VARIANCE], c, 1)};
        Hone__Onnx__Node *node = hone__onnx_node(&e->w, e->layer, "BatchNormalization", inputs, 5);
        hone__onnx_set_real(&e->w, node, "epsilon", op->as.norm.epsilon);
        hone__onnx_set_value(e, op->output, CHANNELS_FIRST, hone__onnx_output(node));
        return;
    }
    float *scale = hone__onnx_take(&e->w, c, sizeof *scale), *offset = hone__onnx_take(&e->w, c, sizeof *offset);
    if (!offset) return;
    hone__onnx_order order;
    const char *x = as_it_is(e, op->inputs[0], &order);
    hone__fold_affine(e->model, op->weights, op->as.norm.epsilon, c, scale, offset);
    hone__onnx_set_value(e, op->output, order, affine(e, x, scale, offset, c, rank, order));
}

static void export_layer_normalization(hone__onnx_export *e, const hone__op *op) {
    enum { OPSET = 17 };
    size_t c = op->as.norm.c;
    const char *inputs[3] = {hone__onnx_value(e, op->inputs[0], CHANNELS_LAST),
                             vector_or(e, op->weights[HONE_OP_GAMMA], c, 1),
                             vector_or(e, op->weights[HONE_OP_BETA], c, 0)};
    Hone__Onnx__Node *node = hone__onnx_node(&e->w, e->layer, "LayerNormalization", inputs, 3);
    hone__onnx_set_integer(&e->w, node, "axis", -1);
    hone__onnx_set_real(&e->w, node, "epsilon", op->as.norm.epsilon);
    hone__onnx_needs_opset(&e->w, OPSET);
    hone__onnx_set_value(e, op->output, CHANNELS_LAST, hone__onnx_output(node));
}

/* Rows divided by their length, which counts as something where it is next to nothing; or by the root of the mean square. */
static void export_unit_normalization(hone__onnx_export *e, const hone__op *op) {
    const int64_t last = -1;
    const char *x = hone__onnx_value(e, op->inputs[0], CHANNELS_LAST);
    const char *summed = op->as.unit.mean ? binary(e, "Mul", x, x) : x, *length;
    Hone__Onnx__Node *sum = hone__onnx_node(&e->w, e->layer, op->as.unit.mean ? "ReduceMean" : "ReduceL2", &summed, 1);
    hone__onnx_set_integers(&e->w, sum, "axes", &last, 1);
    length = hone__onnx_output(sum);
    if (op->as.unit.mean)
        length = hone__onnx_unary(&e->w, e->layer, "Sqrt", binary(e, "Add", length, scalar(e, op->as.unit.least)));
    else
        length = binary(e, "Max", length, scalar(e, sqrt(op->as.unit.least)));
    hone__onnx_set_value(e, op->output, CHANNELS_LAST, binary(e, "Div", x, length));
}

/* Groups seen as channels, each normalised by itself. */
static void export_group_normalization(hone__onnx_export *e, const hone__op *op) {
    const hone_shape *shape = hone__onnx_shape(e, op->output);
    size_t c = op->as.group.c, groups = op->as.group.groups;
    const int64_t seen[2] = {(int64_t)groups, (int64_t)(op->as.group.rows * (c / groups))};
    int64_t dims[HONE_MAX_RANK] = {(int64_t)c};
    for (int i = 1; i < shape->rank; i++) dims[i] = shape->dims[i - 1];
    const char *x = hone__onnx_value(e, op->inputs[0], CHANNELS_FIRST);
    const char *inputs[3] = {hone__onnx_reshape(e, x, seen, 2), vector_or(e, HONE_NO_WEIGHT, groups, 1),
                             vector_or(e, HONE_NO_WEIGHT, groups, 0)};
    Hone__Onnx__Node *node = hone__onnx_node(&e->w, e->layer, "InstanceNormalization", inputs, 3);
    hone__onnx_set_real(&e->w, node, "epsilon", op->as.group.epsilon);
    x = hone__onnx_reshape(e, hone__onnx_output(node), dims, (size_t)shape->rank);
    float *scale = hone__onnx_take(&e->w, c, sizeof *scale), *offset = hone__onnx_take(&e->w, c, sizeof *offset);
    if (!offset) return;
    const float *gamma = hone__op_weight(op, e->model, HONE_OP_GAMMA);
    const float *beta = hone__op_weight(op, e->model, HONE_OP_BETA);
    for (size_t i = 0; i < c; i++) {
        scale[i] = gamma ? gamma[i] : 1;
        offset[i] = beta ? beta[i] : 0;
    }
    hone__onnx_set_value(e, op->output, CHANNELS_FIRST, affine(e, x, scale, offset, c, shape->rank, CHANNELS_FIRST));
}

/* ---- between tensors ------------------------------------------------------------------------------------------- */

/* An order that costs nothing: channels first where one of them has it, and all can. */
static hone__onnx_order common_order(const hone__onnx_export *e, const hone__op *op) {
    hone__onnx_order order = CHANNELS_LAST;
    int rank = hone__onnx_shape(e, op->output)->rank;
    for (int i = 0; i < op->input_count; i++) {
        if (hone__onnx_order_of(e, op->inputs[i]) == CHANNELS_FIRST) order = CHANNELS_FIRST;
        if (hone__onnx_shape(e, op->inputs[i])->rank != rank) return CHANNELS_LAST;
    }
    return order;
}

/* An operand that lacks the first axes gets them, behind the batch. */
static const char *operand(hone__onnx_export *e, int tensor, int rank, hone__onnx_order order) {
    const hone_shape *shape = hone__onnx_shape(e, tensor);
    const char *x = hone__onnx_value(e, tensor, order);
    if (shape->rank == rank) return x;
    int64_t dims[HONE_MAX_RANK];
    for (int i = 0; i < rank; i++) dims[i] = i < rank - shape->rank ? 1 : shape->dims[i - (rank - shape->rank)];
    return hone__onnx_reshape(e, x, dims, (size_t)rank);
}

static void export_merge(hone__onnx_export *e, const hone__op *op) {
    static const char *const names[] = {
        [HONE_MERGE_ADD] = "Add",     [HONE_MERGE_SUBTRACT] = "Sub", [HONE_MERGE_MULTIPLY] = "Mul",
        [HONE_MERGE_MAXIMUM] = "Max", [HONE_MERGE_MINIMUM] = "Min",  [HONE_MERGE_DIVIDE] = "Div"};
    hone__onnx_order order = common_order(e, op);
    const char *inputs[HONE_OP_INPUTS];
    for (int i = 0; i < op->input_count; i++)
        inputs[i] = operand(e, op->inputs[i], hone__onnx_shape(e, op->output)->rank, order);
    const char *op_type = op->input_count > 2 ? "Sum" : names[op->as.merge.kind];
    hone__onnx_set_value(e, op->output, order,
                         hone__onnx_output(hone__onnx_node(&e->w, e->layer, op_type, inputs, (size_t)op->input_count)));
}

static void export_matmul(hone__onnx_export *e, const hone__op *op) {
    const char *inputs[2];
    for (int i = 0; i < 2; i++) inputs[i] = hone__onnx_value(e, op->inputs[i], CHANNELS_LAST);
    hone__onnx_set_value(e, op->output, CHANNELS_LAST,
                         hone__onnx_output(hone__onnx_node(&e->w, e->layer, "MatMul", inputs, 2)));
}

static void export_square_root(hone__onnx_export *e, const hone__op *op) {
    hone__onnx_order order;
    const char *x = as_it_is(e, op->inputs[0], &order);
    hone__onnx_set_value(e, op->output, order, hone__onnx_output(hone__onnx_node(&e->w, e->layer, "Sqrt", &x, 1)));
}

/* The axis along which the inputs' sizes add up to the output's. */
static int concatenation_axis(const hone__onnx_export *e, const hone__op *op) {
    const hone_shape *out = hone__onnx_shape(e, op->output);
    for (int axis = 0; axis < out->rank; axis++) {
        int64_t sum = 0;
        for (int i = 0; i < op->input_count; i++) sum += hone__onnx_shape(e, op->inputs[i])->dims[axis];
        if (sum == out->dims[axis]) return axis;
    }
    return out->rank - 1;
}

static void export_concatenate(hone__onnx_export *e, const hone__op *op) {
    hone__onnx_order order = common_order(e, op);
    int rank = hone__onnx_shape(e, op->output)->rank, axis = concatenation_axis(e, op);
    const char *inputs[HONE_OP_INPUTS];
    for (int i = 0; i < op->input_count; i++) inputs[i] = hone__onnx_value(e, op->inputs[i], order);
    Hone__Onnx__Node *node = hone__onnx_node(&e->w, e->layer, "Concat", inputs, (size_t)op->input_count);
    hone__onnx_set_integer(&e->w, node, "axis", order == CHANNELS_LAST ? axis + 1 : axis == rank - 1 ? 1 : axis + 2);
    hone__onnx_set_value(e, op->output, order, hone__onnx_output(node));
}

/* ---- other orders ---------------------------------------------------------------------------------------------- */

/* The axes are told by their steps; where two have the same, one of them has a single element and either will do. */
static void export_transpose(hone__onnx_export *e, const hone__op *op) {
    const hone_shape *in = hone__onnx_shape(e, op->inputs[0]);
    int64_t perm[HONE_MAX_RANK + 1] = {0};
    bool used[HONE_MAX_RANK] = {false};
    for (int i = 0; i < in->rank; i++) {
        size_t step = 1;
        for (int axis = in->rank; axis-- > 0; step *= (size_t)in->dims[axis]) {
            if (used[axis] || op->as.transpose.steps[i] != step || op->as.transpose.dims[i] != (size_t)in->dims[axis])
                continue;
            used[axis] = true;
            perm[i + 1] = axis + 1;
            break;
        }
    }
    hone__onnx_set_value(
        e, op->output, CHANNELS_LAST,
        hone__onnx_transpose(e, hone__onnx_value(e, op->inputs[0], CHANNELS_LAST), perm, (size_t)in->rank + 1));
}

/* ---- the family ------------------------------------------------------------------------------------------------ */

static void export_nothing(hone__onnx_export *e, const hone__op *op) {
    hone__onnx_order order;
    const char *x = as_it_is(e, op->inputs[0], &order);
    hone__onnx_set_value(e, op->output, order, x);
}

bool hone__onnx_export_maths(hone__onnx_export *e, const hone__op *op) {
    static const struct {
        const hone__op_type *type;
        void (*function)(hone__onnx_export *, const hone__op *);
    } table[] = {
        {&hone__op_dense, export_dense},
        {&hone__op_attention, export_attention},
        {&hone__op_embedding, export_embedding},
        {&hone__op_activation, export_activation},
        {&hone__op_softmax, export_softmax},
        {&hone__op_prelu, export_prelu},
        {&hone__op_affine, export_affine},
        {&hone__op_batch_normalization, export_batch_normalization},
        {&hone__op_layer_normalization, export_layer_normalization},
        {&hone__op_group_normalization, export_group_normalization},
        {&hone__op_merge, export_merge},
        {&hone__op_matmul, export_matmul},
        {&hone__op_square_root, export_square_root},
        {&hone__op_concatenate, export_concatenate},
        {&hone__op_transpose, export_transpose},
        {&hone__op_unit_normalization, export_unit_normalization},
        {&hone__op_dropout, export_nothing},
        {&hone__op_noise, export_nothing},
        {&hone__op_activity, export_nothing},
    };
    for (size_t i = 0; i < sizeof table / sizeof table[0]; i++) {
        if (table[i].type != op->type) continue;
        table[i].function(e, op);
        return true;
    }
    return false;
}
