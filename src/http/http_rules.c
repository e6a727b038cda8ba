/* SPDX-License-Identifier: Apache-2.0
 *
 * The decisions of the server as functions of texts: which host, which origin, which route, which secret. They know no
 * sockets, so the fuzzer and the unit tests call them as they are. */
#include "http.h"

#include <stdint.h>
#include <string.h>

int hone__http_status_of(hone_status status) {
    switch (status) {
    case HONE_OK: return 200;
    case HONE_ARGUMENT:
    case HONE_FORMAT:
    case HONE_SHAPE: return 400;
    case HONE_NOT_FOUND: return 404;
    case HONE_LIMIT: return 413;
    case HONE_UNSUPPORTED: return 422;
    case HONE_MEMORY:
    case HONE_CANCELLED: return 503;
    case HONE_IO:
    case HONE_NUMERIC:
    case HONE_INTERNAL: break;
    }
    return 500;
}

bool hone__http_same_secret(const char *secret, const char *given) {
    if (!given) return false;
    size_t length = strlen(secret), given_length = strlen(given);
    /* Walks over what was given, whose length the client knows; the secret's own characters decide nothing on the way.
     * */
    unsigned char difference = length != given_length;
    for (size_t i = 0; i < given_length; i++)
        difference |= (unsigned char)(given[i] ^ secret[length > 0 ? i % length : 0]);
    return length > 0 && difference == 0;
}

static char lower(char c) {
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* Whether the length bytes at text are word, in any case. */
static bool is_word(const char *text, size_t length, const char *word) {
    if (strlen(word) != length) return false;
    for (size_t i = 0; i < length; i++)
        if (lower(text[i]) != lower(word[i])) return false;
    return true;
}

bool hone__http_same_word(const char *text, const char *word) {
    return is_word(text, strlen(text), word);
}

bool hone__http_same_start(const char *text, const char *start) {
    size_t length = strlen(start);
    return strlen(text) >= length && is_word(text, length, start);
}

const char *hone__http_target_path(const char *target) {
    size_t scheme = strncmp(target, "http://", 7) == 0 ? 7 : strncmp(target, "https://", 8) == 0 ? 8 : 0;
    const char *path = scheme > 0 ? strchr(target + scheme, '/') : target;
    return path ? path : "/";
}

/* Four numbers below 256 with dots between; the first comes out. */
static bool is_ipv4(const char *text, size_t length, int *first) {
    int numbers = 0, value = -1;
    for (size_t i = 0; i <= length; i++) {
        char c = i < length ? text[i] : '.';
        if (c == '.') {
            if (value < 0) return false;
            if (numbers == 0) *first = value;
            numbers++, value = -1;
        } else if (c >= '0' && c <= '9') {
            value = (value < 0 ? 0 : value) * 10 + (c - '0');
            if (value > 255) return false;
        } else {
            return false;
        }
    }
    return numbers == 4;
}

static bool is_port(const char *text) {
    size_t digits = strspn(text, "0123456789");
    return digits > 0 && digits <= 5 && text[digits] == '\0';
}

bool hone__http_host_allowed(const char *host, const char *const *names, size_t count, bool loopback) {
    if (!host) return false;
    if (*host == '[') {
        const char *end = strchr(host, ']');
        if (!end || (end[1] && !(end[1] == ':' && is_port(end + 2)))) return false;
        size_t length = (size_t)(end - host - 1);
        if (strspn(host + 1, "0123456789abcdefABCDEF:.") != length || length < 2) return false;
        return !loopback || is_word(host + 1, length, "::1");
    }
    size_t length = strcspn(host, ":");
    if (host[length] && !is_port(host + length + 1)) return false;
    int first = 0;
    if (is_ipv4(host, length, &first)) return !loopback || first == 127;
    if (is_word(host, length, "localhost")) return true;
    for (size_t i = 0; i < count; i++)
        if (length > 0 && is_word(host, length, names[i])) return true;
    return false;
}

bool hone__http_origin_allowed(const char *origin, const char *host, bool tls) {
    if (!origin) return true;
    const char *scheme = tls ? "https://" : "http://";
    size_t length = strlen(scheme);
    return host && strncmp(origin, scheme, length) == 0 && is_word(origin + length, strlen(origin) - length, host);
}

bool hone__http_origin_listed(const char *origin, const char *const *list, size_t count) {
    for (size_t i = 0; origin && i < count; i++)
        if (strcmp(list[i], "*") == 0 || is_word(origin, strlen(origin), list[i])) return true;
    return false;
}

bool hone__http_path_matches(const char *pattern, const char *path, const char **segment) {
    *segment = NULL;
    size_t length = strlen(pattern);
    if (length == 0 || pattern[length - 1] != '*') return strcmp(pattern, path) == 0;
    if (length > 1 && pattern[length - 2] == '*') {
        if (strncmp(pattern, path, length - 2) != 0 || path[length - 2] == '\0') return false;
        *segment = path + length - 2;
        return true;
    }
    if (strncmp(pattern, path, length - 1) != 0) return false;
    const char *rest = path + length - 1;
    if (*rest == '\0' || strchr(rest, '/')) return false;
    *segment = rest;
    return true;
}

bool hone__http_etag_listed(const char *list, const char *etag) {
    if (!list) return false;
    size_t length = strlen(etag);
    while (*list) {
        list += strspn(list, " \t,");
        if (*list == '*') return true;
        if (strncmp(list, "W/", 2) == 0) list += 2;
        if (*list != '"') return false;
        const char *end = strchr(list + 1, '"');
        if (!end) return false;
        if ((size_t)(end - list - 1) == length && strncmp(list + 1, etag, length) == 0) return true;
        list = end + 1;
    }
    return false;
}
