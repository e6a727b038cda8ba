/* SPDX-License-Identifier: Apache-2.0
 *
 * Weight averaging: the average is what the formula says of the weights after every step, takes their place at the end
 * and only there, and survives an interruption. */
#include "train_test.h"

enum { SAMPLES = 40, SIZE = 10, EPOCHS = 3 };

typedef struct run {
    hone_model *model;
    hone_trainer *trainer;
} run;

static hone_model *network(void) {
    hone_model *model = NULL;
    hone_error err;
    hone_shape shape = {3, {SIZE, SIZE, 1}};
    hone_status status = hone_model_create(&model, NULL, &err);
    if (!status) status = hone_model_input(model, &shape, &err);
    if (!status) status = hone_model_conv2d(model, 4, 3, "relu", &err);
    if (!status) status = hone_model_add(model, "BatchNormalization", NULL, &err);
    if (!status) status = hone_model_flatten(model, &err);
    if (!status) status = hone_model_dense(model, 4, "softmax", &err);
    if (!status) status = hone_model_build(model, 7, &err);
    if (status) fail_msg("%s", err.message);
    return model;
}

static run run_begin(const hone_dataset *data, double momentum, const hone_callback *look) {
    run r = {network(), NULL};
    hone_error err;
    hone_callback c;
    hone_fit_config config = hone_fit_config_default();
    config.epochs = EPOCHS;
    config.batch_size = 8;
    assert_ok(hone_trainer_create(&r.trainer, r.model, data, &config, &err), &err);
    if (look) assert_ok(hone_trainer_add_callback(r.trainer, look, &err), &err);
    if (momentum >= 0) {
        assert_ok(hone_callback_weight_averaging(&c, momentum, &err), &err);
        assert_ok(hone_trainer_add_callback(r.trainer, &c, &err), &err);
    }
    return r;
}

static void run_end(run *r) {
    hone_trainer_free(r->trainer);
    hone_model_free(r->model);
}

/* The same average, in double, by a callback beside it. */
typedef struct witness {
    double *average;
    double momentum;
    int64_t cancel_at;
} witness;

static hone_status follow(void *context, hone_trainer *t, int64_t step, int64_t steps, const hone_logs *logs,
                          hone_error *err) {
    witness *w = context;
    const hone_model *model = hone_trainer_model(t);
    bool is_first = hone_trainer_iterations(t) == 1;
    (void)step, (void)steps, (void)logs, (void)err;
    for (size_t i = 0; w->average && i < model->data_size; i++) {
        double keep = is_first ? 0 : w->momentum;
        w->average[i] = keep * w->average[i] + (1 - keep) * (double)model->data[i];
    }
    if (hone_trainer_iterations(t) == w->cancel_at) hone_trainer_cancel(t);
    return HONE_OK;
}

static void the_average_takes_over(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(SAMPLES, SIZE, 4, 20);
    witness w = {.momentum = 0.8};
    const hone_callback look = {.context = &w, .on_batch_end = follow};
    hone_error err;
    run r = run_begin(data, 0.8, &look), plain = run_begin(data, -1, NULL);
    w.average = hone__alloc(r.model->data_size, sizeof *w.average);
    assert_ok(hone_trainer_fit(r.trainer, &err), &err);
    assert_ok(hone_trainer_fit(plain.trainer, &err), &err);
    /* Averaging looks on: training itself is the same. */
    assert_true(hone_value_equal(hone_trainer_history(r.trainer), hone_trainer_history(plain.trainer)));
    int moving = 0;
    for (size_t i = 0; i < r.model->weight_count; i++) {
        const hone__weight *weight = &r.model->weights[i];
        const float *got = r.model->data + weight->offset, *raw = plain.model->data + weight->offset;
        if (!hone__weight_trainable(r.model, i)) {
            assert_memory_equal(got, raw, weight->size * sizeof *got);
            moving++;
            continue;
        }
        assert_memory_not_equal(got, raw, weight->size * sizeof *got);
        for (size_t j = 0; j < weight->size; j++)
            assert_true(fabs((double)got[j] - w.average[weight->offset + j]) < 1e-5);
    }
    assert_int_equal(moving, 2);
    hone__free(w.average);
    run_end(&r);
    run_end(&plain);
    hone_dataset_free(data);
}

static void interrupted_and_resumed(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(SAMPLES, SIZE, 4, 20);
    witness w = {.cancel_at = 7};
    const hone_callback look = {.context = &w, .on_batch_end = follow};
    hone_error err;
    run whole = run_begin(data, 0.9, NULL), half = run_begin(data, 0.9, &look), rest = run_begin(data, 0.9, NULL);
    run other = run_begin(data, 0.99, NULL);
    assert_ok(hone_trainer_fit(whole.trainer, &err), &err);
    assert_int_equal(hone_trainer_fit(half.trainer, &err), HONE_CANCELLED);
    hone_value *saved;
    assert_ok(hone_trainer_save_state(half.trainer, &saved, &err), &err);
    size_t bytes = whole.model->data_size * sizeof(float);
    memcpy(rest.model->data, half.model->data, bytes);
    bool found = false;
    for (size_t i = 0; i < half.trainer->slot_count; i++) {
        found = found || strcmp(half.trainer->slots[i].name, "average") == 0;
        memcpy(rest.trainer->slots[i].data, half.trainer->slots[i].data, bytes);
    }
    assert_true(found);
    assert_int_equal(hone_trainer_load_state(other.trainer, saved, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "momentum is 0.9 there, 0.99 here"));
    assert_ok(hone_trainer_load_state(rest.trainer, saved, &err), &err);
    assert_ok(hone_trainer_fit(rest.trainer, &err), &err);
    assert_memory_equal(whole.model->data, rest.model->data, bytes);
    hone_value_free(saved);
    run_end(&whole);
    run_end(&half);
    run_end(&rest);
    run_end(&other);
    hone_dataset_free(data);
}

static void refusals(void **state) {
    (void)state;
    const double bad[] = {-0.1, 1, 1.5, NAN};
    hone_callback c;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(hone_callback_weight_averaging(&c, bad[i], NULL), HONE_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_average_takes_over),
        cmocka_unit_test(interrupted_and_resumed),
        cmocka_unit_test(refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
