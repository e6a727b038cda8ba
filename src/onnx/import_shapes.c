/* SPDX-License-Identifier: Apache-2.0
 *
 * From ONNX: what gives elements other places. Most of it is bookkeeping (import_layout.c) and makes no layer. */
#include "onnx_import.h"

#include <math.h>
#include <string.h>

/* ---- looks ------------------------------------------------------------------------------------------------------- */

/* out is x, to be seen under another layout. What is only noted is made first. */
static hone_status look(hone__onnx_import *im, hone__onnx_value *x, hone__onnx_value *out) {
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
    return look(im, hone__onnx_in(im, 0), hone__onnx_out(im));
}

static hone_status axis_of(const hone__onnx_import *im, int64_t stated, int rank, int *axis) {
    int64_t out = stated < 0 ? stated + rank : stated;
    if (out < 0 || out >= rank) return hone__onnx_refuse(im, HONE_FORMAT, "axis %lld of %d", (long long)stated, rank);
    *axis = (int)out;
    return HONE_OK;
}

/* Where the atoms do not allow it, elements are put in ONNX' order first: the samples must stay apart. */
static hone_status reshape_to(hone__onnx_import *im, hone__onnx_value *out, const int64_t *dims, int rank) {
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
    HONE_TRY(look(im, x, out));
    return reshape_to(im, out, dims, (int)count);
}

static hone_status flatten(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    int64_t stated = hone__onnx_integer(im->node, "axis", 1), dims[2] = {1, 1};
    int axis = x->layout.rank;
    if (stated != axis) HONE_TRY(axis_of(im, stated, x->layout.rank, &axis));
    for (int i = 0; i < x->layout.rank; i++) dims[i >= axis] *= x->layout.dims[i];
    HONE_TRY(look(im, x, out));
    return reshape_to(im, out, dims, 2);
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
        HONE_TRY(axis_of(im, axes[i], x->layout.rank, &axis));
        if (x->layout.dims[axis] != 1)
            return hone__onnx_refuse(im, HONE_SHAPE, "axis %d has %lld elements", axis,
                                     (long long)x->layout.dims[axis]);
        gone[axis] = true;
    }
    for (int i = 0; i < x->layout.rank; i++)
        if (!gone[i] && !(count == 0 && x->layout.dims[i] == 1)) dims[rank++] = x->layout.dims[i];
    HONE_TRY(look(im, x, out));
    return reshape_to(im, out, dims, rank);
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
        HONE_TRY(axis_of(im, axes[i], rank, &axis));
        added[axis] = true;
    }
    for (int i = 0, from = 0; i < rank; i++) dims[i] = added[i] || from >= x->layout.rank ? 1 : x->layout.dims[from++];
    HONE_TRY(look(im, x, out));
    return reshape_to(im, out, dims, rank);
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
    HONE_TRY(look(im, x, out));
    hone__onnx_layout_transpose(&out->layout, perm);
    return HONE_OK;
}

/* To floats all is float32 already; whatever else it may be, a picture's numbers are not integers behind a layer. */
static hone_status cast(hone__onnx_import *im) {
    int64_t to = hone__onnx_integer(im->node, "to", 1);
    bool is_float = to == 1 || to == 10 || to == 11;
    if (!is_float && !hone__onnx_in(im, 0)->is_input)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "casts a tensor to type %lld", (long long)to);
    return nothing(im);
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

/* ---- parts ------------------------------------------------------------------------------------------------------- */

/* Elements from … to of an axis. A picture is cropped; anything else is seen as a picture first. */
static hone_status cut(hone__onnx_import *im, hone__onnx_value *value, int axis, int64_t from, int64_t to) {
    static const int picture[4] = {0, 2, 3, 1};
    hone__onnx_layout *layout = &value->layout;
    int64_t dims[HONE_ONNX_AXES], before = 1, after = 1;
    if (!hone__onnx_layout_leads(layout) || axis == 0)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "takes a part of the batch");
    if (from == 0 && to == layout->dims[axis]) return HONE_OK;
    bool is_image = layout->rank == 4;
    if (is_image)
        HONE_TRY(hone__onnx_arrange_image(im, value));
    else
        HONE_TRY(hone__onnx_arrange_plain(im, value));
    int place = !is_image ? axis - 1 : axis == 1 ? 2 : axis - 2;
    for (int i = 0; i < value->shape.rank; i++) {
        before *= i < place ? value->shape.dims[i] : 1;
        after *= i > place ? value->shape.dims[i] : 1;
    }
    memcpy(dims, layout->dims, sizeof dims);
    const int64_t n = dims[axis];
    hone_shape seen = {3, {before, n, after}};
    int rank = layout->rank, count = layout->count - 1;
    HONE_TRY(hone__onnx_arrange(im, value, layout->stored + 1, count, &seen));
    hone_value *config = hone_value_object(), *list = hone_value_list();
    hone_value_append(list, hone_value_integers((const int64_t[]){0, 0}, 2));
    hone_value_append(list, hone_value_integers((const int64_t[]){from, n - to}, 2));
    hone_value_set(config, "cropping", list);
    HONE_TRY(hone__onnx_map(im, "Cropping2D", config, value, value));
    value->shape.dims[1] = dims[axis] = to - from;
    return hone__onnx_layout_init(im, layout, dims, rank, 0, is_image ? picture : NULL);
}

/* Of a Dense that is yet to be made, an axis that its units alone form: only those columns will be. */
static hone_status pick(hone__onnx_import *im, hone__onnx_value *value, int axis, int64_t from, int64_t to,
                        bool *picked) {
    hone__onnx_weighted *w = value->weighted, *made;
    hone__onnx_layout *layout = &value->layout;
    int first, atoms = value->kind == ONNX_WEIGHTED ? hone__onnx_layout_atoms(layout, axis, &first) : 0;
    *picked = false;
    if (atoms != 1 || !w->is_dense || w->layer || (from == 0 && to == layout->dims[axis])) return HONE_OK;
    size_t inner = 1, units = w->units, at = (size_t)layout->count;
    while (at > 0 && layout->stored[at - 1] != first) inner *= (size_t)layout->sizes[layout->stored[--at]];
    size_t n = (size_t)layout->sizes[first], length = (size_t)(to - from);
    if (units % (inner * n) != 0) return HONE_OK; /* an axis of the source */
    size_t rows = w->kernel_size / units, kept = units / n * length;
    HONE_TRY(hone__onnx_weighted_create(im, value, w->class_name, rows * kept, kept, w->bias != NULL, &made));
    for (size_t i = 0, column = 0; i < units; i++) {
        size_t index = i / inner % n;
        if (index < (size_t)from || index >= (size_t)to) continue;
        for (size_t row = 0; row < rows; row++) made->kernel[row * kept + column] = w->kernel[row * units + i];
        if (w->bias) made->bias[column] = w->bias[i];
        column++;
    }
    made->stem = w->stem;
    made->is_dense = true;
    memcpy(made->source, w->source, sizeof made->source);
    made->source_shape = w->source_shape;
    made->output = w->output;
    made->output.dims[made->output.rank - 1] = (int64_t)kept;
    layout->dims[axis] = layout->sizes[first] = (int64_t)length;
    *picked = true;
    if (length > 1) return HONE_OK;
    int place = 0; /* an axis of one element has no atom */
    while (layout->stored[place] != first) place++;
    for (int i = place; i + 1 < layout->count; i++) layout->stored[i] = layout->stored[i + 1];
    layout->count--;
    for (int i = 0; i < layout->count; i++) layout->stored[i] -= layout->stored[i] > first;
    for (int i = first; i < layout->count; i++) {
        layout->sizes[i] = layout->sizes[i + 1];
        layout->axes[i] = layout->axes[i + 1];
    }
    layout->batch -= layout->batch > first;
    return HONE_OK;
}

static hone_status part(hone__onnx_import *im, hone__onnx_value *value, int axis, int64_t from, int64_t to) {
    bool picked;
    if (from < 0 || to <= from || to > value->layout.dims[axis])
        return hone__onnx_refuse(im, HONE_SHAPE, "takes elements %lld to %lld of %lld", (long long)from, (long long)to,
                                 (long long)value->layout.dims[axis]);
    HONE_TRY(pick(im, value, axis, from, to, &picked));
    return picked ? HONE_OK : cut(im, value, axis, from, to);
}

static hone_status slice(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    int64_t starts[HONE_ONNX_AXES], ends[HONE_ONNX_AXES], axes[HONE_ONNX_AXES], steps[HONE_ONNX_AXES];
    size_t count, end_count, axis_count, step_count;
    HONE_TRY(hone__onnx_axes(im, "starts", 1, starts, &count));
    HONE_TRY(hone__onnx_axes(im, "ends", 2, ends, &end_count));
    HONE_TRY(hone__onnx_axes(im, "axes", 3, axes, &axis_count));
    HONE_TRY(hone__onnx_axes(im, "steps", 4, steps, &step_count));
    if (end_count != count || (axis_count && axis_count != count) || (step_count && step_count != count))
        return hone__onnx_refuse(im, HONE_FORMAT, "starts, ends, axes and steps are not of the same length");
    HONE_TRY(look(im, x, out));
    for (size_t i = 0; i < count; i++) {
        int axis;
        HONE_TRY(axis_of(im, axis_count ? axes[i] : (int64_t)i, x->layout.rank, &axis));
        if (step_count && steps[i] != 1)
            return hone__onnx_refuse(im, HONE_UNSUPPORTED, "takes every %lld elements", (long long)steps[i]);
        int64_t n = x->layout.dims[axis];
        int64_t from = starts[i] < -n ? 0 : starts[i] < 0 ? starts[i] + n : starts[i];
        int64_t to = ends[i] < -n ? 0 : ends[i] < 0 ? ends[i] + n : ends[i] < n ? ends[i] : n;
        HONE_TRY(part(im, out, axis, from, to));
    }
    return HONE_OK;
}

/* One element of an axis, which it takes away or leaves. */
static hone_status gather(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    const hone__onnx_value *index = hone__onnx_in(im, 1);
    int axis, rank = 0;
    HONE_TRY(axis_of(im, hone__onnx_integer(im->node, "axis", 0), x->layout.rank, &axis));
    if (!index || index->kind != ONNX_CONSTANT || index->constant.count != 1 || index->constant.rank > 1)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "gathers by something else than one constant index");
    double stated = hone__onnx_constant_at(&index->constant, 0), n = (double)x->layout.dims[axis];
    if (!(stated >= -n && stated < n)) return hone__onnx_refuse(im, HONE_SHAPE, "takes element %g of %g", stated, n);
    int64_t at = (int64_t)(stated < 0 ? stated + n : stated), dims[HONE_ONNX_AXES];
    HONE_TRY(look(im, x, out));
    HONE_TRY(part(im, out, axis, at, at + 1));
    if (index->constant.rank == 1) return HONE_OK;
    for (int i = 0; i < out->layout.rank; i++)
        if (i != axis) dims[rank++] = out->layout.dims[i];
    return reshape_to(im, out, dims, rank);
}

static hone_status split(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0);
    int64_t sizes[HONE_ONNX_INPUTS];
    size_t parts = im->node->n_output;
    const hone__onnx_value *stated = hone__onnx_in(im, 1);
    const Hone__Onnx__Attribute *listed = hone__onnx_attribute(im->node, "split");
    int axis;
    HONE_TRY(axis_of(im, hone__onnx_integer(im->node, "axis", 0), x->layout.rank, &axis));
    int64_t n = x->layout.dims[axis], each = (n + (int64_t)parts - 1) / (int64_t)parts;
    if (parts > HONE_ONNX_INPUTS || (stated && (stated->kind != ONNX_CONSTANT || stated->constant.count != parts)) ||
        (listed && listed->n_ints != parts))
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "splits into %zu parts of unknown sizes", parts);
    for (size_t i = 0; i < parts; i++) {
        int64_t left = n - (int64_t)i * each;
        sizes[i] = listed   ? listed->ints[i]
                   : stated ? (int64_t)hone__onnx_constant_at(&stated->constant, i)
                            : (left < each ? left : each);
    }
    int64_t from = 0;
    for (size_t i = 0; i < parts; i++) {
        size_t index;
        HONE_TRY(hone__onnx_find(im, im->node->output[i], &index));
        if (sizes[i] < 0 || sizes[i] > n - from) return hone__onnx_refuse(im, HONE_SHAPE, "splits into too much");
        HONE_TRY(look(im, x, &im->values[index]));
        HONE_TRY(part(im, &im->values[index], axis, from, from + sizes[i]));
        from += sizes[i];
    }
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
        HONE_TRY(axis_of(im, axes[i], x->layout.rank, &axis));
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
    {"Identity", nothing},    {"Cast", cast},           {"Dropout", dropout},
    {"Reshape", reshape},     {"Flatten", flatten},     {"Squeeze", squeeze},
    {"Unsqueeze", unsqueeze}, {"Transpose", transpose}, {"Slice", slice},
    {"Gather", gather},       {"Split", split},         {"ReduceMean", reduce},
    {"ReduceMax", reduce},    {"Expand", expand},       {NULL, NULL},
};
