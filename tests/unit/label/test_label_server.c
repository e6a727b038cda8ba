/* SPDX-License-Identifier: Apache-2.0
 *
 * The labelling server as pages meet it: several people at once while models learn in the background, and an end in the
 * middle of that. The same test under ThreadSanitizer is what says that the locks are right. */
#define _XOPEN_SOURCE 700
#include "test.h"

#include "folder.h"
#include "page_client.h"

#include <hone/data.h>
#include <hone/format.h>
#include <hone/label.h>

#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CLASSES = 2, OF_A_CLASS = 12, PICTURES = CLASSES * OF_A_CLASS, PEOPLE = 3, LABELS = 4, REPLY = 1 << 18 };

static const char token[] = "0123456789abcdef";
static char folder[FOLDER_SIZE];

/* Digits 0 and 1, in folders of their own: labels enough to learn from at once. */
static int set_up(void **state) {
    (void)state;
    if (folder_make(folder, "label") != 0) return -1;
    for (int c = 0; c < CLASSES; c++) {
        char path[160];
        unsigned char pixels[784];
        snprintf(path, sizeof path, "%s/%d", folder, c);
        mkdir(path, 0755);
        for (int i = 0; i < OF_A_CLASS; i++) {
            snprintf(path, sizeof path, "%s/%d/%d.pgm", folder, c, i);
            hone_digits_render(c, (uint64_t)i, pixels);
            const hone_image image = {28, 28, 1, pixels};
            if (hone_image_write(&image, path, NULL) != HONE_OK) return -1;
        }
    }
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    return folder_remove(folder);
}

static hone_label_server *open_server(void) {
    hone_label_config config = hone_label_config_default();
    hone_label_server *server;
    hone_error err = {0};
    config.token = token;
    config.threads = 2;
    if (hone_label_server_create(&server, folder, &config, &err) != HONE_OK) fail_msg("%s", err.message);
    return server;
}

static int ask(const hone_label_server *server, const char *method, const char *path, const char *json,
               char reply[REPLY], const char **body) {
    char whole[256];
    snprintf(whole, sizeof whole, "%s%stoken=%s", path, strchr(path, '?') ? "&" : "?", token);
    return page_ask(hone_label_server_url(server), method, whole, "", json, reply, REPLY, body);
}

static hone_value *state_of(const hone_label_server *server) {
    static char reply[REPLY];
    const char *body;
    hone_value *value;
    assert_int_equal(ask(server, "GET", "/api/state", "", reply, &body), 200);
    assert_int_equal(hone_json_parse(&value, body, strlen(body), NULL), HONE_OK);
    return value;
}

typedef struct person {
    const hone_label_server *server;
    int number;
    atomic_int wrong;
    char reply[REPLY];
} person;

/* Looks, labels a picture, looks at it, asks for a queue, as a page does, and once for a training. */
static void *work(void *context) {
    person *p = context;
    const char *body;
    char path[160], json[160];
    for (int i = 0; i < LABELS; i++) {
        int id = 1 + (p->number * LABELS + i) % PICTURES;
        snprintf(path, sizeof path, "/api/state?who=person%d", p->number);
        p->wrong += ask(p->server, "GET", path, "", p->reply, &body) != 200;
        snprintf(json, sizeof json, "{\"ids\": [%d], \"label\": \"%d\", \"who\": \"person%d\"}", id, i % CLASSES,
                 p->number);
        p->wrong += ask(p->server, "POST", "/api/label", json, p->reply, &body) != 200;
        snprintf(path, sizeof path, "/thumb/%d", id);
        p->wrong += ask(p->server, "GET", path, "", p->reply, &body) != 200;
        p->wrong += ask(p->server, "GET", "/api/pictures?queue=uncertain", "", p->reply, &body) != 200;
    }
    p->wrong += ask(p->server, "POST", "/api/train", "", p->reply, &body) != 200;
    return NULL;
}

static int64_t rounds_of(const hone_label_server *server) {
    int64_t rounds = -1;
    hone_value *value = state_of(server);
    const hone_value *learner = hone_value_get(value, "learner");
    assert_string_equal(hone_value_as_string(hone_value_get(learner, "message")) ? "failed" : "", "");
    assert_true(hone_value_as_integer(hone_value_get(learner, "rounds"), &rounds));
    hone_value_free(value);
    return rounds;
}

static void people_label_while_models_learn(void **state) {
    (void)state;
    hone_label_server *server = open_server();
    assert_int_equal(hone_label_server_pictures(server), PICTURES);
    static person people[PEOPLE];
    pthread_t threads[PEOPLE];
    for (int i = 0; i < PEOPLE; i++) {
        people[i].server = server;
        people[i].number = i;
        assert_int_equal(pthread_create(&threads[i], NULL, work, &people[i]), 0);
    }
    for (int i = 0; i < PEOPLE; i++) pthread_join(threads[i], NULL);
    for (int i = 0; i < PEOPLE; i++) assert_int_equal(people[i].wrong, 0);

    const struct timespec moment = {0, 20 * 1000 * 1000};
    while (rounds_of(server) < 1) nanosleep(&moment, NULL); /* models have learnt, and said what they think */
    static char reply[REPLY];
    const char *body;
    assert_int_equal(ask(server, "GET", "/api/details?ids=1", "", reply, &body), 200);
    assert_non_null(strstr(body, "\"suggestion\""));
    assert_non_null(strstr(body, "\"by\""));
    hone_label_server_free(server);

    /* Every label is in the catalog: another server finds what the last one was told. */
    server = open_server();
    hone_value *value = state_of(server);
    int64_t labelled = 0;
    assert_true(hone_value_as_integer(hone_value_get(value, "labelled"), &labelled));
    assert_int_equal(labelled, PICTURES);
    hone_value_free(value);
    hone_label_server_free(server);
}

static void it_ends_in_the_middle_of_a_training(void **state) {
    (void)state;
    static char reply[REPLY];
    const char *body;
    hone_label_server *server = open_server();
    assert_int_equal(ask(server, "POST", "/api/train", "", reply, &body), 200);
    hone_label_server_free(server);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(people_label_while_models_learn, set_up, tear_down),
        cmocka_unit_test_setup_teardown(it_ends_in_the_middle_of_a_training, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
