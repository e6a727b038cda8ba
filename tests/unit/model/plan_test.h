/* SPDX-License-Identifier: Apache-2.0
 *
 * What tests of plans share: networks from a few lines of text, numbers, and a loss that can be checked.
 *
 * A network is lines of "Class key=value …", the first of which is the input's shape: "28,28,1 | Conv2D filters=4
 * kernel_size=3 | Flatten | Dense units=3". Values: 3, 0.5, true, none, (1,2), ((1,2),(0,1)), word.
 *
 * Where an @ occurs the network is Functional: "@NAME …" behind a layer are its inputs ("Add @a @b"), without any it takes
 * the one before it; "=NAME @x" applies a layer again. The input is called input_layer. */
#ifndef HONE_PLAN_TEST_H
#define HONE_PLAN_TEST_H

#include "plan_internal.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- networks -------------------------------------------------------------------------------------------------- */

static inline hone_value *pt_parse_value(const char **text) {
    if (**text == '(') {
        hone_value *list = hone_value_list();
        while (**text == '(' || **text == ',') {
            ++*text;
            hone_value_append(list, pt_parse_value(text));
        }
        assert_int_equal(**text, ')');
        ++*text;
        return list;
    }
    char word[64];
    size_t length = strcspn(*text, " ,)|");
    assert_true(length < sizeof word);
    memcpy(word, *text, length);
    word[length] = 0;
    *text += length;
    int64_t integer;
    double real;
    if (strcmp(word, "true") == 0 || strcmp(word, "false") == 0) return hone_value_boolean(*word == 't');
    if (strcmp(word, "none") == 0) return hone_value_null();
    if (hone__parse_integer(word, &integer)) return hone_value_integer(integer);
    if (hone__parse_double(word, &real)) return hone_value_real(real);
    return hone_value_string(word);
}

/* The layer, or the one that "=NAME" names, applied to inputs, or to what was applied last. */
static inline hone_status pt_apply(hone_model *model, const char *class_name, const hone_value *config,
                                   char (*names)[64], size_t count, hone_error *err) {
    const char *inputs[16];
    char last[96];
    const hone__network *network = &model->network;
    size_t newest = network->application_count - 1;
    for (size_t i = 0; i < count; i++) inputs[i] = names[i];
    if (count == 0) {
        snprintf(last, sizeof last, "%s:%zu",
                 hone__member_name(&network->members[network->applications[newest].member]),
                 hone__network_ordinal(network, newest));
        inputs[count++] = last;
    }
    if (class_name[0] == '=') return hone_model_apply_again(model, class_name + 1, inputs, count, err);
    return hone_model_apply(model, class_name, config, inputs, count, err);
}

static inline void pt_add_layer(hone_model *model, const char **text) {
    char class_name[64], key[64], inputs[16][64];
    size_t input_count = 0;
    *text += strspn(*text, " ");
    size_t length = strcspn(*text, " |");
    assert_true(length < sizeof class_name);
    memcpy(class_name, *text, length);
    class_name[length] = 0;
    *text += length;
    hone_value *config = hone_value_object();
    for (;;) {
        *text += strspn(*text, " ");
        if (**text == '@') {
            length = strcspn(++*text, " |");
            assert_true(length < sizeof inputs[0] && input_count < 16);
            memcpy(inputs[input_count], *text, length);
            inputs[input_count++][length] = 0;
            *text += length;
            continue;
        }
        length = strcspn(*text, "=|");
        if ((*text)[length] != '=') break;
        assert_true(length < sizeof key);
        memcpy(key, *text, length);
        key[length] = 0;
        *text += length + 1;
        hone_value_set(config, key, pt_parse_value(text));
    }
    hone_error err = {0};
    hone_status status = model->network.is_sequential ? hone_model_add(model, class_name, config, &err)
                                                      : pt_apply(model, class_name, config, inputs, input_count, &err);
    if (status != HONE_OK) fail_msg("%s: %s", class_name, err.message);
    hone_value_free(config);
}

/* A built model from its lines, or NULL with words in err where its shapes do not fit. Weights are hone's initial ones
 * and a little noise, so that biases and statistics are not all zero. */
static inline hone_model *pt_try_model(const char *text, hone_error *err) {
    hone_model *model;
    bool functional = strchr(text, '@') != NULL;
    assert_int_equal((functional ? hone_model_create_functional : hone_model_create)(&model, NULL, err), HONE_OK);
    hone_shape shape = {0};
    for (;; text++) {
        char *end;
        shape.dims[shape.rank++] = strtol(text, &end, 10);
        text = end;
        if (*text != ',') break;
    }
    hone_value *input = hone_value_object();
    hone_value_set(input, "shape", hone_value_integers(shape.dims, (size_t)shape.rank));
    assert_int_equal(functional ? hone_model_apply(model, "InputLayer", input, NULL, 0, err)
                                : hone_model_add(model, "InputLayer", input, err),
                     HONE_OK);
    hone_value_free(input);
    while (*(text += strspn(text, " ")) == '|') {
        text++;
        pt_add_layer(model, &text);
    }
    assert_int_equal(*text, 0);
    if (hone_model_build(model, 7, err) != HONE_OK) {
        hone_model_free(model);
        return NULL;
    }
    hone__rng rng;
    hone__rng_init(&rng, 11, HONE_STREAM_TEST, 0);
    for (size_t w = 0; w < model->weight_count; w++)
        for (size_t i = 0; i < model->weights[w].size; i++)
            model->data[model->weights[w].offset + i] += (float)hone__rng_range(&rng, 0, 0.3);
    return model;
}

static inline hone_model *pt_model(const char *text) {
    hone_error err = {0};
    hone_model *model = pt_try_model(text, &err);
    if (!model) fail_msg("%s: %s", text, err.message);
    return model;
}

/* A plan on kernels, NULL: the best ones. Creation is checked here. */
static inline hone_plan *pt_plan(hone_model *model, const hone_plan_config *config, const hone_kernels *kernels) {
    hone_plan *plan;
    hone_error err = {0};
    if (hone__plan_create_on(&plan, model, config, kernels ? kernels : hone__kernels(), &err) != HONE_OK)
        fail_msg("plan: %s", err.message);
    return plan;
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */

/* count floats in [-1, 1), the same for the same seed; free with hone__free. */
static inline float *pt_numbers(size_t count, uint64_t seed) {
    float *x = hone__alloc(count, sizeof *x);
    assert_non_null(x);
    hone__rng rng;
    hone__rng_init(&rng, seed, HONE_STREAM_TEST, 1);
    for (size_t i = 0; i < count; i++) x[i] = (float)hone__rng_range(&rng, -1, 1);
    return x;
}

static inline size_t pt_input_size(const hone_model *model) {
    hone_shape shape = hone_model_input_shape(model);
    return (size_t)hone_shape_size(&shape);
}

/* ---- a loss ---------------------------------------------------------------------------------------------------- */

/* sum over samples and outputs of a y + y^2 / 4, with a fixed pseudo-random for each of them. Keeps the outputs. */
typedef struct pt_loss {
    size_t outputs, samples;
    float *y;      /* (samples, outputs) */
    float *factor; /* (samples, outputs) */
} pt_loss;

static inline pt_loss pt_loss_init(const hone_plan *plan, size_t samples) {
    size_t outputs = hone__plan_outputs(plan);
    return (pt_loss){.outputs = outputs,
                     .samples = samples,
                     .y = pt_numbers(samples * outputs, 3),
                     .factor = pt_numbers(samples * outputs, 4)};
}

static inline void pt_loss_release(pt_loss *loss) {
    hone__free(loss->y);
    hone__free(loss->factor);
}

static inline void pt_loss_function(void *context, int worker, size_t shard, size_t first, size_t count,
                                    const float *outputs, float *d_outputs) {
    (void)worker;
    (void)shard;
    pt_loss *loss = context;
    for (size_t i = 0, k = first * loss->outputs; i < count * loss->outputs; i++, k++) {
        loss->y[k] = outputs[i];
        d_outputs[i] = loss->factor[k] + outputs[i] / 2;
    }
}

static inline double pt_loss_value(const pt_loss *loss) {
    double sum = 0;
    for (size_t i = 0; i < loss->samples * loss->outputs; i++) {
        double y = loss->y[i];
        sum += loss->factor[i] * y + y * y / 4;
    }
    return sum;
}

/* The gradient of weight element i, summed over the shards of the last step. */
static inline double pt_gradient(const hone_plan *plan, size_t i) {
    double sum = 0;
    for (size_t s = 0; s < hone__plan_shards(plan); s++) sum += hone__plan_gradient(plan, s)[i];
    return sum;
}

#endif
