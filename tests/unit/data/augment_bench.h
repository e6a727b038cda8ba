/* SPDX-License-Identifier: Apache-2.0
 *
 * What the tests of augmentation share: a picture, and variants of it. */
#ifndef HONE_AUGMENT_BENCH_H
#define HONE_AUGMENT_BENCH_H

#include "augment_internal.h"
#include "test.h"

static inline hone_augmentation *parsed(const char *text) {
    hone_augmentation *a = NULL;
    hone_error err;
    if (hone_augmentation_parse(&a, text, &err) != HONE_OK) fail_msg("%s: %s", text, err.message);
    return a;
}

/* A picture, and room for its variants. */
typedef struct bench {
    hone_augmentation *augmentation;
    int height, width, channels;
    size_t size;
    unsigned char *in, *out;
    void *scratch;
} bench;

static inline bench bench_init(const char *text, int height, int width, int channels) {
    bench b = {.augmentation = parsed(text), .height = height, .width = width, .channels = channels};
    b.size = (size_t)height * (size_t)width * (size_t)channels;
    size_t scratch;
    hone_error err;
    assert_int_equal(hone_augmentation_scratch_size(b.augmentation, height, width, channels, &scratch, &err), HONE_OK);
    b.in = hone__alloc(b.size, 1);
    b.out = hone__alloc(b.size, 1);
    b.scratch = hone__alloc(scratch, 1);
    for (size_t i = 0; i < b.size; i++) b.in[i] = (unsigned char)((i * 2654435761u) >> 7);
    return b;
}

static inline void bench_release(bench *b) {
    hone_augmentation_free(b->augmentation);
    hone__free(b->in);
    hone__free(b->out);
    hone__free(b->scratch);
}

static inline void apply(bench *b, uint64_t seed, uint64_t epoch, uint64_t index) {
    hone_augmentation_apply(b->augmentation, seed, epoch, index, b->in, b->height, b->width, b->channels, b->out,
                            b->scratch);
}

#endif
