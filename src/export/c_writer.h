/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing a program as C: every step becomes a small static function, its weights a table.
 *
 * The text has parts that are filled side by side: the network, which people read; the tables, at the end of the file;
 * and helpers, which are written only where a step asked for them. A step's function works on one sample: x is its
 * input and y its output, pictures lie (h, w, c). */
#ifndef HONE_C_WRITER_H
#define HONE_C_WRITER_H

#include <hone/export.h>

#include "c_program.h"
#include "c_text.h"
#include "ops/int8_op.h"

/* How many filters a product computes at a time: sums that fit the registers of a Cortex-M4 and two SSE vectors. */
enum { HONE_C_BLOCK = 8 };

/* Helpers that steps may ask for. */
typedef enum hone__c_helper {
    HONE_C_REDUCE = 1,
    HONE_C_EXP_SUM = 2,
    HONE_C_EXP = 4,
    HONE_C_EXPM1 = 8,
    HONE_C_SIGMOID = 16,
    HONE_C_TANH = 32,
    HONE_C_SOFTPLUS = 64,
    HONE_C_GELU = 128,
    HONE_C_SQRT = 256,
    HONE_C_CLAMP = 512,
    HONE_C_QUANTIZE = 1024,
    HONE_C_REQUANTIZE = 2048
} hone__c_helper;

typedef struct hone__c_writer {
    hone__c_program program;
    hone__c_text network, tables;
    hone__c_text declarations, body; /* of the step being written */
    unsigned helpers;                /* of hone__c_helper */
    bool byte_dots[HONE_C_BLOCK + 1];
    bool dots[HONE_C_BLOCK + 1]; /* dot products of that many filters */
    size_t constant_bytes;
    char name[HONE_MAX_C_NAME], macro[HONE_MAX_C_NAME]; /* of the model: "digits", "DIGITS" */
    char step_name[HONE_C_NAME_SIZE];                   /* of the step being written: "conv2d_1" */
} hone__c_writer;

/* Declares a table called STEP_what, writes it, and counts its bytes. remark: its shape, in words. HONE_NUMERIC where a
 * number is not finite. */
hone_status hone__c_floats(hone__c_writer *w, const char *what, const float *data, size_t count, const char *remark,
                           hone_error *err);
/* The same for integers of a type that has so many bytes. */
void hone__c_integers(hone__c_writer *w, const char *type, size_t type_bytes, const char *what, const int64_t *data,
                      size_t count, const char *remark);

/* Kernel (rows, channels) and bias (channels, or NULL) of an operation, with its fold applied. */
typedef struct hone__c_weights {
    const float *kernel, *bias;
    float *folded; /* owned; NULL: they are the model's */
} hone__c_weights;

hone_status hone__c_weights_init(hone__c_weights *out, const hone__c_writer *w, const hone__op *op, size_t rows,
                                 size_t channels, hone_error *err);
void hone__c_weights_release(hone__c_weights *weights);

/* ---- windows that slide over a picture (c_axis.c) -------------------------------------------------------------- */

/* One axis of it. */
typedef struct hone__c_axis {
    int n, taps, stride, dilation, pad;
    bool clipped;  /* some positions reach beyond the picture */
    bool may_miss; /* some lie beyond it wholly */
} hone__c_axis;

/* out: how many positions are computed. */
hone__c_axis hone__c_axis_of(int n, int taps, int stride, int dilation, int pad, int out);
/* name 'y': declares iy, the row where the window at oy begins, and, where it is clipped, ky0 and ky1: its rows inside
 * the picture are ky0 … ky1 - 1. */
void hone__c_put_range(hone__c_text *t, char name, const hone__c_axis *a);

/* ---- steps: each writes the body of its function --------------------------------------------------------------- */

typedef hone_status (*hone__c_body)(hone__c_writer *w, const hone__op *op, hone_error *err);

/* c_products.c */
hone_status hone__c_conv2d(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_conv2d_transpose(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_dense(hone__c_writer *w, const hone__op *op, hone_error *err);
/* y = x matrix, which is (size, size): whitening. */
hone_status hone__c_matrix(hone__c_writer *w, const float *matrix, size_t size, hone_error *err);
/* c_windows.c */
hone_status hone__c_int8_max_pool2d(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_int8_average_pool2d(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_depthwise_conv2d(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_max_pool2d(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_average_pool2d(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_global_max_pool2d(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_global_average_pool2d(hone__c_writer *w, const hone__op *op, hone_error *err);
/* c_elements.c */
hone_status hone__c_activation(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_softmax(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_affine(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_merge(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_prelu(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_square_root(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_matmul(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_embedding(hone__c_writer *w, const hone__op *op, hone_error *err);
/* c_shapes.c */
hone_status hone__c_zero_padding2d(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_cropping2d(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_random_image(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_concatenate(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_slice(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_resize(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_resample(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_unit_normalization(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_transpose(hone__c_writer *w, const hone__op *op, hone_error *err);
/* c_norms.c */
hone_status hone__c_layer_normalization(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_group_normalization(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_attention(hone__c_writer *w, const hone__op *op, hone_error *err);

/* c_int8.c */
hone_status hone__c_quantize(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_dequantize(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_int8_add(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_int8_concatenate(hone__c_writer *w, const hone__op *op, hone_error *err);
hone_status hone__c_int8_lookup(hone__c_writer *w, const hone__op *op, hone_error *err);
/* Tables of 8-bit weights, 32-bit biases, and what makes numbers of their sums. kernel (count): in the order in which
 * it is read. */
hone_status hone__c_int8_weights(hone__c_writer *w, const hone__int8 *q, const int64_t *kernel, size_t count,
                                 const char *remark, hone_error *err);
/* The expression for what a sum becomes. at: the channel's index into tables of these names ("b", "conv2d_1_bias"). */
const char *hone__c_int8_result(hone__c_writer *w, const hone__int8 *q, char *out, size_t size, const char *sum,
                                const char *prefix, const char *at);

/* for loops over rank axes with their indices i0, i1, …; returns how many blocks were opened. */
int hone__c_loops(hone__c_text *t, int rank, const size_t *dims);
/* "i0 * 12 + i2", or "0": where the element of these steps lies. */
const char *hone__c_position(char *buffer, size_t size, int rank, const size_t *steps);

/* ---- the rest of the files ------------------------------------------------------------------------------------- */

/* What is in body becomes the end of a function in network. */
void hone__c_end_function(hone__c_writer *w);
/* "input", "output" or "arena + 5408": the expression for a buffer. Returns out. */
const char *hone__c_place(const hone__c_program *p, int buffer, char out[HONE_C_NUMBER_SIZE]);

/* Every step's function and NAME's run(input, output), which calls them (c_network.c). */
hone_status hone__c_put_network(hone__c_writer *w, hone_error *err);
/* NAME_predict and NAME_predict_pixels (c_pixels.c). */
hone_status hone__c_put_predict(hone__c_writer *w, hone_error *err);
/* NAME_self_test, and what it compares (c_self_test.c). */
hone_status hone__c_put_self_test(hone__c_writer *w, hone_error *err);
void hone__c_put_main(hone__c_writer *w);

/* ---- helpers (c_helpers.c) ------------------------------------------------------------------------------------- */

/* The helpers that were asked for and what they stand on. */
void hone__c_put_helpers(hone__c_text *t, const hone__c_writer *w);

#endif
