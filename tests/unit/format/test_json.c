/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON: what Python's json writes and reads, to the character; and text that must be refused with its place. */
#include "test.h"

#include "format_internal.h"

#include <math.h>
#include <string.h>

static hone_value *parse(const char *text) {
    hone_value *value;
    hone_error err = {0};
    if (hone_json_parse(&value, text, strlen(text), &err) != HONE_OK) fail_msg("%s: %s", text, err.message);
    return value;
}

static void assert_prints(const hone_value *value, int indent, bool ascii, const char *expected) {
    char *text;
    assert_int_equal(hone_json_print(&text, value, indent, ascii, NULL), HONE_OK);
    assert_string_equal(text, expected);
    hone_json_free(text);
}

static void assert_round_trip(const char *text) {
    hone_value *value = parse(text);
    assert_prints(value, 0, true, text);
    hone_value_free(value);
}

static void texts_survive_unchanged(void **state) {
    (void)state;
    assert_round_trip("null");
    assert_round_trip("[]");
    assert_round_trip("{}");
    assert_round_trip("[true, false, null, -1, 0, 1.0, 0.1, 1e-07, -2.5e+30, \"\"]");
    /* order of keys is the order of writing, not the alphabet's */
    assert_round_trip("{\"z\": {\"b\": [], \"a\": {}}, \"a\": [[[1]]]}");
    assert_round_trip("{\"learning_rate\": 0.0010000000474974513, \"beta_1\": 0.9}");
    assert_round_trip("[9223372036854775807, -9223372036854775808]");
    assert_round_trip("[\"\\\"\\\\\\n\\r\\t\\b\\f\\u0001\\u007f/\"]");
}

static void integers_and_reals_stay_apart(void **state) {
    (void)state;
    hone_value *value = parse("[1, 1.0, 1e0]");
    assert_int_equal(hone_value_kind_of(hone_value_at(value, 0)), HONE_VALUE_INTEGER);
    assert_int_equal(hone_value_kind_of(hone_value_at(value, 1)), HONE_VALUE_REAL);
    assert_int_equal(hone_value_kind_of(hone_value_at(value, 2)), HONE_VALUE_REAL);
    hone_value_free(value);
}

static void doubles_read_back_as_themselves(void **state) {
    (void)state;
    const double numbers[] = {0.1, 1.0 / 3, 5e-324, 1.7976931348623157e308, 123456789.125, -0.0, 1e22, 0x1.fffffep-3};
    for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++) {
        hone_value *value = hone_value_real(numbers[i]);
        char *text;
        double back;
        assert_int_equal(hone_json_print(&text, value, 0, true, NULL), HONE_OK);
        hone_value *again = parse(text);
        assert_int_equal(hone_value_kind_of(again), HONE_VALUE_REAL);
        assert_true(hone_value_as_real(again, &back));
        assert_memory_equal(&back, &numbers[i], sizeof back);
        hone_value_free(again);
        hone_value_free(value);
        hone_json_free(text);
    }
}

static void what_json_lacks_becomes_null(void **state) {
    (void)state;
    hone_value *list = hone_value_list();
    hone_value_append(list, hone_value_real((double)NAN));
    hone_value_append(list, hone_value_real((double)INFINITY));
    hone_value_append(list, hone_value_real((double)-INFINITY));
    assert_prints(list, 0, false, "[null, null, null]");
    hone_value_free(list);
}

static void indentation_is_pythons(void **state) {
    (void)state;
    hone_value *value = parse("{\"a\":[1,2],\"b\":{},\"c\":[],\"d\":{\"e\":null}}");
    assert_prints(
        value, 2, false,
        "{\n  \"a\": [\n    1,\n    2\n  ],\n  \"b\": {},\n  \"c\": [],\n  \"d\": {\n    \"e\": null\n  }\n}");
    hone_value_free(value);
}

static void text_of_every_alphabet(void **state) {
    (void)state;
    hone_value *value = parse("[\"\\u732b\\ud83d\\ude00\xC3\xA9\"]");
    assert_string_equal(hone_value_as_string(hone_value_at(value, 0)), "\xE7\x8C\xAB\xF0\x9F\x98\x80\xC3\xA9");
    assert_prints(value, 0, true, "[\"\\u732b\\ud83d\\ude00\\u00e9\"]");
    assert_prints(value, 0, false, "[\"\xE7\x8C\xAB\xF0\x9F\x98\x80\xC3\xA9\"]");
    hone_value_free(value);
}

/* A file name may be any bytes; what is printed must still be UTF-8. */
static void bytes_that_are_no_text_are_marked(void **state) {
    (void)state;
    const char *const broken[] = {"a\xFF!", "\xC3", "\xC0\x80", "\xED\xA0\x80", "\xF4\x90\x80\x80", "\xE7\x8C"};
    for (size_t i = 0; i < sizeof broken / sizeof broken[0]; i++) {
        hone_value *value = hone_value_string(broken[i]);
        char *text;
        assert_int_equal(hone_json_print(&text, value, 0, false, NULL), HONE_OK);
        assert_non_null(strstr(text, "\xEF\xBF\xBD"));
        hone_value_free(parse(text));
        hone_json_free(text);
        hone_value_free(value);
    }
}

static void a_byte_order_mark_is_no_text(void **state) {
    (void)state;
    hone_value *value = parse("\xEF\xBB\xBF{\"a\": 1}");
    assert_int_equal(hone_value_count(value), 1);
    hone_value_free(value);
}

static void assert_refused(const char *text, hone_status status, const char *words) {
    hone_value *value = (hone_value *)1;
    hone_error err = {0};
    assert_int_equal(hone_json_parse(&value, text, strlen(text), &err), status);
    assert_null(value);
    if (!strstr(err.message, words)) fail_msg("'%s' does not say '%s'", err.message, words);
}

static void errors_name_the_place(void **state) {
    (void)state;
    assert_refused("", HONE_FORMAT, "line 1");
    assert_refused("{\"a\": 1,\n \"b\": }", HONE_FORMAT, "line 2, column 7");
    assert_refused("[1, 2", HONE_FORMAT, "line 1");
    assert_refused("[1] 2", HONE_FORMAT, "line 1, column 5");
    assert_refused("{\"a\": NaN}", HONE_FORMAT, "column");
    assert_refused("[\"\xFF\"]", HONE_FORMAT, "byte 0xff");
    assert_refused("[\"\\u0000\"]", HONE_FORMAT, "u0000");
    assert_refused("[99999999999999999999]", HONE_FORMAT, "too big");
    assert_refused("'a'", HONE_FORMAT, "line 1");
}

static void nesting_is_limited(void **state) {
    (void)state;
    char text[4 * HONE_MAX_JSON_DEPTH];
    memset(text, '[', sizeof text);
    text[sizeof text - 1] = '\0';
    assert_refused(text, HONE_LIMIT, "column 201");
    /* brackets inside text do not count, escaped quotes do not end it */
    char quoted[4 * HONE_MAX_JSON_DEPTH];
    memset(quoted, '[', sizeof quoted);
    memcpy(quoted, "[\"\\\"", 4);
    memcpy(quoted + sizeof quoted - 3, "\"]", 3);
    hone_value_free(parse(quoted));
    /* the deepest that is read, and printed back */
    char deep[2 * HONE_MAX_JSON_DEPTH + 1];
    memset(deep, '[', HONE_MAX_JSON_DEPTH);
    memset(deep + HONE_MAX_JSON_DEPTH, ']', HONE_MAX_JSON_DEPTH);
    deep[sizeof deep - 1] = '\0';
    assert_round_trip(deep);
}

static void a_value_too_deep_is_not_printed(void **state) {
    (void)state;
    hone_value *value = hone_value_list();
    for (int i = 0; i <= HONE_MAX_JSON_DEPTH; i++) {
        hone_value *outer = hone_value_list();
        hone_value_append(outer, value);
        value = outer;
    }
    char *text;
    assert_int_equal(hone_json_print(&text, value, 0, false, NULL), HONE_LIMIT);
    assert_null(text);
    hone_value_free(value);
}

static hone_status scenario(void *context) {
    (void)context;
    const char *json = "{\"name\": \"a\", \"layers\": [{\"k\": [1, 2.5, null, true]}, \"text\"]}";
    hone_value *value;
    char *text;
    HONE_TRY(hone_json_parse(&value, json, strlen(json), NULL));
    hone_status status = hone_json_print(&text, value, 2, true, NULL);
    hone_value_free(value);
    if (status == HONE_OK) hone_json_free(text);
    return status;
}

static void memory_may_run_out_anywhere(void **state) {
    (void)state;
    assert_true(test_every_allocation(scenario, NULL) > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(texts_survive_unchanged),
        cmocka_unit_test(integers_and_reals_stay_apart),
        cmocka_unit_test(doubles_read_back_as_themselves),
        cmocka_unit_test(what_json_lacks_becomes_null),
        cmocka_unit_test(indentation_is_pythons),
        cmocka_unit_test(text_of_every_alphabet),
        cmocka_unit_test(bytes_that_are_no_text_are_marked),
        cmocka_unit_test(a_byte_order_mark_is_no_text),
        cmocka_unit_test(errors_name_the_place),
        cmocka_unit_test(nesting_is_limited),
        cmocka_unit_test(a_value_too_deep_is_not_printed),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
