/* SPDX-License-Identifier: Apache-2.0
 *
 * The tables, as a list of migrations: text number n takes a file from version n to n + 1, and a new file goes through
 * all of them. user_version holds the version; application_id says that the file is a catalog at all. */
#if HONE_WITH_SQLITE

#include "catalog_internal.h"

/* "hone", big-endian; in the file's header, so that file(1) may know it. */
#define APPLICATION_ID 1752133221

static const char *const migrations[] = {
    /* 0 -> 1 */
    "CREATE TABLE settings(name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE classes(position INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);"
    /* AUTOINCREMENT: an id is never given again. */
    "CREATE TABLE pictures(id INTEGER PRIMARY KEY AUTOINCREMENT, path TEXT NOT NULL UNIQUE, sha256 TEXT,"
    " perceptual_hash INTEGER, bytes INTEGER NOT NULL, modified INTEGER NOT NULL, width INTEGER NOT NULL,"
    " height INTEGER NOT NULL, mode TEXT, label TEXT, split TEXT, status INTEGER NOT NULL, reason TEXT);"
    "CREATE INDEX pictures_label ON pictures(label, id, status);"
    "CREATE INDEX pictures_split ON pictures(split, id, status);"
    "CREATE INDEX pictures_status ON pictures(status);"
    "CREATE TABLE changes(id INTEGER PRIMARY KEY AUTOINCREMENT, time INTEGER NOT NULL, who TEXT NOT NULL);"
    "CREATE TABLE entries(change INTEGER NOT NULL REFERENCES changes(id), picture INTEGER NOT NULL"
    " REFERENCES pictures(id), what TEXT NOT NULL, old TEXT, new TEXT, old_reason TEXT, new_reason TEXT,"
    " PRIMARY KEY(change, picture, what)) WITHOUT ROWID;"
    "CREATE INDEX entries_picture ON entries(picture, change);"
    "CREATE TABLE scores(picture INTEGER NOT NULL REFERENCES pictures(id), name TEXT NOT NULL, value REAL NOT NULL,"
    " PRIMARY KEY(name, picture)) WITHOUT ROWID;"
    "CREATE INDEX scores_value ON scores(name, value DESC, picture);"
    "CREATE TABLE suggestions(picture INTEGER PRIMARY KEY REFERENCES pictures(id), label TEXT NOT NULL,"
    " confidence REAL NOT NULL);",
};

static hone_status read_number(int64_t *out, sqlite3 *db, const char *file, const char *sql, hone_error *err) {
    *out = 0;
    sqlite3_stmt *statement;
    int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (code == SQLITE_OK) {
        code = sqlite3_step(statement);
        *out = code == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
        code = sqlite3_finalize(statement);
    }
    return code == SQLITE_OK ? HONE_OK : hone__catalog_fail(db, file, code, err);
}

static hone_status run(sqlite3 *db, const char *file, const char *sql, hone_error *err) {
    int code = sqlite3_exec(db, sql, NULL, NULL, NULL);
    return code == SQLITE_OK ? HONE_OK : hone__catalog_fail(db, file, code, err);
}

/* A file that another program made must not be taken for an empty one. */
static hone_status check_owner(bool *is_fresh, sqlite3 *db, const char *file, hone_error *err) {
    int64_t owner, tables;
    HONE_TRY(read_number(&owner, db, file, "PRAGMA application_id", err));
    HONE_TRY(read_number(&tables, db, file, "SELECT count(*) FROM sqlite_master", err));
    *is_fresh = owner == 0 && tables == 0;
    if (owner != APPLICATION_ID && !*is_fresh)
        HONE_FAIL(err, HONE_FORMAT, "'%s' is a SQLite file of another program, not a catalog", file);
    return HONE_OK;
}

static hone_status migrate_from(sqlite3 *db, const char *file, const char *const *texts, int count, hone_error *err) {
    int64_t version;
    char stamp[96];
    /* Read again under the lock: another process may have been quicker. */
    HONE_TRY(read_number(&version, db, file, "PRAGMA user_version", err));
    for (int64_t i = version; i < count; i++) HONE_TRY(run(db, file, texts[i], err));
    snprintf(stamp, sizeof stamp, "PRAGMA application_id=%d; PRAGMA user_version=%d", APPLICATION_ID, count);
    return version < count ? run(db, file, stamp, err) : HONE_OK;
}

hone_status hone__schema_migrate(sqlite3 *db, const char *file, const char *const *texts, int count, bool is_read_only,
                                 hone_error *err) {
    int64_t version;
    bool is_fresh;
    HONE_TRY(check_owner(&is_fresh, db, file, err));
    HONE_TRY(read_number(&version, db, file, "PRAGMA user_version", err));
    if (version > count)
        HONE_FAIL(err, HONE_UNSUPPORTED,
                  "the catalog '%s' was made by a newer hone (its schema is %lld, this one knows up to %d)", file,
                  (long long)version, count);
    if (version < 0)
        HONE_FAIL(err, HONE_FORMAT, "the catalog '%s' says that its schema is %lld", file, (long long)version);
    if (version == count) return HONE_OK;
    if (is_fresh && is_read_only) HONE_FAIL(err, HONE_NOT_FOUND, "the catalog '%s' is empty", file);
    if (is_read_only)
        HONE_FAIL(err, HONE_UNSUPPORTED,
                  "the catalog '%s' was made by an older hone and is opened for reading only; 'hone collect' on its "
                  "folder brings it up to date",
                  file);
    HONE_TRY(run(db, file, "BEGIN IMMEDIATE", err));
    hone_status status = migrate_from(db, file, texts, count, err);
    if (status == HONE_OK) status = run(db, file, "COMMIT", err);
    if (status != HONE_OK && !sqlite3_get_autocommit(db)) sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
    return status;
}

hone_status hone__schema_prepare(hone_catalog *catalog, hone_error *err) {
    return hone__schema_migrate(catalog->db, catalog->file, migrations, (int)(sizeof migrations / sizeof *migrations),
                                catalog->is_read_only, err);
}

#endif
