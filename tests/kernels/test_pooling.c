/* SPDX-License-Identifier: Apache-2.0
 *
 * Pooling against naive loops: odd geometry, padding, overlapping windows, ties, NaN, and the specification's
 * numbers. */
#include "kernel_test.h"

/* What one output sees of one channel: the naive answer. */
typedef struct window_answer {
    double largest, sum;
    size_t argmax;
    int count;
} window_answer;

static window_answer naive_window(const hone_pool2d_shape *s, const float *x, int oy, int ox, size_t channel) {
    window_answer a = {-INFINITY, 0, 0, 0};
    for (int ty = 0; ty < s->pool_h; ty++)
        for (int tx = 0; tx < s->pool_w; tx++) {
            int iy = oy * s->stride_h - s->pad_top + ty, ix = ox * s->stride_w - s->pad_left + tx;
            if (iy < 0 || iy >= s->h || ix < 0 || ix >= s->w) continue;
            double value = (double)x[((size_t)iy * (size_t)s->w + (size_t)ix) * (size_t)s->c + channel];
            a.sum += value;
            bool wins = a.count++ == 0 || value > a.largest || (isnan(value) && !isnan(a.largest));
            if (!wins) continue;
            a.largest = value;
            a.argmax = (size_t)(ty * s->pool_w + tx);
        }
    return a;
}

/* Keras' "same" or "valid". */
static hone_pool2d_shape shape_of(int h, int w, int c, int pool_h, int pool_w, int stride_h, int stride_w, bool same) {
    hone_pool2d_shape s = {h, w, c, pool_h, pool_w, stride_h, stride_w, 0, 0, 0, 0};
    s.oh = same ? (h + stride_h - 1) / stride_h : (h - pool_h) / stride_h + 1;
    s.ow = same ? (w + stride_w - 1) / stride_w : (w - pool_w) / stride_w + 1;
    int over_h = (s.oh - 1) * stride_h + pool_h - h, over_w = (s.ow - 1) * stride_w + pool_w - w;
    if (same && over_h > 0) s.pad_top = over_h / 2;
    if (same && over_w > 0) s.pad_left = over_w / 2;
    return s;
}

static void pooling_matches(const hone_kernels *k, const hone_pool2d_shape *s, size_t n, bool ties) {
    size_t c = (size_t)s->c, image = (size_t)(s->h * s->w) * c, output = (size_t)(s->oh * s->ow) * c;
    float *x = kt_random_floats(n * image, -2, -1); /* negative: padding read as 0 would win */
    if (ties)
        for (size_t i = 0; i < n * image; i++) x[i] = (float)kt_below(3);
    float *y = kt_floats(n * output), *plain = kt_floats(n * output), *average = kt_floats(n * output);
    uint16_t *argmax = kt_alloc(n * output, sizeof *argmax);
    float *dy = kt_random_floats(n * output, -1, 1), *dx = kt_floats(n * image), *average_dx = kt_floats(n * image);
    double *want = kt_doubles(n * image), *want_average = kt_doubles(n * image);
    memset(want, 0, n * image * sizeof *want);
    memset(want_average, 0, n * image * sizeof *want);
    k->max_pool_forward(s, n, x, y, argmax);
    k->max_pool_forward(s, n, x, plain, NULL);
    k->average_pool_forward(s, n, x, average);
    k->max_pool_backward(s, n, dy, argmax, dx);
    k->average_pool_backward(s, n, dy, average_dx);
    kt_same_bits(k, "max pooling without argmax", plain, y, n * output * sizeof *y);
    for (size_t i = 0; i < n * output; i++) {
        size_t sample = i / output, channel = i % c;
        int oy = (int)(i % output / c) / s->ow, ox = (int)(i % output / c) % s->ow;
        window_answer a = naive_window(s, x + sample * image, oy, ox, channel);
        kt_near(k, "max pooling", i, y[i], a.largest, 0);
        kt_near(k, "argmax", i, argmax[i], (double)a.argmax, 0);
        kt_near(k, "average pooling", i, average[i], a.sum / a.count, kt_sum_tolerance((size_t)a.count, 2));
        for (int tap = 0; tap < s->pool_h * s->pool_w; tap++) {
            int iy = oy * s->stride_h - s->pad_top + tap / s->pool_w;
            int ix = ox * s->stride_w - s->pad_left + tap % s->pool_w;
            if (iy < 0 || iy >= s->h || ix < 0 || ix >= s->w) continue;
            size_t at = sample * image + (size_t)(iy * s->w + ix) * c + channel;
            if ((size_t)tap == a.argmax) want[at] += dy[i];
            want_average[at] += (double)dy[i] / a.count;
        }
    }
    size_t taps = (size_t)(s->pool_h * s->pool_w);
    for (size_t i = 0; i < n * image; i++) {
        kt_near(k, "max pooling backward", i, dx[i], want[i], kt_sum_tolerance(taps, 1));
        kt_near(k, "average pooling backward", i, average_dx[i], want_average[i], kt_sum_tolerance(taps, 1));
    }
    kt_release_all();
}

static void windows_of_all_kinds(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
        int vector = k->vector_floats;
        const int channels[] = {1, 3, vector - 1, vector, vector + 1, 2 * vector + 3};
        for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
            if (channels[i] == 0) continue;
            const hone_pool2d_shape shapes[] = {
                shape_of(6, 6, channels[i], 2, 2, 2, 2, false), shape_of(11, 7, channels[i], 2, 2, 2, 2, false),
                shape_of(7, 5, channels[i], 3, 3, 2, 2, true),  shape_of(6, 8, channels[i], 3, 3, 1, 1, true),
                shape_of(7, 6, channels[i], 1, 1, 2, 2, false), shape_of(5, 9, channels[i], 2, 3, 1, 2, true),
                shape_of(4, 4, channels[i], 4, 4, 4, 4, false), shape_of(3, 2, channels[i], 5, 5, 1, 1, true),
            };
            for (size_t j = 0; j < sizeof shapes / sizeof *shapes; j++) {
                pooling_matches(k, &shapes[j], j % 3, false);
                pooling_matches(k, &shapes[j], 2, true);
            }
        }
    }
}

static void specification_examples(void **state) {
    (void)state;
    const hone_pool2d_shape s = shape_of(3, 3, 1, 2, 2, 2, 2, true);
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
        const float x[9] = {0, 1, 2, 3, 4, 5, 6, 7, 8}, want[4] = {2, 3.5f, 6.5f, 8};
        float y[4];
        k->average_pool_forward(&s, 1, x, y);
        assert_memory_equal(y, want, sizeof y);
    }
}

static void nan_wins_and_is_remembered(void **state) {
    (void)state;
    const hone_pool2d_shape s = shape_of(2, 2, 1, 2, 2, 2, 2, false);
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
        const float x[16] = {1, NAN, NAN, 5, NAN, 1, 2, 3, 4, 3, 2, NAN, -INFINITY, -INFINITY, -INFINITY, -INFINITY};
        float y[4];
        uint16_t argmax[4];
        uint32_t whole[4];
        k->max_pool_forward(&s, 4, x, y, argmax);
        assert_true(isnan(y[0]) && isnan(y[1]) && isnan(y[2]) && y[3] == -INFINITY);
        assert_true(argmax[0] == 1 && argmax[1] == 0 && argmax[2] == 3 && argmax[3] == 0);
        k->global_max_forward(4, 4, 1, x, y, whole);
        assert_true(isnan(y[0]) && isnan(y[1]) && isnan(y[2]) && y[3] == -INFINITY);
        assert_true(whole[0] == 1 && whole[1] == 0 && whole[2] == 3 && whole[3] == 0);
    }
}

static void global_matches(const hone_kernels *k, size_t n, size_t pixels, size_t c, bool ties) {
    float *x = kt_random_floats(n * pixels * c, -2, -1), *y = kt_floats(n * c), *plain = kt_floats(n * c);
    if (ties)
        for (size_t i = 0; i < n * pixels * c; i++) x[i] = (float)kt_below(3);
    float *average = kt_floats(n * c), *dy = kt_random_floats(n * c, -1, 1), *dx = kt_floats(n * pixels * c);
    float *average_dx = kt_floats(n * pixels * c);
    uint32_t *argmax = kt_alloc(n * c, sizeof *argmax);
    k->global_max_forward(n, pixels, c, x, y, argmax);
    k->global_max_forward(n, pixels, c, x, plain, NULL);
    k->global_max_backward(n, pixels, c, dy, argmax, dx);
    k->global_average_forward(n, pixels, c, x, average);
    k->global_average_backward(n, pixels, c, dy, average_dx);
    kt_same_bits(k, "global max without argmax", plain, y, n * c * sizeof *y);
    for (size_t i = 0; i < n * c; i++) {
        const float *from = x + i / c * pixels * c + i % c;
        double sum = 0;
        size_t best = 0;
        for (size_t pixel = 0; pixel < pixels; pixel++) {
            sum += from[pixel * c];
            if (from[pixel * c] > from[best * c]) best = pixel;
        }
        kt_near(k, "global max", i, y[i], from[best * c], 0);
        kt_near(k, "global argmax", i, argmax[i], (double)best, 0);
        kt_within_ulps(k, "global average", i, average[i], sum / (double)pixels, 1);
        for (size_t pixel = 0; pixel < pixels; pixel++) {
            size_t at = (i / c * pixels + pixel) * c + i % c;
            kt_near(k, "global max backward", at, dx[at], pixel == best ? dy[i] : 0, 0);
            kt_within_ulps(k, "global average backward", at, average_dx[at], dy[i] / (double)pixels, 0.51);
        }
    }
    kt_release_all();
}

static void whole_images(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
        for (size_t c = 1; c < (size_t)(2 * k->vector_floats) + 3; c++) {
            global_matches(k, c % 3, 1 + c % 9, c, false);
            global_matches(k, 2, 7, c, true);
        }
        global_matches(k, 1, 56 * 56, 5, false);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(windows_of_all_kinds),
        cmocka_unit_test(specification_examples),
        cmocka_unit_test(nan_wins_and_is_remembered),
        cmocka_unit_test(whole_images),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
