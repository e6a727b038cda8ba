/* SPDX-License-Identifier: Apache-2.0
 *
 * What Keras' Random… layers do to a picture in training.
 *
 * One idea: the numbers of a sample are a function of (layer's key; step, index in the batch), as dropout's are, so the
 * pictures do not depend on how the batch is cut. What is done with them is Keras' to the formula: positions in single
 * precision, ends of the picture folded as TensorFlow's ImageProjectiveTransform folds them. */
#include "op.h"

#include "random_values.h"

#include <math.h>
#include <string.h>

/* ---- draws ----------------------------------------------------------------------------------------------------- */

static void begin_draws(const hone__op *op, const hone__run *r, uint32_t sample, hone__rng *rng) {
    const uint32_t *key = op->as.random.key;
    *rng = (hone__rng){.key = {key[0], key[1]}, .counter = {0, sample, (uint32_t)r->step, (uint32_t)(r->step >> 32)}};
}

/* ---- places ---------------------------------------------------------------------------------------------------- */

/* Column and row of the source: (m[0] x + m[1] y + m[2], m[3] x + m[4] y + m[5]), both over m[6] x + m[7] y + 1. */
typedef struct map {
    float m[8];
} map;

static map rotation(double turns, int h, int w) {
    const double full = 6.283185307179586476925;
    double cosine = cos(turns * full), sine = sin(turns * full), x = 0.5 * (w - 1), y = 0.5 * (h - 1);
    return (map){{(float)cosine, (float)-sine, (float)(x - x * cosine + y * sine), (float)sine, (float)cosine,
                  (float)(y - x * sine - y * cosine)}};
}

/* The first coefficients' sum of each row being its last number: Gauss' way, with the largest pivot. */
static void solve(double rows[8][9]) {
    for (int i = 0; i < 8; i++) {
        int best = i;
        for (int k = i + 1; k < 8; k++)
            if (fabs(rows[k][i]) > fabs(rows[best][i])) best = k;
        for (int k = 0; k < 9; k++) {
            double swapped = rows[i][k];
            rows[i][k] = rows[best][k];
            rows[best][k] = swapped;
        }
        for (int k = 0; k < 8; k++) {
            double share = k == i ? 0 : rows[k][i] / rows[i][i];
            for (int j = i; j < 9; j++) rows[k][j] -= share * rows[i][j];
        }
    }
    for (int i = 0; i < 8; i++) rows[i][8] /= rows[i][i];
}

/* The four corners are drawn elsewhere, as Keras draws them: each by a part of its own distance from the first. */
static map draw_perspective(const hone__random_image *p, hone__rng *rng) {
    double rows[8][9];
    for (int corner = 0; corner < 4; corner++) {
        double x = corner % 2 ? p->w - 1 : 0, y = corner / 2 ? p->h - 1 : 0;
        double across = hone__draw_from(rng, &p->b), to_x = x + x * across;
        double down = hone__draw_from(rng, &p->b), to_y = y + y * down;
        const double of_x[9] = {to_x, to_y, 1, 0, 0, 0, -x * to_x, -x * to_y, x};
        const double of_y[9] = {0, 0, 0, to_x, to_y, 1, -y * to_x, -y * to_y, y};
        memcpy(rows[2 * corner], of_x, sizeof of_x);
        memcpy(rows[2 * corner + 1], of_y, sizeof of_y);
    }
    solve(rows);
    map m;
    for (int i = 0; i < 8; i++) m.m[i] = (float)rows[i][8];
    return m;
}

static map draw_shear(const hone__random_image *p, hone__rng *rng) {
    double sign = hone__rng_uniform(rng) > 0.5 ? -1 : 1, y = sign * hone__draw_from(rng, &p->b);
    return (map){{1, (float)(sign * hone__draw_from(rng, &p->a)), 0, (float)y, 1, 0}};
}

static map draw_map(const hone__random_image *p, hone__rng *rng) {
    if (p->kind == HONE_RANDOM_SHEAR) return draw_shear(p, rng);
    if (p->kind == HONE_RANDOM_PERSPECTIVE) return draw_perspective(p, rng);
    double a = hone__draw_from(rng, &p->a);
    if (p->kind == HONE_RANDOM_ROTATION) return rotation(a, p->h, p->w);
    double b = p->is_linked ? a : hone__draw_from(rng, &p->b);
    if (p->kind == HONE_RANDOM_TRANSLATION) return (map){{1, 0, (float)(-b * p->w), 0, 1, (float)(-a * p->h)}};
    return (map){
        {(float)(1 + b), 0, (float)(-0.5 * (p->w - 1) * b), 0, (float)(1 + a), (float)(-0.5 * (p->h - 1) * a)}};
}

/* Without the C library's floor, which is a call on most machines. Positions are within a few thousand pictures' sides. */
static int floor_of(float x) {
    int i = (int)x;
    return (float)i > x ? i - 1 : i;
}

/* A position outside of n pixels folded back; constant: left where it is, for outside is then the fill's. */
static float fold(hone_border border, float x, int n) {
    const float last = (float)(n - 1);
    if (border == HONE_BORDER_CONSTANT || (x >= 0 && x <= last)) return x;
    if (n == 1) return 0;
    if (border == HONE_BORDER_REFLECT) {
        const float period = 2 * (float)n;
        if (x < 0) {
            if (x < period) x += period * (float)(int)(-x / period);
            x = x < (float)-n ? x + period : -x - 1;
        } else {
            x -= period * (float)(int)(x / period);
            if (x >= (float)n) x = period - x - 1;
        }
    } else if (border == HONE_BORDER_WRAP) {
        if (x < 0)
            x += (float)n * (float)((int)(-x / last) + 1);
        else
            x -= (float)n * (float)(int)(x / last);
    }
    return x < 0 ? 0 : x > last ? last : x;
}

static const float *pixel(const hone__random_image *p, const float *in, int y, int x, const float *fill) {
    if (y < 0 || y >= p->h || x < 0 || x >= p->w) return fill;
    return in + ((size_t)y * (size_t)p->w + (size_t)x) * (size_t)p->c;
}

static void sample_bilinear(const hone__random_image *p, const float *in, float y, float x, const float *fill,
                            float *out) {
    int top = floor_of(y), left = floor_of(x);
    const float *a = pixel(p, in, top, left, fill), *b = pixel(p, in, top, left + 1, fill);
    const float *c = pixel(p, in, top + 1, left, fill), *d = pixel(p, in, top + 1, left + 1, fill);
    float fx = x - (float)left, gx = (float)(left + 1) - x, fy = y - (float)top, gy = (float)(top + 1) - y;
    for (int k = 0; k < p->c; k++)
        out[k] = gy * (gx * a[a == fill ? 0 : k] + fx * b[b == fill ? 0 : k]) +
                 fy * (gx * c[c == fill ? 0 : k] + fx * d[d == fill ? 0 : k]);
}

static void sample_nearest(const hone__random_image *p, const float *in, float y, float x, const float *fill,
                           float *out) {
    const float *a = pixel(p, in, (int)roundf(y), (int)roundf(x), fill);
    for (int k = 0; k < p->c; k++) out[k] = a[a == fill ? 0 : k];
}

static void warp(const hone__random_image *p, const map *m, const float *in, float *out) {
    const float fill = (float)p->fill_value, *at = m->m;
    for (int y = 0; y < p->h; y++)
        for (int x = 0; x < p->w; x++, out += p->c) {
            float column = at[0] * (float)x + at[1] * (float)y + at[2];
            float row = at[3] * (float)x + at[4] * (float)y + at[5];
            if (p->kind == HONE_RANDOM_PERSPECTIVE) {
                float depth = at[6] * (float)x + at[7] * (float)y + 1;
                column = depth < 0 || depth > 0 ? column / depth : -2 * (float)p->w; /* nowhere: the fill's */
                row /= depth < 0 || depth > 0 ? depth : 1;
                if (!(fabsf(column) < 1e6F && fabsf(row) < 1e6F)) column = row = -2;
            }
            column = fold(p->border, column, p->w);
            row = fold(p->border, row, p->h);
            (p->nearest ? sample_nearest : sample_bilinear)(p, in, row, column, &fill, out);
        }
}

static void flip(const hone__random_image *p, bool horizontal, bool vertical, const float *in, float *out) {
    size_t c = (size_t)p->c;
    for (int y = 0; y < p->h; y++) {
        const float *row = in + (size_t)(vertical ? p->h - 1 - y : y) * (size_t)p->w * c;
        for (int x = 0; x < p->w; x++, out += c)
            memcpy(out, row + (size_t)(horizontal ? p->w - 1 - x : x) * c, c * sizeof *out);
    }
}

/* ---- elastic ---------------------------------------------------------------------------------------------------- */

/* How far Gaussian noise of this width is smoothed: window floats on either side and in the middle. */
static int elastic_window(double sigma) {
    return 6 * (int)sigma | 1;
}

static double elastic_sigma(const hone__random_image *p, double factor) {
    return (p->h < p->w ? p->h : p->w) * 0.05 * factor;
}

/* Where Keras' map_coordinates reads pixel i of n: outside it folds whole pixels. constant: -1. */
static int fold_pixel(hone_border border, int i, int n) {
    if (border == HONE_BORDER_CONSTANT) return i >= 0 && i < n ? i : -1;
    if (border == HONE_BORDER_NEAREST) return i < 0 ? 0 : i < n ? i : n - 1;
    if (border == HONE_BORDER_WRAP) return (i % n + n) % n;
    i = (i < 0 ? -i : i) % (2 * n);
    return i < n ? i : 2 * n - i - 1;
}

/* One field of smoothed noise moves every pixel, as far across as down: so Keras' two draws of one seed come out. */
static void elastic(const hone__random_image *p, hone__rng *rng, double factor, const float *in, float *out,
                    float *scratch) {
    size_t n = (size_t)p->h * (size_t)p->w;
    double sigma = elastic_sigma(p, factor), alpha = (p->h > p->w ? p->h : p->w) * 0.1 * factor;
    float *noise = scratch, *smooth = noise + n, *kernel = smooth + n;
    const int across[2] = {1, elastic_window(sigma)}, down[2] = {elastic_window(sigma), 1};
    for (size_t i = 0; i < n; i++) noise[i] = (float)(hone__rng_normal(rng) * sigma);
    hone__random_gaussian(across[1], sigma, kernel);
    hone__random_filter(p->h, p->w, 1, across, kernel, noise, smooth);
    hone__random_filter(p->h, p->w, 1, down, kernel, smooth, noise);
    for (int y = 0; y < p->h; y++)
        for (int x = 0; x < p->w; x++, noise++, out += p->c) {
            float by = (float)(alpha * (double)*noise), row = (float)y + by, column = (float)x + by;
            int top = floor_of(row), left = floor_of(column);
            for (int k = 0; k < p->c; k++) out[k] = 0;
            for (int corner = 0; corner < 4; corner++) {
                float share_y = corner / 2 ? row - (float)top : 1 - (row - (float)top);
                float share_x = corner % 2 ? column - (float)left : 1 - (column - (float)left);
                int from_y = top + corner / 2, from_x = left + corner % 2;
                if (p->nearest) {
                    share_y = share_x = corner == 0 ? 1 : 0;
                    from_y = (int)rintf(row);
                    from_x = (int)rintf(column);
                }
                from_y = fold_pixel(p->border, from_y, p->h);
                from_x = fold_pixel(p->border, from_x, p->w);
                bool inside = from_y >= 0 && from_x >= 0;
                const float *pixel =
                    in + (inside ? ((size_t)from_y * (size_t)p->w + (size_t)from_x) * (size_t)p->c : 0);
                for (int k = 0; k < p->c; k++) out[k] += share_y * share_x * (inside ? pixel[k] : (float)p->fill_value);
            }
        }
}

/* ---- crops ----------------------------------------------------------------------------------------------------- */

typedef struct box {
    int top, left, h, w;
} box;

/* The largest box in the middle that has the output's aspect. */
static box middle_box(const hone__random_image *p) {
    int h = (int)((float)(p->w * p->oh) / (float)p->ow), w = (int)((float)(p->h * p->ow) / (float)p->oh);
    h = h < 1 ? 1 : h < p->h ? h : p->h;
    w = w < 1 ? 1 : w < p->w ? w : p->w;
    return (box){(p->h - h) / 2, (p->w - w) / 2, h, w};
}

/* Keras 3 draws where there is room both ways, tf-keras also where the picture just fits. Where there is not, tf-keras
 * scales the box in the middle; Keras 3 begins where that box begins. */
static box draw_box(const hone__random_image *p, hone__rng *rng) {
    int down = p->h - p->oh, right = p->w - p->ow, least = p->keras == 3 ? 1 : 0;
    if (p->training && down >= least && right >= least) {
        int top = (int)hone__rng_below(rng, (uint32_t)down + 1), left = (int)hone__rng_below(rng, (uint32_t)right + 1);
        return (box){top, left, p->oh, p->ow};
    }
    box b = middle_box(p);
    if (p->training && p->keras == 3) {
        b.h = p->oh < p->h - b.top ? p->oh : p->h - b.top;
        b.w = p->ow < p->w - b.left ? p->ow : p->w - b.left;
    }
    return b;
}

/* One axis of bilinear resizing, with half-pixel centres. */
static void taps_of(int i, int from, int to, int *first, int *second, float *share) {
    float at = ((float)i + 0.5f) * ((float)from / (float)to) - 0.5f;
    int below = floor_of(at);
    *share = at - (float)below;
    *first = below < 0 ? 0 : below;
    *second = below + 1 < from ? below + 1 : from - 1;
}

static void crop(const hone__random_image *p, const box *b, const float *in, float *out) {
    size_t c = (size_t)p->c;
    for (int y = 0; y < p->oh; y++) {
        int top, bottom, left, right;
        float down, across;
        taps_of(y, b->h, p->oh, &top, &bottom, &down);
        const float *above = in + ((size_t)(b->top + top) * (size_t)p->w + (size_t)b->left) * c;
        const float *below = in + ((size_t)(b->top + bottom) * (size_t)p->w + (size_t)b->left) * c;
        for (int x = 0; x < p->ow; x++, out += c) {
            taps_of(x, b->w, p->ow, &left, &right, &across);
            for (size_t k = 0; k < c; k++) {
                float one = above[(size_t)left * c + k], two = above[(size_t)right * c + k];
                float three = below[(size_t)left * c + k], four = below[(size_t)right * c + k];
                float upper = one + (two - one) * across, lower = three + (four - three) * across;
                out[k] = upper + (lower - upper) * down;
            }
        }
    }
}

/* ---- values ---------------------------------------------------------------------------------------------------- */

static float clipped(const hone__random_image *p, float value) {
    return fminf(fmaxf(value, (float)p->clip_low), (float)p->clip_high);
}

/* Each channel about its own mean. */
static void change_contrast(const hone__random_image *p, float factor, const float *in, float *out) {
    size_t pixels = (size_t)p->h * (size_t)p->w, c = (size_t)p->c;
    for (size_t k = 0; k < c; k++) {
        double sum = 0;
        for (size_t i = 0; i < pixels; i++) sum += (double)in[i * c + k];
        float mean = (float)(sum / (double)pixels);
        for (size_t i = 0; i < pixels; i++) out[i * c + k] = clipped(p, (in[i * c + k] - mean) * factor + mean);
    }
}

static void change_brightness(const hone__random_image *p, float delta, const float *in, float *out) {
    size_t n = (size_t)p->h * (size_t)p->w * (size_t)p->c;
    for (size_t i = 0; i < n; i++) out[i] = clipped(p, in[i] + delta);
}

/* ---- the operation --------------------------------------------------------------------------------------------- */

/* Floats for one picture. */
static size_t scratch_of(const hone__random_image *p) {
    if (p->kind != HONE_RANDOM_ELASTIC) return hone__random_values_scratch(p);
    return 2 * (size_t)p->h * (size_t)p->w + (size_t)elastic_window(elastic_sigma(p, p->b.high));
}

static hone_status random_prepare(hone__op *op, const hone__setting *setting, hone_error *err) {
    (void)setting;
    op->scratch_forward = scratch_of(&op->as.random);
    if (!op->wants_d_in[0]) return HONE_OK;
    HONE_FAIL(err, HONE_UNSUPPORTED,
              "no gradient passes through a random layer, and layers before it are to be trained: put it first, as "
              "Keras' examples do, or freeze what comes before it");
}

static void copy_picture(const hone__random_image *p, const float *in, float *out) {
    memcpy(out, in, (size_t)p->h * (size_t)p->w * (size_t)p->c * sizeof *out);
}

static void maybe_elastic(const hone__random_image *p, hone__rng *rng, hone__rng *of_batch, const float *in, float *out,
                          float *scratch) {
    double factor = hone__draw_from(of_batch, &p->b);
    if (p->b.high > 0 && p->a.high > 0 && hone__draw_applies(rng, &p->a))
        elastic(p, rng, factor, in, out, scratch);
    else
        copy_picture(p, in, out);
    if (p->b.high > 0 && p->a.high > 0) change_brightness(p, 0, out, out); /* cut to the range */
}

/* of_batch: Keras draws some numbers once for a whole batch. */
static void random_forward_sample(const hone__random_image *p, hone__rng *rng, hone__rng *of_batch, const float *in,
                                  float *out, float *scratch) {
    switch (p->kind) {
    case HONE_RANDOM_FLIP: {
        bool first = hone__rng_uniform(rng) < 0.5, second = p->keras == 3 ? first : hone__rng_uniform(rng) < 0.5;
        flip(p, p->horizontal && first, p->vertical && second, in, out);
        break;
    }
    case HONE_RANDOM_ROTATION:
    case HONE_RANDOM_TRANSLATION:
    case HONE_RANDOM_ZOOM:
    case HONE_RANDOM_SHEAR:
    case HONE_RANDOM_PERSPECTIVE: {
        bool applies = p->kind != HONE_RANDOM_PERSPECTIVE || hone__draw_applies(rng, &p->a);
        map m = draw_map(p, rng);
        if (applies)
            warp(p, &m, in, out);
        else
            copy_picture(p, in, out);
        break;
    }
    case HONE_RANDOM_ELASTIC: maybe_elastic(p, rng, of_batch, in, out, scratch); break;
    case HONE_RANDOM_CONTRAST: change_contrast(p, (float)hone__draw_from(rng, &p->a), in, out); break;
    case HONE_RANDOM_BRIGHTNESS:
        change_brightness(p, (float)(hone__draw_from(rng, &p->a) * (p->clip_high - p->clip_low)), in, out);
        break;
    case HONE_RANDOM_CROP: {
        box b = draw_box(p, of_batch);
        crop(p, &b, in, out);
        break;
    }
    default: hone__random_values(p, rng, of_batch, in, out, scratch); break;
    }
}

static void random_forward(const hone__op *op, const hone__run *r) {
    for (size_t i = 0; i < r->n; i++) {
        hone__rng rng, of_batch;
        begin_draws(op, r, (uint32_t)(r->first + i), &rng);
        begin_draws(op, r, UINT32_MAX, &of_batch);
        random_forward_sample(&op->as.random, &rng, &of_batch, r->in[0] + i * op->in_size, r->out + i * op->out_size,
                              r->scratch);
    }
}

/* Nothing to do: prepare has made sure that nobody asks. */
static void random_backward(const hone__op *op, const hone__run *r) {
    (void)op;
    (void)r;
}

const hone__op_type hone__op_random_image = {
    .name = "random_image",
    .prepare = random_prepare,
    .forward = random_forward,
    .backward = random_backward,
};
