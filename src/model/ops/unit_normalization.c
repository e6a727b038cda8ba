/* SPDX-License-Identifier: Apache-2.0
 *
 * UnitNormalization: rows divided by their length; RMSNormalization: by the root of their mean square. */
#include "op.h"

#include <math.h>

/* aux of a sample: what each row was multiplied by. */
static hone_status unit_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)setting;
    (void)err;
    op->aux = op->backward ? op->as.unit.rows * sizeof(float) : 0;
    op->reads_out = true;
    return HONE_OK;
}

static double product(size_t c, const float *a, const float *b) {
    double sum = 0;
    for (size_t k = 0; k < c; k++) sum += (double)a[k] * b[k];
    return sum;
}

static void unit_forward(const hone__op *op, const hone__run *r) {
    size_t c = op->as.unit.c;
    for (size_t i = 0; i < r->n * op->as.unit.rows; i++) {
        const float *x = r->in[0] + i * c;
        double squares = product(c, x, x);
        double least = op->as.unit.least,
               divisor = op->as.unit.mean ? squares / (double)c + least : fmax(squares, least);
        float factor = (float)(1 / sqrt(divisor));
        bool varies = op->as.unit.mean || squares > least;
        if (r->aux) ((float *)r->aux)[i] = varies ? factor : -factor; /* minus: a constant */
        for (size_t k = 0; k < c; k++) r->out[i * c + k] = x[k] * factor;
    }
}

static void unit_backward(const hone__op *op, const hone__run *r) {
    size_t c = op->as.unit.c;
    for (size_t i = 0; r->d_in[0] && i < r->n * op->as.unit.rows; i++) {
        const float *y = r->out + i * c, *dy = r->d_out + i * c;
        float factor = ((const float *)r->aux)[i];
        float along = factor > 0 ? (float)(product(c, y, dy) / (op->as.unit.mean ? (double)c : 1)) : 0;
        for (size_t k = 0; k < c; k++) r->d_in[0][i * c + k] = fabsf(factor) * (dy[k] - along * y[k]);
    }
}

const hone__op_type hone__op_unit_normalization = {
    .name = "unit_normalization",
    .in_place = true,
    .prepare = unit_prepare,
    .forward = unit_forward,
    .backward = unit_backward,
};
