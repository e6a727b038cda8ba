/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures of explanations: a heat map over its picture, a layer's maps side by side, pictures in a row. */
#include "sheets.h"

#include "core_internal.h"

#include <math.h>
#include <string.h>

enum { SHOWN_SIDE = 224, MOST_ENLARGED = 64, GAP = 4 };

/* ---- colours ----------------------------------------------------------------------------------------------------- */

/* From nearly black over violet and orange to light yellow: brighter for more, to every eye and on every printer. */
static void colour_of(double value, double rgb[3]) {
    static const double stops[][3] = {{8, 6, 30}, {90, 18, 110}, {190, 55, 82}, {247, 140, 20}, {252, 250, 165}};
    enum { LAST = sizeof stops / sizeof stops[0] - 1 };
    double at = fmin(fmax(value, 0), 1) * LAST;
    int below = at < LAST ? (int)at : LAST - 1;
    for (int c = 0; c < 3; c++) rgb[c] = stops[below][c] + (at - below) * (stops[below + 1][c] - stops[below][c]);
}

/* map at a place of the enlarged picture, between its numbers. */
static double map_at(const float *map, int height, int width, double y, double x) {
    y = fmin(fmax(y, 0), height - 1);
    x = fmin(fmax(x, 0), width - 1);
    int y0 = (int)y, x0 = (int)x, y1 = y0 + 1 < height ? y0 + 1 : y0, x1 = x0 + 1 < width ? x0 + 1 : x0;
    double fy = y - y0, fx = x - x0;
    double above = (1 - fx) * (double)map[y0 * width + x0] + fx * (double)map[y0 * width + x1];
    double below = (1 - fx) * (double)map[y1 * width + x0] + fx * (double)map[y1 * width + x1];
    return (1 - fy) * above + fy * below;
}

static int enlargement(int height, int width) {
    int shorter = height < width ? height : width, times = (SHOWN_SIDE + shorter - 1) / shorter;
    return times < MOST_ENLARGED ? times : MOST_ENLARGED;
}

hone_status hone__sheet_init(hone_image *out, int64_t height, int64_t width, unsigned char shade, hone_error *err) {
    *out = (hone_image){0};
    if (height < 1 || width < 1 || height > HONE_MAX_IMAGE_SIDE || width > HONE_MAX_IMAGE_SIDE ||
        height * width > HONE_MAX_IMAGE_PIXELS)
        HONE_FAIL(err, HONE_LIMIT, "a picture of %lld x %lld pixels is too large", (long long)width, (long long)height);
    size_t size = (size_t)height * (size_t)width * 3;
    unsigned char *pixels = hone__alloc(size, 1);
    if (!pixels) return hone__fail_memory(err, size, "a picture");
    memset(pixels, shade, size);
    *out = (hone_image){(int)height, (int)width, 3, pixels};
    return HONE_OK;
}

hone_status hone_heat_map_overlay(hone_image *out, const hone_image *picture, const float *map, int times,
                                  hone_error *err) {
    int h = picture->height, w = picture->width, channels = picture->channels;
    if (times < 1) times = enlargement(h, w);
    HONE_TRY(hone__sheet_init(out, (int64_t)h * times, (int64_t)w * times, 0, err));
    for (int y = 0; y < h * times; y++) {
        for (int x = 0; x < w * times; x++) {
            const unsigned char *pixel =
                picture->pixels + ((size_t)(y / times) * (size_t)w + (size_t)(x / times)) * (size_t)channels;
            double value = map_at(map, h, w, (y + 0.5) / times - 0.5, (x + 0.5) / times - 0.5), rgb[3];
            double share = 0.25 + 0.45 * value; /* the picture stays to be seen */
            colour_of(value, rgb);
            unsigned char *to = out->pixels + ((size_t)y * (size_t)out->width + (size_t)x) * 3;
            for (int c = 0; c < 3; c++)
                to[c] = (unsigned char)lrint((1 - share) * pixel[channels >= 3 ? c : 0] + share * rgb[c]);
        }
    }
    return HONE_OK;
}

/* ---- sheets ------------------------------------------------------------------------------------------------------ */

/* picture (grey or RGB), each pixel times x times, which must fit. */
static void paste(hone_image *sheet, int top, int left, const hone_image *picture, int times) {
    int channels = picture->channels;
    for (int y = 0; y < picture->height * times; y++) {
        for (int x = 0; x < picture->width * times; x++) {
            const unsigned char *from =
                picture->pixels +
                ((size_t)(y / times) * (size_t)picture->width + (size_t)(x / times)) * (size_t)channels;
            unsigned char *to = sheet->pixels + ((size_t)(top + y) * (size_t)sheet->width + (size_t)(left + x)) * 3;
            for (int c = 0; c < 3; c++) to[c] = from[channels >= 3 ? c : 0];
        }
    }
}

hone_status hone_picture_row(hone_image *out, const hone_image *pictures, size_t count, hone_error *err) {
    enum { ROW_HEIGHT = 112, SHADE = 255 };
    int64_t width = GAP, height = 0;
    for (size_t i = 0; i < count; i++) {
        int times = ROW_HEIGHT / pictures[i].height > 1 ? ROW_HEIGHT / pictures[i].height : 1;
        int64_t tall = (int64_t)pictures[i].height * times;
        width += (int64_t)pictures[i].width * times + GAP + (i == 0 ? 4 * GAP : 0);
        if (tall > height) height = tall;
    }
    HONE_TRY(hone__sheet_init(out, height + 2 * GAP, width, SHADE, err));
    int left = GAP;
    for (size_t i = 0; i < count; i++) {
        int times = ROW_HEIGHT / pictures[i].height > 1 ? ROW_HEIGHT / pictures[i].height : 1;
        paste(out, GAP, left, &pictures[i], times);
        left += pictures[i].width * times + GAP + (i == 0 ? 4 * GAP : 0);
    }
    return HONE_OK;
}
