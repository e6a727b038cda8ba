/* SPDX-License-Identifier: Apache-2.0
 *
 * What looks at many numbers at once, as C: LayerNormalization, GroupNormalization, attention.
 *
 * Small machines have no double. Means are taken twice: the second pass adds the mean of what the first left over,
 * which brings a float sum as close as is needed. */
#include "c_writer.h"

static hone_status put_gamma_beta(hone__c_writer *w, const hone__op *op, size_t c, bool *gamma, bool *beta,
                                  hone_error *err) {
    const float *g = hone__op_weight(op, w->program.model, HONE_OP_GAMMA);
    const float *b = hone__op_weight(op, w->program.model, HONE_OP_BETA);
    *gamma = g != NULL;
    *beta = b != NULL;
    if (g) HONE_TRY(hone__c_floats(w, "gamma", g, c, NULL, err));
    if (b) HONE_TRY(hone__c_floats(w, "beta", b, c, NULL, err));
    return HONE_OK;
}

/* "(x - mean) * inverse", with gamma and beta of channel where there are any. */
static void put_normalized(hone__c_writer *w, const char *at, const char *channel, bool gamma, bool beta) {
    char factor[120] = "", addend[120] = "";
    if (gamma) snprintf(factor, sizeof factor, " * %s_gamma[%s]", w->step_name, channel);
    if (beta) snprintf(addend, sizeof addend, " + %s_beta[%s]", w->step_name, channel);
    hone__c_line(&w->body, "y[%s] = (x[%s] - mean) * inverse%s%s;", at, at, factor, addend);
}

hone_status hone__c_layer_normalization(hone__c_writer *w, const hone__op *op, hone_error *err) {
    hone__c_text *t = &w->body;
    size_t rows = op->as.norm.rows, c = op->as.norm.c;
    char epsilon[HONE_C_NUMBER_SIZE];
    bool gamma, beta;
    HONE_TRY(put_gamma_beta(w, op, c, &gamma, &beta, err));
    w->helpers |= HONE_C_SQRT;
    hone__c_open(t, "for (int32_t row = 0; row < %zu; row++, x += %zu, y += %zu)", rows, c, c);
    hone__c_line(t, "float mean = 0.0f, left = 0.0f, squares = 0.0f;");
    hone__c_line(t, "for (int32_t i = 0; i < %zu; i++) mean += x[i];", c);
    hone__c_line(t, "mean /= %zu.0f;", c);
    hone__c_line(t, "for (int32_t i = 0; i < %zu; i++) left += x[i] - mean;", c);
    hone__c_line(t, "mean += left / %zu.0f;", c);
    hone__c_line(t, "for (int32_t i = 0; i < %zu; i++) squares += (x[i] - mean) * (x[i] - mean);", c);
    hone__c_line(t, "const float inverse = 1.0f / square_root(squares / %zu.0f + %s);", c,
                 hone__c_float(epsilon, op->as.norm.epsilon));
    hone__c_for(t, "i", c);
    put_normalized(w, "i", "i", gamma, beta);
    hone__c_close(t);
    hone__c_close(t);
    return HONE_OK;
}

hone_status hone__c_unit_normalization(hone__c_writer *w, const hone__op *op, hone_error *err) {
    hone__c_text *t = &w->body;
    size_t rows = op->as.unit.rows, c = op->as.unit.c;
    char least[HONE_C_NUMBER_SIZE];
    (void)err;
    w->helpers |= HONE_C_SQRT;
    hone__c_open(t, "for (int32_t row = 0; row < %zu; row++, x += %zu, y += %zu)", rows, c, c);
    hone__c_line(t, "float squares = 0.0f;");
    hone__c_line(t, "for (int32_t i = 0; i < %zu; i++) squares += x[i] * x[i];", c);
    hone__c_float(least, (float)op->as.unit.least);
    if (op->as.unit.mean)
        hone__c_line(t, "const float length = square_root(squares / %zu.0f + %s);", c, least);
    else
        hone__c_line(t, "const float length = square_root(squares > %s ? squares : %s);", least, least);
    hone__c_line(t, "for (int32_t i = 0; i < %zu; i++) y[i] = x[i] / length;", c);
    hone__c_close(t);
    return HONE_OK;
}

/* for (the elements of group g) body */
static void put_each(hone__c_text *t, size_t rows, size_t c, size_t width, const char *body) {
    hone__c_for(t, "row", rows);
    hone__c_line(t, "const float *v = x + row * %zu + g * %zu;", c, width);
    hone__c_line(t, "for (int32_t i = 0; i < %zu; i++) %s", width, body);
    hone__c_close(t);
}

hone_status hone__c_group_normalization(hone__c_writer *w, const hone__op *op, hone_error *err) {
    hone__c_text *t = &w->body;
    size_t rows = op->as.group.rows, c = op->as.group.c, groups = op->as.group.groups, width = c / groups;
    char epsilon[HONE_C_NUMBER_SIZE], count[HONE_C_NUMBER_SIZE];
    bool gamma, beta;
    HONE_TRY(put_gamma_beta(w, op, c, &gamma, &beta, err));
    w->helpers |= HONE_C_SQRT;
    snprintf(count, sizeof count, "%zu.0f", rows * width);
    hone__c_for(t, "g", groups);
    hone__c_line(t, "float mean = 0.0f, left = 0.0f, squares = 0.0f;");
    put_each(t, rows, c, width, "mean += v[i];");
    hone__c_line(t, "mean /= %s;", count);
    put_each(t, rows, c, width, "left += v[i] - mean;");
    hone__c_line(t, "mean += left / %s;", count);
    put_each(t, rows, c, width, "squares += (v[i] - mean) * (v[i] - mean);");
    hone__c_line(t, "const float inverse = 1.0f / square_root(squares / %s + %s);", count,
                 hone__c_float(epsilon, op->as.group.epsilon));
    hone__c_for(t, "row", rows);
    hone__c_open(t, "for (int32_t k = g * %zu, e = k + %zu; k < e; k++)", width, width);
    hone__c_line(t, "const int32_t at = row * %zu + k;", c);
    put_normalized(w, "at", "k", gamma, beta);
    for (int i = 0; i < 3; i++) hone__c_close(t);
    return HONE_OK;
}

/* A head and a query at a time: the scores of one row are all that is kept. */
hone_status hone__c_attention(hone__c_writer *w, const hone__op *op, hone_error *err) {
    (void)err;
    hone__c_text *t = &w->body;
    size_t heads = op->as.attention.heads, keys = op->as.attention.keys, queries = op->as.attention.queries;
    size_t key_dim = op->as.attention.key_dim, value_dim = op->as.attention.value_dim;
    char scale[HONE_C_NUMBER_SIZE];
    w->helpers |= HONE_C_EXP;
    hone__c_for(t, "head", heads);
    hone__c_for(t, "row", queries);
    hone__c_line(t, "const float *q = x0 + (row * %zu + head) * %zu;", heads, key_dim);
    hone__c_line(t, "float *out = y + (row * %zu + head) * %zu;", heads, value_dim);
    hone__c_line(t, "float largest = -3.402823466e+38f, sum = 0.0f;");
    hone__c_for(t, "i", keys);
    hone__c_line(t, "const float *k = x1 + (i * %zu + head) * %zu;", heads, key_dim);
    hone__c_line(t, "float score = 0.0f;");
    hone__c_line(t, "for (int32_t d = 0; d < %zu; d++) score += q[d] * k[d];", key_dim);
    hone__c_line(t, "scratch[i] = score * %s;", hone__c_float(scale, op->as.attention.scale));
    hone__c_line(t, "if (scratch[i] > largest) largest = scratch[i];");
    hone__c_close(t);
    hone__c_for(t, "i", keys);
    hone__c_line(t, "scratch[i] = exponential(scratch[i] - largest);");
    hone__c_line(t, "sum += scratch[i];");
    hone__c_close(t);
    hone__c_line(t, "for (int32_t d = 0; d < %zu; d++) out[d] = 0.0f;", value_dim);
    hone__c_for(t, "i", keys);
    hone__c_line(t, "const float *v = x2 + (i * %zu + head) * %zu;", heads, value_dim);
    hone__c_line(t, "const float share = scratch[i] / sum;");
    hone__c_line(t, "for (int32_t d = 0; d < %zu; d++) out[d] += share * v[d];", value_dim);
    for (int i = 0; i < 3; i++) hone__c_close(t);
    return HONE_OK;
}

/* ---- products of matrices -------------------------------------------------------------------------------------- */

hone_status hone__c_matmul(hone__c_writer *w, const hone__op *op, hone_error *err) {
    (void)err;
    hone__c_text *t = &w->body;
    const size_t m = op->as.matmul.m, n = op->as.matmul.n, k = op->as.matmul.k;
    char first[200], second[200];
    const int rank = op->as.matmul.rank, blocks = hone__c_loops(t, rank, op->as.matmul.dims);
    hone__c_line(t, "const float *a = x0 + (%s) * %zu;",
                 hone__c_position(first, sizeof first, rank, op->as.matmul.steps[0]), m * k);
    hone__c_line(t, "const float *b = x1 + (%s) * %zu;",
                 hone__c_position(second, sizeof second, rank, op->as.matmul.steps[1]), k * n);
    hone__c_open(t, "for (int32_t row = 0; row < %zu; row++, a += %zu, y += %zu)", m, k, n);
    hone__c_line(t, "for (int32_t d = 0; d < %zu; d++) y[d] = 0.0f;", n);
    hone__c_open(t, "for (int32_t j = 0; j < %zu; j++)", k);
    hone__c_line(t, "for (int32_t d = 0; d < %zu; d++) y[d] += a[j] * b[j * %zu + d];", n, n);
    hone__c_close(t);
    hone__c_close(t);
    for (int i = 0; i < blocks; i++) hone__c_close(t);
    return HONE_OK;
}
