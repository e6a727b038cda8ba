/* SPDX-License-Identifier: Apache-2.0
 *
 * The catalog in a build that leaves SQLite out: every function says so. No catalog can be opened there, so the ones that
 * take one are never reached by a caller who looks at what open returned. */
#if !HONE_WITH_SQLITE

#include <hone/catalog.h>

#include "core_internal.h"

static hone_status left_out(hone_error *err) {
    HONE_FAIL(err, HONE_UNSUPPORTED, "catalogs need SQLite, and this build leaves it out (HONE_WITH_SQLITE)");
}

/* X(name, parameters) for each that does nothing but say so. */
#define FUNCTIONS(X)                                                                                                   \
    X(each, const hone_catalog_query *query, hone_catalog_visit visit, void *context)                                  \
    X(count, const hone_catalog_query *query, int64_t *out)                                                            \
    X(find, const char *path, hone_picture *out)                                                                       \
    X(get, int64_t id, hone_picture *out)                                                                              \
    X(each_class, hone_catalog_class_visit visit, void *context)                                                       \
    X(set_classes, const char *const *names, size_t count)                                                             \
    X(put, hone_picture *picture)                                                                                      \
    X(label, const int64_t *ids, size_t count, const char *label, int64_t *change)                                     \
    X(set_split, const int64_t *ids, size_t count, const char *split, int64_t *change)                                 \
    X(set_status, const int64_t *ids, size_t count, hone_picture_status status, const char *reason, int64_t *change)   \
    X(revert, int64_t change, int64_t *new_change, int64_t *left_alone)                                                \
    X(set_score, int64_t id, const char *name, double value)                                                           \
    X(score, int64_t id, const char *name, double *out)                                                                \
    X(clear_scores, const char *name)                                                                                  \
    X(suggest, int64_t id, const char *label, double confidence)                                                       \
    X(suggestion, int64_t id, char *label, size_t size, double *confidence)                                            \
    X(history, int64_t picture, int64_t limit, hone_catalog_history_visit visit, void *context)                        \
    X(set_who, const char *who)

#if defined(__GNUC__)
#pragma GCC diagnostic ignored "-Wunused-parameter"
#endif
#define DEFINE(name, ...)                                                                                              \
    hone_status hone_catalog_##name(hone_catalog *catalog, __VA_ARGS__, hone_error *err) {                             \
        return left_out(err);                                                                                          \
    }
FUNCTIONS(DEFINE)

hone_status hone_catalog_open(hone_catalog **out, const char *folder, const hone_catalog_config *config,
                              hone_error *err) {
    *out = NULL;
    return left_out(err);
}

void hone_catalog_close(hone_catalog *catalog) {}

const char *hone_catalog_folder(const hone_catalog *catalog) {
    return NULL;
}

const char *hone_catalog_file(const hone_catalog *catalog) {
    return NULL;
}

hone_status hone_catalog_begin(hone_catalog *catalog, hone_error *err) {
    return left_out(err);
}

hone_status hone_catalog_commit(hone_catalog *catalog, hone_error *err) {
    return left_out(err);
}

void hone_catalog_rollback(hone_catalog *catalog) {}

void hone_picture_release(hone_picture *picture) {
    *picture = (hone_picture){0};
}

#endif
