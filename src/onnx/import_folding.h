/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files that compute constants share. */
#ifndef HONE_ONNX_IMPORT_FOLDING_H
#define HONE_ONNX_IMPORT_FOLDING_H

#include "onnx_import.h"

typedef struct hone__onnx_folding {
    hone__onnx_import *im;
    hone__onnx_constant *in[HONE_ONNX_INPUTS]; /* NULL: left out */
    size_t count;
    hone__onnx_constant *out;
} hone__onnx_folding;

/* The result, of these dims, to be filled: within what all may take together. */
hone_status hone__onnx_folding_begin(const hone__onnx_folding *f, bool is_integer, int rank, const int64_t *dims);
void hone__onnx_folding_put(hone__onnx_constant *c, size_t i, double value);
void hone__onnx_folding_copy(hone__onnx_constant *to, size_t i, const hone__onnx_constant *from, size_t k);

/* import_folding_maths.c */
hone_status hone__onnx_fold_binary(const hone__onnx_folding *f);
hone_status hone__onnx_fold_where(const hone__onnx_folding *f);
hone_status hone__onnx_fold_expand(const hone__onnx_folding *f);
hone_status hone__onnx_fold_unary(const hone__onnx_folding *f);
hone_status hone__onnx_fold_reduce(const hone__onnx_folding *f);
hone_status hone__onnx_fold_range(const hone__onnx_folding *f);

/* import_folding_places.c */
hone_status hone__onnx_fold_scatter(const hone__onnx_folding *f);
hone_status hone__onnx_fold_gather_nd(const hone__onnx_folding *f);
hone_status hone__onnx_fold_cumulate(const hone__onnx_folding *f);
hone_status hone__onnx_fold_matmul(const hone__onnx_folding *f);
hone_status hone__onnx_fold_tile(const hone__onnx_folding *f);

/* import_quantized.c */
hone_status hone__onnx_fold_quantize(const hone__onnx_folding *f);
hone_status hone__onnx_fold_dequantize(const hone__onnx_folding *f);

#endif
