/* SPDX-License-Identifier: Apache-2.0
 *
 * Notes of what was taught: whole after whatever ended the server, bounded by the pictures that are there, and never believed
 * where they are no notes. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "folder.h"
#include "notes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[FOLDER_SIZE];

static const char *in_folder(const char *name) {
    static char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_text(const char *name, const char *text) {
    FILE *f = fopen(in_folder(name), "wb");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int make_pictures(void **state) {
    (void)state;
    if (folder_make(folder, "notes") != 0) return -1;
    mkdir(in_folder("7"), 0700);
    mkdir(in_folder("1"), 0700);
    write_text("7/a.png", "a");
    write_text("7/b.png", "b");
    write_text("1/c.png", "c");
    return 0;
}

static int remove_all(void **state) {
    (void)state;
    return folder_remove(folder);
}

static hone_status list(void *context, const char *path, const char *label, hone_error *err) {
    (void)err;
    char *text = context;
    const char *name = strrchr(path, '/') + 1;
    snprintf(text + strlen(text), 100 - strlen(text), "%s=%s ", name, label);
    return access(path, R_OK) == 0 ? HONE_OK : HONE_IO;
}

static void want_notes(hone__notes *n, const char *model, const char *expected) {
    char text[100] = "";
    assert_int_equal(hone__notes_visit(n, model, list, text, NULL), HONE_OK);
    assert_string_equal(text, expected);
}

static hone__notes *open_notes(void) {
    hone__notes *n;
    hone_error err = {0};
    if (hone__notes_create(&n, folder, &err) != HONE_OK) fail_msg("%s", err.message);
    return n;
}

static void what_was_noted_is_there_when_it_is_opened_again(void **state) {
    (void)state;
    unlink(in_folder(".lessons.json"));
    hone__notes *n = open_notes();
    want_notes(n, "m", "");
    assert_int_equal(hone__notes_add(n, "m", "7", "a.png", NULL), HONE_OK);
    assert_int_equal(hone__notes_add(n, "other", "7", "b.png", NULL), HONE_OK);
    assert_int_equal(hone__notes_add(n, "m", "1", "c.png", NULL), HONE_OK);
    assert_int_equal(hone__notes_add(n, "m", "1", "c.png", NULL), HONE_OK); /* the same again is no other */
    /* Not closed: as after kill -9. */
    hone__notes *again = open_notes();
    want_notes(again, "m", "a.png=7 c.png=1 ");
    want_notes(again, "other", "b.png=7 ");
    hone__notes_free(n);
    /* Told otherwise: the picture moves, the note follows. */
    char from[160];
    snprintf(from, sizeof from, "%s", in_folder("7/a.png"));
    assert_int_equal(rename(from, in_folder("1/a.png")), 0);
    want_notes(again, "m", "c.png=1 "); /* a picture that is not there teaches nothing */
    assert_int_equal(hone__notes_add(again, "m", "1", "a.png", NULL), HONE_OK);
    want_notes(again, "m", "c.png=1 a.png=1 ");
    hone__notes_free(again);
    snprintf(from, sizeof from, "%s", in_folder("1/a.png"));
    assert_int_equal(rename(from, in_folder("7/a.png")), 0);
}

static void what_are_no_notes_is_an_error(void **state) {
    (void)state;
    static const char *const wrong[] = {
        "",
        "{",
        "[]",
        "{\"version\": 2, \"lessons\": []}",
        "{\"version\": 1, \"lessons\": {}}",
        "{\"version\": 1, \"lessons\": [7]}",
        "{\"version\": 1, \"lessons\": [{\"model\": \"m\", \"class\": \"7\"}]}",
        "{\"version\": 1, \"lessons\": [{\"model\": \"m\", \"class\": \"..\", \"picture\": \"a.png\"}]}",
        "{\"version\": 1, \"lessons\": [{\"model\": \"m\", \"class\": \"7\", \"picture\": \"../1/c.png\"}]}",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        hone__notes *n;
        hone_error err = {0};
        write_text(".lessons.json", wrong[i]);
        if (hone__notes_create(&n, folder, &err) == HONE_OK) fail_msg("taken: %s", wrong[i]);
        assert_null(n);
        assert_non_null(strstr(err.message, ".lessons.json"));
    }
    unlink(in_folder(".lessons.json"));
}

static hone_status open_and_note(void *context) {
    hone__notes *n;
    char text[100] = "";
    (void)context;
    hone_status status = hone__notes_create(&n, folder, NULL);
    if (status != HONE_OK) return status;
    status = hone__notes_add(n, "m", "7", "b.png", NULL);
    if (status == HONE_OK) status = hone__notes_visit(n, "m", list, text, NULL);
    hone__notes_free(n);
    return status;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    assert_true(test_every_allocation(open_and_note, NULL) > 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_noted_is_there_when_it_is_opened_again),
        cmocka_unit_test(what_are_no_notes_is_an_error),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, make_pictures, remove_all);
}
