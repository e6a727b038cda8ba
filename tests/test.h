/* SPDX-License-Identifier: Apache-2.0
 *
 * What every test program includes: cmocka with the headers it wants before it, and the failing allocator. */
#ifndef HONE_TEST_H
#define HONE_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <hone/status.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>

/* Counts allocations, and makes number fail_at (from 0) and all after it fail; live is what was not freed. */
typedef struct test_allocator {
    _Atomic long count, live;
    long fail_at; /* -1: never */
} test_allocator;

static inline void *counted_alloc(void *context, size_t size, size_t alignment) {
    test_allocator *a = context;
    long number = atomic_fetch_add(&a->count, 1);
    if (a->fail_at >= 0 && number >= a->fail_at) return NULL;
    void *pointer = aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
    if (pointer) atomic_fetch_add(&a->live, 1);
    return pointer;
}

static inline void counted_free(void *context, void *pointer) {
    test_allocator *a = context;
    if (pointer) atomic_fetch_sub(&a->live, 1);
    free(pointer);
}

static inline void test_allocator_install(test_allocator *a, long fail_at) {
    atomic_store(&a->count, 0);
    atomic_store(&a->live, 0);
    a->fail_at = fail_at;
    hone_allocator hook = {counted_alloc, counted_free, a};
    hone_set_allocator(&hook);
}

static inline void test_allocator_remove(void) {
    hone_set_allocator(NULL);
}

/* Runs scenario (which must free all it made and return its status) with the n-th allocation failing, n = 0, 1, 2, …,
 * until it succeeds: each time the status must be clean and nothing may leak. Returns how many times it failed. */
static inline long test_every_allocation(hone_status (*scenario)(void *context), void *context) {
    test_allocator a;
    for (long n = 0;; n++) {
        test_allocator_install(&a, n);
        hone_status status = scenario(context);
        long live = atomic_load(&a.live);
        bool failed_once = atomic_load(&a.count) > n;
        test_allocator_remove();
        assert_int_equal(live, 0);
        if (!failed_once) {
            assert_int_equal(status, HONE_OK);
            return n;
        }
        assert_int_equal(status, HONE_MEMORY);
    }
}

#endif
