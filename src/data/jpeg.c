/* SPDX-License-Identifier: Apache-2.0
 *
 * JPEG through TurboJPEG, known to this file alone. libjpeg forgives much (it paints the missing half of a truncated
 * file grey); a data set must not, so its warnings are errors but for the few that do not touch the picture. */
#include "codecs.h"

#include "core_internal.h"

#include <string.h>

static bool jpeg_sniff(const unsigned char *data, size_t size) {
    return size >= 4 && data[0] == 0xff && data[1] == 0xd8 && data[2] == 0xff;
}

#if HONE_WITH_JPEG

#include <turbojpeg.h>

/* No JPEG says more pixels per byte: a progressive file spends at least one bit per 8x8 block on its first scan, 512
 * pixels per byte. Twice that, and headers of a few hundred bytes, leave room for odd encoders. */
enum { PIXELS_PER_BYTE = 1024 };

/* What may be wrong with a file whose picture is right: padding before the end mark, odd version numbers. */
static bool is_harmless(tjhandle handle) {
    static const char *const words[] = {"before marker 0xd9", "JFIF revision number", "Adobe color transform code"};
    if (tjGetErrorCode(handle) != TJERR_WARNING) return false;
    const char *message = tjGetErrorStr2(handle);
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strstr(message, words[i])) return true;
    return false;
}

/* Adobe's convention, which everybody follows: inverted, so 255 is no ink. */
static void cmyk_to_rgb(unsigned char *rgb, const unsigned char *cmyk, size_t pixels) {
    for (size_t i = 0; i < pixels; i++, rgb += 3, cmyk += 4)
        for (int c = 0; c < 3; c++) rgb[c] = (unsigned char)((cmyk[c] * cmyk[3] + 127) / 255);
}

static hone_status fail_jpeg(tjhandle handle, hone_error *err) {
    HONE_FAIL(err, HONE_FORMAT, "%s", tjGetErrorStr2(handle));
}

static hone_status decode_pixels(tjhandle handle, hone_image *image, int format, const unsigned char *data, size_t size,
                                 hone_error *err) {
    int flags = TJFLAG_ACCURATEDCT | TJFLAG_LIMITSCANS;
    int result = tjDecompress2(handle, data, (unsigned long)size, image->pixels, image->width, 0, image->height, format,
                               flags | TJFLAG_STOPONWARNING);
    /* The first warning stops; where that was a harmless one, once more without stopping. */
    if (result != 0 && is_harmless(handle)) {
        result = tjDecompress2(handle, data, (unsigned long)size, image->pixels, image->width, 0, image->height, format,
                               flags);
        if (result != 0 && is_harmless(handle)) result = 0;
    }
    return result == 0 ? HONE_OK : fail_jpeg(handle, err);
}

static hone_status decode_with(tjhandle handle, hone_image *image, const unsigned char *data, size_t size,
                               hone_error *err) {
    int width = 0, height = 0, subsampling, colours;
    if (tjDecompressHeader3(handle, data, (unsigned long)size, &width, &height, &subsampling, &colours) != 0 &&
        !is_harmless(handle))
        return fail_jpeg(handle, err);
    bool is_cmyk = colours == TJCS_CMYK || colours == TJCS_YCCK;
    int format = is_cmyk ? TJPF_CMYK : colours == TJCS_GRAY ? TJPF_GRAY : TJPF_RGB;
    HONE_TRY(hone__image_check_size(height, width, err));
    if ((uint64_t)width * (uint64_t)height / PIXELS_PER_BYTE > size)
        HONE_FAIL(err, HONE_FORMAT, "truncated: %zu bytes cannot hold the %d x %d pixels that the header promises",
                  size, height, width);
    hone_image decoded;
    HONE_TRY(hone__image_allocate(&decoded, height, width, tjPixelSize[format], err));
    hone_status status = decode_pixels(handle, &decoded, format, data, size, err);
    if (status == HONE_OK && is_cmyk) {
        hone_image rgb;
        status = hone__image_allocate(&rgb, height, width, 3, err);
        if (status == HONE_OK) {
            cmyk_to_rgb(rgb.pixels, decoded.pixels, (size_t)height * (size_t)width);
            hone_image_release(&decoded);
            decoded = rgb;
        }
    }
    if (status == HONE_OK) status = hone__image_orient(&decoded, hone__jpeg_orientation(data, size), err);
    if (status != HONE_OK) {
        hone_image_release(&decoded);
        return status;
    }
    *image = decoded;
    return HONE_OK;
}

static hone_status jpeg_decode(hone_image *image, const unsigned char *data, size_t size, hone_error *err) {
    tjhandle handle = tjInitDecompress();
    if (!handle) return hone__fail_memory(err, 0, "the JPEG decoder");
    hone_status status = decode_with(handle, image, data, size, err);
    tjDestroy(handle);
    return status;
}

#else

static hone_status jpeg_decode(hone_image *image, const unsigned char *data, size_t size, hone_error *err) {
    (void)image, (void)data, (void)size;
    HONE_FAIL(err, HONE_UNSUPPORTED, "this build leaves JPEG out (HONE_WITH_JPEG)");
}

#endif

const hone__codec hone__jpeg_codec = {"JPEG", jpeg_sniff, jpeg_decode};
