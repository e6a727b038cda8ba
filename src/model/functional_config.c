/* SPDX-License-Identifier: Apache-2.0
 *
 * The config of a Functional becomes a network, and back.
 *
 * The file may list its layers in any order, and a layer may be applied several times. So the applications are looked
 * up by name first and brought into topological order by a walk in depth, which meets a circle if there is one; then
 * layers are made in the order in which they are first applied. A file that lists them so keeps its order. */
#include "channels_first.h"
#include "inbound.h"
#include "layer_entry.h"

#include <string.h>

/* A member as the file states it. */
typedef struct statement {
    hone__layer_entry entry;
    const hone_value *value;
    bool is_model, is_input;
    hone__inbound *calls;
    size_t call_count;
    size_t first_call; /* of all calls of the network */
    size_t member;     /* once it is made */
    hone__order order; /* of what it gives out */
    bool made;
} statement;

typedef struct call {
    size_t statement;
    const hone__inbound *inbound;
    size_t *inputs;     /* calls, one per reference */
    bool is_read;       /* by a layer, or it is an end */
    size_t application; /* once it is in the network */
    enum { CALL_NEW, CALL_OPEN, CALL_DONE } state;
} call;

typedef struct draft {
    const hone__scope *scope;
    statement *statements;
    size_t statement_count;
    call *calls;
    size_t call_count;
} draft;

static void release_draft(draft *d) {
    for (size_t i = 0; d->statements && i < d->statement_count; i++) {
        for (size_t k = 0; k < d->statements[i].call_count; k++) hone__inbound_release(&d->statements[i].calls[k]);
        hone__free(d->statements[i].calls);
    }
    for (size_t i = 0; d->calls && i < d->call_count; i++) hone__free(d->calls[i].inputs);
    hone__free(d->statements);
    hone__free(d->calls);
}

/* ---- what the file states -------------------------------------------------------------------------------------- */

static hone_status read_calls(statement *s, hone_error *err) {
    const hone_value *nodes = hone_value_get(s->value, "inbound_nodes");
    size_t count = s->is_input ? 1 : hone_value_count(nodes);
    if (count == 0) {
        HONE_FAIL(err, HONE_FORMAT, "its inbound_nodes are missing: it is applied to nothing");
    }
    s->calls = hone__alloc(count, sizeof *s->calls);
    if (!s->calls) return hone__fail_memory(err, count * sizeof *s->calls, "the links of a model");
    for (; s->call_count < count; s->call_count++) {
        if (s->is_input) continue;
        hone_status status = hone__inbound_read(hone_value_at(nodes, s->call_count), &s->calls[s->call_count], err);
        if (status) {
            hone__inbound_release(&s->calls[s->call_count]);
            return status;
        }
    }
    return HONE_OK;
}

static hone_status read_statements(draft *d, const hone_value *layers, hone_error *err) {
    size_t count = hone_value_count(layers);
    d->statements = hone__alloc(count, sizeof *d->statements);
    if (!d->statements) return hone__fail_memory(err, count * sizeof *d->statements, "the layers of a model");
    for (size_t i = 0; i < count; i++) {
        statement *s = &d->statements[i];
        s->value = hone_value_at(layers, i);
        HONE_TRY(hone__layer_entry_read(s->value, i, &s->entry, err));
        if (!s->entry.name) HONE_FAIL(err, HONE_FORMAT, "layer %zu of the model has no name", i);
        s->is_model = hone__is_model_class(s->entry.class_name);
        s->is_input = strcmp(s->entry.class_name, "InputLayer") == 0;
        s->first_call = d->call_count;
        d->statement_count++;
        hone_status status = read_calls(s, err);
        if (status) return hone__fail_context(err, status, "layer '%.128s'", s->entry.name);
        d->call_count += s->call_count;
    }
    return HONE_OK;
}

/* ---- links ----------------------------------------------------------------------------------------------------- */

static bool find_statement(const draft *d, const char *name, size_t *index) {
    for (size_t i = 0; i < d->statement_count; i++) {
        if (strcmp(d->statements[i].entry.name, name) != 0) continue;
        *index = i;
        return true;
    }
    return false;
}

/* The call that a reference means, or false. A model within counts a node of its own as number 0 where Keras 2 wrote
 * the reference, and Keras 3 does so of a Functional that is an end. */
static bool resolve(const draft *d, const hone__reference *reference, bool is_end, size_t *out) {
    size_t index;
    if (!find_statement(d, reference->layer, &index)) return false;
    const statement *s = &d->statements[index];
    bool functional = s->is_model && strcmp(s->entry.class_name, "Sequential") != 0;
    bool counts_own = s->is_model && ((reference->listed && d->scope->origin.keras == 2) || (is_end && functional));
    int64_t n = reference->node - (counts_own ? 1 : 0);
    if (s->is_input || (n < 0 && reference->node == 0)) n = 0;
    if (n < 0 || (size_t)n >= s->call_count || reference->output < 0) return false;
    *out = s->first_call + (size_t)n;
    return true;
}

static hone_status link_calls(draft *d, hone_error *err) {
    d->calls = hone__alloc(d->call_count, sizeof *d->calls);
    if (!d->calls) return hone__fail_memory(err, d->call_count * sizeof *d->calls, "the links of a model");
    for (size_t i = 0; i < d->statement_count; i++) {
        const statement *s = &d->statements[i];
        for (size_t k = 0; k < s->call_count; k++) {
            call *c = &d->calls[s->first_call + k];
            c->statement = i;
            c->inbound = &s->calls[k];
            c->inputs = hone__alloc(c->inbound->count, sizeof *c->inputs);
            if (!c->inputs) return hone__fail_memory(err, c->inbound->count * sizeof *c->inputs, "a link");
            if (c->inbound->count == 0 && !s->is_input) {
                HONE_FAIL(err, HONE_FORMAT, "layer '%.128s' is applied to no tensor", s->entry.name);
            }
            for (size_t r = 0; r < c->inbound->count; r++) {
                const hone__reference *reference = &c->inbound->references[r];
                if (resolve(d, reference, false, &c->inputs[r])) continue;
                HONE_FAIL(err, HONE_FORMAT, "layer '%.128s' takes its input from '%.128s', which does not exist",
                          s->entry.name, reference->layer);
            }
        }
    }
    return HONE_OK;
}

static hone_status find_read(draft *d, const hone_value *config, hone_error *err) {
    hone__inbound ends;
    size_t index;
    hone_status status = hone__inbound_read_ends(hone_value_get(config, "output_layers"), &ends, err);
    for (size_t i = 0; i < ends.count; i++)
        if (resolve(d, &ends.references[i], true, &index)) d->calls[index].is_read = true;
    hone__inbound_release(&ends);
    for (size_t i = 0; i < d->call_count; i++)
        for (size_t r = 0; r < d->calls[i].inbound->count; r++) d->calls[d->calls[i].inputs[r]].is_read = true;
    return status;
}

/* A call of a model within that nothing reads, beside one that is read: Keras leaves it out too, and hone writes such
 * (inbound.c). */
static bool is_left_out(const draft *d, const call *c) {
    const statement *s = &d->statements[c->statement];
    if (!s->is_model || c->is_read) return false;
    for (size_t k = 0; k < s->call_count; k++)
        if (d->calls[s->first_call + k].is_read) return true;
    return false;
}

/* ---- making ---------------------------------------------------------------------------------------------------- */

static hone_status make_layer(const draft *d, const statement *s, const char *class_name, const hone_value *config,
                              hone_error *err) {
    hone__layer *layer = NULL;
    hone_shape shape;
    hone__origin origin = d->scope->origin;
    origin.in_graph = true;
    HONE_TRY(hone__layer_create(&layer, class_name, config, s->entry.name, origin, &shape, err));
    return hone__scope_add_layer(d->scope, layer, err);
}

static bool keeps_shape(const char *class_name) {
    bool augments = strncmp(class_name, "Random", 6) == 0 && strcmp(class_name, "RandomCrop") != 0;
    return augments || strcmp(class_name, "Rescaling") == 0;
}

/* What Keras 2 does not write beside a reference: the shape of an InputLayer that lies behind the first input. */
static const hone_value *shape_of_input(const draft *d, const statement *s) {
    for (size_t left = d->statement_count; left > 0; left--) {
        size_t index;
        if (s->calls[0].count < 1 || !find_statement(d, s->calls[0].references[0].layer, &index)) return NULL;
        s = &d->statements[index];
        const hone_value *older = hone_value_get(s->entry.config, "batch_input_shape");
        if (s->is_input) return older ? older : hone_value_get(s->entry.config, "batch_shape");
        if (!keeps_shape(s->entry.class_name)) return NULL;
    }
    return NULL;
}

/* Where the layer is an operation in Keras' words: what it is in those of layers. */
static hone_status read_operation(const draft *d, statement *s, hone__operation *out, hone_error *err) {
    s->calls[0].shape = shape_of_input(d, s);
    HONE_TRY(hone__operation_as_layer(s->value, s->entry.name, &s->calls[0], out, err));
    if (!out->layer.class_name) return HONE_OK;
    for (size_t i = 0; i < s->calls[0].count; i++) s->calls[0].references[i].keyword = NULL;
    s->calls[0].argument = NULL;
    if (s->call_count > 1) {
        HONE_FAIL(err, HONE_UNSUPPORTED, "layer '%.128s': an operation is applied twice", s->entry.name);
    }
    if (d->scope->turns && out->before[0][0].class_name) {
        HONE_FAIL(err, HONE_UNSUPPORTED, "layer '%.128s': an operation '%.64s' in a network of channels_first",
                  s->entry.name, s->entry.class_name);
    }
    return HONE_OK;
}

/* Exchanges the sources for the layers that an operation needs before its own; count grows where it takes its input more
 * than once. */
static hone_status insert_before(const draft *d, const char *name, hone__operation *operation, hone__source *sources,
                                 size_t *count, hone_error *err) {
    for (size_t i = *count; i < operation->copies; i++) sources[i] = sources[0];
    if (operation->copies > *count) *count = operation->copies;
    for (size_t i = 0; i < *count; i++) {
        const hone__operation_layer *steps = operation->before[operation->copies ? i : 0];
        for (; steps->class_name; steps++) {
            hone_value *config = hone_value_copy(steps->config);
            if (!config) return hone__fail_memory(err, 0, "a layer");
            HONE_TRY(hone__scope_insert(d->scope, steps->class_name, config, name, "part", &sources[i], err));
        }
    }
    return HONE_OK;
}

/* sources: of the first call, which Permutes may take the place of. */
static hone_status make_member(const draft *d, statement *s, const char *class_name, const hone_value *config,
                               hone__source *sources, size_t count, hone_error *err) {
    hone__network *network = NULL;
    hone__turned_layer layer;
    hone_status status;
    s->made = true;
    if (s->is_model) {
        HONE_TRY(hone__scope_read_network(d->scope, class_name, config, s->entry.name, &network, err));
        s->member = d->scope->network->member_count;
        return hone__network_add(d->scope->network, (hone__member){.network = network}, err);
    }
    status = hone__scope_turn_layer(d->scope, class_name, config, s->entry.name, sources, count, &layer, err);
    s->member = d->scope->network->member_count;
    s->order = layer.given;
    if (!status) status = make_layer(d, s, class_name, layer.config, err);
    hone_value_free(layer.made);
    return status;
}

/* Which of the inputs of a call by keyword is which: their order changes together with the links. */
static hone_status order_inputs(const draft *d, call *c, hone_error *err) {
    hone__inbound *inbound = &d->statements[c->statement].calls[c - d->calls - d->statements[c->statement].first_call];
    hone_status status = hone__inbound_order(inbound, err);
    if (status) return hone__fail_context(err, status, "layer '%.128s'", d->statements[c->statement].entry.name);
    for (size_t r = 0; r < inbound->count; r++) resolve(d, &inbound->references[r], false, &c->inputs[r]);
    return HONE_OK;
}

static hone_status find_sources(const draft *d, const call *c, hone__source *sources, hone_error *err) {
    const hone__network *network = d->scope->network;
    for (size_t i = 0; i < c->inbound->count; i++) {
        const call *from = &d->calls[c->inputs[i]];
        const hone__reference *reference = &c->inbound->references[i];
        sources[i] = (hone__source){.application = from->application, .output = (size_t)reference->output};
        size_t outputs = hone__member_outputs(&network->members[d->statements[from->statement].member]);
        if (sources[i].output < outputs) continue;
        HONE_FAIL(err, HONE_FORMAT, "layer '%.128s' takes output %zu of '%.128s', which has %zu",
                  d->statements[c->statement].entry.name, sources[i].output, reference->layer, outputs);
    }
    return HONE_OK;
}

static hone_status apply(draft *d, call *c, const hone__source *sources, size_t count, hone_error *err) {
    const statement *s = &d->statements[c->statement];
    c->application = d->scope->network->application_count;
    /* Keras 3 writes down what training was when a layer was called, but the call of the outer model overrules it. Keras 2
     * obeys. */
    bool inference = c->inbound->inference && d->scope->origin.keras == 2;
    if (c->inbound->training && d->scope->origin.keras == 2) {
        HONE_FAIL(err, HONE_UNSUPPORTED, "layer '%.128s': it is called with training=True, which is not supported",
                  s->entry.name);
    }
    HONE_TRY(hone__network_apply(d->scope->network, s->member, sources, count, inference, err));
    hone__scope_note_order(d->scope, s->order);
    return HONE_OK;
}

/* All inputs of the call are in the network. */
static hone_status make_call(draft *d, call *c, hone_error *err) {
    statement *s = &d->statements[c->statement];
    const char *class_name = s->entry.class_name;
    const hone_value *config = s->entry.config;
    hone__operation operation = {0};
    hone_status status = HONE_OK;
    if (!s->made && !s->is_model) status = read_operation(d, s, &operation, err);
    if (operation.layer.class_name) {
        class_name = operation.layer.class_name;
        config = operation.layer.config;
    }
    /* a class that nobody knows is refused by its name, whatever it is called with */
    if (!status && (s->is_model || hone__layer_type_find(class_name))) status = order_inputs(d, c, err);
    size_t count = c->inbound->count, room = operation.copies > count ? operation.copies : count;
    hone__source *sources = hone__alloc(room, sizeof *sources);
    if (!status && !sources) status = hone__fail_memory(err, room * sizeof *sources, "a link");
    if (!status) status = find_sources(d, c, sources, err);
    if (!status) status = insert_before(d, s->entry.name, &operation, sources, &count, err);
    if (!status) {
        status = s->made ? hone__scope_turn_again(d->scope, s->member, sources, count, err)
                         : make_member(d, s, class_name, config, sources, count, err);
    }
    if (!status && s->is_model) {
        const hone__network *within = d->scope->network->members[s->member].network;
        status = hone__scope_turn_for_network(d->scope, within, sources, count, err);
    }
    if (!status) status = apply(d, c, sources, count, err);
    hone__free(sources);
    hone__operation_release(&operation);
    return status;
}

/* Walks down from a call to what it needs, and makes what is ready on the way back. stack has room for every call. */
static hone_status visit(draft *d, size_t first, size_t *stack, hone_error *err) {
    size_t depth = 0;
    if (d->calls[first].state == CALL_DONE) return HONE_OK;
    stack[depth++] = first;
    while (depth > 0) {
        call *c = &d->calls[stack[depth - 1]];
        size_t next = 0;
        c->state = CALL_OPEN;
        while (next < c->inbound->count && d->calls[c->inputs[next]].state == CALL_DONE) next++;
        if (next == c->inbound->count) {
            HONE_TRY(make_call(d, c, err));
            c->state = CALL_DONE;
            depth--;
            continue;
        }
        if (d->calls[c->inputs[next]].state == CALL_OPEN) {
            HONE_FAIL(
                err, HONE_FORMAT, "layer '%.128s' needs its own output: the layers form a circle through '%.128s'",
                d->statements[d->calls[c->inputs[next]].statement].entry.name, d->statements[c->statement].entry.name);
        }
        stack[depth++] = c->inputs[next];
    }
    return HONE_OK;
}

static hone_status make_all(draft *d, hone_error *err) {
    size_t *stack = hone__alloc(d->call_count, sizeof *stack);
    if (!stack) return hone__fail_memory(err, d->call_count * sizeof *stack, "the links of a model");
    hone_status status = HONE_OK;
    /* First calls first, so that a layer that is applied again later does not pull what is between before it. */
    for (size_t i = 0; i < d->statement_count && !status; i++) {
        size_t first = d->statements[i].first_call;
        while (is_left_out(d, &d->calls[first])) first++;
        status = visit(d, first, stack, err);
    }
    for (size_t i = 0; i < d->call_count && !status; i++)
        if (!is_left_out(d, &d->calls[i])) status = visit(d, i, stack, err);
    hone__free(stack);
    return status;
}

/* ---- ends ------------------------------------------------------------------------------------------------------ */

static hone_status find_ends(const draft *d, const hone__inbound *ends, const char *key, hone__source *out,
                             hone_error *err) {
    bool inputs = strcmp(key, "input_layers") == 0;
    for (size_t i = 0; i < ends->count; i++) {
        size_t index;
        const hone__reference *reference = &ends->references[i];
        if (!resolve(d, reference, !inputs, &index)) {
            HONE_FAIL(err, HONE_FORMAT, "%s names '%.128s', which does not exist", key, reference->layer);
        }
        const call *c = &d->calls[index];
        const statement *s = &d->statements[c->statement];
        if (inputs && !s->is_input) {
            HONE_FAIL(err, HONE_FORMAT, "%s names '%.128s', which is no InputLayer", key, reference->layer);
        }
        out[i] = (hone__source){.application = c->application, .output = (size_t)reference->output};
        if (out[i].output >= hone__member_outputs(&d->scope->network->members[s->member])) {
            HONE_FAIL(err, HONE_FORMAT, "%s names output %zu of '%.128s', which does not exist", key, out[i].output,
                      reference->layer);
        }
    }
    return HONE_OK;
}

/* Where the file does not say, the inputs are all InputLayers, in the order of the file. */
static hone_status guess_inputs(const draft *d, hone_error *err) {
    hone__source *sources = hone__alloc(d->statement_count, sizeof *sources);
    if (!sources) return hone__fail_memory(err, d->statement_count * sizeof *sources, "the inputs of a model");
    size_t count = 0;
    for (size_t i = 0; i < d->statement_count; i++) {
        const statement *s = &d->statements[i];
        if (s->is_input) sources[count++] = (hone__source){.application = d->calls[s->first_call].application};
    }
    hone_status status = hone__network_set_inputs(d->scope->network, sources, count, err);
    hone__free(sources);
    return status;
}

static hone_status set_ends(const draft *d, const hone_value *config, const char *key, hone_error *err) {
    hone__network *network = d->scope->network;
    hone__inbound ends;
    hone_status status = hone__inbound_read_ends(hone_value_get(config, key), &ends, err);
    bool inputs = strcmp(key, "input_layers") == 0;
    hone__source *sources = NULL;
    if (!status && ends.count == 0) {
        status = inputs ? guess_inputs(d, err)
                        : hone__fail(err, HONE_FORMAT, "model '%.128s' names no %s", network->name, key);
    } else if (!status) {
        sources = hone__alloc(ends.count, sizeof *sources);
        if (!sources) status = hone__fail_memory(err, ends.count * sizeof *sources, "the ends of a model");
        if (!status) status = find_ends(d, &ends, key, sources, err);
        if (!status) {
            status = inputs ? hone__network_set_inputs(network, sources, ends.count, err)
                            : hone__network_set_outputs(network, sources, ends.count, err);
        }
    }
    hone__free(sources);
    hone__inbound_release(&ends);
    return status;
}

/* Every InputLayer must be fed. */
static hone_status check_inputs(const draft *d, hone_error *err) {
    const hone__network *network = d->scope->network;
    if (network->input_count == 0) {
        HONE_FAIL(err, HONE_FORMAT, "model '%.128s' has no InputLayer", network->name);
    }
    for (size_t i = 0; i < d->statement_count; i++) {
        const statement *s = &d->statements[i];
        bool fed = !s->is_input;
        for (size_t k = 0; k < network->input_count; k++) {
            fed |= network->inputs[k].application == d->calls[s->first_call].application;
        }
        if (!fed) {
            HONE_FAIL(err, HONE_FORMAT, "layer '%.128s' is an InputLayer that input_layers leaves out", s->entry.name);
        }
    }
    return HONE_OK;
}

hone_status hone__scope_read_functional(const hone__scope *scope, const hone_value *config, hone_error *err) {
    draft d = {.scope = scope};
    hone_status status = read_statements(&d, hone_value_get(config, "layers"), err);
    if (!status) status = link_calls(&d, err);
    if (!status) status = find_read(&d, config, err);
    if (!status) status = make_all(&d, err);
    if (!status) status = set_ends(&d, config, "input_layers", err);
    if (!status) status = set_ends(&d, config, "output_layers", err);
    if (!status) status = check_inputs(&d, err);
    release_draft(&d);
    return status;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static hone_value *write_member(const hone_model *model, const hone__network *network, size_t index) {
    const hone__member *member = &network->members[index];
    hone_value *config = NULL, *object = hone_value_object();
    if (member->network) {
        config = hone__network_to_config(model, member->network, network->is_sequential);
        hone_value_set_string(object, "class_name", member->network->is_sequential ? "Sequential" : "Functional");
    } else {
        /* Keras 2 states a Sequential's shape twice, on the InputLayer and on the layer behind it. */
        const hone__layer *first = network->members[0].layer;
        bool repeats = network->is_sequential && index == 1 && first && hone__layer_is_input(first);
        hone_shape shape = repeats ? hone__input_layer_shape(first) : (hone_shape){0};
        hone__layer_to_config(member->layer, repeats ? &shape : NULL, &config);
        hone_value_set_string(object, "class_name", member->layer->type->class_name);
    }
    hone_value_set(object, "config", config);
    if (network->is_sequential) return object;
    hone_value_set_string(object, "name", hone__member_name(member));
    hone_value_set(object, "inbound_nodes", hone__inbound_write(model, network, index));
    return object;
}

/* in_sequential: of a list of one reference Keras makes a list of one tensor (since 3.6 or so; before it reads nothing but
 * lists), which the layer behind a model in a Sequential does not expect. */
hone_value *hone__network_to_config(const hone_model *model, const hone__network *network, bool in_sequential) {
    hone_value *config = hone_value_object(), *layers = hone_value_list();
    for (size_t i = 0; i < network->member_count; i++) hone_value_append(layers, write_member(model, network, i));
    hone_value_set_string(config, "name", network->name);
    if (!network->is_sequential) hone_value_set_boolean(config, "trainable", true);
    hone_value_set(config, "layers", layers);
    if (network->is_sequential) return config;
    hone_value_set(
        config, "input_layers",
        hone__inbound_write_ends(model, network, network->inputs, network->input_count, true, in_sequential));
    hone_value_set(
        config, "output_layers",
        hone__inbound_write_ends(model, network, network->outputs, network->output_count, false, in_sequential));
    return config;
}
