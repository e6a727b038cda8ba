/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of labels as bytes: CSV, and JSON as rows, as lines or as COCO's annotations. */
#include "fuzz.h"

#include "tables.h"

#include "core_internal.h"

#include <string.h>

/* The readers change the text, and end it with a zero as a file that was read does. */
static char *text_of(const uint8_t *data, size_t size) {
    char *text = hone__alloc(size + 1, 1);
    if (text && size > 0) memcpy(text, data, size);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 0 && memchr(data, '\0', size)) return 0; /* no text: refused before it comes here */
    for (int json = 0; json < 2; json++) {
        hone__table table = {0};
        hone_error err;
        char *text = text_of(data, size);
        if (!text) return 0;
        if (json) {
            hone__table_read_json(&table, text, size, &err);
        } else {
            hone__table_read_csv(&table, text, &err);
        }
        hone__table_release(&table);
        hone__free(text);
    }
    return 0;
}
