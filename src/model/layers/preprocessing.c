/* SPDX-License-Identifier: Apache-2.0
 *
 * Preprocessing layers: Rescaling, y = x * scale + offset, where each is one number or one per channel; Normalization,
 * y = (x - mean) / deviation, stated or adapted. */
#include "layer.h"

#include <math.h>

typedef struct rescaling {
    double *scale, *offset;
    size_t scale_count, offset_count; /* 1, or one per channel */
} rescaling;

static void rescaling_from_config(hone__layer *layer, hone__config *config) {
    rescaling *c = layer->config;
    hone__config_reals(config, "scale", HONE_REQUIRED_REAL, &c->scale, &c->scale_count);
    hone__config_reals(config, "offset", 0, &c->offset, &c->offset_count);
}

static void rescaling_release(hone__layer *layer) {
    rescaling *c = layer->config;
    hone__free(c->scale);
    hone__free(c->offset);
}

static void set_numbers(hone_value *config, const char *key, const double *numbers, size_t count) {
    if (count == 1) {
        hone_value_set_real(config, key, numbers[0]);
        return;
    }
    hone_value *list = hone_value_list();
    for (size_t i = 0; i < count; i++) hone_value_append(list, hone_value_real(numbers[i]));
    hone_value_set(config, key, list);
}

static void rescaling_to_config(const hone__layer *layer, hone_value *config) {
    const rescaling *c = layer->config;
    set_numbers(config, "scale", c->scale, c->scale_count);
    set_numbers(config, "offset", c->offset, c->offset_count);
}

static hone_status rescaling_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model;
    const rescaling *c = layer->config;
    const hone_shape *input = &layer->inputs[0];
    size_t channels = (size_t)input->dims[input->rank - 1];
    if (c->scale_count != 1 && c->scale_count != channels) {
        HONE_FAIL(err, HONE_SHAPE, "scale has %zu numbers for %zu channels", c->scale_count, channels);
    }
    if (c->offset_count != 1 && c->offset_count != channels) {
        HONE_FAIL(err, HONE_SHAPE, "offset has %zu numbers for %zu channels", c->offset_count, channels);
    }
    layer->output = *input;
    return HONE_OK;
}

static hone_status rescaling_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                   const int *inputs, int *output, hone_error *err) {
    (void)model;
    const rescaling *c = layer->config;
    size_t count = c->scale_count > c->offset_count ? c->scale_count : c->offset_count;
    float *numbers = hone__alloc(count, 2 * sizeof *numbers);
    if (!numbers) return hone__fail_memory(err, count * 2 * sizeof *numbers, "the numbers of a Rescaling");
    for (size_t i = 0; i < count; i++) {
        numbers[i] = (float)c->scale[c->scale_count == 1 ? 0 : i];
        numbers[count + i] = (float)c->offset[c->offset_count == 1 ? 0 : i];
    }
    hone_status status = hone__emit_affine(builder, inputs[0], numbers, numbers + count, count, output, err);
    hone__free(numbers);
    return status;
}

const hone__layer_type hone__type_rescaling = {.class_name = "Rescaling",
                                               .config_size = sizeof(rescaling),
                                               .from_config = rescaling_from_config,
                                               .to_config = rescaling_to_config,
                                               .build = rescaling_build,
                                               .lower = rescaling_lower,
                                               .release = rescaling_release};

/* ---- Normalization --------------------------------------------------------------------------------------------- */

/* Stated, mean and variance are arguments; else they are weights, which adapt() has set, with the count of samples. */
typedef struct normalization {
    int axis;
    bool invert;
    double *mean, *variance; /* NULL: weights */
    size_t mean_count, variance_count;
    int mean_weight, variance_weight, count_weight;
} normalization;

/* Keras divides by at least 1e-7. */
static const float least_variance = 1e-14F;

static void normalization_from_config(hone__layer *layer, hone__config *config) {
    normalization *c = layer->config;
    c->axis = hone__config_axis(config);
    c->invert = hone__config_boolean(config, "invert", false);
    if (hone__config_get(config, "mean")) {
        hone__config_reals(config, "mean", HONE_REQUIRED_REAL, &c->mean, &c->mean_count);
        hone__config_reals(config, "variance", HONE_REQUIRED_REAL, &c->variance, &c->variance_count);
    } else if (hone__config_get(config, "variance")) {
        hone__config_fail(config, HONE_ARGUMENT, "variance is stated without mean");
    } else if (c->invert) {
        hone__config_fail(config, HONE_UNSUPPORTED, "invert is supported with a stated mean and variance only");
    }
}

static void normalization_release(hone__layer *layer) {
    normalization *c = layer->config;
    hone__free(c->mean);
    hone__free(c->variance);
}

static void normalization_to_config(const hone__layer *layer, hone_value *config) {
    const normalization *c = layer->config;
    hone_value *axis = hone_value_list();
    hone_value_append(axis, hone_value_integer(c->axis));
    hone_value_set(config, "axis", axis);
    hone_value_set_boolean(config, "invert", c->invert);
    if (c->mean) {
        set_numbers(config, "mean", c->mean, c->mean_count);
        set_numbers(config, "variance", c->variance, c->variance_count);
    } else {
        hone_value_set_null(config, "mean");
        hone_value_set_null(config, "variance");
    }
}

static hone_status normalization_build(hone_model *model, hone__layer *layer, hone_error *err) {
    normalization *c = layer->config;
    static const hone__initializer zeros = {.class_name = "Zeros", .seed = -1},
                                   ones = {.class_name = "Ones", .seed = -1};
    const hone_shape *input = &layer->inputs[0];
    size_t channels = (size_t)input->dims[input->rank - 1];
    HONE_TRY(hone__check_last_axis(c->axis, input, err));
    layer->output = *input;
    if (c->mean) {
        if ((c->mean_count == 1 || c->mean_count == channels) &&
            (c->variance_count == 1 || c->variance_count == channels))
            return HONE_OK;
        HONE_FAIL(err, HONE_SHAPE, "mean has %zu and variance %zu numbers for %zu channels", c->mean_count,
                  c->variance_count, channels);
    }
    hone_shape each = {1, {(int64_t)channels}}, scalar = {0};
    HONE_TRY(hone__declare_weight(model, layer, "mean", &each, false, &zeros, NULL, &c->mean_weight, err));
    HONE_TRY(hone__declare_weight(model, layer, "variance", &each, false, &ones, NULL, &c->variance_weight, err));
    return hone__declare_weight(model, layer, "count", &scalar, false, &zeros, NULL, &c->count_weight, err);
}

static hone_status normalization_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                       const int *inputs, int *output, hone_error *err) {
    (void)model;
    const normalization *c = layer->config;
    if (!c->mean) {
        return hone__emit_batch_normalization(builder, inputs[0], 0, least_variance, true, HONE_NO_WEIGHT,
                                              HONE_NO_WEIGHT, c->mean_weight, c->variance_weight, output, err);
    }
    size_t count = c->mean_count > c->variance_count ? c->mean_count : c->variance_count;
    float *numbers = hone__alloc(count, 2 * sizeof *numbers);
    if (!numbers) return hone__fail_memory(err, count * 2 * sizeof *numbers, "the numbers of a Normalization");
    for (size_t i = 0; i < count; i++) {
        double mean = c->mean[c->mean_count == 1 ? 0 : i], variance = c->variance[c->variance_count == 1 ? 0 : i];
        double deviation = fmax(sqrt(variance), 1e-7);
        numbers[i] = (float)(c->invert ? deviation : 1 / deviation);
        numbers[count + i] = (float)(c->invert ? mean : -mean / deviation);
    }
    hone_status status = hone__emit_affine(builder, inputs[0], numbers, numbers + count, count, output, err);
    hone__free(numbers);
    return status;
}

const hone__layer_type hone__type_normalization = {.class_name = "Normalization",
                                                   .config_size = sizeof(normalization),
                                                   .from_config = normalization_from_config,
                                                   .to_config = normalization_to_config,
                                                   .build = normalization_build,
                                                   .lower = normalization_lower,
                                                   .release = normalization_release};
