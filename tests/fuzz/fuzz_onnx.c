/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX files as bytes, up to the model that they describe. */
#include "fuzz.h"

#include "core_internal.h"
#include "onnx_model.h"

#include <stdlib.h>

/* Files may ask for much; a fuzzer should not wait for it. */
enum { LARGEST = 1 << 26 };

static void *limited_alloc(void *context, size_t size, size_t alignment) {
    (void)context;
    return size > LARGEST ? NULL : aligned_alloc(alignment, (size + alignment - 1) / alignment * alignment);
}

static void limited_free(void *context, void *pointer) {
    (void)context;
    free(pointer);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const hone_allocator limited = {limited_alloc, limited_free, NULL};
    hone_model *model;
    hone_value *metadata;
    hone_set_allocator(&limited);
    (void)hone__onnx_sniff(data, size);
    if (hone__onnx_read(&model, &metadata, data, size, NULL, NULL) != HONE_OK) return 0;
    hone_model_free(model);
    hone_value_free(metadata);
    return 0;
}
