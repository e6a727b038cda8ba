/* SPDX-License-Identifier: Apache-2.0
 *
 * In place of the HDF5 files of this folder, in a build without libhdf5: says so. */
#include "format_internal.h"

static hone_status unsupported(hone_error *err) {
    HONE_FAIL(err, HONE_UNSUPPORTED, "this build of hone has no HDF5 (HONE_WITH_HDF5 is off)");
}

hone_status hone__keras_model_from_bytes(hone_model **out, const void *bytes, size_t size, hone_compiled *compiled,
                                         hone_error *err) {
    (void)bytes, (void)size, (void)compiled;
    *out = NULL;
    return unsupported(err);
}

hone_status hone_model_save(const hone_model *model, const hone_trainer *trainer, const char *path, hone_error *err) {
    (void)model, (void)trainer, (void)path;
    return unsupported(err);
}

hone_status hone_model_save_records(const hone_model *model, const char *path, hone_error *err) {
    (void)model, (void)path;
    return unsupported(err);
}

hone_status hone_trainer_resume(hone_trainer *trainer, const char *path, hone_error *err) {
    (void)trainer, (void)path;
    return unsupported(err);
}

/* Self-tests come out of HDF5 files, so no model has one. */
hone_status hone_model_self_test(hone_model *model, double *worst, hone_error *err) {
    (void)model, (void)err;
    if (worst) *worst = -1;
    return HONE_OK;
}
