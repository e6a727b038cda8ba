/* SPDX-License-Identifier: Apache-2.0
 *
 * The layers of an imported model in the order that Keras gives them: Keras finds the weights of an HDF5 file by it.
 * A layer comes before another one where it is farther from the outputs, else where a walk from the outputs meets it
 * first. What no output needs is dropped, for Keras does not know of it. */
#include "onnx_import.h"

#include <stdlib.h>
#include <string.h>

typedef struct place {
    size_t layer;  /* its member and its application have the same number */
    int64_t depth; /* the longest way to an output; -1: there is none */
    int64_t met;   /* as which of all */
    size_t next;   /* input to be walked to */
} place;

/* The walk: inputs first. done: the layers, each behind its inputs; returns how many. */
static size_t walk(const hone__network *network, place *places, size_t *stack, size_t *done) {
    size_t count = 0;
    int64_t met = 0;
    for (size_t i = 0; i < network->output_count; i++) {
        size_t top = 0, first = network->outputs[i].application;
        if (places[first].met >= 0) continue;
        places[first].met = met++;
        stack[top++] = first;
        while (top > 0) {
            place *here = &places[stack[top - 1]];
            const hone__application *a = &network->applications[here->layer];
            if (here->next == a->input_count) {
                done[count++] = here->layer;
                top--;
                continue;
            }
            size_t source = a->inputs[here->next++].application;
            if (places[source].met >= 0) continue;
            places[source].met = met++;
            stack[top++] = source;
        }
    }
    return count;
}

static void find_depths(const hone__network *network, place *places, const size_t *done, size_t count) {
    while (count-- > 0) {
        const place *here = &places[done[count]];
        const hone__application *a = &network->applications[here->layer];
        if (here->depth < 0) places[done[count]].depth = 0;
        for (size_t k = 0; k < a->input_count; k++) {
            place *source = &places[a->inputs[k].application];
            if (source->depth < here->depth + 1) source->depth = here->depth + 1;
        }
    }
    for (size_t i = 0; i < network->input_count; i++) /* also those that nothing reads */
        if (places[network->inputs[i].application].depth < 0) places[network->inputs[i].application].depth = 0;
}

static int compare(const void *a, const void *b) {
    const place *x = a, *y = b;
    if (x->depth != y->depth) return x->depth > y->depth ? -1 : 1;
    if (x->met != y->met) return x->met < y->met ? -1 : 1;
    return (x->layer > y->layer) - (x->layer < y->layer);
}

static void move_sources(hone__source *sources, size_t count, const size_t *moved) {
    for (size_t i = 0; i < count; i++) sources[i].application = moved[sources[i].application];
}

/* places: in the new order. */
static void reorder(hone_model *model, const place *places, hone__member *members, hone__application *applications,
                    hone__layer **layers, size_t *moved) {
    hone__network *network = &model->network;
    size_t n = model->layer_count, kept = 0;
    memcpy(members, network->members, n * sizeof *members);
    memcpy(applications, network->applications, n * sizeof *applications);
    memcpy(layers, model->layers, n * sizeof *layers);
    for (size_t i = 0; i < n; i++) {
        moved[places[i].layer] = i;
        kept += places[i].depth >= 0;
    }
    for (size_t i = 0; i < n; i++) {
        network->members[i] = members[places[i].layer];
        network->applications[i] = applications[places[i].layer];
        network->applications[i].member = i;
        move_sources(network->applications[i].inputs, network->applications[i].input_count, moved);
        model->layers[i] = layers[places[i].layer];
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
    place *places = hone__alloc(n, sizeof *places);
    hone__member *members = hone__alloc(n, sizeof *members);
    hone__application *applications = hone__alloc(n, sizeof *applications);
    hone__layer **layers = hone__alloc(n, sizeof(hone__layer *));
    size_t *stack = hone__alloc(n, sizeof *stack), *done = hone__alloc(n, sizeof *done);
    bool fine = places && members && applications && layers && stack && done;
    for (size_t i = 0; fine && i < n; i++) places[i] = (place){.layer = i, .depth = -1, .met = -1};
    if (fine) {
        find_depths(&model->network, places, done, walk(&model->network, places, stack, done));
        qsort(places, n, sizeof *places, compare);
        reorder(model, places, members, applications, layers, done);
    }
    hone__free(places);
    hone__free(members);
    hone__free(applications);
    hone__free(layers);
    hone__free(stack);
    hone__free(done);
    return fine ? HONE_OK : hone__fail_memory(im->err, n * sizeof *places, "the order of layers");
}
