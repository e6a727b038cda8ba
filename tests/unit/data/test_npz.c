/* SPDX-License-Identifier: Apache-2.0
 *
 * NumPy archives as Keras publishes them, made by NumPy itself (tests/data/make_npz.py), and archives that lie. */
#define _XOPEN_SOURCE 700
#include "data_test.h"
#include "npy.h"

static void headers_of_arrays(void **state) {
    (void)state;
    static const struct {
        const char *text;
        hone_status status;
    } cases[] = {
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3), }", HONE_OK},
        {"{\"shape\":(6,),\"descr\":\"<i8\",\"fortran_order\":False}\n", HONE_OK},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (), }", HONE_OK},
        {"{'descr': '|u1', 'fortran_order': False}", HONE_FORMAT},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (2, 3)", HONE_FORMAT},
        {"{'descr': '|u1', 'fortran_order': Maybe, 'shape': (2, 3)}", HONE_FORMAT},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (2, -3)}", HONE_FORMAT},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (99999999999999999999999,)}", HONE_FORMAT},
        {"{'descr': '|u1', 'fortran_order': False, 'shape': (1, 1, 1, 1, 1)}", HONE_FORMAT},
        {"{'descr': '<i8', 'fortran_order': False, 'shape': (4294967296, 4294967296)}", HONE_LIMIT},
        {"{'descr': '|O', 'fortran_order': False, 'shape': (1,)}", HONE_UNSUPPORTED},
        {"{'descr': [('a', '<i4')], 'fortran_order': False, 'shape': (1,)}", HONE_FORMAT},
        {"{'descr': '<u3', 'fortran_order': False, 'shape': (1,)}", HONE_UNSUPPORTED},
        {"{'descr': '|u8', 'fortran_order': False, 'shape': (1,)}", HONE_UNSUPPORTED},
        {"", HONE_FORMAT},
        {"{", HONE_FORMAT},
        {"{'descr", HONE_FORMAT},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hone__npy array = {0};
        char text[128] = "";
        snprintf(text, sizeof text, "%s", cases[i].text);
        hone_status status = hone__npy_parse_header(&array, text, HONE_NPY_INTEGERS, NULL);
        if (status != cases[i].status) fail_msg("%s: %d", text, status);
    }
}

#if HONE_WITH_ZIP

static const char *data_file(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%s/npz/%s.npz", HONE_TEST_DATA, name);
    return path;
}

static void check_train(const char *name) {
    hone_dataset *d = open_ok(data_file(name), NULL);
    assert_int_equal(hone_dataset_samples(d), 5);
    assert_int_equal(hone_dataset_height(d), 3);
    assert_int_equal(hone_dataset_width(d), 4);
    assert_memory_equal(hone_dataset_labels(d), ((int32_t[]){3, 1, 4, 1, 0}), 5 * sizeof(int32_t));
    int step = hone_dataset_channels(d);
    for (int i = 0; i < 5; i++)
        for (int y = 0; y < 3; y++)
            for (int x = 0; x < 4; x++)
                assert_int_equal(hone_dataset_image(d, (size_t)i)[(y * 4 + x) * step], (50 * i + 10 * y + x) % 256);
    hone_dataset_free(d);
}

static void arrays_stored_and_deflated(void **state) {
    (void)state;
    check_train("stored");
    check_train("deflated");
    hone_dataset_config config = hone_dataset_config_default();
    config.split = "test";
    hone_dataset *d = open_ok(data_file("deflated"), &config);
    assert_int_equal(hone_dataset_samples(d), 2);
    assert_int_equal(hone_dataset_image(d, 1)[0], 200);
    assert_int_equal(hone_dataset_labels(d)[0], 5);
    hone_dataset_free(d);
    config.split = NULL;
    config.limit = 1;
    d = open_ok(data_file("deflated"), &config);
    assert_int_equal(hone_dataset_samples(d), 1);
    assert_int_equal(hone_dataset_classes(d), 6); /* label 5 is in the test part only */
    assert_non_null(strstr(hone_dataset_description(d), "deflated.npz: 1 image 3x4x1, 6 classes (NPZ, train)"));
    hone_dataset_free(d);
    config.split = "validation";
    assert_open_fails(data_file("deflated"), &config, HONE_NOT_FOUND, "has no validation part");
}

static void labels_of_any_integer_type(void **state) {
    (void)state;
    check_train("labels_i1");
    check_train("labels_u2");
    check_train("labels_i4_big");
    check_train("labels_i8");
    check_train("labels_u8_big");
    check_train("labels_column");
}

static void what_is_no_data_set_is_named(void **state) {
    (void)state;
    assert_open_fails(data_file("fortran"), NULL, HONE_UNSUPPORTED, "array 'x_train': stored in Fortran order");
    assert_open_fails(data_file("floats"), NULL, HONE_UNSUPPORTED,
                      "items of type '<f8', where integers (pixels from 0 to 255 as uint8");
    assert_open_fails(data_file("float_labels"), NULL, HONE_UNSUPPORTED, "array 'y_train': items of type '<f4'");
    assert_open_fails(data_file("negative"), NULL, HONE_FORMAT, "label -1 of sample 2 is outside 0");
    assert_open_fails(data_file("unequal"), NULL, HONE_FORMAT, "4 labels for the 5 images");
    assert_open_fails(data_file("flat"), NULL, HONE_FORMAT, "2 dimensions");
    assert_open_fails(data_file("other"), NULL, HONE_FORMAT, "holds no array 'x_train'");
    assert_open_fails(data_file("unlabelled"), NULL, HONE_NOT_FOUND, "but not 'y_test'");
    hone_dataset_config config = hone_dataset_config_default();
    config.allow_unlabelled = true;
    hone_dataset *d = open_ok(data_file("unlabelled"), &config);
    assert_int_equal(hone_dataset_labels(d)[4], -1);
    hone_dataset_free(d);
    put_file("text.npz", "not a zip at all", 16);
    assert_open_fails(in_folder("text.npz"), NULL, HONE_FORMAT, "text.npz': not a zip archive");
}

static unsigned char *read_archive(const char *name, size_t *size) {
    unsigned char *data;
    assert_int_equal(hone__file_read(data_file(name), 1 << 20, &data, size, NULL), HONE_OK);
    return data;
}

static size_t find(const unsigned char *data, size_t size, const char *what, size_t length, size_t from) {
    for (size_t i = from; i + length <= size; i++)
        if (memcmp(data + i, what, length) == 0) return i;
    fail_msg("no %s", what);
    return 0;
}

static void a_declared_size_that_cannot_be_is_refused(void **state) {
    (void)state;
    size_t size;
    unsigned char *data = read_archive("deflated", &size);
    size_t entry = find(data, size, "PK\1\2", 4, 0); /* the directory's entry; the unpacked size is at 24 */
    memcpy(data + entry + 24, "\xff\xff\xff\x7f", 4);
    put_file("bomb.npz", data, size);
    assert_open_fails(in_folder("bomb.npz"), NULL, HONE_LIMIT, "that unpack to 2147483647 are not believed");
    memcpy(data + entry + 24, "\xbc\0\0\0", 4); /* believable, but 128 + 60 bytes are declared as 188 already */
    data[entry + 24] = 0xbd;
    put_file("bomb.npz", data, size);
    assert_open_fails(in_folder("bomb.npz"), NULL, HONE_FORMAT, "but the archive declares 189");
    hone__free(data);
}

/* The validation part has three names; one is as long as x_train, so that the archive can be renamed in place. */
static void a_validation_part_has_several_names(void **state) {
    (void)state;
    size_t size;
    unsigned char *data = read_archive("stored", &size);
    for (size_t i = 0; i + 11 <= size; i++)
        if (memcmp(data + i + 1, "_train.npy", 10) == 0) memcpy(data + i + 2, "valid", 5);
    put_file("valid.npz", data, size);
    hone__free(data);
    hone_dataset_config config = hone_dataset_config_default();
    config.split = "validation";
    hone_dataset *d = open_ok(in_folder("valid.npz"), &config);
    assert_int_equal(hone_dataset_samples(d), 5);
    assert_memory_equal(hone_dataset_labels(d), ((int32_t[]){3, 1, 4, 1, 0}), 5 * sizeof(int32_t));
    hone_dataset_free(d);
    config.split = "train";
    assert_open_fails(in_folder("valid.npz"), &config, HONE_NOT_FOUND, "has no train part");
}

static void damaged_archives_are_errors(void **state) {
    (void)state;
    size_t size;
    unsigned char *data = read_archive("stored", &size);
    size_t array = find(data, size, "\x93NUMPY", 6, 0);
    data[array + 140] ^= 1; /* a pixel: the checksum no longer fits */
    put_file("a.npz", data, size);
    assert_open_fails(in_folder("a.npz"), NULL, HONE_FORMAT, "array 'x_train': damaged");
    data[array + 140] ^= 1;
    for (size_t cut = 0; cut < size; cut += 7) {
        hone_dataset *d;
        put_file("a.npz", data, cut);
        assert_int_not_equal(hone_dataset_open(&d, in_folder("a.npz"), NULL, NULL), HONE_OK);
    }
    hone__free(data);
}

static hone_status open_and_free(void *context) {
    hone_dataset *d;
    hone_status status = hone_dataset_open(&d, context, NULL, NULL);
    hone_dataset_free(d);
    return status;
}

static void nothing_leaks_when_memory_runs_out(void **state) {
    (void)state;
    char path[512];
    snprintf(path, sizeof path, "%s", data_file("deflated"));
    assert_true(test_every_allocation(open_and_free, path) > 10);
}

#endif

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_test_folder, remove_test_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(headers_of_arrays),
#if HONE_WITH_ZIP
        TEST(arrays_stored_and_deflated),
        TEST(labels_of_any_integer_type),
        TEST(what_is_no_data_set_is_named),
        TEST(a_declared_size_that_cannot_be_is_refused),
        TEST(damaged_archives_are_errors),
        TEST(a_validation_part_has_several_names),
        TEST(nothing_leaks_when_memory_runs_out),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
