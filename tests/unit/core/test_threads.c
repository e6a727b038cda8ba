/* SPDX-License-Identifier: Apache-2.0
 *
 * The pool: every piece once, whatever the number of workers, run after run, asleep or awake. */
#define _POSIX_C_SOURCE 200809L
#include "core_internal.h"
#include "test.h"

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
        cmocka_unit_test(every_piece_runs_exactly_once),  cmocka_unit_test(workers_that_fell_asleep_wake_up),
        cmocka_unit_test(no_pool_means_the_caller_alone), cmocka_unit_test(wrong_counts_are_refused_in_words),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
