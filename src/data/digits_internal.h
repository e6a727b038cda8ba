/* SPDX-License-Identifier: Apache-2.0
 *
 * Between the files of the digit generator: the table of glyphs (digits_glyphs.c), the hand that writes one
 * (digits_hand.c) and the pen and scanner that make pixels of it (digits_render.c). */
#ifndef HONE_DIGITS_INTERNAL_H
#define HONE_DIGITS_INTERNAL_H

#include "rng.h"

#include <stddef.h>
#include <stdint.h>

enum {
    HONE__DIGIT_SIDE = 28,      /* of an image */
    HONE__DIGIT_BOX = 20,       /* of the square inside it that the ink is scaled to */
    HONE__DIGIT_MAX_POINTS = 24 /* of a glyph */
};

/* A glyph is a list of points the pen passes through, in writing order, in a box of about 100 x 100, y downwards. */
enum {
    HONE__DIGIT_END = 0,    /* after the last point (and so what an initialiser leaves out) */
    HONE__DIGIT_START = 1,  /* the pen comes down here */
    HONE__DIGIT_SMOOTH = 2, /* passed through without stopping */
    HONE__DIGIT_CORNER = 3  /* the direction may change at once */
};

typedef struct hone__digit_point {
    signed char kind;
    signed char x, y;
} hone__digit_point;

typedef struct hone__digit_glyph {
    int label;
    int family; /* glyphs of one label and family have the same kinds in the same order, so any two can be blended */
    int weight; /* how often it is written, among the glyphs of its label */
    hone__digit_point points[HONE__DIGIT_MAX_POINTS];
} hone__digit_glyph;

/* Sorted by label, families together. */
extern const hone__digit_glyph hone__digit_glyphs[];
extern const size_t hone__digit_glyph_count;

/* What the hand drew: a polyline per stroke, one after the other. */
enum { HONE__DIGIT_MAX_TRACE = 512 };

typedef struct hone__digit_trace {
    int count;
    double x[HONE__DIGIT_MAX_TRACE];
    double y[HONE__DIGIT_MAX_TRACE];
    unsigned char down[HONE__DIGIT_MAX_TRACE]; /* 0: a stroke begins here; 1: ink from the point before to this one */
} hone__digit_trace;

/* Writes one digit of class label in a random hand. */
void hone__digit_write(hone__digit_trace *trace, int label, hone__rng *rng);
/* Inks and scans it. The trace is changed (scaled to pixels). */
void hone__digit_scan(unsigned char image[HONE__DIGIT_SIDE * HONE__DIGIT_SIDE], hone__digit_trace *trace,
                      hone__rng *rng);

/* Random numbers out of integers, sums and products alone: the same bits wherever double is IEEE's. */
static inline double hone__digit_uniform(hone__rng *rng) {
    return hone__rng_u32(rng) * (1.0 / 4294967296.0);
}

static inline double hone__digit_range(hone__rng *rng, double low, double high) {
    return low + (high - low) * hone__digit_uniform(rng);
}

/* Mean 0, variance 1, within 3.46: the sum of the four bytes of a number. */
static inline double hone__digit_normal(hone__rng *rng) {
    uint32_t bits = hone__rng_u32(rng);
    int sum = (int)((bits & 255) + (bits >> 8 & 255) + (bits >> 16 & 255) + (bits >> 24));
    return (sum - 510) * (1.0 / 147.8);
}

/* About exp(x) for |x| < 2: (1 + x / 32)^32. */
static inline double hone__digit_exp(double x) {
    double y = 1 + x * (1.0 / 32);
    y *= y, y *= y, y *= y, y *= y;
    return y * y;
}

#endif
