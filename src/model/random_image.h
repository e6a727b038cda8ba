/* SPDX-License-Identifier: Apache-2.0
 *
 * What one of Keras' Random… layers does to a picture: between the layer (layers/augmentation.c), which reads Keras'
 * arguments into it, and the operation (ops/augmentation.c), which draws and carries it out. */
#ifndef HONE_RANDOM_IMAGE_H
#define HONE_RANDOM_IMAGE_H

#include "kernels.h"

#include <stdbool.h>

typedef enum hone__random_kind {
    HONE_RANDOM_FLIP,
    HONE_RANDOM_ROTATION,
    HONE_RANDOM_TRANSLATION,
    HONE_RANDOM_ZOOM,
    HONE_RANDOM_CONTRAST,
    HONE_RANDOM_BRIGHTNESS,
    HONE_RANDOM_CROP,
    HONE_RANDOM_SHEAR,
    HONE_RANDOM_PERSPECTIVE,
    HONE_RANDOM_ELASTIC,
    HONE_RANDOM_HUE, /* from here on values alone: ops/augmentation_values.c */
    HONE_RANDOM_SATURATION,
    HONE_RANDOM_DEGENERATION,
    HONE_RANDOM_GRAYSCALE,
    HONE_RANDOM_INVERT,
    HONE_RANDOM_POSTERIZATION,
    HONE_RANDOM_SHARPNESS,
    HONE_RANDOM_SOLARIZATION,
    HONE_RANDOM_ERASING,
    HONE_RANDOM_BLUR,
    HONE_RANDOM_EQUALIZATION,
    HONE_RANDOM_AUTO_CONTRAST /* no draw: in inference too */
} hone__random_kind;

/* A draw is uniform over [low, high). */
typedef struct hone__draw {
    double low, high;
} hone__draw;

typedef struct hone__random_image {
    hone__random_kind kind;
    int h, w, c;   /* of the input */
    int oh, ow;    /* of the output: a crop's own, else h and w */
    bool training; /* false: what the layer does in inference (a crop alone does anything) */
    int keras;     /* 2 or 3: a flip both ways is two coins or one, a crop is drawn from one row to spare or none */
    bool horizontal, vertical; /* flips */
    /* Rotation: turns. Translation, zoom: parts of the height (a) and width (b). Shear: of x (a) and y (b). What is done
     * to some pictures only: its probability (a), and how much (b). Solarization: what is added (a), the threshold (b).
     * All others: a. */
    hone__draw a, b;
    bool is_linked;             /* zoom: the height's draw is the width's */
    double clip_low, clip_high; /* value_range: what values are cut to, or told by */
    int bins;                   /* equalization */
    int window[2];              /* blur */
    bool noise;                 /* erasing: filled with it, not with … */
    double fill[3];             /* … these, the first fill_count channels' */
    int fill_count;             /* as stated: 1 or 3 */
    uint32_t part;              /* of a layer that does several things: each has draws of its own */
    hone_border border;
    bool nearest; /* neighbour, not bilinear */
    double fill_value;
    uint32_t key[2]; /* of the draws: the layer's */
} hone__random_image;

#endif
