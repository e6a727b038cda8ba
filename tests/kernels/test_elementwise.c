/* SPDX-License-Identifier: Apache-2.0
 *
 * Sums, affine maps, pixels, column sums and dropout. Dropout's masks must be core's Philox to the bit, at every
 * level. */
#include "kernel_test.h"
#include "rng.h"

static size_t ragged_end(const hone_kernels *k) {
    return (size_t)(4 * k->vector_floats) + 2;
}

static void add_and_scale(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;)
        for (size_t n = 0; n < ragged_end(k); n++) {
            float *a = kt_random_floats(n, -1, 1), *y = kt_random_floats(n, -1, 1), *before = kt_copy(y, n);
            k->add(n, a, y);
            for (size_t i = 0; i < n; i++) assert_true(y[i] == before[i] + a[i]);
            k->scale(n, -1.5f, y);
            for (size_t i = 0; i < n; i++) assert_true(y[i] == (before[i] + a[i]) * -1.5f);
            kt_release_all();
        }
}

static void affine(const hone_kernels *k, size_t rows, size_t c) {
    size_t n = rows * c;
    float *x = kt_random_floats(n, -3, 3), *y = kt_floats(n), *from_pixels = kt_floats(n), *same = kt_copy(x, n);
    float *scale = kt_random_floats(c, -2, 2), *shift = kt_random_floats(c, -2, 2);
    uint8_t *pixels = kt_alloc(n, 1);
    for (size_t i = 0; i < n; i++) pixels[i] = (uint8_t)kt_random();
    k->affine_rows(rows, c, x, scale, shift, y);
    k->affine_rows(rows, c, same, scale, shift, same);
    k->pixels_to_float(rows, c, pixels, scale, shift, from_pixels);
    for (size_t i = 0; i < n; i++) {
        double s = (double)scale[i % c], t = (double)shift[i % c];
        kt_near(k, "affine_rows", i, y[i], x[i] * s + t, FLT_EPSILON * (fabs(x[i] * s) + fabs(t)));
        kt_near(k, "pixels_to_float", i, from_pixels[i], pixels[i] * s + t,
                FLT_EPSILON * (fabs(pixels[i] * s) + fabs(t)));
    }
    kt_same_bits(k, "affine_rows in place", same, y, n * sizeof *y);
    kt_release_all();
}

static void affine_maps_of_channels(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
        for (size_t c = 1; c < ragged_end(k); c++)
            for (size_t rows = 0; rows < 12; rows++) affine(k, rows, c);
        affine(k, 28 * 28, 1);
        affine(k, 37 * 23, 3);
    }
}

static void column_sums_match(const hone_kernels *k, size_t rows, size_t c) {
    float *x = kt_random_floats(rows * c, -1, 1), *sums = kt_floats(c), *more = kt_random_floats(c, -1, 1);
    float *before = kt_copy(more, c);
    k->column_sums(rows, c, x, false, sums);
    k->column_sums(rows, c, x, true, more);
    for (size_t i = 0; i < c; i++) {
        double sum = 0;
        for (size_t row = 0; row < rows; row++) sum += x[row * c + i];
        kt_within_ulps(k, "column_sums", i, sums[i], sum, 0.51);
        kt_near(k, "column_sums, accumulated", i, more[i], before[i] + sum, FLT_EPSILON * (1 + fabs(sum)));
    }
    kt_release_all();
}

static void column_sums(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
        for (size_t c = 0; c < ragged_end(k); c++)
            for (size_t rows = 0; rows < 6; rows++) column_sums_match(k, rows, c);
        column_sums_match(k, 5000, 10);
    }
}

static void dropout_matches(const hone_kernels *k, size_t n, float rate, const uint32_t key[2],
                            const uint32_t counter[4]) {
    float *x = kt_random_floats(n, -1, 1), *y = kt_floats(n), *dy = kt_random_floats(n, -1, 1), *dx = kt_floats(n);
    float *same = kt_copy(x, n), *same_d = kt_copy(dy, n);
    uint8_t *keep = kt_alloc(n, 1), *again = kt_alloc(n, 1);
    if (n > 0) x[n / 2] = INFINITY, dy[n / 2] = NAN, same[n / 2] = x[n / 2], same_d[n / 2] = dy[n / 2];
    k->dropout_forward(n, x, rate, key, counter, y, keep);
    k->dropout_backward(n, dy, rate, keep, dx);
    float factor = (float)(1 / (1 - (double)rate));
    for (size_t i = 0; i < n; i++) {
        uint32_t block[4], at[4] = {counter[0] + (uint32_t)(i / 4), counter[1], counter[2], counter[3]};
        hone__philox(key, at, block);
        bool kept = block[i % 4] * 0x1p-32 >= (double)rate;
        if (keep[i] != kept) fail_msg("%s dropout [%zu] of %zu, rate %g: %d", k->name, i, n, (double)rate, keep[i]);
        kt_near(k, "dropout", i, y[i], kept ? (double)(x[i] * factor) : 0, 0);
        kt_near(k, "dropout backward", i, dx[i], kept ? (double)(dy[i] * factor) : 0, 0);
    }
    k->dropout_forward(n, same, rate, key, counter, same, again);
    k->dropout_backward(n, same_d, rate, keep, same_d);
    kt_same_bits(k, "dropout in place", same, y, n * sizeof *y);
    kt_same_bits(k, "dropout in place, mask", again, keep, n);
    kt_same_bits(k, "dropout backward in place", same_d, dx, n * sizeof *y);
    kt_release_all();
}

static void dropout_draws_philox(void **state) {
    (void)state;
    const uint32_t key[2] = {0x12345678u, 0x9ABCDEF0u}, counter[4] = {7, 3, 0xFFFFFFFFu, 1};
    const uint32_t wrapping[4] = {0xFFFFFFFEu, 3, 5, 0};
    static const float rates[] = {0, 0x1p-32f, 0.25f, 0.5f, 0.9f, 1 - 0x1p-24f};
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;)
        for (size_t r = 0; r < sizeof rates / sizeof *rates; r++) {
            for (size_t n = 0; n < ragged_end(k) + 8; n++) dropout_matches(k, n, rates[r], key, counter);
            dropout_matches(k, 3001, rates[r], key, wrapping);
        }
}

/* The specification's example: rate 0.25 gives 0 or 1.3333, about three in four of the second. */
static void dropout_keeps_its_rate(void **state) {
    (void)state;
    enum { N = 100000 };
    const uint32_t key[2] = {1, 0}, counter[4] = {0, 3, 0, 0};
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
        float *x = kt_floats(N), *y = kt_floats(N);
        uint8_t *keep = kt_alloc(N, 1);
        size_t kept = 0;
        for (size_t i = 0; i < N; i++) x[i] = 1;
        k->dropout_forward(N, x, 0.25f, key, counter, y, keep);
        for (size_t i = 0; i < N; i++) {
            assert_true(y[i] == 0 || y[i] == (float)(4.0 / 3));
            kept += y[i] > 0;
        }
        assert_in_range(kept, 74500, 75500); /* 3.6 standard deviations */
        k->dropout_forward(N, x, 1, key, counter, y, keep);
        for (size_t i = 0; i < N; i++) assert_true(y[i] == 0 && keep[i] == 0);
        kt_release_all();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(add_and_scale),
        cmocka_unit_test(affine_maps_of_channels),
        cmocka_unit_test(column_sums),
        cmocka_unit_test(dropout_draws_philox),
        cmocka_unit_test(dropout_keeps_its_rate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
