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
    {"BatchNormalization", batch_normalization},
    {"LayerNormalization", layer_normalization},
    {"InstanceNormalization", instance_normalization},
    {"GroupNormalization", group_normalization},
    {NULL, NULL},
};
