/* SPDX-License-Identifier: Apache-2.0
 *
 * .keras archives that are not as Keras writes them, and weights that fit in part. */
#define _POSIX_C_SOURCE 200809L /* mkdtemp */

#include "test.h"

#include "file.h"
#include "format_internal.h"
#include "zip_memory.h"

#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/hone-archive-XXXXXX";

static const char *in_folder(const char *name) {
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static const char *golden(const char *name) {
    static char path[512];
    snprintf(path, sizeof path, "%sversions/keras-3.15.1/%s", HONE_TEST_GOLDEN, name);
    return path;
}

static void expect_refused(const void *bytes, size_t size, hone_status status, const char *words) {
    hone_model *model = NULL;
    hone_error err = {0};
    assert_int_equal(hone__file_write(in_folder("m.keras"), bytes, size, NULL), HONE_OK);
    if (hone_model_load(&model, in_folder("m.keras"), NULL, &err) != status) fail_msg("%s: %s", words, err.message);
    assert_null(model);
    if (!strstr(err.message, words)) fail_msg("'%s' does not say '%s'", err.message, words);
}

static void read_golden(const char *name, unsigned char **bytes, size_t *size) {
    assert_int_equal(hone__file_read(golden(name), HONE_MAX_MODEL_FILE, bytes, size, NULL), HONE_OK);
}

static void models_of_others_are_named(void **state) {
    (void)state;
    expect_refused((const unsigned char *)"\x80\x02}q", 4, HONE_UNSUPPORTED, "it is a file of PyTorch's");
    expect_refused((const unsigned char *)"\x1c\0\0\0TFL3....", 12, HONE_UNSUPPORTED, "TensorFlow Lite");
    hone_model *model = NULL;
    hone_error err = {0};
    assert_int_equal(hone_model_load(&model, in_folder(""), NULL, &err), HONE_IO);
    assert_non_null(strstr(err.message, "a SavedModel of TensorFlow is loaded in Keras"));
    assert_int_equal(hone__file_write(in_folder("saved_model.pb"), "\x08\x01\x12", 3, NULL), HONE_OK);
    assert_int_equal(hone_model_load(&model, in_folder("saved_model.pb"), NULL, &err), HONE_UNSUPPORTED);
    assert_non_null(strstr(err.message, "make it .onnx with tf2onnx"));
    unlink(in_folder("saved_model.pb"));
}

/* ---- bad archives ---------------------------------------------------------------------------------------------- */

static void archives_without_their_members(void **state) {
    (void)state;
    static const char config[] =
        "{\"class_name\": \"Sequential\", \"config\": {\"name\": \"s\", \"layers\": [{\"class_name\": \"Lambda\", "
        "\"config\": {\"name\": \"evil\"}}]}}";
    static const char other[] =
        "{\"class_name\": \"Sequential\", \"config\": {\"name\": \"s\", \"layers\": [{\"module\": "
        "\"mine\", \"class_name\": \"Dense\", \"config\": {\"name\": \"odd\"}}]}}";
    hone__zip_member members[] = {{"config.json", config, strlen(config)}, {"model.weights.npz", "x", 1}};
    unsigned char *bytes, *h5;
    size_t size, h5_size;
    hone__h5 *image;
    assert_int_equal(hone__zip_write(members + 1, 1, &bytes, &size, NULL), HONE_OK);
    expect_refused(bytes, size, HONE_FORMAT, "without 'config.json'");
    hone__free(bytes);
    hone__zip_member torch[] = {{"archive/data.pkl", "x", 1}};
    assert_int_equal(hone__zip_write(torch, 1, &bytes, &size, NULL), HONE_OK);
    expect_refused(bytes, size, HONE_UNSUPPORTED, "export the model there by torch.onnx.export");
    for (size_t left = 4; left < 60; left++) { /* cut off anywhere, it is one file or the other, and refused */
        hone_model *model = NULL;
        assert_int_equal(hone__file_write(in_folder("m.keras"), bytes, left, NULL), HONE_OK);
        assert_int_not_equal(hone_model_load(&model, in_folder("m.keras"), NULL, NULL), HONE_OK);
    }
    hone__free(bytes);
    assert_int_equal(hone__zip_write(members, 2, &bytes, &size, NULL), HONE_OK);
    expect_refused(bytes, size, HONE_UNSUPPORTED, "weights in HDF5");
    hone__free(bytes);
    members[1] = (hone__zip_member){"model.weights.h5", "no HDF5", 7};
    assert_int_equal(hone__zip_write(members, 2, &bytes, &size, NULL), HONE_OK);
    expect_refused(bytes, size, HONE_FORMAT, "model.weights.h5");
    hone__free(bytes);

    assert_int_equal(hone__h5_create(&image, NULL), HONE_OK);
    assert_int_equal(hone__h5_image(image, &h5, &h5_size, NULL), HONE_OK);
    hone__h5_close(image);
    members[1] = (hone__zip_member){"model.weights.h5", h5, h5_size};
    assert_int_equal(hone__zip_write(members, 2, &bytes, &size, NULL), HONE_OK);
    expect_refused(bytes, size, HONE_UNSUPPORTED, "Lambda");
    hone__free(bytes);
    members[0] = (hone__zip_member){"config.json", other, strlen(other)};
    assert_int_equal(hone__zip_write(members, 2, &bytes, &size, NULL), HONE_OK);
    expect_refused(bytes, size, HONE_UNSUPPORTED, "custom class of the module 'mine'");
    hone__free(bytes);
    members[0] = (hone__zip_member){"config.json", "{", 1};
    assert_int_equal(hone__zip_write(members, 2, &bytes, &size, NULL), HONE_OK);
    expect_refused(bytes, size, HONE_FORMAT, "member 'config.json'");
    hone__free(bytes);
    hone__free(h5);
}

static void damaged_archives(void **state) {
    (void)state;
    unsigned char *bytes;
    size_t size;
    read_golden("chain.keras", &bytes, &size);
    expect_refused(bytes, size / 2, HONE_FORMAT, "truncated or damaged");
    expect_refused(bytes, size - 1, HONE_FORMAT, "truncated or damaged");
    bytes[size / 2] ^= 0x55; /* in the weights: the checksum tells */
    expect_refused(bytes, size, HONE_FORMAT, "damaged");
    hone__free(bytes);
}

/* The central directory states sizes; here they are made up. */
static void put32(unsigned char *at, uint32_t value) {
    for (int i = 0; i < 4; i++) at[i] = (unsigned char)(value >> (8 * i));
}

static void archives_that_claim_too_much(void **state) {
    (void)state;
    unsigned char *bytes;
    size_t size, directory = 0;
    const hone__zip_member members[] = {{"config.json", "{}", 2}, {"model.weights.h5", "0123456789", 10}};
    assert_int_equal(hone__zip_write(members, 2, &bytes, &size, NULL), HONE_OK);
    for (size_t i = 0; i + 4 < size; i++)
        if (memcmp(bytes + i, "PK\x01\x02", 4) == 0) directory = i; /* the last: the weights */
    assert_true(directory > 0);
    put32(bytes + directory + 24, 1u << 30);
    expect_refused(bytes, size, HONE_LIMIT, "not believed");
    put32(bytes + directory + 24, 8000); /* within deflate's reach, but a lie */
    hone_model *model;
    assert_int_not_equal(hone__file_write(in_folder("m.keras"), bytes, size, NULL), HONE_IO);
    assert_int_not_equal(hone_model_load(&model, in_folder("m.keras"), NULL, NULL), HONE_OK);
    hone__free(bytes);
}

/* ---- weights that fit in part ---------------------------------------------------------------------------------- */

static hone_model *dense_model(int hidden, const char *first, const char *second) {
    char text[512];
    hone_value *config;
    hone_model *model;
    snprintf(
        text, sizeof text,
        "{\"class_name\": \"Sequential\", \"config\": {\"name\": \"m\", \"layers\": [{\"class_name\": \"InputLayer\", "
        "\"config\": {\"batch_shape\": [null, 3], \"name\": \"in\"}}, {\"class_name\": \"Dense\", \"config\": "
        "{\"name\": \"%s\", \"units\": %d}}, {\"class_name\": \"Dense\", \"config\": {\"name\": \"%s\", \"units\": "
        "2}}]}}",
        first, hidden, second);
    assert_int_equal(hone_json_parse(&config, text, strlen(text), NULL), HONE_OK);
    assert_int_equal(hone_model_from_config(&model, config, NULL), HONE_OK);
    hone_value_free(config);
    assert_int_equal(hone_model_build(model, 5, NULL), HONE_OK);
    return model;
}

static void weights_by_name_and_with_mismatches(void **state) {
    (void)state;
    static const hone_file_format formats[] = {HONE_FILE_WEIGHTS, HONE_FILE_LEGACY_WEIGHTS, HONE_FILE_H5,
                                               HONE_FILE_KERAS};
    for (size_t i = 0; i < 4; i++) {
        hone_model *source = dense_model(4, "a", "b"), *wide = dense_model(5, "a", "b"),
                   *turned = dense_model(4, "c", "a");
        hone_error err = {0};
        hone_weights_report report;
        char path[128];
        snprintf(path, sizeof path, "%s", in_folder("w"));
        assert_int_equal(hone_model_export(source, NULL, path, formats[i], NULL), HONE_OK);

        float *before = hone__alloc(wide->data_size, sizeof *before);
        memcpy(before, wide->data, wide->data_size * sizeof *before);
        assert_int_equal(hone_model_load_weights(wide, path, NULL, &report, &err), HONE_SHAPE);
        if (!strstr(err.message, "layer 'a'")) fail_msg("%s", err.message);
        hone_weights_options skip = {.skip_mismatch = true};
        assert_int_equal(hone_model_load_weights(wide, path, &skip, NULL, &err), HONE_SHAPE);
        assert_non_null(strstr(err.message, "none of its weights fits"));
        assert_memory_equal(wide->data, before, wide->data_size * sizeof *before);
        hone__free(before);

        hone_weights_options by_name = {.by_name = true, .skip_mismatch = true};
        assert_int_equal(hone_model_load_weights(turned, path, &by_name, &report, &err), HONE_SHAPE);
        hone_model_free(turned);
        turned = dense_model(4, "a", "c");
        if (hone_model_load_weights(turned, path, &by_name, &report, &err) != HONE_OK) fail_msg("%s", err.message);
        assert_int_equal(report.loaded, 1);
        assert_int_equal(report.missing, 1);
        assert_memory_equal(turned->data, source->data, 12 * sizeof(float));
        hone_model_free(source);
        hone_model_free(wide);
        hone_model_free(turned);
    }
}

static void files_that_hold_no_weights(void **state) {
    (void)state;
    hone_model *model = dense_model(4, "a", "b");
    hone_error err = {0};
    assert_int_equal(hone_model_load_weights(model, golden("chain.json"), NULL, NULL, &err), HONE_FORMAT);
    assert_non_null(strstr(err.message, "holds no weights"));
    assert_int_equal(hone_model_load_weights(model, HONE_TEST_GOLDEN "reject/text.h5", NULL, NULL, &err), HONE_FORMAT);
    assert_int_equal(hone_model_load_weights(model, "/nonexistent", NULL, NULL, &err), HONE_NOT_FOUND);
    hone_model_free(model);
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

static hone_status through_an_archive(void *context) {
    hone_model *model;
    hone_compiled compiled;
    char path[128];
    snprintf(path, sizeof path, "%s", in_folder("faults.keras"));
    HONE_TRY(hone_model_load(&model, context, &compiled, NULL));
    hone_status status = hone_model_export(model, &compiled, path, HONE_FILE_KERAS, NULL);
    if (status == HONE_OK) status = hone_model_load_weights(model, path, NULL, NULL, NULL);
    if (status == HONE_OK) status = hone_model_export(model, NULL, path, HONE_FILE_NPZ, NULL);
    hone_model_free(model);
    return status;
}

static void failing_memory_is_survived(void **state) {
    (void)state;
    char path[512];
    snprintf(path, sizeof path, "%s", golden("chain.keras"));
    assert_true(test_every_allocation(through_an_archive, path) > 100);
    unlink(in_folder("faults.keras"));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_of_others_are_named),
        cmocka_unit_test(archives_without_their_members),
        cmocka_unit_test(damaged_archives),
        cmocka_unit_test(archives_that_claim_too_much),
        cmocka_unit_test(weights_by_name_and_with_mismatches),
        cmocka_unit_test(files_that_hold_no_weights),
        cmocka_unit_test(failing_memory_is_survived),
    };
    if (!mkdtemp(folder)) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(in_folder("m.keras"));
    unlink(in_folder("w"));
    rmdir(folder);
    return failed;
}
