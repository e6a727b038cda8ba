/* SPDX-License-Identifier: Apache-2.0
 *
 * Matrix products at every level against naive loops in double: ragged sizes, transposes, row strides, bias, ReLU,
 * accumulation; rows that do not depend on how many are asked for; large products by a random vector. */
#include "kernel_test.h"

typedef struct problem {
    hone_gemm g;
    size_t a_size, b_size, c_size;
    float *a, *b, *c, *bias, *scratch;
} problem;

static size_t span(size_t rows, size_t columns, size_t ld) {
    return rows && columns ? (rows - 1) * ld + columns : 0;
}

/* Buffers that end at guard pages; C starts with numbers, for accumulate and for the gaps between rows. */
static problem make(const hone_kernels *k, size_t m, size_t n, size_t depth, unsigned flags, size_t gap) {
    problem p = {.g = {.m = m, .n = n, .k = depth}};
    p.g.a_transposed = flags & 1;
    p.g.b_transposed = flags & 2;
    p.g.accumulate = flags & 4;
    p.g.epilogue = flags & 8 ? HONE_EPILOGUE_RELU : HONE_EPILOGUE_NONE;
    const size_t a_rows = p.g.a_transposed ? depth : m, a_columns = p.g.a_transposed ? m : depth;
    const size_t b_rows = p.g.b_transposed ? n : depth, b_columns = p.g.b_transposed ? depth : n;
    p.g.lda = a_columns + gap;
    p.g.ldb = b_columns + gap;
    p.g.ldc = n + gap;
    p.a_size = span(a_rows, a_columns, p.g.lda);
    p.b_size = span(b_rows, b_columns, p.g.ldb);
    p.c_size = span(m, n, p.g.ldc);
    p.g.a = p.a = kt_random_floats(p.a_size, -1, 1);
    p.g.b = p.b = kt_random_floats(p.b_size, -1, 1);
    kt_as_operand(k, p.a, p.a_size);
    kt_as_operand(k, p.b, p.b_size);
    p.g.c = p.c = kt_random_floats(p.c_size, -1, 1);
    p.bias = kt_random_floats(n, -1, 1);
    p.g.bias = flags & 16 ? p.bias : NULL;
    p.scratch = kt_floats(k->gemm_scratch(&p.g));
    return p;
}

static void check(const hone_kernels *k, size_t m, size_t n, size_t depth, unsigned flags, size_t gap) {
    problem p = make(k, m, n, depth, flags, gap);
    const hone_gemm *g = &p.g;
    const float *before = kt_copy(p.c, p.c_size);
    if (!g->accumulate) /* what is to be overwritten may be anything */
        for (size_t i = 0; i < m; i++)
            for (size_t j = 0; j < n; j++) p.c[i * g->ldc + j] = NAN;
    k->gemm(g, p.scratch);
    for (size_t i = 0; i < m; i++)
        for (size_t j = 0; j < g->ldc; j++) {
            const size_t at = i * g->ldc + j;
            if (j >= n) {
                if (at < p.c_size) assert_true(p.c[at] == before[at]);
                continue;
            }
            double sum = g->accumulate ? (double)before[at] : 0, size = fabs(sum);
            for (size_t q = 0; q < depth; q++) {
                const double a = (double)g->a[g->a_transposed ? q * g->lda + i : i * g->lda + q];
                const double b = (double)g->b[g->b_transposed ? j * g->ldb + q : q * g->ldb + j];
                sum += a * b;
                size += fabs(a * b);
            }
            if (g->bias) sum += (double)g->bias[j], size += fabs((double)g->bias[j]);
            if (g->epilogue == HONE_EPILOGUE_RELU && sum < 0) sum = 0;
            kt_near(k, "gemm", at, (double)p.c[at], sum, kt_sum_tolerance(depth, size));
        }
    kt_release_all();
}

static void ragged_sizes(void **state) {
    (void)state;
    static const size_t sizes[] = {1, 2, 3, 5, 6, 7, 8, 9, 13, 15, 16, 17, 31, 33, 48, 63, 64, 65, 100};
    const size_t count = sizeof sizes / sizeof *sizes;
    for (const hone_kernels *k = NULL; (k = kt_next_product_level(k)) != NULL;)
        for (unsigned flags = 0; flags < 32; flags++)
            for (int i = 0; i < 40; i++)
                check(k, sizes[kt_below(count)], sizes[kt_below(count)], sizes[kt_below(count)], flags, kt_below(3));
}

static void every_small_size(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_product_level(k)) != NULL;)
        for (size_t m = 1; m <= 9; m++)
            for (size_t n = 1; n <= 35; n += 1) check(k, m, n, 4, (unsigned)(m + n) % 32, n % 2);
}

/* Long sums are cut, wide products blocked, large transposed matrices copied. */
static void blocked_sizes(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_product_level(k)) != NULL;)
        for (unsigned flags = 0; flags < 32; flags += 3) {
            check(k, 40, 70, 900, flags, 1);
            check(k, 33, 300, 130, flags, 0);
            check(k, 130, 129, 97, flags, 0);
            check(k, 197, 270, 50, flags, 0);
            check(k, 4, 64, 576, flags, 0);
        }
}

static void empty_sizes(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_product_level(k)) != NULL;) {
        check(k, 0, 5, 5, 0, 0);
        check(k, 5, 0, 5, 0, 0);
        for (unsigned flags = 0; flags < 32; flags++) check(k, 3, 5, 0, flags, 0); /* C = [C +] bias, relu */
    }
}

/* m rows at once equal the same rows one by one, bit for bit. */
static void rows_do_not_depend_on_m(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_product_level(k)) != NULL;)
        for (unsigned flags = 0; flags < 32; flags++) {
            const size_t m = flags % 4 ? 37 : 203, n = 1 + kt_below(90), depth = 1 + kt_below(800);
            problem p = make(k, m, n, depth, flags, 1);
            float *alone = kt_copy(p.c, p.c_size);
            k->gemm(&p.g, p.scratch);
            for (size_t i = 0, rows; i < m; i += rows) {
                hone_gemm part = p.g;
                rows = i % 3 == 0 ? 1 : m / 7;
                if (rows > m - i) rows = m - i;
                part.m = rows;
                part.a += p.g.a_transposed ? i : i * p.g.lda;
                part.c = alone + i * p.g.ldc;
                k->gemm(&part, kt_floats(k->gemm_scratch(&part)));
            }
            kt_same_bits(k, "gemm rows", alone, p.c, p.c_size * sizeof *alone);
            kt_release_all();
        }
}

static void relu_lets_nan_through(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_product_level(k)) != NULL;) {
        problem p = make(k, 9, 20, 30, 8, 0);
        p.a[4 * 30 + 7] = NAN;
        k->gemm(&p.g, p.scratch);
        for (size_t i = 0; i < 9 * 20; i++) assert_int_equal(isnan(p.c[i]) != 0, i / 20 == 4);
        kt_release_all();
    }
}

/* (A B) v = A (B v). */
static void large_by_random_vector(void **state) {
    (void)state;
    const size_t m = 517, n = 533, depth = 1100;
    for (const hone_kernels *k = NULL; (k = kt_next_product_level(k)) != NULL;)
        for (unsigned flags = 0; flags < 4; flags++) {
            problem p = make(k, m, n, depth, flags, 3);
            double *v = kt_doubles(n), *bv = kt_doubles(depth);
            k->gemm(&p.g, p.scratch);
            for (size_t j = 0; j < n; j++) v[j] = (double)kt_uniform(-1, 1);
            for (size_t q = 0; q < depth; q++) {
                bv[q] = 0;
                for (size_t j = 0; j < n; j++)
                    bv[q] += (double)p.b[flags & 2 ? j * p.g.ldb + q : q * p.g.ldb + j] * v[j];
            }
            for (size_t i = 0; i < m; i++) {
                double got = 0, want = 0, size = 0;
                for (size_t j = 0; j < n; j++) got += (double)p.c[i * p.g.ldc + j] * v[j];
                for (size_t q = 0; q < depth; q++) {
                    const double term = (double)p.a[flags & 1 ? q * p.g.lda + i : i * p.g.lda + q] * bv[q];
                    want += term;
                    size += fabs(term);
                }
                kt_near(k, "gemm (AB)v", i, got, want, kt_sum_tolerance(depth, size) / 8);
            }
            kt_release_all();
        }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ragged_sizes),
        cmocka_unit_test(every_small_size),
        cmocka_unit_test(blocked_sizes),
        cmocka_unit_test(empty_sizes),
        cmocka_unit_test(rows_do_not_depend_on_m),
        cmocka_unit_test(relu_lets_nan_through),
        cmocka_unit_test(large_by_random_vector),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
