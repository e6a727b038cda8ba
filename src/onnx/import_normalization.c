/* SPDX-License-Identifier: Apache-2.0
 *
 * From ONNX: normalisation that has an operator of its own. */
#include "onnx_import.h"

#include <math.h>
#include <string.h>

/* The channels, axis 1, last in memory. */
static hone_status channels_last(hone__onnx_import *im, hone__onnx_value *x) {
    int axes[HONE_ONNX_AXES], count = 0;
    if (x->layout.rank < 2) return hone__onnx_refuse(im, HONE_UNSUPPORTED, "takes a tensor of one axis");
    if (x->layout.rank == 4) return hone__onnx_arrange_image(im, x);
    if (!hone__onnx_layout_leads(&x->layout)) return hone__onnx_arrange_axis_last(im, x, 1);
    for (int axis = 2; axis < x->layout.rank; axis++) axes[count++] = axis;
    axes[count++] = 1;
    return hone__onnx_arrange_axes(im, x, axes, count);
}

static hone_status batch_normalization(hone__onnx_import *im) {
    static const char *const names[] = {"gamma", "beta", "moving_mean", "moving_variance"};
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    if (hone__onnx_integer(im->node, "training_mode", 0) != 0)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "is in training mode; export the model for inference");
    HONE_TRY(channels_last(im, x));
    size_t channels = (size_t)x->shape.dims[x->shape.rank - 1];
    hone_value *config = hone_value_object();
    hone_value_set_real(config, "epsilon", hone__onnx_real(im->node, "epsilon", 1e-5));
    hone_value_set_real(config, "momentum", hone__onnx_real(im->node, "momentum", 0.9));
    char *layer;
    const char *source = x->layer;
    HONE_TRY(hone__onnx_add_layer(im, "BatchNormalization", config, hone__onnx_stem(im, 1), &source, 1, &layer));
    out->layer = layer;
    out->kind = ONNX_TENSOR;
    out->shape = x->shape;
    out->layout = x->layout;
    for (size_t i = 0; i < 4; i++) {
        const float *numbers;
        HONE_TRY(hone__onnx_vector(im, i + 1, channels, &numbers));
        HONE_TRY(hone__onnx_add_copy(im, layer, names[i], numbers, channels));
    }
    return HONE_OK;
}

static hone_status layer_normalization(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    int64_t axis = hone__onnx_integer(im->node, "axis", -1);
    if (axis != -1 && axis != x->layout.rank - 1)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "is over more than the last axis");
    HONE_TRY(hone__onnx_arrange_last(im, x));
    size_t n = (size_t)x->shape.dims[x->shape.rank - 1];
    bool centers = hone__onnx_in(im, 2) != NULL;
    const float *gamma, *beta = NULL;
    HONE_TRY(hone__onnx_vector(im, 1, n, &gamma));
    if (centers) HONE_TRY(hone__onnx_vector(im, 2, n, &beta));
    hone_value *config = hone_value_object();
    hone_value_set_integer(config, "axis", -1);
    hone_value_set_real(config, "epsilon", hone__onnx_real(im->node, "epsilon", 1e-5));
    hone_value_set_boolean(config, "center", centers);
    HONE_TRY(hone__onnx_map(im, "LayerNormalization", config, x, out));
    HONE_TRY(hone__onnx_add_copy(im, out->layer, "gamma", gamma, n));
    return centers ? hone__onnx_add_copy(im, out->layer, "beta", beta, n) : HONE_OK;
}

/* A weight of n numbers, each so many times. */
static hone_status add_repeated(hone__onnx_import *im, const char *layer, const char *weight, const float *numbers,
                                size_t n, size_t times) {
    float *each = hone__alloc(n * times, sizeof *each);
    if (!each) return hone__fail_memory(im->err, n * times * sizeof *each, "weights");
    for (size_t i = 0; i < n * times; i++) each[i] = numbers[i / times];
    return hone__onnx_add_weights(im, layer, weight, each, n * times);
}

/* Each channel by itself; where a channel is a group of what were channels before a reshape, those are seen again:
 * memory ends with the groups and what each consists of. */
/* bias + alpha / size times the squares of so many channels around each: a Dense that does not train. */
static hone_status add_neighbours(hone__onnx_import *im, const hone__onnx_value *squares, int64_t size,
                                  hone__onnx_value *out) {
    const int64_t channels = squares->shape.dims[squares->shape.rank - 1];
    const float each = (float)(hone__onnx_real(im->node, "alpha", 1e-4) / (double)size);
    size_t count;
    if (!hone__multiply((size_t)channels, (size_t)channels, &count) || count > HONE_MAX_UNITS)
        return hone__onnx_refuse(im, HONE_LIMIT, "has %lld channels", (long long)channels);
    hone_value *config = hone_value_object();
    hone_value_set_integer(config, "units", channels);
    hone_value_set_boolean(config, "trainable", false);
    HONE_TRY(hone__onnx_map(im, "Dense", config, squares, out));
    float *kernel = hone__alloc(count, sizeof *kernel), *bias = hone__alloc((size_t)channels, sizeof *bias);
    if (!kernel || !bias) {
        hone__free(kernel);
        hone__free(bias);
        return hone__fail_memory(im->err, count * sizeof *kernel, "a kernel");
    }
    for (int64_t i = 0; i < channels; i++) {
        bias[i] = (float)hone__onnx_real(im->node, "bias", 1);
        for (int64_t k = 0; k < channels; k++) /* what channel i gives to k */
            kernel[i * channels + k] = i >= k - (size - 1) / 2 && i <= k + size / 2 ? each : 0;
    }
    hone_status status = hone__onnx_add_weights(im, out->layer, "kernel", kernel, count);
    if (!status) return hone__onnx_add_weights(im, out->layer, "bias", bias, (size_t)channels);
    hone__free(bias);
    return status;
}

/* x / (bias + alpha / size * sum of squares)^beta, of AlexNet and GoogLeNet: beta is 1, 1/2 or, of two roots, 3/4. */
static hone_status local_response(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    const double beta = hone__onnx_real(im->node, "beta", 0.75);
    const int64_t size = hone__onnx_integer(im->node, "size", 1);
    HONE_TRY(hone__onnx_realise(im, x));
    if (x->layout.rank != 4 || size < 1 || size > HONE_MAX_WINDOW || (beta != 1 && beta != 0.5 && beta != 0.75))
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "beta is %g for %lld of a tensor of %d axes", beta,
                                 (long long)size, x->layout.rank);
    HONE_TRY(hone__onnx_arrange_image(im, x));
    hone__onnx_value sum = *x, root = *x;
    sum.layer = root.layer = NULL;
    const char *same[2] = {x->layer, x->layer};
    hone_status status = hone__onnx_add_merge(im, "Multiply", same, 2, &sum);
    if (!status) status = add_neighbours(im, &sum, size, &sum);
    if (!status && beta != 1) status = hone__onnx_map(im, "Sqrt", NULL, &sum, &sum);
    if (!status && beta == 0.75) {
        status = hone__onnx_map(im, "Sqrt", NULL, &sum, &root);
        const char *both[2] = {sum.layer, root.layer};
        char *product = NULL;
        if (!status) status = hone__onnx_add_layer(im, "Multiply", NULL, NULL, both, 2, &product);
        if (!status) {
            hone__free(sum.layer);
            sum.layer = product;
        }
    }
    const char *quotient[2] = {x->layer, sum.layer};
    out->layout = x->layout;
    out->shape = x->shape;
    if (!status) status = hone__onnx_add_merge(im, "Divide", quotient, 2, out);
    out->not_negative = x->not_negative;
    hone__free(sum.layer);
    hone__free(root.layer);
    return status;
}

static hone_status instance_normalization(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    HONE_TRY(hone__onnx_realise(im, x));
    if (x->layout.rank < 3 || !hone__onnx_layout_leads(&x->layout))
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "takes a tensor of %d axes", x->layout.rank);
    const hone__onnx_layout *layout = &x->layout;
    size_t groups = (size_t)layout->dims[1], width = 1;
    int first, atoms = hone__onnx_layout_atoms(layout, 1, &first), at = layout->count;
    while (at > 1 && layout->axes[layout->stored[at - 1]] != 1) width *= (size_t)layout->sizes[layout->stored[--at]];
    bool together = at - atoms >= 1;
    for (int i = 0; i < atoms && together; i++) together = layout->stored[at - atoms + i] == first + i;
    if (atoms > 0 && together && at - atoms > 1) {
        int64_t size = hone_shape_size(&x->shape), c = (int64_t)(groups * width);
        hone_shape seen = {2, {size / c, c}};
        HONE_TRY(hone__onnx_arrange(im, x, layout->stored + 1, layout->count - 1, &seen));
    } else {
        width = 1;
        HONE_TRY(channels_last(im, x));
    }
    const float *scale, *bias;
    HONE_TRY(hone__onnx_vector(im, 1, groups, &scale));
    HONE_TRY(hone__onnx_vector(im, 2, groups, &bias));
    hone_value *config = hone_value_object();
    hone_value_set_integer(config, "groups", (int64_t)groups);
    hone_value_set_real(config, "epsilon", hone__onnx_real(im->node, "epsilon", 1e-5));
    HONE_TRY(hone__onnx_map(im, "GroupNormalization", config, x, out));
    HONE_TRY(add_repeated(im, out->layer, "gamma", scale, groups, width));
    return add_repeated(im, out->layer, "beta", bias, groups, width);
}

/* Scale and bias are numbers of each channel, before operator set 21 of each group. */
static hone_status group_normalization(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    HONE_TRY(channels_last(im, x));
    size_t channels = (size_t)x->shape.dims[x->shape.rank - 1];
    int64_t groups = hone__onnx_integer(im->node, "num_groups", 0);
    if (groups < 1 || channels % (size_t)groups != 0)
        return hone__onnx_refuse(im, HONE_SHAPE, "makes %lld groups of %zu channels", (long long)groups, channels);
    const hone__onnx_value *stated = hone__onnx_in(im, 1);
    size_t n = stated && stated->kind == ONNX_CONSTANT ? stated->constant.count : 0;
    size_t given = n == (size_t)groups ? n : channels;
    const float *scale, *bias;
    HONE_TRY(hone__onnx_vector(im, 1, given, &scale));
    HONE_TRY(hone__onnx_vector(im, 2, given, &bias));
    hone_value *config = hone_value_object();
    hone_value_set_integer(config, "groups", groups);
    hone_value_set_real(config, "epsilon", hone__onnx_real(im->node, "epsilon", 1e-5));
    HONE_TRY(hone__onnx_map(im, "GroupNormalization", config, x, out));
    HONE_TRY(add_repeated(im, out->layer, "gamma", scale, given, channels / given));
    return add_repeated(im, out->layer, "beta", bias, given, channels / given);
}

const hone__onnx_operators hone__onnx_normal_operators[] = {
    {"BatchNormalization", batch_normalization},       {"LayerNormalization", layer_normalization},
    {"InstanceNormalization", instance_normalization}, {"LRN", local_response},
    {"GroupNormalization", group_normalization},       {NULL, NULL},
};
