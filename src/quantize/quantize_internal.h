/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of quantize share: how the numbers of a tensor lie, and the range of them that 8 bits will hold. */
#ifndef HONE_QUANTIZE_INTERNAL_H
#define HONE_QUANTIZE_INTERNAL_H

#include <hone/quantize.h>

#include "core_internal.h"
#include "int8_graph.h"
#include "plan_state.h"

enum { HONE_RANGE_BINS = 2048 };

/* Of one tensor, over all pictures. Zeros are not counted: they have a number of their own in any range. */
typedef struct hone__spread {
    bool seen;
    float low, high; /* of all that was finite */
    uint64_t bins[HONE_RANGE_BINS];
} hone__spread;

/* First all numbers once, then all of them again. */
void hone__spread_widen(hone__spread *spread, const float *values, size_t count);
void hone__spread_count(hone__spread *spread, const float *values, size_t count);

/* The 8-bit numbers for that tensor; method is one, not AUTO. */
hone__quantisation hone__spread_quantisation(const hone__spread *spread, hone_range_method method);

#endif
