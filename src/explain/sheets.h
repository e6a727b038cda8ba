/* SPDX-License-Identifier: Apache-2.0
 *
 * Sheets: RGB pictures that others are pasted into. */
#ifndef HONE_SHEETS_H
#define HONE_SHEETS_H

#include <hone/explain.h>

/* (height, width, 3), all of it shade; HONE_LIMIT where that is larger than a picture may be. */
hone_status hone__sheet_init(hone_image *out, int64_t height, int64_t width, unsigned char shade, hone_error *err);

#endif
