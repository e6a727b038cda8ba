/* SPDX-License-Identifier: Apache-2.0
 *
 * Changing: what a picture is called and where it belongs, each step with its entry in the history, in one transaction. */
#if HONE_WITH_SQLITE

#include "catalog_internal.h"

#include "file.h"

#include <hone/data.h>

#include <string.h>
#include <time.h>

/* ---- what a picture is now -------------------------------------------------------------------------------------- */

void hone__state_release(hone__picture_state *state) {
    hone__free(state->label);
    hone__free(state->split);
    hone__free(state->reason);
    *state = (hone__picture_state){0};
}

static hone_status take_text(char **out, hone_catalog *catalog, sqlite3_stmt *row, int at, hone_error *err) {
    const char *text;
    HONE_TRY(hone__column_text(&text, catalog, row, at, err));
    *out = text ? hone__strdup(text) : NULL;
    return text && !*out ? hone__fail_memory(err, strlen(text), "a picture's record") : HONE_OK;
}

hone_status hone__state_read(hone__picture_state *out, hone_catalog *catalog, int64_t id, hone_error *err) {
    sqlite3_stmt *row;
    bool has_row;
    *out = (hone__picture_state){0};
    HONE_TRY(hone__statement(&row, catalog, HONE_SQL_STATE, err));
    HONE_TRY(hone__bind_integer(catalog, row, 1, id, err));
    HONE_TRY(hone__step(catalog, row, &has_row, err));
    if (!has_row)
        HONE_FAIL(err, HONE_NOT_FOUND, "the catalog '%s' has no picture number %lld", catalog->file, (long long)id);
    hone_status status = take_text(&out->label, catalog, row, 0, err);
    if (status == HONE_OK) status = take_text(&out->split, catalog, row, 1, err);
    out->status = (hone_picture_status)sqlite3_column_int(row, 2);
    if (status == HONE_OK) status = take_text(&out->reason, catalog, row, 3, err);
    sqlite3_reset(row);
    if (status != HONE_OK) hone__state_release(out);
    return status;
}

/* ---- one step, with its entry ----------------------------------------------------------------------------------- */

hone_status hone__change_begin(int64_t *change, hone_catalog *catalog, hone_error *err) {
    sqlite3_stmt *statement;
    HONE_TRY(hone__statement(&statement, catalog, HONE_SQL_NEW_CHANGE, err));
    HONE_TRY(hone__bind_integer(catalog, statement, 1, (int64_t)time(NULL), err));
    HONE_TRY(hone__bind_text(catalog, statement, 2, catalog->who, err));
    HONE_TRY(hone__step(catalog, statement, NULL, err));
    *change = sqlite3_last_insert_rowid(catalog->db);
    return HONE_OK;
}

hone_status hone__change_drop(int64_t *change, hone_catalog *catalog, hone_error *err) {
    sqlite3_stmt *statement;
    HONE_TRY(hone__statement(&statement, catalog, HONE_SQL_DROP_CHANGE, err));
    HONE_TRY(hone__bind_integer(catalog, statement, 1, *change, err));
    *change = 0;
    return hone__step(catalog, statement, NULL, err);
}

static hone_status set_value(hone_catalog *catalog, const hone__step_back *step, hone_error *err) {
    sqlite3_stmt *statement;
    bool is_status = strcmp(step->what, "status") == 0;
    hone__statement_id id = is_status                          ? HONE_SQL_SET_STATUS
                            : strcmp(step->what, "label") == 0 ? HONE_SQL_SET_LABEL
                                                               : HONE_SQL_SET_SPLIT;
    HONE_TRY(hone__statement(&statement, catalog, id, err));
    HONE_TRY(hone__bind_integer(catalog, statement, 1, step->picture, err));
    if (is_status) {
        hone_picture_status status;
        if (!step->to || !hone_picture_status_parse(&status, step->to))
            HONE_FAIL(err, HONE_FORMAT, "the catalog '%s': '%s' is not a status", catalog->file,
                      step->to ? step->to : "");
        HONE_TRY(hone__bind_integer(catalog, statement, 2, status, err));
        HONE_TRY(hone__bind_text(catalog, statement, 3, step->to_reason, err));
    } else {
        HONE_TRY(hone__bind_text(catalog, statement, 2, step->to, err));
    }
    return hone__step(catalog, statement, NULL, err);
}

hone_status hone__change_one(hone_catalog *catalog, int64_t change, const hone__step_back *step, hone_error *err) {
    sqlite3_stmt *statement;
    const char *texts[] = {step->what, step->from, step->to, step->from_reason, step->to_reason};
    HONE_TRY(set_value(catalog, step, err));
    HONE_TRY(hone__statement(&statement, catalog, HONE_SQL_NEW_ENTRY, err));
    HONE_TRY(hone__bind_integer(catalog, statement, 1, change, err));
    HONE_TRY(hone__bind_integer(catalog, statement, 2, step->picture, err));
    for (int i = 0; i < 5; i++) HONE_TRY(hone__bind_text(catalog, statement, 3 + i, texts[i], err));
    return hone__step(catalog, statement, NULL, err);
}

/* ---- labels, splits, status ------------------------------------------------------------------------------------- */

typedef struct wish {
    const char *what, *to, *to_reason;
} wish;

/* Gives one picture the value, unless it has it; a picture named twice has it the second time. */
static hone_status grant(hone_catalog *catalog, int64_t change, int64_t id, const wish *w, bool *was_needed,
                         hone_error *err) {
    hone__picture_state state;
    HONE_TRY(hone__state_read(&state, catalog, id, err));
    bool is_status = strcmp(w->what, "status") == 0;
    const char *from = is_status                       ? hone_picture_status_name(state.status)
                       : strcmp(w->what, "label") == 0 ? state.label
                                                       : state.split;
    *was_needed = !hone__is_same_text(from, w->to) || (is_status && !hone__is_same_text(state.reason, w->to_reason));
    hone_status status = HONE_OK;
    if (*was_needed) {
        hone__step_back step = {id, w->what, from, w->to, is_status ? state.reason : NULL, w->to_reason};
        status = hone__change_one(catalog, change, &step, err);
    }
    hone__state_release(&state);
    return status;
}

static hone_status grant_all(hone_catalog *catalog, const int64_t *ids, size_t count, const wish *w, int64_t *change,
                             hone_error *err) {
    size_t needed = 0;
    HONE_TRY(hone__change_begin(change, catalog, err));
    for (size_t i = 0; i < count; i++) {
        bool was_needed;
        HONE_TRY(grant(catalog, *change, ids[i], w, &was_needed, err));
        needed += was_needed;
    }
    return needed > 0 ? HONE_OK : hone__change_drop(change, catalog, err);
}

static hone_status change_all(hone_catalog *catalog, const int64_t *ids, size_t count, const wish *w, int64_t *change,
                              hone_error *err) {
    int64_t number = 0;
    HONE_TRY(hone__catalog_enter(catalog, err));
    hone_status status = hone__catalog_leave(catalog, grant_all(catalog, ids, count, w, &number, err), err);
    if (change) *change = status == HONE_OK ? number : 0;
    return status;
}

static hone_status check_label(const char *label, hone_error *err) {
    if (!label) return HONE_OK;
    if (!label[0]) HONE_FAIL(err, HONE_ARGUMENT, "a label cannot be empty");
    if (strlen(label) > HONE_MAX_CLASS_NAME)
        HONE_FAIL(err, HONE_LIMIT, "a label of %zu bytes, where %d are possible", strlen(label), HONE_MAX_CLASS_NAME);
    if (hone__has_control(label)) HONE_FAIL(err, HONE_ARGUMENT, "the label '%.64s' has a control character", label);
    return HONE_OK;
}

static hone_status check_split(const char *split, hone_error *err) {
    if (split && strcmp(split, "train") != 0 && strcmp(split, "validation") != 0 && strcmp(split, "test") != 0)
        HONE_FAIL(err, HONE_ARGUMENT, "'%s' is not a part of a data set: train, validation or test", split);
    return HONE_OK;
}

hone_status hone_catalog_label(hone_catalog *catalog, const int64_t *ids, size_t count, const char *label,
                               int64_t *change, hone_error *err) {
    HONE_TRY(check_label(label, err));
    return change_all(catalog, ids, count, &(wish){"label", label, NULL}, change, err);
}

hone_status hone_catalog_set_split(hone_catalog *catalog, const int64_t *ids, size_t count, const char *split,
                                   int64_t *change, hone_error *err) {
    HONE_TRY(check_split(split, err));
    return change_all(catalog, ids, count, &(wish){"split", split, NULL}, change, err);
}

hone_status hone_catalog_set_status(hone_catalog *catalog, const int64_t *ids, size_t count, hone_picture_status status,
                                    const char *reason, int64_t *change, hone_error *err) {
    if ((unsigned)status > HONE_PICTURE_MISSING) HONE_FAIL(err, HONE_ARGUMENT, "%d is not a status", (int)status);
    return change_all(catalog, ids, count, &(wish){"status", hone_picture_status_name(status), reason}, change, err);
}

/* ---- classes ---------------------------------------------------------------------------------------------------- */

static hone_status replace_classes(hone_catalog *catalog, const char *const *names, size_t count, hone_error *err) {
    HONE_TRY(hone__run(catalog, HONE_SQL_CLEAR_CLASSES, err));
    for (size_t i = 0; i < count; i++) {
        sqlite3_stmt *statement;
        for (size_t k = 0; k < i; k++)
            if (strcmp(names[i], names[k]) == 0) HONE_FAIL(err, HONE_ARGUMENT, "class '%s' is named twice", names[i]);
        HONE_TRY(check_label(names[i], err));
        HONE_TRY(hone__statement(&statement, catalog, HONE_SQL_ADD_CLASS, err));
        HONE_TRY(hone__bind_integer(catalog, statement, 1, (int64_t)i, err));
        HONE_TRY(hone__bind_text(catalog, statement, 2, names[i], err));
        HONE_TRY(hone__step(catalog, statement, NULL, err));
    }
    return HONE_OK;
}

hone_status hone_catalog_set_classes(hone_catalog *catalog, const char *const *names, size_t count, hone_error *err) {
    if (count > HONE_MAX_CLASSES)
        HONE_FAIL(err, HONE_LIMIT, "%zu classes, where %d are possible", count, HONE_MAX_CLASSES);
    HONE_TRY(hone__catalog_enter(catalog, err));
    return hone__catalog_leave(catalog, replace_classes(catalog, names, count, err), err);
}

/* ---- putting ---------------------------------------------------------------------------------------------------- */

static hone_status bind_file(hone_catalog *catalog, sqlite3_stmt *s, const hone_picture *p, hone_error *err) {
    HONE_TRY(hone__bind_text(catalog, s, 1, p->path, err));
    HONE_TRY(hone__bind_text(catalog, s, 2, p->sha256, err));
    if (p->has_perceptual_hash) HONE_TRY(hone__bind_integer(catalog, s, 3, (int64_t)p->perceptual_hash, err));
    HONE_TRY(hone__bind_integer(catalog, s, 4, p->bytes, err));
    HONE_TRY(hone__bind_integer(catalog, s, 5, p->modified, err));
    HONE_TRY(hone__bind_integer(catalog, s, 6, p->width, err));
    HONE_TRY(hone__bind_integer(catalog, s, 7, p->height, err));
    return hone__bind_text(catalog, s, 8, p->mode, err);
}

static hone_status put_new(hone_catalog *catalog, hone_picture *p, hone_error *err) {
    sqlite3_stmt *s;
    HONE_TRY(hone__statement(&s, catalog, HONE_SQL_PUT_NEW, err));
    HONE_TRY(bind_file(catalog, s, p, err));
    HONE_TRY(hone__bind_text(catalog, s, 9, p->label, err));
    HONE_TRY(hone__bind_text(catalog, s, 10, p->split, err));
    HONE_TRY(hone__bind_integer(catalog, s, 11, p->status, err));
    HONE_TRY(hone__bind_text(catalog, s, 12, p->reason, err));
    HONE_TRY(hone__step(catalog, s, NULL, err));
    p->id = sqlite3_last_insert_rowid(catalog->db);
    return HONE_OK;
}

/* A picture that was missing is there again: it gets the status back that it had before it went. */
static hone_status welcome_back(hone_catalog *catalog, int64_t id, hone_error *err) {
    sqlite3_stmt *before;
    bool has_row;
    const char *status_name = NULL, *reason = NULL;
    char *former_reason = NULL;
    int64_t change;
    hone_picture_status former = HONE_PICTURE_OK;
    HONE_TRY(hone__statement(&before, catalog, HONE_SQL_BEFORE_MISSING, err));
    HONE_TRY(hone__bind_integer(catalog, before, 1, id, err));
    HONE_TRY(hone__step(catalog, before, &has_row, err));
    hone_status status = HONE_OK;
    if (has_row) {
        status = hone__column_text(&status_name, catalog, before, 0, err);
        if (status == HONE_OK) status = hone__column_text(&reason, catalog, before, 1, err);
        if (status == HONE_OK && status_name) hone_picture_status_parse(&former, status_name);
        if (status == HONE_OK && reason) {
            former_reason = hone__strdup(reason);
            if (!former_reason) status = hone__fail_memory(err, strlen(reason), "a reason");
        }
    }
    sqlite3_reset(before);
    if (status == HONE_OK)
        status = grant_all(catalog, &id, 1, &(wish){"status", hone_picture_status_name(former), former_reason}, &change,
                           err);
    hone__free(former_reason);
    return status;
}

static hone_status put(hone_catalog *catalog, hone_picture *p, hone_error *err) {
    sqlite3_stmt *s;
    bool is_known;
    HONE_TRY(hone__statement(&s, catalog, HONE_SQL_PUT_OLD, err));
    HONE_TRY(bind_file(catalog, s, p, err));
    HONE_TRY(hone__step(catalog, s, &is_known, err));
    if (!is_known) return put_new(catalog, p, err);
    p->id = sqlite3_column_int64(s, 0);
    bool was_missing = sqlite3_column_int(s, 1) == HONE_PICTURE_MISSING;
    sqlite3_reset(s);
    return was_missing ? welcome_back(catalog, p->id, err) : HONE_OK;
}

hone_status hone_catalog_put(hone_catalog *catalog, hone_picture *picture, hone_error *err) {
    if (!picture->path || !hone__is_inside_path(picture->path))
        HONE_FAIL(err, HONE_ARGUMENT, "'%s' is not a path inside the catalog's folder",
                  picture->path ? picture->path : "");
    if (picture->width < 0 || picture->height < 0 || picture->bytes < 0 ||
        (unsigned)picture->status > HONE_PICTURE_MISSING)
        HONE_FAIL(err, HONE_ARGUMENT, "'%s': a size or a status that cannot be", picture->path);
    HONE_TRY(check_label(picture->label, err));
    HONE_TRY(check_split(picture->split, err));
    HONE_TRY(hone__catalog_enter(catalog, err));
    return hone__catalog_leave(catalog, put(catalog, picture, err), err);
}

#endif
