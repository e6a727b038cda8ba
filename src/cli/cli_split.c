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
