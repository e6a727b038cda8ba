/* SPDX-License-Identifier: Apache-2.0
 *
 * Statistics of the training data as preprocessing: the numbers of the real ImageDataGenerator
 * (tests/golden/augment/normalize.txt), our own dialect by its definition, the training part alone, and what is refused. */
#include "train_test.h"

enum { SHOWN = 3, MOST_SIZE = 32, MOST_SAMPLES = 128 };

static hone_augmentation *parse(const char *text) {
    hone_augmentation *a;
    hone_error err = {0};
    if (hone_augmentation_parse(&a, text, &err) != HONE_OK) fail_msg("%s", err.message);
    return a;
}

/* A model that answers what its input is. */
static hone_model *passing(int h, int w, int c) {
    hone_model *model;
    hone_shape shape = {3, {h, w, c}};
    assert_int_equal(hone_model_create(&model, NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_input(model, &shape, NULL), HONE_OK);
    assert_int_equal(hone_model_flatten(model, NULL), HONE_OK);
    assert_int_equal(hone_model_build(model, 1, NULL), HONE_OK);
    return model;
}

static void converted(hone_model *model, const unsigned char *pixels, size_t n, float *out) {
    hone_plan *plan;
    hone_error err = {0};
    if (hone_plan_create(&plan, model, NULL, &err) != HONE_OK) fail_msg("%s", err.message);
    hone_plan_predict_pixels(plan, pixels, n, out);
    hone_plan_free(plan);
}

static void fit(hone_model *model, const char *text, const hone_dataset *data, size_t train, hone_threads *threads) {
    hone_augmentation *a = parse(text);
    hone_error err = {0};
    uint32_t indices[MOST_SAMPLES];
    for (uint32_t i = 0; i < train; i++) indices[i] = i;
    const hone_split split = {.train = indices, .train_count = train};
    assert_true(hone_augmentation_normalizes(a));
    if (hone_model_fit_preprocessing(model, a, data, &split, threads, &err) != HONE_OK) fail_msg("%s", err.message);
    hone_augmentation_free(a);
}

/* ---- Keras ------------------------------------------------------------------------------------------------------- */

static void the_numbers_are_those_of_keras(void **state) {
    (void)state;
    FILE *file = fopen(HONE_TEST_GOLDEN "augment/normalize.txt", "r");
    assert_non_null(file);
    char dialect[4], text[256];
    int fitted, h, w, c, records = 0;
    static unsigned char pixels[MOST_SAMPLES * MOST_SIZE];
    while (fscanf(file, "%3s %d %d %d %d %255s", dialect, &fitted, &h, &w, &c, text) == 6) {
        size_t size = (size_t)(h * w * c), samples = (size_t)fitted + SHOWN - 1;
        assert_true(size <= MOST_SIZE && samples <= MOST_SAMPLES);
        for (size_t i = 0; i < samples * size; i++) assert_int_equal(fscanf(file, "%hhu", &pixels[i]), 1);
        hone_dataset *data;
        assert_int_equal(hone_dataset_create(&data, pixels, NULL, samples, h, w, c, NULL, 1, NULL), HONE_OK);
        hone_model *model = passing(h, w, c);
        fit(model, text, data, (size_t)fitted, NULL);
        float got[SHOWN * MOST_SIZE], want[SHOWN * MOST_SIZE], most = 1;
        converted(model, pixels + (samples - SHOWN) * size, SHOWN, got);
        for (size_t i = 0; i < SHOWN * size; i++) {
            assert_int_equal(fscanf(file, "%f", &want[i]), 1);
            most = fmaxf(most, fabsf(want[i]));
        }
        /* Whitening amplifies the roundings of single precision, Keras' and ours. */
        float bound = most * (strstr(text, "zca") ? 2e-3f : 2e-5f);
        for (size_t i = 0; i < SHOWN * size; i++)
            if (!(fabsf(got[i] - want[i]) <= bound))
                fail_msg("%s, %dx%dx%d: %zu is %g, expected %g", text, h, w, c, i, (double)got[i], (double)want[i]);
        hone_model_free(model);
        hone_dataset_free(data);
        records++;
    }
    assert_true(feof(file));
    fclose(file);
    assert_int_equal(records, 2 * 2 * 13);
}

/* ---- our dialect ------------------------------------------------------------------------------------------------- */

enum { H = 3, W = 4, C = 1, SIZE = H * W, N = 60, TRAIN = 50 };

static hone_dataset *pictures(unsigned char *pixels) {
    hone__rng rng;
    hone_dataset *data;
    hone__rng_init(&rng, 3, HONE_STREAM_TEST, 0);
    for (size_t i = 0; i < N * SIZE; i++) {
        double before = i % SIZE ? pixels[i - 1] : 100;
        double value = 0.7 * before + 40 * hone__rng_uniform(&rng) + (i >= TRAIN * SIZE ? 60 : 0);
        pixels[i] = (unsigned char)(value < 255 ? value : 255);
    }
    assert_int_equal(hone_dataset_create(&data, pixels, NULL, N, H, W, C, NULL, 1, NULL), HONE_OK);
    return data;
}

static void means_and_deviations_are_of_the_training_part(void **state) {
    (void)state;
    unsigned char pixels[N * SIZE];
    float out[TRAIN * SIZE];
    hone_dataset *data = pictures(pixels);
    hone_model *model = passing(H, W, C);
    fit(model, "rotation=5,featurewise_std_normalization", data, TRAIN, NULL);
    converted(model, pixels, TRAIN, out);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < TRAIN * SIZE; i++) {
        sum += (double)out[i];
        squares += (double)out[i] * (double)out[i];
    }
    assert_true(fabs(sum / (TRAIN * SIZE)) < 1e-4);
    assert_true(fabs(squares / (TRAIN * SIZE) - 1) < 1e-3);
    hone_preprocessing p = hone_model_preprocessing(model);
    assert_true(p.stated && p.kind == HONE_INPUT_STANDARD && p.mean[0] > 0 && p.mean[0] < 1);
    assert_true(hone_model_input_is_affine(model));
    hone_model_free(model);
    hone_dataset_free(data);
}

/* What each picture's own statistics are taken out of first has the data's taken of what is left. */
static void both_statistics_together(void **state) {
    (void)state;
    unsigned char pixels[N * SIZE];
    float out[TRAIN * SIZE];
    hone_dataset *data = pictures(pixels);
    hone_model *model = passing(H, W, C);
    fit(model, "samplewise_std_normalization,featurewise_std_normalization", data, TRAIN, NULL);
    converted(model, pixels, TRAIN, out);
    double sum = 0, squares = 0;
    for (size_t i = 0; i < TRAIN * SIZE; i++) {
        sum += (double)out[i];
        squares += (double)out[i] * (double)out[i];
    }
    assert_true(fabs(sum / (TRAIN * SIZE)) < 1e-3);
    assert_true(fabs(squares / (TRAIN * SIZE) - 1) < 1e-3);
    hone_model_free(model);
    hone_dataset_free(data);
}

/* Raw pixels: their variances make the epsilon of 1e-6 nothing. */
static void whitened_pixels_are_independent(void **state) {
    (void)state;
    unsigned char pixels[N * SIZE];
    float out[TRAIN * SIZE], again[TRAIN * SIZE];
    hone_dataset *data = pictures(pixels);
    hone_threads *threads;
    assert_int_equal(hone_threads_create(&threads, 3, NULL), HONE_OK);
    hone_model *model = passing(H, W, C), *other = passing(H, W, C);
    hone_preprocessing raw = {.kind = HONE_INPUT_RAW, .denoise = false};
    hone_model_set_preprocessing(model, &raw);
    hone_model_set_preprocessing(other, &raw);
    fit(model, "zca_whitening,zca_epsilon=1e-6", data, TRAIN, NULL);
    fit(other, "zca_whitening,zca_epsilon=1e-6", data, TRAIN, threads);
    converted(model, pixels, TRAIN, out);
    converted(other, pixels, TRAIN, again);
    assert_memory_equal(out, again, sizeof out);
    for (size_t i = 0; i < SIZE; i++)
        for (size_t j = 0; j < SIZE; j++) {
            double sum = 0;
            for (size_t k = 0; k < TRAIN; k++) sum += (double)out[k * SIZE + i] * (double)out[k * SIZE + j];
            if (!(fabs(sum / TRAIN - (i == j)) < 2e-3)) fail_msg("%zu and %zu: %g", i, j, sum / TRAIN);
        }
    assert_false(hone_model_input_is_affine(model));
    hone_threads_free(threads);
    hone_model_free(model);
    hone_model_free(other);
    hone_dataset_free(data);
}

static void nothing_asked_for_nothing_changed(void **state) {
    (void)state;
    unsigned char pixels[N * SIZE];
    hone_dataset *data = pictures(pixels);
    hone_model *model = passing(H, W, C);
    hone_augmentation *a = parse("digits");
    assert_false(hone_augmentation_normalizes(a));
    assert_int_equal(hone_model_fit_preprocessing(model, a, data, NULL, NULL, NULL), HONE_OK);
    assert_false(hone_model_preprocessing(model).stated);
    hone_augmentation_free(a);
    hone_model_free(model);
    hone_dataset_free(data);
}

static void pictures_too_large_to_whiten(void **state) {
    (void)state;
    hone_dataset *data;
    unsigned char *pixels = hone__alloc(65 * 64, 1);
    assert_int_equal(hone_dataset_create(&data, pixels, NULL, 1, 65, 64, 1, NULL, 1, NULL), HONE_OK);
    hone_model *model = passing(65, 64, 1);
    hone_augmentation *a = parse("zca_whitening");
    hone_error err = {0};
    assert_int_equal(hone_model_fit_preprocessing(model, a, data, NULL, NULL, &err), HONE_LIMIT);
    assert_non_null(strstr(err.message, "have 4160 values, at most 4096"));
    hone_augmentation_free(a);
    hone_model_free(model);
    hone_dataset_free(data);
    hone__free(pixels);
}

typedef struct scenario {
    hone_model *model;
    hone_augmentation *augmentation;
    hone_dataset *data;
} scenario;

static hone_status fit_again(void *context) {
    const scenario *s = context;
    hone_status status = hone_model_fit_preprocessing(s->model, s->augmentation, s->data, NULL, NULL, NULL);
    hone_model_set_whitening(s->model, NULL, 0, NULL);
    return status;
}

static void nothing_leaks_when_memory_runs_out(void **state) {
    (void)state;
    unsigned char pixels[N * SIZE];
    scenario s = {passing(H, W, C), parse("zca_whitening"), pictures(pixels)};
    assert_true(test_every_allocation(fit_again, &s) > 10);
    hone_model_free(s.model);
    hone_augmentation_free(s.augmentation);
    hone_dataset_free(s.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_numbers_are_those_of_keras),
        cmocka_unit_test(means_and_deviations_are_of_the_training_part),
        cmocka_unit_test(both_statistics_together),
        cmocka_unit_test(whitened_pixels_are_independent),
        cmocka_unit_test(nothing_asked_for_nothing_changed),
        cmocka_unit_test(pictures_too_large_to_whiten),
        cmocka_unit_test(nothing_leaks_when_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
