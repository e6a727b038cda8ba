/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers and strings as they go over the wire: floats that read back as themselves, JSON read where it lies. */
#include "test.h"

#include "serve_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char *text_of(float value) {
    static char text[64];
    hone__buffer b = {0};
    hone__buffer_float(&b, value);
    hone__buffer_put(&b, "", 1);
    assert_false(b.failed);
    memcpy(text, b.data, b.size);
    hone__buffer_release(&b);
    return text;
}

static void floats_read_back_as_themselves(void **state) {
    (void)state;
    assert_string_equal(text_of(1.0f), "1.0");
    assert_string_equal(text_of(-0.0f), "-0.0");
    assert_string_equal(text_of(0.1f), "0.1");
    assert_string_equal(text_of(1e-7f), "1e-07");
    assert_string_equal(text_of(16777216.0f), "16777216.0");
    assert_string_equal(text_of(NAN), "NaN");
    assert_string_equal(text_of(-INFINITY), "-Infinity");
    uint32_t bits = 1;
    for (int i = 0; i < 20000; i++) {
        float value, back;
        bits = bits * 1664525u + 1013904223u;
        memcpy(&value, &bits, sizeof value);
        if (!isfinite(value)) continue;
        const char *text = text_of(value);
        assert_non_null(strpbrk(text, ".e"));
        back = strtof(text, NULL);
        assert_memory_equal(&back, &value, sizeof value);
        /* and by our own reader, which takes the double way */
        hone__json j;
        hone_error err;
        hone__json_init(&j, text, strlen(text), &err);
        assert_true((float)hone__json_number(&j, NULL) == value);
    }
}

static double number(const char *text, bool lenient) {
    hone__json j;
    hone_error err;
    hone__json_init(&j, text, strlen(text), &err);
    j.lenient = lenient;
    double value = hone__json_number(&j, NULL);
    hone__json_peek(&j);
    return j.failed || j.at != j.end ? 12345.0 : value; /* which none of the tests below is about */
}

static void numbers_are_json_and_exact(void **state) {
    (void)state;
    static const char *const right[] = {"0",      "-0.5",   "1e22",     "123456789012345678", "0.30000000000000004",
                                        "5e-324", "1e-400", "2.5E+003", "9007199254740993",   "1.7976931348623157e308"};
    static const char *const wrong[] = {"01",   "+1",    ".5",  "1.",  "1e",       "-",
                                        "0x10", "1e400", "nan", "NaN", "Infinity", "--1"};
    for (size_t i = 0; i < sizeof right / sizeof *right; i++)
        assert_true(number(right[i], false) == strtod(right[i], NULL));
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) assert_true(number(wrong[i], false) == 12345.0);
    assert_true(isnan(number("NaN", true)));
    assert_true(number("-Infinity", true) == -INFINITY);
}

/* Digits with a point anywhere, shorter and longer than what is read the short way, up to the document's end or followed by
 * something: the same double as the C library's, and nothing behind it is taken. */
static void numbers_of_every_length(void **state) {
    (void)state;
    uint32_t random = 1;
    for (int i = 0; i < 40000; i++) {
        char text[64] = "";
        size_t length = 0, digits = 1 + (size_t)i % 20, point = (size_t)(i / 20) % (digits + 4);
        if (i % 3 == 0) text[length++] = '-';
        for (size_t k = 0; k < digits; k++) {
            if (k == point && k > 0) text[length++] = '.';
            random = random * 1664525 + 1013904223;
            char digit = (char)('0' + (random >> 24) % 10);
            text[length++] = k == 0 && digit == '0' && digits > 1 ? '1' : digit;
        }
        double expected = strtod(text, NULL);
        bool is_whole = !strchr(text, '.'), whole;
        if (i % 7 == 0) strcpy(text + length, i % 2 ? ", 5" : "]");
        hone_error err = {0};
        hone__json j;
        hone__json_init(&j, text, strlen(text), &err);
        double value = hone__json_number(&j, &whole);
        if (hone__json_status(&j) != HONE_OK || value != expected || j.at != text + length || whole != is_whole)
            fail_msg("'%s' is read as %.17g, %s", text, value, err.message);
    }
}

static void strings_are_decoded_and_bounded(void **state) {
    (void)state;
    static const char document[] = "\"a\\u00e4\\n\\ud83d\\ude00\\/\"";
    char out[16];
    hone__json j;
    hone_error err;
    hone__json_init(&j, document, sizeof document - 1, &err);
    hone__json_text text = hone__json_string(&j);
    assert_true(text.escaped && !j.failed);
    assert_true(hone__json_decode(text, out, sizeof out));
    assert_string_equal(out, "a\xC3\xA4\n\xF0\x9F\x98\x80/");
    assert_false(hone__json_decode(text, out, 9)); /* one byte too few */
    assert_true(hone__json_decode(text, out, 10));
    static const char *const wrong[] = {"\"\\ud800\"", "\"\\u12g4\"", "\"\xC0\x80\"", "\"\xED\xA0\x80\"",
                                        "\"\n\"",      "\"open",      "\"\\x\"",      "\"\\"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        hone__json_init(&j, wrong[i], strlen(wrong[i]), &err);
        hone__json_string(&j);
        assert_true(j.failed);
    }
    hone__json_init(&j, "\"\\u0000\"", 8, &err);
    text = hone__json_string(&j);
    assert_false(j.failed);
    assert_false(hone__json_decode(text, out, sizeof out)); /* a zero inside would end it */
}

static void tensors_keep_their_shape(void **state) {
    (void)state;
    static const int64_t dims[3] = {2, 1, 2};
    static const struct {
        const char *text, *why;
    } wrong[] = {{"[[[1, 2]], [[3]]]", "level 2 of the tensor has 1 items, expected 2"},
                 {"[[[1, 2]]]", "level 0 of the tensor has 1 items, expected 2"},
                 {"[[[1, 2]], [[3, 4]], [[5, 6]]]", "more than 2"},
                 {"[[1, 2], [3, 4]]", "expected a list of 2 at level 2"},
                 {"[[[1, [2]]], [[3, 4]]]", "level 3 of the tensor, which has no such level"},
                 {"[[[1, true]], [[3, 4]]]", "expected a number"},
                 {"[[[1, 2", "ends"}};
    float out[4] = {0};
    hone__json j;
    hone_error err;
    static const char right[] = " [ [[1,2]] , [[3,4.5]]]";
    hone__json_init(&j, right, sizeof right - 1, &err);
    hone__json_tensor(&j, dims, 3, out);
    assert_false(j.failed);
    assert_true(out[0] == 1 && out[1] == 2 && out[2] == 3 && out[3] == 4.5f);
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        hone__json_init(&j, wrong[i].text, strlen(wrong[i].text), &err);
        hone__json_tensor(&j, dims, 3, out);
        assert_true(j.failed);
        if (!strstr(err.message, wrong[i].why)) fail_msg("'%s' not in '%s'", wrong[i].why, err.message);
    }
}

static void buffers_remember_that_memory_ran_out(void **state) {
    (void)state;
    test_allocator a;
    hone__buffer b = {0};
    test_allocator_install(&a, 1);
    hone__buffer_text(&b, "short");
    assert_false(b.failed);
    for (int i = 0; i < 1000; i++) hone__buffer_text(&b, "much longer than before");
    assert_true(b.failed);
    hone__buffer_release(&b);
    assert_int_equal(atomic_load(&a.live), 0);
    test_allocator_remove();
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(floats_read_back_as_themselves), cmocka_unit_test(numbers_are_json_and_exact),
        cmocka_unit_test(numbers_of_every_length),        cmocka_unit_test(strings_are_decoded_and_bounded),
        cmocka_unit_test(tensors_keep_their_shape),       cmocka_unit_test(buffers_remember_that_memory_ran_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
