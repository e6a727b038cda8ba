/* SPDX-License-Identifier: Apache-2.0
 *
 * Heat maps: Grad-CAM and integrated gradients.
 *
 * One idea: both are a product of something the network holds (a layer's maps, the picture) and the gradient of a
 * class's logit by it; so both are a plan that watches one layer (hone__plan_create_watching), the input being a layer
 * as well. */
#include <hone/explain.h>

#include "anomaly_maps.h"
#include "core_internal.h"
#include "model_internal.h"
#include "plan_internal.h"

#include <math.h>
#include <string.h>

enum { LEAST_SIDE = 5, MOST_STEPS = 1024, BATCH = 16 };

struct hone_explainer {
    hone_model *model;
    hone_explanation explanation;
    hone_plan *plan;
    size_t layer;
    hone_shape shape; /* of the layer's output: (h, w, c) */
    size_t height, width, channels, outputs;
    int steps;
    bool chooses;                        /* the class of the pass under way is the first sample's answer */
    size_t class_index;                  /* of the pass under way */
    float *logits;                       /* (BATCH, outputs) */
    float *weights;                      /* Grad-CAM: (c) of the layer's maps */
    float *coarse;                       /* Grad-CAM: (h, w) of the layer */
    float *picture, *black, *way, *sums; /* integrated gradients: inputs; (BATCH, input) on the way; (input) */
};

static const char *const words[] = {
    [HONE_EXPLAIN_GRAD_CAM] = "grad-cam", [HONE_EXPLAIN_INTEGRATED_GRADIENTS] = "integrated-gradients"};

const char *hone_explanation_word(hone_explanation explanation) {
    return words[explanation];
}

hone_status hone_explanation_parse(hone_explanation *out, const char *word, hone_error *err) {
    for (int i = 0; i < 2; i++) {
        if (strcmp(word, words[i]) != 0) continue;
        *out = (hone_explanation)i;
        return HONE_OK;
    }
    HONE_FAIL(err, HONE_ARGUMENT, "no explanation is called '%.40s': grad-cam or integrated-gradients", word);
}

hone_explain_config hone_explain_config_default(void) {
    return (hone_explain_config){.explanation = HONE_EXPLAIN_GRAD_CAM, .steps = 32};
}

/* ---- which layer ------------------------------------------------------------------------------------------------- */

static bool has_maps(const hone_model *model, size_t index, hone_layer_info *info) {
    return hone_model_layer_info(model, index, info) == HONE_OK && info->output.rank == 3 &&
           info->output.dims[0] * info->output.dims[1] > 1;
}

/* Named, or the last one whose maps still say where: behind the first convolution. */
static hone_status find_layer(const hone_model *model, const char *name, size_t *layer, hone_error *err) {
    hone_layer_info info;
    bool found = false, fine = false, convolved = false;
    for (size_t i = 0; i < hone_model_layer_count(model); i++) {
        if (!has_maps(model, i, &info)) {
            if (name && hone_model_layer_info(model, i, &info) == HONE_OK && strcmp(info.name, name) == 0)
                HONE_FAIL(err, HONE_UNSUPPORTED, "layer '%.128s' (%s) has no maps", name, info.class_name);
            continue;
        }
        convolved = convolved || strstr(info.class_name, "Conv") != NULL;
        bool wanted = name ? strcmp(info.name, name) == 0 : convolved && !strstr(info.class_name, "Dropout");
        bool is_fine = info.output.dims[0] >= LEAST_SIDE && info.output.dims[1] >= LEAST_SIDE;
        if (!wanted || (fine && !is_fine && !name)) continue;
        *layer = i;
        found = true;
        fine = fine || is_fine;
    }
    if (found) return HONE_OK;
    if (name) HONE_FAIL(err, HONE_NOT_FOUND, "model '%.128s' has no layer '%.128s'", hone_model_name(model), name);
    HONE_FAIL(err, HONE_UNSUPPORTED, "model '%.128s' has no convolution whose maps Grad-CAM could weigh",
              hone_model_name(model));
}

/* ---- create and free --------------------------------------------------------------------------------------------- */

static hone_status check(const hone_model *model, const hone_explain_config *config, hone_error *err) {
    hone_shape input = hone_model_input_shape(model), output = hone_model_output_shape(model);
    if (!hone_model_is_built(model)) HONE_FAIL(err, HONE_ARGUMENT, "the model is not built");
    if (hone_model_input_count(model) != 1 || hone_model_output_count(model) != 1 || input.rank != 3 ||
        output.rank != 1)
        HONE_FAIL(err, HONE_UNSUPPORTED, "model '%.128s' is no classifier of pictures: one image in, one vector out",
                  hone_model_name(model));
    if (config->steps < 1 || config->steps > MOST_STEPS)
        HONE_FAIL(err, HONE_ARGUMENT, "%d steps, expected 1 to %d", config->steps, MOST_STEPS);
    return HONE_OK;
}

static hone_status reserve(hone_explainer *e, hone_error *err) {
    size_t input = e->height * e->width * e->channels, way;
    size_t places = (size_t)(e->shape.dims[0] * e->shape.dims[1]), maps = (size_t)e->shape.dims[2];
    if (!hone__multiply(input, BATCH, &way)) HONE_FAIL(err, HONE_LIMIT, "pictures are too large to explain");
    bool cam = e->explanation == HONE_EXPLAIN_GRAD_CAM;
    e->logits = hone__alloc(BATCH, e->outputs * sizeof *e->logits);
    e->weights = hone__alloc(cam ? maps : 0, sizeof *e->weights);
    e->coarse = hone__alloc(cam ? places : 0, sizeof *e->coarse);
    e->picture = hone__alloc(cam ? 0 : input, sizeof *e->picture);
    e->black = hone__alloc(cam ? 0 : input, sizeof *e->black);
    e->way = hone__alloc(cam ? 0 : way, sizeof *e->way);
    e->sums = hone__alloc(cam ? 0 : input, sizeof *e->sums);
    return e->logits && e->weights && e->coarse && e->picture && e->black && e->way && e->sums
               ? HONE_OK
               : hone__fail_memory(err, way * sizeof(float), "an explanation");
}

static hone_status make(hone_explainer *e, const hone_explain_config *config, hone_error *err) {
    HONE_TRY(check(e->model, config, err));
    hone_shape input = hone_model_input_shape(e->model);
    hone_layer_info info;
    e->height = (size_t)input.dims[0];
    e->width = (size_t)input.dims[1];
    e->channels = (size_t)input.dims[2];
    e->outputs = (size_t)hone_model_output_size(e->model);
    if (e->explanation == HONE_EXPLAIN_GRAD_CAM)
        HONE_TRY(find_layer(e->model, config->layer, &e->layer, err));
    else
        e->layer = e->model->nodes[e->model->inputs[0]].layer;
    HONE_TRY(hone_model_layer_info(e->model, e->layer, &info));
    e->shape = info.output;
    HONE_TRY(reserve(e, err));
    size_t batch = e->explanation == HONE_EXPLAIN_GRAD_CAM ? 1 : BATCH;
    return hone__plan_create_watching(&e->plan, e->model, e->layer, batch, config->threads, err);
}

hone_status hone_explainer_create(hone_explainer **out, hone_model *model, const hone_explain_config *config,
                                  hone_error *err) {
    const hone_explain_config standard = hone_explain_config_default();
    if (!config) config = &standard;
    *out = NULL;
    hone_explainer *e = hone__alloc(1, sizeof *e);
    if (!e) return hone__fail_memory(err, sizeof *e, "an explanation");
    e->model = model;
    e->explanation = config->explanation;
    e->steps = config->steps;
    hone_status status = make(e, config, err);
    if (status != HONE_OK) {
        hone_explainer_free(e);
        return status;
    }
    *out = e;
    return HONE_OK;
}

void hone_explainer_free(hone_explainer *e) {
    if (!e) return;
    hone_plan_free(e->plan);
    hone__free(e->logits);
    hone__free(e->weights);
    hone__free(e->coarse);
    hone__free(e->picture);
    hone__free(e->black);
    hone__free(e->way);
    hone__free(e->sums);
    hone__free(e);
}

const char *hone_explainer_layer(const hone_explainer *e) {
    hone_layer_info info;
    bool found = e->explanation == HONE_EXPLAIN_GRAD_CAM && hone_model_layer_info(e->model, e->layer, &info) == HONE_OK;
    return found ? info.name : NULL;
}

/* ---- a pass ------------------------------------------------------------------------------------------------------ */

/* One logit speaks for class 1 and, negated, for class 0. */
static float direction(const hone_explainer *e) {
    return e->outputs == 1 && e->class_index == 0 ? -1 : 1;
}

static double class_logit(const hone_explainer *e, size_t sample) {
    return (double)(direction(e) * e->logits[sample * e->outputs + (e->outputs == 1 ? 0 : e->class_index)]);
}

/* In place of a loss: the gradient of the class's logit. Several workers come here at once, but for a class to be
 * chosen, when there is one sample. */
static void ask_for_class(void *context, int worker, size_t shard, size_t first, size_t count, const float *outputs,
                          float *d_outputs) {
    hone_explainer *e = context;
    (void)worker;
    (void)shard;
    memcpy(e->logits + first * e->outputs, outputs, count * e->outputs * sizeof *outputs);
    if (e->chooses) {
        size_t best = 0;
        for (size_t c = 1; c < e->outputs; c++)
            if (outputs[c] > outputs[best]) best = c;
        e->class_index = e->outputs == 1 ? outputs[0] > 0 : best;
    }
    memset(d_outputs, 0, count * e->outputs * sizeof *d_outputs);
    for (size_t i = 0; i < count; i++)
        d_outputs[i * e->outputs + (e->outputs == 1 ? 0 : e->class_index)] = direction(e);
}

/* ---- Grad-CAM ---------------------------------------------------------------------------------------------------- */

/* To 0 … 1 by the largest; what is not above 0 becomes 0. */
static void scale_map(float *map, size_t count) {
    float most = 0;
    for (size_t i = 0; i < count; i++) most = fmaxf(most, map[i]);
    for (size_t i = 0; i < count; i++) map[i] = most > 0 && map[i] > 0 ? map[i] / most : 0;
}

static void run_grad_cam(hone_explainer *e, const unsigned char *pixels, float *map) {
    size_t h = (size_t)e->shape.dims[0], w = (size_t)e->shape.dims[1], c = (size_t)e->shape.dims[2];
    hone__plan_step(e->plan, pixels, 1, 0, ask_for_class, e);
    hone__watched seen = hone__plan_watched(e->plan);
    memset(e->weights, 0, c * sizeof *e->weights);
    for (size_t place = 0; place < h * w; place++)
        for (size_t k = 0; k < c; k++) e->weights[k] += seen.gradients[place * c + k];
    for (size_t place = 0; place < h * w; place++) {
        double sum = 0;
        for (size_t k = 0; k < c; k++) sum += (double)e->weights[k] * (double)seen.values[place * c + k];
        e->coarse[place] = (float)fmax(sum, 0);
    }
    hone__map_enlarge(e->coarse, h, w, map, e->height, e->width);
}

/* ---- integrated gradients ---------------------------------------------------------------------------------------- */

/* What the network is given for pixels, into input, and the logit of the class. */
static double look_at(hone_explainer *e, const unsigned char *pixels, float *input) {
    hone__plan_step(e->plan, pixels, 1, 0, ask_for_class, e);
    hone__watched seen = hone__plan_watched(e->plan);
    memcpy(input, seen.values, seen.size * sizeof *input);
    return class_logit(e, 0);
}

/* The mean gradient on the straight way from black to the picture, by the midpoint rule. */
static void run_integrated(hone_explainer *e, const unsigned char *pixels, float *map,
                           hone_explanation_result *result) {
    size_t size = e->height * e->width * e->channels;
    double reached = look_at(e, pixels, e->picture);
    e->chooses = false;
    unsigned char *black = (unsigned char *)e->way; /* the way begins later */
    memset(black, 0, size);
    double began = look_at(e, black, e->black), attributed = 0;
    memset(e->sums, 0, size * sizeof *e->sums);
    for (int first = 0; first < e->steps; first += BATCH) {
        size_t n = (size_t)(e->steps - first < BATCH ? e->steps - first : BATCH);
        for (size_t i = 0; i < n; i++) {
            float share = ((float)first + (float)i + 0.5f) / (float)e->steps;
            for (size_t k = 0; k < size; k++)
                e->way[i * size + k] = e->black[k] + share * (e->picture[k] - e->black[k]);
        }
        hone__plan_step_float(e->plan, e->way, n, 0, ask_for_class, e);
        const float *gradients = hone__plan_watched(e->plan).gradients;
        for (size_t i = 0; i < n * size; i++) e->sums[i % size] += gradients[i] / (float)e->steps;
    }
    for (size_t place = 0; place < e->height * e->width; place++) {
        double sum = 0;
        for (size_t c = 0; c < e->channels; c++) {
            size_t k = place * e->channels + c;
            sum += (double)(e->picture[k] - e->black[k]) * (double)e->sums[k];
        }
        attributed += sum;
        map[place] = (float)sum;
    }
    result->attributed = attributed;
    result->expected = reached - began;
}

void hone_explainer_run(hone_explainer *e, const unsigned char *pixels, int class_index, float *map,
                        hone_explanation_result *result) {
    hone_explanation_result found = {0};
    e->chooses = class_index < 0;
    e->class_index = class_index < 0 ? 0 : (size_t)class_index;
    if (e->explanation == HONE_EXPLAIN_GRAD_CAM)
        run_grad_cam(e, pixels, map);
    else
        run_integrated(e, pixels, map, &found);
    scale_map(map, e->height * e->width);
    found.class_index = e->class_index;
    if (result) *result = found;
}
