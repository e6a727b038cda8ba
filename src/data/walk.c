/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking through folders: every file in one fixed order, loops of links cut, and whether its name says that it is meant
 * to be a picture. */
#define _POSIX_C_SOURCE 200809L
#include "readers.h"

#include "core_internal.h"

#include <string.h>
#include <strings.h>
#include <sys/stat.h>

/* Notes, tables and the like are none; a picture of a format that cannot be read is one, because its owner should hear of
 * it. */
bool hone_is_picture_name(const char *name) {
    static const char *const endings[] = {"png", "jpg", "jpeg", "jpe",  "jfif", "pgm",  "ppm",  "pnm",
                                          "bmp", "gif", "tif",  "tiff", "webp", "heic", "heif", "avif"};
    const char *slash = strrchr(name, '/'), *dot = strrchr(slash ? slash : name, '.');
    if (!dot) return true;
    for (size_t i = 0; i < sizeof endings / sizeof *endings; i++)
        if (strcasecmp(dot + 1, endings[i]) == 0) return true;
    return false;
}

/* The folders from the first one down to here: a link that leads back to one of them is a loop. */
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

static hone_status walk(const char *folder, bool is_deep, const trail *up, hone__walk_visit visit, void *context,
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
        if (!path) {
            status = hone__fail_memory(err, strlen(folder), "a path");
            break;
        }
        /* A link to nowhere is visited: the read that fails will name it. */
        bool is_there = stat(path, &info) == 0;
        if (is_there && S_ISDIR(info.st_mode)) {
            if (is_deep) status = walk(path, true, &here, visit, context, err);
        } else if (!is_there || S_ISREG(info.st_mode)) {
            status = visit(context, path, hone_is_picture_name(listing.names[i]), err);
        }
        hone__free(path);
    }
    hone__listing_release(&listing);
    return status;
}

hone_status hone__walk(const char *folder, bool is_deep, hone__walk_visit visit, void *context, hone_error *err) {
    return walk(folder, is_deep, NULL, visit, context, err);
}
