/* SPDX-License-Identifier: Apache-2.0
 *
 * What pages send: right requests come through whole, wrong ones are refused in words. */
#include "test.h"

#include "label_internal.h"

#include <string.h>

static void refuse(const char *text, hone_status status, const char *word) {
    hone__label_request r;
    hone_error err = {0};
    assert_int_equal(hone__label_request_init(&r, text, strlen(text), &err), status);
    if (!strstr(err.message, word)) fail_msg("'%s' should be in: %s", word, err.message);
    assert_null(r.document);
}

static void a_whole_request_is_read(void **state) {
    (void)state;
    static const char text[] =
        "{\"ids\": [3, 1], \"label\": \"\xE7\x8C\xAB\", \"who\": \"Ada\", \"seen\": 7, \"operation\": \"a1\"}";
    hone__label_request r;
    hone_error err = {0};
    assert_int_equal(hone__label_request_init(&r, text, strlen(text), &err), HONE_OK);
    assert_int_equal(r.count, 2);
    assert_int_equal(r.ids[0], 3);
    assert_string_equal(r.label, "\xE7\x8C\xAB");
    assert_true(r.has_label);
    assert_string_equal(r.who, "Ada");
    assert_int_equal(r.seen, 7);
    hone__label_request_release(&r);
    /* Taking a label away is not the same as not speaking of it. */
    assert_int_equal(hone__label_request_init(&r, "{\"label\": null}", 15, &err), HONE_OK);
    assert_true(r.has_label);
    assert_null(r.label);
    hone__label_request_release(&r);
    assert_int_equal(hone__label_request_init(&r, "{}", 2, &err), HONE_OK);
    assert_false(r.has_label);
    assert_int_equal(r.seen, -1);
    assert_string_equal(r.who, "");
    hone__label_request_release(&r);
}

static void wrong_requests_are_refused(void **state) {
    (void)state;
    refuse("", HONE_FORMAT, "json");
    refuse("{", HONE_FORMAT, "json");
    refuse("[1]", HONE_ARGUMENT, "no object");
    refuse("{\"ids\": 1}", HONE_ARGUMENT, "no list");
    refuse("{\"ids\": [1, 0]}", HONE_ARGUMENT, "number 2");
    refuse("{\"ids\": [1, \"2\"]}", HONE_ARGUMENT, "number 2");
    refuse("{\"ids\": [-1]}", HONE_ARGUMENT, "number 1");
    refuse("{\"ids\": [1.5]}", HONE_ARGUMENT, "number 1");
    refuse("{\"label\": 7}", HONE_ARGUMENT, "'label' is no text");
    refuse("{\"label\": \"\"}", HONE_ARGUMENT, "empty");
    refuse("{\"label\": \"a\\nb\"}", HONE_ARGUMENT, "control");
    refuse("{\"who\": \"a\\u007fb\"}", HONE_ARGUMENT, "control");
    refuse("{\"status\": \"missing\"}", HONE_ARGUMENT, "expected ok");
    refuse("{\"seen\": -3}", HONE_ARGUMENT, "'seen'");
    refuse("{\"change\": \"x\"}", HONE_ARGUMENT, "'change'");
    char text[600] = "{\"label\": \"";
    memset(text + strlen(text), 'x', 300);
    strcat(text, "\"}");
    refuse(text, HONE_LIMIT, "more than 255 bytes");
    char deep[600] = "";
    memset(deep, '[', 500);
    refuse(deep, HONE_LIMIT, "nested");
}

static void ids_in_addresses(void **state) {
    (void)state;
    int64_t id, ids[3];
    size_t count;
    assert_true(hone__label_parse_id("17", &id));
    assert_int_equal(id, 17);
    static const char *const wrong[] = {"", "0", "-1", "+1", "1e3", " 1", "1 ", "0x1", "9999999999999999999", "1.0"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (hone__label_parse_id(wrong[i], &id)) fail_msg("'%s' is no id", wrong[i]);
    assert_true(hone__label_parse_ids("1,22,3", ids, 3, &count));
    assert_int_equal(count, 3);
    assert_int_equal(ids[1], 22);
    assert_true(hone__label_parse_ids("", ids, 3, &count));
    assert_int_equal(count, 0);
    assert_false(hone__label_parse_ids("1,2,3,4", ids, 3, &count));
    assert_false(hone__label_parse_ids("1,,2", ids, 3, &count));
    assert_false(hone__label_parse_ids("1,", ids, 3, &count));
    assert_false(hone__label_parse_ids(",1", ids, 3, &count));
    assert_false(hone__label_parse_ids("1;2", ids, 3, &count));
}

static void views(void **state) {
    (void)state;
    hone__label_view v = {0};
    hone_error err = {0};
    assert_int_equal(hone__label_view_set(&v, "queue", "border", &err), HONE_OK);
    assert_int_equal(v.queue, HONE_QUEUE_BORDER);
    assert_int_equal(hone__label_view_set(&v, "queue", NULL, &err), HONE_OK);
    assert_int_equal(hone__label_view_set(&v, "queue", "nonsense", &err), HONE_ARGUMENT);
    assert_int_equal(hone__label_view_set(&v, "status", "quarantined", &err), HONE_OK);
    assert_int_equal(v.status, HONE_PICTURE_QUARANTINED);
    assert_int_equal(hone__label_view_set(&v, "status", "x", &err), HONE_ARGUMENT);
    assert_int_equal(hone__label_view_set(&v, "labelled", "no", &err), HONE_OK);
    assert_true(v.unlabelled && !v.labelled);
    assert_int_equal(hone__label_view_set(&v, "search", "", &err), HONE_OK);
    assert_null(v.search);
    char longer[600];
    memset(longer, 'x', sizeof longer);
    longer[599] = '\0';
    assert_int_equal(hone__label_view_set(&v, "search", longer, &err), HONE_LIMIT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_request_is_read),
        cmocka_unit_test(wrong_requests_are_refused),
        cmocka_unit_test(ids_in_addresses),
        cmocka_unit_test(views),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
