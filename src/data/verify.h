/* SPDX-License-Identifier: Apache-2.0
 *
 * Checking copies of named data sets against the table of sources. */
#ifndef HONE_VERIFY_H
#define HONE_VERIFY_H

#include "sources.h"

#include <hone/status.h>

/* The file as it lies at path, packed or not, against its entry in the table. Messages do not name the path. */
hone_status hone__verify_file(const hone__source *source, const hone__source_file *file, const char *path,
                              hone_error *err);
/* Only the bytes, streamed: for archives that are too large to hold. */
hone_status hone__verify_checksum(const char *path, const char *published, hone_error *err);

#endif
