/* SPDX-License-Identifier: Apache-2.0
 *
 * Nearly the same pictures among many, without comparing each with each. */
#ifndef HONE_TWINS_H
#define HONE_TWINS_H

#include <hone/threads.h>

#include <stdbool.h>

enum { HONE_TWINS_KEPT = 4 };

typedef struct hone__twin {
    uint32_t other; /* a smaller index */
    float distance;
} hone__twin;

/* For each vector its nearest predecessors within limit, the nearest first; UINT32_MAX ends a shorter list. vectors are
 * (count, size), each of mean 0 and variance 1 or all zero (never a twin). The distance is the root of the mean squared
 * difference. Every pair closer than about half of limit is found, pairs at the limit nine times out of ten. */
hone_status hone__find_twins(hone__twin *twins /* (count, HONE_TWINS_KEPT) */, const float *vectors, size_t count,
                             size_t size, double limit, hone_threads *threads, hone_error *err);

#endif
