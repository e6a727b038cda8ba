/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the ONNX export share. It walks the operations that a plan would run, not the layers: they are
 * fewer, and what only trains is gone from them.
 *
 * One idea: hone's tensors have the channels last, ONNX's operators want them first. A tensor is kept in the order
 * that it was made in, and transposed once, when somebody asks for the other one; what works on single elements
 * takes either. */
#ifndef HONE_ONNX_EXPORT_H
#define HONE_ONNX_EXPORT_H

#include "graph.h"
#include "onnx_model.h"
#include "onnx_writer.h"

typedef enum hone__onnx_order { CHANNELS_LAST, CHANNELS_FIRST } hone__onnx_order;

typedef struct hone__onnx_export {
    hone__onnx_writer w;
    const hone_model *model;
    hone_onnx_options options;
    hone__builder graph;
    const char *(*values)[2]; /* of each tensor, by order; NULL: not yet */
    const char *layer;        /* that emitted the operation at hand */
} hone__onnx_export;

/* The tensor in that order, transposed where need be. */
const char *hone__onnx_value(hone__onnx_export *e, int tensor, hone__onnx_order order);
/* The order that it has already; last where it has both or none. */
hone__onnx_order hone__onnx_order_of(const hone__onnx_export *e, int tensor);
void hone__onnx_set_value(hone__onnx_export *e, int tensor, hone__onnx_order order, const char *value);
const hone_shape *hone__onnx_shape(const hone__onnx_export *e, int tensor);
/* A weight under its own name, in the shape that it is wanted in. */
const char *hone__onnx_weight(hone__onnx_export *e, int weight, const hone_shape *shape);
/* … and in another order of its axes: axis i of what is written is axis axes[i]. suffix tells the two apart. */
const char *hone__onnx_permuted_weight(hone__onnx_export *e, int weight, const hone_shape *shape, const int *axes,
                                       const char *suffix);
/* A reshape node to (batch, shape). */
const char *hone__onnx_reshape(hone__onnx_export *e, const char *x, const int64_t *dims, size_t rank);
const char *hone__onnx_transpose(hone__onnx_export *e, const char *x, const int64_t *perm, size_t rank);
/* count numbers as they lie along the last axis of hone's tensor of this rank, for that order. */
const char *hone__onnx_channels(hone__onnx_export *e, const char *what, const float *numbers, size_t count, int rank,
                                hone__onnx_order order);

/* Items of so many bytes with their axes in another order, as above; their shape is *out. NULL after a failure. */
void *hone__onnx_permute(hone__onnx_export *e, const hone_shape *shape, const int *axes, const void *items, size_t item,
                         hone_shape *out);

/* What an operation becomes: true where it is known. */
bool hone__onnx_export_window(hone__onnx_export *e,
                              const hone__op *op); /* export_windows.c: what slides over pictures */
bool hone__onnx_export_maths(hone__onnx_export *e, const hone__op *op); /* export_maths.c: everything else */

/* Single operators, on values: x, kernel and, as the last of count inputs, bias. */
const char *hone__onnx_conv2d(hone__onnx_export *e, const hone_conv2d_shape *s, const char *const *inputs,
                              size_t count);
const char *hone__onnx_depthwise(hone__onnx_export *e, const hone_depthwise_shape *s, const char *const *inputs,
                                 size_t count);
const char *hone__onnx_dense(hone__onnx_export *e, const char *const *inputs, size_t count, int output_rank);
const char *hone__onnx_pool(hone__onnx_export *e, const hone_pool2d_shape *s, const char *op_type, const char *x);
const char *hone__onnx_relu(hone__onnx_export *e, const char *x, float most); /* INFINITY: no bound */

/* ---- in 8-bit integers (export_qdq.c) ---------------------------------------------------------------------------- */

/* The lowered graph becomes that of an int8 plan. */
hone_status hone__onnx_int8_graph(hone__onnx_export *e, hone_error *err);
/* x, the tensor's value, as 8 bits hold it; x itself where the tensor is float32. */
const char *hone__onnx_round(hone__onnx_export *e, int tensor, const char *x);
/* As above, of that graph: false leaves it to those. */
bool hone__onnx_export_int8(hone__onnx_export *e, const hone__op *op);

#endif
