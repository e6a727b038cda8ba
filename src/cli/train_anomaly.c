/* SPDX-License-Identifier: Apache-2.0
 *
 * hone train --task anomaly: pictures of what is normal in, a model that knows nothing else out. */
#include "anomaly.h"
#include "interrupt.h"

#include <stdlib.h>
#include <string.h>

enum { PRETRAIN_EPOCHS = 3 };

/* A training of an autoencoder as it goes on. */
typedef struct watched {
    train_session *session;
    double start;
} watched;

static bool end_epoch(void *context, int epoch, int epochs, double loss) {
    const watched *w = context;
    const train_session *r = w->session;
    hone_logs logs = {1, {"loss"}, {loss}};
    hone_error err = {0};
    note(r->common.quiet, "epoch %d/%d - loss: %.5f", epoch, epochs, loss);
    if (r->record && hone_run_add_epoch(r->record, &logs, clock_seconds() - w->start, &err) != HONE_OK)
        fprintf(stderr, "hone: warning: the record of this run is incomplete: %s\n", err.message);
    return !is_interrupted();
}

/* Labels do not matter; the size is the model's, where there is one. */
static int open_pictures(train_session *r) {
    const train_settings *s = &r->settings;
    data_options options = {.source = r->source, .split = "train", .limit = s->limit, .allow_unlabelled = true};
    if (s->size && !parse_size(s->size, &options.height, &options.width, &options.channels))
        return usage_error(&verb_train, "--size is '%s', expected HEIGHTxWIDTH or HEIGHTxWIDTHxCHANNELS", s->size);
    hone_shape shape = r->model ? hone_model_input_shape(r->model) : (hone_shape){0};
    if (shape.rank == 3) {
        options.height = (int)shape.dims[0];
        options.width = (int)shape.dims[1];
        options.channels = (int)shape.dims[2];
    }
    bool is_split = s->validation || s->validation_split_given;
    return open_training_parts(&r->data, is_split ? NULL : &r->own_validation, &options, r->threads, r->common.quiet);
}

/* An interrupted training's model: its pictures must be those it was trained on. */
static int check_resumed(const train_session *r) {
    const char *path = r->settings.resume;
    const hone_value *record = hone_value_get(hone_model_record(r->model, "provenance"), "data");
    const char *expected = hone_value_as_string(hone_value_get(record, "sha256"));
    char hash[65];
    if (!hone_anomaly_is_unfinished(r->model, NULL))
        return failed(NULL, "only an autoencoder that was interrupted between two epochs can be gone on with",
                      "'%s' holds no interrupted training of what is normal", path);
    hone_dataset_hash(r->data, hash);
    if (expected && strcmp(hash, expected) != 0)
        return failed(NULL, "the data must be those of the run that was interrupted",
                      "cannot resume from '%s': '%s' is no longer what it was trained on", path, r->source);
    return -1;
}

/* Half of a memory is of no use, so nothing is left of it. */
static int nothing_kept(train_session *r) {
    end_run(r->record, "interrupted", r->model, NULL, NULL, r->common.quiet);
    fprintf(stderr, "hone: interrupted; nothing was saved: a memory is made in one go\n");
    return EXIT_INTERRUPTED;
}

/* A preset, which has to learn to see first. */
static int make_backbone(train_session *r, const hone_shape *shape, const hone_anomaly_config *config) {
    const train_settings *s = &r->settings;
    hone_error err = {0};
    hone_status status = hone_model_preset(&r->model, s->model, shape, 4, &err);
    if (status == HONE_OK) status = hone_model_build(r->model, (uint64_t)r->common.seed, &err);
    if (status != HONE_OK) return failed(&err, NULL, "cannot build '%s'", s->model);
    int epochs = s->epochs_given ? (int)s->epochs : PRETRAIN_EPOCHS;
    note(r->common.quiet,
         "no trained network is given (--model FILE): '%s' learns which way up the pictures are, %d epoch%s", s->model,
         epochs, plural(epochs));
    status = hone_anomaly_pretrain(r->model, r->data, &r->split, epochs, config, &err);
    if (status == HONE_OK) return -1;
    if (status == HONE_CANCELLED) return nothing_kept(r);
    return failed(&err, "--model FILE takes a trained network, --method autoencoder needs none", "cannot learn to see");
}

static int make_model(train_session *r, const hone_anomaly_config *config) {
    hone_shape shape = {3, {hone_dataset_height(r->data), hone_dataset_width(r->data), hone_dataset_channels(r->data)}};
    hone_error err = {0};
    int status = -1;
    if (!r->model && config->method == HONE_ANOMALY_MEMORY)
        status = make_backbone(r, &shape, config);
    else if (!r->model && hone_anomaly_autoencoder(&r->model, &shape, (uint64_t)r->common.seed, &err) != HONE_OK)
        status = failed(&err, NULL, "cannot build an autoencoder");
    if (status >= 0) return status;
    hone_preprocessing pixels = hone_model_preprocessing(r->model);
    pixels.stated = true; /* from here on the file says it */
    hone_model_set_preprocessing(r->model, &pixels);
    return -1;
}

static hone_value *summary(const train_session *r, hone_anomaly_method method, const hone_anomaly_report *found,
                           double seconds) {
    hone_value *value = hone_value_object();
    hone_value_set_string(value, "task", "anomaly");
    hone_value_set_string(value, "method", hone_anomaly_method_word(method));
    hone_value_set_real(value, "threshold", found->threshold);
    hone_value_set_real(value, "tpr", found->tpr);
    hone_value_set_integer(value, "samples", (int64_t)r->split.train_count);
    hone_value_set_integer(value, "validation_samples", (int64_t)found->held_back);
    if (method == HONE_ANOMALY_AUTOENCODER) {
        hone_value_set_real(value, "loss", found->loss);
        hone_value_set_integer(value, "epochs", found->epochs);
    } else {
        hone_value_set_integer(value, "memory", (int64_t)found->memory);
    }
    hone_value_set_real(value, "seconds", seconds);
    hone_value_set_integer(value, "seed", r->common.seed);
    hone_value_set_string(value, "model", r->output);
    return value;
}

static int report(const train_session *r, hone_value *value, const hone_anomaly_report *found) {
    if (r->common.json && !r->is_silent) return print_json(value);
    hone_value_free(value);
    if (r->is_silent) return EXIT_DONE;
    printf("anomalous above %.4g: of %zu normal picture%s held back %.4g %% pass\nsaved %s\n", found->threshold,
           found->held_back, plural((int64_t)found->held_back), 100 * found->tpr, r->output);
    return finish_output();
}

int train_anomaly(train_session *r) {
    const train_settings *s = &r->settings;
    hone_anomaly_method method = HONE_ANOMALY_AUTOENCODER;
    hone_error err = {0};
    if (s->method && hone_anomaly_method_parse(&method, s->method, &err) != HONE_OK)
        return usage_error(&verb_train, "--method: %s", err.message);
    hone_anomaly_config config = hone_anomaly_config_default(method);
    int status = parse_reject(&verb_train, s->reject, &r->reject);
    if (status < 0) status = start_threads(&r->threads, r->common.threads);
    bool given = method == HONE_ANOMALY_MEMORY && !is_preset(s->model);
    if (status < 0 && (given || s->resume)) status = open_trained_model(r);
    if (status < 0) status = open_pictures(r);
    if (status < 0 && s->resume) status = check_resumed(r);
    if (status < 0) status = train_settings_split(s, &r->common, r->data, r->own_validation, &r->split, r->validation);
    if (status >= 0) return status;
    double start = clock_seconds();
    config.resume = s->resume != NULL;
    if (s->epochs_given) config.epochs = (int)s->epochs;
    config.batch_size = (size_t)s->batch_size;
    if (s->learning_rate_given) config.learning_rate = s->learning_rate;
    if (r->reject.tpr > 0) config.tpr = r->reject.tpr;
    config.layer = s->layer;
    config.memory = (size_t)s->memory;
    config.seed = (uint64_t)r->common.seed;
    config.threads = r->threads;
    config.progress = end_epoch;
    config.keep_going = keep_going;
    config.context = &(watched){r, start};
    watch_interrupts(method == HONE_ANOMALY_AUTOENCODER ? stopping_after_epoch : NULL);
    status = make_model(r, &config);
    if (status < 0) status = record_provenance(r);
    if (status >= 0) return status;
    if (!s->no_run) r->record = begin_run(s->runs, r->model);
    hone_anomaly_report found;
    hone_status trained = hone_anomaly_train(r->model, r->data, &r->split, &config, &found, &err);
    if (trained == HONE_CANCELLED) return nothing_kept(r);
    if (trained != HONE_OK) return failed(&err, NULL, "cannot learn what is normal in '%s'", r->source);
    bool stopped = hone_anomaly_is_unfinished(r->model, NULL);
    const char *how = stopped ? "interrupted" : "done";
    if (save_undisturbed(r->model, NULL, r->output, &err) != HONE_OK)
        return not_saved(r->record, how, r->model, NULL, &err, "the model was not saved");
    hone_value *value = summary(r, method, &found, clock_seconds() - start);
    end_run(r->record, how, r->model, NULL, value, r->common.quiet);
    if (!stopped) return report(r, value, &found);
    hone_value_free(value);
    fprintf(stderr, "hone: interrupted after %d epoch%s; what was learnt so far is in '%s'\n", found.epochs,
            plural(found.epochs), r->output);
    fprintf(stderr, "hint: go on with: hone train --resume %s\n", r->output);
    return EXIT_INTERRUPTED;
}
