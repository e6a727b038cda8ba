/* SPDX-License-Identifier: Apache-2.0
 *
 * The layers of an imported model in the order that Keras gives them, and without those that no output needs, for Keras
 * does not know of them. */
#include "onnx_import.h"

#include <string.h>

static void move_sources(hone__source *sources, size_t count, const size_t *moved) {
    for (size_t i = 0; i < count; i++) sources[i].application = moved[sources[i].application];
}

/* order: of the layers; a member and its application have the same number. */
static void reorder(hone_model *model, const size_t *order, size_t kept, hone__member *members,
                    hone__application *applications, hone__layer **layers, size_t *moved) {
    hone__network *network = &model->network;
    size_t n = model->layer_count;
    memcpy(members, network->members, n * sizeof *members);
    memcpy(applications, network->applications, n * sizeof *applications);
    memcpy(layers, model->layers, n * sizeof *layers);
    for (size_t i = 0; i < n; i++) moved[order[i]] = i;
    for (size_t i = 0; i < n; i++) {
        network->members[i] = members[order[i]];
        network->applications[i] = applications[order[i]];
        network->applications[i].member = i;
        move_sources(network->applications[i].inputs, network->applications[i].input_count, moved);
        model->layers[i] = layers[order[i]];
        model->layers[i]->index = i;
    }
    move_sources(network->inputs, network->input_count, moved);
    move_sources(network->outputs, network->output_count, moved);
    hone__scope scope = hone__model_scope(model, false);
    hone__scope_rewind(&scope, kept, kept, kept);
}

hone_status hone__onnx_order_layers(hone__onnx_import *im) {
    hone_model *model = im->model;
    const size_t n = model->layer_count;
    size_t *order = hone__alloc(n, sizeof *order), *moved = hone__alloc(n, sizeof *moved), kept;
    hone__member *members = hone__alloc(n, sizeof *members);
    hone__application *applications = hone__alloc(n, sizeof *applications);
    hone__layer **layers = hone__alloc(n, sizeof(hone__layer *));
    hone_status status = order && moved && members && applications && layers
                             ? hone__network_keras_order(&model->network, HONE_INSERTED_COUNTED, order, &kept, im->err)
                             : hone__fail_memory(im->err, n * sizeof *applications, "the order of layers");
    if (status == HONE_OK) reorder(model, order, kept, members, applications, layers, moved);
    hone__free(order);
    hone__free(moved);
    hone__free(members);
    hone__free(applications);
    hone__free(layers);
    return status;
}
