/* SPDX-License-Identifier: Apache-2.0
 *
 * What the measurements share. */
#ifndef HONE_BENCH_INTERNAL_H
#define HONE_BENCH_INTERNAL_H

#include <hone/bench.h>

#include "core_internal.h"
#include "kernels.h"

/* The table of a level by name; NULL: the one in use. */
hone_status hone__bench_level(const hone_kernels **out, const char *level, hone_error *err);

#endif
