/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this folder share: the open catalog, its kept statements, and the frame around every change. */
#ifndef HONE_CATALOG_INTERNAL_H
#define HONE_CATALOG_INTERNAL_H

#include <hone/catalog.h>

#include "core_internal.h"

#include <sqlite3.h>
#include <string.h>

#define HONE_CATALOG_NAME "hone.db"

/* What every query for pictures selects, in the order in which look.c reads it. */
#define HONE_PICTURE_COLUMNS                                                                                           \
    "p.id,p.path,p.sha256,p.perceptual_hash,p.bytes,p.modified,p.width,p.height,p.mode,p.label,p.split,p.status,"      \
    "p.reason"

/* The fixed statements: prepared when first needed, kept until the catalog is closed. Their texts: statements.c. */
typedef enum hone__statement_id {
    HONE_SQL_BEGIN,
    HONE_SQL_COMMIT,
    HONE_SQL_ROLLBACK,
    HONE_SQL_SAVEPOINT,
    HONE_SQL_RELEASE,
    HONE_SQL_ROLLBACK_TO,
    HONE_SQL_SETTING,
    HONE_SQL_SET_SETTING,
    HONE_SQL_FIND,
    HONE_SQL_GET,
    HONE_SQL_CLASSES,
    HONE_SQL_CLEAR_CLASSES,
    HONE_SQL_ADD_CLASS,
    HONE_SQL_PUT_NEW,
    HONE_SQL_PUT_OLD,
    HONE_SQL_STATE,
    HONE_SQL_SET_LABEL,
    HONE_SQL_SET_SPLIT,
    HONE_SQL_SET_STATUS,
    HONE_SQL_NEW_CHANGE,
    HONE_SQL_DROP_CHANGE,
    HONE_SQL_NEW_ENTRY,
    HONE_SQL_BEFORE_MISSING,
    HONE_SQL_ENTRIES_OF,
    HONE_SQL_HISTORY,
    HONE_SQL_HISTORY_OF,
    HONE_SQL_SET_SCORE,
    HONE_SQL_SCORE,
    HONE_SQL_CLEAR_SCORES,
    HONE_SQL_SUGGEST,
    HONE_SQL_FORGET_SUGGESTION,
    HONE_SQL_SUGGESTION,
    HONE_SQL_COUNT
} hone__statement_id;

struct hone_catalog {
    sqlite3 *db;
    char *folder, *file, *who;
    bool is_read_only, in_transaction;
    sqlite3_stmt *statements[HONE_SQL_COUNT];
};

/* ---- statements ------------------------------------------------------------------------------------------------- */

/* The words for what SQLite last said about db: "catalog 'FILE': …". */
hone_status hone__catalog_fail(sqlite3 *db, const char *file, int code, hone_error *err);
/* The kept statement, reset and without values. */
hone_status hone__statement(sqlite3_stmt **out, hone_catalog *catalog, hone__statement_id id, hone_error *err);
/* One step: *has_row (may be NULL where none is expected). After the last row, or an error, the statement is reset. */
hone_status hone__step(hone_catalog *catalog, sqlite3_stmt *statement, bool *has_row, hone_error *err);
/* Values for ?1, ?2, …; text NULL is SQL's NULL. The text must live until the statement is reset. */
hone_status hone__bind_text(hone_catalog *catalog, sqlite3_stmt *statement, int at, const char *text, hone_error *err);
hone_status hone__bind_integer(hone_catalog *catalog, sqlite3_stmt *statement, int at, int64_t value, hone_error *err);
hone_status hone__bind_real(hone_catalog *catalog, sqlite3_stmt *statement, int at, double value, hone_error *err);
/* Column text, NULL for SQL's NULL; HONE_MEMORY where SQLite could not make it. */
hone_status hone__column_text(const char **out, hone_catalog *catalog, sqlite3_stmt *statement, int at,
                              hone_error *err);
/* Runs a kept statement that takes no values and gives no rows. */
hone_status hone__run(hone_catalog *catalog, hone__statement_id id, hone_error *err);

/* ---- changes ---------------------------------------------------------------------------------------------------- */

/* The frame around every function that changes something: a transaction of its own, or a savepoint inside the caller's.
 * leave takes what happened so far, commits or takes everything back, and returns the final status. */
hone_status hone__catalog_enter(hone_catalog *catalog, hone_error *err);
hone_status hone__catalog_leave(hone_catalog *catalog, hone_status status, hone_error *err);

/* What a picture is called now, on the heap: label, split, status and its reason. */
typedef struct hone__picture_state {
    char *label, *split, *reason;
    hone_picture_status status;
} hone__picture_state;

hone_status hone__state_read(hone__picture_state *out, hone_catalog *catalog, int64_t id, hone_error *err);
void hone__state_release(hone__picture_state *state);

/* One line of the history, and the same step on the picture's row. from_reason and to_reason are of a status. */
typedef struct hone__step_back {
    int64_t picture;
    const char *what, *from, *to, *from_reason, *to_reason;
} hone__step_back;

/* Gives the picture the value step->to and writes the entry into change. */
hone_status hone__change_one(hone_catalog *catalog, int64_t change, const hone__step_back *step, hone_error *err);
hone_status hone__change_begin(int64_t *change, hone_catalog *catalog, hone_error *err);
/* Takes the empty change away again: its number is then 0. */
hone_status hone__change_drop(int64_t *change, hone_catalog *catalog, hone_error *err);

/* ---- schema ----------------------------------------------------------------------------------------------------- */

/* Brings db from its version to count, one text of migrations per version, in one transaction. */
hone_status hone__schema_migrate(sqlite3 *db, const char *file, const char *const *migrations, int count,
                                 bool is_read_only, hone_error *err);
/* The same with the catalog's own tables. */
hone_status hone__schema_prepare(hone_catalog *catalog, hone_error *err);

/* Both NULL, or the same text. */
static inline bool hone__is_same_text(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

#endif
