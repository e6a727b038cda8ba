/* SPDX-License-Identifier: Apache-2.0
 *
 * How far probabilities can be believed, and one number that mends most of it.
 *
 * One idea: dividing logits by T needs no logits. softmax(z / T) is softmax(log(p) / T), since z and log(p) differ by
 * the same number in every class; so a temperature works on what any model gives. */
#include "evaluate_internal.h"

#include <float.h>
#include <math.h>
#include <string.h>

/* ---- measuring ------------------------------------------------------------------------------------------------- */

/* scikit-learn's and Keras' guard against log(0) in float32 */
static const double least_probability = FLT_EPSILON;

static void add_to_bin(hone_calibration_bin *bins, double confidence, bool right) {
    int i = (int)ceil(confidence * HONE_CALIBRATION_BINS) - 1;
    if (i < 0) i = 0;
    if (i >= HONE_CALIBRATION_BINS) i = HONE_CALIBRATION_BINS - 1;
    bins[i].count++;
    bins[i].confidence += confidence;
    bins[i].accuracy += right;
}

static double squares(const float *row, size_t outputs, size_t label) {
    if (outputs == 1) {
        double d = row[0] - (double)label;
        return 2 * d * d;
    }
    double sum = 0;
    for (size_t c = 0; c < outputs; c++) {
        double d = row[c] - (double)(c == label);
        sum += d * d;
    }
    return sum;
}

void hone__calibration_measure(hone_calibration *out, const hone_scores *s, const float *p, const int32_t *labels,
                               size_t outputs) {
    hone_calibration m = {0};
    double n = (double)s->samples;
    for (size_t i = 0; i < s->samples; i++) {
        const float *row = p + i * outputs;
        size_t label = (size_t)labels[i];
        double of_label = outputs > 1 ? row[label] : label ? row[0] : 1.0 - row[0];
        add_to_bin(m.bins, s->confidence[i], s->predicted[i] == labels[i]);
        m.brier += squares(row, outputs, label) / n;
        m.log_loss -= log(of_label > least_probability ? of_label : least_probability) / n;
    }
    for (int b = 0; b < HONE_CALIBRATION_BINS; b++) {
        hone_calibration_bin *bin = &m.bins[b];
        if (bin->count == 0) continue;
        bin->confidence /= (double)bin->count;
        bin->accuracy /= (double)bin->count;
        double gap = fabs(bin->accuracy - bin->confidence);
        m.ece += gap * (double)bin->count / n;
        m.mce = fmax(m.mce, gap);
    }
    *out = m;
}

/* ---- temperature ----------------------------------------------------------------------------------------------- */

/* log(p), for p that float32 rounded to 0 that of the smallest number it holds. */
static double log_of(float p) {
    return log(p > 0 ? (double)p : (double)FLT_TRUE_MIN);
}

/* log(p / (1 - p)); a sigmoid that float32 rounded to 1 was at least this near to it. */
static double logit_of(float p) {
    double q = fmin(fmax((double)p, (double)FLT_TRUE_MIN), 1.0 - (double)FLT_EPSILON / 4);
    return log(q) - log1p(-q);
}

/* The derivative of one sample's log loss by 1 / T: the mean logit under softmax(logits / T), less the label's. */
static double slope(const double *logits, size_t outputs, size_t label, double inverse) {
    if (outputs == 1) return logits[0] * (1 / (1 + exp(-logits[0] * inverse)) - (double)label);
    double most = logits[0], sum = 0, weighted = 0;
    for (size_t c = 1; c < outputs; c++) most = fmax(most, logits[c]);
    for (size_t c = 0; c < outputs; c++) {
        double weight = exp((logits[c] - most) * inverse);
        sum += weight;
        weighted += weight * logits[c];
    }
    return weighted / sum - logits[label];
}

/* The log loss is convex in 1 / T, so its derivative has one zero: halved down to the last bits of a double. */
static double find_temperature(const double *logits, const int32_t *labels, size_t samples, size_t outputs) {
    double low = log(0.01), high = log(100);
    for (int step = 0; step < 50; step++) {
        double middle = (low + high) / 2, inverse = exp(middle), sum = 0;
        for (size_t i = 0; i < samples; i++) sum += slope(logits + i * outputs, outputs, (size_t)labels[i], inverse);
        if (sum < 0)
            low = middle;
        else
            high = middle;
    }
    return exp(-(low + high) / 2);
}

hone_status hone_temperature_fit(double *temperature, const float *probabilities, const int32_t *labels, size_t samples,
                                 size_t outputs, hone_error *err) {
    size_t count, classes = outputs == 1 ? 2 : outputs;
    if (samples == 0 || outputs == 0 || !hone__multiply(samples, outputs, &count))
        HONE_FAIL(err, HONE_ARGUMENT, "a temperature of %zu samples with %zu outputs", samples, outputs);
    for (size_t i = 0; i < samples; i++)
        if (labels[i] < 0 || (size_t)labels[i] >= classes)
            HONE_FAIL(err, HONE_ARGUMENT, "sample %zu has the label %d, expected 0 to %zu", i, (int)labels[i],
                      classes - 1);
    double *logits = hone__alloc(count, sizeof *logits);
    if (!logits) return hone__fail_memory(err, count * sizeof *logits, "calibration");
    bool finite = true;
    for (size_t i = 0; i < count; i++) {
        finite = finite && isfinite(probabilities[i]);
        logits[i] = outputs == 1 ? logit_of(probabilities[i]) : log_of(probabilities[i]);
    }
    if (finite) *temperature = find_temperature(logits, labels, samples, outputs);
    hone__free(logits);
    if (!finite) HONE_FAIL(err, HONE_NUMERIC, "a prediction is no number: such a model cannot be calibrated");
    return HONE_OK;
}

void hone_temperature_apply(double temperature, float *probabilities, size_t samples, size_t outputs) {
    if (temperature == 1) return; /* to the bit what it was */
    double inverse = 1 / temperature;
    for (size_t i = 0; i < samples; i++) {
        float *row = probabilities + i * outputs;
        if (outputs == 1) {
            row[0] = (float)(1 / (1 + exp(-logit_of(row[0]) * inverse)));
            continue;
        }
        double most = log_of(row[0]), sum = 0;
        for (size_t c = 1; c < outputs; c++) most = fmax(most, log_of(row[c]));
        for (size_t c = 0; c < outputs; c++) sum += exp((log_of(row[c]) - most) * inverse);
        for (size_t c = 0; c < outputs; c++) row[c] = (float)(exp((log_of(row[c]) - most) * inverse) / sum);
    }
}

/* ---- a model's own --------------------------------------------------------------------------------------------- */

double hone_model_temperature(const hone_model *model) {
    double t;
    const hone_value *record = hone_model_record(model, HONE_CALIBRATION_RECORD);
    /* A file says it, so it is looked at before it is believed. */
    bool usable = hone_value_as_real(hone_value_get(record, "temperature"), &t) && t >= 0.001 && t <= 1000;
    return usable ? t : 1;
}

hone_status hone_model_forget_temperature(hone_model *model, hone_error *err) {
    if (!hone_model_record(model, HONE_CALIBRATION_RECORD)) return HONE_OK;
    hone_value *record = hone_value_object();
    hone_value_set_real(record, "temperature", 1);
    return hone_model_set_record(model, HONE_CALIBRATION_RECORD, record, err);
}

static hone_status remember(hone_model *model, double temperature, size_t samples, const hone_calibration *before,
                            const hone_calibration *after, hone_error *err) {
    hone_value *record = hone_value_object();
    hone_value_set_string(record, "method", "temperature");
    hone_value_set_real(record, "temperature", temperature);
    hone_value_set_integer(record, "samples", (int64_t)samples);
    hone_value_set_real(record, "ece_before", before->ece);
    hone_value_set_real(record, "ece", after->ece);
    hone_value_set_real(record, "log_loss_before", before->log_loss);
    hone_value_set_real(record, "log_loss", after->log_loss);
    if (hone_value_failed(record)) {
        hone_value_free(record);
        return hone__fail_memory(err, 0, "the calibration");
    }
    return hone_model_set_record(model, HONE_CALIBRATION_RECORD, record, err);
}

static hone_status measure(hone_calibration *out, const float *p, const int32_t *labels, size_t samples, size_t outputs,
                           hone_error *err) {
    hone_scores *scores;
    HONE_TRY(hone_scores_create(&scores, p, labels, samples, outputs, 1, err));
    *out = scores->calibration;
    hone_scores_free(scores);
    return HONE_OK;
}

hone_status hone_model_calibrate(hone_model *model, const hone_dataset *data, const hone_evaluate_config *config,
                                 hone_calibration *before, hone_calibration *after, hone_error *err) {
    hone_evaluation evaluation;
    hone_calibration raw, mended;
    float *p;
    HONE_TRY(hone_evaluate_predictions(&evaluation, &p, model, data, config, err));
    size_t samples = evaluation.samples, outputs = (size_t)hone_model_output_size(model);
    int32_t *labels = hone__alloc(samples, sizeof *labels);
    hone_status status = HONE_OK;
    double t = 1;
    if (!labels) status = hone__fail_memory(err, samples * sizeof *labels, "labels");
    for (size_t i = 0; labels && i < samples; i++)
        labels[i] = hone_dataset_labels(data)[config->indices ? config->indices[i] : i];
    if (status == HONE_OK) status = measure(&raw, p, labels, samples, outputs, err);
    if (status == HONE_OK) status = hone_temperature_fit(&t, p, labels, samples, outputs, err);
    if (status == HONE_OK) {
        hone_temperature_apply(t, p, samples, outputs);
        status = measure(&mended, p, labels, samples, outputs, err);
    }
    if (status == HONE_OK) status = remember(model, t, samples, &raw, &mended, err);
    hone__free(labels);
    hone_predictions_free(p);
    if (status != HONE_OK) return status;
    if (before) *before = raw;
    if (after) *after = mended;
    return HONE_OK;
}
