/* SPDX-License-Identifier: Apache-2.0
 *
 * A run of hone train: what it holds, and how its data and model come to be (train_session.c). Functions that return int
 * print what is wrong themselves and return an exit status, -1 when all went well. */
#ifndef HONE_TRAIN_SESSION_H
#define HONE_TRAIN_SESSION_H

#include "progress.h"
#include "reject.h"
#include "train_settings.h"

/* What a run holds; all of it is released in one place. */
typedef struct train_session {
    train_settings settings;
    common_options common;
    weights_settings weights;
    reject_settings reject;
    const char *source; /* DATA */
    char **arguments;   /* what was typed, kept in the model for --resume */
    int argument_count;

    hone_threads *threads;
    hone_model *model;
    hone_compiled compiled;
    hone_dataset *data;
    size_t own_validation; /* samples at the end of data that its own validation part gave */
    hone_split split;
    char validation[VALIDATION_WORDS]; /* which samples those are, as train_settings_split says it */
    hone_augmentation *augmentation;   /* NULL: none */
    hone_tta_config tta;               /* of the test, where --tta asks for it */
    hone_augmentation *variants;
    float *class_weight;
    hone_trainer *trainer;
    progress *bar;
    char *output, *checkpoint; /* where the model and an interrupted run's state go */
    hone_run *record;          /* runs/ID; NULL: none */
    hone_live *live;           /* the page of --ui; NULL: none */
    /* --model auto (train_auto.c) */
    double began, budget; /* when the program did; seconds that it may take, 0: any */
    hone_value *choice;   /* {"name", "seconds", "trials"}; NULL: the network was named */
    char **auto_words;    /* the arguments with what was chosen behind them; NULL: as they were typed */
    bool shows_trials;    /* the heads of the table are on the screen */
    hone_evaluation test;
    bool has_test, is_silent;
} train_session;

/* The model that --model or --resume names; where its file leaves the size of pictures open, --size says it, or the data. */
int open_trained_model(train_session *r);
/* The training part, with the source's own validation part behind it where it has one and nothing else was asked for. */
int open_training_data(train_session *r);
/* Names the model's classes after the data's. */
int set_classes(train_session *r);
/* --class-weight. */
int balance_classes(train_session *r, hone_fit_config *config);

int build_preset(train_session *r);
/* --init: a warm start; what was taken over is said. */
int take_weights(train_session *r);
/* What the pixels go through before the network, beside --input: the file will say it. */
int set_preprocessing(train_session *r);
/* Where --mixed-precision says nothing: the policy of the model's file, if this CPU can. */
hone_precision model_policy(const train_session *r);

/* ---- train_auto.c ------------------------------------------------------------------------------------------------- */

bool is_automatic(const train_settings *s);
/* The options of --model auto and --find-learning-rate, by themselves. */
int check_auto(const train_session *r);
/* Searches, and sets the model and the settings that it is trained with. fit: as it will be trained, data, split and threads
 * included. EXIT_INTERRUPTED, and the best so far saved, after Ctrl-C. */
int choose_model(train_session *r, const hone_fit_config *fit);
/* Training ends where the next epoch would be over the budget; the trainer is there. */
int keep_to_budget(train_session *r);
void print_trials(FILE *stream, const train_session *r);
void release_choice(train_session *r);
/* --find-learning-rate: the whole of the run. An exit status, always. */
int find_learning_rate(train_session *r, const hone_fit_config *fit);

/* What the model's file says of where it comes from; "arguments" is what --resume replays. */
int record_provenance(train_session *r);
/* The history goes into the file, for the curves of hone evaluate --report. */
int record_history(train_session *r);
/* How it did on the test part goes into the file. */
void record_test(train_session *r);
/* What the model will call unknown, by the pictures that validated. */
int learn_unknown(train_session *r);
/* --keep-examples: training pictures that the file will carry, for hone explain. */
int keep_examples(train_session *r);

#endif
