/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of training share: bare models for the optimizer, small networks and data for fit. */
#ifndef HONE_TRAIN_TEST_H
#define HONE_TRAIN_TEST_H

#include "test.h"
#include "train_internal.h"

#include <math.h>
#include <string.h>

/* ---- a model that is nothing but weights ----------------------------------------------------------------------- */

enum { BARE_WEIGHTS = 4 };

typedef struct bare_model {
    hone_model model;
    hone__layer layer, *layers[1];
    hone__weight weights[BARE_WEIGHTS];
} bare_model;

/* Weights of the given sizes (0 ends the list), data owned by the caller through bare_release. */
static inline void bare_init(bare_model *b, const size_t sizes[BARE_WEIGHTS]) {
    memset(b, 0, sizeof *b);
    b->layer.trainable = true;
    b->layers[0] = &b->layer;
    b->model.layers = b->layers;
    b->model.layer_count = 1;
    b->model.weights = b->weights;
    for (size_t i = 0; i < BARE_WEIGHTS && sizes[i]; i++) {
        b->weights[i].name = "kernel";
        b->weights[i].offset = b->model.data_size;
        b->weights[i].size = sizes[i];
        b->weights[i].trainable = true;
        b->model.data_size += (sizes[i] + 15) / 16 * 16;
        b->model.weight_count++;
    }
    b->model.data = hone__alloc(b->model.data_size, sizeof(float));
    assert_non_null(b->model.data);
}

static inline void bare_release(bare_model *b) {
    hone__free(b->model.data);
}

/* ---- networks and data for fit --------------------------------------------------------------------------------- */

/* samples images of size x size, one channel: noise, and a bright stripe whose place says the class. */
static inline hone_dataset *stripes_create(size_t samples, int size, size_t classes, uint64_t seed) {
    size_t pixels = (size_t)size * (size_t)size;
    unsigned char *images = hone__alloc(samples, pixels);
    int32_t *labels = hone__alloc(samples, sizeof *labels);
    hone_dataset *data = NULL;
    hone_error err;
    hone__rng rng;
    hone__rng_init(&rng, seed, HONE_STREAM_TEST, 0);
    for (size_t i = 0; i < samples; i++) {
        labels[i] = (int32_t)hone__rng_below(&rng, (uint32_t)classes);
        size_t row = (size_t)labels[i] * (size_t)size / classes;
        for (size_t p = 0; p < pixels; p++) {
            uint32_t noise = hone__rng_below(&rng, 120);
            images[i * pixels + p] = (unsigned char)(p / (size_t)size == row ? noise + 100 : noise);
        }
    }
    if (hone_dataset_create(&data, images, labels, samples, size, size, 1, NULL, classes, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone__free(images);
    hone__free(labels);
    return data;
}

/* Conv2D 4, MaxPooling2D, Flatten, Dropout, Dense with the given last layer; built from seed. */
static inline hone_model *small_network(int size, int outputs, const char *activation, double dropout) {
    hone_model *model = NULL;
    hone_error err;
    hone_shape shape = {3, {size, size, 1}};
    hone_status status = hone_model_create(&model, NULL, &err);
    if (!status) status = hone_model_input(model, &shape, &err);
    if (!status) status = hone_model_conv2d(model, 4, 3, "relu", &err);
    if (!status) status = hone_model_max_pooling2d(model, 2, &err);
    if (!status) status = hone_model_flatten(model, &err);
    if (!status && dropout > 0) status = hone_model_dropout(model, dropout, &err);
    if (!status) status = hone_model_dense(model, outputs, activation, &err);
    if (!status) status = hone_model_build(model, 7, &err);
    if (status) fail_msg("%s", err.message);
    return model;
}

static inline void assert_ok(hone_status status, const hone_error *err) {
    if (status != HONE_OK) fail_msg("%s", err->message);
}

/* ---- the trainer ------------------------------------------------------------------------------------------------ */

static inline hone_trainer *trainer_of(hone_model *model, const hone_dataset *data, const hone_fit_config *config) {
    hone_trainer *trainer;
    hone_error err;
    assert_ok(hone_trainer_create(&trainer, model, data, config, &err), &err);
    return trainer;
}

static inline void run_fit(hone_trainer *trainer) {
    hone_error err;
    assert_ok(hone_trainer_fit(trainer, &err), &err);
}

static inline double history_at(const hone_trainer *trainer, const char *key, size_t epoch) {
    double value = NAN;
    if (!hone_value_as_real(hone_value_at(hone_value_get(hone_trainer_history(trainer), key), epoch), &value))
        fail_msg("history has no %s of epoch %zu", key, epoch);
    return value;
}

static inline hone_split split_of(const hone_dataset *data, double fraction) {
    hone_split split;
    hone_error err;
    assert_ok(hone_split_last(&split, hone_dataset_samples(data), fraction, &err), &err);
    return split;
}

#endif
