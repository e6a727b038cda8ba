/* SPDX-License-Identifier: Apache-2.0
 *
 * What `hone train` was asked for: the option table's targets, and turning them into the library's configuration. */
#ifndef HONE_TRAIN_SETTINGS_H
#define HONE_TRAIN_SETTINGS_H

#include "commands.h"

typedef struct train_settings {
    const char *model, *init, *output, *resume, *size, *input;
    int64_t epochs, batch_size, limit;
    bool no_shuffle, no_test, no_run, denoise, ui;
    int64_t ui_port;

    double validation_split;
    const char *validation; /* "stratified:0.1", "last:0.1" */
    bool validation_split_given;

    const char *loss, *optimizer, *schedule, *metrics, *class_weight;
    double learning_rate, label_smoothing, momentum, weight_decay, clipnorm, clipvalue, global_clipnorm;
    bool nesterov, amsgrad, learning_rate_given, momentum_given, weight_decay_given;

    const char *augment, *tta, *mixed_precision;
    int64_t keep_examples;
    const char *task, *method, *layer; /* --task anomaly */
    int64_t memory;
    bool epochs_given, input_given;
    const char *reject; /* what is unknown: "none", "tpr=0.95,score=knn" */

    /* --model auto and --find-learning-rate */
    const char *time, *max_memory, *rate_report;
    int64_t trials, max_parameters;
    double max_latency; /* microseconds */
    bool find_rate;

    const char *monitor, *checkpoint, *csv_log, *log, *runs, *tensorboard;
    int64_t early_stopping, reduce_lr;
    double reduce_lr_factor, min_delta, ema;
    bool save_best_only, tensorboard_histograms;
    int64_t tensorboard_every;
} train_settings;

train_settings train_settings_default(void);

/* Fills the configuration's compile part (loss, optimizer, schedule, metrics) and numbers. compiled: what the model file
 * brought along, taken where the command line is silent. Returns an exit status, -1 when all is well. */
int train_settings_config(const train_settings *s, const common_options *common, const hone_compiled *compiled,
                          hone_fit_config *config);

/* Which samples validate, and in how what a model's file says of it: "own", or hone_split_by_words'. Returns an exit
 * status, or -1. */
enum { VALIDATION_WORDS = 48 };
int train_settings_split(const train_settings *s, const common_options *common, const hone_dataset *data,
                         size_t own_validation, hone_split *out, char how[VALIDATION_WORDS]);

/* Adds the callbacks that were asked for. data: what is trained on. save: how checkpoints are written. Returns an exit
 * status, or -1. */
int train_settings_callbacks(const train_settings *s, bool validates, bool resumed, const hone_dataset *data,
                             hone_trainer *trainer, hone_save_function save);

#endif
