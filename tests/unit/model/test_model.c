/* SPDX-License-Identifier: Apache-2.0
 *
 * The model: names, building, the layout of the weights, freezing, copying, and memory that runs out. */
#include "model_test.h"

/* A bit of everything that allocates. */
static const char network[] =
    "{'class_name': 'Sequential', 'config': {'name': 'net', 'layers': ["
    "{'class_name': 'InputLayer', 'config': {'batch_shape': [null, 6, 6, 2]}},"
    "{'class_name': 'Rescaling', 'config': {'scale': [1.0, 2.0], 'offset': 0.5}},"
    "{'class_name': 'SeparableConv2D', 'config': {'filters': 3, 'kernel_size': 3, 'depthwise_regularizer': 'l2'}},"
    "{'class_name': 'BatchNormalization', 'config': {}},"
    "{'class_name': 'Dropout', 'config': {'rate': 0.5, 'noise_shape': [null, 1, 1, 1]}},"
    "{'class_name': 'Reshape', 'config': {'target_shape': [-1]}},"
    "{'class_name': 'Dense', 'config': {'units': 4, 'activation': 'softmax', 'kernel_initializer': 'orthogonal'}}]}}";

/* ---- names and adding ------------------------------------------------------------------------------------------ */

static void names_count_as_keras_does(void **state) {
    (void)state;
    hone_model *model = mt_create();
    static const struct {
        const char *class_name, *config, *name;
    } layers[] = {
        {"InputLayer", "{'shape': [8, 8, 3]}", "input_layer"},
        {"Conv2D", "{'filters': 4, 'kernel_size': 1}", "conv2d"},
        {"ReLU", NULL, "re_lu"},
        {"Conv2D", "{'filters': 4, 'kernel_size': 1}", "conv2d_1"},
        {"Conv2D", "{'filters': 4, 'kernel_size': 1, 'name': 'conv2d_7'}", "conv2d_7"},
        {"Conv2D", "{'filters': 4, 'kernel_size': 1}", "conv2d_8"},
        {"Conv2D", "{'filters': 4, 'kernel_size': 1, 'name': 'conv2d_last'}", "conv2d_last"},
        {"Conv2D", "{'filters': 4, 'kernel_size': 1}", "conv2d_9"},
        {"DepthwiseConv2D", "{'kernel_size': 1}", "depthwise_conv2d"},
        {"BatchNormalization", NULL, "batch_normalization"},
        {"LeakyReLU", NULL, "leaky_re_lu"},
        {"GlobalAveragePooling2D", NULL, "global_average_pooling2d"},
        {"ELU", NULL, "elu"},
        {"MaxPool2D", NULL, "max_pooling2d"},
        {"Dense", "{'units': 4, 'name': '密集'}", "密集"},
    };
    size_t count = sizeof layers / sizeof *layers;
    for (size_t i = 0; i < count; i++) {
        mt_add(model, layers[i].class_name, layers[i].config);
        assert_string_equal(mt_layer(model, i).name, layers[i].name);
    }
    hone_error err = {0};
    assert_int_equal(mt_try_add(model, "Conv2D", "{'filters': 1, 'kernel_size': 1, 'name': 're_lu'}", &err),
                     HONE_ARGUMENT);
    mt_expect_message(&err, HONE_ARGUMENT, "the name 're_lu' is used by two layers");
    assert_int_equal(hone_model_layer_count(model), count);
    hone_layer_info info;
    assert_int_equal(hone_model_layer_info(model, count, &info), HONE_ARGUMENT);
    hone_model_free(model);
}

static void shorthand_is_the_common_layers(void **state) {
    (void)state;
    hone_model *model = mt_create();
    hone_shape shape = {3, {10, 10, 1}};
    assert_int_equal(hone_model_input(model, &shape, NULL), HONE_OK);
    assert_int_equal(hone_model_conv2d(model, 2, 3, NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_max_pooling2d(model, 2, NULL), HONE_OK);
    assert_int_equal(hone_model_flatten(model, NULL), HONE_OK);
    assert_int_equal(hone_model_dropout(model, 0.5, NULL), HONE_OK);
    assert_int_equal(hone_model_dense(model, 3, "softmax", NULL), HONE_OK);
    mt_build(model, 1);
    assert_int_equal(mt_parameters(model, false), 20 + 32 * 3 + 3);
    hone_model_free(model);

    model = mt_create();
    hone_error err = {0};
    assert_int_equal(hone_model_input(model, &(hone_shape){0}, &err), HONE_ARGUMENT);
    mt_expect_message(&err, HONE_ARGUMENT, "an input shape has 0 axes");
    assert_int_equal(hone_model_dense(model, -1, NULL, &err), HONE_ARGUMENT);
    mt_expect_message(&err, HONE_ARGUMENT, "units is -1");
    assert_int_equal(hone_model_dropout(model, 2, &err), HONE_ARGUMENT);
    hone_model_free(model);
}

static void a_first_layer_may_state_the_shape(void **state) {
    (void)state;
    static const char *const spellings[] = {"{'units': 2, 'input_shape': [7]}",
                                            "{'units': 2, 'batch_shape': [null, 7]}",
                                            "{'units': 2, 'batch_input_shape': [32, 7]}"};
    for (size_t i = 0; i < 3; i++) {
        hone_model *model = mt_create();
        assert_int_equal(hone_model_input_shape(model).rank, 0);
        mt_add(model, "Dense", spellings[i]);
        hone_shape input = hone_model_input_shape(model);
        assert_true(hone_shape_equal(&input, &(hone_shape){1, {7}}));
        assert_string_equal(mt_layer(model, 0).name, "dense_input");
        mt_build(model, 1);
        assert_int_equal(mt_parameters(model, false), 16);
        hone_model_free(model);
    }
}

static void what_cannot_be_built(void **state) {
    (void)state;
    hone_error err = {0};
    hone_model *model = mt_create();
    assert_int_equal(hone_model_build(model, 1, &err), HONE_SHAPE);
    mt_expect_message(&err, HONE_SHAPE, "model 'sequential' has no input shape: add an InputLayer first");
    mt_add(model, "Flatten", NULL);
    assert_int_equal(hone_model_build(model, 1, &err), HONE_SHAPE);
    assert_int_equal(mt_try_add(model, "InputLayer", "{'shape': [3]}", &err), HONE_ARGUMENT);
    mt_expect_message(&err, HONE_ARGUMENT, "layer 'input_layer': an InputLayer can only come first");
    assert_int_equal(hone_model_layer_count(model), 1);
    hone_model_free(model);

    hone_model *none;
    char name[HONE_MAX_NAME + 2];
    memset(name, 'n', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(hone_model_create(&none, name, &err), HONE_ARGUMENT);
    assert_int_equal(hone_model_create(&none, "", &err), HONE_ARGUMENT);
    assert_null(none);
    hone_model_free(NULL);
}

/* ---- building -------------------------------------------------------------------------------------------------- */

static void weights_start_on_cache_lines_and_gaps_are_zero(void **state) {
    (void)state;
    hone_model *model = mt_from_config(network);
    mt_build(model, 5);
    assert_int_equal((uintptr_t)model->data % HONE_ALIGNMENT, 0);
    size_t next = 0;
    for (size_t i = 0; i < model->weight_count; i++) {
        const hone__weight *weight = &model->weights[i];
        assert_int_equal(weight->offset % 16, 0);
        assert_true(weight->offset == (next + 15) / 16 * 16);
        for (size_t k = next; k < weight->offset; k++) assert_true(model->data[k] == 0);
        next = weight->offset + weight->size;
        assert_ptr_equal(mt_weight(model, i).data, model->data + weight->offset);
        assert_string_equal(mt_weight(model, i).layer, model->layers[weight->layer]->name);
    }
    assert_int_equal(model->data_size, (next + 15) / 16 * 16);
    hone_weight_info info;
    assert_int_equal(hone_model_weight(model, model->weight_count, &info), HONE_ARGUMENT);
    hone_model_free(model);
}

static void initial_values_are_keras_defaults(void **state) {
    (void)state;
    hone_model *model = mt_from_config(network);
    mt_build(model, 5);
    for (size_t i = 0; i < model->weight_count; i++) {
        hone_weight_info weight = mt_weight(model, i);
        float first = weight.data[0];
        bool is_one = strcmp(weight.name, "gamma") == 0 || strcmp(weight.name, "moving_variance") == 0;
        if (strstr(weight.name, "kernel")) {
            assert_true(first != 0 && first != 1);
        } else {
            assert_true(first == (is_one ? 1 : 0));
        }
    }
    assert_int_equal(hone__weight_find(model, "dense", "kernel"), 7);
    assert_int_equal(hone__weight_find(model, "dense", "gamma"), -1);
    assert_int_equal(hone__weight_find(model, "dens", "kernel"), -1);
    hone_model_free(model);
}

static void building_is_a_function_of_the_seed(void **state) {
    (void)state;
    hone_model *a = mt_from_config(network), *b = mt_from_config(network), *c = mt_from_config(network);
    mt_build(a, 5);
    mt_build(b, 5);
    mt_build(c, 6);
    size_t bytes = a->data_size * sizeof(float);
    assert_memory_equal(a->data, b->data, bytes);
    assert_memory_not_equal(a->data, c->data, bytes);
    /* built is built: nothing is drawn again */
    a->data[0] = 42;
    mt_build(a, 7);
    assert_true(a->data[0] == 42);
    hone_error err = {0};
    assert_int_equal(hone_model_flatten(a, &err), HONE_ARGUMENT);
    mt_expect_message(&err, HONE_ARGUMENT, "model 'net' is built already");
    hone_model_free(a);
    hone_model_free(b);
    hone_model_free(c);
}

static void freezing_is_by_layer_and_spares_nature(void **state) {
    (void)state;
    hone_model *model = mt_from_config(network);
    mt_build(model, 1);
    int64_t all = mt_parameters(model, false), trainable = mt_parameters(model, true);
    assert_int_equal(all - trainable, 6); /* moving_mean and moving_variance */
    int mean = hone__weight_find(model, "batch_normalization", "moving_mean");
    assert_false(mt_weight(model, (size_t)mean).trainable);
    assert_int_equal(hone_model_set_trainable(model, 2, false), HONE_OK);
    assert_false(mt_layer(model, 2).trainable);
    assert_int_equal(mt_layer(model, 2).trainable_parameters, 0);
    assert_int_equal(mt_parameters(model, true), trainable - mt_layer(model, 2).parameters);
    assert_false(mt_weight(model, 0).trainable);
    assert_int_equal(hone_model_set_trainable(model, 2, true), HONE_OK);
    assert_int_equal(mt_parameters(model, true), trainable);
    assert_int_equal(hone_model_set_trainable(model, 99, true), HONE_ARGUMENT);
    hone_model_free(model);
}

/* ---- copying --------------------------------------------------------------------------------------------------- */

static void copies_are_equal_and_independent(void **state) {
    (void)state;
    hone_model *model = mt_from_config(network), *copy;
    mt_build(model, 3);
    const char *names[] = {"a", "b", "c", "d"};
    hone_preprocessing preprocessing = {.kind = HONE_INPUT_SIGNED};
    hone_model_set_preprocessing(model, &preprocessing);
    assert_int_equal(hone_model_set_class_names(model, names, 4, NULL), HONE_OK);
    assert_int_equal(hone_model_set_record(model, "provenance", mt_value("{'seed': 3}"), NULL), HONE_OK);
    assert_int_equal(hone_model_set_trainable(model, 3, false), HONE_OK);
    model->data[1] = 0.125F;

    hone_error err = {0};
    if (hone_model_copy(&copy, model, &err)) fail_msg("%s", err.message);
    hone_value *config = mt_to_config(model), *config_of_copy = mt_to_config(copy);
    assert_true(mt_same(config, config_of_copy));
    assert_int_equal(copy->data_size, model->data_size);
    assert_memory_equal(copy->data, model->data, model->data_size * sizeof(float));
    assert_false(mt_layer(copy, 3).trainable);
    assert_int_equal(hone_model_preprocessing(copy).kind, HONE_INPUT_SIGNED);
    assert_string_equal(hone_model_class_name(copy, 3), "d");
    assert_true(hone_value_equal(hone_model_record(copy, "provenance"), hone_model_record(model, "provenance")));

    copy->data[1] = 7;
    assert_true(model->data[1] == 0.125F);
    hone_model_free(model);
    assert_string_equal(hone_model_class_name(copy, 0), "a");
    assert_int_equal(mt_parameters(copy, false), 18 + 6 + 3 + 12 + 48 * 4 + 4);
    hone_value_free(config);
    hone_value_free(config_of_copy);
    hone_model_free(copy);
}

static void unbuilt_and_empty_models_copy_too(void **state) {
    (void)state;
    hone_model *model, *copy;
    assert_int_equal(hone_model_create(&model, "empty", NULL), HONE_OK);
    assert_int_equal(hone_model_copy(&copy, model, NULL), HONE_OK);
    assert_string_equal(hone_model_name(copy), "empty");
    hone_model_free(copy);
    mt_add(model, "Dense", "{'units': 2, 'input_shape': [3]}");
    assert_int_equal(hone_model_copy(&copy, model, NULL), HONE_OK);
    assert_false(hone_model_is_built(copy));
    mt_build(copy, 1);
    assert_int_equal(mt_parameters(copy, false), 8);
    hone_model_free(copy);
    hone_model_free(model);
}

/* ---- memory that runs out -------------------------------------------------------------------------------------- */

static hone_value *network_value;

static hone_status from_config_and_build(void *context) {
    (void)context;
    hone_model *model;
    hone_error err = {0};
    hone_status status = hone_model_from_config(&model, network_value, &err);
    if (!status) status = hone_model_build(model, 1, &err);
    assert_int_equal(status, err.status);
    hone_model_free(model);
    return status;
}

static hone_status functional_from_config(void *context) {
    hone_model *model;
    hone_status status = hone_model_from_config(&model, context, NULL);
    hone_model_free(model);
    return status;
}

static hone_status preset_and_build(void *context) {
    (void)context;
    hone_model *model;
    hone_shape shape = {3, {18, 18, 1}};
    hone_status status = hone_model_preset(&model, "mnist-cnn", &shape, 10, NULL);
    if (!status) status = hone_model_build(model, 1, NULL);
    hone_model_free(model);
    return status;
}

static hone_status copy_and_write(void *context) {
    hone_model *copy;
    hone_value *config = NULL;
    hone_status status = hone_model_copy(&copy, context, NULL);
    if (!status) status = hone_model_to_config(copy, &config, NULL);
    hone_value_free(config);
    hone_model_free(copy);
    return status;
}

/* What fails leaves the model as it was: the same call then succeeds. */
static hone_status add_again(void *context) {
    (void)context;
    hone_model *model;
    hone_status status = hone_model_create(&model, NULL, NULL);
    if (status) return status;
    hone_value *config = hone_value_object();
    hone_value_set_integer(config, "units", 4);
    hone_value_set(config, "input_shape", hone_value_integers((const int64_t[]){5}, 1));
    status = hone_value_failed(config) ? HONE_MEMORY : HONE_OK;
    if (!status) status = hone_model_add(model, "Dense", config, NULL);
    if (status) {
        assert_int_equal(hone_model_layer_count(model), 0);
        assert_int_equal(hone_model_input_shape(model).rank, 0);
    } else {
        assert_int_equal(hone_model_layer_count(model), 2);
        status = hone_model_build(model, 1, NULL);
        assert_int_equal(hone_model_is_built(model), status == HONE_OK);
        assert_int_equal(hone_model_weight_count(model), status ? 0 : 2);
    }
    hone_value_free(config);
    hone_model_free(model);
    return status;
}

static hone_status carry_along(void *context) {
    (void)context;
    hone_model *model;
    const char *names[] = {"a", "b"};
    hone_status status = hone_model_create(&model, NULL, NULL);
    if (!status) status = hone_model_set_class_names(model, names, 2, NULL);
    if (!status) status = hone_model_set_record(model, "training", hone_value_integer(3), NULL);
    if (!status) status = hone_model_set_class_names(model, names, 1, NULL);
    hone_model_free(model);
    return status;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    network_value = mt_value(network);
    hone_model *model = mt_from_config(network);
    mt_build(model, 1);
    const char *names[] = {"a", "b", "c", "d"};
    assert_int_equal(hone_model_set_class_names(model, names, 4, NULL), HONE_OK);
    hone_value *chain = mt_value(
        "{'class_name': 'Functional', 'config': {'name': 'f', 'layers': [{'class_name': 'InputLayer', 'name': 'in', "
        "'config': {'batch_shape': [null, 5]}, 'inbound_nodes': []}, {'class_name': 'Flatten', 'name': 'a', 'config': "
        "{}, 'inbound_nodes': [[['in', 0, 0, {}]]]}], 'output_layers': [['a', 0, 0]]}}");

    assert_true(test_every_allocation(from_config_and_build, NULL) > 40);
    assert_true(test_every_allocation(functional_from_config, chain) > 10);
    assert_true(test_every_allocation(preset_and_build, NULL) > 40);
    assert_true(test_every_allocation(copy_and_write, model) > 200);
    assert_true(test_every_allocation(add_again, NULL) > 10);
    assert_true(test_every_allocation(carry_along, NULL) > 5);
    hone_value_free(chain);
    hone_model_free(model);
    hone_value_free(network_value);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(names_count_as_keras_does),
        cmocka_unit_test(shorthand_is_the_common_layers),
        cmocka_unit_test(a_first_layer_may_state_the_shape),
        cmocka_unit_test(what_cannot_be_built),
        cmocka_unit_test(weights_start_on_cache_lines_and_gaps_are_zero),
        cmocka_unit_test(initial_values_are_keras_defaults),
        cmocka_unit_test(building_is_a_function_of_the_seed),
        cmocka_unit_test(freezing_is_by_layer_and_spares_nature),
        cmocka_unit_test(copies_are_equal_and_independent),
        cmocka_unit_test(unbuilt_and_empty_models_copy_too),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
