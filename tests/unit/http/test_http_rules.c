/* SPDX-License-Identifier: Apache-2.0
 *
 * Who may be answered: hosts, origins, secrets, routes, entity tags. */
#include "test.h"

#include "core_internal.h"
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

static void a_target_has_a_path(void **state) {
    (void)state;
    static const char *const targets[][2] = {{"/a/b", "/a/b"},  {"http://h:80/a", "/a"},    {"https://h/", "/"},
                                             {"http://h", "/"}, {"ftp://h/a", "ftp://h/a"}, {"*", "*"}};
    for (size_t i = 0; i < sizeof targets / sizeof targets[0]; i++)
        assert_string_equal(hone__http_target_path(targets[i][0]), targets[i][1]);
    assert_true(hone__http_same_word("Chunked", "chunked"));
    assert_false(hone__http_same_word("chunked ", "chunked"));
    assert_true(hone__http_same_start("bearer x", "Bearer "));
    assert_false(hone__http_same_start("Bear", "Bearer "));
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
    assert_true(hone__http_path_matches("/v2/**", "/v2/models/a/infer", &segment));
    assert_string_equal(segment, "models/a/infer");
    assert_false(hone__http_path_matches("/v2/**", "/v2/", &segment));
    assert_false(hone__http_path_matches("/v2/**", "/v2", &segment));
    assert_false(hone__http_path_matches("/v2/**", "/v3/a", &segment));
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

static void codings_are_taken_by_name(void **state) {
    (void)state;
    assert_true(hone__http_accepts("gzip", "gzip"));
    assert_true(hone__http_accepts("br;q=1.0, gzip;q=0.8, *;q=0.1", "gzip"));
    assert_true(hone__http_accepts(" deflate ,gzip", "gzip"));
    assert_false(hone__http_accepts("gzip;q=0", "gzip"));
    assert_false(hone__http_accepts("gzip;q=0.000, br", "gzip"));
    assert_false(hone__http_accepts("x-gzip, gzipped", "gzip"));
    assert_false(hone__http_accepts("", "gzip"));
    assert_false(hone__http_accepts(NULL, "gzip"));
}

static void what_was_packed_unpacks_within_its_limit(void **state) {
    (void)state;
    static char text[50000];
    for (size_t i = 0; i < sizeof text; i++) text[i] = (char)('a' + i % 7);
    for (int gzip = 0; gzip < 2; gzip++) {
        void *packed;
        char *out = NULL;
        size_t size, capacity = 0, unpacked;
        hone_error err = {0};
        hone_status status = hone__http_pack(text, sizeof text, gzip, &packed, &size, &err);
        if (status == HONE_UNSUPPORTED) return; /* a build without zlib */
        assert_int_equal(status, HONE_OK);
        assert_true(size < sizeof text / 10);
        assert_int_equal(hone__http_unpack(packed, size, sizeof text, &out, &capacity, &unpacked, &err), HONE_OK);
        assert_int_equal(unpacked, sizeof text);
        assert_memory_equal(out, text, sizeof text);
        assert_int_equal(hone__http_unpack(packed, size, sizeof text - 1, &out, &capacity, &unpacked, &err),
                         HONE_LIMIT);
        assert_int_equal(hone__http_unpack(packed, size - 1, sizeof text, &out, &capacity, &unpacked, &err),
                         HONE_FORMAT);
        assert_int_equal(hone__http_unpack("no such form", 12, 100, &out, &capacity, &unpacked, &err), HONE_FORMAT);
        hone__free(out);
        hone__free(packed);
    }
}

static void origins_are_listed_whole(void **state) {
    (void)state;
    static const char *const list[] = {"https://a.example"}, *const all[] = {"*"};
    assert_true(hone__http_origin_listed("https://a.example", list, 1));
    assert_true(hone__http_origin_listed("https://A.example", list, 1));
    assert_false(hone__http_origin_listed("https://a.example.evil", list, 1));
    assert_false(hone__http_origin_listed("http://a.example", list, 1));
    assert_true(hone__http_origin_listed("http://anything", all, 1));
    assert_false(hone__http_origin_listed(NULL, all, 1));
    assert_false(hone__http_origin_listed("https://a.example", NULL, 0));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_loopback_server_answers_to_this_machine_only),
        cmocka_unit_test(an_open_server_answers_to_any_address_but_to_no_strange_name),
        cmocka_unit_test(a_target_has_a_path),
        cmocka_unit_test(only_the_page_itself_may_write),
        cmocka_unit_test(a_secret_is_all_or_nothing),
        cmocka_unit_test(a_star_is_one_segment),
        cmocka_unit_test(codings_are_taken_by_name),
        cmocka_unit_test(what_was_packed_unpacks_within_its_limit),
        cmocka_unit_test(origins_are_listed_whole),
        cmocka_unit_test(etags_are_found_in_lists),
        cmocka_unit_test(every_status_has_a_number),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
