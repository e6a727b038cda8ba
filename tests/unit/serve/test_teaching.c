/* SPDX-License-Identifier: Apache-2.0
 *
 * A served model that is taught: known at once, by all threads, and nothing else is changed. */
#include "test.h"

#include "serve_internal.h"
#include "teaching.h"

#include <hone/teach.h>
#include <hone/train.h>

#include <string.h>

enum { PIXELS = 784, CLASSES = 10 };

static hone_model *model;
static hone_dataset *data;
static size_t test_features;

/* A small network that has learnt a little, with its reference. */
static int train_model(void **state) {
    (void)state;
    hone_trainer *trainer;
    hone_shape shape = {3, {28, 28, 1}};
    hone_fit_config config = hone_fit_config_default();
    hone_split split;
    config.epochs = 2;
    config.split = &split;
    if (hone_digits_create(&data, 600, 1, NULL, NULL) != HONE_OK) return 1;
    if (hone_split_last(&split, 600, 0.5, NULL) != HONE_OK) return 1;
    if (hone_model_preset(&model, "mlp", &shape, CLASSES, NULL) != HONE_OK) return 1;
    if (hone_model_build(model, 1, NULL) != HONE_OK) return 1;
    if (hone_trainer_create(&trainer, model, data, &config, NULL) != HONE_OK) return 1;
    hone_status status = hone_trainer_fit(trainer, NULL);
    hone_trainer_free(trainer);
    const char *names[CLASSES] = {"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"};
    if (status == HONE_OK) status = hone_model_set_class_names(model, names, CLASSES, NULL);
    if (status == HONE_OK)
        status = hone_model_fit_reference(model, data, split.validation, split.validation_count, NULL, NULL);
    hone_split_release(&split);
    return status == HONE_OK ? 0 : 1;
}

static int drop_model(void **state) {
    (void)state;
    hone_model_free(model);
    hone_dataset_free(data);
    return 0;
}

static size_t features(void) {
    hone_taught *taught;
    assert_int_equal(hone_taught_create(&taught, model, 1, NULL, NULL), HONE_OK);
    size_t size = hone_taught_feature_size(taught);
    hone_taught_free(taught);
    return size;
}

static hone__teaching *open_teaching(const hone_model *of) {
    hone__teaching *t;
    hone_error err = {0};
    char why[HONE_ERROR_MESSAGE_SIZE];
    if (hone__teaching_create(&t, of, features(), why, &err) != HONE_OK) fail_msg("%s", err.message);
    assert_string_equal(why, "");
    assert_non_null(t);
    return t;
}

/* A picture that nobody takes for a digit: stripes of a width. */
static void stripes(unsigned char pixels[PIXELS], int width) {
    for (int i = 0; i < PIXELS; i++) pixels[i] = i % 28 / width % 2 ? 255 : 0;
}

static void feature_of(const unsigned char *pixels, float *out) {
    hone_taught *taught;
    assert_int_equal(hone_taught_create(&taught, model, 1, NULL, NULL), HONE_OK);
    hone_taught_features(taught, pixels, 1, out);
    hone_taught_free(taught);
}

static void what_is_taught_is_known_to_whoever_asks_next(void **state) {
    (void)state;
    hone__teaching *t = open_teaching(model);
    unsigned char picture[PIXELS];
    float *feature = calloc(features(), sizeof *feature);
    float network[CLASSES] = {0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f}, y[CLASSES];
    stripes(picture, 4);
    feature_of(picture, feature);
    assert_int_equal(hone__teaching_classes(t), CLASSES);
    assert_int_equal(hone__teaching_count(t), 0);
    assert_false(hone__teaching_is_changed(t));
    hone_lessons *before = hone__teaching_hold(t);
    hone_lesson lesson = {feature, "4", "a"};
    assert_int_equal(hone__teaching_add(t, &lesson, 1, NULL), HONE_OK);
    assert_int_equal(hone__teaching_count(t), 1);
    assert_true(hone__teaching_is_changed(t));
    hone_lessons *after = hone__teaching_hold(t);
    assert_int_equal(hone_lessons_combine(before, feature, network, y), -1); /* who was answering goes on as it was */
    assert_int_equal(hone_lessons_combine(after, feature, network, y), 0);
    assert_true(y[4] > 0.99f);
    hone_lessons_free(before);
    hone_lessons_free(after);
    lesson.label = "5"; /* told otherwise, otherwise */
    assert_int_equal(hone__teaching_add(t, &lesson, 1, NULL), HONE_OK);
    assert_int_equal(hone__teaching_count(t), 1);
    after = hone__teaching_hold(t);
    assert_int_equal(hone_lessons_combine(after, feature, network, y), 0);
    assert_true(y[5] > 0.99f);
    hone_lessons_free(after);
    hone_error err = {0};
    lesson.label = "no such class";
    assert_int_equal(hone__teaching_add(t, &lesson, 1, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "no such class"));
    assert_int_equal(hone__teaching_count(t), 1);
    free(feature);
    hone__teaching_free(t);
}

static void lessons_for_other_features_are_told(void **state) {
    (void)state;
    hone__teaching *t;
    char why[HONE_ERROR_MESSAGE_SIZE];
    assert_int_equal(hone__teaching_create(&t, model, features() + 1, why, NULL), HONE_OK);
    assert_null(t);
    assert_non_null(strstr(why, "features"));
}

static void a_model_without_a_reference_is_served_as_it_is(void **state) {
    (void)state;
    hone_model *plain;
    hone__teaching *t = (void *)&plain;
    char why[HONE_ERROR_MESSAGE_SIZE] = "?";
    assert_int_equal(hone_model_copy(&plain, model, NULL), HONE_OK);
    assert_int_equal(hone_model_forget_lessons(plain, NULL), HONE_OK);
    assert_int_equal(hone__teaching_create(&t, plain, features(), why, NULL), HONE_OK);
    assert_null(t);
    assert_string_equal(why, "");
    hone_model_free(plain);
}

static hone_status open_and_teach(void *context) {
    hone__teaching *t;
    char why[HONE_ERROR_MESSAGE_SIZE];
    const float *feature = context;
    hone_status status = hone__teaching_create(&t, model, test_features, why, NULL);
    if (status != HONE_OK) return status;
    const hone_lesson lesson = {feature, "3", "a"};
    status = hone__teaching_add(t, &lesson, 1, NULL);
    hone__teaching_free(t);
    return status;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    unsigned char picture[PIXELS];
    test_features = features();
    float *feature = calloc(test_features, sizeof *feature);
    stripes(picture, 3);
    feature_of(picture, feature);
    assert_true(test_every_allocation(open_and_teach, feature) > 5);
    free(feature);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taught_is_known_to_whoever_asks_next),
        cmocka_unit_test(lessons_for_other_features_are_told),
        cmocka_unit_test(a_model_without_a_reference_is_served_as_it_is),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, train_model, drop_model);
}
