/* SPDX-License-Identifier: Apache-2.0
 *
 * Bytes that grow, and JSON written into them. A connection keeps its buffers, so the second request of a client finds
 * the room that the first one made. */
#include "serve_internal.h"

#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool hone__buffer_reserve(hone__buffer *b, size_t capacity) {
    void *array = b->data;
    if (capacity <= b->capacity) return !b->failed;
    if (b->failed || hone__grow(&array, &b->capacity, capacity, 1, NULL) != HONE_OK) {
        b->failed = true;
        return false;
    }
    b->data = array;
    return true;
}

void hone__buffer_put(hone__buffer *b, const void *data, size_t size) {
    size_t need;
    if (!hone__add(b->size, size, &need)) b->failed = true;
    if (b->failed || !hone__buffer_reserve(b, need)) return;
    if (size > 0) memcpy((char *)b->data + b->size, data, size);
    b->size = need;
}

void hone__buffer_text(hone__buffer *b, const char *text) {
    hone__buffer_put(b, text, strlen(text));
}

void hone__buffer_format(hone__buffer *b, const char *format, ...) {
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    int length = vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    if (length > 0) hone__buffer_put(b, text, (size_t)length < sizeof text ? (size_t)length : sizeof text - 1);
}

void hone__buffer_string(hone__buffer *b, const char *text) {
    char escape[HONE_JSON_ESCAPE];
    const char *piece;
    hone__buffer_put(b, "\"", 1);
    for (size_t n; (n = hone__json_piece(&text, false, escape, &piece)) > 0;) hone__buffer_put(b, piece, n);
    hone__buffer_put(b, "\"", 1);
}

void hone__buffer_float(hone__buffer *b, float value) {
    char text[HONE_NUMBER_SIZE];
    if (isnan(value)) {
        hone__buffer_text(b, "NaN");
        return;
    }
    if (isinf(value)) {
        hone__buffer_text(b, value > 0 ? "Infinity" : "-Infinity");
        return;
    }
    snprintf(text, sizeof text, "%.6g", (double)value);
    if (strtof(text, NULL) != value) snprintf(text, sizeof text, "%.9g", (double)value);
    char point = localeconv()->decimal_point[0], *comma = point == '.' ? NULL : strchr(text, point);
    if (comma) *comma = '.';
    hone__buffer_text(b, text);
    if (!strpbrk(text, ".e")) hone__buffer_put(b, ".0", 2);
}

void hone__buffer_clear(hone__buffer *b) {
    if (b->capacity > HONE_SERVE_KEPT_BYTES) hone__buffer_release(b);
    b->size = 0;
    b->failed = false;
}

void hone__buffer_release(hone__buffer *b) {
    hone__free(b->data);
    *b = (hone__buffer){0};
}
