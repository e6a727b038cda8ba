/* SPDX-License-Identifier: Apache-2.0
 *
 * Models as configs: the dialects of Keras 2.2 … 3.x in, the portable one out, every layer type round, and refusals. */
#include "layer.h"
#include "model_test.h"

#define GLOROT "{'class_name': 'GlorotUniform', 'config': {'seed': null}}"
#define ZEROS  "{'class_name': 'Zeros', 'config': {}}"
#define BEHIND_FILTERS                                                                                                 \
    "'kernel_size': [3, 3], 'strides': [1, 1], 'padding': 'valid', 'data_format': 'channels_last', 'dilation_rate': "  \
    "[1, 1], 'groups': 1, 'activation': 'relu', 'use_bias': true, 'kernel_initializer': " GLOROT                       \
    ", 'bias_initializer': " ZEROS ", 'kernel_regularizer': null, 'bias_regularizer': null, 'activity_regularizer': "  \
    "null, 'kernel_constraint': null, 'bias_constraint': null}}"
#define BEHIND_UNITS(activation)                                                                                       \
    "'activation': '" activation "', 'use_bias': true, 'kernel_initializer': " GLOROT ", 'bias_initializer': " ZEROS   \
    ", 'kernel_regularizer': null, 'bias_regularizer': null, 'activity_regularizer': null, 'kernel_constraint': null," \
    " 'bias_constraint': null}}"
#define POOLING(name)                                                                                                  \
    "{'class_name': 'MaxPooling2D', 'config': {'name': '" name "', 'trainable': true, 'dtype': 'float32', "            \
    "'pool_size': [2, 2], 'padding': 'valid', 'strides': [2, 2], 'data_format': 'channels_last'}}"

/* The article's network as Keras 2.11 and 2.12 write it. */
static const char reference[] =
    "{'class_name': 'Sequential', 'config': {'name': 'sequential', 'layers': ["
    "{'class_name': 'InputLayer', 'config': {'batch_input_shape': [null, 28, 28, 1], 'dtype': 'float32', 'sparse': "
    "false, 'ragged': false, 'name': 'conv2d_input'}},"
    "{'class_name': 'Conv2D', 'config': {'name': 'conv2d', 'trainable': true, 'dtype': 'float32', 'batch_input_shape': "
    "[null, 28, 28, 1], 'filters': 32, " BEHIND_FILTERS "," POOLING(
        "max_pooling2d") ","
                         "{'class_name': 'Conv2D', 'config': {'name': 'conv2d_1', 'trainable': true, 'dtype': "
                         "'float32', 'filters': 64, " BEHIND_FILTERS "," POOLING(
                             "max_pooling2d_1") ","
                                                "{'class_name': 'Conv2D', 'config': {'name': 'conv2d_2', 'trainable': "
                                                "true, 'dtype': 'float32', 'filters': 64, " BEHIND_FILTERS ","
                                                "{'class_name': 'Flatten', 'config': {'name': 'flatten', 'trainable': "
                                                "true, 'dtype': 'float32', 'data_format': "
                                                "'channels_last'}},"
                                                "{'class_name': 'Dense', 'config': {'name': 'dense', 'trainable': "
                                                "true, 'dtype': 'float32', 'units': 64, " BEHIND_UNITS(
                                                    "relu") ","
                                                            "{'class_name': 'Dense', 'config': {'name': 'dense_1', "
                                                            "'trainable': true, 'dtype': 'float32', 'units': "
                                                            "10, " BEHIND_UNITS("softmax") "]}}";

/* The same as Keras 2.2.4 writes it: a bare list, no InputLayer, no dtype behind the first layer, old spellings. */
#define OLD_GLOROT                                                                                                     \
    "{'class_name': 'VarianceScaling', 'config': {'scale': 1.0, 'mode': 'fan_avg', 'distribution': 'uniform', "        \
    "'seed': "                                                                                                         \
    "null}}"
static const char keras_2_2[] =
    "{'class_name': 'Sequential', 'config': ["
    "{'class_name': 'Conv2D', 'config': {'name': 'conv2d_1', 'trainable': true, 'batch_input_shape': [null, 28, 28, 1],"
    " 'dtype': 'float32', 'filters': 32, 'kernel_size': [3, 3], 'strides': [1, 1], 'padding': 'valid', 'data_format': "
    "'channels_last', 'dilation_rate': [1, 1], 'activation': 'relu', 'use_bias': true, "
    "'kernel_initializer': " OLD_GLOROT ", 'bias_initializer': " ZEROS "}},"
    "{'class_name': 'MaxPooling2D', 'config': {'name': 'max_pooling2d_1', 'trainable': true, 'pool_size': [2, 2]}},"
    "{'class_name': 'Conv2D', 'config': {'name': 'conv2d_2', 'filters': 64, 'kernel_size': [3, 3], 'activation': "
    "'relu'}},"
    "{'class_name': 'MaxPooling2D', 'config': {'name': 'max_pooling2d_2'}},"
    "{'class_name': 'Conv2D', 'config': {'name': 'conv2d_3', 'filters': 64, 'kernel_size': [3, 3], 'activation': "
    "'relu'}},"
    "{'class_name': 'Flatten', 'config': {'name': 'flatten_1', 'trainable': true, 'data_format': 'channels_last'}},"
    "{'class_name': 'Dense', 'config': {'name': 'dense_1', 'units': 64, 'activation': 'relu'}},"
    "{'class_name': 'Dense', 'config': {'name': 'dense_2', 'units': 10, 'activation': 'softmax'}}]}";

/* And as Keras 3 writes it, in short. */
#define POLICY                                                                                                         \
    "'dtype': {'module': 'keras', 'class_name': 'DTypePolicy', 'config': {'name': 'float32'}, 'registered_name': "     \
    "null}"
static const char keras_3[] =
    "{'module': 'keras', 'class_name': 'Sequential', 'config': {'name': 'sequential', 'trainable': true, " POLICY
    ", 'layers': ["
    "{'module': 'keras.layers', 'class_name': 'InputLayer', 'config': {'batch_shape': [null, 28, 28, 1], 'dtype': "
    "'float32', 'sparse': false, 'ragged': false, 'name': 'input_layer', 'optional': false}, 'registered_name': null},"
    "{'class_name': 'Conv2D', 'config': {'name': 'conv2d', " POLICY ", 'filters': 32, 'kernel_size': [3, 3], "
    "'activation': 'relu'}},"
    "{'class_name': 'MaxPooling2D', 'config': {'name': 'max_pooling2d', " POLICY "}},"
    "{'class_name': 'Conv2D', 'config': {'name': 'conv2d_1', 'filters': 64, 'kernel_size': 3, 'activation': 'relu'}},"
    "{'class_name': 'MaxPooling2D', 'config': {'name': 'max_pooling2d_1'}},"
    "{'class_name': 'Conv2D', 'config': {'name': 'conv2d_2', 'filters': 64, 'kernel_size': 3, 'activation': 'relu'}},"
    "{'class_name': 'Flatten', 'config': {'name': 'flatten'}},"
    "{'class_name': 'Dense', 'config': {'name': 'dense', 'units': 64, 'activation': 'relu', 'quantization_config': "
    "null}},"
    "{'class_name': 'Dense', 'config': {'name': 'dense_1', 'units': 10, 'activation': 'softmax'}}"
    "], 'build_input_shape': [null, 28, 28, 1]}, 'registered_name': null}";

static void expect_mnist_cnn(hone_model *model) {
    mt_build(model, 1);
    assert_int_equal(mt_parameters(model, false), 93322);
    assert_int_equal(hone_model_layer_count(model), 9);
    assert_string_equal(mt_layer(model, 0).class_name, "InputLayer");
    hone_shape input = hone_model_input_shape(model), output = hone_model_output_shape(model);
    assert_true(hone_shape_equal(&input, &(hone_shape){3, {28, 28, 1}}));
    assert_true(hone_shape_equal(&output, &(hone_shape){1, {10}}));
}

/* ---- Sequential ------------------------------------------------------------------------------------------------ */

static void the_reference_comes_back_word_for_word(void **state) {
    (void)state;
    hone_model *model = mt_from_config(reference);
    hone_value *config = mt_to_config(model), *expected = mt_value(reference);
    assert_true(mt_same(config, expected));
    expect_mnist_cnn(model);
    hone_value *built = mt_to_config(model);
    assert_true(mt_same(built, expected));
    hone_value_free(built);
    hone_value_free(config);
    hone_value_free(expected);
    hone_model_free(model);
}

static void older_and_newer_dialects_make_the_same_network(void **state) {
    (void)state;
    hone_model *old = mt_from_config(keras_2_2), *new = mt_from_config(keras_3);
    expect_mnist_cnn(old);
    expect_mnist_cnn(new);
    assert_string_equal(mt_layer(old, 0).name, "conv2d_1_input");
    assert_string_equal(mt_layer(new, 0).name, "input_layer");
    hone_model_free(old);
    hone_model_free(new);
}

static void a_shape_apart_stands_for_an_input_layer(void **state) {
    (void)state;
    hone_model *model =
        mt_from_config("{'class_name': 'Sequential', 'config': {'name': 's', 'layers': [{'class_name': "
                       "'Dense', 'config': {'name': 'd', 'units': 2}}], 'build_input_shape': [null, 5]}}");
    mt_build(model, 1);
    assert_int_equal(mt_parameters(model, false), 12);
    hone_model_free(model);
    /* a model that was never built has none: it loads, and misses its shape when it is built */
    model = mt_from_config("{'class_name': 'Sequential', 'config': {'name': 's', 'layers': [{'class_name': 'Dense', "
                           "'config': {'name': 'd', 'units': 2}}], 'build_input_shape': null}}");
    assert_int_equal(hone_model_build(model, 1, NULL), HONE_SHAPE);
    hone_model_free(model);
}

static void frozen_layers_and_frozen_models(void **state) {
    (void)state;
    hone_model *one = mt_from_config(
        "{'class_name': 'Sequential', 'config': {'name': 's', 'layers': [{'class_name': 'Dense', 'config': {'units': "
        "2, "
        "'trainable': false}}, {'class_name': 'Dense', 'config': {'units': 2}}], 'build_input_shape': [null, 5]}}");
    mt_build(one, 1);
    assert_int_equal(mt_parameters(one, false), 18);
    assert_int_equal(mt_parameters(one, true), 6);
    hone_model *all = mt_from_config(
        "{'class_name': 'Sequential', 'config': {'name': 's', 'trainable': false, 'layers': [{'class_name': 'Dense', "
        "'config': {'units': 2}}], 'build_input_shape': [null, 5]}}");
    mt_build(all, 1);
    assert_int_equal(mt_parameters(all, true), 0);
    hone_model_free(one);
    hone_model_free(all);
}

/* One name, two functions: clip(0.2 x + 0.5) in Keras 2, clip(x / 6 + 0.5) in Keras 3. What was read is kept, also
 * through hone's own dialect, which looks like Keras 2. */
static void hard_sigmoid_keeps_the_meaning_of_its_file(void **state) {
    (void)state;
    static const struct {
        const char *shape, *version, *written;
        int keras;
    } cases[] = {
        {"'batch_input_shape': [null, 5]", "", "2.15.0", 2},
        {"'batch_shape': [null, 5]", "", "3.0.0", 3},
        {"'batch_input_shape': [null, 5]", ", 'keras_version': '3.0.0'", "3.0.0", 3},
        {"'batch_input_shape': [null, 5]", ", 'keras_version': '2.15.0'", "2.15.0", 2},
    };
    for (size_t i = 0; i < 4; i++) {
        char text[512];
        snprintf(
            text, sizeof text,
            "{'class_name': 'Sequential', 'config': {'name': 's', 'layers': [{'class_name': 'InputLayer', 'config': "
            "{%s, 'name': 'in'}}, {'class_name': 'Activation', 'config': {'activation': 'hard_sigmoid'}}]}%s}",
            cases[i].shape, cases[i].version);
        hone_model *model = mt_from_config(text);
        hone__activation *read = model->layers[1]->config;
        assert_true(read->function.a == (cases[i].keras == 2 ? 0.2F : 1.0F / 6));
        hone_value *config = mt_to_config(model);
        assert_string_equal(hone_value_as_string(hone_value_get(config, "keras_version")), cases[i].written);
        hone_model *again, *copy;
        assert_int_equal(hone_model_from_config(&again, config, NULL), HONE_OK);
        assert_int_equal(hone_model_copy(&copy, model, NULL), HONE_OK);
        assert_true(((hone__activation *)again->layers[1]->config)->function.a == read->function.a);
        assert_true(((hone__activation *)copy->layers[1]->config)->function.a == read->function.a);
        hone_value_free(config);
        hone_model_free(again);
        hone_model_free(copy);
        hone_model_free(model);
    }
}

/* ---- every layer type ------------------------------------------------------------------------------------------ */

/* Arguments off their defaults for every class; a new class without a row here fails the test. */
static const struct {
    const char *class_name, *config;
} rounds[] = {
    {"InputLayer", "{'shape': [8, 8, 4]}"},
    {"Dense", "{'units': 3, 'activation': 'gelu', 'use_bias': false, 'kernel_regularizer': 'l1', 'kernel_initializer': "
              "{'class_name': 'RandomUniform', 'config': {'minval': -1, 'seed': 3}}}"},
    {"Activation", "{'activation': 'softsign', 'trainable': false}"},
    {"Conv2D", "{'filters': 6, 'kernel_size': [3, 2], 'strides': [1, 2], 'padding': 'same', 'groups': 2, 'activation': "
               "'relu6', 'bias_initializer': 'ones', 'bias_regularizer': 'l2'}"},
    {"DepthwiseConv2D", "{'kernel_size': 3, 'depth_multiplier': 2, 'dilation_rate': 2, 'depthwise_regularizer': 'l2'}"},
    {"SeparableConv2D", "{'filters': 3, 'kernel_size': 2, 'strides': 2, 'pointwise_initializer': 'he_uniform', "
                        "'pointwise_regularizer': 'l1_l2', 'use_bias': false}"},
    {"MaxPooling2D", "{'pool_size': [2, 3], 'strides': 1, 'padding': 'same'}"},
    {"AveragePooling2D", "{'pool_size': [3, 2]}"},
    {"AdaptiveMaxPooling2D", "{'output_size': [2, 3]}"},
    {"AdaptiveAveragePooling2D", "{'output_size': 3}"},
    {"GlobalMaxPooling2D", "{'keepdims': true}"},
    {"GlobalAveragePooling2D", "{'keepdims': true}"},
    {"BatchNormalization", "{'axis': 3, 'momentum': 0.9, 'epsilon': 1e-05, 'center': false, 'gamma_regularizer': 'l2', "
                           "'moving_variance_initializer': {'class_name': 'Constant', 'config': {'value': 2}}}"},
    {"LayerNormalization", "{'epsilon': 1e-06, 'scale': false, 'beta_initializer': 'orthogonal'}"},
    {"ReLU", "{'max_value': 6, 'negative_slope': 0.1, 'threshold': 0.5}"},
    {"LeakyReLU", "{'negative_slope': 0.1}"},
    {"ELU", "{'alpha': 0.5}"},
    {"Softmax", "{'axis': 3}"},
    {"Dropout", "{'rate': 0.25, 'noise_shape': [null, 1, 1, 1]}"},
    {"SpatialDropout2D", "{'rate': 0.25}"},
    {"GaussianNoise", "{'stddev': 0.25}"},
    {"GaussianDropout", "{'rate': 0.25}"},
    {"AlphaDropout", "{'rate': 0.25, 'noise_shape': [null, 1, 1, null]}"},
    {"ActivityRegularization", "{'l1': 0.5, 'l2': 0.25}"},
    {"UnitNormalization", "{'axis': [1, -1]}"},
    {"RMSNormalization", "{'axis': 3, 'epsilon': 0.5}"},
    {"Softmax", "{'axis': [1, 2]}"},
    {"Resizing", "{'height': 3, 'width': 4, 'interpolation': 'lanczos5', 'pad_to_aspect_ratio': true, 'fill_value': 3, "
                 "'antialias': true}"},
    {"Conv2DTranspose", "{'filters': 2, 'kernel_size': 3, 'strides': 2, 'output_padding': [1, 0]}"},
    {"Dense",
     "{'units': 3, 'kernel_constraint': {'class_name': 'MinMaxNorm', 'config': {'min_value': 0.5, 'max_value': "
     "2, 'rate': 0.5, 'axis': [0]}}, 'bias_constraint': {'class_name': 'NonNeg', 'config': {}}, "
     "'activity_regularizer': 'l2'}"},
    {"SeparableConv2D", "{'filters': 3, 'kernel_size': 2, 'depthwise_constraint': {'class_name': 'MaxNorm', 'config': "
                        "{'max_value': 3, 'axis': [0, 1, 2]}}, 'pointwise_constraint': {'class_name': 'UnitNorm', "
                        "'config': {'axis': 2}}, 'bias_constraint': 'non_neg'}"},
    {"SpatialDropout1D", "{'rate': 0.25}"},
    {"Identity", "{'trainable': false}"},
    {"Flatten", "{'trainable': false}"},
    {"Reshape", "{'target_shape': [4, -1]}"},
    {"ZeroPadding2D", "{'padding': [[1, 2], [3, 4]]}"},
    {"Rescaling", "{'scale': [1, 2, 3, 4], 'offset': -1}"},
    {"RandomFlip", "{'mode': 'vertical'}"},
    {"RandomRotation", "{'factor': [-0.1, 0.2], 'fill_mode': 'wrap', 'interpolation': 'nearest', 'fill_value': 3}"},
    {"RandomTranslation", "{'height_factor': 0.1, 'width_factor': [0, 0.2], 'fill_mode': 'constant'}"},
    {"RandomZoom", "{'height_factor': [-0.1, 0.2], 'width_factor': 0.5, 'fill_mode': 'nearest'}"},
    {"RandomContrast", "{'factor': [0.1, 0.2], 'value_range': [0, 1]}"},
    {"RandomBrightness", "{'factor': 0.1, 'value_range': [-1, 1]}"},
    {"RandomCrop", "{'height': 3, 'width': 4}"},
    {"RandomShear", "{'x_factor': 0.2, 'y_factor': [0.1, 0.3], 'fill_mode': 'wrap', 'interpolation': 'nearest'}"},
    {"RandomPerspective", "{'factor': [0.5, 1], 'scale': 0.3, 'fill_value': 7}"},
    {"RandomElasticTransform", "{'factor': 0.5, 'scale': [0.2, 0.7], 'fill_mode': 'nearest', 'value_range': [0, 1]}"},
    {"RandomInvert", "{'factor': 0.7}"},
    {"RandomPosterization", "{'factor': [3, 6], 'value_range': [0, 1]}"},
    {"RandomSharpness", "{'factor': 0.7}"},
    {"Solarization", "{'addition_factor': 0.2, 'threshold_factor': [0.1, 0.6]}"},
    {"RandomErasing", "{'factor': 0.7, 'scale': [0.1, 0.2], 'fill_value': [1, 2, 3]}"},
    {"RandomErasing", "{}"},
    {"RandomGaussianBlur", "{'factor': 0.7, 'kernel_size': [3, 5], 'sigma': 0.5}"},
    {"Equalization", "{'bins': 64, 'value_range': [0, 1]}"},
    {"AutoContrast", "{'value_range': [-1, 1]}"},
    {"RandomHue", "{'factor': 0.3}"},
    {"RandomSaturation", "{'factor': [0.2, 0.6]}"},
    {"RandomColorDegeneration", "{'factor': 0.6}"},
    {"RandomGrayscale", "{'factor': 0.25}"},
    {"RandomColorJitter", "{'brightness_factor': 0.2, 'contrast_factor': [0.1, 0.3], 'hue_factor': 0.1}"},
    {"Add", "{}"},
    {"Subtract", "{}"},
    {"Multiply", "{}"},
    {"Average", "{}"},
    {"Maximum", "{}"},
    {"Minimum", "{}"},
    {"Concatenate", "{'axis': 2}"},
    {"Conv2DTranspose", "{'filters': 3, 'kernel_size': [3, 2], 'strides': 2, 'padding': 'same', 'use_bias': false, "
                        "'activation': 'relu'}"},
    {"GlobalMaxPooling1D", "{'keepdims': true}"},
    {"GlobalAveragePooling1D", "{}"},
    {"GroupNormalization", "{'groups': 2, 'epsilon': 1e-05, 'scale': false}"},
    {"PReLU", "{'shared_axes': [1, 2], 'alpha_initializer': 'ones'}"},
    {"Permute", "{'dims': [3, 1, 2]}"},
    {"RepeatVector", "{'n': 5}"},
    {"Cropping2D", "{'cropping': [[1, 2], [0, 4]]}"},
    {"UpSampling2D", "{'size': [2, 3], 'interpolation': 'bilinear'}"},
    {"Normalization", "{'axis': 3, 'mean': [1, 2, 3, 4], 'variance': 2}"},
    {"Resizing", "{'height': 5, 'width': 7, 'interpolation': 'nearest', 'crop_to_aspect_ratio': true}"},
    {"CenterCrop", "{'height': 5, 'width': 7}"},
    {"MultiHeadAttention", "{'num_heads': 2, 'key_dim': 3, 'value_dim': 5, 'dropout': 0.25, 'use_bias': false}"},
    {"Embedding", "{'input_dim': 9, 'output_dim': 4}"},
    {"LayerScale", "{'init_values': 0.5, 'projection_dim': 4}"},
    {"StochasticDepth", "{'drop_path_rate': 0.25}"},
    {"CustomScaleLayer", "{'scale': 0.17}"},
    {"Matmul", "{}"},
    {"Divide", "{}"},
    {"Sqrt", "{}"},
};

enum { ROUNDS = sizeof rounds / sizeof *rounds };

static void every_layer_type_comes_back(void **state) {
    (void)state;
    for (size_t i = 0; hone__layer_type_at(i); i++) {
        const char *class_name = hone__layer_type_at(i)->class_name;
        size_t row = 0;
        while (row < ROUNDS && strcmp(rounds[row].class_name, class_name) != 0) row++;
        if (row == ROUNDS) fail_msg("no arguments to try '%s' with", class_name);
        assert_ptr_equal(hone__layer_type_find(class_name), hone__layer_type_at(i));
    }
    for (size_t row = 0; row < ROUNDS; row++) {
        const char *class_name = rounds[row].class_name;
        bool behind_input = strcmp(class_name, "InputLayer") != 0;
        hone_model *model = mt_create(), *again;
        if (behind_input) mt_add(model, "InputLayer", "{'shape': [8, 8, 4]}");
        mt_add(model, class_name, rounds[row].config);
        hone_value *config = mt_to_config(model);
        hone_error err = {0};
        if (hone_model_from_config(&again, config, &err)) fail_msg("%s: %s", class_name, err.message);
        hone_value *config_again = mt_to_config(again);
        if (!mt_same(config, config_again)) fail_msg("%s changed on its way", class_name);
        assert_int_equal(mt_layer(model, behind_input).trainable, mt_layer(again, behind_input).trainable);
        hone_value_free(config);
        hone_value_free(config_again);
        hone_model_free(model);
        hone_model_free(again);
    }
    assert_null(hone__layer_type_find("Dens"));
    assert_ptr_equal(hone__layer_type_find("MaxPool2D"), hone__layer_type_find("MaxPooling2D"));
    assert_ptr_equal(hone__layer_type_find("BatchNormalizationV1"), hone__layer_type_find("BatchNormalization"));
    assert_ptr_equal(hone__layer_type_find("Custom>Dense"), hone__layer_type_find("Dense"));
}

/* ---- Functional ------------------------------------------------------------------------------------------------ */

#define DENSE(name, units)                                                                                             \
    "'class_name': 'Dense', 'name': '" name "', 'config': {'name': '" name "', 'units': " units "}"

/* A chain as Keras 2 writes it (layers out of order, as Functional allows) … */
static const char chain_2[] =
    "{'class_name': 'Model', 'config': {'name': 'model_1', 'layers': ["
    "{'class_name': 'InputLayer', 'name': 'in', 'config': {'batch_input_shape': [null, 5], 'name': 'in'}, "
    "'inbound_nodes': []},"
    "{" DENSE("b", "2") ", 'inbound_nodes': [[['a', 0, 0, {}]]]},"
                        "{" DENSE("a", "3") ", 'inbound_nodes': [[['in', 0, 0, {}]]]}"
                                            "], 'input_layers': [['in', 0, 0]], 'output_layers': [['b', 0, 0]]}}";

/* … and as Keras 3 does. */
#define TENSOR(name)                                                                                                   \
    "[{'args': [{'class_name': '__keras_tensor__', 'config': {'shape': [null, 5], 'dtype': 'float32', "                \
    "'keras_history': ['" name "', 0, 0]}}], 'kwargs': {}}]"
static const char chain_3[] =
    "{'class_name': 'Functional', 'config': {'name': 'functional', 'trainable': true, 'layers': ["
    "{'class_name': 'InputLayer', 'name': 'in', 'config': {'batch_shape': [null, 5], 'name': 'in'}, 'inbound_nodes': "
    "[]},"
    "{" DENSE("a", "3") ", 'inbound_nodes': " TENSOR(
        "in") "},"
              "{" DENSE("b", "2") ", 'inbound_nodes': " TENSOR(
                  "a") "}"
                       "], 'input_layers': ['in', 0, 0], 'output_layers': ['b', 0, 0]}}";

static void chains_of_functional_models_load(void **state) {
    (void)state;
    const char *const texts[] = {chain_2, chain_3};
    for (size_t i = 0; i < 2; i++) {
        hone_model *model = mt_from_config(texts[i]);
        mt_build(model, 1);
        assert_int_equal(mt_parameters(model, false), 5 * 3 + 3 + 3 * 2 + 2);
        hone_shape output = hone_model_output_shape(model);
        assert_true(hone_shape_equal(&output, &(hone_shape){1, {2}}));
        assert_string_equal(mt_weight(model, 0).layer, "a");
        assert_string_equal(mt_layer(model, 2).name, "b");
        hone_error err = {0};
        assert_int_equal(hone_model_flatten(model, &err), HONE_ARGUMENT);

        hone_value *config = mt_to_config(model);
        assert_string_equal(hone_value_as_string(hone_value_get(config, "class_name")), "Functional");
        const hone_value *inner = hone_value_get(config, "config");
        hone_value *nodes = mt_value("[[['a', 0, 0, {}]]]"), *inputs = mt_value("[['in', 0, 0]]");
        assert_true(mt_same(hone_value_get(hone_value_at(hone_value_get(inner, "layers"), 2), "inbound_nodes"), nodes));
        assert_true(mt_same(hone_value_get(inner, "input_layers"), inputs));
        hone_model *again;
        assert_int_equal(hone_model_from_config(&again, config, NULL), HONE_OK);
        mt_build(again, 1);
        assert_memory_equal(again->data, model->data, model->data_size * sizeof(float));
        hone_value_free(nodes);
        hone_value_free(inputs);
        hone_value_free(config);
        hone_model_free(again);
        hone_model_free(model);
    }
}

/* ---- refusals -------------------------------------------------------------------------------------------------- */

#define SEQUENTIAL(layers) "{'class_name': 'Sequential', 'config': {'name': 's', 'layers': [" layers "]}}"
#define FUNCTIONAL(layers, outputs)                                                                                    \
    "{'class_name': 'Functional', 'config': {'name': 'f', 'layers': [{'class_name': 'InputLayer', 'name': 'in', "      \
    "'config': {'batch_shape': [null, 5]}, 'inbound_nodes': []}, " layers "], 'output_layers': " outputs "}}"
#define FROM(name) "'inbound_nodes': [[['" name "', 0, 0, {}]]]"

static const struct {
    const char *config;
    hone_status status;
    const char *message;
} refusals[] = {
    {"3", HONE_FORMAT, "the config of a model has no class_name"},
    {"{'class_name': 'Sequential'}", HONE_FORMAT, "model 'sequential' has no list of layers"},
    {"{'class_name': 'Sequential', 'config': {'name': 's', 'layers': []}}", HONE_FORMAT, "has no list of layers"},
    {"{'class_name': 'MyModel', 'config': {}}", HONE_UNSUPPORTED, "unsupported model class 'MyModel'"},
    {SEQUENTIAL("3"), HONE_FORMAT, "layer 0 of the model has no class_name"},
    {SEQUENTIAL("{'class_name': 'Dense', 'config': 3}"), HONE_FORMAT, "layer 'dense': config is 3, expected an object"},
    {SEQUENTIAL("{'class_name': 'Dense', 'config': {'name': 'd', 'units': 0}}"), HONE_FORMAT,
     "layer 'd': units is 0, expected a positive integer"},
    {SEQUENTIAL("{'class_name': 'LSTM', 'config': {'name': 'memory'}}"), HONE_UNSUPPORTED,
     "unsupported layer 'LSTM' (layer 'memory')"},
    {SEQUENTIAL("{'class_name': 'Lambda', 'config': {'name': 'f', 'function': ['gAAA', null, null]}}"),
     HONE_UNSUPPORTED, "unsupported layer 'Lambda' (layer 'f'): it holds Python code, which is never run"},
    {SEQUENTIAL("{'module': 'mine', 'class_name': 'Dense', 'config': {'name': 'd', 'units': 1}, 'registered_name': "
                "'mine>Dense'}"),
     HONE_UNSUPPORTED, "unsupported layer 'Dense' (layer 'd'): it is a custom class of the module 'mine'"},
    {SEQUENTIAL("{'class_name': 'Custom>Mine', 'config': {'name': 'm'}}"), HONE_UNSUPPORTED,
     "unsupported layer 'Mine' (layer 'm')"},
    {SEQUENTIAL("{'class_name': 'Sequential', 'config': {'name': 'inner', 'layers': []}}"), HONE_FORMAT,
     "model 'inner' has no list of layers"},
    {SEQUENTIAL("{'class_name': 'Sequential', 'config': {'name': 'inner', 'layers': [{'class_name': 'Flatten', "
                "'config': {}}]}}"),
     HONE_SHAPE, "model 'inner' within the model has no input shape"},
    {SEQUENTIAL(
         "{'class_name': 'Flatten', 'config': {'name': 'x'}}, {'class_name': 'Flatten', 'config': {'name': 'x'}}"),
     HONE_ARGUMENT, "the name 'x' is used by two layers"},
    {SEQUENTIAL(
         "{'class_name': 'Flatten', 'config': {}}, {'class_name': 'InputLayer', 'config': {'batch_shape': [null, "
         "3]}}"),
     HONE_ARGUMENT, "an InputLayer can only come first"},
    {FUNCTIONAL("{" DENSE("a", "5") ", " FROM("nowhere") "}", "[['a', 0, 0]]"), HONE_FORMAT,
     "layer 'a' takes its input from 'nowhere', which does not exist"},
    {FUNCTIONAL("{" DENSE("a", "5") ", 'inbound_nodes': [[['in', 3, 0, {}]], [['a', 2, 0, {}]]]}", "[['a', 0, 0]]"),
     HONE_FORMAT, "layer 'a' takes its input from 'a', which does not exist"},
    {FUNCTIONAL("{" DENSE("a", "5") ", 'inbound_nodes': [[['in', 0, 7, {}]]]}", "[['a', 0, 0]]"), HONE_FORMAT,
     "layer 'a' takes output 7 of 'in', which has 1"},
    {FUNCTIONAL("{" DENSE("a", "5") ", 'inbound_nodes': [[3]]}", "[['a', 0, 0]]"), HONE_FORMAT,
     "layer 'a': an input is no list [layer, node, output]"},
    {FUNCTIONAL("{" DENSE("a", "5") ", 'inbound_nodes': [[['in', 0, 0, [1]]]]}", "[['a', 0, 0]]"), HONE_FORMAT,
     "layer 'a': its keyword arguments are no object"},
    {FUNCTIONAL("{" DENSE("a", "5") ", 'inbound_nodes': [{'args': [['in', 0, 0]], 'kwargs': [1]}]}", "[['a', 0, 0]]"),
     HONE_FORMAT, "layer 'a': its keyword arguments are no object"},
    {FUNCTIONAL("{" DENSE("a", "5") ", 'inbound_nodes': []}", "[['a', 0, 0]]"), HONE_FORMAT,
     "layer 'a': its inbound_nodes are missing: it is applied to nothing"},
    {"{'class_name': 'Functional', 'config': {'name': 'f', 'layers': [{'class_name': 'InputLayer', 'name': 'in', "
     "'config': "
     "{'batch_input_shape': [null, 5]}, 'inbound_nodes': []}, {" DENSE(
         "a", "5") ", 'inbound_nodes': [[['in', 0, 0, "
                   "{'training': true}]]]}], 'output_layers': [['a', 0, 0]]}}",
     HONE_UNSUPPORTED, "layer 'a': it is called with training=True"},
    {FUNCTIONAL("{" DENSE("a", "5") ", 'inbound_nodes': [[['in', 0, 0, {'mask': ['in', 0, 0]}]]]}", "[['a', 0, 0]]"),
     HONE_UNSUPPORTED, "layer 'a': its argument 'mask' comes from another layer"},
    {FUNCTIONAL("{" DENSE("a", "5") ", " FROM("b") "}, {" DENSE("b", "5") ", " FROM("a") "}", "[['a', 0, 0]]"),
     HONE_FORMAT, "layer 'a' needs its own output: the layers form a circle through 'b'"},
    {FUNCTIONAL("{" DENSE("a", "5") ", " FROM("a") "}", "[['a', 0, 0]]"), HONE_FORMAT,
     "layer 'a' needs its own output"},
    {FUNCTIONAL("{" DENSE("a", "5") ", " FROM("in") "}, {" DENSE("a", "5") ", " FROM("in") "}", "[['a', 0, 0]]"),
     HONE_ARGUMENT, "the name 'a' is used by two layers"},
    {FUNCTIONAL("{" DENSE("a", "5") ", " FROM("in") "}", "[['b', 0, 0]]"), HONE_FORMAT,
     "output_layers names 'b', which does not exist"},
    {FUNCTIONAL("{" DENSE("a", "5") ", " FROM("in") "}", "[]"), HONE_FORMAT, "model 'f' names no output_layers"},
    {FUNCTIONAL("{" DENSE("a", "5") ", " FROM("in") "}", "[['a', 0, 1]]"), HONE_FORMAT,
     "output_layers names output 1 of 'a', which does not exist"},
    {FUNCTIONAL("{" DENSE("a", "5") ", " FROM("in") "}", "[['a', 0, 0]], 'input_layers': [['a', 0, 0]]"), HONE_FORMAT,
     "input_layers names 'a', which is no InputLayer"},
    {FUNCTIONAL("{'class_name': 'TFOpLambda', 'name': 'op', 'config': {'function': 'linalg.matmul'}, 'inbound_nodes': "
                "[['in', 0, 0, {'b': ['in', 0, 0], 'name': null}]]}",
                "[['op', 0, 0]]"),
     HONE_UNSUPPORTED, "unsupported operation 'linalg.matmul' (layer 'op')"},
    {"{'class_name': 'Functional', 'config': {'name': 'f', 'layers': [{" DENSE("a", "5") ", " FROM(
         "a") "}], 'output_layers': [['a', 0, 0]]}}",
     HONE_FORMAT, "layer 'a' needs its own output"},
};

static void what_is_no_graph_of_known_layers_is_refused(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof refusals / sizeof *refusals; i++) {
        mt_expect_refused(refusals[i].config, refusals[i].status, refusals[i].message);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_reference_comes_back_word_for_word),
        cmocka_unit_test(older_and_newer_dialects_make_the_same_network),
        cmocka_unit_test(a_shape_apart_stands_for_an_input_layer),
        cmocka_unit_test(frozen_layers_and_frozen_models),
        cmocka_unit_test(hard_sigmoid_keeps_the_meaning_of_its_file),
        cmocka_unit_test(every_layer_type_comes_back),
        cmocka_unit_test(chains_of_functional_models_load),
        cmocka_unit_test(what_is_no_graph_of_known_layers_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
