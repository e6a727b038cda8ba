/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs: what is left behind, also by a process that died, is read back; what is no run is passed over. */
#define _XOPEN_SOURCE 700
#include "test.h"

#include <hone/runs.h>

#include "core_internal.h"
#include "file.h"
#include "folder.h"

#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

static char folder[FOLDER_SIZE];

static int make_folder(void **state) {
    (void)state;
    return folder_make(folder, "runs");
}

static int remove_folder(void **state) {
    (void)state;
    return folder_remove(folder);
}

static hone_value *config(void) {
    hone_value *v = hone_value_object(), *arguments = hone_value_list();
    hone_value_append(arguments, hone_value_string("digits"));
    hone_value_append(arguments, hone_value_string("<&>"));
    hone_value_set(v, "arguments", arguments);
    return v;
}

static hone_run *begin(void) {
    hone_run *run;
    hone_error err = {0};
    hone_value *v = config();
    if (hone_run_begin(&run, folder, v, &err) != HONE_OK) fail_msg("%s", err.message);
    hone_value_free(v);
    return run;
}

static hone_value *list(size_t expected) {
    hone_value *runs;
    assert_int_equal(hone_runs_list(&runs, folder, NULL), HONE_OK);
    assert_int_equal(hone_value_count(runs), expected);
    return runs;
}

static const char *status_of(const hone_value *runs, const char *id) {
    const hone_value *run;
    hone_error err = {0};
    if (hone_runs_find(&run, runs, id, &err) != HONE_OK) fail_msg("%s", err.message);
    return hone_value_as_string(hone_value_get(run, "status"));
}

static hone_model *network(uint64_t seed) {
    hone_model *model;
    hone_shape shape = {1, {4}};
    assert_int_equal(hone_model_create(&model, NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_input(model, &shape, NULL), HONE_OK);
    assert_int_equal(hone_model_dense(model, 3, "softmax", NULL), HONE_OK);
    assert_int_equal(hone_model_build(model, seed, NULL), HONE_OK);
    return model;
}

static void test_a_run_is_read_back(void **state) {
    (void)state;
    hone_run *run = begin();
    hone_model *model = network(1);
    hone_value *results = hone_value_object();
    char id[32], hash[65];
    snprintf(id, sizeof id, "%s", hone_run_id(run));
    assert_int_equal(strlen(id), 12);
    hone_value_set_real(results, "seconds", 1.5);
    assert_int_equal(hone_run_finish(run, "done", model, NULL, results, NULL), HONE_OK);
    hone_run_free(run);
    hone_value_free(results);

    hone_value *runs = list(1);
    const hone_value *back;
    assert_int_equal(hone_runs_find(&back, runs, "", NULL), HONE_NOT_FOUND);
    id[4] = '\0';
    assert_int_equal(hone_runs_find(&back, runs, id, NULL), HONE_OK);
    hone_model_hash(model, hash);
    assert_string_equal(hone_value_as_string(hone_value_get(back, "weights_sha256")), hash);
    assert_string_equal(hone_value_as_string(hone_value_get(back, "status")), "done");
    hone_value *expected = config();
    assert_true(hone_value_equal(hone_value_get(back, "config"), expected));
    hone_value_free(expected);
    char *file = hone__join_path(hone_value_as_string(hone_value_get(back, "path")), "model.h5");
    assert_true(hone__file_exists(file));
    hone__free(file);
    hone_value_free(runs);
    hone_model_free(model);
}

static void test_the_hash_tells_models_apart(void **state) {
    (void)state;
    hone_model *a = network(1), *b = network(1), *c = network(2);
    char x[65], y[65], z[65];
    hone_model_hash(a, x);
    hone_model_hash(b, y);
    hone_model_hash(c, z);
    assert_string_equal(x, y);
    assert_string_not_equal(x, z);
    hone_model_free(a);
    hone_model_free(b);
    hone_model_free(c);
}

/* The lock is asked by another process than the one that holds it, as by hone runs beside a training. */
static void test_who_is_alive(void **state) {
    (void)state;
    int ready[2], go[2];
    char byte = 0, id[13] = {0};
    assert_int_equal(pipe(ready) + pipe(go), 0);
    pid_t child = fork();
    if (child == 0) {
        hone_run *run = begin();
        bool ok = write(ready[1], hone_run_id(run), 12) == 12 && read(go[0], &byte, 1) == 1;
        _exit(!ok); /* without a word: the power went */
    }
    assert_int_equal(read(ready[0], id, 12), 12);
    hone_value *runs = list(1);
    assert_string_equal(status_of(runs, id), "running");
    hone_value_free(runs);
    assert_int_equal(write(go[1], "x", 1), 1);
    waitpid(child, NULL, 0);
    runs = list(1);
    assert_string_equal(status_of(runs, id), "died");
    hone_value_free(runs);
    for (int i = 0; i < 2; i++) close(ready[i]), close(go[i]);
}

static void test_a_run_that_is_dropped_has_failed(void **state) {
    (void)state;
    hone_run *run = begin();
    char id[32];
    snprintf(id, sizeof id, "%s", hone_run_id(run));
    hone_run_free(run);
    hone_value *runs = list(1);
    assert_string_equal(status_of(runs, id), "failed");
    hone_value_free(runs);
}

static void write_into(const char *name, const char *file, const char *text) {
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    assert_int_equal(hone__make_folders(path, NULL), HONE_OK);
    snprintf(path, sizeof path, "%s/%s/%s", folder, name, file);
    assert_int_equal(hone__file_write(path, text, strlen(text), NULL), HONE_OK);
}

static void test_ugly_folders(void **state) {
    (void)state;
    write_into("empty", "other.txt", "");
    write_into("torn", "run.json", "{\"id\": \"12");
    write_into("array", "run.json", "[1, 2]");
    write_into("nameless", "run.json", "{\"status\": \"done\", \"started\": \"2026\"}");
    write_into("aa11", "run.json", "{\"id\": \"aa11\", \"status\": \"done\", \"started\": \"2026-02\"}");
    write_into("aa11", "metrics.jsonl", "{\"loss\": 2.0}\n{\"loss\": 1.0}\n{\"lo"); /* the last line was cut */
    write_into("aa22", "run.json", "{\"id\": \"aa22\", \"status\": \"done\", \"started\": \"2026-01\"}");
    hone_value *runs = list(2);
    const hone_value *run;
    assert_string_equal(hone_value_as_string(hone_value_get(hone_value_at(runs, 0), "id")), "aa22"); /* the oldest */
    assert_int_equal(hone_value_count(hone_value_get(hone_value_at(runs, 1), "epochs")), 2);
    assert_int_equal(hone_runs_find(&run, runs, "aa", NULL), HONE_ARGUMENT);
    assert_int_equal(hone_runs_find(&run, runs, "b", NULL), HONE_NOT_FOUND);

    const hone_value *both[] = {hone_value_at(runs, 0), hone_value_at(runs, 1)};
    char path[128];
    snprintf(path, sizeof path, "%s/page.html", folder);
    assert_int_equal(hone_runs_write_html(both, 2, path, NULL), HONE_OK);
    assert_true(hone__file_exists(path));
    hone_value_free(runs);

    assert_int_equal(hone_runs_list(&runs, "/nowhere/at/all", NULL), HONE_OK);
    assert_int_equal(hone_value_count(runs), 0);
    hone_value_free(runs);
}

static hone_status everything(void *context) {
    hone_run *run = NULL;
    hone_value *runs = NULL, *v = config();
    (void)context;
    hone_status status = hone_value_failed(v) ? HONE_MEMORY : hone_run_begin(&run, folder, v, NULL);
    if (status == HONE_OK) status = hone_run_finish(run, "done", NULL, NULL, v, NULL);
    hone_run_free(run);
    hone_value_free(v);
    if (status == HONE_OK) status = hone_runs_list(&runs, folder, NULL);
    hone_value_free(runs);
    return status;
}

static void test_memory(void **state) {
    (void)state;
    test_allocator a;
    for (long n = 0; n < 400; n++) { /* a list passes over what it has no memory to read, so the status may be good */
        test_allocator_install(&a, n);
        hone_status status = everything(NULL);
        long live = atomic_load(&a.live);
        bool failed_once = atomic_load(&a.count) > n;
        test_allocator_remove();
        assert_int_equal(live, 0);
        assert_true(status == HONE_OK || (failed_once && status == HONE_MEMORY));
        assert_int_equal(remove_folder(NULL), 0);
        assert_int_equal(make_folder(NULL), 0);
        if (!failed_once) return;
    }
    fail_msg("it never came to an end");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_a_run_is_read_back, make_folder, remove_folder),
        cmocka_unit_test(test_the_hash_tells_models_apart),
        cmocka_unit_test_setup_teardown(test_who_is_alive, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_a_run_that_is_dropped_has_failed, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_ugly_folders, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_memory, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
