/* SPDX-License-Identifier: Apache-2.0
 *
 * Memory that runs out: at every allocation of creating a trainer, training, saving its state, evaluating. */
#include "train_test.h"

typedef struct setting {
    hone_model *model;
    hone_dataset *data;
    hone_split split;
} setting;

/* Where a step fails, everything made so far is freed and the status passed on. */
static hone_status train_and_save(void *context) {
    setting *s = context;
    hone_trainer *trainer;
    hone_callback callback;
    hone_fit_config config = hone_fit_config_default();
    hone_value *state = NULL;
    config.epochs = 1;
    config.split = &s->split;
    config.optimizer.clipnorm = 1;
    config.metrics[config.metric_count++].kind = HONE_METRIC_AUC;
    hone_status status = hone_trainer_create(&trainer, s->model, s->data, &config, NULL);
    if (status) return status;
    status = hone_callback_early_stopping(&callback, "loss", 0, 3, "auto", true, 0, NULL);
    if (!status && (status = hone_trainer_add_callback(trainer, &callback, NULL)))
        callback.release(callback.context); /* still ours */
    if (!status) status = hone_trainer_fit(trainer, NULL);
    if (!status) status = hone_trainer_save_state(trainer, &state, NULL);
    if (!status) status = hone_trainer_load_state(trainer, state, NULL);
    hone_value_free(state);
    hone_trainer_free(trainer);
    return status;
}

static hone_status evaluate(void *context) {
    setting *s = context;
    hone_evaluation result;
    hone_evaluate_config config = hone_evaluate_config_default();
    config.metrics[config.metric_count++].kind = HONE_METRIC_AUC;
    config.indices = s->split.train;
    config.index_count = s->split.train_count;
    return hone_evaluate(&result, s->model, s->data, &config, NULL);
}

static hone_status describe(void *context) {
    hone_value *config = NULL;
    hone_optimizer optimizer = hone_optimizer_default(HONE_OPTIMIZER_ADAMW);
    (void)context;
    hone_status status = hone_optimizer_to_config(&optimizer, &config, NULL);
    if (!status) status = hone_optimizer_from_config(&optimizer, config, NULL);
    hone_value_free(config);
    return status;
}

static void test_every_one(void **state) {
    (void)state;
    setting s = {.data = stripes_create(20, 10, 4, 30), .model = small_network(10, 4, "softmax", .1)};
    assert_int_equal(hone_split_stratified(&s.split, s.data, .3, 1, NULL), HONE_OK);
    assert_true(test_every_allocation(train_and_save, &s) > 50);
    assert_true(test_every_allocation(evaluate, &s) > 10);
    assert_true(test_every_allocation(describe, NULL) > 10);
    hone_split_release(&s.split);
    hone_model_free(s.model);
    hone_dataset_free(s.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_every_one)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
