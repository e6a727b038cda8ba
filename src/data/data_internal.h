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

/* Images that are not in memory: how to get them. All functions may be called from several threads at once. */
typedef struct hone__fetcher {
    void *context;
    /* Image index, of the size that out says, into out->pixels. NULL: the images are in memory. */
    hone_status (*fetch)(const void *context, size_t index, const hone_image *out, hone_error *err);
    /* indices[0 … count - 1] (NULL: first … first + count - 1) will be fetched soon. */
    void (*expect)(const void *context, const uint32_t *indices, size_t first, size_t count);
    const char *(*path)(const void *context, size_t index); /* as hone_dataset_path */
    /* What hone_dataset_hash gives of the images with these labels, at this size. */
    void (*hash)(const void *context, const hone_image *size, const int32_t *labels, char out[65]);
    void (*release)(void *context);
} hone__fetcher;

/* A data set in the making. Everything is on the heap and owned by the parts. Start with all zero. */
typedef struct hone__dataset_parts {
    unsigned char *images; /* (samples, height, width, channels), from hone__alloc; NULL: they are fetched */
    hone__fetcher fetcher;
    int32_t *labels; /* (samples), 0 … classes - 1 or -1, from hone__alloc */
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
/* The same without images: for parts whose images are fetched. */
hone_status hone__dataset_parts_allocate_labels(hone__dataset_parts *parts, size_t samples, int height, int width,
                                                int channels, hone_error *err);
/* Says so in words where so many images cannot be in memory at once: an allocation that the system grants may still end
 * the process when it is used. */
hone_status hone__check_memory(size_t samples, int height, int width, int channels, hone_error *err);
/* Gives a data set without images, just adopted, what fetches them. */
void hone__dataset_fetch_from(hone_dataset *dataset, const hone__fetcher *fetcher);
/* Takes a data set apart again (its digits, another size) and frees the shell. */
void hone__dataset_dismantle(hone_dataset *dataset, hone__dataset_parts *parts);
/* Copies names into parts->class_names and sets parts->classes; names NULL: "0", "1", … */
hone_status hone__dataset_parts_name(hone__dataset_parts *parts, const char *const *names, size_t count,
                                     hone_error *err);

/* ---- images, wherever they are --------------------------------------------------------------------------------- */

size_t hone__dataset_image_size(const hone_dataset *dataset); /* in bytes */
/* Are they fetched? */
bool hone__dataset_is_fetched(const hone_dataset *dataset);
/* Image index: where it is in memory, or fetched into room. NULL on failure. */
const unsigned char *hone__dataset_view(const hone_dataset *dataset, size_t index, unsigned char *room,
                                        hone_error *err);
/* Copies images indices[0 … n - 1] (NULL: first … first + n - 1) into block, in parallel where that is worth it. */
hone_status hone__dataset_gather(hone_threads *threads, const hone_dataset *dataset, const uint32_t *indices,
                                 size_t first, size_t n, unsigned char *block, hone_error *err);
/* Says that these will be fetched soon, so that the disk is not waited for. Returns at once. */
void hone__dataset_expect(const hone_dataset *dataset, const uint32_t *indices, size_t first, size_t n);
/* Fetches all of parts' images, which are to be fetched, into memory. */
hone_status hone__dataset_parts_load(hone__dataset_parts *parts, hone_threads *threads, hone_error *err);

#endif
