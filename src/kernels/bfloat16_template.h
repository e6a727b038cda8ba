/* SPDX-License-Identifier: Apache-2.0
 *
 * Rounding to bfloat16: rows of floats become rows of words (simd_bfloat16.h), which two floats of them being the
 * caller's business; and a whole matrix product made of that. */

static size_t words_of(size_t floats) {
    return (floats + 1) / 2;
}

/* n floats to words, neighbours together; behind an odd one comes a zero. */
static void bfloat16_row(size_t n, const float *x, float *words) {
    size_t i = 0;
    for (; i + 2 * VL <= n; i += 2 * VL, words += VL) v_store(words, v_neighbours(v_load(x + i), v_load(x + i + VL)));
    if (i == n) return;
    const size_t left = n - i;
    const vfloat first = v_load_part(x + i, left < VL ? left : VL);
    const vfloat second = left > VL ? v_load_part(x + i + VL, left - VL) : v_zero();
    v_store_part(words, v_neighbours(first, second), words_of(left));
}

/* rows of n floats, ld apart, to rows of words_of(n) words, ld_to apart. */
static void bfloat16_rows(size_t rows, size_t n, const float *x, size_t ld, float *words, size_t ld_to) {
    if (ld == n && n % 2 == 0 && ld_to == n / 2) { /* all of it lies together */
        n *= rows;
        rows = rows > 0;
    }
    for (size_t i = 0; i < rows; i++) bfloat16_row(n, x + i * ld, words + i * ld_to);
}

/* words[i] = (a[i], b[i]); NULL: zeros. */
static void bfloat16_zip(size_t n, const float *a, const float *b, float *words) {
    size_t i = 0;
    if (a && b)
        for (; i + VL <= n; i += VL) v_store(words + i, v_zip(v_load(a + i), v_load(b + i)));
    for (; i < n; i += VL) {
        const size_t lanes = n - i < VL ? n - i : VL;
        const vfloat low = a ? v_load_part(a + i, lanes) : v_zero(), high = b ? v_load_part(b + i, lanes) : v_zero();
        v_store_part(words + i, v_zip(low, high), lanes);
    }
}

/* rows of n floats, ld apart, two rows together: words_of(rows) rows of n words, ld_to apart. */
static void bfloat16_zip_rows(size_t rows, size_t n, const float *x, size_t ld, float *words, size_t ld_to) {
    for (size_t i = 0; i < rows; i += 2)
        bfloat16_zip(n, x + i * ld, i + 1 < rows ? x + (i + 1) * ld : NULL, words + i / 2 * ld_to);
}

/* Rounded, but left as floats. */
static void bfloat16_round(size_t n, const float *x, float *rounded) {
    size_t i = 0;
    for (; i + VL <= n; i += VL) v_store(rounded + i, v_round_bfloat16(v_load(x + i)));
    if (i < n) v_store_part(rounded + i, v_round_bfloat16(v_load_part(x + i, n - i)), n - i);
}

/* ---- matrix products ------------------------------------------------------------------------------------------- */

/* Words run along k. Both sides are copied, for they are rounded on the way: B in panels as wide as a block, A in rows. */
enum {
    BFLOAT16_K = 384,             /* longest part of a sum, in words */
    BFLOAT16_N = 4 * BLOCK_LANES, /* columns of B in L2 at a time */
    BFLOAT16_M = 96               /* rows of A */
};

static size_t bfloat16_least(size_t a, size_t b) {
    return a < b ? a : b;
}

/* Words of one part of the sum: of k alone. */
static size_t bfloat16_depth(size_t k) {
    const size_t words = words_of(k), parts = words ? (words + BFLOAT16_K - 1) / BFLOAT16_K : 1;
    return (words + parts - 1) / parts;
}

static size_t bfloat16_gemm_scratch(const hone_gemm *g) {
    const size_t depth = bfloat16_depth(g->k), rows = bfloat16_least(g->m, BFLOAT16_M);
    const size_t columns = round_up(bfloat16_least(g->n, BFLOAT16_N), VL);
    const size_t turned = rows > BLOCK_LANES ? rows : BLOCK_LANES;
    return round_up(depth * OFFSET_FLOATS, 16) + round_up(depth * columns, 16) + round_up(depth * rows, 16) +
           round_up(depth * turned, 16);
}

/* One panel: depth floats of each sum from row p and column j of op(B); lanes past l.width hold zeros. */
static void bfloat16_pack_panel(const hone_gemm *g, size_t p, size_t depth, size_t j, block_lanes l, float *to,
                                float *turned) {
    const size_t words = words_of(depth);
    for (size_t i = 0; l.last < VL && i < words; i++) v_store(to + i * l.padded + l.padded - VL, v_zero());
    if (g->b_transposed) {
        bfloat16_rows(l.width, depth, g->b + j * g->ldb + p, g->ldb, turned, words);
        transpose(l.width, words, turned, words, to, l.padded);
    } else {
        bfloat16_zip_rows(depth, l.width, g->b + p * g->ldb + j, g->ldb, to, l.padded);
    }
}

/* rows of op(A) from row i, depth floats from column p. */
static void bfloat16_pack_rows(const hone_gemm *g, size_t i, size_t rows, size_t p, size_t depth, float *to,
                               float *turned) {
    const size_t words = words_of(depth);
    if (g->a_transposed) {
        bfloat16_zip_rows(depth, rows, g->a + p * g->lda + i, g->lda, turned, rows);
        transpose(words, rows, turned, rows, to, words);
    } else {
        bfloat16_rows(rows, depth, g->a + i * g->lda + p, g->lda, to, words);
    }
}

static void bfloat16_gemm(const hone_gemm *g, float *scratch) {
    const size_t most = bfloat16_depth(g->k);
    ptrdiff_t *offset = take_offsets(&scratch, most);
    float *packed_b = take(&scratch, most * round_up(bfloat16_least(g->n, BFLOAT16_N), VL));
    float *packed_a = take(&scratch, most * bfloat16_least(g->m, BFLOAT16_M));
    float *turned = scratch;
    for (size_t i = 0; i < most; i++) offset[i] = (ptrdiff_t)i;

    size_t p = 0;
    do {
        const size_t depth = bfloat16_least(g->k - p, 2 * most), words = words_of(depth);
        const bool first = p == 0, ends = p + depth == g->k;
        for (size_t jc = 0; jc < g->n; jc += BFLOAT16_N) {
            const size_t columns = bfloat16_least(g->n - jc, BFLOAT16_N);
            for (size_t j = 0; j < columns; j += BLOCK_LANES)
                bfloat16_pack_panel(g, p, depth, jc + j, block_lanes_at(j, columns), packed_b + j * words, turned);
            const int vectors = columns < BLOCK_LANES ? (int)((columns + VL - 1) / VL) : BLOCK_VECTORS;
            for (size_t ic = 0; ic < g->m; ic += BFLOAT16_M) {
                const size_t rows = bfloat16_least(g->m - ic, BFLOAT16_M);
                bfloat16_pack_rows(g, ic, rows, p, depth, packed_a, turned);
                for (size_t i = 0, r; i < rows; i += r) {
                    const float *row[BLOCK_ROWS];
                    float *out[BLOCK_ROWS];
                    r = block_next_rows(rows - i, vectors);
                    for (size_t q = 0; q < r; q++) row[q] = packed_a + (i + q) * words;
                    for (size_t j = 0; j < columns; j += BLOCK_LANES) {
                        const block_lanes l = block_lanes_at(j, columns);
                        const block_output output = {g->accumulate || !first, ends && g->epilogue == HONE_EPILOGUE_RELU,
                                                     ends && g->bias ? g->bias + jc + j : NULL, l.last};
                        for (size_t q = 0; q < r; q++) out[q] = g->c + (ic + i + q) * g->ldc + jc + j;
                        block_functions[l.vectors - 1][r - 1](row, offset, words, packed_b + j * words, l.padded, out,
                                                              &output);
                    }
                }
            }
        }
        p += depth;
    } while (p < g->k);
}

/* ---- the yardstick --------------------------------------------------------------------------------------------- */

enum { BFLOAT16_CHAINS = V_REGISTERS >= 32 ? 24 : 12 };

/* As in peak_template.h. The two products of a word cancel, so the sums stay as they are. */
static double bfloat16_multiply_adds(size_t rounds, float factor, float *sums) {
    const vfloat a = v_zip(v_set(factor), v_set(factor)), b = v_zip(v_set(1.0f), v_set(-1.0f));
    vfloat chain[BFLOAT16_CHAINS];
    for (int i = 0; i < BFLOAT16_CHAINS; i++) chain[i] = v_set((float)i);
    for (size_t round = 0; round < rounds; round++) {
#pragma GCC unroll 24
        for (int i = 0; i < BFLOAT16_CHAINS; i++) chain[i] = v_dot(a, b, chain[i]);
    }
    vfloat sum = v_zero();
    for (int i = 0; i < BFLOAT16_CHAINS; i++) sum = v_add(sum, chain[i]);
    *sums += v_sum(sum);
    return 4.0 * VL * BFLOAT16_CHAINS * (double)rounds;
}
