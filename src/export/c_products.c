/* SPDX-License-Identifier: Apache-2.0
 *
 * Conv2D, Conv2DTranspose and Dense as C: sums of products.
 *
 * One idea: a block of eight filters is summed at a time by one small function (dot8), whose eight sums stay in
 * registers while it walks along a stretch of input that lies in one piece: a row of a window, (kernel width) x
 * channels. For that the kernel's table is laid out block by block, [group][block of filters][window][channel][filter].
 * Filters that make no whole block get a function of their own width, so that no zeros are stored. A max pooling behind
 * keeps the largest sum and never its unpooled picture. */
#include "c_writer.h"

#include <string.h>

/* Where the input of a filter lies. */
typedef enum product_kind { PRODUCT_CONV2D, PRODUCT_TRANSPOSE, PRODUCT_ROWS } product_kind;

typedef struct product {
    product_kind kind;
    const hone_conv2d_shape *s; /* but for rows */
    size_t taps;                /* of the window */
    size_t in;                  /* channels that a tap reads */
    size_t groups, filters;     /* filters of one group */
    bool has_bias, relu, pooled;
} product;

/* ---- tables ---------------------------------------------------------------------------------------------------- */

/* Element (tap, channel, filter) of the kernel as Keras has it. */
static float kernel_at(const product *p, const float *kernel, size_t group, size_t tap, size_t channel, size_t filter) {
    if (p->kind == PRODUCT_TRANSPOSE) return kernel[(tap * p->filters + filter) * p->in + channel];
    return kernel[(tap * p->in + channel) * p->groups * p->filters + group * p->filters + filter];
}

static hone_status put_kernel(hone__c_writer *w, const product *p, const float *kernel, hone_error *err) {
    size_t count = p->groups * p->filters * p->taps * p->in;
    float *packed = hone__alloc(count, sizeof *packed);
    if (!packed) return hone__fail_memory(err, count * sizeof *packed, "a packed kernel");
    size_t n = 0;
    for (size_t g = 0; g < p->groups; g++)
        for (size_t first = 0; first < p->filters; first += HONE_C_BLOCK) {
            size_t width = p->filters - first < HONE_C_BLOCK ? p->filters - first : HONE_C_BLOCK;
            for (size_t tap = 0; tap < p->taps; tap++)
                for (size_t c = 0; c < p->in; c++)
                    for (size_t i = 0; i < width; i++) packed[n++] = kernel_at(p, kernel, g, tap, c, first + i);
        }
    char remark[120];
    snprintf(remark, sizeof remark, "in blocks of %zu filters, each (%zu, %zu, filter)",
             p->filters < HONE_C_BLOCK ? p->filters : (size_t)HONE_C_BLOCK, p->taps, p->in);
    hone_status status = hone__c_floats(w, "kernel", packed, count, remark, err);
    hone__free(packed);
    return status;
}

static hone_status put_weights(hone__c_writer *w, const hone__op *op, product *p, hone_error *err) {
    size_t channels = p->groups * p->filters;
    hone__c_weights weights;
    HONE_TRY(hone__c_weights_init(&weights, w, op, p->taps * p->in, channels, err));
    p->has_bias = weights.bias != NULL;
    hone_status status = put_kernel(w, p, weights.kernel, err);
    if (status == HONE_OK && p->has_bias) status = hone__c_floats(w, "bias", weights.bias, channels, NULL, err);
    hone__c_weights_release(&weights);
    return status;
}

/* ---- windows --------------------------------------------------------------------------------------------------- */

static hone__c_axis vertical(const hone_conv2d_shape *s) {
    int out = s->pool_h ? (s->ph - 1) * s->pool_stride_h + s->pool_h : s->oh;
    return hone__c_axis_of(s->h, s->kh, s->stride_h, s->dilation_h, s->pad_top, out);
}

static hone__c_axis horizontal(const hone_conv2d_shape *s) {
    int out = s->pool_w ? (s->pw - 1) * s->pool_stride_w + s->pool_w : s->ow;
    return hone__c_axis_of(s->w, s->kw, s->stride_w, s->dilation_w, s->pad_left, out);
}

/* for (the taps k of an axis), or nothing where there is but one. */
static bool open_taps(hone__c_text *t, char name, const hone__c_axis *a) {
    if (a->taps == 1 && !a->clipped) return false;
    if (a->clipped)
        hone__c_open(t, "for (int32_t k%c = k%c0; k%c < k%c1; k%c++)", name, name, name, name, name);
    else
        hone__c_open(t, "for (int32_t k%c = 0; k%c < %d; k%c++)", name, name, a->taps, name);
    return true;
}

/* "iy", "iy + ky * 2": the row or column of a tap. */
static void tap_position(char out[HONE_C_NUMBER_SIZE], char name, const hone__c_axis *a, bool looped) {
    char step[HONE_C_NUMBER_SIZE], tap[3] = {'k', name, '\0'};
    if (looped)
        snprintf(out, HONE_C_NUMBER_SIZE, "i%c + %s", name, hone__c_linear(step, tap, a->dilation, 0));
    else
        snprintf(out, HONE_C_NUMBER_SIZE, "i%c", name);
}

/* s[0 … width - 1] += the window at (iy, ix). A row of it lies in one piece where nothing is skipped. */
static void put_conv2d_taps(hone__c_text *t, const product *p, size_t width) {
    const hone_conv2d_shape *s = p->s;
    hone__c_axis v = vertical(s), h = horizontal(s);
    bool whole_rows = s->dilation_w == 1 && p->groups == 1;
    char group[HONE_C_NUMBER_SIZE] = "", row[HONE_C_NUMBER_SIZE], column[HONE_C_NUMBER_SIZE];
    if (p->groups > 1) snprintf(group, sizeof group, " + g * %zu", p->in);
    bool rows = open_taps(t, 'y', &v);
    bool columns = whole_rows ? false : open_taps(t, 'x', &h);
    tap_position(row, 'y', &v, rows);
    tap_position(column, 'x', &h, columns);
    const char *ky = rows ? "ky" : "0";
    if (!whole_rows) {
        hone__c_line(t, "dot%zu(x + ((%s) * %d + %s) * %d%s, w + (%s * %d + %s) * %zu, %zu, s);", width, row, s->w,
                     column, s->c, group, ky, s->kw, columns ? "kx" : "0", p->in * width, p->in);
    } else if (h.clipped) {
        if (h.may_miss) hone__c_open(t, "if (kx0 < kx1)");
        hone__c_line(t, "dot%zu(x + ((%s) * %d + ix + kx0) * %d, w + (%s * %d + kx0) * %zu, (kx1 - kx0) * %d, s);",
                     width, row, s->w, s->c, ky, s->kw, p->in * width, s->c);
        if (h.may_miss) hone__c_close(t);
    } else {
        hone__c_line(t, "dot%zu(x + ((%s) * %d + ix) * %d, w + %s * %zu, %zu, s);", width, row, s->w, s->c, ky,
                     (size_t)s->kw * p->in * width, (size_t)s->kw * p->in);
    }
    if (columns) hone__c_close(t);
    if (rows) hone__c_close(t);
}

/* One axis of the way back: which input lies under output o through tap k, if any. */
static void put_source(hone__c_text *t, char name, int pad, int dilation, int stride, int n) {
    char tap[3] = {'k', name, '\0'}, step[HONE_C_NUMBER_SIZE], from[HONE_C_NUMBER_SIZE], own[3] = {'o', name, '\0'};
    hone__c_line(t, "const int32_t t%c = %s - %s;", name, hone__c_linear(from, own, 1, pad),
                 hone__c_linear(step, tap, dilation, 0));
    if (stride == 1)
        hone__c_line(t, "if (t%c < 0 || t%c >= %d) continue;", name, name, n);
    else
        hone__c_line(t, "if (t%c < 0 || t%c %% %d != 0 || t%c >= %d) continue;", name, name, stride, name, n * stride);
}

static void put_transpose_taps(hone__c_text *t, const product *p, size_t width) {
    const hone_conv2d_shape *s = p->s; /* of the convolution from y to x: its output is the input here */
    char row[HONE_C_NUMBER_SIZE] = "ty", column[HONE_C_NUMBER_SIZE] = "tx";
    if (s->stride_h > 1) snprintf(row, sizeof row, "ty / %d", s->stride_h);
    if (s->stride_w > 1) snprintf(column, sizeof column, "tx / %d", s->stride_w);
    hone__c_for(t, "ky", (size_t)s->kh);
    put_source(t, 'y', s->pad_top, s->dilation_h, s->stride_h, s->oh);
    hone__c_for(t, "kx", (size_t)s->kw);
    put_source(t, 'x', s->pad_left, s->dilation_w, s->stride_w, s->ow);
    hone__c_line(t, "dot%zu(x + (%s * %d + %s) * %zu, w + (ky * %d + kx) * %zu, %zu, s);", width, row, s->ow, column,
                 p->in, s->kw, p->in * width, p->in);
    hone__c_close(t);
    hone__c_close(t);
}

static void put_taps(hone__c_text *t, const product *p, size_t width) {
    switch (p->kind) {
    case PRODUCT_CONV2D: put_conv2d_taps(t, p, width); break;
    case PRODUCT_TRANSPOSE: put_transpose_taps(t, p, width); break;
    case PRODUCT_ROWS: hone__c_line(t, "dot%zu(x, w, %zu, s);", width, p->in); break;
    }
}

/* ---- blocks ---------------------------------------------------------------------------------------------------- */

static void put_windows(hone__c_text *t, const product *p) {
    hone__c_axis v = vertical(p->s), h = horizontal(p->s);
    hone__c_put_range(t, 'y', &v);
    hone__c_put_range(t, 'x', &h);
}

/* The pooling window: each sum competes. */
static void put_pooled_block(hone__c_text *t, const product *p, size_t width) {
    const hone_conv2d_shape *s = p->s;
    char from[HONE_C_NUMBER_SIZE];
    hone__c_line(t, "float best[%zu];", width);
    hone__c_line(t, "for (int32_t i = 0; i < %zu; i++) best[i] = -3.402823466e+38f;", width);
    hone__c_open(t, "for (int32_t oy = %s, ey = oy + %d; oy < ey; oy++)",
                 hone__c_linear(from, "py", s->pool_stride_h, 0), s->pool_h);
    hone__c_open(t, "for (int32_t ox = %s, ex = ox + %d; ox < ex; ox++)",
                 hone__c_linear(from, "px", s->pool_stride_w, 0), s->pool_w);
    put_windows(t, p);
    hone__c_line(t, "float s[%zu] = {0};", width);
    put_taps(t, p, width);
    hone__c_line(t, "for (int32_t i = 0; i < %zu; i++) best[i] = s[i] > best[i] ? s[i] : best[i];", width);
    hone__c_close(t);
    hone__c_close(t);
}

static void put_block(hone__c_writer *w, const product *p, size_t width) {
    hone__c_text *t = &w->body;
    const char *sum = p->pooled ? "best" : "s";
    w->dots[width] = true;
    if (p->pooled) {
        put_pooled_block(t, p, width);
    } else {
        hone__c_line(t, "float s[%zu] = {0};", width);
        put_taps(t, p, width);
    }
    hone__c_open(t, "for (int32_t i = 0; i < %zu; i++)", width);
    if (p->has_bias)
        hone__c_line(t, "const float v = %s[i] + b[i];", sum);
    else
        hone__c_line(t, "const float v = %s[i];", sum);
    hone__c_line(t, p->relu ? "y[i] = v > 0.0f ? v : 0.0f;" : "y[i] = v;");
    hone__c_close(t);
    hone__c_line(t, "w += %zu;", p->taps * p->in * width);
    if (p->has_bias) hone__c_line(t, "b += %zu;", width);
    hone__c_line(t, "y += %zu;", width);
}

/* All filters at one place. */
static void put_filters(hone__c_writer *w, const product *p) {
    hone__c_text *t = &w->body;
    size_t whole = p->filters / HONE_C_BLOCK * HONE_C_BLOCK, rest = p->filters - whole;
    hone__c_line(t, "const float *w = %s_kernel;", w->step_name);
    if (p->has_bias) hone__c_line(t, "const float *b = %s_bias;", w->step_name);
    if (p->groups > 1) hone__c_for(t, "g", p->groups);
    if (whole > 0) {
        hone__c_open(t, "for (int32_t f = 0; f < %zu; f += %d)", whole, HONE_C_BLOCK);
        put_block(w, p, HONE_C_BLOCK);
        hone__c_close(t);
    }
    if (rest > 0) {
        hone__c_line(t, "{ /* the last %zu */", rest);
        t->indent++;
        put_block(w, p, rest);
        hone__c_close(t);
    }
    if (p->groups > 1) hone__c_close(t);
}

/* ---- the operations -------------------------------------------------------------------------------------------- */

hone_status hone__c_conv2d(hone__c_writer *w, const hone__op *op, hone_error *err) {
    const hone_conv2d_shape *s = &op->as.conv2d.shape;
    product p = {.kind = PRODUCT_CONV2D,
                 .s = s,
                 .taps = (size_t)s->kh * (size_t)s->kw,
                 .in = (size_t)(s->c / s->groups),
                 .groups = (size_t)s->groups,
                 .filters = (size_t)(s->filters / s->groups),
                 .relu = s->epilogue == HONE_EPILOGUE_RELU,
                 .pooled = s->pool_h > 0};
    HONE_TRY(put_weights(w, op, &p, err));
    hone__c_text *t = &w->body;
    hone__c_for(t, p.pooled ? "py" : "oy", (size_t)(p.pooled ? s->ph : s->oh));
    hone__c_for(t, p.pooled ? "px" : "ox", (size_t)(p.pooled ? s->pw : s->ow));
    if (!p.pooled) put_windows(t, &p);
    put_filters(w, &p);
    hone__c_close(t);
    hone__c_close(t);
    return HONE_OK;
}

hone_status hone__c_conv2d_transpose(hone__c_writer *w, const hone__op *op, hone_error *err) {
    const hone_conv2d_shape *s = &op->as.conv2d.shape;
    product p = {.kind = PRODUCT_TRANSPOSE,
                 .s = s,
                 .taps = (size_t)s->kh * (size_t)s->kw,
                 .in = (size_t)s->filters,
                 .groups = 1,
                 .filters = (size_t)s->c};
    HONE_TRY(put_weights(w, op, &p, err));
    hone__c_text *t = &w->body;
    hone__c_for(t, "oy", (size_t)s->h);
    hone__c_for(t, "ox", (size_t)s->w);
    put_filters(w, &p);
    hone__c_close(t);
    hone__c_close(t);
    return HONE_OK;
}

static void put_rows(hone__c_writer *w, const product *p, size_t rows) {
    hone__c_text *t = &w->body;
    if (rows > 1) hone__c_for(t, "row", rows);
    put_filters(w, p);
    if (rows == 1) return;
    hone__c_line(t, "x += %zu;", p->in);
    hone__c_close(t);
}

hone_status hone__c_dense(hone__c_writer *w, const hone__op *op, hone_error *err) {
    product p = {.kind = PRODUCT_ROWS,
                 .taps = 1,
                 .in = op->as.dense.in,
                 .groups = 1,
                 .filters = op->as.dense.units,
                 .relu = op->as.dense.epilogue == HONE_EPILOGUE_RELU};
    HONE_TRY(put_weights(w, op, &p, err));
    put_rows(w, &p, op->as.dense.rows);
    return HONE_OK;
}

hone_status hone__c_matrix(hone__c_writer *w, const float *matrix, size_t size, hone_error *err) {
    product p = {.kind = PRODUCT_ROWS, .taps = 1, .in = size, .groups = 1, .filters = size};
    HONE_TRY(put_kernel(w, &p, matrix, err));
    put_rows(w, &p, 1);
    return HONE_OK;
}
