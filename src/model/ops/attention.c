/* SPDX-License-Identifier: Apache-2.0
 *
 * The core of attention, between its projections: per sample and head, softmax(q k^T / sqrt(key_dim)) v. Inputs are
 * (queries, heads key_dim), (keys, heads key_dim) and (keys, heads value_dim).
 *
 * aux of a sample: the probabilities (heads, queries, keys), and behind them, where some are dropped, a byte each for what
 * was kept. */
#include "op.h"

#include <string.h>

enum { QUERY, KEY, VALUE };

/* Floats of a table of one head. */
static size_t table_size(const hone__op *op) {
    return op->as.attention.queries * op->as.attention.keys;
}

static bool drops(const hone__op *op) {
    return op->backward && op->as.attention.rate > 0;
}

/* scores = q k^T, or dp = do v^T: (queries, keys) of one head. */
static hone_gemm table_product(const hone__op *op, size_t inner, size_t width) {
    size_t stride = op->as.attention.heads * width;
    return (hone_gemm){.m = op->as.attention.queries,
                       .n = op->as.attention.keys,
                       .k = inner,
                       .lda = stride,
                       .ldb = stride,
                       .ldc = op->as.attention.keys,
                       .b_transposed = true};
}

/* o = p v, or dq = ds k: (queries, width). */
static hone_gemm row_product(const hone__op *op, size_t width) {
    size_t stride = op->as.attention.heads * width;
    return (hone_gemm){.m = op->as.attention.queries,
                       .n = width,
                       .k = op->as.attention.keys,
                       .lda = op->as.attention.keys,
                       .ldb = stride,
                       .ldc = stride};
}

/* dv = p^T do, or dk = ds^T q: (keys, width). */
static hone_gemm column_product(const hone__op *op, size_t width) {
    size_t stride = op->as.attention.heads * width;
    return (hone_gemm){.m = op->as.attention.keys,
                       .n = width,
                       .k = op->as.attention.queries,
                       .lda = op->as.attention.keys,
                       .ldb = stride,
                       .ldc = stride,
                       .a_transposed = true};
}

static hone_status attention_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)err;
    size_t widths[2] = {op->as.attention.key_dim, op->as.attention.value_dim}, most = 0;
    for (int i = 0; i < 2; i++) {
        hone_gemm products[] = {table_product(op, widths[i], widths[i]), row_product(op, widths[i]),
                                column_product(op, widths[i])};
        for (int k = 0; k < 3; k++) {
            size_t scratch = setting->kernels->gemm_scratch(&products[k]);
            if (scratch > most) most = scratch;
        }
    }
    size_t table = table_size(op), all = op->as.attention.heads * table;
    op->reads_in = true;
    op->aux = op->backward ? all * sizeof(float) + (drops(op) ? (all + 3) / 4 * 4 : 0) : 0;
    op->scratch_forward = op->scratch_backward = 2 * hone__line(table) + most;
    return HONE_OK;
}

/* One head of one sample. */
typedef struct head {
    size_t index; /* among all heads of the chunk */
    const float *q, *k, *v;
    float *probabilities;
    uint8_t *kept; /* NULL: all */
} head;

static head head_at(const hone__op *op, const hone__run *r, size_t index) {
    size_t heads = op->as.attention.heads, sample = index / heads, which = index % heads, table = table_size(op);
    size_t key_dim = op->as.attention.key_dim, value_dim = op->as.attention.value_dim;
    head h = {.index = index};
    h.q = r->in[QUERY] + sample * op->as.attention.queries * heads * key_dim + which * key_dim;
    h.k = r->in[KEY] + sample * op->as.attention.keys * heads * key_dim + which * key_dim;
    h.v = r->in[VALUE] + sample * op->as.attention.keys * heads * value_dim + which * value_dim;
    h.probabilities = r->scratch;
    if (!r->aux) return h;
    unsigned char *note = (unsigned char *)r->aux + sample * op->aux;
    h.probabilities = (float *)(void *)note + which * table;
    if (drops(op)) h.kept = note + heads * table * sizeof(float) + which * table;
    return h;
}

static void attention_forward(const hone__op *op, const hone__run *r) {
    size_t heads = op->as.attention.heads, value_dim = op->as.attention.value_dim, table = table_size(op);
    float *dropped = r->scratch + hone__line(table), *scratch = dropped + hone__line(table);
    for (size_t i = 0; i < r->n * heads; i++) {
        head h = head_at(op, r, i);
        const float *p = h.probabilities;
        hone_gemm scores = table_product(op, op->as.attention.key_dim, op->as.attention.key_dim);
        scores.a = h.q;
        scores.b = h.k;
        scores.c = h.probabilities;
        r->kernels->gemm(&scores, scratch);
        r->kernels->scale(table, op->as.attention.scale, h.probabilities);
        r->kernels->softmax_forward(op->as.attention.queries, op->as.attention.keys, p, h.probabilities);
        if (h.kept) { /* a Philox block for four elements; heads follow one another in the first word */
            const uint32_t counter[4] = {(uint32_t)(i % heads * ((table + 3) / 4)), (uint32_t)(r->first + i / heads),
                                         (uint32_t)r->step, (uint32_t)(r->step >> 32)};
            r->kernels->dropout_forward(table, p, op->as.attention.rate, op->as.attention.key, counter, dropped,
                                        h.kept);
            p = dropped;
        }
        hone_gemm out = row_product(op, value_dim);
        out.a = p;
        out.b = h.v;
        out.c = r->out + i / heads * op->out_size + i % heads * value_dim;
        r->kernels->gemm(&out, scratch);
    }
}

static void attention_backward(const hone__op *op, const hone__run *r) {
    size_t heads = op->as.attention.heads, queries = op->as.attention.queries, keys = op->as.attention.keys;
    size_t key_dim = op->as.attention.key_dim, value_dim = op->as.attention.value_dim, table = table_size(op);
    float *d = r->scratch, *dropped = d + hone__line(table), *scratch = dropped + hone__line(table);
    for (size_t i = 0; i < r->n * heads; i++) {
        head h = head_at(op, r, i);
        size_t sample = i / heads, which = i % heads;
        const float *d_out = r->d_out + sample * op->out_size + which * value_dim, *p = h.probabilities;
        if (h.kept) {
            r->kernels->dropout_backward(table, p, op->as.attention.rate, h.kept, dropped);
            p = dropped;
        }
        if (r->d_in[VALUE]) {
            hone_gemm g = column_product(op, value_dim);
            g.a = p;
            g.b = d_out;
            g.c = r->d_in[VALUE] + sample * keys * heads * value_dim + which * value_dim;
            r->kernels->gemm(&g, scratch);
        }
        if (!r->d_in[QUERY] && !r->d_in[KEY]) continue;
        hone_gemm g = table_product(op, value_dim, value_dim);
        g.a = d_out;
        g.b = h.v;
        g.c = d;
        r->kernels->gemm(&g, scratch);
        if (h.kept) r->kernels->dropout_backward(table, d, op->as.attention.rate, h.kept, d);
        r->kernels->softmax_backward(queries, keys, h.probabilities, d, d);
        r->kernels->scale(table, op->as.attention.scale, d);
        if (r->d_in[QUERY]) {
            g = row_product(op, key_dim);
            g.a = d;
            g.b = h.k;
            g.c = r->d_in[QUERY] + sample * queries * heads * key_dim + which * key_dim;
            r->kernels->gemm(&g, scratch);
        }
        if (r->d_in[KEY]) {
            g = column_product(op, key_dim);
            g.a = d;
            g.b = h.q;
            g.c = r->d_in[KEY] + sample * keys * heads * key_dim + which * key_dim;
            r->kernels->gemm(&g, scratch);
        }
    }
}

const hone__op_type hone__op_attention = {
    .name = "attention",
    .prepare = attention_prepare,
    .forward = attention_forward,
    .backward = attention_backward,
};
