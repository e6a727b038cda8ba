/* SPDX-License-Identifier: Apache-2.0
 *
 * hone train: data and a model in, a trained model out. Ctrl-C loses nothing: the state is saved and can be resumed. */
#define _POSIX_C_SOURCE 200809L
#include "anomaly.h"
#include "interrupt.h"
#include "train_session.h"

#include <stdlib.h>
#include <string.h>

/* ---- names of files -------------------------------------------------------------------------------------------- */

/* "mnist_model.h5" -> "mnist_model.checkpoint.h5". */
static char *checkpoint_path(const char *output) {
    size_t length = strlen(output);
    if (length > 3 && strcmp(output + length - 3, ".h5") == 0) length -= 3;
    char *path = malloc(length + sizeof ".checkpoint.h5");
    if (path) snprintf(path, length + sizeof ".checkpoint.h5", "%.*s.checkpoint.h5", (int)length, output);
    return path;
}

static int name_files(train_session *r) {
    r->output = r->settings.output ? strdup(r->settings.output) : default_output(r->source);
    r->checkpoint = r->output ? checkpoint_path(r->output) : NULL;
    if (!r->checkpoint) return failed(NULL, NULL, "out of memory");
    return check_output(r->output);
}

/* ---- the run --------------------------------------------------------------------------------------------------- */

static hone_status save_checkpoint(void *context, const char *path, hone_trainer *trainer, hone_error *err) {
    (void)context;
    return hone_model_save(hone_trainer_model(trainer), trainer, path, err);
}

static int begin_record(train_session *r) {
    hone_error err = {0};
    if (r->settings.no_run) return -1;
    r->record = begin_run(r->settings.runs, r->model);
    if (!r->record) return -1;
    hone_callback callback = hone_run_callback(r->record);
    if (hone_trainer_add_callback(r->trainer, &callback, &err) != HONE_OK)
        return failed(&err, NULL, "cannot start training");
    return -1;
}

/* --ui: the page is served from now on, so that it can be opened while the data is read. */
static int open_page(train_session *r) {
    if (!r->settings.ui) return -1;
    hone_error err = {0};
    hone_live_config config = hone_live_config_default();
    config.port = (int)r->settings.ui_port;
    config.model = r->settings.resume ? r->settings.resume : r->settings.model;
    config.data = r->source;
    if (hone_live_create(&r->live, &config, &err) != HONE_OK) return failed(&err, NULL, "cannot show the training");
    fprintf(stderr, "watch it on %s\n", hone_live_url(r->live));
    return -1;
}

static int watch_training(train_session *r) {
    hone_error err = {0};
    if (!r->live) return -1;
    hone_callback callback = hone_live_callback(r->live);
    if (hone_trainer_add_callback(r->trainer, &callback, &err) != HONE_OK)
        return failed(&err, NULL, "cannot start training");
    return -1;
}

static void close_page(train_session *r, hone_live_end end, const char *file, const char *why) {
    if (r->live) hone_live_finish(r->live, end, file, r->has_test ? &r->test : NULL, why);
}

static void end_record(train_session *r, const char *how, const hone_value *results) {
    end_run(r->record, how, r->model, r->trainer, results, r->common.quiet);
}

static int prepare(train_session *r) {
    const train_settings *s = &r->settings;
    bool automatic = is_automatic(s);
    int status = check_auto(r);
    if (status < 0) status = parse_reject(&verb_train, s->reject, &r->reject);
    if (status < 0) status = start_threads(&r->threads, r->common.threads);
    bool preset = is_preset(s->model) && !s->resume;
    if (status < 0 && !preset && !automatic) status = open_trained_model(r);
    hone_fit_config config = hone_fit_config_default();
    if (status < 0) status = train_settings_config(s, &r->common, &r->compiled, &config);
    if (status < 0 && r->compiled.has_optimizer && !s->optimizer && !s->resume)
        note(r->common.quiet, "taking the optimizer that '%s' was compiled with: %s, learning rate %g", s->model,
             hone_optimizer_name(config.optimizer.kind), config.optimizer.learning_rate);
    if (status < 0 && s->augment) status = parse_augmentation(&r->augmentation, &verb_train, s->augment);
    if (status < 0 && s->tta) status = parse_tta(&r->tta, &r->variants, &verb_train, s->tta, r->common.seed);
    if (status < 0) status = open_training_data(r);
    if (status < 0) status = train_settings_split(s, &r->common, r->data, r->own_validation, &r->split, r->validation);
    if (status < 0) status = balance_classes(r, &config);
    config.threads = r->threads;
    config.split = &r->split;
    config.augmentation = r->augmentation;
    if (status < 0 && automatic) status = choose_model(r, &config);
    if (status < 0 && automatic) status = train_settings_config(s, &r->common, &r->compiled, &config);
    if (automatic && s->epochs == 0) config.epochs = 1; /* no trainer is made for less; keep_to_budget takes it back */
    if (status < 0 && preset) status = build_preset(r);
    if (status < 0 && s->init && !s->resume) status = take_weights(r);
    if (status < 0 && !s->resume) status = put_weights(r->model, &r->weights, r->common.quiet);
    if (status < 0 && hone_model_class_count(r->model) == 0) status = set_classes(r);
    if (status >= 0) return status;

    status = set_preprocessing(r);
    if (status < 0) status = record_provenance(r);
    if (status >= 0) return status;
    if (!s->mixed_precision) config.precision = model_policy(r);
    if (r->augmentation) note_unsafe_labels(r->augmentation, r->data, r->common.quiet);
    if (s->find_rate) return find_learning_rate(r, &config);
    hone_error err = {0};
    if (hone_trainer_create(&r->trainer, r->model, r->data, &config, &err) != HONE_OK)
        return failed(&err, NULL, "cannot train '%s' on '%s'", s->model, r->source);
    status = train_settings_callbacks(s, r->split.validation_count > 0, s->resume != NULL, r->data, r->trainer,
                                      save_checkpoint);
    if (status < 0) status = keep_to_budget(r);
    if (status < 0) status = begin_record(r);
    if (status >= 0) return status;
    status = watch_training(r);
    if (status >= 0) return status;
    r->bar = progress_create(r->common.quiet);
    hone_callback bar = progress_callback(r->bar);
    if (hone_trainer_add_callback(r->trainer, &bar, &err) != HONE_OK)
        return failed(&err, NULL, "cannot start training");
    if (s->resume && hone_trainer_resume(r->trainer, s->resume, &err) != HONE_OK)
        return failed(&err, "the data and the options must be those of the run that was interrupted",
                      "cannot resume from '%s'", s->resume);
    return -1;
}

static int interrupted(train_session *r) {
    hone_error err = {0};
    progress_break(r->bar);
    if (save_undisturbed(r->model, r->trainer, r->checkpoint, &err) != HONE_OK)
        return not_saved(r->record, "interrupted", r->model, r->trainer, &err,
                         "interrupted, and the state was not saved");
    end_record(r, "interrupted", NULL);
    close_page(r, HONE_LIVE_STOPPED, r->checkpoint, NULL);
    fprintf(stderr, "hone: interrupted after %lld step%s; the state is in '%s'\n",
            (long long)hone_trainer_iterations(r->trainer), plural(hone_trainer_iterations(r->trainer)), r->checkpoint);
    fprintf(stderr, "hint: go on with: hone train --resume %s\n", r->checkpoint);
    return EXIT_INTERRUPTED;
}

static int test(train_session *r) {
    if (r->settings.no_test) return -1;
    /* Only what calls itself a test part is one: the training data is never tested on. */
    hone_dataset_config probe = hone_dataset_config_default();
    probe.split = "test";
    probe.limit = 1;
    hone_dataset *found = NULL;
    hone_error err = {0};
    hone_status there = hone_dataset_open(&found, r->source, &probe, &err);
    hone_dataset_free(found);
    if (there != HONE_OK) {
        note(r->common.quiet, "no test part in '%s': nothing was held back to test on", r->source);
        return -1;
    }
    hone_dataset *data = NULL;
    data_options options = {.source = r->source, .split = "test", .fit_to = r->model};
    int status = open_data(&data, &options, r->threads, r->common.quiet);
    if (status >= 0) return status;
    hone_evaluate_config config = hone_evaluate_config_default();
    const hone_fit_config *fit = hone_trainer_config(r->trainer);
    config.loss = fit->loss;
    config.metric_count = fit->metric_count;
    memcpy(config.metrics, fit->metrics, sizeof config.metrics);
    config.threads = r->threads;
    config.precision = fit->precision;
    config.tta = r->variants ? &r->tta : NULL;
    r->has_test = hone_evaluate(&r->test, r->model, data, &config, &err) == HONE_OK;
    hone_dataset_free(data);
    return r->has_test ? -1 : failed(&err, NULL, "cannot test the model");
}

static hone_value *summary(const train_session *r) {
    int64_t parameters = 0;
    for (size_t i = 0; i < hone_model_layer_count(r->model); i++) {
        hone_layer_info info;
        if (hone_model_layer_info(r->model, i, &info) == HONE_OK) parameters += info.parameters;
    }
    hone_value *value = hone_value_object();
    hone_value_set(value, "history", hone_value_copy(hone_trainer_history(r->trainer)));
    hone_value *test = r->has_test ? evaluation_value(&r->test) : hone_value_null();
    if (r->has_test && r->variants) hone_value_set_integer(test, "tta", (int64_t)r->tta.variants);
    hone_value_set(value, "test", test);
    hone_value_set(value, "rejection", rejection_value(r->model));
    hone_value_set_real(value, "seconds", hone_trainer_seconds(r->trainer));
    hone_value_set_real(value, "images_per_second", hone_trainer_images_per_second(r->trainer));
    hone_value_set_string(value, "model", r->output);
    hone_value_set_integer(value, "epochs", hone_trainer_epoch(r->trainer));
    hone_value_set_integer(value, "batch_size", (int64_t)hone_trainer_config(r->trainer)->batch_size);
    hone_value_set_integer(value, "samples", (int64_t)r->split.train_count);
    hone_value_set_integer(value, "validation_samples", (int64_t)r->split.validation_count);
    hone_value_set_integer(value, "parameters", parameters);
    hone_value_set_integer(value, "seed", r->common.seed);
    hone_value_set_integer(value, "threads", hone_threads_count(r->threads));
    if (r->choice) hone_value_set(value, "search", hone_value_copy(r->choice));
    hone_precision precision = hone_trainer_config(r->trainer)->precision;
    hone_value_set_string(value, "cpu_level", hone_precision_level(precision));
    hone_value_set_integer(value, "peak_memory", peak_memory());
    return value;
}

static int report(train_session *r) {
    hone_value *value = summary(r);
    if (hone_value_failed(value)) {
        hone_value_free(value);
        return failed(NULL, NULL, "out of memory");
    }
    end_record(r, "done", value);
    if (r->common.json && !r->is_silent) return print_json(value);
    hone_value_free(value);
    if (r->is_silent) return EXIT_DONE;
    print_trials(stdout, r);
    if (r->has_test) print_evaluation(stdout, r->variants ? "test, with --tta" : "test", &r->test);
    printf("saved %s\n", r->output);
    return finish_output();
}

static int train(train_session *r) {
    int status = open_page(r);
    if (status < 0) status = prepare(r);
    if (status >= 0) return status;
    watch_trainer(r->trainer);
    watch_interrupts(stopping_after_step);
    if (is_interrupted()) hone_trainer_cancel(r->trainer); /* between the choice of a network and this */
    hone_error err = {0};
    hone_status fitted = hone_trainer_fit(r->trainer, &err);
    progress_break(r->bar);
    if (fitted == HONE_CANCELLED) return interrupted(r);
    if (fitted != HONE_OK) {
        close_page(r, HONE_LIVE_FAILED, NULL, err.message);
        if (err.status == HONE_IO) /* a log or a checkpoint: what was learnt until then is as good as before */
            return not_saved(r->record, "failed", r->model, r->trainer, &err, "training stopped");
        return failed(&err, NULL, "training stopped");
    }
    status = record_history(r);
    if (status < 0) status = learn_unknown(r);
    if (status < 0) status = keep_examples(r);
    if (status >= 0) return status;
    fit_reference(r->model, r->data, &r->split, r->threads);
    keep_statistics(r->model, r->data, &r->split, r->threads);
    if (save_undisturbed(r->model, r->trainer, r->output, &err) != HONE_OK)
        return not_saved(r->record, "done", r->model, r->trainer, &err, "the model was not saved");
    char rate[32];
    note(r->common.quiet, "trained %d epoch%s in %.1fs, %s images/s", hone_trainer_epoch(r->trainer),
         plural(hone_trainer_epoch(r->trainer)), hone_trainer_seconds(r->trainer),
         with_commas((int64_t)hone_trainer_images_per_second(r->trainer), rate));
    status = test(r);
    if (status >= 0) return status;
    if (r->has_test && !r->variants) record_test(r);
    close_page(r, HONE_LIVE_DONE, r->output, NULL);
    return report(r);
}

static void release(train_session *r) {
    watch_trainer(NULL);
    unwatch_interrupts();
    hone_live_free(r->live);
    hone_trainer_free(r->trainer);
    release_choice(r);
    hone_run_free(r->record);
    progress_free(r->bar);
    hone_split_release(&r->split);
    hone_augmentation_free(r->augmentation);
    hone_augmentation_free(r->variants);
    free(r->class_weight);
    hone_dataset_free(r->data);
    hone_model_free(r->model);
    hone_threads_free(r->threads);
    free(r->output);
    free(r->checkpoint);
}

/* ---- the command line ------------------------------------------------------------------------------------------ */

static int parse(train_session *r, positionals *words, int argc, char **argv) {
    train_settings *s = &r->settings;
    const option table[] = {
        {.kind = OPTION_HEADING, .name = "model and files"},
        {OPTION_TEXT, "model", 'm', "MODEL", &s->model, 0, 0,
         "preset, .h5, .keras or .json (default mnist-cnn); auto: choose one", NULL},
        {OPTION_TEXT, "init", 0, "FILE", &s->init, 0, 0,
         "begin with this model's weights, by the layers' names, else by their shapes", NULL},
        WEIGHTS_OPTIONS(&r->weights),
        {OPTION_TEXT, "output", 'o', "FILE", &s->output, 0, 0,
         "where the model goes, .h5 or .keras (default DATA_model.h5)", NULL},
        {OPTION_TEXT, "resume", 0, "FILE", &s->resume, 0, 0, "go on with an interrupted run; DATA may be left out",
         NULL},
        {.kind = OPTION_HEADING, .name = "choosing (docs/model-choice.md)"},
        {OPTION_TEXT, "time", 0, "T", &s->time, 0, 0,
         "with --model auto: all of it in 90s, 5m, 1h (default 5m); two fifths choose, the rest trains", NULL},
        {OPTION_INTEGER, "trials", 0, "N", &s->trials, 1, 64,
         "try N networks; without --time by steps, the same on every machine, and --epochs for the winner", NULL},
        {OPTION_INTEGER, "max-parameters", 0, "N", &s->max_parameters, 1, 1e12, "leave larger networks out", NULL},
        {OPTION_REAL, "max-latency-us", 0, "N", &s->max_latency, 1e-3, 1e12,
         "leave networks out that take longer for one picture, on one thread of this machine", NULL},
        {OPTION_TEXT, "max-memory", 0, "BYTES", &s->max_memory, 0, 0,
         "leave networks out whose weights and workspace take more (512K, 2M)", NULL},
        {OPTION_FLAG, "find-learning-rate", 0, NULL, &s->find_rate, 0, 0,
         "train nothing: show the loss while the rate grows, and suggest one", NULL},
        {OPTION_TEXT, "report", 0, "FILE.html", &s->rate_report, 0, 0, "of --find-learning-rate: the curve as a page",
         NULL},
        {.kind = OPTION_HEADING, .name = "data"},
        {OPTION_REAL, "validation-split", 0, "F", &s->validation_split, 0, 0.999999,
         "this fraction validates (default 0.1): of each class where the samples lie class by class, as in folders, "
         "else "
         "the last, as in Keras",
         &s->validation_split_given},
        {OPTION_TEXT, "validation", 0, "HOW", &s->validation, 0, 0,
         "stratified:F: that fraction of each class, whatever their order; last:F: the last of all", NULL},
        {OPTION_TEXT, "size", 0, "HxW[xC]", &s->size, 0, 0, "resize the images (default: as they are)", NULL},
        {OPTION_TEXT, "input", 0, "KIND", &s->input, 0, 0, "scale pixels: unit (default), raw, signed, MEAN,STD", NULL},
        {OPTION_FLAG, "denoise", 0, NULL, &s->denoise, 0, 0,
         "3x3 median filter before anything else; the model remembers", NULL},
        {OPTION_TEXT, "class-weight", 0, "HOW", &s->class_weight, 0, 0, "balanced: rare classes weigh more", NULL},
        {OPTION_INTEGER, "limit", 0, "N", &s->limit, 0, 1e12, "only N images, of each class its share", NULL},
        {OPTION_FLAG, "no-shuffle", 0, NULL, &s->no_shuffle, 0, 0, "keep the order of the data", NULL},
        {OPTION_FLAG, "no-test", 0, NULL, &s->no_test, 0, 0, "leave the test part alone", NULL},
        {OPTION_TEXT, "augment", 0, "HOW", &s->augment, 0, 0,
         "digits, photos, rotation=10,zoom=0.1,…, keras:rotation_range=10,… (hone augment --help)", NULL},
        {OPTION_TEXT, "tta", 0, "N[:HOW]", &s->tta, 0, 0,
         "test on the mean over N variants of each image, as hone evaluate --tta", NULL},
        {.kind = OPTION_HEADING, .name = "training"},
        {OPTION_MAYBE, "ui", 0, "PORT", &s->ui_port, 0, 65535,
         "a web page with live curves, time left and a stop button (default: any free port)", &s->ui},
        {OPTION_INTEGER, "epochs", 'e', "N", &s->epochs, 1, 1000000, "passes over the data (default 10)",
         &s->epochs_given},
        {OPTION_INTEGER, "batch-size", 'b', "N", &s->batch_size, 1, 1 << 20, "images per step (default 32)", NULL},
        {OPTION_TEXT, "mixed-precision", 0, "TYPE", &s->mixed_precision, 0, 0,
         "bfloat16: multiply that, add in float32 (AVX512-BF16; Keras' mixed_bfloat16)", NULL},
        {OPTION_TEXT, "optimizer", 0, "NAME", &s->optimizer, 0, 0, "adam (default), adamw, sgd, rmsprop, lion", NULL},
        {OPTION_REAL, "learning-rate", 0, "R", &s->learning_rate, 0, 1e6, "default: the optimizer's in Keras",
         &s->learning_rate_given},
        {OPTION_TEXT, "schedule", 0, "HOW", &s->schedule, 0, 0,
         "constant, exponential:RATE:STEPS, step:RATE:STEPS, cosine[:WARMUP[:ALPHA]], one-cycle", NULL},
        {OPTION_REAL, "momentum", 0, "M", &s->momentum, 0, 1, "of sgd and rmsprop", &s->momentum_given},
        {OPTION_FLAG, "nesterov", 0, NULL, &s->nesterov, 0, 0, "Nesterov momentum (sgd)", NULL},
        {OPTION_FLAG, "amsgrad", 0, NULL, &s->amsgrad, 0, 0, "the AMSGrad variant (adam, adamw)", NULL},
        {OPTION_REAL, "weight-decay", 0, "D", &s->weight_decay, 0, 1e6, "decoupled weight decay",
         &s->weight_decay_given},
        {OPTION_REAL, "clipnorm", 0, "X", &s->clipnorm, 0, 1e30, "clip each weight's gradient to this norm", NULL},
        {OPTION_REAL, "global-clipnorm", 0, "X", &s->global_clipnorm, 0, 1e30, "clip all gradients to this norm", NULL},
        {OPTION_REAL, "clipvalue", 0, "X", &s->clipvalue, 0, 1e30, "clip gradients to plus and minus this", NULL},
        {OPTION_TEXT, "loss", 0, "NAME", &s->loss, 0, 0, "Keras' name (default sparse_categorical_crossentropy)", NULL},
        {OPTION_REAL, "label-smoothing", 0, "A", &s->label_smoothing, 0, 0.999, "of the cross-entropies", NULL},
        {OPTION_TEXT, "metrics", 0, "LIST", &s->metrics, 0, 0,
         "accuracy (default), top_k_categorical_accuracy, auc, precision, recall", NULL},
        {OPTION_REAL, "ema", 0, "M", &s->ema, 0, 0.999999,
         "keep an exponential moving average of the weights, as Keras' use_ema (0.99)", NULL},
        {OPTION_TEXT, "reject", 0, "HOW", &s->reject, 0, 0,
         "what is unknown, by what validated: tpr=0.95 (default), score=NAME, none", NULL},
        {OPTION_INTEGER, "keep-examples", 0, "N", &s->keep_examples, 1, 1 << 20,
         "keep N training images, small, in the file: the nearest ones explain answers", NULL},
        {.kind = OPTION_HEADING, .name = "what is learnt"},
        {OPTION_TEXT, "task", 0, "NAME", &s->task, 0, 0,
         "classification (default), or anomaly: all pictures are normal, others are to be found", NULL},
        {OPTION_TEXT, "method", 0, "NAME", &s->method, 0, 0,
         "of --task anomaly: autoencoder (default), or memory of the maps of --model", NULL},
        {OPTION_TEXT, "layer", 0, "NAME", &s->layer, 0, 0, "of --method memory: whose maps", NULL},
        {OPTION_INTEGER, "memory", 0, "N", &s->memory, 1, 65536, "of --method memory: places kept (default 1000)",
         NULL},
        {.kind = OPTION_HEADING, .name = "callbacks"},
        {OPTION_TEXT, "monitor", 0, "KEY", &s->monitor, 0, 0, "what they watch (default val_loss)", NULL},
        {OPTION_INTEGER, "early-stopping", 0, "N", &s->early_stopping, 0, 1000000,
         "stop after N epochs without improvement; the best weights stay", NULL},
        {OPTION_REAL, "min-delta", 0, "D", &s->min_delta, 0, 1e30, "less than this is no improvement (default 0)",
         NULL},
        {OPTION_INTEGER, "reduce-lr", 0, "N", &s->reduce_lr, 0, 1000000,
         "lower the rate after N epochs without improvement", NULL},
        {OPTION_REAL, "reduce-lr-factor", 0, "F", &s->reduce_lr_factor, 0, 0.999999, "by this factor (default 0.1)",
         NULL},
        {OPTION_TEXT, "checkpoint", 0, "FILE", &s->checkpoint, 0, 0,
         "save after each epoch; may hold {epoch:02d}, {val_loss:.2f}", NULL},
        {OPTION_FLAG, "save-best-only", 0, NULL, &s->save_best_only, 0, 0, "checkpoint only when --monitor improved",
         NULL},
        {OPTION_TEXT, "csv-log", 0, "FILE", &s->csv_log, 0, 0, "a line per epoch, as Keras' CSVLogger", NULL},
        {OPTION_TEXT, "log", 0, "FILE", &s->log, 0, 0, "a JSON line per epoch", NULL},
        {OPTION_TEXT, "tensorboard", 0, "DIR", &s->tensorboard, 0, 0,
         "events for TensorBoard: losses, metrics, rate, graph, a few pictures", NULL},
        {OPTION_INTEGER, "tensorboard-every", 0, "N", &s->tensorboard_every, 0, INT32_MAX,
         "also the numbers of every N-th batch", NULL},
        {OPTION_FLAG, "tensorboard-histograms", 0, NULL, &s->tensorboard_histograms, 0, 0,
         "also how the weights are distributed, each epoch", NULL},
        {OPTION_TEXT, "runs", 0, "FOLDER", &s->runs, 0, 0,
         "where runs leave their records (default $HONE_RUNS, or runs)", NULL},
        {OPTION_FLAG, "no-run", 0, NULL, &s->no_run, 0, 0, "leave no record of this run (hone runs)", NULL},
    };
    return options_parse(&verb_train, table, sizeof table / sizeof table[0], &r->common, words, argc, argv);
}

/* Words that stand before those that were typed, so that the typed ones win. */
typedef struct word_list {
    char **words;
    int count;
} word_list;

static bool add_word(word_list *list, const char *word, size_t length) {
    char **words = realloc(list->words, ((size_t)list->count + 1) * sizeof *words);
    if (!words) return false;
    list->words = words;
    words[list->count] = strndup(word, length);
    return words[list->count] && ++list->count;
}

static void release_words(word_list *list) {
    for (int i = 0; i < list->count; i++) free(list->words[i]);
    free(list->words);
}

/* The arguments that a model's file says it was trained with. */
static int stored_arguments(const char *path, word_list *list) {
    hone_model *model;
    int status = open_model(&model, path, NULL, NULL, true);
    if (status >= 0) return status;
    const hone_value *stored = hone_value_get(hone_model_record(model, "provenance"), "arguments");
    for (size_t i = 0; status < 0 && i < hone_value_count(stored); i++) {
        const char *word = hone_value_as_string(hone_value_at(stored, i));
        if (word && !add_word(list, word, strlen(word))) status = failed(NULL, NULL, "out of memory");
    }
    hone_model_free(model);
    if (status < 0 && list->count == 0)
        status = failed(NULL, "give the DATA and the options of the run that was interrupted",
                        "'%s' does not say how it was trained", path);
    return status;
}

/* The recipe of a preset: words with blanks between. */
static int recipe_arguments(const char *preset, word_list *list) {
    const char *recipe = NULL;
    for (size_t i = 0; hone_preset_name(i); i++)
        if (strcmp(hone_preset_name(i), preset) == 0) recipe = hone_preset_recipe(i);
    while (recipe && *recipe) {
        size_t length = strcspn(recipe, " ");
        if (!add_word(list, recipe, length)) return failed(NULL, NULL, "out of memory");
        recipe += length + strspn(recipe + length, " ");
    }
    return -1;
}

/* Parses what was typed; then, where an interrupted run or a preset's recipe says more, that with the typed words
 * behind it. */
static int parse_all(train_session *r, positionals *words, word_list *before, int argc, char **argv) {
    r->settings = train_settings_default();
    r->arguments = argv;
    r->argument_count = argc;
    int status = parse(r, words, argc, argv);
    if (status >= 0) return status;
    r->settings.input_given = r->settings.input != NULL;
    if (!r->settings.resume)
        status = recipe_arguments(r->settings.model, before);
    else if (words->count == 0)
        status = stored_arguments(r->settings.resume, before);
    for (int i = 0; status < 0 && before->count > 0 && i < argc; i++)
        if (!add_word(before, argv[i], strlen(argv[i]))) status = failed(NULL, NULL, "out of memory");
    if (status >= 0 || before->count == 0) return status;
    bool input_given = r->settings.input_given;
    r->settings = train_settings_default();
    r->settings.input_given = input_given;
    r->common = (common_options){0};
    r->arguments = before->words;
    r->argument_count = before->count;
    return parse(r, words, before->count, before->words);
}

static int run_task(train_session *r) {
    const char *task = r->settings.task ? r->settings.task : "classification";
    bool anomaly = strcmp(task, "anomaly") == 0;
    if (!anomaly && strcmp(task, "classification") != 0)
        return usage_error(&verb_train, "--task is '%s', expected classification or anomaly", task);
    if (!anomaly && (r->settings.method || r->settings.layer))
        return usage_error(&verb_train, "--method and --layer belong to --task anomaly");
    return anomaly ? train_anomaly(r) : train(r);
}

static int run_as(bool is_silent, int argc, char **argv) {
    static train_session r; /* zeroed; its error and evaluation records are large for a stack */
    positionals *words = calloc(1, sizeof *words);
    if (!words) return failed(NULL, NULL, "out of memory");
    word_list before = {0};
    r.is_silent = is_silent;
    r.began = clock_seconds();
    int status = parse_all(&r, words, &before, argc, argv);
    if (status < 0 && words->count != 1) status = usage_error(&verb_train, "expected one DATA");
    if (status < 0) {
        r.source = words->at[0];
        status = name_files(&r);
    }
    if (status < 0) status = run_task(&r);
    release(&r);
    release_words(&before);
    free(words);
    return status;
}

static int run(int argc, char **argv) {
    return run_as(false, argc, argv);
}

int train_silently(int argc, char **argv) {
    return run_as(true, argc, argv);
}

const verb verb_train = {
    .name = "train",
    .usage = "DATA [options]",
    .summary = "train a model, with a live progress bar, and save it",
    .details =
        "DATA is a name (mnist, fashion-mnist, digits, …), a folder of class folders or with a catalog, a folder "
        "with IDX files,\n"
        "an .npz, a .csv or a packed file.\n"
        "The test part of DATA, if it has one, is looked at once, after training. Ctrl-C stops after the step "
        "in progress and\n"
        "saves the state; --resume goes on from there, and the result is the same to the bit.",
    .examples =
        "  hone train mnist --epochs 10 --batch-size 32 --validation-split 0.1 --output mnist_model.h5\n"
        "  hone train photos/ --size 64x64x3 --early-stopping 3 --output photos.h5\n"
        "  hone train mnist --model lenet5 --optimizer sgd --learning-rate 0.05 --momentum 0.9 --schedule cosine\n"
        "  hone train --resume mnist_model.checkpoint.h5",
    .run = run,
};
