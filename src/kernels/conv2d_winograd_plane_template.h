/* SPDX-License-Identifier: Apache-2.0
 *
 * Winograd's F(2 x 2, 3 x 3) (conv2d_winograd_template.h) for images of one channel. There is no sum over channels, so
 * there is no matrix product either: a vector of filters stays in registers, is multiplied by the sixteen values of one
 * tile after another, and what comes out goes back, is pooled and stored at once. Nearly half of the additions on the
 * way back are part of a multiply-add, so that a tile takes 16 of these and 16 additions, where the direct form has 36
 * multiply-adds. Patches are taken there with lanes along a row of tiles: even and odd columns lie apart for that. */

enum { PLANE_TILE = 2, PLANE_SIDE = 4, PLANE_AREA = 16, PLANE_LINE = 16 /* tiles worked on together, of one row */ };

typedef struct plane {
    winograd w;
    size_t half; /* floats for the even, or the odd, columns of a row */
} plane;

static bool plane_fits(const hone_conv2d_shape *s) {
    return s->c == 1 && winograd_fits(s, PLANE_TILE);
}

/* In vectors through the multipliers, what is behind the products included. */
static double plane_cost(const hone_conv2d_shape *s) {
    const winograd w = winograd_of(s, PLANE_TILE);
    return (double)w.tiles * (26 * conv2d_vectors(w.f) + 8);
}

static plane plane_of(const hone_conv2d_shape *s) {
    plane p = {.w = winograd_of(s, PLANE_TILE)};
    p.half = round_up(p.w.columns, PLANE_LINE) + PLANE_LINE;
    return p;
}

static size_t plane_packed(const hone_conv2d_shape *s) {
    return PLANE_AREA * round_up((size_t)s->filters, VL);
}

static size_t plane_scratch(const hone_conv2d_shape *s) {
    const plane p = plane_of(s);
    const size_t reach = p.half * 2 > p.w.left + p.w.w ? p.half * 2 : p.w.left + p.w.w;
    return round_up(reach, 16) + round_up(2 * PLANE_SIDE * p.half, 16) + PLANE_AREA * PLANE_LINE;
}

/* Vectors of filters: sixteen values of each. */
static void plane_pack(const hone_conv2d_shape *s, const float *kernel, float *packed) {
    const size_t f = (size_t)s->filters;
    winograd_matrix g;
    winograd_matrix_of(PLANE_TILE, g);
    for (size_t v = 0; v < f; v += VL, packed += PLANE_AREA * VL)
        winograd_kernel_2(g, kernel + v, WINOGRAD_TAPS * f, f, f - v < VL ? f - v : VL, packed, VL);
}

/* Row y of the bordered image: even columns, then odd ones. line holds zeros where the image does not reach. */
static void plane_split(const plane *p, const float *image, size_t y, float *line, float *to) {
    if (y < p->w.top || y - p->w.top >= p->w.h) {
        memset(to, 0, 2 * p->half * sizeof *to);
        return;
    }
    memcpy(line + p->w.left, image + (y - p->w.top) * p->w.w, p->w.w * sizeof *line);
    float *even = to, *odd = to + p->half;
    for (size_t i = 0; i < p->half; i++) {
        even[i] = line[2 * i];
        odd[i] = line[2 * i + 1];
    }
}

/* B^T d B of PLANE_LINE tiles from number tile of a row on, whose first row of pixels is number y; rows hold the split
 * ones, by their number. */
static void plane_patches(const plane *p, size_t y, size_t tile, const float *rows, float *to) {
    for (size_t t = 0; t < PLANE_LINE; t += VL) {
        vfloat half[PLANE_SIDE][WINOGRAD_SIDE], d[WINOGRAD_SIDE], v[WINOGRAD_SIDE];
        HONE_UNROLL
        for (size_t j = 0; j < PLANE_SIDE; j++) {
            HONE_UNROLL
            for (size_t i = 0; i < PLANE_SIDE; i++)
                d[i] = v_load(rows + ((y + i) % PLANE_SIDE * 2 + j % 2) * p->half + tile + t + j / 2);
            winograd_input(PLANE_TILE, d, v);
            HONE_UNROLL
            for (size_t i = 0; i < PLANE_SIDE; i++) half[i][j] = v[i];
        }
        HONE_UNROLL
        for (size_t i = 0; i < PLANE_SIDE; i++) {
            winograd_input(PLANE_TILE, half[i], v);
            HONE_UNROLL
            for (size_t j = 0; j < PLANE_SIDE; j++) v_store(to + (i * PLANE_SIDE + j) * PLANE_LINE + t, v[j]);
        }
    }
}

/* One vector of filters, u, of one tile, whose values lie PLANE_LINE floats apart. */
HONE_INLINE void plane_tile(int pool, const vfloat u[PLANE_AREA], const float *x, const winograd_tile *t) {
    vfloat half[PLANE_TILE][WINOGRAD_SIDE], y[WINOGRAD_TILE], value[WINOGRAD_TILE * WINOGRAD_TILE];
    HONE_UNROLL
    for (int j = 0; j < PLANE_SIDE; j++) {
        vfloat d[PLANE_SIDE];
        HONE_UNROLL
        for (int i = 0; i < PLANE_SIDE; i++) d[i] = v_set(x[(i * PLANE_SIDE + j) * PLANE_LINE]);
        const vfloat b = v_mul(u[PLANE_SIDE + j], d[1]), c = v_mul(u[2 * PLANE_SIDE + j], d[2]);
        half[0][j] = v_add(v_fma(u[j], d[0], b), c);
        half[1][j] = v_sub(v_fma(u[3 * PLANE_SIDE + j], d[3], b), c);
    }
    HONE_UNROLL
    for (int i = 0; i < PLANE_TILE; i++) {
        winograd_output(PLANE_TILE, half[i], y);
        HONE_UNROLL
        for (int j = 0; j < PLANE_TILE; j++) value[i * WINOGRAD_TILE + j] = y[j];
    }
    winograd_store(PLANE_TILE, pool, value, t);
}

/* One vector of filters of the tiles of a row up to columns of what is stored; t is the first one. */
HONE_INLINE void plane_row(int pool, size_t columns, const float *packed, const float *patches, winograd_tile t) {
    const size_t stored = (size_t)(PLANE_TILE / pool);
    vfloat u[PLANE_AREA];
    HONE_UNROLL
    for (int i = 0; i < PLANE_AREA; i++) u[i] = v_load(packed + i * VL);
    for (size_t at = 0; at < columns; at += stored, patches++) {
        t.columns = columns - at < stored ? columns - at : stored;
        plane_tile(pool, u, patches, &t);
        t.y += stored * t.column;
        if (t.argmax) t.argmax += stored * t.column;
    }
}

/* A row of tiles from number tile on, of what is stored in so many columns. */
static void plane_line(const plane *p, size_t columns, const float *packed, const float *bias, const float *patches,
                       winograd_tile t) {
    float *y = t.y;
    uint8_t *argmax = t.argmax;
    for (size_t f = 0; f < p->w.f; f += VL) {
        t.lanes = p->w.f - f < VL ? p->w.f - f : VL;
        t.bias = bias ? v_load_part(bias + f, t.lanes) : v_zero();
        t.y = y + f;
        t.argmax = argmax ? argmax + f : NULL;
        if (p->w.pool == 1)
            plane_row(1, columns, packed + f * PLANE_AREA, patches, t);
        else if (argmax)
            plane_row(2, columns, packed + f * PLANE_AREA, patches, t);
        else {
            t.argmax = NULL;
            plane_row(2, columns, packed + f * PLANE_AREA, patches, t);
        }
    }
}

static void conv2d_forward_plane(const hone_conv2d *c, size_t n, const float *x, const float *weights,
                                 const float *bias, float *y, uint8_t *argmax, float *scratch) {
    const hone_conv2d_shape *s = &c->shape;
    const plane p = plane_of(s);
    const size_t reach = p.half * 2 > p.w.left + p.w.w ? p.half * 2 : p.w.left + p.w.w;
    float *line = take(&scratch, reach), *rows = take(&scratch, 2 * PLANE_SIDE * p.half), *patches = scratch;
    winograd_tile t = {.floor = winograd_floor(s->epilogue == HONE_EPILOGUE_RELU)};
    memset(line, 0, reach * sizeof *line);
    for (winograd_place place = {0, 0, 0}; place.sample < n; place.sample++, place.row = 0) {
        const float *image = x + place.sample * p.w.h * p.w.w;
        for (size_t have = 0; place.row < p.w.rows; place.row++) {
            const size_t first = place.row * PLANE_TILE, at = winograd_tile_at(&p.w, &place, &t);
            for (; have < first + PLANE_SIDE; have++)
                plane_split(&p, image, have, line, rows + have % PLANE_SIDE * 2 * p.half);
            const size_t most = PLANE_LINE * PLANE_TILE / (size_t)p.w.pool; /* columns of what is stored */
            for (size_t column = 0; column < p.w.ow; column += most) {
                plane_patches(&p, first, column / most * PLANE_LINE, rows, patches);
                t.y = y + at + column * t.column;
                t.argmax = argmax ? argmax + at + column * t.column : NULL;
                plane_line(&p, p.w.ow - column < most ? p.w.ow - column : most, weights, s->has_bias ? bias : NULL,
                           patches, t);
            }
        }
    }
}
