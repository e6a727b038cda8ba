/* SPDX-License-Identifier: Apache-2.0
 *
 * /hone: what a model carries beside Keras' part of the file, and Keras ignores.
 *
 * /hone            @version "1", @writer, @preprocessing, @class_names, @records (JSON each, where there is something)
 *   /hone/whitening  the matrix of ZCA whitening (size, size)
 *   /hone/self_test  inputs, outputs (self_test.c)
 *   /hone/training   @state, slots/NAME/INDEX (training_file.c) */
#include "format_internal.h"

#include "file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static const char group_version[] = "1";

/* ---- preprocessing --------------------------------------------------------------------------------------------- */

static const char *const kinds[] = {[HONE_INPUT_UNIT] = "unit",
                                    [HONE_INPUT_RAW] = "raw",
                                    [HONE_INPUT_SIGNED] = "signed",
                                    [HONE_INPUT_STANDARD] = "standard"};
enum { KINDS = sizeof kinds / sizeof kinds[0] };

static hone_value *preprocessing_to_value(const hone_preprocessing *p) {
    hone_value *value = hone_value_object();
    hone_value_set_string(value, "kind", kinds[p->kind]);
    if (p->kind == HONE_INPUT_STANDARD) {
        hone_value *mean = hone_value_list(), *std = hone_value_list();
        for (int c = 0; c < HONE_MAX_CHANNELS; c++) {
            hone_value_append(mean, hone_value_real(p->mean[c]));
            hone_value_append(std, hone_value_real(p->std[c]));
        }
        hone_value_set(value, "mean", mean);
        hone_value_set(value, "std", std);
    }
    if (p->samplewise_center) hone_value_set_boolean(value, "samplewise_center", true);
    if (p->samplewise_std_normalization) hone_value_set_boolean(value, "samplewise_std_normalization", true);
    if (p->denoise) hone_value_set_boolean(value, "denoise", true);
    return value;
}

/* Absent: false. */
static bool flag_of(const hone_value *value, const char *key) {
    bool flag;
    return hone_value_as_boolean(hone_value_get(value, key), &flag) && flag;
}

static hone_status read_preprocessing(hone_model *model, const hone_value *value, hone_error *err) {
    const char *kind = hone_value_as_string(hone_value_get(value, "kind"));
    hone_preprocessing p = {.stated = true};
    int index = 0;
    while (index < KINDS && (!kind || strcmp(kind, kinds[index]) != 0)) index++;
    if (index == KINDS) HONE_FAIL(err, HONE_FORMAT, "preprocessing: no such kind as '%.40s'", kind ? kind : "");
    p.kind = (hone_input_kind)index;
    for (int c = 0; p.kind == HONE_INPUT_STANDARD && c < HONE_MAX_CHANNELS; c++) {
        double mean, std;
        if (!hone_value_as_real(hone_value_at(hone_value_get(value, "mean"), (size_t)c), &mean) ||
            !hone_value_as_real(hone_value_at(hone_value_get(value, "std"), (size_t)c), &std) || !isfinite(mean) ||
            !isfinite(std))
            HONE_FAIL(err, HONE_FORMAT, "preprocessing: mean and std are not %d numbers each", HONE_MAX_CHANNELS);
        p.mean[c] = (float)mean;
        p.std[c] = (float)std;
    }
    p.samplewise_std_normalization = flag_of(value, "samplewise_std_normalization");
    p.samplewise_center = p.samplewise_std_normalization || flag_of(value, "samplewise_center");
    p.denoise = flag_of(value, "denoise");
    hone_model_set_preprocessing(model, &p);
    return HONE_OK;
}

/* ---- whitening ------------------------------------------------------------------------------------------------- */

static const char whitening_path[] = "/hone/whitening";

static hone_status write_whitening(hone__h5 *h5, const hone_model *model, hone_error *err) {
    size_t size;
    const float *matrix = hone_model_whitening(model, &size);
    if (!matrix) return HONE_OK;
    hone_shape shape = {2, {(int64_t)size, (int64_t)size}};
    return hone__h5_write_floats(h5, whitening_path, &shape, matrix, err);
}

static hone_status read_whitening(hone__h5 *h5, hone_model *model, hone_error *err) {
    if (hone__h5_kind_of(h5, whitening_path) == HONE_H5_NOTHING) return HONE_OK;
    hone_shape shape, input = hone_model_input_shape(model);
    HONE_TRY(hone__h5_read_shape(h5, whitening_path, &shape, err));
    if (shape.rank != 2 || shape.dims[0] != shape.dims[1] || shape.dims[0] != hone_shape_size(&input))
        HONE_FAIL(err, HONE_FORMAT, "whitening is no square matrix of the input's size");
    size_t size = (size_t)shape.dims[0], count = size * size; /* the file holds them: read_shape has looked */
    float *matrix = hone__alloc(count, sizeof *matrix);
    if (!matrix) return hone__fail_memory(err, count * sizeof *matrix, "a whitening matrix");
    hone_status status = hone__h5_read_floats(h5, whitening_path, matrix, count, err);
    if (status == HONE_OK) status = hone_model_set_whitening(model, matrix, size, err);
    hone__free(matrix);
    return status;
}

/* ---- class names ----------------------------------------------------------------------------------------------- */

static hone_status read_class_names(hone_model *model, const hone_value *list, hone_error *err) {
    size_t count = hone_value_count(list);
    if (count > HONE_MAX_CLASSES) HONE_FAIL(err, HONE_LIMIT, "%zu class names", count);
    const char **names = hone__alloc(count, sizeof *names);
    if (!names) return hone__fail_memory(err, count * sizeof *names, "class names");
    hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < count; i++) {
        names[i] = hone_value_as_string(hone_value_at(list, i));
        if (!names[i]) status = hone__fail(err, HONE_FORMAT, "class name %zu is not text", i);
    }
    if (status == HONE_OK) status = hone_model_set_class_names(model, names, count, err);
    hone__free(names);
    return status;
}

/* ---- the group ------------------------------------------------------------------------------------------------- */

/* Writes and frees value. */
static hone_status write_value(hone__h5 *h5, const char *name, hone_value *value, hone_error *err) {
    hone_status status =
        hone_value_failed(value) ? hone__fail_memory(err, 0, name) : hone__h5_write_json(h5, "/hone", name, value, err);
    hone_value_free(value);
    return status;
}

static hone_status write_class_names(hone__h5 *h5, const hone_model *model, hone_error *err) {
    size_t count = hone_model_class_count(model);
    if (count == 0) return HONE_OK;
    hone_value *names = hone_value_list();
    for (size_t i = 0; i < count; i++) hone_value_append(names, hone_value_string(hone_model_class_name(model, i)));
    return write_value(h5, "class_names", names, err);
}

static hone_status write_records(hone__h5 *h5, const hone_model *model, hone_error *err) {
    hone_value *records = hone_value_object();
    for (size_t i = 0; i < hone_value_count(model->records); i++) {
        const char *key = hone_value_key_at(model->records, i);
        if (strcmp(key, HONE_SELF_TEST_RECORD) != 0) /* of the weights as they were loaded; a new one is made */
            hone_value_set(records, key, hone_value_copy(hone_value_at(model->records, i)));
    }
    return write_value(h5, "records", records, err);
}

hone_status hone__group_write(hone__h5 *h5, const hone_model *model, bool trained, hone_error *err) {
    HONE_TRY(hone__h5_write_group(h5, "/hone", err));
    HONE_TRY(hone__h5_write_string(h5, "/hone", "version", group_version, err));
    HONE_TRY(hone__h5_write_string(h5, "/hone", "writer", hone_version(), err));
    hone_preprocessing preprocessing = hone_model_preprocessing(model);
    if (preprocessing.stated || trained)
        HONE_TRY(write_value(h5, "preprocessing", preprocessing_to_value(&preprocessing), err));
    HONE_TRY(write_whitening(h5, model, err));
    HONE_TRY(write_class_names(h5, model, err));
    HONE_TRY(write_records(h5, model, err));
    return hone__self_test_write(h5, model, err);
}

/* ---- the records alone, in a file that stays as it is otherwise ------------------------------------------------ */

static hone_status replace_records_of(hone__h5 *h5, const hone_model *model, hone_error *err) {
    if (hone__h5_kind_of(h5, "/hone") != HONE_H5_GROUP) return hone__group_write(h5, model, false, err);
    if (hone__h5_has_attribute(h5, "/hone", "records"))
        HONE_TRY(hone__h5_delete_attribute(h5, "/hone", "records", err));
    return write_records(h5, model, err);
}

/* The file's HDF5 with other records. */
static hone_status change_h5(const hone_model *model, const unsigned char *bytes, size_t size, unsigned char **out,
                             size_t *out_size, hone_error *err) {
    hone__h5 *h5;
    HONE_TRY(hone__h5_open_copy(&h5, bytes, size, err));
    hone_status status = replace_records_of(h5, model, err);
    if (status == HONE_OK) status = hone__h5_image(h5, out, out_size, err);
    hone__h5_close(h5);
    return status;
}

static hone_status replace_records(const hone_model *model, const unsigned char *bytes, size_t size, const char *path,
                                   hone_error *err) {
    unsigned char *changed = NULL;
    hone_status status;
    if (hone__is_delta(bytes, size))
        HONE_FAIL(err, HONE_UNSUPPORTED,
                  "a delta keeps no records; merged with its base (hone finetune --merge) it can");
    if (size >= 4 && memcmp(bytes, "PK\x03\x04", 4) == 0)
        status = hone__archive_change_weights(model, bytes, size, change_h5, &changed, &size, err);
    else
        status = change_h5(model, bytes, size, &changed, &size, err);
    if (status == HONE_OK) status = hone__file_write(path, changed, size, err);
    hone__free(changed);
    return status;
}

hone_status hone_model_save_records_to(const hone_model *model, const char *from, const char *to, hone_error *err) {
    unsigned char *bytes;
    size_t size;
    HONE_TRY(hone__file_read(from, HONE_MAX_MODEL_FILE, &bytes, &size, err));
    hone_status status = replace_records(model, bytes, size, to, err);
    hone__free(bytes);
    if (status == HONE_OK) return HONE_OK;
    return hone__fail_context(err, status, "model '%.200s'", from);
}

hone_status hone_model_save_records(const hone_model *model, const char *path, hone_error *err) {
    return hone_model_save_records_to(model, path, path, err);
}

/* ---- reading -------------------------------------------------------------------------------------------------- */

/* One JSON attribute, where it is there. */
static hone_status read_value(hone__h5 *h5, hone_model *model, const char *name,
                              hone_status (*take)(hone_model *, const hone_value *, hone_error *), hone_error *err) {
    if (!hone__h5_has_attribute(h5, "/hone", name)) return HONE_OK;
    hone_value *value;
    HONE_TRY(hone__h5_read_json(h5, "/hone", name, &value, err));
    hone_status status = take(model, value, err);
    hone_value_free(value);
    return status;
}

static hone_status read_records(hone_model *model, const hone_value *records, hone_error *err) {
    if (hone_value_kind_of(records) != HONE_VALUE_OBJECT) HONE_FAIL(err, HONE_FORMAT, "'records' is no object");
    for (size_t i = 0; i < hone_value_count(records); i++) {
        hone_value *record = hone_value_copy(hone_value_at(records, i));
        if (!record) return hone__fail_memory(err, 0, "a record");
        HONE_TRY(hone_model_set_record(model, hone_value_key_at(records, i), record, err));
    }
    return HONE_OK;
}

hone_status hone__group_read(hone__h5 *h5, hone_model *model, hone_error *err) {
    if (hone__h5_kind_of(h5, "/hone") != HONE_H5_GROUP) return HONE_OK;
    char *version;
    HONE_TRY(hone__h5_read_string(h5, "/hone", "version", &version, err));
    bool known = strcmp(version, group_version) == 0;
    if (!known)
        hone__log(HONE_LOG_WARNING, "the file's hone group is of version '%.40s', not '%s': left out", version,
                  group_version);
    hone__free(version);
    if (!known) return HONE_OK;
    hone_status status = read_value(h5, model, "preprocessing", read_preprocessing, err);
    if (status == HONE_OK) status = read_whitening(h5, model, err);
    if (status == HONE_OK) status = read_value(h5, model, "class_names", read_class_names, err);
    if (status == HONE_OK) status = read_value(h5, model, "records", read_records, err);
    if (status == HONE_OK) status = hone__self_test_read(h5, model, err);
    if (status == HONE_OK) return HONE_OK;
    return hone__fail_context(err, status, "the hone group");
}
