/* SPDX-License-Identifier: Apache-2.0
 *
 * Files: read whole or refused, written whole or not at all. */
#define _POSIX_C_SOURCE 200809L
#define _XOPEN_SOURCE   700
#include "core_internal.h"
#include "file.h"
#include "folder.h"
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static char folder[FOLDER_SIZE];
static char path[128];

static const char *in_folder(const char *name) {
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static int entries(void) {
    DIR *dir = opendir(folder);
    int count = 0;
    while (readdir(dir)) count++;
    closedir(dir);
    return count - 2;
}

static void assert_contents(const char *name, const char *expected) {
    unsigned char *data;
    size_t size;
    assert_int_equal(hone__file_read(name, 1000, &data, &size, NULL), HONE_OK);
    assert_int_equal(size, strlen(expected));
    assert_string_equal((char *)data, expected);
    hone__free(data);
}

static int set_up(void **state) {
    (void)state;
    return folder_make(folder, "file");
}

static int tear_down(void **state) {
    (void)state;
    return folder_remove(folder);
}

static void what_is_written_is_read_back(void **state) {
    (void)state;
    const char *name = in_folder("a");
    assert_int_equal(hone__file_write(name, "old", 3, NULL), HONE_OK);
    assert_int_equal(hone__file_write(name, "newer", 5, NULL), HONE_OK);
    assert_contents(name, "newer");
    assert_int_equal(hone__file_write(name, "", 0, NULL), HONE_OK);
    assert_contents(name, "");
    assert_int_equal(entries(), 1);
    unlink(name);
}

static void an_abandoned_write_leaves_the_old_file(void **state) {
    (void)state;
    const char *name = in_folder("b");
    assert_int_equal(hone__file_write(name, "old", 3, NULL), HONE_OK);
    hone__file_writer w;
    assert_int_equal(hone__file_begin(&w, name, NULL), HONE_OK);
    fputs("half", w.file);
    assert_int_equal(entries(), 2);
    hone__file_abort(&w);
    hone__file_abort(&w);
    assert_contents(name, "old");
    assert_int_equal(entries(), 1);
    unlink(name);
}

static void a_full_disk_is_an_error_and_leaves_the_old_file(void **state) {
    (void)state;
    const char *name = in_folder("c");
    assert_int_equal(hone__file_write(name, "old", 3, NULL), HONE_OK);
    struct rlimit before, tight;
    getrlimit(RLIMIT_FSIZE, &before);
    tight = before;
    tight.rlim_cur = 4096; /* what a write past the end of the disk looks like, without a disk to fill */
    signal(SIGXFSZ, SIG_IGN);
    setrlimit(RLIMIT_FSIZE, &tight);
    static char large[1 << 16];
    hone_error err;
    hone_status status = hone__file_write(name, large, sizeof large, &err);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(status, HONE_IO);
    assert_non_null(strstr(err.message, name));
    assert_contents(name, "old");
    assert_int_equal(entries(), 1);
    unlink(name);
}

static void wrong_places_are_named(void **state) {
    (void)state;
    hone_error err;
    unsigned char *data;
    size_t size;
    assert_int_equal(hone__file_write(folder, "x", 1, &err), HONE_IO);
    assert_non_null(strstr(err.message, "it is a folder"));
    assert_int_equal(hone__file_write("/nonexistent-folder/x", "x", 1, &err), HONE_NOT_FOUND);
    assert_non_null(strstr(err.message, "there is no folder '/nonexistent-folder'"));
    assert_int_equal(hone__file_write("", "x", 1, &err), HONE_ARGUMENT);
    assert_int_equal(hone__file_read(folder, 100, &data, &size, &err), HONE_IO);
    assert_int_equal(hone__file_read(in_folder("missing"), 100, &data, &size, &err), HONE_NOT_FOUND);
    assert_null(data);
    assert_int_equal(hone__file_write("/dev/null", "x", 1, &err), HONE_IO);
}

static void the_limit_holds_exactly_also_for_pipes(void **state) {
    (void)state;
    unsigned char *data;
    size_t size;
    const char *name = in_folder("d");
    assert_int_equal(hone__file_write(name, "12345", 5, NULL), HONE_OK);
    assert_int_equal(hone__file_read(name, 5, &data, &size, NULL), HONE_OK);
    hone__free(data);
    assert_int_equal(hone__file_read(name, 4, &data, &size, NULL), HONE_LIMIT);
    unlink(name);
    for (int limit = 4; limit <= 6; limit++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        assert_int_equal(write(ends[1], "12345", 5), 5);
        close(ends[1]);
        char descriptor[32];
        snprintf(descriptor, sizeof descriptor, "/dev/fd/%d", ends[0]);
        hone_status status = hone__file_read(descriptor, (size_t)limit, &data, &size, NULL);
        assert_int_equal(status, limit < 5 ? HONE_LIMIT : HONE_OK);
        if (status == HONE_OK) assert_int_equal(size, 5);
        hone__free(data);
        close(ends[0]);
    }
}

static void a_link_is_followed_not_replaced(void **state) {
    (void)state;
    char target[128], link[128];
    snprintf(target, sizeof target, "%s/target", folder);
    snprintf(link, sizeof link, "%s/link", folder);
    assert_int_equal(hone__file_write(target, "old", 3, NULL), HONE_OK);
    assert_int_equal(chmod(target, 0640), 0);
    assert_int_equal(symlink(target, link), 0);
    assert_int_equal(hone__file_write(link, "new", 3, NULL), HONE_OK);
    assert_contents(target, "new");
    struct stat info;
    assert_int_equal(lstat(link, &info), 0);
    assert_true(S_ISLNK(info.st_mode));
    assert_int_equal(stat(target, &info), 0);
    assert_int_equal(info.st_mode & 07777, 0640);
    unlink(link);
    unlink(target);
}

/* Leaves "FOLDER/NAME.tmp-PID-0" with a change time of so many seconds ago. */
static void leave_temporary(const char *name, long owner, long age) {
    char left[160];
    struct timespec then[2];
    snprintf(left, sizeof left, "%s/%s.tmp-%ld-0", folder, name, owner);
    assert_int_equal(hone__file_write(left, "half", 4, NULL), HONE_OK);
    clock_gettime(CLOCK_REALTIME, &then[0]);
    then[0].tv_sec -= age;
    then[1] = then[0];
    assert_int_equal(utimensat(AT_FDCWD, left, then, 0), 0);
}

static void what_the_killed_left_is_swept_away(void **state) {
    (void)state;
    char target[128];
    pid_t dead = fork();
    if (dead == 0) _exit(0);
    assert_int_equal(waitpid(dead, NULL, 0), dead);
    snprintf(target, sizeof target, "%s", in_folder("model.h5"));
    assert_int_equal(hone__file_write(target, "old", 3, NULL), HONE_OK);
    int before = entries();
    leave_temporary("model.h5", (long)getpid(), 3600);   /* its writer is alive */
    leave_temporary("model.h5.b", (long)dead, 3600);     /* of another file */
    leave_temporary("model.h5.tmp-x", (long)dead, 3600); /* a name that only looks like one */
    leave_temporary("model.h5", (long)dead, 3600);
    hone__file_sweep(target);
    assert_int_equal(entries(), before + 3);
    snprintf(target, sizeof target, "%s/model.h5.tmp-%ld-0", folder, (long)dead);
    assert_false(hone__file_exists(target));
    leave_temporary("model.h5", (long)dead, 0); /* too fresh: another machine's? */
    hone__file_sweep(in_folder("model.h5"));
    assert_true(hone__file_exists(target));
    unlink(target);
    snprintf(target, sizeof target, "%s/model.h5.tmp-%ld-0", folder, (long)getpid());
    assert_int_equal(unlink(target), 0);
    snprintf(target, sizeof target, "%s/model.h5.b.tmp-%ld-0", folder, (long)dead);
    assert_int_equal(unlink(target), 0);
    snprintf(target, sizeof target, "%s/model.h5.tmp-x.tmp-%ld-0", folder, (long)dead);
    assert_int_equal(unlink(target), 0);
    hone__file_sweep("/no/such/folder/model.h5");
}

static void devices_are_no_files(void **state) {
    (void)state;
    unsigned char *data;
    size_t size;
    hone_error err;
    assert_int_equal(hone__file_read("/dev/zero", 1000, &data, &size, &err), HONE_IO);
    assert_non_null(strstr(err.message, "it is a device"));
}

static void folders_are_made_with_their_parents(void **state) {
    (void)state;
    char deep[160];
    snprintf(deep, sizeof deep, "%s/x/y//z/", folder);
    assert_int_equal(hone__make_folders(deep, NULL), HONE_OK);
    assert_int_equal(hone__make_folders(deep, NULL), HONE_OK);
    assert_true(hone__is_folder(deep));
    const char *file = in_folder("plain");
    assert_int_equal(hone__file_write(file, "x", 1, NULL), HONE_OK);
    hone_error err;
    assert_int_equal(hone__make_folders(file, &err), HONE_IO);
    snprintf(deep, sizeof deep, "%s/plain/below", folder);
    assert_int_equal(hone__make_folders(deep, &err), HONE_IO);
    unlink(file);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_written_is_read_back),
        cmocka_unit_test(an_abandoned_write_leaves_the_old_file),
        cmocka_unit_test(a_full_disk_is_an_error_and_leaves_the_old_file),
        cmocka_unit_test(wrong_places_are_named),
        cmocka_unit_test(the_limit_holds_exactly_also_for_pipes),
        cmocka_unit_test(a_link_is_followed_not_replaced),
        cmocka_unit_test(what_the_killed_left_is_swept_away),
        cmocka_unit_test(devices_are_no_files),
        cmocka_unit_test(folders_are_made_with_their_parents),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
