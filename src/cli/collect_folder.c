/* SPDX-License-Identifier: Apache-2.0
 *
 * hone collect on a folder: the catalog is made or brought up to date, tables go in and out, and what was understood is
 * said: classes and splits, sizes, modes, what could not be read, what was passed over. */
#include "collect_folder.h"

#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { SHOWN = 5, KINDS = 64, LISTED = 1000 };

/* ---- what there is ---------------------------------------------------------------------------------------------- */

/* A path with words, kept for the report. */
typedef struct remark {
    char *path, *why;
} remark;

typedef struct remarks {
    remark at[LISTED];
    size_t count; /* may exceed what is kept */
} remarks;

typedef struct size_count {
    int width, height;
    int64_t pictures;
} size_count;

typedef struct mode_count {
    char mode[8];
    int64_t pictures;
} mode_count;

typedef struct class_count {
    char *name;
    int64_t pictures, train, validation, test;
} class_count;

typedef struct summary {
    hone_catalog *catalog;
    hone_catalog_scan_report scan;
    hone_catalog_import_report import;
    remarks skipped, unreadable, unknown;
    class_count *classes;
    size_t class_count, class_capacity;
    size_count sizes[KINDS];
    mode_count modes[KINDS];
    size_t size_kinds, mode_kinds;
    int64_t quarantined, unlabelled, exported;
} summary;

static char *copy_text(const char *text) {
    size_t length = strlen(text) + 1;
    char *copy = malloc(length);
    if (copy) memcpy(copy, text, length);
    return copy;
}

static void add_remark(remarks *r, const char *path, const char *why) {
    if (r->count < LISTED) r->at[r->count] = (remark){copy_text(path), copy_text(why)};
    r->count++;
}

static void release_remarks(remarks *r) {
    for (size_t i = 0; i < r->count && i < LISTED; i++) {
        free(r->at[i].path);
        free(r->at[i].why);
    }
}

static void release_summary(summary *s) {
    if (!s) return;
    release_remarks(&s->skipped);
    release_remarks(&s->unreadable);
    release_remarks(&s->unknown);
    for (size_t i = 0; i < s->class_count; i++) free(s->classes[i].name);
    free(s->classes);
    hone_catalog_close(s->catalog);
    free(s);
}

static void note_left_out(void *context, const char *path, bool is_picture, const char *why) {
    if (!is_picture) add_remark(&((summary *)context)->skipped, path, why);
}

static void note_unknown(void *context, const char *path) {
    add_remark(&((summary *)context)->unknown, path, "not in the catalog");
}

static hone_status out_of_memory(hone_error *err) {
    err->status = HONE_MEMORY;
    snprintf(err->message, sizeof err->message, "out of memory");
    return HONE_MEMORY;
}

static hone_status look_at(void *context, const hone_picture *p, hone_error *err) {
    summary *s = context;
    (void)err;
    if (p->status == HONE_PICTURE_QUARANTINED) {
        s->quarantined++;
        if (p->reason && strncmp(p->reason, "unreadable: ", 12) == 0)
            add_remark(&s->unreadable, p->path, p->reason + 12);
    }
    if (!p->label) s->unlabelled++;
    if (!p->mode) return HONE_OK;
    /* The last kind counts what is beyond: nobody reads more than a few. */
    size_t i = 0;
    while (i < s->size_kinds && (s->sizes[i].width != p->width || s->sizes[i].height != p->height)) i++;
    if (i == s->size_kinds && i < KINDS) s->sizes[s->size_kinds++] = (size_count){p->width, p->height, 0};
    if (i < KINDS) s->sizes[i].pictures++;
    for (i = 0; i < s->mode_kinds && strcmp(s->modes[i].mode, p->mode) != 0;) i++;
    if (i == s->mode_kinds && i < KINDS)
        snprintf(s->modes[s->mode_kinds++].mode, sizeof s->modes[0].mode, "%s", p->mode);
    if (i < KINDS) s->modes[i].pictures++;
    return HONE_OK;
}

static hone_status note_class(void *context, const char *name, int64_t pictures, hone_error *err) {
    summary *s = context;
    if (s->class_count == s->class_capacity) {
        size_t capacity = s->class_capacity ? 2 * s->class_capacity : 16;
        class_count *larger = realloc(s->classes, capacity * sizeof *larger);
        if (!larger) return out_of_memory(err);
        s->classes = larger;
        s->class_capacity = capacity;
    }
    class_count c = {.name = copy_text(name), .pictures = pictures};
    if (!c.name) return out_of_memory(err);
    s->classes[s->class_count++] = c;
    return HONE_OK;
}

static hone_status count_splits(summary *s, hone_error *err) {
    for (size_t i = 0; i < s->class_count; i++) {
        class_count *c = &s->classes[i];
        int64_t *counts[] = {&c->train, &c->validation, &c->test};
        static const char *const names[] = {"train", "validation", "test"};
        for (int k = 0; k < 3; k++) {
            const hone_catalog_query query = {.label = c->name, .split = names[k]};
            hone_status status = hone_catalog_count(s->catalog, &query, counts[k], err);
            if (status != HONE_OK) return status;
        }
    }
    return HONE_OK;
}

static int by_pictures(const void *a, const void *b) {
    int64_t x = ((const size_count *)a)->pictures, y = ((const size_count *)b)->pictures;
    return (x < y) - (x > y);
}

static hone_status look(summary *s, hone_error *err) {
    hone_status status = hone_catalog_each(s->catalog, NULL, look_at, s, err);
    if (status == HONE_OK) status = hone_catalog_each_class(s->catalog, note_class, s, err);
    if (status == HONE_OK) status = count_splits(s, err);
    qsort(s->sizes, s->size_kinds, sizeof *s->sizes, by_pictures);
    return status;
}

/* ---- as text ---------------------------------------------------------------------------------------------------- */

static void print_remarks(const char *title, const remarks *r) {
    if (r->count == 0) return;
    printf("%-11s %zu\n", title, r->count);
    for (size_t i = 0; i < r->count && i < SHOWN; i++) {
        fputs("  ", stdout);
        print_plain(stdout, r->at[i].path ? r->at[i].path : "");
        printf(": %s\n", r->at[i].why ? r->at[i].why : "");
    }
    if (r->count > SHOWN) printf("  … and %zu more\n", r->count - SHOWN);
}

static void print_classes(const summary *s) {
    int width = 5;
    for (size_t i = 0; i < s->class_count; i++)
        if (columns_of(s->classes[i].name) > width) width = columns_of(s->classes[i].name);
    if (width > 40) width = 40;
    /* Columns of zeros would look as if nothing trained: without parts, all of it does. */
    bool has_parts = false;
    for (size_t i = 0; i < s->class_count; i++)
        has_parts |= s->classes[i].train > 0 || s->classes[i].validation > 0 || s->classes[i].test > 0;
    printf("%-*s %10s", width, "class", "pictures");
    if (has_parts) printf(" %10s %10s %10s", "train", "validation", "test");
    printf("\n");
    for (size_t i = 0; i < s->class_count; i++) {
        const class_count *c = &s->classes[i];
        int columns = columns_of(c->name);
        print_in_columns(c->name, columns > width ? columns : width, false);
        printf(" %10lld", (long long)c->pictures);
        if (has_parts)
            printf(" %10lld %10lld %10lld", (long long)c->train, (long long)c->validation, (long long)c->test);
        printf("\n");
    }
    if (s->unlabelled > 0)
        printf("%lld picture%s no label ('hone label' gives them)\n", (long long)s->unlabelled,
               s->unlabelled == 1 ? " has" : "s have");
}

static void print_text(const summary *s, const folder_options *options) {
    const hone_catalog_scan_report *r = &s->scan;
    printf("%s: %lld picture%s in %zu class%s\n", hone_catalog_folder(s->catalog), (long long)r->pictures,
           plural(r->pictures), s->class_count, s->class_count == 1 ? "" : "es");
    printf("%-11s %lld new, %lld changed, %lld unchanged, %lld missing\n", "since last", (long long)r->added,
           (long long)r->changed, (long long)r->unchanged, (long long)r->missing);
    if (s->class_count > 0 || s->unlabelled > 0) print_classes(s);
    printf("%-11s", "sizes");
    for (size_t i = 0; i < s->size_kinds && i < SHOWN; i++)
        printf("%s %lld of %dx%d", i ? "," : "", (long long)s->sizes[i].pictures, s->sizes[i].width,
               s->sizes[i].height);
    printf("%s\n%-11s", s->size_kinds > SHOWN ? ", …" : "", "modes");
    for (size_t i = 0; i < s->mode_kinds; i++)
        printf("%s %lld %s", i ? "," : "", (long long)s->modes[i].pictures, s->modes[i].mode);
    printf("\n");
    if (s->quarantined > 0) printf("%-11s %lld\n", "quarantined", (long long)s->quarantined);
    print_remarks("unreadable", &s->unreadable);
    print_remarks("skipped", &s->skipped);
    if (options->import) {
        printf("%-11s %lld row%s of %s: %lld picture%s changed", "imported", (long long)s->import.rows,
               plural(s->import.rows), options->import, (long long)s->import.changed, plural(s->import.changed));
        if (s->import.unclear > 0) printf(", %lld without one clear class", (long long)s->import.unclear);
        printf("\n");
        print_remarks("unknown", &s->unknown);
    }
    if (options->export)
        printf("%-11s %lld row%s to %s\n", "exported", (long long)s->exported, plural(s->exported), options->export);
    printf("%-11s %s\n", "catalog", hone_catalog_file(s->catalog));
}

/* ---- as JSON ---------------------------------------------------------------------------------------------------- */

static void set_remarks(hone_value *object, const char *key, const remarks *r) {
    hone_value *list = hone_value_list();
    for (size_t i = 0; i < r->count && i < LISTED; i++) {
        hone_value *one = hone_value_object();
        hone_value_set_string(one, "path", r->at[i].path);
        hone_value_set_string(one, "reason", r->at[i].why);
        hone_value_append(list, one);
    }
    hone_value_set(object, key, list);
}

static void set_kinds(hone_value *object, const summary *s) {
    hone_value *classes = hone_value_list(), *sizes = hone_value_list(), *modes = hone_value_object();
    for (size_t i = 0; i < s->class_count; i++) {
        const class_count *c = &s->classes[i];
        hone_value *one = hone_value_object();
        hone_value_set_string(one, "name", c->name);
        hone_value_set_integer(one, "pictures", c->pictures);
        hone_value_set_integer(one, "train", c->train);
        hone_value_set_integer(one, "validation", c->validation);
        hone_value_set_integer(one, "test", c->test);
        hone_value_append(classes, one);
    }
    for (size_t i = 0; i < s->size_kinds; i++) {
        hone_value *one = hone_value_object();
        hone_value_set_integer(one, "width", s->sizes[i].width);
        hone_value_set_integer(one, "height", s->sizes[i].height);
        hone_value_set_integer(one, "pictures", s->sizes[i].pictures);
        hone_value_append(sizes, one);
    }
    for (size_t i = 0; i < s->mode_kinds; i++) hone_value_set_integer(modes, s->modes[i].mode, s->modes[i].pictures);
    hone_value_set(object, "classes", classes);
    hone_value_set(object, "sizes", sizes);
    hone_value_set(object, "modes", modes);
}

static int print_summary(const summary *s, const folder_options *options) {
    hone_value *value = hone_value_object();
    hone_value_set_string(value, "folder", hone_catalog_folder(s->catalog));
    hone_value_set_string(value, "catalog", hone_catalog_file(s->catalog));
    hone_value_set_integer(value, "pictures", s->scan.pictures);
    hone_value_set_integer(value, "added", s->scan.added);
    hone_value_set_integer(value, "changed", s->scan.changed);
    hone_value_set_integer(value, "unchanged", s->scan.unchanged);
    hone_value_set_integer(value, "missing", s->scan.missing);
    hone_value_set_integer(value, "unlabelled", s->unlabelled);
    hone_value_set_integer(value, "quarantined", s->quarantined);
    set_kinds(value, s);
    set_remarks(value, "unreadable", &s->unreadable);
    set_remarks(value, "skipped", &s->skipped);
    if (options->import) {
        hone_value *import = hone_value_object();
        hone_value_set_integer(import, "rows", s->import.rows);
        hone_value_set_integer(import, "changed", s->import.changed);
        hone_value_set_integer(import, "unclear", s->import.unclear);
        set_remarks(import, "unknown", &s->unknown);
        hone_value_set(value, "import", import);
    }
    if (options->export) {
        hone_value *export = hone_value_object();
        hone_value_set_string(export, "file", options->export);
        hone_value_set_integer(export, "rows", s->exported);
        hone_value_set(value, "export", export);
    }
    return print_json(value);
}

/* ---- the work --------------------------------------------------------------------------------------------------- */

typedef struct scan_display {
    bool is_shown;
    summary *summary;
} scan_display;

static bool show_scan(void *context, int64_t done, int64_t total) {
    const scan_display *d = context;
    if (d->is_shown && total > 0)
        fprintf(stderr, "\rreading %lld of %lld picture%s%s", (long long)done, (long long)total, plural(total),
                done == total ? "\n" : "");
    return true;
}

static void scan_left_out(void *context, const char *path, bool is_picture, const char *why) {
    note_left_out(((scan_display *)context)->summary, path, is_picture, why);
}

static hone_status work(summary *s, const folder_options *options, hone_threads *threads, bool quiet, hone_error *err) {
    scan_display display = {!quiet && terminal_columns() > 0, s};
    const hone_catalog_scan_config config = {.threads = threads,
                                             .reread = options->reread,
                                             .progress = show_scan,
                                             .left_out = scan_left_out,
                                             .context = &display};
    hone_status status = hone_catalog_scan(s->catalog, &config, &s->scan, err);
    if (status == HONE_OK && options->import)
        status = hone_catalog_import(s->catalog, options->import, note_unknown, s, &s->import, err);
    if (status == HONE_OK) status = look(s, err);
    if (status == HONE_OK && options->export)
        status = hone_catalog_export(s->catalog, options->export, options->history, &s->exported, err);
    return status;
}

static hone_status open_catalog(summary *s, const char *folder, const folder_options *options, hone_error *err) {
    hone_catalog_config config = hone_catalog_config_default();
    struct stat info;
    bool is_file = stat(folder, &info) == 0 && S_ISREG(info.st_mode);
    config.file = is_file ? folder : options->catalog;
    config.create = !is_file;
    return hone_catalog_open(&s->catalog, is_file ? NULL : folder, &config, err);
}

int collect_folder(const char *folder, const folder_options *options, const common_options *common) {
    hone_threads *threads;
    hone_error err = {0};
    int exit_status = start_threads(&threads, common->threads);
    if (exit_status >= 0) return exit_status;
    summary *s = calloc(1, sizeof *s);
    hone_status status = s ? open_catalog(s, folder, options, &err) : out_of_memory(&err);
    bool was_opened = status == HONE_OK;
    if (was_opened) status = work(s, options, threads, common->quiet, &err);
    if (status == HONE_OK && common->json) {
        exit_status = print_summary(s, options);
    } else if (status == HONE_OK) {
        print_text(s, options);
        exit_status = finish_output();
    } else {
        exit_status =
            failed(&err, was_opened ? NULL : catalog_hint(folder, options->catalog), "cannot collect '%s'", folder);
    }
    release_summary(s);
    hone_threads_free(threads);
    return exit_status;
}

int collect_archive(const char *archive, const char *to, const folder_options *options, const common_options *common) {
    hone_error err = {0};
    hone_unpack_report report;
    char size[32];
    if (hone_unpack(archive, to, NULL, &report, &err) != HONE_OK) return failed(&err, NULL, "cannot unpack");
    note(common->quiet, "unpacked %lld file%s, %s, to %s", (long long)report.files, plural(report.files),
         as_bytes((double)report.bytes, size), to);
    return collect_folder(to, options, common);
}
