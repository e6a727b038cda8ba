/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside hone_catalog_scan: what the catalog knew before (scan.c), and the two kinds of folders that are compared with
 * it, of pictures (scan_files.c) and of packed files (scan_packed.c). */
#ifndef HONE_SCAN_INTERNAL_H
#define HONE_SCAN_INTERNAL_H

#include "readers.h"

#include <hone/catalog.h>

/* A row that was there before the scan. */
typedef struct hone__known {
    char *path;
    int64_t id, bytes, modified;
    uint64_t sha_start; /* the first 16 digits of the SHA-256: enough to see that something changed */
    hone_picture_status status;
    bool was_unreadable, is_seen;
} hone__known;

typedef struct hone__scan {
    hone_catalog *catalog;
    const char *folder;
    const hone_catalog_scan_config *config;
    hone_catalog_scan_report report;
    hone__known *known; /* sorted by path */
    size_t known_count, known_capacity;
} hone__scan;

hone__known *hone__scan_find(hone__scan *scan, const char *path);
/* One picture that was looked at: a row for it, or its row brought up to date; why (unreadable) NULL where all is well.
 * known NULL: new. */
hone_status hone__scan_put(hone__scan *scan, hone_picture *picture, const hone__known *known, const char *why,
                           hone_error *err);
/* HONE_CANCELLED where the caller wants no more. */
hone_status hone__scan_progress(const hone__scan *scan, int64_t done, int64_t total, hone_error *err);
uint64_t hone__sha_start(const char *hex);

hone_status hone__scan_files(hone__scan *scan, hone_error *err);
hone_status hone__scan_packed(hone__scan *scan, hone__reader reader, const char *path, hone_error *err);

#endif
