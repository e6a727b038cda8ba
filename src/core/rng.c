/* SPDX-License-Identifier: Apache-2.0
 *
 * Philox4x32-10 and what is drawn from it. */
#include "rng.h"

#include <math.h>

enum { PHILOX_ROUNDS = 10 };

void hone__philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]) {
    /* Multipliers and Weyl increments from the paper, section 4.1 and table 2. */
    const uint64_t m0 = 0xD2511F53u, m1 = 0xCD9E8D57u;
    uint32_t c0 = counter[0], c1 = counter[1], c2 = counter[2], c3 = counter[3];
    uint32_t k0 = key[0], k1 = key[1];
    for (int round = 0; round < PHILOX_ROUNDS; round++) {
        uint64_t p0 = m0 * c0, p1 = m1 * c2;
        uint32_t n0 = (uint32_t)(p1 >> 32) ^ c1 ^ k0, n2 = (uint32_t)(p0 >> 32) ^ c3 ^ k1;
        c1 = (uint32_t)p1;
        c3 = (uint32_t)p0;
        c0 = n0;
        c2 = n2;
        k0 += 0x9E3779B9u;
        k1 += 0xBB67AE85u;
    }
    out[0] = c0;
    out[1] = c1;
    out[2] = c2;
    out[3] = c3;
}

void hone__rng_init(hone__rng *rng, uint64_t seed, uint32_t stream, uint64_t substream) {
    *rng = (hone__rng){.key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
                       .counter = {0, stream, (uint32_t)substream, (uint32_t)(substream >> 32)}};
}

uint32_t hone__rng_u32(hone__rng *rng) {
    if (rng->left == 0) {
        hone__philox(rng->key, rng->counter, rng->block);
        rng->counter[0]++;
        rng->left = 4;
    }
    return rng->block[4 - rng->left--];
}

double hone__rng_uniform(hone__rng *rng) {
    uint64_t high = hone__rng_u32(rng) >> 5, low = hone__rng_u32(rng) >> 6; /* 27 + 26 bits */
    return (double)((high << 26) | low) * 0x1p-53;
}

double hone__rng_range(hone__rng *rng, double low, double high) {
    return low + (high - low) * hone__rng_uniform(rng);
}

uint32_t hone__rng_below(hone__rng *rng, uint32_t n) {
    /* Lemire's multiplication with rejection: unbiased, and one draw almost always. */
    uint64_t product = (uint64_t)hone__rng_u32(rng) * n;
    if ((uint32_t)product < n) {
        uint32_t threshold = (uint32_t)(-n) % n;
        while ((uint32_t)product < threshold) product = (uint64_t)hone__rng_u32(rng) * n;
    }
    return (uint32_t)(product >> 32);
}

double hone__rng_normal(hone__rng *rng) {
    if (rng->has_normal) {
        rng->has_normal = 0;
        return rng->normal;
    }
    const double two_pi = 6.283185307179586476925;
    double u = 1.0 - hone__rng_uniform(rng); /* (0, 1] */
    double angle = two_pi * hone__rng_uniform(rng);
    double radius = sqrt(-2.0 * log(u));
    rng->normal = radius * sin(angle);
    rng->has_normal = 1;
    return radius * cos(angle);
}

double hone__rng_truncated_normal(hone__rng *rng) {
    double value;
    do value = hone__rng_normal(rng);
    while (fabs(value) > 2.0);
    return value;
}

void hone__rng_shuffle(hone__rng *rng, uint32_t *items, size_t n) {
    for (size_t i = n; i > 1; i--) {
        size_t j = hone__rng_below(rng, (uint32_t)i);
        uint32_t held = items[i - 1];
        items[i - 1] = items[j];
        items[j] = held;
    }
}
