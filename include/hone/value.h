/* SPDX-License-Identifier: Apache-2.0
 *
 * A tree of plain values (null, boolean, integer, real, string, list, object): what a layer's configuration, a
 * model's record or a run's state is before it becomes JSON. It keeps the core of the library free of any JSON
 * library; <hone/format.h> turns it into text and back.
 *
 * Ownership: a child belongs to its parent. Free the root and all of it goes. Objects keep the order of insertion
 * and hold each key once. Strings are UTF-8, copied on the way in. */
#ifndef HONE_VALUE_H
#define HONE_VALUE_H

#include <hone/status.h>
#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef enum hone_value_kind {
    HONE_VALUE_NULL,
    HONE_VALUE_BOOLEAN,
    HONE_VALUE_INTEGER,
    HONE_VALUE_REAL,
    HONE_VALUE_STRING,
    HONE_VALUE_LIST,
    HONE_VALUE_OBJECT
} hone_value_kind;

typedef struct hone_value hone_value;

/* Constructors return NULL when memory runs out. */
HONE_API hone_value *hone_value_null(void);
HONE_API hone_value *hone_value_boolean(bool value);
HONE_API hone_value *hone_value_integer(int64_t value);
HONE_API hone_value *hone_value_real(double value);
HONE_API hone_value *hone_value_string(const char *value);
HONE_API hone_value *hone_value_list(void);
HONE_API hone_value *hone_value_object(void);
/* [values[0], …, values[count - 1]] */
HONE_API hone_value *hone_value_integers(const int64_t *values, size_t count);
HONE_API hone_value *hone_value_copy(const hone_value *value);
HONE_API void hone_value_free(hone_value *value);

/* Put child into object under key (replacing), or at the end of list. They take ownership of child even when they
 * fail, and a NULL child counts as a failed allocation, so a tree can be built from nested calls and checked at the
 * end: once a setter has failed on a tree node, hone_value_failed() of that node is true and stays so.
 * Return HONE_MEMORY on failure. A NULL object or list is allowed: child is freed, HONE_MEMORY returned. */
HONE_API hone_status hone_value_set(hone_value *object, const char *key, hone_value *child);
HONE_API hone_status hone_value_append(hone_value *list, hone_value *child);
HONE_API bool hone_value_failed(
    const hone_value *value); /* true also for NULL and for a failed descendant set before */

HONE_API hone_status hone_value_set_boolean(hone_value *object, const char *key, bool value);
HONE_API hone_status hone_value_set_integer(hone_value *object, const char *key, int64_t value);
HONE_API hone_status hone_value_set_real(hone_value *object, const char *key, double value);
HONE_API hone_status hone_value_set_string(hone_value *object, const char *key, const char *value); /* NULL: null */
HONE_API hone_status hone_value_set_null(hone_value *object, const char *key);

/* Looking. All of these take NULL and wrong kinds and then say "nothing". */
HONE_API hone_value_kind hone_value_kind_of(const hone_value *value);           /* NULL is HONE_VALUE_NULL */
HONE_API size_t hone_value_count(const hone_value *value);                      /* items or members        */
HONE_API const hone_value *hone_value_at(const hone_value *list, size_t index); /* item, or member's value */
HONE_API const char *hone_value_key_at(const hone_value *object, size_t index);
HONE_API const hone_value *hone_value_get(const hone_value *object, const char *key); /* NULL where absent       */
HONE_API bool hone_value_as_boolean(const hone_value *value, bool *out);
HONE_API bool hone_value_as_integer(const hone_value *value, int64_t *out); /* also a whole real       */
HONE_API bool hone_value_as_real(const hone_value *value, double *out);     /* also an integer         */
HONE_API const char *hone_value_as_string(const hone_value *value);         /* NULL if not a string    */
HONE_API bool hone_value_equal(const hone_value *a, const hone_value *b);

#ifdef __cplusplus
}
#endif
#endif
