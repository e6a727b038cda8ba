/* SPDX-License-Identifier: Apache-2.0
 *
 * Files, safely: whole reads with a limit, and writes that either replace the target completely or leave it alone
 * (temporary file in the same folder, fsync, rename, fsync of the folder). */
#ifndef HONE_FILE_H
#define HONE_FILE_H

#include <hone/status.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

/* Reads the whole file into *data (free with hone__free; one zero byte follows the contents). A folder, a file over
 * limit bytes, a short read are errors with words. */
hone_status hone__file_read(const char *path, size_t limit, unsigned char **data, size_t *size, hone_error *err);

/* size bytes of a regular file, from offset on; all of them or an error. */
hone_status hone__file_read_part(const char *path, uint64_t offset, size_t size, void *data, hone_error *err);

typedef struct hone__file_writer {
    FILE *file;
    char *path;      /* the final name; links are followed, so a linked target is replaced, not the link */
    char *temporary; /* path.tmp-PID-N in the same folder */
} hone__file_writer;

/* Opens the temporary file. Fails early when path is a folder or its folder is missing or read-only. */
hone_status hone__file_begin(hone__file_writer *w, const char *path, hone_error *err);
/* Removes the temporaries of path that a process which is no more (kill -9, a lost machine) left a minute ago or longer. For
 * what is large or written often; it reads the folder. */
void hone__file_sweep(const char *path);
/* Flush, fsync, rename. On failure nothing is left of the temporary file and the old target is untouched. */
hone_status hone__file_commit(hone__file_writer *w, hone_error *err);
void hone__file_abort(hone__file_writer *w); /* fine after commit and on a zeroed writer */
/* All of it for contents already in memory. */
hone_status hone__file_write(const char *path, const void *data, size_t size, hone_error *err);

/* folder/name on the heap, or NULL when memory is out. */
char *hone__join_path(const char *folder, const char *name);
/* The folder part of path, "." where there is none, on the heap; NULL when memory is out. */
char *hone__folder_of(const char *path);
/* A relative path that stays in its folder: no leading '/', no empty part, no "." and no "..". */
bool hone__is_inside_path(const char *path);
/* Does path, whatever links are on it, lie in the folder or below it? A file that is not there does. */
bool hone__file_stays(const char *folder, const char *path);

bool hone__file_exists(const char *path);
bool hone__is_folder(const char *path);
hone_status hone__make_folders(const char *path, hone_error *err); /* like mkdir -p */

#endif
