/* SPDX-License-Identifier: Apache-2.0
 *
 * What a model carries along (class names, preprocessing, records) as the metadata of an ONNX file, and back: texts
 * under keys, each of them JSON but for the preprocessing, which is written as the option --input is. */
#include "format_internal.h"

#include "file.h"
#include "int8_graph.h"
#include "onnx_model.h"

#include <hone/onnx.h>

#include <string.h>

static const char key_class_names[] = "class_names", key_preprocessing[] = "preprocessing";
static const char record_prefix[] = "hone."; /* and the name of the record */

/* ---- writing --------------------------------------------------------------------------------------------------- */

static hone_status set_json(hone_value *metadata, const char *key, const hone_value *value, hone_error *err) {
    char *text;
    if (hone_value_failed(value)) return hone__fail_memory(err, 0, key);
    HONE_TRY(hone_json_print(&text, value, 0, false, err));
    hone_status status = hone_value_set_string(metadata, key, text);
    hone_json_free(text);
    return status ? hone__fail_memory(err, 0, key) : HONE_OK;
}

static hone_status set_class_names(hone_value *metadata, const hone_model *model, hone_error *err) {
    size_t count = hone_model_class_count(model);
    if (count == 0) return HONE_OK;
    hone_value *names = hone_value_list();
    for (size_t i = 0; i < count; i++) hone_value_append(names, hone_value_string(hone_model_class_name(model, i)));
    hone_status status = set_json(metadata, key_class_names, names, err);
    hone_value_free(names);
    return status;
}

/* The self-test stays behind: it belongs to hone's own arithmetic. With the float weights go the records about what those
 * compute: their scales, which the graph states, and the examples by which hone tells unknown pictures. */
static bool stays_behind(const char *record, bool int8) {
    static const char *const of_floats[] = {HONE_INT8_RECORD, "rejection", "reference"};
    bool stays = strcmp(record, HONE_SELF_TEST_RECORD) == 0;
    for (size_t i = 0; int8 && i < sizeof of_floats / sizeof of_floats[0]; i++)
        stays = stays || strcmp(record, of_floats[i]) == 0;
    return stays;
}

static hone_status set_records(hone_value *metadata, const hone_model *model, bool int8, hone_error *err) {
    for (size_t i = 0; i < hone_value_count(model->records); i++) {
        const char *name = hone_value_key_at(model->records, i);
        if (stays_behind(name, int8)) continue;
        char *key = hone__asprintf("%s%s", record_prefix, name);
        if (!key) return hone__fail_memory(err, strlen(name), "a record");
        hone_status status = set_json(metadata, key, hone_value_at(model->records, i), err);
        hone__free(key);
        if (status) return status;
    }
    return HONE_OK;
}

static hone_status set_preprocessing(hone_value *metadata, const hone_model *model, bool within, hone_error *err) {
    char text[1024];
    hone_preprocessing preprocessing = hone_model_preprocessing(model);
    const char *words = within ? "raw" : hone_preprocessing_text(&preprocessing, text, sizeof text);
    return hone_value_set_string(metadata, key_preprocessing, words) ? hone__fail_memory(err, 0, "preprocessing")
                                                                     : HONE_OK;
}

static hone_status write_model(const hone_model *model, const hone_onnx_options *options, const char *path,
                               hone_value *metadata, hone_error *err) {
    unsigned char *bytes;
    size_t size;
    HONE_TRY(set_class_names(metadata, model, err));
    HONE_TRY(set_preprocessing(metadata, model, options->with_preprocessing, err));
    HONE_TRY(set_records(metadata, model, options->int8, err));
    if (!options->with_preprocessing && !hone_model_input_is_affine(model))
        hone__log(HONE_LOG_WARNING,
                  "the ONNX file does not hold the model's preprocessing: it is more than a scale and "
                  "an offset, and whoever runs the file has to do it");
    HONE_TRY(hone__onnx_write(model, options, metadata, &bytes, &size, err));
    hone_status status = hone__file_write(path, bytes, size, err);
    hone__free(bytes);
    return status;
}

hone_status hone_model_export_onnx(const hone_model *model, const hone_onnx_options *options, const char *path,
                                   hone_error *err) {
    hone_onnx_options defaults = hone_onnx_options_default();
    hone_value *metadata = hone_value_object();
    hone_status status = metadata ? write_model(model, options ? options : &defaults, path, metadata, err)
                                  : hone__fail_memory(err, 0, "metadata");
    hone_value_free(metadata);
    return status ? hone__fail_context(err, status, "cannot write '%.200s'", path) : HONE_OK;
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static hone_status take_class_names(hone_model *model, const hone_value *names, hone_error *err) {
    size_t count = hone_value_count(names);
    if (hone_value_kind_of(names) != HONE_VALUE_LIST || (int64_t)count != hone_model_output_size(model)) return HONE_OK;
    const char **texts = hone__alloc(count, sizeof *texts);
    if (!texts) return hone__fail_memory(err, count * sizeof *texts, "class names");
    bool fine = count > 0;
    for (size_t i = 0; i < count; i++) {
        texts[i] = hone_value_as_string(hone_value_at(names, i));
        fine = fine && texts[i];
    }
    hone_status status = fine ? hone_model_set_class_names(model, texts, count, err) : HONE_OK;
    hone__free(texts);
    return status;
}

static hone_status take(hone_model *model, const char *key, const char *text, hone_error *err) {
    hone_preprocessing preprocessing;
    if (strcmp(key, key_preprocessing) == 0) {
        if (hone_preprocessing_parse(&preprocessing, text, NULL) == HONE_OK)
            hone_model_set_preprocessing(model, &preprocessing);
        return HONE_OK;
    }
    bool is_names = strcmp(key, key_class_names) == 0;
    bool is_record = strncmp(key, record_prefix, sizeof record_prefix - 1) == 0;
    hone_value *value;
    if (!is_names && !is_record) return HONE_OK;
    hone_status status = hone_json_parse(&value, text, strlen(text), NULL);
    if (status == HONE_MEMORY) return hone__fail_memory(err, strlen(text), key);
    if (status) return HONE_OK;
    if (is_record) return hone_model_set_record(model, key + sizeof record_prefix - 1, value, err);
    status = take_class_names(model, value, err);
    hone_value_free(value);
    return status;
}

hone_status hone__onnx_model_from_bytes(hone_model **out, const void *bytes, size_t size, const char *folder,
                                        const hone_load_options *options, hone_error *err) {
    hone__onnx_surroundings around = {.folder = folder};
    if (options) {
        around.height = options->height;
        around.width = options->width;
        around.is_open = options->is_open;
    }
    hone_model *model;
    hone_value *metadata;
    HONE_TRY(hone__onnx_read(&model, &metadata, bytes, size, &around, err));
    hone_status status = HONE_OK;
    for (size_t i = 0; i < hone_value_count(metadata) && !status; i++)
        status = take(model, hone_value_key_at(metadata, i), hone_value_as_string(hone_value_at(metadata, i)), err);
    hone_value_free(metadata);
    if (status) {
        hone_model_free(model);
        return status;
    }
    *out = model;
    return HONE_OK;
}
