/* SPDX-License-Identifier: Apache-2.0
 *
 * What models say of pictures: scores by name, and one suggested label. Neither is history: they can be made again. */
#if HONE_WITH_SQLITE

#include "catalog_internal.h"

#include <math.h>
#include <string.h>

static hone_status set_score(hone_catalog *catalog, int64_t id, const char *name, double value, hone_error *err) {
    sqlite3_stmt *statement;
    hone__picture_state state;
    HONE_TRY(hone__state_read(&state, catalog, id, err)); /* says in words where there is no such picture */
    hone__state_release(&state);
    HONE_TRY(hone__statement(&statement, catalog, HONE_SQL_SET_SCORE, err));
    HONE_TRY(hone__bind_integer(catalog, statement, 1, id, err));
    HONE_TRY(hone__bind_text(catalog, statement, 2, name, err));
    HONE_TRY(hone__bind_real(catalog, statement, 3, value, err));
    return hone__step(catalog, statement, NULL, err);
}

hone_status hone_catalog_set_score(hone_catalog *catalog, int64_t id, const char *name, double value, hone_error *err) {
    /* SQLite would keep a NaN as NULL. */
    if (isnan(value)) HONE_FAIL(err, HONE_NUMERIC, "the score '%s' of picture %lld is NaN", name, (long long)id);
    HONE_TRY(hone__catalog_enter(catalog, err));
    return hone__catalog_leave(catalog, set_score(catalog, id, name, value, err), err);
}

hone_status hone_catalog_score(hone_catalog *catalog, int64_t id, const char *name, double *out, hone_error *err) {
    sqlite3_stmt *statement;
    bool has_row;
    HONE_TRY(hone__statement(&statement, catalog, HONE_SQL_SCORE, err));
    HONE_TRY(hone__bind_integer(catalog, statement, 1, id, err));
    HONE_TRY(hone__bind_text(catalog, statement, 2, name, err));
    HONE_TRY(hone__step(catalog, statement, &has_row, err));
    if (!has_row) HONE_FAIL(err, HONE_NOT_FOUND, "picture %lld has no score '%s'", (long long)id, name);
    *out = sqlite3_column_double(statement, 0);
    sqlite3_reset(statement);
    return HONE_OK;
}

static hone_status clear_scores(hone_catalog *catalog, const char *name, hone_error *err) {
    sqlite3_stmt *statement;
    HONE_TRY(hone__statement(&statement, catalog, HONE_SQL_CLEAR_SCORES, err));
    HONE_TRY(hone__bind_text(catalog, statement, 1, name, err));
    return hone__step(catalog, statement, NULL, err);
}

hone_status hone_catalog_clear_scores(hone_catalog *catalog, const char *name, hone_error *err) {
    HONE_TRY(hone__catalog_enter(catalog, err));
    return hone__catalog_leave(catalog, clear_scores(catalog, name, err), err);
}

static hone_status suggest(hone_catalog *catalog, int64_t id, const char *label, double confidence, hone_error *err) {
    sqlite3_stmt *statement;
    hone__picture_state state;
    HONE_TRY(hone__state_read(&state, catalog, id, err));
    hone__state_release(&state);
    HONE_TRY(hone__statement(&statement, catalog, label ? HONE_SQL_SUGGEST : HONE_SQL_FORGET_SUGGESTION, err));
    HONE_TRY(hone__bind_integer(catalog, statement, 1, id, err));
    if (label) {
        HONE_TRY(hone__bind_text(catalog, statement, 2, label, err));
        HONE_TRY(hone__bind_real(catalog, statement, 3, confidence, err));
    }
    return hone__step(catalog, statement, NULL, err);
}

hone_status hone_catalog_suggest(hone_catalog *catalog, int64_t id, const char *label, double confidence,
                                 hone_error *err) {
    if (isnan(confidence)) HONE_FAIL(err, HONE_NUMERIC, "the confidence for picture %lld is NaN", (long long)id);
    HONE_TRY(hone__catalog_enter(catalog, err));
    return hone__catalog_leave(catalog, suggest(catalog, id, label, confidence, err), err);
}

hone_status hone_catalog_suggestion(hone_catalog *catalog, int64_t id, char *label, size_t size, double *confidence,
                                    hone_error *err) {
    sqlite3_stmt *statement;
    bool has_row;
    const char *text;
    HONE_TRY(hone__statement(&statement, catalog, HONE_SQL_SUGGESTION, err));
    HONE_TRY(hone__bind_integer(catalog, statement, 1, id, err));
    HONE_TRY(hone__step(catalog, statement, &has_row, err));
    if (!has_row) HONE_FAIL(err, HONE_NOT_FOUND, "nothing is suggested for picture %lld", (long long)id);
    hone_status status = hone__column_text(&text, catalog, statement, 0, err);
    if (status == HONE_OK && strlen(text) >= size)
        status = hone__fail(err, HONE_LIMIT, "a suggestion of %zu bytes, where %zu are possible", strlen(text), size);
    if (status == HONE_OK) {
        memcpy(label, text, strlen(text) + 1);
        *confidence = sqlite3_column_double(statement, 1);
    }
    sqlite3_reset(statement);
    return status;
}

#endif
