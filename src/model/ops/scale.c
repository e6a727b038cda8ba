/* SPDX-License-Identifier: Apache-2.0
 *
 * A scale and offset per channel that are trained: y = (x - mean) / sqrt(variance + epsilon) * gamma + beta with a constant
 * mean and variance, or with none. BatchNormalization called with training=False comes to this in training, and
 * LayerScale. Where nothing is trained it is an affine, and mostly folded away. */
#include "op.h"

#include <math.h>
#include <string.h>

/* Own memory: rows of c floats. */
enum { SCALE, SHIFT, ZEROS, MEAN, INVERSE_STD, ROWS };

static float *own_row(const hone__op *op, int row) {
    return op->memory + (size_t)row * hone__line(op->as.norm.c);
}

static hone_status scale_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)setting;
    (void)err;
    op->own = ROWS * hone__line(op->as.norm.c);
    op->pieces = 1;
    op->scratch_backward = op->as.norm.c * (sizeof(double) / sizeof(float));
    op->reads_in = op->trains[HONE_OP_GAMMA];
    return HONE_OK;
}

static void scale_refresh(const hone__op *op, const hone_kernels *kernels, const hone_model *model, size_t piece) {
    (void)kernels;
    (void)piece;
    const float *mean = hone__op_weight(op, model, HONE_OP_MEAN);
    const float *variance = hone__op_weight(op, model, HONE_OP_VARIANCE);
    hone__fold_affine(model, op->weights, op->as.norm.epsilon, op->as.norm.c, own_row(op, SCALE), own_row(op, SHIFT));
    memset(own_row(op, ZEROS), 0, op->as.norm.c * sizeof(float));
    for (size_t i = 0; i < op->as.norm.c; i++) {
        own_row(op, MEAN)[i] = mean ? mean[i] : 0;
        own_row(op, INVERSE_STD)[i] = variance ? (float)(1 / sqrt((double)variance[i] + op->as.norm.epsilon)) : 1;
    }
}

static void scale_forward(const hone__op *op, const hone__run *r) {
    r->kernels->affine_rows(r->n * op->as.norm.rows, op->as.norm.c, r->in[0], own_row(op, SCALE), own_row(op, SHIFT),
                            r->out);
}

static void scale_backward(const hone__op *op, const hone__run *r) {
    size_t rows = r->n * op->as.norm.rows, c = op->as.norm.c;
    if (op->trains[HONE_OP_GAMMA]) {
        double *sums = (double *)(void *)r->scratch;
        float *gradient = hone__op_gradient(op, r, HONE_OP_GAMMA);
        bool adds = hone__gradient_adds(op, r, HONE_OP_GAMMA);
        const float *mean = own_row(op, MEAN), *inverse = own_row(op, INVERSE_STD);
        memset(sums, 0, c * sizeof *sums);
        for (size_t i = 0; i < rows * c; i += c)
            for (size_t k = 0; k < c; k++)
                sums[k] += (double)r->d_out[i + k] * ((r->in[0][i + k] - mean[k]) * inverse[k]);
        for (size_t i = 0; i < c; i++) gradient[i] = (adds ? gradient[i] : 0) + (float)sums[i];
    }
    if (op->trains[HONE_OP_BETA])
        r->kernels->column_sums(rows, c, r->d_out, hone__gradient_adds(op, r, HONE_OP_BETA),
                                hone__op_gradient(op, r, HONE_OP_BETA));
    if (r->d_in[0]) r->kernels->affine_rows(rows, c, r->d_out, own_row(op, SCALE), own_row(op, ZEROS), r->d_in[0]);
}

const hone__op_type hone__op_scale = {
    .name = "scale",
    .in_place = true,
    .prepare = scale_prepare,
    .refresh = scale_refresh,
    .forward = scale_forward,
    .backward = scale_backward,
};
