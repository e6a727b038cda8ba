/* SPDX-License-Identifier: Apache-2.0
 *
 * A CSV manifest: one picture per line, its path (relative to the manifest) and its label, and perhaps its part. The
 * first line names the columns (path, file, filename or image; label or class; split or part) and shows, by what stands
 * between them, what separates fields. A train.csv without a column for the part has the other parts beside it: val.csv
 * (valid.csv, validation.csv) and test.csv. */
#include "readers.h"

#include "core_internal.h"
#include "file.h"

#include <stdlib.h>
#include <string.h>

/* Spreadsheets write semicolons where a comma is the decimal point, and tabs when asked for text. */
char hone__csv_separator(const char *text) {
    bool is_quoted = false;
    for (; *text && (is_quoted || (*text != '\n' && *text != '\r')); text++) {
        if (*text == '"') is_quoted = !is_quoted;
        if (!is_quoted && (*text == ',' || *text == ';' || *text == '\t')) return *text;
    }
    return ',';
}

bool hone__csv_field(char **at, char **field, char separator, bool *is_last) {
    char *in = *at, *out = *at;
    bool is_quoted = *in == '"';
    *field = out;
    if (is_quoted) {
        for (in++; *in && (*in != '"' || in[1] == '"'); in++) {
            if (*in == '"') in++;
            *out++ = *in;
        }
        if (*in != '"') return false;
        in++;
    }
    while (*in && *in != separator && *in != '\n' && *in != '\r') *out++ = *in++;
    char end = *in;
    if (end) in++;
    if (end == '\r' && *in == '\n') in++;
    *out = '\0';
    *is_last = end != separator;
    *at = in;
    return true;
}

/* ---- columns --------------------------------------------------------------------------------------------------- */

enum { MAX_COLUMNS = 64 };

typedef struct columns {
    int path, label, part; /* -1: there is none */
    int count;
    char separator; /* of fields, here and in the rows */
} columns;

static bool is_one_of(const char *text, const char *const *words) {
    while (*words && strcmp(text, *words) != 0) words++;
    return *words != NULL;
}

static hone_status read_columns(columns *out, char **at, hone_error *err) {
    static const char *const paths[] = {"path", "file", "filename", "image", NULL};
    static const char *const labels[] = {"label", "class", NULL};
    static const char *const parts[] = {"split", "part", NULL};
    *out = (columns){-1, -1, -1, 0, hone__csv_separator(*at)};
    for (bool is_last = false; !is_last; out->count++) {
        char *field;
        if (!hone__csv_field(at, &field, out->separator, &is_last))
            HONE_FAIL(err, HONE_FORMAT, "line 1: a quote is not closed");
        if (out->count == MAX_COLUMNS) HONE_FAIL(err, HONE_LIMIT, "line 1: more than %d columns", MAX_COLUMNS);
        if (is_one_of(field, paths)) out->path = out->count;
        if (is_one_of(field, labels)) out->label = out->count;
        if (is_one_of(field, parts)) out->part = out->count;
    }
    if (out->path < 0) HONE_FAIL(err, HONE_FORMAT, "line 1 names no column 'path' (or 'file', 'filename', 'image')");
    return HONE_OK;
}

/* ---- rows ------------------------------------------------------------------------------------------------------ */

/* A row points into the text of its manifest. */
typedef struct row {
    const char *path, *label;
    hone__part part;
} row;

typedef struct table {
    row *rows;
    size_t count, capacity;
    bool present[HONE_PARTS];
    unsigned char *texts[HONE_PARTS]; /* of the part's own file; the first is that which was asked for */
} table;

static hone_status read_row(row *out, char **at, const columns *c, hone__part part, size_t line, hone_error *err) {
    char *fields[MAX_COLUMNS];
    int count = 0;
    for (bool is_last = false; !is_last; count++) {
        char *field;
        if (!hone__csv_field(at, &field, c->separator, &is_last))
            HONE_FAIL(err, HONE_FORMAT, "line %zu: a quote is not closed", line);
        if (count == c->count) HONE_FAIL(err, HONE_FORMAT, "line %zu: more than %d fields", line, c->count);
        fields[count] = field;
    }
    if (count != c->count)
        HONE_FAIL(err, HONE_FORMAT, "line %zu: %d field%s, where %d are named", line, count, count == 1 ? "" : "s",
                  c->count);
    out->path = fields[c->path];
    out->label = c->label >= 0 && fields[c->label][0] ? fields[c->label] : NULL;
    out->part = part;
    if (!out->path[0]) HONE_FAIL(err, HONE_FORMAT, "line %zu: the path is empty", line);
    if (c->part >= 0 && fields[c->part][0] && !hone__part_parse(&out->part, fields[c->part]))
        HONE_FAIL(err, HONE_FORMAT, "line %zu: '%s' is not a part of a data set", line, fields[c->part]);
    return HONE_OK;
}

/* What follows the columns, of part where no column says another. Lines are counted as records: a quoted line end does not
 * begin a new one. */
static hone_status read_rows(table *t, const columns *c, char *at, hone__part part, hone_error *err) {
    for (size_t line = 2; *at; line++) {
        if (*at == '\n' || *at == '\r') { /* an empty line */
            at++;
            continue;
        }
        HONE_TRY(hone__grow((void **)&t->rows, &t->capacity, t->count + 1, sizeof *t->rows, err));
        HONE_TRY(read_row(&t->rows[t->count], &at, c, part, line, err));
        t->present[t->rows[t->count++].part] = true;
    }
    return HONE_OK;
}

static int compare_labels(const void *a, const void *b) {
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The labels of all parts, sorted by bytes, each once: labels (t->count) is room for them. */
static size_t list_classes(const char **labels, const table *t) {
    size_t count = 0, distinct = 0;
    for (size_t i = 0; i < t->count; i++)
        if (t->rows[i].label) labels[count++] = t->rows[i].label;
    if (count > 1) qsort(labels, count, sizeof *labels, compare_labels);
    for (size_t i = 0; i < count; i++)
        if (i == 0 || strcmp(labels[i], labels[distinct - 1]) != 0) labels[distinct++] = labels[i];
    return distinct;
}

static hone_status list_pictures(hone__picture_list *list, const table *t, const char **labels, size_t classes,
                                 const char *folder, hone__part part, bool allow_unlabelled, hone_error *err) {
    for (size_t i = 0; i < t->count; i++) {
        const row *r = &t->rows[i];
        int32_t label = -1;
        if (r->part != part) continue;
        if (r->label) {
            const char **found = bsearch(&r->label, labels, classes, sizeof *labels, compare_labels);
            label = (int32_t)(found - labels);
        } else if (!allow_unlabelled) {
            HONE_FAIL(err, HONE_NOT_FOUND, "'%s' has no label", r->path);
        }
        char *path = r->path[0] == '/' ? hone__strdup(r->path) : hone__join_path(folder, r->path);
        if (!path) return hone__fail_memory(err, strlen(r->path), "a path");
        hone_status status = hone__picture_list_add(list, path, label, err);
        if (status != HONE_OK) {
            hone__free(path);
            return status;
        }
    }
    return HONE_OK;
}

static hone_status take_table(hone__dataset_parts *parts, char origin[HONE_ORIGIN_SIZE], const table *t,
                              const hone__request *request, hone_error *err) {
    hone__part part;
    hone__picture_list list = {0};
    if (t->count == 0) HONE_FAIL(err, HONE_FORMAT, "names no pictures");
    if (!hone__part_choose(&part, request, t->present))
        HONE_FAIL(err, HONE_NOT_FOUND, "has no %s part", hone__part_name(part));
    const char **labels = hone__alloc(t->count, sizeof *labels);
    char *folder = hone__folder_of(request->path);
    hone_status status = HONE_OK;
    if (!labels || !folder) status = hone__fail_memory(err, t->count * sizeof *labels, "labels");
    size_t classes = status == HONE_OK ? list_classes(labels, t) : 0;
    if (classes > HONE_MAX_CLASSES)
        status = hone__fail(err, HONE_LIMIT, "%zu classes, where %d are possible", classes, HONE_MAX_CLASSES);
    if (status == HONE_OK)
        status = list_pictures(&list, t, labels, classes, folder, part, request->config->allow_unlabelled, err);
    if (status == HONE_OK && classes > 0) status = hone__dataset_parts_name(parts, labels, classes, err);
    if (status == HONE_OK) status = hone__decode_pictures(parts, &list, request, err);
    if (status == HONE_OK) snprintf(origin, HONE_ORIGIN_SIZE, "CSV, %s", hone__part_name(part));
    hone__picture_list_release(&list);
    hone__free(labels);
    hone__free(folder);
    return status;
}

/* ---- files ------------------------------------------------------------------------------------------------------- */

/* *at: behind the mark that spreadsheets begin with. */
static hone_status read_text(unsigned char **out, char **at, const char *path, hone_error *err) {
    size_t size;
    HONE_TRY(hone__file_read(path, HONE_MAX_FILE_BYTES, out, &size, err));
    *at = (char *)*out + (size >= 3 && memcmp(*out, "\xef\xbb\xbf", 3) == 0 ? 3 : 0);
    if (strlen((const char *)*out) != size) HONE_FAIL(err, HONE_FORMAT, "not a text file");
    return HONE_OK;
}

hone_status hone__find_manifest(bool *is_one, const char *path, hone_error *err) {
    unsigned char *text = NULL;
    columns c;
    char *at;
    *is_one = false;
    if (!hone__file_exists(path) || hone__is_folder(path)) return HONE_OK;
    hone_status status = read_text(&text, &at, path, err);
    *is_one = status == HONE_OK && read_columns(&c, &at, NULL) == HONE_OK;
    hone__free(text);
    return status == HONE_MEMORY ? status : HONE_OK; /* what cannot be read is none */
}

/* The manifest of another part beside that of the train part. A file of that name that is no manifest (its first line names
 * no path) is somebody else's. */
static hone_status read_beside(table *t, const char *folder, const char *name, hone__part part, hone_error *err) {
    columns c;
    char *at, *path = hone__join_path(folder, name);
    if (!path) return hone__fail_memory(err, strlen(folder) + strlen(name), "a path");
    hone_status status = HONE_OK;
    if (hone__file_exists(path) && !hone__is_folder(path)) {
        if (t->texts[part])
            status = hone__fail(err, HONE_FORMAT, "there are two files for the %s part", hone__part_name(part));
        else
            status = read_text(&t->texts[part], &at, path, err);
        if (status == HONE_OK && read_columns(&c, &at, NULL) == HONE_OK) status = read_rows(t, &c, at, part, err);
        if (status != HONE_OK) hone__fail_context(err, status, "'%s'", name);
    }
    hone__free(path);
    return status;
}

static hone_status read_all_beside(table *t, const char *path, hone_error *err) {
    static const struct {
        const char *name;
        hone__part part;
    } others[] = {{"val.csv", HONE_PART_VALIDATION},
                  {"valid.csv", HONE_PART_VALIDATION},
                  {"validation.csv", HONE_PART_VALIDATION},
                  {"test.csv", HONE_PART_TEST}};
    char *folder = hone__folder_of(path);
    if (!folder) return hone__fail_memory(err, strlen(path), "a path");
    hone_status status = HONE_OK;
    for (size_t i = 0; status == HONE_OK && i < sizeof others / sizeof *others; i++)
        status = read_beside(t, folder, others[i].name, others[i].part, err);
    hone__free(folder);
    return status;
}

static hone_status read_table(table *t, const char *path, hone_error *err) {
    columns c;
    char *at, name[16];
    HONE_TRY(read_text(&t->texts[HONE_PART_TRAIN], &at, path, err));
    HONE_TRY(read_columns(&c, &at, err));
    HONE_TRY(read_rows(t, &c, at, HONE_PART_TRAIN, err));
    hone__base_name(name, sizeof name, path);
    return c.part < 0 && strcmp(name, HONE__TRAIN_CSV) == 0 ? read_all_beside(t, path, err) : HONE_OK;
}

hone_status hone__read_csv_file(hone__dataset_parts *parts, char origin[HONE_ORIGIN_SIZE], const hone__request *request,
                                hone_error *err) {
    table t = {0};
    hone_status status = read_table(&t, request->path, err);
    if (status == HONE_OK) status = take_table(parts, origin, &t, request, err);
    hone__free(t.rows);
    for (int i = 0; i < HONE_PARTS; i++) hone__free(t.texts[i]);
    return status == HONE_OK ? HONE_OK : hone__fail_context(err, status, "'%s'", request->path);
}
