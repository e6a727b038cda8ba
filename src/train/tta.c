/* SPDX-License-Identifier: Apache-2.0
 *
 * Test-time augmentation: the mean of what a model says of a picture and of variants of it.
 *
 * One idea: variant number v is the same change for every picture, drawn from (seed, v) alone, so that what is said of a
 * picture does not depend on which others are asked about. */
#include "train_internal.h"

#include <string.h>

struct hone_tta {
    hone_plan *plan;
    const hone_augmentation *augmentation;
    hone_threads *threads;
    size_t variants, max_batch, outputs, image_size;
    uint64_t seed;
    int height, width, channels;
    unsigned char *pixels;  /* (max_batch) variants */
    unsigned char *scratch; /* one per worker */
    size_t scratch_size;
    float *said; /* (max_batch, outputs) of one variant */
    /* of the call in progress */
    const unsigned char *in;
    uint64_t variant;
};

static hone_status prepare(hone_tta *t, hone_model *model, hone_precision precision, hone_error *err) {
    hone_shape in = hone_model_input_shape(model), out = hone_model_output_shape(model);
    if (in.rank != 3) HONE_FAIL(err, HONE_SHAPE, "test-time augmentation needs pictures, the model's input is none");
    t->height = (int)in.dims[0];
    t->width = (int)in.dims[1];
    t->channels = (int)in.dims[2];
    t->image_size = (size_t)hone_shape_size(&in);
    t->outputs = (size_t)hone_shape_size(&out);
    hone_plan_config config = hone_plan_config_default();
    config.max_batch = t->max_batch;
    config.threads = t->threads;
    config.precision = precision;
    HONE_TRY(hone_plan_create(&t->plan, model, &config, err));
    size_t workers = (size_t)hone_threads_count(t->threads), values, one;
    HONE_TRY(hone_augmentation_scratch_size(t->augmentation, t->height, t->width, t->channels, &one, err));
    t->scratch_size = (one + HONE_ALIGNMENT - 1) / HONE_ALIGNMENT * HONE_ALIGNMENT;
    if (!hone__multiply(t->max_batch, t->outputs, &values))
        HONE_FAIL(err, HONE_LIMIT, "%zu samples of %zu outputs are too many", t->max_batch, t->outputs);
    t->pixels = hone__alloc(t->max_batch, t->image_size);
    t->scratch = hone__alloc(workers, t->scratch_size);
    t->said = hone__alloc(values, sizeof *t->said);
    if (t->pixels && t->scratch && t->said) return HONE_OK;
    return hone__fail_memory(err, t->max_batch * t->image_size, "test-time augmentation");
}

hone_status hone_tta_create(hone_tta **out, hone_model *model, const hone_tta_config *config, hone_error *err) {
    *out = NULL;
    if (config->variants < 1 || config->max_batch < 1)
        HONE_FAIL(err, HONE_ARGUMENT, "test-time augmentation of %zu variants, %zu at once: expected at least 1",
                  config->variants, config->max_batch);
    if (hone_augmentation_mixes(config->augmentation))
        HONE_FAIL(err, HONE_ARGUMENT, "mixup and cutmix show two pictures in one: not for test-time augmentation");
    hone_tta *t = hone__alloc(1, sizeof *t);
    if (!t) return hone__fail_memory(err, sizeof *t, "test-time augmentation");
    t->augmentation = config->augmentation;
    t->threads = config->threads;
    t->variants = config->variants;
    t->max_batch = config->max_batch;
    t->seed = config->seed;
    hone_status status = prepare(t, model, config->precision, err);
    if (status != HONE_OK) {
        hone_tta_free(t);
        return status;
    }
    *out = t;
    return HONE_OK;
}

void hone_tta_free(hone_tta *t) {
    if (!t) return;
    hone_plan_free(t->plan);
    hone__free(t->pixels);
    hone__free(t->scratch);
    hone__free(t->said);
    hone__free(t);
}

void hone_tta_refresh(hone_tta *t) {
    hone_plan_refresh(t->plan);
}

static void variant_piece(void *context, int worker, size_t i) {
    const hone_tta *t = context;
    hone_augmentation_apply(t->augmentation, t->seed, t->variant, 0, t->in + i * t->image_size, t->height, t->width,
                            t->channels, t->pixels + i * t->image_size, t->scratch + (size_t)worker * t->scratch_size);
}

/* The picture itself is variant 0. */
static void predict_batch(hone_tta *t, const unsigned char *pixels, size_t n, float *y) {
    size_t values = n * t->outputs;
    t->in = pixels;
    hone_plan_predict_pixels(t->plan, pixels, n, y);
    for (t->variant = 1; t->variant < t->variants; t->variant++) {
        hone__threads_run(t->threads, variant_piece, t, n);
        hone_plan_predict_pixels(t->plan, t->pixels, n, t->said);
        for (size_t i = 0; i < values; i++) y[i] += t->said[i];
    }
    float share = 1.0f / (float)t->variants;
    for (size_t i = 0; i < values; i++) y[i] *= share;
}

void hone_tta_predict(hone_tta *t, const unsigned char *pixels, size_t n, float *y) {
    for (size_t first = 0; first < n; first += t->max_batch) {
        size_t count = n - first < t->max_batch ? n - first : t->max_batch;
        predict_batch(t, pixels + first * t->image_size, count, y + first * t->outputs);
    }
}
