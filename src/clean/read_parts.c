/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading: every part of the source as small copies (what models and comparisons need), and the files that are no
 * pictures. The measures at full size are taken elsewhere, file by file, so memory does not grow with the pictures. */
#include "clean_internal.h"

#include "core_internal.h"
#include "file.h"

#include <stdlib.h>
#include <string.h>

typedef struct opening {
    hone_clean_report *report;
    int part;
    bool is_probe; /* nothing is noted */
    hone_status failure;
} opening;

static bool on_bad_file(void *context, const char *path, const hone_error *why) {
    opening *o = context;
    hone_clean_report *r = o->report;
    if (o->is_probe) return true;
    if (hone__grow((void **)&r->bad_files, &r->bad_capacity, r->bad_count + 1, sizeof *r->bad_files, NULL) != HONE_OK) {
        o->failure = HONE_MEMORY;
        return false;
    }
    hone__bad_file bad = {hone__strdup(path), hone__strdup(why->message), o->part};
    r->bad_files[r->bad_count++] = bad;
    if (!bad.path || !bad.reason) o->failure = HONE_MEMORY;
    return o->failure == HONE_OK;
}

/* A path's message begins with the path itself: the reason alone is wanted. */
static const char *without_path(const char *reason, const char *path) {
    size_t length = strlen(path);
    if (reason[0] != '\'' || strncmp(reason + 1, path, length) != 0 || strncmp(reason + 1 + length, "': ", 3) != 0)
        return reason;
    return reason + length + 4;
}

/* Shrinks so that the longer side is HONE_CLEAN_MODEL_SIDE, unless it is small already. */
static void choose_size(hone_dataset_config *config, int height, int width) {
    int longer = height > width ? height : width;
    if (longer <= HONE_CLEAN_KEPT_SIDE) return;
    config->height = (int)((int64_t)height * HONE_CLEAN_MODEL_SIDE / longer);
    config->width = (int)((int64_t)width * HONE_CLEAN_MODEL_SIDE / longer);
    if (config->height < 1) config->height = 1;
    if (config->width < 1) config->width = 1;
}

static hone_status open_part(hone__clean_run *run, int part, hone_dataset_config *config, opening *o, hone_error *err) {
    hone_clean_report *r = run->report;
    hone_error why = {0};
    bool is_missing;
    o->part = part;
    config->split = hone__part_word(part);
    config->lacks_part = &is_missing;
    hone_status status = hone_dataset_open(&r->parts[part].data, r->source, config, &why);
    if (o->failure != HONE_OK) return hone__fail_memory(err, 0, "the list of bad files");
    config->lacks_part = NULL;
    if (status != HONE_OK && is_missing) return HONE_OK;
    if (status != HONE_OK) HONE_FAIL(err, status, "%s", why.message);
    return HONE_OK;
}

/* The parts must have one list of classes: a class of the same number is the same class. */
static hone_status check_classes(hone_clean_report *r, hone_error *err) {
    const hone_dataset *first = NULL;
    for (int part = 0; part < HONE_CLEAN_PARTS; part++) {
        const hone_dataset *data = r->parts[part].data;
        if (!data) continue;
        if (hone_dataset_classes(data) > r->classes) r->classes = hone_dataset_classes(data);
        for (size_t i = 0; first && i < hone_dataset_classes(first) && i < hone_dataset_classes(data); i++)
            if (strcmp(hone_dataset_class_name(first, i), hone_dataset_class_name(data, i)) != 0)
                HONE_FAIL(err, HONE_FORMAT, "'%s': class %zu is '%.100s' in one part and '%.100s' in another",
                          r->source, i, hone_dataset_class_name(first, i), hone_dataset_class_name(data, i));
        if (!first || hone_dataset_classes(data) > hone_dataset_classes(first)) first = data;
    }
    return HONE_OK;
}

static int by_path(const void *a, const void *b) {
    const hone__bad_file *x = a, *y = b;
    return x->part != y->part ? x->part - y->part : strcmp(x->path, y->path);
}

static hone_status report_bad_files(hone__clean_run *run, hone_error *err) {
    hone_clean_report *r = run->report;
    if (r->bad_count > 1) qsort(r->bad_files, r->bad_count, sizeof *r->bad_files, by_path);
    r->summary.unreadable = r->bad_count;
    for (size_t i = 0; i < r->bad_count && hone__is_wanted(run, HONE_FINDING_CORRUPT); i++) {
        const hone__bad_file *bad = &r->bad_files[i];
        HONE_TRY(hone__add_finding(run, HONE_FINDING_CORRUPT, bad->part, -1, 1, 1, err, "%s",
                                   without_path(bad->reason, bad->path)));
        r->findings[r->count - 1].path = bad->path;
    }
    return HONE_OK;
}

hone_status hone__clean_read(hone__clean_run *run, hone_error *err) {
    hone_clean_report *r = run->report;
    opening o = {.report = r, .is_probe = true};
    hone_dataset_config config = hone_dataset_config_default();
    config.allow_unlabelled = true;
    config.threads = run->config->threads;
    config.download = run->config->download;
    if (r->catalog && hone__file_exists(r->catalog)) config.catalog = r->catalog; /* else --apply will make it */
    config.on_bad_file = on_bad_file;
    config.context = &o;
    config.in_memory = true; /* they are small copies */
    config.limit = 1;
    HONE_TRY(hone__clean_step(run, "reading", 0.1, err));
    /* One sample tells the size, and whether the source can be opened at all. */
    hone_dataset *probe;
    HONE_TRY(hone_dataset_open(&probe, r->source, &config, err));
    r->summary.height = hone_dataset_height(probe);
    r->summary.width = hone_dataset_width(probe);
    config.height = r->summary.height;
    config.width = r->summary.width;
    config.channels = hone_dataset_channels(probe) >= 3 ? 3 : 1;
    choose_size(&config, r->summary.height, r->summary.width);
    hone_dataset_free(probe);
    config.limit = 0;
    o.is_probe = false;
    bool any = false;
    for (int part = 0; part < HONE_CLEAN_PARTS; part++) {
        HONE_TRY(open_part(run, part, &config, &o, err));
        any = any || r->parts[part].data;
        HONE_TRY(hone__clean_advance(run, (part + 1.0) / HONE_CLEAN_PARTS, err));
    }
    if (!any) HONE_FAIL(err, HONE_NOT_FOUND, "'%s' has no samples", r->source);
    r->channels = config.channels;
    HONE_TRY(check_classes(r, err));
    return report_bad_files(run, err);
}
