/* SPDX-License-Identifier: Apache-2.0
 *
 * RandAugment (Cubuk et al. 2020): N operations, drawn from a fixed list, all of one magnitude M out of 10.
 *
 * The list is the paper's: geometry (turn, shear and shift either way), tone (contrast, brightness, sharpness, colour,
 * autocontrast, equalize), and levels thrown away (posterize, solarize). Grey pictures have no colour, so it is not drawn
 * for them. Unlike the paper, the geometric ones are composed and interpolated once, before the others. */
#include "augment_internal.h"

#include <math.h>
#include <string.h>

typedef enum operation {
    IDENTITY,
    ROTATE,
    SHEAR_X,
    SHEAR_Y,
    TRANSLATE_X,
    TRANSLATE_Y,
    AUTOCONTRAST,
    EQUALIZE,
    SOLARIZE,
    POSTERIZE,
    CONTRAST,
    BRIGHTNESS,
    SHARPNESS,
    COLOUR, /* last: grey pictures leave it out */
    OPERATIONS
} operation;

void hone__rand_draw_operations(const hone__rand_settings *s, hone__rng *rng, int channels, hone__rand_draw *out) {
    out->count = s->count;
    for (int i = 0; i < s->count; i++) {
        out->drawn[i].operation = (int)hone__rng_below(rng, channels < 3 ? COLOUR : OPERATIONS);
        double sign = hone__rng_below(rng, 2) ? 1 : -1;
        out->drawn[i].amount = sign * s->magnitude / 10;
    }
}

/* ---- places ---------------------------------------------------------------------------------------------------- */

/* The largest are a turn of 30 degrees, a shear of 0.3, a shift of 0.3 sides. */
static bool map_of(int kind, double amount, int height, int width, hone__map *out) {
    double x = (width - 1) / 2.0, y = (height - 1) / 2.0, size = 0.3 * amount;
    double angle = amount * 30 * 3.14159265358979323846 / 180, c = cos(angle), s = sin(angle);
    switch ((operation)kind) {
    case ROTATE: *out = (hone__map){{c, -s, x - c * x + s * y, s, c, y - s * x - c * y}}; return true;
    case SHEAR_X: *out = (hone__map){{1, size, -size * y, 0, 1, 0}}; return true;
    case SHEAR_Y: *out = (hone__map){{1, 0, 0, size, 1, -size * x}}; return true;
    case TRANSLATE_X: *out = (hone__map){{1, 0, size * width, 0, 1, 0}}; return true;
    case TRANSLATE_Y: *out = (hone__map){{1, 0, 0, 0, 1, size * height}}; return true;
    default: return false;
    }
}

bool hone__rand_map(const hone__rand_draw *draw, int height, int width, hone__map *map) {
    bool moves = false;
    for (int i = 0; i < draw->count; i++) {
        hone__map own;
        if (!map_of(draw->drawn[i].operation, draw->drawn[i].amount, height, width, &own)) continue;
        *map = hone__map_compose(map, &own);
        moves = true;
    }
    return moves;
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

static size_t size_of(const hone__picture *p) {
    return (size_t)p->height * (size_t)p->width * (size_t)p->channels;
}

/* Alpha is no colour. */
static size_t colours_of(const hone__picture *p) {
    return (size_t)(p->channels % 2 ? p->channels : p->channels - 1);
}

static unsigned char to_byte(double value) {
    return (unsigned char)((value > 0 ? value < 255 ? value : 255 : 0) + 0.5);
}

/* Every colour value through a table. */
static void look_up(const hone__picture *p, const unsigned char table[256]) {
    size_t n = size_of(p), c = (size_t)p->channels, colours = colours_of(p);
    for (size_t i = 0; i < n; i += c)
        for (size_t k = 0; k < colours; k++) p->out[i + k] = table[p->out[i + k]];
}

static void look_up_channel(const hone__picture *p, size_t channel, const unsigned char table[256]) {
    size_t n = size_of(p), c = (size_t)p->channels;
    for (size_t i = channel; i < n; i += c) p->out[i] = table[p->out[i]];
}

/* factor of the way from about to each value: 0 is all about, 1 the picture, 2 twice as far. */
static void spread(const hone__picture *p, double about, double factor) {
    unsigned char table[256];
    for (int v = 0; v < 256; v++) table[v] = to_byte(about + factor * (v - about));
    look_up(p, table);
}

static void count_values(const hone__picture *p, size_t channel, size_t histogram[256]) {
    size_t n = size_of(p), c = (size_t)p->channels;
    memset(histogram, 0, 256 * sizeof *histogram);
    for (size_t i = channel; i < n; i += c) histogram[p->out[i]]++;
}

/* Each channel stretched over the whole range. */
static void autocontrast(const hone__picture *p) {
    for (size_t k = 0; k < colours_of(p); k++) {
        size_t histogram[256];
        unsigned char table[256];
        int low = 0, high = 255;
        count_values(p, k, histogram);
        while (low < 255 && !histogram[low]) low++;
        while (high > 0 && !histogram[high]) high--;
        if (high <= low) continue;
        for (int v = 0; v < 256; v++) table[v] = to_byte((v - low) * 255.0 / (high - low));
        look_up_channel(p, k, table);
    }
}

/* Each channel's values as evenly frequent as they can be made. */
static void equalize(const hone__picture *p) {
    size_t pixels = (size_t)p->height * (size_t)p->width;
    for (size_t k = 0; k < colours_of(p); k++) {
        size_t histogram[256], below = 0, last = 255;
        unsigned char table[256];
        count_values(p, k, histogram);
        while (last > 0 && !histogram[last]) last--;
        double step = (double)(pixels - histogram[last]) / 255;
        if (step < 1) continue; /* one value, or too few pixels */
        for (int v = 0; v < 256; v++) {
            table[v] = to_byte(floor((double)below / step + 0.5));
            below += histogram[v];
        }
        look_up_channel(p, k, table);
    }
}

static void solarize(const hone__picture *p, double amount) {
    unsigned char table[256];
    for (int v = 0; v < 256; v++) table[v] = (unsigned char)(v >= 256 * (1 - amount) ? 255 - v : v);
    look_up(p, table);
}

/* At most four of the eight bits go. */
static void posterize(const hone__picture *p, double amount) {
    unsigned char table[256];
    int gone = (int)lrint(4 * amount);
    for (int v = 0; v < 256; v++) table[v] = (unsigned char)(v >> gone << gone);
    look_up(p, table);
}

static double mean_of(const hone__picture *p) {
    size_t n = size_of(p), c = (size_t)p->channels, colours = colours_of(p);
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i += c)
        for (size_t k = 0; k < colours; k++) sum += p->out[i + k];
    return (double)sum * (double)c / (double)(n * colours);
}

/* Away from the picture's grey, or towards it. */
static void change_colour(const hone__picture *p, double factor) {
    size_t n = size_of(p), c = (size_t)p->channels;
    for (size_t i = 0; i < n; i += c) {
        unsigned char *v = p->out + i;
        double grey = 0.299 * v[0] + 0.587 * v[1] + 0.114 * v[2];
        for (size_t k = 0; k < 3; k++) v[k] = to_byte(grey + factor * (v[k] - grey));
    }
}

/* Away from a smoothed picture, or towards it; the outermost pixels stay. */
static void sharpen(const hone__picture *p, double factor, unsigned char *copy) {
    int h = p->height, w = p->width, c = p->channels, colours = (int)colours_of(p);
    ptrdiff_t row = (ptrdiff_t)w * c;
    memcpy(copy, p->out, size_of(p));
    for (int y = 1; y < h - 1; y++)
        for (int x = 1; x < w - 1; x++)
            for (int k = 0; k < colours; k++) {
                const unsigned char *v = copy + y * row + (ptrdiff_t)x * c + k;
                int sum = 4 * v[0];
                for (int i = -1; i <= 1; i++) sum += v[i * row - c] + v[i * row] + v[i * row + c];
                double smooth = sum / 13.0;
                p->out[y * row + (ptrdiff_t)x * c + k] = to_byte(smooth + factor * (v[0] - smooth));
            }
}

void hone__rand_pixels(const hone__rand_draw *draw, const hone__picture *p, unsigned char *scratch) {
    for (int i = 0; i < draw->count; i++) {
        double amount = draw->drawn[i].amount, size = fabs(amount), factor = 1 + 0.9 * amount;
        switch ((operation)draw->drawn[i].operation) {
        case AUTOCONTRAST: autocontrast(p); break;
        case EQUALIZE: equalize(p); break;
        case SOLARIZE: solarize(p, size); break;
        case POSTERIZE: posterize(p, size); break;
        case CONTRAST: spread(p, mean_of(p), factor); break;
        case BRIGHTNESS: spread(p, 0, factor); break;
        case SHARPNESS: sharpen(p, factor, scratch); break;
        case COLOUR: change_colour(p, factor); break;
        default: break; /* done already, or nothing */
        }
    }
}
