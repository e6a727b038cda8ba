/* SPDX-License-Identifier: Apache-2.0
 *
 * The training loop on small networks: what is learnt, what is reported, what is refused, and that neither threads nor
 * luck have a say in it. */
#include "train_test.h"

/* ---- learning and reporting ------------------------------------------------------------------------------------ */

static void test_learns(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(300, 10, 4, 1);
    hone_model *model = small_network(10, 4, "softmax", 0);
    hone_split split = split_of(data, .2);
    hone_fit_config config = hone_fit_config_default();
    config.epochs = 8;
    config.batch_size = 16;
    config.optimizer.learning_rate = .01;
    config.split = &split;
    hone_trainer *trainer = trainer_of(model, data, &config);
    run_fit(trainer);
    const hone_value *history = hone_trainer_history(trainer);
    static const char *const keys[] = {"accuracy", "loss", "val_accuracy", "val_loss"}; /* sorted, as Keras 3 */
    assert_int_equal(hone_value_count(history), 4);
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(hone_value_key_at(history, i), keys[i]);
        assert_int_equal(hone_value_count(hone_value_at(history, i)), 8);
    }
    assert_true(history_at(trainer, "loss", 7) < .5 * history_at(trainer, "loss", 0));
    assert_true(history_at(trainer, "val_accuracy", 7) > .9);
    assert_int_equal(hone_trainer_epoch(trainer), 8);
    assert_int_equal(hone_trainer_iterations(trainer), 8 * 15);
    assert_true(hone_trainer_seconds(trainer) > 0 && hone_trainer_images_per_second(trainer) > 0);

    /* More epochs may be granted, and none are trained twice. */
    run_fit(trainer);
    assert_int_equal(hone_trainer_iterations(trainer), 8 * 15);
    hone_trainer_set_epochs(trainer, 9);
    run_fit(trainer);
    assert_int_equal(hone_trainer_iterations(trainer), 9 * 15);
    assert_int_equal(hone_value_count(hone_value_at(history, 0)), 9);
    hone_trainer_free(trainer);
    hone_split_release(&split);
    hone_model_free(model);
    hone_dataset_free(data);
}

/* With a rate of 0 an epoch's running means are those of its samples, ragged last batch and all. 25 samples,
 * fraction .1: 22 + 3. */
static void test_means_are_exact(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(25, 10, 4, 2);
    hone_model *model = small_network(10, 4, "softmax", 0);
    hone_split split = split_of(data, .1);
    assert_int_equal(split.train_count, 22);
    hone_fit_config config = hone_fit_config_default();
    config.epochs = 2;
    config.batch_size = 8;
    config.optimizer.learning_rate = 0;
    config.split = &split;
    hone_trainer *trainer = trainer_of(model, data, &config);
    run_fit(trainer);
    for (int side = 0; side < 2; side++) {
        hone_evaluate_config all = hone_evaluate_config_default();
        hone_evaluation result;
        hone_error err;
        double loss = 0, accuracy = 0;
        all.indices = side ? split.validation : split.train;
        all.index_count = side ? split.validation_count : split.train_count;
        assert_ok(hone_evaluate(&result, model, data, &all, &err), &err);
        assert_true(hone_logs_get(&result.logs, "loss", &loss) && hone_logs_get(&result.logs, "accuracy", &accuracy));
        assert_int_equal(result.samples, side ? 3 : 22);
        assert_true(accuracy == result.accuracy);
        for (size_t epoch = 0; epoch < 2; epoch++) {
            assert_true(fabs(history_at(trainer, side ? "val_loss" : "loss", epoch) - loss) < 1e-6 * loss);
            assert_true(history_at(trainer, side ? "val_accuracy" : "accuracy", epoch) == accuracy);
        }
    }
    hone_trainer_free(trainer);
    hone_split_release(&split);
    hone_model_free(model);
    hone_dataset_free(data);
}

/* Validation sees the weights and moving statistics of now, folded and packed anew, and agrees with hone_evaluate. */
static void test_validation_is_up_to_date(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(80, 10, 4, 17);
    hone_split split = split_of(data, .25);
    hone_model *model = NULL;
    hone_error err;
    hone_shape shape = {3, {10, 10, 1}};
    hone_status status = hone_model_create(&model, NULL, &err);
    if (!status) status = hone_model_input(model, &shape, &err);
    if (!status) status = hone_model_conv2d(model, 16, 3, NULL, &err);
    if (!status) status = hone_model_add(model, "BatchNormalization", NULL, &err);
    if (!status) status = hone_model_conv2d(model, 16, 3, "relu", &err);
    if (!status) status = hone_model_flatten(model, &err);
    if (!status) status = hone_model_dense(model, 4, "softmax", &err);
    if (!status) status = hone_model_build(model, 3, &err);
    assert_ok(status, &err);
    hone_fit_config config = hone_fit_config_default();
    config.epochs = 3;
    config.split = &split;
    hone_trainer *trainer = trainer_of(model, data, &config);
    run_fit(trainer);
    hone_evaluate_config evaluate = hone_evaluate_config_default();
    hone_evaluation result;
    double loss;
    evaluate.indices = split.validation;
    evaluate.index_count = split.validation_count;
    assert_ok(hone_evaluate(&result, model, data, &evaluate, &err), &err);
    assert_true(hone_logs_get(&result.logs, "loss", &loss));
    assert_true(history_at(trainer, "val_loss", 2) == loss);
    assert_true(history_at(trainer, "val_loss", 0) != loss);
    assert_true(history_at(trainer, "val_accuracy", 2) == result.accuracy);
    hone_trainer_free(trainer);
    hone_split_release(&split);
    hone_model_free(model);
    hone_dataset_free(data);
}

static void test_order_of_samples(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(40, 10, 4, 3);
    hone_model *model = small_network(10, 4, "softmax", 0);
    hone_split split = split_of(data, .25);
    hone_fit_config config = hone_fit_config_default();
    config.split = &split;
    config.seed = 5;
    hone_trainer *a = trainer_of(model, data, &config);
    uint32_t first[30], second[30];
    bool seen[40] = {false};
    hone__trainer_order(a, 0);
    memcpy(first, a->order, sizeof first);
    hone__trainer_order(a, 1);
    memcpy(second, a->order, sizeof second);
    assert_memory_not_equal(first, second, sizeof first);
    for (int i = 0; i < 30; i++) {
        assert_true(second[i] < 30 && !seen[second[i]]); /* a permutation of the training samples */
        seen[second[i]] = true;
    }
    hone__trainer_order(a, 0);
    assert_memory_equal(first, a->order, sizeof first); /* of the seed and the epoch alone */
    hone_trainer_free(a);
    config.seed = 6;
    a = trainer_of(model, data, &config);
    hone__trainer_order(a, 0);
    assert_memory_not_equal(first, a->order, sizeof first);
    hone_trainer_free(a);
    config.shuffle = false;
    a = trainer_of(model, data, &config);
    hone__trainer_order(a, 3);
    assert_memory_equal(split.train, a->order, sizeof first);
    hone_trainer_free(a);
    hone_split_release(&split);
    hone_model_free(model);
    hone_dataset_free(data);
}

/* ---- bits ------------------------------------------------------------------------------------------------------ */

static void test_threads_change_nothing(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(90, 12, 4, 4);
    hone_split split = split_of(data, .2);
    static const int counts[] = {0, 1, 2, 7};
    static const hone_optimizer_kind kinds[] = {HONE_OPTIMIZER_ADAM, HONE_OPTIMIZER_SGD};
    for (int kind = 0; kind < 2; kind++) {
        float *weights = NULL;
        double losses[2] = {0};
        for (int pass = 0; pass < 4; pass++) {
            hone_model *model = small_network(12, 4, "softmax", .3);
            hone_threads *threads = NULL;
            hone_error err;
            if (counts[pass]) assert_ok(hone_threads_create(&threads, counts[pass], &err), &err);
            hone_fit_config config = hone_fit_config_default();
            config.epochs = 2;
            config.batch_size = 25; /* does not divide 72 */
            config.optimizer = hone_optimizer_default(kinds[kind]);
            if (kind) config.optimizer.global_clipnorm = .5;
            config.threads = threads;
            config.split = &split;
            config.metrics[config.metric_count++].kind = HONE_METRIC_AUC;
            hone_trainer *trainer = trainer_of(model, data, &config);
            run_fit(trainer);
            if (pass == 0) {
                weights = hone__alloc(model->data_size, sizeof(float));
                memcpy(weights, model->data, model->data_size * sizeof(float));
                losses[0] = history_at(trainer, "loss", 1);
                losses[1] = history_at(trainer, "val_auc", 1);
            }
            assert_memory_equal(weights, model->data, model->data_size * sizeof(float));
            assert_true(losses[0] == history_at(trainer, "loss", 1));
            assert_true(losses[1] == history_at(trainer, "val_auc", 1));
            hone_trainer_free(trainer);
            hone_threads_free(threads);
            hone_model_free(model);
        }
        hone__free(weights);
    }
    hone_split_release(&split);
    hone_dataset_free(data);
}

/* Weights of 2 for all classes and half the rate are the same steps, to the bit; the loss doubles. */
static void test_class_weight(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(40, 10, 4, 5);
    const float doubled[] = {2, 2, 2, 2}, without_first[] = {0, 1, 1, 1};
    float *weights = NULL;
    double loss = 0;
    for (int pass = 0; pass < 3; pass++) {
        hone_model *model = small_network(10, 4, "softmax", 0);
        hone_fit_config config = hone_fit_config_default();
        config.epochs = 1;
        config.batch_size = 16;
        config.optimizer = hone_optimizer_default(HONE_OPTIMIZER_SGD);
        config.optimizer.learning_rate = pass == 1 ? .25 : .5;
        config.class_weight = pass == 1 ? doubled : pass == 2 ? without_first : NULL;
        hone_trainer *trainer = trainer_of(model, data, &config);
        run_fit(trainer);
        if (pass == 0) {
            weights = hone__alloc(model->data_size, sizeof(float));
            memcpy(weights, model->data, model->data_size * sizeof(float));
            loss = history_at(trainer, "loss", 0);
        } else if (pass == 1) {
            assert_memory_equal(weights, model->data, model->data_size * sizeof(float));
            assert_true(fabs(history_at(trainer, "loss", 0) - 2 * loss) < 1e-9);
        } else {
            assert_true(history_at(trainer, "loss", 0) < loss); /* the divisor stays the count */
        }
        hone_trainer_free(trainer);
        hone_model_free(model);
    }
    hone__free(weights);
    hone_dataset_free(data);
}

/* ---- allocations ----------------------------------------------------------------------------------------------- */

typedef struct watcher {
    test_allocator allocator;
    long at_first, at_last;
} watcher;

static hone_status watch(void *context, hone_trainer *trainer, int64_t step, int64_t steps, const hone_logs *logs,
                         hone_error *err) {
    watcher *w = context;
    (void)trainer;
    (void)logs;
    (void)err;
    if (step == 1) w->at_first = atomic_load(&w->allocator.count);
    if (step == steps) w->at_last = atomic_load(&w->allocator.count);
    return HONE_OK;
}

static void test_steps_allocate_nothing(void **state) {
    (void)state;
    watcher w = {.at_first = -1, .at_last = -2};
    test_allocator_install(&w.allocator, -1);
    hone_dataset *data = stripes_create(100, 10, 4, 6);
    hone_model *model = small_network(10, 4, "softmax", .2);
    hone_threads *threads;
    hone_error err;
    assert_ok(hone_threads_create(&threads, 2, &err), &err);
    hone_fit_config config = hone_fit_config_default();
    config.epochs = 1;
    config.batch_size = 8;
    config.threads = threads;
    config.optimizer.clipnorm = 1;
    config.metrics[config.metric_count++].kind = HONE_METRIC_PRECISION;
    hone_trainer *trainer = trainer_of(model, data, &config);
    hone_callback callback = {.context = &w, .on_batch_end = watch}, nan;
    assert_ok(hone_trainer_add_callback(trainer, &callback, &err), &err);
    assert_ok(hone_callback_terminate_on_nan(&nan, &err), &err);
    assert_ok(hone_trainer_add_callback(trainer, &nan, &err), &err);
    run_fit(trainer);
    assert_int_equal(w.at_first, w.at_last);
    hone_trainer_free(trainer);
    hone_threads_free(threads);
    hone_model_free(model);
    hone_dataset_free(data);
    assert_int_equal(atomic_load(&w.allocator.live), 0);
    test_allocator_remove();
}

/* ---- callbacks in fit ------------------------------------------------------------------------------------------ */

typedef struct script {
    char calls[256]; /* B train begin, e epoch begin, b batch, E epoch end, A after epoch, T train end */
    int64_t cancel_at, fail_at, stop_at; /* iterations; -1 never */
    hone_status end;
    double rates[64];
} script;

static void note(script *s, char what) {
    size_t n = strlen(s->calls);
    if (n + 1 < sizeof s->calls) s->calls[n] = what;
}

static hone_status script_train_begin(void *context, hone_trainer *t, hone_error *err) {
    (void)t;
    (void)err;
    note(context, 'B');
    return HONE_OK;
}

static hone_status script_epoch_begin(void *context, hone_trainer *t, int epoch, hone_error *err) {
    (void)epoch;
    (void)err;
    assert_int_equal(epoch, hone_trainer_epoch(t));
    note(context, 'e');
    return HONE_OK;
}

static hone_status script_batch_end(void *context, hone_trainer *t, int64_t step, int64_t steps, const hone_logs *logs,
                                    hone_error *err) {
    script *s = context;
    int64_t done = hone_trainer_iterations(t);
    (void)logs;
    assert_true(step >= 1 && step <= steps);
    note(s, 'b');
    if (done < 64) s->rates[done] = hone_trainer_learning_rate(t);
    if (done == s->cancel_at) hone_trainer_cancel(t);
    if (done == s->stop_at) hone_trainer_stop(t);
    if (done == s->fail_at) HONE_FAIL(err, HONE_IO, "a callback failed");
    return HONE_OK;
}

static hone_status script_epoch_end(void *context, hone_trainer *t, int epoch, hone_logs *logs, hone_error *err) {
    (void)err;
    assert_int_equal(epoch, hone_trainer_epoch(t)); /* not counted yet */
    note(context, 'E');
    if (logs->count < HONE_MAX_LOGS) {
        logs->keys[logs->count] = "extra";
        logs->values[logs->count++] = epoch;
    }
    return HONE_OK;
}

static hone_status script_after_epoch(void *context, hone_trainer *t, int epoch, hone_error *err) {
    (void)err;
    assert_int_equal(epoch + 1, hone_trainer_epoch(t));
    note(context, 'A');
    return HONE_OK;
}

static void script_train_end(void *context, hone_trainer *t, hone_status status) {
    script *s = context;
    (void)t;
    note(s, 'T');
    s->end = status;
}

static hone_callback callback_of(script *s) {
    return (hone_callback){.context = s,
                           .on_train_begin = script_train_begin,
                           .on_epoch_begin = script_epoch_begin,
                           .on_batch_end = script_batch_end,
                           .on_epoch_end = script_epoch_end,
                           .on_train_end = script_train_end,
                           .after_epoch = script_after_epoch};
}

static void test_callbacks_in_fit(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(20, 10, 4, 11);
    hone_error err;
    static const struct {
        int64_t cancel_at, fail_at, stop_at;
        hone_status status;
        const char *calls, *second; /* of the first fit, and of one more */
    } cases[] = {{-1, -1, -1, HONE_OK, "BebbbEAebbbEAT", "BT"},
                 {2, -1, -1, HONE_CANCELLED, "BebbT", "BebEAebbbEAT"},
                 {3, -1, -1, HONE_CANCELLED, "BebbbT", "BeEAebbbEAT"}, /* only the end of the epoch was missing */
                 {-1, 4, -1, HONE_IO, "BebbbEAebT", "BebbEAT"},
                 {-1, -1, 1, HONE_OK, "BebbbEAT", "BebbbEAT"}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hone_model *model = small_network(10, 4, "softmax", 0);
        script s = {.cancel_at = cases[i].cancel_at, .fail_at = cases[i].fail_at, .stop_at = cases[i].stop_at};
        hone_fit_config config = hone_fit_config_default();
        config.epochs = 2;
        config.batch_size = 8;
        hone_trainer *trainer = trainer_of(model, data, &config);
        hone_callback callback = callback_of(&s);
        assert_ok(hone_trainer_add_callback(trainer, &callback, &err), &err);
        assert_int_equal(hone_trainer_fit(trainer, &err), cases[i].status);
        assert_string_equal(s.calls, cases[i].calls);
        assert_int_equal(s.end, cases[i].status);
        memset(s.calls, 0, sizeof s.calls);
        run_fit(trainer);
        assert_string_equal(s.calls, cases[i].second);
        assert_int_equal(hone_trainer_iterations(trainer), 6);
        assert_true(history_at(trainer, "extra", 1) == 1); /* what a callback adds is history, behind the rest */
        assert_string_equal(hone_value_key_at(hone_trainer_history(trainer), 2), "extra");
        hone_trainer_free(trainer);
        hone_model_free(model);
    }
    hone_dataset_free(data);
}

static void test_cancel_before_fit(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(20, 10, 4, 12);
    hone_model *model = small_network(10, 4, "softmax", 0);
    hone_trainer *trainer = trainer_of(model, data, NULL);
    hone_error err;
    hone_trainer_cancel(trainer); /* a signal may come at any time */
    assert_int_equal(hone_trainer_fit(trainer, &err), HONE_CANCELLED);
    assert_int_equal(hone_trainer_iterations(trainer), 0);
    hone_trainer_set_epochs(trainer, 1);
    run_fit(trainer);
    hone_trainer_free(trainer);
    hone_model_free(model);
    hone_dataset_free(data);
}

static void test_schedule_in_fit(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(20, 10, 4, 13);
    hone_model *model = small_network(10, 4, "softmax", 0);
    hone_error err;
    script s = {.cancel_at = -1, .fail_at = -1, .stop_at = -1};
    hone_fit_config config = hone_fit_config_default();
    config.epochs = 2;
    config.batch_size = 8;
    assert_ok(hone_schedule_parse(&config.schedule, "one-cycle", &err), &err);
    hone_trainer *trainer = trainer_of(model, data, &config);
    hone_callback callback = callback_of(&s);
    assert_ok(hone_trainer_add_callback(trainer, &callback, &err), &err);
    run_fit(trainer);
    for (int64_t done = 1; done < 6; done++) /* after step done the rate is that of the next */
        assert_true(s.rates[done] == hone_schedule_rate(&config.schedule, .001, done, 6));
    hone_trainer_free(trainer);
    hone_model_free(model);
    hone_dataset_free(data);
}

/* ---- numbers that are none ------------------------------------------------------------------------------------- */

static void test_nan_is_named(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(24, 10, 4, 14);
    for (int what = 0; what < 2; what++) {
        hone_model *model = small_network(10, 4, "softmax", 0);
        hone_callback nan;
        hone_error err;
        int weight = hone__weight_find(model, what ? "dense" : "conv2d", "kernel");
        float *kernel = model->data + model->weights[weight].offset;
        if (what)
            for (size_t i = 0; i < model->weights[weight].size; i++) kernel[i] = i % 2 ? 3e38f : -3e38f;
        else
            kernel[1] = NAN;
        hone_trainer *trainer = trainer_of(model, data, NULL);
        assert_ok(hone_callback_terminate_on_nan(&nan, &err), &err);
        assert_ok(hone_trainer_add_callback(trainer, &nan, &err), &err);
        float first = model->data[model->weights[weight].offset];
        assert_int_equal(hone_trainer_fit(trainer, &err), HONE_NUMERIC);
        assert_non_null(strstr(err.message, "epoch 1, batch 1"));
        assert_non_null(strstr(err.message, what ? "output of layer 'dense'" : "weight 'kernel' of layer 'conv2d'"));
        assert_true(model->data[model->weights[weight].offset] == first); /* no update with it */
        hone_trainer_free(trainer);
        hone_model_free(model);
    }
    /* Without the callback training goes on, as in Keras. */
    hone_model *model = small_network(10, 4, "softmax", 0);
    model->data[0] = NAN;
    hone_fit_config config = hone_fit_config_default();
    config.epochs = 1;
    hone_trainer *trainer = trainer_of(model, data, &config);
    run_fit(trainer);
    assert_true(isnan(history_at(trainer, "loss", 0)));
    hone_trainer_free(trainer);
    hone_model_free(model);
    hone_dataset_free(data);
}

/* ---- refusals -------------------------------------------------------------------------------------------------- */

static void assert_refused(hone_model *model, const hone_dataset *data, const hone_fit_config *config,
                           hone_status status, const char *words) {
    hone_trainer *trainer = (hone_trainer *)-1;
    hone_error err = {.message = ""};
    hone_status got = hone_trainer_create(&trainer, model, data, config, &err);
    if (got != status || !strstr(err.message, words))
        fail_msg("status %d, '%s': expected %d, '%s'", got, err.message, status, words);
    assert_null(trainer);
}

static hone_dataset *labelled(const int32_t *labels, size_t n, size_t classes) {
    static const unsigned char images[100 * 8];
    hone_dataset *data;
    hone_error err;
    assert_ok(hone_dataset_create(&data, images, labels, n, 10, 10, 1, NULL, classes, &err), &err);
    return data;
}

static void test_refusals(void **state) {
    (void)state;
    hone_model *model = small_network(10, 4, "softmax", 0), *one = small_network(10, 1, "sigmoid", 0);
    hone_dataset *good = stripes_create(20, 10, 4, 15), *large = stripes_create(20, 12, 4, 15);
    const int32_t high[] = {0, 1, 2, 3, 0, 4}, none[] = {0, 1, -1};
    hone_dataset *too_high = labelled(high, 6, 5), *unlabelled = labelled(none, 3, 2);
    hone_fit_config c = hone_fit_config_default();
    assert_refused(model, large, &c, HONE_SHAPE, "(12, 12, 1)");
    assert_refused(model, large, &c, HONE_SHAPE, "(10, 10, 1)");
    assert_refused(model, too_high, &c, HONE_ARGUMENT, "sample 5 has label 4");
    assert_refused(model, unlabelled, &c, HONE_ARGUMENT, "sample 2 has no label");
    assert_refused(one, good, &c, HONE_SHAPE, "binary_crossentropy");
    c.loss.kind = HONE_LOSS_BINARY_CROSSENTROPY;
    assert_refused(one, good, &c, HONE_ARGUMENT, "takes 0 to 1");
    c = hone_fit_config_default();
    c.epochs = 0;
    assert_refused(model, good, &c, HONE_ARGUMENT, "epochs");
    c = hone_fit_config_default();
    c.batch_size = 0;
    assert_refused(model, good, &c, HONE_ARGUMENT, "batch_size");
    c = hone_fit_config_default();
    c.optimizer.learning_rate = -1;
    assert_refused(model, good, &c, HONE_ARGUMENT, "learning_rate");
    c = hone_fit_config_default();
    c.metrics[c.metric_count++].kind = HONE_METRIC_ACCURACY;
    assert_refused(model, good, &c, HONE_ARGUMENT, "twice");
    c = hone_fit_config_default();
    c.metrics[c.metric_count++] = (hone_metric){HONE_METRIC_TOP_K, 5};
    assert_refused(model, good, &c, HONE_ARGUMENT, "k is 5, the model has 4");
    const float weights[] = {1, -1, 1, 1};
    c = hone_fit_config_default();
    c.class_weight = weights;
    assert_refused(model, good, &c, HONE_ARGUMENT, "class_weight");
    uint32_t list[] = {3, 20};
    hone_split split = {.train = list, .train_count = 2};
    c = hone_fit_config_default();
    c.split = &split;
    assert_refused(model, good, &c, HONE_ARGUMENT, "20");
    split.train_count = 0;
    assert_refused(model, good, &c, HONE_ARGUMENT, "no samples");
    split = (hone_split){.train = list, .train_count = 1, .validation = list + 1, .validation_count = 1};
    assert_refused(model, good, &c, HONE_ARGUMENT, "validation");
    hone_error err;
    for (size_t i = 0; i < hone_model_layer_count(model); i++)
        assert_ok(hone_model_set_trainable(model, i, false), &err);
    assert_refused(model, good, NULL, HONE_ARGUMENT, "no trainable weights");
    hone_evaluation result;
    assert_int_equal(hone_evaluate(&result, model, unlabelled, NULL, &err), HONE_ARGUMENT);
    hone_dataset_free(good);
    hone_dataset_free(large);
    hone_dataset_free(too_high);
    hone_dataset_free(unlabelled);
    hone_model_free(model);
    hone_model_free(one);
}

/* A frozen layer keeps its weights, to the bit, whatever the optimizer would do to them. */
static void test_frozen_layers_stay(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(40, 10, 4, 16);
    hone_model *model = small_network(10, 4, "softmax", 0);
    hone_error err;
    hone_layer_info info;
    int weight = hone__weight_find(model, "conv2d", "kernel");
    float before[36];
    assert_int_equal(model->weights[weight].size, 36);
    memcpy(before, model->data + model->weights[weight].offset, sizeof before);
    size_t layer = model->weights[weight].layer;
    assert_ok(hone_model_layer_info(model, layer, &info), &err);
    assert_ok(hone_model_set_trainable(model, layer, false), &err);
    hone_fit_config config = hone_fit_config_default();
    config.optimizer = hone_optimizer_default(HONE_OPTIMIZER_ADAMW);
    config.epochs = 2;
    hone_trainer *trainer = trainer_of(model, data, &config);
    run_fit(trainer);
    assert_memory_equal(before, model->data + model->weights[weight].offset, sizeof before);
    assert_true(history_at(trainer, "loss", 1) < history_at(trainer, "loss", 0));
    hone_trainer_free(trainer);
    hone_model_free(model);
    hone_dataset_free(data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_learns),
        cmocka_unit_test(test_means_are_exact),
        cmocka_unit_test(test_validation_is_up_to_date),
        cmocka_unit_test(test_order_of_samples),
        cmocka_unit_test(test_threads_change_nothing),
        cmocka_unit_test(test_class_weight),
        cmocka_unit_test(test_steps_allocate_nothing),
        cmocka_unit_test(test_callbacks_in_fit),
        cmocka_unit_test(test_cancel_before_fit),
        cmocka_unit_test(test_schedule_in_fit),
        cmocka_unit_test(test_nan_is_named),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_frozen_layers_stay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
