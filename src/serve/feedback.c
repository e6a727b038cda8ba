/* SPDX-License-Identifier: Apache-2.0
 *
 * The feedback queue on the disk: FOLDER/CLASS/HASH.png. The name is a hash of the pixels, so the same picture is found
 * again whoever sends it: told the same it stays, told otherwise it moves. The disk is the only truth; what is counted
 * here is counted from it when the server starts, and people may take pictures away meanwhile. */
#define _POSIX_C_SOURCE 200809L
#include "feedback.h"

#include <hone/catalog.h>

#include "core_internal.h"
#include "readers.h"

#include <dirent.h>
#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct hone__feedback {
    char *folder;
    size_t max_images;
    int64_t max_bytes;
    pthread_mutex_t lock; /* of what follows, and of the folder among our threads */
    size_t images;
    int64_t bytes;
};

/* ---- looking at the folder ---------------------------------------------------------------------------------------- */

typedef hone_status (*visitor)(void *context, const char *path, const char *label, const char *name,
                               const struct stat *info, hone_error *err);

static hone_status visit_class(const char *folder, const char *label, visitor visit, void *context, hone_error *err) {
    char *path = hone__join_path(folder, label);
    if (!path) return hone__fail_memory(err, strlen(folder), "a path");
    hone_status status = HONE_OK;
    DIR *dir = opendir(path);
    for (struct dirent *entry; dir && status == HONE_OK && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.') continue;
        struct stat info;
        char *file = hone__join_path(path, entry->d_name);
        if (!file)
            status = hone__fail_memory(err, strlen(path), "a path");
        else if (stat(file, &info) == 0 && S_ISREG(info.st_mode))
            status = visit(context, file, label, entry->d_name, &info, err);
        hone__free(file);
    }
    if (dir) closedir(dir);
    hone__free(path);
    return status;
}

/* Every file in a class folder; what else lies there is not ours. */
static hone_status visit_all(const char *folder, visitor visit, void *context, hone_error *err) {
    DIR *dir = opendir(folder);
    if (!dir) HONE_FAIL(err, HONE_IO, "cannot read the folder '%s': %s", folder, strerror(errno));
    hone_status status = HONE_OK;
    for (struct dirent *entry; status == HONE_OK && (entry = readdir(dir));)
        if (entry->d_name[0] != '.') status = visit_class(folder, entry->d_name, visit, context, err);
    closedir(dir);
    return status;
}

static hone_status count_file(void *context, const char *path, const char *label, const char *name,
                              const struct stat *info, hone_error *err) {
    (void)path, (void)label, (void)name, (void)err;
    hone__feedback *f = context;
    f->images++;
    f->bytes += (int64_t)info->st_size;
    return HONE_OK;
}

hone_status hone__feedback_create(hone__feedback **out, const char *folder, size_t max_images, int64_t max_bytes,
                                  hone_error *err) {
    *out = NULL;
    hone__feedback *f = hone__alloc(1, sizeof *f);
    if (!f) return hone__fail_memory(err, sizeof *f, "the feedback queue");
    pthread_mutex_init(&f->lock, NULL);
    f->max_images = max_images;
    f->max_bytes = max_bytes;
    f->folder = hone__strdup(folder);
    hone_status status = f->folder ? hone__make_folders(folder, err) : hone__fail_memory(err, strlen(folder), "a path");
    if (status == HONE_OK) status = visit_all(f->folder, count_file, f, err);
    if (status == HONE_OK && access(folder, W_OK) != 0)
        status = hone__fail(err, HONE_IO, "cannot write into the folder '%s': %s", folder, strerror(errno));
    if (status != HONE_OK) {
        hone__feedback_free(f);
        return status;
    }
    *out = f;
    return HONE_OK;
}

void hone__feedback_free(hone__feedback *f) {
    if (!f) return;
    pthread_mutex_destroy(&f->lock);
    hone__free(f->folder);
    hone__free(f);
}

size_t hone__feedback_count(hone__feedback *f) {
    pthread_mutex_lock(&f->lock);
    size_t count = f->images;
    pthread_mutex_unlock(&f->lock);
    return count;
}

size_t hone__feedback_room(const hone__feedback *f) {
    return f->max_images;
}

/* ---- adding ------------------------------------------------------------------------------------------------------- */

/* A hash of the size and the pixels. Two pictures of one name count as the same: nothing worse can come of it. */
static void picture_name(char name[HONE_FEEDBACK_NAME_SIZE], const hone_image *image) {
    const int32_t shape[] = {image->height, image->width, image->channels};
    size_t size = (size_t)image->height * (size_t)image->width * (size_t)image->channels;
    uint64_t hash = hone__fnv1a(hone__fnv1a(HONE_FNV1A_BEGIN, shape, sizeof shape), image->pixels, size);
    snprintf(name, HONE_FEEDBACK_NAME_SIZE, "%016llx.png", (unsigned long long)hash);
}

/* A label becomes a folder that must be read back as this class: nothing hidden, no path, no name of a part. */
static hone_status check_label(const char *label, hone_error *err) {
    hone__part part;
    size_t length = strlen(label);
    bool ok = length > 0 && length <= HONE_MAX_CLASS_NAME && label[0] != '.' && !strchr(label, '/');
    if (!ok || hone__has_control(label) || hone__part_parse(&part, label))
        HONE_FAIL(err, HONE_ARGUMENT, "the class '%.100s' cannot be the name of a folder, so no picture of it is kept",
                  label);
    return HONE_OK;
}

typedef struct search {
    const char *name, *label;
    bool is_here;
    char *elsewhere; /* its path under another label */
    int64_t elsewhere_bytes;
    size_t images; /* that were met on the way */
    int64_t bytes;
} search;

static hone_status compare(void *context, const char *path, const char *label, const char *name,
                           const struct stat *info, hone_error *err) {
    search *s = context;
    s->images++;
    s->bytes += (int64_t)info->st_size;
    if (strcmp(name, s->name) != 0) return HONE_OK;
    if (strcmp(label, s->label) == 0) {
        s->is_here = true;
    } else if (!s->elsewhere) {
        s->elsewhere = hone__strdup(path);
        if (!s->elsewhere) return hone__fail_memory(err, strlen(path), "a path");
        s->elsewhere_bytes = (int64_t)info->st_size;
    }
    return HONE_OK;
}

/* hone label has made a catalog of the folder: it shall know the new picture, too. */
static hone_status tell_catalog(const hone__feedback *f, hone_error *err) {
    char *file = hone__join_path(f->folder, "hone.db");
    if (!file) return hone__fail_memory(err, strlen(f->folder), "a path");
    bool exists = hone__file_exists(file);
    hone__free(file);
    if (!exists) return HONE_OK;
    hone_catalog *catalog;
    HONE_TRY(hone_catalog_open(&catalog, f->folder, NULL, err));
    hone_status status = hone_catalog_scan(catalog, NULL, NULL, err);
    hone_catalog_close(catalog);
    return status;
}

/* Where a picture of this label goes. */
typedef struct place {
    char *folder, *path;
} place;

/* Only when a file is there is its size known: it stays if there is room. What people said is never dropped for something
 * newer: they are told that the queue is full. */
static hone_status write_picture(hone__feedback *f, const hone_image *image, const place *to, hone_error *err) {
    struct stat info = {0};
    if (f->images >= f->max_images)
        HONE_FAIL(err, HONE_LIMIT, "the feedback queue is full: it has %zu pictures; train on it and empty it",
                  f->images);
    HONE_TRY(hone__make_folders(to->folder, err));
    HONE_TRY(hone_image_write(image, to->path, err));
    int64_t size = stat(to->path, &info) == 0 ? (int64_t)info.st_size : 0;
    if (size > f->max_bytes - f->bytes) {
        unlink(to->path);
        rmdir(to->folder); /* where it is empty */
        HONE_FAIL(err, HONE_LIMIT, "the feedback queue is full: it has %lld of %lld bytes; train on it and empty it",
                  (long long)f->bytes, (long long)f->max_bytes);
    }
    f->images++;
    f->bytes += size;
    return HONE_OK;
}

/* The same bytes under another label: a correction takes no room. */
static hone_status move_picture(const char *from, const place *to, hone_error *err) {
    HONE_TRY(hone__make_folders(to->folder, err));
    if (rename(from, to->path) != 0) HONE_FAIL(err, HONE_IO, "cannot write '%s': %s", to->path, strerror(errno));
    return HONE_OK;
}

/* The folder is counted anew each time: what people took away has made room. */
static hone_status put(hone__feedback *f, const hone_image *image, const place *to, search *s,
                       hone__feedback_result *result, hone_error *err) {
    HONE_TRY(hone__make_folders(f->folder, err));
    HONE_TRY(visit_all(f->folder, compare, s, err));
    f->images = s->images;
    f->bytes = s->bytes;
    *result = s->is_here ? HONE_FEEDBACK_KNOWN : s->elsewhere ? HONE_FEEDBACK_MOVED : HONE_FEEDBACK_ADDED;
    if (*result == HONE_FEEDBACK_ADDED) HONE_TRY(write_picture(f, image, to, err));
    if (*result == HONE_FEEDBACK_MOVED) HONE_TRY(move_picture(s->elsewhere, to, err));
    if (s->is_here && s->elsewhere && unlink(s->elsewhere) == 0) {
        f->images--;
        f->bytes -= s->elsewhere_bytes;
    }
    return s->is_here && !s->elsewhere ? HONE_OK : tell_catalog(f, err);
}

/* With the lock held. */
static hone_status add(hone__feedback *f, const hone_image *image, const char *label, const char *name,
                       hone__feedback_result *result, hone_error *err) {
    search s = {.name = name, .label = label};
    place to = {.folder = hone__join_path(f->folder, label)};
    to.path = to.folder ? hone__join_path(to.folder, name) : NULL;
    hone_status status =
        to.path ? put(f, image, &to, &s, result, err) : hone__fail_memory(err, strlen(label), "a path");
    hone__free(s.elsewhere);
    hone__free(to.path);
    hone__free(to.folder);
    return status;
}

hone_status hone__feedback_add(hone__feedback *f, const hone_image *image, const char *label,
                               hone__feedback_result *result, char name[HONE_FEEDBACK_NAME_SIZE], hone_error *err) {
    HONE_TRY(check_label(label, err));
    picture_name(name, image);
    pthread_mutex_lock(&f->lock);
    hone_status status = add(f, image, label, name, result, err);
    pthread_mutex_unlock(&f->lock);
    return status;
}
