/* SPDX-License-Identifier: Apache-2.0
 *
 * Who changed what, when, from what to what: newest first. */
#if HONE_WITH_SQLITE

#include "catalog_internal.h"

static hone_status read_entry(hone_catalog_entry *out, hone_catalog *catalog, sqlite3_stmt *row, hone_error *err) {
    const char **texts[] = {&out->who, &out->what, &out->from, &out->to, &out->from_reason, &out->to_reason};
    out->change = sqlite3_column_int64(row, 0);
    out->picture = sqlite3_column_int64(row, 1);
    out->when = sqlite3_column_int64(row, 2);
    for (int i = 0; i < 6; i++) HONE_TRY(hone__column_text(texts[i], catalog, row, i + 3, err));
    return HONE_OK;
}

hone_status hone_catalog_history(hone_catalog *catalog, int64_t picture, int64_t limit,
                                 hone_catalog_history_visit visit, void *context, hone_error *err) {
    sqlite3_stmt *rows;
    if (limit < 0) HONE_FAIL(err, HONE_ARGUMENT, "a limit cannot be negative");
    HONE_TRY(hone__statement(&rows, catalog, picture ? HONE_SQL_HISTORY_OF : HONE_SQL_HISTORY, err));
    HONE_TRY(hone__bind_integer(catalog, rows, 1, limit ? limit : -1, err));
    if (picture) HONE_TRY(hone__bind_integer(catalog, rows, 2, picture, err));
    for (;;) {
        bool has_row;
        hone_catalog_entry entry;
        HONE_TRY(hone__step(catalog, rows, &has_row, err));
        if (!has_row) return HONE_OK;
        hone_status status = read_entry(&entry, catalog, rows, err);
        if (status == HONE_OK) status = visit(context, &entry, err);
        if (status != HONE_OK) {
            sqlite3_reset(rows);
            return status;
        }
    }
}

#endif
