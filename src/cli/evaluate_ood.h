/* SPDX-License-Identifier: Apache-2.0
 *
 * hone evaluate --ood: how well a model tells pictures of its classes from others. */
#ifndef HONE_EVALUATE_OOD_H
#define HONE_EVALUATE_OOD_H

#include "commands.h"

typedef struct ood_request {
    hone_model *model;
    const char *path;         /* its file */
    const hone_dataset *data; /* pictures of its classes */
    const char *other;        /* a DATA with pictures of none of them */
    int64_t limit;            /* of other, 0: all */
    hone_threads *threads;
    bool quiet;
} ood_request;

typedef struct ood_result {
    const char *source;
    size_t samples;
    hone_ood_score score; /* the model's own */
    bool has[HONE_OOD_SCORES];
    hone_separation separation[HONE_OOD_SCORES];
    double threshold, tpr;
    double unknown_known, unknown_other; /* shares that are called unknown: of data, of other */
} ood_result;

/* Prints the error itself; returns an exit status, -1 when all went well. */
int measure_ood(ood_result *out, const ood_request *request);
hone_value *ood_value(const ood_result *r);
void print_ood(const ood_result *r);

#endif
