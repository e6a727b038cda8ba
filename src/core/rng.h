/* SPDX-License-Identifier: Apache-2.0
 *
 * A counter-based random generator (Philox4x32-10; Salmon et al., "Parallel random numbers: as easy as 1, 2, 3",
 * SC 2011). The n-th number of a stream is a pure function of (seed, stream, n): any sample can be made again
 * alone, and the number of threads cannot change a result. */
#ifndef HONE_RNG_H
#define HONE_RNG_H

#include <stddef.h>
#include <stdint.h>

/* What the streams of one seed are used for. Values are part of every seeded result: append only. */
enum {
    HONE_STREAM_INITIALIZER = 1, /* substream: index of the weight */
    HONE_STREAM_SHUFFLE = 2,     /* substream: epoch */
    HONE_STREAM_DROPOUT = 3,     /* substream: see plan */
    HONE_STREAM_SPLIT = 4,
    HONE_STREAM_DIGITS = 5, /* substream: index of the sample */
    HONE_STREAM_AUGMENT = 6,
    HONE_STREAM_TEST = 7,
    HONE_STREAM_BENCH = 8,
    HONE_STREAM_MIX = 9,      /* substream: epoch and index of the sample, as for AUGMENT */
    HONE_STREAM_CLEAN = 10,   /* substream: 0 folds, 1 planes of the search for twins */
    HONE_STREAM_CORRUPT = 11, /* substream: the corruption and the index of the sample */
    HONE_STREAM_LORA = 12,    /* substream: index of the weight */
    HONE_STREAM_PROJECTION = 20,
    HONE_STREAM_IMPOSTOR = 21, /* substream: index and kind */
    HONE_STREAM_CORESET = 24
};

/* One Philox4x32-10 block. */
void hone__philox(const uint32_t key[2], const uint32_t counter[4], uint32_t out[4]);

typedef struct hone__rng {
    uint32_t key[2];
    uint32_t counter[4]; /* [0] block, [1] spare, [2..3] substream mixed with stream */
    uint32_t block[4];
    int left; /* numbers of block not yet given */
    int has_normal;
    double normal; /* the second of a Box-Muller pair */
} hone__rng;

void hone__rng_init(hone__rng *rng, uint64_t seed, uint32_t stream, uint64_t substream);
uint32_t hone__rng_u32(hone__rng *rng);
double hone__rng_uniform(hone__rng *rng);                        /* [0, 1), 53 bits */
double hone__rng_range(hone__rng *rng, double low, double high); /* [low, high)     */
uint32_t hone__rng_below(hone__rng *rng, uint32_t n);            /* 0 … n - 1, unbiased; n > 0 */
double hone__rng_normal(hone__rng *rng);                         /* mean 0, variance 1 */
double hone__rng_truncated_normal(hone__rng *rng);               /* redrawn beyond 2 standard deviations */
/* Fisher-Yates over items[0 … n - 1]. */
void hone__rng_shuffle(hone__rng *rng, uint32_t *items, size_t n);

#endif
