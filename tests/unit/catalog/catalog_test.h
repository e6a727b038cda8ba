/* SPDX-License-Identifier: Apache-2.0
 *
 * What the catalog's tests share: a folder of their own that is gone afterwards, and short ways to put and look. */
#ifndef HONE_CATALOG_TEST_H
#define HONE_CATALOG_TEST_H

#include "folder.h"
#include "test.h"

#include <hone/catalog.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

typedef struct scratch {
    char folder[FOLDER_SIZE], file[80];
} scratch;

static inline int scratch_make(void **state) {
    static scratch s;
    if (folder_make(s.folder, "catalog") != 0) return -1;
    snprintf(s.file, sizeof s.file, "%s/hone.db", s.folder);
    *state = &s;
    return 0;
}

static inline int scratch_remove(void **state) {
    const scratch *s = *state;
    return folder_remove(s->folder);
}

static inline hone_catalog *open_catalog(const scratch *s) {
    hone_catalog *catalog;
    hone_error err = {0};
    hone_catalog_config config = hone_catalog_config_default();
    config.who = "ann";
    if (hone_catalog_open(&catalog, s->folder, &config, &err) != HONE_OK) fail_msg("%s", err.message);
    return catalog;
}

static inline int64_t put(hone_catalog *catalog, const char *path, const char *label, const char *split) {
    hone_error err = {0};
    hone_picture p = {
        .path = path, .sha256 = "00ff", .bytes = 10, .modified = 20, .width = 3, .height = 4, .mode = "L"};
    p.label = label;
    p.split = split;
    if (hone_catalog_put(catalog, &p, &err) != HONE_OK) fail_msg("%s", err.message);
    return p.id;
}

static inline int64_t count(hone_catalog *catalog, const hone_catalog_query *query) {
    int64_t n = -1;
    assert_int_equal(hone_catalog_count(catalog, query, &n, NULL), HONE_OK);
    return n;
}

/* "a b c ": the paths of a query. */
typedef struct joined {
    char text[512];
} joined;

static inline hone_status join_path(void *context, const hone_picture *p, hone_error *err) {
    joined *j = context;
    (void)err;
    strncat(j->text, p->path, sizeof j->text - strlen(j->text) - 2);
    strcat(j->text, " ");
    return HONE_OK;
}

#endif
