/* SPDX-License-Identifier: Apache-2.0
 *
 * int8: a trained model computed in 8-bit integers.
 *
 * hone_model_quantize looks at what a model's tensors hold on some pictures and notes a scale and a zero point for each
 * of them, as the record "quantization" of the model. The float weights stay what they are: the file opens in Keras as
 * before, and everything else (8-bit weights, multipliers, shifts) follows from weights and record. A plan with
 * HONE_PRECISION_INT8 computes so; hone_quantized_create lays the whole integer program open, for exporters.
 *
 * The arithmetic, exactly; every CPU level, and whatever an exporter writes, has these bits
 * - A tensor x is unsigned 8-bit: real = scale * (q - zero_point). A weight is signed 8-bit, -127 … 127, with a scale
 *   for each output channel (or one for all) and no zero point. real = weight_scale[c] * w.
 * - From float: q = clamp(round(x / scale) + zero_point, 0, 255); division and rounding in float32, ties to even; a NaN
 *   becomes 0. To float: (float)(q - zero_point) * scale.
 * - Convolution and Dense: acc = sum((q_x - zero_point_x) * w) + bias[c], in 32 bits, which never overflow (a layer
 *   whose sum could is left in float). bias[c] = round(b[c] / (scale_x * weight_scale[c])). Padding is zero_point_x.
 * - Back to 8 bits (requantise): with 2^30 <= multiplier < 2^31, or 0, and 31 <= shift <= 62,
 *       q = clamp(zero_point_y + ((acc * (int64)multiplier + 2^(shift - 1)) >> shift), low, high)
 *   the shift is arithmetic: halves round up. multiplier / 2^shift is scale_x * weight_scale[c] / scale_y, which is
 *   below 1. This is TensorFlow Lite's single rounding. low and high are 0 and 255, or what relu and relu6 leave of them.
 * - A convolution or Dense whose output is wanted in float: y = (float)acc * (scale_x * weight_scale[c]).
 * - Max pooling: the largest q. Average pooling: floor((2 sum + count) / (2 count)) of the count q inside the picture. Both keep
 *   scale and zero point.
 * - Add: q = clamp(zero_point_y + ((sum over k of (q_k - zero_point_k) * factor[k]) + 2^(shift - 1)) >> shift, low, high), in
 *   32 bits.
 * - A scale and an offset for each channel (BatchNormalization behind an activation) is a depthwise convolution of one tap.
 * - Everything of one 8-bit number (activations, a change of scale before Concatenate): table[q].
 * - What is none of these is computed in float. */
#ifndef HONE_QUANTIZE_H
#define HONE_QUANTIZE_H

#include <hone/data.h>
#include <hone/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- quantising ------------------------------------------------------------------------------------------------ */

typedef enum hone_range_method {
    HONE_RANGE_AUTO,       /* all of the following; what comes closest to the float model's outputs is kept */
    HONE_RANGE_MIN_MAX,    /* the range is all that was seen */
    HONE_RANGE_PERCENTILE, /* without one number in ten thousand at either end */
    HONE_RANGE_MSE         /* the range with the least mean squared error of its numbers */
} hone_range_method;

/* HONE_ARGUMENT, which names them, for a word that is none of them. */
HONE_API hone_status hone_range_method_parse(hone_range_method *out, const char *name, hone_error *err);
HONE_API const char *hone_range_method_name(hone_range_method method); /* "auto", "min-max", "percentile", "mse" */

typedef struct hone_quantize_config {
    const uint32_t *indices; /* the pictures to calibrate with, index_count of them; NULL: all of the data set */
    size_t index_count;
    hone_range_method ranges;
    bool per_tensor; /* one scale for all weights of a layer; false: one for each output channel */
    hone_threads *threads;
} hone_quantize_config;

typedef struct hone_quantize_report {
    hone_range_method ranges; /* what was kept */
    double error;             /* of it: mean squared difference of the outputs, over the variance of the float ones */
    double errors[4];         /* of each tried, by hone_range_method; NaN: not tried */
    size_t samples;           /* calibrated with */
    size_t operations, in_float; /* of the model, and how many of them are left in float */
    size_t weight_bytes;         /* of the 8-bit weights and their 32-bit biases */
} hone_quantize_report;

HONE_API hone_quantize_config hone_quantize_config_default(void);

/* Calibrates a built model with pictures of data (of its input size; labels are not looked at) and sets its record
 * "quantization". report may be NULL. The weights are not touched; changing them afterwards makes the record void. */
HONE_API hone_status hone_model_quantize(hone_model *model, const hone_dataset *data,
                                         const hone_quantize_config *config, hone_quantize_report *report,
                                         hone_error *err);
/* Whether it has a record, made for the weights that it has now. */
HONE_API bool hone_model_is_quantized(const hone_model *model);

/* ---- the integer program --------------------------------------------------------------------------------------- */

enum { HONE_INT8_INPUTS = 8 };

typedef struct hone_int8_tensor {
    const char *name; /* unique: the layer that made it, "conv2d"; "conv2d:1" its second */
    hone_shape shape; /* without the batch */
    bool real;        /* float32; else 8-bit with */
    float scale;
    int32_t zero_point; /* 0 … 255 */
} hone_int8_tensor;

typedef enum hone_int8_kind {
    HONE_INT8_QUANTIZE,   /* float to 8 bits */
    HONE_INT8_DEQUANTIZE, /* and back */
    HONE_INT8_CONV2D,
    HONE_INT8_DEPTHWISE_CONV2D,
    HONE_INT8_DENSE, /* on the last axis */
    HONE_INT8_MAX_POOL,
    HONE_INT8_AVERAGE_POOL, /* global ones have a window as large as the picture */
    HONE_INT8_ADD,
    HONE_INT8_CONCATENATE,
    HONE_INT8_LOOKUP,
    HONE_INT8_FLOAT /* operation of layer, on floats: "softmax", … */
} hone_int8_kind;

typedef struct hone_int8_step {
    hone_int8_kind kind;
    const char *layer;     /* its name */
    size_t layer_index;    /* as in hone_model_layer_info */
    const char *operation; /* in words: "conv2d", "softmax", … */
    size_t input_count;
    size_t inputs[HONE_INT8_INPUTS], output; /* tensors */

    /* Convolutions and pooling: the input is (h, w, c), the output (oh, ow, channels). */
    int h, w, c, channels, groups, depth_multiplier;
    int kh, kw, stride_h, stride_w, dilation_h, dilation_w, pad_top, pad_left, oh, ow;
    /* Dense: rows of c become rows of channels. Concatenate: rows times, from each input in turn a piece of widths. */
    size_t rows, widths[HONE_INT8_INPUTS];
    const int8_t *weights;     /* (kh, kw, c / groups, channels); depthwise (kh, kw, channels); Dense (c, channels) */
    const float *weight_scale; /* (channels) */
    const int32_t *bias;       /* (channels), never NULL */
    const int32_t *multipliers, *shifts; /* (channels); NULL where the output is real */
    const float *output_scale;           /* (channels) where the output is real: scale_x * weight_scale; else NULL */
    int low, high;                       /* clamp: these, Add */

    int32_t factors[HONE_INT8_INPUTS];       /* Add */
    int32_t shift;                           /* Add: 1 … 30 */
    const uint8_t *tables[HONE_INT8_INPUTS]; /* Lookup, and Concatenate, by input: 256 bytes each; NULL: as it is */
} hone_int8_step;

/* Steps in the order of their execution. What has the same elements has the same tensor: there is no Flatten. */
typedef struct hone_quantized {
    size_t tensor_count, step_count;
    const hone_int8_tensor *tensors;
    const hone_int8_step *steps;
    size_t input, output; /* tensors; both are real */
} hone_quantized;

/* The program of a model with a record. BatchNormalization is folded into the weights before it, and relu into the
 * clamps; nothing but numbers is left. It stands alone: the model may be freed (names are copied). */
HONE_API hone_status hone_quantized_create(hone_quantized **out, const hone_model *model, hone_error *err);
HONE_API void hone_quantized_free(hone_quantized *quantized);

#ifdef __cplusplus
}
#endif
#endif
