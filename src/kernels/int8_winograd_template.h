/* SPDX-License-Identifier: Apache-2.0
 *
 * 3x3 convolutions of stride 1 in 8-bit integers by Winograd's way, where numbers are 16 bits wide in memory: a tile of
 * 2x2 outputs has 16 products for each pair of channel and filter in place of 36.
 *
 * Everything is exact. The patch's transform adds up to four bytes, the kernel's is taken four times (2 G in place of
 * G) and adds up to nine weights, so both fit 16 bits. Sums of products fit 32 bits up to INT8_WINOGRAD_CHANNELS
 * channels; what the way back adds may wrap, but four times an output fits again, and is what comes out. */

enum {
    INT8_POINTS = 16,
    INT8_WINOGRAD_CHANNELS = 1024,
    INT8_TILES = 32,                                                          /* at once, at most */
    INT8_TILE_ROWS = (INT8_TILES + INT8_ROWS - 1) / INT8_ROWS * INT8_ROWS + 2 /* of a point: no power of two */
};

/* By the count of multiplications, the ways there and back included; and where vectors of channels are whole. */
static bool int8_winograd_pays(const hone_conv2d_shape *s) {
    const bool pooled = s->pool_h > 0;
    if (!VQ_WIDE || s->kh != 3 || s->kw != 3 || s->stride_h != 1 || s->stride_w != 1 || s->dilation_h != 1 ||
        s->dilation_w != 1 || s->groups != 1 || s->c % (2 * VL) != 0 || s->c > INT8_WINOGRAD_CHANNELS ||
        s->filters < INT8_LANES)
        return false;
    if (pooled && (s->pool_h != 2 || s->pool_w != 2 || s->pool_stride_h != 2 || s->pool_stride_w != 2)) return false;
    const double tiles = pooled ? (double)s->ph * s->pw : (s->oh + 1) / 2 * (double)((s->ow + 1) / 2);
    const double outputs = pooled ? 4.0 * tiles : (double)s->oh * s->ow;
    return 16 * tiles < 0.7 * 9 * outputs;
}

/* 4 G g G' of one channel and filter: tap[3 i + j] lies step apart. */
static void int8_winograd_kernel(const int8_t *tap, size_t step, int16_t point[INT8_POINTS]) {
    int row[4][3];
    for (int j = 0; j < 3; j++) {
        const int a = tap[(size_t)j * step], b = tap[(size_t)(3 + j) * step], c = tap[(size_t)(6 + j) * step];
        row[0][j] = 2 * a;
        row[1][j] = a + b + c;
        row[2][j] = a - b + c;
        row[3][j] = 2 * c;
    }
    for (int i = 0; i < 4; i++, point += 4) {
        const int a = row[i][0], b = row[i][1], c = row[i][2];
        point[0] = (int16_t)(2 * a);
        point[1] = (int16_t)(a + b + c);
        point[2] = (int16_t)(a - b + c);
        point[3] = (int16_t)(2 * c);
    }
}

/* Words of (lanes, VQ_WORD) for each point, channel by channel; weights is (3, 3, c, f), of the panel's first filter. */
static void int8_winograd_pack(const int8_t *weights, size_t c, size_t f, size_t width, size_t lanes, vq_weight *to) {
    const size_t point = c * lanes;
    for (size_t channel = 0; channel < c; channel++)
        for (size_t i = 0; i < width; i++) {
            int16_t values[INT8_POINTS];
            int8_winograd_kernel(weights + channel * f + i, c * f, values);
            vq_weight *at = to + (channel / VQ_WORD * lanes + i) * VQ_WORD + channel % VQ_WORD;
            for (size_t p = 0; p < INT8_POINTS; p++) at[p * point] = (vq_weight)values[p];
        }
}

#ifdef HONE_INT8_WIDE

/* One line of four: d0 - d2, d1 + d2, d2 - d1, d1 - d3. */
HONE_INLINE void int8_winograd_line(const vshort d[4], vshort t[4]) {
    t[0] = vs_sub(d[0], d[2]);
    t[1] = vs_add(d[1], d[2]);
    t[2] = vs_sub(d[2], d[1]);
    t[3] = vs_sub(d[1], d[3]);
}

/* The patch at x to its 16 points, point apart in to. */
static void int8_winograd_patch(const vq_number *x, size_t row, size_t c, vq_number *to, size_t point) {
    for (size_t channel = 0; channel < c; channel += 2 * VL) {
        vshort d[4][4], t[4][4];
        HONE_UNROLL
        for (int j = 0; j < 4; j++) {
            vshort column[4], out[4];
            HONE_UNROLL
            for (int i = 0; i < 4; i++) column[i] = vs_load(x + (size_t)i * row + (size_t)j * c + channel);
            int8_winograd_line(column, out);
            HONE_UNROLL
            for (int i = 0; i < 4; i++) d[i][j] = out[i];
        }
        HONE_UNROLL
        for (int i = 0; i < 4; i++) {
            int8_winograd_line(d[i], t[i]);
            HONE_UNROLL
            for (int j = 0; j < 4; j++) vs_store(to + (size_t)(4 * i + j) * point + channel, t[i][j]);
        }
    }
}

/* Sums of words for rows that lie step apart, (rows, lanes). */
HONE_INLINE void int8_winograd_products(int vectors, size_t blocks, const vq_number *x, size_t step,
                                        const vq_weight *weights, size_t words, int32_t *sums) {
    for (; blocks > 0; blocks--, x += INT8_ROWS * step, sums += INT8_ROWS * vectors * VL) {
        vint sum[INT8_ROWS][INT8_VECTORS];
        const vq_weight *w = weights;
        HONE_UNROLL
        for (int r = 0; r < INT8_ROWS; r++) {
            HONE_UNROLL
            for (int v = 0; v < vectors; v++) sum[r][v] = vi_set(0);
        }
        HONE_NO_UNROLL
        for (size_t i = 0; i < words; i++, w += VQ_WORD * vectors * VL) {
            vweights word[INT8_VECTORS];
            HONE_UNROLL
            for (int v = 0; v < vectors; v++) word[v] = vq_weights(w + VQ_WORD * v * VL);
            HONE_UNROLL
            for (int r = 0; r < INT8_ROWS; r++) {
                const vbytes two = vq_broadcast(x + (size_t)r * step + VQ_WORD * i);
                HONE_UNROLL
                for (int v = 0; v < vectors; v++) sum[r][v] = vq_dot(sum[r][v], two, word[v]);
            }
        }
        HONE_UNROLL
        for (int r = 0; r < INT8_ROWS; r++) {
            HONE_UNROLL
            for (int v = 0; v < vectors; v++) vi_store(sums + (r * vectors + v) * VL, sum[r][v]);
        }
    }
}

static void int8_winograd_all_products(int vectors, size_t blocks, const vq_number *x, size_t step,
                                       const vq_weight *weights, size_t words, int32_t *sums) {
    switch (vectors) {
    case 1: int8_winograd_products(1, blocks, x, step, weights, words, sums); break;
    case 2: int8_winograd_products(2, blocks, x, step, weights, words, sums); break;
#ifdef HONE_ISA_avx512
    case 3: int8_winograd_products(3, blocks, x, step, weights, words, sums); break;
    default: int8_winograd_products(4, blocks, x, step, weights, words, sums); break;
#endif
    }
}

/* Four sums of one line to two: m0 + m1 + m2, m1 - m2 - m3. */
HONE_INLINE void int8_winograd_back(const vint m[4], vint y[2]) {
    y[0] = vi_add(vi_add(m[0], m[1]), m[2]);
    y[1] = vi_sub(vi_sub(m[1], m[2]), m[3]);
}

/* The four outputs of a tile, less the bias; sums: of point 0, point apart. */
HONE_INLINE void int8_winograd_tile(const int32_t *sums, size_t point, vint y[2][2]) {
    vint half[2][4];
    HONE_UNROLL
    for (int j = 0; j < 4; j++) {
        vint m[4], out[2];
        HONE_UNROLL
        for (int i = 0; i < 4; i++) m[i] = vi_load(sums + (size_t)(4 * i + j) * point);
        int8_winograd_back(m, out);
        half[0][j] = out[0];
        half[1][j] = out[1];
    }
    HONE_UNROLL
    for (int i = 0; i < 2; i++) {
        int8_winograd_back(half[i], y[i]);
        y[i][0] = vi_shift_right_arithmetic(y[i][0], 2);
        y[i][1] = vi_shift_right_arithmetic(y[i][1], 2);
    }
}

/* Where the tiles of a block are: the first output of each, how many rows and columns of it there are. */
typedef struct int8_tile {
    uint8_t *y;
    int rows, columns;
} int8_tile;

/* One vector of channels of one tile. */
static void int8_winograd_store(const int8_panel *p, const int8_channels *l, int v, bool pooled, const int32_t *sums,
                                size_t point, const int8_tile *tile, size_t pixel, size_t line) {
    const bool whole = p->last == VL || (size_t)(v + 1) * VL < p->lanes;
    vint y[2][2];
    int8_winograd_tile(sums + v * VL, point, y);
    if (pooled) {
        const vint most = vi_add(vq_max(vq_max(y[0][0], y[0][1]), vq_max(y[1][0], y[1][1])), l->bias[v]);
        int8_store(tile->y + v * VL, int8_finish(&l->clamp, most, l->factor[v]), whole, p->last);
        return;
    }
    for (int i = 0; i < tile->rows; i++)
        for (int j = 0; j < tile->columns; j++) {
            uint8_t *to = tile->y + (size_t)i * line + (size_t)j * pixel;
            const vint sum = vi_add(y[i][j], l->bias[v]);
            if (p->output->real)
                int8_store_real(p, v, whole, sum, (float *)(void *)to);
            else
                int8_store(to + v * VL, int8_finish(&l->clamp, sum, l->factor[v]), whole, p->last);
        }
}

#endif
