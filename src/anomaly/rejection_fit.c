/* SPDX-License-Identifier: Apache-2.0
 *
 * Fitting a rejection to pictures that the model was not trained on.
 *
 * One idea: nothing is judged by what it was fitted to. The pictures are dealt into two halves; each is scored by what
 * was fitted to the other, and thresholds are quantiles of those scores. What is stored is then fitted to all of
 * them. */
#include "anomaly_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LEAST_SAMPLES = 20,
    BANK = 1000,      /* directions that kNN compares with: 64 KB for 64 features */
    IMPOSTORS = 1000, /* of each kind */
    BLOCK = 64,
    HALVES = 2
};

/* kNN was best where MNIST's digits were left out in turn, measured on training images that were set aside, and energy
 * at telling impostors (docs/anomaly.md), so the two together are the rule; another score has to be better by this
 * much. */
static const double MARGIN = 0.05;

hone_rejection_config hone_rejection_config_default(void) {
    return (hone_rejection_config){.tpr = 0.95, .score = -1, .most = 4000};
}

typedef struct fitting {
    const hone_rejection_config *config;
    hone_rejection rejection;
    hone_plan *plan;
    const hone_dataset *data;
    uint32_t *samples; /* (count) of data */
    int32_t *labels;   /* (count) */
    size_t count, classes, row, image;
    float *rows;    /* (BLOCK, row): the network's answers and features */
    float *outputs; /* (count, outputs) */
    float *vectors; /* (count, reader.size) */
    float *scores;  /* (HONE_OOD_SCORES, count): of known pictures, by halves */
    double *scratch;
    unsigned char *pixels; /* (BLOCK + 2, image): impostors, and the two that one is made of */
    float *strange;        /* (HONE_OOD_SCORES, impostors of a kind) */
} fitting;

/* ---- learning ---------------------------------------------------------------------------------------------------- */

/* A share of the vectors, evenly, as directions of whole numbers. */
static hone_status learn_bank(hone_rejection *r, const float *vectors, size_t count, hone_error *err) {
    size_t size = r->reader.size, kept = count < BANK ? count : BANK;
    float *directions = hone__alloc(kept * size, sizeof *directions);
    hone__free(r->bank);
    hone__free(r->bank_lengths);
    r->bank = hone__alloc(kept * size, 1);
    r->bank_lengths = hone__alloc(kept, sizeof *r->bank_lengths);
    if (!r->bank || !r->bank_lengths || !directions) {
        hone__free(directions);
        return hone__fail_memory(err, kept * size * sizeof *directions, "a bank of features");
    }
    for (size_t i = 0; i < kept; i++) {
        memcpy(directions + i * size, vectors + i * count / kept * size, size * sizeof *directions);
        hone__normalize_direction(directions + i * size, size);
    }
    hone__round_directions(directions, kept, size, r->bank);
    hone__rounded_lengths(r->bank, kept, size, r->bank_lengths);
    r->bank_count = kept;
    r->neighbours = kept / 100 < 1 ? 1 : kept / 100;
    hone__free(directions);
    return HONE_OK;
}

static hone_status learn(hone_rejection *r, const float *vectors, const int32_t *labels, size_t count, size_t classes,
                         hone_error *err) {
    hone__feature_space_release(&r->space);
    HONE_TRY(
        hone__feature_space_fit(&r->space, vectors, labels, count, r->reader.size, classes, HONE__LEDOIT_WOLF, err));
    return learn_bank(r, vectors, count, err);
}

/* ---- samples ----------------------------------------------------------------------------------------------------- */

/* At most config->most of those with a label, evenly. */
static hone_status choose_samples(fitting *f, const uint32_t *indices, size_t count, hone_error *err) {
    const int32_t *labels = hone_dataset_labels(f->data);
    if (!indices) count = hone_dataset_samples(f->data);
    f->samples = hone__alloc(count, sizeof *f->samples);
    f->labels = hone__alloc(count, sizeof *f->labels);
    if (!f->samples || !f->labels) return hone__fail_memory(err, count * sizeof *f->samples, "samples");
    size_t usable = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t sample = indices ? indices[i] : (uint32_t)i;
        if (labels[sample] >= 0 && (size_t)labels[sample] < f->classes) f->samples[usable++] = sample;
    }
    if (usable < LEAST_SAMPLES)
        HONE_FAIL(err, HONE_ARGUMENT,
                  "%zu picture%s with a label, at least %d are needed to tell the known from others", usable,
                  usable == 1 ? "" : "s", LEAST_SAMPLES);
    f->count = usable < f->config->most ? usable : f->config->most;
    for (size_t i = 0; i < f->count; i++) {
        f->samples[i] = f->samples[i * usable / f->count];
        f->labels[i] = labels[f->samples[i]];
    }
    return HONE_OK;
}

/* What the network says of them, and the energies while they are at hand. */
static hone_status look(fitting *f, hone_error *err) {
    const hone_rejection *r = &f->rejection;
    size_t size = r->reader.size;
    for (size_t first = 0; first < f->count; first += BLOCK) {
        size_t n = f->count - first < BLOCK ? f->count - first : BLOCK;
        HONE_TRY(hone_plan_predict_dataset(f->plan, f->data, f->samples + first, n, f->rows, err));
        for (size_t i = 0; i < n; i++) {
            const float *row = f->rows + i * f->row, *features = row + r->outputs;
            memcpy(f->outputs + (first + i) * r->outputs, row, r->outputs * sizeof *row);
            hone__feature_reader_read(&r->reader, features, f->vectors + (first + i) * size);
            if (hone_rejection_has(r, HONE_OOD_ENERGY))
                f->scores[HONE_OOD_ENERGY * f->count + first + i] =
                    (float)hone__rejection_score(r, HONE_OOD_ENERGY, row, features, f->scratch);
        }
    }
    for (size_t i = 0; i < f->count * size; i++)
        if (!isfinite(f->vectors[i])) HONE_FAIL(err, HONE_NUMERIC, "a feature of the model is no number");
    return HONE_OK;
}

/* A model trained from_logits answers with those. */
static bool are_logits(const float *outputs, size_t samples, size_t width) {
    for (size_t i = 0; i < samples; i++) {
        double sum = 0;
        for (size_t c = 0; c < width; c++) {
            float p = outputs[i * width + c];
            if (!(p >= 0 && p <= 1)) return true;
            sum += (double)p;
        }
        if (width > 1 && fabs(sum - 1) > 1e-3) return true;
    }
    return false;
}

/* ---- scores of what is known ------------------------------------------------------------------------------------- */

/* Every other sample learns, the rest is scored; then the other way round. */
static hone_status score_half(fitting *f, size_t half, hone_error *err) {
    hone_rejection *r = &f->rejection;
    size_t size = r->reader.size, count = 0;
    float *vectors = hone__alloc(f->count, size * sizeof *vectors);
    int32_t *labels = hone__alloc(f->count, sizeof *labels);
    hone_status status = vectors && labels ? HONE_OK : hone__fail_memory(err, f->count * size * 4, "features");
    for (size_t i = 0; status == HONE_OK && i < f->count; i++) {
        if (i % HALVES == half) continue;
        memcpy(vectors + count * size, f->vectors + i * size, size * sizeof *vectors);
        labels[count++] = f->labels[i];
    }
    if (status == HONE_OK) status = learn(r, vectors, labels, count, f->classes, err);
    for (size_t i = half; status == HONE_OK && i < f->count; i += HALVES) {
        const float *vector = f->vectors + i * size;
        f->scores[HONE_OOD_MAHALANOBIS * f->count + i] =
            (float)hone__rejection_score_vector(r, HONE_OOD_MAHALANOBIS, vector, f->scratch);
        f->scores[HONE_OOD_KNN * f->count + i] =
            (float)hone__rejection_score_vector(r, HONE_OOD_KNN, vector, f->scratch);
    }
    hone__free(vectors);
    hone__free(labels);
    return status;
}

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static hone_status take_quantiles(fitting *f, hone_ood_score score, float *sorted, hone_error *err) {
    float *q = hone__alloc(HONE__QUANTILES, sizeof *q);
    if (!q) return hone__fail_memory(err, HONE__QUANTILES * sizeof *q, "quantiles");
    f->rejection.quantiles[score] = q;
    memcpy(sorted, f->scores + (size_t)score * f->count, f->count * sizeof *sorted);
    for (size_t i = 0; i < f->count; i++)
        if (!isfinite(sorted[i]))
            HONE_FAIL(err, HONE_NUMERIC, "score '%s' of a picture is no number", hone_ood_score_word(score));
    qsort(sorted, f->count, sizeof *sorted, ascending);
    for (size_t i = 0; i < HONE__QUANTILES; i++) {
        double at = (double)i / (HONE__QUANTILES - 1) * (double)(f->count - 1);
        size_t below = (size_t)at < f->count - 2 ? (size_t)at : f->count - 2;
        q[i] = (float)((double)sorted[below] + (at - (double)below) * (double)(sorted[below + 1] - sorted[below]));
    }
    return HONE_OK;
}

static hone_status score_known(fitting *f, hone_error *err) {
    hone_rejection *r = &f->rejection;
    for (size_t half = 0; half < HALVES; half++) HONE_TRY(score_half(f, half, err));
    for (size_t i = 0; i < f->count; i++)
        f->scores[HONE_OOD_MAX_SOFTMAX * f->count + i] =
            (float)hone__rejection_score(r, HONE_OOD_MAX_SOFTMAX, f->outputs + i * r->outputs, NULL, f->scratch);
    HONE_TRY(learn(r, f->vectors, f->labels, f->count, f->classes, err));
    float *sorted = hone__alloc(f->count, sizeof *sorted);
    if (!sorted) return hone__fail_memory(err, f->count * sizeof *sorted, "scores");
    hone_status status = HONE_OK;
    for (int i = 0; status == HONE_OK && i < HONE_OOD_COMBINED; i++)
        if (hone_rejection_has(r, (hone_ood_score)i)) status = take_quantiles(f, (hone_ood_score)i, sorted, err);
    const float *partner = f->scores + (size_t)hone__rejection_partner(r) * f->count;
    for (size_t i = 0; status == HONE_OK && i < f->count; i++)
        f->scores[HONE_OOD_COMBINED * f->count + i] =
            (float)hone__rejection_combine(r, (double)f->scores[HONE_OOD_KNN * f->count + i], (double)partner[i]);
    if (status == HONE_OK) status = take_quantiles(f, HONE_OOD_COMBINED, sorted, err);
    hone__free(sorted);
    return status;
}

/* ---- choosing a score -------------------------------------------------------------------------------------------- */

/* The next sample of another class, else the next one. */
static size_t partner_of(const fitting *f, size_t i) {
    for (size_t step = 1; step < f->count; step++)
        if (f->labels[(i + step) % f->count] != f->labels[i]) return (i + step) % f->count;
    return (i + 1) % f->count;
}

static hone_status make_block(fitting *f, hone__impostor kind, size_t first, size_t n, size_t total, hone_error *err) {
    const hone_dataset *data = f->data;
    unsigned char *a = f->pixels + BLOCK * f->image, *b = a + f->image;
    for (size_t i = 0; i < n; i++) {
        size_t at = (first + i) * f->count / total;
        HONE_TRY(hone_dataset_fetch(data, f->samples[at], a, err));
        HONE_TRY(hone_dataset_fetch(data, f->samples[partner_of(f, at)], b, err));
        hone__impostor_make(kind, f->config->seed, first + i, a, b, hone_dataset_height(data), hone_dataset_width(data),
                            hone_dataset_channels(data), f->pixels + i * f->image);
    }
    hone_plan_predict_pixels(f->plan, f->pixels, n, f->rows);
    return HONE_OK;
}

/* Adds to each score's auroc that against impostors of one kind. */
static hone_status face_impostors(fitting *f, hone__impostor kind, size_t total, hone_error *err) {
    hone_rejection *r = &f->rejection;
    float scores[HONE_OOD_SCORES];
    hone_separation found;
    for (size_t first = 0; first < total; first += BLOCK) {
        size_t n = total - first < BLOCK ? total - first : BLOCK;
        HONE_TRY(make_block(f, kind, first, n, total, err));
        for (size_t i = 0; i < n; i++) {
            const float *row = f->rows + i * f->row;
            hone_rejection_scores(r, row, row + r->outputs, f->scratch, scores);
            for (size_t s = 0; s < HONE_OOD_SCORES; s++) f->strange[s * total + first + i] = scores[s];
        }
    }
    for (size_t s = 0; s < HONE_OOD_SCORES; s++) {
        if (!r->quantiles[s]) continue;
        HONE_TRY(
            hone_separation_measure(&found, f->scores + s * f->count, f->count, f->strange + s * total, total, err));
        r->auroc[s] += found.auroc / HONE__IMPOSTORS;
    }
    return HONE_OK;
}

static hone_status choose_score(fitting *f, hone_error *err) {
    hone_rejection *r = &f->rejection;
    size_t total = f->count < IMPOSTORS ? f->count : IMPOSTORS;
    f->strange = hone__alloc(HONE_OOD_SCORES * total, sizeof *f->strange);
    f->pixels = hone__alloc(BLOCK + 2, f->image);
    if (!f->strange || !f->pixels) return hone__fail_memory(err, (BLOCK + 2) * f->image, "pictures");
    for (int kind = 0; kind < HONE__IMPOSTORS; kind++) HONE_TRY(face_impostors(f, (hone__impostor)kind, total, err));
    int best = HONE_OOD_COMBINED;
    for (int s = 0; s < HONE_OOD_SCORES; s++)
        if (r->quantiles[s] && r->auroc[s] > r->auroc[best]) best = s;
    if (r->auroc[HONE_OOD_COMBINED] >= r->auroc[best] - MARGIN) best = HONE_OOD_COMBINED;
    if (f->config->score >= 0) best = f->config->score;
    if (best >= HONE_OOD_SCORES || !r->quantiles[best])
        HONE_FAIL(err, HONE_ARGUMENT, "this model has no such score: energy wants a Dense head");
    hone__rejection_choose(r, (hone_ood_score)best, f->config->tpr);
    return HONE_OK;
}

/* ---- all of it --------------------------------------------------------------------------------------------------- */

static hone_status prepare(fitting *f, hone_model *model, hone_error *err) {
    hone_rejection *r = &f->rejection;
    size_t layer = 0, values;
    HONE_TRY(hone__rejection_init(r, model, err));
    HONE_TRY(hone_model_feature_layer(model, &layer, err));
    hone_plan_config plan = hone_plan_config_default();
    plan.max_batch = BLOCK;
    plan.threads = f->config->threads;
    plan.precision = f->config->precision;
    plan.layers = &layer;
    plan.layer_count = 1;
    HONE_TRY(hone_plan_create(&f->plan, model, &plan, err));
    f->row = hone_plan_row_size(f->plan);
    f->image = (size_t)hone_dataset_height(f->data) * (size_t)hone_dataset_width(f->data) *
               (size_t)hone_dataset_channels(f->data);
    if (!hone__multiply(f->count, r->reader.size + r->outputs, &values))
        HONE_FAIL(err, HONE_LIMIT, "features of %zu pictures are too many", f->count);
    f->rows = hone__alloc(BLOCK, f->row * sizeof *f->rows);
    f->outputs = hone__alloc(f->count, r->outputs * sizeof *f->outputs);
    f->vectors = hone__alloc(f->count, r->reader.size * sizeof *f->vectors);
    f->scores = hone__alloc(f->count, HONE_OOD_SCORES * sizeof *f->scores);
    f->scratch = hone__alloc(hone_rejection_scratch_size(r), sizeof *f->scratch);
    return f->rows && f->outputs && f->vectors && f->scores && f->scratch
               ? HONE_OK
               : hone__fail_memory(err, values * sizeof(float), "features");
}

static hone_status fit(fitting *f, hone_model *model, const uint32_t *indices, size_t count, hone_error *err) {
    hone_rejection *r = &f->rejection;
    size_t outputs = (size_t)hone_model_output_size(model);
    hone_shape input = hone_model_input_shape(model);
    if (input.rank != 3 || input.dims[0] != hone_dataset_height(f->data) ||
        input.dims[1] != hone_dataset_width(f->data) || input.dims[2] != hone_dataset_channels(f->data))
        HONE_FAIL(err, HONE_SHAPE, "the pictures are %dx%dx%d, which is not what the model takes",
                  hone_dataset_height(f->data), hone_dataset_width(f->data), hone_dataset_channels(f->data));
    f->classes = outputs == 1 ? 2 : outputs;
    HONE_TRY(choose_samples(f, indices, count, err));
    HONE_TRY(prepare(f, model, err));
    HONE_TRY(look(f, err));
    r->are_logits = are_logits(f->outputs, f->count, r->outputs);
    HONE_TRY(score_known(f, err));
    HONE_TRY(choose_score(f, err));
    r->samples = f->count;
    return hone__rejection_store(r, model, err);
}

hone_status hone_model_fit_rejection(hone_model *model, const hone_dataset *data, const uint32_t *indices, size_t count,
                                     const hone_rejection_config *config, hone_rejection_report *report,
                                     hone_error *err) {
    const hone_rejection_config standard = hone_rejection_config_default();
    if (!config) config = &standard;
    if (!(config->tpr > 0 && config->tpr < 1))
        HONE_FAIL(err, HONE_ARGUMENT, "tpr is %g, expected above 0 and below 1", config->tpr);
    if (config->most < LEAST_SAMPLES)
        HONE_FAIL(err, HONE_ARGUMENT, "a rejection is fitted to at least %d samples", LEAST_SAMPLES);
    fitting f = {.config = config, .data = data};
    hone_status status = fit(&f, model, indices, count, err);
    const hone_rejection *r = &f.rejection;
    if (status == HONE_OK && report) {
        *report =
            (hone_rejection_report){.score = r->score, .threshold = r->threshold, .tpr = r->tpr, .samples = r->samples};
        for (int s = 0; s < HONE_OOD_SCORES; s++) {
            report->has[s] = r->quantiles[s] != NULL;
            report->auroc[s] = r->auroc[s];
        }
    }
    hone_plan_free(f.plan);
    hone__rejection_release(&f.rejection);
    hone__free(f.samples);
    hone__free(f.labels);
    hone__free(f.rows);
    hone__free(f.outputs);
    hone__free(f.vectors);
    hone__free(f.scores);
    hone__free(f.scratch);
    hone__free(f.pixels);
    hone__free(f.strange);
    return status;
}
