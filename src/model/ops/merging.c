/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations of several inputs: sums, differences, products, quotients, extrema; concatenation and its reverse, the slice. */
#include "op.h"

#include <string.h>

/* ---- element by element ---------------------------------------------------------------------------------------- */

static hone_status merge_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)setting;
    (void)err;
    hone__merge_kind kind = op->as.merge.kind;
    op->reads_in = kind != HONE_MERGE_ADD && kind != HONE_MERGE_SUBTRACT;
    return HONE_OK;
}

/* y = x combined with z, n elements in steps of 0 or 1. y may be x. */
static void combine(hone__merge_kind kind, size_t n, const float *x, size_t x_step, const float *z, size_t z_step,
                    float *y) {
    switch (kind) {
    case HONE_MERGE_ADD:
        for (size_t i = 0; i < n; i++) y[i] = x[i * x_step] + z[i * z_step];
        break;
    case HONE_MERGE_SUBTRACT:
        for (size_t i = 0; i < n; i++) y[i] = x[i * x_step] - z[i * z_step];
        break;
    case HONE_MERGE_MULTIPLY:
        for (size_t i = 0; i < n; i++) y[i] = x[i * x_step] * z[i * z_step];
        break;
    case HONE_MERGE_MAXIMUM:
        for (size_t i = 0; i < n; i++) y[i] = x[i * x_step] >= z[i * z_step] ? x[i * x_step] : z[i * z_step];
        break;
    case HONE_MERGE_MINIMUM:
        for (size_t i = 0; i < n; i++) y[i] = x[i * x_step] <= z[i * z_step] ? x[i * x_step] : z[i * z_step];
        break;
    case HONE_MERGE_DIVIDE:
        for (size_t i = 0; i < n; i++) y[i] = x[i * x_step] / z[i * z_step];
        break;
    }
}

/* The same for both in steps of 1, which the compiler makes vectors of. */
static void combine_whole(hone__merge_kind kind, size_t n, const float *x, const float *z, float *y) {
    combine(kind, n, x, 1, z, 1, y);
}

/* dx [+]= the gradient that operand which gets of dy, n elements; a step of 0 adds them all up in one. */
static void pull_back(hone__merge_kind kind, int which, size_t n, const float *x, size_t x_step, const float *z,
                      size_t z_step, const float *dy, size_t step, float *dx) {
    for (size_t i = 0; i < n; i++) {
        float a = x[i * x_step], b = z[i * z_step], d = dy[i];
        switch (kind) {
        case HONE_MERGE_ADD: break;
        case HONE_MERGE_SUBTRACT: d = which == 0 ? d : -d; break;
        case HONE_MERGE_MULTIPLY: d *= which == 0 ? b : a; break;
        case HONE_MERGE_MAXIMUM: d = (a >= b) == (which == 0) ? d : 0; break;
        case HONE_MERGE_MINIMUM: d = (a <= b) == (which == 0) ? d : 0; break;
        case HONE_MERGE_DIVIDE: d *= which == 0 ? 1 / b : -a / (b * b); break;
        }
        dx[i * step] += d;
    }
}

/* Offsets of a row (the last axis of the output) in the output and both operands. */
typedef struct row_walk {
    size_t index[HONE_MAX_RANK];
    size_t x, z;
} row_walk;

static bool next_row(const hone__op *op, row_walk *w) {
    for (int axis = op->as.merge.rank - 1; axis-- > 0;) {
        w->x += op->as.merge.steps[0][axis];
        w->z += op->as.merge.steps[1][axis];
        if (++w->index[axis] < op->as.merge.dims[axis]) return true;
        w->x -= op->as.merge.steps[0][axis] * op->as.merge.dims[axis];
        w->z -= op->as.merge.steps[1][axis] * op->as.merge.dims[axis];
        w->index[axis] = 0;
    }
    return false;
}

/* Elements of one sample of an operand. */
static size_t operand_size(const hone__op *op, int which) {
    size_t size = 1;
    for (int axis = 0; axis < op->as.merge.rank; axis++)
        if (op->as.merge.steps[which][axis]) size *= op->as.merge.dims[axis];
    return size;
}

static void merge_forward(const hone__op *op, const hone__run *r) {
    size_t n = r->n * op->out_size;
    if (op->as.merge.same) {
        combine_whole(op->as.merge.kind, n, r->in[0], r->in[1], r->out);
        for (int k = 2; k < op->input_count; k++) r->kernels->add(n, r->in[k], r->out);
        return;
    }
    int last = op->as.merge.rank - 1;
    size_t length = op->as.merge.dims[last], x_size = operand_size(op, 0), z_size = operand_size(op, 1);
    for (size_t i = 0; i < r->n; i++) {
        row_walk w = {0};
        const float *x = r->in[0] + i * x_size, *z = r->in[1] + i * z_size;
        float *y = r->out + i * op->out_size;
        do {
            combine(op->as.merge.kind, length, x + w.x, op->as.merge.steps[0][last], z + w.z,
                    op->as.merge.steps[1][last], y);
            y += length;
        } while (next_row(op, &w));
    }
}

/* Of a sum whose inputs all have its shape. */
static void sum_backward(const hone__op *op, const hone__run *r) {
    for (int k = 0; k < op->input_count; k++)
        if (r->d_in[k] && r->d_in[k] != r->d_out) memcpy(r->d_in[k], r->d_out, r->n * op->out_size * sizeof *r->d_out);
}

static void merge_backward(const hone__op *op, const hone__run *r) {
    hone__merge_kind kind = op->as.merge.kind;
    if (op->as.merge.same && kind == HONE_MERGE_ADD) {
        sum_backward(op, r);
        return;
    }
    int last = op->as.merge.rank - 1;
    size_t length = op->as.merge.dims[last], sizes[2] = {operand_size(op, 0), operand_size(op, 1)};
    for (int which = 0; which < 2; which++) {
        if (!r->d_in[which]) continue;
        memset(r->d_in[which], 0, r->n * sizes[which] * sizeof *r->d_in[which]);
        for (size_t i = 0; i < r->n; i++) {
            row_walk w = {0};
            /* a sum or difference never looks at its operands, which may be gone */
            const float *x = op->reads_in ? r->in[0] + i * sizes[0] : r->d_out;
            const float *z = op->reads_in ? r->in[1] + i * sizes[1] : r->d_out;
            const float *dy = r->d_out + i * op->out_size;
            float *dx = r->d_in[which] + i * sizes[which];
            do {
                size_t at = which == 0 ? w.x : w.z;
                pull_back(kind, which, length, op->reads_in ? x + w.x : dy,
                          op->reads_in ? op->as.merge.steps[0][last] : 0, op->reads_in ? z + w.z : dy,
                          op->reads_in ? op->as.merge.steps[1][last] : 0, dy, op->as.merge.steps[which][last], dx + at);
                dy += length;
            } while (next_row(op, &w));
        }
    }
}

const hone__op_type hone__op_merge = {
    .name = "merge",
    .prepare = merge_prepare,
    .forward = merge_forward,
    .backward = merge_backward,
};

/* ---- side by side ---------------------------------------------------------------------------------------------- */

static size_t total_width(const hone__op *op) {
    size_t total = 0;
    for (int k = 0; k < op->input_count; k++) total += op->as.concatenate.widths[k];
    return total;
}

static void concatenate_forward(const hone__op *op, const hone__run *r) {
    size_t rows = r->n * op->as.concatenate.rows, total = total_width(op), at = 0;
    for (int k = 0; k < op->input_count; k++) {
        size_t width = op->as.concatenate.widths[k];
        for (size_t i = 0; i < rows; i++) memcpy(r->out + i * total + at, r->in[k] + i * width, width * sizeof *r->out);
        at += width;
    }
}

static void concatenate_backward(const hone__op *op, const hone__run *r) {
    size_t rows = r->n * op->as.concatenate.rows, total = total_width(op), at = 0;
    for (int k = 0; k < op->input_count; k++) {
        size_t width = op->as.concatenate.widths[k];
        for (size_t i = 0; r->d_in[k] && i < rows; i++)
            memcpy(r->d_in[k] + i * width, r->d_out + i * total + at, width * sizeof *r->d_out);
        at += width;
    }
}

const hone__op_type hone__op_concatenate = {
    .name = "concatenate",
    .forward = concatenate_forward,
    .backward = concatenate_backward,
};

static void slice_forward(const hone__op *op, const hone__run *r) {
    size_t rows = r->n * op->as.slice.rows, width = op->as.slice.width, kept = op->as.slice.kept;
    for (size_t i = 0; i < rows; i++)
        memcpy(r->out + i * kept, r->in[0] + i * width + op->as.slice.from, kept * sizeof *r->out);
}

static void slice_backward(const hone__op *op, const hone__run *r) {
    size_t rows = r->n * op->as.slice.rows, width = op->as.slice.width, kept = op->as.slice.kept;
    if (!r->d_in[0]) return;
    memset(r->d_in[0], 0, rows * width * sizeof *r->d_in[0]);
    for (size_t i = 0; i < rows; i++)
        memcpy(r->d_in[0] + i * width + op->as.slice.from, r->d_out + i * kept, kept * sizeof *r->d_out);
}

const hone__op_type hone__op_slice = {
    .name = "slice",
    .forward = slice_forward,
    .backward = slice_backward,
};
