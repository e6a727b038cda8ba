/* SPDX-License-Identifier: Apache-2.0
 *
 * The words of a .keras archive and of Keras' to_json(): every layer says what module its class is of.
 *
 * The model's own config is the portable dialect of .h5 files. What differs is little: the modules, and a Sequential's
 * shape, which only its InputLayer may state. batch_input_shape is the one spelling of it that both families take. */
#include "format_internal.h"

#include <string.h>

static const char *class_of(const hone_value *object) {
    const char *name = hone_value_as_string(hone_value_get(object, "class_name"));
    return name ? name : "";
}

static bool is_model(const char *class_name) {
    return strcmp(class_name, "Sequential") == 0 || strcmp(class_name, "Functional") == 0;
}

static hone_value *with_modules(const hone_value *object);

/* Keras 3 lets the InputLayer alone state a shape, and attention none. */
static bool is_of_keras2(const char *key) {
    static const char *const keys[] = {"batch_input_shape", "query_shape", "key_shape", "value_shape"};
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        if (strcmp(key, keys[i]) == 0) return true;
    return false;
}

/* config of a model with its layers changed, or of a layer. */
static hone_value *config_of(const hone_value *config, bool model, bool input) {
    hone_value *out = hone_value_object();
    for (size_t i = 0; i < hone_value_count(config); i++) {
        const char *key = hone_value_key_at(config, i);
        const hone_value *value = hone_value_at(config, i);
        if (model && strcmp(key, "layers") == 0) {
            hone_value *layers = hone_value_list();
            for (size_t k = 0; k < hone_value_count(value); k++)
                hone_value_append(layers, with_modules(hone_value_at(value, k)));
            hone_value_set(out, key, layers);
        } else if (input || !is_of_keras2(key)) {
            hone_value_set(out, key, hone_value_copy(value));
        }
    }
    return out;
}

static hone_value *with_modules(const hone_value *object) {
    const char *class_name = class_of(object);
    bool functional = strcmp(class_name, "Functional") == 0;
    const hone__layer_type *type = hone__layer_type_find(class_name);
    const char *apart = type ? type->module : NULL; /* then Keras finds it by its name, among custom_objects, too */
    hone_value *out = hone_value_object();
    hone_value_set_string(out, "module", is_model(class_name) ? "keras" : apart ? apart : "keras.layers");
    /* Keras itself says Functional, of a module that tf-keras has under another name; Model is known to both, and
     * becomes one */
    hone_value_set_string(out, "class_name", functional ? "Model" : class_name);
    hone_value_set(
        out, "config",
        config_of(hone_value_get(object, "config"), is_model(class_name), strcmp(class_name, "InputLayer") == 0));
    hone_value_set_string(out, "registered_name", functional ? "Model" : apart ? class_name : NULL);
    static const char *const kept[] = {"name", "inbound_nodes"};
    for (size_t i = 0; i < 2; i++)
        if (hone_value_get(object, kept[i]))
            hone_value_set(out, kept[i], hone_value_copy(hone_value_get(object, kept[i])));
    return out;
}

/* Keras 2's hard_sigmoid is another function than Keras 3's; a file of Keras 3 has no word for it. */
static bool has_old_hard_sigmoid(const hone_value *value) {
    const char *text = hone_value_as_string(value);
    if (text) return strcmp(text, "hard_sigmoid") == 0;
    hone_value_kind kind = hone_value_kind_of(value);
    for (size_t i = 0; (kind == HONE_VALUE_LIST || kind == HONE_VALUE_OBJECT) && i < hone_value_count(value); i++) {
        const char *key = kind == HONE_VALUE_OBJECT ? hone_value_key_at(value, i) : NULL;
        if (key && strcmp(key, "name") == 0) continue;
        if (has_old_hard_sigmoid(hone_value_at(value, i))) return true;
    }
    return false;
}

hone_status hone__keras3_config(const hone_model *model, hone_value **out, hone_error *err) {
    hone_value *portable;
    hone_model view = *model; /* only looked at: the references between models within are counted as Keras 3 does */
    *out = NULL;
    view.keras = 3;
    HONE_TRY(hone_model_to_config(&view, &portable, err));
    if (model->keras == 2 && has_old_hard_sigmoid(portable)) {
        hone_value_free(portable);
        HONE_FAIL(
            err, HONE_UNSUPPORTED,
            "it has Keras 2's hard_sigmoid, another function than that of Keras 3, which has no word for it; save it "
            "as HDF5 ('.h5')");
    }
    hone_value *config = with_modules(portable);
    hone_value_free(portable);
    if (hone_value_failed(config)) {
        hone_value_free(config);
        return hone__fail_memory(err, 0, "the config of a model");
    }
    *out = config;
    return HONE_OK;
}

/* ---- compile state --------------------------------------------------------------------------------------------- */

/* An object of the training_config, with the module of its class. */
static hone_value *in_module(const hone_value *value, const char *module) {
    if (hone_value_kind_of(value) != HONE_VALUE_OBJECT) return hone_value_copy(value);
    hone_value *out = hone_value_object();
    hone_value_set_string(out, "module", module);
    hone_value_set_string(out, "class_name", class_of(value));
    hone_value_set(out, "config", hone_value_copy(hone_value_get(value, "config")));
    hone_value_set_null(out, "registered_name");
    return out;
}

hone_status hone__keras3_compile_config(const hone_compiled *compiled, int64_t outputs, hone_value **out,
                                        hone_error *err) {
    hone_value *training, *optimizer;
    *out = NULL;
    HONE_TRY(hone__compiled_to_config(compiled, outputs, &training, err));
    hone_status status = hone_optimizer_to_config(&compiled->optimizer, &optimizer, err);
    if (status) {
        hone_value_free(training);
        return status;
    }
    hone_value *config = hone_value_object(), *metrics = hone_value_list();
    const hone_value *stated = hone_value_get(training, "metrics");
    for (size_t i = 0; i < hone_value_count(stated); i++)
        hone_value_append(metrics, in_module(hone_value_at(stated, i), "keras.metrics"));
    hone_value_set(config, "optimizer", in_module(optimizer, "keras.optimizers"));
    hone_value_set(config, "loss", in_module(hone_value_get(training, "loss"), "keras.losses"));
    hone_value_set_null(config, "loss_weights");
    hone_value_set(config, "metrics", metrics);
    hone_value_set_null(config, "weighted_metrics");
    hone_value_set_boolean(config, "run_eagerly", false);
    hone_value_set_integer(config, "steps_per_execution", 1);
    hone_value_set_boolean(config, "jit_compile", false);
    hone_value_free(training);
    hone_value_free(optimizer);
    if (hone_value_failed(config)) {
        hone_value_free(config);
        return hone__fail_memory(err, 0, "compile_config");
    }
    *out = config;
    return HONE_OK;
}

hone_status hone__keras3_compiled(const hone_value *compile_config, hone_compiled *out, hone_error *err) {
    hone_value *training = hone_value_object();
    static const char *const from[] = {"optimizer", "loss", "metrics"}, *const to[] = {"optimizer_config", "loss",
                                                                                       "metrics"};
    for (size_t i = 0; i < 3; i++)
        if (hone_value_get(compile_config, from[i]))
            hone_value_set(training, to[i], hone_value_copy(hone_value_get(compile_config, from[i])));
    hone_status status = hone_value_failed(training) ? hone__fail_memory(err, 0, "compile_config")
                                                     : hone__compiled_from_config(out, training, err);
    hone_value_free(training);
    return status;
}
