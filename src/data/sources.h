/* SPDX-License-Identifier: Apache-2.0
 *
 * The named data sets: what they are, where they come from, how to know that a copy is right, and what their files do
 * not say themselves (class names, EMNIST's transposed images, labels that begin at 1). Constants only. */
#ifndef HONE_SOURCES_H
#define HONE_SOURCES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct hone__source_file {
    const char *name;      /* in the data set's folder, and behind a mirror's address */
    const char *content;   /* SHA-256 of the unpacked contents, or NULL: not published */
    const char *published; /* SHA-256 of the file as the authors publish it, or NULL */
    size_t samples;        /* what its header must say; 0: not an IDX file */
} hone__source_file;

/* One archive that holds the files of several data sets. */
typedef struct hone__source_archive {
    const char *name;      /* behind a mirror's address */
    const char *keep_name; /* in the cache */
    const char *published; /* its SHA-256 */
    const char *folder;    /* before the files' names inside */
} hone__source_archive;

typedef struct hone__source {
    const char *name, *title, *licence, *homepage, *citation;
    const char *const *class_names;
    size_t classes;
    bool transposed; /* images are stored column by column */
    int first_label; /* the label of class 0 in the files */
    const hone__source_file *files;
    size_t file_count;
    const hone__source_archive *archive; /* the files come inside this archive, or NULL: each by itself */
    const char *const *mirrors;          /* addresses that end in a slash, the best first; NULL-terminated */
} hone__source;

/* NULL where the name is not known. */
const hone__source *hone__source_find(const char *name);

#endif
