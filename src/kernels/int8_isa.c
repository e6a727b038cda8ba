/* SPDX-License-Identifier: Apache-2.0
 *
 * One instruction set's arithmetic in 8-bit integers: as kernels_isa.c, compiled once per level with HONE_INT8_ISA set to
 * its name, and exporting one symbol, hone_int8_kernels_LEVEL. HONE_ISA_x names the vectors that it stands on. */
#include "int8.h"
#include "simd_int8.h"

#define HONE_PASTE2(a, b) a##b
#define HONE_PASTE(a, b)  HONE_PASTE2(a, b)
#define HONE_TEXT2(a)     #a
#define HONE_TEXT(a)      HONE_TEXT2(a)

extern const hone_int8_kernels HONE_PASTE(hone_int8_kernels_, HONE_INT8_ISA);

#include "int8_block_template.h"
#include "int8_winograd_template.h"
#include "int8_conv2d_template.h"
#include "int8_other_template.h"

const hone_int8_kernels HONE_PASTE(hone_int8_kernels_, HONE_INT8_ISA) = {
    .name = HONE_TEXT(HONE_INT8_ISA),

    .conv2d_packed = int8_conv2d_packed,
    .conv2d_scratch = int8_conv2d_scratch,
    .conv2d_pack = int8_conv2d_pack,
    .conv2d = int8_conv2d,

    .depthwise_scratch = int8_depthwise_scratch,
    .depthwise = int8_depthwise,

    .max_pool = int8_max_pool,
    .average_pool = int8_average_pool,

    .quantise = int8_quantise,
    .dequantise = int8_dequantise,
    .add = int8_add,
    .lookup = int8_lookup,
};
