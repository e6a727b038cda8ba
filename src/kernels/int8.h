/* SPDX-License-Identifier: Apache-2.0
 *
 * Arithmetic in 8-bit integers: a table of functions per instruction set, beside the one of kernels.h and under the same
 * rules (no allocation, no failure, no threads, nothing read or written past the last element).
 *
 * What every function computes is stated in <hone/quantize.h>. They are integers: every level has the same bits. The
 * caller has made sure that no sum reaches 2^30 and that multipliers and shifts are as stated there. */
#ifndef HONE_INT8_H
#define HONE_INT8_H

#include "kernels.h"

/* What becomes of a channel's sum. All arrays are (channels). */
typedef struct hone_int8_output {
    bool real;           /* y is float32, (float)(sum + bias) * scale; else 8-bit. Not behind a pooling */
    const int32_t *bias; /* of sums of (q - zero point) * weight */
    const int32_t *multipliers, *shifts;
    const float *scale;
    int32_t zero_point, low, high;
} hone_int8_output;

/* A Conv2D, perhaps with the max pooling behind it (windows inside the picture, at most HONE_INT8_POOL elements), or a
 * Dense: then h, w, kh, kw, oh and ow are 1 and every row is a sample. shape's bias and epilogue are not looked at. */
enum { HONE_INT8_POOL = 4 };
typedef struct hone_int8_conv2d {
    hone_conv2d_shape shape;
    int32_t zero_point; /* of x, and of the padding */
    hone_int8_output output;
} hone_int8_conv2d;

typedef struct hone_int8_depthwise {
    hone_depthwise_shape shape;
    int32_t zero_point;
    hone_int8_output output;
} hone_int8_depthwise;

typedef struct hone_int8_kernels {
    const char *name; /* "avx512_vnni", "avx512", "avx_vnni", "avx2", "neon", "scalar" */

    /* Sizes are in bytes. Packed weights hold all of output's arrays too, which may be gone afterwards. */
    size_t (*conv2d_packed)(const hone_conv2d_shape *s);
    size_t (*conv2d_scratch)(const hone_conv2d_shape *s);
    void (*conv2d_pack)(const hone_int8_conv2d *p, const int8_t *weights, void *packed);
    void (*conv2d)(const hone_int8_conv2d *p, size_t n, const uint8_t *x, const void *packed, void *y, void *scratch);

    size_t (*depthwise_scratch)(const hone_depthwise_shape *s);
    void (*depthwise)(const hone_int8_depthwise *p, size_t n, const uint8_t *x, const int8_t *weights, void *y,
                      void *scratch);

    void (*max_pool)(const hone_pool2d_shape *s, size_t n, const uint8_t *x, uint8_t *y);
    void (*average_pool)(const hone_pool2d_shape *s, size_t n, const uint8_t *x, uint8_t *y);

    void (*quantise)(size_t n, const float *x, float scale, int32_t zero_point, uint8_t *y);
    void (*dequantise)(size_t n, const uint8_t *x, float scale, int32_t zero_point, float *y);
    /* y = clamp(output.zero_point + ((sum of (x[k] - zero_points[k]) * factors[k] + half) >> shift)) */
    void (*add)(size_t n, size_t count, const uint8_t *const *x, const int32_t *zero_points, const int32_t *factors,
                int32_t shift, const hone_int8_output *output, uint8_t *y);
    void (*lookup)(size_t n, const uint8_t *x, const uint8_t table[256], uint8_t *y);
} hone_int8_kernels;

/* What belongs to the level of hone__kernels: with the CPU's own 8-bit products where it has them. Never NULL. */
const hone_int8_kernels *hone__int8_kernels(void);
/* … to the level of that table. */
const hone_int8_kernels *hone__int8_kernels_of(const hone_kernels *kernels);
/* A table by name, or NULL where it is not built in or cannot run here: for tests and benchmarks. */
const hone_int8_kernels *hone__int8_kernels_named(const char *name);

#endif
