/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures in class folders: ROOT/CLASS/…/picture, or ROOT/train/CLASS/… with val or validation and test beside it.
 * walk.c finds the files, pictures.c decodes them. */
#define _POSIX_C_SOURCE 200809L
#include "readers.h"

#include "core_internal.h"

#include <string.h>
#include <sys/stat.h>

/* ---- pictures to a list ------------------------------------------------------------------------------------------ */

typedef struct collecting {
    hone__picture_list *list;
    int32_t label;
} collecting;

static hone_status collect_picture(void *context, const char *path, bool is_picture, hone_error *err) {
    collecting *c = context;
    if (!is_picture) return HONE_OK;
    char *copy = hone__strdup(path);
    if (!copy) return hone__fail_memory(err, strlen(path), "a path");
    hone_status status = hone__picture_list_add(c->list, copy, c->label, err);
    if (status != HONE_OK) hone__free(copy);
    return status;
}

static hone_status collect(hone__picture_list *list, const char *folder, int32_t label, bool is_deep, hone_error *err) {
    return hone__walk(folder, is_deep, collect_picture, &(collecting){list, label}, err);
}

/* ---- parts and classes ----------------------------------------------------------------------------------------- */

hone_status hone__list_folders(hone__listing *out, const char *folder, hone_error *err) {
    HONE_TRY(hone__listing_read(out, folder, err));
    size_t kept = 0;
    for (size_t i = 0; i < out->count; i++) {
        struct stat info;
        char *path = hone__join_path(folder, out->names[i]);
        bool is_folder = path && stat(path, &info) == 0 && S_ISDIR(info.st_mode);
        bool out_of_memory = !path;
        hone__free(path);
        if (out_of_memory) {
            for (; i < out->count; i++) out->names[kept++] = out->names[i];
            out->count = kept;
            hone__listing_release(out);
            return hone__fail_memory(err, strlen(folder), "a path");
        }
        if (is_folder)
            out->names[kept++] = out->names[i];
        else
            hone__free(out->names[i]);
    }
    out->count = kept;
    return HONE_OK;
}

void hone__layout_release(hone__layout *l) {
    for (int i = 0; i < HONE_PARTS; i++) hone__free(l->parts[i]);
}

hone_status hone__layout_find(hone__layout *l, const char *root, hone_error *err) {
    hone__listing folders;
    bool only_parts = true;
    hone_status status = HONE_OK;
    memset(l, 0, sizeof *l);
    HONE_TRY(hone__list_folders(&folders, root, err));
    for (size_t i = 0; i < folders.count && status == HONE_OK; i++) {
        hone__part part;
        if (!hone__part_parse(&part, folders.names[i])) {
            only_parts = false;
            continue;
        }
        if (l->parts[part]) {
            status = hone__fail(err, HONE_FORMAT, "'%s' has two folders for its %s part", root, hone__part_name(part));
            break;
        }
        l->parts[part] = hone__join_path(root, folders.names[i]);
        if (!l->parts[part]) status = hone__fail_memory(err, strlen(root), "a path");
    }
    l->is_divided = l->parts[HONE_PART_TRAIN] || (only_parts && folders.count > 0);
    hone__listing_release(&folders);
    if (status != HONE_OK) hone__layout_release(l);
    return status;
}

/* One list of classes for all parts: those of the train part where there is one, so that a class has the same number
 * wherever it is met. */
static hone_status list_classes(hone__listing *classes, const hone__layout *l, const char *base, hone_error *err) {
    const char *train = l->is_divided ? l->parts[HONE_PART_TRAIN] : NULL;
    HONE_TRY(hone__list_folders(classes, train ? train : base, err));
    if (classes->count <= HONE_MAX_CLASSES) return HONE_OK;
    size_t count = classes->count;
    hone__listing_release(classes);
    HONE_FAIL(err, HONE_LIMIT, "'%s' has %zu class folders, where %d are possible", base, count, HONE_MAX_CLASSES);
}

static size_t find_name(const hone__listing *listing, const char *name) {
    size_t low = 0, high = listing->count; /* sorted */
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        int order = strcmp(listing->names[middle], name);
        if (order == 0) return middle;
        if (order < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return listing->count;
}

enum { EMPTY_SHOWN = 5 };

static hone_status list_labelled(hone__picture_list *list, const char *base, const hone__listing *classes,
                                 hone_error *err) {
    hone__listing folders;
    HONE_TRY(hone__list_folders(&folders, base, err));
    hone_status status = HONE_OK;
    size_t empty = 0;
    for (size_t i = 0; i < folders.count && status == HONE_OK; i++) {
        size_t label = find_name(classes, folders.names[i]);
        if (label == classes->count) {
            status = hone__fail(err, HONE_NOT_FOUND, "class folder '%s' of '%s' has no counterpart in the train part",
                                folders.names[i], base);
            break;
        }
        char *path = hone__join_path(base, folders.names[i]);
        size_t before = list->count;
        status = path ? collect(list, path, (int32_t)label, true, err) : hone__fail_memory(err, strlen(base), "a path");
        if (status == HONE_OK && list->count == before && ++empty <= EMPTY_SHOWN)
            hone__log(HONE_LOG_WARNING, "class folder '%s' holds no pictures", path);
        hone__free(path);
    }
    if (empty > EMPTY_SHOWN)
        hone__log(HONE_LOG_WARNING, "%zu more class folders of '%s' hold no pictures", empty - EMPTY_SHOWN, base);
    hone__listing_release(&folders);
    return status;
}

/* The files of base with their labels, and the classes' names. */
static hone_status list_files(hone__picture_list *list, hone__dataset_parts *parts, const hone__layout *l,
                              const char *base, bool allow_unlabelled, hone_error *err) {
    hone__listing classes;
    HONE_TRY(list_classes(&classes, l, base, err));
    hone_status status = HONE_OK;
    if (classes.count > 0) {
        status = list_labelled(list, base, &classes, err);
        if (status == HONE_OK)
            status = hone__dataset_parts_name(parts, (const char *const *)classes.names, classes.count, err);
    }
    /* A part may lie flat although the train part has classes: pictures to be predicted. */
    if (status == HONE_OK && list->count == 0) {
        status = collect(list, base, -1, false, err);
        if (status == HONE_OK && list->count > 0 && !allow_unlabelled)
            status = hone__fail(err, HONE_NOT_FOUND, "'%s' holds pictures, but no class folders that label them", base);
    }
    hone__listing_release(&classes);
    if (status == HONE_OK && list->count == 0)
        status = hone__fail(err, HONE_NOT_FOUND, "'%s' holds no pictures (PNG, JPEG, PNM)", base);
    return status;
}

hone_status hone__read_class_folder(hone__dataset_parts *parts, char origin[HONE_ORIGIN_SIZE],
                                    const hone__request *request, hone_error *err) {
    hone__layout l;
    hone__picture_list list = {0};
    hone__part part = HONE_PART_TRAIN;
    HONE_TRY(hone__layout_find(&l, request->path, err));
    bool present[HONE_PARTS] = {[HONE_PART_TRAIN] = true};
    for (int i = 0; l.is_divided && i < HONE_PARTS; i++) present[i] = l.parts[i] != NULL;
    hone_status status = HONE_OK;
    if (!hone__part_choose(&part, request, present))
        status = hone__fail(err, HONE_NOT_FOUND, "'%s' has no %s part", request->path, hone__part_name(part));
    if (status == HONE_OK)
        status = list_files(&list, parts, &l, l.is_divided ? l.parts[part] : request->path,
                            request->config->allow_unlabelled, err);
    if (status == HONE_OK) status = hone__decode_pictures(parts, &list, request, err);
    if (status == HONE_OK)
        snprintf(origin, HONE_ORIGIN_SIZE, "%s%s%s", parts->class_names ? "class folders" : "pictures, unlabelled",
                 l.is_divided ? ", " : "", l.is_divided ? hone__part_name(part) : "");
    hone__picture_list_release(&list);
    hone__layout_release(&l);
    return status;
}
