/* SPDX-License-Identifier: Apache-2.0
 *
 * The register block with a pooling behind it: the sums of whole windows of four outputs are in registers at once,
 * so the maximum is taken there and only that is stored. Worth most for kernels of few taps, where storing every
 * output and reading it again takes longer than computing it. Windows of other sizes go through the strips of
 * conv2d_forward_template.h. */

enum { POOL_AREA = 4, POOL_WINDOWS = 2 };

typedef struct pool_block {
    const ptrdiff_t *offset; /* of the taps, k of them */
    size_t k;
    const float *b;
    size_t ldb;
    size_t place[POOL_AREA]; /* a window's outputs: where their taps begin */
    size_t window_step;      /* from a window to the next one */
    const float *bias;       /* or NULL */
    bool relu;
    size_t last;   /* lanes of the last vector that exist in y */
    size_t y_step; /* from a window's maxima to the next one's */
} pool_block;

typedef void (*pool_block_function)(const pool_block *p, const float *x, float *y, uint8_t *argmax);

HONE_INLINE void pool_block_body(int windows, int vectors, const pool_block *p, const float *x, float *y,
                                 uint8_t *argmax) {
    const float *row[POOL_WINDOWS * POOL_AREA];
    vfloat sum[POOL_WINDOWS * POOL_AREA][BLOCK_VECTORS];
    const float *b = p->b;

    HONE_UNROLL
    for (int r = 0; r < windows * POOL_AREA; r++) {
        row[r] = x + (size_t)(r / POOL_AREA) * p->window_step + p->place[r % POOL_AREA];
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) sum[r][v] = v_zero();
    }
    HONE_NO_UNROLL
    for (size_t i = 0; i < p->k; i++, b += p->ldb) {
        const ptrdiff_t at = p->offset[i];
        vfloat w[BLOCK_VECTORS];
        HONE_UNROLL
        for (int v = 0; v < vectors; v++) w[v] = v_load(b + v * VL);
        HONE_UNROLL
        for (int r = 0; r < windows * POOL_AREA; r++) {
            const vfloat a = v_set(row[r][at]);
            HONE_UNROLL
            for (int v = 0; v < vectors; v++) sum[r][v] = BLOCK_FMA(a, w[v], sum[r][v]);
        }
    }
    HONE_UNROLL
    for (int v = 0; v < vectors; v++) {
        const size_t lanes = v == vectors - 1 ? p->last : VL;
        const vfloat bias = p->bias ? v_load_part(p->bias + v * VL, lanes) : v_zero();
        HONE_UNROLL
        for (int q = 0; q < windows; q++) {
            const size_t to = (size_t)q * p->y_step + (size_t)v * VL;
            vfloat best = v_add(sum[q * POOL_AREA][v], bias);
            vint where = vi_set(0);
            HONE_UNROLL
            for (int at = 1; at < POOL_AREA; at++) {
                const vfloat value = v_add(sum[q * POOL_AREA + at][v], bias);
                const vmask wins = vm_or(v_gt(value, best), v_is_nan(value));
                best = v_select(wins, value, best);
                where = vi_select(wins, vi_set(at), where);
            }
            v_store_part(y + to, p->relu ? v_relu(best) : best, lanes);
            if (argmax) vi_store_u8_part(argmax + to, where, lanes);
        }
    }
}

#define POOL_BLOCK(windows, vectors)                                                                                   \
    static void pool_block_##windows##x##vectors(const pool_block *p, const float *x, float *y, uint8_t *argmax) {     \
        pool_block_body(windows, vectors, p, x, y, argmax);                                                            \
    }
POOL_BLOCK(1, 1)
POOL_BLOCK(2, 1)
POOL_BLOCK(1, 2)
#if defined(HONE_ISA_avx512) || defined(HONE_ISA_neon)
POOL_BLOCK(2, 2)
POOL_BLOCK(1, 3)
POOL_BLOCK(2, 3)
POOL_BLOCK(1, 4)
#endif

/* [vectors - 1][windows - 1]; NULL: more sums than registers. */
static const pool_block_function pool_blocks[BLOCK_VECTORS][POOL_WINDOWS] = {
    {pool_block_1x1, pool_block_2x1},
#if defined(HONE_ISA_avx512) || defined(HONE_ISA_neon)
    {pool_block_1x2, pool_block_2x2},
    {pool_block_1x3, pool_block_2x3},
    {pool_block_1x4, NULL},
#else
    {pool_block_1x2, NULL},
#endif
};

static bool conv2d_pools_in_registers(const hone_conv2d_shape *s) {
    return s->pool_h * s->pool_w == POOL_AREA;
}

/* One sample through one panel of filters. */
static void conv2d_forward_windows(const hone_conv2d_shape *s, const conv2d_geometry *g, const conv2d_panel *c,
                                   const float *x, float *y, uint8_t *argmax) {
    pool_block p = {.offset = c->offset, .k = c->taps, .b = c->b, .ldb = c->ldb};
    for (int i = 0; i < POOL_AREA; i++)
        p.place[i] = (size_t)(i / s->pool_w) * g->step_row + (size_t)(i % s->pool_w) * g->step_column;
    p.window_step = (size_t)s->pool_stride_w * g->step_column;
    p.bias = c->output.bias;
    p.relu = c->output.relu;
    p.last = c->lanes.last;
    p.y_step = g->f;
    const pool_block_function *blocks = pool_blocks[c->lanes.vectors - 1];
    const size_t most = blocks[1] ? 2 : 1, width = (size_t)s->pw;
    for (size_t py = 0; py < (size_t)s->ph; py++) {
        const float *row = x + py * (size_t)s->pool_stride_h * g->step_row;
        for (size_t px = 0, windows; px < width; px += windows) {
            windows = width - px < most ? 1 : most;
            const size_t to = (py * width + px) * g->f + c->first;
            blocks[windows - 1](&p, row + px * p.window_step, y + to, argmax ? argmax + to : NULL);
        }
    }
}
