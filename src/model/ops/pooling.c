/* SPDX-License-Identifier: Apache-2.0
 *
 * Pooling on its own (a max pooling right behind a convolution is part of that operation). Max pooling notes for the
 * way back which element of each window won. */
#include "op.h"

static hone_status max_pool_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)setting;
    const hone_pool2d_shape *s = &op->as.pool;
    enum { MAX_WINDOW = 65536 }; /* the argmax is 16 bits */
    if ((int64_t)s->pool_h * s->pool_w > MAX_WINDOW)
        HONE_FAIL(err, HONE_LIMIT, "pool_size (%d, %d) has more than %d elements", s->pool_h, s->pool_w, MAX_WINDOW);
    op->aux = op->backward ? op->out_size * sizeof(uint16_t) : 0;
    return HONE_OK;
}

static void max_pool_forward(const hone__op *op, const hone__run *r) {
    r->kernels->max_pool_forward(&op->as.pool, r->n, r->in[0], r->out, r->aux);
}

static void max_pool_backward(const hone__op *op, const hone__run *r) {
    if (r->d_in[0]) r->kernels->max_pool_backward(&op->as.pool, r->n, r->d_out, r->aux, r->d_in[0]);
}

const hone__op_type hone__op_max_pool2d = {
    .name = "max_pooling2d",
    .prepare = max_pool_prepare,
    .forward = max_pool_forward,
    .backward = max_pool_backward,
};

static void average_pool_forward(const hone__op *op, const hone__run *r) {
    r->kernels->average_pool_forward(&op->as.pool, r->n, r->in[0], r->out);
}

static void average_pool_backward(const hone__op *op, const hone__run *r) {
    if (r->d_in[0]) r->kernels->average_pool_backward(&op->as.pool, r->n, r->d_out, r->d_in[0]);
}

const hone__op_type hone__op_average_pool2d = {
    .name = "average_pooling2d",
    .forward = average_pool_forward,
    .backward = average_pool_backward,
};

/* ---- over all pixels ------------------------------------------------------------------------------------------- */

static hone_status global_max_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)setting;
    (void)err;
    op->aux = op->backward ? op->as.rows.c * sizeof(uint32_t) : 0;
    return HONE_OK;
}

static void global_max_forward(const hone__op *op, const hone__run *r) {
    r->kernels->global_max_forward(r->n, op->as.rows.rows, op->as.rows.c, r->in[0], r->out, r->aux);
}

static void global_max_backward(const hone__op *op, const hone__run *r) {
    if (r->d_in[0])
        r->kernels->global_max_backward(r->n, op->as.rows.rows, op->as.rows.c, r->d_out, r->aux, r->d_in[0]);
}

const hone__op_type hone__op_global_max_pool2d = {
    .name = "global_max_pooling2d",
    .prepare = global_max_prepare,
    .forward = global_max_forward,
    .backward = global_max_backward,
};

static void global_average_forward(const hone__op *op, const hone__run *r) {
    r->kernels->global_average_forward(r->n, op->as.rows.rows, op->as.rows.c, r->in[0], r->out);
}

static void global_average_backward(const hone__op *op, const hone__run *r) {
    if (r->d_in[0]) r->kernels->global_average_backward(r->n, op->as.rows.rows, op->as.rows.c, r->d_out, r->d_in[0]);
}

const hone__op_type hone__op_global_average_pool2d = {
    .name = "global_average_pooling2d",
    .forward = global_average_forward,
    .backward = global_average_backward,
};
