/* SPDX-License-Identifier: Apache-2.0
 *
 * Models for other runtimes: ONNX. hone_model_load (format.h) reads such files, too. */
#ifndef HONE_ONNX_H
#define HONE_ONNX_H

#include <hone/model.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct hone_onnx_options {
    bool channels_first;     /* pictures go in (and out) as (N, C, H, W); false: as (N, H, W, C), as hone has them */
    int64_t batch;           /* pictures of a call; 0: any number */
    bool with_preprocessing; /* the input is 8-bit pixels, scaling them is part of the graph */
    bool int8;               /* in 8-bit integers, of a quantized model (<hone/quantize.h>): see below */
} hone_onnx_options;

HONE_API hone_onnx_options hone_onnx_options_default(void);

/* Writes a built model as an ONNX file for inference: operator set 13, or 17 where a LayerNormalization needs it;
 * what only trains (dropout, augmentation) is left out, BatchNormalization stays. Class names, preprocessing and
 * records go into its metadata. options NULL: the defaults. HONE_UNSUPPORTED where preprocessing shall be part of
 * the graph and is more than a scale and an offset. Atomic.
 *
 * In 8-bit integers the form is QDQ: QuantizeLinear and DequantizeLinear around ordinary operators, weights as 8-bit
 * constants; BatchNormalization is folded into them, and what hone computes in float stays in float. ONNX Runtime gives the
 * numbers that a plan with HONE_PRECISION_INT8 gives, but for halves, which it rounds to even: now and then an 8-bit number
 * is the one beside. HONE_ARGUMENT where the model is not quantized, or was with other weights. */
HONE_API hone_status hone_model_export_onnx(const hone_model *model, const hone_onnx_options *options, const char *path,
                                            hone_error *err);

#ifdef __cplusplus
}
#endif
#endif
