/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures in class folders: ROOT/CLASS/…/picture, or ROOT/train/CLASS/… with val or validation and test beside it. The
 * walk makes a sorted list of files; decoding runs over that list in rounds, in parallel, and keeps its order. */
#define _POSIX_C_SOURCE 200809L
#include "readers.h"

#include "core_internal.h"

#include <stdatomic.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* ---- the walk -------------------------------------------------------------------------------------------------- */

typedef struct file_list {
    char **paths;
    int32_t *labels;
    size_t count, path_capacity, label_capacity;
} file_list;

static void file_list_release(file_list *list) {
    for (size_t i = 0; i < list->count; i++) hone__free(list->paths[i]);
    hone__free(list->paths);
    hone__free(list->labels);
}

/* Takes path over on success. */
static hone_status file_list_add(file_list *list, char *path, int32_t label, hone_error *err) {
    size_t need = list->count + 1;
    HONE_TRY(hone__grow((void **)&list->paths, &list->path_capacity, need, sizeof *list->paths, err));
    HONE_TRY(hone__grow((void **)&list->labels, &list->label_capacity, need, sizeof *list->labels, err));
    list->paths[list->count] = path;
    list->labels[list->count++] = label;
    return HONE_OK;
}

/* Is a file meant to be a picture? Notes, tables and the like are passed over in silence; a picture of a format that
 * cannot be read is not, because its owner should hear of it. */
static bool is_picture_name(const char *name) {
    static const char *const endings[] = {"png", "jpg", "jpeg", "jpe",  "jfif", "pgm",  "ppm",  "pnm",
                                          "bmp", "gif", "tif",  "tiff", "webp", "heic", "heif", "avif"};
    const char *dot = strrchr(name, '.');
    if (!dot) return true;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (strcasecmp(dot + 1, endings[i]) == 0) return true;
    return false;
}

/* The folders from the class folder down to here: a link that leads back to one of them is a loop. */
typedef struct trail {
    const struct trail *up;
    dev_t device;
    ino_t inode;
    int depth;
} trail;

enum { MAX_DEPTH = 64 };

static bool is_on_trail(const trail *t, const struct stat *info) {
    for (; t; t = t->up)
        if (t->device == info->st_dev && t->inode == info->st_ino) return true;
    return false;
}

/* Adds the pictures of folder to list, with those of its subfolders where is_deep. */
static hone_status walk(file_list *list, const char *folder, int32_t label, bool is_deep, const trail *up,
                        hone_error *err) {
    struct stat info;
    hone__listing listing;
    if (stat(folder, &info) != 0 || is_on_trail(up, &info)) return HONE_OK;
    trail here = {up, info.st_dev, info.st_ino, up ? up->depth + 1 : 0};
    if (here.depth > MAX_DEPTH) HONE_FAIL(err, HONE_LIMIT, "'%s' lies more than %d folders deep", folder, MAX_DEPTH);
    HONE_TRY(hone__listing_read(&listing, folder, err));
    hone_status status = HONE_OK;
    for (size_t i = 0; i < listing.count && status == HONE_OK; i++) {
        char *path = hone__join_path(folder, listing.names[i]);
        bool is_taken = false;
        if (!path) {
            status = hone__fail_memory(err, strlen(folder), "a path");
            break;
        }
        /* A link to nowhere stays on the list: the read that fails will name it. */
        bool is_there = stat(path, &info) == 0;
        if (is_there && S_ISDIR(info.st_mode)) {
            if (is_deep) status = walk(list, path, label, true, &here, err);
        } else if ((!is_there || S_ISREG(info.st_mode)) && is_picture_name(listing.names[i])) {
            status = file_list_add(list, path, label, err);
            is_taken = status == HONE_OK;
        }
        if (!is_taken) hone__free(path);
    }
    hone__listing_release(&listing);
    return status;
}

/* Keeps of a listing the names that are folders. */
static hone_status list_folders(hone__listing *out, const char *folder, hone_error *err) {
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

/* ---- parts and classes ----------------------------------------------------------------------------------------- */

/* The folders that hold the parts, if ROOT is divided: it has a train folder, or nothing but folders with such names. */
typedef struct layout {
    char *parts[HONE_PARTS]; /* paths; all NULL: ROOT itself holds the classes */
    bool is_divided;
} layout;

static void layout_release(layout *l) {
    for (int i = 0; i < HONE_PARTS; i++) hone__free(l->parts[i]);
}

static hone_status layout_find(layout *l, const char *root, hone_error *err) {
    hone__listing folders;
    bool only_parts = true;
    hone_status status = HONE_OK;
    memset(l, 0, sizeof *l);
    HONE_TRY(list_folders(&folders, root, err));
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
    if (status != HONE_OK) layout_release(l);
    return status;
}

/* One list of classes for all parts: those of the train part where there is one, so that a class has the same number
 * wherever it is met. */
static hone_status list_classes(hone__listing *classes, const layout *l, const char *base, hone_error *err) {
    const char *train = l->is_divided ? l->parts[HONE_PART_TRAIN] : NULL;
    HONE_TRY(list_folders(classes, train ? train : base, err));
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

static hone_status list_labelled(file_list *list, const char *base, const hone__listing *classes, hone_error *err) {
    hone__listing folders;
    HONE_TRY(list_folders(&folders, base, err));
    hone_status status = HONE_OK;
    for (size_t i = 0; i < folders.count && status == HONE_OK; i++) {
        size_t label = find_name(classes, folders.names[i]);
        if (label == classes->count) {
            status = hone__fail(err, HONE_NOT_FOUND, "class folder '%s' of '%s' has no counterpart in the train part",
                                folders.names[i], base);
            break;
        }
        char *path = hone__join_path(base, folders.names[i]);
        size_t before = list->count;
        status =
            path ? walk(list, path, (int32_t)label, true, NULL, err) : hone__fail_memory(err, strlen(base), "a path");
        if (status == HONE_OK && list->count == before)
            hone__log(HONE_LOG_WARNING, "class folder '%s' holds no pictures", path);
        hone__free(path);
    }
    hone__listing_release(&folders);
    return status;
}

/* The files of base with their labels, and the classes' names. */
static hone_status list_files(file_list *list, hone__dataset_parts *parts, const layout *l, const char *base,
                              bool allow_unlabelled, hone_error *err) {
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
        status = walk(list, base, -1, false, NULL, err);
        if (status == HONE_OK && list->count > 0 && !allow_unlabelled)
            status = hone__fail(err, HONE_NOT_FOUND, "'%s' holds pictures, but no class folders that label them", base);
    }
    hone__listing_release(&classes);
    if (status == HONE_OK && list->count == 0)
        status = hone__fail(err, HONE_NOT_FOUND, "'%s' holds no pictures (PNG, JPEG, PNM)", base);
    return status;
}

/* ---- decoding -------------------------------------------------------------------------------------------------- */

enum {
    ROUND = 4096,     /* files whose errors are kept at a time */
    PIECE = 4,        /* files per piece: they differ much in size */
    SIZE_SAMPLES = 64 /* files that vote on the size */
};

typedef struct decode_run {
    char *const *paths;
    hone_error *errors; /* (count) */
    size_t count;
    unsigned char *images; /* (count, height, width, channels) */
    int height, width, channels;
} decode_run;

static void decode_piece(void *context, int worker, size_t piece) {
    (void)worker;
    decode_run *run = context;
    size_t size = (size_t)run->height * (size_t)run->width * (size_t)run->channels;
    size_t end = (piece + 1) * PIECE < run->count ? (piece + 1) * PIECE : run->count;
    for (size_t i = piece * PIECE; i < end; i++) {
        hone_image image, fitted;
        hone_error *err = &run->errors[i];
        err->status = HONE_OK;
        if (hone_image_read(&image, run->paths[i], err) != HONE_OK) continue;
        if (hone_image_convert(&fitted, &image, run->height, run->width, run->channels, err) == HONE_OK) {
            memcpy(run->images + i * size, fitted.pixels, size);
            hone_image_release(&fitted);
        }
        hone_image_release(&image);
    }
}

typedef struct size_vote {
    int height, width, channels, count;
} size_vote;

typedef struct vote_run {
    char *const *paths;
    size_vote *sizes; /* (files); height 0 where the file could not be read */
    atomic_bool out_of_memory;
} vote_run;

static void vote_piece(void *context, int worker, size_t piece) {
    (void)worker;
    vote_run *run = context;
    hone_image image;
    hone_status status = hone_image_read(&image, run->paths[piece], NULL);
    if (status == HONE_MEMORY) atomic_store(&run->out_of_memory, true);
    if (status != HONE_OK) return;
    run->sizes[piece] = (size_vote){image.height, image.width, image.channels >= 3 ? 3 : 1, 1};
    hone_image_release(&image);
}

/* The most frequent size of the first pictures; of equals the one met first. */
static hone_status vote_on_size(size_vote *out, const file_list *list, hone_threads *threads, hone_error *err) {
    size_vote sizes[SIZE_SAMPLES] = {{0}};
    size_t count = list->count < SIZE_SAMPLES ? list->count : SIZE_SAMPLES;
    vote_run run = {list->paths, sizes, false};
    hone__threads_run(threads, vote_piece, &run, count);
    if (atomic_load(&run.out_of_memory)) return hone__fail_memory(err, 0, "a picture");
    *out = sizes[0];
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < i; k++) {
            if (sizes[k].height == sizes[i].height && sizes[k].width == sizes[i].width &&
                sizes[k].channels == sizes[i].channels) {
                sizes[k].count++;
                break;
            }
        }
    }
    for (size_t i = 0; i < count; i++)
        if (sizes[i].height > 0 && (out->height == 0 || sizes[i].count > out->count)) *out = sizes[i];
    if (out->height == 0)
        HONE_FAIL(err, HONE_FORMAT, "none of the first %zu pictures could be read, so there is no size to go by",
                  count);
    return HONE_OK;
}

/* Reports the bad files of a round, in order, and closes the gaps they leave; *used counts the good ones. */
static hone_status keep_good(hone__dataset_parts *parts, size_t *used, file_list *list, size_t first,
                             const decode_run *run, const hone_dataset_config *config, hone_error *err) {
    size_t size = (size_t)run->height * (size_t)run->width * (size_t)run->channels;
    for (size_t i = 0; i < run->count; i++) {
        const hone_error *why = &run->errors[i];
        if (why->status == HONE_MEMORY) HONE_FAIL(err, HONE_MEMORY, "%s", why->message);
        if (why->status != HONE_OK) {
            if (config->on_bad_file && config->on_bad_file(config->context, list->paths[first + i], why)) continue;
            HONE_FAIL(err, why->status, "%s", why->message);
        }
        unsigned char *target = parts->images + *used * size;
        if (target != run->images + i * size) memmove(target, run->images + i * size, size);
        parts->labels[*used] = list->labels[first + i];
        parts->paths[*used] = list->paths[first + i];
        list->paths[first + i] = NULL;
        ++*used;
    }
    return HONE_OK;
}

static hone_status decode_files(hone__dataset_parts *parts, file_list *list, size_t limit,
                                const hone_dataset_config *config, hone_error *err) {
    size_vote size = {config->height, config->width, config->channels, 0};
    if (size.height == 0 || size.width == 0 || size.channels == 0) {
        HONE_TRY(vote_on_size(&size, list, config->threads, err));
        if (config->height) size.height = config->height;
        if (config->width) size.width = config->width;
        if (config->channels) size.channels = config->channels;
    }
    size_t room = list->count < limit ? list->count : limit, used = 0;
    HONE_TRY(hone__dataset_parts_allocate(parts, room, size.height, size.width, size.channels, err));
    parts->paths = hone__alloc(room, sizeof *parts->paths);
    hone_error *errors = hone__alloc(room < ROUND ? room : ROUND, sizeof *errors);
    hone_status status = HONE_OK;
    if (!parts->paths || !errors) status = hone__fail_memory(err, room * sizeof *parts->paths, "the list of files");
    size_t bytes = (size_t)size.height * (size_t)size.width * (size_t)size.channels;
    /* Where bad files are left out, later ones take their places until the limit is reached. */
    for (size_t first = 0; status == HONE_OK && first < list->count && used < room;) {
        size_t count = list->count - first;
        if (count > ROUND) count = ROUND;
        if (count > room - used) count = room - used;
        decode_run run = {list->paths + first, errors,     count,        parts->images + used * bytes,
                          size.height,         size.width, size.channels};
        hone__threads_run(config->threads, decode_piece, &run, (count + PIECE - 1) / PIECE);
        status = keep_good(parts, &used, list, first, &run, config, err);
        first += count;
    }
    hone__free(errors);
    if (status == HONE_OK && used == 0)
        status = hone__fail(err, HONE_FORMAT, "none of the %zu pictures could be used", list->count);
    /* Places beyond used hold no path, so the smaller count frees all there is. */
    parts->samples = used;
    return status;
}

hone_status hone__read_class_folder(hone__dataset_parts *parts, char origin[HONE_ORIGIN_SIZE],
                                    const hone__request *request, hone_error *err) {
    layout l;
    file_list list = {0};
    hone__part part = HONE_PART_TRAIN;
    HONE_TRY(layout_find(&l, request->path, err));
    bool present[HONE_PARTS] = {[HONE_PART_TRAIN] = true};
    for (int i = 0; l.is_divided && i < HONE_PARTS; i++) present[i] = l.parts[i] != NULL;
    hone_status status = HONE_OK;
    if (!hone__part_choose(&part, request->part, present))
        status = hone__fail(err, HONE_NOT_FOUND, "'%s' has no %s part", request->path, hone__part_name(part));
    if (status == HONE_OK)
        status = list_files(&list, parts, &l, l.is_divided ? l.parts[part] : request->path,
                            request->config->allow_unlabelled, err);
    if (status == HONE_OK) status = decode_files(parts, &list, request->limit, request->config, err);
    if (status == HONE_OK)
        snprintf(origin, HONE_ORIGIN_SIZE, "%s%s%s", parts->class_names ? "class folders" : "pictures, unlabelled",
                 l.is_divided ? ", " : "", l.is_divided ? hone__part_name(part) : "");
    file_list_release(&list);
    layout_release(&l);
    return status;
}
