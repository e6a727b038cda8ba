/* SPDX-License-Identifier: Apache-2.0
 *
 * How large a picture is by its header, so that a small file of a huge picture is refused before memory is taken. */
#include "serve_internal.h"

#include "codecs.h"

#include <string.h>

static uint32_t big_endian(const unsigned char *p, int bytes) {
    uint32_t value = 0;
    for (int i = 0; i < bytes; i++) value = value << 8 | p[i];
    return value;
}

/* Walks over a JPEG's segments to the start of the frame (SOF0 … SOF15 but for DHT, JPG and DAC, which lie between). */
static bool jpeg_size(const unsigned char *data, size_t size, uint32_t *height, uint32_t *width) {
    for (size_t at = 2; at + 4 <= size;) {
        if (data[at] != 0xff) return false;
        unsigned char marker = data[at + 1];
        if (marker == 0xff) { /* padding */
            at++;
            continue;
        }
        if (marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) { /* markers without a segment */
            at += 2;
            continue;
        }
        size_t length = big_endian(data + at + 2, 2);
        if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) {
            if (at + 9 > size) return false;
            *height = big_endian(data + at + 5, 2);
            *width = big_endian(data + at + 7, 2);
            return true;
        }
        if (length < 2) return false;
        at += 2 + length;
    }
    return false;
}

hone_status hone__picture_pixels(const unsigned char *data, size_t size, int64_t most, int64_t *pixels,
                                 hone_error *err) {
    static const unsigned char png[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};
    uint32_t height = 0, width = 0;
    *pixels = 0;
    if (size == 0) HONE_FAIL(err, HONE_FORMAT, "the picture is empty");
    if (size >= 24 && memcmp(data, png, sizeof png) == 0) {
        width = big_endian(data + 16, 4);
        height = big_endian(data + 20, 4);
    } else if (size >= 4 && data[0] == 0xff && data[1] == 0xd8) {
        if (!jpeg_size(data, size, &height, &width)) HONE_FAIL(err, HONE_FORMAT, "JPEG: there is no picture in it");
    } else {
        const char *other = hone__image_other_format(data, size);
        if (other) HONE_FAIL(err, HONE_UNSUPPORTED, "%s file, where PNG or JPEG is expected", other);
        HONE_FAIL(err, HONE_FORMAT, "not a picture (PNG or JPEG)");
    }
    if (height == 0 || width == 0) HONE_FAIL(err, HONE_FORMAT, "the picture has no pixels");
    if (height > HONE_MAX_IMAGE_SIDE || width > HONE_MAX_IMAGE_SIDE || (int64_t)height * (int64_t)width > most)
        HONE_FAIL(err, HONE_LIMIT, "a picture of %u x %u pixels, where %lld pixels are the limit", (unsigned)height,
                  (unsigned)width, (long long)most);
    *pixels = (int64_t)height * (int64_t)width;
    return HONE_OK;
}
