/* SPDX-License-Identifier: Apache-2.0
 *
 * The geometric part of augmentation: rotation, shift, zoom, stretch, shear, flips, crop, elastic.
 *
 * One idea: all of it is one map from output pixel to source position (an affine one, plus a field of offsets where it
 * is elastic), so that a picture is interpolated once however much is asked for. */
#include "augment_internal.h"
#include "kernels.h"

#include <math.h>
#include <string.h>

/* ---- the map --------------------------------------------------------------------------------------------------- */

typedef hone__map map;

map hone__map_compose(const map *first, const map *second) {
    const double *a = second->m, *b = first->m;
    return (map){{a[0] * b[0] + a[1] * b[3], a[0] * b[1] + a[1] * b[4], a[0] * b[2] + a[1] * b[5] + a[2],
                  a[3] * b[0] + a[4] * b[3], a[3] * b[1] + a[4] * b[4], a[3] * b[2] + a[4] * b[5] + a[5]}};
}

static double draw(hone__rng *rng, double most) {
    return most > 0 ? hone__rng_range(rng, -most, most) : 0;
}

static double draw_shift(hone__rng *rng, double most, int side) {
    return draw(rng, most < 1 ? most * side : most);
}

/* Output to source is the inverse of what happens to the content, which is: slanted, stretched, zoomed and turned about
 * the centre, and then moved. */
static map draw_affine(const hone__augment_settings *s, hone__rng *rng, int height, int width) {
    const double degree = 3.14159265358979323846 / 180;
    double angle = draw(rng, s->rotation) * degree, slant = tan(draw(rng, s->shear) * degree);
    double zoom = 1 + draw(rng, s->zoom), zoom_x = zoom * (1 + draw(rng, s->stretch));
    double zoom_y = zoom * (1 + draw(rng, s->stretch));
    double right = draw_shift(rng, s->width_shift, width), down = draw_shift(rng, s->height_shift, height);
    double cosine = cos(angle), sine = sin(angle);
    /* content = R Z S; its inverse row by row: S^-1 Z^-1 R^-1 */
    double a = cosine / zoom_x, b = -sine / zoom_x, c = sine / zoom_y, d = cosine / zoom_y;
    a -= slant * c;
    b -= slant * d;
    double x = (width - 1) / 2.0, y = (height - 1) / 2.0;
    return (map){{a, b, x - a * (x + right) - b * (y + down), c, d, y - c * (x + right) - d * (y + down)}};
}

/* A part of the picture fills it all: its area a uniform part, its sides' ratio within 3:4 and 4:3 of the picture's. */
static map draw_crop(const hone__augment_settings *s, hone__rng *rng, int height, int width) {
    double area = hone__rng_range(rng, s->crop, 1), ratio = exp(draw(rng, log(4.0 / 3.0)));
    double part_x = fmin(sqrt(area * ratio), 1), part_y = fmin(sqrt(area / ratio), 1);
    double left = hone__rng_range(rng, 0, width * (1 - part_x)), top = hone__rng_range(rng, 0, height * (1 - part_y));
    /* Edges map to edges: (x + 1/2) part + left - 1/2. */
    return (map){{part_x, 0, left + (part_x - 1) / 2, 0, part_y, top + (part_y - 1) / 2}};
}

static bool has_affine(const hone__augment_settings *s) {
    return s->rotation > 0 || s->shear > 0 || s->zoom > 0 || s->stretch > 0 || s->width_shift > 0 ||
           s->height_shift > 0;
}

/* False where nothing moves. Draws come in a fixed order, and only for what is asked for. */
static bool draw_map(const hone__augment_settings *s, const hone__rand_draw *rand, hone__rng *rng, int height,
                     int width, map *out) {
    map m = {{1, 0, 0, 0, 1, 0}};
    bool moves = s->elastic > 0;
    if (has_affine(s)) {
        m = draw_affine(s, rng, height, width);
        moves = true;
    }
    if (s->crop > 0) {
        map crop = draw_crop(s, rng, height, width);
        m = hone__map_compose(&m, &crop);
        moves = true;
    }
    if (s->horizontal_flip > 0 && hone__rng_uniform(rng) < s->horizontal_flip) {
        const map mirror = {{-1, 0, width - 1, 0, 1, 0}};
        m = hone__map_compose(&m, &mirror);
        moves = true;
    }
    if (s->vertical_flip > 0 && hone__rng_uniform(rng) < s->vertical_flip) {
        const map mirror = {{1, 0, 0, 0, -1, height - 1}};
        m = hone__map_compose(&m, &mirror);
        moves = true;
    }
    if (hone__rand_map(rand, height, width, &m)) moves = true;
    *out = m;
    return moves;
}

/* ---- elastic --------------------------------------------------------------------------------------------------- */

/* A field that is smooth by construction: normal numbers at the nodes of a coarse grid, cubic B-splines between. The
 * picture spans ELASTIC_CELLS cells each way, each blended from four nodes. */
enum { ELASTIC_CELLS = 4, ELASTIC_NODES = ELASTIC_CELLS + 3 };

static void spline(double t, float weight[4]) {
    weight[0] = (float)((1 - t) * (1 - t) * (1 - t) / 6);
    weight[1] = (float)((3 * t * t * t - 6 * t * t + 4) / 6);
    weight[2] = (float)((-3 * t * t * t + 3 * t * t + 3 * t + 1) / 6);
    weight[3] = (float)(t * t * t / 6);
}

/* The cell that pixel i of n lies in, and how its four nodes count. */
static int cell_of(int i, int n, float weight[4]) {
    double at = n > 1 ? (double)i * ELASTIC_CELLS / (n - 1) : 0;
    int cell = (int)at < ELASTIC_CELLS ? (int)at : ELASTIC_CELLS - 1;
    spline(at - cell, weight);
    return cell;
}

/* expanded (ELASTIC_NODES, width) is room for the grid with its columns blended already: what is left is one pass of four
 * products per pixel. */
static void fill_field(hone__rng *rng, double size, int height, int width, float *expanded, float *field) {
    /* A spline averages its nodes: the squares of its weights add up to 151/315 per axis on average over a cell, so the
     * deviation of the field is that of the nodes times this. */
    const double smoothing = 151.0 / 315.0;
    float nodes[ELASTIC_NODES][ELASTIC_NODES], weight[4];
    for (int i = 0; i < ELASTIC_NODES; i++)
        for (int j = 0; j < ELASTIC_NODES; j++) nodes[i][j] = (float)(hone__rng_normal(rng) * size / smoothing);
    for (int x = 0; x < width; x++) {
        int cell = cell_of(x, width, weight);
        for (int i = 0; i < ELASTIC_NODES; i++) {
            const float *at = nodes[i] + cell;
            expanded[i * width + x] = weight[0] * at[0] + weight[1] * at[1] + weight[2] * at[2] + weight[3] * at[3];
        }
    }
    for (int y = 0; y < height; y++) {
        const float *at = expanded + (ptrdiff_t)cell_of(y, height, weight) * width;
        float *out = field + (size_t)y * (size_t)width;
        for (int x = 0; x < width; x++)
            out[x] = weight[0] * at[x] + weight[1] * at[x + width] + weight[2] * at[x + 2 * width] +
                     weight[3] * at[x + 3 * width];
    }
}

/* ---- the picture ----------------------------------------------------------------------------------------------- */

static size_t framed_size(int height, int width, int channels) {
    return (((size_t)height + 3) * ((size_t)width + 2) * (size_t)channels + 4 + 63) / 64 * 64;
}

bool hone__augment_warp_scratch(const hone__augment_settings *s, int height, int width, int channels, size_t *size) {
    size_t floats, fields; /* two fields, and the room to fill them */
    if (!hone__multiply(2 * (size_t)height + ELASTIC_NODES, (size_t)width, &floats) ||
        !hone__multiply(floats, sizeof(float), &fields))
        return false;
    if (s->elastic <= 0) fields = 0;
    return hone__add(framed_size(height, width, channels), fields, size);
}

/* The source with a frame of one pixel, as the sampler wants it. */
static void frame(const hone__augment_settings *s, const hone__picture *p, unsigned char *framed) {
    size_t c = (size_t)p->channels, row = (size_t)p->width * c, stride = row + 2 * c;
    for (int y = -1; y <= p->height; y++) {
        int from = y < 0 ? 0 : y < p->height ? y : p->height - 1;
        if (s->fill_mode == HONE_FILL_WRAP) from = (y + p->height) % p->height;
        unsigned char *line = framed + (size_t)(y + 1) * stride;
        if (s->fill_mode == HONE_FILL_CONSTANT) {
            bool inside = y >= 0 && y < p->height;
            memset(line, (int)lrint(s->fill_value), stride);
            if (inside) memcpy(line + c, p->in + (size_t)from * row, row);
            continue;
        }
        const unsigned char *in = p->in + (size_t)from * row, *last = in + row - c;
        bool wraps = s->fill_mode == HONE_FILL_WRAP;
        memcpy(line + c, in, row);
        for (size_t k = 0; k < c; k++) {
            line[k] = (wraps ? last : in)[k];
            line[c + row + k] = (wraps ? in : last)[k];
        }
    }
}

void hone__augment_warp(const hone__augment_settings *s, const hone__rand_draw *rand, hone__rng *rng,
                        const hone__picture *p, void *scratch) {
    static const hone_border borders[] = {HONE_BORDER_NEAREST, HONE_BORDER_CONSTANT, HONE_BORDER_REFLECT,
                                          HONE_BORDER_WRAP};
    map m;
    if (!draw_map(s, rand, rng, p->height, p->width, &m)) {
        memcpy(p->out, p->in, (size_t)p->height * (size_t)p->width * (size_t)p->channels);
        return;
    }
    hone_warp warp = {.h = p->height, .w = p->width, .c = p->channels, .border = borders[s->fill_mode]};
    memcpy(warp.m, m.m, sizeof warp.m);
    unsigned char *framed = scratch;
    if (s->elastic > 0) {
        float *x = (float *)(void *)(framed + framed_size(p->height, p->width, p->channels));
        float *y = x + (size_t)p->height * (size_t)p->width, *expanded = y + (size_t)p->height * (size_t)p->width;
        fill_field(rng, s->elastic, p->height, p->width, expanded, x);
        fill_field(rng, s->elastic, p->height, p->width, expanded, y);
        warp.offset_x = x;
        warp.offset_y = y;
    }
    frame(s, p, framed);
    hone__kernels()->warp(&warp, framed, p->out);
}
