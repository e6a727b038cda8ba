/* SPDX-License-Identifier: Apache-2.0
 *
 * Keras' constraints, applied to a weight behind the update of a step. A norm is taken over some axes of the weight, once
 * for every place along the others. */
#include "train_internal.h"

#include <math.h>

/* Keras' backend.epsilon() */
static const double epsilon = 1e-7;

/* What a vector of this norm is multiplied by. */
static float factor_of(const hone__constraint *c, double norm) {
    double desired = 1;
    if (c->kind != HONE_CONSTRAINT_UNIT_NORM)
        desired = c->rate * fmin(fmax(norm, c->low), c->high) + (1 - c->rate) * norm;
    return (float)(desired / (epsilon + norm));
}

/* The axes of a weight as one loop: over those that the norm is taken over, or over the others. */
typedef struct walk {
    int rank;
    int64_t dims[HONE_MAX_RANK], steps[HONE_MAX_RANK], index[HONE_MAX_RANK];
} walk;

static walk walk_over(const hone__weight *w, bool inner) {
    walk out = {0};
    int64_t step = 1;
    for (int axis = w->shape.rank; axis-- > 0;) {
        bool is_inner = w->constraint.axes >> axis & 1U;
        if (is_inner == inner) {
            out.dims[out.rank] = w->shape.dims[axis];
            out.steps[out.rank++] = step;
        }
        step *= w->shape.dims[axis];
    }
    return out;
}

/* The first axis of a walk is the fastest. False at the end, where it is back at the start. */
static bool next(walk *w, int64_t *at) {
    for (int i = 0; i < w->rank; i++) {
        *at += w->steps[i];
        if (++w->index[i] < w->dims[i]) return true;
        *at -= w->steps[i] * w->dims[i];
        w->index[i] = 0;
    }
    return false;
}

void hone__constrain(const hone__weight *weight, float *data) {
    if (weight->constraint.kind == HONE_CONSTRAINT_NON_NEG) {
        for (size_t i = 0; i < weight->size; i++) data[i] = data[i] < 0 ? 0 : data[i];
        return;
    }
    walk outer = walk_over(weight, false), inner = walk_over(weight, true);
    int64_t at = 0;
    do {
        double squares = 0;
        do squares += (double)data[at] * data[at];
        while (next(&inner, &at));
        float factor = factor_of(&weight->constraint, sqrt(squares));
        do data[at] *= factor;
        while (next(&inner, &at));
    } while (next(&outer, &at));
}
