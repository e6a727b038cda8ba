/* SPDX-License-Identifier: Apache-2.0
 *
 * Products of two tensors' matrices: (…, m, k) times (…, k, n), one by one along the axes before. */
#include "op.h"

#include <string.h>

static hone_gemm product(const hone__op *op) {
    const size_t m = op->as.matmul.m, n = op->as.matmul.n, k = op->as.matmul.k;
    return (hone_gemm){.m = m, .n = n, .k = k, .lda = k, .ldb = n, .ldc = n};
}

/* da = dc b^T */
static hone_gemm left_gradient(const hone__op *op) {
    const size_t m = op->as.matmul.m, n = op->as.matmul.n, k = op->as.matmul.k;
    return (hone_gemm){.m = m, .n = k, .k = n, .lda = n, .ldb = n, .ldc = k, .b_transposed = true, .accumulate = true};
}

/* db = a^T dc */
static hone_gemm right_gradient(const hone__op *op) {
    const size_t m = op->as.matmul.m, n = op->as.matmul.n, k = op->as.matmul.k;
    return (hone_gemm){.m = k, .n = n, .k = m, .lda = k, .ldb = n, .ldc = n, .a_transposed = true, .accumulate = true};
}

static hone_status matmul_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)err;
    const hone_gemm forward = product(op), left = left_gradient(op), right = right_gradient(op);
    size_t one = setting->kernels->gemm_scratch(&left), two = setting->kernels->gemm_scratch(&right);
    op->reads_in = true;
    op->scratch_forward = setting->kernels->gemm_scratch(&forward);
    op->scratch_backward = one > two ? one : two;
    return HONE_OK;
}

/* Which matrices meet: the axes before the last two are walked through, those of one element repeat. */
typedef struct pairs {
    size_t index[HONE_MAX_RANK];
    size_t a, b; /* matrices */
} pairs;

static bool next_pair(const hone__op *op, pairs *p) {
    for (int axis = op->as.matmul.rank; axis-- > 0;) {
        p->a += op->as.matmul.steps[0][axis];
        p->b += op->as.matmul.steps[1][axis];
        if (++p->index[axis] < op->as.matmul.dims[axis]) return true;
        p->a -= op->as.matmul.steps[0][axis] * op->as.matmul.dims[axis];
        p->b -= op->as.matmul.steps[1][axis] * op->as.matmul.dims[axis];
        p->index[axis] = 0;
    }
    return false;
}

/* Elements of one sample of an operand. */
static size_t operand_size(const hone__op *op, int which) {
    size_t size = which == 0 ? op->as.matmul.m * op->as.matmul.k : op->as.matmul.k * op->as.matmul.n;
    for (int axis = 0; axis < op->as.matmul.rank; axis++)
        if (op->as.matmul.steps[which][axis]) size *= op->as.matmul.dims[axis];
    return size;
}

static void matmul_forward(const hone__op *op, const hone__run *r) {
    const size_t m = op->as.matmul.m, n = op->as.matmul.n, k = op->as.matmul.k;
    const size_t a_size = operand_size(op, 0), b_size = operand_size(op, 1);
    hone_gemm g = product(op);
    g.c = r->out;
    for (size_t i = 0; i < r->n; i++) {
        pairs p = {0};
        do {
            g.a = r->in[0] + i * a_size + p.a * m * k;
            g.b = r->in[1] + i * b_size + p.b * k * n;
            r->kernels->gemm(&g, r->scratch);
            g.c += m * n;
        } while (next_pair(op, &p));
    }
}

static void matmul_backward(const hone__op *op, const hone__run *r) {
    const size_t m = op->as.matmul.m, n = op->as.matmul.n, k = op->as.matmul.k;
    const size_t sizes[2] = {operand_size(op, 0), operand_size(op, 1)};
    hone_gemm left = left_gradient(op), right = right_gradient(op);
    for (int which = 0; which < 2; which++)
        if (r->d_in[which]) memset(r->d_in[which], 0, r->n * sizes[which] * sizeof *r->d_in[which]);
    const float *dc = r->d_out;
    for (size_t i = 0; i < r->n; i++) {
        pairs p = {0};
        do {
            const size_t a = i * sizes[0] + p.a * m * k, b = i * sizes[1] + p.b * k * n;
            left.a = right.b = dc;
            left.b = r->in[1] + b;
            right.a = r->in[0] + a;
            if (r->d_in[0]) {
                left.c = r->d_in[0] + a;
                r->kernels->gemm(&left, r->scratch);
            }
            if (r->d_in[1]) {
                right.c = r->d_in[1] + b;
                r->kernels->gemm(&right, r->scratch);
            }
            dc += m * n;
        } while (next_pair(op, &p));
    }
}

const hone__op_type hone__op_matmul = {
    .name = "matmul",
    .prepare = matmul_prepare,
    .forward = matmul_forward,
    .backward = matmul_backward,
};
