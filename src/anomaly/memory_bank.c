/* SPDX-License-Identifier: Apache-2.0
 *
 * The memory: what a layer's maps look like at the places of normal pictures, each place with those around it.
 *
 * Kept are the most different ones: greedily, always the candidate that is furthest from all kept so far, which covers
 * what there is with as few as possible (k-center; the coreset of PatchCore). */
#include "detector.h"

#include "anomaly_maps.h"
#include "rng.h"

#include <math.h>
#include <string.h>

enum { CANDIDATES = 20000, SMALL_SIDE = 64 };

/* ---- places ------------------------------------------------------------------------------------------------------ */

hone_status hone__memory_layer(const hone_model *model, const char *name, size_t *layer, hone_error *err) {
    hone_shape input = hone_model_input_shape(model);
    int64_t shorter = input.rank == 3 && input.dims[0] < input.dims[1] ? input.dims[0] : input.dims[1];
    int64_t least = shorter <= SMALL_SIDE ? shorter / 4 : shorter / 8;
    bool found = false, convolved = false;
    for (size_t i = 0; i < hone_model_layer_count(model); i++) {
        hone_layer_info info;
        HONE_TRY(hone_model_layer_info(model, i, &info));
        bool maps = info.output.rank == 3 && info.output.dims[0] > 1 && info.output.dims[1] > 1;
        convolved = convolved || strstr(info.class_name, "Conv") != NULL;
        bool fine = maps && convolved && info.output.dims[0] >= least && info.output.dims[1] >= least;
        if (name ? strcmp(info.name, name) != 0 : !fine) continue;
        if (!maps) HONE_FAIL(err, HONE_UNSUPPORTED, "layer '%.128s' (%s) has no maps", name, info.class_name);
        *layer = i;
        found = true;
    }
    if (found) return HONE_OK;
    if (name) HONE_FAIL(err, HONE_NOT_FOUND, "model '%.128s' has no layer '%.128s'", hone_model_name(model), name);
    HONE_FAIL(err, HONE_UNSUPPORTED, "model '%.128s' has no convolution whose maps could be remembered",
              hone_model_name(model));
}

/* The mean of a place and the up to eight around it: a small shift of the picture then changes little. */
static void average_around(hone_detector *d, const float *maps, size_t y, size_t x) {
    size_t y0 = y > 0 ? y - 1 : 0, y1 = y + 1 < d->map_height ? y + 1 : y;
    size_t x0 = x > 0 ? x - 1 : 0, x1 = x + 1 < d->map_width ? x + 1 : x;
    float share = 1 / (float)((y1 - y0 + 1) * (x1 - x0 + 1));
    memset(d->around, 0, d->map_values * sizeof *d->around);
    for (size_t i = y0; i <= y1; i++)
        for (size_t k = x0; k <= x1; k++)
            for (size_t c = 0; c < d->map_values; c++)
                d->around[c] += share * maps[(i * d->map_width + k) * d->map_values + c];
}

void hone__memory_vectors(hone_detector *d, const unsigned char *pixels) {
    hone_plan_predict_pixels(d->plan, pixels, 1, d->row);
    for (size_t y = 0; y < d->map_height; y++) {
        for (size_t x = 0; x < d->map_width; x++) {
            average_around(d, d->row + d->first, y, x);
            hone__feature_reader_read(&d->reader, d->around, d->vectors + (y * d->map_width + x) * d->reader.size);
        }
    }
}

/* ---- choosing ---------------------------------------------------------------------------------------------------- */

static float square_distance(const float *a, const float *b, size_t size) {
    float sum = 0;
    for (size_t k = 0; k < size; k++) sum += (a[k] - b[k]) * (a[k] - b[k]);
    return sum;
}

/* One step of k-center: candidates that are nearer to what was just kept know it. */
typedef struct cover {
    const float *candidates, *kept;
    float *nearest;
    size_t count, size;
} cover;

enum { PIECE = 1024 };

static void update_piece(void *context, int worker, size_t piece) {
    cover *c = context;
    size_t end = (piece + 1) * PIECE < c->count ? (piece + 1) * PIECE : c->count;
    (void)worker;
    for (size_t i = piece * PIECE; i < end; i++) {
        float distance = square_distance(c->candidates + i * c->size, c->kept, c->size);
        if (distance < c->nearest[i]) c->nearest[i] = distance;
    }
}

static hone_status choose(hone_detector *d, const float *candidates, size_t count, const hone_anomaly_config *config,
                          hone_error *err) {
    size_t size = d->reader.size, kept = config->memory < count ? config->memory : count;
    cover c = {.candidates = candidates, .count = count, .size = size, .nearest = hone__alloc(count, sizeof(float))};
    d->bank = hone__alloc(kept, size * sizeof *d->bank);
    if (!c.nearest || !d->bank) {
        hone__free(c.nearest);
        return hone__fail_memory(err, kept * size * sizeof *d->bank, "a memory");
    }
    hone__rng rng;
    hone__rng_init(&rng, config->seed, HONE_STREAM_CORESET, 0);
    size_t next = hone__rng_below(&rng, (uint32_t)count);
    for (size_t i = 0; i < count; i++) c.nearest[i] = INFINITY;
    hone_status status = HONE_OK;
    for (d->bank_count = 0; status == HONE_OK && d->bank_count < kept; d->bank_count++) {
        c.kept = memcpy(d->bank + d->bank_count * size, candidates + next * size, size * sizeof *d->bank);
        hone__threads_run(config->threads, update_piece, &c, (count + PIECE - 1) / PIECE);
        for (size_t i = next = 0; i < count; i++)
            if (c.nearest[i] > c.nearest[next]) next = i;
        if (c.nearest[next] == 0) { /* everything is there already */
            d->bank_count++;
            break;
        }
        status = hone__anomaly_ask(config, err);
    }
    hone__free(c.nearest);
    return status;
}

/* Places of all samples, evenly, so that there are at most CANDIDATES of them. */
hone_status hone__memory_fill(hone_detector *d, const hone_dataset *data, const uint32_t *samples, size_t count,
                              const hone_anomaly_config *config, hone_error *err) {
    size_t places = d->map_height * d->map_width, size = d->reader.size, taken = 0;
    size_t pictures = count < CANDIDATES ? count : CANDIDATES, each = CANDIDATES / pictures;
    if (each > places) each = places;
    size_t image = d->height * d->width * d->channels;
    float *candidates = hone__alloc(pictures * each, size * sizeof *candidates);
    unsigned char *pixels = hone__alloc(image, 1);
    hone_status status =
        candidates && pixels ? HONE_OK : hone__fail_memory(err, pictures * each * size * sizeof(float), "a memory");
    for (size_t i = 0; status == HONE_OK && i < pictures; i++) {
        status = hone__anomaly_ask(config, err);
        if (status == HONE_OK) status = hone_dataset_fetch(data, samples[i * count / pictures], pixels, err);
        if (status != HONE_OK) break;
        hone__memory_vectors(d, pixels);
        for (size_t k = 0; k < each; k++) { /* other places of each picture: all are seen in turn */
            size_t place = (k * places / each + i) % places;
            memcpy(candidates + taken++ * size, d->vectors + place * size, size * sizeof *candidates);
        }
    }
    for (size_t i = 0; status == HONE_OK && i < taken * size; i++)
        if (!isfinite(candidates[i])) status = hone__fail(err, HONE_NUMERIC, "a number of the model's maps is none");
    if (status == HONE_OK) status = choose(d, candidates, taken, config, err);
    hone__free(candidates);
    hone__free(pixels);
    return status;
}

void hone__memory_round(hone_detector *d, int8_t *out, double *scale) {
    size_t count = d->bank_count * d->reader.size;
    float most = 0;
    for (size_t i = 0; i < count; i++) most = fmaxf(most, fabsf(d->bank[i]));
    float unit = most > 0 ? most / 127 : 1;
    for (size_t i = 0; i < count; i++) {
        out[i] = (int8_t)lrintf(d->bank[i] / unit);
        d->bank[i] = (float)out[i] * unit;
    }
    *scale = (double)unit;
}
