/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures in files: what a file is, is read from its first bytes, never from its name. */
#define _POSIX_C_SOURCE 200809L
#include "codecs.h"

#include "core_internal.h"
#include "file.h"
#include "readers.h"

#include <stdlib.h>
#include <string.h>

static const hone__codec *const codecs[] = {&hone__png_codec, &hone__jpeg_codec, &hone__pnm_codec};

/* Formats that people do have in their folders, so that the error can name them. */
static const struct {
    const char *name;
    size_t offset;
    const char *magic;
} others[] = {{"a GIF", 0, "GIF8"},      {"a BMP", 0, "BM"},         {"a WebP", 8, "WEBP"},
              {"a TIFF", 0, "II*"},      {"a TIFF", 0, "MM"},        {"a HEIC", 4, "ftyphei"},
              {"a HEIC", 4, "ftypmif1"}, {"an AVIF", 4, "ftypavif"}, {"a PDF", 0, "%PDF"},
              {"an SVG or XML", 0, "<"}, {"a plain PNM", 0, "P2"},   {"a plain PNM", 0, "P3"},
              {"a JPEG 2000", 4, "jP  "}};

hone_status hone__image_check_size(int64_t height, int64_t width, hone_error *err) {
    if (height < 1 || width < 1) HONE_FAIL(err, HONE_FORMAT, "the image is empty");
    if (height > HONE_MAX_IMAGE_SIDE || width > HONE_MAX_IMAGE_SIDE || height * width > HONE_MAX_IMAGE_PIXELS)
        HONE_FAIL(err, HONE_LIMIT, "an image of %lld x %lld, where sides up to %d and %d pixels are possible",
                  (long long)height, (long long)width, HONE_MAX_IMAGE_SIDE, HONE_MAX_IMAGE_PIXELS);
    return HONE_OK;
}

hone_status hone__image_allocate(hone_image *image, int64_t height, int64_t width, int channels, hone_error *err) {
    HONE_TRY(hone__image_check_size(height, width, err));
    size_t pixels = (size_t)height * (size_t)width;
    unsigned char *memory = hone__alloc(pixels, (size_t)channels);
    if (!memory) return hone__fail_memory(err, pixels * (size_t)channels, "an image");
    *image = (hone_image){(int)height, (int)width, channels, memory};
    return HONE_OK;
}

const char *hone__image_other_format(const void *data, size_t size) {
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        size_t length = strlen(others[i].magic), offset = others[i].offset;
        if (size >= offset + length && memcmp((const char *)data + offset, others[i].magic, length) == 0)
            return others[i].name;
    }
    return NULL;
}

hone_status hone_image_decode(hone_image *image, const void *data, size_t size, hone_error *err) {
    if (size == 0) HONE_FAIL(err, HONE_FORMAT, "the file is empty");
    for (size_t i = 0; i < sizeof codecs / sizeof *codecs; i++) {
        if (!codecs[i]->sniff(data, size)) continue;
        hone_status status = codecs[i]->decode(image, data, size, err);
        return status == HONE_OK ? HONE_OK : hone__fail_context(err, status, "%s", codecs[i]->name);
    }
    const char *other = hone__image_other_format(data, size);
    if (other) HONE_FAIL(err, HONE_UNSUPPORTED, "%s file, where PNG, JPEG or binary PNM is expected", other);
    HONE_FAIL(err, HONE_FORMAT, "not a picture (PNG, JPEG or binary PNM)");
}

hone_status hone_image_read(hone_image *image, const char *path, hone_error *err) {
    unsigned char *data;
    size_t size;
    HONE_TRY(hone__file_read(path, HONE_MAX_PICTURE_BYTES, &data, &size, err));
    hone_status status = hone_image_decode(image, data, size, err);
    hone__free(data);
    return status == HONE_OK ? HONE_OK : hone__fail_context(err, status, "'%s'", path);
}

hone_status hone_image_write(const hone_image *image, const char *path, hone_error *err) {
    hone_status (*write)(const hone_image *, FILE *, hone_error *);
    if (hone__ends_with(path, ".png"))
        write = hone__png_write;
    else if (hone__ends_with(path, ".pgm") || hone__ends_with(path, ".ppm"))
        write = hone__pnm_write;
    else
        HONE_FAIL(err, HONE_ARGUMENT, "'%s' ends neither in .png nor in .pgm or .ppm", path);
    int channels = hone__ends_with(path, ".pgm") ? 1 : hone__ends_with(path, ".ppm") ? 3 : image->channels;
    if (image->channels != channels)
        HONE_FAIL(err, HONE_ARGUMENT, "'%s' can hold %d channels, but the image has %d", path, channels,
                  image->channels);
    hone__file_writer writer = {0};
    HONE_TRY(hone__file_begin(&writer, path, err));
    hone_status status = write(image, writer.file, err);
    if (status != HONE_OK) {
        hone__file_abort(&writer);
        return hone__fail_context(err, status, "'%s'", path);
    }
    return hone__file_commit(&writer, err);
}

hone_status hone_image_encode_png(unsigned char **png, size_t *size, const hone_image *image, hone_error *err) {
    char *bytes = NULL;
    size_t length = 0;
    *png = NULL;
    FILE *stream = open_memstream(&bytes, &length);
    if (!stream) return hone__fail_memory(err, 0, "a PNG");
    hone_status status = hone__png_write(image, stream, err);
    if (fclose(stream) != 0 && status == HONE_OK) status = hone__fail_memory(err, length, "a PNG");
    if (status == HONE_OK) {
        *png = hone__alloc(length, 1);
        if (!*png) status = hone__fail_memory(err, length, "a PNG");
    }
    if (status == HONE_OK) {
        memcpy(*png, bytes, length);
        *size = length;
    }
    free(bytes);
    return status;
}

void hone_png_free(unsigned char *png) {
    hone__free(png);
}
