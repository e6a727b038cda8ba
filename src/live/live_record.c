/* SPDX-License-Identifier: Apache-2.0
 *
 * What training tells becomes numbers to show. Curves within epochs have a fixed number of points: when they are full
 * every second one goes and the pause between two doubles, so a page shows ten seconds and ten days alike. */
#include "live_internal.h"

#include <math.h>
#include <string.h>

static const double first_pause = 0.1; /* seconds between two points */

/* Whether a running mean of the epoch can be taken apart into the means of its pieces. */
static bool is_mean(const char *key) {
    return strcmp(key, "loss") == 0 || strstr(key, "accuracy") != NULL;
}

/* The number of key, which is added where it is new and there is room; SIZE_MAX where there is none. */
static size_t key_number(hone__live_keys *keys, size_t most, const char *key) {
    for (size_t i = 0; i < keys->count; i++)
        if (strcmp(keys->names[i], key) == 0) return i;
    if (keys->count == most || strlen(key) >= HONE_LIVE_KEY) return SIZE_MAX;
    snprintf(keys->names[keys->count], HONE_LIVE_KEY, "%s", key);
    return keys->count++;
}

/* ---- epochs ------------------------------------------------------------------------------------------------------ */

static hone__live_epoch *add_epoch(hone__live_record *r, int number, double rate) {
    if (r->history_count == HONE_LIVE_EPOCHS) {
        memmove(r->history, r->history + 1, (HONE_LIVE_EPOCHS - 1) * sizeof *r->history);
        r->history_count--;
    }
    hone__live_epoch *e = &r->history[r->history_count++];
    e->epoch = number;
    e->rate = rate;
    for (size_t i = 0; i < HONE_MAX_LOGS; i++) e->values[i] = NAN;
    return e;
}

static void set_value(hone__live_record *r, hone__live_epoch *e, const char *key, double value) {
    size_t i = key_number(&r->epoch_keys, HONE_MAX_LOGS, key);
    if (i != SIZE_MAX) e->values[i] = (float)value;
}

/* A resumed training has a past. */
static void take_history(hone__live_record *r, const hone_value *history) {
    int done = r->epoch, first = done > HONE_LIVE_EPOCHS ? done - HONE_LIVE_EPOCHS : 0;
    for (int number = first; number < done; number++) {
        hone__live_epoch *e = add_epoch(r, number + 1, NAN);
        for (size_t i = 0; i < hone_value_count(history); i++) {
            const hone_value *list = hone_value_at(history, i);
            const char *key = hone_value_key_at(history, i);
            double value;
            /* A column that came later is shorter. */
            size_t missing = (size_t)done - hone_value_count(list);
            if ((size_t)number < missing || !hone_value_as_real(hone_value_at(list, (size_t)number - missing), &value))
                continue;
            set_value(r, e, key, value);
            if (strcmp(key, "learning_rate") == 0) e->rate = value;
        }
    }
}

void hone__live_begin(hone__live_record *r, const hone_trainer *trainer, double now) {
    const hone_fit_config *config = hone_trainer_config(trainer);
    r->phase = HONE_LIVE_TRAINING;
    r->epochs = config->epochs;
    r->epoch = hone_trainer_epoch(trainer);
    r->batch_size = config->batch_size;
    r->samples = config->split ? config->split->train_count : 0;
    r->validation_samples = config->split ? config->split->validation_count : 0;
    r->rate = hone_trainer_learning_rate(trainer);
    r->began = r->now = r->last_point = now;
    r->point_seconds = first_pause;
    r->history_count = 0;
    take_history(r, hone_trainer_history(trainer));
}

void hone__live_begin_epoch(hone__live_record *r, int epoch) {
    r->epoch = epoch;
    r->step = 0;
    r->last_step = -1;
}

void hone__live_end_epoch(hone__live_record *r, int epoch, const hone_logs *logs, double rate) {
    hone__live_epoch *e = add_epoch(r, epoch + 1, rate);
    for (size_t i = 0; i < logs->count; i++) set_value(r, e, logs->keys[i], logs->values[i]);
    r->epoch = epoch + 1;
    r->step = 0;
    r->last_step = -1;
}

/* ---- steps ------------------------------------------------------------------------------------------------------- */

/* Every second point stays. */
static void thin(hone__live_record *r) {
    for (size_t i = 1; i < r->point_count; i += 2) r->points[i / 2] = r->points[i];
    r->point_count /= 2;
    r->point_seconds *= 2;
    r->generation++;
}

static void remember(hone__live_record *r, int64_t step, const hone_logs *logs) {
    r->last_step = step;
    for (size_t i = 0; i < logs->count; i++) {
        size_t k = key_number(&r->batch_keys, HONE_MAX_METRICS + 1, logs->keys[i]);
        if (k != SIZE_MAX) r->last_means[k] = logs->values[i];
    }
}

static void add_point(hone__live_record *r, int64_t step, int64_t steps, const hone_logs *logs, double rate) {
    if (r->point_count == HONE_LIVE_POINTS) thin(r);
    hone__live_point *p = &r->points[r->point_count++];
    p->epoch = r->epoch + (double)step / (double)steps;
    p->rate = rate;
    for (size_t i = 0; i <= HONE_MAX_METRICS; i++) p->values[i] = NAN;
    for (size_t i = 0; i < logs->count; i++) {
        size_t k = key_number(&r->batch_keys, HONE_MAX_METRICS + 1, logs->keys[i]);
        if (k == SIZE_MAX) continue;
        double value = logs->values[i];
        if (is_mean(logs->keys[i]))
            value = (value * (double)step - r->last_means[k] * (double)r->last_step) / (double)(step - r->last_step);
        p->values[k] = (float)value;
    }
}

void hone__live_step(hone__live_record *r, int64_t step, int64_t steps, const hone_logs *logs, double rate,
                     double now) {
    if (r->steps_done == 0) /* what is left of this epoch, and the others */
        r->steps_total = (int64_t)(r->epochs - r->epoch) * steps - (step - 1);
    r->steps_done++;
    r->iterations++;
    r->step = step;
    r->steps = steps;
    r->rate = rate;
    r->now = now;
    if (r->last_step < 0 && step == 1) {
        /* Before an epoch's first step its sums are zero. A resumed epoch begins with sums that are not known. */
        r->last_step = 0;
        memset(r->last_means, 0, sizeof r->last_means);
    }
    /* The last batch of an epoch may be short, which would spoil the difference of two means. */
    if (step == steps || (r->last_step >= 0 && now - r->last_point < r->point_seconds)) return;
    if (r->last_step >= 0) add_point(r, step, steps, logs, rate);
    remember(r, step, logs);
    r->last_point = now;
}

double hone__live_left(const hone__live_record *r) {
    if (r->steps_done == 0 || r->now <= r->began) return -1;
    int64_t left = r->steps_total - r->steps_done;
    return left > 0 ? (r->now - r->began) / (double)r->steps_done * (double)left : 0;
}
