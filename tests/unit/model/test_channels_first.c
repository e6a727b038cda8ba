/* SPDX-License-Identifier: Apache-2.0
 *
 * Models of channels_first: what each layer becomes, where Permutes come between, models within, and memory that runs out.
 * That the numbers are Keras' is said by the golden files of Keras 1 and by tests/interop/test_channels_first.py. */
#include "model_test.h"

#define LAYER(class_name, config) "{'class_name': '" class_name "', 'config': {" config "}}"
#define INPUT(shape)              LAYER("InputLayer", "'name': 'in', 'batch_input_shape': [null, " shape "]")
#define SEQUENTIAL(layers)        "{'class_name': 'Sequential', 'config': {'name': 's', 'layers': [" layers "]}}"
#define FIRST                     "'data_format': 'channels_first'"
#define CONVOLUTION               LAYER("Conv2D", "'name': 'c', 'filters': 4, 'kernel_size': 3, " FIRST)
#define NODE(class_name, name, config, inputs)                                                                         \
    "{'class_name': '" class_name "', 'name': '" name "', 'config': {'name': '" name "'" config                        \
    "}, 'inbound_nodes': [" inputs "]}"

/* The layers behind the input as "CLASS(axes)", from first to last. */
static void becomes(const char *text, const char *expected) {
    hone_model *model = mt_from_config(text);
    mt_build(model, 1);
    char found[1024] = "";
    size_t length = 0;
    for (size_t i = 0; i < hone_model_layer_count(model); i++) {
        char shape[96];
        hone_layer_info info = mt_layer(model, i);
        length += (size_t)snprintf(found + length, sizeof found - length, "%s%s%s", i ? " " : "", info.class_name,
                                   hone_shape_text(&info.output, false, shape, sizeof shape));
        assert_true(length < sizeof found);
    }
    assert_string_equal(found, expected);
    hone_model_free(model);
}

static void pictures_come_in_the_other_way_round(void **state) {
    (void)state;
    becomes(SEQUENTIAL(INPUT("3, 8, 7") ", " CONVOLUTION), "InputLayer(8, 7, 3) Conv2D(6, 5, 4)");
    becomes(SEQUENTIAL(LAYER("Conv2D", "'filters': 4, 'kernel_size': 3, 'batch_input_shape': [null, 3, 8, 7], " FIRST)),
            "InputLayer(8, 7, 3) Conv2D(6, 5, 4)");
    /* the file's own are last already */
    becomes(SEQUENTIAL(INPUT("8, 7, 3") ", " LAYER("Permute", "'dims': [3, 1, 2]") ", " CONVOLUTION),
            "InputLayer(8, 7, 3) Permute(8, 7, 3) Conv2D(6, 5, 4)");
}

static void what_knows_channels_keeps_them_last(void **state) {
    (void)state;
    becomes(
        SEQUENTIAL(INPUT("3, 8, 7") ", " CONVOLUTION ", " LAYER("BatchNormalization", "'axis': [1]") ", " LAYER("ReLU", "") ", " LAYER(
            "Activation",
            "'activation': 'tanh'") ", " LAYER("ZeroPadding2D",
                                               "'padding': [[1, 0], [0, 2]], " FIRST) ", " LAYER("MaxPooling2D",
                                                                                                 "'pool_size': [2, "
                                                                                                 "1], " FIRST) ","
                                                                                                               " " LAYER(
                                                                                                                   "Glo"
                                                                                                                   "bal"
                                                                                                                   "Ave"
                                                                                                                   "rag"
                                                                                                                   "ePo"
                                                                                                                   "oli"
                                                                                                                   "ng2"
                                                                                                                   "D",
                                                                                                                   FIRST)),
        "InputLayer(8, 7, 3) Conv2D(6, 5, 4) BatchNormalization(6, 5, 4) ReLU(6, 5, 4) Activation(6, 5, 4) "
        "ZeroPadding2D(7, 7, 4) MaxPooling2D(3, 7, 4) GlobalAveragePooling2D(4,)");
    becomes(SEQUENTIAL(INPUT("3, 8, 7") ", " CONVOLUTION ", " LAYER("Flatten", FIRST)),
            "InputLayer(8, 7, 3) Conv2D(6, 5, 4) Flatten(120,)");
    becomes(SEQUENTIAL(INPUT("3, 8, 7") ", " CONVOLUTION
                                        ", " LAYER("Permute", "'dims': [2, 3, 1]") ", " LAYER("Dense", "'units': 2")),
            "InputLayer(8, 7, 3) Conv2D(6, 5, 4) Permute(6, 5, 4) Dense(6, 5, 2)");
}

static void what_counts_on_the_order_gets_it_back(void **state) {
    (void)state;
    becomes(SEQUENTIAL(INPUT("3, 8, 7") ", " CONVOLUTION ", " LAYER("Flatten", "'data_format': 'channels_last'")),
            "InputLayer(8, 7, 3) Conv2D(6, 5, 4) Permute(4, 6, 5) Flatten(120,)");
    becomes(SEQUENTIAL(INPUT("3, 8, 7") ", " CONVOLUTION ", " LAYER("Dense", "'units': 2") ", " LAYER(
                "Softmax", "'axis': 1") ", " LAYER("MaxPooling2D", "'pool_size': 2, " FIRST)),
            "InputLayer(8, 7, 3) Conv2D(6, 5, 4) Permute(4, 6, 5) Dense(4, 6, 2) Permute(6, 2, 4) Softmax(6, 2, 4) "
            "MaxPooling2D(3, 1, 4)");
    becomes(SEQUENTIAL(INPUT("3, 8, 7") ", " CONVOLUTION ", " LAYER("BatchNormalization", "'axis': -1")),
            "InputLayer(8, 7, 3) Conv2D(6, 5, 4) Permute(4, 6, 5) BatchNormalization(4, 6, 5)");
    becomes(SEQUENTIAL(INPUT("3, 8, 7") ", " CONVOLUTION ", " LAYER("Activation", "'activation': 'softmax'")),
            "InputLayer(8, 7, 3) Conv2D(6, 5, 4) Permute(4, 6, 5) Activation(4, 6, 5)");
    becomes(SEQUENTIAL(INPUT("3, 8, 7") ", " CONVOLUTION
                                        ", " LAYER("Reshape", "'target_shape': [20, 6]") ", " LAYER("Flatten", "")),
            "InputLayer(8, 7, 3) Conv2D(6, 5, 4) Permute(4, 6, 5) Reshape(20, 6) Flatten(120,)");
}

#define BLOCK(axis, last)                                                                                                                        \
    "{'class_name': 'Functional', 'config': {'name': 'f', 'layers': ["                                                                           \
    "{'class_name': 'InputLayer', 'name': 'in', 'config': {'name': 'in', 'batch_input_shape': [null, 3, 8, 7]}, "                                \
    "'inbound_nodes': []}, " NODE("Conv2D", "a", ", 'filters': 3, 'kernel_size': 1, " FIRST, "[['in', 0, 0, {}]], [['a', 0, 0, {}]]") ", " NODE( \
        "GlobalAveragePooling2D", "g", ", " FIRST,                                                                                               \
        "[['a', 1, 0, {}]]") ", " NODE("Reshape", "r", ", 'target_shape': [3, 1, 1]",                                                            \
                                       "[['g', 0, 0, {}]]") ", " NODE("Multiply", "m", "",                                                       \
                                                                      "[['a', 0, 0, {}], ['r', 0, 0, "                                           \
                                                                      "{}]]") ", " NODE("Concatenate", "k",                                      \
                                                                                        ", 'axis': " axis,                                       \
                                                                                        "[['m', 0, 0, "                                          \
                                                                                        "{}], ['a', 1, "                                         \
                                                                                        "0, {}]]") last                                          \
        "], 'input_layers': [['in', 0, 0]], 'output_layers': [['k', 0, 0]]}}"

static void branches_meet_in_one_order(void **state) {
    (void)state;
    /* a is applied twice; what squeezes and excites needs no Permute */
    becomes(BLOCK("1", ""), "InputLayer(8, 7, 3) Conv2D(8, 7, 3) GlobalAveragePooling2D(3,) Reshape(1, 1, 3) "
                            "Multiply(8, 7, 3) Concatenate(8, 7, 6)");
    becomes(BLOCK("-2", ""), "InputLayer(8, 7, 3) Conv2D(8, 7, 3) GlobalAveragePooling2D(3,) Reshape(1, 1, 3) "
                             "Multiply(8, 7, 3) Concatenate(16, 7, 3)");
}

static void models_within_say_what_they_take(void **state) {
    (void)state;
    static const char within[] =
        "{'class_name': 'Sequential', 'config': {'name': 'w', 'layers': [" INPUT("3, 8, 7") ", " CONVOLUTION "]}}";
    char text[2048];
    snprintf(text, sizeof text, SEQUENTIAL("%s, " LAYER("Flatten", "")), within);
    becomes(text, "InputLayer(8, 7, 3) Conv2D(6, 5, 4) InputLayer(8, 7, 3) Permute(4, 6, 5) Flatten(120,)");
    /* one that knows nothing of it gets the file's order */
    snprintf(text, sizeof text, SEQUENTIAL(INPUT("3, 8, 7") ", " CONVOLUTION ", %s"),
             "{'class_name': 'Sequential', 'config': {'name': 'w', 'layers': [" INPUT("4, 6, 5") ", " LAYER("Flatten",
                                                                                                            "") "]}}");
    becomes(text, "InputLayer(8, 7, 3) Conv2D(6, 5, 4) InputLayer(4, 6, 5) Flatten(120,) Permute(4, 6, 5)");
}

static void what_cannot_be_turned_is_refused(void **state) {
    (void)state;
    static const struct {
        const char *config, *words;
    } cases[] = {
        {SEQUENTIAL(INPUT("3, 8, 7") ", " LAYER("Conv2D", "'name': 'c', 'filters': 4, 'kernel_size': 3, "
                                                          "'activation': 'softmax', " FIRST)),
         "layer 'c': data_format 'channels_first'"},
        {SEQUENTIAL(INPUT("3, 8") ", " LAYER("GlobalAveragePooling1D", "'name': 'g', " FIRST)),
         "layer 'g': data_format 'channels_first'"},
        {SEQUENTIAL(INPUT("24") ", " CONVOLUTION), "layer 'c_channels_last': dims has 3 axes"},
        {SEQUENTIAL(CONVOLUTION), "no input shape"},
        {SEQUENTIAL(INPUT("3, 8, 7") ", " CONVOLUTION ", " LAYER("Lambda", "'name': 'l'")), "Lambda"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hone_model *model;
        hone_error err = {0};
        hone_value *config = mt_value(cases[i].config);
        hone_status status = hone_model_from_config(&model, config, &err);
        if (status == HONE_OK) {
            status = hone_model_build(model, 0, &err);
            hone_model_free(model);
        }
        if (status == HONE_OK || status == HONE_MEMORY || !strstr(err.message, cases[i].words))
            fail_msg("case %zu: status %d, '%s' lacks '%s'", i, status, err.message, cases[i].words);
        hone_value_free(config);
    }
}

static hone_status read_model(void *context) {
    hone_model *model;
    HONE_TRY(hone_model_from_config(&model, context, NULL));
    hone_model_free(model);
    return HONE_OK;
}

static void running_out_of_memory_is_survived(void **state) {
    (void)state;
    static const char *const models[] = {
        SEQUENTIAL(INPUT("3, 8, 7") ", " CONVOLUTION ", " LAYER("Flatten", "")),
        SEQUENTIAL(SEQUENTIAL(INPUT("3, 8, 7") ", " CONVOLUTION) ", " LAYER("Dense", "'units': 2")),
        BLOCK("1", ", " NODE("Flatten", "e", "", "[['k', 0, 0, {}]]")),
    };
    for (size_t i = 0; i < sizeof models / sizeof *models; i++) {
        hone_value *config = mt_value(models[i]);
        assert_true(test_every_allocation(read_model, config) > 20);
        hone_value_free(config);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pictures_come_in_the_other_way_round),  cmocka_unit_test(what_knows_channels_keeps_them_last),
        cmocka_unit_test(what_counts_on_the_order_gets_it_back), cmocka_unit_test(branches_meet_in_one_order),
        cmocka_unit_test(models_within_say_what_they_take),      cmocka_unit_test(what_cannot_be_turned_is_refused),
        cmocka_unit_test(running_out_of_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
