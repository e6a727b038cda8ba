/* SPDX-License-Identifier: Apache-2.0
 *
 * Why a picture was answered as it was, as JSON: where in it the answer comes from, and which training pictures are
 * most like it. An explainer serves one caller at a time and is as large as a training plan: there is one for each
 * model, made when somebody first asks. */
#include "serve_internal.h"

#include <hone/explain.h>
#include <hone/teach.h>

#include <math.h>

enum { MOST_NEAREST = 32 };

struct hone__explanations {
    hone_model *model;
    hone_examples *examples; /* NULL: the model carries none */
    pthread_mutex_t lock;
    hone_explainer *explainer; /* under lock */
    float *map;                /* under lock: (height, width) */
};

hone_status hone__explanations_create(hone__explanations **out, hone_model *model, hone_error *err) {
    *out = NULL;
    hone__explanations *e = hone__alloc(1, sizeof *e);
    if (!e) return hone__fail_memory(err, sizeof *e, "explanations");
    e->model = model;
    pthread_mutex_init(&e->lock, NULL);
    hone_status status = hone_examples_open(&e->examples, model, err);
    if (status != HONE_OK) {
        hone__explanations_free(e);
        return status;
    }
    *out = e;
    return HONE_OK;
}

void hone__explanations_free(hone__explanations *e) {
    if (!e) return;
    hone_explainer_free(e->explainer);
    hone_examples_free(e->examples);
    pthread_mutex_destroy(&e->lock);
    hone__free(e->map);
    hone__free(e);
}

bool hone__explanations_has_examples(const hone__explanations *e) {
    return e && e->examples;
}

/* With the lock held. */
static hone_status prepare(hone__explanations *e, size_t pixels, hone_error *err) {
    if (e->explainer) return HONE_OK;
    if (!e->map) e->map = hone__alloc(pixels, sizeof *e->map);
    if (!e->map) return hone__fail_memory(err, pixels * sizeof *e->map, "a heat map");
    return hone_explainer_create(&e->explainer, e->model, NULL, err);
}

/* (height, width) as rows of numbers. */
static hone_value *map_value(const float *map, size_t height, size_t width) {
    hone_value *rows = hone_value_list();
    for (size_t y = 0; y < height; y++) {
        hone_value *row = hone_value_list();
        for (size_t x = 0; x < width; x++) /* three digits are more than an eye can tell */
            hone_value_append(row, hone_value_real(round(1000 * (double)map[y * width + x]) / 1000));
        hone_value_append(rows, row);
    }
    return rows;
}

hone_status hone__explanations_heat_map(hone__explanations *e, hone_value **out, const unsigned char *pixels,
                                        size_t index, hone_error *err) {
    *out = NULL;
    hone_shape shape = hone_model_input_shape(e->model);
    size_t height = (size_t)shape.dims[0], width = (size_t)shape.dims[1];
    pthread_mutex_lock(&e->lock);
    hone_status status = prepare(e, height * width, err);
    if (status == HONE_OK) {
        hone_explainer_run(e->explainer, pixels, (int)index, e->map, NULL);
        *out = map_value(e->map, height, width);
    }
    pthread_mutex_unlock(&e->lock);
    return status;
}

static bool is_empty(const float *map, size_t size) {
    size_t i = 0;
    while (i < size && map[i] <= 0) i++;
    return i == size;
}

static hone_status run_once(hone_model *model, hone_explanation explanation, const unsigned char *pixels, float *map,
                            hone_error *err) {
    hone_explain_config config = hone_explain_config_default();
    hone_explainer *explainer;
    config.explanation = explanation;
    HONE_TRY(hone_explainer_create(&explainer, model, &config, err));
    hone_explainer_run(explainer, pixels, hone_model_output_size(model) > 1 ? 0 : 1, map, NULL);
    hone_explainer_free(explainer);
    return HONE_OK;
}

/* With the lock held, so that there are no more of these large things at once than of the other. No region may speak for
 * the example as a whole (Grad-CAM is empty) though single pixels do. */
static hone_status explain_likeness(hone__explanations *e, hone_value **out, const unsigned char *pixels,
                                    const hone_lessons *lessons, size_t example, hone_error *err) {
    hone_shape shape = hone_model_input_shape(e->model);
    size_t height = (size_t)shape.dims[0], width = (size_t)shape.dims[1];
    hone_model *likeness;
    HONE_TRY(hone_lessons_likeness(&likeness, lessons, e->model, example, err));
    float *map = hone__alloc(height * width, sizeof *map);
    hone_status status = map ? run_once(likeness, HONE_EXPLAIN_GRAD_CAM, pixels, map, err)
                             : hone__fail_memory(err, height * width * sizeof *map, "a heat map");
    if (status == HONE_OK && is_empty(map, height * width))
        status = run_once(likeness, HONE_EXPLAIN_INTEGRATED_GRADIENTS, pixels, map, err);
    if (status == HONE_OK) *out = map_value(map, height, width);
    hone__free(map);
    hone_model_free(likeness);
    return status;
}

hone_status hone__explanations_likeness(hone__explanations *e, hone_value **out, const unsigned char *pixels,
                                        const hone_lessons *lessons, size_t example, hone_error *err) {
    *out = NULL;
    pthread_mutex_lock(&e->lock);
    hone_status status = explain_likeness(e, out, pixels, lessons, example, err);
    pthread_mutex_unlock(&e->lock);
    return status;
}

hone_value *hone__explanations_nearest(const hone__explanations *e, const float *features, size_t wanted) {
    hone_neighbour found[MOST_NEAREST];
    hone_value *list = hone_value_list();
    if (!e->examples) return list;
    size_t count = hone_examples_nearest(e->examples, features, found, wanted < MOST_NEAREST ? wanted : MOST_NEAREST);
    for (size_t i = 0; i < count; i++) {
        hone_value *one = hone_value_object();
        const char *name = found[i].label >= 0 ? hone_model_class_name(e->model, (size_t)found[i].label) : NULL;
        hone_value_set_integer(one, "example", (int64_t)found[i].index);
        hone_value_set_string(one, "class", name);
        hone_value_set_integer(one, "index", found[i].label);
        hone_value_set_real(one, "distance", found[i].distance);
        hone_value_append(list, one);
    }
    return list;
}

/* The small picture of an example, for whoever was told its number. */
hone_status hone__explanations_example(const hone__explanations *e, size_t index, hone_image *out, hone_error *err) {
    if (!e->examples || index >= hone_examples_count(e->examples))
        HONE_FAIL(err, HONE_NOT_FOUND, "the model carries no example %zu", index);
    return hone_examples_image(e->examples, index, out, err);
}
