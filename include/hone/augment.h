/* SPDX-License-Identifier: Apache-2.0
 *
 * Augmentation: more pictures from the same ones, by changes that leave the label as it is.
 *
 * A description is text, "rotation=10,zoom=0.1,shift=0.1". What a sample becomes is a pure function of (description,
 * seed, epoch, index, pixels): any variant can be made again alone, and threads and batches cannot change one. */
#ifndef HONE_AUGMENT_H
#define HONE_AUGMENT_H

#include <hone/data.h>
#include <hone/status.h>
#include <hone/threads.h>

#include <stdbool.h>

#ifdef __cplusplus
extern "C" {
#endif

/* What to draw and how far. Immutable; may be used from several threads. */
typedef struct hone_augmentation hone_augmentation;

/* text is a list with commas between. Each draw is uniform over the range that the value spans.
 *
 *   rotation=DEGREES         turned by up to that much either way
 *   shift=F                  moved by up to F (below 1: of the side; from 1: pixels); width_shift, height_shift: one way
 *   zoom=F                   enlarged by 1 - F to 1 + F; stretch=F: width and height by factors of their own
 *   shear=DEGREES            slanted
 *   crop=F                   random resized crop: a part of F to 1 of the area, sides as 3:4 to 4:3, fills the picture
 *   elastic=PIXELS           bent by a smooth random field, that many pixels (standard deviation)
 *   horizontal_flip, vertical_flip   in half of the cases (horizontal_flip=0.2: in a fifth)
 *   fill_mode=nearest|constant|reflect|wrap, fill_value=0…255    what comes in from outside; nearest
 *   brightness=F, contrast=F all values times 1 - F to 1 + F; distances from the mean, likewise
 *   channel_shift=F          each channel moved by up to F of the range, on its own
 *   blur=PIXELS              Gaussian, sigma up to that
 *   noise=F                  Gaussian, its standard deviation up to F of the range
 *   cutout=N                 a square of N pixels (below 1: of the shorter side) is filled with fill_value
 *   mixup=A, cutmix=A        mixed with another picture, pixels or a rectangle of them, and the labels alike; the shares are
 *                            drawn from Beta(A, A). With both, either in half of the cases
 *   erasing=P                with probability P a rectangle of 2 to 20 % of the picture becomes noise
 *   randaugment=N:M          RandAugment: N operations out of 13 (colour: 14), of magnitude M out of 10; N alone: M is 9
 *
 * and what is done to every picture alike, in evaluation and prediction too (hone_model_fit_preprocessing):
 *
 *   featurewise_center, featurewise_std_normalization   the training data's mean and deviation of each channel
 *   samplewise_center, samplewise_std_normalization     each picture's own
 *   zca_whitening, zca_epsilon=E                        neighbouring pixels made independent, on the centred data; E is added
 *                                                       to every variance, 0.01
 *
 * The geometric ones are composed into one map, so a picture is interpolated once. A preset may stand first and be
 * changed by what follows: "digits,rotation=15". Presets: "none", "digits", "photos".
 *
 * "keras:" and then arguments of Keras' ImageDataGenerator, "keras:rotation_range=10,width_shift_range=0.1", is that
 * class to the letter, its surprises included: with the same drawn numbers the pixels are those of Keras >= 2.9, tf-keras
 * and Keras 3 ("keras-a:": of Keras <= 2.8). Pairs and lists take a colon: "zoom_range=0.8:1.2"; a shift of 2 is an int to
 * Keras, one of 2.0 a float. Of what is done to every picture alike it takes the five above and rescale=1/255, with Keras'
 * defaults: no rescaling, zca_epsilon 1e-6, and its two formulas of whitening. */
HONE_API hone_status hone_augmentation_parse(hone_augmentation **out, const char *text, hone_error *err);
HONE_API void hone_augmentation_free(hone_augmentation *augmentation);
/* The text in full, presets spelt out: two descriptions with the same text do the same. */
HONE_API const char *hone_augmentation_text(const hone_augmentation *augmentation);
/* Whether pictures may come out mirrored, upside down, or turned by more than 45 degrees: what makes another letter of a
 * letter. */
HONE_API bool hone_augmentation_mirrors(const hone_augmentation *augmentation);
HONE_API bool hone_augmentation_turns_over(const hone_augmentation *augmentation);
/* The presets' names: index 0, 1, … until NULL. */
HONE_API const char *hone_augmentation_preset(size_t index);

/* Bytes of scratch memory that hone_augmentation_apply needs for pictures of this size. */
HONE_API hone_status hone_augmentation_scratch_size(const hone_augmentation *augmentation, int height, int width,
                                                    int channels, size_t *size, hone_error *err);
/* out becomes the variant of in, both (height, width, channels), that belongs to (seed, epoch, index); epoch and index
 * below 2^32. scratch is aligned to 64, of the size above; its contents need not survive. in may not be out. */
HONE_API void hone_augmentation_apply(const hone_augmentation *augmentation, uint64_t seed, uint64_t epoch,
                                      uint64_t index, const unsigned char *in, int height, int width, int channels,
                                      unsigned char *out, void *scratch);

/* Whether pictures are mixed: mixup or CutMix. What follows is the trainer's part of that. */
HONE_API bool hone_augmentation_mixes(const hone_augmentation *augmentation);
/* Which of count samples (0 … count - 1) is mixed into that of (seed, epoch, index). */
HONE_API size_t hone_augmentation_partner(const hone_augmentation *augmentation, uint64_t seed, uint64_t epoch,
                                          uint64_t index, size_t count);
/* Mixes other, the partner's variant, into picture, both (height, width, channels). Returns picture's share, 0 … 1: the
 * loss is share * loss(own label) + (1 - share) * loss(partner's label). */
HONE_API double hone_augmentation_mix(const hone_augmentation *augmentation, uint64_t seed, uint64_t epoch,
                                      uint64_t index, const unsigned char *other, int height, int width, int channels,
                                      unsigned char *picture);

/* ---- what is done to every picture alike ----------------------------------------------------------------------- */

enum { HONE_MAX_WHITENING = 4096 }; /* values of a picture to be whitened, 36 x 36 in colour */

/* pixel * scale, less its picture's own mean and divided by its deviation plus 1e-6 (samplewise_…), less mean and divided
 * by std of its channel, and the whole picture, flat, times whitening: in this order. */
typedef struct hone_normalization {
    double scale;
    bool samplewise_center, samplewise_std_normalization;
    bool featurewise; /* false: mean is 0 and std 1 */
    double mean[HONE_MAX_CHANNELS], std[HONE_MAX_CHANNELS];
    float *whitening; /* (size, size), or NULL */
    size_t size;
} hone_normalization;

/* Whether the description asks for any of it. */
HONE_API bool hone_augmentation_normalizes(const hone_augmentation *augmentation);
/* ImageDataGenerator.fit: statistics of count samples of data (indices NULL: all), as they are, without augmentation. scale
 * is for our own dialect, 1/255 or 1; Keras' has rescale. Whitening takes time with the cube of a picture's values: some
 * seconds for 28x28, a minute or two for 48x48 on two cores. */
HONE_API hone_status hone_normalization_fit(hone_normalization *out, const hone_augmentation *augmentation,
                                            const hone_dataset *data, const uint32_t *indices, size_t count,
                                            double scale, hone_threads *threads, hone_error *err);
HONE_API void hone_normalization_release(hone_normalization *normalization);

/* ---- Keras' ImageDataGenerator, drawn numbers in hand ---------------------------------------------------------- */

typedef enum hone_fill_mode { HONE_FILL_NEAREST, HONE_FILL_CONSTANT, HONE_FILL_REFLECT, HONE_FILL_WRAP } hone_fill_mode;

/* The arguments of ImageDataGenerator.apply_transform, in Keras' names and units. */
typedef struct hone_keras_transform {
    bool old_dialect;     /* as Keras <= 2.8 did it */
    double theta, shear;  /* degrees */
    double tx, ty;        /* pixels */
    double zx, zy;        /* 1: as it is; above: smaller */
    double channel_shift; /* in the units of the pixels */
    bool flip_horizontal, flip_vertical;
    bool has_brightness;
    double brightness;
    hone_fill_mode fill_mode;
    double cval;
    int interpolation_order; /* 0 or 1 */
} hone_keras_transform;

/* Nothing is changed: zx, zy and brightness 1, fill_mode nearest, interpolation_order 1. */
HONE_API hone_keras_transform hone_keras_transform_default(void);
/* out (height, width, channels) becomes what apply_transform makes of in, bit for bit. in is not out. */
HONE_API void hone_keras_transform_apply(const hone_keras_transform *transform, const float *in, int height, int width,
                                         int channels, float *out);

#ifdef __cplusplus
}
#endif
#endif
