/* SPDX-License-Identifier: Apache-2.0
 *
 * Activations: as an argument of other layers ("activation": "relu"), and the layers ReLU, LeakyReLU, ELU. */
#include "layer.h"

#include <math.h>
#include <string.h>

/* ---- as an argument -------------------------------------------------------------------------------------------- */

static const struct {
    const char *name, *alias;
    hone_activation function;
} table[] = {
    {"linear", NULL, {HONE_ACTIVATION_LINEAR, 0, 0, 0}},
    {"relu", NULL, {HONE_ACTIVATION_RELU, 0, 0, INFINITY}},
    {"relu6", NULL, {HONE_ACTIVATION_RELU, 0, 0, 6}},
    {"leaky_relu", NULL, {HONE_ACTIVATION_RELU, 0.2F, 0, INFINITY}},
    {"elu", NULL, {HONE_ACTIVATION_ELU, 1, 0, 0}},
    {"selu", NULL, {HONE_ACTIVATION_SELU, 0, 0, 0}},
    {"gelu", NULL, {HONE_ACTIVATION_GELU, 0, 0, 0}},
    {"swish", "silu", {HONE_ACTIVATION_SILU, 0, 0, 0}}, /* the name that both families read */
    {"sigmoid", NULL, {HONE_ACTIVATION_SIGMOID, 0, 0, 0}},
    {"hard_sigmoid", NULL, {HONE_ACTIVATION_HARD_SIGMOID, 1.0F / 6, 0, 0}},
    {"hard_silu", "hard_swish", {HONE_ACTIVATION_HARD_SILU, 0, 0, 0}},
    {"tanh", NULL, {HONE_ACTIVATION_TANH, 0, 0, 0}},
    {"softplus", NULL, {HONE_ACTIVATION_SOFTPLUS, 0, 0, 0}},
    {"softsign", NULL, {HONE_ACTIVATION_SOFTSIGN, 0, 0, 0}},
    {"exponential", NULL, {HONE_ACTIVATION_EXPONENTIAL, 0, 0, 0}},
    {"softmax", "softmax_v2", {HONE_ACTIVATION_LINEAR, 0, 0, 0}},
};

enum { NAMES = sizeof table / sizeof *table };

hone__activation hone__config_activation(hone__config *config, const char *key) {
    hone__activation out = {.name = table[0].name, .function = table[0].function};
    const hone_value *value = hone__config_get(config, key);
    if (!value) return out;
    /* Keras 2.13 and later may wrap the name: {"class_name": "function", "config": "relu"}. */
    const char *name = hone_value_as_string(value);
    if (!name) name = hone_value_as_string(hone_value_get(value, "config"));
    if (!name) {
        const char *class_name = hone_value_as_string(hone_value_get(value, "class_name"));
        if (class_name) {
            hone__config_fail(
                config, HONE_UNSUPPORTED,
                "%s is an object of class '%.64s': only activations by name are supported; make it a layer "
                "of its own",
                key, class_name);
        } else {
            hone__config_expected(config, key, value, "the name of an activation");
        }
        return out;
    }
    for (size_t i = 0; i < NAMES; i++) {
        if (strcmp(name, table[i].name) != 0 && (!table[i].alias || strcmp(name, table[i].alias) != 0)) continue;
        out.name = table[i].name;
        out.function = table[i].function;
        out.softmax = strcmp(out.name, "softmax") == 0;
        /* The same name, another slope: clip(0.2 x + 0.5, 0, 1) in Keras 2. */
        if (out.function.kind == HONE_ACTIVATION_HARD_SIGMOID && config->keras == 2) out.function.a = 0.2F;
        return out;
    }
    char list[HONE_ERROR_MESSAGE_SIZE / 2] = "";
    for (size_t i = 0; i < NAMES; i++) hone__list_add(list, sizeof list, table[i].name);
    hone__config_fail(config, HONE_UNSUPPORTED, "%s '%.64s' is not supported; there are %s", key, name, list);
    return out;
}

hone_status hone__lower_activation(hone__builder *builder, const hone__activation *activation, int x, int *y,
                                   hone_error *err) {
    if (activation->softmax) return hone__emit_softmax(builder, x, y, err);
    if (activation->function.kind != HONE_ACTIVATION_LINEAR) {
        return hone__emit_activation(builder, x, &activation->function, y, err);
    }
    *y = x;
    return HONE_OK;
}

static hone_status build_same_shape(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model, (void)err;
    layer->output = layer->inputs[0];
    return HONE_OK;
}

/* ---- ReLU ------------------------------------------------------------------------------------------------------ */

/* What ReLU, LeakyReLU and ELU hold: the numbers as they were given, so that they are written as they were read. */
typedef struct rectifier {
    double max_value; /* INFINITY: none */
    double negative_slope, threshold;
    double alpha; /* ELU */
} rectifier;

static void relu_from_config(hone__layer *layer, hone__config *config) {
    rectifier *c = layer->config;
    c->max_value = hone__config_real(config, "max_value", INFINITY, 0, INFINITY);
    c->negative_slope = hone__config_real(config, "negative_slope", 0, 0, INFINITY);
    /* Keras 2's ThresholdedReLU is this too. */
    bool thresholded = config->class_name && strcmp(config->class_name, "ThresholdedReLU") == 0;
    double theta = hone__config_real(config, "theta", thresholded ? 1 : 0, 0, INFINITY);
    c->threshold = hone__config_real(config, "threshold", theta, 0, INFINITY);
}

static void relu_to_config(const hone__layer *layer, hone_value *config) {
    const rectifier *c = layer->config;
    hone_value_set(config, "max_value", isinf(c->max_value) ? hone_value_null() : hone_value_real(c->max_value));
    hone_value_set_real(config, "negative_slope", c->negative_slope);
    hone_value_set_real(config, "threshold", c->threshold);
}

static hone_status relu_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                              const int *inputs, int *output, hone_error *err) {
    (void)model;
    const rectifier *c = layer->config;
    hone_activation function = {HONE_ACTIVATION_RELU, (float)c->negative_slope, (float)c->threshold,
                                (float)c->max_value};
    return hone__emit_activation(builder, inputs[0], &function, output, err);
}

const hone__layer_type hone__type_relu = {.class_name = "ReLU",
                                          .config_size = sizeof(rectifier),
                                          .from_config = relu_from_config,
                                          .to_config = relu_to_config,
                                          .build = build_same_shape,
                                          .lower = relu_lower};

/* ---- LeakyReLU ------------------------------------------------------------------------------------------------- */

static void leaky_relu_from_config(hone__layer *layer, hone__config *config) {
    rectifier *c = layer->config;
    double alpha = hone__config_real(config, "alpha", 0.3, 0, INFINITY); /* Keras 2's word */
    c->negative_slope = hone__config_real(config, "negative_slope", alpha, 0, INFINITY);
    c->max_value = INFINITY;
}

static void leaky_relu_to_config(const hone__layer *layer, hone_value *config) {
    const rectifier *c = layer->config;
    hone_value_set_real(config, "alpha", c->negative_slope); /* Keras 3 converts it, tf-keras knows no other */
}

const hone__layer_type hone__type_leaky_relu = {.class_name = "LeakyReLU",
                                                .config_size = sizeof(rectifier),
                                                .from_config = leaky_relu_from_config,
                                                .to_config = leaky_relu_to_config,
                                                .build = build_same_shape,
                                                .lower = relu_lower};

/* ---- ELU ------------------------------------------------------------------------------------------------------- */

static void elu_from_config(hone__layer *layer, hone__config *config) {
    rectifier *c = layer->config;
    c->alpha = hone__config_real(config, "alpha", 1, 0, INFINITY);
}

static void elu_to_config(const hone__layer *layer, hone_value *config) {
    const rectifier *c = layer->config;
    hone_value_set_real(config, "alpha", c->alpha);
}

static hone_status elu_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                             const int *inputs, int *output, hone_error *err) {
    (void)model;
    const rectifier *c = layer->config;
    hone_activation function = {.kind = HONE_ACTIVATION_ELU, .a = (float)c->alpha};
    return hone__emit_activation(builder, inputs[0], &function, output, err);
}

const hone__layer_type hone__type_elu = {.class_name = "ELU",
                                         .config_size = sizeof(rectifier),
                                         .from_config = elu_from_config,
                                         .to_config = elu_to_config,
                                         .build = build_same_shape,
                                         .lower = elu_lower};
