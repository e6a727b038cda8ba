/* SPDX-License-Identifier: Apache-2.0
 *
 * Activations and softmax against libm in double, over the whole range of floats: every sign, exponent, denormal,
 * infinity and NaN. */
#include "kernel_test.h"

typedef struct activation_case {
    const char *name;
    hone_activation activation;
    double ulps;          /* of the forward result */
    double ulps_per_unit; /* and as many more for each unit of the exponent's size */
} activation_case;

static const activation_case cases[] = {
    {"linear", {HONE_ACTIVATION_LINEAR, 0, 0, 0}, 0, 0},
    {"relu", {HONE_ACTIVATION_RELU, 0, 0, INFINITY}, 0, 0},
    {"relu6", {HONE_ACTIVATION_RELU, 0, 0, 6}, 0, 0},
    {"leaky", {HONE_ACTIVATION_RELU, 0.3f, 0, INFINITY}, 1, 0},
    {"threshold", {HONE_ACTIVATION_RELU, 0.25f, 1, 5}, 1, 0},
    {"elu", {HONE_ACTIVATION_ELU, 1, 0, 0}, 4, 0},
    {"elu 0.7", {HONE_ACTIVATION_ELU, 0.7f, 0, 0}, 4, 0},
    {"selu", {HONE_ACTIVATION_SELU, 0, 0, 0}, 4, 0},
    {"gelu", {HONE_ACTIVATION_GELU, 0, 0, 0}, 5, 0},
    {"gelu tanh", {HONE_ACTIVATION_GELU_TANH, 0, 0, 0}, 4, 4},
    {"silu", {HONE_ACTIVATION_SILU, 0, 0, 0}, 4, 0},
    {"sigmoid", {HONE_ACTIVATION_SIGMOID, 0, 0, 0}, 4, 0},
    {"hard_sigmoid", {HONE_ACTIVATION_HARD_SIGMOID, 0.2f, 0, 0}, 0, 0}, /* absolute, see below */
    {"hard_silu", {HONE_ACTIVATION_HARD_SILU, 0, 0, 0}, 3, 0},
    {"tanh", {HONE_ACTIVATION_TANH, 0, 0, 0}, 4, 0},
    {"softplus", {HONE_ACTIVATION_SOFTPLUS, 0, 0, 0}, 4, 0},
    {"softsign", {HONE_ACTIVATION_SOFTSIGN, 0, 0, 0}, 2, 0},
    {"exponential", {HONE_ACTIVATION_EXPONENTIAL, 0, 0, 0}, 2, 0},
};
enum { CASES = sizeof cases / sizeof *cases };

static const double selu_alpha = 1.6732632423543772, selu_scale = 1.0507009873554805;
static const double root_half = 0.70710678118654752440, root_2_over_pi = 0.79788456080286535588;

static double logistic(double x) {
    return x >= 0 ? 1 / (1 + exp(-x)) : exp(x) / (1 + exp(x));
}

static double clip(double x, double low, double high) {
    return x < low ? low : x > high ? high : x;
}

static double gelu_tanh_inner(double x) {
    return root_2_over_pi * (x + 0.044715 * x * x * x);
}

static double forward(const hone_activation *f, double x) {
    if (isnan(x)) return NAN;
    switch (f->kind) {
    case HONE_ACTIVATION_LINEAR: return x;
    case HONE_ACTIVATION_RELU:
        if (x >= f->b) return fmin(x, f->c);
        return f->a == 0 ? 0 : f->a * (x - f->b);
    case HONE_ACTIVATION_ELU: return x > 0 ? x : f->a * expm1(x);
    case HONE_ACTIVATION_SELU: return selu_scale * (x > 0 ? x : selu_alpha * expm1(x));
    case HONE_ACTIVATION_GELU: return isinf(x) ? fmax(x, 0) : x * 0.5 * erfc(-x * root_half);
    case HONE_ACTIVATION_GELU_TANH: return x * logistic(2 * gelu_tanh_inner(x));
    case HONE_ACTIVATION_SILU: return x * logistic(x);
    case HONE_ACTIVATION_SIGMOID: return logistic(x);
    case HONE_ACTIVATION_HARD_SIGMOID: return clip(f->a * x + 0.5, 0, 1);
    case HONE_ACTIVATION_HARD_SILU: return x * clip(x / 6 + 0.5, 0, 1);
    case HONE_ACTIVATION_TANH: return tanh(x);
    case HONE_ACTIVATION_SOFTPLUS: return x > 0 ? x + log1p(exp(-x)) : log1p(exp(x));
    case HONE_ACTIVATION_SOFTSIGN: return x / (1 + fabs(x));
    case HONE_ACTIVATION_EXPONENTIAL: return exp(x);
    }
    return NAN;
}

static double derivative(const hone_activation *f, double x) {
    switch (f->kind) {
    case HONE_ACTIVATION_LINEAR: return 1;
    case HONE_ACTIVATION_RELU: return x > f->b ? x < f->c : f->a;
    case HONE_ACTIVATION_ELU: return x > 0 ? 1 : f->a * exp(x);
    case HONE_ACTIVATION_SELU: return x > 0 ? selu_scale : selu_scale * selu_alpha * exp(x);
    case HONE_ACTIVATION_GELU: {
        double density = exp(-x * x / 2) / sqrt(2 * 3.14159265358979323846);
        return 0.5 * erfc(-x * root_half) + (density > 0 ? x * density : 0);
    }
    case HONE_ACTIVATION_GELU_TANH: {
        double s = logistic(2 * gelu_tanh_inner(x)), slope = s * logistic(-2 * gelu_tanh_inner(x));
        return s + (slope > 0 ? x * slope * 2 * root_2_over_pi * (1 + 3 * 0.044715 * x * x) : 0);
    }
    case HONE_ACTIVATION_SILU: {
        double slope = logistic(x) * logistic(-x);
        return logistic(x) + (slope > 0 ? x * slope : 0);
    }
    case HONE_ACTIVATION_SIGMOID: return logistic(x) * logistic(-x);
    case HONE_ACTIVATION_HARD_SIGMOID: return fabs(f->a * x) < 0.5 ? f->a : 0;
    case HONE_ACTIVATION_HARD_SILU: return x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + 0.5;
    case HONE_ACTIVATION_TANH: return 1 / (cosh(x) * cosh(x));
    case HONE_ACTIVATION_SOFTPLUS: return logistic(x);
    case HONE_ACTIVATION_SOFTSIGN: return 1 / ((1 + fabs(x)) * (1 + fabs(x)));
    case HONE_ACTIVATION_EXPONENTIAL: return exp(x);
    }
    return NAN;
}

/* Numbers evenly spread over all bit patterns, then many where functions bend, then the special ones. */
enum { PATTERNS = 40000, BENDS = 40000, SAMPLES = PATTERNS + BENDS + 24 };
static float *samples(void) {
    static const float special[24] = {0.0f,     -0.0f,     1.0f,       -1.0f,     3.0f,   -3.0f,   6.0f,     -6.0f,
                                      2.5f,     -2.5f,     INFINITY,   -INFINITY, NAN,    FLT_MAX, -FLT_MAX, FLT_MIN,
                                      -FLT_MIN, 0x1p-149f, -0x1p-149f, 88.7228f,  88.73f, -87.4f,  -103.9f,  -104.1f};
    float *x = kt_floats(SAMPLES);
    for (uint32_t i = 0; i < PATTERNS; i++) {
        uint32_t bits = i * (UINT32_MAX / PATTERNS) + 7;
        memcpy(&x[i], &bits, sizeof bits);
    }
    for (size_t i = 0; i < BENDS; i++) {
        float reach = i % 4 == 0 ? 110.0f : i % 4 == 1 ? 15.0f : i % 4 == 2 ? 4.0f : 0.5f;
        x[PATTERNS + i] = kt_uniform(-reach, reach);
    }
    memcpy(x + PATTERNS + BENDS, special, sizeof special);
    return x;
}

static void forward_is_accurate_everywhere(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;)
        for (size_t c = 0; c < CASES; c++) {
            const hone_activation *f = &cases[c].activation;
            float *x = samples(), *y = kt_floats(SAMPLES);
            k->activation_forward(f, SAMPLES, x, y);
            for (size_t i = 0; i < SAMPLES; i++) {
                double want = forward(f, (double)x[i]);
                if (f->kind == HONE_ACTIVATION_HARD_SIGMOID) {
                    kt_near(k, cases[c].name, i, y[i], want, FLT_EPSILON / 2);
                    continue;
                }
                /* x times a sigmoid that is denormal: at x = -100 the result is only as good as that. */
                bool tiny = f->kind == HONE_ACTIVATION_SILU || f->kind == HONE_ACTIVATION_GELU_TANH;
                if (tiny && fabs(y[i] - want) <= 110 * 0x1p-149) continue;
                /* Rounding of x^3 costs the tail of gelu's tanh form places in proportion to its exponent. */
                double size = cases[c].ulps_per_unit > 0 ? fmin(fabs(2 * gelu_tanh_inner((double)x[i])), 200) : 0;
                kt_within_ulps(k, cases[c].name, i, y[i], want, cases[c].ulps + cases[c].ulps_per_unit * size);
            }
            kt_release_all();
        }
}

static void limits_are_exact(void **state) {
    (void)state;
    static const struct {
        hone_activation_kind kind;
        float x, y;
    } limits[] = {
        {HONE_ACTIVATION_RELU, -INFINITY, 0},        {HONE_ACTIVATION_RELU, INFINITY, INFINITY},
        {HONE_ACTIVATION_ELU, -INFINITY, -1},        {HONE_ACTIVATION_GELU, INFINITY, INFINITY},
        {HONE_ACTIVATION_SIGMOID, -INFINITY, 0},     {HONE_ACTIVATION_SIGMOID, INFINITY, 1},
        {HONE_ACTIVATION_SIGMOID, 0, 0.5f},          {HONE_ACTIVATION_TANH, -INFINITY, -1},
        {HONE_ACTIVATION_TANH, INFINITY, 1},         {HONE_ACTIVATION_TANH, 20, 1},
        {HONE_ACTIVATION_SOFTPLUS, -INFINITY, 0},    {HONE_ACTIVATION_SOFTPLUS, INFINITY, INFINITY},
        {HONE_ACTIVATION_EXPONENTIAL, -INFINITY, 0}, {HONE_ACTIVATION_EXPONENTIAL, INFINITY, INFINITY},
        {HONE_ACTIVATION_EXPONENTIAL, 89, INFINITY}, {HONE_ACTIVATION_EXPONENTIAL, 0, 1},
        {HONE_ACTIVATION_HARD_SILU, -3, 0},          {HONE_ACTIVATION_HARD_SILU, 3, 3},
    };
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;)
        for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
            hone_activation f = {limits[i].kind, limits[i].kind == HONE_ACTIVATION_ELU ? 1.0f : 0.0f, 0, INFINITY};
            float y;
            k->activation_forward(&f, 1, &limits[i].x, &y);
            if (y != limits[i].y) fail_msg("%s limit %zu: %g", k->name, i, (double)y);
        }
}

/* Relative to 1, the size that derivatives have: where one crosses 0 its last place means nothing. */
static void backward_is_the_derivative(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;)
        for (size_t c = 0; c < CASES; c++) {
            const hone_activation *f = &cases[c].activation;
            float *x = samples(), *y = kt_floats(SAMPLES), *dx = kt_floats(SAMPLES);
            float *dy = kt_random_floats(SAMPLES, -2, 2);
            bool steep = f->kind == HONE_ACTIVATION_EXPONENTIAL;
            k->activation_forward(f, SAMPLES, x, y);
            k->activation_backward(f, SAMPLES, x, y, dy, dx);
            for (size_t i = 0; i < SAMPLES; i++) {
                if (isnan(x[i]) || (steep && x[i] > 88.0f)) continue;
                double slope = derivative(f, (double)x[i]);
                kt_near(k, cases[c].name, i, dx[i], slope * dy[i],
                        8 * FLT_EPSILON * fabs((double)dy[i]) * (1 + fabs(slope)));
            }
            kt_release_all();
        }
}

static void nan_is_let_through(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;)
        for (size_t c = 0; c < CASES; c++) {
            float x[3] = {1, NAN, -1}, y[3];
            k->activation_forward(&cases[c].activation, 3, x, y);
            assert_true(isnan(y[1]) && !isnan(y[0]) && !isnan(y[2]));
        }
}

static void ragged_and_in_place(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;)
        for (size_t c = 0; c < CASES; c++)
            for (size_t n = 0; n <= (size_t)(2 * k->vector_floats) + 1; n++) {
                const hone_activation *f = &cases[c].activation;
                float *x = kt_random_floats(n, -4, 4), *y = kt_floats(n), *same = kt_copy(x, n);
                float *dy = kt_random_floats(n, -1, 1), *dx = kt_floats(n), *same_d = kt_copy(dy, n);
                k->activation_forward(f, n, x, y);
                k->activation_backward(f, n, x, y, dy, dx);
                for (size_t i = 0; i < n; i++) {
                    float one, one_d;
                    k->activation_forward(f, 1, x + i, &one);
                    k->activation_backward(f, 1, x + i, &one, dy + i, &one_d);
                    kt_same_bits(k, cases[c].name, y + i, &one, sizeof one);
                    kt_same_bits(k, cases[c].name, dx + i, &one_d, sizeof one);
                }
                k->activation_forward(f, n, same, same);
                k->activation_backward(f, n, x, y, same_d, same_d);
                kt_same_bits(k, "in place", same, y, n * sizeof *y);
                kt_same_bits(k, "in place, backward", same_d, dx, n * sizeof *y);
                kt_release_all();
            }
}

/* ---- softmax --------------------------------------------------------------------------------------------------- */

static void softmax_matches(const hone_kernels *k, size_t rows, size_t c, float reach) {
    size_t n = rows * c;
    float *x = kt_random_floats(n, -reach, reach), *y = kt_floats(n), *same = kt_copy(x, n);
    float *dy = kt_random_floats(n, -1, 1), *dx = kt_floats(n), *same_d = kt_copy(dy, n);
    k->softmax_forward(rows, c, x, y);
    k->softmax_backward(rows, c, y, dy, dx);
    for (size_t row = 0; row < rows; row++) {
        double largest = -INFINITY, sum = 0, mean = 0;
        for (size_t i = row * c; i < (row + 1) * c; i++) largest = fmax(largest, (double)x[i]);
        for (size_t i = row * c; i < (row + 1) * c; i++) sum += exp(x[i] - largest);
        for (size_t i = row * c; i < (row + 1) * c; i++) mean += exp(x[i] - largest) / sum * dy[i];
        for (size_t i = row * c; i < (row + 1) * c; i++) {
            double p = exp(x[i] - largest) / sum; /* the rounding of x - largest is that of its size */
            double tolerance = p * FLT_EPSILON * (6 + fabs(x[i] - largest) + sqrt((double)c)) + 0x1p-148;
            kt_near(k, "softmax", i, y[i], p, tolerance);
            kt_near(k, "softmax backward", i, dx[i], p * (dy[i] - mean), 4 * tolerance + 4 * p * FLT_EPSILON);
        }
        float *one = kt_floats(c);
        k->softmax_forward(1, c, x + row * c, one);
        kt_same_bits(k, "softmax, a row alone", one, y + row * c, c * sizeof *one);
    }
    k->softmax_forward(rows, c, same, same);
    k->softmax_backward(rows, c, y, same_d, same_d);
    kt_same_bits(k, "softmax in place", same, y, n * sizeof *y);
    kt_same_bits(k, "softmax backward in place", same_d, dx, n * sizeof *y);
    kt_release_all();
}

static void softmax_of_rows(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
        for (size_t c = 1; c <= 35; c++) softmax_matches(k, c % 4, c, 8);
        softmax_matches(k, 3, 1000, 20);
        softmax_matches(k, 2, 10, 300); /* e^300 would be infinite */
    }
}

static void softmax_of_special_rows(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
        float x[12] = {-INFINITY, 0, -INFINITY, 0, 1, NAN, 2, 3, -FLT_MAX, FLT_MAX, 0, 1}, y[12];
        k->softmax_forward(3, 4, x, y);
        assert_true(y[0] == 0 && y[1] == 0.5f && y[2] == 0 && y[3] == 0.5f);
        for (int i = 4; i < 8; i++) assert_true(isnan(y[i]));
        assert_true(y[8] == 0 && y[9] == 1 && y[10] == 0 && y[11] == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forward_is_accurate_everywhere),
        cmocka_unit_test(limits_are_exact),
        cmocka_unit_test(backward_is_the_derivative),
        cmocka_unit_test(nan_is_let_through),
        cmocka_unit_test(ragged_and_in_place),
        cmocka_unit_test(softmax_of_rows),
        cmocka_unit_test(softmax_of_special_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
