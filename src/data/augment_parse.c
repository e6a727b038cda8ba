/* SPDX-License-Identifier: Apache-2.0
 *
 * Descriptions of augmentation, from text and back.
 *
 * One idea: each dialect is a table of fields; the same table reads a value, checks its range, and writes the full
 * text, so that what was said and what is recorded cannot differ. */
#include "augment_internal.h"

#include <math.h>
#include <string.h>

typedef enum field_kind {
    FIELD_REAL,
    FIELD_PROBABILITY, /* the name alone means a half */
    FIELD_FLAG,        /* bool; the name alone means true */
    FIELD_WHOLE,       /* int64_t */
    FIELD_FILL,        /* hone_fill_mode */
    FIELD_SHIFT,       /* hone__keras_shift */
    FIELD_RANGE,       /* hone__keras_range: LOW:HIGH */
    FIELD_ZOOM,        /* the same; one number z means 1 - z to 1 + z */
    FIELD_RAND,        /* hone__rand_settings: N:M */
    FIELD_RATIO        /* double; A/B too */
} field_kind;

typedef struct field {
    const char *name;
    field_kind kind;
    size_t offset;
    double least, most;
    const char *takes; /* in words */
} field;

#define OWN(name, kind, least, most, takes)                                                                            \
    { #name, kind, offsetof(hone__augment_settings, name), least, most, takes }
#define KERAS(name, kind, least, most, takes)                                                                          \
    { #name, kind, offsetof(hone__keras_settings, name), least, most, takes }

/* What both dialects take, off the place of their normalize settings. */
#define NORMALIZE(settings, name, kind, least, most, takes)                                                            \
    { #name, kind, offsetof(settings, normalize) + offsetof(hone__normalize_settings, name), least, most, takes }
#define NORMALIZES(settings)                                                                                           \
    NORMALIZE(settings, featurewise_center, FIELD_FLAG, 0, 1, "nothing, true or false"),                               \
        NORMALIZE(settings, featurewise_std_normalization, FIELD_FLAG, 0, 1, "nothing, true or false"),                \
        NORMALIZE(settings, samplewise_center, FIELD_FLAG, 0, 1, "nothing, true or false"),                            \
        NORMALIZE(settings, samplewise_std_normalization, FIELD_FLAG, 0, 1, "nothing, true or false"),                 \
        NORMALIZE(settings, zca_whitening, FIELD_FLAG, 0, 1, "nothing, true or false"),                                \
        NORMALIZE(settings, zca_epsilon, FIELD_REAL, 1e-12, 1e6, "a number above 0")

enum { MOST_PIXELS = 32768 };

static const field own_fields[] = {
    OWN(rotation, FIELD_REAL, 0, 180, "degrees, 0 to 180"),
    OWN(width_shift, FIELD_REAL, 0, MOST_PIXELS, "0 or more: a fraction of the width, from 1 on pixels"),
    OWN(height_shift, FIELD_REAL, 0, MOST_PIXELS, "0 or more: a fraction of the height, from 1 on pixels"),
    OWN(zoom, FIELD_REAL, 0, 0.9, "a fraction, 0 to 0.9"),
    OWN(stretch, FIELD_REAL, 0, 0.9, "a fraction, 0 to 0.9"),
    OWN(shear, FIELD_REAL, 0, 80, "degrees, 0 to 80"),
    OWN(crop, FIELD_REAL, 0.01, 1, "the least part of the area, 0.01 to 1"),
    OWN(elastic, FIELD_REAL, 0, 1000, "pixels, 0 to 1000"),
    OWN(horizontal_flip, FIELD_PROBABILITY, 0, 1, "nothing or a probability"),
    OWN(vertical_flip, FIELD_PROBABILITY, 0, 1, "nothing or a probability"),
    OWN(fill_mode, FIELD_FILL, 0, 0, "nearest, constant, reflect or wrap"),
    OWN(fill_value, FIELD_REAL, 0, 255, "0 to 255"),
    OWN(brightness, FIELD_REAL, 0, 1, "a fraction, 0 to 1"),
    OWN(contrast, FIELD_REAL, 0, 1, "a fraction, 0 to 1"),
    OWN(channel_shift, FIELD_REAL, 0, 1, "a fraction, 0 to 1"),
    OWN(blur, FIELD_REAL, 0, 16, "pixels, 0 to 16"),
    OWN(noise, FIELD_REAL, 0, 1, "a fraction, 0 to 1"),
    OWN(cutout, FIELD_REAL, 0, MOST_PIXELS, "0 or more: a fraction of the shorter side, from 1 on pixels"),
    OWN(erasing, FIELD_REAL, 0, 1, "a probability"),
    OWN(mixup, FIELD_REAL, 0, 4, "Beta's parameter, 0 to 4"),
    OWN(cutmix, FIELD_REAL, 0, 4, "Beta's parameter, 0 to 4"),
    OWN(randaugment, FIELD_RAND, 0, 10, "N:M, 1 to 16 operations of magnitude 0 to 10"),
    NORMALIZES(hone__augment_settings),
};

static const field keras_fields[] = {
    KERAS(rotation_range, FIELD_REAL, 0, 1e6, "degrees, 0 or more"),
    KERAS(width_shift_range, FIELD_SHIFT, -MOST_PIXELS, MOST_PIXELS, "a number, or several with colons between"),
    KERAS(height_shift_range, FIELD_SHIFT, -MOST_PIXELS, MOST_PIXELS, "a number, or several with colons between"),
    KERAS(brightness_range, FIELD_RANGE, 0, 1e6, "LOW:HIGH"),
    KERAS(shear_range, FIELD_REAL, 0, 1e6, "degrees, 0 or more"),
    KERAS(zoom_range, FIELD_ZOOM, 0, 1e6, "a fraction, or LOW:HIGH"),
    KERAS(channel_shift_range, FIELD_REAL, 0, 1e6, "0 or more, in the units of the pixels"),
    KERAS(fill_mode, FIELD_FILL, 0, 0, "nearest, constant, reflect or wrap"),
    KERAS(cval, FIELD_REAL, -1e6, 1e6, "a number"),
    KERAS(horizontal_flip, FIELD_FLAG, 0, 1, "nothing, true or false"),
    KERAS(vertical_flip, FIELD_FLAG, 0, 1, "nothing, true or false"),
    KERAS(interpolation_order, FIELD_WHOLE, 0, 1, "0 (nearest neighbour) or 1 (bilinear)"),
    NORMALIZES(hone__keras_settings),
    NORMALIZE(hone__keras_settings, rescale, FIELD_RATIO, 0, 1e6, "a number, or a fraction as 1/255"),
};

/* ImageDataGenerator's other arguments are Python, or belong to the model's input or the split. */
static const char *const keras_elsewhere[] = {
    "preprocessing_function",
    "data_format",
    "validation_split",
    "dtype",
};

static const struct preset {
    const char *name, *text;
} presets[] = {
    {"none", ""},
    /* What hands do: lean, size, place; nothing that turns a 6 into a 9. */
    {"digits", "rotation=10,shift=0.08,zoom=0.1,stretch=0.1,shear=10"},
    {"photos", "rotation=10,crop=0.5,horizontal_flip,fill_mode=reflect,brightness=0.2,contrast=0.2,channel_shift=0.05"},
};

static const char *const fill_names[] = {"nearest", "constant", "reflect", "wrap"};

#define COUNT(array) (sizeof(array) / sizeof *(array))

const char *hone_augmentation_preset(size_t index) {
    return index < COUNT(presets) ? presets[index].name : NULL;
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

static bool within(const field *f, double value) {
    return value >= f->least && value <= f->most;
}

/* Numbers with colons between, at most most of them; -1 where there is anything else. */
static int read_list(const field *f, const char *value, double *out, int most, bool *whole) {
    char word[64];
    *whole = true;
    for (int count = 0; count < most; value++) {
        size_t length = strcspn(value, ":");
        if (length >= sizeof word) return -1;
        memcpy(word, value, length);
        word[length] = '\0';
        if (!hone__parse_double(word, &out[count]) || !within(f, out[count])) return -1;
        if (strpbrk(word, ".eE")) *whole = false;
        count++;
        value += length;
        if (!*value) return count;
    }
    return -1;
}

static bool read_flag(const char *value, bool *out) {
    if (!value || !strcmp(value, "true") || !strcmp(value, "True") || !strcmp(value, "1"))
        *out = true;
    else if (!strcmp(value, "false") || !strcmp(value, "False") || !strcmp(value, "0"))
        *out = false;
    else
        return false;
    return true;
}

/* Keras tells int from float from list by the type: so do we by the spelling. */
static bool read_shift(const field *f, const char *value, hone__keras_shift *out) {
    bool whole;
    hone__keras_shift shift = {0};
    shift.count = read_list(f, value, shift.values, HONE__SHIFT_CHOICES, &whole);
    if (shift.count < 1) return false;
    shift.kind = shift.count > 1 ? HONE__SHIFT_LIST : whole ? HONE__SHIFT_WHOLE : HONE__SHIFT_REAL;
    if (shift.count == 1 && shift.values[0] < 0) return false;
    if (shift.count == 1 && shift.values[0] == 0) shift.count = 0;
    *out = shift;
    return true;
}

static bool read_range(const field *f, const char *value, hone__keras_range *out) {
    double numbers[2];
    bool whole;
    int count = read_list(f, value, numbers, 2, &whole);
    if (count == 1 && f->kind == FIELD_ZOOM) {
        numbers[1] = 1 + numbers[0];
        numbers[0] = 1 - numbers[0];
    } else if (count != 2) {
        return false;
    }
    if (f->kind == FIELD_ZOOM && !(numbers[0] > 0 && numbers[1] > 0)) return false;
    *out = (hone__keras_range){true, numbers[0], numbers[1]};
    return true;
}

/* "N:M" or "N", whose M is 9, as the paper's best for most. */
static bool read_rand(const field *f, const char *value, hone__rand_settings *out) {
    double numbers[2] = {0, 9};
    char count[24];
    int64_t n;
    size_t length = strcspn(value, ":");
    if (length >= sizeof count) return false;
    memcpy(count, value, length);
    count[length] = '\0';
    if (!hone__parse_integer(count, &n) || n < 1 || n > HONE__RAND_MOST) return false;
    if (value[length] && (!hone__parse_double(value + length + 1, &numbers[1]) || !within(f, numbers[1]))) return false;
    *out = (hone__rand_settings){(int)n, numbers[1]};
    return true;
}

static bool read_ratio(const field *f, const char *value, double *out) {
    char above[HONE_NUMBER_SIZE];
    size_t length = strcspn(value, "/");
    double number, below = 1;
    if (length >= sizeof above) return false;
    memcpy(above, value, length);
    above[length] = '\0';
    if (!hone__parse_double(above, &number)) return false;
    if (value[length] && (!hone__parse_double(value + length + 1, &below) || !(below > 0))) return false;
    number /= below;
    if (!within(f, number)) return false;
    *out = number;
    return true;
}

static bool read_field(const field *f, void *settings, const char *value) {
    void *target = (char *)settings + f->offset;
    bool needs_value = f->kind != FIELD_PROBABILITY && f->kind != FIELD_FLAG;
    double number;
    if (needs_value && !value) return false;
    if (f->kind == FIELD_PROBABILITY) {
        if (!value || !strcmp(value, "true")) value = "0.5";
        if (!strcmp(value, "false")) value = "0";
    }
    switch (f->kind) {
    case FIELD_PROBABILITY:
    case FIELD_REAL:
        if (!hone__parse_double(value, &number) || !within(f, number)) return false;
        *(double *)target = number;
        return true;
    case FIELD_WHOLE: {
        int64_t whole;
        if (!hone__parse_integer(value, &whole) || !within(f, (double)whole)) return false;
        *(int64_t *)target = whole;
        return true;
    }
    case FIELD_FLAG: return read_flag(value, target);
    case FIELD_FILL:
        for (size_t i = 0; i < COUNT(fill_names); i++)
            if (strcmp(fill_names[i], value) == 0) {
                *(hone_fill_mode *)target = (hone_fill_mode)i;
                return true;
            }
        return false;
    case FIELD_SHIFT: return read_shift(f, value, target);
    case FIELD_RANGE:
    case FIELD_ZOOM: return read_range(f, value, target);
    case FIELD_RAND: return read_rand(f, value, target);
    case FIELD_RATIO: return read_ratio(f, value, target);
    }
    return false;
}

/* ---- text in full ---------------------------------------------------------------------------------------------- */

typedef struct writer {
    char *text; /* HONE__AUGMENT_TEXT; no description comes near: 28 fields of 50 bytes; or two lists of 16 numbers */
    size_t length;
} writer;

static void put(writer *w, const char *text) {
    size_t length = strlen(text), room = HONE__AUGMENT_TEXT - 1 - w->length;
    if (length > room) length = room;
    memcpy(w->text + w->length, text, length);
    w->length += length;
    w->text[w->length] = '\0';
}

static void put_number(writer *w, double value, bool as_whole) {
    char number[HONE_NUMBER_SIZE];
    hone__format_double(number, value);
    char *end = strstr(number, ".0");
    if (as_whole && end && !end[2]) *end = '\0';
    put(w, number);
}

static bool is_set(const field *f, const void *settings, const void *defaults) {
    const void *a = (const char *)settings + f->offset, *b = (const char *)defaults + f->offset;
    switch (f->kind) {
    case FIELD_REAL:
    case FIELD_RATIO:
    case FIELD_PROBABILITY: return *(const double *)a < *(const double *)b || *(const double *)a > *(const double *)b;
    case FIELD_RAND: return ((const hone__rand_settings *)a)->count > 0;
    case FIELD_WHOLE: return *(const int64_t *)a != *(const int64_t *)b;
    case FIELD_FLAG: return *(const bool *)a;
    case FIELD_FILL: return *(const hone_fill_mode *)a != *(const hone_fill_mode *)b;
    case FIELD_SHIFT: return ((const hone__keras_shift *)a)->count > 0;
    case FIELD_RANGE:
    case FIELD_ZOOM: return ((const hone__keras_range *)a)->given;
    }
    return false;
}

static void put_field(writer *w, const field *f, const void *settings) {
    const void *at = (const char *)settings + f->offset;
    put(w, f->name);
    if (f->kind == FIELD_FLAG) return;
    put(w, "=");
    switch (f->kind) {
    case FIELD_REAL:
    case FIELD_RATIO:
    case FIELD_PROBABILITY: put_number(w, *(const double *)at, true); break;
    case FIELD_RAND: {
        const hone__rand_settings *rand = at;
        put_number(w, rand->count, true);
        put(w, ":");
        put_number(w, rand->magnitude, true);
        break;
    }
    case FIELD_WHOLE: put_number(w, (double)*(const int64_t *)at, true); break;
    case FIELD_FILL: put(w, fill_names[*(const hone_fill_mode *)at]); break;
    case FIELD_SHIFT: {
        const hone__keras_shift *shift = at;
        for (int i = 0; i < shift->count; i++) {
            if (i > 0) put(w, ":");
            put_number(w, shift->values[i], shift->kind != HONE__SHIFT_REAL);
        }
        break;
    }
    case FIELD_RANGE:
    case FIELD_ZOOM: {
        const hone__keras_range *range = at;
        put_number(w, range->low, true);
        put(w, ":");
        put_number(w, range->high, true);
        break;
    }
    case FIELD_FLAG: break;
    }
}

static void write_text(writer *w, const char *prefix, const field *fields, size_t count, const void *settings,
                       const void *defaults) {
    put(w, prefix);
    size_t written = 0;
    for (size_t i = 0; i < count; i++) {
        if (!is_set(&fields[i], settings, defaults)) continue;
        if (written++ > 0) put(w, ",");
        put_field(w, &fields[i], settings);
    }
    if (written == 0 && !*prefix) put(w, "none");
}

/* ---- reading --------------------------------------------------------------------------------------------------- */

static hone_status unknown(const char *name, const field *fields, size_t count, hone_error *err) {
    for (size_t i = 0; fields == keras_fields && i < COUNT(keras_elsewhere); i++)
        if (strcmp(keras_elsewhere[i], name) == 0)
            HONE_FAIL(err, HONE_ARGUMENT,
                      "augmentation: '%s' is Python's, or belongs to the model's input or the split", name);
    char list[HONE_ERROR_MESSAGE_SIZE] = "";
    for (size_t i = 0; i < count; i++) hone__list_add(list, sizeof list, fields[i].name);
    HONE_FAIL(err, HONE_NOT_FOUND, "augmentation: there is no '%.40s', there are %s", name, list);
}

static hone_status set(const field *fields, size_t count, void *settings, const char *name, const char *value,
                       hone_error *err) {
    for (size_t i = 0; i < count; i++) {
        if (strcmp(fields[i].name, name) != 0) continue;
        if (read_field(&fields[i], settings, value)) return HONE_OK;
        HONE_FAIL(err, HONE_ARGUMENT, "augmentation: '%s' is '%.60s', expected %s", name, value ? value : "",
                  fields[i].takes);
    }
    return unknown(name, fields, count, err);
}

static hone_status read_own(hone__augment_settings *s, const char *text, hone_error *err);

static hone_status set_own(hone__augment_settings *s, const char *name, const char *value, bool is_first,
                           hone_error *err) {
    for (size_t i = 0; !value && i < COUNT(presets); i++) {
        if (strcmp(presets[i].name, name) != 0) continue;
        if (!is_first) HONE_FAIL(err, HONE_ARGUMENT, "augmentation: the preset '%s' has to stand first", name);
        return read_own(s, presets[i].text, err);
    }
    if (strcmp(name, "shift") != 0) return set(own_fields, COUNT(own_fields), s, name, value, err);
    HONE_TRY(set(own_fields, COUNT(own_fields), s, "width_shift", value, err));
    return set(own_fields, COUNT(own_fields), s, "height_shift", value, err);
}

/* Takes NAME or NAME=VALUE off *text. False at the end. */
static bool next_item(const char **text, char item[512], char **value) {
    if (!**text) return false;
    size_t length = strcspn(*text, ","), kept = length < 511 ? length : 511;
    memcpy(item, *text, kept);
    item[kept] = '\0';
    *text += length + ((*text)[length] == ',');
    *value = strchr(item, '=');
    if (*value) *(*value)++ = '\0';
    return true;
}

static hone_status read_own(hone__augment_settings *s, const char *text, hone_error *err) {
    char item[512], *value;
    for (bool is_first = true; next_item(&text, item, &value); is_first = false)
        HONE_TRY(set_own(s, item, value, is_first, err));
    return HONE_OK;
}

static hone_status read_keras(hone__keras_settings *s, const char *text, hone_error *err) {
    char item[512], *value;
    while (next_item(&text, item, &value)) HONE_TRY(set(keras_fields, COUNT(keras_fields), s, item, value, err));
    return HONE_OK;
}

/* As Keras: a deviation is taken about the mean, and whitening has its own idea of deviation. */
static void imply(hone__normalize_settings *s) {
    if (s->zca_whitening) {
        s->featurewise_center = true;
        s->featurewise_std_normalization = false;
    }
    if (s->featurewise_std_normalization) s->featurewise_center = true;
    if (s->samplewise_std_normalization) s->samplewise_center = true;
}

hone_status hone__augment_parse(hone_augmentation *out, const char *text, char full[HONE__AUGMENT_TEXT],
                                hone_error *err) {
    static const hone__augment_settings own_defaults = {.fill_mode = HONE_FILL_NEAREST, .normalize.zca_epsilon = 0.01};
    static const hone__keras_settings keras_defaults = {.interpolation_order = 1, .normalize.zca_epsilon = 1e-6};
    static const char new_prefix[] = "keras:", old_prefix[] = "keras-a:";
    writer w = {full, 0};
    full[0] = '\0';
    if (!text || !*text) HONE_FAIL(err, HONE_ARGUMENT, "augmentation: nothing is said; 'none' is a preset");
    if (strlen(text) >= HONE__AUGMENT_TEXT)
        HONE_FAIL(err, HONE_LIMIT, "augmentation: the description has more than %d bytes", HONE__AUGMENT_TEXT - 1);
    *out = (hone_augmentation){.own = own_defaults, .keras = keras_defaults};
    bool is_old = strncmp(text, old_prefix, sizeof old_prefix - 1) == 0;
    if (!is_old && strncmp(text, new_prefix, sizeof new_prefix - 1) != 0) {
        HONE_TRY(read_own(&out->own, text, err));
        imply(&out->own.normalize);
        write_text(&w, "", own_fields, COUNT(own_fields), &out->own, &own_defaults);
        return HONE_OK;
    }
    out->is_keras = true;
    out->keras.old_dialect = is_old;
    HONE_TRY(read_keras(&out->keras, strchr(text, ':') + 1, err));
    imply(&out->keras.normalize);
    write_text(&w, is_old ? old_prefix : new_prefix, keras_fields, COUNT(keras_fields), &out->keras, &keras_defaults);
    return HONE_OK;
}
