/* SPDX-License-Identifier: Apache-2.0
 *
 * Products of 8-bit integers, on top of simd.h. A few neighbours in a sum make a word, VQ_WORD of them; a lane holds one:
 *
 *     vq_dot(sum, x, w)   sum + x[0] w[0] + x[1] w[1] + …, x 0 … 255, w -128 … 127, in every lane
 *
 * vbytes is a word of x in every lane, vweights the words of VL channels; in memory they are vq_number and vq_weight.
 * Where a CPU has the instruction for it (HONE_VNNI) these are bytes, four in a word. Elsewhere on x86 they are 16-bit
 * numbers, two in a word, made from bytes beforehand, once for many sums: products of bytes that are added in pairs could
 * saturate there. So every level has the same sums.
 *
 *     vq_requantise(a, c)      (int32)(((int64)a * m) >> s) with c = vq_factor(m, s), s 30 … 61, |a| < 2^30: the shift is
 *                              arithmetic. vfactor is what can be computed beforehand
 *     vq_max, vq_min           of int32
 *     vq_store, vq_store_part  lanes of 0 … 255 as bytes; all, or the first n
 *
 * and with HONE_INT8_WIDE vectors of 2 VL numbers, vshort: vs_load, vs_store, vs_add, vs_sub. */
#ifndef HONE_SIMD_INT8_H
#define HONE_SIMD_INT8_H

#include "simd.h"

/* VQ_WIDE: numbers are wider in memory than bytes. */
#if (defined(HONE_ISA_avx512) || defined(HONE_ISA_avx2)) && !defined(HONE_VNNI)
#define HONE_INT8_WIDE 1
enum { VQ_WORD = 2, VQ_WIDE = 1 };
typedef int16_t vq_number, vq_weight;
#else
enum { VQ_WORD = 4, VQ_WIDE = 0 };
typedef uint8_t vq_number;
typedef int8_t vq_weight;
#endif

#if defined(HONE_ISA_avx512) || defined(HONE_ISA_avx2)
HONE_INLINE int32_t vq_word(const vq_number *p) {
    int32_t word;
    memcpy(&word, p, sizeof word);
    return word;
}
#endif

#if defined(HONE_ISA_avx512)

#ifdef HONE_INT8_WIDE
typedef __m512i vshort;
HONE_INLINE vshort vs_load(const vq_number *p) {
    return _mm512_loadu_si512(p);
}
HONE_INLINE void vs_store(vq_number *p, vshort a) {
    _mm512_storeu_si512(p, a);
}
HONE_INLINE vshort vs_add(vshort a, vshort b) {
    return _mm512_add_epi16(a, b);
}
HONE_INLINE vshort vs_sub(vshort a, vshort b) {
    return _mm512_sub_epi16(a, b);
}
#endif
typedef __m512i vbytes, vweights;
HONE_INLINE vbytes vq_broadcast(const vq_number *p) {
    return _mm512_set1_epi32(vq_word(p));
}
HONE_INLINE vweights vq_weights(const vq_weight *p) {
    return _mm512_loadu_si512(p);
}
/* Not by its intrinsic: gcc 12 takes that one's sum through another type, and then a block's sums live in memory. */
HONE_INLINE vint vq_dot(vint sum, vbytes x, vweights w) {
#ifdef HONE_VNNI
    __asm__("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(w));
    return sum;
#else
    return _mm512_add_epi32(sum, _mm512_madd_epi16(x, w));
#endif
}
typedef struct vfactor {
    __m512i even, odd, even_shift, odd_shift; /* of every second lane, as 64-bit numbers */
} vfactor;
HONE_INLINE vfactor vq_factor(vint m, vint s) {
    return (vfactor){m, _mm512_srli_epi64(m, 32), _mm512_and_si512(s, _mm512_set1_epi64(0xffffffff)),
                     _mm512_srli_epi64(s, 32)};
}
HONE_INLINE vint vq_requantise(vint a, vfactor c) {
    const __m512i even = _mm512_srav_epi64(_mm512_mul_epi32(a, c.even), c.even_shift);
    const __m512i odd = _mm512_srav_epi64(_mm512_mul_epi32(_mm512_srli_epi64(a, 32), c.odd), c.odd_shift);
    return _mm512_mask_shuffle_epi32(even, (__mmask16)0xaaaa, odd, _MM_PERM_CCAA);
}
HONE_INLINE vint vq_max(vint a, vint b) {
    return _mm512_max_epi32(a, b);
}
HONE_INLINE vint vq_min(vint a, vint b) {
    return _mm512_min_epi32(a, b);
}
HONE_INLINE void vq_store(uint8_t *p, vint a) {
    _mm_storeu_si128((__m128i *)(void *)p, _mm512_cvtepi32_epi8(a));
}
HONE_INLINE void vq_store_part(uint8_t *p, vint a, size_t n) {
    _mm_mask_storeu_epi8(p, v_part_mask(n), _mm512_cvtepi32_epi8(a));
}

#elif defined(HONE_ISA_avx2)

#ifdef HONE_INT8_WIDE
typedef __m256i vshort;
HONE_INLINE vshort vs_load(const vq_number *p) {
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}
HONE_INLINE void vs_store(vq_number *p, vshort a) {
    _mm256_storeu_si256((__m256i *)(void *)p, a);
}
HONE_INLINE vshort vs_add(vshort a, vshort b) {
    return _mm256_add_epi16(a, b);
}
HONE_INLINE vshort vs_sub(vshort a, vshort b) {
    return _mm256_sub_epi16(a, b);
}
#endif
typedef __m256i vbytes, vweights;
HONE_INLINE vbytes vq_broadcast(const vq_number *p) {
    return _mm256_set1_epi32(vq_word(p));
}
HONE_INLINE vweights vq_weights(const vq_weight *p) {
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}
HONE_INLINE vint vq_dot(vint sum, vbytes x, vweights w) {
#ifdef HONE_VNNI
    __asm__("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(x), "x"(w));
    return sum;
#else
    return _mm256_add_epi32(sum, _mm256_madd_epi16(x, w));
#endif
}
/* There is no arithmetic shift of 64 bits: the product is made positive, and what that added is taken away again. Only
 * the low halves are wanted, which is right for them. */
HONE_INLINE __m256i vq_shifted_product(__m256i a, __m256i m, __m256i s) {
    const __m256i large = _mm256_set1_epi64x(INT64_C(1) << 62);
    return _mm256_sub_epi64(_mm256_srlv_epi64(_mm256_add_epi64(_mm256_mul_epi32(a, m), large), s),
                            _mm256_srlv_epi64(large, s));
}
typedef struct vfactor {
    __m256i even, odd, even_shift, odd_shift; /* of every second lane, as 64-bit numbers */
} vfactor;
HONE_INLINE vfactor vq_factor(vint m, vint s) {
    return (vfactor){m, _mm256_srli_epi64(m, 32), _mm256_and_si256(s, _mm256_set1_epi64x(0xffffffff)),
                     _mm256_srli_epi64(s, 32)};
}
HONE_INLINE vint vq_requantise(vint a, vfactor c) {
    const __m256i even = vq_shifted_product(a, c.even, c.even_shift);
    const __m256i odd = vq_shifted_product(_mm256_srli_epi64(a, 32), c.odd, c.odd_shift);
    return _mm256_blend_epi32(even, _mm256_slli_epi64(odd, 32), 0xaa);
}
HONE_INLINE vint vq_max(vint a, vint b) {
    return _mm256_max_epi32(a, b);
}
HONE_INLINE vint vq_min(vint a, vint b) {
    return _mm256_min_epi32(a, b);
}
HONE_INLINE void vq_store(uint8_t *p, vint a) {
    vi_store_u8_part(p, a, VL);
}
HONE_INLINE void vq_store_part(uint8_t *p, vint a, size_t n) {
    vi_store_u8_part(p, a, n);
}

#elif defined(HONE_ISA_neon)

typedef int16x8_t vbytes; /* the word twice, as 16-bit numbers */
typedef struct vweights {
    int16x8_t low, high; /* the words of lanes 0, 1 and 2, 3 */
} vweights;
HONE_INLINE vbytes vq_broadcast(const uint8_t *p) {
    uint32_t word;
    memcpy(&word, p, sizeof word);
    return vreinterpretq_s16_u16(vmovl_u8(vreinterpret_u8_u32(vdup_n_u32(word))));
}
HONE_INLINE vweights vq_weights(const int8_t *p) {
    const int8x16_t w = vld1q_s8(p);
    return (vweights){vmovl_s8(vget_low_s8(w)), vmovl_high_s8(w)};
}
HONE_INLINE vint vq_dot(vint sum, vbytes x, vweights w) {
    const int32x4_t a = vmull_s16(vget_low_s16(x), vget_low_s16(w.low)), b = vmull_high_s16(x, w.low);
    const int32x4_t c = vmull_s16(vget_low_s16(x), vget_low_s16(w.high)), d = vmull_high_s16(x, w.high);
    return vaddq_s32(sum, vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)));
}
typedef struct vfactor {
    vint multiplier, shift;
} vfactor;
HONE_INLINE vfactor vq_factor(vint m, vint s) {
    return (vfactor){m, s};
}
HONE_INLINE vint vq_requantise(vint a, vfactor c) {
    const int64x2_t low =
        vshlq_s64(vmull_s32(vget_low_s32(a), vget_low_s32(c.multiplier)), vnegq_s64(vmovl_s32(vget_low_s32(c.shift))));
    const int64x2_t high = vshlq_s64(vmull_high_s32(a, c.multiplier), vnegq_s64(vmovl_high_s32(c.shift)));
    return vcombine_s32(vmovn_s64(low), vmovn_s64(high));
}
HONE_INLINE vint vq_max(vint a, vint b) {
    return vmaxq_s32(a, b);
}
HONE_INLINE vint vq_min(vint a, vint b) {
    return vminq_s32(a, b);
}
HONE_INLINE void vq_store(uint8_t *p, vint a) {
    vi_store_u8_part(p, a, VL);
}
HONE_INLINE void vq_store_part(uint8_t *p, vint a, size_t n) {
    vi_store_u8_part(p, a, n);
}

#else

typedef const uint8_t *vbytes;
typedef const int8_t *vweights;
HONE_INLINE vbytes vq_broadcast(const uint8_t *p) {
    return p;
}
HONE_INLINE vweights vq_weights(const int8_t *p) {
    return p;
}
HONE_INLINE vint vq_dot(vint sum, vbytes x, vweights w) {
    return sum + x[0] * w[0] + x[1] * w[1] + x[2] * w[2] + x[3] * w[3];
}
typedef struct vfactor {
    vint multiplier, shift;
} vfactor;
HONE_INLINE vfactor vq_factor(vint m, vint s) {
    return (vfactor){m, s};
}
/* Right shifts of negative numbers are arithmetic with every compiler that builds this. */
HONE_INLINE vint vq_requantise(vint a, vfactor c) {
    return (int32_t)(((int64_t)a * c.multiplier) >> c.shift);
}
HONE_INLINE vint vq_max(vint a, vint b) {
    return a > b ? a : b;
}
HONE_INLINE vint vq_min(vint a, vint b) {
    return a < b ? a : b;
}
HONE_INLINE void vq_store(uint8_t *p, vint a) {
    *p = (uint8_t)a;
}
HONE_INLINE void vq_store_part(uint8_t *p, vint a, size_t n) {
    if (n) *p = (uint8_t)a;
}

#endif

#endif
