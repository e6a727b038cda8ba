/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of training share.
 *
 *   objective  losses and metrics of rows of outputs, computed where the outputs are: on the shard's worker
 *   sums       what an epoch adds up: integers for metrics, doubles for losses, so that the order of adding is ours
 *   updater    one pass over weights, gradients and slots per step
 *   evaluator  a plan in inference mode and the same objective: validation during fit, and hone_evaluate
 *   trainer    all of it, and the loop */
#ifndef HONE_TRAIN_INTERNAL_H
#define HONE_TRAIN_INTERNAL_H

#include <hone/train.h>

#include "core_internal.h"
#include "data_internal.h"
#include "kernels.h"
#include "model_internal.h"
#include "plan_internal.h"
#include "rng.h"

#include <stdatomic.h>

/* ---- losses.c: one row of outputs, one label ------------------------------------------------------------------- */

typedef enum hone__loss_form {
    HONE__LOSS_SOFTMAX_LOGITS,  /* cross-entropy of softmax(outputs) */
    HONE__LOSS_SOFTMAX_CLIPPED, /* of probabilities, clipped to [1e-7, 1 - 1e-7] as Keras does without logits */
    HONE__LOSS_SIGMOID_LOGITS,
    HONE__LOSS_SIGMOID_CLIPPED,
    HONE__LOSS_SQUARED,
    HONE__LOSS_ABSOLUTE,
    HONE__LOSS_HUBER
} hone__loss_form;

/* Ranges of the loss's own numbers. */
hone_status hone__loss_check(const hone_loss *loss, hone_error *err);
/* True for the losses that a softmax or sigmoid is seen through for: plans then leave it out. */
bool hone__loss_wants_logits(const hone_loss *loss);
/* Which of the two (1 softmax, 2 sigmoid, as hone__plan_logits says) fits the loss. */
int hone__loss_head(const hone_loss *loss);
hone__loss_form hone__loss_form_of(const hone_loss *loss, bool logits);

/* The losses of rows of outputs (rows, c), their labels (c == 1: the number itself; else the index of the one).
 * d (rows, c) becomes the gradient of each row's loss; NULL: not wanted. */
void hone__loss_rows(const hone_kernels *kernels, const hone_loss *loss, hone__loss_form form, size_t rows, size_t c,
                     const float *outputs, const int32_t *labels, float *losses, float *d);

/* What the weight's constraint does to its data; it must have one. */
void hone__constrain(const hone__weight *weight, float *data);

/* l1 * sum |w| + l2 * sum w^2 over the trainable weights that have a regularizer. */
double hone__regularization_loss(const hone_model *model, const hone_kernels *kernels);
double hone__regularizer_loss(const hone__regularizer *regularizer, const hone_kernels *kernels, const float *w,
                              size_t n);

/* ---- metrics.c ------------------------------------------------------------------------------------------------- */

/* Counts of rows. Integers, so any order of adding gives the same. */
typedef struct hone__tally {
    uint64_t correct, in_top_k;
    uint64_t true_positives, false_positives, false_negatives; /* of outputs */
} hone__tally;

void hone__tally_add(hone__tally *sum, const hone__tally *more);

/* What an epoch has added up so far. */
typedef struct hone__sums {
    double loss; /* over samples */
    uint64_t samples;
    hone__tally tally;
} hone__sums;

const char *hone__metric_key(const hone_metric *metric, bool validation); /* "accuracy", "val_accuracy"; constant */
/* 1 when larger is better, -1 when smaller is, 0 when the name (with or without "val_") is not known. */
int hone__metric_direction(const char *key);
/* The area under the ROC curve of scores (n, outputs): of the one output, or the mean over the classes that occur (and
 * do not fill everything). NaN where no class does, or a score is NaN. The label of sample i is labels[order[i]] (order
 * NULL: i). keys: room for 2 n numbers; the first n then are the last output's scores, ascending in the bits from 1 on,
 * with bit 0 saying whether the sample is of the class. */
double hone__auc(const float *scores, const int32_t *labels, const uint32_t *order, size_t n, size_t outputs,
                 uint64_t *keys);

void hone__logs_add(hone_logs *logs, const char *key, double value); /* keys stay sorted, as Keras 3 passes them */

/* ---- objective.c ----------------------------------------------------------------------------------------------- */

typedef struct hone__objective {
    hone_loss loss;
    hone__loss_form form;
    int head; /* of the plan: 1 softmax, 2 sigmoid was left out; 0: outputs are the model's own */
    size_t outputs;
    hone_metric metrics[HONE_MAX_METRICS];
    size_t metric_count;
    int k;                   /* of top-k; 0: not asked for */
    bool has_auc, has_areas; /* has_areas: precision or recall */
    const hone_kernels *kernels;
} hone__objective;

/* A plan whose head is left out where the loss can see through it, and the objective that fits the plan. */
hone_status hone__objective_create_plan(hone__objective *objective, hone_plan **plan, hone_model *model,
                                        const hone_plan_config *config, const hone_loss *loss,
                                        const hone_metric *metrics, size_t metric_count, hone_error *err);
/* Whether rows needs room for probabilities. */
bool hone__objective_needs_probabilities(const hone__objective *o);
/* Losses (rows), gradients d (rows, outputs) or NULL, the model's own outputs into probabilities (rows, outputs) or
 * NULL, counts added to tally. */
void hone__objective_rows(const hone__objective *o, size_t rows, const float *outputs, const int32_t *labels,
                          float *losses, float *d, float *probabilities, hone__tally *tally);
/* Adds the means to logs. auc: its value; ignored without one. partial: leave AUC out. */
void hone__objective_logs(const hone__objective *o, const hone__sums *sums, bool validation, bool partial, double auc,
                          hone_logs *logs);
/* All of samples (indices, or 0 … count - 1 when NULL) have the model's input shape and a label that fits. */
hone_status hone__check_data(const hone_model *model, const hone_dataset *data, const hone_loss *loss,
                             const uint32_t *indices, size_t count, const char *what, hone_error *err);
/* The labels alone: the model is given features. */
hone_status hone__check_labels(const hone_model *model, const hone_dataset *data, const hone_loss *loss,
                               const uint32_t *indices, size_t count, const char *what, hone_error *err);

/* Copies the features (of size numbers) of indices[0 … n - 1] into rows. */
void hone__gather_rows(const float *features, size_t size, const uint32_t *indices, size_t n, float *rows);

/* ---- schedules.c ----------------------------------------------------------------------------------------------- */

hone_status hone__schedule_check(const hone_schedule *schedule, hone_error *err);
const char *hone__schedule_name(hone_schedule_kind kind);

/* ---- optimizers.c and updater.c -------------------------------------------------------------------------------- */

enum { HONE__OPTIMIZER_SLOTS = 3 };

typedef struct hone__updater hone__updater;

/* Ranges of the optimizer's numbers. */
hone_status hone__optimizer_check(const hone_optimizer *optimizer, hone_error *err);
/* Names of the arrays the optimizer keeps, in the order the update kernels take them; NULL: that one is not used. */
void hone__optimizer_slots(const hone_optimizer *optimizer, const char *names[HONE__OPTIMIZER_SLOTS]);

/* slots: arrays of model->data_size floats, NULL as hone__optimizer_slots says. max_shards: of the plan. */
hone_status hone__updater_create(hone__updater **out, hone_model *model, const hone_optimizer *optimizer,
                                 float *const slots[HONE__OPTIMIZER_SLOTS], hone_threads *threads, size_t max_shards,
                                 hone_error *err);
/* Rules: one per weight; lora: the kernels that it adapts are left to it. Either may be NULL. To be called once. */
hone_status hone__updater_set_rules(hone__updater *u, const hone_weight_rule *rules, hone_lora *lora, hone_error *err);
void hone__updater_free(hone__updater *u);
/* One step: gradients are sums over n samples, in shard_count arrays of the layout of model->data. iteration counts
 * from 0. Returns the regularisation loss of the weights as they were before. */
double hone__updater_step(hone__updater *u, float *const *shards, size_t shard_count, size_t n, double learning_rate,
                          int64_t iteration);

/* ---- lora.c ----------------------------------------------------------------------------------------------------- */

/* What an adapter's step needs of the updater's. */
typedef struct hone__lora_call {
    hone_update_function update;
    const hone_update *rates;
    float *const *shards;
    size_t shard_count;
    float mean; /* 1 / batch */
} hone__lora_call;

/* Takes the memory that the optimizer needs per factor, zeroed. */
hone_status hone__lora_prepare(hone_lora *lora, const hone_optimizer *optimizer, hone_error *err);
/* A kernel's rule is its adapter's: both factors learn at that rate, and L2-SP pulls the product to nothing, which is the
 * kernel to its base. rules: one per weight; NULL: none. */
void hone__lora_set_rules(hone_lora *lora, const hone_weight_rule *rules);
/* What L2-SP added to the loss in the last step. */
double hone__lora_penalty(const hone_lora *lora);
bool hone__lora_adapts(const hone_lora *lora, size_t weight);
/* ranges: room for shard_count pointers. */
void hone__lora_step(hone_lora *lora, size_t index, const hone__lora_call *call, const float **ranges);
void hone__lora_restore_best(hone_lora *lora);

/* ---- evaluate.c ------------------------------------------------------------------------------------------------ */

typedef struct hone__evaluator hone__evaluator;

/* capacity: most samples of one run (room for AUC). indices and data as in hone_evaluate_config. */
hone_status hone__evaluator_create(hone__evaluator **out, hone_model *model, const hone_dataset *data,
                                   const hone_evaluate_config *config, hone_error *err);
void hone__evaluator_free(hone__evaluator *e);
/* Adds "loss", "accuracy", … ("val_loss", … with validation) to logs. HONE_CANCELLED when *cancel became non-zero in
 * between; else it fails only where an image cannot be fetched. */
hone_status hone__evaluator_run(hone__evaluator *e, bool validation, atomic_int *cancel, hone_logs *logs,
                                hone__sums *sums, hone_error *err);

/* ---- fit.c, trainer.c, state.c --------------------------------------------------------------------------------- */

enum { HONE__MAX_SLOTS = 16, HONE__MAX_CALLBACKS = 64 };

typedef struct hone__slot {
    char *name;
    float *data; /* model->data_size floats, in its layout */
} hone__slot;

struct hone_trainer {
    hone_model *model;
    const hone_dataset *data;
    hone_fit_config config;
    const uint32_t *train; /* config.split's list, or NULL: all samples in their order */
    size_t train_count;
    int64_t steps; /* of an epoch */

    hone_plan *plan;
    hone__objective objective;
    hone__updater *updater;
    hone__evaluator *validation; /* NULL: none */
    hone__slot slots[HONE__MAX_SLOTS];
    size_t slot_count, optimizer_slot_count;

    /* one batch */
    size_t batch_size, max_shards, max_slots, image_size;
    unsigned char *pixels;
    unsigned char *fetched;         /* a picture per worker, before augmentation; NULL: they are in memory */
    size_t ahead;                   /* places in order that reading is ahead of training; 0: all is in memory */
    int expecting_epoch;            /* whose first samples have been asked for */
    _Atomic size_t unreadable;      /* the first sample of the batch that could not be fetched; SIZE_MAX: none */
    unsigned char *augment_scratch; /* one per worker; NULL: no augmentation */
    size_t augment_scratch_size;    /* of one, a multiple of 64 */
    unsigned char *partners;        /* a picture per worker; NULL: nothing is mixed, nor are the next four there */
    int32_t *mix_labels;            /* (batch) of the smaller share */
    float *mix_shares;              /* (batch) of labels: a half or more */
    float *mix_losses;              /* (batch) */
    float *mix_d;                   /* (batch, outputs) */
    int32_t *labels;
    float *losses;        /* (batch), weighted */
    float *probabilities; /* NULL: not needed. With AUC: of the whole epoch, else of a batch */
    uint64_t *auc_keys;
    hone__tally *tallies; /* (max_slots) */
    float **gradients;    /* (max_shards) */
    float *rows;          /* (batch, row_size) of config.features; NULL: pixels are what trains */
    size_t row_size;

    /* where training is */
    uint32_t *order; /* (train_count) of the epoch that ordered_epoch names; -1: none yet */
    int ordered_epoch;
    size_t first; /* of the batch in progress, into order */
    int epoch;    /* completed */
    int64_t step; /* of this epoch, completed; steps: only validation and the end of the epoch are missing */
    int64_t iterations;
    double rate; /* the schedule's base */
    hone__sums sums;
    hone_value *history;
    hone_value *columns[HONE_MAX_LOGS]; /* history's lists, in its order */
    double seconds, step_seconds;       /* accounts behind hone_trainer_seconds, …_images_per_second */
    double seconds_before, began;       /* of this call of fit: what earlier ones took; when its first step began */
    uint64_t images;

    hone_callback callbacks[HONE__MAX_CALLBACKS];
    size_t callback_count;
    atomic_int cancel;
    bool stop;
    /* TerminateOnNaN: look at each batch's loss before its update, and what was found. */
    bool watch_nonfinite;
    char nonfinite[256]; /* "" : nothing */
    char *data_hash;     /* 65 characters, "" until asked for */
};

/* An array like the optimizer's, saved and resumed with them. The trainer owns it. */
hone_status hone__trainer_add_slot(hone_trainer *trainer, const char *name, float **data, hone_error *err);
/* A new list at the end of the history. */
hone_status hone__trainer_add_column(hone_trainer *trainer, const char *key, hone_error *err);
/* Makes order that of the epoch: a pure function of (seed, epoch). */
void hone__trainer_order(hone_trainer *trainer, int epoch);

/* ---- callbacks ------------------------------------------------------------------------------------------------- */

/* The improvement test that EarlyStopping, ReduceLROnPlateau and ModelCheckpoint share. */
typedef struct hone__monitor {
    char *key;
    int direction; /* 1 larger is better, -1 smaller */
    double min_delta;
    bool has_best;
    double best;
} hone__monitor;

hone_status hone__monitor_init(hone__monitor *m, const char *callback, const char *key, const char *mode,
                               double min_delta, hone_error *err);
bool hone__monitor_improves(const hone__monitor *m, double value);
/* False, and a warning in the log, where logs lack the key. */
bool hone__monitor_value(const hone__monitor *m, const char *callback, const hone_logs *logs, double *out);
void hone__monitor_save(const hone__monitor *m, hone_value *state);
hone_status hone__monitor_load(hone__monitor *m, const hone_value *state, hone_error *err);

/* Reals in states: what JSON cannot hold goes as the strings "nan", "inf", "-inf". */
hone_value *hone__state_real(double value);
hone_status hone__state_get_real(const hone_value *state, const char *key, double *out, hone_error *err);
hone_status hone__state_get_integer(const hone_value *state, const char *key, int64_t least, int64_t most, int64_t *out,
                                    hone_error *err);

/* Takes the state that owner built: into *out, or freed where some of it found no memory. */
hone_status hone__state_finish(hone_value **out, hone_value *state, const char *owner, hone_error *err);

/* Python's str.format with the keys of logs and epoch: {epoch}, {epoch:02d}, {val_loss:.2f}, {{. */
hone_status hone__format_path_check(const char *template, hone_error *err);
hone_status hone__format_path(char **out, const char *template, int epoch, const hone_logs *logs, hone_error *err);

#endif
