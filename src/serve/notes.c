/* SPDX-License-Identifier: Apache-2.0
 *
 * FOLDER/.lessons.json: {"version": 1, "lessons": [{"model", "class", "picture"}, …]}. It is small (no more notes than a
 * model may have lessons) and written anew as a whole each time, so whatever ends the server there is a whole one. */
#include "notes.h"

#include <hone/format.h>
#include <hone/teach.h>

#include "core_internal.h"
#include "file.h"

#include <pthread.h>
#include <string.h>

enum { VERSION = 1, MAX_FILE_BYTES = 16 << 20 };

struct hone__notes {
    char *folder, *path;
    pthread_mutex_t lock; /* of what follows */
    hone__note *notes;    /* (HONE_MAX_LESSONS) */
    size_t count;
};

static void release_note(hone__note *note) {
    hone__free(note->model);
    hone__free(note->label);
    hone__free(note->picture);
    *note = (hone__note){0};
}

static hone_status make_note(hone__note *out, const char *model, const char *label, const char *picture,
                             hone_error *err) {
    *out = (hone__note){hone__strdup(model), hone__strdup(label), hone__strdup(picture)};
    if (out->model && out->label && out->picture) return HONE_OK;
    release_note(out);
    return hone__fail_memory(err, 0, "a note of a lesson");
}

/* The file of a note; NULL: memory is out. */
static char *picture_path(const hone__notes *n, const hone__note *note) {
    char *folder = hone__join_path(n->folder, note->label),
         *path = folder ? hone__join_path(folder, note->picture) : NULL;
    hone__free(folder);
    return path;
}

/* ---- the file ---------------------------------------------------------------------------------------------------- */

static bool is_plain_name(const char *name) {
    return name && *name && *name != '.' && !strchr(name, '/');
}

static hone_status read_notes(hone__notes *n, const hone_value *document, hone_error *err) {
    const hone_value *list = hone_value_get(document, "lessons");
    int64_t version = 0;
    if (!hone_value_as_integer(hone_value_get(document, "version"), &version) || version != VERSION ||
        hone_value_kind_of(list) != HONE_VALUE_LIST)
        HONE_FAIL(err, HONE_FORMAT, "it has no list of lessons of version %d", VERSION);
    if (hone_value_count(list) > HONE_MAX_LESSONS)
        HONE_FAIL(err, HONE_LIMIT, "it has %zu lessons, the limit is %d", hone_value_count(list), HONE_MAX_LESSONS);
    for (size_t i = 0; i < hone_value_count(list); i++) {
        const hone_value *one = hone_value_at(list, i);
        const char *model = hone_value_as_string(hone_value_get(one, "model"));
        const char *label = hone_value_as_string(hone_value_get(one, "class"));
        const char *picture = hone_value_as_string(hone_value_get(one, "picture"));
        if (!model || !is_plain_name(label) || !is_plain_name(picture))
            HONE_FAIL(err, HONE_FORMAT, "its lesson %zu is malformed", i);
        HONE_TRY(make_note(&n->notes[n->count], model, label, picture, err));
        n->count++;
    }
    return HONE_OK;
}

static hone_status read_file(hone__notes *n, hone_error *err) {
    unsigned char *text;
    size_t size;
    hone_value *document = NULL;
    if (!hone__file_exists(n->path)) return HONE_OK;
    HONE_TRY(hone__file_read(n->path, MAX_FILE_BYTES, &text, &size, err));
    hone_status status = hone_json_parse(&document, (const char *)text, size, err);
    if (status == HONE_OK) status = read_notes(n, document, err);
    hone_value_free(document);
    hone__free(text);
    if (status == HONE_OK) return HONE_OK;
    return hone__fail_context(err, status, "'%s' (without it, what was taught is forgotten)", n->path);
}

static hone_status write_file(const hone__notes *n, hone_error *err) {
    hone_value *document = hone_value_object(), *list = hone_value_list();
    char *text = NULL;
    for (size_t i = 0; i < n->count; i++) {
        hone_value *one = hone_value_object();
        hone_value_set_string(one, "model", n->notes[i].model);
        hone_value_set_string(one, "class", n->notes[i].label);
        hone_value_set_string(one, "picture", n->notes[i].picture);
        hone_value_append(list, one);
    }
    hone_value_set_integer(document, "version", VERSION);
    hone_value_set(document, "lessons", list);
    hone_status status = hone_value_failed(document) ? hone__fail_memory(err, 0, "notes of lessons")
                                                     : hone_json_print(&text, document, 1, false, err);
    hone_value_free(document);
    if (status == HONE_OK) status = hone__file_write(n->path, text, strlen(text), err);
    hone__free(text);
    return status;
}

/* ---- beginning and end -------------------------------------------------------------------------------------------- */

hone_status hone__notes_create(hone__notes **out, const char *folder, hone_error *err) {
    *out = NULL;
    hone__notes *n = hone__alloc(1, sizeof *n);
    if (!n) return hone__fail_memory(err, sizeof *n, "notes of lessons");
    pthread_mutex_init(&n->lock, NULL);
    n->folder = hone__strdup(folder);
    n->path = hone__join_path(folder, ".lessons.json");
    n->notes = hone__alloc(HONE_MAX_LESSONS, sizeof *n->notes);
    hone_status status =
        n->folder && n->path && n->notes ? read_file(n, err) : hone__fail_memory(err, 0, "notes of lessons");
    if (status != HONE_OK) {
        hone__notes_free(n);
        return status;
    }
    *out = n;
    return HONE_OK;
}

void hone__notes_free(hone__notes *n) {
    if (!n) return;
    for (size_t i = 0; n->notes && i < n->count; i++) release_note(&n->notes[i]);
    pthread_mutex_destroy(&n->lock);
    hone__free(n->notes);
    hone__free(n->folder);
    hone__free(n->path);
    hone__free(n);
}

/* ---- notes -------------------------------------------------------------------------------------------------------- */

static void drop(hone__notes *n, size_t i) {
    release_note(&n->notes[i]);
    memmove(n->notes + i, n->notes + i + 1, (--n->count - i) * sizeof *n->notes);
}

/* Notes of pictures that somebody took away. */
static hone_status drop_stale(hone__notes *n, hone_error *err) {
    for (size_t i = 0; i < n->count;) {
        char *path = picture_path(n, &n->notes[i]);
        if (!path) return hone__fail_memory(err, 0, "a path");
        if (hone__file_exists(path))
            i++;
        else
            drop(n, i);
        hone__free(path);
    }
    return HONE_OK;
}

/* With the lock held. */
static hone_status add(hone__notes *n, const char *model, const char *label, const char *picture, hone_error *err) {
    hone__note note;
    size_t same = 0;
    while (same < n->count &&
           (strcmp(n->notes[same].model, model) != 0 || strcmp(n->notes[same].picture, picture) != 0))
        same++;
    if (same < n->count && strcmp(n->notes[same].label, label) == 0) return HONE_OK;
    if (n->count == HONE_MAX_LESSONS) HONE_TRY(drop_stale(n, err));
    if (n->count == HONE_MAX_LESSONS)
        HONE_FAIL(err, HONE_LIMIT, "there are %zu lessons already: from so many, train (hone finetune)", n->count);
    HONE_TRY(make_note(&note, model, label, picture, err));
    if (same < n->count) drop(n, same);
    n->notes[n->count++] = note;
    return write_file(n, err);
}

hone_status hone__notes_add(hone__notes *n, const char *model, const char *label, const char *picture,
                            hone_error *err) {
    pthread_mutex_lock(&n->lock);
    hone_status status = add(n, model, label, picture, err);
    pthread_mutex_unlock(&n->lock);
    return status;
}

hone_status hone__notes_visit(hone__notes *n, const char *model, hone__notes_visitor visit, void *context,
                              hone_error *err) {
    hone_status status = HONE_OK;
    pthread_mutex_lock(&n->lock);
    for (size_t i = 0; status == HONE_OK && i < n->count; i++) {
        if (strcmp(n->notes[i].model, model) != 0) continue;
        char *path = picture_path(n, &n->notes[i]);
        if (!path)
            status = hone__fail_memory(err, 0, "a path");
        else if (hone__file_exists(path))
            status = visit(context, path, n->notes[i].label, err);
        hone__free(path);
    }
    pthread_mutex_unlock(&n->lock);
    return status;
}
