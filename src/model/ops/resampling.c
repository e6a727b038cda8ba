/* SPDX-License-Identifier: Apache-2.0
 *
 * Pixels of a new size, and axes in another order. Resizing follows TensorFlow to the rounding: pixel centres at halves,
 * no antialiasing, the width first and then the height. */
#include "op.h"

#include <math.h>
#include <string.h>

/* ---- resize ---------------------------------------------------------------------------------------------------- */

/* Where output element o of an axis is read: between low and high, a share of the way. */
typedef struct tap {
    size_t low, high;
    float share;
} tap;

static tap tap_at(size_t o, size_t in, size_t out, bool bilinear) {
    float scale = (float)in / (float)out, at = ((float)o + 0.5F) * scale;
    if (!bilinear) {
        size_t i = (size_t)at;
        i = i < in ? i : in - 1;
        return (tap){i, i, 0};
    }
    at -= 0.5F;
    float below = floorf(at), above = ceilf(at);
    size_t low = below > 0 ? (size_t)below : 0, high = above > 0 ? (size_t)above : 0;
    return (tap){low, high < in ? high : in - 1, at - below};
}

static void resize_forward(const hone__op *op, const hone__run *r) {
    size_t h = op->as.resize.h, w = op->as.resize.w, c = op->as.resize.c;
    size_t oh = op->as.resize.oh, ow = op->as.resize.ow;
    float *y = r->out;
    for (size_t i = 0; i < r->n; i++) {
        const float *image = r->in[0] + i * h * w * c;
        for (size_t row = 0; row < oh; row++) {
            tap v = tap_at(row, h, oh, op->as.resize.bilinear);
            const float *upper = image + v.low * w * c, *lower = image + v.high * w * c;
            for (size_t column = 0; column < ow; column++, y += c) {
                tap u = tap_at(column, w, ow, op->as.resize.bilinear);
                if (!op->as.resize.bilinear) {
                    memcpy(y, upper + u.low * c, c * sizeof *y);
                    continue;
                }
                const float *a = upper + u.low * c, *b = upper + u.high * c, *d = lower + u.low * c,
                            *e = lower + u.high * c;
                for (size_t k = 0; k < c; k++) {
                    float top = a[k] + (b[k] - a[k]) * u.share, bottom = d[k] + (e[k] - d[k]) * u.share;
                    y[k] = top + (bottom - top) * v.share;
                }
            }
        }
    }
}

static void resize_backward(const hone__op *op, const hone__run *r) {
    size_t h = op->as.resize.h, w = op->as.resize.w, c = op->as.resize.c;
    size_t oh = op->as.resize.oh, ow = op->as.resize.ow;
    const float *dy = r->d_out;
    if (!r->d_in[0]) return;
    memset(r->d_in[0], 0, r->n * h * w * c * sizeof *dy);
    for (size_t i = 0; i < r->n; i++) {
        float *image = r->d_in[0] + i * h * w * c;
        for (size_t row = 0; row < oh; row++) {
            tap v = tap_at(row, h, oh, op->as.resize.bilinear);
            float *upper = image + v.low * w * c, *lower = image + v.high * w * c;
            for (size_t column = 0; column < ow; column++, dy += c) {
                tap u = tap_at(column, w, ow, op->as.resize.bilinear);
                float ab = 1 - v.share, right = u.share, left = 1 - right;
                for (size_t k = 0; k < c; k++) {
                    upper[u.low * c + k] += dy[k] * ab * left;
                    upper[u.high * c + k] += dy[k] * ab * right;
                    lower[u.low * c + k] += dy[k] * v.share * left;
                    lower[u.high * c + k] += dy[k] * v.share * right;
                }
            }
        }
    }
}

const hone__op_type hone__op_resize = {
    .name = "resize",
    .forward = resize_forward,
    .backward = resize_backward,
};

/* ---- resample -------------------------------------------------------------------------------------------------- */

/* Rows first: (h, w, c) -> (oh, w, c) in scratch, and that -> (oh, ow, c). */
static hone_status resample_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)setting;
    (void)err;
    op->scratch_forward = op->scratch_backward = op->as.resample.oh * op->as.resample.w * op->as.resample.c;
    return HONE_OK;
}

/* y (out, c) += what table makes of x (in, c). */
static void gather(const float *table, size_t taps, size_t out, size_t c, const float *x, float *y) {
    for (size_t o = 0; o < out; o++, table += taps + 1, y += c)
        for (size_t t = 0; t < taps; t++) {
            const float weight = table[1 + t], *from = x + ((size_t)table[0] + t) * c;
            if (weight < 0 || weight > 0)
                for (size_t k = 0; k < c; k++) y[k] += weight * from[k];
        }
}

/* The way back: dx (in, c) += what dy (out, c) owes to it. */
static void spread(const float *table, size_t taps, size_t out, size_t c, const float *dy, float *dx) {
    for (size_t o = 0; o < out; o++, table += taps + 1, dy += c)
        for (size_t t = 0; t < taps; t++) {
            float weight = table[1 + t], *to = dx + ((size_t)table[0] + t) * c;
            if (weight < 0 || weight > 0)
                for (size_t k = 0; k < c; k++) to[k] += weight * dy[k];
        }
}

static const float *column_table(const hone__op *op) {
    return op->literal + op->as.resample.oh * (op->as.resample.row_taps + 1);
}

static void resample_forward(const hone__op *op, const hone__run *r) {
    size_t w = op->as.resample.w, c = op->as.resample.c, oh = op->as.resample.oh, ow = op->as.resample.ow;
    for (size_t i = 0; i < r->n; i++) {
        float *y = r->out + i * op->out_size;
        memset(r->scratch, 0, oh * w * c * sizeof *r->scratch);
        memset(y, 0, op->out_size * sizeof *y);
        gather(op->literal, op->as.resample.row_taps, oh, w * c, r->in[0] + i * op->in_size, r->scratch);
        for (size_t row = 0; row < oh; row++)
            gather(column_table(op), op->as.resample.column_taps, ow, c, r->scratch + row * w * c, y + row * ow * c);
    }
}

static void resample_backward(const hone__op *op, const hone__run *r) {
    size_t w = op->as.resample.w, c = op->as.resample.c, oh = op->as.resample.oh, ow = op->as.resample.ow;
    for (size_t i = 0; r->d_in[0] && i < r->n; i++) {
        const float *dy = r->d_out + i * op->out_size;
        float *dx = r->d_in[0] + i * op->in_size;
        memset(r->scratch, 0, oh * w * c * sizeof *r->scratch);
        memset(dx, 0, op->in_size * sizeof *dx);
        for (size_t row = 0; row < oh; row++)
            spread(column_table(op), op->as.resample.column_taps, ow, c, dy + row * ow * c, r->scratch + row * w * c);
        spread(op->literal, op->as.resample.row_taps, oh, w * c, r->scratch, dx);
    }
}

const hone__op_type hone__op_resample = {
    .name = "resample",
    .prepare = resample_prepare,
    .forward = resample_forward,
    .backward = resample_backward,
};

/* ---- transpose ------------------------------------------------------------------------------------------------- */

/* Walks the output in order; at is where its element comes from. */
static bool next_element(const hone__op *op, size_t *index, size_t *at) {
    for (int axis = op->as.transpose.rank; axis-- > 0;) {
        *at += op->as.transpose.steps[axis];
        if (++index[axis] < op->as.transpose.dims[axis]) return true;
        *at -= op->as.transpose.steps[axis] * op->as.transpose.dims[axis];
        index[axis] = 0;
    }
    return false;
}

static void transpose_forward(const hone__op *op, const hone__run *r) {
    for (size_t i = 0; i < r->n; i++) {
        size_t index[HONE_MAX_RANK] = {0}, at = 0;
        const float *x = r->in[0] + i * op->in_size;
        float *y = r->out + i * op->out_size;
        do *y++ = x[at];
        while (next_element(op, index, &at));
    }
}

static void transpose_backward(const hone__op *op, const hone__run *r) {
    if (!r->d_in[0]) return;
    for (size_t i = 0; i < r->n; i++) {
        size_t index[HONE_MAX_RANK] = {0}, at = 0;
        const float *dy = r->d_out + i * op->out_size;
        float *dx = r->d_in[0] + i * op->in_size;
        do dx[at] = *dy++;
        while (next_element(op, index, &at));
    }
}

const hone__op_type hone__op_transpose = {
    .name = "transpose",
    .forward = transpose_forward,
    .backward = transpose_backward,
};
