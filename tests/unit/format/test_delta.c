/* SPDX-License-Identifier: Apache-2.0
 *
 * Deltas: written, applied beside the right base, refused beside any other, and every allocation failing. */
#define _POSIX_C_SOURCE 200809L
#include "model_internal.h"
#include "test.h"

#include <hone/format.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static char path[] = "/tmp/hone_delta_XXXXXX";

static void assert_ok(hone_status status, const hone_error *err) {
    if (status != HONE_OK) fail_msg("%s", err->message);
}

static hone_model *make_base(uint64_t seed) {
    hone_model *model;
    hone_error err;
    hone_shape input = {3, {6, 6, 1}};
    static const char *const names[] = {"a", "b"};
    assert_ok(hone_model_create(&model, NULL, &err), &err);
    assert_ok(hone_model_input(model, &input, &err), &err);
    assert_ok(hone_model_conv2d(model, 4, 3, "relu", &err), &err);
    assert_ok(hone_model_flatten(model, &err), &err);
    assert_ok(hone_model_dense(model, 2, "softmax", &err), &err);
    assert_ok(hone_model_build(model, seed, &err), &err);
    assert_ok(hone_model_set_class_names(model, names, 2, &err), &err);
    return model;
}

/* A tuned model of three classes: one step of training moves the adapter. */
static hone_model *tune(const hone_model *base, hone_lora **lora, size_t *head) {
    static const char *const names[] = {"b", "c", "d"};
    static unsigned char images[6 * 36];
    static const int32_t labels[6] = {0, 1, 2, 0, 1, 2};
    hone_error err;
    hone_model *model;
    hone_trainer *trainer;
    hone_dataset *data;
    hone_head_config config = {.class_names = names, .classes = 3, .seed = 2};
    hone_head_report report;
    assert_ok(hone_model_replace_head(&model, base, &config, &report, &err), &err);
    *head = report.layer;
    bool layers[8] = {false, true};
    assert_ok(hone_lora_create(lora, model, layers, 2, 4, 3, &err), &err);
    for (size_t i = 0; i < sizeof images; i++) images[i] = (unsigned char)(i * 37 % 251);
    assert_ok(hone_dataset_create(&data, images, labels, 6, 6, 6, 1, names, 3, &err), &err);
    hone_fit_config fit = hone_fit_config_default();
    fit.lora = *lora;
    fit.epochs = 3;
    assert_ok(hone_trainer_create(&trainer, model, data, &fit, &err), &err);
    assert_ok(hone_trainer_fit(trainer, &err), &err);
    hone_trainer_free(trainer);
    hone_dataset_free(data);
    return model;
}

/* Biases of adapted layers are the base's in a delta. */
static void restore_bias(hone_model *tuned, const hone_model *base) {
    int index = hone__weight_find(tuned, "conv2d", "bias");
    assert_true(index > 0);
    const hone__weight *w = &tuned->weights[index];
    memcpy(tuned->data + w->offset, base->data + base->weights[index].offset, w->size * sizeof(float));
}

static void test_round_trip(void **state) {
    (void)state;
    hone_error err;
    hone_lora *lora;
    size_t head;
    hone_model *base = make_base(1), *other = make_base(2), *tuned = tune(base, &lora, &head), *again;
    restore_bias(tuned, base);
    assert_ok(hone_delta_save(lora, tuned, head, base, "nowhere.h5", path, &err), &err);
    assert_ok(hone_delta_apply(&again, base, path, &err), &err);
    assert_memory_equal(again->data, tuned->data, tuned->data_size * sizeof(float));
    assert_string_equal(hone_model_class_name(again, 2), "d");
    hone_model_free(again);
    assert_int_equal(hone_delta_apply(&again, other, path, &err), HONE_ARGUMENT);
    assert_null(again);
    assert_non_null(strstr(err.message, "other weights"));
    assert_int_not_equal(hone_model_load(&again, path, NULL, &err), HONE_OK); /* its base is not there */
    assert_non_null(strstr(err.message, "base"));
    assert_int_equal(hone_delta_save(lora, tuned, 99, base, "", path, &err), HONE_ARGUMENT);
    hone_lora_free(lora);
    hone_model_free(base);
    hone_model_free(other);
    hone_model_free(tuned);
}

static void test_no_delta(void **state) {
    (void)state;
    hone_error err;
    hone_model *base = make_base(1), *again;
    assert_ok(hone_model_save(base, NULL, path, &err), &err);
    assert_int_equal(hone_delta_apply(&again, base, path, &err), HONE_FORMAT);
    hone_model_free(base);
}

static hone_status apply_once(void *context) {
    hone_model *again;
    hone_status status = hone_delta_apply(&again, context, path, NULL);
    hone_model_free(again);
    return status;
}

static void set_note(hone_model *model, const char *text) {
    hone_error err;
    assert_ok(hone_model_set_record(model, "note", hone_value_string(text), &err), &err);
}

static void assert_note(const char *file, const char *expected) {
    hone_error err;
    hone_model *model;
    assert_ok(hone_model_load(&model, file, NULL, &err), &err);
    assert_string_equal(hone_value_as_string(hone_model_record(model, "note")), expected);
    hone_model_free(model);
}

/* Records go into a copy, the original stays; into a delta they do not go, for it would not give them back. */
static void test_records(void **state) {
    (void)state;
    hone_error err;
    hone_lora *lora;
    size_t head;
    hone_model *base = make_base(1), *tuned = tune(base, &lora, &head);
    char copy[] = "/tmp/hone_records_XXXXXX";
    int file = mkstemp(copy);
    assert_true(file >= 0);
    close(file);
    set_note(base, "first");
    assert_ok(hone_model_save(base, NULL, path, &err), &err);
    set_note(base, "second");
    assert_ok(hone_model_save_records_to(base, path, copy, &err), &err);
    assert_note(path, "first");
    assert_note(copy, "second");
    assert_ok(hone_model_save_records(base, path, &err), &err);
    assert_note(path, "second");
    assert_ok(hone_delta_save(lora, tuned, head, base, "nowhere.h5", path, &err), &err);
    assert_int_equal(hone_model_save_records(base, path, &err), HONE_UNSUPPORTED);
    assert_int_equal(hone_model_save_records_to(base, "/nowhere/x.h5", copy, &err), HONE_NOT_FOUND);
    unlink(copy);
    hone_lora_free(lora);
    hone_model_free(tuned);
    hone_model_free(base);
}

static void test_memory(void **state) {
    (void)state;
    hone_error err;
    hone_lora *lora;
    size_t head;
    hone_model *base = make_base(1), *tuned = tune(base, &lora, &head);
    assert_ok(hone_delta_save(lora, tuned, head, base, "nowhere.h5", path, &err), &err);
    assert_true(test_every_allocation(apply_once, base) > 20);
    hone_lora_free(lora);
    hone_model_free(base);
    hone_model_free(tuned);
}

int main(void) {
    int file = mkstemp(path);
    if (file < 0) return 1;
    close(file);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_no_delta),
        cmocka_unit_test(test_records),
        cmocka_unit_test(test_memory),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    remove(path);
    return failed;
}
