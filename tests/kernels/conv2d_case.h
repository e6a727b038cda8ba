/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution cases for tests and measurements: shapes from a few numbers, and naive loops in double. */
#ifndef HONE_CONV2D_CASE_H
#define HONE_CONV2D_CASE_H

#include "kernel_test.h"

/* What a case is made of; zeros mean 1 (groups, stride, dilation), none (padding, pooling). */
typedef struct conv2d_case {
    int h, w, c, kh, kw, filters, stride_h, stride_w, dilation_h, dilation_w, groups;
    int pad_top, pad_left, pad_bottom, pad_right;
    int pool_h, pool_w, pool_stride_h, pool_stride_w;
    bool relu, no_bias;
} conv2d_case;

static inline int cc_or_one(int value) {
    return value > 0 ? value : 1;
}

/* False where the case has no output. */
static inline bool cc_shape(const conv2d_case *c, hone_conv2d_shape *s) {
    *s = (hone_conv2d_shape){.h = c->h, .w = c->w, .c = c->c, .kh = c->kh, .kw = c->kw, .filters = c->filters};
    s->groups = cc_or_one(c->groups);
    s->stride_h = cc_or_one(c->stride_h);
    s->stride_w = cc_or_one(c->stride_w);
    s->dilation_h = cc_or_one(c->dilation_h);
    s->dilation_w = cc_or_one(c->dilation_w);
    s->pad_top = c->pad_top, s->pad_left = c->pad_left;
    s->pad_bottom = c->pad_bottom, s->pad_right = c->pad_right;
    s->has_bias = !c->no_bias;
    s->epilogue = c->relu ? HONE_EPILOGUE_RELU : HONE_EPILOGUE_NONE;
    const int free_h = s->h + s->pad_top + s->pad_bottom - (s->kh - 1) * s->dilation_h - 1;
    const int free_w = s->w + s->pad_left + s->pad_right - (s->kw - 1) * s->dilation_w - 1;
    if (free_h < 0 || free_w < 0) return false;
    s->oh = free_h / s->stride_h + 1;
    s->ow = free_w / s->stride_w + 1;
    if (c->pool_h > 0) {
        s->pool_h = c->pool_h, s->pool_w = c->pool_w;
        s->pool_stride_h = c->pool_stride_h > 0 ? c->pool_stride_h : c->pool_h;
        s->pool_stride_w = c->pool_stride_w > 0 ? c->pool_stride_w : c->pool_w;
        if (s->oh < s->pool_h || s->ow < s->pool_w) return false;
        s->ph = (s->oh - s->pool_h) / s->pool_stride_h + 1;
        s->pw = (s->ow - s->pool_w) / s->pool_stride_w + 1;
    }
    return true;
}

static inline size_t cc_input(const hone_conv2d_shape *s) {
    return (size_t)s->h * (size_t)s->w * (size_t)s->c;
}
static inline size_t cc_kernel(const hone_conv2d_shape *s) {
    return (size_t)s->kh * (size_t)s->kw * (size_t)(s->c / s->groups) * (size_t)s->filters;
}
static inline size_t cc_map(const hone_conv2d_shape *s) { /* before pooling */
    return (size_t)s->oh * (size_t)s->ow * (size_t)s->filters;
}
static inline size_t cc_output(const hone_conv2d_shape *s) {
    return s->pool_h ? (size_t)s->ph * (size_t)s->pw * (size_t)s->filters : cc_map(s);
}

/* Calls visit for every product of the convolution: indices of x, kernel and map that meet. */
static inline void cc_each(const hone_conv2d_shape *s, void (*visit)(void *, size_t, size_t, size_t), void *context) {
    const int cg = s->c / s->groups, fg = s->filters / s->groups;
    for (int oy = 0; oy < s->oh; oy++)
        for (int ox = 0; ox < s->ow; ox++)
            for (int ky = 0; ky < s->kh; ky++)
                for (int kx = 0; kx < s->kw; kx++) {
                    const int iy = oy * s->stride_h + ky * s->dilation_h - s->pad_top;
                    const int ix = ox * s->stride_w + kx * s->dilation_w - s->pad_left;
                    if (iy < 0 || iy >= s->h || ix < 0 || ix >= s->w) continue;
                    for (int c = 0; c < cg; c++)
                        for (int f = 0; f < s->filters; f++)
                            visit(context, (size_t)((iy * s->w + ix) * s->c + f / fg * cg + c),
                                  (size_t)(((ky * s->kw + kx) * cg + c) * s->filters + f),
                                  (size_t)((oy * s->ow + ox) * s->filters + f));
                }
}

/* to[t] += a[i] * b[j], and the sizes of the products into size[t]: forward (to = map, a = x, b = kernel) and backward
 * alike, by which of the three indices is summed into. */
typedef struct cc_sum {
    int target; /* 0 x, 1 kernel, 2 map */
    const float *x, *kernel;
    const double *map, *map_size; /* map_size: of what a map's element was summed from */
    double *to, *size;
} cc_sum;

static inline void cc_visit(void *context, size_t x, size_t kernel, size_t map) {
    cc_sum *s = context;
    const size_t at = s->target == 0 ? x : s->target == 1 ? kernel : map;
    double term = 1;
    if (s->target != 0) term *= (double)s->x[x];
    if (s->target != 1) term *= (double)s->kernel[kernel];
    s->to[at] += s->target != 2 ? term * s->map[map] : term;
    s->size[at] += fabs(term) * (s->target != 2 ? s->map_size[map] : 1);
}

#endif
