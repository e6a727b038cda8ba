/* SPDX-License-Identifier: Apache-2.0
 *
 * Acting on a report: what was found becomes statuses, scores and suggestions in the catalog, in one transaction, under
 * a name of its own ("hone clean 2026-11-22 18:20:11"), by which it is taken back.
 *
 * An undo is recorded as "undo of NAME", so that the next undo takes back the application before. */
#define _POSIX_C_SOURCE 200809L
#include "clean_internal.h"

#include <hone/catalog.h>

#include "core_internal.h"
#include "file.h"

#include <string.h>
#include <time.h>

static const char run_prefix[] = "hone clean ", undo_prefix[] = "undo of ";
enum { WHO_SIZE = 128 };

static hone_status open_catalog(hone_catalog **out, char folder[HONE_CLEAN_PATH], const char *source, const char *file,
                                bool create, hone_error *err) {
    hone_catalog_config config = hone_catalog_config_default();
    config.create = create;
    config.file = file;
    HONE_TRY(hone_dataset_locate(folder, HONE_CLEAN_PATH, source, err));
    if (!hone__is_folder(folder))
        HONE_FAIL(err, HONE_ARGUMENT, "'%s' is no folder: only a folder has a catalog", folder);
    return hone_catalog_open(out, folder, &config, err);
}

/* ---- which row a finding is about ------------------------------------------------------------------------------ */

/* Rows of pictures that are not left out, by part, in order: the order of the samples. */
typedef struct rows {
    int64_t *ids[HONE_CLEAN_PARTS];
    size_t count[HONE_CLEAN_PARTS], capacity[HONE_CLEAN_PARTS];
} rows;

static int part_of(const char *split) {
    for (int part = 0; split && part < HONE_CLEAN_PARTS; part++)
        if (strcmp(split, hone__part_word(part)) == 0) return part;
    return 0; /* what is undivided trains */
}

static hone_status note_row(void *context, const hone_picture *picture, hone_error *err) {
    rows *r = context;
    int part = part_of(picture->split);
    if (picture->status != HONE_PICTURE_OK) return HONE_OK;
    HONE_TRY(hone__grow((void **)&r->ids[part], &r->capacity[part], r->count[part] + 1, sizeof **r->ids, err));
    r->ids[part][r->count[part]++] = picture->id;
    return HONE_OK;
}

static hone_status find_row(int64_t *id, hone_catalog *catalog, const char *folder, const rows *all,
                            const hone_finding *f, hone_error *err) {
    if (f->path) {
        const char *path = f->path;
        size_t length = strlen(folder);
        hone_picture picture;
        if (strncmp(path, folder, length) == 0) path += length;
        while (*path == '/') path++;
        HONE_TRY(hone_catalog_find(catalog, path, &picture, err));
        *id = picture.id;
        hone_picture_release(&picture);
        return HONE_OK;
    }
    int part = part_of(f->split);
    if (f->index < 0 || (size_t)f->index >= all->count[part])
        HONE_FAIL(err, HONE_NOT_FOUND, "the catalog has no picture %lld in its %s part; was it changed meanwhile?",
                  (long long)f->index, f->split);
    *id = all->ids[part][f->index];
    return HONE_OK;
}

/* ---- apply ----------------------------------------------------------------------------------------------------- */

static hone_status apply_finding(hone_catalog *catalog, const hone_finding *f, int64_t id, unsigned kinds,
                                 hone_clean_applied *applied, hone_error *err) {
    if (kinds >> f->kind & 1) {
        char reason[640];
        hone_picture picture;
        HONE_TRY(hone_catalog_get(catalog, id, &picture, err));
        bool is_there = picture.status == HONE_PICTURE_OK; /* else it keeps the reason it has */
        hone_picture_release(&picture);
        snprintf(reason, sizeof reason, "%s: %s", hone_finding_word(f->kind), f->reason);
        if (is_there) HONE_TRY(hone_catalog_set_status(catalog, &id, 1, HONE_PICTURE_QUARANTINED, reason, NULL, err));
        applied->quarantined += is_there;
    }
    if (f->kind == HONE_FINDING_OUTLIER) return hone_catalog_set_score(catalog, id, "outlier", f->score, err);
    if (f->kind != HONE_FINDING_LABEL) return HONE_OK;
    applied->suspects++;
    HONE_TRY(hone_catalog_set_score(catalog, id, "label", f->score, err));
    return hone_catalog_suggest(catalog, id, f->suggested, f->score, err);
}

static hone_status apply_all(const hone_clean_report *r, hone_catalog *catalog, const char *folder, const rows *all,
                             unsigned kinds, hone_clean_applied *applied, hone_error *err) {
    const unsigned scored = 1u << HONE_FINDING_LABEL | 1u << HONE_FINDING_OUTLIER;
    HONE_TRY(hone_catalog_clear_scores(catalog, "label", err));
    HONE_TRY(hone_catalog_clear_scores(catalog, "outlier", err));
    for (size_t i = 0; i < r->count; i++) {
        const hone_finding *f = &r->findings[i];
        int64_t id;
        if (!((kinds | scored) >> f->kind & 1) || f->kind == HONE_FINDING_IMBALANCE) continue;
        HONE_TRY(find_row(&id, catalog, folder, all, f, err));
        HONE_TRY(apply_finding(catalog, f, id, kinds, applied, err));
    }
    return HONE_OK;
}

/* Sets who to "hone clean" and the time. */
static hone_status sign(hone_catalog *catalog, hone_error *err) {
    char who[WHO_SIZE];
    time_t now = time(NULL);
    struct tm parts;
    if (!gmtime_r(&now, &parts)) HONE_FAIL(err, HONE_IO, "the time is not known");
    memcpy(who, run_prefix, sizeof run_prefix);
    strftime(who + sizeof run_prefix - 1, sizeof who - sizeof run_prefix, "%Y-%m-%d %H:%M:%S", &parts);
    return hone_catalog_set_who(catalog, who, err);
}

static hone_status in_transaction_apply(const hone_clean_report *r, hone_catalog *catalog, const char *folder,
                                        unsigned kinds, hone_clean_applied *applied, hone_error *err) {
    rows all = {.count = {0}};
    HONE_TRY(hone_catalog_begin(catalog, err));
    hone_status status = hone_catalog_each(catalog, NULL, note_row, &all, err);
    if (status == HONE_OK) status = sign(catalog, err);
    if (status == HONE_OK) status = apply_all(r, catalog, folder, &all, kinds, applied, err);
    if (status == HONE_OK) status = hone_catalog_commit(catalog, err);
    if (status != HONE_OK) hone_catalog_rollback(catalog);
    for (int part = 0; part < HONE_CLEAN_PARTS; part++) hone__free(all.ids[part]);
    return status;
}

hone_status hone_clean_apply(const hone_clean_report *r, unsigned kinds, hone_clean_applied *applied, hone_error *err) {
    hone_clean_applied done = {0};
    hone_catalog *catalog;
    char folder[HONE_CLEAN_PATH];
    HONE_TRY(open_catalog(&catalog, folder, r->source, r->catalog, true, err));
    /* What a folder holds, the catalog must know before anything can be said of it. */
    hone_status status = hone_catalog_scan(catalog, NULL, NULL, err);
    if (status == HONE_OK) status = in_transaction_apply(r, catalog, folder, kinds, &done, err);
    hone_catalog_close(catalog);
    if (status == HONE_OK && applied) *applied = done;
    return status;
}

/* ---- undo ------------------------------------------------------------------------------------------------------ */

typedef struct past {
    char (*undone)[WHO_SIZE]; /* names of applications that are taken back already */
    size_t undone_count, undone_capacity;
    char who[WHO_SIZE]; /* the application to take back; empty: not met yet */
    int64_t *changes;   /* its changes, newest first */
    size_t count, capacity;
    int64_t pictures;
} past;

static bool begins_with(const char *text, const char *prefix) {
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

static hone_status note_undone(past *p, const char *name, hone_error *err) {
    if (p->undone_count > 0 && strcmp(p->undone[p->undone_count - 1], name) == 0) return HONE_OK;
    HONE_TRY(hone__grow((void **)&p->undone, &p->undone_capacity, p->undone_count + 1, sizeof *p->undone, err));
    snprintf(p->undone[p->undone_count++], WHO_SIZE, "%s", name);
    return HONE_OK;
}

/* Newest first, so an undo is met before what it took back. */
static hone_status note_entry(void *context, const hone_catalog_entry *entry, hone_error *err) {
    past *p = context;
    const char *who = entry->who ? entry->who : "";
    if (begins_with(who, undo_prefix)) return note_undone(p, who + strlen(undo_prefix), err);
    if (!begins_with(who, run_prefix)) return HONE_OK;
    if (!p->who[0]) {
        for (size_t i = 0; i < p->undone_count; i++)
            if (strcmp(p->undone[i], who) == 0) return HONE_OK;
        snprintf(p->who, sizeof p->who, "%s", who);
    }
    if (strcmp(p->who, who) != 0) return HONE_OK;
    p->pictures++;
    if (p->count > 0 && p->changes[p->count - 1] == entry->change) return HONE_OK;
    HONE_TRY(hone__grow((void **)&p->changes, &p->capacity, p->count + 1, sizeof *p->changes, err));
    p->changes[p->count++] = entry->change;
    return HONE_OK;
}

typedef struct suspects {
    int64_t *ids;
    size_t count, capacity;
} suspects;

static hone_status note_suspect(void *context, const hone_picture *picture, hone_error *err) {
    suspects *s = context;
    HONE_TRY(hone__grow((void **)&s->ids, &s->capacity, s->count + 1, sizeof *s->ids, err));
    s->ids[s->count++] = picture->id;
    return HONE_OK;
}

static hone_status forget_suspects(hone_catalog *catalog, hone_error *err) {
    const hone_catalog_query query = {.score = "label"};
    suspects s = {0};
    hone_status status = hone_catalog_each(catalog, &query, note_suspect, &s, err);
    for (size_t i = 0; status == HONE_OK && i < s.count; i++)
        status = hone_catalog_suggest(catalog, s.ids[i], NULL, 0, err);
    if (status == HONE_OK) status = hone_catalog_clear_scores(catalog, "label", err);
    if (status == HONE_OK) status = hone_catalog_clear_scores(catalog, "outlier", err);
    hone__free(s.ids);
    return status;
}

static hone_status take_back(hone_catalog *catalog, const past *p, hone_clean_applied *applied, hone_error *err) {
    char who[WHO_SIZE + sizeof undo_prefix];
    snprintf(who, sizeof who, "%s%s", undo_prefix, p->who);
    HONE_TRY(hone_catalog_set_who(catalog, who, err));
    for (size_t i = 0; i < p->count; i++) {
        int64_t left_alone = 0;
        HONE_TRY(hone_catalog_revert(catalog, p->changes[i], NULL, &left_alone, err));
        applied->left_alone += left_alone;
    }
    applied->restored = p->pictures - applied->left_alone;
    return forget_suspects(catalog, err);
}

hone_status hone_clean_undo(const char *source, const char *file, hone_clean_applied *applied, hone_error *err) {
    hone_clean_applied done = {0};
    past p = {0};
    hone_catalog *catalog;
    char folder[HONE_CLEAN_PATH];
    HONE_TRY(open_catalog(&catalog, folder, source, file, false, err));
    hone_status status = hone_catalog_begin(catalog, err);
    if (status == HONE_OK) {
        status = hone_catalog_history(catalog, 0, 0, note_entry, &p, err);
        if (status == HONE_OK && !p.who[0])
            status = hone__fail(err, HONE_NOT_FOUND, "'%s' has nothing that hone clean quarantined", folder);
        if (status == HONE_OK) status = take_back(catalog, &p, &done, err);
        if (status == HONE_OK) status = hone_catalog_commit(catalog, err);
        if (status != HONE_OK) hone_catalog_rollback(catalog);
    }
    hone_catalog_close(catalog);
    hone__free(p.undone);
    hone__free(p.changes);
    if (status == HONE_OK && applied) *applied = done;
    return status;
}
