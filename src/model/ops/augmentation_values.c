/* SPDX-License-Identifier: Apache-2.0
 *
 * The random layers that change values and leave every pixel where it is: colours, tones, sharpness, what is erased.
 * Formulas are Keras' own, in single precision and in its order. */
#include "random_values.h"

#include <math.h>
#include <string.h>

/* ---- helpers ---------------------------------------------------------------------------------------------------- */

static float clamp(float value, float low, float high) {
    return fminf(fmaxf(value, low), high);
}

static float clipped(const hone__random_image *p, float value) {
    return clamp(value, (float)p->clip_low, (float)p->clip_high);
}

static size_t pixel_count(const hone__random_image *p) {
    return (size_t)p->h * (size_t)p->w;
}

static size_t value_count(const hone__random_image *p) {
    return pixel_count(p) * (size_t)p->c;
}

static bool is_byte_range(const hone__random_image *p) {
    return !(p->clip_low < 0 || p->clip_low > 0 || p->clip_high < 255 || p->clip_high > 255);
}

/* From value_range to [0, 255], and back. */
static float to_bytes(const hone__random_image *p, float value) {
    if (is_byte_range(p)) return value;
    return (value - (float)p->clip_low) / (float)(p->clip_high - p->clip_low) * 255;
}

static float from_bytes(const hone__random_image *p, float value) {
    if (is_byte_range(p)) return value;
    return value / 255 * (float)(p->clip_high - p->clip_low) + (float)p->clip_low;
}

/* A picture of one channel is its own grey. */
static float grey_of(const hone__random_image *p, const float *rgb) {
    return p->c == 3 ? rgb[0] * 0.2989F + rgb[1] * 0.5870F + rgb[2] * 0.1140F : rgb[0];
}

/* ---- colours ---------------------------------------------------------------------------------------------------- */

static void rgb_to_hsv(const float *rgb, float *hsv) {
    float high = fmaxf(rgb[0], fmaxf(rgb[1], rgb[2])), low = fminf(rgb[0], fminf(rgb[1], rgb[2]));
    float range = high - low, hue = 0;
    if (range > 0) {
        float norm = 1 / (6 * range);
        if (rgb[0] >= high)
            hue = norm * (rgb[1] - rgb[2]);
        else if (rgb[1] >= high)
            hue = norm * (rgb[2] - rgb[0]) + 2.0F / 6;
        else
            hue = norm * (rgb[0] - rgb[1]) + 4.0F / 6;
        if (hue < 0) hue += 1;
    }
    hsv[0] = hue;
    hsv[1] = high > 0 ? range / high : 0;
    hsv[2] = high;
}

static void hsv_to_rgb(const float *hsv, float *rgb) {
    float h = hsv[0] * 6, rest = 1 - hsv[1];
    rgb[0] = (rest + hsv[1] * clamp(fabsf(h - 3) - 1, 0, 1)) * hsv[2];
    rgb[1] = (rest + hsv[1] * clamp(2 - fabsf(h - 2), 0, 1)) * hsv[2];
    rgb[2] = (rest + hsv[1] * clamp(2 - fabsf(h - 4), 0, 1)) * hsv[2];
}

static void turn_hue(const hone__random_image *p, float turn, const float *in, float *out) {
    float low = (float)p->clip_low, width = (float)(p->clip_high - p->clip_low);
    for (size_t i = 0; i < pixel_count(p); i++, in += 3, out += 3) {
        float rgb[3], hsv[3];
        for (int k = 0; k < 3; k++) rgb[k] = (in[k] - low) / width;
        rgb_to_hsv(rgb, hsv);
        hsv[0] += turn;
        if (hsv[0] > 1) hsv[0] -= 1;
        if (hsv[0] < 0) hsv[0] += 1;
        hsv_to_rgb(hsv, rgb);
        for (int k = 0; k < 3; k++) out[k] = clamp(rgb[k], 0, 1) * width + low;
    }
}

static void change_saturation(const hone__random_image *p, float factor, const float *in, float *out) {
    for (size_t i = 0; i < pixel_count(p); i++, in += 3, out += 3) {
        float hsv[3];
        rgb_to_hsv(in, hsv);
        hsv[1] = clipped(p, hsv[1] * factor);
        hsv_to_rgb(hsv, out);
    }
}

/* A share of the way to grey. */
static void degenerate(const hone__random_image *p, float share, bool clips, const float *in, float *out) {
    size_t c = (size_t)p->c;
    for (size_t i = 0; i < pixel_count(p); i++, in += c, out += c) {
        float grey = grey_of(p, in);
        for (size_t k = 0; k < c; k++) {
            float value = in[k] + share * (grey - in[k]);
            out[k] = clips ? clipped(p, value) : value;
        }
    }
}

/* ---- tones ------------------------------------------------------------------------------------------------------ */

static void posterize(const hone__random_image *p, int bits, const float *in, float *out) {
    unsigned mask = 0xFFU << (8 - bits) & 0xFFU;
    for (size_t i = 0; i < value_count(p); i++) {
        unsigned byte = (unsigned)clamp(to_bytes(p, in[i]), 0, 255);
        out[i] = from_bytes(p, (float)(byte & mask));
    }
}

static void solarize(const hone__random_image *p, float addition, float threshold, const float *in, float *out) {
    for (size_t i = 0; i < value_count(p); i++) {
        float value = clamp(to_bytes(p, in[i]) + addition, 0, 255);
        out[i] = from_bytes(p, value < threshold ? value : 255 - value);
    }
}

/* Each channel's values spread until all are as common, counted in bins. Keras counts over a whole batch, and a picture
 * would depend on the others of its batch; here it is over the picture. */
static void equalize(const hone__random_image *p, const float *in, float *out, float *counts) {
    size_t c = (size_t)p->c, n = pixel_count(p);
    float last = (float)(p->bins - 1);
    for (size_t k = 0; k < c; k++) {
        memset(counts, 0, (size_t)p->bins * sizeof *counts);
        for (size_t i = 0; i < n; i++) {
            float at = to_bytes(p, in[i * c + k]) * last / 255;
            counts[(int)clamp(at, 0, last)] += 1;
        }
        int met = 0;
        float first = 0, sum = 0;
        for (int b = 0; b < p->bins; b++) {
            met += counts[b] > 0;
            if (met == 1 && sum == 0) first = counts[b];
            sum += counts[b];
            counts[b] = sum;
        }
        for (size_t i = 0; i < n; i++) {
            float value = to_bytes(p, in[i * c + k]);
            int bin = (int)clamp(value / 255 * last, 0, last);
            if (met > 1) value = clamp(rintf((counts[bin] - first) * 255 / (sum - first)), 0, 255);
            out[i * c + k] = from_bytes(p, value);
        }
    }
}

/* Each channel stretched over the whole range; one of a single value stays. */
static void stretch(const hone__random_image *p, const float *in, float *out) {
    size_t c = (size_t)p->c, n = pixel_count(p);
    for (size_t k = 0; k < c; k++) {
        float low = INFINITY, high = -INFINITY;
        for (size_t i = 0; i < n; i++) {
            float value = to_bytes(p, in[i * c + k]);
            low = fminf(low, value);
            high = fmaxf(high, value);
        }
        float scale = 255 / (high - low), offset = -low * scale;
        for (size_t i = 0; i < n; i++) {
            float value = in[i * c + k];
            out[i * c + k] = high > low ? from_bytes(p, clamp(to_bytes(p, value) * scale + offset, 0, 255)) : value;
        }
    }
}

/* ---- neighbours ------------------------------------------------------------------------------------------------- */

void hone__random_filter(int h, int w, int step, const int window[2], const float *kernel, const float *in,
                         float *out) {
    int up = (window[0] - 1) / 2, left = (window[1] - 1) / 2;
    for (int y = 0; y < h; y++)
        for (int x = 0; x < w; x++) {
            float sum = 0;
            for (int i = 0; i < window[0]; i++)
                for (int j = 0; j < window[1]; j++) {
                    int row = y + i - up, column = x + j - left;
                    if (row < 0 || row >= h || column < 0 || column >= w) continue;
                    sum += kernel[i * window[1] + j] * in[((size_t)row * (size_t)w + (size_t)column) * (size_t)step];
                }
            out[((size_t)y * (size_t)w + (size_t)x) * (size_t)step] = sum;
        }
}

void hone__random_gaussian(int size, double sigma, float *out) {
    float sum = 0;
    for (int i = 0; i < size; i++) {
        float at = ((float)i - (float)(size - 1) / 2) / (float)sigma;
        out[i] = expf(-0.5F * at * at);
        sum += out[i];
    }
    for (int i = 0; i < size; i++) out[i] /= sum;
}

static void sharpen(const hone__random_image *p, float factor, const float *in, float *out) {
    static const float a = 1.0F / 13, b = 5.0F / 13;
    static const int window[2] = {3, 3};
    const float kernel[9] = {a, a, a, a, b, a, a, a, a};
    for (int k = 0; k < p->c; k++) hone__random_filter(p->h, p->w, p->c, window, kernel, in + k, out + k);
    for (size_t i = 0; i < value_count(p); i++) out[i] = clipped(p, in[i] + (1 - factor) * (out[i] - in[i]));
}

/* Keras takes the kernel, which is as high as window[1] and as wide as window[0], for one that is the other way round:
 * the numbers stay in their order. */
static void blur(const hone__random_image *p, const double sigma[2], const float *in, float *out, float *scratch) {
    float *across = scratch, *down = across + p->window[0], *kernel = down + p->window[1];
    hone__random_gaussian(p->window[0], sigma[0], across);
    hone__random_gaussian(p->window[1], sigma[1], down);
    for (int i = 0; i < p->window[1]; i++)
        for (int j = 0; j < p->window[0]; j++) kernel[i * p->window[0] + j] = down[i] * across[j];
    for (int k = 0; k < p->c; k++) hone__random_filter(p->h, p->w, p->c, p->window, kernel, in + k, out + k);
}

/* ---- erasing ---------------------------------------------------------------------------------------------------- */

typedef struct side {
    double from, to;
} side;

static side draw_side(hone__rng *rng, double share, int length) {
    double covered = share * length, from = hone__rng_uniform(rng) * (length - covered);
    return (side){from, from + covered};
}

static void erase(const hone__random_image *p, hone__rng *rng, const float *in, float *out) {
    double across = sqrt(hone__draw_from(rng, &p->b)), down = sqrt(hone__draw_from(rng, &p->b));
    side x = draw_side(rng, across, p->w), y = draw_side(rng, down, p->h);
    memcpy(out, in, value_count(p) * sizeof *out);
    if (!hone__draw_applies(rng, &p->a)) return;
    for (int row = 0; row < p->h; row++)
        for (int column = 0; column < p->w; column++) {
            if (row < y.from || row >= y.to || column < x.from || column >= x.to) continue;
            float *pixel = out + ((size_t)row * (size_t)p->w + (size_t)column) * (size_t)p->c;
            for (int k = 0; k < p->c; k++) {
                double fill = p->fill[p->fill_count == 3 && k < 3 ? k : 0];
                pixel[k] = clipped(p, (float)(p->noise ? hone__rng_normal(rng) * p->clip_high : fill));
            }
        }
}

/* ---- all of them ------------------------------------------------------------------------------------------------ */

size_t hone__random_values_scratch(const hone__random_image *p) {
    size_t high = (size_t)p->window[0], wide = (size_t)p->window[1];
    if (p->kind == HONE_RANDOM_EQUALIZATION) return (size_t)p->bins;
    return p->kind == HONE_RANDOM_BLUR ? high + wide + high * wide : 0;
}

static void maybe_blur(const hone__random_image *p, hone__rng *rng, hone__rng *of_batch, const float *in, float *out,
                       float *scratch) {
    double first = hone__draw_from(of_batch, &p->b) + 1e-6, second = hone__draw_from(of_batch, &p->b) + 1e-6;
    if (hone__draw_applies(rng, &p->a))
        blur(p, (const double[]){first, second}, in, out, scratch);
    else
        memcpy(out, in, value_count(p) * sizeof *out);
    for (size_t i = 0; i < value_count(p); i++) out[i] = clipped(p, out[i]);
}

void hone__random_values(const hone__random_image *p, hone__rng *rng, hone__rng *of_batch, const float *in, float *out,
                         float *scratch) {
    const hone__draw bytes_a = {p->a.low, p->a.high * 255}, bytes_b = {p->b.low, p->b.high * 255};
    switch (p->kind) {
    case HONE_RANDOM_HUE: {
        double sign = hone__rng_uniform(rng) > 0.5 ? -0.5 : 0.5;
        turn_hue(p, (float)(sign * hone__draw_from(rng, &p->a)), in, out);
        break;
    }
    case HONE_RANDOM_SATURATION: {
        double factor = hone__draw_from(rng, &p->a);
        change_saturation(p, (float)(factor / (1 - factor + 1e-7)), in, out);
        break;
    }
    case HONE_RANDOM_DEGENERATION: degenerate(p, (float)hone__draw_from(rng, &p->a), true, in, out); break;
    case HONE_RANDOM_GRAYSCALE: degenerate(p, hone__rng_uniform(rng) < p->a.high ? 1 : 0, false, in, out); break;
    case HONE_RANDOM_INVERT: {
        bool applies = hone__draw_applies(rng, &p->a);
        for (size_t i = 0; i < value_count(p); i++) out[i] = applies ? (float)p->clip_high - in[i] : in[i];
        break;
    }
    case HONE_RANDOM_POSTERIZATION: {
        int low = (int)p->a.low, high = (int)p->a.high;
        posterize(p, low < high ? low + (int)hone__rng_below(rng, (uint32_t)(high - low)) : low, in, out);
        break;
    }
    case HONE_RANDOM_SHARPNESS: sharpen(p, (float)(2 * hone__draw_from(rng, &p->a)), in, out); break;
    case HONE_RANDOM_SOLARIZATION: {
        float addition = (float)hone__draw_from(rng, &bytes_a);
        solarize(p, addition, (float)hone__draw_from(rng, &bytes_b), in, out);
        break;
    }
    case HONE_RANDOM_ERASING: erase(p, rng, in, out); break;
    case HONE_RANDOM_BLUR: maybe_blur(p, rng, of_batch, in, out, scratch); break;
    case HONE_RANDOM_EQUALIZATION: equalize(p, in, out, scratch); break;
    default: stretch(p, in, out); break;
    }
}
