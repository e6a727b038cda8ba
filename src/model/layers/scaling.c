/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers that scale: PReLU, whose slope is trained, and two classes that only keras.applications has, LayerScale (of
 * ConvNeXt) and CustomScaleLayer (of InceptionResNetV2). */
#include "layer.h"

/* ---- PReLU ----------------------------------------------------------------------------------------------------- */

typedef struct prelu {
    hone__initializer initializer;
    hone__regularizer regularizer;
    bool shared[HONE_MAX_RANK]; /* axes behind the batch */
    hone_shape slopes;
    int alpha;
} prelu;

static void prelu_from_config(hone__layer *layer, hone__config *config) {
    prelu *c = layer->config;
    c->initializer = hone__config_initializer(config, "alpha_initializer", "Zeros");
    c->regularizer = hone__config_regularizer(config, "alpha_regularizer");
    hone__config_constraint(config, layer, "alpha_constraint");
    const hone_value *axes = hone__config_get(config, "shared_axes");
    for (size_t i = 0; i < hone_value_count(axes); i++) {
        int64_t axis = 0;
        if (!hone_value_as_integer(hone_value_at(axes, i), &axis) || axis < 1 || axis > HONE_MAX_RANK) {
            hone__config_expected(config, "shared_axes", axes, "a list of axes from 1");
            return;
        }
        c->shared[axis - 1] = true;
    }
}

static void prelu_to_config(const hone__layer *layer, hone_value *config) {
    const prelu *c = layer->config;
    hone_value *axes = hone_value_list();
    for (int i = 0; i < HONE_MAX_RANK; i++) {
        if (c->shared[i]) hone_value_append(axes, hone_value_integer(i + 1));
    }
    hone__set_initializer(config, "alpha_initializer", &c->initializer);
    hone__set_regularizer(config, "alpha_regularizer", &c->regularizer);
    hone__set_constraint(config, "alpha_constraint", layer);
    if (hone_value_count(axes) > 0) {
        hone_value_set(config, "shared_axes", axes);
    } else {
        hone_value_free(axes);
        hone_value_set_null(config, "shared_axes");
    }
}

static hone_status prelu_build(hone_model *model, hone__layer *layer, hone_error *err) {
    prelu *c = layer->config;
    layer->output = c->slopes = layer->inputs[0];
    for (int i = 0; i < c->slopes.rank; i++) {
        if (c->shared[i]) c->slopes.dims[i] = 1;
    }
    return hone__declare_weight(model, layer, "alpha", &c->slopes, true, &c->initializer, &c->regularizer, &c->alpha,
                                err);
}

static hone_status prelu_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                               const int *inputs, int *output, hone_error *err) {
    (void)model;
    const prelu *c = layer->config;
    return hone__emit_prelu(builder, inputs[0], &c->slopes, c->alpha, output, err);
}

const hone__layer_type hone__type_prelu = {.class_name = "PReLU",
                                           .config_size = sizeof(prelu),
                                           .from_config = prelu_from_config,
                                           .to_config = prelu_to_config,
                                           .build = prelu_build,
                                           .lower = prelu_lower};

/* ---- LayerScale ------------------------------------------------------------------------------------------------ */

typedef struct layer_scale {
    double init_values;
    int64_t projection_dim;
    int gamma;
} layer_scale;

static void layer_scale_from_config(hone__layer *layer, hone__config *config) {
    layer_scale *c = layer->config;
    c->init_values = hone__config_real(config, "init_values", HONE_REQUIRED_REAL, -1e30, 1e30);
    c->projection_dim = hone__config_integer(config, "projection_dim", HONE_REQUIRED, 1, HONE_MAX_UNITS);
}

static void layer_scale_to_config(const hone__layer *layer, hone_value *config) {
    const layer_scale *c = layer->config;
    hone_value_set_real(config, "init_values", c->init_values);
    hone_value_set_integer(config, "projection_dim", c->projection_dim);
}

static hone_status layer_scale_build(hone_model *model, hone__layer *layer, hone_error *err) {
    layer_scale *c = layer->config;
    const hone_shape *input = &layer->inputs[0];
    if (input->dims[input->rank - 1] != c->projection_dim) {
        char text[96];
        HONE_FAIL(err, HONE_SHAPE, "projection_dim is %lld, the input is %s", (long long)c->projection_dim,
                  hone_shape_text(input, true, text, sizeof text));
    }
    layer->output = *input;
    hone__initializer constant = {.class_name = "Constant", .a = c->init_values, .seed = -1};
    hone_shape gamma = {1, {c->projection_dim}};
    return hone__declare_weight(model, layer, "gamma", &gamma, true, &constant, NULL, &c->gamma, err);
}

/* A normalisation that has no statistics. */
static hone_status layer_scale_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                     const int *inputs, int *output, hone_error *err) {
    (void)model;
    const layer_scale *c = layer->config;
    return hone__emit_batch_normalization(builder, inputs[0], 0, 0, true, c->gamma, HONE_NO_WEIGHT, HONE_NO_WEIGHT,
                                          HONE_NO_WEIGHT, output, err);
}

const hone__layer_type hone__type_layer_scale = {.class_name = "LayerScale",
                                                 .module = "keras.src.applications.convnext",
                                                 .config_size = sizeof(layer_scale),
                                                 .from_config = layer_scale_from_config,
                                                 .to_config = layer_scale_to_config,
                                                 .build = layer_scale_build,
                                                 .lower = layer_scale_lower};

/* ---- CustomScaleLayer ------------------------------------------------------------------------------------------ */

/* The first input, and scale times the second. */
static void custom_scale_from_config(hone__layer *layer, hone__config *config) {
    double *scale = layer->config;
    *scale = hone__config_real(config, "scale", HONE_REQUIRED_REAL, -1e30, 1e30);
}

static void custom_scale_to_config(const hone__layer *layer, hone_value *config) {
    const double *scale = layer->config;
    hone_value_set_real(config, "scale", *scale);
}

static hone_status custom_scale_build(hone_model *model, hone__layer *layer, hone_error *err) {
    (void)model;
    char a[96], b[96];
    layer->output = layer->inputs[0];
    if (hone_shape_equal(&layer->inputs[0], &layer->inputs[1])) return HONE_OK;
    HONE_FAIL(err, HONE_SHAPE, "its inputs are %s and %s, which do not match",
              hone_shape_text(&layer->inputs[0], true, a, sizeof a),
              hone_shape_text(&layer->inputs[1], true, b, sizeof b));
}

static hone_status custom_scale_lower(const hone_model *model, const hone__layer *layer, hone__builder *builder,
                                      const int *inputs, int *output, hone_error *err) {
    (void)model;
    const double *scale = layer->config;
    const float factor = (float)*scale, zero = 0;
    int both[2] = {inputs[0]};
    HONE_TRY(hone__emit_affine(builder, inputs[1], &factor, &zero, 1, &both[1], err));
    return hone__emit_merge(builder, HONE_MERGE_ADD, both, 2, output, err);
}

const hone__layer_type hone__type_custom_scale_layer = {.class_name = "CustomScaleLayer",
                                                        .module = "keras.src.applications.inception_resnet_v2",
                                                        .config_size = sizeof(double),
                                                        .from_config = custom_scale_from_config,
                                                        .to_config = custom_scale_to_config,
                                                        .build = custom_scale_build,
                                                        .lower = custom_scale_lower,
                                                        .fewest_inputs = 2,
                                                        .most_inputs = 2};
