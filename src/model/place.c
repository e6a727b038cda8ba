/* SPDX-License-Identifier: Apache-2.0
 *
 * Placing blocks of memory by their lives: greedy by size. The largest block goes first, each to the lowest gap between
 * the blocks already placed that live at the same time; in networks this comes within a few per cent of the best. */
#include "schedule.h"

#include <stdlib.h>

/* Ties go by position, so that the result does not depend on the C library's qsort. */
static int compare_size(const void *a, const void *b) {
    const hone__block *x = *(const hone__block *const *)a, *y = *(const hone__block *const *)b;
    if (x->size != y->size) return x->size > y->size ? -1 : 1;
    return x < y ? -1 : x > y;
}

static bool live_together(const hone__block *a, const hone__block *b) {
    return a->first <= b->last && b->first <= a->last;
}

/* placed is sorted by offset. Returns the lowest offset at which block meets none of those it lives with. */
static size_t lowest_gap(const hone__block *block, hone__block *const *placed, size_t count) {
    size_t offset = 0;
    for (size_t i = 0; i < count; i++) {
        if (!live_together(block, placed[i])) continue;
        if (placed[i]->offset >= offset && placed[i]->offset - offset >= block->size) return offset;
        size_t end = placed[i]->offset + placed[i]->size;
        if (end > offset) offset = end;
    }
    return offset;
}

hone_status hone__place(hone__block *blocks, size_t count, size_t *total, hone_error *err) {
    *total = 0;
    size_t all = 0; /* an upper bound: if the sum can be counted, so can every offset */
    for (size_t i = 0; i < count; i++) {
        if (blocks[i].size > SIZE_MAX / 4 || !hone__add(all, (blocks[i].size + 63) / 64 * 64, &all) ||
            all > SIZE_MAX / 4)
            HONE_FAIL(err, HONE_LIMIT, "the workspace of this model is larger than memory can be (%zu bytes)",
                      SIZE_MAX / 4);
        blocks[i].size = (blocks[i].size + 63) / 64 * 64;
    }
    hone__block **order = hone__alloc(count, 2 * sizeof *order), **placed = order ? order + count : NULL;
    if (!order) return hone__fail_memory(err, 2 * count * sizeof *order, "the plan");
    for (size_t i = 0; i < count; i++) order[i] = &blocks[i];
    qsort(order, count, sizeof *order, compare_size);
    for (size_t i = 0; i < count; i++) {
        hone__block *block = order[i];
        block->offset = lowest_gap(block, placed, i);
        if (block->offset + block->size > *total) *total = block->offset + block->size;
        size_t k = i;
        for (; k > 0 && placed[k - 1]->offset > block->offset; k--) placed[k] = placed[k - 1];
        placed[k] = block;
    }
    hone__free(order);
    return HONE_OK;
}
