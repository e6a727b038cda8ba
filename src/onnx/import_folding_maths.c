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

static double quotient(bool is_integer, double x, double z) {
    if (!is_integer) return x / z;
    return z == 0 ? 0 : trunc(x / z);
}

static double combine(const char *op, bool is_integer, double x, double z) {
    if (strcmp(op, "Add") == 0) return x + z;
    if (strcmp(op, "Sub") == 0) return x - z;
    if (strcmp(op, "Mul") == 0) return x * z;
    if (strcmp(op, "Div") == 0) return quotient(is_integer, x, z);
    if (strcmp(op, "Pow") == 0) return pow(x, z);
    if (strcmp(op, "Min") == 0) return fmin(x, z);
    if (strcmp(op, "Max") == 0) return fmax(x, z);
    if (strcmp(op, "Equal") == 0) return x == z;
    if (strcmp(op, "Greater") == 0) return x > z;
    if (strcmp(op, "GreaterOrEqual") == 0) return x >= z;
    if (strcmp(op, "Less") == 0) return x < z;
    if (strcmp(op, "LessOrEqual") == 0) return x <= z;
    if (strcmp(op, "And") == 0) return x != 0 && z != 0;
    if (strcmp(op, "Or") == 0) return x != 0 || z != 0;
    return fmod(x, z);
}

static bool is_truth(const char *op) {
    static const char *const ops[] = {"Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "And", "Or", "Not"};
    for (size_t i = 0; i < sizeof ops / sizeof ops[0]; i++)
        if (strcmp(ops[i], op) == 0) return true;
    return false;
}

hone_status hone__onnx_fold_binary(const hone__onnx_folding *f) {
    int64_t dims[HONE_ONNX_AXES] = {0};
    int rank;
    const char *op = f->im->node->op_type;
    if (f->count != 2) return hone__onnx_refuse(f->im, HONE_FORMAT, "has %zu inputs", f->count);
    HONE_TRY(broadcast(f, dims, &rank));
    bool is_integer = f->in[0]->is_integer && f->in[1]->is_integer;
    HONE_TRY(hone__onnx_folding_begin(f, is_integer || is_truth(op), rank, dims));
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
        bool is_batch = axis == 0 && wanted == HONE_ONNX_OPEN_BATCH && dim == 1;
        dims[axis] = dim != 1 || is_batch || wanted < 1 ? dim : wanted;
        if (dim != 1 && wanted > 1 && wanted != dim)
            return hone__onnx_refuse(f->im, HONE_FORMAT, "%lld elements become %lld", (long long)dim,
                                     (long long)wanted);
    }
    HONE_TRY(hone__onnx_folding_begin(f, x->is_integer, rank, dims));
    for (size_t i = 0; i < f->out->count; i++) hone__onnx_folding_copy(f->out, i, x, broadcast_at(x, rank, dims, i));
    return HONE_OK;
}

static double function_of(const char *op, double x) {
    if (strcmp(op, "Sqrt") == 0) return sqrt(x);
    if (strcmp(op, "Neg") == 0) return -x;
    if (strcmp(op, "Floor") == 0) return floor(x);
    if (strcmp(op, "Ceil") == 0) return ceil(x);
    if (strcmp(op, "Round") == 0) return rint(x); /* halves to even, as is the default of the machine */
    if (strcmp(op, "Abs") == 0) return fabs(x);
    if (strcmp(op, "Exp") == 0) return exp(x);
    if (strcmp(op, "Log") == 0) return log(x);
    if (strcmp(op, "Reciprocal") == 0) return 1 / x;
    if (strcmp(op, "Sigmoid") == 0) return 1 / (1 + exp(-x));
    if (strcmp(op, "Sin") == 0) return sin(x);
    if (strcmp(op, "Cos") == 0) return cos(x);
    if (strcmp(op, "Tanh") == 0) return tanh(x);
    if (strcmp(op, "Relu") == 0) return fmax(x, 0);
    if (strcmp(op, "Sign") == 0) return (x > 0) - (x < 0);
    return x == 0; /* Not */
}

hone_status hone__onnx_fold_unary(const hone__onnx_folding *f) {
    const char *op = f->im->node->op_type;
    HONE_TRY(hone__onnx_folding_begin(f, f->in[0]->is_integer || is_truth(op), f->in[0]->rank, f->in[0]->dims));
    for (size_t i = 0; i < f->out->count; i++)
        hone__onnx_folding_put(f->out, i, function_of(op, hone__onnx_constant_at(f->in[0], i)));
    return HONE_OK;
}

static double reduced(const char *op, bool is_first, double before, double x) {
    if (is_first) return x;
    if (strcmp(op, "ReduceProd") == 0) return before * x;
    if (strcmp(op, "ReduceMax") == 0) return fmax(before, x);
    if (strcmp(op, "ReduceMin") == 0) return fmin(before, x);
    return before + x;
}

/* Over some axes, or all of them. */
hone_status hone__onnx_fold_reduce(const hone__onnx_folding *f) {
    const hone__onnx_constant *x = f->in[0];
    const char *op = f->im->node->op_type;
    int64_t axes[HONE_ONNX_AXES], kept[HONE_ONNX_AXES] = {0}, dims[HONE_ONNX_AXES] = {0}, number = 1;
    size_t count;
    bool gone[HONE_ONNX_AXES] = {false}, keeps = hone__onnx_integer(f->im->node, "keepdims", 1) != 0;
    int rank = 0;
    HONE_TRY(hone__onnx_axes(f->im, "axes", 1, axes, &count));
    for (size_t i = 0; i < count; i++) {
        int axis;
        HONE_TRY(hone__onnx_axis_of(f->im, axes[i], x->rank, &axis));
        gone[axis] = true;
    }
    for (int i = 0; i < x->rank; i++) {
        gone[i] = gone[i] || count == 0;
        kept[i] = gone[i] ? 1 : x->dims[i];
        if (!gone[i] || keeps) dims[rank++] = kept[i];
        if (gone[i]) number *= x->dims[i];
    }
    if (x->count == 0) return hone__onnx_refuse(f->im, HONE_FORMAT, "reduces no elements");
    HONE_TRY(hone__onnx_folding_begin(f, x->is_integer, rank, dims));
    double *sums = hone__alloc(f->out->count, sizeof *sums);
    bool *begun = hone__alloc(f->out->count, sizeof *begun);
    for (size_t i = 0; sums && begun && i < x->count; i++) {
        size_t left = i, at = 0, step = 1;
        for (int axis = x->rank; axis-- > 0; left /= (size_t)x->dims[axis]) {
            if (gone[axis]) continue;
            at += left % (size_t)x->dims[axis] * step;
            step *= (size_t)kept[axis];
        }
        sums[at] = reduced(op, !begun[at], sums[at], hone__onnx_constant_at(x, i));
        begun[at] = true;
    }
    bool is_mean = strcmp(op, "ReduceMean") == 0;
    for (size_t i = 0; sums && begun && i < f->out->count; i++)
        hone__onnx_folding_put(f->out, i, is_mean ? quotient(x->is_integer, sums[i], (double)number) : sums[i]);
    hone_status status =
        sums && begun ? HONE_OK : hone__fail_memory(f->im->err, f->out->count * sizeof *sums, "a constant");
    hone__free(sums);
    hone__free(begun);
    return status;
}

/* From a number on, in steps, until before another one. */
hone_status hone__onnx_fold_range(const hone__onnx_folding *f) {
    bool fine = f->count == 3;
    for (size_t i = 0; i < f->count && fine; i++) fine = f->in[i]->count == 1;
    if (!fine) return hone__onnx_refuse(f->im, HONE_FORMAT, "is not told where to begin, where to end, in what steps");
    double from = hone__onnx_constant_at(f->in[0], 0), to = hone__onnx_constant_at(f->in[1], 0);
    double step = hone__onnx_constant_at(f->in[2], 0), count = ceil((to - from) / step);
    if (!(count <= HONE_ONNX_FOLDED)) return hone__onnx_refuse(f->im, HONE_LIMIT, "makes too many numbers");
    const int64_t length = count > 0 ? (int64_t)count : 0;
    HONE_TRY(hone__onnx_folding_begin(f, f->in[0]->is_integer, 1, &length));
    for (int64_t i = 0; i < length; i++) hone__onnx_folding_put(f->out, (size_t)i, from + (double)i * step);
    return HONE_OK;
}
