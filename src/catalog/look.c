/* SPDX-License-Identifier: Apache-2.0
 *
 * Looking: queries become SQL whose conditions meet the indices of schema.c, and rows become hone_picture. */
#if HONE_WITH_SQLITE

#include "catalog_internal.h"

#include "file.h"

#include <string.h>

/* ---- rows ------------------------------------------------------------------------------------------------------- */

/* The columns are HONE_PICTURE_COLUMNS. A catalog may come from elsewhere: what it says is checked
 * before anybody opens a path by it. */
static hone_status read_row(hone_picture *out, hone_catalog *catalog, sqlite3_stmt *row, hone_error *err) {
    *out = (hone_picture){.id = sqlite3_column_int64(row, 0)};
    HONE_TRY(hone__column_text(&out->path, catalog, row, 1, err));
    HONE_TRY(hone__column_text(&out->sha256, catalog, row, 2, err));
    out->has_perceptual_hash = sqlite3_column_type(row, 3) != SQLITE_NULL;
    out->perceptual_hash = (uint64_t)sqlite3_column_int64(row, 3);
    out->bytes = sqlite3_column_int64(row, 4);
    out->modified = sqlite3_column_int64(row, 5);
    out->width = sqlite3_column_int(row, 6);
    out->height = sqlite3_column_int(row, 7);
    HONE_TRY(hone__column_text(&out->mode, catalog, row, 8, err));
    HONE_TRY(hone__column_text(&out->label, catalog, row, 9, err));
    HONE_TRY(hone__column_text(&out->split, catalog, row, 10, err));
    int64_t status = sqlite3_column_int64(row, 11);
    HONE_TRY(hone__column_text(&out->reason, catalog, row, 12, err));
    if (status < HONE_PICTURE_OK || status > HONE_PICTURE_MISSING)
        HONE_FAIL(err, HONE_FORMAT, "the catalog '%s': picture %lld has the status %lld", catalog->file,
                  (long long)out->id, (long long)status);
    out->status = (hone_picture_status)status;
    if (!out->path || !hone__is_inside_path(out->path))
        HONE_FAIL(err, HONE_FORMAT, "the catalog '%s': the path '%s' of picture %lld leads out of its folder",
                  catalog->file, out->path ? out->path : "", (long long)out->id);
    return HONE_OK;
}

/* All of a picture's texts in one block, which begins with the path. */
static hone_status keep(hone_picture *out, const hone_picture *row, hone_error *err) {
    const char *texts[] = {row->path, row->sha256, row->mode, row->label, row->split, row->reason};
    const char **targets[] = {&out->path, &out->sha256, &out->mode, &out->label, &out->split, &out->reason};
    enum { COUNT = sizeof texts / sizeof *texts };
    size_t size = 0;
    for (int i = 0; i < COUNT; i++) size += texts[i] ? strlen(texts[i]) + 1 : 0;
    char *block = hone__alloc(size, 1);
    if (!block) return hone__fail_memory(err, size, "a picture's record");
    *out = *row;
    for (int i = 0; i < COUNT; i++) {
        if (!texts[i]) continue;
        size_t length = strlen(texts[i]) + 1;
        memcpy(block, texts[i], length);
        *targets[i] = block;
        block += length;
    }
    return HONE_OK;
}

void hone_picture_release(hone_picture *picture) {
    void *block;
    memcpy(&block, &picture->path, sizeof block);
    hone__free(block);
    *picture = (hone_picture){0};
}

/* ---- one -------------------------------------------------------------------------------------------------------- */

static hone_status take_one(hone_picture *out, hone_catalog *catalog, sqlite3_stmt *statement, bool *is_there,
                            hone_error *err) {
    hone_picture row;
    HONE_TRY(hone__step(catalog, statement, is_there, err));
    if (!*is_there) return HONE_OK;
    hone_status status = read_row(&row, catalog, statement, err);
    if (status == HONE_OK) status = keep(out, &row, err);
    sqlite3_reset(statement);
    return status;
}

hone_status hone_catalog_find(hone_catalog *catalog, const char *path, hone_picture *out, hone_error *err) {
    sqlite3_stmt *statement;
    bool is_there;
    *out = (hone_picture){0};
    HONE_TRY(hone__statement(&statement, catalog, HONE_SQL_FIND, err));
    HONE_TRY(hone__bind_text(catalog, statement, 1, path, err));
    HONE_TRY(take_one(out, catalog, statement, &is_there, err));
    if (!is_there) HONE_FAIL(err, HONE_NOT_FOUND, "the catalog '%s' has no picture '%s'", catalog->file, path);
    return HONE_OK;
}

hone_status hone_catalog_get(hone_catalog *catalog, int64_t id, hone_picture *out, hone_error *err) {
    sqlite3_stmt *statement;
    bool is_there;
    *out = (hone_picture){0};
    HONE_TRY(hone__statement(&statement, catalog, HONE_SQL_GET, err));
    HONE_TRY(hone__bind_integer(catalog, statement, 1, id, err));
    HONE_TRY(take_one(out, catalog, statement, &is_there, err));
    if (!is_there)
        HONE_FAIL(err, HONE_NOT_FOUND, "the catalog '%s' has no picture number %lld", catalog->file, (long long)id);
    return HONE_OK;
}

/* ---- many ------------------------------------------------------------------------------------------------------- */

enum { SQL_SIZE = 1024, MAX_SEARCH = 4096 };

/* The parameters have fixed numbers, so every text below binds the same way. */
enum { AT_LABEL = 1, AT_SPLIT, AT_STATUS, AT_SEARCH, AT_SCORE, AT_AFTER, AT_LIMIT, AT_OFFSET };

/* FROM and WHERE. Names without p. must be clear: scores has picture, name and value only. */
static void write_conditions(char sql[SQL_SIZE], const hone_catalog_query *q) {
    int n = snprintf(sql, SQL_SIZE, " FROM %s WHERE ",
                     q->score ? "scores s JOIN pictures p ON p.id=s.picture" : "pictures p");
    /* A list, not <>: an index can answer it. */
    n += snprintf(sql + n, SQL_SIZE - (size_t)n, q->with_status ? "p.status=?%d" : "p.status IN (0,1)", AT_STATUS);
    if (q->score) n += snprintf(sql + n, SQL_SIZE - (size_t)n, " AND s.name=?%d", AT_SCORE);
    if (q->label) n += snprintf(sql + n, SQL_SIZE - (size_t)n, " AND p.label=?%d", AT_LABEL);
    if (q->unlabelled) n += snprintf(sql + n, SQL_SIZE - (size_t)n, " AND p.label IS NULL");
    if (q->split) n += snprintf(sql + n, SQL_SIZE - (size_t)n, " AND p.split=?%d", AT_SPLIT);
    if (q->search) n += snprintf(sql + n, SQL_SIZE - (size_t)n, " AND p.path LIKE ?%d ESCAPE '\\'", AT_SEARCH);
    if (q->after) n += snprintf(sql + n, SQL_SIZE - (size_t)n, " AND p.id>?%d", AT_AFTER);
}

/* %text%, with LIKE's own signs made plain. On the heap. */
static char *like_pattern(const char *text) {
    char *pattern = hone__alloc(2 * strlen(text) + 3, 1), *out = pattern;
    if (!pattern) return NULL;
    *out++ = '%';
    for (; *text; text++) {
        if (strchr("%_\\", *text)) *out++ = '\\';
        *out++ = *text;
    }
    *out = '%';
    return pattern;
}

static hone_status check_query(const hone_catalog_query *q, hone_error *err) {
    if (q->score && q->after)
        HONE_FAIL(err, HONE_ARGUMENT, "pages by 'after' go by number, not by the score '%s'; use offset", q->score);
    if (q->offset < 0 || q->limit < 0) HONE_FAIL(err, HONE_ARGUMENT, "offset and limit cannot be negative");
    if (q->search && strlen(q->search) > MAX_SEARCH)
        HONE_FAIL(err, HONE_LIMIT, "a search of %zu bytes, where %d are possible", strlen(q->search), MAX_SEARCH);
    return HONE_OK;
}

static hone_status bind_query(hone_catalog *catalog, sqlite3_stmt *statement, const hone_catalog_query *q,
                              const char *pattern, bool is_paged, hone_error *err) {
    if (q->label) HONE_TRY(hone__bind_text(catalog, statement, AT_LABEL, q->label, err));
    if (q->split) HONE_TRY(hone__bind_text(catalog, statement, AT_SPLIT, q->split, err));
    if (q->with_status) HONE_TRY(hone__bind_integer(catalog, statement, AT_STATUS, q->status, err));
    if (pattern) HONE_TRY(hone__bind_text(catalog, statement, AT_SEARCH, pattern, err));
    if (q->score) HONE_TRY(hone__bind_text(catalog, statement, AT_SCORE, q->score, err));
    if (q->after) HONE_TRY(hone__bind_integer(catalog, statement, AT_AFTER, q->after, err));
    if (!is_paged) return HONE_OK;
    HONE_TRY(hone__bind_integer(catalog, statement, AT_LIMIT, q->limit ? q->limit : -1, err));
    return hone__bind_integer(catalog, statement, AT_OFFSET, q->offset, err);
}

static hone_status walk(hone_catalog *catalog, sqlite3_stmt *statement, hone_catalog_visit visit, void *context,
                        hone_error *err) {
    for (;;) {
        bool has_row;
        hone_picture picture;
        HONE_TRY(hone__step(catalog, statement, &has_row, err));
        if (!has_row) return HONE_OK;
        HONE_TRY(read_row(&picture, catalog, statement, err));
        HONE_TRY(visit(context, &picture, err));
    }
}

hone_status hone_catalog_each(hone_catalog *catalog, const hone_catalog_query *query, hone_catalog_visit visit,
                              void *context, hone_error *err) {
    const hone_catalog_query everything = {0}, *q = query ? query : &everything;
    char conditions[SQL_SIZE], sql[2 * SQL_SIZE];
    HONE_TRY(check_query(q, err));
    write_conditions(conditions, q);
    snprintf(sql, sizeof sql, "SELECT " HONE_PICTURE_COLUMNS "%s ORDER BY %s LIMIT ?%d OFFSET ?%d", conditions,
             !q->score      ? "p.id"
             : q->ascending ? "s.value,s.picture"
                            : "s.value DESC,s.picture",
             AT_LIMIT, AT_OFFSET);
    char *pattern = q->search ? like_pattern(q->search) : NULL;
    if (q->search && !pattern) return hone__fail_memory(err, strlen(q->search), "a search");
    /* Not one of the kept statements: a walk may look at another one inside. */
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(catalog->db, sql, -1, &statement, NULL);
    hone_status status = code == SQLITE_OK ? bind_query(catalog, statement, q, pattern, true, err)
                                           : hone__catalog_fail(catalog->db, catalog->file, code, err);
    if (status == HONE_OK) status = walk(catalog, statement, visit, context, err);
    sqlite3_finalize(statement);
    hone__free(pattern);
    return status;
}

hone_status hone_catalog_count(hone_catalog *catalog, const hone_catalog_query *query, int64_t *out, hone_error *err) {
    const hone_catalog_query everything = {0}, *q = query ? query : &everything;
    char conditions[SQL_SIZE], sql[2 * SQL_SIZE];
    *out = 0;
    HONE_TRY(check_query(q, err));
    write_conditions(conditions, q);
    snprintf(sql, sizeof sql, "SELECT count(*)%s", conditions);
    char *pattern = q->search ? like_pattern(q->search) : NULL;
    if (q->search && !pattern) return hone__fail_memory(err, strlen(q->search), "a search");
    sqlite3_stmt *statement = NULL;
    bool has_row = false;
    int code = sqlite3_prepare_v2(catalog->db, sql, -1, &statement, NULL);
    hone_status status = code == SQLITE_OK ? bind_query(catalog, statement, q, pattern, false, err)
                                           : hone__catalog_fail(catalog->db, catalog->file, code, err);
    if (status == HONE_OK) status = hone__step(catalog, statement, &has_row, err);
    if (status == HONE_OK && has_row) *out = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    hone__free(pattern);
    return status;
}

/* ---- classes ---------------------------------------------------------------------------------------------------- */

hone_status hone_catalog_each_class(hone_catalog *catalog, hone_catalog_class_visit visit, void *context,
                                    hone_error *err) {
    sqlite3_stmt *statement;
    HONE_TRY(hone__statement(&statement, catalog, HONE_SQL_CLASSES, err));
    for (;;) {
        bool has_row;
        const char *name;
        HONE_TRY(hone__step(catalog, statement, &has_row, err));
        if (!has_row) return HONE_OK;
        hone_status status = hone__column_text(&name, catalog, statement, 0, err);
        if (status == HONE_OK) status = visit(context, name, sqlite3_column_int64(statement, 1), err);
        if (status != HONE_OK) {
            sqlite3_reset(statement);
            return status;
        }
    }
}

#endif
