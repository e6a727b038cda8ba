/* SPDX-License-Identifier: Apache-2.0
 *
 * From ONNX: what gives elements other places. Most of it is bookkeeping (import_layout.c) and makes no layer. */
#include "onnx_import.h"

#include <math.h>
#include <string.h>

/* ---- looks ------------------------------------------------------------------------------------------------------- */

hone_status hone__onnx_look(hone__onnx_import *im, hone__onnx_value *x, hone__onnx_value *out) {
    if (hone__onnx_is_scaled_dense(im, x)) return hone__onnx_scale_dense(im, &im->values[x->base], x->a, out);
    if (x->kind == ONNX_NOTE) HONE_TRY(hone__onnx_realise(im, x));
    if (x->kind == ONNX_CONSTANT)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "'%.64s' is constant, its shape is not", x->name);
    if (x->kind == ONNX_SCORES) HONE_TRY(hone__onnx_realise(im, x));
    if (x->layer) {
        out->layer = hone__strdup(x->layer);
        if (!out->layer) return hone__fail_memory(im->err, strlen(x->layer), "the name of a layer");
    }
    out->kind = x->kind;
    out->layout = x->layout;
    out->shape = x->shape;
    out->not_negative = x->not_negative;
    out->is_input = x->is_input;
    out->weighted = x->weighted;
    out->attention = x->attention;
    return HONE_OK;
}

static hone_status nothing(hone__onnx_import *im) {
    return hone__onnx_look(im, hone__onnx_in(im, 0), hone__onnx_out(im));
}

hone_status hone__onnx_axis_of(const hone__onnx_import *im, int64_t stated, int rank, int *axis) {
    int64_t out = stated < 0 ? stated + rank : stated;
    if (out < 0 || out >= rank) return hone__onnx_refuse(im, HONE_FORMAT, "axis %lld of %d", (long long)stated, rank);
    *axis = (int)out;
    return HONE_OK;
}

hone_status hone__onnx_reshape_to(hone__onnx_import *im, hone__onnx_value *out, const int64_t *dims, int rank) {
    if (hone__onnx_layout_reshape(&out->layout, dims, rank)) return HONE_OK;
    if (out->layout.batch != 0 || rank < 1 || dims[0] % im->batch != 0)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "mixes samples of a batch");
    HONE_TRY(hone__onnx_arrange_plain(im, out));
    /* in the order of ONNX, with the batch outermost: the first axis is the batch and what is left of it */
    int64_t apart[HONE_ONNX_AXES + 1] = {im->batch, dims[0] / im->batch};
    for (int i = 1; i < rank; i++) apart[i + 1] = dims[i];
    if (rank == HONE_ONNX_AXES) return hone__onnx_refuse(im, HONE_LIMIT, "has too many axes");
    HONE_TRY(hone__onnx_layout_init(im, &out->layout, apart, rank + 1, 0, NULL));
    return hone__onnx_layout_reshape(&out->layout, dims, rank)
               ? HONE_OK
               : hone__onnx_refuse(im, HONE_UNSUPPORTED, "mixes samples of a batch");
}

static int64_t size_of(const hone__onnx_layout *layout) {
    int64_t size = 1; /* at most a batch of HONE_MAX_ELEMENTS each */
    for (int i = 0; i < layout->rank; i++) size *= layout->dims[i];
    return size;
}

static hone_status reshape(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    int64_t dims[HONE_ONNX_AXES], total = size_of(&x->layout), known = 1;
    size_t count;
    int open = -1;
    HONE_TRY(hone__onnx_axes(im, "shape", 1, dims, &count));
    for (size_t i = 0; i < count; i++) {
        if (dims[i] == 0 && i < (size_t)x->layout.rank) dims[i] = x->layout.dims[i];
        if (dims[i] == -1 && open < 0) {
            open = (int)i;
            continue;
        }
        if (dims[i] < 1 || dims[i] > total || known > total / dims[i])
            return hone__onnx_refuse(im, HONE_SHAPE, "asks for %lld elements along axis %zu", (long long)dims[i], i);
        known *= dims[i];
    }
    if (open >= 0) dims[open] = total / known;
    if (count == 0 || (open >= 0 ? dims[open] * known : known) != total)
        return hone__onnx_refuse(im, HONE_SHAPE, "the elements do not fit into its shape");
    HONE_TRY(hone__onnx_look(im, x, out));
    return hone__onnx_reshape_to(im, out, dims, (int)count);
}

static hone_status flatten(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    int64_t stated = hone__onnx_integer(im->node, "axis", 1), dims[2] = {1, 1};
    int axis = x->layout.rank;
    if (stated != axis) HONE_TRY(hone__onnx_axis_of(im, stated, x->layout.rank, &axis));
    for (int i = 0; i < x->layout.rank; i++) dims[i >= axis] *= x->layout.dims[i];
    HONE_TRY(hone__onnx_look(im, x, out));
    return hone__onnx_reshape_to(im, out, dims, 2);
}

static hone_status squeeze(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    int64_t axes[HONE_ONNX_AXES], dims[HONE_ONNX_AXES];
    size_t count;
    bool gone[HONE_ONNX_AXES] = {false};
    int rank = 0;
    HONE_TRY(hone__onnx_axes(im, "axes", 1, axes, &count));
    for (size_t i = 0; i < count; i++) {
        int axis;
        HONE_TRY(hone__onnx_axis_of(im, axes[i], x->layout.rank, &axis));
        if (x->layout.dims[axis] != 1)
            return hone__onnx_refuse(im, HONE_SHAPE, "axis %d has %lld elements", axis,
                                     (long long)x->layout.dims[axis]);
        gone[axis] = true;
    }
    for (int i = 0; i < x->layout.rank; i++)
        if (!gone[i] && !(count == 0 && x->layout.dims[i] == 1)) dims[rank++] = x->layout.dims[i];
    HONE_TRY(hone__onnx_look(im, x, out));
    return hone__onnx_reshape_to(im, out, dims, rank);
}

static hone_status unsqueeze(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    int64_t axes[HONE_ONNX_AXES], dims[HONE_ONNX_AXES];
    size_t count;
    bool added[HONE_ONNX_AXES] = {false};
    HONE_TRY(hone__onnx_axes(im, "axes", 1, axes, &count));
    int rank = x->layout.rank + (int)count;
    if (rank > HONE_ONNX_AXES) return hone__onnx_refuse(im, HONE_LIMIT, "has too many axes");
    for (size_t i = 0; i < count; i++) {
        int axis;
        HONE_TRY(hone__onnx_axis_of(im, axes[i], rank, &axis));
        added[axis] = true;
    }
    for (int i = 0, from = 0; i < rank; i++) dims[i] = added[i] || from >= x->layout.rank ? 1 : x->layout.dims[from++];
    HONE_TRY(hone__onnx_look(im, x, out));
    return hone__onnx_reshape_to(im, out, dims, rank);
}

static hone_status transpose(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    int64_t perm[HONE_ONNX_AXES];
    int rank = x->layout.rank;
    bool seen[HONE_ONNX_AXES] = {false};
    if (!hone__onnx_integer_list(im->node, "perm", perm, (size_t)rank)) {
        if (hone__onnx_attribute(im->node, "perm")) return hone__onnx_refuse(im, HONE_FORMAT, "perm is no permutation");
        for (int i = 0; i < rank; i++) perm[i] = rank - 1 - i;
    }
    for (int i = 0; i < rank; i++) {
        if (perm[i] < 0 || perm[i] >= rank || seen[perm[i]])
            return hone__onnx_refuse(im, HONE_FORMAT, "perm is no permutation");
        seen[perm[i]] = true;
    }
    HONE_TRY(hone__onnx_look(im, x, out));
    hone__onnx_layout_transpose(&out->layout, perm);
    return HONE_OK;
}

/* To floats all is float32 already; whole numbers behind a layer are an embedding's. */
static hone_status cast(hone__onnx_import *im) {
    int64_t to = hone__onnx_integer(im->node, "to", 1);
    bool is_float = to == 1 || to == 10 || to == 11;
    if (is_float || hone__onnx_in(im, 0)->is_input) return nothing(im);
    return hone__onnx_note_about(im, hone__onnx_in(im, 0), NOTE_INTEGER, 0, 0, hone__onnx_out(im));
}

static hone_status dropout(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *ratio = hone__onnx_in(im, 1);
    double rate = hone__onnx_real(im->node, "ratio", 0.5);
    if (ratio && ratio->kind == ONNX_CONSTANT && ratio->constant.count == 1)
        rate = hone__onnx_constant_at(&ratio->constant, 0);
    if (!(rate > 0 && rate < 1)) return nothing(im);
    HONE_TRY(hone__onnx_realise(im, x));
    hone_value *config = hone_value_object();
    hone_value_set_real(config, "rate", rate);
    HONE_TRY(hone__onnx_map(im, "Dropout", config, x, hone__onnx_out(im)));
    hone__onnx_out(im)->not_negative = x->not_negative;
    return HONE_OK;
}

/* ---- repeated ---------------------------------------------------------------------------------------------------- */

/* The element of an axis, n times: seen as the column of a picture, that is made larger. */
static hone_status repeat(hone__onnx_import *im, hone__onnx_value *value, int axis, int64_t n) {
    hone__onnx_layout *layout = &value->layout;
    const bool not_negative = value->not_negative;
    if (layout->axes[layout->batch] == axis) return hone__onnx_refuse(im, HONE_UNSUPPORTED, "repeats samples");
    if (n > HONE_MAX_WINDOW || layout->count == HONE_ONNX_ATOMS)
        return hone__onnx_refuse(im, HONE_LIMIT, "repeats elements %lld times", (long long)n);
    HONE_TRY(hone__onnx_arrange_around(im, value, axis));
    hone_shape shape = value->shape;
    shape.dims[1] = n;
    HONE_TRY(hone__check_elements(&shape, im->err));
    hone_value *config = hone_value_object();
    hone_value_set(config, "size", hone_value_integers((const int64_t[]){1, n}, 2));
    HONE_TRY(hone__onnx_map(im, "UpSampling2D", config, value, value));
    value->shape = shape;
    value->not_negative = not_negative;
    hone__onnx_layout_unite(layout, axis, n);
    return HONE_OK;
}

/* Constants are expanded where they are used. */
static hone_status expand(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    int64_t dims[HONE_ONNX_AXES];
    size_t count;
    HONE_TRY(hone__onnx_axes(im, "shape", 1, dims, &count));
    if (count > (size_t)x->layout.rank) return hone__onnx_refuse(im, HONE_UNSUPPORTED, "adds axes");
    HONE_TRY(hone__onnx_look(im, x, out));
    for (size_t i = 0; i < count; i++) {
        int axis = x->layout.rank - (int)(count - i);
        if (dims[i] == 1 || dims[i] == x->layout.dims[axis]) continue;
        if (dims[i] < 1 || x->layout.dims[axis] != 1)
            return hone__onnx_refuse(im, HONE_SHAPE, "%lld elements become %lld", (long long)x->layout.dims[axis],
                                     (long long)dims[i]);
        HONE_TRY(hone__onnx_realise(im, out));
        HONE_TRY(repeat(im, out, axis, dims[i]));
    }
    return HONE_OK;
}

const hone__onnx_operators hone__onnx_shape_operators[] = {
    {"Identity", nothing}, {"Cast", cast},       {"Dropout", dropout},     {"Reshape", reshape},
    {"Flatten", flatten},  {"Squeeze", squeeze}, {"Unsqueeze", unsqueeze}, {"Transpose", transpose},
    {"Expand", expand},    {NULL, NULL},
};
