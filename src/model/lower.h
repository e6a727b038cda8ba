/* SPDX-License-Identifier: Apache-2.0
 *
 * Lowering: layers (Keras' words) become operations (what is executed). A layer's lower function emits operations here;
 * fuse.c then merges what belongs together (Conv2D + bias + ReLU + MaxPooling2D), plan.c places and runs the rest.
 *
 * A tensor is named by a small integer. Weights are named by their index in the model. Every emit function reads the
 * shape of its input tensor from the builder, checks nothing that build has checked, and returns HONE_MEMORY or, for a
 * tensor whose elements cannot be counted, HONE_LIMIT. */
#ifndef HONE_LOWER_H
#define HONE_LOWER_H

#include "kernels.h"
#include "model_internal.h"
#include "random_image.h"
#include "ops/op.h"

/* Shape of a tensor without the batch. */
const hone_shape *hone__tensor_shape(const hone__builder *b, int tensor);
/* The layer being lowered was called with training=False: it does what it does in inference. */
bool hone__builder_inference(const hone__builder *b);

/* shape's epilogue and pooling are left off (fuse.c adds them). bias may be HONE_NO_WEIGHT. */
hone_status hone__emit_conv2d(hone__builder *b, int x, const hone_conv2d_shape *shape, int kernel, int bias, int *y,
                              hone_error *err);
hone_status hone__emit_depthwise_conv2d(hone__builder *b, int x, const hone_depthwise_shape *shape, int kernel,
                                        int bias, int *y, hone_error *err);
/* On the last axis: (…, in) -> (…, units). */
hone_status hone__emit_dense(hone__builder *b, int x, int64_t units, int kernel, int bias, int *y, hone_error *err);
hone_status hone__emit_activation(hone__builder *b, int x, const hone_activation *activation, int *y, hone_error *err);
hone_status hone__emit_softmax(hone__builder *b, int x, int *y, hone_error *err); /* last axis */
hone_status hone__emit_max_pool2d(hone__builder *b, int x, const hone_pool2d_shape *shape, int *y, hone_error *err);
hone_status hone__emit_average_pool2d(hone__builder *b, int x, const hone_pool2d_shape *shape, int *y, hone_error *err);
/* (h, w, c) -> out, which is {c} or {1, 1, c} */
hone_status hone__emit_global_max_pool2d(hone__builder *b, int x, const hone_shape *out, int *y, hone_error *err);
hone_status hone__emit_global_average_pool2d(hone__builder *b, int x, const hone_shape *out, int *y, hone_error *err);
hone_status hone__emit_zero_padding2d(hone__builder *b, int x, int top, int bottom, int left, int right, int *y,
                                      hone_error *err);
/* Same elements, another shape: no operation, an alias. */
hone_status hone__emit_reshape(hone__builder *b, int x, const hone_shape *shape, int *y, hone_error *err);
/* y = x * scale[c] + offset[c] over the last axis; count is 1 or its length. The numbers are copied. */
hone_status hone__emit_affine(hone__builder *b, int x, const float *scale, const float *offset, size_t count, int *y,
                              hone_error *err);
/* Over the last axis. All weights but moving_… of a normalisation that is not frozen may be HONE_NO_WEIGHT. frozen: moving
 * statistics even in training. */
hone_status hone__emit_batch_normalization(hone__builder *b, int x, float momentum, float epsilon, bool frozen,
                                           int gamma, int beta, int moving_mean, int moving_variance, int *y,
                                           hone_error *err);
hone_status hone__emit_layer_normalization(hone__builder *b, int x, float epsilon, int gamma, int beta, int *y,
                                           hone_error *err);
/* Element by element; shapes may differ where one of them has a single element along an axis, or lacks the first axes. */
hone_status hone__emit_merge(hone__builder *b, hone__merge_kind kind, const int *inputs, size_t count, int *y,
                             hone_error *err);
/* (…, m, k) times (…, k, n); the axes before are equal, or one of them has a single element. */
hone_status hone__emit_matmul(hone__builder *b, int x, int z, int *y, hone_error *err);
hone_status hone__emit_square_root(hone__builder *b, int x, int *y, hone_error *err);
/* Side by side along an axis, 0 being the first behind the batch. */
hone_status hone__emit_concatenate(hone__builder *b, const int *inputs, size_t count, int axis, int *y,
                                   hone_error *err);
hone_status hone__emit_cropping2d(hone__builder *b, int x, int top, int bottom, int left, int right, int *y,
                                  hone_error *err);
/* Nothing in inference, but for a crop. layer is the stream of the draws; what's training and key are filled in here. */
hone_status hone__emit_random_image(hone__builder *b, int x, const hone__random_image *what, size_t layer, int *y,
                                    hone_error *err);
/* (h, w, c) -> (height, width, c) */
hone_status hone__emit_resize(hone__builder *b, int x, int height, int width, bool bilinear, int *y, hone_error *err);
/* What every pixel along an axis is made of: longest weights from one pixel of the input on. */
typedef struct hone__spans {
    int in, out, longest;
    float *table; /* (out, 1 + longest): where the span starts, and its weights */
} hone__spans;

/* One of them, while it is found. */
typedef struct hone__span {
    int start, count;
    float *weights;
} hone__span;

/* (rows->in, columns->in, c) -> (rows->out, columns->out, c). The tables are copied. */
hone_status hone__emit_resample(hone__builder *b, int x, const hone__spans *rows, const hone__spans *columns, int *y,
                                hone_error *err);
/* Axis i of y is axis axes[i] of x. */
hone_status hone__emit_transpose(hone__builder *b, int x, const int *axes, int *y, hone_error *err);
/* shape: of the convolution that goes the other way, from y to x. */
hone_status hone__emit_conv2d_transpose(hone__builder *b, int x, const hone_conv2d_shape *shape, int kernel, int bias,
                                        int *y, hone_error *err);
hone_status hone__emit_group_normalization(hone__builder *b, int x, size_t groups, float epsilon, int gamma, int beta,
                                           int *y, hone_error *err);
/* inputs: query (…, heads key_dim), key, value (…, heads value_dim). rate: of dropout on the probabilities. */
hone_status hone__emit_attention(hone__builder *b, const int inputs[3], size_t heads, float rate, size_t layer, int *y,
                                 hone_error *err);
/* (…) of indices -> (…, units) */
hone_status hone__emit_embedding(hone__builder *b, int x, int64_t rows, int64_t units, int table, int *y,
                                 hone_error *err);
/* slopes: the shape of x, but 1 where they are shared. */
hone_status hone__emit_prelu(hone__builder *b, int x, const hone_shape *slopes, int weight, int *y, hone_error *err);
/* Nothing in inference. shared: one draw for all rows of the last axis. layer is the stream of the draws. */
hone_status hone__emit_noise(hone__builder *b, int x, hone__noise_kind kind, float amount, bool shared, size_t layer,
                             int *y, hone_error *err);
/* The last axis has length 1 afterwards; squares of a row count as least at least. */
hone_status hone__emit_unit_normalization(hone__builder *b, int x, double least, int *y, hone_error *err);
/* The last axis has mean square 1 afterwards, but for epsilon. */
hone_status hone__emit_rms_normalization(hone__builder *b, int x, double epsilon, int *y, hone_error *err);
/* Nothing in inference. spatial: one draw per (sample, channel) of (h, w, c). layer is the stream of the draws. */
hone_status hone__emit_dropout(hone__builder *b, int x, float rate, bool spatial, size_t layer, int *y,
                               hone_error *err);

#endif
