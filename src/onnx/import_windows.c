/* SPDX-License-Identifier: Apache-2.0
 *
 * From ONNX: what slides over pictures or changes their size. Its padding is any number on either side; Keras has
 * "valid", "same" in TensorFlow's sense, and ZeroPadding2D for everything else. */
#include "import_windows.h"

#include <math.h>
#include <string.h>

static const int picture_order[4] = {0, 2, 3, 1};

/* ---- geometry ---------------------------------------------------------------------------------------------------- */

/* What a window covers. */
static int64_t reach(const hone__onnx_side *s) {
    return (s->size - 1) * s->dilation + 1;
}

static hone_status check_side(hone__onnx_import *im, const hone__onnx_side *s) {
    bool fine = s->size >= 1 && s->size <= HONE_MAX_WINDOW && s->stride >= 1 && s->stride <= HONE_MAX_WINDOW &&
                s->dilation >= 1 && s->dilation <= HONE_MAX_WINDOW && s->before >= 0 && s->after >= 0 &&
                s->before <= HONE_MAX_PADDING && s->after <= HONE_MAX_PADDING;
    if (!fine)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "window %lld, stride %lld, dilation %lld, padding %lld and %lld",
                                 (long long)s->size, (long long)s->stride, (long long)s->dilation, (long long)s->before,
                                 (long long)s->after);
    return HONE_OK;
}

/* auto_pad or pads. */
static hone_status read_padding(hone__onnx_import *im, hone__onnx_side sides[2]) {
    char buffer[16];
    int64_t pads[4] = {0};
    const char *automatic = hone__onnx_word(im->node, "auto_pad", "NOTSET", buffer, sizeof buffer);
    if (strcmp(automatic, "NOTSET") == 0 && hone__onnx_attribute(im->node, "pads") &&
        !hone__onnx_integer_list(im->node, "pads", pads, 4))
        return hone__onnx_refuse(im, HONE_FORMAT, "pads is no list of four");
    for (int i = 0; i < 2; i++) {
        hone__onnx_side *s = &sides[i];
        s->before = pads[i];
        s->after = pads[2 + i];
        if (strncmp(automatic, "SAME", 4) != 0) continue;
        int64_t total = ((s->n + s->stride - 1) / s->stride - 1) * s->stride + reach(s) - s->n;
        s->before = total <= 0 ? 0 : strcmp(automatic, "SAME_LOWER") == 0 ? total - total / 2 : total / 2;
        s->after = total <= 0 ? 0 : total - s->before;
    }
    return HONE_OK;
}

static void compare_padding(hone__onnx_side *s) {
    int64_t output = (s->n + s->stride - 1) / s->stride, total = (output - 1) * s->stride + reach(s) - s->n;
    s->same = s->output == output && s->before == (total > 0 ? total / 2 : 0);
    s->valid = s->before == 0 && s->n >= reach(s) && s->output == (s->n - reach(s)) / s->stride + 1;
    /* what no window reaches need not be there */
    int64_t needed = (s->output - 1) * s->stride + reach(s) - s->n - s->before;
    s->after = needed > 0 ? needed : 0;
}

hone_status hone__onnx_read_window(hone__onnx_import *im, const hone__onnx_value *x, const int64_t *kernel,
                                   hone__onnx_side sides[2]) {
    int64_t size[2], strides[2] = {1, 1}, dilations[2] = {1, 1};
    if (kernel)
        memcpy(size, kernel, sizeof size);
    else if (!hone__onnx_integer_list(im->node, "kernel_shape", size, 2))
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "has no window of two axes");
    hone__onnx_integer_list(im->node, "strides", strides, 2);
    hone__onnx_integer_list(im->node, "dilations", dilations, 2);
    bool ceils = hone__onnx_integer(im->node, "ceil_mode", 0) != 0;
    for (int i = 0; i < 2; i++) {
        sides[i] =
            (hone__onnx_side){.n = x->shape.dims[i], .size = size[i], .stride = strides[i], .dilation = dilations[i]};
        HONE_TRY(check_side(im, &sides[i]));
    }
    HONE_TRY(read_padding(im, sides));
    for (int i = 0; i < 2; i++) {
        hone__onnx_side *s = &sides[i];
        HONE_TRY(check_side(im, s));
        int64_t room = s->n + s->before + s->after - reach(s);
        if (room < 0) return hone__onnx_refuse(im, HONE_SHAPE, "its window is larger than the picture");
        s->output = (room + (ceils ? s->stride - 1 : 0)) / s->stride + 1;
        if (ceils && (s->output - 1) * s->stride >= s->n + s->before) s->output--; /* a window of nothing but padding */
        compare_padding(s);
    }
    return HONE_OK;
}

void hone__onnx_set_pair(hone_value *config, const char *key, int64_t a, int64_t b) {
    hone_value_set(config, key, hone_value_integers((const int64_t[]){a, b}, 2));
}

hone_status hone__onnx_add_borders(hone__onnx_import *im, const hone__onnx_value *x, const char *class_name,
                                   const char *key, const int64_t sides[4], char **layer) {
    hone_value *config = hone_value_object(), *list = hone_value_list();
    hone_value_append(list, hone_value_integers((const int64_t[]){sides[0], sides[2]}, 2));
    hone_value_append(list, hone_value_integers((const int64_t[]){sides[1], sides[3]}, 2));
    hone_value_set(config, key, list);
    const char *source = x->layer;
    return hone__onnx_add_layer(im, class_name, config, NULL, &source, 1, layer);
}

hone_status hone__onnx_pad_for(hone__onnx_import *im, const hone__onnx_value *x, const hone__onnx_side sides[2],
                               char **source, hone_shape *shape, const char **padding) {
    *shape = x->shape;
    *padding = sides[0].same && sides[1].same ? "same" : "valid";
    bool plain = (sides[0].same && sides[1].same) || (sides[0].valid && sides[1].valid);
    if (plain) {
        *source = hone__strdup(x->layer);
        return *source ? HONE_OK : hone__fail_memory(im->err, strlen(x->layer), "a name");
    }
    const int64_t amounts[4] = {sides[0].before, sides[1].before, sides[0].after, sides[1].after};
    for (int i = 0; i < 2; i++) shape->dims[i] += sides[i].before + sides[i].after;
    return hone__onnx_add_borders(im, x, "ZeroPadding2D", "padding", amounts, source);
}

hone_status hone__onnx_picture_layout(hone__onnx_import *im, hone__onnx_value *out, int64_t c, int64_t h, int64_t w) {
    const int64_t dims[4] = {im->batch, c, h, w};
    out->shape = (hone_shape){3, {h, w, c}};
    HONE_TRY(hone__check_elements(&out->shape, im->err));
    return hone__onnx_layout_init(im, &out->layout, dims, 4, 0, picture_order);
}

/* ---- convolutions ------------------------------------------------------------------------------------------------ */

/* The kernel's dims, and its numbers; its bias, or NULL. */
static hone_status read_kernel(hone__onnx_import *im, size_t bias_units, const hone__onnx_constant **kernel,
                               const float **numbers, const float **bias) {
    hone__onnx_value *weights = hone__onnx_in(im, 1);
    if (!weights || weights->kind != ONNX_CONSTANT || weights->constant.rank != 4 || weights->constant.count == 0)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "its kernel is no constant of four axes");
    *kernel = &weights->constant;
    HONE_TRY(hone__onnx_vector(im, 1, weights->constant.count, numbers));
    *bias = NULL;
    size_t units = bias_units ? bias_units : (size_t)weights->constant.dims[0];
    return hone__onnx_in(im, 2) ? hone__onnx_vector(im, 2, units, bias) : HONE_OK;
}

/* (d0, d1, h, w) to (h, w, d1, d0): or with the first two the other way round. */
static void turn_kernel(const hone__onnx_constant *kernel, const float *from, bool swapped, float *to) {
    size_t a = (size_t)kernel->dims[0], b = (size_t)kernel->dims[1];
    size_t area = (size_t)(kernel->dims[2] * kernel->dims[3]);
    for (size_t i = 0; i < a; i++)
        for (size_t k = 0; k < b; k++)
            for (size_t p = 0; p < area; p++)
                to[p * a * b + (swapped ? i * b + k : k * a + i)] = from[(i * b + k) * area + p];
}

static hone_status conv(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    const hone__onnx_constant *kernel;
    const float *numbers, *bias;
    hone__onnx_side sides[2];
    HONE_TRY(read_kernel(im, 0, &kernel, &numbers, &bias));
    HONE_TRY(hone__onnx_arrange_image(im, x));
    HONE_TRY(hone__onnx_read_window(im, x, kernel->dims + 2, sides));
    int64_t filters = kernel->dims[0], channels = x->shape.dims[2], group = hone__onnx_integer(im->node, "group", 1);
    if (group < 1 || kernel->dims[1] != channels / group || channels % group != 0 || filters % group != 0)
        return hone__onnx_refuse(im, HONE_SHAPE, "its kernel is for %lld channels in %lld groups, the picture has %lld",
                                 (long long)kernel->dims[1], (long long)group, (long long)channels);
    bool depthwise = group == channels && group > 1;
    hone__onnx_weighted *w;
    HONE_TRY(hone__onnx_weighted_create(im, out, depthwise ? "DepthwiseConv2D" : "Conv2D", kernel->count,
                                        (size_t)filters, bias != NULL, &w));
    char *source;
    const char *padding;
    HONE_TRY(hone__onnx_pad_for(im, x, sides, &source, &w->source_shape, &padding));
    snprintf(w->source, sizeof w->source, "%s", source);
    hone__free(source);
    w->stem = hone__onnx_stem(im, 1);
    if (depthwise) w->kernel_name = "depthwise_kernel";
    turn_kernel(kernel, numbers, depthwise, w->kernel);
    if (bias) memcpy(w->bias, bias, w->units * sizeof *bias);
    if (depthwise) {
        hone_value_set_integer(w->config, "depth_multiplier", filters / channels);
    } else {
        hone_value_set_integer(w->config, "filters", filters);
        hone_value_set_integer(w->config, "groups", group);
    }
    hone__onnx_set_pair(w->config, "kernel_size", sides[0].size, sides[1].size);
    hone__onnx_set_pair(w->config, "strides", sides[0].stride, sides[1].stride);
    hone__onnx_set_pair(w->config, "dilation_rate", sides[0].dilation, sides[1].dilation);
    hone_value_set_string(w->config, "padding", padding);
    HONE_TRY(hone__onnx_picture_layout(im, out, filters, sides[0].output, sides[1].output));
    w->output = out->shape;
    return HONE_OK;
}

/* How Conv2DTranspose does what a ConvTranspose node says. Keras' output is all that the input reaches ("valid", with
 * output_padding where more is wanted) or a multiple of it ("same"); the rest is cut off. */
typedef struct transposed_window {
    int64_t strides[2];
    bool same, padded;           /* padded: with more as output_padding */
    int64_t whole[2], more[2];   /* Keras' output, where it is not "same" */
    int64_t crops[4], output[2]; /* before, before, after, after; what is left */
} transposed_window;

static hone_status place_transposed(hone__onnx_import *im, const hone__onnx_value *x, const hone__onnx_constant *kernel,
                                    transposed_window *t) {
    int64_t pads[4] = {0}, extra[2] = {0}, one[2] = {1, 1}, reach[2];
    *t = (transposed_window){.strides = {1, 1}, .same = true};
    hone__onnx_integer_list(im->node, "strides", t->strides, 2);
    hone__onnx_integer_list(im->node, "pads", pads, 4);
    hone__onnx_integer_list(im->node, "output_padding", extra, 2);
    hone__onnx_integer_list(im->node, "dilations", one, 2);
    char buffer[16];
    bool plain = one[0] == 1 && one[1] == 1 && hone__onnx_integer(im->node, "group", 1) == 1 &&
                 !hone__onnx_attribute(im->node, "output_shape") &&
                 strcmp(hone__onnx_word(im->node, "auto_pad", "NOTSET", buffer, sizeof buffer), "NOTSET") == 0;
    if (!plain)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED,
                                 "groups, dilations, output_shape and auto_pad are not supported");
    if (kernel->dims[0] != x->shape.dims[2])
        return hone__onnx_refuse(im, HONE_SHAPE, "its kernel is for %lld channels, the picture has %lld",
                                 (long long)kernel->dims[0], (long long)x->shape.dims[2]);
    for (int i = 0; i < 2; i++) {
        const hone__onnx_side s = {.size = kernel->dims[2 + i],
                                   .stride = t->strides[i],
                                   .dilation = 1,
                                   .before = pads[i],
                                   .after = pads[2 + i]};
        HONE_TRY(check_side(im, &s));
        int64_t n = x->shape.dims[i], overlap = s.size - s.stride > 0 ? s.size - s.stride : 0;
        t->output[i] = s.stride * (n - 1) + s.size + extra[i] - s.before - s.after;
        t->whole[i] = n * s.stride + overlap;
        t->more[i] = extra[i] > s.after ? extra[i] - s.after : 0;
        reach[i] = s.stride * (n - 1) + s.size + t->more[i];
        t->same = t->same && t->output[i] == n * s.stride && s.before == overlap / 2;
        t->crops[i] = s.before;
    }
    t->padded = !t->same && (t->whole[0] - t->crops[0] < t->output[0] || t->whole[1] - t->crops[1] < t->output[1]);
    for (int i = 0; i < 2; i++) {
        if (t->padded) t->whole[i] = reach[i];
        t->crops[2 + i] = t->whole[i] - t->crops[i] - t->output[i];
    }
    if (!t->same &&
        (t->output[0] < 1 || t->output[1] < 1 || t->more[0] >= t->strides[0] || t->more[1] >= t->strides[1]))
        return hone__onnx_refuse(im, HONE_SHAPE, "its output is empty, or larger than what the input reaches");
    return HONE_OK;
}

static hone_status conv_transpose(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    const hone__onnx_constant *kernel;
    const float *numbers, *bias;
    HONE_TRY(hone__onnx_arrange_image(im, x));
    const hone__onnx_value *weights = hone__onnx_in(im, 1);
    if (!weights || weights->kind != ONNX_CONSTANT || weights->constant.rank != 4)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "its kernel is no constant of four axes");
    HONE_TRY(read_kernel(im, (size_t)weights->constant.dims[1], &kernel, &numbers, &bias));
    transposed_window t;
    HONE_TRY(place_transposed(im, x, kernel, &t));
    hone__onnx_value made = {.name = out->name};
    hone__onnx_weighted *w;
    HONE_TRY(hone__onnx_weighted_create(im, &made, "Conv2DTranspose", kernel->count, (size_t)kernel->dims[1],
                                        bias != NULL, &w));
    snprintf(w->source, sizeof w->source, "%s", x->layer);
    w->source_shape = x->shape;
    w->stem = hone__onnx_stem(im, 1);
    turn_kernel(kernel, numbers, false, w->kernel);
    if (bias) memcpy(w->bias, bias, w->units * sizeof *bias);
    hone_value_set_integer(w->config, "filters", kernel->dims[1]);
    hone__onnx_set_pair(w->config, "kernel_size", kernel->dims[2], kernel->dims[3]);
    hone__onnx_set_pair(w->config, "strides", t.strides[0], t.strides[1]);
    hone_value_set_string(w->config, "padding", t.same ? "same" : "valid");
    if (t.padded) hone__onnx_set_pair(w->config, "output_padding", t.more[0], t.more[1]);
    const int64_t *size = t.same ? t.output : t.whole;
    HONE_TRY(hone__onnx_picture_layout(im, &made, kernel->dims[1], size[0], size[1]));
    w->output = made.shape;
    bool cut = !t.same && (t.crops[0] || t.crops[1] || t.crops[2] || t.crops[3]);
    if (!cut) {
        out->kind = made.kind;
        out->weighted = w;
        out->layout = made.layout;
        return HONE_OK;
    }
    HONE_TRY(hone__onnx_realise(im, &made));
    hone_status status = hone__onnx_add_borders(im, &made, "Cropping2D", "cropping", t.crops, &out->layer);
    hone__free(made.layer);
    if (status) return status;
    out->kind = ONNX_TENSOR;
    return hone__onnx_picture_layout(im, out, kernel->dims[1], t.output[0], t.output[1]);
}

/* ---- borders and sizes ------------------------------------------------------------------------------------------- */

/* Numbers along any axis. */
static hone_status pad_axes(hone__onnx_import *im, hone__onnx_value *x, const int64_t *pads, double value,
                            hone__onnx_value *out) {
    const int rank = x->layout.rank;
    hone__onnx_value now = {.name = x->name};
    HONE_TRY(hone__onnx_realise(im, x));
    hone_status status = hone__onnx_look(im, x, &now);
    for (int i = 0; i < 2 * rank && !status; i++) {
        hone__onnx_value next = {.name = x->name};
        if (pads[i] == 0) continue;
        status = hone__onnx_pad_axis(im, &now, i % rank, pads[i], value, i < rank, &next);
        hone__free(now.layer);
        now = next;
    }
    if (!status) status = hone__onnx_look(im, &now, out);
    hone__free(now.layer);
    return status;
}

static hone_status pad(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    const hone__onnx_value *fill = hone__onnx_in(im, 2), *axes = hone__onnx_in(im, 3);
    int64_t pads[HONE_ONNX_AXES];
    size_t count;
    char buffer[16];
    HONE_TRY(hone__onnx_axes(im, "pads", 1, pads, &count));
    double value = fill && fill->kind == ONNX_CONSTANT && fill->constant.count == 1
                       ? hone__onnx_constant_at(&fill->constant, 0)
                       : hone__onnx_real(im->node, "value", 0);
    bool nothing = true;
    for (size_t i = 0; i < count; i++) nothing = nothing && pads[i] == 0;
    bool fine = strcmp(hone__onnx_word(im->node, "mode", "constant", buffer, sizeof buffer), "constant") == 0 &&
                count == 2 * (size_t)x->layout.rank && !axes;
    for (size_t i = 0; i < count; i++) fine = fine && pads[i] >= 0 && pads[i] <= HONE_MAX_PADDING;
    if (!fine && !nothing)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "only a constant around all axes of its tensor is supported");
    if (nothing) {
        HONE_TRY(hone__onnx_realise(im, x));
        return hone__onnx_look(im, x, out);
    }
    bool is_picture = count == 8 && value == 0 && pads[0] == 0 && pads[4] == 0 && pads[1] == 0 && pads[5] == 0;
    if (!is_picture) return pad_axes(im, x, pads, value, out);
    HONE_TRY(hone__onnx_arrange_image(im, x));
    const int64_t amounts[4] = {pads[2], pads[3], pads[6], pads[7]};
    HONE_TRY(hone__onnx_add_borders(im, x, "ZeroPadding2D", "padding", amounts, &out->layer));
    out->kind = ONNX_TENSOR;
    out->not_negative = x->not_negative;
    return hone__onnx_picture_layout(im, out, x->shape.dims[2], x->shape.dims[0] + pads[2] + pads[6],
                                     x->shape.dims[1] + pads[3] + pads[7]);
}

/* The height and width that the last constant input (sizes, or scales before it) asks for. */
static hone_status resized(hone__onnx_import *im, const hone__onnx_value *x, int64_t size[2]) {
    for (size_t i = im->node->n_input; i-- > 1;) {
        const hone__onnx_value *input = hone__onnx_in(im, i);
        if (!input || input->kind != ONNX_CONSTANT || input->constant.count != 4) continue;
        for (int axis = 0; axis < 2; axis++) {
            double number = hone__onnx_constant_at(&input->constant, 2 + (size_t)axis);
            if (!input->constant.is_integer) number = floor((double)x->shape.dims[axis] * number);
            if (!(number >= 1 && number <= HONE_MAX_PADDING))
                return hone__onnx_refuse(im, HONE_LIMIT, "asks for %g pixels", number);
            size[axis] = (int64_t)number;
        }
        return HONE_OK;
    }
    return hone__onnx_refuse(im, HONE_UNSUPPORTED, "its scales or sizes are not constant");
}

/* Whole multiples of a picture are UpSampling2D, other sizes Resizing. Keras takes a pixel's centre at its half. */
static hone_status resize(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    char mode_buffer[16], where_buffer[32], nearest_buffer[32];
    const char *mode = hone__onnx_word(im->node, "mode", "nearest", mode_buffer, sizeof mode_buffer);
    const char *usual = strcmp(im->node->op_type, "Upsample") == 0 ? "asymmetric" : "half_pixel";
    const char *where =
        hone__onnx_word(im->node, "coordinate_transformation_mode", usual, where_buffer, sizeof where_buffer);
    const char *nearest =
        hone__onnx_word(im->node, "nearest_mode", "round_prefer_floor", nearest_buffer, sizeof nearest_buffer);
    int64_t size[2];
    HONE_TRY(hone__onnx_arrange_image(im, x));
    HONE_TRY(resized(im, x, size));
    bool whole = size[0] % x->shape.dims[0] == 0 && size[1] % x->shape.dims[1] == 0, linear = mode[0] == 'l';
    bool half = strcmp(where, "half_pixel") == 0 || strcmp(where, "pytorch_half_pixel") == 0;
    bool asymmetric = strcmp(where, "asymmetric") == 0;
    bool fine = linear  ? half
                : whole ? half || (asymmetric && (usual[0] == 'a' || strcmp(nearest, "floor") == 0))
                        : half && strcmp(nearest, "round_prefer_ceil") == 0;
    if (!fine || (!linear && strcmp(mode, "nearest") != 0))
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "mode %s with %s is not supported", mode, where);
    hone_value *config = hone_value_object();
    hone_value_set_string(config, "interpolation", linear ? "bilinear" : "nearest");
    if (whole) {
        hone__onnx_set_pair(config, "size", size[0] / x->shape.dims[0], size[1] / x->shape.dims[1]);
    } else {
        hone_value_set_integer(config, "height", size[0]);
        hone_value_set_integer(config, "width", size[1]);
    }
    int64_t channels = x->shape.dims[2];
    HONE_TRY(hone__onnx_map(im, whole ? "UpSampling2D" : "Resizing", config, x, out));
    out->not_negative = x->not_negative;
    return hone__onnx_picture_layout(im, out, channels, size[0], size[1]);
}

const hone__onnx_operators hone__onnx_window_operators[] = {
    {"Conv", conv}, {"ConvTranspose", conv_transpose}, {"Pad", pad}, {"Resize", resize}, {"Upsample", resize},
    {NULL, NULL},
};
