/* SPDX-License-Identifier: Apache-2.0
 *
 * One version of one model, ready to answer. Everything that can fail happens here, before anybody asks: the file is
 * read, its self-test run, each lane's plan made and used once. */
#define _POSIX_C_SOURCE 200809L
#include "serve_internal.h"

#include "teaching.h"

#include <hone/format.h>
#include <hone/quantize.h>

#include "model_internal.h"
#include "plan_internal.h"
#include "teach_internal.h"

#include <math.h>
#include <sched.h>
#include <string.h>

enum { MEASURED_RUNS = 3 };

static hone_status describe(hone__tensor_spec **out, size_t *count, size_t *row, const hone_model *model, bool inputs,
                            hone_error *err) {
    size_t offset = 0;
    *count = inputs ? model->input_count : model->output_count;
    if (*count > HONE_SERVE_MAX_INPUTS)
        HONE_FAIL(err, HONE_LIMIT, "a model with %zu inputs or outputs, %d are served", *count, HONE_SERVE_MAX_INPUTS);
    *out = hone__alloc(*count, sizeof **out);
    if (!*out) return hone__fail_memory(err, *count * sizeof **out, "a model's tensors");
    for (size_t i = 0; i < *count; i++) {
        hone__tensor_spec *spec = &(*out)[i];
        const hone__node *node = &model->nodes[inputs ? model->inputs[i] : model->outputs[i]];
        spec->shape = inputs ? hone_model_input_shape_at(model, i) : hone_model_output_shape_at(model, i);
        int64_t size = hone_shape_size(&spec->shape);
        if (size < 1) HONE_FAIL(err, HONE_SHAPE, "%s %zu has no fixed size", inputs ? "input" : "output", i);
        spec->size = (size_t)size;
        spec->offset = offset;
        offset += spec->size;
        spec->name = hone__strdup(model->layers[node->layer]->name);
        if (!spec->name) return hone__fail_memory(err, 0, "a tensor's name");
    }
    *row = offset;
    return HONE_OK;
}

/* The plans of the first lane: they pack the weights, once for all lanes. */
static hone_status make_plans(hone__lane *lane, hone__servable *s, hone_error *err) {
    hone_plan_config config = hone_plan_config_default();
    config.max_batch = s->max_batch;
    config.precision = s->precision;
    HONE_TRY(hone_plan_create(&lane->plan, s->model, &config, err));
    if (!s->reads_features) return HONE_OK;
    size_t layer;
    HONE_TRY(hone_model_feature_layer(s->model, &layer, err));
    config.layers = &layer;
    config.layer_count = 1;
    HONE_TRY(hone_plan_create(&lane->judged, s->model, &config, err));
    s->judged_size = hone_plan_row_size(lane->judged);
    return HONE_OK;
}

static hone_status make_lane(hone__lane *lane, hone__servable *s, hone_error *err) {
    const hone__lane *first = &s->lanes[0];
    if (lane == first) {
        HONE_TRY(make_plans(lane, s, err));
    } else {
        HONE_TRY(hone__plan_create_twin(&lane->plan, first->plan, err));
        if (first->judged) HONE_TRY(hone__plan_create_twin(&lane->judged, first->judged, err));
    }
    size_t inputs, outputs;
    if (hone__multiply(s->max_batch, s->input_size, &inputs) &&
        hone__multiply(s->max_batch, s->judged_size, &outputs)) {
        lane->inputs = hone__alloc(inputs, sizeof *lane->inputs);
        lane->pixels = hone__alloc(inputs, 1);
        lane->outputs = hone__alloc(outputs, sizeof *lane->outputs);
    }
    if (!lane->inputs || !lane->pixels || !lane->outputs) return hone__fail_memory(err, 0, "a model's inputs");
    return HONE_OK;
}

/* What a sample costs: the first run touches all memory, the best of the others counts. */
static void measure(hone__servable *s) {
    hone__lane *lane = &s->lanes[0];
    for (int i = 0; i <= MEASURED_RUNS; i++) {
        double began = hone__seconds();
        hone_plan_predict(lane->plan, lane->inputs, 1, lane->outputs);
        double took = hone__seconds() - began;
        if (i == 1 || (i > 1 && took < s->cost)) s->cost = took;
    }
}

/* How many numbers describe a picture; 0: none do. */
static size_t count_features(const hone_model *model) {
    size_t layer;
    if (hone_model_feature_layer(model, &layer, NULL) != HONE_OK) return 0;
    return (size_t)hone_shape_size(&model->layers[layer]->output);
}

/* What hone teach has put into the file; lessons that do not fit the model any more are no reason not to serve it. */
static hone_status load_lessons(hone__servable *s, const hone__servable_config *config, hone_error *err) {
    char why[HONE_ERROR_MESSAGE_SIZE];
    bool is_taught = hone_value_kind_of(hone_model_record(s->model, HONE_LESSONS_RECORD)) != HONE_VALUE_NULL;
    if (config->untaught || (!is_taught && !config->teach)) return HONE_OK;
    HONE_TRY(hone__teaching_create(&s->teaching, s->model, count_features(s->model), why, err));
    if (*why) hone__log(HONE_LOG_WARNING, "'%s' answers without what it was taught: %s", config->path, why);
    return HONE_OK;
}

/* The classes of the answers, which may be more than the network's. */
static hone_status name_classes(hone__servable *s, hone_error *err) {
    size_t taught = s->teaching ? hone__teaching_classes(s->teaching) : 0;
    s->answer_size = s->output_size;
    s->class_count = s->output_size == 1 ? 2 : s->output_size; /* one sigmoid decides between two */
    if (taught > s->class_count) {
        s->answer_size = s->class_count = taught;
        s->outputs[0].shape.dims[0] = (int64_t)taught;
        s->outputs[0].size = taught;
    }
    if (s->output_count > 1 || s->class_count > HONE_MAX_CLASSES) return HONE_OK;
    s->class_names = hone__alloc(s->class_count, sizeof *s->class_names);
    if (!s->class_names) return hone__fail_memory(err, s->class_count * sizeof *s->class_names, "names of classes");
    for (size_t i = 0; i < s->class_count; i++) {
        s->class_names[i] = hone_model_class_name(s->model, i);
        if (i >= s->output_size && taught > i) s->class_names[i] = hone__teaching_class_name(s->teaching, i);
    }
    return HONE_OK;
}

static hone_status load(hone__servable *s, const hone__servable_config *config, hone_error *err) {
    bool is_open = false;
    const hone_load_options options = {.height = config->height, .width = config->width, .is_open = &is_open};
    hone_status status = hone_model_load_with(&s->model, config->path, &options, NULL, err);
    if (status == HONE_SHAPE && is_open && config->height == 0)
        return hone__fail_context(err, status, "--size HEIGHTxWIDTH is wanted");
    HONE_TRY(status);
    if (!is_open && config->height != 0)
        hone__log(HONE_LOG_WARNING, "'%s' states the size of its pictures: the one that was given is for other files",
                  config->path);
    status = hone_model_self_test(s->model, NULL, err);
    if (status != HONE_OK) return hone__fail_context(err, status, "the self-test fails");
    if (config->input) hone_model_set_preprocessing(s->model, config->input);
    bool int8 = !config->float32 && hone_model_is_quantized(s->model);
    if (!int8 && !config->float32 && hone_value_kind_of(hone_model_record(s->model, "quantization")) != HONE_VALUE_NULL)
        hone__log(HONE_LOG_WARNING,
                  "'%s' was quantized with other weights than it has now: it runs in float32 (hone quantize)",
                  config->path);
    s->precision = int8 ? HONE_PRECISION_INT8 : HONE_PRECISION_FLOAT32;
    HONE_TRY(describe(&s->inputs, &s->input_count, &s->input_size, s->model, true, err));
    HONE_TRY(describe(&s->outputs, &s->output_count, &s->output_size, s->model, false, err));
    const hone_shape *in = &s->inputs[0].shape;
    s->takes_pictures =
        s->input_count == 1 && s->output_count == 1 && in->rank == 3 && (in->dims[2] == 1 || in->dims[2] == 3);
    s->judged_size = s->output_size;
    s->temperature = s->output_count == 1 ? hone_model_temperature(s->model) : 1;
    if (s->takes_pictures) {
        HONE_TRY(hone_rejection_create(&s->rejection, s->model, err));
        s->offers_unknown = s->rejection && strcmp(s->outputs[0].name, HONE_SERVE_UNKNOWN) != 0;
        HONE_TRY(hone__explanations_create(&s->explanations, s->model, err));
    }
    HONE_TRY(hone__model_counters_init(&s->counters, s->output_size, err));
    HONE_TRY(hone__drift_create(&s->drift, s->model, err));
    if (s->takes_pictures) HONE_TRY(load_lessons(s, config, err));
    HONE_TRY(name_classes(s, err));
    s->reads_features = s->rejection || hone__explanations_has_examples(s->explanations) ||
                        (s->teaching && (config->teach || hone__teaching_count(s->teaching) > 0));
    s->lanes = hone__alloc(2 * (size_t)config->threads, sizeof *s->lanes);
    if (!s->lanes) return hone__fail_memory(err, 0, "a model's lanes");
    for (int i = 0; i < 2 * config->threads; i++) {
        /* The first tells what the model costs; one that is never run by the protocol's threads needs no more. */
        if (i == config->threads && s->cost > config->at_once_seconds) break;
        s->lane_count++;
        HONE_TRY(make_lane(&s->lanes[i], s, err));
        if (i == 0)
            measure(s);
        else
            hone_plan_predict(s->lanes[i].plan, s->lanes[i].inputs, 1, s->lanes[i].outputs);
    }
    return HONE_OK;
}

hone_status hone__servable_create(hone__servable **out, const hone__servable_config *config, hone_error *err) {
    *out = NULL;
    double began = hone__seconds();
    hone__servable *s = hone__alloc(1, sizeof *s);
    if (!s) return hone__fail_memory(err, sizeof *s, "a model");
    atomic_store(&s->references, 1);
    s->version = config->version;
    s->max_batch = config->max_batch;
    s->name = hone__strdup(config->name);
    hone_status status = s->name ? load(s, config, err) : hone__fail_memory(err, 0, "a model's name");
    if (status != HONE_OK) {
        bool is_read = s->model != NULL; /* whoever reads files names them */
        hone__servable_drop(s);
        return is_read ? hone__fail_context(err, status, "'%s'", config->path) : status;
    }
    s->load_seconds = hone__seconds() - began;
    *out = s;
    return HONE_OK;
}

static void release_specs(hone__tensor_spec *specs, size_t count) {
    for (size_t i = 0; specs && i < count; i++) hone__free(specs[i].name);
    hone__free(specs);
}

void hone__servable_hold(hone__servable *s) {
    atomic_fetch_add(&s->references, 1);
}

void hone__servable_drop(hone__servable *s) {
    if (!s || atomic_fetch_sub(&s->references, 1) > 1) return;
    for (size_t i = s->lane_count; i-- > 0;) { /* the first has what the others share */
        hone_plan_free(s->lanes[i].plan);
        hone_plan_free(s->lanes[i].judged);
        hone__free(s->lanes[i].inputs);
        hone__free(s->lanes[i].pixels);
        hone__free(s->lanes[i].outputs);
    }
    hone__free(s->lanes);
    release_specs(s->inputs, s->input_count);
    release_specs(s->outputs, s->output_count);
    hone__model_counters_release(&s->counters);
    hone__drift_free(s->drift);
    hone_rejection_free(s->rejection);
    hone__teaching_free(s->teaching);
    hone__explanations_free(s->explanations);
    hone__free(s->class_names);
    hone_model_free(s->model);
    hone__free(s->name);
    hone__free(s);
}

hone__lane *hone__servable_take(hone__servable *s) {
    for (size_t i = 0; i < s->lane_count; i++)
        if (!atomic_load_explicit(&s->lanes[i].busy, memory_order_relaxed) && !atomic_exchange(&s->lanes[i].busy, true))
            return &s->lanes[i];
    return NULL;
}

void hone__servable_give(hone__lane *lane) {
    atomic_store(&lane->busy, false);
}

void hone__servable_features(hone__servable *s, const unsigned char *pixels, float *row) {
    hone__lane *lane;
    while (!(lane = hone__servable_take(s))) sched_yield(); /* another is about to give one back */
    hone_plan_predict_pixels(lane->judged, pixels, 1, row);
    hone__servable_give(lane);
}

const char *hone__servable_precision(const hone__servable *s) {
    return s->precision == HONE_PRECISION_INT8 ? "int8" : "float32";
}

const char *hone__servable_class_name(const hone__servable *s, size_t index) {
    return s->class_names && index < s->class_count ? s->class_names[index] : NULL;
}
