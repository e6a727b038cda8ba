/* SPDX-License-Identifier: Apache-2.0
 *
 * Weights from a file onto a model that is there already. Any file that holds weights will do: Keras' save_weights in
 * either layout, a whole model, a .keras archive, safetensors, NumPy's .npz. Either all that was asked for arrives or the
 * model stays as it was. */
#include "stored_tensors.h"
#include "zip_memory.h"

#include "file.h"

#include <string.h>

static hone_status read_h5(hone__h5 *h5, const hone_model *model, hone__matching *matching, float *data,
                           hone_error *err) {
    const char *root = hone__h5_kind_of(h5, "/model_weights") == HONE_H5_GROUP ? "/model_weights" : "";
    const char *group = *root ? root : "/";
    if (hone__h5_has_attribute(h5, group, "layer_names") || hone__h5_has_attribute(h5, group, "layer_names0"))
        return hone__legacy_read_weights(h5, root, model, matching, data, err);
    if (hone__keras3_has_weights(h5)) return hone__keras3_read_weights(h5, model, matching, data, err);
    HONE_FAIL(err, HONE_FORMAT, "holds no weights that Keras wrote");
}

static hone_status read_archive(const unsigned char *bytes, size_t size, const hone_model *model,
                                hone__matching *matching, float *data, hone_error *err) {
    hone__archive archive;
    HONE_TRY(hone__archive_open(&archive, bytes, size, err));
    return hone__archive_finish(&archive, hone__keras3_read_weights(archive.h5, model, matching, data, err), err);
}

static hone_status read_tensors(hone_status (*read)(hone__stored_tensors *, const unsigned char *, size_t,
                                                    hone_error *),
                                const unsigned char *bytes, size_t size, const hone_model *model,
                                hone__matching *matching, float *data, hone_error *err) {
    hone__stored_tensors tensors;
    hone_status status = read(&tensors, bytes, size, err);
    if (status == HONE_OK) status = hone__stored_read_weights(&tensors, model, matching, data, err);
    hone__stored_release(&tensors);
    return status;
}

static hone_status read_zip(const unsigned char *bytes, size_t size, const hone_model *model, hone__matching *matching,
                            float *data, hone_error *err) {
    hone__zip *zip;
    HONE_TRY(hone__zip_open(&zip, bytes, size, err));
    bool is_keras = hone__zip_has(zip, "config.json");
    hone__zip_close(zip);
    return is_keras ? read_archive(bytes, size, model, matching, data, err)
                    : read_tensors(hone__npz_read, bytes, size, model, matching, data, err);
}

static hone_status read_bytes(const unsigned char *bytes, size_t size, const hone_model *model,
                              hone__matching *matching, float *data, hone_error *err) {
    switch (hone__sniff(bytes, size)) {
    case HONE_CONTENT_HDF5: {
        hone__h5 *h5;
        HONE_TRY(hone__h5_open(&h5, bytes, size, err));
        return hone__h5_finish(h5, read_h5(h5, model, matching, data, err), err);
    }
    case HONE_CONTENT_ZIP: return read_zip(bytes, size, model, matching, data, err);
    case HONE_CONTENT_SAFETENSORS: return read_tensors(hone__safetensors_read, bytes, size, model, matching, data, err);
    case HONE_CONTENT_JSON: HONE_FAIL(err, HONE_FORMAT, "is JSON: an architecture, which holds no weights");
    case HONE_CONTENT_ONNX:
        HONE_FAIL(err, HONE_UNSUPPORTED,
                  "is an ONNX file, whose weights belong to its own graph: convert it to .h5 first");
    case HONE_CONTENT_OTHER: break;
    }
    HONE_FAIL(err, HONE_FORMAT, "is no file of weights: neither HDF5, nor a .keras archive, nor safetensors, nor .npz");
}

hone_status hone_model_load_weights(hone_model *model, const char *path, const hone_weights_options *options,
                                    hone_weights_report *report, hone_error *err) {
    unsigned char *bytes;
    size_t size;
    hone__matching matching = {0};
    if (report) *report = (hone_weights_report){0};
    if (options) matching = (hone__matching){.by_name = options->by_name, .skip_mismatch = options->skip_mismatch};
    if (!model->built) HONE_FAIL(err, HONE_ARGUMENT, "model '%s' is not built", model->network.name);
    HONE_TRY(hone__file_read(path, HONE_MAX_MODEL_FILE, &bytes, &size, err));
    float *data = hone__alloc(model->data_size, sizeof *data);
    hone_status status = HONE_OK;
    if (!data) status = hone__fail_memory(err, model->data_size * sizeof *data, "weights");
    if (status == HONE_OK) {
        memcpy(data, model->data, model->data_size * sizeof *data);
        status = read_bytes(bytes, size, model, &matching, data, err);
    }
    if (status == HONE_OK && matching.loaded == 0 && model->weight_count > 0)
        status = hone__fail(err, HONE_SHAPE, "none of its weights fits a layer of model '%s'", model->network.name);
    if (status == HONE_OK) status = hone__drop_self_test(model, err);
    if (status == HONE_OK) memcpy(model->data, data, model->data_size * sizeof *data);
    hone__free(data);
    hone__free(bytes);
    if (status) return hone__fail_context(err, status, "weights '%.200s'", path);
    if (report) *report = (hone_weights_report){matching.loaded, matching.skipped, matching.missing};
    return HONE_OK;
}
