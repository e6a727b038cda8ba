/* SPDX-License-Identifier: Apache-2.0
 *
 * What a model and its lessons are worth together: a data set walked through in batches. */
#include <hone/evaluate.h>

#include "teach_internal.h"

#include <math.h>
#include <string.h>

enum { BATCH = 256 };

/* Keras' clipping of probabilities. */
static const double LEAST = 1e-7;

static hone_status check_data(const hone_model *model, const hone_lessons *l, const hone_dataset *data,
                              hone_error *err) {
    hone_shape input = hone_model_input_shape(model);
    size_t samples = hone_dataset_samples(data);
    if (input.rank != 3 || input.dims[0] != hone_dataset_height(data) || input.dims[1] != hone_dataset_width(data) ||
        input.dims[2] != hone_dataset_channels(data))
        HONE_FAIL(err, HONE_SHAPE, "the pictures are not of the model's size");
    if (samples == 0) HONE_FAIL(err, HONE_ARGUMENT, "there are no samples to evaluate");
    for (size_t i = 0; i < samples; i++) {
        int32_t label = hone_dataset_labels(data)[i];
        if (label < 0 || (size_t)label >= l->classes)
            HONE_FAIL(err, HONE_ARGUMENT, "sample %zu is of class %d, model and lessons know %zu", i, (int)label,
                      l->classes);
    }
    return HONE_OK;
}

/* What a batch needs. */
typedef struct asking {
    hone_taught *taught;
    hone_tta *tta; /* NULL: the picture alone is asked about */
    unsigned char *pixels;
    float *features, *probabilities; /* with tta */
    double temperature;
    size_t outputs;
} asking;

static hone_status prepare(asking *a, hone_model *model, const hone_evaluate_config *config, hone_error *err) {
    size_t floats, more;
    HONE_TRY(hone_taught_create(&a->taught, model, BATCH, config->threads, err));
    a->pixels = hone__alloc(BATCH, (size_t)hone_model_input_size(model));
    if (!a->pixels) return hone__fail_memory(err, BATCH * (size_t)hone_model_input_size(model), "pictures");
    if (!config->tta) return HONE_OK;
    hone_tta_config variants = *config->tta;
    variants.max_batch = BATCH;
    variants.threads = config->threads;
    variants.precision = config->precision;
    HONE_TRY(hone_tta_create(&a->tta, model, &variants, err));
    a->outputs = (size_t)hone_model_output_size(model);
    a->temperature = hone_model_temperature(model);
    if (!hone__multiply(BATCH, hone_taught_feature_size(a->taught), &floats) ||
        !hone__multiply(BATCH, a->outputs, &more))
        HONE_FAIL(err, HONE_LIMIT, "a batch of %d is too large", BATCH);
    a->features = hone__alloc(floats, sizeof *a->features);
    a->probabilities = hone__alloc(more, sizeof *a->probabilities);
    return a->features && a->probabilities ? HONE_OK
                                           : hone__fail_memory(err, (floats + more) * sizeof(float), "features");
}

static void release(asking *a) {
    hone_tta_free(a->tta);
    hone_taught_free(a->taught);
    hone__free(a->pixels);
    hone__free(a->features);
    hone__free(a->probabilities);
}

static void ask(asking *a, const hone_lessons *l, size_t n, float *y) {
    if (!a->tta) {
        hone_taught_predict(a->taught, l, a->pixels, n, y);
        return;
    }
    hone_tta_predict(a->tta, a->pixels, n, a->probabilities);
    if (a->temperature != 1) hone_temperature_apply(a->temperature, a->probabilities, n, a->outputs);
    hone_taught_features(a->taught, a->pixels, n, a->features);
    for (size_t i = 0; i < n; i++)
        hone_lessons_combine(l, a->features + i * hone_taught_feature_size(a->taught),
                             a->probabilities + i * a->outputs, y + i * l->classes);
}

static hone_status predict(float *y, hone_model *model, const hone_lessons *l, const hone_dataset *data,
                           const hone_evaluate_config *config, hone_error *err) {
    size_t samples = hone_dataset_samples(data), image = (size_t)hone_model_input_size(model);
    asking a = {0};
    hone_status status = prepare(&a, model, config, err);
    for (size_t first = 0; status == HONE_OK && first < samples; first += BATCH) {
        size_t n = samples - first < BATCH ? samples - first : BATCH;
        for (size_t i = 0; status == HONE_OK && i < n; i++)
            status = hone_dataset_fetch(data, first + i, a.pixels + i * image, err);
        if (status == HONE_OK) ask(&a, l, n, y + first * l->classes);
    }
    release(&a);
    return status;
}

static void measure(hone_evaluation *out, const float *y, size_t classes, const hone_dataset *data) {
    size_t samples = hone_dataset_samples(data), correct = 0;
    double loss = 0;
    for (size_t i = 0; i < samples; i++) {
        const float *row = y + i * classes;
        size_t best = 0, label = (size_t)hone_dataset_labels(data)[i];
        for (size_t c = 1; c < classes; c++)
            if (row[c] > row[best]) best = c;
        correct += best == label;
        loss -= log(fmin(fmax((double)row[label], LEAST), 1 - LEAST));
    }
    *out = (hone_evaluation){.samples = samples, .accuracy = (double)correct / (double)samples};
    out->logs = (hone_logs){2, {"accuracy", "loss"}, {out->accuracy, loss / (double)samples}};
    hone_wilson_interval(correct, samples, &out->accuracy_low, &out->accuracy_high);
}

hone_status hone_lessons_evaluate(hone_evaluation *out, float **probabilities, hone_model *model,
                                  const hone_lessons *lessons, const hone_dataset *data,
                                  const hone_evaluate_config *config, hone_error *err) {
    hone_evaluate_config defaults = hone_evaluate_config_default();
    size_t values;
    if (!config) config = &defaults;
    *probabilities = NULL;
    HONE_TRY(check_data(model, lessons, data, err));
    if (!hone__multiply(hone_dataset_samples(data), lessons->classes, &values))
        HONE_FAIL(err, HONE_LIMIT, "%zu samples are too many", hone_dataset_samples(data));
    float *y = hone__alloc(values, sizeof *y);
    if (!y) return hone__fail_memory(err, values * sizeof *y, "predictions");
    hone_status status = predict(y, model, lessons, data, config, err);
    if (status != HONE_OK) {
        hone__free(y);
        return status;
    }
    measure(out, y, lessons->classes, data);
    *probabilities = y;
    return HONE_OK;
}
