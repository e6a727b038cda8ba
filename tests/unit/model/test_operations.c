/* SPDX-License-Identifier: Apache-2.0
 *
 * Steps between layers as Keras 3 and Keras 2 write them, put into words of layers: what they compute, in small numbers
 * that can be followed by hand, and what is refused. */
#include "model_test.h"

#include <math.h>

#define INPUT(shape)                                                                                                   \
    "{'class_name': 'InputLayer', 'name': 'x', 'config': {'batch_shape': " shape ", 'name': 'x'}, 'inbound_nodes': "   \
    "[]}"
#define MODEL(shape, layers, output)                                                                                   \
    "{'class_name': 'Functional', 'config': {'name': 'f', 'layers': [" INPUT(                                          \
        shape) ", " layers "], 'input_layers': [['x', 0, 0]], 'output_layers': [['" output "', 0, 0]]}}"
#define TENSOR(name, shape)                                                                                            \
    "{'class_name': '__keras_tensor__', 'config': {'shape': " shape ", 'keras_history': ['" name "', 0, 0]}}"
/* Of keras.ops, as .keras says it. */
#define STEP(class, config, arguments)                                                                                 \
    "{'class_name': '" class "', 'module': 'keras.src.ops.numpy', 'name': 'op', 'config': {" config                    \
                             "}, 'inbound_nodes': [{'args': [" arguments "], 'kwargs': {}}]}"
#define OF_3(shape, class, config, more) MODEL(shape, STEP(class, config, TENSOR("x", shape) more), "op")
#define OF_2(shape, class, function, keywords)                                                                         \
    MODEL(shape,                                                                                                       \
          "{'class_name': '" class "', 'name': 'op', 'config': {'function': '" function                                \
                                   "'}, 'inbound_nodes': [['x', 0, 0, {" keywords "}]]}",                              \
          "op")
#define SLICE(start, stop, step)                                                                                       \
    "{'class_name': '__slice__', 'config': {'start': " start ", 'stop': " stop ", 'step': " step "}}"
#define ALL      SLICE("null", "null", "null")
#define REST     "{'class_name': '__ellipsis__', 'config': {}}"
#define PICTURE  "[null, 2, 2, 3]" /* of the numbers from 0 on */
#define SEQUENCE "[null, 3, 2]"
#define COLUMN   "[null, 3, 1, 1]"
/* Twice the sum along the last axis. */
#define SUMS(of)                                                                                                       \
    "{'class_name': 'Dense', 'name': 'sums', 'config': {'name': 'sums', 'units': 2, 'kernel_initializer': 'ones'}, "   \
    "'inbound_nodes': [[['" of "', 0, 0, {}]]]}"

static const struct {
    const char *config;
    size_t count;
    float expected[12];
} steps[] = {
    {OF_3(PICTURE, "Mean", "'axis': [1, 2], 'keepdims': false", ""), 3, {4.5F, 5.5F, 6.5F}},
    {OF_3(PICTURE, "Mean", "'axis': [-3, -2], 'keepdims': true", ""), 3, {4.5F, 5.5F, 6.5F}},
    {OF_3(PICTURE, "Max", "'axis': [2, 1], 'keepdims': false", ""), 3, {9, 10, 11}},
    {OF_3(SEQUENCE, "Mean", "'axis': 1, 'keepdims': false", ""), 2, {2, 3}},
    {OF_3(PICTURE, "Transpose", "'axes': [0, 3, 1, 2]", ""), 12, {0, 3, 6, 9, 1, 4, 7, 10, 2, 5, 8, 11}},
    {OF_3(PICTURE, "Square", "", ""), 12, {0, 1, 4, 9, 16, 25, 36, 49, 64, 81, 100, 121}},
    {OF_3(SEQUENCE, "Power", "", ", 2"), 6, {0, 1, 4, 9, 16, 25}},
    {OF_3("[null, 1, 1, 2]", "Pad", "'pad_width': [[0, 0], [1, 0], [0, 1], [0, 0]], 'mode': 'constant'", ""),
     8,
     {0, 0, 0, 0, 0, 1, 0, 0}},
    {OF_3(PICTURE, "GetItem", "", ", [" REST ", 1]"), 4, {1, 4, 7, 10}},
    {OF_3(PICTURE, "GetItem", "", ", [" REST ", " SLICE("null", "null", "-1") "]"),
     12,
     {2, 1, 0, 5, 4, 3, 8, 7, 6, 11, 10, 9}},
    {OF_3(PICTURE, "GetItem", "", ", [" ALL ", " SLICE("1", "null", "null") ", " SLICE("-2", "-1", "1") "]"),
     3,
     {6, 7, 8}},
    {OF_3(PICTURE, "GetItem", "", ", [" ALL ", 1, " ALL ", " SLICE("0", "2", "null") "]"), 4, {6, 7, 9, 10}},
    {OF_3(SEQUENCE, "GetItem", "", ", [" ALL ", -1]"), 2, {4, 5}},
    {OF_3(SEQUENCE, "GetItem", "", ", [" ALL ", " SLICE("1", "9", "null") ", 0]"), 2, {2, 4}},
    {MODEL(COLUMN, STEP("Squeeze", "'axis': null", TENSOR("x", COLUMN)) ", " SUMS("op"), "sums"), 2, {3, 3}},
    {OF_3(SEQUENCE, "Add", "", ", {'class_name': '__tensor__', 'config': {'value': [[[10, 20]]]}}"),
     6,
     {10, 21, 12, 23, 14, 25}},
    {OF_3(SEQUENCE, "TrueDivide", "", ", {'class_name': '__tensor__', 'config': {'value': [2, 4]}}"),
     6,
     {0, 0.25F, 1, 0.75F, 2, 1.25F}},
    {MODEL(SEQUENCE,
           STEP("Subtract", "", "{'class_name': '__tensor__', 'config': {'value': [1, 2]}}, " TENSOR("x", SEQUENCE)),
           "op"),
     6,
     {1, 1, -1, -1, -3, -3}},
    {MODEL(SEQUENCE, STEP("Stack", "'axis': -1", "[" TENSOR("x", SEQUENCE) ", " TENSOR("x", SEQUENCE) "]"), "op"),
     12,
     {0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5}},
    {MODEL(SEQUENCE, STEP("Concatenate", "'axis': 1", "[" TENSOR("x", SEQUENCE) ", " TENSOR("x", SEQUENCE) "]"), "op"),
     12,
     {0, 1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 5}},
    {OF_2(PICTURE, "TFOpLambda", "math.reduce_mean", "'axis': [1, 2]"), 3, {4.5F, 5.5F, 6.5F}},
    {OF_2(SEQUENCE, "TFOpLambda", "nn.bias_add", "'bias': [10, 20], 'data_format': 'NHWC'"),
     6,
     {10, 21, 12, 23, 14, 25}},
    {OF_2(SEQUENCE, "TFOpLambda", "math.truediv", "'y': [2, 4], 'name': null"), 6, {0, 0.25F, 1, 0.75F, 2, 1.25F}},
    {OF_2(PICTURE, "SlicingOpLambda", "__operators__.getitem",
          "'slice_spec': [{'class_name': '__ellipsis__'}, {'start': null, 'stop': null, 'step': -1}]"),
     12,
     {2, 1, 0, 5, 4, 3, 8, 7, 6, 11, 10, 9}},
};

static hone_status compute(void *context) {
    hone_model *model;
    hone_plan *plan = NULL;
    float x[12], y[12];
    for (int i = 0; i < 12; i++) x[i] = (float)i;
    HONE_TRY(hone_model_from_config(&model, context, NULL));
    hone_status status = hone_model_build(model, 1, NULL);
    if (!status) status = hone_plan_create(&plan, model, NULL, NULL);
    if (!status) hone_plan_predict(plan, x, 1, y);
    hone_plan_free(plan);
    hone_model_free(model);
    return status;
}

/* As the file says it, and as we say it in layers. */
static void steps_compute_what_they_say(void **state) {
    (void)state;
    float x[12], y[12];
    for (int i = 0; i < 12; i++) x[i] = (float)i;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        hone_model *model = mt_from_config(steps[i].config);
        for (int written = 0; written < 2; written++) {
            hone_plan *plan;
            mt_build(model, 1);
            hone_shape shape = hone_model_output_shape(model);
            if (hone_shape_size(&shape) != (int64_t)steps[i].count) fail_msg("step %zu gives another shape", i);
            assert_int_equal(hone_plan_create(&plan, model, NULL, NULL), HONE_OK);
            hone_plan_predict(plan, x, 1, y);
            hone_plan_free(plan);
            for (size_t k = 0; k < steps[i].count; k++)
                if (fabsf(y[k] - steps[i].expected[k]) > 1e-6F) fail_msg("step %zu: %g at %zu", i, (double)y[k], k);
            hone_value *config = mt_to_config(model);
            hone_model_free(model);
            assert_int_equal(hone_model_from_config(&model, config, NULL), HONE_OK);
            hone_value_free(config);
        }
        hone_model_free(model);
    }
}

static void the_rest_is_refused(void **state) {
    (void)state;
    static const char *const refused[] = {
        OF_3(PICTURE, "Mean", "'axis': [0, 1], 'keepdims': false", ""),
        OF_3(PICTURE, "Mean", "'axis': null, 'keepdims': false", ""),
        OF_3(PICTURE, "Max", "'axis': [1, 1], 'keepdims': false", ""),
        OF_3(PICTURE, "Transpose", "'axes': [1, 0, 2, 3]", ""),
        OF_3(PICTURE, "Reshape", "'newshape': [4, 3]", ""),
        OF_3(PICTURE, "Pad", "'pad_width': [[0, 0], [0, 0], [0, 0], [1, 0]], 'mode': 'constant'", ""),
        OF_3(PICTURE, "Pad", "'pad_width': [[0, 0], [1, 1], [1, 1], [0, 0]], 'mode': 'reflect'", ""),
        OF_3(PICTURE, "GetItem", "", ", [0]"),
        OF_3(PICTURE, "GetItem", "", ", [" REST ", " REST "]"),
        OF_3(PICTURE, "GetItem", "", ", [" REST ", 3]"),
        OF_3(PICTURE, "GetItem", "", ", [" ALL ", " ALL ", " ALL ", " ALL ", 0]"),
        OF_3(PICTURE, "GetItem", "", ", [" ALL ", " SLICE("null", "null", "2") "]"),
        OF_3(PICTURE, "GetItem", "", ", [" ALL ", " SLICE("2", "1", "1") "]"),
        OF_3(PICTURE, "GetItem", "", ", [" ALL "]"),
        OF_3(PICTURE, "Power", "", ", 3"),
        OF_3(PICTURE, "ExpandDims", "'axis': 0", ""),
        OF_3(PICTURE, "Squeeze", "'axis': 1", ""),
        MODEL(SEQUENCE,
              STEP("GetItem", "", TENSOR("x", "[null, -9223372036854775807, 2]") ", [" ALL ", -9223372036854775807]"),
              "op"),
        OF_3(PICTURE, "Add", "", ", {'class_name': '__tensor__', 'config': {'value': [[1], [2]]}}"),
        OF_3(PICTURE, "TrueDivide", "", ", {'class_name': '__tensor__', 'config': {'value': [1, 0, 2]}}"),
        OF_2(PICTURE, "TFOpLambda", "nn.bias_add", "'bias': [1, 2], 'data_format': 'NCHW'"),
        OF_2(PICTURE, "TFOpLambda", "math.add", "'y': 1, 'where': [1, 2]"),
    };
    for (size_t i = 0; i < sizeof refused / sizeof *refused; i++)
        mt_expect_refused(refused[i], HONE_UNSUPPORTED, "unsupported operation");
    mt_expect_refused(MODEL(SEQUENCE,
                            "{'class_name': 'Dense', 'name': 'd', 'config': {'name': 'd', 'units': 2}, "
                            "'inbound_nodes': [{'args': [" TENSOR("x", SEQUENCE) "], 'kwargs': {'scale': 'two'}}]}",
                            "d"),
                      HONE_UNSUPPORTED, "layer 'd': it is called with 'scale', which is not supported");
}

static void memory_may_run_out_anywhere(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        hone_value *config = mt_value(steps[i].config);
        assert_true(test_every_allocation(compute, config) > 20);
        hone_value_free(config);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(steps_compute_what_they_say),
        cmocka_unit_test(the_rest_is_refused),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
