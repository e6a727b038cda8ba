/* SPDX-License-Identifier: Apache-2.0
 *
 * Operations on 8-bit numbers: what they have beside the operation they were made of (int8_graph.c makes them, int8.c
 * runs them). Everything that follows from the weights is computed when the plan is refreshed. */
#ifndef HONE_INT8_OP_H
#define HONE_INT8_OP_H

#include "int8.h"
#include "op.h"

/* The max pooling that a convolution has behind it, as an operation of its own. */
static inline hone_pool2d_shape hone__pooling_behind(const hone_conv2d_shape *s) {
    return (hone_pool2d_shape){.h = s->oh,
                               .w = s->ow,
                               .c = s->filters,
                               .pool_h = s->pool_h,
                               .pool_w = s->pool_w,
                               .stride_h = s->pool_stride_h,
                               .stride_w = s->pool_stride_w,
                               .oh = s->ph,
                               .ow = s->pw};
}

struct hone__int8 {
    const hone__op_type *origin; /* the type that the operation had */
    const hone_int8_kernels *kernels;
    bool per_tensor; /* one scale for all weights */
    bool relu;       /* nothing below 0 … */
    float most;      /* … nor above this; INFINITY: no bound */
    hone__quantisation x[HONE_OP_INPUTS], y;

    /* Convolutions and Dense: (taps, channels) and (channels), filled by refresh. */
    size_t taps, channels;
    int8_t *weights;
    float *folded; /* kernel and bias in float, on the way to 8 bits */
    float *weight_scale, *output_scale;
    int32_t *bias, *multipliers, *shifts;
    void *packed;
    hone_int8_output output;
    union {
        hone_int8_conv2d conv2d; /* Dense too */
        hone_int8_depthwise depthwise;
    } as;
    hone_pool2d_shape
        pool; /* what stands behind a convolution and is too large for its block, or a pooling; pool_h 0 */

    /* Add */
    int32_t zero_points[HONE_OP_INPUTS], factors[HONE_OP_INPUTS], shift;
    /* Lookup, Concatenate: 256 bytes for each input; NULL: as it is */
    uint8_t *tables[HONE_OP_INPUTS];

    void *memory; /* of all arrays above: so many bytes */
    size_t bytes;
};

extern const hone__op_type hone__op_quantise, hone__op_dequantise, hone__op_int8_conv2d, hone__op_int8_depthwise,
    hone__op_int8_dense, hone__op_int8_max_pool, hone__op_int8_average_pool, hone__op_int8_add,
    hone__op_int8_concatenate, hone__op_int8_lookup;

/* Most taps of a sum that stays below 2^30: 255 * 127 each, and a bias of up to 2^28. */
enum { HONE_INT8_BIAS_LIMIT = 1 << 28, HONE_INT8_MAX_TAPS = ((1 << 30) - (1 << 28) - 1024) / (255 * 127) };

/* The scale that makes the largest of count weights, step floats apart, 127; 1 where there is nothing to scale. */
float hone__int8_weight_scale(const float *w, size_t step, size_t count);
int8_t hone__int8_weight(float w, float scale);
/* The 8-bit number nearest to x. */
uint8_t hone__quantise_one(float x, hone__quantisation q);

#endif
