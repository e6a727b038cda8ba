/* SPDX-License-Identifier: Apache-2.0
 *
 * The register block: the one inner loop behind matrix products and dense convolutions.
 *
 *     out[r][j] = relu?( (out[r][j] or 0) + sum over i < k of row[r][offset[i]] * b[i * ldb + j] + bias[j] )
 *
 * for a few rows r and a few vectors of j, all sums in registers. Rows are bare pointers and the steps along a row
 * come from a table, so the same loop walks
 *   a matrix product           row = a row of A,           offset = i * (stride along k)
 *   a convolution              row = an output's window,   offset = where each (kh, kw, c) tap lies in it,  b = kernel
 *   its weight gradient        row = a tap,                offset = where each output's window begins,     b = dy
 *   its input gradient         row = an input's place in the padded dy,  offset = the taps that reach it
 *
 * Every output is one chain of multiply-adds in the order of i. Continuing a chain through memory (output.load)
 * gives the same bits as one long chain, so neither blocking nor cutting the batch can change a result. */

/* What a block multiplies: floats, or words of two bfloat16 that look like floats to everything else. */
#ifdef HONE_BFLOAT16
#define BLOCK_FMA v_dot
#else
#define BLOCK_FMA v_fma
#endif

enum {
    BLOCK_VECTORS = V_REGISTERS >= 32 ? 4 : 2,
    BLOCK_ROWS = 8,
    BLOCK_LANES = BLOCK_VECTORS * VL /* widest block */
};

typedef struct block_output {
    bool load;         /* go on from what out holds, instead of from zero */
    bool relu;         /* with bias, only in the last part of a sum */
    const float *bias; /* of the first lane, or NULL */
    size_t last;       /* lanes of the last vector that exist in out and bias, 1 ... VL; b is always whole */
} block_output;

typedef void (*block_function)(const float *const *row, const ptrdiff_t *offset, size_t k, const float *b, size_t ldb,
                               float *const *out, const block_output *output);

HONE_INLINE void block_body(int rows, int vectors, const float *const *row, const ptrdiff_t *offset, size_t k,
                            const float *b, size_t ldb, float *const *out, const block_output *output) {
    const float *x[BLOCK_ROWS];
    vfloat sum[BLOCK_ROWS][BLOCK_VECTORS];
    const size_t last = output->last;

    HONE_UNROLL
    for (int r = 0; r < rows; r++) x[r] = row[r];
    if (output->load) {
        HONE_UNROLL
        for (int r = 0; r < rows; r++) {
            HONE_UNROLL
            for (int v = 0; v < vectors - 1; v++) sum[r][v] = v_load(out[r] + v * VL);
            sum[r][vectors - 1] = v_load_part(out[r] + (vectors - 1) * VL, last);
        }
    } else {
        HONE_UNROLL
        for (int r = 0; r < rows; r++) {
            HONE_UNROLL
            for (int v = 0; v < vectors; v++) sum[r][v] = v_zero();
        }
    }

    HONE_NO_UNROLL
    for (size_t i = 0; i < k; i++, b += ldb) {
        const ptrdiff_t at = offset[i];
        vfloat w[BLOCK_VECTORS];
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) w[v] = v_load(b + v * VL);
        HONE_UNROLL
        for (int r = 0; r < rows; r++) {
            const vfloat a = v_set(x[r][at]);
            HONE_UNROLL
            for (int v = 0; v < vectors; v++) sum[r][v] = BLOCK_FMA(a, w[v], sum[r][v]);
        }
    }

    if (output->bias) {
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) {
            const float *bias = output->bias + v * VL;
            const vfloat add = v == vectors - 1 ? v_load_part(bias, last) : v_load(bias);
            HONE_UNROLL
            for (int r = 0; r < rows; r++) sum[r][v] = v_add(sum[r][v], add);
        }
    }
    if (output->relu) {
        HONE_UNROLL
        for (int r = 0; r < rows; r++) {
            HONE_UNROLL
            for (int v = 0; v < vectors; v++) sum[r][v] = v_relu(sum[r][v]);
        }
    }
    HONE_UNROLL
    for (int r = 0; r < rows; r++) {
        HONE_UNROLL
        for (int v = 0; v < vectors - 1; v++) v_store(out[r] + v * VL, sum[r][v]);
        v_store_part(out[r] + (vectors - 1) * VL, sum[r][vectors - 1], last);
    }
}

/* ---- one function per size ------------------------------------------------------------------------------------- */

#define BLOCK_FUNCTION(rows, vectors)                                                                                  \
    static void block_##rows##x##vectors(const float *const *row, const ptrdiff_t *offset, size_t k, const float *b,   \
                                         size_t ldb, float *const *out, const block_output *output) {                  \
        block_body(rows, vectors, row, offset, k, b, ldb, out, output);                                                \
    }

BLOCK_FUNCTION(1, 1)
BLOCK_FUNCTION(2, 1)
BLOCK_FUNCTION(3, 1)
BLOCK_FUNCTION(4, 1)
BLOCK_FUNCTION(5, 1)
BLOCK_FUNCTION(6, 1)
BLOCK_FUNCTION(7, 1)
BLOCK_FUNCTION(8, 1)
BLOCK_FUNCTION(1, 2)
BLOCK_FUNCTION(2, 2)
BLOCK_FUNCTION(3, 2)
BLOCK_FUNCTION(4, 2)
BLOCK_FUNCTION(5, 2)
BLOCK_FUNCTION(6, 2)
#if defined(HONE_ISA_avx512) || defined(HONE_ISA_neon)
BLOCK_FUNCTION(7, 2)
BLOCK_FUNCTION(8, 2)
BLOCK_FUNCTION(1, 3)
BLOCK_FUNCTION(2, 3)
BLOCK_FUNCTION(3, 3)
BLOCK_FUNCTION(4, 3)
BLOCK_FUNCTION(5, 3)
BLOCK_FUNCTION(6, 3)
BLOCK_FUNCTION(7, 3)
BLOCK_FUNCTION(8, 3)
BLOCK_FUNCTION(1, 4)
BLOCK_FUNCTION(2, 4)
BLOCK_FUNCTION(3, 4)
BLOCK_FUNCTION(4, 4)
BLOCK_FUNCTION(5, 4)
BLOCK_FUNCTION(6, 4)
#endif

/* [vectors - 1][rows - 1]. What is missing would not fit the registers: sums, one row of b, one broadcast. */
static const block_function block_functions[BLOCK_VECTORS][BLOCK_ROWS] = {
    {block_1x1, block_2x1, block_3x1, block_4x1, block_5x1, block_6x1, block_7x1, block_8x1},
#if defined(HONE_ISA_avx512) || defined(HONE_ISA_neon)
    {block_1x2, block_2x2, block_3x2, block_4x2, block_5x2, block_6x2, block_7x2, block_8x2},
    {block_1x3, block_2x3, block_3x3, block_4x3, block_5x3, block_6x3, block_7x3, block_8x3},
    {block_1x4, block_2x4, block_3x4, block_4x4, block_5x4, block_6x4},
#else
    {block_1x2, block_2x2, block_3x2, block_4x2, block_5x2, block_6x2},
#endif
};

/* ---- cutting -------------------------------------------------------------------------------------------------- */

/* The lanes of one block: width of them, in vectors, the last one holding only some. */
typedef struct block_lanes {
    size_t width;
    int vectors;
    size_t last;
    size_t padded; /* vectors * VL */
} block_lanes;

/* The block that begins at lane first out of total. */
static block_lanes block_lanes_at(size_t first, size_t total) {
    block_lanes l;
    l.width = total - first < BLOCK_LANES ? total - first : BLOCK_LANES;
    l.vectors = (int)((l.width + VL - 1) / VL);
    l.last = l.width - (size_t)(l.vectors - 1) * VL;
    l.padded = (size_t)l.vectors * VL;
    return l;
}

static size_t block_max_rows(int vectors) {
    return vectors == BLOCK_VECTORS ? 6 : BLOCK_ROWS;
}

/* How many of the remaining rows the next block takes: even blocks, for a block of one or two rows waits for its
 * own sums. */
static size_t block_next_rows(size_t remaining, int vectors) {
    const size_t most = block_max_rows(vectors), blocks = (remaining + most - 1) / most;
    return (remaining + blocks - 1) / blocks;
}

/* ---- scratch and copies shared by the callers ------------------------------------------------------------------ */

static size_t round_up(size_t value, size_t unit) {
    return (value + unit - 1) / unit * unit;
}

/* Cuts floats off the scratch, in cache lines. */
static float *take(float **scratch, size_t floats) {
    float *taken = *scratch;
    *scratch += round_up(floats, 16);
    return taken;
}

/* The same for a table of offsets; OFFSET_FLOATS floats each. */
enum { OFFSET_FLOATS = sizeof(ptrdiff_t) / sizeof(float) };
static ptrdiff_t *take_offsets(float **scratch, size_t count) {
    return (ptrdiff_t *)(void *)take(scratch, count * OFFSET_FLOATS);
}

/* to (cols, rows) = from (rows, cols), transposed. */
static void transpose(size_t rows, size_t cols, const float *from, size_t ld_from, float *to, size_t ld_to) {
    for (size_t i = 0; i < rows; i += VL) {
        const size_t height = rows - i < VL ? rows - i : VL;
        for (size_t j = 0; j < cols; j += VL) {
            const size_t width = cols - j < VL ? cols - j : VL;
            vfloat tile[VL];
            HONE_UNROLL
            for (size_t r = 0; r < VL; r++)
                tile[r] = r < height ? v_load_part(from + (i + r) * ld_from + j, width) : v_zero();
            v_transpose(tile);
            for (size_t c = 0; c < width; c++) v_store_part(to + (j + c) * ld_to + i, tile[c], height);
        }
    }
}
