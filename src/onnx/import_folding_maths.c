/* SPDX-License-Identifier: Apache-2.0
 *
 * Arithmetic on constants of an ONNX graph, element by element. */
#include "import_folding.h"

#include <math.h>
#include <string.h>

/* Where an operand that repeats along axes of one element has the element at this index of the result. */
static size_t broadcast_at(const hone__onnx_constant *c, int rank, const int64_t *dims, size_t index) {
    size_t at = 0, step = 1;
    for (int axis = rank; axis-- > 0;) {
        size_t here = index % (size_t)dims[axis];
        int own = axis - (rank - c->rank);
        index /= (size_t)dims[axis];
        if (own < 0) continue;
        if (c->dims[own] > 1) at += here * step;
        step *= (size_t)c->dims[own];
    }
    return at;
}

static hone_status broadcast(const hone__onnx_folding *f, int64_t *dims, int *rank) {
    *rank = 0;
    for (size_t i = 0; i < f->count; i++)
        if (f->in[i]->rank > *rank) *rank = f->in[i]->rank;
    for (int axis = 0; axis < *rank; axis++) {
        dims[axis] = 1;
        for (size_t i = 0; i < f->count; i++) {
            int own = axis - (*rank - f->in[i]->rank);
            int64_t dim = own < 0 ? 1 : f->in[i]->dims[own];
            if (dim != 1 && dims[axis] != 1 && dim != dims[axis])
                return hone__onnx_refuse(f->im, HONE_FORMAT, "%lld elements meet %lld along axis %d",
                                         (long long)dims[axis], (long long)dim, axis);
            if (dim != 1) dims[axis] = dim;
        }
    }
    return HONE_OK;
}

static double combine(const char *op, bool is_integer, double x, double z) {
    switch (op[0]) {
    case 'A': return x + z;
    case 'S': return x - z;
    case 'D': return !is_integer ? x / z : z == 0 ? 0 : trunc(x / z);
    case 'P': return pow(x, z);
    case 'E': return x == z;
    default: break;
    }
    if (strcmp(op, "Mul") == 0) return x * z;
    if (strcmp(op, "Min") == 0) return fmin(x, z);
    return strcmp(op, "Max") == 0 ? fmax(x, z) : fmod(x, z);
}

hone_status hone__onnx_fold_binary(const hone__onnx_folding *f) {
    int64_t dims[HONE_ONNX_AXES] = {0};
    int rank;
    const char *op = f->im->node->op_type;
    if (f->count != 2) return hone__onnx_refuse(f->im, HONE_FORMAT, "has %zu inputs", f->count);
    HONE_TRY(broadcast(f, dims, &rank));
    bool is_integer = f->in[0]->is_integer && f->in[1]->is_integer;
    HONE_TRY(hone__onnx_folding_begin(f, is_integer || op[0] == 'E', rank, dims));
    for (size_t i = 0; i < f->out->count; i++)
        hone__onnx_folding_put(f->out, i,
                               combine(op, is_integer,
                                       hone__onnx_constant_at(f->in[0], broadcast_at(f->in[0], rank, dims, i)),
                                       hone__onnx_constant_at(f->in[1], broadcast_at(f->in[1], rank, dims, i))));
    return HONE_OK;
}

hone_status hone__onnx_fold_where(const hone__onnx_folding *f) {
    int64_t dims[HONE_ONNX_AXES] = {0};
    int rank;
    if (f->count != 3) return hone__onnx_refuse(f->im, HONE_FORMAT, "has %zu inputs", f->count);
    HONE_TRY(broadcast(f, dims, &rank));
    HONE_TRY(hone__onnx_folding_begin(f, f->in[1]->is_integer, rank, dims));
    for (size_t i = 0; i < f->out->count; i++) {
        bool first = hone__onnx_constant_at(f->in[0], broadcast_at(f->in[0], rank, dims, i)) != 0;
        const hone__onnx_constant *from = f->in[first ? 1 : 2];
        hone__onnx_folding_copy(f->out, i, from, broadcast_at(from, rank, dims, i));
    }
    return HONE_OK;
}

/* Over the batch it repeats by itself, wherever it is used: one of each sample is what is kept. */
hone_status hone__onnx_fold_expand(const hone__onnx_folding *f) {
    const hone__onnx_constant *x = f->in[0], *shape = f->count > 1 ? f->in[1] : NULL;
    int64_t dims[HONE_ONNX_AXES] = {0};
    if (!shape || shape->count > HONE_ONNX_AXES || (int)shape->count < x->rank)
        return hone__onnx_refuse(f->im, HONE_UNSUPPORTED, "has a shape that hone does not understand");
    int rank = (int)shape->count;
    for (int axis = 0; axis < rank; axis++) {
        int own = axis - (rank - x->rank);
        int64_t dim = own < 0 ? 1 : x->dims[own], wanted = (int64_t)hone__onnx_constant_at(shape, (size_t)axis);
        bool is_batch = axis == 0 && wanted == f->im->batch && dim == 1;
        dims[axis] = dim != 1 || is_batch || wanted < 1 ? dim : wanted;
        if (dim != 1 && wanted > 1 && wanted != dim)
            return hone__onnx_refuse(f->im, HONE_FORMAT, "%lld elements become %lld", (long long)dim,
                                     (long long)wanted);
    }
    HONE_TRY(hone__onnx_folding_begin(f, x->is_integer, rank, dims));
    for (size_t i = 0; i < f->out->count; i++) hone__onnx_folding_copy(f->out, i, x, broadcast_at(x, rank, dims, i));
    return HONE_OK;
}

hone_status hone__onnx_fold_unary(const hone__onnx_folding *f) {
    const char *op = f->im->node->op_type;
    HONE_TRY(hone__onnx_folding_begin(f, f->in[0]->is_integer, f->in[0]->rank, f->in[0]->dims));
    for (size_t i = 0; i < f->out->count; i++) {
        double x = hone__onnx_constant_at(f->in[0], i);
        hone__onnx_folding_put(f->out, i,
                               op[0] == 'S'   ? sqrt(x)
                               : op[0] == 'N' ? -x
                               : op[0] == 'F' ? floor(x)
                                              : ceil(x));
    }
    return HONE_OK;
}
