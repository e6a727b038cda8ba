/* SPDX-License-Identifier: Apache-2.0
 *
 * Numbers as text and back without the locale's say, lists for messages, and Keras' snake case. */
#define _POSIX_C_SOURCE 200809L
#include "core_internal.h"

#include <ctype.h>
#include <errno.h>
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* printf and strtod use the program's locale for the decimal point; files and options must not. */
static char decimal_point(void) {
    const struct lconv *conventions = localeconv();
    return conventions && conventions->decimal_point && conventions->decimal_point[0] ? conventions->decimal_point[0]
                                                                                      : '.';
}

const char *hone__format_double(char buffer[HONE_NUMBER_SIZE], double value) {
    if (isnan(value)) return strcpy(buffer, "nan");
    if (isinf(value)) return strcpy(buffer, value > 0 ? "inf" : "-inf");
    /* The fewest digits that read back the same. 17 always do (IEEE 754 binary64). */
    char scientific[HONE_NUMBER_SIZE];
    for (int digits = 1; digits <= 17; digits++) {
        snprintf(scientific, sizeof scientific, "%.*e", digits - 1, value);
        if (strtod(scientific, NULL) == value) break;
    }
    /* scientific is [-]d[.ddd]e±dd: take it apart and lay it out as repr does, plain for exponents -4 … 15. */
    char digits[20];
    int count = 0;
    const char *p = scientific;
    bool negative = *p == '-';
    if (negative) p++;
    for (; *p && *p != 'e'; p++)
        if (isdigit((unsigned char)*p)) digits[count++] = *p;
    int exponent = (int)strtol(p + 1, NULL, 10);
    while (count > 1 && digits[count - 1] == '0') count--;
    char *out = buffer;
    if (negative) *out++ = '-';
    if (exponent < -4 || exponent >= 16) {
        *out++ = digits[0];
        if (count > 1) {
            *out++ = '.';
            memcpy(out, digits + 1, (size_t)(count - 1));
            out += count - 1;
        }
        snprintf(out, (size_t)(buffer + HONE_NUMBER_SIZE - out), "e%c%02u", exponent < 0 ? '-' : '+',
                 (unsigned)abs(exponent) % 1000u);
        return buffer;
    }
    if (exponent < 0) {
        *out++ = '0';
        *out++ = '.';
        for (int i = -1; i > exponent; i--) *out++ = '0';
        memcpy(out, digits, (size_t)count);
        out += count;
    } else {
        for (int i = 0; i <= exponent || i < count; i++) {
            if (i == exponent + 1) *out++ = '.';
            *out++ = i < count ? digits[i] : '0';
        }
        if (count <= exponent + 1) {
            *out++ = '.';
            *out++ = '0';
        }
    }
    *out = '\0';
    return buffer;
}

bool hone__parse_double(const char *text, double *out) {
    char copy[64];
    size_t length = text ? strlen(text) : 0;
    if (length == 0 || length >= sizeof copy || isspace((unsigned char)text[0])) return false;
    char point = decimal_point();
    for (size_t i = 0; i <= length; i++) copy[i] = text[i] == '.' ? point : text[i];
    if (point != '.' && strchr(text, point)) return false;
    char *end;
    errno = 0;
    double value = strtod(copy, &end);
    if (*end || (errno == ERANGE && isinf(value))) return false;
    *out = value;
    return true;
}

bool hone__parse_integer(const char *text, int64_t *out) {
    if (!text || !*text || isspace((unsigned char)text[0])) return false;
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (*end || errno) return false;
    *out = value;
    return true;
}

bool hone__ends_with(const char *text, const char *end) {
    size_t text_length = strlen(text), end_length = strlen(end);
    return text_length >= end_length && strcmp(text + text_length - end_length, end) == 0;
}

void hone__list_add(char *list, size_t size, const char *item) {
    static const char more[] = "…";
    size_t used = strlen(list);
    if (hone__ends_with(list, more)) return;
    const char *separator = used > 0 ? ", " : "";
    bool has_room = used + strlen(separator) + strlen(item) + strlen(", ") + sizeof more <= size;
    snprintf(list + used, size - used, "%s%s", separator, has_room ? item : more);
}

void hone__snake_case(char *out, size_t out_size, const char *class_name) {
    size_t n = 0, length = strlen(class_name);
    for (size_t i = 0; i < length && n + 2 < out_size; i++) {
        char c = class_name[i];
        char before = i > 0 ? class_name[i - 1] : '\0';
        char after = class_name[i + 1];
        bool starts_run = isupper((unsigned char)c) && islower((unsigned char)after);
        bool after_lower = isupper((unsigned char)c) && (islower((unsigned char)before));
        if (i > 0 && (starts_run || after_lower)) out[n++] = '_';
        out[n++] = (char)tolower((unsigned char)c);
    }
    out[n] = '\0';
}

double hone__seconds(void) {
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
