/* SPDX-License-Identifier: Apache-2.0
 *
 * Features of any model as vectors of at most HONE__MOST_FEATURES numbers. */
#include "anomaly_internal.h"

#include "rng.h"

#include <math.h>
#include <string.h>

/* Always the same: what was stored is compared with what is read today. */
static hone_status draw_targets(hone__feature_reader *r, hone_error *err) {
    size_t count;
    if (!hone__multiply(r->values, HONE__TARGETS, &count))
        HONE_FAIL(err, HONE_LIMIT, "%zu features are too many", r->values);
    r->targets = hone__alloc(count, sizeof *r->targets);
    if (!r->targets) return hone__fail_memory(err, count * sizeof *r->targets, "a projection");
    hone__rng rng;
    hone__rng_init(&rng, 0, HONE_STREAM_PROJECTION, 0);
    for (size_t i = 0; i < count; i++) {
        uint32_t drawn = hone__rng_u32(&rng);
        r->targets[i] = (uint16_t)(drawn % HONE__MOST_FEATURES | (drawn >> 16 & 0x8000));
    }
    return HONE_OK;
}

hone_status hone__feature_reader_init_values(hone__feature_reader *r, size_t values, hone_error *err) {
    *r = (hone__feature_reader){.raw = values, .places = 1, .values = values, .size = values};
    if (values <= HONE__MOST_FEATURES) return HONE_OK;
    r->size = HONE__MOST_FEATURES;
    return draw_targets(r, err);
}

hone_status hone__feature_reader_init(hone__feature_reader *r, const hone_model *model, hone_error *err) {
    size_t layer = 0;
    hone_layer_info info;
    *r = (hone__feature_reader){0};
    HONE_TRY(hone_model_feature_layer(model, &layer, err));
    HONE_TRY(hone_model_layer_info(model, layer, &info));
    int64_t raw = hone_shape_size(&info.output);
    if (raw < 1) HONE_FAIL(err, HONE_SHAPE, "layer '%.128s' gives no features", info.name);
    HONE_TRY(hone__feature_reader_init_values(r, (size_t)info.output.dims[info.output.rank - 1], err));
    r->raw = (size_t)raw;
    r->places = r->raw / r->values;
    return HONE_OK;
}

void hone__feature_reader_release(hone__feature_reader *r) {
    hone__free(r->targets);
    *r = (hone__feature_reader){0};
}

static float value_at(const hone__feature_reader *r, const float *features, size_t index) {
    if (r->places == 1) return features[index];
    double sum = 0;
    for (size_t place = 0; place < r->places; place++) sum += (double)features[place * r->values + index];
    return (float)(sum / (double)r->places);
}

void hone__feature_reader_read(const hone__feature_reader *r, const float *features, float *out) {
    if (!r->targets) {
        for (size_t i = 0; i < r->size; i++) out[i] = value_at(r, features, i);
        return;
    }
    memset(out, 0, r->size * sizeof *out);
    for (size_t i = 0; i < r->values; i++) {
        float value = value_at(r, features, i) * 0.5f; /* 1 / sqrt(HONE__TARGETS) */
        const uint16_t *targets = r->targets + i * HONE__TARGETS;
        for (int k = 0; k < HONE__TARGETS; k++) out[targets[k] & 0x7fff] += targets[k] & 0x8000 ? -value : value;
    }
}

void hone__normalize_direction(float *vector, size_t size) {
    double square = 0;
    for (size_t i = 0; i < size; i++) square += (double)vector[i] * (double)vector[i];
    double scale = square > 0 ? 1 / sqrt(square) : 0;
    for (size_t i = 0; i < size; i++) vector[i] = (float)(vector[i] * scale);
}

void hone__round_directions(const float *directions, size_t count, size_t size, int8_t *out) {
    float most = 0;
    for (size_t i = 0; i < count * size; i++) most = fmaxf(most, fabsf(directions[i]));
    for (size_t i = 0; i < count * size; i++) out[i] = (int8_t)(most > 0 ? lrintf(directions[i] / most * 127) : 0);
}

void hone__rounded_lengths(const int8_t *directions, size_t count, size_t size, float *lengths) {
    for (size_t i = 0; i < count; i++) {
        double square = 0;
        for (size_t k = 0; k < size; k++) square += (double)directions[i * size + k] * (double)directions[i * size + k];
        lengths[i] = square > 0 ? (float)sqrt(square) : 1;
    }
}
