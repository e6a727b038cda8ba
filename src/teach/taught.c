/* SPDX-License-Identifier: Apache-2.0
 *
 * A model cut in front of its head, as one caller runs it: features, and what the head and the lessons make of them.
 *
 * One idea: the two halves give what the whole gives, so that a picture costs what it costs without lessons. */
#include <hone/evaluate.h>

#include "teach_internal.h"

#include <string.h>

struct hone_taught {
    hone_model *front, *tail;
    hone_plan *front_plan, *tail_plan;
    size_t max_batch, size, outputs;
    double temperature;
    float *features;      /* (max_batch, size) */
    float *probabilities; /* (max_batch, outputs) */
    size_t image;         /* bytes of a picture */
};

static hone_status cut(const hone_model *model, hone_model **front, hone_model **tail, hone_error *err) {
    HONE_TRY(hone_model_cut_head(model, front, tail, err));
    if (*front) return HONE_OK;
    HONE_FAIL(err, HONE_UNSUPPORTED,
              "model '%.128s' cannot be taught: it has no chain of layers from its features to its output",
              hone_model_name(model));
}

static hone_status check_size(int64_t size, hone_error *err) {
    if (size >= 1 && size <= HONE__MAX_FEATURES) return HONE_OK;
    HONE_FAIL(err, HONE_UNSUPPORTED, "the model cannot be taught: its head takes %lld numbers, the limit is %d",
              (long long)size, HONE__MAX_FEATURES);
}

hone_status hone__feature_size(const hone_model *model, size_t *size, hone_error *err) {
    hone_model *front, *tail;
    HONE_TRY(cut(model, &front, &tail, err));
    int64_t features = hone_model_output_size(front);
    hone_model_free(front);
    hone_model_free(tail);
    HONE_TRY(check_size(features, err));
    *size = (size_t)features;
    return HONE_OK;
}

static hone_status prepare(hone_taught *t, const hone_model *model, hone_threads *threads, hone_error *err) {
    HONE_TRY(cut(model, &t->front, &t->tail, err));
    HONE_TRY(check_size(hone_model_output_size(t->front), err));
    hone_plan_config config = hone_plan_config_default();
    config.max_batch = t->max_batch;
    config.threads = threads;
    HONE_TRY(hone_plan_create(&t->front_plan, t->front, &config, err));
    HONE_TRY(hone_plan_create(&t->tail_plan, t->tail, &config, err));
    t->size = (size_t)hone_model_output_size(t->front);
    t->outputs = (size_t)hone_model_output_size(t->tail);
    t->image = (size_t)hone_model_input_size(model);
    t->temperature = hone_model_temperature(model);
    size_t floats, more;
    if (!hone__multiply(t->max_batch, t->size, &floats) || !hone__multiply(t->max_batch, t->outputs, &more))
        HONE_FAIL(err, HONE_LIMIT, "a batch of %zu is too large", t->max_batch);
    t->features = hone__alloc(floats, sizeof *t->features);
    t->probabilities = hone__alloc(more, sizeof *t->probabilities);
    return t->features && t->probabilities ? HONE_OK
                                           : hone__fail_memory(err, (floats + more) * sizeof(float), "features");
}

hone_status hone_taught_create(hone_taught **out, const hone_model *model, size_t max_batch, hone_threads *threads,
                               hone_error *err) {
    *out = NULL;
    if (max_batch == 0) HONE_FAIL(err, HONE_ARGUMENT, "a batch of no pictures");
    hone_taught *t = hone__alloc(1, sizeof *t);
    if (!t) return hone__fail_memory(err, sizeof *t, "a model to teach");
    t->max_batch = max_batch;
    hone_status status = prepare(t, model, threads, err);
    if (status != HONE_OK) {
        hone_taught_free(t);
        return status;
    }
    *out = t;
    return HONE_OK;
}

void hone_taught_free(hone_taught *t) {
    if (!t) return;
    hone_plan_free(t->front_plan);
    hone_plan_free(t->tail_plan);
    hone_model_free(t->front);
    hone_model_free(t->tail);
    hone__free(t->features);
    hone__free(t->probabilities);
    hone__free(t);
}

hone_plan *hone__taught_plan(hone_taught *t) {
    return t->front_plan;
}

size_t hone_taught_feature_size(const hone_taught *t) {
    return t->size;
}

void hone_taught_features(hone_taught *t, const unsigned char *pixels, size_t n, float *features) {
    hone_plan_predict_pixels(t->front_plan, pixels, n, features);
}

void hone_taught_predict(hone_taught *t, const hone_lessons *lessons, const unsigned char *pixels, size_t n, float *y) {
    size_t classes = hone_lessons_classes(lessons);
    for (size_t first = 0; first < n; first += t->max_batch) {
        size_t count = n - first < t->max_batch ? n - first : t->max_batch;
        hone_taught_features(t, pixels + first * t->image, count, t->features);
        hone_plan_predict(t->tail_plan, t->features, count, t->probabilities);
        if (t->temperature != 1) hone_temperature_apply(t->temperature, t->probabilities, count, t->outputs);
        for (size_t i = 0; i < count; i++)
            hone_lessons_combine(lessons, t->features + i * t->size, t->probabilities + i * t->outputs,
                                 y + (first + i) * classes);
    }
}
