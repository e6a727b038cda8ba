/* SPDX-License-Identifier: Apache-2.0
 *
 * How much memory there is to take. Linux grants what it does not have and ends the process when it is used, so whoever
 * wants gigabytes asks here first. */
#define _DEFAULT_SOURCE /* RLIMIT_AS */
#include "core_internal.h"

#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>

static uint64_t least(uint64_t a, uint64_t b) {
    return a < b ? a : b;
}

/* The number that a file consists of; UINT64_MAX where there is none ("max", no such file). */
static uint64_t number_in(const char *path) {
    uint64_t number = UINT64_MAX;
    FILE *file = fopen(path, "re");
    if (!file) return number;
    if (fscanf(file, "%" SCNu64, &number) != 1) number = UINT64_MAX;
    fclose(file);
    return number;
}

/* What the machine can give without swapping others out. */
static uint64_t of_machine(void) {
    char line[128];
    uint64_t kibibytes, sum = 0;
    bool found = false;
    FILE *file = fopen("/proc/meminfo", "re");
    if (!file) return UINT64_MAX;
    while (fgets(line, sizeof line, file)) {
        if (sscanf(line, "MemAvailable: %" SCNu64, &kibibytes) == 1)
            found = true;
        else if (sscanf(line, "SwapFree: %" SCNu64, &kibibytes) != 1)
            continue;
        sum += kibibytes * 1024;
    }
    fclose(file);
    return found ? sum : UINT64_MAX;
}

/* A container sees its own limits in these places. What it uses now is mostly file cache that it can give back, so the
 * limit itself counts. */
static uint64_t of_cgroup(void) {
    return least(number_in("/sys/fs/cgroup/memory.max"), number_in("/sys/fs/cgroup/memory/memory.limit_in_bytes"));
}

static uint64_t of_process(void) {
    uint64_t most = UINT64_MAX;
    const int kinds[] = {RLIMIT_AS, RLIMIT_DATA};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct rlimit limit;
        if (getrlimit(kinds[i], &limit) == 0 && limit.rlim_cur != RLIM_INFINITY)
            most = least(most, (uint64_t)limit.rlim_cur);
    }
    return most;
}

uint64_t hone__memory_available(void) {
    return least(of_machine(), least(of_cgroup(), of_process()));
}
