/* SPDX-License-Identifier: Apache-2.0
 *
 * ONNX files of PyTorch's exporters, and operators by themselves (tests/golden/onnx), answer as PyTorch and ONNX Runtime
 * did; what hone exports is read back; what cannot be read is refused in one line. */
#include "test.h"

#include "file.h"
#include "onnx.pb-c.h"
#include "onnx_model.h"

#include "core_internal.h"

#include <math.h>
#include <string.h>

static unsigned char *golden(const char *name, size_t *size) {
    char path[512];
    unsigned char *bytes;
    snprintf(path, sizeof path, HONE_TEST_GOLDEN "onnx/%s", name);
    assert_int_equal(hone__file_read(path, SIZE_MAX / 2, &bytes, size, NULL), HONE_OK);
    return bytes;
}

static hone_model *read_model(const void *bytes, size_t size) {
    hone_model *model = NULL;
    hone_value *metadata = NULL;
    hone_error err = {0};
    const hone__onnx_surroundings around = {.folder = HONE_TEST_GOLDEN "onnx"};
    if (hone__onnx_read(&model, &metadata, bytes, size, &around, &err) != HONE_OK) fail_msg("%s", err.message);
    hone_value_free(metadata);
    return model;
}

static float *predict(hone_model *model, const float *x, size_t n) {
    hone_plan *plan;
    float *y = hone__alloc(n * (size_t)hone_model_output_size(model), sizeof *y);
    assert_non_null(y);
    assert_int_equal(hone_plan_create(&plan, model, NULL, NULL), HONE_OK);
    hone_plan_predict(plan, x, n, y);
    hone_plan_free(plan);
    return y;
}

static void expect_close(const float *a, const float *b, size_t n, double tolerance, const char *what) {
    double worst = 0;
    for (size_t i = 0; i < n; i++) {
        double difference = fabs((double)a[i] - (double)b[i]) / fmax(1, fabs((double)b[i]));
        if (!(difference <= worst)) worst = difference;
    }
    if (!(worst <= tolerance)) fail_msg("%s: differs by %g", what, worst);
}

static size_t count_layers(const hone_model *model, const char *class_name) {
    size_t count = 0;
    hone_layer_info info;
    for (size_t i = 0; i < hone_model_layer_count(model); i++) {
        assert_int_equal(hone_model_layer_info(model, i, &info), HONE_OK);
        count += strcmp(info.class_name, class_name) == 0;
    }
    return count;
}

static const char *const files[] = {"torch-plain",
                                    "torch-plain-fixed",
                                    "torch-block",
                                    "torch-transformer",
                                    "torch-transformer-17",
                                    "torch-transformer-packed",
                                    "torch-dynamo-plain",
                                    "torch-dynamo-block",
                                    "torch-dynamo-transformer",
                                    "ort-activations",
                                    "ort-tables",
                                    "ort-pools",
                                    "ort-parts",
                                    "ort-windows",
                                    "ort-products",
                                    "ort-few",
                                    "ort-constants",
                                    "ort-statistics",
                                    "ort-fixed",
                                    "ort-old",
                                    NULL};

static void test_files(void **state) {
    (void)state;
    for (int i = 0; files[i]; i++) {
        char name[64];
        size_t size, numbers;
        snprintf(name, sizeof name, "%s.onnx", files[i]);
        unsigned char *bytes = golden(name, &size);
        snprintf(name, sizeof name, "%s.f32", files[i]);
        unsigned char *expected = golden(name, &numbers);
        hone_model *model = read_model(bytes, size);
        size_t inputs = (size_t)hone_model_input_size(model), outputs = (size_t)hone_model_output_size(model);
        size_t samples = numbers / sizeof(float) / (inputs + outputs);
        assert_int_equal(samples * (inputs + outputs) * sizeof(float), numbers);
        const float *x = (const float *)(const void *)expected;
        float *y = predict(model, x, samples);
        expect_close(y, x + samples * inputs, samples * outputs, 1e-5, files[i]);
        hone__free(y);
        hone_model_free(model);
        hone__free(bytes);
        hone__free(expected);
    }
}

/* What becomes of them is what Keras would have. */
static void test_layers(void **state) {
    (void)state;
    size_t size;
    unsigned char *bytes = golden("torch-plain.onnx", &size);
    hone_model *model = read_model(bytes, size);
    assert_int_equal(count_layers(model, "Conv2D"), 2);
    assert_int_equal(count_layers(model, "Dense"), 2);
    assert_int_equal(count_layers(model, "Flatten"), 1);
    assert_int_equal(count_layers(model, "Permute"), 0); /* the kernel behind the flatten was turned instead */
    assert_int_equal(count_layers(model, "Reshape"), 0);
    hone_layer_info info;
    assert_int_equal(hone_model_layer_info(model, 1, &info), HONE_OK);
    assert_string_equal(info.name, "features_0");
    hone_model_free(model);
    hone__free(bytes);

    bytes = golden("torch-transformer.onnx", &size);
    model = read_model(bytes, size);
    assert_int_equal(count_layers(model, "MultiHeadAttention"), 1);
    assert_int_equal(count_layers(model, "LayerNormalization"), 3);
    assert_int_equal(count_layers(model, "Embedding"), 2); /* the class token, the positions */
    assert_int_equal(count_layers(model, "Dense"), 3);
    hone_model_free(model);
    hone__free(bytes);
}

/* ---- there and back ---------------------------------------------------------------------------------------------- */

static void test_round_trip(void **state) {
    (void)state;
    static const char *const names[] = {"mnist-cnn", "mnist-fast", "mnist-best", "lenet5", "mlp", NULL};
    static const hone_shape shape = {3, {28, 28, 1}};
    float x[2 * 28 * 28];
    for (size_t i = 0; i < sizeof x / sizeof x[0]; i++) x[i] = (float)(i * 7919 % 1000) / 1000;
    for (int i = 0; names[i]; i++) {
        for (int channels_first = 0; channels_first < 2; channels_first++) {
            hone_model *model;
            unsigned char *bytes;
            size_t size;
            hone_onnx_options options = {.channels_first = channels_first == 1};
            assert_int_equal(hone_model_preset(&model, names[i], &shape, 10, NULL), HONE_OK);
            assert_int_equal(hone_model_build(model, 3, NULL), HONE_OK);
            assert_int_equal(hone__onnx_write(model, &options, NULL, &bytes, &size, NULL), HONE_OK);
            assert_true(hone__onnx_sniff(bytes, size));
            hone_model *again = read_model(bytes, size);
            float *expected = predict(model, x, 2), *y = predict(again, x, 2);
            expect_close(y, expected, 20, 1e-6, names[i]);
            hone__free(expected);
            hone__free(y);
            hone__free(bytes);
            hone_model_free(model);
            hone_model_free(again);
        }
    }
}

/* ---- what is refused --------------------------------------------------------------------------------------------- */

static Hone__Onnx__Model *unpacked(const char *name) {
    size_t size;
    unsigned char *bytes = golden(name, &size);
    Hone__Onnx__Model *file = hone__onnx__model__unpack(NULL, size, bytes);
    assert_non_null(file);
    hone__free(bytes);
    return file;
}

/* The file, once changed, is refused with these words; file is freed. */
static void expect_refusal(Hone__Onnx__Model *file, hone_status status, const char *words) {
    size_t size = hone__onnx__model__get_packed_size(file);
    unsigned char *bytes = hone__alloc(size, 1);
    hone_model *model;
    hone_value *metadata;
    hone_error err = {0};
    assert_non_null(bytes);
    hone__onnx__model__pack(file, bytes);
    hone__onnx__model__free_unpacked(file, NULL);
    assert_int_equal(hone__onnx_read(&model, &metadata, bytes, size, NULL, &err), status);
    if (!strstr(err.message, words)) fail_msg("'%s' lacks '%s'", err.message, words);
    assert_null(model);
    assert_null(metadata);
    hone__free(bytes);
}

static char *text(const char *words) {
    char *copy = malloc(strlen(words) + 1); /* protobuf-c frees it */
    assert_non_null(copy);
    return strcpy(copy, words);
}

static Hone__Onnx__Node *node_called(Hone__Onnx__Model *file, const char *op_type) {
    for (size_t i = 0; i < file->graph->n_node; i++)
        if (strcmp(file->graph->node[i]->op_type, op_type) == 0) return file->graph->node[i];
    fail_msg("no %s", op_type);
    return NULL;
}

static void test_refusals(void **state) {
    (void)state;
    Hone__Onnx__Model *file = unpacked("torch-plain.onnx");
    Hone__Onnx__Node *node = node_called(file, "LeakyRelu");
    free(node->op_type);
    node->op_type = text("Wobble");
    expect_refusal(file, HONE_UNSUPPORTED, "(Wobble, opset 13): this operator is not supported");

    file = unpacked("torch-plain.onnx");
    node = node_called(file, "LeakyRelu");
    free(node->op_type);
    node->op_type = text("ArgMax");
    expect_refusal(file, HONE_UNSUPPORTED, "export the model without the choice at its end");

    file = unpacked("torch-plain.onnx");
    node = node_called(file, "Conv");
    free(node->domain);
    node->domain = text("com.example");
    expect_refusal(file, HONE_UNSUPPORTED, "operators of 'com.example'");

    file = unpacked("torch-plain.onnx");
    file->graph->initializer[0]->dims[0] = (int64_t)1 << 40;
    expect_refusal(file, HONE_LIMIT, "claims");

    file = unpacked("torch-plain.onnx");
    file->graph->initializer[0]->dims[0] += 1;
    expect_refusal(file, HONE_FORMAT, "the file holds");

    file = unpacked("torch-plain.onnx");
    file->graph->input[0]->type->tensor_type->shape->dim[2]->has_dim_value = 0;
    expect_refusal(file, HONE_SHAPE, "pictures of any size, and is given none");

    file = unpacked("torch-plain.onnx");
    file->graph->input[0]->type->tensor_type->shape->dim[1]->has_dim_value = 0;
    expect_refusal(file, HONE_UNSUPPORTED, "leaves the number of its channels open");

    file = unpacked("torch-plain.onnx");
    file->opset_import[0]->version = 99;
    expect_refusal(file, HONE_UNSUPPORTED, "operator set 99");

    file = unpacked("torch-plain.onnx"); /* a cycle: the first node reads what the last one makes */
    node = file->graph->node[0];
    free(node->input[0]);
    node->input[0] = text(file->graph->node[file->graph->n_node - 1]->output[0]);
    expect_refusal(file, HONE_FORMAT, "which nothing before it makes");
}

/* Masks stay what they are; tables that are added to scores train. */
static void test_masks(void **state) {
    (void)state;
    size_t size, tables[2] = {0};
    unsigned char *bytes = golden("ort-windows.onnx", &size);
    hone_model *model;
    hone_value *metadata;
    assert_int_equal(hone__onnx_read(&model, &metadata, bytes, size, NULL, NULL), HONE_OK);
    for (size_t i = 0; i < hone_model_layer_count(model); i++) {
        hone_layer_info layer;
        assert_int_equal(hone_model_layer_info(model, i, &layer), HONE_OK);
        if (strcmp(layer.class_name, "Embedding") == 0) tables[layer.trainable]++;
    }
    assert_int_equal(tables[false], 1);
    assert_true(tables[true] >= 1);
    hone_model_free(model);
    hone_value_free(metadata);
    hone__free(bytes);
}

/* Pictures of a size that the file leaves open and the caller states. */
static void test_open_size(void **state) {
    (void)state;
    Hone__Onnx__Model *file = unpacked("torch-plain.onnx");
    for (int i = 2; i < 4; i++) file->graph->input[0]->type->tensor_type->shape->dim[i]->has_dim_value = 0;
    size_t size = hone__onnx__model__get_packed_size(file);
    unsigned char *bytes = hone__alloc(size, 1);
    bool is_open = false;
    hone__onnx_surroundings around = {.height = 16, .width = 16, .is_open = &is_open};
    hone_model *model;
    hone_value *metadata;
    assert_non_null(bytes);
    hone__onnx__model__pack(file, bytes);
    hone__onnx__model__free_unpacked(file, NULL);
    assert_int_equal(hone__onnx_read(&model, &metadata, bytes, size, &around, NULL), HONE_OK);
    assert_true(is_open);
    assert_int_equal(hone_model_input_shape(model).dims[1], 16);
    hone_model_free(model);
    hone_value_free(metadata);
    around.height = 40; /* another one than the matrix behind the flatten is for */
    assert_int_equal(hone__onnx_read(&model, &metadata, bytes, size, &around, NULL), HONE_SHAPE);
    hone__free(bytes);
}

static void test_damage(void **state) {
    (void)state;
    size_t size;
    unsigned char *bytes = golden("torch-block.onnx", &size);
    for (size_t length = 0; length < size; length += 97) {
        hone_model *model;
        hone_value *metadata;
        assert_int_not_equal(hone__onnx_read(&model, &metadata, bytes, length, NULL, NULL), HONE_OK);
        assert_null(model);
    }
    assert_false(hone__onnx_sniff((const unsigned char *)"\x89HDF\r\n", 6));
    assert_false(hone__onnx_sniff((const unsigned char *)"{\"class_name\"", 13));
    hone__free(bytes);
}

typedef struct bytes_of {
    unsigned char *bytes;
    size_t size;
} bytes_of;

static hone_status read_once(void *context) {
    const bytes_of *b = context;
    hone_model *model;
    hone_value *metadata;
    hone_status status = hone__onnx_read(&model, &metadata, b->bytes, b->size, NULL, NULL);
    hone_model_free(model);
    hone_value_free(metadata);
    return status;
}

static void test_memory(void **state) {
    (void)state;
    bytes_of b;
    b.bytes = golden("torch-plain-fixed.onnx", &b.size);
    assert_true(test_every_allocation(read_once, &b) > 100);
    hone__free(b.bytes);
    b.bytes = golden("ort-few.onnx", &b.size);
    assert_true(test_every_allocation(read_once, &b) > 100);
    hone__free(b.bytes);
    b.bytes = golden("ort-old.onnx", &b.size);
    assert_true(test_every_allocation(read_once, &b) > 100);
    hone__free(b.bytes);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_files),    cmocka_unit_test(test_layers), cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_damage), cmocka_unit_test(test_open_size),
        cmocka_unit_test(test_memory),   cmocka_unit_test(test_masks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
