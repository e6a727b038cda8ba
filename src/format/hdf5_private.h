/* SPDX-License-Identifier: Apache-2.0
 *
 * What hdf5_io.c, hdf5_attributes.c and hdf5_datasets.c share; nobody else includes hdf5.h. */
#ifndef HONE_HDF5_PRIVATE_H
#define HONE_HDF5_PRIVATE_H

#include "core_internal.h"
#include "hdf5_io.h"

#include <hdf5.h>

struct hone__h5 {
    struct hone__h5_remote *remote; /* NULL: the session is here; else in another process, and this is all there is */
    hid_t file;
    hid_t link_plist;        /* makes the groups on the way */
    H5E_auto2_t old_handler; /* libhdf5's error printer, off during the session */
    void *old_handler_data;
};

/* The message, then what libhdf5 says went wrong deepest down. */
hone_status hone__h5_fail(hone_error *err, hone_status status, const char *format, ...) HONE_PRINTF(3, 4);
/* The object at path, each step of the way a hard link; to be closed with H5Oclose. */
hone_status hone__h5_open_object(hone__h5 *h5, const char *path, hid_t *out, hone_error *err);

/* A session of this process, whatever hone_set_sandbox says. */
hone_status hone__h5_open_here(hone__h5 **out, const void *bytes, size_t size, hone_error *err);
/* Around a fork, so that the child finds libhdf5 idle; the third is for the child to call. */
void hone__h5_before_fork(void);
void hone__h5_after_fork(void);
void hone__h5_forked(void);

/* ---- a session in another process (hdf5_remote.c): what the functions of hdf5_io.h do ---------------------------- */

hone_status hone__h5_remote_open(hone__h5 **out, const void *bytes, size_t size, hone_error *err);
void hone__h5_remote_close(hone__h5 *h5);
/* Why a yes-or-no was not answered; HONE_OK: each one was. */
hone_status hone__h5_remote_failure(const hone__h5 *h5, hone_error *err);
hone__h5_kind hone__h5_remote_kind_of(hone__h5 *h5, const char *path);
hone_status hone__h5_remote_members(hone__h5 *h5, const char *path, hone__names *out, hone_error *err);
bool hone__h5_remote_has_attribute(hone__h5 *h5, const char *path, const char *name);
hone_status hone__h5_remote_string(hone__h5 *h5, const char *path, const char *name, char **out, hone_error *err);
hone_status hone__h5_remote_names(hone__h5 *h5, const char *path, const char *name, hone__names *out, hone_error *err);
hone_status hone__h5_remote_shape(hone__h5 *h5, const char *path, hone_shape *out, hone_error *err);
hone_status hone__h5_remote_floats(hone__h5 *h5, const char *path, float *data, size_t count, hone_error *err);
hone_status hone__h5_remote_integer(hone__h5 *h5, const char *path, int64_t *out, hone_error *err);

#endif
