/* SPDX-License-Identifier: Apache-2.0
 *
 * An ONNX graph being written: nodes, constants, ends, and then bytes.
 *
 * One idea: failures stick. After the first one every function does nothing and answers with something harmless, so
 * that the export reads like the graph it makes; who began asks for the status at the end. All memory goes at once. */
#ifndef HONE_ONNX_WRITER_H
#define HONE_ONNX_WRITER_H

#include "core_internal.h"
#include "onnx.pb-c.h"

#include <hone/model.h>

/* As ONNX numbers them. */
enum {
    ONNX_FLOAT = 1,
    ONNX_UINT8 = 2,
    ONNX_INT8 = 3,
    ONNX_UINT16 = 4,
    ONNX_INT16 = 5,
    ONNX_INT32 = 6,
    ONNX_INT64 = 7,
    ONNX_BOOL = 9
};

typedef struct hone__onnx_block hone__onnx_block;

typedef struct hone__onnx_writer {
    hone_status status;
    hone_error *err;
    hone__onnx_block *blocks;
    Hone__Onnx__Node **nodes;
    size_t node_count, node_capacity;
    Hone__Onnx__Tensor **constants;
    size_t constant_count, constant_capacity;
    Hone__Onnx__ValueInfo **inputs, **outputs;
    size_t input_count, input_capacity, output_count, output_capacity;
    int opset;              /* the lowest that has all operators in use */
    Hone__Onnx__Node spare; /* what is given out after a failure */
} hone__onnx_writer;

void hone__onnx_writer_init(hone__onnx_writer *w, hone_error *err);
void hone__onnx_writer_release(hone__onnx_writer *w);
void hone__onnx_fail(hone__onnx_writer *w, hone_status status, const char *format, ...) HONE_PRINTF(3, 4);
/* count items of size bytes, zeroed, freed with the writer; NULL after a failure. */
void *hone__onnx_take(hone__onnx_writer *w, size_t count, size_t size);
/* A formatted string; "" after a failure. */
const char *hone__onnx_text(hone__onnx_writer *w, const char *format, ...) HONE_PRINTF(2, 3);

/* ---- nodes ------------------------------------------------------------------------------------------------------- */

/* Adds a node called LAYER/OPERATOR (numbered where there is one already); its one output has its name. An input "" is
 * an optional one left out. */
Hone__Onnx__Node *hone__onnx_node(hone__onnx_writer *w, const char *layer, const char *op_type,
                                  const char *const *inputs, size_t count);
const char *hone__onnx_output(const Hone__Onnx__Node *node);
/* The two together, for the common case without attributes. */
const char *hone__onnx_unary(hone__onnx_writer *w, const char *layer, const char *op_type, const char *x);
const char *hone__onnx_binary(hone__onnx_writer *w, const char *layer, const char *op_type, const char *x,
                              const char *z);
void hone__onnx_set_integer(hone__onnx_writer *w, Hone__Onnx__Node *node, const char *name, int64_t value);
void hone__onnx_set_real(hone__onnx_writer *w, Hone__Onnx__Node *node, const char *name, double value);
void hone__onnx_set_text(hone__onnx_writer *w, Hone__Onnx__Node *node, const char *name, const char *value);
void hone__onnx_set_integers(hone__onnx_writer *w, Hone__Onnx__Node *node, const char *name, const int64_t *values,
                             size_t count);
void hone__onnx_needs_opset(hone__onnx_writer *w, int opset);

/* ---- constants --------------------------------------------------------------------------------------------------- */

/* Weights under their name; what has that name already is used again. */
bool hone__onnx_has(const hone__onnx_writer *w, const char *name);
const char *hone__onnx_floats(hone__onnx_writer *w, const char *name, const hone_shape *shape, const float *values);
/* Whole numbers of a type of ONNX' that values has too: uint8_t, int8_t, int32_t; NULL: zeros. */
const char *hone__onnx_numbers(hone__onnx_writer *w, const char *name, int type, const hone_shape *shape,
                               const void *values);
/* Named after what they hold. */
const char *hone__onnx_scalar(hone__onnx_writer *w, double value);
const char *hone__onnx_integers(hone__onnx_writer *w, const int64_t *values, size_t count);
/* A name for a constant that is nobody's weight: LAYER/WHAT, numbered where there is one already. */
const char *hone__onnx_constant_name(hone__onnx_writer *w, const char *layer, const char *what);

/* ---- ends -------------------------------------------------------------------------------------------------------- */

/* dims without the batch, which is batch, or any ("N") where that is 0. */
void hone__onnx_add_input(hone__onnx_writer *w, const char *name, int type, int64_t batch, const hone_shape *shape);
/* value becomes known as name. */
void hone__onnx_add_output(hone__onnx_writer *w, const char *name, const char *value, int64_t batch,
                           const hone_shape *shape);

/* The file. layout: "nhwc" or "nchw". */
hone_status hone__onnx_pack(hone__onnx_writer *w, const char *graph_name, const hone_value *metadata,
                            const char *layout, unsigned char **bytes, size_t *size);

#endif
