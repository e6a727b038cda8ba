/* SPDX-License-Identifier: Apache-2.0
 *
 * hone evaluate --calibrate and --fit-rejection: what is fitted to pictures that training held back. */
#ifndef HONE_EVALUATE_CALIBRATE_H
#define HONE_EVALUATE_CALIBRATE_H

#include "reject.h"

typedef struct calibration_request {
    hone_model *model;
    const char *path;  /* its file, which gets what is fitted */
    const char *where; /* "validation", "none" or a DATA */
    const hone_evaluate_config *config;
    bool quiet;
} calibration_request;

/* Prints the error itself; returns an exit status, -1 when all went well. */
int calibrate_model(const calibration_request *request);
/* What the model calls unknown; where NULL: only what settings say is changed. Likewise. */
int fit_model_rejection(const calibration_request *request, const reject_settings *settings, uint64_t seed);

#endif
