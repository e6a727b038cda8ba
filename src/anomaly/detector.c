/* SPDX-License-Identifier: Apache-2.0
 *
 * Models of what is normal: learning, asking, and the record in the model's file. The threshold is a quantile of the
 * scores of normal pictures that were not learnt. */
#include "detector.h"

#include "anomaly_maps.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { LEAST_HELD_BACK = 5, LEAST_SIDE = 4 };

/* An autoencoder's score is the mean over this share of the places, the worst ones: a small flaw is not lost in a large
 * picture, a single odd pixel does not decide. */
static const double WORST_SHARE = 0.1;
/* Of normal pictures, in the map's scale: the strangest few would make all others pale. */
static const double MAP_QUANTILE = 0.98;

static const char *const words[] = {[HONE_ANOMALY_AUTOENCODER] = "autoencoder", [HONE_ANOMALY_MEMORY] = "memory"};

const char *hone_anomaly_method_word(hone_anomaly_method method) {
    return words[method];
}

hone_status hone_anomaly_method_parse(hone_anomaly_method *out, const char *word, hone_error *err) {
    for (int i = 0; i < 2; i++) {
        if (strcmp(word, words[i]) != 0) continue;
        *out = (hone_anomaly_method)i;
        return HONE_OK;
    }
    HONE_FAIL(err, HONE_ARGUMENT, "no method is called '%.40s': autoencoder or memory", word);
}

hone_anomaly_config hone_anomaly_config_default(hone_anomaly_method method) {
    return (hone_anomaly_config){
        .method = method, .epochs = 10, .batch_size = 32, .learning_rate = 1e-3, .memory = 1000, .tpr = 0.95};
}

hone_status hone__anomaly_ask(const hone_anomaly_config *config, hone_error *err) {
    if (!config->keep_going || config->keep_going(config->context)) return HONE_OK;
    HONE_FAIL(err, HONE_CANCELLED, "stopped while a memory was made");
}

/* ---- init and release -------------------------------------------------------------------------------------------- */

static void detector_release(hone_detector *d) {
    hone_plan_free(d->plan);
    hone__feature_reader_release(&d->reader);
    hone__free(d->row);
    hone__free(d->places);
    hone__free(d->bank);
    hone__free(d->around);
    hone__free(d->vectors);
    hone__free(d->coarse);
    *d = (hone_detector){0};
}

void hone_detector_free(hone_detector *detector) {
    if (!detector) return;
    detector_release(detector);
    hone__free(detector);
}

static hone_status init_memory(hone_detector *d, hone_error *err) {
    hone_layer_info info;
    HONE_TRY(hone_model_layer_info(d->model, d->layer, &info));
    if (info.output.rank != 3 || hone_shape_size(&info.output) < 1)
        HONE_FAIL(err, HONE_UNSUPPORTED, "layer '%.128s' has no maps", info.name);
    d->map_height = (size_t)info.output.dims[0];
    d->map_width = (size_t)info.output.dims[1];
    d->map_values = (size_t)info.output.dims[2];
    d->first = (size_t)hone_model_output_size(d->model);
    HONE_TRY(hone__feature_reader_init_values(&d->reader, d->map_values, err));
    size_t places = d->map_height * d->map_width;
    d->around = hone__alloc(d->map_values, sizeof *d->around);
    d->vectors = hone__alloc(places, d->reader.size * sizeof *d->vectors);
    d->coarse = hone__alloc(places, sizeof *d->coarse);
    return d->around && d->vectors && d->coarse
               ? HONE_OK
               : hone__fail_memory(err, places * d->reader.size * sizeof(float), "a memory");
}

/* Everything but threshold, scale and bank. layer: of the memory. */
static hone_status detector_init(hone_detector *d, hone_model *model, hone_anomaly_method method, size_t layer,
                                 hone_threads *threads, hone_error *err) {
    hone_shape input = hone_model_input_shape(model), output = hone_model_output_shape(model);
    *d = (hone_detector){.model = model, .method = method, .layer = layer};
    if (!hone_model_is_built(model))
        HONE_FAIL(err, HONE_ARGUMENT, "model '%.128s' is not built", hone_model_name(model));
    if (hone_model_input_count(model) != 1 || input.rank != 3)
        HONE_FAIL(err, HONE_UNSUPPORTED, "model '%.128s' takes no pictures", hone_model_name(model));
    if (method == HONE_ANOMALY_AUTOENCODER &&
        (hone_model_output_count(model) != 1 || !hone_shape_equal(&input, &output)))
        HONE_FAIL(err, HONE_SHAPE, "model '%.128s' is no autoencoder: it does not give back what it takes",
                  hone_model_name(model));
    d->height = (size_t)input.dims[0];
    d->width = (size_t)input.dims[1];
    d->channels = (size_t)input.dims[2];
    if (method == HONE_ANOMALY_MEMORY) HONE_TRY(init_memory(d, err));
    hone_plan_config config = hone_plan_config_default();
    config.max_batch = 1;
    config.threads = threads;
    config.layers = &layer;
    config.layer_count = method == HONE_ANOMALY_MEMORY ? 1 : 0;
    HONE_TRY(hone_plan_create(&d->plan, model, &config, err));
    size_t row = hone_plan_row_size(d->plan), places = d->height * d->width;
    d->row = hone__alloc(row, sizeof *d->row);
    d->places = hone__alloc(places, 3 * sizeof *d->places);
    return d->row && d->places ? HONE_OK : hone__fail_memory(err, (row + 3 * places) * sizeof(float), "a detector");
}

/* ---- scores ------------------------------------------------------------------------------------------------------ */

static int descending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x < y) - (x > y);
}

/* The smoothed error of every place, and the mean of the worst. */
static double score_autoencoder(hone_detector *d, const unsigned char *pixels, float *map) {
    size_t places = d->height * d->width, c = d->channels;
    float *errors = d->places, *smooth = errors + places, *sorted = smooth + places;
    hone_plan_predict_pixels(d->plan, pixels, 1, d->row);
    for (size_t i = 0; i < places; i++) {
        float sum = 0;
        for (size_t k = 0; k < c; k++) {
            float difference = d->row[i * c + k] - (float)pixels[i * c + k] / 255;
            sum += difference * difference;
        }
        errors[i] = sum / (float)c;
    }
    hone__map_smooth(errors, d->height, d->width, smooth);
    if (map) memcpy(map, smooth, places * sizeof *map);
    memcpy(sorted, smooth, places * sizeof *sorted);
    qsort(sorted, places, sizeof *sorted, descending);
    size_t worst = (size_t)ceil(WORST_SHARE * (double)places);
    double sum = 0;
    for (size_t i = 0; i < worst; i++) sum += (double)sorted[i];
    return sum / (double)worst;
}

/* How far every place is from the nearest one kept, and the furthest of them. */
static double score_memory(hone_detector *d, const unsigned char *pixels, float *map) {
    size_t places = d->map_height * d->map_width, size = d->reader.size;
    double worst = 0;
    hone__memory_vectors(d, pixels);
    for (size_t i = 0; i < places; i++) {
        const float *vector = d->vectors + i * size;
        float nearest = INFINITY;
        for (size_t b = 0; b < d->bank_count; b++) {
            const float *kept = d->bank + b * size;
            float sum = 0;
            for (size_t k = 0; k < size; k++) sum += (vector[k] - kept[k]) * (vector[k] - kept[k]);
            if (sum < nearest) nearest = sum;
        }
        d->coarse[i] = sqrtf(nearest);
        worst = fmax(worst, (double)d->coarse[i]);
    }
    if (map) hone__map_enlarge(d->coarse, d->map_height, d->map_width, map, d->height, d->width);
    return worst;
}

/* A score, and the map it was taken from (not scaled), which may be NULL. */
static double detector_score(hone_detector *d, const unsigned char *pixels, float *map) {
    return d->method == HONE_ANOMALY_MEMORY ? score_memory(d, pixels, map) : score_autoencoder(d, pixels, map);
}

hone_anomaly_method hone_detector_method(const hone_detector *detector) {
    return detector->method;
}

double hone_detector_threshold(const hone_detector *detector) {
    return detector->threshold;
}

hone_verdict hone_detector_judge(hone_detector *d, const unsigned char *pixels, float *map) {
    double score = detector_score(d, pixels, map);
    for (size_t i = 0; map && i < d->height * d->width; i++) {
        double share = (double)map[i] / d->map_scale;
        /* Distances to a memory are never near 0: their fourth power is what the eye can tell apart. */
        if (d->method == HONE_ANOMALY_MEMORY) share *= share * share * share;
        map[i] = (float)fmin(share / 2, 1);
    }
    return (hone_verdict){.unknown = !(score <= d->threshold), .score = score, .threshold = d->threshold};
}

/* ---- learning ---------------------------------------------------------------------------------------------------- */

static float largest(const float *map, size_t count) {
    float most = 0;
    for (size_t i = 0; i < count; i++) most = fmaxf(most, map[i]);
    return most;
}

/* The value that the share at of numbers, sorted downwards, does not exceed. */
static double quantile(const float *sorted, size_t count, double at) {
    size_t above = (size_t)floor((1 - at) * (double)count + 1e-9);
    return (double)sorted[above < count ? above : count - 1];
}

/* Threshold and scale, from pictures that were not learnt. */
static hone_status set_threshold(hone_detector *d, const hone_dataset *data, const hone_split *split, double tpr,
                                 hone_error *err) {
    size_t count = split->validation_count, places = d->height * d->width;
    float *scores = hone__alloc(count, sizeof *scores), *peaks = hone__alloc(count, sizeof *peaks);
    float *map = hone__alloc(places, sizeof *map);
    unsigned char *pixels = hone__alloc(places, d->channels);
    hone_status status =
        scores && peaks && map && pixels ? HONE_OK : hone__fail_memory(err, count * sizeof *scores, "scores");
    for (size_t i = 0; status == HONE_OK && i < count; i++) {
        status = hone_dataset_fetch(data, split->validation[i], pixels, err);
        if (status != HONE_OK) break;
        scores[i] = (float)detector_score(d, pixels, map);
        peaks[i] = largest(map, places);
        if (!isfinite(scores[i])) status = hone__fail(err, HONE_NUMERIC, "the score of a picture is no number");
    }
    if (status == HONE_OK) {
        qsort(scores, count, sizeof *scores, descending);
        qsort(peaks, count, sizeof *peaks, descending);
        d->tpr = tpr;
        d->threshold = quantile(scores, count, tpr);
        d->map_scale = fmax(quantile(peaks, count, MAP_QUANTILE), 1e-12);
    }
    hone__free(scores);
    hone__free(peaks);
    hone__free(map);
    hone__free(pixels);
    return status;
}

static hone_status store(hone_detector *d, const hone_anomaly_report *report, const hone_value *bank, hone_error *err) {
    hone_value *record = hone_value_object();
    hone_layer_info info;
    hone_value_set_integer(record, "version", 1);
    hone_value_set_string(record, "method", hone_anomaly_method_word(d->method));
    hone_value_set_real(record, "threshold", d->threshold);
    hone_value_set_real(record, "tpr", d->tpr);
    hone_value_set_real(record, "map_scale", d->map_scale);
    hone_value_set_integer(record, "held_back", (int64_t)report->held_back);
    if (bank && hone_model_layer_info(d->model, d->layer, &info) == HONE_OK) {
        hone_value_set_string(record, "layer", info.name);
        hone_value_set(record, "memory", hone_value_copy(bank));
    }
    if (hone_value_failed(record)) {
        hone_value_free(record);
        return hone__fail_memory(err, 0, "the record of an anomaly model");
    }
    return hone_model_set_record(d->model, HONE__ANOMALY_RECORD, record, err);
}

static hone_status fill_memory(hone_detector *d, const hone_dataset *data, const hone_split *split,
                               const hone_anomaly_config *config, hone_value **bank, hone_error *err) {
    HONE_TRY(hone__memory_fill(d, data, split->train, split->train_count, config, err));
    size_t count = d->bank_count * d->reader.size;
    int8_t *rounded = hone__alloc(count, 1);
    if (!rounded) return hone__fail_memory(err, count, "a memory");
    double scale;
    hone__memory_round(d, rounded, &scale);
    *bank = hone_value_object();
    hone_value_set_integer(*bank, "count", (int64_t)d->bank_count);
    hone_value_set_integer(*bank, "values", (int64_t)d->map_values);
    hone_value_set_real(*bank, "scale", scale);
    hone_value_set(*bank, "places", hone__pack_bytes(rounded, count));
    hone__free(rounded);
    return hone_value_failed(*bank) ? hone__fail_memory(err, count, "a memory") : HONE_OK;
}

static hone_status check(const hone_model *model, const hone_dataset *data, const hone_split *split,
                         const hone_anomaly_config *c, hone_error *err) {
    hone_shape input = hone_model_input_shape(model);
    if (input.rank != 3 || input.dims[0] != hone_dataset_height(data) || input.dims[1] != hone_dataset_width(data) ||
        input.dims[2] != hone_dataset_channels(data))
        HONE_FAIL(err, HONE_SHAPE, "the pictures are %dx%dx%d, which is not what the model takes",
                  hone_dataset_height(data), hone_dataset_width(data), hone_dataset_channels(data));
    if (input.dims[0] < LEAST_SIDE || input.dims[1] < LEAST_SIDE)
        HONE_FAIL(err, HONE_SHAPE, "pictures of %dx%d pixels are too small", hone_dataset_height(data),
                  hone_dataset_width(data));
    if (split->train_count == 0 || split->validation_count < LEAST_HELD_BACK)
        HONE_FAIL(err, HONE_ARGUMENT,
                  "%zu normal pictures to learn and %zu held back for the threshold: at least 1 and %d",
                  split->train_count, split->validation_count, LEAST_HELD_BACK);
    if (!(c->tpr > 0 && c->tpr < 1)) HONE_FAIL(err, HONE_ARGUMENT, "tpr is %g, expected above 0 and below 1", c->tpr);
    if (c->epochs < 1 || c->batch_size < 1 || !(c->learning_rate > 0) || c->memory < 1 || c->memory > HONE__MOST_MEMORY)
        HONE_FAIL(err, HONE_ARGUMENT,
                  "%d epochs in batches of %zu at rate %g, a memory of %zu places: not all of that "
                  "can be",
                  c->epochs, c->batch_size, c->learning_rate, c->memory);
    return HONE_OK;
}

hone_status hone_anomaly_train(hone_model *model, const hone_dataset *data, const hone_split *split,
                               const hone_anomaly_config *config, hone_anomaly_report *report, hone_error *err) {
    hone_anomaly_report found = {.held_back = split->validation_count, .tpr = config->tpr};
    hone_detector d = {0};
    hone_value *bank = NULL;
    size_t layer = 0;
    HONE_TRY(check(model, data, split, config, err));
    bool remembers = config->method == HONE_ANOMALY_MEMORY;
    if (remembers) HONE_TRY(hone__memory_layer(model, config->layer, &layer, err));
    hone_status status = detector_init(&d, model, config->method, layer, config->threads, err);
    if (status == HONE_OK && !remembers) {
        status = hone__autoencoder_train(model, data, split->train, split->train_count, config, &found.loss,
                                         &found.epochs, err);
        if (status == HONE_OK) hone_plan_refresh(d.plan);
    }
    if (status == HONE_OK && remembers) status = fill_memory(&d, data, split, config, &bank, err);
    if (status == HONE_OK) status = set_threshold(&d, data, split, config->tpr, err);
    if (status == HONE_OK) status = store(&d, &found, bank, err);
    found.threshold = d.threshold;
    found.memory = d.bank_count;
    hone_value_free(bank);
    detector_release(&d);
    if (status == HONE_OK && report) *report = found;
    return status;
}

/* ---- reading: a file says it, so nothing is believed ------------------------------------------------------------- */

static bool read_positive(const hone_value *object, const char *key, double *out) {
    return hone_value_as_real(hone_value_get(object, key), out) && *out >= 0 && isfinite(*out);
}

static hone_status read_bank(hone_detector *d, const hone_value *value, hone_error *err) {
    int64_t count, values;
    double scale;
    size_t bytes, stored;
    const hone_value *places = hone_value_get(value, "places");
    if (!hone_value_as_integer(hone_value_get(value, "count"), &count) || count < 1 || count > HONE__MOST_MEMORY ||
        !hone_value_as_integer(hone_value_get(value, "values"), &values) || values != (int64_t)d->map_values ||
        !read_positive(value, "scale", &scale) || !hone__multiply((size_t)count, d->reader.size, &bytes) ||
        !hone__base64_size(hone_value_as_string(places), &stored) || stored != bytes)
        HONE_FAIL(err, HONE_FORMAT, "its memory is damaged");
    int8_t *rounded = hone__alloc(bytes, 1);
    d->bank = hone__alloc(bytes, sizeof *d->bank);
    hone_status status = rounded && d->bank ? HONE_OK : hone__fail_memory(err, bytes * sizeof(float), "a memory");
    if (status == HONE_OK && !hone__unpack_bytes(places, rounded, bytes))
        status = hone__fail(err, HONE_FORMAT, "its memory is damaged");
    for (size_t i = 0; status == HONE_OK && i < bytes; i++) d->bank[i] = (float)rounded[i] * (float)scale;
    d->bank_count = (size_t)count;
    hone__free(rounded);
    return status;
}

static hone_status read_record(hone_detector *d, hone_model *model, const hone_value *record, hone_threads *threads,
                               hone_error *err) {
    const char *word = hone_value_as_string(hone_value_get(record, "method"));
    const char *layer_name = hone_value_as_string(hone_value_get(record, "layer"));
    hone_anomaly_method method;
    size_t layer = 0;
    double threshold, tpr, map_scale;
    if (hone_anomaly_method_parse(&method, word ? word : "", NULL) != HONE_OK ||
        !read_positive(record, "threshold", &threshold) || !read_positive(record, "tpr", &tpr) ||
        !read_positive(record, "map_scale", &map_scale) || !(map_scale > 0))
        HONE_FAIL(err, HONE_FORMAT, "it has no method or no threshold");
    if (method == HONE_ANOMALY_MEMORY) {
        if (!layer_name) HONE_FAIL(err, HONE_FORMAT, "it does not say which layer it remembers");
        if (hone__memory_layer(model, layer_name, &layer, err) != HONE_OK)
            HONE_FAIL(err, HONE_FORMAT, "it remembers a layer that the network does not have");
    }
    hone_status status = detector_init(d, model, method, layer, threads, err);
    if (status == HONE_OK && method == HONE_ANOMALY_MEMORY)
        status = read_bank(d, hone_value_get(record, "memory"), err);
    d->threshold = threshold;
    d->tpr = tpr;
    d->map_scale = map_scale;
    return status;
}

hone_status hone_detector_create(hone_detector **out, hone_model *model, hone_threads *threads, hone_error *err) {
    *out = NULL;
    const hone_value *record = hone_model_record(model, HONE__ANOMALY_RECORD);
    if (hone_value_kind_of(record) != HONE_VALUE_OBJECT) return HONE_OK;
    hone_detector *d = hone__alloc(1, sizeof *d);
    if (!d) return hone__fail_memory(err, sizeof *d, "a detector");
    hone_status status = read_record(d, model, record, threads, err);
    if (status != HONE_OK) {
        hone_detector_free(d);
        if (status == HONE_SHAPE) status = HONE_FORMAT;
        return hone__fail_context(err, status, "the anomaly model '%.128s'", hone_model_name(model));
    }
    *out = d;
    return HONE_OK;
}
