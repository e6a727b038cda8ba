/* SPDX-License-Identifier: Apache-2.0
 *
 * The pen and the scanner: inks a trace, scales the ink to a box of 20 x 20 with its aspect kept, samples it into
 * 28 x 28 grey and puts the centre of mass in the middle, which is how MNIST was made from scanned forms.
 *
 * The ink is a distance field: a pixel's value follows from its signed distance to the nearest edge of the stroke, so
 * antialiasing, blur and ragged edges are one formula. */
#include "digits_internal.h"

#include <math.h>
#include <string.h>

enum { SIDE = HONE__DIGIT_SIDE, PIXELS = SIDE * SIDE };

/* ---- pen -------------------------------------------------------------------------------------------------------- */

typedef struct pen {
    double radius[HONE__DIGIT_MAX_TRACE]; /* at each point of the trace, in pixels */
    double mean;
    double edge; /* width of the ramp from paper to ink, in pixels */
} pen;

static void pen_init(pen *p, const hone__digit_trace *t, hone__rng *rng) {
    p->mean = 1.21 * hone__digit_exp(0.27 * hone__digit_normal(rng));
    if (hone__digit_uniform(rng) < 0.09) p->mean *= hone__digit_range(rng, 1.2, 1.7); /* a marker */
    if (p->mean < 0.55) p->mean = 0.55;
    p->edge = hone__digit_range(rng, 0.6, 1.4);
    /* A broad nib is wider in one direction: (nib_x, nib_y) is twice that direction's angle, as a vector. */
    double nib_x = 0.1 * hone__digit_normal(rng), nib_y = 0.1 * hone__digit_normal(rng);
    double pressure = 0, change = 0.05 * hone__digit_exp(0.5 * hone__digit_normal(rng));
    for (int i = 0; i < t->count; i++) {
        int a = i > 0 && t->down[i] ? i - 1 : i, b = i + 1 < t->count && t->down[i + 1] ? i + 1 : i;
        double dx = t->x[b] - t->x[a], dy = t->y[b] - t->y[a], square = dx * dx + dy * dy;
        double nib = square > 0 ? (nib_x * (dx * dx - dy * dy) + nib_y * 2 * dx * dy) / square : 0;
        pressure = 0.9 * pressure + change * hone__digit_normal(rng);
        double factor = 1 + nib + pressure;
        p->radius[i] = p->mean * (factor < 0.5 ? 0.5 : factor > 1.6 ? 1.6 : factor);
        if (a == b) p->radius[i] *= 0.6; /* a point alone is dirt, not a stroke */
    }
}

/* ---- box -------------------------------------------------------------------------------------------------------- */

/* Where the trace lies along one axis, ink included if radius is given. */
static void extent(const double *at, const double *radius, int count, double *low, double *high) {
    *low = *high = at[0];
    for (int i = 0; i < count; i++) {
        double r = radius ? radius[i] : 0;
        if (at[i] - r < *low) *low = at[i] - r;
        if (at[i] + r > *high) *high = at[i] + r;
    }
}

/* Scales the trace to pixels such that the ink just fits the box, in the middle of the image. */
static void fit(hone__digit_trace *t, const pen *p) {
    double left, right, top, bottom;
    for (int pass = 0; pass < 3; pass++) { /* ink does not grow with the trace, so its extent has to be approached */
        const double *radius = pass ? p->radius : NULL;
        extent(t->x, radius, t->count, &left, &right);
        extent(t->y, radius, t->count, &top, &bottom);
        double larger = right - left > bottom - top ? right - left : bottom - top;
        if (radius) larger -= 2 * p->mean;
        double scale = (HONE__DIGIT_BOX - 2 * p->mean) / (larger > 1 ? larger : 1);
        for (int i = 0; i < t->count; i++) {
            t->x[i] *= scale;
            t->y[i] *= scale;
        }
    }
    extent(t->x, p->radius, t->count, &left, &right);
    extent(t->y, p->radius, t->count, &top, &bottom);
    for (int i = 0; i < t->count; i++) {
        t->x[i] += 0.5 * (SIDE - left - right);
        t->y[i] += 0.5 * (SIDE - top - bottom);
    }
}

/* ---- ink -------------------------------------------------------------------------------------------------------- */

static int clamp_pixel(double at) {
    int i = (int)at;
    return i < 0 ? 0 : i > SIDE - 1 ? SIDE - 1 : i;
}

/* depth[pixel] = how far inside the ink its centre is (negative: outside), the most over all segments. */
static void ink(float depth[PIXELS], const hone__digit_trace *t, const pen *p) {
    for (int i = 0; i < PIXELS; i++) depth[i] = -100;
    for (int i = 0; i < t->count; i++) {
        int a = t->down[i] ? i - 1 : i;
        double x0 = t->x[a], y0 = t->y[a], dx = t->x[i] - x0, dy = t->y[i] - y0;
        double r0 = p->radius[a], dr = p->radius[i] - r0;
        double square = dx * dx + dy * dy, inverse = square > 1e-9 ? 1 / square : 0;
        double reach = (r0 > p->radius[i] ? r0 : p->radius[i]) + 1.5;
        int left = clamp_pixel((dx < 0 ? x0 + dx : x0) - reach), right = clamp_pixel((dx < 0 ? x0 : x0 + dx) + reach);
        int top = clamp_pixel((dy < 0 ? y0 + dy : y0) - reach), bottom = clamp_pixel((dy < 0 ? y0 : y0 + dy) + reach);
        for (int row = top; row <= bottom; row++)
            for (int column = left; column <= right; column++) {
                double px = column + 0.5 - x0, py = row + 0.5 - y0;
                double f = (px * dx + py * dy) * inverse;
                f = f < 0 ? 0 : f > 1 ? 1 : f;
                double ex = px - f * dx, ey = py - f * dy;
                float d = (float)(r0 + f * dr - sqrt(ex * ex + ey * ey));
                if (d > depth[row * SIDE + column]) depth[row * SIDE + column] = d;
            }
    }
}

/* Ragged edges: paper and a coarse scan. Noise that is smooth over two pixels. */
static void roughen(float depth[PIXELS], hone__rng *rng) {
    enum { NODES = SIDE / 2 + 1 };
    double strength = hone__digit_range(rng, -0.1, 0.3);
    if (strength <= 0) return;
    double node[NODES][NODES];
    for (int i = 0; i < NODES; i++)
        for (int j = 0; j < NODES; j++) node[i][j] = strength * hone__digit_normal(rng);
    for (int row = 0; row < SIDE; row++)
        for (int column = 0; column < SIDE; column++) {
            int i = row / 2, j = column / 2, down = i + row % 2, across = j + column % 2;
            depth[row * SIDE + column] += (float)(0.5 * (node[i][j] + node[down][across]));
        }
}

/* ---- scan ------------------------------------------------------------------------------------------------------- */

/* By how many whole pixels to move the image so that its centre of mass comes to pixel (14, 14), where
 * MNIST has it. */
static void centre_of_mass(const unsigned char grey[PIXELS], int *down, int *across) {
    int mass = 0, rows = 0, columns = 0;
    for (int i = 0; i < PIXELS; i++) {
        mass += grey[i];
        rows += grey[i] * (i / SIDE);
        columns += grey[i] * (i % SIDE);
    }
    *down = mass ? SIDE / 2 - (2 * rows + mass) / (2 * mass) : 0;
    *across = mass ? SIDE / 2 - (2 * columns + mass) / (2 * mass) : 0;
}

void hone__digit_scan(unsigned char image[PIXELS], hone__digit_trace *trace, hone__rng *rng) {
    pen p;
    float depth[PIXELS];
    unsigned char grey[PIXELS];
    pen_init(&p, trace, rng);
    fit(trace, &p);
    ink(depth, trace, &p);
    roughen(depth, rng);
    double contrast = hone__digit_uniform(rng) < 0.93 ? 1 : hone__digit_range(rng, 0.75, 1);
    double slope = 1 / p.edge;
    for (int i = 0; i < PIXELS; i++) {
        double cover = 0.5 + depth[i] * slope;
        grey[i] = (unsigned char)(255 * contrast * (cover < 0 ? 0 : cover > 1 ? 1 : cover) + 0.5);
    }
    int down, across;
    centre_of_mass(grey, &down, &across);
    memset(image, 0, PIXELS);
    for (int row = 0; row < SIDE; row++)
        for (int column = 0; column < SIDE; column++) {
            int y = row + down, x = column + across;
            if (y >= 0 && y < SIDE && x >= 0 && x < SIDE) image[y * SIDE + x] = grey[row * SIDE + column];
        }
}
