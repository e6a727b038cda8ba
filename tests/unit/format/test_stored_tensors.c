/* SPDX-License-Identifier: Apache-2.0
 *
 * safetensors and NumPy's .npz as files of weights: there and back, the other number types, by name and by order, headers
 * that lie, and memory that runs out. */
#define _POSIX_C_SOURCE 200809L /* mkstemp */

#include "test.h"

#include "file.h"
#include "stored_tensors.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/hone-tensors-XXXXXX";

static int make_path(void **state) {
    (void)state;
    int file = mkstemp(path);
    return file < 0 || close(file);
}

static int remove_path(void **state) {
    (void)state;
    return unlink(path);
}

static hone_model *make_model(uint64_t seed) {
    hone_model *model;
    hone_shape shape = {3, {28, 28, 1}};
    assert_int_equal(hone_model_preset(&model, "mlp", &shape, 3, NULL), HONE_OK);
    assert_int_equal(hone_model_build(model, seed, NULL), HONE_OK);
    return model;
}

static bool same_weights(const hone_model *a, const hone_model *b) {
    return memcmp(a->data, b->data, a->data_size * sizeof *a->data) == 0;
}

static void weights_come_back(void **state) {
    (void)state;
    const hone_file_format formats[] = {HONE_FILE_SAFETENSORS, HONE_FILE_NPZ};
    for (size_t i = 0; i < 2; i++) {
        for (int by_name = 0; by_name < 2; by_name++) {
            hone_model *from = make_model(1), *to = make_model(2);
            hone_weights_report report;
            hone_weights_options options = {.by_name = by_name};
            assert_int_equal(hone_model_export(from, NULL, path, formats[i], NULL), HONE_OK);
            assert_false(same_weights(from, to));
            assert_int_equal(hone_model_load_weights(to, path, &options, &report, NULL), HONE_OK);
            assert_true(same_weights(from, to));
            assert_int_equal(report.missing + report.skipped, 0);
            hone_model_free(from);
            hone_model_free(to);
        }
    }
}

/* ---- files by hand --------------------------------------------------------------------------------------------- */

/* length 0: the header's own. */
static void write_file(const char *header, uint64_t length, const void *data, size_t size) {
    unsigned char bytes[4096];
    size_t text = strlen(header);
    assert_true(8 + text + size <= sizeof bytes);
    if (length == 0) length = text;
    for (int i = 0; i < 8; i++) bytes[i] = (unsigned char)(length >> (8 * i));
    memcpy(bytes + 8, header, text);
    if (size > 0) memcpy(bytes + 8 + text, data, size);
    assert_int_equal(hone__file_write(path, bytes, 8 + text + size, NULL), HONE_OK);
}

/* A Dense layer "d" of 2 to 2: its kernel, its bias. */
static hone_model *make_dense(void) {
    hone_model *model;
    hone_shape shape = {1, {2}};
    assert_int_equal(hone_model_create(&model, "m", NULL), HONE_OK);
    assert_int_equal(hone_model_input(model, &shape, NULL), HONE_OK);
    assert_int_equal(hone_model_dense(model, 2, NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_build(model, 1, NULL), HONE_OK);
    return model;
}

static const float *weight(const hone_model *model, size_t index) {
    return model->data + model->weights[index].offset;
}

static void narrow_numbers_become_floats(void **state) {
    (void)state;
    /* kernel as BF16: 1, -2, 0.5, infinity; bias as F16: the smallest (2^-24), -65504; and integers that nobody wants */
    const unsigned char data[] = {0x80, 0x3F, 0x00, 0xC0, 0x00, 0x3F, 0x80, 0x7F, 0x01, 0x00,
                                  0xFF, 0xFB, 9,    0,    0,    0,    0,    0,    0,    0};
    write_file("{\"__metadata__\": {\"format\": \"pt\"}, "
               "\"dense.kernel\": {\"dtype\": \"BF16\", \"shape\": [2, 2], \"data_offsets\": [0, 8]}, "
               "\"count\": {\"dtype\": \"I64\", \"shape\": [], \"data_offsets\": [12, 20]}, "
               "\"dense.bias\": {\"dtype\": \"F16\", \"shape\": [2], \"data_offsets\": [8, 12]}}   ",
               0, data, sizeof data);
    hone_model *model = make_dense();
    hone_error err = {0};
    if (hone_model_load_weights(model, path, NULL, NULL, &err) != HONE_OK) fail_msg("%s", err.message);
    const float *kernel = weight(model, 0), *bias = weight(model, 1);
    assert_true(kernel[0] == 1 && kernel[1] == -2 && kernel[2] == 0.5F && isinf(kernel[3]));
    assert_true(bias[0] == ldexpf(1, -24) && bias[1] == -65504);
    hone_model_free(model);
}

static void other_names_go_by_order(void **state) {
    (void)state;
    const float data[] = {1, 2, 3, 4, 5, 6};
    const char *header = "{\"b\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [16, 24]}, "
                         "\"a\": {\"dtype\": \"F32\", \"shape\": [2, 2], \"data_offsets\": [0, 16]}}";
    hone_model *model = make_dense();
    hone_weights_options by_name = {.by_name = true};
    write_file(header, 0, data, sizeof data);
    assert_int_equal(hone_model_load_weights(model, path, &by_name, NULL, NULL), HONE_SHAPE);
    assert_int_equal(hone_model_load_weights(model, path, NULL, NULL, NULL), HONE_OK);
    assert_true(weight(model, 0)[3] == 4 && weight(model, 1)[1] == 6);
    hone_model_free(model);
}

static void what_does_not_fit_is_said(void **state) {
    (void)state;
    const float data[8] = {0};
    hone_error err = {0};
    hone_model *model = make_dense();
    float before = weight(model, 0)[0];
    write_file("{\"dense/kernel\": {\"dtype\": \"F32\", \"shape\": [2, 3], \"data_offsets\": [0, 24]}, "
               "\"dense/bias\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [24, 32]}}",
               0, data, sizeof data);
    assert_int_equal(hone_model_load_weights(model, path, NULL, NULL, &err), HONE_SHAPE);
    assert_non_null(strstr(err.message, "layer 'dense': kernel is"));
    assert_true(weight(model, 0)[0] == before);
    hone_weights_options skip = {.skip_mismatch = true};
    assert_int_equal(hone_model_load_weights(model, path, &skip, NULL, &err), HONE_SHAPE); /* nothing is left to take */
    write_file("{\"x\": {\"dtype\": \"F32\", \"shape\": [8], \"data_offsets\": [0, 32]}}", 0, data, sizeof data);
    assert_int_equal(hone_model_load_weights(model, path, NULL, NULL, &err), HONE_SHAPE);
    assert_non_null(strstr(err.message, "holds 1 weights, the architecture has 2"));
    hone_model *none;
    assert_int_equal(hone_model_load(&none, path, NULL, &err), HONE_FORMAT);
    assert_non_null(strstr(err.message, "--weights"));
    hone_model_free(model);
}

/* ---- headers that lie ------------------------------------------------------------------------------------------ */

static void lies_are_refused(void **state) {
    (void)state;
    static const struct {
        const char *header;
        uint64_t length;
        const char *words;
    } cases[] = {
        {"{}", 1 << 30, "claims 1073741824 bytes"},
        {"{} ", 1, "truncated"},
        {"{\"a\": 3}", 0, "no dtype"},
        {"{\"a\": {\"dtype\": \"F32\", \"shape\": 2, \"data_offsets\": [0, 8]}}", 0, "no shape"},
        {"{\"a\": {\"dtype\": \"F32\", \"shape\": [-2], \"data_offsets\": [0, 8]}}", 0, "no list of sizes"},
        {"{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [8, 0]}}", 0, "no data_offsets"},
        {"{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 9]}}", 0, "ends at byte 9 of 8"},
        {"{\"a\": {\"dtype\": \"F32\", \"shape\": [3], \"data_offsets\": [0, 8]}}", 0, "not what its shape"},
        {"{\"a\": {\"dtype\": \"F32\", \"shape\": [4294967296, 4294967296], \"data_offsets\": [0, 8]}}", 0,
         "not what its shape"},
        {"{\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [0, 4]}}", 0, "4 bytes behind the last"},
        {"{\"a\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [4, 8]}}", 0, "leave a gap"},
        {"{\"a\": {\"dtype\": \"F32\", \"shape\": [2], \"data_offsets\": [0, 8]}, "
         "\"b\": {\"dtype\": \"F32\", \"shape\": [1], \"data_offsets\": [4, 8]}}",
         0, "overlap"},
        {"{\"a\": ", 0, "json"},
    };
    const float data[2] = {1, 2};
    hone_model *model = make_dense();
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hone_error err = {0};
        write_file(cases[i].header, cases[i].length, data, sizeof data);
        hone_status status = hone_model_load_weights(model, path, NULL, NULL, &err);
        if (status == HONE_OK || !strstr(err.message, cases[i].words))
            fail_msg("case %zu: status %d, '%s' lacks '%s'", i, status, err.message, cases[i].words);
    }
    hone_model_free(model);
}

/* Every prefix of a good file. */
static void cut_files_are_refused(void **state) {
    (void)state;
    hone_model *model = make_dense();
    const hone_file_format formats[] = {HONE_FILE_SAFETENSORS, HONE_FILE_NPZ};
    for (size_t f = 0; f < 2; f++) {
        unsigned char *bytes;
        size_t size;
        assert_int_equal(hone_model_export(model, NULL, path, formats[f], NULL), HONE_OK);
        assert_int_equal(hone__file_read(path, HONE_MAX_MODEL_FILE, &bytes, &size, NULL), HONE_OK);
        for (size_t cut = 0; cut < size; cut += cut < 64 ? 1 : 7) {
            assert_int_equal(hone__file_write(path, bytes, cut, NULL), HONE_OK);
            if (hone_model_load_weights(model, path, NULL, NULL, NULL) == HONE_OK) fail_msg("%zu of %zu", cut, size);
        }
        hone__free(bytes);
    }
    hone_model_free(model);
}

static hone_file_format fault_format;

static hone_status there_and_back(void *context) {
    hone_model *model = NULL;
    hone_shape shape = {1, {2}};
    (void)context;
    hone_status status = hone_model_create(&model, "m", NULL);
    if (status == HONE_OK) status = hone_model_input(model, &shape, NULL);
    if (status == HONE_OK) status = hone_model_dense(model, 2, NULL, NULL);
    if (status == HONE_OK) status = hone_model_build(model, 1, NULL);
    if (status == HONE_OK) status = hone_model_export(model, NULL, path, fault_format, NULL);
    if (status == HONE_OK) status = hone_model_load_weights(model, path, NULL, NULL, NULL);
    hone_model_free(model);
    return status;
}

static void running_out_of_memory_is_survived(void **state) {
    (void)state;
    fault_format = HONE_FILE_SAFETENSORS;
    assert_true(test_every_allocation(there_and_back, NULL) > 20);
    fault_format = HONE_FILE_NPZ;
    assert_true(test_every_allocation(there_and_back, NULL) > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_come_back),
        cmocka_unit_test(narrow_numbers_become_floats),
        cmocka_unit_test(other_names_go_by_order),
        cmocka_unit_test(what_does_not_fit_is_said),
        cmocka_unit_test(lies_are_refused),
        cmocka_unit_test(cut_files_are_refused),
        cmocka_unit_test(running_out_of_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, make_path, remove_path);
}
