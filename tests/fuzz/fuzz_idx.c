/* SPDX-License-Identifier: Apache-2.0
 *
 * IDX arrays, gzipped or not: whatever is accepted must be readable to its last item. */
#include "fuzz.h"

#include "core_internal.h"
#include "readers.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
    hone__idx idx;
    hone_error err;
    if (hone__idx_init(&idx, data, size, &err) != HONE_OK) return 0;
    size_t items = 1;
    for (int i = 0; i < idx.rank; i++) items *= idx.sizes[i];
    unsigned sum = 0;
    for (size_t i = 0; i < items * idx.item_size; i++) sum += idx.items[i];
    if (hone__idx_check_images(&idx, &err) == HONE_OK && idx.sizes[0] == 0) abort();
    if (hone__idx_check_labels(&idx, &err) == HONE_OK)
        for (size_t i = 0; i < idx.sizes[0]; i++) sum += (unsigned)hone__idx_label(&idx, i);
    volatile unsigned keep = sum;
    (void)keep;
    hone__idx_release(&idx);
    return 0;
}
