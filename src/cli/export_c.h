/* SPDX-License-Identifier: Apache-2.0
 *
 * hone export --to c. */
#ifndef HONE_EXPORT_C_H
#define HONE_EXPORT_C_H

#include "commands.h"

typedef struct c_settings {
    const char *output, *name, *input; /* the .c file; what names begin with; --input */
    weights_settings weights;
} c_settings;

/* Writes MODEL as C source; an exit status. */
int export_c(const verb *v, const char *model, const c_settings *settings, const common_options *common);

#endif
