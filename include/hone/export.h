/* SPDX-License-Identifier: Apache-2.0
 *
 * A model as C source: one .c and one .h that stand alone, for machines without an operating system.
 *
 * C99 with <stdint.h> and <string.h>, nothing from the heap: constants (the weights) and one static array for what is
 * computed on the way, whose size the header states. Preprocessing, class names and a self-test are part of it:
 *
 *     NAME_predict_pixels(pixels, output)    8-bit pixels, as the model's preprocessing wants them
 *     NAME_predict(input, output)            floats, preprocessed by the caller
 *     NAME_self_test()                       0 where this machine computes what hone did
 *     NAME_class_names[], NAME_CLASSES, NAME_RAM_BYTES, NAME_CONSTANT_BYTES, … */
#ifndef HONE_EXPORT_H
#define HONE_EXPORT_H

#include <hone/model.h>

#ifdef __cplusplus
extern "C" {
#endif

enum { HONE_MAX_C_NAME = 48 };

typedef struct hone_c_config {
    const char *path; /* ends with ".c"; the header goes beside it. NULL: nothing is written, the report is made */
    const char *name; /* what public names begin with, made an identifier where it is none; NULL: the file's name */
    bool int8; /* in 8-bit integers, as the model's quantization says (hone_model_quantize), with hone's own bits */
} hone_c_config;

typedef struct hone_c_report {
    char name[HONE_MAX_C_NAME];
    size_t constant_bytes; /* weights and tables */
    size_t code_bytes;     /* of the machine code, an estimate for Thumb-2 and -Os */
    size_t ram_bytes;      /* the static array */
    size_t stack_bytes;    /* at most */
    size_t operations;
} hone_c_report;

HONE_API hone_c_config hone_c_config_default(void);

/* Writes a built model as C; the model is not changed. report may be NULL. Both files are replaced whole or not at all.
 * HONE_NUMERIC, with the layer's name, for weights that are no finite numbers; HONE_LIMIT for tensors that 31 bits
 * cannot count. */
HONE_API hone_status hone_model_export_c(const hone_model *model, const hone_c_config *config, hone_c_report *report,
                                         hone_error *err);

#ifdef __cplusplus
}
#endif
#endif
