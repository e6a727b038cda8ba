/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of augmentation share: the two dialects' settings, as parsed, and who carries them out. */
#ifndef HONE_AUGMENT_INTERNAL_H
#define HONE_AUGMENT_INTERNAL_H

#include <hone/augment.h>
#include <hone/data.h>

#include "core_internal.h"
#include "rng.h"

/* ---- settings -------------------------------------------------------------------------------------------------- */

/* What is done to every picture alike, in either dialect. */
typedef struct hone__normalize_settings {
    bool featurewise_center, featurewise_std_normalization, samplewise_center, samplewise_std_normalization;
    bool zca_whitening;
    double zca_epsilon;
    double rescale; /* Keras' dialect; 0: not given */
} hone__normalize_settings;

/* RandAugment's N and M. */
typedef struct hone__rand_settings {
    int count; /* 0: off */
    double magnitude;
} hone__rand_settings;

/* Our own dialect; <hone/augment.h> says what each means. 0: off. */
typedef struct hone__augment_settings {
    double rotation, width_shift, height_shift, zoom, stretch, shear, crop, elastic;
    double horizontal_flip, vertical_flip; /* probabilities */
    double brightness, contrast, channel_shift, blur, noise, cutout, erasing;
    double mixup, cutmix; /* Beta parameters */
    hone__rand_settings randaugment;
    hone__normalize_settings normalize;
    double fill_value;
    hone_fill_mode fill_mode;
} hone__augment_settings;

enum { HONE__SHIFT_CHOICES = 16 };

/* Keras draws a shift by what type of number it was given. */
typedef struct hone__keras_shift {
    enum { HONE__SHIFT_REAL, HONE__SHIFT_WHOLE, HONE__SHIFT_LIST } kind;
    int count; /* of values; 0: off */
    double values[HONE__SHIFT_CHOICES];
} hone__keras_shift;

typedef struct hone__keras_range {
    bool given;
    double low, high;
} hone__keras_range;

typedef struct hone__keras_settings {
    bool old_dialect;
    double rotation_range, shear_range, channel_shift_range, cval;
    hone__keras_shift width_shift_range, height_shift_range;
    hone__keras_range zoom_range, brightness_range;
    bool horizontal_flip, vertical_flip;
    hone_fill_mode fill_mode;
    int64_t interpolation_order;
    hone__normalize_settings normalize;
} hone__keras_settings;

struct hone_augmentation {
    char *text;
    bool is_keras;
    hone__augment_settings own;
    hone__keras_settings keras;
};

/* ---- augment_parse.c ------------------------------------------------------------------------------------------- */

/* Sets everything but the text, and writes the text in full. */
enum { HONE__AUGMENT_TEXT = 2048 };
hone_status hone__augment_parse(hone_augmentation *out, const char *text, char full[HONE__AUGMENT_TEXT],
                                hone_error *err);

/* ---- one picture ----------------------------------------------------------------------------------------------- */

/* (height, width, channels) of both ends. */
typedef struct hone__picture {
    int height, width, channels;
    const unsigned char *in;
    unsigned char *out;
} hone__picture;

/* Column and row of the source: (m[0] x + m[1] y + m[2], m[3] x + m[4] y + m[5]). */
typedef struct hone__map {
    double m[6];
} hone__map;

/* first, then second. */
hone__map hone__map_compose(const hone__map *first, const hone__map *second);

/* augment_rand.c: RandAugment. What is drawn is drawn first; the geometric part joins the one map, the rest is done to the
 * pixels afterwards, in the order drawn. */
enum { HONE__RAND_MOST = 16 };
typedef struct hone__rand_draw {
    int count;
    struct {
        int operation;
        double amount; /* -1 … 1: the magnitude with its sign */
    } drawn[HONE__RAND_MOST];
} hone__rand_draw;
void hone__rand_draw_operations(const hone__rand_settings *s, hone__rng *rng, int channels, hone__rand_draw *out);
/* Composes the geometric ones onto map; false where there are none. */
bool hone__rand_map(const hone__rand_draw *draw, int height, int width, hone__map *map);
/* scratch: as many bytes as the picture has. */
struct hone__picture;
void hone__rand_pixels(const hone__rand_draw *draw, const struct hone__picture *picture, unsigned char *scratch);

/* augment_warp.c: everything geometric, from in to out. */
bool hone__augment_warp_scratch(const hone__augment_settings *s, int height, int width, int channels, size_t *size);
void hone__augment_warp(const hone__augment_settings *s, const hone__rand_draw *rand, hone__rng *rng,
                        const hone__picture *picture, void *scratch);

/* augment_pixels.c: values, in place in out. */
bool hone__augment_pixels_scratch(const hone__augment_settings *s, int height, int width, int channels, size_t *size);
void hone__augment_pixels(const hone__augment_settings *s, hone__rng *rng, const hone__picture *picture, void *scratch);

/* What normalises, of whichever dialect. */
const hone__normalize_settings *hone__augment_normalization(const hone_augmentation *augmentation);

/* augment_keras.c. The draws are Keras' in order and distribution, from our generator. */
void hone__keras_draw(const hone__keras_settings *s, hone__rng *rng, int height, int width, hone_keras_transform *out);

#endif
