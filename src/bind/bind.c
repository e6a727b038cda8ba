/* SPDX-License-Identifier: Apache-2.0
 *
 * Models for other languages: loaded, made, looked at, saved; nothing but numbers, texts and handles passes. */
#include "bind_internal.h"

#include <string.h>

/* ---- errors ---------------------------------------------------------------------------------------------------- */

static _Thread_local hone_error last_error;

hone_error *hone__bind_error(void) {
    return &last_error;
}

const char *hone_bind_error(void) {
    return last_error.message;
}

/* ---- making ---------------------------------------------------------------------------------------------------- */

hone_status hone_bind_threads(hone_threads **out, int count) {
    return hone_threads_create(out, count, &last_error);
}

hone_status hone_bind_load(hone_model **out, const char *path) {
    return hone_model_load(out, path, NULL, &last_error);
}

static hone_status built(hone_model **out, hone_model *model, uint64_t seed, hone_status status) {
    *out = NULL;
    if (status == HONE_OK) status = hone_model_build(model, seed, &last_error);
    if (status) {
        hone_model_free(model);
        return status;
    }
    *out = model;
    return HONE_OK;
}

hone_status hone_bind_preset(hone_model **out, const char *name, int height, int width, int channels, int classes,
                             uint64_t seed) {
    hone_model *model = NULL;
    hone_shape shape = {3, {height, width, channels}};
    hone_status status = hone_model_preset(&model, name, &shape, classes, &last_error);
    return built(out, model, seed, status);
}

hone_status hone__bind_parse(hone_value **out, const char *text, hone_error *err) {
    if (!text) text = "{}";
    return hone_json_parse(out, text, strlen(text), err);
}

hone_status hone_bind_from_json(hone_model **out, const char *json, uint64_t seed) {
    hone_value *config;
    hone_model *model = NULL;
    *out = NULL;
    HONE_TRY(hone__bind_parse(&config, json, &last_error));
    hone_status status = hone_model_from_config(&model, config, &last_error);
    hone_value_free(config);
    return built(out, model, seed, status);
}

/* ---- files ----------------------------------------------------------------------------------------------------- */

hone_status hone_bind_save(const hone_model *model, const char *path, const char *options) {
    hone_value *value;
    hone_compiled compiled;
    hone_file_format format = HONE_FILE_H5;
    hone_file_format_of_path(&format, path);
    if (!options) return hone_model_export(model, NULL, path, format, &last_error);
    HONE_TRY(hone__bind_parse(&value, options, &last_error));
    hone_status status = hone__bind_compiled(value, &compiled, &last_error);
    hone_value_free(value);
    return status ? status : hone_model_export(model, &compiled, path, format, &last_error);
}

hone_status hone_bind_load_weights(hone_model *model, const char *path, int by_name, int skip_mismatch) {
    hone_weights_options options = {.by_name = by_name != 0, .skip_mismatch = skip_mismatch != 0};
    return hone_model_load_weights(model, path, &options, NULL, &last_error);
}

/* ---- looking --------------------------------------------------------------------------------------------------- */

static hone_value *shape_value(const hone_shape *shape) {
    return hone_value_integers(shape->dims, (size_t)shape->rank);
}

static hone_value *describe_layer(const hone_layer_info *info) {
    hone_value *layer = hone_value_object();
    hone_value_set_string(layer, "name", info->name);
    hone_value_set_string(layer, "class_name", info->class_name);
    hone_value_set(layer, "output_shape", shape_value(&info->output));
    hone_value_set_integer(layer, "parameters", info->parameters);
    hone_value_set_boolean(layer, "trainable", info->trainable);
    return layer;
}

static hone_value *describe_weight(const hone_weight_info *info) {
    hone_value *weight = hone_value_object();
    hone_value_set_string(weight, "name", info->name);
    hone_value_set_string(weight, "layer", info->layer);
    hone_value_set(weight, "shape", shape_value(&info->shape));
    hone_value_set_boolean(weight, "trainable", info->trainable);
    return weight;
}

static hone_value *describe(const hone_model *model) {
    hone_value *value = hone_value_object(), *names = hone_value_list(), *layers = hone_value_list(),
               *weights = hone_value_list();
    hone_shape input = hone_model_input_shape(model), output = hone_model_output_shape(model);
    hone_preprocessing preprocessing = hone_model_preprocessing(model);
    int64_t parameters = 0, trainable = 0;
    char text[256];
    for (size_t i = 0; i < hone_model_class_count(model); i++)
        hone_value_append(names, hone_value_string(hone_model_class_name(model, i)));
    for (size_t i = 0; i < hone_model_layer_count(model); i++) {
        hone_layer_info info;
        hone_model_layer_info(model, i, &info);
        hone_value_append(layers, describe_layer(&info));
        parameters += info.parameters;
        trainable += info.trainable_parameters;
    }
    for (size_t i = 0; i < hone_model_weight_count(model); i++) {
        hone_weight_info info;
        hone_model_weight(model, i, &info);
        hone_value_append(weights, describe_weight(&info));
    }
    hone_value_set_string(value, "name", hone_model_name(model));
    hone_value_set(value, "input_shape", shape_value(&input));
    hone_value_set(value, "output_shape", shape_value(&output));
    hone_value_set_integer(value, "input_count", (int64_t)hone_model_input_count(model));
    hone_value_set_integer(value, "input_size", hone_model_input_size(model));
    hone_value_set_integer(value, "output_count", (int64_t)hone_model_output_count(model));
    hone_value_set_integer(value, "output_size", hone_model_output_size(model));
    hone_value_set_integer(value, "parameters", parameters);
    hone_value_set_integer(value, "trainable_parameters", trainable);
    hone_value_set(value, "class_names", names);
    hone_value_set_string(value, "preprocessing", hone_preprocessing_text(&preprocessing, text, sizeof text));
    hone_value_set(value, "layers", layers);
    hone_value_set(value, "weights", weights);
    return value;
}

hone_status hone_bind_describe(const hone_model *model, char **json) {
    *json = NULL;
    hone_value *value = describe(model);
    hone_status status = hone_value_failed(value) ? hone__fail_memory(&last_error, 0, "a description")
                                                  : hone_json_print(json, value, 0, false, &last_error);
    hone_value_free(value);
    return status;
}

float *hone_bind_weight(const hone_model *model, size_t index) {
    hone_weight_info info;
    if (index >= hone_model_weight_count(model)) return NULL;
    return hone_model_weight(model, index, &info) == HONE_OK ? info.data : NULL;
}

/* ---- changing -------------------------------------------------------------------------------------------------- */

static hone_status set_class_names(hone_model *model, const hone_value *list) {
    size_t count = hone_value_count(list);
    if (hone_value_kind_of(list) != HONE_VALUE_LIST)
        HONE_FAIL(&last_error, HONE_ARGUMENT, "the class names are no list of texts");
    const char **names = hone__alloc(count, sizeof *names);
    if (!names) return hone__fail_memory(&last_error, count * sizeof *names, "class names");
    hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < count; i++) {
        names[i] = hone_value_as_string(hone_value_at(list, i));
        if (!names[i]) status = hone__fail(&last_error, HONE_ARGUMENT, "class name %zu is no text", i);
    }
    if (status == HONE_OK) status = hone_model_set_class_names(model, names, count, &last_error);
    hone__free(names);
    return status;
}

hone_status hone_bind_set_class_names(hone_model *model, const char *names) {
    hone_value *list;
    HONE_TRY(hone__bind_parse(&list, names, &last_error));
    hone_status status = set_class_names(model, list);
    hone_value_free(list);
    return status;
}

hone_status hone_bind_set_input(hone_model *model, const char *text) {
    hone_preprocessing preprocessing;
    HONE_TRY(hone_preprocessing_parse(&preprocessing, text, &last_error));
    hone_model_set_preprocessing(model, &preprocessing);
    return HONE_OK;
}

hone_status hone_bind_set_trainable(hone_model *model, size_t layer, int trainable) {
    if (layer >= hone_model_layer_count(model))
        HONE_FAIL(&last_error, HONE_NOT_FOUND, "the model has %zu layers, none is number %zu",
                  hone_model_layer_count(model), layer);
    return hone_model_set_trainable(model, layer, trainable != 0);
}

hone_status hone_bind_plan(hone_plan **out, hone_model *model, size_t max_batch, hone_threads *threads) {
    hone_plan_config config = hone_plan_config_default();
    config.max_batch = max_batch;
    config.threads = threads;
    return hone_plan_create(out, model, &config, &last_error);
}
