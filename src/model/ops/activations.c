/* SPDX-License-Identifier: Apache-2.0
 *
 * Activations that were not merged into what stands before them, square roots, and softmax. */
#include "op.h"

#include <math.h>

/* A relu that is 0 below its threshold can be told from its output: that is above the threshold where the input was. */
static bool output_serves_as_input(const hone_activation *a) {
    return a->kind == HONE_ACTIVATION_RELU && a->a == 0 && a->b >= 0;
}

/* What the kernel reads on the way back (see kernels.h). */
static hone_status activation_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)setting;
    (void)err;
    switch (op->as.activation.kind) {
    case HONE_ACTIVATION_RELU:
    case HONE_ACTIVATION_GELU:
    case HONE_ACTIVATION_GELU_TANH:
    case HONE_ACTIVATION_SILU:
    case HONE_ACTIVATION_HARD_SILU:
    case HONE_ACTIVATION_SOFTSIGN: op->reads_in = !output_serves_as_input(&op->as.activation); break;
    default: break;
    }
    op->reads_out = !op->reads_in;
    return HONE_OK;
}

static void activation_forward(const hone__op *op, const hone__run *r) {
    r->kernels->activation_forward(&op->as.activation, r->n * op->in_size, r->in[0], r->out);
}

static void activation_backward(const hone__op *op, const hone__run *r) {
    if (!r->d_in[0]) return;
    const float *kept = op->reads_in ? r->in[0] : r->out; /* the other one may be gone */
    r->kernels->activation_backward(&op->as.activation, r->n * op->in_size, kept, kept, r->d_out, r->d_in[0]);
}

const hone__op_type hone__op_activation = {
    .name = "activation",
    .in_place = true,
    .prepare = activation_prepare,
    .forward = activation_forward,
    .backward = activation_backward,
};

/* ---- square root ------------------------------------------------------------------------------------------------ */

static hone_status square_root_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)setting;
    (void)err;
    op->reads_out = true;
    return HONE_OK;
}

static void square_root_forward(const hone__op *op, const hone__run *r) {
    const size_t n = r->n * op->in_size;
    for (size_t i = 0; i < n; i++) r->out[i] = sqrtf(r->in[0][i]);
}

static void square_root_backward(const hone__op *op, const hone__run *r) {
    const size_t n = r->n * op->in_size;
    if (!r->d_in[0]) return;
    for (size_t i = 0; i < n; i++) r->d_in[0][i] = r->d_out[i] / (2 * r->out[i]);
}

const hone__op_type hone__op_square_root = {
    .name = "square_root",
    .in_place = true,
    .prepare = square_root_prepare,
    .forward = square_root_forward,
    .backward = square_root_backward,
};

/* ---- softmax --------------------------------------------------------------------------------------------------- */

static hone_status softmax_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)setting;
    (void)err;
    op->reads_out = true;
    return HONE_OK;
}

static void softmax_forward(const hone__op *op, const hone__run *r) {
    r->kernels->softmax_forward(r->n * op->as.rows.rows, op->as.rows.c, r->in[0], r->out);
}

static void softmax_backward(const hone__op *op, const hone__run *r) {
    if (!r->d_in[0]) return;
    r->kernels->softmax_backward(r->n * op->as.rows.rows, op->as.rows.c, r->out, r->d_out, r->d_in[0]);
}

const hone__op_type hone__op_softmax = {
    .name = "softmax",
    .in_place = true,
    .prepare = softmax_prepare,
    .forward = softmax_forward,
    .backward = softmax_backward,
};
