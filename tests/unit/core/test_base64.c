/* SPDX-License-Identifier: Apache-2.0
 *
 * Base64, both ways. */
#include "test.h"

#include "core_internal.h"

#include <string.h>

static void test_known_texts(void **state) {
    (void)state;
    static const char *const pairs[][2] = {{"", ""},
                                           {"f", "Zg=="},
                                           {"fo", "Zm8="},
                                           {"foo", "Zm9v"},
                                           {"foob", "Zm9vYg=="},
                                           {"fooba", "Zm9vYmE="},
                                           {"foobar", "Zm9vYmFy"}}; /* RFC 4648, 10 */
    for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
        size_t length = strlen(pairs[i][0]), size;
        char *text = hone__base64(pairs[i][0], length), back[8] = {0};
        assert_string_equal(text, pairs[i][1]);
        assert_true(hone__base64_size(text, &size));
        assert_int_equal(size, length);
        assert_true(hone__base64_read(text, back, length));
        assert_memory_equal(back, pairs[i][0], length);
        hone__free(text);
    }
}

static void test_every_byte(void **state) {
    (void)state;
    unsigned char bytes[256], back[256];
    for (int i = 0; i < 256; i++) bytes[i] = (unsigned char)i;
    for (size_t length = 250; length <= 256; length++) {
        char *text = hone__base64(bytes, length);
        assert_true(hone__base64_read(text, back, length));
        assert_memory_equal(back, bytes, length);
        assert_false(hone__base64_read(text, back, length - 1));
        hone__free(text);
    }
}

static void test_nonsense(void **state) {
    (void)state;
    char out[8];
    size_t size;
    assert_false(hone__base64_size(NULL, &size));
    assert_false(hone__base64_size("abc", &size));
    assert_false(hone__base64_read("Zm9", out, 2));
    assert_false(hone__base64_read("Zm 9", out, 3));
    assert_false(hone__base64_read("Z===", out, 1));
    assert_false(hone__base64_read("====", out, 1));
    assert_false(hone__base64_read("Zm9v", out, 4));
    assert_false(hone__base64_read("Zm9v", out, 2));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_texts),
        cmocka_unit_test(test_every_byte),
        cmocka_unit_test(test_nonsense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
