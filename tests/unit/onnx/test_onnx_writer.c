/* SPDX-License-Identifier: Apache-2.0
 *
 * What the export writes, read again message by message; and memory that runs out on the way. */
#include "test.h"

#include "onnx.pb-c.h"
#include "onnx_model.h"
#include "onnx_writer.h"

#include "core_internal.h"

#include <string.h>

static hone_model *preset(const char *name) {
    static const hone_shape shape = {3, {28, 28, 1}};
    hone_model *model;
    assert_int_equal(hone_model_preset(&model, name, &shape, 10, NULL), HONE_OK);
    assert_int_equal(hone_model_build(model, 1, NULL), HONE_OK);
    return model;
}

static Hone__Onnx__Model *written(const hone_model *model, const hone_onnx_options *options,
                                  const hone_value *metadata) {
    unsigned char *bytes;
    size_t size;
    assert_int_equal(hone__onnx_write(model, options, metadata, &bytes, &size, NULL), HONE_OK);
    Hone__Onnx__Model *file = hone__onnx__model__unpack(NULL, size, bytes);
    assert_non_null(file);
    hone__free(bytes);
    return file;
}

static size_t count_of(const Hone__Onnx__Model *file, const char *op_type) {
    size_t count = 0;
    for (size_t i = 0; i < file->graph->n_node; i++) count += strcmp(file->graph->node[i]->op_type, op_type) == 0;
    return count;
}

static void test_a_chain(void **state) {
    (void)state;
    hone_model *model = preset("mnist-cnn");
    hone_onnx_options options = hone_onnx_options_default();
    Hone__Onnx__Model *file = written(model, &options, NULL);
    assert_int_equal(count_of(file, "Conv"), 3);
    assert_int_equal(count_of(file, "MaxPool"), 2);
    assert_int_equal(count_of(file, "Gemm"), 2);
    assert_int_equal(count_of(file, "Dropout"), 0);
    assert_int_equal(count_of(file, "Transpose"), 2); /* pictures to the convolutions, and flattened as hone does */
    assert_int_equal(file->opset_import[0]->version, 13);
    const Hone__Onnx__Shape *in = file->graph->input[0]->type->tensor_type->shape;
    assert_int_equal(in->n_dim, 4);
    assert_false(in->dim[0]->has_dim_value);
    assert_int_equal(in->dim[3]->dim_value, 1);
    hone__onnx__model__free_unpacked(file, NULL);

    options = (hone_onnx_options){.channels_first = true, .batch = 7, .with_preprocessing = true};
    file = written(model, &options, NULL);
    const Hone__Onnx__TensorType *type = file->graph->input[0]->type->tensor_type;
    assert_int_equal(type->elem_type, 2); /* uint8 */
    assert_int_equal(type->shape->dim[0]->dim_value, 7);
    assert_int_equal(type->shape->dim[1]->dim_value, 1);
    assert_int_equal(count_of(file, "Cast"), 1);
    assert_int_equal(count_of(file, "Transpose"), 1);
    hone__onnx__model__free_unpacked(file, NULL);
    hone_model_free(model);
}

static void test_metadata(void **state) {
    (void)state;
    hone_model *model = preset("mlp");
    hone_onnx_options options = hone_onnx_options_default();
    hone_value *metadata = hone_value_object();
    hone_value_set_string(metadata, "class_names", "[\"ö\", \"1\"]");
    Hone__Onnx__Model *file = written(model, &options, metadata);
    assert_int_equal(file->n_metadata_props, 2);
    assert_string_equal(file->metadata_props[1]->key, "layout");
    assert_string_equal(file->metadata_props[1]->value, "nhwc");
    assert_string_equal(file->metadata_props[0]->key, "class_names");
    assert_string_equal(file->metadata_props[0]->value, "[\"ö\", \"1\"]");
    assert_string_equal(file->producer_name, "hone");
    hone__onnx__model__free_unpacked(file, NULL);
    hone_value_free(metadata);
    hone_model_free(model);
}

static void test_what_cannot_be_written(void **state) {
    (void)state;
    hone_error err;
    unsigned char *bytes;
    size_t size;
    hone_model *model = preset("mlp");
    hone_preprocessing preprocessing;
    hone_onnx_options options = {.with_preprocessing = true};
    assert_int_equal(hone_preprocessing_parse(&preprocessing, "unit+denoise", NULL), HONE_OK);
    hone_model_set_preprocessing(model, &preprocessing);
    assert_int_equal(hone__onnx_write(model, &options, NULL, &bytes, &size, &err), HONE_UNSUPPORTED);
    assert_non_null(strstr(err.message, "leave it out"));
    assert_null(bytes);
    hone_model_free(model);

    static const hone_shape shape = {3, {28, 28, 1}};
    assert_int_equal(hone_model_preset(&model, "mlp", &shape, 10, NULL), HONE_OK);
    assert_int_equal(hone__onnx_write(model, &options, NULL, &bytes, &size, &err), HONE_ARGUMENT);
    hone_model_free(model);
}

/* Context: a model, built before the allocator fails. */
static hone_status write_once(void *context) {
    unsigned char *bytes;
    size_t size;
    hone_onnx_options options = {.with_preprocessing = true};
    hone_status status = hone__onnx_write(context, &options, NULL, &bytes, &size, NULL);
    hone__free(bytes);
    return status;
}

/* Protocol buffers end at 2 GB: told before a byte of it is packed, or read. */
static void test_too_large(void **state) {
    (void)state;
    static const float number = 1;
    static const unsigned char start[] = {8, 8, 18, 0};
    unsigned char *bytes = NULL;
    size_t size;
    hone_error err = {0};
    hone_model *model;
    hone_value *metadata;
    hone__onnx_writer w;
    hone__onnx_writer_init(&w, &err);
    hone__onnx_floats(&w, "weights", &(hone_shape){1, {1}}, &number);
    w.constants[0]->raw_data.len = (size_t)INT32_MAX;
    assert_int_equal(hone__onnx_pack(&w, "large", NULL, "nhwc", &bytes, &size), HONE_LIMIT);
    assert_non_null(strstr(err.message, "an ONNX file holds at most 2147483647"));
    assert_null(bytes);
    hone__onnx_writer_release(&w);
    assert_int_equal(hone__onnx_read(&model, &metadata, start, (size_t)INT32_MAX + 1, NULL, &err), HONE_LIMIT);
    assert_non_null(strstr(err.message, "this one has 2147483648"));
}

static void test_memory(void **state) {
    (void)state;
    hone_model *model = preset("lenet5");
    assert_true(test_every_allocation(write_once, model) > 10);
    hone_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_chain),
        cmocka_unit_test(test_metadata),
        cmocka_unit_test(test_what_cannot_be_written),
        cmocka_unit_test(test_too_large),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
