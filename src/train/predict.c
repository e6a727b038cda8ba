/* SPDX-License-Identifier: Apache-2.0
 *
 * What a plan answers for a data set, where nothing is measured: features, scores. */
#include "train_internal.h"

/* Pictures that lie side by side for the plan at a time: enough for its threads, little memory. */
enum { BLOCK = 64 };

hone_status hone_plan_predict_dataset(hone_plan *plan, const hone_dataset *data, const uint32_t *indices, size_t count,
                                      float *rows, hone_error *err) {
    size_t image =
        (size_t)hone_dataset_height(data) * (size_t)hone_dataset_width(data) * (size_t)hone_dataset_channels(data);
    unsigned char *pixels = hone__alloc(BLOCK, image);
    hone_status status = pixels ? HONE_OK : hone__fail_memory(err, BLOCK * image, "pictures");
    for (size_t first = 0; status == HONE_OK && first < count; first += BLOCK) {
        size_t n = count - first < BLOCK ? count - first : BLOCK;
        for (size_t i = 0; status == HONE_OK && i < n; i++)
            status = hone_dataset_fetch(data, indices ? indices[first + i] : first + i, pixels + i * image, err);
        if (status == HONE_OK) hone_plan_predict_pixels(plan, pixels, n, rows + first * hone_plan_row_size(plan));
    }
    hone__free(pixels);
    return status;
}
