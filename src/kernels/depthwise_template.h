/* SPDX-License-Identifier: Apache-2.0
 *
 * Depthwise convolutions: every channel has its own (kh, kw) kernel, and vectors lie along the channels.
 *
 * The one idea: with multiplier 1 the kernel, (kh, kw, c), is as contiguous as the image, so a tap is one fused
 * multiply-add of whole pixels. Pixels whose window lies inside the image go in blocks that share the kernel's loads.
 * The input gradient at stride 1 is the same computation with the kernel turned round; at larger strides it is
 * scattered. A multiplier above 1, which no known model uses, takes plain loops. */

enum {
    DEPTHWISE_BLOCK = V_REGISTERS / 4, /* pixels at once: as many sums in registers */
    DEPTHWISE_TAPS = 3                 /* taps of a kernel row whose gradients are summed at once */
};

/* dy where the output y is positive; y NULL: no relu, all of it. */
HONE_INLINE vfloat masked_gradient(const float *dy, const float *y, size_t lanes) {
    const vfloat g = v_load_lanes(dy, lanes);
    return y ? v_select(v_gt(v_load_lanes(y, lanes), v_zero()), g, v_zero()) : g;
}

/* ---- windows of a row of outputs, multiplier 1 ----------------------------------------------------------------- */

/* What a pass over windows needs to know: of the forward pass, or of the backward pass at stride 1, where the image is
 * dy, masked by y, and the kernel is turned round. */
typedef struct depthwise_pass {
    const float *image, *mask; /* (h, w, c) */
    const float *kernel, *bias;
    int h, w, kh, kw, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left;
    size_t c;
    int oh, ow;
    bool relu;
} depthwise_pass;

/* Constants of a pass: whether the image is masked, and the kernel turned round. */
typedef enum depthwise_kind { DEPTHWISE_FORWARD, DEPTHWISE_TURNED, DEPTHWISE_TURNED_MASKED } depthwise_kind;

/* pixels outputs side by side, of which the first one's tap (0, 0) lies at (iy, ix); all have the same taps. */
HONE_INLINE void depthwise_window(const depthwise_pass *p, depthwise_kind kind, int iy, int ix, tap_range ty,
                                  tap_range tx, int pixels, size_t channel, size_t lanes, float *y) {
    const ptrdiff_t c = (ptrdiff_t)p->c, step = p->stride_w * c, tap_step = p->dilation_w * c;
    const ptrdiff_t kernel_step = kind == DEPTHWISE_FORWARD ? c : -c;
    const vfloat start = p->bias ? v_load_lanes(p->bias + channel, lanes) : v_zero();
    vfloat sum[DEPTHWISE_BLOCK];
    HONE_UNROLL
    for (int i = 0; i < pixels; i++) sum[i] = start;
    for (int ky = ty.first; ky < ty.end; ky++) {
        const int tap = ky * p->kw + tx.first, from = kind == DEPTHWISE_FORWARD ? tap : p->kh * p->kw - 1 - tap;
        const ptrdiff_t pixel = (ptrdiff_t)(iy + ky * p->dilation_h) * p->w + ix + tx.first * p->dilation_w;
        ptrdiff_t at = pixel * c + (ptrdiff_t)channel, weight_at = from * c + (ptrdiff_t)channel;
        for (int kx = tx.first; kx < tx.end; kx++, at += tap_step, weight_at += kernel_step) {
            const vfloat weight = v_load_lanes(p->kernel + weight_at, lanes);
            HONE_UNROLL
            for (int i = 0; i < pixels; i++) {
                const float *mask = kind == DEPTHWISE_TURNED_MASKED ? p->mask + at + i * step : NULL;
                sum[i] = v_fma(masked_gradient(p->image + at + i * step, mask, lanes), weight, sum[i]);
            }
        }
    }
    HONE_UNROLL
    for (int i = 0; i < pixels; i++) v_store_lanes(y + i * c + channel, p->relu ? v_relu(sum[i]) : sum[i], lanes);
}

/* pixels outputs from ox on, of all channels. y: the row's outputs. */
HONE_INLINE void depthwise_pixels(const depthwise_pass *p, depthwise_kind kind, int iy, tap_range ty, int ox,
                                  int pixels, float *y) {
    const int ix = ox * p->stride_w - p->pad_left;
    const tap_range tx = taps_inside(ix, p->kw, p->dilation_w, p->w);
    float *to = y + (size_t)ox * p->c;
#define LANES(i, lanes) depthwise_window(p, kind, iy, ix, ty, tx, pixels, (i), (lanes), to)
    EACH_CHANNEL_VECTOR(p->c, LANES);
#undef LANES
}

/* The outputs of a row whose windows have all their columns go in blocks; the last block begins early enough to be a
 * whole one, for a pixel computed twice is the same both times. */
HONE_INLINE void depthwise_windows(const depthwise_pass *p, depthwise_kind kind, float *y) {
    const int half = DEPTHWISE_BLOCK / 2, room = p->w - 1 - (p->kw - 1) * p->dilation_w + p->pad_left;
    int first = p->pad_left > 0 ? (p->pad_left + p->stride_w - 1) / p->stride_w : 0;
    int end = room >= 0 ? room / p->stride_w + 1 : 0;
    if (end > p->ow) end = p->ow;
    if (first > end) first = end = 0;
    const int block = end - first >= DEPTHWISE_BLOCK ? DEPTHWISE_BLOCK : end - first >= half ? half : 1;
    for (int oy = 0; oy < p->oh; oy++, y += (size_t)p->ow * p->c) {
        const int iy = oy * p->stride_h - p->pad_top;
        const tap_range ty = taps_inside(iy, p->kh, p->dilation_h, p->h);
        for (int ox = 0; ox < first; ox++) depthwise_pixels(p, kind, iy, ty, ox, 1, y);
        for (int ox = first; ox < end; ox += block) {
            const int from = ox + block <= end ? ox : end - block;
            if (block == DEPTHWISE_BLOCK)
                depthwise_pixels(p, kind, iy, ty, from, DEPTHWISE_BLOCK, y);
            else if (block == half)
                depthwise_pixels(p, kind, iy, ty, from, half, y);
            else
                depthwise_pixels(p, kind, iy, ty, from, 1, y);
        }
        for (int ox = end; ox < p->ow; ox++) depthwise_pixels(p, kind, iy, ty, ox, 1, y);
    }
}

/* ---- multiplier above 1 ---------------------------------------------------------------------------------------- */

/* For every output pixel at (iy, ix) of one sample and every tap in its image: input pixel, output pixel and tap. */
#define EACH_DEPTHWISE_TAP(s, out_pixel, in_pixel, tap)                                                                \
    for (int oy = 0, out_pixel = 0; oy < (s)->oh; oy++)                                                                \
        for (int ox = 0; ox < (s)->ow; ox++, out_pixel++)                                                              \
            for (int ky = 0, tap = 0; ky < (s)->kh; ky++)                                                              \
                for (int kx = 0, in_pixel = -1; kx < (s)->kw; kx++, tap++)                                             \
                    if ((in_pixel = depthwise_input_pixel(s, oy, ox, ky, kx)) >= 0)

/* -1 where the tap lies outside. */
HONE_INLINE int depthwise_input_pixel(const hone_depthwise_shape *s, int oy, int ox, int ky, int kx) {
    const int iy = oy * s->stride_h - s->pad_top + ky * s->dilation_h;
    const int ix = ox * s->stride_w - s->pad_left + kx * s->dilation_w;
    return iy >= 0 && iy < s->h && ix >= 0 && ix < s->w ? iy * s->w + ix : -1;
}

static void depthwise_forward_multiplied(const hone_depthwise_shape *s, const float *x, const float *kernel,
                                         const float *bias, float *y) {
    const size_t c = (size_t)s->c, multiplier = (size_t)s->multiplier, filters = c * multiplier;
    const size_t outputs = (size_t)s->oh * (size_t)s->ow * filters;
    for (size_t i = 0; i < outputs; i++) y[i] = bias ? bias[i % filters] : 0.0f;
    EACH_DEPTHWISE_TAP(s, out_pixel, in_pixel, tap) {
        const float *from = x + (size_t)in_pixel * c, *weights = kernel + (size_t)tap * filters;
        float *to = y + (size_t)out_pixel * filters;
        for (size_t channel = 0; channel < c; channel++)
            for (size_t m = channel * multiplier; m < (channel + 1) * multiplier; m++)
                to[m] = v_fma_one(from[channel], weights[m], to[m]);
    }
    if (s->epilogue == HONE_EPILOGUE_RELU)
        for (size_t i = 0; i < outputs; i++) y[i] = y[i] < 0.0f ? 0.0f : y[i];
}

static void depthwise_backward_input_multiplied(const hone_depthwise_shape *s, const float *dy, const float *y,
                                                const float *kernel, float *dx) {
    const size_t c = (size_t)s->c, multiplier = (size_t)s->multiplier, filters = c * multiplier;
    memset(dx, 0, (size_t)s->h * (size_t)s->w * c * sizeof *dx);
    EACH_DEPTHWISE_TAP(s, out_pixel, in_pixel, tap) {
        const float *g = dy + (size_t)out_pixel * filters, *mask = y ? y + (size_t)out_pixel * filters : NULL;
        const float *weights = kernel + (size_t)tap * filters;
        float *to = dx + (size_t)in_pixel * c;
        for (size_t channel = 0; channel < c; channel++)
            for (size_t m = channel * multiplier; m < (channel + 1) * multiplier; m++)
                if (!mask || mask[m] > 0.0f) to[channel] = v_fma_one(g[m], weights[m], to[channel]);
    }
}

static void depthwise_backward_weights_multiplied(const hone_depthwise_shape *s, const float *x, const float *dy,
                                                  const float *y, float *dkernel) {
    const size_t c = (size_t)s->c, multiplier = (size_t)s->multiplier, filters = c * multiplier;
    EACH_DEPTHWISE_TAP(s, out_pixel, in_pixel, tap) {
        const float *g = dy + (size_t)out_pixel * filters, *mask = y ? y + (size_t)out_pixel * filters : NULL;
        const float *from = x + (size_t)in_pixel * c;
        float *to = dkernel + (size_t)tap * filters;
        for (size_t channel = 0; channel < c; channel++)
            for (size_t m = channel * multiplier; m < (channel + 1) * multiplier; m++)
                if (!mask || mask[m] > 0.0f) to[m] = v_fma_one(from[channel], g[m], to[m]);
    }
}

/* ---- forward --------------------------------------------------------------------------------------------------- */

static void depthwise_forward(const hone_depthwise_shape *s, size_t n, const float *x, const float *kernel,
                              const float *bias, float *y) {
    const size_t c = (size_t)s->c, image = (size_t)s->h * (size_t)s->w * c;
    const size_t output = (size_t)s->oh * (size_t)s->ow * c * (size_t)s->multiplier;
    if (!s->has_bias) bias = NULL;
    for (size_t sample = 0; sample < n; sample++, x += image, y += output) {
        if (s->multiplier != 1) {
            depthwise_forward_multiplied(s, x, kernel, bias, y);
            continue;
        }
        const depthwise_pass pass = {
            .image = x,
            .kernel = kernel,
            .bias = bias,
            .h = s->h,
            .w = s->w,
            .kh = s->kh,
            .kw = s->kw,
            .stride_h = s->stride_h,
            .stride_w = s->stride_w,
            .dilation_h = s->dilation_h,
            .dilation_w = s->dilation_w,
            .pad_top = s->pad_top,
            .pad_left = s->pad_left,
            .c = c,
            .oh = s->oh,
            .ow = s->ow,
            .relu = s->epilogue == HONE_EPILOGUE_RELU,
        };
        depthwise_windows(&pass, DEPTHWISE_FORWARD, y);
    }
}

/* ---- input gradient -------------------------------------------------------------------------------------------- */

HONE_INLINE void depthwise_scatter(const hone_depthwise_shape *s, int iy, int ix, tap_range ty, tap_range tx,
                                   const float *dy, const float *y, const float *kernel, float *dx, size_t channel,
                                   size_t lanes) {
    const vfloat g = masked_gradient(dy + channel, y ? y + channel : NULL, lanes);
    for (int ky = ty.first; ky < ty.end; ky++)
        for (int kx = tx.first; kx < tx.end; kx++) {
            const int pixel = (iy + ky * s->dilation_h) * s->w + ix + kx * s->dilation_w;
            const size_t tap = (size_t)(ky * s->kw + kx) * (size_t)s->c;
            float *to = dx + (size_t)pixel * (size_t)s->c + channel;
            v_store_lanes(to, v_fma(g, v_load_lanes(kernel + tap + channel, lanes), v_load_lanes(to, lanes)), lanes);
        }
}

static void depthwise_scatter_all(const hone_depthwise_shape *s, const float *dy, const float *y, const float *kernel,
                                  float *dx) {
    const size_t c = (size_t)s->c;
    memset(dx, 0, (size_t)s->h * (size_t)s->w * c * sizeof *dx);
    for (int oy = 0; oy < s->oh; oy++) {
        const int iy = oy * s->stride_h - s->pad_top;
        const tap_range ty = taps_inside(iy, s->kh, s->dilation_h, s->h);
        for (int ox = 0; ox < s->ow; ox++, dy += c, y = y ? y + c : NULL) {
            const int ix = ox * s->stride_w - s->pad_left;
            const tap_range tx = taps_inside(ix, s->kw, s->dilation_w, s->w);
#define LANES(i, lanes) depthwise_scatter(s, iy, ix, ty, tx, dy, y, kernel, dx, (i), (lanes))
            EACH_CHANNEL_VECTOR(c, LANES);
#undef LANES
        }
    }
}

static void depthwise_backward_input(const hone_depthwise_shape *s, size_t n, const float *dy, const float *y,
                                     const float *kernel, float *dx) {
    const size_t c = (size_t)s->c, image = (size_t)s->h * (size_t)s->w * c;
    const size_t output = (size_t)s->oh * (size_t)s->ow * c * (size_t)s->multiplier;
    for (size_t sample = 0; sample < n; sample++, dx += image, dy += output) {
        const float *mask = s->epilogue == HONE_EPILOGUE_RELU ? y + sample * output : NULL;
        if (s->multiplier != 1) {
            depthwise_backward_input_multiplied(s, dy, mask, kernel, dx);
        } else if (s->stride_h != 1 || s->stride_w != 1) {
            depthwise_scatter_all(s, dy, mask, kernel, dx);
        } else {
            const depthwise_pass pass = {
                .image = dy,
                .mask = mask,
                .kernel = kernel,
                .h = s->oh,
                .w = s->ow,
                .kh = s->kh,
                .kw = s->kw,
                .stride_h = 1,
                .stride_w = 1,
                .dilation_h = s->dilation_h,
                .dilation_w = s->dilation_w,
                .pad_top = (s->kh - 1) * s->dilation_h - s->pad_top,
                .pad_left = (s->kw - 1) * s->dilation_w - s->pad_left,
                .c = c,
                .oh = s->h,
                .ow = s->w,
            };
            if (mask)
                depthwise_windows(&pass, DEPTHWISE_TURNED_MASKED, dx);
            else
                depthwise_windows(&pass, DEPTHWISE_TURNED, dx);
        }
    }
}

/* ---- weight gradient ------------------------------------------------------------------------------------------- */

/* One row of outputs, read once for up to DEPTHWISE_TAPS taps of one kernel row. x: the row of the image that the
 * kernel row reads. Sums of a row of outputs are added to dkernel: two levels keep long sums accurate. */
HONE_INLINE void depthwise_row_gradients(const hone_depthwise_shape *s, const float *x, const float *dy,
                                         const float *mask, float *dkernel, int kx0, int taps, size_t channel,
                                         size_t lanes) {
    const size_t c = (size_t)s->c;
    vfloat sum[DEPTHWISE_TAPS];
    HONE_UNROLL
    for (int t = 0; t < taps; t++) sum[t] = v_zero();
    for (int ox = 0; ox < s->ow; ox++) {
        const size_t at = (size_t)ox * c + channel;
        const vfloat g = masked_gradient(dy + at, mask ? mask + at : NULL, lanes);
        HONE_UNROLL
        for (int t = 0; t < taps; t++) {
            const int ix = ox * s->stride_w - s->pad_left + (kx0 + t) * s->dilation_w;
            if (ix >= 0 && ix < s->w) sum[t] = v_fma(v_load_lanes(x + (size_t)ix * c + channel, lanes), g, sum[t]);
        }
    }
    HONE_UNROLL
    for (int t = 0; t < taps; t++) {
        float *to = dkernel + (size_t)(kx0 + t) * c + channel;
        v_store_lanes(to, v_add(v_load_lanes(to, lanes), sum[t]), lanes);
    }
}

static void depthwise_weight_gradients(const hone_depthwise_shape *s, const float *x, const float *dy,
                                       const float *mask, float *dkernel) {
    const size_t c = (size_t)s->c, x_row = (size_t)s->w * c, dy_row = (size_t)s->ow * c;
    for (int oy = 0; oy < s->oh; oy++, dy += dy_row, mask = mask ? mask + dy_row : NULL) {
        const int iy = oy * s->stride_h - s->pad_top;
        const tap_range ty = taps_inside(iy, s->kh, s->dilation_h, s->h);
        for (int ky = ty.first; ky < ty.end; ky++) {
            const float *row = x + (size_t)(iy + ky * s->dilation_h) * x_row;
            float *to = dkernel + (size_t)(ky * s->kw) * c;
            int kx = 0;
#define LANES(i, lanes) depthwise_row_gradients(s, row, dy, mask, to, kx, DEPTHWISE_TAPS, (i), (lanes))
            for (; kx + DEPTHWISE_TAPS <= s->kw; kx += DEPTHWISE_TAPS) EACH_CHANNEL_VECTOR(c, LANES);
#undef LANES
#define LANES(i, lanes) depthwise_row_gradients(s, row, dy, mask, to, kx, 1, (i), (lanes))
            for (; kx < s->kw; kx++) EACH_CHANNEL_VECTOR(c, LANES);
#undef LANES
        }
    }
}

HONE_INLINE void depthwise_bias_gradient(size_t pixels, size_t filters, const float *dy, const float *mask,
                                         float *dbias, size_t lanes) {
    vdouble sum = vd_zero();
    for (size_t pixel = 0; pixel < pixels; pixel++) {
        const size_t at = pixel * filters;
        sum = vd_add(sum, vd_from(masked_gradient(dy + at, mask ? mask + at : NULL, lanes)));
    }
    column_store(sum, 1, true, dbias, lanes);
}

static void depthwise_backward_weights(const hone_depthwise_shape *s, size_t n, const float *x, const float *dy,
                                       const float *y, bool accumulate, float *dkernel, float *dbias) {
    const size_t c = (size_t)s->c, image = (size_t)s->h * (size_t)s->w * c, filters = c * (size_t)s->multiplier;
    const size_t pixels = (size_t)s->oh * (size_t)s->ow;
    if (!accumulate) {
        memset(dkernel, 0, (size_t)s->kh * (size_t)s->kw * filters * sizeof *dkernel);
        if (dbias) memset(dbias, 0, filters * sizeof *dbias);
    }
    for (size_t sample = 0; sample < n; sample++, x += image, dy += pixels * filters) {
        const float *mask = s->epilogue == HONE_EPILOGUE_RELU ? y + sample * pixels * filters : NULL;
        if (s->multiplier == 1)
            depthwise_weight_gradients(s, x, dy, mask, dkernel);
        else
            depthwise_backward_weights_multiplied(s, x, dy, mask, dkernel);
        if (!dbias) continue;
#define LANES(i, lanes) depthwise_bias_gradient(pixels, filters, dy + (i), mask ? mask + (i) : NULL, dbias + (i), lanes)
        EACH_CHANNEL_VECTOR(filters, LANES);
#undef LANES
    }
}
