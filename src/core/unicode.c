/* SPDX-License-Identifier: Apache-2.0
 *
 * Characters of UTF-8, and text as it stands in a JSON string: for everybody who writes JSON. Names of files and messages
 * of other libraries may hold any bytes; what is written must be JSON all the same. */
#include "core_internal.h"

size_t hone__utf8_decode(const char *text, size_t left, uint32_t *code) {
    static const uint32_t least[5] = {0, 0, 0x80, 0x800, 0x10000};
    const unsigned char *s = (const unsigned char *)text;
    *code = HONE_NO_CHARACTER;
    if (left == 0) return 0;
    size_t n = s[0] < 0x80 ? 1 : (s[0] & 0xE0) == 0xC0 ? 2 : (s[0] & 0xF0) == 0xE0 ? 3 : (s[0] & 0xF8) == 0xF0 ? 4 : 0;
    if (n == 0 || n > left) return 0;
    uint32_t value = n == 1 ? s[0] : s[0] & (0x7Fu >> n);
    for (size_t i = 1; i < n; i++) {
        if ((s[i] & 0xC0) != 0x80) return 0; /* the terminating zero ends up here too */
        value = value << 6 | (s[i] & 0x3Fu);
    }
    if (value < least[n] || value > 0x10FFFF || (value >= 0xD800 && value < 0xE000)) return 0;
    *code = value;
    return n;
}

bool hone__has_control(const char *text) {
    for (const unsigned char *c = (const unsigned char *)text; *c; c++)
        if (*c < 0x20 || *c == 0x7F || (*c == 0xC2 && c[1] >= 0x80 && c[1] < 0xA0)) return true;
    return false;
}

/* What JSON takes as it is. */
static bool is_plain(uint32_t code, bool ascii) {
    return code >= 0x20 && code != '"' && code != '\\' && !(ascii && code >= 0x7F);
}

static const char *short_escape(uint32_t code) {
    switch (code) {
    case '"': return "\\\"";
    case '\\': return "\\\\";
    case '\n': return "\\n";
    case '\r': return "\\r";
    case '\t': return "\\t";
    case '\b': return "\\b";
    case '\f': return "\\f";
    default: return NULL;
    }
}

size_t hone__json_piece(const char **text, bool ascii, char escape[HONE_JSON_ESCAPE], const char **piece) {
    const char *begin = *text, *at = begin;
    uint32_t code = HONE_NO_CHARACTER;
    size_t n = 0;
    while (*at && (n = hone__utf8_decode(at, SIZE_MAX, &code)) > 0 && is_plain(code, ascii)) at += n;
    *text = at;
    *piece = begin;
    if (at > begin || !*at) return (size_t)(at - begin);
    *text += n > 0 ? n : 1;
    *piece = escape;
    const char *usual = short_escape(code);
    if (usual) return (size_t)snprintf(escape, HONE_JSON_ESCAPE, "%s", usual);
    if (n == 0 && !ascii) return (size_t)snprintf(escape, HONE_JSON_ESCAPE, "\xEF\xBF\xBD");
    if (code < 0x10000) return (size_t)snprintf(escape, HONE_JSON_ESCAPE, "\\u%04x", (unsigned)(code & 0xFFFF));
    return (size_t)snprintf(escape, HONE_JSON_ESCAPE, "\\u%04x\\u%04x", (unsigned)(0xD800 + ((code - 0x10000) >> 10)),
                            (unsigned)(0xDC00 + ((code - 0x10000) & 0x3FF)));
}
