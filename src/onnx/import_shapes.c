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
    if (x->kind == ONNX_SCORES)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "reads '%.64s', the inside of an attention", x->name);
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
    if (!hone__onnx_layout_leads(&out->layout) || rank < 1 || dims[0] != im->batch)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "mixes samples of a batch");
    HONE_TRY(hone__onnx_arrange_plain(im, out));
    return hone__onnx_layout_init(im, &out->layout, dims, rank, 0, NULL);
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

/* ---- over axes --------------------------------------------------------------------------------------------------- */

hone_status hone__onnx_reduce(hone__onnx_import *im, hone__onnx_value *x, const bool *gone, bool keeps, bool is_max,
                              hone__onnx_value *out) {
    const hone__onnx_layout from = x->layout;
    int order[HONE_ONNX_ATOMS], atoms = 0, rank = 0;
    int64_t dims[HONE_ONNX_AXES];
    hone_shape seen = {2, {1, 1}};
    if (!hone__onnx_layout_leads(&from) || gone[0])
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "mixes samples of a batch");
    bool is_image = from.rank == 4 && gone[2] && gone[3] && !gone[1];
    for (int pass = 0; pass < 2; pass++) {
        for (int axis = 1; axis < from.rank; axis++) {
            int first, own = hone__onnx_layout_atoms(&from, axis, &first);
            if (gone[axis] != (pass == 0)) continue;
            seen.dims[pass] *= from.dims[axis];
            for (int i = 0; i < own; i++) order[atoms++] = first + i;
        }
    }
    if (is_image)
        HONE_TRY(hone__onnx_arrange_image(im, x));
    else
        HONE_TRY(hone__onnx_arrange(im, x, order, atoms, &seen));
    const char *class_name = is_image ? (is_max ? "GlobalMaxPooling2D" : "GlobalAveragePooling2D")
                                      : (is_max ? "GlobalMaxPooling1D" : "GlobalAveragePooling1D");
    HONE_TRY(hone__onnx_map(im, class_name, NULL, x, out));
    out->shape = (hone_shape){1, {seen.dims[1]}};
    for (int axis = 0; axis < from.rank; axis++) {
        if (!gone[axis] || keeps) dims[rank++] = gone[axis] ? 1 : from.dims[axis];
    }
    return hone__onnx_layout_init(im, &out->layout, dims, rank, 0, NULL);
}

/* A mean over the last axis may be the beginning of a layer normalisation. */
static hone_status reduce(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    int64_t axes[HONE_ONNX_AXES];
    size_t count;
    bool gone[HONE_ONNX_AXES] = {false}, keeps = hone__onnx_integer(im->node, "keepdims", 1) != 0;
    bool is_mean = strcmp(im->node->op_type, "ReduceMean") == 0;
    HONE_TRY(hone__onnx_axes(im, "axes", 1, axes, &count));
    for (size_t i = 0; i < count; i++) {
        int axis;
        HONE_TRY(hone__onnx_axis_of(im, axes[i], x->layout.rank, &axis));
        gone[axis] = true;
    }
    if (is_mean && keeps && count == 1 && gone[x->layout.rank - 1]) {
        bool squared = x->kind == ONNX_NOTE && x->note == NOTE_SQUARED;
        out->kind = ONNX_NOTE;
        out->note = squared ? NOTE_VARIANCE : NOTE_MEAN;
        out->base = squared ? x->base : (size_t)(x - im->values);
        out->layout = x->layout;
        out->layout.dims[out->layout.rank - 1] = 1;
        return HONE_OK;
    }
    HONE_TRY(hone__onnx_realise(im, x));
    return hone__onnx_reduce(im, x, gone, keeps, !is_mean, out);
}

/* Of a tensor it must change nothing; constants are expanded where they are used. */
static hone_status expand(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0);
    int64_t dims[HONE_ONNX_AXES];
    size_t count;
    HONE_TRY(hone__onnx_axes(im, "shape", 1, dims, &count));
    bool same = count <= (size_t)x->layout.rank;
    for (size_t i = 0; i < count && same; i++)
        same = dims[i] == 1 || dims[i] == x->layout.dims[(size_t)x->layout.rank - count + i];
    if (!same) return hone__onnx_refuse(im, HONE_UNSUPPORTED, "repeats elements");
    return nothing(im);
}

const hone__onnx_operators hone__onnx_shape_operators[] = {
    {"Identity", nothing},  {"Cast", cast},        {"Dropout", dropout},     {"Reshape", reshape},
    {"Flatten", flatten},   {"Squeeze", squeeze},  {"Unsqueeze", unsqueeze}, {"Transpose", transpose},
    {"ReduceMean", reduce}, {"ReduceMax", reduce}, {"Expand", expand},       {NULL, NULL},
};
