/* SPDX-License-Identifier: Apache-2.0
 *
 * A catalog as a table for other programs: JSON lines or CSV, one row per picture or per entry of the history. */
#include "tables.h"

#include "core_internal.h"

#include <hone/format.h>

#include <stdio.h>
#include <string.h>

/* ---- one row ---------------------------------------------------------------------------------------------------- */

/* A value is text (NULL: none) or a number. */
typedef struct cell {
    const char *name, *text;
    bool is_number;
    int64_t number;
} cell;

typedef struct writer {
    FILE *file;
    bool is_csv;
    hone_catalog *catalog;
    int64_t rows;
} writer;

static hone_status fail_write(hone_error *err) {
    HONE_FAIL(err, HONE_IO, "cannot write: the disk is full or the device failed");
}

static void put_csv_text(FILE *file, const char *text) {
    if (!text) return;
    bool is_quoted = text[strcspn(text, "\",\r\n")] || text[0] == ' ' || text[0] == '\t';
    if (!is_quoted) {
        fputs(text, file);
        return;
    }
    fputc('"', file);
    for (; *text; text++) {
        if (*text == '"') fputc('"', file);
        fputc(*text, file);
    }
    fputc('"', file);
}

static void put_csv_row(writer *w, const cell *cells, size_t count) {
    for (size_t i = 0; w->rows == 0 && i < count; i++)
        fprintf(w->file, "%s%s", cells[i].name, i + 1 < count ? "," : "\n");
    for (size_t i = 0; i < count; i++) {
        if (cells[i].is_number)
            fprintf(w->file, "%lld", (long long)cells[i].number);
        else
            put_csv_text(w->file, cells[i].text);
        fputc(i + 1 < count ? ',' : '\n', w->file);
    }
}

static hone_status put_json_row(writer *w, const cell *cells, size_t count, hone_error *err) {
    hone_value *object = hone_value_object();
    char *text;
    for (size_t i = 0; i < count; i++) {
        if (cells[i].is_number)
            hone_value_set_integer(object, cells[i].name, cells[i].number);
        else
            hone_value_set_string(object, cells[i].name, cells[i].text);
    }
    hone_status status =
        hone_value_failed(object) ? hone__fail_memory(err, 0, "a row") : hone_json_print(&text, object, 0, false, err);
    hone_value_free(object);
    if (status != HONE_OK) return status;
    fprintf(w->file, "%s\n", text);
    hone_json_free(text);
    return HONE_OK;
}

static hone_status put_row(writer *w, const cell *cells, size_t count, hone_error *err) {
    if (w->is_csv)
        put_csv_row(w, cells, count);
    else
        HONE_TRY(put_json_row(w, cells, count, err));
    w->rows++;
    return ferror(w->file) ? fail_write(err) : HONE_OK;
}

/* ---- pictures and history --------------------------------------------------------------------------------------- */

static hone_status put_picture(void *context, const hone_picture *p, hone_error *err) {
    char hash[17];
    snprintf(hash, sizeof hash, "%016llx", (unsigned long long)p->perceptual_hash);
    const cell cells[] = {
        {"path", p->path, false, 0},
        {"label", p->label, false, 0},
        {"split", p->split, false, 0},
        {"status", hone_picture_status_name(p->status), false, 0},
        {"reason", p->reason, false, 0},
        {"width", NULL, true, p->width},
        {"height", NULL, true, p->height},
        {"mode", p->mode, false, 0},
        {"bytes", NULL, true, p->bytes},
        {"sha256", p->sha256, false, 0},
        {"perceptual_hash", p->has_perceptual_hash ? hash : NULL, false, 0},
    };
    return put_row(context, cells, sizeof cells / sizeof *cells, err);
}

static hone_status put_entry(void *context, const hone_catalog_entry *e, hone_error *err) {
    writer *w = context;
    hone_picture p;
    HONE_TRY(hone_catalog_get(w->catalog, e->picture, &p, err));
    const cell cells[] = {
        {"change", NULL, true, e->change},
        {"time", NULL, true, e->when},
        {"who", e->who, false, 0},
        {"path", p.path, false, 0},
        {"what", e->what, false, 0},
        {"from", e->from, false, 0},
        {"to", e->to, false, 0},
        {"from_reason", e->from_reason, false, 0},
        {"to_reason", e->to_reason, false, 0},
    };
    hone_status status = put_row(w, cells, sizeof cells / sizeof *cells, err);
    hone_picture_release(&p);
    return status;
}

hone_status hone_catalog_export(hone_catalog *catalog, const char *file, bool history, int64_t *rows, hone_error *err) {
    hone__file_writer out = {0};
    HONE_TRY(hone__file_begin(&out, file, err));
    writer w = {.file = out.file, .is_csv = hone__ends_with(file, ".csv"), .catalog = catalog};
    hone_status status = history ? hone_catalog_history(catalog, 0, 0, put_entry, &w, err)
                                 : hone_catalog_each(catalog, NULL, put_picture, &w, err);
    if (status != HONE_OK) {
        hone__file_abort(&out);
        return status;
    }
    if (rows) *rows = w.rows;
    return hone__file_commit(&out, err);
}
