/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that are a list of named tensors and nothing else (safetensors, NumPy's .npz): what their readers hand over, and
 * how it finds its way onto a model. */
#ifndef HONE_STORED_TENSORS_H
#define HONE_STORED_TENSORS_H

#include "format_internal.h"

typedef enum hone__stored_type {
    HONE_STORED_OTHER, /* integers and the like: no weight */
    HONE_STORED_F16,
    HONE_STORED_BF16,
    HONE_STORED_F32,
    HONE_STORED_F64
} hone__stored_type;

/* Checked by its reader: bytes holds shape's elements of the type, little-endian. */
typedef struct hone__stored_tensor {
    char *name;
    hone__stored_type type;
    hone_shape shape;
    const unsigned char *bytes;
    size_t offset; /* in the file; what lies in order lies by it */
} hone__stored_tensor;

typedef struct hone__stored_tensors {
    hone__stored_tensor *items;
    size_t count, capacity;
    unsigned char **members; /* of an archive, which bytes point into */
    size_t member_count;
} hone__stored_tensors;

void hone__stored_release(hone__stored_tensors *tensors);
/* Elements of shape, checked against overflow and against what bytes hold. */
hone_status hone__stored_check_size(const hone__stored_tensor *tensor, size_t bytes, hone_error *err);

/* The tensors onto the model's weights, as matching says. By name: LAYER/WEIGHT or LAYER.WEIGHT. By order: by name too
 * where the names are the model's, else one after the other. */
hone_status hone__stored_read_weights(const hone__stored_tensors *tensors, const hone_model *model,
                                      hone__matching *matching, float *data, hone_error *err);

/* ---- safetensors.c --------------------------------------------------------------------------------------------- */

/* bytes must stay while the tensors are used. out is to be released also where this fails. */
hone_status hone__safetensors_read(hone__stored_tensors *out, const unsigned char *bytes, size_t size, hone_error *err);
/* All weights of the model as LAYER/WEIGHT, F32. Free *bytes with hone__free. */
hone_status hone__safetensors_write(const hone_model *model, unsigned char **bytes, size_t *size, hone_error *err);

/* ---- npz_weights.c --------------------------------------------------------------------------------------------- */

hone_status hone__npz_read(hone__stored_tensors *out, const unsigned char *bytes, size_t size, hone_error *err);
hone_status hone__npz_write(const hone_model *model, unsigned char **bytes, size_t *size, hone_error *err);

/* The bytes of a float as every one of these files has them. */
void hone__put_float(unsigned char *to, float value);

#endif
