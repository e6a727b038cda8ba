/* SPDX-License-Identifier: Apache-2.0
 *
 * Trees of values: order, ownership, looking with wrong kinds, every allocation failing. */
#include "core_internal.h"
#include "test.h"

#include <string.h>

static hone_value *sample(void) {
    hone_value *root = hone_value_object(), *list = hone_value_list();
    hone_value_append(list, hone_value_integer(3));
    hone_value_append(list, hone_value_real(0.5));
    hone_value_append(list, hone_value_null());
    hone_value_set_string(root, "name", "conv2d");
    hone_value_set(root, "kernel_size", list);
    hone_value_set_boolean(root, "use_bias", true);
    hone_value_set_integer(root, "filters", 32);
    return root;
}

static void members_keep_their_order_and_are_replaced_in_place(void **state) {
    (void)state;
    hone_value *root = sample();
    assert_false(hone_value_failed(root));
    assert_int_equal(hone_value_count(root), 4);
    assert_string_equal(hone_value_key_at(root, 1), "kernel_size");
    hone_value_set_string(root, "kernel_size", "same");
    assert_int_equal(hone_value_count(root), 4);
    assert_string_equal(hone_value_as_string(hone_value_at(root, 1)), "same");
    assert_null(hone_value_key_at(root, 4));
    hone_value_free(root);
}

static void looking_is_safe_on_nothing_and_on_wrong_kinds(void **state) {
    (void)state;
    hone_value *root = sample();
    int64_t integer;
    double real;
    bool boolean;
    assert_null(hone_value_get(NULL, "x"));
    assert_null(hone_value_get(hone_value_get(root, "name"), "x"));
    assert_null(hone_value_at(root, 99));
    assert_null(hone_value_as_string(hone_value_get(root, "filters")));
    assert_false(hone_value_as_integer(hone_value_get(root, "name"), &integer));
    assert_false(hone_value_as_boolean(hone_value_get(root, "filters"), &boolean));
    assert_true(hone_value_as_real(hone_value_get(root, "filters"), &real) && real == 32);
    assert_false(hone_value_as_integer(hone_value_at(hone_value_get(root, "kernel_size"), 1), &integer)); /* 0.5 */
    assert_int_equal(hone_value_kind_of(NULL), HONE_VALUE_NULL);
    assert_int_equal(hone_value_count(NULL), 0);
    hone_value_free(root);
    hone_value_free(NULL);
}

static void copies_are_equal_and_independent(void **state) {
    (void)state;
    hone_value *root = sample(), *copy = hone_value_copy(root);
    assert_true(hone_value_equal(root, copy));
    hone_value_set_integer(copy, "filters", 64);
    assert_false(hone_value_equal(root, copy));
    hone_value_set_real(copy, "filters", 32.0); /* numbers compare by value */
    assert_true(hone_value_equal(root, copy));
    hone_value_set_null(copy, "extra");
    assert_false(hone_value_equal(root, copy));
    hone_value_free(copy);
    hone_value_free(root);
}

static void a_failed_child_marks_its_parents(void **state) {
    (void)state;
    hone_value *root = hone_value_object(), *list = hone_value_list();
    assert_int_equal(hone_value_append(list, NULL), HONE_MEMORY);
    assert_true(hone_value_failed(list));
    assert_int_equal(hone_value_set(root, "list", list), HONE_MEMORY);
    assert_true(hone_value_failed(root));
    assert_int_equal(hone_value_set(NULL, "x", hone_value_null()), HONE_MEMORY);
    hone_value_free(root);
}

static hone_status build_and_copy(void *context) {
    (void)context;
    hone_value *root = sample();
    hone_value *copy = hone_value_failed(root) ? NULL : hone_value_copy(root);
    hone_status status = hone_value_failed(copy) ? HONE_MEMORY : HONE_OK;
    hone_value_free(root);
    hone_value_free(copy);
    return status;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    assert_true(test_every_allocation(build_and_copy, NULL) > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(members_keep_their_order_and_are_replaced_in_place),
        cmocka_unit_test(looking_is_safe_on_nothing_and_on_wrong_kinds),
        cmocka_unit_test(copies_are_equal_and_independent),
        cmocka_unit_test(a_failed_child_marks_its_parents),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
