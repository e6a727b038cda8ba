/* SPDX-License-Identifier: Apache-2.0
 *
 * Successive halving over the candidates.
 *
 * One idea: a trial is an ordinary trainer that is stopped and goes on. A round gives each network that is left the same
 * share of time or the same steps; after it all are asked about the same pictures, and the better third goes on. */
#include "search_internal.h"

#include <hone/bench.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    FRACTION = 3,         /* one in so many goes on, for so many times as long */
    MOST_CANDIDATES = 64, /* names are asked for until there are no more */
    MOST_ASKED = 2000,    /* pictures that networks are compared on */
    FIRST_STEPS = 100,    /* of each network in the first round, without a clock */
    LEAST_STEPS = 20,     /* … with one: less says nothing */
    LATENCY_REPEATS = 30
};
static const double LEAST_SECONDS = 0.5; /* for a network in the first round: with less time, fewer are tried */
/* A network whose least steps would take a larger part of the time than this is left out. */
static const double MOST_OF_TIME = 0.125, STEP_OF_PICTURE = 3; /* forwards, and twice as much backwards */

typedef struct trial {
    char name[32];
    hone_model *model;
    hone_trainer *trainer; /* while it is in the race */
    int64_t parameters, memory;
    double latency, accuracy, loss;
    int rounds;
    bool is_alive, has_score;
    char outcome[160];
} trial;

typedef struct search {
    const hone_search_config *config;
    const hone_dataset *data;
    hone_shape input;
    int classes;
    hone_split training; /* without validation, which is done here */
    trial *trials;
    size_t count;
    uint32_t *asked; /* of what validates, evenly */
    size_t asked_count;
    double start;
    /* of the trial in training */
    double slice_end; /* by the clock; INFINITY: by steps */
    int64_t steps_left;
    bool is_cancelled, slice_ended;
} search;

hone_search_config hone_search_config_default(void) {
    return (hone_search_config){.seconds = 60, .fit = hone_fit_config_default()};
}

/* ---- candidates --------------------------------------------------------------------------------------------------- */

static hone_status measure(const search *s, trial *t, hone_error *err) {
    hone_profile_config config = hone_profile_config_default();
    hone_plan_config plan_config = hone_plan_config_default();
    hone_profile *profile;
    hone_plan *plan;
    for (size_t i = 0; i < hone_model_layer_count(t->model); i++) {
        hone_layer_info info;
        HONE_TRY(hone_model_layer_info(t->model, i, &info));
        t->parameters += info.parameters;
    }
    plan_config.max_batch = 1;
    plan_config.precision = config.precision = s->config->fit.precision;
    HONE_TRY(hone_plan_create(&plan, t->model, &plan_config, err));
    t->memory = t->parameters * (int64_t)sizeof(float) + (int64_t)hone_plan_memory(plan);
    hone_plan_free(plan);
    config.batch_size = 1;
    config.repeats = LATENCY_REPEATS;
    HONE_TRY(hone_profile_create(&profile, t->model, &config, err));
    t->latency = profile->seconds;
    hone_profile_free(profile);
    return HONE_OK;
}

/* For the fewest steps that say something. */
static double least_seconds(const search *s, const trial *t) {
    const hone_fit_config *fit = &s->config->fit;
    return LEAST_STEPS * (double)fit->batch_size * STEP_OF_PICTURE * t->latency / hone_threads_count(fit->threads);
}

/* Whether the limits let it in; the outcome says why not. */
static bool fits(const search *s, trial *t) {
    const hone_search_config *c = s->config;
    if (c->max_parameters > 0 && t->parameters > c->max_parameters)
        snprintf(t->outcome, sizeof t->outcome, "too many parameters");
    else if (c->max_memory > 0 && t->memory > c->max_memory)
        snprintf(t->outcome, sizeof t->outcome, "too much memory");
    else if (c->max_seconds > 0 && t->latency > c->max_seconds)
        snprintf(t->outcome, sizeof t->outcome, "too slow");
    else
        return true;
    return false;
}

static hone_value *row_of(const trial *t) {
    hone_value *row = hone_value_object();
    hone_value_set_string(row, "name", t->name);
    hone_value_set_integer(row, "parameters", t->parameters);
    hone_value_set_real(row, "latency", t->latency);
    hone_value_set_integer(row, "memory", t->memory);
    hone_value_set_integer(row, "rounds", t->rounds);
    hone_value_set_integer(row, "steps", t->trainer ? hone_trainer_iterations(t->trainer) : 0);
    if (t->has_score) {
        hone_value_set_real(row, "val_accuracy", t->accuracy);
        hone_value_set_real(row, "val_loss", t->loss);
    } else {
        hone_value_set_null(row, "val_accuracy");
        hone_value_set_null(row, "val_loss");
    }
    hone_value_set_string(row, "outcome", t->outcome);
    return row;
}

static void tell(const search *s, const trial *t) {
    if (!s->config->on_trial) return;
    hone_value *row = row_of(t);
    if (!hone_value_failed(row)) s->config->on_trial(s->config->context, row);
    hone_value_free(row);
}

static void leave_out(const search *s, trial *t) {
    t->is_alive = false;
    tell(s, t);
    hone_model_free(t->model);
    t->model = NULL;
}

/* A network that cannot be built for these pictures is left out, not an error; but without memory nothing goes on. */
static hone_status add_candidate(search *s, const char *name, hone_error *err) {
    trial *t = &s->trials[s->count];
    hone_error why = {0};
    snprintf(t->name, sizeof t->name, "%s", name);
    hone_status status = hone_candidate_create(&t->model, name, &s->input, s->classes, &why);
    if (status == HONE_OK && s->config->preprocessing) hone_model_set_preprocessing(t->model, s->config->preprocessing);
    if (status == HONE_OK) status = hone_model_build(t->model, s->config->fit.seed, &why);
    if (status == HONE_OK) status = measure(s, t, &why);
    s->count++;
    if (status == HONE_MEMORY) HONE_FAIL(err, HONE_MEMORY, "%s", why.message);
    if (status != HONE_OK) snprintf(t->outcome, sizeof t->outcome, "%.150s", why.message);
    if (status == HONE_OK && fits(s, t)) {
        t->is_alive = true;
        return HONE_OK;
    }
    leave_out(s, t);
    return HONE_OK;
}

static size_t count_alive(const search *s) {
    size_t alive = 0;
    for (size_t i = 0; i < s->count; i++) alive += s->trials[i].is_alive;
    return alive;
}

/* How many rounds until one is left. */
static int count_rounds(size_t alive) {
    int rounds = alive == 1; /* it is trained all the same */
    for (; alive > 1; alive = (alive + FRACTION - 1) / FRACTION) rounds++;
    return rounds;
}

/* What would take too much of the time is not tried; the fastest is in any case. */
static void leave_out_late(search *s) {
    const trial *fastest = NULL;
    for (size_t i = 0; i < s->count; i++)
        if (s->trials[i].is_alive && (!fastest || s->trials[i].latency < fastest->latency)) fastest = &s->trials[i];
    for (size_t i = 0; i < s->count; i++) {
        trial *t = &s->trials[i];
        if (!t->is_alive || t == fastest || least_seconds(s, t) <= MOST_OF_TIME * s->config->seconds) continue;
        snprintf(t->outcome, sizeof t->outcome, "too slow to be tried in this time");
        leave_out(s, t);
    }
}

static hone_status add_candidates(search *s, hone_error *err) {
    const hone_search_config *c = s->config;
    size_t most = c->trials > 0 && c->trials < MOST_CANDIDATES ? (size_t)c->trials : MOST_CANDIDATES, tried = 0;
    char name[32];
    s->trials = hone__alloc(MOST_CANDIDATES, sizeof *s->trials);
    if (!s->trials) return hone__fail_memory(err, MOST_CANDIDATES * sizeof *s->trials, "trials");
    for (size_t i = 0; tried < most && i < MOST_CANDIDATES; i++) {
        if (!hone_candidate_name(name, sizeof name, &s->input, i)) break;
        HONE_TRY(add_candidate(s, name, err));
        tried = count_alive(s);
        if (c->trials > 0 || c->seconds <= 0) continue;
        double first_round = c->seconds / count_rounds(tried + 1);
        if (first_round / (double)(tried + 1) < LEAST_SECONDS && tried >= FRACTION) break;
    }
    if (c->seconds > 0) leave_out_late(s);
    if (tried > 0) return HONE_OK;
    HONE_FAIL(err, HONE_NOT_FOUND,
              "the limits leave no network: the smallest that were looked at are too large or slow");
}

/* ---- one trial ---------------------------------------------------------------------------------------------------- */

static hone_status on_batch_end(void *context, hone_trainer *trainer, int64_t step, int64_t steps,
                                const hone_logs *logs, hone_error *err) {
    search *s = context;
    (void)step, (void)steps, (void)logs, (void)err;
    s->steps_left--;
    s->is_cancelled = s->config->keep_going && !s->config->keep_going(s->config->context);
    bool by_clock = isfinite(s->slice_end);
    bool is_over = by_clock ? s->steps_left <= 0 && hone__seconds() >= s->slice_end : s->steps_left <= 0;
    if (!is_over && !s->is_cancelled) return HONE_OK;
    s->slice_ended = true;
    hone_trainer_cancel(trainer);
    return HONE_OK;
}

static hone_status make_trainer(search *s, trial *t, hone_error *err) {
    hone_fit_config fit = s->config->fit;
    hone_callback callback = {.context = s, .on_batch_end = on_batch_end, .name = "search"}, nan;
    fit.split = &s->training;
    fit.epochs = 1 << 20;
    fit.schedule = hone_schedule_default(HONE_SCHEDULE_CONSTANT);
    fit.metric_count = 0;
    HONE_TRY(hone_trainer_create(&t->trainer, t->model, s->data, &fit, err));
    HONE_TRY(hone_callback_terminate_on_nan(&nan, err));
    HONE_TRY(hone_trainer_add_callback(t->trainer, &nan, err));
    return hone_trainer_add_callback(t->trainer, &callback, err);
}

static void give_up(search *s, trial *t, const char *why) {
    snprintf(t->outcome, sizeof t->outcome, "%.150s", why);
    t->is_alive = false;
    tell(s, t);
}

/* Trains it for its share of the round, and asks it. */
static hone_status run_trial(search *s, trial *t, double seconds, int64_t steps, hone_error *err) {
    hone_error why = {0};
    hone_evaluation evaluation;
    hone_evaluate_config config = hone_evaluate_config_default();
    if (!t->trainer) HONE_TRY(make_trainer(s, t, err));
    s->slice_end = seconds > 0 ? hone__seconds() + seconds : INFINITY;
    s->steps_left = steps;
    s->slice_ended = false;
    hone_status status = hone_trainer_fit(t->trainer, &why);
    if (status == HONE_NUMERIC) {
        give_up(s, t, why.message);
        return HONE_OK;
    }
    if (status != HONE_OK && !(status == HONE_CANCELLED && s->slice_ended))
        HONE_FAIL(err, status, "network '%s': %s", t->name, why.message);
    t->rounds++;
    config.loss = s->config->fit.loss;
    config.threads = s->config->fit.threads;
    config.precision = s->config->fit.precision;
    config.indices = s->asked;
    config.index_count = s->asked_count;
    HONE_TRY(hone_evaluate(&evaluation, t->model, s->data, &config, err));
    t->accuracy = evaluation.accuracy;
    if (!hone_logs_get(&evaluation.logs, "loss", &t->loss) || !isfinite(t->loss)) t->loss = INFINITY;
    t->has_score = true;
    if (s->is_cancelled) HONE_FAIL(err, HONE_CANCELLED, "the search was stopped");
    return HONE_OK;
}

/* ---- the rounds --------------------------------------------------------------------------------------------------- */

/* Those who came further first; then the better. */
static int by_worth(const void *a, const void *b) {
    const trial *x = a, *y = b;
    if (x->rounds != y->rounds) return y->rounds - x->rounds;
    if (x->has_score != y->has_score) return y->has_score - x->has_score;
    if (x->has_score && x->accuracy != y->accuracy) return x->accuracy < y->accuracy ? 1 : -1;
    if (x->has_score && x->loss != y->loss) return x->loss > y->loss ? 1 : -1;
    return strcmp(x->name, y->name); /* an order that is the same everywhere */
}

static void drop_worst(search *s, size_t keep) {
    qsort(s->trials, s->count, sizeof *s->trials, by_worth);
    for (size_t i = 0, kept = 0; i < s->count; i++) {
        trial *t = &s->trials[i];
        if (!t->is_alive || kept++ < keep) continue;
        t->is_alive = false;
        snprintf(t->outcome, sizeof t->outcome, "dropped");
        tell(s, t);
    }
}

static hone_status run_rounds(search *s, hone_error *err) {
    size_t alive = count_alive(s);
    int rounds = count_rounds(alive);
    int64_t steps = FIRST_STEPS;
    for (int round = 0; round < rounds && alive > 0; round++) {
        double left = s->config->seconds - (hone__seconds() - s->start);
        double share = s->config->seconds > 0 ? fmax(left, 0) / (rounds - round) / (double)alive : 0;
        for (size_t i = 0; i < s->count; i++) {
            if (!s->trials[i].is_alive) continue;
            double seconds = s->config->seconds > 0 ? fmax(share, 1e-3) : 0;
            HONE_TRY(run_trial(s, &s->trials[i], seconds, seconds > 0 ? LEAST_STEPS : steps, err));
        }
        alive = count_alive(s);
        drop_worst(s, (alive + FRACTION - 1) / FRACTION);
        alive = count_alive(s);
        steps *= FRACTION;
    }
    if (alive > 0) return HONE_OK;
    HONE_FAIL(err, HONE_NUMERIC,
              "no network could be trained: their losses are no numbers; a smaller learning rate "
              "may help");
}

/* ---- the whole ---------------------------------------------------------------------------------------------------- */

/* Evenly out of what validates, which may lie sorted. */
static hone_status choose_asked(search *s, hone_error *err) {
    const hone_split *split = s->config->fit.split;
    size_t count = split ? split->validation_count : 0;
    if (count == 0) HONE_FAIL(err, HONE_ARGUMENT, "nothing validates, so no network can be preferred to another");
    s->asked_count = count < MOST_ASKED ? count : MOST_ASKED;
    s->asked = hone__alloc(s->asked_count, sizeof *s->asked);
    if (!s->asked) return hone__fail_memory(err, s->asked_count * sizeof *s->asked, "what is asked");
    for (size_t i = 0; i < s->asked_count; i++) s->asked[i] = split->validation[i * count / s->asked_count];
    return HONE_OK;
}

static hone_status conclude(search *s, hone_search_result *result, hone_error *err) {
    if (s->count > 1) qsort(s->trials, s->count, sizeof *s->trials, by_worth);
    result->trials = hone_value_list();
    trial *best = s->count > 0 && s->trials[0].has_score && s->trials[0].model ? &s->trials[0] : NULL;
    if (best) {
        snprintf(best->outcome, sizeof best->outcome, "won");
        result->images_per_second = hone_trainer_images_per_second(best->trainer);
    }
    for (size_t i = 0; i < s->count; i++) {
        if (!s->trials[i].outcome[0]) snprintf(s->trials[i].outcome, sizeof s->trials[i].outcome, "not finished");
        hone_value_append(result->trials, row_of(&s->trials[i]));
    }
    result->seconds = hone__seconds() - s->start;
    if (hone_value_failed(result->trials)) return hone__fail_memory(err, 0, "the table of trials");
    result->name = hone_value_as_string(hone_value_get(hone_value_at(result->trials, 0), "name"));
    if (!best) return HONE_OK;
    result->model = best->model;
    hone_trainer_free(best->trainer);
    best->model = NULL;
    best->trainer = NULL;
    return HONE_OK;
}

static void release(search *s) {
    for (size_t i = 0; s->trials && i < s->count; i++) {
        hone_trainer_free(s->trials[i].trainer);
        hone_model_free(s->trials[i].model);
    }
    hone__free(s->trials);
    hone__free(s->asked);
}

hone_status hone_search(hone_search_result *result, const hone_dataset *data, const hone_search_config *config,
                        hone_error *err) {
    search s = {.config = config,
                .data = data,
                .input = {3, {hone_dataset_height(data), hone_dataset_width(data), hone_dataset_channels(data)}},
                .classes = (int)hone_dataset_classes(data),
                .training = hone__training_only(&config->fit),
                .start = hone__seconds()};
    *result = (hone_search_result){0};
    hone_status status = choose_asked(&s, err);
    if (status == HONE_OK) status = add_candidates(&s, err);
    if (status == HONE_OK) status = run_rounds(&s, err);
    if (status == HONE_OK || status == HONE_CANCELLED) {
        hone_status concluded = conclude(&s, result, err);
        if (concluded != HONE_OK) status = concluded;
    }
    release(&s);
    if (status != HONE_OK && (status != HONE_CANCELLED || !result->model)) hone_search_result_release(result);
    return status;
}

void hone_search_result_release(hone_search_result *result) {
    hone_model_free(result->model);
    hone_value_free(result->trials);
    *result = (hone_search_result){0};
}
