/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions at every level against naive loops in double: forwards and both ways backwards, strides, dilations,
 * groups, borders, ReLU, fused pooling; batches cut anywhere give the same bits. */
#include "kernel_test.h"
#include "conv2d_case.h"

typedef struct run {
    hone_conv2d plan;
    size_t n, input, output, map, kernel_size;
    float *x, *kernel, *bias, *y, *dy, *dx, *dkernel, *dbias;
    float *packed_forward, *packed_backward;
    uint8_t *argmax;
} run;

static run make(const hone_kernels *k, const hone_conv2d_shape *s, size_t n) {
    run r = {.n = n};
    k->conv2d_plan(&r.plan, s, true);
    assert_non_null(r.plan.algorithm);
    r.input = cc_input(s), r.output = cc_output(s), r.map = cc_map(s), r.kernel_size = cc_kernel(s);
    r.x = kt_random_floats(n * r.input, -1, 1);
    r.kernel = kt_random_floats(r.kernel_size, -1, 1);
    r.bias = kt_random_floats((size_t)s->filters, -1, 1);
    r.y = kt_floats(n * r.output);
    r.argmax = kt_alloc(n * r.plan.argmax_bytes, 1);
    r.dy = kt_random_floats(n * r.output, -1, 1);
    for (size_t i = 0; i < n * r.output; i++)
        if (kt_below(8) == 0) r.dy[i] = 0; /* as behind another ReLU */
    kt_as_operand(k, r.x, n * r.input);
    kt_as_operand(k, r.kernel, r.kernel_size);
    kt_as_operand(k, r.dy, n * r.output);
    r.dx = kt_floats(n * r.input);
    r.dkernel = kt_floats(r.kernel_size);
    r.dbias = kt_floats((size_t)s->filters);
    r.packed_forward = r.kernel;
    if (r.plan.packed_forward) {
        r.packed_forward = kt_floats(r.plan.packed_forward);
        k->conv2d_pack_forward(&r.plan, r.kernel, r.packed_forward);
    }
    r.packed_backward = r.kernel;
    if (r.plan.packed_backward) {
        r.packed_backward = kt_floats(r.plan.packed_backward);
        k->conv2d_pack_backward(&r.plan, r.kernel, r.packed_backward);
    }
    return r;
}

static void forward(run *r, size_t first, size_t n, float *y, uint8_t *argmax) {
    float *scratch = kt_floats(r->plan.scratch_forward);
    r->plan.kernels->conv2d_forward(&r->plan, n, r->x + first * r->input, r->packed_forward, r->bias,
                                    y + first * r->output, argmax ? argmax + first * r->plan.argmax_bytes : NULL,
                                    scratch);
}

static void backward_input(run *r, size_t first, size_t n, float *dx) {
    float *scratch = kt_floats(r->plan.scratch_backward_input);
    r->plan.kernels->conv2d_backward_input(&r->plan, n, r->dy + first * r->output, r->y + first * r->output,
                                           r->argmax + first * r->plan.argmax_bytes, r->packed_backward,
                                           dx + first * r->input, scratch);
}

static void backward_weights(run *r, size_t first, size_t n, bool accumulate, float *dkernel, float *dbias) {
    float *scratch = kt_floats(r->plan.scratch_backward_weights);
    r->plan.kernels->conv2d_backward_weights(&r->plan, n, r->x + first * r->input, r->dy + first * r->output,
                                             r->y + first * r->output, r->argmax + first * r->plan.argmax_bytes,
                                             accumulate, dkernel, dbias, scratch);
}

static void check_forward(const hone_kernels *k, const run *r) {
    const hone_conv2d_shape *s = &r->plan.shape;
    const size_t f = (size_t)s->filters, length = r->kernel_size / f;
    double *want = kt_doubles(r->map), *size = kt_doubles(r->map);
    for (size_t i = 0; i < r->n; i++) {
        for (size_t j = 0; j < r->map; j++) {
            want[j] = s->has_bias ? (double)r->bias[j % f] : 0;
            size[j] = fabs(want[j]);
        }
        cc_sum sum = {2, r->x + i * r->input, r->kernel, NULL, NULL, want, size};
        cc_each(s, cc_visit, &sum);
        for (size_t j = 0; s->epilogue == HONE_EPILOGUE_RELU && j < r->map; j++)
            if (want[j] < 0) want[j] = 0;
        const float *y = r->y + i * r->output;
        if (!s->pool_h) {
            for (size_t j = 0; j < r->map; j++)
                kt_near(k, "conv2d", j, (double)y[j], want[j], kt_sum_tolerance(length, size[j]));
            continue;
        }
        for (size_t j = 0; j < r->output; j++) {
            const size_t px = j / f % (size_t)s->pw, py = j / f / (size_t)s->pw;
            double best = -INFINITY, tolerance = 0, chosen = NAN;
            for (int at = 0; at < s->pool_h * s->pool_w; at++) {
                const size_t oy = py * (size_t)s->pool_stride_h + (size_t)(at / s->pool_w);
                const size_t ox = px * (size_t)s->pool_stride_w + (size_t)(at % s->pool_w);
                const size_t m = (oy * (size_t)s->ow + ox) * f + j % f;
                if (want[m] > best) best = want[m];
                const double t = kt_sum_tolerance(length, size[m]);
                if (t > tolerance) tolerance = t;
                if (r->argmax[i * r->output + j] == at) chosen = want[m];
            }
            kt_near(k, "conv2d+pool", j, (double)y[j], best, tolerance);
            kt_near(k, "conv2d argmax", j, chosen, best, 2 * tolerance); /* a NaN here: argmax is no place at all */
        }
    }
}

/* The gradient of one sample's map, from dy, y and argmax; overlapping windows may cancel, so sizes go beside it. */
static void map_gradient(const run *r, size_t i, double *map, double *map_size) {
    const hone_conv2d_shape *s = &r->plan.shape;
    const size_t f = (size_t)s->filters;
    memset(map, 0, r->map * sizeof *map);
    memset(map_size, 0, r->map * sizeof *map_size);
    for (size_t j = 0; j < r->output; j++) {
        size_t at = j;
        const size_t q = i * r->output + j;
        if (s->pool_h) {
            const size_t px = j / f % (size_t)s->pw, py = j / f / (size_t)s->pw;
            const size_t oy = py * (size_t)s->pool_stride_h + r->argmax[q] / (size_t)s->pool_w;
            const size_t ox = px * (size_t)s->pool_stride_w + r->argmax[q] % (size_t)s->pool_w;
            at = (oy * (size_t)s->ow + ox) * f + j % f;
        }
        if (s->epilogue == HONE_EPILOGUE_RELU && !(r->y[q] > 0)) continue;
        map[at] += (double)r->dy[q];
        map_size[at] += fabs((double)r->dy[q]);
    }
}

static void check_backward(const hone_kernels *k, const run *r, const float *add_kernel, const float *add_bias) {
    const hone_conv2d_shape *s = &r->plan.shape;
    const size_t f = (size_t)s->filters, reach = (size_t)(s->kh * s->kw) * f / (size_t)s->groups;
    /* Where windows overlap, gradients are added up before they are rounded to be multiplied. */
    const bool overlap = s->pool_h && (s->pool_stride_h < s->pool_h || s->pool_stride_w < s->pool_w);
    const double rounding = overlap && kt_rounds(k) ? 0x1p-8 : 0;
    double *map = kt_doubles(r->map), *map_size = kt_doubles(r->map);
    double *dx = kt_doubles(r->input), *dx_size = kt_doubles(r->input);
    double *dkernel = kt_doubles(r->kernel_size), *dkernel_size = kt_doubles(r->kernel_size);
    double *dbias = kt_doubles(f), *dbias_size = kt_doubles(f);
    for (size_t j = 0; j < r->kernel_size; j++) {
        dkernel[j] = add_kernel ? (double)add_kernel[j] : 0;
        dkernel_size[j] = fabs(dkernel[j]);
    }
    for (size_t j = 0; j < f; j++) {
        dbias[j] = add_bias ? (double)add_bias[j] : 0;
        dbias_size[j] = fabs(dbias[j]);
    }
    for (size_t i = 0; i < r->n; i++) {
        map_gradient(r, i, map, map_size);
        for (size_t j = 0; j < r->map; j++) {
            dbias[j % f] += map[j];
            dbias_size[j % f] += map_size[j];
        }
        cc_sum weights = {1, r->x + i * r->input, NULL, map, map_size, dkernel, dkernel_size};
        cc_each(s, cc_visit, &weights);
        memset(dx, 0, r->input * sizeof *dx);
        memset(dx_size, 0, r->input * sizeof *dx_size);
        cc_sum input = {0, NULL, r->kernel, map, map_size, dx, dx_size};
        cc_each(s, cc_visit, &input);
        for (size_t j = 0; j < r->input; j++)
            kt_near(k, "conv2d dx", j, (double)r->dx[i * r->input + j], dx[j],
                    kt_sum_tolerance(reach, dx_size[j]) + rounding * dx_size[j]);
    }
    const size_t length = r->n * r->map / f;
    for (size_t j = 0; j < r->kernel_size; j++)
        kt_near(k, "conv2d dkernel", j, (double)r->dkernel[j], dkernel[j],
                kt_sum_tolerance(length, dkernel_size[j]) + rounding * dkernel_size[j]);
    for (size_t j = 0; j < f; j++)
        kt_near(k, "conv2d dbias", j, (double)r->dbias[j], dbias[j], kt_sum_tolerance(length, dbias_size[j]));
}

static void check(const hone_kernels *k, const conv2d_case *c, size_t n) {
    hone_conv2d_shape s;
    if (!cc_shape(c, &s)) return;
    run r = make(k, &s, n);
    forward(&r, 0, n, r.y, r.argmax);
    check_forward(k, &r);

    /* Cut anywhere, with and without argmax: the same bits. */
    const size_t cut = n / 2;
    float *again = kt_floats(n * r.output);
    uint8_t *again_argmax = kt_alloc(n * r.plan.argmax_bytes, 1);
    forward(&r, 0, cut, again, again_argmax);
    forward(&r, cut, n - cut, again, NULL);
    kt_same_bits(k, "conv2d cut", again, r.y, n * r.output * sizeof *again);
    kt_same_bits(k, "conv2d cut argmax", again_argmax, r.argmax, cut * r.plan.argmax_bytes);

    backward_input(&r, 0, n, r.dx);
    backward_weights(&r, 0, n, false, r.dkernel, r.dbias);
    check_backward(k, &r, NULL, NULL);
    float *dx = kt_floats(n * r.input);
    backward_input(&r, 0, cut, dx);
    backward_input(&r, cut, n - cut, dx);
    kt_same_bits(k, "conv2d dx cut", dx, r.dx, n * r.input * sizeof *dx);

    /* Added to what is there; and without dbias. */
    float *kernel_before = kt_random_floats(r.kernel_size, -1, 1),
          *bias_before = kt_random_floats((size_t)s.filters, -1, 1);
    float *plain = kt_copy(r.dkernel, r.kernel_size);
    memcpy(r.dkernel, kernel_before, r.kernel_size * sizeof *kernel_before);
    memcpy(r.dbias, bias_before, (size_t)s.filters * sizeof *bias_before);
    backward_weights(&r, 0, n, true, r.dkernel, r.dbias);
    check_backward(k, &r, kernel_before, bias_before);
    float *alone = kt_floats(r.kernel_size);
    backward_weights(&r, 0, n, false, alone, NULL);
    kt_same_bits(k, "conv2d dkernel again", alone, plain, r.kernel_size * sizeof *alone);
    kt_release_all();
}

static void check_all(const conv2d_case *cases, size_t count) {
    for (const hone_kernels *k = NULL; (k = kt_next_product_level(k)) != NULL;)
        for (size_t i = 0; i < count; i++)
            for (int relu = 0; relu < 2; relu++) {
                conv2d_case c = cases[i];
                c.relu = relu;
                check(k, &c, 3);
            }
}

#define CHECK_ALL(cases) check_all(cases, sizeof(cases) / sizeof *(cases))

static void shapes_of_networks(void **state) {
    (void)state;
    static const conv2d_case cases[] = {
        {.h = 28, .w = 28, .c = 1, .kh = 3, .kw = 3, .filters = 32, .pool_h = 2, .pool_w = 2},
        {.h = 13, .w = 13, .c = 32, .kh = 3, .kw = 3, .filters = 64, .pool_h = 2, .pool_w = 2},
        {.h = 5, .w = 5, .c = 64, .kh = 3, .kw = 3, .filters = 64},
        {.h = 12, .w = 12, .c = 3, .kh = 5, .kw = 5, .filters = 16, .pool_h = 2, .pool_w = 2},
        {.h = 16,
         .w = 16,
         .c = 3,
         .kh = 7,
         .kw = 7,
         .filters = 20,
         .stride_h = 2,
         .stride_w = 2,
         .pad_top = 2,
         .pad_left = 2,
         .pad_bottom = 3,
         .pad_right = 3,
         .pool_h = 3,
         .pool_w = 3,
         .pool_stride_h = 2,
         .pool_stride_w = 2},
        {.h = 6, .w = 6, .c = 70, .kh = 1, .kw = 1, .filters = 130},
        {.h = 8,
         .w = 8,
         .c = 20,
         .kh = 3,
         .kw = 3,
         .filters = 66,
         .pad_top = 1,
         .pad_left = 1,
         .pad_bottom = 1,
         .pad_right = 1},
        {.h = 9,
         .w = 8,
         .c = 6,
         .kh = 3,
         .kw = 3,
         .filters = 4,
         .groups = 2,
         .pad_top = 1,
         .pad_left = 1,
         .pad_bottom = 1,
         .pad_right = 1},
        {.h = 7, .w = 7, .c = 40, .kh = 3, .kw = 3, .filters = 80, .groups = 2, .pool_h = 2, .pool_w = 2},
    };
    CHECK_ALL(cases);
}

static void awkward_shapes(void **state) {
    (void)state;
    static const conv2d_case cases[] = {
        {.h = 1, .w = 1, .c = 1, .kh = 1, .kw = 1, .filters = 1},
        {.h = 1, .w = 9, .c = 2, .kh = 1, .kw = 3, .filters = 17, .no_bias = true},
        {.h = 9, .w = 1, .c = 17, .kh = 3, .kw = 1, .filters = 2},
        {.h = 5, .w = 5, .c = 2, .kh = 1, .kw = 1, .filters = 3, .stride_h = 3, .stride_w = 2}, /* skips inputs */
        {.h = 7, .w = 6, .c = 2, .kh = 2, .kw = 2, .filters = 5, .stride_h = 3, .stride_w = 3},
        {.h = 11, .w = 10, .c = 3, .kh = 3, .kw = 2, .filters = 9, .dilation_h = 2, .dilation_w = 3},
        {.h = 11,
         .w = 12,
         .c = 3,
         .kh = 3,
         .kw = 3,
         .filters = 9,
         .dilation_h = 2,
         .dilation_w = 2,
         .stride_h = 2,
         .stride_w = 3,
         .pad_top = 2,
         .pad_left = 1,
         .pad_bottom = 2,
         .pad_right = 3},
        {.h = 3,
         .w = 3,
         .c = 2,
         .kh = 5,
         .kw = 5,
         .filters = 4,
         .pad_top = 4,
         .pad_left = 4,
         .pad_bottom = 4,
         .pad_right = 4}, /* windows wholly in the border */
        {.h = 6, .w = 6, .c = 1, .kh = 3, .kw = 3, .filters = 33, .pool_h = 3, .pool_w = 1, .pool_stride_h = 1},
        {.h = 9,
         .w = 9,
         .c = 2,
         .kh = 2,
         .kw = 2,
         .filters = 3,
         .pool_h = 2,
         .pool_w = 2,
         .pool_stride_h = 3,
         .pool_stride_w = 3}, /* gaps between windows */
        {.h = 9,
         .w = 9,
         .c = 16,
         .kh = 3,
         .kw = 3,
         .filters = 16,
         .pad_top = 1,
         .pad_left = 1,
         .pad_bottom = 1,
         .pad_right = 1,
         .pool_h = 2,
         .pool_w = 2,
         .no_bias = true},
        {.h = 8,
         .w = 8,
         .c = 4,
         .kh = 3,
         .kw = 3,
         .filters = 8,
         .groups = 4,
         .stride_h = 2,
         .stride_w = 2,
         .pool_h = 2,
         .pool_w = 2},
        {.h = 12,
         .w = 11,
         .c = 5,
         .kh = 3,
         .kw = 3,
         .filters = 40,
         .stride_h = 2,
         .stride_w = 1,
         .dilation_w = 2,
         .pad_top = 1,
         .pad_left = 2,
         .pool_h = 2,
         .pool_w = 2},
        {.h = 12,
         .w = 12,
         .c = 3,
         .kh = 3,
         .kw = 3,
         .filters = 21,
         .pad_top = 1,
         .pad_left = 1,
         .pad_bottom = 1,
         .pad_right = 1,
         .pool_h = 2,
         .pool_w = 2}, /* few channels: looked up */
        {.h = 15,
         .w = 15,
         .c = 1,
         .kh = 2,
         .kw = 5,
         .filters = 37,
         .stride_h = 2,
         .pool_h = 2,
         .pool_w = 2,
         .pool_stride_h = 1},
        {.h = 16,
         .w = 16,
         .c = 2,
         .kh = 3,
         .kw = 3,
         .filters = 18,
         .stride_w = 2,
         .dilation_h = 2,
         .pad_left = 1,
         .pool_h = 2,
         .pool_w = 2,
         .pool_stride_w = 3},
        {.h = 9, .w = 9, .c = 100, .kh = 3, .kw = 3, .filters = 18, .pool_h = 2, .pool_w = 2}, /* runs in pieces */
        {.h = 10, .w = 10, .c = 33, .kh = 3, .kw = 3, .filters = 70, .dilation_w = 2, .pool_h = 2, .pool_w = 2},
        {.h = 4, .w = 4, .c = 70, .kh = 3, .kw = 3, .filters = 40, .dilation_w = 1}, /* scattered */
        {.h = 40, .w = 40, .c = 2, .kh = 3, .kw = 3, .filters = 5},                  /* more windows than one chunk */
    };
    CHECK_ALL(cases);
}

static void random_shapes(void **state) {
    (void)state;
    for (int i = 0; i < 150; i++) {
        conv2d_case c = {.h = 1 + (int)kt_below(12),
                         .w = 1 + (int)kt_below(12),
                         .kh = 1 + (int)kt_below(4),
                         .kw = 1 + (int)kt_below(4),
                         .stride_h = 1 + (int)kt_below(3),
                         .stride_w = 1 + (int)kt_below(3)};
        c.dilation_h = 1 + (int)kt_below(2), c.dilation_w = 1 + (int)kt_below(2);
        c.groups = 1 + (int)kt_below(3) / 2;
        c.c = c.groups * (1 + (int)kt_below(20));
        c.filters = c.groups * (1 + (int)kt_below(40));
        c.pad_top = (int)kt_below(3), c.pad_left = (int)kt_below(3);
        c.pad_bottom = (int)kt_below(3), c.pad_right = (int)kt_below(3);
        if (kt_below(2)) {
            c.pool_h = 1 + (int)kt_below(3), c.pool_w = 1 + (int)kt_below(3);
            c.pool_stride_h = 1 + (int)kt_below(3), c.pool_stride_w = 1 + (int)kt_below(3);
        }
        c.relu = kt_below(2);
        c.no_bias = kt_below(4) == 0;
        for (const hone_kernels *k = NULL; (k = kt_next_product_level(k)) != NULL;) check(k, &c, 1 + kt_below(4));
    }
}

/* Pooling windows of one to three a side: some are taken in registers, some from a strip. */
static conv2d_case pooled_case(int pool_h, int pool_w) {
    return (conv2d_case){.h = 2 * pool_h,
                         .w = 2 * pool_w,
                         .c = 1,
                         .kh = 1,
                         .kw = 1,
                         .filters = 19,
                         .pool_h = pool_h,
                         .pool_w = pool_w,
                         .relu = true};
}

/* Equal values: the first in scan order is the maximum. */
static void ties_go_to_the_first(void **state) {
    (void)state;
    for (int size = 0; size < 9; size++) {
        const conv2d_case c = pooled_case(1 + size / 3, 1 + size % 3);
        hone_conv2d_shape s;
        assert_true(cc_shape(&c, &s));
        for (const hone_kernels *k = NULL; (k = kt_next_product_level(k)) != NULL;) {
            run r = make(k, &s, 2);
            for (size_t i = 0; i < 2 * r.input; i++) r.x[i] = 0.5f;
            forward(&r, 0, 2, r.y, r.argmax);
            for (size_t i = 0; i < 2 * r.output; i++) assert_int_equal(r.argmax[i], 0);
            kt_release_all();
        }
    }
}

/* A NaN in an image is in every output that sees it, through ReLU and pooling wherever it lies in the window, and in no
 * other. */
static void nan_comes_through(void **state) {
    (void)state;
    for (int size = 0; size < 9; size++)
        for (int y = 0; y < 1 + size / 3; y++)
            for (int x = 0; x < 1 + size % 3; x++) {
                const conv2d_case c = pooled_case(1 + size / 3, 1 + size % 3);
                hone_conv2d_shape s;
                assert_true(cc_shape(&c, &s));
                for (const hone_kernels *k = NULL; (k = kt_next_product_level(k)) != NULL;) {
                    run r = make(k, &s, 2);
                    r.x[y * s.w + x] = NAN;
                    forward(&r, 0, 2, r.y, r.argmax);
                    for (size_t i = 0; i < 2 * r.output; i++) assert_int_equal(isnan(r.y[i]) != 0, i < 19);
                    kt_release_all();
                }
            }
}

/* A NaN in dy is in the gradients of what saw it and in no other sample's. */
static void nan_goes_backwards(void **state) {
    (void)state;
    static const conv2d_case cases[] = {
        {.h = 8, .w = 8, .c = 1, .kh = 3, .kw = 3, .filters = 20, .pool_h = 2, .pool_w = 2},
        {.h = 8, .w = 8, .c = 24, .kh = 3, .kw = 3, .filters = 20, .pool_h = 2, .pool_w = 2},
        {.h = 5, .w = 5, .c = 24, .kh = 3, .kw = 3, .filters = 20},
        {.h = 8,
         .w = 8,
         .c = 24,
         .kh = 3,
         .kw = 3,
         .filters = 20,
         .pad_top = 1,
         .pad_left = 1,
         .pad_bottom = 1,
         .pad_right = 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (const hone_kernels *k = NULL; (k = kt_next_product_level(k)) != NULL;) {
            hone_conv2d_shape s;
            assert_true(cc_shape(&cases[i], &s));
            run r = make(k, &s, 2);
            forward(&r, 0, 2, r.y, r.argmax);
            r.dy[7] = NAN;
            backward_input(&r, 0, 2, r.dx);
            backward_weights(&r, 0, 2, false, r.dkernel, r.dbias);
            size_t seen = 0;
            for (size_t j = 0; j < r.input; j++) seen += isnan(r.dx[j]) != 0;
            assert_true(seen > 0);
            for (size_t j = r.input; j < 2 * r.input; j++) assert_false(isnan(r.dx[j]));
            for (size_t j = 0; j < r.kernel_size; j++) assert_int_equal(isnan(r.dkernel[j]) != 0, j % 20 == 7);
            for (size_t j = 0; j < 20; j++) assert_int_equal(isnan(r.dbias[j]) != 0, j == 7);
            kt_release_all();
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_of_networks), cmocka_unit_test(awkward_shapes),
        cmocka_unit_test(random_shapes),      cmocka_unit_test(ties_go_to_the_first),
        cmocka_unit_test(nan_comes_through),  cmocka_unit_test(nan_goes_backwards),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
