/* SPDX-License-Identifier: Apache-2.0
 *
 * Constants of an ONNX graph: what the file holds, checked against what it claims, and what can be computed from it
 * without a picture: the shapes that exporters compute at run time, step by step. */
#include "onnx_import.h"
#include "onnx_writer.h"

#include <math.h>
#include <string.h>

/* ---- as they lie in the file ------------------------------------------------------------------------------------- */

enum { ONNX_UINT16 = 4, ONNX_INT16 = 5, ONNX_BOOL = 9, ONNX_FLOAT16 = 10, ONNX_DOUBLE = 11 };

static hone_status allocate(hone__onnx_constant *c, hone_error *err) {
    if (c->is_integer)
        c->integers = hone__alloc(c->count, sizeof *c->integers);
    else
        c->reals = hone__alloc(c->count, sizeof *c->reals);
    return c->integers || c->reals ? HONE_OK : hone__fail_memory(err, c->count * sizeof(int64_t), "a constant");
}

void hone__onnx_constant_release(hone__onnx_constant *constant) {
    hone__free(constant->reals);
    hone__free(constant->integers);
    *constant = (hone__onnx_constant){0};
}

double hone__onnx_constant_at(const hone__onnx_constant *c, size_t index) {
    return c->is_integer ? (double)c->integers[index] : (double)c->reals[index];
}

const float *hone__onnx_constant_reals(hone__onnx_constant *c) {
    if (c->reals) return c->reals;
    c->reals = hone__alloc(c->count, sizeof *c->reals);
    for (size_t i = 0; c->reals && i < c->count; i++) c->reals[i] = (float)c->integers[i];
    return c->reals;
}

static float half(uint16_t bits) {
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double value = exponent == 0    ? ldexp(fraction, -24)
                   : exponent == 31 ? (fraction ? NAN : INFINITY)
                                    : ldexp(fraction + 1024, exponent - 25);
    return (float)(bits & 0x8000 ? -value : value);
}

/* Bytes of an element; 0: a type that is not read. */
static size_t element_size(int type, bool *is_integer) {
    *is_integer = true;
    switch (type) {
    case ONNX_INT64: return 8;
    case ONNX_INT32: return 4;
    case ONNX_UINT16:
    case ONNX_INT16: return 2;
    case ONNX_BOOL:
    case ONNX_UINT8:
    case ONNX_INT8: return 1;
    default: break;
    }
    *is_integer = false;
    return type == ONNX_FLOAT ? 4 : type == ONNX_DOUBLE ? 8 : type == ONNX_FLOAT16 ? 2 : 0;
}

static uint64_t little_endian(const unsigned char *bytes, size_t size) {
    uint64_t bits = 0;
    for (size_t i = 0; i < size; i++) bits |= (uint64_t)bytes[i] << (8 * i);
    return bits;
}

static void put_raw(hone__onnx_constant *c, size_t i, int type, uint64_t bits) {
    uint32_t word = (uint32_t)bits;
    double number;
    switch (type) {
    case ONNX_FLOAT: memcpy(&c->reals[i], &word, sizeof word); break;
    case ONNX_FLOAT16: c->reals[i] = half((uint16_t)bits); break;
    case ONNX_DOUBLE:
        memcpy(&number, &bits, sizeof number);
        c->reals[i] = (float)number;
        break;
    case ONNX_INT8: c->integers[i] = (int8_t)bits; break;
    case ONNX_INT16: c->integers[i] = (int16_t)bits; break;
    case ONNX_INT32: c->integers[i] = (int32_t)word; break;
    default: c->integers[i] = (int64_t)bits; break;
    }
}

/* The list of numbers that holds a tensor of this type where there are no raw data; its length. */
static size_t typed_count(const Hone__Onnx__Tensor *t) {
    switch (t->data_type) {
    case ONNX_FLOAT: return t->n_float_data;
    case ONNX_DOUBLE: return t->n_double_data;
    case ONNX_INT64: return t->n_int64_data;
    default: return t->n_int32_data;
    }
}

static void put_typed(hone__onnx_constant *c, size_t i, const Hone__Onnx__Tensor *t) {
    switch (t->data_type) {
    case ONNX_FLOAT: c->reals[i] = t->float_data[i]; break;
    case ONNX_DOUBLE: c->reals[i] = (float)t->double_data[i]; break;
    case ONNX_FLOAT16: c->reals[i] = half((uint16_t)t->int32_data[i]); break;
    case ONNX_INT64: c->integers[i] = t->int64_data[i]; break;
    default: c->integers[i] = t->int32_data[i]; break;
    }
}

hone_status hone__onnx_constant_read(hone__onnx_constant *out, const Hone__Onnx__Tensor *t, hone_error *err) {
    const char *name = t->name ? t->name : "";
    *out = (hone__onnx_constant){.rank = (int)t->n_dims, .count = 1};
    if (t->data_location == 1 || t->n_external_data > 0)
        HONE_FAIL(
            err, HONE_UNSUPPORTED,
            "tensor '%.128s' lies in another file (external data), which is not opened; save the model in one file",
            name);
    size_t size = element_size(t->data_type, &out->is_integer), bytes;
    if (size == 0)
        HONE_FAIL(err, HONE_UNSUPPORTED, "tensor '%.128s' has elements of type %d, which is not supported", name,
                  t->data_type);
    if (t->n_dims > HONE_ONNX_AXES)
        HONE_FAIL(err, HONE_LIMIT, "tensor '%.128s' has %zu axes, at most %d are allowed", name, t->n_dims,
                  HONE_ONNX_AXES);
    for (size_t i = 0; i < t->n_dims; i++) {
        out->dims[i] = t->dims[i];
        if (t->dims[i] < 0 || !hone__multiply(out->count, (size_t)t->dims[i], &out->count) ||
            out->count > (size_t)HONE_MAX_ELEMENTS)
            HONE_FAIL(err, HONE_LIMIT, "tensor '%.128s' claims %lld elements along axis %zu", name,
                      (long long)t->dims[i], i);
    }
    bool is_raw = t->has_raw_data && t->raw_data.len > 0;
    size_t found = is_raw ? t->raw_data.len / size : typed_count(t);
    if (found != out->count || (is_raw && (!hone__multiply(found, size, &bytes) || bytes != t->raw_data.len)))
        HONE_FAIL(err, HONE_FORMAT, "tensor '%.128s' claims %zu elements, the file holds %zu", name, out->count, found);
    HONE_TRY(allocate(out, err));
    for (size_t i = 0; i < out->count; i++) {
        if (is_raw)
            put_raw(out, i, t->data_type, little_endian(t->raw_data.data + i * size, size));
        else
            put_typed(out, i, t);
    }
    return HONE_OK;
}

/* ---- computing with them ----------------------------------------------------------------------------------------- */

typedef struct folding {
    hone__onnx_import *im;
    hone__onnx_constant *in[HONE_ONNX_INPUTS]; /* NULL: left out */
    size_t count;
    hone__onnx_constant *out;
} folding;

static hone_status begin(const folding *f, bool is_integer, int rank, const int64_t *dims) {
    hone__onnx_constant made = {.is_integer = is_integer, .rank = rank, .count = 1};
    for (int i = 0; i < rank; i++) {
        made.dims[i] = dims[i];
        if (dims[i] < 0 || !hone__multiply(made.count, (size_t)dims[i], &made.count) ||
            made.count > HONE_ONNX_FOLDED - f->im->folded)
            return hone__onnx_refuse(f->im, HONE_LIMIT, "its result has too many elements");
    }
    f->im->folded += made.count;
    HONE_TRY(allocate(&made, f->im->err));
    *f->out = made;
    return HONE_OK;
}

static void put(hone__onnx_constant *c, size_t i, double value) {
    if (!c->is_integer)
        c->reals[i] = (float)value;
    else if (value > -9e15 && value < 9e15)
        c->integers[i] = (int64_t)value;
    else
        c->integers[i] = value > 0 ? INT64_MAX : INT64_MIN;
}

static void copy(hone__onnx_constant *to, size_t i, const hone__onnx_constant *from, size_t k) {
    if (to->is_integer && from->is_integer)
        to->integers[i] = from->integers[k];
    else
        put(to, i, hone__onnx_constant_at(from, k));
}

/* The same numbers under other dims. */
static hone_status relabel(const folding *f, int rank, const int64_t *dims) {
    HONE_TRY(begin(f, f->in[0]->is_integer, rank, dims));
    if (f->out->count != f->in[0]->count)
        return hone__onnx_refuse(f->im, HONE_FORMAT, "%zu elements become %zu", f->in[0]->count, f->out->count);
    for (size_t i = 0; i < f->out->count; i++) copy(f->out, i, f->in[0], i);
    return HONE_OK;
}

static hone_status fold_same(const folding *f) {
    return relabel(f, f->in[0]->rank, f->in[0]->dims);
}

static hone_status fold_cast(const folding *f) {
    bool is_integer;
    if (element_size((int)hone__onnx_integer(f->im->node, "to", ONNX_FLOAT), &is_integer) == 0)
        return hone__onnx_refuse(f->im, HONE_UNSUPPORTED, "casts to a type that is not supported");
    HONE_TRY(begin(f, is_integer, f->in[0]->rank, f->in[0]->dims));
    for (size_t i = 0; i < f->out->count; i++) copy(f->out, i, f->in[0], i);
    return HONE_OK;
}

/* An index that may count from the end, brought into 0 … n - 1. */
static hone_status index_of(const folding *f, double value, int64_t n, int64_t *out) {
    if (!(value >= (double)-n && value < (double)n))
        return hone__onnx_refuse(f->im, HONE_FORMAT, "index %g of %lld", value, (long long)n);
    *out = (int64_t)value < 0 ? (int64_t)value + n : (int64_t)value;
    return HONE_OK;
}

static hone_status axis_of(const folding *f, int64_t value, int rank, int *axis) {
    int64_t out;
    HONE_TRY(index_of(f, (double)value, rank, &out));
    *axis = (int)out;
    return HONE_OK;
}

static hone_status fold_gather(const folding *f) {
    const hone__onnx_constant *x = f->in[0], *indices = f->in[1];
    int axis;
    if (f->count != 2 || x->rank + indices->rank - 1 > HONE_ONNX_AXES)
        return hone__onnx_refuse(f->im, HONE_LIMIT, "its result has too many axes");
    HONE_TRY(axis_of(f, hone__onnx_integer(f->im->node, "axis", 0), x->rank, &axis));
    int64_t dims[HONE_ONNX_AXES] = {0};
    size_t outer = 1, inner = 1;
    int rank = 0;
    for (int i = 0; i < axis; i++) outer *= (size_t)(dims[rank++] = x->dims[i]);
    for (int i = 0; i < indices->rank; i++) dims[rank++] = indices->dims[i];
    for (int i = axis + 1; i < x->rank; i++) inner *= (size_t)(dims[rank++] = x->dims[i]);
    HONE_TRY(begin(f, x->is_integer, rank, dims));
    size_t at = 0, n = (size_t)x->dims[axis];
    for (size_t o = 0; o < outer; o++) {
        for (size_t i = 0; i < indices->count; i++) {
            int64_t index;
            HONE_TRY(index_of(f, hone__onnx_constant_at(indices, i), x->dims[axis], &index));
            for (size_t k = 0; k < inner; k++) copy(f->out, at++, x, (o * n + (size_t)index) * inner + k);
        }
    }
    return HONE_OK;
}

/* Of one axis, as shapes are sliced. */
static hone_status fold_slice(const folding *f) {
    const hone__onnx_constant *x = f->in[0];
    int axis = 0;
    if (f->count < 3 || !f->in[1] || !f->in[2] || f->in[1]->count != 1 || f->in[2]->count != 1)
        return hone__onnx_refuse(f->im, HONE_UNSUPPORTED, "slices a constant along several axes");
    if (f->count > 3 && f->in[3] && f->in[3]->count == 1)
        HONE_TRY(axis_of(f, (int64_t)hone__onnx_constant_at(f->in[3], 0), x->rank, &axis));
    double step = f->count > 4 && f->in[4] && f->in[4]->count == 1 ? hone__onnx_constant_at(f->in[4], 0) : 1;
    if (step != 1 || x->rank == 0) return hone__onnx_refuse(f->im, HONE_UNSUPPORTED, "slices a constant in steps");
    int64_t n = x->dims[axis], dims[HONE_ONNX_AXES] = {0};
    double from = hone__onnx_constant_at(f->in[1], 0), to = hone__onnx_constant_at(f->in[2], 0);
    from = fmin(fmax(from < 0 ? from + (double)n : from, 0), (double)n);
    to = fmin(fmax(to < 0 ? to + (double)n : to, from), (double)n);
    size_t outer = 1, inner = 1, at = 0;
    for (int i = 0; i < x->rank; i++) {
        dims[i] = i == axis ? (int64_t)(to - from) : x->dims[i];
        outer *= i < axis ? (size_t)dims[i] : 1;
        inner *= i > axis ? (size_t)dims[i] : 1;
    }
    HONE_TRY(begin(f, x->is_integer, x->rank, dims));
    for (size_t o = 0; o < outer; o++)
        for (size_t i = (size_t)from; i < (size_t)to; i++)
            for (size_t k = 0; k < inner; k++) copy(f->out, at++, x, (o * (size_t)n + i) * inner + k);
    return HONE_OK;
}

static hone_status fold_concat(const folding *f) {
    int axis;
    HONE_TRY(axis_of(f, hone__onnx_integer(f->im->node, "axis", 0), f->in[0]->rank, &axis));
    int64_t dims[HONE_ONNX_AXES] = {0};
    memcpy(dims, f->in[0]->dims, sizeof dims);
    size_t outer = 1, inner = 1, at = 0;
    for (size_t i = 1; i < f->count; i++) {
        for (int k = 0; k < f->in[0]->rank; k++)
            if (f->in[i]->rank != f->in[0]->rank || (k != axis && f->in[i]->dims[k] != dims[k]))
                return hone__onnx_refuse(f->im, HONE_FORMAT, "its inputs differ beside axis %d", axis);
        dims[axis] += f->in[i]->dims[axis];
    }
    for (int i = 0; i < axis; i++) outer *= (size_t)dims[i];
    for (int i = axis + 1; i < f->in[0]->rank; i++) inner *= (size_t)dims[i];
    HONE_TRY(begin(f, f->in[0]->is_integer, f->in[0]->rank, dims));
    for (size_t o = 0; o < outer; o++) {
        for (size_t i = 0; i < f->count; i++) {
            size_t width = (size_t)f->in[i]->dims[axis] * inner;
            for (size_t k = 0; k < width; k++) copy(f->out, at++, f->in[i], o * width + k);
        }
    }
    return HONE_OK;
}

static hone_status fold_reshape(const folding *f) {
    const hone__onnx_constant *shape = f->count > 1 ? f->in[1] : NULL;
    if (!shape || shape->count > HONE_ONNX_AXES) return hone__onnx_refuse(f->im, HONE_LIMIT, "has too many axes");
    int64_t dims[HONE_ONNX_AXES] = {0}, known = 1;
    int open = -1;
    for (size_t i = 0; i < shape->count; i++) {
        dims[i] = (int64_t)hone__onnx_constant_at(shape, i);
        if (dims[i] == 0 && i < (size_t)f->in[0]->rank) dims[i] = f->in[0]->dims[i];
        if (dims[i] == -1) open = (int)i;
        if (dims[i] > 0 && dims[i] <= HONE_MAX_ELEMENTS && known <= HONE_MAX_ELEMENTS) known *= dims[i];
    }
    if (open >= 0) dims[open] = (int64_t)f->in[0]->count / known;
    return relabel(f, (int)shape->count, dims);
}

static hone_status fold_unsqueeze(const folding *f) {
    int64_t axes[HONE_ONNX_AXES], dims[HONE_ONNX_AXES];
    size_t count;
    HONE_TRY(hone__onnx_axes(f->im, "axes", 1, axes, &count));
    int rank = f->in[0]->rank + (int)count;
    bool added[HONE_ONNX_AXES] = {false};
    if (rank > HONE_ONNX_AXES) return hone__onnx_refuse(f->im, HONE_LIMIT, "has too many axes");
    for (size_t i = 0; i < count; i++) {
        int axis;
        HONE_TRY(axis_of(f, axes[i], rank, &axis));
        added[axis] = true;
    }
    for (int i = 0, from = 0; i < rank; i++) dims[i] = added[i] || from >= f->in[0]->rank ? 1 : f->in[0]->dims[from++];
    return relabel(f, rank, dims);
}

static hone_status fold_squeeze(const folding *f) {
    int64_t axes[HONE_ONNX_AXES], dims[HONE_ONNX_AXES];
    size_t count;
    int rank = 0;
    HONE_TRY(hone__onnx_axes(f->im, "axes", 1, axes, &count));
    bool gone[HONE_ONNX_AXES] = {false};
    for (size_t i = 0; i < count; i++) {
        int axis;
        HONE_TRY(axis_of(f, axes[i], f->in[0]->rank, &axis));
        gone[axis] = true;
    }
    for (int i = 0; i < f->in[0]->rank; i++)
        if (!gone[i] && !(count == 0 && f->in[0]->dims[i] == 1)) dims[rank++] = f->in[0]->dims[i];
    return relabel(f, rank, dims);
}

static hone_status fold_transpose(const folding *f) {
    const hone__onnx_constant *x = f->in[0];
    int64_t perm[HONE_ONNX_AXES], dims[HONE_ONNX_AXES];
    size_t steps[HONE_ONNX_AXES], index[HONE_ONNX_AXES] = {0}, at = 0;
    if (!hone__onnx_integer_list(f->im->node, "perm", perm, (size_t)x->rank))
        for (int i = 0; i < x->rank; i++) perm[i] = x->rank - 1 - i;
    bool seen[HONE_ONNX_AXES] = {false};
    for (int i = 0; i < x->rank; i++) {
        if (perm[i] < 0 || perm[i] >= x->rank || seen[perm[i]])
            return hone__onnx_refuse(f->im, HONE_FORMAT, "perm is no permutation");
        seen[perm[i]] = true;
        dims[i] = x->dims[perm[i]];
        steps[i] = 1;
        for (int k = (int)perm[i] + 1; k < x->rank; k++) steps[i] *= (size_t)x->dims[k];
    }
    HONE_TRY(begin(f, x->is_integer, x->rank, dims));
    for (size_t i = 0; i < f->out->count; i++) {
        copy(f->out, i, x, at);
        for (int axis = x->rank; axis-- > 0;) {
            at += steps[axis];
            if (++index[axis] < (size_t)dims[axis]) break;
            at -= steps[axis] * (size_t)dims[axis];
            index[axis] = 0;
        }
    }
    return HONE_OK;
}

static hone_status fold_constant_of_shape(const folding *f) {
    const Hone__Onnx__Attribute *value = hone__onnx_attribute(f->im->node, "value");
    hone__onnx_constant filling = {.count = 1};
    int64_t dims[HONE_ONNX_AXES] = {0};
    size_t count = 1;
    if (f->in[0]->count > HONE_ONNX_AXES) return hone__onnx_refuse(f->im, HONE_LIMIT, "has too many axes");
    for (size_t i = 0; i < f->in[0]->count; i++) {
        dims[i] = (int64_t)hone__onnx_constant_at(f->in[0], i);
        if (dims[i] < 0 || !hone__multiply(count, (size_t)dims[i], &count) || count > HONE_ONNX_FOLDED)
            return hone__onnx_refuse(f->im, HONE_UNSUPPORTED, "makes a constant of the size of a batch");
    }
    if (value && value->t) HONE_TRY(hone__onnx_constant_read(&filling, value->t, f->im->err));
    hone_status status = begin(f, filling.is_integer, (int)f->in[0]->count, dims);
    for (size_t i = 0; !status && i < f->out->count; i++)
        put(f->out, i,
            filling.count == 1 && (filling.reals || filling.integers) ? hone__onnx_constant_at(&filling, 0) : 0);
    hone__onnx_constant_release(&filling);
    return status;
}

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

static hone_status broadcast(const folding *f, int64_t *dims, int *rank) {
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

static hone_status fold_binary(const folding *f) {
    int64_t dims[HONE_ONNX_AXES] = {0};
    int rank;
    const char *op = f->im->node->op_type;
    if (f->count != 2) return hone__onnx_refuse(f->im, HONE_FORMAT, "has %zu inputs", f->count);
    HONE_TRY(broadcast(f, dims, &rank));
    bool is_integer = f->in[0]->is_integer && f->in[1]->is_integer;
    HONE_TRY(begin(f, is_integer || op[0] == 'E', rank, dims));
    for (size_t i = 0; i < f->out->count; i++)
        put(f->out, i,
            combine(op, is_integer, hone__onnx_constant_at(f->in[0], broadcast_at(f->in[0], rank, dims, i)),
                    hone__onnx_constant_at(f->in[1], broadcast_at(f->in[1], rank, dims, i))));
    return HONE_OK;
}

static hone_status fold_where(const folding *f) {
    int64_t dims[HONE_ONNX_AXES] = {0};
    int rank;
    if (f->count != 3) return hone__onnx_refuse(f->im, HONE_FORMAT, "has %zu inputs", f->count);
    HONE_TRY(broadcast(f, dims, &rank));
    HONE_TRY(begin(f, f->in[1]->is_integer, rank, dims));
    for (size_t i = 0; i < f->out->count; i++) {
        bool first = hone__onnx_constant_at(f->in[0], broadcast_at(f->in[0], rank, dims, i)) != 0;
        const hone__onnx_constant *from = f->in[first ? 1 : 2];
        copy(f->out, i, from, broadcast_at(from, rank, dims, i));
    }
    return HONE_OK;
}

/* Over the batch it repeats by itself, wherever it is used: one of each sample is what is kept. */
static hone_status fold_expand(const folding *f) {
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
    HONE_TRY(begin(f, x->is_integer, rank, dims));
    for (size_t i = 0; i < f->out->count; i++) copy(f->out, i, x, broadcast_at(x, rank, dims, i));
    return HONE_OK;
}

static hone_status fold_unary(const folding *f) {
    const char *op = f->im->node->op_type;
    HONE_TRY(begin(f, f->in[0]->is_integer, f->in[0]->rank, f->in[0]->dims));
    for (size_t i = 0; i < f->out->count; i++) {
        double x = hone__onnx_constant_at(f->in[0], i);
        put(f->out, i, op[0] == 'S' ? sqrt(x) : op[0] == 'N' ? -x : op[0] == 'F' ? floor(x) : ceil(x));
    }
    return HONE_OK;
}

/* Of any value: sizes are known even where elements are not. */
static hone_status fold_shape(hone__onnx_import *im, const hone__onnx_value *x, hone__onnx_constant *out) {
    bool is_constant = x->kind == ONNX_CONSTANT;
    int rank = is_constant ? x->constant.rank : x->layout.rank;
    const int64_t *dims = is_constant ? x->constant.dims : x->layout.dims;
    int64_t from = hone__onnx_integer(im->node, "start", 0), to = hone__onnx_integer(im->node, "end", rank);
    from = from < 0 ? from + rank : from;
    to = to < 0 ? to + rank : to;
    from = from < 0 ? 0 : from > rank ? rank : from;
    to = to < from ? from : to > rank ? rank : to;
    const int64_t length = to - from;
    const folding f = {.im = im, .out = out};
    HONE_TRY(begin(&f, true, 1, &length));
    for (int64_t i = from; i < to; i++) out->integers[i - from] = dims[i];
    return HONE_OK;
}

static const struct {
    const char *op_type;
    hone_status (*function)(const folding *f);
} table[] = {
    {"Identity", fold_same},
    {"Cast", fold_cast},
    {"Gather", fold_gather},
    {"Slice", fold_slice},
    {"Concat", fold_concat},
    {"Reshape", fold_reshape},
    {"Squeeze", fold_squeeze},
    {"Unsqueeze", fold_unsqueeze},
    {"Transpose", fold_transpose},
    {"Add", fold_binary},
    {"Sub", fold_binary},
    {"Mul", fold_binary},
    {"Div", fold_binary},
    {"Pow", fold_binary},
    {"Equal", fold_binary},
    {"Min", fold_binary},
    {"Max", fold_binary},
    {"Mod", fold_binary},
    {"Where", fold_where},
    {"Expand", fold_expand},
    {"Sqrt", fold_unary},
    {"Neg", fold_unary},
    {"Floor", fold_unary},
    {"Ceil", fold_unary},
    {"ConstantOfShape", fold_constant_of_shape},
};

hone_status hone__onnx_fold(hone__onnx_import *im, bool *done) {
    const hone__onnx_node_message *node = im->node;
    hone__onnx_constant made = {0};
    folding f = {.im = im, .count = node->n_input, .out = &made};
    *done = false;
    hone_status status = HONE_OK;
    if (strcmp(node->op_type, "Shape") == 0 && hone__onnx_in(im, 0)) {
        *done = true;
        status = fold_shape(im, hone__onnx_in(im, 0), &made);
    } else {
        if (node->n_input < 1 || node->n_input > HONE_ONNX_INPUTS) return HONE_OK;
        for (size_t i = 0; i < node->n_input; i++) {
            hone__onnx_value *value = hone__onnx_in(im, i);
            if (value && value->kind != ONNX_CONSTANT) return HONE_OK;
            f.in[i] = value ? &value->constant : NULL;
        }
        bool whole = strcmp(node->op_type, "Slice") == 0; /* or else nothing may be left out */
        for (size_t i = 1; i < node->n_input && !whole; i++)
            if (!f.in[i]) return HONE_OK;
        for (size_t i = 0; f.in[0] && i < sizeof table / sizeof table[0] && !*done; i++) {
            if (strcmp(node->op_type, table[i].op_type) != 0) continue;
            *done = true;
            status = table[i].function(&f);
        }
    }
    if (!*done) return HONE_OK;
    if (status) {
        hone__onnx_constant_release(&made);
        return status;
    }
    hone__onnx_value *out = hone__onnx_out(im);
    out->kind = ONNX_CONSTANT;
    out->constant = made;
    return HONE_OK;
}
