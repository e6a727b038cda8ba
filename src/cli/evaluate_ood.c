/* SPDX-License-Identifier: Apache-2.0
 *
 * hone evaluate --ood: both data sets are scored, and the scores compared. Nothing is fitted here, so the figures are
 * what the model as it is would do. */
#include "evaluate_ood.h"
#include "anomaly.h"

#include <stdlib.h>

enum { BLOCK = 256 };

/* The scores of one data set, (HONE_OOD_SCORES, samples), and how many pictures are unknown. */
typedef struct scored {
    float *scores;
    size_t samples, unknown;
} scored;

static void score_row(scored *s, size_t index, const hone_rejection *r, const float *row, size_t outputs,
                      double *scratch) {
    float scores[HONE_OOD_SCORES];
    hone_rejection_scores(r, row, row + outputs, scratch, scores);
    for (size_t k = 0; k < HONE_OOD_SCORES; k++) s->scores[k * s->samples + index] = scores[k];
    s->unknown += hone_rejection_judge(r, row, row + outputs, scratch).unknown;
}

static hone_status score_all(scored *s, hone_plan *plan, const hone_rejection *r, size_t outputs,
                             const hone_dataset *data, hone_error *err) {
    size_t row = hone_plan_row_size(plan);
    s->samples = hone_dataset_samples(data);
    s->scores = calloc(s->samples, HONE_OOD_SCORES * sizeof *s->scores);
    float *rows = calloc(BLOCK, row * sizeof *rows);
    uint32_t *indices = calloc(BLOCK, sizeof *indices);
    double *scratch = calloc(hone_rejection_scratch_size(r), sizeof *scratch);
    hone_status status = s->scores && rows && indices && scratch ? HONE_OK : HONE_MEMORY;
    for (size_t first = 0; status == HONE_OK && first < s->samples; first += BLOCK) {
        size_t n = s->samples - first < BLOCK ? s->samples - first : BLOCK;
        for (size_t i = 0; i < n; i++) indices[i] = (uint32_t)(first + i);
        status = hone_plan_predict_dataset(plan, data, indices, n, rows, err);
        for (size_t i = 0; status == HONE_OK && i < n; i++)
            score_row(s, first + i, r, rows + i * row, outputs, scratch);
    }
    free(rows);
    free(indices);
    free(scratch);
    return status;
}

static hone_status compare(ood_result *out, const hone_rejection *r, const scored *known, const scored *other,
                           hone_error *err) {
    out->samples = other->samples;
    out->score = hone_rejection_score(r);
    out->threshold = hone_rejection_threshold(r);
    out->tpr = hone_rejection_tpr(r);
    out->unknown_known = known->samples ? (double)known->unknown / (double)known->samples : 0;
    out->unknown_other = other->samples ? (double)other->unknown / (double)other->samples : 0;
    hone_status status = HONE_OK;
    for (size_t k = 0; status == HONE_OK && k < HONE_OOD_SCORES; k++) {
        out->has[k] = hone_rejection_has(r, (hone_ood_score)k);
        if (out->has[k])
            status = hone_separation_measure(&out->separation[k], known->scores + k * known->samples, known->samples,
                                             other->scores + k * other->samples, other->samples, err);
    }
    return status;
}

int measure_ood(ood_result *out, const ood_request *q) {
    hone_error err = {0};
    hone_rejection *r = NULL;
    hone_dataset *data = NULL;
    hone_plan *plan = NULL;
    scored known = {0}, other = {0};
    size_t layer = 0, outputs = (size_t)hone_model_output_size(q->model);
    *out = (ood_result){.source = q->other};
    if (hone_rejection_create(&r, q->model, &err) != HONE_OK)
        return failed(&err, NULL, "cannot tell what is unknown to '%s'", q->path);
    if (!r)
        return failed(NULL, "--fit-rejection validation fits it, or hone train when images are held back",
                      "'%s' carries nothing to tell the unknown by", q->path);
    int status = open_unclassed(&data, q->model, q->other, "test?", q->limit, q->threads, q->quiet);
    if (status < 0) {
        hone_plan_config config = hone_plan_config_default();
        config.max_batch = BLOCK;
        config.threads = q->threads;
        config.layers = &layer;
        config.layer_count = 1;
        hone_status done = hone_model_feature_layer(q->model, &layer, &err);
        if (done == HONE_OK) done = hone_plan_create(&plan, q->model, &config, &err);
        if (done == HONE_OK) done = score_all(&known, plan, r, outputs, q->data, &err);
        if (done == HONE_OK) done = score_all(&other, plan, r, outputs, data, &err);
        if (done == HONE_OK) done = compare(out, r, &known, &other, &err);
        if (done != HONE_OK) status = failed(&err, NULL, "cannot tell '%s' apart", q->other);
    }
    free(known.scores);
    free(other.scores);
    hone_plan_free(plan);
    hone_dataset_free(data);
    hone_rejection_free(r);
    return status;
}

/* ---- showing ----------------------------------------------------------------------------------------------------- */

hone_value *ood_value(const ood_result *r) {
    hone_value *value = hone_value_object(), *scores = hone_value_object();
    hone_value_set_string(value, "data", r->source);
    hone_value_set_integer(value, "samples", (int64_t)r->samples);
    hone_value_set_real(value, "auroc", r->separation[r->score].auroc);
    hone_value_set_real(value, "fpr95", r->separation[r->score].fpr95);
    hone_value_set_string(value, "score", hone_ood_score_word(r->score));
    hone_value_set_real(value, "threshold", r->threshold);
    hone_value_set_real(value, "tpr", r->tpr);
    hone_value_set_real(value, "unknown_known", r->unknown_known);
    hone_value_set_real(value, "unknown_ood", r->unknown_other);
    for (int k = 0; k < HONE_OOD_SCORES; k++) {
        if (!r->has[k]) continue;
        hone_value *one = hone_value_object();
        hone_value_set_real(one, "auroc", r->separation[k].auroc);
        hone_value_set_real(one, "fpr95", r->separation[k].fpr95);
        hone_value_set_string(one, "meaning", hone_ood_score_meaning((hone_ood_score)k));
        hone_value_set(scores, hone_ood_score_word((hone_ood_score)k), one);
    }
    hone_value_set(value, "scores", scores);
    return value;
}

void print_ood(const ood_result *r) {
    char number[32];
    printf("\nagainst %s image%s of '%s' that %s none of the classes\n\n  score            auroc     fpr95\n",
           with_commas((int64_t)r->samples, number), plural((int64_t)r->samples), r->source,
           r->samples == 1 ? "is" : "are");
    for (int k = 0; k < HONE_OOD_SCORES; k++)
        if (r->has[k])
            printf("  %-13s%9.4f %9.4f%s\n", hone_ood_score_word((hone_ood_score)k), r->separation[k].auroc,
                   r->separation[k].fpr95, k == (int)r->score ? "  <- the model's" : "");
    printf("\n  called unknown: %.2f %% of these, %.2f %% of the known ones\n", 100 * r->unknown_other,
           100 * r->unknown_known);
}
