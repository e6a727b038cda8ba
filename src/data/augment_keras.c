/* SPDX-License-Identifier: Apache-2.0
 *
 * Keras' ImageDataGenerator to the letter: what it draws, and what apply_transform makes of it.
 *
 * One idea: positions and interpolation are computed in double in the order SciPy's affine_transform computes them, and
 * stored as float, so that the same drawn numbers give the same bits. Two dialects differ in the centre (the old one is
 * a pixel off), in what is a row, and in brightness; both keep their surprises. */
#include "augment_internal.h"

#include <math.h>
#include <string.h>

hone_keras_transform hone_keras_transform_default(void) {
    return (hone_keras_transform){.zx = 1, .zy = 1, .brightness = 1, .interpolation_order = 1};
}

/* ---- draws ----------------------------------------------------------------------------------------------------- */

/* By type: a real is a uniform range, a whole number n one of 0 … n - 1 with a sign, a list one of its items with a
 * sign. Below 1: a fraction of the side. */
static double draw_shift(const hone__keras_shift *s, hone__rng *rng, int side) {
    if (s->count == 0) return 0;
    double most = s->values[0], value;
    for (int i = 1; i < s->count; i++) most = fmax(most, s->values[i]);
    if (s->kind == HONE__SHIFT_REAL) {
        value = hone__rng_range(rng, -most, most);
    } else {
        uint32_t n = s->kind == HONE__SHIFT_WHOLE ? (uint32_t)most : (uint32_t)s->count;
        uint32_t choice = hone__rng_below(rng, n);
        value = s->kind == HONE__SHIFT_WHOLE ? (double)choice : s->values[choice];
        if (hone__rng_below(rng, 2) == 0) value = -value;
    }
    return most < 1 ? value * side : value;
}

void hone__keras_draw(const hone__keras_settings *s, hone__rng *rng, int height, int width, hone_keras_transform *out) {
    hone_keras_transform t = hone_keras_transform_default();
    t.old_dialect = s->old_dialect;
    t.fill_mode = s->fill_mode;
    t.cval = s->cval;
    t.interpolation_order = (int)s->interpolation_order;
    if (s->rotation_range > 0) t.theta = hone__rng_range(rng, -s->rotation_range, s->rotation_range);
    t.tx = draw_shift(&s->height_shift_range, rng, height);
    t.ty = draw_shift(&s->width_shift_range, rng, width);
    if (s->shear_range > 0) t.shear = hone__rng_range(rng, -s->shear_range, s->shear_range);
    const hone__keras_range *zoom = &s->zoom_range;
    if (zoom->given && !(zoom->low == 1 && zoom->high == 1)) {
        t.zx = hone__rng_range(rng, zoom->low, zoom->high);
        t.zy = hone__rng_range(rng, zoom->low, zoom->high);
    }
    /* Two numbers, asked for or not. */
    bool horizontal = hone__rng_uniform(rng) < 0.5, vertical = hone__rng_uniform(rng) < 0.5;
    t.flip_horizontal = horizontal && s->horizontal_flip;
    t.flip_vertical = vertical && s->vertical_flip;
    if (s->channel_shift_range > 0)
        t.channel_shift = hone__rng_range(rng, -s->channel_shift_range, s->channel_shift_range);
    t.has_brightness = s->brightness_range.given;
    if (t.has_brightness) t.brightness = hone__rng_range(rng, s->brightness_range.low, s->brightness_range.high);
    *out = t;
}

/* ---- the affine map -------------------------------------------------------------------------------------------- */

typedef struct matrix {
    double at[3][3];
} matrix;

static matrix product(const matrix *a, const matrix *b) {
    matrix m;
    for (int i = 0; i < 3; i++)
        for (int j = 0; j < 3; j++)
            m.at[i][j] = a->at[i][0] * b->at[0][j] + a->at[i][1] * b->at[1][j] + a->at[i][2] * b->at[2][j];
    return m;
}

static matrix translation(double x, double y) {
    return (matrix){{{1, 0, x}, {0, 1, y}, {0, 0, 1}}};
}

/* Output pixel to source position; false where nothing moves. Factors that are the identity are left out, as there. */
static bool affine_map(const hone_keras_transform *t, int height, int width, matrix *out) {
    const double degree = 3.14159265358979323846 / 180;
    bool moves = false;
    matrix m = translation(0, 0);
    if (t->theta < 0 || t->theta > 0) {
        double theta = t->theta * degree;
        m = (matrix){{{cos(theta), -sin(theta), 0}, {sin(theta), cos(theta), 0}, {0, 0, 1}}};
        moves = true;
    }
    if (t->tx != 0 || t->ty != 0) {
        matrix shift = translation(t->tx, t->ty);
        m = moves ? product(&m, &shift) : shift;
        moves = true;
    }
    if (t->shear != 0) {
        double shear = t->shear * degree;
        matrix slant = {{{1, -sin(shear), 0}, {0, cos(shear), 0}, {0, 0, 1}}};
        m = moves ? product(&m, &slant) : slant;
        moves = true;
    }
    if (t->zx != 1 || t->zy != 1) {
        matrix zoom = {{{t->zx, 0, 0}, {0, t->zy, 0}, {0, 0, 1}}};
        m = moves ? product(&m, &zoom) : zoom;
        moves = true;
    }
    if (!moves) return false;
    double off = t->old_dialect ? 0.5 : -0.5, x = height / 2.0 + off, y = width / 2.0 + off;
    matrix there = translation(x, y), back = translation(-x, -y);
    m = product(&there, &m);
    m = product(&m, &back);
    if (!t->old_dialect) { /* its matrix is about (x, y), the sampler's about (row, column) */
        m = (matrix){{{m.at[1][1], m.at[1][0], m.at[1][2]}, {m.at[0][1], m.at[0][0], m.at[0][2]}, {0, 0, 1}}};
    }
    *out = m;
    return true;
}

/* ---- sampling -------------------------------------------------------------------------------------------------- */

static bool is_inside(double x, int n) {
    return x >= 0 && x <= n - 1;
}

/* A position outside folded into [0, n - 1] (reflect: half a pixel more); false where cval is due. wrap's period is n - 1. */
static bool fold(hone_fill_mode mode, int n, double *position) {
    double x = *position, last = n - 1;
    switch (mode) {
    case HONE_FILL_CONSTANT: return false;
    case HONE_FILL_NEAREST: x = x < 0 ? 0 : last; break;
    case HONE_FILL_REFLECT: {
        double period = 2.0 * n;
        if (x < 0) {
            if (x < -period) x += period * trunc(-x / period);
            x = x < -n ? x + period : -x - 1;
        } else {
            x -= period * trunc(x / period);
            if (x >= n) x = period - x - 1;
        }
        break;
    }
    case HONE_FILL_WRAP:
        if (n <= 1)
            x = 0;
        else if (x < 0)
            x += last * (trunc(-x / last) + 1);
        else
            x -= last * trunc(x / last);
        break;
    }
    *position = x;
    return true;
}

static int clamp_index(int i, int n) {
    return i < 0 ? 0 : i > n - 1 ? n - 1 : i;
}

/* Without the C library's floor, which is a call on most machines and half of the time here. Folded positions are small. */
static int floor_of(double x) {
    int i = (int)x;
    return i > x ? i - 1 : i;
}

/* The two pixels of an axis around a folded position, and their weights. Order 0: one, twice, the second weighing 0. */
typedef struct taps {
    int first, second;
    double weight_first, weight_second;
} taps;

static taps taps_of(double x, int n, int order) {
    if (order == 0) {
        int nearest = clamp_index(floor_of(x + 0.5), n);
        return (taps){nearest, nearest, 1, 0};
    }
    int i = floor_of(x);
    double first = 1 - (x - i); /* the second is what is left of 1, as SciPy has it: not x - i to the bit */
    return (taps){clamp_index(i, n), clamp_index(i + 1, n), first, 1 - first};
}

static void sample(const hone_keras_transform *t, const matrix *m, const float *in, int height, int width, int channels,
                   float *out) {
    size_t row_size = (size_t)width * (size_t)channels;
    for (int r = 0; r < height; r++) {
        const double row_of_r = m->at[0][0] * r, column_of_r = m->at[1][0] * r;
        for (int c = 0; c < width; c++, out += channels) {
            double row = row_of_r + m->at[0][1] * c + m->at[0][2];
            double column = column_of_r + m->at[1][1] * c + m->at[1][2];
            if ((!is_inside(row, height) && !fold(t->fill_mode, height, &row)) ||
                (!is_inside(column, width) && !fold(t->fill_mode, width, &column))) {
                for (int k = 0; k < channels; k++) out[k] = (float)t->cval;
                continue;
            }
            const taps v = taps_of(row, height, t->interpolation_order);
            const taps h = taps_of(column, width, t->interpolation_order);
            const float *above = in + (size_t)v.first * row_size, *below = in + (size_t)v.second * row_size;
            const float *pixels[4] = {above + h.first * channels, above + h.second * channels,
                                      below + h.first * channels, below + h.second * channels};
            for (int k = 0; k < channels; k++) { /* each product and sum in SciPy's order */
                double sum = pixels[0][k] * v.weight_first * h.weight_first;
                sum += pixels[1][k] * v.weight_first * h.weight_second;
                sum += pixels[2][k] * v.weight_second * h.weight_first;
                sum += pixels[3][k] * v.weight_second * h.weight_second;
                out[k] = (float)sum;
            }
        }
    }
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

static void extremes(const float *x, size_t n, float *low, float *high) {
    *low = *high = n > 0 ? x[0] : 0;
    for (size_t i = 1; i < n; i++) {
        if (x[i] < *low) *low = x[i];
        if (x[i] > *high) *high = x[i];
    }
}

/* One amount for all channels, cut at the picture's own extremes. */
static void shift_channels(float *x, size_t n, double amount) {
    float low, high, shift = (float)amount;
    extremes(x, n, &low, &high);
    for (size_t i = 0; i < n; i++) x[i] = fminf(fmaxf(x[i] + shift, low), high);
}

static void mirror(float *x, int height, int width, int channels, bool columns) {
    int rows = columns ? height : height / 2, across = columns ? width / 2 : width;
    for (int r = 0; r < rows; r++)
        for (int c = 0; c < across; c++) {
            int other_r = columns ? r : height - 1 - r, other_c = columns ? width - 1 - c : c;
            float *a = x + ((size_t)r * (size_t)width + (size_t)c) * (size_t)channels;
            float *b = x + ((size_t)other_r * (size_t)width + (size_t)other_c) * (size_t)channels;
            for (int k = 0; k < channels; k++) {
                float held = a[k];
                a[k] = b[k];
                b[k] = held;
            }
        }
}

/* Through an 8-bit picture: stretched to 0 … 255 where values lie outside (the old dialect: always), times factor in
 * single precision as Pillow does, cut to bytes, and stretched back (the old dialect: not). Alpha is left alone. */
static void brighten(const hone_keras_transform *t, float *x, size_t n, int channels) {
    float low, high, factor = (float)t->brightness;
    extremes(x, n, &low, &high);
    bool is_stretched = t->old_dialect || low < 0 || high > 255;
    float range = high - low;
    for (size_t i = 0; i < n; i++) {
        float y = x[i];
        if (is_stretched) {
            y -= low;
            if (range > 0) y = y / range * 255.0f;
        }
        y = truncf(y);
        bool is_alpha = channels == 4 && i % 4 == 3;
        if (!is_alpha) y = truncf(fminf(fmaxf(y * factor, 0), 255));
        if (is_stretched && !t->old_dialect) y = y / 255.0f * range + low;
        x[i] = y;
    }
}

void hone_keras_transform_apply(const hone_keras_transform *t, const float *in, int height, int width, int channels,
                                float *out) {
    size_t n = (size_t)height * (size_t)width * (size_t)channels;
    matrix m;
    if (affine_map(t, height, width, &m))
        sample(t, &m, in, height, width, channels, out);
    else
        memcpy(out, in, n * sizeof *out);
    if (t->channel_shift != 0) shift_channels(out, n, t->channel_shift);
    if (t->flip_horizontal) mirror(out, height, width, channels, true);
    if (t->flip_vertical) mirror(out, height, width, channels, false);
    if (t->has_brightness) brighten(t, out, n, channels);
}
