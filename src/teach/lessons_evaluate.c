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

static hone_status predict(float *y, const hone_model *model, const hone_lessons *l, const hone_dataset *data,
                           hone_threads *threads, hone_error *err) {
    size_t samples = hone_dataset_samples(data), image = (size_t)hone_model_input_size(model);
    hone_taught *taught;
    HONE_TRY(hone_taught_create(&taught, model, BATCH, threads, err));
    unsigned char *pixels = hone__alloc(BATCH, image);
    hone_status status = pixels ? HONE_OK : hone__fail_memory(err, BATCH * image, "pictures");
    for (size_t first = 0; status == HONE_OK && first < samples; first += BATCH) {
        size_t n = samples - first < BATCH ? samples - first : BATCH;
        for (size_t i = 0; status == HONE_OK && i < n; i++)
            status = hone_dataset_fetch(data, first + i, pixels + i * image, err);
        if (status == HONE_OK) hone_taught_predict(taught, l, pixels, n, y + first * l->classes);
    }
    hone__free(pixels);
    hone_taught_free(taught);
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

hone_status hone_lessons_evaluate(hone_evaluation *out, float **probabilities, const hone_model *model,
                                  const hone_lessons *lessons, const hone_dataset *data, hone_threads *threads,
                                  hone_error *err) {
    size_t values;
    *probabilities = NULL;
    HONE_TRY(check_data(model, lessons, data, err));
    if (!hone__multiply(hone_dataset_samples(data), lessons->classes, &values))
        HONE_FAIL(err, HONE_LIMIT, "%zu samples are too many", hone_dataset_samples(data));
    float *y = hone__alloc(values, sizeof *y);
    if (!y) return hone__fail_memory(err, values * sizeof *y, "predictions");
    hone_status status = predict(y, model, lessons, data, threads, err);
    if (status != HONE_OK) {
        hone__free(y);
        return status;
    }
    measure(out, y, lessons->classes, data);
    *probabilities = y;
    return HONE_OK;
}
