/* SPDX-License-Identifier: Apache-2.0
 *
 * Functional models put together by a program: layers by name, each applied to outputs of layers before it. */
#include "layer.h"

#include <string.h>

hone_status hone_model_create_functional(hone_model **out, const char *name, hone_error *err) {
    return hone__model_create(out, name ? name : "functional", false, err);
}

static hone_status check_open(const hone_model *model, hone_error *err) {
    if (model->built) {
        HONE_FAIL(err, HONE_ARGUMENT, "model '%.128s' is built already, layers are added before", model->network.name);
    }
    if (model->network.is_sequential) {
        HONE_FAIL(err, HONE_ARGUMENT, "model '%.128s' is a Sequential: its layers are added by hone_model_add",
                  model->network.name);
    }
    return HONE_OK;
}

/* "name", "name:application" or "name:application:output". */
static hone_status find_source(const hone__network *network, const char *text, hone__source *out, hone_error *err) {
    size_t member;
    int64_t numbers[2] = {0, 0};
    char *name = hone__strdup(text);
    if (!name) return hone__fail_memory(err, strlen(text) + 1, "the name of a layer");
    bool found = hone__network_find(network, name, &member);
    for (int count = 0; !found && count < 2; count++) {
        char *colon = strrchr(name, ':');
        numbers[1] = numbers[0];
        if (!colon || !hone__parse_integer(colon + 1, &numbers[0]) || numbers[0] < 0) break;
        *colon = '\0';
        found = hone__network_find(network, name, &member);
    }
    hone__free(name);
    if (!found) HONE_FAIL(err, HONE_NOT_FOUND, "model '%.128s' has no layer '%.128s'", network->name, text);
    out->output = (size_t)numbers[1];
    if (!hone__network_application(network, member, (size_t)numbers[0], &out->application) ||
        out->output >= hone__member_outputs(&network->members[member])) {
        HONE_FAIL(err, HONE_NOT_FOUND, "layer '%.128s' has no output '%.128s'",
                  hone__member_name(&network->members[member]), text);
    }
    return HONE_OK;
}

static hone_status find_sources(const hone__network *network, const char *const *names, size_t count,
                                hone__source **out, hone_error *err) {
    *out = hone__alloc(count, sizeof **out);
    if (!*out) return hone__fail_memory(err, count * sizeof **out, "links");
    for (size_t i = 0; i < count; i++) {
        hone_status status = find_source(network, names[i], &(*out)[i], err);
        if (!status) continue;
        hone__free(*out);
        *out = NULL;
        return status;
    }
    return HONE_OK;
}

/* An InputLayer becomes the last of the inputs, and what is applied last the output. */
static hone_status extend_ends(hone__network *network, size_t member, hone_error *err) {
    hone__source here = {.application = network->application_count - 1};
    const hone__layer *layer = network->members[member].layer;
    if (!layer || !hone__layer_is_input(layer)) return hone__network_set_outputs(network, &here, 1, err);
    hone__source *inputs = hone__alloc(network->input_count + 1, sizeof *inputs);
    if (!inputs) return hone__fail_memory(err, (network->input_count + 1) * sizeof *inputs, "links");
    for (size_t i = 0; i < network->input_count; i++) inputs[i] = network->inputs[i];
    inputs[network->input_count] = here;
    hone_status status = hone__network_set_inputs(network, inputs, network->input_count + 1, err);
    hone__free(inputs);
    return status ? status : hone__network_set_outputs(network, &here, 1, err);
}

static hone_status apply(hone__network *network, size_t member, const char *const *inputs, size_t count,
                         hone_error *err) {
    hone__source *sources;
    const hone__layer *layer = network->members[member].layer;
    bool is_input = layer && hone__layer_is_input(layer);
    if (is_input != (count == 0)) {
        HONE_FAIL(err, HONE_ARGUMENT, "layer '%.128s' is applied to %zu inputs, expected %s",
                  hone__member_name(&network->members[member]), count, is_input ? "none" : "at least one");
    }
    HONE_TRY(find_sources(network, inputs, count, &sources, err));
    hone_status status = hone__network_apply(network, member, sources, count, false, err);
    hone__free(sources);
    return status ? status : extend_ends(network, member, err);
}

static hone_status add_member(const hone__scope *scope, const char *class_name, const hone_value *config,
                              hone_error *err) {
    char *automatic = hone__scope_name(scope, class_name);
    if (!automatic) return hone__fail_memory(err, strlen(class_name) + 1, "the name of a layer");
    hone_status status;
    if (hone__is_model_class(class_name)) {
        const char *stated = hone_value_as_string(hone_value_get(config, "name"));
        hone__network *network;
        status = hone__scope_read_network(scope, class_name, config, stated ? stated : automatic, &network, err);
        if (!status) status = hone__network_add(scope->network, (hone__member){.network = network}, err);
    } else {
        hone__layer *layer;
        hone_shape shape;
        hone__origin origin = scope->origin;
        origin.in_graph = true;
        status = hone__layer_create(&layer, class_name, config, automatic, origin, &shape, err);
        if (!status) status = hone__scope_add_layer(scope, layer, err);
    }
    hone__free(automatic);
    return status;
}

hone_status hone_model_apply(hone_model *model, const char *class_name, const hone_value *config,
                             const char *const *inputs, size_t count, hone_error *err) {
    HONE_TRY(check_open(model, err));
    hone__network *network = &model->network;
    hone__scope scope = hone__model_scope(model, false);
    size_t layers = model->layer_count, members = network->member_count, applications = network->application_count;
    hone_status status = add_member(&scope, class_name, config, err);
    if (!status) status = apply(network, members, inputs, count, err);
    if (status) hone__scope_rewind(&scope, layers, members, applications);
    return status;
}

hone_status hone_model_apply_again(hone_model *model, const char *layer, const char *const *inputs, size_t count,
                                   hone_error *err) {
    HONE_TRY(check_open(model, err));
    size_t member;
    if (!hone__network_find(&model->network, layer, &member)) {
        HONE_FAIL(err, HONE_NOT_FOUND, "model '%.128s' has no layer '%.128s'", model->network.name, layer);
    }
    return apply(&model->network, member, inputs, count, err);
}

hone_status hone_model_set_outputs(hone_model *model, const char *const *names, size_t count, hone_error *err) {
    HONE_TRY(check_open(model, err));
    if (count == 0) HONE_FAIL(err, HONE_ARGUMENT, "model '%.128s' needs an output", model->network.name);
    hone__source *sources;
    HONE_TRY(find_sources(&model->network, names, count, &sources, err));
    hone_status status = hone__network_set_outputs(&model->network, sources, count, err);
    hone__free(sources);
    return status;
}
