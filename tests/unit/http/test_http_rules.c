/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may be answered: hosts, origins, secrets, routes, entity tags. */
#include "test.h"

#include "http.h"

#include <string.h>

static const char *const names[] = {"workbench"};

static bool host(const char *text, bool loopback) {
    return hone__http_host_allowed(text, names, 1, loopback);
}

static void a_loopback_server_answers_to_this_machine_only(void **state) {
    (void)state;
    static const char *const right[] = {"127.0.0.1",   "127.0.0.1:8080", "localhost", "LocalHost:1", "[::1]",
                                        "[::1]:65535", "127.1.2.3",      "workbench", "Workbench:80"};
    static const char *const wrong[] = {"",
                                        "evil.example",
                                        "evil.example:8080",
                                        "127.0.0.1.evil.example",
                                        "localhost.evil.example",
                                        "192.168.1.5",
                                        "127.0.0.1:",
                                        "127.0.0.1:80a",
                                        "127.0.0.1:123456",
                                        "127.0.0",
                                        "127.0.0.1.1",
                                        "127..0.1",
                                        "127.0.0.256",
                                        "[::2]",
                                        "[::1",
                                        "[::1]x",
                                        "[evil.example]",
                                        "[]",
                                        ":80",
                                        "workbench.evil",
                                        "127.0.0.1@evil.example"};
    for (size_t i = 0; i < sizeof right / sizeof right[0]; i++)
        if (!host(right[i], true)) fail_msg("'%s' should be right", right[i]);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (host(wrong[i], true)) fail_msg("'%s' should be wrong", wrong[i]);
    assert_false(host(NULL, true));
}

static void an_open_server_answers_to_any_address_but_to_no_strange_name(void **state) {
    (void)state;
    assert_true(host("192.168.1.5:8080", false));
    assert_true(host("[fe80::1]:80", false));
    assert_false(host("evil.example", false));
    assert_false(host("1.2.3.4.evil.example", false));
    assert_false(host(NULL, false));
}

static void only_the_page_itself_may_write(void **state) {
    (void)state;
    assert_true(hone__http_origin_allowed(NULL, "127.0.0.1:80", false));
    assert_true(hone__http_origin_allowed("http://127.0.0.1:80", "127.0.0.1:80", false));
    assert_false(hone__http_origin_allowed("http://127.0.0.1:81", "127.0.0.1:80", false));
    assert_false(hone__http_origin_allowed("https://127.0.0.1:80", "127.0.0.1:80", false));
    assert_true(hone__http_origin_allowed("https://127.0.0.1:80", "127.0.0.1:80", true));
    assert_false(hone__http_origin_allowed("http://127.0.0.1:80", "127.0.0.1:80", true));
    assert_false(hone__http_origin_allowed("http://evil.example", "127.0.0.1:80", false));
    assert_false(hone__http_origin_allowed("null", "127.0.0.1:80", false));
    assert_false(hone__http_origin_allowed("", "127.0.0.1:80", false));
    assert_false(hone__http_origin_allowed("http://127.0.0.1:80/", "127.0.0.1:80", false));
}

static void a_secret_is_all_or_nothing(void **state) {
    (void)state;
    assert_true(hone__http_same_secret("abcdef", "abcdef"));
    static const char *const wrong[] = {"", "a", "abcde", "abcdeg", "abcdefg", "abcdefabcdef", "xbcdef", "ABCDEF"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_false(hone__http_same_secret("abcdef", wrong[i]));
    assert_false(hone__http_same_secret("abcdef", NULL));
    assert_false(hone__http_same_secret("", "")); /* no secret opens nothing */
    assert_false(hone__http_same_secret("", "a"));
}

static void a_star_is_one_segment(void **state) {
    (void)state;
    const char *segment;
    assert_true(hone__http_path_matches("/", "/", &segment));
    assert_null(segment);
    assert_true(hone__http_path_matches("/thumb/*", "/thumb/12", &segment));
    assert_string_equal(segment, "12");
    assert_false(hone__http_path_matches("/thumb/*", "/thumb/", &segment));
    assert_false(hone__http_path_matches("/thumb/*", "/thumb", &segment));
    assert_false(hone__http_path_matches("/thumb/*", "/thumb/1/2", &segment));
    assert_false(hone__http_path_matches("/thumb/*", "/thumbs/1", &segment));
    assert_false(hone__http_path_matches("/a", "/A", &segment));
    assert_false(hone__http_path_matches("/a", "/a/", &segment));
}

static void etags_are_found_in_lists(void **state) {
    (void)state;
    assert_true(hone__http_etag_listed("\"a\"", "a"));
    assert_true(hone__http_etag_listed("\"b\", W/\"a\"", "a"));
    assert_true(hone__http_etag_listed("*", "a"));
    assert_false(hone__http_etag_listed(NULL, "a"));
    assert_false(hone__http_etag_listed("", "a"));
    assert_false(hone__http_etag_listed("a", "a"));
    assert_false(hone__http_etag_listed("\"ab\"", "a"));
    assert_false(hone__http_etag_listed("\"a", "a"));
    assert_false(hone__http_etag_listed("W/", "a"));
}

static void every_status_has_a_number(void **state) {
    (void)state;
    assert_int_equal(hone__http_status_of(HONE_OK), 200);
    for (int i = 1; i <= HONE_INTERNAL; i++) assert_in_range(hone__http_status_of((hone_status)i), 400, 599);
    assert_int_equal(hone__http_status_of(HONE_NOT_FOUND), 404);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loopback_server_answers_to_this_machine_only),
        cmocka_unit_test(an_open_server_answers_to_any_address_but_to_no_strange_name),
        cmocka_unit_test(only_the_page_itself_may_write),
        cmocka_unit_test(a_secret_is_all_or_nothing),
        cmocka_unit_test(a_star_is_one_segment),
        cmocka_unit_test(etags_are_found_in_lists),
        cmocka_unit_test(every_status_has_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
