/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of labels as bytes: CSV, JSON as rows, as lines or as COCO's annotations, and Pascal VOC's XML. */
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

enum { CSV, JSON, VOC, KINDS };

static void read_as(int kind, char *text, size_t size) {
    hone__table table = {0};
    hone_error err;
    if (kind == CSV)
        hone__table_read_csv(&table, text, &err);
    else if (kind == JSON)
        hone__table_read_json(&table, text, size, &err);
    else /* the text is also the list of which part has what */
        hone__table_read_voc_text(&table, text, "1", (char *const[HONE_PARTS]){text, NULL, NULL}, &err);
    hone__table_release(&table);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    if (size > 0 && memchr(data, '\0', size)) return 0; /* no text: refused before it comes here */
    for (int kind = 0; kind < KINDS; kind++) {
        char *text = text_of(data, size);
        if (!text) return 0;
        read_as(kind, text, size);
        hone__free(text);
    }
    return 0;
}
