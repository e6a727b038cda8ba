/* SPDX-License-Identifier: Apache-2.0
 *
 * --reject: when a model says "unknown", for the verbs that fit, change or ask a rejection (hone/anomaly.h). Functions
 * that return int print what is wrong themselves and return an exit status, -1 when all went well. */
#ifndef HONE_REJECT_H
#define HONE_REJECT_H

#include "commands.h"

/* "none", "tpr=0.95", "score=knn", "tpr=0.99,score=energy". */
typedef struct reject_settings {
    bool none;
    double tpr; /* 0: not said */
    int score;  /* -1: not said */
} reject_settings;

/* text NULL: nothing is said. */
int parse_reject(const verb *v, const char *text, reject_settings *out);

/* Fits a rejection to samples that model was not trained on, and says so. optional: where that cannot be, because
 * there are too few samples or no head, a note will do. */
int fit_rejection(hone_model *model, const hone_dataset *data, const uint32_t *indices, size_t count,
                  const reject_settings *settings, hone_threads *threads, uint64_t seed, bool optional, bool quiet);
/* After training: by the pictures that validated. Where none did, by some of those that were trained on, and that is said. */
int learn_rejection(hone_model *model, const hone_dataset *data, const hone_split *split,
                    const reject_settings *settings, bool optional, hone_threads *threads, uint64_t seed, bool quiet);
/* {"score": …, "threshold": …, "tpr": …}, or null where model has none. */
hone_value *rejection_value(const hone_model *model);

/* A model that is asked whether it knows a picture. */
typedef struct rejecter {
    hone_rejection *rejection; /* NULL: everything is known */
    hone_plan *plan;
    float *row;
    double *scratch;
    size_t outputs;
} rejecter;

/* What model carries, as the settings change it, but for this run only. */
int rejecter_open(rejecter *out, hone_model *model, const reject_settings *settings);
void rejecter_release(rejecter *r);
hone_verdict rejecter_ask(rejecter *r, const unsigned char *pixels);

#endif
