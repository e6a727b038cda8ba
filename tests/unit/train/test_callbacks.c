/* SPDX-License-Identifier: Apache-2.0
 *
 * Callbacks, driven by made-up logs: Keras' traces, files to the byte, names, states. */
#define _POSIX_C_SOURCE 200809L

#include "train_test.h"

#include <stdio.h>
#include <unistd.h>

/* A trainer that is not trained: what callbacks may ask of one. */
typedef struct stage {
    bare_model bare;
    hone_trainer trainer;
} stage;

static void stage_init(stage *s) {
    memset(s, 0, sizeof *s);
    bare_init(&s->bare, (const size_t[BARE_WEIGHTS]){3});
    s->trainer.model = &s->bare.model;
    s->trainer.rate = 0.1;
    s->trainer.steps = 1;
    s->trainer.config.epochs = 100;
}

static void stage_release(stage *s) {
    for (size_t i = 0; i < s->trainer.callback_count; i++)
        if (s->trainer.callbacks[i].release) s->trainer.callbacks[i].release(s->trainer.callbacks[i].context);
    for (size_t i = 0; i < s->trainer.slot_count; i++) {
        hone__free(s->trainer.slots[i].name);
        hone__free(s->trainer.slots[i].data);
    }
    bare_release(&s->bare);
}

static hone_callback *stage_add(stage *s, hone_callback callback) {
    hone_error err;
    assert_ok(hone_trainer_add_callback(&s->trainer, &callback, &err), &err);
    return &s->trainer.callbacks[s->trainer.callback_count - 1];
}

static hone_logs logs_of(const char *key, double value) {
    return (hone_logs){.count = 1, .keys = {key}, .values = {value}};
}

/* One epoch that ends with key = value; the model's first weight says which epoch it was. */
static void play(stage *s, hone_callback *c, int epoch, const char *key, double value) {
    hone_error err;
    hone_logs logs = logs_of(key, value);
    s->bare.model.data[0] = (float)epoch;
    assert_ok(c->on_epoch_end(c->context, &s->trainer, epoch, &logs, &err), &err);
}

/* The epoch (from 0) after which training stops, or -1. */
static int stops_at(const char *monitor, double min_delta, int patience, const char *mode, int start, const double *v,
                    int n) {
    stage s;
    hone_callback callback;
    hone_error err;
    int stopped = -1;
    stage_init(&s);
    assert_ok(hone_callback_early_stopping(&callback, monitor, min_delta, patience, mode, false, start, &err), &err);
    hone_callback *c = stage_add(&s, callback);
    for (int epoch = 0; epoch < n && stopped < 0; epoch++) {
        play(&s, c, epoch, monitor, v[epoch]);
        if (s.trainer.stop) stopped = epoch;
    }
    stage_release(&s);
    return stopped;
}

static void test_early_stopping_traces(void **state) {
    (void)state;
    const double falling[] = {1.0, .9, .95, .92, .91}, rising[] = {.5, .6, .55, .58, .7}, flat[] = {1, 1, 1, 1};
    assert_int_equal(stops_at("val_loss", 0, 2, "auto", 0, falling, 5), 3);
    assert_int_equal(stops_at("val_loss", 0, 3, "min", 0, falling, 5), 4);
    assert_int_equal(stops_at("val_accuracy", 0, 2, "auto", 0, rising, 5), 3);
    assert_int_equal(stops_at("val_accuracy", 0, 3, "max", 0, rising, 5), -1);
    /* Patience 0: at the first epoch that does not improve, but never at epoch 0. */
    assert_int_equal(stops_at("loss", 0, 0, "auto", 0, flat, 4), 1);
    const double bad_start[] = {NAN, NAN, 1};
    assert_int_equal(stops_at("loss", 0, 0, "auto", 0, bad_start, 3), 1);
    /* min_delta: .84 does not beat .9 by .05 enough to count twice, .84 < .85 does once. */
    const double delta[] = {1.0, .9, .84, .83, .82};
    assert_int_equal(stops_at("loss", .05, 2, "auto", 0, delta, 5), 4);
    const double no_delta[] = {1.0, .9, .86, .86, .82};
    assert_int_equal(stops_at("loss", -.05, 2, "auto", 0, no_delta, 5), 3); /* its sign does not matter */
    /* start_from_epoch: what comes before is not looked at, not even as the best. */
    const double warm[] = {.1, .2, 1.0, 1.1, 1.2};
    assert_int_equal(stops_at("loss", 0, 1, "auto", 2, warm, 5), 3);
    /* A key that never comes never stops. */
    const double missing[] = {1, 1, 1, 1};
    stage s;
    hone_callback callback;
    hone_error err;
    stage_init(&s);
    assert_ok(hone_callback_early_stopping(&callback, "val_loss", 0, 0, "auto", false, 0, &err), &err);
    hone_callback *c = stage_add(&s, callback);
    for (int i = 0; i < 4; i++) play(&s, c, i, "loss", missing[i]);
    assert_false(s.trainer.stop);
    stage_release(&s);
}

static void test_early_stopping_restores(void **state) {
    (void)state;
    static const hone_status ends[] = {HONE_OK, HONE_NUMERIC, HONE_CANCELLED, HONE_IO};
    for (int i = 0; i < 4; i++) {
        stage s;
        hone_callback callback;
        hone_error err;
        stage_init(&s);
        assert_ok(hone_callback_early_stopping(&callback, "loss", 0, 5, "auto", true, 0, &err), &err);
        hone_callback *c = stage_add(&s, callback);
        const char *name;
        assert_int_equal(hone_trainer_slot_count(&s.trainer), 1);
        assert_non_null(hone_trainer_slot(&s.trainer, 0, 0, &name));
        assert_string_equal(name, "best_weights");
        const double losses[] = {1, .5, .8, .9};
        for (int epoch = 0; epoch < 4; epoch++) play(&s, c, epoch, "loss", losses[epoch]);
        assert_false(s.trainer.stop);
        c->on_train_end(c->context, &s.trainer, ends[i]);
        /* Never stopped early, restored all the same (Keras 3); but not where training will go on. */
        assert_true(s.bare.model.data[0] == (i < 2 ? 1 : 3));
        stage_release(&s);
    }
    /* Where nothing improves, the first weights count as the best. */
    stage s;
    hone_callback callback;
    hone_error err;
    stage_init(&s);
    assert_ok(hone_callback_early_stopping(&callback, "loss", 0, 5, "auto", true, 1, &err), &err);
    hone_callback *c = stage_add(&s, callback);
    for (int epoch = 0; epoch < 4; epoch++) play(&s, c, epoch, "loss", NAN);
    c->on_train_end(c->context, &s.trainer, HONE_OK);
    assert_true(s.bare.model.data[0] == 1);
    stage_release(&s);
}

static void test_reduce_lr(void **state) {
    (void)state;
    stage s;
    hone_callback callback;
    hone_error err;
    stage_init(&s);
    assert_ok(hone_callback_reduce_lr_on_plateau(&callback, "loss", .5, 1, "auto", 0, 2, .03, &err), &err);
    hone_callback *c = stage_add(&s, callback);
    /* The loss never improves after the first epoch. Cooldown 2 skips one waiting epoch; 0.025 would be below min_lr. */
    const double expected[8] = {.1, .05, .05, .03, .03, .03, .03, .03};
    double before = .1;
    for (int epoch = 0; epoch < 8; epoch++) {
        hone_logs logs = logs_of("loss", 1);
        assert_ok(c->on_epoch_end(c->context, &s.trainer, epoch, &logs, &err), &err);
        assert_int_equal(logs.count, 2);
        assert_string_equal(logs.keys[1], "learning_rate"); /* behind the others */
        assert_true(logs.values[1] == before);              /* as it was before the reduction */
        before = hone_trainer_learning_rate(&s.trainer);
        if (fabs(before - expected[epoch]) > 1e-12) fail_msg("epoch %d: %g", epoch, before);
    }
    stage_release(&s);
}

static void test_rate_of_schedules(void **state) {
    (void)state;
    stage s;
    hone_error err;
    stage_init(&s);
    assert_ok(hone_schedule_parse(&s.trainer.config.schedule, "step:0.5:10", &err), &err);
    s.trainer.iterations = 10;
    assert_true(hone_trainer_learning_rate(&s.trainer) == .05);
    hone_trainer_set_learning_rate(&s.trainer, .02);
    assert_true(fabs(hone_trainer_learning_rate(&s.trainer) - .02) < 1e-15);
    s.trainer.iterations = 20;
    assert_true(fabs(hone_trainer_learning_rate(&s.trainer) - .01) < 1e-15); /* goes on, scaled */
    stage_release(&s);
}

/* ---- checkpoints ----------------------------------------------------------------------------------------------- */

static void assert_path(const char *template, int epoch, const hone_logs *logs, const char *expected) {
    char *path;
    hone_error err;
    assert_ok(hone__format_path_check(template, &err), &err);
    assert_ok(hone__format_path(&path, template, epoch, logs, &err), &err);
    assert_string_equal(path, expected);
    hone__free(path);
}

static void test_paths(void **state) {
    (void)state;
    const hone_logs logs = {.count = 3, .keys = {"val_loss", "accuracy", "gain"}, .values = {.125, .98765, -12.5}};
    assert_path("m.h5", 4, &logs, "m.h5");
    assert_path("{epoch:02d}-{val_loss:.2f}.h5", 4, &logs, "05-0.12.h5"); /* 1-based; ties to even as Python */
    assert_path("{epoch}/{accuracy}.h5", 11, &logs, "12/0.98765.h5");
    assert_path("{{x}}-{epoch:4d}|{epoch:004d}", 0, &logs, "{x}-   1|0001");
    assert_path("{gain:08.1f}_{gain:.3e}_{accuracy:.3g}", 0, &logs, "-00012.5_-1.250e+01_0.988");
    assert_path("{epoch:.1f}", 1, &logs, "2.0");
    assert_path("100%s%n.h5", 1, &logs, "100%s%n.h5"); /* printf's language means nothing here */
    static const char *const bad[] = {"{",
                                      "{}",
                                      "}",
                                      "{epoch",
                                      "{epoch:02x}",
                                      "{val_loss:d}",
                                      "{epoch:.2d}",
                                      "{epoch:99d}",
                                      "{val_loss:.2}",
                                      "{val_loss:.99f}",
                                      "{a{b}}",
                                      "{epoch!r}:{",
                                      "{epoch:.f}"};
    hone_error err;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (hone__format_path_check(bad[i], &err) != HONE_ARGUMENT) fail_msg("'%s' was not refused", bad[i]);
    char *path;
    assert_int_equal(hone__format_path(&path, "{auc:.2f}", 0, &logs, &err), HONE_NOT_FOUND);
    assert_null(path);
    assert_non_null(strstr(err.message, "'auc'"));
    char longest[5000];
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    assert_int_equal(hone__format_path_check(longest, &err), HONE_LIMIT);
}

typedef struct saved {
    int count;
    char last[64];
    hone_status answer;
} saved;

static hone_status remember(void *context, const char *path, hone_trainer *trainer, hone_error *err) {
    saved *s = context;
    (void)trainer;
    s->count++;
    snprintf(s->last, sizeof s->last, "%s", path);
    if (s->answer) HONE_FAIL(err, s->answer, "no");
    return HONE_OK;
}

static void test_checkpoint(void **state) {
    (void)state;
    for (int best_only = 0; best_only < 2; best_only++) {
        stage s;
        saved files = {0};
        hone_callback callback;
        hone_error err;
        stage_init(&s);
        assert_ok(hone_callback_model_checkpoint(&callback, "{epoch}.h5", "val_accuracy", "auto", best_only, remember,
                                                 &files, &err),
                  &err);
        hone_callback *c = stage_add(&s, callback);
        const double values[] = {.5, .4, .6, .6};
        const int expected[] = {1, 1, 2, 2};
        for (int epoch = 0; epoch < 4; epoch++) {
            int before = files.count;
            play(&s, c, epoch, "val_accuracy", values[epoch]);
            assert_int_equal(files.count, before); /* not before all callbacks have seen the epoch */
            assert_ok(c->after_epoch(c->context, &s.trainer, epoch, &err), &err);
            assert_int_equal(files.count, best_only ? expected[epoch] : epoch + 1);
        }
        assert_string_equal(files.last, best_only ? "3.h5" : "4.h5");
        /* A missing key saves with a warning, as in Keras. */
        play(&s, c, 4, "loss", 1);
        assert_ok(c->after_epoch(c->context, &s.trainer, 4, &err), &err);
        assert_string_equal(files.last, "5.h5");
        files.answer = HONE_IO;
        play(&s, c, 5, "val_accuracy", 1);
        assert_int_equal(c->after_epoch(c->context, &s.trainer, 5, &err), HONE_IO);
        files.answer = HONE_OK;
        int count = files.count;
        assert_ok(c->after_epoch(c->context, &s.trainer, 5, &err), &err); /* not tried again */
        assert_int_equal(files.count, count);
        stage_release(&s);
    }
}

/* ---- loggers --------------------------------------------------------------------------------------------------- */

static char folder[] = "/tmp/hone-train-test-XXXXXX";

static const char *file_in(const char *name) {
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void assert_file(const char *path, const char *expected) {
    char text[2048] = "";
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    size_t n = fread(text, 1, sizeof text - 1, file);
    fclose(file);
    text[n] = '\0';
    assert_string_equal(text, expected);
}

static void log_epochs(hone_callback callback, const hone_logs *logs, int first, int count) {
    stage s;
    hone_error err;
    stage_init(&s);
    hone_callback *c = stage_add(&s, callback);
    assert_ok(c->on_train_begin(c->context, &s.trainer, &err), &err);
    for (int i = 0; i < count; i++) {
        hone_logs copy = logs[i];
        assert_ok(c->on_epoch_end(c->context, &s.trainer, first + i, &copy, &err), &err);
    }
    c->on_train_end(c->context, &s.trainer, HONE_OK);
    stage_release(&s);
}

static void test_csv(void **state) {
    (void)state;
    hone_callback callback;
    hone_error err;
    const char *path = file_in("log.csv");
    const hone_logs four[] = {
        {4, {"accuracy", "loss", "val_accuracy", "val_loss"}, {0.9833333492279053, 0.05, .98, 1e-5}},
        {3, {"accuracy", "loss", "val_loss"}, {1, NAN, INFINITY}}};
    assert_ok(hone_callback_csv_logger(&callback, path, ',', false, &err), &err);
    log_epochs(callback, four, 0, 2);
    assert_file(path, "epoch,accuracy,loss,val_accuracy,val_loss\r\n0,0.9833333492279053,0.05,0.98,1e-05\r\n"
                      "1,1.0,nan,NA,inf\r\n");
    assert_ok(hone_callback_csv_logger(&callback, path, ',', true, &err), &err);
    log_epochs(callback, four, 2, 1);
    assert_file(path, "epoch,accuracy,loss,val_accuracy,val_loss\r\n0,0.9833333492279053,0.05,0.98,1e-05\r\n"
                      "1,1.0,nan,NA,inf\r\n2,0.9833333492279053,0.05,0.98,1e-05\r\n");

    /* No validation in the first epoch: columns for it all the same. Keys that come later are dropped. A rate is sorted
     * in. */
    const hone_logs late[] = {{2, {"loss", "learning_rate"}, {.5, .1}}, {3, {"loss", "val_loss", "x"}, {.25, .75, 1}}};
    assert_ok(hone_callback_csv_logger(&callback, path, ';', false, &err), &err);
    log_epochs(callback, late, 0, 2);
    assert_file(path,
                "epoch;learning_rate;loss;val_learning_rate;val_loss\r\n0;0.1;0.5;NA;NA\r\n1;NA;0.25;NA;0.75\r\n");

    /* Appending to an empty or absent file writes the header. */
    assert_int_equal(remove(path), 0);
    assert_ok(hone_callback_csv_logger(&callback, path, ',', true, &err), &err);
    log_epochs(callback, late, 5, 1);
    assert_file(path, "epoch,learning_rate,loss,val_learning_rate,val_loss\r\n5,0.1,0.5,NA,NA\r\n");

    assert_int_equal(hone_callback_csv_logger(&callback, path, '.', false, &err), HONE_ARGUMENT);
    assert_int_equal(hone_callback_csv_logger(&callback, path, '\0', false, &err), HONE_ARGUMENT);
    assert_int_equal(hone_callback_csv_logger(&callback, "", ',', false, &err), HONE_ARGUMENT);
}

/* A second call of fit, or a resumed run, adds below; it does not begin the file again. */
static void test_csv_goes_on(void **state) {
    (void)state;
    stage s;
    hone_callback callback, again;
    hone_error err;
    hone_value *kept;
    const char *path = file_in("more.csv");
    stage_init(&s);
    assert_ok(hone_callback_csv_logger(&callback, path, ',', false, &err), &err);
    hone_callback *c = stage_add(&s, callback);
    for (int epoch = 0; epoch < 2; epoch++) {
        assert_ok(c->on_train_begin(c->context, &s.trainer, &err), &err);
        play(&s, c, epoch, "loss", epoch);
        c->on_train_end(c->context, &s.trainer, HONE_CANCELLED);
    }
    assert_ok(c->save_state(c->context, &kept, &err), &err);
    assert_ok(hone_callback_csv_logger(&again, path, ',', false, &err), &err);
    c = stage_add(&s, again);
    assert_ok(c->load_state(c->context, kept, &err), &err);
    assert_ok(c->on_train_begin(c->context, &s.trainer, &err), &err);
    hone_logs other = logs_of("accuracy", 1);
    assert_ok(c->on_epoch_end(c->context, &s.trainer, 2, &other, &err), &err);
    c->on_train_end(c->context, &s.trainer, HONE_OK);
    assert_file(path, "epoch,loss,val_loss\r\n0,0.0,NA\r\n1,1.0,NA\r\n2,NA,NA\r\n");
    hone_value_free(kept);
    stage_release(&s);
}

static void test_jsonl(void **state) {
    (void)state;
    hone_callback callback;
    hone_error err;
    const char *path = file_in("log.jsonl");
    const hone_logs logs[] = {{2, {"loss", "odd \"key\"\n"}, {.5, 1}}, {1, {"loss"}, {NAN}}};
    assert_ok(hone_callback_jsonl_logger(&callback, path, false, &err), &err);
    log_epochs(callback, logs, 0, 2);
    assert_file(path, "{\"epoch\": 1, \"loss\": 0.5, \"odd \\\"key\\\"\\n\": 1.0, \"seconds\": 0.0}\n"
                      "{\"epoch\": 2, \"loss\": null, \"seconds\": 0.0}\n");
}

static void test_loggers_fail_with_words(void **state) {
    (void)state;
    stage s;
    hone_callback callback;
    hone_error err;
    stage_init(&s);
    assert_ok(hone_callback_csv_logger(&callback, "/nowhere/at/all.csv", ',', false, &err), &err);
    hone_callback *c = stage_add(&s, callback);
    assert_int_equal(c->on_train_begin(c->context, &s.trainer, &err), HONE_IO);
    assert_non_null(strstr(err.message, "'/nowhere/at/all.csv'"));
    /* A full disk is noticed at the line, not at the end. */
    if (access("/dev/full", W_OK) == 0) {
        assert_ok(hone_callback_jsonl_logger(&callback, "/dev/full", true, &err), &err);
        c = stage_add(&s, callback);
        assert_ok(c->on_train_begin(c->context, &s.trainer, &err), &err);
        hone_logs logs = logs_of("loss", 1);
        assert_int_equal(c->on_epoch_end(c->context, &s.trainer, 0, &logs, &err), HONE_IO);
    }
    stage_release(&s);
}

/* ---- states and arguments -------------------------------------------------------------------------------------- */

/* Half the epochs, the state through a copy, the other half: as without the break. */
static void test_states_go_on(void **state) {
    (void)state;
    const double values[] = {1, .9, .95, .92, .91, .93, .94, .99};
    for (int cut = 1; cut < 7; cut++) {
        stage whole, parts;
        hone_callback callbacks[4];
        hone_error err;
        stage_init(&whole);
        stage_init(&parts);
        for (int i = 0; i < 2; i++)
            assert_ok(hone_callback_reduce_lr_on_plateau(&callbacks[i], "loss", .5, 2, "auto", 0, 1, 0, &err), &err);
        for (int i = 2; i < 4; i++)
            assert_ok(hone_callback_early_stopping(&callbacks[i], "loss", 0, 5, "auto", false, 0, &err), &err);
        hone_callback *plateau = stage_add(&whole, callbacks[0]), *stopping = stage_add(&whole, callbacks[2]);
        hone_callback *parts_plateau = stage_add(&parts, callbacks[1]),
                      *parts_stopping = stage_add(&parts, callbacks[3]);
        for (int epoch = 0; epoch < 8; epoch++) {
            if (epoch == cut) {
                hone_value *a, *b;
                assert_ok(plateau->save_state(plateau->context, &a, &err), &err);
                assert_ok(stopping->save_state(stopping->context, &b, &err), &err);
                assert_ok(parts_plateau->load_state(parts_plateau->context, a, &err), &err);
                assert_ok(parts_stopping->load_state(parts_stopping->context, b, &err), &err);
                parts.trainer.rate = whole.trainer.rate;
                parts.trainer.stop = whole.trainer.stop;
                hone_value_free(a);
                hone_value_free(b);
            }
            play(&whole, plateau, epoch, "loss", values[epoch]);
            play(&whole, stopping, epoch, "loss", values[epoch]);
            if (epoch < cut) continue;
            play(&parts, parts_plateau, epoch, "loss", values[epoch]);
            play(&parts, parts_stopping, epoch, "loss", values[epoch]);
            assert_true(whole.trainer.rate == parts.trainer.rate);
            assert_true(whole.trainer.stop == parts.trainer.stop);
        }
        assert_true(whole.trainer.stop && whole.trainer.rate < .1);
        stage_release(&whole);
        stage_release(&parts);
    }
}

static void test_bad_states(void **state) {
    (void)state;
    hone_callback c;
    hone_error err;
    assert_ok(hone_callback_early_stopping(&c, "loss", 0, 1, "auto", false, 0, &err), &err);
    hone_value *empty = hone_value_object();
    assert_int_equal(c.load_state(c.context, empty, &err), HONE_FORMAT);
    hone_value_set_integer(empty, "wait", -1);
    assert_int_equal(c.load_state(c.context, empty, &err), HONE_FORMAT);
    hone_value_set_string(empty, "best", "high");
    hone_value_set_integer(empty, "wait", 1);
    assert_int_equal(c.load_state(c.context, empty, &err), HONE_FORMAT);
    hone_value_set_string(empty, "best", "-inf");
    assert_ok(c.load_state(c.context, empty, &err), &err);
    hone_value_free(empty);
    c.release(c.context);
}

static void test_arguments(void **state) {
    (void)state;
    hone_callback c;
    hone_error err;
    assert_int_equal(hone_callback_early_stopping(&c, "val_f1", 0, 1, "auto", false, 0, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "'val_f1'"));
    assert_ok(hone_callback_early_stopping(&c, "val_f1", 0, 1, "max", false, 0, &err), &err);
    c.release(c.context);
    assert_int_equal(hone_callback_early_stopping(&c, "loss", 0, -1, "auto", false, 0, &err), HONE_ARGUMENT);
    assert_int_equal(hone_callback_early_stopping(&c, "loss", 0, 1, "best", false, 0, &err), HONE_ARGUMENT);
    assert_int_equal(hone_callback_reduce_lr_on_plateau(&c, "loss", 1, 1, "auto", 0, 0, 0, &err), HONE_ARGUMENT);
    assert_int_equal(hone_callback_reduce_lr_on_plateau(&c, "loss", .5, 1, "auto", 0, -1, 0, &err), HONE_ARGUMENT);
    saved files;
    assert_int_equal(hone_callback_model_checkpoint(&c, "{", NULL, NULL, false, remember, &files, &err), HONE_ARGUMENT);
    assert_int_equal(hone_callback_model_checkpoint(&c, "a", NULL, NULL, false, NULL, NULL, &err), HONE_ARGUMENT);
    assert_ok(hone_callback_model_checkpoint(&c, "a", "gain", "auto", false, remember, &files, &err), &err);
    c.release(c.context);
    assert_int_equal(hone_callback_model_checkpoint(&c, "a", "gain", "auto", true, remember, &files, &err),
                     HONE_ARGUMENT);
}

static hone_status make_all(void *context) {
    hone_error err;
    hone_callback c;
    saved files;
    (void)context;
    hone_status status = hone_callback_early_stopping(&c, "loss", 0, 1, "auto", true, 0, &err);
    if (status) return status;
    c.release(c.context);
    status = hone_callback_reduce_lr_on_plateau(&c, "loss", .5, 1, "auto", 0, 0, 0, &err);
    if (status) return status;
    c.release(c.context);
    status = hone_callback_model_checkpoint(&c, "{epoch}", "loss", "auto", true, remember, &files, &err);
    if (status) return status;
    hone_value *kept;
    status = c.save_state(c.context, &kept, &err);
    if (!status) hone_value_free(kept);
    c.release(c.context);
    if (status) return status;
    status = hone_callback_csv_logger(&c, "x", ',', false, &err);
    if (status) return status;
    c.release(c.context);
    return HONE_OK;
}

static void test_out_of_memory(void **state) {
    (void)state;
    assert_true(test_every_allocation(make_all, NULL) > 5);
}

static int make_folder(void **state) {
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state) {
    (void)state;
    static const char *const names[] = {"log.csv", "more.csv", "log.jsonl"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) remove(file_in(names[i]));
    return rmdir(folder);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_early_stopping_traces),
        cmocka_unit_test(test_early_stopping_restores),
        cmocka_unit_test(test_reduce_lr),
        cmocka_unit_test(test_rate_of_schedules),
        cmocka_unit_test(test_paths),
        cmocka_unit_test(test_checkpoint),
        cmocka_unit_test(test_csv),
        cmocka_unit_test(test_csv_goes_on),
        cmocka_unit_test(test_jsonl),
        cmocka_unit_test(test_loggers_fail_with_words),
        cmocka_unit_test(test_states_go_on),
        cmocka_unit_test(test_bad_states),
        cmocka_unit_test(test_arguments),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
