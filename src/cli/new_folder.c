/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder in the making. Renaming is the one step that either happens or does not. */
#define _POSIX_C_SOURCE 200809L
#define _XOPEN_SOURCE   700
#include "new_folder.h"
#include "output.h"

#include <dirent.h>
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int cannot_make(const char *folder, int why) {
    return failed(NULL, NULL, "cannot make the folder '%s': %s", folder, strerror(why));
}

char *path_in(const char *folder, const char *name) {
    size_t size = strlen(folder) + strlen(name) + 2;
    char *path = malloc(size);
    if (path) snprintf(path, size, "%s/%s", folder, name);
    return path;
}

/* As mkdir -p does for what is above path, which is scribbled in and put right again. */
static bool make_above(char *path) {
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        bool is_there = mkdir(path, 0777) == 0 || errno == EEXIST || errno == EISDIR;
        *slash = '/';
        if (!is_there) return false;
    }
    return true;
}

int new_folder_begin(new_folder *f, const char *wanted) {
    size_t length = strlen(wanted);
    *f = (new_folder){.wanted = wanted};
    while (length > 1 && wanted[length - 1] == '/') length--;
    f->path = malloc(length + 32);
    if (!f->path) return failed(NULL, NULL, "out of memory");
    snprintf(f->path, length + 32, "%.*s.tmp-%ld", (int)length, wanted, (long)getpid());
    if (make_above(f->path) && mkdir(f->path, 0777) == 0) return -1;
    int why = errno;
    free(f->path);
    f->path = NULL;
    return cannot_make(wanted, why);
}

static int move_files(new_folder *f) {
    DIR *listing = opendir(f->path);
    int why = listing ? 0 : errno;
    for (struct dirent *entry; why == 0 && (entry = readdir(listing));) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        char *from = path_in(f->path, entry->d_name), *to = path_in(f->wanted, entry->d_name);
        if (!from || !to)
            why = ENOMEM;
        else if (rename(from, to) != 0)
            why = errno;
        free(from);
        free(to);
    }
    if (listing) closedir(listing);
    return why ? failed(NULL, NULL, "cannot write into the folder '%s': %s", f->wanted, strerror(why)) : -1;
}

int new_folder_commit(new_folder *f) {
    if (rename(f->path, f->wanted) == 0) {
        free(f->path);
        f->path = NULL;
        return -1;
    }
    if (errno != ENOTEMPTY && errno != EEXIST) return cannot_make(f->wanted, errno);
    int status = move_files(f);
    new_folder_release(f);
    return status;
}

static int remove_entry(const char *path, const struct stat *info, int kind, struct FTW *where) {
    (void)info, (void)kind, (void)where;
    return remove(path);
}

void new_folder_release(new_folder *f) {
    if (!f->path) return;
    nftw(f->path, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(f->path);
    f->path = NULL;
}
