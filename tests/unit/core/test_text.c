/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers as text, errors with words, checked arithmetic. */
#include <hone/status.h>

#include "core_internal.h"
#include "test.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static void doubles_are_spelt_like_python_repr(void **state) {
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0.0, "0.0"},
                 {-0.0, "-0.0"},
                 {1.0, "1.0"},
                 {0.98, "0.98"},
                 {-2.5, "-2.5"},
                 {1e-05, "1e-05"},
                 {0.0001, "0.0001"},
                 {0.00012345, "0.00012345"},
                 {1e15, "1000000000000000.0"},
                 {1e16, "1e+16"},
                 {1.5e300, "1.5e+300"},
                 {123456.789, "123456.789"},
                 {0.1 + 0.2, "0.30000000000000004"},
                 {0.0010000000474974513, "0.0010000000474974513"},
                 {5e-324, "5e-324"},
                 {DBL_MAX, "1.7976931348623157e+308"},
                 {100.0, "100.0"}};
    char buffer[HONE_NUMBER_SIZE];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(hone__format_double(buffer, cases[i].value), cases[i].text);
    assert_string_equal(hone__format_double(buffer, NAN), "nan");
    assert_string_equal(hone__format_double(buffer, -INFINITY), "-inf");
    uint64_t bits = 88172645463325252u;
    for (int i = 0; i < 20000; i++) {
        bits ^= bits << 13, bits ^= bits >> 7, bits ^= bits << 17;
        double value;
        memcpy(&value, &bits, sizeof value);
        if (isnan(value) || isinf(value)) continue;
        assert_true(strtod(hone__format_double(buffer, value), NULL) == value);
    }
}

static void numbers_are_read_whole_or_not_at_all(void **state) {
    (void)state;
    double real;
    int64_t integer;
    assert_true(hone__parse_double("1e-3", &real) && real == 1e-3);
    assert_true(hone__parse_double("-.5", &real) && real == -0.5);
    const char *bad[] = {"", " 1", "1x", "1,5", "0.1.2", "1e999", "--1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_false(hone__parse_double(bad[i], &real));
    assert_true(hone__parse_integer("-42", &integer) && integer == -42);
    assert_false(hone__parse_integer("4.0", &integer));
    assert_false(hone__parse_integer("99999999999999999999", &integer));
    assert_false(hone__parse_integer(NULL, &integer));
}

static void class_names_become_snake_case_as_in_keras(void **state) {
    (void)state;
    static const char *const cases[][2] = {{"Conv2D", "conv2d"},
                                           {"BatchNormalization", "batch_normalization"},
                                           {"ReLU", "re_lu"},
                                           {"PReLU", "p_re_lu"},
                                           {"LeakyReLU", "leaky_re_lu"},
                                           {"ELU", "elu"},
                                           {"MaxPooling2D", "max_pooling2d"},
                                           {"GlobalAveragePooling2D", "global_average_pooling2d"},
                                           {"DepthwiseConv2D", "depthwise_conv2d"},
                                           {"Dense", "dense"},
                                           {"SeparableConv2D", "separable_conv2d"},
                                           {"ZeroPadding2D", "zero_padding2d"},
                                           {"SpatialDropout2D", "spatial_dropout2d"},
                                           {"LayerNormalization", "layer_normalization"}};
    char out[64];
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hone__snake_case(out, sizeof out, cases[i][0]);
        assert_string_equal(out, cases[i][1]);
    }
    char small[5];
    hone__snake_case(small, sizeof small, "GlobalAverage"); /* cut, never overrun */
    assert_true(strlen(small) < sizeof small);
}

static void errors_keep_the_reason_when_context_is_long(void **state) {
    (void)state;
    hone_error err = {0};
    assert_int_equal(hone__fail(&err, HONE_FORMAT, "row %d is short", 7), HONE_FORMAT);
    assert_int_equal(err.offset, -1);
    char path[2 * HONE_ERROR_MESSAGE_SIZE];
    memset(path, 'p', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(hone__fail_context(&err, HONE_INTERNAL, "'%s'", path), HONE_FORMAT);
    assert_non_null(strstr(err.message, ": row 7 is short"));
    assert_int_equal(hone__fail_context(NULL, HONE_IO, "x"), HONE_IO);
    hone__fail(&err, HONE_IO, "cannot write 'a': no space");
    assert_int_equal(hone__fail_context(&err, HONE_INTERNAL, "cannot write 'a'"), HONE_IO);
    assert_string_equal(err.message, "cannot write 'a': no space"); /* said once */
    assert_int_equal(hone__fail_at(&err, HONE_FORMAT, 12, "here"), HONE_FORMAT);
    assert_int_equal(err.offset, 12);
    assert_string_equal(hone_status_text(HONE_NOT_FOUND), "not found");
    assert_string_equal(hone_status_text((hone_status)999), "unknown status");
}

static void arithmetic_and_memory_say_no_on_overflow(void **state) {
    (void)state;
    size_t out;
    assert_false(hone__multiply(SIZE_MAX / 2, 3, &out));
    assert_true(hone__multiply(0, SIZE_MAX, &out) && out == 0);
    assert_false(hone__add(SIZE_MAX, 1, &out));
    assert_null(hone__alloc(SIZE_MAX / 2, 3));
    assert_null(hone__alloc(SIZE_MAX, 1));
    unsigned char *block = hone__alloc(65, 1);
    assert_non_null(block);
    assert_int_equal((uintptr_t)block % HONE_ALIGNMENT, 0);
    for (int i = 0; i < 128; i++) assert_int_equal(block[i], 0); /* padded to a whole line, all zero */
    hone__free(block);
    int *items = NULL;
    size_t capacity = 0;
    assert_int_equal(hone__grow((void **)&items, &capacity, 3, sizeof *items, NULL), HONE_OK);
    items[2] = 5;
    assert_int_equal(hone__grow((void **)&items, &capacity, 100, sizeof *items, NULL), HONE_OK);
    assert_int_equal(items[2], 5);
    assert_int_equal(items[99], 0);
    assert_true(capacity >= 100);
    assert_int_equal(hone__grow((void **)&items, &capacity, SIZE_MAX / 2, sizeof *items, NULL), HONE_MEMORY);
    assert_int_equal(items[2], 5);
    hone__free(items);
}

static char last_message[256];
static int messages;
static void remember(void *context, hone_log_level level, const char *message) {
    (void)context, (void)level;
    snprintf(last_message, sizeof last_message, "%s", message);
    messages++;
}

static void the_log_goes_to_its_callback_from_the_level_on(void **state) {
    (void)state;
    hone__log(HONE_LOG_ERROR, "nobody hears this");
    hone_set_log(remember, NULL, HONE_LOG_WARNING);
    hone__log(HONE_LOG_INFO, "too quiet");
    hone__log(HONE_LOG_WARNING, "key '%s' ignored", "groups");
    assert_int_equal(messages, 1);
    assert_string_equal(last_message, "key 'groups' ignored");
    hone_set_log(NULL, NULL, HONE_LOG_ERROR);
}

static void test_utf8(void **state) {
    (void)state;
    static const struct {
        const char *text;
        size_t left, length;
        uint32_t code;
    } cases[] = {{"a", 1, 1, 'a'},
                 {"\xC3\xA9", 2, 2, 0xE9},
                 {"\xE4\xB8\x83", SIZE_MAX, 3, 0x4E03},
                 {"\xF0\x9F\x98\x80", SIZE_MAX, 4, 0x1F600},
                 {"\xE4\xB8\x83", 2, 0, HONE_NO_CHARACTER},            /* cut by the count */
                 {"\xE4\xB8", SIZE_MAX, 0, HONE_NO_CHARACTER},         /* cut by the end */
                 {"\xC0\x80", SIZE_MAX, 0, HONE_NO_CHARACTER},         /* overlong */
                 {"\xED\xA0\x80", SIZE_MAX, 0, HONE_NO_CHARACTER},     /* half of a pair */
                 {"\xF4\x90\x80\x80", SIZE_MAX, 0, HONE_NO_CHARACTER}, /* beyond Unicode */
                 {"\x80", SIZE_MAX, 0, HONE_NO_CHARACTER},
                 {"", 0, 0, HONE_NO_CHARACTER}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        uint32_t code;
        assert_int_equal(hone__utf8_decode(cases[i].text, cases[i].left, &code), cases[i].length);
        assert_int_equal(code, cases[i].code);
    }
}

static void check_json(const char *text, bool ascii, const char *expected) {
    char out[256], escape[HONE_JSON_ESCAPE];
    const char *piece;
    size_t used = 0;
    for (size_t n; (n = hone__json_piece(&text, ascii, escape, &piece)) > 0; used += n) memcpy(out + used, piece, n);
    out[used] = '\0';
    assert_string_equal(out, expected);
}

static void test_text_in_json(void **state) {
    (void)state;
    check_json("", false, "");
    check_json("a\"b\\c\n\r\t\b\f\x01\x7f", false, "a\\\"b\\\\c\\n\\r\\t\\b\\f\\u0001\x7f");
    check_json("数字\xFF七\xE4\xB8", false, "数字\xEF\xBF\xBD七\xEF\xBF\xBD\xEF\xBF\xBD");
    check_json("七\xF0\x9F\x98\x80\x7f\xFF", true, "\\u4e03\\ud83d\\ude00\\u007f\\ufffd");
}

/* A file's name or its contents shall not command the terminal that shows the message. */
static void test_messages_are_plain(void **state) {
    (void)state;
    hone_error err = {0};
    hone__set_error(&err, HONE_FORMAT, -1, "'%s' is \x1b[2Jno file\x7f", "a\nb");
    assert_string_equal(err.message, "'a?b' is ?[2Jno file?");
    hone__fail_context(&err, HONE_FORMAT, "数字 '%s'", "\x1b]0;");
    assert_string_equal(err.message, "数字 '?]0;': 'a?b' is ?[2Jno file?");
}

/* The reference vectors of FNV-1a's authors. */
static void test_control_characters(void **state) {
    (void)state;
    assert_false(hone__has_control(""));
    assert_false(hone__has_control("a,b \"数字\" \xC3\x9F \xFF"));
    assert_true(hone__has_control("a\tb"));
    assert_true(hone__has_control("\x1b[31m"));
    assert_true(hone__has_control("a\x7f"));
    assert_true(hone__has_control("a\xC2\x9B"
                                  "31m")); /* CSI in one character */
    assert_false(hone__has_control("\xC2"));
}

static void test_fnv1a(void **state) {
    (void)state;
    assert_true(hone__fnv1a(HONE_FNV1A_BEGIN, "", 0) == UINT64_C(0xcbf29ce484222325));
    assert_true(hone__fnv1a(HONE_FNV1A_BEGIN, "a", 1) == UINT64_C(0xaf63dc4c8601ec8c));
    assert_true(hone__fnv1a(hone__fnv1a(HONE_FNV1A_BEGIN, "foo", 3), "bar", 3) == UINT64_C(0x85944171f73967e8));
}

static void test_ends_with(void **state) {
    (void)state;
    assert_true(hone__ends_with("model.h5", ".h5"));
    assert_true(hone__ends_with("model", ""));
    assert_false(hone__ends_with("h5", ".h5"));
    assert_false(hone__ends_with("model.h5.tmp", ".h5"));
}

static void lists_end_where_the_room_does(void **state) {
    (void)state;
    char list[sizeof "one, two, …"] = "";
    hone__list_add(list, sizeof list, "one");
    assert_string_equal(list, "one");
    hone__list_add(list, sizeof list, "two");
    assert_string_equal(list, "one, two");
    hone__list_add(list, sizeof list, "three");
    assert_string_equal(list, "one, two, …");
    hone__list_add(list, sizeof list, "");
    assert_string_equal(list, "one, two, …");
    char small[sizeof ", …"] = "";
    hone__list_add(small, sizeof small, "large");
    assert_string_equal(small, "…");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(doubles_are_spelt_like_python_repr),
        cmocka_unit_test(numbers_are_read_whole_or_not_at_all),
        cmocka_unit_test(class_names_become_snake_case_as_in_keras),
        cmocka_unit_test(errors_keep_the_reason_when_context_is_long),
        cmocka_unit_test(arithmetic_and_memory_say_no_on_overflow),
        cmocka_unit_test(the_log_goes_to_its_callback_from_the_level_on),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_text_in_json),
        cmocka_unit_test(test_messages_are_plain),
        cmocka_unit_test(test_control_characters),
        cmocka_unit_test(test_fnv1a),
        cmocka_unit_test(test_ends_with),
        cmocka_unit_test(lists_end_where_the_room_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
