/* SPDX-License-Identifier: Apache-2.0
 *
 * Experiments: every training leaves a folder runs/ID with what is needed to compare it and to do it again.
 *
 *   run.json       how it was started (arguments, data and its hash, seed), where (machine, CPU level), how it ended
 *   metrics.jsonl  a line per epoch, written as it ends
 *   model.h5       the model, with all that resuming needs
 *   lock           held while the run is alive: a run whose lock nobody holds has died */
#ifndef HONE_RUNS_H
#define HONE_RUNS_H

#include <hone/model.h>
#include <hone/train.h>
#include <hone/value.h>

#ifdef __cplusplus
extern "C" {
#endif

/* SHA-256 of all weights, in hex: two models with the same have the same bits. Empty in a build without nettle. */
HONE_API void hone_model_hash(const hone_model *model, char out[65]);

/* ---- leaving one ----------------------------------------------------------------------------------------------- */

typedef struct hone_run hone_run;

/* Makes folder/ID (and folder). config is copied into run.json: whatever says how the run was started. */
HONE_API hone_status hone_run_begin(hone_run **out, const char *folder, const hone_value *config, hone_error *err);
HONE_API const char *hone_run_id(const hone_run *run);     /* 12 hexadecimal digits */
HONE_API const char *hone_run_folder(const hone_run *run); /* folder/ID */
/* Writes metrics.jsonl. run outlives the trainer. It has no state: a resumed training is a run of its own. */
HONE_API hone_callback hone_run_callback(hone_run *run);
/* The same of a training without a trainer: one more epoch, and how long it took until then. */
HONE_API hone_status hone_run_add_epoch(hone_run *run, const hone_logs *logs, double seconds, hone_error *err);
/* The end: status is "done", "interrupted" or "failed"; the model (NULL: none) and results (copied; NULL: none) are
 * stored. */
HONE_API hone_status hone_run_finish(hone_run *run, const char *status, const hone_model *model,
                                     const hone_trainer *trainer, const hone_value *results, hone_error *err);
/* A run that was not finished is recorded as failed, as far as that can still be done. */
HONE_API void hone_run_free(hone_run *run);

/* ---- looking at them ------------------------------------------------------------------------------------------- */

/* A list of what the run.json of each run holds, the oldest first, with "path" (its folder) and "epochs" (a list of what
 * metrics.jsonl holds). "status" is "died" where a run says "running" but nobody holds its lock. Folders that are no
 * runs are passed over; a folder that is not there has none. The caller frees. */
HONE_API hone_status hone_runs_list(hone_value **out, const char *folder, hone_error *err);
/* The run whose ID begins so: HONE_NOT_FOUND, or HONE_ARGUMENT where several do. Belongs to runs. */
HONE_API hone_status hone_runs_find(const hone_value **out, const hone_value *runs, const char *id, hone_error *err);
/* Runs (count of them, at most 6 are drawn) beside each other, with overlaid curves, as one HTML file. Atomic. */
HONE_API hone_status hone_runs_write_html(const hone_value *const *runs, size_t count, const char *path,
                                          hone_error *err);

#ifdef __cplusplus
}
#endif
#endif
