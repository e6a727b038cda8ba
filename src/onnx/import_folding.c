/* SPDX-License-Identifier: Apache-2.0
 *
 * What can be computed without a picture: nodes whose inputs are all constant. Exporters compute shapes at run time,
 * step by step; here they are plain numbers by the time somebody needs them. */
#include "import_folding.h"
#include "onnx_writer.h"

#include <math.h>
#include <string.h>

hone_status hone__onnx_folding_begin(const hone__onnx_folding *f, bool is_integer, int rank, const int64_t *dims) {
    hone__onnx_constant made = {.is_integer = is_integer, .rank = rank, .count = 1};
    for (int i = 0; i < rank; i++) {
        made.dims[i] = dims[i];
        if (dims[i] < 0 || !hone__multiply(made.count, (size_t)dims[i], &made.count) ||
            made.count > HONE_ONNX_FOLDED - f->im->folded)
            return hone__onnx_refuse(f->im, HONE_LIMIT, "its result has too many elements");
    }
    f->im->folded += made.count;
    HONE_TRY(hone__onnx_constant_allocate(&made, f->im->err));
    *f->out = made;
    return HONE_OK;
}

void hone__onnx_folding_put(hone__onnx_constant *c, size_t i, double value) {
    if (!c->is_integer)
        c->reals[i] = (float)value;
    else if (value > -9e15 && value < 9e15)
        c->integers[i] = (int64_t)value;
    else
        c->integers[i] = value > 0 ? INT64_MAX : INT64_MIN;
}

void hone__onnx_folding_copy(hone__onnx_constant *to, size_t i, const hone__onnx_constant *from, size_t k) {
    if (to->is_integer && from->is_integer)
        to->integers[i] = from->integers[k];
    else
        hone__onnx_folding_put(to, i, hone__onnx_constant_at(from, k));
}

/* The same numbers under other dims. */
static hone_status relabel(const hone__onnx_folding *f, int rank, const int64_t *dims) {
    HONE_TRY(hone__onnx_folding_begin(f, f->in[0]->is_integer, rank, dims));
    if (f->out->count != f->in[0]->count)
        return hone__onnx_refuse(f->im, HONE_FORMAT, "%zu elements become %zu", f->in[0]->count, f->out->count);
    for (size_t i = 0; i < f->out->count; i++) hone__onnx_folding_copy(f->out, i, f->in[0], i);
    return HONE_OK;
}

static hone_status fold_same(const hone__onnx_folding *f) {
    return relabel(f, f->in[0]->rank, f->in[0]->dims);
}

static hone_status fold_cast(const hone__onnx_folding *f) {
    bool is_integer;
    if (hone__onnx_element_size((int)hone__onnx_integer(f->im->node, "to", ONNX_FLOAT), &is_integer) == 0)
        return hone__onnx_refuse(f->im, HONE_UNSUPPORTED, "casts to ONNX type %d, which hone does not compute with",
                                 (int)hone__onnx_integer(f->im->node, "to", ONNX_FLOAT));
    HONE_TRY(hone__onnx_folding_begin(f, is_integer, f->in[0]->rank, f->in[0]->dims));
    bool is_truth = hone__onnx_integer(f->im->node, "to", ONNX_FLOAT) == ONNX_BOOL;
    for (size_t i = 0; i < f->out->count; i++) {
        hone__onnx_folding_copy(f->out, i, f->in[0], i);
        if (is_truth) f->out->integers[i] = hone__onnx_constant_at(f->in[0], i) != 0;
    }
    return HONE_OK;
}

/* An index that may count from the end, brought into 0 … n - 1. */
static hone_status index_of(const hone__onnx_folding *f, double value, int64_t n, int64_t *out) {
    if (!(value >= (double)-n && value < (double)n))
        return hone__onnx_refuse(f->im, HONE_FORMAT, "index %g of %lld", value, (long long)n);
    *out = (int64_t)value < 0 ? (int64_t)value + n : (int64_t)value;
    return HONE_OK;
}

static hone_status axis_of(const hone__onnx_folding *f, int64_t value, int rank, int *axis) {
    int64_t out;
    HONE_TRY(index_of(f, (double)value, rank, &out));
    *axis = (int)out;
    return HONE_OK;
}

static hone_status fold_gather(const hone__onnx_folding *f) {
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
    HONE_TRY(hone__onnx_folding_begin(f, x->is_integer, rank, dims));
    size_t at = 0, n = (size_t)x->dims[axis];
    for (size_t o = 0; o < outer; o++) {
        for (size_t i = 0; i < indices->count; i++) {
            int64_t index;
            HONE_TRY(index_of(f, hone__onnx_constant_at(indices, i), x->dims[axis], &index));
            for (size_t k = 0; k < inner; k++)
                hone__onnx_folding_copy(f->out, at++, x, (o * n + (size_t)index) * inner + k);
        }
    }
    return HONE_OK;
}

/* The elements that lie step[axis] apart along each axis, from the first one on: dims[axis] of them. */
static hone_status walk(const hone__onnx_folding *f, int rank, const int64_t *dims, size_t first,
                        const int64_t *steps) {
    int64_t index[HONE_ONNX_AXES] = {0};
    int64_t at = (int64_t)first;
    HONE_TRY(hone__onnx_folding_begin(f, f->in[0]->is_integer, rank, dims));
    for (size_t i = 0; i < f->out->count; i++) {
        hone__onnx_folding_copy(f->out, i, f->in[0], (size_t)at);
        for (int axis = rank; axis-- > 0;) {
            at += steps[axis];
            if (++index[axis] < dims[axis]) break;
            at -= steps[axis] * dims[axis];
            index[axis] = 0;
        }
    }
    return HONE_OK;
}

/* How far apart neighbours along each axis lie. */
static void strides_of(const hone__onnx_constant *x, int64_t *strides) {
    int64_t stride = 1;
    for (int i = x->rank; i-- > 0; stride *= x->dims[i]) strides[i] = stride;
}

static hone_status fold_slice(const hone__onnx_folding *f) {
    const hone__onnx_constant *x = f->in[0];
    hone__onnx_slice slices[HONE_ONNX_AXES];
    int64_t dims[HONE_ONNX_AXES], strides[HONE_ONNX_AXES], first = 0;
    HONE_TRY(hone__onnx_read_slices(f->im, x->rank, x->dims, slices));
    strides_of(x, strides);
    for (int i = 0; i < x->rank; i++) {
        dims[i] = slices[i].count;
        first += slices[i].from * strides[i];
        strides[i] *= slices[i].step;
    }
    return walk(f, x->rank, dims, (size_t)first, strides);
}

static hone_status fold_concat(const hone__onnx_folding *f) {
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
    HONE_TRY(hone__onnx_folding_begin(f, f->in[0]->is_integer, f->in[0]->rank, dims));
    for (size_t o = 0; o < outer; o++) {
        for (size_t i = 0; i < f->count; i++) {
            size_t width = (size_t)f->in[i]->dims[axis] * inner;
            for (size_t k = 0; k < width; k++) hone__onnx_folding_copy(f->out, at++, f->in[i], o * width + k);
        }
    }
    return HONE_OK;
}

static hone_status fold_reshape(const hone__onnx_folding *f) {
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
    bool repeats = shape->count > 0 && dims[0] == HONE_ONNX_OPEN_BATCH; /* of which one sample is kept */
    if (repeats && open < 0 && (int64_t)f->in[0]->count * dims[0] == known) dims[0] = 1;
    if (repeats && open > 0 && (int64_t)f->in[0]->count < known) {
        known /= dims[0];
        dims[0] = 1;
    }
    if (open >= 0) dims[open] = (int64_t)f->in[0]->count / known;
    return relabel(f, (int)shape->count, dims);
}

static hone_status fold_flatten(const hone__onnx_folding *f) {
    const hone__onnx_constant *x = f->in[0];
    int64_t dims[2] = {1, 1}, stated = hone__onnx_integer(f->im->node, "axis", 1);
    int axis = x->rank;
    if (stated != x->rank) HONE_TRY(axis_of(f, stated, x->rank, &axis));
    for (int i = 0; i < x->rank; i++) dims[i >= axis] *= x->dims[i];
    return relabel(f, 2, dims);
}

static hone_status fold_unsqueeze(const hone__onnx_folding *f) {
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

static hone_status fold_squeeze(const hone__onnx_folding *f) {
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

static hone_status fold_transpose(const hone__onnx_folding *f) {
    const hone__onnx_constant *x = f->in[0];
    int64_t perm[HONE_ONNX_AXES], dims[HONE_ONNX_AXES], strides[HONE_ONNX_AXES], steps[HONE_ONNX_AXES];
    if (!hone__onnx_integer_list(f->im->node, "perm", perm, (size_t)x->rank))
        for (int i = 0; i < x->rank; i++) perm[i] = x->rank - 1 - i;
    bool seen[HONE_ONNX_AXES] = {false};
    strides_of(x, strides);
    for (int i = 0; i < x->rank; i++) {
        if (perm[i] < 0 || perm[i] >= x->rank || seen[perm[i]])
            return hone__onnx_refuse(f->im, HONE_FORMAT, "perm is no permutation");
        seen[perm[i]] = true;
        dims[i] = x->dims[perm[i]];
        steps[i] = strides[perm[i]];
    }
    return walk(f, x->rank, dims, 0, steps);
}

static hone_status fold_constant_of_shape(const hone__onnx_folding *f) {
    const Hone__Onnx__Attribute *value = hone__onnx_attribute(f->im->node, "value");
    hone__onnx_constant filling = {.count = 1};
    int64_t dims[HONE_ONNX_AXES] = {0};
    size_t count = 1;
    if (f->in[0]->count > HONE_ONNX_AXES) return hone__onnx_refuse(f->im, HONE_LIMIT, "has too many axes");
    for (size_t i = 0; i < f->in[0]->count; i++) {
        dims[i] = (int64_t)hone__onnx_constant_at(f->in[0], i);
        bool is_batch = i == 0 && f->in[0]->count > 1 && dims[0] == HONE_ONNX_OPEN_BATCH;
        if (is_batch) dims[0] = 1; /* one of each sample is kept, as by Expand */
        if (dims[i] < 0 || !hone__multiply(count, (size_t)dims[i], &count) || count > HONE_ONNX_FOLDED)
            return hone__onnx_refuse(f->im, HONE_UNSUPPORTED, "makes a constant of the size of a batch");
    }
    if (value && value->t) HONE_TRY(hone__onnx_constant_read(&filling, value->t, NULL, f->im->err));
    hone_status status = hone__onnx_folding_begin(f, filling.is_integer, (int)f->in[0]->count, dims);
    for (size_t i = 0; !status && i < f->out->count; i++)
        hone__onnx_folding_put(
            f->out, i,
            filling.count == 1 && (filling.reals || filling.integers) ? hone__onnx_constant_at(&filling, 0) : 0);
    hone__onnx_constant_release(&filling);
    return status;
}

/* A table of positions that has the size which is asked for. */
static hone_status fold_resize(const hone__onnx_folding *f) {
    const hone__onnx_constant *x = f->in[0];
    bool same = f->count > 1, stated = false;
    for (size_t i = 1; i < f->count; i++) {
        if (!f->in[i] || f->in[i]->count != (size_t)x->rank) continue;
        stated = true;
        for (int axis = 0; axis < x->rank; axis++) {
            double number = hone__onnx_constant_at(f->in[i], (size_t)axis);
            same = same && (f->in[i]->is_integer ? number == (double)x->dims[axis] : number == 1);
        }
    }
    if (!same || !stated)
        return hone__onnx_refuse(f->im, HONE_UNSUPPORTED,
                                 "gives a constant another size; export the model for pictures of the size that it was "
                                 "trained with");
    return fold_same(f);
}

static hone_status fold_clip(const hone__onnx_folding *f) {
    double bounds[2] = {hone__onnx_real(f->im->node, "min", -INFINITY), hone__onnx_real(f->im->node, "max", INFINITY)};
    for (size_t i = 1; i < f->count && i < 3; i++)
        if (f->in[i] && f->in[i]->count == 1) bounds[i - 1] = hone__onnx_constant_at(f->in[i], 0);
    HONE_TRY(hone__onnx_folding_begin(f, f->in[0]->is_integer, f->in[0]->rank, f->in[0]->dims));
    for (size_t i = 0; i < f->out->count; i++)
        hone__onnx_folding_put(f->out, i, fmin(fmax(hone__onnx_constant_at(f->in[0], i), bounds[0]), bounds[1]));
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
    const hone__onnx_folding f = {.im = im, .out = out};
    HONE_TRY(hone__onnx_folding_begin(&f, true, 1, &length));
    for (int64_t i = from; i < to; i++) out->integers[i - from] = dims[i];
    return HONE_OK;
}

static const struct {
    const char *op_type;
    hone_status (*function)(const hone__onnx_folding *f);
} table[] = {
    {"Identity", fold_same},
    {"Cast", fold_cast},
    {"Gather", fold_gather},
    {"Slice", fold_slice},
    {"Concat", fold_concat},
    {"Reshape", fold_reshape},
    {"Flatten", fold_flatten},
    {"Squeeze", fold_squeeze},
    {"Unsqueeze", fold_unsqueeze},
    {"Transpose", fold_transpose},
    {"Add", hone__onnx_fold_binary},
    {"Sub", hone__onnx_fold_binary},
    {"Mul", hone__onnx_fold_binary},
    {"Div", hone__onnx_fold_binary},
    {"Pow", hone__onnx_fold_binary},
    {"Equal", hone__onnx_fold_binary},
    {"Min", hone__onnx_fold_binary},
    {"Greater", hone__onnx_fold_binary},
    {"GreaterOrEqual", hone__onnx_fold_binary},
    {"Less", hone__onnx_fold_binary},
    {"LessOrEqual", hone__onnx_fold_binary},
    {"And", hone__onnx_fold_binary},
    {"Or", hone__onnx_fold_binary},
    {"Max", hone__onnx_fold_binary},
    {"Mod", hone__onnx_fold_binary},
    {"Where", hone__onnx_fold_where},
    {"Expand", hone__onnx_fold_expand},
    {"Sqrt", hone__onnx_fold_unary},
    {"Neg", hone__onnx_fold_unary},
    {"Floor", hone__onnx_fold_unary},
    {"Ceil", hone__onnx_fold_unary},
    {"Round", hone__onnx_fold_unary},
    {"Abs", hone__onnx_fold_unary},
    {"Exp", hone__onnx_fold_unary},
    {"Log", hone__onnx_fold_unary},
    {"Reciprocal", hone__onnx_fold_unary},
    {"Sigmoid", hone__onnx_fold_unary},
    {"Not", hone__onnx_fold_unary},
    {"Sin", hone__onnx_fold_unary},
    {"Cos", hone__onnx_fold_unary},
    {"Tanh", hone__onnx_fold_unary},
    {"Relu", hone__onnx_fold_unary},
    {"Sign", hone__onnx_fold_unary},
    {"ScatterND", hone__onnx_fold_scatter},
    {"GatherND", hone__onnx_fold_gather_nd},
    {"CumSum", hone__onnx_fold_cumulate},
    {"MatMul", hone__onnx_fold_matmul},
    {"Tile", hone__onnx_fold_tile},
    {"Resize", fold_resize},
    {"Clip", fold_clip},
    {"ReduceSum", hone__onnx_fold_reduce},
    {"ReduceProd", hone__onnx_fold_reduce},
    {"ReduceMax", hone__onnx_fold_reduce},
    {"ReduceMin", hone__onnx_fold_reduce},
    {"ReduceMean", hone__onnx_fold_reduce},
    {"Range", hone__onnx_fold_range},
    {"ConstantOfShape", fold_constant_of_shape},
    {"QuantizeLinear", hone__onnx_fold_quantize},
    {"DequantizeLinear", hone__onnx_fold_dequantize},
};

/* Do elements come out that are no parameters by themselves: filled in, or one of a table several times? */
static bool mixes(const hone__onnx_folding *f, const char *op_type) {
    static const char *const fills[] = {"ConstantOfShape", "Range", "ScatterND", "ScatterElements", "Trilu", "Where"};
    static const char *const repeats[] = {"Expand", "Gather", "GatherElements", "GatherND", "Tile"};
    for (size_t i = 0; i < f->count; i++)
        if (f->in[i] && f->in[i]->is_mixed && !f->in[i]->is_integer) return true;
    for (size_t i = 0; i < sizeof fills / sizeof *fills; i++)
        if (strcmp(op_type, fills[i]) == 0) return true;
    for (size_t i = 0; i < sizeof repeats / sizeof *repeats; i++)
        if (strcmp(op_type, repeats[i]) == 0) return f->in[0] && f->out->count > f->in[0]->count;
    return false;
}

hone_status hone__onnx_fold(hone__onnx_import *im, bool *done) {
    const hone__onnx_node_message *node = im->node;
    hone__onnx_constant made = {0};
    hone__onnx_folding f = {.im = im, .count = node->n_input, .out = &made};
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
        bool whole = strcmp(node->op_type, "Slice") == 0 || strcmp(node->op_type, "Clip") == 0 ||
                     strcmp(node->op_type, "Resize") == 0; /* or else nothing may be left out */
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
    made.is_mixed = mixes(&f, node->op_type);
    hone__onnx_value *out = hone__onnx_out(im);
    out->kind = ONNX_CONSTANT;
    out->constant = made;
    return HONE_OK;
}
