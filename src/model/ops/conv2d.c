/* SPDX-License-Identifier: Apache-2.0
 *
 * Conv2D and DepthwiseConv2D. The kernels decide how (hone_conv2d); here is what they need around them: packed weights,
 * refreshed when the weights change, and the argmax that a fused pooling leaves for the way back.
 *
 * Own memory of a convolution: [folded kernel, folded bias] [packed for forward] [packed for backward]. */
#include "op.h"

typedef struct layout {
    size_t rows, filters;           /* of the kernel, flattened */
    size_t bias, forward, backward; /* offsets in own memory */
    size_t total;
} layout;

/* prepare has filled op->as.conv2d. */
static layout conv2d_layout(const hone__op *op) {
    const hone_conv2d *p = &op->as.conv2d;
    const hone_conv2d_shape *s = &p->shape;
    layout l = {.rows = (size_t)s->kh * (size_t)s->kw * (size_t)(s->c / s->groups), .filters = (size_t)s->filters};
    l.bias = hone__op_own_kernel(op) ? hone__line(l.rows * l.filters) : 0;
    l.forward = hone__op_own_kernel(op) ? l.bias + hone__line(l.filters) : 0;
    l.backward = l.forward + hone__line(p->packed_forward);
    l.total = l.backward + (op->backward ? hone__line(p->packed_backward) : 0);
    return l;
}

static hone_status conv2d_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)err;
    hone_conv2d_shape shape = op->as.conv2d.shape;
    shape.samples = (int)setting->usual_samples;
    setting->kernels->conv2d_plan(&op->as.conv2d, &shape, op->backward);
    const hone_conv2d *p = &op->as.conv2d;
    op->algorithm = p->algorithm;
    op->aux = op->backward ? p->argmax_bytes : 0;
    op->scratch_forward = p->scratch_forward;
    op->scratch_backward = p->scratch_backward_input > p->scratch_backward_weights ? p->scratch_backward_input
                                                                                   : p->scratch_backward_weights;
    op->reads_in = op->trains[HONE_OP_KERNEL] || op->trains[HONE_OP_BIAS];
    op->reads_out = shape.epilogue == HONE_EPILOGUE_RELU;
    op->own = conv2d_layout(op).total;
    /* A folded kernel is made once and packed twice, so that is one piece of work. */
    bool backward = op->wants_d_in[0] && p->packed_backward > 0;
    op->pieces = hone__op_own_kernel(op) ? 1 : (size_t)(p->packed_forward > 0) + (size_t)backward;
    return HONE_OK;
}

static void conv2d_refresh(const hone__op *op, const hone_kernels *kernels, const hone_model *model, size_t piece) {
    const hone_conv2d *p = &op->as.conv2d;
    layout l = conv2d_layout(op);
    const float *kernel = hone__op_weight(op, model, HONE_OP_KERNEL);
    bool forward = p->packed_forward > 0, backward = op->wants_d_in[0] && p->packed_backward > 0;
    if (hone__op_own_kernel(op)) {
        hone__fold_weights(op, model, l.rows, l.filters, op->memory, op->memory + l.bias);
        kernel = op->memory;
    } else if (forward && backward) {
        forward = piece == 0;
        backward = piece == 1;
    }
    if (forward) kernels->conv2d_pack_forward(p, kernel, op->memory + l.forward);
    if (backward) kernels->conv2d_pack_backward(p, kernel, op->memory + l.backward);
}

static void conv2d_forward(const hone__op *op, const hone__run *r) {
    const hone_conv2d *p = &op->as.conv2d;
    layout l = conv2d_layout(op);
    const float *kernel = hone__op_own_kernel(op) ? op->memory : hone__op_weight(op, r->model, HONE_OP_KERNEL);
    const float *bias = hone__op_own_kernel(op) ? op->memory + l.bias : hone__op_weight(op, r->model, HONE_OP_BIAS);
    const float *weights = p->packed_forward > 0 ? op->memory + l.forward : kernel;
    r->kernels->conv2d_forward(p, r->n, r->in[0], weights, bias, r->out, r->aux, r->scratch);
}

static void conv2d_backward_weights(const hone__op *op, const hone__run *r) {
    if (!op->trains[HONE_OP_KERNEL]) return;
    r->kernels->conv2d_backward_weights(
        &op->as.conv2d, r->n, r->in[0], r->d_out, r->out, r->aux, hone__gradient_adds(op, r, HONE_OP_KERNEL),
        hone__op_gradient(op, r, HONE_OP_KERNEL), hone__op_gradient(op, r, HONE_OP_BIAS), r->scratch);
}

static void conv2d_backward(const hone__op *op, const hone__run *r) {
    const hone_conv2d *p = &op->as.conv2d;
    if (!r->d_in[0]) return;
    const float *kernel = hone__op_own_kernel(op) ? op->memory : hone__op_weight(op, r->model, HONE_OP_KERNEL);
    const float *weights = p->packed_backward > 0 ? op->memory + conv2d_layout(op).backward : kernel;
    r->kernels->conv2d_backward_input(p, r->n, r->d_out, r->out, r->aux, weights, r->d_in[0], r->scratch);
}

const hone__op_type hone__op_conv2d = {
    .name = "conv2d",
    .prepare = conv2d_prepare,
    .refresh = conv2d_refresh,
    .forward = conv2d_forward,
    .backward_weights = conv2d_backward_weights,
    .backward = conv2d_backward,
};

/* ---- depthwise ------------------------------------------------------------------------------------------------- */

static void depthwise_sizes(const hone__op *op, size_t *rows, size_t *channels) {
    const hone_depthwise_shape *s = &op->as.depthwise;
    *rows = (size_t)s->kh * (size_t)s->kw;
    *channels = (size_t)s->c * (size_t)s->multiplier;
}

static hone_status depthwise_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)setting;
    (void)err;
    size_t rows, channels;
    depthwise_sizes(op, &rows, &channels);
    op->reads_in = op->trains[HONE_OP_KERNEL] || op->trains[HONE_OP_BIAS];
    op->reads_out = op->as.depthwise.epilogue == HONE_EPILOGUE_RELU;
    op->own = hone__op_own_kernel(op) ? hone__line(rows * channels) + hone__line(channels) : 0;
    op->pieces = hone__op_own_kernel(op) ? 1 : 0;
    return HONE_OK;
}

static void depthwise_refresh(const hone__op *op, const hone_kernels *kernels, const hone_model *model, size_t piece) {
    (void)kernels;
    (void)piece;
    size_t rows, channels;
    depthwise_sizes(op, &rows, &channels);
    hone__fold_weights(op, model, rows, channels, op->memory, op->memory + hone__line(rows * channels));
}

static void depthwise_forward(const hone__op *op, const hone__run *r) {
    size_t rows, channels;
    depthwise_sizes(op, &rows, &channels);
    const float *kernel = hone__op_own_kernel(op) ? op->memory : hone__op_weight(op, r->model, HONE_OP_KERNEL);
    const float *bias = hone__op_own_kernel(op) ? op->memory + hone__line(rows * channels)
                                                : hone__op_weight(op, r->model, HONE_OP_BIAS);
    r->kernels->depthwise_forward(&op->as.depthwise, r->n, r->in[0], kernel, bias, r->out);
}

static void depthwise_backward_weights(const hone__op *op, const hone__run *r) {
    if (!op->trains[HONE_OP_KERNEL]) return;
    r->kernels->depthwise_backward_weights(
        &op->as.depthwise, r->n, r->in[0], r->d_out, r->out, hone__gradient_adds(op, r, HONE_OP_KERNEL),
        hone__op_gradient(op, r, HONE_OP_KERNEL), hone__op_gradient(op, r, HONE_OP_BIAS));
}

static void depthwise_backward(const hone__op *op, const hone__run *r) {
    if (!r->d_in[0]) return;
    const float *kernel = hone__op_own_kernel(op) ? op->memory : hone__op_weight(op, r->model, HONE_OP_KERNEL);
    r->kernels->depthwise_backward_input(&op->as.depthwise, r->n, r->d_out, r->out, kernel, r->d_in[0]);
}

const hone__op_type hone__op_depthwise_conv2d = {
    .name = "depthwise_conv2d",
    .prepare = depthwise_prepare,
    .refresh = depthwise_refresh,
    .forward = depthwise_forward,
    .backward_weights = depthwise_backward_weights,
    .backward = depthwise_backward,
};
