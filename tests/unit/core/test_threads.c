/* SPDX-License-Identifier: Apache-2.0
 *
 * The pool: every piece once, whatever the number of workers, run after run, asleep or awake. */
#define _POSIX_C_SOURCE 200809L
#include "core_internal.h"
#include "test.h"

#include <fenv.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { MOST = 1000 };

typedef struct job {
    _Atomic int hits[MOST];
    _Atomic int bad_worker;
    int workers;
} job;

static void hit(void *context, int worker, size_t piece) {
    job *j = context;
    if (worker < 0 || worker >= j->workers) atomic_store(&j->bad_worker, 1);
    atomic_fetch_add(&j->hits[piece], 1);
}

static void every_piece_runs_exactly_once(void **state) {
    (void)state;
    static const int counts[] = {1, 2, 3, 7};
    for (size_t c = 0; c < sizeof counts / sizeof counts[0]; c++) {
        hone_threads *pool;
        assert_int_equal(hone_threads_create(&pool, counts[c], NULL), HONE_OK);
        assert_int_equal(hone_threads_count(pool), counts[c]);
        for (int run = 0; run < 400; run++) {
            static job j;
            memset(&j, 0, sizeof j);
            j.workers = counts[c];
            size_t pieces = (size_t)(run * 7 % 50);
            hone__threads_run(pool, hit, &j, pieces);
            for (size_t i = 0; i < MOST; i++) assert_int_equal(j.hits[i], i < pieces);
            assert_int_equal(j.bad_worker, 0);
        }
        hone_threads_free(pool);
    }
}

static void workers_that_fell_asleep_wake_up(void **state) {
    (void)state;
    hone_threads *pool;
    assert_int_equal(hone_threads_create(&pool, 3, NULL), HONE_OK);
    for (int run = 0; run < 5; run++) {
        static job j;
        memset(&j, 0, sizeof j);
        j.workers = 3;
        nanosleep(&(struct timespec){.tv_nsec = 3000000}, NULL); /* far longer than they spin */
        hone__threads_run(pool, hit, &j, MOST);
        for (size_t i = 0; i < MOST; i++) assert_int_equal(j.hits[i], 1);
    }
    hone_threads_free(pool);
}

static void no_pool_means_the_caller_alone(void **state) {
    (void)state;
    static job j;
    memset(&j, 0, sizeof j);
    j.workers = 1;
    hone__threads_run(NULL, hit, &j, 10);
    for (size_t i = 0; i < 10; i++) assert_int_equal(j.hits[i], 1);
    assert_int_equal(hone_threads_count(NULL), 1);
    hone_threads_free(NULL);
}

static void wrong_counts_are_refused_in_words(void **state) {
    (void)state;
    hone_threads *pool = (hone_threads *)state;
    hone_error err;
    assert_int_equal(hone_threads_create(&pool, -1, &err), HONE_ARGUMENT);
    assert_null(pool);
    assert_int_equal(hone_threads_create(&pool, HONE_MAX_THREADS + 1, &err), HONE_ARGUMENT);
    setenv("HONE_THREADS", "many", 1);
    assert_int_equal(hone_threads_create(&pool, 0, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "'many'"));
    setenv("HONE_THREADS", "3", 1);
    assert_int_equal(hone_threads_create(&pool, 0, &err), HONE_OK);
    assert_int_equal(hone_threads_count(pool), 3);
    hone_threads_free(pool);
    unsetenv("HONE_THREADS");
}

/* ---- the floating-point mode ----------------------------------------------------------------------------------- */

typedef struct modes {
    _Atomic int other_rounding, denormal_results, denormal_operands;
} modes;

/* Looks at the mode, and raises flags. */
static void look_at_mode(void *context, int worker, size_t piece) {
    (void)worker;
    (void)piece;
    modes *m = context;
    volatile float denormal = 1e-40f, small = 1e-30f, smaller = 1e-10f, one = 1, three = 3, result;
    result = one / three;
    if (result != 1.0f / 3.0f) atomic_fetch_add(&m->other_rounding, 1);
    result = -one / three;
    if (result != -1.0f / 3.0f) atomic_fetch_add(&m->other_rounding, 1);
    if (denormal * one != 0) atomic_fetch_add(&m->denormal_operands, 1);
    result = small * smaller;
    if (result != 0) atomic_fetch_add(&m->denormal_results, 1);
}

static void check_mode(hone_threads *pool, size_t pieces) {
    modes m = {0};
    hone__threads_run(pool, look_at_mode, &m, pieces);
#if defined(__x86_64__) || defined(__aarch64__)
    assert_int_equal(m.other_rounding, 0);
    assert_int_equal(m.denormal_operands, 0);
    assert_int_equal(m.denormal_results, 0);
#endif
}

/* Rounding, flags and denormals are the caller's own again afterwards, whatever they were. */
static void the_callers_floating_point_mode_is_left_as_it_was(void **state) {
    (void)state;
    static const int roundings[] = {FE_TONEAREST, FE_UPWARD, FE_TOWARDZERO};
    static const size_t pieces[] = {0, 1, 100};
    for (size_t r = 0; r < sizeof roundings / sizeof *roundings; r++) {
        hone_threads *pool;
        assert_int_equal(fesetround(roundings[r]), 0);
        assert_int_equal(hone_threads_create(&pool, 3, NULL), HONE_OK); /* workers inherit the odd rounding */
        for (size_t i = 0; i < sizeof pieces / sizeof *pieces; i++) {
            feclearexcept(FE_ALL_EXCEPT);
            feraiseexcept(FE_DIVBYZERO);
            check_mode(pool, pieces[i]);
            check_mode(NULL, pieces[i]);
            assert_int_equal(fetestexcept(FE_ALL_EXCEPT), FE_DIVBYZERO);
            assert_int_equal(fegetround(), roundings[r]);
            volatile float denormal = 1e-40f, one = 1;
            assert_true(denormal * one > 0);
        }
        hone_threads_free(pool);
    }
    fesetround(FE_TONEAREST);
    feclearexcept(FE_ALL_EXCEPT);
}

static hone_status create(void *context) {
    (void)context;
    hone_threads *pool;
    hone_status status = hone_threads_create(&pool, 4, NULL);
    hone_threads_free(pool);
    return status;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    assert_int_equal(test_every_allocation(create, NULL), 2);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_piece_runs_exactly_once),
        cmocka_unit_test(workers_that_fell_asleep_wake_up),
        cmocka_unit_test(no_pool_means_the_caller_alone),
        cmocka_unit_test(wrong_counts_are_refused_in_words),
        cmocka_unit_test(the_callers_floating_point_mode_is_left_as_it_was),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
