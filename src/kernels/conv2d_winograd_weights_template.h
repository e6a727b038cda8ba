/* SPDX-License-Identifier: Apache-2.0
 *
 * Weight gradient of a 3x3 convolution by Winograd's transform: 36 multiplications where the sum over a tile of 4x4
 * outputs has 144.
 *
 * The gradient of a tile, seen as a polynomial, is a product of the tile's input (6x6) and its dy (4x4). Both are
 * evaluated at six points each way, products are added up over all tiles point by point, which are 36 small matrix
 * products, and only the sums are brought back:
 *
 *     dkernel = G' [ sum over tiles of (B' x B) * (A dy A') ] G
 *
 * Points are 0, +-2/3, +-3/2 and infinity: reciprocals of each other keep all factors near 1. On random numbers the mean
 * error is 1.25 times that of the direct sum over 4,096 outputs and 2.5 times over 512 (that sum's own error grows
 * faster); the usual 0, +-1, +-2 double both. An infinity may come out as a NaN, and spreads over the taps of its
 * channel. */

enum {
    WGRAD_TILE = 4,
    WGRAD_SIDE = 6,
    WGRAD_POINTS = 36,
    WGRAD_CHANNELS = 32,       /* worked on together: sums of these by a panel of filters stay in L2 */
    WGRAD_TILES = 256,         /* most tiles transformed at once, */
    WGRAD_FLOATS = 640 * 1024, /* of at most that many floats: from L2 or not far from it, */
    WGRAD_SAMPLES = 16,        /* of at most that many samples */
    WGRAD_LEAST_SAMPLES = 2,   /* what a call is expected to bring, for choosing */
    WGRAD_PAD = 16             /* floats between points, or stores to all of them would meet in one set of L1 */
};

/* ---- the transforms, one way ----------------------------------------------------------------------------------- */

#define WGRAD_P  (2.0f / 3.0f)
#define WGRAD_Q  (3.0f / 2.0f)
#define WGRAD_P2 (4.0f / 9.0f)
#define WGRAD_Q2 (9.0f / 4.0f)

/* B': even and odd powers apart, for they are shared by a point and its opposite. p q = 1. */
HONE_INLINE void wgrad_input(const vfloat d[WGRAD_SIDE], vfloat to[WGRAD_SIDE]) {
    const vfloat p = v_set(WGRAD_P), q = v_set(WGRAD_Q), sum = v_set(-(WGRAD_P2 + WGRAD_Q2));
    const vfloat even_p = v_fma(v_set(-WGRAD_Q2), d[2], d[4]), odd_p = v_fma(p, d[3], v_mul(v_neg(q), d[1]));
    const vfloat even_q = v_fma(v_set(-WGRAD_P2), d[2], d[4]), odd_q = v_fma(q, d[3], v_mul(v_neg(p), d[1]));
    to[0] = v_fma(sum, d[2], v_add(d[0], d[4]));
    to[1] = v_add(even_p, odd_p);
    to[2] = v_sub(even_p, odd_p);
    to[3] = v_add(even_q, odd_q);
    to[4] = v_sub(even_q, odd_q);
    to[5] = v_fma(sum, d[3], v_add(d[1], d[5]));
}

/* A: the values of a polynomial with coefficients d. */
HONE_INLINE void wgrad_gradient(const vfloat d[WGRAD_TILE], vfloat to[WGRAD_SIDE]) {
    const vfloat p2 = v_set(WGRAD_P2), q2 = v_set(WGRAD_Q2);
    const vfloat even_p = v_fma(p2, d[2], d[0]), odd_p = v_mul(v_set(WGRAD_P), v_fma(p2, d[3], d[1]));
    const vfloat even_q = v_fma(q2, d[2], d[0]), odd_q = v_mul(v_set(WGRAD_Q), v_fma(q2, d[3], d[1]));
    to[0] = d[0];
    to[1] = v_add(even_p, odd_p);
    to[2] = v_sub(even_p, odd_p);
    to[3] = v_add(even_q, odd_q);
    to[4] = v_sub(even_q, odd_q);
    to[5] = d[3];
}

/* G': from points to taps. */
HONE_INLINE void wgrad_taps(const vfloat m[WGRAD_SIDE], vfloat to[3]) {
    const float p = 1.0f / (2.0f * WGRAD_P2 * (WGRAD_P2 - WGRAD_Q2));
    const float q = 1.0f / (2.0f * WGRAD_Q2 * (WGRAD_Q2 - WGRAD_P2));
    const vfloat even_p = v_add(m[1], m[2]), odd_p = v_sub(m[1], m[2]);
    const vfloat even_q = v_add(m[3], m[4]), odd_q = v_sub(m[3], m[4]);
    to[0] = v_fma(v_set(q), even_q, v_fma(v_set(p), even_p, m[0]));
    to[1] = v_fma(v_set(q * WGRAD_Q), odd_q, v_mul(v_set(p * WGRAD_P), odd_p));
    to[2] = v_fma(v_set(q * WGRAD_Q2), v_sub(even_q, even_p), m[5]); /* p p^2 = -q q^2 */
}

/* ---- tiles ----------------------------------------------------------------------------------------------------- */

/* A tile's place: of its patch in the input, of itself in the output. */
typedef struct wgrad_place {
    int y, x;
} wgrad_place;

/* One vector of channels of a picture (h, w, c), zero outside of it and where mask (NULL: none) is not positive. */
HONE_INLINE vfloat wgrad_load(const float *from, const float *mask, int h, int w, size_t c, int y, int x, size_t lanes,
                              bool inside) {
    if (!inside && (y < 0 || y >= h || x < 0 || x >= w)) return v_zero();
    const size_t at = ((size_t)y * (size_t)w + (size_t)x) * c;
    const vfloat value = v_load_lanes(from + at, lanes);
    return mask ? v_select(v_gt(v_load_lanes(mask + at, lanes), v_zero()), value, v_zero()) : value;
}

/* to (36 points, step floats apart) = the transform of size by size pixels at place. */
HONE_INLINE void wgrad_tile(const float *from, const float *mask, int h, int w, size_t c, wgrad_place at, int size,
                            size_t lanes, bool inside, float *to, size_t step) {
    vfloat half[WGRAD_SIDE][WGRAD_SIDE]; /* columns are transformed */
    HONE_UNROLL
    for (int x = 0; x < size; x++) {
        vfloat column[WGRAD_SIDE], out[WGRAD_SIDE];
        HONE_UNROLL
        for (int y = 0; y < size; y++) column[y] = wgrad_load(from, mask, h, w, c, at.y + y, at.x + x, lanes, inside);
        if (size == WGRAD_SIDE)
            wgrad_input(column, out);
        else
            wgrad_gradient(column, out);
        HONE_UNROLL
        for (int y = 0; y < WGRAD_SIDE; y++) half[y][x] = out[y];
    }
    HONE_UNROLL
    for (int y = 0; y < WGRAD_SIDE; y++) {
        vfloat out[WGRAD_SIDE];
        if (size == WGRAD_SIDE)
            wgrad_input(half[y], out);
        else
            wgrad_gradient(half[y], out);
        HONE_UNROLL
        for (int x = 0; x < WGRAD_SIDE; x++) v_store(to + (size_t)(y * WGRAD_SIDE + x) * step, out[x]);
    }
}

/* The four cases as functions of their own: whole vectors are the usual ones, and most tiles lie inside. */
#define WGRAD_TILE_OF(name, size)                                                                                      \
    static void name(const float *from, const float *mask, int h, int w, size_t c, wgrad_place at, size_t lanes,       \
                     float *to, size_t step) {                                                                         \
        const bool inside = at.y >= 0 && at.x >= 0 && at.y + size <= h && at.x + size <= w;                            \
        if (inside && lanes == VL && !mask)                                                                            \
            wgrad_tile(from, NULL, h, w, c, at, size, VL, true, to, step);                                             \
        else if (lanes == VL && !mask)                                                                                 \
            wgrad_tile(from, NULL, h, w, c, at, size, VL, false, to, step);                                            \
        else                                                                                                           \
            wgrad_tile(from, mask, h, w, c, at, size, lanes, false, to, step);                                         \
    }
WGRAD_TILE_OF(wgrad_input_tile, WGRAD_SIDE)
WGRAD_TILE_OF(wgrad_gradient_tile, WGRAD_TILE)

/* ---- choosing -------------------------------------------------------------------------------------------------- */

typedef struct wgrad_cut {
    size_t high, wide, tiles; /* of one sample */
    size_t together;          /* tiles worked on at once */
} wgrad_cut;

static wgrad_cut wgrad_cut_of(const conv2d_geometry *g) {
    wgrad_cut t = {(g->oh + WGRAD_TILE - 1) / WGRAD_TILE, (g->ow + WGRAD_TILE - 1) / WGRAD_TILE, 0, 0};
    t.tiles = t.high * t.wide;
    const size_t fit = WGRAD_FLOATS / (WGRAD_POINTS * (round_up(g->c, VL) + round_up(g->f, VL)));
    t.together = WGRAD_SAMPLES * t.tiles < WGRAD_TILES ? WGRAD_SAMPLES * t.tiles : WGRAD_TILES;
    if (t.together > fit) t.together = fit > 0 ? fit : 1;
    return t;
}

static bool wgrad_fits(const hone_conv2d_shape *s) {
    return s->kh == 3 && s->kw == 3 && s->groups == 1 && s->stride_h == 1 && s->stride_w == 1 && s->dilation_h == 1 &&
           s->dilation_w == 1 && s->pool_h == 0;
}

/* Multiply-adds of vectors that one sample costs: products, and the transforms at so many instructions for each tile
 * (x, dy) and for each sum, once a call. */
static double wgrad_cost(const conv2d_geometry *g) {
    const wgrad_cut t = wgrad_cut_of(g);
    const double channels = (double)((g->c + VL - 1) / VL), filters = (double)((g->f + VL - 1) / VL);
    const double products = (double)(WGRAD_POINTS * g->c) * filters;
    return (double)t.tiles * (products + 300 * channels + 240 * filters) +
           200 * (double)g->c * filters / WGRAD_LEAST_SAMPLES;
}

/* ---- the gradient ---------------------------------------------------------------------------------------------- */

/* Points of up to WGRAD_CHANNELS channels (or a panel of filters), each (tiles, width). */
static size_t wgrad_step(size_t tiles, size_t width) {
    return tiles * width + WGRAD_PAD;
}

static size_t wgrad_floats(size_t tiles, size_t channels, size_t width) {
    const size_t blocks = (channels + width - 1) / width;
    return blocks * WGRAD_POINTS * wgrad_step(tiles, round_up(channels < width ? channels : width, VL));
}

static size_t wgrad_scratch(const conv2d_geometry *g) {
    const size_t tiles = wgrad_cut_of(g).together;
    return round_up(tiles * OFFSET_FLOATS, 16) + round_up(wgrad_floats(tiles, g->c, WGRAD_CHANNELS), 16) +
           round_up(wgrad_floats(tiles, g->f, BLOCK_LANES), 16) +
           WGRAD_POINTS * wgrad_step(WGRAD_CHANNELS, BLOCK_LANES);
}

/* Tiles first … first + count - 1 of the samples from picture on: blocks of width channels one behind the other. */
static void wgrad_transform(const hone_conv2d_shape *s, const wgrad_cut *t, bool gradient, const float *from,
                            const float *mask, size_t first, size_t count, size_t width, float *to) {
    const int h = gradient ? s->oh : s->h, w = gradient ? s->ow : s->w;
    const size_t channels = (size_t)(gradient ? s->filters : s->c), sample = (size_t)h * (size_t)w * channels;
    for (size_t begin = 0; begin < channels; begin += width) {
        const size_t here = channels - begin < width ? channels - begin : width, line = round_up(here, VL);
        const size_t step = wgrad_step(count, line);
        for (size_t q = 0; q < count; q++) {
            const size_t tile = (first + q) % t->tiles, at = (first + q) / t->tiles * sample + begin;
            wgrad_place place = {(int)(tile / t->wide) * WGRAD_TILE, (int)(tile % t->wide) * WGRAD_TILE};
            if (!gradient) place = (wgrad_place){place.y - s->pad_top, place.x - s->pad_left};
            for (size_t v = 0; v < here; v += VL) {
                const size_t lanes = here - v < VL ? here - v : VL;
                const float *masked = mask ? mask + at + v : NULL;
                float *out = to + q * line + v;
                if (gradient)
                    wgrad_gradient_tile(from + at + v, masked, h, w, channels, place, lanes, out, step);
                else
                    wgrad_input_tile(from + at + v, masked, h, w, channels, place, lanes, out, step);
            }
        }
        to += WGRAD_POINTS * step;
    }
}

/* sums (36 points of channels by lanes) to dkernel at channel and filter. */
static void wgrad_store(const conv2d_geometry *g, const float *sums, size_t step, size_t channels, block_lanes l,
                        bool accumulate, float *dkernel) {
    for (size_t c = 0; c < channels; c++)
        for (int v = 0; v < l.vectors; v++) {
            const float *from = sums + c * l.padded + (size_t)v * VL;
            const size_t lanes = v == l.vectors - 1 ? l.last : VL;
            vfloat half[3][WGRAD_SIDE];
            HONE_UNROLL
            for (int x = 0; x < WGRAD_SIDE; x++) {
                vfloat column[WGRAD_SIDE], out[3];
                HONE_UNROLL
                for (int y = 0; y < WGRAD_SIDE; y++) column[y] = v_load(from + (size_t)(y * WGRAD_SIDE + x) * step);
                wgrad_taps(column, out);
                HONE_UNROLL
                for (int y = 0; y < 3; y++) half[y][x] = out[y];
            }
            HONE_UNROLL
            for (int y = 0; y < 3; y++) {
                vfloat out[3];
                wgrad_taps(half[y], out);
                HONE_UNROLL
                for (int x = 0; x < 3; x++) {
                    float *to = dkernel + ((size_t)(y * 3 + x) * g->c + c) * g->f + (size_t)v * VL;
                    if (accumulate) out[x] = v_add(v_load_part(to, lanes), out[x]);
                    v_store_part(to, out[x], lanes);
                }
            }
        }
}

/* Adds up count tiles: u of one block of channels by v of one panel of filters. */
static void wgrad_products(const float *u, size_t channels, const float *v, block_lanes l, const ptrdiff_t *offset,
                           size_t count, float *sums, size_t step) {
    const size_t u_step = wgrad_step(count, round_up(channels, VL)), v_step = wgrad_step(count, l.padded);
    const block_output output = {false, false, NULL, VL};
    for (size_t point = 0; point < WGRAD_POINTS; point++, u += u_step, v += v_step, sums += step)
        for (size_t c = 0, r; c < channels; c += r) {
            const float *row[BLOCK_ROWS];
            float *out[BLOCK_ROWS];
            r = block_next_rows(channels - c, l.vectors);
            for (size_t q = 0; q < r; q++) {
                row[q] = u + c + q;
                out[q] = sums + (c + q) * l.padded;
            }
            block_functions[l.vectors - 1][r - 1](row, offset, count, v, l.padded, out, &output);
        }
}

static void conv2d_backward_weights_winograd(const hone_conv2d *p, size_t n, const float *x, const float *dy,
                                             const float *y, bool accumulate, float *dkernel, float *dbias,
                                             float *scratch) {
    const hone_conv2d_shape *s = &p->shape;
    const conv2d_geometry g = conv2d_geometry_of(s);
    const wgrad_cut t = wgrad_cut_of(&g);
    const float *mask = s->epilogue == HONE_EPILOGUE_RELU ? y : NULL;
    const size_t total = n * t.tiles, rounds = (total + t.together - 1) / t.together;
    ptrdiff_t *offset = take_offsets(&scratch, t.together);
    float *u = take(&scratch, wgrad_floats(t.together, g.c, WGRAD_CHANNELS));
    float *v = take(&scratch, wgrad_floats(t.together, g.f, BLOCK_LANES));
    if (dbias) conv2d_bias_gradient(n * g.pixels, g.f, dy, mask, accumulate, dbias);
    for (size_t round = 0, first = 0; round < rounds; round++) {
        const size_t count = (total - first) / (rounds - round);
        wgrad_transform(s, &t, false, x, NULL, first, count, WGRAD_CHANNELS, u);
        wgrad_transform(s, &t, true, dy, mask, first, count, BLOCK_LANES, v);
        const float *panel = v;
        for (size_t filter = 0; filter < g.f; filter += BLOCK_LANES) {
            const block_lanes l = block_lanes_at(filter, g.f);
            const float *block = u;
            for (size_t c = 0, here; c < g.c; c += here) {
                here = g.c - c < WGRAD_CHANNELS ? g.c - c : WGRAD_CHANNELS;
                const size_t line = round_up(here, VL), step = wgrad_step(here, l.padded);
                for (size_t q = 0; q < count; q++) offset[q] = (ptrdiff_t)(q * line);
                wgrad_products(block, here, panel, l, offset, count, scratch, step);
                wgrad_store(&g, scratch, step, here, l, accumulate || round > 0, dkernel + c * g.f + filter);
                block += WGRAD_POINTS * wgrad_step(count, line);
            }
            panel += WGRAD_POINTS * wgrad_step(count, l.padded);
        }
        first += count;
    }
}
