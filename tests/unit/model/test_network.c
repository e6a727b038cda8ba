/* SPDX-License-Identifier: Apache-2.0
 *
 * Networks: models within models, layers applied twice, several ends; put together by a program, read, copied, written,
 * run; limits, and memory that runs out. */
#include "model_test.h"

#define INPUT(name, shape)                                                                                             \
    "{'class_name': 'InputLayer', 'name': '" name "', 'config': {'batch_input_shape': " shape ", 'name': '" name       \
    "'}, 'inbound_nodes': []}"

/* A model with two outputs applied twice, whose Sequential is applied within it; in Keras 2's words. */
static const char nested[] = "{'class_name': 'Functional', 'config': {'name': 'net', 'layers': [" INPUT(
    "in",
    "[null, 4]") ", "
                 "{'class_name': 'Functional', 'name': 'block', 'config': {'name': 'block', 'layers': [" INPUT(
                     "x",
                     "[null, 4]") ", "
                                  "{'class_name': 'Sequential', 'name': 'tower', 'config': {'name': 'tower', 'layers': "
                                  "["
                                  "{'class_name': 'InputLayer', 'config': {'batch_input_shape': [null, 4], 'name': "
                                  "'in'}},"
                                  "{'class_name': 'Dense', 'config': {'name': 'd', 'units': 4, 'activation': 'tanh'}},"
                                  "{'class_name': 'BatchNormalization', 'config': {'name': 'b'}}]}, 'inbound_nodes': "
                                  "[[['x', 0, 0, {}]]]},"
                                  "{'class_name': 'Dense', 'name': 'd', 'config': {'name': 'd', 'units': 4}, "
                                  "'inbound_nodes': [[['tower', 1, 0, {}]]]}"
                                  "], 'input_layers': [['x', 0, 0]], 'output_layers': [['tower', 1, 0], ['d', 0, 0]]}, "
                                  "'inbound_nodes': "
                                  "[[['in', 0, 0, {}]], [['block', 1, 1, {'training': false}]]]},"
                                  "{'class_name': 'TFOpLambda', 'name': 'tf.math.multiply', 'config': {'name': "
                                  "'tf.math.multiply', 'function': "
                                  "'math.multiply'}, 'inbound_nodes': [['block', 2, 0, {'y': 0.5, 'name': null}]]},"
                                  "{'class_name': 'Concatenate', 'name': 'c', 'config': {'name': 'c', 'axis': -1}, "
                                  "'inbound_nodes': "
                                  "[[['block', 1, 0, {}], ['tf.math.multiply', 0, 0, {}], ['block', 2, 1, {}]]]}"
                                  "], 'input_layers': [['in', 0, 0]], 'output_layers': [['c', 0, 0]]}}";

static void models_within_are_flat_and_shared(void **state) {
    (void)state;
    hone_model *model = mt_from_config(nested);
    mt_build(model, 1);
    static const char *const names[] = {
        "in", "block/x", "block/tower/in", "block/tower/d", "block/tower/b", "block/d", "tf.math.multiply", "c"};
    assert_int_equal(hone_model_layer_count(model), 8);
    for (size_t i = 0; i < 8; i++) assert_string_equal(mt_layer(model, i).name, names[i]);
    assert_int_equal(mt_parameters(model, false), 20 + 16 + 20); /* once, however often they are applied */
    assert_string_equal(mt_layer(model, 6).class_name, "Rescaling");
    hone_shape output = hone_model_output_shape(model);
    assert_true(hone_shape_equal(&output, &(hone_shape){1, {12}}));
    assert_string_equal(hone_model_layer_source(model, 3, 0), "block/tower/in");
    assert_string_equal(hone_model_layer_source(model, 1, 1), "block/d"); /* of the second application */
    assert_null(hone_model_layer_source(model, 1, 2));
    assert_null(hone_model_layer_source(model, 0, 0));
    hone_model_free(model);
}

static void what_is_written_comes_back(void **state) {
    (void)state;
    for (int keras = 2; keras <= 3; keras++) {
        hone_model *model = mt_from_config(nested), *copy;
        model->keras = keras;
        for (size_t i = 0; keras == 3 && i < model->network.application_count; i++)
            model->network.applications[i].inference = false; /* Keras 3 does not obey, so it is not kept */
        mt_build(model, 1);
        hone_value *config = mt_to_config(model);
        assert_int_equal(hone_model_copy(&copy, model, NULL), HONE_OK);
        hone_value *again = mt_to_config(copy);
        assert_true(mt_same(config, again));
        assert_memory_equal(copy->data, model->data, model->data_size * sizeof(float));
        const hone_value *layers = hone_value_get(hone_value_get(config, "config"), "layers");
        const hone_value *calls = hone_value_get(hone_value_at(layers, 1), "inbound_nodes");
        /* each twice, so that number 1 is the first call of block for Keras 2, which counts a model's own node, and for
         * Keras 3, which does not */
        assert_int_equal(hone_value_count(calls), 4);
        hone_value *expected =
            mt_value(keras == 2 ? "[['block', 1, 1, {'training': false}]]" : "[['block', 1, 1, {}]]");
        assert_true(mt_same(hone_value_at(calls, 0), hone_value_at(calls, 1)));
        assert_true(mt_same(hone_value_at(calls, 2), expected));
        assert_true(mt_same(hone_value_at(calls, 3), expected));
        assert_int_equal(copy->network.application_count, model->network.application_count);
        hone_value_free(expected);
        hone_value_free(config);
        hone_value_free(again);
        hone_model_free(copy);
        hone_model_free(model);
    }
}

static hone_status predict(hone_model *model, const float *x, float *y) {
    hone_plan *plan;
    HONE_TRY(hone_plan_create(&plan, model, NULL, NULL));
    hone_plan_predict(plan, x, 2, y);
    hone_plan_free(plan);
    return HONE_OK;
}

static hone_status add(hone_model *model, const char *class_name, const char *config, const char *from,
                       const char *from_2, hone_error *err) {
    const char *inputs[] = {from, from_2};
    hone_value *value = config ? mt_value(config) : NULL;
    hone_status status = hone_model_apply(model, class_name, value, inputs, from_2 ? 2 : from ? 1 : 0, err);
    hone_value_free(value);
    return status;
}

static hone_status order_layers(void *context) {
    size_t order[6];
    return hone__model_keras_order(context, HONE_INSERTED_COUNTED, order, NULL);
}

/* The short branch is stated first, the long one is farther from the output. */
static void layers_have_an_order_of_keras(void **state) {
    (void)state;
    hone_model *model = mt_from_config("{'class_name': 'Functional', 'config': {'name': 'net', 'layers': [" INPUT(
        "in", "[null, 4]") ", "
                           "{'class_name': 'Dense', 'name': 'short', 'config': {'name': 'short', 'units': 4}, "
                           "'inbound_nodes': [[['in', 0, 0, {}]]]},"
                           "{'class_name': 'Dense', 'name': 'first', 'config': {'name': 'first', 'units': 4}, "
                           "'inbound_nodes': [[['in', 0, 0, {}]]]},"
                           "{'class_name': 'Dense', 'name': 'then', 'config': {'name': 'then', 'units': 4}, "
                           "'inbound_nodes': [[['first', 0, 0, {}]]]},"
                           "{'class_name': 'Dense', 'name': 'unread', 'config': {'name': 'unread', 'units': 4}, "
                           "'inbound_nodes': [[['first', 0, 0, {}]]]},"
                           "{'class_name': 'Add', 'name': 'sum', 'config': {'name': 'sum'}, 'inbound_nodes': "
                           "[[['short', 0, 0, {}], ['then', 0, 0, {}]]]}"
                           "], 'input_layers': [['in', 0, 0]], 'output_layers': [['sum', 0, 0]]}}");
    static const size_t counted[] = {0, 2, 1, 3, 5, 4}, left_out[] = {0, 1, 3, 2, 5, 4};
    size_t order[6], needed;
    assert_int_equal(hone__network_keras_order(&model->network, HONE_INSERTED_COUNTED, order, &needed, NULL), HONE_OK);
    assert_int_equal(needed, 5);
    assert_memory_equal(order, counted, sizeof order);
    model->network.applications[3].inserted = true; /* then */
    assert_int_equal(hone__model_keras_order(model, HONE_INSERTED_COUNTED, order, NULL), HONE_OK);
    assert_memory_equal(order, counted, sizeof order);
    assert_int_equal(hone__model_keras_order(model, HONE_INSERTED_LEFT_OUT, order, NULL), HONE_OK);
    assert_memory_equal(order, left_out, sizeof order);
    assert_true(test_every_allocation(order_layers, model) > 4);
    hone_model_free(model);
}

static void a_program_puts_one_together(void **state) {
    (void)state;
    hone_model *model;
    hone_error err = {0};
    const char *twice = "a";
    assert_int_equal(hone_model_create_functional(&model, NULL, NULL), HONE_OK);
    assert_int_equal(add(model, "InputLayer", "{'shape': [2], 'name': 'left'}", NULL, NULL, NULL), HONE_OK);
    assert_int_equal(add(model, "InputLayer", "{'shape': [2], 'name': 'right'}", NULL, NULL, NULL), HONE_OK);
    assert_int_equal(add(model, "Subtract", "{'name': 'a'}", "left", "right", NULL), HONE_OK);
    assert_int_equal(add(model, "ReLU", NULL, "a", NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_apply_again(model, "re_lu", &(const char *){"right"}, 1, NULL), HONE_OK);
    assert_int_equal(add(model, "Maximum", "{'name': 'm'}", "re_lu", "re_lu:1", NULL), HONE_OK);

    assert_int_equal(add(model, "Add", NULL, "m", "nowhere", &err), HONE_NOT_FOUND);
    mt_expect_message(&err, HONE_NOT_FOUND, "has no layer 'nowhere'");
    assert_int_equal(add(model, "Add", NULL, "m", "re_lu:2", &err), HONE_NOT_FOUND);
    mt_expect_message(&err, HONE_NOT_FOUND, "layer 're_lu' has no output 're_lu:2'");
    assert_int_equal(add(model, "Add", NULL, NULL, NULL, &err), HONE_ARGUMENT);
    mt_expect_message(&err, HONE_ARGUMENT, "layer 'add' is applied to 0 inputs, expected at least one");
    assert_int_equal(hone_model_layer_count(model), 5); /* what failed left nothing behind */
    assert_int_equal(hone_model_add(model, "ReLU", NULL, &err), HONE_ARGUMENT);

    const char *outputs[] = {"m", twice};
    assert_int_equal(hone_model_set_outputs(model, outputs, 2, NULL), HONE_OK);
    mt_build(model, 1);
    assert_int_equal(hone_model_input_count(model), 2);
    assert_int_equal(hone_model_output_count(model), 2);
    assert_int_equal(hone_model_input_size(model), 4);
    assert_int_equal(hone_model_output_size(model), 4);
    assert_int_equal(add(model, "ReLU", NULL, "a", NULL, &err), HONE_ARGUMENT);
    mt_expect_message(&err, HONE_ARGUMENT, "is built already");

    /* each sample: left, right; then the maximum, the difference */
    const float x[8] = {3, -1, 1, 2, 0, 5, -4, 4};
    const float expected[8] = {2, 2, 2, -3, 4, 4, 4, 1};
    float y[8];
    assert_int_equal(predict(model, x, y), HONE_OK);
    assert_memory_equal(y, expected, sizeof y);
    hone_model_free(model);
}

static void shapes_that_do_not_fit_are_named(void **state) {
    (void)state;
    static const struct {
        const char *class_name, *config, *message;
    } cases[] = {
        {"Add", "{'name': 'z'}", "layer 'z': its inputs are (None, 4, 2) and (None, 3), which do not match"},
        {"Concatenate", "{'name': 'z'}", "layer 'z': its inputs are (None, 4, 2) and (None, 3), which differ"},
        {"Concatenate", "{'name': 'z', 'axis': 3}", "axis is 3, the input (None, 4, 2) has no such axis"},
        {"ReLU", "{'name': 'z'}", "layer 'z': ReLU takes 1 input and is given 2"},
        {"MultiHeadAttention", "{'name': 'z', 'num_heads': 2, 'key_dim': 2}", "input is (None, 3), expected sequences"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hone_model *model;
        hone_error err = {0};
        assert_int_equal(hone_model_create_functional(&model, NULL, NULL), HONE_OK);
        assert_int_equal(add(model, "InputLayer", "{'shape': [4, 2], 'name': 'a'}", NULL, NULL, NULL), HONE_OK);
        assert_int_equal(add(model, "InputLayer", "{'shape': [3], 'name': 'b'}", NULL, NULL, NULL), HONE_OK);
        assert_int_equal(add(model, cases[i].class_name, cases[i].config, "a", "b", NULL), HONE_OK);
        assert_int_equal(hone_model_build(model, 1, &err), HONE_SHAPE);
        mt_expect_message(&err, HONE_SHAPE, cases[i].message);
        hone_model_free(model);
    }
    hone_model *model;
    hone_error err = {0};
    assert_int_equal(hone_model_create_functional(&model, NULL, NULL), HONE_OK);
    assert_int_equal(add(model, "InputLayer", "{'shape': [4], 'name': 'a'}", NULL, NULL, NULL), HONE_OK);
    assert_int_equal(add(model, "Dense", "{'units': 3, 'name': 'd'}", "a", NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_apply_again(model, "d", &(const char *){"d"}, 1, NULL), HONE_OK);
    assert_int_equal(hone_model_build(model, 1, &err), HONE_SHAPE);
    mt_expect_message(&err, HONE_SHAPE, "layer 'd' is applied to (None, 4) and to (None, 3)");
    hone_model_free(model);
}

/* Twice a model of twice a model of …: a small file, and more applications than any memory holds. */
static void unfolding_has_a_limit(void **state) {
    (void)state;
    hone_model *model;
    hone_error err = {0};
    hone_value *inner = NULL;
    for (int level = 0; level < 25; level++) {
        assert_int_equal(hone_model_create_functional(&model, "m", NULL), HONE_OK);
        assert_int_equal(add(model, "InputLayer", "{'shape': [1], 'name': 'x'}", NULL, NULL, NULL), HONE_OK);
        const char *x = "x", *within = level == 0 ? "re_lu" : "m";
        hone_value *config = level == 0 ? NULL : hone_value_copy(hone_value_get(inner, "config"));
        assert_int_equal(hone_model_apply(model, level == 0 ? "ReLU" : "Functional", config, &x, 1, NULL), HONE_OK);
        assert_int_equal(hone_model_apply_again(model, within, &within, 1, NULL), HONE_OK);
        hone_value_free(config);
        hone_value_free(inner);
        inner = mt_to_config(model);
        if (level < 24) hone_model_free(model);
    }
    assert_int_equal(hone_model_build(model, 1, &err), HONE_LIMIT);
    mt_expect_message(&err, HONE_LIMIT, "has more than 131072 layer applications once its models are unfolded");
    hone_value_free(inner);
    hone_model_free(model);
}

static hone_status read_build_and_write(void *context) {
    hone_model *model = NULL;
    hone_value *config = NULL;
    float x[8] = {0}, y[24];
    hone_status status = hone_model_from_config(&model, context, NULL);
    if (!status) status = hone_model_build(model, 1, NULL);
    if (!status) status = hone_model_to_config(model, &config, NULL);
    if (!status) status = predict(model, x, y);
    hone_value_free(config);
    hone_model_free(model);
    return status;
}

static void memory_may_run_out_anywhere(void **state) {
    (void)state;
    hone_value *config = mt_value(nested);
    assert_true(test_every_allocation(read_build_and_write, config) > 100);
    hone_value_free(config);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(models_within_are_flat_and_shared), cmocka_unit_test(what_is_written_comes_back),
        cmocka_unit_test(layers_have_an_order_of_keras),     cmocka_unit_test(a_program_puts_one_together),
        cmocka_unit_test(shapes_that_do_not_fit_are_named),  cmocka_unit_test(unfolding_has_a_limit),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
