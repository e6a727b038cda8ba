/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON read where it lies. Every function first asks whether something went wrong before, so a protocol reads a whole
 * request and looks once at the end. Strings are checked to be UTF-8 when they are passed over, numbers are read
 * exactly: up to 15 digits and powers of ten up to 22 by one multiplication or division of exact doubles (Clinger
 * 1990), all others by the C library. */
#include "serve_internal.h"

#include <math.h>
#include <string.h>

void hone__json_init(hone__json *j, const char *text, size_t size, hone_error *err) {
    *j = (hone__json){.begin = text, .at = text, .end = text + size, .err = err};
    if (size >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) j->at += 3;
}

hone_status hone__json_fail(hone__json *j, hone_status status, const char *format, ...) {
    if (j->failed) return j->err->status;
    va_list arguments;
    va_start(arguments, format);
    char text[HONE_ERROR_MESSAGE_SIZE];
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    hone__set_error(j->err, status, (int64_t)(j->at - j->begin), "%s", text);
    j->failed = true;
    j->at = j->end;
    return status;
}

hone_status hone__json_status(const hone__json *j) {
    return j->failed ? j->err->status : HONE_OK;
}

static void fail_here(hone__json *j, const char *expected) {
    long long place = (long long)(j->at - j->begin);
    if (j->at >= j->end)
        hone__json_fail(j, HONE_FORMAT, "JSON Parse error: the document ends where %s is expected", expected);
    else
        hone__json_fail(j, HONE_FORMAT, "JSON Parse error: byte %lld: expected %s", place, expected);
}

static void skip_blanks(hone__json *j) {
    while (j->at < j->end && (*j->at == ' ' || *j->at == '\n' || *j->at == '\t' || *j->at == '\r')) j->at++;
}

static bool is_digit(const hone__json *j) {
    return j->at < j->end && *j->at >= '0' && *j->at <= '9';
}

char hone__json_peek(hone__json *j) {
    skip_blanks(j);
    if (j->failed || j->at == j->end) return 0;
    char c = *j->at;
    if (c == '-' || (c >= '0' && c <= '9')) return '0';
    if (j->lenient && (c == 'N' || c == 'I')) return '0';
    return c == '{' || c == '[' || c == '"' || c == 't' || c == 'f' || c == 'n' ? c : 0;
}

bool hone__json_open(hone__json *j, char bracket) {
    if (hone__json_peek(j) != bracket) {
        fail_here(j, bracket == '{' ? "an object" : "a list");
    } else if (++j->depth > HONE_SERVE_JSON_DEPTH) {
        hone__json_fail(j, HONE_FORMAT, "JSON Parse error: nested more than %d levels deep", HONE_SERVE_JSON_DEPTH);
    } else {
        j->at++;
    }
    return true;
}

bool hone__json_more(hone__json *j, char bracket, bool *first) {
    skip_blanks(j);
    if (j->failed) return false;
    if (j->at < j->end && *j->at == bracket) {
        j->at++;
        j->depth--;
        return false;
    }
    if (!*first) {
        if (j->at == j->end || *j->at != ',') {
            fail_here(j, bracket == '}' ? "',' or '}'" : "',' or ']'");
            return false;
        }
        j->at++;
    }
    *first = false;
    return true;
}

static int hex_digit(char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
}

/* Four hexadecimal digits, or -1. */
static int32_t hex_unit(const char *at, const char *end) {
    int32_t value = 0;
    if (end - at < 4) return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(at[i]);
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* The character that an escape stands for, behind its backslash; *length is what it takes of the document. -1: none. */
static int32_t escape(const char *at, const char *end, size_t *length) {
    static const char letters[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
    if (at == end) return -1;
    const char *letter = *at ? strchr(letters, *at) : NULL;
    *length = 1;
    if (letter) return (unsigned char)meanings[letter - letters];
    if (*at != 'u') return -1;
    int32_t unit = hex_unit(at + 1, end);
    *length = 5;
    if (unit < 0xD800 || unit > 0xDFFF) return unit;
    if (unit > 0xDBFF || end - at < 7 || at[5] != '\\' || at[6] != 'u') return -1;
    int32_t low = hex_unit(at + 7, end);
    *length = 11;
    return low < 0xDC00 || low > 0xDFFF ? -1 : 0x10000 + ((unit - 0xD800) << 10) + (low - 0xDC00);
}

hone__json_text hone__json_string(hone__json *j) {
    hone__json_text text = {"", 0, false};
    if (hone__json_peek(j) != '"') {
        fail_here(j, "a string");
        return text;
    }
    const char *begin = ++j->at;
    while (j->at < j->end && *j->at != '"') {
        size_t length = 0;
        if ((unsigned char)*j->at < 0x20) {
            fail_here(j, "a control character's escape");
        } else if (*j->at == '\\') {
            text.escaped = true;
            if (escape(j->at + 1, j->end, &length) < 0) fail_here(j, "an escape that JSON has");
            length++;
        } else {
            uint32_t code;
            length = hone__utf8_decode(j->at, (size_t)(j->end - j->at), &code);
            if (length == 0) fail_here(j, "UTF-8");
        }
        if (j->failed) return (hone__json_text){"", 0, false};
        j->at += length;
    }
    if (j->at == j->end) {
        fail_here(j, "the end of a string");
        return (hone__json_text){"", 0, false};
    }
    text.at = begin;
    text.size = (size_t)(j->at++ - begin);
    return text;
}

hone__json_text hone__json_key(hone__json *j) {
    hone__json_text key = hone__json_string(j);
    skip_blanks(j);
    if (j->failed) return key;
    if (j->at == j->end || *j->at != ':')
        fail_here(j, "':'");
    else
        j->at++;
    return key;
}

static size_t encode_utf8(int32_t code, char *out) {
    if (code < 0x80) return out[0] = (char)code, 1;
    if (code < 0x800) return out[0] = (char)(0xC0 | code >> 6), out[1] = (char)(0x80 | (code & 0x3F)), 2;
    size_t n = code < 0x10000 ? 3 : 4;
    out[0] = n == 3 ? (char)(0xE0 | code >> 12) : (char)(0xF0 | code >> 18);
    for (size_t i = 1; i < n; i++) out[i] = (char)(0x80 | (code >> (6 * (n - 1 - i)) & 0x3F));
    return n;
}

bool hone__json_decode(hone__json_text text, char *out, size_t size) {
    size_t used = 0;
    for (size_t i = 0; i < text.size;) {
        char piece[4] = {text.at[i]};
        size_t n = 1, length = 1;
        if (text.at[i] == '\\') {
            int32_t code = escape(text.at + i + 1, text.at + text.size, &length);
            if (code <= 0) return false;
            n = encode_utf8(code, piece);
            length++;
        }
        if (n >= size - used) return false;
        memcpy(out + used, piece, n);
        used += n;
        i += length;
    }
    out[used] = '\0';
    return true;
}

bool hone__json_is(hone__json_text text, const char *word) {
    char decoded[64];
    if (!text.escaped) return text.size == strlen(word) && memcmp(text.at, word, text.size) == 0;
    return hone__json_decode(text, decoded, sizeof decoded) && strcmp(decoded, word) == 0;
}

static bool take_word(hone__json *j, const char *word) {
    size_t length = strlen(word);
    if ((size_t)(j->end - j->at) < length || memcmp(j->at, word, length) != 0) return false;
    j->at += length;
    return true;
}

/* Digits up to the first that is none: the first 19 count into *mantissa, *dropped is how many did not. */
static int digits(hone__json *j, uint64_t *mantissa, int *used, int *dropped) {
    int count = 0;
    for (; is_digit(j); j->at++, count += count < 100000) {
        if (*used < 19) {
            *mantissa = *mantissa * 10 + (uint64_t)(*j->at - '0');
            *used += *mantissa > 0;
        } else {
            *dropped += *dropped < 100000;
        }
    }
    return count;
}

static double slow_number(hone__json *j, const char *begin) {
    char copy[64];
    size_t length = (size_t)(j->at - begin);
    double value = 0;
    if (length >= sizeof copy) {
        hone__json_fail(j, HONE_FORMAT, "JSON Parse error: a number of %zu characters", length);
        return 0;
    }
    memcpy(copy, begin, length);
    copy[length] = '\0';
    if (!hone__parse_double(copy, &value))
        hone__json_fail(j, HONE_FORMAT, "JSON Parse error: the number %s is too large", copy);
    return value;
}

static const double powers[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,  1e8,  1e9,  1e10, 1e11,
                                1e12, 1e13, 1e14, 1e15, 1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};

/* What nearly all numbers of a request are: a sign, at most 15 digits, perhaps a point among them. False, and nothing is
 * passed over: it is another one, or none. */
static bool plain_number(hone__json *j, double *value, bool *whole) {
    enum { MOST = 15 };
    const char *at = j->at;
    bool negative = *at == '-';
    if (negative) at++;
    const char *begin = at, *end = j->end - at > MOST + 2 ? at + MOST + 2 : j->end; /* digits, a point, what follows */
    uint64_t mantissa = 0;
    for (; at < end && *at >= '0' && *at <= '9'; at++) mantissa = mantissa * 10 + (uint64_t)(*at - '0');
    size_t before = (size_t)(at - begin), after = 0;
    *whole = at == end || *at != '.';
    if (!*whole) {
        const char *point = at++;
        for (; at < end && *at >= '0' && *at <= '9'; at++) mantissa = mantissa * 10 + (uint64_t)(*at - '0');
        after = (size_t)(at - point) - 1;
        if (after == 0) return false;
    }
    if (before == 0 || (before > 1 && *begin == '0') || before + after > MOST) return false;
    if (at == end ? at != j->end : *at == 'e' || *at == 'E') return false;
    j->at = at;
    *value = (double)mantissa / powers[after];
    if (negative) *value = -*value;
    return true;
}

double hone__json_number(hone__json *j, bool *is_integer) {
    double value;
    bool whole = true;
    if (is_integer) *is_integer = false;
    if (hone__json_peek(j) != '0') {
        fail_here(j, "a number");
        return 0;
    }
    if (plain_number(j, &value, &whole)) {
        if (is_integer) *is_integer = whole;
        return value;
    }
    whole = true;
    const char *begin = j->at;
    bool negative = *j->at == '-';
    if (negative) j->at++;
    if (j->lenient && take_word(j, "Infinity")) return negative ? -INFINITY : INFINITY;
    if (j->lenient && !negative && take_word(j, "NaN")) return NAN;
    uint64_t mantissa = 0;
    int used = 0, dropped = 0, exponent = 0;
    bool leading_zero = is_digit(j) && *j->at == '0';
    int before = digits(j, &mantissa, &used, &dropped);
    if (before == 0 || (leading_zero && before > 1)) {
        fail_here(j, "a number");
        return 0;
    }
    exponent = dropped;
    if (j->at < j->end && *j->at == '.') {
        j->at++;
        whole = false;
        int dropped_before = dropped, after = digits(j, &mantissa, &used, &dropped);
        if (after == 0) fail_here(j, "a digit");
        exponent -= after - (dropped - dropped_before);
    }
    if (j->at < j->end && (*j->at == 'e' || *j->at == 'E')) {
        uint64_t power = 0;
        int power_used = 0, power_dropped = 0;
        whole = false;
        j->at++;
        bool down = j->at < j->end && *j->at == '-';
        if (j->at < j->end && (*j->at == '-' || *j->at == '+')) j->at++;
        if (digits(j, &power, &power_used, &power_dropped) == 0) fail_here(j, "a digit");
        int step = power > 9999 || power_dropped > 0 ? 9999 : (int)power;
        exponent += down ? -step : step;
    }
    if (j->failed) return 0;
    if (is_integer) *is_integer = whole;
    value = (double)mantissa;
    if (dropped > 0 || mantissa > (uint64_t)1 << 53 || exponent < -22 || exponent > 22)
        return mantissa == 0 && dropped == 0 ? (negative ? -0.0 : 0.0) : slow_number(j, begin);
    value = exponent < 0 ? value / powers[-exponent] : value * powers[exponent];
    return negative ? -value : value;
}

int64_t hone__json_integer(hone__json *j, const char *what) {
    bool whole;
    double value = hone__json_number(j, &whole);
    /* Every whole number up to 2^53 is its double. */
    if (!j->failed && (!whole || fabs(value) > 9007199254740992.0))
        hone__json_fail(j, HONE_ARGUMENT, "%s is no whole number", what);
    return j->failed ? 0 : (int64_t)value;
}

bool hone__json_boolean(hone__json *j) {
    char next = hone__json_peek(j);
    if (next == 't' && take_word(j, "true")) return true;
    if (next != 'f' || !take_word(j, "false")) fail_here(j, "true or false");
    return false;
}

void hone__json_skip(hone__json *j) {
    bool first;
    switch (hone__json_peek(j)) {
    case '{':
        for (first = hone__json_open(j, '{'); hone__json_more(j, '}', &first);) {
            hone__json_key(j);
            hone__json_skip(j);
        }
        return;
    case '[':
        for (first = hone__json_open(j, '['); hone__json_more(j, ']', &first);) hone__json_skip(j);
        return;
    case '"': hone__json_string(j); return;
    case '0': hone__json_number(j, NULL); return;
    case 't':
    case 'f': hone__json_boolean(j); return;
    case 'n':
        if (take_word(j, "null")) return;
        break;
    default: break;
    }
    fail_here(j, "a value");
}

/* One level of a tensor; stride is the number of elements behind each of its items. */
static void read_level(hone__json *j, const int64_t *dims, int rank, int level, float *out, size_t stride) {
    char next = hone__json_peek(j);
    if (level == rank) {
        if (next != '0')
            hone__json_fail(j, HONE_ARGUMENT, "expected a number at level %d of the tensor%s", level,
                            next == '[' ? ", which has no such level" : "");
        else
            out[0] = (float)hone__json_number(j, NULL);
        return;
    }
    if (next != '[') {
        if (next)
            hone__json_fail(j, HONE_ARGUMENT, "expected a list of %lld at level %d of the tensor",
                            (long long)dims[level], level);
        else
            fail_here(j, "a list");
        return;
    }
    int64_t count = 0;
    for (bool first = hone__json_open(j, '['); hone__json_more(j, ']', &first); count++) {
        if (count == dims[level]) break;
        size_t below = level + 1 < rank ? stride / (size_t)dims[level + 1] : 1;
        read_level(j, dims, rank, level + 1, out + (size_t)count * stride, below);
    }
    if (!j->failed && (count != dims[level] || j->at[-1] != ']'))
        hone__json_fail(j, HONE_ARGUMENT, "a list at level %d of the tensor has %s%lld items, expected %lld", level,
                        j->at[-1] == ']' ? "" : "more than ", (long long)count, (long long)dims[level]);
}

void hone__json_tensor(hone__json *j, const int64_t *dims, int rank, float *out) {
    size_t stride = 1;
    for (int i = 1; i < rank; i++) stride *= (size_t)dims[i];
    read_level(j, dims, rank, 0, out, stride);
}
