/* SPDX-License-Identifier: Apache-2.0
 *
 * The objective: a model's loss and metrics over rows of its outputs, and whether data fits them.
 *
 * One idea: training, validation and hone_evaluate all come through hone__objective_rows, so a number never depends on
 * who asked for it. Rows are independent; what is summed over them is integers here and doubles, in the order of the
 * samples, at the caller. */
#include "train_internal.h"

#include <math.h>
#include <string.h>

/* ---- creation -------------------------------------------------------------------------------------------------- */

static hone_status check_metrics(const hone_metric *metrics, size_t count, size_t outputs, hone_error *err) {
    if (count > HONE_MAX_METRICS)
        HONE_FAIL(err, HONE_LIMIT, "%zu metrics, at most %d are possible", count, HONE_MAX_METRICS);
    for (size_t i = 0; i < count; i++) {
        const char *name = hone_metric_name(&metrics[i]);
        if (metrics[i].kind == HONE_METRIC_TOP_K && (metrics[i].k < 1 || (size_t)metrics[i].k > outputs))
            HONE_FAIL(err, HONE_ARGUMENT, "metric '%s': k is %d, the model has %zu outputs", name, metrics[i].k,
                      outputs);
        for (size_t j = 0; j < i; j++)
            if (metrics[j].kind == metrics[i].kind) HONE_FAIL(err, HONE_ARGUMENT, "metric '%s' is listed twice", name);
    }
    return HONE_OK;
}

/* The output must be one vector per sample, long enough for the loss. */
static hone_status check_output(const hone_model *model, const hone_loss *loss, size_t *outputs, hone_error *err) {
    if (!hone_model_is_built(model)) HONE_FAIL(err, HONE_ARGUMENT, "model '%s' is not built", hone_model_name(model));
    hone_shape shape = hone_model_output_shape(model);
    char text[128];
    if (shape.rank != 1)
        HONE_FAIL(err, HONE_SHAPE, "model '%s' has output %s, expected (None, classes)", hone_model_name(model),
                  hone_shape_text(&shape, true, text, sizeof text));
    if (hone__loss_head(loss) == 1 && shape.dims[0] < 2)
        HONE_FAIL(err, HONE_SHAPE,
                  "model '%s' has one output, loss '%s' needs one per class; 'binary_crossentropy' takes one",
                  hone_model_name(model), hone_loss_name(loss->kind));
    *outputs = (size_t)shape.dims[0];
    return HONE_OK;
}

hone_status hone__objective_create_plan(hone__objective *o, hone_plan **plan, hone_model *model,
                                        const hone_plan_config *config, const hone_loss *loss,
                                        const hone_metric *metrics, size_t metric_count, hone_error *err) {
    *plan = NULL;
    size_t outputs;
    HONE_TRY(hone__loss_check(loss, err));
    HONE_TRY(check_output(model, loss, &outputs, err));
    HONE_TRY(check_metrics(metrics, metric_count, outputs, err));

    hone_plan_config c = *config;
    c.logits = hone__loss_wants_logits(loss);
    HONE_TRY(hone_plan_create(plan, model, &c, err));
    if (hone__plan_logits(*plan) != 0 && hone__plan_logits(*plan) != hone__loss_head(loss)) {
        /* A sigmoid before a softmax's loss, or the reverse: not seen through, its outputs are probabilities. */
        hone_plan_free(*plan);
        c.logits = false;
        HONE_TRY(hone_plan_create(plan, model, &c, err));
    }

    *o = (hone__objective){.loss = *loss,
                           .head = hone__plan_logits(*plan),
                           .outputs = outputs,
                           .metric_count = metric_count,
                           .kernels = hone__kernels()};
    o->form = hone__loss_form_of(loss, o->head != 0 || loss->from_logits);
    for (size_t i = 0; i < metric_count; i++) {
        o->metrics[i] = metrics[i];
        switch (metrics[i].kind) {
        case HONE_METRIC_ACCURACY: break;
        case HONE_METRIC_TOP_K: o->k = metrics[i].k; break;
        case HONE_METRIC_AUC: o->has_auc = true; break;
        case HONE_METRIC_PRECISION:
        case HONE_METRIC_RECALL: o->has_areas = true; break;
        }
    }
    return HONE_OK;
}

bool hone__objective_needs_probabilities(const hone__objective *o) {
    return o->has_auc || (o->has_areas && o->head != 0);
}

/* ---- rows ------------------------------------------------------------------------------------------------------ */

/* How many outputs stand before that of label. *above: those that are larger, which is what top-k looks at (as
 * TensorFlow's in_top_k: a tie at the border is in); returned: ties at a lower index too, as argmax does. A NaN is
 * before all. */
static size_t count_before(const float *x, size_t c, size_t label, size_t *above) {
    size_t larger = 0, ties = 0;
    for (size_t j = 0; j < c; j++) {
        larger += !(x[j] <= x[label]); /* also where either is NaN */
        ties += j < label && x[j] == x[label];
    }
    *above = larger;
    return larger + ties;
}

/* Precision and recall: every output is a guess of its own. */
static void count_areas(const float *p, size_t c, int32_t label, hone__tally *tally) {
    for (size_t j = 0; j < c; j++) {
        bool guessed = p[j] > 0.5f, is = c == 1 ? label == 1 : (int32_t)j == label;
        tally->true_positives += guessed && is;
        tally->false_positives += guessed && !is;
        tally->false_negatives += !guessed && is;
    }
}

static void to_probabilities(const hone__objective *o, size_t rows, const float *outputs, float *probabilities) {
    static const hone_activation sigmoid = {.kind = HONE_ACTIVATION_SIGMOID};
    if (o->head == 1)
        o->kernels->softmax_forward(rows, o->outputs, outputs, probabilities);
    else if (o->head == 2)
        o->kernels->activation_forward(&sigmoid, rows * o->outputs, outputs, probabilities);
    else
        memcpy(probabilities, outputs, rows * o->outputs * sizeof *outputs);
}

void hone__objective_rows(const hone__objective *o, size_t rows, const float *outputs, const int32_t *labels,
                          float *losses, float *d, float *probabilities, hone__tally *tally) {
    size_t c = o->outputs;
    hone__loss_rows(o->kernels, &o->loss, o->form, rows, c, outputs, labels, losses, d);
    if (probabilities) to_probabilities(o, rows, outputs, probabilities);

    /* Softmax and sigmoid keep order, so ranks are taken from the logits; sigmoid(x) > 0.5 is x > 0. */
    float threshold = o->head == 2 ? 0.0f : 0.5f;
    for (size_t i = 0; i < rows; i++) {
        const float *x = outputs + i * c; /* (c) */
        if (c == 1) {
            bool correct = labels[i] == (x[0] > threshold);
            tally->correct += correct;
            tally->in_top_k += correct;
        } else {
            size_t above;
            tally->correct += count_before(x, c, (size_t)labels[i], &above) == 0;
            tally->in_top_k += above < (size_t)o->k;
        }
        if (o->has_areas) count_areas(probabilities ? probabilities + i * c : x, c, labels[i], tally);
    }
}

/* ---- means ----------------------------------------------------------------------------------------------------- */

static double ratio(uint64_t part, uint64_t whole) {
    return whole ? (double)part / (double)whole : 0.0; /* Keras' divide_no_nan */
}

void hone__objective_logs(const hone__objective *o, const hone__sums *sums, bool validation, bool partial, double auc,
                          hone_logs *logs) {
    const hone__tally *t = &sums->tally;
    hone__logs_add(logs, validation ? "val_loss" : "loss", sums->samples ? sums->loss / (double)sums->samples : 0.0);
    for (size_t i = 0; i < o->metric_count; i++) {
        double value = 0;
        switch (o->metrics[i].kind) {
        case HONE_METRIC_ACCURACY: value = ratio(t->correct, sums->samples); break;
        case HONE_METRIC_TOP_K: value = ratio(t->in_top_k, sums->samples); break;
        case HONE_METRIC_AUC: value = auc; break;
        case HONE_METRIC_PRECISION: value = ratio(t->true_positives, t->true_positives + t->false_positives); break;
        case HONE_METRIC_RECALL: value = ratio(t->true_positives, t->true_positives + t->false_negatives); break;
        }
        if (o->metrics[i].kind == HONE_METRIC_AUC && partial) continue;
        hone__logs_add(logs, hone__metric_key(&o->metrics[i], validation), value);
    }
}

/* ---- data ------------------------------------------------------------------------------------------------------ */

void hone__gather_rows(const float *features, size_t size, const uint32_t *indices, size_t n, float *rows) {
    for (size_t i = 0; i < n; i++) memcpy(rows + i * size, features + indices[i] * size, size * sizeof *rows);
}

static hone_status check_images(const hone_model *model, const hone_dataset *data, const char *what, hone_error *err) {
    size_t inputs = hone_model_input_count(model), outputs = hone_model_output_count(model);
    if (inputs != 1 || outputs != 1)
        HONE_FAIL(err, HONE_UNSUPPORTED, "model '%s' has %zu inputs and %zu outputs, training needs one of each",
                  hone_model_name(model), inputs, outputs);
    hone_shape takes = hone_model_input_shape(model);
    hone_shape given = {3, {hone_dataset_height(data), hone_dataset_width(data), hone_dataset_channels(data)}};
    hone_shape grey = {
        2, {given.dims[0], given.dims[1]}}; /* Input((28, 28)) takes grey images, as in Keras' first tutorial */
    if (hone_shape_equal(&takes, &given) || (given.dims[2] == 1 && hone_shape_equal(&takes, &grey))) return HONE_OK;
    char wanted[128], found[128];
    HONE_FAIL(err, HONE_SHAPE, "%s has images %s, model '%s' takes %s", what,
              hone_shape_text(&given, false, found, sizeof found), hone_model_name(model),
              hone_shape_text(&takes, false, wanted, sizeof wanted));
}

hone_status hone__check_data(const hone_model *model, const hone_dataset *data, const hone_loss *loss,
                             const uint32_t *indices, size_t count, const char *what, hone_error *err) {
    HONE_TRY(check_images(model, data, what, err));
    return hone__check_labels(model, data, loss, indices, count, what, err);
}

hone_status hone__check_labels(const hone_model *model, const hone_dataset *data, const hone_loss *loss,
                               const uint32_t *indices, size_t count, const char *what, hone_error *err) {
    if (count == 0) HONE_FAIL(err, HONE_ARGUMENT, "%s has no samples", what);
    size_t samples = hone_dataset_samples(data);
    if (samples > UINT32_MAX) HONE_FAIL(err, HONE_LIMIT, "%s has %zu samples, at most %u", what, samples, UINT32_MAX);

    int64_t outputs = hone_model_output_shape(model).dims[0], most = outputs - 1;
    if (outputs == 1) most = loss->kind == HONE_LOSS_BINARY_CROSSENTROPY ? 1 : INT32_MAX;
    const int32_t *labels = hone_dataset_labels(data);
    for (size_t i = 0; i < count; i++) {
        size_t sample = indices ? indices[i] : i;
        if (sample >= samples)
            HONE_FAIL(err, HONE_ARGUMENT, "%s: index %zu names no sample, there are %zu", what, sample, samples);
        int32_t label = labels[sample];
        if (label >= 0 && label <= most) continue;
        const char *path = hone_dataset_path(data, sample);
        if (label < 0)
            HONE_FAIL(err, HONE_ARGUMENT, "%s: sample %zu%s%s%s has no label", what, sample, path ? " ('" : "",
                      path ? path : "", path ? "')" : "");
        HONE_FAIL(err, HONE_ARGUMENT,
                  "%s: sample %zu%s%s%s has label %d, model '%s' with %lld output%s takes 0 to %lld", what, sample,
                  path ? " ('" : "", path ? path : "", path ? "')" : "", (int)label, hone_model_name(model),
                  (long long)outputs, outputs == 1 ? "" : "s", (long long)most);
    }
    return HONE_OK;
}
