/* SPDX-License-Identifier: Apache-2.0
 *
 * Resizing and CenterCrop. What a pixel of the output is made of along an axis, a span of the input and its weights, is
 * found here, once, as TensorFlow finds it to the rounding; the operation only multiplies and adds. */
#include "layer.h"

#include <string.h>

typedef enum interpolation {
    NEAREST,
    BILINEAR,
    BICUBIC,
    LANCZOS3,
    LANCZOS5,
    AREA, /* this and the next two in tf-keras alone */
    GAUSSIAN,
    MITCHELL_CUBIC
} interpolation;

static const char *const interpolations[] = {"nearest", "bilinear", "bicubic",       "lanczos3", "lanczos5",
                                             "area",    "gaussian", "mitchellcubic", NULL};

typedef struct resizing {
    int height, width;
    interpolation interpolation; /* this and the rest: Resizing */
    bool crops, pads, antialias; /* crop_to_aspect_ratio, pad_to_aspect_ratio */
    double fill_value;
} resizing;

/* ---- arguments ------------------------------------------------------------------------------------------------- */

static void read_size(resizing *c, hone__config *config) {
    c->height = (int)hone__config_integer(config, "height", HONE_REQUIRED, 1, HONE_MAX_PADDING);
    c->width = (int)hone__config_integer(config, "width", HONE_REQUIRED, 1, HONE_MAX_PADDING);
    hone__config_data_format(config);
    hone__config_get(config, "bounding_box_format"); /* there are none here */
}

static void resizing_from_config(hone__layer *layer, hone__config *config) {
    static const char *const fill_modes[] = {"constant", NULL};
    resizing *c = layer->config;
    read_size(c, config);
    c->interpolation = (interpolation)hone__config_choice(config, "interpolation", BILINEAR, interpolations);
    c->crops = hone__config_boolean(config, "crop_to_aspect_ratio", false);
    c->pads = hone__config_boolean(config, "pad_to_aspect_ratio", false);
    c->antialias = hone__config_boolean(config, "antialias", false);
    hone__config_choice(config, "fill_mode", 0, fill_modes);
    c->fill_value = hone__config_real(config, "fill_value", 0, -1e30, 1e30);
    if (c->crops && c->pads)
        hone__config_fail(config, HONE_ARGUMENT, "crop_to_aspect_ratio and pad_to_aspect_ratio are both true");
}

static void write_size(const resizing *c, hone_value *config) {
    hone_value_set_integer(config, "height", c->height);
    hone_value_set_integer(config, "width", c->width);
}

/* tf-keras knows no padding and no antialias: they are written where they mean something. */
static void resizing_to_config(const hone__layer *layer, hone_value *config) {
    const resizing *c = layer->config;
    write_size(c, config);
    hone_value_set_string(config, "interpolation", interpolations[c->interpolation]);
    hone_value_set_boolean(config, "crop_to_aspect_ratio", c->crops);
    if (c->pads) {
        hone_value_set_boolean(config, "pad_to_aspect_ratio", true);
        hone_value_set_string(config, "fill_mode", "constant");
        hone_value_set_real(config, "fill_value", c->fill_value);
    }
    if (c->antialias) hone_value_set_boolean(config, "antialias", true);
}

static hone_status resizing_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model;
    const resizing *c = layer->config;
    HONE_TRY(hone__check_image(&layer->inputs[0], err));
    layer->output = (hone_shape){3, {c->height, c->width, layer->inputs[0].dims[2]}};
    return HONE_OK;
}

/* ---- weights of one axis ---------------------------------------------------------------------------------------- */

/* x from 0 on. */
static float kernel_at(interpolation kind, float x) {
    const float pi = 3.14159265359F;
    switch (kind) {
    case BILINEAR: return x < 1 ? 1 - x : 0;
    case BICUBIC:
        if (x >= 2) return 0;
        return x >= 1 ? ((-0.5F * x + 2.5F) * x - 4) * x + 2 : ((1.5F * x - 2.5F) * x) * x + 1;
    case MITCHELL_CUBIC:
        if (x >= 2) return 0;
        return x >= 1 ? (((-7.0F / 18) * x + 2) * x - 10.0F / 3) * x + 16.0F / 9
                      : (((7.0F / 6) * x - 2) * x) * x + 8.0F / 9;
    case GAUSSIAN: return x >= 1.5F ? 0 : expf(-x * x / (2 * 0.5F * 0.5F));
    default: {
        float radius = kind == LANCZOS3 ? 3 : 5;
        if (x > radius) return 0;
        return x <= 1e-3F ? 1 : radius * sinf(pi * x) * sinf(pi * x / radius) / (pi * pi * x * x);
    }
    }
}

static float radius_of(interpolation kind) {
    static const float radii[] = {
        [BILINEAR] = 1, [BICUBIC] = 2, [LANCZOS3] = 3, [LANCZOS5] = 5, [GAUSSIAN] = 1.5F, [MITCHELL_CUBIC] = 2};
    return radii[kind];
}

static int clamp(int i, int n) {
    return i < 0 ? 0 : i < n ? i : n - 1;
}

static void normalize(hone__span *span) {
    float sum = 0;
    for (int i = 0; i < span->count; i++) sum += span->weights[i];
    if (fabsf(sum) < 1e-35F) return;
    for (int i = 0; i < span->count; i++) span->weights[i] /= sum;
}

/* The kernel about the pixel's place, wider where pixels are put together and antialias asks for it. */
static void kernel_span(const resizing *c, int o, int in, int out, hone__span *span) {
    float step = (float)in / (float)out, wide = c->antialias && step > 1 ? step : 1;
    float at = ((float)o + 0.5F) * step, reach = radius_of(c->interpolation) * wide;
    span->start = clamp((int)ceilf(at - reach - 0.5F), in);
    span->count = clamp((int)floorf(at + reach - 0.5F), in) - span->start + 1;
    for (int i = 0; i < span->count; i++)
        span->weights[i] = kernel_at(c->interpolation, fabsf((float)(span->start + i) + 0.5F - at) / wide);
    normalize(span);
}

/* TensorFlow's own bicubic: four pixels, their weights from a table of 1024 places between two. */
static void bicubic_span(int o, int in, int out, hone__span *span) {
    float at = ((float)o + 0.5F) * ((float)in / (float)out) - 0.5F, below = floorf(at);
    float share = (float)lrintf((at - below) * 1024) / 1024;
    int first = (int)below - 1;
    span->start = clamp(first, in);
    span->count = clamp(first + 3, in) - span->start + 1;
    for (int i = 0; i < span->count; i++)
        span->weights[i] = kernel_at(BICUBIC, fabsf((float)(span->start + i - first - 1) - share));
    normalize(span);
}

/* The mean of what the pixel covers. */
static void area_span(int o, int in, int out, hone__span *span) {
    float step = (float)in / (float)out, from = (float)o * step, to = (float)(o + 1) * step;
    span->start = clamp((int)floorf(from), in);
    span->count = clamp((int)ceilf(to) - 1, in) - span->start + 1;
    for (int i = 0; i < span->count; i++) {
        float left = (float)(span->start + i), right = left + 1;
        span->weights[i] = ((right < to ? right : to) - (left > from ? left : from)) / step;
    }
}

/* The most that a span of this axis has. */
static int longest_span(const resizing *c, int in, int out) {
    double step = (double)in / out, wide = step > 1 && (c->antialias || c->interpolation == AREA) ? step : 1;
    double reach = c->interpolation == AREA ? 1 : radius_of(c->interpolation);
    double most = 2 * ceil(reach * wide) + 2;
    return most < in ? (int)most : in;
}

/* hone__emit_resample's spans of one axis, on the heap. */
static hone_status find_spans(const resizing *c, int in, int out, hone__spans *spans, hone_error *err) {
    *spans = (hone__spans){.in = in, .out = out, .longest = longest_span(c, in, out)};
    size_t each = (size_t)spans->longest + 1, size;
    if (!hone__multiply((size_t)out, each, &size) || size > HONE_MAX_ELEMENTS)
        HONE_FAIL(err, HONE_LIMIT, "resizing %d pixels to %d with antialias takes too many weights", in, out);
    spans->table = hone__alloc(size, sizeof *spans->table);
    if (!spans->table) return hone__fail_memory(err, size * sizeof *spans->table, "the weights of a Resizing");
    for (int o = 0; o < out; o++) {
        float *entry = spans->table + (size_t)o * each;
        hone__span span = {.weights = entry + 1};
        if (c->interpolation == AREA)
            area_span(o, in, out, &span);
        else if (c->interpolation == BICUBIC && !c->antialias)
            bicubic_span(o, in, out, &span);
        else
            kernel_span(c, o, in, out, &span);
        if (span.start + spans->longest > in) { /* behind what there is: the same weights, from further ahead */
            int shift = span.start + spans->longest - in;
            memmove(span.weights + shift, span.weights, (size_t)span.count * sizeof *span.weights);
            memset(span.weights, 0, (size_t)shift * sizeof *span.weights);
            span.start -= shift;
        }
        entry[0] = (float)span.start;
    }
    return HONE_OK;
}

/* ---- lowering --------------------------------------------------------------------------------------------------- */

/* The middle of x, of this size. */
static hone_status lower_crop(hone__builder *builder, int x, int height, int width, int *y, hone_error *err) {
    const hone_shape *shape = hone__tensor_shape(builder, x);
    int rows = (int)shape->dims[0] - height, columns = (int)shape->dims[1] - width;
    return hone__emit_cropping2d(builder, x, rows / 2, rows - rows / 2, columns / 2, columns - columns / 2, y, err);
}

/* The height and width that go with the width and height of the input in the output's proportions. */
static void find_aspect(const resizing *c, const hone_shape *input, int *height, int *width) {
    *height = (int)((float)(input->dims[1] * c->height) / (float)c->width);
    *width = (int)((float)(input->dims[0] * c->width) / (float)c->height);
}

/* As large a part of the middle as has the output's proportions. */
static hone_status lower_aspect(const resizing *c, hone__builder *builder, int x, int *y, hone_error *err) {
    const hone_shape shape = *hone__tensor_shape(builder, x);
    int height, width;
    find_aspect(c, &shape, &height, &width);
    height = height < shape.dims[0] ? height : (int)shape.dims[0];
    width = width < shape.dims[1] ? width : (int)shape.dims[1];
    return lower_crop(builder, x, height > 0 ? height : 1, width > 0 ? width : 1, y, err);
}

/* The picture in the middle of one that has the output's proportions, the rest fill_value: as much on either side, so
 * Keras rounds. */
static hone_status lower_padding(const resizing *c, hone__builder *builder, int x, int *y, hone_error *err) {
    const hone_shape shape = *hone__tensor_shape(builder, x);
    int height, width;
    find_aspect(c, &shape, &height, &width);
    int rows = height > shape.dims[0] ? (height - (int)shape.dims[0]) / 2 : 0;
    int columns = width > shape.dims[1] ? (width - (int)shape.dims[1]) / 2 : 0;
    if (rows > HONE_MAX_PADDING || columns > HONE_MAX_PADDING)
        HONE_FAIL(err, HONE_LIMIT, "pad_to_aspect_ratio would add %d rows and %d columns, at most %d are allowed",
                  2 * rows, 2 * columns, 2 * HONE_MAX_PADDING);
    const float one = 1, fill = (float)c->fill_value, taken = -fill;
    bool filled = c->fill_value < 0 || c->fill_value > 0;
    *y = x;
    if (rows == 0 && columns == 0) return HONE_OK;
    if (filled) HONE_TRY(hone__emit_affine(builder, x, &one, &taken, 1, &x, err));
    HONE_TRY(hone__emit_zero_padding2d(builder, x, rows, rows, columns, columns, y, err));
    return filled ? hone__emit_affine(builder, *y, &one, &fill, 1, y, err) : HONE_OK;
}

static hone_status lower_spans(const resizing *c, hone__builder *builder, int x, int *y, hone_error *err) {
    const hone_shape shape = *hone__tensor_shape(builder, x);
    hone__spans rows = {0}, columns = {0};
    hone_status status = find_spans(c, (int)shape.dims[0], c->height, &rows, err);
    if (!status) status = find_spans(c, (int)shape.dims[1], c->width, &columns, err);
    if (!status) status = hone__emit_resample(builder, x, &rows, &columns, y, err);
    hone__free(rows.table);
    hone__free(columns.table);
    return status;
}

static hone_status resizing_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                  const int *inputs, int *output, hone_error *err) {
    (void)model;
    const resizing *c = layer->config;
    int x = inputs[0];
    if (c->crops) HONE_TRY(lower_aspect(c, builder, x, &x, err));
    if (c->pads) HONE_TRY(lower_padding(c, builder, x, &x, err));
    if (c->interpolation == NEAREST || (c->interpolation == BILINEAR && !c->antialias))
        return hone__emit_resize(builder, x, c->height, c->width, c->interpolation == BILINEAR, output, err);
    return lower_spans(c, builder, x, output, err);
}

const hone__layer_type hone__type_resizing = {.class_name = "Resizing",
                                              .config_size = sizeof(resizing),
                                              .from_config = resizing_from_config,
                                              .to_config = resizing_to_config,
                                              .build = resizing_build,
                                              .lower = resizing_lower};

/* ---- CenterCrop ------------------------------------------------------------------------------------------------- */

static void center_crop_from_config(hone__layer *layer, hone__config *config) {
    read_size(layer->config, config);
}

static void center_crop_to_config(const hone__layer *layer, hone_value *config) {
    write_size(layer->config, config);
}

/* A picture too small is resized, its proportions kept. */
static hone_status center_crop_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                     const int *inputs, int *output, hone_error *err) {
    (void)model;
    const resizing *c = layer->config;
    const hone_shape *shape = &layer->inputs[0];
    if (shape->dims[0] >= c->height && shape->dims[1] >= c->width) {
        return lower_crop(builder, inputs[0], c->height, c->width, output, err);
    }
    int x;
    HONE_TRY(lower_aspect(c, builder, inputs[0], &x, err));
    return hone__emit_resize(builder, x, c->height, c->width, true, output, err);
}

const hone__layer_type hone__type_center_crop = {.class_name = "CenterCrop",
                                                 .config_size = sizeof(resizing),
                                                 .from_config = center_crop_from_config,
                                                 .to_config = center_crop_to_config,
                                                 .build = resizing_build,
                                                 .lower = center_crop_lower};
