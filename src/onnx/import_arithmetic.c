/* SPDX-License-Identifier: Apache-2.0
 *
 * From ONNX: arithmetic between tensors. Sums and products are where expressions show what they are: a GELU, a layer
 * normalisation; with a constant (import_operands.c) also a bias, a position table. */
#include "onnx_import.h"

#include <math.h>
#include <string.h>

hone_status hone__onnx_add_merge(hone__onnx_import *im, const char *class_name, const char *const *sources,
                                 size_t count, hone__onnx_value *out) {
    hone__free(out->layer);
    out->layer = NULL;
    HONE_TRY(hone__onnx_add_layer(im, class_name, NULL, NULL, sources, count, &out->layer));
    out->kind = ONNX_TENSOR;
    return HONE_OK;
}

/* ---- of tensors -------------------------------------------------------------------------------------------------- */

/* Pictures, or what lies as pictures do. */
static bool all_lie(hone__onnx_value *const *values, size_t count, const int *order) {
    for (size_t i = 0; i < count; i++) {
        const hone__onnx_layout *layout = &values[i]->layout;
        if (!hone__onnx_layout_leads(layout) || layout->rank != values[0]->layout.rank ||
            !hone__onnx_layout_lies(layout, order))
            return false;
    }
    return true;
}

/* Element by element; where dims differ, one of them is 1. */
static hone_status merge_lying(hone__onnx_import *im, const char *class_name, hone__onnx_value *const *values,
                               size_t count, const int *order, hone__onnx_value *out) {
    const char *sources[HONE_ONNX_INPUTS];
    bool differ = false;
    int64_t dims[HONE_ONNX_AXES];
    for (size_t i = 0; i < count; i++)
        HONE_TRY(order ? hone__onnx_arrange_image(im, values[i]) : hone__onnx_arrange_plain(im, values[i]));
    hone_shape shape = values[0]->shape;
    memcpy(dims, values[0]->layout.dims, sizeof dims);
    for (size_t i = 0; i < count; i++) {
        const hone__onnx_value *v = values[i];
        sources[i] = v->layer;
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
    HONE_TRY(hone__onnx_add_merge(im, class_name, sources, count, out));
    out->shape = shape;
    out->layout = values[0]->layout;
    return differ ? hone__onnx_layout_init(im, &out->layout, dims, out->layout.rank, 0, order) : HONE_OK;
}

/* Where they lie otherwise, they are put as the largest of them lies. */
static hone_status merge_anyhow(hone__onnx_import *im, const char *class_name, hone__onnx_value *const *values,
                                size_t count, hone__onnx_value *out) {
    const char *sources[HONE_ONNX_INPUTS];
    hone__onnx_layout layout;
    hone_shape shape;
    HONE_TRY(hone__onnx_align(im, values, count, &layout, &shape));
    for (size_t i = 0; i < count; i++) sources[i] = values[i]->layer;
    HONE_TRY(hone__onnx_add_merge(im, class_name, sources, count, out));
    out->shape = shape;
    out->layout = layout;
    return HONE_OK;
}

hone_status hone__onnx_merge(hone__onnx_import *im, const char *class_name, hone__onnx_value *const *values,
                             size_t count, hone__onnx_value *out) {
    static const int picture[4] = {0, 2, 3, 1};
    bool not_negative = strcmp(class_name, "Subtract") != 0;
    for (size_t i = 0; i < count; i++) {
        HONE_TRY(hone__onnx_realise(im, values[i]));
        not_negative = not_negative && values[i]->not_negative;
    }
    bool are_pictures = values[0]->layout.rank == 4 && all_lie(values, count, picture);
    if (are_pictures || all_lie(values, count, NULL))
        HONE_TRY(merge_lying(im, class_name, values, count, are_pictures ? picture : NULL, out));
    else
        HONE_TRY(merge_anyhow(im, class_name, values, count, out));
    out->not_negative = not_negative;
    return HONE_OK;
}

static hone_status merge(hone__onnx_import *im, const char *class_name, hone__onnx_value *const *values, size_t count) {
    return hone__onnx_merge(im, class_name, values, count, hone__onnx_out(im));
}

static bool is_note(const hone__onnx_value *v, hone__onnx_note what) {
    return v->kind == ONNX_NOTE && v->note == what;
}

/* Two names for the same: what a QuantizeLinear or an Identity passes on. */
static bool is_same(const hone__onnx_import *im, size_t one, size_t two) {
    const hone__onnx_value *a = &im->values[one], *b = &im->values[two];
    return one == two || (a->kind == ONNX_TENSOR && b->kind == ONNX_TENSOR && strcmp(a->layer, b->layer) == 0 &&
                          memcmp(&a->layout, &b->layout, sizeof a->layout) == 0);
}

/* Is v x, or a number times x? */
static bool is_multiple(const hone__onnx_import *im, const hone__onnx_value *v, size_t x, double *factor) {
    *factor = 1;
    if (is_same(im, (size_t)(v - im->values), x)) return true;
    *factor = v->a;
    return is_note(v, NOTE_AFFINE) && is_same(im, v->base, x) && v->b == 0;
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
            return hone__onnx_with_constant(im, in[1 - i], &in[i]->constant, true, 1, hone__onnx_out(im));
    return merge(im, "Add", in, 2);
}

static hone_status subtract(hone__onnx_import *im) {
    hone__onnx_value *in[2], *out = hone__onnx_out(im);
    HONE_TRY(operands(im, in));
    if (in[1]->kind == ONNX_CONSTANT) return hone__onnx_with_constant(im, in[0], &in[1]->constant, true, -1, out);
    if (in[0]->kind == ONNX_CONSTANT) {
        if (in[0]->constant.count != 1)
            return hone__onnx_merge_constant(im, "Subtract", in[1], &in[0]->constant, true, out);
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
            return hone__onnx_with_constant(im, in[1 - i], &in[i]->constant, false, 1, hone__onnx_out(im));
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
    if (in[1]->kind != ONNX_CONSTANT && in[0]->kind != ONNX_CONSTANT) return merge(im, "Divide", in, 2);
    if (in[1]->kind != ONNX_CONSTANT)
        return hone__onnx_merge_constant(im, "Divide", in[1], &in[0]->constant, true, out);
    hone__onnx_constant inverse = in[1]->constant;
    inverse.is_integer = false;
    inverse.integers = NULL;
    inverse.reals = hone__alloc(inverse.count, sizeof *inverse.reals);
    if (!inverse.reals) return hone__fail_memory(im->err, inverse.count * sizeof(float), "a constant");
    for (size_t i = 0; i < inverse.count; i++)
        inverse.reals[i] = (float)(1 / hone__onnx_constant_at(&in[1]->constant, i));
    hone_status status = hone__onnx_with_constant(im, in[0], &inverse, false, 1, out);
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
    if (!is_note(x, NOTE_VARIANCE)) {
        HONE_TRY(hone__onnx_realise(im, x));
        HONE_TRY(hone__onnx_map(im, "Sqrt", NULL, x, out));
        out->not_negative = true;
        return HONE_OK;
    }
    HONE_TRY(hone__onnx_note_about(im, &im->values[x->base], NOTE_DEVIATION, 0, x->b, out));
    out->layout = x->layout;
    return HONE_OK;
}

/* The x of which v is x / sqrt 2, or that turned over, in one step or several; NULL: it is none. */
static hone__onnx_value *over_root_two(const hone__onnx_import *im, hone__onnx_value *v, double *sign) {
    hone__onnx_value *found = NULL;
    double factor = 1;
    while (is_note(v, NOTE_AFFINE) && v->b == 0) {
        factor *= v->a;
        v = &im->values[v->base];
        if (!hone__onnx_near(fabs(factor), sqrt(0.5))) continue;
        *sign = factor > 0 ? 1 : -1;
        found = v;
    }
    return found;
}

/* erf(x / sqrt 2), or 1 - erf(x / sqrt 2); x may be turned over, and erf is odd. */
static hone_status error_function(hone__onnx_import *im) {
    double sign;
    const hone__onnx_value *x = over_root_two(im, hone__onnx_in(im, 0), &sign);
    bool is_rest = strcmp(im->node->op_type, "Erfc") == 0;
    if (!x) return hone__onnx_refuse(im, HONE_UNSUPPORTED, "is supported within a GELU only");
    if (is_rest) sign = -sign;
    return hone__onnx_note_about(im, x, NOTE_ERF, sign, is_rest ? sign : 0, hone__onnx_out(im));
}

/* 1 / x */
static hone_status reciprocal(hone__onnx_import *im) {
    float number = 1;
    hone__onnx_constant one = {.rank = 0, .count = 1, .reals = &number};
    return hone__onnx_merge_constant(im, "Divide", hone__onnx_in(im, 0), &one, true, hone__onnx_out(im));
}

static hone_status negate(hone__onnx_import *im) {
    return hone__onnx_with_number(im, hone__onnx_in(im, 0), -1, 0, hone__onnx_out(im));
}

/* ---- a ReLU in so many words ------------------------------------------------------------------------------------- */

/* Of a tensor with a number, on either side. */
static hone_status compare(hone__onnx_import *im) {
    hone__onnx_value *in[2];
    HONE_TRY(operands(im, in));
    bool turned = in[0]->kind == ONNX_CONSTANT, asks_above = im->node->op_type[0] == 'G';
    const hone__onnx_value *number = in[!turned], *x = in[turned];
    if (number->kind != ONNX_CONSTANT || number->constant.count != 1)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "compares tensors");
    return hone__onnx_note_about(im, x, NOTE_COMPARED, hone__onnx_constant_at(&number->constant, 0),
                                 asks_above != turned ? 1 : -1, hone__onnx_out(im));
}

/* Is v a x + b, in one step or several? */
static bool is_affine(const hone__onnx_import *im, const hone__onnx_value *v, size_t x, double *a, double *b) {
    *a = 1;
    *b = 0;
    while ((size_t)(v - im->values) != x) {
        if (!is_note(v, NOTE_AFFINE)) return false;
        *b += *a * v->b;
        *a *= v->a;
        v = &im->values[v->base];
    }
    return true;
}

/* x >= threshold ? min(x, ceiling) : slope (x - threshold) */
static hone_status where(hone__onnx_import *im) {
    hone__onnx_value *in[3], *out = hone__onnx_out(im);
    for (size_t i = 0; i < 3; i++) in[i] = hone__onnx_in(im, i);
    bool fine = in[1] && in[2] && is_note(in[0], NOTE_COMPARED);
    if (fine) {
        hone__onnx_value *above = in[in[0]->b > 0 ? 1 : 2], *below = in[in[0]->b > 0 ? 2 : 1];
        double threshold = in[0]->a, ceiling = INFINITY, slope = 0, offset = 0;
        if (is_note(above, NOTE_CLAMPED) && isinf(above->a)) {
            ceiling = above->b;
            above = &im->values[above->base];
        }
        fine = (size_t)(above - im->values) == in[0]->base;
        if (below->kind == ONNX_CONSTANT)
            fine = fine && below->constant.count == 1 && hone__onnx_constant_at(&below->constant, 0) == 0;
        else
            fine = fine && is_affine(im, below, in[0]->base, &slope, &offset) &&
                   fabs(offset + slope * threshold) <= 1e-5 * fmax(1, fabs(threshold));
        if (fine) {
            HONE_TRY(hone__onnx_realise(im, above));
            hone_value *config = hone_value_object();
            if (isfinite(ceiling)) hone_value_set_real(config, "max_value", ceiling);
            hone_value_set_real(config, "negative_slope", slope);
            hone_value_set_real(config, "threshold", threshold);
            return hone__onnx_map(im, "ReLU", config, above, out);
        }
    }
    return hone__onnx_refuse(im, HONE_UNSUPPORTED, "chooses between tensors in another way than a ReLU does");
}

/* ---- of any number ----------------------------------------------------------------------------------------------- */

static hone_status merge_all(hone__onnx_import *im, const char *class_name) {
    hone__onnx_value *values[HONE_ONNX_INPUTS];
    for (size_t i = 0; i < im->node->n_input; i++) {
        values[i] = hone__onnx_in(im, i);
        if (!values[i]) return hone__onnx_refuse(im, HONE_FORMAT, "has an input left out");
    }
    if (im->node->n_input == 1) return hone__onnx_look(im, values[0], hone__onnx_out(im));
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
        return hone__onnx_note_clamp(im, x, is_max ? value : -INFINITY, is_max ? INFINITY : value, hone__onnx_out(im));
    }
    return merge_all(im, is_max ? "Maximum" : "Minimum");
}

static hone_status maximum(hone__onnx_import *im) {
    return extremum(im, true);
}

static hone_status minimum(hone__onnx_import *im) {
    return extremum(im, false);
}

const hone__onnx_operators hone__onnx_arithmetic_operators[] = {
    {"Erf", error_function},
    {"Erfc", error_function}, /* of tf2onnx alone */
    {"Sqrt", square_root},
    {"Pow", power},
    {"Reciprocal", reciprocal},
    {"Neg", negate},
    {"Add", add},
    {"Sub", subtract},
    {"Mul", multiply},
    {"Div", divide},
    {"Sum", sum},
    {"Mean", mean},
    {"Max", maximum},
    {"Min", minimum},
    {"Greater", compare},
    {"GreaterOrEqual", compare},
    {"Less", compare},
    {"LessOrEqual", compare},
    {"Where", where},
    {NULL, NULL},
};
