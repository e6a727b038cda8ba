/* SPDX-License-Identifier: Apache-2.0
 *
 * What a picture format is: a way to recognise it and a way to decode it, from bytes in memory. One format is one entry
 * of the table in codecs.c and one file. */
#ifndef HONE_CODECS_H
#define HONE_CODECS_H

#include <hone/data.h>

#include <stdbool.h>
#include <stdio.h>

typedef struct hone__codec {
    const char *name;
    bool (*sniff)(const unsigned char *data, size_t size);
    /* Fills image on success only. */
    hone_status (*decode)(hone_image *image, const unsigned char *data, size_t size, hone_error *err);
} hone__codec;

extern const hone__codec hone__png_codec, hone__jpeg_codec, hone__pnm_codec;

/* Whose bytes these are, of the formats that are not read here: "a GIF"; NULL: nobody knows. */
const char *hone__image_other_format(const void *data, size_t size);
hone_status hone__image_check_size(int64_t height, int64_t width, hone_error *err);
/* Checks the size, then takes the memory. */
hone_status hone__image_allocate(hone_image *image, int64_t height, int64_t width, int channels, hone_error *err);

hone_status hone__png_write(const hone_image *image, FILE *file, hone_error *err);
hone_status hone__pnm_write(const hone_image *image, FILE *file, hone_error *err);

/* What a file says of itself: size and mode as stored. */
typedef struct hone__image_header {
    int width, height;
    const char *mode; /* "1", "L", "I;16", "LA", "P", "RGB", "RGBA", "CMYK": a constant */
} hone__image_header;

/* Of a file that was decoded; false where the header makes no sense after all. */
bool hone__image_probe(hone__image_header *out, const hone_image *decoded, const unsigned char *data, size_t size);

/* The EXIF orientation (1 … 8) in a JPEG's segments; 1 where there is none or it makes no sense. */
int hone__jpeg_orientation(const unsigned char *data, size_t size);
/* Turns image so that it stands upright. */
hone_status hone__image_orient(hone_image *image, int orientation, hone_error *err);

#endif
