/* SPDX-License-Identifier: Apache-2.0
 *
 * Vectors over AVX-512 F, BW, DQ, VL: sixteen lanes, thirty-two registers, masks of their own. See simd.h. */
#ifndef HONE_SIMD_AVX512_H
#define HONE_SIMD_AVX512_H

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
HONE_INLINE vmask v_unordered(vfloat a, vfloat b) {
    return _mm512_cmp_ps_mask(a, b, _CMP_UNORD_Q);
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

#endif
