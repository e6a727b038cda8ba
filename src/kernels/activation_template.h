/* SPDX-License-Identifier: Apache-2.0
 *
 * Keras' activations, forwards and backwards, and softmax. Each kind is one vector expression; a kernel call picks its
 * loop once. At minus infinity gelu gives its limit, 0; silu and gelu's tanh form give NaN (-inf * 0), as Keras does.
 *
 * Backwards reads either the input or the output, whichever gives the gradient without cancellation and cheaply:
 * relu, gelu, silu, hard_silu and softsign read x, the others y. */

/* The parameters of one call, in every lane, and the constants of the formulas. */
typedef struct activation_constants {
    vfloat a, b, c;
    bool zero_slope;
} activation_constants;

#define SELU_SCALE       1.0507009873554805f
#define SELU_SCALE_ALPHA 1.7580993408473766f
/* gelu's tanh form is x sigmoid(2 u), u = sqrt(2 / pi) (x + 0.044715 x^3). */
#define GELU_TWICE_SLOPE 1.5957691216057308f
#define GELU_CUBIC       0.044715f
#define ONE_SIXTH        0.16666667163372040f
/* 1 / sqrt(2 pi) */
#define NORMAL_DENSITY_0 0.39894228040143268f

HONE_INLINE vfloat v_clamp(vfloat x, float low, float high) {
    return v_min(v_set(high), v_max(v_set(low), x));
}

/* With slope 0 the lower branch is 0 and not 0 * x, which would turn -inf into NaN. NaN itself is not below b. */
HONE_INLINE vfloat relu_forward(const activation_constants *k, vfloat x) {
    const vfloat below = k->zero_slope ? v_zero() : v_mul(k->a, v_sub(x, k->b));
    return v_select(v_gt(k->b, x), below, v_min(k->c, x));
}

HONE_INLINE vfloat relu_backward(const activation_constants *k, vfloat x, vfloat dy) {
    const vfloat below = k->zero_slope ? v_zero() : v_mul(k->a, dy);
    return v_select(v_gt(x, k->b), v_select(v_gt(k->c, x), dy, v_zero()), below);
}

HONE_INLINE vfloat elu_forward(const activation_constants *k, vfloat x) {
    return v_select(v_gt(x, v_zero()), x, v_mul(k->a, v_expm1_to_40(x)));
}

HONE_INLINE vfloat elu_backward(const activation_constants *k, vfloat y, vfloat dy) {
    return v_select(v_gt(y, v_zero()), dy, v_mul(dy, v_add(y, k->a)));
}

HONE_INLINE vfloat selu_forward(vfloat x) {
    return v_select(v_gt(x, v_zero()), v_mul(v_set(SELU_SCALE), x), v_mul(v_set(SELU_SCALE_ALPHA), v_expm1_to_40(x)));
}

HONE_INLINE vfloat selu_backward(vfloat y, vfloat dy) {
    const vfloat below = v_add(y, v_set(SELU_SCALE_ALPHA));
    return v_mul(dy, v_select(v_gt(y, v_zero()), v_set(SELU_SCALE), below));
}

/* x times the probability below x: above 0 that is x less |x| times the tail, below 0 the last alone. */
HONE_INLINE vfloat gelu_forward(vfloat x) {
    const v_normal_tail tail = v_normal(x);
    return v_fma(v_neg(v_mul(tail.size, tail.ratio)), tail.e, v_relu(x));
}

/* From |x| = 15 on the derivative is 0 or 1; the clamp keeps inf * 0 out. */
HONE_INLINE vfloat gelu_backward(vfloat x, vfloat dy) {
    const vfloat near = v_clamp(x, -15.0f, 15.0f);
    const v_normal_tail tail = v_normal(near);
    const vfloat outside = v_mul(tail.ratio, tail.e);
    const vfloat below = v_select(v_gt(x, v_zero()), v_sub(v_set(1.0f), outside), outside);
    return v_mul(dy, v_fma(near, v_mul(v_set(NORMAL_DENSITY_0), tail.e), below));
}

HONE_INLINE vfloat gelu_tanh_exponent(vfloat x) {
    const vfloat scaled = v_mul(v_set(GELU_TWICE_SLOPE), x);
    return v_fma(v_mul(scaled, v_set(GELU_CUBIC)), v_mul(x, x), scaled);
}

HONE_INLINE vfloat gelu_tanh_forward(vfloat x) {
    return v_mul(x, v_sigmoid(gelu_tanh_exponent(x)));
}

HONE_INLINE vfloat gelu_tanh_backward(vfloat x, vfloat dy) {
    const vfloat near = v_clamp(x, -15.0f, 15.0f);
    const v_sigmoid_pair s = v_sigmoid_both(gelu_tanh_exponent(near));
    const vfloat cubic = v_fma(v_set(3.0f * GELU_CUBIC), v_mul(near, near), v_set(1.0f));
    const vfloat inner = v_mul(v_set(GELU_TWICE_SLOPE), cubic);
    return v_mul(dy, v_fma(v_mul(near, inner), v_mul(s.value, s.complement), s.value));
}

HONE_INLINE vfloat silu_forward(vfloat x) {
    return v_mul(x, v_sigmoid(x));
}

HONE_INLINE vfloat silu_backward(vfloat x, vfloat dy) {
    const vfloat near = v_clamp(x, -120.0f, 120.0f); /* beyond: 0 or 1 */
    const v_sigmoid_pair s = v_sigmoid_both(near);
    return v_mul(dy, v_fma(v_mul(near, s.complement), s.value, s.value));
}

HONE_INLINE vfloat sigmoid_backward(vfloat y, vfloat dy) {
    return v_mul(dy, v_mul(y, v_sub(v_set(1.0f), y)));
}

HONE_INLINE vfloat hard_sigmoid_forward(const activation_constants *k, vfloat x) {
    return v_clamp(v_fma(k->a, x, v_set(0.5f)), 0.0f, 1.0f);
}

HONE_INLINE vfloat hard_sigmoid_backward(const activation_constants *k, vfloat y, vfloat dy) {
    return v_select(vm_and(v_gt(y, v_zero()), v_gt(v_set(1.0f), y)), v_mul(k->a, dy), v_zero());
}

/* (x + 3) / 6 and not x / 6 + 1/2: near -3 the sum is exact. */
HONE_INLINE vfloat hard_silu_forward(vfloat x) {
    return v_mul(x, v_clamp(v_mul(v_add(x, v_set(3.0f)), v_set(ONE_SIXTH)), 0.0f, 1.0f));
}

HONE_INLINE vfloat hard_silu_backward(vfloat x, vfloat dy) {
    const vfloat slope = v_fma(x, v_set(2.0f * ONE_SIXTH), v_set(0.5f));
    const vfloat above = v_select(v_ge(x, v_set(3.0f)), v_set(1.0f), slope);
    return v_mul(dy, v_select(v_ge(v_set(-3.0f), x), v_zero(), above));
}

HONE_INLINE vfloat tanh_backward(vfloat y, vfloat dy) {
    return v_mul(dy, v_mul(v_sub(v_set(1.0f), y), v_add(v_set(1.0f), y)));
}

/* The derivative is sigmoid(x) = 1 - e^-y. */
HONE_INLINE vfloat softplus_backward(vfloat y, vfloat dy) {
    return v_mul(dy, v_neg(v_expm1_to_40(v_neg(y))));
}

HONE_INLINE vfloat softsign_forward(vfloat x) {
    return v_div(x, v_add(v_set(1.0f), v_abs(x)));
}

HONE_INLINE vfloat softsign_backward(vfloat x, vfloat dy) {
    const vfloat t = v_div(v_set(1.0f), v_add(v_set(1.0f), v_abs(x)));
    return v_mul(dy, v_mul(t, t));
}

static activation_constants activation_prepare(const hone_activation *a) {
    return (activation_constants){v_set(a->a), v_set(a->b), v_set(a->c), a->a == 0.0f};
}

/* to[i] = expression of u = from[i]. */
#define ACTIVATION_FORWARD(expression)                                                                                 \
    do {                                                                                                               \
        for (; i + VL <= n; i += VL) {                                                                                 \
            const vfloat u = v_load(x + i);                                                                            \
            v_store(y + i, (expression));                                                                              \
        }                                                                                                              \
        if (i < n) {                                                                                                   \
            const vfloat u = v_load_part(x + i, n - i);                                                                \
            v_store_part(y + i, (expression), n - i);                                                                  \
        }                                                                                                              \
    } while (0)

static void activation_forward(const hone_activation *a, size_t n, const float *x, float *y) {
    const activation_constants k = activation_prepare(a);
    size_t i = 0;
    switch (a->kind) {
    case HONE_ACTIVATION_LINEAR:
        if (y != x && n > 0) memmove(y, x, n * sizeof *y);
        break;
    case HONE_ACTIVATION_RELU: ACTIVATION_FORWARD(relu_forward(&k, u)); break;
    case HONE_ACTIVATION_ELU: ACTIVATION_FORWARD(elu_forward(&k, u)); break;
    case HONE_ACTIVATION_SELU: ACTIVATION_FORWARD(selu_forward(u)); break;
    case HONE_ACTIVATION_GELU: ACTIVATION_FORWARD(gelu_forward(u)); break;
    case HONE_ACTIVATION_GELU_TANH: ACTIVATION_FORWARD(gelu_tanh_forward(u)); break;
    case HONE_ACTIVATION_SILU: ACTIVATION_FORWARD(silu_forward(u)); break;
    case HONE_ACTIVATION_SIGMOID: ACTIVATION_FORWARD(v_sigmoid(u)); break;
    case HONE_ACTIVATION_HARD_SIGMOID: ACTIVATION_FORWARD(hard_sigmoid_forward(&k, u)); break;
    case HONE_ACTIVATION_HARD_SILU: ACTIVATION_FORWARD(hard_silu_forward(u)); break;
    case HONE_ACTIVATION_TANH: ACTIVATION_FORWARD(v_tanh(u)); break;
    case HONE_ACTIVATION_SOFTPLUS: ACTIVATION_FORWARD(v_softplus(u)); break;
    case HONE_ACTIVATION_SOFTSIGN: ACTIVATION_FORWARD(softsign_forward(u)); break;
    case HONE_ACTIVATION_EXPONENTIAL: ACTIVATION_FORWARD(v_exp(u)); break;
    }
}

/* dx[i] = expression of u = from[i] (x or y) and g = dy[i]. */
#define ACTIVATION_BACKWARD(from, expression)                                                                          \
    do {                                                                                                               \
        for (; i + VL <= n; i += VL) {                                                                                 \
            const vfloat u = v_load((from) + i), g = v_load(dy + i);                                                   \
            v_store(dx + i, (expression));                                                                             \
        }                                                                                                              \
        if (i < n) {                                                                                                   \
            const vfloat u = v_load_part((from) + i, n - i), g = v_load_part(dy + i, n - i);                           \
            v_store_part(dx + i, (expression), n - i);                                                                 \
        }                                                                                                              \
    } while (0)

static void activation_backward(const hone_activation *a, size_t n, const float *x, const float *y, const float *dy,
                                float *dx) {
    const activation_constants k = activation_prepare(a);
    size_t i = 0;
    switch (a->kind) {
    case HONE_ACTIVATION_LINEAR:
        if (dx != dy && n > 0) memmove(dx, dy, n * sizeof *dx);
        break;
    case HONE_ACTIVATION_RELU: ACTIVATION_BACKWARD(x, relu_backward(&k, u, g)); break;
    case HONE_ACTIVATION_ELU: ACTIVATION_BACKWARD(y, elu_backward(&k, u, g)); break;
    case HONE_ACTIVATION_SELU: ACTIVATION_BACKWARD(y, selu_backward(u, g)); break;
    case HONE_ACTIVATION_GELU: ACTIVATION_BACKWARD(x, gelu_backward(u, g)); break;
    case HONE_ACTIVATION_GELU_TANH: ACTIVATION_BACKWARD(x, gelu_tanh_backward(u, g)); break;
    case HONE_ACTIVATION_SILU: ACTIVATION_BACKWARD(x, silu_backward(u, g)); break;
    case HONE_ACTIVATION_SIGMOID: ACTIVATION_BACKWARD(y, sigmoid_backward(u, g)); break;
    case HONE_ACTIVATION_HARD_SIGMOID: ACTIVATION_BACKWARD(y, hard_sigmoid_backward(&k, u, g)); break;
    case HONE_ACTIVATION_HARD_SILU: ACTIVATION_BACKWARD(x, hard_silu_backward(u, g)); break;
    case HONE_ACTIVATION_TANH: ACTIVATION_BACKWARD(y, tanh_backward(u, g)); break;
    case HONE_ACTIVATION_SOFTPLUS: ACTIVATION_BACKWARD(y, softplus_backward(u, g)); break;
    case HONE_ACTIVATION_SOFTSIGN: ACTIVATION_BACKWARD(x, softsign_backward(u, g)); break;
    case HONE_ACTIVATION_EXPONENTIAL: ACTIVATION_BACKWARD(y, v_mul(u, g)); break;
    }
}

/* ---- softmax --------------------------------------------------------------------------------------------------- */

/* The largest of a row; a NaN may be passed over, it comes back with the exponentials. c > 0. */
HONE_INLINE float row_largest(const float *x, size_t c) {
    const vfloat lowest = v_set(-INFINITY);
    vfloat largest = lowest;
    size_t i = 0;
    for (; i + VL <= c; i += VL) largest = v_max(largest, v_load(x + i));
    if (i < c) largest = v_max(largest, v_first_lanes(v_load_part(x + i, c - i), lowest, c - i));
    return v_largest(largest);
}

/* One vector of e^(x - largest), 0 in the lanes that are not there; stored where y is not NULL. */
HONE_INLINE vfloat softmax_terms(const float *x, vfloat largest, float *y, size_t lanes) {
    const vfloat e = v_exp(v_sub(v_load_lanes(x, lanes), largest));
    if (y) v_store_lanes(y, e, lanes);
    return v_first_lanes(e, v_zero(), lanes);
}

/* The sum of e^(x - largest) over a row; the terms are left in y where it is not NULL. */
HONE_INLINE float row_exponentials(const float *x, size_t c, float largest, float *y) {
    const vfloat shift = v_set(largest);
    vfloat sum = v_zero();
    size_t i = 0;
    for (; i + VL <= c; i += VL) sum = v_add(sum, softmax_terms(x + i, shift, y ? y + i : NULL, VL));
    if (i < c) sum = v_add(sum, softmax_terms(x + i, shift, y ? y + i : NULL, c - i));
    return v_sum(sum);
}

static void softmax_forward(size_t rows, size_t c, const float *x, float *y) {
    if (c == 0) return;
    for (size_t row = 0; row < rows; row++, x += c, y += c) {
        const vfloat sum = v_set(row_exponentials(x, c, row_largest(x, c), y));
        size_t i = 0;
        for (; i + VL <= c; i += VL) v_store(y + i, v_div(v_load(y + i), sum));
        if (i < c) v_store_part(y + i, v_div(v_load_part(y + i, c - i), sum), c - i);
    }
}

static void softmax_backward(size_t rows, size_t c, const float *y, const float *dy, float *dx) {
    for (size_t row = 0; row < rows; row++, y += c, dy += c, dx += c) {
        vfloat products = v_zero();
        size_t i = 0;
        for (; i + VL <= c; i += VL) products = v_fma(v_load(y + i), v_load(dy + i), products);
        if (i < c) products = v_fma(v_load_part(y + i, c - i), v_load_part(dy + i, c - i), products);
        const vfloat mean = v_set(v_sum(products));
        for (i = 0; i + VL <= c; i += VL) v_store(dx + i, v_mul(v_load(y + i), v_sub(v_load(dy + i), mean)));
        if (i < c) {
            const vfloat g = v_sub(v_load_part(dy + i, c - i), mean);
            v_store_part(dx + i, v_mul(v_load_part(y + i, c - i), g), c - i);
        }
    }
}
