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
static void open_taps(hone__c_text *t, const sliding *s) {
    char row[HONE_C_NUMBER_SIZE], column[HONE_C_NUMBER_SIZE];
    hone__c_axis v = hone__c_axis_of(s->h, s->kh, s->stride_h, s->dilation_h, s->pad_top, s->oh);
    hone__c_axis h = hone__c_axis_of(s->w, s->kw, s->stride_w, s->dilation_w, s->pad_left, s->ow);
    open_range(t, 'y', &v);
    open_range(t, 'x', &h);
    hone__c_line(t, "const float v = x[((iy + %s) * %d + ix + %s) * %d + c];",
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
    int channels = d->c * d->multiplier;
    bool has_bias, many = d->multiplier > 1;
    HONE_TRY(put_weights(w, op, (size_t)d->kh * (size_t)d->kw, (size_t)channels, &has_bias, err));
    hone__c_text *t = &w->body;
    const char *name = w->step_name, *channel = many ? "o" : "c";
    open_pixels(t, &s);
    hone__c_for(t, "c", (size_t)d->c);
    if (many) {
        hone__c_open(t, "for (int32_t o = c * %d, e = o + %d; o < e; o++)", d->multiplier, d->multiplier);
    }
    if (has_bias)
        hone__c_line(t, "float s = %s_bias[%s];", name, channel);
    else
        hone__c_line(t, "float s = 0.0f;");
    open_taps(t, &s);
    hone__c_line(t, "s += v * %s_kernel[(ky * %d + kx) * %d + %s];", name, d->kw, channels, channel);
    close_blocks(t, 2);
    hone__c_line(t, d->epilogue == HONE_EPILOGUE_RELU ? "*y++ = s > 0.0f ? s : 0.0f;" : "*y++ = s;");
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

hone_status hone__c_max_pool2d(hone__c_writer *w, const hone__op *op, hone_error *err) {
    (void)err;
    const sliding s = sliding_pool(&op->as.pool);
    hone__c_text *t = &w->body;
    open_pixels(t, &s);
    hone__c_for(t, "c", (size_t)s.c);
    hone__c_line(t, "float best = -3.402823466e+38f;");
    open_taps(t, &s);
    hone__c_line(t, "if (v > best) best = v;");
    close_blocks(t, 2);
    hone__c_line(t, "*y++ = best;");
    close_blocks(t, 3);
    return HONE_OK;
}

hone_status hone__c_average_pool2d(hone__c_writer *w, const hone__op *op, hone_error *err) {
    (void)err;
    const sliding s = sliding_pool(&op->as.pool);
    hone__c_text *t = &w->body;
    open_pixels(t, &s);
    hone__c_axis v = hone__c_axis_of(s.h, s.kh, s.stride_h, 1, s.pad_top, s.oh);
    hone__c_axis h = hone__c_axis_of(s.w, s.kw, s.stride_w, 1, s.pad_left, s.ow);
    char rows[HONE_C_NUMBER_SIZE], columns[HONE_C_NUMBER_SIZE];
    snprintf(rows, sizeof rows, v.clipped ? "(ky1 - ky0)" : "%d", s.kh);
    snprintf(columns, sizeof columns, h.clipped ? "(kx1 - kx0)" : "%d", s.kw);
    hone__c_line(t, "const float count = (float)(%s * %s); /* padding does not count */", rows, columns);
    hone__c_for(t, "c", (size_t)s.c);
    hone__c_line(t, "float s = 0.0f;");
    open_taps(t, &s);
    hone__c_line(t, "s += v;");
    close_blocks(t, 2);
    hone__c_line(t, "*y++ = s / count;");
    close_blocks(t, 3);
    return HONE_OK;
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
