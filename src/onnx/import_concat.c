/* SPDX-License-Identifier: Apache-2.0
 *
 * From ONNX: tensors put together, and parts of one that change places (a roll is a concatenation of two slices). */
#include "onnx_import.h"

#include <string.h>

/* What is put together: tensors, and constants as such. */
typedef struct parts {
    hone__onnx_value *values[HONE_ONNX_INPUTS];
    hone__onnx_value made[HONE_ONNX_INPUTS]; /* constants as tensors; their layers are the parts' */
    size_t count;
    int rank, axis;
} parts;

/* All lie so, but for axes of one element; constants may be put so. */
static bool all_lie(const parts *p, const int *order) {
    for (size_t i = 0; i < p->count; i++) {
        const hone__onnx_layout *layout = &p->values[i]->layout;
        if (p->values[i]->kind == ONNX_CONSTANT) continue;
        if (!hone__onnx_layout_leads(layout) || layout->rank != p->rank || !hone__onnx_layout_lies(layout, order))
            return false;
    }
    return true;
}

/* Along an axis of the shape that all of them have; the sizes along it add up. */
static hone_status add_concatenate(hone__onnx_import *im, const parts *p, int place, hone__onnx_value *out) {
    const char *sources[HONE_ONNX_INPUTS];
    hone_shape shape = p->values[0]->shape;
    bool not_negative = true;
    shape.dims[place] = 0;
    for (size_t i = 0; i < p->count; i++) {
        sources[i] = p->values[i]->layer;
        not_negative = not_negative && p->values[i]->not_negative;
        shape.dims[place] += p->values[i]->shape.dims[place];
    }
    HONE_TRY(hone__check_elements(&shape, im->err));
    hone_value *config = hone_value_object();
    hone_value_set_integer(config, "axis", place + 1 == shape.rank ? -1 : place + 1);
    HONE_TRY(hone__onnx_add_layer(im, "Concatenate", config, NULL, sources, p->count, &out->layer));
    out->kind = ONNX_TENSOR;
    out->shape = shape;
    out->not_negative = not_negative;
    return HONE_OK;
}

/* In the order that they have: pictures, or as in ONNX. */
static hone_status concat_lying(hone__onnx_import *im, const parts *p, const int *order, hone__onnx_value *out) {
    int64_t dims[HONE_ONNX_AXES];
    for (size_t i = 0; i < p->count; i++)
        HONE_TRY(order ? hone__onnx_arrange_image(im, p->values[i]) : hone__onnx_arrange_plain(im, p->values[i]));
    memcpy(dims, p->values[0]->layout.dims, sizeof dims);
    dims[p->axis] = 0;
    for (size_t i = 0; i < p->count; i++) dims[p->axis] += p->values[i]->layout.dims[p->axis];
    HONE_TRY(add_concatenate(im, p, !order ? p->axis - 1 : p->axis == 1 ? 2 : p->axis - 2, out));
    return hone__onnx_layout_init(im, &out->layout, dims, p->rank, 0, order);
}

/* As the largest of them lies: its axes are those of all, the one at hand a single one in memory. */
static hone_status concat_anyhow(hone__onnx_import *im, const parts *p, hone__onnx_value *out) {
    const hone__onnx_value *model = p->values[0];
    int64_t total = 0;
    for (size_t i = 0; i < p->count; i++) {
        if (p->values[i]->layout.count > model->layout.count) model = p->values[i];
        total += p->values[i]->layout.dims[p->axis];
    }
    hone__onnx_layout common = model->layout;
    hone__onnx_layout_unite(&common, p->axis, total > 1 ? total : 2);
    for (size_t i = 0; i < 2 * p->count; i++) {
        hone__onnx_layout *layout = &p->values[i % p->count]->layout;
        for (int axis = 0; axis < p->rank; axis++)
            if (axis != p->axis && !hone__onnx_layout_refine(&common, layout, axis))
                return hone__onnx_refuse(im, HONE_UNSUPPORTED, "the elements of its inputs lie too differently");
    }
    int united, place = 0;
    hone__onnx_layout_atoms(&common, p->axis, &united);
    hone_shape shape = {3, {1, 1, 1}};
    for (int k = 1; k < common.count; k++) {
        if (common.stored[k] == united)
            place = 2;
        else
            shape.dims[place] *= common.sizes[common.stored[k]];
    }
    for (size_t i = 0; i < p->count; i++) {
        hone__onnx_value *value = p->values[i];
        int order[HONE_ONNX_ATOMS], count = 0, first;
        int own = hone__onnx_layout_atoms(&value->layout, p->axis, &first);
        for (int k = 1; k < common.count; k++) {
            int atom = common.stored[k];
            if (atom == united)
                for (int j = 0; j < own; j++) order[count++] = first + j;
            else
                order[count++] = atom > united ? atom + own - 1 : atom;
        }
        shape.dims[1] = value->layout.dims[p->axis];
        HONE_TRY(hone__onnx_arrange(im, value, order, count, &shape));
    }
    HONE_TRY(add_concatenate(im, p, 1, out));
    hone__onnx_layout_resize(&common, p->axis, total);
    out->layout = common;
    return HONE_OK;
}

/* Constants become tensors: one is put before every sample, a class token. */
static hone_status make_tensors(hone__onnx_import *im, parts *p, const hone__onnx_value *like) {
    for (size_t i = 0; i < p->count; i++) {
        hone__onnx_value *value = p->values[i];
        if (value->kind != ONNX_CONSTANT) continue;
        if (value->constant.rank != p->rank) return hone__onnx_refuse(im, HONE_SHAPE, "its input %zu does not fit", i);
        HONE_TRY(hone__onnx_constant_tensor(im, &value->constant, like, &p->made[i]));
        p->made[i].name = value->name;
        p->values[i] = &p->made[i];
    }
    return HONE_OK;
}

static hone_status put_together(hone__onnx_import *im, parts *p, const hone__onnx_value *like, hone__onnx_value *out) {
    static const int picture[4] = {0, 2, 3, 1};
    const bool plain = all_lie(p, NULL), pictures = p->rank == 4 && all_lie(p, picture);
    HONE_TRY(make_tensors(im, p, like));
    for (size_t i = 0; i < p->count; i++)
        for (int axis = 0; axis < p->rank; axis++)
            if (axis != p->axis && p->values[i]->layout.dims[axis] != like->layout.dims[axis])
                return hone__onnx_refuse(im, HONE_SHAPE, "its input %zu does not fit to the others", i);
    if (pictures || plain) return concat_lying(im, p, pictures ? picture : NULL, out);
    return concat_anyhow(im, p, out);
}

static hone_status concat(hone__onnx_import *im) {
    parts *p = hone__alloc(1, sizeof *p);
    if (!p) return hone__fail_memory(im->err, sizeof *p, "the inputs of a node");
    const hone__onnx_value *like = NULL;
    hone_status status = HONE_OK;
    p->count = im->node->n_input;
    for (size_t i = 0; i < p->count && !status; i++) {
        p->values[i] = hone__onnx_in(im, i);
        if (!p->values[i])
            status = hone__onnx_refuse(im, HONE_FORMAT, "has an input left out");
        else if (p->values[i]->kind != ONNX_CONSTANT)
            status = hone__onnx_realise(im, p->values[i]);
        if (!status && !like && p->values[i]->kind != ONNX_CONSTANT) like = p->values[i];
    }
    if (!status && !like) status = hone__onnx_refuse(im, HONE_UNSUPPORTED, "puts constants together");
    if (!status) {
        p->rank = like->layout.rank;
        status = hone__onnx_axis_of(im, hone__onnx_integer(im->node, "axis", 0), p->rank, &p->axis);
    }
    if (!status && p->axis == like->layout.axes[like->layout.batch])
        status = hone__onnx_refuse(im, HONE_UNSUPPORTED, "is along axis %d, that of the batch", p->axis);
    for (size_t i = 0; i < p->count && !status; i++)
        if (p->values[i]->kind != ONNX_CONSTANT && p->values[i]->layout.rank != p->rank)
            status = hone__onnx_refuse(im, HONE_UNSUPPORTED, "its inputs have different numbers of axes");
    if (!status) status = put_together(im, p, like, hone__onnx_out(im));
    for (size_t i = 0; i < p->count && i < HONE_ONNX_INPUTS; i++) hone__free(p->made[i].layer);
    hone__free(p);
    return status;
}

/* So many elements of each sample, all alike, along an axis of like. */
static hone_status make_filling(hone__onnx_import *im, const hone__onnx_value *like, int axis, int64_t n, double fill,
                                hone__onnx_constant *c) {
    const hone__onnx_layout *layout = &like->layout;
    *c = (hone__onnx_constant){.rank = layout->rank, .count = 1};
    for (int i = 0; i < c->rank; i++) {
        c->dims[i] = i == axis ? n : layout->axes[layout->batch] == i ? 1 : layout->dims[i];
        if (!hone__multiply(c->count, (size_t)c->dims[i], &c->count) || c->count > HONE_MAX_UNITS)
            return hone__onnx_refuse(im, HONE_LIMIT, "adds too many elements");
    }
    HONE_TRY(hone__onnx_constant_allocate(c, im->err));
    c->is_mixed = true;
    for (size_t i = 0; i < c->count; i++) c->reals[i] = (float)fill;
    return HONE_OK;
}

hone_status hone__onnx_pad_axis(hone__onnx_import *im, hone__onnx_value *x, int axis, int64_t n, double fill,
                                bool in_front, hone__onnx_value *out) {
    if (x->layout.axes[x->layout.batch] == axis)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "adds samples to a batch");
    parts *p = hone__alloc(1, sizeof *p);
    if (!p) return hone__fail_memory(im->err, sizeof *p, "the inputs of a node");
    hone__onnx_value *filling = &p->made[0];
    hone_status status = make_filling(im, x, axis, n, fill, &filling->constant);
    *p = (parts){.count = 2, .rank = x->layout.rank, .axis = axis, .made[0] = *filling};
    filling->name = x->name;
    p->values[in_front ? 1 : 0] = x;
    p->values[in_front ? 0 : 1] = filling;
    if (!status) status = hone__onnx_constant_tensor(im, &filling->constant, x, filling);
    if (!status) status = put_together(im, p, x, out);
    hone__onnx_constant_release(&filling->constant);
    hone__free(filling->layer);
    hone__free(p);
    return status;
}

hone_status hone__onnx_turn_axis(hone__onnx_import *im, hone__onnx_value *x, int axis, hone__onnx_value *out) {
    const int64_t n = x->layout.dims[axis];
    if (x->layout.axes[x->layout.batch] == axis || n > HONE_ONNX_INPUTS)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "turns an axis of %lld elements round", (long long)n);
    parts *p = hone__alloc(1, sizeof *p);
    if (!p) return hone__fail_memory(im->err, sizeof *p, "the inputs of a node");
    hone_status status = HONE_OK;
    *p = (parts){.count = (size_t)n, .rank = x->layout.rank, .axis = axis};
    for (size_t i = 0; i < p->count && !status; i++) {
        p->values[i] = &p->made[i];
        p->made[i].name = x->name;
        status = hone__onnx_look(im, x, &p->made[i]);
        hone__onnx_slice last = {.from = n - 1 - (int64_t)i, .step = 1, .count = 1};
        if (!status) status = hone__onnx_part(im, &p->made[i], axis, last);
    }
    if (!status) status = put_together(im, p, x, out);
    for (size_t i = 0; i < p->count; i++) hone__free(p->made[i].layer);
    hone__free(p);
    return status;
}

const hone__onnx_operators hone__onnx_concat_operators[] = {
    {"Concat", concat},
    {NULL, NULL},
};
