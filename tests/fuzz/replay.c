/* SPDX-License-Identifier: Apache-2.0
 *
 * Runs a fuzz target over files instead of a fuzzer: each argument is a file, or a folder of files. So every build
 * checks the inputs that once mattered, with any compiler and under any sanitizer. */
#define _POSIX_C_SOURCE 200809L
#include "core_internal.h"
#include "file.h"
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_INPUT = 1 << 24 };

static int inputs;

static void replay_file(const char *path) {
    unsigned char *data;
    size_t size;
    hone_error err;
    if (hone__file_read(path, MAX_INPUT, &data, &size, &err) != HONE_OK) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    /* In a block of exactly that size, so that a sanitizer sees the first byte beyond it. */
    unsigned char *exact = malloc(size ? size : 1);
    if (!exact) exit(1);
    memcpy(exact, data, size);
    hone__free(data);
    LLVMFuzzerTestOneInput(exact, size);
    free(exact);
    inputs++;
}

static void replay_folder(const char *path) {
    DIR *folder = opendir(path);
    if (!folder) {
        fprintf(stderr, "cannot read '%s'\n", path);
        exit(1);
    }
    for (const struct dirent *entry; (entry = readdir(folder));) {
        char file[1024];
        if (entry->d_name[0] == '.') continue;
        snprintf(file, sizeof file, "%s/%s", path, entry->d_name);
        replay_file(file);
    }
    closedir(folder);
}

int main(int count, char **arguments) {
    for (int i = 1; i < count; i++) {
        if (hone__is_folder(arguments[i]))
            replay_folder(arguments[i]);
        else
            replay_file(arguments[i]);
    }
    printf("%d inputs\n", inputs);
    return inputs > 0 ? 0 : 1; /* an empty corpus proves nothing */
}
