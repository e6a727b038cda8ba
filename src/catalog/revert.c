/* SPDX-License-Identifier: Apache-2.0
 *
 * Taking a change back: each of its entries the other way round, as a change of its own. What somebody changed since is
 * left alone. */
#if HONE_WITH_SQLITE

#include "catalog_internal.h"

#include <string.h>

/* Has the picture still what the entry gave it? */
static hone_status is_untouched(bool *out, hone_catalog *catalog, const hone__step_back *entry, hone_error *err) {
    hone__picture_state state;
    HONE_TRY(hone__state_read(&state, catalog, entry->picture, err));
    if (strcmp(entry->what, "label") == 0)
        *out = hone__is_same_text(state.label, entry->to);
    else if (strcmp(entry->what, "split") == 0)
        *out = hone__is_same_text(state.split, entry->to);
    else
        *out = hone__is_same_text(hone_picture_status_name(state.status), entry->to) &&
               hone__is_same_text(state.reason, entry->to_reason);
    hone__state_release(&state);
    return HONE_OK;
}

static hone_status revert_entry(hone_catalog *catalog, int64_t change, const hone__step_back *entry, int64_t *done,
                                int64_t *left_alone, hone_error *err) {
    bool untouched;
    HONE_TRY(is_untouched(&untouched, catalog, entry, err));
    if (!untouched) {
        ++*left_alone;
        return HONE_OK;
    }
    ++*done;
    const hone__step_back back = {entry->picture, entry->what,      entry->to,
                                  entry->from,    entry->to_reason, entry->from_reason};
    return hone__change_one(catalog, change, &back, err);
}

static hone_status read_entry(hone__step_back *out, hone_catalog *catalog, sqlite3_stmt *row, hone_error *err) {
    const char **texts[] = {&out->what, &out->from, &out->to, &out->from_reason, &out->to_reason};
    out->picture = sqlite3_column_int64(row, 0);
    for (int i = 0; i < 5; i++) HONE_TRY(hone__column_text(texts[i], catalog, row, i + 1, err));
    return HONE_OK;
}

/* The new entries go into the table that is read, under another change's number: the walk never meets them. */
static hone_status revert_all(hone_catalog *catalog, int64_t change, int64_t *new_change, int64_t *left_alone,
                              hone_error *err) {
    sqlite3_stmt *rows;
    int64_t done = 0, entries = 0;
    HONE_TRY(hone__change_begin(new_change, catalog, err));
    HONE_TRY(hone__statement(&rows, catalog, HONE_SQL_ENTRIES_OF, err));
    HONE_TRY(hone__bind_integer(catalog, rows, 1, change, err));
    hone_status status = HONE_OK;
    for (; status == HONE_OK; entries++) {
        bool has_row;
        hone__step_back entry;
        HONE_TRY(hone__step(catalog, rows, &has_row, err));
        if (!has_row) break;
        status = read_entry(&entry, catalog, rows, err);
        if (status == HONE_OK) status = revert_entry(catalog, *new_change, &entry, &done, left_alone, err);
    }
    sqlite3_reset(rows);
    if (status != HONE_OK) return status;
    if (entries == 0)
        HONE_FAIL(err, HONE_NOT_FOUND, "the catalog '%s' knows no change %lld", catalog->file, (long long)change);
    return done > 0 ? HONE_OK : hone__change_drop(new_change, catalog, err);
}

hone_status hone_catalog_revert(hone_catalog *catalog, int64_t change, int64_t *new_change, int64_t *left_alone,
                                hone_error *err) {
    int64_t number = 0, alone = 0;
    if (new_change) *new_change = 0;
    if (left_alone) *left_alone = 0;
    HONE_TRY(hone__catalog_enter(catalog, err));
    HONE_TRY(hone__catalog_leave(catalog, revert_all(catalog, change, &number, &alone, err), err));
    if (new_change) *new_change = number;
    if (left_alone) *left_alone = alone;
    return HONE_OK;
}

#endif
