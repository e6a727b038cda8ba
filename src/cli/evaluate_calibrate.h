/* SPDX-License-Identifier: Apache-2.0
 *
 * hone evaluate --calibrate. */
#ifndef HONE_EVALUATE_CALIBRATE_H
#define HONE_EVALUATE_CALIBRATE_H

#include "commands.h"

typedef struct calibration_request {
    hone_model *model;
    const char *path;  /* its file, which gets the temperature */
    const char *where; /* "validation", "none" or a DATA */
    const hone_evaluate_config *config;
    bool quiet;
} calibration_request;

/* Prints the error itself; returns an exit status, -1 when all went well. */
int calibrate_model(const calibration_request *request);

#endif
