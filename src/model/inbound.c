/* SPDX-License-Identifier: Apache-2.0
 *
 * "inbound_nodes" read and written.
 *
 * Keras 2 lists [layer, node, output, {keyword arguments}] and counts the node that a model made of itself: the first
 * call of a model within is its node 1. Keras 3 writes call arguments as they were, tensors as objects of class
 * "__keras_tensor__", and counts from 0; but it reads the lists as well, so that is what we write where it can say it
 * all: everything but a layer of several positional inputs (attention).
 *
 * For both to find the calls of a model within, each is written twice in a row: of two calls of the same on the same,
 * the one that Keras 2 counts as number 2 k + 1 is the first, Keras 3's is the second. Nothing reads the other, so either
 * family, and hone, leaves it out of the graph. */
#include "inbound.h"

#include <string.h>

enum { MAX_ARGUMENT_DEPTH = 8 };

/* ---- reading --------------------------------------------------------------------------------------------------- */

void hone__inbound_release(hone__inbound *inbound) {
    hone__free(inbound->references);
    *inbound = (hone__inbound){0};
}

static hone_status add(hone__inbound *out, hone__reference reference, hone_error *err) {
    if (!reference.layer) HONE_FAIL(err, HONE_FORMAT, "an input names no layer");
    HONE_TRY(hone__grow((void **)&out->references, &out->capacity, out->count + 1, sizeof *out->references, err));
    out->references[out->count++] = reference;
    return HONE_OK;
}

static int64_t integer_at(const hone_value *list, size_t index) {
    int64_t integer = 0;
    hone_value_as_integer(hone_value_at(list, index), &integer);
    return integer;
}

/* ["name", 0, 0, …] */
static bool is_listed(const hone_value *value) {
    return hone_value_kind_of(value) == HONE_VALUE_LIST && hone_value_as_string(hone_value_at(value, 0)) &&
           hone_value_count(value) >= 3;
}

static hone__reference listed(const hone_value *value, const char *keyword) {
    return (hone__reference){.layer = hone_value_as_string(hone_value_at(value, 0)),
                             .node = integer_at(value, 1),
                             .output = integer_at(value, 2),
                             .keyword = keyword,
                             .listed = true};
}

static bool is_number(const hone_value *value) {
    hone_value_kind kind = hone_value_kind_of(value);
    return kind == HONE_VALUE_INTEGER || kind == HONE_VALUE_REAL;
}

/* null, false, or lists of them: an argument that asks for nothing. */
static bool says_nothing(const hone_value *value, int depth) {
    bool yes = false;
    switch (hone_value_kind_of(value)) {
    case HONE_VALUE_NULL: return true;
    case HONE_VALUE_BOOLEAN: return hone_value_as_boolean(value, &yes) && !yes;
    case HONE_VALUE_LIST: break;
    default: return false;
    }
    for (size_t i = 0; i < hone_value_count(value); i++) {
        if (depth >= MAX_ARGUMENT_DEPTH || !says_nothing(hone_value_at(value, i), depth + 1)) return false;
    }
    return true;
}

/* Numbers, however deep: [[[[1, 2, 3]]]] */
static bool is_numbers(const hone_value *value, int depth) {
    if (hone_value_kind_of(value) != HONE_VALUE_LIST) return is_number(value);
    for (size_t i = 0; i < hone_value_count(value); i++)
        if (depth >= MAX_ARGUMENT_DEPTH || !is_numbers(hone_value_at(value, i), depth + 1)) return false;
    return true;
}

/* What TensorFlow calls the tensors of an operation. */
static bool is_operand(const char *key) {
    return strcmp(key, "x") == 0 || strcmp(key, "y") == 0 || strcmp(key, "bias") == 0;
}

static void take_literal(hone__inbound *out, const hone_value *value) {
    out->literal = value;
    out->literal_first = out->count == 0;
}

static void refuse_later(hone__inbound *out, const hone_value *value, const char *keyword) {
    if (out->argument && out->argument != out->literal) return; /* numbers an operation may take */
    out->argument = value;
    out->argument_name = keyword;
}

/* An argument of Keras 3: a tensor, a number, or a list of either. */
static hone_status read_argument(const hone_value *value, const char *keyword, int depth, hone__inbound *out,
                                 hone_error *err) {
    const char *class_name = hone_value_as_string(hone_value_get(value, "class_name"));
    if (class_name && strcmp(class_name, "__keras_tensor__") == 0) {
        const hone_value *history = hone_value_get(hone_value_get(value, "config"), "keras_history");
        hone__reference reference = listed(history, keyword);
        reference.listed = false;
        return add(out, reference, err);
    }
    if (class_name && strcmp(class_name, "__tensor__") == 0) { /* a constant */
        const hone_value *numbers = hone_value_get(hone_value_get(value, "config"), "value");
        if (is_numbers(numbers, 0)) {
            take_literal(out, numbers);
        } else {
            refuse_later(out, value, keyword);
        }
        return HONE_OK;
    }
    if (is_number(value)) {
        take_literal(out, value);
        return HONE_OK;
    }
    if (says_nothing(value, 0)) return HONE_OK;
    if (hone_value_kind_of(value) != HONE_VALUE_LIST || depth >= MAX_ARGUMENT_DEPTH) {
        refuse_later(out, value, keyword);
        return HONE_OK;
    }
    for (size_t i = 0; i < hone_value_count(value); i++) {
        HONE_TRY(read_argument(hone_value_at(value, i), keyword, depth + 1, out, err));
    }
    return HONE_OK;
}

static hone_status read_keywords(const hone_value *arguments, hone__inbound *out, hone_error *err) {
    if (hone_value_count(arguments) > 0 && hone_value_kind_of(arguments) != HONE_VALUE_OBJECT)
        HONE_FAIL(err, HONE_FORMAT, "its keyword arguments are no object");
    for (size_t i = 0; i < hone_value_count(arguments); i++) {
        const char *key = hone_value_key_at(arguments, i);
        const hone_value *value = hone_value_at(arguments, i);
        bool training = false;
        if (strcmp(key, "name") == 0) continue; /* of a TFOpLambda */
        const char *word = hone_value_as_string(value);
        if (strcmp(key, "data_format") == 0 && word && strcmp(word, "NHWC") == 0) continue; /* also there */
        if (strcmp(key, "training") == 0 && hone_value_as_boolean(value, &training)) {
            out->training = training;
            out->inference = !training;
        } else if (is_listed(value)) {
            HONE_TRY(add(out, listed(value, key), err));
        } else if (is_number(value)) {
            take_literal(out, value);
        } else if (hone_value_get(value, "class_name")) {
            HONE_TRY(read_argument(value, key, 0, out, err));
        } else if (!says_nothing(value, 0)) {
            if (is_operand(key) && is_numbers(value, 0)) take_literal(out, value);
            refuse_later(out, value, key);
        }
    }
    return HONE_OK;
}

/* An input as Keras 2 lists it; a number where an operation has one. */
static hone_status read_listed(const hone_value *value, hone__inbound *out, hone_error *err) {
    static const char constant[] = "_CONSTANT_VALUE";
    if (!is_listed(value)) HONE_FAIL(err, HONE_FORMAT, "an input is no list [layer, node, output]");
    hone__reference reference = listed(value, NULL);
    if (strcmp(reference.layer, constant) != 0) {
        HONE_TRY(add(out, reference, err));
    } else if (is_numbers(hone_value_at(value, 2), 0)) {
        take_literal(out, hone_value_at(value, 2));
    } else {
        HONE_FAIL(err, HONE_UNSUPPORTED, "it is called with a constant that is no number");
    }
    return read_keywords(hone_value_at(value, 3), out, err);
}

hone_status hone__inbound_read(const hone_value *node, hone__inbound *out, hone_error *err) {
    *out = (hone__inbound){.node = node};
    if (hone_value_kind_of(node) == HONE_VALUE_OBJECT) {
        const hone_value *arguments = hone_value_get(node, "args");
        for (size_t i = 0; i < hone_value_count(arguments); i++) {
            HONE_TRY(read_argument(hone_value_at(arguments, i), NULL, 0, out, err));
        }
        return read_keywords(hone_value_get(node, "kwargs"), out, err);
    }
    if (is_listed(node)) return read_listed(node, out, err);
    for (size_t i = 0; i < hone_value_count(node); i++) HONE_TRY(read_listed(hone_value_at(node, i), out, err));
    return HONE_OK;
}

hone_status hone__inbound_read_ends(const hone_value *ends, hone__inbound *out, hone_error *err) {
    *out = (hone__inbound){0};
    if (is_listed(ends)) return add(out, listed(ends, NULL), err);
    for (size_t i = 0; i < hone_value_count(ends); i++) {
        const hone_value *end = hone_value_at(ends, i);
        if (!is_listed(end)) HONE_FAIL(err, HONE_FORMAT, "an end of the model is no list [layer, node, output]");
        HONE_TRY(add(out, listed(end, NULL), err));
    }
    return HONE_OK;
}

/* ---- the order of arguments ------------------------------------------------------------------------------------ */

/* By position, of the calls whose inputs may be given by keyword. */
static const char *const keywords[] = {"query", "value", "key"};

enum { KEYWORDS = sizeof keywords / sizeof *keywords };

hone_status hone__inbound_order(hone__inbound *inbound, hone_error *err) {
    hone__reference ordered[KEYWORDS] = {0};
    size_t positional = 0, places = 0;
    if (inbound->argument && inbound->argument_name)
        HONE_FAIL(err, HONE_UNSUPPORTED, "it is called with '%.64s', which is not supported", inbound->argument_name);
    if (inbound->argument) HONE_FAIL(err, HONE_UNSUPPORTED, "it is called with an argument that is no tensor");
    for (; positional < inbound->count && !inbound->references[positional].keyword; positional++) {
        if (positional < KEYWORDS) ordered[positional] = inbound->references[positional];
    }
    if (positional == inbound->count) return HONE_OK;
    places = positional;
    for (size_t i = positional; i < inbound->count; i++) {
        const char *keyword = inbound->references[i].keyword;
        size_t place = 0;
        if (keyword && strcmp(keyword, "inputs") != 0) {
            while (place < KEYWORDS && strcmp(keyword, keywords[place]) != 0) place++;
        }
        if (!keyword || place == KEYWORDS || positional > KEYWORDS || ordered[place].layer) {
            HONE_FAIL(err, HONE_UNSUPPORTED, "its argument '%.64s' comes from another layer, which is not supported",
                      keyword ? keyword : "");
        }
        ordered[place] = inbound->references[i];
        if (place >= places) places = place + 1;
    }
    for (size_t i = 0; i < places; i++) {
        if (!ordered[i].layer) HONE_FAIL(err, HONE_FORMAT, "its argument '%s' is missing", keywords[i]);
        inbound->references[i] = ordered[i];
    }
    inbound->count = places;
    return HONE_OK;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static const hone__member *member_of(const hone__network *network, hone__source source) {
    return &network->members[network->applications[source.application].member];
}

/* The number that both families give to the node: see the top. Keras 3 counts a Functional's own node where it is an
 * end; the other of the two calls then, so that it is the same one that layers read. */
static int64_t node_number(const hone_model *model, const hone__network *network, hone__source source, bool is_end) {
    const hone__member *member = member_of(network, source);
    int64_t ordinal = (int64_t)hone__network_ordinal(network, source.application);
    if (!member->network) return ordinal;
    return 2 * ordinal + 1 + (is_end && model->keras == 3 && !member->network->is_sequential);
}

/* ["name", 0, 0] */
static hone_value *write_listed(const hone_model *model, const hone__network *network, hone__source source,
                                bool is_end) {
    hone_value *list = hone_value_list();
    hone_value_append(list, hone_value_string(hone__member_name(member_of(network, source))));
    hone_value_append(list, hone_value_integer(node_number(model, network, source, is_end)));
    hone_value_append(list, hone_value_integer((int64_t)source.output));
    return list;
}

static hone_value *write_tensor(const hone_model *model, const hone__network *network, hone__source source) {
    hone_value *object = hone_value_object(), *config = hone_value_object(), *shape = hone_value_list();
    const hone__member *member = member_of(network, source);
    hone_value_append(shape, hone_value_null());
    for (int i = 0; member->layer && i < member->layer->output.rank; i++) {
        hone_value_append(shape, hone_value_integer(member->layer->output.dims[i]));
    }
    hone_value_set(config, "shape", shape);
    hone_value_set_string(config, "dtype", "float32");
    hone_value_set(config, "keras_history", write_listed(model, network, source, false));
    hone_value_set_string(object, "class_name", "__keras_tensor__");
    hone_value_set(object, "config", config);
    return object;
}

/* What a call is given beside its first input. */
static hone_value *write_keywords(const hone_model *model, const hone__network *network, const hone__application *a,
                                  bool positional) {
    hone_value *arguments = hone_value_object();
    for (size_t i = 1; positional && i < a->input_count && i < KEYWORDS; i++) {
        hone_value_set(arguments, keywords[i], write_listed(model, network, a->inputs[i], false));
    }
    if (a->inference) hone_value_set_boolean(arguments, "training", false);
    return arguments;
}

static hone_value *write_application(const hone_model *model, const hone__network *network,
                                     const hone__application *a) {
    const hone__layer *layer = network->members[a->member].layer;
    bool positional = layer && layer->type->positional_inputs;
    if (positional && (model->keras == 3 || layer->type->is_operation)) {
        hone_value *node = hone_value_object(), *arguments = hone_value_list();
        for (size_t i = 0; i < a->input_count; i++) {
            hone_value_append(arguments, write_tensor(model, network, a->inputs[i]));
        }
        hone_value_set(node, "args", arguments);
        hone_value_set(node, "kwargs", write_keywords(model, network, a, false));
        return node;
    }
    hone_value *node = hone_value_list();
    for (size_t i = 0; i < (positional ? 1 : a->input_count); i++) {
        hone_value *reference = write_listed(model, network, a->inputs[i], false);
        hone_value_append(reference, write_keywords(model, network, a, positional));
        hone_value_append(node, reference);
    }
    return node;
}

hone_value *hone__inbound_write(const hone_model *model, const hone__network *network, size_t member) {
    hone_value *nodes = hone_value_list();
    for (size_t i = 0; i < network->application_count; i++) {
        const hone__application *a = &network->applications[i];
        if (a->member != member || a->input_count == 0) continue;
        for (int k = 0; k < (network->members[member].network ? 2 : 1); k++)
            hone_value_append(nodes, write_application(model, network, a));
    }
    return nodes;
}

hone_value *hone__inbound_write_ends(const hone_model *model, const hone__network *network, const hone__source *sources,
                                     size_t count, bool inputs, bool alone) {
    if (count == 1 && alone) return write_listed(model, network, sources[0], !inputs);
    hone_value *list = hone_value_list();
    for (size_t i = 0; i < count; i++) {
        hone_value_append(list, write_listed(model, network, sources[i], !inputs));
    }
    return list;
}
