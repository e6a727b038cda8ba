/* SPDX-License-Identifier: Apache-2.0
 *
 * In place of the HDF5 files of this folder, in a build without libhdf5: says so. */
#include "format_internal.h"

static hone_status unsupported(hone_error *err) {
    HONE_FAIL(err, HONE_UNSUPPORTED, "this build of hone has no HDF5 (HONE_WITH_HDF5 is off)");
}

hone_status hone__keras_model_from_bytes(hone_model **out, const void *bytes, size_t size,
                                         const hone_load_options *options, hone_compiled *compiled, hone_error *err) {
    (void)bytes, (void)size, (void)options, (void)compiled;
    *out = NULL;
    return unsupported(err);
}

hone_status hone__keras_model_from_archive(hone_model **out, const void *bytes, size_t size,
                                           const hone_load_options *options, hone_compiled *compiled, hone_error *err) {
    return hone__keras_model_from_bytes(out, bytes, size, options, compiled, err);
}

void hone_set_sandbox(bool on) {
    (void)on;
}

hone_status hone_model_load_weights(hone_model *model, const char *path, const hone_weights_options *options,
                                    hone_weights_report *report, hone_error *err) {
    (void)model, (void)path, (void)options;
    if (report) *report = (hone_weights_report){0};
    return unsupported(err);
}

hone_status hone_file_format_parse(hone_file_format *out, const char *name, hone_error *err) {
    (void)out, (void)name;
    return unsupported(err);
}

bool hone_file_format_of_path(hone_file_format *out, const char *path) {
    (void)out, (void)path;
    return false;
}

const char *hone_file_format_name(hone_file_format format) {
    (void)format;
    return "?";
}

hone_status hone_model_export(const hone_model *model, const hone_compiled *compiled, const char *path,
                              hone_file_format format, hone_error *err) {
    (void)model, (void)compiled, (void)path, (void)format;
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

hone_status hone_model_save_records_to(const hone_model *model, const char *from, const char *to, hone_error *err) {
    (void)model, (void)from, (void)to;
    return unsupported(err);
}

hone_status hone_delta_save(const hone_lora *lora, const hone_model *tuned, size_t head, const hone_model *base,
                            const char *base_path, const char *path, hone_error *err) {
    (void)lora, (void)tuned, (void)head, (void)base, (void)base_path, (void)path;
    return unsupported(err);
}

hone_status hone_delta_apply(hone_model **out, const hone_model *base, const char *path, hone_error *err) {
    (void)base, (void)path;
    *out = NULL;
    return unsupported(err);
}

bool hone__is_delta(const void *bytes, size_t size) {
    (void)bytes, (void)size;
    return false;
}

hone_status hone__delta_load(hone_model **out, const char *path, const hone_load_options *options, hone_error *err) {
    (void)path, (void)options;
    *out = NULL;
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
