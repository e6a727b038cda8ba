/* SPDX-License-Identifier: Apache-2.0
 *
 * Model choice: which learning rate suits a network, and which network suits the data, found on what trains and what
 * validates. Test data is never asked. */
#ifndef HONE_SEARCH_H
#define HONE_SEARCH_H

#include <hone/data.h>
#include <hone/model.h>
#include <hone/train.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the learning rate ------------------------------------------------------------------------------------------- */

typedef struct hone_rate_point {
    double rate;
    double loss;     /* of this step's batch, before its update */
    double smoothed; /* exponential mean of the losses so far, without its bias towards 0 */
} hone_rate_point;

typedef struct hone_rate_curve {
    hone_rate_point *points;
    size_t count;
    double lowest;    /* the rate at which the smoothed loss was lowest */
    double steepest;  /* … fell fastest */
    double diverged;  /* … was twice its lowest, or no number any more: the sweep ended there; 0: it did not */
    double suggested; /* a tenth of lowest: there the loss still falls, and noise has room */
} hone_rate_curve;

typedef struct hone_rate_config {
    double least, most; /* 1e-6, 1 */
    int steps;          /* 100 */
    /* Asked after every step, false cancels; may be NULL. */
    bool (*keep_going)(void *context);
    void *context;
} hone_rate_config;

HONE_API hone_rate_config hone_rate_config_default(void);
/* Smith's range test (2017): a copy of model is trained for so many batches while the rate grows from least to most by
 * the same factor each time. model stays as it is, to the bit. fit says optimizer, loss, batch size, seed, augmentation,
 * what trains (split) and threads; its epochs and schedule do not count. config NULL: defaults. The same seed gives the
 * same curve. */
HONE_API hone_status hone_find_learning_rate(hone_rate_curve *out, const hone_model *model, const hone_dataset *data,
                                             const hone_fit_config *fit, const hone_rate_config *config,
                                             hone_error *err);
HONE_API void hone_rate_curve_release(hone_rate_curve *curve);
/* The curve as one self-contained HTML page. Atomic. */
HONE_API hone_status hone_rate_curve_write_html(const hone_rate_curve *curve, const char *title, const char *path,
                                                hone_error *err);

/* ---- the network ------------------------------------------------------------------------------------------------- */

/* Networks that suit pictures of this size, the likeliest first: the presets, where the pictures are small, and
 * "conv-FILTERSxN": stages of N 3x3 convolutions, max pooling and BatchNormalization, FILTERS at first and twice as many
 * after each pooling, as many stages as leave a map of 3 to 5 pixels. NULL past the end. The name lies in buffer. */
HONE_API const char *hone_candidate_name(char *buffer, size_t size, const hone_shape *input, size_t index);
/* Not yet built. HONE_NOT_FOUND where there is no such network for this input. */
HONE_API hone_status hone_candidate_create(hone_model **out, const char *name, const hone_shape *input, int classes,
                                           hone_error *err);

typedef struct hone_search_config {
    /* By the clock: all of the search is over after so many seconds, give or take a step. 0: by steps, the same on every
     * machine (but for what max_seconds leaves out). */
    double seconds;
    int trials;             /* networks tried; 0: all that there are, by the clock as many as it allows */
    int64_t max_parameters; /* larger networks are left out; 0: none is */
    double max_seconds; /* … slower ones: of one picture on one thread, as hone_profile_create measures it; 0: none */
    int64_t max_memory; /* … bytes of weights and workspace for one picture; 0: none */
    hone_fit_config fit; /* split (with validation), threads, seed, batch size, optimizer, loss, … of every trial */
    const hone_preprocessing *preprocessing; /* NULL: pixels / 255 */
    /* A trial ended or was left out: its row, as in hone_search_result. May be NULL. */
    void (*on_trial)(void *context, const hone_value *row);
    bool (*keep_going)(void *context); /* asked after every step, false cancels; may be NULL */
    void *context;
} hone_search_config;

HONE_API hone_search_config hone_search_config_default(void);

typedef struct hone_search_result {
    hone_model *model; /* the best, with the weights that the search left it */
    const char *name;  /* its name, trials' own */
    /* [{"name": …, "parameters": …, "latency": seconds, "memory": bytes, "rounds": …, "steps": …, "val_accuracy": …,
     * "val_loss": …, "outcome": "won", "dropped" or why it was left out}, …], the best first */
    hone_value *trials;
    double images_per_second; /* of the best's training steps */
    double seconds;           /* of the search */
} hone_search_result;

/* Successive halving (Jamieson, Talwalkar, 2016): all candidates are trained for a while, the better third goes on for
 * three times as long, until one is left. Compared on at most 2,000 of the samples that validate, by accuracy, then by
 * loss. HONE_CANCELLED where keep_going said so: result then holds the best so far where there is one (model is not
 * NULL), and is to be released. HONE_NOT_FOUND where the limits leave no network. */
HONE_API hone_status hone_search(hone_search_result *result, const hone_dataset *data, const hone_search_config *config,
                                 hone_error *err);
HONE_API void hone_search_result_release(hone_search_result *result);

#ifdef __cplusplus
}
#endif
#endif
