/* SPDX-License-Identifier: Apache-2.0
 *
 * Inside hone_collect: the fetching of one file over HTTP (download.c, the only file that knows libcurl), the members
 * of one zip archive (unzip.c), and the workflow over a named data set (collect.c). */
#ifndef HONE_COLLECT_H
#define HONE_COLLECT_H

#include <hone/data.h>

#include "sources.h"

/* What a failed attempt means for the next one. */
typedef enum hone__download_advice {
    HONE_DOWNLOAD_RETRY, /* the connection failed, stalled or broke off, the server is busy: the same again later */
    HONE_DOWNLOAD_NEXT,  /* this address will not do (404, a wrong answer): another mirror */
    HONE_DOWNLOAD_STOP   /* cancelled, disk full: nothing will help */
} hone__download_advice;

typedef struct hone__download {
    const char *url, *path; /* path: the partial file; what it already holds is resumed */
    uint64_t limit;         /* more bytes are refused */
    double stall_seconds;
    /* Called now and then with what there is; false cancels. */
    bool (*progress)(void *context, uint64_t done, uint64_t total, double bytes_per_second);
    void *context;
    uint64_t received;            /* out: bytes of this attempt */
    bool was_resumed;             /* out: path began with bytes of an earlier attempt */
    hone__download_advice advice; /* out, after a failure */
} hone__download;

/* One attempt. A partial file is kept with a note beside it (path.from: the address and the server's validator), so
 * that a later attempt, or a later process, goes on where this one stopped. */
hone_status hone__download_run(hone__download *d, hone_error *err);
/* Removes the partial file and its note. */
void hone__download_discard(const char *path);

/* Unpacks one member of the zip archive to path, atomically. */
hone_status hone__unzip_member(const char *archive, const char *member, const char *path, hone_error *err);

/* hone_collect for any table entry: the tests bring their own mirrors. */
hone_status hone__collect_source(hone_collect_result *result, const hone__source *source,
                                 const hone_collect_config *config, hone_error *err);

#endif
