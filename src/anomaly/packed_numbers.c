/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers as text: records hold values, and thousands of numbers one by one would make a file large and slow to
 * read. */
#include "anomaly_internal.h"

#include <math.h>
#include <string.h>

hone_value *hone__pack_bytes(const void *bytes, size_t count) {
    char *text = hone__base64(bytes, count);
    hone_value *value = text ? hone_value_string(text) : NULL;
    hone__free(text);
    return value;
}

bool hone__unpack_bytes(const hone_value *value, void *out, size_t count) {
    const char *text = hone_value_as_string(value);
    return text && hone__base64_read(text, out, count);
}

hone_value *hone__pack_floats(const float *values, size_t count) {
    unsigned char *bytes = hone__alloc(count, 4);
    if (!bytes) return NULL;
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        for (int k = 0; k < 4; k++) bytes[4 * i + (size_t)k] = (unsigned char)(bits >> 8 * k);
    }
    hone_value *value = hone__pack_bytes(bytes, 4 * count);
    hone__free(bytes);
    return value;
}

bool hone__unpack_floats(const hone_value *value, float *out, size_t count) {
    size_t size;
    if (!hone__multiply(count, 4, &size) || !hone__unpack_bytes(value, out, size)) return false;
    for (size_t i = count; i-- > 0;) {
        unsigned char bytes[4];
        uint32_t bits = 0;
        memcpy(bytes, &out[i], sizeof bytes);
        for (int k = 0; k < 4; k++) bits |= (uint32_t)bytes[k] << 8 * k;
        memcpy(&out[i], &bits, sizeof bits);
        if (!isfinite(out[i])) return false;
    }
    return true;
}
