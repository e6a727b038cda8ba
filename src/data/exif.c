/* SPDX-License-Identifier: Apache-2.0
 *
 * EXIF orientation: phones store pictures as the sensor lies and write beside them which way is up. Only that one tag
 * is read, by hand; every offset is checked against the segment it must stay in. */
#include "codecs.h"

#include "core_internal.h"

#include <string.h>

typedef struct tiff {
    const unsigned char *data;
    size_t size;
    bool is_little;
} tiff;

static bool tiff_u16(const tiff *t, size_t at, uint32_t *out) {
    if (at > t->size || t->size - at < 2) return false;
    const unsigned char *p = t->data + at;
    *out = t->is_little ? (uint32_t)p[1] << 8 | p[0] : (uint32_t)p[0] << 8 | p[1];
    return true;
}

static bool tiff_u32(const tiff *t, size_t at, uint32_t *out) {
    uint32_t a, b;
    if (!tiff_u16(t, at, &a) || !tiff_u16(t, at + 2, &b)) return false;
    *out = t->is_little ? b << 16 | a : a << 16 | b;
    return true;
}

/* The orientation tag of the first directory; 1 where anything is amiss. */
static int tiff_orientation(const unsigned char *data, size_t size) {
    enum { TAG_ORIENTATION = 0x0112, TYPE_SHORT = 3, ENTRY = 12 };
    tiff t = {data, size, size >= 2 && data[0] == 'I'};
    uint32_t magic, directory, entries, tag, type, value;
    if (size < 8 || (memcmp(data, "II", 2) != 0 && memcmp(data, "MM", 2) != 0)) return 1;
    if (!tiff_u16(&t, 2, &magic) || magic != 42 || !tiff_u32(&t, 4, &directory)) return 1;
    if (!tiff_u16(&t, directory, &entries)) return 1;
    for (uint32_t i = 0; i < entries; i++) {
        size_t at = (size_t)directory + 2 + (size_t)i * ENTRY;
        if (!tiff_u16(&t, at, &tag) || !tiff_u16(&t, at + 2, &type) || !tiff_u16(&t, at + 8, &value)) return 1;
        if (tag == TAG_ORIENTATION) return type == TYPE_SHORT && value >= 1 && value <= 8 ? (int)value : 1;
    }
    return 1;
}

int hone__jpeg_orientation(const unsigned char *data, size_t size) {
    enum { START_OF_SCAN = 0xda, APP1 = 0xe1 };
    size_t at = 2;
    while (size - at >= 4 && data[at] == 0xff) {
        unsigned char marker = data[at + 1];
        if (marker == 0xff) { /* fill byte */
            at++;
            continue;
        }
        if (marker == START_OF_SCAN) break;
        size_t length = (size_t)data[at + 2] << 8 | data[at + 3];
        if (length < 2 || length > size - at - 2) break;
        if (marker == APP1 && length >= 8 && memcmp(data + at + 4, "Exif\0\0", 6) == 0)
            return tiff_orientation(data + at + 10, length - 8);
        at += 2 + length;
    }
    return 1;
}

hone_status hone__image_orient(hone_image *image, int orientation, hone_error *err) {
    if (orientation <= 1) return HONE_OK;
    /* 5 … 8 are lying: the stored rows are the columns of the picture. */
    bool is_lying = orientation >= 5;
    int height = is_lying ? image->width : image->height, width = is_lying ? image->height : image->width;
    size_t channels = (size_t)image->channels;
    hone_image turned;
    HONE_TRY(hone__image_allocate(&turned, height, width, image->channels, err));
    unsigned char *out = turned.pixels;
    for (int y = 0; y < height; y++) {
        for (int x = 0; x < width; x++, out += channels) {
            int row = is_lying ? x : y, column = is_lying ? y : x;
            if (orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7)
                row = image->height - 1 - row;
            if (orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8)
                column = image->width - 1 - column;
            const unsigned char *in = image->pixels + ((size_t)row * (size_t)image->width + (size_t)column) * channels;
            memcpy(out, in, channels);
        }
    }
    hone_image_release(image);
    *image = turned;
    return HONE_OK;
}
