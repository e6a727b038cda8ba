/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON text to hone_value and back. Jansson reads; the printer is ours because Keras' files want Python's spelling:
 * ", " and ": ", the shortest digits that read back as the same double, 1.0 never as 1. */
#include "format_internal.h"

#include <math.h>
#include <string.h>

#if HONE_WITH_JANSSON
#include <jansson.h>
#endif

/* ---- reading --------------------------------------------------------------------------------------------------- */

#if HONE_WITH_JANSSON

/* Jansson recurses up to 2048 levels and so do we afterwards: nesting is measured first, on the bare text. */
static hone_status check_depth(const char *text, size_t length, hone_error *err) {
    size_t depth = 0, line = 1, line_start = 0;
    bool in_string = false;
    for (size_t i = 0; i < length; i++) {
        char c = text[i];
        if (c == '\n') {
            line++;
            line_start = i + 1;
        }
        if (in_string) {
            if (c == '\\') i++;
            if (c == '"') in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > HONE_MAX_JSON_DEPTH)
                return hone__fail_at(err, HONE_LIMIT, (int64_t)i,
                                     "json, line %zu, column %zu: nested more than %d levels deep", line,
                                     i - line_start + 1, HONE_MAX_JSON_DEPTH);
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return HONE_OK;
}

static hone_value *convert(json_t *json) {
    switch (json_typeof(json)) {
    case JSON_OBJECT: {
        hone_value *object = hone_value_object();
        const char *key;
        json_t *child;
        json_object_foreach(json, key, child) {
            if (hone_value_set(object, key, convert(child))) break;
        }
        return object;
    }
    case JSON_ARRAY: {
        hone_value *list = hone_value_list();
        for (size_t i = 0; i < json_array_size(json); i++)
            if (hone_value_append(list, convert(json_array_get(json, i)))) break;
        return list;
    }
    case JSON_STRING: return hone_value_string(json_string_value(json));
    case JSON_INTEGER: return hone_value_integer(json_integer_value(json));
    case JSON_REAL: return hone_value_real(json_real_value(json));
    case JSON_TRUE: return hone_value_boolean(true);
    case JSON_FALSE: return hone_value_boolean(false);
    case JSON_NULL: break;
    }
    return hone_value_null();
}

hone_status hone_json_parse(hone_value **out, const char *text, size_t length, hone_error *err) {
    *out = NULL;
    if (length > HONE_MAX_JSON_BYTES)
        HONE_FAIL(err, HONE_LIMIT, "json: %zu bytes, more than the %d that are read", length, HONE_MAX_JSON_BYTES);
    if (length >= 3 && memcmp(text, "\xEF\xBB\xBF", 3) == 0) { /* a byte order mark, as Windows' editors put it */
        text += 3;
        length -= 3;
    }
    HONE_TRY(check_depth(text, length, err));

    json_error_t why;
    json_t *json = json_loadb(text, length, JSON_DECODE_ANY, &why);
    if (!json) {
        if (json_error_code(&why) == json_error_out_of_memory) return hone__fail_memory(err, length, "json");
        return hone__fail_at(err, HONE_FORMAT, why.position, "json, line %d, column %d: %s", why.line, why.column,
                             why.text);
    }
    hone_value *value = convert(json);
    json_decref(json);
    if (hone_value_failed(value)) {
        hone_value_free(value);
        return hone__fail_memory(err, length, "json");
    }
    *out = value;
    return HONE_OK;
}

#else

hone_status hone_json_parse(hone_value **out, const char *text, size_t length, hone_error *err) {
    (void)text, (void)length;
    *out = NULL;
    HONE_FAIL(err, HONE_UNSUPPORTED, "json: this build of hone reads none (HONE_WITH_JANSSON is off)");
}

#endif

/* ---- printing -------------------------------------------------------------------------------------------------- */

/* Text that grows. The first failure sticks and is told once, at the end. */
typedef struct printer {
    char *text;
    size_t length, capacity;
    int indent;
    bool ascii;
    hone_status failed;
} printer;

static void put(printer *p, const char *text, size_t length) {
    if (p->failed) return;
    size_t need;
    if (!hone__add(p->length, length, &need) || !hone__add(need, 1, &need)) {
        p->failed = HONE_MEMORY;
        return;
    }
    if (need > p->capacity) {
        void *array = p->text;
        p->failed = hone__grow(&array, &p->capacity, need, 1, NULL);
        if (p->failed) return;
        p->text = array;
    }
    memcpy(p->text + p->length, text, length);
    p->length += length;
    p->text[p->length] = '\0';
}

static void put_text(printer *p, const char *text) {
    put(p, text, strlen(text));
}

static void put_string(printer *p, const char *text) {
    char escape[HONE_JSON_ESCAPE];
    const char *piece;
    put(p, "\"", 1);
    for (size_t n; (n = hone__json_piece(&text, p->ascii, escape, &piece)) > 0;) put(p, piece, n);
    put(p, "\"", 1);
}

static void put_line(printer *p, int depth) {
    if (p->indent <= 0) return;
    put(p, "\n", 1);
    for (int i = 0; i < depth * p->indent; i++) put(p, " ", 1);
}

static void put_value(printer *p, const hone_value *value, int depth) {
    if (p->failed) return;
    if (depth > HONE_MAX_JSON_DEPTH) {
        p->failed = HONE_LIMIT;
        return;
    }
    hone_value_kind kind = hone_value_kind_of(value);
    switch (kind) {
    case HONE_VALUE_NULL: put_text(p, "null"); return;
    case HONE_VALUE_BOOLEAN: {
        bool boolean = false;
        hone_value_as_boolean(value, &boolean);
        put_text(p, boolean ? "true" : "false");
        return;
    }
    case HONE_VALUE_INTEGER: {
        int64_t integer = 0;
        char text[HONE_NUMBER_SIZE];
        hone_value_as_integer(value, &integer);
        snprintf(text, sizeof text, "%lld", (long long)integer);
        put_text(p, text);
        return;
    }
    case HONE_VALUE_REAL: {
        double real = 0;
        char text[HONE_NUMBER_SIZE];
        hone_value_as_real(value, &real);
        put_text(p, isfinite(real) ? hone__format_double(text, real) : "null");
        return;
    }
    case HONE_VALUE_STRING: put_string(p, hone_value_as_string(value)); return;
    case HONE_VALUE_LIST:
    case HONE_VALUE_OBJECT: break;
    }
    bool object = kind == HONE_VALUE_OBJECT;
    size_t count = hone_value_count(value);
    put(p, object ? "{" : "[", 1);
    for (size_t i = 0; i < count; i++) {
        if (i > 0) put_text(p, p->indent > 0 ? "," : ", ");
        put_line(p, depth + 1);
        if (object) {
            put_string(p, hone_value_key_at(value, i));
            put_text(p, ": ");
        }
        put_value(p, hone_value_at(value, i), depth + 1);
    }
    if (count > 0) put_line(p, depth);
    put(p, object ? "}" : "]", 1);
}

hone_status hone_json_print(char **out, const hone_value *value, int indent, bool ascii, hone_error *err) {
    *out = NULL;
    printer p = {.indent = indent, .ascii = ascii};
    put_value(&p, value, 0);
    if (p.failed) {
        hone__free(p.text);
        if (p.failed == HONE_LIMIT)
            HONE_FAIL(err, HONE_LIMIT, "json: a value nested more than %d levels deep", HONE_MAX_JSON_DEPTH);
        return hone__fail_memory(err, p.length, "json text");
    }
    *out = p.text;
    return HONE_OK;
}

void hone_json_free(char *text) {
    hone__free(text);
}
