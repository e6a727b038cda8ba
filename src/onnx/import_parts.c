/* SPDX-License-Identifier: Apache-2.0
 *
 * From ONNX: what takes a part of a tensor. Of a Dense that is yet to be made it is a part of its columns; of anything
 * else a crop of what is seen as a picture. */
#include "onnx_import.h"

#include <string.h>

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
    HONE_TRY(hone__onnx_look(im, x, out));
    for (size_t i = 0; i < count; i++) {
        int axis;
        HONE_TRY(hone__onnx_axis_of(im, axis_count ? axes[i] : (int64_t)i, x->layout.rank, &axis));
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
    HONE_TRY(hone__onnx_axis_of(im, hone__onnx_integer(im->node, "axis", 0), x->layout.rank, &axis));
    if (!index || index->kind != ONNX_CONSTANT || index->constant.count != 1 || index->constant.rank > 1)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "gathers by something else than one constant index");
    double stated = hone__onnx_constant_at(&index->constant, 0), n = (double)x->layout.dims[axis];
    if (!(stated >= -n && stated < n)) return hone__onnx_refuse(im, HONE_SHAPE, "takes element %g of %g", stated, n);
    int64_t at = (int64_t)(stated < 0 ? stated + n : stated), dims[HONE_ONNX_AXES];
    HONE_TRY(hone__onnx_look(im, x, out));
    HONE_TRY(part(im, out, axis, at, at + 1));
    if (index->constant.rank == 1) return HONE_OK;
    for (int i = 0; i < out->layout.rank; i++)
        if (i != axis) dims[rank++] = out->layout.dims[i];
    return hone__onnx_reshape_to(im, out, dims, rank);
}

static hone_status split(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0);
    int64_t sizes[HONE_ONNX_INPUTS];
    size_t parts = im->node->n_output;
    const hone__onnx_value *stated = hone__onnx_in(im, 1);
    const Hone__Onnx__Attribute *listed = hone__onnx_attribute(im->node, "split");
    int axis;
    HONE_TRY(hone__onnx_axis_of(im, hone__onnx_integer(im->node, "axis", 0), x->layout.rank, &axis));
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
        HONE_TRY(hone__onnx_look(im, x, &im->values[index]));
        HONE_TRY(part(im, &im->values[index], axis, from, from + sizes[i]));
        from += sizes[i];
    }
    return HONE_OK;
}

const hone__onnx_operators hone__onnx_part_operators[] = {
    {"Slice", slice},
    {"Gather", gather},
    {"Split", split},
    {NULL, NULL},
};
