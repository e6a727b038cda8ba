/* SPDX-License-Identifier: Apache-2.0
 *
 * multipart/form-data (RFC 7578) in memory: the files of a form, where they lie in the body. */
#include "serve_internal.h"

#include <string.h>

enum { MAX_BOUNDARY = 70, MAX_PART_HEADERS = 4096 };

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool begins(const char *text, size_t size, const char *word) {
    size_t n = strlen(word);
    if (size < n) return false;
    for (size_t i = 0; i < n; i++)
        if (lower(text[i]) != word[i]) return false;
    return true;
}

static const char *find(const char *text, size_t size, const char *what, size_t length) {
    for (const char *end = text + size; (size_t)(end - text) >= length; text++) {
        text = memchr(text, what[0], (size_t)(end - text) - length + 1);
        if (!text) return NULL;
        if (memcmp(text, what, length) == 0) return text;
    }
    return NULL;
}

/* The value of NAME=value or NAME="value" in a header; false where it has none. */
static bool parameter(const char *text, size_t size, const char *name, char *out, size_t room) {
    size_t length = strlen(name);
    bool quoted = false;
    for (size_t i = 0; i + length + 1 <= size; i++) {
        if (text[i] == '"') quoted = !quoted;
        if (quoted || !begins(text + i, size - i, name) || text[i + length] != '=') continue;
        if (i > 0 && text[i - 1] != ';' && text[i - 1] != ' ' && text[i - 1] != '\t') continue;
        const char *at = text + i + length + 1, *end = text + size;
        bool in_quotes = at < end && *at == '"';
        size_t used = 0;
        if (in_quotes) at++;
        while (at < end && (in_quotes ? *at != '"' : *at != ';' && *at != ' ')) {
            if (in_quotes && *at == '\\' && at + 1 < end) at++;
            if (used + 1 < room) out[used++] = *at;
            at++;
        }
        out[used] = '\0';
        return true;
    }
    return false;
}

/* A name for answers and logs, nothing else: bytes that are no UTF-8 text are replaced. */
static void tidy(char *name) {
    uint32_t code;
    for (size_t n; *name; name += n > 0 ? n : 1) {
        n = hone__utf8_decode(name, SIZE_MAX, &code);
        if (n == 0 || code < 0x20 || (code >= 0x7F && code < 0xA0)) memset(name, '?', n > 0 ? n : 1);
    }
}

/* Looks at the headers of a part: whether it is a file, and its name. */
static bool is_file(const char *headers, size_t size, char *name, size_t room) {
    bool has_name = false, is_picture = false;
    while (size > 0) {
        const char *end = find(headers, size, "\r\n", 2);
        size_t length = end ? (size_t)(end - headers) : size;
        if (begins(headers, length, "content-disposition:"))
            has_name = parameter(headers, length, "filename", name, room);
        if (begins(headers, length, "content-type:")) {
            const char *type = headers + strlen("content-type:");
            while (type < headers + length && *type == ' ') type++;
            is_picture = begins(type, (size_t)(headers + length - type), "image/");
        }
        size_t step = end ? length + 2 : length;
        headers += step;
        size -= step;
    }
    if (!has_name) *name = '\0';
    tidy(name);
    return has_name || is_picture;
}

hone_status hone__multipart_files(const char *type, const char *body, size_t size, hone__picture *out, size_t room,
                                  size_t *count, hone_error *err) {
    char delimiter[MAX_BOUNDARY + 8] = "\r\n--", *boundary = delimiter + 4;
    *count = 0;
    if (!parameter(type, strlen(type), "boundary", boundary, MAX_BOUNDARY + 2) || !*boundary ||
        strlen(boundary) > MAX_BOUNDARY)
        HONE_FAIL(err, HONE_FORMAT, "multipart/form-data without a boundary");
    size_t length = strlen(delimiter);
    /* The first delimiter may stand at the very beginning, without its line end. */
    const char *end = body + size, *at;
    if (size >= length - 2 && memcmp(body, delimiter + 2, length - 2) == 0)
        at = body + length - 2;
    else if ((at = find(body, size, delimiter, length)))
        at += length;
    else
        HONE_FAIL(err, HONE_FORMAT, "multipart/form-data without any part");
    while (end - at < 2 || memcmp(at, "--", 2) != 0) {
        while (at < end && (*at == ' ' || *at == '\t')) at++;
        if (end - at < 2 || memcmp(at, "\r\n", 2) != 0) HONE_FAIL(err, HONE_FORMAT, "multipart/form-data is cut off");
        const char *headers = at + 2;
        size_t left = (size_t)(end - headers);
        /* A part without headers has its empty line at once. */
        bool bare = left >= 2 && memcmp(headers, "\r\n", 2) == 0;
        const char *data = bare ? headers : find(headers, left, "\r\n\r\n", 4);
        if (!data || data - headers > MAX_PART_HEADERS)
            HONE_FAIL(err, HONE_FORMAT, "multipart/form-data: a part's headers have no end");
        const char *begin = data + (bare ? 2 : 4), *next = find(begin, (size_t)(end - begin), delimiter, length);
        if (!next) HONE_FAIL(err, HONE_FORMAT, "multipart/form-data is cut off");
        hone__picture picture = {.data = (const unsigned char *)begin, .size = (size_t)(next - begin)};
        if (is_file(headers, (size_t)(data - headers), picture.file, sizeof picture.file)) {
            if (*count == room) HONE_FAIL(err, HONE_LIMIT, "more than %zu files in one request", room);
            out[(*count)++] = picture;
        }
        at = next + length;
    }
    return HONE_OK;
}
