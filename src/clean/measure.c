/* SPDX-License-Identifier: Apache-2.0
 *
 * Measures: one row of numbers per sample. Samples that are files are read and decoded once more, at full size, one per
 * worker at a time; those of packed files are measured where they lie. */
#include "clean_internal.h"

#include "codecs.h"
#include "core_internal.h"
#include "file.h"
#include "readers.h"

#include <math.h>
#include <string.h>
#include <strings.h>

/* ---- one picture ----------------------------------------------------------------------------------------------- */

static void luma_of(unsigned char *out, const hone_image *in) {
    size_t pixels = (size_t)in->height * (size_t)in->width;
    const unsigned char *p = in->pixels;
    if (in->channels < 3) {
        for (size_t i = 0; i < pixels; i++) out[i] = p[i * (size_t)in->channels];
        return;
    }
    for (size_t i = 0; i < pixels; i++, p += in->channels)
        out[i] = (unsigned char)((299 * p[0] + 587 * p[1] + 114 * p[2] + 500) / 1000);
}

/* The value below which a share of the pixels lies. */
static int percentile(const uint32_t histogram[256], size_t pixels, double share) {
    double below = share * (double)pixels;
    uint64_t seen = 0;
    int value = 0;
    while (value < 255 && (double)(seen += histogram[value]) <= below) value++;
    return value;
}

static void measure_levels(hone__sample *s, const unsigned char *luma, size_t pixels) {
    uint32_t histogram[256] = {0};
    for (size_t i = 0; i < pixels; i++) histogram[luma[i]]++;
    s->low = (float)percentile(histogram, pixels, 0.01);
    s->high = (float)percentile(histogram, pixels, 0.99);
    s->range = (float)(percentile(histogram, pixels, 0.995) - percentile(histogram, pixels, 0.005));
}

/* Sharpness: the variance of the Laplacian in units of the pixels' own, so that contrast does not count. Noise: the mean of
 * the absolute response to a mask that edges and slopes hardly excite (Immerkaer: "Fast noise variance estimation", 1996). */
static void measure_edges(hone__sample *s, const unsigned char *luma, int height, int width) {
    int64_t sum = 0, squares = 0, laplace = 0, laplace_squares = 0, noise = 0;
    s->sharpness = s->noise = NAN;
    if (height < 5 || width < 5) return;
    for (int y = 1; y + 1 < height; y++) {
        const unsigned char *up = luma + (y - 1) * width, *row = up + width, *down = row + width;
        for (int x = 1; x + 1 < width; x++) {
            int cross = up[x] + down[x] + row[x - 1] + row[x + 1];
            int corners = up[x - 1] + up[x + 1] + down[x - 1] + down[x + 1];
            int l = cross - 4 * row[x], n = corners - 2 * cross + 4 * row[x];
            sum += row[x];
            squares += row[x] * row[x];
            laplace += l;
            laplace_squares += l * l;
            noise += n < 0 ? -n : n;
        }
    }
    double count = (double)(height - 2) * (double)(width - 2), mean = (double)sum / count;
    double mean_laplace = (double)laplace / count, variance = (double)squares / count - mean * mean;
    if (variance < 1) return;
    s->sharpness = (float)(((double)laplace_squares / count - mean_laplace * mean_laplace) / variance);
    s->noise = (float)(sqrt(acos(-1.0) / 2) / 6 * (double)noise / count);
}

/* The measures of one decoded picture (all but fingerprint and format). */
static hone_status measure_picture(hone__sample *s, const hone_image *picture, hone_error *err) {
    int longer = picture->height > picture->width ? picture->height : picture->width;
    hone_image small = {0};
    const hone_image *shown = picture;
    s->height = picture->height;
    s->width = picture->width;
    if (longer > HONE_CLEAN_MEASURE_SIDE) {
        int height = (int)((int64_t)picture->height * HONE_CLEAN_MEASURE_SIDE / longer);
        int width = (int)((int64_t)picture->width * HONE_CLEAN_MEASURE_SIDE / longer);
        HONE_TRY(hone_image_convert(&small, picture, height > 0 ? height : 1, width > 0 ? width : 1,
                                    picture->channels >= 3 ? 3 : 1, err));
        shown = &small;
    }
    size_t pixels = (size_t)shown->height * (size_t)shown->width;
    unsigned char *luma = hone__alloc(pixels, 1);
    if (luma) {
        luma_of(luma, shown);
        measure_levels(s, luma, pixels);
        measure_edges(s, luma, shown->height, shown->width);
    }
    hone__free(luma);
    hone_image_release(&small);
    return luma ? HONE_OK : hone__fail_memory(err, pixels, "a picture");
}

/* ---- fingerprints ---------------------------------------------------------------------------------------------- */

/* Of the size and the pixels: files that differ in their comments alone are the same. Zero where this build has no
 * SHA-256. */
static void fingerprint(unsigned char out[32], const hone_image *picture) {
    char hex[65] = "";
    hone__sha256 sha;
    const int32_t shape[3] = {picture->height, picture->width, picture->channels};
    hone__sha256_init(&sha);
    hone__sha256_update(&sha, shape, sizeof shape);
    hone__sha256_update(&sha, picture->pixels,
                        (size_t)picture->height * (size_t)picture->width * (size_t)picture->channels);
    hone__sha256_digest(&sha, hex);
    for (int i = 0; i < 32 && hex[0]; i++) {
        static const char digits[] = "0123456789abcdef";
        const char *high = strchr(digits, hex[2 * i]), *low = strchr(digits, hex[2 * i + 1]);
        if (high && low) out[i] = (unsigned char)((high - digits) << 4 | (low - digits));
    }
}

/* The format that contents are of, where the path's extension names another; else NULL. */
static const char *misnamed(const char *path, const unsigned char *data, size_t size) {
    static const struct {
        const hone__codec *codec;
        const char *extensions[6];
    } formats[] = {{&hone__png_codec, {"png"}},
                   {&hone__jpeg_codec, {"jpg", "jpeg", "jpe", "jfif"}},
                   {&hone__pnm_codec, {"pgm", "ppm", "pnm", "pbm"}}};
    const char *slash = strrchr(path, '/'), *dot = strrchr(slash ? slash : path, '.');
    if (!dot) return NULL; /* claims nothing */
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        if (!formats[i].codec->sniff(data, size)) continue;
        for (size_t k = 0; k < 6 && formats[i].extensions[k]; k++)
            if (strcasecmp(dot + 1, formats[i].extensions[k]) == 0) return NULL;
        return formats[i].codec->name;
    }
    return NULL;
}

/* ---- all of them ----------------------------------------------------------------------------------------------- */

enum { PIECE = 16, FILES_AT_A_TIME = 512, MAX_FILE_BYTES = INT32_MAX };

typedef struct measuring {
    const hone_dataset *data;
    hone__sample *samples;
    hone_error *errors; /* (pieces of a round) */
    size_t first, count;
} measuring;

static hone_status measure_file(hone__sample *s, const char *path, hone_error *err) {
    unsigned char *bytes;
    size_t size;
    hone_image picture;
    HONE_TRY(hone__file_read(path, MAX_FILE_BYTES, &bytes, &size, err));
    s->format = misnamed(path, bytes, size);
    hone_status status = hone_image_decode(&picture, bytes, size, err);
    hone__free(bytes);
    if (status != HONE_OK) return hone__fail_context(err, status, "'%s'", path);
    fingerprint(s->sha256, &picture);
    status = measure_picture(s, &picture, err);
    hone_image_release(&picture);
    return status;
}

static hone_status measure_packed(hone__sample *s, const hone_dataset *data, size_t index, hone_error *err) {
    hone_image picture = {hone_dataset_height(data), hone_dataset_width(data), hone_dataset_channels(data), NULL};
    size_t size = (size_t)picture.height * (size_t)picture.width * (size_t)picture.channels;
    /* Only read; the copy keeps the view's type honest about what it may do. */
    picture.pixels = hone__alloc(size, 1);
    if (!picture.pixels) return hone__fail_memory(err, size, "a picture");
    memcpy(picture.pixels, hone_dataset_image(data, index), size);
    fingerprint(s->sha256, &picture);
    hone_status status = measure_picture(s, &picture, err);
    hone__free(picture.pixels);
    return status;
}

static void measure_piece(void *context, int worker, size_t piece) {
    (void)worker;
    const measuring *m = context;
    size_t end = (piece + 1) * PIECE < m->count ? (piece + 1) * PIECE : m->count;
    for (size_t i = piece * PIECE; i < end && m->errors[piece].status == HONE_OK; i++) {
        size_t index = m->first + i;
        const char *path = hone__file_of(hone_dataset_path(m->data, index));
        if (path)
            measure_file(&m->samples[index], path, &m->errors[piece]);
        else
            measure_packed(&m->samples[index], m->data, index, &m->errors[piece]);
    }
}

static hone_status measure_part(hone__clean_run *run, int part, size_t done, size_t all, hone_error *err) {
    hone__part_tables *tables = &run->report->parts[part];
    size_t samples = hone_dataset_samples(tables->data);
    tables->samples = hone__alloc(samples, sizeof *tables->samples);
    if (!tables->samples) return hone__fail_memory(err, samples * sizeof *tables->samples, "measures");
    for (size_t first = 0; first < samples; first += FILES_AT_A_TIME) {
        hone_error errors[FILES_AT_A_TIME / PIECE] = {{0}};
        size_t count = samples - first < FILES_AT_A_TIME ? samples - first : FILES_AT_A_TIME;
        size_t pieces = (count + PIECE - 1) / PIECE;
        measuring m = {tables->data, tables->samples, errors, first, count};
        hone__threads_run(run->config->threads, measure_piece, &m, pieces);
        for (size_t i = 0; i < pieces; i++)
            if (errors[i].status != HONE_OK) HONE_FAIL(err, errors[i].status, "%s", errors[i].message);
        HONE_TRY(hone__clean_advance(run, (double)(done + first + count) / (double)all, err));
    }
    return HONE_OK;
}

hone_status hone__clean_measure(hone__clean_run *run, hone_error *err) {
    size_t all = 0, done = 0;
    for (int part = 0; part < HONE_CLEAN_PARTS; part++) all += run->report->summary.samples[part];
    HONE_TRY(hone__clean_step(run, "measuring", 0.3, err));
    for (int part = 0; part < HONE_CLEAN_PARTS; part++) {
        if (!run->report->parts[part].data) continue;
        HONE_TRY(measure_part(run, part, done, all, err));
        done += run->report->summary.samples[part];
    }
    return HONE_OK;
}
