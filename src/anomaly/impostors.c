/* SPDX-License-Identifier: Apache-2.0
 *
 * Impostors: pictures that are none of the classes, made of pictures that are. They are what a score is chosen by where
 * no strange picture has been seen: two of them lie between the classes, two far from all. */
#include "anomaly_internal.h"

#include "rng.h"

#include <string.h>

enum { TILES = 4 };

static void shuffle_tiles(hone__rng *rng, const unsigned char *in, int height, int width, int channels,
                          unsigned char *out) {
    uint32_t order[TILES * TILES];
    int th = height / TILES, tw = width / TILES;
    for (uint32_t i = 0; i < TILES * TILES; i++) order[i] = i;
    hone__rng_shuffle(rng, order, TILES * TILES);
    memcpy(out, in, (size_t)height * (size_t)width * (size_t)channels); /* what no tile covers stays */
    for (int i = 0; i < TILES * TILES; i++) {
        int from = (int)order[i];
        for (int y = 0; y < th; y++) {
            size_t source = ((size_t)(from / TILES * th + y) * (size_t)width + (size_t)(from % TILES * tw));
            size_t target = ((size_t)(i / TILES * th + y) * (size_t)width + (size_t)(i % TILES * tw));
            memcpy(out + target * (size_t)channels, in + source * (size_t)channels, (size_t)tw * (size_t)channels);
        }
    }
}

static void shuffle_pixels(hone__rng *rng, const unsigned char *in, size_t pixels, size_t channels,
                           unsigned char *out) {
    memcpy(out, in, pixels * channels);
    for (size_t i = pixels; i-- > 1;) {
        size_t k = hone__rng_below(rng, (uint32_t)i + 1);
        for (size_t c = 0; c < channels; c++) {
            unsigned char swapped = out[i * channels + c];
            out[i * channels + c] = out[k * channels + c];
            out[k * channels + c] = swapped;
        }
    }
}

void hone__impostor_make(hone__impostor kind, uint64_t seed, uint64_t index, const unsigned char *a,
                         const unsigned char *b, int height, int width, int channels, unsigned char *out) {
    size_t pixels = (size_t)height * (size_t)width, size = pixels * (size_t)channels;
    size_t half = (size_t)(height / 2) * (size_t)width * (size_t)channels;
    hone__rng rng;
    hone__rng_init(&rng, seed, HONE_STREAM_IMPOSTOR, index * HONE__IMPOSTORS + (uint64_t)kind);
    switch (kind) {
    case HONE__IMPOSTOR_BLEND:
        for (size_t i = 0; i < size; i++) out[i] = (unsigned char)((a[i] + b[i] + 1) / 2);
        break;
    case HONE__IMPOSTOR_CUT:
        memcpy(out, a, half);
        memcpy(out + half, b + half, size - half);
        break;
    case HONE__IMPOSTOR_SHUFFLE: shuffle_tiles(&rng, a, height, width, channels, out); break;
    default: shuffle_pixels(&rng, a, pixels, (size_t)channels, out); break;
    }
}
