/* SPDX-License-Identifier: Apache-2.0
 *
 * The functions for other languages: what they answer, what they refuse, when they call back, and memory that runs out. The
 * Python package's tests (tests/python) go through the rest. */
#include "test.h"

#include "bind_internal.h"

#include <string.h>

enum { SAMPLES = 24, SIDE = 4 };

static unsigned char pixels[SAMPLES * SIDE * SIDE];
static float inputs[SAMPLES * SIDE * SIDE];
static int32_t labels[SAMPLES];

static int make_data(void **state) {
    (void)state;
    for (size_t i = 0; i < SAMPLES; i++) {
        labels[i] = (int32_t)(i % 2);
        for (size_t k = 0; k < SIDE * SIDE; k++) {
            pixels[i * SIDE * SIDE + k] = (unsigned char)(labels[i] ? 200 + i : i * k % 50);
            inputs[i * SIDE * SIDE + k] = (float)pixels[i * SIDE * SIDE + k] / 255;
        }
    }
    return 0;
}

static hone_model *make_model(void) {
    hone_model *model;
    if (hone_bind_preset(&model, "mlp", SIDE, SIDE, 1, 2, 1) != HONE_OK) fail_msg("%s", hone_bind_error());
    return model;
}

typedef struct told {
    int epochs, stop_at;
    char last[256];
} told;

static int tell(void *context, int epoch, int64_t step, int64_t steps, const char *logs) {
    told *t = context;
    (void)steps;
    if (step > 0) return 0;
    assert_non_null(logs);
    assert_int_equal(epoch, t->epochs);
    snprintf(t->last, sizeof t->last, "%s", logs);
    return ++t->epochs == t->stop_at;
}

static void training_tells_and_stops(void **state) {
    (void)state;
    hone_model *model = make_model();
    told t = {.stop_at = 2};
    char *history, *result;
    assert_int_equal(hone_bind_fit(model, pixels, NULL, labels, SAMPLES,
                                   "{\"epochs\": 9, \"batch_size\": 8, \"validation_split\": 0.25}", NULL, tell, &t,
                                   &history),
                     HONE_OK);
    assert_int_equal(t.epochs, 2);
    assert_non_null(strstr(t.last, "\"val_accuracy\": "));
    hone_value *value;
    assert_int_equal(hone_json_parse(&value, history, strlen(history), NULL), HONE_OK);
    assert_int_equal(hone_value_count(hone_value_get(value, "val_loss")), 2);
    assert_true(hone_value_equal(value, hone_model_record(model, "history")));
    hone_value_free(value);
    hone_json_free(history);
    assert_int_equal(hone_bind_evaluate(model, NULL, inputs, labels, SAMPLES, NULL, NULL, &result), HONE_OK);
    assert_non_null(strstr(result, "\"samples\": 24"));
    hone_json_free(result);
    hone_model_free(model);
}

/* The last validation_samples, whatever the fraction rounds to. */
static void validation_is_what_was_asked_for(void **state) {
    (void)state;
    for (int last = 1; last < SAMPLES; last++) {
        hone_model *model = make_model();
        char options[64], *history;
        snprintf(options, sizeof options, "{\"validation_samples\": %d, \"batch_size\": 64}", last);
        assert_int_equal(hone_bind_fit(model, NULL, inputs, labels, SAMPLES, options, NULL, NULL, NULL, &history),
                         HONE_OK);
        /* the model has not seen them: their loss is that of a training on the others alone */
        hone_model *other = make_model();
        char *alone;
        assert_int_equal(hone_bind_fit(other, NULL, inputs, labels, (size_t)(SAMPLES - last), "{\"batch_size\": 64}",
                                       NULL, NULL, NULL, &alone),
                         HONE_OK);
        for (size_t i = 0; i < hone_model_weight_count(model); i++) {
            hone_weight_info info;
            hone_model_weight(model, i, &info);
            size_t bytes = (size_t)hone_shape_size(&info.shape) * sizeof(float);
            assert_memory_equal(hone_bind_weight(model, i), hone_bind_weight(other, i), bytes);
        }
        assert_null(hone_bind_weight(model, 999));
        hone_json_free(history);
        hone_json_free(alone);
        hone_model_free(model);
        hone_model_free(other);
    }
}

static void what_makes_no_sense_is_said(void **state) {
    (void)state;
    static const struct {
        const char *options, *words;
    } cases[] = {
        {"{\"epochs\": 0}", "'epochs'"},
        {"{\"epochs\": 1e30}", "'epochs'"},
        {"{\"batch_size\": \"many\"}", "'batch_size'"},
        {"{\"shuffle\": 3}", "'shuffle'"},
        {"{\"loss\": 3}", "'loss'"},
        {"{\"metrics\": \"accuracy\"}", "'metrics'"},
        {"{\"metrics\": [3]}", "'metrics'"},
        {"{\"class_weight\": [1]}", "1 members for 2 classes"},
        {"{\"class_weight\": [1, \"a\"]}", "'class_weight'"},
        {"{\"validation_samples\": 24}", "no sample is left"},
        {"{\"validation_split\": 0.5, \"validation_samples\": 2}", "only one of them"},
        {"{\"validation\": \"last:0.5\", \"validation_split\": 0.5}", "only one of them"},
        {"{\"validation\": \"first:0.5\"}", "stratified:F, last:F"},
        {"{\"early_stopping\": {\"patiens\": 1}}", "'patiens'"},
        {"{\"epoch\": 1}", "no option 'epoch'"},
        {"[1]", "no object"},
        {"{", "json"},
    };
    hone_model *model = make_model(), *none;
    char *history = NULL;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hone_status status =
            hone_bind_fit(model, pixels, NULL, labels, SAMPLES, cases[i].options, NULL, NULL, NULL, &history);
        if (status == HONE_OK || !strstr(hone_bind_error(), cases[i].words))
            fail_msg("%s: status %d, '%s'", cases[i].options, status, hone_bind_error());
        assert_null(history);
    }
    assert_int_equal(hone_bind_fit(model, pixels, inputs, labels, SAMPLES, NULL, NULL, NULL, NULL, &history),
                     HONE_ARGUMENT);
    assert_int_equal(hone_bind_fit(model, pixels, NULL, labels, 0, NULL, NULL, NULL, NULL, &history), HONE_ARGUMENT);
    assert_int_equal(hone_bind_set_class_names(model, "[\"a\", 3]"), HONE_ARGUMENT);
    assert_int_equal(hone_bind_set_class_names(model, "{}"), HONE_ARGUMENT);
    assert_int_equal(hone_bind_set_class_names(model, "[\"a\", \"b\"]"), HONE_OK);
    assert_int_equal(hone_bind_set_input(model, "sideways"), HONE_ARGUMENT);
    assert_int_equal(hone_bind_set_trainable(model, 999, 1), HONE_NOT_FOUND);
    assert_int_equal(hone_bind_from_json(&none, "{\"class_name\": \"Sequential\"}", 0), HONE_FORMAT);
    assert_null(none);
    hone_model_free(model);
}

static hone_status everything(void *context) {
    hone_model *model = NULL;
    hone_plan *plan = NULL;
    char *text = NULL, *history = NULL, *result = NULL;
    (void)context;
    hone_status status = hone_bind_preset(&model, "mlp", SIDE, SIDE, 1, 2, 1);
    if (status == HONE_OK) status = hone_bind_set_class_names(model, "[\"a\", \"b\"]");
    if (status == HONE_OK) status = hone_bind_describe(model, &text);
    if (status == HONE_OK) status = hone_bind_plan(&plan, model, 4, NULL);
    if (status == HONE_OK)
        status = hone_bind_fit(model, pixels, NULL, labels, SAMPLES,
                               "{\"class_weight\": [1, 2], \"augment\": \"noise=0.1\", \"early_stopping\": {}}", NULL,
                               NULL, NULL, &history);
    if (status == HONE_OK) status = hone_bind_evaluate(model, pixels, NULL, labels, SAMPLES, NULL, NULL, &result);
    hone_json_free(text);
    hone_json_free(history);
    hone_json_free(result);
    hone_plan_free(plan);
    hone_model_free(model);
    return status;
}

static void running_out_of_memory_is_survived(void **state) {
    (void)state;
    assert_true(test_every_allocation(everything, NULL) > 100);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(training_tells_and_stops),
        cmocka_unit_test(validation_is_what_was_asked_for),
        cmocka_unit_test(what_makes_no_sense_is_said),
        cmocka_unit_test(running_out_of_memory_is_survived),
    };
    return cmocka_run_group_tests(tests, make_data, NULL);
}
