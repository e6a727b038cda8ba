/* SPDX-License-Identifier: Apache-2.0
 *
 * Training that was saved and continued is, bit for bit, training that was never interrupted; anything but the same
 * training is refused and leaves the trainer alone. */
#define _POSIX_C_SOURCE 200809L /* mkstemp */

#include "test.h"

#include "file.h"
#include "format_internal.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SAMPLES = 70, BATCH = 16, STEPS = 5 }; /* the last batch is short */

static char path[64];
static hone_dataset *data;

static int set_up(void **state) {
    (void)state;
    snprintf(path, sizeof path, "/tmp/hone-resume-XXXXXX");
    int descriptor = mkstemp(path);
    if (descriptor < 0) return -1;
    close(descriptor);
    return hone_digits_create(&data, SAMPLES, 4, NULL, NULL) == HONE_OK ? 0 : -1;
}

static int tear_down(void **state) {
    (void)state;
    hone_dataset_free(data);
    return remove(path);
}

static void add(hone_model *model, const char *class_name, const char *key, double value) {
    hone_value *config = hone_value_object();
    if (key && value == (double)(int)value)
        hone_value_set_integer(config, key, (int64_t)value);
    else if (key)
        hone_value_set_real(config, key, value);
    hone_error err = {0};
    if (hone_model_add(model, class_name, config, &err) != HONE_OK) fail_msg("%s", err.message);
    hone_value_free(config);
}

/* Convolution, batch normalisation, dropout: weights, moving statistics and draws all have to come back. */
static hone_model *network(int units) {
    hone_model *model;
    hone_shape shape = {3, {28, 28, 1}};
    assert_int_equal(hone_model_create(&model, "net", NULL), HONE_OK);
    assert_int_equal(hone_model_input(model, &shape, NULL), HONE_OK);
    assert_int_equal(hone_model_conv2d(model, 4, 5, "relu", NULL), HONE_OK);
    assert_int_equal(hone_model_max_pooling2d(model, 4, NULL), HONE_OK);
    add(model, "BatchNormalization", NULL, 0);
    assert_int_equal(hone_model_flatten(model, NULL), HONE_OK);
    assert_int_equal(hone_model_dense(model, units, "relu", NULL), HONE_OK);
    add(model, "Dropout", "rate", 0.25);
    assert_int_equal(hone_model_dense(model, 10, "softmax", NULL), HONE_OK);
    assert_int_equal(hone_model_build(model, 9, NULL), HONE_OK);
    return model;
}

static hone_optimizer optimizer_of(hone_optimizer_kind kind) {
    hone_optimizer o = hone_optimizer_default(kind);
    o.momentum = kind == HONE_OPTIMIZER_SGD || kind == HONE_OPTIMIZER_RMSPROP ? 0.9 : 0;
    o.nesterov = kind == HONE_OPTIMIZER_SGD;
    o.centered = kind == HONE_OPTIMIZER_RMSPROP;
    o.amsgrad = kind == HONE_OPTIMIZER_ADAM;
    return o;
}

typedef struct stop_at {
    int64_t left; /* steps until training is cancelled; 0: never */
} stop_at;

static hone_status count_down(void *context, hone_trainer *trainer, int64_t step, int64_t steps, const hone_logs *logs,
                              hone_error *err) {
    stop_at *stop = context;
    (void)step, (void)steps, (void)logs, (void)err;
    if (stop->left > 0 && --stop->left == 0) hone_trainer_cancel(trainer);
    return HONE_OK;
}

static hone_trainer *trainer_of(hone_model *model, hone_optimizer_kind kind, int epochs, stop_at *stop) {
    hone_fit_config config = hone_fit_config_default();
    config.optimizer = optimizer_of(kind);
    config.batch_size = BATCH;
    config.epochs = epochs;
    config.seed = 77;
    hone_trainer *trainer;
    hone_error err = {0};
    if (hone_trainer_create(&trainer, model, data, &config, &err) != HONE_OK) fail_msg("%s", err.message);
    hone_callback early, counting = {.context = stop, .on_batch_end = count_down};
    assert_int_equal(hone_callback_early_stopping(&early, "loss", 0, 50, "auto", true, 0, NULL), HONE_OK);
    assert_int_equal(hone_trainer_add_callback(trainer, &early, NULL), HONE_OK);
    if (stop) assert_int_equal(hone_trainer_add_callback(trainer, &counting, NULL), HONE_OK);
    return trainer;
}

static void resume(hone_trainer *trainer) {
    hone_error err = {0};
    if (hone_trainer_resume(trainer, path, &err) != HONE_OK) fail_msg("%s", err.message);
}

static void save(hone_model *model, hone_trainer *trainer) {
    hone_error err = {0};
    if (hone_model_save(model, trainer, path, &err) != HONE_OK) fail_msg("%s", err.message);
}

static void assert_same_bits(const hone_model *a, const hone_model *b) {
    assert_int_equal(a->data_size, b->data_size);
    assert_memory_equal(a->data, b->data, a->data_size * sizeof *a->data);
}

/* Trains 3 epochs in one go; and again, cancelled after `steps`, saved, and continued in a new trainer. */
static void interrupt_and_compare(hone_optimizer_kind kind, int64_t steps, bool freeze) {
    hone_model *whole = network(12), *part = network(12), *rest = network(12);
    hone_model *const models[] = {whole, part, rest};
    for (int i = 0; freeze && i < 3; i++) hone_model_set_trainable(models[i], 1, false);
    for (size_t i = 0; i < rest->data_size; i++) rest->data[i] = 0; /* nothing of it may come from the start */
    hone_error err = {0};

    hone_trainer *trainer = trainer_of(whole, kind, 3, NULL);
    if (hone_trainer_fit(trainer, &err) != HONE_OK) fail_msg("%s", err.message);
    hone_value *history = hone_value_copy(hone_trainer_history(trainer));
    assert_int_equal(hone_trainer_iterations(trainer), 3 * STEPS);
    hone_trainer_free(trainer);

    stop_at stop = {steps};
    trainer = trainer_of(part, kind, 3, &stop);
    assert_int_equal(hone_trainer_fit(trainer, &err), HONE_CANCELLED);
    save(part, trainer);
    hone_trainer_free(trainer);

    trainer = trainer_of(rest, kind, 3, NULL);
    resume(trainer);
    assert_same_bits(rest, part);
    assert_int_equal(hone_trainer_iterations(trainer), steps);
    if (hone_trainer_fit(trainer, &err) != HONE_OK) fail_msg("%s", err.message);
    assert_same_bits(rest, whole);
    assert_true(hone_value_equal(hone_trainer_history(trainer), history));
    hone_trainer_free(trainer);
    hone_value_free(history);
    for (int i = 0; i < 3; i++) hone_model_free(models[i]);
}

static void continued_training_is_training(void **state) {
    (void)state;
    interrupt_and_compare(HONE_OPTIMIZER_ADAM, STEPS, false);     /* between epochs */
    interrupt_and_compare(HONE_OPTIMIZER_ADAM, STEPS + 2, false); /* in the middle of one */
    interrupt_and_compare(HONE_OPTIMIZER_ADAMW, 2, false);
    interrupt_and_compare(HONE_OPTIMIZER_SGD, STEPS + 4, false);
    interrupt_and_compare(HONE_OPTIMIZER_RMSPROP, STEPS + 1, false);
    interrupt_and_compare(HONE_OPTIMIZER_LION, 2 * STEPS, false);
}

static void frozen_layers_too(void **state) {
    (void)state;
    interrupt_and_compare(HONE_OPTIMIZER_ADAM, STEPS + 2, true);
}

/* The same, kept in a .keras archive. */
static void archives_too(void **state) {
    (void)state;
    size_t length = strlen(path);
    snprintf(path + length, sizeof path - length, ".keras");
    interrupt_and_compare(HONE_OPTIMIZER_ADAM, STEPS + 2, true);
    interrupt_and_compare(HONE_OPTIMIZER_ADAMW, 2, false);
    interrupt_and_compare(HONE_OPTIMIZER_SGD, STEPS + 4, false);
    interrupt_and_compare(HONE_OPTIMIZER_RMSPROP, STEPS + 1, false);
    interrupt_and_compare(HONE_OPTIMIZER_LION, 2 * STEPS, false);
    unlink(path);
    path[length] = '\0';
}

/* ---- what the file says to others ------------------------------------------------------------------------------ */

static void the_compile_state_is_readable(void **state) {
    (void)state;
    hone_model *model = network(12);
    hone_trainer *trainer = trainer_of(model, HONE_OPTIMIZER_SGD, 1, NULL);
    assert_int_equal(hone_trainer_fit(trainer, NULL), HONE_OK);
    hone_trainer_set_learning_rate(trainer, 0.005); /* as ReduceLROnPlateau would */
    save(model, trainer);
    hone_trainer_free(trainer);
    hone_model *back;
    hone_compiled compiled;
    assert_int_equal(hone_model_load(&back, path, &compiled, NULL), HONE_OK);
    assert_true(compiled.has_optimizer && compiled.has_loss);
    assert_int_equal(compiled.optimizer.kind, HONE_OPTIMIZER_SGD);
    assert_true(compiled.optimizer.nesterov && compiled.optimizer.momentum == 0.9);
    assert_true(compiled.optimizer.learning_rate == 0.005);
    assert_int_equal(compiled.loss.kind, HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY);
    assert_int_equal(compiled.metric_count, 1);
    assert_true(hone_model_preprocessing(back).stated); /* it was trained with it */
    double worst;
    assert_int_equal(hone_model_self_test(back, &worst, NULL), HONE_OK);
    assert_true(worst >= 0);
    hone_model_free(back);
    hone_model_free(model);
}

/* Trains one epoch with kind, saves, and compares the first names of optimizer_weights. */
static void assert_names(hone_optimizer_kind kind, size_t total, const char *const *expected, size_t count) {
    hone_model *model = network(12);
    hone_trainer *trainer = trainer_of(model, kind, 1, NULL);
    assert_int_equal(hone_trainer_fit(trainer, NULL), HONE_OK);
    save(model, trainer);
    hone_trainer_free(trainer);
    unsigned char *bytes;
    size_t size;
    hone__h5 *h5;
    assert_int_equal(hone__file_read(path, HONE_MAX_MODEL_FILE, &bytes, &size, NULL), HONE_OK);
    assert_int_equal(hone__h5_open(&h5, bytes, size, NULL), HONE_OK);
    hone__names names = {0};
    assert_int_equal(hone__h5_read_names(h5, "/optimizer_weights", "weight_names", &names, NULL), HONE_OK);
    assert_int_equal(names.count, total);
    for (size_t i = 0; i < count; i++) assert_string_equal(names.items[i], expected[i]);
    hone__names_release(&names);
    hone__h5_close(h5);
    hone__free(bytes);
    hone_model_free(model);
}

static void the_optimizers_variables_are_in_tf_keras_order(void **state) {
    (void)state;
    static const char *const adam[] = {"Adam/iter:0",
                                       "Adam/conv2d/kernel/m:0",
                                       "Adam/conv2d/bias/m:0",
                                       "Adam/batch_normalization/gamma/m:0",
                                       "Adam/batch_normalization/beta/m:0",
                                       "Adam/dense/kernel/m:0",
                                       "Adam/dense/bias/m:0",
                                       "Adam/dense_1/kernel/m:0",
                                       "Adam/dense_1/bias/m:0",
                                       "Adam/conv2d/kernel/v:0"};
    static const char *const adamw[] = {"iteration:0", "AdamW/m/conv2d/kernel:0", "AdamW/v/conv2d/kernel:0",
                                        "AdamW/m/conv2d/bias:0"};
    static const char *const rmsprop[] = {"RMSprop/iter:0", "RMSprop/conv2d/kernel/rms:0"};
    static const char *const sgd[] = {"SGD/iter:0", "SGD/conv2d/kernel/momentum:0"};
    assert_names(HONE_OPTIMIZER_ADAM, 1 + 3 * 8, adam, 10); /* amsgrad */
    assert_names(HONE_OPTIMIZER_ADAMW, 1 + 2 * 8, adamw, 4);
    assert_names(HONE_OPTIMIZER_RMSPROP, 1 + 3 * 8, rmsprop, 2);
    assert_names(HONE_OPTIMIZER_SGD, 1 + 8, sgd, 2);
}

/* ---- refusals -------------------------------------------------------------------------------------------------- */

static void assert_refused(hone_model *model, hone_optimizer_kind kind, const char *words) {
    hone_trainer *trainer = trainer_of(model, kind, 3, NULL);
    hone_model *before;
    assert_int_equal(hone_model_copy(&before, model, NULL), HONE_OK);
    hone_error err = {0};
    assert_int_not_equal(hone_trainer_resume(trainer, path, &err), HONE_OK);
    if (!strstr(err.message, words) || !strstr(err.message, path))
        fail_msg("'%s' does not say '%s'", err.message, words);
    assert_same_bits(model, before);
    assert_int_equal(hone_trainer_iterations(trainer), 0);
    assert_int_equal(hone_trainer_epoch(trainer), 0);
    hone_trainer_free(trainer);
    hone_model_free(before);
    hone_model_free(model);
}

static void another_training_is_refused(void **state) {
    (void)state;
    hone_model *model = network(12);
    hone_trainer *trainer = trainer_of(model, HONE_OPTIMIZER_ADAM, 1, NULL);
    assert_int_equal(hone_trainer_fit(trainer, NULL), HONE_OK);
    save(model, trainer);
    hone_trainer_free(trainer);
    hone_model_free(model);

    assert_refused(network(13), HONE_OPTIMIZER_ADAM, "differs in 'units'");
    model = network(12);
    hone_model_set_trainable(model, 1, false);
    assert_refused(model, HONE_OPTIMIZER_ADAM, "differs in 'trainable'");
    assert_refused(network(12), HONE_OPTIMIZER_RMSPROP, "optimizer");
}

static void a_file_without_training_is_refused(void **state) {
    (void)state;
    hone_model *model = network(12);
    save(model, NULL);
    assert_refused(model, HONE_OPTIMIZER_ADAM, "no state of a training");
    unsigned char junk[100] = {0};
    assert_int_equal(hone__file_write(path, junk, sizeof junk, NULL), HONE_OK);
    assert_refused(network(12), HONE_OPTIMIZER_ADAM, "not a readable HDF5 file");
}

/* Keras' own checkpoint: the optimizer goes on where it was, the epochs are unknown. */
static void keras_optimizers_are_continued(void **state) {
    (void)state;
    static const char *const files[] = {"keras3-compiled-adam", "tfkeras-compiled-adam", "tfkeras-compiled-legacy-adam",
                                        "keras23-compiled-adam"};
    unsigned char pixels[3 * 8 * 8] = {1, 2, 3};
    int32_t labels[3] = {0, 1, 2};
    hone_dataset *tiny;
    assert_int_equal(hone_dataset_create(&tiny, pixels, labels, 3, 8, 8, 1, NULL, 3, NULL), HONE_OK);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char *name = hone__asprintf(HONE_TEST_GOLDEN "accept/%s.h5", files[i]);
        hone_model *model;
        hone_compiled compiled;
        assert_int_equal(hone_model_load(&model, name, &compiled, NULL), HONE_OK);
        hone_fit_config config = hone_fit_config_default();
        config.optimizer = compiled.optimizer;
        hone_trainer *trainer;
        hone_error err = {0};
        if (hone_trainer_create(&trainer, model, tiny, &config, &err) != HONE_OK) fail_msg("%s", err.message);
        float *loaded = hone__alloc(model->data_size, sizeof *loaded);
        memcpy(loaded, model->data, model->data_size * sizeof *loaded);
        memset(model->data, 0, model->data_size * sizeof *loaded);
        if (hone_trainer_resume(trainer, name, &err) != HONE_OK) fail_msg("%s", err.message);
        assert_memory_equal(model->data, loaded, model->data_size * sizeof *loaded);
        assert_int_equal(hone_trainer_iterations(trainer), 3);
        assert_int_equal(hone_trainer_epoch(trainer), 0);
        const char *slot;
        const float *m = hone_trainer_slot(trainer, 0, 0, &slot);
        assert_string_equal(slot, "m");
        bool moved = false;
        for (size_t k = 0; k < model->weights[0].size; k++) moved = moved || m[k] != 0;
        assert_true(moved);
        hone__free(loaded);
        hone_trainer_free(trainer);
        hone_model_free(model);
        hone__free(name);
    }
    hone_dataset_free(tiny);
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

static hone_status scenario(void *context) {
    hone_trainer *trainer = context;
    hone_status status = hone_model_save(hone_trainer_model(trainer), trainer, path, NULL);
    if (status == HONE_OK) status = hone_trainer_resume(trainer, path, NULL);
    return status;
}

static void memory_may_run_out_while_saving(void **state) {
    (void)state;
    hone_model *model = network(12);
    hone_trainer *trainer = trainer_of(model, HONE_OPTIMIZER_ADAM, 1, NULL);
    assert_int_equal(hone_trainer_fit(trainer, NULL), HONE_OK);
    save(model, trainer);
    /* the trainer keeps memory of its own beyond the scenario, so leaks are the sanitizer's to find */
    for (long n = 0;; n += 7) {
        test_allocator a;
        test_allocator_install(&a, n);
        hone_status status = scenario(trainer);
        bool failed_once = atomic_load(&a.count) > n;
        test_allocator_remove();
        if (!failed_once) {
            assert_int_equal(status, HONE_OK);
            assert_true(n > 100);
            break;
        }
        assert_true(status == HONE_MEMORY || status == HONE_OK);
    }
    hone_trainer_free(trainer);
    hone_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(continued_training_is_training),
        cmocka_unit_test(frozen_layers_too),
        cmocka_unit_test(archives_too),
        cmocka_unit_test(the_compile_state_is_readable),
        cmocka_unit_test(the_optimizers_variables_are_in_tf_keras_order),
        cmocka_unit_test(another_training_is_refused),
        cmocka_unit_test(a_file_without_training_is_refused),
        cmocka_unit_test(keras_optimizers_are_continued),
        cmocka_unit_test(memory_may_run_out_while_saving),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
