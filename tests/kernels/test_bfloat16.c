/* SPDX-License-Identifier: Apache-2.0
 *
 * What is particular to the levels of bfloat16 products; that their sums are right is test_gemm's and test_conv2d's
 * business, which give them operands that are rounded already. Here: operands are rounded as a bfloat16 wants it, on
 * every way through the kernels, the twins agree, and what is no number stays none. */
#include "kernel_test.h"
#include "conv2d_case.h"

/* for (const hone_kernels *k = NULL; (k = next_level(k)) != NULL;): scalar first. */
static const hone_kernels *next_level(const hone_kernels *previous) {
    static const char *const names[] = {"scalar_bf16", "avx512_bf16"};
    return kt_next_of(names, sizeof names / sizeof *names, previous);
}

/* ---- rounding -------------------------------------------------------------------------------------------------- */

static float from_bits(uint32_t bits) {
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* x times one, as the kernels see x: column by column (op(B)) and row by row (op(A)). */
static void round_through_gemm(const hone_kernels *k, const float *x, size_t n, bool as_a, bool transposed, float *y) {
    const float one = 1;
    hone_gemm g = {.m = as_a ? n : 1, .n = as_a ? 1 : n, .k = 1, .c = y};
    g.a = as_a ? x : &one;
    g.b = as_a ? &one : x;
    g.a_transposed = as_a && transposed;
    g.b_transposed = !as_a && transposed;
    g.lda = g.a_transposed ? n : 1;
    g.ldb = g.b_transposed || as_a ? 1 : n;
    g.ldc = as_a ? 1 : n;
    float *scratch = kt_floats(k->gemm_scratch(&g));
    k->gemm(&g, scratch);
}

static void ties_go_to_even(void **state) {
    (void)state;
    static const struct {
        uint32_t bits, rounded;
    } cases[] = {
        {0x3f800000, 0x3f800000}, /* 1 */
        {0x3f808000, 0x3f800000}, /* half-way, down to even */
        {0x3f808001, 0x3f810000}, /* just above */
        {0x3f818000, 0x3f820000}, /* half-way, up to even */
        {0x3f817fff, 0x3f810000}, /* just below */
        {0xbf818000, 0xbf820000}, /* signs do not matter */
        {0x3fffffff, 0x40000000}, /* carries into the exponent */
        {0x7f7fffff, 0x7f800000}, /* the largest float has no bfloat16 near it */
        {0x7f7f7fff, 0x7f7f0000}, /* the largest that has */
        {0x00800000, 0x00800000}, /* the smallest normal number */
        {0x007fffff, 0x00000000}, /* denormal: zero */
        {0x7f800000, 0x7f800000}, /* infinity */
        {0x00000000, 0x00000000},
    };
    enum { COUNT = sizeof cases / sizeof *cases };
    for (const hone_kernels *k = NULL; (k = next_level(k)) != NULL;)
        for (int way = 0; way < 4; way++) {
            float *x = kt_floats(COUNT), *y = kt_floats(COUNT);
            for (size_t i = 0; i < COUNT; i++) x[i] = from_bits(cases[i].bits);
            round_through_gemm(k, x, COUNT, way & 1, way & 2, y);
            for (size_t i = 0; i < COUNT; i++) {
                const float want = from_bits(cases[i].rounded);
                kt_same_bits(k, "rounded", &y[i], &want, sizeof want);
                assert_true(kt_bfloat16(x[i]) == want); /* the tests' own rounding */
            }
            kt_release_all();
        }
}

static void what_is_no_number_stays_none(void **state) {
    (void)state;
    static const uint32_t nans[] = {0x7fc00000, 0x7f800001 /* would round to infinity if its bits were cut */,
                                    0xffffffff};
    for (const hone_kernels *k = NULL; (k = next_level(k)) != NULL;)
        for (int way = 0; way < 4; way++)
            for (size_t i = 0; i < sizeof nans / sizeof *nans; i++) {
                float *x = kt_random_floats(40, -1, 1), *y = kt_floats(40);
                x[17] = from_bits(nans[i]);
                round_through_gemm(k, x, 40, way & 1, way & 2, y);
                for (size_t j = 0; j < 40; j++) assert_int_equal(isnan(y[j]) != 0, j == 17);
                kt_release_all();
            }
}

/* ---- every operand is rounded, and nothing else ---------------------------------------------------------------- */

typedef struct passes {
    float *y, *dx, *dkernel, *dbias;
} passes;

static passes run_conv2d(const hone_kernels *k, const hone_conv2d_shape *s, size_t n, const float *x,
                         const float *kernel, const float *bias, const float *dy) {
    hone_conv2d p;
    k->conv2d_plan(&p, s, true);
    const passes r = {kt_floats(n * cc_output(s)), kt_floats(n * cc_input(s)), kt_floats(cc_kernel(s)),
                      kt_floats((size_t)s->filters)};
    float *forward = kt_floats(p.packed_forward), *backward = kt_floats(p.packed_backward);
    uint8_t *argmax = kt_alloc(n * p.argmax_bytes, 1);
    k->conv2d_pack_forward(&p, kernel, forward);
    k->conv2d_pack_backward(&p, kernel, backward);
    k->conv2d_forward(&p, n, x, forward, bias, r.y, argmax, kt_floats(p.scratch_forward));
    k->conv2d_backward_input(&p, n, dy, r.y, argmax, backward, r.dx, kt_floats(p.scratch_backward_input));
    k->conv2d_backward_weights(&p, n, x, dy, r.y, argmax, false, r.dkernel, r.dbias,
                               kt_floats(p.scratch_backward_weights));
    return r;
}

static const conv2d_case shapes[] = {
    {.h = 9, .w = 9, .c = 16, .kh = 3, .kw = 3, .filters = 24},                                          /* gathered */
    {.h = 4, .w = 4, .c = 20, .kh = 3, .kw = 3, .filters = 40, .relu = true},                            /* scattered */
    {.h = 9, .w = 9, .c = 32, .kh = 3, .kw = 3, .filters = 32, .relu = true, .pool_h = 2, .pool_w = 2},  /* sparse */
    {.h = 12, .w = 12, .c = 1, .kh = 3, .kw = 3, .filters = 32, .pool_h = 2, .pool_w = 2},               /* looked up */
    {.h = 8, .w = 7, .c = 1, .kh = 3, .kw = 3, .filters = 5, .pad_top = 1, .pad_left = 1, .relu = true}, /* by column */
    {.h = 9, .w = 11, .c = 6, .kh = 3, .kw = 3, .filters = 10, .groups = 2, .stride_w = 2, .dilation_h = 2},
    {.h = 6, .w = 5, .c = 5, .kh = 1, .kw = 1, .filters = 7}, /* an odd one out each way */
};
enum { SHAPES = sizeof shapes / sizeof *shapes };

static void convolutions_round_their_operands(void **state) {
    (void)state;
    const size_t n = 3;
    for (const hone_kernels *k = NULL; (k = next_level(k)) != NULL;)
        for (size_t i = 0; i < SHAPES; i++) {
            hone_conv2d_shape s;
            assert_true(cc_shape(&shapes[i], &s));
            const size_t f = (size_t)s.filters;
            float *x = kt_random_floats(n * cc_input(&s), -1, 1), *kernel = kt_random_floats(cc_kernel(&s), -1, 1);
            float *bias = kt_random_floats(f, -1, 1), *dy = kt_random_floats(n * cc_output(&s), -1, 1);
            const passes raw = run_conv2d(k, &s, n, x, kernel, bias, dy);
            kt_as_operand(k, x, n * cc_input(&s));
            kt_as_operand(k, kernel, cc_kernel(&s));
            float *rounded = kt_copy(dy, n * cc_output(&s));
            kt_as_operand(k, rounded, n * cc_output(&s));
            const passes before = run_conv2d(k, &s, n, x, kernel, bias, rounded);
            kt_same_bits(k, "y", raw.y, before.y, n * cc_output(&s) * sizeof(float));
            kt_same_bits(k, "dx", raw.dx, before.dx, n * cc_input(&s) * sizeof(float));
            kt_same_bits(k, "dkernel", raw.dkernel, before.dkernel, cc_kernel(&s) * sizeof(float));
            /* The bias' gradient multiplies nothing and rounds nothing. */
            if (n * cc_output(&s) / f > 1) assert_true(memcmp(raw.dbias, before.dbias, f * sizeof(float)) != 0);
            kt_release_all();
        }
}

/* ---- the twins ------------------------------------------------------------------------------------------------- */

static double dot_size(const float *x, size_t n) {
    double largest = 0;
    for (size_t i = 0; i < n; i++) largest = fmax(largest, fabs((double)x[i]));
    return largest;
}

static void near_twin(const hone_kernels *k, const char *what, const float *got, const float *want, size_t n,
                      size_t length) {
    const double tolerance = kt_sum_tolerance(length, dot_size(want, n) + 1);
    for (size_t i = 0; i < n; i++) kt_near(k, what, i, (double)got[i], (double)want[i], tolerance);
}

/* The same choice of algorithm, the same roundings of operands: what is left is the order of sums. A window of two
 * equal maxima may be won by another of them, so pooled shapes are left to test_conv2d. */
static void levels_agree(void **state) {
    (void)state;
    const size_t n = 2;
    const hone_kernels *twin = hone__kernels_named("scalar_bf16");
    for (const hone_kernels *k = twin; (k = next_level(k)) != NULL;)
        for (size_t i = 0; i < SHAPES; i++) {
            hone_conv2d_shape s;
            assert_true(cc_shape(&shapes[i], &s));
            if (s.pool_h || s.epilogue == HONE_EPILOGUE_RELU) continue;
            const size_t f = (size_t)s.filters, length = cc_kernel(&s) / f, pixels = n * cc_map(&s) / f;
            float *x = kt_random_floats(n * cc_input(&s), -1, 1), *kernel = kt_random_floats(cc_kernel(&s), -1, 1);
            float *bias = kt_random_floats(f, -1, 1), *dy = kt_random_floats(n * cc_output(&s), -1, 1);
            const passes got = run_conv2d(k, &s, n, x, kernel, bias, dy);
            const passes want = run_conv2d(twin, &s, n, x, kernel, bias, dy);
            near_twin(k, "y", got.y, want.y, n * cc_output(&s), length);
            near_twin(k, "dx", got.dx, want.dx, n * cc_input(&s), (size_t)(s.kh * s.kw) * f);
            near_twin(k, "dkernel", got.dkernel, want.dkernel, cc_kernel(&s), pixels);
            kt_release_all();
        }
}

/* ---- dispatch -------------------------------------------------------------------------------------------------- */

static void a_level_of_its_own(void **state) {
    (void)state;
    assert_non_null(hone__kernels_named("scalar_bf16")); /* the reference runs anywhere */
    const hone_kernels *k = hone__kernels_bfloat16(), *level = hone__kernels();
    if (!k) {
        assert_true(strcmp(level->name, "avx512") != 0 || !hone__kernels_named("avx512_bf16"));
        return;
    }
    assert_string_equal(k->name, "avx512_bf16");
    assert_string_equal(level->name, "avx512");
    assert_int_equal(k->vector_floats, level->vector_floats);
}

/* The yardstick's products cancel, so its sums say how many chains there were, and nothing else. */
static void the_yardstick_counts(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = next_level(k)) != NULL;) {
        float one = 0, two = 0;
        const double flops = k->multiply_adds(10, 0.5f, &one);
        assert_true(k->multiply_adds(20, 0.5f, &two) == 2 * flops);
        assert_true(one == two && one > 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ties_go_to_even),
        cmocka_unit_test(what_is_no_number_stays_none),
        cmocka_unit_test(convolutions_round_their_operands),
        cmocka_unit_test(levels_agree),
        cmocka_unit_test(a_level_of_its_own),
        cmocka_unit_test(the_yardstick_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
