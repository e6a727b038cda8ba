/* SPDX-License-Identifier: Apache-2.0
 *
 * Test-time augmentation: the mean of what the model says of the variants, no matter in what company a picture is asked
 * about; and evaluation by it. */
#include "train_test.h"

enum { SIDE = 8, CLASSES = 3, SAMPLES = 40, VARIANTS = 5 };

static hone_augmentation *parse(const char *text) {
    hone_augmentation *a;
    hone_error err = {0};
    if (hone_augmentation_parse(&a, text, &err) != HONE_OK) fail_msg("%s", err.message);
    return a;
}

static hone_model *network(void) {
    hone_model *model;
    hone_shape shape = {3, {SIDE, SIDE, 1}};
    hone_error err = {0};
    assert_int_equal(hone_model_create(&model, NULL, NULL), HONE_OK);
    assert_int_equal(hone_model_input(model, &shape, NULL), HONE_OK);
    assert_int_equal(hone_model_flatten(model, NULL), HONE_OK);
    assert_int_equal(hone_model_dense(model, CLASSES, "softmax", NULL), HONE_OK);
    if (hone_model_build(model, 4, &err) != HONE_OK) fail_msg("%s", err.message);
    return model;
}

static hone_tta *tta_of(hone_model *model, const hone_augmentation *a, size_t variants, size_t batch,
                        hone_threads *threads) {
    hone_tta *t;
    hone_error err = {0};
    const hone_tta_config config = {
        .augmentation = a, .variants = variants, .seed = 6, .max_batch = batch, .threads = threads};
    if (hone_tta_create(&t, model, &config, &err) != HONE_OK) fail_msg("%s", err.message);
    return t;
}

/* By hand. */
static void expected(hone_model *model, const hone_augmentation *a, const hone_dataset *data, float *y) {
    hone_plan *plan;
    size_t scratch;
    assert_int_equal(hone_plan_create(&plan, model, NULL, NULL), HONE_OK);
    assert_int_equal(hone_augmentation_scratch_size(a, SIDE, SIDE, 1, &scratch, NULL), HONE_OK);
    void *room = hone__alloc(scratch, 1);
    for (size_t i = 0; i < SAMPLES; i++) {
        double mean[CLASSES] = {0};
        for (uint64_t v = 0; v < VARIANTS; v++) {
            unsigned char variant[SIDE * SIDE];
            float said[CLASSES];
            memcpy(variant, hone_dataset_image(data, i), sizeof variant);
            if (v > 0) hone_augmentation_apply(a, 6, v, 0, hone_dataset_image(data, i), SIDE, SIDE, 1, variant, room);
            hone_plan_predict_pixels(plan, variant, 1, said);
            for (size_t c = 0; c < CLASSES; c++) mean[c] += (double)said[c] / VARIANTS;
        }
        for (size_t c = 0; c < CLASSES; c++) y[i * CLASSES + c] = (float)mean[c];
    }
    hone__free(room);
    hone_plan_free(plan);
}

static void the_mean_of_the_variants(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(SAMPLES, SIDE, CLASSES, 1);
    hone_model *model = network();
    hone_augmentation *a = parse("shift=0.2,rotation=20,noise=0.1");
    hone_threads *threads;
    assert_int_equal(hone_threads_create(&threads, 3, NULL), HONE_OK);
    float want[SAMPLES * CLASSES], one[SAMPLES * CLASSES], two[SAMPLES * CLASSES];
    expected(model, a, data, want);
    hone_tta *t = tta_of(model, a, VARIANTS, 7, NULL), *u = tta_of(model, a, VARIANTS, SAMPLES, threads);
    hone_tta_predict(t, hone_dataset_images(data), SAMPLES, one);
    hone_tta_predict(u, hone_dataset_images(data), SAMPLES, two);
    assert_memory_equal(one, two, sizeof one);
    for (size_t i = 0; i < SAMPLES * CLASSES; i++) assert_true(fabsf(one[i] - want[i]) < 1e-6f);
    hone_tta_predict(u, hone_dataset_image(data, 17), 1, two); /* alone */
    assert_memory_equal(one + 17 * CLASSES, two, CLASSES * sizeof *two);
    hone_tta_free(t);
    hone_tta_free(u);

    hone_plan *plan;
    assert_int_equal(hone_plan_create(&plan, model, NULL, NULL), HONE_OK);
    hone_plan_predict_pixels(plan, hone_dataset_images(data), SAMPLES, two);
    assert_memory_not_equal(one, two, sizeof one);
    t = tta_of(model, a, 1, 9, threads); /* nothing but the pictures */
    hone_tta_predict(t, hone_dataset_images(data), SAMPLES, one);
    assert_memory_equal(one, two, sizeof one);
    hone_tta_free(t);
    hone_plan_free(plan);
    hone_augmentation_free(a);
    hone_threads_free(threads);
    hone_model_free(model);
    hone_dataset_free(data);
}

static void evaluation_is_of_the_mean(void **state) {
    (void)state;
    hone_dataset *data = stripes_create(SAMPLES, SIDE, CLASSES, 1);
    hone_model *model = network();
    hone_augmentation *a = parse("shift=0.2,rotation=20,noise=0.1");
    float want[SAMPLES * CLASSES], got[SAMPLES * CLASSES];
    expected(model, a, data, want);
    double loss = 0, correct = 0, value;
    for (size_t i = 0; i < SAMPLES; i++) {
        const float *p = want + i * CLASSES;
        size_t label = (size_t)hone_dataset_labels(data)[i], best = 0;
        for (size_t c = 1; c < CLASSES; c++)
            if (p[c] > p[best]) best = c;
        loss -= log((double)p[label]) / SAMPLES;
        correct += best == label;
    }
    const hone_tta_config tta = {.augmentation = a, .variants = VARIANTS, .seed = 6};
    hone_evaluate_config config = hone_evaluate_config_default();
    hone_evaluation e;
    hone_error err = {0};
    config.tta = &tta;
    config.predictions = got;
    config.batch_size = 16;
    if (hone_evaluate(&e, model, data, &config, &err) != HONE_OK) fail_msg("%s", err.message);
    assert_true(hone_logs_get(&e.logs, "loss", &value) && fabs(value - loss) < 1e-5);
    assert_true(fabs(e.accuracy - correct / SAMPLES) < 1e-9);
    for (size_t i = 0; i < SAMPLES * CLASSES; i++) assert_true(fabsf(got[i] - want[i]) < 1e-6f);
    hone_augmentation_free(a);
    hone_model_free(model);
    hone_dataset_free(data);
}

static void what_makes_no_sense_is_refused(void **state) {
    (void)state;
    hone_model *model = network();
    hone_augmentation *a = parse("shift=0.1"), *mixed = parse("mixup=0.2");
    hone_tta *t;
    hone_error err = {0};
    hone_tta_config config = {.augmentation = a, .variants = 0, .max_batch = 1};
    assert_int_equal(hone_tta_create(&t, model, &config, &err), HONE_ARGUMENT);
    assert_null(t);
    config.variants = 2;
    config.max_batch = 0;
    assert_int_equal(hone_tta_create(&t, model, &config, &err), HONE_ARGUMENT);
    config.max_batch = 1;
    config.augmentation = mixed;
    assert_int_equal(hone_tta_create(&t, model, &config, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "mixup"));
    hone_augmentation_free(a);
    hone_augmentation_free(mixed);
    hone_model_free(model);
}

typedef struct scenario {
    hone_model *model;
    hone_augmentation *augmentation;
    hone_dataset *data;
} scenario;

static hone_status evaluate(void *context) {
    const scenario *s = context;
    const hone_tta_config tta = {.augmentation = s->augmentation, .variants = 2};
    hone_evaluate_config config = hone_evaluate_config_default();
    hone_evaluation e;
    config.tta = &tta;
    return hone_evaluate(&e, s->model, s->data, &config, NULL);
}

static void nothing_leaks_when_memory_runs_out(void **state) {
    (void)state;
    scenario s = {network(), parse("shift=0.1"), stripes_create(SAMPLES, SIDE, CLASSES, 1)};
    assert_true(test_every_allocation(evaluate, &s) > 10);
    hone_model_free(s.model);
    hone_augmentation_free(s.augmentation);
    hone_dataset_free(s.data);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_mean_of_the_variants),
        cmocka_unit_test(evaluation_is_of_the_mean),
        cmocka_unit_test(what_makes_no_sense_is_refused),
        cmocka_unit_test(nothing_leaks_when_memory_runs_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
