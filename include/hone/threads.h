/* SPDX-License-Identifier: Apache-2.0
 *
 * A pool of worker threads. Plans, trainers and data loaders share one; it outlives them.
 * Results never depend on how many threads there are: work is cut by shape, reduced in the order of the pieces. */
#ifndef HONE_THREADS_H
#define HONE_THREADS_H

#include <hone/status.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { HONE_MAX_THREADS = 256 };

typedef struct hone_threads hone_threads;

/* Starts count - 1 threads (the caller of a run is the first worker). count 0 means HONE_THREADS if set, else the
 * CPUs this process may use (its affinity mask and cgroup quota). *out is NULL on failure. */
HONE_API hone_status hone_threads_create(hone_threads **out, int count, hone_error *err);

/* Joins the threads. NULL is fine. No run may be in progress. */
HONE_API void hone_threads_free(hone_threads *threads);

/* How many workers there are, the caller included; 1 for NULL. */
HONE_API int hone_threads_count(const hone_threads *threads);

#ifdef __cplusplus
}
#endif
#endif
