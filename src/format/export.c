/* SPDX-License-Identifier: Apache-2.0
 *
 * hone_model_export: a model, or a part of it, in each of the files that hone writes. */
#include "stored_tensors.h"

#include <hone/onnx.h>

#include "file.h"

#include <string.h>

/* ---- names of formats ------------------------------------------------------------------------------------------ */

static const struct {
    const char *name, *suffix;
    hone_file_format format;
} formats[] = {
    /* a longer suffix before a shorter one that it ends with */
    {"weights", ".weights.h5", HONE_FILE_WEIGHTS},
    {"legacy-weights", NULL, HONE_FILE_LEGACY_WEIGHTS},
    {"h5", ".h5", HONE_FILE_H5},
    {NULL, ".hdf5", HONE_FILE_H5},
    {"keras", ".keras", HONE_FILE_KERAS},
    {"json", ".json", HONE_FILE_JSON},
    {"npz", ".npz", HONE_FILE_NPZ},
    {"onnx", ".onnx", HONE_FILE_ONNX},
    {"safetensors", ".safetensors", HONE_FILE_SAFETENSORS},
};
enum { FORMATS = sizeof formats / sizeof formats[0] };

hone_status hone_file_format_parse(hone_file_format *out, const char *name, hone_error *err) {
    for (size_t i = 0; i < FORMATS; i++) {
        if (!formats[i].name || strcmp(formats[i].name, name) != 0) continue;
        *out = formats[i].format;
        return HONE_OK;
    }
    HONE_FAIL(
        err, HONE_ARGUMENT,
        "'%.60s' is no format of files; there are h5, keras, onnx, json, weights, legacy-weights, npz, safetensors",
        name);
}

bool hone_file_format_of_path(hone_file_format *out, const char *path) {
    size_t length = strlen(path);
    for (size_t i = 0; i < FORMATS; i++) {
        size_t tail = formats[i].suffix ? strlen(formats[i].suffix) : 0;
        if (tail == 0 || length < tail || strcmp(path + length - tail, formats[i].suffix) != 0) continue;
        *out = formats[i].format;
        return true;
    }
    return false;
}

const char *hone_file_format_name(hone_file_format format) {
    for (size_t i = 0; i < FORMATS; i++)
        if (formats[i].format == format && formats[i].name) return formats[i].name;
    return "?";
}

/* ---- each format ----------------------------------------------------------------------------------------------- */

static hone_status json_file(const hone_model *model, unsigned char **bytes, size_t *size, hone_error *err) {
    hone_value *config;
    char *text = NULL;
    HONE_TRY(hone__keras3_config(model, &config, err));
    /* as Keras 2 did: without a .keras archive around it, nothing else tells whose words these are */
    hone_status status = hone_value_set_string(config, "keras_version", HONE_KERAS3_VERSION) == HONE_OK
                             ? hone_json_print(&text, config, 0, true, err)
                             : hone__fail_memory(err, 0, "json text");
    hone_value_free(config);
    if (status) return status;
    *size = strlen(text);
    *bytes = hone__alloc(*size + 1, 1);
    if (*bytes) memcpy(*bytes, text, *size);
    hone_json_free(text);
    return *bytes ? HONE_OK : hone__fail_memory(err, *size, "json text");
}

static hone_status write_image(hone__h5 *h5, const hone_model *model, const hone_compiled *compiled,
                               hone_file_format format, hone_error *err) {
    switch (format) {
    case HONE_FILE_H5:
        HONE_TRY(hone__keras_write_model(h5, model, compiled, err));
        return hone__group_write(h5, model, false, err);
    case HONE_FILE_KERAS:
        HONE_TRY(hone__keras3_write_weights(h5, model, err));
        return hone__group_write(h5, model, false, err);
    case HONE_FILE_WEIGHTS: return hone__keras3_write_weights(h5, model, err);
    default: return hone__legacy_write_weights(h5, "", model, err);
    }
}

static hone_status h5_file(const hone_model *model, const hone_compiled *compiled, hone_file_format format,
                           unsigned char **bytes, size_t *size, hone_error *err) {
    hone__h5 *h5;
    HONE_TRY(hone__h5_create(&h5, err));
    hone_status status = write_image(h5, model, compiled, format, err);
    if (status == HONE_OK)
        status = format == HONE_FILE_KERAS ? hone__archive_write(model, compiled, h5, bytes, size, err)
                                           : hone__h5_image(h5, bytes, size, err);
    hone__h5_close(h5);
    return status;
}

hone_status hone_model_export(const hone_model *model, const hone_compiled *compiled, const char *path,
                              hone_file_format format, hone_error *err) {
    unsigned char *bytes = NULL;
    size_t size = 0;
    hone_status status = HONE_OK;
    if (format == HONE_FILE_ONNX) return hone_model_export_onnx(model, NULL, path, err);
    if (compiled && (!compiled->has_optimizer || !compiled->has_loss))
        compiled = NULL; /* half of it compiles nothing */
    if (!model->built)
        status = hone__fail(err, HONE_ARGUMENT, "model '%s' is not built: it has no weights", model->network.name);
    else if (format == HONE_FILE_JSON)
        status = json_file(model, &bytes, &size, err);
    else if (format == HONE_FILE_NPZ)
        status = hone__npz_write(model, &bytes, &size, err);
    else if (format == HONE_FILE_SAFETENSORS)
        status = hone__safetensors_write(model, &bytes, &size, err);
    else
        status = h5_file(model, compiled, format, &bytes, &size, err);
    status = status ? hone__fail_context(err, status, "cannot write '%.200s'", path)
                    : hone__file_write(path, bytes, size, err);
    hone__free(bytes);
    return status;
}
