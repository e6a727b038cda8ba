/* SPDX-License-Identifier: Apache-2.0
 *
 * C export: many small networks are written as C, compiled together by the compiler that built this test, with warnings
 * as errors, and run: they must answer what a plan answers, from floats and from pixels, and pass their own self-tests.
 * */
#define _POSIX_C_SOURCE 200809L
#include "export_test.h"

#include <hone/quantize.h>

#include <math.h>

enum { SAMPLES = 3, MOST_LAYERS = 16 };

/* inputs: of a Functional, names with commas between; NULL: of a Sequential, the layer before. */
typedef struct test_layer {
    const char *class_name, *config, *inputs;
} test_layer;

typedef struct test_model {
    const char *name;
    test_layer layers[MOST_LAYERS];
    const char *preprocessing; /* NULL: as it comes */
    bool whitened, indices;    /* whitening: a matrix; indices: the input is small whole numbers */
} test_model;

#define IMAGE(h, w, c)                                                                                                 \
    { "InputLayer", "{'name': 'in', 'batch_input_shape': [null, " #h ", " #w ", " #c "]}", NULL }
#define IMAGE_IN(h, w, c)                                                                                              \
    { "InputLayer", "{'name': 'in', 'batch_input_shape': [null, " #h ", " #w ", " #c "]}", "" }
#define VECTOR(n)                                                                                                      \
    { "InputLayer", "{'name': 'in', 'batch_input_shape': [null, " #n "]}", NULL }
#define LAYER(class_name)                                                                                              \
    { class_name, NULL, NULL }
#define LAYER_OF(class_name, config)                                                                                   \
    { class_name, config, NULL }

static const test_model models[] = {
    {.name = "lenet",
     .layers = {IMAGE(12, 12, 1), LAYER_OF("Conv2D", "{'filters': 10, 'kernel_size': 3, 'activation': 'relu'}"),
                LAYER("MaxPooling2D"), LAYER_OF("Conv2D", "{'filters': 7, 'kernel_size': [2, 3], 'use_bias': false}"),
                LAYER("ReLU"), LAYER("Flatten"), LAYER_OF("Dense", "{'units': 9, 'activation': 'tanh'}"),
                LAYER_OF("Dropout", "{'rate': 0.5}"), LAYER_OF("Dense", "{'units': 10, 'activation': 'softmax'}")}},
    {.name = "same_strides",
     .layers = {IMAGE(9, 8, 3), LAYER_OF("Conv2D", "{'filters': 8, 'kernel_size': 3, 'strides': 2, 'padding': 'same'}"),
                LAYER("BatchNormalization"), LAYER_OF("ReLU", "{'max_value': 6}"),
                LAYER_OF("Conv2D", "{'filters': 5, 'kernel_size': 1}"), LAYER("LeakyReLU"),
                LAYER("GlobalAveragePooling2D")}},
    {.name = "dilation_groups",
     .layers = {IMAGE(9, 9, 4),
                LAYER_OF("Conv2D", "{'filters': 6, 'kernel_size': 3, 'dilation_rate': 2, 'padding': 'same'}"),
                LAYER_OF("Conv2D", "{'filters': 12, 'kernel_size': 3, 'groups': 3, 'activation': 'elu'}"),
                LAYER_OF("Conv2D", "{'filters': 20, 'kernel_size': [3, 1], 'groups': 2, 'padding': 'same', "
                                   "'activation': 'selu'}"),
                LAYER("GlobalMaxPooling2D"), LAYER("Softmax")}},
    {.name = "pooled_same",
     .layers = {IMAGE(10, 11, 2),
                LAYER_OF("Conv2D", "{'filters': 9, 'kernel_size': 5, 'padding': 'same', 'activation': 'relu'}"),
                LAYER_OF("MaxPooling2D", "{'pool_size': [2, 3], 'strides': [3, 3]}"), LAYER("Flatten"),
                LAYER_OF("Dense", "{'units': 3}")}},
    {.name = "depthwise",
     .layers = {IMAGE(8, 7, 3),
                LAYER_OF("DepthwiseConv2D", "{'kernel_size': 3, 'padding': 'same', 'depth_multiplier': 2}"),
                LAYER("BatchNormalization"), LAYER("ReLU"),
                LAYER_OF("DepthwiseConv2D", "{'kernel_size': 3, 'strides': 2, 'use_bias': false}"),
                LAYER_OF("DepthwiseConv2D", "{'kernel_size': 2, 'dilation_rate': [2, 2], 'padding': 'same'}"),
                LAYER_OF("SeparableConv2D", "{'filters': 11, 'kernel_size': 2, 'activation': 'silu'}"),
                LAYER("Flatten"), LAYER_OF("Dense", "{'units': 1, 'activation': 'sigmoid'}")}},
    {.name = "pools",
     .layers = {IMAGE(11, 10, 3), LAYER_OF("AveragePooling2D", "{'pool_size': 3, 'strides': 2, 'padding': 'same'}"),
                LAYER_OF("MaxPooling2D", "{'pool_size': 3, 'strides': 1, 'padding': 'same'}"),
                LAYER_OF("AveragePooling2D", "{'pool_size': 2}"), LAYER("Flatten"),
                LAYER_OF("Dense", "{'units': 8, 'activation': 'softplus'}")}},
    {.name = "padding",
     .layers = {IMAGE(5, 6, 2), LAYER_OF("ZeroPadding2D", "{'padding': [[4, 1], [0, 5]]}"),
                LAYER_OF("Conv2D", "{'filters': 4, 'kernel_size': 2, 'strides': 2}"),
                LAYER_OF("ZeroPadding2D", "{'padding': 1}"), LAYER_OF("Cropping2D", "{'cropping': [[0, 1], [2, 1]]}"),
                LAYER_OF("ZeroPadding2D", "{'padding': [2, 1]}"), LAYER("Flatten")}},
    {.name = "upsampling",
     .layers = {IMAGE(4, 5, 3), LAYER_OF("UpSampling2D", "{'size': [2, 3]}"),
                LAYER_OF("UpSampling2D", "{'size': 2, 'interpolation': 'bilinear'}"),
                LAYER_OF("Conv2D", "{'filters': 2, 'kernel_size': 3}"),
                LAYER_OF("Resizing", "{'height': 7, 'width': 6}"), LAYER_OF("RandomCrop", "{'height': 3, 'width': 5}"),
                LAYER_OF("CenterCrop", "{'height': 2, 'width': 4}"), LAYER("Flatten")}},
    {.name = "resampling",
     .layers = {IMAGE(9, 10, 3), LAYER_OF("AutoContrast", "{'value_range': [-1, 1]}"),
                LAYER_OF("Resizing", "{'height': 5, 'width': 12, 'interpolation': 'bicubic'}"),
                LAYER_OF("Resizing", "{'height': 6, 'width': 4, 'interpolation': 'lanczos3', 'antialias': true, "
                                     "'pad_to_aspect_ratio': true, 'fill_value': 0.5}"),
                LAYER_OF("UnitNormalization", "{'axis': [1, 2]}"), LAYER_OF("GaussianNoise", "{'stddev': 0.5}"),
                LAYER("UnitNormalization"), LAYER("RMSNormalization"), LAYER("Flatten"),
                LAYER_OF("Dense", "{'units': 3}")}},
    {.name = "transposed",
     .layers = {IMAGE(4, 3, 5),
                LAYER_OF("Conv2DTranspose", "{'filters': 9, 'kernel_size': 3, 'strides': 2, 'padding': 'same'}"),
                LAYER_OF("Activation", "{'activation': 'gelu'}"),
                LAYER_OF("Conv2DTranspose", "{'filters': 2, 'kernel_size': [2, 4]}"),
                LAYER_OF("Permute", "{'dims': [3, 1, 2]}"), LAYER_OF("Reshape", "{'target_shape': [-1, 6]}"),
                LAYER("GlobalMaxPooling1D")}},
    {.name = "preprocessed",
     .layers = {IMAGE(6, 6, 3), LAYER_OF("Rescaling", "{'scale': 0.0078125, 'offset': -1.0}"),
                LAYER_OF("Normalization", "{'mean': [0.1, 0.2, -0.3], 'variance': [0.5, 0.25, 2.0]}"),
                LAYER("BatchNormalization"),
                LAYER_OF("Conv2D", "{'filters': 4, 'kernel_size': 3, 'activation': 'hard_sigmoid'}"), LAYER("Flatten"),
                LAYER_OF("Dense", "{'units': 4}"), LAYER("LayerNormalization")}},
    {.name = "norms",
     .layers = {IMAGE(4, 4, 6), LAYER_OF("GroupNormalization", "{'groups': 3}"),
                LAYER_OF("LayerNormalization", "{'scale': false}"),
                LAYER_OF("GroupNormalization", "{'groups': -1, 'center': false}"),
                LAYER_OF("PReLU", "{'shared_axes': [1, 2]}"), LAYER("PReLU"), LAYER("Flatten"),
                LAYER_OF("Dense", "{'units': 5, 'activation': 'exponential'}")}},
    {.name = "activations",
     .layers = {VECTOR(40), LAYER_OF("Activation", "{'activation': 'softsign'}"),
                LAYER_OF("Dense", "{'units': 23, 'activation': 'swish'}"),
                LAYER_OF("ReLU", "{'negative_slope': 0.1, 'threshold': 0.2, 'max_value': 3.0}"),
                LAYER_OF("ELU", "{'alpha': 0.7}"), LAYER_OF("Dense", "{'units': 16, 'activation': 'hard_silu'}"),
                LAYER_OF("Activation", "{'activation': 'softmax'}")}},
    {.name = "graph",
     .layers = {IMAGE_IN(6, 6, 4),
                {"Conv2D", "{'name': 'a', 'filters': 4, 'kernel_size': 3, 'padding': 'same'}", "in"},
                {"Add", "{'name': 'b'}", "a,in,a"},
                {"Multiply", "{'name': 'c'}", "b,a"},
                {"Maximum", "{'name': 'd'}", "c,in"},
                {"Subtract", "{'name': 'e'}", "d,b"},
                {"Concatenate", "{'name': 'f'}", "e,a,in"},
                {"GlobalAveragePooling2D", "{'name': 'g', 'keepdims': true}", "f"},
                {"Dense", "{'name': 'h', 'units': 12, 'activation': 'sigmoid'}", "g"},
                {"Multiply", "{'name': 'i'}", "f,h"},
                {"Minimum", "{'name': 'j'}", "i,f"},
                {"Average", "{'name': 'k'}", "j,f"},
                {"Flatten", "{'name': 'l'}", "k"},
                {"Dense", "{'name': 'm', 'units': 3, 'activation': 'softmax'}", "l"}}},
    {.name = "attention",
     .layers = {IMAGE_IN(3, 4, 6),
                {"Reshape", "{'name': 'r', 'target_shape': [12, 6]}", "in"},
                {"LayerNormalization", "{'name': 'n'}", "r"},
                {"MultiHeadAttention", "{'name': 'a', 'num_heads': 2, 'key_dim': 5}", "n,r"},
                {"Add", "{'name': 's'}", "a,r"},
                {"GlobalAveragePooling1D", "{'name': 'g'}", "s"},
                {"Dense", "{'name': 'd', 'units': 4, 'activation': 'softmax'}", "g"}}},
    {.name = "products",
     .layers = {IMAGE_IN(3, 4, 6),
                {"Reshape", "{'name': 'r', 'target_shape': [2, 6, 6]}", "in"},
                {"Dense", "{'name': 'd', 'units': 5, 'activation': 'sigmoid'}", "r"},
                {"Permute", "{'name': 'p', 'dims': [1, 3, 2]}", "d"},
                {"Matmul", "{'name': 'm'}", "p,r"},
                {"Reshape", "{'name': 's', 'target_shape': [1, 6, 10]}", "d"},
                {"Matmul", "{'name': 'n'}", "m,s"},
                {"Activation", "{'name': 'e', 'activation': 'exponential'}", "n"},
                {"Sqrt", "{'name': 'q'}", "e"},
                {"Divide", "{'name': 't'}", "n,q"},
                {"GlobalAveragePooling2D", "{'name': 'g'}", "t"}}},
    {.name = "embedding",
     .layers = {VECTOR(7), LAYER_OF("Embedding", "{'input_dim': 5, 'output_dim': 3}"), LAYER("Flatten"),
                LAYER_OF("Dense", "{'units': 2}")},
     .indices = true},
    {.name = "standard",
     .layers = {IMAGE(5, 5, 3), LAYER("Flatten"), LAYER_OF("Dense", "{'units': 6}")},
     .preprocessing = "0.4,0.5,0.6,0.2,0.3,0.25"},
    {.name = "signed_filtered",
     .layers = {IMAGE(5, 4, 2), LAYER("Flatten"), LAYER_OF("Dense", "{'units': 6}")},
     .preprocessing = "signed+denoise"},
    {.name = "samplewise",
     .layers = {IMAGE(6, 5, 1), LAYER_OF("Conv2D", "{'filters': 3, 'kernel_size': 2}"), LAYER("Flatten"),
                LAYER_OF("Dense", "{'units': 6}")},
     .preprocessing = "0.1,0.7+samplewise_std_normalization+denoise"},
    {.name = "whitened",
     .layers = {IMAGE(3, 3, 1), LAYER("Flatten"), LAYER_OF("Dense", "{'units': 4}")},
     .preprocessing = "unit+samplewise_center",
     .whitened = true},
    {.name = "nothing", .layers = {IMAGE(2, 3, 1), LAYER("Flatten")}},
    {.name = "only_activation", .layers = {VECTOR(5), LAYER_OF("Activation", "{'activation': 'gelu'}")}},
};
enum { MODELS = sizeof models / sizeof models[0] };

/* ---- models ---------------------------------------------------------------------------------------------------- */

static void apply(hone_model *model, const test_layer *layer) {
    const char *inputs[8];
    char names[64] = "", *rest = names;
    size_t count = 0;
    hone_error err = {0};
    strncpy(names, layer->inputs, sizeof names - 1);
    for (char *name; (name = strtok_r(rest, ",", &rest));) inputs[count++] = name;
    hone_value *config = mt_value(layer->config);
    if (hone_model_apply(model, layer->class_name, config, inputs, count, &err) != HONE_OK)
        fail_msg("%s: %s", layer->class_name, err.message);
    hone_value_free(config);
}

/* Weights that are not the initialisers' ones and zeros, so that every one of them counts. */
static void shake(hone_model *model, uint64_t seed) {
    hone__rng rng;
    hone__rng_init(&rng, seed, HONE_STREAM_TEST, 0);
    for (size_t i = 0; i < hone_model_weight_count(model); i++) {
        hone_weight_info w = mt_weight(model, i);
        bool positive = strstr(w.name, "variance") || strstr(w.name, "gamma");
        for (int64_t k = 0, n = hone_shape_size(&w.shape); k < n; k++) {
            float noise = (float)(hone__rng_u32(&rng) >> 8) / 16777216.0f;
            w.data[k] = positive ? 0.5f + noise : w.data[k] + 0.4f * (noise - 0.5f);
        }
    }
}

static hone_model *make(const test_model *t) {
    hone_model *model;
    hone_error err = {0};
    bool functional = t->layers[0].inputs != NULL;
    if (functional)
        assert_int_equal(hone_model_create_functional(&model, t->name, NULL), HONE_OK);
    else
        assert_int_equal(hone_model_create(&model, t->name, NULL), HONE_OK);
    for (size_t i = 0; t->layers[i].class_name; i++) {
        if (functional)
            apply(model, &t->layers[i]);
        else
            mt_add(model, t->layers[i].class_name, t->layers[i].config);
    }
    mt_build(model, 7);
    shake(model, 11);
    if (t->preprocessing) {
        hone_preprocessing p;
        if (hone_preprocessing_parse(&p, t->preprocessing, &err) != HONE_OK) fail_msg("%s", err.message);
        hone_model_set_preprocessing(model, &p);
    }
    if (t->whitened) {
        float matrix[81];
        for (int i = 0; i < 81; i++) matrix[i] = (float)((i * 37) % 19) / 19.0f - 0.4f;
        assert_int_equal(hone_model_set_whitening(model, matrix, 9, NULL), HONE_OK);
    }
    return model;
}

/* ---- agreement ------------------------------------------------------------------------------------------------- */

typedef struct sample_set {
    size_t inputs, outputs;
    unsigned char *pixels;
    float *floats, *from_pixels, *from_floats; /* what the plan makes of them */
} sample_set;

static sample_set make_samples(const test_model *t, hone_model *model, bool int8) {
    sample_set s = {.inputs = (size_t)hone_model_input_size(model), .outputs = (size_t)hone_model_output_size(model)};
    s.pixels = hone__alloc(SAMPLES * s.inputs, 1);
    s.floats = hone__alloc(SAMPLES * s.inputs, sizeof(float));
    s.from_pixels = hone__alloc(SAMPLES * s.outputs, sizeof(float));
    s.from_floats = hone__alloc(SAMPLES * s.outputs, sizeof(float));
    hone__rng rng;
    hone__rng_init(&rng, 3, HONE_STREAM_TEST, 0);
    for (size_t i = 0; i < SAMPLES * s.inputs; i++) {
        s.pixels[i] = (unsigned char)(hone__rng_u32(&rng) & (t->indices ? 7 : 255));
        s.floats[i] = t->indices ? (float)s.pixels[i] - 1 : (float)(hone__rng_u32(&rng) >> 8) / 4194304.0f - 2;
    }
    hone_plan *plan;
    hone_plan_config config = hone_plan_config_default();
    if (int8) config.precision = HONE_PRECISION_INT8;
    assert_int_equal(hone_plan_create(&plan, model, &config, NULL), HONE_OK);
    hone_plan_predict_pixels(plan, s.pixels, SAMPLES, s.from_pixels);
    hone_plan_predict(plan, s.floats, SAMPLES, s.from_floats);
    hone_plan_free(plan);
    return s;
}

static void release_samples(sample_set *s) {
    hone__free(s->pixels);
    hone__free(s->floats);
    hone__free(s->from_pixels);
    hone__free(s->from_floats);
}

static void compare(const char *name, const char *suffix, const float *expected, size_t count, bool int8) {
    float *values = hone__alloc(count, sizeof *values);
    et_read(name, suffix, values, count * sizeof *values);
    for (size_t i = 0; i < count; i++) {
        double size = fabs((double)expected[i]), limit = int8 ? 1e-6 * fmax(0.01, size) : 1e-5 * fmax(1, size);
        if (!(fabs((double)values[i] - expected[i]) <= limit))
            fail_msg("%s%s: output %zu is %.9g, hone's is %.9g", name, suffix, i, (double)values[i],
                     (double)expected[i]);
    }
    hone__free(values);
}

/* A program that runs every model on the files beside it. */
static void write_driver(const sample_set *sets, const bool *left_out) {
    FILE *f = fopen(et_path("driver", ".c"), "w");
    assert_non_null(f);
    fprintf(f, "#include <stdio.h>\n");
    for (size_t m = 0; m < MODELS; m++)
        if (!left_out[m]) fprintf(f, "#include \"%s.h\"\n", models[m].name);
    fprintf(f, "static unsigned char pixels[4096];\nstatic float floats[4096], outputs[4096];\n"
               "static void get(const char *path, void *to, size_t size) {\n"
               "    FILE *f = fopen(path, \"rb\");\n    if (!f || fread(to, 1, size, f) != size) puts(path);\n"
               "    if (f) fclose(f);\n}\n"
               "static void put(const char *path, const void *from, size_t size) {\n"
               "    FILE *f = fopen(path, \"wb\");\n    if (!f || fwrite(from, 1, size, f) != size) puts(path);\n"
               "    if (f) fclose(f);\n}\n"
               "int main(void) {\n    int failed = 0, i;\n");
    for (size_t m = 0; m < MODELS; m++) {
        if (left_out[m]) continue;
        const char *n = models[m].name;
        size_t in = sets[m].inputs, out = sets[m].outputs;
        fprintf(f, "    if (%s_self_test() != 0) { puts(\"%s\"); failed = 1; }\n", n, n);
        fprintf(f, "    get(\"%s.pixels\", pixels, %zu);\n    get(\"%s.floats\", floats, %zu);\n", n, SAMPLES * in, n,
                SAMPLES * in * sizeof(float));
        fprintf(f,
                "    for (i = 0; i < %d; i++) %s_predict_pixels(pixels + i * %zu, outputs + i * %zu);\n"
                "    put(\"%s.from_pixels\", outputs, %zu);\n",
                SAMPLES, n, in, out, n, SAMPLES * out * sizeof(float));
        fprintf(f,
                "    for (i = 0; i < %d; i++) %s_predict(floats + i * %zu, outputs + i * %zu);\n"
                "    put(\"%s.from_floats\", outputs, %zu);\n",
                SAMPLES, n, in, out, n, SAMPLES * out * sizeof(float));
    }
    fprintf(f, "    return failed;\n}\n");
    fclose(f);
}

/* Calibrates with noise; false where no picture goes in, or where nothing can be in 8 bits. */
static bool quantize(hone_model *model) {
    enum { PICTURES = 40 };
    hone_shape shape = hone_model_input_shape(model);
    if (shape.rank != 3 || shape.dims[2] > 4) return false;
    size_t bytes = PICTURES * (size_t)hone_shape_size(&shape);
    unsigned char *pixels = hone__alloc(bytes, 1);
    int32_t labels[PICTURES] = {0};
    hone__rng rng;
    hone__rng_init(&rng, 5, HONE_STREAM_TEST, 0);
    for (size_t i = 0; i < bytes; i++) pixels[i] = (unsigned char)(hone__rng_u32(&rng) & 255);
    hone_dataset *data;
    hone_error err = {0};
    if (hone_dataset_create(&data, pixels, labels, PICTURES, (int)shape.dims[0], (int)shape.dims[1], (int)shape.dims[2],
                            NULL, 1, &err) != HONE_OK)
        fail_msg("%s", err.message);
    hone_quantize_config config = hone_quantize_config_default();
    hone_status status = hone_model_quantize(model, data, &config, NULL, &err);
    if (status != HONE_OK && status != HONE_UNSUPPORTED) fail_msg("%s", err.message);
    hone_dataset_free(data);
    hone__free(pixels);
    return status == HONE_OK;
}

static void check_agreement(bool int8, size_t at_least) {
    sample_set sets[MODELS];
    bool left_out[MODELS] = {false};
    size_t checked = 0;
    for (size_t m = 0; m < MODELS; m++) {
        hone_model *model = make(&models[m]);
        left_out[m] = int8 && !quantize(model);
        if (!left_out[m]) {
            hone_c_report report;
            et_export(model, models[m].name, int8, &report);
            assert_string_equal(report.name, models[m].name);
            sets[m] = make_samples(&models[m], model, int8);
            assert_true(SAMPLES * sets[m].inputs <= 4096 && SAMPLES * sets[m].outputs <= 4096);
            et_write(models[m].name, ".pixels", sets[m].pixels, SAMPLES * sets[m].inputs);
            et_write(models[m].name, ".floats", sets[m].floats, SAMPLES * sets[m].inputs * sizeof(float));
            checked++;
        }
        hone_model_free(model);
    }
    assert_true(checked >= at_least);
    write_driver(sets, left_out);
    /* Integers have another way on x86 than elsewhere: both are tried. */
    for (int plain = 0; plain <= int8; plain++) {
        if (plain)
            et_run("rm driver && " HONE_TEST_CC " " ET_FLAGS " -U__SSE2__ -O1 -o driver *.c && ./driver");
        else
            et_run(HONE_TEST_CC " " ET_FLAGS " -O1 -o driver *.c && ./driver");
        for (size_t m = 0; m < MODELS; m++) {
            if (left_out[m]) continue;
            compare(models[m].name, ".from_pixels", sets[m].from_pixels, SAMPLES * sets[m].outputs, int8);
            compare(models[m].name, ".from_floats", sets[m].from_floats, SAMPLES * sets[m].outputs, int8);
        }
    }
    for (size_t m = 0; m < MODELS; m++)
        if (!left_out[m]) release_samples(&sets[m]);
    et_run("rm *");
}

static void test_agreement(void **state) {
    (void)state;
    check_agreement(false, MODELS);
}

static void test_int8_agreement(void **state) {
    (void)state;
    check_agreement(true, 12);
}

/* 8 bits take a quarter of the flash and of the RAM, and pixels become them without floats. */
static void test_int8_sizes(void **state) {
    (void)state;
    hone_model *model = make(&models[0]);
    hone_c_report floats, bytes;
    hone_error err = {0};
    hone_c_config config = {.int8 = true};
    assert_int_equal(hone_model_export_c(model, &config, &bytes, &err), HONE_ARGUMENT);
    assert_true(quantize(model));
    assert_int_equal(hone_model_export_c(model, &config, &bytes, &err), HONE_OK);
    config.int8 = false;
    assert_int_equal(hone_model_export_c(model, &config, &floats, &err), HONE_OK);
    assert_true(bytes.ram_bytes * 3 < floats.ram_bytes);
    assert_true(bytes.constant_bytes * 2 < floats.constant_bytes);
    hone_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_agreement),
        cmocka_unit_test(test_int8_agreement),
        cmocka_unit_test(test_int8_sizes),
    };
    return cmocka_run_group_tests(tests, et_setup, et_teardown);
}
