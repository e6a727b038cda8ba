/* SPDX-License-Identifier: Apache-2.0
 *
 * IDX data sets: what is read, from which of the many names, and how each way of being wrong is told. */
#define _XOPEN_SOURCE 700
#include "data_test.h"
#include "readers.h"

#if HONE_WITH_ZLIB
#include <zlib.h>
#endif

static void put_pair(const char *images_name, const char *labels_name, const unsigned char *labels, uint32_t samples,
                     uint32_t height, uint32_t width) {
    bytes b;
    make_idx_images(&b, samples, height, width);
    put_file(images_name, b.data, b.size);
    make_idx_labels(&b, labels, samples);
    put_file(labels_name, b.data, b.size);
}

static void put_mnist(void) {
    put_pair("train-images-idx3-ubyte", "train-labels-idx1-ubyte", (const unsigned char[]){2, 0, 1}, 3, 2, 3);
    put_pair("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte", (const unsigned char[]){4, 1}, 2, 2, 3);
}

static void images_and_labels_come_as_they_are_stored(void **state) {
    (void)state;
    put_mnist();
    hone_dataset *d = open_ok(test_folder, NULL);
    assert_int_equal(hone_dataset_samples(d), 3);
    assert_int_equal(hone_dataset_height(d), 2);
    assert_int_equal(hone_dataset_width(d), 3);
    assert_int_equal(hone_dataset_channels(d), 1);
    assert_memory_equal(hone_dataset_labels(d), ((int32_t[]){2, 0, 1}), 3 * sizeof(int32_t));
    assert_memory_equal(hone_dataset_image(d, 1), ((unsigned char[]){100, 101, 102, 110, 111, 112}), 6);
    /* Label 4 is only in the test part, but the classes are those of the whole set. */
    assert_int_equal(hone_dataset_classes(d), 5);
    assert_string_equal(hone_dataset_class_name(d, 4), "4");
    assert_null(hone_dataset_class_name(d, 5));
    assert_null(hone_dataset_path(d, 0));
    assert_non_null(strstr(hone_dataset_description(d), ": 3 images 2x3x1, 5 classes (IDX, train)"));
    hone_dataset_free(d);
}

static void parts_are_told_apart(void **state) {
    (void)state;
    put_mnist();
    hone_dataset_config config = hone_dataset_config_default();
    config.split = "test";
    hone_dataset *d = open_ok(test_folder, &config);
    assert_int_equal(hone_dataset_samples(d), 2);
    assert_int_equal(hone_dataset_classes(d), 5);
    hone_dataset_free(d);
    config.split = "validation";
    assert_open_fails(test_folder, &config, HONE_NOT_FOUND, "has no validation part");
    config.split = "holdout";
    assert_open_fails(test_folder, &config, HONE_ARGUMENT, "'holdout' is not a part");
    /* Without a train part, no wish means what there is. */
    assert_int_equal(unlink(in_folder("train-images-idx3-ubyte")), 0);
    d = open_ok(test_folder, NULL);
    assert_int_equal(hone_dataset_samples(d), 2);
    hone_dataset_free(d);
    config.split = "train";
    assert_open_fails(test_folder, &config, HONE_NOT_FOUND, "has no train part");
}

static void limit_takes_the_first(void **state) {
    (void)state;
    put_mnist();
    hone_dataset_config config = hone_dataset_config_default();
    config.limit = 2;
    hone_dataset *d = open_ok(test_folder, &config);
    assert_int_equal(hone_dataset_samples(d), 2);
    assert_int_equal(hone_dataset_labels(d)[1], 0);
    assert_int_equal(hone_dataset_classes(d), 5);
    hone_dataset_free(d);
}

static void one_image_file_finds_its_labels(void **state) {
    (void)state;
    put_pair("t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte", (const unsigned char[]){1, 0}, 2, 1, 1);
    hone_dataset *d = open_ok(in_folder("t10k-images.idx3-ubyte"), NULL);
    assert_int_equal(hone_dataset_labels(d)[0], 1);
    hone_dataset_free(d);
    hone_dataset_config config = hone_dataset_config_default();
    config.split = "train";
    assert_open_fails(in_folder("t10k-images.idx3-ubyte"), &config, HONE_NOT_FOUND, "without a train part");
    config.split = NULL;
    assert_int_equal(unlink(in_folder("t10k-labels.idx1-ubyte")), 0);
    assert_open_fails(in_folder("t10k-images.idx3-ubyte"), NULL, HONE_NOT_FOUND, "no file with its labels");
    config.allow_unlabelled = true;
    d = open_ok(in_folder("t10k-images.idx3-ubyte"), &config);
    assert_int_equal(hone_dataset_labels(d)[1], -1);
    assert_int_equal(hone_dataset_classes(d), 0);
    hone_dataset_free(d);
}

static void emnist_letters_are_transposed_and_begin_at_one(void **state) {
    (void)state;
    put_pair("emnist-letters-train-images-idx3-ubyte", "emnist-letters-train-labels-idx1-ubyte",
             (const unsigned char[]){26, 1}, 2, 2, 3);
    hone_dataset *d = open_ok(test_folder, NULL);
    assert_int_equal(hone_dataset_height(d), 3);
    assert_int_equal(hone_dataset_width(d), 2);
    assert_memory_equal(hone_dataset_image(d, 0), ((unsigned char[]){0, 10, 1, 11, 2, 12}), 6);
    assert_int_equal(hone_dataset_classes(d), 26);
    assert_int_equal(hone_dataset_labels(d)[0], 25);
    assert_string_equal(hone_dataset_class_name(d, 25), "Z");
    hone_dataset_free(d);
    put_pair("emnist-letters-train-images-idx3-ubyte", "emnist-letters-train-labels-idx1-ubyte",
             (const unsigned char[]){26, 0}, 2, 2, 3);
    assert_open_fails(test_folder, NULL, HONE_FORMAT, "label 0 of sample 1 is outside 1 to 26");
}

static void two_sets_in_one_folder_need_a_name(void **state) {
    (void)state;
    put_pair("emnist-letters-train-images-idx3-ubyte", "emnist-letters-train-labels-idx1-ubyte",
             (const unsigned char[]){1}, 1, 1, 1);
    put_pair("emnist-balanced-train-images-idx3-ubyte", "emnist-balanced-train-labels-idx1-ubyte",
             (const unsigned char[]){46}, 1, 1, 1);
    assert_open_fails(test_folder, NULL, HONE_FORMAT, "holds several data sets");
    hone_dataset *d = open_ok(in_folder("emnist-balanced-train-images-idx3-ubyte"), NULL);
    assert_int_equal(hone_dataset_classes(d), 47);
    assert_string_equal(hone_dataset_class_name(d, 46), "t");
    hone_dataset_free(d);
}

static void qmnist_labels_are_wide_and_in_the_first_column(void **state) {
    (void)state;
    bytes b;
    make_idx_images(&b, 2, 1, 1);
    put_file("qmnist-train-images-idx3-ubyte", b.data, b.size);
    b.size = 0;
    add_idx_header(&b, 0x0c, 2, (const uint32_t[]){2, 8});
    for (uint32_t i = 0; i < 16; i++) add_be32(&b, i == 0 ? 7 : i == 8 ? 3 : 1000 + i);
    put_file("qmnist-train-labels-idx2-int", b.data, b.size);
    hone_dataset *d = open_ok(test_folder, NULL);
    assert_int_equal(hone_dataset_labels(d)[0], 7);
    assert_int_equal(hone_dataset_labels(d)[1], 3);
    assert_int_equal(hone_dataset_classes(d), 10);
    hone_dataset_free(d);
}

static void signed_labels_keep_their_sign(void **state) {
    (void)state;
    static const struct {
        unsigned char type, items[4];
        int32_t label;
    } cases[] = {{0x08, {0xff}, 255},
                 {0x09, {0xff}, -1},
                 {0x0b, {0xff, 0xfe}, -2},
                 {0x0b, {0x01, 0x00}, 256},
                 {0x0c, {0x80, 0, 0, 0}, INT32_MIN},
                 {0x0c, {0x7f, 0xff, 0xff, 0xff}, INT32_MAX}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        bytes b = {.size = 0};
        hone__idx idx;
        hone_error err;
        add_idx_header(&b, cases[i].type, 1, (const uint32_t[]){1});
        add(&b, cases[i].items, cases[i].type < 0x0b ? 1 : cases[i].type == 0x0b ? 2 : 4);
        assert_int_equal(hone__idx_init(&idx, b.data, b.size, &err), HONE_OK);
        assert_int_equal(hone__idx_label(&idx, 0), cases[i].label);
        hone__idx_release(&idx);
    }
}

static void classes_map_onto_the_callers(void **state) {
    (void)state;
    static const char *const names[] = {"zero", "one", "two", "three", "four"};
    put_mnist();
    hone_dataset_config config = hone_dataset_config_default();
    config.class_names = names;
    config.class_count = 5;
    hone_dataset *d = open_ok(test_folder, &config); /* IDX names none: the caller's are taken in order */
    assert_string_equal(hone_dataset_class_name(d, 2), "two");
    assert_int_equal(hone_dataset_labels(d)[0], 2);
    hone_dataset_free(d);
    config.class_count = 4;
    assert_open_fails(test_folder, &config, HONE_SHAPE, "labels go up to 4, but there are 4 classes");
    put_file("classes.txt", "four\none\nthree\ntwo\nzero\n", 24);
    config.class_count = 5;
    d = open_ok(test_folder, &config); /* label 2 is "three", which the caller knows as 3 */
    assert_int_equal(hone_dataset_labels(d)[0], 3);
    hone_dataset_free(d);
    put_file("classes.txt", "a\nb\n", 4);
    assert_open_fails(test_folder, NULL, HONE_FORMAT, "names 2 classes, but labels go up to 4");
    put_file("classes.txt", "a\nb\nc\nd\ne\n", 10);
    assert_open_fails(test_folder, &config, HONE_NOT_FOUND, "class 'a' is not one of the 5 classes");
}

static void stored_sets_are_resized_when_asked(void **state) {
    (void)state;
    put_mnist();
    hone_dataset_config config = hone_dataset_config_default();
    config.height = 4;
    config.width = 3;
    config.channels = 3;
    hone_dataset *d = open_ok(test_folder, &config);
    assert_int_equal(hone_dataset_height(d), 4);
    assert_int_equal(hone_dataset_channels(d), 3);
    const unsigned char *p = hone_dataset_image(d, 2);
    assert_int_equal(p[0], 200);
    assert_int_equal(p[1], 200);
    assert_int_equal(p[3 * 9 + 1], 210); /* the last row */
    hone_dataset_free(d);
    config.channels = 2;
    assert_open_fails(test_folder, &config, HONE_ARGUMENT, "2 channels");
}

/* ---- wrong files ----------------------------------------------------------------------------------------------- */

static void assert_images_fail(const bytes *b, hone_status status, const char *part) {
    put_file("train-images-idx3-ubyte", b->data, b->size);
    assert_open_fails(test_folder, NULL, status, part);
    assert_open_fails(test_folder, NULL, status, "train-images-idx3-ubyte'");
}

static void each_wrong_file_is_one_clear_error(void **state) {
    (void)state;
    bytes b;
    put_mnist();
    make_idx_images(&b, 3, 2, 3);
    b.size -= 2;
    assert_images_fail(&b, HONE_FORMAT,
                       "truncated: the header promises 3 x 2 x 3 items (34 bytes), 32 bytes are there");
    make_idx_images(&b, 3, 2, 3);
    add_u8(&b, 0);
    assert_images_fail(&b, HONE_FORMAT, "1 bytes are left over after the 3 x 2 x 3 items");
    make_idx_images(&b, 4, 2, 3);
    assert_images_fail(&b, HONE_FORMAT, "holds 4 images, but");
    make_idx_images(&b, 0, 2, 3);
    assert_images_fail(&b, HONE_FORMAT, "holds no images");
    b.size = 3;
    assert_images_fail(&b, HONE_FORMAT, "too short");
    b.size = 0;
    assert_images_fail(&b, HONE_FORMAT, "too short");
    add(&b, "PK\3\4", 4);
    assert_images_fail(&b, HONE_FORMAT, "not an IDX file (begins with 50 4b 03 04)");
    b.size = 0;
    add_idx_header(&b, 0x0d, 3, (const uint32_t[]){0, 0, 0});
    assert_images_fail(&b, HONE_UNSUPPORTED, "type 0x0d");
    b.size = 0;
    add_idx_header(&b, 8, 1, (const uint32_t[]){2});
    add(&b, "ab", 2);
    assert_images_fail(&b, HONE_FORMAT, "not images: an array of 2");
    b.size = 0;
    add_be32(&b, 0x0805);
    for (int i = 0; i < 5; i++) add_be32(&b, 1);
    assert_images_fail(&b, HONE_FORMAT, "5 dimensions");
    b.size = 0;
    add_idx_header(&b, 8, 3, (const uint32_t[]){60000, 28, 28});
    assert_images_fail(&b, HONE_FORMAT, "truncated");
    b.size = 0;
    add_idx_header(&b, 8, 3, (const uint32_t[]){UINT32_MAX, UINT32_MAX, UINT32_MAX});
    assert_images_fail(&b, HONE_LIMIT, "more than a file may hold");
    b.size = 0;
    add_idx_header(&b, 8, 3, (const uint32_t[]){1, 1, 40000});
    b.size += 40000;
    assert_images_fail(&b, HONE_LIMIT, "sides up to 32768");
}

static void a_label_out_of_range_is_named(void **state) {
    (void)state;
    /* The greatest label says how many classes there are; one far above the others is damage, not 256 classes. */
    put_pair("train-images-idx3-ubyte", "train-labels-idx1-ubyte", (const unsigned char[]){2, 0, 255}, 3, 2, 3);
    assert_open_fails(test_folder, NULL, HONE_FORMAT, "label 255 of sample 2 is out of range");
    assert_open_fails(test_folder, NULL, HONE_FORMAT, "train-labels-idx1-ubyte'");
    put_pair("train-images-idx3-ubyte", "train-labels-idx1-ubyte", (const unsigned char[]){2, 0, 9}, 3, 2, 3);
    hone_dataset *data;
    assert_int_equal(hone_dataset_open(&data, test_folder, NULL, NULL), HONE_OK); /* gaps are fine */
    assert_int_equal(hone_dataset_classes(data), 10);
    hone_dataset_free(data);
    put_mnist();
}

static void missing_labels_are_named(void **state) {
    (void)state;
    put_mnist();
    assert_int_equal(unlink(in_folder("train-labels-idx1-ubyte")), 0);
    assert_open_fails(test_folder, NULL, HONE_NOT_FOUND, "but no file with its labels");
}

static void partial_downloads_are_no_data(void **state) {
    (void)state;
    put_file("train-images-idx3-ubyte.gz.part", "x", 1);
    assert_open_fails(test_folder, NULL, HONE_NOT_FOUND, "holds no pictures");
}

static hone_status open_and_free(void *context) {
    hone_dataset *d;
    hone_dataset_config config = hone_dataset_config_default();
    config.height = config.width = 5;
    hone_status status = hone_dataset_open(&d, context, &config, NULL);
    hone_dataset_free(d);
    return status;
}

static void nothing_leaks_when_memory_runs_out(void **state) {
    (void)state;
    put_mnist();
    put_file("classes.txt", "a\nb\nc\nd\ne\n", 10);
    assert_true(test_every_allocation(open_and_free, test_folder) > 10);
}

/* ---- gzip ------------------------------------------------------------------------------------------------------ */

#if HONE_WITH_ZLIB

static void put_gzipped(const char *name, const bytes *b) {
    gzFile file = gzopen(in_folder(name), "wb");
    assert_non_null(file);
    assert_int_equal(gzwrite(file, b->data, (unsigned)b->size), (int)b->size);
    assert_int_equal(gzclose(file), Z_OK);
}

static void put_gzipped_mnist(bytes *b) {
    make_idx_labels(b, (const unsigned char[]){2, 0, 1}, 3);
    put_gzipped("train-labels-idx1-ubyte.gz", b);
    make_idx_images(b, 3, 2, 3);
    put_gzipped("train-images-idx3-ubyte.gz", b);
}

static void gzipped_files_read_the_same(void **state) {
    (void)state;
    bytes b;
    put_gzipped_mnist(&b);
    hone_dataset *d = open_ok(test_folder, NULL);
    assert_memory_equal(hone_dataset_images(d), b.data + 16, 18);
    hone_dataset_free(d);
}

static void damaged_gzip_is_told(void **state) {
    (void)state;
    bytes b;
    unsigned char *data;
    size_t size;
    put_gzipped_mnist(&b);
    add_u8(&b, 1);
    put_gzipped("train-images-idx3-ubyte.gz", &b);
    assert_open_fails(test_folder, NULL, HONE_FORMAT, "left over");
    make_idx_images(&b, 3, 2, 3);
    b.size -= 5;
    put_gzipped("train-images-idx3-ubyte.gz", &b);
    assert_open_fails(test_folder, NULL, HONE_FORMAT, "the header promises 34 bytes, 29 are there");
    put_gzipped_mnist(&b);
    assert_int_equal(hone__file_read(in_folder("train-images-idx3-ubyte.gz"), 1000, &data, &size, NULL), HONE_OK);
    put_file("train-images-idx3-ubyte.gz", data, size - 9); /* the checksum and a little more are missing */
    assert_open_fails(test_folder, NULL, HONE_FORMAT, "truncated");
    put_file("train-images-idx3-ubyte.gz", data, size - 1);
    assert_open_fails(test_folder, NULL, HONE_FORMAT, "truncated");
    data[size - 6] ^= 1; /* the checksum */
    put_file("train-images-idx3-ubyte.gz", data, size);
    assert_open_fails(test_folder, NULL, HONE_FORMAT, "damaged");
    data[size - 6] ^= 1;
    b.size = 0;
    add(&b, data, size);
    add(&b, "garbage", 7);
    put_file("train-images-idx3-ubyte.gz", b.data, b.size);
    assert_open_fails(test_folder, NULL, HONE_FORMAT, "not gzip follow");
    hone__free(data);
}

static void a_header_that_lies_takes_no_memory(void **state) {
    (void)state;
    bytes b = {.size = 0};
    add_idx_header(&b, 8, 3, (const uint32_t[]){4000000, 28, 28}); /* 3 GB in 40 bytes */
    put_gzipped("train-images-idx3-ubyte.gz", &b);
    make_idx_labels(&b, (const unsigned char[]){0}, 1);
    put_gzipped("train-labels-idx1-ubyte.gz", &b);
    assert_open_fails(test_folder, NULL, HONE_FORMAT, "cannot hold the 3136000016 bytes");
}

static void members_may_follow_one_another(void **state) {
    (void)state;
    bytes b;
    unsigned char *first, *second, *whole;
    size_t first_size, second_size, size;
    b.size = 0;
    add(&b, "hello, ", 7);
    put_gzipped("a", &b);
    b.size = 0;
    add(&b, "world", 5);
    put_gzipped("b", &b);
    assert_int_equal(hone__file_read(in_folder("a"), 1000, &first, &first_size, NULL), HONE_OK);
    assert_int_equal(hone__file_read(in_folder("b"), 1000, &second, &second_size, NULL), HONE_OK);
    b.size = 0;
    add(&b, first, first_size);
    add(&b, second, second_size);
    add(&b, "\0\0\0\0", 4);
    assert_int_equal(hone__gunzip(b.data, b.size, 11, &whole, &size, NULL), HONE_LIMIT);
    assert_int_equal(hone__gunzip(b.data, b.size, 12, &whole, &size, NULL), HONE_OK);
    assert_int_equal(size, 12);
    assert_memory_equal(whole, "hello, world", 12);
    hone__free(first);
    hone__free(second);
    hone__free(whole);
}

static void nothing_leaks_from_gzip(void **state) {
    (void)state;
    bytes b;
    put_gzipped_mnist(&b);
    assert_true(test_every_allocation(open_and_free, test_folder) > 10);
}

#endif

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_test_folder, remove_test_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(images_and_labels_come_as_they_are_stored),
        TEST(parts_are_told_apart),
        TEST(limit_takes_the_first),
        TEST(one_image_file_finds_its_labels),
        TEST(emnist_letters_are_transposed_and_begin_at_one),
        TEST(two_sets_in_one_folder_need_a_name),
        TEST(qmnist_labels_are_wide_and_in_the_first_column),
        TEST(signed_labels_keep_their_sign),
        TEST(classes_map_onto_the_callers),
        TEST(stored_sets_are_resized_when_asked),
        TEST(each_wrong_file_is_one_clear_error),
        TEST(a_label_out_of_range_is_named),
        TEST(missing_labels_are_named),
        TEST(partial_downloads_are_no_data),
        TEST(nothing_leaks_when_memory_runs_out),
#if HONE_WITH_ZLIB
        TEST(gzipped_files_read_the_same),
        TEST(damaged_gzip_is_told),
        TEST(a_header_that_lies_takes_no_memory),
        TEST(members_may_follow_one_another),
        TEST(nothing_leaks_from_gzip),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
