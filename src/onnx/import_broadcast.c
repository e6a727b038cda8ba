/* SPDX-License-Identifier: Apache-2.0
 *
 * From ONNX: several tensors brought side by side, where axes of one element repeat: what element by element layers and
 * products of matrices take.
 *
 * The atoms of all of them together are the slots of the result, in one order in memory; a tensor has some of them.
 * Neighbouring slots that the same tensors have are one axis of the shapes that the layer sees. */
#include "onnx_import.h"

#include <string.h>

typedef struct slots {
    hone__onnx_layout layout;          /* of the result */
    uint64_t present[HONE_ONNX_ATOMS]; /* which tensors have it, a bit for each */
    int group_count;                   /* axes of the shapes, without the batch */
    int group_of[HONE_ONNX_ATOMS];     /* of slot number i */
    int64_t sizes[HONE_ONNX_ATOMS];    /* of a group */
    uint64_t members[HONE_ONNX_ATOMS]; /* which tensors have it */
    int tail;                          /* the last axes of the result are groups of their own, at the end */
} slots;

/* Atoms of an axis beside the batch's. */
static int own_atoms(const hone__onnx_layout *layout, int axis) {
    int first, count = hone__onnx_layout_atoms(layout, axis, &first);
    return count - (layout->axes[layout->batch] == axis);
}

static hone_status do_not_fit(hone__onnx_import *im, int axis) {
    return hone__onnx_refuse(im, HONE_UNSUPPORTED,
                             "the elements of its inputs along axis %d lie so differently that they would have to be "
                             "moved across samples, or do not match",
                             axis);
}

/* The first tensor that has more than one element (of a sample) along an axis; NULL: none has. */
static hone__onnx_value *leader(hone__onnx_value *const *values, size_t count, int axis) {
    for (size_t i = 0; i < count; i++)
        if (own_atoms(&values[i]->layout, axis) > 0) return values[i];
    return NULL;
}

/* Axes are divided alike. Twice, for what the last one divided the first one must divide as well. */
static hone_status divide_alike(hone__onnx_import *im, hone__onnx_value *const *values, size_t count) {
    const hone__onnx_layout *first = &values[0]->layout;
    for (size_t i = 0; i < 2 * count; i++) {
        hone__onnx_layout *layout = &values[i % count]->layout;
        if (layout->rank != first->rank || layout->axes[layout->batch] != first->axes[first->batch])
            return hone__onnx_refuse(im, HONE_UNSUPPORTED, "its inputs have different numbers of axes");
        for (int axis = 0; axis < layout->rank; axis++) {
            hone__onnx_value *other = leader(values, count, axis);
            if (own_atoms(layout, axis) == 0 || other == values[i % count]) continue;
            if (!hone__onnx_layout_refine(&other->layout, layout, axis)) return do_not_fit(im, axis);
        }
    }
    return HONE_OK;
}

/* Slot number s is this atom of the tensor; -1: it has none. */
static int atom_of(const slots *s, const hone__onnx_layout *layout, int slot) {
    int axis = s->layout.axes[slot], first, number = 0;
    if (slot == s->layout.batch) return layout->batch;
    for (int i = 0; i < slot; i++) number += s->layout.axes[i] == axis && i != s->layout.batch;
    hone__onnx_layout_atoms(layout, axis, &first);
    if (own_atoms(layout, axis) == 0) return -1;
    for (int atom = first;; atom++)
        if (atom != layout->batch && number-- == 0) return atom;
}

static hone_status list_slots(hone__onnx_import *im, hone__onnx_value *const *values, size_t count, slots *s) {
    hone__onnx_layout *out = &s->layout;
    const hone__onnx_layout *any = &values[0]->layout;
    *out = (hone__onnx_layout){.rank = any->rank, .batch = -1};
    for (int axis = 0; axis < any->rank; axis++) {
        const hone__onnx_value *from = leader(values, count, axis);
        const hone__onnx_layout *layout = from ? &from->layout : any;
        int first, atoms = hone__onnx_layout_atoms(layout, axis, &first);
        out->dims[axis] = layout->dims[axis];
        for (int i = first; i < first + atoms; i++) {
            if (out->count == HONE_ONNX_ATOMS) return hone__onnx_refuse(im, HONE_LIMIT, "has too many axes");
            if (i == layout->batch) out->batch = out->count;
            out->sizes[out->count] = layout->sizes[i];
            out->axes[out->count++] = axis;
        }
    }
    for (int slot = 0; slot < out->count; slot++)
        for (size_t i = 0; i < count; i++)
            if (atom_of(s, &values[i]->layout, slot) >= 0) s->present[slot] |= UINT64_C(1) << i;
    return HONE_OK;
}

/* In memory: as in the tensor that has most of them, then the rest; axes of the tail behind all others. */
static void order_slots(hone__onnx_value *const *values, size_t count, slots *s) {
    hone__onnx_layout *out = &s->layout;
    const hone__onnx_value *most = values[0];
    bool taken[HONE_ONNX_ATOMS] = {false};
    int at = 0;
    for (size_t i = 1; i < count; i++)
        if (values[i]->layout.count > most->layout.count) most = values[i];
    out->stored[at++] = out->batch;
    taken[out->batch] = true;
    for (int k = 1; k < most->layout.count; k++)
        for (int slot = 0; slot < out->count; slot++) {
            if (taken[slot] || atom_of(s, &most->layout, slot) != most->layout.stored[k]) continue;
            if (out->axes[slot] >= out->rank - s->tail) continue;
            out->stored[at++] = slot;
            taken[slot] = true;
        }
    for (int slot = 0; slot < out->count; slot++)
        if (!taken[slot]) out->stored[at++] = slot;
}

/* by_axes: slots of different axes are different groups, too. */
static void group_slots(slots *s, bool by_axes) {
    const hone__onnx_layout *out = &s->layout;
    int lead = out->rank - s->tail;
    s->group_count = 0;
    for (int k = 1, before = -1; k < out->count; before = out->stored[k++]) {
        int slot = out->stored[k], axis = out->axes[slot];
        if (axis >= lead) break;
        if (before < 0 || s->present[before] != s->present[slot] || (by_axes && out->axes[before] != axis)) {
            s->members[s->group_count] = s->present[slot];
            s->sizes[s->group_count++] = 1;
        }
        s->sizes[s->group_count - 1] *= out->sizes[slot];
    }
    for (int axis = lead; axis < out->rank; axis++) {
        s->members[s->group_count] = UINT64_MAX; /* what has none has a single element */
        s->sizes[s->group_count++] = 1;
    }
}

/* Number which of the tensors; groups from number skipped on but one are the shape. skipped -1: none is left out. */
static hone_status arrange(hone__onnx_import *im, const slots *s, hone__onnx_value *value, size_t which, int skipped) {
    const hone__onnx_layout *out = &s->layout;
    int order[HONE_ONNX_ATOMS], count = 0, lead = out->rank - s->tail;
    hone_shape shape = {0};
    for (int k = 1; k < out->count; k++) {
        int atom = atom_of(s, &value->layout, out->stored[k]);
        if (atom >= 0) order[count++] = atom;
    }
    for (int group = 0; group < s->group_count; group++) {
        int axis = lead + group - (s->group_count - s->tail); /* of the tail */
        if (axis >= lead && axis == skipped) continue;
        int64_t size = axis >= lead                                 ? value->layout.dims[axis]
                       : s->members[group] & (UINT64_C(1) << which) ? s->sizes[group]
                                                                    : 1;
        shape.dims[shape.rank++] = size;
    }
    if (shape.rank == 0) shape = (hone_shape){1, {1}};
    return hone__onnx_arrange(im, value, order, count, &shape);
}

static hone_status prepare(hone__onnx_import *im, hone__onnx_value *const *values, size_t count, int most_groups,
                           slots *s) {
    for (size_t i = 0; i < count; i++) HONE_TRY(hone__onnx_realise(im, values[i]));
    HONE_TRY(divide_alike(im, values, count));
    HONE_TRY(list_slots(im, values, count, s));
    order_slots(values, count, s);
    group_slots(s, true);
    if (s->group_count > most_groups) group_slots(s, false);
    if (s->group_count > most_groups)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "its inputs would have to be cut into %d axes", s->group_count);
    return HONE_OK;
}

hone_status hone__onnx_align(hone__onnx_import *im, hone__onnx_value *const *values, size_t count,
                             hone__onnx_layout *layout, hone_shape *shape) {
    slots s = {.tail = 0};
    HONE_TRY(prepare(im, values, count, HONE_MAX_RANK, &s));
    for (size_t i = 0; i < count; i++) HONE_TRY(arrange(im, &s, values[i], i, -1));
    *layout = s.layout;
    *shape = (hone_shape){.rank = s.group_count};
    for (int i = 0; i < s.group_count; i++) shape->dims[i] = s.sizes[i];
    if (shape->rank == 0) *shape = (hone_shape){1, {1}};
    return hone__check_elements(shape, im->err);
}

/* ---- products ---------------------------------------------------------------------------------------------------- */

/* An axis of one element before axis number at. */
static void add_axis(hone__onnx_layout *layout, int at) {
    for (int i = layout->rank++; i > at; i--) layout->dims[i] = layout->dims[i - 1];
    layout->dims[at] = 1;
    for (int i = 0; i < layout->count; i++) layout->axes[i] += layout->axes[i] >= at;
}

/* a (…, m, k) is seen as (…, m, k, 1) and b (…, k, n) as (…, 1, k, n), of which only the product's axes are left. */
static hone_status multiply(hone__onnx_import *im, hone__onnx_value *a, hone__onnx_value *b, hone__onnx_value *out) {
    int rank = a->layout.rank;
    hone__onnx_value *const both[2] = {a, b};
    slots s = {.tail = 3};
    add_axis(&a->layout, rank);
    add_axis(&b->layout, rank - 2);
    HONE_TRY(prepare(im, both, 2, HONE_MAX_RANK + 1, &s));
    HONE_TRY(arrange(im, &s, a, 0, rank));
    HONE_TRY(arrange(im, &s, b, 1, rank - 2));
    const char *sources[2] = {a->layer, b->layer};
    out->shape = (hone_shape){.rank = s.group_count - 1};
    for (int i = 0; i + 3 < s.group_count; i++) out->shape.dims[i] = s.sizes[i];
    out->shape.dims[out->shape.rank - 2] = a->layout.dims[rank - 2];
    out->shape.dims[out->shape.rank - 1] = b->layout.dims[rank];
    HONE_TRY(hone__onnx_add_merge(im, "Matmul", sources, 2, out));
    out->layout = s.layout;
    hone__onnx_layout_drop(&out->layout, rank - 1);
    return HONE_OK;
}

hone_status hone__onnx_multiply_tensors(hone__onnx_import *im, hone__onnx_value *a, hone__onnx_value *b,
                                        hone__onnx_value *out) {
    HONE_TRY(hone__onnx_realise(im, a));
    HONE_TRY(hone__onnx_realise(im, b));
    const hone__onnx_layout *one = &a->layout, *two = &b->layout;
    int rank = one->rank;
    if (rank != two->rank || rank < 3 || rank == HONE_ONNX_AXES)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "multiplies tensors of %d and %d axes", rank, two->rank);
    if (one->dims[rank - 1] != two->dims[rank - 2])
        return hone__onnx_refuse(im, HONE_SHAPE, "%lld columns meet %lld rows", (long long)one->dims[rank - 1],
                                 (long long)two->dims[rank - 2]);
    if (one->axes[one->batch] >= rank - 2 || two->axes[two->batch] >= rank - 2)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "mixes samples of a batch");
    /* of copies, for both may be the same value, which is wanted in two orders */
    hone__onnx_value left = {.name = a->name}, right = {.name = b->name};
    hone_status status = hone__onnx_look(im, a, &left);
    if (!status) status = hone__onnx_look(im, b, &right);
    if (!status) status = multiply(im, &left, &right, out);
    hone__free(left.layer);
    hone__free(right.layer);
    return status;
}

/* ---- constants --------------------------------------------------------------------------------------------------- */

/* Where the elements of a constant lie that is added to x, say: as in the file. */
static hone_status constant_layout(hone__onnx_import *im, const hone__onnx_constant *c, const hone__onnx_layout *x,
                                   hone__onnx_layout *out) {
    const int missing = x->rank - c->rank, batch_axis = x->axes[x->batch];
    *out = (hone__onnx_layout){.rank = x->rank};
    for (int axis = 0; axis < x->rank; axis++) {
        int64_t own = axis < missing ? 1 : c->dims[axis - missing];
        out->dims[axis] = own;
        if (axis == batch_axis) {
            int first; /* of a constant repeated for every sample, one was kept: those are outermost */
            hone__onnx_layout_atoms(x, axis, &first);
            if (own > 1 && im->batch > 1 && (first != x->batch || x->dims[axis] != own * im->batch))
                return hone__onnx_refuse(im, HONE_UNSUPPORTED, "mixes samples of a batch");
            out->dims[axis] *= im->batch;
            out->batch = out->count;
            out->sizes[out->count] = im->batch;
            out->axes[out->count++] = axis;
        }
        if (own == 1) continue;
        if (out->count == HONE_ONNX_ATOMS) return hone__onnx_refuse(im, HONE_LIMIT, "has too many axes");
        out->sizes[out->count] = own;
        out->axes[out->count++] = axis;
    }
    int at = 0;
    out->stored[at++] = out->batch;
    for (int i = 0; i < out->count; i++)
        if (i != out->batch) out->stored[at++] = i;
    return HONE_OK;
}

hone__onnx_constant hone__onnx_one_sample(const hone__onnx_import *im, const hone__onnx_constant *c,
                                          const hone__onnx_layout *x) {
    hone__onnx_constant one = *c;
    const int axis = x->axes[x->batch] - (x->rank - c->rank);
    if (im->batch == 1 || im->batch == HONE_ONNX_OPEN_BATCH || axis < 0 || !c->reals) return one;
    for (int i = 0; i < axis; i++)
        if (c->dims[i] != 1) return one;
    if (c->dims[axis] != x->dims[x->axes[x->batch]]) return one;
    const size_t size = c->count / (size_t)im->batch;
    for (size_t i = size; i < c->count; i++)
        if (c->reals[i] != c->reals[i - size]) return one;
    one.count = size;
    one.dims[axis] /= im->batch;
    return one;
}

hone_status hone__onnx_constant_tensor(hone__onnx_import *im, hone__onnx_constant *stated, const hone__onnx_value *like,
                                       hone__onnx_value *out) {
    const float *numbers = hone__onnx_constant_reals(stated);
    if (!numbers) return hone__fail_memory(im->err, stated->count * sizeof(float), "a constant");
    const hone__onnx_constant one = hone__onnx_one_sample(im, stated, &like->layout), *c = &one;
    if (c->rank > like->layout.rank || c->count == 0 || c->count > HONE_MAX_UNITS)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "has a constant of %zu elements and %d axes, its tensor has %d",
                                 c->count, c->rank, like->layout.rank);
    HONE_TRY(constant_layout(im, c, &like->layout, &out->layout));
    HONE_TRY(hone__onnx_table(im, like, numbers, 1, (int64_t)c->count, stated->is_mixed, &out->layer));
    out->kind = ONNX_TENSOR;
    out->shape = (hone_shape){2, {1, (int64_t)c->count}};
    return HONE_OK;
}
