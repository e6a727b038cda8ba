/* SPDX-License-Identifier: Apache-2.0
 *
 * The IMAGE… of a command line: files, folders of them, and "-", a picture on standard input. */
#ifndef HONE_CLI_PICTURE_FILES_H
#define HONE_CLI_PICTURE_FILES_H

#include <hone/hone.h>

typedef struct picture_files {
    char **paths;
    size_t count, capacity;
} picture_files;

/* A file is taken as it is, whatever its name; a folder stands for the visible pictures in it and in the folders below, in
 * order of their names. Prints the error itself, also where there is no picture at all; returns an exit status, -1 when
 * all went well. */
int picture_files_find(picture_files *out, const char *const *words, int count);
void picture_files_release(picture_files *files);
/* Reads the picture of path, and makes it the shape that a model takes; invert: black and white turned around. */
hone_status picture_read(hone_image *out, const char *path, const hone_shape *shape, bool invert, hone_error *err);
/* What to do about a path that could not be read; NULL: nothing special. */
const char *picture_hint(const char *path);

#endif
