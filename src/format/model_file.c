/* SPDX-License-Identifier: Apache-2.0
 *
 * hone_model_load: what a path names is decided by what is there, never by its extension. */
#include "format_internal.h"

#include "file.h"
#include "onnx_model.h"

#include <string.h>

/* ---- sniffing -------------------------------------------------------------------------------------------------- */

static bool is_zip(const unsigned char *bytes, size_t size) {
    return size >= 4 && memcmp(bytes, "PK\x03\x04", 4) == 0;
}

/* HDF5 may follow a block of the user's own: its signature is then at 512, 1024, 2048, … A zip archive is no such block,
 * though the HDF5 file in it may begin at just that place. */
static bool is_hdf5(const unsigned char *bytes, size_t size) {
    static const unsigned char signature[8] = {0x89, 'H', 'D', 'F', '\r', '\n', 0x1A, '\n'};
    if (is_zip(bytes, size)) return false;
    for (size_t at = 0; at <= size / 2 && at + sizeof signature <= size; at = at ? at * 2 : 512)
        if (memcmp(bytes + at, signature, sizeof signature) == 0) return true;
    return false;
}

static bool is_json_object(const unsigned char *bytes, size_t size) {
    size_t i = size >= 3 && memcmp(bytes, "\xEF\xBB\xBF", 3) == 0 ? 3 : 0;
    while (i < size && (bytes[i] == ' ' || bytes[i] == '\t' || bytes[i] == '\n' || bytes[i] == '\r')) i++;
    return i < size && bytes[i] == '{';
}

/* The length of a header of JSON, in eight bytes, and the header; no text has the zero bytes of the length. */
static bool is_safetensors(const unsigned char *bytes, size_t size) {
    return size > 8 && bytes[8] == '{' && bytes[7] == 0 && bytes[6] == 0;
}

hone_status hone__state_image_size(hone_model *model, const hone_load_options *options, hone_error *err) {
    static const hone_load_options none = {0};
    if (!options) options = &none;
    if (options->is_open) *options->is_open = hone_model_input_is_open(model);
    return hone_model_set_image_size(model, options->height, options->width, err);
}

static hone_status from_json(hone_model **out, const unsigned char *bytes, size_t size,
                             const hone_load_options *options, hone_error *err) {
    hone_value *config;
    hone_model *model = NULL;
    HONE_TRY(hone_json_parse(&config, (const char *)bytes, size, err));
    hone_status status = hone_model_from_config(&model, config, err);
    hone_value_free(config);
    if (status == HONE_OK) status = hone__state_image_size(model, options, err);
    if (status == HONE_OK) status = hone_model_build(model, 0, err);
    if (status) {
        hone_model_free(model);
        return status;
    }
    *out = model;
    return HONE_OK;
}

hone__content hone__sniff(const unsigned char *bytes, size_t size) {
    if (is_hdf5(bytes, size)) return HONE_CONTENT_HDF5;
    if (is_safetensors(bytes, size)) return HONE_CONTENT_SAFETENSORS;
    if (is_json_object(bytes, size)) return HONE_CONTENT_JSON;
    if (is_zip(bytes, size)) return HONE_CONTENT_ZIP;
    if (hone__onnx_sniff(bytes, size)) return HONE_CONTENT_ONNX;
    return HONE_CONTENT_OTHER;
}

static hone_status from_onnx(hone_model **out, const char *path, const unsigned char *bytes, size_t size,
                             const hone_load_options *options, hone_error *err) {
    char *folder = hone__folder_of(path);
    if (!folder) return hone__fail_memory(err, strlen(path), "a path");
    hone_status status = hone__onnx_model_from_bytes(out, bytes, size, folder, options, err);
    hone__free(folder);
    return status;
}

/* The first member of an archive of torch.save is "NAME/data.pkl"; older ones are a pickle alone. */
static bool is_torch(const unsigned char *bytes, size_t size) {
    static const char pickle[] = "/data.pkl";
    enum { NAME = 30, LENGTH = sizeof pickle - 1 }; /* where a member's name begins */
    if (!is_zip(bytes, size)) return size >= 2 && bytes[0] == 0x80 && bytes[1] >= 2 && bytes[1] <= 5;
    size_t length = size > NAME ? bytes[26] + 256U * bytes[27] : 0;
    return length >= LENGTH && size - NAME >= length && memcmp(bytes + NAME + length - LENGTH, pickle, LENGTH) == 0;
}

static bool ends_with(const char *path, const char *end) {
    size_t length = strlen(path), n = strlen(end);
    return length >= n && strcmp(path + length - n, end) == 0;
}

/* Models of others that are not read: what they are, and what to do; NULL: none that we know. */
static const char *what_else(const char *path, const unsigned char *bytes, size_t size) {
    if (is_torch(bytes, size))
        return "it is a file of PyTorch's, Python code for the most part, which is never run; export the model there "
               "by torch.onnx.export";
    if (size >= 8 && memcmp(bytes + 4, "TFL3", 4) == 0)
        return "it is a model for TensorFlow Lite; take what it was made of, as .keras, .h5 or .onnx";
    if (ends_with(path, "saved_model.pb"))
        return "it is a SavedModel of TensorFlow; load it in Keras and save it as .keras or .h5, or make it .onnx with "
               "tf2onnx";
    return NULL;
}

static hone_status from_bytes(hone_model **out, const char *path, const unsigned char *bytes, size_t size,
                              const hone_load_options *options, hone_compiled *compiled, hone_error *err) {
    if (size == 0) HONE_FAIL(err, HONE_FORMAT, "the file is empty");
    const char *other = what_else(path, bytes, size);
    if (other) HONE_FAIL(err, HONE_UNSUPPORTED, "%s", other);
    switch (hone__sniff(bytes, size)) {
    case HONE_CONTENT_HDF5: return hone__keras_model_from_bytes(out, bytes, size, options, compiled, err);
    case HONE_CONTENT_JSON: return from_json(out, bytes, size, options, err);
    case HONE_CONTENT_ZIP: return hone__keras_model_from_archive(out, bytes, size, options, compiled, err);
    case HONE_CONTENT_SAFETENSORS:
        HONE_FAIL(
            err, HONE_FORMAT,
            "it is a safetensors file: weights only; name the model that they are for and give them with --weights");
    case HONE_CONTENT_ONNX: return from_onnx(out, path, bytes, size, options, err);
    case HONE_CONTENT_OTHER: break;
    }
    HONE_FAIL(err, HONE_FORMAT,
              "it is no model file: neither Keras HDF5, nor a .keras archive, nor Keras JSON, nor ONNX");
}

/* ---- presets --------------------------------------------------------------------------------------------------- */

static bool is_preset(const char *name) {
    for (size_t i = 0; hone_preset_name(i); i++)
        if (strcmp(hone_preset_name(i), name) == 0) return true;
    return false;
}

static hone_status from_preset(hone_model **out, const char *name, hone_error *err) {
    static const hone_shape shape = {3, {28, 28, 1}};
    hone_model *model;
    HONE_TRY(hone_model_preset(&model, name, &shape, 10, err));
    hone_status status = hone_model_build(model, 0, err);
    if (status) {
        hone_model_free(model);
        return status;
    }
    *out = model;
    return HONE_OK;
}

hone_status hone_model_load(hone_model **out, const char *path, hone_compiled *compiled, hone_error *err) {
    return hone_model_load_with(out, path, NULL, compiled, err);
}

hone_status hone_model_load_with(hone_model **out, const char *path, const hone_load_options *options,
                                 hone_compiled *compiled, hone_error *err) {
    unsigned char *bytes;
    size_t size;
    *out = NULL;
    if (compiled) *compiled = (hone_compiled){0};
    if (options && options->is_open) *options->is_open = false;
    if (is_preset(path) && (!hone__file_exists(path) || hone__is_folder(path))) return from_preset(out, path, err);
    if (hone__is_folder(path))
        HONE_FAIL(
            err, HONE_IO,
            "model '%.200s': it is a folder; a SavedModel of TensorFlow is loaded in Keras and saved as .keras or "
            ".h5, or made .onnx with tf2onnx",
            path);
    HONE_TRY(hone__file_read(path, HONE_MAX_MODEL_FILE, &bytes, &size, err));
    hone_status status = is_hdf5(bytes, size) && hone__is_delta(bytes, size)
                             ? hone__delta_load(out, path, options, err)
                             : from_bytes(out, path, bytes, size, options, compiled, err);
    hone__free(bytes);
    if (status == HONE_OK) return HONE_OK;
    return hone__fail_context(err, status, "model '%.200s'", path);
}
