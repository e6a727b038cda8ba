/* SPDX-License-Identifier: Apache-2.0
 *
 * The learning-rate range test (Smith, "Cyclical learning rates for training neural networks", 2017).
 *
 * One idea: the trainer is the ordinary one, on a copy of the model; a callback reads each batch's loss and sets the next
 * rate. So whatever trains (optimizer, augmentation, class weights) is what is tested. */
#include "search_internal.h"

#include <math.h>
#include <string.h>

static const double SMOOTHING = 0.9; /* of the exponential mean: about ten batches */
static const double DIVERGED = 2;    /* times the lowest smoothed loss */

enum { MOST_STEPS = 100000, WARM_UP = 5 /* batches before the mean says anything */ };

hone_rate_config hone_rate_config_default(void) {
    return (hone_rate_config){.least = 1e-6, .most = 1, .steps = 100};
}

void hone_rate_curve_release(hone_rate_curve *curve) {
    hone__free(curve->points);
    *curve = (hone_rate_curve){0};
}

/* ---- the sweep ---------------------------------------------------------------------------------------------------- */

typedef struct sweep {
    const hone_rate_config *config;
    hone_rate_curve *curve;
    size_t batch_size, samples;
    double sum; /* of the losses of the epoch so far: logs hold running means */
    double mean, lowest;
    bool cancelled, ended;
} sweep;

static double rate_of(const hone_rate_config *c, size_t step) {
    double share = c->steps > 1 ? (double)step / (double)(c->steps - 1) : 0;
    return c->least * pow(c->most / c->least, share);
}

static hone_status on_batch_end(void *context, hone_trainer *trainer, int64_t step, int64_t steps,
                                const hone_logs *logs, hone_error *err) {
    sweep *s = context;
    hone_rate_curve *curve = s->curve;
    double mean = NAN;
    (void)steps, (void)err;
    if (s->ended) return HONE_OK; /* cancelled, but not yet stopped */
    hone_logs_get(logs, "loss", &mean);
    size_t seen = (size_t)step * s->batch_size, batch = s->batch_size;
    if (seen > s->samples) batch -= seen - s->samples, seen = s->samples;
    if (step == 1) s->sum = 0;
    double loss = (mean * (double)seen - s->sum) / (double)batch;
    s->sum = mean * (double)seen;

    size_t at = curve->count;
    s->mean = SMOOTHING * s->mean + (1 - SMOOTHING) * loss;
    double smoothed = s->mean / (1 - pow(SMOOTHING, (double)at + 1));
    double rate = rate_of(s->config, at);
    if (isfinite(smoothed)) {
        curve->points[curve->count++] = (hone_rate_point){rate, loss, smoothed};
        if (at < WARM_UP || smoothed < s->lowest) s->lowest = smoothed;
    }
    bool diverged = !isfinite(smoothed) || (at > WARM_UP && smoothed > DIVERGED * s->lowest);
    if (diverged) curve->diverged = rate;
    s->cancelled = s->config->keep_going && !s->config->keep_going(s->config->context);
    s->ended = diverged || s->cancelled || curve->count == (size_t)s->config->steps;
    if (s->ended)
        hone_trainer_cancel(trainer);
    else
        hone_trainer_set_learning_rate(trainer, rate_of(s->config, curve->count));
    return HONE_OK;
}

static hone_status run(sweep *s, hone_model *model, const hone_dataset *data, const hone_fit_config *config,
                       hone_error *err) {
    hone_fit_config fit = *config;
    hone_split split = hone__training_only(config);
    fit.split = config->split ? &split : NULL;
    fit.epochs = MOST_STEPS; /* at least a step each */
    fit.schedule = hone_schedule_default(HONE_SCHEDULE_CONSTANT);
    fit.optimizer.learning_rate = s->config->least;
    fit.metric_count = 0;
    s->batch_size = fit.batch_size;
    s->samples = config->split ? split.train_count : hone_dataset_samples(data);
    hone_trainer *trainer;
    hone_callback callback = {.context = s, .on_batch_end = on_batch_end, .name = "learning_rate"};
    HONE_TRY(hone_trainer_create(&trainer, model, data, &fit, err));
    hone_status status = hone_trainer_add_callback(trainer, &callback, err);
    hone_error ended = {0}; /* being stopped is how it ends */
    if (status == HONE_OK) {
        status = hone_trainer_fit(trainer, &ended);
        if (status == HONE_CANCELLED && s->ended) status = HONE_OK;
        if (status != HONE_OK) status = hone__fail(err, status, "%s", ended.message);
    }
    hone_trainer_free(trainer);
    if (status == HONE_OK && s->cancelled) HONE_FAIL(err, HONE_CANCELLED, "the search for a learning rate was stopped");
    return status;
}

/* ---- what it says ------------------------------------------------------------------------------------------------- */

static hone_status conclude(hone_rate_curve *curve, hone_error *err) {
    size_t lowest = WARM_UP, steepest = WARM_UP;
    if (curve->count <= WARM_UP + 1)
        HONE_FAIL(err, HONE_NUMERIC, "the loss is no number, or grows, from the smallest learning rates on");
    for (size_t i = WARM_UP; i < curve->count; i++)
        if (curve->points[i].smoothed < curve->points[lowest].smoothed) lowest = i;
    double most = 0;
    for (size_t i = WARM_UP; i < lowest; i++) {
        double fall = curve->points[i].smoothed - curve->points[i + 1].smoothed; /* rates grow by the same factor */
        if (fall > most) most = fall, steepest = i;
    }
    curve->lowest = curve->points[lowest].rate;
    curve->steepest = curve->points[steepest].rate;
    curve->suggested = curve->lowest / 10;
    return HONE_OK;
}

static hone_status check(const hone_rate_config *c, const hone_model *model, hone_error *err) {
    if (!hone_model_is_built(model)) HONE_FAIL(err, HONE_ARGUMENT, "model '%s' is not built", hone_model_name(model));
    if (!(c->least > 0) || !(c->most > c->least) || !isfinite(c->most))
        HONE_FAIL(err, HONE_ARGUMENT, "learning rates from %g to %g, expected from above 0 upwards", c->least, c->most);
    if (c->steps < 2 * WARM_UP || c->steps > MOST_STEPS)
        HONE_FAIL(err, HONE_ARGUMENT, "a sweep of %d steps, expected %d to %d", c->steps, 2 * WARM_UP, MOST_STEPS);
    return HONE_OK;
}

hone_status hone_find_learning_rate(hone_rate_curve *out, const hone_model *model, const hone_dataset *data,
                                    const hone_fit_config *fit, const hone_rate_config *config, hone_error *err) {
    const hone_rate_config normal = hone_rate_config_default();
    hone_model *copy = NULL;
    *out = (hone_rate_curve){0};
    if (!config) config = &normal;
    HONE_TRY(check(config, model, err));
    sweep s = {.config = config, .curve = out};
    out->points = hone__alloc((size_t)config->steps, sizeof *out->points);
    hone_status status =
        out->points ? HONE_OK : hone__fail_memory(err, (size_t)config->steps * sizeof *out->points, "a curve");
    if (status == HONE_OK) status = hone_model_copy(&copy, model, err);
    if (status == HONE_OK) status = run(&s, copy, data, fit, err);
    if (status == HONE_OK) status = conclude(out, err);
    hone_model_free(copy);
    if (status != HONE_OK) hone_rate_curve_release(out);
    return status;
}
