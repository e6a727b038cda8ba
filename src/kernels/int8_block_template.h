/* SPDX-License-Identifier: Apache-2.0
 *
 * The register block of 8-bit products: block_template.h with words of four numbers in place of floats.
 *
 * A few rows (windows of a convolution, or rows of a matrix) meet a few vectors of channels, all sums in registers; then
 * bias, the maximum of a pooling, and what hone_int8_output says. Integers have no rounding, so nothing here depends on
 * an order; only the words' offsets come from a table, as there. */

enum {
    INT8_VECTORS = V_REGISTERS >= 32 ? 4 : 2,
#ifdef HONE_VNNI
    INT8_ROWS = V_REGISTERS >= 32 ? 6 : 4,
#else
    INT8_ROWS = 4, /* weights take two registers */
#endif
    INT8_LANES = INT8_VECTORS * VL
};
_Static_assert((int)INT8_ROWS >= (int)HONE_INT8_POOL, "a window of a fused pooling is the rows of one block");

/* Lanes of one block and what is known of their channels: arrays of padded lanes each, one behind the other. */
typedef struct int8_panel {
    const int32_t *bias, *multiplier, *shift; /* shift: less one, see int8_finish */
    const float *scale;
    const int8_t *weights; /* words of (lanes, 4) */
    size_t lanes, last;    /* padded; and of the last vector those that exist */
    const int32_t *offset; /* of each word of a row, in bytes */
    size_t words;
    const hone_int8_output *output;
    bool pooled; /* the rows are one window, and only the largest sum counts */
} int8_panel;

/* (a m + 2^(s-1)) >> s is ((a m >> (s-1)) + 1) >> 1; the zero point is added before the last shift. */
HONE_INLINE vint int8_finish(const hone_int8_output *o, vint a, vint multiplier, vint shift_less_one) {
    const vint q = vi_add(vq_requantise(a, multiplier, shift_less_one), vi_set(2 * o->zero_point + 1));
    return vq_min(vq_max(vi_shift_right_arithmetic(q, 1), vi_set(o->low)), vi_set(o->high));
}

/* One vector of sums on its way out; y is its first channel, of bytes or floats. */
HONE_INLINE void int8_store(const int8_panel *p, int v, bool whole, vint sum, void *y) {
    const size_t at = (size_t)v * VL;
    const vint a = vi_add(sum, vi_load(p->bias + at));
    if (p->output->real) {
        const vfloat value = v_mul(vi_to_float(a), v_load(p->scale + at));
        if (whole)
            v_store((float *)y + at, value);
        else
            v_store_part((float *)y + at, value, p->last);
        return;
    }
    const vint q = int8_finish(p->output, a, vi_load(p->multiplier + at), vi_load(p->shift + at));
    if (whole)
        vq_store((uint8_t *)y + at, q);
    else
        vq_store_part((uint8_t *)y + at, q, p->last);
}

typedef void (*int8_block_function)(const uint8_t *const *row, const int8_panel *p, void *const *y);

HONE_INLINE void int8_block_body(int rows, int vectors, const uint8_t *const *row, const int8_panel *p,
                                 void *const *y) {
    const uint8_t *x[INT8_ROWS];
    vint sum[INT8_ROWS][INT8_VECTORS];
    HONE_UNROLL
    for (int r = 0; r < rows; r++) x[r] = row[r];
    HONE_UNROLL
    for (int r = 0; r < rows; r++) {
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) sum[r][v] = vi_set(0);
    }
    const int8_t *weights = p->weights;
    const int32_t *offset = p->offset;
    HONE_NO_UNROLL
    for (size_t i = p->words; i > 0; i--, weights += 4 * vectors * VL) {
        const ptrdiff_t at = *offset++;
        vweights w[INT8_VECTORS];
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) w[v] = vq_weights(weights + 4 * v * VL);
        HONE_UNROLL
        for (int r = 0; r < rows; r++) {
            const vbytes four = vq_broadcast(x[r] + at);
            HONE_UNROLL
            for (int v = 0; v < vectors; v++) sum[r][v] = vq_dot(sum[r][v], four, w[v]);
        }
    }
    const bool whole = p->last == VL;
    if (p->pooled) {
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) {
            vint most = sum[0][v];
            HONE_UNROLL
            for (int r = 1; r < rows; r++) most = vq_max(most, sum[r][v]);
            int8_store(p, v, whole || v < vectors - 1, most, y[0]);
        }
        return;
    }
    HONE_UNROLL
    for (int r = 0; r < rows; r++) {
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) int8_store(p, v, whole || v < vectors - 1, sum[r][v], y[r]);
    }
}

#define INT8_BLOCK(rows, vectors)                                                                                      \
    static void int8_block_##rows##x##vectors(const uint8_t *const *row, const int8_panel *p, void *const *y) {        \
        int8_block_body(rows, vectors, row, p, y);                                                                     \
    }
#define INT8_BLOCKS(vectors)                                                                                           \
    INT8_BLOCK(1, vectors) INT8_BLOCK(2, vectors) INT8_BLOCK(3, vectors) INT8_BLOCK(4, vectors) INT8_MORE(vectors)
#define INT8_ROW(vectors)                                                                                              \
    {                                                                                                                  \
        int8_block_1x##vectors, int8_block_2x##vectors, int8_block_3x##vectors,                                        \
            int8_block_4x##vectors INT8_REST(vectors)                                                                  \
    }
#if defined(HONE_VNNI) && defined(HONE_ISA_avx512)
#define INT8_MORE(vectors) INT8_BLOCK(5, vectors) INT8_BLOCK(6, vectors)
#define INT8_REST(vectors) , int8_block_5x##vectors, int8_block_6x##vectors
#else
#define INT8_MORE(vectors)
#define INT8_REST(vectors)
#endif

INT8_BLOCKS(1)
INT8_BLOCKS(2)
#if defined(HONE_ISA_avx512) || defined(HONE_ISA_neon)
INT8_BLOCKS(3)
INT8_BLOCKS(4)
#endif

/* [vectors - 1][rows - 1] */
static const int8_block_function int8_blocks[INT8_VECTORS][INT8_ROWS] = {
    INT8_ROW(1),
    INT8_ROW(2),
#if defined(HONE_ISA_avx512) || defined(HONE_ISA_neon)
    INT8_ROW(3),
    INT8_ROW(4),
#endif
};
