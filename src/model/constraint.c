/* SPDX-License-Identifier: Apache-2.0
 *
 * Keras' constraints and activity regularizers, which nearly every layer with weights may be given: read into the layer,
 * written back, and found again when its weights are declared. What they do to weights is train/constrain.c's. */
#include "layer.h"

#include <string.h>

static const struct {
    const char *class_name, *shorthand;
    hone__constraint_kind kind;
} kinds[] = {
    {"MaxNorm", "max_norm", HONE_CONSTRAINT_MAX_NORM},
    {"NonNeg", "non_neg", HONE_CONSTRAINT_NON_NEG},
    {"UnitNorm", "unit_norm", HONE_CONSTRAINT_UNIT_NORM},
    {"MinMaxNorm", "min_max_norm", HONE_CONSTRAINT_MIN_MAX_NORM},
};

enum { KINDS = sizeof kinds / sizeof *kinds };

static void read_axes(hone__config *config, hone__constraint *out) {
    const hone_value *value = hone__config_get(config, "axis");
    out->axis_count = 1;
    if (!value) return;
    out->list = hone_value_kind_of(value) == HONE_VALUE_LIST;
    size_t count = out->list ? hone_value_count(value) : 1;
    bool fine = count >= 1 && count <= HONE_MAX_RANK;
    for (size_t i = 0; i < count && fine; i++) {
        int64_t axis = 0;
        fine = hone_value_as_integer(out->list ? hone_value_at(value, i) : value, &axis) && axis >= -HONE_MAX_RANK &&
               axis < HONE_MAX_RANK;
        out->stated[i] = (int)axis;
    }
    out->axis_count = (int)count;
    if (!fine) hone__config_expected(config, "axis", value, "an axis or a list of them");
}

static void read_arguments(hone__config *config, hone__constraint *out) {
    bool max_norm = out->kind == HONE_CONSTRAINT_MAX_NORM, between = out->kind == HONE_CONSTRAINT_MIN_MAX_NORM;
    out->rate = 1;
    if (max_norm || between) out->high = hone__config_real(config, "max_value", max_norm ? 2 : 1, 0, INFINITY);
    if (between) {
        out->low = hone__config_real(config, "min_value", 0, 0, INFINITY);
        out->rate = hone__config_real(config, "rate", 1, 0, 1);
    }
    if (out->kind != HONE_CONSTRAINT_NON_NEG) read_axes(config, out);
}

void hone__config_constraint(hone__config *config, hone__layer *layer, const char *key) {
    const hone_value *value = hone__config_get(config, key);
    if (!value) return;
    const char *name = hone_value_as_string(value);
    if (!name) name = hone_value_as_string(hone_value_get(value, "class_name"));
    if (!name) {
        hone__config_expected(config, key, value, "the name of a constraint or an object with class_name");
        return;
    }
    size_t kind = 0, place = 0;
    while (kind < KINDS && strcmp(name, kinds[kind].class_name) != 0 && strcmp(name, kinds[kind].shorthand) != 0)
        kind++;
    while (place < HONE_LAYER_CONSTRAINTS && layer->constraints[place].key) place++;
    if (kind == KINDS || place == HONE_LAYER_CONSTRAINTS) {
        hone__config_fail(config, HONE_UNSUPPORTED,
                          "%s '%.64s' is not supported, only MaxNorm, NonNeg, UnitNorm and MinMaxNorm", key, name);
        return;
    }
    hone__constraint read = {.key = key, .kind = kinds[kind].kind};
    hone__config arguments;
    hone__config_init(&arguments, hone_value_get(value, "config"), config->subject, config->from_file, config->keras);
    read_arguments(&arguments, &read);
    hone_error error;
    if (hone__config_finish(&arguments, &error)) hone__config_fail(config, error.status, "%s: %s", key, error.message);
    layer->constraints[place] = read;
}

static void set_axes(hone_value *arguments, const hone__constraint *constraint) {
    if (!constraint->list) {
        hone_value_set_integer(arguments, "axis", constraint->stated[0]);
        return;
    }
    hone_value *axes = hone_value_list();
    for (int i = 0; i < constraint->axis_count; i++) hone_value_append(axes, hone_value_integer(constraint->stated[i]));
    hone_value_set(arguments, "axis", axes);
}

void hone__set_constraint(hone_value *config, const char *key, const hone__layer *layer) {
    const hone__constraint *constraint = NULL;
    for (int i = 0; i < HONE_LAYER_CONSTRAINTS && layer->constraints[i].key; i++)
        if (strcmp(layer->constraints[i].key, key) == 0) constraint = &layer->constraints[i];
    if (!constraint) {
        hone_value_set_null(config, key);
        return;
    }
    hone_value *arguments = hone_value_object(), *object = hone_value_object();
    if (constraint->kind == HONE_CONSTRAINT_MIN_MAX_NORM) hone_value_set_real(arguments, "min_value", constraint->low);
    if (constraint->kind == HONE_CONSTRAINT_MAX_NORM || constraint->kind == HONE_CONSTRAINT_MIN_MAX_NORM)
        hone_value_set_real(arguments, "max_value", constraint->high);
    if (constraint->kind == HONE_CONSTRAINT_MIN_MAX_NORM) hone_value_set_real(arguments, "rate", constraint->rate);
    if (constraint->kind != HONE_CONSTRAINT_NON_NEG) set_axes(arguments, constraint);
    hone_value_set_string(object, "class_name", kinds[constraint->kind - HONE_CONSTRAINT_MAX_NORM].class_name);
    hone_value_set(object, "config", arguments);
    hone_value_set(config, key, object);
}

/* "depthwise_constraint" is for the weight "depthwise_kernel", "kernel_constraint" for "kernel" and "query/kernel". */
hone_status hone__constraint_of(const hone__layer *layer, const char *weight, const hone_shape *shape,
                                hone__constraint *out, hone_error *err) {
    *out = (hone__constraint){0};
    for (int i = 0; i < HONE_LAYER_CONSTRAINTS && layer->constraints[i].key; i++) {
        char stem[32];
        snprintf(stem, sizeof stem, "%.*s", (int)strcspn(layer->constraints[i].key, "_"), layer->constraints[i].key);
        if (strstr(weight, stem)) *out = layer->constraints[i];
    }
    for (int i = 0; i < out->axis_count; i++) {
        int axis = out->stated[i] < 0 ? out->stated[i] + shape->rank : out->stated[i];
        if (axis < 0 || axis >= shape->rank)
            HONE_FAIL(err, HONE_SHAPE, "%s has axis %d, but %s has %d axes", out->key, out->stated[i], weight,
                      shape->rank);
        out->axes |= 1U << axis;
    }
    return HONE_OK;
}

void hone__config_activity_regularizer(hone__config *config, hone__layer *layer) {
    layer->activity = hone__config_regularizer(config, "activity_regularizer");
}

void hone__set_activity_regularizer(hone_value *config, const hone__layer *layer) {
    hone__set_regularizer(config, "activity_regularizer", &layer->activity);
}
