/* SPDX-License-Identifier: Apache-2.0
 *
 * The store against its catalog: filters and queues, changes of ours and of another process, undo, conflicts, the same
 * request twice; pixels and thumbnails; memory that runs out. */
#define _XOPEN_SOURCE 700
#include "test.h"

#include "folder.h"
#include "label_internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[FOLDER_SIZE];

static void put_picture(const char *name, int side, unsigned char value) {
    char path[160];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    unsigned char pixels[64 * 64];
    memset(pixels, value, sizeof pixels);
    const hone_image image = {.height = side, .width = side, .channels = 1, .pixels = pixels};
    assert_int_equal(hone_image_write(&image, path, NULL), HONE_OK);
}

/* cat/1.pgm, cat/2.pgm, dog/3.pgm, and 4.pgm … 6.pgm in inbox, whose folder's name is no one's class any more. */
static int set_up(void **state) {
    (void)state;
    if (folder_make(folder, "label") != 0) return -1;
    static const char *const folders[] = {"cat", "dog", "inbox"};
    for (size_t i = 0; i < 3; i++) {
        char path[160];
        snprintf(path, sizeof path, "%s/%s", folder, folders[i]);
        mkdir(path, 0755);
    }
    put_picture("cat/1.pgm", 8, 10);
    put_picture("cat/2.pgm", 8, 20);
    put_picture("dog/3.pgm", 64, 30);
    put_picture("inbox/4.pgm", 8, 40);
    put_picture("inbox/5.pgm", 8, 50);
    put_picture("inbox/6.pgm", 8, 60);
    return 0;
}

static int tear_down(void **state) {
    (void)state;
    return folder_remove(folder);
}

static void open_store(hone__label_store *store) {
    hone_error err = {0};
    if (hone__label_store_init(store, folder, NULL, NULL, &err) != HONE_OK) fail_msg("%s", err.message);
    assert_int_equal(store->count, 6);
}

static int64_t id_of(const hone__label_store *store, const char *path) {
    for (size_t i = 0; i < store->count; i++)
        if (strcmp(hone__label_path(store, &store->pictures[i]), path) == 0) return store->pictures[i].id;
    fail_msg("no '%s'", path);
    return 0;
}

static const char *label_of(const hone__label_store *store, const char *path) {
    const char *label = hone__label_word(&store->classes, hone__label_find(store, id_of(store, path))->label);
    return label ? label : "";
}

static size_t select_count(hone__label_store *store, const hone__label_view *view, int64_t *first) {
    int64_t *ids;
    size_t count;
    assert_int_equal(hone__label_select(store, view, &ids, &count, NULL), HONE_OK);
    if (first) *first = count > 0 ? ids[0] : 0;
    hone__free(ids);
    return count;
}

static hone_status apply(hone__label_store *store, const char *text, int64_t *change, hone_value *conflicts) {
    hone__label_request r;
    hone_error err = {0};
    hone_status status = hone__label_request_init(&r, text, strlen(text), &err);
    if (status == HONE_OK) status = hone__label_apply(store, &r, change, conflicts, &err);
    hone__label_request_release(&r);
    return status;
}

static void label(hone__label_store *store, const char *path, const char *name, const char *who, int64_t *change) {
    char text[200];
    snprintf(text, sizeof text, "{\"ids\": [%lld], \"label\": \"%s\", \"who\": \"%s\"}", (long long)id_of(store, path),
             name, who);
    assert_int_equal(apply(store, text, change, NULL), HONE_OK);
}

static void filters_and_search(void **state) {
    (void)state;
    hone__label_store store;
    open_store(&store);
    assert_int_equal(select_count(&store, &(hone__label_view){0}, NULL), 6);
    assert_int_equal(select_count(&store, &(hone__label_view){.label = "cat"}, NULL), 2);
    assert_int_equal(select_count(&store, &(hone__label_view){.label = "whale"}, NULL), 0);
    assert_int_equal(select_count(&store, &(hone__label_view){.search = "INBOX"}, NULL), 3);
    assert_int_equal(select_count(&store, &(hone__label_view){.search = "/4"}, NULL), 1);
    assert_int_equal(select_count(&store, &(hone__label_view){.split = "train"}, NULL), 0);
    assert_int_equal(select_count(&store, &(hone__label_view){.status = HONE_PICTURE_QUARANTINED}, NULL), 0);
    int64_t change;
    char text[100];
    snprintf(text, sizeof text, "{\"ids\": [%lld], \"label\": null}", (long long)id_of(&store, "inbox/4.pgm"));
    assert_int_equal(apply(&store, text, &change, NULL), HONE_OK);
    assert_int_equal(select_count(&store, &(hone__label_view){.queue = HONE_QUEUE_UNLABELLED}, NULL), 1);
    assert_int_equal(select_count(&store, &(hone__label_view){.labelled = true}, NULL), 5);
    snprintf(text, sizeof text, "{\"ids\": [%lld], \"status\": \"quarantined\"}",
             (long long)id_of(&store, "inbox/5.pgm"));
    assert_int_equal(apply(&store, text, &change, NULL), HONE_OK);
    assert_int_equal(select_count(&store, &(hone__label_view){.status = HONE_PICTURE_QUARANTINED}, NULL), 1);
    assert_int_equal(select_count(&store, &(hone__label_view){0}, NULL), 5);
    hone__label_store_release(&store);
}

static void suggest(hone__label_store *store, const char *path, const char *name, float confidence, float entropy,
                    float margin) {
    hone__label_picture *p = hone__label_find(store, id_of(store, path));
    p->suggestion = hone__label_known(&store->classes, name);
    p->confidence = confidence;
    p->entropy = entropy;
    p->margin = margin;
}

static void queues_put_first_what_matters(void **state) {
    (void)state;
    hone__label_store store;
    open_store(&store);
    int64_t first, change;
    char text[100];
    for (int i = 4; i <= 5; i++) {
        char path[20];
        snprintf(path, sizeof path, "inbox/%d.pgm", i);
        snprintf(text, sizeof text, "{\"ids\": [%lld], \"label\": null}", (long long)id_of(&store, path));
        assert_int_equal(apply(&store, text, &change, NULL), HONE_OK);
    }
    suggest(&store, "inbox/4.pgm", "cat", 0.9f, 0.2f, 0.8f);
    suggest(&store, "inbox/5.pgm", "dog", 0.5f, 0.9f, 0.1f);
    suggest(&store, "cat/1.pgm", "dog", 0.7f, 0.5f, 0.4f);
    suggest(&store, "cat/2.pgm", "dog", 0.8f, 0.4f, 0.6f);
    suggest(&store, "dog/3.pgm", "dog", 0.99f, 0.1f, 0.05f);
    assert_int_equal(select_count(&store, &(hone__label_view){.queue = HONE_QUEUE_UNCERTAIN}, &first), 2);
    assert_int_equal(first, id_of(&store, "inbox/5.pgm"));
    assert_int_equal(select_count(&store, &(hone__label_view){.queue = HONE_QUEUE_DISAGREE}, &first), 2);
    assert_int_equal(first, id_of(&store, "cat/2.pgm"));
    assert_int_equal(select_count(&store, &(hone__label_view){.queue = HONE_QUEUE_BORDER}, &first), 5);
    assert_int_equal(first, id_of(&store, "dog/3.pgm"));
    assert_int_equal(select_count(&store, &(hone__label_view){.queue = HONE_QUEUE_SUSPICIOUS}, &first), 0);
    assert_int_equal(hone_catalog_set_score(store.catalog, id_of(&store, "cat/1.pgm"), "label", 0.5, NULL), HONE_OK);
    assert_int_equal(hone_catalog_set_score(store.catalog, id_of(&store, "dog/3.pgm"), "label", 0.9, NULL), HONE_OK);
    assert_int_equal(select_count(&store, &(hone__label_view){.queue = HONE_QUEUE_SUSPICIOUS}, &first), 2);
    assert_int_equal(first, id_of(&store, "dog/3.pgm"));
    hone__label_store_release(&store);
}

static void undo_and_redo_through_the_history(void **state) {
    (void)state;
    hone__label_store store;
    open_store(&store);
    int64_t change, undone, redone, left_alone;
    label(&store, "cat/1.pgm", "dog", "Ada", &change);
    assert_true(change > 0);
    assert_string_equal(label_of(&store, "cat/1.pgm"), "dog");
    hone__label_request r = {.operation = "", .who = "Ada", .change = change};
    assert_int_equal(hone__label_revert(&store, &r, &undone, &left_alone, NULL), HONE_OK);
    assert_string_equal(label_of(&store, "cat/1.pgm"), "cat");
    r.change = undone;
    assert_int_equal(hone__label_revert(&store, &r, &redone, &left_alone, NULL), HONE_OK);
    assert_string_equal(label_of(&store, "cat/1.pgm"), "dog");
    assert_int_equal(left_alone, 0);
    r.change = 999;
    assert_int_not_equal(hone__label_revert(&store, &r, &redone, &left_alone, NULL), HONE_OK);
    hone__label_store_release(&store);
}

static void what_others_do_arrives_and_conflicts_are_told(void **state) {
    (void)state;
    hone__label_store one, two;
    open_store(&one);
    open_store(&two);
    int64_t change, seen = two.change;
    label(&one, "cat/1.pgm", "whale", "Ada", &change); /* a class that the other has never heard of */
    assert_string_equal(label_of(&two, "cat/1.pgm"), "cat");
    assert_int_equal(hone__label_sync(&two, NULL), HONE_OK);
    assert_string_equal(label_of(&two, "cat/1.pgm"), "whale");
    assert_int_equal(two.change, one.change);
    /* Bob has not seen it and overwrites: he wins and is told. */
    char text[200];
    snprintf(text, sizeof text, "{\"ids\": [%lld], \"label\": \"dog\", \"who\": \"Bob\", \"seen\": %lld}",
             (long long)id_of(&two, "cat/1.pgm"), (long long)seen);
    hone_value *conflicts = hone_value_list();
    assert_int_equal(apply(&two, text, &change, conflicts), HONE_OK);
    assert_int_equal(hone_value_count(conflicts), 1);
    assert_string_equal(hone_value_as_string(hone_value_get(hone_value_at(conflicts, 0), "who")), "Ada");
    assert_string_equal(hone_value_as_string(hone_value_get(hone_value_at(conflicts, 0), "label")), "whale");
    hone_value_free(conflicts);
    assert_string_equal(label_of(&two, "cat/1.pgm"), "dog");
    assert_int_equal(hone__label_sync(&one, NULL), HONE_OK);
    assert_string_equal(label_of(&one, "cat/1.pgm"), "dog");
    /* His own changes are no conflicts. */
    conflicts = hone_value_list();
    snprintf(text, sizeof text, "{\"ids\": [%lld], \"label\": \"cat\", \"who\": \"Bob\", \"seen\": 0}",
             (long long)id_of(&two, "cat/1.pgm"));
    assert_int_equal(apply(&two, text, &change, conflicts), HONE_OK);
    assert_int_equal(hone_value_count(conflicts), 0);
    hone_value_free(conflicts);
    hone__label_store_release(&one);
    hone__label_store_release(&two);
}

static void a_request_sent_twice_is_done_once(void **state) {
    (void)state;
    hone__label_store store;
    open_store(&store);
    int64_t first, between, again;
    char text[200];
    snprintf(text, sizeof text, "{\"ids\": [%lld], \"label\": \"dog\", \"who\": \"Ada\", \"operation\": \"x1\"}",
             (long long)id_of(&store, "cat/1.pgm"));
    assert_int_equal(apply(&store, text, &first, NULL), HONE_OK);
    label(&store, "cat/1.pgm", "whale", "Bob", &between);
    assert_int_equal(apply(&store, text, &again, NULL), HONE_OK);
    assert_int_equal(again, first);
    assert_string_equal(label_of(&store, "cat/1.pgm"), "whale");
    hone__label_store_release(&store);
}

static void wrong_changes_change_nothing(void **state) {
    (void)state;
    hone__label_store store;
    open_store(&store);
    int64_t change, before = store.change;
    assert_int_equal(apply(&store, "{\"ids\": [999], \"label\": \"dog\"}", &change, NULL), HONE_NOT_FOUND);
    char text[200];
    snprintf(text, sizeof text, "{\"ids\": [%lld, 999], \"label\": \"dog\"}", (long long)id_of(&store, "cat/1.pgm"));
    assert_int_equal(apply(&store, text, &change, NULL), HONE_NOT_FOUND);
    assert_int_equal(apply(&store, "{\"ids\": [], \"label\": \"dog\"}", &change, NULL), HONE_ARGUMENT);
    assert_int_equal(apply(&store, "{\"ids\": [1]}", &change, NULL), HONE_ARGUMENT);
    assert_int_equal(apply(&store, "{\"ids\": [1], \"label\": \"a\", \"status\": \"ok\"}", &change, NULL),
                     HONE_ARGUMENT);
    assert_int_equal(store.change, before);
    assert_string_equal(label_of(&store, "cat/1.pgm"), "cat");
    assert_int_equal(hone__label_add_class(&store, "newt", NULL), HONE_OK);
    assert_int_equal(hone__label_add_class(&store, "newt", NULL), HONE_OK);
    assert_true(hone__label_known(&store.classes, "newt") >= 0);
    assert_int_equal(hone__label_add_class(&store, "", NULL), HONE_ARGUMENT);
    hone__label_store_release(&store);
    open_store(&store); /* declared in the catalog */
    assert_true(hone__label_known(&store.classes, "newt") >= 0);
    hone__label_store_release(&store);
}

static void pictures_and_thumbnails(void **state) {
    (void)state;
    hone__label_pixels *pixels;
    hone_image image;
    hone_error err = {0};
    unsigned char *data;
    size_t size;
    const char *type;
    assert_int_equal(hone__label_pixels_create(&pixels, folder, &err), HONE_OK);
    assert_int_equal(hone__label_pixels_read(pixels, "dog/3.pgm", &image, &err), HONE_OK);
    assert_int_equal(image.height, 64);
    hone_image_release(&image);
    /* A catalog from elsewhere may hold any path; those that leave the folder are not followed. */
    static const char *const outside[] = {"/etc/hostname", "../hostname", "cat/../../x", "", ".."};
    for (size_t i = 0; i < sizeof outside / sizeof outside[0]; i++)
        assert_int_equal(hone__label_pixels_read(pixels, outside[i], &image, &err), HONE_ARGUMENT);
    assert_int_not_equal(hone__label_pixels_read(pixels, "cat/none.pgm", &image, &err), HONE_OK);
    assert_int_not_equal(hone__label_pixels_read(pixels, "cat/1.pgm#7", &image, &err), HONE_OK);
#if HONE_WITH_PNG
    for (int round = 0; round < 2; round++) { /* made, then kept */
        assert_int_equal(hone__label_thumbnail(pixels, 3, "a", "dog/3.pgm", &data, &size, &err), HONE_OK);
        assert_int_equal(hone_image_decode(&image, data, size, &err), HONE_OK);
        assert_int_equal(image.width, 64);
        assert_int_equal(image.pixels[0], 30);
        hone_image_release(&image);
        hone__free(data);
    }
    put_picture("dog/3.pgm", 16, 99); /* another file under the same id and name: another tag */
    assert_int_equal(hone__label_thumbnail(pixels, 3, "b", "dog/3.pgm", &data, &size, &err), HONE_OK);
    assert_int_equal(hone_image_decode(&image, data, size, &err), HONE_OK);
    assert_int_equal(image.pixels[0], 99);
    hone_image_release(&image);
    hone__free(data);
    assert_int_equal(hone__label_whole(pixels, "cat/1.pgm", &data, &size, &type, &err), HONE_OK);
    assert_string_equal(type, "image/png");
    hone__free(data);
#else
    (void)data, (void)size, (void)type;
#endif
    hone__label_pixels_free(pixels);
    hone__label_pixels_free(NULL);
}

static hone_status open_and_label(void *context) {
    (void)context;
    hone__label_store store;
    hone__label_pixels *pixels = NULL;
    hone_status status = hone__label_store_init(&store, folder, NULL, NULL, NULL);
    if (status != HONE_OK) return status;
    status = hone__label_pixels_create(&pixels, folder, NULL);
    int64_t *ids = NULL, change;
    size_t count;
    if (status == HONE_OK)
        status = hone__label_select(&store, &(hone__label_view){.queue = HONE_QUEUE_BORDER}, &ids, &count, NULL);
    hone__free(ids);
    if (status == HONE_OK)
        status = apply(&store, "{\"ids\": [1, 2], \"label\": \"whale\", \"who\": \"Ada\"}", &change, NULL);
    if (status == HONE_OK)
        status = apply(&store, "{\"ids\": [1, 2], \"label\": \"cat\", \"who\": \"Ada\"}", &change, NULL);
    if (status == HONE_OK) status = hone__label_add_class(&store, "newt", NULL);
    hone__label_pixels_free(pixels);
    hone__label_store_release(&store);
    return status;
}

static void memory_runs_out(void **state) {
    (void)state;
    hone__label_store store;
    open_store(&store); /* scanned once, so that each run finds the same */
    hone__label_store_release(&store);
    assert_true(test_every_allocation(open_and_label, NULL) > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(filters_and_search, set_up, tear_down),
        cmocka_unit_test_setup_teardown(queues_put_first_what_matters, set_up, tear_down),
        cmocka_unit_test_setup_teardown(undo_and_redo_through_the_history, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_others_do_arrives_and_conflicts_are_told, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_request_sent_twice_is_done_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(wrong_changes_change_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pictures_and_thumbnails, set_up, tear_down),
        cmocka_unit_test_setup_teardown(memory_runs_out, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
