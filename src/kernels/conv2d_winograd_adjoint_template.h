/* SPDX-License-Identifier: Apache-2.0
 *
 * The way back through Winograd's convolution (conv2d_winograd_template.h). That is linear in the image and in the
 * kernel, so its gradients are the same products between the three transforms turned round:
 *
 *     dkernel = G^T [ sum over tiles of (B^T d B) * (A dy A^T) ] G
 *     dx     += B [ sum over filters of (G g G^T) * (A dy A^T) ] B^T        for each tile at its patch
 *
 * Here is what both need: A, G^T and B in one dimension, and tiles of pictures taken to their points, which are those
 * of the way forwards. On random numbers the mean error of dkernel is less than 3 times that of a float chain over 512
 * outputs (whose own error grows faster), that of dx 0.9, 2.1 and 2.3 times a chain's with tiles of 2, 3 and 4 a side and
 * 128 filters. An infinity may come out as a NaN. */

enum {
    ADJOINT_PAD = 16 /* floats between points, or stores to all of them would meet in one set of L1 */
};

/* Behind a pooling the sparse way has fewer products in any case. */
static bool adjoint_fits(const hone_conv2d_shape *s) {
    return s->pool_h == 0 && winograd_fits(s, WINOGRAD_TILE);
}

/* ---- the transforms in one dimension --------------------------------------------------------------------------- */

/* A: the values of a polynomial with coefficients d. */
HONE_INLINE void adjoint_gradient(int m, const vfloat d[WINOGRAD_TILE], vfloat to[WINOGRAD_SIDE]) {
    to[0] = d[0];
    to[m + 1] = d[m - 1];
    if (m == 2) {
        to[1] = v_add(d[0], d[1]);
        to[2] = v_sub(d[0], d[1]);
    } else if (m == 3) {
        to[1] = v_add(v_add(d[0], d[1]), d[2]);
        to[2] = v_fma(v_set(0.25f), d[2], v_fma(v_set(-0.5f), d[1], d[0]));
        to[3] = v_fma(v_set(4), d[2], v_fma(v_set(-2), d[1], d[0]));
    } else {
        const vfloat aa = v_set(0.390625f), bb = v_set(2.25f);
        const vfloat even_a = v_fma(aa, d[2], d[0]), odd_a = v_mul(v_set(0.625f), v_fma(aa, d[3], d[1]));
        const vfloat even_b = v_fma(bb, d[2], d[0]), odd_b = v_mul(v_set(1.5f), v_fma(bb, d[3], d[1]));
        to[1] = v_add(even_a, odd_a);
        to[2] = v_sub(even_a, odd_a);
        to[3] = v_add(even_b, odd_b);
        to[4] = v_sub(even_b, odd_b);
    }
}

/* G^T: from points to taps. */
HONE_INLINE void adjoint_taps(int m, const vfloat p[WINOGRAD_SIDE], vfloat to[WINOGRAD_TAPS]) {
    if (m == 2) {
        const vfloat even = v_mul(v_set(0.5f), v_add(p[1], p[2]));
        to[0] = v_sub(even, p[0]);
        to[1] = v_mul(v_set(0.5f), v_sub(p[1], p[2]));
        to[2] = v_add(even, p[3]);
    } else if (m == 3) {
        const float n1 = 1 / 4.5f, n2 = 1 / 1.125f, n3 = -1 / 9.0f; /* of 1, -1/2, -2 */
        const vfloat one = v_mul(v_set(n1), p[1]);
        to[0] = v_fma(v_set(n3), p[3], v_fma(v_set(n2), p[2], v_sub(one, p[0])));
        to[1] = v_fma(v_set(-2 * n3), p[3], v_fma(v_set(-0.5f * n2), p[2], one));
        to[2] = v_fma(v_set(4 * n3), p[3], v_fma(v_set(0.25f * n2), p[2], v_add(one, p[4])));
    } else {
        const float aa = 0.390625f, bb = 2.25f, na = 1 / (2 * aa * (aa - bb)), nb = 1 / (2 * bb * (bb - aa));
        const vfloat even_a = v_add(p[1], p[2]), odd_a = v_sub(p[1], p[2]);
        const vfloat even_b = v_add(p[3], p[4]), odd_b = v_sub(p[3], p[4]);
        to[0] = v_fma(v_set(1 / (aa * bb)), p[0], v_fma(v_set(nb), even_b, v_mul(v_set(na), even_a)));
        to[1] = v_fma(v_set(nb * 1.5f), odd_b, v_mul(v_set(na * 0.625f), odd_a));
        to[2] = v_fma(v_set(nb * bb), v_sub(even_b, even_a), p[5]); /* na aa = -nb bb */
    }
}

/* B: from points to a patch. */
HONE_INLINE void adjoint_patch(int m, const vfloat p[WINOGRAD_SIDE], vfloat to[WINOGRAD_SIDE]) {
    if (m == 2) {
        to[0] = v_neg(p[0]);
        to[1] = v_sub(v_sub(p[1], p[2]), p[3]);
        to[2] = v_add(v_add(p[0], p[1]), p[2]);
        to[3] = p[3];
    } else if (m == 3) {
        const vfloat c = v_set(1.5f), p01 = v_fma(v_set(2.5f), p[1], p[2]), half = v_set(-0.5f);
        to[0] = v_neg(p[0]);
        to[1] = v_fma(v_neg(c), p[0], v_fma(half, p[3], v_fma(v_set(-2), p[2], v_sub(p[1], p[4]))));
        to[2] = v_fma(c, v_sub(p[0], p[4]), v_fma(half, p[3], p01));
        to[3] = v_fma(c, p[4], v_add(v_add(p[0], p[1]), v_add(p[2], p[3])));
        to[4] = p[4];
    } else {
        const vfloat aa = v_set(-0.390625f), bb = v_set(-2.25f), aabb = v_set(0.87890625f), sum = v_set(-2.640625f);
        const vfloat even_a = v_add(p[1], p[2]), odd_a = v_mul(v_set(0.625f), v_sub(p[1], p[2]));
        const vfloat even_b = v_add(p[3], p[4]), odd_b = v_mul(v_set(1.5f), v_sub(p[3], p[4]));
        to[0] = v_mul(aabb, p[0]);
        to[1] = v_fma(aabb, p[5], v_fma(bb, odd_a, v_mul(aa, odd_b)));
        to[2] = v_fma(sum, p[0], v_fma(bb, even_a, v_mul(aa, even_b)));
        to[3] = v_fma(sum, p[5], v_add(odd_a, odd_b));
        to[4] = v_add(p[0], v_add(even_a, even_b));
        to[5] = p[5];
    }
}

/* ---- tiles ----------------------------------------------------------------------------------------------------- */

/* A batch of pictures that is cut into tiles. */
typedef struct adjoint_pictures {
    const float *from, *mask; /* mask: a value counts where this is positive; NULL: everywhere */
    size_t h, w, c;
    bool gradient;    /* tiles of m by m through A, otherwise patches of m + 2 by m + 2 through B^T */
    size_t top, left; /* how far the first tile begins outside */
} adjoint_pictures;

/* One vector of channels, zero outside of the picture. */
HONE_INLINE vfloat adjoint_load(const adjoint_pictures *p, const float *from, const float *mask, ptrdiff_t y,
                                ptrdiff_t x, size_t lanes, bool inside) {
    if (!inside && (y < 0 || y >= (ptrdiff_t)p->h || x < 0 || x >= (ptrdiff_t)p->w)) return v_zero();
    const ptrdiff_t at = (y * (ptrdiff_t)p->w + x) * (ptrdiff_t)p->c;
    const vfloat value = v_load_lanes(from + at, lanes);
    return mask ? v_select(v_gt(v_load_lanes(mask + at, lanes), v_zero()), value, v_zero()) : value;
}

HONE_INLINE void adjoint_there(int m, bool gradient, const vfloat d[WINOGRAD_SIDE], vfloat to[WINOGRAD_SIDE]) {
    if (gradient)
        adjoint_gradient(m, d, to);
    else
        winograd_input(m, d, to);
}

/* to (area points, step floats apart) = the tile that begins at (y, x) of a picture, of lanes channels from from on. */
HONE_INLINE void adjoint_tile(int m, bool gradient, const adjoint_pictures *p, const float *from, const float *mask,
                              ptrdiff_t y, ptrdiff_t x, size_t lanes, bool inside, float *to, size_t step) {
    const int side = m + 2, size = gradient ? m : side;
    vfloat half[WINOGRAD_SIDE][WINOGRAD_SIDE], d[WINOGRAD_SIDE], v[WINOGRAD_SIDE];
    HONE_UNROLL
    for (int j = 0; j < size; j++) {
        HONE_UNROLL
        for (int i = 0; i < size; i++) d[i] = adjoint_load(p, from, mask, y + i, x + j, lanes, inside);
        adjoint_there(m, gradient, d, v);
        HONE_UNROLL
        for (int i = 0; i < side; i++) half[i][j] = v[i];
    }
    HONE_UNROLL
    for (int i = 0; i < side; i++) {
        adjoint_there(m, gradient, half[i], v);
        HONE_UNROLL
        for (int j = 0; j < side; j++) v_store(to + (size_t)(i * side + j) * step, v[j]);
    }
}

typedef void (*adjoint_tile_function)(const adjoint_pictures *p, const float *from, const float *mask, ptrdiff_t y,
                                      ptrdiff_t x, size_t lanes, float *to, size_t step);

/* The cases apart: whole vectors are the usual ones, and most tiles lie inside. */
#define ADJOINT_TILE(name, m, gradient)                                                                                \
    static void name(const adjoint_pictures *p, const float *from, const float *mask, ptrdiff_t y, ptrdiff_t x,        \
                     size_t lanes, float *to, size_t step) {                                                           \
        const ptrdiff_t size = (gradient) ? (m) : (m) + 2;                                                             \
        const bool inside = y >= 0 && x >= 0 && y + size <= (ptrdiff_t)p->h && x + size <= (ptrdiff_t)p->w;            \
        if (lanes == VL && inside && !mask)                                                                            \
            adjoint_tile(m, gradient, p, from, NULL, y, x, VL, true, to, step);                                        \
        else if (lanes == VL && inside)                                                                                \
            adjoint_tile(m, gradient, p, from, mask, y, x, VL, true, to, step);                                        \
        else if (lanes == VL && !mask)                                                                                 \
            adjoint_tile(m, gradient, p, from, NULL, y, x, VL, false, to, step);                                       \
        else                                                                                                           \
            adjoint_tile(m, gradient, p, from, mask, y, x, lanes, false, to, step);                                    \
    }
ADJOINT_TILE(adjoint_gradient_tile_2, 2, true)
ADJOINT_TILE(adjoint_gradient_tile_3, 3, true)
ADJOINT_TILE(adjoint_gradient_tile_4, 4, true)
ADJOINT_TILE(adjoint_input_tile_2, 2, false)
ADJOINT_TILE(adjoint_input_tile_3, 3, false)
ADJOINT_TILE(adjoint_input_tile_4, 4, false)

/* [gradient][m] */
static const adjoint_tile_function adjoint_tiles[2][WINOGRAD_TILE + 1] = {
    {[2] = adjoint_input_tile_2, [3] = adjoint_input_tile_3, [4] = adjoint_input_tile_4},
    {[2] = adjoint_gradient_tile_2, [3] = adjoint_gradient_tile_3, [4] = adjoint_gradient_tile_4},
};

/* Floats from one point of so many tiles, of width channels, to the next. */
static size_t adjoint_step(size_t tiles, size_t width) {
    return tiles * round_up(width, VL) + ADJOINT_PAD;
}

/* Floats of all points of so many tiles. */
static size_t adjoint_floats(const winograd *w, size_t tiles, size_t channels, size_t width) {
    const size_t blocks = (channels + width - 1) / width;
    return blocks * (size_t)w->area * adjoint_step(tiles, channels < width ? channels : width);
}

/* Tiles first … first + count - 1 at their points: blocks of width channels one behind the other, each (area, count,
 * channels rounded up to vectors). */
static void adjoint_transform(const winograd *w, const adjoint_pictures *p, size_t first, size_t count, size_t width,
                              float *to) {
    const adjoint_tile_function tile = adjoint_tiles[p->gradient][w->m];
    for (size_t begin = 0; begin < p->c; begin += width) {
        const size_t here = p->c - begin < width ? p->c - begin : width, line = round_up(here, VL);
        const size_t step = adjoint_step(count, here);
        winograd_place place = winograd_place_of(w, first);
        for (size_t t = 0; t < count; t++, winograd_place_next(w, &place)) {
            const ptrdiff_t y = (ptrdiff_t)(place.row * (size_t)w->m) - (ptrdiff_t)p->top;
            const ptrdiff_t x = (ptrdiff_t)(place.column * (size_t)w->m) - (ptrdiff_t)p->left;
            const size_t at = place.sample * p->h * p->w * p->c + begin;
            for (size_t v = 0; v < here; v += VL)
                tile(p, p->from + at + v, p->mask ? p->mask + at + v : NULL, y, x, here - v < VL ? here - v : VL,
                     to + t * line + v, step);
        }
        to += (size_t)w->area * step;
    }
}
