/* SPDX-License-Identifier: Apache-2.0
 *
 * From ONNX: a tensor plus or times a constant, which is a bias, a part of a GELU or of a layer normalisation, a scale
 * of each channel, or a table of positions. */
#include "onnx_import.h"

#include <math.h>
#include <string.h>

/* ---- with a number ----------------------------------------------------------------------------------------------- */

/* relu6(x + 3) / 6 */
static bool is_hard_sigmoid(const hone__onnx_import *im, const hone__onnx_value *clamped, double scale) {
    const hone__onnx_value *moved = &im->values[clamped->base];
    return hone__onnx_near(scale, 1.0 / 6) && clamped->a == 0 && clamped->b == 6 && moved->kind == ONNX_NOTE &&
           moved->note == NOTE_AFFINE && moved->a == 1 && moved->b == 3;
}

hone_status hone__onnx_with_number(hone__onnx_import *im, hone__onnx_value *x, double scale, double offset,
                                   hone__onnx_value *out) {
    if (x->kind == ONNX_NOTE) {
        hone__onnx_value *base = &im->values[x->base];
        switch (x->note) {
        case NOTE_ERF:
            return hone__onnx_note_about(im, base, NOTE_ERF, x->a * scale, x->b + (offset != 0 ? offset / x->a : 0),
                                         out);
        case NOTE_GATED:
            if (offset == 0) return hone__onnx_note_about(im, base, NOTE_GATED, x->a * scale, 0, out);
            break;
        case NOTE_VARIANCE:
            if (scale == 1) {
                HONE_TRY(hone__onnx_note_about(im, base, NOTE_VARIANCE, 0, x->b + offset, out));
                out->layout = x->layout;
                return HONE_OK;
            }
            break;
        case NOTE_CLAMPED:
            if (offset == 0 && is_hard_sigmoid(im, x, scale)) {
                out->activation = "hard_sigmoid";
                return hone__onnx_note_about(im, &im->values[base->base], NOTE_FUNCTION, 0, 0, out);
            }
            break;
        default: break;
        }
    }
    if (x->kind == ONNX_SCORES && offset == 0) return hone__onnx_scale_scores(im, x, scale, out);
    return hone__onnx_note_about(im, x, NOTE_AFFINE, scale, offset, out);
}

/* ---- with a table ------------------------------------------------------------------------------------------------ */

/* A number for each channel, in training too: a depthwise convolution of one pixel. Right behind the input, where it
 * prepares pixels, a Rescaling, which stays as it is. */
static hone_status with_channels(hone__onnx_import *im, hone__onnx_value *x, int axis, const float *scale,
                                 const float *offset, hone__onnx_value *out) {
    if (x->layout.rank == 4 && axis == 1)
        HONE_TRY(hone__onnx_arrange_image(im, x));
    else if (axis == x->layout.rank - 1)
        HONE_TRY(hone__onnx_arrange_last(im, x));
    else
        HONE_TRY(hone__onnx_arrange_axis_last(im, x, axis));
    hone_shape seen = x->shape;
    int64_t channels = seen.dims[seen.rank - 1];
    hone_value *config = hone_value_object();
    if (x->is_input) {
        hone_value *scales = hone_value_list(), *offsets = hone_value_list();
        for (int64_t i = 0; i < channels; i++) {
            hone_value_append(scales, hone_value_real(scale ? (double)scale[i] : 1));
            hone_value_append(offsets, hone_value_real(offset ? (double)offset[i] : 0));
        }
        hone_value_set(config, "scale", scales);
        hone_value_set(config, "offset", offsets);
        HONE_TRY(hone__onnx_map(im, "Rescaling", config, x, out));
        out->is_input = true;
        return HONE_OK;
    }
    if (seen.rank != 3) {
        seen = (hone_shape){3, {hone_shape_size(&x->shape) / channels, 1, channels}};
        hone_status status = hone__onnx_arrange(im, x, x->layout.stored + 1, x->layout.count - 1, &seen);
        if (status) {
            hone_value_free(config);
            return status;
        }
    }
    hone_value_set_integer(config, "kernel_size", 1);
    hone_value_set_boolean(config, "use_bias", offset != NULL);
    HONE_TRY(hone__onnx_map(im, "DepthwiseConv2D", config, x, out));
    float *kernel = hone__alloc((size_t)channels, sizeof *kernel);
    if (!kernel) return hone__fail_memory(im->err, (size_t)channels * sizeof *kernel, "a kernel");
    for (int64_t i = 0; i < channels; i++) kernel[i] = scale ? scale[i] : 1;
    HONE_TRY(hone__onnx_add_weights(im, out->layer, "depthwise_kernel", kernel, (size_t)channels));
    return offset ? hone__onnx_add_copy(im, out->layer, "bias", offset, (size_t)channels) : HONE_OK;
}

/* A mask is added to scores: nothing, or the same large number less. */
static bool is_mask(const float *numbers, size_t count) {
    enum { LEAST = -10 };
    float masked = 0;
    for (size_t i = 0; i < count; i++) {
        if (numbers[i] == 0) continue;
        if (numbers[i] > LEAST || (masked != 0 && numbers[i] != masked)) return false;
        masked = numbers[i];
    }
    return masked != 0;
}

/* rows x units numbers that are the same for every sample, and can be trained unless they are fixed: rows of an
 * Embedding, whose numbers are made of anything that a sample has. */
hone_status hone__onnx_table(hone__onnx_import *im, const hone__onnx_value *reference, const float *numbers,
                             int64_t rows, int64_t units, bool is_fixed, char **layer) {
    hone__onnx_value v = {.kind = ONNX_TENSOR, .shape = reference->shape};
    hone_value *config = hone_value_object(), *offsets = hone_value_list();
    v.layer = hone__strdup(reference->layer);
    hone_status status = v.layer ? HONE_OK : hone__fail_memory(im->err, strlen(reference->layer), "a name");
    const int64_t column[2] = {hone_shape_size(&reference->shape), 1};
    hone_value *seen = hone_value_object(), *repeats = hone_value_object();
    hone_value_set(seen, "target_shape", hone_value_integers(column, 2));
    hone_value_set_integer(repeats, "n", rows);
    if (!status) {
        status = hone__onnx_map(im, "Reshape", seen, &v, &v);
        seen = NULL;
    }
    if (!status) status = hone__onnx_map(im, "GlobalAveragePooling1D", NULL, &v, &v);
    if (!status && rows > 1) {
        status = hone__onnx_map(im, "RepeatVector", repeats, &v, &v);
        repeats = NULL;
        if (!status) status = hone__onnx_map(im, "Flatten", NULL, &v, &v);
    }
    for (int64_t i = 0; i < rows; i++) hone_value_append(offsets, hone_value_integer(i));
    hone_value_set_real(config, "scale", 0);
    if (rows == 1)
        hone_value_set_real(config, "offset", 0);
    else
        hone_value_set(config, "offset", offsets);
    if (rows == 1) hone_value_free(offsets);
    if (!status) {
        status = hone__onnx_map(im, "Rescaling", config, &v, &v);
        config = NULL;
    }
    hone_value *table = hone_value_object();
    hone_value_set_integer(table, "input_dim", rows);
    hone_value_set_integer(table, "output_dim", units);
    if (is_fixed || is_mask(numbers, (size_t)(rows * units))) hone_value_set_boolean(table, "trainable", false);
    if (!status) {
        status = hone__onnx_map(im, "Embedding", table, &v, &v);
        table = NULL;
    }
    if (!status) status = hone__onnx_add_copy(im, v.layer, "embeddings", numbers, (size_t)(rows * units));
    hone_value_free(seen);
    hone_value_free(repeats);
    hone_value_free(config);
    hone_value_free(table);
    if (status) {
        hone__free(v.layer);
        return status;
    }
    *layer = v.layer;
    return HONE_OK;
}

/* Is there a number for each element of a sample, in its order, as of a table of positions? */
static bool has_all_elements(const hone__onnx_value *x, const hone__onnx_constant *c) {
    const hone__onnx_layout *layout = &x->layout;
    int64_t size = 1, units = layout->rank > 1 ? layout->dims[layout->rank - 1] : 1;
    bool fits = hone__onnx_layout_leads(layout) && c->rank <= layout->rank && layout->rank - 1 <= HONE_MAX_RANK;
    for (int axis = 1; axis < layout->rank; axis++) size *= layout->dims[axis];
    for (int i = 1; i <= c->rank && fits; i++) {
        int axis = layout->rank - i;
        fits = c->dims[c->rank - i] == (axis == 0 ? 1 : layout->dims[axis]);
    }
    return fits && (int64_t)c->count == size && size / units <= HONE_MAX_PADDING &&
           hone__onnx_layout_lies(layout, NULL);
}

hone_status hone__onnx_merge_constant(hone__onnx_import *im, const char *class_name, hone__onnx_value *x,
                                      hone__onnx_constant *c, bool is_first, hone__onnx_value *out) {
    hone__onnx_value made = {.name = x->name};
    HONE_TRY(hone__onnx_realise(im, x));
    hone_status status = hone__onnx_constant_tensor(im, c, x, &made);
    hone__onnx_value *const both[2] = {is_first ? &made : x, is_first ? x : &made};
    if (!status) status = hone__onnx_merge(im, class_name, both, 2, out);
    hone__free(made.layer);
    return status;
}

/* A constant for each element of a sample, a table of positions say. */
static hone_status with_elements(hone__onnx_import *im, hone__onnx_value *x, const float *numbers, bool is_fixed,
                                 const char *class_name, hone__onnx_value *out) {
    HONE_TRY(hone__onnx_arrange_plain(im, x));
    int64_t units = x->shape.dims[x->shape.rank - 1], size = hone_shape_size(&x->shape);
    char *table;
    hone_shape rows = {2, {size / units, units}}, before = x->shape;
    HONE_TRY(hone__onnx_arrange(im, x, x->layout.stored + 1, x->layout.count - 1, &rows));
    HONE_TRY(hone__onnx_table(im, x, numbers, rows.dims[0], units, is_fixed, &table));
    const char *sources[2] = {x->layer, table};
    hone_status status = hone__onnx_add_merge(im, class_name, sources, 2, out);
    hone__free(table);
    out->layout = x->layout;
    out->shape = rows;
    if (status) return status;
    return hone__onnx_arrange(im, out, out->layout.stored + 1, out->layout.count - 1, &before);
}

static bool is_normalized(const hone__onnx_value *x) {
    return x->kind == ONNX_NOTE && x->note == NOTE_NORMALIZED;
}

/* gamma or beta of a layer normalisation that is being put together. */
static hone_status with_gamma(hone__onnx_import *im, const hone__onnx_value *x, const float *gamma, const float *beta,
                              size_t n, hone__onnx_value *out) {
    HONE_TRY(hone__onnx_note_about(im, &im->values[x->base], NOTE_NORMALIZED, x->a, 0, out));
    out->gamma = gamma || x->gamma ? hone__alloc(n, sizeof *out->gamma) : NULL;
    out->beta = beta || x->beta ? hone__alloc(n, sizeof *out->beta) : NULL;
    if (((gamma || x->gamma) && !out->gamma) || ((beta || x->beta) && !out->beta))
        return hone__fail_memory(im->err, n * sizeof(float), "a normalisation");
    for (size_t i = 0; i < n; i++) {
        if (out->gamma) out->gamma[i] = (x->gamma ? x->gamma[i] : 1) * (gamma ? gamma[i] : 1);
        if (out->beta) out->beta[i] = (x->beta ? x->beta[i] : 0) * (gamma ? gamma[i] : 1) + (beta ? beta[i] : 0);
    }
    return HONE_OK;
}

/* The bias of a layer in wait: the constant runs along the axis that its units form. */
static bool takes_bias(const hone__onnx_value *x, int axis, size_t n) {
    if (x->kind != ONNX_WEIGHTED || x->weighted->layer || x->weighted->units != n) return false;
    if (!x->weighted->is_dense) return axis == 1;
    int first, atoms = hone__onnx_layout_atoms(&x->layout, axis, &first);
    if (atoms < 1 || axis != x->layout.rank - 1) return false;
    for (int i = 0; i < atoms; i++)
        if (x->layout.stored[x->layout.count - atoms + i] != first + i) return false;
    return true;
}

/* Is an axis last in memory, or the channels of a picture? */
static bool lies_last(const hone__onnx_layout *layout, int axis) {
    static const int picture[4] = {0, 2, 3, 1};
    int first, atoms = hone__onnx_layout_atoms(layout, axis, &first);
    if (layout->axes[layout->batch] == axis) return false;
    if (layout->rank == 4 && axis == 1 && hone__onnx_layout_leads(layout) && hone__onnx_layout_lies(layout, picture))
        return true;
    for (int i = 0; i < atoms; i++)
        if (layout->stored[layout->count - atoms + i] != first + i) return false;
    return true;
}

hone_status hone__onnx_with_constant(hone__onnx_import *im, hone__onnx_value *x, hone__onnx_constant *constant,
                                     bool adds, double sign, hone__onnx_value *out) {
    const float *stated = hone__onnx_constant_reals(constant);
    if (!stated) return hone__fail_memory(im->err, constant->count * sizeof(float), "a constant");
    hone__onnx_constant one = hone__onnx_one_sample(im, constant, &x->layout), *c = &one;
    if (c->count == 1 && c->rank <= x->layout.rank)
        return hone__onnx_with_number(im, x, adds ? 1 : stated[0], adds ? sign * (double)stated[0] : 0, out);
    float *turned = NULL;
    if (adds && sign < 0) {
        turned = hone__alloc(c->count, sizeof *turned);
        if (!turned) return hone__fail_memory(im->err, c->count * sizeof *turned, "a constant");
        for (size_t i = 0; i < c->count; i++) turned[i] = -stated[i];
    }
    const float *numbers = turned ? turned : stated;
    int axis = hone__onnx_only_axis(&x->layout, c);
    hone_status status;
    if (axis == x->layout.rank - 1 && axis > 0 && is_normalized(x)) {
        status = with_gamma(im, x, adds ? NULL : numbers, adds ? numbers : NULL, c->count, out);
    } else if (adds && axis > 0 && takes_bias(x, axis, c->count)) {
        status = hone__onnx_add_bias(im, x, numbers, out);
    } else {
        const char *class_name = adds ? sign < 0 ? "Subtract" : "Add" : "Multiply";
        status = hone__onnx_realise(im, x);
        if (!status && axis > 0 && lies_last(&x->layout, axis))
            status = with_channels(im, x, axis, adds ? NULL : numbers, adds ? numbers : NULL, out);
        else if (!status && has_all_elements(x, c))
            status = with_elements(im, x, numbers, constant->is_mixed, adds ? "Add" : "Multiply", out);
        else if (!status)
            status = hone__onnx_merge_constant(im, class_name, x, c, false, out);
    }
    hone__free(turned);
    return status;
}
