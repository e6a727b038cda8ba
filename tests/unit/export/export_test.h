/* SPDX-License-Identifier: Apache-2.0
 *
 * What tests of C export share: a folder of their own, exporting into it, and commands run there. */
#ifndef HONE_EXPORT_TEST_H
#define HONE_EXPORT_TEST_H

#include "../model/model_test.h"
#include "folder.h"

#include <hone/export.h>

#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#define ET_FLAGS "-std=c99 -Wall -Wextra -Werror -pedantic -Wconversion " HONE_TEST_CFLAGS

static char et_folder[FOLDER_SIZE];

static inline int et_setup(void **state) {
    (void)state;
    return folder_make(et_folder, "export");
}

static inline int et_teardown(void **state) {
    (void)state;
    return folder_remove(et_folder);
}

/* Good until the next call. */
static inline const char *et_path(const char *name, const char *suffix) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s%s", et_folder, name, suffix);
    return path;
}

static inline void et_export(const hone_model *model, const char *name, bool int8, hone_c_report *report) {
    char path[256];
    hone_error err = {0};
    snprintf(path, sizeof path, "%s", et_path(name, ".c"));
    hone_c_config config = hone_c_config_default();
    config.path = path;
    config.int8 = int8;
    if (hone_model_export_c(model, &config, report, &err) != HONE_OK) fail_msg("%s: %s", path, err.message);
}

static inline void et_write(const char *name, const char *suffix, const void *data, size_t size) {
    FILE *f = fopen(et_path(name, suffix), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(data, 1, size, f), size);
    fclose(f);
}

static inline void et_read(const char *name, const char *suffix, void *data, size_t size) {
    FILE *f = fopen(et_path(name, suffix), "rb");
    if (!f) fail_msg("there is no %s%s", name, suffix);
    assert_int_equal(fread(data, 1, size, f), size);
    fclose(f);
}

/* In the folder; must succeed. */
static inline void et_run(const char *command) {
    char line[1024];
    snprintf(line, sizeof line, "cd %s && %s", et_folder, command);
    int status = system(line);
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) fail_msg("failed: %s", line);
}

#endif
