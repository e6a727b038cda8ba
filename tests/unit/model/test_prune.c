/* SPDX-License-Identifier: Apache-2.0
 *
 * Pruning: where the filters that go are zero, the smaller network answers the same. */
#include "model_test.h"

#include <math.h>

/* Sequential networks of all that pruning knows; every second filter of 'a', 'b', … is made nothing. */
static const char *const networks[][12] = {
    {"InputLayer|{'batch_input_shape': [null, 10, 10, 2]}", "Conv2D|{'name': 'a', 'filters': 8, 'kernel_size': 3}",
     "BatchNormalization|{}", "ReLU|{}", "MaxPooling2D|{}",
     "Conv2D|{'name': 'b', 'filters': 6, 'kernel_size': 2, 'activation': 'relu'}", "Flatten|{}",
     "Dense|{'name': 'c', 'units': 12, 'activation': 'relu'}", "Dropout|{'rate': 0.3}",
     "Dense|{'units': 5, 'activation': 'softmax'}"},
    {"InputLayer|{'batch_input_shape': [null, 9, 9, 3]}",
     "Conv2D|{'name': 'a', 'filters': 4, 'kernel_size': 3, 'padding': 'same', 'activation': 'relu'}",
     "DepthwiseConv2D|{'kernel_size': 3, 'depth_multiplier': 2, 'activation': 'relu'}",
     "SeparableConv2D|{'name': 'b', 'filters': 6, 'kernel_size': 2, 'depth_multiplier': 3, 'activation': 'relu'}",
     "UpSampling2D|{}", "ZeroPadding2D|{}", "AveragePooling2D|{}", "GlobalMaxPooling2D|{}", "Dense|{'units': 3}",
     "Softmax|{}"},
};
enum { NETWORKS = sizeof networks / sizeof networks[0] };

static hone_model *make(size_t network) {
    hone_model *model = mt_create();
    for (size_t i = 0; i < 12 && networks[network][i]; i++) {
        char class_name[64];
        const char *bar = strchr(networks[network][i], '|');
        snprintf(class_name, sizeof class_name, "%.*s", (int)(bar - networks[network][i]), networks[network][i]);
        mt_add(model, class_name, bar + 1);
    }
    mt_build(model, 4);
    return model;
}

/* Filters 1, 3, 5, … of layers with a name of one letter. Their kernels, biases and what a BatchNormalization adds. */
static void silence(hone_model *model) {
    for (size_t i = 0; i < hone_model_weight_count(model); i++) {
        hone_weight_info w = mt_weight(model, i);
        if (strlen(w.layer) != 1 || strstr(w.name, "depthwise")) continue;
        int64_t channels = w.shape.dims[w.shape.rank - 1];
        for (int64_t k = 0; k < hone_shape_size(&w.shape); k++)
            if (k % channels % 2 == 1) w.data[k] = 0;
    }
}

static void predict(hone_model *model, const float *x, float *y) {
    hone_plan *plan;
    hone_plan_config config = hone_plan_config_default();
    assert_int_equal(hone_plan_create(&plan, model, &config, NULL), HONE_OK);
    hone_plan_predict(plan, x, 2, y);
    hone_plan_free(plan);
}

static void check_same(hone_model *a, hone_model *b) {
    float x[2 * 243], ya[10], yb[10];
    for (size_t i = 0; i < sizeof x / sizeof x[0]; i++) x[i] = (float)((i * 37) % 101) / 50 - 1;
    predict(a, x, ya);
    predict(b, x, yb);
    for (int64_t i = 0; i < 2 * hone_model_output_size(a); i++) assert_true(fabsf(ya[i] - yb[i]) < 1e-6f);
}

static void test_silent_filters_go(void **state) {
    (void)state;
    for (size_t n = 0; n < NETWORKS; n++) {
        hone_model *model = make(n), *smaller;
        hone_error err = {0};
        silence(model);
        if (hone_model_prune(&smaller, model, 0.5, &err) != HONE_OK) fail_msg("%s", err.message);
        assert_true(mt_parameters(smaller, false) * 10 < mt_parameters(model, false) * 7);
        check_same(model, smaller);
        hone_model_free(smaller);
        hone_model_free(model);
    }
}

static void test_all_of_them(void **state) {
    (void)state;
    hone_model *model = make(1), *same;
    const char *const classes[] = {"x", "y", "z"};
    hone_preprocessing pixels;
    assert_int_equal(hone_preprocessing_parse(&pixels, "signed", NULL), HONE_OK);
    hone_model_set_preprocessing(model, &pixels);
    assert_int_equal(hone_model_set_class_names(model, classes, 3, NULL), HONE_OK);
    assert_int_equal(hone_model_prune(&same, model, 1, NULL), HONE_OK);
    assert_int_equal(mt_parameters(same, false), mt_parameters(model, false));
    check_same(model, same);
    assert_string_equal(hone_model_class_name(same, 2), "z");
    assert_int_equal(hone_model_preprocessing(same).kind, HONE_INPUT_SIGNED);
    hone_model_free(same);
    /* one filter is always left */
    assert_int_equal(hone_model_prune(&same, model, 1e-9, NULL), HONE_OK);
    assert_int_equal(mt_layer(same, 1).output.dims[2], 1);
    assert_int_equal(hone_model_output_size(same), 3);
    hone_model_free(same);
    hone_model_free(model);
}

static void expect_refused(hone_model *model, double share, hone_status status, const char *message) {
    hone_model *out = model;
    hone_error err = {0};
    assert_int_equal(hone_model_prune(&out, model, share, &err), status);
    assert_null(out);
    mt_expect_message(&err, status, message);
    hone_model_free(model);
}

static void test_refusals(void **state) {
    (void)state;
    expect_refused(make(0), 0, HONE_ARGUMENT, "share");
    expect_refused(make(0), NAN, HONE_ARGUMENT, "share");
    expect_refused(mt_create(), 0.5, HONE_ARGUMENT, "not built");
    hone_model *groups = mt_create();
    mt_add(groups, "InputLayer", "{'batch_input_shape': [null, 5, 5, 4]}");
    mt_add(groups, "Conv2D", "{'name': 'g', 'filters': 4, 'kernel_size': 2, 'groups': 2}");
    mt_build(groups, 0);
    expect_refused(groups, 0.5, HONE_UNSUPPORTED, "layer 'g': it has groups");
    hone_model *mixed = mt_create();
    mt_add(mixed, "InputLayer", "{'batch_input_shape': [null, 5, 5, 4]}");
    mt_add(mixed, "Permute", "{'name': 'p', 'dims': [3, 1, 2]}");
    mt_build(mixed, 0);
    expect_refused(mixed, 0.5, HONE_UNSUPPORTED, "layer 'p' (Permute)");
    hone_model *graph;
    assert_int_equal(hone_model_create_functional(&graph, NULL, NULL), HONE_OK);
    hone_value *config = mt_value("{'name': 'i', 'batch_input_shape': [null, 4]}");
    assert_int_equal(hone_model_apply(graph, "InputLayer", config, NULL, 0, NULL), HONE_OK);
    hone_value_free(config);
    mt_build(graph, 0);
    expect_refused(graph, 0.5, HONE_UNSUPPORTED, "no chain");
}

static hone_status prune_scenario(void *context) {
    hone_model *smaller;
    hone_status status = hone_model_prune(&smaller, context, 0.5, NULL);
    hone_model_free(smaller);
    return status;
}

static void test_faults(void **state) {
    (void)state;
    hone_model *model = make(1);
    assert_true(test_every_allocation(prune_scenario, model) > 20);
    hone_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silent_filters_go),
        cmocka_unit_test(test_all_of_them),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_faults),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
