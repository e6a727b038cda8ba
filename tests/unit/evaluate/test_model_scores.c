/* SPDX-License-Identifier: Apache-2.0
 *
 * From a model to figures: probabilities, calibration carried by the model, corruptions, robustness, the page. */
#include "test.h"

#include <hone/evaluate.h>

#include "core_internal.h"
#include "rng.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { SIDE = 8, CLASSES = 3, SAMPLES = 60 };

/* A bright row says the class, noise hides it now and then. */
static hone_dataset *stripes(void) {
    static unsigned char images[SAMPLES * SIDE * SIDE];
    int32_t labels[SAMPLES];
    hone_dataset *data;
    hone__rng rng;
    hone__rng_init(&rng, 5, HONE_STREAM_TEST, 0);
    for (size_t i = 0; i < SAMPLES; i++) {
        labels[i] = (int32_t)(i % CLASSES);
        for (size_t p = 0; p < SIDE * SIDE; p++)
            images[i * SIDE * SIDE + p] = (unsigned char)hone__rng_below(&rng, 200);
        memset(images + i * SIDE * SIDE + (size_t)labels[i] * 2 * SIDE, 130, SIDE);
    }
    static const char *const names[] = {"top", "<middle>", "bottom"};
    assert_int_equal(hone_dataset_create(&data, images, labels, SAMPLES, SIDE, SIDE, 1, names, CLASSES, NULL), HONE_OK);
    return data;
}

/* Adds up each class's row: a fair classifier whose weights are known, too sure by the factor sharpness. */
static hone_model *network(const char *activation, float sharpness) {
    hone_model *model;
    hone_shape shape = {3, {SIDE, SIDE, 1}};
    hone_error err = {0};
    hone_weight_info w;
    assert_int_equal(hone_model_create(&model, NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_input(model, &shape, NULL), HONE_OK);
    assert_int_equal(hone_model_flatten(model, NULL), HONE_OK);
    assert_int_equal(hone_model_dense(model, CLASSES, activation, NULL), HONE_OK);
    if (hone_model_build(model, 4, &err) != HONE_OK) fail_msg("%s", err.message);
    assert_int_equal(hone_model_weight(model, 0, &w), HONE_OK);
    for (size_t p = 0; p < SIDE * SIDE; p++)
        for (size_t c = 0; c < CLASSES; c++) w.data[p * CLASSES + c] = p / SIDE == 2 * c ? sharpness : 0;
    return model;
}

static hone_evaluate_config from_logits(void) {
    hone_evaluate_config config = hone_evaluate_config_default();
    config.loss.from_logits = true;
    config.batch_size = 16;
    return config;
}

static void test_logits_become_probabilities(void **state) {
    (void)state;
    hone_dataset *data = stripes();
    hone_model *probable = network("softmax", 2), *linear = network(NULL, 2);
    hone_evaluate_config plain = hone_evaluate_config_default(), logits = from_logits();
    hone_evaluation a, b;
    float *p, *q;
    assert_int_equal(hone_evaluate_predictions(&a, &p, probable, data, &plain, NULL), HONE_OK);
    assert_int_equal(hone_evaluate_predictions(&b, &q, linear, data, &logits, NULL), HONE_OK);
    for (size_t i = 0; i < SAMPLES * CLASSES; i++) assert_true(fabsf(p[i] - q[i]) < 1e-5f);
    assert_true(a.accuracy == b.accuracy);
    hone_predictions_free(q);
    /* a softmax that is said to be logits stays what it is */
    assert_int_equal(hone_evaluate_predictions(&b, &q, probable, data, &logits, NULL), HONE_OK);
    assert_memory_equal(p, q, sizeof *p * SAMPLES * CLASSES);
    hone_predictions_free(p);
    hone_predictions_free(q);
    hone_model_free(probable);
    hone_model_free(linear);
    hone_dataset_free(data);
}

static void test_calibration_finds_the_sharpness(void **state) {
    (void)state;
    hone_dataset *data = stripes();
    hone_model *fair = network("softmax", 1), *sure = network("softmax", 6);
    hone_evaluate_config config = hone_evaluate_config_default();
    hone_calibration before, after, of_fair;
    assert_true(hone_model_temperature(sure) == 1);
    assert_int_equal(hone_model_calibrate(fair, data, &config, NULL, &of_fair, NULL), HONE_OK);
    assert_int_equal(hone_model_calibrate(sure, data, &config, &before, &after, NULL), HONE_OK);
    double ratio = hone_model_temperature(sure) / hone_model_temperature(fair);
    assert_true(fabs(ratio - 6) < 1e-3);
    assert_true(after.log_loss <= before.log_loss);
    assert_true(fabs(after.log_loss - of_fair.log_loss) < 1e-5);
    assert_int_equal(hone_model_forget_temperature(sure, NULL), HONE_OK);
    assert_true(hone_model_temperature(sure) == 1);
    /* what is nonsense in a file is not believed */
    hone_value *record = hone_value_object();
    hone_value_set_real(record, "temperature", -3);
    assert_int_equal(hone_model_set_record(sure, "calibration", record, NULL), HONE_OK);
    assert_true(hone_model_temperature(sure) == 1);
    /* on some of the samples only */
    const uint32_t some[] = {0, 4, 8, 9, 10, 11, 12, 13};
    config.indices = some;
    config.index_count = 8;
    assert_int_equal(hone_model_calibrate(sure, data, &config, &before, NULL, NULL), HONE_OK);
    size_t counted = 0;
    for (int b = 0; b < HONE_CALIBRATION_BINS; b++) counted += before.bins[b].count;
    assert_int_equal(counted, 8);
    hone_model_free(fair);
    hone_model_free(sure);
    hone_dataset_free(data);
}

static double distance(const unsigned char *a, const unsigned char *b, size_t n) {
    double sum = 0;
    for (size_t i = 0; i < n; i++) sum += fabs((double)a[i] - b[i]);
    return sum / (double)n;
}

static void test_corruptions(void **state) {
    (void)state;
    enum { H = 20, W = 28, C = 3, N = H * W * C };
    static unsigned char in[N], out[N], again[N], other[N];
    static float scratch[2 * N];
    for (int y = 0; y < H; y++)
        for (int x = 0; x < W; x++)
            for (int c = 0; c < C; c++)
                in[(y * W + x) * C + c] = (unsigned char)((x / 4 + y / 4) % 2 ? 30 + 20 * c : 220);
    for (int k = 0; k < HONE_CORRUPTIONS; k++) {
        hone_corruption kind = (hone_corruption)k;
        double before = 0;
        hone_corrupt(kind, 0, 1, 2, in, H, W, C, out, scratch);
        assert_memory_equal(in, out, N);
        for (int level = 1; level <= HONE_CORRUPTION_LEVELS; level++) {
            hone_corrupt(kind, level, 1, 2, in, H, W, C, out, scratch);
            hone_corrupt(kind, level, 1, 2, in, H, W, C, again, scratch);
            assert_memory_equal(out, again, N);
            double d = distance(in, out, N);
            assert_true(d > 0);
            if (kind != HONE_CORRUPTION_SHIFT &&
                kind != HONE_CORRUPTION_ROTATION) /* those run into the pattern again */
                assert_true(d > before);
            before = d;
        }
        bool is_random = kind != HONE_CORRUPTION_BLUR && kind != HONE_CORRUPTION_CONTRAST;
        bool differs = false;
        for (uint64_t index = 3; index < 9; index++) {
            hone_corrupt(kind, 3, 1, index, in, H, W, C, other, scratch);
            hone_corrupt(kind, 3, 1, 2, in, H, W, C, out, scratch);
            differs = differs || memcmp(out, other, N) != 0;
        }
        assert_int_equal(differs, is_random);
        assert_true(strlen(hone_corruption_word(kind)) > 2 && strlen(hone_corruption_meaning(kind)) > 10);
    }
    unsigned char one = 7, small;
    for (int k = 0; k < HONE_CORRUPTIONS; k++) /* a picture of one pixel */
        hone_corrupt((hone_corruption)k, 5, 0, 0, &one, 1, 1, 1, &small, scratch);
}

static void test_robustness(void **state) {
    (void)state;
    hone_dataset *data = stripes();
    hone_model *model = network("softmax", 2);
    hone_evaluate_config config = hone_evaluate_config_default();
    hone_robustness alone, together;
    hone_evaluation plain;
    hone_threads *threads;
    assert_int_equal(hone_threads_create(&threads, 3, NULL), HONE_OK);
    assert_int_equal(hone_robustness_measure(&alone, model, data, &config, 1, NULL, NULL, NULL), HONE_OK);
    config.threads = threads;
    config.batch_size = 7;
    assert_int_equal(hone_robustness_measure(&together, model, data, &config, 1, NULL, NULL, NULL), HONE_OK);
    assert_memory_equal(&alone, &together, sizeof alone);
    assert_int_equal(hone_evaluate(&plain, model, data, &config, NULL), HONE_OK);
    assert_true(plain.accuracy == alone.clean && alone.mean < alone.clean);
    hone_threads_free(threads);
    hone_model_free(model);
    hone_dataset_free(data);
}

static void test_a_regression_has_no_classes(void **state) {
    (void)state;
    hone_dataset *data = stripes();
    hone_model *model;
    hone_shape shape = {3, {SIDE, SIDE, 1}};
    hone_evaluate_config config = hone_evaluate_config_default();
    hone_evaluation result;
    hone_robustness robustness;
    float *p;
    config.loss.kind = HONE_LOSS_MEAN_SQUARED_ERROR;
    assert_int_equal(hone_model_create(&model, NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_input(model, &shape, NULL), HONE_OK);
    assert_int_equal(hone_model_flatten(model, NULL), HONE_OK);
    assert_int_equal(hone_model_dense(model, 1, NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_build(model, 4, NULL), HONE_OK);
    assert_int_equal(hone_evaluate_predictions(&result, &p, model, data, &config, NULL), HONE_UNSUPPORTED);
    assert_null(p);
    assert_int_equal(hone_robustness_measure(&robustness, model, data, &config, 1, NULL, NULL, NULL), HONE_UNSUPPORTED);
    hone_model_free(model);
    hone_dataset_free(data);
}

/* ---- the page -------------------------------------------------------------------------------------------------- */

typedef struct page_test {
    char path[64];
    hone_model *model;
    hone_dataset *data;
} page_test;

/* All that a page can show. */
static hone_status write_page(void *context) {
    const page_test *t = context;
    hone_evaluate_config config = hone_evaluate_config_default();
    hone_evaluation evaluation;
    hone_scores *scores = NULL;
    hone_comparison comparison = {0};
    hone_robustness robustness = {.clean = 0.9, .mean = 0.5};
    float *p = NULL;
    hone_status status = hone_evaluate_predictions(&evaluation, &p, t->model, t->data, &config, NULL);
    const int32_t *labels = hone_dataset_labels(t->data);
    if (status == HONE_OK) status = hone_scores_create(&scores, p, labels, SAMPLES, CLASSES, 2, NULL);
    if (status == HONE_OK) status = hone_comparison_create(&comparison, scores, scores, labels, NULL);
    if (status == HONE_OK) {
        hone_evaluation_page page = {.model_name = "a <model>",
                                     .data_name = "stripes",
                                     .model = t->model,
                                     .data = t->data,
                                     .evaluation = &evaluation,
                                     .scores = scores,
                                     .probabilities = p,
                                     .temperature = 2,
                                     .uncalibrated = &scores->calibration,
                                     .robustness = &robustness,
                                     .other_name = "other",
                                     .other = scores,
                                     .comparison = &comparison,
                                     .pictures = 2};
        status = hone_evaluation_write_html(&page, t->path, NULL);
    }
    hone_comparison_release(&comparison);
    hone_scores_free(scores);
    hone_predictions_free(p);
    return status;
}

static hone_model *described_network(void) {
    hone_model *model = network("softmax", 0.5f);
    hone_value *history = hone_value_object(), *loss = hone_value_list();
    hone_value_append(loss, hone_value_real(1.5));
    hone_value_append(loss, hone_value_null());
    hone_value_set(history, "loss", loss);
    assert_int_equal(hone_model_set_record(model, "history", history, NULL), HONE_OK);
    return model;
}

static void test_page(void **state) {
    (void)state;
    page_test t = {.model = described_network(), .data = stripes()};
    snprintf(t.path, sizeof t.path, "/tmp/hone-page-%ld.html", (long)getpid());
    assert_int_equal(write_page(&t), HONE_OK);
    FILE *f = fopen(t.path, "r");
    assert_non_null(f);
    static char text[1 << 20];
    size_t size = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[size] = '\0';
    assert_null(strstr(text, "<script"));
    assert_null(strstr(text, "<model>"));
    assert_null(strstr(text, "<middle>"));
    assert_null(strstr(text, "nan"));
    const char *const wanted[] = {"a &lt;model&gt;",   "&lt;middle&gt;",  "id=\"calibration\"", "id=\"robustness\"",
                                  "id=\"comparison\"", "id=\"training\"", "id=\"curves\"",      "stroke-dasharray"};
    for (size_t i = 0; i < sizeof wanted / sizeof wanted[0]; i++) assert_non_null(strstr(text, wanted[i]));
    assert_true(test_every_allocation(write_page, &t) > 50);
    unlink(t.path);
    hone_model_free(t.model);
    hone_dataset_free(t.data);
}

static void test_confusion_picture(void **state) {
    (void)state;
    const float p[] = {0.9f, 0.1f, 0.6f, 0.4f, 0.2f, 0.8f};
    const int32_t labels[] = {0, 1, 1};
    const char *const names[] = {"a very long name of a class", "狗"};
    hone_scores *s;
    hone_error err = {0};
    char path[64];
    assert_int_equal(hone_scores_create(&s, p, labels, 3, 2, 1, NULL), HONE_OK);
    snprintf(path, sizeof path, "/tmp/hone-confusion-%ld.png", (long)getpid());
#if HONE_WITH_CAIRO
    assert_int_equal(hone_confusion_write_png(s, names, path, &err), HONE_OK);
    FILE *f = fopen(path, "r");
    unsigned char head[8] = {0};
    assert_non_null(f);
    assert_int_equal(fread(head, 1, 8, f), 8);
    fclose(f);
    assert_memory_equal(head, "\x89PNG\r\n\x1a\n", 8);
    unlink(path);
    assert_int_not_equal(hone_confusion_write_png(s, names, "/nowhere/at/all.png", &err), HONE_OK);
#else
    assert_int_equal(hone_confusion_write_png(s, names, path, &err), HONE_UNSUPPORTED);
#endif
    hone_scores_free(s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_logits_become_probabilities),
        cmocka_unit_test(test_calibration_finds_the_sharpness),
        cmocka_unit_test(test_corruptions),
        cmocka_unit_test(test_robustness),
        cmocka_unit_test(test_a_regression_has_no_classes),
        cmocka_unit_test(test_page),
        cmocka_unit_test(test_confusion_picture),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
