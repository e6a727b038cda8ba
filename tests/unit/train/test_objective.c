/* SPDX-License-Identifier: Apache-2.0
 *
 * What training goes down on: each loss with each kind of output, seen from fit and from evaluate, and the steps against
 * gradients worked out by hand. */
#include "train_test.h"

static void test_binary(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(200, 10, 2, 7);
    static const struct {
        int outputs;
        const char *activation;
        bool from_logits;
    } heads[] = {{1, "sigmoid", false}, {1, "linear", true}, {2, "sigmoid", false}, {2, "softmax", false}};
    for (size_t i = 0; i < sizeof heads / sizeof heads[0]; i++) {
        hone_model *model = small_network(10, heads[i].outputs, heads[i].activation, 0);
        hone_fit_config config = hone_fit_config_default();
        hone_error err;
        assert_ok(hone_loss_parse(&config.loss, "binary_crossentropy", &err), &err);
        config.loss.from_logits = heads[i].from_logits;
        config.epochs = 6;
        config.optimizer.learning_rate = .02;
        hone_trainer *trainer = trainer_of(model, data, &config);
        run_fit(trainer);
        if (history_at(trainer, "accuracy", 5) < .9)
            fail_msg("%d outputs, %s: accuracy %g", heads[i].outputs, heads[i].activation,
                     history_at(trainer, "accuracy", 5));
        hone_trainer_free(trainer);
        hone_model_free(model);
    }
    hone_dataset_free(data);
}

static void test_regression(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(150, 10, 3, 8);
    static const char *const losses[] = {"mse", "mae", "huber"};
    for (int i = 0; i < 3; i++) {
        hone_model *model = small_network(10, 1, "linear", 0);
        hone_fit_config config = hone_fit_config_default();
        hone_error err;
        assert_ok(hone_loss_parse(&config.loss, losses[i], &err), &err);
        config.metric_count = 0;
        config.epochs = 6;
        config.optimizer.learning_rate = .01;
        hone_trainer *trainer = trainer_of(model, data, &config);
        run_fit(trainer);
        assert_true(history_at(trainer, "loss", 5) < .6 * history_at(trainer, "loss", 0));
        hone_evaluate_config evaluate = hone_evaluate_config_default();
        hone_evaluation result;
        evaluate.loss = config.loss;
        evaluate.metric_count = 0;
        assert_ok(hone_evaluate(&result, model, data, &evaluate, &err), &err);
        assert_true(isnan(result.accuracy) && isnan(result.accuracy_low));
        assert_int_equal(result.logs.count, 1);
        hone_trainer_free(trainer);
        hone_model_free(model);
    }
    hone_dataset_free(data);
}

/* One step of SGD with rate 1 moves each weight by minus the gradient of the loss that hone_evaluate reports. */
static void check_step(const char *loss, int outputs, const char *activation, bool from_logits, double smoothing) {
    hone_dataset *data = stripes_create(6, 6, outputs == 1 ? 2 : (size_t)outputs, 18);
    hone_model *model = small_network(6, outputs, activation, 0);
    hone_error err;
    hone_fit_config config = hone_fit_config_default();
    hone_evaluate_config evaluate = hone_evaluate_config_default();
    assert_ok(hone_loss_parse(&config.loss, loss, &err), &err);
    config.loss.from_logits = from_logits;
    config.loss.label_smoothing = smoothing;
    config.optimizer = hone_optimizer_default(HONE_OPTIMIZER_SGD);
    config.optimizer.learning_rate = 1;
    config.epochs = 1;
    evaluate.loss = config.loss;
    size_t size = model->data_size;
    float *before = hone__alloc(size, sizeof *before), *after = hone__alloc(size, sizeof *after);
    memcpy(before, model->data, size * sizeof *before);
    hone_trainer *trainer = trainer_of(model, data, &config);
    run_fit(trainer);
    memcpy(after, model->data, size * sizeof *after);
    hone_trainer_free(trainer);
    /* The last layer's weights: behind them there is no kink of ReLU or pooling to step over. */
    for (size_t w = (size_t)hone__weight_find(model, "dense", "kernel"); w < model->weight_count; w++) {
        for (size_t i = 0; i < model->weights[w].size; i++) {
            const double h = 1.0 / 64;
            size_t at = model->weights[w].offset + i;
            double sides[2];
            for (int side = 0; side < 2; side++) {
                hone_evaluation result;
                memcpy(model->data, before, size * sizeof *before);
                model->data[at] += (float)(side ? h : -h);
                assert_ok(hone_evaluate(&result, model, data, &evaluate, &err), &err);
                assert_true(hone_logs_get(&result.logs, "loss", &sides[side]));
            }
            double numeric = (sides[1] - sides[0]) / (2 * h), got = (double)before[at] - after[at];
            if (fabs(numeric - got) > 2e-4 + .01 * fabs(numeric))
                fail_msg("%s of %d %s%s: weight %zu, element %zu: %g, differences say %g", loss, outputs, activation,
                         from_logits ? " as logits" : "", w, i, got, numeric);
        }
    }
    hone__free(before);
    hone__free(after);
    hone_model_free(model);
    hone_dataset_free(data);
}

static void test_steps_follow_the_gradient(void **state) {
    (void)state;
    check_step("sparse_categorical_crossentropy", 3, "softmax", false, 0);
    check_step("sparse_categorical_crossentropy", 3, "linear", true, 0);
    check_step("sparse_categorical_crossentropy", 3, "sigmoid", false, 0); /* not seen through */
    check_step("categorical_crossentropy", 3, "softmax", false, .1);
    check_step("binary_crossentropy", 1, "sigmoid", false, 0);
    check_step("binary_crossentropy", 3, "sigmoid", false, .1);
    check_step("binary_crossentropy", 3, "softmax", false, 0); /* not seen through */
    check_step("mse", 3, "softmax", false, 0);
    check_step("mse", 3, "sigmoid", false, 0);
    check_step("mae", 1, "linear", false, 0);
    check_step("huber", 3, "tanh", false, 0);
}

/* The loss of the logits is the loss of the probabilities where those are in the open; predictions are the model's own.
 */
static void test_evaluate_sees_through(void **state) {
    (void)state;
    enum { N = 70, C = 4 };
    hone_dataset *data = stripes_create(N, 10, C, 9);
    hone_model *model = small_network(10, C, "softmax", .5);
    hone_plan *plan;
    hone_error err;
    float *expected = hone__alloc(N * C, sizeof *expected), *got = hone__alloc(N * C, sizeof *got);
    assert_ok(hone_plan_create(&plan, model, NULL, &err), &err);
    hone_plan_predict_pixels(plan, hone_dataset_images(data), N, expected);
    double loss = 0, reported;
    size_t correct = 0;
    for (size_t i = 0; i < N; i++) {
        const float *p = expected + i * C;
        int32_t label = hone_dataset_labels(data)[i], best = 0;
        for (int32_t j = 1; j < C; j++) best = p[j] > p[best] ? j : best;
        correct += best == label;
        loss -= log(p[label]) / N;
    }
    hone_evaluate_config config = hone_evaluate_config_default();
    hone_evaluation first, second;
    config.predictions = got;
    assert_ok(hone_evaluate(&first, model, data, &config, &err), &err);
    assert_true(hone_logs_get(&first.logs, "loss", &reported) && fabs(reported - loss) < 1e-5 * loss);
    assert_true(first.accuracy == (double)correct / N);
    assert_true(first.accuracy_low < first.accuracy && first.accuracy < first.accuracy_high);
    for (size_t i = 0; i < N * C; i++) assert_true(fabsf(got[i] - expected[i]) < 1e-6f);

    /* Neither the batch nor the threads change a bit. */
    hone_threads *threads;
    assert_ok(hone_threads_create(&threads, 3, &err), &err);
    config.batch_size = 7;
    config.threads = threads;
    config.metrics[config.metric_count++].kind = HONE_METRIC_AUC;
    memcpy(expected, got, N * C * sizeof *got);
    assert_ok(hone_evaluate(&second, model, data, &config, &err), &err);
    assert_memory_equal(expected, got, N * C * sizeof *got);
    assert_true(second.accuracy == first.accuracy);
    double again, auc;
    assert_true(hone_logs_get(&second.logs, "loss", &again) && again == reported);
    assert_true(hone_logs_get(&second.logs, "auc", &auc) && auc > 0 && auc < 1);
    hone_threads_free(threads);
    hone_plan_free(plan);
    hone__free(expected);
    hone__free(got);
    hone_model_free(model);
    hone_dataset_free(data);
}

static void test_regularizers_are_in_the_loss(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(30, 10, 4, 10);
    hone_model *model = small_network(10, 4, "softmax", 0);
    hone_evaluation plain, with;
    hone_error err;
    double before = 0, after = 0, penalty = 0;
    int dense = hone__weight_find(model, "dense", "kernel");
    assert_true(dense >= 0);
    hone__weight *w = &model->weights[dense];
    assert_ok(hone_evaluate(&plain, model, data, NULL, &err), &err);
    w->regularizer = (hone__regularizer){.l1 = .01f, .l2 = .02f};
    for (size_t i = 0; i < w->size; i++) {
        float x = model->data[w->offset + i];
        penalty += .01 * fabsf(x) + .02 * x * x;
    }
    assert_ok(hone_evaluate(&with, model, data, NULL, &err), &err);
    assert_true(hone_logs_get(&plain.logs, "loss", &before) && hone_logs_get(&with.logs, "loss", &after));
    assert_true(penalty > .01 && fabs(after - before - penalty) < 1e-5);

    hone_fit_config config = hone_fit_config_default();
    config.epochs = 1;
    config.optimizer.learning_rate = 0;
    hone_trainer *trainer = trainer_of(model, data, &config);
    run_fit(trainer);
    assert_true(fabs(history_at(trainer, "loss", 0) - after) < 1e-5);
    hone_trainer_free(trainer);
    hone_model_free(model);
    hone_dataset_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_binary),
        cmocka_unit_test(test_regression),
        cmocka_unit_test(test_steps_follow_the_gradient),
        cmocka_unit_test(test_evaluate_sees_through),
        cmocka_unit_test(test_regularizers_are_in_the_loss),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
