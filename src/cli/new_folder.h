/* SPDX-License-Identifier: Apache-2.0
 *
 * A folder that gets its name when it is whole: until then it lies beside that name, and what ends early leaves nothing. */
#ifndef HONE_CLI_NEW_FOLDER_H
#define HONE_CLI_NEW_FOLDER_H

#include <stdbool.h>

typedef struct new_folder {
    const char *wanted; /* the name it will have */
    char *path;         /* where it is made; NULL: not begun */
} new_folder;

/* Makes the folder beside wanted, and the folders above where there are none. Prints the error itself; returns an exit
 * status, -1 when all went well. */
int new_folder_begin(new_folder *f, const char *wanted);
/* Gives it its name. Where that is a folder with something in it, the files made go into it, each replacing its namesake; folders
 * do not. Returns as new_folder_begin. */
int new_folder_commit(new_folder *f);
/* Takes it away again with all that is in it; fine after a commit, and where nothing was begun. */
void new_folder_release(new_folder *f);
/* wanted/name on the heap; NULL: out of memory. */
char *path_in(const char *folder, const char *name);

#endif
