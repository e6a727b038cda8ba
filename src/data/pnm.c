/* SPDX-License-Identifier: Apache-2.0
 *
 * Binary PNM: P5 (grey) and P6 (RGB), 8 or 16 bits. A header in words, then the samples. */
#include "codecs.h"

#include "core_internal.h"

#include <errno.h>
#include <string.h>

static bool pnm_sniff(const unsigned char *data, size_t size) {
    return size >= 3 && data[0] == 'P' && (data[1] == '5' || data[1] == '6') &&
           (data[2] == ' ' || data[2] == '\t' || data[2] == '\n' || data[2] == '\r' || data[2] == '#');
}

static bool is_blank(unsigned char c) {
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* A positive number of at most 9 digits after blanks and # comments; false where there is none. */
static bool read_number(const unsigned char *data, size_t size, size_t *at, int32_t *out) {
    size_t i = *at;
    while (i < size && (is_blank(data[i]) || data[i] == '#')) {
        if (data[i] == '#')
            while (i < size && data[i] != '\n' && data[i] != '\r') i++;
        else
            i++;
    }
    int32_t value = 0;
    size_t begin = i;
    while (i < size && data[i] >= '0' && data[i] <= '9' && i - begin < 9) value = value * 10 + (data[i++] - '0');
    *at = i;
    *out = value;
    return i > begin && value > 0;
}

static hone_status pnm_decode(hone_image *image, const unsigned char *data, size_t size, hone_error *err) {
    int channels = data[1] == '5' ? 1 : 3;
    int32_t width, height, most;
    size_t at = 2;
    if (!read_number(data, size, &at, &width) || !read_number(data, size, &at, &height) ||
        !read_number(data, size, &at, &most))
        return hone__fail_at(err, HONE_FORMAT, (int64_t)at, "a number is missing from the header");
    if (most > 65535) HONE_FAIL(err, HONE_FORMAT, "a maximum of %d, where 65535 is possible", (int)most);
    if (at >= size || !is_blank(data[at]))
        return hone__fail_at(err, HONE_FORMAT, (int64_t)at, "no blank after the header");
    at++;
    size_t bytes_per_sample = most > 255 ? 2 : 1;
    if (width > HONE_MAX_IMAGE_SIDE || height > HONE_MAX_IMAGE_SIDE)
        HONE_FAIL(err, HONE_LIMIT, "an image of %d x %d, where sides up to %d are possible", (int)height, (int)width,
                  HONE_MAX_IMAGE_SIDE);
    uint64_t need = (uint64_t)width * (uint64_t)height * (uint64_t)channels * bytes_per_sample;
    if (need > size - at)
        HONE_FAIL(err, HONE_FORMAT, "truncated: the header promises %llu bytes of samples, %zu are there",
                  (unsigned long long)need, size - at);
    HONE_TRY(hone__image_allocate(image, height, width, channels, err));
    const unsigned char *p = data + at;
    size_t samples = (size_t)width * (size_t)height * (size_t)channels;
    uint32_t scale = (uint32_t)most;
    for (size_t i = 0; i < samples; i++) {
        uint32_t value = bytes_per_sample == 2 ? (uint32_t)p[2 * i] << 8 | p[2 * i + 1] : p[i];
        if (value > scale) value = scale;
        image->pixels[i] = (unsigned char)((value * 255 + scale / 2) / scale);
    }
    return HONE_OK;
}

const hone__codec hone__pnm_codec = {"PNM", pnm_sniff, pnm_decode};

hone_status hone__pnm_write(const hone_image *image, FILE *file, hone_error *err) {
    size_t size = (size_t)image->height * (size_t)image->width * (size_t)image->channels;
    if (fprintf(file, "P%d\n%d %d\n255\n", image->channels == 1 ? 5 : 6, image->width, image->height) < 0 ||
        fwrite(image->pixels, 1, size, file) != size)
        HONE_FAIL(err, HONE_IO, "%s", strerror(errno));
    return HONE_OK;
}
