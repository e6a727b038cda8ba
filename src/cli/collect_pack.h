/* SPDX-License-Identifier: Apache-2.0
 *
 * hone collect --pack: a data set as one file that is trained from without being read into memory. */
#ifndef HONE_COLLECT_PACK_H
#define HONE_COLLECT_PACK_H

#include "commands.h"

typedef struct pack_options {
    const char *file, *size, *as; /* NULL: not given */
} pack_options;

/* Packs DATA, and prints what was packed. Returns an exit status. */
int collect_pack(const char *data, const pack_options *options, const common_options *common);

#endif
