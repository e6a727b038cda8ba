/* SPDX-License-Identifier: Apache-2.0
 *
 * Models of pictures of any size: who states the size, when, and what becomes of it. */
#include "model_test.h"

#define CONVOLUTION                                                                                                    \
    "{'class_name': 'Conv2D', 'name': 'c', 'config': {'name': 'c', 'filters': 4, 'kernel_size': 3},"                   \
    " 'inbound_nodes': [[['in', 0, 0, {}]]]}"
#define FUNCTIONAL(name, shape)                                                                                        \
    "{'class_name': 'Functional', 'config': {'name': '" name "', 'layers': ["                                          \
    "{'class_name': 'InputLayer', 'name': 'in', 'config': {'name': 'in', 'batch_input_shape': " shape "},"             \
    " 'inbound_nodes': []}, " CONVOLUTION "], 'input_layers': [['in', 0, 0]], 'output_layers': [['c', 0, 0]]}}"

static void expect_output(const hone_model *model, int64_t h, int64_t w, int64_t c) {
    const hone_shape expected = {3, {h, w, c}};
    hone_shape shape = hone_model_output_shape(model);
    assert_true(hone_shape_equal(&shape, &expected));
}

static void test_open_until_stated(void **state) {
    (void)state;
    char text[96];
    hone_error err = {0};
    hone_model *model = mt_from_config(FUNCTIONAL("any", "[null, null, null, 3]"));
    hone_shape shape = hone_model_input_shape(model);
    assert_true(hone_model_input_is_open(model));
    assert_string_equal(hone_shape_text(&shape, true, text, sizeof text), "(None, None, None, 3)");
    assert_int_equal(hone_model_input_size(model), 0);
    assert_int_equal(hone_model_build(model, 0, &err), HONE_SHAPE);
    mt_expect_message(&err, HONE_SHAPE, "model 'any' takes pictures of any size");
    assert_int_equal(hone_model_set_image_size(model, 0, 0, &err), HONE_SHAPE);
    mt_expect_message(&err, HONE_SHAPE, "(None, None, None, 3), and is given none");
    assert_int_equal(hone_model_set_image_size(model, 16, 0, &err), HONE_ARGUMENT);
    assert_int_equal(hone_model_set_image_size(model, -1, 4, &err), HONE_ARGUMENT);
    assert_int_equal(hone_model_set_image_size(model, 16, 1 << 20, &err), HONE_ARGUMENT);
    assert_true(hone_model_input_is_open(model));

    assert_int_equal(hone_model_set_image_size(model, 16, 24, &err), HONE_OK);
    assert_false(hone_model_input_is_open(model));
    mt_build(model, 1);
    expect_output(model, 14, 22, 4);
    assert_int_equal(hone_model_set_image_size(model, 99, 99, &err), HONE_OK); /* nothing is open: nothing changes */
    expect_output(model, 14, 22, 4);

    hone_model *copy;
    assert_int_equal(hone_model_copy(&copy, model, NULL), HONE_OK);
    expect_output(copy, 14, 22, 4);
    hone_model_free(copy);
    hone_model_free(model);
}

static void test_one_side_open(void **state) {
    (void)state;
    hone_model *model = mt_from_config(FUNCTIONAL("any", "[null, 10, null, 3]"));
    assert_true(hone_model_input_is_open(model));
    assert_int_equal(hone_model_set_image_size(model, 5, 7, NULL), HONE_OK);
    mt_build(model, 1);
    expect_output(model, 8, 5, 4);
    hone_model_free(model);
}

static int64_t side_of(const char *name) {
    mt_log log = {0};
    char config[1024];
    snprintf(config, sizeof config, FUNCTIONAL("%s", "[null, null, null, 3]"), name);
    hone_model *model = mt_from_config(config);
    hone_set_log(mt_log_line, &log, HONE_LOG_WARNING);
    hone_status status = hone_model_set_image_size(model, 0, 0, NULL);
    hone_set_log(NULL, NULL, HONE_LOG_WARNING);
    hone_shape shape = hone_model_input_shape(model);
    assert_int_equal(log.lines, status == HONE_OK); /* what was assumed is said */
    hone_model_free(model);
    return status == HONE_OK ? shape.dims[0] : 0;
}

static void test_sizes_of_applications(void **state) {
    (void)state;
    assert_int_equal(side_of("MobileNetV3Small"), 224);
    assert_int_equal(side_of("mobilenetv2_1.00_224"), 224);
    assert_int_equal(side_of("inception_resnet_v2"), 299);
    assert_int_equal(side_of("nasnet_mobile"), 224);
    assert_int_equal(side_of("nasnet_large"), 331);
    assert_int_equal(side_of("efficientnetb3"), 300);
    assert_int_equal(side_of("efficientnetv2-s"), 384);
    assert_int_equal(side_of("model"), 0);
    assert_int_equal(side_of("mobile"), 0);
}

/* A model within is open to what it is given, and stays open in what is written. */
static void test_model_within(void **state) {
    (void)state;
    hone_model *model;
    hone_value *base = mt_value(FUNCTIONAL("base", "[null, null, null, 3]"));
    hone_value *shape = mt_value("{'batch_shape': [null, null, 12, 3], 'name': 'pictures'}");
    const char *const pictures[] = {"pictures"};
    assert_int_equal(hone_model_create_functional(&model, "outer", NULL), HONE_OK);
    assert_int_equal(hone_model_apply(model, "InputLayer", shape, NULL, 0, NULL), HONE_OK);
    assert_int_equal(hone_model_apply(model, "Functional", hone_value_get(base, "config"), pictures, 1, NULL), HONE_OK);
    assert_true(hone_model_input_is_open(model));
    assert_int_equal(hone_model_set_image_size(model, 8, 8, NULL), HONE_OK);
    mt_build(model, 1);
    expect_output(model, 6, 10, 4);
    hone_value *config = mt_to_config(model);
    const hone_value *layers = hone_value_get(hone_value_get(config, "config"), "layers");
    const hone_value *within = hone_value_get(hone_value_get(hone_value_at(layers, 1), "config"), "layers");
    const hone_value *outer = hone_value_get(hone_value_get(hone_value_at(layers, 0), "config"), "batch_input_shape");
    const hone_value *inner = hone_value_get(hone_value_get(hone_value_at(within, 0), "config"), "batch_input_shape");
    int64_t height = 0;
    assert_true(hone_value_as_integer(hone_value_at(outer, 1), &height) && height == 8);
    assert_int_equal(hone_value_kind_of(hone_value_at(inner, 1)), HONE_VALUE_NULL);
    assert_int_equal(hone_value_kind_of(hone_value_at(inner, 2)), HONE_VALUE_NULL);
    hone_value_free(config);
    hone_value_free(shape);
    hone_value_free(base);
    hone_model_free(model);

    /* but not to other channels */
    hone_error err = {0};
    model = mt_from_config("{'class_name': 'Sequential', 'config': {'name': 's', 'layers': ["
                           "{'class_name': 'InputLayer', 'config': {'batch_shape': [null, 9, 9, 1]}}, " FUNCTIONAL(
                               "base", "[null, null, null, 3]") "]}}");
    assert_int_equal(hone_model_build(model, 0, &err), HONE_SHAPE);
    mt_expect_message(&err, HONE_SHAPE, "its model takes (None, None, None, 3) and is given (None, 9, 9, 1)");
    hone_model_free(model);
}

static void test_what_may_not_be_open(void **state) {
    (void)state;
    mt_expect_refused(FUNCTIONAL("any", "[null, 4, 4, null]"), HONE_UNSUPPORTED, "leaves a size open");
    mt_expect_refused(FUNCTIONAL("any", "[null, null, 4]"), HONE_UNSUPPORTED, "leaves a size open");
    mt_expect_refused(FUNCTIONAL("any", "[null, 0, 4, 3]"), HONE_FORMAT, "positive integer");
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_open_until_stated),     cmocka_unit_test(test_one_side_open),
        cmocka_unit_test(test_sizes_of_applications), cmocka_unit_test(test_model_within),
        cmocka_unit_test(test_what_may_not_be_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
