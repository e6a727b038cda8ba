/* SPDX-License-Identifier: Apache-2.0
 *
 * Training that is interrupted, saved, and taken up in fresh objects equals training that was not: to the bit. */
#include "train_test.h"

enum { SAMPLES = 50, EPOCHS = 4, BATCH = 8 }; /* 40 train: 5 steps an epoch; with BATCH 8 none is short */

/* Everything of one run. */
typedef struct session {
    hone_model *model;
    hone_trainer *trainer;
    int64_t cancel_at; /* iterations; -1: never */
} session;

static hone_status cancel_there(void *context, hone_trainer *trainer, int64_t step, int64_t steps,
                                const hone_logs *logs, hone_error *err) {
    const session *s = context;
    (void)step;
    (void)steps;
    (void)logs;
    (void)err;
    if (hone_trainer_iterations(trainer) == s->cancel_at) hone_trainer_cancel(trainer);
    return HONE_OK;
}

static void session_begin(session *s, const hone_dataset *data, const hone_fit_config *config, int64_t cancel_at) {
    hone_error err;
    hone_callback c;
    s->cancel_at = cancel_at;
    s->model = small_network(10, 4, "softmax", .25);
    assert_ok(hone_trainer_create(&s->trainer, s->model, data, config, &err), &err);
    /* A plateau that triggers, and best weights that are found before the end. */
    assert_ok(hone_callback_reduce_lr_on_plateau(&c, "loss", .5, 1, "auto", .5, 0, 0, &err), &err);
    assert_ok(hone_trainer_add_callback(s->trainer, &c, &err), &err);
    assert_ok(hone_callback_early_stopping(&c, "val_loss", .2, 100, "auto", true, 0, &err), &err);
    assert_ok(hone_trainer_add_callback(s->trainer, &c, &err), &err);
    c = (hone_callback){.context = s, .on_batch_end = cancel_there};
    assert_ok(hone_trainer_add_callback(s->trainer, &c, &err), &err);
}

static void session_end(session *s) {
    hone_trainer_free(s->trainer);
    hone_model_free(s->model);
}

/* What a file does: weights, slots by weight, state; the state is looked at as values only. */
static void carry_over(const session *from, session *to) {
    hone_error err;
    hone_value *state, *copy;
    size_t slots = hone_trainer_slot_count(from->trainer);
    assert_int_equal(hone_trainer_slot_count(to->trainer), slots);
    for (size_t w = 0; w < hone_model_weight_count(from->model); w++) {
        hone_weight_info a, b;
        assert_ok(hone_model_weight(from->model, w, &a), &err);
        assert_ok(hone_model_weight(to->model, w, &b), &err);
        size_t bytes = (size_t)hone_shape_size(&a.shape) * sizeof(float);
        memcpy(b.data, a.data, bytes);
        for (size_t slot = 0; slot < slots; slot++) {
            const char *name, *same;
            const float *source = hone_trainer_slot(from->trainer, slot, w, &name);
            float *target = hone_trainer_slot(to->trainer, slot, w, &same);
            assert_string_equal(name, same);
            memcpy(target, source, bytes);
        }
    }
    assert_null(hone_trainer_slot(from->trainer, slots, 0, NULL));
    assert_null(hone_trainer_slot(from->trainer, 0, hone_model_weight_count(from->model), NULL));
    assert_ok(hone_trainer_save_state(from->trainer, &state, &err), &err);
    copy = hone_value_copy(state);
    hone_value_free(state);
    assert_ok(hone_trainer_load_state(to->trainer, copy, &err), &err);
    hone_value_free(copy);
}

static void assert_same(const session *a, const session *b) {
    assert_memory_equal(a->model->data, b->model->data, a->model->data_size * sizeof(float));
    assert_true(hone_value_equal(hone_trainer_history(a->trainer), hone_trainer_history(b->trainer)));
    assert_true(hone_trainer_learning_rate(a->trainer) == hone_trainer_learning_rate(b->trainer));
    assert_int_equal(hone_trainer_iterations(a->trainer), hone_trainer_iterations(b->trainer));
    for (size_t i = 0; i < a->trainer->slot_count; i++)
        assert_memory_equal(a->trainer->slots[i].data, b->trainer->slots[i].data, a->model->data_size * sizeof(float));
}

/* Whole against interrupted after each of at[], several times in one run where there are several. */
static void check(const hone_dataset *data, const hone_fit_config *config, const int64_t *at, size_t count) {
    session whole, now, next;
    hone_error err;
    session_begin(&whole, data, config, -1);
    assert_ok(hone_trainer_fit(whole.trainer, &err), &err);
    session_begin(&now, data, config, count ? at[0] : -1);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(hone_trainer_fit(now.trainer, &err), HONE_CANCELLED);
        assert_int_equal(hone_trainer_iterations(now.trainer), at[i]);
        session_begin(&next, data, config, i + 1 < count ? at[i + 1] : -1);
        carry_over(&now, &next);
        session_end(&now);
        now = next;
        now.trainer->callbacks[2].context = &now; /* the session moved */
    }
    assert_ok(hone_trainer_fit(now.trainer, &err), &err);
    assert_same(&whole, &now);
    assert_int_equal(hone_value_count(hone_value_at(hone_trainer_history(now.trainer), 0)), config->epochs);
    session_end(&now);
    session_end(&whole);
}

static void test_bits(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(SAMPLES, 10, 4, 20);
    hone_split split;
    hone_error err;
    assert_ok(hone_split_last(&split, SAMPLES, .2, &err), &err);
    hone_fit_config config = hone_fit_config_default();
    config.epochs = EPOCHS;
    config.batch_size = BATCH;
    config.split = &split;
    config.seed = 99;
    static const int64_t middle[] = {12}, first[] = {1}, last_step[] = {10}, often[] = {2, 3, 10, 17, 20};
    for (int kind = 0; kind <= HONE_OPTIMIZER_LION; kind++) {
        config.optimizer = hone_optimizer_default((hone_optimizer_kind)kind);
        config.optimizer.momentum = kind == HONE_OPTIMIZER_SGD || kind == HONE_OPTIMIZER_RMSPROP ? .9 : 0;
        config.optimizer.centered = kind == HONE_OPTIMIZER_RMSPROP;
        config.optimizer.amsgrad = kind == HONE_OPTIMIZER_ADAMW;
        check(data, &config, middle, 1);
    }
    config.optimizer = hone_optimizer_default(HONE_OPTIMIZER_ADAM);
    check(data, &config, first, 1);
    check(data, &config, last_step, 1); /* steps done, validation not */
    check(data, &config, often, 5);
    /* Running sums of every kind, a short last batch, a schedule over the whole run. */
    config.batch_size = 7;
    config.metrics[config.metric_count++].kind = HONE_METRIC_AUC;
    config.metrics[config.metric_count++].kind = HONE_METRIC_PRECISION;
    config.metrics[config.metric_count++] = (hone_metric){HONE_METRIC_TOP_K, 2};
    assert_ok(hone_schedule_parse(&config.schedule, "one-cycle", &err), &err);
    check(data, &config, often, 5);
    hone_split_release(&split);
    hone_dataset_free(data);
}

/* A checkpoint written after an epoch continues with the next, with every callback as far as the others. */
typedef struct keeper {
    const hone_dataset *data;
    const hone_fit_config *config;
    session copy;
    int epoch;
} keeper;

static hone_status keep(void *context, const char *path, hone_trainer *trainer, hone_error *err) {
    keeper *k = context;
    char expected[16];
    (void)err;
    snprintf(expected, sizeof expected, "%d", hone_trainer_epoch(trainer)); /* 1-based, and already counted */
    assert_string_equal(path, expected);
    if (hone_trainer_epoch(trainer) != k->epoch) return HONE_OK;
    session now = {.model = hone_trainer_model(trainer), .trainer = trainer};
    session_begin(&k->copy, k->data, k->config, -1);
    hone_callback c;
    assert_ok(hone_callback_model_checkpoint(&c, "{epoch}", "loss", "auto", true, keep, k, NULL), NULL);
    assert_ok(hone_trainer_add_callback(k->copy.trainer, &c, NULL), NULL);
    carry_over(&now, &k->copy);
    return HONE_OK;
}

static void test_checkpoints_continue(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(SAMPLES, 10, 4, 21);
    hone_split split;
    hone_error err;
    hone_callback c;
    assert_ok(hone_split_last(&split, SAMPLES, .2, &err), &err);
    hone_fit_config config = hone_fit_config_default();
    config.epochs = EPOCHS;
    config.batch_size = BATCH;
    config.split = &split;
    config.optimizer.learning_rate = .01;
    keeper k = {.data = data, .config = &config, .epoch = 2};
    session whole;
    session_begin(&whole, data, &config, -1);
    assert_ok(hone_callback_model_checkpoint(&c, "{epoch}", "loss", "auto", false, keep, &k, &err), &err);
    assert_ok(hone_trainer_add_callback(whole.trainer, &c, &err), &err);
    assert_ok(hone_trainer_fit(whole.trainer, &err), &err);
    assert_int_equal(hone_trainer_epoch(k.copy.trainer), 2);
    k.epoch = -1;
    k.copy.trainer->callbacks[2].context = &k.copy;
    assert_ok(hone_trainer_fit(k.copy.trainer, &err), &err);
    assert_same(&whole, &k.copy);
    session_end(&whole);
    session_end(&k.copy);
    hone_split_release(&split);
    hone_dataset_free(data);
}

/* A run that was finished may be granted more epochs, later and elsewhere. */
static void test_more_epochs(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(SAMPLES, 10, 4, 22);
    hone_fit_config config = hone_fit_config_default();
    hone_error err;
    hone_trainer *whole, *half, *rest;
    hone_model *a = small_network(10, 4, "softmax", .25), *b = small_network(10, 4, "softmax", .25);
    config.epochs = 4;
    assert_ok(hone_trainer_create(&whole, a, data, &config, &err), &err);
    assert_ok(hone_trainer_fit(whole, &err), &err);
    config.epochs = 2;
    assert_ok(hone_trainer_create(&half, b, data, &config, &err), &err);
    assert_ok(hone_trainer_fit(half, &err), &err);
    config.epochs = 4;
    assert_ok(hone_trainer_create(&rest, b, data, &config, &err), &err);
    hone_value *saved;
    assert_ok(hone_trainer_save_state(half, &saved, &err), &err);
    assert_ok(hone_trainer_load_state(rest, saved, &err), &err);
    for (size_t i = 0; i < half->slot_count; i++)
        memcpy(rest->slots[i].data, half->slots[i].data, b->data_size * sizeof(float));
    assert_ok(hone_trainer_fit(rest, &err), &err);
    assert_memory_equal(a->data, b->data, a->data_size * sizeof(float));
    assert_true(hone_value_equal(hone_trainer_history(whole), hone_trainer_history(rest)));
    hone_value_free(saved);
    hone_trainer_free(whole);
    hone_trainer_free(half);
    hone_trainer_free(rest);
    hone_model_free(a);
    hone_model_free(b);
    hone_dataset_free(data);
}

/* ---- refusals -------------------------------------------------------------------------------------------------- */

static void assert_differs(hone_model *model, const hone_dataset *data, const hone_fit_config *config,
                           const hone_value *saved, const char *words) {
    hone_trainer *trainer;
    hone_error err = {.message = ""};
    assert_ok(hone_trainer_create(&trainer, model, data, config, &err), &err);
    hone_status status = hone_trainer_load_state(trainer, saved, &err);
    if (status != HONE_ARGUMENT || !strstr(err.message, words))
        fail_msg("status %d, '%s', expected '%s'", status, err.message, words);
    hone_trainer_free(trainer);
}

static void test_other_configurations(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(SAMPLES, 10, 4, 23), *other = stripes_create(SAMPLES, 10, 4, 24);
    hone_model *model = small_network(10, 4, "softmax", 0);
    hone_fit_config config = hone_fit_config_default(), c;
    hone_trainer *trainer;
    hone_value *saved;
    hone_error err;
    hone_split split, larger;
    assert_ok(hone_split_last(&split, SAMPLES, .2, &err), &err);
    assert_ok(hone_split_stratified(&larger, data, .2, 3, &err), &err);
    config.split = &split;
    assert_ok(hone_trainer_create(&trainer, model, data, &config, &err), &err);
    assert_ok(hone_trainer_save_state(trainer, &saved, &err), &err);
    hone_trainer_free(trainer);
    assert_differs(model, other, &config, saved, "'data'");
    c = config;
    c.batch_size = 64;
    assert_differs(model, data, &c, saved, "'batch_size' is 32 there and 64 here");
    c = config;
    c.seed = 1;
    assert_differs(model, data, &c, saved, "'seed' is 0 there and 1 here");
    c = config;
    c.shuffle = false;
    assert_differs(model, data, &c, saved, "'shuffle'");
    c = config;
    c.optimizer.learning_rate = .5;
    assert_differs(model, data, &c, saved, "'optimizer.config.learning_rate' is 0.001 there and 0.5 here");
    c = config;
    c.optimizer.clipnorm = 1;
    assert_differs(model, data, &c, saved, "'optimizer.config.clipnorm' is not set there and 1.0 here");
    c = config;
    c.loss.from_logits = true;
    assert_differs(model, data, &c, saved, "'loss.from_logits'");
    c = config;
    c.split = &larger;
    assert_differs(model, data, &c, saved, "'split.");
    c = config;
    c.split = NULL;
    assert_differs(model, data, &c, saved, "'split'");
    c = config;
    c.metric_count = 0;
    assert_differs(model, data, &c, saved, "'metrics.accuracy'");
    const float weights[] = {1, 2, 1, 1};
    c = config;
    c.class_weight = weights;
    assert_differs(model, data, &c, saved, "'class_weight'");
    c = config;
    assert_ok(hone_schedule_parse(&c.schedule, "cosine", &err), &err);
    assert_differs(model, data, &c, saved, "'schedule.name' is constant there and cosine here");
    hone_value_free(saved);
    /* A schedule over the whole run does not allow for more epochs. */
    assert_ok(hone_trainer_create(&trainer, model, data, &c, &err), &err);
    assert_ok(hone_trainer_save_state(trainer, &saved, &err), &err);
    hone_trainer_free(trainer);
    c.epochs++;
    assert_differs(model, data, &c, saved, "'schedule.epochs' is 10 there and 11 here");
    hone_value_free(saved);
    hone_split_release(&split);
    hone_split_release(&larger);
    hone_model_free(model);
    hone_dataset_free(data);
    hone_dataset_free(other);
}

static void test_damaged_states(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(SAMPLES, 10, 4, 25);
    hone_model *model = small_network(10, 4, "softmax", 0);
    hone_trainer *trainer;
    hone_value *saved;
    hone_error err;
    hone_fit_config config = hone_fit_config_default();
    config.metrics[config.metric_count++].kind = HONE_METRIC_AUC;
    assert_ok(hone_trainer_create(&trainer, model, data, &config, &err), &err);
    assert_ok(hone_trainer_save_state(trainer, &saved, &err), &err);
    assert_int_equal(hone_trainer_load_state(trainer, NULL, &err), HONE_FORMAT);
    static const char *const keys[] = {"version", "epoch",  "step",    "iterations",    "learning_rate",
                                       "sums",    "images", "history", "configuration", "seconds"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        hone_value *copy = hone_value_copy(saved);
        hone_value_set_string(copy, keys[i], "x");
        if (hone_trainer_load_state(trainer, copy, &err) != HONE_FORMAT) fail_msg("'%s' was believed", keys[i]);
        hone_value_free(copy);
    }
    hone_value_set_integer(saved, "step", 3); /* of 2 in an epoch */
    assert_int_equal(hone_trainer_load_state(trainer, saved, &err), HONE_FORMAT);
    assert_non_null(strstr(err.message, "'step' is 3, expected 0 to 2"));
    hone_value_set_integer(saved, "step", 1); /* without the scores that AUC needs */
    assert_int_equal(hone_trainer_load_state(trainer, saved, &err), HONE_FORMAT);
    hone_value_set_integer(saved, "step", 0);
    hone_value_set_integer(saved, "version", 2);
    assert_int_equal(hone_trainer_load_state(trainer, saved, &err), HONE_UNSUPPORTED);
    hone_value_free(saved);
    hone_trainer_free(trainer);
    hone_model_free(model);
    hone_dataset_free(data);
}

/* NaN and infinity survive, which JSON could not hold as numbers. */
static void test_no_numbers_survive(void **state) {
    (void)state;
    const double values[] = {NAN, INFINITY, -INFINITY, 0.1, -0.0, 5e-324};
    for (size_t i = 0; i < sizeof values / sizeof values[0]; i++) {
        hone_value *object = hone_value_object();
        double back;
        hone_value_set(object, "x", hone__state_real(values[i]));
        if (i < 3) assert_non_null(hone_value_as_string(hone_value_get(object, "x")));
        assert_int_equal(hone__state_get_real(object, "x", &back, NULL), HONE_OK);
        assert_true(isnan(values[i]) ? isnan(back) : memcmp(&back, &values[i], sizeof back) == 0);
        hone_value_free(object);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bits),           cmocka_unit_test(test_checkpoints_continue),
        cmocka_unit_test(test_more_epochs),    cmocka_unit_test(test_other_configurations),
        cmocka_unit_test(test_damaged_states), cmocka_unit_test(test_no_numbers_survive),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
