/* SPDX-License-Identifier: Apache-2.0
 *
 * NumPy's .npy headers: {'descr': '|u1', 'fortran_order': False, 'shape': (60000, 28, 28), }. The text is Python, but
 * NumPy writes only this much of it: strings, True, False and one tuple of integers. */
#include "npy.h"

#include "core_internal.h"

#include <hone/data.h>

#include <string.h>

enum { MAX_HEADER = 65535 }; /* version 1's own limit; a plain array needs about 118 bytes */

void hone__npy_release(hone__npy *array) {
    hone__free(array->items);
    array->items = NULL;
}

hone_status hone__npy_header_size(size_t *out, const unsigned char prefix[HONE_NPY_PREFIX], hone_error *err) {
    if (memcmp(prefix, "\x93NUMPY", 6) != 0) HONE_FAIL(err, HONE_FORMAT, "not a NumPy array");
    int major = prefix[6];
    if (major < 1 || major > 3) HONE_FAIL(err, HONE_UNSUPPORTED, "NumPy array version %d", major);
    *out = (size_t)prefix[8] | (size_t)prefix[9] << 8;
    if (major > 1) *out += 2;
    if (*out > MAX_HEADER) HONE_FAIL(err, HONE_FORMAT, "a header of %zu bytes", *out);
    return HONE_OK;
}

/* ---- the header's text ----------------------------------------------------------------------------------------- */

static void skip_blanks(const char **at) {
    while (**at == ' ' || **at == '\t' || **at == '\n') (*at)++;
}

static bool accept(const char **at, const char *word) {
    skip_blanks(at);
    size_t length = strlen(word);
    if (strncmp(*at, word, length) != 0) return false;
    *at += length;
    return true;
}

/* A quoted string without escapes, as NumPy's keys and types are. */
static bool read_string(const char **at, char *out, size_t size) {
    skip_blanks(at);
    char quote = **at;
    if (quote != '\'' && quote != '"') return false;
    const char *begin = ++*at, *end = strchr(begin, quote);
    if (!end || (size_t)(end - begin) >= size) return false;
    memcpy(out, begin, (size_t)(end - begin));
    out[end - begin] = '\0';
    *at = end + 1;
    return true;
}

static bool read_shape(const char **at, hone__npy *out, hone_error *err) {
    out->rank = 0;
    if (!accept(at, "(")) return false;
    while (!accept(at, ")")) {
        skip_blanks(at);
        size_t value = 0, digits = 0;
        for (; **at >= '0' && **at <= '9'; (*at)++, digits++) {
            if (!hone__multiply(value, 10, &value) || !hone__add(value, (size_t)(**at - '0'), &value)) return false;
        }
        if (digits == 0) return false;
        if (out->rank == HONE_NPY_RANK) {
            hone__fail(err, HONE_FORMAT, "more than %d dimensions", HONE_NPY_RANK);
            return false;
        }
        out->sizes[out->rank++] = value;
        accept(at, ","); /* also after the only number of a tuple of one */
    }
    return true;
}

static hone_status parse_type(hone__npy *out, const char *type, hone__npy_content content, hone_error *err) {
    static const char *const kinds[] = {[HONE_NPY_INTEGERS] = "uib", [HONE_NPY_FLOATS] = "f"};
    static const char *const names[] = {[HONE_NPY_INTEGERS] = "integers (pixels from 0 to 255 as uint8, labels from 0)",
                                        [HONE_NPY_FLOATS] = "floating-point numbers"};
    char order = type[0];
    bool is_known =
        (order == '|' || order == '<' || order == '>') && type[1] != '\0' && strchr(kinds[content], type[1]);
    if (is_known) is_known = (type[2] == '1' || type[2] == '2' || type[2] == '4' || type[2] == '8') && type[3] == '\0';
    if (!is_known || (order == '|' && type[2] != '1') || (type[1] == 'f' && type[2] == '1'))
        HONE_FAIL(err, HONE_UNSUPPORTED, "items of type '%s', where %s are expected", type, names[content]);
    out->kind = type[1];
    out->is_big_endian = order == '>';
    out->item_size = (size_t)(type[2] - '0');
    return HONE_OK;
}

hone_status hone__npy_parse_header(hone__npy *out, const char *text, hone__npy_content content, hone_error *err) {
    bool has_type = false, has_order = false, has_shape = false, is_fortran = false;
    char type[32] = "", key[32];
    hone_error inner = {.status = HONE_OK};
    const char *at = text;
    if (text[0] == '\0' && text[1] == '\0') at += 2; /* the upper half of a long length */
    bool is_valid = accept(&at, "{");
    while (is_valid && !accept(&at, "}")) {
        is_valid = read_string(&at, key, sizeof key) && accept(&at, ":");
        if (!is_valid) break;
        if (strcmp(key, "descr") == 0) {
            is_valid = has_type = read_string(&at, type, sizeof type);
        } else if (strcmp(key, "fortran_order") == 0) {
            is_fortran = accept(&at, "True");
            is_valid = has_order = is_fortran || accept(&at, "False");
        } else if (strcmp(key, "shape") == 0) {
            is_valid = has_shape = read_shape(&at, out, &inner);
        } else {
            is_valid = false;
        }
        accept(&at, ",");
    }
    if (inner.status != HONE_OK) HONE_FAIL(err, inner.status, "%s", inner.message);
    if (!is_valid || !has_type || !has_order || !has_shape)
        HONE_FAIL(err, HONE_FORMAT, "the array's header cannot be read near '%.20s'", at);
    HONE_TRY(parse_type(out, type, content, err));
    if (is_fortran)
        HONE_FAIL(err, HONE_UNSUPPORTED, "stored in Fortran order; save it again with numpy.ascontiguousarray");
    out->bytes = out->item_size;
    for (int i = 0; i < out->rank; i++)
        if (!hone__multiply(out->bytes, out->sizes[i], &out->bytes))
            HONE_FAIL(err, HONE_LIMIT, "the array is larger than memory can address");
    return HONE_OK;
}

/* ---- what arrays are ------------------------------------------------------------------------------------------- */

hone_status hone__npy_check_images(const hone__npy *array, hone_error *err) {
    if (array->item_size != 1 || array->kind != 'u')
        HONE_FAIL(err, HONE_UNSUPPORTED, "items of type '%c%zu', where images have bytes (uint8)", array->kind,
                  array->item_size);
    if (array->rank < 3)
        HONE_FAIL(err, HONE_FORMAT, "%d dimensions, where images have (samples, height, width[, channels])",
                  array->rank);
    size_t channels = array->rank == 4 ? array->sizes[3] : 1;
    if (array->sizes[0] == 0) HONE_FAIL(err, HONE_FORMAT, "holds no images");
    if (array->sizes[1] < 1 || array->sizes[1] > HONE_MAX_IMAGE_SIDE || array->sizes[2] < 1 ||
        array->sizes[2] > HONE_MAX_IMAGE_SIDE || channels < 1 || channels > HONE_MAX_CHANNELS)
        HONE_FAIL(err, HONE_LIMIT,
                  "images of %zu x %zu x %zu, where sides up to %d and, at the end, up to %d channels are possible",
                  array->sizes[1], array->sizes[2], channels, HONE_MAX_IMAGE_SIDE, HONE_MAX_CHANNELS);
    return HONE_OK;
}

hone_status hone__npy_check_labels(const hone__npy *array, hone_error *err) {
    if (array->rank == 1 || (array->rank == 2 && array->sizes[1] == 1)) return HONE_OK;
    HONE_FAIL(err, HONE_FORMAT, "%d dimensions, where there is one label per sample", array->rank);
}

int64_t hone__npy_integer(const hone__npy *array, size_t index) {
    const unsigned char *p = array->items + index * array->item_size;
    uint64_t value = 0;
    for (size_t i = 0; i < array->item_size; i++)
        value = value << 8 | p[array->is_big_endian ? i : array->item_size - 1 - i];
    unsigned bits = (unsigned)array->item_size * 8;
    bool is_negative = value >> (bits - 1) & 1;
    if (bits == 64) return is_negative ? -1 : (int64_t)value;
    if (array->kind == 'i' && is_negative) return (int64_t)value - ((int64_t)1 << bits);
    return (int64_t)value;
}
