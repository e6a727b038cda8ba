/* SPDX-License-Identifier: Apache-2.0
 *
 * Bringing a catalog up to date with its folder: what it knew is read into memory, what is there is compared with that,
 * what is gone is marked. */
#include "scan_internal.h"

#include "core_internal.h"
#include "sources.h"

#include <stdlib.h>
#include <string.h>

#define UNREADABLE "unreadable: "

/* ---- what was known --------------------------------------------------------------------------------------------- */

uint64_t hone__sha_start(const char *hex) {
    uint64_t value = 0;
    for (int i = 0; hex && i < 16 && hex[i]; i++)
        value = value << 4 | (uint64_t)(hex[i] <= '9' ? hex[i] - '0' : hex[i] - 'a' + 10);
    return value;
}

static hone_status remember(void *context, const hone_picture *p, hone_error *err) {
    hone__scan *scan = context;
    HONE_TRY(hone__grow((void **)&scan->known, &scan->known_capacity, scan->known_count + 1, sizeof *scan->known, err));
    hone__known *k = &scan->known[scan->known_count];
    *k = (hone__known){.id = p->id,
                       .bytes = p->bytes,
                       .modified = p->modified,
                       .sha_start = hone__sha_start(p->sha256),
                       .status = p->status,
                       .was_unreadable = p->status == HONE_PICTURE_QUARANTINED && p->reason &&
                                         strncmp(p->reason, UNREADABLE, strlen(UNREADABLE)) == 0};
    k->path = hone__strdup(p->path);
    if (!k->path) return hone__fail_memory(err, strlen(p->path), "a path");
    scan->known_count++;
    return HONE_OK;
}

static int compare_known(const void *a, const void *b) {
    return strcmp(((const hone__known *)a)->path, ((const hone__known *)b)->path);
}

static hone_status remember_all(hone__scan *scan, hone_error *err) {
    hone_catalog_query missing = {.with_status = true, .status = HONE_PICTURE_MISSING};
    HONE_TRY(hone_catalog_each(scan->catalog, NULL, remember, scan, err));
    HONE_TRY(hone_catalog_each(scan->catalog, &missing, remember, scan, err));
    if (scan->known_count > 1) qsort(scan->known, scan->known_count, sizeof *scan->known, compare_known);
    return HONE_OK;
}

hone__known *hone__scan_find(hone__scan *scan, const char *path) {
    size_t low = 0, high = scan->known_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(scan->known[middle].path, path);
        if (order == 0) return &scan->known[middle];
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return NULL;
}

/* ---- what was found --------------------------------------------------------------------------------------------- */

hone_status hone__scan_put(hone__scan *scan, hone_picture *p, const hone__known *known, const char *why,
                           hone_error *err) {
    char reason[HONE_ERROR_MESSAGE_SIZE + sizeof UNREADABLE];
    snprintf(reason, sizeof reason, UNREADABLE "%s", why ? why : "");
    if (why && !known) {
        p->status = HONE_PICTURE_QUARANTINED;
        p->reason = reason;
    }
    HONE_TRY(hone_catalog_put(scan->catalog, p, err));
    if (why) {
        scan->report.unreadable++;
        if (scan->config->left_out) scan->config->left_out(scan->config->context, p->path, true, why);
    }
    /* A quarantine for another reason is somebody's word, and stays. */
    if (known && why && (known->status != HONE_PICTURE_QUARANTINED || known->was_unreadable))
        return hone_catalog_set_status(scan->catalog, &p->id, 1, HONE_PICTURE_QUARANTINED, reason, NULL, err);
    if (known && !why && known->was_unreadable)
        return hone_catalog_set_status(scan->catalog, &p->id, 1, HONE_PICTURE_OK, NULL, NULL, err);
    return HONE_OK;
}

hone_status hone__scan_progress(const hone__scan *scan, int64_t done, int64_t total, hone_error *err) {
    if (!scan->config->progress || scan->config->progress(scan->config->context, done, total)) return HONE_OK;
    HONE_FAIL(err, HONE_CANCELLED, "the scan was stopped after %lld of %lld pictures", (long long)done,
              (long long)total);
}

/* ---- what is gone ----------------------------------------------------------------------------------------------- */

static hone_status mark_missing(hone__scan *scan, hone_error *err) {
    int64_t *ids = hone__alloc(scan->known_count, sizeof *ids);
    size_t count = 0;
    if (!ids) return hone__fail_memory(err, scan->known_count * sizeof *ids, "missing pictures");
    for (size_t i = 0; i < scan->known_count; i++)
        if (!scan->known[i].is_seen && scan->known[i].status != HONE_PICTURE_MISSING) ids[count++] = scan->known[i].id;
    scan->report.missing = (int64_t)count;
    hone_status status =
        count > 0 ? hone_catalog_set_status(scan->catalog, ids, count, HONE_PICTURE_MISSING, NULL, NULL, err) : HONE_OK;
    hone__free(ids);
    return status;
}

static hone_status scan_folder(hone__scan *scan, hone_error *err) {
    hone__reader reader;
    char *inside;
    HONE_TRY(remember_all(scan, err));
    HONE_TRY(hone__choose_reader(&reader, &inside, scan->folder, err));
    hone_status status = reader == hone__read_class_folder
                             ? hone__scan_files(scan, err)
                             : hone__scan_packed(scan, reader, inside ? inside : scan->folder, err);
    hone__free(inside);
    return status == HONE_OK ? mark_missing(scan, err) : status;
}

hone_status hone_catalog_scan(hone_catalog *catalog, const hone_catalog_scan_config *config,
                              hone_catalog_scan_report *report, hone_error *err) {
    const hone_catalog_scan_config defaults = {0};
    hone__scan scan = {
        .catalog = catalog, .folder = hone_catalog_folder(catalog), .config = config ? config : &defaults};
    hone_status status = scan_folder(&scan, err);
    for (size_t i = 0; i < scan.known_count; i++) hone__free(scan.known[i].path);
    hone__free(scan.known);
    if (report) *report = scan.report;
    return status;
}
