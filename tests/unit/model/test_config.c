/* SPDX-License-Identifier: Apache-2.0
 *
 * The reader of Keras' arguments: every spelling that files hold, and every mistake by its words. */
#include "layer.h"
#include "model_test.h"

/* ---- spellings that mean the same ------------------------------------------------------------------------------ */

/* Each pair makes the same layer; the second is how hone writes it, in part. */
static const struct spelling {
    const char *class_name, *config, *key, *written;
} spellings[] = {
    {"Conv2D", "{'filters': 4, 'kernel_size': 3}", "kernel_size", "[3, 3]"},
    {"Conv2D", "{'filters': 4, 'kernel_size': [3, 2], 'strides': 2}", "strides", "[2, 2]"},
    {"Conv2D", "{'filters': 4.0, 'kernel_size': 3}", "filters", "4"},
    {"Conv2D", "{'filters': 4, 'kernel_size': 3, 'strides': null}", "strides", "[1, 1]"},
    {"Conv2D", "{'filters': 4, 'kernel_size': 3}", "activation", "'linear'"},
    {"Dense", "{'units': 4, 'activation': null}", "activation", "'linear'"},
    {"Dense", "{'units': 4, 'activation': 'silu'}", "activation", "'swish'"},
    {"Dense", "{'units': 4, 'activation': 'hard_swish'}", "activation", "'hard_silu'"},
    {"Dense", "{'units': 4, 'activation': {'module': 'builtins', 'class_name': 'function', 'config': 'relu'}}",
     "activation", "'relu'"},
    {"Dense", "{'units': 4}", "kernel_initializer", "{'class_name': 'GlorotUniform', 'config': {'seed': null}}"},
    {"Dense", "{'units': 4, 'kernel_initializer': 'he_normal'}", "kernel_initializer",
     "{'class_name': 'HeNormal', 'config': {'seed': null}}"},
    {"Dense", "{'units': 4, 'kernel_initializer': 'uniform'}", "kernel_initializer",
     "{'class_name': 'RandomUniform', 'config': {'minval': -0.05, 'maxval': 0.05, 'seed': null}}"},
    {"Dense", "{'units': 4, 'kernel_initializer': {'class_name': 'Zeros'}}", "kernel_initializer",
     "{'class_name': 'Zeros', 'config': {}}"},
    {"Dense",
     "{'units': 4, 'kernel_initializer': {'module': 'keras.initializers', 'class_name': 'GlorotUniform', 'config': "
     "{'seed': 7, 'input_axes': null, 'output_axes': null}, 'registered_name': null}}",
     "kernel_initializer", "{'class_name': 'GlorotUniform', 'config': {'seed': 7}}"},
    {"Dense",
     "{'units': 4, 'kernel_initializer': {'class_name': 'VarianceScaling', 'config': {'scale': 1.0, 'mode': 'fan_avg', "
     "'distribution': 'normal', 'seed': null}}}",
     "kernel_initializer",
     "{'class_name': 'VarianceScaling', 'config': {'scale': 1.0, 'mode': 'fan_avg', 'distribution': "
     "'truncated_normal', 'seed': null}}"},
    {"Dense", "{'units': 4, 'bias_initializer': {'class_name': 'Constant', 'config': {'value': 0.1}}}",
     "bias_initializer", "{'class_name': 'Constant', 'config': {'value': 0.1}}"},
    {"Dense",
     "{'units': 4, 'kernel_initializer': {'class_name': 'OrthogonalInitializer', 'config': {'gain': 2.0, 'seed': "
     "{'class_name': 'SeedGenerator', 'config': {}}}}}",
     "kernel_initializer", "{'class_name': 'Orthogonal', 'config': {'gain': 2.0, 'seed': null}}"},
    {"Dense", "{'units': 4, 'kernel_regularizer': 'l2'}", "kernel_regularizer",
     "{'class_name': 'L2', 'config': {'l2': 0.009999999776482582}}"},
    {"Dense", "{'units': 4, 'kernel_regularizer': {'class_name': 'L1L2', 'config': {'l1': 0.0, 'l2': 0.5}}}",
     "kernel_regularizer", "{'class_name': 'L2', 'config': {'l2': 0.5}}"},
    {"Dense", "{'units': 4, 'kernel_regularizer': {'class_name': 'L1', 'config': {'l1': 0.25}}}", "kernel_regularizer",
     "{'class_name': 'L1', 'config': {'l1': 0.25}}"},
    {"Dense", "{'units': 4, 'bias_regularizer': {'class_name': 'L1L2', 'config': {'l1': 0.25, 'l2': 0.5}}}",
     "bias_regularizer", "{'class_name': 'L1L2', 'config': {'l1': 0.25, 'l2': 0.5}}"},
    {"Dense", "{'units': 4, 'kernel_regularizer': {'class_name': 'L1L2', 'config': {}}}", "kernel_regularizer", "null"},
    {"Dense", "{'units': 4, 'dtype': {'class_name': 'DTypePolicy', 'config': {'name': 'float32'}}}", "dtype",
     "'float32'"},
    {"Dense", "{'units': 4, 'quantization_config': null, 'lora_rank': null}", "units", "4"},
    {"LeakyReLU", "{'negative_slope': 0.25}", "alpha", "0.25"},
    {"LeakyReLU", "{'alpha': 0.25}", "alpha", "0.25"},
    {"LeakyReLU", NULL, "alpha", "0.3"},
    {"ReLU", "{'max_value': null}", "max_value", "null"},
    {"ReLU", "{'max_value': 6}", "max_value", "6.0"},
    {"BatchNormalization", "{'axis': [3]}", "axis", "3"},
    {"BatchNormalization", "{'synchronized': false, 'renorm': false, 'fused': true}", "axis", "-1"},
    {"MaxPooling2D", "{'pool_size': 3}", "strides", "[3, 3]"},
    {"AveragePooling2D", "{'pool_size': [3, 2], 'strides': null}", "strides", "[3, 2]"},
    {"ZeroPadding2D", "{'padding': [1, 2]}", "padding", "[[1, 1], [2, 2]]"},
    {"Dropout", "{'rate': 0}", "rate", "0.0"},
    {"Dropout", "{'rate': 0.5, 'noise_shape': [null, 1, 1, 1], 'seed': 3}", "noise_shape", "[null, 1, 1, 1]"},
    {"Dropout", "{'rate': 0.5, 'noise_shape': [null, 1, 1, null]}", "noise_shape", "[null, 1, 1, null]"},
    {"SpatialDropout2D", "{'rate': 0.5, 'noise_shape': null, 'trainable': true}", "rate", "0.5"},
    {"Rescaling", "{'scale': 2}", "scale", "2.0"},
    {"Rescaling", "{'scale': [1, 2.5]}", "scale", "[1.0, 2.5]"},
    {"Rescaling", "{'scale': {'class_name': '__numpy__', 'config': {'value': [1.0, 2.0], 'dtype': 'float32'}}}",
     "scale", "[1.0, 2.0]"},
    {"SeparableConv2D", "{'filters': 4, 'kernel_size': 3, 'groups': 1, 'kernel_initializer': 'zeros'}",
     "depth_multiplier", "1"},
};

static void spellings_of_two_decades_are_read(void **state) {
    (void)state;
    mt_log log = {0};
    hone_set_log(mt_log_line, &log, HONE_LOG_WARNING);
    for (size_t i = 0; i < sizeof spellings / sizeof *spellings; i++) {
        hone_model *model = mt_create();
        mt_add(model, spellings[i].class_name, spellings[i].config);
        hone_value *config = mt_to_config(model), *expected = mt_value(spellings[i].written);
        const hone_value *layer = hone_value_at(hone_value_get(hone_value_get(config, "config"), "layers"), 0);
        if (!mt_same(hone_value_get(hone_value_get(layer, "config"), spellings[i].key), expected)) {
            fail_msg("case %zu: %s of %s %s is not %s", i, spellings[i].key, spellings[i].class_name,
                     spellings[i].config, spellings[i].written);
        }
        hone_value_free(expected);
        hone_value_free(config);
        hone_model_free(model);
    }
    hone_set_log(NULL, NULL, HONE_LOG_WARNING);
    assert_int_equal(log.lines, 0);
}

/* The whole of a layer's arguments: what omits_trainable leaves out, and no key newer than the oldest reader. */
static void spatial_dropout_writes_what_keras_3_accepts(void **state) {
    (void)state;
    hone_model *model = mt_create();
    mt_add(model, "SpatialDropout2D", "{'rate': 0.5}");
    hone_value *config = mt_to_config(model);
    hone_value *expected =
        mt_value("{'class_name': 'Sequential', 'config': {'name': 'sequential', 'layers': [{'class_name': "
                 "'SpatialDropout2D', 'config': {'name': 'spatial_dropout2d', 'dtype': 'float32', 'rate': 0.5}}]}}");
    assert_true(mt_same(config, expected));
    hone_value_free(expected);
    hone_value_free(config);
    hone_model_free(model);
}

/* ---- mistakes -------------------------------------------------------------------------------------------------- */

static const struct mistake {
    const char *class_name, *config;
    hone_status status;
    const char *message;
} mistakes[] = {
    {"Conv2D", "{'name': 'conv2d_3', 'filters': 0, 'kernel_size': 3}", HONE_ARGUMENT,
     "layer 'conv2d_3': filters is 0, expected a positive integer"},
    {"Conv2D", "{'kernel_size': 3}", HONE_ARGUMENT, "layer 'conv2d': filters is missing"},
    {"Conv2D", NULL, HONE_ARGUMENT, "filters is missing"},
    {"Conv2D", "{'filters': 4}", HONE_ARGUMENT, "kernel_size is missing"},
    {"Conv2D", "{'filters': 'many', 'kernel_size': 3}", HONE_ARGUMENT,
     "filters is 'many', expected a positive integer"},
    {"Conv2D", "{'filters': 2.5, 'kernel_size': 3}", HONE_ARGUMENT, "filters is 2.5, expected"},
    {"Conv2D", "{'filters': true, 'kernel_size': 3}", HONE_ARGUMENT, "filters is true, expected"},
    {"Conv2D", "{'filters': 99999999999, 'kernel_size': 3}", HONE_LIMIT,
     "filters is 99999999999, the largest possible is 16777216"},
    {"Conv2D", "{'filters': 4, 'kernel_size': [3, 3, 3]}", HONE_ARGUMENT,
     "kernel_size is a list of 3, expected an integer or a list of two"},
    {"Conv2D", "{'filters': 4, 'kernel_size': [3, -1]}", HONE_ARGUMENT,
     "kernel_size is -1, expected a positive integer"},
    {"Conv2D", "{'filters': 4, 'kernel_size': 4097}", HONE_LIMIT, "the largest possible is 4096"},
    {"Conv2D", "{'filters': 4, 'kernel_size': 3, 'strides': 2, 'dilation_rate': 2}", HONE_ARGUMENT,
     "strides (2, 2) and dilation_rate (2, 2) are both above 1"},
    {"Conv2D", "{'filters': 5, 'kernel_size': 3, 'groups': 2}", HONE_ARGUMENT,
     "5 filters cannot be split evenly into 2 groups"},
    {"Conv2D", "{'filters': 4, 'kernel_size': 3, 'padding': 'causal'}", HONE_ARGUMENT,
     "padding is 'causal', expected 'valid' or 'same'"},
    {"Conv2D", "{'filters': 4, 'kernel_size': 3, 'data_format': 'channels_first'}", HONE_UNSUPPORTED,
     "data_format 'channels_first' is not supported"},
    {"Conv2D",
     "{'filters': 4, 'kernel_size': 3, 'kernel_constraint': {'class_name': 'RadialConstraint', 'config': {}}}",
     HONE_UNSUPPORTED, "kernel_constraint 'RadialConstraint' is not supported, only MaxNorm, NonNeg"},
    {"Dense", "{'units': 4, 'kernel_constraint': {'class_name': 'MaxNorm', 'config': {'max_value': -1}}}",
     HONE_ARGUMENT, "kernel_constraint: max_value is -1, expected a number from 0"},
    {"Dense", "{'units': 4, 'bias_constraint': {'class_name': 'UnitNorm', 'config': {'axis': [0, 'x']}}}",
     HONE_ARGUMENT, "bias_constraint: axis is a list of 2"},
    {"Dense", "{'units': 4, 'bias_constraint': 3}", HONE_ARGUMENT, "bias_constraint is 3, expected the name of a"},
    {"Resizing", "{'height': 4, 'width': 4, 'interpolation': 'sinc'}", HONE_ARGUMENT, "interpolation is 'sinc'"},
    {"Resizing", "{'height': 4, 'width': 4, 'fill_mode': 'wrap'}", HONE_ARGUMENT, "fill_mode is 'wrap'"},
    {"Resizing", "{'height': 4, 'width': 4, 'crop_to_aspect_ratio': true, 'pad_to_aspect_ratio': true}", HONE_ARGUMENT,
     "crop_to_aspect_ratio and pad_to_aspect_ratio are both true"},
    {"Conv2DTranspose", "{'filters': 4, 'kernel_size': 3, 'strides': 2, 'output_padding': 2}", HONE_ARGUMENT,
     "output_padding is 2, expected less than strides, 2"},
    {"GaussianNoise", "{}", HONE_ARGUMENT, "stddev is missing"},
    {"AlphaDropout", "{'rate': 1}", HONE_ARGUMENT, "rate is 1, which would drop everything"},
    {"Softmax", "{'axis': 0}", HONE_ARGUMENT, "axis is 0, expected an axis behind the batch"},
    {"UnitNormalization", "{'axis': []}", HONE_ARGUMENT, "axis is a list of 0"},
    {"RandomHue", "{}", HONE_ARGUMENT, "factor is missing"},
    {"RandomHue", "{'factor': 1.5}", HONE_ARGUMENT, "factor is 1.5"},
    {"RandomPosterization", "{'factor': [0, 4]}", HONE_ARGUMENT, "factor is a list of 2, expected a number"},
    {"RandomGaussianBlur", "{'kernel_size': 4}", HONE_ARGUMENT, "kernel_size is 4, expected odd numbers"},
    {"RandomErasing", "{'fill_value': [1, 2]}", HONE_ARGUMENT, "fill_value is a list of 2"},
    {"Equalization", "{'bins': 1}", HONE_ARGUMENT, "bins is 1"},
    {"MixUp", "{}", HONE_UNSUPPORTED, "unsupported layer 'MixUp' (layer 'mix_up'): it mixes labels too"},
    {"Conv2D", "{'filters': 4, 'kernel_size': 3, 'filterz': 3}", HONE_ARGUMENT, "unknown argument 'filterz'"},
    {"Dense", "{'units': 4, 'activation': 'mish'}", HONE_UNSUPPORTED,
     "activation 'mish' is not supported; there are linear"},
    {"Dense", "{'units': 4, 'activation': {'class_name': 'LeakyReLU', 'config': {}}}", HONE_UNSUPPORTED,
     "activation is an object of class 'LeakyReLU'"},
    {"Dense", "{'units': 4, 'activation': 3}", HONE_ARGUMENT, "activation is 3, expected the name of an activation"},
    {"Dense", "{'units': 4, 'use_bias': 'yes'}", HONE_ARGUMENT, "use_bias is 'yes', expected true or false"},
    {"Dense", "{'units': 4, 'name': 3}", HONE_ARGUMENT, "name is 3, expected a string"},
    {"Dense", "{'units': 4, 'name': ''}", HONE_ARGUMENT, "a Dense layer has an empty name"},
    {"Dense", "{'units': 4, 'name': 'a\tb'}", HONE_ARGUMENT, "control characters"},
    {"Dense", "{'units': 4, 'dtype': 'int8'}", HONE_UNSUPPORTED, "dtype 'int8' is not supported"},
    {"Dense",
     "{'units': 4, 'dtype': {'class_name': 'QuantizedDTypePolicy', 'config': {'mode': 'int8', 'source_name': "
     "'float32'}}}",
     HONE_UNSUPPORTED, "it was quantized by Keras ('int8'); save the model as it was before"},
    {"Dense", "{'units': 4, 'dtype': 32}", HONE_ARGUMENT, "dtype is 32, expected a name"},
    {"Dense", "{'units': 4, 'kernel_initializer': 'xavier'}", HONE_UNSUPPORTED,
     "kernel_initializer 'xavier' is not a known initializer"},
    {"Dense", "{'units': 4, 'kernel_initializer': 1}", HONE_ARGUMENT, "kernel_initializer is 1, expected the name"},
    {"Dense", "{'units': 4, 'kernel_initializer': {'class_name': 'RandomNormal', 'config': {'stddev': -1}}}",
     HONE_ARGUMENT, "kernel_initializer: stddev is -1, expected a number from 0"},
    {"Dense", "{'units': 4, 'kernel_initializer': {'class_name': 'VarianceScaling', 'config': {'mode': 'fan'}}}",
     HONE_ARGUMENT, "mode is 'fan', expected 'fan_in', 'fan_out' or 'fan_avg'"},
    {"Dense", "{'units': 4, 'kernel_initializer': {'class_name': 'GlorotUniform', 'config': {'input_axes': [0]}}}",
     HONE_UNSUPPORTED, "kernel_initializer: input_axes is not supported"},
    {"Dense", "{'units': 4, 'kernel_initializer': {'class_name': 'Zeros', 'config': {'value': 1}}}", HONE_ARGUMENT,
     "kernel_initializer: unknown argument 'value'"},
    {"Dense", "{'units': 4, 'kernel_initializer': {'class_name': 'Zeros', 'config': 3}}", HONE_ARGUMENT,
     "kernel_initializer: config is 3, expected an object"},
    {"Dense", "{'units': 4, 'kernel_regularizer': {'class_name': 'OrthogonalRegularizer', 'config': {}}}",
     HONE_UNSUPPORTED, "kernel_regularizer 'OrthogonalRegularizer' is not supported"},
    {"Dense", "{'units': 4, 'kernel_regularizer': {'class_name': 'L2', 'config': {'l2': -1}}}", HONE_ARGUMENT,
     "kernel_regularizer: l2 is -1"},
    {"Dense", "{'units': 4, 'activity_regularizer': 'l3'}", HONE_UNSUPPORTED,
     "activity_regularizer 'l3' is not supported"},
    {"Activation", NULL, HONE_ARGUMENT, "layer 'activation': activation is null, expected a name"},
    {"MaxPooling2D", "{'pool_size': 300}", HONE_LIMIT,
     "pool_size covers 90000 elements, the largest possible is 65536"},
    {"BatchNormalization", "{'axis': [1, 2]}", HONE_ARGUMENT, "axis is a list of 2, expected the last axis"},
    {"BatchNormalization", "{'momentum': 1.5}", HONE_ARGUMENT, "momentum is 1.5, expected a number from 0.0 to 1.0"},
    {"BatchNormalization", "{'renorm': true}", HONE_UNSUPPORTED, "renorm"},
    {"LayerNormalization", "{'rms_scaling': true}", HONE_UNSUPPORTED, "rms_scaling"},
    {"Dropout", NULL, HONE_ARGUMENT, "rate is missing"},
    {"Dropout", "{'rate': 1}", HONE_ARGUMENT, "rate is 1, which would drop everything"},
    {"Dropout", "{'rate': -0.1}", HONE_ARGUMENT, "rate is -0.1, expected a number from 0.0 to 1.0"},
    {"Dropout", "{'rate': 0.5, 'noise_shape': [null, 1, null, 1]}", HONE_UNSUPPORTED, "noise_shape is neither"},
    {"Dropout", "{'rate': 0.5, 'noise_shape': [8, 1]}", HONE_UNSUPPORTED, "noise_shape is neither"},
    {"Reshape", NULL, HONE_ARGUMENT, "target_shape is null, expected a list"},
    {"Reshape", "{'target_shape': [-1, -1]}", HONE_ARGUMENT, "one of which may be -1"},
    {"Reshape", "{'target_shape': [0]}", HONE_ARGUMENT, "target_shape is a list of 1"},
    {"Reshape", "{'target_shape': [1, 1, 1, 1, 1, 1, 1]}", HONE_ARGUMENT, "target_shape is a list of 7"},
    {"ZeroPadding2D", "{'padding': [[1, 2], [3]]}", HONE_ARGUMENT, "padding is a list of 2"},
    {"ZeroPadding2D", "{'padding': -1}", HONE_ARGUMENT, "padding is -1"},
    {"Rescaling", NULL, HONE_ARGUMENT, "scale is missing"},
    {"Rescaling", "{'scale': []}", HONE_ARGUMENT, "scale is a list of 0, expected a finite number or a list"},
    {"Rescaling", "{'scale': [1.0, 'x']}", HONE_ARGUMENT, "scale is a list of 2"},
    {"InputLayer", NULL, HONE_ARGUMENT, "layer 'input_layer': batch_shape is missing"},
    {"InputLayer", "{'shape': [28, 28, null]}", HONE_UNSUPPORTED, "shape leaves a size open (null)"},
    {"InputLayer", "{'batch_shape': [null]}", HONE_ARGUMENT,
     "batch_shape is a list of 1, expected a list [null, height"},
    {"InputLayer", "{'shape': [28, 0, 1]}", HONE_ARGUMENT, "shape is 0, expected a positive integer"},
    {"InputLayer", "{'shape': [28, 28, 1], 'sparse': true}", HONE_UNSUPPORTED, "sparse inputs"},
    {"Dense", "{'units': 4, 'shape': [3]}", HONE_ARGUMENT, "unknown argument 'shape'"},
    {"LSTM", "{'units': 4}", HONE_UNSUPPORTED, "unsupported layer 'LSTM' (layer 'lstm'); there are InputLayer, Dense"},
    {"Lambda", "{'name': 'f'}", HONE_UNSUPPORTED, "unsupported layer 'Lambda' (layer 'f'): it holds Python code"},
    {"Sequential", "{'name': 'inner'}", HONE_FORMAT, "model 'inner' has no list of layers"},
};

static void mistakes_are_named(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof mistakes / sizeof *mistakes; i++) {
        hone_model *model = mt_create();
        hone_error err = {0};
        hone_status status = mt_try_add(model, mistakes[i].class_name, mistakes[i].config, &err);
        if (status != mistakes[i].status) fail_msg("case %zu: %d '%s'", i, status, err.message);
        mt_expect_message(&err, mistakes[i].status, mistakes[i].message);
        assert_int_equal(hone_model_layer_count(model), 0);
        assert_int_equal(mt_try_add(model, mistakes[i].class_name, mistakes[i].config, NULL), mistakes[i].status);
        hone_model_free(model);
    }
}

/* What a program misspells is refused; what a file of a later Keras says is told and left. */
static void unknown_arguments_of_files_are_logged(void **state) {
    (void)state;
    mt_log log = {0};
    hone_set_log(mt_log_line, &log, HONE_LOG_WARNING);
    hone_model *model = mt_from_config("{'class_name': 'Sequential', 'config': {'name': 's', 'layers': [{'class_name': "
                                       "'Flatten', 'config': {'name': 'flat', 'order': 'C'}}]}}");
    hone_set_log(NULL, NULL, HONE_LOG_WARNING);
    assert_int_equal(log.lines, 1);
    assert_string_equal(log.last, "layer 'flat': argument 'order' is unknown and ignored");
    hone_model_free(model);
}

static void other_floats_are_computed_in_float32_and_said(void **state) {
    (void)state;
    mt_log log = {0};
    hone_set_log(mt_log_line, &log, HONE_LOG_WARNING);
    hone_model *model = mt_create();
    mt_add(model, "Dense",
           "{'units': 3, 'dtype': {'module': 'keras', 'class_name': 'DTypePolicy', 'config': {'name': "
           "'mixed_float16'}}}");
    hone_set_log(NULL, NULL, HONE_LOG_WARNING);
    assert_int_equal(log.lines, 1);
    assert_string_equal(log.last, "layer 'dense': dtype is 'mixed_float16'; hone computes in float32");
    hone_model_free(model);
}

/* A file may hold anything: control characters must not reach a message. */
static void messages_are_one_line_whatever_a_file_holds(void **state) {
    (void)state;
    hone_model *model = mt_create();
    hone_error err = {0};
    assert_int_equal(mt_try_add(model, "Dense", "{'units': 'a\tb'}", &err), HONE_ARGUMENT);
    mt_expect_message(&err, HONE_ARGUMENT, "units is 'a?b'");
    hone_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(spellings_of_two_decades_are_read),
        cmocka_unit_test(spatial_dropout_writes_what_keras_3_accepts),
        cmocka_unit_test(mistakes_are_named),
        cmocka_unit_test(unknown_arguments_of_files_are_logged),
        cmocka_unit_test(other_floats_are_computed_in_float32_and_said),
        cmocka_unit_test(messages_are_one_line_whatever_a_file_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
