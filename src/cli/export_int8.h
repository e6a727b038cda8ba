/* SPDX-License-Identifier: Apache-2.0
 *
 * hone export in 8-bit integers, to C and to ONNX: which models are, and the pictures that they are quantized with and
 * measured on. */
#ifndef HONE_EXPORT_INT8_H
#define HONE_EXPORT_INT8_H

#include "commands.h"

typedef struct int8_settings {
    const char *data; /* to quantize with, and to measure what each step costs; NULL: none */
    bool int8, float32;
} int8_settings;

/* Its rows of a verb's table. */
#define INT8_OPTIONS(s)                                                                                                \
    {OPTION_FLAG, "int8", 0, NULL, &(s)->int8, 0, 0, "c, onnx: 8-bit integers: a quantized model's, or with --data",   \
     NULL},                                                                                                            \
        {OPTION_FLAG, "float32", 0, NULL, &(s)->float32, 0, 0, "c, onnx: a quantized model in float32 all the same",   \
         NULL},                                                                                                        \
    {                                                                                                                  \
        OPTION_TEXT, "data", 0, "DATA", &(s)->data, 0, 0, "c, onnx: quantize with its images, and say what it costs",  \
            NULL                                                                                                       \
    }

/* Pictures of DATA's training part: what the model's training held back, or a tenth, measures; the rest calibrates. */
typedef struct calibration {
    const char *source;
    hone_dataset *data; /* NULL: none */
    hone_split split;
    hone_threads *threads; /* the caller's */
} calibration;

/* Opens source (NULL: nothing to do) for the model of the file path. As all of these: an exit status, -1 when there is
 * nothing to say. */
int open_calibration(calibration *c, const char *source, hone_model *model, const char *path, hone_threads *threads,
                     bool quiet);
void release_calibration(calibration *c);
int quantize_with(const calibration *c, hone_model *model, const char *path);
int measure_on(const calibration *c, hone_model *model, const char *path, const hone_compiled *compiled, bool int8,
               double *accuracy);

#endif
