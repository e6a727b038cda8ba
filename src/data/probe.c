/* SPDX-License-Identifier: Apache-2.0
 *
 * What a picture file says of itself in its first bytes: size and mode as stored, before anything is decoded or turned.
 * The names of the modes are Pillow's. */
#include "codecs.h"

#include <string.h>

static uint32_t big_endian(const unsigned char *p, int bytes) {
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++) value = value << 8 | p[i];
    return value;
}

/* The IHDR chunk comes first: its place is fixed. */
static bool probe_png(hone__image_header *out, const unsigned char *data, size_t size) {
    if (size < 26) return false;
    int depth = data[24], colour = data[25];
    out->width = (int)big_endian(data + 16, 4);
    out->height = (int)big_endian(data + 20, 4);
    switch (colour) {
    case 0: out->mode = depth == 1 ? "1" : depth == 16 ? "I;16" : "L"; break;
    case 2: out->mode = "RGB"; break;
    case 3: out->mode = "P"; break;
    case 4: out->mode = "LA"; break;
    case 6: out->mode = "RGBA"; break;
    default: return false;
    }
    return true;
}

/* The first start-of-frame segment (C0 … CF but for C4, C8 and CC, which are tables). */
static bool probe_jpeg(hone__image_header *out, const unsigned char *data, size_t size) {
    for (size_t at = 2; size - at >= 4 && data[at] == 0xff;) {
        unsigned char marker = data[at + 1];
        if (marker == 0xff) {
            at++;
            continue;
        }
        size_t length = big_endian(data + at + 2, 2);
        if (length < 2 || length > size - at - 2) return false;
        if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) {
            if (length < 8) return false;
            out->height = (int)big_endian(data + at + 5, 2);
            out->width = (int)big_endian(data + at + 7, 2);
            out->mode = data[at + 9] == 1 ? "L" : data[at + 9] == 4 ? "CMYK" : "RGB";
            return true;
        }
        at += 2 + length;
    }
    return false;
}

bool hone__image_probe(hone__image_header *out, const hone_image *decoded, const unsigned char *data, size_t size) {
    *out = (hone__image_header){0};
    if (hone__png_codec.sniff(data, size)) return probe_png(out, data, size);
    if (hone__jpeg_codec.sniff(data, size)) return probe_jpeg(out, data, size);
    /* PNM is never turned, so the picture is as stored but for its depth. */
    *out = (hone__image_header){decoded->width, decoded->height, decoded->channels == 1 ? "L" : "RGB"};
    return true;
}
