/* SPDX-License-Identifier: Apache-2.0
 *
 * hone export --to c. */
#ifndef HONE_EXPORT_C_H
#define HONE_EXPORT_C_H

#include "commands.h"

typedef struct c_settings {
    const char *output, *name, *input; /* the .c file; what names begin with; --input */
    const char *data;                  /* to quantize with, and to measure what each step costs; NULL: none */
    const char *max_flash, *max_ram;   /* "64K"; NULL: as much as it takes */
    bool int8, float32;
    picture_size size;
    weights_settings weights;
} c_settings;

/* Its rows of a verb's table. */
#define C_OPTIONS(c)                                                                                                    \
    {                                                                                                                   \
        OPTION_TEXT, "name", 0, "NAME", &(c)->name, 0, 0, "c: what its names begin with (default: the file's name)",    \
        NULL},                                                                                                          \
        {OPTION_TEXT, "input", 0, "KIND", &(c)->input, 0, 0, "c: pixels are raw, unit, signed or MEAN,STD", NULL},      \
        {OPTION_FLAG, "int8", 0, NULL,                                                                                  \
         &(c)->int8,  0,      0, "c: in 8-bit integers: a quantized model's own, or with --data",                       \
         NULL},                                                                                                         \
        {OPTION_FLAG, "float32", 0, NULL, &(c)->float32, 0, 0, "c: a quantized model in float32 all the same", NULL},   \
        {OPTION_TEXT, "data", 0, "DATA", &(c)->data, 0, 0, "c: quantize with its images, and say what it costs", NULL}, \
        {OPTION_TEXT,                                                                                                   \
         "max-flash",                                                                                                   \
         0,                                                                                                             \
         "SIZE",                                                                                                        \
         &(c)->max_flash,                                                                                               \
         0,                                                                                                             \
         0,                                                                                                             \
         "c: constants and code must fit: 64K, 1M; what is smaller is tried in turn",                                   \
         NULL},                                                                                                         \
    {                                                                                                                   \
        OPTION_TEXT, "max-ram", 0, "SIZE", &(c)->max_ram, 0, 0, "c: so must the static array and the stack", NULL       \
    }

/* Writes MODEL as C source; an exit status. */
int export_c(const verb *v, const char *model, const c_settings *settings, const common_options *common);

#endif
