/* SPDX-License-Identifier: Apache-2.0
 *
 * The catalog as its users see it: rows, queries, changes and the way back, and files that are none. */
#define _XOPEN_SOURCE 700
#include "catalog_test.h"

#if HONE_WITH_SQLITE

#include "catalog_internal.h"

#include <math.h>
#include <sys/stat.h>

static void wants(hone_catalog *catalog, const hone_catalog_query *query, const char *expected) {
    joined j = {""};
    hone_error err = {0};
    if (hone_catalog_each(catalog, query, join_path, &j, &err) != HONE_OK) fail_msg("%s", err.message);
    assert_string_equal(j.text, expected);
}

static void a_row_comes_back_as_it_was(void **state) {
    hone_catalog *c = open_catalog(*state);
    hone_picture in = {.path = "猫/ü 1%.png",
                       .sha256 = "ab",
                       .has_perceptual_hash = true,
                       .perceptual_hash = UINT64_C(0xfedcba9876543210),
                       .bytes = INT64_C(1) << 40,
                       .modified = -5,
                       .width = 640,
                       .height = 480,
                       .mode = "RGB",
                       .label = "猫",
                       .split = "validation",
                       .status = HONE_PICTURE_QUARANTINED,
                       .reason = "duplicate of x"};
    hone_picture out;
    assert_int_equal(hone_catalog_put(c, &in, NULL), HONE_OK);
    hone_catalog_close(c);
    c = open_catalog(*state);
    assert_int_equal(hone_catalog_find(c, "猫/ü 1%.png", &out, NULL), HONE_OK);
    assert_int_equal(out.id, in.id);
    assert_string_equal(out.sha256, "ab");
    assert_true(out.has_perceptual_hash && out.perceptual_hash == in.perceptual_hash);
    assert_true(out.bytes == in.bytes && out.modified == -5 && out.width == 640 && out.height == 480);
    assert_string_equal(out.mode, "RGB");
    assert_string_equal(out.label, "猫");
    assert_string_equal(out.split, "validation");
    assert_int_equal(out.status, HONE_PICTURE_QUARANTINED);
    assert_string_equal(out.reason, "duplicate of x");
    hone_picture_release(&out);
    assert_null(out.path);
    hone_picture bare = {.path = "bare"};
    assert_int_equal(hone_catalog_put(c, &bare, NULL), HONE_OK);
    assert_int_equal(hone_catalog_get(c, bare.id, &out, NULL), HONE_OK);
    assert_true(!out.sha256 && !out.mode && !out.label && !out.split && !out.reason && !out.has_perceptual_hash);
    hone_picture_release(&out);
    assert_int_equal(hone_catalog_find(c, "nowhere", &out, NULL), HONE_NOT_FOUND);
    assert_int_equal(hone_catalog_get(c, 99, &out, NULL), HONE_NOT_FOUND);
    hone_catalog_close(c);
}

static void putting_again_keeps_what_people_said(void **state) {
    hone_catalog *c = open_catalog(*state);
    hone_picture out;
    int64_t id = put(c, "a/1.png", "a", "train");
    assert_int_equal(hone_catalog_label(c, &id, 1, "b", NULL, NULL), HONE_OK);
    hone_picture again = {.path = "a/1.png", .bytes = 11, .label = "a", .split = "test", .reason = "no"};
    assert_int_equal(hone_catalog_put(c, &again, NULL), HONE_OK);
    assert_int_equal(again.id, id);
    assert_int_equal(hone_catalog_get(c, id, &out, NULL), HONE_OK);
    assert_string_equal(out.label, "b");
    assert_string_equal(out.split, "train");
    assert_true(out.bytes == 11 && !out.reason);
    hone_picture_release(&out);
    hone_catalog_close(c);
}

static void one_that_was_missing_gets_its_status_back(void **state) {
    hone_catalog *c = open_catalog(*state);
    hone_picture out;
    int64_t id = put(c, "a/1.png", "a", NULL);
    assert_int_equal(hone_catalog_set_status(c, &id, 1, HONE_PICTURE_QUARANTINED, "blurry", NULL, NULL), HONE_OK);
    assert_int_equal(hone_catalog_set_status(c, &id, 1, HONE_PICTURE_MISSING, NULL, NULL, NULL), HONE_OK);
    assert_int_equal(count(c, NULL), 0);
    assert_int_equal(put(c, "a/1.png", "a", NULL), id);
    assert_int_equal(hone_catalog_get(c, id, &out, NULL), HONE_OK);
    assert_int_equal(out.status, HONE_PICTURE_QUARANTINED);
    assert_string_equal(out.reason, "blurry");
    hone_picture_release(&out);
    hone_catalog_close(c);
}

static void queries(void **state) {
    hone_catalog *c = open_catalog(*state);
    int64_t ids[5];
    ids[0] = put(c, "a/1.png", "a", "train");
    ids[1] = put(c, "a/2_x.PNG", "a", "test");
    ids[2] = put(c, "b/3.png", "b", "train");
    ids[3] = put(c, "u/4.png", NULL, NULL);
    ids[4] = put(c, "b/5.png", "b", "train");
    hone_catalog_set_status(c, &ids[2], 1, HONE_PICTURE_QUARANTINED, "dark", NULL, NULL);
    hone_catalog_set_status(c, &ids[4], 1, HONE_PICTURE_MISSING, NULL, NULL, NULL);
    wants(c, NULL, "a/1.png a/2_x.PNG b/3.png u/4.png ");
    wants(c, &(hone_catalog_query){.label = "a"}, "a/1.png a/2_x.PNG ");
    wants(c, &(hone_catalog_query){.label = "A"}, "");
    wants(c, &(hone_catalog_query){.unlabelled = true}, "u/4.png ");
    wants(c, &(hone_catalog_query){.split = "train"}, "a/1.png b/3.png ");
    wants(c, &(hone_catalog_query){.label = "a", .split = "test"}, "a/2_x.PNG ");
    wants(c, &(hone_catalog_query){.with_status = true}, "a/1.png a/2_x.PNG u/4.png ");
    wants(c, &(hone_catalog_query){.with_status = true, .status = HONE_PICTURE_MISSING}, "b/5.png ");
    wants(c, &(hone_catalog_query){.search = "png"}, "a/1.png a/2_x.PNG b/3.png u/4.png ");
    wants(c, &(hone_catalog_query){.search = "_"}, "a/2_x.PNG "); /* LIKE's own signs mean themselves */
    wants(c, &(hone_catalog_query){.search = "%"}, "");
    wants(c, &(hone_catalog_query){.limit = 2}, "a/1.png a/2_x.PNG ");
    wants(c, &(hone_catalog_query){.limit = 2, .offset = 1}, "a/2_x.PNG b/3.png ");
    wants(c, &(hone_catalog_query){.after = ids[1]}, "b/3.png u/4.png ");
    assert_int_equal(count(c, NULL), 4);
    assert_int_equal(count(c, &(hone_catalog_query){.label = "a", .limit = 1}), 2);
    assert_int_equal(count(c, &(hone_catalog_query){.search = "A/"}), 2);
    assert_int_equal(hone_catalog_count(c, &(hone_catalog_query){.limit = -1}, &ids[0], NULL), HONE_ARGUMENT);
    hone_catalog_close(c);
}

static void scores_sort(void **state) {
    hone_catalog *c = open_catalog(*state);
    int64_t a = put(c, "a", NULL, NULL), b = put(c, "b", "x", NULL), d = put(c, "d", NULL, NULL);
    double value;
    put(c, "without", NULL, NULL);
    hone_catalog_set_score(c, a, "uncertainty", 0.5, NULL);
    hone_catalog_set_score(c, b, "uncertainty", 0.25, NULL);
    hone_catalog_set_score(c, d, "uncertainty", 0.5, NULL);
    hone_catalog_set_score(c, b, "label", 1, NULL);
    hone_catalog_set_score(c, b, "uncertainty", 0.75, NULL);
    wants(c, &(hone_catalog_query){.score = "uncertainty"}, "b a d ");
    wants(c, &(hone_catalog_query){.score = "uncertainty", .ascending = true}, "a d b ");
    wants(c, &(hone_catalog_query){.score = "uncertainty", .unlabelled = true, .limit = 1}, "a ");
    wants(c, &(hone_catalog_query){.score = "none"}, "");
    assert_int_equal(count(c, &(hone_catalog_query){.score = "uncertainty"}), 3);
    assert_int_equal(hone_catalog_score(c, b, "uncertainty", &value, NULL), HONE_OK);
    assert_true(value == 0.75);
    assert_int_equal(hone_catalog_clear_scores(c, "uncertainty", NULL), HONE_OK);
    assert_int_equal(hone_catalog_score(c, b, "uncertainty", &value, NULL), HONE_NOT_FOUND);
    assert_int_equal(hone_catalog_score(c, b, "label", &value, NULL), HONE_OK);
    assert_int_equal(hone_catalog_set_score(c, 99, "label", 1, NULL), HONE_NOT_FOUND);
    assert_int_equal(hone_catalog_set_score(c, b, "label", NAN, NULL), HONE_NUMERIC);
    assert_int_equal(hone_catalog_each(c, &(hone_catalog_query){.score = "label", .after = 1}, join_path, NULL, NULL),
                     HONE_ARGUMENT);
    hone_catalog_close(c);
}

static void suggestions(void **state) {
    hone_catalog *c = open_catalog(*state);
    int64_t a = put(c, "a", NULL, NULL);
    char label[8];
    double confidence;
    assert_int_equal(hone_catalog_suggestion(c, a, label, sizeof label, &confidence, NULL), HONE_NOT_FOUND);
    assert_int_equal(hone_catalog_suggest(c, a, "cat", 0.5, NULL), HONE_OK);
    assert_int_equal(hone_catalog_suggest(c, a, "dog", 0.875, NULL), HONE_OK);
    assert_int_equal(hone_catalog_suggestion(c, a, label, sizeof label, &confidence, NULL), HONE_OK);
    assert_string_equal(label, "dog");
    assert_true(confidence == 0.875);
    assert_int_equal(hone_catalog_suggestion(c, a, label, 3, &confidence, NULL), HONE_LIMIT);
    assert_int_equal(hone_catalog_suggest(c, a, NULL, 0, NULL), HONE_OK);
    assert_int_equal(hone_catalog_suggestion(c, a, label, sizeof label, &confidence, NULL), HONE_NOT_FOUND);
    assert_int_equal(hone_catalog_suggest(c, 77, "cat", 1, NULL), HONE_NOT_FOUND);
    hone_catalog_close(c);
}

/* "b:2 a:1 " */
static hone_status join_class(void *context, const char *name, int64_t pictures, hone_error *err) {
    joined *j = context;
    (void)err;
    size_t used = strlen(j->text);
    snprintf(j->text + used, sizeof j->text - used, "%s:%lld ", name, (long long)pictures);
    return HONE_OK;
}

static void classes(void **state) {
    hone_catalog *c = open_catalog(*state);
    joined j = {""};
    const char *declared[] = {"zebra", "ant"}, *twice[] = {"a", "a"}, *empty[] = {""};
    int64_t gone;
    put(c, "1", "cow", NULL), put(c, "2", "ant", NULL), put(c, "3", "bee", NULL), put(c, "4", "cow", NULL);
    gone = put(c, "5", "ghost", NULL);
    hone_catalog_set_status(c, &gone, 1, HONE_PICTURE_MISSING, NULL, NULL, NULL);
    assert_int_equal(hone_catalog_set_classes(c, declared, 2, NULL), HONE_OK);
    assert_int_equal(hone_catalog_set_classes(c, twice, 2, NULL), HONE_ARGUMENT);
    assert_int_equal(hone_catalog_set_classes(c, empty, 1, NULL), HONE_ARGUMENT);
    assert_int_equal(hone_catalog_each_class(c, join_class, &j, NULL), HONE_OK);
    assert_string_equal(j.text, "zebra:0 ant:1 bee:1 cow:2 ");
    hone_catalog_close(c);
}

/* "what:from>to:who " newest first */
static hone_status join_entry(void *context, const hone_catalog_entry *e, hone_error *err) {
    joined *j = context;
    (void)err;
    size_t used = strlen(j->text);
    snprintf(j->text + used, sizeof j->text - used, "%s:%s>%s:%s ", e->what, e->from ? e->from : "-",
             e->to ? e->to : "-", e->who);
    return HONE_OK;
}

static void history_and_the_way_back(void **state) {
    hone_catalog *c = open_catalog(*state);
    hone_picture p;
    joined j = {""};
    int64_t ids[3] = {put(c, "1", "a", NULL), put(c, "2", "b", NULL), put(c, "3", NULL, NULL)};
    int64_t change, nothing, undo, redo, alone;
    assert_int_equal(hone_catalog_label(c, ids, 3, "b", &change, NULL), HONE_OK);
    assert_true(change > 0);
    assert_int_equal(count(c, &(hone_catalog_query){.label = "b"}), 3);
    assert_int_equal(hone_catalog_label(c, ids, 3, "b", &nothing, NULL), HONE_OK);
    assert_int_equal(nothing, 0);
    /* Somebody changes one since: it stays as that person has it. */
    hone_catalog_set_who(c, "bob", NULL);
    assert_int_equal(hone_catalog_label(c, &ids[2], 1, "c", NULL, NULL), HONE_OK);
    assert_int_equal(hone_catalog_revert(c, change, &undo, &alone, NULL), HONE_OK);
    assert_int_equal(alone, 1);
    assert_int_equal(hone_catalog_get(c, ids[0], &p, NULL), HONE_OK);
    assert_string_equal(p.label, "a");
    hone_picture_release(&p);
    assert_int_equal(hone_catalog_get(c, ids[2], &p, NULL), HONE_OK);
    assert_string_equal(p.label, "c");
    hone_picture_release(&p);
    assert_int_equal(hone_catalog_revert(c, undo, &redo, &alone, NULL), HONE_OK);
    assert_int_equal(alone, 0);
    assert_int_equal(hone_catalog_history(c, ids[0], 0, join_entry, &j, NULL), HONE_OK);
    assert_string_equal(j.text, "label:a>b:bob label:b>a:bob label:a>b:ann ");
    j.text[0] = '\0';
    assert_int_equal(hone_catalog_history(c, 0, 2, join_entry, &j, NULL), HONE_OK);
    assert_string_equal(j.text, "label:a>b:bob label:b>a:bob ");
    assert_int_equal(hone_catalog_revert(c, 999, NULL, NULL, NULL), HONE_NOT_FOUND);
    hone_catalog_close(c);
}

static void a_quarantine_comes_back_with_its_reason(void **state) {
    hone_catalog *c = open_catalog(*state);
    hone_picture p;
    int64_t id = put(c, "1", "a", NULL), first, second, undo;
    hone_catalog_set_status(c, &id, 1, HONE_PICTURE_QUARANTINED, "dark", &first, NULL);
    hone_catalog_set_status(c, &id, 1, HONE_PICTURE_QUARANTINED, "blurry", &second, NULL);
    assert_true(second > first);
    assert_int_equal(hone_catalog_revert(c, second, &undo, NULL, NULL), HONE_OK);
    assert_int_equal(hone_catalog_get(c, id, &p, NULL), HONE_OK);
    assert_string_equal(p.reason, "dark");
    hone_picture_release(&p);
    assert_int_equal(hone_catalog_revert(c, first, NULL, NULL, NULL), HONE_OK);
    assert_int_equal(hone_catalog_get(c, id, &p, NULL), HONE_OK);
    assert_int_equal(p.status, HONE_PICTURE_OK);
    assert_null(p.reason);
    hone_picture_release(&p);
    hone_catalog_close(c);
}

static void a_change_is_whole_or_not_at_all(void **state) {
    hone_catalog *c = open_catalog(*state);
    int64_t ids[2] = {put(c, "1", "a", NULL), 4711}, change = 7;
    hone_error err;
    assert_int_equal(hone_catalog_label(c, ids, 2, "b", &change, &err), HONE_NOT_FOUND);
    assert_non_null(strstr(err.message, "4711"));
    assert_int_equal(change, 0);
    assert_int_equal(count(c, &(hone_catalog_query){.label = "a"}), 1);
    /* Also inside somebody's transaction, which goes on. */
    assert_int_equal(hone_catalog_begin(c, NULL), HONE_OK);
    assert_int_equal(hone_catalog_begin(c, NULL), HONE_ARGUMENT);
    put(c, "2", "a", NULL);
    assert_int_equal(hone_catalog_label(c, ids, 2, "b", &change, NULL), HONE_NOT_FOUND);
    assert_int_equal(hone_catalog_commit(c, NULL), HONE_OK);
    assert_int_equal(count(c, &(hone_catalog_query){.label = "a"}), 2);
    assert_int_equal(hone_catalog_commit(c, NULL), HONE_ARGUMENT);
    assert_int_equal(hone_catalog_begin(c, NULL), HONE_OK);
    assert_int_equal(hone_catalog_label(c, ids, 1, "b", NULL, NULL), HONE_OK);
    hone_catalog_rollback(c);
    assert_int_equal(count(c, &(hone_catalog_query){.label = "a"}), 2);
    joined j = {""};
    assert_int_equal(hone_catalog_history(c, 0, 0, join_entry, &j, NULL), HONE_OK);
    assert_string_equal(j.text, "");
    hone_catalog_close(c);
}

static void what_makes_no_sense_is_refused(void **state) {
    hone_catalog *c = open_catalog(*state);
    static const char *const paths[] = {"", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "a/", ".."};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        hone_picture p = {.path = paths[i]};
        assert_int_equal(hone_catalog_put(c, &p, NULL), HONE_ARGUMENT);
    }
    hone_picture fine = {.path = "..a/b..c/..."};
    assert_int_equal(hone_catalog_put(c, &fine, NULL), HONE_OK);
    char label[300];
    memset(label, 'x', sizeof label);
    label[256] = '\0';
    assert_int_equal(hone_catalog_label(c, &fine.id, 1, label, NULL, NULL), HONE_LIMIT);
    assert_int_equal(hone_catalog_label(c, &fine.id, 1, "", NULL, NULL), HONE_ARGUMENT);
    assert_int_equal(hone_catalog_set_split(c, &fine.id, 1, "val", NULL, NULL), HONE_ARGUMENT);
    assert_int_equal(hone_catalog_set_status(c, &fine.id, 1, (hone_picture_status)9, NULL, NULL, NULL), HONE_ARGUMENT);
    hone_catalog_close(c);
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

static void opening(void **state) {
    const scratch *s = *state;
    hone_catalog *c;
    hone_error err;
    assert_false(hone_catalog_exists(s->folder));
    hone_catalog_config look = {.create = false};
    assert_int_equal(hone_catalog_open(&c, s->folder, &look, &err), HONE_NOT_FOUND);
    assert_null(c);
    assert_int_equal(hone_catalog_open(&c, "/nonexistent-folder", NULL, &err), HONE_NOT_FOUND);
    assert_int_equal(hone_catalog_open(&c, NULL, NULL, &err), HONE_ARGUMENT);
    hone_catalog_close(open_catalog(s));
    assert_true(hone_catalog_exists(s->folder));
    look.read_only = true;
    assert_int_equal(hone_catalog_open(&c, s->folder, &look, &err), HONE_OK);
    hone_picture p = {.path = "a"};
    assert_int_equal(hone_catalog_put(c, &p, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "reading only"));
    assert_int_equal(count(c, NULL), 0);
    hone_catalog_close(c);
    hone_catalog_close(NULL);
}

static void a_file_elsewhere_knows_its_folder(void **state) {
    const scratch *s = *state;
    char pictures[80], file[80];
    hone_catalog *c;
    snprintf(pictures, sizeof pictures, "%s/pictures", s->folder);
    snprintf(file, sizeof file, "%s/x?y#z.db", s->folder);
    assert_int_equal(mkdir(pictures, 0777), 0);
    hone_catalog_config config = {.create = true, .file = file};
    assert_int_equal(hone_catalog_open(&c, pictures, &config, NULL), HONE_OK);
    hone_catalog_close(c);
    config.read_only = true;
    assert_int_equal(hone_catalog_open(&c, NULL, &config, NULL), HONE_OK);
    assert_string_equal(hone_catalog_folder(c), pictures);
    assert_string_equal(hone_catalog_file(c), file);
    hone_catalog_close(c);
    /* One that lies among its pictures moves with them. */
    config = (hone_catalog_config){.create = true, .file = s->file};
    assert_int_equal(hone_catalog_open(&c, s->folder, &config, NULL), HONE_OK);
    hone_catalog_close(c);
    assert_int_equal(hone_catalog_open(&c, NULL, &config, NULL), HONE_OK);
    assert_string_equal(hone_catalog_folder(c), s->folder);
    hone_catalog_close(c);
}

static void run_sql(const char *file, const char *sql) {
    sqlite3 *db;
    assert_int_equal(sqlite3_open(file, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
}

static hone_status open_status(const scratch *s, hone_error *err) {
    hone_catalog *c;
    hone_status status = hone_catalog_open(&c, s->folder, NULL, err);
    hone_catalog_close(c);
    return status;
}

static void files_that_are_no_catalog(void **state) {
    const scratch *s = *state;
    hone_error err;
    FILE *f = fopen(s->file, "w");
    for (int i = 0; i < 2000; i++) fputs("not a database ", f);
    fclose(f);
    assert_int_equal(open_status(s, &err), HONE_FORMAT);
    remove(s->file);
    run_sql(s->file, "CREATE TABLE songs(title)");
    assert_int_equal(open_status(s, &err), HONE_FORMAT);
    assert_non_null(strstr(err.message, "another program"));
    remove(s->file);
    hone_catalog_close(open_catalog(s));
    run_sql(s->file, "PRAGMA user_version=99");
    assert_int_equal(open_status(s, &err), HONE_UNSUPPORTED);
    assert_non_null(strstr(err.message, "newer hone"));
    remove(s->file);
    assert_int_equal(mkdir(s->file, 0777), 0);
    assert_int_equal(open_status(s, &err), HONE_IO);
}

/* A catalog from a stranger must not lead anybody to files outside its folder. */
static void a_hostile_catalog_is_caught(void **state) {
    hone_catalog *c = open_catalog(*state);
    hone_picture p;
    hone_error err;
    joined j = {""};
    put(c, "1", NULL, NULL);
    hone_catalog_close(c);
    run_sql(((scratch *)*state)->file, "UPDATE pictures SET path='../../etc/passwd'");
    c = open_catalog(*state);
    assert_int_equal(hone_catalog_each(c, NULL, join_path, &j, &err), HONE_FORMAT);
    assert_non_null(strstr(err.message, "leads out"));
    assert_int_equal(hone_catalog_get(c, 1, &p, NULL), HONE_FORMAT);
    hone_catalog_close(c);
    run_sql(((scratch *)*state)->file, "UPDATE pictures SET path='1', status=9");
    c = open_catalog(*state);
    assert_int_equal(hone_catalog_get(c, 1, &p, NULL), HONE_FORMAT);
    hone_catalog_close(c);
}

static void an_older_schema_is_brought_up(void **state) {
    const scratch *s = *state;
    static const char *const texts[] = {"CREATE TABLE t(a); INSERT INTO t VALUES(1)", "ALTER TABLE t ADD b DEFAULT 2",
                                        "CREATE TABLE nonsense("};
    sqlite3 *db;
    hone_error err;
    assert_int_equal(sqlite3_open(s->file, &db), SQLITE_OK);
    assert_int_equal(hone__schema_migrate(db, s->file, texts, 1, false, &err), HONE_OK);
    assert_int_equal(sqlite3_exec(db, "SELECT b FROM t", NULL, NULL, NULL), SQLITE_ERROR);
    assert_int_equal(hone__schema_migrate(db, s->file, texts, 2, true, &err), HONE_UNSUPPORTED);
    assert_int_equal(hone__schema_migrate(db, s->file, texts, 2, false, &err), HONE_OK);
    assert_int_equal(sqlite3_exec(db, "SELECT b FROM t", NULL, NULL, NULL), SQLITE_OK);
    /* One that fails leaves the file at the version that it had. */
    assert_int_not_equal(hone__schema_migrate(db, s->file, texts, 3, false, &err), HONE_OK);
    assert_int_equal(hone__schema_migrate(db, s->file, texts, 2, false, &err), HONE_OK);
    assert_int_equal(hone__schema_migrate(db, s->file, texts, 1, false, &err), HONE_UNSUPPORTED);
    sqlite3_close(db);
}

static void two_may_have_it_open(void **state) {
    hone_catalog *a = open_catalog(*state), *b = open_catalog(*state);
    int64_t id = put(a, "1", "x", NULL);
    assert_int_equal(count(b, NULL), 1);
    assert_int_equal(hone_catalog_label(b, &id, 1, "y", NULL, NULL), HONE_OK);
    /* A reader sees the state before until the writer commits. */
    assert_int_equal(hone_catalog_begin(a, NULL), HONE_OK);
    put(a, "2", "x", NULL);
    assert_int_equal(count(b, NULL), 1);
    assert_int_equal(hone_catalog_commit(a, NULL), HONE_OK);
    assert_int_equal(count(b, NULL), 2);
    assert_int_equal(count(a, &(hone_catalog_query){.label = "y"}), 1);
    hone_catalog_close(a);
    hone_catalog_close(b);
}

int main(void) {
#define CASE(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)
    const struct CMUnitTest tests[] = {CASE(a_row_comes_back_as_it_was),
                                       CASE(putting_again_keeps_what_people_said),
                                       CASE(one_that_was_missing_gets_its_status_back),
                                       CASE(queries),
                                       CASE(scores_sort),
                                       CASE(suggestions),
                                       CASE(classes),
                                       CASE(history_and_the_way_back),
                                       CASE(a_quarantine_comes_back_with_its_reason),
                                       CASE(a_change_is_whole_or_not_at_all),
                                       CASE(what_makes_no_sense_is_refused),
                                       CASE(opening),
                                       CASE(a_file_elsewhere_knows_its_folder),
                                       CASE(files_that_are_no_catalog),
                                       CASE(a_hostile_catalog_is_caught),
                                       CASE(an_older_schema_is_brought_up),
                                       CASE(two_may_have_it_open)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#else

static void it_says_what_was_left_out(void **state) {
    (void)state;
    hone_catalog *c;
    hone_error err;
    assert_int_equal(hone_catalog_open(&c, "/tmp", NULL, &err), HONE_UNSUPPORTED);
    assert_null(c);
    assert_non_null(strstr(err.message, "HONE_WITH_SQLITE"));
    assert_false(hone_catalog_exists("/tmp"));
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_says_what_was_left_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

#endif
