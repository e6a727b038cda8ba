/* SPDX-License-Identifier: Apache-2.0
 *
 * The weight gradient of 3x3 convolutions at the sizes where it goes by Winograd's way: its mean error beside that of a
 * plain float chain, more tiles than are worked on at once, channels and filters that are no whole blocks. */
#include "kernel_test.h"
#include "conv2d_case.h"

/* Keras' padding: same or valid. */
static hone_conv2d_shape shape_of(int h, int w, int c, int filters, int pad, bool relu) {
    conv2d_case k = {.h = h, .w = w, .c = c, .kh = 3, .kw = 3, .filters = filters, .relu = relu};
    k.pad_top = k.pad_left = k.pad_bottom = k.pad_right = pad;
    hone_conv2d_shape s;
    assert_true(cc_shape(&k, &s));
    return s;
}

/* The chain of products in float, in the order of the windows. */
typedef struct float_sum {
    const float *x;
    const double *map;
    float *to;
} float_sum;

static void add_float(void *context, size_t x, size_t kernel, size_t map) {
    const float_sum *s = context;
    s->to[kernel] += s->x[x] * (float)s->map[map];
}

/* Which tiles the cases of a test had: 0 for those that went another way. */
static size_t tiles[8];

/* n samples of s on k: mean error against doubles at most limit times that of the float chain. */
static void check(const hone_kernels *k, const hone_conv2d_shape *shape, size_t n, double limit) {
    hone_conv2d_shape expecting = *shape;
    expecting.samples = (int)n;
    const hone_conv2d_shape *s = &expecting;
    const size_t input = cc_input(s), output = cc_output(s), size = cc_kernel(s);
    hone_conv2d plan;
    k->conv2d_plan(&plan, s, true);
    tiles[plan.block[2]]++;
    float *x = kt_random_floats(n * input, -1, 1), *dy = kt_random_floats(n * output, -1, 1);
    float *y = kt_random_floats(n * output, -1, 1), *before = kt_random_floats(size, -1, 1);
    float *dkernel = kt_copy(before, size), *dbias = kt_floats((size_t)s->filters);
    float *scratch = kt_floats(plan.scratch_backward_weights), *chain = kt_copy(before, size);
    k->conv2d_backward_weights(&plan, n, x, dy, y, NULL, true, dkernel, NULL, scratch);

    double *want = kt_doubles(size), *sizes = kt_doubles(size), *map = kt_doubles(output), *ones = kt_doubles(output);
    for (size_t j = 0; j < size; j++) {
        want[j] = (double)before[j];
        sizes[j] = fabs(want[j]);
    }
    for (size_t i = 0; i < n; i++) {
        for (size_t j = 0; j < output; j++) {
            const bool passes = s->epilogue == HONE_EPILOGUE_NONE || y[i * output + j] > 0;
            map[j] = passes ? (double)dy[i * output + j] : 0;
            ones[j] = fabs(map[j]);
        }
        cc_sum exact = {1, x + i * input, NULL, map, ones, want, sizes};
        cc_each(s, cc_visit, &exact);
        float_sum rounded = {x + i * input, map, chain};
        cc_each(s, add_float, &rounded);
    }
    double error = 0, chain_error = 0;
    for (size_t j = 0; j < size; j++) {
        kt_near(k, "dkernel", j, (double)dkernel[j], want[j], kt_sum_tolerance(n * output, sizes[j]));
        error += fabs((double)dkernel[j] - want[j]);
        chain_error += fabs((double)chain[j] - want[j]);
    }
    if (error > limit * chain_error)
        fail_msg("%s %dx%dx%d to %d: mean error %g, a chain of floats has %g", k->name, s->h, s->w, s->c, s->filters,
                 error / (double)size, chain_error / (double)size);

    /* Written over, the bits are those of another call; bias as well. */
    float *once = kt_floats(size), *again = kt_floats(size);
    k->conv2d_backward_weights(&plan, n, x, dy, y, NULL, false, once, dbias, scratch);
    k->conv2d_backward_weights(&plan, n, x, dy, y, NULL, false, again, NULL, scratch);
    kt_same_bits(k, "dkernel", again, once, size * sizeof *once);
    kt_release_all();
}

static void error_is_that_of_a_plain_sum(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;)
        for (int relu = 0; relu < 2; relu++) {
            const hone_conv2d_shape s = shape_of(16, 16, 32, 32, 1, relu);
            check(k, &s, 2, 3);
        }
}

static void ragged_shapes(void **state) {
    (void)state;
    static const int shapes[][5] = {
        /* h, w, c, filters, padding */
        {8, 8, 33, 65, 1}, {9, 7, 70, 17, 1}, {5, 6, 40, 96, 0},
        {4, 4, 64, 64, 1}, {13, 3, 5, 30, 2}, {3, 3, 64, 64, 0},
    };
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;)
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (size_t n = 1; n <= 3; n += 2) {
                const int *z = shapes[i];
                const hone_conv2d_shape s = shape_of(z[0], z[1], z[2], z[3], z[4], i % 2);
                check(k, &s, n, 8);
            }
}

/* Outputs that are one tile of two or three a side. */
static void small_outputs(void **state) {
    (void)state;
    memset(tiles, 0, sizeof tiles);
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;)
        for (int relu = 0; relu < 2; relu++) {
            const hone_conv2d_shape three = shape_of(5, 5, 64, 64, 0, relu), two = shape_of(4, 4, 70, 40, 0, relu);
            const hone_conv2d_shape padded = shape_of(3, 3, 48, 64, 1, relu);
            check(k, &three, 8, 3);
            check(k, &two, 9, 3);
            check(k, &padded, 8, 4);
        }
    assert_true(tiles[2] > 0 && tiles[3] > 0);
}

/* Tiles are transformed some hundred at a time: what one round leaves the next adds to. */
static void many_tiles(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
        const hone_conv2d_shape large = shape_of(70, 50, 16, 16, 1, false), small = shape_of(6, 6, 16, 20, 1, true);
        check(k, &large, 2, 4);
        check(k, &small, 37, 4);
    }
}

/* A NaN reaches the filter it belongs to and no other. */
static void nan_stays_with_its_filter(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
        const hone_conv2d_shape s = shape_of(12, 12, 32, 40, 1, false);
        const size_t size = cc_kernel(&s);
        hone_conv2d plan;
        k->conv2d_plan(&plan, &s, true);
        float *x = kt_random_floats(cc_input(&s), -1, 1), *dy = kt_random_floats(cc_output(&s), -1, 1);
        float *scratch = kt_floats(plan.scratch_backward_weights), *dkernel = kt_floats(size);
        dy[5 * 40 + 21] = NAN;
        k->conv2d_backward_weights(&plan, 1, x, dy, NULL, NULL, false, dkernel, NULL, scratch);
        size_t bad = 0;
        for (size_t j = 0; j < size; j++) {
            if (isnan(dkernel[j])) assert_int_equal(j % 40, 21);
            bad += isnan(dkernel[j]) != 0;
        }
        assert_true(bad >= (size_t)s.c);
        kt_release_all();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(error_is_that_of_a_plain_sum),
        cmocka_unit_test(ragged_shapes),
        cmocka_unit_test(small_outputs),
        cmocka_unit_test(many_tiles),
        cmocka_unit_test(nan_stays_with_its_filter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
