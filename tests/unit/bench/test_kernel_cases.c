/* SPDX-License-Identifier: Apache-2.0
 *
 * The yardstick and the kernels measured by it: cases run at every level of this machine, their numbers are those of one
 * another, and what cannot be measured says so. */
#include "bench_internal.h"

#include <math.h>
#include <string.h>

#include "test.h"

static const char *const levels[] = {"avx512", "avx2", "neon", "scalar"};
enum { LEVELS = sizeof levels / sizeof levels[0] };

/* All at the best level, a sample at the others: the large ones take long there. */
static void cases_at_every_level(void **state) {
    (void)state;
    hone_error err = {0};
    size_t step = 1;
    for (size_t level = 0; level < LEVELS; level++) {
        if (!hone__kernels_named(levels[level])) continue;
        size_t index = 0;
        for (;; index += step) {
            hone_kernel_result r;
            hone_status status = hone_bench_kernel(&r, index, levels[level], 0, &err);
            if (status == HONE_NOT_FOUND) break;
            assert_int_equal(status, HONE_OK);
            assert_true(strlen(r.name) > 0 && strlen(r.name) + 1 < sizeof r.name);
            assert_non_null(r.pass);
            assert_non_null(r.algorithm);
            assert_true(r.seconds > 0 && isfinite(r.seconds));
            assert_true(r.gflops > 0 && isfinite(r.gflops));
        }
        assert_true(index > 40);
        step = 7;
    }
}

/* A product's rate follows from its name and its time. */
static void the_rate_is_work_over_time(void **state) {
    (void)state;
    hone_kernel_result r;
    assert_int_equal(hone_bench_kernel(&r, 2, NULL, 0, NULL), HONE_OK);
    assert_string_equal(r.name, "gemm 256x256x256");
    assert_string_equal(r.pass, "product");
    assert_float_equal(r.gflops * r.seconds, 2 * 256.0 * 256 * 256 / 1e9, 1e-9);
}

static void unknown_levels_are_refused(void **state) {
    (void)state;
    hone_kernel_result r;
    double gflops;
    hone_error err = {0};
    assert_int_equal(hone_bench_kernel(&r, 0, "pentium", 0, &err), HONE_UNSUPPORTED);
    assert_non_null(strstr(err.message, "'pentium'"));
    assert_int_equal(hone_bench_peak(&gflops, "pentium", NULL, 0, &err), HONE_UNSUPPORTED);
}

static void the_peak_is_a_rate(void **state) {
    (void)state;
    hone_threads *threads;
    double gflops = 0;
    assert_int_equal(hone_threads_create(&threads, 3, NULL), HONE_OK);
    assert_int_equal(hone_bench_peak(&gflops, NULL, threads, 0, NULL), HONE_OK);
    assert_true(gflops > 0 && isfinite(gflops));
    assert_int_equal(hone_bench_peak(&gflops, "scalar", NULL, 0, NULL), HONE_OK);
    assert_true(gflops > 0 && isfinite(gflops));
    hone_threads_free(threads);
}

/* Every round is counted, and none can be left out: the sums depend on all of them. */
static void the_yardstick_computes(void **state) {
    (void)state;
    for (size_t level = 0; level < LEVELS; level++) {
        const hone_kernels *k = hone__kernels_named(levels[level]);
        if (!k) continue;
        float none = 0, one = 0, many = 0;
        assert_true(k->multiply_adds(0, 0.5f, &none) == 0);
        double per_round = k->multiply_adds(1, 0.5f, &one);
        assert_true(k->multiply_adds(100, 0.5f, &many) == 100 * per_round);
        /* chains start at 0, 1, 2, … in every lane and approach 1: x -> x / 2 + 1 / 2 */
        double chains = per_round / 2 / k->vector_floats, lanes = k->vector_floats;
        assert_float_equal(none, lanes * chains * (chains - 1) / 2, 1e-3);
        assert_float_equal(one, (none + lanes * chains) / 2, 1e-3);
        assert_float_equal(many, lanes * chains, 1e-3);
    }
}

static hone_status bench_a_convolution(void *context) {
    hone_kernel_result r;
    (void)context;
    return hone_bench_kernel(&r, 15, NULL, 0, NULL);
}

static hone_status bench_the_peak(void *context) {
    double gflops;
    (void)context;
    return hone_bench_peak(&gflops, NULL, NULL, 0, NULL);
}

static void no_memory(void **state) {
    (void)state;
    assert_true(test_every_allocation(bench_a_convolution, NULL) >= 8);
    assert_true(test_every_allocation(bench_the_peak, NULL) >= 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cases_at_every_level),       cmocka_unit_test(the_rate_is_work_over_time),
        cmocka_unit_test(unknown_levels_are_refused), cmocka_unit_test(the_peak_is_a_rate),
        cmocka_unit_test(the_yardstick_computes),     cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
