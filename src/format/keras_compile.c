/* SPDX-License-Identifier: Apache-2.0
 *
 * Keras' training_config and hone_compiled.
 *
 * Six families of writers spell the same thing differently: losses as names, functions or objects; metrics as names,
 * wrappers or objects, in lists of lists. Each is reduced to the plain name first, and the names are looked up once.
 * Nothing here stops a model from loading: what is unknown is logged and left out. */
#include "format_internal.h"

#include <string.h>

static const char *text_of(const hone_value *object, const char *key) {
    return hone_value_as_string(hone_value_get(object, key));
}

/* "Custom>Adam", "Addons>Huber": what was registered under a package's name. */
static const char *without_package(const char *class_name) {
    const char *mark = class_name ? strrchr(class_name, '>') : NULL;
    return mark ? mark + 1 : class_name;
}

/* Lists and objects of one member stand for that member (the model has one output). */
static const hone_value *unwrap(const hone_value *value) {
    for (int depth = 0; depth < 4; depth++) {
        hone_value_kind kind = hone_value_kind_of(value);
        bool object = kind == HONE_VALUE_OBJECT && !hone_value_get(value, "class_name");
        if ((kind != HONE_VALUE_LIST && !object) || hone_value_count(value) != 1) break;
        value = hone_value_at(value, 0);
    }
    return value;
}

/* The function's name: "mse", {"class_name": "function", "config": "mse"}, a wrapper's fn, or snake case of the class.
 * Returns buffer, or NULL where there is none. *config is the object's configuration, or NULL. */
static const char *name_of(const hone_value *value, char *buffer, size_t size, const hone_value **config) {
    *config = NULL;
    const char *text = hone_value_as_string(value);
    if (!text) {
        const char *class_name = without_package(text_of(value, "class_name"));
        if (!class_name) return NULL;
        *config = hone_value_get(value, "config");
        if (strcmp(class_name, "function") == 0) {
            text = hone_value_as_string(*config);
        } else if (strcmp(class_name, "MeanMetricWrapper") == 0 || strcmp(class_name, "LossFunctionWrapper") == 0) {
            const hone_value *function = hone_value_get(*config, "fn");
            const hone_value *inner;
            if (function) return name_of(function, buffer, size, &inner);
            text = text_of(*config, "name");
        } else {
            hone__snake_case(buffer, size, class_name);
            return buffer;
        }
        if (!text) return NULL;
    }
    snprintf(buffer, size, "%s", text);
    return buffer;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static void read_loss(hone_compiled *out, const hone_value *value) {
    char name[128];
    const hone_value *config;
    value = unwrap(value);
    if (hone_value_kind_of(value) == HONE_VALUE_NULL) return;
    if (!name_of(value, name, sizeof name, &config) || hone_loss_parse(&out->loss, name, NULL) != HONE_OK) {
        hone__log(HONE_LOG_WARNING, "training_config: the loss is none that hone knows; left out");
        return;
    }
    out->has_loss = true;
    hone_value_as_boolean(hone_value_get(config, "from_logits"), &out->loss.from_logits);
    hone_value_as_real(hone_value_get(config, "label_smoothing"), &out->loss.label_smoothing);
    hone_value_as_real(hone_value_get(config, "delta"), &out->loss.delta);
}

static void read_metric(hone_compiled *out, const hone_value *value) {
    char name[128];
    const hone_value *config;
    int64_t k;
    if (hone_value_kind_of(value) == HONE_VALUE_NULL) return;
    if (!name_of(value, name, sizeof name, &config)) name[0] = '\0';
    /* Keras resolves "accuracy" by the loss and then writes what it resolved to. */
    bool top_k = strstr(name, "top_k") != NULL;
    const char *known = top_k                                                           ? "top_k_categorical_accuracy"
                        : strcmp(name, "acc") == 0 || hone__ends_with(name, "accuracy") ? "accuracy"
                                                                                        : name;
    hone_metric metric;
    if (out->metric_count >= HONE_MAX_METRICS || hone_metric_parse(&metric, known, NULL) != HONE_OK) {
        hone__log(HONE_LOG_WARNING, "training_config: metric '%s' is none that hone knows; left out", name);
        return;
    }
    if (top_k && hone_value_as_integer(hone_value_get(config, "k"), &k) && k > 0 && k <= HONE_MAX_CLASSES)
        metric.k = (int)k;
    for (size_t i = 0; i < out->metric_count; i++)
        if (out->metrics[i].kind == metric.kind && out->metrics[i].k == metric.k) return;
    out->metrics[out->metric_count++] = metric;
}

static void read_metrics(hone_compiled *out, const hone_value *value, int depth) {
    bool members = hone_value_kind_of(value) == HONE_VALUE_LIST ||
                   (hone_value_kind_of(value) == HONE_VALUE_OBJECT && !hone_value_get(value, "class_name"));
    if (!members || depth > 3) {
        read_metric(out, value);
        return;
    }
    for (size_t i = 0; i < hone_value_count(value); i++) read_metrics(out, hone_value_at(value, i), depth + 1);
}

hone_status hone__compiled_from_config(hone_compiled *out, const hone_value *training_config, hone_error *err) {
    *out = (hone_compiled){0};
    const hone_value *optimizer = hone_value_get(training_config, "optimizer_config");
    if (optimizer) {
        hone_error why = {0};
        hone_status status = hone_optimizer_from_config(&out->optimizer, optimizer, &why);
        if (status == HONE_MEMORY) HONE_FAIL(err, status, "%s", why.message);
        out->has_optimizer = status == HONE_OK;
        if (status != HONE_OK) hone__log(HONE_LOG_WARNING, "training_config: %s; left out", why.message);
    }
    read_loss(out, hone_value_get(training_config, "loss"));
    read_metrics(out, hone_value_get(training_config, "metrics"), 0);
    return HONE_OK;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static hone_value *object_of(const char *class_name, hone_value *config) {
    hone_value *object = hone_value_object();
    hone_value_set_string(object, "class_name", class_name);
    hone_value_set(object, "config", config);
    return object;
}

static const char *loss_class(hone_loss_kind kind) {
    switch (kind) {
    case HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY: return "SparseCategoricalCrossentropy";
    case HONE_LOSS_CATEGORICAL_CROSSENTROPY: return "CategoricalCrossentropy";
    case HONE_LOSS_BINARY_CROSSENTROPY: return "BinaryCrossentropy";
    case HONE_LOSS_MEAN_SQUARED_ERROR: return "MeanSquaredError";
    case HONE_LOSS_MEAN_ABSOLUTE_ERROR: return "MeanAbsoluteError";
    case HONE_LOSS_HUBER: return "Huber";
    }
    return "MeanSquaredError";
}

/* The plain name says it all where every argument is Keras' default. */
static hone_value *loss_config(const hone_loss *loss) {
    bool smooth = loss->kind == HONE_LOSS_CATEGORICAL_CROSSENTROPY || loss->kind == HONE_LOSS_BINARY_CROSSENTROPY;
    bool logits = smooth || loss->kind == HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY;
    bool huber = loss->kind == HONE_LOSS_HUBER;
    if (!(logits && loss->from_logits) && !(smooth && loss->label_smoothing != 0) && !(huber && loss->delta != 1))
        return hone_value_string(hone_loss_name(loss->kind));
    hone_value *config = hone_value_object();
    hone_value_set_string(config, "reduction", "sum_over_batch_size"); /* Keras 2's "auto" is unknown to Keras 3 */
    hone_value_set_string(config, "name", hone_loss_name(loss->kind));
    if (logits) hone_value_set_boolean(config, "from_logits", loss->from_logits);
    if (smooth) hone_value_set_real(config, "label_smoothing", loss->label_smoothing);
    if (huber) hone_value_set_real(config, "delta", loss->delta);
    return object_of(loss_class(loss->kind), config);
}

/* Keras has no AUC, precision or recall of integer labels of several classes: its evaluate would fail on the shapes. */
static bool keras_has_metric(hone_metric_kind kind, const hone_loss *loss) {
    return loss->kind != HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY || kind == HONE_METRIC_ACCURACY ||
           kind == HONE_METRIC_TOP_K;
}

static hone_value *metric_config(const hone_metric *metric, const hone_loss *loss, int64_t outputs) {
    bool sparse = loss->kind == HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY;
    hone_value *config;
    switch (metric->kind) {
    case HONE_METRIC_ACCURACY:
        /* not the plain "accuracy": loading, tf-keras resolves that by the outputs alone and counts nonsense */
        config = hone_value_object();
        hone_value_set_string(config, "name", "accuracy");
        hone_value_set_string(config, "dtype", "float32");
        return object_of(sparse         ? "SparseCategoricalAccuracy"
                         : outputs == 1 ? "BinaryAccuracy"
                                        : "CategoricalAccuracy",
                         config);
    case HONE_METRIC_TOP_K:
        config = hone_value_object();
        hone_value_set_string(config, "name", "top_k_categorical_accuracy");
        hone_value_set_string(config, "dtype", "float32");
        hone_value_set_integer(config, "k", metric->k);
        return object_of(sparse ? "SparseTopKCategoricalAccuracy" : "TopKCategoricalAccuracy", config);
    case HONE_METRIC_AUC: return hone_value_string("AUC");
    case HONE_METRIC_PRECISION: return hone_value_string("Precision");
    case HONE_METRIC_RECALL: return hone_value_string("Recall");
    }
    return NULL;
}

bool hone__optimizer_is_plain(const hone_optimizer *optimizer) {
    bool known = optimizer->kind == HONE_OPTIMIZER_ADAM || optimizer->kind == HONE_OPTIMIZER_RMSPROP ||
                 optimizer->kind == HONE_OPTIMIZER_SGD;
    return known && optimizer->weight_decay == 0;
}

/* tf-keras takes a plain class name for one of its first optimizers and refuses what those lack. The name of its second
 * ones loads in Keras 3 too, which then falls back on default arguments: there is no spelling that both read in full.
 * */
static hone_status optimizer_config(const hone_optimizer *optimizer, hone_value **out, hone_error *err) {
    hone_value *value;
    HONE_TRY(hone_optimizer_to_config(optimizer, &value, err));
    if (hone__optimizer_is_plain(optimizer)) {
        *out = value;
        return HONE_OK;
    }
    hone_value *config = hone_value_copy(hone_value_get(value, "config"));
    hone_value_free(value);
    hone_value_set_boolean(config, "is_legacy_optimizer", false);
    char class_name[64];
    snprintf(class_name, sizeof class_name, "Custom>%s", hone_optimizer_name(optimizer->kind));
    *out = object_of(class_name, config);
    return HONE_OK;
}

hone_status hone__compiled_to_config(const hone_compiled *compiled, int64_t outputs, hone_value **out,
                                     hone_error *err) {
    *out = NULL;
    hone_value *optimizer = NULL;
    HONE_TRY(optimizer_config(&compiled->optimizer, &optimizer, err));
    hone_value *config = hone_value_object(), *metrics = hone_value_list();
    for (size_t i = 0; i < compiled->metric_count; i++)
        if (keras_has_metric(compiled->metrics[i].kind, &compiled->loss))
            hone_value_append(metrics, metric_config(&compiled->metrics[i], &compiled->loss, outputs));
    hone_value_set(config, "loss", loss_config(&compiled->loss));
    hone_value_set(config, "metrics", metrics);
    hone_value_set_null(config, "weighted_metrics");
    hone_value_set_null(config, "loss_weights");
    hone_value_set(config, "optimizer_config", optimizer);
    if (hone_value_failed(config)) {
        hone_value_free(config);
        return hone__fail_memory(err, 0, "training_config");
    }
    *out = config;
    return HONE_OK;
}
