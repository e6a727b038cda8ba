/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes as text (RFC 4648, with padding): for records in JSON and pictures in pages. */
#include "core_internal.h"

#include <string.h>

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t hone__base64_write(char *text, const unsigned char *data, size_t size) {
    size_t length = 0;
    for (size_t i = 0; i < size; i += 3) {
        size_t left = size - i;
        unsigned v =
            (unsigned)data[i] << 16 | (left > 1 ? (unsigned)data[i + 1] << 8 : 0) | (left > 2 ? data[i + 2] : 0);
        text[length++] = digits[v >> 18];
        text[length++] = digits[v >> 12 & 63];
        text[length++] = left > 1 ? digits[v >> 6 & 63] : '=';
        text[length++] = left > 2 ? digits[v & 63] : '=';
    }
    return length;
}

char *hone__base64(const void *data, size_t size) {
    if (size > SIZE_MAX / 2) return NULL;
    char *text = hone__alloc((size + 2) / 3 * 4 + 1, 1); /* zeroed: the end is there */
    if (text) hone__base64_write(text, data, size);
    return text;
}

static int value_of(char c) {
    if (c >= 'A' && c <= 'Z') return c - 'A';
    if (c >= 'a' && c <= 'z') return c - 'a' + 26;
    if (c >= '0' && c <= '9') return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

bool hone__base64_size(const char *text, size_t *size) {
    size_t length = text ? strlen(text) : 1;
    if (length % 4 != 0) return false;
    *size = length / 4 * 3;
    if (length > 0) *size -= (size_t)(text[length - 1] == '=') + (size_t)(text[length - 2] == '=');
    return true;
}

bool hone__base64_read(const char *text, void *out, size_t size) {
    unsigned char *bytes = out;
    size_t expected;
    if (!hone__base64_size(text, &expected) || expected != size) return false;
    for (size_t at = 0; at < size; at += 3, text += 4) {
        size_t here = size - at < 3 ? size - at : 3;
        unsigned v = 0;
        for (size_t k = 0; k < 4; k++) {
            int digit = k <= here ? value_of(text[k]) : 0;
            if (digit < 0) return false;
            v = v << 6 | (unsigned)digit;
        }
        for (size_t k = 0; k < here; k++) bytes[at + k] = (unsigned char)(v >> (16 - 8 * k));
    }
    return true;
}
