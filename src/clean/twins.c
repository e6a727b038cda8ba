/* SPDX-License-Identifier: Apache-2.0
 *
 * Twins by hashing: each vector gets 64 bits, which say on which side it lies of each of 64 random planes through the
 * mean of all vectors (Charikar, "Similarity estimation techniques from rounding algorithms", STOC 2002). Close vectors
 * differ in few bits, in proportion to the angle between them: unlike a hash made for photographs, it measures just what
 * is verified afterwards.
 *
 * Vectors that differ in at most 7 bits agree in one of four 16-bit pieces but for at most one bit. So each is looked up
 * in four tables under 17 keys (multi-index hashing; Norouzi, Punjani, Fleet, CVPR 2012), and what is found is compared.
 */
#include "twins.h"

#include "core_internal.h"
#include "rng.h"

#include <math.h>
#include <string.h>

enum {
    BITS = 64,
    TABLES = 4,
    TABLE_BITS = 16,
    KEYS = 1 << TABLE_BITS,
    MOST_BITS = 7,
    PIECE = 64,
    /* Thousands of frames of one scene would make the search quadratic: so many are looked at per bucket. */
    MOST_PER_BUCKET = 2048
};

typedef struct search {
    const float *vectors;
    size_t count, size;
    float *planes;  /* (BITS, size) */
    float *offsets; /* (BITS): where the mean lies */
    uint64_t *hashes;
    bool *is_flat;
    uint32_t *starts[TABLES];  /* (KEYS + 1): of each bucket in members */
    uint32_t *members[TABLES]; /* indices by key, ascending in each bucket */
    float limit;               /* of the sum of squares */
    hone__twin *twins;
} search;

static unsigned key_of(uint64_t hash, int table) {
    return (unsigned)(hash >> (table * TABLE_BITS)) & (KEYS - 1);
}

static int count_bits(uint64_t v) {
    v -= v >> 1 & UINT64_C(0x5555555555555555);
    v = (v & UINT64_C(0x3333333333333333)) + (v >> 2 & UINT64_C(0x3333333333333333));
    v = (v + (v >> 4)) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    return (int)(v * UINT64_C(0x0101010101010101) >> 56);
}

/* ---- hashes ---------------------------------------------------------------------------------------------------- */

static float dot(const float *a, const float *b, size_t size) {
    float lanes[16] = {0};
    size_t i = 0;
    for (; i + 16 <= size; i += 16)
        for (size_t k = 0; k < 16; k++) lanes[k] += a[i + k] * b[i + k];
    float sum = 0;
    for (; i < size; i++) sum += a[i] * b[i];
    for (size_t k = 0; k < 16; k++) sum += lanes[k];
    return sum;
}

/* The planes are the same in every run: which twins are found depends on the pictures alone. */
static void draw_planes(search *s, float *mean) {
    hone__rng rng;
    hone__rng_init(&rng, 0, HONE_STREAM_CLEAN, 1);
    for (size_t i = 0; i < BITS * s->size; i++) s->planes[i] = (float)hone__rng_normal(&rng);
    for (size_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < s->size; k++) mean[k] += s->vectors[i * s->size + k] / (float)s->count;
    for (size_t b = 0; b < BITS; b++) s->offsets[b] = dot(s->planes + b * s->size, mean, s->size);
}

static void hash_piece(void *context, int worker, size_t piece) {
    (void)worker;
    const search *s = context;
    size_t end = (piece + 1) * PIECE < s->count ? (piece + 1) * PIECE : s->count;
    for (size_t i = piece * PIECE; i < end; i++) {
        const float *v = s->vectors + i * s->size;
        uint64_t hash = 0;
        for (size_t b = 0; b < BITS; b++)
            hash |= (uint64_t)(dot(s->planes + b * s->size, v, s->size) > s->offsets[b]) << b;
        s->hashes[i] = hash;
        s->is_flat[i] = dot(v, v, s->size) == 0;
    }
}

static void fill_tables(search *s) {
    for (int t = 0; t < TABLES; t++) {
        uint32_t *starts = s->starts[t];
        for (size_t i = 0; i < s->count; i++)
            if (!s->is_flat[i]) starts[key_of(s->hashes[i], t) + 1]++;
        for (size_t k = 0; k < KEYS; k++) starts[k + 1] += starts[k];
        /* Filling moves every start to its end; they are moved back after. */
        for (size_t i = 0; i < s->count; i++)
            if (!s->is_flat[i]) s->members[t][starts[key_of(s->hashes[i], t)]++] = (uint32_t)i;
        memmove(starts + 1, starts, KEYS * sizeof *starts);
        starts[0] = 0;
    }
}

/* ---- looking --------------------------------------------------------------------------------------------------- */

/* The sum of squared differences, or more than limit as soon as it is. */
static float compare(const float *a, const float *b, size_t size, float limit) {
    float sum = 0;
    for (size_t i = 0; i < size && sum <= limit; i += 64) {
        float lanes[16] = {0};
        size_t end = i + 64 < size ? i + 64 : size, k = i;
        for (; k + 16 <= end; k += 16)
            for (size_t m = 0; m < 16; m++) lanes[m] += (a[k + m] - b[k + m]) * (a[k + m] - b[k + m]);
        for (; k < end; k++) sum += (a[k] - b[k]) * (a[k] - b[k]);
        for (size_t m = 0; m < 16; m++) sum += lanes[m];
    }
    return sum;
}

static void keep(hone__twin *list, uint32_t other, float distance) {
    size_t at = HONE_TWINS_KEPT;
    for (size_t i = 0; i < HONE_TWINS_KEPT; i++)
        if (list[i].other == other) return; /* met in another table */
    while (at > 0 && (list[at - 1].other == UINT32_MAX || distance < list[at - 1].distance ||
                      (distance == list[at - 1].distance && other < list[at - 1].other)))
        at--;
    if (at == HONE_TWINS_KEPT) return;
    memmove(list + at + 1, list + at, (HONE_TWINS_KEPT - 1 - at) * sizeof *list);
    list[at] = (hone__twin){other, distance};
}

static void look_in(const search *s, size_t i, int table, unsigned key) {
    const uint32_t *members = s->members[table];
    uint32_t begin = s->starts[table][key], end = s->starts[table][key + 1];
    /* The nearest predecessors by index first: copies of a scene lie side by side. */
    while (end > begin && members[end - 1] >= i) end--;
    if (end - begin > MOST_PER_BUCKET) begin = end - MOST_PER_BUCKET;
    for (uint32_t m = end; m > begin; m--) {
        uint32_t other = members[m - 1];
        if (count_bits(s->hashes[i] ^ s->hashes[other]) > MOST_BITS) continue;
        float squares = compare(s->vectors + i * s->size, s->vectors + other * s->size, s->size, s->limit);
        if (squares <= s->limit) keep(s->twins + i * HONE_TWINS_KEPT, other, sqrtf(squares / (float)s->size));
    }
}

static void look_piece(void *context, int worker, size_t piece) {
    (void)worker;
    const search *s = context;
    size_t end = (piece + 1) * PIECE < s->count ? (piece + 1) * PIECE : s->count;
    for (size_t i = piece * PIECE; i < end; i++) {
        for (size_t k = 0; k < HONE_TWINS_KEPT; k++) s->twins[i * HONE_TWINS_KEPT + k].other = UINT32_MAX;
        for (int t = 0; t < TABLES && !s->is_flat[i]; t++) {
            unsigned key = key_of(s->hashes[i], t);
            look_in(s, i, t, key);
            for (int b = 0; b < TABLE_BITS; b++) look_in(s, i, t, key ^ 1u << b);
        }
    }
}

hone_status hone__find_twins(hone__twin *twins, const float *vectors, size_t count, size_t size, double limit,
                             hone_threads *threads, hone_error *err) {
    search s = {.vectors = vectors, .count = count, .size = size, .twins = twins};
    s.limit = (float)(limit * limit * (double)size);
    s.planes = hone__alloc(BITS * size, sizeof *s.planes);
    s.offsets = hone__alloc(BITS, sizeof *s.offsets);
    s.hashes = hone__alloc(count, sizeof *s.hashes);
    s.is_flat = hone__alloc(count, sizeof *s.is_flat);
    float *mean = hone__alloc(size, sizeof *mean);
    bool ok = s.planes && s.offsets && s.hashes && s.is_flat && mean;
    for (int t = 0; t < TABLES; t++) {
        s.starts[t] = hone__alloc(KEYS + 1, sizeof **s.starts);
        s.members[t] = hone__alloc(count, sizeof **s.members);
        ok = ok && s.starts[t] && s.members[t];
    }
    if (ok) {
        size_t pieces = (count + PIECE - 1) / PIECE;
        draw_planes(&s, mean);
        hone__threads_run(threads, hash_piece, &s, pieces);
        fill_tables(&s);
        hone__threads_run(threads, look_piece, &s, pieces);
    }
    for (int t = 0; t < TABLES; t++) {
        hone__free(s.starts[t]);
        hone__free(s.members[t]);
    }
    hone__free(s.planes);
    hone__free(s.offsets);
    hone__free(s.hashes);
    hone__free(s.is_flat);
    hone__free(mean);
    return ok ? HONE_OK : hone__fail_memory(err, BITS * size * sizeof(float), "comparing pictures");
}
