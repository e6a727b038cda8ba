/* SPDX-License-Identifier: Apache-2.0
 *
 * Trees of plain values. Members of an object are kept in order in an array: configurations have tens of keys, not
 * thousands, and order is what a reader of the file sees. */
#include "core_internal.h"

#include <math.h>
#include <string.h>

struct hone_value {
    hone_value_kind kind;
    bool failed; /* a setter ran out of memory below here */
    union {
        bool boolean;
        int64_t integer;
        double real;
        char *string;
    } as;
    hone_value **items;
    char **keys; /* objects */
    size_t count, item_capacity, key_capacity;
};

static hone_value *create(hone_value_kind kind) {
    hone_value *value = hone__alloc(1, sizeof *value);
    if (value) value->kind = kind;
    return value;
}

hone_value *hone_value_null(void) {
    return create(HONE_VALUE_NULL);
}

hone_value *hone_value_boolean(bool boolean) {
    hone_value *value = create(HONE_VALUE_BOOLEAN);
    if (value) value->as.boolean = boolean;
    return value;
}

hone_value *hone_value_integer(int64_t integer) {
    hone_value *value = create(HONE_VALUE_INTEGER);
    if (value) value->as.integer = integer;
    return value;
}

hone_value *hone_value_real(double real) {
    hone_value *value = create(HONE_VALUE_REAL);
    if (value) value->as.real = real;
    return value;
}

hone_value *hone_value_string(const char *string) {
    if (!string) return hone_value_null();
    hone_value *value = create(HONE_VALUE_STRING);
    if (!value) return NULL;
    value->as.string = hone__strdup(string);
    if (value->as.string) return value;
    hone__free(value);
    return NULL;
}

hone_value *hone_value_list(void) {
    return create(HONE_VALUE_LIST);
}

hone_value *hone_value_object(void) {
    return create(HONE_VALUE_OBJECT);
}

hone_value *hone_value_integers(const int64_t *values, size_t count) {
    hone_value *list = hone_value_list();
    for (size_t i = 0; i < count; i++) hone_value_append(list, hone_value_integer(values[i]));
    if (!hone_value_failed(list)) return list;
    hone_value_free(list);
    return NULL;
}

hone_value *hone_value_copy(const hone_value *value) {
    if (!value) return NULL;
    if (value->kind == HONE_VALUE_STRING) return hone_value_string(value->as.string);
    hone_value *copy = create(value->kind);
    if (!copy) return NULL;
    copy->as = value->as;
    for (size_t i = 0; i < value->count; i++) {
        hone_value *child = hone_value_copy(value->items[i]);
        hone_status status = value->kind == HONE_VALUE_OBJECT ? hone_value_set(copy, value->keys[i], child)
                                                              : hone_value_append(copy, child);
        if (status != HONE_OK) {
            hone_value_free(copy);
            return NULL;
        }
    }
    return copy;
}

void hone_value_free(hone_value *value) {
    if (!value) return;
    for (size_t i = 0; i < value->count; i++) {
        hone_value_free(value->items[i]);
        if (value->keys) hone__free(value->keys[i]);
    }
    if (value->kind == HONE_VALUE_STRING) hone__free(value->as.string);
    hone__free(value->items);
    hone__free(value->keys);
    hone__free(value);
}

static hone_status refuse(hone_value *parent, hone_value *child) {
    hone_value_free(child);
    if (parent) parent->failed = true;
    return HONE_MEMORY;
}

hone_status hone_value_set(hone_value *object, const char *key, hone_value *child) {
    if (!object || object->kind != HONE_VALUE_OBJECT || !child || child->failed) return refuse(object, child);
    for (size_t i = 0; i < object->count; i++) {
        if (strcmp(object->keys[i], key) != 0) continue;
        hone_value_free(object->items[i]);
        object->items[i] = child;
        return HONE_OK;
    }
    size_t need = object->count + 1;
    char *name = hone__strdup(key);
    if (!name ||
        hone__grow((void **)&object->items, &object->item_capacity, need, sizeof *object->items, NULL) != HONE_OK ||
        hone__grow((void **)&object->keys, &object->key_capacity, need, sizeof *object->keys, NULL) != HONE_OK) {
        hone__free(name);
        return refuse(object, child);
    }
    object->keys[object->count] = name;
    object->items[object->count++] = child;
    return HONE_OK;
}

hone_status hone_value_append(hone_value *list, hone_value *child) {
    if (!list || list->kind != HONE_VALUE_LIST || !child || child->failed) return refuse(list, child);
    if (hone__grow((void **)&list->items, &list->item_capacity, list->count + 1, sizeof *list->items, NULL) != HONE_OK)
        return refuse(list, child);
    list->items[list->count++] = child;
    return HONE_OK;
}

bool hone_value_failed(const hone_value *value) {
    return !value || value->failed;
}

hone_status hone_value_set_boolean(hone_value *object, const char *key, bool value) {
    return hone_value_set(object, key, hone_value_boolean(value));
}

hone_status hone_value_set_integer(hone_value *object, const char *key, int64_t value) {
    return hone_value_set(object, key, hone_value_integer(value));
}

hone_status hone_value_set_real(hone_value *object, const char *key, double value) {
    return hone_value_set(object, key, hone_value_real(value));
}

hone_status hone_value_set_string(hone_value *object, const char *key, const char *value) {
    return hone_value_set(object, key, hone_value_string(value));
}

hone_status hone_value_set_null(hone_value *object, const char *key) {
    return hone_value_set(object, key, hone_value_null());
}

hone_value_kind hone_value_kind_of(const hone_value *value) {
    return value ? value->kind : HONE_VALUE_NULL;
}

size_t hone_value_count(const hone_value *value) {
    return value ? value->count : 0;
}

const hone_value *hone_value_at(const hone_value *list, size_t index) {
    return list && index < list->count ? list->items[index] : NULL;
}

const char *hone_value_key_at(const hone_value *object, size_t index) {
    return object && object->kind == HONE_VALUE_OBJECT && index < object->count ? object->keys[index] : NULL;
}

const hone_value *hone_value_get(const hone_value *object, const char *key) {
    if (!object || object->kind != HONE_VALUE_OBJECT) return NULL;
    for (size_t i = 0; i < object->count; i++)
        if (strcmp(object->keys[i], key) == 0) return object->items[i];
    return NULL;
}

bool hone_value_as_boolean(const hone_value *value, bool *out) {
    if (!value || value->kind != HONE_VALUE_BOOLEAN) return false;
    *out = value->as.boolean;
    return true;
}

bool hone_value_as_integer(const hone_value *value, int64_t *out) {
    if (!value) return false;
    if (value->kind == HONE_VALUE_INTEGER) {
        *out = value->as.integer;
        return true;
    }
    /* Doubles hold every integer up to 2^53. */
    if (value->kind != HONE_VALUE_REAL || !(fabs(value->as.real) <= 0x1p53) || value->as.real != floor(value->as.real))
        return false;
    *out = (int64_t)value->as.real;
    return true;
}

bool hone_value_as_real(const hone_value *value, double *out) {
    if (!value) return false;
    if (value->kind == HONE_VALUE_REAL)
        *out = value->as.real;
    else if (value->kind == HONE_VALUE_INTEGER)
        *out = (double)value->as.integer;
    else
        return false;
    return true;
}

const char *hone_value_as_string(const hone_value *value) {
    return value && value->kind == HONE_VALUE_STRING ? value->as.string : NULL;
}

bool hone_value_equal(const hone_value *a, const hone_value *b) {
    double x, y;
    if (hone_value_as_real(a, &x) && hone_value_as_real(b, &y)) return x == y;
    if (hone_value_kind_of(a) != hone_value_kind_of(b)) return false;
    if (!a || !b) return true; /* NULL is null */
    switch (a->kind) {
    case HONE_VALUE_BOOLEAN: return a->as.boolean == b->as.boolean;
    case HONE_VALUE_STRING: return strcmp(a->as.string, b->as.string) == 0;
    case HONE_VALUE_LIST:
        if (a->count != b->count) return false;
        for (size_t i = 0; i < a->count; i++)
            if (!hone_value_equal(a->items[i], b->items[i])) return false;
        return true;
    case HONE_VALUE_OBJECT:
        if (a->count != b->count) return false;
        for (size_t i = 0; i < a->count; i++) {
            const hone_value *other = hone_value_get(b, a->keys[i]);
            if (!other || !hone_value_equal(a->items[i], other)) return false;
        }
        return true;
    case HONE_VALUE_NULL:
    case HONE_VALUE_INTEGER:
    case HONE_VALUE_REAL: return true;
    }
    return false;
}
