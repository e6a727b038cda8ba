/* SPDX-License-Identifier: Apache-2.0
 *
 * Text of a C program: growing, indenting, and making what comes from outside harmless. */
#include "c_text.h"

#include <ctype.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>

enum { INDENT = 4 };

void hone__c_text_release(hone__c_text *t) {
    hone__free(t->bytes);
    *t = (hone__c_text){0};
}

static bool reserve(hone__c_text *t, size_t more) {
    size_t need;
    if (t->failed || !hone__add(t->length, more, &need) || !hone__add(need, 1, &need) ||
        hone__grow((void **)&t->bytes, &t->capacity, need, 1, NULL) != HONE_OK)
        t->failed = true;
    return !t->failed;
}

static void put_bytes(hone__c_text *t, const char *bytes, size_t length) {
    if (!reserve(t, length)) return;
    if (length > 0) memcpy(t->bytes + t->length, bytes, length);
    t->length += length;
    t->bytes[t->length] = '\0';
}

void hone__c_text_append(hone__c_text *t, const hone__c_text *other) {
    if (other->failed) t->failed = true;
    put_bytes(t, other->bytes, other->length);
}

static void put(hone__c_text *t, const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int length = vsnprintf(NULL, 0, format, again);
    va_end(again);
    if (length < 0) t->failed = true;
    if (t->failed || !reserve(t, (size_t)length)) return;
    vsnprintf(t->bytes + t->length, (size_t)length + 1, format, arguments);
    t->length += (size_t)length;
}

static void put_indent(hone__c_text *t) {
    static const char spaces[] = "                                                ";
    int width = t->indent * INDENT;
    put_bytes(t, spaces, width < (int)sizeof spaces ? (size_t)width : sizeof spaces - 1);
}

void hone__c_put(hone__c_text *t, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    put(t, format, arguments);
    va_end(arguments);
}

void hone__c_line(hone__c_text *t, const char *format, ...) {
    va_list arguments;
    put_indent(t);
    va_start(arguments, format);
    put(t, format, arguments);
    va_end(arguments);
    put_bytes(t, "\n", 1);
}

void hone__c_open(hone__c_text *t, const char *format, ...) {
    va_list arguments;
    put_indent(t);
    va_start(arguments, format);
    put(t, format, arguments);
    va_end(arguments);
    put_bytes(t, " {\n", 3);
    t->indent++;
}

void hone__c_close(hone__c_text *t) {
    t->indent--;
    hone__c_line(t, "}");
}

void hone__c_for(hone__c_text *t, const char *index, size_t count) {
    hone__c_open(t, "for (int32_t %s = 0; %s < %zu; %s++)", index, index, count, index);
}

/* ---- numbers --------------------------------------------------------------------------------------------------- */

/* Nine digits always read back the same (IEEE 754 binary32), seven often do; %g leaves zeros at the end out. */
const char *hone__c_float(char buffer[HONE_C_NUMBER_SIZE], float value) {
    enum { FEWEST = 6, MOST = 9, ROOM = HONE_C_NUMBER_SIZE - 4 };
    for (int digits = FEWEST; digits <= MOST; digits++) {
        snprintf(buffer, ROOM, "%.*g", digits, (double)value);
        if (strtof(buffer, NULL) == value) break;
    }
    /* printf writes the point of the program's locale */
    const struct lconv *conventions = localeconv();
    char point = conventions && conventions->decimal_point && conventions->decimal_point[0]
                     ? conventions->decimal_point[0]
                     : '.';
    bool whole = true;
    for (char *c = buffer; *c; c++) {
        if (*c == point) *c = '.';
        whole = whole && *c != '.' && *c != 'e';
    }
    strcat(buffer, whole ? ".0f" : "f");
    return buffer;
}

const char *hone__c_linear(char buffer[HONE_C_NUMBER_SIZE], const char *name, int64_t factor, int64_t offset) {
    int n = snprintf(buffer, HONE_C_NUMBER_SIZE, "%s", name);
    if (factor != 1) n += snprintf(buffer + n, (size_t)(HONE_C_NUMBER_SIZE - n), " * %lld", (long long)factor);
    if (offset != 0)
        snprintf(buffer + n, (size_t)(HONE_C_NUMBER_SIZE - n), " %c %lld", offset < 0 ? '-' : '+',
                 offset < 0 ? -(long long)offset : (long long)offset);
    return buffer;
}

/* ---- names from outside ---------------------------------------------------------------------------------------- */

static bool is_name_character(char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

void hone__c_identifier(char out[HONE_C_NAME_SIZE], const char *text) {
    static const char prefix[] = "model_";
    size_t n = 0;
    if (!is_name_character(text[0]) || (text[0] >= '0' && text[0] <= '9')) {
        memcpy(out, prefix, sizeof prefix);
        n = sizeof prefix - 1;
    }
    for (size_t i = 0; text[i] && n + 1 < HONE_C_NAME_SIZE; i++) {
        char c = is_name_character(text[i]) ? text[i] : '_';
        if (c == '_' && n > 0 && out[n - 1] == '_') continue;
        out[n++] = c;
    }
    while (n > 0 && out[n - 1] == '_') n--;
    out[n] = '\0';
}

void hone__c_macro(char out[HONE_C_NAME_SIZE], const char *identifier) {
    size_t n = 0;
    for (; identifier[n] && n + 1 < HONE_C_NAME_SIZE; n++)
        out[n] = (char)(identifier[n] >= 'a' && identifier[n] <= 'z' ? identifier[n] - 'a' + 'A' : identifier[n]);
    out[n] = '\0';
}

/* Bytes of the character of UTF-8 at text; 0 where there is none, or ASCII, or one that is not seen or turns the direction
 * of reading: with those a comment can show other code than the compiler sees. */
static size_t harmless_utf8(const char *text) {
    uint32_t code;
    size_t length = hone__utf8_decode(text, SIZE_MAX, &code);
    bool turns = code == 0x61C || (code >= 0x2000 && code < 0x2080) || (code >= 0xFEC0 && code <= 0xFEFF);
    return length > 1 && code >= 0xA0 && !turns ? length : 0;
}

const char *hone__c_comment(char out[HONE_C_COMMENT_SIZE], const char *text) {
    static const char more[] = "...";
    size_t n = 0;
    for (size_t i = 0; text[i];) {
        if (n + 6 + sizeof more > HONE_C_COMMENT_SIZE) {
            memcpy(out + n, more, sizeof more);
            return out;
        }
        char c = text[i], before = n > 0 ? out[n - 1] : ' ';
        size_t length = harmless_utf8(text + i);
        if (length > 0) {
            memcpy(out + n, text + i, length);
            n += length;
            i += length;
            continue;
        }
        i++;
        if ((unsigned char)c < 0x20 || (unsigned char)c >= 0x7F || c == '\\') c = '_';
        bool joins =
            (before == '*' && c == '/') || (before == '/' && (c == '*' || c == '/')) || (before == '?' && c == '?');
        if (joins) out[n++] = ' ';
        out[n++] = c;
    }
    out[n] = '\0';
    return out;
}

/* Three octal digits end an escape whatever follows, which hexadecimal ones do not. */
void hone__c_put_string(hone__c_text *t, const char *text) {
    hone__c_put(t, "\"");
    for (const char *c = text; *c; c++) {
        unsigned char byte = (unsigned char)*c;
        if (*c == '"' || *c == '\\' || *c == '?')
            hone__c_put(t, "\\%c", *c);
        else if (byte < 0x20 || byte >= 0x7F)
            hone__c_put(t, "\\%03o", (unsigned)byte);
        else
            hone__c_put(t, "%c", *c);
    }
    hone__c_put(t, "\"");
}
