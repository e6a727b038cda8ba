/* SPDX-License-Identifier: Apache-2.0
 *
 * Networks: put together, looked through, and unfolded into a model's flat list of nodes. */
#include "layer.h"

#include <string.h>

/* ---- life ------------------------------------------------------------------------------------------------------ */

hone_status hone__network_init(hone__network *network, const char *name, bool is_sequential, hone_error *err) {
    *network = (hone__network){.is_sequential = is_sequential, .name = hone__strdup(name)};
    return network->name ? HONE_OK : hone__fail_memory(err, strlen(name) + 1, "the name of a model");
}

void hone__network_truncate(hone__network *network, size_t members, size_t applications) {
    while (network->member_count > members) {
        hone__network *within = network->members[--network->member_count].network;
        if (within) hone__network_release(within);
        hone__free(within);
    }
    while (network->application_count > applications) {
        hone__free(network->applications[--network->application_count].inputs);
    }
}

void hone__network_release(hone__network *network) {
    hone__network_truncate(network, 0, 0);
    hone__free(network->members);
    hone__free(network->applications);
    hone__free(network->inputs);
    hone__free(network->outputs);
    hone__free(network->name);
    *network = (hone__network){0};
}

/* ---- looking through ------------------------------------------------------------------------------------------- */

const char *hone__member_name(const hone__member *member) {
    return member->layer ? member->layer->own_name : member->network->name;
}

size_t hone__member_outputs(const hone__member *member) {
    return member->layer ? 1 : member->network->output_count;
}

bool hone__network_find(const hone__network *network, const char *name, size_t *member) {
    for (size_t i = 0; i < network->member_count; i++) {
        if (strcmp(hone__member_name(&network->members[i]), name) != 0) continue;
        *member = i;
        return true;
    }
    return false;
}

bool hone__network_application(const hone__network *network, size_t member, size_t n, size_t *application) {
    for (size_t i = 0; i < network->application_count; i++) {
        if (network->applications[i].member != member || n-- > 0) continue;
        *application = i;
        return true;
    }
    return false;
}

size_t hone__network_ordinal(const hone__network *network, size_t application) {
    size_t n = 0, member = network->applications[application].member;
    for (size_t i = 0; i < application; i++) n += network->applications[i].member == member;
    return n;
}

hone_shape hone__network_input_shape(const hone__network *network, size_t index) {
    const hone__member *member = &network->members[network->applications[network->inputs[index].application].member];
    return hone__input_layer_shape(member->layer);
}

/* ---- putting together ------------------------------------------------------------------------------------------ */

hone_status hone__network_add(hone__network *network, hone__member member, hone_error *err) {
    size_t other;
    hone_status status = HONE_OK;
    if (hone__network_find(network, hone__member_name(&member), &other)) {
        status = hone__fail(err, HONE_ARGUMENT, "the name '%.128s' is used by two layers, names must be unique",
                            hone__member_name(&member));
    }
    if (!status) {
        status = hone__grow((void **)&network->members, &network->member_capacity, network->member_count + 1,
                            sizeof *network->members, err);
    }
    if (status) {
        if (member.network) hone__network_release(member.network);
        hone__free(member.network);
        return status;
    }
    network->members[network->member_count++] = member;
    return HONE_OK;
}

static hone_status copy_sources(hone__source **out, const hone__source *sources, size_t count, hone_error *err) {
    *out = hone__alloc(count, sizeof **out);
    if (!*out) return hone__fail_memory(err, count * sizeof **out, "the links of a model");
    for (size_t i = 0; i < count; i++) (*out)[i] = sources[i];
    return HONE_OK;
}

hone_status hone__network_apply(hone__network *network, size_t member, const hone__source *inputs, size_t input_count,
                                bool inference, hone_error *err) {
    HONE_TRY(hone__grow((void **)&network->applications, &network->application_capacity, network->application_count + 1,
                        sizeof *network->applications, err));
    hone__application *application = &network->applications[network->application_count];
    *application = (hone__application){.member = member, .inference = inference, .input_count = input_count};
    HONE_TRY(copy_sources(&application->inputs, inputs, input_count, err));
    network->application_count++;
    return HONE_OK;
}

hone_status hone__network_set_inputs(hone__network *network, const hone__source *inputs, size_t count,
                                     hone_error *err) {
    hone__source *copy;
    HONE_TRY(copy_sources(&copy, inputs, count, err));
    hone__free(network->inputs);
    network->inputs = copy;
    network->input_count = count;
    return HONE_OK;
}

hone_status hone__network_set_outputs(hone__network *network, const hone__source *outputs, size_t count,
                                      hone_error *err) {
    hone__source *copy;
    HONE_TRY(copy_sources(&copy, outputs, count, err));
    hone__free(network->outputs);
    network->outputs = copy;
    network->output_count = count;
    return HONE_OK;
}

/* ---- unfolding ------------------------------------------------------------------------------------------------- */

static hone_status add_node(hone_model *model, size_t layer, const size_t *inputs, size_t input_count, bool inference,
                            hone_error *err) {
    if (model->node_count >= HONE_MAX_NODES) {
        HONE_FAIL(err, HONE_LIMIT, "model '%.128s' has more than %d layer applications once its models are unfolded",
                  model->network.name, HONE_MAX_NODES);
    }
    HONE_TRY(
        hone__grow((void **)&model->nodes, &model->node_capacity, model->node_count + 1, sizeof *model->nodes, err));
    hone__node *node = &model->nodes[model->node_count];
    *node = (hone__node){.layer = layer, .input_count = input_count, .inference = inference};
    node->inputs = hone__alloc(input_count, sizeof *node->inputs);
    if (!node->inputs) return hone__fail_memory(err, input_count * sizeof *node->inputs, "a node");
    for (size_t i = 0; i < input_count; i++) node->inputs[i] = inputs[i];
    model->node_count++;
    return HONE_OK;
}

/* Nodes by (application, output) of one network on one occasion. */
typedef struct results {
    size_t *first; /* of each application, into nodes */
    size_t *nodes;
} results;

static hone_status init_results(results *r, const hone__network *network, hone_error *err) {
    size_t total = 0;
    r->first = hone__alloc(network->application_count, sizeof *r->first);
    r->nodes = NULL;
    for (size_t i = 0; r->first && i < network->application_count; i++) {
        r->first[i] = total;
        total += hone__member_outputs(&network->members[network->applications[i].member]);
    }
    if (r->first) r->nodes = hone__alloc(total, sizeof *r->nodes);
    return r->nodes ? HONE_OK : hone__fail_memory(err, total * sizeof *r->nodes, "the nodes of a model");
}

static void release_results(results *r) {
    hone__free(r->first);
    hone__free(r->nodes);
}

static void look_up(const results *r, const hone__source *sources, size_t count, size_t *nodes) {
    for (size_t i = 0; i < count; i++) nodes[i] = r->nodes[r->first[sources[i].application] + sources[i].output];
}

static hone_status unfold(hone_model *model, const hone__network *network, const size_t *inputs, size_t input_count,
                          bool inference, results *r, hone_error *err);

/* A network as a member: its outputs' nodes go to outputs. */
static hone_status unfold_within(hone_model *model, const hone__network *network, const size_t *inputs,
                                 size_t input_count, bool inference, size_t *outputs, hone_error *err) {
    if (input_count != network->input_count) {
        HONE_FAIL(err, HONE_SHAPE, "model '%.128s' has %zu inputs and is given %zu", network->name,
                  network->input_count, input_count);
    }
    results r;
    hone_status status = init_results(&r, network, err);
    if (!status) status = unfold(model, network, inputs, input_count, inference, &r, err);
    if (!status) look_up(&r, network->outputs, network->output_count, outputs);
    release_results(&r);
    return status;
}

/* One application: inputs are nodes. An InputLayer of a network within stands for what that network is given. */
static hone_status unfold_application(hone_model *model, const hone__network *network, size_t index,
                                      const size_t *given, size_t given_count, bool inference, const size_t *inputs,
                                      size_t *outputs, hone_error *err) {
    const hone__application *a = &network->applications[index];
    const hone__member *member = &network->members[a->member];
    inference = inference || a->inference;
    if (member->network) {
        return unfold_within(model, member->network, inputs, a->input_count, inference, outputs, err);
    }
    *outputs = model->node_count;
    if (a->input_count == 0) {
        for (size_t i = 0; i < given_count; i++) {
            if (network->inputs[i].application == index) {
                return add_node(model, member->layer->index, &given[i], 1, inference, err);
            }
        }
    }
    return add_node(model, member->layer->index, inputs, a->input_count, inference, err);
}

static hone_status unfold(hone_model *model, const hone__network *network, const size_t *given, size_t given_count,
                          bool inference, results *r, hone_error *err) {
    for (size_t i = 0; i < network->application_count; i++) {
        const hone__application *a = &network->applications[i];
        size_t *inputs = hone__alloc(a->input_count, sizeof *inputs);
        if (!inputs) return hone__fail_memory(err, a->input_count * sizeof *inputs, "a node");
        look_up(r, a->inputs, a->input_count, inputs);
        hone_status status =
            unfold_application(model, network, i, given, given_count, inference, inputs, r->nodes + r->first[i], err);
        hone__free(inputs);
        if (status) return status;
    }
    return HONE_OK;
}

hone_status hone__network_unfold(hone_model *model, hone_error *err) {
    const hone__network *network = &model->network;
    model->inputs = hone__alloc(network->input_count, sizeof *model->inputs);
    model->outputs = hone__alloc(network->output_count, sizeof *model->outputs);
    if (!model->inputs || !model->outputs) return hone__fail_memory(err, 0, "the ends of a model");
    results r;
    hone_status status = init_results(&r, network, err);
    if (!status) status = unfold(model, network, NULL, 0, false, &r, err);
    if (!status) {
        look_up(&r, network->inputs, network->input_count, model->inputs);
        look_up(&r, network->outputs, network->output_count, model->outputs);
        model->input_count = network->input_count;
        model->output_count = network->output_count;
    }
    release_results(&r);
    return status;
}
