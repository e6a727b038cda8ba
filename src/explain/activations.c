/* SPDX-License-Identifier: Apache-2.0
 *
 * What the layers see, on one sheet: a band of tiles for each layer with maps, from the first to the last; a strip for
 * each layer that gives a vector. Every tile is stretched from its own smallest to its own largest number. */
#include "sheets.h"

#include "core_internal.h"

#include <math.h>
#include <string.h>

enum { TILE = 56, GAP = 4, COLUMNS = 16, MOST_ROWS = 4, FEW_LAYERS = 24, SHADE = 40, STRIP = 14, MOST_LAYERS = 200 };

typedef struct band {
    size_t layer, first; /* first: in the row of the plan's answer */
    hone_shape shape;
    size_t tiles;
    int64_t height; /* on the sheet */
} band;

typedef struct drawing {
    hone_model *model;
    band *bands;
    size_t *layers;
    size_t count;
    hone_plan *plan;
    float *row;
} drawing;

/* Layers that change what is seen: not the input, nor what only reshapes or drops. */
static bool is_shown(const hone_layer_info *info) {
    static const char *const silent[] = {"InputLayer", "Dropout", "Flatten", "Reshape", "Rescaling"};
    for (size_t i = 0; i < sizeof silent / sizeof silent[0]; i++)
        if (strstr(info->class_name, silent[i])) return false;
    return info->output.rank == 3 || info->output.rank == 1;
}

static hone_status find_bands(drawing *d, hone_error *err) {
    size_t layers = hone_model_layer_count(d->model), at = (size_t)hone_model_output_size(d->model);
    d->bands = hone__alloc(layers, sizeof *d->bands);
    d->layers = hone__alloc(layers, sizeof *d->layers);
    if (!d->bands || !d->layers) return hone__fail_memory(err, layers * sizeof *d->bands, "a sheet");
    for (size_t i = 0; i < layers && d->count < MOST_LAYERS; i++) {
        hone_layer_info info;
        HONE_TRY(hone_model_layer_info(d->model, i, &info));
        if (!is_shown(&info)) continue;
        band *b = &d->bands[d->count];
        *b = (band){.layer = i, .first = at, .shape = info.output, .height = STRIP};
        d->layers[d->count++] = i;
        at += (size_t)hone_shape_size(&info.output);
    }
    /* A deep network would make a sheet that no viewer opens: one row of each then. */
    size_t rows = d->count <= FEW_LAYERS ? MOST_ROWS : 1;
    for (size_t i = 0; i < d->count; i++) {
        band *b = &d->bands[i];
        if (b->shape.rank != 3) continue;
        b->tiles = (size_t)b->shape.dims[2] < rows * COLUMNS ? (size_t)b->shape.dims[2] : rows * COLUMNS;
        b->height = (int64_t)((b->tiles + COLUMNS - 1) / COLUMNS) * (TILE + GAP) - GAP;
    }
    if (d->count == 0)
        HONE_FAIL(err, HONE_UNSUPPORTED, "model '%.128s' has no layers to show", hone_model_name(d->model));
    return HONE_OK;
}

static unsigned char shade_of(float value, float low, float high) {
    return high > low ? (unsigned char)lrintf(255 * (value - low) / (high - low)) : 0;
}

static void draw_map(const drawing *d, const band *b, size_t map, hone_image *sheet, int64_t top, int64_t left) {
    size_t h = (size_t)b->shape.dims[0], w = (size_t)b->shape.dims[1], c = (size_t)b->shape.dims[2];
    const float *values = d->row + b->first + map;
    float low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < h * w; i++) {
        low = fminf(low, values[i * c]);
        high = fmaxf(high, values[i * c]);
    }
    for (size_t y = 0; y < TILE; y++) {
        for (size_t x = 0; x < TILE; x++) {
            float value = values[(y * h / TILE * w + x * w / TILE) * c];
            unsigned char *to = sheet->pixels + (((size_t)top + y) * (size_t)sheet->width + (size_t)left + x) * 3;
            memset(to, shade_of(value, low, high), 3);
        }
    }
}

/* A vector as a strip of cells. */
static void draw_strip(const drawing *d, const band *b, hone_image *sheet, int64_t top) {
    size_t count = (size_t)b->shape.dims[0], room = (size_t)sheet->width - 2 * GAP;
    const float *values = d->row + b->first;
    float low = 0, high = -INFINITY;
    for (size_t i = 0; i < count; i++) {
        low = fminf(low, values[i]);
        high = fmaxf(high, values[i]);
    }
    for (size_t y = 0; y < STRIP; y++)
        for (size_t x = 0; x < room; x++)
            memset(sheet->pixels + (((size_t)top + y) * (size_t)sheet->width + GAP + x) * 3,
                   shade_of(values[x * count / room], low, high), 3);
}

static hone_status draw(drawing *d, const unsigned char *pixels, hone_image *sheet, hone_error *err) {
    hone_plan_config config = hone_plan_config_default();
    HONE_TRY(find_bands(d, err));
    config.max_batch = 1;
    config.layers = d->layers;
    config.layer_count = d->count;
    HONE_TRY(hone_plan_create(&d->plan, d->model, &config, err));
    d->row = hone__alloc(hone_plan_row_size(d->plan), sizeof *d->row);
    if (!d->row) return hone__fail_memory(err, hone_plan_row_size(d->plan) * sizeof *d->row, "activations");
    hone_plan_predict_pixels(d->plan, pixels, 1, d->row);
    int64_t height = 0, top = 3 * GAP;
    for (size_t i = 0; i < d->count; i++) height += d->bands[i].height + 3 * GAP;
    HONE_TRY(hone__sheet_init(sheet, height + 3 * GAP, COLUMNS * (TILE + GAP) + GAP, SHADE, err));
    for (size_t i = 0; i < d->count; top += d->bands[i++].height + 3 * GAP) {
        const band *b = &d->bands[i];
        if (b->shape.rank == 1) {
            draw_strip(d, b, sheet, top);
            continue;
        }
        for (size_t k = 0; k < b->tiles; k++)
            draw_map(d, b, k, sheet, top + (int64_t)(k / COLUMNS) * (TILE + GAP),
                     GAP + (int64_t)(k % COLUMNS) * (TILE + GAP));
    }
    return HONE_OK;
}

hone_status hone_activation_sheet(hone_image *out, size_t *layers, size_t most, size_t *count, hone_model *model,
                                  const unsigned char *pixels, hone_error *err) {
    drawing d = {.model = model};
    *out = (hone_image){0};
    hone_status status = draw(&d, pixels, out, err);
    if (status == HONE_OK) {
        *count = d.count < most ? d.count : most;
        memcpy(layers, d.layers, *count * sizeof *layers);
    }
    hone_plan_free(d.plan);
    hone__free(d.row);
    hone__free(d.bands);
    hone__free(d.layers);
    return status;
}
