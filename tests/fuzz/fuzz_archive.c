/* SPDX-License-Identifier: Apache-2.0
 *
 * .keras archives as bytes: the zip around them, and the JSON within up to the model that it describes. What is HDF5 in
 * them is fuzz_h5.c's. */
#include "fuzz.h"

#include "format_internal.h"
#include "zip_memory.h"

#include <stdlib.h>

/* Archives may ask for much; a fuzzer should not wait for it. */
enum { LARGEST = 1 << 26 };

static void *limited_alloc(void *context, size_t size, size_t alignment) {
    (void)context;
    return size > LARGEST ? NULL : aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void limited_free(void *context, void *pointer) {
    (void)context;
    free(pointer);
}

static void read_config(const unsigned char *text, size_t size) {
    hone_value *config;
    hone_model *model;
    hone_compiled compiled;
    if (hone_json_parse(&config, (const char *)text, size, NULL) != HONE_OK) return;
    hone__keras3_compiled(hone_value_get(config, "compile_config"), &compiled, NULL);
    if (hone_model_from_config(&model, config, NULL) == HONE_OK) hone_model_free(model);
    hone_value_free(config);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const hone_allocator limited = {limited_alloc, limited_free, NULL};
    static const char *const members[] = {"metadata.json", "config.json", "model.weights.h5"};
    hone_set_allocator(&limited);
    hone__zip *zip;
    if (hone__zip_open(&zip, data, size, NULL) != HONE_OK) return 0;
    for (size_t i = 0; i < sizeof members / sizeof members[0]; i++) {
        unsigned char *bytes;
        size_t length;
        if (hone__zip_read(zip, members[i], LARGEST, &bytes, &length, NULL) != HONE_OK) continue;
        if (i == 1) read_config(bytes, length);
        hone__free(bytes);
    }
    hone__zip_close(zip);
    return 0;
}
