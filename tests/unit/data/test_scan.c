/* SPDX-License-Identifier: Apache-2.0
 *
 * From a folder to a catalog and from the catalog to a data set: labels are the class folders' names exactly, what people
 * changed stays, what is gone, broken or mended is noticed; packed files too. And the perceptual hash. */
#define _XOPEN_SOURCE 700
#include "data_test.h"

#include <hone/catalog.h>

#include <math.h>

#if HONE_WITH_SQLITE

#include <fcntl.h>
#include <sys/stat.h>

/* A grey picture of one value. */
static void put_picture(const char *name, int height, int width, unsigned char value) {
    bytes b = {.size = 0};
    char header[32];
    add(&b, header, (size_t)snprintf(header, sizeof header, "P5 %d %d 255\n", width, height));
    for (int i = 0; i < height * width; i++) add_u8(&b, value);
    put_file(name, b.data, b.size);
}

static hone_catalog *open_catalog(void) {
    hone_catalog *c;
    hone_error err;
    if (hone_catalog_open(&c, test_folder, NULL, &err) != HONE_OK) fail_msg("%s", err.message);
    return c;
}

static hone_catalog_scan_report scan(hone_catalog *c) {
    hone_catalog_scan_report r;
    hone_error err;
    if (hone_catalog_scan(c, NULL, &r, &err) != HONE_OK) fail_msg("%s", err.message);
    return r;
}

static hone_picture find(hone_catalog *c, const char *path) {
    hone_picture p;
    hone_error err;
    if (hone_catalog_find(c, path, &p, &err) != HONE_OK) fail_msg("%s", err.message);
    return p;
}

static void assert_row(hone_catalog *c, const char *path, const char *label, const char *split) {
    hone_picture p = find(c, path);
    if (label)
        assert_string_equal(p.label, label);
    else
        assert_null(p.label);
    if (split)
        assert_string_equal(p.split, split);
    else
        assert_null(p.split);
    hone_picture_release(&p);
}

static void labels_are_folder_names_exactly(void **state) {
    (void)state;
    put_folder("cat/black/cat");
    put_folder("concatenate");
    put_folder("dog");
    put_picture("cat/1.pgm", 2, 3, 1);
    put_picture("cat/black/cat/dog.pgm", 2, 3, 2);
    put_picture("concatenate/cat.pgm", 2, 3, 3);
    put_picture("dog/cat 1.pgm", 2, 3, 4);
    put_picture("flat.pgm", 2, 3, 5);
    put_file("dog/notes.txt", "x", 1);
    hone_catalog *c = open_catalog();
    hone_catalog_scan_report r = scan(c);
    assert_true(r.pictures == 5 && r.added == 5 && r.skipped == 1 && r.unreadable == 0 && r.missing == 0);
    assert_row(c, "cat/1.pgm", "cat", NULL);
    assert_row(c, "cat/black/cat/dog.pgm", "cat", NULL);
    assert_row(c, "concatenate/cat.pgm", "concatenate", NULL);
    assert_row(c, "dog/cat 1.pgm", "dog", NULL);
    assert_row(c, "flat.pgm", NULL, NULL);
    hone_picture p = find(c, "cat/1.pgm");
    assert_true(p.width == 3 && p.height == 2 && p.has_perceptual_hash && p.bytes > 0 && p.modified > 0);
    assert_string_equal(p.mode, "L");
#if HONE_WITH_NETTLE
    assert_int_equal(strlen(p.sha256), 64);
#endif
    hone_picture_release(&p);
    hone_catalog_close(c);
}

static void parts_are_splits(void **state) {
    (void)state;
    put_folder("train/a");
    put_folder("val/a");
    put_folder("test");
    put_folder("spare");
    put_picture("train/a/1.pgm", 2, 2, 1);
    put_picture("val/a/2.pgm", 2, 2, 2);
    put_picture("test/3.pgm", 2, 2, 3);
    put_picture("spare/4.pgm", 2, 2, 4);
    hone_catalog *c = open_catalog();
    hone_catalog_scan_report r = scan(c);
    assert_true(r.pictures == 3 && r.skipped == 1);
    assert_row(c, "train/a/1.pgm", "a", "train");
    assert_row(c, "val/a/2.pgm", "a", "validation");
    assert_row(c, "test/3.pgm", NULL, "test");
    hone_catalog_close(c);
}

static void touch(const char *name, time_t seconds) {
    struct timespec times[2] = {{seconds, 0}, {seconds, 0}};
    assert_int_equal(utimensat(AT_FDCWD, in_folder(name), times, 0), 0);
}

static void a_second_scan_sees_what_changed(void **state) {
    (void)state;
    put_folder("a");
    put_folder("b");
    put_picture("a/same.pgm", 2, 2, 1);
    put_picture("a/other.pgm", 2, 2, 2);
    put_picture("a/gone.pgm", 2, 2, 3);
    put_picture("a/touched.pgm", 2, 2, 4);
    for (int i = 0; i < 4; i++)
        touch((const char *[]){"a/same.pgm", "a/other.pgm", "a/gone.pgm", "a/touched.pgm"}[i], 1000);
    hone_catalog *c = open_catalog();
    scan(c);
    hone_picture p = find(c, "a/same.pgm");
    assert_int_equal(hone_catalog_label(c, &p.id, 1, "b", NULL, NULL), HONE_OK);
    hone_picture_release(&p);
    put_picture("a/other.pgm", 2, 5, 9);
    touch("a/touched.pgm", 2000);
    put_picture("b/new.pgm", 2, 2, 7);
    assert_int_equal(remove(in_folder("a/gone.pgm")), 0);
    hone_catalog_scan_report r = scan(c);
    assert_true(r.pictures == 4 && r.added == 1 && r.missing == 1);
#if HONE_WITH_NETTLE
    assert_true(r.changed == 1 && r.unchanged == 2);
#endif
    assert_row(c, "a/same.pgm", "b", NULL); /* a person's word */
    p = find(c, "a/other.pgm");
    assert_int_equal(p.width, 5);
    hone_picture_release(&p);
    p = find(c, "a/gone.pgm");
    assert_int_equal(p.status, HONE_PICTURE_MISSING);
    hone_picture_release(&p);
    put_picture("a/gone.pgm", 2, 2, 3);
    r = scan(c);
    assert_int_equal(r.pictures, 5);
    p = find(c, "a/gone.pgm");
    assert_int_equal(p.status, HONE_PICTURE_OK);
    hone_picture_release(&p);
    hone_catalog_close(c);
}

static void the_unreadable_is_recorded_and_mended(void **state) {
    (void)state;
    put_folder("a");
    put_picture("a/good.pgm", 2, 2, 1);
    put_file("a/cut.pgm", "P5 9 9 255\n123", 14);
    put_file("a/empty.png", "", 0);
    assert_int_equal(symlink("nowhere", in_folder("a/link.png")), 0);
    hone_catalog *c = open_catalog();
    hone_catalog_scan_report r = scan(c);
    assert_true(r.pictures == 4 && r.unreadable == 3);
    hone_picture p = find(c, "a/cut.pgm");
    assert_int_equal(p.status, HONE_PICTURE_QUARANTINED);
    assert_non_null(strstr(p.reason, "unreadable: PNM: truncated"));
    assert_string_equal(p.label, "a");
    hone_picture_release(&p);
    r = scan(c);
    assert_int_equal(r.unreadable, 3); /* known, not read again, still said */
    put_picture("a/cut.pgm", 3, 3, 1);
    r = scan(c);
    assert_int_equal(r.unreadable, 2);
    p = find(c, "a/cut.pgm");
    assert_int_equal(p.status, HONE_PICTURE_OK);
    assert_null(p.reason);
    /* A quarantine that is somebody's word is not lifted by a scan. */
    assert_int_equal(hone_catalog_set_status(c, &p.id, 1, HONE_PICTURE_QUARANTINED, "blurry", NULL, NULL), HONE_OK);
    hone_picture_release(&p);
    put_picture("a/cut.pgm", 4, 4, 1);
    scan(c);
    p = find(c, "a/cut.pgm");
    assert_string_equal(p.reason, "blurry");
    hone_picture_release(&p);
    hone_catalog_close(c);
}

static bool stop_at_once(void *context, int64_t done, int64_t total) {
    (void)context, (void)done, (void)total;
    return false;
}

static void a_stopped_scan_keeps_what_it_has(void **state) {
    (void)state;
    put_folder("a");
    put_picture("a/1.pgm", 2, 2, 1);
    hone_catalog *c = open_catalog();
    int64_t n;
    hone_catalog_scan_config config = {.progress = stop_at_once};
    assert_int_equal(hone_catalog_scan(c, &config, NULL, NULL), HONE_CANCELLED);
    assert_int_equal(hone_catalog_count(c, NULL, &n, NULL), HONE_OK);
    assert_int_equal(n, 1);
    hone_catalog_close(c);
}

static void an_empty_folder_says_so(void **state) {
    (void)state;
    hone_catalog *c = open_catalog();
    assert_int_equal(hone_catalog_scan(c, NULL, NULL, NULL), HONE_NOT_FOUND);
    hone_catalog_close(c);
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

static void a_data_set_is_what_the_catalog_says(void **state) {
    (void)state;
    put_folder("cat");
    put_folder("dog");
    put_picture("cat/1.pgm", 2, 2, 10);
    put_picture("cat/2.pgm", 2, 2, 20);
    put_picture("dog/3.pgm", 2, 2, 30);
    put_picture("dog/4.pgm", 2, 2, 40);
    put_picture("5.pgm", 2, 2, 50);
    hone_catalog *c = open_catalog();
    scan(c);
    hone_picture one = find(c, "cat/1.pgm"), two = find(c, "cat/2.pgm"), three = find(c, "dog/3.pgm");
    const char *order[] = {"dog", "cat", "bird"};
    hone_catalog_label(c, &one.id, 1, "dog", NULL, NULL);
    hone_catalog_set_status(c, &two.id, 1, HONE_PICTURE_QUARANTINED, "dark", NULL, NULL);
    hone_catalog_set_split(c, &three.id, 1, "test", NULL, NULL);
    assert_int_equal(hone_catalog_set_classes(c, order, 3, NULL), HONE_OK);
    hone_catalog_close(c);
    hone_picture_release(&one), hone_picture_release(&two), hone_picture_release(&three);

    hone_dataset *d = open_ok(test_folder, NULL);
    assert_int_equal(hone_dataset_samples(d), 2);
    assert_int_equal(hone_dataset_classes(d), 3);
    assert_string_equal(hone_dataset_class_name(d, 0), "dog");
    assert_string_equal(hone_dataset_path(d, 0), in_folder("cat/1.pgm"));
    assert_int_equal(hone_dataset_labels(d)[0], 0);
    assert_int_equal(hone_dataset_image(d, 1)[0], 40);
    assert_non_null(strstr(hone_dataset_description(d), "(catalog, train, 1 quarantined, 1 unlabelled left out)"));
    hone_dataset_free(d);
    hone_dataset_config config = {.split = "test"};
    d = open_ok(in_folder("hone.db"), &config);
    assert_int_equal(hone_dataset_samples(d), 1);
    assert_int_equal(hone_dataset_image(d, 0)[0], 30);
    hone_dataset_free(d);
    config.split = "validation";
    assert_open_fails(test_folder, &config, HONE_NOT_FOUND, "no validation part");
    config = (hone_dataset_config){.allow_unlabelled = true};
    d = open_ok(test_folder, &config);
    assert_int_equal(hone_dataset_samples(d), 3);
    assert_int_equal(hone_dataset_labels(d)[0], -1); /* 5.pgm */
    hone_dataset_free(d);
    config = (hone_dataset_config){.ignore_catalog = true};
    d = open_ok(test_folder, &config);
    assert_int_equal(hone_dataset_samples(d), 4);
    hone_dataset_free(d);
}

static void packed_images_are_rows(void **state) {
    (void)state;
    bytes b = {.size = 0};
    static const unsigned char labels[] = {1, 0, 2, 1, 0, 2};
    put_folder("set");
    make_idx_images(&b, 6, 3, 2);
    put_file("set/train-images-idx3-ubyte", b.data, b.size);
    make_idx_labels(&b, labels, 6);
    put_file("set/train-labels-idx1-ubyte", b.data, b.size);
    make_idx_images(&b, 2, 3, 2);
    put_file("set/t10k-images-idx3-ubyte", b.data, b.size);
    make_idx_labels(&b, labels, 2);
    put_file("set/t10k-labels-idx1-ubyte", b.data, b.size);
    /* The catalog lies elsewhere, as for a folder that may only be read. */
    hone_catalog *c;
    char folder[128], file[128];
    snprintf(folder, sizeof folder, "%s", in_folder("set"));
    snprintf(file, sizeof file, "%s", in_folder("elsewhere.db"));
    hone_catalog_config where = {.create = true, .file = file};
    assert_int_equal(hone_catalog_open(&c, folder, &where, NULL), HONE_OK);
    hone_catalog_scan_report r = scan(c);
    assert_true(r.pictures == 8 && r.added == 8);
    assert_row(c, "train-images-idx3-ubyte#2", "2", "train");
    assert_row(c, "t10k-images-idx3-ubyte#1", "0", "test");
    r = scan(c);
    assert_int_equal(r.added, 0);
    hone_picture p = find(c, "train-images-idx3-ubyte#0"), q = find(c, "train-images-idx3-ubyte#1"),
                 moved = find(c, "t10k-images-idx3-ubyte#1");
    assert_true(p.width == 2 && p.height == 3);
    hone_catalog_set_status(c, &p.id, 1, HONE_PICTURE_QUARANTINED, "noise", NULL, NULL);
    hone_catalog_label(c, &q.id, 1, "2", NULL, NULL);
    hone_catalog_set_split(c, &moved.id, 1, "train", NULL, NULL);
    hone_picture_release(&p), hone_picture_release(&q), hone_picture_release(&moved);
    hone_catalog_close(c);
    hone_dataset_config config = {.catalog = file};
    hone_dataset *d = open_ok(folder, &config);
    assert_int_equal(hone_dataset_samples(d), 6);
    assert_int_equal(hone_dataset_labels(d)[0], 2);
    assert_int_equal(hone_dataset_image(d, 0)[0], 100);
    assert_int_equal(hone_dataset_image(d, 5)[0], 100); /* the one that came from the test part */
    assert_non_null(strstr(hone_dataset_path(d, 0), "set/train-images-idx3-ubyte#1"));
    hone_dataset_free(d);
    d = open_ok(file, NULL); /* the file itself knows its folder */
    assert_int_equal(hone_dataset_samples(d), 6);
    hone_dataset_free(d);
    config.limit = 2;
    d = open_ok(folder, &config);
    assert_int_equal(hone_dataset_samples(d), 2);
    hone_dataset_free(d);
}

static hone_status scan_and_open(void *context) {
    hone_catalog *c;
    hone_dataset *d;
    hone_status status = hone_catalog_open(&c, context, NULL, NULL);
    if (status == HONE_OK) status = hone_catalog_scan(c, &(hone_catalog_scan_config){.reread = true}, NULL, NULL);
    hone_catalog_close(c);
    if (status != HONE_OK) return status;
    status = hone_dataset_open(&d, context, NULL, NULL);
    hone_dataset_free(d);
    return status;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    put_folder("a");
    put_picture("a/1.pgm", 2, 2, 1);
    put_picture("a/2.pgm", 2, 2, 2);
    put_file("a/bad.pgm", "P5 9 9 255\n123", 14);
    assert_true(test_every_allocation(scan_and_open, test_folder) > 30);
}

static void every_allocation_may_fail_packed(void **state) {
    (void)state;
    bytes b = {.size = 0};
    make_idx_images(&b, 3, 2, 2);
    put_file("train-images-idx3-ubyte", b.data, b.size);
    make_idx_labels(&b, (const unsigned char[]){0, 1, 0}, 3);
    put_file("train-labels-idx1-ubyte", b.data, b.size);
    assert_true(test_every_allocation(scan_and_open, test_folder) > 30);
}

#endif

/* ---- the perceptual hash ---------------------------------------------------------------------------------------- */

/* A landscape of some waves: picture number n. */
static hone_image make_landscape(int n, int height, int width) {
    hone_image image = {height, width, 1, malloc((size_t)height * (size_t)width)};
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++) {
            double u = (double)x / width, v = (double)y / height;
            double value = 128 + 50 * sin(7 * u * (n + 1) + n) + 40 * cos(9 * v + 3 * u * n) + 30 * sin(20 * u * v + n);
            image.pixels[y * width + x] = (unsigned char)(value < 0 ? 0 : value > 255 ? 255 : value);
        }
    }
    return image;
}

static uint64_t hash_of(const hone_image *image) {
    uint64_t hash;
    assert_int_equal(hone_image_perceptual_hash(image, &hash, NULL), HONE_OK);
    return hash;
}

static void near_pictures_have_near_hashes(void **state) {
    (void)state;
    enum { PICTURES = 12 };
    uint64_t hashes[PICTURES];
    for (int n = 0; n < PICTURES; n++) {
        hone_image big = make_landscape(n, 240, 320), small = make_landscape(n, 60, 80),
                   noisy = make_landscape(n, 240, 320);
        hone_image colour = {240, 320, 3, malloc(240 * 320 * 3)};
        for (int i = 0; i < 240 * 320; i++) {
            int value = noisy.pixels[i] / 8 * 8 + 4 + 6; /* coarse steps and brighter: what a strong compression does */
            noisy.pixels[i] = (unsigned char)(value > 255 ? 255 : value);
            for (int k = 0; k < 3; k++) colour.pixels[3 * i + k] = big.pixels[i];
        }
        hashes[n] = hash_of(&big);
        assert_in_range(hone_perceptual_distance(hashes[n], hash_of(&small)), 0, 6);
        assert_in_range(hone_perceptual_distance(hashes[n], hash_of(&noisy)), 0, 8);
        assert_in_range(hone_perceptual_distance(hashes[n], hash_of(&colour)), 0, 1);
        free(big.pixels), free(small.pixels), free(noisy.pixels), free(colour.pixels);
    }
    for (int a = 0; a < PICTURES; a++)
        for (int b = 0; b < a; b++) assert_true(hone_perceptual_distance(hashes[a], hashes[b]) > 12);
    assert_int_equal(hone_perceptual_distance(0, UINT64_MAX), 64);
}

static void a_plain_wall_is_a_plain_wall(void **state) {
    (void)state;
    hone_image wall = {40, 50, 1, malloc(2000)};
    memset(wall.pixels, 200, 2000);
    uint64_t plain = hash_of(&wall);
    for (int i = 0; i < 2000; i += 3) wall.pixels[i] = 201;
    assert_true(hash_of(&wall) == plain);
    memset(wall.pixels, 20, 2000);
    assert_true(hash_of(&wall) == plain);
    free(wall.pixels);
}

int main(void) {
#define CASE(f) cmocka_unit_test_setup_teardown(f, make_test_folder, remove_test_folder)
    const struct CMUnitTest tests[] = {
#if HONE_WITH_SQLITE
        CASE(labels_are_folder_names_exactly),
        CASE(parts_are_splits),
        CASE(a_second_scan_sees_what_changed),
        CASE(the_unreadable_is_recorded_and_mended),
        CASE(a_stopped_scan_keeps_what_it_has),
        CASE(an_empty_folder_says_so),
        CASE(a_data_set_is_what_the_catalog_says),
        CASE(packed_images_are_rows),
        CASE(every_allocation_may_fail),
        CASE(every_allocation_may_fail_packed),
#endif
        cmocka_unit_test(near_pictures_have_near_hashes),
        cmocka_unit_test(a_plain_wall_is_a_plain_wall),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
