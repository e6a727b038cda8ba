/* SPDX-License-Identifier: Apache-2.0
 *
 * What a model carries along beside its layers: how pixels become input, the names of the classes, free records. */
#include "layer.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

/* ---- preprocessing --------------------------------------------------------------------------------------------- */

static const struct {
    hone_input_kind kind;
    const char *word;
} kinds[] = {{HONE_INPUT_UNIT, "unit"}, {HONE_INPUT_RAW, "raw"}, {HONE_INPUT_SIGNED, "signed"}};

enum { KINDS = sizeof kinds / sizeof *kinds };

/* What may stand before the layer that scales the pixels: what makes pictures of pictures, augmentation and sizes, or a
 * model of that. */
static bool makes_pictures(const hone__member *member) {
    static const char *const classes[] = {"AutoContrast", "Resizing", "CenterCrop", "Identity", NULL};
    const hone__network *network = member->network;
    if (!network) {
        bool met = hone__layer_is_input(member->layer) || hone__layer_augments(member->layer);
        for (int i = 0; classes[i] && !met; i++) met = strcmp(member->layer->type->class_name, classes[i]) == 0;
        return met;
    }
    for (size_t i = 0; i < network->member_count; i++)
        if (!makes_pictures(&network->members[i])) return false;
    return true;
}

/* Does the network scale its pixels itself: is there a Rescaling or Normalization behind its first input? */
static bool begins_with_scaling(const hone__network *network) {
    size_t from = network->input_count > 0 ? network->inputs[0].application : 0;
    for (size_t i = 0; network->input_count > 0 && i < network->application_count; i++) {
        const hone__application *a = &network->applications[i];
        if (a->input_count == 0 || a->inputs[0].application != from) continue;
        const hone__member *member = &network->members[a->member];
        if (makes_pictures(member)) {
            from = i;
            continue;
        }
        if (member->network) return begins_with_scaling(member->network);
        const char *class_name = member->layer->type->class_name;
        return strcmp(class_name, "Rescaling") == 0 || strcmp(class_name, "Normalization") == 0;
    }
    return false;
}

hone_preprocessing hone_model_preprocessing(const hone_model *model) {
    if (model->preprocessing.stated) return model->preprocessing;
    return (hone_preprocessing){.kind = begins_with_scaling(&model->network) ? HONE_INPUT_RAW : HONE_INPUT_UNIT};
}

void hone_model_set_preprocessing(hone_model *model, const hone_preprocessing *preprocessing) {
    model->preprocessing = preprocessing ? *preprocessing : (hone_preprocessing){0};
    model->preprocessing.stated = preprocessing != NULL;
}

/* What may follow the kind, behind a plus sign. */
static const struct {
    const char *word;
    size_t offset;
} extras[] = {{"samplewise_center", offsetof(hone_preprocessing, samplewise_center)},
              {"samplewise_std_normalization", offsetof(hone_preprocessing, samplewise_std_normalization)},
              {"denoise", offsetof(hone_preprocessing, denoise)}};

enum { EXTRAS = sizeof extras / sizeof *extras };

static bool parse_extra(hone_preprocessing *out, const char *word, size_t length) {
    for (size_t i = 0; i < EXTRAS; i++) {
        if (strlen(extras[i].word) != length || strncmp(extras[i].word, word, length) != 0) continue;
        *(bool *)((char *)out + extras[i].offset) = true;
        out->samplewise_center |= out->samplewise_std_normalization;
        return true;
    }
    return false;
}

/* The words behind the first plus sign, all of them. */
static bool parse_extras(hone_preprocessing *out, const char *text) {
    while (*text == '+') {
        size_t length = strcspn(++text, "+");
        if (!parse_extra(out, text, length)) return false;
        text += length;
    }
    return true;
}

/* Numbers separated by commas: 2, 4, 6 or 8 of them. Two hold for every channel; where fewer channels are named than
 * there may be, the rest keep mean 0 and std 1. */
static bool parse_standard(hone_preprocessing *out, const char *text) {
    double numbers[2 * HONE_MAX_CHANNELS];
    size_t count = 0;
    for (;;) {
        char item[HONE_NUMBER_SIZE];
        size_t length = strcspn(text, ",");
        if (length >= sizeof item || count >= sizeof numbers / sizeof *numbers) return false;
        memcpy(item, text, length);
        item[length] = '\0';
        if (!hone__parse_double(item, &numbers[count]) || !isfinite((float)numbers[count])) return false;
        count++;
        if (!text[length]) break;
        text += length + 1;
    }
    if (count % 2 != 0) return false;
    size_t channels = count / 2;
    for (size_t c = 0; c < HONE_MAX_CHANNELS; c++) {
        size_t from = channels == 1 ? 0 : c;
        out->mean[c] = from < channels ? (float)numbers[from] : 0;
        out->std[c] = from < channels ? (float)numbers[channels + from] : 1;
        if (!(out->std[c] > 0)) return false;
    }
    return true;
}

hone_status hone_preprocessing_parse(hone_preprocessing *out, const char *text, hone_error *err) {
    hone_preprocessing parsed = {.kind = HONE_INPUT_STANDARD, .stated = true};
    char kind[2 * HONE_MAX_CHANNELS * HONE_NUMBER_SIZE] = "";
    size_t length = strcspn(text, "+"), i = 0;
    /* The plus sign of an exponent ("1e+2") belongs to its number. */
    while (text[length] == '+' && length > 0 && strchr("eE", text[length - 1]) &&
           strchr("0123456789", text[length + 1]))
        length += 1 + strcspn(text + length + 1, "+");
    bool fine = length < sizeof kind && parse_extras(&parsed, text + length);
    if (fine) memcpy(kind, text, length);
    while (i < KINDS && strcmp(kind, kinds[i].word) != 0) i++;
    if (i < KINDS) parsed.kind = kinds[i].kind;
    if (!fine || (i == KINDS && !parse_standard(&parsed, kind))) {
        HONE_FAIL(err, HONE_ARGUMENT,
                  "input '%.64s' is not 'raw', 'unit', 'signed' or MEAN,STD (two numbers, or the means of the channels "
                  "and then as many stds, each above 0), and then perhaps '+samplewise_center', "
                  "'+samplewise_std_normalization', '+denoise'",
                  text);
    }
    *out = parsed;
    return HONE_OK;
}

/* The shortest decimal that reads back as value: one of few digits, where there is one. */
static const char *float_text(char buffer[HONE_NUMBER_SIZE], float value) {
    double scale = 1;
    for (int digits = 0; digits <= 9; digits++, scale *= 10) {
        double rounded = round((double)value * scale) / scale;
        if ((float)rounded == value) return hone__format_double(buffer, rounded);
    }
    return hone__format_double(buffer, value);
}

/* Mean and std of the kind, as parse_standard reads them. */
static void standard_text(const hone_preprocessing *p, char *buffer, size_t size) {
    /* As few channels as parse needs to come to the same: one where all are alike, else those that are not (0, 1). */
    size_t channels = 1;
    for (size_t c = 1; c < HONE_MAX_CHANNELS; c++) {
        bool is_first = p->mean[c] == p->mean[0] && p->std[c] == p->std[0];
        if (!is_first && channels == 1) channels = 2;
    }
    for (size_t c = 2; c < HONE_MAX_CHANNELS && channels > 1; c++) {
        if (p->mean[c] != 0 || p->std[c] != 1) channels = c + 1;
    }
    size_t length = 0;
    for (size_t i = 0; i < 2 * channels && length < size; i++) {
        char number[HONE_NUMBER_SIZE];
        float value = i < channels ? p->mean[i] : p->std[i - channels];
        int written = snprintf(buffer + length, size - length, "%s%s", i ? "," : "", float_text(number, value));
        length += written > 0 ? (size_t)written : 0;
    }
}

const char *hone_preprocessing_text(const hone_preprocessing *preprocessing, char *buffer, size_t size) {
    const hone_preprocessing *p = preprocessing;
    size_t kind = 0;
    while (kind < KINDS && p->kind != kinds[kind].kind) kind++;
    if (kind < KINDS)
        snprintf(buffer, size, "%s", kinds[kind].word);
    else
        standard_text(p, buffer, size);
    for (size_t i = 0; i < EXTRAS; i++) {
        size_t length = strlen(buffer);
        bool is_implied =
            extras[i].offset == offsetof(hone_preprocessing, samplewise_center) && p->samplewise_std_normalization;
        if (*(const bool *)((const char *)p + extras[i].offset) && !is_implied)
            snprintf(buffer + length, size - length, "+%s", extras[i].word);
    }
    return buffer;
}

/* ---- whitening ------------------------------------------------------------------------------------------------- */

hone_status hone_model_set_whitening(hone_model *model, const float *matrix, size_t size, hone_error *err) {
    float *copy = NULL;
    size_t count;
    if (matrix) {
        if (!hone__multiply(size, size, &count) || count > HONE_MAX_ELEMENTS)
            HONE_FAIL(err, HONE_LIMIT, "a whitening matrix of %zu rows is larger than %d numbers", size,
                      HONE_MAX_ELEMENTS);
        copy = hone__alloc(count, sizeof *copy);
        if (!copy) return hone__fail_memory(err, count * sizeof *copy, "a whitening matrix");
        memcpy(copy, matrix, count * sizeof *copy);
    }
    hone__free(model->whitening);
    model->whitening = copy;
    model->whitening_size = matrix ? size : 0;
    return HONE_OK;
}

const float *hone_model_whitening(const hone_model *model, size_t *size) {
    if (size) *size = model->whitening_size;
    return model->whitening;
}

bool hone_model_input_is_affine(const hone_model *model) {
    hone_preprocessing p = hone_model_preprocessing(model);
    return !p.denoise && !p.samplewise_center && !p.samplewise_std_normalization && !model->whitening;
}

/* ---- class names ----------------------------------------------------------------------------------------------- */

static void free_names(char **names, size_t count) {
    for (size_t i = 0; i < count && names; i++) hone__free(names[i]);
    hone__free(names);
}

hone_status hone_model_set_class_names(hone_model *model, const char *const *names, size_t count, hone_error *err) {
    if (count > HONE_MAX_CLASSES) {
        HONE_FAIL(err, HONE_LIMIT, "%zu class names are over the limit of %d", count, HONE_MAX_CLASSES);
    }
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(names[i]);
        if (length > HONE_MAX_CLASS_NAME) {
            HONE_FAIL(err, HONE_LIMIT, "the name of class %zu has %zu bytes, the limit is %d", i, length,
                      HONE_MAX_CLASS_NAME);
        }
        if (hone__has_control(names[i]))
            HONE_FAIL(err, HONE_ARGUMENT, "the name of class %zu, '%.64s', has a control character", i, names[i]);
    }
    char **copy = hone__alloc(count, sizeof *copy);
    if (!copy) return hone__fail_memory(err, count * sizeof *copy, "the names of the classes");
    for (size_t i = 0; i < count; i++) {
        copy[i] = hone__strdup(names[i]);
        if (!copy[i]) {
            free_names(copy, count);
            return hone__fail_memory(err, strlen(names[i]) + 1, "the names of the classes");
        }
    }
    free_names(model->class_names, model->class_count);
    model->class_names = copy;
    model->class_count = count;
    return HONE_OK;
}

size_t hone_model_class_count(const hone_model *model) {
    return model->class_count;
}

const char *hone_model_class_name(const hone_model *model, size_t index) {
    return index < model->class_count ? model->class_names[index] : NULL;
}

/* ---- records --------------------------------------------------------------------------------------------------- */

/* A setter that fails marks its object for good, so the value is tried on a copy: the records stay whole. */
hone_status hone_model_set_record(hone_model *model, const char *key, hone_value *value, hone_error *err) {
    hone_value *records = hone_value_copy(model->records);
    hone_value_set(records, key, value);
    if (hone_value_failed(records)) {
        hone_value_free(records);
        return hone__fail_memory(err, strlen(key), "a record of the model");
    }
    hone_value_free(model->records);
    model->records = records;
    return HONE_OK;
}

const hone_value *hone_model_record(const hone_model *model, const char *key) {
    return hone_value_get(model->records, key);
}
