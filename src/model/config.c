/* SPDX-License-Identifier: Apache-2.0
 *
 * The reader of Keras' arguments: typed getters over one "config" object. Two decades of spellings end here, so that
 * layers read one. The first failure sticks (config->error); see hone__config in layer.h. */
#include "layer.h"

#include <inttypes.h>
#include <math.h>
#include <string.h>

enum { DESCRIPTION_SIZE = 96 };

/* How a value looks in a message: short, on one line, whatever a file may have put there. */
static const char *describe(const hone_value *value, char buffer[DESCRIPTION_SIZE]) {
    char number[HONE_NUMBER_SIZE];
    bool boolean = false;
    int64_t integer = 0;
    double real = 0;
    switch (hone_value_kind_of(value)) {
    case HONE_VALUE_NULL: snprintf(buffer, DESCRIPTION_SIZE, "null"); break;
    case HONE_VALUE_BOOLEAN:
        hone_value_as_boolean(value, &boolean);
        snprintf(buffer, DESCRIPTION_SIZE, "%s", boolean ? "true" : "false");
        break;
    case HONE_VALUE_INTEGER:
        hone_value_as_integer(value, &integer);
        snprintf(buffer, DESCRIPTION_SIZE, "%" PRId64, integer);
        break;
    case HONE_VALUE_REAL:
        hone_value_as_real(value, &real);
        snprintf(buffer, DESCRIPTION_SIZE, "%s", hone__format_double(number, real));
        break;
    case HONE_VALUE_STRING:
        snprintf(buffer, DESCRIPTION_SIZE, "'%.64s'", hone_value_as_string(value));
        for (char *c = buffer; *c; c++) {
            if ((unsigned char)*c < ' ') *c = '?';
        }
        break;
    case HONE_VALUE_LIST: snprintf(buffer, DESCRIPTION_SIZE, "a list of %zu", hone_value_count(value)); break;
    case HONE_VALUE_OBJECT: snprintf(buffer, DESCRIPTION_SIZE, "an object"); break;
    }
    return buffer;
}

/* ---- the reader itself ----------------------------------------------------------------------------------------- */

void hone__config_init(hone__config *config, const hone_value *value, const char *subject, bool from_file, int keras) {
    *config = (hone__config){.value = value, .subject = subject, .from_file = from_file, .keras = keras};
    if (hone_value_kind_of(value) == HONE_VALUE_NULL) {
        config->value = NULL;
        return;
    }
    if (hone_value_kind_of(value) != HONE_VALUE_OBJECT) {
        config->value = NULL;
        hone__config_expected(config, "config", value, "an object");
        return;
    }
    config->known = hone__alloc(hone_value_count(value), sizeof *config->known);
    if (!config->known) hone__fail_memory(&config->error, hone_value_count(value), "the arguments of a layer");
}

bool hone__config_failed(const hone__config *config) {
    return config->error.status != HONE_OK;
}

/* A misspelt argument must not pass silently where a program wrote it; a file may come from a later Keras. */
static void check_unknown(hone__config *config) {
    for (size_t i = 0; i < hone_value_count(config->value) && !hone__config_failed(config); i++) {
        if (config->known[i]) continue;
        const char *key = hone_value_key_at(config->value, i);
        if (config->from_file) {
            hone__log(HONE_LOG_WARNING, "%s: argument '%.64s' is unknown and ignored", config->subject, key);
        } else {
            hone__config_fail(config, HONE_ARGUMENT, "unknown argument '%.64s'", key);
        }
    }
}

hone_status hone__config_finish(hone__config *config, hone_error *err) {
    if (!hone__config_failed(config)) check_unknown(config);
    hone__free(config->known);
    config->known = NULL;
    if (hone__config_failed(config) && err) *err = config->error;
    return config->error.status;
}

void hone__config_fail(hone__config *config, hone_status status, const char *format, ...) {
    if (hone__config_failed(config)) return;
    char message[HONE_ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(message, sizeof message, format, arguments);
    va_end(arguments);
    hone__fail(&config->error, status, "%s", message);
}

void hone__config_expected(hone__config *config, const char *key, const hone_value *value, const char *what) {
    char text[DESCRIPTION_SIZE];
    hone__config_fail(config, config->from_file ? HONE_FORMAT : HONE_ARGUMENT, "%s is %s, expected %s", key,
                      describe(value, text), what);
}

static void missing(hone__config *config, const char *key) {
    hone__config_fail(config, config->from_file ? HONE_FORMAT : HONE_ARGUMENT, "%s is missing", key);
}

/* ---- plain values ---------------------------------------------------------------------------------------------- */

const hone_value *hone__config_get(hone__config *config, const char *key) {
    if (hone__config_failed(config)) return NULL;
    for (size_t i = 0; i < hone_value_count(config->value); i++) {
        if (strcmp(hone_value_key_at(config->value, i), key) != 0) continue;
        config->known[i] = true;
        const hone_value *value = hone_value_at(config->value, i);
        return hone_value_kind_of(value) == HONE_VALUE_NULL ? NULL : value;
    }
    return NULL;
}

/* Is value an integer of low … high? Complains in the name of key if not. */
static bool read_integer(hone__config *config, const char *key, const hone_value *value, int64_t low, int64_t high,
                         int64_t *out) {
    if (hone_value_as_integer(value, out) && *out >= low && *out <= high) return true;
    char what[DESCRIPTION_SIZE];
    if (hone_value_as_integer(value, out) && *out > high) {
        hone__config_fail(config, HONE_LIMIT, "%s is %" PRId64 ", the largest possible is %" PRId64, key, *out, high);
        return false;
    }
    if (low == 1) {
        snprintf(what, sizeof what, "a positive integer");
    } else {
        snprintf(what, sizeof what, "an integer from %" PRId64, low);
    }
    hone__config_expected(config, key, value, what);
    return false;
}

int64_t hone__config_integer(hone__config *config, const char *key, int64_t fallback, int64_t low, int64_t high) {
    const hone_value *value = hone__config_get(config, key);
    int64_t integer = 0;
    if (value) return read_integer(config, key, value, low, high, &integer) ? integer : low;
    if (fallback != HONE_REQUIRED) return fallback;
    missing(config, key);
    return low;
}

double hone__config_real(hone__config *config, const char *key, double fallback, double low, double high) {
    const hone_value *value = hone__config_get(config, key);
    double real = 0;
    if (!value) {
        if (fallback == HONE_REQUIRED_REAL) missing(config, key);
        return fallback;
    }
    if (hone_value_as_real(value, &real) && isfinite(real) && real >= low && real <= high) return real;
    char what[DESCRIPTION_SIZE], from[HONE_NUMBER_SIZE], to[HONE_NUMBER_SIZE];
    if (isinf(low) && isinf(high)) {
        snprintf(what, sizeof what, "a finite number");
    } else if (isinf(high)) {
        snprintf(what, sizeof what, "a number from %s", hone__format_double(from, low));
    } else {
        snprintf(what, sizeof what, "a number from %s to %s", hone__format_double(from, low),
                 hone__format_double(to, high));
    }
    hone__config_expected(config, key, value, what);
    return fallback;
}

bool hone__config_boolean(hone__config *config, const char *key, bool fallback) {
    const hone_value *value = hone__config_get(config, key);
    bool boolean = fallback;
    if (value && !hone_value_as_boolean(value, &boolean)) hone__config_expected(config, key, value, "true or false");
    return boolean;
}

const char *hone__config_string(hone__config *config, const char *key, const char *fallback) {
    const hone_value *value = hone__config_get(config, key);
    if (!value) return fallback;
    const char *string = hone_value_as_string(value);
    if (string) return string;
    hone__config_expected(config, key, value, "a string");
    return fallback;
}

int hone__config_choice(hone__config *config, const char *key, int fallback, hone__choices choices) {
    const hone_value *value = hone__config_get(config, key);
    if (!value) return fallback;
    const char *word = hone_value_as_string(value);
    for (int i = 0; word && choices[i]; i++) {
        if (strcmp(word, choices[i]) == 0) return i;
    }
    char list[HONE_ERROR_MESSAGE_SIZE / 2];
    size_t length = 0;
    for (int i = 0; choices[i] && length < sizeof list; i++) {
        const char *separator = i == 0 ? "" : choices[i + 1] ? ", " : " or ";
        int written = snprintf(list + length, sizeof list - length, "%s'%s'", separator, choices[i]);
        length += written > 0 ? (size_t)written : 0;
    }
    hone__config_expected(config, key, value, list);
    return fallback;
}

void hone__config_pair(hone__config *config, const char *key, const int fallback[2], int low, int high, int out[2]) {
    const hone_value *value = hone__config_get(config, key);
    out[0] = fallback ? fallback[0] : low;
    out[1] = fallback ? fallback[1] : low;
    if (!value) {
        if (!fallback) missing(config, key);
        return;
    }
    bool is_list = hone_value_kind_of(value) == HONE_VALUE_LIST;
    if (is_list && hone_value_count(value) != 2) {
        hone__config_expected(config, key, value, "an integer or a list of two");
        return;
    }
    for (size_t i = 0; i < 2; i++) {
        int64_t integer = 0;
        if (!read_integer(config, key, is_list ? hone_value_at(value, i) : value, low, high, &integer)) return;
        out[i] = (int)integer;
    }
}

void hone__config_null(hone__config *config, const char *key) {
    const hone_value *value = hone__config_get(config, key);
    if (!value) return;
    const char *name = hone_value_as_string(value);
    if (!name) name = hone_value_as_string(hone_value_get(value, "class_name"));
    if (name) {
        hone__config_fail(config, HONE_UNSUPPORTED, "%s '%.64s' is not supported, only none at all", key, name);
    } else {
        hone__config_fail(config, HONE_UNSUPPORTED, "%s is not supported", key);
    }
}

/* ---- what many layers share ------------------------------------------------------------------------------------ */

void hone__config_data_format(hone__config *config) {
    static const char *const choices[] = {"channels_last", "channels_first", NULL};
    if (hone__config_choice(config, "data_format", 0, choices) == 1) {
        hone__config_fail(config, HONE_UNSUPPORTED,
                          "data_format 'channels_first' is not supported, images are channels_last here");
    }
}

int hone__config_axis(hone__config *config) {
    const hone_value *value = hone__config_get(config, "axis");
    if (!value) return -1;
    const hone_value *item = value;
    if (hone_value_kind_of(value) == HONE_VALUE_LIST && hone_value_count(value) == 1) item = hone_value_at(value, 0);
    int64_t axis = -1;
    if (!hone_value_as_integer(item, &axis) || axis < -1 - HONE_MAX_RANK || axis > HONE_MAX_RANK) {
        hone__config_expected(config, "axis", value, "the last axis: -1");
        return -1;
    }
    return (int)axis;
}

hone_status hone__check_last_axis(int axis, const hone_shape *input, hone_error *err) {
    if (axis == -1 || axis == input->rank) return HONE_OK;
    HONE_FAIL(err, HONE_UNSUPPORTED, "axis is %d, only the last axis (-1 or %d) is supported", axis, input->rank);
}

void hone__config_reals(hone__config *config, const char *key, double fallback, double **out, size_t *count) {
    const hone_value *value = hone__config_get(config, key), *stated = value;
    *out = NULL;
    *count = 0;
    const char *class_name = hone_value_as_string(hone_value_get(value, "class_name"));
    if (class_name && strcmp(class_name, "__numpy__") == 0) {
        value = hone_value_get(hone_value_get(value, "config"), "value");
    }
    if (!stated && fallback == HONE_REQUIRED_REAL) missing(config, key);
    if (hone__config_failed(config)) return;

    bool is_list = hone_value_kind_of(value) == HONE_VALUE_LIST;
    size_t n = is_list ? hone_value_count(value) : 1;
    double *numbers = n > 0 ? hone__alloc(n, sizeof *numbers) : NULL;
    if (n > 0 && !numbers) {
        hone__fail_memory(&config->error, n * sizeof *numbers, key);
        return;
    }
    bool fine = n > 0;
    for (size_t i = 0; i < n && fine; i++) {
        if (!stated) {
            numbers[i] = fallback;
        } else {
            fine = hone_value_as_real(is_list ? hone_value_at(value, i) : value, &numbers[i]) && isfinite(numbers[i]);
        }
    }
    if (!fine) {
        hone__config_expected(config, key, stated, "a finite number or a list of them");
        hone__free(numbers);
        return;
    }
    *out = numbers;
    *count = n;
}

/* Height and width of pictures may be left open: 0 until somebody states them (input_size.c). */
static bool may_be_open(const hone_value *item, size_t axis, size_t rank) {
    return hone_value_kind_of(item) == HONE_VALUE_NULL && rank == 3 && axis < 2;
}

/* dims[skip …] of a shape in a file; skip 1 leaves the batch out. */
static hone_shape read_shape(hone__config *config, const char *key, const hone_value *value, size_t skip) {
    hone_shape shape = {0};
    size_t rank = hone_value_count(value);
    if (hone_value_kind_of(value) != HONE_VALUE_LIST || rank <= skip || rank - skip > HONE_MAX_RANK) {
        hone__config_expected(config, key, value,
                              skip ? "a list [null, height, width, channels]" : "a list [height, width, channels]");
        return (hone_shape){0};
    }
    for (size_t i = skip; i < rank; i++) {
        int64_t dim = 0;
        const hone_value *item = hone_value_at(value, i);
        if (may_be_open(item, i - skip, rank - skip)) {
            shape.rank++;
            continue;
        }
        if (hone_value_kind_of(item) == HONE_VALUE_NULL) {
            hone__config_fail(
                config, HONE_UNSUPPORTED,
                "%s leaves a size open (null) that is neither the batch nor the height or width of pictures", key);
        }
        if (hone__config_failed(config) || !read_integer(config, key, item, 1, HONE_MAX_ELEMENTS, &dim)) {
            return (hone_shape){0};
        }
        shape.dims[shape.rank++] = dim;
    }
    return shape;
}

hone_shape hone__config_input_shape(hone__config *config, bool is_input_layer) {
    static const struct {
        const char *key;
        size_t batch;
    } spellings[] = {{"batch_input_shape", 1}, {"batch_shape", 1}, {"input_shape", 0}, {"shape", 0}};
    hone_shape shape = {0};
    size_t count = sizeof spellings / sizeof *spellings - (is_input_layer ? 0 : 1);
    for (size_t i = 0; i < count; i++) {
        const hone_value *value = hone__config_get(config, spellings[i].key);
        if (value && shape.rank == 0) shape = read_shape(config, spellings[i].key, value, spellings[i].batch);
    }
    return shape;
}

bool hone__config_dtype(hone__config *config, bool integers) {
    static const char *const wider[] = {"float16", "bfloat16", "float64", "mixed_float16", NULL};
    static const char *const of_pixels[] = {"uint8", "int8", "uint16", "int16", "int32", "int64", NULL};
    const hone_value *value = hone__config_get(config, "dtype");
    if (!value) return false;
    const char *name = hone_value_as_string(value);
    const char *mode = hone_value_as_string(hone_value_get(hone_value_get(value, "config"), "mode"));
    if (!name) name = hone_value_as_string(hone_value_get(hone_value_get(value, "config"), "name"));
    if (!name && mode) { /* a QuantizedDTypePolicy */
        hone__config_fail(config, HONE_UNSUPPORTED,
                          "it was quantized by Keras ('%.64s'); save the model as it was before, and quantize it with "
                          "hone quantize",
                          mode);
        return false;
    }
    if (!name) {
        hone__config_expected(config, "dtype", value, "a name or a policy object with one");
        return false;
    }
    if (strcmp(name, "float32") == 0) return false;
    if (strcmp(name, "mixed_bfloat16") == 0) return true;
    for (int i = 0; wider[i]; i++) {
        if (strcmp(name, wider[i]) != 0) continue;
        hone__log(HONE_LOG_WARNING, "%s: dtype is '%s'; hone computes in float32", config->subject, name);
        return false;
    }
    for (int i = 0; integers && of_pixels[i]; i++) {
        if (strcmp(name, of_pixels[i]) == 0) return false;
    }
    hone__config_fail(config, HONE_UNSUPPORTED, "dtype '%.64s' is not supported, only float32 and mixed_bfloat16",
                      name);
    return false;
}

/* ---- regularizers ---------------------------------------------------------------------------------------------- */

hone__regularizer hone__config_regularizer(hone__config *config, const char *key) {
    hone__regularizer none = {0};
    const hone_value *value = hone__config_get(config, key);
    if (!value) return none;
    const char *name = hone_value_as_string(value);
    if (!name) name = hone_value_as_string(hone_value_get(value, "class_name"));
    if (!name) {
        hone__config_expected(config, key, value, "the name of a regularizer or an object with class_name");
        return none;
    }
    bool l1 = strcmp(name, "L1") == 0 || strcmp(name, "l1") == 0;
    bool l2 = strcmp(name, "L2") == 0 || strcmp(name, "l2") == 0;
    bool both = strcmp(name, "L1L2") == 0 || strcmp(name, "l1_l2") == 0;
    if (!l1 && !l2 && !both) {
        hone__config_fail(config, HONE_UNSUPPORTED, "%s '%.64s' is not supported, only L1, L2 and L1L2", key, name);
        return none;
    }
    /* A bare name means 0.01, as Keras' classes L1 and L2 have it; L1L2 as an object defaults to 0. */
    double fallback = both && !hone_value_as_string(value) ? 0 : 0.01;
    hone__config arguments;
    hone__config_init(&arguments, hone_value_get(value, "config"), config->subject, config->from_file, config->keras);
    hone__regularizer regularizer = {
        .l1 = l1 || both ? (float)hone__config_real(&arguments, "l1", fallback, 0, INFINITY) : 0,
        .l2 = l2 || both ? (float)hone__config_real(&arguments, "l2", fallback, 0, INFINITY) : 0,
    };
    hone_error error;
    if (hone__config_finish(&arguments, &error)) hone__config_fail(config, error.status, "%s: %s", key, error.message);
    return regularizer;
}

void hone__set_regularizer(hone_value *config, const char *key, const hone__regularizer *regularizer) {
    bool l1 = regularizer->l1 != 0, l2 = regularizer->l2 != 0;
    if (!l1 && !l2) {
        hone_value_set_null(config, key);
        return;
    }
    hone_value *arguments = hone_value_object(), *object = hone_value_object();
    if (l1) hone_value_set_real(arguments, "l1", regularizer->l1);
    if (l2) hone_value_set_real(arguments, "l2", regularizer->l2);
    hone_value_set_string(object, "class_name", l1 && l2 ? "L1L2" : l1 ? "L1" : "L2");
    hone_value_set(object, "config", arguments);
    hone_value_set(config, key, object);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

void hone__set_pair(hone_value *config, const char *key, const int pair[2]) {
    hone_value_set(config, key, hone_value_integers((const int64_t[]){pair[0], pair[1]}, 2));
}
