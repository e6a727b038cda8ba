/* SPDX-License-Identifier: Apache-2.0
 *
 * Training and evaluating from a packed file: the same bits as from memory, plain, augmented, mixed and normalised,
 * for any number of threads; and a picture that cannot be read stops training by its name. */
#define _XOPEN_SOURCE 700
#include "file.h"
#include "folder.h"
#include "pack_internal.h"
#include "train_test.h"

#include <stdio.h>
#include <unistd.h>

enum { SAMPLES = 60, SIZE = 10, CLASSES = 4 };

static char folder[FOLDER_SIZE], raw[96], files[96];
static hone_dataset *memory;

/* The same data three times: in memory, packed as pixels, and packed as files. */
static int make_data(void **state) {
    hone_error err;
    char path[192];
    (void)state;
    if (folder_make(folder, "packed") != 0) return -1;
    snprintf(raw, sizeof raw, "%s/raw.honepack", folder);
    snprintf(files, sizeof files, "%s/files.honepack", folder);
    hone_dataset *stripes = stripes_create(SAMPLES, SIZE, CLASSES, 20);
    for (size_t i = 0; i < SAMPLES; i++) {
        int label = (int)hone_dataset_labels(stripes)[i];
        snprintf(path, sizeof path, "%s/set/%d", folder, label);
        assert_ok(hone__make_folders(path, &err), &err);
        snprintf(path, sizeof path, "%s/set/%d/%02zu.pgm", folder, label, i);
        unsigned char pixels[SIZE * SIZE];
        memcpy(pixels, hone_dataset_image(stripes, i), sizeof pixels);
        const hone_image image = {SIZE, SIZE, 1, pixels};
        assert_ok(hone_image_write(&image, path, &err), &err);
    }
    hone_dataset_free(stripes);
    snprintf(path, sizeof path, "%s/set", folder);
    assert_ok(hone_dataset_open(&memory, path, NULL, &err), &err);
    assert_ok(hone_pack_write(raw, path, NULL, NULL, &err), &err);
    assert_ok(hone_pack_write(files, path, &(hone_pack_config){.encoded = true}, NULL, &err), &err);
    return 0;
}

static int remove_data(void **state) {
    (void)state;
    hone_dataset_free(memory);
    return folder_remove(folder);
}

typedef struct outcome {
    float weights[4096];
    size_t size;
    double loss, val_loss, test_loss;
} outcome;

static double last(const hone_trainer *t, const char *key) {
    const hone_value *column = hone_value_get(hone_trainer_history(t), key);
    double value = NAN;
    assert_true(hone_value_as_real(hone_value_at(column, hone_value_count(column) - 1), &value));
    return value;
}

static void run(outcome *out, const hone_dataset *data, const char *augmentation, int threads) {
    hone_fit_config config = hone_fit_config_default();
    hone_split split;
    hone_trainer *trainer;
    hone_error err;
    memset(out, 0, sizeof *out);
    config.epochs = 3;
    config.batch_size = 8;
    config.seed = 12;
    hone_augmentation *a = NULL;
    if (augmentation) assert_ok(hone_augmentation_parse(&a, augmentation, &err), &err);
    config.augmentation = a;
    assert_ok(hone_threads_create(&config.threads, threads, &err), &err);
    assert_ok(hone_split_stratified(&split, data, .25, 3, &err), &err);
    config.split = &split;
    hone_model *model = small_network(SIZE, CLASSES, "softmax", .25);
    if (a) assert_ok(hone_model_fit_preprocessing(model, a, data, &split, config.threads, &err), &err);
    assert_ok(hone_trainer_create(&trainer, model, data, &config, &err), &err);
    assert_ok(hone_trainer_fit(trainer, &err), &err);
    out->loss = last(trainer, "loss");
    out->val_loss = last(trainer, "val_loss");
    out->size = model->data_size;
    assert_true(out->size <= sizeof out->weights / sizeof *out->weights);
    memcpy(out->weights, model->data, out->size * sizeof *out->weights);
    hone_evaluate_config evaluate = hone_evaluate_config_default();
    hone_evaluation e;
    evaluate.threads = config.threads;
    evaluate.batch_size = 7;
    assert_ok(hone_evaluate(&e, model, data, &evaluate, &err), &err);
    for (size_t i = 0; i < e.logs.count; i++)
        if (strcmp(e.logs.keys[i], "loss") == 0) out->test_loss = e.logs.values[i];
    hone_trainer_free(trainer);
    hone_model_free(model);
    hone_augmentation_free(a);
    hone_split_release(&split);
    hone_threads_free(config.threads);
}

static void packed_training_gives_the_same_bits(void **state) {
    static const char *const how[] = {NULL, "rotation=10,zoom=0.1,shift=0.1,noise=0.05", "digits,mixup=0.3",
                                      "featurewise_center,featurewise_std_normalization"};
    const char *const packs[] = {raw, files};
    static outcome want, got;
    hone_error err;
    (void)state;
    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        run(&want, memory, how[i], 2);
        for (int p = 0; p < 2; p++) {
            hone_dataset *data;
            assert_ok(hone_dataset_open(&data, packs[p], NULL, &err), &err);
            assert_null(hone_dataset_images(data));
            run(&got, data, how[i], 1 + 2 * p);
            assert_memory_equal(&got, &want, sizeof got);
            hone_dataset_free(data);
        }
    }
}

/* Of the same data by the same name: what was begun from memory goes on from the packed file. */
static void states_are_of_the_data(void **state) {
    hone_fit_config config = hone_fit_config_default();
    const hone_dataset *sets[2] = {memory};
    hone_dataset *packed;
    hone_value *saved = NULL;
    hone_error err;
    (void)state;
    assert_ok(hone_dataset_open(&packed, raw, NULL, &err), &err);
    sets[1] = packed;
    for (int i = 0; i < 2; i++) {
        hone_trainer *trainer;
        hone_model *model = small_network(SIZE, CLASSES, "softmax", 0);
        assert_ok(hone_trainer_create(&trainer, model, sets[i], &config, &err), &err);
        if (i == 0)
            assert_ok(hone_trainer_save_state(trainer, &saved, &err), &err);
        else
            assert_ok(hone_trainer_load_state(trainer, saved, &err), &err);
        hone_trainer_free(trainer);
        hone_model_free(model);
    }
    hone_value_free(saved);
    hone_dataset_free(packed);
}

static void an_unreadable_picture_stops_training(void **state) {
    unsigned char *bytes;
    size_t size;
    hone_error err;
    hone__pack pack;
    char path[96];
    static const char *const how[] = {NULL, "digits", "digits,mixup=0.3"};
    (void)state;
    assert_ok(hone__file_read(files, 1 << 24, &bytes, &size, &err), &err);
    assert_ok(hone__pack_parse(&pack, bytes, size, &err), &err);
    bytes[hone__pack_entry_at(&pack, 7).offset] = 'X';
    snprintf(path, sizeof path, "%s/bad.honepack", folder);
    assert_ok(hone__file_write(path, bytes, size, &err), &err);
    hone__free(bytes);
    hone_dataset *data;
    assert_ok(hone_dataset_open(&data, path, NULL, &err), &err);
    for (size_t i = 0; i < sizeof how / sizeof *how; i++) {
        hone_fit_config config = hone_fit_config_default();
        hone_augmentation *a = NULL;
        hone_trainer *trainer;
        hone_model *model = small_network(SIZE, CLASSES, "softmax", 0);
        if (how[i]) assert_ok(hone_augmentation_parse(&a, how[i], &err), &err);
        config.augmentation = a;
        assert_ok(hone_threads_create(&config.threads, 3, &err), &err);
        assert_ok(hone_trainer_create(&trainer, model, data, &config, &err), &err);
        err.message[0] = '\0';
        assert_int_equal(hone_trainer_fit(trainer, &err), HONE_FORMAT);
        assert_non_null(strstr(err.message, "image 7 ("));
        hone_trainer_free(trainer);
        hone_threads_free(config.threads);
        hone_augmentation_free(a);
        if (i == 0) {
            hone_evaluation e;
            err.message[0] = '\0';
            assert_int_equal(hone_evaluate(&e, model, data, NULL, &err), HONE_FORMAT);
            assert_non_null(strstr(err.message, "image 7 ("));
        }
        hone_model_free(model);
    }
    hone_dataset_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(packed_training_gives_the_same_bits),
                                       cmocka_unit_test(states_are_of_the_data),
                                       cmocka_unit_test(an_unreadable_picture_stops_training)};
    return cmocka_run_group_tests(tests, make_data, remove_data);
}
