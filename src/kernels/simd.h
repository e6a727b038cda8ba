/* SPDX-License-Identifier: Apache-2.0
 *
 * Vectors: one set of names over AVX-512, AVX2 with FMA, NEON and plain C. It and the four simd_LEVEL.h are the
 * only files that name intrinsics or compiler extensions; the templates are written once against it and compiled
 * once per level (HONE_ISA_x).
 *
 *   vfloat, vint, vmask   VL lanes of float, int32 and truth
 *   vdouble               VL lanes of double, for long sums
 *   v_…                   on floats;  vi_… on ints;  vm_… on masks;  vd_… on doubles
 *
 * Semantics that hold at every level, so that levels differ in rounding only
 * - v_max(a, b) is a > b ? a : b and v_min(a, b) is a < b ? a : b: where either is NaN the result is b. So relu(x)
 *   = v_max(0, x) lets NaN through.
 * - …_part functions touch the first n of VL lanes only (0 <= n <= VL), never the memory behind; loads give 0
 *   there.
 * - v_fma is one rounding where the level has it; the scalar level rounds twice (it is the plain twin).
 * - v_unordered(a, b): where either is NaN.
 * - v_to_int rounds to nearest even; out of range is undefined. Shifts are logical unless they say otherwise.
 * - vi_transpose_4x4 transposes, in every group of four lanes, the four vectors' words: lane i of vector j and lane
 *   j of vector i change places. With one lane there is nothing to do.
 * - v_sum adds in a fixed order. */
#ifndef HONE_SIMD_H
#define HONE_SIMD_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HONE_INLINE static inline __attribute__((always_inline))
/* HONE_UNROLL: loops over the registers of a block, unrolled entirely, or their arrays would live in memory. Under gcc's
 * sanitizers they are not: every access is checked, and unrolled checks take minutes to compile.
 * HONE_NO_UNROLL: loops that must stay as they are written. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define HONE_UNROLL
#define HONE_NO_UNROLL
#elif defined(__clang__)
#define HONE_UNROLL    _Pragma("clang loop unroll(full)")
#define HONE_NO_UNROLL _Pragma("clang loop unroll(disable)")
#else
#define HONE_UNROLL    _Pragma("GCC unroll 32")
#define HONE_NO_UNROLL _Pragma("GCC unroll 1")
#endif

#if defined(HONE_ISA_avx512)
#include "simd_avx512.h"
#elif defined(HONE_ISA_avx2)
#include "simd_avx2.h"
#elif defined(HONE_ISA_neon)
#include "simd_neon.h"
#else
#include "simd_scalar.h"
#endif

/* ---- the same at every level ----------------------------------------------------------------------------------- */

#if !defined(HONE_ISA_avx512) && !defined(HONE_ISA_avx2)
/* Writes the lanes of a that m selects one after another to p and says how many; up to VL floats of p are touched.
 * Without a branch, for nothing foretells a mask. */
HONE_INLINE size_t v_append(float *p, vfloat a, vmask m) {
    float lanes[VL];
    const uint32_t bits = vm_bits(m);
    size_t count = 0;
    v_store(lanes, a);
    for (size_t i = 0; i < VL; count += bits >> i & 1, i++) p[count] = lanes[i];
    return count;
}
HONE_INLINE size_t vi_append(int32_t *p, vint a, vmask m) {
    int32_t lanes[VL];
    const uint32_t bits = vm_bits(m);
    size_t count = 0;
    vi_store(lanes, a);
    for (size_t i = 0; i < VL; count += bits >> i & 1, i++) p[count] = lanes[i];
    return count;
}
#endif

HONE_INLINE vfloat v_neg(vfloat a) {
    return v_sub(v_set(-0.0f), a);
}
HONE_INLINE vfloat v_relu(vfloat a) {
    return v_max(v_zero(), a);
}
/* One lane's worth of v_fma: the same rounding as a lane of a vector has. */
HONE_INLINE float v_fma_one(float a, float b, float c) {
#if defined(HONE_ISA_scalar)
    return a * b + c;
#else
    return fmaf(a, b, c);
#endif
}

#endif
