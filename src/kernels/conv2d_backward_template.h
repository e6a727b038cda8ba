/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution backwards, densely: for any shape.
 *
 * Input gradient: a correlation of the bordered dy with the kernel turned round, lanes on the input's channels.
 * Strides are met by phases: the input pixels of one (row mod stride, column mod stride) are reached by the same
 * taps, so each phase is a plain convolution with some of the taps, and no multiplication by an inserted zero
 * happens. Weight gradient: for blocks of taps by filters, a sum over all windows of all samples. */

/* ---- input gradient ------------------------------------------------------------------------------------------- */

/* The taps along one axis that reach the input positions of one phase, and where they find dy. */
typedef struct conv2d_phase {
    size_t taps;  /* how many */
    size_t first; /* the first input position (in the image), count of them in steps of the stride */
    size_t count;
    size_t window; /* the first position's window in the bordered dy */
} conv2d_phase;

/* Border of zeros that dy gets before its first row (or column). */
static size_t conv2d_backward_border(size_t k, size_t stride, size_t dilation) {
    return (k - 1) * dilation / stride;
}

/* Rows (or columns) of the bordered dy. */
static size_t conv2d_backward_extent(size_t size, size_t pad, size_t k, size_t stride, size_t dilation, size_t out) {
    const size_t reached = (size + pad - 1) / stride + 1;
    return conv2d_backward_border(k, stride, dilation) + (reached > out ? reached : out);
}

/* Does tap reach phase, and how far before a window's end does it look? */
static bool conv2d_phase_has(size_t tap, size_t phase, size_t stride, size_t dilation, size_t *back) {
    if (tap * dilation % stride != phase) return false;
    *back = (tap * dilation - phase) / stride;
    return true;
}

static conv2d_phase conv2d_phase_of(size_t phase, size_t size, size_t pad, size_t k, size_t stride, size_t dilation) {
    conv2d_phase p = {0, 0, 0, 0};
    size_t back;
    for (size_t tap = 0; tap < k; tap++) p.taps += conv2d_phase_has(tap, phase, stride, dilation, &back);
    /* Positions with (position + pad) mod stride == phase, from 0 on. */
    p.first = (phase + stride - pad % stride) % stride;
    if (p.first < size) p.count = (size - p.first + stride - 1) / stride;
    p.window = (p.first + pad - phase) / stride;
    return p;
}

static size_t conv2d_backward_packed(const conv2d_geometry *g) {
    return g->groups * g->kh * g->kw * g->fg * round_up(g->cg, VL);
}

/* (groups) of panels of BLOCK_LANES channels: for each phase its taps, each (fg, lanes of the panel). */
static void conv2d_pack_backward_dense(const hone_conv2d *p, const float *kernel, float *packed) {
    const hone_conv2d_shape *s = &p->shape;
    const conv2d_geometry g = conv2d_geometry_of(s);
    const size_t sh = (size_t)s->stride_h, sw = (size_t)s->stride_w;
    size_t back;
    for (size_t group = 0; group < g.groups; group++)
        for (size_t first = 0; first < g.cg; first += BLOCK_LANES) {
            const block_lanes l = block_lanes_at(first, g.cg);
            for (size_t phase = 0; phase < sh * sw; phase++)
                for (size_t y = 0; y < g.kh; y++) {
                    if (!conv2d_phase_has(y, phase / sw, sh, (size_t)s->dilation_h, &back)) continue;
                    for (size_t x = 0; x < g.kw; x++) {
                        if (!conv2d_phase_has(x, phase % sw, sw, (size_t)s->dilation_w, &back)) continue;
                        const float *from = kernel + ((y * g.kw + x) * g.cg + first) * g.f + group * g.fg;
                        for (size_t f = 0; l.last < VL && f < g.fg; f++)
                            v_store(packed + f * l.padded + l.padded - VL, v_zero());
                        transpose(l.width, g.fg, from, g.f, packed, l.padded);
                        packed += g.fg * l.padded;
                    }
                }
        }
}

static size_t conv2d_backward_input_scratch(const conv2d_geometry *g, const hone_conv2d_shape *s) {
    const size_t rows = conv2d_backward_extent((size_t)s->h, (size_t)s->pad_top, g->kh, (size_t)s->stride_h,
                                               (size_t)s->dilation_h, g->oh);
    const size_t columns = conv2d_backward_extent((size_t)s->w, (size_t)s->pad_left, g->kw, (size_t)s->stride_w,
                                                  (size_t)s->dilation_w, g->ow);
    const size_t together = conv2d_together((size_t)s->h * (size_t)s->w, 64);
    return round_up(g->kh * g->kw * g->fg * OFFSET_FLOATS, 16) + round_up(together * rows * columns * g->f, 16);
}

static void conv2d_backward_input_dense(const hone_conv2d *p, size_t n, const float *dy, const float *y,
                                        const uint8_t *argmax, const float *weights, float *dx, float *scratch) {
    const hone_conv2d_shape *s = &p->shape;
    const conv2d_geometry g = conv2d_geometry_of(s);
    const size_t h = (size_t)s->h, w = (size_t)s->w, sh = (size_t)s->stride_h, sw = (size_t)s->stride_w;
    const size_t dh = (size_t)s->dilation_h, dw = (size_t)s->dilation_w;
    const size_t top = conv2d_backward_border(g.kh, sh, dh), left = conv2d_backward_border(g.kw, sw, dw);
    const size_t rows = conv2d_backward_extent(h, (size_t)s->pad_top, g.kh, sh, dh, g.oh);
    const size_t columns = conv2d_backward_extent(w, (size_t)s->pad_left, g.kw, sw, dw, g.ow);
    const size_t row = columns * g.f, map = rows * row, input = h * w * g.c, output = g.out_pixels * g.f;
    const size_t together = conv2d_together(h * w, 64);
    ptrdiff_t *offset = take_offsets(&scratch, g.kh * g.kw * g.fg);
    float *maps = scratch;

    memset(maps, 0, (n < together ? n : together) * map * sizeof *maps);
    for (size_t i = 0, samples; i < n; i += samples) {
        samples = n - i < together ? n - i : together;
        for (size_t q = 0; q < samples; q++) {
            const size_t at = (i + q) * output;
            conv2d_gradient_map(s, &g, dy + at, y ? y + at : NULL, argmax ? argmax + at : NULL,
                                maps + q * map + top * row + left * g.f, row);
        }
        const float *panel = weights;
        for (size_t group = 0; group < g.groups; group++)
            for (size_t first = 0; first < g.cg; first += BLOCK_LANES) {
                const block_lanes l = block_lanes_at(first, g.cg);
                for (size_t phase = 0; phase < sh * sw; phase++) {
                    const conv2d_phase py = conv2d_phase_of(phase / sw, h, (size_t)s->pad_top, g.kh, sh, dh);
                    const conv2d_phase px = conv2d_phase_of(phase % sw, w, (size_t)s->pad_left, g.kw, sw, dw);
                    size_t taps = 0, back_y, back_x;
                    for (size_t ky = 0; ky < g.kh; ky++) {
                        if (!conv2d_phase_has(ky, phase / sw, sh, dh, &back_y)) continue;
                        for (size_t kx = 0; kx < g.kw; kx++) {
                            if (!conv2d_phase_has(kx, phase % sw, sw, dw, &back_x)) continue;
                            const size_t at = (top - back_y) * row + (left - back_x) * g.f;
                            for (size_t f = 0; f < g.fg; f++) offset[taps++] = (ptrdiff_t)(at + f);
                        }
                    }
                    const block_output out = {false, false, NULL, l.last};
                    conv2d_walk from = conv2d_walk_of(py.window * row + px.window * g.f + group * g.fg, px.count,
                                                      py.count, g.f, row, map);
                    conv2d_walk to = conv2d_walk_of((py.first * w + px.first) * g.c + group * g.cg + first, px.count,
                                                    py.count, sw * g.c, sh * w * g.c, input);
                    for (size_t left_over = samples * py.count * px.count, r; left_over > 0; left_over -= r) {
                        const float *windows[BLOCK_ROWS];
                        float *outs[BLOCK_ROWS];
                        r = block_next_rows(left_over, l.vectors);
                        for (size_t q = 0; q < r; q++) {
                            windows[q] = maps + conv2d_walk_next(&from);
                            outs[q] = dx + i * input + conv2d_walk_next(&to);
                        }
                        block_functions[l.vectors - 1][r - 1](windows, offset, taps, panel, l.padded, outs, &out);
                    }
                    panel += taps * l.padded;
                }
            }
    }
}

/* ---- weight gradient ------------------------------------------------------------------------------------------ */

/* Windows summed in one go: enough that loading and storing the sums is little beside them, few enough that they
 * and their dy stay close. Behind a pooling whole samples are laid out, as dy comes in windows there. */
enum { CONV2D_CHUNK = 128 };

static size_t conv2d_chunk(const conv2d_geometry *g) {
    const size_t windows = conv2d_together(g->pixels, CONV2D_CHUNK) * g->pixels;
    return g->pooled || windows < CONV2D_CHUNK ? windows : CONV2D_CHUNK;
}

static size_t conv2d_backward_weights_scratch(const conv2d_geometry *g) {
    const size_t image = g->bordered ? round_up(conv2d_together(g->pixels, CONV2D_CHUNK) * g->sample, 16) : 0;
    const size_t chunk = conv2d_chunk(g);
    return round_up(g->taps * OFFSET_FLOATS, 16) + round_up(chunk * OFFSET_FLOATS, 16) +
           round_up(chunk * g->f + VL, 16) + image;
}

static void conv2d_backward_weights_dense(const hone_conv2d *p, size_t n, const float *x, const float *dy,
                                          const float *y, const uint8_t *argmax, bool accumulate, float *dkernel,
                                          float *dbias, float *scratch) {
    const hone_conv2d_shape *s = &p->shape;
    const conv2d_geometry g = conv2d_geometry_of(s);
    const bool relu = s->epilogue == HONE_EPILOGUE_RELU;
    const bool copy = g.pooled || relu || g.fg % VL != 0; /* dy itself cannot be read in whole vectors */
    const size_t input = (size_t)s->h * (size_t)s->w * g.c, output = g.out_pixels * g.f;
    const size_t together = conv2d_together(g.pixels, CONV2D_CHUNK), chunk = conv2d_chunk(&g);
    ptrdiff_t *tap = take_offsets(&scratch, g.taps);
    ptrdiff_t *window = take_offsets(&scratch, chunk);
    float *map = take(&scratch, chunk * g.f + VL);
    conv2d_tap_offsets(&g, tap);
    if (dbias) conv2d_bias_gradient(n * g.out_pixels, g.f, dy, relu ? y : NULL, accumulate, dbias);

    bool load = accumulate;
    for (size_t i = 0, samples; i < n; i += samples) {
        samples = n - i < together ? n - i : together;
        const float *image = x + i * input;
        if (g.bordered) {
            for (size_t q = 0; q < samples; q++) conv2d_border(s, &g, image + q * input, scratch + q * g.sample);
            image = scratch;
        }
        conv2d_walk walk = conv2d_walk_of(0, g.ow, g.oh, g.step_column, g.step_row, g.sample);
        for (size_t first = 0, count; first < samples * g.pixels; first += count, load = true) {
            count = samples * g.pixels - first < chunk ? samples * g.pixels - first : chunk;
            for (size_t q = 0; q < count; q++) window[q] = (ptrdiff_t)conv2d_walk_next(&walk);
            const float *gradient = map;
            if (g.pooled) {
                for (size_t q = 0; q < samples; q++)
                    conv2d_gradient_map(s, &g, dy + (i + q) * output, y + (i + q) * output, argmax + (i + q) * output,
                                        map + q * g.pixels * g.f, g.ow * g.f);
            } else {
                const size_t at = i * output + first * g.f;
                if (copy)
                    conv2d_masked(count * g.f, dy + at, relu ? y + at : NULL, map);
                else
                    gradient = dy + at;
            }
            for (size_t group = 0; group < g.groups; group++)
                for (size_t lane = 0; lane < g.fg; lane += BLOCK_LANES) {
                    const block_lanes l = block_lanes_at(lane, g.fg);
                    const block_output out = {load, false, NULL, l.last};
                    const size_t filter = group * g.fg + lane;
                    for (size_t t = 0, r; t < g.taps; t += r) {
                        const float *rows[BLOCK_ROWS];
                        float *outs[BLOCK_ROWS];
                        r = block_next_rows(g.taps - t, l.vectors);
                        for (size_t q = 0; q < r; q++) {
                            rows[q] = image + group * g.cg + tap[t + q];
                            outs[q] = dkernel + (t + q) * g.f + filter;
                        }
                        block_functions[l.vectors - 1][r - 1](rows, window, count, gradient + filter, g.f, outs, &out);
                    }
                }
        }
    }
}
