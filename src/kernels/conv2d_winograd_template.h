/* SPDX-License-Identifier: Apache-2.0
 *
 * Winograd's convolution, F(m x m, 3 x 3), for 3x3 kernels of stride 1: the output is cut into tiles of m by m, each of
 * which depends on a patch of m + 2 by m + 2 pixels. Patch and kernel are taken to polynomials' values at m + 2 points,
 * multiplied there, and taken back:
 *
 *     Y = A^T [ (G g G^T) * (B^T d B) ] A
 *
 * The product * is one number by one number for each pair of channel and filter, so for all tiles and channels it is
 * (m + 2)^2 small matrix products (tiles, channels) (channels, filters): (m + 2)^2 multiply-adds for m^2 outputs, where
 * the direct form has 9 for each: 2.25 times fewer with m = 2, 3.24 with 3, 4 with 4. What it costs are the ways there
 * and back, which are additions for the most part.
 *
 * Points are chosen for small numbers: 0, 1, -1 (m = 2); 0, 1, -1/2, -2 (m = 3); 0, ±5/8, ±3/2 (m = 4); and infinity.
 * The mean error is 0.6, 1.3 and 1.7 times that of a float chain over the same products (numbers of both signs, 64
 * channels; 0.6, 0.9 and 1.3 behind a ReLU); m = 4 with the usual 0, ±1, ±2 comes to 2.8. Rounding depends on the size
 * of all that a tile sees, not of what one output sees: |error| <= 16 (9 c + 4) eps max|d| max over filters of sum |g|
 * holds with a wide margin. A NaN or an infinity is a NaN in outputs of the tiles whose patches hold it: in all that see
 * it, and perhaps in their neighbours.
 *
 * A tile is computed from its own patch in one order, whichever tiles are worked on with it. */

enum {
    WINOGRAD_TAPS = 3,                    /* of a kernel's side */
    WINOGRAD_SIDE = 6,                    /* most pixels of a patch's side */
    WINOGRAD_TILE = 4,                    /* most outputs of a tile's side */
    WINOGRAD_FLOATS = 64 * 1024,          /* patches and products worked on together: they stay in L2 … */
    WINOGRAD_TILES = 4 * (BLOCK_ROWS - 2) /* … but so many tiles at least share each reading of the kernel */
};

/* The points but the one at infinity. */
static const double winograd_points[WINOGRAD_TILE + 1][WINOGRAD_SIDE - 1] = {
    [2] = {0, 1, -1},
    [3] = {0, 1, -0.5, -2},
    [4] = {0, 0.625, -0.625, 1.5, -1.5},
};

typedef struct winograd {
    int m, side, area;               /* of a tile; of its patch; side * side */
    int pool;                        /* a max pooling of pool x pool behind; 1: none */
    size_t h, w, c, f;               /* input, filters */
    size_t oh, ow;                   /* what is stored */
    size_t top, left;                /* padding */
    size_t rows, columns, tiles;     /* tiles of one sample */
    size_t together;                 /* tiles worked on at a time */
    size_t patch;                    /* from one of them to the next */
    size_t patch_step, product_step; /* from one of the area values of all those tiles to the next */
} winograd;

/* A pooling must be windows side by side that fill tiles. */
static bool winograd_fits(const hone_conv2d_shape *s, int m) {
    const bool plain = s->kh == 3 && s->kw == 3 && s->stride_h == 1 && s->stride_w == 1 && s->dilation_h == 1 &&
                       s->dilation_w == 1 && s->groups == 1 && s->pad_top <= 2 && s->pad_left <= 2;
    if (s->pool_h == 0) return plain;
    return plain && s->pool_h == 2 && s->pool_w == 2 && s->pool_stride_h == 2 && s->pool_stride_w == 2 && m % 2 == 0;
}

/* Steps that are an odd number of cache lines: the values of one patch do not meet in one set of the cache. */
static size_t winograd_step(size_t floats) {
    return ((floats + 15) / 16 | 1) * 16;
}

static winograd winograd_of(const hone_conv2d_shape *s, int m) {
    winograd w = {.m = m, .side = m + 2, .area = (m + 2) * (m + 2), .pool = s->pool_h ? s->pool_h : 1};
    w.h = (size_t)s->h, w.w = (size_t)s->w, w.c = (size_t)s->c, w.f = (size_t)s->filters;
    w.oh = (size_t)(s->pool_h ? s->ph : s->oh), w.ow = (size_t)(s->pool_h ? s->pw : s->ow);
    w.top = (size_t)s->pad_top, w.left = (size_t)s->pad_left;
    const size_t stored = (size_t)(m / w.pool);
    w.rows = (w.oh + stored - 1) / stored;
    w.columns = (w.ow + stored - 1) / stored;
    w.tiles = w.rows * w.columns;
    const size_t lanes = w.f < BLOCK_LANES ? round_up(w.f, VL) : BLOCK_LANES;
    const size_t tiles = WINOGRAD_FLOATS / ((size_t)w.area * (w.c + lanes)), rows = BLOCK_ROWS - 2;
    w.together = tiles < WINOGRAD_TILES ? WINOGRAD_TILES : tiles / rows * rows;
    w.patch = w.c;
    w.patch_step = winograd_step(w.together * w.patch);
    w.product_step = winograd_step(w.together * lanes);
    return w;
}

static size_t winograd_scratch(const winograd *w) {
    return round_up(w->c * OFFSET_FLOATS, 16) +
           round_up((size_t)w->area * (w->patch_step + w->product_step + w->c) + 16, 16);
}

/* ---- there and back, in one dimension -------------------------------------------------------------------------- */

/* v = B^T d */
HONE_INLINE void winograd_input(int m, const vfloat d[WINOGRAD_SIDE], vfloat v[WINOGRAD_SIDE]) {
    if (m == 2) {
        v[0] = v_sub(d[2], d[0]);
        v[1] = v_add(d[1], d[2]);
        v[2] = v_sub(d[2], d[1]);
        v[3] = v_sub(d[3], d[1]);
    } else if (m == 3) {
        const vfloat c = v_set(1.5f), half = v_set(0.5f), d21 = v_sub(d[2], d[1]), d32 = v_sub(d[3], d[2]);
        v[0] = v_fma(c, d21, v_sub(d[3], d[0]));
        v[1] = v_fma(v_set(2.5f), d[2], v_add(d[1], d[3]));
        v[2] = v_fma(v_set(-2), d[1], v_add(d[2], d[3]));
        v[3] = v_sub(d[3], v_mul(half, v_add(d[1], d[2])));
        v[4] = v_fma(c, d32, v_sub(d[4], d[1]));
    } else { /* a = 5/8, b = 3/2: all of this is exact */
        const vfloat a = v_set(0.625f), b = v_set(1.5f), aa = v_set(-0.390625f), bb = v_set(-2.25f);
        const vfloat aabb = v_set(0.87890625f), sum = v_set(-2.640625f);
        const vfloat even_a = v_fma(bb, d[2], d[4]), odd_a = v_mul(a, v_fma(bb, d[1], d[3]));
        const vfloat even_b = v_fma(aa, d[2], d[4]), odd_b = v_mul(b, v_fma(aa, d[1], d[3]));
        v[0] = v_fma(aabb, d[0], v_fma(sum, d[2], d[4]));
        v[1] = v_add(even_a, odd_a);
        v[2] = v_sub(even_a, odd_a);
        v[3] = v_add(even_b, odd_b);
        v[4] = v_sub(even_b, odd_b);
        v[5] = v_fma(aabb, d[1], v_fma(sum, d[3], d[5]));
    }
}

/* y = A^T p */
HONE_INLINE void winograd_output(int m, const vfloat p[WINOGRAD_SIDE], vfloat y[WINOGRAD_TILE]) {
    if (m == 2) {
        y[0] = v_add(v_add(p[0], p[1]), p[2]);
        y[1] = v_add(v_sub(p[1], p[2]), p[3]);
    } else if (m == 3) {
        y[0] = v_add(v_add(p[0], p[1]), v_add(p[2], p[3]));
        y[1] = v_fma(v_set(-2), p[3], v_fma(v_set(-0.5f), p[2], p[1]));
        y[2] = v_fma(v_set(4), p[3], v_fma(v_set(0.25f), p[2], v_add(p[1], p[4])));
    } else {
        const vfloat even_a = v_add(p[1], p[2]), odd_a = v_sub(p[1], p[2]);
        const vfloat even_b = v_add(p[3], p[4]), odd_b = v_sub(p[3], p[4]);
        y[0] = v_add(v_add(p[0], even_a), even_b);
        y[1] = v_fma(v_set(0.625f), odd_a, v_mul(v_set(1.5f), odd_b));
        y[2] = v_fma(v_set(0.390625f), even_a, v_mul(v_set(2.25f), even_b));
        y[3] = v_fma(v_set(0.244140625f), odd_a, v_fma(v_set(3.375f), odd_b, p[5]));
    }
}

/* ---- the kernel ------------------------------------------------------------------------------------------------ */

/* G: each point's powers, divided by what the polynomial of the other points has there. */
typedef float winograd_matrix[WINOGRAD_SIDE][WINOGRAD_TAPS];

static void winograd_matrix_of(int m, winograd_matrix g) {
    const double *points = winograd_points[m];
    for (int i = 0; i < m + 1; i++) {
        double value = 1;
        for (int k = 0; k < m + 1; k++)
            if (k != i) value /= points[i] - points[k];
        for (int k = 0; k < WINOGRAD_TAPS; k++, value *= points[i]) g[i][k] = (float)value;
    }
    for (int k = 0; k < WINOGRAD_TAPS; k++) g[m + 1][k] = k == WINOGRAD_TAPS - 1 ? 1.0f : 0.0f; /* infinity */
}

/* G g G^T for a vector of filters: nine taps, in rows and columns so many floats apart, to (side, side), step floats
 * apart. What is missing in the vector is zero. */
HONE_INLINE void winograd_kernel(int m, winograd_matrix g, const float *from, size_t row, size_t column, size_t lanes,
                                 float *to, size_t step) {
    const int side = m + 2;
    vfloat half[WINOGRAD_SIDE][WINOGRAD_TAPS];
    HONE_UNROLL
    for (int x = 0; x < WINOGRAD_TAPS; x++) {
        vfloat in[WINOGRAD_TAPS];
        HONE_UNROLL
        for (int y = 0; y < WINOGRAD_TAPS; y++) in[y] = v_load_part(from + (size_t)y * row + (size_t)x * column, lanes);
        HONE_UNROLL
        for (int i = 0; i < side; i++)
            half[i][x] = v_fma(v_set(g[i][2]), in[2], v_fma(v_set(g[i][1]), in[1], v_mul(v_set(g[i][0]), in[0])));
    }
    HONE_UNROLL
    for (int i = 0; i < side; i++) {
        HONE_UNROLL
        for (int j = 0; j < side; j++) {
            const vfloat *in = half[i];
            v_store(to + (size_t)(i * side + j) * step,
                    v_fma(v_set(g[j][2]), in[2], v_fma(v_set(g[j][1]), in[1], v_mul(v_set(g[j][0]), in[0]))));
        }
    }
}

typedef void (*winograd_kernel_function)(winograd_matrix g, const float *from, size_t row, size_t column, size_t lanes,
                                         float *to, size_t step);

#define WINOGRAD_KERNEL(m)                                                                                             \
    static void winograd_kernel_##m(winograd_matrix g, const float *from, size_t row, size_t column, size_t lanes,     \
                                    float *to, size_t step) {                                                          \
        winograd_kernel(m, g, from, row, column, lanes, to, step);                                                     \
    }
WINOGRAD_KERNEL(2)
WINOGRAD_KERNEL(3)
WINOGRAD_KERNEL(4)

static const winograd_kernel_function winograd_kernels[WINOGRAD_TILE + 1] = {
    [2] = winograd_kernel_2, [3] = winograd_kernel_3, [4] = winograd_kernel_4};

/* Floats from one of the area values of a panel to the next. */
static size_t winograd_panel_step(const winograd *w, const block_lanes *l) {
    return winograd_step(w->c * l->padded);
}

static size_t winograd_packed(const winograd *w) {
    size_t steps = 0;
    for (size_t first = 0; first < w->f; first += BLOCK_LANES) {
        const block_lanes l = block_lanes_at(first, w->f);
        steps += winograd_panel_step(w, &l);
    }
    return (size_t)w->area * steps;
}

/* Panels of BLOCK_LANES filters: for each of the area values (c, lanes of the panel), what is missing in the last
 * vector zero. */
static void winograd_pack(const winograd *w, const float *kernel, float *packed) {
    const winograd_kernel_function transform = winograd_kernels[w->m];
    const size_t tap = w->c * w->f;
    winograd_matrix g;
    winograd_matrix_of(w->m, g);
    for (size_t first = 0; first < w->f; first += BLOCK_LANES) {
        const block_lanes l = block_lanes_at(first, w->f);
        for (size_t c = 0; c < w->c; c++)
            for (size_t v = 0; v < l.padded; v += VL)
                transform(g, kernel + c * w->f + first + v, WINOGRAD_TAPS * tap, tap, v + VL < l.padded ? VL : l.last,
                          packed + c * l.padded + v, winograd_panel_step(w, &l));
        packed += (size_t)w->area * winograd_panel_step(w, &l);
    }
}

/* ---- patches --------------------------------------------------------------------------------------------------- */

HONE_INLINE void winograd_patch_part(int m, bool whole, const float *x, size_t row, size_t column, float *to,
                                     size_t step, size_t lanes) {
    const int side = m + 2;
    vfloat half[WINOGRAD_SIDE][WINOGRAD_SIDE], d[WINOGRAD_SIDE], v[WINOGRAD_SIDE];
    HONE_UNROLL
    for (int j = 0; j < side; j++) {
        HONE_UNROLL
        for (int i = 0; i < side; i++) {
            const float *from = x + (size_t)i * row + (size_t)j * column;
            d[i] = whole ? v_load(from) : v_load_part(from, lanes);
        }
        winograd_input(m, d, v);
        HONE_UNROLL
        for (int i = 0; i < side; i++) half[i][j] = v[i];
    }
    HONE_UNROLL
    for (int i = 0; i < side; i++) {
        winograd_input(m, half[i], v);
        HONE_UNROLL
        for (int j = 0; j < side; j++) {
            float *out = to + (size_t)(i * side + j) * step;
            if (whole)
                v_store(out, v[j]);
            else
                v_store_part(out, v[j], lanes);
        }
    }
}

/* B^T d B of one patch, whose rows and columns are so many floats apart, for all channels. */
HONE_INLINE void winograd_patch(int m, const float *x, size_t row, size_t column, size_t c, float *to, size_t step) {
    size_t i = 0;
    for (; i + VL <= c; i += VL) winograd_patch_part(m, true, x + i, row, column, to + i, step, VL);
    if (i < c) winograd_patch_part(m, false, x + i, row, column, to + i, step, c - i);
}

typedef void (*winograd_patch_function)(const float *x, size_t row, size_t column, size_t c, float *to, size_t step);

#define WINOGRAD_PATCH(m)                                                                                              \
    static void winograd_patch_##m(const float *x, size_t row, size_t column, size_t c, float *to, size_t step) {      \
        winograd_patch(m, x, row, column, c, to, step);                                                                \
    }
WINOGRAD_PATCH(2)
WINOGRAD_PATCH(3)
WINOGRAD_PATCH(4)

static const winograd_patch_function winograd_patches[WINOGRAD_TILE + 1] = {
    [2] = winograd_patch_2, [3] = winograd_patch_3, [4] = winograd_patch_4};

/* Where tile number t of a batch lies. */
typedef struct winograd_place {
    size_t sample, row, column; /* in tiles */
} winograd_place;

static winograd_place winograd_place_of(const winograd *w, size_t t) {
    return (winograd_place){t / w->tiles, t % w->tiles / w->columns, t % w->columns};
}

static void winograd_place_next(const winograd *w, winograd_place *p) {
    if (++p->column < w->columns) return;
    p->column = 0;
    if (++p->row < w->rows) return;
    p->row = 0;
    p->sample++;
}

/* Copies a square of size pixels, of channels each, that begins at (y, x) of an image (h, w) and may reach out of it. */
static void winograd_cut(const float *image, size_t h, size_t w, size_t channels, ptrdiff_t y, ptrdiff_t x, size_t size,
                         float *to) {
    memset(to, 0, size * size * channels * sizeof *to);
    for (size_t i = 0; i < size; i++) {
        const ptrdiff_t at = y + (ptrdiff_t)i, from = x < 0 ? 0 : x, end = x + (ptrdiff_t)size;
        const ptrdiff_t last = end < (ptrdiff_t)w ? end : (ptrdiff_t)w;
        if (at < 0 || at >= (ptrdiff_t)h || last <= from) continue;
        memcpy(to + (i * size + (size_t)(from - x)) * channels, image + ((size_t)at * w + (size_t)from) * channels,
               (size_t)(last - from) * channels * sizeof *to);
    }
}

/* The patches of count tiles from number first on; border has room for one patch. */
static void winograd_gather(const winograd *w, const float *x, size_t first, size_t count, float *patches,
                            float *border) {
    const winograd_patch_function patch = winograd_patches[w->m];
    const size_t side = (size_t)w->side;
    winograd_place p = winograd_place_of(w, first);
    for (size_t t = 0; t < count; t++, winograd_place_next(w, &p)) {
        const float *image = x + p.sample * w->h * w->w * w->c;
        const size_t y = p.row * (size_t)w->m, left = p.column * (size_t)w->m; /* in the bordered image */
        float *to = patches + t * w->c;
        if (y >= w->top && y - w->top + side <= w->h && left >= w->left && left - w->left + side <= w->w) {
            patch(image + ((y - w->top) * w->w + left - w->left) * w->c, w->w * w->c, w->c, w->c, to, w->patch_step);
        } else {
            winograd_cut(image, w->h, w->w, w->c, (ptrdiff_t)y - (ptrdiff_t)w->top,
                         (ptrdiff_t)left - (ptrdiff_t)w->left, side, border);
            patch(border, side * w->c, w->c, w->c, to, w->patch_step);
        }
    }
}

/* ---- tiles ----------------------------------------------------------------------------------------------------- */

/* What becomes of a vector of filters of a tile. */
typedef struct winograd_tile {
    vfloat bias, floor; /* added; the least that is stored */
    size_t lanes;
    size_t rows, columns; /* of the tile that exist; behind a pooling, of its windows */
    size_t row, column;   /* floats between them in y */
    float *y;
    uint8_t *argmax; /* or NULL */
} winograd_tile;

/* The maximum of a pooling window of two by two at value, in rows of WINOGRAD_TILE. A NaN wins. */
HONE_INLINE vfloat winograd_best(const vfloat *value) {
    const vfloat a = value[0], b = value[1], c = value[WINOGRAD_TILE], d = value[WINOGRAD_TILE + 1];
    const vmask nan = vm_or(v_unordered(a, b), v_unordered(c, d));
    return v_select(nan, v_set(NAN), v_max(v_max(a, b), v_max(c, d)));
}

/* Where in the window best is, the first of equals. */
HONE_INLINE vint winograd_where(const vfloat *value, vfloat best) {
    vint where = vi_select(v_gt(best, value[WINOGRAD_TILE]), vi_set(3), vi_set(2));
    where = vi_select(v_gt(best, value[1]), where, vi_set(1));
    return vi_select(v_gt(best, value[0]), where, vi_set(0));
}

/* One output, or the maximum of one pooling window. */
HONE_INLINE void winograd_store_one(int pool, const vfloat *from, const winograd_tile *t, size_t at) {
    vfloat y = from[0];
    if (pool == 2) {
        y = winograd_best(from);
        if (t->argmax) vi_store_u8_part(t->argmax + at, winograd_where(from, y), t->lanes);
    }
    y = v_add(y, t->bias); /* rounding keeps the order, so the largest stays the largest */
    v_store_part(t->y + at, v_max(t->floor, y), t->lanes);
}

HONE_INLINE void winograd_store(int m, int pool, const vfloat value[WINOGRAD_TILE * WINOGRAD_TILE],
                                const winograd_tile *t) {
    const int size = m / pool;
    HONE_UNROLL
    for (int i = 0; i < size; i++) {
        HONE_UNROLL
        for (int j = 0; j < size; j++) {
            const bool exists = (i == 0 || (size_t)i < t->rows) && (j == 0 || (size_t)j < t->columns);
            if (exists)
                winograd_store_one(pool, value + (i * WINOGRAD_TILE + j) * pool, t,
                                   (size_t)i * t->row + (size_t)j * t->column);
        }
    }
}

/* A^T p A of one vector of filters of a tile, its values step floats apart. */
HONE_INLINE void winograd_tile_part(int m, int pool, const float *product, size_t step, const winograd_tile *t) {
    const int side = m + 2;
    vfloat half[WINOGRAD_TILE][WINOGRAD_SIDE], p[WINOGRAD_SIDE], y[WINOGRAD_TILE];
    vfloat value[WINOGRAD_TILE * WINOGRAD_TILE];
    HONE_UNROLL
    for (int j = 0; j < side; j++) {
        HONE_UNROLL
        for (int i = 0; i < side; i++) p[i] = v_load(product + (size_t)(i * side + j) * step);
        winograd_output(m, p, y);
        HONE_UNROLL
        for (int i = 0; i < m; i++) half[i][j] = y[i];
    }
    HONE_UNROLL
    for (int i = 0; i < m; i++) {
        winograd_output(m, half[i], y);
        HONE_UNROLL
        for (int j = 0; j < m; j++) value[i * WINOGRAD_TILE + j] = y[j];
    }
    winograd_store(m, pool, value, t);
}

typedef void (*winograd_tile_function)(const float *product, size_t step, const winograd_tile *t);

#define WINOGRAD_TILE_FUNCTION(m, pool)                                                                                \
    static void winograd_tile_##m##_##pool(const float *product, size_t step, const winograd_tile *t) {                \
        winograd_tile_part(m, pool, product, step, t);                                                                 \
    }
WINOGRAD_TILE_FUNCTION(2, 1)
WINOGRAD_TILE_FUNCTION(3, 1)
WINOGRAD_TILE_FUNCTION(4, 1)
WINOGRAD_TILE_FUNCTION(2, 2)
WINOGRAD_TILE_FUNCTION(4, 2)

/* [pool - 1][m] */
static const winograd_tile_function winograd_tiles[2][WINOGRAD_TILE + 1] = {
    {[2] = winograd_tile_2_1, [3] = winograd_tile_3_1, [4] = winograd_tile_4_1},
    {[2] = winograd_tile_2_2, [4] = winograd_tile_4_2},
};

/* What stands behind the sums of a convolution. */
typedef struct winograd_end {
    const float *bias; /* or NULL */
    bool relu;
    float *y;
    uint8_t *argmax; /* or NULL */
} winograd_end;

/* ReLU, or nothing. */
static vfloat winograd_floor(bool relu) {
    return v_set(relu ? 0 : -INFINITY);
}

/* Fills in all of t but the filters for the tile at p. Returns where its outputs begin in y. */
static size_t winograd_tile_at(const winograd *w, const winograd_place *p, winograd_tile *t) {
    const size_t stored = (size_t)(w->m / w->pool), row = p->row * stored, column = p->column * stored;
    t->rows = w->oh - row < stored ? w->oh - row : stored;
    t->columns = w->ow - column < stored ? w->ow - column : stored;
    t->row = w->ow * w->f;
    t->column = w->f;
    return ((p->sample * w->oh + row) * w->ow + column) * w->f;
}

/* The products of count tiles from number first on, (area, tiles, lanes of one panel), to what they are for. */
static void winograd_scatter(const winograd *w, const block_lanes *l, size_t filter, size_t first, size_t count,
                             const float *products, const winograd_end *end) {
    const winograd_tile_function tile = winograd_tiles[w->pool - 1][w->m];
    winograd_place p = winograd_place_of(w, first);
    winograd_tile t = {.floor = winograd_floor(end->relu)};
    for (size_t i = 0; i < count; i++, winograd_place_next(w, &p)) {
        const size_t at = winograd_tile_at(w, &p, &t) + filter;
        for (size_t v = 0; v < l->padded; v += VL) {
            t.lanes = v + VL < l->padded ? VL : l->last;
            t.bias = end->bias ? v_load_part(end->bias + filter + v, t.lanes) : v_zero();
            t.y = end->y + at + v;
            t.argmax = end->argmax ? end->argmax + at + v : NULL;
            tile(products + i * l->padded + v, w->product_step, &t);
        }
    }
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

/* products (area, count, lanes) = patches (area, count, c) panel (area, c, lanes) */
static void winograd_multiply(const winograd *w, const block_lanes *l, size_t count, const float *patches,
                              const float *panel, const ptrdiff_t *offset, float *products) {
    const block_output sums = {false, false, NULL, VL};
    const size_t step = winograd_panel_step(w, l);
    for (int i = 0; i < w->area; i++, patches += w->patch_step, products += w->product_step)
        for (size_t t = 0, r; t < count; t += r) {
            const float *row[BLOCK_ROWS];
            float *out[BLOCK_ROWS];
            r = block_next_rows(count - t, l->vectors);
            for (size_t q = 0; q < r; q++) {
                row[q] = patches + (t + q) * w->patch;
                out[q] = products + (t + q) * l->padded;
            }
            block_functions[l->vectors - 1][r - 1](row, offset, w->c, panel + (size_t)i * step, l->padded, out, &sums);
        }
}

static void winograd_run(const winograd *w, size_t n, const float *x, const float *packed, const winograd_end *end,
                         float *scratch) {
    ptrdiff_t *offset = take_offsets(&scratch, w->c);
    float *patches = take(&scratch, (size_t)w->area * w->patch_step);
    float *products = take(&scratch, (size_t)w->area * w->product_step);
    float *border = scratch;
    for (size_t c = 0; c < w->c; c++) offset[c] = (ptrdiff_t)c;
    for (size_t first = 0, count; first < n * w->tiles; first += count) {
        const size_t left = n * w->tiles - first, parts = (left + w->together - 1) / w->together;
        count = (left + parts - 1) / parts;
        winograd_gather(w, x, first, count, patches, border);
        const float *panel = packed;
        for (size_t filter = 0; filter < w->f; filter += BLOCK_LANES) {
            const block_lanes l = block_lanes_at(filter, w->f);
            winograd_multiply(w, &l, count, patches, panel, offset, products);
            winograd_scatter(w, &l, filter, first, count, products, end);
            panel += (size_t)w->area * winograd_panel_step(w, &l);
        }
    }
}

static void conv2d_forward_winograd(const hone_conv2d *p, size_t n, const float *x, const float *weights,
                                    const float *bias, float *y, uint8_t *argmax, float *scratch) {
    const hone_conv2d_shape *s = &p->shape;
    const winograd w = winograd_of(s, p->block[CONV2D_BLOCK_FORWARD]);
    const winograd_end end = {s->has_bias ? bias : NULL, s->epilogue == HONE_EPILOGUE_RELU, y, argmax};
    winograd_run(&w, n, x, weights, &end, scratch);
}
