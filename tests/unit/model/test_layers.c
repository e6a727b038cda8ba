/* SPDX-License-Identifier: Apache-2.0
 *
 * Layers: shapes, weights and multiply-adds against Keras', the padding arithmetic, and what does not fit. */
#include "layer.h"
#include "model_test.h"

/* ---- shapes and weights ---------------------------------------------------------------------------------------- */

/* Numbers as Keras' summary() has them. */
static const struct shape_case {
    const char *input, *class_name, *config, *output;
    int64_t parameters, trainable, macs;
    const char *weights; /* names in order */
} shape_cases[] = {
    {"[28, 28, 1]", "Conv2D", "{'filters': 32, 'kernel_size': 3}", "(None, 26, 26, 32)", 320, 320, 194688,
     "kernel bias"},
    {"[13, 13, 32]", "Conv2D", "{'filters': 64, 'kernel_size': [3, 3]}", "(None, 11, 11, 64)", 18496, 18496, 2230272,
     "kernel bias"},
    {"[10, 9, 4]", "Conv2D",
     "{'filters': 6, 'kernel_size': [3, 2], 'strides': [2, 1], 'groups': 2, 'use_bias': false, 'padding': 'same'}",
     "(None, 5, 9, 6)", 72, 72, 3240, "kernel"},
    {"[14, 13, 3]", "Conv2D", "{'filters': 4, 'kernel_size': 3, 'dilation_rate': 2}", "(None, 10, 9, 4)", 112, 112,
     9720, "kernel bias"},
    {"[11, 12, 3]", "DepthwiseConv2D", "{'kernel_size': 3, 'depth_multiplier': 2, 'strides': 2, 'padding': 'same'}",
     "(None, 6, 6, 6)", 60, 60, 1944, "depthwise_kernel bias"},
    {"[11, 12, 3]", "SeparableConv2D", "{'filters': 5, 'kernel_size': 3, 'depth_multiplier': 2}", "(None, 9, 10, 5)",
     89, 89, 7560, "depthwise_kernel pointwise_kernel bias"},
    {"[576]", "Dense", "{'units': 64}", "(None, 64)", 36928, 36928, 36864, "kernel bias"},
    {"[4, 5, 7]", "Dense", "{'units': 3, 'use_bias': false}", "(None, 4, 5, 3)", 21, 21, 420, "kernel"},
    {"[7, 6, 2]", "MaxPooling2D", NULL, "(None, 3, 3, 2)", 0, 0, 0, ""},
    {"[7, 6, 2]", "MaxPooling2D", "{'pool_size': 3, 'strides': 2, 'padding': 'same'}", "(None, 4, 3, 2)", 0, 0, 0, ""},
    {"[7, 6, 2]", "AveragePooling2D", "{'pool_size': [2, 3], 'strides': 1}", "(None, 6, 4, 2)", 0, 0, 0, ""},
    {"[7, 6, 2]", "GlobalMaxPooling2D", NULL, "(None, 2)", 0, 0, 0, ""},
    {"[7, 6, 2]", "GlobalAveragePooling2D", "{'keepdims': true}", "(None, 1, 1, 2)", 0, 0, 0, ""},
    {"[7, 6, 2]", "BatchNormalization", NULL, "(None, 7, 6, 2)", 8, 4, 0, "gamma beta moving_mean moving_variance"},
    {"[7, 6, 2]", "BatchNormalization", "{'scale': false}", "(None, 7, 6, 2)", 6, 2, 0,
     "beta moving_mean moving_variance"},
    {"[7, 6, 2]", "BatchNormalization", "{'center': false, 'axis': [3]}", "(None, 7, 6, 2)", 6, 2, 0,
     "gamma moving_mean moving_variance"},
    {"[7, 6, 2]", "LayerNormalization", NULL, "(None, 7, 6, 2)", 4, 4, 0, "gamma beta"},
    {"[7, 6, 2]", "LayerNormalization", "{'center': false, 'scale': false, 'axis': 3}", "(None, 7, 6, 2)", 0, 0, 0, ""},
    {"[7, 6, 2]", "ReLU", "{'max_value': 6.0}", "(None, 7, 6, 2)", 0, 0, 0, ""},
    {"[7, 6, 2]", "Flatten", NULL, "(None, 84)", 0, 0, 0, ""},
    {"[7, 6, 2]", "Reshape", "{'target_shape': [3, -1, 4]}", "(None, 3, 7, 4)", 0, 0, 0, ""},
    {"[7, 6, 2]", "Reshape", "{'target_shape': [84]}", "(None, 84)", 0, 0, 0, ""},
    {"[7, 6, 2]", "ZeroPadding2D", NULL, "(None, 9, 8, 2)", 0, 0, 0, ""},
    {"[7, 6, 2]", "ZeroPadding2D", "{'padding': [2, 3]}", "(None, 11, 12, 2)", 0, 0, 0, ""},
    {"[7, 6, 2]", "ZeroPadding2D", "{'padding': [[0, 1], [2, 3]]}", "(None, 8, 11, 2)", 0, 0, 0, ""},
    {"[7, 6, 3]", "Rescaling", "{'scale': [1.0, 2.0, 3.0]}", "(None, 7, 6, 3)", 0, 0, 0, ""},
};

static hone_model *model_of(const char *input, const char *class_name, const char *config) {
    hone_model *model = mt_create();
    char input_config[96];
    snprintf(input_config, sizeof input_config, "{'shape': %s}", input);
    mt_add(model, "InputLayer", input_config);
    mt_add(model, class_name, config);
    return model;
}

static void shapes_weights_and_macs_are_keras(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof shape_cases / sizeof *shape_cases; i++) {
        const struct shape_case *c = &shape_cases[i];
        hone_model *model = model_of(c->input, c->class_name, c->config);
        mt_build(model, 1);
        hone_layer_info info = mt_layer(model, 1);
        char text[96], names[128] = "";
        assert_string_equal(hone_shape_text(&info.output, true, text, sizeof text), c->output);
        assert_int_equal(info.parameters, c->parameters);
        assert_int_equal(info.trainable_parameters, c->trainable);
        assert_int_equal(info.macs, c->macs);
        for (size_t w = 0; w < hone_model_weight_count(model); w++) {
            if (w) strcat(names, " ");
            strcat(names, mt_weight(model, w).name);
        }
        assert_string_equal(names, c->weights);
        hone_model_free(model);
    }
}

static void kernels_have_keras_layouts(void **state) {
    (void)state;
    hone_model *model =
        model_of("[11, 12, 4]", "SeparableConv2D", "{'filters': 5, 'kernel_size': [3, 2], 'depth_multiplier': 2}");
    mt_add(model, "Conv2D", "{'filters': 10, 'kernel_size': [2, 3], 'groups': 5}");
    mt_build(model, 1);
    static const char *const expected[] = {"(3, 2, 4, 2)", "(1, 1, 8, 5)", "(5,)", "(2, 3, 1, 10)", "(10,)"};
    assert_int_equal(hone_model_weight_count(model), 5);
    for (size_t i = 0; i < 5; i++) {
        hone_weight_info weight = mt_weight(model, i);
        char text[96];
        assert_string_equal(hone_shape_text(&weight.shape, false, text, sizeof text), expected[i]);
    }
    hone_model_free(model);
}

/* ---- a whole published network --------------------------------------------------------------------------------- */

static void add_block(hone_model *model, int filters, int stride) {
    char config[96];
    if (stride == 2) mt_add(model, "ZeroPadding2D", "{'padding': [[0, 1], [0, 1]]}");
    snprintf(config, sizeof config, "{'kernel_size': 3, 'strides': %d, 'padding': '%s', 'use_bias': false}", stride,
             stride == 2 ? "valid" : "same");
    mt_add(model, "DepthwiseConv2D", config);
    mt_add(model, "BatchNormalization", NULL);
    mt_add(model, "ReLU", "{'max_value': 6.0}");
    snprintf(config, sizeof config, "{'filters': %d, 'kernel_size': 1, 'padding': 'same', 'use_bias': false}", filters);
    mt_add(model, "Conv2D", config);
    mt_add(model, "BatchNormalization", NULL);
    mt_add(model, "ReLU", "{'max_value': 6.0}");
}

/* keras.applications.MobileNet at 224 pixels. */
static void mobilenet_has_its_published_size(void **state) {
    (void)state;
    static const int filters[] = {64, 128, 128, 256, 256, 512, 512, 512, 512, 512, 512, 1024, 1024};
    static const int strides[] = {1, 2, 1, 2, 1, 2, 1, 1, 1, 1, 1, 2, 1};
    hone_model *model = model_of("[224, 224, 3]", "ZeroPadding2D", "{'padding': [[0, 1], [0, 1]]}");
    mt_add(model, "Conv2D", "{'filters': 32, 'kernel_size': 3, 'strides': 2, 'use_bias': false}");
    mt_add(model, "BatchNormalization", NULL);
    mt_add(model, "ReLU", "{'max_value': 6.0}");
    for (int i = 0; i < 13; i++) add_block(model, filters[i], strides[i]);
    mt_add(model, "GlobalAveragePooling2D", "{'keepdims': true}");
    mt_add(model, "Dropout", "{'rate': 0.001}");
    mt_add(model, "Conv2D", "{'filters': 1000, 'kernel_size': 1, 'padding': 'same'}");
    mt_add(model, "Reshape", "{'target_shape': [1000]}");
    mt_add(model, "Activation", "{'activation': 'softmax'}");
    mt_build(model, 1);
    assert_int_equal(mt_parameters(model, false), 4253864);
    assert_int_equal(mt_parameters(model, true), 4231976);
    hone_shape output = hone_model_output_shape(model);
    assert_true(hone_shape_equal(&output, &(hone_shape){1, {1000}}));
    hone_model_free(model);
}

/* ---- sliding windows ------------------------------------------------------------------------------------------- */

static hone__extent extent(int64_t n, int k, int s, int d, bool same) {
    hone__window window = {.size = {1, k}, .strides = {1, s}, .dilation_rate = {1, d}, .same = same};
    return hone__window_extent(&window, 1, n);
}

/* By definition: ceil(n / s) windows, as little padding as reaches the last one's end, the odd element behind. */
static void same_padding_is_least_and_odd_at_the_end(void **state) {
    (void)state;
    static const int sizes[] = {5, 6, 7, 224}, kernels[] = {1, 2, 3, 5, 7}, strides[] = {1, 2, 4};
    for (int i = 0; i < 4 * 5 * 3 * 2; i++) {
        int n = sizes[i % 4], k = kernels[i / 4 % 5], s = strides[i / 20 % 3], d = 1 + i / 60;
        hone__extent e = extent(n, k, s, d, true);
        int windows = 0;
        for (int start = 0; start < n; start += s) windows++;
        int last_end = (windows - 1) * s + (k - 1) * d + 1;
        assert_int_equal(e.output, windows);
        assert_int_equal(e.before + e.after, last_end > n ? last_end - n : 0);
        assert_true(e.after == e.before || e.after == e.before + 1);
    }
}

static void worked_examples_of_padding(void **state) {
    (void)state;
    static const struct {
        int n, k, s, d;
        bool same;
        int output, before, after;
    } cases[] = {
        {5, 3, 2, 1, true, 3, 1, 1},      {6, 3, 2, 1, true, 3, 0, 1},  {224, 7, 2, 1, true, 112, 2, 3},
        {7, 3, 1, 2, true, 7, 2, 2},      {7, 1, 4, 1, true, 2, 0, 0},  {7, 3, 2, 1, false, 3, 0, 0},
        {7, 3, 1, 3, false, 1, 0, 0},     {6, 3, 1, 3, false, 0, 0, 0}, {2, 3, 1, 1, false, 0, 0, 0},
        {224, 7, 2, 1, false, 109, 0, 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hone__extent e = extent(cases[i].n, cases[i].k, cases[i].s, cases[i].d, cases[i].same);
        assert_int_equal(e.output, cases[i].output);
        assert_int_equal(e.before, cases[i].before);
        assert_int_equal(e.after, cases[i].after);
    }
}

/* ---- what does not fit ----------------------------------------------------------------------------------------- */

static const struct {
    const char *input, *class_name, *config;
    hone_status status;
    const char *message;
} misfits[] = {
    {"[2, 9, 1]", "Conv2D", "{'filters': 4, 'kernel_size': 3}", HONE_SHAPE,
     "layer 'conv2d': input (None, 2, 9, 1) is too small: its height is 2, kernel_size with padding 'valid' needs 3"},
    {"[9, 2, 1]", "MaxPooling2D", "{'pool_size': [1, 3]}", HONE_SHAPE, "its width is 2, pool_size"},
    {"[9]", "Conv2D", "{'filters': 4, 'kernel_size': 3}", HONE_SHAPE,
     "layer 'conv2d': input is (None, 9), expected images"},
    {"[9]", "GlobalMaxPooling2D", NULL, HONE_SHAPE, "expected images"},
    {"[9]", "ZeroPadding2D", NULL, HONE_SHAPE, "expected images"},
    {"[9]", "SpatialDropout2D", "{'rate': 0.5}", HONE_SHAPE, "noise_shape has 4 axes, the input has 2"},
    {"[9, 9, 3]", "Conv2D", "{'filters': 4, 'kernel_size': 3, 'groups': 2}", HONE_SHAPE,
     "3 input channels cannot be split evenly into 2 groups"},
    {"[9, 9, 3]", "Reshape", "{'target_shape': [10, -1]}", HONE_SHAPE,
     "input (None, 9, 9, 3) has 243 elements, which do not fit target_shape (10, -1)"},
    {"[9, 9, 3]", "Reshape", "{'target_shape': [244]}", HONE_SHAPE, "do not fit target_shape (244,)"},
    {"[9, 9, 3]", "Rescaling", "{'scale': [1.0, 2.0]}", HONE_SHAPE, "scale has 2 numbers for 3 channels"},
    {"[9, 9, 3]", "Rescaling", "{'scale': 1.0, 'offset': [1.0, 2.0, 3.0, 4.0]}", HONE_SHAPE,
     "offset has 4 numbers for 3 channels"},
    {"[9, 9, 3]", "BatchNormalization", "{'axis': 1}", HONE_UNSUPPORTED,
     "layer 'batch_normalization': axis is 1, only the last axis (-1 or 3) is supported"},
    {"[9, 9, 3]", "Softmax", "{'axis': 4}", HONE_SHAPE, "axis 4 is none of (None, 9, 9, 3), or named twice"},
    {"[9, 9, 3]", "UnitNormalization", "{'axis': [3, -1]}", HONE_SHAPE, "axis -1 is none of (None, 9, 9, 3), or named"},
    {"[9]", "Dense", "{'units': 4, 'kernel_constraint': {'class_name': 'MaxNorm', 'config': {'axis': 2}}}", HONE_SHAPE,
     "kernel_constraint has axis 2, but kernel has 2 axes"},
    {"[4, 4, 2]", "Conv2DTranspose",
     "{'filters': 2, 'kernel_size': 4, 'strides': 2, 'padding': 'same', "
     "'output_padding': 0}",
     HONE_SHAPE,
     "output_padding 0 makes 6 pixels of 4, of which a convolution with kernel_size 4 and strides 2 makes 3"},
    {"[4, 4, 1]", "RandomHue", "{'factor': 0.1}", HONE_SHAPE, "expected pictures in colour (height, width, 3)"},
    {"[4, 4, 2]", "RandomGrayscale", "{}", HONE_SHAPE, "(height, width, 3) or in grey"},
    {"[4]", "Solarization", "{}", HONE_SHAPE, "input is (None, 4), expected an image"},
    {"[9, 9, 3]", "Dropout", "{'rate': 0.5, 'noise_shape': [null, 1]}", HONE_SHAPE, "noise_shape has 2 axes"},
    {"[1000, 1000, 100]", "Conv2D", "{'filters': 16777216, 'kernel_size': 1}", HONE_LIMIT,
     "kernel (1, 1, 100, 16777216) would bring the model over 1073741824 parameters"},
    {"[4000, 4000, 60]", "ZeroPadding2D", "{'padding': 600}", HONE_LIMIT,
     "activation (None, 5200, 5200, 60) has more than 1073741824 elements"},
    {"[9, 9, 1000]", "DepthwiseConv2D", "{'kernel_size': 1, 'depth_multiplier': 16777216}", HONE_LIMIT,
     "1000 channels times depth_multiplier 16777216"},
    {"[40000, 40000, 1]", "Flatten", NULL, HONE_LIMIT, "layer 'input_layer': activation (None, 40000, 40000, 1)"},
    {"[9]", "Dense", "{'units': 4, 'bias_initializer': 'orthogonal'}", HONE_SHAPE,
     "layer 'dense': bias: Orthogonal initialises tensors of two axes or more, not of 1"},
    {"[9, 9, 1]", "Conv2D", "{'filters': 4, 'kernel_size': 1, 'kernel_initializer': 'identity'}", HONE_SHAPE,
     "Identity initialises matrices, not tensors of 4 axes"},
};

static void misfits_are_named_and_leave_the_model_unbuilt(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof misfits / sizeof *misfits; i++) {
        hone_model *model = model_of(misfits[i].input, misfits[i].class_name, misfits[i].config);
        hone_error err = {0};
        assert_int_equal(hone_model_build(model, 1, &err), misfits[i].status);
        mt_expect_message(&err, misfits[i].status, misfits[i].message);
        assert_false(hone_model_is_built(model));
        assert_int_equal(hone_model_weight_count(model), 0);
        assert_int_equal(hone_model_output_shape(model).rank, 0);
        hone_model_free(model);
    }
}

static void shapes_are_spelt_as_python_does(void **state) {
    (void)state;
    char text[64], small[8];
    assert_string_equal(hone_shape_text(&(hone_shape){3, {28, 28, 1}}, true, text, sizeof text), "(None, 28, 28, 1)");
    assert_string_equal(hone_shape_text(&(hone_shape){1, {10}}, false, text, sizeof text), "(10,)");
    assert_string_equal(hone_shape_text(&(hone_shape){0}, true, text, sizeof text), "(None,)");
    assert_string_equal(hone_shape_text(&(hone_shape){0}, false, text, sizeof text), "()");
    assert_string_equal(hone_shape_text(&(hone_shape){2, {1234, 5678}}, false, small, sizeof small), "(1234, ");
    assert_int_equal(hone_shape_size(&(hone_shape){3, {3, 4, 5}}), 60);
    assert_int_equal(hone_shape_size(&(hone_shape){2, {3, 0}}), -1);
    assert_int_equal(hone_shape_size(&(hone_shape){3, {INT64_MAX, 2, 1}}), -1);
    assert_false(hone_shape_equal(&(hone_shape){2, {3, 4}}, &(hone_shape){3, {3, 4, 1}}));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_weights_and_macs_are_keras),
        cmocka_unit_test(kernels_have_keras_layouts),
        cmocka_unit_test(mobilenet_has_its_published_size),
        cmocka_unit_test(same_padding_is_least_and_odd_at_the_end),
        cmocka_unit_test(worked_examples_of_padding),
        cmocka_unit_test(misfits_are_named_and_leave_the_model_unbuilt),
        cmocka_unit_test(shapes_are_spelt_as_python_does),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
