/* SPDX-License-Identifier: Apache-2.0
 *
 * One instruction set's kernels: this source is compiled once per level, with that level's compiler flags and HONE_ISA
 * set to its name, and exports exactly one symbol, hone_kernels_LEVEL. Everything the templates define is static, so
 * that no function compiled for a newer CPU can be picked up by the linker for another level. */
#include "kernels.h"
#include "simd.h"

#include "block_template.h"
#include "gemm_template.h"

#define HONE_PASTE2(a, b) a##b
#define HONE_PASTE(a, b)  HONE_PASTE2(a, b)
#define HONE_TEXT2(a)     #a
#define HONE_TEXT(a)      HONE_TEXT2(a)

extern const hone_kernels HONE_PASTE(hone_kernels_, HONE_ISA);

const hone_kernels HONE_PASTE(hone_kernels_, HONE_ISA) = {
    .name = HONE_TEXT(HONE_ISA),
    .vector_floats = VL,

    .gemm_scratch = gemm_scratch,
    .gemm = gemm,
};
