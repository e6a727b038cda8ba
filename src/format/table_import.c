/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of a table become changes of a catalog: all of them, or none. Pictures that get the same value are one change, so
 * that an import of a million labels is a few lines of history to take back. */
#include "tables.h"

#include "core_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- files to rows ---------------------------------------------------------------------------------------------- */

static hone_status read_file(hone__table *table, const char *file, hone_error *err) {
    unsigned char *text;
    size_t size;
    if (hone__is_folder(file)) return hone__table_read_voc(table, file, err);
    HONE_TRY(hone__file_read(file, HONE_MAX_FILE_BYTES, &text, &size, err));
    hone_status status;
    char *start = (char *)text + (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0 ? 3 : 0);
    if (strlen((const char *)text) != size)
        status = hone__fail(err, HONE_FORMAT, "not a text file");
    else if (start[strspn(start, " \t\r\n")] == '{')
        status = hone__table_read_json(table, start, strlen(start), err);
    else
        status = hone__table_read_csv(table, start, err);
    hone__free(text);
    return status == HONE_OK ? HONE_OK : hone__fail_context(err, status, "'%s'", file);
}

/* ---- names of files --------------------------------------------------------------------------------------------- */

/* Annotations name files without their folders. */
typedef struct file_name {
    char *path;
    const char *name;
} file_name;

typedef struct name_index {
    file_name *names; /* sorted by name */
    size_t count, capacity;
} name_index;

static hone_status add_name(void *context, const hone_picture *p, hone_error *err) {
    name_index *index = context;
    HONE_TRY(hone__grow((void **)&index->names, &index->capacity, index->count + 1, sizeof *index->names, err));
    char *path = hone__strdup(p->path);
    if (!path) return hone__fail_memory(err, strlen(p->path), "a path");
    const char *slash = strrchr(path, '/');
    index->names[index->count++] = (file_name){path, slash ? slash + 1 : path};
    return HONE_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const file_name *)a)->name, ((const file_name *)b)->name);
}

static void name_index_release(name_index *index) {
    for (size_t i = 0; i < index->count; i++) hone__free(index->names[i].path);
    hone__free(index->names);
}

/* The one path that ends in this name; NULL where there is none or there are several. */
static const char *path_by_name(const name_index *index, const char *name) {
    const char *slash = strrchr(name, '/');
    const file_name key = {NULL, slash ? slash + 1 : name};
    const file_name *found = index->count > 0 ? bsearch(&key, index->names, index->count, sizeof key, by_name) : NULL;
    if (!found) return NULL;
    bool is_alone = (found == index->names || by_name(found - 1, found) != 0) &&
                    (found + 1 == index->names + index->count || by_name(found + 1, found) != 0);
    return is_alone ? found->path : NULL;
}

/* As the catalog calls the path: without "./", without the folder before it. */
static const char *inside_folder(const char *path, const char *folder) {
    size_t length = strlen(folder);
    while (length > 1 && folder[length - 1] == '/') length--;
    if (strncmp(path, folder, length) == 0 && path[length] == '/') path += length + 1;
    while (path[0] == '.' && path[1] == '/') path += 2;
    return path;
}

static hone_status find_picture(hone_picture *out, hone_catalog *catalog, const char *path, const name_index *index,
                                bool by_bare_name, hone_error *err) {
    hone_status status = hone_catalog_find(catalog, path, out, err);
    if (status == HONE_NOT_FOUND)
        status = hone_catalog_find(catalog, inside_folder(path, hone_catalog_folder(catalog)), out, err);
    if (status != HONE_NOT_FOUND || !by_bare_name) return status;
    const char *other = path_by_name(index, path);
    return other ? hone_catalog_find(catalog, other, out, err) : status;
}

/* ---- rows to changes -------------------------------------------------------------------------------------------- */

/* One picture and what it shall be; value NULL: nothing. Of a status it is the reason. */
typedef struct wish {
    int64_t id;
    size_t order; /* of the row: the last one wins */
    const char *value;
    hone_picture_status status;
} wish;

typedef struct wishes {
    wish *items;
    size_t count, capacity;
} wishes;

typedef enum what { LABEL, SPLIT, STATUS, WHATS } what;

static hone_status add_wish(wishes *w, wish added, hone_error *err) {
    HONE_TRY(hone__grow((void **)&w->items, &w->capacity, w->count + 1, sizeof *w->items, err));
    w->items[w->count++] = added;
    return HONE_OK;
}

static int by_id(const void *a, const void *b) {
    const wish *x = a, *y = b;
    if (x->id != y->id) return x->id < y->id ? -1 : 1;
    return (x->order > y->order) - (x->order < y->order);
}

static int by_value(const void *a, const void *b) {
    const wish *x = a, *y = b;
    if (x->status != y->status) return x->status < y->status ? -1 : 1;
    int order = x->value && y->value ? strcmp(x->value, y->value) : !y->value - !x->value;
    return order ? order : by_id(a, b);
}

static hone_status grant(hone_catalog *catalog, what kind, const int64_t *ids, size_t count, const wish *w,
                         hone_error *err) {
    switch (kind) {
    case LABEL: return hone_catalog_label(catalog, ids, count, w->value, NULL, err);
    case SPLIT: return hone_catalog_set_split(catalog, ids, count, w->value, NULL, err);
    default: return hone_catalog_set_status(catalog, ids, count, w->status, w->value, NULL, err);
    }
}

static bool is_same(const char *a, const char *b) {
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static hone_status grant_all(hone_catalog *catalog, what kind, wishes *w, hone_error *err) {
    if (w->count == 0) return HONE_OK;
    int64_t *ids = hone__alloc(w->count, sizeof *ids);
    if (!ids) return hone__fail_memory(err, w->count * sizeof *ids, "an import");
    size_t kept = 0;
    qsort(w->items, w->count, sizeof *w->items, by_id);
    for (size_t i = 0; i < w->count; i++)
        if (i + 1 == w->count || w->items[i + 1].id != w->items[i].id) w->items[kept++] = w->items[i];
    qsort(w->items, kept, sizeof *w->items, by_value);
    hone_status status = HONE_OK;
    for (size_t first = 0, count; first < kept && status == HONE_OK; first += count) {
        const wish *one = &w->items[first];
        for (count = 0; first + count < kept; count++) {
            const wish *other = &w->items[first + count];
            if (one->status != other->status || !is_same(one->value, other->value)) break;
            ids[count] = other->id;
        }
        status = grant(catalog, kind, ids, count, one, err);
    }
    hone__free(ids);
    return status;
}

static hone_status note_row(wishes all[WHATS], const hone__table_row *row, size_t order, const hone_picture *p,
                            int64_t *changed, hone_error *err) {
    bool relabels = row->has_label && !is_same(row->label, p->label);
    bool moves = row->has_split && !is_same(row->split, p->split);
    bool changes_status = row->has_status && p->status != HONE_PICTURE_MISSING &&
                          (row->status != p->status || !is_same(row->reason, p->reason));
    *changed += relabels || moves || changes_status;
    /* Also what is so already: of two rows about one picture the last one counts. */
    if (row->has_label) HONE_TRY(add_wish(&all[LABEL], (wish){p->id, order, row->label, 0}, err));
    if (row->has_split) HONE_TRY(add_wish(&all[SPLIT], (wish){p->id, order, row->split, 0}, err));
    if (!row->has_status || p->status == HONE_PICTURE_MISSING) return HONE_OK;
    return add_wish(&all[STATUS], (wish){p->id, order, row->reason, row->status}, err);
}

typedef struct listener {
    void (*unknown)(void *context, const char *path);
    void *context;
} listener;

static hone_status apply_rows(hone_catalog *catalog, const hone__table *table, const name_index *index,
                              const listener *l, hone_catalog_import_report *report, hone_error *err) {
    wishes all[WHATS] = {{NULL, 0, 0}};
    hone_status status = HONE_OK;
    for (size_t i = 0; i < table->count && status == HONE_OK; i++) {
        hone_picture picture;
        status = find_picture(&picture, catalog, table->rows[i].path, index, table->by_name, err);
        if (status == HONE_NOT_FOUND) {
            status = HONE_OK;
            report->unknown++;
            if (l->unknown) l->unknown(l->context, table->rows[i].path);
        } else if (status == HONE_OK) {
            status = note_row(all, &table->rows[i], i, &picture, &report->changed, err);
            hone_picture_release(&picture);
        }
    }
    for (int kind = 0; kind < WHATS; kind++) {
        if (status == HONE_OK) status = grant_all(catalog, (what)kind, &all[kind], err);
        hone__free(all[kind].items);
    }
    return status;
}

static hone_status import_table(hone_catalog *catalog, const hone__table *table, const listener *l,
                                hone_catalog_import_report *report, hone_error *err) {
    name_index index = {0};
    HONE_TRY(hone_catalog_begin(catalog, err));
    hone_status status = table->by_name ? hone_catalog_each(catalog, NULL, add_name, &index, err) : HONE_OK;
    if (index.count > 1) qsort(index.names, index.count, sizeof *index.names, by_name);
    if (status == HONE_OK) status = apply_rows(catalog, table, &index, l, report, err);
    name_index_release(&index);
    if (status == HONE_OK) return hone_catalog_commit(catalog, err);
    hone_catalog_rollback(catalog);
    return status;
}

hone_status hone_catalog_import(hone_catalog *catalog, const char *file,
                                void (*unknown)(void *context, const char *path), void *context,
                                hone_catalog_import_report *report, hone_error *err) {
    hone__table table = {0};
    hone_catalog_import_report counts = {0};
    const listener l = {unknown, context};
    hone_status status = read_file(&table, file, err);
    counts.rows = (int64_t)table.count;
    counts.unclear = table.unclear;
    if (status == HONE_OK) status = import_table(catalog, &table, &l, &counts, err);
    hone__table_release(&table);
    if (report) *report = counts;
    return status;
}
