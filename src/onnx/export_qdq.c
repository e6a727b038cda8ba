/* SPDX-License-Identifier: Apache-2.0
 *
 * To ONNX in 8-bit integers, in the form QDQ: every 8-bit tensor is QuantizeLinear and DequantizeLinear behind the
 * operator that made it, weights are 8-bit constants with DequantizeLinear behind them, and operators are the ordinary
 * ones between. A runtime either makes integer operators of what it finds between the two, or computes it in float;
 * both give what hone's own 8-bit plan gives, but for the rounding of halves.
 *
 * One idea: the graph is the one that an int8 plan runs, fused, so this file says only what is special there:
 * convolutions and Dense, whose weights are 8-bit numbers (or carry a folded BatchNormalization), and the rounding
 * behind operators. All else is written by the float export. */
#include "onnx_export.h"

#include <math.h>

#include "int8_graph.h"
#include "ops/int8_op.h"

/* ---- the graph ------------------------------------------------------------------------------------------------- */

/* After fusing, operations name tensors by their elements alone. What an operation reads, or makes, in another shape
 * than the tensor has becomes a tensor again, which the export turns into a reshape. */
static hone_status add_view(hone__builder *g, int of, hone_shape shape, int *view, hone_error *err) {
    HONE_TRY(hone__builder_tensor(g, &shape, view, err));
    g->tensors[*view].root = of;
    g->tensors[*view].bytes = g->tensors[of].bytes;
    g->tensors[*view].q = g->tensors[of].q;
    return HONE_OK;
}

/* The shape that an operation makes, whatever the one that was fused into it stood behind. */
static hone_shape made_shape(const hone__builder *g, const hone__op *op) {
    const hone__op_type *type = op->int8 ? op->int8->origin : op->type;
    const hone_conv2d_shape *c = &op->as.conv2d.shape;
    const hone_depthwise_shape *d = &op->as.depthwise;
    const hone_pool2d_shape *p = &op->as.pool;
    hone_shape seen = g->tensors[op->views[0]].shape;
    if (type == &hone__op_conv2d)
        return (hone_shape){3, {c->pool_h ? c->ph : c->oh, c->pool_h ? c->pw : c->ow, c->filters}};
    if (type == &hone__op_depthwise_conv2d) return (hone_shape){3, {d->oh, d->ow, (int64_t)d->c * d->multiplier}};
    if (type == &hone__op_max_pool2d || type == &hone__op_average_pool2d) return (hone_shape){3, {p->oh, p->ow, p->c}};
    if (type == &hone__op_dense) {
        seen.dims[seen.rank - 1] = (int64_t)op->as.dense.units;
        return seen;
    }
    if (op->int8 && (type == &hone__op_merge || type == &hone__op_affine)) return seen;
    return g->tensors[op->output].shape;
}

/* op makes a tensor of its own shape, and what it made before is a view of that. */
static hone_status set_made_shape(hone__builder *g, hone__op *op, hone_error *err) {
    hone_shape made = made_shape(g, op);
    int before = op->output;
    if (hone_shape_equal(&made, &g->tensors[before].shape)) return HONE_OK;
    HONE_TRY(add_view(g, before, made, &op->output, err));
    g->tensors[op->output].root = op->output;
    g->tensors[before].root = op->output;
    return HONE_OK;
}

hone_status hone__onnx_int8_graph(hone__onnx_export *e, hone_error *err) {
    hone__builder *g = &e->graph;
    HONE_TRY(hone__int8_program_graph(g, err));
    for (size_t i = 0; i < g->op_count; i++) {
        hone__op *op = &g->ops[i];
        if (op->type == &hone__op_quantise || op->type == &hone__op_dequantise) continue;
        for (int k = 0; k < op->input_count; k++) {
            const hone__tensor *seen = &g->tensors[op->views[k]];
            if (seen->root != op->views[k]) HONE_TRY(add_view(g, op->inputs[k], seen->shape, &op->inputs[k], err));
        }
        HONE_TRY(set_made_shape(g, op, err));
    }
    if (e->model->output_count > 1) return HONE_OK;
    hone_shape shape = hone_model_output_shape(e->model);
    if (hone_shape_equal(&shape, &g->tensors[g->output].shape)) return HONE_OK;
    return add_view(g, g->output, shape, &g->output, err);
}

/* ---- rounding -------------------------------------------------------------------------------------------------- */

const char *hone__onnx_round(hone__onnx_export *e, int tensor, const char *x) {
    const hone__tensor *t = &e->graph.tensors[tensor];
    static const hone_shape scalar = {0};
    if (!t->bytes) return x;
    uint8_t zero_point = (uint8_t)t->q.zero_point;
    const char *inputs[3] = {x, hone__onnx_scalar(&e->w, t->q.scale)};
    inputs[2] = hone__onnx_numbers(&e->w, hone__onnx_text(&e->w, "constant/uint8_%d", (int)zero_point), ONNX_UINT8,
                                   &scalar, &zero_point);
    inputs[0] = hone__onnx_output(hone__onnx_node(&e->w, e->layer, "QuantizeLinear", inputs, 3));
    return hone__onnx_output(hone__onnx_node(&e->w, e->layer, "DequantizeLinear", inputs, 3));
}

static hone_epilogue epilogue_of(const hone__op *op) {
    if (op->type == &hone__op_conv2d) return op->as.conv2d.shape.epilogue;
    if (op->type == &hone__op_depthwise_conv2d) return op->as.depthwise.epilogue;
    return op->type == &hone__op_dense ? op->as.dense.epilogue : HONE_EPILOGUE_NONE;
}

/* What stands behind the sum: a clamp that was fused, and 8 bits. */
static const char *finish(hone__onnx_export *e, const hone__op *op, const char *x) {
    const hone__int8 *q = op->int8;
    if (q ? q->relu : epilogue_of(op) == HONE_EPILOGUE_RELU) x = hone__onnx_relu(e, x, q ? q->most : INFINITY);
    return hone__onnx_round(e, op->output, x);
}

/* ---- weights --------------------------------------------------------------------------------------------------- */

/* Where an operation's weights lie: as hone has them, and as ONNX wants them. */
typedef struct kernel {
    hone_shape shape;
    int axes[4];     /* axis i of ONNX is axis axes[i] */
    int filters;     /* the axis of ONNX that counts the channels of the output */
    size_t channels; /* of the output; the last axis of hone's, or the last two */
} kernel;

/* DequantizeLinear of constants: scales along an axis, or one for all. */
static const char *dequantize(hone__onnx_export *e, const char *name, int type, const float *scales, size_t count,
                              int axis) {
    const hone_shape shape = {count > 1, {(int64_t)count}};
    const char *inputs[3] = {name};
    inputs[1] = hone__onnx_floats(&e->w, hone__onnx_text(&e->w, "%s_scale", name), &shape, scales);
    inputs[2] = hone__onnx_numbers(&e->w, hone__onnx_text(&e->w, "%s_zero_point", name), type, &shape, NULL);
    Hone__Onnx__Node *node = hone__onnx_node(&e->w, e->layer, "DequantizeLinear", inputs, 3);
    if (count > 1) hone__onnx_set_integer(&e->w, node, "axis", axis);
    return hone__onnx_output(node);
}

/* Bias and kernel of an 8-bit operation. One scale for all weights is written once. */
static void int8_weights(hone__onnx_export *e, const hone__int8 *q, const kernel *k, const char *out[2]) {
    size_t scales = q->per_tensor ? 1 : k->channels;
    const hone_shape bias = {1, {(int64_t)k->channels}};
    hone_shape shape;
    const int8_t *weights = hone__onnx_permute(e, &k->shape, k->axes, q->weights, sizeof *weights, &shape);
    const char *name = hone__onnx_constant_name(&e->w, e->layer, "kernel");
    hone__onnx_numbers(&e->w, name, ONNX_INT8, &shape, weights);
    out[0] = dequantize(e, name, ONNX_INT8, q->weight_scale, scales, k->filters);
    name = hone__onnx_constant_name(&e->w, e->layer, "bias");
    hone__onnx_numbers(&e->w, name, ONNX_INT32, &bias, q->bias);
    out[1] = dequantize(e, name, ONNX_INT32, q->output_scale, scales, 0);
}

/* Of an operation that stays in float, with what was folded into them. */
static void float_weights(hone__onnx_export *e, const hone__op *op, const kernel *k, const char *out[2]) {
    size_t size = (size_t)hone_shape_size(&k->shape);
    const hone_shape bias_shape = {1, {(int64_t)k->channels}};
    hone_shape shape;
    float *weights = hone__onnx_take(&e->w, size, sizeof *weights);
    float *bias = hone__onnx_take(&e->w, k->channels, sizeof *bias);
    if (!bias) return;
    hone__fold_weights(op, e->model, size / k->channels, k->channels, weights, bias);
    const float *permuted = hone__onnx_permute(e, &k->shape, k->axes, weights, sizeof *permuted, &shape);
    out[0] = hone__onnx_floats(&e->w, hone__onnx_constant_name(&e->w, e->layer, "kernel"), &shape, permuted);
    out[1] = hone__onnx_floats(&e->w, hone__onnx_constant_name(&e->w, e->layer, "bias"), &bias_shape, bias);
}

/* inputs[1] and [2] of the operator. */
static void put_weights(hone__onnx_export *e, const hone__op *op, const kernel *k, const char *inputs[3]) {
    inputs[1] = inputs[2] = "";
    if (op->int8)
        int8_weights(e, op->int8, k, inputs + 1);
    else
        float_weights(e, op, k, inputs + 1);
}

/* ---- products -------------------------------------------------------------------------------------------------- */

static const char *pooled(hone__onnx_export *e, const hone__op *op, const char *x) {
    const hone_conv2d_shape *s = &op->as.conv2d.shape;
    const hone_pool2d_shape pool = hone__pooling_behind(s);
    return hone__onnx_round(e, op->output, hone__onnx_pool(e, &pool, "MaxPool", x));
}

static void export_conv2d(hone__onnx_export *e, const hone__op *op) {
    const hone_conv2d_shape *s = &op->as.conv2d.shape;
    const kernel k = {{4, {s->kh, s->kw, s->c / s->groups, s->filters}}, {3, 2, 0, 1}, 0, (size_t)s->filters};
    const char *inputs[3] = {hone__onnx_value(e, op->inputs[0], CHANNELS_FIRST)};
    put_weights(e, op, &k, inputs);
    const char *y = finish(e, op, hone__onnx_conv2d(e, s, inputs, 3));
    hone__onnx_set_value(e, op->output, CHANNELS_FIRST, s->pool_h ? pooled(e, op, y) : y);
}

static void export_depthwise(hone__onnx_export *e, const hone__op *op) {
    const hone_depthwise_shape *s = &op->as.depthwise;
    int64_t channels = (int64_t)s->c * s->multiplier;
    const kernel k = {{4, {s->kh, s->kw, channels, 1}}, {2, 3, 0, 1}, 0, (size_t)channels};
    const char *inputs[3] = {hone__onnx_value(e, op->inputs[0], CHANNELS_FIRST)};
    put_weights(e, op, &k, inputs);
    hone__onnx_set_value(e, op->output, CHANNELS_FIRST, finish(e, op, hone__onnx_depthwise(e, s, inputs, 3)));
}

static void export_dense(hone__onnx_export *e, const hone__op *op) {
    const kernel k = {{2, {(int64_t)op->as.dense.in, (int64_t)op->as.dense.units}}, {0, 1}, 1, op->as.dense.units};
    const char *inputs[3] = {hone__onnx_value(e, op->inputs[0], CHANNELS_LAST)};
    put_weights(e, op, &k, inputs);
    hone__onnx_set_value(e, op->output, CHANNELS_LAST,
                         finish(e, op, hone__onnx_dense(e, inputs, 3, hone__onnx_shape(e, op->output)->rank)));
}

/* ---- the rest -------------------------------------------------------------------------------------------------- */

/* As the float export writes the operation that it was, and rounded. */
static void export_origin(hone__onnx_export *e, const hone__op *op) {
    hone__op plain = *op;
    plain.type = op->int8->origin;
    if (plain.type == &hone__op_affine) { /* became a convolution of one tap over rows by 1 pixels */
        plain.as.rows.rows = (size_t)op->as.depthwise.h;
        plain.as.rows.c = (size_t)op->as.depthwise.c;
    }
    if (!hone__onnx_export_window(e, &plain) && !hone__onnx_export_maths(e, &plain))
        hone__onnx_fail(&e->w, HONE_INTERNAL, "layer '%.128s': '%s' is not known to the ONNX export", e->layer,
                        plain.type->name);
    hone__onnx_order order = hone__onnx_order_of(e, op->output);
    hone__onnx_set_value(e, op->output, order, finish(e, op, hone__onnx_value(e, op->output, order)));
}

/* In and out of 8 bits: the first rounds; of the second, what is read is in float already. */
static void export_conversion(hone__onnx_export *e, const hone__op *op) {
    hone__onnx_order order = hone__onnx_order_of(e, op->inputs[0]);
    hone__onnx_set_value(e, op->output, order,
                         hone__onnx_round(e, op->output, hone__onnx_value(e, op->inputs[0], order)));
}

bool hone__onnx_export_int8(hone__onnx_export *e, const hone__op *op) {
    const hone__op_type *type = op->type;
    if (type == &hone__op_quantise || type == &hone__op_dequantise)
        export_conversion(e, op);
    else if (type == &hone__op_conv2d || type == &hone__op_int8_conv2d)
        export_conv2d(e, op);
    else if (type == &hone__op_dense || type == &hone__op_int8_dense)
        export_dense(e, op);
    else if (type == &hone__op_depthwise_conv2d ||
             (type == &hone__op_int8_depthwise && hone__onnx_shape(e, op->output)->rank == 3))
        export_depthwise(e, op);
    else if (op->int8)
        export_origin(e, op);
    else
        return false;
    return true;
}
