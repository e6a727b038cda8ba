/* SPDX-License-Identifier: Apache-2.0
 *
 * The hand: chooses a way of writing a digit, blends it with a related one, and writes it the way no two people, and no
 * person twice, write it. Errors are added where they arise in writing: proportions first (a smooth warp of the plane),
 * then each point aimed at, each stroke's place, the slant, where the pen comes down and lifts, and last a tremor. */
#include "digits_internal.h"

#include <math.h>

/* How much hands differ: standard deviations, in units of the glyph's box (100) unless said otherwise. */
static const struct {
    double point;     /* where a point was aimed at */
    double stroke;    /* where a later stroke begins, relative to the first */
    double slant[2];  /* mean and deviation of the tangent of the slant; positive leans to the right */
    double turn;      /* tangent of half the rotation */
    double narrow[2]; /* mean and deviation of the logarithm of the width */
    double end;       /* a stroke that stops early or late */
    double tremor;
    double elastic;
} hand = {3.2, 3.0, {0.10, 0.24}, 0.04, {-0.05, 0.24}, 6.0, 0.7, 2.8};

/* ---- proportions ------------------------------------------------------------------------------------------------ */

/* A random polynomial displacement of the plane: bows, bends, tapers and shifts the middle. */
typedef struct warp {
    double x[5], y[5];
} warp;

static void warp_init(warp *w, hone__rng *rng) {
    static const double x_deviation[5] = {5.0, 4.0, 6.0, 3.0, 3.0};
    static const double y_deviation[5] = {6.0, 4.0, 3.0, 3.0, 3.0};
    for (int i = 0; i < 5; i++) {
        w->x[i] = x_deviation[i] * hone__digit_normal(rng);
        w->y[i] = y_deviation[i] * hone__digit_normal(rng);
    }
}

static void warp_apply(const warp *w, double *x, double *y) {
    double u = (*x - 50) * 0.02, v = (*y - 50) * 0.02;
    double uu = u * u, vv = v * v, uv = u * v, bend = v * (vv - 1);
    *x += w->x[0] * vv + w->x[1] * bend + w->x[2] * uv + w->x[3] * uu + w->x[4] * uu * v;
    *y += w->y[0] * vv + w->y[1] * bend + w->y[2] * uu + w->y[3] * uv + w->y[4] * vv * u;
}

/* ---- glyph ------------------------------------------------------------------------------------------------------ */

typedef struct skeleton {
    int count;
    double x[HONE__DIGIT_MAX_POINTS], y[HONE__DIGIT_MAX_POINTS];
    signed char kind[HONE__DIGIT_MAX_POINTS];
} skeleton;

/* One of the glyphs [first, last) by weight. */
static size_t glyph_draw(size_t first, size_t last, hone__rng *rng) {
    uint32_t total = 0;
    for (size_t i = first; i < last; i++) total += (uint32_t)hone__digit_glyphs[i].weight;
    int left = (int)hone__rng_below(rng, total);
    while (first + 1 < last && left >= hone__digit_glyphs[first].weight) left -= hone__digit_glyphs[first++].weight;
    return first;
}

static void skeleton_choose(skeleton *s, int label, hone__rng *rng) {
    const hone__digit_glyph *glyphs = hone__digit_glyphs;
    size_t first = 0;
    while (glyphs[first].label != label) first++;
    size_t last = first;
    while (last < hone__digit_glyph_count && glyphs[last].label == label) last++;
    size_t chosen = glyph_draw(first, last, rng);
    first = last = chosen;
    while (first > 0 && glyphs[first - 1].label == label && glyphs[first - 1].family == glyphs[chosen].family) --first;
    while (last < hone__digit_glyph_count && glyphs[last].label == label &&
           glyphs[last].family == glyphs[chosen].family)
        last++;
    const hone__digit_point *a = glyphs[chosen].points;
    const hone__digit_point *b = glyphs[glyph_draw(first, last, rng)].points;
    double mix = hone__digit_range(rng, -0.25, 0.9);
    s->count = 0;
    for (int i = 0; i < HONE__DIGIT_MAX_POINTS && a[i].kind != HONE__DIGIT_END; i++) {
        s->kind[i] = a[i].kind;
        s->x[i] = a[i].x + mix * (b[i].x - a[i].x);
        s->y[i] = a[i].y + mix * (b[i].y - a[i].y);
        s->count = i + 1;
    }
}

static void skeleton_disturb(skeleton *s, hone__rng *rng) {
    warp w;
    warp_init(&w, rng);
    double care = hone__digit_exp(0.35 * hone__digit_normal(rng)); /* a careless hand errs more, everywhere */
    double round = hone__digit_range(rng, 0, 0.6);                 /* a fast one takes corners in a curve */
    double shift_x = 0, shift_y = 0;
    for (int i = 0; i < s->count; i++) {
        if (s->kind[i] == HONE__DIGIT_START && i > 0) {
            shift_x = hand.stroke * care * hone__digit_normal(rng);
            shift_y = hand.stroke * care * hone__digit_normal(rng);
        }
        if (s->kind[i] == HONE__DIGIT_CORNER && hone__digit_uniform(rng) < round) s->kind[i] = HONE__DIGIT_SMOOTH;
        s->x[i] += shift_x + hand.point * care * hone__digit_normal(rng);
        s->y[i] += shift_y + hand.point * care * hone__digit_normal(rng);
        warp_apply(&w, &s->x[i], &s->y[i]);
    }
}

/* Slant, width and rotation. */
static void skeleton_lean(skeleton *s, hone__rng *rng) {
    double slant = hand.slant[0] + hand.slant[1] * hone__digit_normal(rng);
    double width = hone__digit_exp(hand.narrow[0] + hand.narrow[1] * hone__digit_normal(rng));
    double half = hand.turn * hone__digit_normal(rng);
    double cosine = (1 - half * half) / (1 + half * half), sine = 2 * half / (1 + half * half);
    for (int i = 0; i < s->count; i++) {
        double y = s->y[i] - 50;
        double x = (s->x[i] - 50) * width - slant * y;
        s->x[i] = cosine * x - sine * y;
        s->y[i] = sine * x + cosine * y;
    }
}

/* ---- curve ------------------------------------------------------------------------------------------------------ */

/* Of the curve between two points of a glyph. */
enum { MAX_STEPS = 16 };
_Static_assert(HONE__DIGIT_MAX_POINTS *MAX_STEPS + 1 <= HONE__DIGIT_MAX_TRACE, "a trace holds any glyph and a speck");

static void trace_add(hone__digit_trace *t, double x, double y, int down) {
    t->x[t->count] = x;
    t->y[t->count] = y;
    t->down[t->count++] = (unsigned char)down;
}

static double distance(double x0, double y0, double x1, double y1) {
    return sqrt((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0));
}

/* A centripetal Catmull-Rom segment from p[1] to p[2], without its first point: it never loops or overshoots between
 * unevenly spaced points as the uniform one does. */
static void trace_segment(hone__digit_trace *t, const double x[4], const double y[4]) {
    double knot[3];
    for (int i = 0; i < 3; i++) {
        double d = distance(x[i], y[i], x[i + 1], y[i + 1]);
        knot[i] = sqrt(d > 0.01 ? d : 0.01);
    }
    double mx[2], my[2]; /* tangents, scaled to the segment */
    for (int i = 0; i < 2; i++) {
        double a = knot[i], b = knot[i + 1];
        mx[i] = knot[1] * ((x[i + 1] - x[i]) / a - (x[i + 2] - x[i]) / (a + b) + (x[i + 2] - x[i + 1]) / b);
        my[i] = knot[1] * ((y[i + 1] - y[i]) / a - (y[i + 2] - y[i]) / (a + b) + (y[i + 2] - y[i + 1]) / b);
    }
    int steps = 2 + (int)(knot[1] * knot[1] * 0.2);
    if (steps > MAX_STEPS) steps = MAX_STEPS;
    for (int i = 1; i <= steps; i++) {
        double f = (double)i / steps, g = 1 - f;
        double h0 = g * g * (1 + 2 * f), h1 = g * g * f, h2 = f * f * (3 - 2 * f), h3 = -f * f * g;
        trace_add(t, h0 * x[1] + h1 * mx[0] + h2 * x[2] + h3 * mx[1], h0 * y[1] + h1 * my[0] + h2 * y[2] + h3 * my[1],
                  1);
    }
}

static void trace_draw(hone__digit_trace *t, const skeleton *s) {
    t->count = 0;
    for (int i = 0; i < s->count; i++) {
        if (s->kind[i] == HONE__DIGIT_START) {
            trace_add(t, s->x[i], s->y[i], 0);
            continue;
        }
        double x[4] = {0, s->x[i - 1], s->x[i], 0}, y[4] = {0, s->y[i - 1], s->y[i], 0};
        /* Where the curve has no neighbour (an end, a corner), mirror the one on the other side. */
        int open = s->kind[i - 1] != HONE__DIGIT_SMOOTH;
        x[0] = open ? 2 * x[1] - x[2] : s->x[i - 2];
        y[0] = open ? 2 * y[1] - y[2] : s->y[i - 2];
        open = s->kind[i] != HONE__DIGIT_SMOOTH || i + 1 == s->count || s->kind[i + 1] == HONE__DIGIT_START;
        x[3] = open ? 2 * x[2] - x[1] : s->x[i + 1];
        y[3] = open ? 2 * y[2] - y[1] : s->y[i + 1];
        trace_segment(t, x, y);
    }
}

/* ---- what goes wrong -------------------------------------------------------------------------------------------- */

/* Moves point end, away from its neighbour inner, by length: beyond (positive) or short of where it was. */
static void trace_extend(hone__digit_trace *t, int end, int inner, double length) {
    double dx = t->x[end] - t->x[inner], dy = t->y[end] - t->y[inner];
    double d = sqrt(dx * dx + dy * dy);
    if (d < 1) return;
    if (length < -0.8 * d) length = -0.8 * d;
    t->x[end] += dx * length / d;
    t->y[end] += dy * length / d;
}

/* Every stroke stops a little early or late, sometimes with a flick. */
static void trace_ends(hone__digit_trace *t, hone__rng *rng) {
    for (int first = 0, last; first < t->count; first = last + 1) {
        for (last = first; last + 1 < t->count && t->down[last + 1];) last++;
        if (last - first < 2) continue;
        double begin = hand.end * hone__digit_normal(rng), finish = hand.end * hone__digit_normal(rng);
        trace_extend(t, first, first + 1, begin);
        trace_extend(t, last, last - 1, finish);
    }
}

/* A smooth random displacement: a lattice of normals, blended. Finer than the warp: it bends single strokes. */
static void trace_elastic(hone__digit_trace *t, hone__rng *rng) {
    enum { NODES = 6 };
    double lattice[2][NODES][NODES];
    double strength = hand.elastic * hone__digit_exp(0.4 * hone__digit_normal(rng));
    for (int c = 0; c < 2; c++)
        for (int i = 0; i < NODES; i++)
            for (int j = 0; j < NODES; j++) lattice[c][i][j] = strength * hone__digit_normal(rng);
    for (int k = 0; k < t->count; k++) {
        double at[2] = {(t->y[k] + 75) * (1.0 / 30), (t->x[k] + 75) * (1.0 / 30)}, f[2];
        int cell[2];
        for (int a = 0; a < 2; a++) {
            if (at[a] < 0) at[a] = 0;
            if (at[a] > NODES - 1.001) at[a] = NODES - 1.001;
            cell[a] = (int)at[a];
            f[a] = at[a] - cell[a];
            f[a] = f[a] * f[a] * (3 - 2 * f[a]);
        }
        double move[2];
        for (int c = 0; c < 2; c++) {
            const double *above = &lattice[c][cell[0]][cell[1]], *below = &lattice[c][cell[0] + 1][cell[1]];
            double top = above[0] + f[1] * (above[1] - above[0]);
            double bottom = below[0] + f[1] * (below[1] - below[0]);
            move[c] = top + f[0] * (bottom - top);
        }
        t->x[k] += move[0];
        t->y[k] += move[1];
    }
}

/* The tremor of the hand: a random walk that is pulled back, so neighbours move alike. */
static void trace_tremor(hone__digit_trace *t, hone__rng *rng) {
    double strength = hand.tremor * hone__digit_exp(0.5 * hone__digit_normal(rng));
    double x = 0, y = 0;
    for (int i = 0; i < t->count; i++) {
        x = 0.7 * x + strength * hone__digit_normal(rng);
        y = 0.7 * y + strength * hone__digit_normal(rng);
        t->x[i] += x;
        t->y[i] += y;
    }
}

/* Rounds everything off a little: each point moves towards the middle of its neighbours. */
static void trace_smooth(hone__digit_trace *t, int passes) {
    for (int p = 0; p < passes; p++) {
        double x = t->x[0], y = t->y[0]; /* the point before, as it was */
        for (int i = 1; i + 1 < t->count; i++) {
            double was_x = t->x[i], was_y = t->y[i];
            if (t->down[i] && t->down[i + 1]) {
                t->x[i] = 0.5 * was_x + 0.25 * (x + t->x[i + 1]);
                t->y[i] = 0.5 * was_y + 0.25 * (y + t->y[i + 1]);
            }
            x = was_x;
            y = was_y;
        }
    }
}

/* Now and then the pen skips: a few points vanish, and a stroke begins anew behind them. */
static void trace_skip(hone__digit_trace *t, hone__rng *rng) {
    if (hone__digit_uniform(rng) >= 0.03 || t->count < 20) return;
    int from = 4 + (int)hone__rng_below(rng, (uint32_t)t->count - 12), length = 1 + (int)hone__rng_below(rng, 3);
    t->count -= length;
    for (int i = from; i < t->count; i++) {
        t->x[i] = t->x[i + length];
        t->y[i] = t->y[i + length];
        t->down[i] = t->down[i + length];
    }
    t->down[from] = 0;
}

/* A speck of dirt or a neighbour's ink beside the digit: it enlarges the box and shifts the centre of mass. */
static void trace_dirt(hone__digit_trace *t, hone__rng *rng) {
    if (hone__digit_uniform(rng) >= 0.03) return;
    double x = hone__digit_range(rng, 35, 75), y = hone__digit_range(rng, -50, 50);
    trace_add(t, hone__digit_uniform(rng) < 0.5 ? x : -x, y, 0);
}

void hone__digit_write(hone__digit_trace *trace, int label, hone__rng *rng) {
    skeleton s;
    skeleton_choose(&s, label, rng);
    skeleton_disturb(&s, rng);
    skeleton_lean(&s, rng);
    trace_draw(trace, &s);
    trace_ends(trace, rng);
    trace_elastic(trace, rng);
    trace_tremor(trace, rng);
    trace_smooth(trace, 1 + (int)hone__rng_below(rng, 4));
    trace_skip(trace, rng);
    trace_dirt(trace, rng);
}
