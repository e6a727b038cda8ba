/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix products around the register block: which parts are copied first so that the block streams them, and in
 * what order the blocks run.
 *
 * B is read as it is where that is good enough: whole vectors, and few rows of A to use them. Else its columns are
 * copied into panels as wide as a block, so that the block walks memory in a line. A is read as it is, except a
 * large transposed one, whose columns lie far apart. A part of B (GEMM_K x GEMM_N) stays in L2 while all rows of A
 * pass; the few rows of A that a block works on stay in L1 while they meet all of that part. Where rows are few, a
 * smaller part is better: it is used while it is still in L1. */

enum {
    GEMM_K = 384,                 /* longest part of a sum */
    GEMM_N = 256,                 /* columns of B in L2 at a time … */
    GEMM_N_FEW = 4 * BLOCK_LANES, /* … for few rows of A */
    GEMM_M = 96,                  /* rows of a transposed A copied at a time */
    GEMM_MANY = 2 * GEMM_M,       /* rows of A that are not few */
    GEMM_PACK_ROWS = 32,          /* with fewer rows of A, copying B costs more than it gives */
    GEMM_PACK_FLOATS = 8 * 1024   /* a smaller B sits in L1 anyway */
};

typedef struct gemm_choice {
    size_t depth;   /* of one part of the sum: of k alone */
    size_t columns; /* most of B at a time */
    bool pack_b;    /* all of it; else only panels that end in a part of a vector */
    bool pack_a;
} gemm_choice;

static gemm_choice gemm_choose(const hone_gemm *g) {
    gemm_choice c;
    const size_t parts = g->k ? (g->k + GEMM_K - 1) / GEMM_K : 1;
    c.depth = (g->k + parts - 1) / parts;
    c.columns = g->m > GEMM_MANY ? GEMM_N : GEMM_N_FEW;
    if (c.columns > g->n) c.columns = g->n;
    c.pack_b = g->b_transposed || (g->m >= GEMM_PACK_ROWS && g->n * c.depth >= GEMM_PACK_FLOATS && g->n > BLOCK_LANES);
    c.pack_a = g->a_transposed && g->n > BLOCK_LANES && g->m >= GEMM_PACK_ROWS && c.depth >= 64;
    return c;
}

static size_t gemm_scratch(const hone_gemm *g) {
    const gemm_choice c = gemm_choose(g);
    const size_t rows = g->m < GEMM_M ? g->m : GEMM_M;
    return round_up(c.depth * OFFSET_FLOATS, 16) + round_up(c.depth * round_up(c.columns, VL), 16) +
           (c.pack_a ? round_up(c.depth * rows, 16) : 0);
}

/* One panel: depth rows of op(B) from row p and column j, l.padded floats each; lanes past l.width hold zeros. */
static void gemm_pack_panel(const hone_gemm *g, size_t p, size_t depth, size_t j, block_lanes l, float *to) {
    if (g->b_transposed) {
        for (size_t i = 0; l.last < VL && i < depth; i++) v_store(to + i * l.padded + l.padded - VL, v_zero());
        transpose(l.width, depth, g->b + j * g->ldb + p, g->ldb, to, l.padded);
        return;
    }
    for (size_t i = 0; i < depth; i++) {
        const float *from = g->b + (p + i) * g->ldb + j;
        float *row = to + i * l.padded;
        for (size_t v = 0; v + VL < l.padded; v += VL) v_store(row + v, v_load(from + v));
        v_store(row + l.padded - VL, v_load_part(from + l.padded - VL, l.last));
    }
}

static void gemm(const hone_gemm *g, float *scratch) {
    const gemm_choice choice = gemm_choose(g);
    ptrdiff_t *offset = take_offsets(&scratch, choice.depth);
    float *packed_b = take(&scratch, choice.depth * round_up(choice.columns, VL));
    float *packed_a = scratch;
    if (g->m == 0 || g->n == 0) return;
    const size_t k_step = g->a_transposed && !choice.pack_a ? g->lda : 1;
    for (size_t i = 0; i < choice.depth; i++) offset[i] = (ptrdiff_t)(i * k_step);

    size_t p = 0;
    do {
        const size_t depth = g->k - p < choice.depth ? g->k - p : choice.depth;
        const bool first = p == 0, ends = p + depth == g->k;
        for (size_t jc = 0; jc < g->n; jc += choice.columns) {
            const size_t columns = g->n - jc < choice.columns ? g->n - jc : choice.columns;
            const float *panel[GEMM_N / BLOCK_LANES];
            size_t panel_ld[GEMM_N / BLOCK_LANES];
            for (size_t j = 0, t = 0; j < columns; j += BLOCK_LANES, t++) {
                const block_lanes l = block_lanes_at(j, columns);
                if (choice.pack_b || l.last < VL) {
                    float *to = packed_b + j * choice.depth;
                    gemm_pack_panel(g, p, depth, jc + j, l, to);
                    panel[t] = to;
                    panel_ld[t] = l.padded;
                } else {
                    panel[t] = g->b + p * g->ldb + jc + j;
                    panel_ld[t] = g->ldb;
                }
            }
            for (size_t ic = 0; ic < g->m; ic += GEMM_M) {
                const size_t rows = g->m - ic < GEMM_M ? g->m - ic : GEMM_M;
                const float *a = g->a_transposed ? g->a + p * g->lda + ic : g->a + ic * g->lda + p;
                size_t row_step = g->a_transposed ? 1 : g->lda;
                if (choice.pack_a) {
                    transpose(depth, rows, a, g->lda, packed_a, depth);
                    a = packed_a;
                    row_step = depth;
                }
                const int vectors = columns < BLOCK_LANES ? (int)((columns + VL - 1) / VL) : BLOCK_VECTORS;
                for (size_t i = 0, r; i < rows; i += r) {
                    const float *row[BLOCK_ROWS];
                    float *out[BLOCK_ROWS];
                    r = block_next_rows(rows - i, vectors);
                    for (size_t q = 0; q < r; q++) row[q] = a + (i + q) * row_step;
                    for (size_t j = 0, t = 0; j < columns; j += BLOCK_LANES, t++) {
                        const block_lanes l = block_lanes_at(j, columns);
                        const block_output output = {g->accumulate || !first, ends && g->epilogue == HONE_EPILOGUE_RELU,
                                                     ends && g->bias ? g->bias + jc + j : NULL, l.last};
                        for (size_t q = 0; q < r; q++) out[q] = g->c + (ic + i + q) * g->ldc + jc + j;
                        block_functions[l.vectors - 1][r - 1](row, offset, depth, panel[t], panel_ld[t], out, &output);
                    }
                }
            }
        }
        p += depth;
    } while (p < g->k);
}
