/* SPDX-License-Identifier: Apache-2.0
 *
 * What a model says of a data set, as probabilities. */
#include "evaluate_internal.h"

#include <math.h>

static void softmax(float *row, size_t outputs) {
    float most = row[0];
    double sum = 0;
    for (size_t c = 1; c < outputs; c++) most = row[c] > most ? row[c] : most;
    for (size_t c = 0; c < outputs; c++) sum += exp((double)(row[c] - most));
    for (size_t c = 0; c < outputs; c++) row[c] = (float)(exp((double)(row[c] - most)) / sum);
}

/* A model trained from_logits gives none; one that ends in softmax all the same is seen through, as in the loss. */
static void make_probabilities(float *p, size_t samples, size_t outputs, bool binary) {
    for (size_t i = 0; i < samples; i++) {
        if (!binary)
            softmax(p + i * outputs, outputs);
        else
            for (size_t c = 0; c < outputs; c++) p[i * outputs + c] = (float)(1 / (1 + exp(-p[i * outputs + c])));
    }
}

/* Whether the rows are what a softmax or a sigmoid gives: from_logits may be said of such a model, too. */
static bool are_probabilities(const float *p, size_t samples, size_t outputs) {
    for (size_t i = 0; i < samples; i++) {
        double sum = 0;
        for (size_t c = 0; c < outputs; c++) {
            float value = p[i * outputs + c];
            if (!(value >= 0 && value <= 1)) return false;
            sum += value;
        }
        if (outputs > 1 && fabs(sum - 1) > 1e-3) return false;
    }
    return true;
}

hone_status hone_evaluate_predictions(hone_evaluation *out, float **probabilities, hone_model *model,
                                      const hone_dataset *data, const hone_evaluate_config *config, hone_error *err) {
    *probabilities = NULL;
    hone_evaluate_config own = *config;
    size_t samples = config->indices ? config->index_count : hone_dataset_samples(data), values;
    int64_t outputs = hone_model_output_size(model);
    bool binary = config->loss.kind == HONE_LOSS_BINARY_CROSSENTROPY;
    if (outputs < 1 || (outputs == 1 && !binary))
        HONE_FAIL(err, HONE_UNSUPPORTED, "the model has one output and the loss is %s: a regression has no classes",
                  hone_loss_name(config->loss.kind));
    if (samples == 0 || !hone__multiply(samples, (size_t)outputs, &values))
        HONE_FAIL(err, HONE_ARGUMENT, "there are %zu samples to evaluate", samples);
    float *p = hone__alloc(values, sizeof *p);
    if (!p) return hone__fail_memory(err, values * sizeof *p, "predictions");
    own.predictions = p;
    hone_status status = hone_evaluate(out, model, data, &own, err);
    if (status != HONE_OK) {
        hone__free(p);
        return status;
    }
    if (config->loss.from_logits && !are_probabilities(p, samples, (size_t)outputs))
        make_probabilities(p, samples, (size_t)outputs, binary);
    *probabilities = p;
    return HONE_OK;
}

void hone_predictions_free(float *probabilities) {
    hone__free(probabilities);
}
