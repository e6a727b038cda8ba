/* SPDX-License-Identifier: Apache-2.0
 *
 * The random layers of Keras 3.8 and later: RandomShear, RandomPerspective, RandomElasticTransform and those that change
 * values, RandomHue to Equalization; AutoContrast, which acts in inference too; RandomColorJitter, four in a row.
 *
 * Their arguments are so much alike that a table says which layer has which; one reader and one writer go by it. */
#include "layers/random_layers.h"

#include <string.h>

/* A factor: one number f is from least (-f where least is less) to f, two are the range. */
typedef struct factor_words {
    const char *key; /* NULL: none */
    double low, high, fallback;
} factor_words;

typedef enum argument {
    HAS_RANGE = 1,
    HAS_SAMPLING = 2,
    HAS_SEED = 4,
    HAS_BITS = 8,        /* its factor is of whole numbers */
    HAS_PROBABILITY = 16 /* its factor is one number */
} argument;

static const struct words {
    const char *class_name;
    hone__random_kind kind;
    factor_words a, b;
    unsigned arguments;
} table[] = {
    {"RandomShear", HONE_RANDOM_SHEAR, {"x_factor", -1, 1, 0}, {"y_factor", -1, 1, 0}, HAS_SAMPLING | HAS_SEED},
    {"RandomPerspective", HONE_RANDOM_PERSPECTIVE, {"factor", 0, 1, 1}, {NULL, 0, 0, 0}, HAS_SEED},
    {"RandomElasticTransform",
     HONE_RANDOM_ELASTIC,
     {"factor", 0, 1, 1},
     {"scale", 0, 1, 1},
     HAS_RANGE | HAS_SAMPLING | HAS_SEED},
    {"RandomHue", HONE_RANDOM_HUE, {"factor", 0, 1, HONE_REQUIRED_REAL}, {NULL, 0, 0, 0}, HAS_RANGE | HAS_SEED},
    {"RandomSaturation",
     HONE_RANDOM_SATURATION,
     {"factor", -1, 1, HONE_REQUIRED_REAL},
     {NULL, 0, 0, 0},
     HAS_RANGE | HAS_SEED},
    {"RandomColorDegeneration",
     HONE_RANDOM_DEGENERATION,
     {"factor", -1, 1, HONE_REQUIRED_REAL},
     {NULL, 0, 0, 0},
     HAS_RANGE | HAS_SEED},
    {"RandomGrayscale", HONE_RANDOM_GRAYSCALE, {"factor", 0, 1, 0.5}, {NULL, 0, 0, 0}, HAS_PROBABILITY},
    {"RandomInvert", HONE_RANDOM_INVERT, {"factor", 0, 1, 1}, {NULL, 0, 0, 0}, HAS_RANGE | HAS_SEED},
    {"RandomPosterization",
     HONE_RANDOM_POSTERIZATION,
     {"factor", 1, 8, HONE_REQUIRED_REAL},
     {NULL, 0, 0, 0},
     HAS_RANGE | HAS_SEED | HAS_BITS},
    {"RandomSharpness",
     HONE_RANDOM_SHARPNESS,
     {"factor", 0, 1, HONE_REQUIRED_REAL},
     {NULL, 0, 0, 0},
     HAS_RANGE | HAS_SEED},
    {"Solarization",
     HONE_RANDOM_SOLARIZATION,
     {"addition_factor", 0, 1, 0},
     {"threshold_factor", 0, 1, 0},
     HAS_RANGE | HAS_SEED},
    {"RandomErasing", HONE_RANDOM_ERASING, {"factor", 0, 1, 1}, {"scale", 0, 1, 0}, HAS_RANGE | HAS_SEED},
    {"RandomGaussianBlur", HONE_RANDOM_BLUR, {"factor", 0, 1, 1}, {"sigma", 0, 1, 1}, HAS_RANGE | HAS_SEED},
    {"Equalization", HONE_RANDOM_EQUALIZATION, {NULL, 0, 0, 0}, {NULL, 0, 0, 0}, HAS_RANGE},
    {"AutoContrast", HONE_RANDOM_AUTO_CONTRAST, {NULL, 0, 0, 0}, {NULL, 0, 0, 0}, HAS_RANGE},
};

enum { CLASSES = sizeof table / sizeof *table, MOST_BINS = 1 << 16, MOST_WINDOW = 255 };

static const struct words *words_of(const hone__layer *layer) {
    size_t i = 0;
    while (i + 1 < CLASSES && strcmp(table[i].class_name, layer->type->class_name) != 0) i++;
    return &table[i];
}

/* ---- arguments ------------------------------------------------------------------------------------------------- */

static void read_factor(hone__config *config, const factor_words *words, hone__draw *out) {
    double *numbers;
    size_t count;
    if (!words->key) return;
    hone__config_reals(config, words->key, words->fallback, &numbers, &count);
    if (hone__config_failed(config)) return;
    if (count == 1)
        *out = (hone__draw){fmax(-fabs(numbers[0]), words->low), fabs(numbers[0])};
    else if (count == 2)
        *out = (hone__draw){fmin(numbers[0], numbers[1]), fmax(numbers[0], numbers[1])};
    if (count > 2 || !(out->low >= words->low && out->high <= words->high && out->low <= out->high)) {
        char what[96];
        snprintf(what, sizeof what, "a number, or a list of two, within %g and %g", words->low, words->high);
        hone__config_expected(config, words->key, hone__config_get(config, words->key), what);
    }
    hone__free(numbers);
}

/* As one number where Keras takes no list of what it wrote itself (RandomShear's -0.1 to 0.1). */
static void set_factor(hone_value *config, const factor_words *words, const hone__draw *draw, unsigned arguments) {
    if (!words->key) return;
    if ((arguments & HAS_PROBABILITY) || (words->low < 0 && draw->low <= -draw->high && draw->low >= -draw->high)) {
        hone_value_set_real(config, words->key, draw->high);
        return;
    }
    hone_value *list = hone_value_list();
    bool whole = arguments & HAS_BITS;
    hone_value_append(list, whole ? hone_value_integer((int64_t)draw->low) : hone_value_real(draw->low));
    hone_value_append(list, whole ? hone_value_integer((int64_t)draw->high) : hone_value_real(draw->high));
    hone_value_set(config, words->key, list);
}

static void read_fill(hone__random_image *c, hone__config *config) {
    static const double default_scale[2] = {0.02, 0.33};
    if (!hone__config_get(config, "scale")) c->b = (hone__draw){default_scale[0], default_scale[1]};
    c->noise = !hone__config_get(config, "fill_value");
    if (c->noise) return;
    double *numbers;
    size_t count;
    hone__config_reals(config, "fill_value", 0, &numbers, &count);
    if (hone__config_failed(config)) return;
    if (count == 1 || count == 3)
        memcpy(c->fill, numbers, count * sizeof *numbers);
    else
        hone__config_expected(config, "fill_value", hone__config_get(config, "fill_value"), "a number or a list of 3");
    c->fill_count = (int)count;
    hone__free(numbers);
}

static void set_fill(hone_value *config, const hone__random_image *c) {
    if (c->noise) {
        hone_value_set_null(config, "fill_value");
    } else if (c->fill_count == 1) {
        hone_value_set_real(config, "fill_value", c->fill[0]);
    } else {
        hone_value *list = hone_value_list();
        for (int i = 0; i < c->fill_count; i++) hone_value_append(list, hone_value_real(c->fill[i]));
        hone_value_set(config, "fill_value", list);
    }
}

/* Of a perspective: the corners move by up to half of it either way. */
static void read_perspective(hone__random_image *c, hone__config *config) {
    static const char *const interpolations[] = {"bilinear", "nearest", NULL};
    double scale = hone__config_real(config, "scale", 1, 0, 1);
    c->b = (hone__draw){-0.5 * scale, 0.5 * scale};
    c->nearest = hone__config_choice(config, "interpolation", 0, interpolations) == 1;
    c->fill_value = hone__config_real(config, "fill_value", 0, -1e30, 1e30);
}

static void read_window(hone__random_image *c, hone__config *config) {
    static const int three[2] = {3, 3};
    hone__config_pair(config, "kernel_size", three, 1, MOST_WINDOW, c->window);
    if (c->window[0] % 2 == 0 || c->window[1] % 2 == 0)
        hone__config_expected(config, "kernel_size", hone__config_get(config, "kernel_size"), "odd numbers");
}

static void values_from_config(hone__layer *layer, hone__config *config) {
    const struct words *words = words_of(layer);
    hone__random_image *c = hone__random_begin(layer, config, words->kind);
    read_factor(config, &words->a, &c->a);
    read_factor(config, &words->b, &c->b);
    if (words->arguments & HAS_RANGE) hone__random_read_range(c, config);
    if (words->arguments & HAS_SAMPLING) hone__random_read_sampling(c, config);
    switch (words->kind) {
    case HONE_RANDOM_PERSPECTIVE: read_perspective(c, config); break;
    case HONE_RANDOM_ERASING: read_fill(c, config); break;
    case HONE_RANDOM_BLUR: read_window(c, config); break;
    case HONE_RANDOM_EQUALIZATION: c->bins = (int)hone__config_integer(config, "bins", 256, 2, MOST_BINS); break;
    default: break;
    }
}

static void values_to_config(const hone__layer *layer, hone_value *config) {
    const struct words *words = words_of(layer);
    const hone__random_image *c = layer->config;
    set_factor(config, &words->a, &c->a, words->arguments);
    set_factor(config, &words->b, &c->b, words->arguments);
    if (words->arguments & HAS_RANGE) hone__random_set_range(config, c);
    if (words->arguments & HAS_SAMPLING) hone__random_set_sampling(config, c);
    if (words->kind == HONE_RANDOM_PERSPECTIVE) {
        hone_value_set_real(config, "scale", 2 * c->b.high);
        hone_value_set_string(config, "interpolation", c->nearest ? "nearest" : "bilinear");
        hone_value_set_real(config, "fill_value", c->fill_value);
    }
    if (words->kind == HONE_RANDOM_ERASING) set_fill(config, c);
    if (words->kind == HONE_RANDOM_BLUR) hone__set_pair(config, "kernel_size", c->window);
    if (words->kind == HONE_RANDOM_EQUALIZATION) hone_value_set_integer(config, "bins", c->bins);
    if (words->arguments & HAS_SEED) hone_value_set_null(config, "seed");
}

static hone_status check_channels(const hone__layer *layer, bool grey, hone_error *err) {
    char text[96];
    const hone_shape *input = &layer->inputs[0];
    if (input->rank == 3 && (input->dims[2] == 3 || (grey && input->dims[2] == 1))) return HONE_OK;
    HONE_FAIL(err, HONE_SHAPE, "input is %s, expected pictures in colour (height, width, 3)%s",
              hone_shape_text(input, true, text, sizeof text), grey ? " or in grey (height, width, 1)" : "");
}

static hone_status values_build(hone_model *model, hone__layer *layer, hone_error *err) {
    switch (words_of(layer)->kind) {
    case HONE_RANDOM_HUE:
    case HONE_RANDOM_SATURATION: HONE_TRY(check_channels(layer, false, err)); break;
    case HONE_RANDOM_DEGENERATION:
    case HONE_RANDOM_GRAYSCALE: HONE_TRY(check_channels(layer, true, err)); break;
    default: break;
    }
    return hone__random_build(model, layer, err);
}

#define VALUES_TYPE(name, class)                                                                                       \
    const hone__layer_type hone__type_##name = {.class_name = class,                                                   \
                                                .config_size = sizeof(hone__random_image),                             \
                                                .from_config = values_from_config,                                     \
                                                .to_config = values_to_config,                                         \
                                                .build = values_build,                                                 \
                                                .lower = hone__random_lower}

VALUES_TYPE(random_shear, "RandomShear");
VALUES_TYPE(random_perspective, "RandomPerspective");
VALUES_TYPE(random_elastic_transform, "RandomElasticTransform");
VALUES_TYPE(random_hue, "RandomHue");
VALUES_TYPE(random_saturation, "RandomSaturation");
VALUES_TYPE(random_color_degeneration, "RandomColorDegeneration");
VALUES_TYPE(random_grayscale, "RandomGrayscale");
VALUES_TYPE(random_invert, "RandomInvert");
VALUES_TYPE(random_posterization, "RandomPosterization");
VALUES_TYPE(random_sharpness, "RandomSharpness");
VALUES_TYPE(solarization, "Solarization");
VALUES_TYPE(random_erasing, "RandomErasing");
VALUES_TYPE(random_gaussian_blur, "RandomGaussianBlur");
VALUES_TYPE(equalization, "Equalization");
VALUES_TYPE(auto_contrast, "AutoContrast");

/* ---- RandomColorJitter ------------------------------------------------------------------------------------------ */

enum { BRIGHTNESS, CONTRAST, SATURATION, HUE, PARTS };

static const struct {
    factor_words factor;
    hone__random_kind kind;
} parts[PARTS] = {[BRIGHTNESS] = {{"brightness_factor", -1, 1, 0}, HONE_RANDOM_BRIGHTNESS},
                  [CONTRAST] = {{"contrast_factor", 0, 1, 0}, HONE_RANDOM_CONTRAST},
                  [SATURATION] = {{"saturation_factor", -1, 1, 0}, HONE_RANDOM_SATURATION},
                  [HUE] = {{"hue_factor", 0, 1, 0}, HONE_RANDOM_HUE}};

typedef struct jitter {
    hone__random_image common;
    bool has[PARTS];
    hone__draw factors[PARTS]; /* as stated: of a contrast, how much less and how much more */
} jitter;

static void jitter_from_config(hone__layer *layer, hone__config *config) {
    jitter *c = layer->config;
    hone__random_read_range(hone__random_begin(layer, config, HONE_RANDOM_BRIGHTNESS), config);
    for (int i = 0; i < PARTS; i++) {
        c->has[i] = hone__config_get(config, parts[i].factor.key) != NULL;
        if (c->has[i]) read_factor(config, &parts[i].factor, &c->factors[i]);
    }
}

static void jitter_to_config(const hone__layer *layer, hone_value *config) {
    const jitter *c = layer->config;
    hone__random_set_range(config, &c->common);
    for (int i = 0; i < PARTS; i++) {
        if (c->has[i])
            set_factor(config, &parts[i].factor, &c->factors[i], 0);
        else
            hone_value_set_null(config, parts[i].factor.key);
    }
    hone_value_set_null(config, "seed");
}

static hone_status jitter_build(hone_model *model, hone__layer *layer, hone_error *err) {
    const jitter *c = layer->config;
    if (c->has[SATURATION] || c->has[HUE]) HONE_TRY(check_channels(layer, false, err));
    return hone__random_build(model, layer, err);
}

static hone_status jitter_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                const int *inputs, int *output, hone_error *err) {
    (void)model;
    const jitter *c = layer->config;
    int x = inputs[0];
    for (uint32_t i = 0; i < PARTS; i++) {
        if (!c->has[i]) continue;
        hone__random_image what = c->common;
        what.kind = parts[i].kind;
        what.a = c->factors[i];
        if (i == CONTRAST) what.a = (hone__draw){1 - c->factors[i].low, 1 + c->factors[i].high};
        what.part = i;
        what.h = what.oh = (int)layer->inputs[0].dims[0];
        what.w = what.ow = (int)layer->inputs[0].dims[1];
        what.c = (int)layer->inputs[0].dims[2];
        HONE_TRY(hone__emit_random_image(builder, x, &what, layer->index, &x, err));
    }
    *output = x;
    return HONE_OK;
}

const hone__layer_type hone__type_random_color_jitter = {.class_name = "RandomColorJitter",
                                                         .config_size = sizeof(jitter),
                                                         .from_config = jitter_from_config,
                                                         .to_config = jitter_to_config,
                                                         .build = jitter_build,
                                                         .lower = jitter_lower};
