/* SPDX-License-Identifier: Apache-2.0
 *
 * training_config: every spelling since Keras 2.2 means the same, what hone writes it reads, and what it does not know
 * keeps no model from loading. */
#include "test.h"

#include "format_internal.h"

#include <string.h>

static hone_compiled read_text(const char *text) {
    hone_value *config;
    hone_compiled compiled;
    hone_error err = {0};
    if (hone_json_parse(&config, text, strlen(text), &err) != HONE_OK) fail_msg("%s", err.message);
    assert_int_equal(hone__compiled_from_config(&compiled, config, NULL), HONE_OK);
    hone_value_free(config);
    return compiled;
}

static void losses_in_every_spelling(void **state) {
    (void)state;
    static const struct {
        const char *text;
        hone_loss_kind kind;
        bool from_logits;
    } cases[] = {
        {"{\"loss\": \"sparse_categorical_crossentropy\"}", HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY, false},
        {"{\"loss\": [\"mse\"]}", HONE_LOSS_MEAN_SQUARED_ERROR, false},
        {"{\"loss\": {\"dense_1\": \"mean_absolute_error\"}}", HONE_LOSS_MEAN_ABSOLUTE_ERROR, false},
        {"{\"loss\": {\"class_name\": \"function\", \"config\": \"binary_crossentropy\"}}",
         HONE_LOSS_BINARY_CROSSENTROPY, false},
        {"{\"loss\": {\"module\": \"builtins\", \"class_name\": \"function\", \"config\": "
         "\"categorical_crossentropy\", "
         "\"registered_name\": \"function\"}}",
         HONE_LOSS_CATEGORICAL_CROSSENTROPY, false},
        {"{\"loss\": {\"class_name\": \"SparseCategoricalCrossentropy\", \"config\": {\"reduction\": \"auto\", "
         "\"name\": "
         "\"x\", \"from_logits\": true, \"ignore_class\": null}}}",
         HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY, true},
        {"{\"loss\": {\"class_name\": \"LossFunctionWrapper\", \"config\": {\"fn\": \"mean_squared_error\"}}}",
         HONE_LOSS_MEAN_SQUARED_ERROR, false},
        {"{\"loss\": {\"class_name\": \"Custom>Huber\", \"config\": {\"delta\": 2.0}}}", HONE_LOSS_HUBER, false}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hone_compiled c = read_text(cases[i].text);
        if (!c.has_loss || c.loss.kind != cases[i].kind || c.loss.from_logits != cases[i].from_logits)
            fail_msg("%s", cases[i].text);
        assert_false(c.has_optimizer);
        if (c.loss.kind == HONE_LOSS_HUBER) assert_true(c.loss.delta == 2);
    }
}

static void metrics_in_every_spelling(void **state) {
    (void)state;
    static const char *const accuracy[] = {
        "{\"metrics\": [\"accuracy\"]}",
        "{\"metrics\": [\"acc\"]}",
        "{\"metrics\": \"accuracy\"}",
        "{\"metrics\": [[\"accuracy\"], [\"accuracy\"]]}",
        "{\"metrics\": {\"dense\": \"sparse_categorical_accuracy\"}}",
        "{\"metrics\": [[{\"class_name\": \"MeanMetricWrapper\", \"config\": {\"name\": \"accuracy\", \"fn\": "
        "\"sparse_categorical_accuracy\"}}]]}",
        "{\"metrics\": [{\"class_name\": \"MeanMetricWrapper\", \"config\": {\"fn\": {\"class_name\": \"function\", "
        "\"config\": \"binary_accuracy\"}}}]}",
        "{\"metrics\": [{\"class_name\": \"CategoricalAccuracy\", \"config\": {\"name\": \"accuracy\"}}]}"};
    for (size_t i = 0; i < sizeof accuracy / sizeof accuracy[0]; i++) {
        hone_compiled c = read_text(accuracy[i]);
        if (c.metric_count != 1 || c.metrics[0].kind != HONE_METRIC_ACCURACY) fail_msg("%s", accuracy[i]);
    }
    hone_compiled c = read_text("{\"metrics\": [null, {\"class_name\": \"SparseTopKCategoricalAccuracy\", \"config\": "
                                "{\"k\": 3}}, \"AUC\", {\"class_name\": \"Precision\", \"config\": {}}]}");
    assert_int_equal(c.metric_count, 3);
    assert_int_equal(c.metrics[0].kind, HONE_METRIC_TOP_K);
    assert_int_equal(c.metrics[0].k, 3);
    assert_int_equal(c.metrics[1].kind, HONE_METRIC_AUC);
    assert_int_equal(c.metrics[2].kind, HONE_METRIC_PRECISION);
}

static void note(void *context, hone_log_level level, const char *message) {
    (void)level;
    strncat(context, message, 1000);
}

static void the_unknown_is_left_out_and_told(void **state) {
    (void)state;
    char log[4096] = "";
    hone_set_log(note, log, HONE_LOG_WARNING);
    hone_compiled c = read_text("{\"loss\": \"ctc\", \"metrics\": [\"mean_io_u\", \"accuracy\"], \"optimizer_config\": "
                                "{\"class_name\": \"Ftrl\", \"config\": {}}}");
    hone_set_log(NULL, NULL, HONE_LOG_ERROR);
    assert_false(c.has_loss);
    assert_false(c.has_optimizer);
    assert_int_equal(c.metric_count, 1);
    assert_non_null(strstr(log, "loss"));
    assert_non_null(strstr(log, "mean_io_u"));
    assert_non_null(strstr(log, "Ftrl"));
    static const char *const odd[] = {"{}", "[]", "3", "{\"loss\": 3, \"metrics\": 4, \"optimizer_config\": 5}",
                                      "{\"loss\": {\"class_name\": \"function\"}, \"metrics\": [[[[[[]]]]]]}"};
    for (size_t i = 0; i < sizeof odd / sizeof odd[0]; i++) {
        c = read_text(odd[i]);
        assert_false(c.has_loss || c.has_optimizer || c.metric_count > 0);
    }
}

static void what_is_written_reads_back(void **state) {
    (void)state;
    for (int kind = HONE_OPTIMIZER_SGD; kind <= HONE_OPTIMIZER_LION; kind++) {
        for (int loss = HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY; loss <= HONE_LOSS_HUBER; loss++) {
            hone_compiled c = {.has_optimizer = true, .has_loss = true, .metric_count = 2}, back;
            c.optimizer = hone_optimizer_default((hone_optimizer_kind)kind);
            c.optimizer.learning_rate = 0.0125;
            c.optimizer.clipnorm = loss % 2 ? 0.5 : 0;
            c.loss = (hone_loss){.kind = (hone_loss_kind)loss, .delta = loss == HONE_LOSS_HUBER ? 3 : 1};
            c.loss.from_logits = loss == HONE_LOSS_BINARY_CROSSENTROPY || loss == 0;
            c.loss.label_smoothing = loss == HONE_LOSS_CATEGORICAL_CROSSENTROPY ? 0.1 : 0;
            c.metrics[0] = (hone_metric){HONE_METRIC_ACCURACY, 0};
            c.metrics[1] = (hone_metric){HONE_METRIC_TOP_K, 3};
            hone_value *config;
            assert_int_equal(hone__compiled_to_config(&c, 10, &config, NULL), HONE_OK);
            /* Keras asks for these two, whatever they say */
            assert_non_null(hone_value_get(config, "optimizer_config"));
            assert_non_null(hone_value_get(config, "loss_weights"));
            assert_int_equal(hone__compiled_from_config(&back, config, NULL), HONE_OK);
            hone_value_free(config);
            assert_true(back.has_optimizer && back.has_loss);
            assert_int_equal(back.optimizer.kind, kind);
            assert_true(back.optimizer.learning_rate == 0.0125);
            assert_true(back.optimizer.clipnorm == c.optimizer.clipnorm);
            assert_true(back.optimizer.weight_decay == c.optimizer.weight_decay);
            assert_int_equal(back.loss.kind, loss);
            assert_int_equal(back.loss.from_logits, c.loss.from_logits);
            assert_true(back.loss.label_smoothing == c.loss.label_smoothing);
            if (loss == HONE_LOSS_HUBER) assert_true(back.loss.delta == 3);
            assert_int_equal(back.metric_count, 2);
            assert_int_equal(back.metrics[1].k, 3);
        }
    }
}

/* Keras' evaluate would fail on what integer labels have no metric for. */
static void metrics_that_keras_lacks_are_not_written(void **state) {
    (void)state;
    hone_compiled c = {.metric_count = 2};
    c.optimizer = hone_optimizer_default(HONE_OPTIMIZER_ADAM);
    c.metrics[0] = (hone_metric){HONE_METRIC_AUC, 0};
    c.metrics[1] = (hone_metric){HONE_METRIC_ACCURACY, 0};
    hone_value *config;
    assert_int_equal(hone__compiled_to_config(&c, 10, &config, NULL), HONE_OK);
    assert_int_equal(hone_value_count(hone_value_get(config, "metrics")), 1);
    hone_value_free(config);
    c.loss.kind = HONE_LOSS_BINARY_CROSSENTROPY;
    assert_int_equal(hone__compiled_to_config(&c, 1, &config, NULL), HONE_OK);
    const hone_value *metrics = hone_value_get(config, "metrics");
    assert_int_equal(hone_value_count(metrics), 2);
    assert_string_equal(hone_value_as_string(hone_value_get(hone_value_at(metrics, 1), "class_name")),
                        "BinaryAccuracy");
    hone_value_free(config);
}

static hone_status scenario(void *context) {
    hone_compiled *c = context;
    hone_value *config;
    HONE_TRY(hone__compiled_to_config(c, 10, &config, NULL));
    hone_value_free(config);
    return HONE_OK;
}

static void memory_may_run_out_anywhere(void **state) {
    (void)state;
    hone_compiled c = {.metric_count = 1};
    c.optimizer = hone_optimizer_default(HONE_OPTIMIZER_LION);
    c.loss.from_logits = true;
    assert_true(test_every_allocation(scenario, &c) > 20);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_in_every_spelling),
        cmocka_unit_test(metrics_in_every_spelling),
        cmocka_unit_test(the_unknown_is_left_out_and_told),
        cmocka_unit_test(what_is_written_reads_back),
        cmocka_unit_test(metrics_that_keras_lacks_are_not_written),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
