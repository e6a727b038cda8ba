/* SPDX-License-Identifier: Apache-2.0
 *
 * From ONNX: activations. Most are Keras' own; what is left is said with Rescaling and ReLU. */
#include "onnx_import.h"

#include <math.h>
#include <string.h>

static hone_status activate(hone__onnx_import *im, const char *activation, bool not_negative) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    HONE_TRY(hone__onnx_realise(im, x));
    HONE_TRY(hone__onnx_map(im, "Activation", hone__onnx_activation_config(activation), x, out));
    out->not_negative = not_negative;
    return HONE_OK;
}

static hone_status relu(hone__onnx_import *im) {
    return activate(im, "relu", true);
}

static hone_status tanh_(hone__onnx_import *im) {
    return activate(im, "tanh", false);
}

static hone_status softplus(hone__onnx_import *im) {
    return activate(im, "softplus", true);
}

static hone_status softsign(hone__onnx_import *im) {
    return activate(im, "softsign", false);
}

static hone_status exponential(hone__onnx_import *im) {
    return activate(im, "exponential", true);
}

static hone_status hard_swish(hone__onnx_import *im) {
    return activate(im, "hard_silu", false);
}

/* Two tensors' product, element by element; out may be one of them. */
static hone_status times(hone__onnx_import *im, const hone__onnx_value *x, const hone__onnx_value *z,
                         hone__onnx_value *out) {
    const char *sources[2] = {x->layer, z->layer};
    char *layer;
    HONE_TRY(hone__onnx_add_layer(im, "Multiply", NULL, NULL, sources, 2, &layer));
    hone__free(out->layer);
    out->layer = layer;
    out->kind = ONNX_TENSOR;
    out->layout = x->layout;
    out->shape = x->shape;
    return HONE_OK;
}

/* x / 2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), which Keras has a function but no word for: in layers, x times the
 * sigmoid of twice what the tanh is of. */
static hone_status gelu_by_tanh(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    const double twice = 2 * sqrt(2 / 3.14159265358979323846);
    HONE_TRY(hone__onnx_realise(im, x));
    HONE_TRY(times(im, x, x, out));
    HONE_TRY(hone__onnx_rescale(im, out, 0.044715 * twice, twice, out));
    HONE_TRY(times(im, x, out, out));
    HONE_TRY(hone__onnx_map(im, "Activation", hone__onnx_activation_config("sigmoid"), out, out));
    return times(im, x, out, out);
}

static hone_status gelu(hone__onnx_import *im) {
    char buffer[8];
    bool by_tanh = strcmp(hone__onnx_word(im->node, "approximate", "none", buffer, sizeof buffer), "tanh") == 0;
    return by_tanh ? gelu_by_tanh(im) : activate(im, "gelu", false);
}

/* x tanh(softplus(x)) */
static hone_status mish(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    HONE_TRY(hone__onnx_realise(im, x));
    HONE_TRY(hone__onnx_map(im, "Activation", hone__onnx_activation_config("softplus"), x, out));
    HONE_TRY(hone__onnx_map(im, "Activation", hone__onnx_activation_config("tanh"), out, out));
    return times(im, x, out, out);
}

static hone_status selu(hone__onnx_import *im) {
    if (!hone__onnx_near(hone__onnx_real(im->node, "alpha", 1.67326319), 1.67326319) ||
        !hone__onnx_near(hone__onnx_real(im->node, "gamma", 1.05070102), 1.05070102))
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "alpha and gamma are not the usual ones");
    return activate(im, "selu", false);
}

/* Of x, as a product with x may follow. */
static hone_status sigmoid(hone__onnx_import *im) {
    hone__onnx_out(im)->activation = "sigmoid";
    return hone__onnx_note_about(im, hone__onnx_in(im, 0), NOTE_FUNCTION, 0, 0, hone__onnx_out(im));
}

static hone_status with_real(hone__onnx_import *im, const char *class_name, const char *key, double value) {
    hone__onnx_value *x = hone__onnx_in(im, 0);
    HONE_TRY(hone__onnx_realise(im, x));
    hone_value *config = hone_value_object();
    hone_value_set_real(config, key, value);
    return hone__onnx_map(im, class_name, config, x, hone__onnx_out(im));
}

static hone_status leaky_relu(hone__onnx_import *im) {
    return with_real(im, "LeakyReLU", "negative_slope", hone__onnx_real(im->node, "alpha", 0.01));
}

static hone_status thresholded_relu(hone__onnx_import *im) {
    HONE_TRY(with_real(im, "ReLU", "threshold", hone__onnx_real(im->node, "alpha", 1)));
    hone__onnx_out(im)->not_negative = true;
    return HONE_OK;
}

static hone_status elu(hone__onnx_import *im) {
    return with_real(im, "ELU", "alpha", hone__onnx_real(im->node, "alpha", 1));
}

hone_status hone__onnx_rescale(hone__onnx_import *im, const hone__onnx_value *in, double scale, double offset,
                               hone__onnx_value *out) {
    hone_value *config = hone_value_object();
    hone_value_set_real(config, "scale", scale);
    hone_value_set_real(config, "offset", offset);
    return hone__onnx_map(im, "Rescaling", config, in, out);
}

/* min(max(x, low), high): a ReLU with a ceiling, moved to where it is wanted; turned over where there is no floor. */
hone_status hone__onnx_clamp(hone__onnx_import *im, hone__onnx_value *x, double low, double high,
                             hone__onnx_value *out) {
    bool floored = isfinite(low) && low > -1e30, bounded = isfinite(high) && high < 1e30;
    HONE_TRY(hone__onnx_realise(im, x));
    if (x->not_negative && low < 0) {
        low = 0;
        floored = true;
    }
    if (floored && bounded && high < low) return hone__onnx_refuse(im, HONE_UNSUPPORTED, "clips to nothing");
    if (!floored && !bounded) return hone__onnx_rescale(im, x, 1, 0, out);
    double scale = floored ? 1 : -1, offset = floored ? -low : high;
    const hone__onnx_value *from = x;
    if (scale != 1 || offset != 0) {
        HONE_TRY(hone__onnx_rescale(im, x, scale, offset, out));
        from = out;
    }
    hone_value *config = hone_value_object();
    if (floored && bounded) hone_value_set_real(config, "max_value", high - low);
    HONE_TRY(hone__onnx_map(im, "ReLU", config, from, out));
    if (scale != 1 || offset != 0) HONE_TRY(hone__onnx_rescale(im, out, scale, floored ? low : high, out));
    out->not_negative = floored && low >= 0;
    return HONE_OK;
}

/* Bounds of what is bounded already are bounds of what that is made of. */
hone_status hone__onnx_note_clamp(hone__onnx_import *im, const hone__onnx_value *x, double low, double high,
                                  hone__onnx_value *out) {
    if (x->kind == ONNX_NOTE && x->note == NOTE_CLAMPED && low <= high) {
        low = fmin(fmax(x->a, low), high);
        high = fmin(fmax(x->b, low), high);
        x = &im->values[x->base];
    }
    return hone__onnx_note_about(im, x, NOTE_CLAMPED, low, high, out);
}

static hone_status bound(hone__onnx_import *im, size_t i, const char *name, double fallback, double *value) {
    const hone__onnx_value *input = hone__onnx_in(im, i);
    *value = hone__onnx_real(im->node, name, fallback);
    if (!input) return HONE_OK;
    if (input->kind != ONNX_CONSTANT || input->constant.count != 1)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "%s is no constant number", name);
    *value = hone__onnx_constant_at(&input->constant, 0);
    return HONE_OK;
}

static hone_status clip(hone__onnx_import *im) {
    double low, high;
    HONE_TRY(bound(im, 1, "min", -INFINITY, &low));
    HONE_TRY(bound(im, 2, "max", INFINITY, &high));
    return hone__onnx_note_clamp(im, hone__onnx_in(im, 0), low, high, hone__onnx_out(im));
}

/* clip(alpha x + beta, 0, 1); Keras 3 has the one with 1/6 and 0.5. */
static hone_status hard_sigmoid(hone__onnx_import *im) {
    double alpha = hone__onnx_real(im->node, "alpha", 0.2), beta = hone__onnx_real(im->node, "beta", 0.5);
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    if (hone__onnx_near(alpha, 1.0 / 6) && beta == 0.5) {
        out->activation = "hard_sigmoid";
        return hone__onnx_note_about(im, x, NOTE_FUNCTION, 0, 0, out);
    }
    hone__onnx_value moved = {.name = out->name};
    HONE_TRY(hone__onnx_realise(im, x));
    HONE_TRY(hone__onnx_rescale(im, x, alpha, beta, &moved));
    hone_status status = hone__onnx_clamp(im, &moved, 0, 1, out);
    hone__free(moved.layer);
    return status;
}

static hone_status softmax(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *out = hone__onnx_out(im);
    int rank = x->layout.rank;
    int64_t axis = hone__onnx_integer(im->node, "axis", im->opset >= 13 ? -1 : 1);
    if (axis < 0) axis += rank;
    if (x->kind == ONNX_SCORES && axis == rank - 1 && !hone__onnx_is_probable(x))
        return hone__onnx_softmax_scores(im, x, out);
    HONE_TRY(hone__onnx_realise(im, x));
    bool is_one_axis = im->opset >= 13; /* before, it was all from there on */
    for (int64_t i = axis + 1; !is_one_axis && i <= rank; i++) is_one_axis = i == rank;
    for (int64_t i = axis + 1; im->opset < 13 && i > 0 && i < rank; i++) is_one_axis &= x->layout.dims[i] == 1;
    if (axis < 0 || axis >= rank || !is_one_axis)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "is over axis %lld of %d", (long long)axis, rank);
    if (axis == 1 && rank == 4)
        HONE_TRY(hone__onnx_arrange_image(im, x));
    else if (axis == rank - 1)
        HONE_TRY(hone__onnx_arrange_last(im, x));
    else
        HONE_TRY(hone__onnx_arrange_axis_last(im, x, (int)axis));
    HONE_TRY(hone__onnx_map(im, "Activation", hone__onnx_activation_config("softmax"), x, out));
    out->not_negative = true;
    return HONE_OK;
}

/* What a classifier gives out as logarithms of probabilities, for PyTorch's NLLLoss, is probabilities here. */
static hone_status log_softmax(hone__onnx_import *im) {
    bool is_output = false;
    for (size_t i = 0; i < im->graph->n_output; i++)
        is_output =
            is_output || (im->graph->output[i]->name && strcmp(im->graph->output[i]->name, im->node->output[0]) == 0);
    if (!is_output) return hone__onnx_refuse(im, HONE_UNSUPPORTED, "is supported as the output of the graph only");
    hone__log(HONE_LOG_WARNING,
              "the ONNX file's output '%.96s' is logarithms of probabilities (LogSoftmax); the model "
              "gives out the probabilities",
              im->node->output[0]);
    return softmax(im);
}

/* The layer itself: slopes that are shared along all axes but the last, or of every element. */
static hone_status add_prelu(hone__onnx_import *im, const hone__onnx_value *x, const float *numbers, size_t count,
                             size_t slopes, hone__onnx_value *out) {
    hone_value *config = hone_value_object(), *shared = hone_value_list();
    bool shares = x->shape.rank > 1 && slopes == (size_t)x->shape.dims[x->shape.rank - 1];
    for (int i = 1; i < x->shape.rank; i++) hone_value_append(shared, hone_value_integer(i));
    if (shares)
        hone_value_set(config, "shared_axes", shared);
    else
        hone_value_free(shared);
    HONE_TRY(hone__onnx_map(im, "PReLU", config, x, out));
    float *copy = hone__alloc(slopes, sizeof *copy);
    if (!copy) return hone__fail_memory(im->err, slopes * sizeof *copy, "slopes");
    for (size_t i = 0; i < slopes; i++) copy[i] = numbers[count == 1 ? 0 : i];
    return hone__onnx_add_weights(im, out->layer, "alpha", copy, slopes);
}

/* One slope, one for each channel, or one for each element. */
static hone_status prelu(hone__onnx_import *im) {
    hone__onnx_value *x = hone__onnx_in(im, 0), *slopes = hone__onnx_in(im, 1), *out = hone__onnx_out(im);
    const float *numbers;
    if (!slopes || slopes->kind != ONNX_CONSTANT)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "its slopes are not constant");
    HONE_TRY(hone__onnx_realise(im, x));
    size_t count = slopes->constant.count;
    int axis = hone__onnx_only_axis(&x->layout, &slopes->constant);
    HONE_TRY(hone__onnx_vector(im, 1, count, &numbers));
    if (count == 1 && x->layout.rank == 4)
        HONE_TRY(hone__onnx_arrange_image(im, x));
    else if (count == 1)
        HONE_TRY(hone__onnx_arrange_last(im, x));
    else if (axis == 1 && x->layout.rank == 4)
        HONE_TRY(hone__onnx_arrange_image(im, x));
    else if (axis > 0)
        HONE_TRY(hone__onnx_arrange_axis_last(im, x, axis));
    else
        HONE_TRY(hone__onnx_arrange_plain(im, x));
    size_t each = (size_t)x->shape.dims[x->shape.rank - 1], all = (size_t)hone_shape_size(&x->shape);
    if (count != 1 && axis <= 0) each = all;
    if (count != 1 && count != each)
        return hone__onnx_refuse(im, HONE_UNSUPPORTED, "has %zu slopes for %zu elements", count, all);
    return add_prelu(im, x, numbers, count, each, out);
}

const hone__onnx_operators hone__onnx_activation_operators[] = {
    {"Relu", relu},
    {"LeakyRelu", leaky_relu},
    {"PRelu", prelu},
    {"Elu", elu},
    {"Selu", selu},
    {"Sigmoid", sigmoid},
    {"HardSigmoid", hard_sigmoid},
    {"HardSwish", hard_swish},
    {"Tanh", tanh_},
    {"Softplus", softplus},
    {"Softsign", softsign},
    {"Exp", exponential},
    {"Gelu", gelu},
    {"Mish", mish},
    {"ThresholdedRelu", thresholded_relu},
    {"LogSoftmax", log_softmax},
    {"Clip", clip},
    {"Softmax", softmax},
    {NULL, NULL},
};
