/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this folder share. The one idea: every reader (IDX, NPZ, class folders, CIFAR, digits) fills a
 * plain hone__dataset_parts; hone__dataset_adopt turns finished parts into the immutable hone_dataset. */
#ifndef HONE_DATA_INTERNAL_H
#define HONE_DATA_INTERNAL_H

#include <hone/data.h>

#include <stdbool.h>

/* The most bytes that one input file may have: 16 GiB where addresses allow it. Nothing is allocated on its account. */
#define HONE_MAX_FILE_BYTES (sizeof(size_t) > 4 ? (size_t)(UINT64_C(1) << 34) : (size_t)1 << 30)

/* Of one picture's file: none within the limits needs more (16-bit RGBA, stored). */
enum { HONE_MAX_PICTURE_BYTES = INT32_MAX };

/* ---- parts of a data set --------------------------------------------------------------------------------------- */

/* A data set in the making. Everything is on the heap and owned by the parts. Start with all zero. */
typedef struct hone__dataset_parts {
    unsigned char *images; /* (samples, height, width, channels), from hone__alloc */
    int32_t *labels;       /* (samples), 0 … classes - 1 or -1, from hone__alloc */
    size_t samples;
    int height, width, channels;
    char **class_names; /* (classes), each from hone__strdup; NULL: the source names none, "0", "1", … are made */
    size_t classes;
    char **paths; /* (samples), each NULL or from hone__strdup; NULL: the samples are not files of their own */
    char
        *description; /* "mnist: 60000 images 28x28x1, 10 classes (IDX, train)"; NULL: made without source and format */
} hone__dataset_parts;

void hone__dataset_parts_release(hone__dataset_parts *parts); /* leaves it zeroed; fine on a zeroed one */

/* Checks the parts and makes a data set of them, taking everything over without a copy. On success *parts is zeroed;
 * on failure the caller still owns it. Either way hone__dataset_parts_release(parts) afterwards is right. */
hone_status hone__dataset_adopt(hone_dataset **out, hone__dataset_parts *parts, hone_error *err);

/* Allocates images and labels for samples x height x width x channels, overflow-checked, and sets these fields. */
hone_status hone__dataset_parts_allocate(hone__dataset_parts *parts, size_t samples, int height, int width,
                                         int channels, hone_error *err);
/* Takes a data set apart again (its digits, another size) and frees the shell. */
void hone__dataset_dismantle(hone_dataset *dataset, hone__dataset_parts *parts);
/* Copies names into parts->class_names and sets parts->classes; names NULL: "0", "1", … */
hone_status hone__dataset_parts_name(hone__dataset_parts *parts, const char *const *names, size_t count,
                                     hone_error *err);

#endif
