/* SPDX-License-Identifier: Apache-2.0
 *
 * From the words on the command line to hone_fit_config, a split and callbacks. */
#include "train_settings.h"

#include <stdlib.h>
#include <string.h>

train_settings train_settings_default(void) {
    return (train_settings){.model = "mnist-cnn",
                            .epochs = 10,
                            .batch_size = 32,
                            .validation_split = 0.1,
                            .memory = 1000,
                            .momentum = 0.9,
                            .monitor = "val_loss",
                            .early_stopping = -1,
                            .reduce_lr = -1,
                            .reduce_lr_factor = 0.1};
}

static int optimizer_config(const train_settings *s, const hone_compiled *compiled, hone_optimizer *optimizer) {
    hone_error err = {0};
    if (s->optimizer) {
        if (hone_optimizer_parse(optimizer, s->optimizer, &err) != HONE_OK)
            return usage_error(&verb_train, "--optimizer: %s", err.message);
    } else if (compiled->has_optimizer) {
        *optimizer = compiled->optimizer;
    }
    if (s->learning_rate_given) optimizer->learning_rate = s->learning_rate;
    if (s->weight_decay_given) optimizer->weight_decay = s->weight_decay;
    if (s->momentum_given) {
        if (optimizer->kind != HONE_OPTIMIZER_SGD && optimizer->kind != HONE_OPTIMIZER_RMSPROP)
            return usage_error(&verb_train, "--momentum goes with sgd and rmsprop");
        optimizer->momentum = s->momentum;
    }
    if (s->nesterov) {
        if (optimizer->kind != HONE_OPTIMIZER_SGD || optimizer->momentum == 0)
            return usage_error(&verb_train, "--nesterov goes with --optimizer sgd and --momentum");
        optimizer->nesterov = true;
    }
    if (s->amsgrad) {
        if (optimizer->kind != HONE_OPTIMIZER_ADAM && optimizer->kind != HONE_OPTIMIZER_ADAMW)
            return usage_error(&verb_train, "--amsgrad goes with adam and adamw");
        optimizer->amsgrad = true;
    }
    if ((s->clipnorm > 0) + (s->clipvalue > 0) + (s->global_clipnorm > 0) > 1)
        return usage_error(&verb_train, "only one of --clipnorm, --clipvalue and --global-clipnorm can be given");
    if (s->clipnorm > 0) optimizer->clipnorm = s->clipnorm;
    if (s->clipvalue > 0) optimizer->clipvalue = s->clipvalue;
    if (s->global_clipnorm > 0) optimizer->global_clipnorm = s->global_clipnorm;
    return -1;
}

/* Whether --validation says stratified:F or last:F, or was not given. */
static bool is_validation(const char *how) {
    const char *colon = how ? strchr(how, ':') : NULL;
    double fraction;
    if (!how) return true;
    return (strncmp(how, "stratified:", 11) == 0 || strncmp(how, "last:", 5) == 0) &&
           parse_number(colon + 1, &fraction) && fraction > 0 && fraction < 1;
}

int train_settings_config(const train_settings *s, const common_options *common, const hone_compiled *compiled,
                          hone_fit_config *config) {
    hone_error err = {0};
    int status = parse_precision(&verb_train, s->mixed_precision, &config->precision);
    if (status >= 0) return status;
    if (compiled->has_loss) config->loss = compiled->loss;
    if (s->loss && hone_loss_parse(&config->loss, s->loss, &err) != HONE_OK)
        return usage_error(&verb_train, "--loss: %s", err.message);
    if (s->label_smoothing > 0) {
        /* The sparse form has no smoothing in Keras; with one-hot labels it is the same loss. */
        if (config->loss.kind == HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY)
            config->loss.kind = HONE_LOSS_CATEGORICAL_CROSSENTROPY;
        config->loss.label_smoothing = s->label_smoothing;
    }
    status = optimizer_config(s, compiled, &config->optimizer);
    if (status >= 0) return status;
    if (s->schedule && hone_schedule_parse(&config->schedule, s->schedule, &err) != HONE_OK)
        return usage_error(&verb_train, "--schedule: %s", err.message);
    if (s->metrics) {
        status = parse_metrics(&verb_train, s->metrics, config->metrics, &config->metric_count);
        if (status >= 0) return status;
    }
    if (!is_validation(s->validation))
        return usage_error(&verb_train, "--validation is '%s', expected stratified:FRACTION or last:FRACTION",
                           s->validation);
    if (s->class_weight && strcmp(s->class_weight, "balanced") != 0)
        return usage_error(&verb_train, "--class-weight is '%s', expected balanced", s->class_weight);
    config->epochs = (int)s->epochs;
    config->batch_size = (size_t)s->batch_size;
    config->shuffle = !s->no_shuffle;
    config->seed = (uint64_t)common->seed;
    return -1;
}

/* The data brought its own validation part, appended behind the training part. */
static int own_split(const hone_dataset *data, size_t own_validation, hone_split *out) {
    size_t samples = hone_dataset_samples(data), train = samples - own_validation;
    hone_error err = {0};
    /* The last own_validation samples: the fraction is chosen so that floor(n (1 - f)) is exactly the training part. */
    double fraction = ((double)own_validation - 0.5) / (double)samples;
    if (hone_split_last(out, samples, fraction, &err) != HONE_OK) return failed(&err, NULL, "cannot split the data");
    if (out->train_count != train) return failed(NULL, NULL, "cannot split the data");
    return -1;
}

int train_settings_split(const train_settings *s, const common_options *common, const hone_dataset *data,
                         size_t own_validation, hone_split *out, char how[VALIDATION_WORDS]) {
    hone_error err = {0};
    if (own_validation > 0) {
        snprintf(how, VALIDATION_WORDS, "own");
        return own_split(data, own_validation, out);
    }
    bool by_class = !s->validation && hone_dataset_lies_by_class(data);
    if (s->validation)
        snprintf(how, VALIDATION_WORDS, "%s", s->validation);
    else
        snprintf(how, VALIDATION_WORDS, "%s:%.17g", by_class ? "stratified" : "last", s->validation_split);
    if (by_class && s->validation_split > 0)
        note(common->quiet,
             "the samples lie class by class: %g %% of each class validates (--validation last:%g: the "
             "last of all, as in Keras)",
             100 * s->validation_split, s->validation_split);
    if (hone_split_by_words(out, data, how, (uint64_t)common->seed, &err) != HONE_OK)
        return failed(&err, "--validation-split 0 trains on everything", "cannot split the data");
    return -1;
}

static int add(hone_trainer *trainer, hone_status made, const hone_callback *callback, hone_error *err) {
    if (made == HONE_OK) made = hone_trainer_add_callback(trainer, callback, err);
    return made == HONE_OK ? -1 : failed(err, NULL, "cannot start training");
}

static int add_tensorboard(const train_settings *s, const hone_dataset *data, hone_trainer *trainer) {
    hone_error err = {0};
    hone_callback callback;
    hone_tensorboard_config config = hone_tensorboard_config_default();
    config.every = s->tensorboard_every;
    config.histograms = s->tensorboard_histograms;
    config.data = data;
    return add(trainer, hone_callback_tensorboard(&callback, s->tensorboard, &config, &err), &callback, &err);
}

int train_settings_callbacks(const train_settings *s, bool validates, bool resumed, const hone_dataset *data,
                             hone_trainer *trainer, hone_save_function save) {
    hone_error err = {0};
    hone_callback callback;
    if (!s->tensorboard && (s->tensorboard_every > 0 || s->tensorboard_histograms))
        return usage_error(&verb_train, "--tensorboard is missing: where the events go");
    int status = add(trainer, hone_callback_terminate_on_nan(&callback, &err), &callback, &err);
    const char *monitor = s->monitor;
    if (!validates && strncmp(monitor, "val_", 4) == 0) {
        if (s->early_stopping >= 0 || s->reduce_lr >= 0 || s->save_best_only)
            return usage_error(&verb_train, "nothing validates, so '%s' cannot be watched: say --monitor loss",
                               monitor);
        monitor = "loss";
    }
    if (s->ema > 0 && s->early_stopping >= 0)
        return usage_error(&verb_train, "--ema and --early-stopping both say which weights stay: choose one");
    if (status < 0 && s->ema > 0)
        status = add(trainer, hone_callback_weight_averaging(&callback, s->ema, &err), &callback, &err);
    if (status < 0 && s->reduce_lr >= 0)
        status = add(trainer,
                     hone_callback_reduce_lr_on_plateau(&callback, monitor, s->reduce_lr_factor, (int)s->reduce_lr,
                                                        "auto", 1e-4, 0, 0, &err),
                     &callback, &err);
    if (status < 0 && s->early_stopping >= 0)
        status = add(trainer,
                     hone_callback_early_stopping(&callback, monitor, s->min_delta, (int)s->early_stopping, "auto",
                                                  true, 0, &err),
                     &callback, &err);
    if (status < 0 && s->checkpoint)
        status = add(trainer,
                     hone_callback_model_checkpoint(&callback, s->checkpoint, monitor, "auto", s->save_best_only, save,
                                                    NULL, &err),
                     &callback, &err);
    if (status < 0 && s->csv_log)
        status = add(trainer, hone_callback_csv_logger(&callback, s->csv_log, ',', resumed, &err), &callback, &err);
    if (status < 0 && s->log)
        status = add(trainer, hone_callback_jsonl_logger(&callback, s->log, resumed, &err), &callback, &err);
    if (status < 0 && s->tensorboard) status = add_tensorboard(s, data, trainer);
    return status;
}
