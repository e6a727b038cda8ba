/* SPDX-License-Identifier: Apache-2.0
 *
 * hone train --model auto: a network is chosen, and then trained as if it had been named; and --find-learning-rate.
 *
 * What was chosen is put behind the arguments that the model's file keeps, so that --resume goes on without choosing. */
#define _POSIX_C_SOURCE 200809L
#include "interrupt.h"
#include "train_session.h"

#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

static const double SEARCH_SHARE = 0.4; /* of the time; the rest trains what was chosen */
static const double RESERVE = 0.05;     /* … but for this: saving, the test */
/* Times the optimizer's own: where the pictures are easy, no rate makes the loss grow within a hundred steps. */
static const double MOST_RATE = 10;
enum { MOST_EPOCHS = 60, EXTRA_WORDS = 8 };

bool is_automatic(const train_settings *s) {
    return strcmp(s->model, "auto") == 0 && !s->resume;
}

/* ---- words -------------------------------------------------------------------------------------------------------- */

int check_auto(const train_session *r) {
    const train_settings *s = &r->settings;
    double seconds;
    int64_t bytes;
    bool limited = s->time || s->trials > 0 || s->max_parameters > 0 || s->max_latency > 0 || s->max_memory;
    if (s->rate_report && !s->find_rate) return usage_error(&verb_train, "--report goes with --find-learning-rate");
    if (s->find_rate && (s->resume || s->ui))
        return usage_error(&verb_train, "--find-learning-rate trains nothing: it goes with no --resume and no --ui");
    if (strcmp(s->model, "auto") != 0)
        return limited ? usage_error(&verb_train, "--time, --trials and the --max options go with --model auto") : -1;
    if (s->find_rate) return usage_error(&verb_train, "--find-learning-rate needs a network, not --model auto");
    if (s->init || r->weights.path)
        return usage_error(&verb_train,
                           "--init and --weights begin with the weights of one network, --model auto tries many");
    if (s->time && !parse_seconds(s->time, &seconds))
        return usage_error(&verb_train, "--time is '%s', expected seconds, or a number and s, m or h", s->time);
    if (s->max_memory && !parse_bytes(s->max_memory, &bytes))
        return usage_error(&verb_train, "--max-memory is '%s', expected bytes, or a number and K, M or G",
                           s->max_memory);
    return -1;
}

/* The budget; 0: by trials. */
static double seconds_of(const train_settings *s) {
    double seconds = 0;
    if (s->time || s->trials == 0) parse_seconds(s->time ? s->time : "5m", &seconds);
    return seconds;
}

/* ---- telling ------------------------------------------------------------------------------------------------------ */

static double real_of(const hone_value *row, const char *key) {
    double value = NAN;
    hone_value_as_real(hone_value_get(row, key), &value);
    return value;
}

static void print_row(FILE *stream, const hone_value *row) {
    char parameters[32], memory[32];
    int64_t rounds = 0;
    hone_value_as_integer(hone_value_get(row, "rounds"), &rounds);
    fprintf(stream, "%-12s %12s %10.1f %10s %7lld ", hone_value_as_string(hone_value_get(row, "name")),
            with_commas((int64_t)real_of(row, "parameters"), parameters), 1e6 * real_of(row, "latency"),
            as_bytes(real_of(row, "memory"), memory), (long long)rounds);
    double accuracy = real_of(row, "val_accuracy");
    if (isnan(accuracy))
        fprintf(stream, "%9s %9s", "-", "-");
    else
        fprintf(stream, "%9.4f %9.4f", accuracy, real_of(row, "val_loss"));
    fprintf(stream, "  %s\n", hone_value_as_string(hone_value_get(row, "outcome")));
}

static void print_heads(FILE *stream) {
    fprintf(stream, "%-12s %12s %10s %10s %7s %9s %9s\n", "network", "parameters", "latency us", "memory", "rounds",
            "val_acc", "val_loss");
}

void print_trials(FILE *stream, const train_session *r) {
    const hone_value *trials = hone_value_get(r->choice, "trials");
    if (!trials) return;
    print_heads(stream);
    for (size_t i = 0; i < hone_value_count(trials); i++) print_row(stream, hone_value_at(trials, i));
}

static void on_trial(void *context, const hone_value *row) {
    train_session *r = context;
    if (r->common.quiet) return;
    if (!r->shows_trials) print_heads(stderr);
    r->shows_trials = true;
    print_row(stderr, row);
}

/* ---- what was chosen, in words ------------------------------------------------------------------------------------ */

static bool add_word(train_session *r, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Behind the words that were typed, for hone train --resume. */
static bool add_word(train_session *r, const char *format, ...) {
    va_list arguments;
    char text[64];
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    r->auto_words[r->argument_count] = strdup(text);
    if (!r->auto_words[r->argument_count]) return false;
    r->argument_count++;
    return true;
}

static int extend_arguments(train_session *r) {
    train_settings *s = &r->settings;
    char **typed = r->arguments;
    int count = r->argument_count;
    r->auto_words = calloc((size_t)count + EXTRA_WORDS + 1, sizeof *r->auto_words);
    if (!r->auto_words) return failed(NULL, NULL, "out of memory");
    r->argument_count = 0;
    bool ok = true;
    for (int i = 0; ok && i < count; i++) {
        r->auto_words[i] = strdup(typed[i]);
        ok = r->auto_words[i] != NULL;
        r->argument_count += ok;
    }
    ok = ok && add_word(r, "--epochs") && add_word(r, "%lld", (long long)(s->epochs > 0 ? s->epochs : 1));
    ok = ok && add_word(r, "--learning-rate") && add_word(r, "%.17g", s->learning_rate);
    ok = ok && add_word(r, "--schedule") && add_word(r, "%s", s->schedule);
    ok = ok && add_word(r, "--early-stopping") && add_word(r, "%lld", (long long)s->early_stopping);
    r->arguments = r->auto_words;
    return ok ? -1 : failed(NULL, NULL, "out of memory");
}

void release_choice(train_session *r) {
    for (int i = 0; r->auto_words && i < r->argument_count; i++) free(r->auto_words[i]);
    free(r->auto_words);
    hone_value_free(r->choice);
}

/* ---- choosing ----------------------------------------------------------------------------------------------------- */

static int set_pixels(const train_session *r, hone_preprocessing *pixels) {
    hone_error err = {0};
    *pixels = (hone_preprocessing){.kind = HONE_INPUT_UNIT, .stated = true};
    if (!r->settings.input || hone_preprocessing_parse(pixels, r->settings.input, &err) == HONE_OK) return -1;
    return usage_error(&verb_train, "--input: %s", err.message);
}

/* The chosen network once more, from the start. */
static int build_choice(hone_model **out, const train_session *r, const char *name, const hone_preprocessing *pixels) {
    hone_shape shape = {3, {hone_dataset_height(r->data), hone_dataset_width(r->data), hone_dataset_channels(r->data)}};
    hone_error err = {0};
    hone_model *model;
    hone_status status = hone_candidate_create(&model, name, &shape, (int)hone_dataset_classes(r->data), &err);
    if (status != HONE_OK) return failed(&err, NULL, "cannot build '%s'", name);
    hone_model_set_preprocessing(model, pixels);
    status = hone_model_build(model, (uint64_t)r->common.seed, &err);
    if (status != HONE_OK) {
        hone_model_free(model);
        return failed(&err, NULL, "cannot build '%s'", name);
    }
    *out = model;
    return -1;
}

/* How many epochs the time that is left allows; the measured speed is a little better than what validation leaves. */
static int64_t epochs_left(const train_session *r, double images_per_second) {
    double left = r->budget * (1 - RESERVE) - (clock_seconds() - r->began);
    double epoch = ((double)r->split.train_count + 0.4 * (double)r->split.validation_count) / images_per_second;
    double epochs = images_per_second > 0 ? floor(left / epoch) : 0;
    return epochs < 0 ? 0 : epochs > MOST_EPOCHS ? MOST_EPOCHS : (int64_t)epochs;
}

/* EXIT_INTERRUPTED where Ctrl-C came meanwhile. */
static int choose_rate(train_session *r, const hone_model *model, const hone_fit_config *fit) {
    train_settings *s = &r->settings;
    hone_rate_curve curve;
    hone_error err = {0};
    if (s->learning_rate_given) return -1;
    hone_rate_config config = hone_rate_config_default();
    config.keep_going = keep_going;
    hone_status status = hone_find_learning_rate(&curve, model, r->data, fit, &config, &err);
    if (status == HONE_CANCELLED) return EXIT_INTERRUPTED;
    s->learning_rate = fit->optimizer.learning_rate;
    s->learning_rate_given = true;
    if (status == HONE_OK)
        s->learning_rate = fmin(curve.suggested, MOST_RATE * s->learning_rate);
    else
        note(r->common.quiet, "no learning rate stands out (%s): taking %g", err.message, s->learning_rate);
    hone_rate_curve_release(&curve);
    return -1;
}

/* Ctrl-C during the search: the best so far is saved as it is. */
static int save_best_so_far(train_session *r, const char *name) {
    hone_error err = {0};
    int status = set_classes(r);
    if (status < 0) status = record_provenance(r);
    if (status >= 0) return status;
    if (save_undisturbed(r->model, NULL, r->output, &err) != HONE_OK)
        return failed(&err, NULL, "interrupted, and the best network so far was not saved");
    fprintf(stderr, "hone: interrupted while choosing; the best network so far, %s, is in '%s'\n", name, r->output);
    return EXIT_INTERRUPTED;
}

static int train_choice(train_session *r, const hone_search_result *result, const hone_fit_config *fit,
                        const hone_preprocessing *pixels) {
    train_settings *s = &r->settings;
    hone_model *fresh = NULL;
    char rate[32];
    int status = -1;
    if (r->budget > 0) s->epochs = epochs_left(r, result->images_per_second);
    if (s->epochs > 0) status = build_choice(&fresh, r, result->name, pixels);
    if (status < 0) status = choose_rate(r, fresh ? fresh : r->model, fit);
    if (status >= 0) {
        hone_model_free(fresh);
        return status == EXIT_INTERRUPTED ? save_best_so_far(r, result->name) : status;
    }
    if (fresh) {
        hone_model_free(r->model);
        r->model = fresh;
    }
    if (r->budget > 0 && s->epochs > 0) {
        int64_t left = epochs_left(r, result->images_per_second);
        s->epochs = left > 0 ? left : 1;
    }
    if (!s->schedule) s->schedule = "one-cycle";
    if (s->early_stopping < 0) s->early_stopping = s->epochs > 0 ? s->epochs : 1; /* only to keep the best weights */
    status = extend_arguments(r);
    if (status >= 0) return status;
    snprintf(rate, sizeof rate, "%.2g", s->learning_rate);
    if (s->epochs > 0)
        note(r->common.quiet, "%s it is: training it for %lld epoch%s, learning rate %s", result->name,
             (long long)s->epochs, plural(s->epochs), rate);
    else
        note(r->common.quiet, "%s it is; no time is left for a whole epoch, so it stays as the search left it",
             result->name);
    return -1;
}

int choose_model(train_session *r, const hone_fit_config *fit) {
    const train_settings *s = &r->settings;
    hone_search_config config = hone_search_config_default();
    hone_search_result result;
    hone_preprocessing pixels;
    hone_error err = {0};
    int status = set_pixels(r, &pixels);
    if (status >= 0) return status;
    r->budget = seconds_of(s);
    config.seconds = r->budget > 0 ? fmax(SEARCH_SHARE * (r->budget - (clock_seconds() - r->began)), 0.1) : 0;
    config.trials = (int)s->trials;
    config.max_parameters = s->max_parameters;
    config.max_seconds = 1e-6 * s->max_latency;
    if (s->max_memory) parse_bytes(s->max_memory, &config.max_memory);
    config.fit = *fit;
    config.preprocessing = &pixels;
    config.on_trial = on_trial;
    config.keep_going = keep_going;
    config.context = r;
    watch_interrupts(stopping_after_step);
    hone_status searched = hone_search(&result, r->data, &config, &err);
    if (result.model) {
        r->model = result.model;
        r->choice = hone_value_object();
        hone_value_set_string(r->choice, "name", result.name);
        hone_value_set_real(r->choice, "seconds", result.seconds);
        hone_value_set(r->choice, "trials", hone_value_copy(result.trials));
        result.model = NULL;
    }
    if (searched == HONE_CANCELLED)
        status = r->model ? save_best_so_far(r, result.name) : EXIT_INTERRUPTED;
    else if (searched != HONE_OK)
        status = failed(&err, NULL, "cannot choose a network for '%s'", r->source);
    else
        status = train_choice(r, &result, fit, &pixels);
    hone_search_result_release(&result);
    return status;
}

/* ---- the clock while the choice is trained ------------------------------------------------------------------------- */

static hone_status look_at_clock(void *context, hone_trainer *trainer, int epoch, hone_logs *logs, hone_error *err) {
    train_session *r = context;
    (void)logs, (void)err;
    double one = hone_trainer_seconds(trainer) / (epoch + 1);
    if (clock_seconds() - r->began + 0.9 * one > r->budget) hone_trainer_stop(trainer);
    return HONE_OK;
}

int keep_to_budget(train_session *r) {
    hone_error err = {0};
    if (!r->choice) return -1;
    if (r->settings.epochs == 0) hone_trainer_set_epochs(r->trainer, 0);
    if (r->budget == 0) return -1;
    hone_callback callback = {.context = r, .on_epoch_end = look_at_clock, .name = "budget"};
    if (hone_trainer_add_callback(r->trainer, &callback, &err) == HONE_OK) return -1;
    return failed(&err, NULL, "cannot start training");
}

/* ---- --find-learning-rate ----------------------------------------------------------------------------------------- */

static hone_value *rate_value(const hone_rate_curve *curve) {
    hone_value *value = hone_value_object(), *points = hone_value_list();
    for (size_t i = 0; i < curve->count; i++) {
        hone_value *point = hone_value_object();
        hone_value_set_real(point, "learning_rate", curve->points[i].rate);
        hone_value_set_real(point, "loss", curve->points[i].loss);
        hone_value_set_real(point, "smoothed", curve->points[i].smoothed);
        hone_value_append(points, point);
    }
    hone_value_set_real(value, "suggested", curve->suggested);
    hone_value_set_real(value, "steepest", curve->steepest);
    hone_value_set_real(value, "lowest", curve->lowest);
    hone_value_set(value, "diverged", curve->diverged > 0 ? hone_value_real(curve->diverged) : hone_value_null());
    hone_value_set(value, "points", points);
    return value;
}

/* Every fifth point: a table that fits a screen. */
static void print_curve(const hone_rate_curve *curve) {
    enum { EVERY = 5 };
    printf("%13s %10s %10s\n", "learning rate", "loss", "smoothed");
    for (size_t i = 0; i < curve->count; i += EVERY)
        printf("%13.2e %10.4f %10.4f\n", curve->points[i].rate, curve->points[i].loss, curve->points[i].smoothed);
    printf("the loss falls fastest at %.1e, is lowest at %.1e", curve->steepest, curve->lowest);
    if (curve->diverged > 0) printf(", and diverges at %.1e", curve->diverged);
    printf("\nsuggested: --learning-rate %.1e\n", curve->suggested);
}

int find_learning_rate(train_session *r, const hone_fit_config *fit) {
    const char *page = r->settings.rate_report;
    hone_rate_curve curve;
    hone_error err = {0};
    hone_rate_config config = hone_rate_config_default();
    config.keep_going = keep_going;
    watch_interrupts(stopping_after_step);
    hone_status status = hone_find_learning_rate(&curve, r->model, r->data, fit, &config, &err);
    unwatch_interrupts();
    if (status == HONE_CANCELLED) return EXIT_INTERRUPTED;
    if (status != HONE_OK) return failed(&err, NULL, "cannot find a learning rate for '%s'", r->settings.model);
    int result = EXIT_DONE;
    char title[256];
    snprintf(title, sizeof title, "%.100s on %.100s", r->settings.model, r->source);
    if (page && hone_rate_curve_write_html(&curve, title, page, &err) != HONE_OK)
        result = failed(&err, NULL, "cannot write the report");
    if (result == EXIT_DONE && page) note(r->common.quiet, "report: %s", page);
    if (result == EXIT_DONE && r->common.json) {
        result = print_json(rate_value(&curve));
    } else if (result == EXIT_DONE) {
        print_curve(&curve);
        result = finish_output();
    }
    hone_rate_curve_release(&curve);
    return result;
}
