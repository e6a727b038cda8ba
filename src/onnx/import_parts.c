/* SPDX-License-Identifier: Apache-2.0
 *
 * From ONNX: what takes a part of a tensor. Of a Dense that is yet to be made it is a part of its columns; of anything
 * else a crop of what is seen as a picture. */
#include "onnx_import.h"

#include <string.h>

/* Elements of an axis, which is seen as the columns of a picture. Of every so many, windows of one pixel take the
 * first. */
static hone_status cut(hone__onnx_import *im, hone__onnx_value *value, int axis, hone__onnx_slice s) {
    hone__onnx_layout *layout = &value->layout;
    const int64_t n = layout->dims[axis], to = s.from + (s.count - 1) * s.step + 1;
    const bool not_negative = value->not_negative;
    if (layout->axes[layout->batch] == axis)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "takes a part of the batch");
    HONE_TRY(hone__onnx_arrange_around(im, value, axis));
    hone_shape shape = value->shape;
    shape.dims[1] = s.count;
    if (s.from != 0 || to != n) {
        hone_value *config = hone_value_object(), *list = hone_value_list();
        hone_value_append(list, hone_value_integers((const int64_t[]){0, 0}, 2));
        hone_value_append(list, hone_value_integers((const int64_t[]){s.from, n - to}, 2));
        hone_value_set(config, "cropping", list);
        HONE_TRY(hone__onnx_map(im, "Cropping2D", config, value, value));
    }
    if (s.step > 1) {
        hone_value *config = hone_value_object();
        hone_value_set(config, "pool_size", hone_value_integers((const int64_t[]){1, 1}, 2));
        hone_value_set(config, "strides", hone_value_integers((const int64_t[]){1, s.step}, 2));
        HONE_TRY(hone__onnx_map(im, "MaxPooling2D", config, value, value));
    }
    value->shape = shape;
    value->not_negative = not_negative;
    hone__onnx_layout_resize(layout, axis, s.count);
    return HONE_OK;
}

/* Of a Dense that is yet to be made, an axis that its units alone form: only those columns will be. */
static hone_status pick(hone__onnx_import *im, hone__onnx_value *value, int axis, hone__onnx_slice s, bool *picked) {
    hone__onnx_weighted *w = value->weighted, *made;
    hone__onnx_layout *layout = &value->layout;
    int first, atoms = value->kind == ONNX_WEIGHTED ? hone__onnx_layout_atoms(layout, axis, &first) : 0;
    *picked = false;
    if (atoms != 1 || !w->is_dense || w->layer) return HONE_OK;
    size_t inner = 1, units = w->units, at = (size_t)layout->count;
    while (at > 0 && layout->stored[at - 1] != first) inner *= (size_t)layout->sizes[layout->stored[--at]];
    size_t n = (size_t)layout->sizes[first], length = (size_t)s.count;
    if (units % (inner * n) != 0) return HONE_OK; /* an axis of the source */
    size_t rows = w->kernel_size / units, kept = units / n * length;
    HONE_TRY(hone__onnx_weighted_create(im, value, w->class_name, rows * kept, kept, w->bias != NULL, &made));
    for (size_t i = 0, column = 0; i < units; i++) {
        int64_t index = (int64_t)(i / inner % n) - s.from;
        if (index < 0 || index % s.step != 0 || index / s.step >= s.count) continue;
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
    hone__onnx_layout_resize(layout, axis, (int64_t)length);
    *picked = true;
    return HONE_OK;
}

/* From the last element to the first. */
static hone_status turn(hone__onnx_import *im, hone__onnx_value *value, int axis, hone__onnx_slice s) {
    hone__onnx_value turned = {.name = value->name};
    HONE_TRY(hone__onnx_realise(im, value));
    HONE_TRY(hone__onnx_part(im, value, axis, (hone__onnx_slice){s.from - s.count + 1, 1, s.count}));
    hone_status status = hone__onnx_turn_axis(im, value, axis, &turned);
    if (!status) {
        hone__free(value->layer);
        value->layer = turned.layer;
        value->layout = turned.layout;
        value->shape = turned.shape;
        turned.layer = NULL;
    }
    hone__free(turned.layer);
    return status;
}

hone_status hone__onnx_part(hone__onnx_import *im, hone__onnx_value *value, int axis, hone__onnx_slice s) {
    const int64_t n = value->layout.dims[axis];
    bool picked;
    if (s.from < 0 || s.count < 1 || s.from >= n)
        return hone__onnx_refuse(im, HONE_SHAPE, "takes %lld of %lld elements, from number %lld on", (long long)s.count,
                                 (long long)n, (long long)s.from);
    if (s.count == n && s.step == 1) return HONE_OK;
    if (s.count == 1) s.step = 1;
    if (s.step == -1) return turn(im, value, axis, s);
    if (s.step < 0) return hone__onnx_refuse(im, HONE_UNSUPPORTED, "turns an axis round, in steps");
    if (s.step > HONE_MAX_WINDOW)
        return hone__onnx_refuse(im, HONE_LIMIT, "takes steps of %lld elements", (long long)s.step);
    HONE_TRY(pick(im, value, axis, s, &picked));
    return picked ? HONE_OK : cut(im, value, axis, s);
}

/* Bounds that may count from the end, or lie beyond it. */
static hone_status resolve(const hone__onnx_import *im, int64_t n, int64_t start, int64_t end, int64_t step,
                           hone__onnx_slice *out) {
    if (step == 0 || step > HONE_MAX_ELEMENTS || step < -HONE_MAX_ELEMENTS)
        return hone__onnx_refuse(im, HONE_FORMAT, "takes steps of %lld elements", (long long)step);
    int64_t low = step > 0 ? 0 : -1, high = step > 0 ? n : n - 1;
    int64_t from = start < -n ? low : start < 0 ? start + n : start, to = end < -n ? low : end < 0 ? end + n : end;
    from = from < low ? low : from > high ? high : from;
    to = to < low ? low : to > high ? high : to;
    int64_t length = step > 0 ? to - from : from - to, stride = step > 0 ? step : -step;
    *out = (hone__onnx_slice){.from = from, .step = step, .count = length > 0 ? (length + stride - 1) / stride : 0};
    return HONE_OK;
}

hone_status hone__onnx_read_slices(hone__onnx_import *im, int rank, const int64_t *dims, hone__onnx_slice *slices) {
    int64_t starts[HONE_ONNX_AXES], ends[HONE_ONNX_AXES], axes[HONE_ONNX_AXES], steps[HONE_ONNX_AXES];
    size_t count, end_count, axis_count, step_count;
    HONE_TRY(hone__onnx_axes(im, "starts", 1, starts, &count));
    HONE_TRY(hone__onnx_axes(im, "ends", 2, ends, &end_count));
    HONE_TRY(hone__onnx_axes(im, "axes", 3, axes, &axis_count));
    HONE_TRY(hone__onnx_axes(im, "steps", 4, steps, &step_count));
    if (end_count != count || (axis_count && axis_count != count) || (step_count && step_count != count))
        return hone__onnx_refuse(im, HONE_FORMAT, "starts, ends, axes and steps are not of the same length");
    for (int i = 0; i < rank; i++) slices[i] = (hone__onnx_slice){.step = 1, .count = dims[i]};
    for (size_t i = 0; i < count; i++) {
        int axis;
        HONE_TRY(hone__onnx_axis_of(im, axis_count ? axes[i] : (int64_t)i, rank, &axis));
        HONE_TRY(resolve(im, dims[axis], starts[i], ends[i], step_count ? steps[i] : 1, &slices[axis]));
    }
    return HONE_OK;
}

static hone_status slice(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    hone__onnx_slice slices[HONE_ONNX_AXES];
    HONE_TRY(hone__onnx_read_slices(im, x->layout.rank, x->layout.dims, slices));
    HONE_TRY(hone__onnx_look(im, x, out));
    for (int axis = 0; axis < x->layout.rank; axis++) HONE_TRY(hone__onnx_part(im, out, axis, slices[axis]));
    return HONE_OK;
}

/* Rows of a constant table, by numbers that are computed: an Embedding. */
static hone_status look_up(hone__onnx_import *im, const hone__onnx_value *table, hone__onnx_value *index,
                           hone__onnx_value *out) {
    int64_t dims[HONE_ONNX_AXES];
    const hone__onnx_constant *c = &table->constant;
    if (index && index->kind == ONNX_NOTE && index->note == NOTE_INTEGER) index = &im->values[index->base];
    if (!index || c->rank != 2 || c->count == 0 || hone__onnx_integer(im->node, "axis", 0) != 0 ||
        index->layout.rank == HONE_ONNX_AXES)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "looks up something else than rows of a matrix");
    HONE_TRY(hone__onnx_arrange_plain(im, index));
    int rank = index->layout.rank;
    if (index->shape.rank == HONE_MAX_RANK || !hone__onnx_layout_leads(&index->layout))
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "looks up numbers of %d axes", rank);
    const float *numbers;
    HONE_TRY(hone__onnx_vector(im, 0, c->count, &numbers));
    hone_value *config = hone_value_object();
    hone_value_set_integer(config, "input_dim", c->dims[0]);
    hone_value_set_integer(config, "output_dim", c->dims[1]);
    HONE_TRY(hone__onnx_map(im, "Embedding", config, index, out));
    out->shape.dims[out->shape.rank++] = c->dims[1];
    HONE_TRY(hone__check_elements(&out->shape, im->err));
    HONE_TRY(hone__onnx_add_copy(im, out->layer, "embeddings", numbers, c->count));
    memcpy(dims, index->layout.dims, sizeof dims);
    dims[rank] = c->dims[1];
    return hone__onnx_layout_init(im, &out->layout, dims, rank + 1, 0, NULL);
}

/* Indices that lie equally far apart: a slice. */
static hone_status indices_as_slice(const hone__onnx_import *im, const hone__onnx_constant *c, int64_t n,
                                    hone__onnx_slice *out) {
    *out = (hone__onnx_slice){.step = 1, .count = (int64_t)c->count};
    for (size_t i = 0; i < c->count; i++) {
        int64_t stated = hone__onnx_constant_integer(c, i);
        if (stated < -n || stated >= n)
            return hone__onnx_refuse(im, HONE_SHAPE, "takes element %lld of %lld", (long long)stated, (long long)n);
        int64_t at = stated < 0 ? stated + n : stated;
        if (i == 0) out->from = at;
        if (i == 1) out->step = at - out->from;
        if (at != out->from + (int64_t)i * out->step || out->step == 0)
            return hone__onnx_refuse(im, HONE_UNSUPPORTED, "takes elements that do not lie equally far apart");
    }
    return HONE_OK;
}

/* 0, 1, 2, … n - 1: all elements, as they are (PyTorch's exporter says so for a view by strides). */
static bool counts_up(const hone__onnx_constant *c, int64_t n) {
    if (!c->is_integer || c->count != (size_t)n) return false;
    for (size_t i = 0; i < c->count; i++)
        if (c->integers[i] != (int64_t)i) return false;
    return true;
}

/* Some elements of an axis; a single one without a list takes the axis away. */
static hone_status gather(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *index = hone__onnx_in(im, 1), *out = hone__onnx_out(im);
    if (x->kind == ONNX_CONSTANT) return look_up(im, x, index, out);
    int axis, rank = 0;
    hone__onnx_slice s;
    int64_t dims[HONE_ONNX_AXES];
    HONE_TRY(hone__onnx_axis_of(im, hone__onnx_integer(im->node, "axis", 0), x->layout.rank, &axis));
    if (!index || index->kind != ONNX_CONSTANT || index->constant.count == 0)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "gathers by something else than a constant index or list");
    if (counts_up(&index->constant, x->layout.dims[axis]) && x->layout.rank == 1) {
        HONE_TRY(hone__onnx_look(im, x, out));
        return hone__onnx_reshape_to(im, out, index->constant.dims, index->constant.rank);
    }
    if (index->constant.rank > 1)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "gathers by a constant of %d axes", index->constant.rank);
    HONE_TRY(indices_as_slice(im, &index->constant, x->layout.dims[axis], &s));
    HONE_TRY(hone__onnx_look(im, x, out));
    HONE_TRY(hone__onnx_part(im, out, axis, s));
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
        if (sizes[i] < 0 || sizes[i] > n - from) return hone__onnx_refuse(im, HONE_SHAPE, "splits into too much");
        if (im->node->output[i][0] == '\0') { /* nobody wants it */
            from += sizes[i];
            continue;
        }
        HONE_TRY(hone__onnx_find(im, im->node->output[i], &index));
        HONE_TRY(hone__onnx_look(im, x, &im->values[index]));
        HONE_TRY(hone__onnx_part(im, &im->values[index], axis, (hone__onnx_slice){from, 1, sizes[i]}));
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
