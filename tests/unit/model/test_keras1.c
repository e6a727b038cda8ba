/* SPDX-License-Identifier: Apache-2.0
 *
 * Configs in Keras 1's words: what they become, what is refused, and memory that runs out. Files of that time are among the
 * golden ones. */
#include "model_test.h"

#include <string.h>

#define LAYER(class_name, config) "{'class_name': '" class_name "', 'config': {" config "}}"
#define CHAIN(layers)             "'class_name': 'Sequential', 'config': [" layers "]}"
#define SEQUENTIAL(layers)        "{" CHAIN(layers)
#define CONVOLUTION(more)                                                                                              \
    LAYER("Convolution2D",                                                                                             \
          "'name': 'c', 'batch_input_shape': [null, 8, 8, 3], 'nb_filter': 4, 'nb_row': 3, 'nb_col': 2" more)

static const char chain[] =
    "{'class_name': 'Sequential', 'config': ["
    "{'class_name': 'Convolution2D', 'config': {'name': 'c', 'batch_input_shape': [null, 8, 8, 3], 'nb_filter': 4, "
    "'nb_row': 3, 'nb_col': 2, 'border_mode': 'same', 'subsample': [2, 1], 'dim_ordering': 'tf', 'bias': false, "
    "'init': 'normal', 'W_regularizer': {'name': 'WeightRegularizer', 'l1': 0.0, 'l2': 0.25}, "
    "'input_dtype': 'float32'}},"
    "{'class_name': 'ZeroPadding2D', 'config': {'padding': [1, 2, 3, 4]}},"
    "{'class_name': 'Flatten', 'config': {}},"
    "{'class_name': 'Dropout', 'config': {'p': 0.5}},"
    "{'class_name': 'Dense', 'config': {'output_dim': 5, 'name': 'd', 'activation': 'hard_sigmoid', 'init': 'one'}}]}";

static void words_become_those_of_keras_2(void **state) {
    (void)state;
    hone_model *model = mt_from_config(chain);
    mt_build(model, 1);
    static const char *const classes[] = {"InputLayer", "Conv2D", "ZeroPadding2D", "Flatten", "Dropout", "Dense"};
    assert_int_equal(hone_model_layer_count(model), 6);
    for (size_t i = 0; i < 6; i++) assert_string_equal(mt_layer(model, i).class_name, classes[i]);
    hone_shape convolution = {3, {4, 8, 4}}, padded = {3, {4 + 3, 8 + 7, 4}};
    hone_layer_info first = mt_layer(model, 1), second = mt_layer(model, 2);
    assert_true(hone_shape_equal(&first.output, &convolution));
    assert_true(hone_shape_equal(&second.output, &padded));
    assert_int_equal(hone_model_weight_count(model), 3); /* the convolution has no bias */
    assert_true(model->weights[0].regularizer.l2 == 0.25F);
    hone_weight_info kernel = mt_weight(model, 1);
    assert_true(kernel.data[0] == 1);
    assert_int_equal(model->keras, 2); /* whose hard_sigmoid it has */
    hone_model_free(model);
}

static void what_has_no_word_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *config, *words;
    } cases[] = {
        {SEQUENTIAL(CONVOLUTION("") ", " LAYER("Deconvolution2D",
                                               "'name': 'd', 'nb_filter': 2, 'nb_row': 3, 'nb_col': 3, "
                                               "'output_shape': [null, 99, 9, 2]")),
         "99 rows"},
        {SEQUENTIAL(CONVOLUTION("") ", " LAYER("MaxoutDense", "'name': 'm'")), "MaxoutDense"},
        {"{'backend': 'theano', " CHAIN(
             CONVOLUTION("") ", " LAYER("MaxPooling2D", "'name': 'p', 'border_mode': 'same'")),
         "'p': MaxPooling2D with border_mode 'same'"},
        {"{'backend': 'theano', " CHAIN(
             CONVOLUTION("") ", " LAYER("Deconvolution2D", "'name': 'd', 'nb_filter': 2, 'nb_row': 2, 'nb_col': "
                                                           "2, 'border_mode': 'same'")),
         "'d': Conv2DTranspose with border_mode 'same'"},
        {SEQUENTIAL(CONVOLUTION(", 'border_mode': 'full'")), "padding"},
        {SEQUENTIAL(CONVOLUTION("") ", " LAYER("BatchNormalization", "'name': 'b', 'mode': 1")), "mode=1"},
        {SEQUENTIAL(CONVOLUTION("") ", " LAYER("Highway", "'name': 'h'")), "Highway"},
        {SEQUENTIAL(LAYER("Merge", "'name': 'm', 'mode': 'sum', 'layers': []")), "layers of its own"},
        {SEQUENTIAL(LAYER("Merge", "'name': 'm', 'mode': '<lambda>'")), "'<lambda>'"},
        {SEQUENTIAL(CONVOLUTION("") ", 3"), "no object"},
        {SEQUENTIAL(CONVOLUTION("") ", {'class_name': 'Dense'}"), "units"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hone_model *model;
        hone_error err = {0};
        hone_value *config = mt_value(cases[i].config);
        hone_status status = hone_model_from_config(&model, config, &err);
        if (status == HONE_OK) {
            status = hone_model_build(model, 0, &err);
            hone_model_free(model);
            model = NULL;
        }
        if (status == HONE_OK || status == HONE_MEMORY || !strstr(err.message, cases[i].words))
            fail_msg("case %zu: status %d, '%s' lacks '%s'", i, status, err.message, cases[i].words);
        assert_null(model);
        hone_value_free(config);
    }
}

static void layers_that_leave_their_order_out_follow_the_others(void **state) {
    (void)state;
    hone_model *model = mt_from_config(SEQUENTIAL(
        LAYER("ZeroPadding2D", "'name': 'z', 'batch_input_shape': [null, 3, 8, 7], 'padding': [1, 2]") ", " LAYER(
            "Convolution2D", "'name': 'c', 'nb_filter': 4, 'nb_row': 3, 'nb_col': 2, 'dim_ordering': 'th'")));
    mt_build(model, 1);
    hone_shape padded = {3, {10, 11, 3}}, convolved = {3, {8, 10, 4}};
    hone_layer_info first = mt_layer(model, 1), second = mt_layer(model, 2);
    assert_true(hone_shape_equal(&first.output, &padded));
    assert_true(hone_shape_equal(&second.output, &convolved));
    hone_model_free(model);
}

/* An odd window that moves by one is padded alike; the others get their own ZeroPadding2D. */
static void theano_pads_in_its_own_way(void **state) {
    (void)state;
    hone_model *model = mt_from_config("{'backend': 'theano', " CHAIN(CONVOLUTION("") ", " LAYER(
        "Convolution2D",
        "'name': 'odd', 'nb_filter': 1, 'nb_row': 3, 'nb_col': "
        "5, 'border_mode': 'same'") ", " LAYER("Convolution2D",
                                               "'name': 'even', 'nb_filter': 1, 'nb_row': 2, 'nb_col': 4, "
                                               "'border_mode': "
                                               "'same'") ", " LAYER("Convolution2D",
                                                                    "'name': 'far', 'nb_filter': 1, 'nb_row': 3, "
                                                                    "'nb_col': "
                                                                    "3, 'border_mode': 'same', "
                                                                    "'subsample': [2, 2]") ", " LAYER("AveragePooling2"
                                                                                                      "D",
                                                                                                      "'name': 'p', "
                                                                                                      "'border_mode': "
                                                                                                      "'same', "
                                                                                                      "'pool_size': "
                                                                                                      "[3, 3], "
                                                                                                      "'strides': "
                                                                                                      "[1, 1]")));
    static const char *const names[] = {"c_input", "c", "odd", "even_padding", "even", "far_padding", "far", "p"};
    mt_build(model, 1);
    assert_int_equal(hone_model_layer_count(model), 8);
    for (size_t i = 0; i < 8; i++) assert_string_equal(mt_layer(model, i).name, names[i]);
    hone_shape even = {3, {6 + 1, 7 + 3, 1}}, far = {3, {3, 4, 1}};
    hone_layer_info padding = mt_layer(model, 3), last = mt_layer(model, 6);
    assert_true(hone_shape_equal(&padding.output, &even));
    assert_true(hone_shape_equal(&last.output, &far));
    hone_model_free(model);
}

static hone_status read_chain(void *context) {
    hone_model *model;
    HONE_TRY(hone_model_from_config(&model, context, NULL));
    hone_model_free(model);
    return HONE_OK;
}

static void running_out_of_memory_is_survived(void **state) {
    (void)state;
    hone_value *config = mt_value(chain);
    assert_true(test_every_allocation(read_chain, config) > 50);
    hone_value_free(config);
    config = mt_value("{'backend': 'theano', " CHAIN(CONVOLUTION(", 'border_mode': 'same', 'subsample': [2, 2]")));
    assert_true(test_every_allocation(read_chain, config) > 20);
    hone_value_free(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_become_those_of_keras_2),
        cmocka_unit_test(what_has_no_word_is_refused),
        cmocka_unit_test(layers_that_leave_their_order_out_follow_the_others),
        cmocka_unit_test(theano_pads_in_its_own_way),
        cmocka_unit_test(running_out_of_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
