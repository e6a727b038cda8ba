/* SPDX-License-Identifier: Apache-2.0
 *
 * Training with the policy mixed_bfloat16, where this CPU can (elsewhere: that it is refused in words): it learns, it
 * is not float32 in disguise, any number of threads give the same bits, and a state is resumed only as it was made. */
#include "train_test.h"

static bool can(void) {
    return hone_precision_check(HONE_PRECISION_MIXED_BFLOAT16, NULL) == HONE_OK;
}

static hone_fit_config mixed_config(void) {
    hone_fit_config config = hone_fit_config_default();
    config.epochs = 6;
    config.batch_size = 16;
    config.precision = HONE_PRECISION_MIXED_BFLOAT16;
    return config;
}

/* Trains a small network on data; the caller frees the model. */
static hone_model *train(const hone_dataset *data, const hone_fit_config *config, double *accuracy) {
    hone_model *model = small_network(12, 4, "softmax", 0);
    hone_trainer *trainer = trainer_of(model, data, config);
    hone_error err;
    assert_ok(hone_trainer_fit(trainer, &err), &err);
    const hone_value *history = hone_value_get(hone_trainer_history(trainer), "accuracy");
    assert_true(hone_value_as_real(hone_value_at(history, hone_value_count(history) - 1), accuracy));
    hone_trainer_free(trainer);
    return model;
}

static void it_learns(void **state) {
    (void)state;
    if (!can()) return;
    hone_dataset *data = stripes_create(400, 12, 4, 5);
    hone_fit_config config = mixed_config(), wide = config;
    wide.precision = HONE_PRECISION_FLOAT32;
    double accuracy, float32;
    hone_model *mixed = train(data, &config, &accuracy), *full = train(data, &wide, &float32);
    assert_true(accuracy > 0.95 && float32 > 0.95);
    assert_int_equal(hone_model_precision(mixed), HONE_PRECISION_MIXED_BFLOAT16); /* and so it will be saved */
    assert_int_equal(hone_model_precision(full), HONE_PRECISION_FLOAT32);
    assert_int_equal(mixed->data_size, full->data_size);
    assert_true(memcmp(mixed->data, full->data, full->data_size * sizeof *full->data) != 0);
    hone_model_free(mixed);
    hone_model_free(full);
    hone_dataset_free(data);
}

static void threads_change_nothing(void **state) {
    (void)state;
    if (!can()) return;
    hone_dataset *data = stripes_create(200, 12, 4, 6);
    hone_model *alone = NULL;
    double accuracy;
    for (int count = 1; count <= 5; count += 2) {
        hone_threads *threads;
        hone_error err;
        assert_ok(hone_threads_create(&threads, count, &err), &err);
        hone_fit_config config = mixed_config();
        config.epochs = 2;
        config.threads = threads;
        hone_model *model = train(data, &config, &accuracy);
        if (alone) {
            assert_memory_equal(model->data, alone->data, alone->data_size * sizeof *alone->data);
            hone_model_free(model);
        } else {
            alone = model;
        }
        hone_threads_free(threads);
    }
    hone_model_free(alone);
    hone_dataset_free(data);
}

/* A layer whose own policy is float32 computes so: of a network of one layer, which answers, nothing is left to round. */
static void layers_keep_their_policy(void **state) {
    (void)state;
    if (!can()) return;
    hone_error err;
    hone_model *model;
    hone_plan *plan;
    const hone_shape shape = {1, {40}};
    assert_ok(hone_model_create(&model, NULL, &err), &err);
    assert_ok(hone_model_input(model, &shape, &err), &err);
    assert_ok(hone_model_dense(model, 24, "linear", &err), &err);
    assert_ok(hone_model_build(model, 3, &err), &err);
    float x[40], y[2][3][24];
    for (int i = 0; i < 40; i++) x[i] = 1.0f / (float)(i + 3);
    for (int policy = 0; policy < 3; policy++) { /* float32, what set_precision makes of it, mixed by hand */
        if (policy == 1) hone_model_set_precision(model, HONE_PRECISION_MIXED_BFLOAT16);
        if (policy == 2) model->layers[1]->mixed = true;
        for (int asked = 0; asked < 2; asked++) {
            hone_plan_config config = hone_plan_config_default();
            config.precision = asked ? HONE_PRECISION_MIXED_BFLOAT16 : HONE_PRECISION_FLOAT32;
            assert_ok(hone_plan_create(&plan, model, &config, &err), &err);
            hone_plan_predict(plan, x, 1, y[asked][policy]);
            hone_plan_free(plan);
        }
    }
    assert_memory_equal(y[1][0], y[0][0], sizeof y[0][0]);
    assert_memory_equal(y[1][1], y[0][0], sizeof y[0][0]);
    assert_memory_equal(y[0][2], y[0][0], sizeof y[0][0]); /* a policy alone changes no result */
    assert_true(memcmp(y[1][2], y[0][0], sizeof y[0][0]) != 0);
    for (int i = 0; i < 24; i++) assert_true(fabsf(y[1][2][i] - y[0][0][i]) < 0.02f);
    hone_model_free(model);
}

static void a_state_is_resumed_as_it_was_made(void **state) {
    (void)state;
    if (!can()) return;
    hone_dataset *data = stripes_create(60, 12, 4, 7);
    hone_fit_config config = mixed_config(), wide = config;
    wide.precision = HONE_PRECISION_FLOAT32;
    hone_model *model = small_network(12, 4, "softmax", 0);
    hone_trainer *trainer = trainer_of(model, data, &config), *other = trainer_of(model, data, &wide);
    hone_error err;
    hone_value *saved;
    assert_ok(hone_trainer_save_state(trainer, &saved, &err), &err);
    assert_int_equal(hone_trainer_load_state(other, saved, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "'precision' is mixed_bfloat16 there and not set here"));
    assert_ok(hone_trainer_load_state(trainer, saved, &err), &err);
    hone_value_free(saved);
    hone_trainer_free(other);
    hone_trainer_free(trainer);
    hone_model_free(model);
    hone_dataset_free(data);
}

/* Asked for by HONE_CPU in tests/cli/precision.sh; here, where the CPU itself cannot. */
static void it_is_refused_elsewhere(void **state) {
    (void)state;
    if (can()) return;
    hone_dataset *data = stripes_create(60, 12, 4, 7);
    hone_model *model = small_network(12, 4, "softmax", 0);
    const hone_fit_config config = mixed_config();
    hone_trainer *trainer;
    hone_error err;
    assert_int_equal(hone_trainer_create(&trainer, model, data, &config, &err), HONE_UNSUPPORTED);
    assert_null(trainer);
    assert_non_null(strstr(err.message, "AVX512-BF16"));
    assert_int_equal(hone_model_precision(model), HONE_PRECISION_FLOAT32); /* left as it was */
    hone_model_free(model);
    hone_dataset_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_learns),
        cmocka_unit_test(threads_change_nothing),
        cmocka_unit_test(layers_keep_their_policy),
        cmocka_unit_test(a_state_is_resumed_as_it_was_made),
        cmocka_unit_test(it_is_refused_elsewhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
