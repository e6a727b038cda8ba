/* SPDX-License-Identifier: Apache-2.0
 *
 * Where the elements of a tensor lie.
 *
 * The elements of a tensor are told apart by atoms: small axes whose product, taken in order, is every axis that
 * ONNX sees. (N, 64, 7, 7) of a convolution has the atoms N, 64, 7, 7, which lie in memory as N, 7, 7, 64;
 * flattened, its second axis consists of three atoms, and nothing has moved. An axis is split into more atoms where
 * a reshape needs it. */
#include "onnx_import.h"

#include <string.h>

hone_status hone__onnx_layout_init(hone__onnx_import *im, hone__onnx_layout *layout, const int64_t *dims, int rank,
                                   int batch_axis, const int *order) {
    int of_axis[HONE_ONNX_AXES];
    *layout = (hone__onnx_layout){.rank = rank};
    for (int i = 0; i < rank; i++) {
        layout->dims[i] = dims[i];
        of_axis[i] = -1;
        if (dims[i] < 1 || dims[i] > HONE_MAX_ELEMENTS)
            return hone__onnx_refuse(im, HONE_SHAPE, "axis %d has %lld elements", i, (long long)dims[i]);
        if (dims[i] == 1 && i != batch_axis) continue;
        if (i == batch_axis) layout->batch = layout->count;
        of_axis[i] = layout->count;
        layout->sizes[layout->count] = dims[i];
        layout->axes[layout->count++] = i;
    }
    int at = 0;
    layout->stored[at++] = layout->batch;
    for (int i = 0; i < rank; i++) {
        int atom = of_axis[order ? order[i] : i];
        if (atom >= 0 && atom != layout->batch) layout->stored[at++] = atom;
    }
    return HONE_OK;
}

int hone__onnx_layout_atoms(const hone__onnx_layout *layout, int axis, int *first) {
    int count = 0;
    *first = layout->count;
    for (int i = layout->count; i-- > 0;) {
        if (layout->axes[i] != axis) continue;
        *first = i;
        count++;
    }
    return count;
}

bool hone__onnx_layout_leads(const hone__onnx_layout *layout) {
    int first;
    return layout->rank > 0 && layout->batch == 0 && layout->axes[0] == 0 &&
           hone__onnx_layout_atoms(layout, 0, &first) == 1;
}

/* Atoms in another order: atom number i becomes number places[i]. */
static void renumber(hone__onnx_layout *layout, const int *places) {
    for (int i = 0; i < layout->count; i++) layout->stored[i] = places[layout->stored[i]];
    layout->batch = places[layout->batch];
}

void hone__onnx_layout_transpose(hone__onnx_layout *layout, const int64_t *perm) {
    hone__onnx_layout from = *layout;
    int places[HONE_ONNX_ATOMS], count = 0;
    for (int axis = 0; axis < from.rank; axis++) {
        int first, atoms = hone__onnx_layout_atoms(&from, (int)perm[axis], &first);
        layout->dims[axis] = from.dims[perm[axis]];
        for (int i = first; i < first + atoms; i++) {
            layout->sizes[count] = from.sizes[i];
            layout->axes[count] = axis;
            places[i] = count++;
        }
    }
    renumber(layout, places);
}

/* Splits an atom into two, the outer of size outer; they stay neighbours. False where that is not possible. */
static bool split(hone__onnx_layout *layout, int atom, int64_t outer) {
    if (atom == layout->batch || layout->count == HONE_ONNX_ATOMS || layout->sizes[atom] % outer != 0) return false;
    int at = 0;
    for (int i = 0; i < layout->count; i++)
        if (layout->stored[i] == atom) at = i;
    for (int i = 0; i < layout->count; i++)
        if (layout->stored[i] > atom) layout->stored[i]++;
    for (int i = layout->count; i > at + 1; i--) layout->stored[i] = layout->stored[i - 1];
    layout->stored[at + 1] = atom + 1;
    for (int i = layout->count; i > atom + 1; i--) {
        layout->sizes[i] = layout->sizes[i - 1];
        layout->axes[i] = layout->axes[i - 1];
    }
    layout->sizes[atom + 1] = layout->sizes[atom] / outer;
    layout->sizes[atom] = outer;
    layout->axes[atom + 1] = layout->axes[atom];
    if (layout->batch > atom) layout->batch++;
    layout->count++;
    return true;
}

bool hone__onnx_layout_reshape(hone__onnx_layout *layout, const int64_t *dims, int rank) {
    hone__onnx_layout made = *layout;
    int atom = 0;
    for (int axis = 0; axis < rank; axis++) {
        int64_t left = dims[axis];
        while (left > 1) {
            if (atom == made.count) return false;
            if (made.sizes[atom] > left && !(made.sizes[atom] % left == 0 && split(&made, atom, left))) return false;
            if (left % made.sizes[atom] != 0) return false;
            left /= made.sizes[atom];
            made.axes[atom++] = axis;
        }
        /* a batch of one sample has an atom that no division finds */
        bool next_is_unit = atom < made.count && made.sizes[atom] == 1;
        if (next_is_unit && (dims[axis] == 1 || axis == rank - 1)) made.axes[atom++] = axis;
    }
    if (atom != made.count) return false;
    made.rank = rank;
    for (int i = 0; i < rank; i++) made.dims[i] = dims[i];
    *layout = made;
    return true;
}

bool hone__onnx_layout_refine(hone__onnx_layout *a, hone__onnx_layout *b, int axis) {
    int at[2], left[2] = {hone__onnx_layout_atoms(a, axis, &at[0]), hone__onnx_layout_atoms(b, axis, &at[1])};
    while (left[0] > 0 && left[1] > 0) {
        int64_t one = a->sizes[at[0]], two = b->sizes[at[1]];
        if ((at[0] == a->batch) != (at[1] == b->batch)) return false;
        if (one > two) {
            if (!split(a, at[0], two)) return false;
            left[0]++;
        } else if (two > one) {
            if (!split(b, at[1], one)) return false;
            left[1]++;
        }
        for (int i = 0; i < 2; i++) {
            at[i]++;
            left[i]--;
        }
    }
    return left[0] == left[1];
}

/* Atom number i is no more. */
static void remove_atom(hone__onnx_layout *layout, int atom) {
    int place = 0;
    while (layout->stored[place] != atom) place++;
    for (int i = place; i + 1 < layout->count; i++) layout->stored[i] = layout->stored[i + 1];
    layout->count--;
    for (int i = 0; i < layout->count; i++) layout->stored[i] -= layout->stored[i] > atom;
    for (int i = atom; i < layout->count; i++) {
        layout->sizes[i] = layout->sizes[i + 1];
        layout->axes[i] = layout->axes[i + 1];
    }
    layout->batch -= layout->batch > atom;
}

void hone__onnx_layout_resize(hone__onnx_layout *layout, int axis, int64_t n) {
    int first, atoms = hone__onnx_layout_atoms(layout, axis, &first);
    for (; atoms > 1; atoms--) remove_atom(layout, first + 1);
    layout->dims[axis] = n;
    if (atoms == 1 && n > 1)
        layout->sizes[first] = n;
    else if (atoms == 1)
        remove_atom(layout, first);
}

/* A new atom, of an axis that has none: the last of the axes up to it, and there in memory, too. */
static void add_atom(hone__onnx_layout *layout, int axis, int64_t n) {
    int atom = 0, place = 1;
    while (atom < layout->count && layout->axes[atom] < axis) atom++;
    for (int k = 1; k < layout->count; k++)
        if (layout->stored[k] < atom) place = k + 1;
    for (int k = 0; k < layout->count; k++) layout->stored[k] += layout->stored[k] >= atom;
    for (int k = layout->count; k > place; k--) layout->stored[k] = layout->stored[k - 1];
    for (int k = layout->count; k > atom; k--) {
        layout->sizes[k] = layout->sizes[k - 1];
        layout->axes[k] = layout->axes[k - 1];
    }
    layout->stored[place] = atom;
    layout->sizes[atom] = n;
    layout->axes[atom] = axis;
    layout->batch += layout->batch >= atom;
    layout->count++;
}

void hone__onnx_layout_unite(hone__onnx_layout *layout, int axis, int64_t n) {
    int first;
    if (hone__onnx_layout_atoms(layout, axis, &first) == 0 && layout->count < HONE_ONNX_ATOMS)
        add_atom(layout, axis, n);
    else
        hone__onnx_layout_resize(layout, axis, n);
    layout->dims[axis] = n;
}

void hone__onnx_layout_drop(hone__onnx_layout *layout, int axis) {
    hone__onnx_layout_resize(layout, axis, 1);
    layout->rank--;
    for (int i = axis; i < layout->rank; i++) layout->dims[i] = layout->dims[i + 1];
    for (int i = 0; i < layout->count; i++) layout->axes[i] -= layout->axes[i] > axis;
}

bool hone__onnx_layout_lies(const hone__onnx_layout *layout, const int *order) {
    int at = 1;
    for (int i = 1; i < layout->rank; i++) {
        int first, atoms = hone__onnx_layout_atoms(layout, order ? order[i] : i, &first);
        for (int k = 0; k < atoms; k++)
            if (layout->stored[at++] != first + k) return false;
    }
    return true;
}

/* ---- moving them ------------------------------------------------------------------------------------------------- */

static hone_value *shape_list(const hone_shape *shape) {
    return hone_value_integers(shape->dims, (size_t)shape->rank);
}

/* A Reshape, or a Flatten. */
static hone_status reshape(hone__onnx_import *im, hone__onnx_value *value, const hone_shape *shape) {
    if (hone_shape_equal(&value->shape, shape)) return HONE_OK;
    bool flat = shape->rank == 1;
    hone_value *config = flat ? NULL : hone_value_object();
    if (!flat) hone_value_set(config, "target_shape", shape_list(shape));
    char *layer;
    const char *source = value->layer;
    HONE_TRY(hone__onnx_add_layer(im, flat ? "Flatten" : "Reshape", config, NULL, &source, 1, &layer));
    hone__free(value->layer);
    value->layer = layer;
    value->shape = *shape;
    return HONE_OK;
}

/* Neighbours in memory that stay neighbours move together: runs of atoms of the new order, and where each was. */
typedef struct runs {
    int count;
    int64_t sizes[HONE_ONNX_ATOMS]; /* in the new order */
    int places[HONE_ONNX_ATOMS];    /* the first of its atoms in the old order, batch not counted */
} runs;

static runs find_runs(const hone__onnx_layout *layout, const int *order, int count) {
    runs r = {0};
    for (int i = 0, before = -2; i < count; i++) {
        int place = 0;
        while (layout->stored[place + 1] != order[i]) place++;
        if (place != before + 1) {
            r.places[r.count] = place;
            r.sizes[r.count++] = 1;
        }
        r.sizes[r.count - 1] *= layout->sizes[order[i]];
        before = place;
    }
    return r;
}

static hone_status permute(hone__onnx_import *im, hone__onnx_value *value, const runs *r) {
    hone_shape from = {.rank = r->count}, to = {.rank = r->count};
    hone_value *dims = hone_value_list(), *config = hone_value_object();
    for (int i = 0; i < r->count; i++) {
        int rank = 0; /* among the runs as they lie */
        for (int k = 0; k < r->count; k++) rank += r->places[k] < r->places[i];
        from.dims[rank] = to.dims[i] = r->sizes[i];
        hone_value_append(dims, hone_value_integer(rank + 1));
    }
    hone_value_set(config, "dims", dims);
    hone_status status = reshape(im, value, &from);
    if (status) {
        hone_value_free(config);
        return status;
    }
    char *layer;
    const char *source = value->layer;
    HONE_TRY(hone__onnx_add_layer(im, "Permute", config, NULL, &source, 1, &layer));
    hone__free(value->layer);
    value->layer = layer;
    value->shape = to;
    return HONE_OK;
}

hone_status hone__onnx_arrange(hone__onnx_import *im, hone__onnx_value *value, const int *order, int count,
                               const hone_shape *shape) {
    hone__onnx_layout *layout = &value->layout;
    HONE_TRY(hone__onnx_realise(im, value));
    if (count != layout->count - 1 || shape->rank > HONE_MAX_RANK)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "'%.64s' has too many axes", value->name);
    bool moves = false;
    for (int i = 0; i < count; i++) moves = moves || layout->stored[i + 1] != order[i];
    if (moves) {
        runs r = find_runs(layout, order, count);
        if (r.count > HONE_MAX_RANK)
            return hone__onnx_refuse(im, HONE_UNSUPPORTED, "'%.64s' would have to be cut into %d axes", value->name,
                                     r.count);
        HONE_TRY(permute(im, value, &r));
        for (int i = 0; i < count; i++) layout->stored[i + 1] = order[i];
    }
    return reshape(im, value, shape);
}

hone_status hone__onnx_arrange_axes(hone__onnx_import *im, hone__onnx_value *value, const int *axes, int count) {
    hone__onnx_layout *layout = &value->layout;
    hone_shape shape = {0};
    int order[HONE_ONNX_ATOMS], atoms = 0;
    HONE_TRY(hone__onnx_realise(im, value));
    if (count > HONE_MAX_RANK || count < 0)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "'%.64s' has too many axes", value->name);
    for (int i = 0; i < count; i++) {
        int first, own = hone__onnx_layout_atoms(layout, axes[i], &first);
        shape.dims[shape.rank++] = layout->dims[axes[i]];
        for (int k = first; k < first + own; k++) {
            if (k == layout->batch)
                return hone__onnx_refuse(im, HONE_UNSUPPORTED, "mixes samples of a batch ('%.64s')", value->name);
            order[atoms++] = k;
        }
    }
    if (shape.rank == 0) shape = (hone_shape){1, {1}};
    return hone__onnx_arrange(im, value, order, atoms, &shape);
}

hone_status hone__onnx_arrange_image(hone__onnx_import *im, hone__onnx_value *value) {
    static const int axes[3] = {2, 3, 1};
    if (value->layout.rank != 4)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "takes '%.64s', which has %d axes, not (N, C, H, W)",
                                 value->name, value->layout.rank);
    HONE_TRY(hone__onnx_arrange_axes(im, value, axes, 3));
    return HONE_OK;
}

hone_status hone__onnx_arrange_plain(hone__onnx_import *im, hone__onnx_value *value) {
    const hone__onnx_layout *layout = &value->layout;
    int count = 0, order[HONE_ONNX_ATOMS], atoms = 0;
    HONE_TRY(hone__onnx_realise(im, value));
    hone_shape shape = {0};
    for (int i = 0; i < layout->count; i++)
        if (i != layout->batch) order[atoms++] = i;
    for (int axis = 0; axis < layout->rank; axis++) {
        int64_t size = layout->dims[axis];
        bool is_batch = axis == layout->axes[layout->batch];
        if (is_batch) size /= layout->sizes[layout->batch];
        if (is_batch && size == 1) continue;
        if (count++ < HONE_MAX_RANK) shape.dims[shape.rank++] = size;
    }
    if (count > HONE_MAX_RANK) shape = (hone_shape){1, {hone_shape_size(&value->shape)}};
    if (shape.rank == 0) shape = (hone_shape){1, {1}};
    return hone__onnx_arrange(im, value, order, atoms, &shape);
}

hone_status hone__onnx_arrange_around(hone__onnx_import *im, hone__onnx_value *value, int axis) {
    const hone__onnx_layout *layout = &value->layout;
    int order[HONE_ONNX_ATOMS], count = 0, first, place = 0;
    hone_shape shape = {3, {1, layout->dims[axis], 1}};
    HONE_TRY(hone__onnx_realise(im, value));
    int own = hone__onnx_layout_atoms(layout, axis, &first);
    for (int k = 1; k < layout->count; k++) { /* of one element, it is behind the axes before it */
        int atom = layout->stored[k];
        if (own > 0 ? layout->axes[atom] == axis && place == 0 : layout->axes[atom] < axis) place = k;
    }
    for (int k = 1; k < layout->count; k++) {
        int atom = layout->stored[k];
        if (layout->axes[atom] != axis) {
            order[count++] = atom;
            shape.dims[k <= place ? 0 : 2] *= layout->sizes[atom];
        }
        for (int i = first; own > 0 && k == place && i < first + own; i++) order[count++] = i;
    }
    return hone__onnx_arrange(im, value, order, count, &shape);
}

hone_status hone__onnx_arrange_last(hone__onnx_import *im, hone__onnx_value *value) {
    hone__onnx_layout *layout = &value->layout;
    HONE_TRY(hone__onnx_realise(im, value));
    int axes[HONE_ONNX_AXES], count = 0, first, last = layout->rank - 1;
    int atoms = hone__onnx_layout_atoms(layout, last, &first);
    bool fits = value->shape.rank > 0 && value->shape.dims[value->shape.rank - 1] == layout->dims[last];
    for (int i = 0; i < atoms; i++) fits = fits && layout->stored[layout->count - atoms + i] == first + i;
    if (fits) return HONE_OK;
    if (atoms > 0 && layout->dims[layout->axes[layout->batch]] != layout->sizes[layout->batch])
        return hone__onnx_arrange_axis_last(im, value, last);
    for (int i = 0; i < layout->rank; i++)
        if (layout->axes[layout->batch] != i) axes[count++] = i;
    return hone__onnx_arrange_axes(im, value, axes, count);
}

hone_status hone__onnx_arrange_axis_last(hone__onnx_import *im, hone__onnx_value *x, int axis) {
    const hone__onnx_layout *layout = &x->layout;
    int axes[HONE_ONNX_AXES], order[HONE_ONNX_ATOMS], count = 0, atoms = 0;
    HONE_TRY(hone__onnx_realise(im, x));
    const int batch_axis = layout->axes[layout->batch];
    if (axis == batch_axis) return hone__onnx_refuse(im, HONE_UNSUPPORTED, "mixes samples of a batch");
    if (layout->dims[batch_axis] == layout->sizes[layout->batch]) {
        for (int i = 0; i < layout->rank; i++)
            if (i != axis && i != batch_axis) axes[count++] = i;
        axes[count++] = axis;
        return hone__onnx_arrange_axes(im, x, axes, count);
    }
    hone_shape shape = {2, {1, layout->dims[axis]}};
    for (int k = 1; k < layout->count; k++) {
        int atom = layout->stored[k];
        if (layout->axes[atom] == axis) continue;
        order[atoms++] = atom;
        shape.dims[0] *= layout->sizes[atom];
    }
    for (int i = 0; i < layout->count; i++)
        if (layout->axes[i] == axis) order[atoms++] = i;
    return hone__onnx_arrange(im, x, order, atoms, &shape);
}

int hone__onnx_only_axis(const hone__onnx_layout *x, const hone__onnx_constant *c) {
    int found = -1;
    for (int i = 0; i < c->rank; i++) {
        if (c->dims[i] == 1) continue;
        int axis = x->rank - c->rank + i;
        if (found >= 0 || axis < 0 || x->dims[axis] != c->dims[i]) return -1;
        found = axis;
    }
    return found;
}
