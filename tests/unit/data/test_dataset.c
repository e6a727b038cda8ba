/* SPDX-License-Identifier: Apache-2.0
 *
 * Data sets in memory: making, identity, splitting, writing; and the names by which they are opened. */
#define _XOPEN_SOURCE 700
#include "data_internal.h"
#include "data_test.h"

static hone_dataset *make(size_t samples, const int32_t *labels, size_t classes) {
    static unsigned char images[1000 * 4];
    hone_dataset *d;
    hone_error err;
    for (size_t i = 0; i < samples * 4; i++) images[i] = (unsigned char)(i * 7);
    if (hone_dataset_create(&d, images, labels, samples, 2, 2, 1, NULL, classes, &err) != HONE_OK)
        fail_msg("%s", err.message);
    return d;
}

static void create_copies_and_checks(void **state) {
    (void)state;
    unsigned char images[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    int32_t labels[2] = {1, 0};
    static const char *const names[] = {"cat", "dog"};
    hone_dataset *d;
    hone_error err;
    assert_int_equal(hone_dataset_create(&d, images, labels, 2, 2, 2, 1, names, 2, &err), HONE_OK);
    images[4] = 99;
    labels[0] = 0;
    assert_int_equal(hone_dataset_image(d, 1)[0], 5);
    assert_int_equal(hone_dataset_labels(d)[0], 1);
    assert_string_equal(hone_dataset_class_name(d, 1), "dog");
    assert_string_equal(hone_dataset_description(d), "2 images 2x2x1, 2 classes");
    hone_dataset_free(d);
    hone_dataset_free(NULL);
    labels[1] = 2;
    assert_int_equal(hone_dataset_create(&d, images, labels, 2, 2, 2, 1, names, 2, &err), HONE_ARGUMENT);
    assert_string_equal(err.message, "label 2 of sample 1 is outside the 2 classes");
    assert_null(d);
    assert_int_equal(hone_dataset_create(&d, images, NULL, 0, 2, 2, 1, NULL, 0, &err), HONE_ARGUMENT);
    assert_int_equal(hone_dataset_create(&d, images, NULL, 2, 2, 2, 5, NULL, 0, &err), HONE_LIMIT);
    assert_int_equal(hone_dataset_create(&d, images, NULL, 2, 0, 2, 1, NULL, 0, &err), HONE_LIMIT);
    assert_int_equal(hone_dataset_create(&d, images, NULL, SIZE_MAX / 2, 2, 2, 1, NULL, 0, &err), HONE_LIMIT);
    assert_int_equal(hone_dataset_create(&d, images, NULL, 2, 2, 2, 1, NULL, HONE_MAX_CLASSES + 1, &err), HONE_LIMIT);
    assert_int_equal(hone_dataset_create(&d, images, NULL, 2, 2, 2, 1, (const char *const[]){""}, 1, &err),
                     HONE_ARGUMENT);
}

static void adopt_takes_over_on_success_only(void **state) {
    (void)state;
    hone__dataset_parts parts = {0};
    hone_dataset *d;
    assert_int_equal(hone__dataset_parts_allocate(&parts, 3, 1, 1, 1, NULL), HONE_OK);
    parts.labels[2] = 4;
    parts.classes = 2;
    assert_int_equal(hone__dataset_adopt(&d, &parts, NULL), HONE_ARGUMENT);
    assert_non_null(parts.images);
    parts.labels[2] = 1;
    const unsigned char *images = parts.images;
    assert_int_equal(hone__dataset_adopt(&d, &parts, NULL), HONE_OK);
    assert_null(parts.images);
    assert_ptr_equal(hone_dataset_images(d), images);
    hone__dataset_parts_release(&parts);
    hone_dataset_free(d);
}

static void the_hash_is_of_shape_images_and_labels(void **state) {
    (void)state;
#if HONE_WITH_NETTLE
    const unsigned char images[8] = {1, 2, 3, 4, 5, 6, 7, 8};
    int32_t labels[2] = {0, 1};
    char hash[65], other[65];
    hone_dataset *d;
    assert_int_equal(hone_dataset_create(&d, images, labels, 2, 2, 2, 1, NULL, 2, NULL), HONE_OK);
    hone_dataset_hash(d, hash);
    hone_dataset_free(d);
    /* hashlib.sha256(struct.pack('<Qiii', 2, 2, 2, 1) + bytes(range(1, 9)) + struct.pack('<ii', 0, 1)) */
    assert_string_equal(hash, "9a13b5867bb157cac71a4a0427793a67e3ed72b2c0c917a4e0201f5b99df2ea1");
    assert_int_equal(hone_dataset_create(&d, images, labels, 2, 1, 4, 1, NULL, 2, NULL), HONE_OK);
    hone_dataset_hash(d, other);
    hone_dataset_free(d);
    assert_string_not_equal(hash, other);
    labels[0] = 1;
    assert_int_equal(hone_dataset_create(&d, images, labels, 2, 2, 2, 1, NULL, 2, NULL), HONE_OK);
    hone_dataset_hash(d, other);
    hone_dataset_free(d);
    assert_string_not_equal(hash, other);
#endif
}

/* ---- splits ---------------------------------------------------------------------------------------------------- */

static void the_last_samples_validate_as_in_keras(void **state) {
    (void)state;
    /* int(n * (1 - fraction)) in Python */
    static const struct {
        size_t samples;
        double fraction;
        size_t train;
    } cases[] = {{60000, 0.1, 54000}, {10, 0.1, 9}, {10, 0.3, 7}, {7, 0.5, 3},
                 {1000, 0.29, 710},   {5, 0, 5},    {2, 0.01, 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hone_split split;
        assert_int_equal(hone_split_last(&split, cases[i].samples, cases[i].fraction, NULL), HONE_OK);
        assert_int_equal(split.train_count, cases[i].train);
        assert_int_equal(split.validation_count, cases[i].samples - cases[i].train);
        for (size_t k = 0; k < split.train_count; k++) assert_int_equal(split.train[k], k);
        for (size_t k = 0; k < split.validation_count; k++)
            assert_int_equal(split.validation[k], split.train_count + k);
        hone_split_release(&split);
        assert_null(split.train);
    }
    hone_split split;
    hone_error err;
    assert_int_equal(hone_split_last(&split, 3, 0.9, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "nothing to train on"));
    assert_int_equal(hone_split_last(&split, 0, 0, &err), HONE_ARGUMENT);
    assert_int_equal(hone_split_last(&split, 3, 1, &err), HONE_ARGUMENT);
    assert_int_equal(hone_split_last(&split, 3, -0.1, &err), HONE_ARGUMENT);
    assert_int_equal(hone_split_last(&split, 3, 0.0 / 0.0, &err), HONE_ARGUMENT);
}

static void words_say_how_to_split(void **state) {
    (void)state;
    int32_t sorted[40], mixed[40];
    for (int i = 0; i < 40; i++) {
        sorted[i] = i / 20;
        mixed[i] = i % 2;
    }
    hone_dataset *by_class = make(40, sorted, 2), *in_any_order = make(40, mixed, 2);
    static const struct {
        const char *how;
        bool is_sorted;
        size_t count, of_first_class;
    } cases[] = {{"stratified:0.1", true, 4, 2}, {"last:0.1", true, 4, 0}, {"0.1", true, 4, 2},
                 {"0.1", false, 4, 2},           {"0", true, 0, 0},        {"last:0", false, 0, 0}};
    hone_split split, last;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const hone_dataset *d = cases[i].is_sorted ? by_class : in_any_order;
        size_t first = 0;
        assert_int_equal(hone_split_by_words(&split, d, cases[i].how, 3, NULL), HONE_OK);
        assert_int_equal(split.validation_count, cases[i].count);
        for (size_t k = 0; k < split.validation_count; k++) first += hone_dataset_labels(d)[split.validation[k]] == 0;
        assert_int_equal(first, cases[i].of_first_class);
        hone_split_release(&split);
    }
    /* in a mixed order a plain fraction is Keras' */
    assert_int_equal(hone_split_by_words(&split, in_any_order, "0.25", 3, NULL), HONE_OK);
    assert_int_equal(hone_split_last(&last, 40, 0.25, NULL), HONE_OK);
    assert_memory_equal(split.validation, last.validation, last.validation_count * sizeof *last.validation);
    hone_split_release(&split);
    hone_split_release(&last);
    static const char *const wrong[] = {"", "own", "last:", "stratified:x", "first:0.1", "1.5", "last:-1", "nan", "1"};
    hone_error err;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(hone_split_by_words(&split, by_class, wrong[i], 3, &err), HONE_ARGUMENT);
        assert_null(split.validation);
    }
    hone_dataset_free(by_class);
    hone_dataset_free(in_any_order);
}

static void stratified_splits_draw_from_each_class(void **state) {
    (void)state;
    int32_t labels[113];
    size_t counts[4] = {0};
    /* 100 of class 0, 10 of class 1, 2 of class 2, 1 of class 3, interleaved */
    for (int i = 0; i < 113; i++) labels[i] = i < 100 ? 0 : i < 110 ? 1 : i < 112 ? 2 : 3;
    for (int i = 0; i < 113; i++) {
        int32_t t = labels[i], k = i * 37 % 113;
        labels[i] = labels[k];
        labels[k] = t;
    }
    hone_dataset *d = make(113, labels, 4);
    hone_split a, b, c;
    assert_int_equal(hone_split_stratified(&a, d, 0.25, 1, NULL), HONE_OK);
    assert_int_equal(a.validation_count, 25 + 3 + 1); /* 2.5 rounds up */
    assert_int_equal(a.train_count, 113 - 29);
    unsigned char seen[113] = {0};
    for (size_t i = 0; i < a.validation_count; i++) {
        counts[labels[a.validation[i]]]++;
        seen[a.validation[i]]++;
        if (i) assert_true(a.validation[i] > a.validation[i - 1]);
    }
    for (size_t i = 0; i < a.train_count; i++) {
        seen[a.train[i]]++;
        if (i) assert_true(a.train[i] > a.train[i - 1]);
    }
    for (int i = 0; i < 113; i++) assert_int_equal(seen[i], 1);
    assert_int_equal(counts[0], 25);
    assert_int_equal(counts[1], 3);
    assert_int_equal(counts[2], 1);
    assert_int_equal(counts[3], 0); /* the only one of its class trains */
    assert_int_equal(hone_split_stratified(&b, d, 0.25, 1, NULL), HONE_OK);
    assert_memory_equal(a.validation, b.validation, a.validation_count * sizeof *a.validation);
    assert_int_equal(hone_split_stratified(&c, d, 0.25, 2, NULL), HONE_OK);
    assert_memory_not_equal(a.validation, c.validation, a.validation_count * sizeof *a.validation);
    hone_split_release(&a);
    hone_split_release(&b);
    hone_split_release(&c);
    hone_dataset_free(d);
}

/* The last tenth of pictures in class folders is all of one class: nobody who did not ask for that gets it. */
static void what_lies_class_by_class_is_split_by_class(void **state) {
    (void)state;
    int32_t labels[300];
    hone_split split;
    size_t counts[3] = {0};
    for (int i = 0; i < 300; i++) labels[i] = i / 100;
    labels[5] = 2; /* somebody put labels right */
    labels[250] = 0;
    hone_dataset *d = make(300, labels, 3);
    assert_true(hone_dataset_lies_by_class(d));
    assert_int_equal(hone_split_default(&split, d, 0.1, 1, NULL), HONE_OK);
    assert_int_equal(split.validation_count, 30);
    for (size_t i = 0; i < split.validation_count; i++) counts[labels[split.validation[i]]]++;
    for (int c = 0; c < 3; c++) assert_int_equal(counts[c], 10);
    hone_split_release(&split);
    hone_dataset_free(d);

    for (int i = 0; i < 300; i++) labels[i] = i * 7 % 11 % 3; /* mixed: as Keras splits */
    d = make(300, labels, 3);
    assert_false(hone_dataset_lies_by_class(d));
    assert_int_equal(hone_split_default(&split, d, 0.1, 1, NULL), HONE_OK);
    for (size_t i = 0; i < split.validation_count; i++) assert_int_equal(split.validation[i], 270 + i);
    hone_split_release(&split);
    hone_dataset_free(d);

    for (int i = 0; i < 300; i++) labels[i] = 0;
    d = make(300, labels, 1);
    assert_false(hone_dataset_lies_by_class(d));
    hone_dataset_free(d);
    for (int i = 0; i < 300; i++) labels[i] = i >= 270; /* a rare class, behind the others */
    d = make(300, labels, 2);
    assert_true(hone_dataset_lies_by_class(d));
    hone_dataset_free(d);
}

static void a_stratified_split_of_single_samples_is_refused(void **state) {
    (void)state;
    hone_split split;
    hone_error err;
    hone_dataset *d = make(2, (const int32_t[]){0, 1}, 2);
    assert_int_equal(hone_split_stratified(&split, d, 0.5, 1, &err), HONE_ARGUMENT);
    assert_null(split.train);
    assert_int_equal(hone_split_stratified(&split, d, 0, 1, &err), HONE_OK);
    assert_int_equal(split.train_count, 2);
    hone_split_release(&split);
    hone_dataset_free(d);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static void what_is_written_reads_back(void **state) {
    (void)state;
    static const char *const names[] = {"kedi", "köpek"};
    unsigned char images[2 * 3 * 2 * 3];
    for (size_t i = 0; i < sizeof images; i++) images[i] = (unsigned char)(255 - i);
    hone_dataset *d, *back;
    hone_error err;
    char hash[65], back_hash[65];
    assert_int_equal(hone_dataset_create(&d, images, (const int32_t[]){1, 0}, 2, 3, 2, 3, names, 2, NULL), HONE_OK);
    if (hone_dataset_write_idx(d, in_folder("deep/er"), "test", &err) != HONE_OK) fail_msg("%s", err.message);
    assert_true(hone__file_exists(in_folder("deep/er/t10k-images-idx4-ubyte")));
    back = open_ok(in_folder("deep/er"), NULL);
    hone_dataset_hash(d, hash);
    hone_dataset_hash(back, back_hash);
    assert_string_equal(hash, back_hash);
    assert_memory_equal(hone_dataset_images(back), images, sizeof images);
    assert_string_equal(hone_dataset_class_name(back, 1), "köpek");
    hone_dataset_free(d);
    hone_dataset_free(back);
}

static void many_classes_need_wide_labels(void **state) {
    (void)state;
    hone_dataset *d = make(3, (const int32_t[]){0, 299, 256}, 300), *back;
    assert_int_equal(hone_dataset_write_idx(d, test_folder, NULL, NULL), HONE_OK);
    assert_true(hone__file_exists(in_folder("train-labels-idx1-int")));
    back = open_ok(test_folder, NULL);
    assert_memory_equal(hone_dataset_labels(back), hone_dataset_labels(d), 3 * sizeof(int32_t));
    assert_int_equal(hone_dataset_classes(back), 300);
    hone_dataset_free(d);
    hone_dataset_free(back);
}

static void unlabelled_samples_are_written_alone_or_not_at_all(void **state) {
    (void)state;
    hone_error err;
    hone_dataset *d = make(3, (const int32_t[]){0, -1, 1}, 2);
    assert_int_equal(hone_dataset_write_idx(d, test_folder, NULL, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "1 of 3 samples have no label"));
    hone_dataset_free(d);
    d = make(3, NULL, 0);
    assert_int_equal(hone_dataset_write_idx(d, test_folder, NULL, &err), HONE_OK);
    assert_false(hone__file_exists(in_folder("train-labels-idx1-ubyte")));
    assert_int_equal(hone_dataset_write_idx(d, test_folder, "dev", &err), HONE_ARGUMENT);
    hone_dataset_free(d);
    assert_open_fails(test_folder, NULL, HONE_NOT_FOUND, "no file with its labels");
}

/* ---- names ----------------------------------------------------------------------------------------------------- */

static void names_are_looked_up_in_data_then_cache(void **state) {
    (void)state;
    hone_dataset *d = make(2, (const int32_t[]){3, 9}, 10);
    char folder[600];
    setenv("HONE_DATA", in_folder("data"), 1);
    setenv("XDG_CACHE_HOME", in_folder("cache"), 1);
    assert_open_fails("kmnist", NULL, HONE_NOT_FOUND, "'hone collect kmnist' fetches it");
    snprintf(folder, sizeof folder, "%s/cache/hone/kmnist", test_folder);
    assert_int_equal(hone_dataset_write_idx(d, folder, NULL, NULL), HONE_OK);
    hone_dataset *cached = open_ok("kmnist", NULL);
    assert_string_equal(hone_dataset_class_name(cached, 9), "を");
    hone_dataset_free(cached);
    /* A folder in HONE_DATA that holds no data set yet does not hide the cache. */
    put_folder("data/kmnist");
    cached = open_ok("kmnist", NULL);
    hone_dataset_free(cached);
    hone_dataset_free(d);
    d = make(5, (const int32_t[]){1, 2, 3, 4, 5}, 10);
    snprintf(folder, sizeof folder, "%s/data/kmnist", test_folder);
    assert_int_equal(hone_dataset_write_idx(d, folder, NULL, NULL), HONE_OK);
    hone_dataset_free(d);
    d = open_ok("kmnist", NULL);
    assert_int_equal(hone_dataset_samples(d), 5);
    assert_string_equal(hone_dataset_description(d), "kmnist: 5 images 2x2x1, 10 classes (IDX, train)");
    hone_dataset_free(d);
    unsetenv("HONE_DATA");
    unsetenv("XDG_CACHE_HOME");
    assert_open_fails("no-such-name", NULL, HONE_NOT_FOUND, "neither a file, a folder nor the name");
    assert_open_fails("", NULL, HONE_NOT_FOUND, "neither a file");
}

static void digits_are_a_name_with_numbers(void **state) {
    (void)state;
    hone_dataset_config config = hone_dataset_config_default();
    hone_dataset *d = open_ok("digits:12:5", NULL), *test;
    assert_int_equal(hone_dataset_samples(d), 12);
    assert_int_equal(hone_dataset_classes(d), 10);
    config.split = "test";
    config.limit = 3;
    test = open_ok("digits:12:5", &config);
    assert_int_equal(hone_dataset_samples(test), 3);
    assert_memory_not_equal(hone_dataset_image(d, 0), hone_dataset_image(test, 0), 784);
    hone_dataset_free(d);
    hone_dataset_free(test);
    config.height = config.width = 14;
    config.split = NULL;
    d = open_ok("digits", &config);
    assert_int_equal(hone_dataset_height(d), 14);
    assert_int_equal(hone_dataset_samples(d), 3);
    hone_dataset_free(d);
    config.split = "validation";
    assert_open_fails("digits", &config, HONE_NOT_FOUND, "no validation part");
    static const char *const wrong[] = {"digits:",   "digits:0",   "digits:-1",    "digits:x",
                                        "digits:5:", "digits:5:x", "digits:5:1:1", "digits:99999999999"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        assert_open_fails(wrong[i], NULL, HONE_ARGUMENT, "is not digits:SAMPLES:SEED");
}

static hone_status everything_in_memory(void *context) {
    (void)context;
    hone_dataset *d = NULL;
    hone_split split = {0};
    const unsigned char images[4] = {0};
    hone_status status = hone_dataset_create(&d, images, (const int32_t[]){0, 0, 1, 1}, 4, 1, 1, 1, NULL, 2, NULL);
    if (status == HONE_OK) status = hone_split_stratified(&split, d, 0.5, 1, NULL);
    hone_split_release(&split);
    if (status == HONE_OK) status = hone_split_last(&split, 4, 0.5, NULL);
    hone_split_release(&split);
    hone_dataset_free(d);
    return status;
}

static void nothing_leaks_when_memory_runs_out(void **state) {
    (void)state;
    assert_true(test_every_allocation(everything_in_memory, NULL) > 10);
    /* Writing may also succeed where only the syncing of the folder found no memory. */
    hone_dataset *d = make(2, (const int32_t[]){0, 1}, 2);
    test_allocator a = {.fail_at = 0};
    for (long n = 0; n == 0 || atomic_load(&a.count) >= n; n++) {
        test_allocator_install(&a, n);
        hone_status status = hone_dataset_write_idx(d, test_folder, "train", NULL);
        long live = atomic_load(&a.live);
        test_allocator_remove();
        assert_int_equal(live, 0);
        assert_true(status == HONE_OK || status == HONE_MEMORY);
    }
    hone_dataset_free(d);
}

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_test_folder, remove_test_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(create_copies_and_checks),
        TEST(adopt_takes_over_on_success_only),
        TEST(the_hash_is_of_shape_images_and_labels),
        TEST(the_last_samples_validate_as_in_keras),
        TEST(stratified_splits_draw_from_each_class),
        TEST(words_say_how_to_split),
        TEST(what_lies_class_by_class_is_split_by_class),
        TEST(a_stratified_split_of_single_samples_is_refused),
        TEST(what_is_written_reads_back),
        TEST(many_classes_need_wide_labels),
        TEST(unlabelled_samples_are_written_alone_or_not_at_all),
        TEST(names_are_looked_up_in_data_then_cache),
        TEST(digits_are_a_name_with_numbers),
        TEST(nothing_leaks_when_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
