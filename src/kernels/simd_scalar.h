/* SPDX-License-Identifier: Apache-2.0
 *
 * Vectors in plain C: one lane. The reference twin of the other levels. See simd.h. */
#ifndef HONE_SIMD_SCALAR_H
#define HONE_SIMD_SCALAR_H

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
HONE_INLINE vmask v_unordered(vfloat a, vfloat b) {
    return a != a || b != b;
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
