/* SPDX-License-Identifier: Apache-2.0
 *
 * Keras' policy mixed_bfloat16: read from what Keras 3 and tf-keras wrote (tests/golden/mixed), kept when it is written
 * again, and computed as Keras computed it, as far as two orders of rounding can agree. */
#define _POSIX_C_SOURCE 200809L /* mkstemp */

#include "test.h"

#include "file.h"
#include "format_internal.h"
#include "plan_internal.h"

#include <math.h>
#include <string.h>

static const char *const files[] = {
    HONE_TEST_GOLDEN "mixed/keras3-mixed-bfloat16.h5",
    HONE_TEST_GOLDEN "mixed/tfkeras-mixed-bfloat16.h5",
};
enum { FILES = sizeof files / sizeof *files };

static hone_model *load(const char *path) {
    hone_model *model;
    hone_error err = {0};
    if (hone_model_load(&model, path, NULL, &err) != HONE_OK) fail_msg("%s: %s", path, err.message);
    return model;
}

static float *read_array(const char *path, const char *name, size_t *samples) {
    unsigned char *bytes;
    size_t size;
    hone__h5 *h5;
    hone_shape shape;
    assert_int_equal(hone__file_read(path, HONE_MAX_MODEL_FILE, &bytes, &size, NULL), HONE_OK);
    assert_int_equal(hone__h5_open(&h5, bytes, size, NULL), HONE_OK);
    assert_int_equal(hone__h5_read_shape(h5, name, &shape, NULL), HONE_OK);
    const size_t count = (size_t)hone_shape_size(&shape);
    float *data = hone__alloc(count, sizeof *data);
    assert_non_null(data);
    assert_int_equal(hone__h5_read_floats(h5, name, data, count, NULL), HONE_OK);
    *samples = (size_t)shape.dims[0];
    hone__h5_close(h5);
    hone__free(bytes);
    return data;
}

/* The largest difference of a probability from what Keras predicted. */
static double worst_difference(hone_plan *plan, const float *x, const float *want, size_t samples) {
    const size_t count = samples * hone__plan_outputs(plan);
    float *y = hone__alloc(count, sizeof *y);
    assert_non_null(y);
    hone_plan_predict(plan, x, samples, y);
    double worst = 0;
    for (size_t i = 0; i < count; i++) worst = fmax(worst, fabs((double)y[i] - (double)want[i]));
    hone__free(y);
    return worst;
}

static void computes_what_keras_computes(void **state) {
    (void)state;
    for (size_t i = 0; i < FILES; i++) {
        hone_model *model = load(files[i]);
        assert_int_equal(hone_model_precision(model), HONE_PRECISION_MIXED_BFLOAT16);
        size_t samples;
        float *x = read_array(files[i], "/golden/inputs", &samples),
              *want = read_array(files[i], "/golden/outputs", &samples);
        hone_plan *plan;
        hone_plan_config config = hone_plan_config_default();
        assert_int_equal(hone__plan_create_on(&plan, model, &config, hone__kernels_named("scalar_bf16"), NULL),
                         HONE_OK);
        const double twin = worst_difference(plan, x, want, samples);
        if (!(twin <= 0.01)) fail_msg("%s: the twin's outputs differ by %g", files[i], twin);
        hone_plan_free(plan);
        config.precision = HONE_PRECISION_MIXED_BFLOAT16;
        if (hone_precision_check(config.precision, NULL) == HONE_OK) {
            assert_int_equal(hone_plan_create(&plan, model, &config, NULL), HONE_OK);
            const double mixed = worst_difference(plan, x, want, samples);
            if (!(mixed <= 0.01)) fail_msg("%s: outputs differ by %g", files[i], mixed);
            hone_plan_free(plan);
        }
        /* And in float32, which is what predicting does unless it is told otherwise. */
        assert_int_equal(hone_plan_create(&plan, model, NULL, NULL), HONE_OK);
        const double wide = worst_difference(plan, x, want, samples);
        if (!(wide <= 0.02)) fail_msg("%s: float32 outputs differ by %g", files[i], wide);
        hone_plan_free(plan);
        hone__free(x);
        hone__free(want);
        hone_model_free(model);
    }
}

/* The dtype that a layer's config states. */
static const char *stated(const hone_value *config, size_t layer) {
    const hone_value *layers = hone_value_get(hone_value_get(config, "config"), "layers");
    return hone_value_as_string(hone_value_get(hone_value_get(hone_value_at(layers, layer), "config"), "dtype"));
}

/* In words that every Keras since 2.4 reads: a plain string. */
static void policies_are_kept(void **state) {
    (void)state;
    for (size_t i = 0; i < FILES; i++) {
        hone_model *model = load(files[i]), *copy;
        assert_int_equal(hone_model_copy(&copy, model, NULL), HONE_OK);
        char path[] = "/tmp/hone-mixed-XXXXXX";
        const int descriptor = mkstemp(path);
        assert_true(descriptor >= 0);
        fclose(fdopen(descriptor, "w"));
        assert_int_equal(hone_model_save(copy, NULL, path, NULL), HONE_OK);
        hone_model *again = load(path);
        hone_value *config;
        assert_int_equal(hone_model_to_config(again, &config, NULL), HONE_OK);
        assert_string_equal(stated(config, 0), "float32"); /* InputLayer */
        for (size_t layer = 1; layer <= 7; layer++) assert_string_equal(stated(config, layer), "mixed_bfloat16");
        assert_string_equal(stated(config, 8), "float32"); /* the layer that answers */
        double worst;
        assert_int_equal(hone_model_self_test(again, &worst, NULL), HONE_OK);
        assert_true(worst >= 0 && worst < 1e-6); /* made in float32, so that any machine can repeat it */
        hone_value_free(config);
        hone_model_free(again);
        hone_model_free(copy);
        hone_model_free(model);
        remove(path);
    }
}

static void a_policy_is_set(void **state) {
    (void)state;
    hone_model *model;
    hone_value *config;
    const hone_shape shape = {3, {28, 28, 1}};
    assert_int_equal(hone_model_preset(&model, "mnist-cnn", &shape, 10, NULL), HONE_OK);
    assert_int_equal(hone_model_build(model, 1, NULL), HONE_OK);
    assert_int_equal(hone_model_precision(model), HONE_PRECISION_FLOAT32);
    hone_model_set_precision(model, HONE_PRECISION_MIXED_BFLOAT16);
    assert_int_equal(hone_model_precision(model), HONE_PRECISION_MIXED_BFLOAT16);
    assert_int_equal(hone_model_to_config(model, &config, NULL), HONE_OK);
    const size_t last = hone_model_layer_count(model) - 1;
    for (size_t layer = 1; layer < last; layer++) assert_string_equal(stated(config, layer), "mixed_bfloat16");
    assert_string_equal(stated(config, last), "float32");
    hone_value_free(config);
    hone_model_set_precision(model, HONE_PRECISION_FLOAT32);
    assert_int_equal(hone_model_precision(model), HONE_PRECISION_FLOAT32);
    hone_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(computes_what_keras_computes),
        cmocka_unit_test(policies_are_kept),
        cmocka_unit_test(a_policy_is_set),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
