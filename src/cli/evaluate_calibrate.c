/* SPDX-License-Identifier: Apache-2.0
 *
 * hone evaluate --calibrate and --fit-rejection: on which images a temperature, or what is unknown, is fitted, and
 * into the model's file with it. "validation" means what training held back. */
#include "evaluate_calibrate.h"

#include <string.h>

static int open_where(hone_dataset **out, const calibration_request *r) {
    if (strcmp(r->where, "validation") == 0) {
        const held_back_request request = {
            .model = r->model, .path = r->path, .threads = r->config->threads, .quiet = r->quiet};
        return open_held_back(out, &request);
    }
    const data_options options = {.source = r->where, .fit_to = r->model};
    return open_data(out, &options, r->config->threads, r->quiet);
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
    hone_dataset *data = NULL;
    hone_error err = {0};
    hone_calibration before, after;
    int status = open_where(&data, r);
    if (status < 0 && (hone_model_calibrate(r->model, data, r->config, &before, &after, &err) != HONE_OK ||
                       hone_model_save_records(r->model, r->path, &err) != HONE_OK))
        status = failed(&err, NULL, "cannot calibrate '%s' on '%s'", r->path, r->where);
    if (status < 0) tell(r, hone_dataset_samples(data), &before, &after);
    hone_dataset_free(data);
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
    hone_dataset *data = NULL;
    hone_error err = {0};
    int status = -1;
    if (settings->none || (r->where && strcmp(r->where, "none") == 0)) {
        if (hone_model_forget_rejection(r->model, &err) != HONE_OK) status = failed(&err, NULL, "--fit-rejection");
    } else if (!r->where) {
        status = change_rejection(r, settings);
    } else {
        status = open_where(&data, r);
        if (status < 0)
            status = fit_rejection(r->model, data, NULL, 0, settings, r->config->threads, seed, false, r->quiet);
    }
    if (status < 0 && hone_model_save_records(r->model, r->path, &err) != HONE_OK)
        status = failed(&err, NULL, "cannot store what is unknown");
    hone_dataset_free(data);
    return status;
}
