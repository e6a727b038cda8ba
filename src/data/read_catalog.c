/* SPDX-License-Identifier: Apache-2.0
 *
 * A data set as its catalog says: rows choose the pictures, their labels and their part; the files only give pixels. Of
 * packed files all parts are read first, since a row may have moved from one to another. */
#define _POSIX_C_SOURCE 200809L
#include "readers.h"

#include "core_internal.h"

#include <stdlib.h>
#include <string.h>

/* ---- where it is ------------------------------------------------------------------------------------------------ */

static bool is_sqlite_file(const char *path) {
    char start[16];
    FILE *file = hone__is_folder(path) ? NULL : fopen(path, "rb");
    if (!file) return false;
    bool is_one = fread(start, 1, sizeof start, file) == sizeof start && memcmp(start, "SQLite format 3", 16) == 0;
    fclose(file);
    return is_one;
}

hone_status hone__find_catalog(hone_catalog **out, const char *path, const hone_dataset_config *config,
                               hone_error *err) {
    hone_catalog_config open = {.read_only = true, .file = config->catalog};
    *out = NULL;
    if (is_sqlite_file(path)) {
        open.file = path;
        return hone_catalog_open(out, NULL, &open, err);
    }
    if (config->ignore_catalog || !hone__is_folder(path)) return HONE_OK;
    return config->catalog || hone_catalog_exists(path) ? hone_catalog_open(out, path, &open, err) : HONE_OK;
}

/* ---- classes ---------------------------------------------------------------------------------------------------- */

typedef struct class_entry {
    char *name;
    int32_t index;
} class_entry;

typedef struct classes {
    class_entry *entries; /* as the catalog orders them; then sorted by name */
    size_t count, capacity;
} classes;

static hone_status add_class(void *context, const char *name, int64_t pictures, hone_error *err) {
    classes *c = context;
    (void)pictures;
    HONE_TRY(hone__grow((void **)&c->entries, &c->capacity, c->count + 1, sizeof *c->entries, err));
    char *copy = hone__strdup(name);
    if (!copy) return hone__fail_memory(err, strlen(name), "a class name");
    c->entries[c->count] = (class_entry){copy, (int32_t)c->count};
    c->count++;
    return HONE_OK;
}

static int by_name(const void *a, const void *b) {
    return strcmp(((const class_entry *)a)->name, ((const class_entry *)b)->name);
}

/* The names go into parts in their order, and stay in c sorted. */
static hone_status read_classes(classes *c, hone__dataset_parts *parts, hone_catalog *catalog, hone_error *err) {
    HONE_TRY(hone_catalog_each_class(catalog, add_class, c, err));
    if (c->count == 0) return HONE_OK;
    if (c->count > HONE_MAX_CLASSES)
        HONE_FAIL(err, HONE_LIMIT, "%zu classes, where %d are possible", c->count, HONE_MAX_CLASSES);
    const char **names = hone__alloc(c->count, sizeof *names);
    if (!names) return hone__fail_memory(err, c->count * sizeof *names, "class names");
    for (size_t i = 0; i < c->count; i++) names[i] = c->entries[i].name;
    hone_status status = hone__dataset_parts_name(parts, names, c->count, err);
    hone__free(names);
    qsort(c->entries, c->count, sizeof *c->entries, by_name);
    return status;
}

static void classes_release(classes *c) {
    for (size_t i = 0; i < c->count; i++) hone__free(c->entries[i].name);
    hone__free(c->entries);
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

typedef struct selection {
    const classes *classes;
    hone__picture_list list; /* paths below the folder */
    bool present[HONE_PARTS];
    hone__part part;
    bool allow_unlabelled;
    int64_t quarantined, unlabelled; /* of the part: left out */
} selection;

/* What is undivided trains. */
static hone__part part_of(const hone_picture *p) {
    hone__part part = HONE_PART_TRAIN;
    if (p->split) hone__part_parse(&part, p->split);
    return part;
}

static hone_status note_part(void *context, const hone_picture *p, hone_error *err) {
    selection *s = context;
    (void)err;
    if (p->status == HONE_PICTURE_OK) s->present[part_of(p)] = true;
    return HONE_OK;
}

static hone_status select_row(void *context, const hone_picture *p, hone_error *err) {
    selection *s = context;
    if (part_of(p) != s->part) return HONE_OK;
    if (p->status != HONE_PICTURE_OK) {
        s->quarantined++;
        return HONE_OK;
    }
    if (!p->label && !s->allow_unlabelled) {
        s->unlabelled++;
        return HONE_OK;
    }
    int32_t label = -1;
    if (p->label) {
        class_entry key = {.index = 0};
        memcpy(&key.name, &p->label, sizeof key.name);
        const class_entry *found = bsearch(&key, s->classes->entries, s->classes->count, sizeof key, by_name);
        /* The rows and the classes are two looks at a file that somebody may be writing. */
        if (!found) HONE_FAIL(err, HONE_IO, "the catalog changed while it was read; try again");
        label = found->index;
    }
    char *path = hone__strdup(p->path);
    if (!path) return hone__fail_memory(err, strlen(p->path), "a path");
    hone_status status = hone__picture_list_add(&s->list, path, label, err);
    if (status != HONE_OK) hone__free(path);
    return status;
}

static hone_status select_rows(selection *s, hone_catalog *catalog, const hone__request *request, hone_error *err) {
    HONE_TRY(hone_catalog_each(catalog, NULL, note_part, s, err));
    bool is_empty = true;
    for (int i = 0; i < HONE_PARTS; i++) is_empty = is_empty && !s->present[i];
    if (is_empty)
        HONE_FAIL(err, HONE_NOT_FOUND, "the catalog '%s' has no pictures that could be used",
                  hone_catalog_file(catalog));
    if (!hone__part_choose(&s->part, request, s->present))
        HONE_FAIL(err, HONE_NOT_FOUND, "the catalog '%s' has no %s part", hone_catalog_file(catalog),
                  hone__part_name(s->part));
    HONE_TRY(hone_catalog_each(catalog, NULL, select_row, s, err));
    if (s->list.count > 0) return HONE_OK;
    if (s->unlabelled > 0)
        HONE_FAIL(err, HONE_NOT_FOUND, "none of the %lld pictures of the %s part has a label; 'hone label' gives them",
                  (long long)s->unlabelled, hone__part_name(s->part));
    HONE_FAIL(err, HONE_NOT_FOUND, "the catalog '%s' has no pictures of the %s part that could be used",
              hone_catalog_file(catalog), hone__part_name(s->part));
}

/* ---- pictures --------------------------------------------------------------------------------------------------- */

static hone_status read_files(hone__dataset_parts *parts, selection *s, const hone__request *request, hone_error *err) {
    for (size_t i = 0; i < s->list.count; i++) {
        char *path = hone__join_path(request->path, s->list.paths[i]);
        if (!path) return hone__fail_memory(err, strlen(request->path), "a path");
        hone__free(s->list.paths[i]);
        s->list.paths[i] = path;
    }
    return hone__decode_pictures(parts, &s->list, request, err);
}

/* ---- packed files ----------------------------------------------------------------------------------------------- */

typedef struct sample {
    const char *name;
    const unsigned char *pixels;
} sample;

static int by_sample_name(const void *a, const void *b) {
    return strcmp(((const sample *)a)->name, ((const sample *)b)->name);
}

/* Copies the samples that the rows name; all are of one size, or the first that is not is named. */
static hone_status take_samples(hone__dataset_parts *parts, const selection *s,
                                const hone__dataset_parts read[HONE_PARTS], const sample *samples, size_t sample_count,
                                const hone__request *request, hone_error *err) {
    const hone__dataset_parts *first = &read[0];
    size_t count = s->list.count < request->limit ? s->list.count : request->limit;
    while (first->samples == 0) first++;
    for (int i = 0; i < HONE_PARTS; i++)
        if (read[i].samples > 0 &&
            (read[i].height != first->height || read[i].width != first->width || read[i].channels != first->channels))
            HONE_FAIL(err, HONE_SHAPE, "its parts hold images of different sizes: %d x %d x %d and %d x %d x %d",
                      first->height, first->width, first->channels, read[i].height, read[i].width, read[i].channels);
    HONE_TRY(hone__dataset_parts_allocate(parts, count, first->height, first->width, first->channels, err));
    parts->paths = hone__alloc(count, sizeof *parts->paths);
    if (!parts->paths) return hone__fail_memory(err, count * sizeof *parts->paths, "names");
    size_t size = (size_t)first->height * (size_t)first->width * (size_t)first->channels;
    for (size_t i = 0; i < count; i++) {
        const sample key = {s->list.paths[i], NULL};
        const sample *found = bsearch(&key, samples, sample_count, sizeof key, by_sample_name);
        if (!found)
            HONE_FAIL(err, HONE_NOT_FOUND,
                      "'%s' is in the catalog, but not in '%s'; 'hone collect' brings it up to date", key.name,
                      request->path);
        memcpy(parts->images + i * size, found->pixels, size);
        parts->labels[i] = s->list.labels[i];
        parts->paths[i] = hone__join_path(request->path, key.name);
        if (!parts->paths[i]) return hone__fail_memory(err, strlen(key.name), "a path");
    }
    return HONE_OK;
}

static hone_status index_samples(sample **out, size_t *count, const hone__dataset_parts read[HONE_PARTS],
                                 hone_error *err) {
    *count = 0;
    for (int part = 0; part < HONE_PARTS; part++) *count += read[part].samples;
    *out = hone__alloc(*count, sizeof **out);
    if (!*out) return hone__fail_memory(err, *count * sizeof **out, "names");
    sample *at = *out;
    for (int part = 0; part < HONE_PARTS; part++) {
        const hone__dataset_parts *p = &read[part];
        size_t size = (size_t)p->height * (size_t)p->width * (size_t)p->channels;
        for (size_t i = 0; i < p->samples; i++) *at++ = (sample){p->paths[i], p->images + i * size};
    }
    if (*count > 1) qsort(*out, *count, sizeof **out, by_sample_name);
    return HONE_OK;
}

static hone_status read_packed(hone__dataset_parts *parts, const selection *s, hone__reader reader, const char *path,
                               const hone__request *request, hone_error *err) {
    hone__dataset_parts read[HONE_PARTS] = {{0}};
    hone_status status = HONE_OK;
    for (int part = 0; part < HONE_PARTS && status == HONE_OK; part++) {
        hone_error why = {0};
        status =
            hone__read_packed_part(&read[part], reader, request->path, path, (hone__part)part, request->config, &why);
        if (status == HONE_NOT_FOUND)
            status = HONE_OK;
        else if (status != HONE_OK)
            hone__set_error(err, status, why.offset, "%s", why.message);
    }
    sample *samples = NULL;
    size_t count = 0;
    if (status == HONE_OK) status = index_samples(&samples, &count, read, err);
    if (status == HONE_OK && count == 0)
        status = hone__fail(err, HONE_NOT_FOUND, "'%s' holds no images any more", request->path);
    if (status == HONE_OK) status = take_samples(parts, s, read, samples, count, request, err);
    hone__free(samples);
    for (int part = 0; part < HONE_PARTS; part++) hone__dataset_parts_release(&read[part]);
    return status;
}

/* ---- all of it -------------------------------------------------------------------------------------------------- */

static hone_status read_selected(hone__dataset_parts *parts, selection *s, const hone__request *request,
                                 hone_error *err) {
    hone__reader reader;
    char *inside;
    HONE_TRY(hone__choose_reader(&reader, &inside, request->path, err));
    hone_status status = reader == hone__read_class_folder
                             ? read_files(parts, s, request, err)
                             : read_packed(parts, s, reader, inside ? inside : request->path, request, err);
    hone__free(inside);
    return status;
}

static void describe(char origin[HONE_ORIGIN_SIZE], const selection *s) {
    int n = snprintf(origin, HONE_ORIGIN_SIZE, "catalog, %s", hone__part_name(s->part));
    if (s->quarantined > 0)
        n += snprintf(origin + n, HONE_ORIGIN_SIZE - (size_t)n, ", %lld quarantined", (long long)s->quarantined);
    if (s->unlabelled > 0)
        n += snprintf(origin + n, HONE_ORIGIN_SIZE - (size_t)n, ", %lld unlabelled", (long long)s->unlabelled);
    if (s->quarantined + s->unlabelled > 0) snprintf(origin + n, HONE_ORIGIN_SIZE - (size_t)n, " left out");
}

hone_status hone__read_catalog(hone__dataset_parts *parts, char origin[HONE_ORIGIN_SIZE], hone_catalog *catalog,
                               const hone__request *request, hone_error *err) {
    classes c = {0};
    selection s = {.classes = &c, .allow_unlabelled = request->config->allow_unlabelled};
    hone_status status = read_classes(&c, parts, catalog, err);
    if (status == HONE_OK) status = select_rows(&s, catalog, request, err);
    if (status == HONE_OK) status = read_selected(parts, &s, request, err);
    if (status == HONE_OK) describe(origin, &s);
    hone__picture_list_release(&s.list);
    classes_release(&c);
    return status;
}
