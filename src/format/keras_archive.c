/* SPDX-License-Identifier: Apache-2.0
 *
 * .keras: a zip archive of metadata.json, config.json and model.weights.h5 (or .npz, which is refused in words).
 *
 * hone's own group travels inside model.weights.h5, where Keras does not look: so everything that an .h5 carries, an
 * archive carries too. The date of saving, which Keras notes and never reads, is left out: the same model gives the same
 * bytes. */
#include "format_internal.h"
#include "layer.h"
#include "zip_memory.h"

#include <string.h>

static const char metadata_name[] = "metadata.json", config_name[] = "config.json", weights_name[] = "model.weights.h5";

/* ---- reading --------------------------------------------------------------------------------------------------- */

static hone_status read_json(hone__zip *zip, const char *name, hone_value **out, hone_error *err) {
    unsigned char *text;
    size_t size;
    *out = NULL;
    HONE_TRY(hone__zip_read(zip, name, HONE_MAX_JSON_BYTES, &text, &size, err));
    hone_status status = hone_json_parse(out, (const char *)text, size, err);
    hone__free(text);
    return status == HONE_OK ? HONE_OK : hone__fail_context(err, status, "member '%s'", name);
}

/* The config, with the version of Keras that the metadata names: some words depend on it. */
static hone_status read_config(hone__zip *zip, hone_value **out, hone_error *err) {
    if (!hone__zip_has(zip, config_name)) {
        *out = NULL;
        HONE_FAIL(err, HONE_FORMAT, "is a zip archive without '%s': no .keras file", config_name);
    }
    HONE_TRY(read_json(zip, config_name, out, err));
    if (!hone__zip_has(zip, metadata_name) || hone_value_get(*out, "keras_version")) return HONE_OK;
    hone_value *metadata;
    hone_status status = read_json(zip, metadata_name, &metadata, err);
    const char *version = hone_value_as_string(hone_value_get(metadata, "keras_version"));
    if (status == HONE_OK && version && hone_value_set_string(*out, "keras_version", version) != HONE_OK)
        status = hone__fail_memory(err, 0, "a version");
    hone_value_free(metadata);
    if (status) {
        hone_value_free(*out);
        *out = NULL;
    }
    return status;
}

hone_status hone__archive_open(hone__archive *out, const void *bytes, size_t size, hone_error *err) {
    hone__zip *zip;
    *out = (hone__archive){0};
    HONE_TRY(hone__zip_open(&zip, bytes, size, err));
    hone_status status = read_config(zip, &out->config, err);
    if (status == HONE_OK && !hone__zip_has(zip, weights_name))
        status = hone__fail(err, HONE_UNSUPPORTED, "the archive has no '%s'%s", weights_name,
                            hone__zip_has(zip, "model.weights.npz") ? "; save it with weights in HDF5, as Keras does"
                                                                    : ": it holds no weights");
    unsigned char *weights = NULL;
    size_t weights_size = 0;
    if (status == HONE_OK)
        status = hone__zip_read(zip, weights_name, HONE_MAX_MODEL_FILE, &weights, &weights_size, err);
    hone__zip_close(zip);
    out->weights = weights;
    if (status == HONE_OK) {
        status = hone__h5_open(&out->h5, weights, weights_size, err);
        if (status) hone__fail_context(err, status, "member '%s'", weights_name);
    }
    return status == HONE_OK ? HONE_OK : hone__archive_finish(out, status, err);
}

hone_status hone__archive_finish(hone__archive *archive, hone_status status, hone_error *err) {
    status = hone__h5_finish(archive->h5, status, err);
    hone__free(archive->weights);
    hone_value_free(archive->config);
    *archive = (hone__archive){0};
    return status;
}

static hone_status read_model(hone__archive *archive, hone_model **out, const hone_load_options *options,
                              hone_compiled *compiled, hone_error *err) {
    hone_model *model = NULL;
    hone__matching matching = {0};
    hone_status status = hone_model_from_config(&model, archive->config, err);
    if (status == HONE_OK) status = hone__state_image_size(model, options, err);
    if (status == HONE_OK) status = hone__model_allocate(model, err);
    if (status == HONE_OK) status = hone__keras3_read_weights(archive->h5, model, &matching, model->data, err);
    if (status == HONE_OK) status = hone__group_read(archive->h5, model, err);
    const hone_value *compile_config = hone_value_get(archive->config, "compile_config");
    if (status == HONE_OK && compiled && hone_value_kind_of(compile_config) == HONE_VALUE_OBJECT)
        status = hone__keras3_compiled(compile_config, compiled, err);
    if (status) {
        hone_model_free(model);
        return status;
    }
    *out = model;
    return HONE_OK;
}

hone_status hone__keras_model_from_archive(hone_model **out, const void *bytes, size_t size,
                                           const hone_load_options *options, hone_compiled *compiled, hone_error *err) {
    hone__archive archive;
    *out = NULL;
    HONE_TRY(hone__archive_open(&archive, bytes, size, err));
    hone_status status = hone__archive_finish(&archive, read_model(&archive, out, options, compiled, err), err);
    if (status == HONE_OK) return HONE_OK;
    hone_model_free(*out);
    *out = NULL;
    return status;
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

static hone_status config_text(const hone_model *model, const hone_compiled *compiled, char **out, hone_error *err) {
    hone_value *config;
    *out = NULL;
    HONE_TRY(hone__keras3_config(model, &config, err));
    hone_status status = HONE_OK;
    if (compiled && compiled->has_optimizer && compiled->has_loss) {
        hone_value *compile_config;
        hone_shape output = hone_model_output_shape(model);
        status = hone__keras3_compile_config(compiled, hone_shape_size(&output), &compile_config, err);
        if (status == HONE_OK && hone_value_set(config, "compile_config", compile_config) != HONE_OK)
            status = hone__fail_memory(err, 0, "compile_config");
    }
    if (status == HONE_OK) status = hone_json_print(out, config, 0, true, err);
    hone_value_free(config);
    return status;
}

hone_status hone__archive_write(const hone_model *model, const hone_compiled *compiled, hone__h5 *h5,
                                unsigned char **bytes, size_t *size, hone_error *err) {
    char *config, metadata[64];
    unsigned char *weights = NULL;
    size_t weights_size = 0;
    *bytes = NULL;
    *size = 0;
    snprintf(metadata, sizeof metadata, "{\"keras_version\": \"%s\"}", HONE_KERAS3_VERSION);
    HONE_TRY(config_text(model, compiled, &config, err));
    hone_status status = hone__h5_image(h5, &weights, &weights_size, err);
    if (status == HONE_OK) {
        hone__zip_member members[] = {{metadata_name, metadata, strlen(metadata)},
                                      {config_name, config, strlen(config)},
                                      {weights_name, weights, weights_size}};
        status = hone__zip_write(members, sizeof members / sizeof members[0], bytes, size, err);
    }
    hone__free(weights);
    hone_json_free(config);
    return status;
}

/* ---- changing -------------------------------------------------------------------------------------------------- */

/* Every member as it is, but for the weights, which change makes anew. */
static hone_status change_members(hone__zip *zip, hone__zip_member *members, unsigned char **contents, size_t count,
                                  const hone_model *model, hone__archive_change change, hone_error *err) {
    for (size_t i = 0; i < count; i++) {
        size_t size = 0;
        const char *name = hone__zip_name(zip, i);
        HONE_TRY(hone__zip_read(zip, name, HONE_MAX_MODEL_FILE, &contents[i], &size, err));
        if (strcmp(name, weights_name) == 0) {
            unsigned char *before = contents[i];
            contents[i] = NULL;
            hone_status status = change(model, before, size, &contents[i], &size, err);
            hone__free(before);
            HONE_TRY(status);
        }
        members[i] = (hone__zip_member){name, contents[i], size};
    }
    return HONE_OK;
}

hone_status hone__archive_change_weights(const hone_model *model, const void *bytes, size_t size,
                                         hone__archive_change change, unsigned char **out, size_t *out_size,
                                         hone_error *err) {
    hone__zip *zip;
    *out = NULL;
    HONE_TRY(hone__zip_open(&zip, bytes, size, err));
    size_t count = hone__zip_count(zip);
    hone__zip_member *members = hone__alloc(count, sizeof *members);
    unsigned char **contents = hone__alloc(count, sizeof *contents);
    hone_status status = members && contents ? change_members(zip, members, contents, count, model, change, err)
                                             : hone__fail_memory(err, count * sizeof *members, "an archive's members");
    if (status == HONE_OK) status = hone__zip_write(members, count, out, out_size, err);
    for (size_t i = 0; contents && i < count; i++) hone__free(contents[i]);
    hone__free(contents);
    hone__free(members);
    hone__zip_close(zip);
    return status;
}
