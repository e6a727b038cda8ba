/* SPDX-License-Identifier: Apache-2.0
 *
 * What training alone does to a tensor, beside dropout: GaussianNoise, GaussianDropout, AlphaDropout, and the activity
 * regularizer, which leaves values as they are and adds to their gradient and to the loss.
 *
 * The numbers of a sample are a function of (layer's key; step, index in the batch), so backward draws the same again
 * instead of keeping them. */
#include "op.h"

#include "rng.h"

#include <math.h>
#include <string.h>

/* ---- noise ----------------------------------------------------------------------------------------------------- */

/* y = factor x + offset, both drawn. */
typedef struct line {
    float factor, offset;
} line;

static line draw_line(const hone__op *op, hone__rng *rng) {
    static const double alpha = -1.0507009873554804934193349852946 * 1.6732632423543772848170429916717; /* SELU's end */
    double amount = op->as.noise.amount;
    switch (op->as.noise.kind) {
    case HONE_NOISE_ADDED: return (line){1, (float)(amount * hone__rng_normal(rng))};
    case HONE_NOISE_MULTIPLIED: return (line){(float)(1 + sqrt(amount / (1 - amount)) * hone__rng_normal(rng)), 0};
    case HONE_NOISE_ALPHA: break;
    }
    double a = 1 / sqrt((1 - amount) * (1 + amount * alpha * alpha)), b = -a * alpha * amount;
    bool kept = hone__rng_uniform(rng) >= amount;
    return kept ? (line){(float)a, (float)b} : (line){0, (float)(a * alpha + b)};
}

static void begin_draws(const hone__op *op, const hone__run *r, size_t sample, hone__rng *rng) {
    *rng = (hone__rng){.key = {op->as.noise.key[0], op->as.noise.key[1]},
                       .counter = {0, (uint32_t)(r->first + sample), (uint32_t)r->step, (uint32_t)(r->step >> 32)}};
}

static void noise_forward(const hone__op *op, const hone__run *r) {
    size_t rows = op->as.noise.rows, c = op->as.noise.c;
    for (size_t i = 0; i < r->n; i++) {
        const float *x = r->in[0] + i * rows * c;
        float *y = r->out + i * rows * c;
        hone__rng rng;
        begin_draws(op, r, i, &rng);
        for (size_t k = 0; k < c; k++) {
            line drawn = draw_line(op, &rng);
            for (size_t row = 0; row < rows; row++) y[row * c + k] = drawn.factor * x[row * c + k] + drawn.offset;
        }
    }
}

static void noise_backward(const hone__op *op, const hone__run *r) {
    size_t rows = op->as.noise.rows, c = op->as.noise.c;
    if (!r->d_in[0]) return;
    for (size_t i = 0; i < r->n; i++) {
        const float *dy = r->d_out + i * rows * c;
        float *dx = r->d_in[0] + i * rows * c;
        hone__rng rng;
        begin_draws(op, r, i, &rng);
        for (size_t k = 0; k < c; k++) {
            line drawn = draw_line(op, &rng);
            for (size_t row = 0; row < rows; row++) dx[row * c + k] = drawn.factor * dy[row * c + k];
        }
    }
}

const hone__op_type hone__op_noise = {
    .name = "noise",
    .in_place = true,
    .forward = noise_forward,
    .backward = noise_backward,
};

/* ---- activity regularizer -------------------------------------------------------------------------------------- */

/* sums: the penalty of the shard's samples so far. */
static hone_status activity_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)setting;
    (void)err;
    op->sums = 1;
    op->reads_out = true;
    return HONE_OK;
}

static void activity_forward(const hone__op *op, const hone__run *r) {
    size_t n = r->n * op->out_size;
    double l1 = 0, l2 = 0;
    for (size_t i = 0; i < n; i++) {
        l1 += fabs((double)r->in[0][i]);
        l2 += (double)r->in[0][i] * r->in[0][i];
    }
    *r->sums = (r->fresh ? 0 : *r->sums) + op->as.activity.l1 * l1 + op->as.activity.l2 * l2;
    if (r->out != r->in[0]) memcpy(r->out, r->in[0], n * sizeof *r->out);
}

static void activity_backward(const hone__op *op, const hone__run *r) {
    float l1 = op->as.activity.l1, l2 = op->as.activity.l2;
    if (!r->d_in[0]) return;
    for (size_t i = 0; i < r->n * op->out_size; i++) {
        float y = r->out[i];
        r->d_in[0][i] = r->d_out[i] + l1 * (float)((y > 0) - (y < 0)) + 2 * l2 * y;
    }
}

const hone__op_type hone__op_activity = {
    .name = "activity_regularizer",
    .in_place = true,
    .prepare = activity_prepare,
    .forward = activity_forward,
    .backward = activity_backward,
};
