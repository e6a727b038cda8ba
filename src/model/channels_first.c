/* SPDX-License-Identifier: Apache-2.0
 *
 * What becomes of each layer of a model of channels_first, and the Permutes between those that keep the file's order and
 * those that do not. See channels_first.h for the idea.
 *
 * Axes are counted as Keras does, the batch being 0: of (C, H, W) the channels are 1 and the width 3; of ours, (H, W, C),
 * the channels are 3. */
#include "channels_first.h"
#include "keras1.h"

#include <stdlib.h>
#include <string.h>

enum { PICTURE = 3 }; /* its rank */

/* The file's axis 1, 2, 3 of a picture is this one here; and the dims of a Permute that puts pictures so, and back. */
static const int64_t turned_axis[PICTURE + 1] = {0, 3, 1, 2};
static const int64_t to_channels_last[PICTURE] = {2, 3, 1}, to_channels_first[PICTURE] = {3, 1, 2};

static bool is_one_of(const char *text, const char *const *words) {
    for (; *words; words++)
        if (strcmp(text, *words) == 0) return true;
    return false;
}

static const char *text_at(const hone_value *object, const char *key) {
    const char *text = hone_value_as_string(hone_value_get(object, key));
    return text ? text : "";
}

static const hone_value *layer_list(const hone_value *config) {
    return hone_value_kind_of(config) == HONE_VALUE_LIST ? config : hone_value_get(config, "layers");
}

static bool says_channels_first(const hone_value *config) {
    return strcmp(text_at(config, "data_format"), "channels_first") == 0;
}

static bool layers_say_so(const hone_value *config, int depth) {
    const hone_value *layers = layer_list(config);
    if (hone_value_kind_of(layers) != HONE_VALUE_LIST) return says_channels_first(config);
    for (size_t i = 0; i < hone_value_count(layers) && depth < HONE_MAX_NESTING; i++)
        if (layers_say_so(hone_value_get(hone_value_at(layers, i), "config"), depth + 1)) return true;
    return false;
}

bool hone__says_channels_first(const hone_value *config) {
    return layers_say_so(config, 0);
}

/* ---- what is turned -------------------------------------------------------------------------------------------- */

/* That of an output of a model within is known there. */
static hone__order order_of(const hone__network *network, hone__source source) {
    const hone__application *a = &network->applications[source.application];
    for (const hone__network *within; (within = network->members[a->member].network) != NULL; network = within) {
        source = within->outputs[source.output];
        a = &within->applications[source.application];
    }
    return a->order;
}

hone__order hone__network_input_order(const hone__network *network, size_t index) {
    return order_of(network, network->inputs[index]);
}

void hone__scope_note_order(const hone__scope *scope, hone__order order) {
    scope->network->applications[scope->network->application_count - 1].order = order;
}

/* ---- Permutes between ------------------------------------------------------------------------------------------ */

/* "NAME_SUFFIX", or the next of it that is free. */
static char *free_name(const hone__scope *scope, const char *name, const char *suffix) {
    size_t taken;
    char *out = hone__asprintf("%.*s_%s", HONE_MAX_NAME / 2, name, suffix);
    for (int n = 2; out && hone__network_find(scope->network, out, &taken); n++) {
        hone__free(out);
        out = hone__asprintf("%.*s_%s_%d", HONE_MAX_NAME / 2, name, suffix, n);
    }
    return out;
}

hone_status hone__scope_insert(const hone__scope *scope, const char *class_name, hone_value *config, const char *name,
                               const char *suffix, hone__source *source, hone_error *err) {
    hone__network *network = scope->network;
    hone__layer *layer = NULL;
    hone_shape shape;
    hone__origin origin = scope->origin;
    origin.in_graph = true;
    char *own_name = free_name(scope, name, suffix);
    hone_status status = !own_name || hone_value_failed(config)
                             ? hone__fail_memory(err, 0, "a layer")
                             : hone__layer_create(&layer, class_name, config, own_name, origin, &shape, err);
    hone_value_free(config);
    hone__free(own_name);
    if (!status) status = hone__scope_add_layer(scope, layer, err);
    if (!status) status = hone__network_apply(network, network->member_count - 1, source, 1, false, err);
    if (status) return status;
    *source = (hone__source){.application = network->application_count - 1};
    network->applications[source->application].inserted = true;
    return HONE_OK;
}

static hone_status permute(const hone__scope *scope, bool turn, const char *name, hone__source *source,
                           hone_error *err) {
    hone_value *config = hone_value_object();
    hone_value_set(config, "dims", hone_value_integers(turn ? to_channels_last : to_channels_first, PICTURE));
    HONE_TRY(
        hone__scope_insert(scope, "Permute", config, name, turn ? "channels_last" : "channels_first", source, err));
    hone__scope_note_order(scope, (hone__order){.turned = turn, .rank = PICTURE});
    return HONE_OK;
}

static hone_status want(const hone__scope *scope, bool turned, const char *name, hone__source *source,
                        hone_error *err) {
    if (order_of(scope->network, *source).turned == turned) return HONE_OK;
    return permute(scope, turned, name, source, err);
}

hone_status hone__scope_turn_again(const hone__scope *scope, size_t member, hone__source *sources, size_t count,
                                   hone_error *err) {
    hone__network *network = scope->network;
    size_t first;
    if (!scope->turns || !hone__network_application(network, member, 0, &first)) return HONE_OK;
    for (size_t i = 0; i < count && i < network->applications[first].input_count; i++) {
        bool turned = order_of(network, network->applications[first].inputs[i]).turned;
        HONE_TRY(want(scope, turned, hone__member_name(&network->members[member]), &sources[i], err));
    }
    return HONE_OK;
}

hone_status hone__scope_turn_for_network(const hone__scope *scope, const hone__network *within, hone__source *sources,
                                         size_t count, hone_error *err) {
    if (!scope->turns) return HONE_OK;
    for (size_t i = 0; i < count && i < within->input_count; i++)
        HONE_TRY(want(scope, hone__network_input_order(within, i).turned, within->name, &sources[i], err));
    return HONE_OK;
}

/* ---- layers ---------------------------------------------------------------------------------------------------- */

/* What a layer is given, and what is decided about it. */
typedef struct decision {
    const char *class_name;
    const hone_value *config;
    bool all_pictures; /* its inputs: turned, or of three axes, so that they can be */
    bool any_turned;
    int rank;          /* of the first one; 0: not known */
    bool wants_turned; /* what its inputs become */
    hone_value *made;  /* its config, where it changes */
    hone__order gives;
} decision;

static void keep_turned(decision *d) {
    d->wants_turned = true;
    d->gives = (hone__order){.turned = true, .rank = PICTURE};
}

/* Its inputs in the file's order, as all that is not decided otherwise. */
static void keep_order(decision *d, int rank) {
    d->gives = (hone__order){.rank = rank};
}

/* A copy of the config with one value changed. */
static void set(decision *d, const char *key, hone_value *value) {
    d->made = hone_value_copy(d->config);
    hone_value_set(d->made, key, value);
}

/* The three sizes of a shape with or without the batch, and where they begin; false: it is no picture's. */
static bool picture_sizes(const hone_value *shape, bool with_batch, int64_t sizes[PICTURE], size_t *first) {
    *first = with_batch;
    if (hone_value_kind_of(shape) != HONE_VALUE_LIST || hone_value_count(shape) != PICTURE + *first) return false;
    for (size_t i = 0; i < PICTURE; i++) {
        sizes[i] = 0; /* open */
        hone_value_as_integer(hone_value_at(shape, *first + i), &sizes[i]);
    }
    return true;
}

static bool may_be_channels(int64_t size) {
    return size == 1 || size == 3 || size == 4;
}

/* Pictures come in turned, unless their last axis can but be the channels: then a Permute of the file follows. */
static void decide_input(decision *d) {
    static const char *const keys[] = {"batch_shape", "batch_input_shape", "shape", NULL};
    int64_t sizes[PICTURE];
    for (int i = 0; keys[i]; i++) {
        const hone_value *shape = hone_value_get(d->config, keys[i]);
        size_t first;
        if (hone_value_kind_of(shape) != HONE_VALUE_LIST) continue;
        bool with_batch = strcmp(keys[i], "shape") != 0;
        keep_order(d, (int)hone_value_count(shape) - with_batch);
        if (!picture_sizes(shape, with_batch, sizes, &first)) return;
        if (may_be_channels(sizes[2]) && !may_be_channels(sizes[0])) return;
        hone_value *turned = hone_value_list();
        if (with_batch) hone_value_append(turned, hone_value_copy(hone_value_at(shape, 0)));
        for (size_t k = 0; k < PICTURE; k++)
            hone_value_append(turned, hone_value_copy(hone_value_at(shape, first + (size_t)to_channels_last[k] - 1)));
        set(d, keys[i], turned);
        keep_turned(d);
        return;
    }
}

/* Layers that state their data_format. */
static void decide_data_format(decision *d) {
    size_t length = strlen(d->class_name);
    bool flatten = strcmp(d->class_name, "Flatten") == 0, global = strncmp(d->class_name, "Global", 6) == 0;
    bool keeps_dims = false;
    hone_value_as_boolean(hone_value_get(d->config, "keepdims"), &keeps_dims);
    keep_order(d, flatten || (global && !keeps_dims) ? 1 : d->rank);
    /* steps that come last, and softmax along the width, have no other word: the layer itself refuses them */
    if (!says_channels_first(d->config) || (length > 2 && strcmp(d->class_name + length - 2, "1D") == 0) ||
        strcmp(text_at(d->config, "activation"), "softmax") == 0)
        return;
    if (flatten && !d->any_turned && d->rank == 2) return;
    set(d, "data_format", hone_value_string("channels_last"));
    if (flatten && !d->any_turned && d->rank != PICTURE) return; /* one axis has but one order */
    d->wants_turned = true;
    if (d->gives.rank != 1) keep_turned(d);
}

/* Layers with an axis, where it is the channels; Concatenate with any. */
static void decide_axis(decision *d) {
    const hone_value *axis = hone_value_get(d->config, "axis");
    int64_t number = -1;
    keep_order(d, d->rank);
    if (hone_value_kind_of(axis) == HONE_VALUE_LIST) {
        if (hone_value_count(axis) != 1) return;
        axis = hone_value_at(axis, 0);
    }
    hone_value_as_integer(axis, &number);
    if (number < 0) number += PICTURE + 1;
    if (!d->all_pictures || number < 1 || number > PICTURE) return;
    bool concatenates = strcmp(d->class_name, "Concatenate") == 0;
    if (concatenates ? !d->any_turned : turned_axis[number] != PICTURE) return;
    set(d, "axis", hone_value_integer(turned_axis[number]));
    keep_turned(d);
}

/* One of the file's that puts channels first or last turns nothing here: what comes out is called otherwise. */
static void decide_permute(decision *d) {
    const hone_value *dims = hone_value_get(d->config, "dims");
    int64_t axes[PICTURE], turned[PICTURE];
    bool first = true;
    keep_order(d, (int)hone_value_count(dims));
    if (hone_value_count(dims) != PICTURE) return;
    for (size_t i = 0; i < PICTURE; i++) {
        if (!hone_value_as_integer(hone_value_at(dims, i), &axes[i]) || axes[i] < 1 || axes[i] > PICTURE) return;
        turned[i] = turned_axis[axes[i]];
        first &= axes[i] == to_channels_first[i];
    }
    if (d->any_turned) {
        set(d, "dims", hone_value_integers(turned, PICTURE));
        d->wants_turned = true;
    } else if (first) {
        static const int64_t as_it_is[PICTURE] = {1, 2, 3};
        set(d, "dims", hone_value_integers(as_it_is, PICTURE));
        d->gives.turned = true;
    }
}

/* One row of channels, which squeeze-and-excitation makes of a vector, is the same either way. */
static void decide_reshape(decision *d) {
    const hone_value *target = hone_value_get(d->config, "target_shape");
    int64_t sizes[PICTURE];
    keep_order(d, (int)hone_value_count(target));
    for (size_t i = 0; i < PICTURE; i++)
        if (!hone_value_as_integer(hone_value_at(target, i), &sizes[i])) return;
    if (hone_value_count(target) != PICTURE || sizes[1] != 1 || sizes[2] != 1) return;
    set(d, "target_shape", hone_value_integers((const int64_t[]){1, 1, sizes[0]}, PICTURE));
    d->gives.turned = true;
}

/* Does it to each number by itself? */
static bool is_elementwise(const decision *d) {
    static const char *const classes[] = {"Identity", "ReLU",     "LeakyReLU", "ELU",      "Dropout",
                                          "Add",      "Subtract", "Average",   "Multiply", "StochasticDepth",
                                          "Maximum",  "Minimum",  NULL};
    if (strcmp(d->class_name, "Activation") == 0) {
        const hone_value *activation = hone_value_get(d->config, "activation");
        const char *name = hone_value_as_string(activation);
        return strcmp(name ? name : text_at(hone_value_get(activation, "config"), "name"), "softmax") != 0 &&
               strcmp(text_at(activation, "class_name"), "Softmax") != 0;
    }
    if (strcmp(d->class_name, "Rescaling") == 0)
        return hone_value_kind_of(hone_value_get(d->config, "scale")) != HONE_VALUE_LIST &&
               hone_value_kind_of(hone_value_get(d->config, "offset")) != HONE_VALUE_LIST;
    return is_one_of(d->class_name, classes);
}

static void decide(decision *d) {
    static const char *const with_axis[] = {"BatchNormalization",
                                            "LayerNormalization",
                                            "GroupNormalization",
                                            "Normalization",
                                            "Softmax",
                                            "Concatenate",
                                            NULL};
    if (hone_value_kind_of(hone_value_get(d->config, "data_format")) == HONE_VALUE_STRING) {
        decide_data_format(d);
    } else if (is_one_of(d->class_name, with_axis)) {
        decide_axis(d);
    } else if (strcmp(d->class_name, "Permute") == 0) {
        decide_permute(d);
    } else if (strcmp(d->class_name, "Reshape") == 0) {
        decide_reshape(d);
    } else if (strcmp(d->class_name, "Flatten") == 0) {
        keep_order(d, 1);
    } else if (is_elementwise(d) && d->any_turned && d->all_pictures) {
        keep_turned(d);
    } else {
        keep_order(d, strcmp(d->class_name, "RepeatVector") == 0 ? 2 : d->rank);
    }
}

static hone_status turn_layer(const hone__scope *scope, const hone__layer_type *type, const char *name,
                              hone__source *sources, size_t count, hone__turned_layer *out, hone_error *err) {
    decision d = {.class_name = type->class_name, .config = out->config, .all_pictures = true};
    for (size_t i = 0; i < count; i++) {
        hone__order order = order_of(scope->network, sources[i]);
        if (i == 0) d.rank = order.rank;
        d.any_turned |= order.turned;
        d.all_pictures &= order.turned || order.rank == PICTURE;
    }
    if (type == &hone__type_input_layer) {
        decide_input(&d);
    } else {
        decide(&d);
    }
    out->made = d.made;
    if (d.made) out->config = d.made;
    out->given = d.gives;
    if (d.made && hone_value_failed(d.made)) return hone__fail_memory(err, 0, "the config of a layer");
    for (size_t i = 0; i < count; i++) HONE_TRY(want(scope, d.wants_turned, name, &sources[i], err));
    return HONE_OK;
}

hone_status hone__scope_turn_layer(const hone__scope *scope, const char *class_name, const hone_value *config,
                                   const char *name, hone__source *sources, size_t count, hone__turned_layer *out,
                                   hone_error *err) {
    const hone__layer_type *type = hone__layer_type_find(class_name);
    hone_value *padded = NULL;
    *out = (hone__turned_layer){.config = config};
    if (!type) return HONE_OK; /* making it says so */
    if (scope->turns) HONE_TRY(turn_layer(scope, type, name, sources, count, out, err));
    if (count > 0)
        HONE_TRY(hone__scope_pad_as_theano(scope, type->class_name, out->config, name, sources, &padded, err));
    if (!padded) return HONE_OK;
    hone_value_free(out->made);
    out->config = out->made = padded;
    return HONE_OK;
}
