/* SPDX-License-Identifier: Apache-2.0
 *
 * hone finetune: a trained model in, the same network for other classes out. */
#define _POSIX_C_SOURCE 200809L
#include "interrupt.h"
#include "progress.h"
#include "reject.h"
#include "train_settings.h"

#include <stdlib.h>
#include <string.h>

typedef struct settings {
    const char *recipe, *output, *size, *input, *augment, *class_weight, *validation, *old_data, *delta, *merge, *runs,
        *reject;
    int64_t epochs, probe_epochs, batch_size, limit, patience, rank;
    double learning_rate, probe_rate, layer_decay, l2_sp, alpha, validation_split;
    bool learning_rate_given, validation_split_given, epochs_given, probe_given, keep_classes, no_cache,
        train_normalization, no_test, no_run;
} settings;

/* What a run holds; all of it is released in one place. */
typedef struct session {
    settings settings;
    common_options common;
    reject_settings reject;
    const char *base_path, *source;
    char **arguments; /* what was typed, kept in the model for hone runs reproduce */
    int argument_count;
    hone_threads *threads;
    hone_model *base, *model;
    hone_head_report head;
    hone_dataset *data;
    size_t own_validation; /* samples at the end of data that its own validation part gave */
    hone_split split;
    char validation[VALIDATION_WORDS]; /* which samples those are, as train_settings_split says it */
    hone_augmentation *augmentation;
    float *class_weight;
    hone_finetune_config config;
    hone_finetune_result result;
    progress *bar;
    hone_run *record; /* runs/ID; NULL: none */
    char *output;
    hone_evaluation test, old_before, old_after_old_head, old_after_new_head;
    bool has_test, has_old, has_old_head, has_new_head, is_silent;
} session;

/* ---- stages ------------------------------------------------------------------------------------------------------ */

static hone_status on_stage(void *context, const char *stage, hone_trainer *trainer, hone_error *err) {
    session *r = context;
    watch_trainer(trainer);
    if (!trainer) {
        progress_break(r->bar);
        return HONE_OK;
    }
    if (is_interrupted()) return HONE_CANCELLED;
    note(r->common.quiet, "%s", stage);
    hone_callback bar = progress_callback(r->bar);
    hone_status status = hone_trainer_add_callback(trainer, &bar, err);
    if (status != HONE_OK || !r->record) return status;
    hone_callback record = hone_run_callback(r->record);
    return hone_trainer_add_callback(trainer, &record, err);
}

/* ---- data and model -------------------------------------------------------------------------------------------- */

/* Names of the classes that the head is to know: the data's, or the base's and then what else the data has. */
static const char **list_classes(const session *r, size_t *count) {
    size_t old = r->settings.keep_classes ? hone_model_class_count(r->base) : 0, more = hone_dataset_classes(r->data);
    const char **names = calloc(old + more + 1, sizeof *names);
    *count = 0;
    for (size_t i = 0; names && i < old; i++) names[(*count)++] = hone_model_class_name(r->base, i);
    for (size_t i = 0; names && i < more; i++) {
        const char *name = hone_dataset_class_name(r->data, i);
        bool known = false;
        for (size_t k = 0; k < old; k++) known = known || strcmp(names[k], name) == 0;
        if (!known) names[(*count)++] = name;
    }
    return names;
}

static int wrong_size(const session *r) {
    return usage_error(&verb_finetune, "--size is '%s', expected HEIGHTxWIDTH or HEIGHTxWIDTHxCHANNELS",
                       r->settings.size);
}

/* The network's input: the base's, or what --size asks for. */
static int find_input(const session *r, hone_shape *input) {
    *input = hone_model_input_shape(r->base);
    int height, width, channels;
    if (input->rank != 3) return failed(NULL, NULL, "the base '%s' takes no pictures", r->base_path);
    if (!r->settings.size) return -1;
    if (!parse_size(r->settings.size, &height, &width, &channels)) return wrong_size(r);
    *input = (hone_shape){3, {height, width, channels ? channels : input->dims[2]}};
    return -1;
}

static int open_parts(session *r, const data_options *options, bool quiet) {
    bool is_split = r->settings.validation || r->settings.validation_split_given;
    return open_training_parts(&r->data, is_split ? NULL : &r->own_validation, options, r->threads, quiet);
}

static int open_training_data(session *r, const hone_shape *input) {
    data_options options = {.source = r->source,
                            .split = "train",
                            .limit = r->settings.limit,
                            .height = (int)input->dims[0],
                            .width = (int)input->dims[1],
                            .channels = (int)input->dims[2]};
    return open_parts(r, &options, r->common.quiet);
}

/* The labels by the model's classes. */
static int reopen_data(session *r) {
    hone_dataset_free(r->data);
    r->data = NULL;
    data_options options = {.source = r->source, .split = "train", .limit = r->settings.limit, .fit_to = r->model};
    return open_parts(r, &options, true);
}

static int make_model(session *r, const hone_shape *input) {
    hone_error err = {0};
    hone_head_config head = {.input = *input, .seed = (uint64_t)r->common.seed};
    const char **names = list_classes(r, &head.classes);
    if (!names) return failed(NULL, NULL, "out of memory");
    head.class_names = names;
    hone_status status = hone_model_replace_head(&r->model, r->base, &head, &r->head, &err);
    free(names);
    if (status != HONE_OK) return failed(&err, NULL, "cannot give '%s' another head", r->base_path);
    hone_preprocessing pixels = hone_model_preprocessing(r->model);
    pixels.stated = true; /* from here on the file says it */
    hone_model_set_preprocessing(r->model, &pixels);
    hone_layer_info info;
    if (hone_model_layer_info(r->model, r->head.layer, &info) == HONE_OK)
        note(r->common.quiet, "head: layer '%s' (%s)%s for %zu classes, %zu of them known to the base", info.name,
             info.class_name, r->head.appended ? " added" : "", hone_model_class_count(r->model), r->head.kept);
    return r->settings.keep_classes ? reopen_data(r) : -1;
}

static int split_data(session *r) {
    settings *s = &r->settings;
    /* Few pictures: every class validates, in whatever order they lie, unless a plain fraction was asked for. */
    if (!s->validation && !s->validation_split_given) s->validation = "stratified:0.1";
    train_settings like = train_settings_default();
    like.validation = s->validation;
    like.validation_split = s->validation_split;
    like.validation_split_given = s->validation_split_given;
    return train_settings_split(&like, &r->common, r->data, r->own_validation, &r->split, r->validation);
}

/* --epochs alone bounds the whole: half of them, and no more than are usual, for the head by itself, what is left behind
 * it. Beside --probe-epochs it is of what comes behind those. */
static void share_epochs(session *r, hone_recipe recipe) {
    settings *s = &r->settings;
    if (!s->epochs_given || s->probe_given || recipe == HONE_RECIPE_FULL) return;
    int64_t all = s->epochs, half = all > 1 ? all / 2 : 1;
    s->probe_epochs = recipe == HONE_RECIPE_PROBE ? all : half < s->probe_epochs ? half : s->probe_epochs;
    s->epochs = all - s->probe_epochs;
    if (recipe != HONE_RECIPE_PROBE)
        note(r->common.quiet, "%lld epoch%s: at most %lld for the head alone (--probe-epochs), %lld behind them",
             (long long)all, plural(all), (long long)s->probe_epochs, (long long)s->epochs);
}

static int configure(session *r) {
    const settings *s = &r->settings;
    hone_error err = {0};
    hone_recipe recipe;
    if (hone_recipe_parse(&recipe, s->recipe, &err) != HONE_OK)
        return usage_error(&verb_finetune, "--recipe: %s", err.message);
    if (s->class_weight && strcmp(s->class_weight, "balanced") != 0)
        return usage_error(&verb_finetune, "--class-weight is '%s', expected balanced", s->class_weight);
    if (s->delta && recipe != HONE_RECIPE_LORA) return usage_error(&verb_finetune, "--delta goes with --recipe lora");
    if (s->delta && s->size) return usage_error(&verb_finetune, "a delta is of its base's own input: no --size");
    share_epochs(r, recipe);
    hone_finetune_config *c = &r->config;
    *c = hone_finetune_config_default(recipe);
    c->fit.epochs = (int)s->epochs;
    c->fit.batch_size = (size_t)s->batch_size;
    c->fit.seed = (uint64_t)r->common.seed;
    if (s->learning_rate_given) c->fit.optimizer.learning_rate = s->learning_rate;
    c->probe_epochs = (int)s->probe_epochs;
    c->probe_learning_rate = s->probe_rate;
    c->layer_decay = s->layer_decay;
    c->l2_sp = s->l2_sp;
    c->patience = (int)s->patience;
    c->lora_rank = (int)s->rank;
    c->lora_alpha = s->alpha > 0 ? s->alpha : 2.0 * (double)s->rank;
    c->train_normalization = s->train_normalization;
    if (s->no_cache) c->cache_limit = 0;
    c->on_stage = on_stage;
    c->context = r;
    return s->augment ? parse_augmentation(&r->augmentation, &verb_finetune, s->augment) : -1;
}

static int record_provenance(session *r) {
    char hash[65];
    hone_dataset_hash(r->data, hash);
    hone_value *record = hone_value_object(), *arguments = hone_value_list(), *data = hone_value_object();
    for (int i = 0; i < r->argument_count; i++) hone_value_append(arguments, hone_value_string(r->arguments[i]));
    hone_value_set_string(data, "source", r->source);
    hone_value_set_string(data, "sha256", hash);
    hone_value_set_integer(data, "samples", (int64_t)hone_dataset_samples(r->data));
    hone_value_set_integer(data, "limit", r->settings.limit);
    hone_value_set_string(data, "validation", r->validation); /* so that hone evaluate finds them again */
    hone_value_set_string(record, "program", "hone finetune");
    hone_value_set_string(record, "version", hone_version());
    hone_value_set(record, "arguments", arguments);
    hone_value_set_string(record, "base", r->base_path);
    hone_value_set_string(record, "recipe", hone_recipe_name(r->config.recipe));
    hone_value_set(record, "data", data);
    hone_value_set_integer(record, "seed", r->common.seed);
    hone_value_set_string(record, "cpu_level", hone_cpu_level());
    hone_error err = {0};
    if (hone_model_set_record(r->model, "provenance", record, &err) != HONE_OK ||
        hone_model_forget_temperature(r->model, &err) != HONE_OK || forget_test(r->model, &err) != HONE_OK ||
        hone_model_forget_rejection(r->model, &err) != HONE_OK || hone_model_forget_examples(r->model, &err) != HONE_OK)
        return failed(&err, NULL, "cannot record the run");
    return -1;
}

/* A base of pictures of any size gets the one of --size here, or the data's; another base is given it with its head. */
static int open_base(session *r) {
    int channels;
    picture_size size = {.data = r->source};
    if (r->settings.size && !parse_size(r->settings.size, &size.height, &size.width, &channels)) return wrong_size(r);
    return open_model_sized(&r->base, r->base_path, r->settings.input, &size, NULL, r->common.quiet);
}

static int prepare(session *r) {
    hone_shape input;
    int status = configure(r);
    if (status < 0) status = parse_reject(&verb_finetune, r->settings.reject, &r->reject);
    if (status < 0) status = start_threads(&r->threads, r->common.threads);
    if (status < 0) status = open_base(r);
    if (status < 0) status = find_input(r, &input);
    if (status < 0) status = open_training_data(r, &input);
    if (status < 0) status = check_several_classes(r->data, r->source);
    if (status < 0) status = make_model(r, &input);
    if (status < 0) status = split_data(r);
    if (status < 0) status = record_provenance(r);
    if (status >= 0) return status;
    if (r->settings.class_weight) {
        r->class_weight = balanced_class_weight(r->data, &r->split);
        if (!r->class_weight) return failed(NULL, NULL, "out of memory");
    }
    r->config.fit.threads = r->threads;
    r->config.fit.split = &r->split;
    r->config.fit.augmentation = r->augmentation;
    r->config.fit.class_weight = r->class_weight;
    if (r->augmentation) note_unsafe_labels(r->augmentation, r->data, r->common.quiet);
    r->bar = progress_create(r->common.quiet);
    return -1;
}

/* ---- what came of it ------------------------------------------------------------------------------------------- */

/* source's part called split (NULL: what there is) by the model; *done false, and no error, where there is no such part. */
static int evaluate_on(session *r, hone_model *model, const char *source, const char *split, hone_evaluation *out,
                       bool *done) {
    hone_error err = {0};
    *done = false;
    if (split) {
        /* Only what calls itself a test part is one. */
        hone_dataset_config probe = hone_dataset_config_default();
        probe.split = split;
        probe.limit = 1;
        hone_dataset *found = NULL;
        hone_status there = hone_dataset_open(&found, source, &probe, &err);
        hone_dataset_free(found);
        if (there != HONE_OK) return -1;
    }
    hone_dataset *data = NULL;
    data_options options = {.source = source, .split = split, .fit_to = model};
    int status = open_data(&data, &options, r->threads, true);
    if (status >= 0) return status;
    hone_evaluate_config config = hone_evaluate_config_default();
    config.threads = r->threads;
    *done = hone_evaluate(out, model, data, &config, &err) == HONE_OK;
    hone_dataset_free(data);
    return *done ? -1 : failed(&err, NULL, "cannot evaluate on '%s'", source);
}

/* The test part of the old task, or all of it where it has none. */
static int evaluate_old(session *r, hone_model *model, hone_evaluation *out) {
    bool done;
    int status = evaluate_on(r, model, r->settings.old_data, "test", out, &done);
    if (status >= 0 || done) return status;
    return evaluate_on(r, model, r->settings.old_data, NULL, out, &done);
}

static bool keeps_all_classes(const session *r) {
    return hone_model_class_count(r->base) > 0 && r->head.kept == hone_model_class_count(r->base);
}

/* The forgetting check: the base on its own task; the tuned body with the base's head; and the new head, where it knows
 * all classes of the base. */
static int check_forgetting(session *r) {
    if (!r->settings.old_data) return -1;
    hone_error err = {0};
    size_t head;
    if (hone_model_find_head(r->base, &head, &err) != HONE_OK)
        return failed(&err, "leave --old-data out", "the base '%s' has no old task to be checked", r->base_path);
    int status = evaluate_old(r, r->base, &r->old_before);
    r->has_old = status < 0;
    hone_model *mixed = NULL;
    if (status < 0 && hone_model_with_old_head(&mixed, r->model, r->base, head, &err) != HONE_OK) {
        note(r->common.quiet, "the old head does not fit any more: %s", err.message);
    } else if (status < 0) {
        status = evaluate_old(r, mixed, &r->old_after_old_head);
        r->has_old_head = status < 0;
    }
    hone_model_free(mixed);
    if (status < 0 && keeps_all_classes(r)) {
        status = evaluate_old(r, r->model, &r->old_after_new_head);
        r->has_new_head = status < 0;
    }
    return status;
}

static hone_value *forgetting_value(const session *r) {
    if (!r->has_old) return hone_value_null();
    hone_value *value = hone_value_object();
    hone_value_set_string(value, "data", r->settings.old_data);
    hone_value_set(value, "before", evaluation_value(&r->old_before));
    hone_value_set(value, "after_old_head",
                   r->has_old_head ? evaluation_value(&r->old_after_old_head) : hone_value_null());
    hone_value_set(value, "after_new_head",
                   r->has_new_head ? evaluation_value(&r->old_after_new_head) : hone_value_null());
    return value;
}

static hone_value *summary(const session *r) {
    int64_t parameters = 0;
    for (size_t i = 0; i < hone_model_layer_count(r->model); i++) {
        hone_layer_info info;
        if (hone_model_layer_info(r->model, i, &info) == HONE_OK) parameters += info.parameters;
    }
    hone_value *value = hone_value_object();
    hone_value_set(value, "history", hone_value_copy(r->result.history));
    hone_value_set(value, "test", r->has_test ? evaluation_value(&r->test) : hone_value_null());
    hone_value_set_real(value, "seconds", r->result.seconds);
    hone_value_set_real(value, "images_per_second", r->result.images_per_second);
    hone_value_set_string(value, "model", r->output);
    hone_value_set_string(value, "base", r->base_path);
    if (r->settings.delta) hone_value_set_string(value, "delta", r->settings.delta);
    hone_value_set_string(value, "recipe", hone_recipe_name(r->config.recipe));
    hone_value_set(value, "stages", hone_value_copy(r->result.stages));
    hone_value_set(value, "forgetting", forgetting_value(r));
    hone_value_set(value, "rejection", rejection_value(r->model));
    hone_value_set_integer(value, "kept_classes", (int64_t)r->head.kept);
    hone_value_set_integer(value, "epochs", r->result.epochs);
    hone_value_set_integer(value, "batch_size", (int64_t)r->config.fit.batch_size);
    hone_value_set_integer(value, "samples", (int64_t)r->split.train_count);
    hone_value_set_integer(value, "validation_samples", (int64_t)r->split.validation_count);
    hone_value_set_integer(value, "parameters", parameters);
    hone_value_set_integer(value, "seed", r->common.seed);
    hone_value_set_integer(value, "threads", hone_threads_count(r->threads));
    hone_value_set_string(value, "cpu_level", hone_cpu_level());
    hone_value_set_integer(value, "peak_memory", peak_memory());
    return value;
}

static int report(session *r) {
    hone_value *value = summary(r);
    if (hone_value_failed(value)) {
        hone_value_free(value);
        return failed(NULL, NULL, "out of memory");
    }
    end_run(r->record, "done", r->model, NULL, value, r->common.quiet);
    if (r->common.json && !r->is_silent) return print_json(value);
    hone_value_free(value);
    if (r->is_silent) return EXIT_DONE;
    if (r->has_test) print_evaluation(stdout, "test", &r->test);
    if (r->has_old) print_evaluation(stdout, "old task, before", &r->old_before);
    if (r->has_old_head) print_evaluation(stdout, "old task, after, old head", &r->old_after_old_head);
    if (r->has_new_head) print_evaluation(stdout, "old task, after, new head", &r->old_after_new_head);
    printf("saved %s\n", r->output);
    if (r->settings.delta) printf("saved %s, what training added to %s\n", r->settings.delta, r->base_path);
    return finish_output();
}

/* The model and, where one was asked for, the delta. */
static int save(session *r) {
    hone_error err = {0};
    int status = learn_rejection(r->model, r->data, &r->split, &r->reject, r->settings.reject == NULL, r->threads,
                                 (uint64_t)r->common.seed, r->common.quiet);
    if (status >= 0) return status;
    fit_reference(r->model, r->data, &r->split, r->threads);
    keep_statistics(r->model, r->data, &r->split, r->threads);
    if (save_undisturbed(r->model, NULL, r->output, &err) != HONE_OK)
        return not_saved(r->record, "done", r->model, NULL, &err, "the model was not saved");
    if (r->settings.delta && hone_delta_save(r->result.lora, r->model, r->head.layer, r->base, r->base_path,
                                             r->settings.delta, &err) != HONE_OK)
        return failed(&err, NULL, "the delta was not saved");
    return -1;
}

static int interrupted(session *r) {
    if (r->result.epochs == 0) {
        fprintf(stderr, "hone: interrupted before the end of the first epoch; nothing was saved\n");
        end_run(r->record, "interrupted", NULL, NULL, NULL, r->common.quiet);
        return EXIT_INTERRUPTED;
    }
    int status = save(r);
    if (status >= 0) return status;
    end_run(r->record, "interrupted", r->model, NULL, NULL, r->common.quiet);
    fprintf(stderr, "hone: interrupted after %d epoch%s; the best so far is in '%s'\n", r->result.epochs,
            plural(r->result.epochs), r->output);
    return EXIT_INTERRUPTED;
}

static int finetune(session *r) {
    int status = prepare(r);
    if (status >= 0) return status;
    if (!r->settings.no_run) r->record = begin_run(r->settings.runs, r->model);
    watch_interrupts(stopping_after_step);
    hone_error err = {0};
    hone_status tuned = hone_finetune(&r->result, r->model, r->head.layer, r->data, &r->config, &err);
    if (tuned == HONE_CANCELLED) return interrupted(r);
    if (tuned != HONE_OK) return failed(&err, NULL, "cannot fine-tune '%s' on '%s'", r->base_path, r->source);
    status = save(r);
    if (status < 0 && !r->settings.no_test)
        status = evaluate_on(r, r->model, r->source, "test", &r->test, &r->has_test);
    if (status < 0 && !r->settings.no_test && !r->has_test)
        note(r->common.quiet, "no test part in '%s': nothing was held back to test on", r->source);
    if (status < 0) status = check_forgetting(r);
    return status >= 0 ? status : report(r);
}

/* --merge: no training. */
static int merge(session *r) {
    hone_error err = {0};
    int status = open_model(&r->base, r->base_path, r->settings.input, NULL, r->common.quiet);
    if (status >= 0) return status;
    if (hone_delta_apply(&r->model, r->base, r->settings.merge, &err) != HONE_OK)
        return failed(&err, NULL, "cannot merge");
    hone_preprocessing pixels = hone_model_preprocessing(r->model);
    pixels.stated = true;
    hone_model_set_preprocessing(r->model, &pixels);
    if (hone_model_save(r->model, NULL, r->output, &err) != HONE_OK)
        return failed(&err, NULL, "the model was not saved");
    if (r->common.json) {
        hone_value *value = hone_value_object();
        hone_value_set_string(value, "model", r->output);
        hone_value_set_string(value, "base", r->base_path);
        hone_value_set_string(value, "delta", r->settings.merge);
        return print_json(value);
    }
    printf("saved %s\n", r->output);
    return finish_output();
}

static void release(session *r) {
    watch_trainer(NULL);
    hone_run_free(r->record);
    hone_finetune_result_release(&r->result);
    progress_free(r->bar);
    hone_split_release(&r->split);
    hone_augmentation_free(r->augmentation);
    free(r->class_weight);
    hone_dataset_free(r->data);
    hone_model_free(r->model);
    hone_model_free(r->base);
    hone_threads_free(r->threads);
    free(r->output);
}

/* ---- the command line ------------------------------------------------------------------------------------------ */

static settings settings_default(void) {
    const hone_finetune_config like = hone_finetune_config_default(HONE_RECIPE_LP_FT);
    return (settings){.recipe = hone_recipe_name(like.recipe),
                      .epochs = like.fit.epochs,
                      .probe_epochs = like.probe_epochs,
                      .batch_size = (int64_t)like.fit.batch_size,
                      .patience = like.patience,
                      .rank = like.lora_rank,
                      .probe_rate = like.probe_learning_rate,
                      .layer_decay = like.layer_decay,
                      .validation_split = 0.1};
}

static int parse(session *r, positionals *words, int argc, char **argv) {
    settings *s = &r->settings;
    *s = settings_default();
    const option table[] = {
        {OPTION_TEXT, "output", 'o', "FILE", &s->output, 0, 0, "where the model goes (default DATA_model.h5)", NULL},
        {OPTION_TEXT, "recipe", 'r', "NAME", &s->recipe, 0, 0, "probe, full, lp-ft (default), gradual, lora", NULL},
        {OPTION_TEXT, "delta", 0, "FILE", &s->delta, 0, 0,
         "of recipe lora: adapters and head alone go here, too; a MODEL that needs BASE at its side", NULL},
        {OPTION_TEXT, "merge", 0, "FILE", &s->merge, 0, 0, "write BASE with this delta merged, without DATA", NULL},
        {.kind = OPTION_HEADING, .name = "training"},
        {OPTION_INTEGER, "epochs", 'e', "N", &s->epochs, 1, 1000000,
         "at most so many passes in all, half of them (at most 20) for the head alone; with --probe-epochs: behind "
         "those "
         "(default 20 and 10)",
         &s->epochs_given},
        {OPTION_REAL, "learning-rate", 0, "R", &s->learning_rate, 0, 1e6,
         "Adam's after the probe (default 0.0003; lora 0.002)", &s->learning_rate_given},
        {OPTION_INTEGER, "probe-epochs", 0, "N", &s->probe_epochs, 1, 1000000,
         "at most so many passes for the head alone (default 20)", &s->probe_given},
        {OPTION_REAL, "probe-learning-rate", 0, "R", &s->probe_rate, 0, 1e6, "of the head alone (default 0.003)", NULL},
        {OPTION_INTEGER, "batch-size", 'b', "N", &s->batch_size, 1, 1 << 20, "images per step (default 32)", NULL},
        {OPTION_INTEGER, "early-stopping", 0, "N", &s->patience, -1, 1000000,
         "end a stage after N epochs without a better val_loss; the best weights stay (default 5; -1: never)", NULL},
        {OPTION_REAL, "layer-decay", 0, "F", &s->layer_decay, 1e-6, 1,
         "times the rate for each layer further from the head (default 1)", NULL},
        {OPTION_REAL, "l2-sp", 0, "A", &s->l2_sp, 0, 1e6, "pull weights towards the base's: A / 2 * squares", NULL},
        {OPTION_INTEGER, "rank", 0, "R", &s->rank, 1, HONE_MAX_LORA_RANK, "of LoRA's adapters (default 4)", NULL},
        {OPTION_REAL, "alpha", 0, "A", &s->alpha, 0, 1e6, "LoRA's weight is alpha / rank (default 2 * rank)", NULL},
        {OPTION_FLAG, "train-normalization", 0, NULL, &s->train_normalization, 0, 0,
         "BatchNormalization learns, too (default: it stays in inference mode)", NULL},
        {OPTION_FLAG, "no-cache", 0, NULL, &s->no_cache, 0, 0, "compute the frozen part's features in every step",
         NULL},
        {.kind = OPTION_HEADING, .name = "data"},
        {OPTION_FLAG, "keep-classes", 0, NULL, &s->keep_classes, 0, 0,
         "the head goes on knowing the base's classes, the data's come behind", NULL},
        {OPTION_TEXT, "reject", 0, "HOW", &s->reject, 0, 0,
         "what is unknown, by what validated: tpr=0.95 (default), score=NAME, none", NULL},
        {OPTION_TEXT, "old-data", 0, "DATA", &s->old_data, 0, 0,
         "forgetting check: the base's own task, before and after", NULL},
        {OPTION_REAL, "validation-split", 0, "F", &s->validation_split, 0, 0.999999,
         "this fraction validates: of each class where the samples lie class by class, as in folders, else the last",
         &s->validation_split_given},
        {OPTION_TEXT, "validation", 0, "HOW", &s->validation, 0, 0,
         "stratified:F: that fraction of each class (default stratified:0.1); last:F: the last of all", NULL},
        {OPTION_TEXT, "size", 0, "HxW[xC]", &s->size, 0, 0,
         "build the network for another input, where its graph allows (default: pictures are made to fit)", NULL},
        {OPTION_TEXT, "input", 0, "KIND", &s->input, 0, 0, "how the base wants pixels: raw, unit, signed, MEAN,STD",
         NULL},
        {OPTION_TEXT, "augment", 0, "HOW", &s->augment, 0, 0, "as for hone train; no features are kept then", NULL},
        {OPTION_TEXT, "class-weight", 0, "HOW", &s->class_weight, 0, 0, "balanced: rare classes weigh more", NULL},
        {OPTION_INTEGER, "limit", 0, "N", &s->limit, 0, 1e12, "only N images, of each class its share", NULL},
        {OPTION_FLAG, "no-test", 0, NULL, &s->no_test, 0, 0, "leave the test part alone", NULL},
        {OPTION_TEXT, "runs", 0, "FOLDER", &s->runs, 0, 0,
         "where runs leave their records (default $HONE_RUNS, or runs)", NULL},
        {OPTION_FLAG, "no-run", 0, NULL, &s->no_run, 0, 0, "leave no record of this run (hone runs)", NULL},
    };
    return options_parse(&verb_finetune, table, sizeof table / sizeof table[0], &r->common, words, argc, argv);
}

static int run_as(bool is_silent, int argc, char **argv) {
    static session r; /* zeroed; its evaluation records are large for a stack */
    positionals *words = calloc(1, sizeof *words);
    if (!words) return failed(NULL, NULL, "out of memory");
    r.is_silent = is_silent;
    r.arguments = argv;
    r.argument_count = argc;
    int status = parse(&r, words, argc, argv);
    bool merges = r.settings.merge != NULL;
    if (status < 0 && merges && (words->count != 1 || !r.settings.output))
        status = usage_error(&verb_finetune, "--merge takes a BASE and --output, and no DATA");
    else if (status < 0 && !merges && words->count != 2)
        status = usage_error(&verb_finetune, "expected a BASE and a DATA");
    if (status < 0) {
        r.base_path = words->at[0];
        r.source = merges ? NULL : words->at[1];
        r.output = r.settings.output ? strdup(r.settings.output) : default_output(r.source);
        status = r.output ? check_output(r.output) : failed(NULL, NULL, "out of memory");
    }
    if (status < 0) status = merges ? merge(&r) : finetune(&r);
    release(&r);
    free(words);
    return status;
}

static int run(int argc, char **argv) {
    return run_as(false, argc, argv);
}

int finetune_silently(int argc, char **argv) {
    return run_as(true, argc, argv);
}

const verb verb_finetune = {
    .name = "finetune",
    .usage = "BASE DATA [options]",
    .summary = "teach a trained model other classes",
    .details =
        "BASE is a model file. Its head (the last Dense or 1x1 Conv2D with softmax or sigmoid) is replaced by one for "
        "DATA's\n"
        "classes; a class that BASE knows by the same name keeps its weights. probe trains the head alone; full "
        "everything;\n"
        "lp-ft first the one, then the other, at a low rate; gradual unfreezes from the top down in three stages; lora "
        "leaves\n"
        "the base as it is and learns a low-rank difference. Pictures are made to fit the base, grey or RGB. The test "
        "part of\n"
        "DATA is looked at once, at the end. Ctrl-C saves the best so far.",
    .examples = "  hone finetune mnist_model.h5 letters/ --output letters.h5\n"
                "  hone finetune mobilenet.h5 photos/ --recipe gradual --layer-decay 0.9 --augment photos\n"
                "  hone finetune base.h5 new/ --recipe lora --delta new.delta.h5 --output new.h5\n"
                "  hone finetune base.h5 --merge new.delta.h5 --output new.h5\n"
                "  hone finetune base.h5 new/ --keep-classes --old-data old/ --json",
    .run = run,
};
