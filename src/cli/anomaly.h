/* SPDX-License-Identifier: Apache-2.0
 *
 * Models of what is normal, in the verbs train, predict and evaluate. Functions that return int print what is wrong
 * themselves and return an exit status. */
#ifndef HONE_CLI_ANOMALY_H
#define HONE_CLI_ANOMALY_H

#include "train_session.h"

/* hone train --task anomaly: all of it, but for releasing the session. */
int train_anomaly(train_session *r);

/* Whether a model's file is one of those. */
bool is_anomaly_model(const hone_model *model);
/* Pictures of the model's size, whatever their classes: of this part of source, or, with "test?", of its test part
 * where it has one and else of all it has. -1 when all went well. */
int open_unclassed(hone_dataset **out, const hone_model *model, const char *source, const char *split, int64_t limit,
                   hone_threads *threads, bool quiet);

typedef struct anomaly_request {
    hone_model *model;
    const char *path; /* its file */
    hone_threads *threads;
    bool json, quiet;
} anomaly_request;

/* hone predict: normal or anomalous, and with folder a heat map of each file in it. */
int predict_anomalies(const anomaly_request *request, char *const *files, size_t count, bool invert,
                      const char *folder);
/* hone evaluate MODEL DATA --ood OTHER. */
int evaluate_anomalies(const anomaly_request *request, const char *source, const char *split, const char *other,
                       int64_t limit);

#endif
