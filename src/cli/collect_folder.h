/* SPDX-License-Identifier: Apache-2.0
 *
 * hone collect on what is at hand: a folder, or an archive that becomes one. */
#ifndef HONE_COLLECT_FOLDER_H
#define HONE_COLLECT_FOLDER_H

#include "commands.h"

typedef struct folder_options {
    const char *import, *export, *catalog; /* NULL: not asked for */
    bool history, reread;
} folder_options;

/* Brings the folder's catalog up to date, imports, exports, and prints what was understood. folder may be a catalog's
 * file. Returns an exit status. */
int collect_folder(const char *folder, const folder_options *options, const common_options *common);
/* Unpacks archive as folder to, then the same. */
int collect_archive(const char *archive, const char *to, const folder_options *options, const common_options *common);

#endif
