/* SPDX-License-Identifier: Apache-2.0
 *
 * BatchNormalization's sums and gradient, LayerNormalization: against double, and at means that would drown a variance
 * computed in float. */
#include "kernel_test.h"

static void moments_match(const hone_kernels *k, size_t rows, size_t c, float offset) {
    float *x = kt_random_floats(rows * c, offset - 1, offset + 1);
    double *sum = kt_doubles(c), *squares = kt_doubles(c);
    k->channel_moments(rows, c, x, sum, squares);
    for (size_t i = 0; i < c; i++) {
        double s = 0, q = 0;
        for (size_t row = 0; row < rows; row++) {
            double value = (double)x[row * c + i];
            s += value;
            q += value * value;
        }
        kt_near(k, "sum", i, sum[i], s, 1e-14 * (double)rows * (fabs((double)offset) + 1));
        kt_near(k, "sum of squares", i, squares[i], q, 1e-14 * (q + 1));
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

/* ---- what follows the statistics ------------------------------------------------------------------------------- */

/* A picture of h by w and the windows of pool by pool, stride apart, that fit; pool 0: none. */
static hone_batch_norm norm_of(int h, int w, size_t c, int pool, int stride, bool relu) {
    hone_batch_norm p = {.rows = (size_t)(h * w), .c = c, .relu = relu};
    if (pool)
        p.pool = (hone_pool2d_shape){.h = h,
                                     .w = w,
                                     .c = (int)c,
                                     .pool_h = pool,
                                     .pool_w = pool,
                                     .stride_h = stride,
                                     .stride_w = stride,
                                     .oh = (h - pool) / stride + 1,
                                     .ow = (w - pool) / stride + 1};
    p.scale = kt_random_floats(c, -2, 2);
    p.shift = kt_random_floats(c, -1, 1);
    p.mean = kt_random_floats(c, -1, 1);
    p.inverse_std = kt_random_floats(c, 0.5f, 2);
    p.mean_dy = kt_random_floats(c, -1, 1);
    p.mean_dy_xhat = kt_random_floats(c, -1, 1);
    return p;
}

/* Element of the picture that output number j of a sample is read from, by the naive way; *y: what it comes to. */
static size_t chosen(const hone_batch_norm *p, const float *x, size_t j, double *y) {
    const hone_pool2d_shape *s = &p->pool;
    const size_t channel = j % p->c;
    size_t best = j;
    *y = (double)x[j] * p->scale[channel] + p->shift[channel];
    if (s->pool_h) {
        const int ox = (int)(j / p->c) % s->ow, oy = (int)(j / p->c) / s->ow;
        *y = -INFINITY;
        for (int at = 0; at < s->pool_h * s->pool_w; at++) {
            const int row = oy * s->stride_h + at / s->pool_w, column = ox * s->stride_w + at % s->pool_w;
            const size_t here = (size_t)(row * s->w + column) * p->c + channel;
            const double value = (double)x[here] * p->scale[channel] + p->shift[channel];
            if (value > *y) *y = value, best = here;
        }
    }
    return best;
}

static void batch_norm_matches(const hone_kernels *k, const hone_batch_norm *p, size_t n) {
    const size_t c = p->c, input = p->rows * c;
    const size_t output = p->pool.pool_h ? (size_t)(p->pool.oh * p->pool.ow) * c : input;
    float *x = kt_random_floats(n * input, -2, 2), *dy = kt_random_floats(n * output, -1, 1);
    float *y = kt_floats(n * output), *dx = kt_floats(n * input);
    uint8_t *argmax = p->pool.pool_h ? kt_alloc(n * output, 1) : NULL;
    double *sum = kt_doubles(c), *product = kt_doubles(c), *g = kt_doubles(n * input);
    double *want = kt_doubles(c), *want_product = kt_doubles(c), *size = kt_doubles(c);
    k->batch_norm_forward(p, n, x, y, argmax);
    k->batch_norm_gradient_sums(p, n, x, dy, argmax, sum, product);
    k->batch_norm_backward(p, n, x, dy, argmax, dx);

    memset(g, 0, n * input * sizeof *g);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < output; j++) {
            double value;
            const size_t from = i * input + chosen(p, x + i * input, j, &value);
            kt_near(k, "batch_norm", j, y[i * output + j], p->relu && value < 0 ? 0 : value, 6 * FLT_EPSILON);
            if (!p->relu || y[i * output + j] > 0) g[from] = (double)dy[i * output + j];
        }
    for (size_t i = 0; i < c; i++) want[i] = want_product[i] = size[i] = 0;
    for (size_t i = 0; i < n * input; i++) {
        const size_t at = i % c;
        const double xhat = ((double)x[i] - p->mean[at]) * p->inverse_std[at];
        want[at] += g[i];
        want_product[at] += g[i] * xhat;
        size[at] += fabs(g[i] * xhat);
        kt_near(k, "batch_norm dx", i, dx[i], p->scale[at] * (g[i] - p->mean_dy[at] - xhat * p->mean_dy_xhat[at]),
                80 * FLT_EPSILON);
    }
    for (size_t i = 0; i < c; i++) {
        kt_near(k, "sum of g", i, sum[i], want[i], 1e-14 * (double)(n * p->rows + 1));
        kt_near(k, "sum of g xhat", i, product[i], want_product[i], 4 * FLT_EPSILON * size[i] + 1e-300);
    }
    if (!p->pool.pool_h) {
        k->batch_norm_backward(p, n, x, dy, NULL, dy);
        kt_same_bits(k, "batch_norm dx in place", dy, dx, n * input * sizeof *dx);
    }
    kt_release_all();
}

static void batch_norm(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;)
        for (size_t c = 1; c < (size_t)(9 * k->vector_floats) + 3; c += c < 20 ? 1 : 13)
            for (int pool = 0; pool < 4; pool++)
                for (int relu = 0; relu < 2; relu++) {
                    /* pool 1: windows with gaps; 3: two rows and a column are left over */
                    hone_batch_norm p = norm_of(5 + pool % 2, 4 + pool % 3, c, pool, pool == 1 ? 2 : pool, relu);
                    batch_norm_matches(k, &p, 2);
                }
}

/* The first NaN of a window is its maximum and goes through relu. */
static void batch_norm_lets_nan_through(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;)
        for (int at = 0; at < 4; at++) {
            const hone_batch_norm p = norm_of(2, 2, 20, 2, 2, true);
            float *x = kt_random_floats(80, -1, 1), *y = kt_floats(20);
            uint8_t argmax[20];
            x[at * 20 + 17] = NAN;
            k->batch_norm_forward(&p, 1, x, y, argmax);
            for (size_t i = 0; i < 20; i++) assert_int_equal(isnan(y[i]) != 0, i == 17);
            assert_int_equal(argmax[17], at);
            kt_release_all();
        }
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
        cmocka_unit_test(batch_norm),
        cmocka_unit_test(batch_norm_lets_nan_through),
        cmocka_unit_test(layer_norm),
        cmocka_unit_test(specification_example),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
