/* SPDX-License-Identifier: Apache-2.0
 *
 * The built-in networks: their sizes, the smallest pictures they take, and what they refuse. */
#include "model_test.h"

static hone_model *preset(const char *name, int height, int width, int channels, int classes) {
    hone_model *model;
    hone_error err = {0};
    hone_shape shape = {3, {height, width, channels}};
    if (hone_model_preset(&model, name, &shape, classes, &err)) fail_msg("%s: %s", name, err.message);
    return model;
}

static void sizes_at_28_by_28(void **state) {
    (void)state;
    static const struct {
        const char *name;
        int64_t parameters, frozen, macs; /* frozen: moving means and variances */
    } cases[] = {{"mnist-cnn", 93322, 0, 194688 + 2230272 + 331776 + 36864 + 640},
                 {"mnist-fast", 82922, 0, 230400 + 460800 + 76800 + 960},
                 {"mnist-best", 145258, 640, 194688 + 5308416 + 1843200 + 2359296 + 294912 + 5120},
                 {"mlp", 101770, 0, 100352 + 1280},
                 {"lenet5", 61706, 0, 117600 + 240000 + 48000 + 10080 + 840}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        assert_string_equal(hone_preset_name(i), cases[i].name);
        assert_true(strlen(hone_preset_summary(i)) > 10);
        hone_model *model = preset(cases[i].name, 28, 28, 1, 10);
        assert_false(hone_model_is_built(model));
        assert_string_equal(hone_model_name(model), "sequential");
        mt_build(model, 1);
        int64_t macs = 0;
        for (size_t k = 0; k < hone_model_layer_count(model); k++) macs += mt_layer(model, k).macs;
        assert_int_equal(mt_parameters(model, false), cases[i].parameters);
        assert_int_equal(mt_parameters(model, true), cases[i].parameters - cases[i].frozen);
        assert_int_equal(macs, cases[i].macs);
        hone_model_free(model);
    }
    assert_null(hone_preset_name(5));
    assert_null(hone_preset_summary(5));
    assert_null(hone_preset_recipe(0));
    assert_int_equal(strncmp(hone_preset_recipe(1), "--epochs 1 ", 11), 0);
}

/* The article's network, name by name. */
static void mnist_cnn_is_the_articles(void **state) {
    (void)state;
    static const char *const names[] = {"input_layer", "conv2d",  "max_pooling2d", "conv2d_1", "max_pooling2d_1",
                                        "conv2d_2",    "flatten", "dense",         "dense_1"};
    static const int64_t parameters[] = {0, 320, 0, 18496, 0, 36928, 0, 36928, 650};
    hone_model *model = preset("mnist-cnn", 28, 28, 1, 10);
    mt_build(model, 1);
    assert_int_equal(hone_model_layer_count(model), 9);
    for (size_t i = 0; i < 9; i++) {
        assert_string_equal(mt_layer(model, i).name, names[i]);
        assert_int_equal(mt_layer(model, i).parameters, parameters[i]);
    }
    hone_model_free(model);
}

static void other_pictures_and_class_counts_fit(void **state) {
    (void)state;
    for (size_t i = 0; hone_preset_name(i); i++) {
        hone_model *model = preset(hone_preset_name(i), 32, 40, 3, 7);
        mt_build(model, 1);
        hone_shape output = hone_model_output_shape(model);
        assert_true(hone_shape_equal(&output, &(hone_shape){1, {7}}));
        hone_model_free(model);
    }
}

/* The stated smallest side builds, and one pixel less is refused before the layers would. */
static void smallest_pictures(void **state) {
    (void)state;
    static const int smallest[] = {18, 12, 24, 1, 12};
    for (size_t i = 0; i < 5; i++) {
        hone_model *model = preset(hone_preset_name(i), smallest[i], smallest[i], 1, 10);
        mt_build(model, 1);
        hone_model_free(model);
        hone_error err = {0};
        hone_shape low = {3, {smallest[i] - 1, 28, 1}}, narrow = {3, {28, smallest[i] - 1, 1}};
        assert_int_equal(hone_model_preset(&model, hone_preset_name(i), &low, 10, &err), HONE_SHAPE);
        assert_int_equal(hone_model_preset(&model, hone_preset_name(i), &narrow, 10, &err), HONE_SHAPE);
        assert_null(model);
        mt_expect_message(&err, HONE_SHAPE, "pixels or more");
    }
}

static void what_presets_refuse(void **state) {
    (void)state;
    hone_model *model;
    hone_error err = {0};
    hone_shape shape = {3, {28, 28, 1}}, flat = {1, {784}};
    assert_int_equal(hone_model_preset(&model, "resnet", &shape, 10, &err), HONE_NOT_FOUND);
    mt_expect_message(&err, HONE_NOT_FOUND,
                      "there is no preset 'resnet', there are mnist-cnn, mnist-fast, mnist-best, mlp, lenet5");
    assert_int_equal(hone_model_preset(&model, "mlp", &shape, 1, &err), HONE_ARGUMENT);
    mt_expect_message(&err, HONE_ARGUMENT, "preset 'mlp' for 1 classes: expected 2 to 100000");
    assert_int_equal(hone_model_preset(&model, "mlp", &flat, 10, &err), HONE_SHAPE);
    mt_expect_message(&err, HONE_SHAPE, "takes images (height, width, channels), not (784,)");
    assert_int_equal(hone_model_preset(&model, "mlp", &shape, 10, NULL), HONE_OK);
    hone_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sizes_at_28_by_28),
        cmocka_unit_test(mnist_cnn_is_the_articles),
        cmocka_unit_test(other_pictures_and_class_counts_fit),
        cmocka_unit_test(smallest_pictures),
        cmocka_unit_test(what_presets_refuse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
