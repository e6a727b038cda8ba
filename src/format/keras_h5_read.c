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

hone_status hone__keras_check_layout(hone__h5 *h5, hone_error *err) {
    if (hone__h5_has_attribute(h5, "/", "model_config")) {
        if (hone__h5_kind_of(h5, "/model_weights") != HONE_H5_GROUP)
            HONE_FAIL(err, HONE_FORMAT, "holds an architecture but no 'model_weights'");
        return HONE_OK;
    }
    bool wrapped = hone__h5_kind_of(h5, "/model_weights") == HONE_H5_GROUP;
    if (wrapped || hone__h5_has_attribute(h5, "/", "layer_names") || hone__h5_has_attribute(h5, "/", "layer_names0"))
        HONE_FAIL(
            err, HONE_UNSUPPORTED,
            "holds weights only (Keras' save_weights), not the architecture they belong to; put them onto a model "
            "of that architecture: --weights, hone_model_load_weights");
    if (hone__h5_kind_of(h5, "/layers") == HONE_H5_GROUP || hone__h5_kind_of(h5, "/vars") == HONE_H5_GROUP ||
        hone__h5_kind_of(h5, "/_layer_checkpoint_dependencies") == HONE_H5_GROUP)
        HONE_FAIL(err, HONE_UNSUPPORTED,
                  "holds weights only (a Keras 3 .weights.h5), not the architecture they belong to; put them onto a "
                  "model of that architecture: --weights, hone_model_load_weights");
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
    hone__kernel_layout kernels;
    HONE_TRY(hone__kernel_layout_find(h5, "/model_weights", &kernels, err));
    HONE_TRY(hone__h5_read_json(h5, "/", "model_config", out, err));
    if (!kernels.pads_as_theano || hone_value_kind_of(*out) != HONE_VALUE_OBJECT ||
        hone_value_set_string(*out, "backend", "theano") == HONE_OK)
        return HONE_OK;
    hone_value_free(*out);
    *out = NULL;
    return hone__fail_memory(err, 0, "the config of a model");
}

/* ---- one group's weights --------------------------------------------------------------------------------------- */

/* The weights of one group of the file, and those of the model that they go to. */
typedef struct group {
    const char *name;
    hone__names names;
    size_t *weights; /* indices into model->weights, in the order of names once resolved; names.count of them */
} group;

/* Does the stored name ("sequential/conv2d/kernel:0") end with the parts layer and variable? layer NULL: any. */
static bool ends_with_parts(const char *name, const char *layer, const char *variable) {
    const char *colon = strrchr(name, ':');
    size_t left = colon ? (size_t)(colon - name) : strlen(name);
    const char *parts[] = {variable, layer};
    for (size_t i = 0; i < 2 && parts[i]; i++) {
        size_t length = strlen(parts[i]);
        if (i > 0) {
            if (left == 0) return false;
            left--; /* the slash */
        }
        if (left < length || memcmp(name + left - length, parts[i], length) != 0) return false;
        left -= length;
        if (left > 0 && name[left - 1] != '/') return false;
    }
    return true;
}

/* What a stored name is compared with. A layer's path within its group tells more than its name, but not every writer
 * gives it; of a single layer the variable says it all. */
typedef enum fit { FIT_VARIABLE, FIT_PATH, FIT_NAME } fit;

static bool name_fits(const hone_model *model, const group *g, size_t weight, const char *name, fit how) {
    const hone__weight *w = &model->weights[weight];
    const hone__layer *layer = model->layers[w->layer];
    const char *path = layer->name;
    size_t length = strlen(g->name);
    if (strncmp(path, g->name, length) == 0 && path[length] == '/') path += length + 1;
    return ends_with_parts(name, how == FIT_VARIABLE ? NULL : how == FIT_PATH ? path : layer->own_name, w->name);
}

/* order[i]: the weight of name i, if every name fits exactly one weight and every weight is taken. */
static bool match_names(const hone_model *model, const group *g, fit how, bool *taken, size_t *order) {
    size_t n = g->names.count;
    memset(taken, 0, n * sizeof *taken);
    for (size_t i = 0; i < n; i++) {
        size_t fitting = 0, which = 0;
        for (size_t k = 0; k < n; k++) {
            if (!name_fits(model, g, g->weights[k], g->names.items[i], how)) continue;
            which = k;
            fitting++;
        }
        if (fitting != 1 || taken[which]) return false;
        taken[which] = true;
        order[i] = g->weights[which];
    }
    return true;
}

/* Puts g->weights (the model's order) into the order of g->names. */
static hone_status resolve_order(const hone_model *model, group *g, hone_error *err) {
    size_t n = g->names.count;
    bool one_layer = true;
    for (size_t i = 1; i < n; i++)
        if (model->weights[g->weights[i]].layer != model->weights[g->weights[0]].layer) one_layer = false;
    size_t *order = hone__alloc(n, sizeof *order);
    bool *taken = hone__alloc(n, sizeof *taken);
    if (!order || !taken) {
        hone__free(order);
        hone__free(taken);
        return hone__fail_memory(err, n * sizeof *order, "weights");
    }
    bool by_name = one_layer
                       ? match_names(model, g, FIT_VARIABLE, taken, order)
                       : match_names(model, g, FIT_PATH, taken, order) || match_names(model, g, FIT_NAME, taken, order);
    if (!by_name) {
        size_t place = 0;
        for (int pass = 0; pass < 2; pass++)
            for (size_t k = 0; k < n; k++)
                if (hone__weight_trainable(model, g->weights[k]) == (pass == 0)) order[place++] = g->weights[k];
    }
    hone__free(taken);
    hone__free(g->weights);
    g->weights = order;
    return HONE_OK;
}

static hone_status read_group(hone__h5 *h5, const char *root, const hone_model *model, const group *g,
                              const hone__kernel_layout *kernels, float *data, hone_error *err) {
    for (size_t i = 0; i < g->names.count; i++) {
        const hone__weight *w = &model->weights[g->weights[i]];
        const char *layer = model->layers[w->layer]->name;
        char *path = hone__asprintf("%s/%s/%s", root, g->name, g->names.items[i]);
        if (!path) return hone__fail_memory(err, 0, "a path");
        hone_status status = hone__kernel_read(h5, path, kernels, model, w, data + w->offset, err);
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

/* The member of the model that bears the group's name: its layers with weights to owners. */
static size_t owners_by_name(const hone_model *model, const char *name, const hone__layer **owners) {
    size_t count = 0, length = strlen(name);
    for (size_t i = 0; i < model->layer_count; i++) {
        const hone__layer *layer = model->layers[i];
        bool within = strncmp(layer->name, name, length) == 0 && layer->name[length] == '/' &&
                      layer->own_name > layer->name + length;
        if (layer->weight_count > 0 && (within || strcmp(layer->name, name) == 0)) owners[count++] = layer;
    }
    return count;
}

static size_t weights_of(const hone__layer *const *owners, size_t count) {
    size_t weights = 0;
    for (size_t i = 0; i < count; i++) weights += owners[i]->weight_count;
    return weights;
}

/* By name where every group names what has as many weights and nothing is left over. owners has room for all layers. */
static hone_status pair_by_name(const hone_model *model, group *groups, size_t group_count, const hone__layer **owners,
                                bool *paired, hone_error *err) {
    size_t total = 0;
    *paired = false;
    for (size_t i = 0; i < group_count; i++) {
        size_t count = owners_by_name(model, groups[i].name, owners);
        if (weights_of(owners, count) != groups[i].names.count) return HONE_OK;
        total += groups[i].names.count;
    }
    if (total != model->weight_count) return HONE_OK;
    for (size_t i = 0; i < group_count; i++) {
        size_t count = owners_by_name(model, groups[i].name, owners);
        HONE_TRY(list_weights(&groups[i], owners, count, err));
        HONE_TRY(resolve_order(model, &groups[i], err));
    }
    *paired = true;
    return HONE_OK;
}

/* Groups and the layers that own weights meet in order. A model within is one group for several of our layers. */
static hone_status pair_in_order(const hone_model *model, group *groups, size_t group_count, const hone__layer **owners,
                                 hone_error *err) {
    size_t owner_count = 0, next = 0;
    for (size_t i = 0; i < model->layer_count; i++)
        if (model->layers[i]->weight_count > 0) owners[owner_count++] = model->layers[i];
    for (size_t i = 0; i < group_count; i++) {
        group *g = &groups[i];
        size_t first = next, weights = 0;
        while (next < owner_count && weights < g->names.count) weights += owners[next++]->weight_count;
        if (first == owner_count)
            HONE_FAIL(err, HONE_SHAPE, "the file has weights for '%.200s', the architecture no layer left for them",
                      g->name);
        if (weights != g->names.count)
            HONE_FAIL(err, HONE_SHAPE, "layer '%.200s': the file holds %zu weights, the architecture has %zu", g->name,
                      g->names.count, weights);
        HONE_TRY(list_weights(g, owners + first, next - first, err));
        HONE_TRY(resolve_order(model, g, err));
    }
    if (next == owner_count) return HONE_OK;
    HONE_FAIL(err, HONE_SHAPE, "layer '%.200s' has no weights in the file", owners[next]->name);
}

static hone_status pair_groups(const hone_model *model, group *groups, size_t group_count, hone_error *err) {
    const hone__layer **owners = hone__alloc(model->layer_count, sizeof *owners);
    if (!owners) return hone__fail_memory(err, model->layer_count * sizeof *owners, "layers");
    bool paired;
    hone_status status = pair_by_name(model, groups, group_count, owners, &paired, err);
    if (status == HONE_OK && !paired) status = pair_in_order(model, groups, group_count, owners, err);
    hone__free(owners);
    return status;
}

/* The groups that hold weights, in the order of layer_names. */
static hone_status list_groups(hone__h5 *h5, const char *root, const hone__names *layer_names, group *groups,
                               size_t *count, hone_error *err) {
    *count = 0;
    for (size_t i = 0; i < layer_names->count; i++) {
        group *g = &groups[*count];
        char *path = hone__asprintf("%s/%s", root, layer_names->items[i]);
        if (!path) return hone__fail_memory(err, 0, "a path");
        hone_status status = hone__h5_read_names(h5, path, "weight_names", &g->names, err);
        hone__free(path);
        (*count)++; /* from here on its names are released by the caller */
        if (status) return status;
        g->name = layer_names->items[i];
        if (g->names.count == 0) {
            hone__names_release(&g->names);
            (*count)--;
        }
    }
    return HONE_OK;
}

/* Every group goes to the layer of its name; what has no counterpart on either side is left alone. */
static hone_status read_by_name(hone__h5 *h5, const char *root, const hone_model *model, group *groups, size_t count,
                                hone__matching *matching, float *data, hone_error *err) {
    const hone__layer **owners = hone__alloc(model->layer_count, sizeof *owners);
    if (!owners) return hone__fail_memory(err, model->layer_count * sizeof *owners, "layers");
    hone_status status = HONE_OK;
    size_t with_weights = 0;
    for (size_t i = 0; i < model->layer_count; i++) with_weights += model->layers[i]->weight_count > 0;
    for (size_t i = 0; status == HONE_OK && i < count; i++) {
        size_t found = owners_by_name(model, groups[i].name, owners), weights = weights_of(owners, found);
        if (found == 0) continue;
        hone_error why = {0};
        if (weights != groups[i].names.count)
            status =
                hone__fail(&why, HONE_SHAPE, "layer '%.200s': the file holds %zu weights, the architecture has %zu",
                           groups[i].name, groups[i].names.count, weights);
        if (status == HONE_OK) status = list_weights(&groups[i], owners, found, &why);
        if (status == HONE_OK) status = resolve_order(model, &groups[i], &why);
        if (status == HONE_OK) status = read_group(h5, root, model, &groups[i], &matching->kernels, data, &why);
        with_weights -= found;
        if (status == HONE_SHAPE && matching->skip_mismatch) {
            hone__log(HONE_LOG_WARNING, "%s: it keeps its own", why.message);
            matching->skipped += found;
            status = HONE_OK;
        } else if (status == HONE_OK) {
            matching->loaded += found;
        } else {
            hone__fail(err, status, "%s", why.message);
        }
    }
    matching->missing = with_weights;
    hone__free(owners);
    return status;
}

static hone_status read_in_order(hone__h5 *h5, const char *root, const hone_model *model, group *groups, size_t count,
                                 hone__matching *matching, float *data, hone_error *err) {
    HONE_TRY(pair_groups(model, groups, count, err));
    for (size_t i = 0; i < count; i++) {
        hone_error why = {0};
        hone_status status = read_group(h5, root, model, &groups[i], &matching->kernels, data, &why);
        if (status == HONE_SHAPE && matching->skip_mismatch) {
            hone__log(HONE_LOG_WARNING, "%s: it keeps its own", why.message);
            matching->skipped++;
        } else if (status != HONE_OK) {
            HONE_FAIL(err, status, "%s", why.message);
        } else {
            matching->loaded++;
        }
    }
    return HONE_OK;
}

hone_status hone__legacy_read_weights(hone__h5 *h5, const char *root, const hone_model *model, hone__matching *matching,
                                      float *data, hone_error *err) {
    hone__names layer_names = {0};
    group *groups = NULL;
    size_t count = 0;
    hone_status status = hone__kernel_layout_find(h5, root, &matching->kernels, err);
    if (status == HONE_OK) status = hone__h5_read_names(h5, *root ? root : "/", "layer_names", &layer_names, err);
    if (status == HONE_OK) {
        groups = hone__alloc(layer_names.count, sizeof *groups);
        if (!groups) status = hone__fail_memory(err, layer_names.count * sizeof *groups, "layers");
    }
    if (status == HONE_OK) status = list_groups(h5, root, &layer_names, groups, &count, err);
    if (status == HONE_OK)
        status = matching->by_name ? read_by_name(h5, root, model, groups, count, matching, data, err)
                                   : read_in_order(h5, root, model, groups, count, matching, data, err);
    for (size_t i = 0; i < count; i++) {
        hone__names_release(&groups[i].names);
        hone__free(groups[i].weights);
    }
    hone__free(groups);
    hone__names_release(&layer_names);
    return status;
}

hone_status hone__keras_read_weights(hone__h5 *h5, const hone_model *model, float *data, hone_error *err) {
    hone__matching matching = {0};
    return hone__legacy_read_weights(h5, "/model_weights", model, &matching, data, err);
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

static hone_status read_model(hone__h5 *h5, hone_model **out, const hone_load_options *options, hone_compiled *compiled,
                              hone_error *err) {
    *out = NULL;
    HONE_TRY(hone__keras_check_layout(h5, err));
    hone_value *config;
    HONE_TRY(hone__keras_read_config(h5, &config, err));
    hone_model *model = NULL;
    hone_status status = hone_model_from_config(&model, config, err);
    hone_value_free(config);
    if (status == HONE_OK) status = hone__state_image_size(model, options, err);
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

hone_status hone__keras_model_from_bytes(hone_model **out, const void *bytes, size_t size,
                                         const hone_load_options *options, hone_compiled *compiled, hone_error *err) {
    hone__h5 *h5;
    *out = NULL;
    HONE_TRY(hone__h5_open(&h5, bytes, size, err));
    hone_status status = hone__h5_finish(h5, read_model(h5, out, options, compiled, err), err);
    if (status == HONE_OK) return HONE_OK;
    hone_model_free(*out);
    *out = NULL;
    return status;
}
