/* SPDX-License-Identifier: Apache-2.0
 *
 * Words of two bfloat16, on top of simd.h: what a bfloat16 level multiplies.
 *
 * A bfloat16 is the upper half of a float32. Two of them that are neighbours in a sum (two channels, two pixels) make a
 * word as wide as a float, so tensors of words lie in arrays of float, and whatever moves floats moves words: only
 * the multiply-add must know. It is
 *
 *     v_dot(a, b, sum) = (sum + a.high * b.high) + a.low * b.low        in every lane
 *
 * with exact products and one float32 rounding for each of the two additions. Rounding to bfloat16 is to nearest
 * even; denormal floats become zero, a NaN stays one. The scalar level is the reference twin. */
#ifndef HONE_SIMD_BFLOAT16_H
#define HONE_SIMD_BFLOAT16_H

#include "simd.h"

#if defined(HONE_ISA_avx512)

/* Lane i = the word (low[i], high[i]). */
HONE_INLINE vfloat v_zip(vfloat low, vfloat high) {
    const __m512i l = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(low));
    const __m512i h = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(high));
    return _mm512_castsi512_ps(_mm512_or_si512(l, _mm512_slli_epi32(h, 16)));
}
/* The lanes of first and then of second, two by two: VL words. */
HONE_INLINE vfloat v_neighbours(vfloat first, vfloat second) {
    return _mm512_castsi512_ps((__m512i)_mm512_cvtne2ps_pbh(second, first));
}
/* Each lane rounded to what a bfloat16 can hold, as a float. */
HONE_INLINE vfloat v_round_bfloat16(vfloat a) {
    const __m512i bits = _mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh(a));
    return _mm512_castsi512_ps(_mm512_slli_epi32(bits, 16));
}
HONE_INLINE vfloat v_dot(vfloat a, vfloat b, vfloat sum) {
    return _mm512_dpbf16_ps(sum, (__m512bh)_mm512_castps_si512(a), (__m512bh)_mm512_castps_si512(b));
}

#elif defined(HONE_ISA_scalar)

HONE_INLINE uint32_t bfloat16_bits(float a) {
    uint32_t bits;
    memcpy(&bits, &a, sizeof bits);
    const uint32_t magnitude = bits & 0x7fffffffu;
    if (magnitude > 0x7f800000u) return bits >> 16 | 0x40u;   /* a NaN, made quiet */
    if (magnitude < 0x00800000u) return bits >> 16 & 0x8000u; /* denormal */
    return (bits + 0x7fffu + (bits >> 16 & 1u)) >> 16;
}
HONE_INLINE float bfloat16_float(uint32_t upper_half) {
    const uint32_t bits = upper_half << 16;
    float a;
    memcpy(&a, &bits, sizeof a);
    return a;
}
HONE_INLINE vfloat v_zip(vfloat low, vfloat high) {
    const uint32_t bits = bfloat16_bits(low) | bfloat16_bits(high) << 16;
    float word;
    memcpy(&word, &bits, sizeof word);
    return word;
}
HONE_INLINE vfloat v_neighbours(vfloat first, vfloat second) {
    return v_zip(first, second);
}
HONE_INLINE vfloat v_round_bfloat16(vfloat a) {
    return bfloat16_float(bfloat16_bits(a));
}
HONE_INLINE vfloat v_dot(vfloat a, vfloat b, vfloat sum) {
    uint32_t x, y;
    memcpy(&x, &a, sizeof x);
    memcpy(&y, &b, sizeof y);
    sum += bfloat16_float(x >> 16) * bfloat16_float(y >> 16);
    return sum + bfloat16_float(x & 0xffffu) * bfloat16_float(y & 0xffffu);
}

#else
#error "no words of two bfloat16 at this level"
#endif

#endif
