/* SPDX-License-Identifier: Apache-2.0
 *
 * Mixed pictures: mixup (Zhang et al. 2017) blends two, CutMix (Yun et al. 2019) sets a rectangle of one into the other.
 *
 * One idea: who is mixed with whom, and how, is drawn from a stream of its own by the number of the first, so a mixed
 * picture is a function of its number as any other variant is, and mixing changes nobody's other draws. */
#include "augment_internal.h"

#include <math.h>
#include <string.h>

bool hone_augmentation_mixes(const hone_augmentation *a) {
    return !a->is_keras && (a->own.mixup > 0 || a->own.cutmix > 0);
}

/* The first draw is the partner. */
static size_t begin(hone__rng *rng, uint64_t seed, uint64_t epoch, uint64_t index, size_t count) {
    hone__rng_init(rng, seed, HONE_STREAM_MIX, epoch << 32 | (index & UINT32_MAX));
    double at = hone__rng_uniform(rng) * (double)count;
    return (size_t)at < count ? (size_t)at : count - 1;
}

size_t hone_augmentation_partner(const hone_augmentation *a, uint64_t seed, uint64_t epoch, uint64_t index,
                                 size_t count) {
    hone__rng rng;
    (void)a;
    return begin(&rng, seed, epoch, index, count);
}

/* Beta(a, a) after Johnk: good for the small a that are used here (for 4, one try in 70 is taken). */
static double draw_beta(hone__rng *rng, double a) {
    for (;;) {
        double x = pow(hone__rng_uniform(rng), 1 / a), y = pow(hone__rng_uniform(rng), 1 / a);
        if (x + y > 0 && x + y <= 1) return x / (x + y);
    }
}

static void blend(double share, const unsigned char *other, size_t n, unsigned char *picture) {
    float keep = (float)share, take = 1 - keep;
    for (size_t i = 0; i < n; i++) picture[i] = (unsigned char)(keep * picture[i] + take * other[i] + 0.5f);
}

/* The rectangle has the picture's aspect and about 1 - share of its area; its centre is anywhere, so the edge may cut it.
 * Returns what is left of the picture. */
static double set_in(hone__rng *rng, double share, const unsigned char *other, int height, int width, int channels,
                     unsigned char *picture) {
    double side = sqrt(1 - share);
    int h = (int)lrint(height * side), w = (int)lrint(width * side);
    int top = (int)hone__rng_below(rng, (uint32_t)height) - h / 2, bottom = top + h < height ? top + h : height;
    int left = (int)hone__rng_below(rng, (uint32_t)width) - w / 2, right = left + w < width ? left + w : width;
    if (top < 0) top = 0;
    if (left < 0) left = 0;
    if (bottom <= top || right <= left) return 1;
    for (int y = top; y < bottom; y++) {
        size_t at = ((size_t)y * (size_t)width + (size_t)left) * (size_t)channels;
        memcpy(picture + at, other + at, (size_t)(right - left) * (size_t)channels);
    }
    return 1 - (double)(bottom - top) * (right - left) / ((double)height * width);
}

double hone_augmentation_mix(const hone_augmentation *a, uint64_t seed, uint64_t epoch, uint64_t index,
                             const unsigned char *other, int height, int width, int channels, unsigned char *picture) {
    hone__rng rng;
    begin(&rng, seed, epoch, index, 1);
    bool is_cut = a->own.cutmix > 0 && (a->own.mixup <= 0 || hone__rng_uniform(&rng) < 0.5);
    double share = draw_beta(&rng, is_cut ? a->own.cutmix : a->own.mixup);
    if (is_cut) return set_in(&rng, share, other, height, width, channels, picture);
    blend(share, other, (size_t)height * (size_t)width * (size_t)channels, picture);
    return share;
}
