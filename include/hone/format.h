/* SPDX-License-Identifier: Apache-2.0
 *
 * Models as files, and values as JSON. */
#ifndef HONE_FORMAT_H
#define HONE_FORMAT_H

#include <hone/model.h>
#include <hone/train.h>
#include <hone/value.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- JSON ------------------------------------------------------------------------------------------------------ */

/* UTF-8 text of length bytes; nesting and size are limited. An error names line and column. */
HONE_API hone_status hone_json_parse(hone_value **out, const char *text, size_t length, hone_error *err);
/* indent 0: one line, ", " and ": " as Python's json.dumps. ascii: non-ASCII as \uXXXX. The caller frees *out with
 * hone_json_free. NaN and infinities, which JSON lacks, become null. */
HONE_API hone_status hone_json_print(char **out, const hone_value *value, int indent, bool ascii, hone_error *err);
HONE_API void hone_json_free(char *text);

/* ---- models ---------------------------------------------------------------------------------------------------- */

/* The state of a compiled model as a file may carry it. */
typedef struct hone_compiled {
    bool has_optimizer, has_loss;
    hone_optimizer optimizer;
    hone_loss loss;
    hone_metric metrics[HONE_MAX_METRICS];
    size_t metric_count;
} hone_compiled;

/* Reads a model: a preset's name (then classes and shape come from fallback_*), Keras JSON, or HDF5, decided by content.
 * The result is built and holds the file's weights (presets and JSON: fresh ones from seed).
 * compiled may be NULL. */
HONE_API hone_status hone_model_load(hone_model **out, const char *path, hone_compiled *compiled, hone_error *err);

/* Writes a legacy Keras HDF5 file that tf-keras and Keras 3 load with load_model, plus hone's own group. trainer may be
 * NULL (weights and architecture only); with it the compile state, the optimizer's variables and all that resuming needs
 * go along. Atomic. */
HONE_API hone_status hone_model_save(const hone_model *model, const hone_trainer *trainer, const char *path,
                                     hone_error *err);

/* Continues the training that path holds: weights, optimizer, order of the data, epoch and step. trainer is fresh, with
 * the same model architecture, data and configuration. */
HONE_API hone_status hone_trainer_resume(hone_trainer *trainer, const char *path, hone_error *err);

/* Runs the inputs stored in the file's self-test through the model and compares; HONE_OK also where there is none.
 * worst: the largest difference seen, or -1 without a self-test. */
HONE_API hone_status hone_model_self_test(hone_model *model, double *worst, hone_error *err);

#ifdef __cplusplus
}
#endif
#endif
