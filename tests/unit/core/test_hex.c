/* SPDX-License-Identifier: Apache-2.0
 *
 * Hexadecimal digits, both ways. */
#include "test.h"

#include "hex.h"

#include <math.h>
#include <string.h>

static void test_bytes_come_back(void **state) {
    (void)state;
    unsigned char bytes[256], back[256] = {0};
    for (int i = 0; i < 256; i++) bytes[i] = (unsigned char)i;
    hone_value *value = hone__hex_value(bytes, sizeof bytes);
    assert_memory_equal(hone_value_as_string(value), "000102", 6);
    assert_string_equal(hone_value_as_string(value) + 2 * 254, "feff");
    assert_true(hone__hex_read(value, back, sizeof back));
    assert_memory_equal(back, bytes, sizeof back);
    assert_false(hone__hex_read(value, back, sizeof back - 1));
    hone_value_free(value);
}

static void test_floats_come_back(void **state) {
    (void)state;
    const float values[] = {0, -0.0f, 1, -1.5f, 1e-45f, INFINITY, -INFINITY};
    float back[sizeof values / sizeof values[0]] = {0};
    enum { COUNT = sizeof values / sizeof values[0] };
    hone_value *value = hone__floats_value(values, COUNT);
    assert_string_equal(hone_value_as_string(value), "00000000"
                                                     "80000000"
                                                     "3f800000"
                                                     "bfc00000"
                                                     "00000001"
                                                     "7f800000"
                                                     "ff800000");
    assert_true(hone__floats_read(value, back, COUNT));
    assert_memory_equal(back, values, sizeof back);
    assert_false(hone__floats_read(value, back, COUNT + 1));
    hone_value_free(value);
}

static void test_nothing_is_text(void **state) {
    (void)state;
    hone_value *bytes = hone__hex_value(NULL, 0), *floats = hone__floats_value(NULL, 0);
    assert_string_equal(hone_value_as_string(bytes), "");
    assert_true(hone__hex_read(bytes, NULL, 0));
    assert_true(hone__floats_read(floats, NULL, 0));
    assert_null(hone__hex_value("x", SIZE_MAX));
    assert_null(hone__floats_value(&(float){0}, SIZE_MAX / 8));
    hone_value_free(bytes);
    hone_value_free(floats);
}

static void test_what_is_malformed_changes_nothing(void **state) {
    (void)state;
    static const char *const texts[] = {"",         "3f8000",   "3f80000",   "3f80000g",
                                        "3F800000", " 3f80000", "3f8000000", "-0x00001"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        unsigned char bytes[4] = {1, 2, 3, 4};
        float number = 7;
        hone_value *value = hone_value_string(texts[i]);
        assert_false(hone__hex_read(value, bytes, sizeof bytes));
        assert_memory_equal(bytes, "\1\2\3\4", sizeof bytes);
        assert_false(hone__floats_read(value, &number, 1));
        assert_true(number == 7);
        hone_value_free(value);
    }
    hone_value *number = hone_value_integer(0);
    assert_false(hone__hex_read(NULL, NULL, 0));
    assert_false(hone__floats_read(number, NULL, 0));
    hone_value_free(number);
}

static void test_memory_runs_out(void **state) {
    (void)state;
    for (long n = 0; n < 3; n++) {
        test_allocator a;
        test_allocator_install(&a, n);
        assert_null(hone__floats_value((const float[]){1, 2}, 2));
        assert_null(hone__hex_value("abc", 3));
        assert_int_equal(atomic_load(&a.live), 0);
        test_allocator_remove();
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_come_back), cmocka_unit_test(test_floats_come_back),
        cmocka_unit_test(test_nothing_is_text), cmocka_unit_test(test_what_is_malformed_changes_nothing),
        cmocka_unit_test(test_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
