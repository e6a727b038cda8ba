/* SPDX-License-Identifier: Apache-2.0
 *
 * Model choice: the range test leaves the model alone and says the same each time; candidates fit their pictures; the
 * search keeps its limits, prefers what is better, and says the same for any number of threads. */
#define _POSIX_C_SOURCE 200809L
#include "search_internal.h"
#include "test.h"

#include <math.h>
#include <string.h>

enum { SAMPLES = 400 };

static void assert_ok(hone_status status, const hone_error *err) {
    if (status != HONE_OK) fail_msg("%s", err->message);
}

static hone_dataset *data;
static hone_split split;

static int make_data(void **state) {
    (void)state;
    hone_error err;
    assert_ok(hone_digits_create(&data, SAMPLES, 3, NULL, &err), &err);
    assert_ok(hone_split_last(&split, SAMPLES, 0.25, &err), &err);
    return 0;
}

static int free_data(void **state) {
    (void)state;
    hone_split_release(&split);
    hone_dataset_free(data);
    return 0;
}

static hone_model *make_model(const char *name) {
    hone_model *model;
    hone_error err;
    hone_shape input = {3, {28, 28, 1}};
    assert_ok(hone_candidate_create(&model, name, &input, 10, &err), &err);
    assert_ok(hone_model_build(model, 2, &err), &err);
    return model;
}

/* ---- the learning rate -------------------------------------------------------------------------------------------- */

static void a_rate_is_found_and_the_model_stays(void **state) {
    (void)state;
    hone_error err;
    hone_model *model = make_model("mlp"), *before;
    hone_rate_curve curve, again;
    hone_fit_config fit = hone_fit_config_default();
    fit.split = &split;
    assert_ok(hone_model_copy(&before, model, &err), &err);
    assert_ok(hone_find_learning_rate(&curve, model, data, &fit, NULL, &err), &err);
    for (size_t i = 0; i < hone_model_weight_count(model); i++) {
        hone_weight_info a, b;
        assert_ok(hone_model_weight(model, i, &a), &err);
        assert_ok(hone_model_weight(before, i, &b), &err);
        assert_memory_equal(a.data, b.data, (size_t)hone_shape_size(&a.shape) * sizeof *a.data);
    }
    assert_true(curve.count > 50 && curve.count <= 100);
    assert_true(fabs(curve.points[0].rate - 1e-6) < 1e-12);
    for (size_t i = 1; i < curve.count; i++)
        assert_true(fabs(curve.points[i].rate / curve.points[i - 1].rate - pow(1e6, 1.0 / 99)) < 1e-6);
    /* Adam on an untrained network of 28x28 pictures: between a ten-thousandth and a few hundredths. */
    assert_true(curve.suggested > 1e-4 && curve.suggested < 0.03);
    assert_true(curve.steepest <= curve.lowest && curve.suggested == curve.lowest / 10);
    assert_true(fabs(curve.points[0].loss - log(10)) < 0.5);

    hone_threads *threads;
    assert_ok(hone_threads_create(&threads, 3, &err), &err);
    fit.threads = threads;
    assert_ok(hone_find_learning_rate(&again, model, data, &fit, NULL, &err), &err);
    assert_int_equal(curve.count, again.count);
    assert_memory_equal(curve.points, again.points, curve.count * sizeof *curve.points);
    hone_rate_curve_release(&curve);
    hone_rate_curve_release(&again);
    hone_threads_free(threads);
    hone_model_free(before);
    hone_model_free(model);
}

/* The loss of a step is its batch's own, whatever epochs do to the running means: 300 samples in batches of 128. */
static void losses_are_those_of_batches(void **state) {
    (void)state;
    hone_error err;
    hone_model *model = make_model("mlp");
    hone_rate_curve curve;
    hone_fit_config fit = hone_fit_config_default();
    hone_rate_config config = hone_rate_config_default();
    fit.split = &split;
    fit.batch_size = 128;
    config.least = 1e-12; /* nothing is learnt: each epoch's batches have the losses of the first, in another order */
    config.most = 2e-12;
    config.steps = 12;
    assert_ok(hone_find_learning_rate(&curve, model, data, &fit, &config, &err), &err);
    for (size_t i = 0; i < curve.count; i++) assert_true(fabs(curve.points[i].loss - curve.points[0].loss) < 0.4);
    for (size_t epoch = 1; epoch < 4; epoch++) {
        double first = 0, now = 0;
        for (size_t i = 0; i < 3; i++) {
            double weight = i < 2 ? 128 : 44;
            first += weight * curve.points[i].loss;
            now += weight * curve.points[3 * epoch + i].loss;
        }
        /* mlp's Dropout draws anew in each step. */
        assert_true(fabs(first - now) / 300 < 0.1);
    }
    hone_rate_curve_release(&curve);
    hone_model_free(model);
}

static bool never(void *context) {
    (void)context;
    return false;
}

static void a_wrong_sweep_is_refused(void **state) {
    (void)state;
    hone_error err;
    hone_model *model = make_model("mlp");
    hone_rate_curve curve;
    hone_fit_config fit = hone_fit_config_default();
    hone_rate_config config = hone_rate_config_default();
    config.least = 0;
    assert_int_equal(hone_find_learning_rate(&curve, model, data, &fit, &config, &err), HONE_ARGUMENT);
    config.least = 2;
    assert_int_equal(hone_find_learning_rate(&curve, model, data, &fit, &config, &err), HONE_ARGUMENT);
    config.most = INFINITY;
    assert_int_equal(hone_find_learning_rate(&curve, model, data, &fit, &config, &err), HONE_ARGUMENT);
    config = hone_rate_config_default();
    config.steps = 3;
    assert_int_equal(hone_find_learning_rate(&curve, model, data, &fit, &config, &err), HONE_ARGUMENT);
    config = hone_rate_config_default();
    config.keep_going = never;
    assert_int_equal(hone_find_learning_rate(&curve, model, data, &fit, &config, &err), HONE_CANCELLED);
    assert_null(curve.points);
    config = (hone_rate_config){.least = 1e25, .most = 1e30, .steps = 20};
    fit.optimizer = hone_optimizer_default(HONE_OPTIMIZER_SGD);
    assert_int_equal(hone_find_learning_rate(&curve, model, data, &fit, &config, &err), HONE_NUMERIC);
    hone_model_free(model);
}

static void a_page_shows_the_curve(void **state) {
    (void)state;
    hone_error err;
    char path[] = "/tmp/hone_rate_XXXXXX", text[65536];
    int file = mkstemp(path);
    assert_true(file >= 0);
    FILE *stream = fdopen(file, "r");
    hone_rate_point points[] = {{1e-4, 2.3, 2.3}, {1e-3, 1.5, 1.9}, {1e-2, 0.9, 1.4}};
    hone_rate_curve curve = {.points = points, .count = 3, .lowest = 1e-2, .steepest = 1e-3, .suggested = 1e-3};
    fclose(stream);
    assert_ok(hone_rate_curve_write_html(&curve, "mlp on <digits>", path, &err), &err);
    stream = fopen(path, "r");
    size_t size = fread(text, 1, sizeof text - 1, stream);
    fclose(stream);
    remove(path);
    text[size] = '\0';
    assert_non_null(strstr(text, "suggested learning rate"));
    assert_non_null(strstr(text, "mlp on &lt;digits&gt;"));
    assert_null(strstr(text, "diverges"));
    curve.count = 0;
    assert_int_equal(hone_rate_curve_write_html(&curve, "x", path, &err), HONE_ARGUMENT);
}

/* ---- candidates ---------------------------------------------------------------------------------------------------- */

static void candidates_fit_their_pictures(void **state) {
    (void)state;
    const hone_shape inputs[] = {
        {3, {28, 28, 1}}, {3, {32, 32, 3}}, {3, {64, 64, 3}}, {3, {160, 120, 3}}, {3, {12, 40, 1}}};
    for (size_t k = 0; k < sizeof inputs / sizeof inputs[0]; k++) {
        char name[32];
        size_t count = 0;
        for (; hone_candidate_name(name, sizeof name, &inputs[k], count); count++) {
            hone_error err = {0};
            hone_model *model;
            hone_status status = hone_candidate_create(&model, name, &inputs[k], 7, &err);
            if (status == HONE_OK) status = hone_model_build(model, 1, &err);
            if (strncmp(name, "conv-", 5) != 0 && inputs[k].dims[0] < 28) { /* presets say what they need */
                hone_model_free(model);
                continue;
            }
            assert_ok(status, &err);
            assert_int_equal(hone_model_output_size(model), 7);
            int64_t parameters = 0;
            for (size_t i = 0; i < hone_model_layer_count(model); i++) {
                hone_layer_info info;
                assert_ok(hone_model_layer_info(model, i, &info), &err);
                parameters += info.parameters;
                if (strcmp(info.class_name, "MaxPooling2D") == 0) assert_true(info.output.dims[0] >= 3);
            }
            assert_true(parameters < 5000000);
            hone_model_free(model);
        }
        assert_true(count >= 6);
    }
    hone_model *model;
    hone_error err;
    const char *const wrong[] = {"conv-0x1", "conv-16x9", "conv-16", "conv-16x1x", "conv-", "nothing"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        assert_int_equal(hone_candidate_create(&model, wrong[i], &inputs[0], 7, &err), HONE_NOT_FOUND);
    assert_int_equal(hone_candidate_create(&model, "conv-16x1", &inputs[0], 1, &err), HONE_ARGUMENT);
}

/* ---- the search ---------------------------------------------------------------------------------------------------- */

static hone_search_config make_config(int trials) {
    hone_search_config config = hone_search_config_default();
    config.seconds = 0;
    config.trials = trials;
    config.fit.split = &split;
    config.fit.seed = 5;
    return config;
}

static const char *text_at(const hone_value *trials, size_t index, const char *key) {
    return hone_value_as_string(hone_value_get(hone_value_at(trials, index), key));
}

static void trials_are_the_same_each_time(void **state) {
    (void)state;
    hone_error err;
    hone_search_result one, two;
    hone_search_config config = make_config(2);
    assert_ok(hone_search(&one, data, &config, &err), &err);
    assert_ok(hone_threads_create(&config.fit.threads, 3, &err), &err);
    assert_ok(hone_search(&two, data, &config, &err), &err);
    assert_string_equal(one.name, two.name);
    assert_int_equal(hone_value_count(one.trials), 2);
    assert_string_equal(text_at(one.trials, 0, "outcome"), "won");
    assert_string_equal(text_at(one.trials, 1, "outcome"), "dropped");
    double best = 0, other = 0;
    hone_value_as_real(hone_value_get(hone_value_at(one.trials, 0), "val_accuracy"), &best);
    hone_value_as_real(hone_value_get(hone_value_at(one.trials, 1), "val_accuracy"), &other);
    assert_true(best >= other);
    for (size_t i = 0; i < hone_model_weight_count(one.model); i++) {
        hone_weight_info a, b;
        assert_ok(hone_model_weight(one.model, i, &a), &err);
        assert_ok(hone_model_weight(two.model, i, &b), &err);
        assert_memory_equal(a.data, b.data, (size_t)hone_shape_size(&a.shape) * sizeof *a.data);
    }
    hone_threads_free(config.fit.threads);
    hone_search_result_release(&one);
    hone_search_result_release(&two);
}

static void limits_are_kept(void **state) {
    (void)state;
    hone_error err;
    hone_search_result result;
    hone_search_config config = make_config(1);
    config.max_parameters = 12000; /* conv-8x1 alone is smaller */
    assert_ok(hone_search(&result, data, &config, &err), &err);
    assert_string_equal(result.name, "conv-8x1");
    int64_t parameters = 0;
    hone_value_as_integer(hone_value_get(hone_value_at(result.trials, 0), "parameters"), &parameters);
    assert_true(parameters <= 12000 && hone_value_count(result.trials) > 1);
    assert_string_equal(text_at(result.trials, 1, "outcome"), "too many parameters");
    hone_search_result_release(&result);

    config.max_parameters = 10;
    assert_int_equal(hone_search(&result, data, &config, &err), HONE_NOT_FOUND);
    assert_null(result.model);
    config = make_config(1);
    config.max_seconds = 1e-12;
    assert_int_equal(hone_search(&result, data, &config, &err), HONE_NOT_FOUND);
    config = make_config(1);
    config.max_memory = 1000;
    assert_int_equal(hone_search(&result, data, &config, &err), HONE_NOT_FOUND);
    config = make_config(1);
    config.fit.split = NULL;
    assert_int_equal(hone_search(&result, data, &config, &err), HONE_ARGUMENT);
}

static bool for_a_while(void *context) {
    int *steps = context;
    return --*steps > 0;
}

/* Stopped in the second trial: the first is the best so far. Stopped at once: what there is after a step. */
static void a_stopped_search_has_its_best(void **state) {
    (void)state;
    hone_error err;
    hone_search_result result;
    int steps = 120;
    hone_search_config config = make_config(3);
    config.keep_going = for_a_while;
    config.context = &steps;
    assert_int_equal(hone_search(&result, data, &config, &err), HONE_CANCELLED);
    assert_non_null(result.model);
    assert_string_equal(text_at(result.trials, 0, "outcome"), "won");
    assert_string_equal(text_at(result.trials, 2, "outcome"), "not finished");
    hone_search_result_release(&result);
}

/* By the clock: it ends, a little after the time at worst. Nothing is asserted of how long that is. */
static void a_clock_ends_it(void **state) {
    (void)state;
    hone_error err;
    hone_search_result result;
    hone_search_config config = make_config(2);
    config.seconds = 0.3;
    assert_ok(hone_search(&result, data, &config, &err), &err);
    assert_non_null(result.model);
    hone_search_result_release(&result);

    /* No time at all: the fastest is tried all the same, the others are not. */
    config.seconds = 1e-9;
    config.trials = 4;
    assert_ok(hone_search(&result, data, &config, &err), &err);
    assert_string_equal(text_at(result.trials, 0, "outcome"), "won");
    for (size_t i = 1; i < 4; i++)
        assert_string_equal(text_at(result.trials, i, "outcome"), "too slow to be tried in this time");
    hone_search_result_release(&result);
}

static hone_status small_search(void *context) {
    (void)context;
    hone_error err;
    hone_search_result result;
    hone_search_config config = make_config(1);
    int steps = 2;
    config.keep_going = for_a_while;
    config.context = &steps;
    hone_status status = hone_search(&result, data, &config, &err);
    hone_search_result_release(&result);
    return status == HONE_CANCELLED ? HONE_OK : status;
}

static hone_status small_sweep(void *context) {
    hone_error err;
    hone_rate_curve curve;
    hone_fit_config fit = hone_fit_config_default();
    hone_rate_config config = hone_rate_config_default();
    config.steps = 10;
    fit.split = &split;
    hone_status status = hone_find_learning_rate(&curve, context, data, &fit, &config, &err);
    hone_rate_curve_release(&curve);
    return status;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    hone_model *model = make_model("conv-8x1");
    assert_true(test_every_allocation(small_sweep, model) > 20);
    hone_model_free(model);
    assert_true(test_every_allocation(small_search, NULL) > 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_rate_is_found_and_the_model_stays),
        cmocka_unit_test(losses_are_those_of_batches),
        cmocka_unit_test(a_wrong_sweep_is_refused),
        cmocka_unit_test(a_page_shows_the_curve),
        cmocka_unit_test(candidates_fit_their_pictures),
        cmocka_unit_test(trials_are_the_same_each_time),
        cmocka_unit_test(limits_are_kept),
        cmocka_unit_test(a_stopped_search_has_its_best),
        cmocka_unit_test(a_clock_ends_it),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, make_data, free_data);
}
