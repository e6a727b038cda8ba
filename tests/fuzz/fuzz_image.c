/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures of every format: whatever decodes must be within the limits, readable to its end, and convertible. */
#include "fuzz.h"

#include <hone/data.h>

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    hone_image image, small;
    hone_error err;
    if (hone_image_decode(&image, data, size, &err) != HONE_OK) return 0;
    if (image.height < 1 || image.height > HONE_MAX_IMAGE_SIDE || image.width < 1 ||
        image.width > HONE_MAX_IMAGE_SIDE || image.channels < 1 || image.channels > HONE_MAX_CHANNELS)
        abort();
    if (hone_image_convert(&small, &image, 7, 5, 3, &err) == HONE_OK)
        hone_image_release(&small);
    else if (err.status != HONE_MEMORY)
        abort();
    hone_image_release(&image);
    return 0;
}
