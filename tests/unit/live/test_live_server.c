/* SPDX-License-Identifier: Apache-2.0
 *
 * The page's server beside a real training: what it answers, whom it answers, the stop button, and that watching changes
 * nothing. */
#define _POSIX_C_SOURCE 200809L
#include "test.h"

#include "page_client.h"

#include <hone/format.h>
#include <hone/live.h>

#include <stdio.h>
#include <string.h>
#include <unistd.h>

static hone_dataset *data;
static const char token[] = "0123456789abcdef";

static int make_data(void **state) {
    (void)state;
    return hone_digits_create(&data, 96, 1, NULL, NULL) == HONE_OK ? 0 : 1;
}

static int drop_data(void **state) {
    (void)state;
    hone_dataset_free(data);
    return 0;
}

/* Status; what follows the head is in *body until the next call. */
static int ask(const hone_live *live, const char *method, const char *path, const char *more, const char **body) {
    static char reply[1 << 20];
    int status = page_ask(hone_live_url(live), method, path, more, "", reply, sizeof reply, body);
    assert_true(status != 0);
    return status;
}

static hone_value *state_of(const hone_live *live, const char *query) {
    char path[256];
    const char *body;
    hone_value *value;
    snprintf(path, sizeof path, "/api/state?token=%s%s", token, query);
    assert_int_equal(ask(live, "GET", path, "", &body), 200);
    assert_int_equal(hone_json_parse(&value, body, strlen(body), NULL), HONE_OK);
    return value;
}

static int64_t integer_in(const hone_value *value, const char *key) {
    int64_t number = -1;
    assert_true(hone_value_as_integer(hone_value_get(value, key), &number));
    return number;
}

static hone_live *open_page(void) {
    hone_live_config config = hone_live_config_default();
    hone_live *live;
    hone_error err = {0};
    config.token = token;
    config.model = "m\"lp";
    config.farewell_seconds = 0.05;
    if (hone_live_create(&live, &config, &err) != HONE_OK) fail_msg("%s", err.message);
    return live;
}

/* Trains an mlp for two epochs, watched or not; the weights come out, and the status of fit. */
static hone_status train(float *weights, size_t count, hone_live *live, const hone_callback *other) {
    hone_model *model;
    hone_trainer *trainer;
    hone_shape shape = {3, {28, 28, 1}};
    hone_fit_config config = hone_fit_config_default();
    hone_split split;
    assert_int_equal(hone_split_last(&split, 96, 1.0 / 3, NULL), HONE_OK);
    config.epochs = 2;
    config.split = &split;
    assert_int_equal(hone_model_preset(&model, "mlp", &shape, 10, NULL), HONE_OK);
    assert_int_equal(hone_model_build(model, 1, NULL), HONE_OK);
    assert_int_equal(hone_trainer_create(&trainer, model, data, &config, NULL), HONE_OK);
    if (live) {
        hone_callback callback = hone_live_callback(live);
        assert_int_equal(hone_trainer_add_callback(trainer, &callback, NULL), HONE_OK);
    }
    if (other) assert_int_equal(hone_trainer_add_callback(trainer, other, NULL), HONE_OK);
    hone_status status = hone_trainer_fit(trainer, NULL);
    hone_weight_info info;
    assert_int_equal(hone_model_weight(model, 0, &info), HONE_OK);
    memcpy(weights, info.data, count * sizeof *weights);
    hone_trainer_free(trainer);
    hone_model_free(model);
    hone_split_release(&split);
    return status;
}

static void a_training_is_told_and_not_changed(void **state) {
    (void)state;
    enum { WEIGHTS = 784 };
    float watched[WEIGHTS], alone[WEIGHTS];
    hone_live *live = open_page();
    hone_value *value = state_of(live, "");
    assert_string_equal(hone_value_as_string(hone_value_get(value, "phase")), "waiting");
    assert_string_equal(hone_value_as_string(hone_value_get(value, "model")), "m\"lp");
    hone_value_free(value);

    assert_int_equal(train(watched, WEIGHTS, live, NULL), HONE_OK);
    assert_int_equal(train(alone, WEIGHTS, NULL, NULL), HONE_OK);
    assert_memory_equal(watched, alone, sizeof watched);

    hone_evaluation test = {.samples = 7, .accuracy = 0.5, .accuracy_low = 0.25, .accuracy_high = 0.75};
    hone_live_finish(live, HONE_LIVE_DONE, "m.h5", &test, NULL);
    value = state_of(live, "");
    assert_string_equal(hone_value_as_string(hone_value_get(value, "phase")), "ended");
    assert_int_equal(integer_in(value, "epoch"), 2);
    assert_int_equal(integer_in(value, "samples"), 64);
    assert_int_equal(integer_in(value, "validation_samples"), 32);
    assert_int_equal(integer_in(value, "iterations"), 4);
    const hone_value *history = hone_value_get(value, "history"), *end = hone_value_get(value, "end");
    assert_int_equal(hone_value_count(history), 2);
    assert_int_equal(hone_value_count(hone_value_at(history, 0)), 2 + 4); /* epoch, rate, loss, accuracy, val_… */
    assert_string_equal(hone_value_as_string(hone_value_get(end, "how")), "done");
    assert_string_equal(hone_value_as_string(hone_value_get(end, "file")), "m.h5");
    assert_int_equal(integer_in(hone_value_get(end, "test"), "samples"), 7);
    hone_value_free(value);

    /* What a page has it is not told again; nonsense counts as nothing. */
    value = state_of(live, "&epoch=1");
    assert_int_equal(hone_value_count(hone_value_get(value, "history")), 1);
    hone_value_free(value);
    value = state_of(live, "&epoch=99999999999999999999&points=-4&generation=x");
    assert_int_equal(integer_in(value, "first_point"), 0);
    assert_int_equal(hone_value_count(hone_value_get(value, "history")), 2);
    hone_value_free(value);
    value = state_of(live, "&points=1000000&generation=0");
    assert_int_equal(hone_value_count(hone_value_get(value, "points")), 0);
    hone_value_free(value);
    hone_live_free(live);
}

/* ---- who may ------------------------------------------------------------------------------------------------------ */

static void the_address_is_a_secret(void **state) {
    (void)state;
    hone_live *live = open_page();
    const char *body;
    assert_non_null(strstr(hone_live_url(live), token));
    assert_int_equal(ask(live, "GET", "/", "", &body), 401);
    assert_non_null(strstr(body, "hone train"));
    assert_int_equal(ask(live, "GET", "/api/state?token=0123456789abcdee", "", NULL), 401);
    assert_int_equal(ask(live, "POST", "/api/stop", "", NULL), 401);
    assert_int_equal(ask(live, "GET", "/?token=0123456789abcdef", "", &body), 200);
    assert_non_null(strstr(body, "<title>hone train</title>"));
    assert_null(strstr(body, "<style"));
    for (const char *const *file = (const char *const[]){"app.js", "charts.js", "texts.js", "page.js", "base.css",
                                                         "style.css", "icon.svg", NULL};
         *file; file++) {
        char path[64];
        snprintf(path, sizeof path, "/%s?token=%s", *file, token);
        assert_int_equal(ask(live, "GET", path, "", NULL), 200);
    }
    assert_int_equal(ask(live, "GET", "/../etc/passwd?token=0123456789abcdef", "", NULL), 404);
    assert_int_equal(ask(live, "POST", "/api/stop?token=0123456789abcdef", "Origin: http://evil.example\r\n", NULL),
                     403);
    assert_int_equal(ask(live, "POST", "/api/stop?token=0123456789abcdef", "", &body), 409); /* nothing to stop */
    hone_live_free(live);
}

static void a_token_that_could_be_guessed_is_refused(void **state) {
    (void)state;
    for (const char *const *bad =
             (const char *const[]){"", "short", "has blanks in its words", "quote\"quote\"quote", NULL};
         *bad; bad++) {
        hone_live_config config = hone_live_config_default();
        hone_live *live = (void *)&config;
        hone_error err = {0};
        config.token = *bad;
        assert_int_equal(hone_live_create(&live, &config, &err), HONE_ARGUMENT);
        assert_null(live);
        assert_non_null(strstr(err.message, "16 to 128"));
    }
}

/* ---- the stop button --------------------------------------------------------------------------------------------- */

typedef struct presser {
    hone_live *live;
    int64_t steps;
} presser;

static hone_status press(void *context, hone_trainer *trainer, int64_t step, int64_t steps, const hone_logs *logs,
                         hone_error *err) {
    (void)trainer, (void)step, (void)steps, (void)logs, (void)err;
    presser *p = context;
    if (++p->steps == 3) {
        assert_int_equal(ask(p->live, "POST", "/api/stop?token=0123456789abcdef", "", NULL), 200);
        hone_value *value = state_of(p->live, "");
        assert_string_equal(hone_value_as_string(hone_value_get(value, "phase")), "stopping");
        hone_value_free(value);
    }
    return HONE_OK;
}

static void the_button_stops_after_the_step(void **state) {
    (void)state;
    float weight;
    presser p = {.live = open_page()};
    const hone_callback callback = {.context = &p, .on_batch_end = press};
    assert_int_equal(train(&weight, 1, p.live, &callback), HONE_CANCELLED);
    assert_int_equal(p.steps, 3);
    hone_live_finish(p.live, HONE_LIVE_STOPPED, "m.checkpoint.h5", NULL, NULL);
    hone_value *value = state_of(p.live, "");
    const hone_value *end = hone_value_get(value, "end");
    assert_string_equal(hone_value_as_string(hone_value_get(end, "how")), "stopped");
    assert_string_equal(hone_value_as_string(hone_value_get(end, "file")), "m.checkpoint.h5");
    hone_value_free(value);
    assert_int_equal(ask(p.live, "POST", "/api/stop?token=0123456789abcdef", "", NULL), 409);
    hone_live_free(p.live);
}

/* ---- errors -------------------------------------------------------------------------------------------------------- */

static void a_port_in_use_is_said(void **state) {
    (void)state;
    hone_live *live = open_page(), *second;
    hone_live_config config = hone_live_config_default();
    hone_error err = {0};
    assert_int_equal(sscanf(hone_live_url(live), "http://127.0.0.1:%d/", &config.port), 1);
    assert_int_equal(hone_live_create(&second, &config, &err), HONE_IO);
    assert_non_null(strstr(err.message, "choose another port"));
    hone_live_free(live);
}

static hone_status create_and_free(void *context) {
    (void)context;
    hone_live *live;
    hone_status status = hone_live_create(&live, NULL, NULL);
    hone_live_free(live);
    return status;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    assert_true(test_every_allocation(create_and_free, NULL) > 0);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_training_is_told_and_not_changed),
        cmocka_unit_test(the_address_is_a_secret),
        cmocka_unit_test(a_token_that_could_be_guessed_is_refused),
        cmocka_unit_test(the_button_stops_after_the_step),
        cmocka_unit_test(a_port_in_use_is_said),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, make_data, drop_data);
}
