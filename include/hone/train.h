/* SPDX-License-Identifier: Apache-2.0
 *
 * Training and evaluation with Keras' meaning: compile (loss, optimizer, metrics), fit, callbacks, evaluate. */
#ifndef HONE_TRAIN_H
#define HONE_TRAIN_H

#include <hone/augment.h>
#include <hone/data.h>
#include <hone/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- compile --------------------------------------------------------------------------------------------------- */

typedef enum hone_loss_kind {
    HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY,
    HONE_LOSS_CATEGORICAL_CROSSENTROPY, /* of one-hot labels: the same numbers, and label_smoothing */
    HONE_LOSS_BINARY_CROSSENTROPY,
    HONE_LOSS_MEAN_SQUARED_ERROR,
    HONE_LOSS_MEAN_ABSOLUTE_ERROR,
    HONE_LOSS_HUBER
} hone_loss_kind;

typedef struct hone_loss {
    hone_loss_kind kind;
    /* The model's output is no probability. A final softmax (categorical losses) or sigmoid (binary) is seen through
     * anyway, as TensorFlow does (numerically the logits form). */
    bool from_logits;
    double label_smoothing;
    double delta; /* Huber; 1 */
} hone_loss;

/* Keras' names and aliases: "sparse_categorical_crossentropy", "mse", …. */
HONE_API hone_status hone_loss_parse(hone_loss *out, const char *name, hone_error *err);
HONE_API const char *hone_loss_name(hone_loss_kind kind); /* canonical */

typedef enum hone_optimizer_kind {
    HONE_OPTIMIZER_SGD,
    HONE_OPTIMIZER_RMSPROP,
    HONE_OPTIMIZER_ADAM,
    HONE_OPTIMIZER_ADAMW,
    HONE_OPTIMIZER_LION
} hone_optimizer_kind;

/* Keras' arguments; hone_optimizer_default(kind) gives Keras' defaults. 0 in weight_decay and the clips: off. */
typedef struct hone_optimizer {
    hone_optimizer_kind kind;
    double learning_rate;
    double momentum; /* SGD, RMSprop */
    bool nesterov;
    double rho;            /* RMSprop */
    bool centered;         /* RMSprop */
    double beta_1, beta_2; /* Adam, AdamW, Lion */
    double epsilon;
    bool amsgrad;
    double weight_decay;
    double clipvalue, clipnorm, global_clipnorm; /* at most one */
} hone_optimizer;

HONE_API hone_optimizer hone_optimizer_default(hone_optimizer_kind kind);
HONE_API hone_status hone_optimizer_parse(hone_optimizer *out, const char *name, hone_error *err); /* "adam", … */
HONE_API const char *hone_optimizer_name(hone_optimizer_kind kind);                                /* "Adam" */
/* Keras' optimizer config, {"class_name": "Adam", "config": {…}}, both ways; reading accepts "Custom>Adam", "lr". */
HONE_API hone_status hone_optimizer_to_config(const hone_optimizer *optimizer, hone_value **out, hone_error *err);
HONE_API hone_status hone_optimizer_from_config(hone_optimizer *out, const hone_value *config, hone_error *err);

typedef enum hone_schedule_kind {
    HONE_SCHEDULE_CONSTANT,
    HONE_SCHEDULE_EXPONENTIAL, /* lr * decay_rate ^ (step / decay_steps) */
    HONE_SCHEDULE_STEP,        /* lr * decay_rate ^ floor(step / decay_steps) */
    HONE_SCHEDULE_COSINE,   /* linear warm-up, lr * (step + 1) / warmup_steps, then half a cosine down to alpha * lr */
    HONE_SCHEDULE_ONE_CYCLE /* Smith's: up from lr / 25 to lr in the first 30 % (cosine), down to lr / 10000 */
} hone_schedule_kind;

typedef struct hone_schedule {
    hone_schedule_kind kind;
    double decay_rate, decay_steps;
    double warmup_steps;
    double alpha;
    double warm_fraction, initial_divisor, final_divisor; /* one cycle: 0.3, 25, 1e4 */
} hone_schedule;

HONE_API hone_schedule hone_schedule_default(hone_schedule_kind kind);
/* "constant", "exponential:RATE:STEPS", "step:RATE:STEPS", "cosine[:WARMUP_STEPS[:ALPHA]]", "one-cycle". */
HONE_API hone_status hone_schedule_parse(hone_schedule *out, const char *text, hone_error *err);
/* The rate of step (0, 1, …) out of total. */
HONE_API double hone_schedule_rate(const hone_schedule *schedule, double learning_rate, int64_t step, int64_t total);

typedef enum hone_metric_kind {
    HONE_METRIC_ACCURACY,
    HONE_METRIC_TOP_K,     /* "top_k_categorical_accuracy", k = 5 */
    HONE_METRIC_AUC,       /* binary, or the mean of one-vs-rest over the classes that occur; exact by ranks */
    HONE_METRIC_PRECISION, /* of outputs > 0.5 against the one-hot label, all outputs together, as Keras */
    HONE_METRIC_RECALL
} hone_metric_kind;

typedef struct hone_metric {
    hone_metric_kind kind;
    int k; /* top-k */
} hone_metric;

/* Keras' names: "accuracy" ("acc"), "top_k_categorical_accuracy" ("top_k_categorical_accuracy:3" for k = 3), "auc",
 * "precision", "recall". */
HONE_API hone_status hone_metric_parse(hone_metric *out, const char *name, hone_error *err);
HONE_API const char *hone_metric_name(const hone_metric *metric); /* the key in logs: "accuracy", "auc", … */

enum { HONE_MAX_METRICS = 8, HONE_MAX_LOGS = 32 };

/* ---- logs and callbacks ---------------------------------------------------------------------------------------- */

/* The numbers of a batch or an epoch: "loss", "accuracy", "val_loss", …. */
typedef struct hone_logs {
    size_t count;
    const char *keys[HONE_MAX_LOGS];
    double values[HONE_MAX_LOGS];
} hone_logs;

/* False, and out as it was, where there is no such number. */
HONE_API bool hone_logs_get(const hone_logs *logs, const char *key, double *out);

typedef struct hone_trainer hone_trainer;

/* What fit tells its callbacks. Returning anything but HONE_OK stops training with that status (and err), after the
 * step in progress. Any function may be NULL. They run on the thread that called fit, in the order they were added. */
typedef struct hone_callback {
    void *context;
    hone_status (*on_train_begin)(void *context, hone_trainer *trainer, hone_error *err);
    hone_status (*on_epoch_begin)(void *context, hone_trainer *trainer, int epoch, hone_error *err);
    /* step counts from 1 to steps; logs are the running means of the epoch so far, without AUC */
    hone_status (*on_batch_end)(void *context, hone_trainer *trainer, int64_t step, int64_t steps,
                                const hone_logs *logs, hone_error *err);
    /* logs may be added to (ReduceLROnPlateau adds "learning_rate"); later callbacks see it */
    hone_status (*on_epoch_end)(void *context, hone_trainer *trainer, int epoch, hone_logs *logs, hone_error *err);
    /* status: how it ended. Called once whenever on_train_begin was */
    void (*on_train_end)(void *context, hone_trainer *trainer, hone_status status);
    /* Once, when hone_trainer_add_callback takes the callback: what can fail or allocate. */
    hone_status (*on_attach)(void *context, hone_trainer *trainer, hone_error *err);
    /* After on_epoch_end of every callback, when the epoch is counted and in the history: the moment to save, since a
     * state saved here continues with the next epoch. epoch as in on_epoch_end. */
    hone_status (*after_epoch)(void *context, hone_trainer *trainer, int epoch, hone_error *err);
    /* state that --resume must bring back, as a plain value; both or neither */
    hone_status (*save_state)(void *context, hone_value **out, hone_error *err);
    hone_status (*load_state)(void *context, const hone_value *state, hone_error *err);
    void (*release)(void *context); /* frees context; called by hone_trainer_free */
    const char *name;               /* key of its state; constant */
} hone_callback;

/* Keras' callbacks. mode "auto", "min" or "max". Paths are copied. */
HONE_API hone_status hone_callback_early_stopping(hone_callback *out, const char *monitor, double min_delta,
                                                  int patience, const char *mode, bool restore_best_weights,
                                                  int start_from_epoch, hone_error *err);
HONE_API hone_status hone_callback_reduce_lr_on_plateau(hone_callback *out, const char *monitor, double factor,
                                                        int patience, const char *mode, double min_delta, int cooldown,
                                                        double min_lr, hone_error *err);
/* path may hold {epoch}, {epoch:02d}, {val_loss:.2f}, …. save is how a model becomes a file (hone_model_save fits). */
typedef hone_status (*hone_save_function)(void *context, const char *path, hone_trainer *trainer, hone_error *err);
HONE_API hone_status hone_callback_model_checkpoint(hone_callback *out, const char *path, const char *monitor,
                                                    const char *mode, bool save_best_only, hone_save_function save,
                                                    void *save_context, hone_error *err);
HONE_API hone_status hone_callback_csv_logger(hone_callback *out, const char *path, char separator, bool append,
                                              hone_error *err);
/* One JSON object per line: {"epoch": 1, "loss": …, …, "seconds": …}, the seconds since the first step. */
HONE_API hone_status hone_callback_jsonl_logger(hone_callback *out, const char *path, bool append, hone_error *err);
/* Stops with HONE_NUMERIC; the message names the epoch, the batch and the first layer whose output or gradient is not
 * finite. */
HONE_API hone_status hone_callback_terminate_on_nan(hone_callback *out, hone_error *err);

/* Keras' use_ema: after each step average = momentum * average + (1 - momentum) * weight, of the trainable weights; the
 * averages become the weights when training ends. ema_momentum is 0.99 in Keras. */
HONE_API hone_status hone_callback_weight_averaging(hone_callback *out, double momentum, hone_error *err);

/* ---- weights with rules of their own ---------------------------------------------------------------------------- */

/* For fine-tuning: how one weight is trained otherwise than the rest. */
typedef struct hone_weight_rule {
    double learning_rate; /* times the optimizer's; 0: the weight stays, to the bit */
    /* L2-SP (Li, Grandvalet, Davoine, 2018): the loss has l2_sp / 2 * sum (w - w0)^2, w0 as the trainer found it. */
    double l2_sp;
} hone_weight_rule;

enum { HONE_MAX_LORA_RANK = 1024 };

/* Low-rank adapters: each adapted kernel, taken as a matrix (kh * kw * in, out), is base + alpha / rank * A B, with A
 * (rows, rank) and B (rank, columns) trained in its place. The model's weights hold the sum at all times: it is saved,
 * evaluated and plans see it as any other. */
typedef struct hone_lora hone_lora;

typedef struct hone_lora_info {
    size_t weight; /* index, as in hone_model_weight */
    size_t rows, columns, rank;
    double alpha;
    const float *a, *b;
} hone_lora_info;

/* Adapters for the kernels of all Dense and Conv2D layers, or of those of them that layers (one per layer) marks. They
 * begin at the base: B is zero, A drawn as Keras does (He uniform). model outlives the adapters. */
HONE_API hone_status hone_lora_create(hone_lora **out, hone_model *model, const bool *layers, int rank, double alpha,
                                      uint64_t seed, hone_error *err);
HONE_API void hone_lora_free(hone_lora *lora);
HONE_API size_t hone_lora_count(const hone_lora *lora);
/* False past the end. */
HONE_API bool hone_lora_adapter(const hone_lora *lora, size_t index, hone_lora_info *out);
/* The factors of the best epoch come back when training ends: to be added behind EarlyStopping, which brings back the
 * weights, with the same monitor. */
HONE_API hone_status hone_callback_best_lora(hone_callback *out, hone_lora *lora, const char *monitor, double min_delta,
                                             hone_error *err);

/* ---- fit ------------------------------------------------------------------------------------------------------- */

typedef struct hone_fit_config {
    hone_loss loss;
    hone_optimizer optimizer;
    hone_schedule schedule;
    hone_metric metrics[HONE_MAX_METRICS];
    size_t metric_count;
    int epochs;        /* 10 */
    size_t batch_size; /* 32; the last short batch is kept */
    bool shuffle;      /* true: every epoch, from (seed, epoch) */
    uint64_t seed;
    const float *class_weight; /* (classes), or NULL */
    hone_threads *threads;
    /* What becomes of a training picture before each step, from (seed, epoch, index); NULL: nothing. Validation sees
     * the pictures as they are. */
    const hone_augmentation *augmentation;
    const hone_split *split;      /* NULL: all of the data set trains, none validates */
    size_t validation_batch_size; /* 0: 256 or batch_size, the larger */
    /* Mixed: the model is given that policy (hone_model_set_precision), training and validation compute so. */
    hone_precision precision;
    /* What the model takes instead of data's pictures, (samples, input size), no preprocessing applied; NULL: those. For
     * features that were computed before. No augmentation then. */
    const float *features;
    const hone_weight_rule *rules; /* one per weight, or NULL; copied */
    hone_lora *lora;               /* the adapters that train in place of their kernels, or NULL; no clipping by norm */
} hone_fit_config;

HONE_API hone_fit_config hone_fit_config_default(void); /* Adam, sparse categorical cross-entropy, accuracy */

/* All that can fail or allocate. model (built) and data outlive the trainer; config is copied, but for what it points
 * to. data's samples must have the model's input shape and its labels must fit the output. Which layers are frozen is
 * settled here. */
HONE_API hone_status hone_trainer_create(hone_trainer **out, hone_model *model, const hone_dataset *data,
                                         const hone_fit_config *config, hone_error *err);
HONE_API void hone_trainer_free(hone_trainer *trainer);
HONE_API hone_status hone_trainer_add_callback(hone_trainer *trainer, const hone_callback *callback, hone_error *err);

/* Trains until config.epochs (an absolute number: a resumed run does the rest). May be called again after more epochs
 * were granted. HONE_OK also when EarlyStopping ended it. */
HONE_API hone_status hone_trainer_fit(hone_trainer *trainer, hone_error *err);

/* Asks fit to stop after the step in progress; it then returns HONE_CANCELLED. Safe in a signal handler. */
HONE_API void hone_trainer_cancel(hone_trainer *trainer);
/* For callbacks: end training with the current epoch, normally (EarlyStopping). */
HONE_API void hone_trainer_stop(hone_trainer *trainer);
/* Grants more epochs (or fewer): the absolute number that the next call of hone_trainer_fit trains to. */
HONE_API void hone_trainer_set_epochs(hone_trainer *trainer, int epochs);

/* What it was created with. */
HONE_API hone_model *hone_trainer_model(const hone_trainer *trainer);
HONE_API const hone_fit_config *hone_trainer_config(const hone_trainer *trainer);
HONE_API double hone_trainer_learning_rate(const hone_trainer *trainer); /* of the next step */
/* From the next step on. A schedule that is not constant goes on from there, scaled as a whole. */
HONE_API void hone_trainer_set_learning_rate(hone_trainer *trainer, double rate);
HONE_API int64_t hone_trainer_iterations(const hone_trainer *trainer);       /* optimizer steps done so far */
HONE_API int hone_trainer_epoch(const hone_trainer *trainer);                /* epochs completed */
HONE_API double hone_trainer_seconds(const hone_trainer *trainer);           /* from the first step to the last */
HONE_API double hone_trainer_images_per_second(const hone_trainer *trainer); /* of training steps, without validation */
/* History: {"loss": [...], "accuracy": [...], "val_loss": [...]}; the trainer's own. */
HONE_API const hone_value *hone_trainer_history(const hone_trainer *trainer);

/* Arrays with one float per weight that continuing needs. First the optimizer's: SGD "momentum" (if it has one);
 * RMSprop "velocity", "momentum" (if any), "average_gradient" (if centered); Adam, AdamW "m", "v", "vhat" (if amsgrad);
 * Lion "m". Then those of callbacks: "best_weights" of EarlyStopping with restore_best_weights, "average" of weight
 * averaging. All are there, zeroed, once the callbacks are added; a file saves every one of them under its name and
 * resuming fills them in, before or after hone_trainer_load_state. */
HONE_API size_t hone_trainer_slot_count(const hone_trainer *trainer);
/* The slot's values for one weight (index as in hone_model_weight), or NULL past the ends. name may be NULL. */
HONE_API float *hone_trainer_slot(const hone_trainer *trainer, size_t slot, size_t weight, const char **name);
HONE_API void hone_trainer_set_iterations(hone_trainer *trainer, int64_t iterations);

/* Everything else that continuing bit for bit needs (epoch, step within it, running sums, history, rate, callbacks'
 * state, seeds, and an account of the configuration to compare with). The weights and slots are saved beside it. */
HONE_API hone_status hone_trainer_save_state(const hone_trainer *trainer, hone_value **out, hone_error *err);
/* Refuses a state whose configuration (batch size, seed, data hash, split, …) differs, naming what; more epochs are
 * fine unless the schedule depends on them. Callbacks are to be added before. After a failure the trainer is fit only
 * to be freed. */
HONE_API hone_status hone_trainer_load_state(hone_trainer *trainer, const hone_value *state, hone_error *err);

/* Keras' ImageDataGenerator.fit: where the augmentation normalises (featurewise_…, samplewise_…, zca_whitening), takes its
 * statistics of the training part alone (split NULL: of all) and makes them the model's preprocessing, which its file
 * carries, so that evaluation and prediction do the same. Our own dialect begins with pixels of 0 … 1, or of 0 … 255 where
 * the model takes them raw; Keras' begins with rescale. To be called before a trainer is created. Does nothing where the
 * augmentation does not normalise. */
HONE_API hone_status hone_model_fit_preprocessing(hone_model *model, const hone_augmentation *augmentation,
                                                  const hone_dataset *data, const hone_split *split,
                                                  hone_threads *threads, hone_error *err);

/* ---- test-time augmentation ------------------------------------------------------------------------------------- */

typedef struct hone_tta_config {
    const hone_augmentation *augmentation; /* outlives the hone_tta; no mixup, no CutMix */
    size_t variants;                       /* with the picture itself, which is the first */
    uint64_t seed;
    size_t max_batch; /* pictures at once */
    hone_threads *threads;
    hone_precision precision; /* of the plan */
} hone_tta_config;

/* Predicts as the mean of the model's outputs for a picture and for its variants. Variant v is the same change for every
 * picture, drawn from (seed, v): a row of the result does not depend on the others. */
typedef struct hone_tta hone_tta;
HONE_API hone_status hone_tta_create(hone_tta **out, hone_model *model, const hone_tta_config *config, hone_error *err);
HONE_API void hone_tta_free(hone_tta *tta);
/* As hone_plan_predict_pixels: cannot fail. y is (n, outputs). */
HONE_API void hone_tta_predict(hone_tta *tta, const unsigned char *pixels, size_t n, float *y);
/* After the model's weights were changed by hand. */
HONE_API void hone_tta_refresh(hone_tta *tta);

/* ---- evaluate -------------------------------------------------------------------------------------------------- */

typedef struct hone_evaluation {
    size_t samples;
    hone_logs logs;  /* "loss", "accuracy", … */
    double accuracy; /* also where not asked for; NaN for a regression: mse, mae, huber of one output */
    double accuracy_low, accuracy_high; /* 95 % Wilson interval */
} hone_evaluation;

typedef struct hone_evaluate_config {
    hone_loss loss;
    hone_metric metrics[HONE_MAX_METRICS];
    size_t metric_count;
    size_t batch_size; /* 256 */
    hone_threads *threads;
    const uint32_t *indices; /* of these samples only, index_count of them; NULL: all */
    size_t index_count;
    float *predictions;       /* (samples, outputs) is filled in, or NULL */
    hone_precision precision; /* of the plan */
    /* Test-time augmentation, or NULL; its max_batch, threads and precision are those above. */
    const hone_tta_config *tta;
    const float *features; /* as in hone_fit_config */
} hone_evaluate_config;

HONE_API hone_evaluate_config hone_evaluate_config_default(void);
HONE_API hone_status hone_evaluate(hone_evaluation *out, hone_model *model, const hone_dataset *data,
                                   const hone_evaluate_config *config, hone_error *err);

/* What a plan answers for samples of data (indices NULL: the first count), into rows (count, hone_plan_row_size(plan)). */
HONE_API hone_status hone_plan_predict_dataset(hone_plan *plan, const hone_dataset *data, const uint32_t *indices,
                                               size_t count, float *rows, hone_error *err);

/* The 95 % Wilson score interval of successes out of n. */
HONE_API void hone_wilson_interval(size_t successes, size_t n, double *low, double *high);

#ifdef __cplusplus
}
#endif
#endif
