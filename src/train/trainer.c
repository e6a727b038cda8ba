/* SPDX-License-Identifier: Apache-2.0
 *
 * The trainer as an object: what it is made of, and what may be asked of it. fit.c runs it, state.c saves it.
 *
 * One idea: create does all that can fail (checks data against model, makes plans, takes memory), so that a step of
 * training does neither, unless its pictures have to be fetched from a file. */
#include "train_internal.h"

#include <math.h>
#include <string.h>

hone_fit_config hone_fit_config_default(void) {
    hone_evaluate_config same = hone_evaluate_config_default();
    return (hone_fit_config){.loss = same.loss,
                             .optimizer = hone_optimizer_default(HONE_OPTIMIZER_ADAM),
                             .schedule = hone_schedule_default(HONE_SCHEDULE_CONSTANT),
                             .metrics = {{.kind = HONE_METRIC_ACCURACY}},
                             .metric_count = 1,
                             .epochs = 10,
                             .batch_size = 32,
                             .shuffle = true};
}

/* ---- creation -------------------------------------------------------------------------------------------------- */

static hone_status check_config(const hone_fit_config *c, const hone_dataset *data, hone_error *err) {
    if (c->epochs < 1) HONE_FAIL(err, HONE_ARGUMENT, "epochs is %d, expected at least 1", c->epochs);
    if (c->batch_size < 1) HONE_FAIL(err, HONE_ARGUMENT, "batch_size is 0, expected at least 1");
    HONE_TRY(hone__optimizer_check(&c->optimizer, err));
    HONE_TRY(hone__schedule_check(&c->schedule, err));
    if (c->features && c->augmentation)
        HONE_FAIL(err, HONE_ARGUMENT, "features were computed before, so pictures cannot be augmented");
    for (size_t i = 0; c->class_weight && i < hone_dataset_classes(data); i++)
        if (!(c->class_weight[i] >= 0) || !isfinite(c->class_weight[i]))
            HONE_FAIL(err, HONE_ARGUMENT, "class_weight of class '%s' is %g, expected 0 or more",
                      hone_dataset_class_name(data, i), c->class_weight[i]);
    return HONE_OK;
}

static hone_status create_plan(hone_trainer *t, hone_error *err) {
    hone_plan_config config = hone_plan_config_default();
    config.max_batch = t->batch_size;
    config.threads = t->config.threads;
    config.training = true;
    config.seed = t->config.seed;
    config.precision = t->config.precision;
    HONE_TRY(hone__objective_create_plan(&t->objective, &t->plan, t->model, &config, &t->config.loss, t->config.metrics,
                                         t->config.metric_count, err));
    t->max_shards = hone__plan_max_shards(t->plan);
    t->max_slots = hone__plan_max_slots(t->plan);
    return HONE_OK;
}

static hone_status create_validation(hone_trainer *t, hone_error *err) {
    const hone_fit_config *c = &t->config;
    if (!c->split || c->split->validation_count == 0) return HONE_OK;
    hone_evaluate_config config = {.loss = c->loss,
                                   .metric_count = c->metric_count,
                                   .batch_size = c->validation_batch_size,
                                   .threads = c->threads,
                                   .indices = c->split->validation,
                                   .index_count = c->split->validation_count,
                                   .precision = c->precision,
                                   .features = c->features};
    memcpy(config.metrics, c->metrics, sizeof config.metrics);
    if (config.batch_size == 0) config.batch_size = c->batch_size > 256 ? c->batch_size : 256;
    hone_status status = hone__evaluator_create(&t->validation, t->model, t->data, &config, err);
    return status == HONE_OK ? HONE_OK : hone__fail_context(err, status, "validation");
}

static hone_status create_updater(hone_trainer *t, hone_error *err) {
    const char *names[HONE__OPTIMIZER_SLOTS];
    float *arrays[HONE__OPTIMIZER_SLOTS] = {NULL};
    hone__optimizer_slots(&t->config.optimizer, names);
    for (int i = 0; i < HONE__OPTIMIZER_SLOTS; i++)
        if (names[i]) HONE_TRY(hone__trainer_add_slot(t, names[i], &arrays[i], err));
    HONE_TRY(hone__updater_create(&t->updater, t->model, &t->config.optimizer, arrays, t->config.threads, t->max_shards,
                                  err));
    return hone__updater_set_rules(t->updater, t->config.rules, t->config.lora, err);
}

static hone_status allocate(hone_trainer *t, hone_error *err) {
    size_t outputs = t->objective.outputs, scores, keys, features;
    size_t rows = t->objective.has_auc ? t->train_count : t->batch_size;
    t->image_size = (size_t)hone_dataset_height(t->data) * (size_t)hone_dataset_width(t->data) *
                    (size_t)hone_dataset_channels(t->data);
    if (!hone__multiply(rows, outputs, &scores) || !hone__multiply(t->train_count, 2, &keys))
        HONE_FAIL(err, HONE_LIMIT, "%zu samples of %zu outputs are too many", rows, outputs);
    bool ok = true;
    t->row_size = (size_t)hone_model_input_size(t->model);
    if (t->config.features) {
        if (!hone__multiply(t->batch_size, t->row_size, &features))
            HONE_FAIL(err, HONE_LIMIT, "a batch of %zu features of %zu numbers is too large", t->batch_size,
                      t->row_size);
        ok = (t->rows = hone__alloc(features, sizeof *t->rows)) != NULL;
    } else {
        ok = (t->pixels = hone__alloc(t->batch_size, t->image_size)) != NULL;
    }
    ok = ok && (t->labels = hone__alloc(t->batch_size, sizeof *t->labels)) != NULL;
    ok = ok && (t->losses = hone__alloc(t->batch_size, sizeof *t->losses)) != NULL;
    ok = ok && (t->tallies = hone__alloc(t->max_slots, sizeof *t->tallies)) != NULL;
    ok = ok && (t->gradients = hone__alloc(t->max_shards, sizeof *t->gradients)) != NULL;
    ok = ok && (t->order = hone__alloc(t->train_count, sizeof *t->order)) != NULL;
    ok = ok && (t->data_hash = hone__alloc(1, 65)) != NULL;
    ok = ok && (t->history = hone_value_object()) != NULL;
    if (ok && hone__objective_needs_probabilities(&t->objective))
        ok = (t->probabilities = hone__alloc(scores, sizeof *t->probabilities)) != NULL;
    if (ok && t->objective.has_auc) ok = (t->auc_keys = hone__alloc(keys, sizeof *t->auc_keys)) != NULL;
    if (ok && t->config.augmentation && hone__dataset_is_fetched(t->data))
        ok = (t->fetched = hone__alloc((size_t)hone_threads_count(t->config.threads), t->image_size)) != NULL;
    if (!ok) return hone__fail_memory(err, t->batch_size * t->image_size + t->train_count * 4, "training");
    return HONE_OK;
}

static hone_status allocate_augmentation(hone_trainer *t, hone_error *err) {
    if (!t->config.augmentation) return HONE_OK;
    size_t one, workers = (size_t)hone_threads_count(t->config.threads);
    HONE_TRY(hone_augmentation_scratch_size(t->config.augmentation, hone_dataset_height(t->data),
                                            hone_dataset_width(t->data), hone_dataset_channels(t->data), &one, err));
    t->augment_scratch_size = (one + HONE_ALIGNMENT - 1) / HONE_ALIGNMENT * HONE_ALIGNMENT;
    t->augment_scratch = hone__alloc(workers, t->augment_scratch_size);
    return t->augment_scratch ? HONE_OK : hone__fail_memory(err, workers * t->augment_scratch_size, "augmentation");
}

/* A mixed picture has two labels: what a loss or metric makes of two must mean something. */
static hone_status check_mixing(const hone_trainer *t, hone_error *err) {
    switch (t->config.loss.kind) {
    case HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY:
    case HONE_LOSS_CATEGORICAL_CROSSENTROPY:
    case HONE_LOSS_BINARY_CROSSENTROPY: break;
    case HONE_LOSS_MEAN_SQUARED_ERROR:
    case HONE_LOSS_MEAN_ABSOLUTE_ERROR:
    case HONE_LOSS_HUBER:
        HONE_FAIL(err, HONE_ARGUMENT, "mixup and cutmix go with a cross-entropy, not with '%s'",
                  hone_loss_name(t->config.loss.kind));
    }
    if (t->objective.has_auc)
        HONE_FAIL(err, HONE_ARGUMENT, "metric 'auc' needs pictures of one class each: no mixup, no cutmix");
    return HONE_OK;
}

static hone_status allocate_mixing(hone_trainer *t, hone_error *err) {
    if (!t->config.augmentation || !hone_augmentation_mixes(t->config.augmentation)) return HONE_OK;
    HONE_TRY(check_mixing(t, err));
    size_t workers = (size_t)hone_threads_count(t->config.threads), scores;
    if (!hone__multiply(t->batch_size, t->objective.outputs, &scores))
        HONE_FAIL(err, HONE_LIMIT, "%zu samples of %zu outputs are too many", t->batch_size, t->objective.outputs);
    bool ok = (t->partners = hone__alloc(workers, t->image_size)) != NULL;
    ok = ok && (t->mix_labels = hone__alloc(t->batch_size, sizeof *t->mix_labels)) != NULL;
    ok = ok && (t->mix_shares = hone__alloc(t->batch_size, sizeof *t->mix_shares)) != NULL;
    ok = ok && (t->mix_losses = hone__alloc(t->batch_size, sizeof *t->mix_losses)) != NULL;
    ok = ok && (t->mix_d = hone__alloc(scores, sizeof *t->mix_d)) != NULL;
    return ok ? HONE_OK : hone__fail_memory(err, scores * sizeof *t->mix_d, "augmentation");
}

static hone_status prepare(hone_trainer *t, hone_error *err) {
    HONE_TRY(check_config(&t->config, t->data, err));
    const hone_split *split = t->config.split;
    t->train = split ? split->train : NULL;
    t->train_count = split ? split->train_count : hone_dataset_samples(t->data);
    /* A plan of more than all samples would only take memory. */
    t->batch_size =
        t->config.batch_size < t->train_count || t->train_count == 0 ? t->config.batch_size : t->train_count;
    if (t->config.precision == HONE_PRECISION_MIXED_BFLOAT16) {
        HONE_TRY(hone_precision_check(t->config.precision, err));
        hone_model_set_precision(t->model, t->config.precision);
    }
    t->steps = (int64_t)(t->train_count / t->batch_size + (t->train_count % t->batch_size != 0));
    HONE_TRY(create_plan(t, err));
    HONE_TRY((t->config.features ? hone__check_labels : hone__check_data)(t->model, t->data, &t->config.loss, t->train,
                                                                          t->train_count, "the training data", err));
    HONE_TRY(create_validation(t, err));
    HONE_TRY(allocate(t, err));
    HONE_TRY(allocate_augmentation(t, err));
    HONE_TRY(allocate_mixing(t, err));
    HONE_TRY(create_updater(t, err));
    t->optimizer_slot_count = t->slot_count;
    return HONE_OK;
}

hone_status hone_trainer_create(hone_trainer **out, hone_model *model, const hone_dataset *data,
                                const hone_fit_config *config, hone_error *err) {
    *out = NULL;
    hone_trainer *t = hone__alloc(1, sizeof *t);
    if (!t) return hone__fail_memory(err, sizeof *t, "training");
    t->model = model;
    t->data = data;
    t->config = config ? *config : hone_fit_config_default();
    t->rate = t->config.optimizer.learning_rate;
    t->ordered_epoch = t->expecting_epoch = -1;
    atomic_init(&t->cancel, 0);
    hone_status status = prepare(t, err);
    if (status != HONE_OK) {
        hone_trainer_free(t);
        return status;
    }
    *out = t;
    return HONE_OK;
}

void hone_trainer_free(hone_trainer *t) {
    if (!t) return;
    for (size_t i = 0; i < t->callback_count; i++)
        if (t->callbacks[i].release) t->callbacks[i].release(t->callbacks[i].context);
    hone__updater_free(t->updater);
    hone__evaluator_free(t->validation);
    hone_plan_free(t->plan);
    for (size_t i = 0; i < t->slot_count; i++) {
        hone__free(t->slots[i].name);
        hone__free(t->slots[i].data);
    }
    hone_value_free(t->history);
    hone__free(t->pixels);
    hone__free(t->fetched);
    hone__free(t->rows);
    hone__free(t->augment_scratch);
    hone__free(t->partners);
    hone__free(t->mix_labels);
    hone__free(t->mix_shares);
    hone__free(t->mix_losses);
    hone__free(t->mix_d);
    hone__free(t->labels);
    hone__free(t->losses);
    hone__free(t->probabilities);
    hone__free(t->auc_keys);
    hone__free(t->tallies);
    hone__free(t->gradients);
    hone__free(t->order);
    hone__free(t->data_hash);
    hone__free(t);
}

hone_status hone_trainer_add_callback(hone_trainer *t, const hone_callback *callback, hone_error *err) {
    if (t->callback_count == HONE__MAX_CALLBACKS)
        HONE_FAIL(err, HONE_LIMIT, "a trainer takes at most %d callbacks", HONE__MAX_CALLBACKS);
    if (callback->on_attach) HONE_TRY(callback->on_attach(callback->context, t, err));
    t->callbacks[t->callback_count++] = *callback;
    return HONE_OK;
}

/* ---- slots ----------------------------------------------------------------------------------------------------- */

static bool has_slot(const hone_trainer *t, const char *name) {
    for (size_t i = 0; i < t->slot_count; i++)
        if (strcmp(t->slots[i].name, name) == 0) return true;
    return false;
}

hone_status hone__trainer_add_slot(hone_trainer *t, const char *name, float **data, hone_error *err) {
    if (t->slot_count == HONE__MAX_SLOTS)
        HONE_FAIL(err, HONE_LIMIT, "a trainer keeps at most %d arrays beside its weights", HONE__MAX_SLOTS);
    hone__slot slot = {0};
    /* A second EarlyStopping's weights are "best_weights_2". */
    slot.name = hone__strdup(name);
    for (int i = 2; slot.name && has_slot(t, slot.name); i++) {
        hone__free(slot.name);
        slot.name = hone__asprintf("%s_%d", name, i);
    }
    slot.data = hone__alloc(t->model->data_size, sizeof *slot.data);
    if (!slot.name || !slot.data) {
        hone__free(slot.name);
        hone__free(slot.data);
        return hone__fail_memory(err, t->model->data_size * sizeof *slot.data, name);
    }
    t->slots[t->slot_count++] = slot;
    *data = slot.data;
    return HONE_OK;
}

size_t hone_trainer_slot_count(const hone_trainer *t) {
    return t->slot_count;
}

float *hone_trainer_slot(const hone_trainer *t, size_t slot, size_t weight, const char **name) {
    if (slot >= t->slot_count || weight >= t->model->weight_count) return NULL;
    if (name) *name = t->slots[slot].name;
    return t->slots[slot].data + t->model->weights[weight].offset;
}

/* ---- looking and setting --------------------------------------------------------------------------------------- */

hone_model *hone_trainer_model(const hone_trainer *t) {
    return t->model;
}

const hone_fit_config *hone_trainer_config(const hone_trainer *t) {
    return &t->config;
}

double hone_trainer_learning_rate(const hone_trainer *t) {
    return hone_schedule_rate(&t->config.schedule, t->rate, t->iterations, t->config.epochs * t->steps);
}

void hone_trainer_set_learning_rate(hone_trainer *t, double rate) {
    double now = hone_schedule_rate(&t->config.schedule, 1.0, t->iterations, t->config.epochs * t->steps);
    t->rate = now > 0 ? rate / now : rate;
}

int64_t hone_trainer_iterations(const hone_trainer *t) {
    return t->iterations;
}

void hone_trainer_set_iterations(hone_trainer *t, int64_t iterations) {
    t->iterations = iterations > 0 ? iterations : 0;
}

int hone_trainer_epoch(const hone_trainer *t) {
    return t->epoch;
}

void hone_trainer_set_epochs(hone_trainer *t, int epochs) {
    t->config.epochs = epochs;
}

double hone_trainer_seconds(const hone_trainer *t) {
    return t->seconds;
}

double hone_trainer_images_per_second(const hone_trainer *t) {
    return t->step_seconds > 0 ? (double)t->images / t->step_seconds : 0;
}

const hone_value *hone_trainer_history(const hone_trainer *t) {
    return t->history;
}

void hone_trainer_cancel(hone_trainer *t) {
    atomic_store(&t->cancel, 1); /* an int: lock-free, so a signal handler may do it */
}

void hone_trainer_stop(hone_trainer *t) {
    t->stop = true;
}
