/* SPDX-License-Identifier: Apache-2.0
 *
 * hone__alloc: zeroed, aligned and padded, whatever lay there before and however large it is. */
#include "test.h"

#include "core_internal.h"

#include <stdint.h>
#include <string.h>

static bool is_zero(const unsigned char *bytes, size_t size) {
    return size == 0 || (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0);
}

/* Sizes around those at which the allocator and the system change their ways. */
static const size_t sizes[] = {1,      63,     64,     4095,    4097,    100000,  262143,
                               262144, 262145, 270336, 1000003, 3000000, 9000001, 40000000};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void test_all_of_it_is_zero(void **state) {
    (void)state;
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < SIZES; i++) {
            unsigned char *bytes = hone__alloc(sizes[i], 1);
            assert_non_null(bytes);
            assert_int_equal((uintptr_t)bytes % HONE_ALIGNMENT, 0);
            size_t padded = (sizes[i] + HONE_ALIGNMENT - 1) / HONE_ALIGNMENT * HONE_ALIGNMENT;
            assert_true(is_zero(bytes, padded));
            memset(bytes, 0xa5, padded); /* for whoever gets this memory next */
            hone__free(bytes);
        }
    }
}

/* What is cleared by giving pages back must not touch a neighbour's bytes on the same pages. */
static void test_neighbours_keep_what_they_have(void **state) {
    (void)state;
    enum { COUNT = 24, SIZE = (256 << 10) + 320 };
    unsigned char *all[COUNT];
    for (int i = 0; i < COUNT; i++) {
        all[i] = hone__alloc(SIZE, 1);
        assert_non_null(all[i]);
        memset(all[i], i + 1, SIZE);
    }
    for (int i = 0; i < COUNT; i += 2) {
        hone__free(all[i]);
        all[i] = hone__alloc(SIZE, 1);
        assert_non_null(all[i]);
        assert_true(is_zero(all[i], SIZE));
    }
    for (int i = 1; i < COUNT; i += 2) assert_true(all[i][0] == i + 1 && memcmp(all[i], all[i] + 1, SIZE - 1) == 0);
    for (int i = 0; i < COUNT; i++) hone__free(all[i]);
}

static void test_sizes_that_cannot_be(void **state) {
    (void)state;
    assert_null(hone__alloc(SIZE_MAX, 2));
    assert_null(hone__alloc(SIZE_MAX, 1));
    void *nothing = hone__alloc(0, 8);
    assert_non_null(nothing);
    hone__free(nothing);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_of_it_is_zero),
        cmocka_unit_test(test_neighbours_keep_what_they_have),
        cmocka_unit_test(test_sizes_that_cannot_be),
    };
    return cmocka_run_group_tests_name("memory", tests, NULL, NULL);
}
