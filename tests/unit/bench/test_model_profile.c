/* SPDX-License-Identifier: Apache-2.0
 *
 * Profiles: a row for each operation, work counted as the layers count it, the model untouched. */
#include "bench_internal.h"

#include "model_internal.h"

#include <math.h>
#include <string.h>

#include "test.h"

static hone_model *preset(const char *name) {
    hone_model *model;
    hone_shape shape = {3, {28, 28, 1}};
    assert_int_equal(hone_model_preset(&model, name, &shape, 10, NULL), HONE_OK);
    assert_int_equal(hone_model_build(model, 1, NULL), HONE_OK);
    return model;
}

static const hone_profile_row *row_of(const hone_profile *p, const char *word) {
    for (size_t i = 0; i < p->count; i++)
        if (strstr(p->rows[i].name, word)) return &p->rows[i];
    fail_msg("no row named '%s'", word);
    return NULL;
}

static void check_sums(const hone_profile *p) {
    double seconds = 0, flops = 0;
    for (size_t i = 0; i < p->count; i++) {
        const hone_profile_row *r = &p->rows[i];
        assert_true(r->forward >= 0 && r->backward >= 0 && isfinite(r->forward) && isfinite(r->backward));
        seconds += r->forward + r->backward + r->weights;
        flops += r->forward_flops + r->backward_flops + r->weights_flops;
    }
    assert_float_equal(p->seconds, seconds, 1e-12);
    assert_float_equal(p->flops, flops, 1e-3);
    assert_true(p->seconds > 0);
}

/* design: 2.79 M multiply-adds forwards, 8.19 M in a step (three times that, less the first layer's input gradient). */
static void work_of_the_articles_network(void **state) {
    (void)state;
    hone_model *model = preset("mnist-cnn");
    hone_profile *p;
    hone_profile_config config = {.batch_size = 5, .training = true, .repeats = 2};
    assert_int_equal(hone_profile_create(&p, model, &config, NULL), HONE_OK);
    check_sums(p);
    const double forward = 194688 + 2230272 + 331776 + 37504;
    assert_float_equal(p->flops, 2.0 * 5 * (3 * forward - 194688), 1);
    assert_float_equal(row_of(p, "conv2d_1")->forward_flops, 2.0 * 5 * 2230272, 1);
    assert_float_equal(row_of(p, "conv2d_1")->backward_flops, 2.0 * 5 * 2230272, 1);
    assert_float_equal(row_of(p, "conv2d_1")->weights_flops, 2.0 * 5 * 2230272, 1);
    row_of(p, "input");
    row_of(p, "loss");
    row_of(p, "pack weights");
    assert_true(row_of(p, "optimizer")->backward > 0);
    hone_profile_free(p);

    config.training = false;
    assert_int_equal(hone_profile_create(&p, model, &config, NULL), HONE_OK);
    check_sums(p);
    assert_float_equal(p->flops, 2.0 * 5 * forward, 1);
    for (size_t i = 0; i < p->count; i++) {
        assert_true(p->rows[i].backward == 0);
        assert_null(strstr(p->rows[i].name, "optimizer"));
    }
    hone_profile_free(p);
    hone_model_free(model);
}

/* BatchNormalization cuts the plan into segments and has running statistics: neither they nor weights may move. */
static hone_model *normalized(void) {
    hone_model *model;
    hone_shape shape = {3, {8, 8, 3}};
    assert_int_equal(hone_model_create(&model, NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_input(model, &shape, NULL), HONE_OK);
    assert_int_equal(hone_model_conv2d(model, 8, 3, NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_add(model, "BatchNormalization", NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_flatten(model, NULL), HONE_OK);
    assert_int_equal(hone_model_dropout(model, 0.5, NULL), HONE_OK);
    assert_int_equal(hone_model_dense(model, 1, "sigmoid", NULL), HONE_OK);
    assert_int_equal(hone_model_build(model, 1, NULL), HONE_OK);
    return model;
}

static void the_model_stays_as_it_was(void **state) {
    (void)state;
    hone_model *model = normalized();
    float *before = hone__alloc(model->data_size, sizeof *before);
    assert_non_null(before);
    memcpy(before, model->data, model->data_size * sizeof *before);
    hone_profile *p;
    hone_profile_config config = {.batch_size = 33, .training = true, .repeats = 3};
    assert_int_equal(hone_profile_create(&p, model, &config, NULL), HONE_OK);
    check_sums(p);
    assert_true(row_of(p, "batch_normalization")->backward > 0);
    assert_memory_equal(before, model->data, model->data_size * sizeof *before);
    hone_profile_free(p);
    hone__free(before);
    hone_model_free(model);
}

static void mistakes(void **state) {
    (void)state;
    hone_model *model = preset("mlp"), *unbuilt;
    hone_shape shape = {3, {28, 28, 1}};
    hone_profile *p;
    hone_error err = {0};
    hone_profile_config config = {.batch_size = 0, .repeats = 1};
    assert_int_equal(hone_profile_create(&p, model, &config, &err), HONE_ARGUMENT);
    assert_null(p);
    config = (hone_profile_config){.batch_size = 1, .repeats = 0};
    assert_int_equal(hone_profile_create(&p, model, &config, &err), HONE_ARGUMENT);
    assert_int_equal(hone_model_preset(&unbuilt, "mlp", &shape, 10, NULL), HONE_OK);
    assert_int_equal(hone_profile_create(&p, unbuilt, NULL, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "not built"));
    hone_profile_free(NULL);
    hone_model_free(unbuilt);
    hone_model_free(model);
}

static hone_status profile_once(void *context) {
    hone_profile *p;
    hone_profile_config config = {.batch_size = 2, .training = true, .repeats = 1};
    hone_status status = hone_profile_create(&p, context, &config, NULL);
    hone_profile_free(p);
    return status;
}

static void no_memory(void **state) {
    (void)state;
    hone_model *model = preset("mlp");
    assert_true(test_every_allocation(profile_once, model) > 20);
    hone_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_of_the_articles_network),
        cmocka_unit_test(the_model_stays_as_it_was),
        cmocka_unit_test(mistakes),
        cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
