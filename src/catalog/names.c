/* SPDX-License-Identifier: Apache-2.0
 *
 * Words and names that need no database: also there in a build without SQLite. */
#define _POSIX_C_SOURCE 200809L
#include <hone/catalog.h>

#include "core_internal.h"
#include "file.h"

#include <string.h>
#include <sys/stat.h>

static const char *const statuses[] = {
    [HONE_PICTURE_OK] = "ok", [HONE_PICTURE_QUARANTINED] = "quarantined", [HONE_PICTURE_MISSING] = "missing"};

const char *hone_picture_status_name(hone_picture_status status) {
    return (unsigned)status < sizeof statuses / sizeof *statuses ? statuses[status] : "unknown";
}

bool hone_picture_status_parse(hone_picture_status *out, const char *name) {
    for (size_t i = 0; i < sizeof statuses / sizeof *statuses; i++) {
        if (strcmp(statuses[i], name) != 0) continue;
        *out = (hone_picture_status)i;
        return true;
    }
    return false;
}

hone_catalog_config hone_catalog_config_default(void) {
    return (hone_catalog_config){.create = true};
}

/* Also where SQLite is left out: opening then says so, instead of a folder being read without what people said of it. */
bool hone_catalog_exists(const char *folder) {
    char *file = hone__join_path(folder, "hone.db");
    struct stat info;
    bool is_there = file && stat(file, &info) == 0 && S_ISREG(info.st_mode);
    hone__free(file);
    return is_there;
}
