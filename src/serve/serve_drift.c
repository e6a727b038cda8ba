/* SPDX-License-Identifier: Apache-2.0
 *
 * Drift: histograms of what came in and went out of late, against those of the validation part that training left in
 * the model (the record "statistics"). Late is the last one to two thousand samples: two windows, of which the older is
 * forgotten when the newer is full. The measure is the population stability index, the sum of (p - q) ln(p / q) over
 * bins; by custom below 0.1 is the same population and above 0.25 is another. */
#include "drift.h"

#include "core_internal.h"

#include <math.h>
#include <pthread.h>
#include <string.h>

enum { WINDOW = 1024, LEAST_SAMPLES = 100, PIXELS_LOOKED_AT = 64 };
static const double half = 0.5; /* added to each bin's count (Jeffreys): an empty one has no infinite say */

struct hone__drift {
    pthread_mutex_t lock;
    hone__drift_counts windows[2]; /* under lock: the older, the newer */
    size_t size, outputs;          /* of a row */
    size_t channels;
    bool has_reference, knows_pixels;
    double scale[HONE_MAX_CHANNELS], offset[HONE_MAX_CHANNELS]; /* input = scale * pixel + offset, pixel in 0 … 1 */
    double *reference[HONE_DRIFT_FEATURES];                     /* shares */
    double reference_samples;
};

/* ---- counting -------------------------------------------------------------------------------------------------- */

static const char *const names[HONE_DRIFT_FEATURES] = {"mean", "std", "pixel", "class", "confidence"};

const char *hone__drift_name(hone__drift_feature feature) {
    return names[feature];
}

static size_t bins_of(hone__drift_feature feature, size_t outputs) {
    return feature == HONE_DRIFT_CLASS ? (outputs < 2 ? 2 : outputs) : HONE_DRIFT_BINS;
}

static size_t bin(double value, double most) {
    double place = value / most * HONE_DRIFT_BINS;
    return place >= HONE_DRIFT_BINS ? HONE_DRIFT_BINS - 1 : place > 0 ? (size_t)place : 0;
}

hone_status hone__drift_counts_init(hone__drift_counts *c, size_t outputs, hone_error *err) {
    memset(c, 0, sizeof *c);
    for (int f = 0; f < HONE_DRIFT_FEATURES; f++) {
        c->bins[f] = bins_of((hone__drift_feature)f, outputs);
        c->counts[f] = hone__alloc(c->bins[f], sizeof *c->counts[f]);
        if (!c->counts[f]) {
            hone__drift_counts_release(c);
            return hone__fail_memory(err, c->bins[f] * sizeof *c->counts[f], "statistics");
        }
    }
    return HONE_OK;
}

void hone__drift_counts_release(hone__drift_counts *c) {
    for (int f = 0; f < HONE_DRIFT_FEATURES; f++) hone__free(c->counts[f]);
    memset(c, 0, sizeof *c);
}

/* What one picture says. */
typedef struct impression {
    double mean, variance; /* of pixels from 0 to 1 */
    size_t pixel_count;
    unsigned char pixels[PIXELS_LOOKED_AT]; /* the bins of a few */
} impression;

static void count_impression(hone__drift_counts *c, const impression *seen) {
    c->counts[HONE_DRIFT_MEAN][bin(seen->mean, 1)]++;
    c->counts[HONE_DRIFT_STD][bin(seen->variance > 0 ? sqrt(seen->variance) : 0, 0.5)]++; /* no std is larger */
    for (size_t i = 0; i < seen->pixel_count; i++) c->counts[HONE_DRIFT_PIXEL][seen->pixels[i]]++;
}

static void look_at_pixels(const unsigned char *pixels, size_t size, impression *out) {
    uint64_t sum = 0, squares = 0;
    for (size_t i = 0; i < size; i++) {
        sum += pixels[i];
        squares += (uint32_t)pixels[i] * pixels[i];
    }
    double mean = (double)sum / (double)size / 255;
    *out = (impression){.mean = mean, .variance = (double)squares / (double)size / (255.0 * 255.0) - mean * mean};
    size_t step = size / PIXELS_LOOKED_AT + 1;
    for (size_t i = step / 2; i < size; i += step)
        out->pixels[out->pixel_count++] = (unsigned char)(pixels[i] * HONE_DRIFT_BINS / 256);
}

void hone__drift_count_pixels(hone__drift_counts *c, const unsigned char *pixels, size_t size) {
    impression seen;
    look_at_pixels(pixels, size, &seen);
    count_impression(c, &seen);
}

void hone__drift_count_output(hone__drift_counts *c, const float *row, size_t outputs) {
    size_t best = 0;
    for (size_t k = 1; k < outputs; k++)
        if (row[k] > row[best]) best = k;
    double confidence = row[best];
    if (outputs == 1) {
        best = row[0] > 0.5f;
        confidence = best ? row[0] : 1 - row[0];
    }
    c->counts[HONE_DRIFT_CLASS][best]++;
    c->counts[HONE_DRIFT_CONFIDENCE][bin(confidence, 1)]++;
    c->samples++;
}

/* ---- the servable's -------------------------------------------------------------------------------------------- */

/* The record's shares; false where they are not what they should be. */
static bool read_reference(hone__drift *d, const hone_value *record) {
    if (!hone_value_as_real(hone_value_get(record, "samples"), &d->reference_samples) || d->reference_samples < 1)
        return false;
    for (int f = 0; f < HONE_DRIFT_FEATURES; f++) {
        const hone_value *list = hone_value_get(record, names[f]);
        size_t bins = bins_of((hone__drift_feature)f, d->outputs);
        if (hone_value_count(list) != bins) return false;
        for (size_t i = 0; i < bins; i++) {
            double *share = &d->reference[f][i];
            if (!hone_value_as_real(hone_value_at(list, i), share) || !(*share >= 0 && *share <= 1)) return false;
        }
    }
    return true;
}

/* How an input comes of a pixel, where that is a scale and an offset. */
static void read_preprocessing(hone__drift *d, const hone_model *model) {
    hone_preprocessing p = hone_model_preprocessing(model);
    hone_shape shape = hone_model_input_shape(model);
    d->channels = shape.rank == 3 && shape.dims[2] <= HONE_MAX_CHANNELS ? (size_t)shape.dims[2] : 1;
    d->knows_pixels = shape.rank == 3 && shape.dims[2] <= HONE_MAX_CHANNELS && hone_model_input_is_affine(model);
    for (size_t c = 0; c < d->channels; c++) {
        d->scale[c] = p.kind == HONE_INPUT_RAW ? 255 : p.kind == HONE_INPUT_SIGNED ? 2 : 1;
        d->offset[c] = p.kind == HONE_INPUT_SIGNED ? -1 : 0;
        if (p.kind != HONE_INPUT_STANDARD || !(p.std[c] > 0)) continue;
        d->scale[c] = 1 / (double)p.std[c];
        d->offset[c] = -(double)p.mean[c] / (double)p.std[c];
    }
}

hone_status hone__drift_create(hone__drift **out, const hone_model *model, hone_error *err) {
    *out = NULL;
    hone__drift *d = hone__alloc(1, sizeof *d);
    if (!d) return hone__fail_memory(err, sizeof *d, "statistics");
    pthread_mutex_init(&d->lock, NULL);
    d->size = (size_t)hone_model_input_size(model);
    d->outputs = (size_t)hone_model_output_size(model);
    hone_status status = hone__drift_counts_init(&d->windows[0], d->outputs, err);
    if (status == HONE_OK) status = hone__drift_counts_init(&d->windows[1], d->outputs, err);
    for (int f = 0; status == HONE_OK && f < HONE_DRIFT_FEATURES; f++) {
        size_t bins = bins_of((hone__drift_feature)f, d->outputs);
        d->reference[f] = hone__alloc(bins, sizeof *d->reference[f]);
        if (!d->reference[f]) status = hone__fail_memory(err, bins * sizeof *d->reference[f], "statistics");
    }
    if (status != HONE_OK) {
        hone__drift_free(d);
        return status;
    }
    d->has_reference = read_reference(d, hone_model_record(model, HONE_STATISTICS_RECORD));
    read_preprocessing(d, model);
    *out = d;
    return HONE_OK;
}

void hone__drift_free(hone__drift *d) {
    if (!d) return;
    for (int f = 0; f < HONE_DRIFT_FEATURES; f++) hone__free(d->reference[f]);
    hone__drift_counts_release(&d->windows[0]);
    hone__drift_counts_release(&d->windows[1]);
    pthread_mutex_destroy(&d->lock);
    hone__free(d);
}

/* The lock is held to count, not to look: threads that wait for it would be woken late. */
static void count_late(hone__drift *d, const impression *seen) {
    pthread_mutex_lock(&d->lock);
    count_impression(&d->windows[1], seen);
    pthread_mutex_unlock(&d->lock);
}

void hone__drift_pixels(hone__drift *d, const unsigned char *pixels, size_t n) {
    impression seen;
    if (!d->has_reference) return;
    for (size_t i = 0; i < n; i++) {
        look_at_pixels(pixels + i * d->size, d->size, &seen);
        count_late(d, &seen);
    }
}

/* Sums of every step-th element of a channel and of its squares; four at a time, for they need not wait for each other. */
static void sum_up(const unsigned char *at, size_t count, size_t stride, double *sum, double *squares) {
    enum { LANES = 4 };
    double s[LANES] = {0}, q[LANES] = {0};
    float x;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES, at += LANES * stride) {
        for (size_t k = 0; k < LANES; k++) {
            memcpy(&x, at + k * stride, sizeof x);
            s[k] += (double)x;
            q[k] += (double)x * (double)x;
        }
    }
    for (; i < count; i++, at += stride) {
        memcpy(&x, at, sizeof x);
        s[0] += (double)x;
        q[0] += (double)x * (double)x;
    }
    *sum = s[0] + s[1] + s[2] + s[3];
    *squares = q[0] + q[1] + q[2] + q[3];
}

/* A few hundred of its elements are enough for a mean. False: it has some that are no finite numbers. */
static bool look_at_inputs(const hone__drift *d, const unsigned char *row, impression *out) {
    enum { MOST_LOOKED_AT = 1024 };
    size_t pixels = d->size / d->channels, step = pixels / MOST_LOOKED_AT + 1, count = (pixels - 1) / step + 1;
    double mean = 0, square = 0;
    for (size_t c = 0; c < d->channels; c++) {
        double scale = d->scale[c], offset = d->offset[c], sum, squares;
        sum_up(row + c * sizeof(float), count, step * d->channels * sizeof(float), &sum, &squares);
        sum /= (double)count;
        squares /= (double)count;
        mean += (sum - offset) / scale;
        square += (squares - 2 * offset * sum + offset * offset) / (scale * scale);
    }
    mean /= (double)d->channels;
    square /= (double)d->channels;
    if (!isfinite(mean) || !isfinite(square)) return false;
    *out = (impression){.mean = mean, .variance = square - mean * mean};
    step = pixels * d->channels / PIXELS_LOOKED_AT + 1;
    for (size_t i = step / 2; i < d->size; i += step) {
        float x;
        size_t c = i % d->channels;
        memcpy(&x, row + i * sizeof x, sizeof x);
        out->pixels[out->pixel_count++] = (unsigned char)bin(((double)x - d->offset[c]) / d->scale[c], 1);
    }
    return true;
}

void hone__drift_inputs(hone__drift *d, const void *rows, size_t n) {
    impression seen;
    if (!d->has_reference || !d->knows_pixels) return;
    for (size_t i = 0; i < n; i++)
        if (look_at_inputs(d, (const unsigned char *)rows + i * d->size * sizeof(float), &seen)) count_late(d, &seen);
}

void hone__drift_outputs(hone__drift *d, const float *outputs, size_t row, size_t n) {
    if (!d->has_reference) return;
    pthread_mutex_lock(&d->lock);
    for (size_t i = 0; i < n; i++) hone__drift_count_output(&d->windows[1], outputs + i * row, d->outputs);
    if (d->windows[1].samples >= WINDOW) {
        hone__drift_counts older = d->windows[0];
        d->windows[0] = d->windows[1];
        for (int f = 0; f < HONE_DRIFT_FEATURES; f++)
            memset(older.counts[f], 0, older.bins[f] * sizeof *older.counts[f]);
        older.samples = 0;
        d->windows[1] = older;
    }
    pthread_mutex_unlock(&d->lock);
}

bool hone__drift_has_reference(const hone__drift *d) {
    return d->has_reference;
}

double hone__drift_psi(hone__drift *d, hone__drift_feature feature) {
    if (!d->has_reference) return NAN;
    size_t bins = bins_of(feature, d->outputs);
    double total = 0, psi = 0, reference_total = 0;
    pthread_mutex_lock(&d->lock);
    const uint64_t *older = d->windows[0].counts[feature], *newer = d->windows[1].counts[feature];
    for (size_t i = 0; i < bins; i++) {
        total += (double)(older[i] + newer[i]);
        reference_total += d->reference[feature][i];
    }
    /* Of single pixels the reference saw as many times more as here. */
    double weight = reference_total > 0 ? d->reference_samples / reference_total : 0;
    for (size_t i = 0; i < bins; i++) {
        double p = ((double)(older[i] + newer[i]) + half) / (total + half * (double)bins);
        double q = (d->reference[feature][i] * weight + half) / (d->reference_samples + half * (double)bins);
        psi += (p - q) * log(p / q);
    }
    pthread_mutex_unlock(&d->lock);
    return total < LEAST_SAMPLES ? NAN : psi;
}
