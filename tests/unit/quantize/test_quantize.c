/* SPDX-License-Identifier: Apache-2.0
 *
 * Models in 8 bits: the engine against an interpreter of the integer program to the bit, at every level and for every
 * cut of the batch; closeness to the float model; records that are void, wrong or absent; every failed allocation. */
#include "quantize_test.h"

#include "../../test.h"

#include "int8_graph.h"

/* Final softmaxes are left to a float plan's rounding, so these end with what is exact at every level. */
static const char *const networks[] = {
    /* the usual: fused relu and pooling, Flatten, Dense in float at the end */
    "12,12,1 | Conv2D filters=8 kernel_size=3 activation=relu | MaxPooling2D | Conv2D filters=17 kernel_size=3 "
    "activation=relu | Flatten | Dense units=12 activation=relu | Dense units=3",
    /* padding, strides, normalisation folded, relu6, depthwise, global pooling */
    "9,11,3 | Conv2D filters=6 kernel_size=3 strides=2 padding=same use_bias=false | BatchNormalization | ReLU "
    "max_value=6 "
    "| DepthwiseConv2D kernel_size=3 padding=same | BatchNormalization | ReLU max_value=6 | Conv2D filters=10 "
    "kernel_size=1 | GlobalAveragePooling2D | Dense units=3",
    /* branches: sums with relu behind, concatenation of different scales, average and overlapping pooling */
    "8,8,2 | Conv2D filters=4 kernel_size=3 padding=same name=a | Conv2D filters=4 kernel_size=3 padding=same "
    "activation=relu name=b @a | Add name=c @a @b | ReLU name=d @c | Concatenate name=e @d @b @a | AveragePooling2D "
    "pool_size=3 strides=2 padding=same name=f @e | MaxPooling2D pool_size=3 strides=1 name=g @f | Flatten name=h @g | "
    "Dense units=3 name=i @h",
    /* activations by table, a pooling too large for the block, groups */
    "10,10,4 | Conv2D filters=8 kernel_size=3 groups=2 activation=tanh | Conv2D filters=6 kernel_size=3 "
    "activation=relu | "
    "MaxPooling2D pool_size=3 | Conv2D filters=5 kernel_size=1 activation=sigmoid | Flatten | Dense units=7 "
    "activation=gelu | Dense units=3",
    /* normalisation that no weights stand before, with relu behind it and without */
    "9,8,2 | Conv2D filters=7 kernel_size=3 activation=relu | BatchNormalization | Conv2D filters=6 kernel_size=3 "
    "activation=relu | MaxPooling2D | BatchNormalization | ReLU | Flatten | Dense units=3",
    /* what has no rule stays in float, in the middle and at the end */
    "6,6,3 | Conv2D filters=8 kernel_size=3 activation=relu | LayerNormalization | Conv2D filters=8 kernel_size=3 "
    "activation=relu | GlobalMaxPooling2D | Dense units=4 activation=relu",
};
enum { NETWORKS = sizeof networks / sizeof *networks, FIRST_IN_FLOAT = NETWORKS - 1, PICTURES = 24 };

typedef struct subject {
    hone_model *model;
    hone_dataset *data;
    size_t inputs, outputs;
    float *x;
} subject;

/* Weights away from their initial symmetry, statistics away from 0 and 1. */
static subject subject_of(const char *network, bool per_tensor) {
    subject s = {.model = pt_model(network)};
    hone_shape shape = hone_model_input_shape(s.model);
    for (size_t w = 0; w < s.model->weight_count; w++)
        for (size_t i = 0; i < s.model->weights[w].size; i++) {
            float *value = s.model->data + s.model->weights[w].offset + i;
            bool is_variance = strcmp(s.model->weights[w].name, "moving_variance") == 0;
            *value = *value * (1 + 0.3f * (float)(i % 3)) + (is_variance ? 0.2f : 0.05f) * (float)((i * 7) % 5) -
                     (is_variance ? 0 : 0.1f);
        }
    s.data = qt_pictures(PICTURES, (int)shape.dims[0], (int)shape.dims[1], (int)shape.dims[2]);
    s.inputs = (size_t)hone_shape_size(&shape);
    s.outputs = (size_t)hone_model_output_size(s.model);
    s.x = malloc(PICTURES * s.inputs * sizeof *s.x);
    for (size_t i = 0; i < PICTURES * s.inputs; i++) s.x[i] = (float)hone_dataset_images(s.data)[i] / 255;
    hone_quantize_config config = hone_quantize_config_default();
    config.per_tensor = per_tensor;
    hone_error err;
    if (hone_model_quantize(s.model, s.data, &config, NULL, &err) != HONE_OK) fail_msg("%s: %s", network, err.message);
    return s;
}

static void release(subject *s) {
    hone_model_free(s->model);
    hone_dataset_free(s->data);
    free(s->x);
}

static void predict(const subject *s, const hone_kernels *kernels, hone_precision precision, int threads, size_t batch,
                    float *y) {
    hone_threads *pool = NULL;
    if (threads > 1) assert_int_equal(hone_threads_create(&pool, threads, NULL), HONE_OK);
    hone_plan_config config = hone_plan_config_default();
    config.max_batch = batch;
    config.precision = precision;
    config.threads = pool;
    hone_plan *plan = pt_plan(s->model, &config, kernels);
    for (size_t i = 0; i < PICTURES; i += batch)
        hone_plan_predict(plan, s->x + i * s->inputs, PICTURES - i < batch ? PICTURES - i : batch, y + i * s->outputs);
    hone_plan_free(plan);
    hone_threads_free(pool);
}

static void engine_is_the_program(void **state) {
    (void)state;
    for (size_t n = 0; n < FIRST_IN_FLOAT; n++)
        for (int per_tensor = 0; per_tensor < 2; per_tensor++) {
            subject s = subject_of(networks[n], per_tensor);
            size_t outputs = PICTURES * s.outputs;
            float *want = malloc(outputs * sizeof *want), *got = malloc(outputs * sizeof *got);
            hone_quantized *program;
            hone_error err;
            if (hone_quantized_create(&program, s.model, &err) != HONE_OK) fail_msg("%s", err.message);
            assert_int_equal(program->steps[0].kind, HONE_INT8_QUANTIZE);
            for (size_t i = 0; i < PICTURES; i++) qt_run(program, s.x + i * s.inputs, want + i * s.outputs);
            static const char *const levels[] = {"scalar", "neon", "avx2", "avx512"};
            for (size_t i = 0; i < sizeof levels / sizeof *levels; i++) {
                const hone_kernels *kernels = hone__kernels_named(levels[i]);
                if (!kernels) continue;
                const size_t batches[] = {1, 5, PICTURES};
                for (size_t b = 0; b < 3; b++) {
                    predict(&s, kernels, HONE_PRECISION_INT8, b == 2 ? 3 : 1, batches[b], got);
                    for (size_t k = 0; k < outputs; k++)
                        if (memcmp(&want[k], &got[k], sizeof *got) != 0)
                            fail_msg("network %zu, %s, batch %zu [%zu]: %g, want %g", n, levels[i], batches[b], k,
                                     got[k], want[k]);
                }
            }
            hone_quantized_free(program);
            free(want);
            free(got);
            release(&s);
        }
}

static void close_to_float(void **state) {
    (void)state;
    for (size_t n = 0; n < NETWORKS; n++) {
        subject s = subject_of(networks[n], false);
        size_t outputs = PICTURES * s.outputs;
        float *want = malloc(outputs * sizeof *want), *got = malloc(outputs * sizeof *got);
        predict(&s, NULL, HONE_PRECISION_FLOAT32, 1, 8, want);
        predict(&s, NULL, HONE_PRECISION_INT8, 1, 8, got);
        double error = 0, mean = 0, spread = 0;
        for (size_t i = 0; i < outputs; i++) mean += want[i] / (double)outputs;
        for (size_t i = 0; i < outputs; i++) {
            error += pow((double)got[i] - want[i], 2);
            spread += pow(want[i] - mean, 2);
        }
        if (!(error < 0.02 * spread)) fail_msg("network %zu: error %g of %g", n, error, spread);
        assert_true(error > 0);
        free(want);
        free(got);
        release(&s);
    }
}

/* Pixels are the 8-bit input themselves, whatever the preprocessing, where it is a scale and an offset. Only where 0 lies in
 * the middle between two of them (signed) those two are one. */
static void pixels_are_not_rounded(void **state) {
    (void)state;
    static const char *const kinds[] = {"raw", "unit", "signed", "0.1307,0.3081"};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        hone_model *model = pt_model(networks[0]);
        hone_preprocessing p;
        assert_int_equal(hone_preprocessing_parse(&p, kinds[i], NULL), HONE_OK);
        hone_model_set_preprocessing(model, &p);
        hone_dataset *data = qt_pictures(8, 12, 12, 1);
        assert_int_equal(hone_model_quantize(model, data, NULL, NULL, NULL), HONE_OK);
        hone_quantized *program;
        assert_int_equal(hone_quantized_create(&program, model, NULL), HONE_OK);
        const hone_int8_tensor *q = &program->tensors[program->steps[0].output];
        double unit = strcmp(kinds[i], "raw") == 0 ? 1 : strcmp(kinds[i], "signed") == 0 ? 1 / 127.5 : 1 / 255.0;
        double offset = strcmp(kinds[i], "signed") == 0 ? -1 : 0, mean = i == 3 ? 0.1307 : 0, std = i == 3 ? 0.3081 : 1;
        int before = -1, equal = 0;
        for (int pixel = 0; pixel < 256; pixel++) {
            float x = (float)((pixel * unit + offset - mean) / std);
            int number = (int)nearbyintf(x / q->scale) + q->zero_point;
            assert_in_range(number, 0, 255);
            assert_true(number >= before && number <= before + 1);
            equal += number == before;
            before = number;
        }
        assert_int_equal(equal, strcmp(kinds[i], "signed") == 0);
        hone_quantized_free(program);
        hone_dataset_free(data);
        hone_model_free(model);
    }
}

static void reports_what_it_did(void **state) {
    (void)state;
    hone_model *model = pt_model(networks[FIRST_IN_FLOAT]);
    hone_dataset *data = qt_pictures(PICTURES, 6, 6, 3);
    hone_quantize_report report;
    const uint32_t some[] = {3, 1, 7};
    hone_quantize_config config = {.indices = some, .index_count = 3};
    assert_false(hone_model_is_quantized(model));
    assert_int_equal(hone_model_quantize(model, data, &config, &report, NULL), HONE_OK);
    assert_true(hone_model_is_quantized(model));
    assert_int_equal(report.samples, 3);
    assert_int_equal(report.operations, 5);
    assert_int_equal(report.in_float, 1); /* LayerNormalization */
    assert_int_equal(report.weight_bytes, 3 * 3 * 3 * 8 + 3 * 3 * 8 * 8 + 8 * 4 + 4 * (8 + 8 + 4));
    for (int how = HONE_RANGE_MIN_MAX; how <= HONE_RANGE_MSE; how++) assert_true(report.error <= report.errors[how]);
    config.ranges = HONE_RANGE_PERCENTILE;
    assert_int_equal(hone_model_quantize(model, data, &config, &report, NULL), HONE_OK);
    assert_int_equal(report.ranges, HONE_RANGE_PERCENTILE);
    assert_true(isnan(report.errors[HONE_RANGE_MSE]) && report.error == report.errors[HONE_RANGE_PERCENTILE]);
    hone_range_method method;
    assert_int_equal(hone_range_method_parse(&method, "mse", NULL), HONE_OK);
    assert_int_equal(method, HONE_RANGE_MSE);
    assert_int_equal(hone_range_method_parse(&method, "kl", NULL), HONE_ARGUMENT);
    hone_dataset_free(data);
    hone_model_free(model);
}

/* Numbers that are the same everywhere (a layer that is dead, a picture of one grey) have a scale too. */
static void constant_tensors(void **state) {
    (void)state;
    hone_model *model = pt_model("6,6,1 | Conv2D filters=3 kernel_size=3 activation=relu | Flatten | Dense units=3");
    memset(model->data, 0, model->data_size * sizeof *model->data);
    hone_dataset *data = qt_pictures(4, 6, 6, 1);
    assert_int_equal(hone_model_quantize(model, data, NULL, NULL, NULL), HONE_OK);
    hone_plan_config config = hone_plan_config_default();
    config.precision = HONE_PRECISION_INT8;
    hone_plan *plan = pt_plan(model, &config, NULL);
    float y[12];
    hone_plan_predict_pixels(plan, hone_dataset_images(data), 4, y);
    for (int i = 0; i < 12; i++) assert_true(y[i] == 0);
    hone_plan_free(plan);
    hone_dataset_free(data);
    hone_model_free(model);
}

static void refuses(void **state) {
    (void)state;
    hone_error err;
    hone_plan *plan;
    hone_quantized *program;
    hone_plan_config config = hone_plan_config_default();
    config.precision = HONE_PRECISION_INT8;
    hone_model *model = pt_model(networks[0]);
    assert_int_equal(hone_plan_create(&plan, model, &config, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "not been quantized"));
    assert_int_equal(hone_quantized_create(&program, model, &err), HONE_ARGUMENT);

    hone_dataset *other = qt_pictures(4, 5, 5, 1), *data = qt_pictures(4, 12, 12, 1);
    assert_int_equal(hone_model_quantize(model, other, NULL, NULL, &err), HONE_SHAPE);
    const uint32_t beyond = 4;
    hone_quantize_config wrong = {.indices = &beyond, .index_count = 1};
    assert_int_equal(hone_model_quantize(model, data, &wrong, NULL, &err), HONE_ARGUMENT);
    wrong.index_count = 0;
    assert_int_equal(hone_model_quantize(model, data, &wrong, NULL, &err), HONE_ARGUMENT);
    assert_false(hone_model_is_quantized(model));

    assert_int_equal(hone_model_quantize(model, data, NULL, NULL, NULL), HONE_OK);
    hone_value *whole = hone_value_copy(hone_model_record(model, HONE_INT8_RECORD));
    float weight = model->data[0];
    model->data[0] = weight + 1; /* other weights */
    assert_false(hone_model_is_quantized(model));
    assert_int_equal(hone_plan_create(&plan, model, &config, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "other weights"));
    model->data[0] = weight;
    assert_int_equal(hone_plan_create(&plan, model, &config, &err), HONE_OK);
    hone_plan_free(plan);

    static const struct {
        const char *key;
        double number;
    } bad[] = {{"scale", 0},     {"scale", -1},       {"scale", INFINITY},
               {"scale", 1e-60}, {"zero_point", 256}, {"zero_point", -1}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        hone_value *record = hone_value_copy(whole), *tensors = hone_value_list();
        hone_value *tensor = hone_value_copy(hone_value_at(hone_value_get(whole, "tensors"), 0));
        hone_value_set_real(tensor, bad[i].key, bad[i].number);
        hone_value_append(tensors, tensor);
        hone_value_set(record, "tensors", tensors);
        assert_int_equal(hone_model_set_record(model, HONE_INT8_RECORD, record, NULL), HONE_OK);
        assert_int_equal(hone_plan_create(&plan, model, &config, &err), HONE_FORMAT);
        assert_int_equal(hone_quantized_create(&program, model, &err), HONE_FORMAT);
    }
    hone_value *record = hone_value_copy(whole), *tensors = hone_value_list(), *tensor = hone_value_object();
    hone_value_set_string(tensor, "name", "nobody");
    hone_value_set_real(tensor, "scale", 1);
    hone_value_set_integer(tensor, "zero_point", 0);
    hone_value_append(tensors, tensor);
    hone_value_set(record, "tensors", tensors);
    assert_int_equal(hone_model_set_record(model, HONE_INT8_RECORD, record, NULL), HONE_OK);
    assert_int_equal(hone_plan_create(&plan, model, &config, &err), HONE_FORMAT);
    assert_non_null(strstr(err.message, "nobody"));
    /* a record that knows nothing is a model in float */
    record = hone_value_copy(whole);
    hone_value_set(record, "tensors", hone_value_list());
    assert_int_equal(hone_model_set_record(model, HONE_INT8_RECORD, record, NULL), HONE_OK);
    assert_int_equal(hone_plan_create(&plan, model, &config, &err), HONE_OK);
    assert_null(strstr(hone_plan_operation(plan, 0), "int8"));
    hone_plan_free(plan);
    hone_value_free(whole);
    hone_dataset_free(data);
    hone_dataset_free(other);
    hone_model_free(model);
}

static void predicting_allocates_nothing(void **state) {
    (void)state;
    subject s = subject_of(networks[2], false);
    hone_plan_config config = hone_plan_config_default();
    config.precision = HONE_PRECISION_INT8;
    hone_plan *plan = pt_plan(s.model, &config, NULL);
    float *y = malloc(PICTURES * s.outputs * sizeof *y);
    test_allocator a;
    test_allocator_install(&a, -1);
    hone_plan_predict(plan, s.x, PICTURES, y);
    hone_plan_refresh(plan);
    assert_int_equal(atomic_load(&a.count), 0);
    test_allocator_remove();
    free(y);
    hone_plan_free(plan);
    release(&s);
}

/* A plan that gives layers as well answers what it answers without. */
static void layers_beside_the_answer(void **state) {
    (void)state;
    subject s = subject_of(networks[0], false);
    size_t middle = hone_model_layer_count(s.model) - 2, last = middle + 1;
    const size_t wanted[] = {middle, last};
    hone_plan_config config = hone_plan_config_default();
    config.precision = HONE_PRECISION_INT8;
    hone_plan *plain = pt_plan(s.model, &config, NULL);
    config.layers = wanted;
    config.layer_count = 2;
    hone_plan *both = pt_plan(s.model, &config, NULL);
    size_t row = hone_plan_row_size(both);
    assert_int_equal(row, 2 * s.outputs + 12);
    float *want = malloc(PICTURES * s.outputs * sizeof *want), *got = malloc(PICTURES * row * sizeof *got);
    hone_plan_predict(plain, s.x, PICTURES, want);
    hone_plan_predict(both, s.x, PICTURES, got);
    for (size_t i = 0; i < PICTURES; i++) {
        assert_memory_equal(got + i * row, want + i * s.outputs, s.outputs * sizeof *want);
        assert_memory_equal(got + (i + 1) * row - s.outputs, want + i * s.outputs, s.outputs * sizeof *want);
        for (size_t k = 0; k < 12; k++) assert_true(got[i * row + s.outputs + k] >= 0); /* relu */
    }
    free(want);
    free(got);
    hone_plan_free(plain);
    hone_plan_free(both);
    release(&s);
}

/* Rounded in training: the way back has a gradient, and a plan for training runs. */
static void training_feels_the_rounding(void **state) {
    (void)state;
    for (size_t n = 0; n < NETWORKS; n++) {
        subject s = subject_of(networks[n], false);
        hone_plan_config config = {.max_batch = 8, .training = true, .precision = HONE_PRECISION_INT8};
        hone_plan *rounded = pt_plan(s.model, &config, NULL);
        config.precision = HONE_PRECISION_FLOAT32;
        hone_plan *plain = pt_plan(s.model, &config, NULL);
        pt_loss a = pt_loss_init(rounded, 8), b = pt_loss_init(plain, 8);
        hone__plan_step_float(rounded, s.x, 8, 0, pt_loss_function, &a);
        hone__plan_step_float(plain, s.x, 8, 0, pt_loss_function, &b);
        double dot = 0, aa = 0, bb = 0;
        for (size_t i = 0; i < s.model->data_size; i++) {
            double x = pt_gradient(rounded, i), y = pt_gradient(plain, i);
            dot += x * y;
            aa += x * x;
            bb += y * y;
        }
        double cosine = dot / sqrt(aa * bb);
        if (!(cosine > 0.95 && cosine < 1)) fail_msg("network %zu: the gradients' cosine is %g", n, cosine);
        pt_loss_release(&a);
        pt_loss_release(&b);
        hone_plan_free(rounded);
        hone_plan_free(plain);
        release(&s);
    }
}

/* ---- failed allocations ---------------------------------------------------------------------------------------- */

typedef struct scenario {
    hone_model *model;
    const hone_dataset *data;
} scenario;

static hone_status quantize_and_run(void *context) {
    scenario *s = context;
    hone_model *copy;
    hone_plan *plan = NULL;
    hone_quantized *program = NULL;
    hone_status status = hone_model_copy(&copy, s->model, NULL);
    hone_quantize_config config = {.ranges = HONE_RANGE_MIN_MAX};
    if (status == HONE_OK) status = hone_model_quantize(copy, s->data, &config, NULL, NULL);
    hone_plan_config inference = {.max_batch = 4, .precision = HONE_PRECISION_INT8}, training = inference;
    training.training = true;
    if (status == HONE_OK) status = hone_plan_create(&plan, copy, &inference, NULL);
    hone_plan_free(plan);
    plan = NULL;
    if (status == HONE_OK) status = hone_plan_create(&plan, copy, &training, NULL);
    hone_plan_free(plan);
    if (status == HONE_OK) status = hone_quantized_create(&program, copy, NULL);
    hone_quantized_free(program);
    hone_model_free(copy);
    return status;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    hone_model *model = pt_model(networks[2]);
    hone_dataset *data = qt_pictures(4, 8, 8, 2);
    hone_cpu_description(); /* what is made once for the process is made before */
    scenario s = {model, data};
    assert_true(test_every_allocation(quantize_and_run, &s) > 100);
    hone_dataset_free(data);
    hone_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(engine_is_the_program),
        cmocka_unit_test(close_to_float),
        cmocka_unit_test(pixels_are_not_rounded),
        cmocka_unit_test(reports_what_it_did),
        cmocka_unit_test(constant_tensors),
        cmocka_unit_test(refuses),
        cmocka_unit_test(predicting_allocates_nothing),
        cmocka_unit_test(layers_beside_the_answer),
        cmocka_unit_test(training_feels_the_rounding),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
