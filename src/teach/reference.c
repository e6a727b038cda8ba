/* SPDX-License-Identifier: Apache-2.0
 *
 * The reference: what the network's features look like for pictures it was not trained on.
 *
 * Two things are learnt from it. Features behind a ReLU all point into one corner of their space, so cosines are taken
 * around the reference's mean. And how near is near: no example reaches further than what a share REACH of the cosines
 * between pictures of two classes stay below. Rows are kept as a byte per number, since only their direction counts. */
#include <hone/evaluate.h>

#include "teach_internal.h"

#include "hex.h"

#include <math.h>
#include <string.h>

enum {
    MOST_ROWS = 512,
    FEWEST_ROWS = 64,
    FREE_BYTES = 1 << 16, /* rows may take so much, whatever the size of the model */
    BATCH = 64
};
static const double SHARE_OF_MODEL = 0.05; /* … or this part of its weights' bytes */
static const double REACH = 0.99;          /* quantile of the cosines of pictures of different classes */
static const float REACH_UNKNOWN = 0.95f;  /* of models without a reference, where the mean is not known either */

/* ---- numbers ------------------------------------------------------------------------------------------------------ */

uint64_t hone__weights_fingerprint(const hone_model *model) {
    uint64_t hash = 14695981039346656037u; /* FNV-1a, a word at a time */
    for (size_t i = 0; i < hone_model_weight_count(model); i++) {
        hone_weight_info w;
        if (hone_model_weight(model, i, &w) != HONE_OK) continue; /* not for an index in range */
        for (int64_t k = 0; k < hone_shape_size(&w.shape); k++) {
            uint32_t bits;
            memcpy(&bits, &w.data[k], sizeof bits);
            hash = (hash ^ bits) * 1099511628211u;
        }
    }
    return hash;
}

size_t hone__network_classes(const hone_model *model) {
    int64_t outputs = hone_model_output_size(model);
    return outputs == 1 ? 2 : (size_t)outputs;
}

float hone__cosine(const float *a, const float *b, size_t stride) {
    float sums[HONE__LANES] = {0}, sum = 0;
    for (size_t k = 0; k < stride; k += HONE__LANES)
        for (size_t j = 0; j < HONE__LANES; j++) sums[j] += a[k + j] * b[k + j];
    for (size_t j = 0; j < HONE__LANES; j++) sum += sums[j];
    return sum;
}

static void normalize(float *row, size_t size) {
    double squares = 0;
    for (size_t k = 0; k < size; k++) squares += (double)row[k] * (double)row[k];
    double scale = squares > 0 && isfinite(squares) ? 1 / sqrt(squares) : 0;
    for (size_t k = 0; k < size; k++) row[k] = scale > 0 ? (float)(row[k] * scale) : 0;
}

void hone__reference_unit(const hone__reference *r, const float *feature, float *unit) {
    for (size_t k = 0; k < r->size; k++) unit[k] = feature[k] - r->mean[k];
    normalize(unit, r->size);
}

/* ---- in memory ---------------------------------------------------------------------------------------------------- */

hone__reference *hone__reference_hold(hone__reference *r) {
    atomic_fetch_add(&r->owners, 1);
    return r;
}

void hone__reference_free(hone__reference *r) {
    if (!r || atomic_fetch_sub(&r->owners, 1) > 1) return;
    hone__free(r->mean);
    hone__free(r->rows);
    hone__free(r->labels);
    hone__free(r);
}

static hone_status create(hone__reference **out, size_t size, size_t count, hone_error *err) {
    size_t stride = (size + HONE__LANES - 1) / HONE__LANES * HONE__LANES, floats = 0;
    *out = NULL;
    hone__reference *r = hone__multiply(stride, count, &floats) ? hone__alloc(1, sizeof *r) : NULL;
    if (!r) return hone__fail_memory(err, sizeof *r, "a reference");
    atomic_init(&r->owners, 1);
    r->size = size;
    r->stride = stride;
    r->count = count;
    r->reach = REACH_UNKNOWN;
    r->mean = hone__alloc(stride, sizeof *r->mean);
    r->rows = hone__alloc(floats, sizeof *r->rows);
    r->labels = hone__alloc(count, sizeof *r->labels);
    if (!r->mean || !r->rows || !r->labels) {
        hone__reference_free(r);
        return hone__fail_memory(err, floats * sizeof(float), "a reference");
    }
    *out = r;
    return HONE_OK;
}

/* ---- fitting ------------------------------------------------------------------------------------------------------ */

/* How many rows the model's file has room for. */
static size_t row_limit(const hone_model *model, size_t size) {
    double bytes = 0;
    for (size_t i = 0; i < hone_model_weight_count(model); i++) {
        hone_weight_info w;
        if (hone_model_weight(model, i, &w) == HONE_OK) bytes += (double)hone_shape_size(&w.shape) * sizeof(float);
    }
    double rows = fmax(FREE_BYTES, SHARE_OF_MODEL * bytes) / (double)size;
    return rows < FEWEST_ROWS ? FEWEST_ROWS : rows > MOST_ROWS ? MOST_ROWS : (size_t)rows;
}

/* The first samples of each class, as many of each as of any other while there are some. */
static hone_status choose(uint32_t *chosen, size_t *count, const hone_dataset *data, const uint32_t *indices,
                          size_t samples, size_t classes, hone_error *err) {
    size_t most = *count;
    const int32_t *labels = hone_dataset_labels(data);
    size_t *taken = hone__alloc(classes, sizeof *taken);
    bool *is_chosen = hone__alloc(samples, sizeof *is_chosen);
    *count = 0;
    if (taken && is_chosen) {
        for (size_t share = 1, before = 1; *count < most && before != *count; share++) {
            before = *count;
            for (size_t i = 0; i < samples && *count < most; i++) {
                uint32_t sample = indices ? indices[i] : (uint32_t)i;
                int32_t label = labels[sample];
                if (is_chosen[i] || label < 0 || (size_t)label >= classes || taken[label] >= share) continue;
                is_chosen[i] = true;
                taken[label]++;
                chosen[(*count)++] = sample;
            }
        }
    }
    hone_status status = taken && is_chosen ? HONE_OK : hone__fail_memory(err, samples, "choosing a reference");
    hone__free(taken);
    hone__free(is_chosen);
    return status;
}

static hone_status fetch_features(float *features, const hone_model *model, const hone_dataset *data,
                                  const uint32_t *chosen, size_t count, hone_threads *threads, hone_error *err) {
    hone_taught *taught;
    HONE_TRY(hone_taught_create(&taught, model, BATCH, threads, err));
    hone_status status = hone_plan_predict_dataset(hone__taught_plan(taught), data, chosen, count, features, err);
    hone_taught_free(taught);
    return status;
}

/* The cosine that a share REACH of the pairs of different classes do not exceed, by a histogram. */
static float find_reach(const hone__reference *r) {
    enum { BINS = 2000 };
    size_t bins[BINS] = {0}, pairs = 0, seen = 0;
    for (size_t i = 0; i < r->count; i++) {
        for (size_t k = i + 1; k < r->count; k++) {
            if (r->labels[i] == r->labels[k]) continue;
            float cosine = hone__cosine(r->rows + i * r->stride, r->rows + k * r->stride, r->stride);
            double place = (1 + (double)cosine) / 2 * BINS;
            bins[place < 0 ? 0 : place >= BINS ? BINS - 1 : (size_t)place]++;
            pairs++;
        }
    }
    if (pairs == 0) return REACH_UNKNOWN;
    size_t bin = 0;
    while (bin + 1 < BINS && (double)(seen += bins[bin]) < REACH * (double)pairs) bin++;
    return (float)(2.0 * (double)(bin + 1) / BINS - 1);
}

/* What stays of a row in a byte per number. */
static void quantize(int8_t *bytes, const float *row, size_t size) {
    float most = 0;
    for (size_t k = 0; k < size; k++) most = fmaxf(most, fabsf(row[k]));
    for (size_t k = 0; k < size; k++) bytes[k] = (int8_t)(most > 0 ? lrintf(127 * row[k] / most) : 0);
}

static void fill_rows(hone__reference *r, const float *features, const hone_dataset *data, const uint32_t *chosen) {
    for (size_t k = 0; k < r->size; k++) {
        double sum = 0;
        for (size_t i = 0; i < r->count; i++) sum += (double)features[i * r->size + k];
        r->mean[k] = (float)(sum / (double)r->count);
    }
    for (size_t i = 0; i < r->count; i++) {
        r->labels[i] = hone_dataset_labels(data)[chosen[i]];
        hone__reference_unit(r, features + i * r->size, r->rows + i * r->stride);
    }
    r->reach = find_reach(r);
}

static hone_status store(const hone__reference *r, hone_model *model, hone_error *err) {
    size_t bytes;
    int8_t *rows = hone__multiply(r->count, r->size, &bytes) ? hone__alloc(bytes, 1) : NULL;
    if (!rows) return hone__fail_memory(err, r->count * r->size, "a reference");
    for (size_t i = 0; i < r->count; i++) quantize(rows + i * r->size, r->rows + i * r->stride, r->size);
    hone_value *record = hone_value_object(), *labels = hone_value_list();
    hone__record_begin(record, hone__weights_fingerprint(model), r->size);
    for (size_t i = 0; i < r->count; i++) hone_value_append(labels, hone_value_integer(r->labels[i]));
    hone_value_set_real(record, "reach", r->reach);
    hone_value_set(record, "mean", hone__floats_value(r->mean, r->size));
    hone_value_set(record, "labels", labels);
    hone_value_set(record, "rows", hone__hex_value(rows, bytes));
    hone__free(rows);
    if (!hone_value_failed(record)) return hone_model_set_record(model, HONE_REFERENCE_RECORD, record, err);
    hone_value_free(record);
    return hone__fail_memory(err, bytes, "a reference");
}

static hone_status fit(hone_model *model, const hone_dataset *data, uint32_t *chosen, size_t count, size_t size,
                       hone_threads *threads, hone_error *err) {
    hone__reference *r;
    size_t floats;
    float *features = hone__multiply(count, size, &floats) ? hone__alloc(floats, sizeof *features) : NULL;
    if (!features) return hone__fail_memory(err, count * size * sizeof(float), "features");
    hone_status status = create(&r, size, count, err);
    if (status == HONE_OK) status = fetch_features(features, model, data, chosen, count, threads, err);
    if (status == HONE_OK) fill_rows(r, features, data, chosen);
    if (status == HONE_OK) status = store(r, model, err);
    hone__free(features);
    hone__reference_free(r);
    return status;
}

hone_status hone_model_fit_reference(hone_model *model, const hone_dataset *data, const uint32_t *indices, size_t count,
                                     hone_threads *threads, hone_error *err) {
    size_t size, samples = indices ? count : hone_dataset_samples(data);
    HONE_TRY(hone__feature_size(model, &size, err));
    hone_shape input = hone_model_input_shape(model);
    if (input.rank != 3 || input.dims[0] != hone_dataset_height(data) || input.dims[1] != hone_dataset_width(data) ||
        input.dims[2] != hone_dataset_channels(data))
        HONE_FAIL(err, HONE_SHAPE, "the pictures of the reference are not of the model's size");
    size_t rows = row_limit(model, size);
    uint32_t *chosen = hone__alloc(rows, sizeof *chosen);
    if (!chosen) return hone__fail_memory(err, rows * sizeof *chosen, "choosing a reference");
    hone_status status = choose(chosen, &rows, data, indices, samples, hone__network_classes(model), err);
    if (status == HONE_OK && rows == 0)
        status = hone__fail(err, HONE_ARGUMENT, "there is no labelled picture of the model's classes to refer to");
    if (status == HONE_OK) status = fit(model, data, chosen, rows, size, threads, err);
    hone__free(chosen);
    return status;
}

/* ---- reading ------------------------------------------------------------------------------------------------------ */

bool hone_model_has_reference(const hone_model *model) {
    return hone_value_kind_of(hone_model_record(model, HONE_REFERENCE_RECORD)) == HONE_VALUE_OBJECT;
}

static hone_status read_rows(hone__reference *r, const hone_value *record, size_t classes, hone_error *err) {
    size_t bytes;
    double reach;
    int8_t *rows = hone__multiply(r->count, r->size, &bytes) ? hone__alloc(bytes, 1) : NULL;
    if (!rows) return hone__fail_memory(err, r->count * r->size, "a reference");
    bool is_fine = hone__hex_read(hone_value_get(record, "rows"), rows, bytes) &&
                   hone__floats_read(hone_value_get(record, "mean"), r->mean, r->size) &&
                   hone_value_as_real(hone_value_get(record, "reach"), &reach) && reach >= -1 && reach <= 1;
    for (size_t i = 0; is_fine && i < r->count; i++) {
        int64_t label;
        is_fine = hone_value_as_integer(hone_value_at(hone_value_get(record, "labels"), i), &label) && label >= 0 &&
                  (uint64_t)label < classes;
        if (!is_fine) break;
        r->labels[i] = (int32_t)label;
        for (size_t k = 0; k < r->size; k++) r->rows[i * r->stride + k] = rows[i * r->size + k];
        normalize(r->rows + i * r->stride, r->size);
    }
    if (is_fine) r->reach = (float)reach;
    hone__free(rows);
    if (is_fine) return HONE_OK;
    HONE_FAIL(err, HONE_FORMAT, "the model's reference is malformed: fit it anew");
}

hone_status hone__reference_open(hone__reference **out, const hone_model *model, size_t size, hone_error *err) {
    const hone_value *record = hone_model_record(model, HONE_REFERENCE_RECORD);
    bool is_same = false;
    *out = NULL;
    if (hone_model_has_reference(model))
        HONE_TRY(
            hone__record_check(record, HONE_REFERENCE_RECORD, hone__weights_fingerprint(model), size, &is_same, err));
    size_t count = is_same ? hone_value_count(hone_value_get(record, "labels")) : 0;
    if (count > MOST_ROWS) HONE_FAIL(err, HONE_LIMIT, "the model's reference has %zu pictures", count);
    hone__reference *r;
    HONE_TRY(create(&r, size, count, err));
    hone_status status = is_same ? read_rows(r, record, hone__network_classes(model), err) : HONE_OK;
    if (status != HONE_OK) {
        hone__reference_free(r);
        return status;
    }
    *out = r;
    return HONE_OK;
}

/* A record that is taken away is null: setters know no removing. */
static hone_status take_away(hone_model *model, const char *key, hone_error *err) {
    if (hone_value_kind_of(hone_model_record(model, key)) == HONE_VALUE_NULL) return HONE_OK;
    return hone_model_set_record(model, key, hone_value_null(), err);
}

hone_status hone_model_forget_lessons(hone_model *model, hone_error *err) {
    HONE_TRY(take_away(model, HONE_REFERENCE_RECORD, err));
    return take_away(model, HONE_LESSONS_RECORD, err);
}
