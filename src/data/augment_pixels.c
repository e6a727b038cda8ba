/* SPDX-License-Identifier: Apache-2.0
 *
 * The part of augmentation that changes values and not places: blur, brightness, contrast, colour cast, noise, and holes
 * (cutout: DeVries and Taylor 2017; random erasing: Zhong et al. 2017).
 *
 * In this order: what a lens does, what a sensor does, what stands in front of the thing. */
#include "augment_internal.h"

#include <math.h>
#include <string.h>

static unsigned char to_byte(float value) {
    value = value > 0 ? value : 0;
    return (unsigned char)((value < 255 ? value : 255) + 0.5f);
}

/* ---- blur ------------------------------------------------------------------------------------------------------ */

enum { BLUR_MOST_RADIUS = 48 }; /* three of the largest sigma that the table of fields admits */

/* Half a Gaussian, the centre first, so that the whole adds up to 1. Returns its radius. */
static int gaussian(double sigma, float weight[BLUR_MOST_RADIUS + 1]) {
    int radius = (int)ceil(3 * sigma);
    if (radius > BLUR_MOST_RADIUS) radius = BLUR_MOST_RADIUS;
    double sum = 0;
    for (int i = 0; i <= radius; i++) sum += (i ? 2 : 1) * exp(-i * i / (2 * sigma * sigma));
    for (int i = 0; i <= radius; i++) weight[i] = (float)(exp(-i * i / (2 * sigma * sigma)) / sum);
    return radius;
}

static int clamp_index(int i, int n) {
    return i < 0 ? 0 : i < n ? i : n - 1;
}

/* Down the columns into floats, then along the rows into bytes. Beyond the edge the edge goes on. */
static void blur(const hone__picture *p, double sigma, float *columns) {
    float weight[BLUR_MOST_RADIUS + 1];
    int radius = gaussian(sigma, weight), width = p->width, c = p->channels;
    size_t row = (size_t)width * (size_t)c;
    for (int y = 0; y < p->height; y++) {
        float *out = columns + (size_t)y * row;
        for (size_t i = 0; i < row; i++) out[i] = weight[0] * p->out[(size_t)y * row + i];
        for (int k = 1; k <= radius; k++) {
            const unsigned char *above = p->out + (size_t)clamp_index(y - k, p->height) * row;
            const unsigned char *below = p->out + (size_t)clamp_index(y + k, p->height) * row;
            for (size_t i = 0; i < row; i++) out[i] += weight[k] * (float)(above[i] + below[i]);
        }
    }
    for (int y = 0; y < p->height; y++) {
        const float *in = columns + (size_t)y * row;
        for (int x = 0; x < width; x++)
            for (int channel = 0; channel < c; channel++) {
                float sum = weight[0] * in[x * c + channel];
                for (int k = 1; k <= radius; k++)
                    sum += weight[k] *
                           (in[clamp_index(x - k, width) * c + channel] + in[clamp_index(x + k, width) * c + channel]);
                p->out[(size_t)y * row + (size_t)(x * c + channel)] = to_byte(sum);
            }
    }
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

static double mean_of(const unsigned char *x, size_t n) {
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++) sum += x[i];
    return n ? (double)sum / (double)n : 0;
}

/* Brightness, contrast and colour cast are one line per channel: contrast k about the mean m after brightness b is
 * k b x + (1 - k) b m. */
static void recolour(const hone__augment_settings *s, hone__rng *rng, const hone__picture *p) {
    size_t n = (size_t)p->height * (size_t)p->width * (size_t)p->channels, c = (size_t)p->channels;
    double b = s->brightness > 0 ? hone__rng_range(rng, 1 - s->brightness, 1 + s->brightness) : 1;
    double k = s->contrast > 0 ? hone__rng_range(rng, 1 - s->contrast, 1 + s->contrast) : 1;
    double mean = s->contrast > 0 ? mean_of(p->out, n) : 0;
    float scale = (float)(k * b), shift[4];
    for (size_t i = 0; i < c; i++) {
        double cast = s->channel_shift > 0 ? hone__rng_range(rng, -s->channel_shift, s->channel_shift) * 255 : 0;
        shift[i] = (float)((1 - k) * b * mean + cast);
    }
    for (size_t i = 0; i < n; i += c)
        for (size_t j = 0; j < c; j++) p->out[i + j] = to_byte(scale * p->out[i + j] + shift[j]);
}

/* The sum of four uniform bytes is near enough to normal: one number a value instead of logarithm and sine. */
static void add_noise(const hone__augment_settings *s, hone__rng *rng, const hone__picture *p) {
    size_t n = (size_t)p->height * (size_t)p->width * (size_t)p->channels;
    const double mean = 2 * 255, deviation = sqrt(4 * (256.0 * 256 - 1) / 12);
    float scale = (float)(hone__rng_range(rng, 0, s->noise) * 255 / deviation);
    for (size_t i = 0; i < n; i++) {
        uint32_t bits = hone__rng_u32(rng);
        uint32_t sum = (bits & 255) + (bits >> 8 & 255) + (bits >> 16 & 255) + (bits >> 24);
        p->out[i] = to_byte((float)p->out[i] + scale * ((float)sum - (float)mean));
    }
}

/* ---- holes ----------------------------------------------------------------------------------------------------- */

typedef struct rectangle {
    int top, left, bottom, right; /* bottom and right are outside */
} rectangle;

/* The centre is anywhere in the picture, so the square may reach over the edge. */
static void cut_out(const hone__augment_settings *s, hone__rng *rng, const hone__picture *p) {
    int shorter = p->height < p->width ? p->height : p->width;
    int side = (int)lrint(s->cutout < 1 ? s->cutout * shorter : s->cutout);
    int y = (int)hone__rng_below(rng, (uint32_t)p->height) - side / 2;
    int x = (int)hone__rng_below(rng, (uint32_t)p->width) - side / 2;
    rectangle hole = {y < 0 ? 0 : y, x < 0 ? 0 : x, y + side < p->height ? y + side : p->height,
                      x + side < p->width ? x + side : p->width};
    size_t c = (size_t)p->channels;
    for (int r = hole.top; r < hole.bottom && hole.right > hole.left; r++)
        memset(p->out + ((size_t)r * (size_t)p->width + (size_t)hole.left) * c, (int)lrint(s->fill_value),
               (size_t)(hole.right - hole.left) * c);
}

static void erase(const hone__augment_settings *s, hone__rng *rng, const hone__picture *p) {
    if (hone__rng_uniform(rng) >= s->erasing) return;
    double area = hone__rng_range(rng, 0.02, 0.2) * p->height * p->width;
    double ratio = exp(hone__rng_range(rng, -log(1 / 0.3), log(1 / 0.3)));
    int h = (int)lrint(sqrt(area * ratio)), w = (int)lrint(sqrt(area / ratio));
    h = h < 1 ? 1 : h < p->height ? h : p->height;
    w = w < 1 ? 1 : w < p->width ? w : p->width;
    int top = (int)hone__rng_below(rng, (uint32_t)(p->height - h + 1));
    int left = (int)hone__rng_below(rng, (uint32_t)(p->width - w + 1));
    size_t c = (size_t)p->channels;
    for (int r = top; r < top + h; r++) {
        unsigned char *line = p->out + ((size_t)r * (size_t)p->width + (size_t)left) * c;
        for (size_t i = 0; i < (size_t)w * c; i++) line[i] = (unsigned char)(hone__rng_u32(rng) >> 24);
    }
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

bool hone__augment_pixels_scratch(const hone__augment_settings *s, int height, int width, int channels, size_t *size) {
    size_t pixels;
    if (!hone__multiply((size_t)height * (size_t)channels, (size_t)width, &pixels)) return false;
    /* A blur keeps its columns as floats, RandAugment a copy of the picture. */
    return hone__multiply(pixels, s->blur > 0 ? sizeof(float) : s->randaugment.count > 0 ? 1 : 0, size);
}

void hone__augment_pixels(const hone__augment_settings *s, hone__rng *rng, const hone__picture *p, void *scratch) {
    const double least_sigma = 0.1; /* below, the centre's weight is all */
    if (s->blur > 0) {
        double sigma = hone__rng_range(rng, 0, s->blur);
        if (sigma > least_sigma) blur(p, sigma, scratch);
    }
    if (s->brightness > 0 || s->contrast > 0 || s->channel_shift > 0) recolour(s, rng, p);
    if (s->noise > 0) add_noise(s, rng, p);
    if (s->cutout > 0) cut_out(s, rng, p);
    if (s->erasing > 0) erase(s, rng, p);
}
