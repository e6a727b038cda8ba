/* SPDX-License-Identifier: Apache-2.0
 *
 * digits: an endless data set of handwritten-looking digits inside the program. Sample index of a seed is a pure
 * function of both, in arithmetic that rounds alike everywhere (no libm but sqrt, no fused multiply-add), so the same
 * seed is the same bytes on every machine and the pieces of a set can be made in any order. */
#include "digits_internal.h"

#include "core_internal.h"
#include "data_internal.h"

enum {
    CLASSES = 10,
    PIXELS = HONE__DIGIT_SIDE * HONE__DIGIT_SIDE,
    PIECE = 64 /* samples that a worker makes at a time */
};

int hone_digits_render(uint64_t seed, uint64_t index, unsigned char image[784]) {
    hone__rng rng;
    hone__rng_init(&rng, seed, HONE_STREAM_DIGITS, index);
    int label = (int)hone__rng_below(&rng, CLASSES);
    hone__digit_trace trace;
    hone__digit_write(&trace, label, &rng);
    hone__digit_scan(image, &trace, &rng);
    return label;
}

typedef struct order {
    unsigned char *images;
    int32_t *labels;
    size_t samples;
    uint64_t seed;
} order;

static void render_piece(void *context, int worker, size_t piece) {
    const order *o = context;
    (void)worker;
    size_t first = piece * PIECE, last = o->samples - first < PIECE ? o->samples : first + PIECE;
    for (size_t i = first; i < last; i++) o->labels[i] = hone_digits_render(o->seed, i, o->images + i * PIXELS);
}

hone_status hone_digits_create(hone_dataset **out, size_t samples, uint64_t seed, hone_threads *threads,
                               hone_error *err) {
    static const char *const names[CLASSES] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    hone__dataset_parts parts = {0};
    if (samples == 0) HONE_FAIL(err, HONE_ARGUMENT, "digits: 0 samples were asked for, at least 1 is needed");
    hone_status status = hone__dataset_parts_allocate(&parts, samples, HONE__DIGIT_SIDE, HONE__DIGIT_SIDE, 1, err);
    if (status == HONE_OK) status = hone__dataset_parts_name(&parts, names, CLASSES, err);
    if (status == HONE_OK) {
        parts.description = hone__asprintf("digits: %zu image%s %dx%dx1, %d classes (generated, seed %llu)", samples,
                                           samples == 1 ? "" : "s", HONE__DIGIT_SIDE, HONE__DIGIT_SIDE, CLASSES,
                                           (unsigned long long)seed);
        if (!parts.description) status = hone__fail_memory(err, 0, "a description");
    }
    if (status == HONE_OK) {
        order o = {.images = parts.images, .labels = parts.labels, .samples = samples, .seed = seed};
        hone__threads_run(threads, render_piece, &o, (samples - 1) / PIECE + 1);
        status = hone__dataset_adopt(out, &parts, err);
    }
    hone__dataset_parts_release(&parts);
    return status;
}
