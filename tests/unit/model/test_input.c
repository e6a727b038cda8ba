/* SPDX-License-Identifier: Apache-2.0
 *
 * Pixels on their way in: scaling, the median filter, each picture's own statistics, whitening, together and apart. The
 * model is a Flatten, so that its output is what its input was. */
#include "kernels.h"
#include "model_test.h"

#include <math.h>

enum { H = 6, W = 7, MOST = H * W * 3, PICTURES = 11 };

static hone_model *passing(int channels) {
    hone_model *model = mt_create();
    hone_shape shape = {3, {H, W, channels}};
    assert_int_equal(hone_model_input(model, &shape, NULL), HONE_OK);
    assert_int_equal(hone_model_flatten(model, NULL), HONE_OK);
    assert_int_equal(hone_model_build(model, 1, NULL), HONE_OK);
    return model;
}

static void fill(unsigned char *pixels, size_t n) {
    hone__rng rng;
    hone__rng_init(&rng, 4, HONE_STREAM_TEST, n);
    for (size_t i = 0; i < n; i++) pixels[i] = (unsigned char)(hone__rng_u32(&rng) >> 24);
}

/* What the model's input is for the pictures. */
static void converted(hone_model *model, const unsigned char *pixels, size_t n, float *out) {
    hone_plan *plan;
    hone_plan_config config = hone_plan_config_default();
    config.max_batch = n;
    hone_error err = {0};
    if (hone_plan_create(&plan, model, &config, &err) != HONE_OK) fail_msg("%s", err.message);
    hone_plan_predict_pixels(plan, pixels, n, out);
    hone_plan_free(plan);
}

/* By the definitions, in double, one picture at a time. */
static void expected(const hone_preprocessing *p, int channels, const unsigned char *pixels, double *out) {
    size_t n = (size_t)(H * W * channels);
    unsigned char filtered[MOST];
    if (p->denoise) {
        hone__kernels()->median3x3(H, W, channels, pixels, filtered);
        pixels = filtered;
    }
    double mean = 0, square = 0;
    for (size_t i = 0; i < n; i++) {
        switch (p->kind) {
        case HONE_INPUT_RAW: out[i] = pixels[i]; break;
        case HONE_INPUT_SIGNED: out[i] = pixels[i] / 127.5 - 1; break;
        case HONE_INPUT_UNIT:
        case HONE_INPUT_STANDARD: out[i] = pixels[i] / 255.0; break;
        }
        mean += out[i] / (double)n;
    }
    for (size_t i = 0; i < n; i++) square += (out[i] - mean) * (out[i] - mean) / (double)n;
    for (size_t i = 0; i < n; i++) {
        if (p->samplewise_center || p->samplewise_std_normalization) out[i] -= mean;
        if (p->samplewise_std_normalization) out[i] /= sqrt(square) + 1e-6;
        size_t c = i % (size_t)channels;
        if (p->kind == HONE_INPUT_STANDARD) out[i] = (out[i] - (double)p->mean[c]) / (double)p->std[c];
    }
}

static void every_combination(void **state) {
    (void)state;
    static const char *const kinds[] = {"raw", "unit", "signed", "0.2,0.3,0.4,0.5,2,0.25"};
    static const char *const extras[] = {"", "+denoise", "+samplewise_center", "+samplewise_std_normalization",
                                         "+samplewise_std_normalization+denoise"};
    for (int channels = 1; channels <= 3; channels += 2)
        for (size_t k = 0; k < 4; k++)
            for (size_t e = 0; e < 5; e++) {
                char text[128];
                hone_preprocessing p;
                snprintf(text, sizeof text, "%s%s", kinds[k], extras[e]);
                assert_int_equal(hone_preprocessing_parse(&p, text, NULL), HONE_OK);
                hone_model *model = passing(channels);
                hone_model_set_preprocessing(model, &p);
                assert_int_equal(hone_model_input_is_affine(model), e == 0);
                size_t size = (size_t)(H * W * channels);
                unsigned char pixels[PICTURES * MOST];
                float got[PICTURES * MOST];
                double want[MOST];
                fill(pixels, PICTURES * size);
                memset(pixels + size, 9, size); /* a picture without any deviation */
                converted(model, pixels, PICTURES, got);
                for (size_t i = 0; i < PICTURES; i++) {
                    expected(&p, channels, pixels + i * size, want);
                    for (size_t j = 0; j < size; j++)
                        if (!(fabs((double)got[i * size + j] - want[j]) <= 2e-5 * (1 + fabs(want[j]))))
                            fail_msg("%s: %zu of picture %zu is %g, expected %g", text, j, i, (double)got[i * size + j],
                                     want[j]);
                }
                hone_model_free(model);
            }
}

static void whitening_multiplies_and_is_copied(void **state) {
    (void)state;
    enum { SIZE = H * W };
    static float matrix[SIZE * SIZE], got[PICTURES * SIZE];
    static unsigned char pixels[PICTURES * SIZE];
    hone__rng rng;
    hone__rng_init(&rng, 5, HONE_STREAM_TEST, 0);
    for (size_t i = 0; i < SIZE * SIZE; i++) matrix[i] = (float)hone__rng_normal(&rng);
    fill(pixels, sizeof pixels);
    hone_preprocessing p;
    assert_int_equal(hone_preprocessing_parse(&p, "0.5,1+denoise", NULL), HONE_OK);
    hone_model *model = passing(1), *copy;
    hone_model_set_preprocessing(model, &p);
    assert_int_equal(hone_model_set_whitening(model, matrix, SIZE, NULL), HONE_OK);
    assert_int_equal(hone_model_copy(&copy, model, NULL), HONE_OK);
    hone_model_free(model);
    assert_false(hone_model_input_is_affine(copy));
    converted(copy, pixels, PICTURES, got);
    double before[SIZE];
    for (size_t i = 0; i < PICTURES; i++) {
        expected(&p, 1, pixels + i * SIZE, before);
        for (size_t j = 0; j < SIZE; j++) {
            double want = 0;
            for (size_t k = 0; k < SIZE; k++) want += before[k] * (double)matrix[k * SIZE + j];
            assert_true(fabs((double)got[i * SIZE + j] - want) < 1e-4);
        }
    }
    size_t size;
    assert_int_equal(hone_model_set_whitening(copy, NULL, 0, NULL), HONE_OK);
    assert_null(hone_model_whitening(copy, &size));
    assert_int_equal(size, 0);
    hone_model_free(copy);
}

static void what_does_not_fit_is_refused(void **state) {
    (void)state;
    float matrix[4] = {1, 0, 0, 1};
    hone_model *model = passing(1);
    hone_plan *plan;
    hone_error err = {0};
    assert_int_equal(hone_model_set_whitening(model, matrix, 2, NULL), HONE_OK);
    assert_int_equal(hone_plan_create(&plan, model, NULL, &err), HONE_SHAPE);
    mt_expect_message(&err, HONE_SHAPE, "whitens 2 numbers, the input has 42");
    hone_model_free(model);

    model = mt_create();
    mt_add(model, "Dense", "{'units': 2, 'input_shape': [5]}");
    assert_int_equal(hone_model_build(model, 1, NULL), HONE_OK);
    hone_preprocessing p = {.denoise = true};
    hone_model_set_preprocessing(model, &p);
    assert_int_equal(hone_plan_create(&plan, model, NULL, &err), HONE_SHAPE);
    mt_expect_message(&err, HONE_SHAPE, "preprocessing is for pictures");
    hone_model_free(model);
}

static hone_status whiten_and_plan(void *context) {
    hone_model *model = context;
    static const float matrix[H * W * H * W];
    hone_plan *plan = NULL;
    hone_status status = hone_model_set_whitening(model, matrix, (size_t)(H * W), NULL);
    if (status == HONE_OK) status = hone_plan_create(&plan, model, NULL, NULL);
    hone_plan_free(plan);
    hone_model_set_whitening(model, NULL, 0, NULL);
    return status;
}

static void nothing_leaks_when_memory_runs_out(void **state) {
    (void)state;
    hone_model *model = passing(1);
    hone_preprocessing p = {.denoise = true, .samplewise_center = true};
    hone_model_set_preprocessing(model, &p);
    assert_true(test_every_allocation(whiten_and_plan, model) > 5);
    hone_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_combination),
        cmocka_unit_test(whitening_multiplies_and_is_copied),
        cmocka_unit_test(what_does_not_fit_is_refused),
        cmocka_unit_test(nothing_leaks_when_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
