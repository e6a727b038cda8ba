/* SPDX-License-Identifier: Apache-2.0
 *
 * A model as Keras' config object: {"class_name": "Sequential", "config": {"name": …, "layers": [{"class_name": …,
 * "config": …}, …]}}, and Functional, where each layer also names where its inputs come from (functional_config.c). Either
 * may be a layer of another.
 *
 * Read are the spellings of Keras 2.0 … 3.x, and of Keras 1 once they are translated (keras1.c). Written is the dialect
 * of Keras 2.4, which everything after it loads: an explicit InputLayer, plain dtype strings, initializers without
 * "module". */
#include "channels_first.h"
#include "keras1.h"
#include "layer_entry.h"

#include <string.h>

/* ---- which Keras ----------------------------------------------------------------------------------------------- */

/* The list of layer entries of either form, or NULL. */
static const hone_value *layer_list(const hone_value *config) {
    const hone_value *list = hone_value_kind_of(config) == HONE_VALUE_LIST ? config : hone_value_get(config, "layers");
    return hone_value_kind_of(list) == HONE_VALUE_LIST ? list : NULL;
}

static bool has(const hone_value *object, const char *key) {
    return hone_value_kind_of(hone_value_get(object, key)) != HONE_VALUE_NULL;
}

/* "hard_sigmoid" means two functions. The version is stated beside class_name in to_json() texts; else the words give
 * it away: Keras 3 says batch_shape and writes dtype as an object, Keras 2 says batch_input_shape. */
static int keras_version(const hone_value *model) {
    const char *version = hone_value_as_string(hone_value_get(model, "keras_version"));
    if (version) return version[0] == '1' || version[0] == '2' ? 2 : 3;
    const hone_value *layers = layer_list(hone_value_get(model, "config"));
    for (size_t i = 0; i < hone_value_count(layers); i++) {
        const hone_value *config = hone_value_get(hone_value_at(layers, i), "config");
        const char *policy = hone_value_as_string(hone_value_get(hone_value_get(config, "dtype"), "class_name"));
        if (has(config, "batch_shape") || (policy && strcmp(policy, "DTypePolicy") == 0)) return 3;
        if (has(config, "batch_input_shape")) return 2;
    }
    return 3;
}

/* ---- reading: one layer ---------------------------------------------------------------------------------------- */

static bool starts_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

hone_status hone__layer_entry_read(const hone_value *value, size_t index, hone__layer_entry *out, hone_error *err) {
    *out = (hone__layer_entry){.class_name = hone_value_as_string(hone_value_get(value, "class_name")),
                               .name = hone_value_as_string(hone_value_get(value, "name")),
                               .config = hone_value_get(value, "config")};
    if (!out->class_name) HONE_FAIL(err, HONE_FORMAT, "layer %zu of the model has no class_name", index);
    if (!out->name) out->name = hone_value_as_string(hone_value_get(out->config, "name"));
    /* Somebody else's class may bear the name of one of Keras'. */
    const char *module = hone_value_as_string(hone_value_get(value, "module"));
    if (module && !starts_with(module, "keras") && !starts_with(module, "tf_keras") &&
        !starts_with(module, "tensorflow")) {
        HONE_FAIL(err, HONE_UNSUPPORTED,
                  "unsupported layer '%.64s' (layer '%.128s'): it is a custom class of the module '%.64s'",
                  out->class_name, out->name ? out->name : out->class_name, module);
    }
    return HONE_OK;
}

/* ---- reading: Sequential --------------------------------------------------------------------------------------- */

/* Keras 3 writes the shape apart ("build_input_shape") where the model has no InputLayer. */
static hone_status add_input(const hone__scope *scope, const hone_value *shape, hone_error *err) {
    hone_value *config = hone_value_object();
    hone_value_set(config, "batch_shape", hone_value_copy(shape));
    hone_status status = hone_value_failed(config) ? hone__fail_memory(err, 0, "an input layer")
                                                   : hone__scope_append(scope, "InputLayer", config, err);
    hone_value_free(config);
    return status;
}

static hone_status read_sequential(const hone__scope *scope, const hone_value *config, hone_error *err) {
    const hone_value *layers = layer_list(config);
    for (size_t i = 0; i < hone_value_count(layers); i++) {
        hone__layer_entry layer;
        HONE_TRY(hone__layer_entry_read(hone_value_at(layers, i), i, &layer, err));
        bool states_shape = strcmp(layer.class_name, "InputLayer") == 0 || has(layer.config, "batch_input_shape") ||
                            has(layer.config, "batch_shape");
        if (i == 0 && !states_shape && has(config, "build_input_shape")) {
            HONE_TRY(add_input(scope, hone_value_get(config, "build_input_shape"), err));
        }
        HONE_TRY(hone__scope_append(scope, layer.class_name, layer.config, err));
    }
    return HONE_OK;
}

/* ---- reading: a network ---------------------------------------------------------------------------------------- */

bool hone__is_model_class(const char *class_name) {
    return strcmp(class_name, "Sequential") == 0 || strcmp(class_name, "Functional") == 0 ||
           strcmp(class_name, "Model") == 0;
}

static hone_status read_network(const hone__scope *scope, const hone_value *config, hone_error *err) {
    const hone_value *layers = layer_list(config);
    size_t first = scope->model->layer_count;
    if (!layers || hone_value_count(layers) == 0) {
        HONE_FAIL(err, HONE_FORMAT, "model '%.128s' has no list of layers", scope->network->name);
    }
    HONE_TRY(scope->network->is_sequential ? read_sequential(scope, config, err)
                                           : hone__scope_read_functional(scope, config, err));
    /* Freezing a model freezes all its layers. */
    bool trainable = true;
    hone_value_as_boolean(hone_value_get(config, "trainable"), &trainable);
    for (size_t i = first; i < scope->model->layer_count && !trainable; i++) {
        scope->model->layers[i]->trainable = false;
    }
    return HONE_OK;
}

hone_status hone__scope_read_network(const hone__scope *scope, const char *class_name, const hone_value *config,
                                     const char *name, hone__network **out, hone_error *err) {
    *out = NULL;
    if (scope->depth >= HONE_MAX_NESTING) {
        HONE_FAIL(err, HONE_LIMIT, "model '%.128s' lies within more than %d others", name, HONE_MAX_NESTING);
    }
    hone__network *network = hone__alloc(1, sizeof *network);
    char *prefix = hone__asprintf("%s%s/", scope->prefix, name);
    hone_status status = network && prefix ? HONE_OK : hone__fail_memory(err, sizeof *network, "a model");
    if (!status) status = hone__network_init(network, name, strcmp(class_name, "Sequential") == 0, err);
    if (!status) {
        hone__scope within = *scope;
        within.network = network;
        within.prefix = prefix;
        within.depth++;
        within.turns = scope->turns && hone__says_channels_first(config);
        status = read_network(&within, config, err);
    }
    if (!status && network->input_count == 0) {
        status = hone__fail(err, HONE_SHAPE, "model '%.128s' within the model has no input shape", name);
    }
    hone__free(prefix);
    if (status) {
        if (network) hone__network_release(network);
        hone__free(network);
        return status;
    }
    *out = network;
    return HONE_OK;
}

static hone_status model_from_config(hone_model **out, const hone_value *config, hone_error *err) {
    const char *class_name = hone_value_as_string(hone_value_get(config, "class_name"));
    if (!class_name) HONE_FAIL(err, HONE_FORMAT, "the config of a model has no class_name");
    if (!hone__is_model_class(class_name)) {
        HONE_FAIL(err, HONE_UNSUPPORTED, "unsupported model class '%.64s', there are Sequential, Functional and Model",
                  class_name);
    }
    bool is_sequential = strcmp(class_name, "Sequential") == 0;
    const hone_value *arguments = hone_value_get(config, "config");
    const char *name = hone_value_as_string(hone_value_get(arguments, "name"));
    hone_model *model;
    HONE_TRY(hone__model_create(&model, name ? name : is_sequential ? "sequential" : "functional", is_sequential, err));
    model->keras = keras_version(config);
    hone__scope scope = hone__model_scope(model, true);
    const char *backend = hone_value_as_string(hone_value_get(config, "backend"));
    scope.turns = hone__says_channels_first(arguments);
    scope.on_theano = model->keras == 2 && backend && strcmp(backend, "theano") == 0;
    hone_status status = read_network(&scope, arguments, err);
    if (status) {
        hone_model_free(model);
        return status;
    }
    *out = model;
    return HONE_OK;
}

hone_status hone_model_from_config(hone_model **out, const hone_value *config, hone_error *err) {
    *out = NULL;
    if (!hone__is_keras1(config)) return model_from_config(out, config, err);
    hone_value *translated;
    HONE_TRY(hone__keras1_to_keras2(config, &translated, err));
    hone_status status = model_from_config(out, translated, err);
    hone_value_free(translated);
    return status;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* Does it hold what means another thing in another Keras, or is written in other words: an activation of the same name, a
 * model within, a layer of several arguments? */
static bool depends_on_version(const hone_model *model, const hone_value *layers) {
    for (size_t i = 0; i < hone_value_count(layers); i++) {
        const hone_value *config = hone_value_get(hone_value_at(layers, i), "config");
        const char *activation = hone_value_as_string(hone_value_get(config, "activation"));
        if (activation && strcmp(activation, "hard_sigmoid") == 0) return true;
        const char *class_name = hone_value_as_string(hone_value_get(hone_value_at(layers, i), "class_name"));
        if (class_name && (!strcmp(class_name, "RandomFlip") || !strcmp(class_name, "RandomCrop"))) return true;
        if (layer_list(config)) return true;
    }
    for (size_t i = 0; i < model->layer_count; i++) {
        if (model->layers[i]->type->positional_inputs) return true;
    }
    return false;
}

hone_status hone_model_to_config(const hone_model *model, hone_value **out, hone_error *err) {
    *out = NULL;
    hone_value *config = hone_value_object(), *arguments = hone__network_to_config(model, &model->network, false);
    bool names_version = depends_on_version(model, hone_value_get(arguments, "layers"));
    hone_value_set_string(config, "class_name", model->network.is_sequential ? "Sequential" : "Functional");
    hone_value_set(config, "config", arguments);
    if (names_version) hone_value_set_string(config, "keras_version", model->keras == 2 ? "2.15.0" : "3.0.0");
    if (hone_value_failed(config)) {
        hone_value_free(config);
        return hone__fail_memory(err, 0, "the config of a model");
    }
    *out = config;
    return HONE_OK;
}

/* ---- copying --------------------------------------------------------------------------------------------------- */

static hone_status copy_contents(hone_model *to, const hone_model *from, hone_error *err) {
    to->preprocessing = from->preprocessing;
    HONE_TRY(hone_model_set_whitening(to, from->whitening, from->whitening_size, err));
    HONE_TRY(hone_model_set_class_names(to, (const char *const *)from->class_names, from->class_count, err));
    hone_value *records = hone_value_copy(from->records);
    if (!records) return hone__fail_memory(err, 0, "the records of a model");
    hone_value_free(to->records);
    to->records = records;
    for (size_t i = 0; i < from->layer_count; i++) to->layers[i]->trainable = from->layers[i]->trainable;
    if (!from->built) return HONE_OK;
    HONE_TRY(hone__model_allocate(to, err));
    memcpy(to->data, from->data, from->data_size * sizeof *to->data);
    return HONE_OK;
}

/* The config says all there is to say about layers, so a copy is a round trip through it. */
hone_status hone_model_copy(hone_model **out, const hone_model *model, hone_error *err) {
    *out = NULL;
    hone_value *config;
    HONE_TRY(hone_model_to_config(model, &config, err));
    hone_model *copy = NULL;
    hone_status status = HONE_OK;
    if (model->network.member_count == 0) {
        status = hone__model_create(&copy, model->network.name, model->network.is_sequential,
                                    err); /* a config without layers is none */
    } else {
        status = hone_model_from_config(&copy, config, err);
    }
    hone_value_free(config);
    if (!status) {
        copy->keras = model->keras;
        status = copy_contents(copy, model, err);
    }
    if (status) {
        hone_model_free(copy);
        return status;
    }
    *out = copy;
    return HONE_OK;
}
