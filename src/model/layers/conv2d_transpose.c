/* SPDX-License-Identifier: Apache-2.0
 *
 * Conv2DTranspose: every pixel of the input spreads over a window of the output. It is laid out by the convolution that
 * goes from the output to the input. */
#include "layer.h"

#include <inttypes.h>

typedef struct transposed {
    hone__window window;
    int filters;
    int output_padding[2]; /* rows and columns more behind; -1: not stated */
    bool use_bias;
    hone__activation activation;
    hone__initializer kernel_initializer, bias_initializer;
    hone__regularizer kernel_regularizer, bias_regularizer;
    int output_shape[2]; /* as Keras 1 states it beside the rest; 0: not stated */
    int kernel, bias;
    hone_conv2d_shape shape; /* from the output to the input */
} transposed;

static void read_output_padding(transposed *c, hone__config *config) {
    static const int unstated[2] = {-1, -1};
    hone__config_pair(config, "output_padding", unstated, 0, HONE_MAX_WINDOW, c->output_padding);
    for (int axis = 0; axis < 2; axis++)
        if (c->output_padding[axis] >= c->window.strides[axis])
            hone__config_fail(config, HONE_ARGUMENT, "output_padding is %d, expected less than strides, %d",
                              c->output_padding[axis], c->window.strides[axis]);
}

static void transposed_from_config(hone__layer *layer, hone__config *config) {
    transposed *c = layer->config;
    static const int one[2] = {1, 1}, unstated[2] = {0, 0};
    c->filters = (int)hone__config_integer(config, "filters", HONE_REQUIRED, 1, HONE_MAX_UNITS);
    hone__config_pair(config, "kernel_size", NULL, 1, HONE_MAX_WINDOW, c->window.size);
    hone__config_pair(config, "strides", one, 1, HONE_MAX_WINDOW, c->window.strides);
    hone__config_pair(config, "dilation_rate", one, 1, 1, c->window.dilation_rate);
    hone__config_pair(config, "output_shape", unstated, 1, HONE_MAX_ELEMENTS, c->output_shape);
    hone__config_padding(config, &c->window);
    hone__config_data_format(config);
    c->activation = hone__config_activation(config, "activation");
    c->use_bias = hone__config_boolean(config, "use_bias", true);
    c->kernel_initializer = hone__config_initializer(config, "kernel_initializer", "GlorotUniform");
    c->bias_initializer = hone__config_initializer(config, "bias_initializer", "Zeros");
    c->kernel_regularizer = hone__config_regularizer(config, "kernel_regularizer");
    c->bias_regularizer = hone__config_regularizer(config, "bias_regularizer");
    hone__config_integer(config, "groups", 1, 1, 1);
    hone__config_activity_regularizer(config, layer);
    hone__config_constraint(config, layer, "kernel_constraint");
    hone__config_constraint(config, layer, "bias_constraint");
    read_output_padding(c, config);
}

static void transposed_to_config(const hone__layer *layer, hone_value *config) {
    const transposed *c = layer->config;
    hone_value_set_integer(config, "filters", c->filters);
    hone__set_pair(config, "kernel_size", c->window.size);
    hone__set_pair(config, "strides", c->window.strides);
    hone__set_padding(config, &c->window);
    if (c->output_padding[0] >= 0)
        hone__set_pair(config, "output_padding", c->output_padding);
    else
        hone_value_set_null(config, "output_padding");
    hone_value_set_string(config, "data_format", "channels_last");
    hone__set_pair(config, "dilation_rate", c->window.dilation_rate);
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

/* Elements of the output along an axis of n: stated, or the most that a convolution makes n of without a loss. */
static int64_t output_length(const transposed *c, int axis, int64_t n) {
    int size = c->window.size[axis], stride = c->window.strides[axis], padding = c->output_padding[axis];
    if (padding >= 0) return (n - 1) * stride + (c->window.same ? size % 2 : size) + padding;
    return n * stride + (!c->window.same && size > stride ? size - stride : 0);
}

static hone_status transposed_build(hone_model *model, hone__layer *layer, hone_error *err) {
    transposed *c = layer->config;
    const hone_shape *input = &layer->inputs[0];
    HONE_TRY(hone__check_image(input, err));
    layer->output = (hone_shape){3, {0, 0, c->filters}};
    for (int axis = 0; axis < 2; axis++) {
        int64_t length = output_length(c, axis, input->dims[axis]);
        layer->output.dims[axis] = length;
        if (c->output_shape[axis] == 0 || c->output_shape[axis] == length) continue;
        HONE_FAIL(err, HONE_UNSUPPORTED, "its output is to have %d %s, only %" PRId64 " are supported",
                  c->output_shape[axis], axis == 0 ? "rows" : "columns", length);
    }
    HONE_TRY(hone__check_elements(&layer->output, err));
    hone__extent extent[2];
    for (int axis = 0; axis < 2; axis++) {
        extent[axis] = hone__window_extent(&c->window, axis, layer->output.dims[axis]);
        if (extent[axis].output == input->dims[axis]) continue;
        HONE_FAIL(err, HONE_SHAPE,
                  "output_padding %d makes %lld pixels of %lld, of which a convolution with kernel_size %d and strides "
                  "%d makes %d; Keras refuses it too",
                  c->output_padding[axis], (long long)layer->output.dims[axis], (long long)input->dims[axis],
                  c->window.size[axis], c->window.strides[axis], extent[axis].output);
    }
    c->shape = (hone_conv2d_shape){.h = (int)layer->output.dims[0],
                                   .w = (int)layer->output.dims[1],
                                   .c = c->filters,
                                   .kh = c->window.size[0],
                                   .kw = c->window.size[1],
                                   .filters = (int)input->dims[2],
                                   .groups = 1,
                                   .stride_h = c->window.strides[0],
                                   .stride_w = c->window.strides[1],
                                   .dilation_h = 1,
                                   .dilation_w = 1,
                                   .pad_top = extent[0].before,
                                   .pad_left = extent[1].before,
                                   .pad_bottom = extent[0].after,
                                   .pad_right = extent[1].after,
                                   .oh = (int)input->dims[0],
                                   .ow = (int)input->dims[1]};
    hone_shape kernel = {4, {c->window.size[0], c->window.size[1], c->filters, input->dims[2]}};
    hone_shape bias = {1, {c->filters}};
    HONE_TRY(hone__declare_weight(model, layer, "kernel", &kernel, true, &c->kernel_initializer, &c->kernel_regularizer,
                                  &c->kernel, err));
    c->bias = HONE_NO_WEIGHT;
    if (!c->use_bias) return HONE_OK;
    return hone__declare_weight(model, layer, "bias", &bias, true, &c->bias_initializer, &c->bias_regularizer, &c->bias,
                                err);
}

static hone_status transposed_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                    const int *inputs, int *output, hone_error *err) {
    (void)model;
    const transposed *c = layer->config;
    int y;
    HONE_TRY(hone__emit_conv2d_transpose(builder, inputs[0], &c->shape, c->kernel, c->bias, &y, err));
    return hone__lower_activation(builder, &c->activation, y, output, err);
}

static int64_t transposed_macs(const hone_model *model, const hone__layer *layer) {
    (void)model;
    const transposed *c = layer->config;
    const hone_conv2d_shape *s = &c->shape;
    return (int64_t)s->oh * s->ow * s->kh * s->kw * s->c * s->filters;
}

const hone__layer_type hone__type_conv2d_transpose = {.class_name = "Conv2DTranspose",
                                                      .config_size = sizeof(transposed),
                                                      .from_config = transposed_from_config,
                                                      .to_config = transposed_to_config,
                                                      .build = transposed_build,
                                                      .lower = transposed_lower,
                                                      .macs = transposed_macs};
