/* SPDX-License-Identifier: Apache-2.0
 *
 * Zip archives in memory (.keras, .npz), and this folder's only door to libzip. */
#ifndef HONE_ZIP_MEMORY_H
#define HONE_ZIP_MEMORY_H

#include <hone/status.h>

#include <stdbool.h>
#include <stddef.h>

typedef struct hone__zip hone__zip;

/* bytes must stay until the close. */
hone_status hone__zip_open(hone__zip **out, const void *bytes, size_t size, hone_error *err);
void hone__zip_close(hone__zip *zip); /* NULL is fine */
bool hone__zip_has(hone__zip *zip, const char *name);
/* The members in the archive's order; a name that cannot be read is "". */
size_t hone__zip_count(hone__zip *zip);
const char *hone__zip_name(hone__zip *zip, size_t index);
/* A whole member, with its checksum (free with hone__free; one zero byte follows the contents). HONE_NOT_FOUND where there
 * is none. What it claims to unpack to is checked before memory is taken. */
hone_status hone__zip_read(hone__zip *zip, const char *name, size_t limit, unsigned char **bytes, size_t *size,
                           hone_error *err);

typedef struct hone__zip_member {
    const char *name;
    const void *bytes;
    size_t size;
} hone__zip_member;

/* Stored, not compressed (weights do not shrink), as Keras does; without times, so the same members give the same bytes.
 * Free *bytes with hone__free. */
hone_status hone__zip_write(const hone__zip_member *members, size_t count, unsigned char **bytes, size_t *size,
                            hone_error *err);

#endif
