/* SPDX-License-Identifier: Apache-2.0
 *
 * The training loop: epochs, steps, validation, callbacks, history. Start reading at hone_trainer_fit.
 *
 * One idea: where training is, is a handful of numbers (epoch, step, iterations, running sums) that change only between
 * steps. So it can stop after any step, be saved, and go on as if nothing had been: the order of an epoch's samples and
 * the draws of dropout are pure functions of the seed and those numbers. */
#include "train_internal.h"

#include <math.h>
#include <string.h>

/* ---- a step ---------------------------------------------------------------------------------------------------- */

void hone__trainer_order(hone_trainer *t, int epoch) {
    if (t->ordered_epoch == epoch) return;
    for (size_t i = 0; i < t->train_count; i++) t->order[i] = t->train ? t->train[i] : (uint32_t)i;
    if (t->config.shuffle) {
        hone__rng rng;
        hone__rng_init(&rng, t->config.seed, HONE_STREAM_SHUFFLE, (uint64_t)epoch);
        hone__rng_shuffle(&rng, t->order, t->train_count);
    }
    t->ordered_epoch = epoch;
}

/* Losses and gradients times the weights of the samples' classes, and times their share in mixed pictures: shares, or
 * with rest what is left of 1. */
static void weigh(const hone_trainer *t, size_t count, const int32_t *labels, const float *shares, bool rest,
                  float *losses, float *d) {
    size_t c = t->objective.outputs;
    if (!t->config.class_weight && !shares) return;
    for (size_t i = 0; i < count; i++) {
        float weight = t->config.class_weight ? t->config.class_weight[labels[i]] : 1;
        if (shares) weight *= rest ? 1 - shares[i] : shares[i];
        losses[i] *= weight;
        t->objective.kernels->scale(c, weight, d + i * c);
    }
}

/* What the second labels of mixed pictures ask for, added. Metrics have seen the first, which have the larger share, as
 * Keras' take the largest entry of a soft label. */
static void add_mixed(const hone_trainer *t, size_t first, size_t count, const float *outputs, float *losses,
                      float *d) {
    size_t c = t->objective.outputs;
    float *more = t->mix_losses + first, *more_d = t->mix_d + first * c;
    hone__tally unused = {0};
    hone__objective_rows(&t->objective, count, outputs, t->mix_labels + first, more, more_d, NULL, &unused);
    weigh(t, count, t->mix_labels + first, t->mix_shares + first, true, more, more_d);
    for (size_t i = 0; i < count; i++) losses[i] += more[i];
    t->objective.kernels->add(count * c, more_d, d);
}

/* Called by the plan on the worker of these samples. Metrics are not weighted, as Keras' `metrics` are not. */
static void shard_loss(void *context, int worker, size_t slot, size_t first, size_t count, const float *outputs,
                       float *d) {
    hone_trainer *t = context;
    (void)worker;
    const int32_t *labels = t->labels + first;
    float *losses = t->losses + first, *probabilities = t->probabilities;
    if (probabilities) probabilities += ((t->objective.has_auc ? t->first : 0) + first) * t->objective.outputs;
    hone__objective_rows(&t->objective, count, outputs, labels, losses, d, probabilities, &t->tallies[slot]);
    weigh(t, count, labels, t->mix_shares ? t->mix_shares + first : NULL, false, losses, d);
    if (t->mix_shares) add_mixed(t, first, count, outputs, losses, d);
}

static bool all_finite(const float *x, size_t n) {
    for (size_t i = 0; i < n; i++)
        if (!isfinite(x[i])) return false;
    return true;
}

/* Names the first layer that is to blame for a loss that is no number, before the update spreads it to all of them. */
static void find_nonfinite(hone_trainer *t, size_t n) {
    const hone_model *model = t->model;
    char *text = t->nonfinite;
    size_t size = sizeof t->nonfinite;
    for (size_t i = 0; i < model->weight_count; i++) {
        const hone__weight *w = &model->weights[i];
        if (all_finite(model->data + w->offset, w->size)) continue;
        snprintf(text, size, "weight '%s' of layer '%s' is not finite (the step before was too large)", w->name,
                 model->layers[w->layer]->name);
        return;
    }
    bool in_gradient = false;
    if (t->rows) {
        snprintf(text, size, "the loss is not finite, though every weight is");
        return;
    }
    int layer = hone__plan_find_nonfinite(t->plan, t->pixels, n, (uint64_t)t->iterations, &in_gradient);
    if (layer < 0 || (size_t)layer >= model->layer_count)
        snprintf(text, size, "the loss is not finite, though every layer's output is");
    else
        snprintf(text, size, "the %s of layer '%s' is not finite", in_gradient ? "gradient" : "output",
                 model->layers[layer]->name);
}

/* Only a picture that is not in memory can be unreadable. The step goes on with what is in its place; its update will not
 * be made. */
static void note_unreadable(hone_trainer *t, size_t sample) {
    size_t before = atomic_load(&t->unreadable);
    while (sample < before && !atomic_compare_exchange_weak(&t->unreadable, &before, sample)) continue;
}

static void make_variant(hone_trainer *t, int worker, uint32_t sample, unsigned char *out) {
    const unsigned char *picture =
        hone__dataset_view(t->data, sample, t->fetched ? t->fetched + (size_t)worker * t->image_size : NULL, NULL);
    if (!picture) {
        note_unreadable(t, sample);
        return;
    }
    hone_augmentation_apply(t->config.augmentation, t->config.seed, (uint64_t)t->epoch, sample, picture,
                            hone_dataset_height(t->data), hone_dataset_width(t->data), hone_dataset_channels(t->data),
                            out, t->augment_scratch + (size_t)worker * t->augment_scratch_size);
}

static uint32_t partner_of(const hone_trainer *t, uint32_t sample) {
    size_t partner =
        hone_augmentation_partner(t->config.augmentation, t->config.seed, (uint64_t)t->epoch, sample, t->train_count);
    return t->train ? t->train[partner] : (uint32_t)partner;
}

/* The i-th picture of the batch gets its partner mixed in, and a second label; the larger share's comes first. */
static void mix_in(hone_trainer *t, int worker, size_t i, uint32_t sample) {
    const hone_augmentation *a = t->config.augmentation;
    uint64_t seed = t->config.seed, epoch = (uint64_t)t->epoch;
    unsigned char *other = t->partners + (size_t)worker * t->image_size;
    uint32_t other_sample = partner_of(t, sample);
    make_variant(t, worker, other_sample, other);
    double share =
        hone_augmentation_mix(a, seed, epoch, sample, other, hone_dataset_height(t->data), hone_dataset_width(t->data),
                              hone_dataset_channels(t->data), t->pixels + i * t->image_size);
    t->mix_labels[i] = hone_dataset_labels(t->data)[other_sample];
    t->mix_shares[i] = (float)share;
    if (share < 0.5) {
        int32_t own = t->labels[i];
        t->labels[i] = t->mix_labels[i];
        t->mix_labels[i] = own;
        t->mix_shares[i] = (float)(1 - share);
    }
}

/* How far the reading of pictures that are on the disk is ahead of training; a batch at least. */
enum { AHEAD_BYTES = 16 << 20 };

static void expect_samples(const hone_trainer *t, size_t first, size_t count) {
    hone__dataset_expect(t->data, t->order + first, 0, count);
    for (size_t i = first; t->partners && i < first + count; i++) {
        uint32_t partner = partner_of(t, t->order[i]);
        hone__dataset_expect(t->data, &partner, 0, 1);
    }
}

/* Before the first step of an epoch, or of what was resumed: from then on each picture that is read asks for the one
 * that is so many places further on, on the worker that reads. */
static void expect_first(hone_trainer *t) {
    size_t left = t->train_count - t->first;
    if (t->expecting_epoch == t->epoch || !hone__dataset_is_fetched(t->data)) return;
    t->ahead = AHEAD_BYTES / t->image_size;
    if (t->ahead < t->batch_size) t->ahead = t->batch_size;
    expect_samples(t, t->first, left < t->ahead ? left : t->ahead);
    t->expecting_epoch = t->epoch;
}

/* Called by the plan on the worker that reads these pictures next. A variant is a function of the seed, the epoch and
 * the sample, so it matters to nobody which worker makes it. */
static void fill_pixels(void *context, int worker, size_t first, size_t count) {
    hone_trainer *t = context;
    for (size_t i = first; i < first + count; i++) {
        uint32_t sample = t->order[t->first + i];
        unsigned char *out = t->pixels + i * t->image_size;
        if (t->ahead && t->first + i + t->ahead < t->train_count) expect_samples(t, t->first + i + t->ahead, 1);
        if (t->config.augmentation)
            make_variant(t, worker, sample, out);
        else if (hone_dataset_fetch(t->data, sample, out, NULL) != HONE_OK)
            note_unreadable(t, sample);
        if (t->partners) mix_in(t, worker, i, sample);
    }
}

/* What was met on a worker, in words. */
static hone_status find_unreadable(hone_trainer *t, hone_error *err) {
    size_t sample = atomic_load(&t->unreadable);
    if (sample == SIZE_MAX) return HONE_OK;
    HONE_TRY(hone_dataset_fetch(t->data, sample, t->pixels, err));
    HONE_FAIL(err, HONE_MEMORY, "there was no memory to read sample %zu", sample);
}

static hone_status run_step(hone_trainer *t, hone_error *err) {
    double start = hone__seconds();
    if (t->began < 0) t->began = start;
    const int32_t *labels = hone_dataset_labels(t->data);
    t->first = (size_t)t->step * t->batch_size;
    size_t left = t->train_count - t->first, n = left < t->batch_size ? left : t->batch_size;
    for (size_t i = 0; i < n; i++) t->labels[i] = labels[t->order[t->first + i]];
    expect_first(t);
    atomic_store(&t->unreadable, SIZE_MAX);

    memset(t->tallies, 0, t->max_slots * sizeof *t->tallies);
    if (t->rows) {
        hone__gather_rows(t->config.features, t->row_size, t->order + t->first, n, t->rows);
        hone__plan_step_float(t->plan, t->rows, n, (uint64_t)t->iterations, shard_loss, t);
    } else {
        hone__plan_step_filled(t->plan, t->pixels, n, (uint64_t)t->iterations, fill_pixels, shard_loss, t);
        HONE_TRY(find_unreadable(t, err));
    }
    size_t shards = hone__plan_shards(t->plan);
    for (size_t s = 0; s < shards; s++) t->gradients[s] = hone__plan_gradient(t->plan, s);
    for (size_t s = 0; s < t->max_slots; s++) hone__tally_add(&t->sums.tally, &t->tallies[s]);
    /* Added in the order of the samples: the same for any cut into shards. */
    double loss = 0;
    for (size_t i = 0; i < n; i++) loss += t->losses[i];
    loss += hone__plan_activity_loss(t->plan);
    if (t->watch_nonfinite && !isfinite(loss))
        find_nonfinite(t, n); /* and no update: the weights stay as they were when all was well */
    else
        loss += (double)n *
                hone__updater_step(t->updater, t->gradients, shards, n, hone_trainer_learning_rate(t), t->iterations);
    t->sums.loss += loss;
    t->sums.samples += n;
    t->iterations++;
    t->step++;

    double end = hone__seconds();
    t->step_seconds += end - start;
    t->seconds = t->seconds_before + (end - t->began);
    t->images += n;
    return HONE_OK;
}

/* ---- an epoch -------------------------------------------------------------------------------------------------- */

static hone_status cancelled(const hone_trainer *t, hone_error *err) {
    HONE_FAIL(err, HONE_CANCELLED, "training was stopped after step %lld of %lld of epoch %d", (long long)t->step,
              (long long)t->steps, t->epoch + 1);
}

/* Every callback hears of the step or epoch, even when one before it has failed: their states stay in step. The first
 * failure counts. */
static hone_status worse(hone_status sum, hone_status status) {
    return sum != HONE_OK ? sum : status;
}

static hone_status tell_batch_end(hone_trainer *t, hone_error *err) {
    hone_logs logs = {0};
    hone__objective_logs(&t->objective, &t->sums, false, true, 0, &logs);
    hone_status status = HONE_OK;
    for (size_t i = 0; i < t->callback_count; i++) {
        const hone_callback *c = &t->callbacks[i];
        if (c->on_batch_end)
            status = worse(status, c->on_batch_end(c->context, t, t->step, t->steps, &logs, status ? NULL : err));
    }
    return status;
}

hone_status hone__trainer_add_column(hone_trainer *t, const char *key, hone_error *err) {
    size_t column = hone_value_count(t->history);
    if (column == HONE_MAX_LOGS) HONE_FAIL(err, HONE_LIMIT, "the history has more than %d keys", HONE_MAX_LOGS);
    hone_value *list = hone_value_list();
    if (hone_value_set(t->history, key, list) != HONE_OK) return hone__fail_memory(err, strlen(key), "the history");
    t->columns[column] = list;
    return HONE_OK;
}

static hone_status add_to_history(hone_trainer *t, const hone_logs *logs, hone_error *err) {
    for (size_t i = 0; i < logs->count; i++) {
        size_t column = 0, columns = hone_value_count(t->history);
        while (column < columns && strcmp(hone_value_key_at(t->history, column), logs->keys[i]) != 0) column++;
        if (column == columns) HONE_TRY(hone__trainer_add_column(t, logs->keys[i], err));
        if (hone_value_append(t->columns[column], hone_value_real(logs->values[i])) != HONE_OK)
            return hone__fail_memory(err, sizeof(double), "the history");
    }
    return HONE_OK;
}

/* Validation, callbacks, history: what comes after an epoch's last step. */
static hone_status finish_epoch(hone_trainer *t, hone_error *err) {
    hone_logs logs = {0};
    double auc = 0;
    if (t->objective.has_auc)
        auc = hone__auc(t->probabilities, hone_dataset_labels(t->data), t->order, t->train_count, t->objective.outputs,
                        t->auc_keys);
    hone__objective_logs(&t->objective, &t->sums, false, false, auc, &logs);
    hone__sums sums;
    hone_status status = HONE_OK;
    if (t->validation) status = hone__evaluator_run(t->validation, true, &t->cancel, &logs, &sums, err);
    if (status != HONE_OK) return status == HONE_CANCELLED ? cancelled(t, err) : status;

    int epoch = t->epoch;
    for (size_t i = 0; i < t->callback_count; i++) {
        const hone_callback *c = &t->callbacks[i];
        if (c->on_epoch_end) status = worse(status, c->on_epoch_end(c->context, t, epoch, &logs, status ? NULL : err));
    }
    status = worse(status, add_to_history(t, &logs, status ? NULL : err));
    t->epoch++;
    t->step = 0;
    t->sums = (hone__sums){0};
    for (size_t i = 0; i < t->callback_count; i++) {
        const hone_callback *c = &t->callbacks[i];
        if (c->after_epoch) status = worse(status, c->after_epoch(c->context, t, epoch, status ? NULL : err));
    }
    return status;
}

static hone_status run_epoch(hone_trainer *t, hone_error *err) {
    hone__trainer_order(t, t->epoch);
    for (size_t i = 0; i < t->callback_count; i++) {
        const hone_callback *c = &t->callbacks[i];
        if (c->on_epoch_begin) HONE_TRY(c->on_epoch_begin(c->context, t, t->epoch, err));
    }
    while (t->step < t->steps) {
        if (atomic_load(&t->cancel)) return cancelled(t, err);
        HONE_TRY(run_step(t, err));
        HONE_TRY(tell_batch_end(t, err));
    }
    if (atomic_load(&t->cancel)) return cancelled(t, err);
    return finish_epoch(t, err);
}

/* ---- fit ------------------------------------------------------------------------------------------------------- */

hone_status hone_trainer_fit(hone_trainer *t, hone_error *err) {
    t->stop = false;
    t->seconds_before = t->seconds;
    t->began = -1;
    t->nonfinite[0] = '\0';

    hone_status status = HONE_OK;
    size_t begun = 0;
    while (status == HONE_OK && begun < t->callback_count) {
        const hone_callback *c = &t->callbacks[begun++];
        if (c->on_train_begin) status = c->on_train_begin(c->context, t, err);
    }
    while (status == HONE_OK && t->epoch < t->config.epochs && !t->stop) status = run_epoch(t, err);
    for (size_t i = 0; i < begun; i++) {
        const hone_callback *c = &t->callbacks[i];
        if (c->on_train_end) c->on_train_end(c->context, t, status);
    }
    if (status == HONE_CANCELLED) atomic_store(&t->cancel, 0);
    return status;
}
