/* SPDX-License-Identifier: Apache-2.0
 *
 * Vectors over NEON of AArch64: four lanes, thirty-two registers. See simd.h. */
#ifndef HONE_SIMD_NEON_H
#define HONE_SIMD_NEON_H

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
HONE_INLINE vmask v_unordered(vfloat a, vfloat b) {
    return vmvnq_u32(vandq_u32(vceqq_f32(a, a), vceqq_f32(b, b)));
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
#define vi_shift_left(a, bits) vshlq_n_s32((a), (bits))
/* To the right by a register of negated counts: the immediate form does not take 0. */
HONE_INLINE vint vi_shift_right(vint a, int bits) {
    return vreinterpretq_s32_u32(vshlq_u32(vreinterpretq_u32_s32(a), vdupq_n_s32(-bits)));
}
HONE_INLINE vint vi_shift_right_arithmetic(vint a, int bits) {
    return vshlq_s32(a, vdupq_n_s32(-bits));
}
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

#endif
