/* SPDX-License-Identifier: Apache-2.0
 *
 * The built-in networks. Each is a list of layers, read from the picture at the top to the classes at the bottom.
 *
 * To add one: write such a list, and a line in the table below. */
#include "layer.h"

#include <inttypes.h>
#include <string.h>

/* The article's network: three convolutions that look at 3x3 pixels each, poolings that halve the picture between them,
 * and two dense layers that decide. On 28x28 grey pictures and ten classes it has 93,322 parameters. */
static hone_status mnist_cnn(hone_model *model, const hone_shape *input, int classes, hone_error *err) {
    HONE_TRY(hone_model_input(model, input, err));
    HONE_TRY(hone_model_conv2d(model, 32, 3, "relu", err));
    HONE_TRY(hone_model_max_pooling2d(model, 2, err));
    HONE_TRY(hone_model_conv2d(model, 64, 3, "relu", err));
    HONE_TRY(hone_model_max_pooling2d(model, 2, err));
    HONE_TRY(hone_model_conv2d(model, 64, 3, "relu", err));
    HONE_TRY(hone_model_flatten(model, err));
    HONE_TRY(hone_model_dense(model, 64, "relu", err));
    return hone_model_dense(model, classes, "softmax", err);
}

/* Keras' "hello world": no convolution, every pixel is seen by every unit. */
static hone_status mlp(hone_model *model, const hone_shape *input, int classes, hone_error *err) {
    HONE_TRY(hone_model_input(model, input, err));
    HONE_TRY(hone_model_flatten(model, err));
    HONE_TRY(hone_model_dense(model, 128, "relu", err));
    HONE_TRY(hone_model_dropout(model, 0.2, err));
    return hone_model_dense(model, classes, "softmax", err);
}

/* For a network that is good after a second: the second convolution sees only what the first pooling left, and the strong
 * first kernel (5x5) makes up for there being two. Numbers of filters that fill vector registers: 16 cost less than half
 * of what 24 do. A quarter of the multiply-adds of mnist-cnn. */
static hone_status mnist_fast(hone_model *model, const hone_shape *input, int classes, hone_error *err) {
    HONE_TRY(hone_model_input(model, input, err));
    HONE_TRY(hone_model_conv2d(model, 16, 5, "relu", err));
    HONE_TRY(hone_model_max_pooling2d(model, 2, err));
    HONE_TRY(hone_model_conv2d(model, 32, 3, "relu", err));
    HONE_TRY(hone_model_max_pooling2d(model, 2, err));
    HONE_TRY(hone_model_flatten(model, err));
    HONE_TRY(hone_model_dense(model, 96, "relu", err));
    return hone_model_dense(model, classes, "softmax", err);
}

/* Two layers that <hone/model.h> has no short form for. */
static hone_status conv2d_same(hone_model *model, int filters, int kernel_size, const char *activation,
                               hone_error *err) {
    hone_value *config = hone_value_object();
    hone_value_set_integer(config, "filters", filters);
    hone_value_set_integer(config, "kernel_size", kernel_size);
    hone_value_set_string(config, "padding", "same");
    hone_value_set_string(config, "activation", activation);
    return hone__model_add_made(model, "Conv2D", config, err);
}

static hone_status average_pooling2d(hone_model *model, int pool_size, hone_error *err) {
    hone_value *config = hone_value_object();
    hone_value_set_integer(config, "pool_size", pool_size);
    return hone__model_add_made(model, "AveragePooling2D", config, err);
}

/* LeNet-5 (LeCun et al., "Gradient-based learning applied to document recognition", 1998), as it is built today: tanh,
 * average pooling, softmax at the end. */
static hone_status lenet5(hone_model *model, const hone_shape *input, int classes, hone_error *err) {
    HONE_TRY(hone_model_input(model, input, err));
    HONE_TRY(conv2d_same(model, 6, 5, "tanh", err));
    HONE_TRY(average_pooling2d(model, 2, err));
    HONE_TRY(hone_model_conv2d(model, 16, 5, "tanh", err));
    HONE_TRY(average_pooling2d(model, 2, err));
    HONE_TRY(hone_model_flatten(model, err));
    HONE_TRY(hone_model_dense(model, 120, "tanh", err));
    HONE_TRY(hone_model_dense(model, 84, "tanh", err));
    return hone_model_dense(model, classes, "softmax", err);
}

/* For the last tenths of a per cent, still in minutes: two convolutions where mnist-cnn has one, normalised after each,
 * dropout before the end. Normalising behind the pooling keeps convolution, ReLU and pooling one operation. */
static hone_status mnist_best(hone_model *model, const hone_shape *input, int classes, hone_error *err) {
    static const struct {
        int filters;
        bool pooled;
    } convolutions[] = {{32, false}, {32, true}, {64, false}, {64, true}, {128, false}};
    HONE_TRY(hone_model_input(model, input, err));
    for (size_t i = 0; i < sizeof convolutions / sizeof *convolutions; i++) {
        HONE_TRY(hone_model_conv2d(model, convolutions[i].filters, 3, "relu", err));
        if (convolutions[i].pooled) HONE_TRY(hone_model_max_pooling2d(model, 2, err));
        HONE_TRY(hone_model_add(model, "BatchNormalization", NULL, err));
    }
    HONE_TRY(hone_model_flatten(model, err));
    HONE_TRY(hone_model_dropout(model, 0.3, err));
    return hone_model_dense(model, classes, "softmax", err);
}

static const struct preset {
    const char *name, *summary;
    int smallest; /* height and width that leave the last layer a pixel */
    hone_status (*add_layers)(hone_model *model, const hone_shape *input, int classes, hone_error *err);
    const char *recipe;
} presets[] = {
    {"mnist-cnn", "three 3x3 convolutions (32, 64, 64), two max poolings, Dense 64", 18, mnist_cnn, NULL},
    {"mnist-fast", "99 % on MNIST in one pass: 5x5 and 3x3 convolutions (16, 32), Dense 96", 12, mnist_fast,
     "--epochs 1 --batch-size 48 --schedule one-cycle --learning-rate 0.01 --label-smoothing 0.1 "
     "--input 0.1307,0.3081 --validation-split 0"},
    {"mnist-best", "five 3x3 convolutions (32, 32, 64, 64, 128), each normalised, Dropout 0.3", 24, mnist_best,
     "--epochs 44 --batch-size 64 --schedule one-cycle --learning-rate 0.005 --label-smoothing 0.05 --ema 0.995 "
     "--augment digits --validation-split 0"},
    {"mlp", "no convolution: Dense 128, Dropout 0.2", 1, mlp, NULL},
    {"lenet5", "LeNet-5: two 5x5 convolutions (6, 16), average poolings, Dense 120 and 84", 12, lenet5, NULL},
};

enum { PRESETS = sizeof presets / sizeof *presets };

/* ---- by name --------------------------------------------------------------------------------------------------- */

static hone_status not_found(const char *name, hone_error *err) {
    char list[256] = "";
    for (size_t i = 0; i < PRESETS; i++) hone__list_add(list, sizeof list, presets[i].name);
    HONE_FAIL(err, HONE_NOT_FOUND, "there is no preset '%.64s', there are %s", name, list);
}

static hone_status check(const struct preset *preset, const hone_shape *input, int classes, hone_error *err) {
    char text[96];
    if (classes < 2 || classes > HONE_MAX_CLASSES) {
        HONE_FAIL(err, HONE_ARGUMENT, "preset '%s' for %d classes: expected 2 to %d", preset->name, classes,
                  HONE_MAX_CLASSES);
    }
    if (input->rank != 3) {
        HONE_FAIL(err, HONE_SHAPE, "preset '%s' takes images (height, width, channels), not %s", preset->name,
                  hone_shape_text(input, false, text, sizeof text));
    }
    if (input->dims[0] < preset->smallest || input->dims[1] < preset->smallest) {
        HONE_FAIL(err, HONE_SHAPE, "preset '%s' needs images of %dx%d pixels or more, not %" PRId64 "x%" PRId64,
                  preset->name, preset->smallest, preset->smallest, input->dims[0], input->dims[1]);
    }
    return HONE_OK;
}

hone_status hone_model_preset(hone_model **out, const char *name, const hone_shape *input, int classes,
                              hone_error *err) {
    *out = NULL;
    const struct preset *preset = NULL;
    for (size_t i = 0; i < PRESETS; i++) {
        if (strcmp(name, presets[i].name) == 0) preset = &presets[i];
    }
    if (!preset) return not_found(name, err);
    HONE_TRY(check(preset, input, classes, err));
    hone_model *model;
    HONE_TRY(hone_model_create(&model, NULL, err));
    hone_status status = preset->add_layers(model, input, classes, err);
    if (status) {
        hone_model_free(model);
        return status;
    }
    *out = model;
    return HONE_OK;
}

const char *hone_preset_name(size_t index) {
    return index < PRESETS ? presets[index].name : NULL;
}

const char *hone_preset_summary(size_t index) {
    return index < PRESETS ? presets[index].summary : NULL;
}

const char *hone_preset_recipe(size_t index) {
    return index < PRESETS ? presets[index].recipe : NULL;
}
