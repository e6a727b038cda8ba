/* SPDX-License-Identifier: Apache-2.0
 *
 * JSON text: what is accepted prints, and what was printed reads back as the same value; and as a model's configuration
 * it makes a model or an error. */
#include "fuzz.h"

#include "format_internal.h"

#include <stdlib.h>
#include <string.h>

static void round_trip(const hone_value *value, int indent, bool ascii) {
    char *text;
    hone_value *again;
    if (hone_json_print(&text, value, indent, ascii, NULL) != HONE_OK) abort();
    if (hone_json_parse(&again, text, strlen(text), NULL) != HONE_OK || !hone_value_equal(value, again)) abort();
    hone_value_free(again);
    hone_json_free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    hone_value *value;
    hone_error err;
    if (hone_json_parse(&value, (const char *)data, size, &err) != HONE_OK) return 0;
    round_trip(value, 0, true);
    round_trip(value, 3, false);
    hone_model *model;
    if (hone_model_from_config(&model, value, &err) == HONE_OK) hone_model_free(model);
    hone_compiled compiled;
    if (hone__compiled_from_config(&compiled, value, &err) != HONE_OK) abort();
    hone_value_free(value);
    return 0;
}
