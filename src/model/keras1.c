/* SPDX-License-Identifier: Apache-2.0
 *
 * Keras 1's words put into those of Keras 2, before anything reads them: Convolution2D with nb_filter, nb_row and nb_col is
 * a Conv2D with filters and kernel_size. What Keras 2 has no word for keeps its name, and is refused by it. */
#include "keras1.h"

#include "core_internal.h"

#include <string.h>

typedef struct word {
    const char *layer; /* Keras 2's class, or NULL: of any */
    const char *old, *new;
} word;

static const word classes[] = {
    {NULL, "Convolution2D", "Conv2D"},
    {NULL, "AtrousConvolution2D", "Conv2D"},
    {NULL, "SeparableConvolution2D", "SeparableConv2D"},
    {NULL, "Deconvolution2D", "Conv2DTranspose"},
};

/* new NULL: says nothing that the rest does not. */
static const word keys[] = {
    {"Dense", "output_dim", "units"},
    {"Dense", "input_dim", NULL},
    {NULL, "input_length", NULL},
    {NULL, "nb_filter", "filters"},
    {NULL, "subsample", "strides"},
    {NULL, "atrous_rate", "dilation_rate"},
    {NULL, "border_mode", "padding"},
    {NULL, "dim_ordering", "data_format"},
    {NULL, "bias", "use_bias"},
    {"Embedding", "init", "embeddings_initializer"},
    {"PReLU", "init", "alpha_initializer"},
    {"SeparableConv2D", "init", "depthwise_initializer"},
    {NULL, "init", "kernel_initializer"},
    {NULL, "W_regularizer", "kernel_regularizer"},
    {NULL, "b_regularizer", "bias_regularizer"},
    {NULL, "W_constraint", "kernel_constraint"},
    {NULL, "b_constraint", "bias_constraint"},
    {NULL, "gamma_init", "gamma_initializer"},
    {NULL, "beta_init", "beta_initializer"},
    {NULL, "p", "rate"},
    {NULL, "sigma", "stddev"},
    {NULL, "input_dtype", "dtype"},
    {NULL, "nb_row", NULL}, /* kernel_size has both */
    {NULL, "nb_col", NULL},
    {"BatchNormalization", "mode", NULL}, /* 0, which was checked */
};

static const word merges[] = {
    {NULL, "sum", "Add"},     {NULL, "mul", "Multiply"},       {NULL, "ave", "Average"},
    {NULL, "max", "Maximum"}, {NULL, "concat", "Concatenate"},
};

static const word initializers[] = {
    {NULL, "zero", "zeros"},
    {NULL, "one", "ones"},
    {NULL, "normal", "random_normal"},
    {NULL, "uniform", "random_uniform"},
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static const word *find(const word *words, size_t count, const char *layer, const char *old) {
    for (size_t i = 0; i < count; i++)
        if (strcmp(words[i].old, old) == 0 && (!words[i].layer || strcmp(words[i].layer, layer) == 0)) return &words[i];
    return NULL;
}

static const char *text_at(const hone_value *object, const char *key) {
    const char *text = hone_value_as_string(hone_value_get(object, key));
    return text ? text : "";
}

static const hone_value *layer_list(const hone_value *config) {
    return hone_value_kind_of(config) == HONE_VALUE_LIST ? config : hone_value_get(config, "layers");
}

/* ---- is it Keras 1? -------------------------------------------------------------------------------------------- */

/* No word of these is one of Keras 2's. */
static bool has_old_words(const char *class_name, const hone_value *config) {
    static const char *const words[] = {"nb_filter", "border_mode", "dim_ordering", "W_regularizer", "gamma_init"};
    if (find(classes, COUNT(classes), "", class_name) || strcmp(class_name, "Merge") == 0) return true;
    for (size_t i = 0; i < COUNT(words); i++)
        if (hone_value_get(config, words[i])) return true;
    return strcmp(class_name, "Dense") == 0 && hone_value_get(config, "output_dim");
}

static bool is_keras1(const hone_value *model, int depth) {
    const hone_value *config = hone_value_get(model, "config"), *layers = layer_list(config);
    if (has_old_words(text_at(model, "class_name"), config)) return true;
    for (size_t i = 0; i < hone_value_count(layers) && depth < HONE_MAX_NESTING; i++)
        if (is_keras1(hone_value_at(layers, i), depth + 1)) return true;
    return false;
}

bool hone__is_keras1(const hone_value *model) {
    return text_at(model, "keras_version")[0] == '1' || is_keras1(model, 0);
}

static bool says_theano_order(const hone_value *model, int depth) {
    const hone_value *config = hone_value_get(model, "config"), *layers = layer_list(config);
    if (strcmp(text_at(config, "dim_ordering"), "th") == 0) return true;
    for (size_t i = 0; i < hone_value_count(layers) && depth < HONE_MAX_NESTING; i++)
        if (says_theano_order(hone_value_at(layers, i), depth + 1)) return true;
    return false;
}

bool hone__keras1_says_theano_order(const hone_value *model) {
    return says_theano_order(model, 0);
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

/* {"name": "WeightRegularizer", "l1": …, "l2": …} */
static hone_value *regularizer(const hone_value *old) {
    static const char *const kinds[] = {"l1", "l2"};
    if (hone_value_kind_of(old) != HONE_VALUE_OBJECT || hone_value_get(old, "class_name")) return hone_value_copy(old);
    hone_value *out = hone_value_object(), *config = hone_value_object();
    for (size_t i = 0; i < 2; i++) {
        double factor = 0;
        hone_value_as_real(hone_value_get(old, kinds[i]), &factor);
        hone_value_set_real(config, kinds[i], factor);
    }
    hone_value_set_string(out, "class_name", "L1L2");
    hone_value_set(out, "config", config);
    return out;
}

/* Four numbers of a ZeroPadding2D: top, bottom, left, right. */
static hone_value *sides(const hone_value *old) {
    if (hone_value_count(old) != 4) return hone_value_copy(old);
    hone_value *out = hone_value_list();
    for (size_t i = 0; i < 4; i += 2) {
        hone_value *pair = hone_value_list();
        for (size_t k = 0; k < 2; k++) hone_value_append(pair, hone_value_copy(hone_value_at(old, i + k)));
        hone_value_append(out, pair);
    }
    return out;
}

static hone_value *value_of(const char *key, const hone_value *old) {
    const char *text = hone_value_as_string(old);
    size_t length = strlen(key);
    if (length > 12 && strcmp(key + length - 12, "_regularizer") == 0) return regularizer(old);
    if (strcmp(key, "padding") == 0 && hone_value_kind_of(old) == HONE_VALUE_LIST) return sides(old);
    if (text && strcmp(key, "data_format") == 0) {
        const char *order = strcmp(text, "tf") == 0   ? "channels_last"
                            : strcmp(text, "th") == 0 ? "channels_first"
                                                      : text;
        return hone_value_string(order);
    }
    const word *renamed = text && length > 12 && strcmp(key + length - 12, "_initializer") == 0
                              ? find(initializers, COUNT(initializers), "", text)
                              : NULL;
    return renamed ? hone_value_string(renamed->new) : hone_value_copy(old);
}

/* ---- layers ---------------------------------------------------------------------------------------------------- */

static hone_status check_mode(const char *class_name, const char *name, const hone_value *config, hone_error *err) {
    int64_t mode = 0;
    if (strcmp(class_name, "BatchNormalization") != 0) return HONE_OK;
    hone_value_as_integer(hone_value_get(config, "mode"), &mode);
    if (mode == 0) return HONE_OK;
    HONE_FAIL(err, HONE_UNSUPPORTED,
              "layer '%.128s': BatchNormalization of Keras 1 with mode=%lld, only 0 is supported", name,
              (long long)mode);
}

/* Rows and columns, of a shape with the batch in the order of the layer's own dimensions. */
static hone_value *output_size(const hone_value *config) {
    const hone_value *shape = hone_value_get(config, "output_shape");
    size_t first = strcmp(text_at(config, "dim_ordering"), "th") == 0 ? 2 : 1;
    hone_value *size = hone_value_list();
    for (size_t i = 0; i < 2; i++) hone_value_append(size, hone_value_copy(hone_value_at(shape, first + i)));
    return size;
}

/* These do not say in which order their dimensions are: it was that of the whole program. */
static bool leaves_order_out(const char *class_name) {
    static const char *const classes_without[] = {"ZeroPadding2D", "Cropping2D", "UpSampling2D", "SpatialDropout2D"};
    for (size_t i = 0; i < COUNT(classes_without); i++)
        if (strcmp(class_name, classes_without[i]) == 0) return true;
    return false;
}

static hone_value *translate_config(const char *class_name, const hone_value *config, bool theano_order) {
    if (hone_value_kind_of(config) != HONE_VALUE_OBJECT) return hone_value_copy(config);
    hone_value *out = hone_value_object();
    for (size_t i = 0; i < hone_value_count(config); i++) {
        const char *key = hone_value_key_at(config, i);
        const word *known = find(keys, COUNT(keys), class_name, key);
        if (known && !known->new) continue;
        const char *new = known ? known->new : key;
        hone_value_set(out, new, value_of(new, hone_value_at(config, i)));
    }
    if (hone_value_get(config, "nb_row") && hone_value_get(config, "nb_col")) {
        hone_value *size = hone_value_list();
        hone_value_append(size, hone_value_copy(hone_value_get(config, "nb_row")));
        hone_value_append(size, hone_value_copy(hone_value_get(config, "nb_col")));
        hone_value_set(out, "kernel_size", size);
    }
    if (strcmp(class_name, "Conv2DTranspose") == 0 && hone_value_count(hone_value_get(config, "output_shape")) == 4)
        hone_value_set(out, "output_shape", output_size(config));
    if (theano_order && leaves_order_out(class_name) && !hone_value_get(config, "dim_ordering"))
        hone_value_set_string(out, "data_format", "channels_first");
    return out;
}

/* Merge is one class for all ways to put branches together. */
static hone_status translate_merge(const char *name, const hone_value *config, const char **class_name,
                                   hone_value **out, hone_error *err) {
    const char *mode = text_at(config, "mode");
    const word *known = find(merges, COUNT(merges), "", mode);
    if (!known || hone_value_get(config, "layers")) {
        HONE_FAIL(err, HONE_UNSUPPORTED, "layer '%.128s': Merge of Keras 1 with %s'%.60s' is not supported", name,
                  known ? "layers of its own and mode " : "mode ", mode);
    }
    *class_name = known->new;
    *out = hone_value_object();
    hone_value_set_string(*out, "name", name);
    if (strcmp(mode, "concat") == 0 && hone_value_get(config, "concat_axis"))
        hone_value_set(*out, "axis", hone_value_copy(hone_value_get(config, "concat_axis")));
    return HONE_OK;
}

static hone_status translate(const hone_value *model, int depth, bool theano_order, hone_value **out, hone_error *err);

/* The config of a model: its layers, and all else as it is. */
static hone_status translate_layers(const hone_value *config, int depth, bool theano_order, hone_value **out,
                                    hone_error *err) {
    const hone_value *layers = layer_list(config);
    hone_value *list = hone_value_list();
    hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < hone_value_count(layers); i++) {
        hone_value *layer;
        status = translate(hone_value_at(layers, i), depth + 1, theano_order, &layer, err);
        if (status == HONE_OK) hone_value_append(list, layer);
    }
    if (status) {
        hone_value_free(list);
        return status;
    }
    if (layers == config) {
        *out = list;
        return HONE_OK;
    }
    *out = hone_value_copy(config);
    hone_value_set(*out, "layers", list);
    return HONE_OK;
}

/* *out has failed where memory ran out: the root is asked. */
static hone_status translate(const hone_value *model, int depth, bool theano_order, hone_value **out, hone_error *err) {
    const char *class_name = text_at(model, "class_name");
    const hone_value *config = hone_value_get(model, "config");
    const char *name = hone_value_as_string(hone_value_get(model, "name"));
    hone_value *translated;
    if (!name) name = text_at(config, "name");
    *out = NULL;
    if (depth > HONE_MAX_NESTING) HONE_FAIL(err, HONE_LIMIT, "models lie within more than %d others", HONE_MAX_NESTING);
    const word *renamed = find(classes, COUNT(classes), "", class_name);
    if (renamed) class_name = renamed->new;
    if (hone_value_kind_of(model) != HONE_VALUE_OBJECT)
        HONE_FAIL(err, HONE_FORMAT, "a layer of the model is no object");
    HONE_TRY(check_mode(class_name, name, config, err));
    if (strcmp(class_name, "Merge") == 0)
        HONE_TRY(translate_merge(name, config, &class_name, &translated, err));
    else if (hone_value_kind_of(layer_list(config)) == HONE_VALUE_LIST)
        HONE_TRY(translate_layers(config, depth, theano_order, &translated, err));
    else
        translated = config ? translate_config(class_name, config, theano_order) : NULL;
    *out = hone_value_copy(model);
    hone_value_set_string(*out, "class_name", class_name);
    if (config) hone_value_set(*out, "config", translated);
    return HONE_OK;
}

hone_status hone__keras1_to_keras2(const hone_value *model, hone_value **out, hone_error *err) {
    HONE_TRY(translate(model, 0, hone__keras1_says_theano_order(model), out, err));
    hone_value_set_string(*out, "keras_version", "1");
    if (!hone_value_failed(*out)) return HONE_OK;
    hone_value_free(*out);
    *out = NULL;
    return hone__fail_memory(err, 0, "the config of a model");
}
