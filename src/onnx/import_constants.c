/* SPDX-License-Identifier: Apache-2.0
 *
 * Constants of an ONNX graph: what the file holds, or one beside it, checked against what it claims. */
#include "onnx_import.h"
#include "file.h"
#include "onnx_writer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { ONNX_FLOAT16 = 10, ONNX_DOUBLE = 11 };

hone_status hone__onnx_constant_allocate(hone__onnx_constant *c, hone_error *err) {
    if (c->is_integer)
        c->integers = hone__alloc(c->count, sizeof *c->integers);
    else
        c->reals = hone__alloc(c->count, sizeof *c->reals);
    return c->integers || c->reals ? HONE_OK : hone__fail_memory(err, c->count * sizeof(int64_t), "a constant");
}

void hone__onnx_constant_release(hone__onnx_constant *constant) {
    hone__free(constant->reals);
    hone__free(constant->integers);
    *constant = (hone__onnx_constant){0};
}

double hone__onnx_constant_at(const hone__onnx_constant *c, size_t index) {
    return c->is_integer ? (double)c->integers[index] : (double)c->reals[index];
}

int64_t hone__onnx_constant_integer(const hone__onnx_constant *c, size_t index) {
    if (c->is_integer) return c->integers[index];
    double number = (double)c->reals[index];
    return number > -9e15 && number < 9e15 ? (int64_t)number : number > 0 ? INT64_MAX : INT64_MIN;
}

const float *hone__onnx_constant_reals(hone__onnx_constant *c) {
    if (c->reals) return c->reals;
    c->reals = hone__alloc(c->count, sizeof *c->reals);
    for (size_t i = 0; c->reals && i < c->count; i++) c->reals[i] = (float)c->integers[i];
    return c->reals;
}

static float half(uint16_t bits) {
    int exponent = bits >> 10 & 31, fraction = bits & 1023;
    double value = exponent == 0    ? ldexp(fraction, -24)
                   : exponent == 31 ? (fraction ? NAN : INFINITY)
                                    : ldexp(fraction + 1024, exponent - 25);
    return (float)(bits & 0x8000 ? -value : value);
}

size_t hone__onnx_element_size(int type, bool *is_integer) {
    *is_integer = true;
    switch (type) {
    case ONNX_INT64: return 8;
    case ONNX_INT32: return 4;
    case ONNX_UINT16:
    case ONNX_INT16: return 2;
    case ONNX_BOOL:
    case ONNX_UINT8:
    case ONNX_INT8: return 1;
    default: break;
    }
    *is_integer = false;
    return type == ONNX_FLOAT ? 4 : type == ONNX_DOUBLE ? 8 : type == ONNX_FLOAT16 ? 2 : 0;
}

static uint64_t little_endian(const unsigned char *bytes, size_t size) {
    uint64_t bits = 0;
    for (size_t i = 0; i < size; i++) bits |= (uint64_t)bytes[i] << (8 * i);
    return bits;
}

static void put_raw(hone__onnx_constant *c, size_t i, int type, uint64_t bits) {
    uint32_t word = (uint32_t)bits;
    double number;
    switch (type) {
    case ONNX_FLOAT: memcpy(&c->reals[i], &word, sizeof word); break;
    case ONNX_FLOAT16: c->reals[i] = half((uint16_t)bits); break;
    case ONNX_DOUBLE:
        memcpy(&number, &bits, sizeof number);
        c->reals[i] = (float)number;
        break;
    case ONNX_INT8: c->integers[i] = (int8_t)bits; break;
    case ONNX_INT16: c->integers[i] = (int16_t)bits; break;
    case ONNX_INT32: c->integers[i] = (int32_t)word; break;
    default: c->integers[i] = (int64_t)bits; break;
    }
}

/* The list of numbers that holds a tensor of this type where there are no raw data; its length. */
static size_t typed_count(const Hone__Onnx__Tensor *t) {
    switch (t->data_type) {
    case ONNX_FLOAT: return t->n_float_data;
    case ONNX_DOUBLE: return t->n_double_data;
    case ONNX_INT64: return t->n_int64_data;
    default: return t->n_int32_data;
    }
}

static void put_typed(hone__onnx_constant *c, size_t i, const Hone__Onnx__Tensor *t) {
    switch (t->data_type) {
    case ONNX_FLOAT: c->reals[i] = t->float_data[i]; break;
    case ONNX_DOUBLE: c->reals[i] = (float)t->double_data[i]; break;
    case ONNX_FLOAT16: c->reals[i] = half((uint16_t)t->int32_data[i]); break;
    case ONNX_INT64: c->integers[i] = t->int64_data[i]; break;
    default: c->integers[i] = t->int32_data[i]; break;
    }
}

/* ---- in another file --------------------------------------------------------------------------------------------- */

/* What is said of where a tensor lies; NULL: nothing. */
static const char *external_word(const Hone__Onnx__Tensor *t, const char *key) {
    for (size_t i = 0; i < t->n_external_data; i++)
        if (t->external_data[i]->key && strcmp(t->external_data[i]->key, key) == 0) return t->external_data[i]->value;
    return NULL;
}

/* A number of bytes, in decimal digits. */
static hone_status external_number(const Hone__Onnx__Tensor *t, const char *key, uint64_t fallback, uint64_t *out,
                                   hone_error *err) {
    const char *text = external_word(t, key);
    *out = fallback;
    if (!text) return HONE_OK;
    size_t digits = strspn(text, "0123456789");
    if (digits == 0 || digits > 15 || text[digits])
        HONE_FAIL(err, HONE_FORMAT, "tensor '%.128s' has external data with '%s' of '%.40s'", t->name ? t->name : "",
                  key, text);
    *out = strtoull(text, NULL, 10);
    return HONE_OK;
}

/* The bytes of a tensor that lies in a file beside the model, and nowhere else. */
static hone_status read_external(const Hone__Onnx__Tensor *t, const char *folder, size_t size, unsigned char **bytes,
                                 hone_error *err) {
    const char *name = t->name ? t->name : "", *location = external_word(t, "location");
    uint64_t offset, length;
    *bytes = NULL;
    if (!location || !hone__is_inside_path(location))
        HONE_FAIL(err, HONE_FORMAT, "tensor '%.128s' lies in '%.128s', which is no file beside the model", name,
                  location ? location : "");
    if (!folder)
        HONE_FAIL(err, HONE_UNSUPPORTED,
                  "tensor '%.128s' lies in another file ('%.128s'), which cannot be opened here; save the model in one "
                  "file",
                  name, location);
    HONE_TRY(external_number(t, "offset", 0, &offset, err));
    HONE_TRY(external_number(t, "length", size, &length, err));
    if (length != size)
        HONE_FAIL(err, HONE_FORMAT, "tensor '%.128s' claims %zu bytes, '%.128s' is said to hold %llu of them", name,
                  size, location, (unsigned long long)length);
    char *path = hone__join_path(folder, location);
    if (!path) return hone__fail_memory(err, strlen(folder), "a path");
    if (!hone__file_stays(folder, path)) {
        hone__free(path);
        HONE_FAIL(err, HONE_FORMAT,
                  "tensor '%.128s' lies in '%.128s', a link that leads out of the model's folder; put the file itself "
                  "there",
                  name, location);
    }
    *bytes = hone__alloc(size, 1);
    hone_status status =
        *bytes ? hone__file_read_part(path, offset, size, *bytes, err) : hone__fail_memory(err, size, "a tensor");
    hone__free(path);
    if (status == HONE_OK) return HONE_OK;
    hone__free(*bytes);
    *bytes = NULL;
    return hone__fail_context(err, status, "tensor '%.128s'", name);
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static hone_status read_elements(hone__onnx_constant *out, const Hone__Onnx__Tensor *t, const char *folder, size_t size,
                                 hone_error *err) {
    const char *name = t->name ? t->name : "";
    const unsigned char *raw = t->has_raw_data && t->raw_data.len > 0 ? t->raw_data.data : NULL;
    unsigned char *external = NULL;
    size_t bytes;
    if (!hone__multiply(out->count, size, &bytes)) HONE_FAIL(err, HONE_LIMIT, "tensor '%.128s' is too large", name);
    if (t->data_location == 1 || t->n_external_data > 0) {
        HONE_TRY(read_external(t, folder, bytes, &external, err));
        raw = external;
    } else if (raw ? t->raw_data.len != bytes : typed_count(t) != out->count) {
        HONE_FAIL(err, HONE_FORMAT, "tensor '%.128s' claims %zu elements, the file holds %zu", name, out->count,
                  raw ? t->raw_data.len / size : typed_count(t));
    }
    hone_status status = hone__onnx_constant_allocate(out, err);
    for (size_t i = 0; i < out->count && !status; i++) {
        if (raw)
            put_raw(out, i, t->data_type, little_endian(raw + i * size, size));
        else
            put_typed(out, i, t);
    }
    hone__free(external);
    return status;
}

hone_status hone__onnx_constant_read(hone__onnx_constant *out, const Hone__Onnx__Tensor *t, const char *folder,
                                     hone_error *err) {
    const char *name = t->name ? t->name : "";
    *out = (hone__onnx_constant){.rank = (int)t->n_dims, .count = 1, .type = t->data_type};
    size_t size = hone__onnx_element_size(t->data_type, &out->is_integer);
    if (size == 0)
        HONE_FAIL(err, HONE_UNSUPPORTED, "tensor '%.128s' has elements of type %d, which is not supported", name,
                  t->data_type);
    if (t->n_dims > HONE_ONNX_AXES)
        HONE_FAIL(err, HONE_LIMIT, "tensor '%.128s' has %zu axes, at most %d are allowed", name, t->n_dims,
                  HONE_ONNX_AXES);
    for (size_t i = 0; i < t->n_dims; i++) {
        out->dims[i] = t->dims[i];
        if (t->dims[i] < 0 || !hone__multiply(out->count, (size_t)t->dims[i], &out->count) ||
            out->count > (size_t)HONE_MAX_ELEMENTS)
            HONE_FAIL(err, HONE_LIMIT, "tensor '%.128s' claims %lld elements along axis %zu", name,
                      (long long)t->dims[i], i);
    }
    return read_elements(out, t, folder, size, err);
}
