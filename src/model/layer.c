/* SPDX-License-Identifier: Apache-2.0
 *
 * The registry of layer types, and what all layers have in common: name, trainable, dtype, the stated input shape. */
#include "layer.h"

#include <inttypes.h>
#include <string.h>

/* In the order in which "there are …" lists them: Keras' own grouping. */
static const hone__layer_type *const registry[] = {
    &hone__type_input_layer,
    &hone__type_dense,
    &hone__type_activation,
    &hone__type_identity,
    &hone__type_conv2d,
    &hone__type_depthwise_conv2d,
    &hone__type_separable_conv2d,
    &hone__type_conv2d_transpose,
    &hone__type_max_pooling2d,
    &hone__type_average_pooling2d,
    &hone__type_adaptive_max_pooling2d,
    &hone__type_adaptive_average_pooling2d,
    &hone__type_global_max_pooling2d,
    &hone__type_global_average_pooling2d,
    &hone__type_global_max_pooling1d,
    &hone__type_global_average_pooling1d,
    &hone__type_batch_normalization,
    &hone__type_layer_normalization,
    &hone__type_group_normalization,
    &hone__type_unit_normalization,
    &hone__type_rms_normalization,
    &hone__type_relu,
    &hone__type_leaky_relu,
    &hone__type_elu,
    &hone__type_prelu,
    &hone__type_softmax,
    &hone__type_dropout,
    &hone__type_spatial_dropout1d,
    &hone__type_spatial_dropout2d,
    &hone__type_gaussian_noise,
    &hone__type_gaussian_dropout,
    &hone__type_alpha_dropout,
    &hone__type_activity_regularization,
    &hone__type_flatten,
    &hone__type_reshape,
    &hone__type_permute,
    &hone__type_repeat_vector,
    &hone__type_zero_padding2d,
    &hone__type_cropping2d,
    &hone__type_up_sampling2d,
    &hone__type_rescaling,
    &hone__type_normalization,
    &hone__type_resizing,
    &hone__type_center_crop,
    &hone__type_random_flip,
    &hone__type_random_rotation,
    &hone__type_random_translation,
    &hone__type_random_zoom,
    &hone__type_random_contrast,
    &hone__type_random_brightness,
    &hone__type_random_crop,
    &hone__type_random_shear,
    &hone__type_random_perspective,
    &hone__type_random_elastic_transform,
    &hone__type_random_hue,
    &hone__type_random_saturation,
    &hone__type_random_color_degeneration,
    &hone__type_random_grayscale,
    &hone__type_random_invert,
    &hone__type_random_posterization,
    &hone__type_random_sharpness,
    &hone__type_solarization,
    &hone__type_random_erasing,
    &hone__type_random_gaussian_blur,
    &hone__type_equalization,
    &hone__type_auto_contrast,
    &hone__type_random_color_jitter,
    &hone__type_add,
    &hone__type_subtract,
    &hone__type_multiply,
    &hone__type_average,
    &hone__type_maximum,
    &hone__type_minimum,
    &hone__type_concatenate,
    &hone__type_multi_head_attention,
    &hone__type_embedding,
    &hone__type_layer_scale,
    &hone__type_stochastic_depth,
    &hone__type_custom_scale_layer,
    &hone__type_matmul,
    &hone__type_divide,
    &hone__type_sqrt,
};

enum { TYPES = sizeof registry / sizeof *registry };

const hone__layer_type *hone__layer_type_at(size_t index) {
    return index < TYPES ? registry[index] : NULL;
}

/* Other names of the same classes: Keras' own short ones, and those that TensorFlow 1.x wrote into files. */
static const struct {
    const char *alias, *class_name;
} aliases[] = {
    {"Convolution2D", "Conv2D"},
    {"SeparableConvolution2D", "SeparableConv2D"},
    {"ThresholdedReLU", "ReLU"},
    {"MaxPool2D", "MaxPooling2D"},
    {"AvgPool2D", "AveragePooling2D"},
    {"GlobalMaxPool2D", "GlobalMaxPooling2D"},
    {"GlobalAvgPool2D", "GlobalAveragePooling2D"},
    {"BatchNormalizationV1", "BatchNormalization"},
    {"BatchNormalizationV2", "BatchNormalization"},
};

/* Keras 2 marks classes that were registered so, some of its own among them. */
static const char *without_mark(const char *class_name) {
    static const char mark[] = "Custom>";
    return strncmp(class_name, mark, sizeof mark - 1) == 0 ? class_name + sizeof mark - 1 : class_name;
}

const hone__layer_type *hone__layer_type_find(const char *class_name) {
    class_name = without_mark(class_name);
    for (size_t i = 0; i < sizeof aliases / sizeof *aliases; i++) {
        if (strcmp(class_name, aliases[i].alias) == 0) class_name = aliases[i].class_name;
    }
    for (size_t i = 0; i < TYPES; i++) {
        if (strcmp(class_name, registry[i]->class_name) == 0) return registry[i];
    }
    return NULL;
}

/* Classes of Keras that hone has not, and what there is to say of that. */
static const struct {
    const char *class_name, *words;
} refusals[] = {
    {"Lambda", "it holds Python code, which is never run"},
    {"MixUp", "it mixes labels too, which no layer of a model can here: train with --augment mixup=0.2"},
    {"CutMix", "it mixes labels too, which no layer of a model can here: train with --augment cutmix=1"},
    {"RandAugment", "leave it out and train with --augment randaugment=2:9, or put its parts into the model"},
    {"AugMix", "leave it out, or put layers of its parts (RandomShear, Solarization, …) into the model"},
    {"Pipeline", "put its layers into the model one by one, which is the same"},
    {"SpectralNormalization",
     "put the layer that it wraps into the model in its place: the kernel is normalised already"},
    {"TimeDistributed", "pictures come one by one here, without an axis of time"},
};

/* An unknown class is refused by name: a model with a layer left out would answer, and answer wrongly. */
static hone_status refuse(const char *class_name, const char *name, hone_error *err) {
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        if (strcmp(class_name, refusals[i].class_name) != 0) continue;
        HONE_FAIL(err, HONE_UNSUPPORTED, "unsupported layer '%s' (layer '%.128s'): %s", class_name, name,
                  refusals[i].words);
    }
    /* As many as leave room for where the layer was met. */
    char list[HONE_ERROR_MESSAGE_SIZE / 2] = "";
    for (size_t i = 0; i < TYPES; i++) hone__list_add(list, sizeof list, registry[i]->class_name);
    HONE_FAIL(err, HONE_UNSUPPORTED, "unsupported layer '%.64s' (layer '%.64s'); there are %s", class_name, name, list);
}

/* Names become parts of messages and of paths within files. */
static bool is_name(const char *name) {
    size_t length = strlen(name);
    return length > 0 && length <= HONE_MAX_NAME && !hone__has_control(name);
}

/* A layer with its name and room for its arguments, which are still all zero. */
static hone_status allocate(hone__layer **out, const hone__layer_type *type, const char *name, hone_error *err) {
    hone__layer *layer = hone__alloc(1, sizeof *layer);
    if (!layer) return hone__fail_memory(err, sizeof *layer, "a layer");
    layer->type = type;
    layer->trainable = true;
    layer->config = hone__alloc(1, type->config_size);
    layer->name = hone__strdup(name);
    layer->own_name = layer->name;
    if (!layer->config || !layer->name) {
        hone__layer_free(layer);
        return hone__fail_memory(err, type->config_size + strlen(name) + 1, "a layer");
    }
    *out = layer;
    return HONE_OK;
}

hone_status hone__layer_create(hone__layer **out, const char *class_name, const hone_value *config, const char *name,
                               hone__origin origin, hone_shape *input_shape, hone_error *err) {
    *out = NULL;
    const char *own = hone_value_as_string(hone_value_get(config, "name"));
    if (own) name = own;
    if (!is_name(name)) {
        HONE_FAIL(err, origin.from_file ? HONE_FORMAT : HONE_ARGUMENT,
                  "a %.64s layer has an empty name, one over %d bytes, or one with control characters", class_name,
                  HONE_MAX_NAME);
    }
    const hone__layer_type *type = hone__layer_type_find(class_name);
    if (!type) return refuse(without_mark(class_name), name, err);

    hone__layer *layer = NULL;
    HONE_TRY(allocate(&layer, type, name, err));
    char subject[HONE_SUBJECT_SIZE];
    snprintf(subject, sizeof subject, "layer '%.300s'", name);
    bool is_input = type == &hone__type_input_layer;

    hone__config reader;
    hone__config_init(&reader, config, subject, origin.from_file, origin.keras);
    reader.class_name = without_mark(class_name);
    hone__config_string(&reader, "name", NULL);
    layer->trainable = hone__config_boolean(&reader, "trainable", true);
    layer->mixed = hone__config_dtype(&reader, is_input) && !is_input;
    *input_shape = (hone_shape){0};
    if (is_input || !origin.in_graph) {
        *input_shape = hone__config_input_shape(&reader, is_input);
    } else {
        static const char *const stated[] = {"batch_input_shape", "batch_shape", "input_shape", NULL};
        for (int i = 0; stated[i]; i++) hone__config_get(&reader, stated[i]);
    }
    if (is_input && input_shape->rank == 0) {
        hone__config_fail(&reader, origin.from_file ? HONE_FORMAT : HONE_ARGUMENT, "batch_shape is missing");
    }
    type->from_config(layer, &reader);
    hone_status status = hone__config_finish(&reader, err);
    if (status) {
        hone__layer_free(layer);
        return hone__fail_context(err, status, "%s", subject);
    }
    if (is_input) *(hone_shape *)layer->config = *input_shape;
    *out = layer;
    return HONE_OK;
}

hone_status hone__input_layer_create(hone__layer **out, const char *name, const hone_shape *shape, hone_error *err) {
    HONE_TRY(allocate(out, &hone__type_input_layer, name, err));
    *(hone_shape *)(*out)->config = *shape;
    return HONE_OK;
}

hone_shape hone__input_layer_shape(const hone__layer *layer) {
    return *(const hone_shape *)layer->config;
}

void hone__input_layer_set_shape(hone__layer *layer, const hone_shape *shape) {
    *(hone_shape *)layer->config = *shape;
}

hone_status hone__layer_enter(hone__layer *layer, const char *prefix, hone_error *err) {
    char *name = hone__asprintf("%s%s", prefix, layer->own_name);
    if (!name) return hone__fail_memory(err, strlen(prefix) + strlen(layer->own_name) + 1, "the name of a layer");
    hone__free(layer->name);
    layer->name = name;
    layer->own_name = name + strlen(prefix);
    return HONE_OK;
}

void hone__layer_free(hone__layer *layer) {
    if (!layer) return;
    if (layer->type->release && layer->config) layer->type->release(layer);
    hone__free(layer->config);
    hone__free(layer->inputs);
    hone__free(layer->name);
    hone__free(layer);
}

bool hone__layer_is_input(const hone__layer *layer) {
    return layer->type == &hone__type_input_layer;
}

bool hone__layer_augments(const hone__layer *layer) {
    const char *name = layer->type->class_name;
    return strncmp(name, "Random", 6) == 0 || strcmp(name, "Solarization") == 0 || strcmp(name, "Equalization") == 0;
}

hone_status hone__check_elements(const hone_shape *shape, hone_error *err) {
    int64_t size = hone_shape_size(shape);
    if (size >= 1 && size <= HONE_MAX_ELEMENTS) return HONE_OK;
    char text[96];
    HONE_FAIL(err, HONE_LIMIT, "activation %s has more than %d elements",
              hone_shape_text(shape, true, text, sizeof text), HONE_MAX_ELEMENTS);
}

/* As many inputs as the type takes. */
static hone_status check_input_count(const hone__layer *layer, hone_error *err) {
    if (hone__layer_is_input(layer)) return HONE_OK; /* none, or the one that its model is given */
    size_t fewest = layer->type->fewest_inputs ? layer->type->fewest_inputs : 1;
    size_t most = layer->type->most_inputs ? layer->type->most_inputs : fewest;
    if (layer->input_count >= fewest && layer->input_count <= most) return HONE_OK;
    HONE_FAIL(err, HONE_SHAPE, "%s takes %s%zu input%s and is given %zu", layer->type->class_name,
              fewest == most                ? ""
              : layer->input_count < fewest ? "at least "
                                            : "at most ",
              layer->input_count < fewest ? fewest : most, most == 1 ? "" : "s", layer->input_count);
}

hone_status hone__layer_build(hone_model *model, hone__layer *layer, hone_error *err) {
    layer->first_weight = model->weight_count;
    layer->weight_count = 0;
    hone_status status = check_input_count(layer, err);
    if (!status) status = layer->type->build(model, layer, err);
    if (!status) status = hone__check_elements(&layer->output, err);
    if (status) return hone__fail_context(err, status, "layer '%.128s'", layer->name);
    layer->built = true;
    return HONE_OK;
}

/* [null, dims …]; an open size is null as well. */
static hone_value *batch_shape(const hone_shape *shape) {
    hone_value *list = hone_value_list();
    hone_value_append(list, hone_value_null());
    for (int i = 0; i < shape->rank; i++)
        hone_value_append(list, shape->dims[i] ? hone_value_integer(shape->dims[i]) : hone_value_null());
    return list;
}

hone_status hone__layer_to_config(const hone__layer *layer, const hone_shape *batch_input_shape, hone_value **out) {
    hone_value *config = hone_value_object();
    if (hone__layer_is_input(layer)) {
        hone_shape stated = hone__input_layer_shape(layer);
        hone_value_set(config, "batch_input_shape", batch_shape(&stated));
        hone_value_set_string(config, "dtype", "float32");
        layer->type->to_config(layer, config);
        hone_value_set_string(config, "name", layer->own_name);
    } else if (layer->type->is_operation) {
        hone_value_set_string(config, "name", layer->own_name);
    } else {
        hone_value_set_string(config, "name", layer->own_name);
        if (!layer->type->omits_trainable) hone_value_set_boolean(config, "trainable", layer->trainable);
        hone_value_set_string(config, "dtype", layer->mixed ? "mixed_bfloat16" : "float32");
        if (batch_input_shape) hone_value_set(config, "batch_input_shape", batch_shape(batch_input_shape));
        layer->type->to_config(layer, config);
    }
    if (hone_value_failed(config)) {
        hone_value_free(config);
        return HONE_MEMORY;
    }
    *out = config;
    return HONE_OK;
}
