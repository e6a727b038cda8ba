/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening and closing a catalog, and the frame around every change: a transaction of its own, or a savepoint inside the
 * caller's. */
#if HONE_WITH_SQLITE

#define _POSIX_C_SOURCE 200809L
#define _XOPEN_SOURCE   700
#include "catalog_internal.h"

#include "file.h"

#include <limits.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { BUSY_MILLISECONDS = 5000 };

/* ---- the SQLite file -------------------------------------------------------------------------------------------- */

static hone_status open_with(hone_catalog *catalog, const char *name, int flags, hone_error *err) {
    int code = sqlite3_open_v2(name, &catalog->db, flags | SQLITE_OPEN_NOMUTEX, NULL);
    if (code == SQLITE_OK) return HONE_OK;
    hone_status status = hone__catalog_fail(catalog->db, catalog->file, code, err);
    sqlite3_close(catalog->db);
    catalog->db = NULL;
    return status;
}

/* The first read: where the folder may not be written, this is what fails, since WAL keeps an index beside the file. */
static int probe(sqlite3 *db) {
    return sqlite3_exec(db, "PRAGMA schema_version", NULL, NULL, NULL);
}

/* Where nothing may be written, nobody writes: SQLite may then leave the index and the locks away. Not so where a log
 * lies beside the file: it holds changes that only a writer can bring in. */
static hone_status open_immutable(hone_catalog *catalog, hone_error *err) {
    char *log = hone__asprintf("%s-wal", catalog->file), *name = hone__alloc(strlen(catalog->file) * 3 + 32, 1);
    struct stat info;
    hone_status status = HONE_OK;
    if (!log || !name)
        status = hone__fail_memory(err, strlen(catalog->file), "a path");
    else if (stat(log, &info) == 0 && info.st_size > 0)
        status = hone__fail(err, HONE_IO,
                            "the catalog '%s' has changes in '%s' that a crash left there, and its folder may not be "
                            "written; open it once where it may",
                            catalog->file, log);
    if (status == HONE_OK) {
        char *out = name + sprintf(name, "file:");
        for (const char *in = catalog->file; *in; in++)
            out += sprintf(out, strchr("?#%", *in) ? "%%%02X" : "%c", (unsigned char)*in);
        memcpy(out, "?immutable=1", sizeof "?immutable=1");
        status = open_with(catalog, name, SQLITE_OPEN_READONLY | SQLITE_OPEN_URI, err);
    }
    hone__free(log);
    hone__free(name);
    return status;
}

/* Changing the journal's kind does not wait for other processes by itself. */
static int switch_to_wal(sqlite3 *db) {
    const struct timespec pause = {0, 10 * 1000 * 1000};
    int code = SQLITE_OK;
    for (int waited = 0; waited < BUSY_MILLISECONDS; waited += 10) {
        code = sqlite3_exec(db, "PRAGMA journal_mode=WAL", NULL, NULL, NULL);
        if (code != SQLITE_BUSY) break;
        nanosleep(&pause, NULL);
    }
    return code;
}

static hone_status open_database(hone_catalog *catalog, const hone_catalog_config *config, hone_error *err) {
    /* Also for reading, the file is opened for writing where that is possible: so the log of a crashed writer is brought
     * in and removed; query_only then keeps us from changing anything. */
    int flags = SQLITE_OPEN_READWRITE | (config->create && !config->read_only ? SQLITE_OPEN_CREATE : 0);
    HONE_TRY(open_with(catalog, catalog->file, flags, err));
    sqlite3_busy_timeout(catalog->db, BUSY_MILLISECONDS);
    int code = probe(catalog->db);
    if (config->read_only && (code == SQLITE_CANTOPEN || code == SQLITE_READONLY)) {
        sqlite3_close(catalog->db);
        catalog->db = NULL;
        HONE_TRY(open_immutable(catalog, err));
        code = probe(catalog->db);
    }
    if (code == SQLITE_OK && !config->read_only && sqlite3_db_readonly(catalog->db, "main") == 1)
        code = SQLITE_READONLY;
    /* A scan's rounds change pages all over the indices: with SQLite's usual 2 MB they would be written and read again and
     * again. Memory is taken as it is needed. Savepoints need no file of their own. */
    if (code == SQLITE_OK)
        code = sqlite3_exec(catalog->db, "PRAGMA cache_size=-131072; PRAGMA temp_store=MEMORY", NULL, NULL, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_exec(
            catalog->db, config->read_only ? "PRAGMA query_only=1" : "PRAGMA synchronous=FULL; PRAGMA foreign_keys=1",
            NULL, NULL, NULL);
    if (code != SQLITE_OK) return hone__catalog_fail(catalog->db, catalog->file, code, err);
    HONE_TRY(hone__schema_prepare(catalog, err));
    /* After the look at whose file it is: another program's is left as it was. */
    if (!config->read_only) code = switch_to_wal(catalog->db);
    return code == SQLITE_OK ? HONE_OK : hone__catalog_fail(catalog->db, catalog->file, code, err);
}

/* ---- whose folder ----------------------------------------------------------------------------------------------- */

static hone_status read_setting(char **out, hone_catalog *catalog, const char *name, hone_error *err) {
    sqlite3_stmt *statement;
    bool has_row;
    const char *text;
    *out = NULL;
    HONE_TRY(hone__statement(&statement, catalog, HONE_SQL_SETTING, err));
    HONE_TRY(hone__bind_text(catalog, statement, 1, name, err));
    HONE_TRY(hone__step(catalog, statement, &has_row, err));
    if (!has_row) return HONE_OK;
    hone_status status = hone__column_text(&text, catalog, statement, 0, err);
    if (status == HONE_OK) {
        *out = hone__strdup(text ? text : "");
        if (!*out) status = hone__fail_memory(err, 0, "a setting");
    }
    sqlite3_reset(statement);
    return status;
}

static hone_status write_setting(hone_catalog *catalog, const char *name, const char *value, hone_error *err) {
    sqlite3_stmt *statement;
    HONE_TRY(hone__statement(&statement, catalog, HONE_SQL_SET_SETTING, err));
    HONE_TRY(hone__bind_text(catalog, statement, 1, name, err));
    HONE_TRY(hone__bind_text(catalog, statement, 2, value, err));
    return hone__step(catalog, statement, NULL, err);
}

/* What the file says of its pictures' folder: "." where it lies in it, so that both may be moved together. */
static hone_status describe_folder(char **out, const hone_catalog *catalog, const char *folder, hone_error *err) {
    char real_folder[PATH_MAX], real_home[PATH_MAX];
    char *home = hone__folder_of(catalog->file);
    if (!home) return hone__fail_memory(err, strlen(catalog->file), "a path");
    bool is_real = realpath(folder, real_folder) && realpath(home, real_home);
    hone__free(home);
    if (!is_real) HONE_FAIL(err, HONE_NOT_FOUND, "there is no folder '%s'", folder);
    *out = hone__strdup(strcmp(real_folder, real_home) == 0 ? "." : real_folder);
    return *out ? HONE_OK : hone__fail_memory(err, strlen(real_folder), "a path");
}

static hone_status settle_folder(hone_catalog *catalog, const char *folder, hone_error *err) {
    char *recorded, *wanted = NULL;
    HONE_TRY(read_setting(&recorded, catalog, "folder", err));
    hone_status status = HONE_OK;
    if (folder) {
        catalog->folder = hone__strdup(folder);
        status = catalog->folder ? HONE_OK : hone__fail_memory(err, strlen(folder), "a path");
        if (status == HONE_OK && !catalog->is_read_only) status = describe_folder(&wanted, catalog, folder, err);
        if (wanted && (!recorded || strcmp(recorded, wanted) != 0))
            status = write_setting(catalog, "folder", wanted, err);
    } else {
        catalog->folder =
            recorded && strcmp(recorded, ".") != 0 ? hone__strdup(recorded) : hone__folder_of(catalog->file);
        if (!catalog->folder) status = hone__fail_memory(err, strlen(catalog->file), "a path");
    }
    hone__free(recorded);
    hone__free(wanted);
    return status;
}

/* ---- open and close --------------------------------------------------------------------------------------------- */

hone_status hone_catalog_set_who(hone_catalog *catalog, const char *who, hone_error *err) {
    char *copy = NULL;
    if (who) {
        copy = hone__strdup(who);
    } else {
        char buffer[4096];
        struct passwd entry, *found = NULL;
        if (getpwuid_r(geteuid(), &entry, buffer, sizeof buffer, &found) == 0 && found)
            copy = hone__strdup(found->pw_name);
        else
            copy = hone__asprintf("user %ld", (long)geteuid());
    }
    if (!copy) return hone__fail_memory(err, 64, "a name");
    hone__free(catalog->who);
    catalog->who = copy;
    return HONE_OK;
}

static hone_status open_catalog(hone_catalog *catalog, const char *folder, const hone_catalog_config *config,
                                hone_error *err) {
    catalog->is_read_only = config->read_only;
    catalog->file = config->file ? hone__strdup(config->file) : hone__join_path(folder, HONE_CATALOG_NAME);
    if (!catalog->file) return hone__fail_memory(err, 256, "a path");
    if (folder && !hone__is_folder(folder)) HONE_FAIL(err, HONE_NOT_FOUND, "there is no folder '%s'", folder);
    if (!hone__file_exists(catalog->file) && (!config->create || config->read_only))
        HONE_FAIL(err, HONE_NOT_FOUND, "there is no catalog '%s'; 'hone collect' on the folder makes one",
                  catalog->file);
    if (hone__is_folder(catalog->file)) HONE_FAIL(err, HONE_IO, "'%s' is a folder, not a catalog", catalog->file);
    HONE_TRY(hone_catalog_set_who(catalog, config->who, err));
    HONE_TRY(open_database(catalog, config, err));
    return settle_folder(catalog, folder, err);
}

hone_status hone_catalog_open(hone_catalog **out, const char *folder, const hone_catalog_config *config,
                              hone_error *err) {
    const hone_catalog_config defaults = hone_catalog_config_default();
    *out = NULL;
    if (!config) config = &defaults;
    if (!folder && !config->file) HONE_FAIL(err, HONE_ARGUMENT, "neither a folder nor a catalog file was named");
    hone_catalog *catalog = hone__alloc(1, sizeof *catalog);
    if (!catalog) return hone__fail_memory(err, sizeof *catalog, "a catalog");
    hone_status status = open_catalog(catalog, folder, config, err);
    if (status == HONE_OK)
        *out = catalog;
    else
        hone_catalog_close(catalog);
    return status;
}

void hone_catalog_close(hone_catalog *catalog) {
    if (!catalog) return;
    for (int i = 0; i < HONE_SQL_COUNT; i++) sqlite3_finalize(catalog->statements[i]);
    /* An open transaction is taken back. */
    sqlite3_close(catalog->db);
    hone__free(catalog->folder);
    hone__free(catalog->file);
    hone__free(catalog->who);
    hone__free(catalog);
}

const char *hone_catalog_folder(const hone_catalog *catalog) {
    return catalog->folder;
}

const char *hone_catalog_file(const hone_catalog *catalog) {
    return catalog->file;
}

/* ---- transactions ----------------------------------------------------------------------------------------------- */

static hone_status check_writable(const hone_catalog *catalog, hone_error *err) {
    if (catalog->is_read_only)
        HONE_FAIL(err, HONE_ARGUMENT, "the catalog '%s' was opened for reading only", catalog->file);
    return HONE_OK;
}

/* A full disk or a lack of memory may have made SQLite take the whole transaction back by itself. */
static hone_status check_alive(hone_catalog *catalog, hone_error *err) {
    if (sqlite3_get_autocommit(catalog->db))
        HONE_FAIL(err, HONE_IO, "the catalog '%s': an earlier error took the transaction back", catalog->file);
    return HONE_OK;
}

hone_status hone_catalog_begin(hone_catalog *catalog, hone_error *err) {
    HONE_TRY(check_writable(catalog, err));
    if (catalog->in_transaction) HONE_FAIL(err, HONE_ARGUMENT, "a transaction is open already");
    HONE_TRY(hone__run(catalog, HONE_SQL_BEGIN, err));
    catalog->in_transaction = true;
    return HONE_OK;
}

hone_status hone_catalog_commit(hone_catalog *catalog, hone_error *err) {
    if (!catalog->in_transaction) HONE_FAIL(err, HONE_ARGUMENT, "no transaction is open");
    hone_status status = check_alive(catalog, err);
    if (status == HONE_OK) status = hone__run(catalog, HONE_SQL_COMMIT, err);
    if (status != HONE_OK)
        hone_catalog_rollback(catalog);
    else
        catalog->in_transaction = false;
    return status;
}

void hone_catalog_rollback(hone_catalog *catalog) {
    /* Without memory for a statement, SQLite still takes back by sqlite3_exec or, at the latest, on closing. */
    if (!sqlite3_get_autocommit(catalog->db) && hone__run(catalog, HONE_SQL_ROLLBACK, NULL) != HONE_OK)
        sqlite3_exec(catalog->db, "ROLLBACK", NULL, NULL, NULL);
    catalog->in_transaction = false;
}

hone_status hone__catalog_enter(hone_catalog *catalog, hone_error *err) {
    HONE_TRY(check_writable(catalog, err));
    if (!catalog->in_transaction) return hone__run(catalog, HONE_SQL_BEGIN, err);
    HONE_TRY(check_alive(catalog, err));
    return hone__run(catalog, HONE_SQL_SAVEPOINT, err);
}

hone_status hone__catalog_leave(hone_catalog *catalog, hone_status status, hone_error *err) {
    if (status == HONE_OK)
        status = hone__run(catalog, catalog->in_transaction ? HONE_SQL_RELEASE : HONE_SQL_COMMIT, err);
    if (status == HONE_OK) return HONE_OK;
    if (!catalog->in_transaction)
        hone_catalog_rollback(catalog);
    else if (!sqlite3_get_autocommit(catalog->db) && (hone__run(catalog, HONE_SQL_ROLLBACK_TO, NULL) != HONE_OK ||
                                                      hone__run(catalog, HONE_SQL_RELEASE, NULL) != HONE_OK))
        sqlite3_exec(catalog->db, "ROLLBACK", NULL, NULL, NULL); /* half a change must not be committed */
    return status;
}

#endif
