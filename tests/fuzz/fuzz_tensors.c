/* SPDX-License-Identifier: Apache-2.0
 *
 * safetensors and NumPy's .npz as bytes, up to the weights of a small model: headers, places, numbers. */
#include "fuzz.h"

#include "stored_tensors.h"

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

/* A Dense layer of 2 to 2, as the corpus has its weights. */
static hone_model *make_model(void) {
    hone_model *model;
    const hone_shape shape = {1, {2}};
    if (hone_model_create(&model, "m", NULL) != HONE_OK || hone_model_input(model, &shape, NULL) != HONE_OK ||
        hone_model_dense(model, 2, NULL, NULL) != HONE_OK || hone_model_build(model, 1, NULL) != HONE_OK)
        abort();
    return model;
}

static void put(hone_model *model, hone__stored_tensors *tensors, hone_status status) {
    for (int by_name = 0; status == HONE_OK && by_name < 2; by_name++) {
        hone__matching matching = {.by_name = by_name, .skip_mismatch = by_name};
        hone__stored_read_weights(tensors, model, &matching, model->data, NULL);
    }
    hone__stored_release(tensors);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    static const hone_allocator limited = {limited_alloc, limited_free, NULL};
    hone_set_allocator(&limited);
    hone_model *model = make_model();
    hone__stored_tensors tensors;
    put(model, &tensors, hone__safetensors_read(&tensors, data, size, NULL));
    put(model, &tensors, hone__npz_read(&tensors, data, size, NULL));
    hone_model_free(model);
    return 0;
}
