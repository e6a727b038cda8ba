/* SPDX-License-Identifier: Apache-2.0
 *
 * What a catalog survives: a writer killed at any moment, and memory that runs out anywhere. */
#define _XOPEN_SOURCE 700
#include "catalog_test.h"

#if HONE_WITH_SQLITE

#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <time.h>

/* ---- kill -9 ---------------------------------------------------------------------------------------------------- */

enum { PICTURES = 20, KILLS = 25 };

/* Relabels all pictures to "0", "1", "2", … and says through the pipe which change is done. Never returns. */
static void write_for_ever(const scratch *s, const int64_t *ids, int first, int pipe_end) {
    hone_catalog *c = open_catalog(s);
    for (int i = first;; i++) {
        char label[16];
        snprintf(label, sizeof label, "%d", i);
        if (hone_catalog_label(c, ids, PICTURES, label, NULL, NULL) != HONE_OK) _exit(1);
        if (write(pipe_end, &i, sizeof i) != sizeof i) _exit(1);
    }
}

typedef struct seen {
    int label, entries;
    bool is_mixed;
} seen;

static hone_status see_picture(void *context, const hone_picture *p, hone_error *err) {
    seen *s = context;
    int label = p->label ? atoi(p->label) : -1;
    (void)err;
    if (s->label != -2 && s->label != label) s->is_mixed = true;
    s->label = label;
    return HONE_OK;
}

static hone_status see_entry(void *context, const hone_catalog_entry *e, hone_error *err) {
    (void)e, (void)err;
    ((seen *)context)->entries++;
    return HONE_OK;
}

/* Each round kills a writer after another while. What it reported done must be there, whole, and at most the one change
 * after it; the history must have exactly as many entries as the labels say. */
static void a_killed_writer_loses_nothing(void **state) {
    const scratch *s = *state;
    hone_catalog *c = open_catalog(s);
    int64_t ids[PICTURES];
    for (int i = 0; i < PICTURES; i++) {
        char path[16];
        snprintf(path, sizeof path, "%d.png", i);
        ids[i] = put(c, path, NULL, NULL);
    }
    hone_catalog_close(c);
    int next = 0;
    for (int round = 0; round < KILLS; round++) {
        int ends[2], done = next - 1, reported;
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        if (child == 0) write_for_ever(s, ids, next, ends[1]);
        close(ends[1]);
        /* Every other one at whatever it is at, the others while they write, on the busiest machine. */
        if (round % 2 && read(ends[0], &reported, sizeof reported) == sizeof reported) done = reported;
        const struct timespec pause = {0, (3 + round * 7 % 23) * 700 * 1000};
        nanosleep(&pause, NULL);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        while (read(ends[0], &reported, sizeof reported) == sizeof reported) done = reported;
        close(ends[0]);
        c = open_catalog(s);
        seen looked = {.label = -2};
        assert_int_equal(hone_catalog_each(c, NULL, see_picture, &looked, NULL), HONE_OK);
        assert_int_equal(hone_catalog_history(c, 0, 0, see_entry, &looked, NULL), HONE_OK);
        assert_false(looked.is_mixed);
        assert_in_range(looked.label + 1, done + 1, done + 2);
        assert_int_equal(looked.entries, (looked.label + 1) * PICTURES);
        next = looked.label + 1;
        hone_catalog_close(c);
    }
    assert_true(next > 0); /* or nothing was ever written, and the test would show nothing */
    sqlite3 *db;
    assert_int_equal(sqlite3_open(s->file, &db), SQLITE_OK);
    sqlite3_stmt *check;
    assert_int_equal(sqlite3_prepare_v2(db, "PRAGMA integrity_check", -1, &check, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(check), SQLITE_ROW);
    assert_string_equal((const char *)sqlite3_column_text(check, 0), "ok");
    sqlite3_finalize(check);
    sqlite3_close(db);
}

/* ---- memory ----------------------------------------------------------------------------------------------------- */

static hone_status join_nothing(void *context, const hone_picture *p, hone_error *err) {
    (void)context, (void)p, (void)err;
    return HONE_OK;
}

static hone_status ignore_entry(void *context, const hone_catalog_entry *e, hone_error *err) {
    (void)context, (void)e, (void)err;
    return HONE_OK;
}

static hone_status use(hone_catalog *c, hone_error *err) {
    hone_picture p = {.path = "a/1.png", .label = "a", .split = "train", .sha256 = "00"}, out;
    int64_t change, n;
    char label[32];
    double confidence;
    const char *classes[] = {"a", "b"};
    hone_status status = hone_catalog_put(c, &p, err);
    /* Whatever an earlier run left behind: there is something to change, and something to take back. */
    if (status == HONE_OK) status = hone_catalog_label(c, &p.id, 1, "a", NULL, err);
    if (status == HONE_OK) status = hone_catalog_label(c, &p.id, 1, "b", &change, err);
    if (status == HONE_OK) status = hone_catalog_revert(c, change, NULL, NULL, err);
    if (status == HONE_OK) status = hone_catalog_set_status(c, &p.id, 1, HONE_PICTURE_QUARANTINED, "r", NULL, err);
    if (status == HONE_OK) status = hone_catalog_set_status(c, &p.id, 1, HONE_PICTURE_MISSING, NULL, NULL, err);
    if (status == HONE_OK) status = hone_catalog_put(c, &p, err);
    if (status == HONE_OK) status = hone_catalog_set_classes(c, classes, 2, err);
    if (status == HONE_OK) status = hone_catalog_suggest(c, p.id, "b", 0.5, err);
    if (status == HONE_OK) status = hone_catalog_suggestion(c, p.id, label, sizeof label, &confidence, err);
    if (status == HONE_OK)
        status = hone_catalog_each(c, &(hone_catalog_query){.search = "1", .label = "a"}, join_nothing, NULL, err);
    if (status == HONE_OK) status = hone_catalog_count(c, &(hone_catalog_query){.search = "1"}, &n, err);
    if (status == HONE_OK) status = hone_catalog_history(c, 0, 0, ignore_entry, NULL, err);
    if (status == HONE_OK) status = hone_catalog_find(c, "a/1.png", &out, err);
    if (status == HONE_OK) hone_picture_release(&out);
    return status;
}

static hone_status open_and_use(void *context) {
    const scratch *s = context;
    hone_catalog *c;
    hone_error err;
    hone_status status = hone_catalog_open(&c, s->folder, NULL, &err);
    if (status == HONE_OK) status = use(c, &err);
    hone_catalog_close(c);
    return status;
}

static void every_allocation_of_ours_may_fail(void **state) {
    assert_true(test_every_allocation(open_and_use, *state) > 10);
}

/* SQLite's own memory: allocation number fail_at and all after it fail, as for ours. */
static long sqlite_count, sqlite_fail_at = -1;
static sqlite3_mem_methods usual;

static void *fragile_alloc(int size) {
    return sqlite_fail_at >= 0 && sqlite_count++ >= sqlite_fail_at ? NULL : usual.xMalloc(size);
}

static void *fragile_realloc(void *pointer, int size) {
    return sqlite_fail_at >= 0 && sqlite_count++ >= sqlite_fail_at ? NULL : usual.xRealloc(pointer, size);
}

/* In steps, since there are many; the step is odd to kinds of allocations that alternate. */
static void sqlite_may_run_out_of_memory(void **state) {
    enum { STEP = 41 };
    const scratch *s = *state;
    long failures = 0;
    for (long n = 0;; n += STEP, failures++) {
        sqlite_count = 0;
        sqlite_fail_at = n;
        hone_status status = open_and_use(*state);
        bool was_hit = sqlite_count > n;
        sqlite_fail_at = -1;
        /* Whatever was in flight is gone, the rest is whole. */
        hone_catalog *c = open_catalog(s);
        hone_error err = {0};
        if (use(c, &err) != HONE_OK) fail_msg("after failure %ld: %s", n, err.message);
        hone_catalog_close(c);
        if (!was_hit) {
            assert_int_equal(status, HONE_OK);
            break;
        }
        /* SQLite lives on where it can do without (a smaller cache), so it may also succeed. */
        assert_true(status == HONE_MEMORY || status == HONE_OK);
    }
    assert_true(failures > 10);
}

int main(void) {
    sqlite3_config(SQLITE_CONFIG_GETMALLOC, &usual);
    sqlite3_mem_methods fragile = usual;
    fragile.xMalloc = fragile_alloc;
    fragile.xRealloc = fragile_realloc;
    sqlite3_config(SQLITE_CONFIG_MALLOC, &fragile);
#define CASE(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)
    const struct CMUnitTest tests[] = {CASE(a_killed_writer_loses_nothing), CASE(every_allocation_of_ours_may_fail),
                                       CASE(sqlite_may_run_out_of_memory)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

int main(void) {
    return 0;
}

#endif
