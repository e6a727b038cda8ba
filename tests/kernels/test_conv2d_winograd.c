/* SPDX-License-Identifier: Apache-2.0
 *
 * Convolutions that go by Winograd's way, forwards and for the input gradient: every size of tile, on ragged shapes,
 * against loops in double with the bound that conv2d_winograd_template.h states, and on average not much worse than a
 * plain float chain; what a NaN may reach; planes of one channel. */
#include "kernel_test.h"
#include "conv2d_case.h"

#include <stdlib.h>

/* Which ways the cases of a test took, forwards: [tile][pooled]. And with the adjoint for the input gradient. */
static size_t ways[8][2], adjoints[8];
enum { INPUT = 7, INPUT_ADJOINT = 4 }; /* of variant, as conv2d_plan_template.h has them */

typedef struct sample {
    hone_conv2d plan;
    const float *kernel;
    float *x, *bias, *y, *packed, *scratch;
    uint8_t *argmax;
    size_t n, input, output, map;
} sample;

static sample make(const hone_kernels *k, const hone_conv2d_shape *s, size_t n, bool training) {
    sample r = {.n = n, .input = cc_input(s), .output = cc_output(s), .map = cc_map(s)};
    k->conv2d_plan(&r.plan, s, training);
    r.x = kt_random_floats(n * r.input, -1, 1);
    float *kernel = kt_random_floats(cc_kernel(s), -1, 1);
    r.kernel = kernel;
    r.bias = kt_random_floats((size_t)s->filters, -1, 1);
    r.y = kt_floats(n * r.output);
    r.argmax = kt_alloc(n * r.plan.argmax_bytes, 1);
    r.packed = kernel;
    if (r.plan.packed_forward) {
        r.packed = kt_floats(r.plan.packed_forward);
        k->conv2d_pack_forward(&r.plan, kernel, r.packed);
    }
    r.scratch = kt_floats(r.plan.scratch_forward);
    if (strncmp(r.plan.algorithm, "winograd", 8) == 0) ways[r.plan.block[0]][s->pool_h > 0]++;
    return r;
}

static void forward(sample *r, size_t first, size_t n, float *y, uint8_t *argmax) {
    r->plan.kernels->conv2d_forward(&r->plan, n, r->x + first * r->input, r->packed, r->bias, y + first * r->output,
                                    argmax ? argmax + first * r->plan.argmax_bytes : NULL, r->scratch);
}

/* The bound: so many products of the largest input and the largest sum of a filter's sizes. */
static double bound(const hone_conv2d_shape *s, const float *kernel, double largest) {
    double most = 0;
    for (int f = 0; f < s->filters; f++) {
        double sum = 0;
        for (size_t i = (size_t)f; i < cc_kernel(s); i += (size_t)s->filters) sum += fabs((double)kernel[i]);
        if (sum > most) most = sum;
    }
    return 16 * (double)(9 * s->c + 4) * (double)FLT_EPSILON * largest * most;
}

/* One sample's map in double, before pooling and ReLU. */
static double *map_of(const sample *r, size_t i) {
    const hone_conv2d_shape *s = &r->plan.shape;
    double *map = kt_doubles(r->map), *size = kt_doubles(r->map);
    for (size_t j = 0; j < r->map; j++) {
        map[j] = s->has_bias ? (double)r->bias[j % (size_t)s->filters] : 0;
        size[j] = 0;
    }
    cc_sum sum = {2, r->x + i * r->input, r->kernel, NULL, NULL, map, size};
    cc_each(s, cc_visit, &sum);
    return map;
}

static double behind(const hone_conv2d_shape *s, double value) {
    return s->epilogue == HONE_EPILOGUE_RELU && value < 0 ? 0 : value;
}

static void check_forward(const hone_kernels *k, const sample *r, size_t i, bool with_argmax) {
    const hone_conv2d_shape *s = &r->plan.shape;
    const size_t f = (size_t)s->filters;
    const double *map = map_of(r, i), tolerance = bound(s, r->kernel, 1);
    const float *y = r->y + i * r->output;
    for (size_t j = 0; j < r->output; j++) {
        if (!s->pool_h) {
            kt_near(k, "winograd", j, (double)y[j], behind(s, map[j]), tolerance);
            continue;
        }
        const size_t px = j / f % (size_t)s->pw, py = j / f / (size_t)s->pw;
        double best = -INFINITY, chosen = NAN;
        for (int at = 0; at < s->pool_h * s->pool_w; at++) {
            const size_t oy = py * (size_t)s->pool_stride_h + (size_t)(at / s->pool_w);
            const size_t ox = px * (size_t)s->pool_stride_w + (size_t)(at % s->pool_w);
            const double value = map[(oy * (size_t)s->ow + ox) * f + j % f];
            if (value > best) best = value;
            if (with_argmax && r->argmax[i * r->output + j] == at) chosen = value;
        }
        kt_near(k, "winograd+pool", j, (double)y[j], behind(s, best), tolerance);
        if (with_argmax) kt_near(k, "winograd argmax", j, chosen, best, 2 * tolerance);
    }
}

/* dx against doubles, from the y and the argmax that forward left. */
static void check_input_gradient(const hone_kernels *k, sample *r) {
    const hone_conv2d_shape *s = &r->plan.shape;
    const size_t f = (size_t)s->filters;
    float *dy = kt_random_floats(r->n * r->output, -1, 1), *dx = kt_floats(r->n * r->input);
    float *packed = kt_floats(r->plan.packed_backward), *scratch = kt_floats(r->plan.scratch_backward_input);
    k->conv2d_pack_backward(&r->plan, r->kernel, packed);
    k->conv2d_backward_input(&r->plan, r->n, dy, r->y, r->argmax, packed, dx, scratch);
    if ((r->plan.variant & INPUT) == INPUT_ADJOINT) adjoints[r->plan.block[1]]++;
    double *map = kt_doubles(r->map), *sizes = kt_doubles(r->map), *want = kt_doubles(r->input);
    double *size = kt_doubles(r->input);
    for (size_t i = 0; i < r->n; i++) {
        memset(map, 0, r->map * sizeof *map);
        for (size_t j = 0; j < r->output; j++) {
            const size_t q = i * r->output + j;
            size_t at = j;
            if (s->epilogue == HONE_EPILOGUE_RELU && !(r->y[q] > 0)) continue;
            if (s->pool_h) {
                const size_t px = j / f % (size_t)s->pw * 2 + r->argmax[q] % 2u;
                const size_t py = j / f / (size_t)s->pw * 2 + r->argmax[q] / 2u;
                at = (py * (size_t)s->ow + px) * f + j % f;
            }
            map[at] += (double)dy[q];
        }
        for (size_t j = 0; j < r->map; j++) sizes[j] = fabs(map[j]);
        memset(want, 0, r->input * sizeof *want);
        memset(size, 0, r->input * sizeof *size);
        cc_sum sum = {0, NULL, r->kernel, map, sizes, want, size};
        cc_each(s, cc_visit, &sum);
        /* All channels' sums go into the bound here. */
        double most = 0;
        for (size_t j = 0; j < cc_kernel(s); j++) most += fabs((double)r->kernel[j]) / (double)s->c;
        const double tolerance = 2 * 16 * (double)(9 * f + 4) * (double)FLT_EPSILON * most;
        for (size_t j = 0; j < r->input; j++)
            kt_near(k, "winograd dx", j, (double)dx[i * r->input + j], want[j], tolerance);
    }
    float *again = kt_floats(r->n * r->input);
    for (size_t i = r->n; i-- > 0;)
        k->conv2d_backward_input(&r->plan, 1, dy + i * r->output, r->y + i * r->output,
                                 r->argmax + i * r->plan.argmax_bytes, packed, again + i * r->input, scratch);
    kt_same_bits(k, "winograd dx cut", again, dx, r->n * r->input * sizeof *dx);
}

static void check(const hone_kernels *k, const hone_conv2d_shape *s, size_t n) {
    sample r = make(k, s, n, true);
    forward(&r, 0, n, r.y, r.argmax);
    for (size_t i = 0; i < n; i++) check_forward(k, &r, i, true);

    /* One by one, the last one first, with and without argmax: the same bits. And so in a plan for inference. */
    float *again = kt_floats(n * r.output);
    uint8_t *argmax = kt_alloc(n * r.plan.argmax_bytes, 1);
    for (size_t i = n; i-- > 0;) forward(&r, i, 1, again, i % 2 ? argmax : NULL);
    kt_same_bits(k, "winograd cut", again, r.y, n * r.output * sizeof *again);
    for (size_t i = 1; i < n; i += 2)
        kt_same_bits(k, "winograd cut argmax", argmax + i * r.plan.argmax_bytes, r.argmax + i * r.plan.argmax_bytes,
                     r.plan.argmax_bytes);
    hone_conv2d inference;
    k->conv2d_plan(&inference, s, false);
    assert_int_equal(inference.packed_forward, r.plan.packed_forward);
    k->conv2d_forward(&inference, n, r.x, r.packed, r.bias, again, NULL, kt_floats(inference.scratch_forward));
    kt_same_bits(k, "winograd inference", again, r.y, n * r.output * sizeof *again);
    if (r.plan.packed_backward) check_input_gradient(k, &r);
    kt_release_all();
}

static conv2d_case random_case(int least, int most) {
    conv2d_case c = {.h = 3 + (int)kt_below(10), .w = 3 + (int)kt_below(10), .kh = 3, .kw = 3};
    c.c = least + (int)kt_below((size_t)(most - least));
    c.filters = least + (int)kt_below((size_t)(most - least));
    if (kt_below(2)) {
        c.pad_top = (int)kt_below(3), c.pad_left = (int)kt_below(3);
        c.pad_bottom = (int)kt_below(3), c.pad_right = (int)kt_below(3);
    }
    if (kt_below(3) == 0) c.pool_h = c.pool_w = 2;
    c.relu = kt_below(2);
    c.no_bias = kt_below(4) == 0;
    return c;
}

static void random_shapes(void **state) {
    (void)state;
    memset(ways, 0, sizeof ways);
    for (int i = 0; i < 40; i++) {
        conv2d_case c = random_case(20, 75);
        hone_conv2d_shape s;
        if (i % 4 == 0) c.h = 4, c.pad_top = c.pad_bottom = 0; /* two rows: the smallest tiles */
        if (!cc_shape(&c, &s)) continue;
        for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) check(k, &s, 1 + kt_below(4));
    }
    for (int tile = 2; tile <= 4; tile++) assert_true(ways[tile][0] > 0);
    assert_true(ways[2][1] > 0 && ways[4][1] > 0);
}

/* More tiles than are worked on together, more filters than a panel has. */
static void larger_shapes(void **state) {
    (void)state;
    static const conv2d_case cases[] = {
        {.h = 30, .w = 26, .c = 33, .kh = 3, .kw = 3, .filters = 70, .pad_top = 1, .pad_left = 1, .relu = true},
        {.h = 22, .w = 30, .c = 40, .kh = 3, .kw = 3, .filters = 34, .pool_h = 2, .pool_w = 2, .relu = true},
        {.h = 6, .w = 6, .c = 150, .kh = 3, .kw = 3, .filters = 140, .pad_bottom = 1, .pad_right = 1},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
            hone_conv2d_shape s;
            assert_true(cc_shape(&cases[i], &s));
            check(k, &s, 2);
        }
}

/* Without padding the input gradient goes by the adjoint of the way forwards: one exact tile, tiles whose patches
 * overlap, tiles that reach out of the output. */
static void adjoint_shapes(void **state) {
    (void)state;
    static const conv2d_case cases[] = {
        {.h = 5, .w = 5, .c = 64, .kh = 3, .kw = 3, .filters = 64, .relu = true},
        {.h = 4, .w = 4, .c = 70, .kh = 3, .kw = 3, .filters = 40},
        {.h = 6, .w = 6, .c = 33, .kh = 3, .kw = 3, .filters = 129, .relu = true},
        {.h = 8, .w = 9, .c = 40, .kh = 3, .kw = 3, .filters = 37},
        {.h = 6, .w = 5, .c = 48, .kh = 3, .kw = 3, .filters = 64, .pad_top = 1, .relu = true},
        {.h = 4, .w = 16, .c = 64, .kh = 3, .kw = 3, .filters = 70},
    };
    memset(adjoints, 0, sizeof adjoints);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;)
            for (size_t n = 1; n < 10; n += 8) {
                hone_conv2d_shape s;
                assert_true(cc_shape(&cases[i], &s));
                check(k, &s, n);
            }
    assert_true(adjoints[2] > 0 && adjoints[3] > 0 && adjoints[4] > 0);
}

/* One channel: rows of more tiles than are worked on together, of one tile, and borders. */
static void planes(void **state) {
    (void)state;
    memset(ways, 0, sizeof ways);
    for (int i = 0; i < 60; i++) {
        conv2d_case c = random_case(1, 40);
        c.c = 1;
        if (i % 3 == 0) c.w += 30 + (int)kt_below(40);
        hone_conv2d_shape s;
        if (!cc_shape(&c, &s)) continue;
        for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) check(k, &s, 1 + kt_below(3));
    }
    assert_true(ways[2][0] > 0 && ways[2][1] > 0);
}

/* The mean error beside that of a float chain over the same products. */
static void mean_error(void **state) {
    (void)state;
    static const struct {
        int h, w, c, tile;
    } cases[] = {{4, 16, 256, 2}, {5, 5, 64, 3}, {14, 14, 64, 4}, {10, 10, 256, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
            const conv2d_case c = {.h = cases[i].h, .w = cases[i].w, .c = cases[i].c, .kh = 3, .kw = 3, .filters = 48};
            hone_conv2d_shape s;
            assert_true(cc_shape(&c, &s));
            sample r = make(k, &s, 1, false);
            assert_int_equal(r.plan.block[0], cases[i].tile);
            forward(&r, 0, 1, r.y, NULL);
            const double *want = map_of(&r, 0);
            double error = 0, chain_error = 0;
            for (size_t j = 0; j < r.map; j++) {
                const size_t f = j % 48, ox = j / 48 % (size_t)s.ow, oy = j / 48 / (size_t)s.ow;
                float chain = 0;
                for (size_t tap = 0; tap < 9; tap++)
                    for (size_t q = 0; q < (size_t)s.c; q++)
                        chain += r.x[((oy + tap / 3) * (size_t)s.w + ox + tap % 3) * (size_t)s.c + q] *
                                 r.kernel[(tap * (size_t)s.c + q) * 48 + f];
                chain += r.bias[f];
                error += fabs((double)r.y[j] - want[j]);
                chain_error += fabs((double)chain - want[j]);
            }
            if (!(error <= 2.2 * chain_error))
                fail_msg("%s: tile %d, %d channels: %.2f times the error of a chain", k->name, cases[i].tile, s.c,
                         error / chain_error);
            kt_release_all();
        }
}

/* The same for the input gradient, where it goes by the adjoint. */
static void mean_error_of_the_adjoint(void **state) {
    (void)state;
    static const struct { int h, w, tile; } cases[] = {{4, 16, 2}, {5, 5, 3}, {6, 6, 4}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
            const conv2d_case c = {.h = cases[i].h, .w = cases[i].w, .c = 48, .kh = 3, .kw = 3, .filters = 128};
            hone_conv2d_shape s;
            assert_true(cc_shape(&c, &s));
            sample r = make(k, &s, 1, true);
            assert_int_equal(r.plan.variant & INPUT, INPUT_ADJOINT);
            assert_int_equal(r.plan.block[1], cases[i].tile);
            float *dy = kt_random_floats(r.output, -1, 1), *dx = kt_floats(r.input), *chain = kt_floats(r.input);
            float *packed = kt_floats(r.plan.packed_backward), *scratch = kt_floats(r.plan.scratch_backward_input);
            k->conv2d_pack_backward(&r.plan, r.kernel, packed);
            k->conv2d_backward_input(&r.plan, 1, dy, NULL, NULL, packed, dx, scratch);
            double *map = kt_doubles(r.map), *want = kt_doubles(r.input), *size = kt_doubles(r.input);
            memset(chain, 0, r.input * sizeof *chain);
            memset(want, 0, r.input * sizeof *want);
            memset(size, 0, r.input * sizeof *size);
            for (size_t j = 0; j < r.map; j++) map[j] = (double)dy[j];
            cc_sum exact = {0, NULL, r.kernel, map, map, want, size};
            cc_each(&s, cc_visit, &exact);
            for (size_t j = 0; j < r.map; j++)
                for (size_t tap = 0; tap < 9; tap++)
                    for (size_t q = 0; q < 48; q++) {
                        const size_t pixel = j / 128, oy = pixel / (size_t)s.ow, ox = pixel % (size_t)s.ow;
                        chain[((oy + tap / 3) * (size_t)s.w + ox + tap % 3) * 48 + q] +=
                            dy[j] * r.kernel[(tap * 48 + q) * 128 + j % 128];
                    }
            double error = 0, chain_error = 0;
            for (size_t j = 0; j < r.input; j++) {
                error += fabs((double)dx[j] - want[j]);
                chain_error += fabs((double)chain[j] - want[j]);
            }
            if (!(error <= 3 * chain_error))
                fail_msg("%s: tile %d: %.2f times the error of a chain", k->name, cases[i].tile, error / chain_error);
            kt_release_all();
        }
}

/* What sees a NaN or an infinity is not finite, what is further away than a patch is as it was, other samples too. */
static void what_is_not_finite(void **state) {
    (void)state;
    static const conv2d_case cases[] = {
        {.h = 12, .w = 12, .c = 1, .kh = 3, .kw = 3, .filters = 20},
        {.h = 4, .w = 4, .c = 64, .kh = 3, .kw = 3, .filters = 64},
        {.h = 8, .w = 8, .c = 64, .kh = 3, .kw = 3, .filters = 64, .relu = true},
        {.h = 18, .w = 18, .c = 64, .kh = 3, .kw = 3, .filters = 64},
    };
    static const float values[] = {NAN, INFINITY, -INFINITY};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;)
            for (size_t v = 0; v < 3; v++) {
                hone_conv2d_shape s;
                assert_true(cc_shape(&cases[i], &s));
                sample r = make(k, &s, 2, false);
                forward(&r, 0, 2, r.y, NULL);
                float *before = kt_copy(r.y, 2 * r.output);
                const int at_y = s.h / 2, at_x = s.w / 2, reach = r.plan.block[0] ? r.plan.block[0] + 1 : 2;
                r.x[(at_y * s.w + at_x) * s.c] = values[v];
                forward(&r, 0, 2, r.y, NULL);
                for (size_t j = 0; j < 2 * r.output; j++) {
                    const size_t pixel = j % r.output / (size_t)s.filters;
                    const int dy = at_y - (int)(pixel / (size_t)s.ow), dx = at_x - (int)(pixel % (size_t)s.ow);
                    const bool sees = j < r.output && dy >= 0 && dy < 3 && dx >= 0 && dx < 3;
                    if (sees && (v == 0 || !cases[i].relu)) assert_false(isfinite(r.y[j]));
                    if (j >= r.output || abs(dy) > reach || abs(dx) > reach)
                        kt_same_bits(k, "far from a NaN", &r.y[j], &before[j], sizeof r.y[j]);
                }
                kt_release_all();
            }
}

/* Nothing but bias comes of a black picture, and the first of equals is the maximum. */
static void black_pictures(void **state) {
    (void)state;
    for (int channels = 1; channels <= 64; channels += 63)
        for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
            const conv2d_case c = {
                .h = 12, .w = 12, .c = channels, .kh = 3, .kw = 3, .filters = 40, .pool_h = 2, .pool_w = 2};
            hone_conv2d_shape s;
            assert_true(cc_shape(&c, &s));
            sample r = make(k, &s, 1, true);
            memset(r.x, 0, r.input * sizeof *r.x);
            forward(&r, 0, 1, r.y, r.argmax);
            for (size_t j = 0; j < r.output; j++) {
                assert_true(r.y[j] == r.bias[j % 40]);
                assert_int_equal(r.argmax[j], 0);
            }
            kt_release_all();
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_shapes),      cmocka_unit_test(larger_shapes),
        cmocka_unit_test(adjoint_shapes),     cmocka_unit_test(planes),
        cmocka_unit_test(mean_error),         cmocka_unit_test(mean_error_of_the_adjoint),
        cmocka_unit_test(what_is_not_finite), cmocka_unit_test(black_pictures),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
