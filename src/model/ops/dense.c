/* SPDX-License-Identifier: Apache-2.0
 *
 * Dense: y = x kernel + bias over the last axis, and its two gradients, which are matrix products as well.
 * Own memory: [folded kernel, folded bias]. */
#include "op.h"

#include <math.h>

static hone_gemm forward_product(const hone__op *op, size_t n) {
    size_t in = op->as.dense.in, units = op->as.dense.units;
    return (hone_gemm){.m = n * op->as.dense.rows,
                       .n = units,
                       .k = in,
                       .lda = in,
                       .ldb = units,
                       .ldc = units,
                       .epilogue = op->as.dense.epilogue};
}

/* dx = dy kernel^T */
static hone_gemm input_product(const hone__op *op, size_t n) {
    size_t in = op->as.dense.in, units = op->as.dense.units;
    return (hone_gemm){
        .m = n * op->as.dense.rows, .n = in, .k = units, .lda = units, .ldb = units, .ldc = in, .b_transposed = true};
}

/* dkernel = x^T dy */
static hone_gemm weight_product(const hone__op *op, size_t n) {
    size_t in = op->as.dense.in, units = op->as.dense.units;
    return (hone_gemm){
        .m = in, .n = units, .k = n * op->as.dense.rows, .lda = in, .ldb = units, .ldc = units, .a_transposed = true};
}

/* The most scratch of any chunk: a kernel may choose another way for another size. */
static size_t most_scratch(const hone__op *op, const hone__setting *setting,
                           hone_gemm (*product)(const hone__op *, size_t)) {
    size_t most = 0;
    for (size_t n = 1; n <= setting->samples; n++) {
        hone_gemm g = product(op, n);
        size_t scratch = setting->kernels->gemm_scratch(&g);
        if (scratch > most) most = scratch;
    }
    return most;
}

static hone_status dense_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)err;
    op->scratch_forward = most_scratch(op, setting, forward_product);
    if (op->backward) {
        size_t input = op->wants_d_in[0] ? most_scratch(op, setting, input_product) : 0;
        size_t weights = op->trains[HONE_OP_KERNEL] ? most_scratch(op, setting, weight_product) : 0;
        op->scratch_backward = input > weights ? input : weights;
    }
    op->reads_in = op->trains[HONE_OP_KERNEL];
    op->reads_out = op->as.dense.epilogue == HONE_EPILOGUE_RELU;
    op->own =
        hone__op_own_kernel(op) ? hone__line(op->as.dense.in * op->as.dense.units) + hone__line(op->as.dense.units) : 0;
    op->pieces = hone__op_own_kernel(op) ? 1 : 0;
    return HONE_OK;
}

static void dense_refresh(const hone__op *op, const hone_kernels *kernels, const hone_model *model, size_t piece) {
    (void)kernels;
    (void)piece;
    size_t in = op->as.dense.in, units = op->as.dense.units;
    hone__fold_weights(op, model, in, units, op->memory, op->memory + hone__line(in * units));
}

static const float *dense_kernel(const hone__op *op, const hone__run *r) {
    return hone__op_own_kernel(op) ? op->memory : hone__op_weight(op, r->model, HONE_OP_KERNEL);
}

static void dense_forward(const hone__op *op, const hone__run *r) {
    hone_gemm g = forward_product(op, r->n);
    g.a = r->in[0];
    g.b = dense_kernel(op, r);
    g.c = r->out;
    g.bias = hone__op_own_kernel(op) ? op->memory + hone__line(op->as.dense.in * op->as.dense.units)
                                     : hone__op_weight(op, r->model, HONE_OP_BIAS);
    r->kernels->gemm(&g, r->scratch);
}

/* What ReLU lets through of d_out, in its place; done again it changes nothing. relu(relu(x)) = relu(x): the output
 * serves as the input. */
static void mask_d_out(const hone__op *op, const hone__run *r) {
    if (op->as.dense.epilogue != HONE_EPILOGUE_RELU) return;
    const hone_activation relu = {.kind = HONE_ACTIVATION_RELU, .c = INFINITY};
    r->kernels->activation_backward(&relu, r->n * op->out_size, r->out, r->out, r->d_out, r->d_out);
}

static void dense_backward_weights(const hone__op *op, const hone__run *r) {
    size_t rows = r->n * op->as.dense.rows, units = op->as.dense.units;
    mask_d_out(op, r);
    if (op->trains[HONE_OP_KERNEL]) {
        hone_gemm g = weight_product(op, r->n);
        g.a = r->in[0];
        g.b = r->d_out;
        g.c = hone__op_gradient(op, r, HONE_OP_KERNEL);
        g.accumulate = hone__gradient_adds(op, r, HONE_OP_KERNEL);
        r->kernels->gemm(&g, r->scratch);
    }
    if (op->trains[HONE_OP_BIAS])
        r->kernels->column_sums(rows, units, r->d_out, hone__gradient_adds(op, r, HONE_OP_BIAS),
                                hone__op_gradient(op, r, HONE_OP_BIAS));
}

static void dense_backward(const hone__op *op, const hone__run *r) {
    if (!r->d_in[0]) return;
    if (r->weights_last) mask_d_out(op, r);
    hone_gemm g = input_product(op, r->n);
    g.a = r->d_out;
    g.b = dense_kernel(op, r);
    g.c = r->d_in[0];
    r->kernels->gemm(&g, r->scratch);
}

const hone__op_type hone__op_dense = {
    .name = "dense",
    .prepare = dense_prepare,
    .refresh = dense_refresh,
    .forward = dense_forward,
    .backward_weights = dense_backward_weights,
    .backward = dense_backward,
};
