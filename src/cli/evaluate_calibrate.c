/* SPDX-License-Identifier: Apache-2.0
 *
 * hone evaluate --calibrate and --fit-rejection: on which images a temperature, or what is unknown, is fitted, and
 * into the model's file with it.
 *
 * "validation" means what training held back: the model's file says which data that was, and which part of it. */
#include "evaluate_calibrate.h"

#include <string.h>

/* ---- what training held back ----------------------------------------------------------------------------------- */

typedef struct held_back {
    hone_dataset *data;
    hone_split split;        /* of it, where it holds the training samples, too */
    const uint32_t *indices; /* NULL: all of data */
    size_t count;
} held_back;

static void release(held_back *h) {
    hone_split_release(&h->split);
    hone_dataset_free(h->data);
}

static int open_held_back(const calibration_request *r, held_back *h) {
    const hone_value *provenance = hone_model_record(r->model, "provenance");
    const hone_value *record = hone_value_get(provenance, "data");
    const char *source = hone_value_as_string(hone_value_get(record, "source"));
    const char *how = hone_value_as_string(hone_value_get(record, "validation"));
    const char *expected = hone_value_as_string(hone_value_get(record, "sha256"));
    int64_t limit = 0, seed = 0;
    hone_value_as_integer(hone_value_get(record, "limit"), &limit);
    hone_value_as_integer(hone_value_get(provenance, "seed"), &seed);
    static const char hint[] = "name a DATA that the model was not trained on in its place";
    if (!source || !how) return failed(NULL, hint, "'%s' does not say which images its training held back", r->path);
    bool is_own = strcmp(how, "own") == 0;
    data_options options = {
        .source = source, .split = is_own ? "validation" : "train", .limit = limit, .fit_to = r->model};
    int status = open_data(&h->data, &options, r->config->threads, r->quiet);
    if (status >= 0 || is_own) return status;
    char hash[65];
    hone_error err = {0};
    hone_dataset_hash(h->data, hash);
    if (expected && strcmp(hash, expected) != 0)
        return failed(NULL, hint, "'%s' is no longer what '%s' was trained on", source, r->path);
    if (hone_split_by_words(&h->split, h->data, how, (uint64_t)seed, &err) != HONE_OK)
        return failed(&err, hint, "cannot tell what the training of '%s' held back", r->path);
    h->indices = h->split.validation;
    h->count = h->split.validation_count;
    if (h->count == 0) return failed(NULL, hint, "the training of '%s' held nothing back", r->path);
    return -1;
}

/* ---- doing it -------------------------------------------------------------------------------------------------- */

static int forget(const calibration_request *r) {
    hone_error err = {0};
    if (hone_model_forget_temperature(r->model, &err) != HONE_OK ||
        hone_model_save_records(r->model, r->path, &err) != HONE_OK)
        return failed(&err, NULL, "cannot take the temperature out of '%s'", r->path);
    return -1;
}

enum { FEW_IMAGES = 500 }; /* docs/evaluate.md: with 100 it went wrong as often as right */

static void tell(const calibration_request *r, size_t images, const hone_calibration *before,
                 const hone_calibration *after) {
    note(r->quiet, "temperature %.4g fitted on %zu image%s (ECE there %.4f, before %.4f); it is now in '%s'",
         hone_model_temperature(r->model), images, plural((int64_t)images), after->ece, before->ece, r->path);
    if (images < FEW_IMAGES)
        note(r->quiet,
             "so few images may mislead: compare the ECE below with that without; --calibrate none undoes it");
}

int calibrate_model(const calibration_request *r) {
    if (strcmp(r->where, "none") == 0) return forget(r);
    held_back h = {0};
    hone_error err = {0};
    hone_calibration before, after;
    int status;
    if (strcmp(r->where, "validation") == 0) {
        status = open_held_back(r, &h);
    } else {
        data_options options = {.source = r->where, .fit_to = r->model};
        status = open_data(&h.data, &options, r->config->threads, r->quiet);
    }
    if (status < 0) {
        hone_evaluate_config config = *r->config;
        config.indices = h.indices;
        config.index_count = h.count;
        if (hone_model_calibrate(r->model, h.data, &config, &before, &after, &err) != HONE_OK ||
            hone_model_save_records(r->model, r->path, &err) != HONE_OK)
            status = failed(&err, NULL, "cannot calibrate '%s' on '%s'", r->path, r->where);
    }
    if (status < 0) tell(r, h.indices ? h.count : hone_dataset_samples(h.data), &before, &after);
    release(&h);
    return status;
}

/* ---- what is unknown --------------------------------------------------------------------------------------------- */

static int change_rejection(const calibration_request *r, const reject_settings *s) {
    hone_error err = {0};
    hone_rejection *had = NULL;
    hone_status status = hone_rejection_create(&had, r->model, &err);
    double tpr = s->tpr > 0 ? s->tpr : had ? hone_rejection_tpr(had) : 0.95;
    hone_rejection_free(had);
    if (status == HONE_OK) status = hone_model_set_rejection(r->model, tpr, s->score, &err);
    return status == HONE_OK ? -1
                             : failed(&err, "--fit-rejection validation fits one", "cannot change what is unknown");
}

int fit_model_rejection(const calibration_request *r, const reject_settings *settings, uint64_t seed) {
    held_back h = {0};
    hone_error err = {0};
    int status = -1;
    if (settings->none || (r->where && strcmp(r->where, "none") == 0)) {
        if (hone_model_forget_rejection(r->model, &err) != HONE_OK) status = failed(&err, NULL, "--fit-rejection");
    } else if (!r->where) {
        status = change_rejection(r, settings);
    } else {
        if (strcmp(r->where, "validation") == 0) {
            status = open_held_back(r, &h);
        } else {
            data_options options = {.source = r->where, .fit_to = r->model};
            status = open_data(&h.data, &options, r->config->threads, r->quiet);
        }
        if (status < 0)
            status = fit_rejection(r->model, h.data, h.indices, h.count, settings, r->config->threads, seed, false,
                                   r->quiet);
    }
    if (status < 0 && hone_model_save_records(r->model, r->path, &err) != HONE_OK)
        status = failed(&err, NULL, "cannot store what is unknown");
    release(&h);
    return status;
}
