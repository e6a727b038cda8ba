/* SPDX-License-Identifier: Apache-2.0
 *
 * From ONNX: arithmetic between tensors and with constants. Sums and products are where expressions show what they
 * are: a bias, a GELU, a layer normalisation, a position table. */
#include "onnx_import.h"

#include <math.h>
#include <string.h>

/* ---- with a number ----------------------------------------------------------------------------------------------- */

/* out = x scale + offset, where one of the two does nothing. */
static hone_status with_number(hone__onnx_import *im, hone__onnx_value *x, double scale, double offset,
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

/* rows x units numbers that are the same for every sample, and can be trained: rows of an Embedding, whose numbers
 * are made of anything that a sample has. */
hone_status hone__onnx_table(hone__onnx_import *im, const hone__onnx_value *reference, const float *numbers,
                             int64_t rows, int64_t units, char **layer) {
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

static hone_status add_merge(hone__onnx_import *im, const char *class_name, const char *const *sources, size_t count,
                             hone__onnx_value *out) {
    hone__free(out->layer);
    out->layer = NULL;
    HONE_TRY(hone__onnx_add_layer(im, class_name, NULL, NULL, sources, count, &out->layer));
    out->kind = ONNX_TENSOR;
    return HONE_OK;
}

/* A constant for each element of a sample, a table of positions say. */
static hone_status with_elements(hone__onnx_import *im, hone__onnx_value *x, const hone__onnx_constant *c,
                                 const float *numbers, const char *class_name, hone__onnx_value *out) {
    HONE_TRY(hone__onnx_arrange_plain(im, x));
    int64_t units = x->shape.dims[x->shape.rank - 1], size = hone_shape_size(&x->shape);
    bool fits = hone__onnx_layout_leads(&x->layout) && (int64_t)c->count == size && c->rank <= x->layout.rank;
    for (int i = 1; i <= c->rank && fits; i++) {
        int axis = x->layout.rank - i;
        fits = c->dims[c->rank - i] == (axis == 0 ? 1 : x->layout.dims[axis]);
    }
    if (!fits || size / units > HONE_MAX_PADDING)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED,
                                 "has a constant that is neither a number, nor one for each "
                                 "channel, nor one for each element");
    char *table;
    hone_shape rows = {2, {size / units, units}}, before = x->shape;
    HONE_TRY(hone__onnx_arrange(im, x, x->layout.stored + 1, x->layout.count - 1, &rows));
    HONE_TRY(hone__onnx_table(im, x, numbers, rows.dims[0], units, &table));
    const char *sources[2] = {x->layer, table};
    hone_status status = add_merge(im, class_name, sources, 2, out);
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

/* x plus (or times) a constant. */
static hone_status with_constant(hone__onnx_import *im, hone__onnx_value *x, hone__onnx_constant *c, bool adds,
                                 double sign, hone__onnx_value *out) {
    const float *stated = hone__onnx_constant_reals(c);
    if (!stated) return hone__fail_memory(im->err, c->count * sizeof(float), "a constant");
    if (c->count == 1 && c->rank <= x->layout.rank)
        return with_number(im, x, adds ? 1 : stated[0], adds ? sign * (double)stated[0] : 0, out);
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
        status = hone__onnx_realise(im, x);
        if (!status && axis > 0)
            status = with_channels(im, x, axis, adds ? NULL : numbers, adds ? numbers : NULL, out);
        else if (!status)
            status = with_elements(im, x, c, numbers, adds ? "Add" : "Multiply", out);
    }
    hone__free(turned);
    return status;
}

/* ---- of tensors -------------------------------------------------------------------------------------------------- */

/* Tensors side by side in memory: all in the order of the first where their atoms are the same, else all as
 * pictures, or in ONNX' own order. */
static hone_status align(hone__onnx_import *im, hone__onnx_value *const *values, size_t count) {
    const hone__onnx_layout *first = &values[0]->layout;
    bool same = true, images = true;
    for (size_t i = 0; i < count; i++) {
        const hone__onnx_layout *layout = &values[i]->layout;
        HONE_TRY(hone__onnx_realise(im, values[i]));
        if (!hone__onnx_layout_leads(layout) || layout->rank != first->rank)
            return hone__onnx_refuse(im, HONE_UNSUPPORTED, "its inputs have different numbers of axes");
        images = images && layout->rank == 4;
        same = same && layout->count == first->count;
        for (int k = 0; k < first->count && same; k++)
            same = layout->sizes[k] == first->sizes[k] && layout->axes[k] == first->axes[k];
        for (int k = 0; k < first->rank && same; k++) same = layout->dims[k] == first->dims[k];
    }
    for (size_t i = 0; i < count; i++) {
        if (images)
            HONE_TRY(hone__onnx_arrange_image(im, values[i]));
        else if (same)
            HONE_TRY(hone__onnx_arrange(im, values[i], first->stored + 1, first->count - 1, &values[0]->shape));
        else
            HONE_TRY(hone__onnx_arrange_plain(im, values[i]));
    }
    return HONE_OK;
}

/* Element by element; where dims differ, one of them is 1. */
static hone_status merge(hone__onnx_import *im, const char *class_name, hone__onnx_value *const *values, size_t count) {
    static const int picture[4] = {0, 2, 3, 1};
    hone__onnx_value *out = hone__onnx_out(im);
    const char *sources[HONE_ONNX_INPUTS];
    bool not_negative = true, differ = false;
    HONE_TRY(align(im, values, count));
    int64_t dims[HONE_ONNX_AXES];
    hone_shape shape = values[0]->shape;
    memcpy(dims, values[0]->layout.dims, sizeof dims);
    for (size_t i = 0; i < count; i++) {
        const hone__onnx_value *v = values[i];
        sources[i] = v->layer;
        not_negative = not_negative && v->not_negative;
        for (int k = 0; k < v->layout.rank; k++) {
            if (v->layout.dims[k] == dims[k]) continue;
            differ = true;
            if (v->layout.dims[k] != 1 && dims[k] != 1)
                return hone__onnx_refuse(im, HONE_SHAPE, "%lld elements meet %lld along axis %d", (long long)dims[k],
                                         (long long)v->layout.dims[k], k);
            if (dims[k] == 1) dims[k] = v->layout.dims[k];
        }
        for (int k = 0; k < shape.rank && k < v->shape.rank; k++)
            if (shape.dims[k] == 1) shape.dims[k] = v->shape.dims[k];
    }
    HONE_TRY(hone__check_elements(&shape, im->err));
    HONE_TRY(add_merge(im, class_name, sources, count, out));
    out->shape = shape;
    out->not_negative = not_negative && strcmp(class_name, "Subtract") != 0;
    out->layout = values[0]->layout;
    int rank = out->layout.rank;
    return differ ? hone__onnx_layout_init(im, &out->layout, dims, rank, 0, rank == 4 ? picture : NULL) : HONE_OK;
}

static bool is_note(const hone__onnx_value *v, hone__onnx_note what) {
    return v->kind == ONNX_NOTE && v->note == what;
}

/* Is v x, or a number times x? */
static bool is_multiple(const hone__onnx_import *im, const hone__onnx_value *v, size_t x, double *factor) {
    *factor = 1;
    if ((size_t)(v - im->values) == x) return true;
    *factor = v->a;
    return is_note(v, NOTE_AFFINE) && v->base == x && v->b == 0;
}

/* Products that are something: x f(x), x (1 + erf(x / sqrt 2)), (x - mean)^2. */
static bool known_product(hone__onnx_import *im, hone__onnx_value *one, hone__onnx_value *two, hone_status *status) {
    hone__onnx_value *out = hone__onnx_out(im);
    for (int turn = 0; turn < 2; turn++) {
        hone__onnx_value *x = turn ? two : one, *f = turn ? one : two;
        double factor;
        if (f->kind != ONNX_NOTE || !is_multiple(im, x, f->base, &factor)) continue;
        hone__onnx_value *base = &im->values[f->base];
        if (is_note(f, NOTE_FUNCTION) && factor == 1) {
            bool hard = strcmp(f->activation, "hard_sigmoid") == 0;
            *status = hone__onnx_realise(im, base);
            if (!*status)
                *status = hone__onnx_map(im, "Activation", hone__onnx_activation_config(hard ? "hard_silu" : "silu"),
                                         base, out);
            return true;
        }
        if (is_note(f, NOTE_ERF) && hone__onnx_near(f->b, 1)) {
            *status = hone__onnx_note_about(im, base, NOTE_GATED, factor * f->a, 0, out);
            return true;
        }
    }
    if (one == two && is_note(one, NOTE_CENTERED)) {
        *status = hone__onnx_note_about(im, &im->values[one->base], NOTE_SQUARED, 0, 0, out);
        return true;
    }
    return false;
}

/* ---- operators --------------------------------------------------------------------------------------------------- */

static hone_status operands(hone__onnx_import *im, hone__onnx_value *in[2]) {
    for (size_t i = 0; i < 2; i++) {
        in[i] = hone__onnx_in(im, i);
        if (!in[i]) return hone__onnx_refuse(im, HONE_FORMAT, "has %zu inputs", im->node->n_input);
    }
    return HONE_OK;
}

static hone_status add(hone__onnx_import *im) {
    hone__onnx_value *in[2];
    HONE_TRY(operands(im, in));
    for (int i = 0; i < 2; i++)
        if (in[i]->kind == ONNX_CONSTANT)
            return with_constant(im, in[1 - i], &in[i]->constant, true, 1, hone__onnx_out(im));
    return merge(im, "Add", in, 2);
}

static hone_status subtract(hone__onnx_import *im) {
    hone__onnx_value *in[2], *out = hone__onnx_out(im);
    HONE_TRY(operands(im, in));
    if (in[1]->kind == ONNX_CONSTANT) return with_constant(im, in[0], &in[1]->constant, true, -1, out);
    if (in[0]->kind == ONNX_CONSTANT) {
        if (in[0]->constant.count != 1)
            return hone__onnx_refuse(im, HONE_UNSUPPORTED, "subtracts a tensor from a constant that is no number");
        hone__onnx_value turned = {.name = out->name};
        HONE_TRY(hone__onnx_realise(im, in[1]));
        HONE_TRY(hone__onnx_rescale(im, in[1], -1, hone__onnx_constant_at(&in[0]->constant, 0), &turned));
        hone__free(out->layer);
        out->kind = ONNX_TENSOR;
        out->layer = turned.layer;
        out->shape = turned.shape;
        out->layout = turned.layout;
        return HONE_OK;
    }
    if (is_note(in[1], NOTE_MEAN) && in[1]->base == (size_t)(in[0] - im->values))
        return hone__onnx_note_about(im, in[0], NOTE_CENTERED, 0, 0, out);
    return merge(im, "Subtract", in, 2);
}

static hone_status multiply(hone__onnx_import *im) {
    hone__onnx_value *in[2];
    hone_status status;
    HONE_TRY(operands(im, in));
    for (int i = 0; i < 2; i++)
        if (in[i]->kind == ONNX_CONSTANT)
            return with_constant(im, in[1 - i], &in[i]->constant, false, 1, hone__onnx_out(im));
    if (known_product(im, in[0], in[1], &status)) return status;
    return merge(im, "Multiply", in, 2);
}

static hone_status divide(hone__onnx_import *im) {
    hone__onnx_value *in[2], *out = hone__onnx_out(im);
    HONE_TRY(operands(im, in));
    if (is_note(in[0], NOTE_CENTERED) && is_note(in[1], NOTE_DEVIATION) && in[0]->base == in[1]->base) {
        HONE_TRY(hone__onnx_note_about(im, &im->values[in[0]->base], NOTE_NORMALIZED, in[1]->b, 0, out));
        return HONE_OK;
    }
    if (in[1]->kind != ONNX_CONSTANT) return hone__onnx_refuse(im, HONE_UNSUPPORTED, "divides by a tensor");
    hone__onnx_constant inverse = in[1]->constant;
    inverse.is_integer = false;
    inverse.integers = NULL;
    inverse.reals = hone__alloc(inverse.count, sizeof *inverse.reals);
    if (!inverse.reals) return hone__fail_memory(im->err, inverse.count * sizeof(float), "a constant");
    for (size_t i = 0; i < inverse.count; i++)
        inverse.reals[i] = (float)(1 / hone__onnx_constant_at(&in[1]->constant, i));
    hone_status status = with_constant(im, in[0], &inverse, false, 1, out);
    hone__free(inverse.reals);
    return status;
}

static hone_status power(hone__onnx_import *im) {
    hone__onnx_value *in[2], *out = hone__onnx_out(im);
    HONE_TRY(operands(im, in));
    bool is_number = in[1]->kind == ONNX_CONSTANT && in[1]->constant.count == 1;
    double exponent = is_number ? hone__onnx_constant_at(&in[1]->constant, 0) : 0;
    if (exponent == 2 && is_note(in[0], NOTE_CENTERED))
        return hone__onnx_note_about(im, &im->values[in[0]->base], NOTE_SQUARED, 0, 0, out);
    if ((exponent != 2 && exponent != 3) || in[0]->kind == ONNX_CONSTANT)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "only squares and cubes are supported");
    hone__onnx_value *thrice[3] = {in[0], in[0], in[0]};
    return merge(im, "Multiply", thrice, (size_t)exponent);
}

static hone_status square_root(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    if (!is_note(x, NOTE_VARIANCE))
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "is supported within a layer normalisation only");
    HONE_TRY(hone__onnx_note_about(im, &im->values[x->base], NOTE_DEVIATION, 0, x->b, out));
    out->layout = x->layout;
    return HONE_OK;
}

static hone_status error_function(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0);
    if (!is_note(x, NOTE_AFFINE) || x->b != 0 || !hone__onnx_near(x->a, sqrt(0.5)))
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "is supported within a GELU only");
    return hone__onnx_note_about(im, &im->values[x->base], NOTE_ERF, 1, 0, hone__onnx_out(im));
}

static hone_status negate(hone__onnx_import *im) {
    return with_number(im, hone__onnx_in(im, 0), -1, 0, hone__onnx_out(im));
}

static hone_status merge_all(hone__onnx_import *im, const char *class_name) {
    hone__onnx_value *values[HONE_ONNX_INPUTS];
    for (size_t i = 0; i < im->node->n_input; i++) {
        values[i] = hone__onnx_in(im, i);
        if (!values[i]) return hone__onnx_refuse(im, HONE_FORMAT, "has an input left out");
    }
    if (im->node->n_input < 2) return hone__onnx_refuse(im, HONE_UNSUPPORTED, "has one input");
    return merge(im, class_name, values, im->node->n_input);
}

static hone_status sum(hone__onnx_import *im) {
    return merge_all(im, "Add");
}

static hone_status mean(hone__onnx_import *im) {
    return merge_all(im, "Average");
}

/* Of tensors; with a number it is half a Clip. */
static hone_status extremum(hone__onnx_import *im, bool is_max) {
    for (size_t i = 0; i < 2 && im->node->n_input == 2; i++) {
        hone__onnx_value *number = hone__onnx_in(im, i), *x = hone__onnx_in(im, 1 - i);
        if (!number || !x || number->kind != ONNX_CONSTANT || number->constant.count != 1) continue;
        double value = hone__onnx_constant_at(&number->constant, 0);
        return hone__onnx_clamp(im, x, is_max ? value : -INFINITY, is_max ? INFINITY : value, hone__onnx_out(im));
    }
    return merge_all(im, is_max ? "Maximum" : "Minimum");
}

static hone_status maximum(hone__onnx_import *im) {
    return extremum(im, true);
}

static hone_status minimum(hone__onnx_import *im) {
    return extremum(im, false);
}

/* One of a constant among them is put before every sample: a class token. */
static hone_status concat(hone__onnx_import *im) {
    static const int picture[4] = {0, 2, 3, 1};
    hone__onnx_value *out = hone__onnx_out(im), *values[HONE_ONNX_INPUTS], *tensors[HONE_ONNX_INPUTS];
    char *owned[HONE_ONNX_INPUTS] = {0};
    const char *sources[HONE_ONNX_INPUTS];
    size_t count = im->node->n_input, tensor_count = 0;
    for (size_t i = 0; i < count; i++) {
        values[i] = hone__onnx_in(im, i);
        if (!values[i]) return hone__onnx_refuse(im, HONE_FORMAT, "has an input left out");
        if (values[i]->kind != ONNX_CONSTANT) tensors[tensor_count++] = values[i];
    }
    if (tensor_count == 0) return hone__onnx_refuse(im, HONE_UNSUPPORTED, "puts constants together");
    const int rank = tensors[0]->layout.rank;
    int64_t axis = hone__onnx_integer(im->node, "axis", 0), dims[HONE_ONNX_AXES];
    if (axis < 0) axis += rank;
    if (axis < 1 || axis >= rank) return hone__onnx_refuse(im, HONE_UNSUPPORTED, "is along axis %lld", (long long)axis);
    for (size_t i = 0; i < tensor_count; i++) {
        HONE_TRY(hone__onnx_realise(im, tensors[i]));
        if (tensors[i]->layout.rank != rank || !hone__onnx_layout_leads(&tensors[i]->layout))
            return hone__onnx_refuse(im, HONE_UNSUPPORTED, "its inputs have different numbers of axes");
        HONE_TRY(rank == 4 ? hone__onnx_arrange_image(im, tensors[i]) : hone__onnx_arrange_plain(im, tensors[i]));
    }
    memcpy(dims, tensors[0]->layout.dims, sizeof dims);
    int place = rank != 4 ? (int)axis - 1 : axis == 1 ? 2 : (int)axis - 2;
    bool not_negative = true;
    hone_shape shape = tensors[0]->shape;
    shape.dims[place] = dims[axis] = 0;
    hone_status status = HONE_OK;
    for (size_t i = 0; i < count && !status; i++) {
        hone__onnx_constant *c = values[i]->kind == ONNX_CONSTANT ? &values[i]->constant : NULL;
        const int64_t *own = c ? c->dims : values[i]->layout.dims;
        bool fits = !c || (c->rank == 3 && rank == 3 && c->dims[0] == 1 && hone__onnx_constant_reals(c));
        for (int k = 1; k < rank && fits; k++) fits = k == axis || own[k] == dims[k];
        if (!fits) {
            status = hone__onnx_refuse(im, HONE_SHAPE, "its input %zu does not fit to the others", i);
            break;
        }
        dims[axis] += own[axis];
        not_negative = not_negative && values[i]->not_negative;
        if (c) status = hone__onnx_table(im, tensors[0], c->reals, c->dims[1], c->dims[2], &owned[i]);
        sources[i] = c ? owned[i] : values[i]->layer;
    }
    shape.dims[place] = dims[axis];
    if (!status) status = hone__check_elements(&shape, im->err);
    hone_value *config = status ? NULL : hone_value_object();
    if (config) hone_value_set_integer(config, "axis", place + 1 == shape.rank ? -1 : place + 1);
    if (!status) status = hone__onnx_add_layer(im, "Concatenate", config, NULL, sources, count, &out->layer);
    for (size_t i = 0; i < count; i++) hone__free(owned[i]);
    if (status) return status;
    out->kind = ONNX_TENSOR;
    out->shape = shape;
    out->not_negative = not_negative;
    return hone__onnx_layout_init(im, &out->layout, dims, rank, 0, rank == 4 ? picture : NULL);
}

const hone__onnx_operators hone__onnx_arithmetic_operators[] = {
    {"Erf", error_function}, {"Sqrt", square_root}, {"Pow", power},     {"Neg", negate}, {"Add", add},
    {"Sub", subtract},       {"Mul", multiply},     {"Div", divide},    {"Sum", sum},    {"Mean", mean},
    {"Max", maximum},        {"Min", minimum},      {"Concat", concat}, {NULL, NULL},
};
