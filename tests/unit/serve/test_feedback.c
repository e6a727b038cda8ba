/* SPDX-License-Identifier: Apache-2.0
 *
 * The feedback queue on the disk: a data set of class folders, each picture once, bounded, whatever people do to it. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "feedback.h"
#include "file.h"
#include "folder.h"

#include <hone/catalog.h>

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char root[FOLDER_SIZE];
static char folder[FOLDER_SIZE + 16];
static int round_number;

static int make_root(void **state) {
    (void)state;
    return folder_make(root, "feedback");
}

static int remove_root(void **state) {
    (void)state;
    return folder_remove(root);
}

/* An empty folder for each test. */
static int next_folder(void **state) {
    (void)state;
    snprintf(folder, sizeof folder, "%s/%d", root, round_number++);
    return 0;
}

static hone__feedback *open_queue(size_t images, int64_t bytes) {
    hone__feedback *f;
    hone_error err = {0};
    if (hone__feedback_create(&f, folder, images, bytes, &err) != HONE_OK) fail_msg("%s", err.message);
    return f;
}

/* Picture number seed. */
static hone_status add(hone__feedback *f, int seed, const char *label, hone__feedback_result *result, hone_error *err) {
    static unsigned char pixels[784];
    const hone_image image = {28, 28, 1, pixels};
    hone__feedback_result ignored;
    hone_digits_render(7, (uint64_t)seed, pixels);
    char name[HONE_FEEDBACK_NAME_SIZE];
    return hone__feedback_add(f, &image, label, result ? result : &ignored, name, err);
}

static void a_picture_is_kept_once_under_its_last_label(void **state) {
    (void)state;
    hone__feedback *f = open_queue(10, 1 << 20);
    hone__feedback_result result;
    assert_int_equal(add(f, 1, "seven", &result, NULL), HONE_OK);
    assert_int_equal(result, HONE_FEEDBACK_ADDED);
    assert_int_equal(add(f, 1, "seven", &result, NULL), HONE_OK);
    assert_int_equal(result, HONE_FEEDBACK_KNOWN);
    assert_int_equal(hone__feedback_count(f), 1);
    assert_int_equal(add(f, 1, "one", &result, NULL), HONE_OK);
    assert_int_equal(result, HONE_FEEDBACK_MOVED);
    assert_int_equal(hone__feedback_count(f), 1);
    assert_int_equal(add(f, 2, "seven", NULL, NULL), HONE_OK);
    hone__feedback_free(f);

    /* Any program of hone reads it; another server goes on with it. */
    hone_dataset *data;
    assert_int_equal(hone_dataset_open(&data, folder, NULL, NULL), HONE_OK);
    assert_int_equal(hone_dataset_samples(data), 2);
    assert_int_equal(hone_dataset_classes(data), 2);
    unsigned char pixels[784];
    assert_int_equal(hone_dataset_labels(data)[0], 0); /* "one" comes first */
    hone_digits_render(7, 1, pixels);
    assert_memory_equal(hone_dataset_images(data), pixels, 784);
    hone_dataset_free(data);
    f = open_queue(10, 1 << 20);
    assert_int_equal(hone__feedback_count(f), 2);
    assert_int_equal(add(f, 2, "seven", &result, NULL), HONE_OK);
    assert_int_equal(result, HONE_FEEDBACK_KNOWN);
    hone__feedback_free(f);
}

static void it_is_bounded(void **state) {
    (void)state;
    hone__feedback *f = open_queue(3, 1 << 20);
    hone_error err = {0};
    for (int i = 0; i < 3; i++) assert_int_equal(add(f, i, "a", NULL, NULL), HONE_OK);
    assert_int_equal(add(f, 3, "a", NULL, &err), HONE_LIMIT);
    assert_non_null(strstr(err.message, "full"));
    assert_int_equal(hone__feedback_count(f), 3);
    assert_int_equal(add(f, 2, "b", NULL, NULL), HONE_OK); /* a correction takes no room */
    assert_int_equal(hone__feedback_count(f), 3);
    /* What people take away makes room, at once. */
    char command[160];
    snprintf(command, sizeof command, "rm -r %s/a", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(add(f, 3, "a", NULL, NULL), HONE_OK);
    assert_int_equal(hone__feedback_count(f), 2);
    hone__feedback_free(f);

    next_folder(NULL);
    f = open_queue(100, 600);
    hone_status status = HONE_OK;
    for (int i = 0; i < 10 && status == HONE_OK; i++) status = add(f, i, "a", NULL, &err);
    assert_int_equal(status, HONE_LIMIT);
    assert_non_null(strstr(err.message, "600 bytes"));
    size_t kept = hone__feedback_count(f);
    hone__feedback_result result;
    assert_int_equal(add(f, 0, "b", &result, NULL), HONE_OK); /* nor does it in bytes */
    assert_int_equal(result, HONE_FEEDBACK_MOVED);
    assert_int_equal(hone__feedback_count(f), kept);
    assert_int_equal(add(f, 50, "c", NULL, NULL), HONE_LIMIT);
    char class_folder[sizeof folder + 2];
    snprintf(class_folder, sizeof class_folder, "%s/c", folder);
    assert_int_equal(access(class_folder, F_OK), -1); /* no class without a picture */
    assert_int_equal(add(f, 0, "a", &result, NULL), HONE_OK);
    hone__feedback_free(f);
    f = open_queue(100, 600); /* what did not fit has left nothing */
    assert_int_equal(hone__feedback_count(f), kept);
    assert_int_equal(add(f, (int)kept, "a", NULL, NULL), HONE_LIMIT);
    snprintf(command, sizeof command, "rm -r %s/a", folder);
    assert_int_equal(system(command), 0);
    assert_int_equal(add(f, (int)kept, "a", NULL, NULL), HONE_OK); /* and bytes taken away make room, too */
    assert_int_equal(hone__feedback_count(f), 1);
    hone__feedback_free(f);
}

static void labels_cannot_leave_the_folder(void **state) {
    (void)state;
    hone__feedback *f = open_queue(10, 1 << 20);
    char long_name[400];
    memset(long_name, 'x', sizeof long_name - 1);
    long_name[sizeof long_name - 1] = '\0';
    const char *const bad[] = {"",     ".",     "..",       "../a", "a/b", "/tmp/x", ".hidden",    "a\nb",
                               "\x7f", "train", "training", "test", "val", "valid",  "validation", long_name};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        hone_error err = {0};
        assert_int_equal(add(f, 1, bad[i], NULL, &err), HONE_ARGUMENT);
        assert_non_null(strstr(err.message, "cannot be the name of a folder"));
    }
    assert_int_equal(add(f, 1, "数字 七", NULL, NULL), HONE_OK);
    assert_int_equal(hone__feedback_count(f), 1);
    hone__feedback_free(f);
}

static void a_catalog_hears_of_it(void **state) {
    (void)state;
    hone__feedback *f = open_queue(10, 1 << 20);
    assert_int_equal(add(f, 1, "a", NULL, NULL), HONE_OK);
    hone_catalog *catalog;
    if (hone_catalog_open(&catalog, folder, NULL, NULL) == HONE_UNSUPPORTED) skip(); /* built without SQLite */
    assert_int_equal(hone_catalog_scan(catalog, NULL, NULL, NULL), HONE_OK);
    assert_int_equal(add(f, 2, "b", NULL, NULL), HONE_OK);
    assert_int_equal(add(f, 1, "b", NULL, NULL), HONE_OK); /* moved: the old place is missing, the new one is there */
    int64_t count = 0;
    const hone_catalog_query query = {.label = "b", .with_status = true, .status = HONE_PICTURE_OK};
    assert_int_equal(hone_catalog_count(catalog, &query, &count, NULL), HONE_OK);
    assert_int_equal(count, 2);
    hone_catalog_close(catalog);
    hone__feedback_free(f);
}

static void a_folder_that_cannot_be_is_said(void **state) {
    (void)state;
    hone__feedback *f = (void *)root;
    hone_error err = {0};
    assert_int_equal(hone__file_write(folder, "no folder", 9, NULL), HONE_OK);
    assert_int_not_equal(hone__feedback_create(&f, folder, 1, 1, &err), HONE_OK);
    assert_null(f);
    assert_non_null(strstr(err.message, folder));
}

static hone_status keep_one(void *context) {
    hone__feedback *f;
    (void)context;
    hone_status status = hone__feedback_create(&f, folder, 10, 1 << 20, NULL);
    if (status != HONE_OK) return status;
    status = add(f, 1, "a", NULL, NULL);
    if (status == HONE_OK) status = add(f, 1, "b", NULL, NULL);
    hone__feedback_free(f);
    return status;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    assert_true(test_every_allocation(keep_one, NULL) > 5);
    hone__feedback *f = open_queue(10, 1 << 20); /* whatever failed, the picture is there once */
    assert_int_equal(hone__feedback_count(f), 1);
    hone__feedback_free(f);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_picture_is_kept_once_under_its_last_label, next_folder),
        cmocka_unit_test_setup(it_is_bounded, next_folder),
        cmocka_unit_test_setup(labels_cannot_leave_the_folder, next_folder),
        cmocka_unit_test_setup(a_catalog_hears_of_it, next_folder),
        cmocka_unit_test_setup(a_folder_that_cannot_be_is_said, next_folder),
        cmocka_unit_test_setup(every_allocation_may_fail, next_folder),
    };
    return cmocka_run_group_tests(tests, make_root, remove_root);
}
