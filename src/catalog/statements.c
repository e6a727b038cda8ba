/* SPDX-License-Identifier: Apache-2.0
 *
 * The fixed statements, prepared once and kept; values in and out of them; and what SQLite's codes mean in words. */
#if HONE_WITH_SQLITE

#include "catalog_internal.h"

#include <string.h>

static const char *const texts[HONE_SQL_COUNT] = {
    /* Takes the write lock at once: waiting is possible now, later it would not be. */
    [HONE_SQL_BEGIN] = "BEGIN IMMEDIATE",
    [HONE_SQL_COMMIT] = "COMMIT",
    [HONE_SQL_ROLLBACK] = "ROLLBACK",
    [HONE_SQL_SAVEPOINT] = "SAVEPOINT one_change",
    [HONE_SQL_RELEASE] = "RELEASE one_change",
    [HONE_SQL_ROLLBACK_TO] = "ROLLBACK TO one_change",
    [HONE_SQL_SETTING] = "SELECT value FROM settings WHERE name=?1",
    [HONE_SQL_SET_SETTING] = "INSERT OR REPLACE INTO settings(name,value) VALUES(?1,?2)",
    [HONE_SQL_FIND] = "SELECT " HONE_PICTURE_COLUMNS " FROM pictures p WHERE p.path=?1",
    [HONE_SQL_GET] = "SELECT " HONE_PICTURE_COLUMNS " FROM pictures p WHERE p.id=?1",
    [HONE_SQL_CLASSES] = "WITH used AS (SELECT label AS name, count(*) AS pictures FROM pictures"
                         " WHERE label IS NOT NULL AND status<>2 GROUP BY label) "
                         "SELECT c.name, coalesce(u.pictures,0), 0 AS late, c.position AS place"
                         " FROM classes c LEFT JOIN used u ON u.name=c.name "
                         "UNION ALL SELECT u.name, u.pictures, 1, 0 FROM used u"
                         " WHERE u.name NOT IN (SELECT name FROM classes) ORDER BY 3,4,1",
    [HONE_SQL_CLEAR_CLASSES] = "DELETE FROM classes",
    [HONE_SQL_ADD_CLASS] = "INSERT INTO classes(position,name) VALUES(?1,?2)",
    [HONE_SQL_PUT_NEW] = "INSERT INTO pictures(path,sha256,perceptual_hash,bytes,modified,width,height,mode,label,"
                         "split,status,reason) VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12)",
    [HONE_SQL_PUT_OLD] = "UPDATE pictures SET sha256=?2,perceptual_hash=?3,bytes=?4,modified=?5,width=?6,height=?7,"
                         "mode=?8 WHERE path=?1 RETURNING id,status",
    [HONE_SQL_STATE] = "SELECT label,split,status,reason FROM pictures WHERE id=?1",
    [HONE_SQL_SET_LABEL] = "UPDATE pictures SET label=?2 WHERE id=?1",
    [HONE_SQL_SET_SPLIT] = "UPDATE pictures SET split=?2 WHERE id=?1",
    [HONE_SQL_SET_STATUS] = "UPDATE pictures SET status=?2,reason=?3 WHERE id=?1",
    [HONE_SQL_NEW_CHANGE] = "INSERT INTO changes(time,who) VALUES(?1,?2)",
    [HONE_SQL_DROP_CHANGE] = "DELETE FROM changes WHERE id=?1",
    [HONE_SQL_NEW_ENTRY] = "INSERT INTO entries(change,picture,what,old,new,old_reason,new_reason)"
                           " VALUES(?1,?2,?3,?4,?5,?6,?7)",
    [HONE_SQL_BEFORE_MISSING] = "SELECT old,old_reason FROM entries WHERE picture=?1 AND what='status' AND"
                                " new='missing' ORDER BY change DESC LIMIT 1",
    [HONE_SQL_ENTRIES_OF] = "SELECT picture,what,old,new,old_reason,new_reason FROM entries WHERE change=?1",
    [HONE_SQL_HISTORY] = "SELECT e.change,e.picture,c.time,c.who,e.what,e.old,e.new,e.old_reason,e.new_reason FROM"
                         " changes c JOIN entries e ON e.change=c.id ORDER BY e.change DESC,e.picture LIMIT ?1",
    [HONE_SQL_HISTORY_OF] = "SELECT e.change,e.picture,c.time,c.who,e.what,e.old,e.new,e.old_reason,e.new_reason FROM"
                            " entries e JOIN changes c ON c.id=e.change WHERE e.picture=?2 ORDER BY e.change DESC"
                            " LIMIT ?1",
    [HONE_SQL_SET_SCORE] = "INSERT INTO scores(picture,name,value) VALUES(?1,?2,?3)"
                           " ON CONFLICT(name,picture) DO UPDATE SET value=?3",
    [HONE_SQL_SCORE] = "SELECT value FROM scores WHERE picture=?1 AND name=?2",
    [HONE_SQL_CLEAR_SCORES] = "DELETE FROM scores WHERE name=?1",
    [HONE_SQL_SUGGEST] = "INSERT OR REPLACE INTO suggestions(picture,label,confidence) VALUES(?1,?2,?3)",
    [HONE_SQL_FORGET_SUGGESTION] = "DELETE FROM suggestions WHERE picture=?1",
    [HONE_SQL_SUGGESTION] = "SELECT label,confidence FROM suggestions WHERE picture=?1",
};

hone_status hone__catalog_fail(sqlite3 *db, const char *file, int code, hone_error *err) {
    switch (code & 0xff) {
    case SQLITE_NOMEM: HONE_FAIL(err, HONE_MEMORY, "out of memory (SQLite, for the catalog '%s')", file);
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        HONE_FAIL(err, HONE_IO,
                  "the catalog '%s' is being written by another process for more than five seconds; try again when "
                  "that is done",
                  file);
    case SQLITE_FULL: HONE_FAIL(err, HONE_IO, "cannot write the catalog '%s': the disk is full", file);
    case SQLITE_READONLY:
    case SQLITE_PERM:
        HONE_FAIL(err, HONE_IO, "cannot write the catalog '%s': it, or its folder, may only be read", file);
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
        HONE_FAIL(err, HONE_FORMAT, "the catalog '%s' is damaged or no catalog at all: %s", file,
                  db ? sqlite3_errmsg(db) : sqlite3_errstr(code));
    case SQLITE_CANTOPEN:
        HONE_FAIL(err, HONE_IO, "cannot open the catalog '%s': %s", file,
                  db ? sqlite3_errmsg(db) : sqlite3_errstr(code));
    case SQLITE_IOERR: HONE_FAIL(err, HONE_IO, "the catalog '%s': %s", file, sqlite3_errstr(code));
    default:
        HONE_FAIL(err, HONE_INTERNAL, "the catalog '%s': %s", file, db ? sqlite3_errmsg(db) : sqlite3_errstr(code));
    }
}

hone_status hone__statement(sqlite3_stmt **out, hone_catalog *catalog, hone__statement_id id, hone_error *err) {
    *out = NULL;
    if (!catalog->statements[id]) {
        int code =
            sqlite3_prepare_v3(catalog->db, texts[id], -1, SQLITE_PREPARE_PERSISTENT, &catalog->statements[id], NULL);
        if (code != SQLITE_OK) return hone__catalog_fail(catalog->db, catalog->file, code, err);
    }
    *out = catalog->statements[id];
    sqlite3_reset(*out);
    sqlite3_clear_bindings(*out);
    return HONE_OK;
}

hone_status hone__step(hone_catalog *catalog, sqlite3_stmt *statement, bool *has_row, hone_error *err) {
    int code = sqlite3_step(statement);
    if (has_row) *has_row = code == SQLITE_ROW;
    if (code == SQLITE_ROW && has_row) return HONE_OK;
    hone_status status =
        code == SQLITE_DONE || code == SQLITE_ROW ? HONE_OK : hone__catalog_fail(catalog->db, catalog->file, code, err);
    sqlite3_reset(statement);
    return status;
}

hone_status hone__bind_text(hone_catalog *catalog, sqlite3_stmt *statement, int at, const char *text, hone_error *err) {
    int code = text ? sqlite3_bind_text(statement, at, text, -1, SQLITE_STATIC) : sqlite3_bind_null(statement, at);
    return code == SQLITE_OK ? HONE_OK : hone__catalog_fail(catalog->db, catalog->file, code, err);
}

hone_status hone__bind_integer(hone_catalog *catalog, sqlite3_stmt *statement, int at, int64_t value, hone_error *err) {
    int code = sqlite3_bind_int64(statement, at, value);
    return code == SQLITE_OK ? HONE_OK : hone__catalog_fail(catalog->db, catalog->file, code, err);
}

hone_status hone__bind_real(hone_catalog *catalog, sqlite3_stmt *statement, int at, double value, hone_error *err) {
    int code = sqlite3_bind_double(statement, at, value);
    return code == SQLITE_OK ? HONE_OK : hone__catalog_fail(catalog->db, catalog->file, code, err);
}

hone_status hone__column_text(const char **out, hone_catalog *catalog, sqlite3_stmt *statement, int at,
                              hone_error *err) {
    *out = NULL;
    if (sqlite3_column_type(statement, at) == SQLITE_NULL) return HONE_OK;
    *out = (const char *)sqlite3_column_text(statement, at);
    return *out ? HONE_OK : hone__catalog_fail(catalog->db, catalog->file, SQLITE_NOMEM, err);
}

hone_status hone__run(hone_catalog *catalog, hone__statement_id id, hone_error *err) {
    sqlite3_stmt *statement;
    HONE_TRY(hone__statement(&statement, catalog, id, err));
    return hone__step(catalog, statement, NULL, err);
}

#endif
