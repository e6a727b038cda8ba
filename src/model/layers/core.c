/* SPDX-License-Identifier: Apache-2.0
 *
 * Core layers: InputLayer, Dense, Activation, Identity. */
#include "layer.h"

#include <math.h>

/* ---- InputLayer ------------------------------------------------------------------------------------------------ */

/* Its one argument, the shape, is read by hone__layer_create for every class, because a Sequential's first layer may
 * state it too, and is put here; hone__input_layer_shape tells it. */
static void input_from_config(hone__layer *layer, hone__config *config) {
    (void)layer;
    static const char *const ignored[] = {"batch_size", "optional", "type_spec", "input_tensor", NULL};
    for (int i = 0; ignored[i]; i++) hone__config_get(config, ignored[i]);
    if (hone__config_boolean(config, "sparse", false)) {
        hone__config_fail(config, HONE_UNSUPPORTED, "sparse inputs are not supported");
    }
    if (hone__config_boolean(config, "ragged", false)) {
        hone__config_fail(config, HONE_UNSUPPORTED, "ragged inputs are not supported");
    }
}

static void input_to_config(const hone__layer *layer, hone_value *config) {
    (void)layer;
    hone_value_set_boolean(config, "sparse", false);
    hone_value_set_boolean(config, "ragged", false);
}

static hone_status input_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model;
    hone_shape stated = hone__input_layer_shape(layer), taken = stated;
    /* What a model within leaves open is as it is given. */
    for (int i = 0; layer->input_count > 0 && i < stated.rank && stated.rank == layer->inputs[0].rank; i++)
        if (stated.dims[i] == 0) taken.dims[i] = layer->inputs[0].dims[i];
    layer->output = taken;
    if (layer->input_count == 0 || hone_shape_equal(&taken, &layer->inputs[0])) return HONE_OK;
    char wanted[96], given[96];
    HONE_FAIL(err, HONE_SHAPE, "its model takes %s and is given %s",
              hone_shape_text(&stated, true, wanted, sizeof wanted),
              hone_shape_text(&layer->inputs[0], true, given, sizeof given));
}

/* What the planner feeds in comes out. */
static hone_status input_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                               const int *inputs, int *output, hone_error *err) {
    (void)model, (void)layer, (void)builder, (void)err;
    *output = inputs[0];
    return HONE_OK;
}

const hone__layer_type hone__type_input_layer = {.class_name = "InputLayer",
                                                 .config_size = sizeof(hone_shape),
                                                 .from_config = input_from_config,
                                                 .to_config = input_to_config,
                                                 .build = input_build,
                                                 .lower = input_lower,
                                                 .omits_trainable = true};

/* ---- Dense ----------------------------------------------------------------------------------------------------- */

typedef struct dense {
    int64_t units;
    bool use_bias;
    hone__activation activation;
    hone__initializer kernel_initializer, bias_initializer;
    hone__regularizer kernel_regularizer, bias_regularizer;
    int kernel, bias;
} dense;

static void dense_from_config(hone__layer *layer, hone__config *config) {
    dense *c = layer->config;
    c->units = hone__config_integer(config, "units", HONE_REQUIRED, 1, HONE_MAX_UNITS);
    c->activation = hone__config_activation(config, "activation");
    c->use_bias = hone__config_boolean(config, "use_bias", true);
    c->kernel_initializer = hone__config_initializer(config, "kernel_initializer", "GlorotUniform");
    c->bias_initializer = hone__config_initializer(config, "bias_initializer", "Zeros");
    c->kernel_regularizer = hone__config_regularizer(config, "kernel_regularizer");
    c->bias_regularizer = hone__config_regularizer(config, "bias_regularizer");
    hone__config_activity_regularizer(config, layer);
    hone__config_constraint(config, layer, "kernel_constraint");
    hone__config_constraint(config, layer, "bias_constraint");
    hone__config_null(config, "lora_rank");
    hone__config_null(config, "quantization_config");
    hone__config_get(config, "lora_alpha");
}

static void dense_to_config(const hone__layer *layer, hone_value *config) {
    const dense *c = layer->config;
    hone_value_set_integer(config, "units", c->units);
    hone_value_set_string(config, "activation", c->activation.name);
    hone_value_set_boolean(config, "use_bias", c->use_bias);
    hone__set_initializer(config, "kernel_initializer", &c->kernel_initializer);
    hone__set_initializer(config, "bias_initializer", &c->bias_initializer);
    hone__set_regularizer(config, "kernel_regularizer", &c->kernel_regularizer);
    hone__set_regularizer(config, "bias_regularizer", &c->bias_regularizer);
    hone__set_activity_regularizer(config, layer);
    hone__set_constraint(config, "kernel_constraint", layer);
    hone__set_constraint(config, "bias_constraint", layer);
}

static hone_status dense_build(hone_model *model, hone__layer *layer, hone_error *err) {
    dense *c = layer->config;
    layer->output = layer->inputs[0];
    int64_t *last = &layer->output.dims[layer->output.rank - 1];
    hone_shape kernel = {2, {*last, c->units}}, bias = {1, {c->units}};
    *last = c->units;
    HONE_TRY(hone__declare_weight(model, layer, "kernel", &kernel, true, &c->kernel_initializer, &c->kernel_regularizer,
                                  &c->kernel, err));
    c->bias = HONE_NO_WEIGHT;
    if (!c->use_bias) return HONE_OK;
    return hone__declare_weight(model, layer, "bias", &bias, true, &c->bias_initializer, &c->bias_regularizer, &c->bias,
                                err);
}

static hone_status dense_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                               const int *inputs, int *output, hone_error *err) {
    (void)model;
    const dense *c = layer->config;
    int y;
    HONE_TRY(hone__emit_dense(builder, inputs[0], c->units, c->kernel, c->bias, &y, err));
    return hone__lower_activation(builder, &c->activation, y, output, err);
}

static int64_t dense_macs(const hone_model *model, const hone__layer *layer) {
    (void)model;
    return hone_shape_size(&layer->output) * layer->inputs[0].dims[layer->inputs[0].rank - 1];
}

const hone__layer_type hone__type_dense = {.class_name = "Dense",
                                           .config_size = sizeof(dense),
                                           .from_config = dense_from_config,
                                           .to_config = dense_to_config,
                                           .build = dense_build,
                                           .lower = dense_lower,
                                           .macs = dense_macs};

/* ---- Activation ------------------------------------------------------------------------------------------------ */

static void activation_from_config(hone__layer *layer, hone__config *config) {
    hone__activation *activation = layer->config;
    if (!hone__config_get(config, "activation")) hone__config_expected(config, "activation", NULL, "a name");
    *activation = hone__config_activation(config, "activation");
}

static void activation_to_config(const hone__layer *layer, hone_value *config) {
    const hone__activation *activation = layer->config;
    hone_value_set_string(config, "activation", activation->name);
}

static hone_status activation_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model, (void)err;
    layer->output = layer->inputs[0];
    return HONE_OK;
}

static hone_status activation_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                    const int *inputs, int *output, hone_error *err) {
    (void)model;
    return hone__lower_activation(builder, layer->config, inputs[0], output, err);
}

const hone__layer_type hone__type_activation = {.class_name = "Activation",
                                                .config_size = sizeof(hone__activation),
                                                .from_config = activation_from_config,
                                                .to_config = activation_to_config,
                                                .build = activation_build,
                                                .lower = activation_lower};

/* ---- Identity -------------------------------------------------------------------------------------------------- */

static void identity_config(hone__layer *layer, hone__config *config) {
    (void)layer, (void)config;
}

static void identity_to_config(const hone__layer *layer, hone_value *config) {
    (void)layer, (void)config;
}

const hone__layer_type hone__type_identity = {.class_name = "Identity",
                                              .config_size = 1,
                                              .from_config = identity_config,
                                              .to_config = identity_to_config,
                                              .build = activation_build,
                                              .lower = input_lower};
