/* SPDX-License-Identifier: Apache-2.0
 *
 * GroupNormalization: mean and variance of each sample over all pixels of a group of neighbouring channels. */
#include "op.h"

#include <math.h>

/* aux of a sample: mean of every group, then the inverse deviations. */
static hone_status group_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)setting;
    (void)err;
    op->aux = op->backward ? 2 * op->as.group.groups * sizeof(float) : 0;
    op->reads_in = true;
    return HONE_OK;
}

static void group_forward(const hone__op *op, const hone__run *r) {
    size_t rows = op->as.group.rows, c = op->as.group.c, groups = op->as.group.groups, width = c / groups;
    const float *gamma = hone__op_weight(op, r->model, HONE_OP_GAMMA);
    const float *beta = hone__op_weight(op, r->model, HONE_OP_BETA);
    for (size_t s = 0; s < r->n * groups; s++) {
        size_t sample = s / groups, first = s % groups * width;
        const float *x = r->in[0] + sample * rows * c + first;
        float *y = r->out + sample * rows * c + first;
        double sum = 0, squares = 0, count = (double)(rows * width);
        for (size_t i = 0; i < rows; i++)
            for (size_t k = 0; k < width; k++) sum += x[i * c + k];
        double mean = sum / count;
        for (size_t i = 0; i < rows; i++)
            for (size_t k = 0; k < width; k++) squares += (x[i * c + k] - mean) * (x[i * c + k] - mean);
        float centre = (float)mean, inverse = (float)(1 / sqrt(squares / count + op->as.group.epsilon));
        for (size_t i = 0; i < rows; i++)
            for (size_t k = 0; k < width; k++)
                y[i * c + k] =
                    (x[i * c + k] - centre) * inverse * (gamma ? gamma[first + k] : 1) + (beta ? beta[first + k] : 0);
        if (!r->aux) continue;
        float *note = (float *)r->aux + sample * 2 * groups;
        note[s % groups] = centre;
        note[groups + s % groups] = inverse;
    }
}

/* dx = inverse (dxhat - mean(dxhat) - xhat mean(dxhat xhat)), dxhat = dy gamma */
static void group_input_gradient(const hone__op *op, const hone__run *r, size_t sample, size_t group) {
    size_t rows = op->as.group.rows, c = op->as.group.c, groups = op->as.group.groups, width = c / groups;
    size_t first = group * width, offset = sample * rows * c + first;
    const float *gamma = hone__op_weight(op, r->model, HONE_OP_GAMMA), *x = r->in[0] + offset, *dy = r->d_out + offset;
    const float *note = (const float *)r->aux + sample * 2 * groups;
    float mean = note[group], inverse = note[groups + group], *dx = r->d_in[0] + offset;
    double sum = 0, product = 0, count = (double)(rows * width);
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < width; k++) {
            double d = (double)dy[i * c + k] * (gamma ? gamma[first + k] : 1);
            sum += d;
            product += d * ((x[i * c + k] - mean) * inverse);
        }
    float b = (float)(sum / count), e = (float)(product / count);
    for (size_t i = 0; i < rows; i++)
        for (size_t k = 0; k < width; k++) {
            float d = dy[i * c + k] * (gamma ? gamma[first + k] : 1);
            dx[i * c + k] = inverse * (d - b - (x[i * c + k] - mean) * inverse * e);
        }
}

static void group_weight_gradients(const hone__op *op, const hone__run *r) {
    size_t rows = op->as.group.rows, c = op->as.group.c, groups = op->as.group.groups, width = c / groups;
    float *dgamma = hone__op_gradient(op, r, HONE_OP_GAMMA), *dbeta = hone__op_gradient(op, r, HONE_OP_BETA);
    for (size_t k = 0; k < c && (dgamma || dbeta); k++) {
        double gamma_sum = 0, beta_sum = 0;
        for (size_t i = 0; i < r->n * rows; i++) {
            const float *note = (const float *)r->aux + i / rows * 2 * groups;
            float d = r->d_out[i * c + k];
            beta_sum += d;
            gamma_sum += (double)d * ((r->in[0][i * c + k] - note[k / width]) * note[groups + k / width]);
        }
        if (dgamma) dgamma[k] = (hone__gradient_adds(op, r, HONE_OP_GAMMA) ? dgamma[k] : 0) + (float)gamma_sum;
        if (dbeta) dbeta[k] = (hone__gradient_adds(op, r, HONE_OP_BETA) ? dbeta[k] : 0) + (float)beta_sum;
    }
}

static void group_backward(const hone__op *op, const hone__run *r) {
    group_weight_gradients(op, r);
    for (size_t s = 0; r->d_in[0] && s < r->n * op->as.group.groups; s++)
        group_input_gradient(op, r, s / op->as.group.groups, s % op->as.group.groups);
}

const hone__op_type hone__op_group_normalization = {
    .name = "group_normalization",
    .prepare = group_prepare,
    .forward = group_forward,
    .backward = group_backward,
};
