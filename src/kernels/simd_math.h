/* SPDX-License-Identifier: Apache-2.0
 *
 * Elementary functions on vectors: exp, expm1, sigmoid, tanh, softplus and the normal distribution, written once on top
 * of simd.h's operations.
 *
 * The one idea: every function is arranged so that no step subtracts nearly equal numbers; then short polynomials are
 * enough for activations within 4 units of the last place, gelu within 5 (tests/kernels/test_activation.c), denormal
 * results included; only x times a denormal sigmoid (silu near -90) is worse. Infinities give the limits, and NaN
 * comes out as NaN: clamps keep their second operand where it is NaN.
 *
 * The coefficients are minimax fits of this project (iteratively reweighted least squares in double, rounded to float
 * one after the other from the constant up); each names its interval and error. */
#ifndef HONE_SIMD_MATH_H
#define HONE_SIMD_MATH_H

#include "simd.h"

/* ---- a vector or its first lanes ------------------------------------------------------------------------------- */

/* Loops call one body with lanes = VL, a constant that folds the choice away, and once more for what is left. */
HONE_INLINE vfloat v_load_lanes(const float *p, size_t lanes) {
    return lanes == VL ? v_load(p) : v_load_part(p, lanes);
}
HONE_INLINE void v_store_lanes(float *p, vfloat a, size_t lanes) {
    if (lanes == VL)
        v_store(p, a);
    else
        v_store_part(p, a, lanes);
}
HONE_INLINE vfloat v_load_u8_lanes(const uint8_t *p, size_t lanes) {
    return lanes == VL ? v_load_u8(p) : v_load_u8_part(p, lanes);
}
/* a in the first lanes, other in the rest. */
HONE_INLINE vfloat v_first_lanes(vfloat a, vfloat other, size_t lanes) {
    return lanes == VL ? a : v_select(vi_gt(vi_set((int32_t)lanes), vi_iota()), a, other);
}

/* ---- one number from a vector ---------------------------------------------------------------------------------- */

/* The largest lane; NaN lanes may be passed over. */
HONE_INLINE float v_largest(vfloat a) {
    float lanes[VL];
    v_store(lanes, a);
    for (int half = VL / 2; half > 0; half /= 2)
        for (int i = 0; i < half; i++) lanes[i] = lanes[i] > lanes[i + half] ? lanes[i] : lanes[i + half];
    return lanes[0];
}
HONE_INLINE double vd_sum(vdouble a) {
    double lanes[VL], sum = 0;
    vd_store(lanes, a);
    for (int i = 0; i < VL; i++) sum += lanes[i];
    return sum;
}

/* ---- exponentials ---------------------------------------------------------------------------------------------- */

#define HONE_LOG2_E 1.44269504088896341f
/* ln 2 in two parts: the first has 9 bits, so that its product with an integer below 2^15 is exact. */
#define HONE_LN2_HIGH 0x1.63p-1f
#define HONE_LN2_LOW  (-2.12194440054690583e-4f)
/* 1.5 * 2^23: added to |x| < 2^22 it leaves x, rounded to an integer, in the low bits of the sum. */
#define HONE_ROUNDER 0x1.8p23f

/* x = n ln 2 + r, |r| <= ln 2 / 2 (and a rounding). */
typedef struct v_exponent {
    vint n;
    vfloat r;
} v_exponent;

/* Of x + s, where s is what rounding took from x. */
HONE_INLINE v_exponent v_split_exponent(vfloat x, vfloat s) {
    const vfloat shifted = v_fma(v_add(x, s), v_set(HONE_LOG2_E), v_set(HONE_ROUNDER));
    const vfloat n = v_sub(shifted, v_set(HONE_ROUNDER));
    vfloat r = v_fma(n, v_set(-HONE_LN2_HIGH), x);
    r = v_fma(n, v_set(-HONE_LN2_LOW), v_add(r, s));
    return (v_exponent){vi_sub(v_bits(shifted), v_bits(v_set(HONE_ROUNDER))), r};
}

/* e^r - 1 = r + r^2 q(r); |r| <= 0.3476: 3.2e-9 of e^r. */
HONE_INLINE vfloat v_expm1_reduced(vfloat r) {
    vfloat q = v_set(1.382144750e-03f);
    q = v_fma(q, r, v_set(8.368857205e-03f));
    q = v_fma(q, r, v_set(4.166826233e-02f));
    q = v_fma(q, r, v_set(1.666651964e-01f));
    q = v_fma(q, r, v_set(4.999999404e-01f));
    return v_fma(v_mul(r, r), q, r);
}

HONE_INLINE vfloat v_power_of_two(vint n) {
    return vi_as_float(vi_shift_left(vi_add(n, vi_set(127)), 23));
}

/* e^(x + s). Beyond the clamps the result is infinity or 0 whatever x is; 2^n is applied in two factors, because n runs
 * from -216 to 144 and only the last multiplication may round (to a denormal) or overflow. */
HONE_INLINE vfloat v_exp_sum(vfloat x, vfloat s) {
    const v_exponent e = v_split_exponent(v_min(v_set(100.0f), v_max(v_set(-150.0f), x)), s);
    const vfloat p = v_add(v_set(1.0f), v_expm1_reduced(e.r));
    const vint half = vi_shift_right_arithmetic(e.n, 1);
    return v_mul(v_mul(p, v_power_of_two(half)), v_power_of_two(vi_sub(e.n, half)));
}
HONE_INLINE vfloat v_exp(vfloat x) {
    return v_exp_sum(x, v_zero());
}

/* e^x - 1 for x <= 40; larger x count as 40. 2^n (e^r - 1) + (2^n - 1): for n = 0 the second term is nothing, for
 * others it is the larger one. */
HONE_INLINE vfloat v_expm1_to_40(vfloat x) {
    const v_exponent e = v_split_exponent(v_min(v_set(40.0f), v_max(v_set(-40.0f), x)), v_zero());
    const vfloat power = v_power_of_two(e.n);
    return v_fma(power, v_expm1_reduced(e.r), v_sub(power, v_set(1.0f)));
}

/* ---- what activations are made of ------------------------------------------------------------------------------ */

/* 1 / (1 + e^-x) and its complement to 1, both from e^-|x| <= 1, so that both keep their relative accuracy. */
typedef struct v_sigmoid_pair {
    vfloat value, complement;
} v_sigmoid_pair;

HONE_INLINE v_sigmoid_pair v_sigmoid_both(vfloat x) {
    const vfloat e = v_exp(v_neg(v_abs(x)));
    const vfloat large = v_div(v_set(1.0f), v_add(v_set(1.0f), e));
    const vfloat small = v_mul(e, large);
    const vmask positive = v_ge(x, v_zero());
    return (v_sigmoid_pair){v_select(positive, large, small), v_select(positive, small, large)};
}

HONE_INLINE vfloat v_sigmoid(vfloat x) {
    const vfloat e = v_exp(v_neg(v_abs(x)));
    return v_div(v_select(v_ge(x, v_zero()), v_set(1.0f), e), v_add(v_set(1.0f), e));
}

/* t / (t + 2) with t = e^2|x| - 1; 1 from |x| = 9.02 on. */
HONE_INLINE vfloat v_tanh(vfloat x) {
    const vfloat magnitude = v_abs(x);
    const vfloat t = v_expm1_to_40(v_add(magnitude, magnitude));
    return v_copysign(v_div(t, v_add(t, v_set(2.0f))), x);
}

/* ln(1 + e^x) = max(x, 0) + ln(1 + e), e = e^-|x| <= 1; ln(1 + e) = 2 atanh(u), u = e / (2 + e) <= 1/3, and
 * atanh(u) = u + u^3 a(u^2), 4.6e-9. */
HONE_INLINE vfloat v_softplus(vfloat x) {
    const vfloat e = v_exp(v_neg(v_abs(x)));
    const vfloat u = v_div(e, v_add(v_set(2.0f), e)), square = v_mul(u, u);
    vfloat a = v_set(1.401335001e-01f);
    a = v_fma(a, square, v_set(1.399931461e-01f));
    a = v_fma(a, square, v_set(2.001086771e-01f));
    a = v_fma(a, square, v_set(3.333320618e-01f));
    const vfloat atanh_u = v_fma(v_mul(u, square), a, u);
    return v_add(v_relu(x), v_add(atanh_u, atanh_u));
}

/* The lower tail of the normal distribution: the probability below -|x| is ratio e, e = e^(-x^2 / 2). Kept apart,
 * because where the tail is denormal its product with x may not be.
 *
 * ratio = P(t) / (|x| + k), t = (|x| - k) / (|x| + k), k = 27/8: P runs from 1.69 to 0.48 only, so a polynomial fits
 * it well (|x| <= 15: 4.8e-9) and rounding of t does no harm. x^2 must be exact to far below the last place, for the
 * exponential turns its absolute error into a relative one: |x| = h + l with h of 12 bits, h^2 is exact, and
 * x^2 - h^2 = (|x| - h)(|x| + h) is small. From |x| = 14.5 on e is 0; size is |x|, but 15 at most. */
typedef struct v_normal_tail {
    vfloat size, ratio, e;
} v_normal_tail;

HONE_INLINE v_normal_tail v_normal(vfloat x) {
    const vfloat a = v_min(v_set(15.0f), v_abs(x));
    const vfloat h = vi_as_float(vi_and(v_bits(a), vi_set((int32_t)0xFFFFF000)));
    const vfloat square = v_mul(v_set(-0.5f), v_mul(h, h));
    const vfloat rest = v_mul(v_set(-0.5f), v_mul(v_sub(a, h), v_add(a, h)));
    const vfloat e = v_exp_sum(square, rest);
    const vfloat divisor = v_add(a, v_set(3.375f));
    const vfloat t = v_div(v_sub(a, v_set(3.375f)), divisor);
    vfloat p = v_set(1.349636295e-04f);
    p = v_fma(p, t, v_set(3.102156916e-04f));
    p = v_fma(p, t, v_set(-8.493500645e-04f));
    p = v_fma(p, t, v_set(-2.252387349e-03f));
    p = v_fma(p, t, v_set(7.824599743e-03f));
    p = v_fma(p, t, v_set(8.719769306e-03f));
    p = v_fma(p, t, v_set(-9.838429093e-02f));
    p = v_fma(p, t, v_set(2.953758240e-01f));
    p = v_fma(p, t, v_set(-5.529922247e-01f));
    p = v_fma(p, t, v_set(7.410802841e-01f));
    return (v_normal_tail){a, v_div(p, divisor), e};
}

#endif
