/* SPDX-License-Identifier: Apache-2.0
 *
 * Vectors: one set of names over AVX-512, AVX2 with FMA, NEON and plain C. The only file that names intrinsics or
 * compiler extensions; the templates are written once against it and compiled once per level (HONE_ISA_x).
 *
 *   vfloat, vint, vmask   VL lanes of float, int32 and truth
 *   vdouble               VL lanes of double, for long sums
 *   v_…                   on floats;  vi_… on ints;  vm_… on masks;  vd_… on doubles
 *
 * Semantics that hold at every level, so that levels differ in rounding only
 * - v_max(a, b) is a > b ? a : b and v_min(a, b) is a < b ? a : b: where either is NaN the result is b. So
 *   relu(x) = v_max(0, x) lets NaN through.
 * - …_part functions touch the first n of VL lanes only (0 <= n <= VL), never the memory behind; loads give 0 there.
 * - v_fma is one rounding where the level has it; the scalar level rounds twice (it is the plain twin).
 * - v_to_int rounds to nearest even; out of range is undefined. Shifts are logical unless they say otherwise.
 * - vi_transpose_4x4 transposes, in every group of four lanes, the four vectors' words: lane i of vector j and lane j of
 *   vector i change places. With one lane there is nothing to do.
 * - v_sum adds in a fixed order. */
#ifndef HONE_SIMD_H
#define HONE_SIMD_H

#include <math.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HONE_INLINE static inline __attribute__((always_inline))
/* HONE_UNROLL: loops over the registers of a block, unrolled entirely, or their arrays would live in memory.
 * HONE_NO_UNROLL: loops that must stay as they are written. */
#if defined(__clang__)
#define HONE_UNROLL    _Pragma("clang loop unroll(full)")
#define HONE_NO_UNROLL _Pragma("clang loop unroll(disable)")
#else
#define HONE_UNROLL    _Pragma("GCC unroll 32")
#define HONE_NO_UNROLL _Pragma("GCC unroll 1")
#endif

#if defined(HONE_ISA_avx512)

/* ---- AVX-512 F, BW, DQ, VL ------------------------------------------------------------------------------------- */

#include <immintrin.h>

enum { VL = 16, V_REGISTERS = 32 };
typedef __m512 vfloat;
typedef __m512i vint;
typedef __mmask16 vmask;
typedef struct vdouble {
    __m512d lo, hi;
} vdouble;

HONE_INLINE __mmask16 v_part_mask(size_t n) {
    return (__mmask16)((1u << n) - 1u);
}

HONE_INLINE vfloat v_load(const float *p) {
    return _mm512_loadu_ps(p);
}
HONE_INLINE vfloat v_load_part(const float *p, size_t n) {
    return _mm512_maskz_loadu_ps(v_part_mask(n), p);
}
HONE_INLINE void v_store(float *p, vfloat a) {
    _mm512_storeu_ps(p, a);
}
HONE_INLINE void v_store_part(float *p, vfloat a, size_t n) {
    _mm512_mask_storeu_ps(p, v_part_mask(n), a);
}
HONE_INLINE vfloat v_set(float a) {
    return _mm512_set1_ps(a);
}
HONE_INLINE vfloat v_zero(void) {
    return _mm512_setzero_ps();
}
HONE_INLINE vfloat v_add(vfloat a, vfloat b) {
    return _mm512_add_ps(a, b);
}
HONE_INLINE vfloat v_sub(vfloat a, vfloat b) {
    return _mm512_sub_ps(a, b);
}
HONE_INLINE vfloat v_mul(vfloat a, vfloat b) {
    return _mm512_mul_ps(a, b);
}
HONE_INLINE vfloat v_div(vfloat a, vfloat b) {
    return _mm512_div_ps(a, b);
}
HONE_INLINE vfloat v_fma(vfloat a, vfloat b, vfloat c) {
    return _mm512_fmadd_ps(a, b, c);
}
HONE_INLINE vfloat v_sqrt(vfloat a) {
    return _mm512_sqrt_ps(a);
}
HONE_INLINE vfloat v_max(vfloat a, vfloat b) {
    return _mm512_max_ps(a, b);
}
HONE_INLINE vfloat v_min(vfloat a, vfloat b) {
    return _mm512_min_ps(a, b);
}
HONE_INLINE vfloat v_round(vfloat a) {
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
HONE_INLINE vfloat v_abs(vfloat a) {
    return _mm512_abs_ps(a);
}
HONE_INLINE vfloat v_copysign(vfloat magnitude, vfloat sign) {
    const __m512 bit = _mm512_set1_ps(-0.0f);
    return _mm512_or_ps(_mm512_andnot_ps(bit, magnitude), _mm512_and_ps(bit, sign));
}
HONE_INLINE vmask v_gt(vfloat a, vfloat b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ);
}
HONE_INLINE vmask v_ge(vfloat a, vfloat b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_GE_OQ);
}
HONE_INLINE vmask v_eq(vfloat a, vfloat b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_EQ_OQ);
}
HONE_INLINE vmask v_is_nan(vfloat a) {
    return _mm512_cmp_ps_mask(a, a, _CMP_UNORD_Q);
}
HONE_INLINE vfloat v_select(vmask m, vfloat yes, vfloat no) {
    return _mm512_mask_blend_ps(m, no, yes);
}
HONE_INLINE float v_sum(vfloat a) {
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(a), _mm512_extractf32x8_ps(a, 1));
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
HONE_INLINE vfloat v_load_u8(const uint8_t *p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p)));
}
HONE_INLINE vfloat v_load_u8_part(const uint8_t *p, size_t n) {
    return _mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(v_part_mask(n), p)));
}

HONE_INLINE vint vi_set(int32_t a) {
    return _mm512_set1_epi32(a);
}
HONE_INLINE vint vi_iota(void) {
    return _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15);
}
HONE_INLINE vint vi_load(const void *p) {
    return _mm512_loadu_si512(p);
}
HONE_INLINE vint vi_load_part(const void *p, size_t n) {
    return _mm512_maskz_loadu_epi32(v_part_mask(n), p);
}
HONE_INLINE void vi_store(void *p, vint a) {
    _mm512_storeu_si512(p, a);
}
HONE_INLINE void vi_store_part(void *p, vint a, size_t n) {
    _mm512_mask_storeu_epi32(p, v_part_mask(n), a);
}
HONE_INLINE vint vi_load_u8_part(const uint8_t *p, size_t n) {
    return _mm512_cvtepu8_epi32(_mm_maskz_loadu_epi8(v_part_mask(n), p));
}
HONE_INLINE void vi_store_u8_part(uint8_t *p, vint a, size_t n) {
    _mm512_mask_cvtepi32_storeu_epi8(p, v_part_mask(n), a);
}
/* Lane i = the four bytes at base + offset[i], the first in the lowest bits. */
HONE_INLINE vint vi_gather_bytes(const uint8_t *base, vint offset) {
    return _mm512_i32gather_epi32(offset, base, 1);
}
HONE_INLINE vint vi_load_u16_part(const uint16_t *p, size_t n) {
    return _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(v_part_mask(n), p));
}
HONE_INLINE void vi_store_u16_part(uint16_t *p, vint a, size_t n) {
    _mm512_mask_cvtepi32_storeu_epi16(p, v_part_mask(n), a);
}
HONE_INLINE vint vi_add(vint a, vint b) {
    return _mm512_add_epi32(a, b);
}
HONE_INLINE vint vi_sub(vint a, vint b) {
    return _mm512_sub_epi32(a, b);
}
HONE_INLINE vint vi_mul(vint a, vint b) {
    return _mm512_mullo_epi32(a, b);
}
HONE_INLINE vint vi_mul_high_u32(vint a, vint b) {
    const __m512i even = _mm512_srli_epi64(_mm512_mul_epu32(a, b), 32);
    const __m512i odd = _mm512_mul_epu32(_mm512_srli_epi64(a, 32), _mm512_srli_epi64(b, 32));
    return _mm512_mask_blend_epi32((__mmask16)0xaaaa, even, odd);
}
HONE_INLINE vint vi_and(vint a, vint b) {
    return _mm512_and_si512(a, b);
}
HONE_INLINE vint vi_or(vint a, vint b) {
    return _mm512_or_si512(a, b);
}
HONE_INLINE vint vi_xor(vint a, vint b) {
    return _mm512_xor_si512(a, b);
}
#define vi_shift_left(a, bits)             _mm512_slli_epi32((a), (bits))
#define vi_shift_right(a, bits)            _mm512_srli_epi32((a), (bits))
#define vi_shift_right_arithmetic(a, bits) _mm512_srai_epi32((a), (bits))
HONE_INLINE vmask vi_gt(vint a, vint b) {
    return _mm512_cmpgt_epi32_mask(a, b);
}
HONE_INLINE vmask vi_eq(vint a, vint b) {
    return _mm512_cmpeq_epi32_mask(a, b);
}
HONE_INLINE vint vi_select(vmask m, vint yes, vint no) {
    return _mm512_mask_blend_epi32(m, no, yes);
}
HONE_INLINE void vi_transpose_4x4(vint a[4]) {
    const __m512i ab_low = _mm512_unpacklo_epi32(a[0], a[1]), ab_high = _mm512_unpackhi_epi32(a[0], a[1]);
    const __m512i cd_low = _mm512_unpacklo_epi32(a[2], a[3]), cd_high = _mm512_unpackhi_epi32(a[2], a[3]);
    a[0] = _mm512_unpacklo_epi64(ab_low, cd_low);
    a[1] = _mm512_unpackhi_epi64(ab_low, cd_low);
    a[2] = _mm512_unpacklo_epi64(ab_high, cd_high);
    a[3] = _mm512_unpackhi_epi64(ab_high, cd_high);
}
HONE_INLINE vint v_to_int(vfloat a) {
    return _mm512_cvtps_epi32(a);
}
HONE_INLINE vfloat vi_to_float(vint a) {
    return _mm512_cvtepi32_ps(a);
}
HONE_INLINE vint v_bits(vfloat a) {
    return _mm512_castps_si512(a);
}
HONE_INLINE vfloat vi_as_float(vint a) {
    return _mm512_castsi512_ps(a);
}

HONE_INLINE vmask vm_and(vmask a, vmask b) {
    return (vmask)(a & b);
}
HONE_INLINE vmask vm_or(vmask a, vmask b) {
    return (vmask)(a | b);
}
HONE_INLINE vmask vm_not(vmask a) {
    return (vmask)~a;
}
HONE_INLINE uint32_t vm_bits(vmask a) {
    return a;
}

HONE_INLINE __m512 v_pairs_low(__m512 a, __m512 b) {
    return _mm512_castpd_ps(_mm512_unpacklo_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
}
HONE_INLINE __m512 v_pairs_high(__m512 a, __m512 b) {
    return _mm512_castpd_ps(_mm512_unpackhi_pd(_mm512_castps_pd(a), _mm512_castps_pd(b)));
}
/* Rows become columns, in place. */
HONE_INLINE void v_transpose(vfloat a[VL]) {
    __m512 t[16], u[16];
    HONE_UNROLL
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_ps(a[i], a[i + 1]);
        t[i + 1] = _mm512_unpackhi_ps(a[i], a[i + 1]);
    }
    HONE_UNROLL
    for (int i = 0; i < 16; i += 4) {
        u[i] = v_pairs_low(t[i], t[i + 2]);
        u[i + 1] = v_pairs_high(t[i], t[i + 2]);
        u[i + 2] = v_pairs_low(t[i + 1], t[i + 3]);
        u[i + 3] = v_pairs_high(t[i + 1], t[i + 3]);
    }
    HONE_UNROLL
    for (int i = 0; i < 4; i++) {
        const __m512 even_low = _mm512_shuffle_f32x4(u[i], u[i + 4], 0x88);
        const __m512 even_high = _mm512_shuffle_f32x4(u[i + 8], u[i + 12], 0x88);
        const __m512 odd_low = _mm512_shuffle_f32x4(u[i], u[i + 4], 0xdd);
        const __m512 odd_high = _mm512_shuffle_f32x4(u[i + 8], u[i + 12], 0xdd);
        a[i] = _mm512_shuffle_f32x4(even_low, even_high, 0x88);
        a[i + 4] = _mm512_shuffle_f32x4(odd_low, odd_high, 0x88);
        a[i + 8] = _mm512_shuffle_f32x4(even_low, even_high, 0xdd);
        a[i + 12] = _mm512_shuffle_f32x4(odd_low, odd_high, 0xdd);
    }
}

/* Writes the lanes of a that m selects one after another to p and says how many; up to VL floats of p are touched. */
HONE_INLINE size_t v_append(float *p, vfloat a, vmask m) {
    _mm512_storeu_ps(p, _mm512_maskz_compress_ps(m, a));
    return (size_t)_mm_popcnt_u32(m);
}
HONE_INLINE size_t vi_append(int32_t *p, vint a, vmask m) {
    _mm512_storeu_si512(p, _mm512_maskz_compress_epi32(m, a));
    return (size_t)_mm_popcnt_u32(m);
}

/* Two rows of V_TABLE_ROW floats to look up in: lane = (row * V_TABLE_ROW + column) of index. */
enum { V_TABLE_ROW = 8 };
typedef __m512 vtable;
HONE_INLINE vtable v_table(const float *row0, const float *row1) {
    return _mm512_insertf32x8(_mm512_castps256_ps512(_mm256_loadu_ps(row0)), _mm256_loadu_ps(row1), 1);
}
HONE_INLINE vfloat v_lookup(vtable table, vint index) {
    return _mm512_permutexvar_ps(index, table);
}

HONE_INLINE vdouble vd_zero(void) {
    return (vdouble){_mm512_setzero_pd(), _mm512_setzero_pd()};
}
HONE_INLINE vdouble vd_from(vfloat a) {
    return (vdouble){_mm512_cvtps_pd(_mm512_castps512_ps256(a)), _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1))};
}
HONE_INLINE vdouble vd_load(const double *p) {
    return (vdouble){_mm512_loadu_pd(p), _mm512_loadu_pd(p + 8)};
}
HONE_INLINE void vd_store(double *p, vdouble a) {
    _mm512_storeu_pd(p, a.lo);
    _mm512_storeu_pd(p + 8, a.hi);
}
HONE_INLINE vdouble vd_add(vdouble a, vdouble b) {
    return (vdouble){_mm512_add_pd(a.lo, b.lo), _mm512_add_pd(a.hi, b.hi)};
}
HONE_INLINE vdouble vd_fma(vdouble a, vdouble b, vdouble c) {
    return (vdouble){_mm512_fmadd_pd(a.lo, b.lo, c.lo), _mm512_fmadd_pd(a.hi, b.hi, c.hi)};
}

#elif defined(HONE_ISA_avx2)

/* ---- AVX2 and FMA ---------------------------------------------------------------------------------------------- */

#include <immintrin.h>

enum { VL = 8, V_REGISTERS = 16 };
typedef __m256 vfloat;
typedef __m256i vint;
typedef __m256 vmask; /* all bits of a lane set or none */
typedef struct vdouble {
    __m256d lo, hi;
} vdouble;

HONE_INLINE __m256i v_part_mask(size_t n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32((int)n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
}

HONE_INLINE vfloat v_load(const float *p) {
    return _mm256_loadu_ps(p);
}
HONE_INLINE vfloat v_load_part(const float *p, size_t n) {
    return _mm256_maskload_ps(p, v_part_mask(n));
}
HONE_INLINE void v_store(float *p, vfloat a) {
    _mm256_storeu_ps(p, a);
}
HONE_INLINE void v_store_part(float *p, vfloat a, size_t n) {
    _mm256_maskstore_ps(p, v_part_mask(n), a);
}
HONE_INLINE vfloat v_set(float a) {
    return _mm256_set1_ps(a);
}
HONE_INLINE vfloat v_zero(void) {
    return _mm256_setzero_ps();
}
HONE_INLINE vfloat v_add(vfloat a, vfloat b) {
    return _mm256_add_ps(a, b);
}
HONE_INLINE vfloat v_sub(vfloat a, vfloat b) {
    return _mm256_sub_ps(a, b);
}
HONE_INLINE vfloat v_mul(vfloat a, vfloat b) {
    return _mm256_mul_ps(a, b);
}
HONE_INLINE vfloat v_div(vfloat a, vfloat b) {
    return _mm256_div_ps(a, b);
}
HONE_INLINE vfloat v_fma(vfloat a, vfloat b, vfloat c) {
    return _mm256_fmadd_ps(a, b, c);
}
HONE_INLINE vfloat v_sqrt(vfloat a) {
    return _mm256_sqrt_ps(a);
}
HONE_INLINE vfloat v_max(vfloat a, vfloat b) {
    return _mm256_max_ps(a, b);
}
HONE_INLINE vfloat v_min(vfloat a, vfloat b) {
    return _mm256_min_ps(a, b);
}
HONE_INLINE vfloat v_round(vfloat a) {
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
HONE_INLINE vfloat v_abs(vfloat a) {
    return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a);
}
HONE_INLINE vfloat v_copysign(vfloat magnitude, vfloat sign) {
    const __m256 bit = _mm256_set1_ps(-0.0f);
    return _mm256_or_ps(_mm256_andnot_ps(bit, magnitude), _mm256_and_ps(bit, sign));
}
HONE_INLINE vmask v_gt(vfloat a, vfloat b) {
    return _mm256_cmp_ps(a, b, _CMP_GT_OQ);
}
HONE_INLINE vmask v_ge(vfloat a, vfloat b) {
    return _mm256_cmp_ps(a, b, _CMP_GE_OQ);
}
HONE_INLINE vmask v_eq(vfloat a, vfloat b) {
    return _mm256_cmp_ps(a, b, _CMP_EQ_OQ);
}
HONE_INLINE vmask v_is_nan(vfloat a) {
    return _mm256_cmp_ps(a, a, _CMP_UNORD_Q);
}
HONE_INLINE vfloat v_select(vmask m, vfloat yes, vfloat no) {
    return _mm256_blendv_ps(no, yes, m);
}
HONE_INLINE float v_sum(vfloat a) {
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}

HONE_INLINE vint vi_set(int32_t a) {
    return _mm256_set1_epi32(a);
}
HONE_INLINE vint vi_iota(void) {
    return _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
}
HONE_INLINE vint vi_load(const void *p) {
    return _mm256_loadu_si256((const __m256i *)p);
}
HONE_INLINE vint vi_load_part(const void *p, size_t n) {
    return _mm256_maskload_epi32((const int *)p, v_part_mask(n));
}
HONE_INLINE void vi_store(void *p, vint a) {
    _mm256_storeu_si256((__m256i *)p, a);
}
HONE_INLINE void vi_store_part(void *p, vint a, size_t n) {
    _mm256_maskstore_epi32((int *)p, v_part_mask(n), a);
}
HONE_INLINE vint vi_load_u8_part(const uint8_t *p, size_t n) {
    uint64_t bytes = 0;
    if (n >= 8)
        memcpy(&bytes, p, 8);
    else
        memcpy(&bytes, p, n);
    return _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)bytes));
}
HONE_INLINE void vi_store_u8_part(uint8_t *p, vint a, size_t n) {
    const __m256i low = _mm256_and_si256(a, _mm256_set1_epi32(0xff));
    const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
    const uint64_t bytes = (uint64_t)_mm_cvtsi128_si64(_mm_packus_epi16(words, words));
    if (n >= 8)
        memcpy(p, &bytes, 8);
    else
        memcpy(p, &bytes, n);
}
HONE_INLINE vint vi_gather_bytes(const uint8_t *base, vint offset) {
    return _mm256_i32gather_epi32((const int *)(const void *)base, offset, 1);
}
HONE_INLINE vint vi_load_u16_part(const uint16_t *p, size_t n) {
    __m128i words = _mm_setzero_si128();
    memcpy(&words, p, (n < 8 ? n : 8) * 2);
    return _mm256_cvtepu16_epi32(words);
}
HONE_INLINE void vi_store_u16_part(uint16_t *p, vint a, size_t n) {
    const __m256i low = _mm256_and_si256(a, _mm256_set1_epi32(0xffff));
    const __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1));
    memcpy(p, &words, (n < 8 ? n : 8) * 2);
}
HONE_INLINE vint vi_add(vint a, vint b) {
    return _mm256_add_epi32(a, b);
}
HONE_INLINE vint vi_sub(vint a, vint b) {
    return _mm256_sub_epi32(a, b);
}
HONE_INLINE vint vi_mul(vint a, vint b) {
    return _mm256_mullo_epi32(a, b);
}
HONE_INLINE vint vi_mul_high_u32(vint a, vint b) {
    const __m256i even = _mm256_srli_epi64(_mm256_mul_epu32(a, b), 32);
    const __m256i odd = _mm256_mul_epu32(_mm256_srli_epi64(a, 32), _mm256_srli_epi64(b, 32));
    return _mm256_blend_epi32(even, odd, 0xaa);
}
HONE_INLINE vint vi_and(vint a, vint b) {
    return _mm256_and_si256(a, b);
}
HONE_INLINE vint vi_or(vint a, vint b) {
    return _mm256_or_si256(a, b);
}
HONE_INLINE vint vi_xor(vint a, vint b) {
    return _mm256_xor_si256(a, b);
}
#define vi_shift_left(a, bits)             _mm256_slli_epi32((a), (bits))
#define vi_shift_right(a, bits)            _mm256_srli_epi32((a), (bits))
#define vi_shift_right_arithmetic(a, bits) _mm256_srai_epi32((a), (bits))
HONE_INLINE vmask vi_gt(vint a, vint b) {
    return _mm256_castsi256_ps(_mm256_cmpgt_epi32(a, b));
}
HONE_INLINE vmask vi_eq(vint a, vint b) {
    return _mm256_castsi256_ps(_mm256_cmpeq_epi32(a, b));
}
HONE_INLINE vint vi_select(vmask m, vint yes, vint no) {
    return _mm256_blendv_epi8(no, yes, _mm256_castps_si256(m));
}
HONE_INLINE void vi_transpose_4x4(vint a[4]) {
    const __m256i ab_low = _mm256_unpacklo_epi32(a[0], a[1]), ab_high = _mm256_unpackhi_epi32(a[0], a[1]);
    const __m256i cd_low = _mm256_unpacklo_epi32(a[2], a[3]), cd_high = _mm256_unpackhi_epi32(a[2], a[3]);
    a[0] = _mm256_unpacklo_epi64(ab_low, cd_low);
    a[1] = _mm256_unpackhi_epi64(ab_low, cd_low);
    a[2] = _mm256_unpacklo_epi64(ab_high, cd_high);
    a[3] = _mm256_unpackhi_epi64(ab_high, cd_high);
}
HONE_INLINE vint v_to_int(vfloat a) {
    return _mm256_cvtps_epi32(a);
}
HONE_INLINE vfloat vi_to_float(vint a) {
    return _mm256_cvtepi32_ps(a);
}
HONE_INLINE vint v_bits(vfloat a) {
    return _mm256_castps_si256(a);
}
HONE_INLINE vfloat vi_as_float(vint a) {
    return _mm256_castsi256_ps(a);
}
HONE_INLINE vfloat v_load_u8(const uint8_t *p) {
    return vi_to_float(vi_load_u8_part(p, 8));
}
HONE_INLINE vfloat v_load_u8_part(const uint8_t *p, size_t n) {
    return vi_to_float(vi_load_u8_part(p, n));
}

HONE_INLINE vmask vm_and(vmask a, vmask b) {
    return _mm256_and_ps(a, b);
}
HONE_INLINE vmask vm_or(vmask a, vmask b) {
    return _mm256_or_ps(a, b);
}
HONE_INLINE vmask vm_not(vmask a) {
    return _mm256_xor_ps(a, _mm256_castsi256_ps(_mm256_set1_epi32(-1)));
}
HONE_INLINE uint32_t vm_bits(vmask a) {
    return (uint32_t)_mm256_movemask_ps(a);
}

HONE_INLINE __m256 v_pairs_low(__m256 a, __m256 b) {
    return _mm256_castpd_ps(_mm256_unpacklo_pd(_mm256_castps_pd(a), _mm256_castps_pd(b)));
}
HONE_INLINE __m256 v_pairs_high(__m256 a, __m256 b) {
    return _mm256_castpd_ps(_mm256_unpackhi_pd(_mm256_castps_pd(a), _mm256_castps_pd(b)));
}
/* Rows become columns, in place. */
HONE_INLINE void v_transpose(vfloat a[VL]) {
    __m256 t[8], u[8];
    HONE_UNROLL
    for (int i = 0; i < 8; i += 2) {
        t[i] = _mm256_unpacklo_ps(a[i], a[i + 1]);
        t[i + 1] = _mm256_unpackhi_ps(a[i], a[i + 1]);
    }
    HONE_UNROLL
    for (int i = 0; i < 8; i += 4) {
        u[i] = v_pairs_low(t[i], t[i + 2]);
        u[i + 1] = v_pairs_high(t[i], t[i + 2]);
        u[i + 2] = v_pairs_low(t[i + 1], t[i + 3]);
        u[i + 3] = v_pairs_high(t[i + 1], t[i + 3]);
    }
    HONE_UNROLL
    for (int i = 0; i < 4; i++) {
        a[i] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x20);
        a[i + 4] = _mm256_permute2f128_ps(u[i], u[i + 4], 0x31);
    }
}

/* Two rows of V_TABLE_ROW floats to look up in: lane = (row * V_TABLE_ROW + column) of index. */
enum { V_TABLE_ROW = 4 };
typedef __m256 vtable;
HONE_INLINE vtable v_table(const float *row0, const float *row1) {
    return _mm256_insertf128_ps(_mm256_castps128_ps256(_mm_loadu_ps(row0)), _mm_loadu_ps(row1), 1);
}
HONE_INLINE vfloat v_lookup(vtable table, vint index) {
    return _mm256_permutevar8x32_ps(table, index);
}

HONE_INLINE vdouble vd_zero(void) {
    return (vdouble){_mm256_setzero_pd(), _mm256_setzero_pd()};
}
HONE_INLINE vdouble vd_from(vfloat a) {
    return (vdouble){_mm256_cvtps_pd(_mm256_castps256_ps128(a)), _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1))};
}
HONE_INLINE vdouble vd_load(const double *p) {
    return (vdouble){_mm256_loadu_pd(p), _mm256_loadu_pd(p + 4)};
}
HONE_INLINE void vd_store(double *p, vdouble a) {
    _mm256_storeu_pd(p, a.lo);
    _mm256_storeu_pd(p + 4, a.hi);
}
HONE_INLINE vdouble vd_add(vdouble a, vdouble b) {
    return (vdouble){_mm256_add_pd(a.lo, b.lo), _mm256_add_pd(a.hi, b.hi)};
}
HONE_INLINE vdouble vd_fma(vdouble a, vdouble b, vdouble c) {
    return (vdouble){_mm256_fmadd_pd(a.lo, b.lo, c.lo), _mm256_fmadd_pd(a.hi, b.hi, c.hi)};
}

#elif defined(HONE_ISA_neon)

/* ---- NEON of AArch64 ------------------------------------------------------------------------------------------- */

#include <arm_neon.h>

enum { VL = 4, V_REGISTERS = 32 };
typedef float32x4_t vfloat;
typedef int32x4_t vint;
typedef uint32x4_t vmask; /* all bits of a lane set or none */
typedef struct vdouble {
    float64x2_t lo, hi;
} vdouble;

HONE_INLINE vfloat v_load(const float *p) {
    return vld1q_f32(p);
}
HONE_INLINE vfloat v_load_part(const float *p, size_t n) {
    float lanes[4] = {0, 0, 0, 0};
    if (n >= 4) return vld1q_f32(p);
    for (size_t i = 0; i < n; i++) lanes[i] = p[i];
    return vld1q_f32(lanes);
}
HONE_INLINE void v_store(float *p, vfloat a) {
    vst1q_f32(p, a);
}
HONE_INLINE void v_store_part(float *p, vfloat a, size_t n) {
    float lanes[4];
    if (n >= 4) {
        vst1q_f32(p, a);
        return;
    }
    vst1q_f32(lanes, a);
    for (size_t i = 0; i < n; i++) p[i] = lanes[i];
}
HONE_INLINE vfloat v_set(float a) {
    return vdupq_n_f32(a);
}
HONE_INLINE vfloat v_zero(void) {
    return vdupq_n_f32(0);
}
HONE_INLINE vfloat v_add(vfloat a, vfloat b) {
    return vaddq_f32(a, b);
}
HONE_INLINE vfloat v_sub(vfloat a, vfloat b) {
    return vsubq_f32(a, b);
}
HONE_INLINE vfloat v_mul(vfloat a, vfloat b) {
    return vmulq_f32(a, b);
}
HONE_INLINE vfloat v_div(vfloat a, vfloat b) {
    return vdivq_f32(a, b);
}
HONE_INLINE vfloat v_fma(vfloat a, vfloat b, vfloat c) {
    return vfmaq_f32(c, a, b);
}
HONE_INLINE vfloat v_sqrt(vfloat a) {
    return vsqrtq_f32(a);
}
HONE_INLINE vfloat v_max(vfloat a, vfloat b) {
    return vbslq_f32(vcgtq_f32(a, b), a, b);
}
HONE_INLINE vfloat v_min(vfloat a, vfloat b) {
    return vbslq_f32(vcltq_f32(a, b), a, b);
}
HONE_INLINE vfloat v_round(vfloat a) {
    return vrndnq_f32(a);
}
HONE_INLINE vfloat v_abs(vfloat a) {
    return vabsq_f32(a);
}
HONE_INLINE vfloat v_copysign(vfloat magnitude, vfloat sign) {
    return vbslq_f32(vdupq_n_u32(0x80000000u), sign, magnitude);
}
HONE_INLINE vmask v_gt(vfloat a, vfloat b) {
    return vcgtq_f32(a, b);
}
HONE_INLINE vmask v_ge(vfloat a, vfloat b) {
    return vcgeq_f32(a, b);
}
HONE_INLINE vmask v_eq(vfloat a, vfloat b) {
    return vceqq_f32(a, b);
}
HONE_INLINE vmask v_is_nan(vfloat a) {
    return vmvnq_u32(vceqq_f32(a, a));
}
HONE_INLINE vfloat v_select(vmask m, vfloat yes, vfloat no) {
    return vbslq_f32(m, yes, no);
}
HONE_INLINE float v_sum(vfloat a) {
    return vaddvq_f32(a);
}

HONE_INLINE vint vi_set(int32_t a) {
    return vdupq_n_s32(a);
}
HONE_INLINE vint vi_iota(void) {
    static const int32_t lanes[4] = {0, 1, 2, 3};
    return vld1q_s32(lanes);
}
HONE_INLINE vint vi_load(const void *p) {
    return vld1q_s32((const int32_t *)p);
}
HONE_INLINE vint vi_load_part(const void *p, size_t n) {
    int32_t lanes[4] = {0, 0, 0, 0};
    memcpy(lanes, p, (n < 4 ? n : 4) * 4);
    return vld1q_s32(lanes);
}
HONE_INLINE void vi_store(void *p, vint a) {
    vst1q_s32((int32_t *)p, a);
}
HONE_INLINE void vi_store_part(void *p, vint a, size_t n) {
    int32_t lanes[4];
    vst1q_s32(lanes, a);
    memcpy(p, lanes, (n < 4 ? n : 4) * 4);
}
HONE_INLINE vint vi_load_u8_part(const uint8_t *p, size_t n) {
    int32_t lanes[4] = {0, 0, 0, 0};
    for (size_t i = 0; i < n; i++) lanes[i] = p[i];
    return vld1q_s32(lanes);
}
HONE_INLINE void vi_store_u8_part(uint8_t *p, vint a, size_t n) {
    int32_t lanes[4];
    vst1q_s32(lanes, a);
    for (size_t i = 0; i < n; i++) p[i] = (uint8_t)lanes[i];
}
HONE_INLINE vint vi_gather_bytes(const uint8_t *base, vint offset) {
    int32_t lanes[4];
    memcpy(&lanes[0], base + vgetq_lane_s32(offset, 0), 4);
    memcpy(&lanes[1], base + vgetq_lane_s32(offset, 1), 4);
    memcpy(&lanes[2], base + vgetq_lane_s32(offset, 2), 4);
    memcpy(&lanes[3], base + vgetq_lane_s32(offset, 3), 4);
    return vld1q_s32(lanes);
}
HONE_INLINE vint vi_load_u16_part(const uint16_t *p, size_t n) {
    int32_t lanes[4] = {0, 0, 0, 0};
    for (size_t i = 0; i < n; i++) lanes[i] = p[i];
    return vld1q_s32(lanes);
}
HONE_INLINE void vi_store_u16_part(uint16_t *p, vint a, size_t n) {
    int32_t lanes[4];
    vst1q_s32(lanes, a);
    for (size_t i = 0; i < n; i++) p[i] = (uint16_t)lanes[i];
}
HONE_INLINE vint vi_add(vint a, vint b) {
    return vaddq_s32(a, b);
}
HONE_INLINE vint vi_sub(vint a, vint b) {
    return vsubq_s32(a, b);
}
HONE_INLINE vint vi_mul(vint a, vint b) {
    return vmulq_s32(a, b);
}
HONE_INLINE vint vi_mul_high_u32(vint a, vint b) {
    const uint32x4_t x = vreinterpretq_u32_s32(a), y = vreinterpretq_u32_s32(b);
    const uint64x2_t lo = vmull_u32(vget_low_u32(x), vget_low_u32(y)), hi = vmull_high_u32(x, y);
    return vreinterpretq_s32_u32(vuzp2q_u32(vreinterpretq_u32_u64(lo), vreinterpretq_u32_u64(hi)));
}
HONE_INLINE vint vi_and(vint a, vint b) {
    return vandq_s32(a, b);
}
HONE_INLINE vint vi_or(vint a, vint b) {
    return vorrq_s32(a, b);
}
HONE_INLINE vint vi_xor(vint a, vint b) {
    return veorq_s32(a, b);
}
#define vi_shift_left(a, bits)             vshlq_n_s32((a), (bits))
#define vi_shift_right(a, bits)            vreinterpretq_s32_u32(vshrq_n_u32(vreinterpretq_u32_s32(a), (bits)))
#define vi_shift_right_arithmetic(a, bits) vshrq_n_s32((a), (bits))
HONE_INLINE vmask vi_gt(vint a, vint b) {
    return vcgtq_s32(a, b);
}
HONE_INLINE vmask vi_eq(vint a, vint b) {
    return vceqq_s32(a, b);
}
HONE_INLINE vint vi_select(vmask m, vint yes, vint no) {
    return vbslq_s32(m, yes, no);
}
HONE_INLINE void vi_transpose_4x4(vint a[4]) {
    const int32x4x2_t ac = vzipq_s32(a[0], a[2]), bd = vzipq_s32(a[1], a[3]);
    const int32x4x2_t low = vzipq_s32(ac.val[0], bd.val[0]), high = vzipq_s32(ac.val[1], bd.val[1]);
    a[0] = low.val[0];
    a[1] = low.val[1];
    a[2] = high.val[0];
    a[3] = high.val[1];
}
HONE_INLINE vint v_to_int(vfloat a) {
    return vcvtnq_s32_f32(a);
}
HONE_INLINE vfloat vi_to_float(vint a) {
    return vcvtq_f32_s32(a);
}
HONE_INLINE vint v_bits(vfloat a) {
    return vreinterpretq_s32_f32(a);
}
HONE_INLINE vfloat vi_as_float(vint a) {
    return vreinterpretq_f32_s32(a);
}
HONE_INLINE vfloat v_load_u8(const uint8_t *p) {
    uint32_t word;
    memcpy(&word, p, 4);
    const uint8x8_t bytes = vcreate_u8(word);
    return vcvtq_f32_u32(vmovl_u16(vget_low_u16(vmovl_u8(bytes))));
}
HONE_INLINE vfloat v_load_u8_part(const uint8_t *p, size_t n) {
    return vi_to_float(vi_load_u8_part(p, n));
}

HONE_INLINE vmask vm_and(vmask a, vmask b) {
    return vandq_u32(a, b);
}
HONE_INLINE vmask vm_or(vmask a, vmask b) {
    return vorrq_u32(a, b);
}
HONE_INLINE vmask vm_not(vmask a) {
    return vmvnq_u32(a);
}
HONE_INLINE uint32_t vm_bits(vmask a) {
    static const uint32_t bits[4] = {1, 2, 4, 8};
    return vaddvq_u32(vandq_u32(a, vld1q_u32(bits)));
}

/* Rows become columns, in place. */
HONE_INLINE void v_transpose(vfloat a[VL]) {
    const float64x2_t even_low = vreinterpretq_f64_f32(vtrn1q_f32(a[0], a[1]));
    const float64x2_t odd_low = vreinterpretq_f64_f32(vtrn2q_f32(a[0], a[1]));
    const float64x2_t even_high = vreinterpretq_f64_f32(vtrn1q_f32(a[2], a[3]));
    const float64x2_t odd_high = vreinterpretq_f64_f32(vtrn2q_f32(a[2], a[3]));
    a[0] = vreinterpretq_f32_f64(vtrn1q_f64(even_low, even_high));
    a[1] = vreinterpretq_f32_f64(vtrn1q_f64(odd_low, odd_high));
    a[2] = vreinterpretq_f32_f64(vtrn2q_f64(even_low, even_high));
    a[3] = vreinterpretq_f32_f64(vtrn2q_f64(odd_low, odd_high));
}

/* Two rows of V_TABLE_ROW floats to look up in: lane = (row * V_TABLE_ROW + column) of index. */
enum { V_TABLE_ROW = 8 };
typedef uint8x16x4_t vtable;
HONE_INLINE vtable v_table(const float *row0, const float *row1) {
    const vtable table = {{vreinterpretq_u8_f32(vld1q_f32(row0)), vreinterpretq_u8_f32(vld1q_f32(row0 + 4)),
                           vreinterpretq_u8_f32(vld1q_f32(row1)), vreinterpretq_u8_f32(vld1q_f32(row1 + 4))}};
    return table;
}
HONE_INLINE vfloat v_lookup(vtable table, vint index) {
    /* Byte b of lane i is byte 4 * index + b of the table. */
    const vint bytes = vmlaq_s32(vdupq_n_s32(0x03020100), index, vdupq_n_s32(0x04040404));
    return vreinterpretq_f32_u8(vqtbl4q_u8(table, vreinterpretq_u8_s32(bytes)));
}

HONE_INLINE vdouble vd_zero(void) {
    return (vdouble){vdupq_n_f64(0), vdupq_n_f64(0)};
}
HONE_INLINE vdouble vd_from(vfloat a) {
    return (vdouble){vcvt_f64_f32(vget_low_f32(a)), vcvt_high_f64_f32(a)};
}
HONE_INLINE vdouble vd_load(const double *p) {
    return (vdouble){vld1q_f64(p), vld1q_f64(p + 2)};
}
HONE_INLINE void vd_store(double *p, vdouble a) {
    vst1q_f64(p, a.lo);
    vst1q_f64(p + 2, a.hi);
}
HONE_INLINE vdouble vd_add(vdouble a, vdouble b) {
    return (vdouble){vaddq_f64(a.lo, b.lo), vaddq_f64(a.hi, b.hi)};
}
HONE_INLINE vdouble vd_fma(vdouble a, vdouble b, vdouble c) {
    return (vdouble){vfmaq_f64(c.lo, a.lo, b.lo), vfmaq_f64(c.hi, a.hi, b.hi)};
}

#else

/* ---- plain C --------------------------------------------------------------------------------------------------- */

enum { VL = 1, V_REGISTERS = 16 };
typedef float vfloat;
typedef int32_t vint;
typedef bool vmask;
typedef double vdouble;

HONE_INLINE vfloat v_load(const float *p) {
    return *p;
}
HONE_INLINE vfloat v_load_part(const float *p, size_t n) {
    return n ? *p : 0.0f;
}
HONE_INLINE void v_store(float *p, vfloat a) {
    *p = a;
}
HONE_INLINE void v_store_part(float *p, vfloat a, size_t n) {
    if (n) *p = a;
}
HONE_INLINE vfloat v_set(float a) {
    return a;
}
HONE_INLINE vfloat v_zero(void) {
    return 0.0f;
}
HONE_INLINE vfloat v_add(vfloat a, vfloat b) {
    return a + b;
}
HONE_INLINE vfloat v_sub(vfloat a, vfloat b) {
    return a - b;
}
HONE_INLINE vfloat v_mul(vfloat a, vfloat b) {
    return a * b;
}
HONE_INLINE vfloat v_div(vfloat a, vfloat b) {
    return a / b;
}
HONE_INLINE vfloat v_fma(vfloat a, vfloat b, vfloat c) {
    return a * b + c;
}
HONE_INLINE vfloat v_sqrt(vfloat a) {
    return sqrtf(a);
}
HONE_INLINE vfloat v_max(vfloat a, vfloat b) {
    return a > b ? a : b;
}
HONE_INLINE vfloat v_min(vfloat a, vfloat b) {
    return a < b ? a : b;
}
HONE_INLINE vfloat v_round(vfloat a) {
    return nearbyintf(a);
}
HONE_INLINE vfloat v_abs(vfloat a) {
    return fabsf(a);
}
HONE_INLINE vfloat v_copysign(vfloat magnitude, vfloat sign) {
    return copysignf(magnitude, sign);
}
HONE_INLINE vmask v_gt(vfloat a, vfloat b) {
    return a > b;
}
HONE_INLINE vmask v_ge(vfloat a, vfloat b) {
    return a >= b;
}
HONE_INLINE vmask v_eq(vfloat a, vfloat b) {
    return a == b;
}
HONE_INLINE vmask v_is_nan(vfloat a) {
    return a != a;
}
HONE_INLINE vfloat v_select(vmask m, vfloat yes, vfloat no) {
    return m ? yes : no;
}
HONE_INLINE float v_sum(vfloat a) {
    return a;
}
HONE_INLINE vfloat v_load_u8(const uint8_t *p) {
    return (float)*p;
}
HONE_INLINE vfloat v_load_u8_part(const uint8_t *p, size_t n) {
    return n ? (float)*p : 0.0f;
}

HONE_INLINE vint vi_set(int32_t a) {
    return a;
}
HONE_INLINE vint vi_iota(void) {
    return 0;
}
HONE_INLINE vint vi_load(const void *p) {
    int32_t a;
    memcpy(&a, p, sizeof a);
    return a;
}
HONE_INLINE vint vi_load_part(const void *p, size_t n) {
    return n ? vi_load(p) : 0;
}
HONE_INLINE void vi_store(void *p, vint a) {
    memcpy(p, &a, sizeof a);
}
HONE_INLINE void vi_store_part(void *p, vint a, size_t n) {
    if (n) vi_store(p, a);
}
HONE_INLINE vint vi_load_u8_part(const uint8_t *p, size_t n) {
    return n ? *p : 0;
}
HONE_INLINE void vi_store_u8_part(uint8_t *p, vint a, size_t n) {
    if (n) *p = (uint8_t)a;
}
HONE_INLINE vint vi_gather_bytes(const uint8_t *base, vint offset) {
    const uint8_t *p = base + offset;
    return (int32_t)((uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24);
}
HONE_INLINE vint vi_load_u16_part(const uint16_t *p, size_t n) {
    return n ? *p : 0;
}
HONE_INLINE void vi_store_u16_part(uint16_t *p, vint a, size_t n) {
    if (n) *p = (uint16_t)a;
}
HONE_INLINE vint vi_add(vint a, vint b) {
    return (int32_t)((uint32_t)a + (uint32_t)b);
}
HONE_INLINE vint vi_sub(vint a, vint b) {
    return (int32_t)((uint32_t)a - (uint32_t)b);
}
HONE_INLINE vint vi_mul(vint a, vint b) {
    return (int32_t)((uint32_t)a * (uint32_t)b);
}
HONE_INLINE vint vi_mul_high_u32(vint a, vint b) {
    return (int32_t)(uint32_t)(((uint64_t)(uint32_t)a * (uint32_t)b) >> 32);
}
HONE_INLINE vint vi_and(vint a, vint b) {
    return a & b;
}
HONE_INLINE vint vi_or(vint a, vint b) {
    return a | b;
}
HONE_INLINE vint vi_xor(vint a, vint b) {
    return a ^ b;
}
#define vi_shift_left(a, bits)             ((int32_t)((uint32_t)(a) << (bits)))
#define vi_shift_right(a, bits)            ((int32_t)((uint32_t)(a) >> (bits)))
#define vi_shift_right_arithmetic(a, bits) ((int32_t)((a) >> (bits)))
HONE_INLINE vmask vi_gt(vint a, vint b) {
    return a > b;
}
HONE_INLINE vmask vi_eq(vint a, vint b) {
    return a == b;
}
HONE_INLINE vint vi_select(vmask m, vint yes, vint no) {
    return m ? yes : no;
}
HONE_INLINE void vi_transpose_4x4(vint a[4]) {
    (void)a;
}
HONE_INLINE vint v_to_int(vfloat a) {
    return (int32_t)lrintf(a);
}
HONE_INLINE vfloat vi_to_float(vint a) {
    return (float)a;
}
HONE_INLINE vint v_bits(vfloat a) {
    int32_t bits;
    memcpy(&bits, &a, sizeof bits);
    return bits;
}
HONE_INLINE vfloat vi_as_float(vint a) {
    float value;
    memcpy(&value, &a, sizeof value);
    return value;
}

HONE_INLINE vmask vm_and(vmask a, vmask b) {
    return a && b;
}
HONE_INLINE vmask vm_or(vmask a, vmask b) {
    return a || b;
}
HONE_INLINE vmask vm_not(vmask a) {
    return !a;
}
HONE_INLINE uint32_t vm_bits(vmask a) {
    return a;
}

HONE_INLINE void v_transpose(vfloat a[VL]) {
    (void)a;
}

/* Two rows of V_TABLE_ROW floats to look up in: lane = (row * V_TABLE_ROW + column) of index. */
enum { V_TABLE_ROW = 8 };
typedef struct vtable {
    const float *row[2];
} vtable;
HONE_INLINE vtable v_table(const float *row0, const float *row1) {
    return (vtable){{row0, row1}};
}
HONE_INLINE vfloat v_lookup(vtable table, vint index) {
    return table.row[index / V_TABLE_ROW][index % V_TABLE_ROW];
}

HONE_INLINE vdouble vd_zero(void) {
    return 0.0;
}
HONE_INLINE vdouble vd_from(vfloat a) {
    return a;
}
HONE_INLINE vdouble vd_load(const double *p) {
    return *p;
}
HONE_INLINE void vd_store(double *p, vdouble a) {
    *p = a;
}
HONE_INLINE vdouble vd_add(vdouble a, vdouble b) {
    return a + b;
}
HONE_INLINE vdouble vd_fma(vdouble a, vdouble b, vdouble c) {
    return a * b + c;
}

#endif

/* ---- the same at every level ----------------------------------------------------------------------------------- */

#if !defined(HONE_ISA_avx512)
/* Writes the lanes of a that m selects one after another to p and says how many; up to VL floats of p are touched. */
HONE_INLINE size_t v_append(float *p, vfloat a, vmask m) {
    float lanes[VL];
    size_t count = 0;
    v_store(lanes, a);
    for (uint32_t bits = vm_bits(m); bits != 0; bits &= bits - 1) p[count++] = lanes[__builtin_ctz(bits)];
    return count;
}
HONE_INLINE size_t vi_append(int32_t *p, vint a, vmask m) {
    int32_t lanes[VL];
    size_t count = 0;
    vi_store(lanes, a);
    for (uint32_t bits = vm_bits(m); bits != 0; bits &= bits - 1) p[count++] = lanes[__builtin_ctz(bits)];
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
