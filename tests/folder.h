/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder of a test's own, which goes afterwards with all that is in it. Who includes this asks for POSIX before its first
 * header (_POSIX_C_SOURCE 200809L or _XOPEN_SOURCE 700): mkdtemp, lstat. */
#ifndef HONE_TEST_FOLDER_H
#define HONE_TEST_FOLDER_H

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FOLDER_SIZE = 64 };

/* Makes one and writes its path; name is a word that tells whose it is. As cmocka takes it: 0, or -1 where there is none. */
static inline int folder_make(char folder[FOLDER_SIZE], const char *name) {
    snprintf(folder, FOLDER_SIZE, "/tmp/hone-%s-XXXXXX", name);
    return mkdtemp(folder) ? 0 : -1;
}

/* Links are removed, not followed. */
static inline int folder_remove(const char *path) {
    struct stat info;
    if (lstat(path, &info) != 0) return -1;
    DIR *folder = S_ISDIR(info.st_mode) ? opendir(path) : NULL;
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char inner[1024];
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
        if ((size_t)snprintf(inner, sizeof inner, "%s/%s", path, entry->d_name) < sizeof inner) folder_remove(inner);
    }
    if (folder) closedir(folder);
    return remove(path);
}

#endif
