/* SPDX-License-Identifier: Apache-2.0
 *
 * The verbs, and what several of them share. */
#ifndef HONE_COMMANDS_H
#define HONE_COMMANDS_H

#include "options.h"
#include "output.h"

#include <stdio.h>

extern const verb verb_collect, verb_clean, verb_augment, verb_label, verb_train, verb_finetune, verb_evaluate,
    verb_predict, verb_explain, verb_info, verb_bench, verb_convert, verb_export, verb_quantize, verb_runs, verb_serve,
    verb_teach, verb_completion, verb_man;

/* All of them, in the order of the work (main.c); NULL: behind the last. */
extern const verb *const all_verbs[];
const verb *find_verb(const char *name);
/* "unknown verb 'NAME'", with the nearest one: EXIT_USAGE. */
int unknown_verb(const char *name);
/* What DATA and MODEL are, in a line each, for people. */
extern const char what_data_is[], what_a_model_is[];

/* hone train and hone finetune with these words, but nothing on stdout; an exit status (in their own files). */
int train_silently(int argc, char **argv);
int finetune_silently(int argc, char **argv);

/* ---- data (cli_data.c) ----------------------------------------------------------------------------------------- */

typedef struct data_options {
    const char *source;
    const char *split; /* NULL: the reader's default */
    int64_t limit;
    bool allow_unlabelled;
    const hone_model *fit_to;    /* take size and class names from this model; NULL: as the files are */
    const hone_lessons *lessons; /* classes are these instead of the model's own; NULL: not */
    int height, width, channels; /* 0: as the files are */
    const char *part_hint;       /* said where DATA has no such split; NULL: nothing */
    bool *lacks_part;            /* told of that in place of the user, and 1 is returned; NULL: the user is told */
} data_options;

/* Opens DATA, downloading a named set that is not there yet, with progress; unusable files are named on stderr and left
 * out, and counted at the end. Prints the error itself; returns an exit status, -1 when all went well. */
int open_data(hone_dataset **out, const data_options *options, hone_threads *threads, bool quiet);

/* The same for what is trained on, with the source's own validation part behind it, *validation samples, where it has
 * one. validation NULL: that part is not looked at. */
int open_training_parts(hone_dataset **out, size_t *validation, const data_options *options, hone_threads *threads,
                        bool quiet);

/* Whether data, opened from source, has more than the one class that a classifier cannot tell from any other; likewise. */
int check_several_classes(const hone_dataset *data, const char *source);

/* As the training of the model did, where these are its data by their checksum and it held some back; else as
 * hone_split_default with fraction and seed. */
hone_status split_as_trained(hone_split *out, const hone_dataset *data, const hone_model *model, double fraction,
                             uint64_t seed, hone_error *err);

typedef struct held_back_request {
    const hone_model *model;
    const char *path;   /* model's file */
    const char *source; /* DATA; NULL: that which the model's file names */
    const hone_model
        *fit_to; /* another model whose size the pictures get, once model's own have been opened; or NULL */
    const hone_lessons *lessons; /* as in data_options */
    int64_t limit;               /* at most so many of them; 0: all */
    hone_threads *threads;
    bool quiet;
} held_back_request;

/* What the training of model held back: its file says which data that was and which part, and the data must be the same by
 * its checksum. Prints the error itself; returns an exit status, -1 when all went well. */
int open_held_back(hone_dataset **out, const held_back_request *request);

/* Is it a name that hone collect fetches? */
bool is_collectable(const char *name);
/* Where source is nothing that is there: the data set that was meant, as a hint, NULL where no name is near. It lasts
 * until the next hint. */
const char *data_hint(const char *source);

/* What to do where the catalog of source could not be written because its folder may only be read; NULL where that is not so,
 * or catalog (--catalog) says already where it is. */
const char *catalog_hint(const char *source, const char *catalog);

/* "28x28", "32x32x3" into height, width, channels (0 where left out). False when it is something else. */
bool parse_size(const char *text, int *height, int *width, int *channels);

/* ---- augmentation (cli_augment.c) ------------------------------------------------------------------------------- */

/* Parses --augment for v. Prints the error itself; returns an exit status, -1 when all went well. */
int parse_augmentation(hone_augmentation **out, const verb *v, const char *text);
/* --tta: "N", "N:HOW" or "HOW", into *out with *augmentation, which the caller frees; without threads and max_batch. Prints
 * the error itself; returns an exit status, -1 when all went well. */
int parse_tta(hone_tta_config *out, hone_augmentation **augmentation, const verb *v, const char *text, int64_t seed);
/* A note on stderr where the augmentation may make another class of a picture: letters and digits mirrored or turned. */
void note_unsafe_labels(const hone_augmentation *augmentation, const hone_dataset *data, bool quiet);

/* ---- training (cli_train.c) -------------------------------------------------------------------------------------- */

/* "data/mnist/" -> "mnist_model.h5", on the heap; NULL: out of memory. */
char *default_output(const char *source);
/* Whether output can be written is asked before training, not after an hour of it. Returns an exit status, or -1. */
int check_output(const char *output);
/* Where runs are kept: HONE_RUNS, or "runs". */
const char *default_runs(void);
/* A folder/ID (folder NULL: the default) is begun for what model's provenance says; NULL, and a warning, where it
 * cannot be, which is no reason not to train. */
hone_run *begin_run(const char *folder, const hone_model *model);
/* how as in hone_run_finish; run NULL: nothing. trainer and results may be NULL. */
void end_run(hone_run *run, const char *how, const hone_model *model, const hone_trainer *trainer,
             const hone_value *results, bool quiet);
/* What was trained could not be written where it was wanted, for err's reason: it goes into the run's record (run NULL: there
 * is none), and both are said, beginning with what. Returns EXIT_FAILED. */
int not_saved(hone_run *run, const char *how, const hone_model *model, const hone_trainer *trainer,
              const hone_error *err, const char *what);
/* Saving takes milliseconds and is not cut in the middle: Ctrl-C waits for it, so no half-written file is left. */
hone_status save_undisturbed(const hone_model *model, const hone_trainer *trainer, const char *path, hone_error *err);

/* To be called after a model was trained further: its file's record of how it did on a test part was of other weights. */
hone_status forget_test(hone_model *model, hone_error *err);
/* --class-weight balanced: samples / (classes * samples of the class), as scikit-learn's "balanced"; NULL: out of
 * memory. The caller frees. */
float *balanced_class_weight(const hone_dataset *data, const hone_split *split);

/* ---- models (cli_model.c) -------------------------------------------------------------------------------------- */

/* --input: how pixels become the model's input. Prints the error itself; returns an exit status, -1 when all went well. */
int set_input(hone_model *model, const char *input);

bool is_preset(const char *name);

/* Loads a model file, says on stderr what was assumed about its input, and applies --input. Prints the error itself;
 * returns an exit status, -1 when all went well. */
int open_model(hone_model **out, const char *path, const char *input, hone_compiled *compiled, bool quiet);
/* Who says how large pictures are where a file leaves that open: --size, else keras.applications' own size by the name of
 * the model, else the pictures of data. */
typedef struct picture_size {
    int height, width; /* 0: no --size */
    const char *data;  /* as hone_dataset_open takes it; NULL: nobody asks it */
} picture_size;
/* --size of verbs that hand it on to a model's file; text NULL: none. Prints the error itself; an exit status or -1. */
int parse_picture_size(picture_size *out, const verb *v, const char *text);
/* open_model of a file that may leave the size open. */
int open_model_sized(hone_model **out, const char *path, const char *input, const picture_size *size,
                     hone_compiled *compiled, bool quiet);
/* --weights and its company (cli_weights.c). */
typedef struct weights_settings {
    const char *path;
    bool by_name, skip_mismatch;
} weights_settings;
/* open_model for verbs with --size (SIZE_OPTION), which is an error where the file states a size. */
typedef struct model_request {
    const verb *verb;
    const char *path, *input;
    const char *size;                /* NULL: no --size */
    const char *data;                /* whose pictures say it otherwise; NULL: nobody asks it */
    const weights_settings *weights; /* of the verb; NULL: it has no --weights */
} model_request;
#define SIZE_OPTION(text)                                                                                              \
    { OPTION_TEXT, "size", 0, "HxW", text, 0, 0, "of pictures, where the file leaves it open", NULL }
int open_model_for(hone_model **out, const model_request *request, hone_compiled *compiled, bool quiet);
/* One input and one output are what verbs work with (info shows others too): else says so; an exit status or -1. */
int check_ends(const hone_model *model, const char *path);

/* Loads a model file for looking at or rewriting: any number of inputs and outputs, nothing assumed, nothing said. Prints the
 * error itself; returns an exit status, -1 when all went well. A size that the file does not leave open is an error. */
int open_model_as_it_is(hone_model **out, const char *path, const picture_size *size, hone_compiled *compiled);

/* Its rows of a verb's table. */
#define WEIGHTS_OPTIONS(w)                                                                                             \
    {                                                                                                                  \
        OPTION_TEXT, "weights", 0, "FILE", &(w)->path, 0, 0, "put the weights of FILE onto the model (.h5, .keras)",   \
        NULL},                                                                                                         \
        {OPTION_FLAG, "by-name", 0, NULL, &(w)->by_name, 0, 0, "with --weights: onto layers of the same name only",    \
         NULL},                                                                                                        \
    {                                                                                                                  \
        OPTION_FLAG, "skip-mismatch", 0, NULL, &(w)->skip_mismatch, 0, 0,                                              \
            "with --weights: layers of another shape keep their own", NULL                                             \
    }
/* Without --weights nothing happens. Prints the error itself; returns an exit status, -1 when all went well. */
int put_weights(hone_model *model, const weights_settings *w, bool quiet);

/* --mixed-precision, NULL: float32. Prints the error itself, also where this CPU cannot; returns an exit status, -1 when
 * all went well. */
int parse_precision(const verb *v, const char *text, hone_precision *precision);

/* What a model is run in: 8-bit integers where it has been quantized, unless --float32 says otherwise. A record that its
 * weights have outlived is told of on stderr. */
hone_precision engine_of(const hone_model *model, bool float32, bool quiet);

/* For looking at a model: a preset is built for size (NULL: 28x28x1) and classes, everything else is a file, which may
 * leave the size open. v is who is told of a wrong size. Returns an exit status, -1 when all went well. */
int open_or_build(hone_model **out, const verb *v, const char *name, const char *size, int64_t classes, uint64_t seed);

/* {"loss": …, "accuracy": …, "accuracy_interval": [low, high], "samples": …} */
hone_value *evaluation_value(const hone_evaluation *e);
/* "10000 images: loss 0.0312 - accuracy 0.9907 (95 % interval 0.9886 to 0.9924)" */
void print_evaluation(FILE *stream, const char *what, const hone_evaluation *e);

/* --metrics: names with commas between, into metrics[HONE_MAX_METRICS]. Returns an exit status, -1 when all went well. */
int parse_metrics(const verb *v, const char *list, hone_metric *metrics, size_t *count);

/* ---- lessons (cli_teach.c) --------------------------------------------------------------------------------------- */

/* What the model was taught; NULL where that is nothing. Lessons that cannot be used are said on stderr and left out. */
hone_lessons *open_lessons(const hone_model *model, const char *path);
/* Whether its file holds lessons, usable or not. */
bool is_taught(const hone_model *model);
/* After training: the reference is fitted, for later lessons, on the samples that validated or, without any, on those
 * that trained. That it cannot be is no failure. */
void fit_reference(hone_model *model, const hone_dataset *data, const hone_split *split, hone_threads *threads);
/* What hone serve measures drift against: the model's answers to what validated (or trained, where nothing did). A model
 * that takes no pictures goes without. */
void keep_statistics(hone_model *model, const hone_dataset *data, const hone_split *split, hone_threads *threads);

/* ---- servers (cli_server.c) -------------------------------------------------------------------------------------- */

/* From here on SIGINT, SIGTERM and the closed terminal's SIGHUP wait for wait_for_end, which returns at the first;
 * another SIGINT or SIGTERM, with nobody waiting for it, then ends the process. */
void hold_ends(void);
void wait_for_end(void);
/* Whether a server on this address is for this machine alone. */
bool is_loopback(const char *host);
/* Opens a file of secrets, which nobody but its owner may read. Prints the error itself; returns an exit status, -1 when
 * all went well. */
int open_tokens(FILE **out, const char *path);
int token_failed(const char *path, const char *why);

/* Starts the pool that --threads asks for. */
int start_threads(hone_threads **out, int64_t count);

#endif
