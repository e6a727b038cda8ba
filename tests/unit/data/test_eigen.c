/* SPDX-License-Identifier: Apache-2.0
 *
 * Eigenvectors by their definition: A v = value v, and V V^T = 1; for easy, awkward and degenerate matrices. */
#include "test.h"

#include "eigen.h"
#include "rng.h"

#include <math.h>
#include <string.h>

typedef enum shape { RANDOM, COVARIANCE, DEAD, DIAGONAL, ZERO, ONE, GRADED, SHAPES } shape;

static void fill(double *a, size_t n, shape kind) {
    hone__rng rng;
    hone__rng_init(&rng, n, HONE_STREAM_TEST, kind);
    memset(a, 0, n * n * sizeof *a);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j <= i; j++) {
            double x = hone__rng_normal(&rng);
            switch (kind) {
            case COVARIANCE: x = exp(-fabs((double)i - (double)j) / 5); break; /* as neighbouring pixels have */
            case DEAD: x = i % 3 == 0 || j % 3 == 0 ? 0 : x; break;            /* pixels that never change */
            case DIAGONAL: x = i == j ? (double)(i / 2) : 0; break;            /* each value twice */
            case ZERO: x = 0; break;
            case ONE: x = 1; break;                                 /* all values but one are 0 */
            case GRADED: x *= pow(10, -(double)(i + j) / 4); break; /* 1e-20 beside 1 */
            case RANDOM:
            case SHAPES: break;
            }
            a[i * n + j] = a[j * n + i] = x;
        }
}

static void by_definition(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 8, 31, 32, 33, 90};
    for (size_t s = 0; s < sizeof sizes / sizeof *sizes; s++)
        for (int kind = 0; kind < SHAPES; kind++) {
            size_t n = sizes[s];
            double *a = malloc(n * n * sizeof *a), *v = malloc(n * n * sizeof *v), values[90], norm = 0;
            fill(a, n, (shape)kind);
            memcpy(v, a, n * n * sizeof *v);
            for (size_t i = 0; i < n * n; i++) norm = fmax(norm, fabs(a[i]));
            hone_error err = {0};
            if (hone__symmetric_eigen(v, n, values, NULL, &err) != HONE_OK) fail_msg("%s", err.message);
            double bound = 1e-13 * (double)n * (norm > 0 ? norm : 1);
            for (size_t k = 0; k < n; k++)
                for (size_t i = 0; i < n; i++) {
                    double product = 0, dot = 0;
                    for (size_t j = 0; j < n; j++) {
                        product += a[i * n + j] * v[k * n + j];
                        dot += v[k * n + j] * v[i * n + j];
                    }
                    if (!(fabs(product - values[k] * v[k * n + i]) <= bound) ||
                        !(fabs(dot - (i == k)) <= 1e-13 * (double)n))
                        fail_msg("kind %d, n %zu: vector %zu is off by %g, length by %g", kind, n, k,
                                 product - values[k] * v[k * n + i], dot - (i == k));
                }
            free(a);
            free(v);
        }
}

static void threads_change_no_bit(void **state) {
    (void)state;
    enum { N = 150 };
    static double one[N * N], two[N * N], values[N], more[N];
    hone_threads *threads;
    assert_int_equal(hone_threads_create(&threads, 4, NULL), HONE_OK);
    fill(one, N, RANDOM);
    fill(two, N, RANDOM);
    assert_int_equal(hone__symmetric_eigen(one, N, values, NULL, NULL), HONE_OK);
    assert_int_equal(hone__symmetric_eigen(two, N, more, threads, NULL), HONE_OK);
    assert_memory_equal(one, two, sizeof one);
    assert_memory_equal(values, more, sizeof values);
    hone_threads_free(threads);
}

static void what_is_no_number_ends(void **state) {
    (void)state;
    double a[9] = {1, NAN, 0, NAN, 1, 2, 0, 2, 1}, values[3];
    hone_status status = hone__symmetric_eigen(a, 3, values, NULL, NULL);
    assert_true(status == HONE_OK || status == HONE_NUMERIC);
    assert_int_equal(hone__symmetric_eigen(a, 0, values, NULL, NULL), HONE_OK);
}

static hone_status decompose(void *context) {
    double a[16], values[4];
    (void)context;
    fill(a, 4, RANDOM);
    return hone__symmetric_eigen(a, 4, values, NULL, NULL);
}

static void nothing_leaks_when_memory_runs_out(void **state) {
    (void)state;
    assert_true(test_every_allocation(decompose, NULL) >= 6);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(by_definition),
        cmocka_unit_test(threads_change_no_bit),
        cmocka_unit_test(what_is_no_number_ends),
        cmocka_unit_test(nothing_leaks_when_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
