/* SPDX-License-Identifier: Apache-2.0
 *
 * Packed files: what is read back is what was packed, whatever it was packed from and whoever reads it; what is
 * damaged is refused; and what goes wrong while packing leaves nothing. PNM pictures, for every build. */
#define _XOPEN_SOURCE 700
#include "data_test.h"

#include "data_internal.h"
#include "pack_internal.h"

#include <dirent.h>
#include <sys/stat.h>

enum { SIDE = 6, COLOURS = 3, IMAGE = SIDE * SIDE * COLOURS };

/* A colour picture that is the same for the same seed and no other. */
static void put_picture(const char *name, int height, int width, unsigned seed) {
    bytes b = {.size = 0};
    char header[32];
    add(&b, header, (size_t)snprintf(header, sizeof header, "P6 %d %d 255\n", width, height));
    for (int i = 0; i < height * width * COLOURS; i++) add_u8(&b, (seed * 37 + (unsigned)i * 11) % 256);
    put_file(name, b.data, b.size);
}

/* 3 classes; train 12, validation 4 (one class is missing there), test 3 pictures, one of another size. */
static void put_zoo(void) {
    static const char *const classes[] = {"cat", "dog", "emu"};
    char name[64];
    for (unsigned i = 0; i < 12; i++) {
        snprintf(name, sizeof name, "zoo/train/%s", classes[i % 3]);
        put_folder(name);
        snprintf(name, sizeof name, "zoo/train/%s/%u.ppm", classes[i % 3], i);
        put_picture(name, SIDE, i == 7 ? 2 * SIDE : SIDE, i);
    }
    put_folder("zoo/val/dog");
    put_folder("zoo/val/emu");
    for (unsigned i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "zoo/val/%s/%u.ppm", classes[1 + i % 2], i);
        put_picture(name, SIDE, SIDE, 20 + i);
    }
    for (unsigned i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "zoo/test/%s", classes[i]);
        put_folder(name);
        snprintf(name, sizeof name, "zoo/test/%s/%u.ppm", classes[i], i);
        put_picture(name, SIDE, SIDE, 30 + i);
    }
}

static hone_pack_report pack_ok(const char *file, const char *source, const hone_pack_config *config) {
    hone_pack_report report;
    hone_error err;
    if (hone_pack_write(file, source, config, &report, &err) != HONE_OK) fail_msg("%s", err.message);
    return report;
}

/* Samples, labels, classes and every pixel. */
static void assert_same(const hone_dataset *a, const hone_dataset *b) {
    size_t samples = hone_dataset_samples(a);
    unsigned char x[4 * IMAGE], y[4 * IMAGE];
    hone_error err;
    assert_int_equal(hone_dataset_samples(b), samples);
    assert_int_equal(hone_dataset_classes(a), hone_dataset_classes(b));
    assert_true(hone__dataset_image_size(a) == hone__dataset_image_size(b) && hone__dataset_image_size(a) <= sizeof x);
    assert_int_equal(hone_dataset_width(a), hone_dataset_width(b));
    assert_memory_equal(hone_dataset_labels(a), hone_dataset_labels(b), samples * sizeof(int32_t));
    for (size_t i = 0; i < hone_dataset_classes(a); i++)
        assert_string_equal(hone_dataset_class_name(a, i), hone_dataset_class_name(b, i));
    for (size_t i = 0; i < samples; i++) {
        assert_int_equal(hone_dataset_fetch(a, i, x, &err), HONE_OK);
        assert_int_equal(hone_dataset_fetch(b, i, y, &err), HONE_OK);
        assert_memory_equal(x, y, hone__dataset_image_size(a));
    }
}

static void assert_same_hash(const hone_dataset *a, const hone_dataset *b, bool same) {
    char x[65], y[65];
    hone_dataset_hash(a, x);
    hone_dataset_hash(b, y);
    assert_int_equal(strcmp(x, y) == 0, same || !x[0]); /* no SHA-256 in the build: no name */
}

static void every_part_comes_back(void **state) {
    (void)state;
    static const char *const parts[] = {"train", "validation", "test"};
    put_zoo();
    for (int encoded = 0; encoded < 2; encoded++) {
        hone_threads *threads;
        hone_error err;
        assert_int_equal(hone_threads_create(&threads, 3, &err), HONE_OK);
        const hone_pack_config config = {.encoded = encoded, .threads = threads};
        hone_pack_report r = pack_ok(in_folder("zoo.honepack"), in_folder("zoo"), &config);
        hone_threads_free(threads);
        assert_true(r.samples[0] == 12 && r.samples[1] == 4 && r.samples[2] == 3);
        assert_true(r.classes == 3 && r.height == SIDE && r.width == SIDE && r.channels == COLOURS);
        struct stat info;
        assert_int_equal(stat(in_folder("zoo.honepack"), &info), 0);
        assert_true(r.bytes == (uint64_t)info.st_size);
        assert_true(hone_is_pack(in_folder("zoo.honepack")));
        assert_false(hone_is_pack(in_folder("zoo/test/cat/0.ppm")));
        assert_false(hone_is_pack(test_folder));
        for (int part = 0; part < 3; part++) {
            hone_dataset_config open = {.split = parts[part], .height = SIDE, .width = SIDE, .channels = COLOURS};
            hone_dataset *packed = open_ok(in_folder("zoo.honepack"), &open), *folder;
            static const char *const names[] = {"cat", "dog", "emu"};
            open.class_names = names;
            open.class_count = 3;
            folder = open_ok(in_folder("zoo"), &open);
            assert_null(hone_dataset_images(packed));
            assert_null(hone_dataset_image(packed, 0));
            assert_same(packed, folder);
            if (!encoded) assert_same_hash(packed, folder, true); /* the same data by the same name */
            hone_dataset_free(packed);
            hone_dataset_free(folder);
        }
        hone_dataset *d = open_ok(in_folder("zoo.honepack"), NULL);
        assert_string_equal(hone_dataset_path(d, 1), "train/cat/3.ppm#1");
        assert_null(hone_dataset_path(d, 12));
        assert_non_null(strstr(hone_dataset_description(d), encoded ? "(packed files, train)" : "(packed pixels"));
        hone_dataset_free(d);
    }
}

static void sizes_limits_and_classes_as_of_folders(void **state) {
    (void)state;
    static const char *const names[] = {"ape", "emu", "dog", "cat"};
    put_zoo();
    pack_ok(in_folder("zoo.honepack"), in_folder("zoo"), NULL);
    pack_ok(in_folder("files.honepack"), in_folder("zoo"), &(hone_pack_config){.encoded = true});
    hone_dataset *whole = open_ok(in_folder("zoo.honepack"), NULL);
    hone_dataset_config configs[] = {
        {.height = 4, .width = 8, .channels = 1}, {.limit = 5}, {.class_names = names, .class_count = 4}};
    for (size_t i = 0; i < sizeof configs / sizeof *configs; i++) {
        hone_dataset *files = open_ok(in_folder("files.honepack"), &configs[i]);
        hone_dataset *folder = open_ok(in_folder("zoo"), &configs[i]);
        assert_same(files, folder); /* decoded to the wanted size, as a folder's pictures are */
        hone_dataset *raw = open_ok(in_folder("zoo.honepack"), &configs[i]);
        if (i > 0) assert_same(raw, folder); /* resized pixels of the one wide picture differ */
        assert_same_hash(raw, whole, false);
        hone_dataset_config load = configs[i];
        load.in_memory = true;
        hone_dataset *loaded = open_ok(in_folder("zoo.honepack"), &load);
        assert_non_null(hone_dataset_images(loaded));
        assert_same(loaded, raw);
        assert_string_equal(hone_dataset_path(loaded, 0), hone_dataset_path(raw, 0));
        hone_dataset_free(loaded);
        hone_dataset_free(raw);
        hone_dataset_free(files);
        hone_dataset_free(folder);
    }
    /* Two choices of the same many samples are not one data set. */
    hone_dataset *first = open_ok(in_folder("zoo.honepack"), &(hone_dataset_config){.limit = 4});
    hone_dataset *second = open_ok(in_folder("zoo.honepack"), &(hone_dataset_config){.limit = 4, .split = "test"});
    assert_same_hash(first, second, false);
    hone_dataset_free(first);
    hone_dataset_free(second);
    hone_dataset_free(whole);
}

static void stored_images_are_packed_too(void **state) {
    (void)state;
    unsigned char images[5 * IMAGE];
    const int32_t labels[] = {1, 0, 2, 1, 0};
    hone_dataset *d;
    hone_error err;
    for (size_t i = 0; i < sizeof images; i++) images[i] = (unsigned char)(i * 7 % 251);
    assert_int_equal(hone_dataset_create(&d, images, labels, 5, SIDE, SIDE, COLOURS, NULL, 3, &err), HONE_OK);
    assert_int_equal(hone_dataset_write_idx(d, in_folder("idx"), "train", &err), HONE_OK);
    pack_ok(in_folder("idx.honepack"), in_folder("idx"), NULL);
    hone_dataset *packed = open_ok(in_folder("idx.honepack"), NULL);
    assert_same(packed, d);
    assert_same_hash(packed, d, true);
    /* A pack of a pack, and IDX of a pack. */
    pack_ok(in_folder("again.honepack"), in_folder("idx.honepack"), NULL);
    hone_dataset *again = open_ok(in_folder("again.honepack"), NULL);
    assert_same_hash(again, d, true);
    assert_int_equal(hone_dataset_write_idx(again, in_folder("idx2"), "train", &err), HONE_OK);
    hone_dataset *back = open_ok(in_folder("idx2"), NULL);
    assert_same(back, d);
    hone_dataset_free(back);
    hone_dataset_free(again);
    hone_dataset_free(packed);
    hone_dataset_free(d);
    const hone_pack_config config = {.encoded = true};
    assert_int_equal(hone_pack_write(in_folder("x.honepack"), in_folder("idx"), &config, NULL, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "no files to be kept"));
    assert_int_not_equal(access(in_folder("x.honepack"), F_OK), 0);
}

static void parts_are_joined_where_they_are(void **state) {
    (void)state;
    put_zoo();
    pack_ok(in_folder("zoo.honepack"), in_folder("zoo"), NULL);
    const char *const sources[] = {in_folder("zoo.honepack"), in_folder("zoo")};
    hone_dataset *both[2];
    hone_error err;
    for (int i = 0; i < 2; i++) {
        hone_dataset_config open = {.height = SIDE, .width = SIDE, .channels = COLOURS};
        hone_dataset *train = open_ok(sources[i], &open), *validation;
        open.split = "validation";
        validation = open_ok(sources[i], &open);
        assert_int_equal(hone_dataset_join(&both[i], train, validation, &err), HONE_OK);
        assert_int_equal(hone_dataset_samples(both[i]), 16);
    }
    assert_null(hone_dataset_images(both[0]));
    assert_non_null(hone_dataset_images(both[1]));
    assert_same(both[0], both[1]);
    assert_string_equal(hone_dataset_path(both[0], 12), "val/dog/0.ppm#12");
    assert_string_equal(hone_dataset_path(both[1], 12), in_folder("zoo/val/dog/0.ppm"));
    unsigned char block[16 * IMAGE], one[IMAGE];
    uint32_t order[16];
    for (uint32_t i = 0; i < 16; i++) order[i] = i * 7 % 16;
    hone__dataset_expect(both[0], order, 0, 16);
    hone__dataset_expect(both[0], NULL, 3, 13);
    assert_int_equal(hone__dataset_gather(NULL, both[0], order, 0, 16, block, &err), HONE_OK);
    for (size_t i = 0; i < 16; i++) {
        assert_int_equal(hone_dataset_fetch(both[1], order[i], one, &err), HONE_OK);
        assert_memory_equal(block + i * IMAGE, one, IMAGE);
    }
    /* Some of them, where they are. */
    static const uint32_t some[] = {13, 2, 2, 7, 15};
    hone_dataset *selected[2], *out;
    const uint32_t beyond = 16;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(hone_dataset_select(&out, both[i], &beyond, 1, &err), HONE_ARGUMENT);
        assert_null(out);
        assert_int_equal(hone_dataset_select(&out, both[i], some, 0, &err), HONE_ARGUMENT);
        assert_int_equal(hone_dataset_select(&selected[i], both[i], some, 5, &err), HONE_OK);
        assert_int_equal(hone_dataset_samples(selected[i]), 5);
    }
    assert_null(hone_dataset_images(selected[0]));
    assert_same(selected[0], selected[1]);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(hone_dataset_fetch(selected[1], i, one, &err), HONE_OK);
        assert_memory_equal(one, block + some[i] * 7 % 16 * IMAGE, IMAGE); /* order's inverse is itself */
    }
    assert_string_equal(hone_dataset_path(selected[0], 0), "val/dog/2.ppm#13");
    assert_string_equal(hone_dataset_path(selected[1], 0), in_folder("zoo/val/dog/2.ppm"));
    hone__dataset_expect(selected[0], (const uint32_t[]){4, 0}, 0, 2);
    hone__dataset_expect(selected[0], NULL, 1, 4);
    assert_same_hash(selected[0], selected[0], true);
    assert_same_hash(selected[0], selected[1], false); /* a packed image counts as it is packed */
    /* What does not fit stays apart, and the caller's. */
    hone_dataset *small = open_ok(in_folder("zoo"), &(hone_dataset_config){.height = 2, .width = 2});
    assert_int_equal(hone_dataset_join(&out, selected[0], small, &err), HONE_SHAPE);
    assert_null(out);
    static const char *const names[] = {"yak"};
    const int32_t label = 0;
    hone_dataset *yak;
    memset(one, 0, sizeof one);
    assert_int_equal(hone_dataset_create(&yak, one, &label, 1, SIDE, SIDE, COLOURS, names, 1, &err), HONE_OK);
    assert_int_equal(hone_dataset_join(&out, selected[0], yak, &err), HONE_NOT_FOUND);
    assert_non_null(strstr(err.message, "class 'yak'"));
    hone_dataset_free(yak);
    hone_dataset_free(small);
    hone_dataset_free(selected[0]);
    hone_dataset_free(selected[1]);
}

/* ---- what goes wrong -------------------------------------------------------------------------------------------- */

static bool leave_out(void *context, const char *path, const hone_error *why) {
    (void)path, (void)why;
    ++*(int *)context;
    return true;
}

static int count_entries(const char *folder) {
    int count = 0;
    DIR *listing = opendir(folder);
    assert_non_null(listing);
    while (readdir(listing)) count++;
    closedir(listing);
    return count - 2;
}

static bool stop_at_second(void *context, const hone_pack_progress *progress) {
    return ++*(int *)context < 2 || !progress;
}

static void bad_pictures_and_stops(void **state) {
    (void)state;
    int bad = 0, calls = 0;
    hone_error err;
    put_zoo();
    put_folder("out");
    put_file("zoo/train/cat/0.ppm", "P6 6 6 255\nshort", 16);
    put_file("zoo/train/emu/broken.ppm", "words", 5);
    for (int encoded = 0; encoded < 2; encoded++) {
        hone_pack_config config = {.encoded = encoded};
        hone_status status = hone_pack_write(in_folder("out/a"), in_folder("zoo"), &config, NULL, &err);
        assert_true(status != HONE_OK && strstr(err.message, "zoo/train/cat/0.ppm"));
        assert_int_equal(count_entries(in_folder("out")), 0);
        config.on_bad_file = leave_out;
        config.context = &bad;
        bad = 0;
        hone_pack_report r = pack_ok(in_folder("pack"), in_folder("zoo"), &config);
        assert_int_equal(bad, 2);
        assert_int_equal(r.samples[0], 11);
        hone_dataset *packed = open_ok(in_folder("pack"), NULL);
        hone_dataset *folder = open_ok(
            in_folder("zoo"), &(hone_dataset_config){.on_bad_file = leave_out, .context = &bad, .split = "train"});
        assert_same(packed, folder);
        hone_dataset_free(folder);
        hone_dataset_free(packed);
        config = (hone_pack_config){.encoded = encoded, .progress = stop_at_second, .context = &calls};
        calls = 0;
        put_picture("zoo/train/cat/0.ppm", SIDE, SIDE, 0);
        remove(in_folder("zoo/train/emu/broken.ppm"));
        assert_int_equal(hone_pack_write(in_folder("out/a"), in_folder("zoo"), &config, NULL, &err), HONE_CANCELLED);
        assert_int_equal(count_entries(in_folder("out")), 0);
        put_file("zoo/train/cat/0.ppm", "P6 6 6 255\nshort", 16);
        put_file("zoo/train/emu/broken.ppm", "words", 5);
    }
    assert_int_equal(hone_pack_write(in_folder("nowhere/a"), in_folder("zoo"), NULL, NULL, &err), HONE_NOT_FOUND);
    assert_int_equal(hone_pack_write(in_folder("out/a"), in_folder("none"), NULL, NULL, &err), HONE_NOT_FOUND);
    assert_non_null(strstr(err.message, "none"));
    assert_int_equal(count_entries(in_folder("out")), 0);
}

/* Every byte of header, index and text counts; the pixels have no checksum that reading looks at. */
static void damage_is_seen(void **state) {
    (void)state;
    unsigned char *data;
    size_t size;
    hone_error err;
    hone__pack pack;
    put_zoo();
    pack_ok(in_folder("zoo.honepack"), in_folder("zoo"), NULL);
    assert_int_equal(hone__file_read(in_folder("zoo.honepack"), 1 << 24, &data, &size, &err), HONE_OK);
    assert_int_equal(hone__pack_parse(&pack, data, size, &err), HONE_OK);
    for (size_t i = 0; i < size; i++) {
        if (i == HONE_PACK_HEADER) i = pack.index; /* over the records */
        data[i] ^= 0x10;
        hone__pack other;
        assert_int_not_equal(hone__pack_parse(&other, data, size, &err), HONE_OK);
        data[i] ^= 0x10;
    }
    for (size_t cut = 0; cut < size; cut += cut < HONE_PACK_HEADER ? 1 : 97) {
        hone__pack other;
        assert_int_not_equal(hone__pack_parse(&other, data, cut, &err), HONE_OK);
    }
    put_file("cut.honepack", data, size - 1);
    assert_open_fails(in_folder("cut.honepack"), NULL, HONE_FORMAT, "cut short");
    put_file("cut.honepack", data, 20);
    assert_open_fails(in_folder("cut.honepack"), NULL, HONE_FORMAT, "not a packed file");
    data[8] = 9; /* the version */
    put_file("cut.honepack", data, size);
    assert_open_fails(in_folder("cut.honepack"), NULL, HONE_UNSUPPORTED, "version 9");
    hone__free(data);
}

/* Checksums are no protection against who can compute them: every number is checked by itself. */
static void numbers_are_not_believed(void **state) {
    (void)state;
    unsigned char *data;
    size_t size;
    hone_error err;
    hone__pack good, other;
    put_zoo();
    pack_ok(in_folder("zoo.honepack"), in_folder("zoo"), NULL);
    assert_int_equal(hone__file_read(in_folder("zoo.honepack"), 1 << 24, &data, &size, &err), HONE_OK);
    assert_int_equal(hone__pack_parse(&good, data, size, &err), HONE_OK);
    const hone__pack_entry was = hone__pack_entry_at(&good, 5);
    const hone__pack_entry entries[] = {{size, was.size, was.label, was.part, was.name},
                                        {was.offset, was.size + 1, was.label, was.part, was.name},
                                        {SIZE_MAX, was.size, was.label, was.part, was.name},
                                        {was.offset, was.size, 3, was.part, was.name},
                                        {0, was.size, was.label, was.part, was.name},
                                        {was.offset, was.size, -2, was.part, was.name},
                                        {was.offset, 0, was.label, was.part, was.name},
                                        {was.offset, was.size, was.label, HONE_PART_TEST, was.name},
                                        {was.offset, was.size, was.label, was.part, size}};
    for (size_t i = 0; i < sizeof entries / sizeof *entries; i++) {
        hone__pack_put_entry(data + good.index + 5 * HONE_PACK_ENTRY, &entries[i]);
        hone__pack_put_header(data, &good, hone__crc32(0, data + good.index, size - good.index));
        assert_int_equal(hone__pack_parse(&other, data, size, &err), HONE_FORMAT);
        assert_non_null(strstr(err.message, "record 5"));
    }
    hone__pack_put_entry(data + good.index + 5 * HONE_PACK_ENTRY, &was);
    uint32_t checksum = hone__crc32(0, data + good.index, size - good.index);
    for (int i = 0; i < 10; i++) {
        hone__pack odd = good;
        if (i == 0) odd.samples = UINT32_MAX;
        if (i == 1) odd.records_size = SIZE_MAX - 100;
        if (i == 2) odd.height = HONE_MAX_IMAGE_SIDE + 1;
        if (i == 3) odd.width = 0;
        if (i == 4) odd.channels = 2;
        if (i == 5) odd.classes = HONE_MAX_CLASSES + 1;
        if (i == 6) odd.text_size = SIZE_MAX;
        if (i == 7) odd.first[1] = SIZE_MAX / 2;
        if (i == 8) odd.classes = 4000; /* names that are not there */
        if (i == 9) odd.index += HONE_PACK_ENTRY;
        hone__pack_put_header(data, &odd, checksum);
        hone_status status = hone__pack_parse(&other, data, size, &err);
        assert_true(status == HONE_FORMAT || status == HONE_LIMIT);
    }
    hone__free(data);
}

/* A picture that is damaged after it was packed fails alone, by name. */
static void a_bad_record_is_named(void **state) {
    (void)state;
    unsigned char *data, pixels[IMAGE], block[12 * IMAGE];
    size_t size;
    hone_error err;
    hone__pack pack;
    put_zoo();
    pack_ok(in_folder("files.honepack"), in_folder("zoo"), &(hone_pack_config){.encoded = true});
    assert_int_equal(hone__file_read(in_folder("files.honepack"), 1 << 24, &data, &size, &err), HONE_OK);
    assert_int_equal(hone__pack_parse(&pack, data, size, &err), HONE_OK);
    data[hone__pack_entry_at(&pack, 2).offset] = 'X';
    put_file("files.honepack", data, size);
    hone__free(data);
    hone_dataset *d = open_ok(in_folder("files.honepack"), NULL);
    assert_int_equal(hone_dataset_fetch(d, 1, pixels, &err), HONE_OK);
    assert_int_equal(hone_dataset_fetch(d, 2, pixels, &err), HONE_FORMAT);
    assert_non_null(strstr(err.message, "files.honepack', image 2 (train/cat/6.ppm#2)"));
    assert_int_equal(hone_dataset_fetch(d, 12, pixels, &err), HONE_ARGUMENT);
    hone_threads *threads;
    assert_int_equal(hone_threads_create(&threads, 3, &err), HONE_OK);
    err.message[0] = '\0';
    assert_int_equal(hone__dataset_gather(threads, d, NULL, 0, 12, block, &err), HONE_FORMAT);
    assert_non_null(strstr(err.message, "image 2 "));
    hone_threads_free(threads);
    hone_dataset_free(d);
    assert_open_fails(in_folder("files.honepack"), &(hone_dataset_config){.in_memory = true}, HONE_FORMAT, "image 2 ");
}

static hone_status pack_and_read(void *context) {
    const hone_pack_config config = {.encoded = *(bool *)context};
    hone_dataset *train = NULL, *test = NULL, *both = NULL;
    hone_error err;
    unsigned char pixels[IMAGE];
    hone_status status = hone_pack_write(in_folder("f.honepack"), in_folder("zoo"), &config, NULL, &err);
    hone_dataset_config open = {.limit = 7};
    if (status == HONE_OK) status = hone_dataset_open(&train, in_folder("f.honepack"), &open, &err);
    open =
        (hone_dataset_config){.in_memory = true, .split = "test", .height = SIDE, .width = SIDE, .channels = COLOURS};
    if (status == HONE_OK) status = hone_dataset_open(&test, in_folder("f.honepack"), &open, &err);
    if (status == HONE_OK) status = hone_dataset_join(&both, train, test, &err);
    if (status != HONE_OK && !both) hone_dataset_free(train), hone_dataset_free(test);
    const uint32_t some[] = {8, 3};
    hone_dataset *selected = NULL;
    if (status == HONE_OK) status = hone_dataset_select(&selected, both, some, 2, &err);
    if (status == HONE_OK) status = hone_dataset_fetch(selected, 1, pixels, &err);
    hone_dataset_free(selected ? selected : both);
    return status;
}

static void nothing_leaks_when_memory_runs_out(void **state) {
    (void)state;
    put_zoo();
    for (int i = 0; i < 2; i++) {
        bool encoded = i;
        assert_true(test_every_allocation(pack_and_read, &encoded) > 50);
    }
    assert_int_equal(count_entries(test_folder), 2); /* the zoo and its pack: no temporary file */
}

/* Any order gives each its own. */
static void a_shuffle_of_many(void **state) {
    (void)state;
    enum { SAMPLES = 2000 };
    unsigned char pixels[784], want[784];
    hone_error err;
    pack_ok(in_folder("digits.honepack"), "digits:2000:5", NULL);
    hone_dataset *d = open_ok(in_folder("digits.honepack"), &(hone_dataset_config){.split = "train"});
    assert_int_equal(hone_dataset_samples(d), SAMPLES);
    for (uint32_t i = 0; i < SAMPLES; i++) {
        uint32_t index = i * 1237 % SAMPLES;
        assert_int_equal(hone_dataset_fetch(d, index, pixels, &err), HONE_OK);
        assert_int_equal(hone_digits_render(5, index, want), hone_dataset_labels(d)[index]);
        assert_memory_equal(pixels, want, sizeof want);
    }
    hone_dataset_free(d);
}

static void the_checksum_is_the_known_one(void **state) {
    (void)state;
    assert_int_equal(hone__crc32(0, "123456789", 9), UINT32_C(0xcbf43926));
    assert_int_equal(hone__crc32(hone__crc32(0, "1234", 4), "56789", 5), UINT32_C(0xcbf43926));
}

int main(void) {
    const struct CMUnitTest tests[] = {
#define FOLDER_TEST(test) cmocka_unit_test_setup_teardown(test, make_test_folder, remove_test_folder)
        FOLDER_TEST(every_part_comes_back),
        FOLDER_TEST(sizes_limits_and_classes_as_of_folders),
        FOLDER_TEST(stored_images_are_packed_too),
        FOLDER_TEST(parts_are_joined_where_they_are),
        FOLDER_TEST(bad_pictures_and_stops),
        FOLDER_TEST(damage_is_seen),
        FOLDER_TEST(numbers_are_not_believed),
        FOLDER_TEST(a_bad_record_is_named),
        FOLDER_TEST(nothing_leaks_when_memory_runs_out),
        FOLDER_TEST(a_shuffle_of_many),
        cmocka_unit_test(the_checksum_is_the_known_one),
#undef FOLDER_TEST
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
