/* SPDX-License-Identifier: Apache-2.0
 *
 * Augmentation as an object: made of text, applied to a picture.
 *
 * One idea: a variant is numbered by (epoch, index) and everything it draws comes from the one random stream of that
 * number, so that nothing depends on who makes it, or when. */
#include "augment_internal.h"

#include <string.h>

hone_status hone_augmentation_parse(hone_augmentation **out, const char *text, hone_error *err) {
    *out = NULL;
    hone_augmentation *a = hone__alloc(1, sizeof *a);
    if (!a) return hone__fail_memory(err, sizeof *a, "an augmentation");
    char full[HONE__AUGMENT_TEXT];
    hone_status status = hone__augment_parse(a, text, full, err);
    if (status == HONE_OK && !(a->text = hone__strdup(full)))
        status = hone__fail_memory(err, strlen(full) + 1, "an augmentation");
    if (status != HONE_OK) {
        hone__free(a);
        return status;
    }
    *out = a;
    return HONE_OK;
}

void hone_augmentation_free(hone_augmentation *a) {
    if (!a) return;
    hone__free(a->text);
    hone__free(a);
}

const char *hone_augmentation_text(const hone_augmentation *a) {
    return a->text;
}

bool hone_augmentation_mirrors(const hone_augmentation *a) {
    return a->is_keras ? a->keras.horizontal_flip : a->own.horizontal_flip > 0;
}

bool hone_augmentation_turns_over(const hone_augmentation *a) {
    const double quarter = 45; /* from here on a picture is nearer to lying on its side than to standing */
    if (a->is_keras) return a->keras.vertical_flip || a->keras.rotation_range > quarter;
    return a->own.vertical_flip > 0 || a->own.rotation > quarter;
}

const hone__normalize_settings *hone__augment_normalization(const hone_augmentation *a) {
    return a->is_keras ? &a->keras.normalize : &a->own.normalize;
}

/* ---- a picture ------------------------------------------------------------------------------------------------- */

hone_status hone_augmentation_scratch_size(const hone_augmentation *a, int height, int width, int channels,
                                           size_t *size, hone_error *err) {
    size_t pixels, values, floats, warp, rest;
    bool ok = height > 0 && width > 0 && channels > 0 && channels <= 4;
    /* The sampler counts bytes of the framed picture in 31 bits. */
    ok = ok && hone__multiply((size_t)height + 3, (size_t)width + 2, &pixels);
    ok = ok && hone__multiply(pixels, (size_t)channels, &values) && values <= INT32_MAX / 2;
    ok = ok && hone__multiply(values, 2 * sizeof(float), &floats);
    ok = ok && hone__augment_warp_scratch(&a->own, height, width, channels, &warp);
    ok = ok && hone__augment_pixels_scratch(&a->own, height, width, channels, &rest);
    if (!ok) HONE_FAIL(err, HONE_LIMIT, "augmentation: pictures of %dx%dx%d are too large", height, width, channels);
    *size = a->is_keras ? floats : warp > rest ? warp : rest;
    return HONE_OK;
}

/* Keras computes in float; training takes bytes, so the result is rounded to the nearest. */
static void apply_keras(const hone__keras_settings *s, hone__rng *rng, const hone__picture *p, void *scratch) {
    size_t n = (size_t)p->height * (size_t)p->width * (size_t)p->channels;
    float *in = scratch, *out = in + n;
    hone_keras_transform transform;
    hone__keras_draw(s, rng, p->height, p->width, &transform);
    for (size_t i = 0; i < n; i++) in[i] = p->in[i];
    hone_keras_transform_apply(&transform, in, p->height, p->width, p->channels, out);
    for (size_t i = 0; i < n; i++) {
        float value = out[i] > 0 ? out[i] : 0;
        p->out[i] = (unsigned char)((value < 255 ? value : 255) + 0.5f);
    }
}

void hone_augmentation_apply(const hone_augmentation *a, uint64_t seed, uint64_t epoch, uint64_t index,
                             const unsigned char *in, int height, int width, int channels, unsigned char *out,
                             void *scratch) {
    hone__rng rng;
    hone__rng_init(&rng, seed, HONE_STREAM_AUGMENT, epoch << 32 | (index & UINT32_MAX));
    const hone__picture picture = {height, width, channels, in, out};
    if (a->is_keras) {
        apply_keras(&a->keras, &rng, &picture, scratch);
        return;
    }
    hone__rand_draw rand;
    hone__rand_draw_operations(&a->own.randaugment, &rng, channels, &rand);
    hone__augment_warp(&a->own, &rand, &rng, &picture, scratch);
    hone__rand_pixels(&rand, &picture, scratch);
    hone__augment_pixels(&a->own, &rng, &picture, scratch);
}
