/* SPDX-License-Identifier: Apache-2.0
 *
 * NumPy's .npy array format: a prefix, a header that is a Python dictionary in text, the items. */
#ifndef HONE_NPY_H
#define HONE_NPY_H

#include <hone/status.h>

#include <stdbool.h>

enum {
    HONE_NPY_PREFIX = 10, /* magic, version, and two bytes of the header's length */
    HONE_NPY_RANK = 4
};

/* What an array may hold: pixels and labels, or weights. */
typedef enum hone__npy_content { HONE_NPY_INTEGERS, HONE_NPY_FLOATS } hone__npy_content;

typedef struct hone__npy {
    char kind; /* 'u', 'i', 'b', or 'f' as in dtype.kind */
    bool is_big_endian;
    size_t item_size;
    int rank;
    size_t sizes[HONE_NPY_RANK];
    size_t bytes;         /* of all items */
    unsigned char *items; /* from hone__alloc */
} hone__npy;

void hone__npy_release(hone__npy *array);

/* The bytes of the header that follows the prefix. Versions 2 and 3 have two more bytes of length, which count as part
 * of the header here (they are zero for every header of a plain array). */
hone_status hone__npy_header_size(size_t *out, const unsigned char prefix[HONE_NPY_PREFIX], hone_error *err);
/* Reads the header's text, which ends in a zero byte, and fills all but items. HONE_UNSUPPORTED for other contents. */
hone_status hone__npy_parse_header(hone__npy *out, const char *text, hone__npy_content content, hone_error *err);

hone_status hone__npy_check_images(const hone__npy *array, hone_error *err);
hone_status hone__npy_check_labels(const hone__npy *array, hone_error *err);
/* Item index of an array of integers. Values beyond int64_t come out negative, which no label is. */
int64_t hone__npy_integer(const hone__npy *array, size_t index);

#endif
