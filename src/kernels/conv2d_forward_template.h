/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution forwards: register blocks of output pixels by filters, straight from the image, no im2col. With a pooling
 * behind, only the outputs that it reads are computed, a strip of its height at a time, and the maxima are taken while
 * the strip is in L1. */

/* The kernel is read as it is when every block of filters is whole vectors and one block covers a group. */
static bool conv2d_forward_packs(const conv2d_geometry *g) {
    return g->fg % VL != 0 || g->fg > BLOCK_LANES;
}

static size_t conv2d_forward_packed(const conv2d_geometry *g) {
    return conv2d_forward_packs(g) ? g->groups * g->taps * round_up(g->fg, VL) : 0;
}

/* (groups) of panels of BLOCK_LANES filters: (taps, lanes of the panel), what is missing in the last vector zero. */
static void conv2d_pack_forward_direct(const hone_conv2d *p, const float *kernel, float *packed) {
    const conv2d_geometry g = conv2d_geometry_of(&p->shape);
    if (!conv2d_forward_packs(&g)) return;
    for (size_t group = 0; group < g.groups; group++)
        for (size_t first = 0; first < g.fg; first += BLOCK_LANES) {
            const block_lanes l = block_lanes_at(first, g.fg);
            for (size_t t = 0; t < g.taps; t++, packed += l.padded) {
                const float *from = kernel + t * g.f + group * g.fg + first;
                for (size_t v = 0; v + VL < l.padded; v += VL) v_store(packed + v, v_load(from + v));
                v_store(packed + l.padded - VL, v_load_part(from + l.padded - VL, l.last));
            }
        }
}

static size_t conv2d_forward_together(const conv2d_geometry *g) {
    return conv2d_together(g->pixels, 64);
}

static size_t conv2d_forward_scratch(const conv2d_geometry *g, const hone_conv2d_shape *s) {
    const size_t image = g->bordered ? round_up((g->pooled ? 1 : conv2d_forward_together(g)) * g->sample, 16) : 0;
    const size_t strip = g->pooled ? round_up((size_t)s->pool_h * g->used_w * BLOCK_LANES, 16) : 0;
    return image + strip + round_up(g->taps * OFFSET_FLOATS, 16);
}

/* count outputs, whose windows begin at x + walk, to out in steps of out_step. */
static void conv2d_windows(const conv2d_panel *p, const float *x, conv2d_walk *walk, size_t count, float *out,
                           size_t out_step) {
    while (count > 0) {
        const size_t r = block_next_rows(count, p->lanes.vectors);
        const float *row[BLOCK_ROWS];
        float *to[BLOCK_ROWS];
        for (size_t i = 0; i < r; i++, out += out_step) {
            row[i] = x + conv2d_walk_next(walk);
            to[i] = out;
        }
        block_functions[p->lanes.vectors - 1][r - 1](row, p->offset, p->taps, p->b, p->ldb, to, &p->output);
        count -= r;
    }
}

/* The maxima of one row of pooling windows over a strip (pool_h, used_w, lanes). A NaN wins, the first of equals
 * wins. */
static void conv2d_pool_strip(const hone_conv2d_shape *s, const conv2d_geometry *g, const block_lanes *l,
                              const float *strip, float *y, uint8_t *argmax) {
    const size_t line = g->used_w * l->padded;
    for (size_t px = 0; px < (size_t)s->pw; px++) {
        const float *window = strip + px * (size_t)s->pool_stride_w * l->padded;
        for (int v = 0; v < l->vectors; v++, window += VL) {
            const size_t lanes = v == l->vectors - 1 ? l->last : VL;
            vfloat best = v_load(window);
            vint where = vi_set(0);
            for (int ky = 0, at = 0; ky < s->pool_h; ky++)
                for (int kx = 0; kx < s->pool_w; kx++, at++) {
                    const vfloat value = v_load(window + (size_t)ky * line + (size_t)kx * l->padded);
                    const vmask wins = vm_or(v_gt(value, best), v_is_nan(value));
                    best = v_select(wins, value, best);
                    where = vi_select(wins, vi_set(at), where);
                }
            v_store_part(y + px * g->f + (size_t)v * VL, best, lanes);
            if (argmax) vi_store_u8_part(argmax + px * g->f + (size_t)v * VL, where, lanes);
        }
    }
}

/* One sample through one panel, pooled. Rows shared by two strips are moved, not computed again. */
static void conv2d_forward_pooled(const hone_conv2d_shape *s, const conv2d_geometry *g, const conv2d_panel *p,
                                  const float *x, float *y, uint8_t *argmax, float *strip) {
    const size_t height = (size_t)s->pool_h, step = (size_t)s->pool_stride_h, line = g->used_w * p->lanes.padded;
    const size_t kept = height > step ? height - step : 0;
    for (size_t py = 0; py < (size_t)s->ph; py++) {
        const size_t have = py == 0 ? 0 : kept;
        if (have > 0) memmove(strip, strip + step * line, have * line * sizeof *strip);
        conv2d_walk walk =
            conv2d_walk_of((py * step + have) * g->step_row, g->used_w, height, g->step_column, g->step_row, 0);
        conv2d_windows(p, x, &walk, (height - have) * g->used_w, strip + have * line, p->lanes.padded);
        const size_t out = py * (size_t)s->pw * g->f + p->first;
        conv2d_pool_strip(s, g, &p->lanes, strip, y + out, argmax ? argmax + out : NULL);
    }
}

static void conv2d_forward_direct(const hone_conv2d *p, size_t n, const float *x, const float *weights,
                                  const float *bias, float *y, uint8_t *argmax, float *scratch) {
    const hone_conv2d_shape *s = &p->shape;
    const conv2d_geometry g = conv2d_geometry_of(s);
    const bool packed = conv2d_forward_packs(&g);
    const size_t input = (size_t)s->h * (size_t)s->w * g.c, output = g.out_pixels * g.f;
    const size_t together = g.pooled ? 1 : g.bordered ? conv2d_forward_together(&g) : n;
    ptrdiff_t *offset = take_offsets(&scratch, g.taps);
    float *strip = take(&scratch, g.pooled ? (size_t)s->pool_h * g.used_w * BLOCK_LANES : 0);
    conv2d_tap_offsets(&g, offset);

    for (size_t i = 0, samples; i < n; i += samples) {
        samples = n - i < together ? n - i : together;
        const float *image = x + i * input;
        if (g.bordered) {
            for (size_t q = 0; q < samples; q++) conv2d_border(s, &g, image + q * input, scratch + q * g.sample);
            image = scratch;
        }
        const float *panel = weights;
        for (size_t group = 0; group < g.groups; group++)
            for (size_t first = 0; first < g.fg; first += BLOCK_LANES) {
                const size_t filter = group * g.fg + first;
                const block_lanes l = block_lanes_at(first, g.fg);
                const conv2d_panel c = {
                    packed ? panel : weights + filter,
                    packed ? l.padded : g.f,
                    filter,
                    l,
                    {false, s->epilogue == HONE_EPILOGUE_RELU, s->has_bias && bias ? bias + filter : NULL, l.last},
                    offset,
                    g.taps};
                panel += g.taps * l.padded;
                const float *from = image + group * g.cg;
                if (conv2d_pools_in_registers(s)) {
                    conv2d_forward_windows(s, &g, &c, from, y + i * output, argmax ? argmax + i * output : NULL);
                } else if (g.pooled) {
                    conv2d_forward_pooled(s, &g, &c, from, y + i * output, argmax ? argmax + i * output : NULL, strip);
                } else {
                    conv2d_walk walk = conv2d_walk_of(0, g.ow, g.oh, g.step_column, g.step_row, g.sample);
                    conv2d_windows(&c, from, &walk, samples * g.pixels, y + i * output + filter, g.f);
                }
            }
    }
}
