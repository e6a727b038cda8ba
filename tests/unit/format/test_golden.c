/* SPDX-License-Identifier: Apache-2.0
 *
 * Files that the real Keras 3 and tf-keras wrote (tests/golden): every one in accept/ loads and predicts what Keras
 * predicted, its optimizer's arrays land on the right weights; every one in reject/ is refused with the reason. */
#define _POSIX_C_SOURCE 200809L /* opendir */

#include "test.h"

#include "file.h"
#include "format_internal.h"

#include <dirent.h>
#include <math.h>
#include <string.h>

/* ---- accept ---------------------------------------------------------------------------------------------------- */

typedef struct expected {
    size_t samples, inputs, outputs;
    float *x, *y;
} expected;

static float *read_array(hone__h5 *h5, const char *path, size_t *samples, size_t *each) {
    hone_shape shape;
    hone_error err = {0};
    if (hone__h5_read_shape(h5, path, &shape, &err) != HONE_OK) fail_msg("%s", err.message);
    *samples = (size_t)shape.dims[0];
    size_t count = (size_t)hone_shape_size(&shape);
    *each = count / *samples;
    float *data = hone__alloc(count, sizeof *data);
    assert_int_equal(hone__h5_read_floats(h5, path, data, count, NULL), HONE_OK);
    return data;
}

static expected read_expected(const char *path) {
    expected e;
    unsigned char *bytes;
    size_t size;
    hone__h5 *h5;
    assert_int_equal(hone__file_read(path, HONE_MAX_MODEL_FILE, &bytes, &size, NULL), HONE_OK);
    assert_int_equal(hone__h5_open(&h5, bytes, size, NULL), HONE_OK);
    e.x = read_array(h5, "/golden/inputs", &e.samples, &e.inputs);
    e.y = read_array(h5, "/golden/outputs", &e.samples, &e.outputs);
    hone__h5_close(h5);
    hone__free(bytes);
    return e;
}

/* The largest difference between the plan's outputs and Keras', relative where they are larger than one. */
static double predict_and_compare(hone_model *model, const expected *e) {
    hone_shape in = hone_model_input_shape(model), out = hone_model_output_shape(model);
    assert_int_equal(hone_shape_size(&in), e->inputs);
    assert_int_equal(hone_shape_size(&out), e->outputs);
    hone_plan *plan;
    hone_error err = {0};
    if (hone_plan_create(&plan, model, NULL, &err) != HONE_OK) fail_msg("%s", err.message);
    float *y = hone__alloc(e->samples * e->outputs, sizeof *y);
    hone_plan_predict(plan, e->x, e->samples, y);
    double worst = 0;
    for (size_t i = 0; i < e->samples * e->outputs; i++) {
        double difference = fabs((double)y[i] - (double)e->y[i]) / fmax(1, fabs((double)e->y[i]));
        if (!(difference <= worst)) worst = difference;
    }
    hone__free(y);
    hone_plan_free(plan);
    return worst;
}

/* Calls visit for every file of the folder; returns how many there were. */
static size_t for_each_file(const char *folder, void (*visit)(const char *path, const char *name)) {
    DIR *directory = opendir(folder);
    assert_non_null(directory);
    size_t count = 0;
    for (struct dirent *entry; (entry = readdir(directory));) {
        if (entry->d_name[0] == '.') continue;
        char *path = hone__asprintf("%s/%s", folder, entry->d_name);
        visit(path, entry->d_name);
        hone__free(path);
        count++;
    }
    closedir(directory);
    return count;
}

static void accept(const char *path, const char *name) {
    hone_model *model;
    hone_compiled compiled;
    hone_error err = {0};
    if (hone_model_load(&model, path, &compiled, &err) != HONE_OK) fail_msg("%s", err.message);
    expected e = read_expected(path);
    double worst = predict_and_compare(model, &e);
    if (!(worst <= 1e-5)) fail_msg("%s: outputs differ by %g", name, worst);
    double self_test;
    assert_int_equal(hone_model_self_test(model, &self_test, NULL), HONE_OK);
    assert_true(self_test == -1); /* Keras writes none */
    assert_int_equal(compiled.has_optimizer, strstr(name, "compiled") || strstr(name, "frozen"));
    hone__free(e.x);
    hone__free(e.y);
    hone_model_free(model);
}

/* save_weights of Keras 1 says nothing of itself: the same weights as in its whole model, by order and by name. */
static void weights_of_keras_1_find_their_model(void **state) {
    (void)state;
    static const char *const writers[] = {"tensorflow-tf", "tensorflow-th", "theano-tf", "theano-th"};
    for (size_t i = 0; i < 8; i++) {
        char *path = hone__asprintf(HONE_TEST_GOLDEN "accept/real-keras1-%s-chain.h5", writers[i / 2]);
        char *weights = hone__asprintf(HONE_TEST_GOLDEN "keras1-weights/real-keras1-%s-chain.h5", writers[i / 2]);
        hone_model *whole, *model;
        hone_weights_options options = {.by_name = i % 2 == 1};
        hone_weights_report report;
        hone_error err = {0};
        assert_int_equal(hone_model_load(&whole, path, NULL, NULL), HONE_OK);
        assert_int_equal(hone_model_copy(&model, whole, NULL), HONE_OK);
        memset(model->data, 0, model->data_size * sizeof *model->data);
        if (hone_model_load_weights(model, weights, &options, &report, &err) != HONE_OK) fail_msg("%s", err.message);
        assert_memory_equal(model->data, whole->data, model->data_size * sizeof *model->data);
        assert_int_equal(report.missing, 0);
        hone_model_free(model);
        hone_model_free(whole);
        hone__free(weights);
        hone__free(path);
    }
}

static void keras_files_predict_what_keras_predicts(void **state) {
    (void)state;
    assert_true(for_each_file(HONE_TEST_GOLDEN "accept", accept) >= 30);
}

/* A file that hone has read and written predicts the same, to the bit, and its self-test passes. */
static void rewrite(const char *path, const char *name) {
    char copy[] = "/tmp/hone-golden-XXXXXX";
    int descriptor = mkstemp(copy);
    assert_true(descriptor >= 0);
    fclose(fdopen(descriptor, "w"));
    hone_model *model, *again;
    hone_error err = {0};
    assert_int_equal(hone_model_load(&model, path, NULL, NULL), HONE_OK);
    if (hone_model_save(model, NULL, copy, &err) != HONE_OK) fail_msg("%s", err.message);
    if (hone_model_load(&again, copy, NULL, &err) != HONE_OK) fail_msg("%s: %s", name, err.message);
    assert_int_equal(again->data_size, model->data_size);
    assert_memory_equal(again->data, model->data, model->data_size * sizeof *model->data);
    double worst;
    if (hone_model_self_test(again, &worst, &err) != HONE_OK) fail_msg("%s: %s", name, err.message);
    assert_true(worst >= 0 && worst <= 1e-6);
    hone_model_free(again);
    hone_model_free(model);
    remove(copy);
}

static void rewritten_files_are_the_same_models(void **state) {
    (void)state;
    for_each_file(HONE_TEST_GOLDEN "accept", rewrite);
}

/* ---- compile state --------------------------------------------------------------------------------------------- */

static hone_compiled load_compiled(const char *name) {
    char *path = hone__asprintf(HONE_TEST_GOLDEN "accept/%s.h5", name);
    hone_model *model;
    hone_compiled compiled;
    hone_error err = {0};
    if (hone_model_load(&model, path, &compiled, &err) != HONE_OK) fail_msg("%s", err.message);
    hone_model_free(model);
    hone__free(path);
    return compiled;
}

static void compile_state_of_every_family(void **state) {
    (void)state;
    const struct {
        const char *name;
        hone_optimizer_kind kind;
        double rate;
    } cases[] = {{"keras3-compiled-adam", HONE_OPTIMIZER_ADAM, 0.002},
                 {"tfkeras-compiled-adam", HONE_OPTIMIZER_ADAM, 0.002},
                 {"tfkeras-compiled-legacy-adam", HONE_OPTIMIZER_ADAM, 0.002},
                 {"keras23-compiled-adam", HONE_OPTIMIZER_ADAM, 0.002},
                 {"keras3-compiled-sgd-momentum", HONE_OPTIMIZER_SGD, 0.05},
                 {"tfkeras-compiled-sgd-momentum", HONE_OPTIMIZER_SGD, 0.05},
                 {"keras3-compiled-rmsprop", HONE_OPTIMIZER_RMSPROP, 0.003},
                 {"tfkeras-compiled-rmsprop", HONE_OPTIMIZER_RMSPROP, 0.003}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        hone_compiled c = load_compiled(cases[i].name);
        assert_true(c.has_optimizer && c.has_loss);
        assert_int_equal(c.optimizer.kind, cases[i].kind);
        assert_true(fabs(c.optimizer.learning_rate - cases[i].rate) < 1e-9);
        assert_int_equal(c.loss.kind, HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY);
        assert_int_equal(c.metric_count, 1);
        assert_int_equal(c.metrics[0].kind, HONE_METRIC_ACCURACY);
        if (c.optimizer.kind == HONE_OPTIMIZER_SGD)
            assert_true(c.optimizer.nesterov && fabs(c.optimizer.momentum - 0.9) < 1e-7);
        if (c.optimizer.kind == HONE_OPTIMIZER_RMSPROP)
            assert_true(c.optimizer.centered && fabs(c.optimizer.momentum - 0.5) < 1e-7);
    }
}

static void losses_and_metrics_as_objects(void **state) {
    (void)state;
    const char *const names[] = {"keras3-compiled-objects", "tfkeras-compiled-objects"};
    for (int i = 0; i < 2; i++) {
        hone_compiled c = load_compiled(names[i]);
        assert_true(c.has_loss);
        assert_int_equal(c.loss.kind, HONE_LOSS_CATEGORICAL_CROSSENTROPY);
        assert_true(c.loss.from_logits);
        assert_true(fabs(c.loss.label_smoothing - 0.1) < 1e-9);
        assert_int_equal(c.metric_count, 3);
        assert_int_equal(c.metrics[0].kind, HONE_METRIC_TOP_K);
        assert_int_equal(c.metrics[0].k, 2);
        assert_int_equal(c.metrics[1].kind, HONE_METRIC_ACCURACY);
        assert_int_equal(c.metrics[2].kind, HONE_METRIC_AUC);
    }
}

/* ---- the optimizer's arrays ------------------------------------------------------------------------------------ */

static void check_slots(const char *path, const char *name) {
    if (!strstr(name, "compiled") && !strstr(name, "frozen")) return;
    if (strstr(name, "objects")) return;
    hone_model *model;
    assert_int_equal(hone_model_load(&model, path, NULL, NULL), HONE_OK);
    unsigned char *bytes;
    size_t size;
    hone__h5 *h5;
    assert_int_equal(hone__file_read(path, HONE_MAX_MODEL_FILE, &bytes, &size, NULL), HONE_OK);
    assert_int_equal(hone__h5_open(&h5, bytes, size, NULL), HONE_OK);
    hone__optimizer_state state;
    hone_error err = {0};
    if (hone__keras_read_optimizer(h5, model, &state, &err) != HONE_OK) fail_msg("%s: %s", name, err.message);
    int64_t iterations;
    assert_int_equal(hone__h5_read_integer(h5, "/golden/iterations", &iterations, NULL), HONE_OK);
    assert_int_equal(state.iterations, iterations);
    assert_int_equal(iterations, 3);

    hone__names slots = {0};
    assert_int_equal(hone__h5_members(h5, "/golden/slots", &slots, NULL), HONE_OK);
    size_t kinds = 0, trainable = 0;
    for (int kind = 0; kind < HONE_SLOT_KINDS; kind++) kinds += state.slots[kind] != NULL;
    assert_int_equal(kinds, slots.count);
    for (size_t i = 0; i < model->weight_count; i++) {
        const hone__weight *w = &model->weights[i];
        if (!hone__weight_trainable(model, i)) continue;
        for (size_t s = 0; s < slots.count; s++) {
            char *place = hone__asprintf("/golden/slots/%s/%zu", slots.items[s], trainable);
            float *values = hone__alloc(w->size, sizeof *values);
            assert_int_equal(hone__h5_read_floats(h5, place, values, w->size, NULL), HONE_OK);
            const float *found = state.slots[hone__slot_kind_of(slots.items[s])];
            assert_non_null(found);
            assert_memory_equal(found + w->offset, values, w->size * sizeof *values);
            hone__free(values);
            hone__free(place);
        }
        trainable++;
    }
    hone__names_release(&slots);
    hone__optimizer_state_release(&state);
    hone__h5_close(h5);
    hone__free(bytes);
    hone_model_free(model);
}

static void optimizer_arrays_land_on_their_weights(void **state) {
    (void)state;
    assert_true(for_each_file(HONE_TEST_GOLDEN "accept", check_slots) >= 10);
}

/* ---- reject ---------------------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    hone_status status;
    const char *words;
} rejects[] = {{"absurd-size.h5", HONE_LIMIT, "claims 68719476736 bytes"},
               {"broken-config.json", HONE_FORMAT, "line 2, column 13"},
               {"config-broken.h5", HONE_FORMAT, "model_config"},
               {"config-not-text.h5", HONE_FORMAT, "'model_config' is not text"},
               {"empty.h5", HONE_FORMAT, "empty"},
               {"external-link.h5", HONE_UNSUPPORTED, "an external link"},
               {"external-storage.h5", HONE_UNSUPPORTED, "in another file"},
               {"extra-layer.h5", HONE_SHAPE, "'more'"},
               {"keras1-merge.h5", HONE_UNSUPPORTED, "Merge of Keras 1 with mode 'cos'"},
               {"keras1-mode.h5", HONE_UNSUPPORTED, "BatchNormalization of Keras 1 with mode=2"},
               {"missing-layer.h5", HONE_SHAPE, "'head' has no weights in the file"},
               {"missing-weight.h5", HONE_NOT_FOUND, "kernel' is missing"},
               {"no-weights.h5", HONE_FORMAT, "no 'model_weights'"},
               {"not-keras.h5", HONE_FORMAT, "no Keras model"},
               {"soft-link.h5", HONE_UNSUPPORTED, "a soft link"},
               {"text-weights.h5", HONE_FORMAT, "plain numbers"},
               {"text.h5", HONE_FORMAT, "neither Keras HDF5, nor a .keras archive"},
               {"truncated.h5", HONE_FORMAT, "truncated"},
               {"unsupported-lstm.h5", HONE_UNSUPPORTED, "LSTM"},
               {"virtual-dataset.h5", HONE_UNSUPPORTED, "virtual"},
               {"weights-only-legacy.h5", HONE_UNSUPPORTED, "weights only"},
               {"weights-only.weights.h5", HONE_UNSUPPORTED, "weights only"},
               {"wrong-shape.h5", HONE_SHAPE, "kernel is (2, 2) in the file, (3, 2) in the architecture"}};
enum { REJECTS = sizeof rejects / sizeof rejects[0] };

static void reject(const char *path, const char *name) {
    size_t i = 0;
    while (i < REJECTS && strcmp(rejects[i].name, name) != 0) i++;
    if (i == REJECTS) fail_msg("nothing is said of %s", name);
    hone_model *model = (hone_model *)1;
    hone_compiled compiled;
    hone_error err = {0};
    hone_status status = hone_model_load(&model, path, &compiled, &err);
    assert_null(model);
    if (status != rejects[i].status || !strstr(err.message, rejects[i].words) || !strstr(err.message, name))
        fail_msg("%s: status %d, '%s'", name, (int)status, err.message);
}

static void bad_files_are_refused_with_the_reason(void **state) {
    (void)state;
    assert_int_equal(for_each_file(HONE_TEST_GOLDEN "reject", reject), REJECTS);
    hone_model *model;
    hone_error err = {0};
    assert_int_equal(hone_model_load(&model, "/nonexistent/model.h5", NULL, &err), HONE_NOT_FOUND);
    assert_int_equal(hone_model_load(&model, HONE_TEST_GOLDEN, NULL, &err), HONE_IO);
    assert_non_null(strstr(err.message, "folder"));
}

/* ---- memory ---------------------------------------------------------------------------------------------------- */

static hone_status load_scenario(void *context) {
    hone_model *model;
    hone_compiled compiled;
    hone_status status = hone_model_load(&model, context, &compiled, NULL);
    hone_model_free(model);
    return status;
}

static void memory_may_run_out_anywhere(void **state) {
    (void)state;
    char path[] = HONE_TEST_GOLDEN "accept/keras3-frozen.h5";
    assert_true(test_every_allocation(load_scenario, path) > 50);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keras_files_predict_what_keras_predicts),
        cmocka_unit_test(weights_of_keras_1_find_their_model),
        cmocka_unit_test(rewritten_files_are_the_same_models),
        cmocka_unit_test(compile_state_of_every_family),
        cmocka_unit_test(losses_and_metrics_as_objects),
        cmocka_unit_test(optimizer_arrays_land_on_their_weights),
        cmocka_unit_test(bad_files_are_refused_with_the_reason),
        cmocka_unit_test(memory_may_run_out_anywhere),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
