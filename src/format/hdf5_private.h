/* SPDX-License-Identifier: Apache-2.0
 *
 * What hdf5_io.c, hdf5_attributes.c and hdf5_datasets.c share; nobody else includes hdf5.h. */
#ifndef HONE_HDF5_PRIVATE_H
#define HONE_HDF5_PRIVATE_H

#include "core_internal.h"
#include "hdf5_io.h"

#include <hdf5.h>

struct hone__h5 {
    hid_t file;
    hid_t link_plist;        /* makes the groups on the way */
    H5E_auto2_t old_handler; /* libhdf5's error printer, off during the session */
    void *old_handler_data;
};

/* The message, then what libhdf5 says went wrong deepest down. */
hone_status hone__h5_fail(hone_error *err, hone_status status, const char *format, ...) HONE_PRINTF(3, 4);
/* The object at path, each step of the way a hard link; to be closed with H5Oclose. */
hone_status hone__h5_open_object(hone__h5 *h5, const char *path, hid_t *out, hone_error *err);

#endif
