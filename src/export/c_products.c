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
    const hone__int8 *q; /* in 8 bits; NULL: in floats */
} product;

/* ---- tables ---------------------------------------------------------------------------------------------------- */

/* Where element (tap, channel, filter) of the kernel is, as Keras has it. */
static size_t kernel_index(const product *p, size_t group, size_t tap, size_t channel, size_t filter) {
    if (p->kind == PRODUCT_TRANSPOSE) return (tap * p->filters + filter) * p->in + channel;
    return (tap * p->in + channel) * p->groups * p->filters + group * p->filters + filter;
}

/* The order in which code reads the kernel: order[i] is where element number i of the table is in the kernel. */
static void find_order(const product *p, size_t *order) {
    for (size_t g = 0; g < p->groups; g++)
        for (size_t first = 0; first < p->filters; first += HONE_C_BLOCK) {
            size_t width = p->filters - first < HONE_C_BLOCK ? p->filters - first : HONE_C_BLOCK;
            for (size_t tap = 0; tap < p->taps; tap++)
                for (size_t c = 0; c < p->in; c++)
                    for (size_t i = 0; i < width; i++) *order++ = kernel_index(p, g, tap, c, first + i);
        }
}

/* The tables of an operation in 8 bits, or a kernel of floats. */
static hone_status put_ordered(hone__c_writer *w, const product *p, const float *kernel, const size_t *order,
                               size_t count, hone_error *err) {
    char remark[120];
    snprintf(remark, sizeof remark, "in blocks of %zu filters, each (%zu, %zu, filter)",
             p->filters < HONE_C_BLOCK ? p->filters : (size_t)HONE_C_BLOCK, p->taps, p->in);
    float *floats = p->q ? NULL : hone__alloc(count, sizeof *floats);
    int64_t *integers = p->q ? hone__alloc(count, sizeof *integers) : NULL;
    if (!floats && !integers) return hone__fail_memory(err, count * sizeof(float), "a packed kernel");
    hone_status status;
    if (p->q) {
        for (size_t i = 0; i < count; i++) integers[i] = p->q->weights[order[i]];
        status = hone__c_int8_weights(w, p->q, integers, count, remark, err);
    } else {
        for (size_t i = 0; i < count; i++) floats[i] = kernel[order[i]];
        status = hone__c_floats(w, "kernel", floats, count, remark, err);
    }
    hone__free(floats);
    hone__free(integers);
    return status;
}

static hone_status put_kernel(hone__c_writer *w, const product *p, const float *kernel, hone_error *err) {
    size_t count = p->groups * p->filters * p->taps * p->in, *order = hone__alloc(count, sizeof *order);
    if (!order) return hone__fail_memory(err, count * sizeof *order, "a packed kernel");
    find_order(p, order);
    hone_status status = put_ordered(w, p, kernel, order, count, err);
    hone__free(order);
    return status;
}

static hone_status put_weights(hone__c_writer *w, const hone__op *op, product *p, hone_error *err) {
    size_t channels = p->groups * p->filters;
    if (p->q) return put_kernel(w, p, NULL, err);
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

/* "dot8" or "byte_dot8", and what it takes at its end. */
static const char *dot_name(const product *p, size_t width, char out[HONE_C_NUMBER_SIZE]) {
    snprintf(out, HONE_C_NUMBER_SIZE, "%sdot%zu", p->q ? "byte_" : "", width);
    return out;
}

static const char *dot_end(const product *p, char out[HONE_C_NUMBER_SIZE]) {
    out[0] = '\0';
    if (p->q) snprintf(out, HONE_C_NUMBER_SIZE, ", %d", (int)p->q->x[0].zero_point);
    return out;
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
    char dot[HONE_C_NUMBER_SIZE], end[HONE_C_NUMBER_SIZE];
    dot_name(p, width, dot);
    dot_end(p, end);
    if (!whole_rows) {
        hone__c_line(t, "%s(x + ((%s) * %d + %s) * %d%s, w + (%s * %d + %s) * %zu, %zu, s%s);", dot, row, s->w, column,
                     s->c, group, ky, s->kw, columns ? "kx" : "0", p->in * width, p->in, end);
    } else if (h.clipped) {
        if (h.may_miss) hone__c_open(t, "if (kx0 < kx1)");
        hone__c_line(t, "%s(x + ((%s) * %d + ix + kx0) * %d, w + (%s * %d + kx0) * %zu, (kx1 - kx0) * %d, s%s);", dot,
                     row, s->w, s->c, ky, s->kw, p->in * width, s->c, end);
        if (h.may_miss) hone__c_close(t);
    } else {
        hone__c_line(t, "%s(x + ((%s) * %d + ix) * %d, w + %s * %zu, %zu, s%s);", dot, row, s->w, s->c, ky,
                     (size_t)s->kw * p->in * width, (size_t)s->kw * p->in, end);
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
    char dot[HONE_C_NUMBER_SIZE], end[HONE_C_NUMBER_SIZE];
    switch (p->kind) {
    case PRODUCT_CONV2D: put_conv2d_taps(t, p, width); break;
    case PRODUCT_TRANSPOSE: put_transpose_taps(t, p, width); break;
    case PRODUCT_ROWS: hone__c_line(t, "%s(x, w, %zu, s%s);", dot_name(p, width, dot), p->in, dot_end(p, end)); break;
    }
}

/* ---- blocks ---------------------------------------------------------------------------------------------------- */

static void put_windows(hone__c_text *t, const product *p) {
    hone__c_axis v = vertical(p->s), h = horizontal(p->s);
    hone__c_put_range(t, 'y', &v);
    hone__c_put_range(t, 'x', &h);
}

/* The pooling window: each sum competes. Bias, relu and rounding to 8 bits keep the order, so they may come after. */
static void put_pooled_block(hone__c_text *t, const product *p, size_t width) {
    const hone_conv2d_shape *s = p->s;
    char from[HONE_C_NUMBER_SIZE];
    hone__c_line(t, "%s best[%zu];", p->q ? "int32_t" : "float", width);
    hone__c_line(t, "for (int32_t i = 0; i < %zu; i++) best[i] = %s;", width,
                 p->q ? "-INT32_MAX" : "-3.402823466e+38f");
    hone__c_open(t, "for (int32_t oy = %s, ey = oy + %d; oy < ey; oy++)",
                 hone__c_linear(from, "py", s->pool_stride_h, 0), s->pool_h);
    hone__c_open(t, "for (int32_t ox = %s, ex = ox + %d; ox < ex; ox++)",
                 hone__c_linear(from, "px", s->pool_stride_w, 0), s->pool_w);
    put_windows(t, p);
    hone__c_line(t, "%s s[%zu] = {0};", p->q ? "int32_t" : "float", width);
    put_taps(t, p, width);
    hone__c_line(t, "for (int32_t i = 0; i < %zu; i++) best[i] = s[i] > best[i] ? s[i] : best[i];", width);
    hone__c_close(t);
    hone__c_close(t);
}

/* y[i] = what sum number i becomes, for a block of filters. */
static void put_results(hone__c_writer *w, const product *p, size_t width) {
    hone__c_text *t = &w->body;
    const char *sum = p->pooled ? "best" : "s";
    char result[400], prefix[HONE_C_NAME_SIZE + 2], element[HONE_C_NUMBER_SIZE];
    hone__c_open(t, "for (int32_t i = 0; i < %zu; i++)", width);
    if (p->q) {
        snprintf(prefix, sizeof prefix, "%s_", w->step_name);
        snprintf(element, sizeof element, "%s[i]", sum);
        hone__c_line(t, "y[i] = %s;", hone__c_int8_result(w, p->q, result, sizeof result, element, prefix, "n + i"));
    } else {
        if (p->has_bias)
            hone__c_line(t, "const float v = %s[i] + b[i];", sum);
        else
            hone__c_line(t, "const float v = %s[i];", sum);
        hone__c_line(t, p->relu ? "y[i] = v > 0.0f ? v : 0.0f;" : "y[i] = v;");
    }
    hone__c_close(t);
}

static void put_block(hone__c_writer *w, const product *p, size_t width) {
    hone__c_text *t = &w->body;
    (p->q ? w->byte_dots : w->dots)[width] = true;
    if (p->pooled) {
        put_pooled_block(t, p, width);
    } else {
        hone__c_line(t, "%s s[%zu] = {0};", p->q ? "int32_t" : "float", width);
        put_taps(t, p, width);
    }
    put_results(w, p, width);
    hone__c_line(t, "w += %zu;", p->taps * p->in * width);
    if (p->q) hone__c_line(t, "n += %zu;", width);
    if (p->has_bias) hone__c_line(t, "b += %zu;", width);
    hone__c_line(t, "y += %zu;", width);
}

/* All filters at one place. */
static void put_filters(hone__c_writer *w, const product *p) {
    hone__c_text *t = &w->body;
    size_t whole = p->filters / HONE_C_BLOCK * HONE_C_BLOCK, rest = p->filters - whole;
    hone__c_line(t, "const %s *w = %s_kernel;", p->q ? "int8_t" : "float", w->step_name);
    if (p->q) hone__c_line(t, "int32_t n = 0; /* the filter */");
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
                 .pooled = s->pool_h > 0,
                 .q = op->int8};
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
                 .relu = op->as.dense.epilogue == HONE_EPILOGUE_RELU,
                 .q = op->int8};
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
