/* SPDX-License-Identifier: Apache-2.0
 *
 * BatchNormalization's sums and gradient, LayerNormalization: against double, and at means that would drown a variance
 * computed in float. */
#include "kernel_test.h"

static void moments_match(const hone_kernels *k, size_t rows, size_t c, float offset) {
    float *x = kt_random_floats(rows * c, offset - 1, offset + 1), *dy = kt_random_floats(rows * c, -1, 1);
    float *mean = kt_random_floats(c, offset - 0.1f, offset + 0.1f), *inverse = kt_random_floats(c, 0.5f, 2);
    double *sum = kt_doubles(c), *squares = kt_doubles(c), *sum_dy = kt_doubles(c), *products = kt_doubles(c);
    k->channel_moments(rows, c, x, sum, squares);
    k->channel_gradient_sums(rows, c, x, dy, mean, inverse, sum_dy, products);
    for (size_t i = 0; i < c; i++) {
        double s = 0, q = 0, d = 0, p = 0, size = 0;
        for (size_t row = 0; row < rows; row++) {
            double value = (double)x[row * c + i], g = (double)dy[row * c + i];
            double xhat = (value - mean[i]) * inverse[i];
            s += value;
            q += value * value;
            d += g;
            p += g * xhat;
            size += fabs(g * xhat);
        }
        kt_near(k, "sum", i, sum[i], s, 1e-14 * (double)rows * (fabs((double)offset) + 1));
        kt_near(k, "sum of squares", i, squares[i], q, 1e-14 * (q + 1));
        kt_near(k, "sum of dy", i, sum_dy[i], d, 1e-14 * (double)(rows + 1));
        kt_near(k, "sum of dy xhat", i, products[i], p, 3 * FLT_EPSILON * size + 1e-300);
    }
    kt_release_all();
}

static void channel_sums(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
        for (size_t c = 0; c < (size_t)(9 * k->vector_floats) + 3; c += c < 20 ? 1 : 7)
            for (size_t rows = 0; rows < 4; rows++) moments_match(k, rows, c, 0);
        moments_match(k, 4001, 19, 0);
        moments_match(k, 4001, 3, 1000); /* variance 1/3 beside a mean square of a million */
    }
}

static void batch_norm_backward_matches(const hone_kernels *k, size_t rows, size_t c) {
    size_t n = rows * c;
    float *x = kt_random_floats(n, -2, 2), *dy = kt_random_floats(n, -1, 1), *dx = kt_floats(n);
    float *same = kt_copy(dy, n), *mean = kt_random_floats(c, -1, 1), *inverse = kt_random_floats(c, 0.5f, 2);
    float *a = kt_random_floats(c, -2, 2), *b = kt_random_floats(c, -1, 1), *d = kt_random_floats(c, -1, 1);
    k->batch_norm_backward(rows, c, x, dy, mean, inverse, a, b, d, dx);
    k->batch_norm_backward(rows, c, x, same, mean, inverse, a, b, d, same);
    for (size_t i = 0; i < n; i++) {
        size_t channel = i % c;
        double xhat = ((double)x[i] - mean[channel]) * inverse[channel];
        double want = a[channel] * ((double)dy[i] - b[channel] - xhat * d[channel]);
        kt_near(k, "batch_norm_backward", i, dx[i], want, 8 * FLT_EPSILON * 10);
    }
    kt_same_bits(k, "batch_norm_backward in place", same, dx, n * sizeof *dx);
    kt_release_all();
}

static void batch_norm_gradient(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;)
        for (size_t c = 1; c < (size_t)(2 * k->vector_floats) + 3; c++) batch_norm_backward_matches(k, c % 4, c);
}

/* Without gamma and beta where plain: scale=False, center=False. */
static void layer_norm_matches(const hone_kernels *k, size_t rows, size_t c, float offset, bool plain) {
    const float epsilon = 1e-3f;
    size_t n = rows * c;
    float *x = kt_random_floats(n, offset - 1, offset + 1), *y = kt_floats(n), *dx = kt_floats(n);
    float *dy = kt_random_floats(n, -1, 1), *same = kt_copy(x, n), *same_d = kt_copy(dy, n);
    float *gamma = plain ? NULL : kt_random_floats(c, 0.5f, 2), *beta = plain ? NULL : kt_random_floats(c, -1, 1);
    float *mean = kt_floats(rows), *inverse = kt_floats(rows), *dgamma = kt_floats(c), *dbeta = kt_floats(c);
    float *more = kt_random_floats(c, -1, 1), *before = kt_copy(more, c);
    k->layer_norm_forward(rows, c, x, gamma, beta, epsilon, y, mean, inverse);
    k->layer_norm_backward(rows, c, x, dy, gamma, mean, inverse, dx, false, dgamma, dbeta);
    k->layer_norm_backward(rows, c, x, same_d, gamma, mean, inverse, same_d, true, more, NULL);
    k->layer_norm_forward(rows, c, same, gamma, beta, epsilon, same, mean, inverse);
    double *want_dgamma = kt_doubles(c), *want_dbeta = kt_doubles(c);
    for (size_t i = 0; i < c; i++) want_dgamma[i] = want_dbeta[i] = 0;
    double place = FLT_EPSILON * (fabs((double)offset) + 2) * 4; /* the mean is kept as a float */
    for (size_t row = 0; row < rows; row++) {
        const float *from = x + row * c, *g = dy + row * c;
        double m = 0, variance = 0, mean_g = 0, mean_product = 0;
        for (size_t i = 0; i < c; i++) m += from[i] / (double)c;
        for (size_t i = 0; i < c; i++) variance += (from[i] - m) * (from[i] - m) / (double)c;
        double f = 1 / sqrt(variance + (double)epsilon);
        kt_near(k, "layer_norm mean", row, mean[row], m, place);
        kt_near(k, "layer_norm inverse_std", row, inverse[row], f, f * f * f * place);
        for (size_t i = 0; i < c; i++) {
            double xhat = (from[i] - m) * f, scale = gamma ? (double)gamma[i] : 1;
            kt_near(k, "layer_norm", row * c + i, y[row * c + i], xhat * scale + (beta ? (double)beta[i] : 0),
                    3 * f * f * place);
            mean_g += g[i] * scale / (double)c;
            mean_product += g[i] * scale * xhat / (double)c;
            want_dgamma[i] += g[i] * xhat;
            want_dbeta[i] += g[i];
        }
        for (size_t i = 0; i < c; i++) {
            double xhat = (from[i] - m) * f, scale = gamma ? (double)gamma[i] : 1;
            kt_near(k, "layer_norm dx", row * c + i, dx[row * c + i], f * (g[i] * scale - mean_g - xhat * mean_product),
                    20 * f * f * f * place);
        }
    }
    double tolerance = place * 40 * (double)(rows + 1);
    for (size_t i = 0; i < c; i++) {
        kt_near(k, "layer_norm dgamma", i, dgamma[i], want_dgamma[i], tolerance);
        kt_near(k, "layer_norm dgamma, added", i, more[i], before[i] + want_dgamma[i], tolerance);
        kt_near(k, "layer_norm dbeta", i, dbeta[i], want_dbeta[i], kt_sum_tolerance(rows, 1));
    }
    kt_same_bits(k, "layer_norm in place", same, y, n * sizeof *y);
    kt_same_bits(k, "layer_norm backward in place", same_d, dx, n * sizeof *y);
    kt_release_all();
}

static void layer_norm(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
        for (size_t c = 1; c < (size_t)(2 * k->vector_floats) + 3; c++) layer_norm_matches(k, c % 5, c, 0, c % 2 == 0);
        layer_norm_matches(k, 9, 768, 0, false);
        layer_norm_matches(k, 3, 96, 100, false);
    }
}

/* Values 1, 3, 8 of the specification: mean 4, biased variance 8.667. */
static void specification_example(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
        const float x[3] = {1, 3, 8};
        float y[3], mean, inverse;
        double sum, squares;
        k->channel_moments(3, 1, x, &sum, &squares);
        assert_true(sum == 12 && squares == 74);
        k->layer_norm_forward(1, 3, x, NULL, NULL, 0, y, &mean, &inverse);
        kt_within_ulps(k, "mean", 0, mean, 4, 0);
        kt_within_ulps(k, "inverse_std", 0, inverse, 1 / sqrt(26.0 / 3), 0.51);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(channel_sums),
        cmocka_unit_test(batch_norm_gradient),
        cmocka_unit_test(layer_norm),
        cmocka_unit_test(specification_example),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
