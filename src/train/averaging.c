/* SPDX-License-Identifier: Apache-2.0
 *
 * Exponential moving average of the weights: Keras' use_ema as a callback.
 *
 * One idea: the average is a slot like the optimizer's, so it is saved and resumed with them. It follows the weights
 * step by step and takes their place when training ends, as Keras' finalize_variable_values does; what validates in
 * between are the weights themselves. */
#include "train_internal.h"

#include <string.h>

typedef struct averaging {
    double momentum;
    bool has_begun;
    float *average; /* the trainer's slot */
} averaging;

static hone_status averaging_attach(void *context, hone_trainer *trainer, hone_error *err) {
    averaging *a = context;
    return hone__trainer_add_slot(trainer, "average", &a->average, err);
}

/* What is not trained is not averaged: statistics are averages already. The first step's weights are taken whole. */
static hone_status averaging_batch_end(void *context, hone_trainer *trainer, int64_t step, int64_t steps,
                                       const hone_logs *logs, hone_error *err) {
    averaging *a = context;
    const hone_model *model = hone_trainer_model(trainer);
    const float keep = a->has_begun ? (float)a->momentum : 0, take = 1 - keep;
    (void)step, (void)steps, (void)logs, (void)err;
    for (size_t i = 0; i < model->weight_count; i++) {
        const hone__weight *weight = &model->weights[i];
        const float *w = model->data + weight->offset;
        float *average = a->average + weight->offset;
        if (!hone__weight_trainable(model, i)) continue;
        for (size_t j = 0; j < weight->size; j++) average[j] = keep * average[j] + take * w[j];
    }
    a->has_begun = true;
    return HONE_OK;
}

/* Not where training is only interrupted: it goes on from the weights. */
static void averaging_train_end(void *context, hone_trainer *trainer, hone_status status) {
    const averaging *a = context;
    hone_model *model = hone_trainer_model(trainer);
    if (status != HONE_OK || !a->has_begun) return;
    for (size_t i = 0; i < model->weight_count; i++) {
        const hone__weight *weight = &model->weights[i];
        if (hone__weight_trainable(model, i))
            memcpy(model->data + weight->offset, a->average + weight->offset, weight->size * sizeof *a->average);
    }
}

static hone_status averaging_save(void *context, hone_value **out, hone_error *err) {
    const averaging *a = context;
    hone_value *state = hone_value_object();
    hone_value_set_real(state, "momentum", a->momentum);
    hone_value_set_boolean(state, "has_begun", a->has_begun);
    return hone__state_finish(out, state, "the weights' average", err);
}

static hone_status averaging_load(void *context, const hone_value *state, hone_error *err) {
    averaging *a = context;
    double momentum;
    bool has_begun;
    HONE_TRY(hone__state_get_real(state, "momentum", &momentum, err));
    if (momentum < a->momentum || momentum > a->momentum)
        HONE_FAIL(err, HONE_ARGUMENT,
                  "training cannot go on from this state: the average's momentum is %g there, %g here", momentum,
                  a->momentum);
    if (!hone_value_as_boolean(hone_value_get(state, "has_begun"), &has_begun))
        HONE_FAIL(err, HONE_FORMAT, "training state: 'has_begun' is missing or no truth value");
    a->has_begun = has_begun;
    return HONE_OK;
}

hone_status hone_callback_weight_averaging(hone_callback *out, double momentum, hone_error *err) {
    if (!(momentum >= 0 && momentum < 1))
        HONE_FAIL(err, HONE_ARGUMENT, "the average's momentum is %g, expected 0 to less than 1", momentum);
    averaging *a = hone__alloc(1, sizeof *a);
    if (!a) return hone__fail_memory(err, sizeof *a, "the weights' average");
    a->momentum = momentum;
    *out = (hone_callback){.context = a,
                           .on_batch_end = averaging_batch_end,
                           .on_train_end = averaging_train_end,
                           .on_attach = averaging_attach,
                           .save_state = averaging_save,
                           .load_state = averaging_load,
                           .release = hone__free,
                           .name = "weight_averaging"};
    return HONE_OK;
}
