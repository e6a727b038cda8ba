/* SPDX-License-Identifier: Apache-2.0
 *
 * Labels of versions: what a file of them may hold, and how they move while the server runs. */
#define _POSIX_C_SOURCE 200809L
#include "serve_client.h"

#include "labels.h"

#include <stdatomic.h>
#include <time.h>

static const hone_shape pair = {1, {2}};
static const char pair_request[] = "{\"instances\": [[0.25, 0.5]]}";
static const char v2_request[] = "{\"inputs\":[{\"name\":\"x\",\"shape\":[1,2],\"datatype\":\"FP32\",\"data\":[1,2]}]}";

/* ---- the file -------------------------------------------------------------------------------------------------- */

/* As mv does it: there is never half a file. */
static void write_labels(const char *path, const char *text) {
    char beside[160];
    snprintf(beside, sizeof beside, "%s.new", path);
    FILE *f = fopen(beside, "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
    assert_int_equal(rename(beside, path), 0);
}

static void a_file_of_labels_is_read(void **state) {
    (void)state;
    hone__labels labels;
    char text[64], small[8];
    write_labels(in_folder("l.json"), "{\"stable\": 3, \"canary-2.b_X\": 4, \"also\": 3}");
    assert_int_equal(hone__labels_read(&labels, in_folder("l.json"), NULL), HONE_OK);
    assert_int_equal(labels.count, 3);
    assert_int_equal(hone__labels_find(&labels, "stable"), 3);
    assert_int_equal(hone__labels_find(&labels, "canary-2.b_X"), 4);
    assert_int_equal(hone__labels_find(&labels, "Stable"), -1);
    assert_true(hone__labels_name(&labels, 4));
    assert_false(hone__labels_name(&labels, 5));
    assert_string_equal(hone__labels_text(&labels, text, sizeof text), "stable=3, canary-2.b_X=4, also=3");
    assert_string_equal(hone__labels_text(&labels, small, sizeof small), "…");
    write_labels(in_folder("l.json"), "{}");
    assert_int_equal(hone__labels_read(&labels, in_folder("l.json"), NULL), HONE_OK);
    assert_int_equal(labels.count, 0);
}

static void what_is_no_file_of_labels_is_refused_whole(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",
        "[]",
        "{\"a\": 1",
        "{\"a\": 1} x",
        "{\"\": 1}",
        "{\"7\": 1}",
        "{\"a/b\": 1}",
        "{\"a b\": 1}",
        "{\"a\": \"1\"}",
        "{\"a\": 1.5}",
        "{\"a\": -1}",
        "{\"a\": null}",
        "{\"good\": 1, \"bad\": true}",
        "{\"a23456789a23456789a23456789a23456789a23456789a23456789a234567890123\": 1}",
        "{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1,\"k\":1,\"l\":1,\"m\":1,"
        "\"n\":1,"
        "\"o\":1,\"p\":1,\"q\":1}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        hone__labels labels = {.count = 9};
        hone_error err = {0};
        write_labels(in_folder("w.json"), wrong[i]);
        if (hone__labels_read(&labels, in_folder("w.json"), &err) == HONE_OK) fail_msg("taken: %s", wrong[i]);
        assert_int_equal(labels.count, 0);
        assert_non_null(strstr(err.message, "w.json"));
    }
}

static hone_status read_once(void *context) {
    hone__labels labels;
    (void)context;
    return hone__labels_read(&labels, in_folder("a.json"), NULL);
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    write_labels(in_folder("a.json"), "{\"stable\": 3, \"canary\": 4}");
    assert_true(test_every_allocation(read_once, NULL) > 2);
}

/* ---- the server ------------------------------------------------------------------------------------------------ */

typedef struct events {
    _Atomic int labelled, refused, loaded;
} events;

static void on_event(void *context, bool is_warning, const char *line) {
    events *e = context;
    atomic_fetch_add(&e->refused, is_warning);
    atomic_fetch_add(&e->loaded, strstr(line, "loaded from") != NULL);
    atomic_fetch_add(&e->labelled, strstr(line, "has the labels") || strstr(line, "has no labels"));
}

static void wait_until(_Atomic int *count, int wanted) {
    for (int i = 0; i < 1200 && atomic_load(count) < wanted; i++) nanosleep(&(struct timespec){0, 25000000}, NULL);
    assert_true(atomic_load(count) >= wanted);
}

static hone_server_config config_of(const hone_served_model *model, events *e) {
    hone_server_config config = hone_server_config_default();
    config.models = model;
    config.model_count = 1;
    config.threads = 1;
    config.versions = 1;
    config.watch_seconds = 0.05;
    config.on_event = on_event;
    config.context = e;
    return config;
}

static void labels_are_asked_for_and_move(void **state) {
    (void)state;
    events e = {0};
    char path[128];
    snprintf(path, sizeof path, "%s", in_folder("m/labels.json"));
    mkdir(in_folder("m"), 0700);
    for (int i = 1; i <= 3; i++) {
        char name[16];
        snprintf(name, sizeof name, "m/%d.h5", i);
        save_model(&pair, 0, (uint64_t)i, in_folder(name));
    }
    write_labels(path, "{\"stable\": 1}");
    hone_served_model model = {NULL, in_folder("m")};
    hone_server_config config = config_of(&model, &e);
    hone_server *s = start_server(&config);
    /* The newest, and the one with a label; what lies between is not there. */
    want(ask_text(s, "GET /v1/models/m/versions/2", NULL), 404, NULL);
    want(ask_text(s, "GET /v1/models/m", NULL), 200, "\"version\": \"3\"");
    want(ask_text(s, "GET /v1/models/m/labels/stable", NULL), 200, "\"version\": \"1\"");
    want(ask_text(s, "GET /v1/models/m/labels/stable/metadata", NULL), 200, "\"version\": \"1\"");
    want(ask_text(s, "GET /v1/models/m/metadata", NULL), 200, "\"version\": \"3\"");
    static const float x[2] = {0.25f, 0.5f};
    float y[3];
    char number[32];
    expected_outputs(&pair, 1, x, 1, y);
    snprintf(number, sizeof number, "%.4f", (double)y[0]);
    number[strlen(number) - 1] = '\0';
    want(ask_text(s, "POST /v1/models/m/labels/stable:predict", pair_request), 200, number);
    want(ask_text(s, "POST /v2/models/m/versions/stable/infer", v2_request), 200, "\"model_version\":\"1\"");
    /* As TensorFlow Serving says it. */
    want(ask_text(s, "POST /v1/models/m/labels/nosuch:predict", pair_request), 400,
         "Unrecognized servable version label: nosuch");
    want(ask_text(s, "GET /v1/models/m/labels/nosuch", NULL), 400, "Unrecognized servable version label: nosuch");
    want(ask_text(s, "GET /v1/models/m/labels/", NULL), 400, NULL);
    want(ask_text(s, "GET /v1/models/m/labels/stable/versions/1", NULL), 400, "Malformed");
    want(ask_text(s, "GET /v1/models/none/labels/stable", NULL), 404, NULL);
    want(ask_text(s, "POST /v2/models/m/versions/nosuch/infer", v2_request), 404, "nosuch");

    /* Another version that is on the disk: it is loaded, then the label moves, then the old one goes. */
    write_labels(path, "{\"stable\": 2, \"canary\": 3}");
    wait_until(&e.labelled, 2);
    want(ask_text(s, "GET /v1/models/m/labels/stable", NULL), 200, "\"version\": \"2\"");
    want(ask_text(s, "GET /v1/models/m/labels/canary", NULL), 200, "\"version\": \"3\"");
    for (int i = 0; i < 1200 && ask_text(s, "GET /v1/models/m/versions/1", NULL)->status == 200; i++)
        nanosleep(&(struct timespec){0, 25000000}, NULL);
    want(ask_text(s, "GET /v1/models/m/versions/1", NULL), 404, NULL);

    assert_int_equal(atomic_load(&e.refused), 0);

    /* One that is not there yet: said, the old ones hold; when it comes, all move at once. */
    write_labels(path, "{\"stable\": 3, \"canary\": 4}");
    wait_until(&e.refused, 1);
    want(ask_text(s, "GET /v1/models/m/labels/stable", NULL), 200, "\"version\": \"2\"");
    save_model(&pair, 0, 4, in_folder("m/4.h5"));
    wait_until(&e.labelled, 3);
    want(ask_text(s, "GET /v1/models/m/labels/stable", NULL), 200, "\"version\": \"3\"");
    want(ask_text(s, "GET /v1/models/m/labels/canary", NULL), 200, "\"version\": \"4\"");
    assert_int_equal(atomic_load(&e.refused), 1); /* and it was said once */

    /* A file that is wrong changes nothing. */
    write_labels(path, "{\"stable\": ");
    wait_until(&e.refused, 2);
    want(ask_text(s, "GET /v1/models/m/labels/stable", NULL), 200, "\"version\": \"3\"");

    /* A version that a label names stays, though its file is gone. */
    assert_int_equal(unlink(in_folder("m/3.h5")), 0);
    save_model(&pair, 0, 5, in_folder("m/5.h5"));
    wait_until(&e.loaded, 5);
    nanosleep(&(struct timespec){0, 300000000}, NULL);
    want(ask_text(s, "POST /v1/models/m/labels/stable:predict", pair_request), 200, NULL);
    assert_int_equal(unlink(path), 0);
    wait_until(&e.labelled, 4);
    want(ask_text(s, "GET /v1/models/m/labels/stable", NULL), 400, NULL);
    hone_server_free(s);
}

static void labels_that_are_wrong_when_it_starts_are_an_error(void **state) {
    (void)state;
    events e = {0};
    hone_error err = {0};
    hone_server *s;
    mkdir(in_folder("n"), 0700);
    save_model(&pair, 0, 1, in_folder("n/1.h5"));
    hone_served_model model = {NULL, in_folder("n")};
    hone_server_config config = config_of(&model, &e);
    write_labels(in_folder("n/labels.json"), "{\"stable\": 7}");
    assert_int_equal(hone_server_create(&s, &config, &err), HONE_NOT_FOUND);
    assert_non_null(strstr(err.message, "version 7"));
    write_labels(in_folder("n/labels.json"), "stable=1");
    assert_int_equal(hone_server_create(&s, &config, &err), HONE_FORMAT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_of_labels_is_read),
        cmocka_unit_test(what_is_no_file_of_labels_is_refused_whole),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(labels_are_asked_for_and_move),
        cmocka_unit_test(labels_that_are_wrong_when_it_starts_are_an_error),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
