/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations without sums: a scale and offset per channel (Rescaling, and BatchNormalization with constant statistics
 * where it could not be folded), zero padding that no convolution took over, and dropout. */
#include "op.h"

#include <string.h>

/* ---- affine ---------------------------------------------------------------------------------------------------- */

/* Own memory: [scale] [offset] [zeros]: dx = scale * dy is an affine without offset. */
static hone_status affine_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)setting;
    (void)err;
    op->own = (op->backward ? 3 : 2) * hone__line(op->as.rows.c);
    op->pieces = 1;
    return HONE_OK;
}

static void affine_refresh(const hone__op *op, const hone_kernels *kernels, const hone_model *model, size_t piece) {
    (void)kernels;
    (void)piece;
    size_t c = op->as.rows.c;
    float *scale = op->memory, *offset = op->memory + hone__line(c);
    if (op->fold.on) {
        hone__fold_affine(model, op->fold.weights, op->fold.epsilon, c, scale, offset);
    } else {
        memcpy(scale, op->literal, c * sizeof *scale);
        memcpy(offset, op->literal + c, c * sizeof *offset);
    }
}

static void affine_forward(const hone__op *op, const hone__run *r) {
    size_t rows = op->as.rows.rows, c = op->as.rows.c;
    r->kernels->affine_rows(r->n * rows, c, r->in[0], op->memory, op->memory + hone__line(c), r->out);
}

static void affine_backward(const hone__op *op, const hone__run *r) {
    size_t rows = op->as.rows.rows, c = op->as.rows.c;
    if (!r->d_in[0]) return;
    r->kernels->affine_rows(r->n * rows, c, r->d_out, op->memory, op->memory + 2 * hone__line(c), r->d_in[0]);
}

const hone__op_type hone__op_affine = {
    .name = "affine",
    .in_place = true,
    .prepare = affine_prepare,
    .refresh = affine_refresh,
    .forward = affine_forward,
    .backward = affine_backward,
};

/* ---- zero padding and cropping --------------------------------------------------------------------------------- */

/* The small image into the middle of the large one, zeros around it; and out of it. */
static void pad(const hone__op *op, size_t n, const float *x, float *y) {
    size_t h = op->as.padding.h, row = op->as.padding.w * op->as.padding.c;
    size_t left = op->as.padding.left * op->as.padding.c, right = op->as.padding.right * op->as.padding.c;
    size_t wide = left + row + right, top = op->as.padding.top * wide, bottom = op->as.padding.bottom * wide;
    for (size_t i = 0; i < n; i++) {
        memset(y, 0, top * sizeof *y);
        y += top;
        for (size_t k = 0; k < h; k++, x += row, y += wide) {
            memset(y, 0, left * sizeof *y);
            memcpy(y + left, x, row * sizeof *y);
            memset(y + left + row, 0, right * sizeof *y);
        }
        memset(y, 0, bottom * sizeof *y);
        y += bottom;
    }
}

static void crop(const hone__op *op, size_t n, const float *y, float *x) {
    size_t h = op->as.padding.h, row = op->as.padding.w * op->as.padding.c;
    size_t left = op->as.padding.left * op->as.padding.c, right = op->as.padding.right * op->as.padding.c;
    size_t wide = left + row + right, image = (op->as.padding.top + h + op->as.padding.bottom) * wide;
    for (size_t i = 0; i < n; i++, y += image)
        for (size_t k = 0; k < h; k++, x += row) memcpy(x, y + (op->as.padding.top + k) * wide + left, row * sizeof *x);
}

static void padding_forward(const hone__op *op, const hone__run *r) {
    pad(op, r->n, r->in[0], r->out);
}

static void padding_backward(const hone__op *op, const hone__run *r) {
    if (r->d_in[0]) crop(op, r->n, r->d_out, r->d_in[0]);
}

const hone__op_type hone__op_zero_padding2d = {
    .name = "zero_padding2d",
    .forward = padding_forward,
    .backward = padding_backward,
};

static void cropping_forward(const hone__op *op, const hone__run *r) {
    crop(op, r->n, r->in[0], r->out);
}

static void cropping_backward(const hone__op *op, const hone__run *r) {
    if (r->d_in[0]) pad(op, r->n, r->d_out, r->d_in[0]);
}

const hone__op_type hone__op_cropping2d = {
    .name = "cropping2d",
    .forward = cropping_forward,
    .backward = cropping_backward,
};

/* ---- dropout --------------------------------------------------------------------------------------------------- */

/* The numbers of a sample are a Philox function of (layer's key; step, index in the batch, element): the mask does not
 * depend on how the batch is cut. Spatial dropout draws a factor per channel by dropping out a row of ones.
 * Own memory of spatial dropout: [ones] [zeros]. aux: what was kept, or the factors. */
static hone_status dropout_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)setting;
    (void)err;
    size_t c = op->as.dropout.c;
    if (op->as.dropout.spatial) {
        op->own = 2 * hone__line(c);
        op->pieces = 1;
        op->aux = op->backward ? c * sizeof(float) : 0;
        op->scratch_forward = hone__line(c) + hone__line((c + 3) / 4); /* factors; bytes of what was kept */
    } else {
        op->aux = op->backward ? c : 0;
        op->scratch_forward = op->backward ? 0 : hone__line((c + 3) / 4);
    }
    return HONE_OK;
}

static void dropout_refresh(const hone__op *op, const hone_kernels *kernels, const hone_model *model, size_t piece) {
    (void)kernels;
    (void)model;
    (void)piece;
    for (size_t i = 0; i < op->as.dropout.c; i++) op->memory[i] = 1;
}

static void dropout_forward(const hone__op *op, const hone__run *r) {
    size_t rows = op->as.dropout.rows, c = op->as.dropout.c;
    float rate = op->as.dropout.rate;
    for (size_t i = 0; i < r->n; i++) {
        const uint32_t counter[4] = {0, (uint32_t)(r->first + i), (uint32_t)r->step, (uint32_t)(r->step >> 32)};
        const float *x = r->in[0] + i * rows * c;
        float *y = r->out + i * rows * c;
        if (op->as.dropout.spatial) {
            float *factors = r->aux ? (float *)r->aux + i * c : r->scratch;
            r->kernels->dropout_forward(c, op->memory, rate, op->as.dropout.key, counter, factors,
                                        (uint8_t *)(r->scratch + hone__line(c)));
            r->kernels->affine_rows(rows, c, x, factors, op->memory + hone__line(c), y);
        } else {
            uint8_t *keep = r->aux ? (uint8_t *)r->aux + i * c : (uint8_t *)r->scratch;
            r->kernels->dropout_forward(c, x, rate, op->as.dropout.key, counter, y, keep);
        }
    }
}

static void dropout_backward(const hone__op *op, const hone__run *r) {
    size_t rows = op->as.dropout.rows, c = op->as.dropout.c;
    if (!r->d_in[0]) return;
    if (!op->as.dropout.spatial) {
        r->kernels->dropout_backward(r->n * c, r->d_out, op->as.dropout.rate, r->aux, r->d_in[0]);
        return;
    }
    for (size_t i = 0; i < r->n; i++)
        r->kernels->affine_rows(rows, c, r->d_out + i * rows * c, (const float *)r->aux + i * c,
                                op->memory + hone__line(c), r->d_in[0] + i * rows * c);
}

const hone__op_type hone__op_dropout = {
    .name = "dropout",
    .in_place = true,
    .prepare = dropout_prepare,
    .refresh = dropout_refresh,
    .forward = dropout_forward,
    .backward = dropout_backward,
};
