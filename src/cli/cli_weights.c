/* SPDX-License-Identifier: Apache-2.0
 *
 * --weights FILE: weights from another file onto the model that a verb works with. */
#include "commands.h"

int put_weights(hone_model *model, const weights_settings *w, bool quiet) {
    hone_error err = {0};
    if (!w->path) return -1;
    hone_weights_options options = {.by_name = w->by_name, .skip_mismatch = w->skip_mismatch};
    hone_weights_report report;
    if (hone_model_load_weights(model, w->path, &options, &report, &err) != HONE_OK) {
        return failed(
            &err,
            w->by_name || w->skip_mismatch
                ? NULL
                : "--by-name takes layers of the same name only, --skip-mismatch leaves layers of another shape",
            "cannot take the weights");
    }
    if (report.skipped > 0 || report.missing > 0)
        note(quiet, "weights of %zu layer%s taken from '%s'; %zu of another shape and %zu that it lacks keep their own",
             report.loaded, plural((int64_t)report.loaded), w->path, report.skipped, report.missing);
    return -1;
}
