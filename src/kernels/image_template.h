/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures of bytes: sampled where an affine map and an optional field of offsets say, and filtered by a median.
 *
 * One idea of the sampling: a lane is a pixel. Positions outside are folded back by arithmetic alone and the frame
 * around the source holds what lies one step further, so no lane ever takes a branch; the four neighbours' bytes come
 * from two gathers (or four, where two pixels of c channels do not fit one word). */

/* x folded into [0, n + 1], a position in the framed source. The frame makes the ends continuous: 0 and n + 1 are its own
 * pixels, so that it does not matter on which side of n a rounding lands. */
HONE_INLINE vfloat warp_fold(hone_border border, vfloat x, int n) {
    const vfloat size = v_set((float)n), one = v_set(1.0f), half = v_set(0.5f);
    switch (border) {
    case HONE_BORDER_NEAREST: return v_min(v_max(v_add(x, one), one), size);
    case HONE_BORDER_CONSTANT: return v_min(v_max(v_add(x, one), v_zero()), v_add(size, one));
    case HONE_BORDER_REFLECT: {
        const vfloat period = v_set(2.0f * (float)n);
        const vfloat t = v_add(x, half);
        const vfloat turns = v_round(v_sub(v_div(t, period), half));
        const vfloat within = v_sub(t, v_mul(turns, period)); /* [0, 2n] */
        return v_add(v_sub(size, v_abs(v_sub(size, within))), half);
    }
    case HONE_BORDER_WRAP: {
        const vfloat turns = v_round(v_sub(v_div(x, size), half));
        return v_add(v_sub(x, v_mul(turns, size)), one);
    }
    }
    return x;
}

/* The byte that begins at bit shift. */
#define WARP_BYTE(words, shift) vi_to_float(vi_and(vi_shift_right((words), (shift)), vi_set(0xff)))

HONE_INLINE vint warp_blend(vfloat a, vfloat b, vfloat c, vfloat d, vfloat fx, vfloat fy) {
    const vfloat top = v_fma(v_sub(b, a), fx, a), bottom = v_fma(v_sub(d, c), fx, c);
    return v_to_int(v_fma(v_sub(bottom, top), fy, top));
}

/* channel is known where this is inlined, as shifts must be. a, b: the words of the left and right pixel above; c, d:
 * below. Where both pixels are in one word, b is a and right is 8 c. */
#define WARP_CHANNEL(channel, right)                                                                                   \
    warp_blend(WARP_BYTE(a, 8 * (channel)), WARP_BYTE(b, 8 * (channel) + (right)), WARP_BYTE(c, 8 * (channel)),        \
               WARP_BYTE(d, 8 * (channel) + (right)), fx, fy)

/* Up to VL pixels of one row, at (px, py) of the framed source. */
HONE_INLINE void warp_lanes(const hone_warp *w, const uint8_t *framed, vfloat px, vfloat py, uint8_t *out,
                            size_t lanes) {
    const int row = (w->w + 2) * w->c;
    /* Rounded down, or one less where the position is whole: then the fraction is 1, which gives the same. */
    const vfloat half = v_set(0.5f);
    const vint ix = v_to_int(v_sub(px, half)), iy = v_to_int(v_sub(py, half));
    const vfloat fx = v_sub(px, vi_to_float(ix)), fy = v_sub(py, vi_to_float(iy));
    const vint at = vi_add(vi_mul(iy, vi_set(row)), vi_mul(ix, vi_set(w->c)));
    const vint a = vi_gather_bytes(framed, at), c = vi_gather_bytes(framed + row, at);
    if (w->c == 1) {
        const vint b = a, d = c;
        vi_store_u8_part(out, WARP_CHANNEL(0, 8), lanes);
        return;
    }
    int32_t pixels[VL];
    if (w->c == 2) {
        const vint b = a, d = c;
        vi_store(pixels, vi_or(WARP_CHANNEL(0, 16), vi_shift_left(WARP_CHANNEL(1, 16), 8)));
    } else {
        const vint b = vi_gather_bytes(framed + w->c, at), d = vi_gather_bytes(framed + row + w->c, at);
        vint pixel = vi_or(WARP_CHANNEL(0, 0), vi_shift_left(WARP_CHANNEL(1, 0), 8));
        pixel = vi_or(pixel, vi_shift_left(WARP_CHANNEL(2, 0), 16));
        if (w->c == 4) pixel = vi_or(pixel, vi_shift_left(WARP_CHANNEL(3, 0), 24));
        vi_store(pixels, pixel);
    }
    for (size_t i = 0; i < lanes; i++)
        for (int channel = 0; channel < w->c; channel++)
            out[i * (size_t)w->c + (size_t)channel] = (uint8_t)((uint32_t)pixels[i] >> (8 * channel));
}

static void warp(const hone_warp *w, const uint8_t *framed, uint8_t *out) {
    const vfloat iota = vi_to_float(vi_iota()), xx = v_set((float)w->m[0]), yx = v_set((float)w->m[3]);
    for (int y = 0; y < w->h; y++) {
        /* The row's start is rounded once: rows do not drift. */
        const vfloat x0 = v_set((float)(w->m[1] * y + w->m[2])), y0 = v_set((float)(w->m[4] * y + w->m[5]));
        for (int x = 0; x < w->w; x += VL) {
            const size_t lanes = w->w - x < VL ? (size_t)(w->w - x) : (size_t)VL;
            const size_t at = (size_t)y * (size_t)w->w + (size_t)x;
            const vfloat column = v_add(iota, v_set((float)x));
            vfloat px = v_fma(column, xx, x0), py = v_fma(column, yx, y0);
            if (w->offset_x) {
                px = v_add(px, v_load_part(w->offset_x + at, lanes));
                py = v_add(py, v_load_part(w->offset_y + at, lanes));
            }
            warp_lanes(w, framed, warp_fold(w->border, px, w->w), warp_fold(w->border, py, w->h),
                       out + at * (size_t)w->c, lanes);
        }
    }
}

#undef WARP_CHANNEL
#undef WARP_BYTE

/* ---- median ---------------------------------------------------------------------------------------------------- */

/* A fixed network of minima and maxima: a row is arithmetic without a branch, of which the compiler makes vectors. */
HONE_INLINE uint8_t median_least(uint8_t a, uint8_t b) {
    return a < b ? a : b;
}

HONE_INLINE uint8_t median_most(uint8_t a, uint8_t b) {
    return a < b ? b : a;
}

HONE_INLINE uint8_t median_middle(uint8_t a, uint8_t b, uint8_t c) {
    return median_most(median_least(a, b), median_least(median_most(a, b), c));
}

/* n medians of nine numbers whose columns lie left of, at and right of a[i], b[i] and c[i]: with each column in order, the
 * median is the middle one of the largest small, the middle middle and the smallest large number. */
HONE_INLINE void median_bytes(const uint8_t *a, const uint8_t *b, const uint8_t *c, ptrdiff_t left, ptrdiff_t right,
                              ptrdiff_t n, uint8_t *restrict out) {
    const uint8_t *al = a + left, *bl = b + left, *cl = c + left, *ar = a + right, *br = b + right, *cr = c + right;
    for (ptrdiff_t i = 0; i < n; i++) {
        const uint8_t low = median_most(
            median_most(median_least(median_least(al[i], bl[i]), cl[i]), median_least(median_least(a[i], b[i]), c[i])),
            median_least(median_least(ar[i], br[i]), cr[i]));
        const uint8_t high = median_least(
            median_least(median_most(median_most(al[i], bl[i]), cl[i]), median_most(median_most(a[i], b[i]), c[i])),
            median_most(median_most(ar[i], br[i]), cr[i]));
        const uint8_t mid = median_middle(median_middle(al[i], bl[i], cl[i]), median_middle(a[i], b[i], c[i]),
                                          median_middle(ar[i], br[i], cr[i]));
        out[i] = median_middle(low, mid, high);
    }
}

/* Rows are short: whole vectors of 16, the last of which may do again what the one before it did. */
HONE_INLINE void median_row(const uint8_t *a, const uint8_t *b, const uint8_t *c, ptrdiff_t left, ptrdiff_t right,
                            ptrdiff_t n, uint8_t *restrict out) {
    enum { BLOCK = 16 };
    if (n < BLOCK) {
        median_bytes(a, b, c, left, right, n, out);
        return;
    }
    for (ptrdiff_t i = 0; i < n; i += BLOCK) {
        const ptrdiff_t at = i + BLOCK <= n ? i : n - BLOCK;
        median_bytes(a + at, b + at, c + at, left, right, BLOCK, out + at);
    }
}

static void median3x3(int h, int w, int channels, const uint8_t *in, uint8_t *out) {
    const ptrdiff_t c = channels, row = (ptrdiff_t)w * c, last = row - c;
    for (int y = 0; y < h; y++, out += row) {
        const uint8_t *here = in + y * row, *above = y > 0 ? here - row : here;
        const uint8_t *below = y < h - 1 ? here + row : here;
        median_row(above, here, below, 0, w > 1 ? c : 0, c, out);
        if (w > 2) median_row(above + c, here + c, below + c, -c, c, last - c, out + c);
        if (w > 1) median_row(above + last, here + last, below + last, -c, 0, c, out + last);
    }
}
