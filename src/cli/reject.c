/* SPDX-License-Identifier: Apache-2.0
 *
 * When a model says "unknown": fitting that, changing it, asking it. */
#include "reject.h"

#include <stdlib.h>
#include <string.h>

enum { MOST_TRAINED_ON = 5000 };

/* ---- words ------------------------------------------------------------------------------------------------------- */

/* One NAME=VALUE of length bytes. */
static int parse_part(const verb *v, const char *part, size_t length, reject_settings *out) {
    char text[64];
    hone_ood_score score;
    hone_error err = {0};
    snprintf(text, sizeof text, "%.*s", (int)(length < sizeof text ? length : sizeof text - 1), part);
    if (strncmp(text, "tpr=", 4) == 0) {
        if (!parse_number(text + 4, &out->tpr) || !(out->tpr > 0 && out->tpr < 1))
            return usage_error(v, "--reject: tpr is '%s', expected a share above 0 and below 1", text + 4);
    } else if (strncmp(text, "score=", 6) == 0) {
        if (hone_ood_score_parse(&score, text + 6, &err) != HONE_OK) return usage_error(v, "--reject: %s", err.message);
        out->score = (int)score;
    } else {
        return usage_error(v, "--reject: '%s' is neither none nor tpr=SHARE nor score=NAME", text);
    }
    return -1;
}

int parse_reject(const verb *v, const char *text, reject_settings *out) {
    *out = (reject_settings){.score = -1};
    if (!text) return -1;
    if (strcmp(text, "none") == 0) {
        out->none = true;
        return -1;
    }
    for (;;) {
        size_t length = strcspn(text, ",");
        int status = parse_part(v, text, length, out);
        if (status >= 0 || text[length] == 0) return status;
        text += length + 1;
    }
}

/* ---- fitting ----------------------------------------------------------------------------------------------------- */

int fit_rejection(hone_model *model, const hone_dataset *data, const uint32_t *indices, size_t count,
                  const reject_settings *settings, hone_threads *threads, uint64_t seed, bool optional, bool quiet) {
    hone_rejection_config config = hone_rejection_config_default();
    hone_rejection_report report;
    hone_error err = {0};
    if (settings->tpr > 0) config.tpr = settings->tpr;
    config.score = settings->score;
    config.threads = threads;
    config.seed = seed;
    hone_status status = hone_model_fit_rejection(model, data, indices, count, &config, &report, &err);
    if (status != HONE_OK && status != HONE_MEMORY && optional) {
        note(quiet, "the model will not say \"unknown\": %s", err.message);
        return -1;
    }
    if (status != HONE_OK) return failed(&err, NULL, "cannot fit what is unknown to the model");
    note(quiet, "unknown: score %s above %.4g, fitted on %zu image%s of which %.4g %% pass",
         hone_ood_score_word(report.score), report.threshold, report.samples, plural((int64_t)report.samples),
         100 * report.tpr);
    return -1;
}

int learn_rejection(hone_model *model, const hone_dataset *data, const hone_split *split,
                    const reject_settings *settings, bool optional, hone_threads *threads, uint64_t seed, bool quiet) {
    if (settings->none) return -1;
    bool held_back = split->validation_count > 0;
    const uint32_t *indices = held_back ? split->validation : split->train;
    size_t count = held_back ? split->validation_count : split->train_count;
    if (!held_back && count > MOST_TRAINED_ON) {
        indices += count - MOST_TRAINED_ON;
        count = MOST_TRAINED_ON;
    }
    if (!held_back)
        note(quiet,
             "no image was held back: what is unknown is told by %zu that were trained on, so a little more of "
             "what is known will be called unknown (--validation-split 0.1 holds some back)",
             count);
    return fit_rejection(model, data, indices, count, settings, threads, seed, optional, quiet);
}

hone_value *rejection_value(const hone_model *model) {
    hone_rejection *rejection = NULL;
    if (hone_rejection_create(&rejection, model, NULL) != HONE_OK || !rejection) return hone_value_null();
    hone_value *value = hone_value_object();
    hone_value_set_string(value, "score", hone_ood_score_word(hone_rejection_score(rejection)));
    hone_value_set_real(value, "threshold", hone_rejection_threshold(rejection));
    hone_value_set_real(value, "tpr", hone_rejection_tpr(rejection));
    hone_rejection_free(rejection);
    return value;
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

static hone_status make_plan(rejecter *r, hone_model *model, hone_error *err) {
    hone_plan_config config = hone_plan_config_default();
    size_t layer = 0;
    hone_status status = hone_model_feature_layer(model, &layer, err);
    config.max_batch = 1;
    config.layers = &layer;
    config.layer_count = 1;
    return status == HONE_OK ? hone_plan_create(&r->plan, model, &config, err) : status;
}

int rejecter_open(rejecter *r, hone_model *model, const reject_settings *settings) {
    hone_error err = {0};
    *r = (rejecter){.outputs = (size_t)hone_model_output_size(model)};
    if (settings->none) return -1;
    if (hone_rejection_create(&r->rejection, model, &err) != HONE_OK)
        return failed(&err, "--reject none answers without it", "cannot tell what is unknown to the model");
    bool changes = settings->tpr > 0 || settings->score >= 0;
    if (!r->rejection) {
        static const char hint[] = "hone evaluate MODEL DATA --fit-rejection validation makes one";
        return changes ? failed(NULL, hint, "the model carries nothing that --reject could change") : -1;
    }
    if (changes) {
        double tpr = settings->tpr > 0 ? settings->tpr : hone_rejection_tpr(r->rejection);
        hone_status status = hone_model_set_rejection(model, tpr, settings->score, &err);
        hone_rejection_free(r->rejection);
        r->rejection = NULL;
        if (status == HONE_OK) status = hone_rejection_create(&r->rejection, model, &err);
        if (status != HONE_OK) return failed(&err, NULL, "--reject");
    }
    if (make_plan(r, model, &err) != HONE_OK) return failed(&err, NULL, "cannot run the model");
    r->row = calloc(hone_plan_row_size(r->plan), sizeof *r->row);
    r->scratch = calloc(hone_rejection_scratch_size(r->rejection), sizeof *r->scratch);
    return r->row && r->scratch ? -1 : failed(NULL, NULL, "out of memory");
}

void rejecter_release(rejecter *r) {
    hone_rejection_free(r->rejection);
    hone_plan_free(r->plan);
    free(r->row);
    free(r->scratch);
    *r = (rejecter){0};
}

hone_verdict rejecter_ask(rejecter *r, const unsigned char *pixels) {
    if (!r->rejection) return (hone_verdict){0};
    hone_plan_predict_pixels(r->plan, pixels, 1, r->row);
    return hone_rejection_judge(r->rejection, r->row, r->row + r->outputs, r->scratch);
}
