/* SPDX-License-Identifier: Apache-2.0
 *
 * What a training held back, found again from what its model's file says: only pictures that a model was not trained
 * on tell how good it is. */
#include "commands.h"

#include <string.h>

hone_status split_as_trained(hone_split *out, const hone_dataset *data, const hone_model *model, double fraction,
                             uint64_t seed, hone_error *err) {
    const hone_value *provenance = hone_model_record(model, "provenance");
    const hone_value *record = hone_value_get(provenance, "data");
    const char *how = hone_value_as_string(hone_value_get(record, "validation"));
    const char *sha256 = hone_value_as_string(hone_value_get(record, "sha256"));
    int64_t its_seed = 0;
    char hash[65];
    if (how && sha256 && hone_value_as_integer(hone_value_get(provenance, "seed"), &its_seed)) {
        hone_dataset_hash(data, hash);
        if (strcmp(hash, sha256) == 0 && strcmp(how, "own") != 0) {
            hone_status status = hone_split_by_words(out, data, how, (uint64_t)its_seed, err);
            if (status != HONE_OK || out->validation_count > 0) return status;
            hone_split_release(out);
        }
    }
    return hone_split_default(out, data, fraction, seed, err);
}

/* count of them, spread over the list, so that of pictures in class folders each class gives its share. */
static void thin_out(uint32_t *indices, size_t *count, size_t limit) {
    if (limit == 0 || limit >= *count) return;
    for (size_t i = 0; i < limit; i++) indices[i] = indices[(size_t)((double)i * (double)*count / (double)limit)];
    *count = limit;
}

int open_held_back(hone_dataset **out, const held_back_request *r) {
    static const char hint[] = "name a DATA that the model was not trained on";
    const hone_value *provenance = hone_model_record(r->model, "provenance");
    const hone_value *record = hone_value_get(provenance, "data");
    const char *source = r->source ? r->source : hone_value_as_string(hone_value_get(record, "source"));
    const char *how = hone_value_as_string(hone_value_get(record, "validation"));
    const char *expected = hone_value_as_string(hone_value_get(record, "sha256"));
    int64_t limit = 0, seed = 0;
    *out = NULL;
    hone_value_as_integer(hone_value_get(record, "limit"), &limit);
    hone_value_as_integer(hone_value_get(provenance, "seed"), &seed);
    if (!source || !how) return failed(NULL, hint, "'%s' does not say which images its training held back", r->path);
    const bool is_own = strcmp(how, "own") == 0;
    if (is_own && r->source)
        return failed(NULL, hint, "'%s' has no validation part, and is not what '%s' was trained on", source, r->path);
    data_options options = {.source = source,
                            .split = is_own ? "validation" : "train",
                            .limit = limit,
                            .fit_to = r->fit_to ? r->fit_to : r->model,
                            .lessons = r->lessons};
    hone_dataset *whole;
    int status = open_data(&whole, &options, r->threads, r->quiet);
    if (status >= 0 || is_own) {
        if (status < 0) *out = whole;
        return status;
    }
    char hash[65];
    hone_error err = {0};
    hone_split split = {0};
    hone_dataset_hash(whole, hash);
    if (expected && !r->fit_to && strcmp(hash, expected) != 0) {
        status =
            failed(NULL, hint,
                   r->source ? "'%s' is not what '%s' was trained on" : "'%s' is no longer what '%s' was trained on",
                   source, r->path);
    } else if (hone_split_by_words(&split, whole, how, (uint64_t)seed, &err) != HONE_OK) {
        status = failed(&err, hint, "cannot tell what the training of '%s' held back", r->path);
    } else if (split.validation_count == 0) {
        status = failed(NULL, hint, "the training of '%s' held nothing back", r->path);
    } else {
        thin_out(split.validation, &split.validation_count, (size_t)r->limit);
        if (hone_dataset_select(out, whole, split.validation, split.validation_count, &err) == HONE_OK) whole = NULL;
        status = *out ? -1 : failed(&err, NULL, "cannot take what the training of '%s' held back", r->path);
    }
    hone_split_release(&split);
    hone_dataset_free(whole);
    if (status < 0)
        note(r->quiet, "what training held back: %zu image%s", hone_dataset_samples(*out),
             plural((int64_t)hone_dataset_samples(*out)));
    return status;
}
