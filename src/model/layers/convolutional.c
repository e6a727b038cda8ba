/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolution layers: Conv2D, DepthwiseConv2D, SeparableConv2D. Images are (height, width, channels). */
#include "layer.h"

#include <inttypes.h>
#include <math.h>

/* What the three share, and what each adds. Weight indices and geometry are set by build. */
typedef struct convolution {
    hone__window window;
    int filters;          /* Conv2D, SeparableConv2D */
    int groups;           /* Conv2D */
    int depth_multiplier; /* DepthwiseConv2D, SeparableConv2D */
    bool use_bias;
    hone__activation activation;
    hone__initializer kernel_initializer, depthwise_initializer, pointwise_initializer, bias_initializer;
    hone__regularizer kernel_regularizer, depthwise_regularizer, pointwise_regularizer, bias_regularizer;

    int kernel, depthwise_kernel, pointwise_kernel, bias;
    hone_conv2d_shape conv2d;       /* Conv2D's, or SeparableConv2D's second half */
    hone_depthwise_shape depthwise; /* DepthwiseConv2D's, or SeparableConv2D's first half */
} convolution;

/* ---- arguments ------------------------------------------------------------------------------------------------- */

static void read_common(hone__layer *layer, hone__config *config) {
    convolution *c = layer->config;
    static const int one[2] = {1, 1};
    hone__window *window = &c->window;
    hone__config_pair(config, "kernel_size", NULL, 1, HONE_MAX_WINDOW, window->size);
    hone__config_pair(config, "strides", one, 1, HONE_MAX_WINDOW, window->strides);
    hone__config_pair(config, "dilation_rate", one, 1, HONE_MAX_WINDOW, window->dilation_rate);
    hone__config_padding(config, window);
    hone__config_data_format(config);
    if ((window->strides[0] > 1 || window->strides[1] > 1) &&
        (window->dilation_rate[0] > 1 || window->dilation_rate[1] > 1)) {
        hone__config_fail(config, HONE_ARGUMENT,
                          "strides (%d, %d) and dilation_rate (%d, %d) are both above 1, which Keras refuses too",
                          window->strides[0], window->strides[1], window->dilation_rate[0], window->dilation_rate[1]);
    }
    c->activation = hone__config_activation(config, "activation");
    c->use_bias = hone__config_boolean(config, "use_bias", true);
    c->bias_initializer = hone__config_initializer(config, "bias_initializer", "Zeros");
    c->bias_regularizer = hone__config_regularizer(config, "bias_regularizer");
    hone__config_activity_regularizer(config, layer);
    hone__config_constraint(config, layer, "bias_constraint");
}

/* Keras 2 writes Conv2D's own arguments for its subclasses too, where they mean nothing. */
static void skip_conv2d_arguments(hone__config *config) {
    static const char *const inherited[] = {"groups", "kernel_initializer", "kernel_regularizer", "kernel_constraint",
                                            NULL};
    for (int i = 0; inherited[i]; i++) hone__config_get(config, inherited[i]);
}

static void write_geometry(const convolution *c, hone_value *config) {
    hone__set_pair(config, "kernel_size", c->window.size);
    hone__set_pair(config, "strides", c->window.strides);
    hone__set_padding(config, &c->window);
    hone_value_set_string(config, "data_format", "channels_last");
    hone__set_pair(config, "dilation_rate", c->window.dilation_rate);
}

/* Weights are declared one way throughout: shape, trainable, and -1 where the layer has none of the kind. */
static hone_status declare(hone_model *model, hone__layer *layer, const char *name, hone_shape shape,
                           const hone__initializer *initializer, const hone__regularizer *regularizer, int *index,
                           hone_error *err) {
    return hone__declare_weight(model, layer, name, &shape, true, initializer, regularizer, index, err);
}

static hone_status declare_bias(hone_model *model, hone__layer *layer, int64_t size, hone_error *err) {
    convolution *c = layer->config;
    c->bias = HONE_NO_WEIGHT;
    if (!c->use_bias) return HONE_OK;
    return declare(model, layer, "bias", (hone_shape){1, {size}}, &c->bias_initializer, &c->bias_regularizer, &c->bias,
                   err);
}

/* ---- Conv2D ---------------------------------------------------------------------------------------------------- */

static void conv2d_from_config(hone__layer *layer, hone__config *config) {
    convolution *c = layer->config;
    c->filters = (int)hone__config_integer(config, "filters", HONE_REQUIRED, 1, HONE_MAX_UNITS);
    read_common(layer, config);
    c->groups = (int)hone__config_integer(config, "groups", 1, 1, HONE_MAX_UNITS);
    c->kernel_initializer = hone__config_initializer(config, "kernel_initializer", "GlorotUniform");
    c->kernel_regularizer = hone__config_regularizer(config, "kernel_regularizer");
    hone__config_constraint(config, layer, "kernel_constraint");
    hone__config_null(config, "lora_rank");
    hone__config_get(config, "lora_alpha");
    hone__config_null(config, "quantization_config");
    if (c->filters % c->groups != 0) {
        hone__config_fail(config, HONE_ARGUMENT, "%d filters cannot be split evenly into %d groups", c->filters,
                          c->groups);
    }
}

static void conv2d_to_config(const hone__layer *layer, hone_value *config) {
    const convolution *c = layer->config;
    hone_value_set_integer(config, "filters", c->filters);
    write_geometry(c, config);
    hone_value_set_integer(config, "groups", c->groups);
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

static hone_status conv2d_build(hone_model *model, hone__layer *layer, hone_error *err) {
    convolution *c = layer->config;
    const hone_shape *input = &layer->inputs[0];
    const hone__window *window = &c->window;
    hone__extent extent[2];
    HONE_TRY(hone__window_place(window, "kernel_size", input, extent, err));
    int64_t channels = input->dims[2];
    if (channels % c->groups != 0) {
        HONE_FAIL(err, HONE_SHAPE, "%" PRId64 " input channels cannot be split evenly into %d groups", channels,
                  c->groups);
    }
    c->conv2d = (hone_conv2d_shape){.h = (int)input->dims[0],
                                    .w = (int)input->dims[1],
                                    .c = (int)channels,
                                    .kh = window->size[0],
                                    .kw = window->size[1],
                                    .filters = c->filters,
                                    .groups = c->groups,
                                    .stride_h = window->strides[0],
                                    .stride_w = window->strides[1],
                                    .dilation_h = window->dilation_rate[0],
                                    .dilation_w = window->dilation_rate[1],
                                    .pad_top = extent[0].before,
                                    .pad_left = extent[1].before,
                                    .pad_bottom = extent[0].after,
                                    .pad_right = extent[1].after,
                                    .oh = extent[0].output,
                                    .ow = extent[1].output,
                                    .has_bias = c->use_bias};
    layer->output = (hone_shape){3, {extent[0].output, extent[1].output, c->filters}};
    hone_shape kernel = {4, {window->size[0], window->size[1], channels / c->groups, c->filters}};
    HONE_TRY(declare(model, layer, "kernel", kernel, &c->kernel_initializer, &c->kernel_regularizer, &c->kernel, err));
    return declare_bias(model, layer, c->filters, err);
}

static hone_status conv2d_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                const int *inputs, int *output, hone_error *err) {
    (void)model;
    const convolution *c = layer->config;
    int y;
    HONE_TRY(hone__emit_conv2d(builder, inputs[0], &c->conv2d, c->kernel, c->bias, &y, err));
    return hone__lower_activation(builder, &c->activation, y, output, err);
}

static int64_t conv2d_shape_macs(const hone_conv2d_shape *s) {
    return (int64_t)s->oh * s->ow * s->kh * s->kw * (s->c / s->groups) * s->filters;
}

static int64_t conv2d_macs(const hone_model *model, const hone__layer *layer) {
    (void)model;
    const convolution *c = layer->config;
    return conv2d_shape_macs(&c->conv2d);
}

const hone__layer_type hone__type_conv2d = {.class_name = "Conv2D",
                                            .config_size = sizeof(convolution),
                                            .from_config = conv2d_from_config,
                                            .to_config = conv2d_to_config,
                                            .build = conv2d_build,
                                            .lower = conv2d_lower,
                                            .macs = conv2d_macs};

/* ---- DepthwiseConv2D ------------------------------------------------------------------------------------------- */

static void read_depthwise(hone__layer *layer, hone__config *config) {
    convolution *c = layer->config;
    c->depth_multiplier = (int)hone__config_integer(config, "depth_multiplier", 1, 1, HONE_MAX_UNITS);
    c->depthwise_initializer = hone__config_initializer(config, "depthwise_initializer", "GlorotUniform");
    c->depthwise_regularizer = hone__config_regularizer(config, "depthwise_regularizer");
    hone__config_constraint(config, layer, "depthwise_constraint");
}

/* As far as DepthwiseConv2D and SeparableConv2D write the same in the same order. */
static void write_depthwise(const hone__layer *layer, hone_value *config) {
    const convolution *c = layer->config;
    write_geometry(c, config);
    hone_value_set_string(config, "activation", c->activation.name);
    hone_value_set_boolean(config, "use_bias", c->use_bias);
    hone__set_initializer(config, "bias_initializer", &c->bias_initializer);
    hone__set_regularizer(config, "bias_regularizer", &c->bias_regularizer);
    hone__set_activity_regularizer(config, layer);
    hone__set_constraint(config, "bias_constraint", layer);
    hone_value_set_integer(config, "depth_multiplier", c->depth_multiplier);
    hone__set_initializer(config, "depthwise_initializer", &c->depthwise_initializer);
}

/* Places the windows and declares the kernel (kh, kw, channels, multiplier); *channels is what comes out. */
static hone_status build_depthwise(hone_model *model, hone__layer *layer, bool has_bias, int *channels,
                                   hone_error *err) {
    convolution *c = layer->config;
    const hone_shape *input = &layer->inputs[0];
    const hone__window *window = &c->window;
    hone__extent extent[2];
    HONE_TRY(hone__window_place(window, "kernel_size", input, extent, err));
    int64_t product = input->dims[2] * c->depth_multiplier;
    if (product > HONE_MAX_ELEMENTS) {
        HONE_FAIL(err, HONE_LIMIT,
                  "%" PRId64 " channels times depth_multiplier %d are over the %d that one activation may have",
                  input->dims[2], c->depth_multiplier, HONE_MAX_ELEMENTS);
    }
    *channels = (int)product;
    c->depthwise = (hone_depthwise_shape){.h = (int)input->dims[0],
                                          .w = (int)input->dims[1],
                                          .c = (int)input->dims[2],
                                          .multiplier = c->depth_multiplier,
                                          .kh = window->size[0],
                                          .kw = window->size[1],
                                          .stride_h = window->strides[0],
                                          .stride_w = window->strides[1],
                                          .dilation_h = window->dilation_rate[0],
                                          .dilation_w = window->dilation_rate[1],
                                          .pad_top = extent[0].before,
                                          .pad_left = extent[1].before,
                                          .oh = extent[0].output,
                                          .ow = extent[1].output,
                                          .has_bias = has_bias};
    hone_shape kernel = {4, {window->size[0], window->size[1], input->dims[2], c->depth_multiplier}};
    return declare(model, layer, "depthwise_kernel", kernel, &c->depthwise_initializer, &c->depthwise_regularizer,
                   &c->depthwise_kernel, err);
}

static int64_t depthwise_shape_macs(const hone_depthwise_shape *s) {
    return (int64_t)s->oh * s->ow * s->kh * s->kw * s->c * s->multiplier;
}

static void depthwise_from_config(hone__layer *layer, hone__config *config) {
    read_common(layer, config);
    read_depthwise(layer, config);
    skip_conv2d_arguments(config);
}

static void depthwise_to_config(const hone__layer *layer, hone_value *config) {
    const convolution *c = layer->config;
    write_depthwise(layer, config);
    hone__set_regularizer(config, "depthwise_regularizer", &c->depthwise_regularizer);
    hone__set_constraint(config, "depthwise_constraint", layer);
}

static hone_status depthwise_build(hone_model *model, hone__layer *layer, hone_error *err) {
    convolution *c = layer->config;
    int channels = 0;
    HONE_TRY(build_depthwise(model, layer, c->use_bias, &channels, err));
    layer->output = (hone_shape){3, {c->depthwise.oh, c->depthwise.ow, channels}};
    return declare_bias(model, layer, channels, err);
}

static hone_status depthwise_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                   const int *inputs, int *output, hone_error *err) {
    (void)model;
    const convolution *c = layer->config;
    int y;
    HONE_TRY(hone__emit_depthwise_conv2d(builder, inputs[0], &c->depthwise, c->depthwise_kernel, c->bias, &y, err));
    return hone__lower_activation(builder, &c->activation, y, output, err);
}

static int64_t depthwise_macs(const hone_model *model, const hone__layer *layer) {
    (void)model;
    const convolution *c = layer->config;
    return depthwise_shape_macs(&c->depthwise);
}

const hone__layer_type hone__type_depthwise_conv2d = {.class_name = "DepthwiseConv2D",
                                                      .config_size = sizeof(convolution),
                                                      .from_config = depthwise_from_config,
                                                      .to_config = depthwise_to_config,
                                                      .build = depthwise_build,
                                                      .lower = depthwise_lower,
                                                      .macs = depthwise_macs};

/* ---- SeparableConv2D ------------------------------------------------------------------------------------------- */

/* A depthwise convolution (with the strides and the padding), then a 1x1 Conv2D with the bias and the activation. */

static void separable_from_config(hone__layer *layer, hone__config *config) {
    convolution *c = layer->config;
    c->filters = (int)hone__config_integer(config, "filters", HONE_REQUIRED, 1, HONE_MAX_UNITS);
    read_common(layer, config);
    read_depthwise(layer, config);
    c->pointwise_initializer = hone__config_initializer(config, "pointwise_initializer", "GlorotUniform");
    c->pointwise_regularizer = hone__config_regularizer(config, "pointwise_regularizer");
    hone__config_constraint(config, layer, "pointwise_constraint");
    skip_conv2d_arguments(config);
}

static void separable_to_config(const hone__layer *layer, hone_value *config) {
    const convolution *c = layer->config;
    hone_value_set_integer(config, "filters", c->filters);
    write_depthwise(layer, config);
    hone__set_initializer(config, "pointwise_initializer", &c->pointwise_initializer);
    hone__set_regularizer(config, "depthwise_regularizer", &c->depthwise_regularizer);
    hone__set_regularizer(config, "pointwise_regularizer", &c->pointwise_regularizer);
    hone__set_constraint(config, "depthwise_constraint", layer);
    hone__set_constraint(config, "pointwise_constraint", layer);
}

static hone_status separable_build(hone_model *model, hone__layer *layer, hone_error *err) {
    convolution *c = layer->config;
    int channels = 0;
    HONE_TRY(build_depthwise(model, layer, false, &channels, err));
    c->conv2d = (hone_conv2d_shape){.h = c->depthwise.oh,
                                    .w = c->depthwise.ow,
                                    .c = channels,
                                    .kh = 1,
                                    .kw = 1,
                                    .filters = c->filters,
                                    .groups = 1,
                                    .stride_h = 1,
                                    .stride_w = 1,
                                    .dilation_h = 1,
                                    .dilation_w = 1,
                                    .oh = c->depthwise.oh,
                                    .ow = c->depthwise.ow,
                                    .has_bias = c->use_bias};
    layer->output = (hone_shape){3, {c->conv2d.oh, c->conv2d.ow, c->filters}};
    /* The image between the halves is an activation too. */
    hone_shape between = {3, {c->depthwise.oh, c->depthwise.ow, channels}};
    HONE_TRY(hone__check_elements(&between, err));
    hone_shape kernel = {4, {1, 1, channels, c->filters}};
    HONE_TRY(declare(model, layer, "pointwise_kernel", kernel, &c->pointwise_initializer, &c->pointwise_regularizer,
                     &c->pointwise_kernel, err));
    return declare_bias(model, layer, c->filters, err);
}

static hone_status separable_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                   const int *inputs, int *output, hone_error *err) {
    (void)model;
    const convolution *c = layer->config;
    int between, y;
    HONE_TRY(hone__emit_depthwise_conv2d(builder, inputs[0], &c->depthwise, c->depthwise_kernel, HONE_NO_WEIGHT,
                                         &between, err));
    HONE_TRY(hone__emit_conv2d(builder, between, &c->conv2d, c->pointwise_kernel, c->bias, &y, err));
    return hone__lower_activation(builder, &c->activation, y, output, err);
}

static int64_t separable_macs(const hone_model *model, const hone__layer *layer) {
    (void)model;
    const convolution *c = layer->config;
    return depthwise_shape_macs(&c->depthwise) + conv2d_shape_macs(&c->conv2d);
}

const hone__layer_type hone__type_separable_conv2d = {.class_name = "SeparableConv2D",
                                                      .config_size = sizeof(convolution),
                                                      .from_config = separable_from_config,
                                                      .to_config = separable_to_config,
                                                      .build = separable_build,
                                                      .lower = separable_lower,
                                                      .macs = separable_macs};
