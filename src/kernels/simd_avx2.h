/* SPDX-License-Identifier: Apache-2.0
 *
 * Vectors over AVX2 and FMA: eight lanes, sixteen registers. See simd.h. */
#ifndef HONE_SIMD_AVX2_H
#define HONE_SIMD_AVX2_H

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
    if (n >= VL) /* a masked store is dozens of steps on some CPUs */
        _mm256_storeu_ps(p, a);
    else
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
HONE_INLINE vmask v_unordered(vfloat a, vfloat b) {
    return _mm256_cmp_ps(a, b, _CMP_UNORD_Q);
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
    if (n >= VL)
        vi_store(p, a);
    else
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

/* For each mask of eight lanes the lanes that it selects, as bytes one after another. */
#define V_BIT(m, i) ((uint64_t)((m) >> (i)&1))
#define V_BELOW(m, i)                                                                                                  \
    (V_BIT((m) & ((1 << (i)) - 1), 0) + V_BIT((m) & ((1 << (i)) - 1), 1) + V_BIT((m) & ((1 << (i)) - 1), 2) +          \
     V_BIT((m) & ((1 << (i)) - 1), 3) + V_BIT((m) & ((1 << (i)) - 1), 4) + V_BIT((m) & ((1 << (i)) - 1), 5) +          \
     V_BIT((m) & ((1 << (i)) - 1), 6))
#define V_LANE(m, i) (V_BIT(m, i) * (i) << 8 * V_BELOW(m, i))
#define V_SELECTED(m)                                                                                                  \
    (V_LANE(m, 1) | V_LANE(m, 2) | V_LANE(m, 3) | V_LANE(m, 4) | V_LANE(m, 5) | V_LANE(m, 6) | V_LANE(m, 7))
#define V_SELECTED4(m)  V_SELECTED(m), V_SELECTED((m) + 1), V_SELECTED((m) + 2), V_SELECTED((m) + 3)
#define V_SELECTED16(m) V_SELECTED4(m), V_SELECTED4((m) + 4), V_SELECTED4((m) + 8), V_SELECTED4((m) + 12)
#define V_SELECTED64(m) V_SELECTED16(m), V_SELECTED16((m) + 16), V_SELECTED16((m) + 32), V_SELECTED16((m) + 48)
static const uint64_t v_selected[256] = {V_SELECTED64(0), V_SELECTED64(64), V_SELECTED64(128), V_SELECTED64(192)};

/* Writes the lanes of a that m selects one after another to p and says how many; up to VL floats of p are touched. */
HONE_INLINE size_t vi_append(int32_t *p, vint a, vmask m) {
    const uint32_t bits = vm_bits(m);
    const __m256i lanes = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)v_selected[bits]));
    _mm256_storeu_si256((__m256i *)(void *)p, _mm256_permutevar8x32_epi32(a, lanes));
    return (size_t)_mm_popcnt_u32(bits);
}
HONE_INLINE size_t v_append(float *p, vfloat a, vmask m) {
    const uint32_t bits = vm_bits(m);
    const __m256i lanes = _mm256_cvtepu8_epi32(_mm_cvtsi64_si128((long long)v_selected[bits]));
    _mm256_storeu_ps(p, _mm256_permutevar8x32_ps(a, lanes));
    return (size_t)_mm_popcnt_u32(bits);
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

#endif
