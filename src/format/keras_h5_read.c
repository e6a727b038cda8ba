/* SPDX-License-Identifier: Apache-2.0
 *
 * Reads whole models as Keras 2.2 … 2.15, tf-keras and Keras 3 write them to .h5.
 *
 * Two rules carry everything. weight_names is followed verbatim, never constructed: there are three naming schemes. And
 * a group's weights are its trainable ones, then the others, as the flags were when the file was saved; where the
 * stored names tell each weight's layer and variable without doubt, the names win. */
#include "format_internal.h"

#include "layer.h"

#include <stdlib.h>
#include <string.h>

/* ---- what file is this? ---------------------------------------------------------------------------------------- */

/* Keras 1 and Theano kept convolution kernels flipped; nothing in the file says of which layers. */
static hone_status check_writer(hone__h5 *h5, hone_error *err) {
    static const char *const places[] = {"/", "/model_weights"};
    for (size_t i = 0; i < 2; i++) {
        char *version = NULL, *backend = NULL;
        hone_status status = HONE_OK;
        if (hone__h5_has_attribute(h5, places[i], "keras_version"))
            status = hone__h5_read_string(h5, places[i], "keras_version", &version, err);
        if (status == HONE_OK && hone__h5_has_attribute(h5, places[i], "backend"))
            status = hone__h5_read_string(h5, places[i], "backend", &backend, err);
        if (status == HONE_OK && version && (strncmp(version, "0.", 2) == 0 || strncmp(version, "1.", 2) == 0))
            status = hone__fail(err, HONE_UNSUPPORTED,
                                "written by Keras %.20s; load it with Keras 2.2 or newer and save it again", version);
        if (status == HONE_OK && backend && strcmp(backend, "theano") == 0)
            status = hone__fail(err, HONE_UNSUPPORTED,
                                "written with the Theano backend, which flips kernels; load it with the TensorFlow "
                                "backend and save it again");
        hone__free(version);
        hone__free(backend);
        if (status) return status;
    }
    return HONE_OK;
}

hone_status hone__keras_check_layout(hone__h5 *h5, hone_error *err) {
    if (hone__h5_has_attribute(h5, "/", "model_config")) {
        if (hone__h5_kind_of(h5, "/model_weights") != HONE_H5_GROUP)
            HONE_FAIL(err, HONE_FORMAT, "holds an architecture but no 'model_weights'");
        return check_writer(h5, err);
    }
    bool wrapped = hone__h5_kind_of(h5, "/model_weights") == HONE_H5_GROUP;
    if (wrapped || hone__h5_has_attribute(h5, "/", "layer_names") || hone__h5_has_attribute(h5, "/", "layer_names0"))
        HONE_FAIL(err, HONE_UNSUPPORTED,
                  "holds weights only (Keras' save_weights), not the architecture they belong to; load both in Keras "
                  "and use model.save('model.h5')");
    if (hone__h5_kind_of(h5, "/layers") == HONE_H5_GROUP || hone__h5_kind_of(h5, "/vars") == HONE_H5_GROUP ||
        hone__h5_kind_of(h5, "/_layer_checkpoint_dependencies") == HONE_H5_GROUP)
        HONE_FAIL(err, HONE_UNSUPPORTED,
                  "holds weights only (a Keras 3 .weights.h5), not the architecture they belong to; load both in Keras "
                  "and use model.save('model.h5')");
    HONE_FAIL(err, HONE_FORMAT, "is an HDF5 file, but no Keras model: it has no 'model_config'");
}

hone_status hone__h5_read_json(hone__h5 *h5, const char *path, const char *name, hone_value **out, hone_error *err) {
    char *text;
    *out = NULL;
    HONE_TRY(hone__h5_read_string(h5, path, name, &text, err));
    hone_status status = hone_json_parse(out, text, strlen(text), err);
    hone__free(text);
    if (status == HONE_OK) return HONE_OK;
    return hone__fail_context(err, status, "attribute '%s' of '%.200s'", name, path);
}

hone_status hone__keras_read_config(hone__h5 *h5, hone_value **out, hone_error *err) {
    return hone__h5_read_json(h5, "/", "model_config", out, err);
}

/* ---- one group's weights --------------------------------------------------------------------------------------- */

/* The weights of one group of the file, and those of the model that they go to. */
typedef struct group {
    const char *name;
    hone__names names;
    size_t *weights; /* indices into model->weights, in the order of names once resolved; names.count of them */
} group;

/* The last two parts of a stored name: "sequential/conv2d/kernel:0" gives "conv2d" and "kernel". */
static void split_name(const char *name, const char **layer, size_t *layer_length, const char **variable,
                       size_t *variable_length) {
    const char *slash = strrchr(name, '/');
    *variable = slash ? slash + 1 : name;
    const char *colon = strrchr(*variable, ':');
    *variable_length = colon ? (size_t)(colon - *variable) : strlen(*variable);
    *layer = name;
    *layer_length = 0;
    if (!slash) return;
    const char *start = slash;
    while (start > name && start[-1] != '/') start--;
    *layer = start;
    *layer_length = (size_t)(slash - start);
}

static bool is_text(const char *text, size_t length, const char *word) {
    return strlen(word) == length && memcmp(text, word, length) == 0;
}

/* Normalization counts the samples it was adapted to; hone has no use for it. */
static void drop_counts(hone__names *names, const hone_model *model) {
    for (size_t i = 0; i < model->weight_count; i++)
        if (strcmp(model->weights[i].name, "count") == 0) return;
    size_t kept = 0;
    for (size_t i = 0; i < names->count; i++) {
        const char *layer, *variable;
        size_t layer_length, length;
        split_name(names->items[i], &layer, &layer_length, &variable, &length);
        if (is_text(variable, length, "count"))
            hone__free(names->items[i]);
        else
            names->items[kept++] = names->items[i];
    }
    names->count = kept;
}

static bool name_fits(const hone_model *model, size_t weight, const char *name, bool one_layer) {
    const char *layer, *variable;
    size_t layer_length, variable_length;
    split_name(name, &layer, &layer_length, &variable, &variable_length);
    const hone__weight *w = &model->weights[weight];
    return is_text(variable, variable_length, w->name) &&
           (one_layer || is_text(layer, layer_length, model->layers[w->layer]->name));
}

/* Puts g->weights (the model's order) into the order of g->names. */
static hone_status resolve_order(const hone_model *model, group *g, hone_error *err) {
    size_t n = g->names.count;
    bool one_layer = true;
    for (size_t i = 1; i < n; i++)
        if (model->weights[g->weights[i]].layer != model->weights[g->weights[0]].layer) one_layer = false;
    size_t *order = hone__alloc(n, sizeof *order);
    if (!order) return hone__fail_memory(err, n * sizeof *order, "weights");

    /* By name: every name must fit exactly one weight, and every weight be taken. */
    bool by_name = true;
    for (size_t i = 0; by_name && i < n; i++) {
        size_t fitting = 0;
        for (size_t k = 0; k < n; k++) {
            if (!name_fits(model, g->weights[k], g->names.items[i], one_layer)) continue;
            order[i] = g->weights[k];
            fitting++;
        }
        by_name = fitting == 1;
        for (size_t k = 0; by_name && k < i; k++)
            if (order[k] == order[i]) by_name = false;
    }
    if (!by_name) {
        size_t place = 0;
        for (int pass = 0; pass < 2; pass++)
            for (size_t k = 0; k < n; k++)
                if (hone__weight_trainable(model, g->weights[k]) == (pass == 0)) order[place++] = g->weights[k];
    }
    hone__free(g->weights);
    g->weights = order;
    return HONE_OK;
}

static hone_status read_group(hone__h5 *h5, const hone_model *model, const group *g, float *data, hone_error *err) {
    for (size_t i = 0; i < g->names.count; i++) {
        const hone__weight *w = &model->weights[g->weights[i]];
        const char *layer = model->layers[w->layer]->name;
        char *path = hone__asprintf("/model_weights/%s/%s", g->name, g->names.items[i]);
        if (!path) return hone__fail_memory(err, 0, "a path");
        hone_shape shape;
        hone_status status = hone__h5_read_shape(h5, path, &shape, err);
        if (status == HONE_OK && !hone_shape_equal(&shape, &w->shape)) {
            char found[128], wanted[128];
            status = hone__fail(err, HONE_SHAPE, "%s is %s in the file, %s in the architecture", w->name,
                                hone_shape_text(&shape, false, found, sizeof found),
                                hone_shape_text(&w->shape, false, wanted, sizeof wanted));
        }
        if (status == HONE_OK) status = hone__h5_read_floats(h5, path, data + w->offset, w->size, err);
        hone__free(path);
        if (status) return hone__fail_context(err, status, "layer '%.200s'", layer);
    }
    return HONE_OK;
}

/* ---- pairing groups with layers -------------------------------------------------------------------------------- */

static hone_status list_weights(group *g, const hone__layer *const *layers, size_t count, hone_error *err) {
    g->weights = hone__alloc(g->names.count, sizeof *g->weights);
    if (!g->weights) return hone__fail_memory(err, g->names.count * sizeof *g->weights, "weights");
    size_t place = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < layers[i]->weight_count; k++) g->weights[place++] = layers[i]->first_weight + k;
    return HONE_OK;
}

/* Groups and the layers that own weights meet in order. A nested model is one group for several of our layers. */
static hone_status pair_groups(const hone_model *model, group *groups, size_t group_count, hone_error *err) {
    const hone__layer **owners = hone__alloc(model->layer_count, sizeof *owners);
    if (!owners) return hone__fail_memory(err, model->layer_count * sizeof *owners, "layers");
    size_t owner_count = 0, next = 0;
    for (size_t i = 0; i < model->layer_count; i++)
        if (model->layers[i]->weight_count > 0) owners[owner_count++] = model->layers[i];
    hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < group_count; i++) {
        group *g = &groups[i];
        size_t first = next, weights = 0;
        while (next < owner_count && weights < g->names.count) weights += owners[next++]->weight_count;
        if (first == owner_count)
            status = hone__fail(err, HONE_SHAPE,
                                "the file has weights for '%.200s', the architecture no layer left for them", g->name);
        else if (weights != g->names.count)
            status = hone__fail(err, HONE_SHAPE, "layer '%.200s': the file holds %zu weights, the architecture has %zu",
                                g->name, g->names.count, weights);
        else
            status = list_weights(g, owners + first, next - first, err);
        if (status == HONE_OK) status = resolve_order(model, g, err);
    }
    if (status == HONE_OK && next < owner_count)
        status = hone__fail(err, HONE_SHAPE, "layer '%.200s' has no weights in the file", owners[next]->name);
    hone__free(owners);
    return status;
}

/* The groups that hold weights, in the order of layer_names. */
static hone_status list_groups(hone__h5 *h5, const hone_model *model, const hone__names *layer_names, group *groups,
                               size_t *count, hone_error *err) {
    *count = 0;
    for (size_t i = 0; i < layer_names->count; i++) {
        group *g = &groups[*count];
        char *path = hone__asprintf("/model_weights/%s", layer_names->items[i]);
        if (!path) return hone__fail_memory(err, 0, "a path");
        hone_status status = hone__h5_read_names(h5, path, "weight_names", &g->names, err);
        hone__free(path);
        (*count)++; /* from here on its names are released by the caller */
        if (status) return status;
        drop_counts(&g->names, model);
        g->name = layer_names->items[i];
        if (g->names.count == 0) {
            hone__names_release(&g->names);
            (*count)--;
        }
    }
    return HONE_OK;
}

hone_status hone__keras_read_weights(hone__h5 *h5, const hone_model *model, float *data, hone_error *err) {
    hone__names layer_names = {0};
    group *groups = NULL;
    size_t count = 0;
    hone_status status = hone__h5_read_names(h5, "/model_weights", "layer_names", &layer_names, err);
    if (status == HONE_OK) {
        groups = hone__alloc(layer_names.count, sizeof *groups);
        if (!groups) status = hone__fail_memory(err, layer_names.count * sizeof *groups, "layers");
    }
    if (status == HONE_OK) status = list_groups(h5, model, &layer_names, groups, &count, err);
    if (status == HONE_OK) status = pair_groups(model, groups, count, err);
    for (size_t i = 0; status == HONE_OK && i < count; i++) status = read_group(h5, model, &groups[i], data, err);
    for (size_t i = 0; i < count; i++) {
        hone__names_release(&groups[i].names);
        hone__free(groups[i].weights);
    }
    hone__free(groups);
    hone__names_release(&layer_names);
    return status;
}

/* ---- the whole model ------------------------------------------------------------------------------------------- */

static hone_status read_compiled(hone__h5 *h5, hone_compiled *compiled, hone_error *err) {
    *compiled = (hone_compiled){0};
    if (!hone__h5_has_attribute(h5, "/", "training_config")) return HONE_OK;
    hone_value *config;
    HONE_TRY(hone__h5_read_json(h5, "/", "training_config", &config, err));
    hone_status status = hone__compiled_from_config(compiled, config, err);
    hone_value_free(config);
    return status;
}

hone_status hone__keras_read_model(hone__h5 *h5, hone_model **out, hone_compiled *compiled, hone_error *err) {
    *out = NULL;
    HONE_TRY(hone__keras_check_layout(h5, err));
    hone_value *config;
    HONE_TRY(hone__keras_read_config(h5, &config, err));
    hone_model *model = NULL;
    hone_status status = hone_model_from_config(&model, config, err);
    hone_value_free(config);
    if (status == HONE_OK) status = hone__model_allocate(model, err); /* built, but for the drawing of first weights */
    if (status == HONE_OK) status = hone__keras_read_weights(h5, model, model->data, err);
    if (status == HONE_OK) status = hone__group_read(h5, model, err);
    if (status == HONE_OK && compiled) status = read_compiled(h5, compiled, err);
    if (status) {
        hone_model_free(model);
        return status;
    }
    *out = model;
    return HONE_OK;
}

hone_status hone__keras_model_from_bytes(hone_model **out, const void *bytes, size_t size, hone_compiled *compiled,
                                         hone_error *err) {
    hone__h5 *h5;
    *out = NULL;
    HONE_TRY(hone__h5_open(&h5, bytes, size, err));
    hone_status status = hone__keras_read_model(h5, out, compiled, err);
    hone__h5_close(h5);
    return status;
}
