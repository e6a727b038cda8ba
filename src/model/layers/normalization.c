/* SPDX-License-Identifier: Apache-2.0
 *
 * Normalisation layers: BatchNormalization, LayerNormalization, RMSNormalization and GroupNormalization, all over the last
 * axis. */
#include "layer.h"

#include <math.h>

typedef struct normalization {
    int axis;
    double momentum; /* BatchNormalization */
    double epsilon;
    int groups;         /* GroupNormalization; -1: as many as channels */
    bool center, scale; /* has beta, has gamma */
    hone__initializer beta_initializer, gamma_initializer;
    hone__initializer moving_mean_initializer, moving_variance_initializer; /* BatchNormalization */
    hone__regularizer beta_regularizer, gamma_regularizer;
    int gamma, beta, moving_mean, moving_variance;
} normalization;

static void read_common(hone__layer *layer, hone__config *config) {
    normalization *c = layer->config;
    c->axis = hone__config_axis(config);
    c->epsilon = hone__config_real(config, "epsilon", 1e-3, 0, INFINITY);
    c->center = hone__config_boolean(config, "center", true);
    c->scale = hone__config_boolean(config, "scale", true);
    c->beta_initializer = hone__config_initializer(config, "beta_initializer", "Zeros");
    c->gamma_initializer = hone__config_initializer(config, "gamma_initializer", "Ones");
    c->beta_regularizer = hone__config_regularizer(config, "beta_regularizer");
    c->gamma_regularizer = hone__config_regularizer(config, "gamma_regularizer");
    hone__config_constraint(config, layer, "beta_constraint");
    hone__config_constraint(config, layer, "gamma_constraint");
}

static void write_initializers(const normalization *c, hone_value *config) {
    hone_value_set_boolean(config, "center", c->center);
    hone_value_set_boolean(config, "scale", c->scale);
    hone__set_initializer(config, "beta_initializer", &c->beta_initializer);
    hone__set_initializer(config, "gamma_initializer", &c->gamma_initializer);
}

static void write_regularizers(const hone__layer *layer, hone_value *config) {
    const normalization *c = layer->config;
    hone__set_regularizer(config, "beta_regularizer", &c->beta_regularizer);
    hone__set_regularizer(config, "gamma_regularizer", &c->gamma_regularizer);
    hone__set_constraint(config, "beta_constraint", layer);
    hone__set_constraint(config, "gamma_constraint", layer);
}

/* gamma and beta, of the length of the last axis. */
static hone_status build_common(hone_model *model, hone__layer *layer, hone_shape *channels, hone_error *err) {
    normalization *c = layer->config;
    const hone_shape *input = &layer->inputs[0];
    HONE_TRY(hone__check_last_axis(c->axis, input, err));
    layer->output = *input;
    *channels = (hone_shape){1, {input->dims[input->rank - 1]}};
    c->gamma = c->beta = HONE_NO_WEIGHT;
    if (c->scale) {
        HONE_TRY(hone__declare_weight(model, layer, "gamma", channels, true, &c->gamma_initializer,
                                      &c->gamma_regularizer, &c->gamma, err));
    }
    if (!c->center) return HONE_OK;
    return hone__declare_weight(model, layer, "beta", channels, true, &c->beta_initializer, &c->beta_regularizer,
                                &c->beta, err);
}

/* ---- BatchNormalization ---------------------------------------------------------------------------------------- */

static void batch_from_config(hone__layer *layer, hone__config *config) {
    normalization *c = layer->config;
    read_common(layer, config);
    c->momentum = hone__config_real(config, "momentum", 0.99, 0, 1);
    c->moving_mean_initializer = hone__config_initializer(config, "moving_mean_initializer", "Zeros");
    c->moving_variance_initializer = hone__config_initializer(config, "moving_variance_initializer", "Ones");
    if (hone__config_boolean(config, "renorm", false)) {
        hone__config_fail(config, HONE_UNSUPPORTED, "batch renormalisation (renorm) is not supported");
    }
    /* How the sums are made elsewhere; one process has one batch. */
    static const char *const ignored[] = {"fused", "synchronized", "renorm_clipping", "renorm_momentum", NULL};
    for (int i = 0; ignored[i]; i++) hone__config_get(config, ignored[i]);
    hone__config_null(config, "virtual_batch_size");
    hone__config_null(config, "adjustment");
}

static void batch_to_config(const hone__layer *layer, hone_value *config) {
    const normalization *c = layer->config;
    hone_value_set_integer(config, "axis", c->axis);
    hone_value_set_real(config, "momentum", c->momentum);
    hone_value_set_real(config, "epsilon", c->epsilon);
    write_initializers(c, config);
    hone__set_initializer(config, "moving_mean_initializer", &c->moving_mean_initializer);
    hone__set_initializer(config, "moving_variance_initializer", &c->moving_variance_initializer);
    write_regularizers(layer, config);
}

static hone_status batch_build(hone_model *model, hone__layer *layer, hone_error *err) {
    normalization *c = layer->config;
    hone_shape channels;
    HONE_TRY(build_common(model, layer, &channels, err));
    HONE_TRY(hone__declare_weight(model, layer, "moving_mean", &channels, false, &c->moving_mean_initializer, NULL,
                                  &c->moving_mean, err));
    return hone__declare_weight(model, layer, "moving_variance", &channels, false, &c->moving_variance_initializer,
                                NULL, &c->moving_variance, err);
}

static hone_status batch_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                               const int *inputs, int *output, hone_error *err) {
    (void)model;
    const normalization *c = layer->config;
    bool frozen = !layer->trainable || hone__builder_inference(builder);
    return hone__emit_batch_normalization(builder, inputs[0], (float)c->momentum, (float)c->epsilon, frozen, c->gamma,
                                          c->beta, c->moving_mean, c->moving_variance, output, err);
}

const hone__layer_type hone__type_batch_normalization = {.class_name = "BatchNormalization",
                                                         .config_size = sizeof(normalization),
                                                         .from_config = batch_from_config,
                                                         .to_config = batch_to_config,
                                                         .build = batch_build,
                                                         .lower = batch_lower};

/* ---- LayerNormalization ---------------------------------------------------------------------------------------- */

static void layer_from_config(hone__layer *layer, hone__config *config) {
    read_common(layer, config);
    if (hone__config_boolean(config, "rms_scaling", false)) {
        hone__config_fail(config, HONE_UNSUPPORTED, "rms_scaling is not supported");
    }
}

static void layer_to_config(const hone__layer *layer, hone_value *config) {
    const normalization *c = layer->config;
    hone_value_set_integer(config, "axis", c->axis);
    hone_value_set_real(config, "epsilon", c->epsilon);
    write_initializers(c, config);
    write_regularizers(layer, config);
}

static hone_status layer_build(hone_model *model, hone__layer *layer, hone_error *err) {
    hone_shape channels;
    return build_common(model, layer, &channels, err);
}

static hone_status layer_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                               const int *inputs, int *output, hone_error *err) {
    (void)model;
    const normalization *c = layer->config;
    return hone__emit_layer_normalization(builder, inputs[0], (float)c->epsilon, c->gamma, c->beta, output, err);
}

const hone__layer_type hone__type_layer_normalization = {.class_name = "LayerNormalization",
                                                         .config_size = sizeof(normalization),
                                                         .from_config = layer_from_config,
                                                         .to_config = layer_to_config,
                                                         .build = layer_build,
                                                         .lower = layer_lower};

/* ---- GroupNormalization ---------------------------------------------------------------------------------------- */

static void group_from_config(hone__layer *layer, hone__config *config) {
    normalization *c = layer->config;
    read_common(layer, config);
    c->groups = (int)hone__config_integer(config, "groups", 32, -1, HONE_MAX_UNITS);
    if (c->groups == 0) hone__config_fail(config, HONE_ARGUMENT, "groups is 0, expected a number or -1");
}

static void group_to_config(const hone__layer *layer, hone_value *config) {
    const normalization *c = layer->config;
    hone_value_set_integer(config, "groups", c->groups);
    layer_to_config(layer, config);
}

static hone_status group_build(hone_model *model, hone__layer *layer, hone_error *err) {
    const normalization *c = layer->config;
    hone_shape channels;
    HONE_TRY(build_common(model, layer, &channels, err));
    if (c->groups == -1 || channels.dims[0] % c->groups == 0) return HONE_OK;
    HONE_FAIL(err, HONE_SHAPE, "%lld channels cannot be split evenly into %d groups", (long long)channels.dims[0],
              c->groups);
}

static hone_status group_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                               const int *inputs, int *output, hone_error *err) {
    (void)model;
    const normalization *c = layer->config;
    const hone_shape *shape = &layer->output;
    size_t groups = (size_t)(c->groups == -1 ? shape->dims[shape->rank - 1] : c->groups);
    return hone__emit_group_normalization(builder, inputs[0], groups, (float)c->epsilon, c->gamma, c->beta, output,
                                          err);
}

const hone__layer_type hone__type_group_normalization = {.class_name = "GroupNormalization",
                                                         .config_size = sizeof(normalization),
                                                         .from_config = group_from_config,
                                                         .to_config = group_to_config,
                                                         .build = group_build,
                                                         .lower = group_lower};

/* ---- RMSNormalization ------------------------------------------------------------------------------------------- */

static void rms_from_config(hone__layer *layer, hone__config *config) {
    normalization *c = layer->config;
    c->axis = hone__config_axis(config);
    c->epsilon = hone__config_real(config, "epsilon", 1e-6, 0, INFINITY);
}

static void rms_to_config(const hone__layer *layer, hone_value *config) {
    const normalization *c = layer->config;
    hone_value_set_integer(config, "axis", c->axis);
    hone_value_set_real(config, "epsilon", c->epsilon);
}

static hone_status rms_build(hone_model *model, hone__layer *layer, hone_error *err) {
    normalization *c = layer->config;
    const hone_shape *input = &layer->inputs[0], channels = {1, {input->dims[input->rank - 1]}};
    static const hone__initializer ones = {.class_name = "Ones", .seed = -1};
    HONE_TRY(hone__check_last_axis(c->axis, input, err));
    layer->output = *input;
    return hone__declare_weight(model, layer, "scale", &channels, true, &ones, NULL, &c->gamma, err);
}

/* The scale is a normalisation that has no statistics. */
static hone_status rms_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                             const int *inputs, int *output, hone_error *err) {
    (void)model;
    const normalization *c = layer->config;
    int y;
    HONE_TRY(hone__emit_rms_normalization(builder, inputs[0], c->epsilon, &y, err));
    return hone__emit_batch_normalization(builder, y, 0, 0, true, c->gamma, HONE_NO_WEIGHT, HONE_NO_WEIGHT,
                                          HONE_NO_WEIGHT, output, err);
}

const hone__layer_type hone__type_rms_normalization = {.class_name = "RMSNormalization",
                                                       .config_size = sizeof(normalization),
                                                       .from_config = rms_from_config,
                                                       .to_config = rms_to_config,
                                                       .build = rms_build,
                                                       .lower = rms_lower};
