/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations whose weights are looked up per element: Embedding (a row for each index) and PReLU (a slope for each
 * position, perhaps shared along axes). */
#include "op.h"

#include <string.h>

/* ---- embedding ------------------------------------------------------------------------------------------------- */

static hone_status embedding_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)setting;
    (void)err;
    op->reads_in = true;
    return HONE_OK;
}

/* An index that is none of the table's (or no number) means the nearest one. */
static size_t row_of(float index, size_t rows) {
    if (!(index > 0)) return 0;
    return index < (float)rows ? (size_t)index : rows - 1;
}

static void embedding_forward(const hone__op *op, const hone__run *r) {
    size_t c = op->as.embedding.c;
    const float *table = hone__op_weight(op, r->model, HONE_OP_KERNEL);
    for (size_t i = 0; i < r->n * op->in_size; i++)
        memcpy(r->out + i * c, table + row_of(r->in[0][i], op->as.embedding.rows) * c, c * sizeof *r->out);
}

static void embedding_backward(const hone__op *op, const hone__run *r) {
    size_t c = op->as.embedding.c;
    float *gradient = hone__op_gradient(op, r, HONE_OP_KERNEL);
    if (r->d_in[0]) memset(r->d_in[0], 0, r->n * op->in_size * sizeof *r->d_in[0]);
    if (!gradient) return;
    if (!hone__gradient_adds(op, r, HONE_OP_KERNEL)) memset(gradient, 0, op->as.embedding.rows * c * sizeof *gradient);
    for (size_t i = 0; i < r->n * op->in_size; i++)
        r->kernels->add(c, r->d_out + i * c, gradient + row_of(r->in[0][i], op->as.embedding.rows) * c);
}

const hone__op_type hone__op_embedding = {
    .name = "embedding",
    .prepare = embedding_prepare,
    .forward = embedding_forward,
    .backward = embedding_backward,
};

/* ---- prelu ----------------------------------------------------------------------------------------------------- */

static hone_status prelu_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)setting;
    (void)err;
    op->reads_in = true;
    return HONE_OK;
}

/* The slope of the element after the one at. */
static size_t next_slope(const hone__op *op, size_t *index, size_t at) {
    for (int axis = op->as.prelu.rank; axis-- > 0;) {
        at += op->as.prelu.steps[axis];
        if (++index[axis] < op->as.prelu.dims[axis]) return at;
        at -= op->as.prelu.steps[axis] * op->as.prelu.dims[axis];
        index[axis] = 0;
    }
    return at;
}

static void prelu_forward(const hone__op *op, const hone__run *r) {
    const float *slopes = hone__op_weight(op, r->model, HONE_OP_KERNEL);
    size_t index[HONE_MAX_RANK] = {0}, at = 0;
    for (size_t i = 0; i < r->n * op->in_size; i++, at = next_slope(op, index, at)) {
        float x = r->in[0][i];
        r->out[i] = x > 0 ? x : slopes[at] * x;
    }
}

static void prelu_backward(const hone__op *op, const hone__run *r) {
    const float *slopes = hone__op_weight(op, r->model, HONE_OP_KERNEL);
    float *gradient = hone__op_gradient(op, r, HONE_OP_KERNEL);
    if (gradient && !hone__gradient_adds(op, r, HONE_OP_KERNEL))
        memset(gradient, 0, r->model->weights[op->weights[HONE_OP_KERNEL]].size * sizeof *gradient);
    size_t index[HONE_MAX_RANK] = {0}, at = 0;
    for (size_t i = 0; i < r->n * op->in_size; i++, at = next_slope(op, index, at)) {
        float x = r->in[0][i], d = r->d_out[i];
        if (gradient && !(x > 0)) gradient[at] += d * x;
        if (r->d_in[0]) r->d_in[0][i] = x > 0 ? d : slopes[at] * d;
    }
}

const hone__op_type hone__op_prelu = {
    .name = "prelu",
    .prepare = prelu_prepare,
    .forward = prelu_forward,
    .backward = prelu_backward,
};
