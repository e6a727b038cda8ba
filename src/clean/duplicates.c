/* SPDX-License-Identifier: Apache-2.0
 *
 * The same picture more than once: within a part (duplicates), in two parts (leaks), with two labels (conflicts); exactly,
 * by fingerprint, and nearly, by pixels.
 *
 * All parts are one sequence here, training first, so that a leak is told of the picture that may be taken out: the
 * one in the training part. */
#include "clean_internal.h"

#include "core_internal.h"
#include "twins.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct place {
    const hone__sample *sample;
    int part;
    uint32_t index; /* in its part */
    int32_t label;
    bool is_copy; /* an exact copy of an earlier place: not compared again */
} place;

static int by_fingerprint(const void *a, const void *b) {
    const place *x = *(place *const *)a, *y = *(place *const *)b;
    int order = memcmp(x->sample->sha256, y->sample->sha256, sizeof x->sample->sha256);
    return order ? order : (x > y) - (x < y);
}

static hone_status add_pair(hone__clean_run *run, hone_finding_kind kind, const place *about, const place *other,
                            double distance, const char *what, hone_error *err) {
    if (!hone__is_wanted(run, kind)) return HONE_OK;
    const hone_dataset *data = run->report->parts[other->part].data;
    const char *path = hone_dataset_path(data, other->index), *slash = path ? strrchr(path, '/') : NULL;
    char name[64];
    if (path)
        snprintf(name, sizeof name, "'%.50s'", slash ? slash + 1 : path);
    else
        snprintf(name, sizeof name, "number %u", (unsigned)other->index);
    bool is_elsewhere = other->part != about->part;
    HONE_TRY(hone__add_finding(run, kind, about->part, about->index, 1 - distance, distance, err, "%s %s%s%s%s%s", what,
                               name, is_elsewhere ? " of the " : "", is_elsewhere ? hone__part_word(other->part) : "",
                               is_elsewhere ? " part" : "",
                               kind == HONE_FINDING_CONFLICT ? ", which has another label" : ""));
    hone__set_other(run, other->part, other->index);
    return HONE_OK;
}

static bool labels_differ(const place *a, const place *b) {
    return a->label >= 0 && b->label >= 0 && a->label != b->label;
}

/* ---- exactly --------------------------------------------------------------------------------------------------- */

/* group: places with the same pixels, in order. */
static hone_status report_group(hone__clean_run *run, place *const *group, size_t count, hone_error *err) {
    static const char what[] = "the same pixels as";
    for (size_t i = 0; i < count; i++) {
        const place *conflicting = NULL, *first = NULL, *leaked = NULL;
        for (size_t k = 0; k < count; k++) {
            if (!conflicting && labels_differ(group[i], group[k])) conflicting = group[k];
            if (!first && group[k]->part == group[i]->part) first = group[k];
            if (group[k]->part > group[i]->part) leaked = group[k]; /* the last: test rather than validation */
        }
        group[i]->is_copy = i > 0;
        if (conflicting) HONE_TRY(add_pair(run, HONE_FINDING_CONFLICT, group[i], conflicting, 0, what, err));
        if (leaked) HONE_TRY(add_pair(run, HONE_FINDING_LEAK, group[i], leaked, 0, what, err));
        if (!conflicting && first != group[i])
            HONE_TRY(add_pair(run, HONE_FINDING_DUPLICATE, group[i], first, 0, what, err));
    }
    return HONE_OK;
}

static hone_status find_exact(hone__clean_run *run, place *places, size_t count, hone_error *err) {
    static const unsigned char unknown[32] = {0};
    place **order = hone__alloc(count, sizeof *order);
    size_t known = 0;
    if (!order) return hone__fail_memory(err, count * sizeof *order, "comparing pictures");
    for (size_t i = 0; i < count; i++)
        if (memcmp(places[i].sample->sha256, unknown, sizeof unknown) != 0) order[known++] = &places[i];
    qsort(order, known, sizeof *order, by_fingerprint);
    hone_status status = HONE_OK;
    for (size_t i = 0, end; status == HONE_OK && i < known; i = end) {
        for (end = i + 1; end < known; end++)
            if (memcmp(order[i]->sample->sha256, order[end]->sample->sha256, sizeof unknown) != 0) break;
        /* A uniform picture is a finding of its own; many of them are no news. */
        bool is_uniform = (double)order[i]->sample->range <= run->config->uniform_range;
        if (end - i > 1 && !(is_uniform && hone__is_wanted(run, HONE_FINDING_UNIFORM)))
            status = report_group(run, order + i, end - i, err);
        for (size_t k = i + 1; k < end; k++) order[k]->is_copy = true;
    }
    hone__free(order);
    return status;
}

/* ---- nearly ---------------------------------------------------------------------------------------------------- */

typedef struct normalizing {
    const hone__clean_run *run;
    const place *places;
    float *vectors;
    size_t count, size;
} normalizing;

enum { PIECE = 256 };

/* Each picture's luma, brought to mean 0 and variance 1; copies and flat ones become zero, which is never a twin. */
static void normalize_piece(void *context, int worker, size_t piece) {
    (void)worker;
    const normalizing *n = context;
    size_t end = (piece + 1) * PIECE < n->count ? (piece + 1) * PIECE : n->count;
    for (size_t i = piece * PIECE; i < end; i++) {
        const place *p = &n->places[i];
        const hone_dataset *data = n->run->report->parts[p->part].data;
        const unsigned char *pixels = hone_dataset_image(data, p->index);
        float *v = n->vectors + i * n->size;
        double sum = 0, squares = 0, size = (double)n->size;
        bool is_colour = hone_dataset_channels(data) == 3;
        for (size_t k = 0; k < n->size; k++) {
            const unsigned char *c = is_colour ? pixels + 3 * k : pixels + k;
            v[k] = is_colour ? 0.299f * (float)c[0] + 0.587f * (float)c[1] + 0.114f * (float)c[2] : (float)c[0];
            sum += (double)v[k];
            squares += (double)v[k] * (double)v[k];
        }
        double mean = sum / size, variance = squares / size - mean * mean;
        bool is_left_out = p->is_copy || variance < 1;
        float scale = is_left_out ? 0 : (float)(1 / sqrt(variance));
        for (size_t k = 0; k < n->size; k++) v[k] = scale * (v[k] - (float)mean);
    }
}

static hone_status report_twins(hone__clean_run *run, const place *places, const hone__twin *twins, size_t count,
                                hone_error *err) {
    for (size_t i = 0; i < count; i++) {
        const hone__twin *list = twins + i * HONE_TWINS_KEPT;
        bool has_leak = false, has_copy = false, has_conflict = false;
        for (size_t k = 0; k < HONE_TWINS_KEPT && list[k].other != UINT32_MAX; k++) {
            const place *here = &places[i], *other = &places[list[k].other];
            double distance = (double)list[k].distance;
            if (!has_conflict && labels_differ(here, other)) {
                has_conflict = true;
                HONE_TRY(add_pair(run, HONE_FINDING_CONFLICT, here, other, distance, "nearly the same pixels as", err));
            }
            if (!has_leak && here->part != other->part) {
                has_leak = true;
                HONE_TRY(add_pair(run, HONE_FINDING_LEAK, other, here, distance, "nearly the same pixels as", err));
            } else if (!has_copy && here->part == other->part && !labels_differ(here, other)) {
                has_copy = true;
                HONE_TRY(add_pair(run, HONE_FINDING_NEAR_DUPLICATE, here, other, distance, "nearly the same pixels as",
                                  err));
            }
        }
    }
    return HONE_OK;
}

static hone_status find_near(hone__clean_run *run, const place *places, size_t count, hone_error *err) {
    const hone_dataset *data = run->report->parts[places[0].part].data;
    normalizing n = {.run = run, .places = places, .count = count};
    n.size = (size_t)hone_dataset_height(data) * (size_t)hone_dataset_width(data);
    size_t cells, twin_count;
    if (!hone__multiply(count, n.size, &cells) || !hone__multiply(count, HONE_TWINS_KEPT, &twin_count))
        HONE_FAIL(err, HONE_LIMIT, "%zu pictures are too many to compare", count);
    n.vectors = hone__alloc(cells, sizeof *n.vectors);
    hone__twin *twins = hone__alloc(twin_count, sizeof *twins);
    hone_status status =
        n.vectors && twins ? HONE_OK : hone__fail_memory(err, cells * sizeof *n.vectors, "comparing pictures");
    if (status == HONE_OK) {
        hone__threads_run(run->config->threads, normalize_piece, &n, (count + PIECE - 1) / PIECE);
        status =
            hone__find_twins(twins, n.vectors, count, n.size, run->config->near_distance, run->config->threads, err);
    }
    if (status == HONE_OK) status = report_twins(run, places, twins, count, err);
    hone__free(n.vectors);
    hone__free(twins);
    return status;
}

hone_status hone__find_duplicates(hone__clean_run *run, hone_error *err) {
    const unsigned exact = 1u << HONE_FINDING_DUPLICATE | 1u << HONE_FINDING_CONFLICT | 1u << HONE_FINDING_LEAK;
    hone_clean_report *r = run->report;
    size_t count = 0, used = 0;
    if (!(run->config->kinds & (exact | 1u << HONE_FINDING_NEAR_DUPLICATE))) return HONE_OK;
    for (int part = 0; part < HONE_CLEAN_PARTS; part++) count += r->summary.samples[part];
    HONE_TRY(hone__clean_step(run, "comparing", 0.4, err));
    place *places = hone__alloc(count, sizeof *places);
    if (!places) return hone__fail_memory(err, count * sizeof *places, "comparing pictures");
    for (int part = 0; part < HONE_CLEAN_PARTS; part++)
        for (size_t i = 0; i < r->summary.samples[part]; i++)
            places[used++] = (place){.sample = &r->parts[part].samples[i],
                                     .part = part,
                                     .index = (uint32_t)i,
                                     .label = hone_dataset_labels(r->parts[part].data)[i]};
    hone_status status = find_exact(run, places, count, err);
    if (status == HONE_OK && run->config->near_distance > 0) status = find_near(run, places, count, err);
    hone__free(places);
    return status;
}
