/* SPDX-License-Identifier: Apache-2.0
 *
 * What touches every element once: sums of tensors, affine maps per channel, pixels to floats, dropout. And column
 * sums, the gradient of every bias. */

static void add(size_t n, const float *a, float *y) {
    size_t i = 0;
    for (; i + VL <= n; i += VL) v_store(y + i, v_add(v_load(y + i), v_load(a + i)));
    if (i < n) v_store_part(y + i, v_add(v_load_part(y + i, n - i), v_load_part(a + i, n - i)), n - i);
}

static void scale(size_t n, float factor, float *y) {
    const vfloat f = v_set(factor);
    size_t i = 0;
    for (; i + VL <= n; i += VL) v_store(y + i, v_mul(v_load(y + i), f));
    if (i < n) v_store_part(y + i, v_mul(v_load_part(y + i, n - i), f), n - i);
}

/* ---- per channel ----------------------------------------------------------------------------------------------- */

/* x: floats or bytes, told apart by a constant. */
HONE_INLINE void affine_lanes(const void *x, bool bytes, size_t i, const float *factor, const float *shift, float *y,
                              size_t lanes) {
    const vfloat value =
        bytes ? v_load_u8_lanes((const uint8_t *)x + i, lanes) : v_load_lanes((const float *)x + i, lanes);
    v_store_lanes(y + i, v_fma(value, v_load_lanes(factor, lanes), v_load_lanes(shift, lanes)), lanes);
}

/* Images have 1 or 3 channels, so rows shorter than a vector matter: VL of them are c full vectors, and the channels
 * repeat in the same way every c vectors. */
HONE_INLINE void affine(size_t rows, size_t c, const void *x, bool bytes, const float *factor, const float *shift,
                        float *y) {
    if (c < VL && c > 0) {
        float factors[VL * VL], shifts[VL * VL];
        for (size_t i = 0; i < c * VL; i++) {
            factors[i] = factor[i % c];
            shifts[i] = shift[i % c];
        }
        const size_t n = rows * c, period = c * VL;
        size_t i = 0, phase = 0;
        for (; i + VL <= n; i += VL) {
            affine_lanes(x, bytes, i, factors + phase, shifts + phase, y, VL);
            phase = phase + VL == period ? 0 : phase + VL;
        }
        if (i < n) affine_lanes(x, bytes, i, factors + phase, shifts + phase, y, n - i);
        return;
    }
    for (size_t row = 0; row < rows; row++) {
        size_t i = 0;
        for (; i + VL <= c; i += VL) affine_lanes(x, bytes, row * c + i, factor + i, shift + i, y, VL);
        if (i < c) affine_lanes(x, bytes, row * c + i, factor + i, shift + i, y, c - i);
    }
}

static void affine_rows(size_t rows, size_t c, const float *x, const float *factor, const float *shift, float *y) {
    affine(rows, c, x, false, factor, shift, y);
}

static void pixels_to_float(size_t rows, size_t c, const uint8_t *x, const float *factor, const float *shift,
                            float *y) {
    affine(rows, c, x, true, factor, shift, y);
}

/* ---- column sums ----------------------------------------------------------------------------------------------- */

/* One vector of columns of x (rows, c), summed in double from the first row to the last. */
HONE_INLINE vdouble column_sum(size_t rows, size_t c, const float *x, size_t lanes) {
    vdouble sum = vd_zero();
    for (size_t row = 0; row < rows; row++) sum = vd_add(sum, vd_from(v_load_lanes(x + row * c, lanes)));
    return sum;
}

/* The first lanes of a sum, in double precision up to here, times factor. */
HONE_INLINE void column_store(vdouble sum, double factor, bool accumulate, float *to, size_t lanes) {
    double values[VL];
    vd_store(values, sum);
    for (size_t i = 0; i < lanes; i++) to[i] = (float)((accumulate ? (double)to[i] : 0) + values[i] * factor);
}

static void column_sums(size_t rows, size_t c, const float *x, bool accumulate, float *sums) {
    size_t i = 0;
    for (; i + VL <= c; i += VL) column_store(column_sum(rows, c, x + i, VL), 1, accumulate, sums + i, VL);
    if (i < c) column_store(column_sum(rows, c, x + i, c - i), 1, accumulate, sums + i, c - i);
}

/* ---- dropout --------------------------------------------------------------------------------------------------- */

/* Philox4x32-10 of VL counters at once: out[j] is word j of every lane's block. The constants are core's (rng.c), and
 * so are the numbers, bit for bit: the mask of a seed is the same on every machine. */
HONE_INLINE void philox_lanes(const uint32_t key[2], vint c0, const uint32_t counter[4], vint out[4]) {
    const vint m0 = vi_set((int32_t)0xD2511F53u), m1 = vi_set((int32_t)0xCD9E8D57u);
    vint c1 = vi_set((int32_t)counter[1]), c2 = vi_set((int32_t)counter[2]), c3 = vi_set((int32_t)counter[3]);
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < 10; round++) {
        const vint low0 = vi_mul(m0, c0), high0 = vi_mul_high_u32(m0, c0);
        const vint low1 = vi_mul(m1, c2), high1 = vi_mul_high_u32(m1, c2);
        c0 = vi_xor(vi_xor(high1, c1), vi_set((int32_t)k0));
        c1 = low1;
        c2 = vi_xor(vi_xor(high0, c3), vi_set((int32_t)k1));
        c3 = low0;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

/* Lane 4 g + j works on block j * (VL / 4) + g of a group of VL: then transposing the four words in every group of four
 * lanes puts all 4 VL numbers in their order. */
HONE_INLINE vint philox_lane_blocks(void) {
    uint32_t blocks[VL];
    for (uint32_t lane = 0; lane < VL; lane++) blocks[lane] = lane % 4 * (VL / 4) + lane / 4;
    return vi_load(blocks);
}

/* limit: the first word that is kept, its top bit flipped, for words compare as signed numbers here. */
HONE_INLINE void dropout_lanes(const float *x, vint word, vint limit, vfloat factor, float *y, uint8_t *keep,
                               size_t lanes) {
    const vmask kept = vm_not(vi_gt(limit, vi_xor(word, vi_set(INT32_MIN))));
    v_store_lanes(y, v_select(kept, v_mul(v_load_lanes(x, lanes), factor), v_zero()), lanes);
    vi_store_u8_part(keep, vi_select(kept, vi_set(1), vi_set(0)), lanes);
}

static float dropout_factor(float rate) {
    return rate < 1.0f ? (float)(1.0 / (1.0 - (double)rate)) : 0.0f;
}

static void dropout_forward(size_t n, const float *x, float rate, const uint32_t key[2], const uint32_t counter[4],
                            float *y, uint8_t *keep) {
    if (n == 0) return;
    if (!(rate < 1.0f)) {
        memset(y, 0, n * sizeof *y);
        memset(keep, 0, n);
        return;
    }
    /* word / 2^32 >= rate: the least such word; below 2^32, because rate <= 1 - 2^-24. Rounded up by hand: every level
     * must agree, and rate * 2^32 is exact. */
    const double exact = rate > 0.0f ? (double)rate * 0x1p32 : 0;
    const uint32_t least = (uint32_t)exact + ((double)(uint32_t)exact < exact);
    const vint limit = vi_set((int32_t)(least ^ 0x80000000u)), lane_blocks = philox_lane_blocks();
    const vfloat factor = v_set(dropout_factor(rate));
    uint32_t block = counter[0];
    for (size_t i = 0; i < n; i += 4 * VL, block += VL) {
        vint words[4];
        philox_lanes(key, vi_add(vi_set((int32_t)block), lane_blocks), counter, words);
        vi_transpose_4x4(words);
        for (size_t j = 0, at = i; j < 4 && at < n; j++, at += VL) {
            if (n - at >= VL)
                dropout_lanes(x + at, words[j], limit, factor, y + at, keep + at, VL);
            else
                dropout_lanes(x + at, words[j], limit, factor, y + at, keep + at, n - at);
        }
    }
}

HONE_INLINE void dropout_backward_lanes(const float *dy, const uint8_t *keep, vfloat factor, float *dx, size_t lanes) {
    const vmask kept = vi_gt(vi_load_u8_part(keep, lanes), vi_set(0));
    v_store_lanes(dx, v_select(kept, v_mul(v_load_lanes(dy, lanes), factor), v_zero()), lanes);
}

static void dropout_backward(size_t n, const float *dy, float rate, const uint8_t *keep, float *dx) {
    const vfloat factor = v_set(dropout_factor(rate));
    size_t i = 0;
    for (; i + VL <= n; i += VL) dropout_backward_lanes(dy + i, keep + i, factor, dx + i, VL);
    if (i < n) dropout_backward_lanes(dy + i, keep + i, factor, dx + i, n - i);
}
