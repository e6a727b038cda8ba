/* SPDX-License-Identifier: Apache-2.0
 *
 * The record "quantization" of a model: scales and zero points by tensor, and for which weights they were found. */
#include "int8_graph.h"

#include <hone/quantize.h>

#include <math.h>
#include <string.h>

/* How many tensors of the same layer come before it. */
static size_t ordinal_of(const hone__builder *b, int tensor) {
    size_t before = 0;
    for (int t = 0; t < tensor; t++) before += b->tensors[t].layer == b->tensors[tensor].layer;
    return before;
}

char *hone__tensor_name(const hone__builder *b, int tensor) {
    if (tensor == b->input) return hone__strdup("input");
    const char *layer = b->model->layers[b->tensors[tensor].layer]->name;
    size_t ordinal = ordinal_of(b, tensor) - (b->tensors[b->input].layer == b->tensors[tensor].layer);
    return ordinal ? hone__asprintf("%s:%zu", layer, ordinal) : hone__strdup(layer);
}

void hone__weights_hash(const hone_model *model, char out[17]) {
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < model->data_size; i++) {
        uint32_t bits;
        memcpy(&bits, model->data + i, sizeof bits);
        hash = (hash ^ bits) * 0x100000001b3u;
        hash ^= hash >> 29;
    }
    snprintf(out, 17, "%016llx", (unsigned long long)hash);
}

static bool is_current(const hone_model *model, const hone_value *record) {
    char hash[17];
    const char *noted = hone_value_as_string(hone_value_get(record, "weights"));
    hone__weights_hash(model, hash);
    return noted && strcmp(noted, hash) == 0;
}

bool hone_model_is_quantized(const hone_model *model) {
    const hone_value *record = hone_model_record(model, HONE_INT8_RECORD);
    return model->built && record && is_current(model, record);
}

/* One entry onto the tensor that it names; they come in order, so the search goes on where the last one ended. */
static hone_status read_tensor(hone__builder *b, const hone_value *entry, int *next, hone_error *err) {
    const char *name = hone_value_as_string(hone_value_get(entry, "name"));
    double scale;
    int64_t zero_point;
    if (!name || !hone_value_as_real(hone_value_get(entry, "scale"), &scale) || !(scale > 0) || !isfinite(scale) ||
        !((float)scale > 0) || !isfinite((float)scale) ||
        !hone_value_as_integer(hone_value_get(entry, "zero_point"), &zero_point) || zero_point < 0 || zero_point > 255)
        HONE_FAIL(err, HONE_FORMAT, "quantization: a tensor without name, scale above 0 or zero_point of 0 to 255");
    for (; *next < (int)b->tensor_count; ++*next) {
        char *own = hone__tensor_name(b, *next);
        if (!own) return hone__fail_memory(err, strlen(name), "a tensor's name");
        bool found = strcmp(own, name) == 0;
        hone__free(own);
        if (!found) continue;
        b->tensors[(*next)++].q = (hone__quantisation){(float)scale, (int32_t)zero_point};
        return HONE_OK;
    }
    HONE_FAIL(err, HONE_FORMAT, "quantization: the model has no tensor '%.128s' (quantize it again)", name);
}

hone_status hone__int8_read(hone__builder *b, bool *per_tensor, hone_error *err) {
    const hone_value *record = hone_model_record(b->model, HONE_INT8_RECORD);
    if (hone_value_kind_of(record) == HONE_VALUE_NULL)
        HONE_FAIL(err, HONE_ARGUMENT, "the model has not been quantized (hone quantize does that)");
    if (!is_current(b->model, record))
        HONE_FAIL(err, HONE_ARGUMENT, "the model was quantized with other weights than it has now (quantize it again)");
    bool per_channel = true;
    hone_value_as_boolean(hone_value_get(record, "per_channel"), &per_channel);
    *per_tensor = !per_channel;
    const hone_value *tensors = hone_value_get(record, "tensors");
    int next = 0;
    for (size_t i = 0; i < hone_value_count(tensors); i++)
        HONE_TRY(read_tensor(b, hone_value_at(tensors, i), &next, err));
    return HONE_OK;
}
