/* SPDX-License-Identifier: Apache-2.0
 *
 * The order that Keras gives the layers of a model, whatever the order they are stated in: it finds the weights of an HDF5
 * file and the variables of an optimizer by it. A layer comes before another one where it is farther from the outputs,
 * else where a walk from the outputs meets it first. */
#include "layer.h"

#include <stdlib.h>

typedef struct step {
    int64_t depth; /* the longest way to an output; -1: there is none */
    size_t next;   /* input to be walked to */
    bool met;
} step;

typedef struct place {
    size_t member;
    int64_t depth; /* the largest of its applications' */
    int64_t met;   /* as which of all; -1: the walk did not come by */
} place;

typedef struct walker {
    const hone__network *network;
    step *steps;   /* per application */
    place *places; /* per member */
    size_t *stack, *done;
    size_t done_count;
    int64_t met;
} walker;

static void meet(walker *w, size_t application, size_t *top) {
    place *p = &w->places[w->network->applications[application].member];
    if (w->steps[application].met) return;
    w->steps[application].met = true;
    if (p->met < 0) p->met = w->met++;
    w->stack[(*top)++] = application;
}

/* Inputs first: done lists every application behind its inputs. */
static void walk(walker *w) {
    for (size_t i = 0; i < w->network->output_count; i++) {
        size_t top = 0;
        meet(w, w->network->outputs[i].application, &top);
        while (top > 0) {
            size_t here = w->stack[top - 1];
            const hone__application *a = &w->network->applications[here];
            if (w->steps[here].next < a->input_count) {
                meet(w, a->inputs[w->steps[here].next++].application, &top);
            } else {
                w->done[w->done_count++] = here;
                top--;
            }
        }
    }
}

static void find_depths(walker *w, hone__inserted inserted) {
    const hone__network *network = w->network;
    while (w->done_count > 0) {
        step *here = &w->steps[w->done[--w->done_count]];
        const hone__application *a = &network->applications[here - w->steps];
        place *p = &w->places[a->member];
        if (p->depth < 0) p->depth = 0;
        if (p->depth < here->depth) p->depth = here->depth;
        here->depth = p->depth;
        int64_t behind = here->depth + !(a->inserted && inserted == HONE_INSERTED_LEFT_OUT);
        for (size_t k = 0; k < a->input_count; k++) {
            step *source = &w->steps[a->inputs[k].application];
            if (source->depth < behind) source->depth = behind;
        }
    }
    for (size_t i = 0; i < network->input_count; i++) { /* also those that nothing reads */
        place *p = &w->places[network->applications[network->inputs[i].application].member];
        if (p->depth < 0) p->depth = 0;
    }
}

static int compare(const void *a, const void *b) {
    const place *x = a, *y = b;
    if (x->depth != y->depth) return x->depth > y->depth ? -1 : 1;
    if (x->met != y->met) return x->met < y->met ? -1 : 1;
    return (x->member > y->member) - (x->member < y->member);
}

hone_status hone__network_keras_order(const hone__network *network, hone__inserted inserted, size_t *members,
                                      size_t *needed, hone_error *err) {
    const size_t n = network->member_count, applications = network->application_count;
    *needed = n;
    for (size_t i = 0; i < n; i++) members[i] = i;
    if (network->is_sequential) return HONE_OK;
    walker w = {.network = network,
                .steps = hone__alloc(applications, sizeof *w.steps),
                .places = hone__alloc(n, sizeof *w.places),
                .stack = hone__alloc(applications, sizeof *w.stack),
                .done = hone__alloc(applications, sizeof *w.done)};
    bool fine = w.steps && w.places && w.stack && w.done;
    if (fine) {
        for (size_t i = 0; i < applications; i++) w.steps[i] = (step){.depth = -1};
        for (size_t i = 0; i < n; i++) w.places[i] = (place){.member = i, .depth = -1, .met = -1};
        walk(&w);
        find_depths(&w, inserted);
        qsort(w.places, n, sizeof *w.places, compare);
        while (*needed > 0 && w.places[*needed - 1].depth < 0) --*needed;
        for (size_t i = 0; i < n; i++) members[i] = w.places[i].member;
    }
    hone__free(w.steps);
    hone__free(w.places);
    hone__free(w.stack);
    hone__free(w.done);
    return fine ? HONE_OK : hone__fail_memory(err, n * sizeof *w.places, "the order of layers");
}

static hone_status list_layers(const hone__network *network, hone__inserted inserted, size_t *layers, size_t *count,
                               hone_error *err) {
    size_t needed, *members = hone__alloc(network->member_count, sizeof *members);
    if (!members) return hone__fail_memory(err, network->member_count * sizeof *members, "the order of layers");
    hone_status status = hone__network_keras_order(network, inserted, members, &needed, err);
    for (size_t i = 0; status == HONE_OK && i < network->member_count; i++) {
        const hone__member *member = &network->members[members[i]];
        if (member->network) {
            status = list_layers(member->network, inserted, layers, count, err);
        } else {
            layers[(*count)++] = member->layer->index;
        }
    }
    hone__free(members);
    return status;
}

hone_status hone__model_keras_order(const hone_model *model, hone__inserted inserted, size_t *layers, hone_error *err) {
    size_t count = 0;
    return list_layers(&model->network, inserted, layers, &count, err);
}
