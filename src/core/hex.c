/* SPDX-License-Identifier: Apache-2.0
 *
 * Hexadecimal digits, both ways. Digits are checked before anything is written: what is malformed changes nothing. */
#include "hex.h"

#include <string.h>

static const char digits[] = "0123456789abcdef";

/* Room for count groups of digits and an end; NULL: there is none. */
static char *text_for(size_t count, size_t group) {
    size_t size;
    return hone__multiply(count, group, &size) && hone__add(size, 1, &size) ? hone__alloc(size, 1) : NULL;
}

/* Takes text. */
static hone_value *to_value(char *text) {
    hone_value *value = text ? hone_value_string(text) : NULL;
    hone__free(text);
    return value;
}

/* The value's text where it is count groups of digits and nothing else. */
static const char *digits_of(const hone_value *value, size_t count, size_t group) {
    const char *text = hone_value_as_string(value);
    size_t length = text ? strlen(text) : 0;
    bool is_fine = text && length / group == count && length % group == 0 && strspn(text, digits) == length;
    return is_fine ? text : NULL;
}

static uint32_t number_of(char digit) {
    return (uint32_t)(digit <= '9' ? digit - '0' : digit - 'a' + 10);
}

hone_value *hone__hex_value(const void *bytes, size_t size) {
    const unsigned char *b = bytes;
    char *text = text_for(size, 2);
    for (size_t i = 0; text && i < size; i++) {
        text[2 * i] = digits[b[i] >> 4];
        text[2 * i + 1] = digits[b[i] & 15];
    }
    return to_value(text);
}

bool hone__hex_read(const hone_value *value, void *bytes, size_t size) {
    const char *text = digits_of(value, size, 2);
    unsigned char *out = bytes;
    for (size_t i = 0; text && i < size; i++)
        out[i] = (unsigned char)(number_of(text[2 * i]) << 4 | number_of(text[2 * i + 1]));
    return text != NULL;
}

hone_value *hone__floats_value(const float *values, size_t count) {
    char *text = text_for(count, 8);
    for (size_t i = 0; text && i < count; i++) {
        uint32_t bits;
        memcpy(&bits, &values[i], sizeof bits);
        for (size_t k = 0; k < 8; k++) text[8 * i + k] = digits[bits >> (28 - 4 * k) & 15];
    }
    return to_value(text);
}

bool hone__floats_read(const hone_value *value, float *values, size_t count) {
    const char *text = digits_of(value, count, 8);
    for (size_t i = 0; text && i < count; i++) {
        uint32_t bits = 0;
        for (size_t k = 0; k < 8; k++) bits = bits << 4 | number_of(text[8 * i + k]);
        memcpy(&values[i], &bits, sizeof bits);
    }
    return text != NULL;
}
