/* SPDX-License-Identifier: Apache-2.0
 *
 * Folders and file names: a folder's names in one fixed order (by bytes, so that no locale can change the order of
 * classes), and the words for the parts of a data set. */
#define _POSIX_C_SOURCE 200809L
#include "readers.h"

#include "core_internal.h"

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int compare_names(const void *a, const void *b) {
    return strcmp(*(char *const *)a, *(char *const *)b);
}

hone_status hone__listing_read(hone__listing *out, const char *folder, hone_error *err) {
    size_t capacity = 0;
    memset(out, 0, sizeof *out);
    DIR *directory = opendir(folder);
    if (!directory)
        HONE_FAIL(err, errno == ENOENT ? HONE_NOT_FOUND : HONE_IO, "cannot read folder '%s': %s", folder,
                  strerror(errno));
    hone_status status = HONE_OK;
    for (;;) {
        errno = 0;
        const struct dirent *entry = readdir(directory);
        if (!entry) {
            if (errno != 0) status = hone__fail(err, HONE_IO, "cannot read folder '%s': %s", folder, strerror(errno));
            break;
        }
        if (entry->d_name[0] == '.') continue;
        status = hone__grow((void **)&out->names, &capacity, out->count + 1, sizeof *out->names, err);
        if (status != HONE_OK) break;
        char *name = hone__strdup(entry->d_name);
        if (!name) {
            status = hone__fail_memory(err, strlen(entry->d_name) + 1, "a file name");
            break;
        }
        out->names[out->count++] = name;
    }
    closedir(directory);
    if (status != HONE_OK)
        hone__listing_release(out);
    else if (out->count > 1)
        qsort(out->names, out->count, sizeof *out->names, compare_names);
    return status;
}

void hone__listing_release(hone__listing *listing) {
    for (size_t i = 0; i < listing->count; i++) hone__free(listing->names[i]);
    hone__free(listing->names);
    memset(listing, 0, sizeof *listing);
}

void hone__base_name(char *name, size_t size, const char *path) {
    size_t end = strlen(path);
    while (end > 1 && path[end - 1] == '/') end--;
    size_t begin = end;
    while (begin > 0 && path[begin - 1] != '/') begin--;
    size_t length = end - begin < size - 1 ? end - begin : size - 1;
    memcpy(name, path + begin, length);
    name[length] = '\0';
}

bool hone__part_parse(hone__part *out, const char *word) {
    static const struct {
        const char *word;
        hone__part part;
    } words[] = {{"train", HONE_PART_TRAIN},      {"training", HONE_PART_TRAIN}, {"validation", HONE_PART_VALIDATION},
                 {"valid", HONE_PART_VALIDATION}, {"val", HONE_PART_VALIDATION}, {"test", HONE_PART_TEST},
                 {"t10k", HONE_PART_TEST}};
    if (!word) {
        *out = HONE_PART_ANY;
        return true;
    }
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (strcmp(words[i].word, word) == 0) {
            *out = words[i].part;
            return true;
        }
    }
    return false;
}

const char *hone__part_name(hone__part part) {
    static const char *const names[HONE_PARTS] = {"train", "validation", "test"};
    return part == HONE_PART_ANY ? "all" : names[part];
}

bool hone__part_choose(hone__part *chosen, const hone__request *request, const bool present[HONE_PARTS]) {
    static const hone__part order[HONE_PARTS] = {HONE_PART_TRAIN, HONE_PART_TEST, HONE_PART_VALIDATION};
    bool found = false;
    *chosen = request->part;
    if (request->part != HONE_PART_ANY) found = present[request->part];
    for (int i = 0; request->part == HONE_PART_ANY && !found && i < HONE_PARTS; i++) {
        *chosen = order[i];
        found = present[order[i]];
    }
    if (!found && request->config->lacks_part) *request->config->lacks_part = true;
    return found;
}
