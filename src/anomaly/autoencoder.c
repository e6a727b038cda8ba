/* SPDX-License-Identifier: Apache-2.0
 *
 * A convolutional autoencoder: pictures through a narrow place and back. What it was never shown it cannot give back.
 *
 * The narrow place is a vector: maps alone, however few, copy anything. */
#include "detector.h"

#include "plan_internal.h"
#include "rng.h"
#include "train_internal.h"

#include <math.h>
#include <string.h>

enum { BOTTLENECK = 32, LEAST_MAPS = 16, MOST_MAPS = 64, SMALLEST_SIDE = 8 };

/* ---- the network ------------------------------------------------------------------------------------------------- */

static hone_status add(hone_model *model, const char *class_name, hone_value *config, hone_error *err) {
    hone_status status = hone_value_failed(config) ? hone__fail_memory(err, 0, "a layer")
                                                   : hone_model_add(model, class_name, config, err);
    hone_value_free(config);
    return status;
}

static hone_status add_conv2d(hone_model *model, int64_t filters, int64_t strides, const char *activation,
                              hone_error *err) {
    hone_value *config = hone_value_object();
    hone_value_set_integer(config, "filters", filters);
    hone_value_set_integer(config, "kernel_size", 3);
    hone_value_set_integer(config, "strides", strides);
    hone_value_set_string(config, "padding", "same");
    hone_value_set_string(config, "activation", activation);
    return add(model, "Conv2D", config, err);
}

static hone_status add_dense(hone_model *model, int64_t units, const char *activation, hone_error *err) {
    hone_value *config = hone_value_object();
    hone_value_set_integer(config, "units", units);
    hone_value_set_string(config, "activation", activation);
    return add(model, "Dense", config, err);
}

/* The maps of step number step downwards. */
static int64_t maps_of(int step) {
    int64_t maps = (int64_t)LEAST_MAPS << step;
    return maps < MOST_MAPS ? maps : MOST_MAPS;
}

static hone_status add_decoder(hone_model *model, const hone_shape *input, int steps, int64_t height, int64_t width,
                               hone_error *err) {
    const int64_t target[] = {height, width, maps_of(steps - 1)};
    HONE_TRY(add_dense(model, height * width * maps_of(steps - 1), "relu", err));
    hone_value *config = hone_value_object();
    hone_value_set(config, "target_shape", hone_value_integers(target, 3));
    HONE_TRY(add(model, "Reshape", config, err));
    for (int step = steps; step-- > 0;) {
        HONE_TRY(add(model, "UpSampling2D", hone_value_object(), err));
        HONE_TRY(add_conv2d(model, step > 0 ? maps_of(step - 1) : LEAST_MAPS, 1, "relu", err));
    }
    HONE_TRY(add_conv2d(model, input->dims[2], 1, "sigmoid", err));
    int64_t rows = (height << steps) - input->dims[0], columns = (width << steps) - input->dims[1];
    if (rows == 0 && columns == 0) return HONE_OK;
    const int64_t above[] = {0, rows}, beside[] = {0, columns};
    hone_value *crop = hone_value_object(), *sides = hone_value_list();
    hone_value_append(sides, hone_value_integers(above, 2));
    hone_value_append(sides, hone_value_integers(beside, 2));
    hone_value_set(crop, "cropping", sides);
    return add(model, "Cropping2D", crop, err);
}

static hone_status describe(hone_model *model, const hone_shape *input, hone_error *err) {
    int64_t height = input->dims[0], width = input->dims[1];
    int steps = 0;
    HONE_TRY(hone_model_input(model, input, err));
    while (steps == 0 || (height > SMALLEST_SIDE && width > SMALLEST_SIDE)) {
        HONE_TRY(add_conv2d(model, maps_of(steps++), 2, "relu", err));
        height = (height + 1) / 2;
        width = (width + 1) / 2;
    }
    HONE_TRY(hone_model_flatten(model, err));
    HONE_TRY(add_dense(model, BOTTLENECK, "linear", err));
    return add_decoder(model, input, steps, height, width, err);
}

hone_status hone_anomaly_autoencoder(hone_model **out, const hone_shape *input, uint64_t seed, hone_error *err) {
    *out = NULL;
    if (input->rank != 3 || hone_shape_size(input) < 1 || input->dims[2] > HONE_MAX_CHANNELS)
        HONE_FAIL(err, HONE_SHAPE, "an autoencoder is for pictures: height, width, channels");
    hone_model *model;
    HONE_TRY(hone_model_create(&model, "autoencoder", err));
    hone_status status = describe(model, input, err);
    if (status == HONE_OK) status = hone_model_build(model, seed, err);
    if (status != HONE_OK) {
        hone_model_free(model);
        return status;
    }
    *out = model;
    return HONE_OK;
}

/* ---- training ---------------------------------------------------------------------------------------------------- */

typedef struct training {
    const hone_dataset *data;
    size_t image, batch;
    unsigned char *pixels; /* (batch, image): what goes in, and what should come out */
    double *losses;        /* (batch) */
    hone_plan *plan;
    hone__updater *updater;
    float *slots[HONE__OPTIMIZER_SLOTS];
    float **gradients;
    uint32_t *order;
    int64_t iterations;
} training;

/* The mean squared error of a picture's numbers, and its gradient. */
static void compare(void *context, int worker, size_t shard, size_t first, size_t count, const float *outputs,
                    float *d_outputs) {
    training *t = context;
    (void)worker;
    (void)shard;
    for (size_t i = 0; i < count; i++) {
        const unsigned char *wanted = t->pixels + (first + i) * t->image;
        const float *y = outputs + i * t->image;
        float *d = d_outputs + i * t->image;
        double sum = 0;
        for (size_t k = 0; k < t->image; k++) {
            float difference = y[k] - (float)wanted[k] / 255;
            d[k] = 2 * difference / (float)t->image;
            sum += (double)difference * (double)difference;
        }
        t->losses[first + i] = sum / (double)t->image;
    }
}

static hone_status prepare(training *t, hone_model *model, const hone_dataset *data, size_t count,
                           const hone_anomaly_config *config, hone_error *err) {
    hone_optimizer adam = hone_optimizer_default(HONE_OPTIMIZER_ADAM);
    const char *names[HONE__OPTIMIZER_SLOTS];
    hone_plan_config plan = hone_plan_config_default();
    t->data = data;
    t->batch = config->batch_size;
    t->image =
        (size_t)hone_dataset_height(data) * (size_t)hone_dataset_width(data) * (size_t)hone_dataset_channels(data);
    plan.max_batch = t->batch;
    plan.threads = config->threads;
    plan.training = true;
    plan.seed = config->seed;
    HONE_TRY(hone_plan_create(&t->plan, model, &plan, err));
    size_t shards = hone__plan_max_shards(t->plan);
    hone__optimizer_slots(&adam, names);
    bool ok = true;
    for (int i = 0; i < HONE__OPTIMIZER_SLOTS; i++)
        if (names[i]) ok = (t->slots[i] = hone__alloc(model->data_size, sizeof *t->slots[i])) != NULL && ok;
    t->pixels = hone__alloc(t->batch, t->image);
    t->losses = hone__alloc(t->batch, sizeof *t->losses);
    t->gradients = hone__alloc(shards, sizeof *t->gradients);
    t->order = hone__alloc(count, sizeof *t->order);
    if (!ok || !t->pixels || !t->losses || !t->gradients || !t->order)
        return hone__fail_memory(err, model->data_size * sizeof(float), "training");
    return hone__updater_create(&t->updater, model, &adam, t->slots, config->threads, shards, err);
}

static hone_status step(training *t, size_t first, size_t n, double rate, double *loss, hone_error *err) {
    for (size_t i = 0; i < n; i++)
        HONE_TRY(hone_dataset_fetch(t->data, t->order[first + i], t->pixels + i * t->image, err));
    hone__plan_step(t->plan, t->pixels, n, (uint64_t)t->iterations, compare, t);
    size_t shards = hone__plan_shards(t->plan);
    for (size_t s = 0; s < shards; s++) t->gradients[s] = hone__plan_gradient(t->plan, s);
    for (size_t i = 0; i < n; i++) *loss += t->losses[i];
    if (!isfinite(*loss))
        HONE_FAIL(err, HONE_NUMERIC, "the loss is no number after %lld steps", (long long)t->iterations);
    hone__updater_step(t->updater, t->gradients, shards, n, rate, t->iterations++);
    return HONE_OK;
}

static hone_status run(training *t, const uint32_t *samples, size_t count, const hone_anomaly_config *config,
                       double *mean, int *epochs, hone_error *err) {
    for (int epoch = *epochs; epoch < config->epochs; epoch++) {
        hone__rng rng;
        double loss = 0;
        for (size_t i = 0; i < count; i++) t->order[i] = samples[i];
        hone__rng_init(&rng, config->seed, HONE_STREAM_SHUFFLE, (uint64_t)epoch);
        hone__rng_shuffle(&rng, t->order, count);
        for (size_t first = 0; first < count; first += t->batch) {
            size_t n = count - first < t->batch ? count - first : t->batch;
            HONE_TRY(step(t, first, n, config->learning_rate, &loss, err));
        }
        *mean = loss / (double)count;
        *epochs = epoch + 1;
        if (config->progress && !config->progress(config->context, epoch + 1, config->epochs, *mean)) break;
    }
    return HONE_OK;
}

hone_status hone__autoencoder_train(hone_model *model, const hone_dataset *data, const uint32_t *samples, size_t count,
                                    const hone_anomaly_config *config, double *loss, int *epochs, hone_error *err) {
    training t = {0};
    hone__autoencoder_state state = {.slots = t.slots, .slot_count = HONE__OPTIMIZER_SLOTS};
    hone_status status = prepare(&t, model, data, count, config, err);
    if (status == HONE_OK && config->resume) status = hone__autoencoder_take(&state, model, count, config, err);
    t.iterations = state.iterations;
    *epochs = state.epochs;
    *loss = state.loss;
    if (status == HONE_OK) status = run(&t, samples, count, config, loss, epochs, err);
    if (status == HONE_OK) status = hone__autoencoder_forget(model, err);
    if (status == HONE_OK && *epochs < config->epochs) {
        state.epochs = *epochs;
        state.iterations = t.iterations;
        state.loss = *loss;
        status = hone__autoencoder_keep(&state, model, count, config, err);
    }
    hone__updater_free(t.updater);
    hone_plan_free(t.plan);
    for (int i = 0; i < HONE__OPTIMIZER_SLOTS; i++) hone__free(t.slots[i]);
    hone__free(t.pixels);
    hone__free(t.losses);
    hone__free(t.gradients);
    hone__free(t.order);
    return status;
}
