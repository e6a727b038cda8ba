/* SPDX-License-Identifier: Apache-2.0
 *
 * Conv2DTranspose: the convolution from its output to its input, run the other way round. What is forwards here is that
 * convolution's input gradient, and so on. Its kernel (kh, kw, out, in) is that convolution's as it lies.
 *
 * Own memory: [packed for the convolution forwards] [packed for its input gradient]. */
#include "op.h"

static hone_status transpose_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)err;
    hone_conv2d_shape shape = op->as.conv2d.shape;
    shape.samples = (int)setting->usual_samples;
    setting->kernels->conv2d_plan(&op->as.conv2d, &shape, true);
    const hone_conv2d *p = &op->as.conv2d;
    op->algorithm = p->algorithm;
    op->scratch_forward = p->scratch_backward_input;
    op->scratch_backward =
        p->scratch_forward > p->scratch_backward_weights ? p->scratch_forward : p->scratch_backward_weights;
    op->reads_in = op->trains[HONE_OP_KERNEL];
    op->own = hone__line(p->packed_forward) + hone__line(p->packed_backward);
    op->pieces = 1;
    return HONE_OK;
}

static void transpose_refresh(const hone__op *op, const hone_kernels *kernels, const hone_model *model, size_t piece) {
    (void)piece;
    const hone_conv2d *p = &op->as.conv2d;
    const float *kernel = hone__op_weight(op, model, HONE_OP_KERNEL);
    if (p->packed_forward > 0 && op->wants_d_in[0]) kernels->conv2d_pack_forward(p, kernel, op->memory);
    if (p->packed_backward > 0) kernels->conv2d_pack_backward(p, kernel, op->memory + hone__line(p->packed_forward));
}

static void transpose_forward(const hone__op *op, const hone__run *r) {
    const hone_conv2d *p = &op->as.conv2d;
    const float *bias = hone__op_weight(op, r->model, HONE_OP_BIAS);
    const float *weights = p->packed_backward > 0 ? op->memory + hone__line(p->packed_forward)
                                                  : hone__op_weight(op, r->model, HONE_OP_KERNEL);
    r->kernels->conv2d_backward_input(p, r->n, r->in[0], NULL, NULL, weights, r->out, r->scratch);
    size_t c = (size_t)p->shape.c, rows = r->n * op->out_size / c;
    for (size_t i = 0; bias && i < rows; i++)
        for (size_t k = 0; k < c; k++) r->out[i * c + k] += bias[k];
}

static void transpose_backward(const hone__op *op, const hone__run *r) {
    const hone_conv2d *p = &op->as.conv2d;
    size_t c = (size_t)p->shape.c;
    if (op->trains[HONE_OP_BIAS])
        r->kernels->column_sums(r->n * op->out_size / c, c, r->d_out, hone__gradient_adds(op, r, HONE_OP_BIAS),
                                hone__op_gradient(op, r, HONE_OP_BIAS));
    if (op->trains[HONE_OP_KERNEL])
        r->kernels->conv2d_backward_weights(p, r->n, r->d_out, r->in[0], NULL, NULL,
                                            hone__gradient_adds(op, r, HONE_OP_KERNEL),
                                            hone__op_gradient(op, r, HONE_OP_KERNEL), NULL, r->scratch);
    if (!r->d_in[0]) return;
    const float *weights = p->packed_forward > 0 ? op->memory : hone__op_weight(op, r->model, HONE_OP_KERNEL);
    r->kernels->conv2d_forward(p, r->n, r->d_out, weights, NULL, r->d_in[0], NULL, r->scratch);
}

const hone__op_type hone__op_conv2d_transpose = {
    .name = "conv2d_transpose",
    .prepare = transpose_prepare,
    .refresh = transpose_refresh,
    .forward = transpose_forward,
    .backward = transpose_backward,
};
