/* SPDX-License-Identifier: Apache-2.0
 *
 * DepthwiseConv2D and poolings as C: for every pixel of the output and every channel, a walk over the window's taps
 * that lie inside the picture. */
#include "c_writer.h"

/* A window that slides over a picture. */
typedef struct sliding {
    int h, w, c, kh, kw, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left, oh, ow;
} sliding;

static void open_pixels(hone__c_text *t, const sliding *s) {
    hone__c_for(t, "oy", (size_t)s->oh);
    hone__c_for(t, "ox", (size_t)s->ow);
    hone__c_axis v = hone__c_axis_of(s->h, s->kh, s->stride_h, s->dilation_h, s->pad_top, s->oh);
    hone__c_axis h = hone__c_axis_of(s->w, s->kw, s->stride_w, s->dilation_w, s->pad_left, s->ow);
    hone__c_put_range(t, 'y', &v);
    hone__c_put_range(t, 'x', &h);
}

static void open_range(hone__c_text *t, char name, const hone__c_axis *a) {
    if (a->clipped)
        hone__c_open(t, "for (int32_t k%c = k%c0; k%c < k%c1; k%c++)", name, name, name, name, name);
    else
        hone__c_open(t, "for (int32_t k%c = 0; k%c < %d; k%c++)", name, name, a->taps, name);
}

/* The taps of channel c; v is the value there. */
static void open_taps(hone__c_text *t, const sliding *s, const char *type) {
    char row[HONE_C_NUMBER_SIZE], column[HONE_C_NUMBER_SIZE];
    hone__c_axis v = hone__c_axis_of(s->h, s->kh, s->stride_h, s->dilation_h, s->pad_top, s->oh);
    hone__c_axis h = hone__c_axis_of(s->w, s->kw, s->stride_w, s->dilation_w, s->pad_left, s->ow);
    open_range(t, 'y', &v);
    open_range(t, 'x', &h);
    hone__c_line(t, "const %s v = x[((iy + %s) * %d + ix + %s) * %d + c];", type,
                 hone__c_linear(row, "ky", s->dilation_h, 0), s->w, hone__c_linear(column, "kx", s->dilation_w, 0),
                 s->c);
}

static void close_blocks(hone__c_text *t, int count) {
    while (count-- > 0) hone__c_close(t);
}

/* ---- depthwise ------------------------------------------------------------------------------------------------- */

static hone_status put_weights(hone__c_writer *w, const hone__op *op, size_t taps, size_t channels, bool *has_bias,
                               hone_error *err) {
    hone__c_weights weights;
    HONE_TRY(hone__c_weights_init(&weights, w, op, taps, channels, err));
    *has_bias = weights.bias != NULL;
    hone_status status = hone__c_floats(w, "kernel", weights.kernel, taps * channels, "(window, channel)", err);
    if (status == HONE_OK && *has_bias) status = hone__c_floats(w, "bias", weights.bias, channels, NULL, err);
    hone__c_weights_release(&weights);
    return status;
}

static hone_status put_int8_weights(hone__c_writer *w, const hone__int8 *q, hone_error *err) {
    size_t count = q->taps * q->channels;
    int64_t *kernel = hone__alloc(count, sizeof *kernel);
    if (!kernel) return hone__fail_memory(err, count * sizeof *kernel, "a packed kernel");
    for (size_t i = 0; i < count; i++) kernel[i] = q->weights[i];
    hone_status status = hone__c_int8_weights(w, q, kernel, count, "(window, channel)", err);
    hone__free(kernel);
    return status;
}

/* The sum over the window of one output channel, and what it becomes. */
static void put_channel(hone__c_writer *w, const sliding *s, const hone__op *op, bool has_bias) {
    hone__c_text *t = &w->body;
    const hone_depthwise_shape *d = &op->as.depthwise;
    const hone__int8 *q = op->int8;
    const char *name = w->step_name, *channel = d->multiplier > 1 ? "o" : "c";
    char result[400], prefix[HONE_C_NAME_SIZE + 2];
    if (q)
        hone__c_line(t, "int32_t s = 0;");
    else if (has_bias)
        hone__c_line(t, "float s = %s_bias[%s];", name, channel);
    else
        hone__c_line(t, "float s = 0.0f;");
    open_taps(t, s, q ? "int32_t" : "float");
    if (q)
        hone__c_line(t, "s += (v - %d) * %s_kernel[(ky * %d + kx) * %d + %s];", (int)q->x[0].zero_point, name, d->kw,
                     d->c * d->multiplier, channel);
    else
        hone__c_line(t, "s += v * %s_kernel[(ky * %d + kx) * %d + %s];", name, d->kw, d->c * d->multiplier, channel);
    close_blocks(t, 2);
    snprintf(prefix, sizeof prefix, "%s_", name);
    if (q)
        hone__c_line(t, "*y++ = %s;", hone__c_int8_result(w, q, result, sizeof result, "s", prefix, channel));
    else
        hone__c_line(t, d->epilogue == HONE_EPILOGUE_RELU ? "*y++ = s > 0.0f ? s : 0.0f;" : "*y++ = s;");
}

hone_status hone__c_depthwise_conv2d(hone__c_writer *w, const hone__op *op, hone_error *err) {
    const hone_depthwise_shape *d = &op->as.depthwise;
    const sliding s = {.h = d->h,
                       .w = d->w,
                       .c = d->c,
                       .kh = d->kh,
                       .kw = d->kw,
                       .stride_h = d->stride_h,
                       .stride_w = d->stride_w,
                       .dilation_h = d->dilation_h,
                       .dilation_w = d->dilation_w,
                       .pad_top = d->pad_top,
                       .pad_left = d->pad_left,
                       .oh = d->oh,
                       .ow = d->ow};
    bool has_bias = false, many = d->multiplier > 1;
    size_t taps = (size_t)d->kh * (size_t)d->kw, channels = (size_t)d->c * (size_t)d->multiplier;
    HONE_TRY(op->int8 ? put_int8_weights(w, op->int8, err) : put_weights(w, op, taps, channels, &has_bias, err));
    hone__c_text *t = &w->body;
    open_pixels(t, &s);
    hone__c_for(t, "c", (size_t)d->c);
    if (many) hone__c_open(t, "for (int32_t o = c * %d, e = o + %d; o < e; o++)", d->multiplier, d->multiplier);
    put_channel(w, &s, op, has_bias);
    close_blocks(t, many ? 4 : 3);
    return HONE_OK;
}

/* ---- pooling --------------------------------------------------------------------------------------------------- */

static sliding sliding_pool(const hone_pool2d_shape *p) {
    return (sliding){.h = p->h,
                     .w = p->w,
                     .c = p->c,
                     .kh = p->pool_h,
                     .kw = p->pool_w,
                     .stride_h = p->stride_h,
                     .stride_w = p->stride_w,
                     .dilation_h = 1,
                     .dilation_w = 1,
                     .pad_top = p->pad_top,
                     .pad_left = p->pad_left,
                     .oh = p->oh,
                     .ow = p->ow};
}

static hone_status put_max_pool(hone__c_writer *w, const hone_pool2d_shape *pool, const char *type,
                                const char *lowest) {
    const sliding s = sliding_pool(pool);
    hone__c_text *t = &w->body;
    open_pixels(t, &s);
    hone__c_for(t, "c", (size_t)s.c);
    hone__c_line(t, "%s best = %s;", type, lowest);
    open_taps(t, &s, type);
    hone__c_line(t, "if (v > best) best = v;");
    close_blocks(t, 2);
    hone__c_line(t, "*y++ = best;");
    close_blocks(t, 3);
    return HONE_OK;
}

hone_status hone__c_max_pool2d(hone__c_writer *w, const hone__op *op, hone_error *err) {
    (void)err;
    return put_max_pool(w, &op->as.pool, "float", "-3.402823466e+38f");
}

hone_status hone__c_int8_max_pool2d(hone__c_writer *w, const hone__op *op, hone_error *err) {
    (void)err;
    return put_max_pool(w, &op->int8->pool, "uint8_t", "0");
}

static hone_status put_average_pool(hone__c_writer *w, const hone_pool2d_shape *pool, bool in_bytes) {
    const sliding s = sliding_pool(pool);
    hone__c_text *t = &w->body;
    const char *type = in_bytes ? "int32_t" : "float";
    char rows[HONE_C_NUMBER_SIZE], columns[HONE_C_NUMBER_SIZE];
    hone__c_axis v = hone__c_axis_of(s.h, s.kh, s.stride_h, 1, s.pad_top, s.oh);
    hone__c_axis h = hone__c_axis_of(s.w, s.kw, s.stride_w, 1, s.pad_left, s.ow);
    open_pixels(t, &s);
    snprintf(rows, sizeof rows, v.clipped ? "(ky1 - ky0)" : "%d", s.kh);
    snprintf(columns, sizeof columns, h.clipped ? "(kx1 - kx0)" : "%d", s.kw);
    hone__c_line(t, "const %s count = %s(%s * %s); /* padding does not count */", type, in_bytes ? "" : "(float)", rows,
                 columns);
    hone__c_for(t, "c", (size_t)s.c);
    hone__c_line(t, "%s s = 0;", type);
    open_taps(t, &s, type);
    hone__c_line(t, "s += v;");
    close_blocks(t, 2);
    hone__c_line(t, in_bytes ? "*y++ = (uint8_t)((2 * s + count) / (2 * count));" : "*y++ = s / count;");
    close_blocks(t, 3);
    return HONE_OK;
}

hone_status hone__c_average_pool2d(hone__c_writer *w, const hone__op *op, hone_error *err) {
    (void)err;
    return put_average_pool(w, &op->as.pool, false);
}

hone_status hone__c_int8_average_pool2d(hone__c_writer *w, const hone__op *op, hone_error *err) {
    (void)err;
    return put_average_pool(w, &op->int8->pool, true);
}

hone_status hone__c_global_max_pool2d(hone__c_writer *w, const hone__op *op, hone_error *err) {
    (void)err;
    hone__c_text *t = &w->body;
    size_t pixels = op->as.rows.rows, c = op->as.rows.c;
    hone__c_for(t, "c", c);
    hone__c_line(t, "float best = x[c];");
    hone__c_open(t, "for (int32_t i = 1; i < %zu; i++)", pixels);
    hone__c_line(t, "const float v = x[i * %zu + c];", c);
    hone__c_line(t, "if (v > best) best = v;");
    hone__c_close(t);
    hone__c_line(t, "y[c] = best;");
    hone__c_close(t);
    return HONE_OK;
}

hone_status hone__c_global_average_pool2d(hone__c_writer *w, const hone__op *op, hone_error *err) {
    (void)err;
    hone__c_text *t = &w->body;
    size_t pixels = op->as.rows.rows, c = op->as.rows.c;
    hone__c_for(t, "c", c);
    hone__c_line(t, "float s = 0.0f;");
    hone__c_line(t, "for (int32_t i = 0; i < %zu; i++) s += x[i * %zu + c];", pixels, c);
    hone__c_line(t, "y[c] = s / %zu.0f;", pixels);
    hone__c_close(t);
    return HONE_OK;
}
