/* SPDX-License-Identifier: Apache-2.0
 *
 * What several versions of Keras wrote of the same two models (tests/golden/versions), in every kind of file; and every
 * kind of file that hone writes of them: the same model arrives, and a second writing gives the same bytes. */
#define _POSIX_C_SOURCE 200809L /* opendir, mkdtemp */

#include "test.h"

#include "file.h"
#include "format_internal.h"

#include <dirent.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/hone-versions-XXXXXX";
static const char *const models[] = {"chain", "graph"};

static char *place(const char *version, const char *model, const char *suffix) {
    char *path = hone__asprintf("%sversions/%s/%s%s", HONE_TEST_GOLDEN, version, model, suffix);
    assert_non_null(path);
    return path;
}

static hone_model *load(const char *path, hone_compiled *compiled) {
    hone_model *model;
    hone_error err = {0};
    if (hone_model_load(&model, path, compiled, &err) != HONE_OK) fail_msg("%s", err.message);
    return model;
}

/* Every version has four samples of 8x8x3 and three classes. */
enum { SAMPLES = 4, INPUTS = 8 * 8 * 3, OUTPUTS = 3 };

static void compare(hone_model *model, const char *version, const char *name, const char *what) {
    float x[SAMPLES * INPUTS], expected[SAMPLES * OUTPUTS], y[SAMPLES * OUTPUTS];
    unsigned char *bytes;
    size_t size;
    hone__h5 *h5;
    hone_plan *plan;
    hone_error err = {0};
    char *path = place(version, name, ".expected.h5");
    assert_int_equal(hone__file_read(path, HONE_MAX_MODEL_FILE, &bytes, &size, NULL), HONE_OK);
    assert_int_equal(hone__h5_open(&h5, bytes, size, NULL), HONE_OK);
    assert_int_equal(hone__h5_read_floats(h5, "/golden/inputs", x, SAMPLES * INPUTS, NULL), HONE_OK);
    assert_int_equal(hone__h5_read_floats(h5, "/golden/outputs", expected, SAMPLES * OUTPUTS, NULL), HONE_OK);
    hone__h5_close(h5);
    hone__free(bytes);
    hone__free(path);
    if (hone_plan_create(&plan, model, NULL, &err) != HONE_OK) fail_msg("%s", err.message);
    hone_plan_predict(plan, x, SAMPLES, y);
    hone_plan_free(plan);
    for (size_t i = 0; i < SAMPLES * OUTPUTS; i++)
        if (!(fabs((double)y[i] - (double)expected[i]) <= 1e-5))
            fail_msg("%s, %s, %s: output %zu is %g, Keras' %g", version, name, what, i, (double)y[i],
                     (double)expected[i]);
}

static void take_weights(hone_model *model, const char *path, bool by_name) {
    hone_error err = {0};
    hone_weights_options options = {.by_name = by_name};
    hone_weights_report report;
    if (hone_model_load_weights(model, path, &options, &report, &err) != HONE_OK) fail_msg("%s", err.message);
    assert_true(report.loaded > 0);
    assert_int_equal(report.skipped + report.missing, 0);
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static void whole_models(const char *version, const char *name) {
    static const char *const suffixes[] = {".h5", ".keras"};
    for (size_t i = 0; i < 2; i++) {
        hone_compiled compiled;
        char *path = place(version, name, suffixes[i]);
        hone_model *model = load(path, &compiled);
        compare(model, version, name, suffixes[i]);
        bool chain = strcmp(name, "chain") == 0;
        assert_int_equal(compiled.has_optimizer, chain);
        assert_int_equal(compiled.has_loss, chain);
        if (chain) {
            assert_int_equal(compiled.optimizer.kind, HONE_OPTIMIZER_ADAM);
            assert_int_equal(compiled.loss.kind, HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY);
            assert_int_equal(compiled.metric_count, 1);
        }
        hone_model_free(model);
        hone__free(path);
    }
}

static void architecture_and_weights(const char *version, const char *name) {
    static const char *const suffixes[] = {".weights.h5", ".legacy-weights.h5", ".keras", ".h5"};
    for (size_t i = 0; i < 4; i++) {
        char *json = place(version, name, ".json"), *weights = place(version, name, suffixes[i]);
        /* Keras' own names of layers in this layout: since 3.6 */
        bool named = i == 1 || i == 3 || strcmp(version, "keras-3.6.0") == 0 || strcmp(version, "keras-3.9.2") == 0 ||
                     strcmp(version, "keras-3.15.1") == 0;
        if (hone__file_exists(weights)) {
            for (int by_name = 0; by_name <= named; by_name++) {
                hone_model *model = load(json, NULL);
                take_weights(model, weights, by_name);
                compare(model, version, name, suffixes[i]);
                hone_model_free(model);
            }
        }
        hone__free(json);
        hone__free(weights);
    }
}

/* The optimizer's arrays of a .keras are those of the .h5. */
static void optimizers(const char *version, const char *name) {
    hone__optimizer_state a = {0}, b = {0};
    hone_compiled compiled;
    unsigned char *bytes;
    size_t size;
    hone__archive archive;
    hone_error err = {0};
    if (strcmp(name, "chain") != 0) return;
    char *archive_path = place(version, name, ".keras"), *h5_path = place(version, name, ".h5");
    hone_model *model = load(archive_path, &compiled);
    assert_int_equal(hone__file_read(archive_path, HONE_MAX_MODEL_FILE, &bytes, &size, NULL), HONE_OK);
    assert_int_equal(hone__archive_open(&archive, bytes, size, NULL), HONE_OK);
    if (hone__keras3_read_optimizer(archive.h5, model, &compiled.optimizer, &a, &err) != HONE_OK)
        fail_msg("%s: %s", version, err.message);
    assert_int_equal(hone__archive_finish(&archive, HONE_OK, &err), HONE_OK);
    hone__free(bytes);
    hone__h5 *h5;
    assert_int_equal(hone__file_read(h5_path, HONE_MAX_MODEL_FILE, &bytes, &size, NULL), HONE_OK);
    assert_int_equal(hone__h5_open(&h5, bytes, size, NULL), HONE_OK);
    if (hone__keras_read_optimizer(h5, model, &b, &err) != HONE_OK) fail_msg("%s: %s", version, err.message);
    hone__h5_close(h5);
    hone__free(bytes);
    assert_int_equal(a.iterations, 2);
    assert_int_equal(b.iterations, 2);
    for (int kind = HONE_SLOT_MOMENTUM; kind <= HONE_SLOT_VELOCITY; kind++) {
        assert_non_null(a.slots[kind]);
        assert_non_null(b.slots[kind]);
        assert_memory_equal(a.slots[kind], b.slots[kind], model->data_size * sizeof(float));
    }
    hone__optimizer_state_release(&a);
    hone__optimizer_state_release(&b);
    hone_model_free(model);
    hone__free(archive_path);
    hone__free(h5_path);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static void assert_same_file(const char *a, const char *b) {
    unsigned char *x, *y;
    size_t m, n;
    assert_int_equal(hone__file_read(a, HONE_MAX_MODEL_FILE, &x, &m, NULL), HONE_OK);
    assert_int_equal(hone__file_read(b, HONE_MAX_MODEL_FILE, &y, &n, NULL), HONE_OK);
    assert_int_equal(m, n);
    assert_memory_equal(x, y, m);
    hone__free(x);
    hone__free(y);
}

static void export_as(const hone_model *model, const hone_compiled *compiled, const char *path,
                      hone_file_format format) {
    hone_error err = {0};
    if (hone_model_export(model, compiled, path, format, &err) != HONE_OK) fail_msg("%s", err.message);
}

static void every_format(const char *version, const char *name) {
    char first[64], second[64], json[64];
    hone_compiled compiled;
    char *path = place(version, name, ".keras");
    hone_model *model = load(path, &compiled);
    snprintf(first, sizeof first, "%s/first", folder);
    snprintf(second, sizeof second, "%s/second", folder);
    snprintf(json, sizeof json, "%s/json", folder);
    export_as(model, NULL, json, HONE_FILE_JSON);
    for (int format = HONE_FILE_H5; format <= HONE_FILE_LEGACY_WEIGHTS; format++) {
        export_as(model, &compiled, first, (hone_file_format)format);
        hone_model *again;
        hone_compiled compiled_again = compiled;
        if (format == HONE_FILE_WEIGHTS || format == HONE_FILE_LEGACY_WEIGHTS) {
            again = load(json, NULL);
            take_weights(again, first, false);
            compare(again, version, name, hone_file_format_name((hone_file_format)format));
            hone_model_free(again);
            again = load(json, NULL);
            take_weights(again, first, true);
        } else {
            again = load(first, format == HONE_FILE_JSON ? NULL : &compiled_again);
        }
        if (format != HONE_FILE_JSON) {
            compare(again, version, name, hone_file_format_name((hone_file_format)format));
            assert_memory_equal(again->data, model->data, model->data_size * sizeof *model->data);
        }
        assert_int_equal(compiled_again.has_optimizer, compiled.has_optimizer);
        assert_true(compiled_again.optimizer.learning_rate == compiled.optimizer.learning_rate);
        export_as(again, &compiled_again, second, (hone_file_format)format);
        assert_same_file(first, second);
        hone_model_free(again);
    }
    hone_model_free(model);
    hone__free(path);
    unlink(first);
    unlink(second);
    unlink(json);
}

/* ---- all of them ----------------------------------------------------------------------------------------------- */

static void for_each(void (*visit)(const char *version, const char *name)) {
    DIR *directory = opendir(HONE_TEST_GOLDEN "versions");
    assert_non_null(directory);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] == '.') continue;
        for (size_t i = 0; i < 2; i++) visit(entry->d_name, models[i]);
        count++;
    }
    closedir(directory);
    assert_true(count >= 6);
}

static void versions_whole_models(void **state) {
    (void)state;
    for_each(whole_models);
}

static void versions_architecture_and_weights(void **state) {
    (void)state;
    for_each(architecture_and_weights);
}

static void versions_optimizers(void **state) {
    (void)state;
    for_each(optimizers);
}

static void versions_every_format(void **state) {
    (void)state;
    for_each(every_format);
}

/* All of that once more, with libhdf5 in a process of its own. */
static void versions_sandboxed(void **state) {
    (void)state;
    hone_set_sandbox(true);
    for_each(whole_models);
    for_each(architecture_and_weights);
    hone_set_sandbox(false);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(versions_whole_models), cmocka_unit_test(versions_architecture_and_weights),
        cmocka_unit_test(versions_optimizers),   cmocka_unit_test(versions_every_format),
        cmocka_unit_test(versions_sandboxed),
    };
    if (!mkdtemp(folder)) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    rmdir(folder);
    return failed;
}
