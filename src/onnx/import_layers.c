/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers of the model that an ONNX graph becomes: made, named, given their weights, and made at last of what was
 * only noted. */
#include "onnx_import.h"

#include <ctype.h>
#include <string.h>

/* ---- names ------------------------------------------------------------------------------------------------------- */

/* PyTorch's exporter calls nodes "/layer1/layer1.0/conv1/Conv": the modules around them, some with what is around
 * those, and the operator. Where the telling part of the next module begins, and where it ends. */
static const char *next_module(const char *path, size_t *length) {
    for (;;) {
        while (*path == '/') path++;
        *length = strcspn(path, "/");
        const char *next = path + *length;
        if (*next == '/' && strncmp(next + 1, path, *length) == 0 && next[1 + *length] == '.')
            path = next; /* the next one has this one in its name */
        else
            return path;
    }
}

/* Keras takes letters, digits and underscores everywhere. "features.0.weight" becomes "features_0". */
static void plain_name(const char *stem, char *out, size_t size) {
    static const char *const endings[] = {"_quantized", ".weight", "/weight", "/kernel", ".in_proj_weight", NULL};
    size_t whole = strlen(stem), at = 0, length;
    for (int i = 0; endings[i]; i++) {
        size_t tail = strlen(endings[i]);
        if (whole <= tail || strncmp(stem + whole - tail, endings[i], tail) != 0) continue;
        whole -= tail;
        if (i > 0) break; /* the first one hides another */
    }
    bool is_path = stem[0] == '/';
    for (const char *part = is_path ? next_module(stem, &length) : stem; part < stem + whole; part += length) {
        if (is_path) part = next_module(part, &length);
        if (!is_path) length = whole;
        bool is_last = part + length >= stem + whole;
        if (is_path && is_last && at > 0) break; /* the operator */
        if (at > 0 && at + 1 < size) out[at++] = '_';
        for (size_t i = 0; i < length && part + i < stem + whole && at + 1 < size; i++) {
            bool fine = isalnum((unsigned char)part[i]) && (unsigned char)part[i] < 128;
            if (fine || (at > 0 && out[at - 1] != '_')) out[at++] = (char)(fine ? part[i] : '_');
        }
    }
    while (at > 0 && out[at - 1] == '_') at--;
    out[at] = '\0';
}

/* A free name made of stem; NULL where stem says nothing and Keras' own numbering serves. */
static char *free_name(const hone__onnx_import *im, const char *stem) {
    char plain[200];
    size_t member;
    plain_name(stem, plain, sizeof plain);
    char *name = hone__strdup(plain);
    for (int number = 1; name && hone__network_find(&im->model->network, name, &member); number++) {
        hone__free(name);
        name = hone__asprintf("%s_%d", plain, number);
    }
    return name;
}

/* "onnx::Conv_123" and numbers are names that nobody gave. */
static bool is_telling(const char *name) {
    bool letters = false;
    for (const char *c = name; *c; c++) letters = letters || isalpha((unsigned char)*c);
    return letters && strncmp(name, "onnx::", 6) != 0 && strncmp(name, "const_fold", 10) != 0;
}

const char *hone__onnx_stem(const hone__onnx_import *im, size_t weight_input) {
    const hone__onnx_value *weight = hone__onnx_in(im, weight_input);
    if (weight && weight->kind == ONNX_CONSTANT && weight->constant.origin && is_telling(weight->constant.origin))
        return weight->constant.origin;
    if (weight_input < im->node->n_input && is_telling(im->node->input[weight_input]))
        return im->node->input[weight_input];
    return im->node->name && is_telling(im->node->name) ? im->node->name : NULL;
}

/* ---- layers ------------------------------------------------------------------------------------------------------ */

static hone_status name_layer(const hone__onnx_import *im, const char *class_name, const char *stem, char **name) {
    char snake[64];
    if (stem) {
        plain_name(stem, snake, sizeof snake);
        if (snake[0] == '\0') stem = NULL;
    }
    if (stem) {
        *name = free_name(im, stem);
    } else {
        hone__snake_case(snake, sizeof snake, class_name);
        *name = free_name(im, snake);
    }
    return *name ? HONE_OK : hone__fail_memory(im->err, sizeof snake, "the name of a layer");
}

hone_status hone__onnx_add_layer(hone__onnx_import *im, const char *class_name, hone_value *config, const char *stem,
                                 const char *const *sources, size_t count, char **name) {
    *name = NULL;
    if (!config) config = hone_value_object();
    hone_status status = name_layer(im, class_name, stem, name);
    if (!status && hone_value_set_string(config, "name", *name))
        status = hone__fail_memory(im->err, 0, "the arguments of a layer");
    if (!status && hone_value_failed(config)) status = hone__fail_memory(im->err, 0, "the arguments of a layer");
    if (!status) {
        status = hone_model_apply(im->model, class_name, config, sources, count, im->err);
        if (status && status != HONE_MEMORY && im->node) {
            const char *node = im->node->name && im->node->name[0] ? im->node->name : im->node->output[0];
            status = hone__fail_context(im->err, status, "node '%.96s' (%.40s)", node, im->node->op_type);
        }
    }
    hone_value_free(config);
    if (status) {
        hone__free(*name);
        *name = NULL;
    }
    return status;
}

hone_status hone__onnx_add_weights(hone__onnx_import *im, const char *layer, const char *weight, float *data,
                                   size_t size) {
    hone_status status =
        hone__grow((void **)&im->weights, &im->weights_capacity, im->weights_count + 1, sizeof *im->weights, im->err);
    char *name = status ? NULL : hone__strdup(layer);
    if (!status && !name) status = hone__fail_memory(im->err, strlen(layer), "the name of a layer");
    if (status) {
        hone__free(data);
        return status;
    }
    im->weights[im->weights_count++] = (hone__onnx_weights){.layer = name, .name = weight, .data = data, .size = size};
    return HONE_OK;
}

hone_status hone__onnx_map(hone__onnx_import *im, const char *class_name, hone_value *config,
                           const hone__onnx_value *in, hone__onnx_value *out) {
    const char *source = in->layer;
    char *layer;
    HONE_TRY(hone__onnx_add_layer(im, class_name, config, NULL, &source, 1, &layer));
    hone__onnx_layout layout = in->layout;
    hone_shape shape = in->shape;
    hone__free(out->layer); /* out may be in */
    out->layer = layer;
    out->kind = ONNX_TENSOR;
    out->layout = layout;
    out->shape = shape;
    return HONE_OK;
}

/* ---- layers with weights in wait --------------------------------------------------------------------------------- */

hone_status hone__onnx_weighted_create(hone__onnx_import *im, hone__onnx_value *value, const char *class_name,
                                       size_t kernel_size, size_t units, bool biased, hone__onnx_weighted **out) {
    HONE_TRY(hone__grow((void **)&im->weighted, &im->weighted_capacity, im->weighted_count + 1, sizeof *im->weighted,
                        im->err));
    hone__onnx_weighted *w = hone__alloc(1, sizeof *w);
    if (!w) return hone__fail_memory(im->err, sizeof *w, "a layer");
    im->weighted[im->weighted_count++] = w;
    *w = (hone__onnx_weighted){.class_name = class_name, .kernel_size = kernel_size, .units = units};
    w->kernel = hone__alloc(kernel_size, sizeof *w->kernel);
    w->bias = biased ? hone__alloc(units, sizeof *w->bias) : NULL;
    w->config = hone_value_object();
    if (!w->kernel || (biased && !w->bias) || !w->config)
        return hone__fail_memory(im->err, kernel_size * sizeof *w->kernel, "a kernel");
    w->kernel_name = "kernel";
    value->kind = ONNX_WEIGHTED;
    value->weighted = *out = w;
    return HONE_OK;
}

static hone_status make_weighted(hone__onnx_import *im, hone__onnx_weighted *w) {
    const char *source = w->source;
    if (w->attention) return hone__onnx_make_attention(im, w);
    if (w->units > HONE_MAX_UNITS) return hone__onnx_refuse(im, HONE_LIMIT, "has %zu units", w->units);
    hone_value_set_boolean(w->config, "use_bias", w->bias != NULL);
    if (w->is_dense) hone_value_set_integer(w->config, "units", (int64_t)w->units);
    hone_value *config = w->config;
    float *kernel = w->kernel, *bias = w->bias;
    w->config = NULL;
    HONE_TRY(hone__onnx_add_layer(im, w->class_name, config, w->stem, &source, 1, &w->layer));
    w->kernel = NULL;
    HONE_TRY(hone__onnx_add_weights(im, w->layer, w->kernel_name, kernel, w->kernel_size));
    w->bias = NULL;
    return bias ? hone__onnx_add_weights(im, w->layer, "bias", bias, w->units) : HONE_OK;
}

/* The value may be one of several looks at the same layer. */
static hone_status realise_weighted(hone__onnx_import *im, hone__onnx_value *value) {
    hone__onnx_weighted *w = value->weighted;
    if (!w->layer) HONE_TRY(make_weighted(im, w));
    value->layer = hone__strdup(w->layer);
    if (!value->layer) return hone__fail_memory(im->err, strlen(w->layer), "the name of a layer");
    value->shape = w->output;
    value->kind = ONNX_TENSOR;
    return HONE_OK;
}

hone_status hone__onnx_vector(hone__onnx_import *im, size_t input, size_t n, const float **out) {
    hone__onnx_value *value = hone__onnx_in(im, input);
    if (!value || value->kind != ONNX_CONSTANT || value->constant.count != n)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "its input %zu is no constant of %zu numbers", input, n);
    *out = hone__onnx_constant_reals(&value->constant);
    return *out ? HONE_OK : hone__fail_memory(im->err, n * sizeof(float), "a constant");
}

hone_status hone__onnx_add_copy(hone__onnx_import *im, const char *layer, const char *weight, const float *data,
                                size_t n) {
    float *copy = hone__alloc(n, sizeof *copy);
    if (!copy) return hone__fail_memory(im->err, n * sizeof *copy, "weights");
    memcpy(copy, data, n * sizeof *copy);
    return hone__onnx_add_weights(im, layer, weight, copy, n);
}

/* ---- notes ------------------------------------------------------------------------------------------------------- */

hone_status hone__onnx_note_about(hone__onnx_import *im, const hone__onnx_value *base, hone__onnx_note what, double a,
                                  double b, hone__onnx_value *out) {
    out->kind = ONNX_NOTE;
    out->note = what;
    out->base = (size_t)(base - im->values);
    out->layout = base->layout;
    out->a = a;
    out->b = b;
    return HONE_OK;
}

hone_value *hone__onnx_activation_config(const char *activation) {
    hone_value *config = hone_value_object();
    hone_value_set_string(config, "activation", activation);
    return config;
}

static float *taken(float **from) {
    float *data = *from;
    *from = NULL;
    return data;
}

/* gamma ((x - mean) / deviation) + beta, over the last axis. */
static hone_status realise_normalized(hone__onnx_import *im, hone__onnx_value *value, hone__onnx_value *base) {
    hone_value *config = hone_value_object();
    hone_value_set_integer(config, "axis", -1);
    hone_value_set_real(config, "epsilon", value->a);
    hone_value_set_boolean(config, "scale", value->gamma != NULL);
    hone_value_set_boolean(config, "center", value->beta != NULL);
    hone_status status = hone__onnx_arrange_last(im, base);
    if (status) {
        hone_value_free(config);
        return status;
    }
    size_t size = (size_t)base->shape.dims[base->shape.rank - 1];
    HONE_TRY(hone__onnx_map(im, "LayerNormalization", config, base, value));
    if (value->gamma) HONE_TRY(hone__onnx_add_weights(im, value->layer, "gamma", taken(&value->gamma), size));
    if (value->beta) HONE_TRY(hone__onnx_add_weights(im, value->layer, "beta", taken(&value->beta), size));
    return HONE_OK;
}

static hone_status realise_mean(hone__onnx_import *im, hone__onnx_value *value, hone__onnx_value *base) {
    bool gone[HONE_ONNX_AXES] = {false};
    gone[base->layout.rank - 1] = true;
    return hone__onnx_reduce(im, base, gone, true, false, value);
}

/* x - mean, the square of that, the mean of the squares plus a number, or the root of it: of what is spelt out like a
 * layer normalisation, and is none. */
static hone_status realise_statistic(hone__onnx_import *im, hone__onnx_value *value, hone__onnx_value *base) {
    hone__onnx_value mean = {.name = value->name}, centered = mean, squared = mean;
    hone__onnx_value *const difference[2] = {base, &mean}, *const product[2] = {&centered, &centered};
    const hone__onnx_note what = value->note;
    bool gone[HONE_ONNX_AXES] = {false};
    gone[base->layout.rank - 1] = true;
    hone_status status = hone__onnx_reduce(im, base, gone, true, false, &mean);
    if (!status) status = hone__onnx_merge(im, "Subtract", difference, 2, what == NOTE_CENTERED ? value : &centered);
    if (!status && what != NOTE_CENTERED)
        status = hone__onnx_merge(im, "Multiply", product, 2, what == NOTE_SQUARED ? value : &squared);
    if (!status && (what == NOTE_VARIANCE || what == NOTE_DEVIATION)) {
        status = hone__onnx_reduce(im, &squared, gone, true, false, value);
        if (!status && value->b != 0) status = hone__onnx_rescale(im, value, 1, value->b, value);
        if (!status && what == NOTE_DEVIATION) status = hone__onnx_map(im, "Sqrt", NULL, value, value);
    }
    hone__free(mean.layer);
    hone__free(centered.layer);
    hone__free(squared.layer);
    return status;
}

static hone_status realise_note(hone__onnx_import *im, hone__onnx_value *value) {
    hone__onnx_value *base = &im->values[value->base];
    HONE_TRY(hone__onnx_realise(im, base));
    hone_value *config;
    switch (value->note) {
    case NOTE_AFFINE:
        config = hone_value_object();
        hone_value_set_real(config, "scale", value->a);
        hone_value_set_real(config, "offset", value->b);
        HONE_TRY(hone__onnx_map(im, "Rescaling", config, base, value));
        value->is_input = base->is_input;
        return HONE_OK;
    case NOTE_FUNCTION:
        value->not_negative = strcmp(value->activation, "sigmoid") == 0 || strstr(value->activation, "relu") != NULL;
        return hone__onnx_map(im, "Activation", hone__onnx_activation_config(value->activation), base, value);
    case NOTE_NORMALIZED: return realise_normalized(im, value, base);
    case NOTE_CLAMPED: return hone__onnx_clamp(im, base, value->a, value->b, value);
    case NOTE_MEAN: return realise_mean(im, value, base);
    case NOTE_CENTERED:
    case NOTE_SQUARED:
    case NOTE_VARIANCE:
    case NOTE_DEVIATION: return realise_statistic(im, value, base);
    case NOTE_GATED:
        if (value->a == 0.5) return hone__onnx_map(im, "Activation", hone__onnx_activation_config("gelu"), base, value);
        break;
    default: break;
    }
    return hone__onnx_refuse(im, HONE_UNSUPPORTED,
                             "reads '%.64s', a part of an expression that is none of those hone has a layer for "
                             "(GELU, layer normalisation, ReLU with a threshold)",
                             value->name);
}

hone_status hone__onnx_realise(hone__onnx_import *im, hone__onnx_value *value) {
    switch (value->kind) {
    case ONNX_TENSOR: return HONE_OK;
    case ONNX_WEIGHTED: return realise_weighted(im, value);
    case ONNX_NOTE: return realise_note(im, value);
    case ONNX_NOTHING:
    case ONNX_CONSTANT: return hone__onnx_refuse(im, HONE_UNSUPPORTED, "'%.64s' is constant", value->name);
    case ONNX_SCORES:
    case ONNX_ATTENDED: break;
    }
    return hone__onnx_realise_attention(im, value);
}
