/* SPDX-License-Identifier: Apache-2.0
 *
 * The input gradient of a 3x3 convolution by Winograd's way (conv2d_winograd_template.h): the same convolution, of dy
 * with the kernel turned by half a circle and its channels and filters exchanged. */

/* The convolution that takes dy to dx. */
static hone_conv2d_shape winograd_turned(const hone_conv2d_shape *s) {
    return (hone_conv2d_shape){.h = s->oh,
                               .w = s->ow,
                               .c = s->filters,
                               .kh = 3,
                               .kw = 3,
                               .filters = s->c,
                               .groups = 1,
                               .stride_h = 1,
                               .stride_w = 1,
                               .dilation_h = 1,
                               .dilation_w = 1,
                               .pad_top = 2 - s->pad_top,
                               .pad_left = 2 - s->pad_left,
                               .oh = s->h,
                               .ow = s->w};
}

/* Whether the gradient has to be laid out first. */
static bool winograd_lays_out(const hone_conv2d_shape *s) {
    return s->pool_h > 0 || s->epilogue == HONE_EPILOGUE_RELU;
}

/* Samples that are laid out at once: some tiles together share a reading of the kernel. */
static size_t winograd_samples(const winograd *w) {
    return 1 + (WINOGRAD_TILES - 1) / w->tiles;
}

static size_t winograd_input_scratch(const hone_conv2d_shape *s, int m) {
    const hone_conv2d_shape turned = winograd_turned(s);
    const winograd w = winograd_of(&turned, m);
    const size_t map = winograd_lays_out(s) ? winograd_samples(&w) * w.h * w.w * w.c : 0;
    return round_up(map, 16) + winograd_scratch(&w);
}

static void conv2d_pack_backward_winograd(const hone_conv2d *p, const float *kernel, float *packed) {
    const hone_conv2d_shape turned = winograd_turned(&p->shape);
    const winograd w = winograd_of(&turned, p->block[CONV2D_BLOCK_INPUT]);
    const winograd_kernel_function transform = winograd_kernels[w.m];
    float taps[9 * VL * VL];
    winograd_matrix g;
    winograd_matrix_of(w.m, g);
    for (size_t first = 0; first < w.f; first += BLOCK_LANES) {
        const block_lanes l = block_lanes_at(first, w.f);
        for (size_t v = 0; v < l.padded; v += VL)
            for (size_t c = 0; c < w.c; c += VL) {
                const size_t lanes = v + VL < l.padded ? VL : l.last, rows = w.c - c < VL ? w.c - c : VL;
                for (size_t tap = 0; tap < 9; tap++)
                    transpose(lanes, rows, kernel + (tap * w.f + first + v) * w.c + c, w.c, taps + (8 - tap) * VL * VL,
                              VL);
                for (size_t i = 0; i < rows; i++)
                    transform(g, taps + i * VL, WINOGRAD_TAPS * VL * VL, VL * VL, lanes,
                              packed + (c + i) * l.padded + v, w.c * l.padded);
            }
        packed += (size_t)w.area * w.c * l.padded;
    }
}

static void conv2d_backward_input_winograd(const hone_conv2d *p, size_t n, const float *dy, const float *y,
                                           const uint8_t *argmax, const float *weights, float *dx, float *scratch) {
    const hone_conv2d_shape *s = &p->shape, turned = winograd_turned(s);
    const winograd w = winograd_of(&turned, p->block[CONV2D_BLOCK_INPUT]);
    winograd_end end = {.y = dx};
    if (!winograd_lays_out(s)) {
        winograd_run(&w, n, dy, weights, &end, scratch);
        return;
    }
    const conv2d_geometry g = conv2d_geometry_of(s);
    const size_t together = winograd_samples(&w), map = w.h * w.w * w.c, output = g.out_pixels * g.f;
    float *maps = take(&scratch, together * map);
    for (size_t i = 0, samples; i < n; i += samples) {
        samples = n - i < together ? n - i : together;
        for (size_t q = 0; q < samples; q++) {
            const size_t at = (i + q) * output;
            conv2d_gradient_map(s, &g, dy + at, y + at, argmax ? argmax + at : NULL, maps + q * map, g.ow * g.f);
        }
        end.y = dx + i * w.oh * w.ow * w.f;
        winograd_run(&w, samples, maps, weights, &end, scratch);
    }
}
