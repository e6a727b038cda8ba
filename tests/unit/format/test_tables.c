/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables into and out of a catalog: what one writes the other reads, all or nothing, and annotations as labels. */
#define _XOPEN_SOURCE 700
#include "test.h"

#include "core_internal.h"
#include "file.h"
#include "folder.h"

#include <hone/catalog.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#if HONE_WITH_SQLITE

static char folder[FOLDER_SIZE];

static int make_folder(void **state) {
    (void)state;
    return folder_make(folder, "tables");
}

static int remove_folder(void **state) {
    (void)state;
    return folder_remove(folder);
}

static const char *in_folder(const char *name) {
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

static const char *put_text(const char *name, const char *text) {
    const char *path = in_folder(name);
    assert_int_equal(hone__file_write(path, text, strlen(text), NULL), HONE_OK);
    return path;
}

static hone_catalog *open_catalog(const char *file) {
    hone_catalog *c;
    hone_error err;
    hone_catalog_config config = {.create = true, .file = file};
    if (hone_catalog_open(&c, folder, &config, &err) != HONE_OK) fail_msg("%s", err.message);
    return c;
}

static int64_t put(hone_catalog *c, const char *path, const char *label) {
    hone_picture p = {.path = path, .label = label, .width = 1, .height = 1};
    assert_int_equal(hone_catalog_put(c, &p, NULL), HONE_OK);
    return p.id;
}

static hone_catalog *open_four(void) {
    hone_catalog *c = open_catalog(NULL);
    put(c, "a/1.png", "a");
    put(c, "a/2, \"two\".png", "a");
    put(c, "b/3.png", "b");
    put(c, "猫.png", NULL);
    return c;
}

static int unknown_count;

static void count_unknown(void *context, const char *path) {
    (void)context, (void)path;
    unknown_count++;
}

static hone_catalog_import_report import_ok(hone_catalog *c, const char *file) {
    hone_catalog_import_report r;
    hone_error err;
    unknown_count = 0;
    if (hone_catalog_import(c, file, count_unknown, NULL, &r, &err) != HONE_OK) fail_msg("%s", err.message);
    return r;
}

/* "label/split/status", "-" for none. */
static const char *state_of(hone_catalog *c, const char *path) {
    static char text[4][128];
    static int next;
    hone_picture p;
    char *out = text[next++ % 4];
    assert_int_equal(hone_catalog_find(c, path, &p, NULL), HONE_OK);
    snprintf(out, sizeof text[0], "%s/%s/%s", p.label ? p.label : "-", p.split ? p.split : "-",
             hone_picture_status_name(p.status));
    hone_picture_release(&p);
    return out;
}

static void csv_comes_in(void **state) {
    (void)state;
    hone_catalog *c = open_four();
    hone_catalog_import_report r =
        import_ok(c, put_text("labels.csv", "\xef\xbb\xbfignored,path,label,split\r\nx,./a/1.png,\"b, c\",val\r\n"
                                            "x,\"a/2, \"\"two\"\".png\",,\n\nx,nowhere.png,z,\nx,b/3.png,b,test\n"));
    assert_true(r.rows == 4 && r.changed == 3 && r.unknown == 1 && unknown_count == 1);
    assert_string_equal(state_of(c, "a/1.png"), "b, c/validation/ok");
    assert_string_equal(state_of(c, "a/2, \"two\".png"), "-/-/ok");
    assert_string_equal(state_of(c, "b/3.png"), "b/test/ok");
    r = import_ok(c, put_text("labels.csv", "path;label;split\r\na/1.png;\"c; d\";train\r\nb/3.png;e,f;\r\n"));
    assert_true(r.rows == 2 && r.changed == 2 && r.unknown == 0);
    assert_string_equal(state_of(c, "a/1.png"), "c; d/train/ok");
    assert_string_equal(state_of(c, "b/3.png"), "e,f/-/ok");
    hone_catalog_close(c);
}

static void json_lines_come_in(void **state) {
    (void)state;
    hone_catalog *c = open_four();
    hone_catalog_import_report r = import_ok(
        c, put_text("labels.txt",
                    "{\"path\": \"\\u732b.png\", \"label\": 7, \"more\": [1, {}]}\n\n"
                    "{\"path\": \"a/1.png\", \"label\": \"first\"}\n{\"path\": \"a/1.png\", \"label\": \"last\"}\n"
                    "{\"path\": \"b/3.png\", \"status\": \"quarantined\", \"reason\": \"dark\"}\n"
                    "{\"path\": \"a/2, \\\"two\\\".png\", \"label\": null, \"split\": \"train\"}"));
    assert_int_equal(r.rows, 5);
    assert_string_equal(state_of(c, "猫.png"), "7/-/ok");
    assert_string_equal(state_of(c, "a/1.png"), "last/-/ok");
    assert_string_equal(state_of(c, "b/3.png"), "b/-/quarantined");
    assert_string_equal(state_of(c, "a/2, \"two\".png"), "-/train/ok");
    hone_catalog_close(c);
}

/* Of two rows about one picture the last one counts, also where the picture is so already. */
static void the_last_row_counts(void **state) {
    (void)state;
    hone_catalog *c = open_four();
    hone_catalog_import_report r =
        import_ok(c, put_text("labels.csv", "path,label,status,reason\n"
                                            "a/1.png,b,quarantined,dark\na/1.png,a,ok,\n"
                                            "b/3.png,b,quarantined,dark\nb/3.png,b,quarantined,blurred\n"));
    assert_int_equal(r.rows, 4);
    assert_string_equal(state_of(c, "a/1.png"), "a/-/ok");
    assert_string_equal(state_of(c, "b/3.png"), "b/-/quarantined");
    hone_picture p;
    assert_int_equal(hone_catalog_find(c, "b/3.png", &p, NULL), HONE_OK);
    assert_string_equal(p.reason, "blurred");
    hone_picture_release(&p);
    import_ok(c, put_text("labels.csv", "path,status,reason\nb/3.png,ok,\nb/3.png,quarantined,blurred\n"));
    assert_string_equal(state_of(c, "b/3.png"), "b/-/quarantined");
    hone_catalog_close(c);
}

static void import_fails(hone_catalog *c, const char *file, const char *words) {
    hone_error err = {.message = ""};
    assert_int_not_equal(hone_catalog_import(c, file, NULL, NULL, NULL, &err), HONE_OK);
    if (!strstr(err.message, words)) fail_msg("'%s' should say '%s'", err.message, words);
    assert_string_equal(state_of(c, "a/1.png"), "a/-/ok"); /* nothing of it was done */
}

static void a_bad_line_changes_nothing(void **state) {
    (void)state;
    hone_catalog *c = open_four();
    import_fails(c, put_text("1", "path,label\na/1.png,z\na/2.png\n"), "line 3");
    import_fails(c, put_text("2", "path,label\na/1.png,z\n\"open"), "quote");
    import_fails(c, put_text("3", "file,colour\na/1.png,red\n"), "no column 'label'");
    import_fails(c, put_text("4", "label\nz\n"), "no column 'path'");
    import_fails(c, put_text("5", "path,split\na/1.png,spare\n"), "spare");
    import_fails(c, put_text("6", "{\"path\": \"a/1.png\", \"label\": \"z\"}\n{\"path\": \n"), "line 2");
    import_fails(c, put_text("7", "{\"path\": \"a/1.png\", \"label\": [1]}\n"), "label");
    import_fails(c, put_text("8", "{\"label\": \"z\"}\n"), "path");
    import_fails(c, put_text("9", "path,status\na/1.png,missing\n"), "missing");
    import_fails(c, put_text("10", ""), "path");
    import_fails(c, put_text("11", "{\"images\": 3}\n"), "path");
    import_fails(c, in_folder("not-there"), "not-there");
    /* A label that is too long is noticed only when the rows are applied: those before it are taken back. */
    char text[400] = "path,label\na/1.png,aa\nb/3.png,";
    memset(text + strlen(text), 'x', 300);
    import_fails(c, put_text("12", text), "label of 300 bytes");
    hone_catalog_close(c);
}

static void round_trip(const char *name) {
    hone_catalog *c = open_four(), *other = open_catalog(in_folder("other.db"));
    int64_t id = put(c, "a/1.png", NULL), rows;
    assert_int_equal(
        hone_catalog_set_status(c, &id, 1, HONE_PICTURE_QUARANTINED, "a \"reason\",\nof two lines", NULL, NULL),
        HONE_OK);
    assert_int_equal(hone_catalog_set_split(c, &id, 1, "test", NULL, NULL), HONE_OK);
    assert_int_equal(hone_catalog_export(c, in_folder(name), false, &rows, NULL), HONE_OK);
    assert_int_equal(rows, 4);
    put(other, "a/1.png", "wrong"), put(other, "a/2, \"two\".png", NULL), put(other, "b/3.png", "b"),
        put(other, "猫.png", "x");
    hone_catalog_import_report r = import_ok(other, in_folder(name));
    assert_true(r.rows == 4 && r.unknown == 0);
    static const char *const paths[] = {"a/1.png", "a/2, \"two\".png", "b/3.png", "猫.png"};
    for (int i = 0; i < 4; i++) assert_string_equal(state_of(c, paths[i]), state_of(other, paths[i]));
    hone_picture p;
    assert_int_equal(hone_catalog_find(other, "a/1.png", &p, NULL), HONE_OK);
    assert_string_equal(p.reason, "a \"reason\",\nof two lines");
    hone_picture_release(&p);
    assert_int_equal(import_ok(other, in_folder(name)).changed, 0);
    hone_catalog_close(other);
    /* Byte for byte the same when written once more. */
    unsigned char *first, *second;
    size_t first_size, second_size;
    char again[100];
    snprintf(again, sizeof again, "again-%s", name);
    assert_int_equal(hone_catalog_export(c, in_folder(again), false, NULL, NULL), HONE_OK);
    assert_int_equal(hone__file_read(in_folder(name), 1 << 20, &first, &first_size, NULL), HONE_OK);
    assert_int_equal(hone__file_read(in_folder(again), 1 << 20, &second, &second_size, NULL), HONE_OK);
    assert_int_equal(first_size, second_size);
    assert_memory_equal(first, second, first_size);
    hone__free(first), hone__free(second);
    assert_int_equal(hone_catalog_export(c, in_folder("history.jsonl"), true, &rows, NULL), HONE_OK);
    assert_int_equal(rows, 2);
    hone_catalog_close(c);
}

static void csv_goes_round(void **state) {
    (void)state;
    round_trip("out.csv");
}

static void json_goes_round(void **state) {
    (void)state;
    round_trip("out.jsonl");
}

static void coco_gives_clear_labels_only(void **state) {
    (void)state;
    hone_catalog *c = open_four();
    hone_catalog_import_report r = import_ok(
        c, put_text("instances.json",
                    "{\n\"info\": {},\n\"images\": [{\"id\": 9, \"file_name\": \"1.png\"}, {\"id\": 3, \"file_name\": "
                    "\"3.png\"},\n {\"id\": 4, \"file_name\": \"猫.png\"}, {\"id\": 5, \"file_name\": \"gone.png\"}],\n"
                    "\"annotations\": [{\"image_id\": 9, \"category_id\": 2}, {\"image_id\": 9, \"category_id\": 2}, "
                    "{\"image_id\": 3, \"category_id\": 2}, {\"image_id\": 3, \"category_id\": 1}, {\"image_id\": 5, "
                    "\"category_id\": 1}],\n\"categories\": [{\"id\": 1, \"name\": \"dog\"}, {\"id\": 2, \"name\": "
                    "\"cat\"}]}"));
    assert_true(r.rows == 4 && r.unclear == 2 && r.unknown == 1);
    assert_string_equal(state_of(c, "a/1.png"), "cat/-/ok");
    assert_string_equal(state_of(c, "b/3.png"), "-/-/ok");
    import_ok(c, put_text("line.json",
                          "{\"images\": [{\"id\": 1, \"file_name\": \"b/3.png\"}], \"annotations\": "
                          "[{\"image_id\": 1, \"category_id\": 5}], \"categories\": [{\"id\": 5, \"name\": \"a\"}]}"));
    assert_string_equal(state_of(c, "b/3.png"), "a/-/ok");
    hone_error err;
    assert_int_equal(hone_catalog_import(c,
                                         put_text("bad.json", "{\"images\": [], \"annotations\": [{\"image_id\": 1, "
                                                              "\"category_id\": 5}], \"categories\": []}"),
                                         NULL, NULL, NULL, &err),
                     HONE_FORMAT);
    hone_catalog_close(c);
}

static void voc_gives_labels_and_parts(void **state) {
    (void)state;
    hone_catalog *c = open_four();
    assert_int_equal(hone__make_folders(in_folder("voc/Annotations"), NULL), HONE_OK);
    assert_int_equal(hone__make_folders(in_folder("voc/ImageSets/Main"), NULL), HONE_OK);
    put_text("voc/Annotations/one.xml",
             "<annotation><folder>x</folder><filename> 1.png </filename><object>\n"
             "<name>cat &amp; co</name><part><name>head</name></part></object></annotation>");
    put_text("voc/Annotations/three.xml", "<annotation><filename>3.png</filename><object><name>cat</name></object>"
                                          "<object><name>dog</name></object></annotation>");
    put_text("voc/ImageSets/Main/train.txt", "on\n three\nthree\n");
    put_text("voc/ImageSets/Main/val.txt", "one\n");
    hone_catalog_import_report r = import_ok(c, in_folder("voc"));
    assert_true(r.rows == 2 && r.unclear == 1);
    assert_string_equal(state_of(c, "a/1.png"), "cat & co/validation/ok");
    assert_string_equal(state_of(c, "b/3.png"), "-/train/ok");
    import_ok(c, in_folder("voc/Annotations"));
    hone_error err;
    put_text("voc/Annotations/x.xml", "<html></html>");
    assert_int_equal(hone_catalog_import(c, in_folder("voc"), NULL, NULL, NULL, &err), HONE_FORMAT);
    assert_int_equal(hone_catalog_import(c, folder, NULL, NULL, NULL, &err), HONE_FORMAT);
    hone_catalog_close(c);
}

static hone_status in_and_out(void *context) {
    hone_catalog *c;
    (void)context;
    hone_status status = hone_catalog_open(&c, folder, NULL, NULL);
    if (status == HONE_OK) status = hone_catalog_import(c, in_folder("labels.csv"), NULL, NULL, NULL, NULL);
    if (status == HONE_OK) status = hone_catalog_import(c, in_folder("labels.jsonl"), NULL, NULL, NULL, NULL);
    if (status == HONE_OK) status = hone_catalog_import(c, in_folder("coco.json"), NULL, NULL, NULL, NULL);
    if (status == HONE_OK) status = hone_catalog_export(c, in_folder("out.jsonl"), false, NULL, NULL);
    hone_catalog_close(c);
    return status;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    hone_catalog_close(open_four());
    put_text("labels.csv", "path,label,split\na/1.png,z,train\nb/3.png,,\n");
    put_text("labels.jsonl", "{\"path\": \"a/1.png\", \"label\": \"y\"}\n");
    put_text("coco.json", "{\"images\": [{\"id\": 1, \"file_name\": \"3.png\"}], \"annotations\": [{\"image_id\": 1, "
                          "\"category_id\": 5}], \"categories\": [{\"id\": 5, \"name\": \"a\"}]}");
    assert_true(test_every_allocation(in_and_out, NULL) > 30);
}

int main(void) {
#define CASE(f) cmocka_unit_test_setup_teardown(f, make_folder, remove_folder)
    const struct CMUnitTest tests[] = {CASE(csv_comes_in),
                                       CASE(json_lines_come_in),
                                       CASE(the_last_row_counts),
                                       CASE(a_bad_line_changes_nothing),
                                       CASE(csv_goes_round),
                                       CASE(json_goes_round),
                                       CASE(coco_gives_clear_labels_only),
                                       CASE(voc_gives_labels_and_parts),
                                       CASE(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void) {
    return 0;
}

#endif
