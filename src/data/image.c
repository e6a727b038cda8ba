/* SPDX-License-Identifier: Apache-2.0
 *
 * Images in memory: other channels, other sizes. Resizing is separable with the triangle filter, widened by the factor
 * when shrinking, so that every source pixel counts (what Pillow's BILINEAR and tf.image.resize(antialias=True) do). */
#include <hone/data.h>

#include "core_internal.h"
#include "kernels.h"

#include <math.h>
#include <string.h>

void hone_image_release(hone_image *image) {
    hone__free(image->pixels);
    memset(image, 0, sizeof *image);
}

/* ---- channels -------------------------------------------------------------------------------------------------- */

static unsigned char over_black(unsigned value, unsigned alpha) {
    return (unsigned char)((value * alpha + 127) / 255);
}

/* ITU-R 601 luma in 16-bit fixed point; the weights sum to 65536, so white stays 255. */
static unsigned char luma(unsigned r, unsigned g, unsigned b) {
    return (unsigned char)((r * 19595 + g * 38470 + b * 7471 + 32768) >> 16);
}

/* count pixels of in_channels to out_channels, 1 or 3. */
static void convert_channels(unsigned char *out, int out_channels, const unsigned char *in, int in_channels,
                             size_t count) {
    if (in_channels == out_channels) {
        memcpy(out, in, count * (size_t)in_channels);
        return;
    }
    for (size_t i = 0; i < count; i++, in += in_channels, out += out_channels) {
        bool has_colour = in_channels >= 3;
        unsigned r = in[0], g = in[has_colour ? 1 : 0], b = in[has_colour ? 2 : 0];
        if (in_channels == 2 || in_channels == 4) {
            unsigned alpha = in[in_channels - 1];
            r = over_black(r, alpha);
            g = over_black(g, alpha);
            b = over_black(b, alpha);
        }
        if (out_channels == 1) {
            out[0] = has_colour ? luma(r, g, b) : (unsigned char)r;
        } else {
            out[0] = (unsigned char)r;
            out[1] = (unsigned char)g;
            out[2] = (unsigned char)b;
        }
    }
}

/* ---- size ------------------------------------------------------------------------------------------------------ */

/* For each output coordinate: the first source coordinate it reads, how many, and their weights, which sum to 1. */
typedef struct resize_axis {
    int taps; /* room per output coordinate */
    int *first, *count;
    float *weights; /* (out, taps) */
} resize_axis;

static void axis_release(resize_axis *axis) {
    hone__free(axis->first);
    hone__free(axis->count);
    hone__free(axis->weights);
}

static hone_status axis_init(resize_axis *axis, int in, int out, hone_error *err) {
    double scale = (double)in / out, width = scale > 1 ? scale : 1; /* width: half the triangle's base */
    size_t weights;
    memset(axis, 0, sizeof *axis);
    axis->taps = (int)ceil(width) * 2 + 1;
    if (axis->taps > in) axis->taps = in;
    if (hone__multiply((size_t)out, (size_t)axis->taps, &weights)) {
        axis->first = hone__alloc((size_t)out, sizeof *axis->first);
        axis->count = hone__alloc((size_t)out, sizeof *axis->count);
        axis->weights = hone__alloc(weights, sizeof *axis->weights);
    }
    if (!axis->first || !axis->count || !axis->weights) {
        axis_release(axis);
        return hone__fail_memory(err, weights * sizeof *axis->weights, "resize weights");
    }
    for (int i = 0; i < out; i++) {
        double centre = (i + 0.5) * scale, sum = 0;
        int first = (int)(centre - width + 0.5), end = (int)(centre + width + 0.5);
        if (first < 0) first = 0;
        if (end > in) end = in;
        if (end - first > axis->taps) end = first + axis->taps;
        float *w = axis->weights + (size_t)i * (size_t)axis->taps;
        for (int k = first; k < end; k++) sum += fmax(0, 1 - fabs((k + 0.5 - centre) / width));
        for (int k = first; k < end; k++) w[k - first] = (float)(fmax(0, 1 - fabs((k + 0.5 - centre) / width)) / sum);
        axis->first[i] = first;
        axis->count[i] = end - first;
    }
    return HONE_OK;
}

static unsigned char to_byte(float value) {
    return value <= 0 ? 0 : value >= 255 ? 255 : (unsigned char)(value + 0.5f);
}

/* One row (in_width, channels) to the new width (out_width, channels), rounded. */
static void resize_row(unsigned char *out, const float *in, const resize_axis *axis, int out_width, int channels) {
    for (int x = 0; x < out_width; x++) {
        const float *w = axis->weights + (size_t)x * (size_t)axis->taps;
        const float *p = in + (size_t)axis->first[x] * (size_t)channels;
        int count = axis->count[x];
        if (channels == 1) {
            float sum = 0;
            for (int k = 0; k < count; k++) sum += w[k] * p[k];
            out[x] = to_byte(sum);
        } else {
            float r = 0, g = 0, b = 0;
            for (int k = 0; k < count; k++) {
                r += w[k] * p[3 * k];
                g += w[k] * p[3 * k + 1];
                b += w[k] * p[3 * k + 2];
            }
            out[3 * x] = to_byte(r);
            out[3 * x + 1] = to_byte(g);
            out[3 * x + 2] = to_byte(b);
        }
    }
}

/* Vertical first: whole rows are summed, which compilers do with vectors, and only the few rows that are left are
 * resized along. sum and row are (in_width, out_channels); row holds a source row in the channels wanted. */
static void resize(hone_image *out, const hone_image *in, const resize_axis *horizontal, const resize_axis *vertical,
                   float *sum, unsigned char *row) {
    size_t samples = (size_t)in->width * (size_t)out->channels, in_row = (size_t)in->width * (size_t)in->channels;
    for (int y = 0; y < out->height; y++) {
        const float *weights = vertical->weights + (size_t)y * (size_t)vertical->taps;
        memset(sum, 0, samples * sizeof *sum);
        for (int k = 0; k < vertical->count[y]; k++) {
            const unsigned char *source = in->pixels + (size_t)(vertical->first[y] + k) * in_row;
            if (in->channels != out->channels) {
                convert_channels(row, out->channels, source, in->channels, (size_t)in->width);
                source = row;
            }
            float w = weights[k];
            for (size_t i = 0; i < samples; i++) sum[i] += w * source[i];
        }
        resize_row(out->pixels + (size_t)y * (size_t)out->width * (size_t)out->channels, sum, horizontal, out->width,
                   out->channels);
    }
}

static hone_status resize_into(hone_image *out, const hone_image *in, hone_error *err) {
    resize_axis horizontal, vertical;
    HONE_TRY(axis_init(&horizontal, in->width, out->width, err));
    hone_status status = axis_init(&vertical, in->height, out->height, err);
    if (status != HONE_OK) {
        axis_release(&horizontal);
        return status;
    }
    size_t samples = (size_t)in->width * (size_t)out->channels;
    float *sum = hone__alloc(samples, sizeof *sum);
    unsigned char *row = hone__alloc(samples, 1);
    if (sum && row)
        resize(out, in, &horizontal, &vertical, sum, row);
    else
        status = hone__fail_memory(err, samples * sizeof *sum, "resizing");
    hone__free(sum);
    hone__free(row);
    axis_release(&horizontal);
    axis_release(&vertical);
    return status;
}

hone_status hone_image_convert(hone_image *out, const hone_image *in, int height, int width, int channels,
                               hone_error *err) {
    if (channels != 1 && channels != 3)
        HONE_FAIL(err, HONE_ARGUMENT, "an image with %d channels was asked for, where 1 or 3 is possible", channels);
    if (in->height < 1 || in->width < 1 || in->channels < 1 || in->channels > HONE_MAX_CHANNELS || !in->pixels)
        HONE_FAIL(err, HONE_ARGUMENT, "an image of %d x %d x %d cannot be converted", in->height, in->width,
                  in->channels);
    if (height < 1 || height > HONE_MAX_IMAGE_SIDE || width < 1 || width > HONE_MAX_IMAGE_SIDE ||
        (int64_t)height * width > HONE_MAX_IMAGE_PIXELS)
        HONE_FAIL(err, HONE_LIMIT, "an image of %d x %d was asked for, where sides up to %d and %d pixels are possible",
                  height, width, HONE_MAX_IMAGE_SIDE, HONE_MAX_IMAGE_PIXELS);
    hone_image result = {.height = height, .width = width, .channels = channels};
    size_t pixels = (size_t)height * (size_t)width;
    result.pixels = hone__alloc(pixels, (size_t)channels);
    if (!result.pixels) return hone__fail_memory(err, pixels * (size_t)channels, "an image");
    if (height == in->height && width == in->width) {
        convert_channels(result.pixels, channels, in->pixels, in->channels, pixels);
    } else {
        hone_status status = resize_into(&result, in, err);
        if (status != HONE_OK) {
            hone_image_release(&result);
            return status;
        }
    }
    *out = result;
    return HONE_OK;
}

/* ---- filters --------------------------------------------------------------------------------------------------- */

void hone_image_median(const unsigned char *in, int height, int width, int channels, unsigned char *out) {
    hone__kernels()->median3x3(height, width, channels, in, out);
}
