/* SPDX-License-Identifier: Apache-2.0
 *
 * The register block of 8-bit products: block_template.h with words of a few numbers in place of floats.
 *
 * A few rows (windows of a convolution, or rows of a matrix) meet a few vectors of channels, all sums in registers; then
 * bias, the maximum of a pooling, and what hone_int8_output says. Integers have no rounding, so nothing here depends on
 * an order; only the words' offsets come from a table, as there. */

enum {
    INT8_VECTORS = V_REGISTERS >= 32 ? 4 : 2,
#ifdef HONE_ISA_avx512
    INT8_ROWS = 6,
#else
    INT8_ROWS = 4, /* where a product takes registers of its own, or there are few */
#endif
    INT8_LANES = INT8_VECTORS * VL
};
_Static_assert((int)INT8_ROWS >= (int)HONE_INT8_POOL, "a window of a fused pooling is the rows of one block");

/* Lanes of one block and what is known of their channels: arrays of padded lanes each, one behind the other. */
typedef struct int8_panel {
    const int32_t *bias, *multiplier, *shift; /* shift: less one, see int8_finish */
    const float *scale;
    const vq_weight *weights; /* words of (lanes, VQ_WORD) */
    size_t lanes, last;       /* padded; and of the last vector those that exist */
    const int32_t *offset;    /* of each word of a row, in numbers */
    size_t words;
    const hone_int8_output *output;
} int8_panel;

/* hone_int8_output's numbers for all lanes. */
typedef struct int8_clamp {
    vint zero, low, high; /* zero: twice the zero point, and one */
} int8_clamp;

HONE_INLINE int8_clamp int8_clamp_of(const hone_int8_output *o) {
    return (int8_clamp){vi_set(2 * o->zero_point + 1), vi_set(o->low), vi_set(o->high)};
}

/* (a m + 2^(s-1)) >> s is ((a m >> (s-1)) + 1) >> 1; the zero point is added before the last shift. */
HONE_INLINE vint int8_finish(const int8_clamp *c, vint a, vfactor factor) {
    const vint q = vi_shift_right_arithmetic(vi_add(vq_requantise(a, factor), c->zero), 1);
    return vq_min(vq_max(q, c->low), c->high);
}

HONE_INLINE void int8_store(uint8_t *y, vint q, bool whole, size_t last) {
    if (whole)
        vq_store(y, q);
    else
        vq_store_part(y, q, last);
}

HONE_INLINE void int8_store_real(const int8_panel *p, int v, bool whole, vint sum, float *y) {
    const vfloat value = v_mul(vi_to_float(sum), v_load(p->scale + v * VL));
    if (whole)
        v_store(y + v * VL, value);
    else
        v_store_part(y + v * VL, value, p->last);
}

/* What is the same for all blocks of a call, in registers. */
typedef struct int8_channels {
    vfactor factor[INT8_VECTORS];
    vint bias[INT8_VECTORS];
    int8_clamp clamp;
} int8_channels;

HONE_INLINE void int8_load_channels(int vectors, const int8_panel *p, int8_channels *l) {
    l->clamp = int8_clamp_of(p->output);
    HONE_UNROLL
    for (int v = 0; v < vectors; v++) {
        l->factor[v] = vq_factor(vi_load(p->multiplier + v * VL), vi_load(p->shift + v * VL));
        l->bias[v] = vi_load(p->bias + v * VL);
    }
}

/* The sums of one block, rows x[0] … x[rows - 1]. */
HONE_INLINE void int8_sums(int rows, int vectors, const vq_number *const *x, const int8_panel *p,
                           const int8_channels *l, vint (*sum)[INT8_VECTORS]) {
    const vq_weight *weights = p->weights;
    const int32_t *offset = p->offset;
    HONE_UNROLL
    for (int r = 0; r < rows; r++) {
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) sum[r][v] = l->bias[v];
    }
    HONE_NO_UNROLL
    for (size_t i = p->words; i > 0; i--, weights += VQ_WORD * vectors * VL) {
        const ptrdiff_t at = *offset++;
        vweights w[INT8_VECTORS];
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) w[v] = vq_weights(weights + VQ_WORD * v * VL);
        HONE_UNROLL
        for (int r = 0; r < rows; r++) {
            const vbytes word = vq_broadcast(x[r] + at);
            HONE_UNROLL
            for (int v = 0; v < vectors; v++) sum[r][v] = vq_dot(sum[r][v], word, w[v]);
        }
    }
}

/* Blocks of rows, one after the other: row and y hold those of all blocks. */
typedef void (*int8_rows_function)(const int8_panel *p, size_t blocks, const vq_number *const *row, void *const *y);

HONE_INLINE void int8_rows_body(int rows, int vectors, const int8_panel *p, size_t blocks, const vq_number *const *row,
                                void *const *y) {
    const bool real = p->output->real, whole = p->last == VL;
    int8_channels l;
    int8_load_channels(vectors, p, &l);
    for (; blocks > 0; blocks--, row += rows, y += rows) {
        vint sum[INT8_ROWS][INT8_VECTORS], sums[INT8_ROWS][INT8_VECTORS];
        int8_sums(rows, vectors, row, p, &l, sum);
        /* Through memory: an epilogue for every register would be unrolled into pages of code. */
        HONE_UNROLL
        for (int r = 0; r < rows; r++) {
            HONE_UNROLL
            for (int v = 0; v < vectors; v++) sums[r][v] = sum[r][v];
        }
        HONE_NO_UNROLL
        for (int r = 0; r < rows; r++) {
            HONE_UNROLL
            for (int v = 0; v < vectors; v++) {
                const bool all = whole || v < vectors - 1;
                if (real)
                    int8_store_real(p, v, all, sums[r][v], y[r]);
                else
                    int8_store((uint8_t *)y[r] + v * VL, int8_finish(&l.clamp, sums[r][v], l.factor[v]), all, p->last);
            }
        }
    }
}

/* Windows of a pooling, each the largest sums of its rows: x + inner[0] …, and on by step. */
typedef struct int8_line {
    size_t count;
    const vq_number *x;
    size_t inner[HONE_INT8_POOL], step;
    uint8_t *y;
    size_t y_step;
} int8_line;
typedef void (*int8_line_function)(const int8_panel *p, const int8_line *line);

HONE_INLINE void int8_line_body(int rows, int vectors, const int8_panel *p, const int8_line *line) {
    const bool whole = p->last == VL;
    const vq_number *row[HONE_INT8_POOL];
    uint8_t *y = line->y;
    int8_channels l;
    int8_load_channels(vectors, p, &l);
    HONE_UNROLL
    for (int r = 0; r < rows; r++) row[r] = line->x + line->inner[r];
    const size_t step = line->step, y_step = line->y_step;
    for (size_t i = line->count; i > 0; i--, y += y_step) {
        vint sum[INT8_ROWS][INT8_VECTORS];
        int8_sums(rows, vectors, row, p, &l, sum);
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) {
            vint most = sum[0][v];
            HONE_UNROLL
            for (int r = 1; r < rows; r++) most = vq_max(most, sum[r][v]);
            int8_store(y + v * VL, int8_finish(&l.clamp, most, l.factor[v]), whole || v < vectors - 1, p->last);
        }
        HONE_UNROLL
        for (int r = 0; r < rows; r++) row[r] += step;
    }
}

#define INT8_BLOCK(rows, vectors)                                                                                      \
    static void int8_rows_##rows##x##vectors(const int8_panel *p, size_t blocks, const vq_number *const *row,          \
                                             void *const *y) {                                                         \
        int8_rows_body(rows, vectors, p, blocks, row, y);                                                              \
    }
#define INT8_LINE(rows, vectors)                                                                                       \
    static void int8_line_##rows##x##vectors(const int8_panel *p, const int8_line *line) {                             \
        int8_line_body(rows, vectors, p, line);                                                                        \
    }
#define INT8_BLOCKS(vectors)                                                                                           \
    INT8_BLOCK(1, vectors)                                                                                             \
    INT8_BLOCK(2, vectors)                                                                                             \
    INT8_BLOCK(3, vectors)                                                                                             \
    INT8_BLOCK(4, vectors)                                                                                             \
    INT8_MORE(vectors)                                                                                                 \
    INT8_LINE(1, vectors)                                                                                              \
    INT8_LINE(2, vectors)                                                                                              \
    INT8_LINE(3, vectors)                                                                                              \
    INT8_LINE(4, vectors)
#define INT8_ROW(vectors)                                                                                              \
    { int8_rows_1x##vectors, int8_rows_2x##vectors, int8_rows_3x##vectors, int8_rows_4x##vectors INT8_REST(vectors) }
#define INT8_LINES(vectors)                                                                                            \
    { int8_line_1x##vectors, int8_line_2x##vectors, int8_line_3x##vectors, int8_line_4x##vectors }
#ifdef HONE_ISA_avx512
#define INT8_MORE(vectors) INT8_BLOCK(5, vectors) INT8_BLOCK(6, vectors)
#define INT8_REST(vectors) , int8_rows_5x##vectors, int8_rows_6x##vectors
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
static const int8_rows_function int8_rows_functions[INT8_VECTORS][INT8_ROWS] = {
    INT8_ROW(1),
    INT8_ROW(2),
#if defined(HONE_ISA_avx512) || defined(HONE_ISA_neon)
    INT8_ROW(3),
    INT8_ROW(4),
#endif
};
static const int8_line_function int8_line_functions[INT8_VECTORS][HONE_INT8_POOL] = {
    INT8_LINES(1),
    INT8_LINES(2),
#if defined(HONE_ISA_avx512) || defined(HONE_ISA_neon)
    INT8_LINES(3),
    INT8_LINES(4),
#endif
};
