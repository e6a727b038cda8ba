/* SPDX-License-Identifier: Apache-2.0
 *
 * Weight gradient of a 3x3 convolution of stride 1 by Winograd's way (conv2d_winograd_adjoint_template.h): with tiles of
 * 4x4 36 multiplications where the sum over a tile's outputs has 144, with tiles of 3x3 25 where that has 81. Products
 * are added up over all tiles point by point, which are as many small matrix products, and only the sums are brought
 * back. */

enum {
    WGRAD_CHANNELS = 32,       /* worked on together: sums of these by a panel of filters stay in L2 */
    WGRAD_TILES = 256,         /* most tiles transformed at once, */
    WGRAD_FLOATS = 640 * 1024, /* of at most that many floats: from L2 or not far from it, */
    WGRAD_SAMPLES = 16,        /* of at most that many samples */
    WGRAD_LEAST_SAMPLES = 2    /* what a call is expected to bring where nothing is known */
};

/* ---- choosing -------------------------------------------------------------------------------------------------- */

static winograd wgrad_of(const hone_conv2d_shape *s, int m) {
    winograd w = winograd_of(s, m);
    const size_t fit = WGRAD_FLOATS / ((size_t)w.area * (round_up(w.c, VL) + round_up(w.f, VL)));
    w.together = WGRAD_SAMPLES * w.tiles < WGRAD_TILES ? WGRAD_SAMPLES * w.tiles : WGRAD_TILES;
    if (w.together > fit) w.together = fit > 0 ? fit : 1;
    return w;
}

/* Multiply-adds of vectors that one sample costs: products, the transforms at so many for each value of x and dy, and
 * for each sum, once a call. */
static double wgrad_cost(const hone_conv2d_shape *s, int m) {
    const winograd w = wgrad_of(s, m);
    const double channels = conv2d_vectors(w.c), filters = conv2d_vectors(w.f), sums = (double)w.c * filters;
    const double samples = s->samples > 0 ? s->samples : WGRAD_LEAST_SAMPLES;
    return w.area * ((double)w.tiles * (sums + 8 * channels + 7 * filters) + 5.5 * sums / samples);
}

/* ---- the gradient ---------------------------------------------------------------------------------------------- */

static size_t wgrad_scratch(const hone_conv2d_shape *s, int m) {
    const winograd w = wgrad_of(s, m);
    return round_up(w.together * OFFSET_FLOATS, 16) +
           round_up(adjoint_floats(&w, w.together, w.c, WGRAD_CHANNELS), 16) +
           round_up(adjoint_floats(&w, w.together, w.f, BLOCK_LANES), 16) +
           (size_t)w.area * adjoint_step(WGRAD_CHANNELS, BLOCK_LANES);
}

/* sums (area points of channels by lanes) to dkernel at channel and filter. */
HONE_INLINE void wgrad_store(int m, const winograd *w, const float *sums, size_t step, size_t channels,
                             const block_lanes *l, bool accumulate, float *dkernel) {
    const int side = m + 2;
    for (size_t c = 0; c < channels; c++)
        for (int v = 0; v < l->vectors; v++) {
            const float *from = sums + c * l->padded + (size_t)v * VL;
            const size_t lanes = v == l->vectors - 1 ? l->last : VL;
            vfloat half[WINOGRAD_TAPS][WINOGRAD_SIDE];
            HONE_UNROLL
            for (int x = 0; x < side; x++) {
                vfloat column[WINOGRAD_SIDE], out[WINOGRAD_TAPS];
                HONE_UNROLL
                for (int y = 0; y < side; y++) column[y] = v_load(from + (size_t)(y * side + x) * step);
                adjoint_taps(m, column, out);
                HONE_UNROLL
                for (int y = 0; y < WINOGRAD_TAPS; y++) half[y][x] = out[y];
            }
            HONE_UNROLL
            for (int y = 0; y < WINOGRAD_TAPS; y++) {
                vfloat out[WINOGRAD_TAPS];
                adjoint_taps(m, half[y], out);
                HONE_UNROLL
                for (int x = 0; x < WINOGRAD_TAPS; x++) {
                    float *to = dkernel + ((size_t)(y * WINOGRAD_TAPS + x) * w->c + c) * w->f + (size_t)v * VL;
                    if (accumulate) out[x] = v_add(v_load_part(to, lanes), out[x]);
                    v_store_part(to, out[x], lanes);
                }
            }
        }
}

typedef void (*wgrad_store_function)(const winograd *w, const float *sums, size_t step, size_t channels,
                                     const block_lanes *l, bool accumulate, float *dkernel);

#define WGRAD_STORE(m)                                                                                                 \
    static void wgrad_store_##m(const winograd *w, const float *sums, size_t step, size_t channels,                    \
                                const block_lanes *l, bool accumulate, float *dkernel) {                               \
        wgrad_store(m, w, sums, step, channels, l, accumulate, dkernel);                                               \
    }
WGRAD_STORE(2)
WGRAD_STORE(3)
WGRAD_STORE(4)

static const wgrad_store_function wgrad_stores[WINOGRAD_TILE + 1] = {
    [2] = wgrad_store_2, [3] = wgrad_store_3, [4] = wgrad_store_4};

/* Adds up count tiles: u of one block of channels by v of one panel of filters. */
static void wgrad_products(const winograd *w, const float *u, size_t channels, const float *v, const block_lanes *l,
                           const ptrdiff_t *offset, size_t count, float *sums, size_t step) {
    const size_t u_step = adjoint_step(count, channels), v_step = adjoint_step(count, l->padded);
    const block_output output = {false, false, NULL, VL};
    for (int point = 0; point < w->area; point++, u += u_step, v += v_step, sums += step)
        for (size_t c = 0, r; c < channels; c += r) {
            const float *row[BLOCK_ROWS];
            float *out[BLOCK_ROWS];
            r = block_next_rows(channels - c, l->vectors);
            for (size_t q = 0; q < r; q++) {
                row[q] = u + c + q;
                out[q] = sums + (c + q) * l->padded;
            }
            block_functions[l->vectors - 1][r - 1](row, offset, count, v, l->padded, out, &output);
        }
}

static void conv2d_backward_weights_winograd(const hone_conv2d *p, size_t n, const float *x, const float *dy,
                                             const float *y, bool accumulate, float *dkernel, float *dbias,
                                             float *scratch) {
    const hone_conv2d_shape *s = &p->shape;
    const winograd w = wgrad_of(s, p->block[CONV2D_BLOCK_WEIGHTS]);
    const float *mask = s->epilogue == HONE_EPILOGUE_RELU ? y : NULL;
    const adjoint_pictures input = {x, NULL, w.h, w.w, w.c, false, w.top, w.left};
    const adjoint_pictures gradient = {dy, mask, w.oh, w.ow, w.f, true, 0, 0};
    const size_t total = n * w.tiles, rounds = (total + w.together - 1) / w.together;
    ptrdiff_t *offset = take_offsets(&scratch, w.together);
    float *u = take(&scratch, adjoint_floats(&w, w.together, w.c, WGRAD_CHANNELS));
    float *v = take(&scratch, adjoint_floats(&w, w.together, w.f, BLOCK_LANES));
    if (dbias) conv2d_bias_gradient(n * w.oh * w.ow, w.f, dy, mask, accumulate, dbias);
    for (size_t round = 0, first = 0; round < rounds; round++) {
        const size_t count = (total - first) / (rounds - round);
        adjoint_transform(&w, &input, first, count, WGRAD_CHANNELS, u);
        adjoint_transform(&w, &gradient, first, count, BLOCK_LANES, v);
        const float *panel = v;
        for (size_t filter = 0; filter < w.f; filter += BLOCK_LANES) {
            const block_lanes l = block_lanes_at(filter, w.f);
            const float *block = u;
            for (size_t c = 0, here; c < w.c; c += here) {
                here = w.c - c < WGRAD_CHANNELS ? w.c - c : WGRAD_CHANNELS;
                const size_t line = round_up(here, VL), step = adjoint_step(here, l.padded);
                for (size_t q = 0; q < count; q++) offset[q] = (ptrdiff_t)(q * line);
                wgrad_products(&w, block, here, panel, &l, offset, count, scratch, step);
                wgrad_stores[w.m](&w, scratch, step, here, &l, accumulate || round > 0, dkernel + c * w.f + filter);
                block += (size_t)w.area * adjoint_step(count, here);
            }
            panel += (size_t)w.area * adjoint_step(count, l.padded);
        }
        first += count;
    }
}
