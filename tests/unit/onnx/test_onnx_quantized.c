/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX files in 8-bit integers: what is written of a quantized model, that the same comes back of it, and files that
 * cannot be read. (Calibration is not needed for that: every tensor is given the same scale.) */
#include "test.h"

#include "onnx.pb-c.h"
#include "onnx_model.h"

#include "core_internal.h"
#include "int8_graph.h"

#include <math.h>
#include <string.h>

/* ---- a quantized model ------------------------------------------------------------------------------------------- */

static void add_tensors(const hone_model *model, hone_value *tensors) {
    hone__builder b = {0};
    assert_int_equal(hone__lower_model(&b, model, 0, NULL), HONE_OK);
    for (size_t t = 0; t < b.tensor_count; t++) {
        char *name = hone__tensor_name(&b, (int)t);
        hone_value *tensor = hone_value_object();
        hone_value_set_string(tensor, "name", name);
        hone_value_set_real(tensor, "scale", (int)t == b.input ? 1 / 255.0 : 0.03);
        hone_value_set_integer(tensor, "zero_point", (int)t == b.input ? 0 : 128);
        hone_value_append(tensors, tensor);
        hone__free(name);
    }
    hone__builder_release(&b);
}

static hone_model *quantized(const char *preset) {
    static const hone_shape shape = {3, {28, 28, 1}};
    char hash[17];
    hone_model *model;
    hone_value *record = hone_value_object(), *tensors = hone_value_list();
    assert_int_equal(hone_model_preset(&model, preset, &shape, 10, NULL), HONE_OK);
    assert_int_equal(hone_model_build(model, 1, NULL), HONE_OK);
    hone__weights_hash(model, hash);
    hone_value_set_string(record, "weights", hash);
    hone_value_set_boolean(record, "per_channel", true);
    add_tensors(model, tensors);
    hone_value_set(record, "tensors", tensors);
    assert_int_equal(hone_model_set_record(model, HONE_INT8_RECORD, record, NULL), HONE_OK);
    return model;
}

static const hone_onnx_options in_bytes = {.int8 = true};

static Hone__Onnx__Model *written(const hone_model *model) {
    unsigned char *bytes;
    size_t size;
    hone_error err = {0};
    if (hone__onnx_write(model, &in_bytes, NULL, &bytes, &size, &err) != HONE_OK) fail_msg("%s", err.message);
    Hone__Onnx__Model *file = hone__onnx__model__unpack(NULL, size, bytes);
    assert_non_null(file);
    hone__free(bytes);
    return file;
}

static hone_status read_again(const Hone__Onnx__Model *file, hone_model **model, hone_error *err) {
    size_t size = hone__onnx__model__get_packed_size(file);
    unsigned char *bytes = hone__alloc(size, 1);
    hone_value *metadata;
    assert_non_null(bytes);
    hone__onnx__model__pack(file, bytes);
    hone_status status = hone__onnx_read(model, &metadata, bytes, size, NULL, err);
    hone_value_free(metadata);
    hone__free(bytes);
    return status;
}

static Hone__Onnx__Tensor *constant(const Hone__Onnx__Model *file, const char *name) {
    for (size_t i = 0; i < file->graph->n_initializer; i++)
        if (strcmp(file->graph->initializer[i]->name, name) == 0) return file->graph->initializer[i];
    fail_msg("there is no '%s'", name);
    return NULL;
}

/* ---- there and back ---------------------------------------------------------------------------------------------- */

static void test_what_is_written(void **state) {
    (void)state;
    enum { UINT8 = 2, INT8 = 3, INT32 = 6 };
    hone_model *model = quantized("lenet5");
    Hone__Onnx__Model *file = written(model);
    size_t rounds = 0;
    for (size_t i = 0; i < file->graph->n_node; i++) {
        const Hone__Onnx__Node *node = file->graph->node[i];
        bool is_rounding = strcmp(node->op_type, "QuantizeLinear") == 0;
        rounds += is_rounding;
        if (is_rounding) assert_string_equal(file->graph->node[i + 1]->op_type, "DequantizeLinear");
    }
    assert_true(rounds >= 8);
    assert_int_equal(constant(file, "conv2d/kernel")->data_type, INT8);
    assert_int_equal(constant(file, "conv2d/kernel_scale")->n_dims, 1);
    assert_int_equal(constant(file, "conv2d/bias")->data_type, INT32);
    assert_int_equal(constant(file, "constant/uint8_128")->data_type, UINT8);
    hone__onnx__model__free_unpacked(file, NULL);
    hone_model_free(model);
}

static float *predict(hone_model *model, hone_precision precision, const float *x, size_t n) {
    hone_plan *plan;
    hone_plan_config config = hone_plan_config_default();
    float *y = hone__alloc(n * (size_t)hone_model_output_size(model), sizeof *y);
    assert_non_null(y);
    config.precision = precision;
    assert_int_equal(hone_plan_create(&plan, model, &config, NULL), HONE_OK);
    hone_plan_predict(plan, x, n, y);
    hone_plan_free(plan);
    return y;
}

/* The same 8-bit numbers: weights go through floats, and their scales are found again to the last bit but one. */
static void test_round_trip(void **state) {
    (void)state;
    static const char *const presets[] = {"lenet5", "mnist-fast", "mlp"};
    enum { SAMPLES = 5, PIXELS = 28 * 28, CLASSES = 10 };
    float x[SAMPLES * PIXELS];
    for (size_t i = 0; i < sizeof x / sizeof *x; i++) x[i] = (float)(i * 37 % 256) / 255;
    for (size_t p = 0; p < sizeof presets / sizeof *presets; p++) {
        hone_model *model = quantized(presets[p]), *again;
        Hone__Onnx__Model *file = written(model);
        hone_error err = {0};
        if (read_again(file, &again, &err) != HONE_OK) fail_msg("%s: %s", presets[p], err.message);
        hone_value_kind kind = hone_value_kind_of(hone_model_record(again, HONE_INT8_RECORD));
        assert_int_equal(kind, HONE_VALUE_OBJECT);
        float *before = predict(model, HONE_PRECISION_INT8, x, SAMPLES);
        float *behind = predict(again, HONE_PRECISION_INT8, x, SAMPLES);
        float *floats = predict(again, HONE_PRECISION_FLOAT32, x, SAMPLES);
        for (size_t i = 0; i < SAMPLES * CLASSES; i++) {
            assert_true(fabsf(before[i] - behind[i]) < 1e-4f);
            assert_true(fabsf(before[i] - floats[i]) < 0.05f);
        }
        hone__free(before);
        hone__free(behind);
        hone__free(floats);
        hone__onnx__model__free_unpacked(file, NULL);
        hone_model_free(again);
        hone_model_free(model);
    }
}

/* ---- what cannot be ---------------------------------------------------------------------------------------------- */

static void test_void_record(void **state) {
    (void)state;
    hone_error err;
    unsigned char *bytes;
    size_t size;
    hone_model *model = quantized("mlp");
    model->data[0] += 1;
    assert_int_equal(hone__onnx_write(model, &in_bytes, NULL, &bytes, &size, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "quantize it again"));
    assert_int_equal(hone_model_set_record(model, HONE_INT8_RECORD, hone_value_null(), NULL), HONE_OK);
    assert_int_equal(hone__onnx_write(model, &in_bytes, NULL, &bytes, &size, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "hone quantize"));
    assert_null(bytes);
    hone_model_free(model);
}

/* Gives the file back. */
static void expect_refusal(Hone__Onnx__Model *file, hone_status expected, const char *words) {
    hone_error err = {0};
    hone_model *model = NULL;
    assert_int_equal(read_again(file, &model, &err), expected);
    assert_null(model);
    if (!strstr(err.message, words)) fail_msg("'%s' is not in '%s'", words, err.message);
    hone__onnx__model__free_unpacked(file, NULL);
}

static Hone__Onnx__Node *first_node(const Hone__Onnx__Model *file, const char *op_type) {
    for (size_t i = 0; i < file->graph->n_node; i++)
        if (strcmp(file->graph->node[i]->op_type, op_type) == 0) return file->graph->node[i];
    fail_msg("there is no %s", op_type);
    return NULL;
}

/* With another name of the same length; protobuf-c frees it. */
static void rename_to(char *name, const char *other) {
    assert_true(strlen(other) <= strlen(name));
    memcpy(name, other, strlen(other) + 1);
}

static void test_refusals(void **state) {
    (void)state;
    static const float bad[] = {0, -1, INFINITY, NAN};
    hone_model *model = quantized("mlp");
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        Hone__Onnx__Model *file = written(model);
        memcpy(constant(file, "dense/kernel_scale")->raw_data.data, &bad[i], sizeof bad[i]);
        expect_refusal(file, HONE_FORMAT, "a scale is");
    }
    Hone__Onnx__Model *file = written(model);
    constant(file, "dense/kernel_scale")->dims[0]--; /* and the bytes that go with it */
    constant(file, "dense/kernel_scale")->raw_data.len -= sizeof(float);
    expect_refusal(file, HONE_FORMAT, "zero points");

    file = written(model);
    const Hone__Onnx__Node *node = first_node(file, "Gemm");
    Hone__Onnx__Node *weights = NULL;
    for (size_t i = 0; i < file->graph->n_node; i++)
        if (strcmp(file->graph->node[i]->output[0], node->input[1]) == 0) weights = file->graph->node[i];
    assert_non_null(weights);
    weights->attribute[0]->i = 7;
    expect_refusal(file, HONE_UNSUPPORTED, "fit no axis");

    file = written(model);
    node = first_node(file, "QuantizeLinear");
    rename_to(node->input[1], node->input[0]); /* a scale that a picture gives */
    expect_refusal(file, HONE_UNSUPPORTED, "computed from the picture");

    file = written(model);
    rename_to(first_node(file, "QuantizeLinear")->op_type, "QLinearMatMul");
    expect_refusal(file, HONE_UNSUPPORTED, "QuantFormat.QDQ");
    hone_model_free(model);
}

/* Finer steps than the sums have: the model is read, and computes in float. */
static void test_what_is_not_kept(void **state) {
    (void)state;
    hone_model *model = quantized("mlp"), *again;
    Hone__Onnx__Model *file = written(model);
    const float fine = 1e-7f;
    for (size_t i = 0; i < file->graph->n_initializer; i++) {
        const Hone__Onnx__Tensor *t = file->graph->initializer[i];
        if (strncmp(t->name, "constant/0.029", 14) == 0) memcpy(t->raw_data.data, &fine, sizeof fine);
    }
    assert_int_equal(read_again(file, &again, NULL), HONE_OK);
    assert_int_equal(hone_value_kind_of(hone_model_record(again, HONE_INT8_RECORD)), HONE_VALUE_NULL);
    hone__onnx__model__free_unpacked(file, NULL);
    hone_model_free(again);
    hone_model_free(model);
}

static void rename_input(Hone__Onnx__Node *node, size_t i, const char *name) {
    free(node->input[i]); /* protobuf-c's own */
    node->input[i] = malloc(strlen(name) + 1);
    assert_non_null(node->input[i]);
    strcpy(node->input[i], name);
}

/* A zero of 16 bits among the file's constants. */
static void add_wide_zero(Hone__Onnx__Model *file, const char *name) {
    Hone__Onnx__Graph *graph = file->graph;
    Hone__Onnx__Tensor *tensor = malloc(sizeof *tensor);
    assert_non_null(tensor);
    hone__onnx__tensor__init(tensor);
    tensor->name = malloc(strlen(name) + 1);
    tensor->int32_data = malloc(sizeof *tensor->int32_data);
    graph->initializer = realloc(graph->initializer, (graph->n_initializer + 1) * sizeof(Hone__Onnx__Tensor *));
    assert_true(tensor->name && tensor->int32_data && graph->initializer);
    strcpy(tensor->name, name);
    tensor->has_data_type = true;
    tensor->data_type = 5; /* INT16 */
    tensor->int32_data[0] = 0;
    tensor->n_int32_data = 1;
    graph->initializer[graph->n_initializer++] = tensor;
}

static void keep_line(void *context, hone_log_level level, const char *message) {
    (void)level;
    snprintf(context, HONE_ERROR_MESSAGE_SIZE, "%s", message);
}

/* One tensor of several is rounded to 16 bits: the others are kept, and a line says which one is not. */
static void test_what_is_lost(void **state) {
    (void)state;
    char line[HONE_ERROR_MESSAGE_SIZE] = "";
    hone_model *model = quantized("lenet5"), *again;
    Hone__Onnx__Model *file = written(model);
    Hone__Onnx__Node *rounding = NULL;
    size_t found = 0;
    add_wide_zero(file, "wide");
    for (size_t i = 0; i < file->graph->n_node; i++) {
        Hone__Onnx__Node *node = file->graph->node[i];
        found += strcmp(node->op_type, "QuantizeLinear") == 0;
        if (found != 3) continue;
        if (!rounding) rounding = node;
        rename_input(node, 2, "wide");
        if (node != rounding) break; /* DequantizeLinear */
    }
    hone_set_log(keep_line, line, HONE_LOG_WARNING);
    hone_status status = read_again(file, &again, NULL);
    hone_set_log(NULL, NULL, HONE_LOG_WARNING);
    assert_int_equal(status, HONE_OK);
    assert_int_equal(hone_value_kind_of(hone_model_record(again, HONE_INT8_RECORD)), HONE_VALUE_OBJECT);
    if (!strstr(line, "1 of the ") || !strstr(line, rounding->output[0])) fail_msg("'%s' tells nothing", line);
    hone__onnx__model__free_unpacked(file, NULL);
    hone_model_free(again);
    file = written(model); /* and nothing is said where nothing is lost */
    line[0] = '\0';
    hone_set_log(keep_line, line, HONE_LOG_WARNING);
    assert_int_equal(read_again(file, &again, NULL), HONE_OK);
    hone_set_log(NULL, NULL, HONE_LOG_WARNING);
    assert_string_equal(line, "");
    hone__onnx__model__free_unpacked(file, NULL);
    hone_model_free(again);
    hone_model_free(model);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

static hone_status write_once(void *context) {
    unsigned char *bytes;
    size_t size;
    hone_status status = hone__onnx_write(context, &in_bytes, NULL, &bytes, &size, NULL);
    hone__free(bytes);
    return status;
}

typedef struct file_bytes {
    unsigned char *bytes;
    size_t size;
} file_bytes;

static hone_status read_once(void *context) {
    const file_bytes *b = context;
    hone_model *model;
    hone_value *metadata;
    hone_status status = hone__onnx_read(&model, &metadata, b->bytes, b->size, NULL, NULL);
    hone_model_free(model);
    hone_value_free(metadata);
    return status;
}

static void test_memory(void **state) {
    (void)state;
    file_bytes b;
    hone_model *model = quantized("mlp");
    assert_true(test_every_allocation(write_once, model) > 20);
    assert_int_equal(hone__onnx_write(model, &in_bytes, NULL, &b.bytes, &b.size, NULL), HONE_OK);
    assert_true(test_every_allocation(read_once, &b) > 100);
    hone__free(b.bytes);
    hone_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_is_written),  cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_void_record),      cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_what_is_not_kept), cmocka_unit_test(test_what_is_lost),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
