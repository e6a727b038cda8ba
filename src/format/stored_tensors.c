/* SPDX-License-Identifier: Apache-2.0
 *
 * A list of named tensors onto a model. Names are believed before places: most writers sort, so that conv2d_10 comes
 * before conv2d_2 and a bias before its kernel. */
#include "stored_tensors.h"

#include <math.h>
#include <string.h>

void hone__stored_release(hone__stored_tensors *tensors) {
    for (size_t i = 0; i < tensors->count; i++) hone__free(tensors->items[i].name);
    for (size_t i = 0; i < tensors->member_count; i++) hone__free(tensors->members[i]);
    hone__free(tensors->items);
    hone__free(tensors->members);
    *tensors = (hone__stored_tensors){0};
}

/* 0 of OTHER. */
static size_t item_size(hone__stored_type type) {
    static const size_t sizes[] = {[HONE_STORED_OTHER] = 0,
                                   [HONE_STORED_F16] = 2,
                                   [HONE_STORED_BF16] = 2,
                                   [HONE_STORED_F32] = 4,
                                   [HONE_STORED_F64] = 8};
    return sizes[type];
}

hone_status hone__stored_check_size(const hone__stored_tensor *tensor, size_t bytes, hone_error *err) {
    size_t need = item_size(tensor->type);
    bool fits = true;
    for (int i = 0; i < tensor->shape.rank; i++) fits &= hone__multiply(need, (size_t)tensor->shape.dims[i], &need);
    if (fits && need == bytes) return HONE_OK;
    HONE_FAIL(err, HONE_FORMAT, "tensor '%.128s' has %zu bytes, not what its shape and type need", tensor->name, bytes);
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */

void hone__put_float(unsigned char *to, float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    for (size_t k = 0; k < 4; k++) to[k] = (unsigned char)(bits >> (8 * k));
}

static uint64_t little_endian(const unsigned char *from, size_t size) {
    uint64_t bits = 0;
    for (size_t k = size; k-- > 0;) bits = bits << 8 | from[k];
    return bits;
}

static float from_bits(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static float from_half(uint32_t half) {
    uint32_t sign = (half & 0x8000U) << 16, exponent = half >> 10 & 31, fraction = half & 1023;
    if (exponent == 31) return from_bits(sign | 0x7F800000U | fraction << 13);
    if (exponent > 0) return from_bits(sign | (exponent + 112) << 23 | fraction << 13);
    float small = ldexpf((float)fraction, -24);
    return sign ? -small : small;
}

static float number_at(const hone__stored_tensor *tensor, size_t index) {
    size_t size = item_size(tensor->type);
    uint64_t bits = little_endian(tensor->bytes + index * size, size);
    double wide;
    switch (tensor->type) {
    case HONE_STORED_F16: return from_half((uint32_t)bits);
    case HONE_STORED_BF16: return from_bits((uint32_t)bits << 16);
    case HONE_STORED_F64: memcpy(&wide, &bits, sizeof wide); return (float)wide;
    case HONE_STORED_F32:
    case HONE_STORED_OTHER: break;
    }
    return from_bits((uint32_t)bits);
}

/* ---- pairing --------------------------------------------------------------------------------------------------- */

/* "LAYER/WEIGHT", also with a point in between. */
static bool is_named(const hone__stored_tensor *tensor, const char *layer, const char *weight) {
    size_t length = strlen(layer);
    const char *name = tensor->name;
    return strncmp(name, layer, length) == 0 && (name[length] == '/' || name[length] == '.') &&
           strcmp(name + length + 1, weight) == 0;
}

static const hone__stored_tensor *find_named(const hone__stored_tensors *tensors, const hone_model *model,
                                             size_t weight) {
    const hone__weight *w = &model->weights[weight];
    for (size_t i = 0; i < tensors->count; i++)
        if (is_named(&tensors->items[i], model->layers[w->layer]->name, w->name)) return &tensors->items[i];
    return NULL;
}

/* Does the tensor of each weight exist under the weight's name? */
static void find_all_named(const hone__stored_tensors *tensors, const hone_model *model,
                           const hone__stored_tensor **found, bool *complete) {
    *complete = true;
    for (size_t i = 0; i < model->weight_count; i++) {
        found[i] = find_named(tensors, model, i);
        *complete &= found[i] != NULL;
    }
}

static hone_status find_in_order(const hone__stored_tensors *tensors, const hone_model *model,
                                 const hone__stored_tensor **found, hone_error *err) {
    size_t count = 0;
    for (size_t i = 0; i < tensors->count; i++) {
        if (tensors->items[i].type == HONE_STORED_OTHER) continue;
        if (count < model->weight_count) found[count] = &tensors->items[i];
        count++;
    }
    if (count == model->weight_count) return HONE_OK;
    HONE_FAIL(err, HONE_SHAPE, "the file holds %zu weights, the architecture has %zu", count, model->weight_count);
}

static hone_status check_weight(const hone__stored_tensor *tensor, const hone__weight *w, hone_error *err) {
    char found[128], wanted[128];
    if (!tensor) HONE_FAIL(err, HONE_SHAPE, "the file lacks its %s", w->name);
    if (tensor->type == HONE_STORED_OTHER)
        HONE_FAIL(err, HONE_SHAPE, "%s is '%.128s' in the file, which holds no floating-point numbers", w->name,
                  tensor->name);
    if (hone_shape_equal(&tensor->shape, &w->shape)) return HONE_OK;
    HONE_FAIL(err, HONE_SHAPE, "%s is %s in the file ('%.128s'), %s in the architecture", w->name,
              hone_shape_text(&tensor->shape, false, found, sizeof found), tensor->name,
              hone_shape_text(&w->shape, false, wanted, sizeof wanted));
}

/* All of a layer's weights or none. */
static hone_status read_layer(const hone_model *model, const hone__layer *layer, const hone__stored_tensor **found,
                              float *data, hone_error *err) {
    for (size_t i = layer->first_weight; i < layer->first_weight + layer->weight_count; i++)
        HONE_TRY(check_weight(found[i], &model->weights[i], err));
    for (size_t i = layer->first_weight; i < layer->first_weight + layer->weight_count; i++)
        for (size_t k = 0; k < model->weights[i].size; k++) data[model->weights[i].offset + k] = number_at(found[i], k);
    return HONE_OK;
}

static bool is_missing(const hone__layer *layer, const hone__stored_tensor **found) {
    for (size_t i = 0; i < layer->weight_count; i++)
        if (found[layer->first_weight + i]) return false;
    return true;
}

static hone_status read_layers(const hone_model *model, const hone__stored_tensor **found, hone__matching *matching,
                               float *data, hone_error *err) {
    for (size_t i = 0; i < model->layer_count; i++) {
        const hone__layer *layer = model->layers[i];
        hone_error why = {0};
        if (layer->weight_count == 0) continue;
        if (is_missing(layer, found)) {
            matching->missing++;
            continue;
        }
        hone_status status = read_layer(model, layer, found, data, &why);
        if (status == HONE_OK) {
            matching->loaded++;
        } else if (matching->skip_mismatch) {
            hone__log(HONE_LOG_WARNING, "layer '%s' keeps its weights: %s", layer->name, why.message);
            matching->skipped++;
        } else {
            HONE_FAIL(err, status, "layer '%.200s': %s", layer->name, why.message);
        }
    }
    return HONE_OK;
}

hone_status hone__stored_read_weights(const hone__stored_tensors *tensors, const hone_model *model,
                                      hone__matching *matching, float *data, hone_error *err) {
    bool complete;
    const hone__stored_tensor **found = hone__alloc(model->weight_count, sizeof *found);
    if (!found) return hone__fail_memory(err, model->weight_count * sizeof *found, "weights");
    find_all_named(tensors, model, found, &complete);
    hone_status status = HONE_OK;
    if (!matching->by_name && !complete) status = find_in_order(tensors, model, found, err);
    if (status == HONE_OK) status = read_layers(model, found, matching, data, err);
    hone__free(found);
    return status;
}
