/* SPDX-License-Identifier: Apache-2.0
 *
 * The one place that reads the environment. */
#include "core_internal.h"

#include <stdlib.h>
#include <string.h>

static const char *const known[] = {"HONE_CPU", "HONE_THREADS", "HONE_LOG",     "HONE_DATA", "XDG_CACHE_HOME",
                                    "HOME",     "HONE_RUNS",    "HONE_SANDBOX", "NO_COLOR",  "TERM",
                                    "LC_ALL",   "LC_CTYPE",     "LANG"};

const char *hone_environment(const char *name) {
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++) {
        if (strcmp(known[i], name) != 0) continue;
        const char *value = getenv(name);
        return value && *value ? value : NULL;
    }
    return NULL;
}
