/* SPDX-License-Identifier: Apache-2.0
 *
 * Plans that answer more than the model does: the outputs of layers within, and, watching one, its gradient. */
#include "test.h"

#include <hone/model.h>

#include "core_internal.h"
#include "plan_internal.h"
#include "rng.h"

#include <math.h>
#include <string.h>

enum { SIDE = 10, CLASSES = 4, BATCH = 11, CONV = 1, POOL = 2, NORM = 3, FLATTEN = 4, DENSE = 6, HEAD = 7 };

static void add(hone_model *model, const char *class_name) {
    hone_error err = {0};
    if (hone_model_add(model, class_name, NULL, &err) != HONE_OK) fail_msg("%s", err.message);
}

/* A convolution that fuses with what is behind it, a normalisation and a dropout that differ in training. */
static hone_model *network(void) {
    hone_model *model;
    hone_shape shape = {3, {SIDE, SIDE, 1}};
    assert_int_equal(hone_model_create(&model, NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_input(model, &shape, NULL), HONE_OK);
    assert_int_equal(hone_model_conv2d(model, 8, 3, "relu", NULL), HONE_OK);
    assert_int_equal(hone_model_max_pooling2d(model, 2, NULL), HONE_OK);
    add(model, "BatchNormalization");
    assert_int_equal(hone_model_flatten(model, NULL), HONE_OK);
    assert_int_equal(hone_model_dropout(model, 0.5, NULL), HONE_OK);
    assert_int_equal(hone_model_dense(model, 12, "tanh", NULL), HONE_OK);
    assert_int_equal(hone_model_dense(model, CLASSES, "softmax", NULL), HONE_OK);
    assert_int_equal(hone_model_build(model, 3, NULL), HONE_OK);
    hone_weight_info w;
    for (size_t i = 0; hone_model_weight(model, i, &w) == HONE_OK;
         i++) { /* statistics that are not those of the batch */
        if (strcmp(w.name, "moving_mean") == 0)
            for (int64_t k = 0; k < hone_shape_size(&w.shape); k++) w.data[k] = 0.1f * (float)k;
        if (strcmp(w.name, "moving_variance") == 0)
            for (int64_t k = 0; k < hone_shape_size(&w.shape); k++) w.data[k] = 0.5f + 0.1f * (float)k;
    }
    return model;
}

static void fill(unsigned char *pixels, size_t size) {
    hone__rng rng;
    hone__rng_init(&rng, 9, HONE_STREAM_TEST, 0);
    for (size_t i = 0; i < size; i++) pixels[i] = (unsigned char)hone__rng_below(&rng, 256);
}

static hone_plan *plan_of(hone_model *model, const size_t *layers, size_t count) {
    hone_plan_config config = hone_plan_config_default();
    hone_plan *plan;
    hone_error err = {0};
    config.max_batch = 4; /* smaller than what is asked for */
    config.layers = layers;
    config.layer_count = count;
    if (hone_plan_create(&plan, model, &config, &err) != HONE_OK) fail_msg("%s", err.message);
    return plan;
}

static void test_layers_stand_behind_the_answer(void **state) {
    (void)state;
    hone_model *model = network();
    const size_t layers[] = {CONV, DENSE, 0};
    hone_plan *plain = plan_of(model, NULL, 0), *plan = plan_of(model, layers, 3);
    size_t conv = 8 * 8 * 8, row = CLASSES + conv + 12 + SIDE * SIDE;
    assert_int_equal(hone_plan_row_size(plain), CLASSES);
    assert_int_equal(hone_plan_row_size(plan), row);
    unsigned char pixels[BATCH * SIDE * SIDE];
    float answers[BATCH * CLASSES], *rows = malloc(BATCH * row * sizeof *rows);
    fill(pixels, sizeof pixels);
    hone_plan_predict_pixels(plain, pixels, BATCH, answers);
    hone_plan_predict_pixels(plan, pixels, BATCH, rows);
    hone_weight_info kernel, bias, head, head_bias;
    assert_int_equal(hone_model_weight(model, 0, &kernel), HONE_OK);
    assert_int_equal(hone_model_weight(model, 1, &bias), HONE_OK);
    size_t last = hone_model_weight_count(model) - 1;
    assert_int_equal(hone_model_weight(model, last - 1, &head), HONE_OK);
    assert_int_equal(hone_model_weight(model, last, &head_bias), HONE_OK);
    for (size_t i = 0; i < BATCH; i++) {
        const float *r = rows + i * row, *features = r + CLASSES + conv, *input = features + 12;
        for (size_t c = 0; c < CLASSES; c++) assert_true(fabsf(r[c] - answers[i * CLASSES + c]) < 1e-5f);
        for (size_t k = 0; k < SIDE * SIDE; k++) /* the input as the network gets it */
            assert_true(fabsf(input[k] - (float)pixels[i * SIDE * SIDE + k] / 255) < 1e-6f);
        double sum = bias.data[0]; /* the convolution's upper left corner, before the pooling that it was fused with */
        for (size_t y = 0; y < 3; y++)
            for (size_t x = 0; x < 3; x++) sum += (double)(kernel.data[(y * 3 + x) * 8] * input[y * SIDE + x]);
        assert_true(fabs(fmax(sum, 0) - (double)r[CLASSES]) < 1e-5);
        double logits[CLASSES], total = 0; /* the answer follows from the features */
        for (size_t c = 0; c < CLASSES; c++) {
            logits[c] = head_bias.data[c];
            for (size_t k = 0; k < 12; k++) logits[c] += (double)(features[k] * head.data[k * CLASSES + c]);
            total += exp(logits[c]);
        }
        for (size_t c = 0; c < CLASSES; c++) assert_true(fabs(exp(logits[c]) / total - (double)r[c]) < 1e-5);
    }
    free(rows);
    hone_plan_free(plain);
    hone_plan_free(plan);
    hone_model_free(model);
}

static void test_bad_layers_are_refused(void **state) {
    (void)state;
    hone_model *model = network();
    hone_plan_config config = hone_plan_config_default();
    hone_plan *plan;
    size_t layers[300] = {99};
    config.layers = layers;
    config.layer_count = 1;
    assert_int_equal(hone_plan_create(&plan, model, &config, NULL), HONE_ARGUMENT);
    assert_null(plan);
    layers[0] = CONV;
    config.training = true;
    assert_int_equal(hone_plan_create(&plan, model, &config, NULL), HONE_ARGUMENT);
    config.training = false;
    config.layer_count = 300;
    assert_int_equal(hone_plan_create(&plan, model, &config, NULL), HONE_LIMIT);
    size_t layer = 0;
    assert_int_equal(hone_model_feature_layer(model, &layer, NULL), HONE_OK);
    assert_int_equal(layer, DENSE);
    hone_model_free(model);
}

/* ---- watching ---------------------------------------------------------------------------------------------------- */

typedef struct ask {
    size_t class_index;
    float logits[BATCH * CLASSES];
} ask;

static void want_class(void *context, int worker, size_t shard, size_t first, size_t count, const float *outputs,
                       float *d_outputs) {
    ask *a = context;
    (void)worker;
    (void)shard;
    memcpy(a->logits + first * CLASSES, outputs, count * CLASSES * sizeof *outputs);
    memset(d_outputs, 0, count * CLASSES * sizeof *d_outputs);
    for (size_t i = 0; i < count; i++) d_outputs[i * CLASSES + a->class_index] = 1;
}

static double logit_of(hone_plan *plan, const float *x, size_t class_index) {
    ask a = {class_index, {0}};
    hone__plan_step_float(plan, x, 1, 0, want_class, &a);
    return a.logits[class_index];
}

/* Finite differences of the logit by the picture: the normalisation with its moving statistics, no dropout. */
static void test_gradient_by_the_input(void **state) {
    (void)state;
    hone_model *model = network();
    hone_plan *plan;
    hone_error err = {0};
    if (hone__plan_create_watching(&plan, model, 0, BATCH, NULL, &err) != HONE_OK) fail_msg("%s", err.message);
    unsigned char pixels[BATCH * SIDE * SIDE];
    float x[SIDE * SIDE], gradient[SIDE * SIDE];
    fill(pixels, sizeof pixels);
    ask a = {2, {0}};
    hone__plan_step(plan, pixels, BATCH, 0, want_class, &a);
    hone__watched seen = hone__plan_watched(plan);
    assert_int_equal(seen.size, SIDE * SIDE);
    size_t picture = 7;
    memcpy(x, seen.values + picture * seen.size, sizeof x);
    memcpy(gradient, seen.gradients + picture * seen.size, sizeof gradient);
    for (size_t k = 0; k < SIDE * SIDE; k++)
        assert_true(fabsf(x[k] - (float)pixels[picture * SIDE * SIDE + k] / 255) < 1e-6f);
    assert_true(fabs(logit_of(plan, x, 2) - (double)a.logits[picture * CLASSES + 2]) < 1e-4);
    double size = 0, wrong = 0;
    for (size_t k = 0; k < SIDE * SIDE; k++) {
        float moved[SIDE * SIDE];
        const float step = 2e-3f;
        memcpy(moved, x, sizeof x);
        moved[k] = x[k] + step;
        double up = logit_of(plan, moved, 2);
        moved[k] = x[k] - step;
        double down = logit_of(plan, moved, 2), expected = (up - down) / (2 * (double)step);
        size += expected * expected;
        wrong += (expected - (double)gradient[k]) * (expected - (double)gradient[k]);
    }
    assert_true(size > 1e-4); /* kinks of relu and pooling make a few of them differ */
    assert_true(wrong < 0.01 * size);
    hone_plan_free(plan);
    hone_model_free(model);
}

/* Behind the Dense the gradient is the head's kernel, and nothing is kept from step to step. */
static void test_gradient_by_a_layer(void **state) {
    (void)state;
    hone_model *model = network();
    hone_plan *plan;
    assert_int_equal(hone__plan_create_watching(&plan, model, DENSE, BATCH, NULL, NULL), HONE_OK);
    unsigned char pixels[BATCH * SIDE * SIDE];
    fill(pixels, sizeof pixels);
    hone_weight_info head;
    assert_int_equal(hone_model_weight(model, hone_model_weight_count(model) - 2, &head), HONE_OK);
    for (size_t c = 0; c < CLASSES; c++) {
        ask a = {c, {0}};
        hone__plan_step(plan, pixels, BATCH, c, want_class, &a);
        hone__watched seen = hone__plan_watched(plan);
        assert_int_equal(seen.size, 12);
        for (size_t i = 0; i < BATCH; i++)
            for (size_t k = 0; k < 12; k++)
                assert_true(fabsf(seen.gradients[i * 12 + k] - head.data[k * CLASSES + c]) < 1e-6f);
    }
    hone_plan_free(plan);
    hone_model_free(model);
}

static hone_status watch_once(void *context) {
    hone_plan *plan;
    size_t layers[] = {DENSE};
    hone_plan_config config = hone_plan_config_default();
    config.layers = layers;
    config.layer_count = 1;
    hone_status status = hone__plan_create_watching(&plan, context, CONV, 2, NULL, NULL);
    if (status != HONE_OK) return status;
    hone_plan_free(plan);
    status = hone_plan_create(&plan, context, &config, NULL);
    if (status == HONE_OK) hone_plan_free(plan);
    return status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    hone_model *model = network();
    assert_true(test_every_allocation(watch_once, model) > 10);
    hone_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_layers_stand_behind_the_answer),
        cmocka_unit_test(test_bad_layers_are_refused),
        cmocka_unit_test(test_gradient_by_the_input),
        cmocka_unit_test(test_gradient_by_a_layer),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
