/* SPDX-License-Identifier: Apache-2.0
 *
 * The input gradient of a 3x3 convolution by Winograd's way, of which there are two.
 *
 * Turned: the same convolution (conv2d_winograd_template.h), of dy with the kernel turned by half a circle and its
 * channels and filters exchanged. Its tiles cover the input, and each is written once.
 *
 * Adjoint: the way forwards, backwards (conv2d_winograd_adjoint_template.h). Its tiles cover the output, and each is
 * added to its patch of the input, which overlaps with others. Without padding the output is smaller: from 5x5 to 3x3
 * it is one tile, where the turned way has four. */

/* ---- turned ---------------------------------------------------------------------------------------------------- */

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

/* The kernel with lanes on channels, for either way. */
static void conv2d_pack_backward_winograd(const hone_conv2d *p, bool turn, const float *kernel, float *packed) {
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
                    transpose(lanes, rows, kernel + (tap * w.f + first + v) * w.c + c, w.c,
                              taps + (turn ? 8 - tap : tap) * VL * VL, VL);
                for (size_t i = 0; i < rows; i++)
                    transform(g, taps + i * VL, WINOGRAD_TAPS * VL * VL, VL * VL, lanes,
                              packed + (c + i) * l.padded + v, winograd_panel_step(&w, &l));
            }
        packed += (size_t)w.area * winograd_panel_step(&w, &l);
    }
}

static void conv2d_backward_input_turned(const hone_conv2d *p, size_t n, const float *dy, const float *y,
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

/* ---- adjoint --------------------------------------------------------------------------------------------------- */

/* Filters are what is summed over, channels the lanes; tiles are those of the output. */
static winograd adjoint_of(const hone_conv2d_shape *s, int m) {
    const hone_conv2d_shape turned = winograd_turned(s);
    winograd w = winograd_of(&turned, m);
    w.rows = (size_t)((s->oh + m - 1) / m);
    w.columns = (size_t)((s->ow + m - 1) / m);
    w.tiles = w.rows * w.columns;
    w.top = (size_t)s->pad_top, w.left = (size_t)s->pad_left;
    w.patch = round_up(w.c, VL);
    return w;
}

static size_t adjoint_input_scratch(const hone_conv2d_shape *s, int m) {
    const winograd w = adjoint_of(s, m);
    return round_up(w.c * OFFSET_FLOATS, 16) + round_up(adjoint_floats(&w, w.together, w.c, w.c), 16) +
           (size_t)w.area * w.product_step;
}

/* A patch of dx that products are added to. */
typedef struct adjoint_target {
    float *dx; /* of the picture, at its vector of channels */
    size_t h, w, c;
    ptrdiff_t y, x; /* where it begins, perhaps outside */
    size_t lanes;
} adjoint_target;

HONE_INLINE void adjoint_add(int m, const float *product, size_t step, const adjoint_target *t, bool inside) {
    const int side = m + 2;
    vfloat half[WINOGRAD_SIDE][WINOGRAD_SIDE], p[WINOGRAD_SIDE], d[WINOGRAD_SIDE];
    HONE_UNROLL
    for (int j = 0; j < side; j++) {
        HONE_UNROLL
        for (int i = 0; i < side; i++) p[i] = v_load(product + (size_t)(i * side + j) * step);
        adjoint_patch(m, p, d);
        HONE_UNROLL
        for (int i = 0; i < side; i++) half[i][j] = d[i];
    }
    HONE_UNROLL
    for (int i = 0; i < side; i++) {
        const ptrdiff_t y = t->y + i;
        if (!inside && (y < 0 || y >= (ptrdiff_t)t->h)) continue;
        adjoint_patch(m, half[i], d);
        HONE_UNROLL
        for (int j = 0; j < side; j++) {
            const ptrdiff_t x = t->x + j;
            if (!inside && (x < 0 || x >= (ptrdiff_t)t->w)) continue;
            float *to = t->dx + (y * (ptrdiff_t)t->w + x) * (ptrdiff_t)t->c;
            if (inside)
                v_store(to, v_add(v_load(to), d[j]));
            else
                v_store_part(to, v_add(v_load_part(to, t->lanes), d[j]), t->lanes);
        }
    }
}

typedef void (*adjoint_add_function)(const float *product, size_t step, const adjoint_target *t);

#define ADJOINT_ADD(m)                                                                                                 \
    static void adjoint_add_##m(const float *product, size_t step, const adjoint_target *t) {                          \
        const ptrdiff_t side = (m) + 2;                                                                                \
        if (t->lanes == VL && t->y >= 0 && t->x >= 0 && t->y + side <= (ptrdiff_t)t->h &&                              \
            t->x + side <= (ptrdiff_t)t->w)                                                                            \
            adjoint_add(m, product, step, t, true);                                                                    \
        else                                                                                                           \
            adjoint_add(m, product, step, t, false);                                                                   \
    }
ADJOINT_ADD(2)
ADJOINT_ADD(3)
ADJOINT_ADD(4)

static const adjoint_add_function adjoint_adds[WINOGRAD_TILE + 1] = {
    [2] = adjoint_add_2, [3] = adjoint_add_3, [4] = adjoint_add_4};

/* The products of count tiles from number first on, (area, tiles, lanes of one panel), are added to their patches of
 * dx. */
static void adjoint_scatter(const winograd *w, const block_lanes *l, size_t channel, size_t first, size_t count,
                            const float *products, float *dx) {
    winograd_place place = winograd_place_of(w, first);
    adjoint_target t = {.h = w->oh, .w = w->ow, .c = w->f};
    for (size_t i = 0; i < count; i++, winograd_place_next(w, &place)) {
        t.y = (ptrdiff_t)(place.row * (size_t)w->m) - (ptrdiff_t)w->top;
        t.x = (ptrdiff_t)(place.column * (size_t)w->m) - (ptrdiff_t)w->left;
        for (size_t v = 0; v < l->padded; v += VL) {
            t.lanes = v + VL < l->padded ? VL : l->last;
            t.dx = dx + place.sample * w->oh * w->ow * w->f + channel + v;
            adjoint_adds[w->m](products + i * l->padded + v, w->product_step, &t);
        }
    }
}

static void conv2d_backward_input_adjoint(const hone_conv2d *p, size_t n, const float *dy, const float *y,
                                          const float *weights, float *dx, float *scratch) {
    const hone_conv2d_shape *s = &p->shape;
    winograd w = adjoint_of(s, p->block[CONV2D_BLOCK_INPUT]);
    const float *mask = s->epilogue == HONE_EPILOGUE_RELU ? y : NULL;
    const adjoint_pictures gradient = {dy, mask, w.h, w.w, w.c, true, 0, 0};
    ptrdiff_t *offset = take_offsets(&scratch, w.c);
    float *patches = take(&scratch, adjoint_floats(&w, w.together, w.c, w.c)), *products = scratch;
    for (size_t c = 0; c < w.c; c++) offset[c] = (ptrdiff_t)c;
    memset(dx, 0, n * w.oh * w.ow * w.f * sizeof *dx);
    for (size_t first = 0, count; first < n * w.tiles; first += count) {
        const size_t left = n * w.tiles - first, parts = (left + w.together - 1) / w.together;
        count = (left + parts - 1) / parts;
        w.patch_step = adjoint_step(count, w.c);
        adjoint_transform(&w, &gradient, first, count, w.c, patches);
        const float *panel = weights;
        for (size_t channel = 0; channel < w.f; channel += BLOCK_LANES) {
            const block_lanes l = block_lanes_at(channel, w.f);
            winograd_multiply(&w, &l, count, patches, panel, offset, products);
            adjoint_scatter(&w, &l, channel, first, count, products, dx);
            panel += (size_t)w.area * winograd_panel_step(&w, &l);
        }
    }
}
