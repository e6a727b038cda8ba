/* SPDX-License-Identifier: Apache-2.0
 *
 * Training for other languages: arrays in, options as JSON, and a function that is told and may say stop. */
#include "bind_internal.h"

#include <string.h>

/* ---- options --------------------------------------------------------------------------------------------------- */

static hone_status take_integer(const hone_value *options, const char *key, int64_t least, int64_t *out,
                                hone_error *err) {
    const hone_value *value = hone_value_get(options, key);
    if (hone_value_kind_of(value) == HONE_VALUE_NULL) return HONE_OK;
    if (hone_value_as_integer(value, out) && *out >= least && *out <= INT32_MAX) return HONE_OK;
    HONE_FAIL(err, HONE_ARGUMENT, "option '%s' is no whole number from %lld on", key, (long long)least);
}

static hone_status take_real(const hone_value *options, const char *key, double *out, hone_error *err) {
    const hone_value *value = hone_value_get(options, key);
    if (hone_value_kind_of(value) == HONE_VALUE_NULL || hone_value_as_real(value, out)) return HONE_OK;
    HONE_FAIL(err, HONE_ARGUMENT, "option '%s' is no number", key);
}

static hone_status take_boolean(const hone_value *options, const char *key, bool *out, hone_error *err) {
    const hone_value *value = hone_value_get(options, key);
    if (hone_value_kind_of(value) == HONE_VALUE_NULL || hone_value_as_boolean(value, out)) return HONE_OK;
    HONE_FAIL(err, HONE_ARGUMENT, "option '%s' is neither true nor false", key);
}

static hone_status take_text(const hone_value *options, const char *key, const char **out, hone_error *err) {
    const hone_value *value = hone_value_get(options, key);
    if (hone_value_kind_of(value) == HONE_VALUE_NULL) return HONE_OK;
    *out = hone_value_as_string(value);
    if (*out) return HONE_OK;
    HONE_FAIL(err, HONE_ARGUMENT, "option '%s' is no text", key);
}

static hone_status check_keys(const hone_value *options, const char *const *known, size_t count, hone_error *err) {
    if (hone_value_kind_of(options) != HONE_VALUE_OBJECT)
        HONE_FAIL(err, HONE_ARGUMENT, "the options of a training are no object");
    for (size_t i = 0; i < hone_value_count(options); i++) {
        const char *key = hone_value_key_at(options, i);
        size_t k = 0;
        while (k < count && strcmp(known[k], key) != 0) k++;
        if (k == count) HONE_FAIL(err, HONE_ARGUMENT, "there is no option '%.60s' of a training", key);
    }
    return HONE_OK;
}

static hone_status take_metrics(const hone_value *list, hone_compiled *out, hone_error *err) {
    if (hone_value_kind_of(list) == HONE_VALUE_NULL) return HONE_OK;
    if (hone_value_kind_of(list) != HONE_VALUE_LIST || hone_value_count(list) > HONE_MAX_METRICS)
        HONE_FAIL(err, HONE_ARGUMENT, "option 'metrics' is no list of at most %d names", HONE_MAX_METRICS);
    for (out->metric_count = 0; out->metric_count < hone_value_count(list); out->metric_count++) {
        const char *name = hone_value_as_string(hone_value_at(list, out->metric_count));
        if (!name) HONE_FAIL(err, HONE_ARGUMENT, "option 'metrics' has a member that is no name");
        HONE_TRY(hone_metric_parse(&out->metrics[out->metric_count], name, err));
    }
    return HONE_OK;
}

hone_status hone__bind_compiled(const hone_value *options, hone_compiled *out, hone_error *err) {
    hone_fit_config usual = hone_fit_config_default();
    const char *loss = NULL;
    *out = (hone_compiled){.has_optimizer = true,
                           .has_loss = true,
                           .optimizer = usual.optimizer,
                           .loss = usual.loss,
                           .metric_count = usual.metric_count};
    memcpy(out->metrics, usual.metrics, sizeof out->metrics);
    HONE_TRY(take_text(options, "loss", &loss, err));
    if (loss) HONE_TRY(hone_loss_parse(&out->loss, loss, err));
    const hone_value *optimizer = hone_value_get(options, "optimizer");
    const char *name = hone_value_as_string(optimizer);
    if (name)
        HONE_TRY(hone_optimizer_parse(&out->optimizer, name, err));
    else if (hone_value_kind_of(optimizer) != HONE_VALUE_NULL)
        HONE_TRY(hone_optimizer_from_config(&out->optimizer, optimizer, err));
    HONE_TRY(take_real(options, "learning_rate", &out->optimizer.learning_rate, err));
    return take_metrics(hone_value_get(options, "metrics"), out, err);
}

/* ---- a training ------------------------------------------------------------------------------------------------ */

typedef struct session {
    hone_model *model;
    hone_value *options;
    hone_dataset *data;
    hone_split split;
    hone_augmentation *augmentation;
    float *class_weight;
    hone_trainer *trainer;
    hone_bind_progress progress;
    void *context;
    double told; /* when progress was called last */
} session;

static const double seconds_between_calls = 0.1;

static hone_status tell_batch(void *context, hone_trainer *trainer, int64_t step, int64_t steps, const hone_logs *logs,
                              hone_error *err) {
    session *s = context;
    double now = hone__seconds();
    (void)logs;
    if (now - s->told < seconds_between_calls) return HONE_OK;
    s->told = now;
    if (s->progress(s->context, hone_trainer_epoch(trainer), step, steps, NULL) == 0) return HONE_OK;
    HONE_FAIL(err, HONE_CANCELLED, "the training was stopped in epoch %d", hone_trainer_epoch(trainer) + 1);
}

static hone_status tell_epoch(void *context, hone_trainer *trainer, int epoch, hone_logs *logs, hone_error *err) {
    session *s = context;
    hone_value *value = hone_value_object();
    char *text = NULL;
    for (size_t i = 0; i < logs->count; i++) hone_value_set_real(value, logs->keys[i], logs->values[i]);
    hone_status status =
        hone_value_failed(value) ? hone__fail_memory(err, 0, "logs") : hone_json_print(&text, value, 0, false, err);
    hone_value_free(value);
    HONE_TRY(status);
    if (s->progress(s->context, epoch, 0, 0, text) != 0) hone_trainer_stop(trainer);
    hone_json_free(text);
    return HONE_OK;
}

/* What the labels are of: the model's classes, by name where it knows them. */
static hone_status make_data(session *s, const unsigned char *pixels, const int32_t *labels, size_t samples,
                             hone_error *err) {
    hone_shape shape = hone_model_input_shape(s->model);
    size_t classes = (size_t)hone_model_output_size(s->model), count = hone_model_class_count(s->model);
    if (classes < 2) classes = 2; /* one sigmoid tells two */
    const char **names = hone__alloc(classes, sizeof *names);
    if (!names) return hone__fail_memory(err, classes * sizeof *names, "class names");
    for (size_t i = 0; count == classes && i < classes; i++) names[i] = hone_model_class_name(s->model, i);
    const char *const *given = count == classes ? names : NULL;
    hone_status status;
    if (pixels && shape.rank != 3) {
        status = hone__fail(err, HONE_SHAPE, "the model takes no pictures, so it cannot take pixels of 8 bits");
    } else if (pixels) {
        status = hone_dataset_create(&s->data, pixels, labels, samples, (int)shape.dims[0], (int)shape.dims[1],
                                     (int)shape.dims[2], given, classes, err);
    } else { /* the inputs go past the data set, which carries the labels: a pixel for each */
        unsigned char *blank = hone__alloc(samples, 1);
        status = blank ? hone_dataset_create(&s->data, blank, labels, samples, 1, 1, 1, given, classes, err)
                       : hone__fail_memory(err, samples, "labels");
        hone__free(blank);
    }
    hone__free(names);
    return status;
}

static hone_status make_split(session *s, size_t samples, hone_error *err) {
    int64_t last = 0, seed = 0;
    double fraction = 0;
    const char *how = NULL;
    HONE_TRY(take_real(s->options, "validation_split", &fraction, err));
    HONE_TRY(take_text(s->options, "validation", &how, err));
    HONE_TRY(take_integer(s->options, "validation_samples", 0, &last, err));
    HONE_TRY(take_integer(s->options, "seed", 0, &seed, err));
    if ((fraction != 0) + (how != NULL) + (last > 0) > 1)
        HONE_FAIL(err, HONE_ARGUMENT,
                  "validation_split, validation and validation data: only one of them can be given");
    if (how) return hone_split_by_words(&s->split, s->data, how, (uint64_t)seed, err);
    if (last == 0) return hone_split_default(&s->split, s->data, fraction, (uint64_t)seed, err);
    if ((size_t)last >= samples) HONE_FAIL(err, HONE_ARGUMENT, "no sample is left to train on");
    /* the boundary falls between two fractions, whatever the rounding */
    return hone_split_last(&s->split, samples, ((double)last - 0.5) / (double)samples, err);
}

static hone_status make_class_weight(session *s, hone_error *err) {
    const hone_value *list = hone_value_get(s->options, "class_weight");
    size_t classes = hone_dataset_classes(s->data);
    if (hone_value_kind_of(list) == HONE_VALUE_NULL) return HONE_OK;
    if (hone_value_count(list) != classes)
        HONE_FAIL(err, HONE_ARGUMENT, "option 'class_weight' has %zu members for %zu classes", hone_value_count(list),
                  classes);
    s->class_weight = hone__alloc(classes, sizeof *s->class_weight);
    if (!s->class_weight) return hone__fail_memory(err, classes * sizeof(float), "class weights");
    for (size_t i = 0; i < classes; i++) {
        double weight;
        if (!hone_value_as_real(hone_value_at(list, i), &weight))
            HONE_FAIL(err, HONE_ARGUMENT, "option 'class_weight' has a member that is no number");
        s->class_weight[i] = (float)weight;
    }
    return HONE_OK;
}

static hone_status configure(session *s, const float *inputs, hone_threads *threads, hone_fit_config *config,
                             hone_error *err) {
    hone_compiled compiled;
    int64_t epochs = 1, batch = 32, seed = 0;
    const char *schedule = NULL, *augment = NULL;
    *config = hone_fit_config_default();
    HONE_TRY(hone__bind_compiled(s->options, &compiled, err));
    HONE_TRY(take_integer(s->options, "epochs", 1, &epochs, err));
    HONE_TRY(take_integer(s->options, "batch_size", 1, &batch, err));
    HONE_TRY(take_integer(s->options, "seed", 0, &seed, err));
    HONE_TRY(take_boolean(s->options, "shuffle", &config->shuffle, err));
    HONE_TRY(take_text(s->options, "schedule", &schedule, err));
    HONE_TRY(take_text(s->options, "augment", &augment, err));
    if (schedule) HONE_TRY(hone_schedule_parse(&config->schedule, schedule, err));
    if (augment) HONE_TRY(hone_augmentation_parse(&s->augmentation, augment, err));
    HONE_TRY(make_class_weight(s, err));
    config->loss = compiled.loss;
    config->optimizer = compiled.optimizer;
    memcpy(config->metrics, compiled.metrics, sizeof config->metrics);
    config->metric_count = compiled.metric_count;
    config->epochs = (int)epochs;
    config->batch_size = (size_t)batch;
    config->seed = (uint64_t)seed;
    config->threads = threads;
    config->augmentation = s->augmentation;
    config->class_weight = s->class_weight;
    config->split = &s->split;
    config->features = inputs;
    return HONE_OK;
}

/* Whether the trainer takes the callback or not, it is not ours any more. */
static hone_status add(session *s, hone_status made, hone_callback *callback, hone_error *err) {
    HONE_TRY(made);
    hone_status status = hone_trainer_add_callback(s->trainer, callback, err);
    if (status && callback->release) callback->release(callback->context);
    return status;
}

static hone_status add_callbacks(session *s, hone_error *err) {
    static const char *const known[] = {"monitor", "patience", "min_delta", "restore_best_weights"};
    const hone_value *stopping = hone_value_get(s->options, "early_stopping");
    hone_callback callback = {0};
    HONE_TRY(add(s, hone_callback_terminate_on_nan(&callback, err), &callback, err));
    if (hone_value_kind_of(stopping) != HONE_VALUE_NULL) {
        const char *monitor = s->split.validation_count > 0 ? "val_loss" : "loss";
        int64_t patience = 0;
        double min_delta = 0;
        bool restore = false;
        HONE_TRY(check_keys(stopping, known, sizeof known / sizeof known[0], err));
        HONE_TRY(take_text(stopping, "monitor", &monitor, err));
        HONE_TRY(take_integer(stopping, "patience", 0, &patience, err));
        HONE_TRY(take_real(stopping, "min_delta", &min_delta, err));
        HONE_TRY(take_boolean(stopping, "restore_best_weights", &restore, err));
        HONE_TRY(
            add(s, hone_callback_early_stopping(&callback, monitor, min_delta, (int)patience, "auto", restore, 0, err),
                &callback, err));
    }
    callback = (hone_callback){.context = s, .on_batch_end = tell_batch, .on_epoch_end = tell_epoch, .name = "bind"};
    return s->progress ? add(s, HONE_OK, &callback, err) : HONE_OK;
}

static hone_status check_arguments(const hone_model *model, const unsigned char *pixels, const float *inputs,
                                   const int32_t *labels, size_t samples, hone_error *err) {
    if (!hone_model_is_built(model)) HONE_FAIL(err, HONE_ARGUMENT, "the model is not built");
    if (hone_model_input_count(model) != 1 || hone_model_output_count(model) != 1)
        HONE_FAIL(err, HONE_UNSUPPORTED, "the model has %zu inputs and %zu outputs, one of each is needed",
                  hone_model_input_count(model), hone_model_output_count(model));
    if (samples == 0 || !labels || !pixels == !inputs)
        HONE_FAIL(err, HONE_ARGUMENT, "there must be samples, their labels, and either pixels or inputs");
    return HONE_OK;
}

static hone_status prepare(session *s, const unsigned char *pixels, const float *inputs, const int32_t *labels,
                           size_t samples, hone_threads *threads, hone_error *err) {
    static const char *const known[] = {
        "epochs",       "batch_size", "seed",     "shuffle",        "validation_split",
        "loss",         "optimizer",  "metrics",  "learning_rate",  "validation_samples",
        "class_weight", "augment",    "schedule", "early_stopping", "validation"};
    hone_fit_config config;
    HONE_TRY(check_arguments(s->model, pixels, inputs, labels, samples, err));
    HONE_TRY(check_keys(s->options, known, sizeof known / sizeof known[0], err));
    HONE_TRY(make_data(s, pixels, labels, samples, err));
    HONE_TRY(make_split(s, samples, err));
    HONE_TRY(configure(s, inputs, threads, &config, err));
    HONE_TRY(hone_trainer_create(&s->trainer, s->model, s->data, &config, err));
    return add_callbacks(s, err);
}

static void release(session *s) {
    hone_trainer_free(s->trainer);
    hone_augmentation_free(s->augmentation);
    hone_split_release(&s->split);
    hone_dataset_free(s->data);
    hone__free(s->class_weight);
    hone_value_free(s->options);
}

hone_status hone_bind_fit(hone_model *model, const unsigned char *pixels, const float *inputs, const int32_t *labels,
                          size_t samples, const char *options, hone_threads *threads, hone_bind_progress progress,
                          void *context, char **history) {
    hone_error *err = hone__bind_error();
    session s = {.model = model, .progress = progress, .context = context};
    *history = NULL;
    HONE_TRY(hone__bind_parse(&s.options, options, err));
    hone_status status = prepare(&s, pixels, inputs, labels, samples, threads, err);
    if (status == HONE_OK) {
        status = hone_trainer_fit(s.trainer, err);
        hone_status told = status;
        if (status == HONE_OK || status == HONE_CANCELLED)
            told = hone_json_print(history, hone_trainer_history(s.trainer), 0, false, status ? NULL : err);
        if (status == HONE_OK) status = told;
        if (status == HONE_OK)
            status = hone_model_set_record(model, "history", hone_value_copy(hone_trainer_history(s.trainer)), err);
    }
    release(&s);
    return status;
}

/* ---- an evaluation --------------------------------------------------------------------------------------------- */

static hone_status print_evaluation(const hone_evaluation *e, char **result, hone_error *err) {
    hone_value *value = hone_value_object();
    hone_value_set_integer(value, "samples", (int64_t)e->samples);
    for (size_t i = 0; i < e->logs.count; i++) hone_value_set_real(value, e->logs.keys[i], e->logs.values[i]);
    hone_value_set_real(value, "accuracy", e->accuracy);
    hone_value_set_real(value, "accuracy_low", e->accuracy_low);
    hone_value_set_real(value, "accuracy_high", e->accuracy_high);
    hone_status status = hone_value_failed(value) ? hone__fail_memory(err, 0, "an evaluation")
                                                  : hone_json_print(result, value, 0, false, err);
    hone_value_free(value);
    return status;
}

static hone_status evaluate(session *s, const unsigned char *pixels, const float *inputs, const int32_t *labels,
                            size_t samples, hone_threads *threads, char **result, hone_error *err) {
    static const char *const known[] = {"loss", "metrics", "batch_size"};
    hone_compiled compiled;
    hone_evaluation evaluation;
    hone_evaluate_config config = hone_evaluate_config_default();
    int64_t batch = (int64_t)config.batch_size;
    HONE_TRY(check_arguments(s->model, pixels, inputs, labels, samples, err));
    HONE_TRY(check_keys(s->options, known, sizeof known / sizeof known[0], err));
    HONE_TRY(hone__bind_compiled(s->options, &compiled, err));
    HONE_TRY(take_integer(s->options, "batch_size", 1, &batch, err));
    HONE_TRY(make_data(s, pixels, labels, samples, err));
    config.loss = compiled.loss;
    memcpy(config.metrics, compiled.metrics, sizeof config.metrics);
    config.metric_count = compiled.metric_count;
    config.batch_size = (size_t)batch;
    config.threads = threads;
    config.features = inputs;
    HONE_TRY(hone_evaluate(&evaluation, s->model, s->data, &config, err));
    return print_evaluation(&evaluation, result, err);
}

hone_status hone_bind_evaluate(hone_model *model, const unsigned char *pixels, const float *inputs,
                               const int32_t *labels, size_t samples, const char *options, hone_threads *threads,
                               char **result) {
    hone_error *err = hone__bind_error();
    session s = {.model = model};
    *result = NULL;
    HONE_TRY(hone__bind_parse(&s.options, options, err));
    hone_status status = evaluate(&s, pixels, inputs, labels, samples, threads, result, err);
    release(&s);
    return status;
}
