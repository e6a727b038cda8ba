/* SPDX-License-Identifier: Apache-2.0
 *
 * Preprocessing layers: Rescaling, y = x * scale + offset, where each is one number or one per channel. */
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
