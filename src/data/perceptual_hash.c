/* SPDX-License-Identifier: Apache-2.0
 *
 * A picture in 64 bits: its 8 x 8 lowest frequencies, each above or below their median. All in whole numbers, so that
 * every machine gives the same bits. */
#include <hone/data.h>

#include "core_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { SIDE = 32, FREQUENCIES = 8, BITS = FREQUENCIES * FREQUENCIES, SCALE = 1 << 14 };

typedef int32_t cosines[FREQUENCIES][SIDE];

/* Rounded to whole numbers far more coarsely than any two cosine functions differ. */
static void fill_cosines(cosines table) {
    const double pi = 3.14159265358979323846;
    for (int k = 0; k < FREQUENCIES; k++)
        for (int n = 0; n < SIDE; n++) table[k][n] = (int32_t)lround(SCALE * cos(pi * (2 * n + 1) * k / (2 * SIDE)));
}

static int compare(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* Where nothing but the mean is (a plain wall), noise would decide: frequencies weaker than a quarter of a grey level
 * count as none. */
static uint64_t to_bits(const int64_t value[BITS]) {
    const int64_t quiet = (int64_t)SCALE * SCALE * SIDE * SIDE / 4;
    int64_t sorted[BITS - 1];
    uint64_t bits = 0;
    memcpy(sorted, value + 1, sizeof sorted); /* the mean says nothing of the picture */
    qsort(sorted, BITS - 1, sizeof *sorted, compare);
    int64_t median = sorted[(BITS - 1) / 2];
    if (median > -quiet && median < quiet) median = 0;
    for (int i = 1; i < BITS; i++)
        if (value[i] > median && value[i] - median > quiet / 8) bits |= UINT64_C(1) << i;
    return bits;
}

hone_status hone_image_perceptual_hash(const hone_image *image, uint64_t *out, hone_error *err) {
    hone_image small;
    cosines table;
    int32_t rows[SIDE][FREQUENCIES];
    int64_t value[BITS];
    HONE_TRY(hone_image_convert(&small, image, SIDE, SIDE, 1, err));
    fill_cosines(table);
    for (int y = 0; y < SIDE; y++) {
        for (int u = 0; u < FREQUENCIES; u++) {
            rows[y][u] = 0;
            for (int x = 0; x < SIDE; x++) rows[y][u] += table[u][x] * small.pixels[y * SIDE + x];
        }
    }
    for (int v = 0; v < FREQUENCIES; v++) {
        for (int u = 0; u < FREQUENCIES; u++) {
            value[v * FREQUENCIES + u] = 0;
            for (int y = 0; y < SIDE; y++) value[v * FREQUENCIES + u] += (int64_t)table[v][y] * rows[y][u];
        }
    }
    hone_image_release(&small);
    *out = to_bits(value);
    return HONE_OK;
}

int hone_perceptual_distance(uint64_t a, uint64_t b) {
    int bits = 0;
    for (uint64_t different = a ^ b; different; different &= different - 1) bits++;
    return bits;
}
