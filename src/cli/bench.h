/* SPDX-License-Identifier: Apache-2.0
 *
 * What was asked of `hone bench`, for the files that do it. */
#ifndef HONE_CLI_BENCH_H
#define HONE_CLI_BENCH_H

#include "commands.h"

typedef struct bench_settings {
    const char *model, *size, *level, *mixed_precision;
    hone_precision precision;
    int64_t batch_size; /* 0: 32 in training, 128 in inference */
    int64_t classes, repeats;
    double seconds; /* of one repeat */
    bool layers, int8;
    common_options common;
} bench_settings;

enum { MOST_REPEATS = 1000 };

/* Trains or predicts, and tells how fast (bench_model.c). Returns an exit status. */
int bench_model(const bench_settings *s, bool training);

#endif
