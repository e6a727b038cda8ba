/* SPDX-License-Identifier: Apache-2.0
 *
 * Pictures as they are named on a command line. */
#define _POSIX_C_SOURCE 200809L
#include "picture_files.h"
#include "output.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_FOLDERS_DEEP = 64, PIECE = 1 << 16, MOST_BYTES = 1 << 30 };

/* ---- which files ------------------------------------------------------------------------------------------------- */

static bool add_file(picture_files *list, const char *path) {
    if (list->count == list->capacity) {
        size_t larger = list->capacity ? 2 * list->capacity : 64;
        char **paths = realloc(list->paths, larger * sizeof *paths);
        if (!paths) return false;
        list->paths = paths;
        list->capacity = larger;
    }
    list->paths[list->count] = strdup(path);
    return list->paths[list->count] && ++list->count;
}

static int by_name(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* The folders from the first one down to here: a link that leads back to one of them is a loop. */
typedef struct trail {
    const struct trail *up;
    dev_t device;
    ino_t inode;
    int depth;
} trail;

static bool is_on_trail(const trail *t, const struct stat *info) {
    for (; t; t = t->up)
        if (t->device == info->st_dev && t->inode == info->st_ino) return true;
    return false;
}

static bool add_folder(picture_files *list, const char *path, const struct stat *info, const trail *up);

/* Of one entry of a folder; false: out of memory. */
static bool add_entry(picture_files *list, const char *folder, const char *name, const trail *up) {
    size_t length = strlen(folder), size = length + strlen(name) + 2;
    char *path = malloc(size);
    struct stat info;
    bool ok = true;
    if (!path) return false;
    snprintf(path, size, "%s%s%s", folder, length > 0 && folder[length - 1] == '/' ? "" : "/", name);
    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode))
        ok = add_folder(list, path, &info, up);
    else if (hone_is_picture_name(name)) /* a link to nowhere, too: the read that fails names it */
        ok = add_file(list, path);
    free(path);
    return ok;
}

static bool add_folder(picture_files *list, const char *path, const struct stat *info, const trail *up) {
    const trail here = {up, info->st_dev, info->st_ino, up ? up->depth + 1 : 0};
    if (is_on_trail(up, info)) return true;
    DIR *folder = here.depth < MOST_FOLDERS_DEEP ? opendir(path) : NULL;
    if (!folder) return add_file(list, path); /* reading it will say why not */
    bool ok = true;
    for (struct dirent *entry; ok && (entry = readdir(folder));)
        if (entry->d_name[0] != '.') ok = add_entry(list, path, entry->d_name, &here);
    closedir(folder);
    return ok;
}

int picture_files_find(picture_files *out, const char *const *words, int count) {
    *out = (picture_files){0};
    bool ok = true;
    for (int i = 0; ok && i < count; i++) {
        struct stat info;
        size_t first = out->count;
        if (stat(words[i], &info) != 0 || !S_ISDIR(info.st_mode)) {
            ok = add_file(out, words[i]);
            continue;
        }
        ok = add_folder(out, words[i], &info, NULL);
        if (out->count > first) qsort(out->paths + first, out->count - first, sizeof *out->paths, by_name);
    }
    if (!ok) return failed(NULL, NULL, "out of memory");
    return out->count > 0 ? -1 : failed(NULL, NULL, "there are no pictures in '%s'", words[0]);
}

void picture_files_release(picture_files *files) {
    for (size_t i = 0; i < files->count; i++) free(files->paths[i]);
    free(files->paths);
    *files = (picture_files){0};
}

/* ---- reading ------------------------------------------------------------------------------------------------------- */

static hone_status fail(hone_error *err, hone_status status, const char *words, const char *why) {
    err->status = status;
    snprintf(err->message, sizeof err->message, "%s%s%.400s", words, *why ? ": " : "", why);
    return status;
}

static hone_status read_input(hone_image *out, hone_error *err) {
    unsigned char *bytes = NULL;
    size_t size = 0, got;
    if (isatty(STDIN_FILENO))
        return fail(err, HONE_ARGUMENT, "'-' is a picture on standard input, and that is a terminal", "");
    do {
        unsigned char *larger = size < MOST_BYTES ? realloc(bytes, size + PIECE) : NULL;
        if (!larger) {
            free(bytes);
            return fail(err, HONE_MEMORY, "standard input is more than fits into memory", "");
        }
        bytes = larger;
        errno = 0;
        got = fread(bytes + size, 1, PIECE, stdin);
        size += got;
    } while (got > 0);
    hone_status status = ferror(stdin)
                             ? fail(err, HONE_IO, "cannot read standard input", strerror(errno))
                             : (size == 0 ? fail(err, HONE_FORMAT, "standard input holds nothing", "") : HONE_OK);
    hone_error why = {0};
    if (status == HONE_OK) {
        status = hone_image_decode(out, bytes, size, &why);
        if (status != HONE_OK) fail(err, status, "standard input", why.message);
    }
    free(bytes);
    return status;
}

hone_status picture_read(hone_image *out, const char *path, const hone_shape *shape, bool invert, hone_error *err) {
    hone_image read = {0};
    hone_status status = strcmp(path, "-") == 0 ? read_input(&read, err) : hone_image_read(&read, path, err);
    if (status == HONE_OK)
        status = hone_image_convert(out, &read, (int)shape->dims[0], (int)shape->dims[1], (int)shape->dims[2], err);
    hone_image_release(&read);
    size_t size = status == HONE_OK ? (size_t)(shape->dims[0] * shape->dims[1] * shape->dims[2]) : 0;
    for (size_t i = 0; invert && i < size; i++) out->pixels[i] = (unsigned char)(255 - out->pixels[i]);
    return status;
}

const char *picture_hint(const char *path) {
    bool is_address = strncmp(path, "http://", 7) == 0 || strncmp(path, "https://", 8) == 0;
    return is_address ? "hone reads files: curl -s ADDRESS | hone VERB MODEL - takes what an address answers" : NULL;
}
