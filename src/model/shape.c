/* SPDX-License-Identifier: Apache-2.0
 *
 * Shapes: compared, multiplied out, and spelt as Python spells tuples. */
#include "core_internal.h"

#include <hone/model.h>

#include <inttypes.h>
#include <stdio.h>

bool hone_shape_equal(const hone_shape *a, const hone_shape *b) {
    if (a->rank != b->rank) return false;
    for (int i = 0; i < a->rank; i++) {
        if (a->dims[i] != b->dims[i]) return false;
    }
    return true;
}

int64_t hone_shape_size(const hone_shape *shape) {
    int64_t size = 1;
    for (int i = 0; i < shape->rank; i++) {
        if (shape->dims[i] < 1 || size > INT64_MAX / shape->dims[i]) return -1;
        size *= shape->dims[i];
    }
    return size;
}

const char *hone_shape_text(const hone_shape *shape, bool batch, char *buffer, size_t size) {
    size_t length = 0;
    int items = shape->rank + (batch ? 1 : 0);
    if (size == 0) return buffer;
    buffer[0] = '\0';
    for (int i = -1; i <= items && length < size; i++) {
        char item[32] = "";
        if (i == -1) {
            snprintf(item, sizeof item, "(");
        } else if (i == items) {
            snprintf(item, sizeof item, items == 1 ? ",)" : ")");
        } else if (batch && i == 0) {
            snprintf(item, sizeof item, "None");
        } else if (shape->dims[i - (batch ? 1 : 0)] == 0) { /* open */
            snprintf(item, sizeof item, "%sNone", i ? ", " : "");
        } else {
            snprintf(item, sizeof item, "%s%" PRId64, i ? ", " : "", shape->dims[i - (batch ? 1 : 0)]);
        }
        int written = snprintf(buffer + length, size - length, "%s", item);
        length += written > 0 ? (size_t)written : 0;
    }
    return buffer;
}
