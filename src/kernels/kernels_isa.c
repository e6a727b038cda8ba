/* SPDX-License-Identifier: Apache-2.0
 *
 * One instruction set's kernels: this source is compiled once per level, with that level's compiler flags and HONE_ISA
 * set to its name, and exports exactly one symbol, hone_kernels_LEVEL. Everything the templates define is static, so
 * that no function compiled for a newer CPU can be picked up by the linker for another level.
 *
 * A level with HONE_BFLOAT16 is the level HONE_FLOAT32_ISA once more, whose products are bfloat16 (simd_bfloat16.h). */
#include "kernels.h"
#include "simd.h"
#ifdef HONE_BFLOAT16
#include "simd_bfloat16.h"
#endif

#define HONE_PASTE2(a, b) a##b
#define HONE_PASTE(a, b)  HONE_PASTE2(a, b)
#define HONE_TEXT2(a)     #a
#define HONE_TEXT(a)      HONE_TEXT2(a)

extern const hone_kernels HONE_PASTE(hone_kernels_, HONE_ISA);

#include "simd_math.h"
#include "block_template.h"
#include "conv2d_geometry_template.h"
#include "conv2d_pool_block_template.h"
#include "conv2d_forward_template.h"
#include "conv2d_backward_template.h"
#include "conv2d_scatter_template.h"
#ifdef HONE_BFLOAT16
extern const hone_kernels HONE_PASTE(hone_kernels_, HONE_FLOAT32_ISA);
#include "bfloat16_template.h"
#include "conv2d_bfloat16_template.h"
#define PRODUCT(name) HONE_PASTE2(bfloat16_, name)
#else
#include "gemm_template.h"
#include "conv2d_sparse_template.h"
#include "conv2d_lookup_template.h"
#include "conv2d_winograd_template.h"
#include "conv2d_winograd_plane_template.h"
#include "conv2d_winograd_adjoint_template.h"
#include "conv2d_winograd_input_template.h"
#include "conv2d_winograd_weights_template.h"
#include "conv2d_plan_template.h"
#define PRODUCT(name) name
#endif
#include "activation_template.h"
#include "elementwise_template.h"
#include "pooling_template.h"
#include "depthwise_template.h"
#include "normalization_template.h"
#include "loss_template.h"
#include "image_template.h"
#include "optimizer_template.h"
#ifndef HONE_BFLOAT16
#include "peak_template.h"
#endif

const hone_kernels HONE_PASTE(hone_kernels_, HONE_ISA) = {
    .name = HONE_TEXT(HONE_ISA),
    .vector_floats = VL,

    .gemm_scratch = PRODUCT(gemm_scratch),
    .gemm = PRODUCT(gemm),

    .conv2d_plan = PRODUCT(conv2d_plan),
    .conv2d_pack_forward = PRODUCT(conv2d_pack_forward),
    .conv2d_pack_backward = PRODUCT(conv2d_pack_backward),
    .conv2d_forward = PRODUCT(conv2d_forward),
    .conv2d_backward_input = PRODUCT(conv2d_backward_input),
    .conv2d_backward_weights = PRODUCT(conv2d_backward_weights),

    .depthwise_forward = depthwise_forward,
    .depthwise_backward_input = depthwise_backward_input,
    .depthwise_backward_weights = depthwise_backward_weights,

    .max_pool_forward = max_pool_forward,
    .max_pool_backward = max_pool_backward,
    .average_pool_forward = average_pool_forward,
    .average_pool_backward = average_pool_backward,
    .global_max_forward = global_max_forward,
    .global_max_backward = global_max_backward,
    .global_average_forward = global_average_forward,
    .global_average_backward = global_average_backward,

    .activation_forward = activation_forward,
    .activation_backward = activation_backward,
    .softmax_forward = softmax_forward,
    .softmax_backward = softmax_backward,
    .add = add,
    .scale = scale,
    .affine_rows = affine_rows,
    .pixels_to_float = pixels_to_float,
    .column_sums = column_sums,
    .dropout_forward = dropout_forward,
    .dropout_backward = dropout_backward,

    .channel_moments = channel_moments,
    .batch_norm_forward = batch_norm_forward,
    .batch_norm_gradient_sums = batch_norm_gradient_sums,
    .batch_norm_backward = batch_norm_backward,
    .layer_norm_forward = layer_norm_forward,
    .layer_norm_backward = layer_norm_backward,

    .softmax_cross_entropy = softmax_cross_entropy,

    .warp = warp,
    .median3x3 = median3x3,

    .sgd = sgd,
    .rmsprop = rmsprop,
    .adam = adam,
    .lion = lion,
    .sum_squares = sum_squares,
    .sum_shards = sum_shards,

    .multiply_adds = PRODUCT(multiply_adds),
};
