/* SPDX-License-Identifier: Apache-2.0
 *
 * hone export --to c. */
#ifndef HONE_EXPORT_C_H
#define HONE_EXPORT_C_H

#include "export_int8.h"

typedef struct c_settings {
    const char *output, *name, *input; /* the .c file; what names begin with; --input */
    const char *max_flash, *max_ram;   /* "64K"; NULL: as much as it takes */
    int8_settings form;
    picture_size size;
    weights_settings weights;
} c_settings;

/* Its rows of a verb's table. */
#define C_OPTIONS(c)                                                                                                   \
    {                                                                                                                  \
        OPTION_TEXT, "name", 0, "NAME", &(c)->name, 0, 0, "c: what its names begin with (default: the file's name)",   \
        NULL},                                                                                                         \
        {OPTION_TEXT,                                                                                                  \
         "max-flash",                                                                                                  \
         0,                                                                                                            \
         "SIZE",                                                                                                       \
         &(c)->max_flash,                                                                                              \
         0,                                                                                                            \
         0,                                                                                                            \
         "c: constants and code must fit: 64K, 1M; what is smaller is tried in turn",                                  \
         NULL},                                                                                                        \
    {                                                                                                                  \
        OPTION_TEXT, "max-ram", 0, "SIZE", &(c)->max_ram, 0, 0, "c: so must the static array and the stack", NULL      \
    }

/* Writes MODEL as C source; an exit status. */
int export_c(const verb *v, const char *model, const c_settings *settings, const common_options *common);

#endif
