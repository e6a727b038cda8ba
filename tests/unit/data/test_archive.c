/* SPDX-License-Identifier: Apache-2.0
 *
 * Archives from strangers: good ones become folders, bad ones are refused by name, and nothing is left of them. */
#define _XOPEN_SOURCE 700
#include "data_test.h"

#include <dirent.h>

#if HONE_WITH_ARCHIVE

#include <archive.h>
#include <archive_entry.h>
#include <locale.h>
#include <sys/stat.h>

/* ---- making them ------------------------------------------------------------------------------------------------ */

typedef struct maker {
    struct archive *archive;
    char path[128];
} maker;

static void begin(maker *m, const char *name, bool is_zip, bool is_packed) {
    snprintf(m->path, sizeof m->path, "%s", in_folder(name));
    setlocale(LC_ALL, "C.UTF-8"); /* libarchive writes names by it; hone reads them without */
    m->archive = archive_write_new();
    if (is_zip)
        archive_write_set_format_zip(m->archive);
    else
        archive_write_set_format_pax_restricted(m->archive);
    if (is_packed) archive_write_add_filter_gzip(m->archive);
    assert_int_equal(archive_write_open_filename(m->archive, m->path), ARCHIVE_OK);
}

static void add_entry(maker *m, const char *name, unsigned type, const char *link, const void *data, size_t size) {
    struct archive_entry *entry = archive_entry_new();
    archive_entry_set_pathname(entry, name);
    archive_entry_set_filetype(entry, type);
    archive_entry_set_perm(entry, 0644);
    archive_entry_set_size(entry, (int64_t)size);
    if (link && type == AE_IFLNK) archive_entry_set_symlink(entry, link);
    if (link && type == AE_IFREG) archive_entry_set_hardlink(entry, link);
    assert_int_equal(archive_write_header(m->archive, entry), ARCHIVE_OK);
    if (size > 0) assert_int_equal(archive_write_data(m->archive, data, size), (la_ssize_t)size);
    archive_entry_free(entry);
}

static void add_text(maker *m, const char *name) {
    add_entry(m, name, AE_IFREG, NULL, "P5 1 1 255\nx", 12);
}

static void end(maker *m) {
    assert_int_equal(archive_write_close(m->archive), ARCHIVE_OK);
    archive_write_free(m->archive);
    setlocale(LC_ALL, "C");
}

/* ---- what comes of them ----------------------------------------------------------------------------------------- */

/* Only the archive itself is in the test's folder. */
static void assert_nothing_left(void) {
    DIR *folder = opendir(test_folder);
    int names = 0;
    for (const struct dirent *entry; (entry = readdir(folder));) names += entry->d_name[0] != '.';
    closedir(folder);
    assert_int_equal(names, 1);
}

static void assert_refused(maker *m, const char *words) {
    hone_error err = {.message = ""};
    end(m);
    hone_status status = hone_unpack(m->path, in_folder("out"), NULL, NULL, &err);
    if (status == HONE_OK || !strstr(err.message, words))
        fail_msg("status %d, '%s' where '%s' is expected", status, err.message, words);
    assert_nothing_left();
}

static void good_ones_become_folders(void **state) {
    (void)state;
    for (int kind = 0; kind < 4; kind++) {
        maker m;
        char out[16];
        hone_unpack_report report;
        hone_error err;
        snprintf(out, sizeof out, "out%d", kind);
        begin(&m, "set.tgz", kind & 1, kind & 2);
        add_entry(&m, "top", AE_IFDIR, NULL, NULL, 0);
        add_text(&m, "top/cat/1.pgm");
        add_text(&m, "./top/dog/2.pgm");
        add_text(&m, "top/..dog/3.pgm");
        add_text(&m, "top/猫/4.pgm");
        add_text(&m, "__MACOSX/top/cat/._1.pgm");
        end(&m);
        if ((kind & 2) == 0 || (kind & 1) == 0) assert_true(hone_is_archive(m.path));
        if (hone_unpack(m.path, in_folder(out), NULL, &report, &err) != HONE_OK) fail_msg("%s", err.message);
        assert_int_equal(report.files, 4);
        char path[64];
        snprintf(path, sizeof path, "%s/cat/1.pgm", out); /* the one folder around everything is no class */
        assert_true(hone__file_exists(in_folder(path)));
        snprintf(path, sizeof path, "%s/猫/4.pgm", out);
        assert_true(hone__file_exists(in_folder(path)));
        assert_int_equal(hone_unpack(m.path, in_folder(out), NULL, NULL, &err), HONE_IO);
        assert_non_null(strstr(err.message, "not empty"));
    }
}

static void a_single_class_stays_one(void **state) {
    (void)state;
    maker m;
    begin(&m, "set.zip", true, false);
    add_text(&m, "cat/1.pgm");
    end(&m);
    assert_int_equal(hone_unpack(m.path, in_folder("out"), NULL, NULL, NULL), HONE_OK);
    assert_true(hone__file_exists(in_folder("out/cat/1.pgm")));
}

static void ways_out_are_refused(void **state) {
    (void)state;
    static const char *const names[] = {"../evil", "a/../../evil", "a/..",    "/tmp/hone-evil",
                                        "a//b",    "a/./../../b",  "a\\..\\b"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (int is_zip = 0; is_zip < 2; is_zip++) {
            maker m;
            begin(&m, "bad", is_zip, false);
            add_text(&m, "good/1.pgm");
            add_text(&m, names[i]);
            /* Zip's own separator is '/': what a strange program wrote is read as that. */
            assert_refused(&m, is_zip && strchr(names[i], '\\') ? "a/../b" : names[i]);
        }
    }
    assert_false(hone__file_exists("/tmp/hone-evil"));
}

static void links_and_devices_are_refused(void **state) {
    (void)state;
    maker m;
    begin(&m, "bad", false, false);
    add_entry(&m, "to-etc", AE_IFLNK, "/etc", NULL, 0);
    add_text(&m, "to-etc/evil");
    assert_refused(&m, "'to-etc' is a link");
    begin(&m, "bad", false, false);
    add_text(&m, "a");
    add_entry(&m, "hard", AE_IFREG, "a", NULL, 0);
    assert_refused(&m, "'hard' is a link");
    begin(&m, "bad", false, false);
    add_entry(&m, "pipe", AE_IFIFO, NULL, NULL, 0);
    assert_refused(&m, "'pipe' is neither");
    begin(&m, "bad", false, false);
    add_text(&m, "twice");
    add_text(&m, "twice");
    assert_refused(&m, "'twice' is in it twice");
}

static void bombs_are_refused(void **state) {
    (void)state;
    maker m;
    size_t size = 160 << 20; /* zeroes pack a thousandfold */
    char *zeroes = calloc(size, 1);
    begin(&m, "bomb.tgz", false, true);
    add_entry(&m, "a/0.bin", AE_IFREG, NULL, zeroes, size);
    free(zeroes);
    assert_refused(&m, "unpacks to more than");
    hone_unpack_config config = hone_unpack_config_default();
    hone_error err;
    config.max_files = 3;
    begin(&m, "bomb.tgz", false, false);
    for (int i = 0; i < 4; i++) add_text(&m, (const char *[]){"a", "b", "c", "d"}[i]);
    end(&m);
    assert_int_equal(hone_unpack(m.path, in_folder("out"), &config, NULL, &err), HONE_LIMIT);
    config = hone_unpack_config_default();
    config.max_bytes = 40;
    assert_int_equal(hone_unpack(m.path, in_folder("out"), &config, NULL, &err), HONE_LIMIT);
    assert_nothing_left();
}

static void what_is_cut_or_no_archive_is_refused(void **state) {
    (void)state;
    maker m;
    hone_error err;
    unsigned char *data;
    size_t size;
    char noise[3000];
    for (size_t i = 0; i < sizeof noise; i++) noise[i] = (char)(i * i * 31 + i / 7);
    begin(&m, "whole.tgz", false, true);
    for (int i = 0; i < 5; i++)
        add_entry(&m, (const char *[]){"a/1", "a/2", "b/3", "b/4", "b/5"}[i], AE_IFREG, NULL, noise, sizeof noise);
    end(&m);
    assert_int_equal(hone__file_read(m.path, 1 << 20, &data, &size, NULL), HONE_OK);
    for (size_t cut = 1; cut < size - 64; cut += size / 9) {
        put_file("whole.tgz", data, cut);
        assert_int_not_equal(hone_unpack(m.path, in_folder("out"), NULL, NULL, &err), HONE_OK);
        assert_nothing_left();
    }
    hone__free(data);
    put_file("whole.tgz", "just words, no archive at all", 29);
    assert_false(hone_is_archive(in_folder("whole.txt")));
    assert_int_equal(hone_unpack(m.path, in_folder("out"), NULL, NULL, &err), HONE_FORMAT);
    assert_int_equal(hone_unpack(in_folder("nowhere.zip"), in_folder("out"), NULL, NULL, &err), HONE_NOT_FOUND);
    assert_nothing_left();
}

static hone_status unpack_small(void *context) {
    hone_status status = hone_unpack(context, in_folder("out"), NULL, NULL, NULL);
    if (status == HONE_OK) folder_remove(in_folder("out"));
    return status;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    maker m;
    begin(&m, "set.zip", true, false);
    add_text(&m, "top/cat/1.pgm");
    add_text(&m, "top/dog/1.pgm");
    end(&m);
    assert_true(test_every_allocation(unpack_small, m.path) > 10);
}

int main(void) {
#define CASE(f) cmocka_unit_test_setup_teardown(f, make_test_folder, remove_test_folder)
    const struct CMUnitTest tests[] = {CASE(good_ones_become_folders), CASE(a_single_class_stays_one),
                                       CASE(ways_out_are_refused),     CASE(links_and_devices_are_refused),
                                       CASE(bombs_are_refused),        CASE(what_is_cut_or_no_archive_is_refused),
                                       CASE(every_allocation_may_fail)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void it_says_what_was_left_out(void **state) {
    (void)state;
    hone_error err;
    assert_int_equal(hone_unpack("/tmp/x.zip", "/tmp/y", NULL, NULL, &err), HONE_UNSUPPORTED);
    assert_non_null(strstr(err.message, "HONE_WITH_ARCHIVE"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_says_what_was_left_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
