/* SPDX-License-Identifier: Apache-2.0
 *
 * Tables of labels as text: CSV with named columns, or one JSON object per line. What is not there is left alone; what is
 * there and empty is taken away. */
#include "tables.h"

#include "core_internal.h"
#include "format_internal.h"

#include <string.h>

/* ---- rows ------------------------------------------------------------------------------------------------------- */

hone_status hone__table_add(hone__table_row **out, hone__table *table, hone_error *err) {
    HONE_TRY(hone__grow((void **)&table->rows, &table->capacity, table->count + 1, sizeof *table->rows, err));
    *out = &table->rows[table->count++];
    return HONE_OK;
}

void hone__table_release(hone__table *table) {
    for (size_t i = 0; i < table->count; i++) {
        hone__free(table->rows[i].path);
        hone__free(table->rows[i].label);
        hone__free(table->rows[i].split);
        hone__free(table->rows[i].reason);
    }
    hone__free(table->rows);
    *table = (hone__table){0};
}

hone_status hone__table_text(char **out, const char *text, hone_error *err) {
    hone__free(*out);
    *out = NULL;
    if (!text || !text[0]) return HONE_OK;
    *out = hone__strdup(text);
    return *out ? HONE_OK : hone__fail_memory(err, strlen(text), "a row");
}

/* ---- what a column means ---------------------------------------------------------------------------------------- */

typedef enum column { COLUMN_OTHER, COLUMN_PATH, COLUMN_LABEL, COLUMN_SPLIT, COLUMN_STATUS, COLUMN_REASON } column;

static column column_of(const char *name) {
    static const struct {
        const char *name;
        column means;
    } names[] = {{"path", COLUMN_PATH},     {"file", COLUMN_PATH},    {"filename", COLUMN_PATH}, {"image", COLUMN_PATH},
                 {"label", COLUMN_LABEL},   {"class", COLUMN_LABEL},  {"split", COLUMN_SPLIT},   {"part", COLUMN_SPLIT},
                 {"status", COLUMN_STATUS}, {"reason", COLUMN_REASON}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (strcmp(names[i].name, name) == 0) return names[i].means;
    return COLUMN_OTHER;
}

/* value NULL or "": none. */
static hone_status set_column(hone__table_row *row, column means, const char *value, hone_error *err) {
    hone__part part;
    switch (means) {
    case COLUMN_OTHER: return HONE_OK;
    case COLUMN_PATH: return hone__table_text(&row->path, value, err);
    case COLUMN_LABEL: row->has_label = true; return hone__table_text(&row->label, value, err);
    case COLUMN_REASON: return hone__table_text(&row->reason, value, err);
    case COLUMN_SPLIT:
        row->has_split = true;
        if (!value || !value[0]) return hone__table_text(&row->split, NULL, err);
        if (!hone__part_parse(&part, value)) HONE_FAIL(err, HONE_FORMAT, "'%s' is not a part of a data set", value);
        return hone__table_text(&row->split, hone__part_name(part), err);
    case COLUMN_STATUS:
        if (!value || !value[0]) return HONE_OK;
        row->has_status = true;
        if (!hone_picture_status_parse(&row->status, value) || row->status == HONE_PICTURE_MISSING)
            HONE_FAIL(err, HONE_FORMAT, "'%s' is not a status: ok or quarantined", value);
        return HONE_OK;
    }
    return HONE_OK;
}

static hone_status check_row(const hone__table_row *row, hone_error *err) {
    if (!row->path) HONE_FAIL(err, HONE_FORMAT, "the path is empty");
    return HONE_OK;
}

/* ---- CSV -------------------------------------------------------------------------------------------------------- */

enum { MAX_COLUMNS = 64 };

static hone_status read_header(column columns[MAX_COLUMNS], int *count, char **at, char separator, hone_error *err) {
    bool has_path = false, has_more = false;
    *count = 0;
    for (bool is_last = false; !is_last; ++*count) {
        char *field;
        if (!hone__csv_field(at, &field, separator, &is_last))
            HONE_FAIL(err, HONE_FORMAT, "line 1: a quote is not closed");
        if (*count == MAX_COLUMNS) HONE_FAIL(err, HONE_LIMIT, "line 1: more than %d columns", MAX_COLUMNS);
        columns[*count] = column_of(field);
        has_path = has_path || columns[*count] == COLUMN_PATH;
        has_more = has_more || columns[*count] > COLUMN_PATH;
    }
    if (!has_path) HONE_FAIL(err, HONE_FORMAT, "line 1 names no column 'path' (or 'file', 'filename', 'image')");
    if (!has_more) HONE_FAIL(err, HONE_FORMAT, "line 1 names no column 'label', 'split' or 'status'");
    return HONE_OK;
}

static hone_status read_csv_row(hone__table *table, char **at, char separator, const column *columns, int count,
                                hone_error *err) {
    hone__table_row *row;
    int field_count = 0;
    HONE_TRY(hone__table_add(&row, table, err));
    for (bool is_last = false; !is_last; field_count++) {
        char *field;
        if (!hone__csv_field(at, &field, separator, &is_last)) HONE_FAIL(err, HONE_FORMAT, "a quote is not closed");
        if (field_count == count) HONE_FAIL(err, HONE_FORMAT, "more than %d fields", count);
        HONE_TRY(set_column(row, columns[field_count], field, err));
    }
    if (field_count != count)
        HONE_FAIL(err, HONE_FORMAT, "%d field%s, where %d are named", field_count, field_count == 1 ? "" : "s", count);
    return check_row(row, err);
}

hone_status hone__table_read_csv(hone__table *table, char *text, hone_error *err) {
    column columns[MAX_COLUMNS];
    int count;
    char *at = text, separator = hone__csv_separator(text);
    HONE_TRY(read_header(columns, &count, &at, separator, err));
    for (size_t line = 2; *at; line++) {
        if (*at == '\n' || *at == '\r') {
            at++;
            continue;
        }
        hone_status status = read_csv_row(table, &at, separator, columns, count, err);
        if (status != HONE_OK) return hone__fail_context(err, status, "line %zu", line);
    }
    return HONE_OK;
}

/* ---- JSON lines ------------------------------------------------------------------------------------------------- */

static hone_status read_json_row(hone__table *table, const hone_value *object, hone_error *err) {
    hone__table_row *row;
    if (hone_value_kind_of(object) != HONE_VALUE_OBJECT) HONE_FAIL(err, HONE_FORMAT, "not an object");
    HONE_TRY(hone__table_add(&row, table, err));
    for (size_t i = 0; i < hone_value_count(object); i++) {
        const char *key = hone_value_key_at(object, i);
        const hone_value *value = hone_value_at(object, i);
        column means = column_of(key);
        int64_t number;
        char digits[24];
        const char *text = hone_value_as_string(value);
        if (means == COLUMN_OTHER) continue;
        if (!text && hone_value_as_integer(value, &number)) { /* labels are often numbers */
            snprintf(digits, sizeof digits, "%lld", (long long)number);
            text = digits;
        }
        if (!text && hone_value_kind_of(value) != HONE_VALUE_NULL)
            HONE_FAIL(err, HONE_FORMAT, "'%s' is neither a text nor null", key);
        HONE_TRY(set_column(row, means, text, err));
    }
    return check_row(row, err);
}

/* COCO is one object over many lines, with "annotations" in it; a line of a table has a path. */
static hone_status read_annotations(hone__table *table, const char *text, size_t size, hone_error *err) {
    hone_value *root;
    HONE_TRY(hone_json_parse(&root, text, size, err));
    hone_status status =
        hone_value_get(root, "annotations") && hone_value_get(root, "images")
            ? hone__table_read_coco(table, root, err)
            : hone__fail(err, HONE_FORMAT, "JSON that is neither one object with a path per line nor COCO annotations");
    hone_value_free(root);
    return status;
}

hone_status hone__table_read_json(hone__table *table, char *text, size_t size, hone_error *err) {
    size_t number = 1;
    for (const char *line = text, *end = text + size; line < end; number++) {
        size_t length = strcspn(line, "\n");
        if (strspn(line, " \t\r\n") < length) {
            hone_value *object = NULL;
            hone_status status = hone_json_parse(&object, line, length, err);
            if (number == 1 && (status == HONE_FORMAT || (status == HONE_OK && !hone_value_get(object, "path") &&
                                                          hone_value_get(object, "annotations")))) {
                hone_value_free(object);
                return read_annotations(table, text, size, err);
            }
            if (status == HONE_OK) status = read_json_row(table, object, err);
            hone_value_free(object);
            if (status != HONE_OK) return hone__fail_context(err, status, "line %zu", number);
        }
        line += length + (line[length] == '\n');
    }
    return HONE_OK;
}
