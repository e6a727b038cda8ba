/* SPDX-License-Identifier: Apache-2.0
 *
 * What random layers do to the values of one picture: between the operation (ops/augmentation.c) and
 * ops/augmentation_values.c. */
#ifndef HONE_RANDOM_VALUES_H
#define HONE_RANDOM_VALUES_H

#include "random_image.h"
#include "rng.h"

#include <stddef.h>

static inline double hone__draw_from(hone__rng *rng, const hone__draw *range) {
    return hone__rng_range(rng, range->low, range->high);
}

/* A coin that says yes with a probability which is drawn itself. */
static inline bool hone__draw_applies(hone__rng *rng, const hone__draw *probability) {
    double threshold = hone__draw_from(rng, probability);
    return hone__rng_uniform(rng) < threshold;
}

/* Floats that hone__random_values wants beside in and out. */
size_t hone__random_values_scratch(const hone__random_image *p);
/* rng is the picture's, of_batch one and the same for all pictures of a step. */
void hone__random_values(const hone__random_image *p, hone__rng *rng, hone__rng *of_batch, const float *in, float *out,
                         float *scratch);
/* kernel (window[0], window[1]) over one plane of h x w, every step-th float, zeros around it. */
void hone__random_filter(int h, int w, int step, const int window[2], const float *kernel, const float *in, float *out);
/* A Gaussian of that width over a window, one number for each of size, the sum 1. */
void hone__random_gaussian(int size, double sigma, float *out);

#endif
