/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this folder share. The one idea: the training thread only ever writes numbers into a record of fixed
 * size, under a lock that is held for moments; whatever takes longer (JSON, sockets) happens on the server's threads from
 * a copy. */
#ifndef HONE_LIVE_INTERNAL_H
#define HONE_LIVE_INTERNAL_H

#include <hone/live.h>

#include "core_internal.h"
#include "http_page.h"

#include <pthread.h>

enum {
    HONE_LIVE_POINTS = 1024, /* of a curve within epochs: as many as a screen has columns */
    HONE_LIVE_EPOCHS = 512,  /* of which the history is shown; of longer trainings the last ones */
    HONE_LIVE_KEY = 48,      /* bytes of a key: "val_top_k_categorical_accuracy" */
    HONE_LIVE_NAME = 400,
    HONE_LIVE_WHY = 512
};

/* The means of the steps since the point before. */
typedef struct hone__live_point {
    double epoch; /* epochs done, with the fraction of the current one */
    double rate;
    float values[HONE_MAX_METRICS + 1]; /* of the batch keys */
} hone__live_point;

typedef struct hone__live_epoch {
    int epoch; /* counted from 1 */
    double rate;
    float values[HONE_MAX_LOGS]; /* of the epoch keys; NaN: it has no such number */
} hone__live_epoch;

typedef struct hone__live_keys {
    size_t count;
    char names[HONE_MAX_LOGS][HONE_LIVE_KEY];
} hone__live_keys;

typedef enum hone__live_phase {
    HONE_LIVE_WAITING,   /* fit has not begun */
    HONE_LIVE_TRAINING,  /* steps, and validation between them */
    HONE_LIVE_STOPPING,  /* somebody pressed the button */
    HONE_LIVE_FINISHING, /* fit has returned: saving, testing */
    HONE_LIVE_ENDED
} hone__live_phase;

/* Everything that a page shows. Plain numbers: it can be copied as a whole. */
typedef struct hone__live_record {
    hone__live_phase phase;
    int epochs, epoch; /* of how many, and how many are complete */
    int64_t step, steps;
    size_t batch_size, samples, validation_samples;
    int64_t iterations;
    double rate, images_per_second;
    double began, now;               /* hone__seconds(); of this process */
    int64_t steps_done, steps_total; /* since it began, and until it will end */
    hone__live_keys batch_keys, epoch_keys;
    hone__live_point points[HONE_LIVE_POINTS];
    size_t point_count;
    int64_t generation; /* changes when the points were thinned: a page then reads all of them again */
    double point_seconds, last_point;
    int64_t last_step;                       /* of this epoch, of the last point; -1: none yet */
    double last_means[HONE_MAX_METRICS + 1]; /* the epoch's running means there */
    hone__live_epoch history[HONE_LIVE_EPOCHS];
    size_t history_count;
    hone_live_end end;
    char file[HONE_LIVE_NAME], why[HONE_LIVE_WHY];
    bool has_test;
    double test_loss, test_accuracy, test_low, test_high;
    int64_t test_samples;
} hone__live_record;

/* What training tells; times as from hone__seconds(). */
void hone__live_begin(hone__live_record *record, const hone_trainer *trainer, double now);
void hone__live_begin_epoch(hone__live_record *record, int epoch);
void hone__live_step(hone__live_record *record, int64_t step, int64_t steps, const hone_logs *logs, double rate,
                     double now);
void hone__live_end_epoch(hone__live_record *record, int epoch, const hone_logs *logs, double rate);

/* Seconds until the last epoch's end at the pace so far; negative while unknown. */
double hone__live_left(const hone__live_record *record);

struct hone_live {
    hone__page_secret secret;
    hone__http_server *http;
    char url[HONE_PAGE_TOKEN_SIZE + 64];
    char model[HONE_LIVE_NAME], data[HONE_LIVE_NAME];
    double farewell_seconds;
    pthread_mutex_t lock; /* of everything below */
    hone__live_record record;
    hone_trainer *trainer; /* while fit runs */
    double seen;           /* when a page last asked; negative: never */
    bool told_end;         /* a page has heard that it is over */
};

/* Fills in the routes, the guard and the headers of every reply. */
void hone__live_serve(hone__http_config *config, hone_live *live);

#endif
