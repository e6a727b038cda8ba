/* SPDX-License-Identifier: Apache-2.0
 *
 * From ONNX: means, sums, extrema and lengths over axes. Keras has layers for means and maxima over the first axes of
 * what is left as vectors; the rest follows from those. */
#include "onnx_import.h"

#include <string.h>

/* Axes that go, first in memory, then the others: in the order of ONNX where it says them all, else as they lie. */
static hone_status put_first(hone__onnx_import *im, hone__onnx_value *x, const bool *gone) {
    const hone__onnx_layout *layout = &x->layout;
    const bool plain = hone__onnx_layout_leads(layout);
    int order[HONE_ONNX_ATOMS], atoms = 0;
    hone_shape seen = {2, {1, 1}};
    for (int pass = 0; pass < 2; pass++) {
        for (int k = 0; k < layout->count; k++) {
            int atom = plain ? k : layout->stored[k];
            if (atom == layout->batch || gone[layout->axes[atom]] != (pass == 0)) continue;
            seen.dims[pass] *= layout->sizes[atom];
            order[atoms++] = atom;
        }
    }
    return hone__onnx_arrange(im, x, order, atoms, &seen);
}

hone_status hone__onnx_reduce(hone__onnx_import *im, hone__onnx_value *x, const bool *gone, bool keeps, bool is_max,
                              hone__onnx_value *out) {
    HONE_TRY(hone__onnx_realise(im, x));
    const int rank = x->layout.rank;
    if (gone[x->layout.axes[x->layout.batch]])
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "mixes samples of a batch");
    bool is_image = rank == 4 && hone__onnx_layout_leads(&x->layout) && gone[2] && gone[3] && !gone[1];
    HONE_TRY(is_image ? hone__onnx_arrange_image(im, x) : put_first(im, x, gone));
    const char *class_name = is_image ? (is_max ? "GlobalMaxPooling2D" : "GlobalAveragePooling2D")
                                      : (is_max ? "GlobalMaxPooling1D" : "GlobalAveragePooling1D");
    const hone_shape left = {1, {x->shape.dims[x->shape.rank - 1]}};
    HONE_TRY(hone__onnx_map(im, class_name, NULL, x, out));
    out->shape = left;
    for (int axis = rank; axis-- > 0;) {
        if (!gone[axis]) continue;
        hone__onnx_layout_resize(&out->layout, axis, 1);
        if (!keeps) hone__onnx_layout_drop(&out->layout, axis);
    }
    return HONE_OK;
}

/* Which axes; none stated: all but the batch's, or none at all. */
static hone_status read_axes(hone__onnx_import *im, const hone__onnx_value *x, bool *gone, size_t *count) {
    int64_t axes[HONE_ONNX_AXES];
    HONE_TRY(hone__onnx_axes(im, "axes", 1, axes, count));
    for (size_t i = 0; i < *count; i++) {
        int axis;
        HONE_TRY(hone__onnx_axis_of(im, axes[i], x->layout.rank, &axis));
        gone[axis] = true;
    }
    if (*count == 0) return hone__onnx_refuse(im, HONE_UNSUPPORTED, "mixes samples of a batch");
    return HONE_OK;
}

/* A mean over the last axis may be the beginning of a layer normalisation. */
static bool may_normalize(const hone__onnx_import *im, const hone__onnx_value *x, const bool *gone, size_t count) {
    return strcmp(im->node->op_type, "ReduceMean") == 0 && hone__onnx_integer(im->node, "keepdims", 1) != 0 &&
           count == 1 && gone[x->layout.rank - 1];
}

static hone_status note_mean(hone__onnx_import *im, const hone__onnx_value *x, hone__onnx_value *out) {
    bool squared = x->kind == ONNX_NOTE && x->note == NOTE_SQUARED;
    out->kind = ONNX_NOTE;
    out->note = squared ? NOTE_VARIANCE : NOTE_MEAN;
    out->base = squared ? x->base : (size_t)(x - im->values);
    out->layout = x->layout;
    out->layout.dims[out->layout.rank - 1] = 1;
    return HONE_OK;
}

static hone_status square(hone__onnx_import *im, const hone__onnx_value *x, hone__onnx_value *out) {
    const char *sources[2] = {x->layer, x->layer};
    out->layout = x->layout;
    out->shape = x->shape;
    return hone__onnx_add_merge(im, "Multiply", sources, 2, out);
}

/* A sum is so many means; a minimum the maximum turned over; a length the root of the sum of squares. */
static hone_status reduce(hone__onnx_import *im) {
    const char *op = im->node->op_type;
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    bool gone[HONE_ONNX_AXES] = {false}, keeps = hone__onnx_integer(im->node, "keepdims", 1) != 0;
    size_t count;
    double number = 1;
    HONE_TRY(read_axes(im, x, gone, &count));
    if (may_normalize(im, x, gone, count)) return note_mean(im, x, out);
    for (int axis = 0; axis < x->layout.rank; axis++)
        if (gone[axis]) number *= (double)x->layout.dims[axis];
    const bool squares = strcmp(op, "ReduceL2") == 0 || strcmp(op, "ReduceSumSquare") == 0;
    const bool is_min = strcmp(op, "ReduceMin") == 0, is_max = strcmp(op, "ReduceMax") == 0;
    hone__onnx_value part = {.name = x->name};
    HONE_TRY(hone__onnx_realise(im, x));
    hone_status status = HONE_OK;
    if (squares)
        status = square(im, x, &part);
    else if (is_min)
        status = hone__onnx_rescale(im, x, -1, 0, &part);
    hone__onnx_value *from = squares || is_min ? &part : x;
    if (!status) status = hone__onnx_reduce(im, from, gone, keeps, is_min || is_max, out);
    hone__free(part.layer);
    if (status) return status;
    if (is_min) return hone__onnx_rescale(im, out, -1, 0, out);
    if (is_max || strcmp(op, "ReduceMean") == 0) return HONE_OK;
    HONE_TRY(hone__onnx_rescale(im, out, number, 0, out));
    if (strcmp(op, "ReduceL2") == 0) HONE_TRY(hone__onnx_map(im, "Sqrt", NULL, out, out));
    out->not_negative = squares;
    return HONE_OK;
}

const hone__onnx_operators hone__onnx_reduce_operators[] = {
    {"ReduceMean", reduce}, {"ReduceMax", reduce},       {"ReduceMin", reduce}, {"ReduceSum", reduce},
    {"ReduceL2", reduce},   {"ReduceSumSquare", reduce}, {NULL, NULL},
};
