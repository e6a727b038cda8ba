/* SPDX-License-Identifier: Apache-2.0
 *
 * Scanning packed files (IDX, NPZ, CIFAR-10): each image becomes a row "FILE#INDEX" with its part and its label, so that
 * single ones can be relabelled and quarantined. All are read each time; that is quick, and only changes are written. */
#include "scan_internal.h"

#include "core_internal.h"
#include "sources.h"

#include <string.h>

enum { PIECE = 64 };

typedef struct sample_reading {
    char sha256[65];
    uint64_t hash;
    hone_status status;
} sample_reading;

typedef struct sample_run {
    const hone__dataset_parts *parts;
    sample_reading *readings; /* (samples) */
} sample_run;

static void read_piece(void *context, int worker, size_t piece) {
    (void)worker;
    sample_run *run = context;
    const hone__dataset_parts *p = run->parts;
    size_t size = (size_t)p->height * (size_t)p->width * (size_t)p->channels;
    size_t end = (piece + 1) * PIECE < p->samples ? (piece + 1) * PIECE : p->samples;
    for (size_t i = piece * PIECE; i < end; i++) {
        hone_image image = {p->height, p->width, p->channels, p->images + i * size};
        hone__sha256 sha;
        hone__sha256_init(&sha);
        hone__sha256_update(&sha, image.pixels, size);
        hone__sha256_digest(&sha, run->readings[i].sha256);
        run->readings[i].status = hone_image_perceptual_hash(&image, &run->readings[i].hash, NULL);
    }
}

static hone_status put_sample(hone__scan *scan, const hone__dataset_parts *p, size_t i, const sample_reading *r,
                              const char *split, hone_error *err) {
    static const char *const modes[HONE_MAX_CHANNELS + 1] = {NULL, "L", "LA", "RGB", "RGBA"};
    char number[24];
    if (r->status != HONE_OK) HONE_FAIL(err, r->status, "'%s': %s", p->paths[i], hone_status_text(r->status));
    hone__known *known = hone__scan_find(scan, p->paths[i]);
    scan->report.pictures++;
    if (known) {
        known->is_seen = true;
        if (known->status != HONE_PICTURE_MISSING && known->sha_start == hone__sha_start(r->sha256)) {
            scan->report.unchanged++;
            return HONE_OK;
        }
    }
    hone_picture picture = {.path = p->paths[i],
                            .sha256 = r->sha256[0] ? r->sha256 : NULL,
                            .has_perceptual_hash = true,
                            .perceptual_hash = r->hash,
                            .bytes = (int64_t)p->height * p->width * p->channels,
                            .width = p->width,
                            .height = p->height,
                            .mode = modes[p->channels],
                            .split = split};
    if (p->labels[i] >= 0) {
        snprintf(number, sizeof number, "%d", (int)p->labels[i]);
        picture.label = p->class_names ? p->class_names[p->labels[i]] : number;
    }
    if (known)
        scan->report.changed++;
    else
        scan->report.added++;
    return hone__scan_put(scan, &picture, known, NULL, err);
}

static hone_status count_class(void *context, const char *name, int64_t pictures, hone_error *err) {
    (void)name, (void)pictures, (void)err;
    ++*(size_t *)context;
    return HONE_OK;
}

/* The order of the classes is the file's, until somebody says otherwise. */
static hone_status declare_classes(hone__scan *scan, hone__dataset_parts *p, hone_error *err) {
    size_t known = 0;
    if (p->classes == 0) return HONE_OK;
    HONE_TRY(hone_catalog_each_class(scan->catalog, count_class, &known, err));
    if (known > 0) return HONE_OK;
    if (!p->class_names) HONE_TRY(hone__dataset_parts_name(p, NULL, p->classes, err));
    return hone_catalog_set_classes(scan->catalog, (const char *const *)p->class_names, p->classes, err);
}

static hone_status put_part(hone__scan *scan, hone__dataset_parts *p, hone__part part, const sample_reading *readings,
                            hone_error *err) {
    HONE_TRY(hone_catalog_begin(scan->catalog, err));
    hone_status status = declare_classes(scan, p, err);
    for (size_t i = 0; i < p->samples && status == HONE_OK; i++)
        status = put_sample(scan, p, i, &readings[i], hone__part_name(part), err);
    if (status == HONE_OK) return hone_catalog_commit(scan->catalog, err);
    hone_catalog_rollback(scan->catalog);
    return status;
}

static hone_status scan_part(hone__scan *scan, hone__dataset_parts *p, hone__part part, hone_error *err) {
    sample_run run = {p, hone__alloc(p->samples, sizeof *run.readings)};
    if (!run.readings) return hone__fail_memory(err, p->samples * sizeof *run.readings, "readings");
    hone__threads_run(scan->config->threads, read_piece, &run, (p->samples + PIECE - 1) / PIECE);
    hone_status status = put_part(scan, p, part, run.readings, err);
    hone__free(run.readings);
    return status;
}

hone_status hone__read_packed_part(hone__dataset_parts *parts, hone__reader reader, const char *folder,
                                   const char *path, hone__part part, const hone_dataset_config *config,
                                   hone_error *err) {
    hone_dataset_config all = {.allow_unlabelled = true, .threads = config->threads, .lacks_part = config->lacks_part};
    char name[64], origin[HONE_ORIGIN_SIZE];
    hone__base_name(name, sizeof name, folder);
    hone__request request = {.path = path,
                             .known = hone__source_find(name),
                             .part = part,
                             .limit = SIZE_MAX,
                             .name_samples = true,
                             .config = &all};
    return reader(parts, origin, &request, err);
}

hone_status hone__scan_packed(hone__scan *scan, hone__reader reader, const char *path, hone_error *err) {
    bool is_missing;
    const hone_dataset_config config = {.threads = scan->config->threads, .lacks_part = &is_missing};
    for (int part = 0; part < HONE_PARTS; part++) {
        hone__dataset_parts parts = {0};
        hone_error why = {0};
        is_missing = false;
        hone_status status =
            hone__read_packed_part(&parts, reader, scan->folder, path, (hone__part)part, &config, &why);
        if (status == HONE_OK)
            status = scan_part(scan, &parts, (hone__part)part, err);
        else if (is_missing)
            status = HONE_OK;
        else
            hone__set_error(err, status, why.offset, "%s", why.message);
        hone__dataset_parts_release(&parts);
        HONE_TRY(status);
        HONE_TRY(hone__scan_progress(scan, part + 1, HONE_PARTS, err));
    }
    if (scan->report.pictures == 0) HONE_FAIL(err, HONE_NOT_FOUND, "'%s' holds no images", path);
    return HONE_OK;
}
