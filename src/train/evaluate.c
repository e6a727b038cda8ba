/* SPDX-License-Identifier: Apache-2.0
 *
 * Evaluation: loss and metrics of samples in inference mode. hone_trainer_fit validates with it too.
 *
 * One idea: everything is made by create, so that a run allocates nothing and fails only where an image cannot be read;
 * validating after every epoch costs no more than the arithmetic. */
#include "train_internal.h"

#include <math.h>
#include <string.h>

/* Rows of one piece of the loss's work; the cut does not depend on the threads. */
enum { ROWS = 32 };

struct hone__evaluator {
    const float *features; /* of all samples, instead of their pictures; NULL: those */
    float *rows;           /* a gathered batch of them, row_size each */
    size_t row_size;
    hone_model *model;
    const hone_dataset *data;
    hone_threads *threads;
    hone_plan *plan; /* or */
    hone_tta *tta;
    hone__objective objective;
    const uint32_t *indices; /* NULL: all */
    size_t count, batch_size;
    unsigned char *pixels; /* a gathered batch; NULL where the samples lie in a row anyway */
    float *outputs;        /* (batch, outputs) of the plan */
    int32_t *labels;       /* (batch) */
    float *losses;         /* (batch) */
    hone__tally *tallies;  /* (batch / ROWS) */
    float *probabilities;  /* predictions or AUC: (count, outputs); areas: (batch, outputs); else NULL */
    bool keeps_all;        /* probabilities are of all samples */
    float *owned;          /* probabilities, unless they are the caller's */
    uint64_t *keys;        /* for AUC */
};

hone_evaluate_config hone_evaluate_config_default(void) {
    hone_loss loss = {.kind = HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY, .delta = 1.0};
    return (hone_evaluate_config){
        .loss = loss, .metrics = {{.kind = HONE_METRIC_ACCURACY}}, .metric_count = 1, .batch_size = 256};
}

/* ---- creation -------------------------------------------------------------------------------------------------- */

static bool in_a_row(const uint32_t *indices, size_t count) {
    for (size_t i = 1; indices && i < count; i++)
        if (indices[i] != indices[0] + i) return false;
    return true;
}

static hone_status allocate(hone__evaluator *e, float *predictions, hone_error *err) {
    size_t outputs, all, keys, image, outputs_of = e->objective.outputs;
    image = (size_t)hone_dataset_height(e->data) * (size_t)hone_dataset_width(e->data) *
            (size_t)hone_dataset_channels(e->data);
    if (!hone__multiply(e->batch_size, outputs_of, &outputs) || !hone__multiply(e->count, outputs_of, &all) ||
        !hone__multiply(e->count, 2, &keys))
        HONE_FAIL(err, HONE_LIMIT, "%zu samples of %zu outputs are too many", e->count, outputs_of);
    bool ok = true;
    size_t floats;
    e->row_size = (size_t)hone_model_input_size(e->model);
    if (!hone__multiply(e->batch_size, e->row_size, &floats))
        HONE_FAIL(err, HONE_LIMIT, "a batch of %zu times %zu numbers is too large", e->batch_size, e->row_size);
    if (e->features)
        ok = (e->rows = hone__alloc(floats, sizeof *e->rows)) != NULL;
    else if (hone__dataset_is_fetched(e->data) || !in_a_row(e->indices, e->count))
        ok = (e->pixels = hone__alloc(e->batch_size, image)) != NULL;
    ok = ok && (e->outputs = hone__alloc(outputs, sizeof *e->outputs)) != NULL;
    ok = ok && (e->labels = hone__alloc(e->batch_size, sizeof *e->labels)) != NULL;
    ok = ok && (e->losses = hone__alloc(e->batch_size, sizeof *e->losses)) != NULL;
    ok = ok && (e->tallies = hone__alloc((e->batch_size + ROWS - 1) / ROWS, sizeof *e->tallies)) != NULL;
    e->keeps_all = predictions || e->objective.has_auc;
    e->probabilities = predictions;
    if (ok && !predictions && hone__objective_needs_probabilities(&e->objective))
        ok = (e->probabilities = e->owned = hone__alloc(e->keeps_all ? all : outputs, sizeof *e->owned)) != NULL;
    if (ok && e->objective.has_auc) ok = (e->keys = hone__alloc(keys, sizeof *e->keys)) != NULL;
    if (!ok) return hone__fail_memory(err, (e->keeps_all ? all : outputs) * sizeof(float), "evaluation");
    return HONE_OK;
}

/* The mean is one of probabilities, so the loss cannot see through to what became them. */
static hone_status use_tta(hone__evaluator *e, const hone_tta_config *wanted, hone_precision precision,
                           hone_error *err) {
    hone_tta_config config = *wanted;
    config.max_batch = e->batch_size;
    config.threads = e->threads;
    config.precision = precision;
    hone_plan_free(e->plan);
    e->plan = NULL;
    if (e->objective.head) e->objective.form = hone__loss_form_of(&e->objective.loss, false);
    e->objective.head = 0;
    return hone_tta_create(&e->tta, e->model, &config, err);
}

hone_status hone__evaluator_create(hone__evaluator **out, hone_model *model, const hone_dataset *data,
                                   const hone_evaluate_config *config, hone_error *err) {
    *out = NULL;
    if (config->batch_size == 0) HONE_FAIL(err, HONE_ARGUMENT, "batch_size is 0, expected at least 1");
    if (config->features && config->tta)
        HONE_FAIL(err, HONE_ARGUMENT, "features were computed before, so pictures cannot be augmented");
    hone__evaluator *e = hone__alloc(1, sizeof *e);
    if (!e) return hone__fail_memory(err, sizeof *e, "evaluation");
    e->model = model;
    e->data = data;
    e->threads = config->threads;
    e->features = config->features;
    e->indices = config->indices;
    e->count = config->indices ? config->index_count : hone_dataset_samples(data);
    e->batch_size = config->batch_size < e->count || e->count == 0 ? config->batch_size : e->count;
    hone_plan_config plan = hone_plan_config_default();
    plan.max_batch = e->batch_size;
    plan.threads = config->threads;
    plan.precision = config->precision;
    hone_status status = hone__objective_create_plan(&e->objective, &e->plan, model, &plan, &config->loss,
                                                     config->metrics, config->metric_count, err);
    if (status == HONE_OK && config->tta) status = use_tta(e, config->tta, config->precision, err);
    if (status == HONE_OK)
        status = (config->features ? hone__check_labels : hone__check_data)(model, data, &config->loss, e->indices,
                                                                            e->count, "the data to evaluate", err);
    if (status == HONE_OK) status = allocate(e, config->predictions, err);
    if (status != HONE_OK) {
        hone__evaluator_free(e);
        return status;
    }
    *out = e;
    return HONE_OK;
}

void hone__evaluator_free(hone__evaluator *e) {
    if (!e) return;
    hone_plan_free(e->plan);
    hone_tta_free(e->tta);
    hone__free(e->pixels);
    hone__free(e->rows);
    hone__free(e->outputs);
    hone__free(e->labels);
    hone__free(e->losses);
    hone__free(e->tallies);
    hone__free(e->owned);
    hone__free(e->keys);
    hone__free(e);
}

/* ---- a run ----------------------------------------------------------------------------------------------------- */

typedef struct rows_work {
    hone__evaluator *e;
    size_t n;
    float *probabilities; /* of this batch, or NULL */
} rows_work;

static void rows_piece(void *context, int worker, size_t piece) {
    const rows_work *w = context;
    hone__evaluator *e = w->e;
    (void)worker;
    size_t first = piece * ROWS, outputs = e->objective.outputs;
    size_t rows = w->n - first < ROWS ? w->n - first : ROWS;
    e->tallies[piece] = (hone__tally){0};
    hone__objective_rows(&e->objective, rows, e->outputs + first * outputs, e->labels + first, e->losses + first, NULL,
                         w->probabilities ? w->probabilities + first * outputs : NULL, &e->tallies[piece]);
}

/* Of images on the disk the next batch is read while this one is computed. */
static hone_status read_batch(hone__evaluator *e, size_t first, size_t n, hone_error *err) {
    size_t next = first + n, left = e->count - next < e->batch_size ? e->count - next : e->batch_size;
    if (first == 0) hone__dataset_expect(e->data, e->indices, 0, n);
    hone__dataset_expect(e->data, e->indices ? e->indices + next : NULL, next, left);
    return hone__dataset_gather(e->threads, e->data, e->indices ? e->indices + first : NULL, first, n, e->pixels, err);
}

static hone_status run_batch(hone__evaluator *e, size_t first, size_t n, hone__sums *sums, hone_error *err) {
    const int32_t *labels = hone_dataset_labels(e->data);
    const unsigned char *pixels = e->pixels;
    for (size_t i = 0; i < n; i++) e->labels[i] = labels[e->indices ? e->indices[first + i] : first + i];
    if (pixels)
        HONE_TRY(read_batch(e, first, n, err));
    else if (!e->features)
        pixels = hone_dataset_image(e->data, e->indices ? e->indices[first] : first);
    if (e->features) {
        if (e->indices)
            hone__gather_rows(e->features, e->row_size, e->indices + first, n, e->rows);
        else
            memcpy(e->rows, e->features + first * e->row_size, n * e->row_size * sizeof *e->rows);
        hone_plan_predict(e->plan, e->rows, n, e->outputs);
    } else if (e->tta)
        hone_tta_predict(e->tta, pixels, n, e->outputs);
    else
        hone_plan_predict_pixels(e->plan, pixels, n, e->outputs);

    rows_work w = {e, n, e->probabilities};
    if (e->probabilities && e->keeps_all) w.probabilities += first * e->objective.outputs;
    size_t pieces = (n + ROWS - 1) / ROWS;
    hone__threads_run(e->threads, rows_piece, &w, pieces);
    for (size_t i = 0; i < pieces; i++) hone__tally_add(&sums->tally, &e->tallies[i]);
    for (size_t i = 0; i < n; i++) sums->loss += e->losses[i];
    sums->samples += n;
    return HONE_OK;
}

hone_status hone__evaluator_run(hone__evaluator *e, bool validation, atomic_int *cancel, hone_logs *logs,
                                hone__sums *sums, hone_error *err) {
    if (e->tta)
        hone_tta_refresh(e->tta);
    else
        hone_plan_refresh(e->plan);
    *sums = (hone__sums){0};
    for (size_t first = 0; first < e->count; first += e->batch_size) {
        if (cancel && atomic_load(cancel)) HONE_FAIL(err, HONE_CANCELLED, "evaluation was stopped");
        size_t n = e->count - first < e->batch_size ? e->count - first : e->batch_size;
        HONE_TRY(run_batch(e, first, n, sums, err));
    }
    double auc = 0;
    if (e->objective.has_auc)
        auc = hone__auc(e->probabilities, hone_dataset_labels(e->data), e->indices, e->count, e->objective.outputs,
                        e->keys);
    /* Regularisers are part of the loss in inference too. */
    sums->loss += (double)sums->samples * hone__regularization_loss(e->model, e->objective.kernels);
    hone__objective_logs(&e->objective, sums, validation, false, auc, logs);
    return HONE_OK;
}

/* ---- hone_evaluate --------------------------------------------------------------------------------------------- */

hone_status hone_evaluate(hone_evaluation *out, hone_model *model, const hone_dataset *data,
                          const hone_evaluate_config *config, hone_error *err) {
    hone_evaluate_config defaults = hone_evaluate_config_default();
    if (!config) config = &defaults;
    hone__evaluator *e;
    HONE_TRY(hone__evaluator_create(&e, model, data, config, err));
    hone__sums sums;
    hone_evaluation result = {0};
    hone_status status = hone__evaluator_run(e, false, NULL, &result.logs, &sums, err);
    if (status != HONE_OK) {
        hone__evaluator_free(e);
        return status;
    }
    result.samples = e->count;
    /* One output without cross-entropy is a number to be met, not a class. */
    bool classifies = e->objective.outputs > 1 || config->loss.kind == HONE_LOSS_BINARY_CROSSENTROPY;
    result.accuracy = result.accuracy_low = result.accuracy_high = NAN;
    if (classifies) {
        result.accuracy = (double)sums.tally.correct / (double)sums.samples;
        hone_wilson_interval(sums.tally.correct, sums.samples, &result.accuracy_low, &result.accuracy_high);
    }
    hone__evaluator_free(e);
    *out = result;
    return HONE_OK;
}

void hone_wilson_interval(size_t successes, size_t n, double *low, double *high) {
    const double z = 1.959963984540054; /* of the normal distribution's middle 95 % */
    if (n == 0) {
        *low = 0;
        *high = 1;
        return;
    }
    double count = (double)n, p = (double)successes / count, zz = z * z;
    double centre = (p + zz / (2 * count)) / (1 + zz / count);
    double half = z * sqrt(p * (1 - p) / count + zz / (4 * count * count)) / (1 + zz / count);
    /* At the ends the formula gives exactly 0 and 1, but for rounding. */
    *low = successes == 0 || centre - half < 0 ? 0 : centre - half;
    *high = successes >= n || centre + half > 1 ? 1 : centre + half;
}
