/* SPDX-License-Identifier: Apache-2.0
 *
 * Folders of pictures, as people have them: notes between the photos, hidden files, links in circles, broken files, no
 * order; and CIFAR-10's folders of binary records. PNM pictures, so that every build runs this. */
#define _XOPEN_SOURCE 700
#include "data_test.h"

#include <sys/stat.h>

#if HONE_WITH_ZLIB
#include <zlib.h>
#endif

/* A grey picture of one value. */
static void put_picture(const char *name, int height, int width, unsigned char value) {
    bytes b = {.size = 0};
    char header[32];
    add(&b, header, (size_t)snprintf(header, sizeof header, "P5 %d %d 255\n", width, height));
    for (int i = 0; i < height * width; i++) add_u8(&b, value);
    put_file(name, b.data, b.size);
}

static void put_pets(void) {
    put_folder("dog/more");
    put_folder("cat");
    put_folder("10");
    put_folder(".hidden");
    put_picture("dog/b.pgm", 2, 2, 20);
    put_picture("dog/more/a.pgm", 2, 2, 30);
    put_picture("dog/a.jpg", 2, 2, 10); /* the name lies, the contents count */
    put_picture("cat/x", 2, 2, 40);
    put_picture("10/ten.pgm", 2, 3, 50);
    put_picture(".hidden/no.pgm", 2, 2, 60);
    put_picture("cat/.no.pgm", 2, 2, 70);
    put_file("cat/notes.txt", "not a picture", 13);
    put_file("readme.md", "# pets", 6);
}

static void class_folders_become_labels(void **state) {
    (void)state;
    put_pets();
    hone_dataset *d = open_ok(test_folder, NULL);
    static const unsigned char values[] = {50, 40, 10, 20, 30};
    static const int32_t labels[] = {0, 1, 2, 2, 2};
    assert_int_equal(hone_dataset_samples(d), 5);
    assert_int_equal(hone_dataset_classes(d), 3);
    assert_string_equal(hone_dataset_class_name(d, 0), "10"); /* sorted by bytes, as Keras does */
    assert_string_equal(hone_dataset_class_name(d, 2), "dog");
    assert_int_equal(hone_dataset_height(d), 2); /* the most frequent size */
    assert_int_equal(hone_dataset_width(d), 2);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(hone_dataset_image(d, i)[0], values[i]);
        assert_int_equal(hone_dataset_labels(d)[i], labels[i]);
    }
    assert_string_equal(hone_dataset_path(d, 4), in_folder("dog/more/a.pgm"));
    assert_non_null(strstr(hone_dataset_description(d), "5 images 2x2x1, 3 classes (class folders)"));
    hone_dataset_free(d);
}

static void threads_and_sizes_change_nothing_else(void **state) {
    (void)state;
    put_folder("a");
    put_folder("b");
    for (int i = 0; i < 50; i++) {
        char name[32];
        snprintf(name, sizeof name, "%c/%02d.pgm", i % 2 ? 'a' : 'b', i);
        put_picture(name, 3 + i % 7, 4, (unsigned char)(5 * i));
    }
    hone_dataset_config config = hone_dataset_config_default();
    config.height = 6;
    config.width = 5;
    config.channels = 3;
    hone_dataset *one = open_ok(test_folder, &config), *many;
    assert_int_equal(hone_threads_create(&config.threads, 4, NULL), HONE_OK);
    many = open_ok(test_folder, &config);
    assert_int_equal(hone_dataset_samples(many), 50);
    assert_memory_equal(hone_dataset_images(one), hone_dataset_images(many), 50 * 6 * 5 * 3);
    assert_int_equal(hone_dataset_image(many, 24)[0], 245); /* a/49.pgm, flat */
    hone_dataset_free(one);
    hone_dataset_free(many);
    hone_threads_free(config.threads);
}

static void parts_have_folders_and_share_their_classes(void **state) {
    (void)state;
    put_folder("train/x");
    put_folder("train/y");
    put_folder("val/y");
    put_folder("test/y");
    put_folder("docs");
    put_picture("train/x/1.pgm", 1, 1, 1);
    put_picture("train/y/1.pgm", 1, 1, 2);
    put_picture("val/y/1.pgm", 1, 1, 3);
    put_picture("test/y/1.pgm", 1, 1, 4);
    hone_dataset_config config = hone_dataset_config_default();
    static const char *const splits[] = {NULL, "train", "validation", "test"};
    static const int first[] = {1, 1, 3, 4};
    for (int i = 0; i < 4; i++) {
        config.split = splits[i];
        hone_dataset *d = open_ok(test_folder, &config);
        assert_int_equal(hone_dataset_images(d)[0], first[i]);
        assert_int_equal(hone_dataset_classes(d), 2);
        assert_int_equal(hone_dataset_labels(d)[0], i < 2 ? 0 : 1);
        hone_dataset_free(d);
    }
    put_folder("test/z");
    put_picture("test/z/1.pgm", 1, 1, 5);
    assert_open_fails(test_folder, &config, HONE_NOT_FOUND, "class folder 'z'");
}

static void undivided_folders_are_train_parts(void **state) {
    (void)state;
    put_pets();
    hone_dataset_config config = hone_dataset_config_default();
    config.split = "train";
    hone_dataset_free(open_ok(test_folder, &config));
    config.split = "test";
    assert_open_fails(test_folder, &config, HONE_NOT_FOUND, "has no test part");
}

static void classes_follow_the_callers_order(void **state) {
    (void)state;
    put_pets();
    static const char *const names[] = {"dog", "fish", "cat", "10"};
    hone_dataset_config config = hone_dataset_config_default();
    config.class_names = names;
    config.class_count = 4;
    hone_dataset *d = open_ok(test_folder, &config);
    assert_int_equal(hone_dataset_classes(d), 4);
    assert_int_equal(hone_dataset_labels(d)[0], 3);
    assert_int_equal(hone_dataset_labels(d)[1], 2);
    assert_int_equal(hone_dataset_labels(d)[4], 0);
    hone_dataset_free(d);
    config.class_count = 3;
    assert_open_fails(test_folder, &config, HONE_NOT_FOUND, "class '10' is not one of the 3 classes");
}

typedef struct bad_files {
    int count;
    char paths[8][512], reasons[8][512];
    bool go_on;
} bad_files;

static bool note_bad(void *context, const char *path, const hone_error *why) {
    bad_files *bad = context;
    snprintf(bad->paths[bad->count], 512, "%s", path);
    snprintf(bad->reasons[bad->count++], 512, "%s", why->message);
    return bad->go_on;
}

static void bad_files_are_named_and_left_out(void **state) {
    (void)state;
    static bad_files bad;
    put_pets();
    put_file("cat/a.png", "P5 9 9 255\nshort", 16);
    put_file("dog/c.gif", "GIF89a", 6);
    assert_int_equal(symlink("nowhere", in_folder("dog/d.pgm")), 0);
    hone_dataset_config config = hone_dataset_config_default();
    assert_open_fails(test_folder, NULL, HONE_FORMAT, "cat/a.png': PNM: truncated");
    config.on_bad_file = note_bad;
    config.context = &bad;
    bad.go_on = true;
    hone_dataset *d = open_ok(test_folder, &config);
    assert_int_equal(hone_dataset_samples(d), 5);
    assert_int_equal(hone_dataset_image(d, 1)[0], 40);
    assert_string_equal(hone_dataset_path(d, 1), in_folder("cat/x"));
    assert_int_equal(bad.count, 3);
    assert_string_equal(bad.paths[0], in_folder("cat/a.png"));
    assert_non_null(strstr(bad.reasons[1], "a GIF file"));
    assert_non_null(strstr(bad.reasons[2], "No such file"));
    hone_dataset_free(d);
    bad.count = 0;
    config.limit = 2; /* the bad one does not use up the limit */
    d = open_ok(test_folder, &config);
    assert_int_equal(hone_dataset_samples(d), 2);
    assert_int_equal(hone_dataset_image(d, 1)[0], 20); /* dog/b: the next of the list, in which classes take turns */
    hone_dataset_free(d);
    config.limit = 0;
    bad.count = 0;
    bad.go_on = false;
    assert_open_fails(test_folder, &config, HONE_FORMAT, "cat/a.png");
    assert_int_equal(bad.count, 1);
}

/* 12 of a, 6 of b, 2 of c: any number of them is a fair share, each class from its first file on. */
static void a_limit_takes_its_share_of_every_class(void **state) {
    (void)state;
    static const int counts[] = {12, 6, 2};
    for (int c = 0; c < 3; c++) {
        put_folder((const char *[]){"a", "b", "c"}[c]);
        for (int i = 0; i < counts[c]; i++) {
            char name[32];
            snprintf(name, sizeof name, "%c/%02d.pgm", 'a' + c, i);
            put_picture(name, 2, 2, (unsigned char)(50 * c + i));
        }
    }
    for (size_t limit = 1; limit < 20; limit++) {
        hone_dataset_config config = hone_dataset_config_default();
        config.limit = limit;
        hone_dataset *d = open_ok(test_folder, &config);
        assert_int_equal(hone_dataset_samples(d), limit);
        assert_int_equal(hone_dataset_classes(d), 3);
        int taken[3] = {0};
        for (size_t i = 0; i < limit; i++) {
            int label = hone_dataset_labels(d)[i];
            assert_int_equal(hone_dataset_image(d, i)[0], 50 * label + taken[label]);
            taken[label]++;
        }
        for (int c = 0; c < 3; c++) {
            double share = (double)limit * counts[c] / 20;
            assert_true(taken[c] > share - 1 && taken[c] < share + 1);
        }
        hone_dataset_free(d);
    }
}

static void folders_of_nothing_usable_say_so(void **state) {
    (void)state;
    static bad_files bad;
    assert_open_fails(test_folder, NULL, HONE_NOT_FOUND, "holds no pictures");
    put_folder("empty");
    assert_open_fails(test_folder, NULL, HONE_NOT_FOUND, "holds no pictures");
    put_file("empty/a.pgm", "?", 1);
    hone_dataset_config config = hone_dataset_config_default();
    config.on_bad_file = note_bad;
    config.context = &bad;
    bad.go_on = true;
    assert_open_fails(test_folder, &config, HONE_FORMAT, "its only picture could not be read");
    assert_int_equal(bad.count, 1);
    assert_open_fails(test_folder, NULL, HONE_FORMAT, "empty/a.pgm': not a picture");
    config.height = config.width = config.channels = 1;
    assert_open_fails(test_folder, &config, HONE_FORMAT, "none of the 1 picture could be used");
}

static void unlabelled_pictures_need_leave(void **state) {
    (void)state;
    put_picture("b.pgm", 1, 1, 9);
    put_picture("a.pgm", 1, 1, 8);
    assert_open_fails(test_folder, NULL, HONE_NOT_FOUND, "no class folders that label them");
    hone_dataset_config config = hone_dataset_config_default();
    config.allow_unlabelled = true;
    hone_dataset *d = open_ok(test_folder, &config);
    assert_int_equal(hone_dataset_images(d)[0], 8);
    assert_int_equal(hone_dataset_labels(d)[1], -1);
    assert_int_equal(hone_dataset_classes(d), 0);
    hone_dataset_free(d);
}

static void links_in_circles_end(void **state) {
    (void)state;
    put_folder("a/deep");
    put_picture("a/deep/1.pgm", 1, 1, 1);
    assert_int_equal(symlink("..", in_folder("a/deep/up")), 0);
    assert_int_equal(symlink(".", in_folder("a/self")), 0);
    assert_int_equal(symlink("a", in_folder("b")), 0); /* a class by another name */
    hone_dataset *d = open_ok(test_folder, NULL);
    assert_int_equal(hone_dataset_classes(d), 2);
    assert_int_equal(hone_dataset_samples(d), 2);
    hone_dataset_free(d);
}

static hone_status open_and_free(void *context) {
    hone_dataset *d;
    hone_dataset_config config = hone_dataset_config_default();
    config.limit = 1;
    hone_status status = hone_dataset_open(&d, context, &config, NULL);
    hone_dataset_free(d);
    return status;
}

static void nothing_leaks_when_memory_runs_out(void **state) {
    (void)state;
    put_folder("train/a");
    put_picture("train/a/1.pgm", 2, 2, 1);
    put_picture("train/a/2.pgm", 1, 1, 1);
    assert_true(test_every_allocation(open_and_free, test_folder) > 30);
}

/* ---- manifests ------------------------------------------------------------------------------------------------- */

static void put_csv(const char *text) {
    put_file("list.csv", text, strlen(text));
}

static void manifests_list_pictures(void **state) {
    (void)state;
    put_pets();
    put_csv("\xef\xbb\xbfid,path,label,split\r\n"
            "1,dog/a.jpg,dog,train\r\n"
            "2,\"cat/x\",\"a \"\"cat\"\", or two\",\r\n"
            "\r\n"
            "3,10/ten.pgm,zebra,test\r\n"
            "4,dog/b.pgm,dog,train");
    hone_dataset *d = open_ok(in_folder("list.csv"), NULL);
    assert_int_equal(hone_dataset_samples(d), 3);
    assert_int_equal(hone_dataset_classes(d), 3);
    assert_string_equal(hone_dataset_class_name(d, 0), "a \"cat\", or two");
    assert_memory_equal(hone_dataset_labels(d), ((int32_t[]){1, 0, 1}), 3 * sizeof(int32_t));
    assert_int_equal(hone_dataset_image(d, 1)[0], 40);
    assert_non_null(strstr(hone_dataset_description(d), "(CSV, train)"));
    hone_dataset_free(d);
    hone_dataset_config config = hone_dataset_config_default();
    config.split = "test";
    d = open_ok(in_folder("list.csv"), &config);
    assert_int_equal(hone_dataset_labels(d)[0], 2);
    hone_dataset_free(d);
    config.split = "validation";
    assert_open_fails(in_folder("list.csv"), &config, HONE_NOT_FOUND, "has no validation part");
    char path[600];
    snprintf(path, sizeof path, "%s", in_folder("list.csv"));
    assert_true(test_every_allocation(open_and_free, path) > 20);
}

/* What a spreadsheet writes depends on its language; a comma is then part of a field. */
static void manifests_are_separated_as_their_first_line_is(void **state) {
    (void)state;
    static const char *const texts[] = {
        "path;label\r\ndog/a.jpg;\"a;b\"\r\ndog/b.pgm;c,d\r\n",
        "path\tlabel\ndog/a.jpg\ta;b\ndog/b.pgm\tc,d\n",
        "\"path\";label\ndog/a.jpg;\"a;b\"\ndog/b.pgm;c,d",
        "path,label\ndog/a.jpg,a;b\ndog/b.pgm,\"c,d\"\n",
    };
    put_pets();
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        put_csv(texts[i]);
        hone_dataset *d = open_ok(in_folder("list.csv"), NULL);
        assert_int_equal(hone_dataset_samples(d), 2);
        assert_string_equal(hone_dataset_class_name(d, 0), "a;b");
        assert_string_equal(hone_dataset_class_name(d, 1), "c,d");
        hone_dataset_free(d);
    }
    put_csv("path;label\ndog/a.jpg,dog\n");
    assert_open_fails(in_folder("list.csv"), NULL, HONE_FORMAT, "line 2: 1 field, where 2 are named");
}

static void wrong_manifests_name_the_line(void **state) {
    (void)state;
    static const struct {
        const char *text;
        hone_status status;
        const char *part;
    } cases[] = {{"", HONE_FORMAT, "line 1 names no column 'path'"},
                 {"name,label\nx,y\n", HONE_FORMAT, "line 1 names no column 'path'"},
                 {"path,label\n", HONE_FORMAT, "names no pictures"},
                 {"path,label\ncat/x,cat\ncat/x\n", HONE_FORMAT, "line 3: 1 field, where 2 are named"},
                 {"path,label\ncat/x,cat,1\n", HONE_FORMAT, "line 2: more than 2 fields"},
                 {"path,label\ncat/x,\"cat\n", HONE_FORMAT, "line 2: a quote is not closed"},
                 {"path,label,split\ncat/x,cat,dev\n", HONE_FORMAT, "line 2: 'dev' is not a part"},
                 {"path,label\n,cat\n", HONE_FORMAT, "line 2: the path is empty"},
                 {"path,label\ncat/x,\n", HONE_NOT_FOUND, "'cat/x' has no label"},
                 {"path\ncat/x\n", HONE_NOT_FOUND, "'cat/x' has no label"},
                 {"path,label\ncat/none.pgm,cat\n", HONE_NOT_FOUND, "cat/none.pgm': No such file"}};
    put_pets();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_csv(cases[i].text);
        assert_open_fails(in_folder("list.csv"), NULL, cases[i].status, cases[i].part);
    }
    put_file("list.csv", "path\0label\n", 11);
    assert_open_fails(in_folder("list.csv"), NULL, HONE_FORMAT, "not a text file");
}

static void put_text(const char *name, const char *text) {
    put_file(name, text, strlen(text));
}

static void parts_lie_beside_train_csv(void **state) {
    (void)state;
    static const char val[] = "path,label\n10/ten.pgm,zebra\ndog/b.pgm,dog\n";
    put_pets();
    put_text("train.csv", "path,label\ndog/a.jpg,dog\n");
    put_text("valid.csv", val);
    put_text("test.csv", "id,price\n1,2\n"); /* somebody else's */
    hone_dataset_config config = hone_dataset_config_default();
    hone_dataset *d;
    static const char *const sources[] = {"train.csv", "."};
    for (size_t i = 0; i < 2; i++) {
        config.split = NULL;
        d = open_ok(in_folder(sources[i]), &config);
        assert_int_equal(hone_dataset_samples(d), 1);
        assert_int_equal(hone_dataset_classes(d), 2); /* of all parts */
        hone_dataset_free(d);
        config.split = "validation";
        d = open_ok(in_folder(sources[i]), &config);
        assert_int_equal(hone_dataset_samples(d), 2);
        assert_memory_equal(hone_dataset_labels(d), ((int32_t[]){1, 0}), 2 * sizeof(int32_t));
        assert_non_null(strstr(hone_dataset_description(d), "(CSV, validation)"));
        hone_dataset_free(d);
        config.split = "test";
        assert_open_fails(in_folder(sources[i]), &config, HONE_NOT_FOUND, "has no test part");
    }
    char path[600];
    snprintf(path, sizeof path, "%s", in_folder("."));
    assert_true(test_every_allocation(open_and_free, path) > 30);
    put_text("valid.csv", "path,label\ndog/b.pgm\n");
    assert_open_fails(in_folder("train.csv"), NULL, HONE_FORMAT, "'valid.csv': line 2: 1 field, where 2 are named");
    put_text("valid.csv", val);
    put_text("val.csv", val);
    assert_open_fails(in_folder("train.csv"), NULL, HONE_FORMAT, "two files for the validation part");
    /* under another name, or with a column that says it, the file is all there is */
    put_csv("path,label\ndog/a.jpg,dog\n");
    config.split = "validation";
    assert_open_fails(in_folder("list.csv"), &config, HONE_NOT_FOUND, "has no validation part");
    put_text("train.csv", "path,label,split\ndog/a.jpg,dog,train\n");
    assert_open_fails(in_folder("train.csv"), &config, HONE_NOT_FOUND, "has no validation part");
    put_text("train.csv", "id,price\n1,2\n"); /* any other table beside class folders */
    config.split = NULL;
    d = open_ok(in_folder("."), &config);
    assert_non_null(strstr(hone_dataset_description(d), "class folders"));
    hone_dataset_free(d);
    put_text("train.csv", "path,label\ndog/a.jpg,dog\n");
    put_folder("train/a"); /* a folder is what is meant */
    put_picture("train/a/1.pgm", 1, 1, 1);
    config.split = NULL;
    d = open_ok(in_folder("."), &config);
    assert_non_null(strstr(hone_dataset_description(d), "class folders"));
    hone_dataset_free(d);
}

/* ---- CIFAR-10 -------------------------------------------------------------------------------------------------- */

static void make_batch(bytes *b, unsigned label) {
    b->size = 0;
    for (unsigned record = 0; record < 2; record++) {
        add_u8(b, label + record);
        for (unsigned plane = 0; plane < 3; plane++)
            for (unsigned i = 0; i < 1024; i++) add_u8(b, (i + 80 * plane + record) % 256);
    }
}

static void put_cifar(const char *folder) {
    bytes b;
    char name[64];
    for (unsigned i = 1; i <= 5; i++) {
        make_batch(&b, i);
        snprintf(name, sizeof name, "%sdata_batch_%u.bin", folder, i);
        put_file(name, b.data, b.size);
    }
    make_batch(&b, 0);
    snprintf(name, sizeof name, "%stest_batch.bin", folder);
    put_file(name, b.data, b.size);
}

static void check_cifar(const char *split, size_t samples, int first_label) {
    hone_dataset_config config = hone_dataset_config_default();
    config.split = split;
    hone_dataset *d = open_ok(test_folder, &config);
    assert_int_equal(hone_dataset_samples(d), samples);
    assert_int_equal(hone_dataset_channels(d), 3);
    assert_int_equal(hone_dataset_labels(d)[0], first_label);
    assert_memory_equal(hone_dataset_image(d, 1) + 3 * 32, ((unsigned char[]){33, 113, 193}), 3); /* row 1, column 0 */
    assert_string_equal(hone_dataset_class_name(d, 9), "truck");
    hone_dataset_free(d);
}

static void cifar_folders(void **state) {
    (void)state;
    put_folder("cifar-10-batches-bin");
    put_cifar("cifar-10-batches-bin/");
    check_cifar(NULL, 10, 1);
    check_cifar("test", 2, 0);
    put_cifar("");
    put_file("batches.meta.txt", "a\nb\nc\nd\ne\nf\ng\nh\ni\nlorry\n\n", 26);
    hone_dataset *d = open_ok(test_folder, NULL);
    assert_string_equal(hone_dataset_class_name(d, 9), "lorry");
    hone_dataset_free(d);
    put_file("data_batch_3.bin", "12345", 5);
    assert_open_fails(test_folder, NULL, HONE_FORMAT, "'data_batch_3.bin' has 5 bytes, not a multiple of 3073");
    assert_int_equal(unlink(in_folder("data_batch_3.bin")), 0);
    assert_open_fails(test_folder, NULL, HONE_NOT_FOUND, "data_batch_3.bin");
    bytes b;
    make_batch(&b, 9); /* the second record has label 10 */
    put_file("test_batch.bin", b.data, b.size);
    hone_dataset_config config = hone_dataset_config_default();
    config.split = "test";
    assert_open_fails(test_folder, &config, HONE_FORMAT, "label 10 of record 1 is outside 0 to 9");
}

#if HONE_WITH_ZLIB
static void add_to_tar(gzFile tar, const char *name, const bytes *b) {
    char block[512] = "";
    snprintf(block, 100, "%s", name);
    snprintf(block + 124, 12, "%011o", (unsigned)b->size);
    block[156] = '0';
    assert_int_equal(gzwrite(tar, block, 512), 512);
    assert_int_equal(gzwrite(tar, b->data, (unsigned)b->size), (int)b->size);
    memset(block, 0, sizeof block);
    unsigned padding = (unsigned)(512 - b->size % 512) % 512;
    if (padding) assert_int_equal(gzwrite(tar, block, padding), (int)padding);
}

static void cifar_archive_is_read_as_it_is(void **state) {
    (void)state;
    bytes b;
    char name[64];
    gzFile tar = gzopen(in_folder("cifar-10-binary.tar.gz"), "wb");
    assert_non_null(tar);
    for (unsigned i = 0; i <= 5; i++) {
        make_batch(&b, i);
        snprintf(name, sizeof name, "cifar-10-batches-bin/data_batch_%u.bin", i);
        add_to_tar(tar, i ? name : "cifar-10-batches-bin/test_batch.bin", &b);
    }
    assert_int_equal(gzclose(tar), Z_OK);
    check_cifar("train", 10, 1);
    check_cifar("test", 2, 0);
    assert_true(test_every_allocation(open_and_free, test_folder) > 5);
    tar = gzopen(in_folder("cifar-10-binary.tar.gz"), "wb");
    make_batch(&b, 0);
    add_to_tar(tar, "data_batch_1.bin", &b);
    assert_int_equal(gzclose(tar), Z_OK);
    assert_open_fails(test_folder, NULL, HONE_NOT_FOUND, "has no member 'data_batch_2.bin'");
}
#endif

#define TEST(function) cmocka_unit_test_setup_teardown(function, make_test_folder, remove_test_folder)

int main(void) {
    const struct CMUnitTest tests[] = {
        TEST(class_folders_become_labels),
        TEST(threads_and_sizes_change_nothing_else),
        TEST(parts_have_folders_and_share_their_classes),
        TEST(undivided_folders_are_train_parts),
        TEST(classes_follow_the_callers_order),
        TEST(bad_files_are_named_and_left_out),
        TEST(a_limit_takes_its_share_of_every_class),
        TEST(folders_of_nothing_usable_say_so),
        TEST(unlabelled_pictures_need_leave),
        TEST(links_in_circles_end),
        TEST(nothing_leaks_when_memory_runs_out),
        TEST(manifests_list_pictures),
        TEST(manifests_are_separated_as_their_first_line_is),
        TEST(wrong_manifests_name_the_line),
        TEST(parts_lie_beside_train_csv),
        TEST(cifar_folders),
#if HONE_WITH_ZLIB
        TEST(cifar_archive_is_read_as_it_is),
#endif
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
