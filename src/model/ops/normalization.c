/* SPDX-License-Identifier: Apache-2.0
 *
 * BatchNormalization in training, LayerNormalization, and what BatchNormalization with constant statistics comes to.
 *
 * BatchNormalization needs the whole batch twice: mean and variance before it can go forwards, two sums of the gradient
 * before it can go backwards. Every shard adds up its own sums in double, and they are added in the order of the
 * shards, so neither threads nor chance have a say. With ReLU and a max pooling behind it (fuse.c) it stays one pass over
 * memory forwards and two backwards, which is what it costs. */
#include "int8_op.h"

#include <math.h>
#include <string.h>

/* ---- constant statistics --------------------------------------------------------------------------------------- */

static const float *weight_or_null(const hone_model *model, int weight) {
    return weight == HONE_NO_WEIGHT ? NULL : model->data + model->weights[weight].offset;
}

/* scale and offset of channel i. Without gamma or statistics 1, without beta 0. */
static void channel_affine(const hone_model *model, const int weights[HONE_OP_WEIGHTS], float epsilon, size_t i,
                           double *scale, double *offset) {
    const float *gamma = weight_or_null(model, weights[HONE_OP_GAMMA]);
    const float *beta = weight_or_null(model, weights[HONE_OP_BETA]);
    const float *mean = weight_or_null(model, weights[HONE_OP_MEAN]);
    const float *variance = weight_or_null(model, weights[HONE_OP_VARIANCE]);
    *scale = (gamma ? gamma[i] : 1.0) / (variance ? sqrt((double)variance[i] + epsilon) : 1.0);
    *offset = (beta ? beta[i] : 0.0) - (mean ? mean[i] : 0.0) * *scale;
}

void hone__fold_affine(const hone_model *model, const int weights[HONE_OP_WEIGHTS], float epsilon, size_t c,
                       float *scale, float *offset) {
    for (size_t i = 0; i < c; i++) {
        double s, o;
        channel_affine(model, weights, epsilon, i, &s, &o);
        scale[i] = (float)s;
        offset[i] = (float)o;
    }
}

/* Each weight becomes the nearest of those that 8 bits hold. */
static void round_weights(const hone__op *op, size_t rows, size_t c, float *kernel) {
    float common = hone__int8_weight_scale(kernel, 1, rows * c);
    for (size_t i = 0; i < c; i++) {
        float scale = op->rounding == HONE_ROUNDING_PER_TENSOR ? common : hone__int8_weight_scale(kernel + i, c, rows);
        for (size_t k = 0; k < rows; k++)
            kernel[k * c + i] = (float)hone__int8_weight(kernel[k * c + i], scale) * scale;
    }
}

void hone__fold_weights(const hone__op *op, const hone_model *model, size_t rows, size_t c, float *kernel,
                        float *bias) {
    const float *from = hone__op_weight(op, model, HONE_OP_KERNEL),
                *from_bias = hone__op_weight(op, model, HONE_OP_BIAS);
    if (!op->fold.on) {
        memcpy(kernel, from, rows * c * sizeof *kernel);
        for (size_t i = 0; i < c; i++) bias[i] = from_bias ? from_bias[i] : 0;
    }
    for (size_t i = 0; op->fold.on && i < c; i++) {
        double scale, offset;
        channel_affine(model, op->fold.weights, op->fold.epsilon, i, &scale, &offset);
        bias[i] = (float)((from_bias ? from_bias[i] * scale : 0) + offset);
        for (size_t k = 0; k < rows; k++) kernel[k * c + i] = (float)(from[k * c + i] * scale);
    }
    if (op->rounding != HONE_ROUNDING_NONE) round_weights(op, rows, c, kernel);
}

/* ---- batch normalisation --------------------------------------------------------------------------------------- */

/* Own memory: rows of c floats, computed by the reduces. Sums of a shard: two rows of c doubles. aux: the argmax of a
 * max pooling behind. */
enum { NORM_MEAN, NORM_INVERSE_STD, NORM_SCALE, NORM_SHIFT, NORM_MEAN_DY, NORM_MEAN_DY_XHAT, NORM_ROWS };

static float *norm_row(const hone__op *op, int row) {
    return op->memory + (size_t)row * hone__line(op->as.norm.c);
}

static hone_batch_norm batch_norm_of(const hone__op *op) {
    return (hone_batch_norm){.rows = op->as.norm.rows,
                             .c = op->as.norm.c,
                             .relu = op->as.norm.relu,
                             .pool = op->as.norm.pool,
                             .scale = norm_row(op, NORM_SCALE),
                             .shift = norm_row(op, NORM_SHIFT),
                             .mean = norm_row(op, NORM_MEAN),
                             .inverse_std = norm_row(op, NORM_INVERSE_STD),
                             .mean_dy = norm_row(op, NORM_MEAN_DY),
                             .mean_dy_xhat = norm_row(op, NORM_MEAN_DY_XHAT)};
}

static hone_status batch_norm_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)setting;
    (void)err;
    size_t c = op->as.norm.c;
    op->own = NORM_ROWS * hone__line(c);
    op->sums = 2 * c;
    /* The sums of one chunk, before they are added to the shard's. */
    op->scratch_forward = 2 * c * (sizeof(double) / sizeof(float));
    op->scratch_backward = op->scratch_forward;
    op->aux = op->backward && op->as.norm.pool.pool_h ? op->out_size : 0;
    op->reads_in = true; /* relu's mask is seen from it, too */
    return HONE_OK;
}

static void batch_norm_forward_sums(const hone__op *op, const hone__run *r) {
    size_t c = op->as.norm.c;
    double *chunk = (double *)(void *)r->scratch;
    r->kernels->channel_moments(r->n * op->as.norm.rows, c, r->in[0], chunk, chunk + c);
    for (size_t i = 0; i < 2 * c; i++) r->sums[i] += chunk[i];
}

/* Sums of all shards for channel i: of the values in the first row, in the second row behind. */
static void add_shards(const hone__op *op, const double *sums, size_t shards, size_t i, double *first, double *second) {
    *first = 0;
    *second = 0;
    for (size_t s = 0; s < shards; s++, sums += op->sums) {
        *first += sums[i];
        *second += sums[op->as.norm.c + i];
    }
}

static void batch_norm_forward_reduce(const hone__op *op, hone_model *model, size_t n, const double *sums,
                                      size_t shards, bool update) {
    const float *gamma = hone__op_weight(op, model, HONE_OP_GAMMA), *beta = hone__op_weight(op, model, HONE_OP_BETA);
    float *moving_mean = model->data + model->weights[op->weights[HONE_OP_MEAN]].offset;
    float *moving_variance = model->data + model->weights[op->weights[HONE_OP_VARIANCE]].offset;
    double count = (double)n * (double)op->as.norm.rows, momentum = op->as.norm.momentum;
    for (size_t i = 0; i < op->as.norm.c; i++) {
        double sum, sum_squares;
        add_shards(op, sums, shards, i, &sum, &sum_squares);
        double mean = sum / count, variance = sum_squares / count - mean * mean; /* biased, as Keras 3 has it */
        if (variance < 0) variance = 0; /* rounding; not fmax, which would hide a NaN */
        double inverse_std = 1 / sqrt(variance + op->as.norm.epsilon), scale = (gamma ? gamma[i] : 1.0) * inverse_std;
        norm_row(op, NORM_MEAN)[i] = (float)mean;
        norm_row(op, NORM_INVERSE_STD)[i] = (float)inverse_std;
        norm_row(op, NORM_SCALE)[i] = (float)scale;
        norm_row(op, NORM_SHIFT)[i] = (float)((beta ? beta[i] : 0.0) - mean * scale);
        if (!update) continue;
        moving_mean[i] = (float)(moving_mean[i] * momentum + mean * (1 - momentum));
        moving_variance[i] = (float)(moving_variance[i] * momentum + variance * (1 - momentum));
    }
}

static void batch_norm_forward(const hone__op *op, const hone__run *r) {
    const hone_batch_norm norm = batch_norm_of(op);
    r->kernels->batch_norm_forward(&norm, r->n, r->in[0], r->out, r->aux);
}

/* gradient [+]= sums: this chunk's part of dgamma or dbeta. */
static void add_gradient(const hone__op *op, const hone__run *r, int which, const double *sums) {
    float *gradient = hone__op_gradient(op, r, which);
    if (!gradient) return;
    bool adds = hone__gradient_adds(op, r, which);
    for (size_t i = 0; i < op->as.norm.c; i++) gradient[i] = (adds ? gradient[i] : 0) + (float)sums[i];
}

static void batch_norm_backward_sums(const hone__op *op, const hone__run *r) {
    size_t c = op->as.norm.c;
    double *chunk = (double *)(void *)r->scratch; /* sum of dy, then sum of dy xhat */
    const hone_batch_norm norm = batch_norm_of(op);
    r->kernels->batch_norm_gradient_sums(&norm, r->n, r->in[0], r->d_out, r->aux, chunk, chunk + c);
    add_gradient(op, r, HONE_OP_BETA, chunk);
    add_gradient(op, r, HONE_OP_GAMMA, chunk + c);
    for (size_t i = 0; i < 2 * c; i++) r->sums[i] += chunk[i];
}

/* dx = gamma inverse_std (dy - mean(dy) - xhat mean(dy xhat)): gradients flow through the batch's mean and variance. */
static void batch_norm_backward_reduce(const hone__op *op, hone_model *model, size_t n, const double *sums,
                                       size_t shards) {
    (void)model;
    double count = (double)n * (double)op->as.norm.rows;
    for (size_t i = 0; i < op->as.norm.c; i++) {
        double sum_dy, sum_dy_xhat;
        add_shards(op, sums, shards, i, &sum_dy, &sum_dy_xhat);
        norm_row(op, NORM_MEAN_DY)[i] = (float)(sum_dy / count);
        norm_row(op, NORM_MEAN_DY_XHAT)[i] = (float)(sum_dy_xhat / count);
    }
}

static void batch_norm_backward(const hone__op *op, const hone__run *r) {
    if (!r->d_in[0]) return;
    const hone_batch_norm norm = batch_norm_of(op);
    r->kernels->batch_norm_backward(&norm, r->n, r->in[0], r->d_out, r->aux, r->d_in[0]);
}

const hone__op_type hone__op_batch_normalization = {
    .name = "batch_normalization",
    .whole_batch = true,
    .prepare = batch_norm_prepare,
    .forward = batch_norm_forward,
    .backward = batch_norm_backward,
    .forward_sums = batch_norm_forward_sums,
    .forward_reduce = batch_norm_forward_reduce,
    .backward_sums = batch_norm_backward_sums,
    .backward_reduce = batch_norm_backward_reduce,
};

/* ---- layer normalisation --------------------------------------------------------------------------------------- */

/* aux of a chunk: the mean of every row, then the inverse deviations. */
static hone_status layer_norm_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)err;
    size_t rows = op->as.norm.rows;
    op->aux = op->backward ? 2 * rows * sizeof(float) : 0;
    op->scratch_forward = op->backward ? 0 : 2 * rows * setting->samples;
    op->scratch_backward = op->wants_d_in[0] ? 0 : op->in_size * setting->samples; /* a dx that nobody wants */
    op->reads_in = true;
    return HONE_OK;
}

static void layer_norm_forward(const hone__op *op, const hone__run *r) {
    size_t rows = r->n * op->as.norm.rows;
    float *mean = r->aux ? r->aux : r->scratch;
    r->kernels->layer_norm_forward(rows, op->as.norm.c, r->in[0], hone__op_weight(op, r->model, HONE_OP_GAMMA),
                                   hone__op_weight(op, r->model, HONE_OP_BETA), op->as.norm.epsilon, r->out, mean,
                                   mean + rows);
}

static void layer_norm_backward(const hone__op *op, const hone__run *r) {
    size_t rows = r->n * op->as.norm.rows;
    const float *mean = r->aux;
    float *dgamma = hone__op_gradient(op, r, HONE_OP_GAMMA), *dbeta = hone__op_gradient(op, r, HONE_OP_BETA);
    bool adds = hone__gradient_adds(op, r, dgamma ? HONE_OP_GAMMA : HONE_OP_BETA);
    r->kernels->layer_norm_backward(rows, op->as.norm.c, r->in[0], r->d_out,
                                    hone__op_weight(op, r->model, HONE_OP_GAMMA), mean, mean + rows,
                                    r->d_in[0] ? r->d_in[0] : r->scratch, adds, dgamma, dbeta);
}

const hone__op_type hone__op_layer_normalization = {
    .name = "layer_normalization",
    .prepare = layer_norm_prepare,
    .forward = layer_norm_forward,
    .backward = layer_norm_backward,
};
