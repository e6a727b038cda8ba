/* SPDX-License-Identifier: Apache-2.0
 *
 * Callbacks that steer training: EarlyStopping, ReduceLROnPlateau, TerminateOnNaN.
 *
 * One idea: they follow Keras 3's rules to the letter but for one: a second call of fit goes on instead of starting
 * over, so nothing is reset when training begins. What they remember is their state, saved and resumed with the
 * trainer. */
#include "train_internal.h"

#include <math.h>
#include <string.h>

/* ---- the monitored value ---------------------------------------------------------------------------------------- */

hone_status hone__monitor_init(hone__monitor *m, const char *callback, const char *key, const char *mode,
                               double min_delta, hone_error *err) {
    *m = (hone__monitor){0};
    if (!key || !*key) key = "val_loss";
    if (!mode) mode = "auto";
    if (strcmp(mode, "min") == 0)
        m->direction = -1;
    else if (strcmp(mode, "max") == 0)
        m->direction = 1;
    else if (strcmp(mode, "auto") == 0)
        m->direction = hone__metric_direction(key);
    else
        HONE_FAIL(err, HONE_ARGUMENT, "%s: mode is '%s', expected auto, min or max", callback, mode);
    if (m->direction == 0)
        HONE_FAIL(err, HONE_ARGUMENT, "%s: mode auto cannot tell whether '%s' should rise or fall; say min or max",
                  callback, key);
    if (isnan(min_delta)) HONE_FAIL(err, HONE_ARGUMENT, "%s: min_delta is not a number", callback);
    m->min_delta = fabs(min_delta);
    m->key = hone__strdup(key);
    return m->key ? HONE_OK : hone__fail_memory(err, strlen(key) + 1, callback);
}

bool hone__monitor_improves(const hone__monitor *m, double value) {
    if (!m->has_best) return true;
    return m->direction > 0 ? value - m->min_delta > m->best : value + m->min_delta < m->best;
}

bool hone__monitor_value(const hone__monitor *m, const char *callback, const hone_logs *logs, double *out) {
    if (hone_logs_get(logs, m->key, out)) return true;
    char known[256] = "";
    for (size_t i = 0; i < logs->count; i++) hone__list_add(known, sizeof known, logs->keys[i]);
    hone__log(HONE_LOG_WARNING, "%s: '%s' is not available; there are: %s", callback, m->key, known);
    return false;
}

void hone__monitor_save(const hone__monitor *m, hone_value *state) {
    hone_value_set(state, "best", m->has_best ? hone__state_real(m->best) : hone_value_null());
}

hone_status hone__monitor_load(hone__monitor *m, const hone_value *state, hone_error *err) {
    const hone_value *best = hone_value_get(state, "best");
    if (hone_value_kind_of(best) == HONE_VALUE_NULL) {
        m->has_best = false;
        return HONE_OK;
    }
    HONE_TRY(hone__state_get_real(state, "best", &m->best, err));
    m->has_best = true;
    return HONE_OK;
}

static void set_best(hone__monitor *m, double value) {
    m->has_best = true;
    m->best = value;
}

static hone_status check_count(const char *callback, const char *name, int value, hone_error *err) {
    if (value < 0) HONE_FAIL(err, HONE_ARGUMENT, "%s: %s is %d, expected 0 or more", callback, name, value);
    return HONE_OK;
}

/* ---- EarlyStopping ---------------------------------------------------------------------------------------------- */

typedef struct early_stopping {
    hone__monitor monitor;
    int patience, start_from_epoch;
    bool restores;
    int wait;
    bool has_weights;
    float *weights; /* the trainer's slot: a copy of model->data */
} early_stopping;

static void keep_weights(early_stopping *e, const hone_model *model) {
    memcpy(e->weights, model->data, model->data_size * sizeof *e->weights);
    e->has_weights = true;
}

static hone_status early_stopping_attach(void *context, hone_trainer *trainer, hone_error *err) {
    early_stopping *e = context;
    return e->restores ? hone__trainer_add_slot(trainer, "best_weights", &e->weights, err) : HONE_OK;
}

static hone_status early_stopping_epoch_end(void *context, hone_trainer *trainer, int epoch, hone_logs *logs,
                                            hone_error *err) {
    early_stopping *e = context;
    double value;
    (void)err;
    if (!hone__monitor_value(&e->monitor, "EarlyStopping", logs, &value) || epoch < e->start_from_epoch) return HONE_OK;
    const hone_model *model = hone_trainer_model(trainer);
    /* Should nothing ever improve (a NaN at once), the first weights seen count as the best. */
    if (e->restores && !e->has_weights) keep_weights(e, model);
    e->wait++;
    if (hone__monitor_improves(&e->monitor, value)) {
        set_best(&e->monitor, value);
        if (e->restores) keep_weights(e, model);
        e->wait = 0;
        return HONE_OK;
    }
    if (e->wait >= e->patience && epoch > 0) hone_trainer_stop(trainer);
    return HONE_OK;
}

/* As Keras 3: at the end always, stopped early or not. Not where training is only interrupted, since it goes on from
 * its own weights; but after NaN, where those are worth nothing. */
static void early_stopping_train_end(void *context, hone_trainer *trainer, hone_status status) {
    early_stopping *e = context;
    if (!e->restores || !e->has_weights || (status != HONE_OK && status != HONE_NUMERIC)) return;
    hone_model *model = hone_trainer_model(trainer);
    memcpy(model->data, e->weights, model->data_size * sizeof *e->weights);
}

static hone_status early_stopping_save(void *context, hone_value **out, hone_error *err) {
    const early_stopping *e = context;
    hone_value *state = hone_value_object();
    hone__monitor_save(&e->monitor, state);
    hone_value_set_integer(state, "wait", e->wait);
    hone_value_set_boolean(state, "has_weights", e->has_weights);
    return hone__state_finish(out, state, "EarlyStopping", err);
}

static hone_status early_stopping_load(void *context, const hone_value *state, hone_error *err) {
    early_stopping *e = context;
    int64_t wait;
    bool has_weights = false;
    HONE_TRY(hone__monitor_load(&e->monitor, state, err));
    HONE_TRY(hone__state_get_integer(state, "wait", 0, INT32_MAX, &wait, err));
    hone_value_as_boolean(hone_value_get(state, "has_weights"), &has_weights);
    e->wait = (int)wait;
    e->has_weights = has_weights && e->restores;
    return HONE_OK;
}

static void early_stopping_release(void *context) {
    early_stopping *e = context;
    hone__free(e->monitor.key);
    hone__free(e);
}

hone_status hone_callback_early_stopping(hone_callback *out, const char *monitor, double min_delta, int patience,
                                         const char *mode, bool restore_best_weights, int start_from_epoch,
                                         hone_error *err) {
    HONE_TRY(check_count("EarlyStopping", "patience", patience, err));
    HONE_TRY(check_count("EarlyStopping", "start_from_epoch", start_from_epoch, err));
    early_stopping *e = hone__alloc(1, sizeof *e);
    if (!e) return hone__fail_memory(err, sizeof *e, "EarlyStopping");
    hone_status status = hone__monitor_init(&e->monitor, "EarlyStopping", monitor, mode, min_delta, err);
    if (status != HONE_OK) {
        hone__free(e);
        return status;
    }
    e->patience = patience;
    e->restores = restore_best_weights;
    e->start_from_epoch = start_from_epoch;
    *out = (hone_callback){.context = e,
                           .on_epoch_end = early_stopping_epoch_end,
                           .on_train_end = early_stopping_train_end,
                           .on_attach = early_stopping_attach,
                           .save_state = early_stopping_save,
                           .load_state = early_stopping_load,
                           .release = early_stopping_release,
                           .name = "early_stopping"};
    return HONE_OK;
}

/* ---- ReduceLROnPlateau ------------------------------------------------------------------------------------------ */

typedef struct plateau {
    hone__monitor monitor;
    double factor, min_lr;
    int patience, cooldown;
    int wait, cooldown_left;
} plateau;

/* Behind the sorted keys, as in Keras' dict; a second ReduceLROnPlateau overwrites. */
static void log_rate(hone_logs *logs, double rate) {
    size_t i = 0;
    while (i < logs->count && strcmp(logs->keys[i], "learning_rate") != 0) i++;
    if (i == HONE_MAX_LOGS) return;
    logs->keys[i] = "learning_rate";
    logs->values[i] = rate;
    if (i == logs->count) logs->count++;
}

static hone_status plateau_epoch_end(void *context, hone_trainer *trainer, int epoch, hone_logs *logs,
                                     hone_error *err) {
    plateau *p = context;
    double value, rate = hone_trainer_learning_rate(trainer);
    (void)epoch;
    (void)err;
    log_rate(logs, rate);
    if (!hone__monitor_value(&p->monitor, "ReduceLROnPlateau", logs, &value)) return HONE_OK;
    if (p->cooldown_left > 0) {
        p->cooldown_left--;
        p->wait = 0;
    }
    if (hone__monitor_improves(&p->monitor, value)) {
        set_best(&p->monitor, value);
        p->wait = 0;
    } else if (p->cooldown_left == 0) {
        p->wait++;
        if (p->wait >= p->patience && rate > p->min_lr) {
            hone_trainer_set_learning_rate(trainer, fmax(rate * p->factor, p->min_lr));
            p->cooldown_left = p->cooldown;
            p->wait = 0;
        }
    }
    return HONE_OK;
}

static hone_status plateau_save(void *context, hone_value **out, hone_error *err) {
    const plateau *p = context;
    hone_value *state = hone_value_object();
    hone__monitor_save(&p->monitor, state);
    hone_value_set_integer(state, "wait", p->wait);
    hone_value_set_integer(state, "cooldown", p->cooldown_left);
    return hone__state_finish(out, state, "ReduceLROnPlateau", err);
}

static hone_status plateau_load(void *context, const hone_value *state, hone_error *err) {
    plateau *p = context;
    int64_t wait, cooldown;
    HONE_TRY(hone__monitor_load(&p->monitor, state, err));
    HONE_TRY(hone__state_get_integer(state, "wait", 0, INT32_MAX, &wait, err));
    HONE_TRY(hone__state_get_integer(state, "cooldown", 0, INT32_MAX, &cooldown, err));
    p->wait = (int)wait;
    p->cooldown_left = (int)cooldown;
    return HONE_OK;
}

static void plateau_release(void *context) {
    plateau *p = context;
    hone__free(p->monitor.key);
    hone__free(p);
}

hone_status hone_callback_reduce_lr_on_plateau(hone_callback *out, const char *monitor, double factor, int patience,
                                               const char *mode, double min_delta, int cooldown, double min_lr,
                                               hone_error *err) {
    HONE_TRY(check_count("ReduceLROnPlateau", "patience", patience, err));
    HONE_TRY(check_count("ReduceLROnPlateau", "cooldown", cooldown, err));
    if (!(factor > 0 && factor < 1))
        HONE_FAIL(err, HONE_ARGUMENT, "ReduceLROnPlateau: factor is %g, expected between 0 and 1", factor);
    if (!(min_lr >= 0 && isfinite(min_lr)))
        HONE_FAIL(err, HONE_ARGUMENT, "ReduceLROnPlateau: min_lr is %g, expected 0 or more", min_lr);
    plateau *p = hone__alloc(1, sizeof *p);
    if (!p) return hone__fail_memory(err, sizeof *p, "ReduceLROnPlateau");
    hone_status status = hone__monitor_init(&p->monitor, "ReduceLROnPlateau", monitor, mode, min_delta, err);
    if (status != HONE_OK) {
        hone__free(p);
        return status;
    }
    p->factor = factor;
    p->patience = patience;
    p->cooldown = cooldown;
    p->min_lr = min_lr;
    *out = (hone_callback){.context = p,
                           .on_epoch_end = plateau_epoch_end,
                           .save_state = plateau_save,
                           .load_state = plateau_load,
                           .release = plateau_release,
                           .name = "reduce_lr_on_plateau"};
    return HONE_OK;
}

/* ---- TerminateOnNaN --------------------------------------------------------------------------------------------- */

/* fit looks for the culprit before the update would spread the NaN; see run_step. */
static hone_status terminate_attach(void *context, hone_trainer *trainer, hone_error *err) {
    (void)context;
    (void)err;
    trainer->watch_nonfinite = true;
    return HONE_OK;
}

static hone_status terminate_batch_end(void *context, hone_trainer *trainer, int64_t step, int64_t steps,
                                       const hone_logs *logs, hone_error *err) {
    double loss = 0;
    (void)context;
    (void)steps;
    hone_logs_get(logs, "loss", &loss);
    if (isfinite(loss)) return HONE_OK;
    const char *why = trainer->nonfinite[0] ? trainer->nonfinite : "the loss is not finite";
    HONE_FAIL(err, HONE_NUMERIC, "epoch %d, batch %lld: %s", trainer->epoch + 1, (long long)step, why);
}

hone_status hone_callback_terminate_on_nan(hone_callback *out, hone_error *err) {
    (void)err;
    *out =
        (hone_callback){.on_batch_end = terminate_batch_end, .on_attach = terminate_attach, .name = "terminate_on_nan"};
    return HONE_OK;
}
