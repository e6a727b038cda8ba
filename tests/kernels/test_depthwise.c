/* SPDX-License-Identifier: Apache-2.0
 *
 * Depthwise convolutions against naive loops: strides, dilations, padding, multipliers, bias, relu, accumulation. */
#include "kernel_test.h"

typedef struct depthwise_tensors {
    size_t n, input, output, kernel, filters;
    float *x, *weights, *bias, *y, *dy;
} depthwise_tensors;

/* for (the products that outputs are sums of): the indices of the input, the output and the weight. Needs a t. */
#define EACH_PRODUCT(s, in, out, weight)                                                                               \
    for (size_t out = 0; out < t.n * t.output; out++)                                                                  \
        for (int tap = 0; tap < (s)->kh * (s)->kw; tap++)                                                              \
            for (size_t weight = (size_t)tap * t.filters + out % t.filters, in = input_index(s, &t, out, tap);         \
                 in != SIZE_MAX; in = SIZE_MAX)

/* SIZE_MAX outside the image. */
static size_t input_index(const hone_depthwise_shape *s, const depthwise_tensors *t, size_t out, int tap) {
    size_t sample = out / t->output, pixel = out % t->output / t->filters, filter = out % t->filters;
    int oy = (int)pixel / s->ow, ox = (int)pixel % s->ow;
    int iy = oy * s->stride_h - s->pad_top + tap / s->kw * s->dilation_h;
    int ix = ox * s->stride_w - s->pad_left + tap % s->kw * s->dilation_w;
    if (iy < 0 || iy >= s->h || ix < 0 || ix >= s->w) return SIZE_MAX;
    return sample * t->input + (size_t)(iy * s->w + ix) * (size_t)s->c + filter / (size_t)s->multiplier;
}

static double *zeroed(size_t n) {
    double *p = kt_doubles(n);
    memset(p, 0, n * sizeof *p);
    return p;
}

/* Results must not depend on how many samples were asked for at once. */
static void one_by_one(const hone_kernels *k, const hone_depthwise_shape *s, const depthwise_tensors *t,
                       const float *dx) {
    float *y = kt_floats(t->output), *alone = kt_floats(t->input);
    for (size_t i = 0; i < t->n; i++) {
        k->depthwise_forward(s, 1, t->x + i * t->input, t->weights, t->bias, y);
        kt_same_bits(k, "depthwise forward, a sample alone", y, t->y + i * t->output, t->output * sizeof *y);
        k->depthwise_backward_input(s, 1, t->dy + i * t->output, t->y + i * t->output, t->weights, alone);
        kt_same_bits(k, "depthwise input gradient, a sample alone", alone, dx + i * t->input, t->input * sizeof *y);
    }
}

static void depthwise_matches(const hone_kernels *k, const hone_depthwise_shape *s, size_t n) {
    depthwise_tensors t = {.n = n, .filters = (size_t)(s->c * s->multiplier)};
    t.input = (size_t)(s->h * s->w * s->c);
    t.output = (size_t)(s->oh * s->ow) * t.filters;
    t.kernel = (size_t)(s->kh * s->kw) * t.filters;
    t.x = kt_random_floats(n * t.input, -1, 1);
    t.weights = kt_random_floats(t.kernel, -1, 1);
    t.bias = s->has_bias ? kt_random_floats(t.filters, -1, 1) : NULL;
    t.y = kt_floats(n * t.output);
    t.dy = kt_random_floats(n * t.output, -1, 1);
    float *dx = kt_floats(n * t.input), *dkernel = kt_floats(t.kernel), *dbias = kt_floats(t.filters);
    float *more = kt_random_floats(t.kernel, -1, 1), *more_bias = kt_random_floats(t.filters, -1, 1);
    float *before = kt_copy(more, t.kernel), *before_bias = kt_copy(more_bias, t.filters);
    k->depthwise_forward(s, n, t.x, t.weights, t.bias, t.y);
    k->depthwise_backward_input(s, n, t.dy, t.y, t.weights, dx);
    k->depthwise_backward_weights(s, n, t.x, t.dy, t.y, false, dkernel, dbias);
    k->depthwise_backward_weights(s, n, t.x, t.dy, t.y, true, more, more_bias);

    double *y = zeroed(n * t.output), *want_dx = zeroed(n * t.input), *want = zeroed(t.kernel);
    double *want_bias = zeroed(t.filters);
    size_t taps = (size_t)(s->kh * s->kw), pixels = n * (size_t)(s->oh * s->ow);
    bool relu = s->epilogue == HONE_EPILOGUE_RELU;
    EACH_PRODUCT(s, in, out, weight) {
        bool passes = !relu || t.y[out] > 0;
        y[out] += (double)t.x[in] * t.weights[weight];
        want_dx[in] += passes ? (double)t.dy[out] * t.weights[weight] : 0;
        want[weight] += passes ? (double)t.dy[out] * t.x[in] : 0;
    }
    for (size_t i = 0; i < n * t.output; i++) {
        double value = y[i] + (t.bias ? (double)t.bias[i % t.filters] : 0);
        kt_near(k, "depthwise forward", i, t.y[i], relu && value < 0 ? 0 : value, kt_sum_tolerance(taps + 1, 2));
        want_bias[i % t.filters] += !relu || t.y[i] > 0 ? (double)t.dy[i] : 0;
    }
    for (size_t i = 0; i < n * t.input; i++)
        kt_near(k, "depthwise input gradient", i, dx[i], want_dx[i], kt_sum_tolerance(taps * (size_t)s->multiplier, 2));
    for (size_t i = 0; i < t.kernel; i++) {
        kt_near(k, "depthwise kernel gradient", i, dkernel[i], want[i], kt_sum_tolerance(pixels, 2));
        kt_near(k, "depthwise kernel gradient, added", i, more[i], before[i] + want[i], kt_sum_tolerance(pixels, 2));
    }
    for (size_t i = 0; i < t.filters; i++) {
        kt_near(k, "depthwise bias gradient", i, dbias[i], want_bias[i], kt_sum_tolerance(pixels, 2));
        kt_near(k, "depthwise bias gradient, added", i, more_bias[i], before_bias[i] + want_bias[i],
                kt_sum_tolerance(pixels, 2));
    }
    one_by_one(k, s, &t, dx);
    kt_release_all();
}

/* Padding as given, bottom and right as much as top and left. */
static hone_depthwise_shape shape_of(int h, int w, int c, int multiplier, int kernel, int stride, int dilation,
                                     int pad) {
    int reach = (kernel - 1) * dilation + 1;
    return (hone_depthwise_shape){.h = h,
                                  .w = w,
                                  .c = c,
                                  .multiplier = multiplier,
                                  .kh = kernel,
                                  .kw = kernel,
                                  .stride_h = stride,
                                  .stride_w = stride,
                                  .dilation_h = dilation,
                                  .dilation_w = dilation,
                                  .pad_top = pad,
                                  .pad_left = pad,
                                  .oh = (h + 2 * pad - reach) / stride + 1,
                                  .ow = (w + 2 * pad - reach) / stride + 1};
}

static void all_kinds(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
        int vector = k->vector_floats;
        const int channels[] = {1, 3, vector, vector + 1, 2 * vector + 5};
        for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
            int c = channels[i];
            hone_depthwise_shape shapes[] = {
                shape_of(8, 24, c, 1, 3, 1, 1, 1),  shape_of(9, 7, c, 1, 3, 2, 1, 1),
                shape_of(7, 23, c, 1, 5, 1, 1, 2),  shape_of(9, 9, c, 1, 5, 2, 1, 0),
                shape_of(11, 12, c, 1, 3, 1, 2, 2), shape_of(8, 8, c, 1, 7, 1, 1, 3),
                shape_of(5, 5, c, 1, 1, 2, 1, 0),   shape_of(2, 3, c, 1, 5, 1, 1, 2),
                shape_of(7, 6, c, 2, 3, 1, 1, 1),   shape_of(9, 6, c, 3, 3, 2, 1, 1),
                shape_of(12, 20, c, 1, 4, 3, 1, 1),
            };
            for (size_t j = 0; j < sizeof shapes / sizeof *shapes; j++) {
                shapes[j].has_bias = j % 2 == 0;
                depthwise_matches(k, &shapes[j], 2);
                shapes[j].has_bias = !shapes[j].has_bias;
                shapes[j].epilogue = HONE_EPILOGUE_RELU;
                depthwise_matches(k, &shapes[j], 1 + j % 3);
            }
        }
    }
}

/* Keras pads a stride of 2 at the end only, and kernels need not be square. */
static void lopsided(void **state) {
    (void)state;
    hone_depthwise_shape s = shape_of(8, 10, 19, 1, 3, 2, 1, 0);
    s.oh = 4;
    s.ow = 5;
    hone_depthwise_shape flat = shape_of(6, 20, 21, 1, 3, 1, 1, 1);
    flat.kh = 1;
    flat.kw = 7;
    flat.pad_top = 0;
    flat.pad_left = 3;
    flat.oh = 6;
    flat.ow = 20;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
        depthwise_matches(k, &s, 2);
        depthwise_matches(k, &flat, 2);
    }
}

static void relu_lets_nan_through(void **state) {
    (void)state;
    hone_depthwise_shape s = shape_of(1, 1, 2, 1, 1, 1, 1, 0), multiplied = shape_of(1, 1, 1, 2, 1, 1, 1, 0);
    s.epilogue = multiplied.epilogue = HONE_EPILOGUE_RELU;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
        const float x[2] = {NAN, -1}, kernel[2] = {1, 1};
        float y[2];
        k->depthwise_forward(&s, 1, x, kernel, NULL, y);
        assert_true(isnan(y[0]) && y[1] == 0);
        k->depthwise_forward(&multiplied, 1, x, kernel, NULL, y);
        assert_true(isnan(y[0]) && isnan(y[1]));
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_kinds),
        cmocka_unit_test(lopsided),
        cmocka_unit_test(relu_lets_nan_through),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
