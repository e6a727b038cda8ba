/* SPDX-License-Identifier: Apache-2.0
 *
 * Optimizers as descriptions: Keras' names, defaults, ranges and configs. The arithmetic is in updater.c and the
 * kernels.
 *
 * One idea: a table says which of Keras' arguments an optimizer has and where they are kept, and everything (defaults
 * aside) walks that table. */
#include "train_internal.h"

#include <math.h>
#include <string.h>

typedef enum argument_kind {
    ARGUMENT_BOOLEAN,
    ARGUMENT_REAL,     /* 0 or more */
    ARGUMENT_FRACTION, /* 0 to 1 */
    ARGUMENT_DECAY,    /* 0 to below 1: a running average that moves */
    ARGUMENT_OPTIONAL  /* 0 or more; at 0 Keras has null, and configs leave it out */
} argument_kind;

typedef struct argument {
    const char *name;
    argument_kind kind;
    size_t offset; /* into hone_optimizer */
} argument;

#define ARGUMENT(field, kind)                                                                                          \
    { #field, ARGUMENT_##kind, offsetof(hone_optimizer, field) }
#define COMMON                                                                                                         \
    ARGUMENT(weight_decay, OPTIONAL), ARGUMENT(clipnorm, OPTIONAL), ARGUMENT(global_clipnorm, OPTIONAL),               \
        ARGUMENT(clipvalue, OPTIONAL)

static const argument sgd_arguments[] = {
    ARGUMENT(learning_rate, REAL), ARGUMENT(momentum, FRACTION), ARGUMENT(nesterov, BOOLEAN), COMMON, {0}};
static const argument rmsprop_arguments[] = {ARGUMENT(learning_rate, REAL),
                                             ARGUMENT(rho, FRACTION),
                                             ARGUMENT(momentum, FRACTION),
                                             ARGUMENT(epsilon, REAL),
                                             ARGUMENT(centered, BOOLEAN),
                                             COMMON,
                                             {0}};
static const argument adam_arguments[] = {ARGUMENT(learning_rate, REAL),
                                          ARGUMENT(beta_1, DECAY),
                                          ARGUMENT(beta_2, DECAY),
                                          ARGUMENT(epsilon, REAL),
                                          ARGUMENT(amsgrad, BOOLEAN),
                                          COMMON,
                                          {0}};
static const argument lion_arguments[] = {
    ARGUMENT(learning_rate, REAL), ARGUMENT(beta_1, DECAY), ARGUMENT(beta_2, DECAY), COMMON, {0}};

typedef struct optimizer_type {
    const char *class_name, *name;
    const argument *arguments;
    hone_optimizer defaults;
} optimizer_type;

static const optimizer_type types[] = {
    [HONE_OPTIMIZER_SGD] = {"SGD", "sgd", sgd_arguments, {.kind = HONE_OPTIMIZER_SGD, .learning_rate = 0.01}},
    [HONE_OPTIMIZER_RMSPROP] = {"RMSprop",
                                "rmsprop",
                                rmsprop_arguments,
                                {.kind = HONE_OPTIMIZER_RMSPROP, .learning_rate = 0.001, .rho = 0.9, .epsilon = 1e-7}},
    [HONE_OPTIMIZER_ADAM] =
        {"Adam",
         "adam",
         adam_arguments,
         {.kind = HONE_OPTIMIZER_ADAM, .learning_rate = 0.001, .beta_1 = 0.9, .beta_2 = 0.999, .epsilon = 1e-7}},
    [HONE_OPTIMIZER_ADAMW] = {"AdamW",
                              "adamw",
                              adam_arguments,
                              {.kind = HONE_OPTIMIZER_ADAMW,
                               .learning_rate = 0.001,
                               .beta_1 = 0.9,
                               .beta_2 = 0.999,
                               .epsilon = 1e-7,
                               .weight_decay = 0.004}},
    [HONE_OPTIMIZER_LION] = {"Lion",
                             "lion",
                             lion_arguments,
                             {.kind = HONE_OPTIMIZER_LION, .learning_rate = 0.001, .beta_1 = 0.9, .beta_2 = 0.99}},
};
enum { TYPE_COUNT = sizeof types / sizeof types[0] };

hone_optimizer hone_optimizer_default(hone_optimizer_kind kind) {
    return types[(size_t)kind < TYPE_COUNT ? kind : HONE_OPTIMIZER_ADAM].defaults;
}

const char *hone_optimizer_name(hone_optimizer_kind kind) {
    return (size_t)kind < TYPE_COUNT ? types[kind].class_name : "unknown";
}

static bool same_letters(const char *a, const char *b) {
    for (; *a && *b; a++, b++) {
        int x = *a >= 'A' && *a <= 'Z' ? *a + 32 : *a, y = *b >= 'A' && *b <= 'Z' ? *b + 32 : *b;
        if (x != y) return false;
    }
    return *a == *b;
}

hone_status hone_optimizer_parse(hone_optimizer *out, const char *name, hone_error *err) {
    /* "Custom>Adam" is what Keras 2.11 … 2.15 write for their own Adam. */
    const char *arrow = name ? strrchr(name, '>') : NULL;
    const char *bare = arrow ? arrow + 1 : name ? name : "";
    for (size_t i = 0; i < TYPE_COUNT; i++) {
        if (!same_letters(bare, types[i].name)) continue;
        *out = types[i].defaults;
        return HONE_OK;
    }
    HONE_FAIL(err, HONE_NOT_FOUND, "unknown optimizer '%s': known are SGD, RMSprop, Adam, AdamW, Lion",
              name ? name : "");
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

static double get_real(const hone_optimizer *o, const argument *a) {
    return *(const double *)(const void *)((const char *)o + a->offset);
}

static void set_real(hone_optimizer *o, const argument *a, double value) {
    *(double *)(void *)((char *)o + a->offset) = value;
}

static bool get_boolean(const hone_optimizer *o, const argument *a) {
    return *(const bool *)(const void *)((const char *)o + a->offset);
}

static void set_boolean(hone_optimizer *o, const argument *a, bool value) {
    *(bool *)(void *)((char *)o + a->offset) = value;
}

hone_status hone__optimizer_check(const hone_optimizer *o, hone_error *err) {
    if ((size_t)o->kind >= TYPE_COUNT) HONE_FAIL(err, HONE_ARGUMENT, "optimizer kind %d does not exist", (int)o->kind);
    const optimizer_type *type = &types[o->kind];
    for (const argument *a = type->arguments; a->name; a++) {
        if (a->kind == ARGUMENT_BOOLEAN) continue;
        double value = get_real(o, a);
        bool fits = isfinite(value) && value >= 0;
        const char *expected = "a number of 0 or more";
        if (a->kind == ARGUMENT_FRACTION) {
            fits = fits && value <= 1;
            expected = "a number from 0 to 1";
        } else if (a->kind == ARGUMENT_DECAY) {
            fits = fits && value < 1;
            expected = "a number from 0 to below 1";
        }
        if (!fits)
            HONE_FAIL(err, HONE_ARGUMENT, "optimizer '%s': %s is %g, expected %s", type->class_name, a->name, value,
                      expected);
    }
    int clips = (o->clipvalue > 0) + (o->clipnorm > 0) + (o->global_clipnorm > 0);
    if (clips > 1)
        HONE_FAIL(err, HONE_ARGUMENT,
                  "optimizer '%s': only one of clipnorm, global_clipnorm and clipvalue can be set, as in Keras",
                  type->class_name);
    return HONE_OK;
}

/* ---- Keras' configs -------------------------------------------------------------------------------------------- */

hone_status hone_optimizer_to_config(const hone_optimizer *optimizer, hone_value **out, hone_error *err) {
    *out = NULL;
    HONE_TRY(hone__optimizer_check(optimizer, err));
    const optimizer_type *type = &types[optimizer->kind];
    hone_value *config = hone_value_object();
    hone_value_set_string(config, "name", type->class_name);
    for (const argument *a = type->arguments; a->name; a++) {
        if (a->kind == ARGUMENT_BOOLEAN) {
            hone_value_set_boolean(config, a->name, get_boolean(optimizer, a));
            continue;
        }
        /* What is off by default is left out at 0: only keys that every version knows are written then. AdamW's weight
         * decay is not off by default and must be said. */
        bool said = a->kind != ARGUMENT_OPTIONAL || get_real(optimizer, a) > 0 ||
                    (optimizer->kind == HONE_OPTIMIZER_ADAMW && strcmp(a->name, "weight_decay") == 0);
        if (said) hone_value_set_real(config, a->name, get_real(optimizer, a));
    }
    hone_value *value = hone_value_object();
    hone_value_set_string(value, "class_name", type->class_name);
    hone_value_set(value, "config", config);
    if (hone_value_failed(value)) {
        hone_value_free(value);
        return hone__fail_memory(err, sizeof(void *), "an optimizer's config");
    }
    *out = value;
    return HONE_OK;
}

static bool is_known(const optimizer_type *type, const char *key) {
    /* Keras' arguments of every optimizer that change nothing here at their defaults. */
    static const char *const quiet[] = {"name",
                                        "lr",
                                        "decay",
                                        "use_ema",
                                        "ema_momentum",
                                        "ema_overwrite_frequency",
                                        "jit_compile",
                                        "is_legacy_optimizer",
                                        "loss_scale_factor",
                                        "gradient_accumulation_steps"};
    for (size_t i = 0; i < sizeof quiet / sizeof quiet[0]; i++)
        if (strcmp(key, quiet[i]) == 0) return true;
    for (const argument *a = type->arguments; a->name; a++)
        if (strcmp(key, a->name) == 0) return true;
    return false;
}

static void warn_of_ignored(const optimizer_type *type, const hone_value *config) {
    for (size_t i = 0; i < hone_value_count(config); i++)
        if (!is_known(type, hone_value_key_at(config, i)))
            hone__log(HONE_LOG_WARNING, "optimizer '%s': '%s' is not known and is ignored", type->class_name,
                      hone_value_key_at(config, i));
    bool ema = false;
    double decay = 0, steps = 0;
    if (hone_value_as_boolean(hone_value_get(config, "use_ema"), &ema) && ema)
        hone__log(HONE_LOG_WARNING, "optimizer '%s': use_ema is ignored", type->class_name);
    if (hone_value_as_real(hone_value_get(config, "decay"), &decay) && decay != 0)
        hone__log(HONE_LOG_WARNING, "optimizer '%s': decay %g is ignored", type->class_name, decay);
    if (hone_value_as_real(hone_value_get(config, "gradient_accumulation_steps"), &steps) && steps > 1)
        hone__log(HONE_LOG_WARNING, "optimizer '%s': gradient_accumulation_steps %g is ignored", type->class_name,
                  steps);
}

/* A number, or a serialised LearningRateSchedule: then its rate at the start, with a warning. */
static hone_status read_learning_rate(const optimizer_type *type, const hone_value *config, hone_optimizer *o,
                                      hone_error *err) {
    const hone_value *rate = hone_value_get(config, "learning_rate");
    if (!rate) rate = hone_value_get(config, "lr");
    if (!rate || hone_value_as_real(rate, &o->learning_rate)) return HONE_OK;
    const char *schedule = hone_value_as_string(hone_value_get(rate, "class_name"));
    const hone_value *initial = hone_value_get(hone_value_get(rate, "config"), "initial_learning_rate");
    if (!schedule || !hone_value_as_real(initial, &o->learning_rate))
        HONE_FAIL(err, HONE_FORMAT, "optimizer '%s': learning_rate is not a number", type->class_name);
    hone__log(HONE_LOG_WARNING, "optimizer '%s': schedule '%s' is ignored, the rate stays at its first value %g",
              type->class_name, schedule, o->learning_rate);
    return HONE_OK;
}

hone_status hone_optimizer_from_config(hone_optimizer *out, const hone_value *config, hone_error *err) {
    hone_optimizer o;
    const char *class_name = hone_value_as_string(config);
    if (class_name) {
        HONE_TRY(hone_optimizer_parse(&o, class_name, err));
        *out = o;
        return HONE_OK;
    }
    class_name = hone_value_as_string(hone_value_get(config, "class_name"));
    if (!class_name) HONE_FAIL(err, HONE_FORMAT, "an optimizer's config has no class_name");
    HONE_TRY(hone_optimizer_parse(&o, class_name, err));
    const optimizer_type *type = &types[o.kind];
    config = hone_value_get(config, "config");
    if (hone_value_count(config) > 0 && hone_value_kind_of(config) != HONE_VALUE_OBJECT)
        HONE_FAIL(err, HONE_FORMAT, "the config of optimizer '%s' is no object", type->class_name);
    warn_of_ignored(type, config);
    HONE_TRY(read_learning_rate(type, config, &o, err));
    for (const argument *a = type->arguments; a->name; a++) {
        if (a->offset == offsetof(hone_optimizer, learning_rate)) continue;
        const hone_value *value = hone_value_get(config, a->name);
        if (!value) continue;
        bool yes = false;
        double number = 0; /* what null means: off */
        if (a->kind == ARGUMENT_BOOLEAN) {
            if (!hone_value_as_boolean(value, &yes))
                HONE_FAIL(err, HONE_FORMAT, "optimizer '%s': %s is not true or false", type->class_name, a->name);
            set_boolean(&o, a, yes);
            continue;
        }
        bool is_null = a->kind == ARGUMENT_OPTIONAL && hone_value_kind_of(value) == HONE_VALUE_NULL;
        if (!is_null && !hone_value_as_real(value, &number))
            HONE_FAIL(err, HONE_FORMAT, "optimizer '%s': %s is not a number", type->class_name, a->name);
        set_real(&o, a, number);
    }
    HONE_TRY(hone__optimizer_check(&o, err));
    *out = o;
    return HONE_OK;
}
