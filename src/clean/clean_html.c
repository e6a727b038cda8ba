/* SPDX-License-Identifier: Apache-2.0
 *
 * The report of hone clean as a page: what was looked at, how much of what was found, and for each kind its worst
 * findings with thumbnails. */
#include "clean_internal.h"

#include "core_internal.h"
#include "report.h"

#include <math.h>
#include <string.h>

enum { THUMBNAIL_SIDE = 224, MANY_CLASSES = 40, DEFAULT_PER_KIND = 60 };

/* ---- pictures -------------------------------------------------------------------------------------------------- */

/* A picture that is either read from its file (then owned) or lies in the small copies. */
typedef struct shown {
    hone_image image;
    bool is_there;
} shown;

static hone_status show(shown *out, const hone_clean_report *r, const char *split, int64_t index, const char *path,
                        hone_error *err) {
    *out = (shown){0};
    path = hone__file_of(path);
    if (path) {
        hone_status status = hone_image_read(&out->image, path, err);
        if (status == HONE_MEMORY) return status;
        out->is_there = status == HONE_OK; /* a corrupt file has no thumbnail */
        return HONE_OK;
    }
    if (index < 0) return HONE_OK;
    for (int part = 0; part < HONE_CLEAN_PARTS; part++) {
        const hone_dataset *data = r->parts[part].data;
        if (!data || strcmp(split, hone__part_word(part)) != 0) continue;
        out->image =
            (hone_image){hone_dataset_height(data), hone_dataset_width(data), hone_dataset_channels(data), NULL};
        size_t size = (size_t)out->image.height * (size_t)out->image.width * (size_t)out->image.channels;
        out->image.pixels = hone__alloc(size, 1);
        if (!out->image.pixels) return hone__fail_memory(err, size, "a thumbnail");
        memcpy(out->image.pixels, hone_dataset_image(data, (size_t)index), size);
        out->is_there = true;
    }
    return HONE_OK;
}

/* ---- sections -------------------------------------------------------------------------------------------------- */

/* path without the source before it. */
static const char *relative(const hone_clean_report *r, const char *path) {
    size_t length = strlen(r->source);
    if (strncmp(path, r->source, length) != 0) return path;
    path += length;
    while (*path == '/') path++;
    return path;
}

static void title_of(char *out, size_t size, const hone_finding *f) {
    if (f->suggested)
        snprintf(out, size, "%s → %s?", f->label ? f->label : "", f->suggested);
    else if (f->kind == HONE_FINDING_CONFLICT && f->label && f->other_label)
        snprintf(out, size, "%s and %s", f->label, f->other_label);
    else if (f->label)
        snprintf(out, size, "%s", f->label);
    else
        snprintf(out, size, "%s", hone_finding_word(f->kind));
}

static void hint_of(char *out, size_t size, const hone_clean_report *r, const hone_finding *f) {
    if (f->path)
        snprintf(out, size, "%s", relative(r, f->path));
    else
        snprintf(out, size, "%s %lld", f->split, (long long)f->index);
    size_t used = strlen(out);
    if (f->other_split && f->other_path)
        snprintf(out + used, size - used, " · %s", relative(r, f->other_path));
    else if (f->other_split)
        snprintf(out + used, size - used, " · %s %lld", f->other_split, (long long)f->other_index);
}

static hone_status add_card(hone__report *page, const hone_clean_report *r, const hone_finding *f, hone_error *err) {
    char title[600], hint[4096];
    shown picture, other = {0};
    HONE_TRY(show(&picture, r, f->split, f->index, f->path, err));
    hone_status status = f->other_split ? show(&other, r, f->other_split, f->other_index, f->other_path, err) : HONE_OK;
    if (status == HONE_OK) {
        title_of(title, sizeof title, f);
        hint_of(hint, sizeof hint, r, f);
        hone__report_card card = {.picture = picture.is_there ? &picture.image : NULL,
                                  .beside = other.is_there ? &other.image : NULL,
                                  .side = THUMBNAIL_SIDE,
                                  .title = title,
                                  .detail = f->reason,
                                  .hint = hint};
        hone__report_add_card(page, &card);
    }
    hone_image_release(&picture.image);
    hone_image_release(&other.image);
    return status;
}

static void add_classes_table(hone__report *page, const hone_clean_report *r, size_t first) {
    static const char *const heads[] = {"class", ">pictures", "what"};
    hone__report_table_begin(page, heads, 3);
    for (size_t i = first; i < r->count && r->findings[i].kind == HONE_FINDING_IMBALANCE; i++) {
        hone__report_cell(page, "%s", r->findings[i].label);
        hone__report_cell(page, "%.0f", r->findings[i].value);
        hone__report_cell(page, "%s", r->findings[i].reason);
    }
    hone__report_table_end(page);
}

static hone_status add_kind(hone__report *page, const hone_clean_report *r, hone_finding_kind kind, size_t first,
                            size_t per_kind, hone_error *err) {
    size_t count = r->counts[kind];
    char title[96];
    snprintf(title, sizeof title, "%s (%zu)", hone_finding_word(kind), count);
    hone__report_section(page, hone_finding_word(kind), title);
    hone__report_paragraph(page, "%s.", hone_finding_meaning(kind));
    if (kind == HONE_FINDING_IMBALANCE) {
        add_classes_table(page, r, first);
        return HONE_OK;
    }
    hone__report_gallery_begin(page);
    for (size_t i = 0; i < count && i < per_kind; i++) HONE_TRY(add_card(page, r, &r->findings[first + i], err));
    hone__report_gallery_end(page);
    if (count > per_kind)
        hone__report_note(page, "The %zu with the highest scores are shown; hone clean --json lists all %zu.", per_kind,
                          count);
    return HONE_OK;
}

/* Given by suggested labels, of all suspects. */
static hone_status add_label_matrix(hone__report *page, const hone_clean_report *r, hone_error *err) {
    size_t classes = r->classes;
    if (r->counts[HONE_FINDING_LABEL] == 0 || classes > MANY_CLASSES) return HONE_OK;
    uint64_t *counts = hone__alloc(classes * classes, sizeof *counts);
    const char **names = hone__alloc(classes, sizeof *names);
    if (counts && names) {
        for (size_t i = 0; i < classes; i++) names[i] = hone_clean_class_name(r, i);
        for (size_t i = 0; i < r->count; i++) {
            const hone_finding *f = &r->findings[i];
            if (f->kind != HONE_FINDING_LABEL) continue;
            size_t given = 0, suggested = 0;
            while (given < classes && strcmp(names[given], f->label) != 0) given++;
            while (suggested < classes && strcmp(names[suggested], f->suggested) != 0) suggested++;
            if (given < classes && suggested < classes) counts[given * classes + suggested]++;
        }
        hone__report_section(page, "confusions", "labels that seem confused");
        hone__report_matrix(page, "given", "suggested", names, classes, counts);
    }
    bool ok = counts && names;
    hone__free(counts);
    hone__free(names);
    return ok ? HONE_OK : hone__fail_memory(err, classes * classes * sizeof *counts, "a report");
}

/* ---- the head of the page -------------------------------------------------------------------------------------- */

static const char *count_text(char buffer[32], size_t count) {
    char digits[32];
    int length = snprintf(digits, sizeof digits, "%zu", count), used = 0;
    for (int i = 0; i < length; i++) {
        if (i > 0 && (length - i) % 3 == 0) buffer[used++] = ',';
        buffer[used++] = digits[i];
    }
    buffer[used] = '\0';
    return buffer;
}

static void add_facts(hone__report *page, const hone_clean_report *r) {
    const hone_clean_summary *s = &r->summary;
    char text[48], number[48];
    hone__report_facts_begin(page);
    for (int part = 0; part < HONE_CLEAN_PARTS; part++) {
        char meaning[32];
        if (!r->parts[part].data) continue;
        snprintf(meaning, sizeof meaning, "%s pictures", hone__part_word(part));
        hone__report_fact(page, count_text(text, s->samples[part]), meaning);
    }
    hone__report_fact(page, count_text(text, r->classes), "classes");
    snprintf(text, sizeof text, "%d × %d", s->width, s->height);
    hone__report_fact(page, text, "pixels, most often");
    if (isfinite(s->accuracy)) {
        snprintf(text, sizeof text, "%s %%", hone__report_number(number, 100 * s->accuracy, 1));
        hone__report_fact(page, text, "right about pictures not seen");
    }
    if (isfinite(s->label_noise)) {
        snprintf(text, sizeof text, "%s %%", hone__report_number(number, 100 * s->label_noise, 2));
        hone__report_fact(page, text, "of the labels seem wrong");
    }
    hone__report_facts_end(page);
}

static void add_overview(hone__report *page, const hone_clean_report *r) {
    static const char *const heads[] = {"kind", ">found", "meaning"};
    hone__report_section(page, "overview", "what was found");
    if (r->count == 0) hone__report_paragraph(page, "Nothing.");
    if (r->count == 0) return;
    hone__report_table_begin(page, heads, 3);
    for (int k = 0; k < HONE_FINDING_KINDS; k++) {
        char number[32];
        if (r->counts[k] == 0) continue;
        hone__report_cell_link(page, hone_finding_word((hone_finding_kind)k), hone_finding_word((hone_finding_kind)k));
        hone__report_cell(page, "%s", count_text(number, r->counts[k]));
        hone__report_cell(page, "%s", hone_finding_meaning((hone_finding_kind)k));
    }
    hone__report_table_end(page);
}

static hone_status add_classes(hone__report *page, const hone_clean_report *r, hone_error *err) {
    size_t classes = r->classes;
    int part = 0;
    while (!r->parts[part].data) part++;
    if (classes == 0 || classes > MANY_CLASSES) return HONE_OK;
    const char **names = hone__alloc(classes, sizeof *names);
    double *counts = hone__alloc(classes, sizeof *counts);
    if (names && counts) {
        char title[64];
        for (size_t i = 0; i < classes; i++) {
            names[i] = hone_clean_class_name(r, i);
            counts[i] = (double)hone_clean_class_count(r, (size_t)part, i);
        }
        snprintf(title, sizeof title, "Pictures per class, %s part", hone__part_word(part));
        hone__report_bars(page, title, names, counts, classes, 0);
    }
    bool ok = names && counts;
    hone__free(names);
    hone__free(counts);
    return ok ? HONE_OK : hone__fail_memory(err, classes * sizeof *counts, "a report");
}

static void add_normalization(hone__report *page, const hone_clean_report *r) {
    static const char *const heads[] = {"channel", ">mean", ">standard deviation"};
    static const char *const channels[] = {"red", "green", "blue"};
    hone__report_table_begin(page, heads, 3);
    for (int c = 0; c < r->channels; c++) {
        char number[48];
        hone__report_cell(page, "%s", r->channels == 1 ? "grey" : channels[c]);
        hone__report_cell(page, "%s", hone__report_number(number, r->summary.mean[c], 4));
        hone__report_cell(page, "%s", hone__report_number(number, r->summary.std[c], 4));
    }
    hone__report_table_end(page);
    hone__report_note(page, "Of pixels from 0 to 1, of the training part alone: what --input MEAN,STD takes.");
}

hone_status hone_clean_write_html(const hone_clean_report *r, const char *path, size_t per_kind, hone_error *err) {
    char title[512];
    hone_clean_summary summary = hone_clean_summarize(r);
    hone__report *page;
    snprintf(title, sizeof title, "hone clean %s", r->source);
    HONE_TRY(hone__report_create(&page, title, summary.description, err));
    add_facts(page, r);
    add_overview(page, r);
    hone_status status = add_label_matrix(page, r, err);
    size_t first = 0;
    for (int k = 0; status == HONE_OK && k < HONE_FINDING_KINDS; k++) {
        if (r->counts[k] > 0)
            status = add_kind(page, r, (hone_finding_kind)k, first, per_kind ? per_kind : DEFAULT_PER_KIND, err);
        first += r->counts[k];
    }
    if (status == HONE_OK) {
        hone__report_section(page, "numbers", "the data in numbers");
        status = add_classes(page, r, err);
    }
    if (status == HONE_OK) {
        add_normalization(page, r);
        status = hone__report_write(page, path, err);
    }
    hone__report_free(page);
    return status;
}
