/* SPDX-License-Identifier: Apache-2.0
 *
 * Saving where training is, and going on from there bit for bit.
 *
 * One idea: since the order of samples and all draws are pure functions of the seed and the step, the state is small:
 * positions, running sums, history, callbacks. Beside it goes an account of the configuration; going on under another
 * one is refused, and the message names what differs. Weights and slots are the file's business. */
#include "train_internal.h"

#include "hex.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { STATE_VERSION = 1 };

/* ---- numbers ---------------------------------------------------------------------------------------------------- */

hone_value *hone__state_real(double value) {
    if (isnan(value)) return hone_value_string("nan");
    if (isinf(value)) return hone_value_string(value > 0 ? "inf" : "-inf");
    return hone_value_real(value);
}

static bool read_real(const hone_value *value, double *out) {
    const char *text = hone_value_as_string(value);
    if (!text) return hone_value_as_real(value, out);
    if (strcmp(text, "nan") == 0)
        *out = NAN;
    else if (strcmp(text, "inf") == 0)
        *out = INFINITY;
    else if (strcmp(text, "-inf") == 0)
        *out = -INFINITY;
    else
        return false;
    return true;
}

hone_status hone__state_get_real(const hone_value *state, const char *key, double *out, hone_error *err) {
    if (!read_real(hone_value_get(state, key), out))
        HONE_FAIL(err, HONE_FORMAT, "training state: '%s' is missing or no number", key);
    return HONE_OK;
}

hone_status hone__state_get_integer(const hone_value *state, const char *key, int64_t least, int64_t most, int64_t *out,
                                    hone_error *err) {
    int64_t value;
    if (!hone_value_as_integer(hone_value_get(state, key), &value))
        HONE_FAIL(err, HONE_FORMAT, "training state: '%s' is missing or no whole number", key);
    if (value < least || value > most)
        HONE_FAIL(err, HONE_FORMAT, "training state: '%s' is %" PRId64 ", expected %" PRId64 " to %" PRId64, key, value,
                  least, most);
    *out = value;
    return HONE_OK;
}

hone_status hone__state_finish(hone_value **out, hone_value *state, const char *owner, hone_error *err) {
    if (hone_value_failed(state)) {
        hone_value_free(state);
        return hone__fail_memory(err, sizeof(void *), owner);
    }
    *out = state;
    return HONE_OK;
}

/* ---- the account of the configuration --------------------------------------------------------------------------- */

/* FNV-1a over 32-bit numbers, in hex: enough to tell one list of samples from another. */
static hone_value *list_fingerprint(const uint32_t *items, size_t n) {
    uint64_t hash = 14695981039346656037u;
    for (size_t i = 0; items && i < n; i++)
        for (int byte = 0; byte < 4; byte++) hash = (hash ^ (items[i] >> (8 * byte) & 255)) * 1099511628211u;
    char text[24];
    snprintf(text, sizeof text, "%016" PRIx64, hash);
    return hone_value_string(text);
}

static hone_value *describe_loss(const hone_loss *loss) {
    hone_value *v = hone_value_object();
    hone_value_set_string(v, "name", hone_loss_name(loss->kind));
    hone_value_set_boolean(v, "from_logits", loss->from_logits);
    hone_value_set_real(v, "label_smoothing", loss->label_smoothing);
    if (loss->kind == HONE_LOSS_HUBER) hone_value_set_real(v, "delta", loss->delta);
    return v;
}

/* Only what the schedule's rates depend on; with it the length of the run, where they depend on that. */
static hone_value *describe_schedule(const hone_schedule *s, int epochs) {
    hone_value *v = hone_value_object();
    hone_value_set_string(v, "name", hone__schedule_name(s->kind));
    switch (s->kind) {
    case HONE_SCHEDULE_CONSTANT: return v;
    case HONE_SCHEDULE_EXPONENTIAL:
    case HONE_SCHEDULE_STEP:
        hone_value_set_real(v, "decay_rate", s->decay_rate);
        hone_value_set_real(v, "decay_steps", s->decay_steps);
        return v;
    case HONE_SCHEDULE_COSINE:
        hone_value_set_real(v, "warmup_steps", s->warmup_steps);
        hone_value_set_real(v, "alpha", s->alpha);
        break;
    case HONE_SCHEDULE_ONE_CYCLE:
        hone_value_set_real(v, "warm_fraction", s->warm_fraction);
        hone_value_set_real(v, "initial_divisor", s->initial_divisor);
        hone_value_set_real(v, "final_divisor", s->final_divisor);
        break;
    }
    hone_value_set_integer(v, "epochs", epochs);
    return v;
}

static hone_value *describe_metrics(const hone_fit_config *c) {
    hone_value *v = hone_value_object();
    for (size_t i = 0; i < c->metric_count; i++)
        hone_value_set_integer(v, hone_metric_name(&c->metrics[i]), c->metrics[i].k);
    return v;
}

static hone_value *describe_class_weight(const hone_trainer *t) {
    if (!t->config.class_weight) return hone_value_null();
    hone_value *v = hone_value_list();
    for (size_t i = 0; i < hone_dataset_classes(t->data); i++)
        hone_value_append(v, hone_value_real((double)t->config.class_weight[i]));
    return v;
}

static hone_value *describe_split(const hone_trainer *t) {
    const hone_split *split = t->config.split;
    if (!split) return hone_value_null();
    hone_value *v = hone_value_object();
    hone_value_set_integer(v, "train_samples", (int64_t)split->train_count);
    hone_value_set_integer(v, "validation_samples", (int64_t)split->validation_count);
    hone_value_set(v, "train", list_fingerprint(split->train, split->train_count));
    hone_value_set(v, "validation", list_fingerprint(split->validation, split->validation_count));
    return v;
}

/* NULL when memory is out; err then says so. */
static hone_value *describe_configuration(const hone_trainer *t, hone_error *err) {
    hone_value *optimizer;
    if (hone_optimizer_to_config(&t->config.optimizer, &optimizer, err) != HONE_OK) return NULL;
    if (!t->data_hash[0]) hone_dataset_hash(t->data, t->data_hash);
    hone_value *v = hone_value_object();
    hone_value_set_integer(v, "weights", (int64_t)t->model->data_size);
    hone_value_set_string(v, "data", t->data_hash);
    hone_value_set(v, "split", describe_split(t));
    hone_value_set_integer(v, "batch_size", (int64_t)t->config.batch_size);
    hone_value_set_boolean(v, "shuffle", t->config.shuffle);
    hone_value_set_integer(v, "seed", (int64_t)t->config.seed);
    hone_value_set(v, "loss", describe_loss(&t->config.loss));
    hone_value_set(v, "optimizer", optimizer);
    hone_value_set(v, "schedule", describe_schedule(&t->config.schedule, t->config.epochs));
    hone_value_set(v, "metrics", describe_metrics(&t->config));
    hone_value_set(v, "class_weight", describe_class_weight(t));
    if (t->config.precision == HONE_PRECISION_MIXED_BFLOAT16) hone_value_set_string(v, "precision", "mixed_bfloat16");
    if (t->config.precision == HONE_PRECISION_INT8) hone_value_set_string(v, "precision", "int8");
    if (t->config.augmentation)
        hone_value_set_string(v, "augmentation", hone_augmentation_text(t->config.augmentation));
    if (!hone_value_failed(v)) return v;
    hone_value_free(v);
    hone__fail_memory(err, sizeof(void *), "the training state");
    return NULL;
}

static const char *value_text(const hone_value *value, char buffer[HONE_NUMBER_SIZE]) {
    int64_t integer;
    double real;
    bool boolean;
    const char *string = hone_value_as_string(value);
    if (string) return string;
    if (hone_value_kind_of(value) == HONE_VALUE_NULL) return "not set";
    if (hone_value_as_boolean(value, &boolean)) return boolean ? "true" : "false";
    if (hone_value_kind_of(value) == HONE_VALUE_INTEGER && hone_value_as_integer(value, &integer))
        snprintf(buffer, HONE_NUMBER_SIZE, "%" PRId64, integer);
    else if (hone_value_as_real(value, &real))
        return hone__format_double(buffer, real);
    else
        return "otherwise";
    return buffer;
}

/* Walks both trees to the first difference, whose path becomes the name. */
static hone_status compare(const char *path, const hone_value *theirs, const hone_value *ours, hone_error *err) {
    if (hone_value_kind_of(theirs) == HONE_VALUE_OBJECT && hone_value_kind_of(ours) == HONE_VALUE_OBJECT) {
        for (int side = 0; side < 2; side++) {
            const hone_value *keys = side == 0 ? ours : theirs;
            for (size_t i = 0; i < hone_value_count(keys); i++) {
                const char *key = hone_value_key_at(keys, i);
                char deeper[256];
                snprintf(deeper, sizeof deeper, "%s%s%s", path, *path ? "." : "", key);
                HONE_TRY(compare(deeper, hone_value_get(theirs, key), hone_value_get(ours, key), err));
            }
        }
        return HONE_OK;
    }
    if (hone_value_equal(theirs, ours)) return HONE_OK;
    char a[HONE_NUMBER_SIZE], b[HONE_NUMBER_SIZE];
    HONE_FAIL(err, HONE_ARGUMENT, "training cannot go on from this state: '%s' is %s there and %s here", path,
              value_text(theirs, a), value_text(ours, b));
}

/* ---- parts ------------------------------------------------------------------------------------------------------ */

static hone_value *save_sums(const hone__sums *s) {
    hone_value *v = hone_value_object();
    hone_value_set(v, "loss", hone__state_real(s->loss));
    hone_value_set_integer(v, "samples", (int64_t)s->samples);
    hone_value_set_integer(v, "correct", (int64_t)s->tally.correct);
    hone_value_set_integer(v, "in_top_k", (int64_t)s->tally.in_top_k);
    hone_value_set_integer(v, "true_positives", (int64_t)s->tally.true_positives);
    hone_value_set_integer(v, "false_positives", (int64_t)s->tally.false_positives);
    hone_value_set_integer(v, "false_negatives", (int64_t)s->tally.false_negatives);
    return v;
}

static hone_status get_count(const hone_value *v, const char *key, uint64_t *out, hone_error *err) {
    int64_t value;
    HONE_TRY(hone__state_get_integer(v, key, 0, INT64_MAX, &value, err));
    *out = (uint64_t)value;
    return HONE_OK;
}

static hone_status load_sums(hone__sums *s, const hone_value *v, hone_error *err) {
    HONE_TRY(hone__state_get_real(v, "loss", &s->loss, err));
    HONE_TRY(get_count(v, "samples", &s->samples, err));
    HONE_TRY(get_count(v, "correct", &s->tally.correct, err));
    HONE_TRY(get_count(v, "in_top_k", &s->tally.in_top_k, err));
    HONE_TRY(get_count(v, "true_positives", &s->tally.true_positives, err));
    HONE_TRY(get_count(v, "false_positives", &s->tally.false_positives, err));
    return get_count(v, "false_negatives", &s->tally.false_negatives, err);
}

/* AUC needs every score of the epoch so far: 8 hex digits each, only when an epoch is under way. */
static size_t score_count(const hone_trainer *t, int64_t step) {
    size_t samples = (size_t)step * t->batch_size;
    return (samples < t->train_count ? samples : t->train_count) * t->objective.outputs;
}

static hone_value *save_scores(const hone_trainer *t) {
    return hone__floats_value(t->probabilities, score_count(t, t->step));
}

static hone_status load_scores(hone_trainer *t, const hone_value *scores, int64_t step, hone_error *err) {
    size_t n = score_count(t, step);
    if (!hone__floats_read(scores, t->probabilities, n))
        HONE_FAIL(err, HONE_FORMAT, "training state: 'scores' is not %zu numbers", n);
    return HONE_OK;
}

static hone_value *save_history(const hone_value *history) {
    hone_value *v = hone_value_object();
    for (size_t i = 0; i < hone_value_count(history); i++) {
        const hone_value *column = hone_value_at(history, i);
        hone_value *list = hone_value_list();
        for (size_t k = 0; k < hone_value_count(column); k++) {
            double value = 0;
            hone_value_as_real(hone_value_at(column, k), &value);
            hone_value_append(list, hone__state_real(value));
        }
        hone_value_set(v, hone_value_key_at(history, i), list);
    }
    return v;
}

static hone_status load_history(hone_trainer *t, const hone_value *v, hone_error *err) {
    if (hone_value_kind_of(v) != HONE_VALUE_OBJECT)
        HONE_FAIL(err, HONE_FORMAT, "training state: 'history' is missing or no object");
    hone_value *fresh = hone_value_object();
    if (!fresh) return hone__fail_memory(err, sizeof(void *), "the history");
    hone_value_free(t->history);
    t->history = fresh;
    for (size_t i = 0; i < hone_value_count(v); i++) {
        const char *key = hone_value_key_at(v, i);
        const hone_value *column = hone_value_at(v, i);
        HONE_TRY(hone__trainer_add_column(t, key, err));
        for (size_t k = 0; k < hone_value_count(column); k++) {
            double value;
            if (!read_real(hone_value_at(column, k), &value))
                HONE_FAIL(err, HONE_FORMAT, "training state: history of '%s' holds something that is no number", key);
            if (hone_value_append(t->columns[i], hone_value_real(value)) != HONE_OK)
                return hone__fail_memory(err, sizeof value, "the history");
        }
    }
    return HONE_OK;
}

/* "early_stopping", and "early_stopping_2" for the second of that name. Returns buffer. */
static const char *callback_key(const hone_trainer *t, size_t index, char *buffer, size_t size) {
    int number = 1;
    const char *name = t->callbacks[index].name ? t->callbacks[index].name : "callback";
    for (size_t i = 0; i < index; i++)
        number += t->callbacks[i].save_state && t->callbacks[i].name && strcmp(t->callbacks[i].name, name) == 0;
    if (number == 1)
        snprintf(buffer, size, "%s", name);
    else
        snprintf(buffer, size, "%s_%d", name, number);
    return buffer;
}

static hone_status save_callbacks(const hone_trainer *t, hone_value *callbacks, hone_error *err) {
    for (size_t i = 0; i < t->callback_count; i++) {
        const hone_callback *c = &t->callbacks[i];
        if (!c->save_state) continue;
        hone_value *state = NULL;
        char key[128];
        HONE_TRY(c->save_state(c->context, &state, err));
        hone_value_set(callbacks, callback_key(t, i, key, sizeof key), state);
    }
    return HONE_OK;
}

/* A callback that the state does not know starts fresh: one may be added to a run that goes on. */
static hone_status load_callbacks(hone_trainer *t, const hone_value *callbacks, hone_error *err) {
    for (size_t i = 0; i < t->callback_count; i++) {
        const hone_callback *c = &t->callbacks[i];
        char key[128];
        const hone_value *state = hone_value_get(callbacks, callback_key(t, i, key, sizeof key));
        if (!c->load_state || !state) continue;
        hone_status status = c->load_state(c->context, state, err);
        if (status != HONE_OK) return hone__fail_context(err, status, "callback '%s'", key);
    }
    return HONE_OK;
}

/* ---- the whole -------------------------------------------------------------------------------------------------- */

hone_status hone_trainer_save_state(const hone_trainer *t, hone_value **out, hone_error *err) {
    *out = NULL;
    hone_value *state = hone_value_object(), *callbacks = hone_value_object();
    hone_status status = save_callbacks(t, callbacks, err);
    hone_value_set_integer(state, "version", STATE_VERSION);
    hone_value_set_integer(state, "epoch", t->epoch);
    hone_value_set_integer(state, "step", t->step);
    hone_value_set_integer(state, "iterations", t->iterations);
    hone_value_set(state, "learning_rate", hone__state_real(t->rate));
    hone_value_set(state, "sums", save_sums(&t->sums));
    if (t->objective.has_auc && t->step > 0) hone_value_set(state, "scores", save_scores(t));
    hone_value_set(state, "history", save_history(t->history));
    hone_value_set(state, "callbacks", callbacks);
    hone_value_set_real(state, "seconds", t->seconds);
    hone_value_set_real(state, "step_seconds", t->step_seconds);
    hone_value_set_integer(state, "images", (int64_t)t->images);
    hone_value *configuration = status == HONE_OK ? describe_configuration(t, err) : NULL;
    if (status == HONE_OK && !configuration) status = HONE_MEMORY;
    hone_value_set(state, "configuration", configuration);
    if (status == HONE_OK && hone_value_failed(state))
        status = hone__fail_memory(err, sizeof(void *), "the training state");
    if (status != HONE_OK) {
        hone_value_free(state);
        return status;
    }
    *out = state;
    return HONE_OK;
}

static hone_status check_configuration(const hone_trainer *t, const hone_value *theirs, hone_error *err) {
    if (hone_value_kind_of(theirs) != HONE_VALUE_OBJECT)
        HONE_FAIL(err, HONE_FORMAT, "training state: 'configuration' is missing or no object");
    hone_value *ours = describe_configuration(t, err);
    if (!ours) return HONE_MEMORY;
    hone_status status = compare("", theirs, ours, err);
    hone_value_free(ours);
    return status;
}

hone_status hone_trainer_load_state(hone_trainer *t, const hone_value *state, hone_error *err) {
    int64_t version, epoch, step, iterations;
    double rate, seconds, step_seconds;
    uint64_t images;
    hone__sums sums = {0};
    HONE_TRY(hone__state_get_integer(state, "version", 1, INT64_MAX, &version, err));
    if (version > STATE_VERSION)
        HONE_FAIL(err, HONE_UNSUPPORTED, "training state is of version %" PRId64 ", this hone reads up to %d", version,
                  STATE_VERSION);
    HONE_TRY(check_configuration(t, hone_value_get(state, "configuration"), err));
    HONE_TRY(hone__state_get_integer(state, "epoch", 0, INT32_MAX, &epoch, err));
    HONE_TRY(hone__state_get_integer(state, "step", 0, t->steps, &step, err));
    HONE_TRY(hone__state_get_integer(state, "iterations", 0, INT64_MAX, &iterations, err));
    HONE_TRY(hone__state_get_real(state, "learning_rate", &rate, err));
    HONE_TRY(load_sums(&sums, hone_value_get(state, "sums"), err));
    HONE_TRY(hone__state_get_real(state, "seconds", &seconds, err));
    HONE_TRY(hone__state_get_real(state, "step_seconds", &step_seconds, err));
    HONE_TRY(get_count(state, "images", &images, err));
    if (t->objective.has_auc && step > 0) HONE_TRY(load_scores(t, hone_value_get(state, "scores"), step, err));
    HONE_TRY(load_callbacks(t, hone_value_get(state, "callbacks"), err));
    HONE_TRY(load_history(t, hone_value_get(state, "history"), err));
    t->epoch = (int)epoch;
    t->step = step;
    t->iterations = iterations;
    t->rate = rate;
    t->sums = sums;
    t->seconds = seconds;
    t->step_seconds = step_seconds;
    t->images = images;
    return HONE_OK;
}
