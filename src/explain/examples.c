/* SPDX-License-Identifier: Apache-2.0
 *
 * Nearest training pictures: directions of features, and the pictures in small.
 *
 * In a model's file the small pictures are one PNG, a sheet of them, and the directions whole numbers: 2,000 MNIST
 * digits with 64 features take about half a megabyte. */
#include <hone/explain.h>
#include <hone/train.h>

#include "anomaly_internal.h"

#include <math.h>
#include <string.h>

#define RECORD "examples"

enum { BLOCK = 64, COLUMNS = 50, MOST_SIDE = 256, MOST_EXAMPLES = 1 << 24 };

struct hone_examples {
    hone__feature_reader reader;
    size_t count;
    int8_t *directions;          /* (count, reader.size) */
    float *lengths;              /* (count): of them, rounded */
    int32_t *labels;             /* (count) */
    int height, width, channels; /* of the small pictures */
    unsigned char *pictures;     /* (count, height, width, channels) */
};

hone_examples_config hone_examples_config_default(void) {
    return (hone_examples_config){.count = 2000, .side = 64};
}

void hone_examples_free(hone_examples *e) {
    if (!e) return;
    hone__feature_reader_release(&e->reader);
    hone__free(e->directions);
    hone__free(e->lengths);
    hone__free(e->labels);
    hone__free(e->pictures);
    hone__free(e);
}

static size_t picture_size(const hone_examples *e) {
    return (size_t)e->height * (size_t)e->width * (size_t)e->channels;
}

/* Room for all; the counts and sizes are checked. */
static hone_status reserve(hone_examples *e, hone_error *err) {
    size_t directions, pictures;
    if (!hone__multiply(e->count, e->reader.size, &directions) || !hone__multiply(e->count, picture_size(e), &pictures))
        HONE_FAIL(err, HONE_LIMIT, "%zu examples are too many", e->count);
    e->directions = hone__alloc(directions, 1);
    e->lengths = hone__alloc(e->count, sizeof *e->lengths);
    e->labels = hone__alloc(e->count, sizeof *e->labels);
    e->pictures = hone__alloc(pictures, 1);
    return e->directions && e->lengths && e->labels && e->pictures
               ? HONE_OK
               : hone__fail_memory(err, directions + pictures, "examples");
}

/* ---- making them ------------------------------------------------------------------------------------------------- */

/* Evenly from the samples in the order of their labels: so each class has its share. */
static hone_status choose(uint32_t **out, const hone_dataset *data, const uint32_t *indices, size_t total, size_t count,
                          hone_error *err) {
    const int32_t *labels = hone_dataset_labels(data);
    size_t classes = hone_dataset_classes(data) + 1; /* number 0: no label */
    size_t *starts = hone__alloc(classes + 1, sizeof *starts);
    uint32_t *sorted = hone__alloc(total, sizeof *sorted);
    *out = hone__alloc(count, sizeof **out);
    hone_status status = starts && sorted && *out ? HONE_OK : hone__fail_memory(err, total * sizeof *sorted, "samples");
    if (status == HONE_OK) {
        for (size_t i = 0; i < total; i++) starts[labels[indices ? indices[i] : i] + 2]++;
        for (size_t c = 1; c <= classes; c++) starts[c] += starts[c - 1];
        for (size_t i = 0; i < total; i++) {
            uint32_t sample = indices ? indices[i] : (uint32_t)i;
            sorted[starts[labels[sample] + 1]++] = sample;
        }
        for (size_t i = 0; i < count; i++) (*out)[i] = sorted[i * total / count];
    }
    hone__free(starts);
    hone__free(sorted);
    return status;
}

static void small_size(hone_examples *e, const hone_dataset *data, int side) {
    int height = hone_dataset_height(data), width = hone_dataset_width(data), longer = height > width ? height : width;
    e->height = longer > side ? (int)((int64_t)height * side / longer) : height;
    e->width = longer > side ? (int)((int64_t)width * side / longer) : width;
    if (e->height < 1) e->height = 1;
    if (e->width < 1) e->width = 1;
    e->channels = hone_dataset_channels(data) >= 3 ? 3 : 1;
}

static hone_status keep_picture(hone_examples *e, size_t index, const hone_dataset *data, uint32_t sample,
                                unsigned char *pixels, hone_error *err) {
    hone_image image = {hone_dataset_height(data), hone_dataset_width(data), hone_dataset_channels(data), pixels},
               small;
    HONE_TRY(hone_dataset_fetch(data, sample, pixels, err));
    HONE_TRY(hone_image_convert(&small, &image, e->height, e->width, e->channels, err));
    memcpy(e->pictures + index * picture_size(e), small.pixels, picture_size(e));
    hone_image_release(&small);
    e->labels[index] = hone_dataset_labels(data)[sample];
    return HONE_OK;
}

static hone_status fill(hone_examples *e, hone_plan *plan, size_t outputs, const hone_dataset *data,
                        const uint32_t *chosen, hone_error *err) {
    size_t row = hone_plan_row_size(plan), size = e->reader.size;
    size_t image =
        (size_t)hone_dataset_height(data) * (size_t)hone_dataset_width(data) * (size_t)hone_dataset_channels(data);
    float *rows = hone__alloc(BLOCK, row * sizeof *rows),
          *directions = hone__alloc(e->count, size * sizeof *directions);
    unsigned char *pixels = hone__alloc(image, 1);
    hone_status status =
        rows && directions && pixels ? HONE_OK : hone__fail_memory(err, e->count * size * 4, "features");
    for (size_t first = 0; status == HONE_OK && first < e->count; first += BLOCK) {
        size_t n = e->count - first < BLOCK ? e->count - first : BLOCK;
        status = hone_plan_predict_dataset(plan, data, chosen + first, n, rows, err);
        for (size_t i = 0; status == HONE_OK && i < n; i++) {
            float *direction = directions + (first + i) * size;
            hone__feature_reader_read(&e->reader, rows + i * row + outputs, direction);
            hone__normalize_direction(direction, size);
            status = keep_picture(e, first + i, data, chosen[first + i], pixels, err);
        }
    }
    for (size_t i = 0; status == HONE_OK && i < e->count * size; i++)
        if (!isfinite(directions[i])) status = hone__fail(err, HONE_NUMERIC, "a feature of the model is no number");
    if (status == HONE_OK) {
        hone__round_directions(directions, e->count, size, e->directions);
        hone__rounded_lengths(e->directions, e->count, size, e->lengths);
    }
    hone__free(rows);
    hone__free(directions);
    hone__free(pixels);
    return status;
}

static hone_status make(hone_examples *e, hone_model *model, const hone_dataset *data, const uint32_t *indices,
                        size_t total, const hone_examples_config *config, hone_error *err) {
    size_t layer = 0;
    hone_plan_config plan_config = hone_plan_config_default();
    hone_plan *plan;
    uint32_t *chosen = NULL;
    HONE_TRY(hone__feature_reader_init(&e->reader, model, err));
    HONE_TRY(hone_model_feature_layer(model, &layer, err));
    e->count = total < config->count ? total : config->count;
    small_size(e, data, config->side);
    HONE_TRY(reserve(e, err));
    plan_config.max_batch = BLOCK;
    plan_config.threads = config->threads;
    plan_config.layers = &layer;
    plan_config.layer_count = 1;
    HONE_TRY(hone_plan_create(&plan, model, &plan_config, err));
    hone_status status = choose(&chosen, data, indices, total, e->count, err);
    if (status == HONE_OK) status = fill(e, plan, (size_t)hone_model_output_size(model), data, chosen, err);
    hone__free(chosen);
    hone_plan_free(plan);
    return status;
}

static hone_status check(const hone_model *model, const hone_dataset *data, size_t total,
                         const hone_examples_config *config, hone_error *err) {
    hone_shape input = hone_model_input_shape(model);
    if (input.rank != 3 || input.dims[0] != hone_dataset_height(data) || input.dims[1] != hone_dataset_width(data) ||
        input.dims[2] != hone_dataset_channels(data))
        HONE_FAIL(err, HONE_SHAPE, "the pictures are %dx%dx%d, which is not what the model takes",
                  hone_dataset_height(data), hone_dataset_width(data), hone_dataset_channels(data));
    if (total == 0 || config->count < 1 || config->count > MOST_EXAMPLES || config->side < 1 ||
        config->side > MOST_SIDE)
        HONE_FAIL(err, HONE_ARGUMENT,
                  "%zu examples of %zu pictures with sides of %d pixels: expected 1 or more, and 1 to "
                  "%d pixels",
                  config->count, total, config->side, MOST_SIDE);
    return HONE_OK;
}

hone_status hone_examples_create(hone_examples **out, hone_model *model, const hone_dataset *data,
                                 const uint32_t *indices, size_t count, const hone_examples_config *config,
                                 hone_error *err) {
    const hone_examples_config standard = hone_examples_config_default();
    if (!config) config = &standard;
    if (!indices) count = hone_dataset_samples(data);
    *out = NULL;
    HONE_TRY(check(model, data, count, config, err));
    hone_examples *e = hone__alloc(1, sizeof *e);
    if (!e) return hone__fail_memory(err, sizeof *e, "examples");
    hone_status status = make(e, model, data, indices, count, config, err);
    if (status != HONE_OK) {
        hone_examples_free(e);
        return status;
    }
    *out = e;
    return HONE_OK;
}

/* ---- asking ------------------------------------------------------------------------------------------------------ */

size_t hone_examples_count(const hone_examples *e) {
    return e->count;
}

size_t hone_examples_feature_size(const hone_examples *e) {
    return e->reader.raw;
}

size_t hone_examples_nearest(const hone_examples *e, const float *features, hone_neighbour *out, size_t wanted) {
    float vector[HONE__MOST_FEATURES];
    size_t size = e->reader.size, found = 0;
    hone__feature_reader_read(&e->reader, features, vector);
    hone__normalize_direction(vector, size);
    for (size_t i = 0; wanted > 0 && i < e->count; i++) {
        const int8_t *row = e->directions + i * size;
        float product = 0;
        for (size_t k = 0; k < size; k++) product += vector[k] * (float)row[k];
        float distance = sqrtf(fmaxf(0, 2 - 2 * product / e->lengths[i]));
        if (found == wanted && !(distance < out[found - 1].distance)) continue;
        if (found < wanted) found++;
        size_t at = found - 1;
        for (; at > 0 && distance < out[at - 1].distance; at--) out[at] = out[at - 1];
        out[at] = (hone_neighbour){.index = i, .label = e->labels[i], .distance = distance};
    }
    return found;
}

hone_status hone_examples_image(const hone_examples *e, size_t index, hone_image *out, hone_error *err) {
    *out = (hone_image){0};
    if (index >= e->count) HONE_FAIL(err, HONE_ARGUMENT, "there is no example %zu of %zu", index, e->count);
    unsigned char *pixels = hone__alloc(picture_size(e), 1);
    if (!pixels) return hone__fail_memory(err, picture_size(e), "a picture");
    memcpy(pixels, e->pictures + index * picture_size(e), picture_size(e));
    *out = (hone_image){e->height, e->width, e->channels, pixels};
    return HONE_OK;
}

/* ---- in the model's file ----------------------------------------------------------------------------------------- */

/* Where picture number index lies on a sheet of COLUMNS in a row. */
static size_t place_on_sheet(const hone_examples *e, size_t index, size_t line) {
    size_t row = index / COLUMNS * (size_t)e->height + line;
    return (row * COLUMNS + index % COLUMNS) * (size_t)e->width * (size_t)e->channels;
}

static hone_status sheet_value(const hone_examples *e, hone_value **out, hone_error *err) {
    size_t line = (size_t)e->width * (size_t)e->channels, rows = (e->count + COLUMNS - 1) / COLUMNS, size;
    *out = NULL;
    if (rows * (size_t)e->height > HONE_MAX_IMAGE_SIDE || COLUMNS * e->width > HONE_MAX_IMAGE_SIDE)
        HONE_FAIL(err, HONE_LIMIT, "%zu examples of %dx%d pixels are too many to be stored", e->count, e->height,
                  e->width);
    hone_image sheet = {(int)rows * e->height, COLUMNS * e->width, e->channels, NULL};
    sheet.pixels = hone__alloc(rows * (size_t)e->height * COLUMNS, line);
    if (!sheet.pixels) return hone__fail_memory(err, rows * (size_t)e->height * COLUMNS * line, "a sheet of examples");
    for (size_t i = 0; i < e->count; i++)
        for (size_t y = 0; y < (size_t)e->height; y++)
            memcpy(sheet.pixels + place_on_sheet(e, i, y), e->pictures + i * picture_size(e) + y * line, line);
    unsigned char *png;
    hone_status status = hone_image_encode_png(&png, &size, &sheet, err);
    if (status == HONE_OK) *out = hone__pack_bytes(png, size);
    hone_png_free(png);
    hone__free(sheet.pixels);
    return status;
}

hone_status hone_examples_store(const hone_examples *e, hone_model *model, hone_error *err) {
    hone_value *sheet, *record = hone_value_object(), *labels = hone_value_list();
    hone_status status = sheet_value(e, &sheet, err);
    for (size_t i = 0; i < e->count; i++) hone_value_append(labels, hone_value_integer(e->labels[i]));
    hone_value_set_integer(record, "version", 1);
    hone_value_set_integer(record, "count", (int64_t)e->count);
    hone_value_set_integer(record, "features", (int64_t)e->reader.raw);
    hone_value_set_integer(record, "height", e->height);
    hone_value_set_integer(record, "width", e->width);
    hone_value_set_integer(record, "channels", e->channels);
    hone_value_set(record, "labels", labels);
    hone_value_set(record, "directions", hone__pack_bytes(e->directions, e->count * e->reader.size));
    hone_value_set(record, "pictures", sheet);
    if (status == HONE_OK && hone_value_failed(record)) status = hone__fail_memory(err, 0, "the record of examples");
    if (status == HONE_OK) return hone_model_set_record(model, RECORD, record, err);
    hone_value_free(record);
    return status;
}

static bool read_number(const hone_value *record, const char *key, int64_t least, int64_t most, int64_t *out) {
    return hone_value_as_integer(hone_value_get(record, key), out) && *out >= least && *out <= most;
}

static hone_status read_sheet(hone_examples *e, const hone_value *value, hone_error *err) {
    const char *text = hone_value_as_string(value);
    size_t size, line = (size_t)e->width * (size_t)e->channels;
    if (!hone__base64_size(text, &size)) HONE_FAIL(err, HONE_FORMAT, "its pictures are damaged");
    unsigned char *png = hone__alloc(size, 1);
    if (!png) return hone__fail_memory(err, size, "examples");
    hone_image sheet = {0};
    hone_status status = hone__base64_read(text, png, size) ? hone_image_decode(&sheet, png, size, err)
                                                            : hone__fail(err, HONE_FORMAT, "its pictures are damaged");
    hone__free(png);
    int64_t rows = ((int64_t)e->count + COLUMNS - 1) / COLUMNS * e->height;
    if (status == HONE_OK &&
        (sheet.channels != e->channels || sheet.width != COLUMNS * e->width || sheet.height != rows))
        status = hone__fail(err, HONE_FORMAT, "its pictures are of another size");
    for (size_t i = 0; status == HONE_OK && i < e->count; i++)
        for (size_t y = 0; y < (size_t)e->height; y++)
            memcpy(e->pictures + i * picture_size(e) + y * line, sheet.pixels + place_on_sheet(e, i, y), line);
    hone_image_release(&sheet);
    return status;
}

static hone_status read_record(hone_examples *e, const hone_value *record, int64_t classes, hone_error *err) {
    int64_t count, features, height, width, channels, label;
    if (!read_number(record, "features", (int64_t)e->reader.raw, (int64_t)e->reader.raw, &features))
        HONE_FAIL(err, HONE_FORMAT, "they are another network's");
    const hone_value *labels = hone_value_get(record, "labels");
    if (!read_number(record, "count", 1, MOST_EXAMPLES, &count) ||
        !read_number(record, "height", 1, MOST_SIDE, &height) || !read_number(record, "width", 1, MOST_SIDE, &width) ||
        !read_number(record, "channels", 1, 3, &channels) || channels == 2 || hone_value_count(labels) != (size_t)count)
        HONE_FAIL(err, HONE_FORMAT, "their number or size makes no sense");
    e->count = (size_t)count;
    e->height = (int)height;
    e->width = (int)width;
    e->channels = (int)channels;
    HONE_TRY(reserve(e, err));
    if (!hone__unpack_bytes(hone_value_get(record, "directions"), e->directions, e->count * e->reader.size))
        HONE_FAIL(err, HONE_FORMAT, "their features are damaged");
    hone__rounded_lengths(e->directions, e->count, e->reader.size, e->lengths);
    for (size_t i = 0; i < e->count; i++) {
        if (!hone_value_as_integer(hone_value_at(labels, i), &label) || label < -1 || label >= classes)
            HONE_FAIL(err, HONE_FORMAT, "the label of example %zu makes no sense", i);
        e->labels[i] = (int32_t)label;
    }
    return read_sheet(e, hone_value_get(record, "pictures"), err);
}

hone_status hone_examples_open(hone_examples **out, const hone_model *model, hone_error *err) {
    *out = NULL;
    const hone_value *record = hone_model_record(model, RECORD);
    if (hone_value_kind_of(record) != HONE_VALUE_OBJECT) return HONE_OK;
    hone_examples *e = hone__alloc(1, sizeof *e);
    if (!e) return hone__fail_memory(err, sizeof *e, "examples");
    int64_t outputs = hone_model_output_size(model);
    hone_status status = hone__feature_reader_init(&e->reader, model, err);
    if (status == HONE_OK) status = read_record(e, record, outputs == 1 ? 2 : outputs, err);
    if (status != HONE_OK) {
        hone_examples_free(e);
        return hone__fail_context(err, status, "the examples of model '%.128s'", hone_model_name(model));
    }
    *out = e;
    return HONE_OK;
}

hone_status hone_model_forget_examples(hone_model *model, hone_error *err) {
    if (!hone_model_record(model, RECORD)) return HONE_OK;
    hone_value *nothing = hone_value_null();
    if (!nothing) return hone__fail_memory(err, 0, "a record");
    return hone_model_set_record(model, RECORD, nothing, err);
}
