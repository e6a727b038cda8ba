/* SPDX-License-Identifier: Apache-2.0
 *
 * Surgery: heads found and replaced, inputs changed, models cut, weights taken over. */
#include "model_internal.h"
#include "test.h"

#include <math.h>
#include <string.h>

static void assert_ok(hone_status status, const hone_error *err) {
    if (status != HONE_OK) fail_msg("%s", err->message);
}

static void add(hone_model *model, const char *class_name, const char *key, int64_t value, const char *activation) {
    hone_error err;
    hone_value *config = hone_value_object();
    if (key) hone_value_set_integer(config, key, value);
    if (strcmp(class_name, "Conv2D") == 0) hone_value_set_integer(config, "kernel_size", value == 5 ? 1 : 3);
    if (strcmp(class_name, "Dropout") == 0) hone_value_set_real(config, "rate", 0.5);
    if (activation) hone_value_set_string(config, "activation", activation);
    assert_ok(hone_model_add(model, class_name, config, &err), &err);
    hone_value_free(config);
}

/* Conv - BN - pooling - Dropout - Dense(3); names "a", "b", "c". */
static hone_model *make_base(int channels, bool flat) {
    hone_model *model;
    hone_error err;
    hone_shape input = {3, {8, 8, channels}};
    assert_ok(hone_model_create(&model, "base", &err), &err);
    assert_ok(hone_model_input(model, &input, &err), &err);
    add(model, "Conv2D", "filters", 4, "relu");
    add(model, "BatchNormalization", NULL, 0, NULL);
    add(model, flat ? "Flatten" : "GlobalAveragePooling2D", NULL, 0, NULL);
    add(model, "Dropout", NULL, 0, NULL);
    add(model, "Dense", "units", 3, "softmax");
    assert_ok(hone_model_build(model, 5, &err), &err);
    static const char *const names[] = {"a", "b", "c"};
    assert_ok(hone_model_set_class_names(model, names, 3, &err), &err);
    for (size_t i = 0; i < model->data_size; i++) model->data[i] += 0.01f * (float)(i % 7);
    return model;
}

static const float *weight_of(const hone_model *model, const char *layer, const char *name) {
    int index = hone__weight_find(model, layer, name);
    assert_true(index >= 0);
    return model->data + model->weights[index].offset;
}

static void predict(hone_model *model, const float *x, size_t n, float *y) {
    hone_error err;
    hone_plan *plan;
    hone_plan_config config = hone_plan_config_default();
    assert_ok(hone_plan_create(&plan, model, &config, &err), &err);
    hone_plan_predict(plan, x, n, y);
    hone_plan_free(plan);
}

static void test_find_head(void **state) {
    (void)state;
    hone_error err;
    size_t head;
    hone_model *model = make_base(1, false);
    assert_ok(hone_model_find_head(model, &head, &err), &err);
    assert_string_equal(model->layers[head]->name, "dense");
    hone_model_free(model);

    /* 1x1 convolution, pooling, softmax: as MobileNet V1 and SqueezeNet end. */
    hone_shape input = {3, {6, 6, 1}};
    assert_ok(hone_model_create(&model, NULL, &err), &err);
    assert_ok(hone_model_input(model, &input, &err), &err);
    add(model, "Conv2D", "filters", 4, "relu");
    add(model, "Conv2D", "filters", 5, "relu");
    add(model, "GlobalAveragePooling2D", NULL, 0, NULL);
    add(model, "Activation", NULL, 0, "softmax");
    assert_ok(hone_model_build(model, 1, &err), &err);
    assert_ok(hone_model_find_head(model, &head, &err), &err);
    assert_string_equal(model->layers[head]->name, "conv2d_1");
    hone_model_free(model);

    /* Features alone are no head. */
    assert_ok(hone_model_create(&model, NULL, &err), &err);
    assert_ok(hone_model_input(model, &input, &err), &err);
    add(model, "Conv2D", "filters", 4, "relu");
    add(model, "GlobalAveragePooling2D", NULL, 0, NULL);
    assert_ok(hone_model_build(model, 1, &err), &err);
    assert_int_equal(hone_model_find_head(model, &head, &err), HONE_NOT_FOUND);
    assert_non_null(strstr(err.message, "conv2d"));
    hone_model_free(model);
}

static void test_replace_keeps_rows(void **state) {
    (void)state;
    hone_error err;
    hone_model *base = make_base(1, false), *model;
    static const char *const names[] = {"x", "c", "a", "y"};
    hone_head_config config = {.class_names = names, .classes = 4, .seed = 3};
    hone_head_report report;
    assert_ok(hone_model_replace_head(&model, base, &config, &report, &err), &err);
    assert_int_equal(report.kept, 2);
    assert_false(report.appended);
    assert_int_equal(hone_model_output_size(model), 4);
    assert_string_equal(hone_model_class_name(model, 1), "c");
    const float *now = weight_of(model, "dense", "kernel"), *then = weight_of(base, "dense", "kernel");
    for (size_t row = 0; row < 4; row++) {
        assert_float_equal(now[row * 4 + 1], then[row * 3 + 2], 0);
        assert_float_equal(now[row * 4 + 2], then[row * 3 + 0], 0);
    }
    assert_float_equal(weight_of(model, "dense", "bias")[1], weight_of(base, "dense", "bias")[2], 0);
    assert_memory_equal(weight_of(model, "conv2d", "kernel"), weight_of(base, "conv2d", "kernel"), 36 * 4);
    assert_memory_equal(weight_of(model, "batch_normalization", "moving_variance"),
                        weight_of(base, "batch_normalization", "moving_variance"), 4 * 4);
    hone_model_free(model);

    /* As many classes, but others: nothing of the old head may be left. */
    static const char *const others[] = {"x", "y", "z"};
    config = (hone_head_config){.class_names = others, .classes = 3, .seed = 3};
    assert_ok(hone_model_replace_head(&model, base, &config, &report, &err), &err);
    assert_int_equal(report.kept, 0);
    now = weight_of(model, "dense", "kernel");
    for (size_t i = 0; i < 12; i++) assert_true(now[i] != then[i]);
    for (size_t i = 0; i < 3; i++) assert_float_equal(weight_of(model, "dense", "bias")[i], 0, 0);
    hone_model_free(model);
    config.classes = 1;
    assert_int_equal(hone_model_replace_head(&model, base, &config, &report, &err), HONE_ARGUMENT);
    hone_model_free(base);
}

/* One sigmoid says the same as a softmax of two that has kept both. */
static void test_binary_head(void **state) {
    (void)state;
    hone_error err;
    hone_model *base, *model;
    hone_shape input = {1, {3}};
    static const char *const names[] = {"no", "yes"};
    assert_ok(hone_model_create(&base, NULL, &err), &err);
    assert_ok(hone_model_input(base, &input, &err), &err);
    add(base, "Dense", "units", 1, "sigmoid");
    assert_ok(hone_model_build(base, 4, &err), &err);
    assert_ok(hone_model_set_class_names(base, names, 2, &err), &err);
    hone_head_config config = {.class_names = names, .classes = 2};
    hone_head_report report;
    assert_ok(hone_model_replace_head(&model, base, &config, &report, &err), &err);
    assert_int_equal(report.kept, 2);
    const float x[3] = {0.3f, -1.2f, 0.7f};
    float one, two[2];
    predict(base, x, 1, &one);
    predict(model, x, 1, two);
    assert_float_equal(two[1], one, 1e-6);
    hone_model_free(base);
    hone_model_free(model);
}

static void test_appended_head(void **state) {
    (void)state;
    hone_error err;
    hone_model *base, *model;
    hone_shape input = {3, {6, 6, 1}};
    static const char *const names[] = {"p", "q"};
    hone_head_config config = {.class_names = names, .classes = 2};
    hone_head_report report;
    assert_ok(hone_model_create_functional(&base, NULL, &err), &err);
    hone_value *in = hone_value_object(), *conv = hone_value_object();
    int64_t batch_shape[] = {6, 6, 1};
    hone_value *shape = hone_value_list();
    hone_value_append(shape, hone_value_null());
    for (int i = 0; i < 3; i++) hone_value_append(shape, hone_value_integer(batch_shape[i]));
    hone_value_set(in, "batch_shape", shape);
    hone_value_set_string(in, "name", "in");
    hone_value_set_integer(conv, "filters", 3);
    hone_value_set_integer(conv, "kernel_size", 3);
    hone_value_set_string(conv, "name", "conv");
    assert_ok(hone_model_apply(base, "InputLayer", in, NULL, 0, &err), &err);
    assert_ok(hone_model_apply(base, "Conv2D", conv, (const char *const[]){"in"}, 1, &err), &err);
    hone_value_free(in);
    hone_value_free(conv);
    assert_ok(hone_model_build(base, 1, &err), &err);
    assert_ok(hone_model_replace_head(&model, base, &config, &report, &err), &err);
    assert_true(report.appended);
    assert_int_equal(hone_model_output_size(model), 2);
    assert_string_equal(model->layers[report.layer]->type->class_name, "Dense");
    assert_memory_equal(weight_of(model, "conv", "kernel"), weight_of(base, "conv", "kernel"), 27 * 4);
    (void)input;
    hone_model_free(base);
    hone_model_free(model);
}

static void test_other_input(void **state) {
    (void)state;
    hone_error err;
    hone_model *base = make_base(3, false), *model = NULL;
    static const char *const names[] = {"a", "b", "c"};
    hone_head_config config = {.class_names = names, .classes = 3, .input = {3, {12, 10, 1}}};
    hone_head_report report;
    assert_ok(hone_model_replace_head(&model, base, &config, &report, &err), &err);
    hone_shape input = hone_model_input_shape(model);
    assert_true(hone_shape_equal(&input, &config.input));
    /* Grey is what all three channels show: the sum of their kernels. */
    const float *now = weight_of(model, "conv2d", "kernel"), *then = weight_of(base, "conv2d", "kernel");
    for (size_t tap = 0; tap < 9; tap++)
        for (size_t f = 0; f < 4; f++)
            assert_float_equal(now[tap * 4 + f],
                               then[(tap * 3 + 0) * 4 + f] + then[(tap * 3 + 1) * 4 + f] + then[(tap * 3 + 2) * 4 + f],
                               1e-6);
    hone_model_free(model);
    hone_model_free(base);

    /* Flatten: the head may change its rows, so nothing is kept; but a hidden Dense behind Flatten may not. */
    base = make_base(1, true);
    config.input = (hone_shape){3, {12, 10, 1}};
    assert_ok(hone_model_replace_head(&model, base, &config, &report, &err), &err);
    assert_int_equal(report.kept, 0);
    hone_model_free(model);
    hone_model_free(base);
    hone_shape small = {3, {4, 4, 1}};
    assert_ok(hone_model_create(&base, NULL, &err), &err);
    assert_ok(hone_model_input(base, &small, &err), &err);
    add(base, "Flatten", NULL, 0, NULL);
    add(base, "Dense", "units", 6, "relu");
    add(base, "Dense", "units", 3, "softmax");
    assert_ok(hone_model_build(base, 1, &err), &err);
    assert_int_equal(hone_model_replace_head(&model, base, &config, &report, &err), HONE_SHAPE);
    assert_non_null(strstr(err.message, "'dense'"));
    hone_model_free(base);
}

static void freeze_all_but(hone_model *model, const char *name) {
    for (size_t i = 0; i < model->layer_count; i++)
        model->layers[i]->trainable = strcmp(model->layers[i]->name, name) == 0;
}

static void test_cut(void **state) {
    (void)state;
    hone_error err;
    hone_model *model = make_base(1, false), *front, *tail;
    freeze_all_but(model, "dense");
    assert_ok(hone_model_cut(model, &front, &tail, &err), &err);
    assert_non_null(front);
    /* The Dropout right before the head trains with it. */
    assert_string_equal(tail->layers[1]->type->class_name, "Dropout");
    assert_int_equal(tail->layer_count, 3);
    float x[2 * 64], whole[6], features[2 * 4], parts[6];
    for (size_t i = 0; i < 128; i++) x[i] = sinf((float)i);
    predict(model, x, 2, whole);
    predict(front, x, 2, features);
    predict(tail, features, 2, parts);
    for (size_t i = 0; i < 6; i++) assert_float_equal(parts[i], whole[i], 1e-6);
    hone_model_free(front);
    hone_model_free(tail);

    /* Nothing is frozen before what trains; nothing trains. */
    freeze_all_but(model, "conv2d");
    assert_ok(hone_model_cut(model, &front, &tail, &err), &err);
    assert_null(front);
    freeze_all_but(model, "nothing");
    assert_ok(hone_model_cut(model, &front, &tail, &err), &err);
    assert_null(tail);
    hone_model_free(model);
}

/* In front of the head, whatever is frozen, and what is frozen stays so. */
static void test_cut_head(void **state) {
    (void)state;
    hone_error err;
    hone_model *model = make_base(1, true), *front, *tail;
    freeze_all_but(model, "conv2d");
    assert_ok(hone_model_cut_head(model, &front, &tail, &err), &err);
    for (size_t i = 0; i < model->layer_count; i++)
        assert_int_equal(model->layers[i]->trainable, strcmp(model->layers[i]->name, "conv2d") == 0);
    int64_t size = hone_model_output_size(front);
    assert_int_equal(size, hone_model_input_size(tail));
    assert_int_equal(size, 6 * 6 * 4);
    float x[2 * 64], whole[6], features[2 * 144], parts[6];
    for (size_t i = 0; i < 128; i++) x[i] = sinf((float)i);
    predict(model, x, 2, whole);
    predict(front, x, 2, features);
    predict(tail, features, 2, parts);
    for (size_t i = 0; i < 6; i++) assert_float_equal(parts[i], whole[i], 1e-6);
    hone_model_free(front);
    hone_model_free(tail);
    hone_model_free(model);

    hone_shape input = {3, {8, 8, 1}};
    assert_ok(hone_model_create(&model, NULL, &err), &err);
    assert_ok(hone_model_input(model, &input, &err), &err);
    assert_ok(hone_model_conv2d(model, 2, 3, "relu", &err), &err);
    assert_ok(hone_model_build(model, 1, &err), &err);
    assert_int_equal(hone_model_cut_head(model, &front, &tail, &err), HONE_NOT_FOUND);
    assert_null(front);
    assert_null(tail);
    hone_model_free(model);
}

static void test_copy_weights(void **state) {
    (void)state;
    hone_error err;
    hone_model *from = make_base(1, false), *to = make_base(1, true);
    hone_weight_copy report;
    memset(to->data, 0, to->data_size * sizeof(float));
    assert_ok(hone_model_copy_weights(to, from, true, &report, &err), &err);
    assert_int_equal(report.by_name, 2);
    assert_int_equal(report.left, 1);
    assert_string_equal(report.first_left, "dense");
    assert_int_equal(report.values, 9 * 4 + 4 + 4 * 4);
    assert_memory_equal(weight_of(to, "conv2d", "kernel"), weight_of(from, "conv2d", "kernel"), 36 * 4);
    hone_model_free(to);

    /* Another name, the same shapes: by shape, or not at all. */
    hone_shape input = {3, {8, 8, 1}};
    assert_ok(hone_model_create(&to, NULL, &err), &err);
    assert_ok(hone_model_input(to, &input, &err), &err);
    hone_value *config = hone_value_object();
    hone_value_set_integer(config, "filters", 4);
    hone_value_set_integer(config, "kernel_size", 3);
    hone_value_set_string(config, "name", "other");
    assert_ok(hone_model_add(to, "Conv2D", config, &err), &err);
    hone_value_free(config);
    assert_ok(hone_model_build(to, 1, &err), &err);
    assert_ok(hone_model_copy_weights(to, from, false, &report, &err), &err);
    assert_int_equal(report.left, 1);
    assert_ok(hone_model_copy_weights(to, from, true, &report, &err), &err);
    assert_int_equal(report.by_shape, 1);
    assert_memory_equal(weight_of(to, "other", "kernel"), weight_of(from, "conv2d", "kernel"), 36 * 4);
    hone_model_free(to);
    hone_model_free(from);
}

static hone_status every_surgery(void *context) {
    const hone_model *base = context;
    static const char *const names[] = {"x", "c"};
    hone_head_config config = {.class_names = names, .classes = 2, .input = {3, {9, 9, 1}}};
    hone_head_report report;
    hone_model *model = NULL, *front = NULL, *tail = NULL;
    hone_status status = hone_model_replace_head(&model, base, &config, &report, NULL);
    if (status == HONE_OK) freeze_all_but(model, "dense");
    if (status == HONE_OK) status = hone_model_cut(model, &front, &tail, NULL);
    hone_model_free(front);
    hone_model_free(tail);
    front = tail = NULL;
    if (status == HONE_OK) status = hone_model_cut_head(model, &front, &tail, NULL);
    hone_model_free(model);
    hone_model_free(front);
    hone_model_free(tail);
    return status;
}

static void test_memory(void **state) {
    (void)state;
    hone_model *base = make_base(1, false);
    assert_true(test_every_allocation(every_surgery, base) > 30);
    hone_model_free(base);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find_head),   cmocka_unit_test(test_replace_keeps_rows),
        cmocka_unit_test(test_binary_head), cmocka_unit_test(test_appended_head),
        cmocka_unit_test(test_other_input), cmocka_unit_test(test_cut),
        cmocka_unit_test(test_cut_head),    cmocka_unit_test(test_copy_weights),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
