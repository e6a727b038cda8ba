/* SPDX-License-Identifier: Apache-2.0
 *
 * Writes whole models in the dialect that tf-keras (and Keras since 2.4) and Keras 3 both load: string dtypes, an
 * explicit InputLayer, no key newer than the oldest reader. The architecture's side of that dialect is
 * hone_model_to_config's. */
#include "format_internal.h"

#include <stdlib.h>
#include <string.h>

/* What the file claims to be written by: tf-keras' last version before Keras 3, whose conventions these are. Readers
 * look at the first digit. */
static const char keras_version[] = "2.15.0";
static const char backend[] = "tensorflow";

hone_status hone__h5_write_json(hone__h5 *h5, const char *path, const char *name, const hone_value *value,
                                hone_error *err) {
    char *text;
    HONE_TRY(hone_json_print(&text, value, 0, true, err));
    hone_status status = hone__h5_write_string(h5, path, name, text, err);
    hone_json_free(text);
    return status;
}

static hone_status write_root(hone__h5 *h5, const hone_model *model, const hone_compiled *compiled, hone_error *err) {
    HONE_TRY(hone__h5_write_string(h5, "/", "keras_version", keras_version, err));
    HONE_TRY(hone__h5_write_string(h5, "/", "backend", backend, err));
    hone_value *config;
    HONE_TRY(hone_model_to_config(model, &config, err));
    hone_status status = hone__h5_write_json(h5, "/", "model_config", config, err);
    hone_value_free(config);
    if (status != HONE_OK || !compiled) return status;
    hone_shape output = hone_model_output_shape(model);
    HONE_TRY(hone__compiled_to_config(compiled, hone_shape_size(&output), &config, err));
    status = hone__h5_write_json(h5, "/", "training_config", config, err);
    hone_value_free(config);
    return status;
}

/* Its weights that are trained, or the others: datasets in the group at path, their names added to names. */
static hone_status write_layer(hone__h5 *h5, const char *path, const hone_model *model, const hone__layer *layer,
                               const char *layer_name, bool trained, hone__names *names, hone_error *err) {
    hone_status status = HONE_OK;
    for (size_t i = layer->first_weight; status == HONE_OK && i < layer->first_weight + layer->weight_count; i++) {
        const hone__weight *w = &model->weights[i];
        if (hone__weight_trainable(model, i) != trained) continue;
        char *name = hone__asprintf("%s/%s:0", layer_name, w->name);
        char *dataset = name ? hone__asprintf("%s/%s", path, name) : NULL;
        if (!dataset) status = hone__fail_memory(err, 0, "a path");
        if (status == HONE_OK) status = hone__names_add(names, name, strlen(name), err);
        if (status == HONE_OK) status = hone__h5_write_floats(h5, dataset, &w->shape, model->data + w->offset, err);
        hone__free(dataset);
        hone__free(name);
    }
    return status;
}

/* One member's group: of a layer, or of all layers of a model within. Trainable weights first, then the others, as
 * Keras lists them; named by the layer's path in the group. order: Keras', of all layers. */
static hone_status write_member(hone__h5 *h5, const char *root, const hone_model *model, const size_t *order,
                                const hone__member *member, hone_error *err) {
    hone__names names = {0};
    hone_status status = HONE_OK;
    const char *member_name = hone__member_name(member);
    size_t length = strlen(member_name);
    char *path = hone__asprintf("%s/%s", root, member_name);
    if (!path) status = hone__fail_memory(err, 0, "a path");
    if (status == HONE_OK) status = hone__h5_write_group(h5, path, err);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t i = 0; status == HONE_OK && i < model->layer_count; i++) {
            const hone__layer *layer = model->layers[order[i]];
            bool within = member->network && strncmp(layer->name, member_name, length) == 0 &&
                          layer->name[length] == '/' && layer->own_name > layer->name + length;
            if (layer != member->layer && !within) continue;
            const char *name = within ? layer->name + length + 1 : layer->name;
            status = write_layer(h5, path, model, layer, name, pass == 0, &names, err);
        }
    }
    if (status == HONE_OK)
        status = hone__h5_write_names(h5, path, "weight_names", (const char *const *)names.items, names.count, err);
    hone__names_release(&names);
    hone__free(path);
    return status;
}

static int by_name(const void *a, const void *b) {
    const hone__member *const *x = a, *const *y = b;
    return strcmp(hone__member_name(*x), hone__member_name(*y));
}

/* members: those that layer_names lists, in Keras' order; sorted here, as Keras makes the groups. */
static hone_status write_members(hone__h5 *h5, const char *root, const hone_model *model, const size_t *order,
                                 const hone__member **members, size_t count, hone_error *err) {
    const char **names = hone__alloc(count, sizeof *names);
    if (!names) return hone__fail_memory(err, count * sizeof *names, "names");
    for (size_t i = 0; i < count; i++) names[i] = hone__member_name(members[i]);
    hone_status status = hone__h5_write_names(h5, *root ? root : "/", "layer_names", names, count, err);
    hone__free(names);
    qsort(members, count, sizeof *members, by_name);
    for (size_t i = 0; status == HONE_OK && i < count; i++)
        status = write_member(h5, root, model, order, members[i], err);
    return status;
}

static hone_status write_in_keras_order(hone__h5 *h5, const char *root, const hone_model *model, hone_error *err) {
    const hone__network *network = &model->network;
    const hone__member **members = hone__alloc(network->member_count, sizeof *members);
    size_t *places = hone__alloc(network->member_count, sizeof *places), needed, count = 0;
    size_t *layers = hone__alloc(model->layer_count, sizeof *layers);
    hone_status status = members && places && layers
                             ? hone__network_keras_order(network, HONE_INSERTED_COUNTED, places, &needed, err)
                             : hone__fail_memory(err, network->member_count * sizeof *members, "layers");
    if (status == HONE_OK) status = hone__model_keras_order(model, HONE_INSERTED_COUNTED, layers, err);
    for (size_t i = 0; status == HONE_OK && i < network->member_count; i++) {
        const hone__member *member = &network->members[places[i]];
        /* a Sequential leaves its InputLayer out */
        if (network->is_sequential && member->layer && strcmp(member->layer->type->class_name, "InputLayer") == 0)
            continue;
        members[count++] = member;
    }
    if (status == HONE_OK) status = write_members(h5, root, model, layers, members, count, err);
    hone__free(members);
    hone__free(places);
    hone__free(layers);
    return status;
}

hone_status hone__legacy_write_weights(hone__h5 *h5, const char *root, const hone_model *model, hone_error *err) {
    const char *group = *root ? root : "/";
    HONE_TRY(hone__h5_write_string(h5, group, "keras_version", keras_version, err));
    HONE_TRY(hone__h5_write_string(h5, group, "backend", backend, err));
    HONE_TRY(write_in_keras_order(h5, root, model, err));
    char *top = hone__asprintf("%s/top_level_model_weights", root);
    if (!top) return hone__fail_memory(err, 0, "a path");
    hone_status status = hone__h5_write_group(h5, top, err);
    if (status == HONE_OK) status = hone__h5_write_names(h5, top, "weight_names", NULL, 0, err);
    hone__free(top);
    return status;
}

hone_status hone__keras_write_model(hone__h5 *h5, const hone_model *model, const hone_compiled *compiled,
                                    hone_error *err) {
    if (!model->built)
        HONE_FAIL(err, HONE_ARGUMENT, "model '%s' is not built: it has no weights to save", model->network.name);
    HONE_TRY(write_root(h5, model, compiled, err));
    HONE_TRY(hone__h5_write_group(h5, "/model_weights", err));
    return hone__legacy_write_weights(h5, "/model_weights", model, err);
}
