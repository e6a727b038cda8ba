/* SPDX-License-Identifier: Apache-2.0
 *
 * Event files: the checksum, the framing, what a training leaves; folders that cannot be written; memory that runs out. What
 * the real TensorBoard reads of it is in tests/interop/test_tensorboard.py. */
#define _POSIX_C_SOURCE 200809L /* mkdtemp, opendir */

#include "test.h"

#include "event_file.h"
#include "file.h"
#include "format_internal.h"

#include <dirent.h>
#include <math.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/hone-events-XXXXXX";

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) == NULL;
}

/* Calls visit for each file of folder/run, which it may remove. */
static size_t each_file(const char *run, void (*visit)(const char *path)) {
    char *place = hone__join_path(folder, run);
    DIR *directory = opendir(place);
    size_t count = 0;
    for (struct dirent *entry; directory && (entry = readdir(directory));) {
        if (entry->d_name[0] == '.') continue;
        char *path = hone__join_path(place, entry->d_name);
        visit(path);
        hone__free(path);
        count++;
    }
    if (directory) closedir(directory);
    hone__free(place);
    return count;
}

static void remove_file(const char *path) {
    unlink(path);
}

static int clear(void **state) {
    (void)state;
    const char *const runs[] = {"train", "validation"};
    for (size_t i = 0; i < 2; i++) {
        each_file(runs[i], remove_file);
        char *place = hone__join_path(folder, runs[i]);
        rmdir(place);
        hone__free(place);
    }
    return 0;
}

static int remove_folder(void **state) {
    clear(state);
    return rmdir(folder);
}

/* The check values of RFC 3720, masked. */
static void checksums_are_crc32c(void **state) {
    (void)state;
    unsigned char bytes[32] = {0};
    uint32_t crc = 0x8A9136AA; /* of 32 zeros */
    assert_int_equal(hone__masked_crc32c(bytes, 32), (crc >> 15 | crc << 17) + 0xA282EAD8U);
    for (int i = 0; i < 32; i++) bytes[i] = (unsigned char)i;
    crc = 0x46DD794E;
    assert_int_equal(hone__masked_crc32c(bytes, 32), (crc >> 15 | crc << 17) + 0xA282EAD8U);
}

static uint64_t number_at(const unsigned char *bytes, size_t size) {
    uint64_t value = 0;
    for (size_t i = size; i-- > 0;) value = value << 8 | bytes[i];
    return value;
}

static size_t records;

static void count_records(const char *path) {
    unsigned char *bytes;
    size_t size, at = 0;
    assert_int_equal(hone__file_read(path, 1 << 24, &bytes, &size, NULL), HONE_OK);
    while (at < size) {
        assert_true(size - at >= 16);
        size_t length = (size_t)number_at(bytes + at, 8);
        assert_int_equal(number_at(bytes + at + 8, 4), hone__masked_crc32c(bytes + at, 8));
        assert_true(length <= size - at - 16);
        assert_int_equal(number_at(bytes + at + 12 + length, 4), hone__masked_crc32c(bytes + at + 12, length));
        at += 16 + length;
        records++;
    }
    hone__free(bytes);
}

static hone_status train(void *context) {
    const hone_tensorboard_config *given = context;
    hone_tensorboard_config board = given ? *given : hone_tensorboard_config_default();
    hone_dataset *data = NULL;
    hone_model *model = NULL;
    hone_trainer *trainer = NULL;
    hone_callback callback = {0};
    hone_split split = {0};
    hone_shape shape = {3, {28, 28, 1}};
    hone_fit_config config = hone_fit_config_default();
    hone_status status = hone_digits_create(&data, 20, 1, NULL, NULL);
    if (status == HONE_OK) status = hone_model_preset(&model, "mlp", &shape, 10, NULL);
    if (status == HONE_OK) status = hone_model_build(model, 1, NULL);
    if (status == HONE_OK) status = hone_split_last(&split, 20, 0.2, NULL);
    config.epochs = 2;
    config.batch_size = 4;
    config.split = &split;
    board.data = data;
    if (status == HONE_OK) status = hone_trainer_create(&trainer, model, data, &config, NULL);
    if (status == HONE_OK) status = hone_callback_tensorboard(&callback, folder, &board, NULL);
    if (status == HONE_OK) {
        status = hone_trainer_add_callback(trainer, &callback, NULL);
        if (status) callback.release(callback.context);
    }
    if (status == HONE_OK) status = hone_trainer_fit(trainer, NULL);
    hone_trainer_free(trainer);
    hone_split_release(&split);
    hone_model_free(model);
    hone_dataset_free(data);
    return status;
}

static void a_training_leaves_events(void **state) {
    (void)state;
    hone_tensorboard_config config = {.every = 2, .histograms = true, .images = 3};
    assert_int_equal(train(&config), HONE_OK);
    records = 0;
    assert_int_equal(each_file("train", count_records), 1);
    size_t weights = 4, batches = 4 * 3;
#if HONE_WITH_PNG
    size_t pictures = 1;
#else
    size_t pictures = 0;
#endif
    assert_int_equal(records, 1 + 2 + pictures + batches + 2 * (3 + weights));
    records = 0;
    assert_int_equal(each_file("validation", count_records), 1);
    assert_int_equal(records, 1 + 2 * 2);
    /* again: files beside those that are there */
    assert_int_equal(train(NULL), HONE_OK);
    assert_int_equal(each_file("train", count_records), 2);
}

static void odd_numbers_have_histograms(void **state) {
    (void)state;
    hone__event_file *file;
    char *place = hone__join_path(folder, "train");
    const float odd[] = {1, INFINITY, -3, NAN, 1e38F, -1e38F};
    assert_int_equal(hone__event_file_open(&file, place, NULL), HONE_OK);
    assert_int_equal(hone__event_histogram(file, "odd", 0, odd, 6, NULL), HONE_OK);
    assert_int_equal(hone__event_histogram(file, "one", 0, odd, 1, NULL), HONE_OK);
    assert_int_equal(hone__event_histogram(file, "none", 0, odd + 1, 1, NULL), HONE_OK);
    assert_int_equal(hone__event_histogram(file, "empty", 0, odd, 0, NULL), HONE_OK);
    hone__event_file_close(file);
    hone__free(place);
    records = 0;
    assert_int_equal(each_file("train", count_records), 1);
    assert_int_equal(records, 5);
}

static void a_folder_that_cannot_be_is_said(void **state) {
    (void)state;
    hone__event_file *file;
    hone_error err = {0};
    assert_int_equal(hone__event_file_open(&file, "/dev/null/events", &err), HONE_IO);
    assert_non_null(strstr(err.message, "/dev/null"));
    assert_null(file);
    hone_callback callback;
    assert_int_equal(hone_callback_tensorboard(&callback, "", NULL, &err), HONE_ARGUMENT);
}

static void running_out_of_memory_is_survived(void **state) {
    (void)state;
    hone_tensorboard_config config = {.every = 4, .histograms = true, .images = 1};
    assert_true(test_every_allocation(train, &config) > 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checksums_are_crc32c),
        cmocka_unit_test_teardown(a_training_leaves_events, clear),
        cmocka_unit_test_teardown(odd_numbers_have_histograms, clear),
        cmocka_unit_test(a_folder_that_cannot_be_is_said),
        cmocka_unit_test_teardown(running_out_of_memory_is_survived, clear),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
