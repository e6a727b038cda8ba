/* SPDX-License-Identifier: Apache-2.0
 *
 * What hone train works on: its data and their validation part, the model and what it begins with, and what the model's
 * file will say of it. */
#define _POSIX_C_SOURCE 200809L
#include "train_session.h"

#include <stdlib.h>
#include <string.h>

/* ---- data ------------------------------------------------------------------------------------------------------ */

static int wrong_size(const train_settings *s) {
    return usage_error(&verb_train, "--size is '%s', expected HEIGHTxWIDTH or HEIGHTxWIDTHxCHANNELS", s->size);
}

int open_trained_model(train_session *r) {
    const train_settings *s = &r->settings;
    int channels;
    picture_size size = {.data = r->source};
    if (s->size && !parse_size(s->size, &size.height, &size.width, &channels)) return wrong_size(s);
    return open_model_sized(&r->model, s->resume ? s->resume : s->model, s->input, &size, &r->compiled,
                            r->common.quiet);
}

int open_training_data(train_session *r) {
    const train_settings *s = &r->settings;
    data_options options = {.source = r->source, .split = "train", .limit = s->limit, .fit_to = r->model};
    if (s->size && !parse_size(s->size, &options.height, &options.width, &options.channels)) return wrong_size(s);
    bool is_split = s->validation || s->validation_split_given;
    int status =
        open_training_parts(&r->data, is_split ? NULL : &r->own_validation, &options, r->threads, r->common.quiet);
    if (status >= 0) return status;
    return r->model ? -1 : check_several_classes(r->data, r->source);
}

int set_classes(train_session *r) {
    size_t classes = hone_dataset_classes(r->data);
    hone_error err = {0};
    const char **names = calloc(classes ? classes : 1, sizeof *names);
    if (!names) return failed(NULL, NULL, "out of memory");
    for (size_t i = 0; i < classes; i++) names[i] = hone_dataset_class_name(r->data, i);
    hone_status status = hone_model_set_class_names(r->model, names, classes, &err);
    free(names);
    return status == HONE_OK ? -1 : failed(&err, NULL, "cannot name the classes");
}

int build_preset(train_session *r) {
    hone_error err = {0};
    hone_shape shape = {3, {hone_dataset_height(r->data), hone_dataset_width(r->data), hone_dataset_channels(r->data)}};
    hone_status status =
        hone_model_preset(&r->model, r->settings.model, &shape, (int)hone_dataset_classes(r->data), &err);
    if (status == HONE_OK) status = hone_model_build(r->model, (uint64_t)r->common.seed, &err);
    if (status != HONE_OK) return failed(&err, NULL, "cannot build '%s'", r->settings.model);
    if (r->settings.input) {
        int input_status = set_input(r->model, r->settings.input);
        if (input_status >= 0) return input_status;
    }
    hone_preprocessing pixels = hone_model_preprocessing(r->model);
    pixels.stated = true; /* from here on the file says it */
    hone_model_set_preprocessing(r->model, &pixels);
    return -1;
}

/* What the pixels go through before the network, beside --input: the file will say it. */
int set_preprocessing(train_session *r) {
    const train_settings *s = &r->settings;
    /* An interrupted run's file holds what was fitted. */
    bool fits = r->augmentation && hone_augmentation_normalizes(r->augmentation) && !s->resume;
    int status = -1;
    /* What a preset's recipe says of the scale gives way to what was asked for. */
    if (fits && s->input && !s->input_given && is_preset(s->model)) status = set_input(r->model, "unit");
    if (status >= 0) return status;
    hone_preprocessing pixels = hone_model_preprocessing(r->model);
    if (s->denoise) {
        pixels.denoise = true;
        hone_model_set_preprocessing(r->model, &pixels);
    }
    if (!fits) return -1;
    if (s->input && pixels.kind != HONE_INPUT_RAW && pixels.kind != HONE_INPUT_UNIT)
        return usage_error(&verb_train,
                           "--input '%s' and --augment '%s' both say what is subtracted from pixels: one of them",
                           s->input, s->augment);
    hone_error err = {0};
    if (hone_model_fit_preprocessing(r->model, r->augmentation, r->data, &r->split, r->threads, &err) != HONE_OK)
        return failed(&err, NULL, "cannot take the statistics of '%s'", r->source);
    char text[256];
    pixels = hone_model_preprocessing(r->model);
    note(r->common.quiet, "pixels become input as %s%s, from the training part's statistics",
         hone_preprocessing_text(&pixels, text, sizeof text), hone_model_whitening(r->model, NULL) ? ", whitened" : "");
    return -1;
}

int balance_classes(train_session *r, hone_fit_config *config) {
    if (!r->settings.class_weight) return -1;
    config->class_weight = r->class_weight = balanced_class_weight(r->data, &r->split);
    return r->class_weight ? -1 : failed(NULL, NULL, "out of memory");
}

/* The history goes into the file, for the curves of hone evaluate --report. */
int record_history(train_session *r) {
    hone_error err = {0};
    hone_value *history = hone_value_copy(hone_trainer_history(r->trainer));
    if (hone_model_set_record(r->model, "history", history, &err) != HONE_OK ||
        hone_model_forget_temperature(r->model, &err) != HONE_OK || forget_test(r->model, &err) != HONE_OK)
        return failed(&err, NULL, "cannot record the history");
    return -1;
}

/* How the model did on the test part stands in its file, for whoever is given the file. That it cannot is no reason to
 * call the training a failure. */
void record_test(train_session *r) {
    hone_error err = {0};
    hone_value *test = evaluation_value(&r->test);
    hone_value_set_string(test, "source", r->source);
    if (hone_model_set_record(r->model, "test", test, &err) != HONE_OK ||
        save_undisturbed(r->model, r->trainer, r->output, &err) != HONE_OK)
        fprintf(stderr, "hone: warning: '%s' does not say how it did on the test part: %s\n", r->output, err.message);
}

/* What validated says what is unknown. */
int learn_unknown(train_session *r) {
    return learn_rejection(r->model, r->data, &r->split, &r->reject, r->settings.reject == NULL, r->threads,
                           (uint64_t)r->common.seed, r->common.quiet);
}

int keep_examples(train_session *r) {
    hone_examples_config config = hone_examples_config_default();
    hone_examples *examples = NULL;
    hone_error err = {0};
    if (r->settings.keep_examples == 0) return -1;
    config.count = (size_t)r->settings.keep_examples;
    config.threads = r->threads;
    hone_status status =
        hone_examples_create(&examples, r->model, r->data, r->split.train, r->split.train_count, &config, &err);
    if (status == HONE_OK) status = hone_examples_store(examples, r->model, &err);
    hone_examples_free(examples);
    return status == HONE_OK ? -1 : failed(&err, NULL, "cannot keep examples");
}

/* What the model's file says of where it comes from; "arguments" is what --resume replays. */
int record_provenance(train_session *r) {
    char hash[65];
    hone_dataset_hash(r->data, hash);
    hone_value *record = hone_value_object(), *arguments = hone_value_list(), *data = hone_value_object();
    for (int i = 0; i < r->argument_count; i++) hone_value_append(arguments, hone_value_string(r->arguments[i]));
    hone_value_set_string(data, "source", r->source);
    hone_value_set_string(data, "sha256", hash);
    hone_value_set_integer(data, "samples", (int64_t)hone_dataset_samples(r->data));
    hone_value_set_integer(data, "limit", r->settings.limit);
    hone_value_set_string(data, "validation", r->validation); /* so that hone evaluate finds them again */
    hone_value_set_string(record, "program", "hone train");
    hone_value_set_string(record, "version", hone_version());
    hone_value_set(record, "arguments", arguments);
    hone_value_set(record, "data", data);
    hone_value_set_integer(record, "seed", r->common.seed);
    hone_value_set_string(record, "cpu_level", hone_cpu_level());
    hone_error err = {0};
    if (hone_model_set_record(r->model, "provenance", record, &err) != HONE_OK ||
        hone_model_forget_rejection(r->model, &err) != HONE_OK || hone_model_forget_examples(r->model, &err) != HONE_OK)
        return failed(&err, NULL, "cannot record the run");
    return -1;
}

/* Where nothing was asked for: the policy of the model's file, if this CPU can. */
hone_precision model_policy(const train_session *r) {
    hone_precision policy = hone_model_precision(r->model);
    if (policy == HONE_PRECISION_FLOAT32) return policy;
    if (hone_precision_level(policy)) {
        note(r->common.quiet, "the model's policy is mixed_bfloat16: training so");
        return policy;
    }
    note(r->common.quiet, "the model's policy is mixed_bfloat16, which this CPU has not: training in float32");
    return HONE_PRECISION_FLOAT32;
}

/* --init: a warm start; what was taken over is said. */
int take_weights(train_session *r) {
    hone_model *from;
    int status = open_model(&from, r->settings.init, NULL, NULL, true);
    if (status >= 0) return status;
    hone_error err = {0};
    hone_weight_copy copied;
    if (hone_model_copy_weights(r->model, from, true, &copied, &err) != HONE_OK)
        status = failed(&err, NULL, "cannot begin with '%s'", r->settings.init);
    else if (copied.by_name + copied.by_shape == 0)
        status = failed(NULL, "hone info shows the layers of a model", "'%s' has no layer whose weights fit '%s'",
                        r->settings.init, r->settings.model);
    else
        note(r->common.quiet,
             "weights from '%s': %zu layer%s by name, %zu by shape, %lld numbers; %zu layer%s left%s%s%s",
             r->settings.init, copied.by_name, plural((int64_t)copied.by_name), copied.by_shape,
             (long long)copied.values, copied.left, plural((int64_t)copied.left), copied.left ? ", the first is '" : "",
             copied.left ? copied.first_left : "", copied.left ? "'" : "");
    hone_model_free(from);
    return status;
}
