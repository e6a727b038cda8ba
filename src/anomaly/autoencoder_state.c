/* SPDX-License-Identifier: Apache-2.0
 *
 * Where an autoencoder's training stands when it is ended between two epochs: a record beside the weights, with all that
 * the next epoch begins with. The order of samples needs no place in it: it is a function of the seed and the epoch. */
#include "detector.h"

#include "model_internal.h"

#include <string.h>

/* What has to be the same for the result to be what it would have been. */
static hone_value *describe(size_t samples, const hone_anomaly_config *config) {
    hone_value *value = hone_value_object();
    hone_value_set_integer(value, "samples", (int64_t)samples);
    hone_value_set_integer(value, "batch_size", (int64_t)config->batch_size);
    hone_value_set_integer(value, "seed", (int64_t)config->seed);
    hone_value_set_real(value, "learning_rate", config->learning_rate);
    return value;
}

hone_status hone__autoencoder_keep(const hone__autoencoder_state *state, hone_model *model, size_t samples,
                                   const hone_anomaly_config *config, hone_error *err) {
    hone_value *record = hone_value_object(), *slots = hone_value_list();
    for (int i = 0; i < state->slot_count; i++)
        hone_value_append(slots,
                          state->slots[i] ? hone__pack_floats(state->slots[i], model->data_size) : hone_value_null());
    hone_value_set_integer(record, "version", 1);
    hone_value_set_integer(record, "epochs", state->epochs);
    hone_value_set_integer(record, "iterations", state->iterations);
    hone_value_set_real(record, "loss", state->loss);
    hone_value_set(record, "training", describe(samples, config));
    hone_value_set(record, "slots", slots);
    if (hone_value_failed(record)) {
        hone_value_free(record);
        return hone__fail_memory(err, model->data_size * sizeof(float), "the state of a training");
    }
    return hone_model_set_record(model, HONE__ANOMALY_STATE_RECORD, record, err);
}

static hone_status check(const hone_value *was, size_t samples, const hone_anomaly_config *config, hone_error *err) {
    hone_value *is = describe(samples, config);
    hone_status status = hone_value_failed(is) ? hone__fail_memory(err, 0, "the state of a training") : HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < hone_value_count(is); i++) {
        const char *key = hone_value_key_at(is, i);
        double before = 0, now = 0;
        hone_value_as_real(hone_value_at(is, i), &now);
        if (!hone_value_as_real(hone_value_get(was, key), &before) || before != now)
            status =
                hone__fail(err, HONE_ARGUMENT, "the training that was interrupted had %s %g, not %g", key, before, now);
    }
    hone_value_free(is);
    return status;
}

hone_status hone__autoencoder_take(hone__autoencoder_state *state, const hone_model *model, size_t samples,
                                   const hone_anomaly_config *config, hone_error *err) {
    const hone_value *record = hone_model_record(model, HONE__ANOMALY_STATE_RECORD);
    const hone_value *slots = hone_value_get(record, "slots");
    int64_t epochs = 0, iterations = 0;
    if (hone_value_kind_of(record) != HONE_VALUE_OBJECT)
        HONE_FAIL(err, HONE_ARGUMENT, "the model '%.128s' holds no state of a training to go on with",
                  hone_model_name(model));
    HONE_TRY(check(hone_value_get(record, "training"), samples, config, err));
    bool ok = hone_value_as_integer(hone_value_get(record, "epochs"), &epochs) && epochs >= 1 && epochs < INT32_MAX &&
              hone_value_as_integer(hone_value_get(record, "iterations"), &iterations) && iterations >= epochs &&
              hone_value_as_real(hone_value_get(record, "loss"), &state->loss);
    for (int i = 0; ok && i < state->slot_count; i++)
        ok =
            !state->slots[i] || hone__unpack_floats(hone_value_at(slots, (size_t)i), state->slots[i], model->data_size);
    if (!ok) HONE_FAIL(err, HONE_FORMAT, "the state of the training that was interrupted is damaged");
    state->epochs = (int)epochs;
    state->iterations = iterations;
    return HONE_OK;
}

hone_status hone__autoencoder_forget(hone_model *model, hone_error *err) {
    if (!hone_model_record(model, HONE__ANOMALY_STATE_RECORD)) return HONE_OK;
    hone_value *nothing = hone_value_null();
    if (!nothing) return hone__fail_memory(err, 0, "a record");
    return hone_model_set_record(model, HONE__ANOMALY_STATE_RECORD, nothing, err);
}

bool hone_anomaly_is_unfinished(const hone_model *model, int *epochs) {
    int64_t done;
    const hone_value *record = hone_model_record(model, HONE__ANOMALY_STATE_RECORD);
    if (!hone_value_as_integer(hone_value_get(record, "epochs"), &done) || done < 1 || done > INT32_MAX) return false;
    if (epochs) *epochs = (int)done;
    return true;
}
