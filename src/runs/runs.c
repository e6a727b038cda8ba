/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading runs back. What lies in the folder is data: a file that is no record is passed over, not believed. */
#define _POSIX_C_SOURCE 200809L
#include <hone/format.h>
#include <hone/runs.h>

#include "core_internal.h"
#include "file.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_RECORD = 1 << 24, MOST_METRICS = 1 << 28 }; /* bytes */

/* Whether some process holds the lock. */
static bool is_alive(const char *folder) {
    char *path = hone__join_path(folder, "lock");
    int file = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    bool alive = file >= 0 && fcntl(file, F_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
    if (file >= 0) close(file);
    hone__free(path);
    return alive;
}

/* Lines until the first that is none: a crash may have cut the last one. */
static hone_value *read_epochs(const char *folder) {
    hone_value *list = hone_value_list(), *line;
    unsigned char *bytes = NULL;
    size_t size = 0;
    char *path = hone__join_path(folder, "metrics.jsonl");
    if (!path || hone__file_read(path, MOST_METRICS, &bytes, &size, NULL) != HONE_OK) bytes = NULL, size = 0;
    for (size_t at = 0; at < size;) {
        const unsigned char *end = memchr(bytes + at, '\n', size - at);
        if (!end || hone_json_parse(&line, (char *)bytes + at, (size_t)(end - bytes) - at, NULL) != HONE_OK) break;
        hone_value_append(list, line);
        at = (size_t)(end - bytes) + 1;
    }
    hone__free(bytes);
    hone__free(path);
    return list;
}

/* NULL: no run. */
static hone_value *read_run(const char *folder) {
    unsigned char *bytes;
    size_t size;
    hone_value *value = NULL;
    char *path = hone__join_path(folder, "run.json");
    if (path && hone__file_read(path, MOST_RECORD, &bytes, &size, NULL) == HONE_OK) {
        if (hone_json_parse(&value, (char *)bytes, size, NULL) != HONE_OK) value = NULL;
        hone__free(bytes);
    }
    hone__free(path);
    const char *status = hone_value_as_string(hone_value_get(value, "status"));
    if (!status || !hone_value_as_string(hone_value_get(value, "id")) ||
        !hone_value_as_string(hone_value_get(value, "started"))) {
        hone_value_free(value);
        return NULL;
    }
    if (strcmp(status, "running") == 0 && !is_alive(folder)) hone_value_set_string(value, "status", "died");
    hone_value_set_string(value, "path", folder);
    hone_value_set(value, "epochs", read_epochs(folder));
    return value;
}

typedef struct found {
    hone_value **items;
    size_t count, capacity;
} found;

static int by_start(const void *a, const void *b) {
    const hone_value *x = *(hone_value *const *)a, *y = *(hone_value *const *)b;
    int order =
        strcmp(hone_value_as_string(hone_value_get(x, "started")), hone_value_as_string(hone_value_get(y, "started")));
    if (order != 0) return order;
    return strcmp(hone_value_as_string(hone_value_get(x, "id")), hone_value_as_string(hone_value_get(y, "id")));
}

static hone_status add_run(found *f, const char *folder, const char *name, hone_error *err) {
    char *path = hone__join_path(folder, name);
    if (!path) return hone__fail_memory(err, 0, "a path");
    hone_value *run = read_run(path);
    hone__free(path);
    if (!run) return HONE_OK;
    hone_status status = hone__grow((void **)&f->items, &f->capacity, f->count + 1, sizeof(hone_value *), err);
    if (status == HONE_OK)
        f->items[f->count++] = run;
    else
        hone_value_free(run);
    return status;
}

hone_status hone_runs_list(hone_value **out, const char *folder, hone_error *err) {
    found f = {0};
    hone_status status = HONE_OK;
    *out = NULL;
    DIR *directory = opendir(folder);
    for (struct dirent *entry; directory && status == HONE_OK && (entry = readdir(directory));)
        if (entry->d_name[0] != '.') status = add_run(&f, folder, entry->d_name, err);
    if (directory) closedir(directory);
    if (f.count > 0) qsort(f.items, f.count, sizeof(hone_value *), by_start);
    hone_value *list = hone_value_list();
    for (size_t i = 0; i < f.count; i++) hone_value_append(list, f.items[i]); /* which takes them, whatever happens */
    hone__free(f.items);
    if (status == HONE_OK && hone_value_failed(list)) status = hone__fail_memory(err, 0, "the runs");
    if (status != HONE_OK) {
        hone_value_free(list);
        return status;
    }
    *out = list;
    return HONE_OK;
}

hone_status hone_runs_find(const hone_value **out, const hone_value *runs, const char *id, hone_error *err) {
    *out = NULL;
    size_t length = strlen(id), matches = 0;
    for (size_t i = 0; i < hone_value_count(runs); i++) {
        const hone_value *run = hone_value_at(runs, i);
        const char *full = hone_value_as_string(hone_value_get(run, "id"));
        if (length == 0 || strncmp(full, id, length) != 0) continue;
        *out = run;
        matches++;
    }
    if (matches == 1) return HONE_OK;
    *out = NULL;
    if (matches > 1) HONE_FAIL(err, HONE_ARGUMENT, "%zu runs begin with '%s': say more of the ID", matches, id);
    HONE_FAIL(err, HONE_NOT_FOUND, "there is no run '%s'", id);
}
