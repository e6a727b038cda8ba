/* SPDX-License-Identifier: Apache-2.0
 *
 * Augmentation layers: RandomFlip, RandomRotation, RandomTranslation, RandomZoom, RandomContrast, RandomBrightness,
 * RandomCrop. They act in training; in inference all but RandomCrop do nothing.
 *
 * All of them read their arguments into one hone__random_image, which one operation carries out (ops/augmentation.c). */
#include "layers/random_layers.h"

#include <math.h>
#include <string.h>

static const char *const fill_modes[] = {[HONE_BORDER_NEAREST] = "nearest",
                                         [HONE_BORDER_CONSTANT] = "constant",
                                         [HONE_BORDER_REFLECT] = "reflect",
                                         [HONE_BORDER_WRAP] = "wrap",
                                         NULL};
static const char *const interpolations[] = {"bilinear", "nearest", NULL};

/* ---- arguments ------------------------------------------------------------------------------------------------- */

/* One number f is -f to f; two are the range itself, in either order. */
static hone__draw read_factor(hone__config *config, const char *key, double low, double high) {
    double *numbers;
    size_t count;
    hone__draw draw = {0, 0};
    hone__config_reals(config, key, HONE_REQUIRED_REAL, &numbers, &count);
    if (hone__config_failed(config)) return draw;
    if (count <= 2) {
        double first = count == 1 ? -numbers[0] : numbers[0], second = numbers[count - 1];
        draw = (hone__draw){fmin(first, second), fmax(first, second)};
    }
    if (count > 2 || draw.low < low || draw.high > high) {
        char what[96];
        snprintf(what, sizeof what, "a number, or a list of two, within %g and %g", low, high);
        hone__config_expected(config, key, hone__config_get(config, key), what);
    }
    hone__free(numbers);
    return draw;
}

/* As a list, which every version of Keras takes. */
static void set_factor(hone_value *config, const char *key, const hone__draw *draw) {
    hone_value *list = hone_value_list();
    hone_value_append(list, hone_value_real(draw->low));
    hone_value_append(list, hone_value_real(draw->high));
    hone_value_set(config, key, list);
}

hone__random_image *hone__random_begin(hone__layer *layer, hone__config *config, hone__random_kind kind) {
    hone__random_image *c = layer->config;
    c->kind = kind;
    c->border = HONE_BORDER_CONSTANT;
    c->keras = config->keras;
    hone__config_get(config, "seed");
    hone__config_get(config, "rng_type");
    hone__config_get(config, "bounding_box_format"); /* there are none here */
    hone__config_data_format(config);
    return c;
}

void hone__random_read_sampling(hone__random_image *c, hone__config *config) {
    c->border = (hone_border)hone__config_choice(config, "fill_mode", HONE_BORDER_REFLECT, fill_modes);
    c->nearest = hone__config_choice(config, "interpolation", 0, interpolations) == 1;
    c->fill_value = hone__config_real(config, "fill_value", 0, -1e30, 1e30);
}

void hone__random_set_sampling(hone_value *config, const hone__random_image *c) {
    hone_value_set_string(config, "fill_mode", fill_modes[c->border]);
    hone_value_set_string(config, "interpolation", interpolations[c->nearest]);
    hone_value_set_real(config, "fill_value", c->fill_value);
}

void hone__random_read_range(hone__random_image *c, hone__config *config) {
    c->clip_low = 0;
    c->clip_high = 255;
    if (!hone__config_get(config, "value_range")) return;
    double *numbers;
    size_t count;
    hone__config_reals(config, "value_range", 0, &numbers, &count);
    if (hone__config_failed(config)) return;
    if (count == 2) {
        c->clip_low = fmin(numbers[0], numbers[1]);
        c->clip_high = fmax(numbers[0], numbers[1]);
    } else {
        hone__config_expected(config, "value_range", hone__config_get(config, "value_range"), "a list of two numbers");
    }
    hone__free(numbers);
}

void hone__random_set_range(hone_value *config, const hone__random_image *c) {
    const hone__draw range = {c->clip_low, c->clip_high};
    set_factor(config, "value_range", &range);
}

/* ---- what they have in common ---------------------------------------------------------------------------------- */

hone_status hone__random_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model;
    hone__random_image *c = layer->config;
    const hone_shape *input = &layer->inputs[0];
    if (input->rank != 3) {
        char text[96];
        HONE_FAIL(err, HONE_SHAPE, "input is %s, expected an image (height, width, channels)",
                  hone_shape_text(input, true, text, sizeof text));
    }
    if (c->kind == HONE_RANDOM_CROP) {
        layer->output = (hone_shape){3, {c->oh, c->ow, input->dims[2]}};
        return HONE_OK;
    }
    layer->output = *input;
    return HONE_OK;
}

hone_status hone__random_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                               const int *inputs, int *output, hone_error *err) {
    (void)model;
    hone__random_image what = *(const hone__random_image *)layer->config;
    what.h = (int)layer->inputs[0].dims[0];
    what.w = (int)layer->inputs[0].dims[1];
    what.c = (int)layer->inputs[0].dims[2];
    what.oh = (int)layer->output.dims[0];
    what.ow = (int)layer->output.dims[1];
    return hone__emit_random_image(builder, inputs[0], &what, layer->index, output, err);
}

#define RANDOM_TYPE(name, class)                                                                                       \
    const hone__layer_type hone__type_random_##name = {.class_name = class,                                            \
                                                       .config_size = sizeof(hone__random_image),                      \
                                                       .from_config = name##_from_config,                              \
                                                       .to_config = name##_to_config,                                  \
                                                       .build = hone__random_build,                                    \
                                                       .lower = hone__random_lower}

/* ---- RandomFlip ------------------------------------------------------------------------------------------------ */

static const char *const flip_modes[] = {"horizontal", "vertical", "horizontal_and_vertical", NULL};

static void flip_from_config(hone__layer *layer, hone__config *config) {
    hone__random_image *c = hone__random_begin(layer, config, HONE_RANDOM_FLIP);
    int mode = hone__config_choice(config, "mode", 2, flip_modes);
    c->horizontal = mode != 1;
    c->vertical = mode != 0;
}

static void flip_to_config(const hone__layer *layer, hone_value *config) {
    const hone__random_image *c = layer->config;
    hone_value_set_string(config, "mode", flip_modes[c->horizontal ? c->vertical ? 2 : 0 : 1]);
    hone_value_set_null(config, "seed");
}

RANDOM_TYPE(flip, "RandomFlip");

/* ---- RandomRotation -------------------------------------------------------------------------------------------- */

enum { MOST_FACTOR = 1000 };

static void rotation_from_config(hone__layer *layer, hone__config *config) {
    hone__random_image *c = hone__random_begin(layer, config, HONE_RANDOM_ROTATION);
    c->a = read_factor(config, "factor", -MOST_FACTOR, MOST_FACTOR);
    hone__random_read_sampling(c, config);
}

static void rotation_to_config(const hone__layer *layer, hone_value *config) {
    const hone__random_image *c = layer->config;
    set_factor(config, "factor", &c->a);
    hone__random_set_sampling(config, c);
    hone_value_set_null(config, "seed");
}

RANDOM_TYPE(rotation, "RandomRotation");

/* ---- RandomTranslation ----------------------------------------------------------------------------------------- */

static void translation_from_config(hone__layer *layer, hone__config *config) {
    hone__random_image *c = hone__random_begin(layer, config, HONE_RANDOM_TRANSLATION);
    c->a = read_factor(config, "height_factor", -1, 1);
    c->b = read_factor(config, "width_factor", -1, 1);
    hone__random_read_sampling(c, config);
}

static void translation_to_config(const hone__layer *layer, hone_value *config) {
    const hone__random_image *c = layer->config;
    set_factor(config, "height_factor", &c->a);
    set_factor(config, "width_factor", &c->b);
    hone__random_set_sampling(config, c);
    hone_value_set_null(config, "seed");
}

RANDOM_TYPE(translation, "RandomTranslation");

/* ---- RandomZoom ------------------------------------------------------------------------------------------------ */

static void zoom_from_config(hone__layer *layer, hone__config *config) {
    hone__random_image *c = hone__random_begin(layer, config, HONE_RANDOM_ZOOM);
    const double least = -0.999999; /* -1 would enlarge without end */
    c->a = read_factor(config, "height_factor", least, MOST_FACTOR);
    c->is_linked = !hone__config_get(config, "width_factor");
    c->b = c->is_linked ? c->a : read_factor(config, "width_factor", least, MOST_FACTOR);
    hone__random_read_sampling(c, config);
}

static void zoom_to_config(const hone__layer *layer, hone_value *config) {
    const hone__random_image *c = layer->config;
    set_factor(config, "height_factor", &c->a);
    if (c->is_linked)
        hone_value_set_null(config, "width_factor");
    else
        set_factor(config, "width_factor", &c->b);
    hone__random_set_sampling(config, c);
    hone_value_set_null(config, "seed");
}

RANDOM_TYPE(zoom, "RandomZoom");

/* ---- RandomContrast -------------------------------------------------------------------------------------------- */

/* Two numbers (l, u) are a contrast of 1 - l to 1 + u, as Keras spells it, and one is both. (Keras 3.9 and later read
 * one number as (0, u) and write that pair, so their files say what they mean.) */
static void contrast_from_config(hone__layer *layer, hone__config *config) {
    hone__random_image *c = hone__random_begin(layer, config, HONE_RANDOM_CONTRAST);
    double *numbers;
    size_t count;
    hone__config_reals(config, "factor", HONE_REQUIRED_REAL, &numbers, &count);
    hone__random_read_range(c, config);
    if (!hone__config_failed(config)) {
        double lower = numbers[0], upper = numbers[count - 1];
        c->a = (hone__draw){1 - lower, 1 + upper};
        if (count > 2 || !(lower <= 1 && upper >= 0 && -lower <= upper && upper <= MOST_FACTOR))
            hone__config_expected(config, "factor", hone__config_get(config, "factor"),
                                  "a number from 0 to 1, or a list of two of them");
    }
    hone__free(numbers);
}

/* tf-keras knows no value_range and always has 0 … 255. */
static void contrast_to_config(const hone__layer *layer, hone_value *config) {
    const hone__random_image *c = layer->config;
    const hone__draw factor = {1 - c->a.low, c->a.high - 1};
    set_factor(config, "factor", &factor);
    if (c->clip_low < 0 || c->clip_low > 0 || c->clip_high < 255 || c->clip_high > 255)
        hone__random_set_range(config, c);
    hone_value_set_null(config, "seed");
}

RANDOM_TYPE(contrast, "RandomContrast");

/* ---- RandomBrightness ------------------------------------------------------------------------------------------ */

static void brightness_from_config(hone__layer *layer, hone__config *config) {
    hone__random_image *c = hone__random_begin(layer, config, HONE_RANDOM_BRIGHTNESS);
    c->a = read_factor(config, "factor", -1, 1);
    hone__random_read_range(c, config);
}

static void brightness_to_config(const hone__layer *layer, hone_value *config) {
    const hone__random_image *c = layer->config;
    set_factor(config, "factor", &c->a);
    hone__random_set_range(config, c);
    hone_value_set_null(config, "seed");
}

RANDOM_TYPE(brightness, "RandomBrightness");

/* ---- RandomCrop ------------------------------------------------------------------------------------------------ */

static void crop_from_config(hone__layer *layer, hone__config *config) {
    hone__random_image *c = hone__random_begin(layer, config, HONE_RANDOM_CROP);
    c->oh = (int)hone__config_integer(config, "height", HONE_REQUIRED, 1, HONE_MAX_IMAGE_SIDE);
    c->ow = (int)hone__config_integer(config, "width", HONE_REQUIRED, 1, HONE_MAX_IMAGE_SIDE);
}

static void crop_to_config(const hone__layer *layer, hone_value *config) {
    const hone__random_image *c = layer->config;
    hone_value_set_integer(config, "height", c->oh);
    hone_value_set_integer(config, "width", c->ow);
    hone_value_set_null(config, "seed");
}

RANDOM_TYPE(crop, "RandomCrop");
