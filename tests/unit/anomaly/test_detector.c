/* SPDX-License-Identifier: Apache-2.0
 *
 * Models of what is normal: an autoencoder and a memory that know stripes and are shown blots. */
#include "test.h"

#include <hone/anomaly.h>

#include "anomaly_maps.h"
#include "detector.h"
#include "rng.h"

#include <math.h>
#include <string.h>

enum { SIDE = 18, IMAGE = SIDE * SIDE, SAMPLES = 300, HELD_BACK = 100, BLOT = 5 };

/* A bright horizontal stripe of two rows somewhere. */
static void draw(unsigned char *pixels, size_t number) {
    hone__rng rng;
    hone__rng_init(&rng, 3, HONE_STREAM_TEST, number);
    for (size_t i = 0; i < IMAGE; i++) pixels[i] = (unsigned char)hone__rng_below(&rng, 30);
    memset(pixels + (number % 16) * SIDE, 200, 2 * SIDE);
}

/* … and a blot in the lower right, or the upper left. */
static void spoil(unsigned char *pixels, bool lower) {
    size_t from = lower ? SIDE - BLOT - 1 : 1;
    for (size_t y = from; y < from + BLOT; y++) memset(pixels + y * SIDE + from, 255, BLOT);
}

static hone_dataset *stripes(hone_split *split) {
    static unsigned char images[SAMPLES * IMAGE];
    hone_dataset *data;
    for (size_t i = 0; i < SAMPLES; i++) draw(images + i * IMAGE, i);
    assert_int_equal(hone_dataset_create(&data, images, NULL, SAMPLES, SIDE, SIDE, 1, NULL, 1, NULL), HONE_OK);
    assert_int_equal(hone_split_last(split, SAMPLES, (double)HELD_BACK / SAMPLES, NULL), HONE_OK);
    return data;
}

/* What a trained network is for the memory: edges, up and across. */
static hone_model *edges(void) {
    hone_model *model;
    hone_shape shape = {3, {SIDE, SIDE, 1}};
    hone_weight_info w;
    assert_int_equal(hone_model_create(&model, NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_input(model, &shape, NULL), HONE_OK);
    assert_int_equal(hone_model_conv2d(model, 3, 3, "relu", NULL), HONE_OK);
    assert_int_equal(hone_model_max_pooling2d(model, 2, NULL), HONE_OK);
    assert_int_equal(hone_model_flatten(model, NULL), HONE_OK);
    assert_int_equal(hone_model_dense(model, 2, "softmax", NULL), HONE_OK);
    assert_int_equal(hone_model_build(model, 1, NULL), HONE_OK);
    assert_int_equal(hone_model_weight(model, 0, &w), HONE_OK);
    for (size_t y = 0; y < 3; y++)
        for (size_t x = 0; x < 3; x++) {
            float *at = w.data + (y * 3 + x) * 3;
            at[0] = (float)y - 1;
            at[1] = (float)x - 1;
            at[2] = 1.0f / 9;
        }
    return model;
}

static hone_model *train(hone_anomaly_method method, hone_anomaly_report *report) {
    hone_split split;
    hone_dataset *data = stripes(&split);
    hone_model *model;
    hone_shape shape = {3, {SIDE, SIDE, 1}};
    hone_anomaly_config config = hone_anomaly_config_default(method);
    hone_error err = {0};
    config.epochs = 25;
    config.batch_size = 16;
    config.learning_rate = 0.003;
    config.memory = 200;
    if (method == HONE_ANOMALY_AUTOENCODER)
        assert_int_equal(hone_anomaly_autoencoder(&model, &shape, 7, NULL), HONE_OK);
    else
        model = edges();
    if (hone_anomaly_train(model, data, &split, &config, report, &err) != HONE_OK) fail_msg("%s", err.message);
    hone_split_release(&split);
    hone_dataset_free(data);
    return model;
}

/* The mean of the map where a blot is or would be. */
static double corner(const float *map, bool lower) {
    double sum = 0;
    size_t from = lower ? SIDE - BLOT - 1 : 1;
    for (size_t y = from; y < from + BLOT; y++)
        for (size_t x = from; x < from + BLOT; x++) sum += (double)map[y * SIDE + x];
    return sum / (BLOT * BLOT);
}

static void test_finds_and_shows(void **state) {
    (void)state;
    for (int m = 0; m < 2; m++) {
        hone_anomaly_report report;
        hone_model *model = train((hone_anomaly_method)m, &report);
        hone_detector *d;
        unsigned char pixels[IMAGE];
        float map[IMAGE];
        int passed = 0, found = 0, shown = 0;
        assert_int_equal(report.held_back, HELD_BACK);
        assert_true((report.memory > 0) == (m == HONE_ANOMALY_MEMORY));
        assert_int_equal(hone_detector_create(&d, model, NULL, NULL), HONE_OK);
        assert_int_equal(hone_detector_method(d), m);
        assert_true(fabs(hone_detector_threshold(d) - report.threshold) < 1e-12);
        for (size_t i = 0; i < 40; i++) { /* pictures that nobody has seen */
            bool lower = i % 2;
            draw(pixels, 1000 + i);
            hone_verdict normal = hone_detector_judge(d, pixels, map);
            passed += !normal.unknown;
            for (size_t k = 0; k < IMAGE; k++) assert_true(map[k] >= 0 && map[k] <= 1);
            spoil(pixels, lower);
            hone_verdict spoilt = hone_detector_judge(d, pixels, map);
            found += spoilt.unknown;
            shown += corner(map, lower) > 2 * corner(map, !lower);
            assert_true(hone_detector_judge(d, pixels, NULL).score == spoilt.score);
        }
        if (passed < 30 || found < 36 || shown < 30)
            fail_msg("%s: %d of 40 normal ones passed, %d spoilt ones were found, %d shown",
                     hone_anomaly_method_word((hone_anomaly_method)m), passed, found, shown);
        hone_detector_free(d);
        hone_model_free(model);
    }
}

/* The same seed, the same bits, for any number of threads. */
static void test_threads(void **state) {
    (void)state;
    for (int m = 0; m < 2; m++) {
        hone_model *models[2];
        hone_threads *threads[2] = {NULL, NULL};
        assert_int_equal(hone_threads_create(&threads[1], 3, NULL), HONE_OK);
        for (int t = 0; t < 2; t++) {
            hone_split split;
            hone_dataset *data = stripes(&split);
            hone_shape shape = {3, {SIDE, SIDE, 1}};
            hone_anomaly_config config = hone_anomaly_config_default((hone_anomaly_method)m);
            config.epochs = 1;
            config.threads = threads[t];
            if (m == HONE_ANOMALY_AUTOENCODER)
                assert_int_equal(hone_anomaly_autoencoder(&models[t], &shape, 7, NULL), HONE_OK);
            else
                models[t] = edges();
            assert_int_equal(hone_anomaly_train(models[t], data, &split, &config, NULL, NULL), HONE_OK);
            hone_split_release(&split);
            hone_dataset_free(data);
        }
        const hone_value *a = hone_model_record(models[0], "anomaly"), *b = hone_model_record(models[1], "anomaly");
        assert_true(hone_value_equal(a, b));
        hone_weight_info v, w;
        for (size_t i = 0; hone_model_weight(models[0], i, &v) == HONE_OK; i++) {
            assert_int_equal(hone_model_weight(models[1], i, &w), HONE_OK);
            assert_memory_equal(v.data, w.data, (size_t)hone_shape_size(&v.shape) * sizeof *v.data);
        }
        hone_model_free(models[0]);
        hone_model_free(models[1]);
        hone_threads_free(threads[1]);
    }
}

static void test_shapes_of_autoencoders(void **state) {
    (void)state;
    static const hone_shape shapes[] = {{3, {28, 28, 1}}, {3, {33, 20, 3}}, {3, {4, 4, 1}}, {3, {64, 96, 3}}};
    for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
        hone_model *model;
        hone_error err = {0};
        if (hone_anomaly_autoencoder(&model, &shapes[i], 1, &err) != HONE_OK) fail_msg("%s", err.message);
        hone_shape out = hone_model_output_shape(model);
        assert_true(hone_shape_equal(&out, &shapes[i]));
        hone_model_free(model);
    }
    hone_model *model;
    const hone_shape flat = {1, {784}};
    assert_int_equal(hone_anomaly_autoencoder(&model, &flat, 1, NULL), HONE_SHAPE);
    assert_null(model);
}

static void test_memory_covers(void **state) {
    (void)state;
    hone_model *model = edges();
    size_t layer = 0;
    assert_int_equal(hone__memory_layer(model, NULL, &layer, NULL), HONE_OK);
    assert_int_equal(layer, 2); /* 8x8: the last that is no coarser than a quarter of the side */
    assert_int_equal(hone__memory_layer(model, "conv2d", &layer, NULL), HONE_OK);
    assert_int_equal(layer, 1);
    assert_int_equal(hone__memory_layer(model, "dense", &layer, NULL), HONE_UNSUPPORTED);
    assert_int_equal(hone__memory_layer(model, "nowhere", &layer, NULL), HONE_NOT_FOUND);
    hone_model_free(model);
    /* from 2x1 to 4x1: half-pixel centres */
    const float two[] = {0, 1};
    float four[4], smooth[2];
    hone__map_enlarge(two, 2, 1, four, 4, 1);
    assert_true(four[0] == 0 && four[1] == 0.25f && four[2] == 0.75f && four[3] == 1);
    hone__map_smooth(two, 2, 1, smooth);
    assert_true(smooth[0] == 0.5f && smooth[1] == 0.5f);
}

static void test_refused(void **state) {
    (void)state;
    hone_split split;
    hone_dataset *data = stripes(&split);
    hone_model *model = edges();
    hone_anomaly_config config = hone_anomaly_config_default(HONE_ANOMALY_AUTOENCODER);
    hone_error err = {0};
    assert_int_equal(hone_anomaly_train(model, data, &split, &config, NULL, &err), HONE_SHAPE); /* a classifier */
    config = hone_anomaly_config_default(HONE_ANOMALY_MEMORY);
    config.layer = "nowhere";
    assert_int_equal(hone_anomaly_train(model, data, &split, &config, NULL, NULL), HONE_NOT_FOUND);
    config.layer = NULL;
    config.memory = 0;
    assert_int_equal(hone_anomaly_train(model, data, &split, &config, NULL, NULL), HONE_ARGUMENT);
    config.memory = 10;
    split.validation_count = 3;
    assert_int_equal(hone_anomaly_train(model, data, &split, &config, NULL, NULL), HONE_ARGUMENT);
    split.validation_count = HELD_BACK;
    hone_detector *d;
    assert_int_equal(hone_detector_create(&d, model, NULL, NULL), HONE_OK);
    assert_null(d);
    hone_split_release(&split);
    hone_dataset_free(data);
    hone_model_free(model);
}

static void test_damaged_records(void **state) {
    (void)state;
    hone_model *model = train(HONE_ANOMALY_MEMORY, NULL);
    const hone_value *record = hone_model_record(model, "anomaly");
    static const struct {
        const char *within, *key;
        double number;
    } wrong[] = {{NULL, "method", 1},     {NULL, "threshold", -1}, {NULL, "map_scale", 0},
                 {NULL, "layer", 3},      {"memory", "count", 0},  {"memory", "count", 1e18},
                 {"memory", "values", 4}, {"memory", "scale", -1}, {"memory", "places", 0}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        hone_model *copy;
        hone_detector *d;
        assert_int_equal(hone_model_copy(&copy, model, NULL), HONE_OK);
        hone_value *changed = hone_value_copy(record);
        if (wrong[i].within) {
            hone_value *inner = hone_value_copy(hone_value_get(changed, wrong[i].within));
            hone_value_set_real(inner, wrong[i].key, wrong[i].number);
            hone_value_set(changed, wrong[i].within, inner);
        } else {
            hone_value_set_real(changed, wrong[i].key, wrong[i].number);
        }
        assert_int_equal(hone_model_set_record(copy, "anomaly", changed, NULL), HONE_OK);
        hone_error err = {0};
        assert_int_equal(hone_detector_create(&d, copy, NULL, &err), HONE_FORMAT);
        assert_null(d);
        hone_model_free(copy);
    }
    hone_model_free(model);
}

/* ---- ended in the middle ----------------------------------------------------------------------------------------- */

static bool counts_down(void *context) {
    int *left = context;
    return --*left > 0;
}

static bool ends_after(void *context, int epoch, int epochs, double loss) {
    (void)epochs, (void)loss;
    return epoch < *(const int *)context;
}

typedef struct broken_off {
    hone_dataset *data;
    hone_split split;
    hone_anomaly_config config;
    hone_model *model;
    int last; /* epoch */
} broken_off;

static void break_off(broken_off *b, size_t samples, int epochs, int last) {
    hone_shape shape = {3, {SIDE, SIDE, 1}};
    *b = (broken_off){.config = hone_anomaly_config_default(HONE_ANOMALY_AUTOENCODER), .last = last};
    b->data = stripes(&b->split);
    b->split.train_count = samples;
    b->split.validation_count = 5;
    b->config.epochs = epochs;
    b->config.batch_size = 16;
    b->config.progress = ends_after;
    b->config.context = &b->last;
    assert_int_equal(hone_anomaly_autoencoder(&b->model, &shape, 7, NULL), HONE_OK);
    assert_int_equal(hone_anomaly_train(b->model, b->data, &b->split, &b->config, NULL, NULL), HONE_OK);
    b->config.progress = NULL;
    b->config.resume = true;
}

static void release_broken_off(broken_off *b) {
    hone_model_free(b->model);
    hone_split_release(&b->split);
    hone_dataset_free(b->data);
}

static void test_goes_on_to_the_same_bits(void **state) {
    (void)state;
    broken_off whole, part;
    hone_anomaly_report report;
    int epochs = 0;
    break_off(&whole, 40, 4, 100);
    assert_false(hone_anomaly_is_unfinished(whole.model, NULL));
    break_off(&part, 40, 4, 2);
    assert_true(hone_anomaly_is_unfinished(part.model, &epochs));
    assert_int_equal(epochs, 2);
    assert_int_equal(hone_anomaly_train(part.model, part.data, &part.split, &part.config, &report, NULL), HONE_OK);
    assert_int_equal(report.epochs, 4);
    assert_false(hone_anomaly_is_unfinished(part.model, NULL));
    for (size_t i = 0; i < hone_model_weight_count(part.model); i++) {
        hone_weight_info a, b;
        assert_int_equal(hone_model_weight(part.model, i, &a), HONE_OK);
        assert_int_equal(hone_model_weight(whole.model, i, &b), HONE_OK);
        assert_memory_equal(a.data, b.data, (size_t)hone_shape_size(&a.shape) * sizeof *a.data);
    }
    hone_value *first = hone_value_copy(hone_model_record(part.model, "anomaly"));
    assert_true(hone_value_equal(first, hone_model_record(whole.model, "anomaly")));
    hone_value_free(first);
    release_broken_off(&whole);
    release_broken_off(&part);
}

static void test_goes_on_with_nothing_else(void **state) {
    (void)state;
    broken_off b;
    hone_error err = {0};
    break_off(&b, 20, 3, 1);
    b.config.batch_size = 8;
    assert_int_equal(hone_anomaly_train(b.model, b.data, &b.split, &b.config, NULL, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "had batch_size 16, not 8"));
    b.config.batch_size = 16;
    static const char *const keys[] = {"epochs", "iterations", "slots", "loss"};
    hone_value *record = hone_value_copy(hone_model_record(b.model, "anomaly_training"));
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        hone_value *changed = hone_value_copy(record);
        hone_value_set_string(changed, keys[i], "much");
        assert_int_equal(hone_model_set_record(b.model, "anomaly_training", changed, NULL), HONE_OK);
        assert_int_equal(hone_anomaly_train(b.model, b.data, &b.split, &b.config, NULL, &err), HONE_FORMAT);
    }
    hone_value_free(record);
    release_broken_off(&b);
    break_off(&b, 20, 1, 100);
    assert_int_equal(hone_anomaly_train(b.model, b.data, &b.split, &b.config, NULL, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "no state of a training"));
    release_broken_off(&b);
}

static void test_half_a_memory_is_none(void **state) {
    (void)state;
    hone_split split;
    hone_dataset *data = stripes(&split);
    hone_model *model = edges();
    hone_anomaly_config config = hone_anomaly_config_default(HONE_ANOMALY_MEMORY);
    config.keep_going = counts_down;
    /* while pictures are looked at, and while places are chosen */
    for (int left = 5; left <= SAMPLES; left += SAMPLES - HELD_BACK) {
        int asked = left;
        config.context = &asked;
        assert_int_equal(hone_anomaly_train(model, data, &split, &config, NULL, NULL), HONE_CANCELLED);
        assert_null(hone_model_record(model, "anomaly"));
    }
    hone_model_free(model);
    hone_split_release(&split);
    hone_dataset_free(data);
}

/* Which way up a stripe is, is told from one that is turned; what is asked is only that it runs and changes weights. */
static void test_pretrain(void **state) {
    (void)state;
    hone_split split;
    hone_dataset *data = stripes(&split);
    hone_model *model;
    hone_shape shape = {3, {SIDE, SIDE, 1}};
    hone_weight_info w;
    assert_int_equal(hone_model_create(&model, NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_input(model, &shape, NULL), HONE_OK);
    assert_int_equal(hone_model_conv2d(model, 4, 3, "relu", NULL), HONE_OK);
    assert_int_equal(hone_model_flatten(model, NULL), HONE_OK);
    assert_int_equal(hone_model_dense(model, 4, "softmax", NULL), HONE_OK);
    assert_int_equal(hone_model_build(model, 1, NULL), HONE_OK);
    assert_int_equal(hone_model_weight(model, 0, &w), HONE_OK);
    float before = w.data[0];
    hone_error err = {0};
    hone_anomaly_config config = hone_anomaly_config_default(HONE_ANOMALY_MEMORY);
    config.seed = 1;
    if (hone_anomaly_pretrain(model, data, &split, 1, &config, &err) != HONE_OK) fail_msg("%s", err.message);
    assert_true(w.data[0] != before);
    int asked = 3;
    config.keep_going = counts_down;
    config.context = &asked;
    assert_int_equal(hone_anomaly_pretrain(model, data, &split, 1, &config, &err), HONE_CANCELLED);
    assert_int_equal(asked, 0);
    hone_model_free(model);
    hone_split_release(&split);
    hone_dataset_free(data);
}

/* ---- memory ------------------------------------------------------------------------------------------------------ */

typedef struct scenario {
    hone_dataset *data;
    hone_split split;
    hone_anomaly_method method;
} scenario;

static hone_status learn_and_ask(void *context) {
    scenario *s = context;
    hone_model *model = NULL;
    hone_detector *d = NULL;
    hone_shape shape = {3, {SIDE, SIDE, 1}};
    hone_anomaly_config config = hone_anomaly_config_default(s->method);
    config.epochs = 1;
    config.memory = 3;
    hone_status status = hone_anomaly_autoencoder(&model, &shape, 1, NULL);
    if (status == HONE_OK) status = hone_anomaly_train(model, s->data, &s->split, &config, NULL, NULL);
    if (status == HONE_OK) status = hone_detector_create(&d, model, NULL, NULL);
    hone_detector_free(d);
    hone_model_free(model);
    return status;
}

/* Ends again after the same epoch, so that a state is read and written. */
static hone_status go_on(void *context) {
    broken_off *b = context;
    hone_model *copy;
    HONE_TRY(hone_model_copy(&copy, b->model, NULL));
    hone_anomaly_config config = b->config;
    config.epochs = 3;
    config.progress = ends_after;
    b->last = 2;
    config.context = &b->last;
    hone_status status = hone_anomaly_train(copy, b->data, &b->split, &config, NULL, NULL);
    hone_model_free(copy);
    return status;
}

static void test_out_of_memory(void **state) {
    (void)state;
    scenario s = {.method = HONE_ANOMALY_AUTOENCODER};
    s.data = stripes(&s.split);
    s.split.train_count = 4;
    s.split.validation_count = 5;
    assert_true(test_every_allocation(learn_and_ask, &s) > 50);
    s.method = HONE_ANOMALY_MEMORY;
    assert_true(test_every_allocation(learn_and_ask, &s) > 50);
    hone_split_release(&s.split);
    hone_dataset_free(s.data);
    broken_off b;
    break_off(&b, 4, 2, 1);
    assert_true(test_every_allocation(go_on, &b) > 50);
    release_broken_off(&b);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_finds_and_shows),
        cmocka_unit_test(test_threads),
        cmocka_unit_test(test_shapes_of_autoencoders),
        cmocka_unit_test(test_memory_covers),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_damaged_records),
        cmocka_unit_test(test_pretrain),
        cmocka_unit_test(test_goes_on_to_the_same_bits),
        cmocka_unit_test(test_goes_on_with_nothing_else),
        cmocka_unit_test(test_half_a_memory_is_none),
        cmocka_unit_test(test_out_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
