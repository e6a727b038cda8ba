/* SPDX-License-Identifier: Apache-2.0
 *
 * Regularisation layers: Dropout, SpatialDropout2D, noise (GaussianNoise, GaussianDropout, AlphaDropout),
 * ActivityRegularization, and keras.applications' StochasticDepth. They do nothing in inference.
 *
 * A noise_shape says along which axes all elements share one draw (1). Three patterns are supported: none shared;
 * height and width, [null, 1, 1, null], which is SpatialDropout2D; and everything but the batch, [null, 1, 1, 1],
 * which drops whole samples (stochastic depth). The last is spatial dropout of one channel: the sample seen as
 * (size, 1, 1). */
#include "layer.h"

#include <math.h>

typedef enum noise { NOISE_ELEMENTS, NOISE_CHANNELS, NOISE_SAMPLES } noise;

typedef struct dropout {
    double rate;
    noise noise;
    int noise_rank; /* axes noise_shape has beside the batch; 0: not given */
} dropout;

static void read_rate(dropout *c, hone__config *config) {
    c->rate = hone__config_real(config, "rate", HONE_REQUIRED_REAL, 0, 1);
    if (c->rate >= 1) hone__config_fail(config, HONE_ARGUMENT, "rate is 1, which would drop everything");
    hone__config_get(config, "seed"); /* the trainer's seed rules all draws */
}

static void read_noise_shape(dropout *c, hone__config *config) {
    const hone_value *shape = hone__config_get(config, "noise_shape");
    if (!shape) return;
    size_t rank = hone_value_count(shape);
    bool fine = hone_value_kind_of(shape) == HONE_VALUE_LIST && rank >= 2 && rank <= HONE_MAX_RANK + 1 &&
                hone_value_kind_of(hone_value_at(shape, 0)) == HONE_VALUE_NULL;
    size_t shared = 0;
    for (size_t i = 1; i < rank && fine; i++) {
        int64_t dim = 0;
        bool is_one = hone_value_as_integer(hone_value_at(shape, i), &dim) && dim == 1;
        bool is_open = hone_value_kind_of(hone_value_at(shape, i)) == HONE_VALUE_NULL;
        fine = is_one || (is_open && i == rank - 1);
        shared += is_one;
    }
    if (!fine) {
        hone__config_fail(
            config, HONE_UNSUPPORTED,
            "noise_shape is neither [null, 1, …, 1] (whole samples) nor [null, 1, …, null] (whole channels)");
        return;
    }
    c->noise_rank = (int)rank - 1;
    c->noise = shared == rank - 1 ? NOISE_SAMPLES : shared ? NOISE_CHANNELS : NOISE_ELEMENTS;
}

static void dropout_from_config(hone__layer *layer, hone__config *config) {
    read_rate(layer->config, config);
    read_noise_shape(layer->config, config);
}

static void dropout_to_config(const hone__layer *layer, hone_value *config) {
    const dropout *c = layer->config;
    hone_value_set_real(config, "rate", c->rate);
    if (c->noise_rank == 0) {
        hone_value_set_null(config, "noise_shape");
    } else {
        hone_value *shape = hone_value_list();
        hone_value_append(shape, hone_value_null());
        for (int i = 1; i < c->noise_rank; i++) hone_value_append(shape, hone_value_integer(1));
        hone_value_append(shape, c->noise == NOISE_SAMPLES ? hone_value_integer(1) : hone_value_null());
        hone_value_set(config, "noise_shape", shape);
    }
    hone_value_set_null(config, "seed");
}

static hone_status dropout_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model;
    const dropout *c = layer->config;
    const hone_shape *input = &layer->inputs[0];
    if (c->noise_rank != 0 && c->noise_rank != input->rank) {
        HONE_FAIL(err, HONE_SHAPE, "noise_shape has %d axes, the input has %d", c->noise_rank + 1, input->rank + 1);
    }
    layer->output = *input;
    return HONE_OK;
}

/* One draw per (sample, channel), where x is seen as an image of that many channels. */
static hone_status lower_shared(const hone__layer *layer, hone__builder *builder, int x, float rate, int64_t channels,
                                int *output, hone_error *err) {
    hone_shape image = {3, {hone_shape_size(&layer->output) / channels, 1, channels}};
    int y;
    HONE_TRY(hone__emit_reshape(builder, x, &image, &y, err));
    HONE_TRY(hone__emit_dropout(builder, y, rate, true, layer->index, &y, err));
    return hone__emit_reshape(builder, y, &layer->output, output, err);
}

static hone_status dropout_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                 const int *inputs, int *output, hone_error *err) {
    (void)model;
    const dropout *c = layer->config;
    *output = inputs[0];
    if (c->rate == 0 || hone__builder_inference(builder)) return HONE_OK;
    float rate = (float)c->rate;
    const hone_shape *shape = &layer->output;
    switch (c->noise) {
    case NOISE_SAMPLES: return lower_shared(layer, builder, inputs[0], rate, 1, output, err);
    case NOISE_CHANNELS:
        if (shape->rank == 3) break;
        return lower_shared(layer, builder, inputs[0], rate, shape->dims[shape->rank - 1], output, err);
    case NOISE_ELEMENTS: break;
    }
    return hone__emit_dropout(builder, inputs[0], rate, c->noise == NOISE_CHANNELS, layer->index, output, err);
}

const hone__layer_type hone__type_dropout = {.class_name = "Dropout",
                                             .config_size = sizeof(dropout),
                                             .from_config = dropout_from_config,
                                             .to_config = dropout_to_config,
                                             .build = dropout_build,
                                             .lower = dropout_lower};

/* ---- GaussianNoise, GaussianDropout, AlphaDropout --------------------------------------------------------------- */

static void noise_from_config(hone__layer *layer, hone__config *config) {
    dropout *c = layer->config;
    c->rate = hone__config_real(config, "stddev", HONE_REQUIRED_REAL, 0, 1e30);
    hone__config_get(config, "seed");
}

static void noise_to_config(const hone__layer *layer, hone_value *config) {
    const dropout *c = layer->config;
    hone_value_set_real(config, "stddev", c->rate);
    hone_value_set_null(config, "seed");
}

static hone_status noise_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                               const int *inputs, int *output, hone_error *err) {
    (void)model;
    const dropout *c = layer->config;
    *output = inputs[0];
    if (c->rate == 0 || hone__builder_inference(builder)) return HONE_OK;
    return hone__emit_noise(builder, inputs[0], HONE_NOISE_ADDED, (float)c->rate, false, layer->index, output, err);
}

const hone__layer_type hone__type_gaussian_noise = {.class_name = "GaussianNoise",
                                                    .config_size = sizeof(dropout),
                                                    .from_config = noise_from_config,
                                                    .to_config = noise_to_config,
                                                    .build = dropout_build,
                                                    .lower = noise_lower};

static void gaussian_from_config(hone__layer *layer, hone__config *config) {
    read_rate(layer->config, config);
}

static void gaussian_to_config(const hone__layer *layer, hone_value *config) {
    const dropout *c = layer->config;
    hone_value_set_real(config, "rate", c->rate);
    hone_value_set_null(config, "seed");
}

static hone_status gaussian_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                  const int *inputs, int *output, hone_error *err) {
    (void)model;
    const dropout *c = layer->config;
    *output = inputs[0];
    if (c->rate == 0 || hone__builder_inference(builder)) return HONE_OK;
    return hone__emit_noise(builder, inputs[0], HONE_NOISE_MULTIPLIED, (float)c->rate, false, layer->index, output,
                            err);
}

const hone__layer_type hone__type_gaussian_dropout = {.class_name = "GaussianDropout",
                                                      .config_size = sizeof(dropout),
                                                      .from_config = gaussian_from_config,
                                                      .to_config = gaussian_to_config,
                                                      .build = dropout_build,
                                                      .lower = gaussian_lower};

static hone_status alpha_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                               const int *inputs, int *output, hone_error *err) {
    (void)model;
    const dropout *c = layer->config;
    const hone_shape *shape = &layer->output;
    *output = inputs[0];
    if (c->rate == 0 || hone__builder_inference(builder)) return HONE_OK;
    int64_t channels = c->noise == NOISE_SAMPLES ? 1 : shape->dims[shape->rank - 1];
    hone_shape rows = {2, {hone_shape_size(shape) / channels, channels}};
    int y;
    HONE_TRY(hone__emit_reshape(builder, inputs[0], &rows, &y, err));
    HONE_TRY(hone__emit_noise(builder, y, HONE_NOISE_ALPHA, (float)c->rate, c->noise != NOISE_ELEMENTS, layer->index,
                              &y, err));
    return hone__emit_reshape(builder, y, shape, output, err);
}

const hone__layer_type hone__type_alpha_dropout = {.class_name = "AlphaDropout",
                                                   .config_size = sizeof(dropout),
                                                   .from_config = dropout_from_config,
                                                   .to_config = dropout_to_config,
                                                   .build = dropout_build,
                                                   .lower = alpha_lower};

/* ---- ActivityRegularization ------------------------------------------------------------------------------------ */

/* The layer's outputs are its inputs; what they add to the loss every layer may be given. */
static void activity_from_config(hone__layer *layer, hone__config *config) {
    layer->activity.l1 = (float)hone__config_real(config, "l1", 0, 0, 1e30);
    layer->activity.l2 = (float)hone__config_real(config, "l2", 0, 0, 1e30);
}

static void activity_to_config(const hone__layer *layer, hone_value *config) {
    hone_value_set_real(config, "l1", layer->activity.l1);
    hone_value_set_real(config, "l2", layer->activity.l2);
}

static hone_status activity_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model, (void)err;
    layer->output = layer->inputs[0];
    return HONE_OK;
}

static hone_status activity_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                  const int *inputs, int *output, hone_error *err) {
    (void)model, (void)layer, (void)builder, (void)err;
    *output = inputs[0];
    return HONE_OK;
}

const hone__layer_type hone__type_activity_regularization = {.class_name = "ActivityRegularization",
                                                             .config_size = 1,
                                                             .from_config = activity_from_config,
                                                             .to_config = activity_to_config,
                                                             .build = activity_build,
                                                             .lower = activity_lower};

/* ---- SpatialDropout2D ------------------------------------------------------------------------------------------ */

static void spatial_from_config(hone__layer *layer, hone__config *config) {
    dropout *c = layer->config;
    read_rate(c, config);
    c->noise = NOISE_CHANNELS;
    c->noise_rank = 3;
    hone__config_data_format(config);
    hone__config_null(config, "noise_shape"); /* written by Keras 2, always null */
}

/* Keras 3's class takes neither noise_shape nor trainable. */
static void spatial_to_config(const hone__layer *layer, hone_value *config) {
    const dropout *c = layer->config;
    hone_value_set_real(config, "rate", c->rate);
}

const hone__layer_type hone__type_spatial_dropout2d = {.class_name = "SpatialDropout2D",
                                                       .config_size = sizeof(dropout),
                                                       .from_config = spatial_from_config,
                                                       .to_config = spatial_to_config,
                                                       .build = dropout_build,
                                                       .lower = dropout_lower,
                                                       .omits_trainable = true};

/* ---- SpatialDropout1D ------------------------------------------------------------------------------------------ */

/* Of sequences (steps, features). */
static void spatial_1d_from_config(hone__layer *layer, hone__config *config) {
    spatial_from_config(layer, config);
    ((dropout *)layer->config)->noise_rank = 2;
}

const hone__layer_type hone__type_spatial_dropout1d = {.class_name = "SpatialDropout1D",
                                                       .config_size = sizeof(dropout),
                                                       .from_config = spatial_1d_from_config,
                                                       .to_config = spatial_to_config,
                                                       .build = dropout_build,
                                                       .lower = dropout_lower,
                                                       .omits_trainable = true};

/* ---- StochasticDepth ------------------------------------------------------------------------------------------- */

/* Of keras.applications.convnext: drops whole samples. */
static void depth_from_config(hone__layer *layer, hone__config *config) {
    dropout *c = layer->config;
    c->rate = hone__config_real(config, "drop_path_rate", HONE_REQUIRED_REAL, 0, 1);
    if (c->rate >= 1) hone__config_fail(config, HONE_ARGUMENT, "drop_path_rate is 1, which would drop everything");
    c->noise = NOISE_SAMPLES;
}

static void depth_to_config(const hone__layer *layer, hone_value *config) {
    const dropout *c = layer->config;
    hone_value_set_real(config, "drop_path_rate", c->rate);
}

const hone__layer_type hone__type_stochastic_depth = {.class_name = "StochasticDepth",
                                                      .module = "keras.src.applications.convnext",
                                                      .config_size = sizeof(dropout),
                                                      .from_config = depth_from_config,
                                                      .to_config = depth_to_config,
                                                      .build = dropout_build,
                                                      .lower = dropout_lower};
