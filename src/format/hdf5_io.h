/* SPDX-License-Identifier: Apache-2.0
 *
 * HDF5 in the few words that model files need, and the only door to libhdf5.
 *
 * libhdf5 never sees the file system: a file is read into memory once and opened as an image, and a file being written
 * grows in memory and is handed over whole. So nobody can change a file while it is looked at, a full disk is met by
 * our own atomic writer and not inside the library, and a fuzzer calls what users call.
 *
 * libhdf5 is not thread-safe and has global state. A session (open or create … close) holds one process-wide lock, so
 * a thread has at most one, and closes it soon. Objects are named by path from the root; nothing of libhdf5's leaves
 * this folder's hdf5_*.c, so there is nothing to forget to close. Paths are followed through hard links only. */
#ifndef HONE_HDF5_IO_H
#define HONE_HDF5_IO_H

#include <hone/model.h>

#include <stdbool.h>

typedef struct hone__h5 hone__h5;

/* bytes must stay until the close. */
hone_status hone__h5_open(hone__h5 **out, const void *bytes, size_t size, hone_error *err);
/* The same, but what is opened is a copy that can be written to. */
hone_status hone__h5_open_copy(hone__h5 **out, const void *bytes, size_t size, hone_error *err);
hone_status hone__h5_create(hone__h5 **out, hone_error *err);
/* The finished file's contents (free with hone__free). The session is still to be closed. */
hone_status hone__h5_image(hone__h5 *h5, unsigned char **bytes, size_t *size, hone_error *err);
void hone__h5_close(hone__h5 *h5); /* NULL is fine */
/* Closes what was read and returns status. But where the process that reads was lost on the way, "nothing there" was no
 * answer: then it says what became of it, in place of what somebody concluded. */
hone_status hone__h5_finish(hone__h5 *h5, hone_status status, hone_error *err);

/* A list of strings, each on the heap. */
typedef struct hone__names {
    char **items;
    size_t count, capacity;
} hone__names;
hone_status hone__names_add(hone__names *names, const char *text, size_t length, hone_error *err);
void hone__names_release(hone__names *names); /* leaves it zeroed */

typedef enum hone__h5_kind { HONE_H5_NOTHING, HONE_H5_GROUP, HONE_H5_DATASET } hone__h5_kind;

/* What lies at path; a link that is refused, or another sort of object, is HONE_H5_NOTHING here and an error on use. */
hone__h5_kind hone__h5_kind_of(hone__h5 *h5, const char *path);
/* Names in the group, in byte order (as HDF5 keeps them). */
hone_status hone__h5_members(hone__h5 *h5, const char *path, hone__names *out, hone_error *err);

/* ---- attributes of the object at path -------------------------------------------------------------------------- */

bool hone__h5_has_attribute(hone__h5 *h5, const char *path, const char *name);
/* A string of any kind: variable or fixed length, scalar or one element. HONE_NOT_FOUND where absent. */
hone_status hone__h5_read_string(hone__h5 *h5, const char *path, const char *name, char **out, hone_error *err);
/* A list of strings of any kind, whole or cut into name0, name1, …; absent or without elements: empty. Adds to out. */
hone_status hone__h5_read_names(hone__h5 *h5, const char *path, const char *name, hone__names *out, hone_error *err);
/* A variable-length scalar: fixed ones stop at 64 KiB. */
hone_status hone__h5_write_string(hone__h5 *h5, const char *path, const char *name, const char *text, hone_error *err);
hone_status hone__h5_delete_attribute(hone__h5 *h5, const char *path, const char *name, hone_error *err);
/* As Keras does: variable-length, float64[0] for none, cut into name0, name1, … where it would not fit a header. */
hone_status hone__h5_write_names(hone__h5 *h5, const char *path, const char *name, const char *const *items,
                                 size_t count, hone_error *err);

/* ---- groups and datasets; those on the way are made ------------------------------------------------------------ */

hone_status hone__h5_write_group(hone__h5 *h5, const char *path, hone_error *err);
/* Checked before anything is believed: number type, rank, layout, filters, and a size that the file can hold. */
hone_status hone__h5_read_shape(hone__h5 *h5, const char *path, hone_shape *out, hone_error *err);
/* count elements, which must be all; any float or integer type is converted. */
hone_status hone__h5_read_floats(hone__h5 *h5, const char *path, float *data, size_t count, hone_error *err);
hone_status hone__h5_read_integer(hone__h5 *h5, const char *path, int64_t *out, hone_error *err);
hone_status hone__h5_write_floats(hone__h5 *h5, const char *path, const hone_shape *shape, const float *data,
                                  hone_error *err);
hone_status hone__h5_write_integer(hone__h5 *h5, const char *path, int64_t value, hone_error *err); /* scalar int64 */

#endif
