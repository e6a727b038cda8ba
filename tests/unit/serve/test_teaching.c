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

static hone__teaching *open_teaching(void) {
    hone__teaching *t;
    hone_error err = {0};
    char why[HONE_ERROR_MESSAGE_SIZE];
    if (hone__teaching_create(&t, model, why, &err) != HONE_OK) fail_msg("%s", err.message);
    assert_string_equal(why, "");
    assert_non_null(t);
    return t;
}

/* A picture that nobody takes for a digit: stripes of a width. */
static void stripes(unsigned char pixels[PIXELS], int width) {
    for (int i = 0; i < PIXELS; i++) pixels[i] = i % 28 / width % 2 ? 255 : 0;
}

static void what_is_taught_is_known_and_nothing_else(void **state) {
    (void)state;
    hone__teaching *t = open_teaching();
    unsigned char picture[PIXELS];
    float network[CLASSES] = {0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f, 0.1f}, y[CLASSES];
    stripes(picture, 4);
    assert_int_equal(hone__teaching_classes(t), CLASSES);
    assert_false(hone__teaching_answer(t, picture, network, y, CLASSES));
    assert_int_equal(hone__teaching_add(t, picture, "4", "feedback 1", NULL), HONE_OK);
    assert_true(hone__teaching_answer(t, picture, network, y, CLASSES));
    assert_int_equal(hone_prediction_of(y, CLASSES).index, 4);
    assert_true(y[4] > 0.99f);
    /* Told otherwise, otherwise. */
    assert_int_equal(hone__teaching_add(t, picture, "5", "feedback 2", NULL), HONE_OK);
    assert_true(hone__teaching_answer(t, picture, network, y, CLASSES));
    assert_int_equal(hone_prediction_of(y, CLASSES).index, 5);
    int taken = 0;
    for (size_t i = 0; i < 300; i++)
        taken += hone__teaching_answer(t, hone_dataset_images(data) + i * PIXELS, network, y, CLASSES);
    assert_true(taken < 15);
    hone__teaching_free(t);
}

static void a_new_class_is_one_more(void **state) {
    (void)state;
    hone__teaching *t = open_teaching();
    unsigned char picture[PIXELS];
    float network[CLASSES] = {1}, y[CLASSES + 1];
    char name[HONE_MAX_CLASS_NAME + 1];
    stripes(picture, 7);
    assert_int_equal(hone__teaching_add(t, picture, "stripes", "a", NULL), HONE_OK);
    assert_int_equal(hone__teaching_classes(t), CLASSES + 1);
    assert_true(hone__teaching_class_name(t, CLASSES, name));
    assert_string_equal(name, "stripes");
    assert_false(hone__teaching_class_name(t, CLASSES + 1, name));
    assert_false(hone__teaching_answer(t, picture, network, y, CLASSES)); /* taught since the room was measured */
    assert_true(hone__teaching_answer(t, picture, network, y, CLASSES + 1));
    assert_int_equal(hone_prediction_of(y, CLASSES + 1).index, CLASSES);
    hone__teaching_free(t);
}

static void a_model_without_a_reference_is_served_as_it_is(void **state) {
    (void)state;
    hone_model *plain;
    hone__teaching *t = (void *)&plain;
    char why[HONE_ERROR_MESSAGE_SIZE] = "?";
    assert_int_equal(hone_model_copy(&plain, model, NULL), HONE_OK);
    assert_int_equal(hone_model_forget_lessons(plain, NULL), HONE_OK);
    assert_int_equal(hone__teaching_create(&t, plain, why, NULL), HONE_OK);
    assert_null(t);
    assert_string_equal(why, "");
    hone_model_free(plain);
}

static hone_status open_and_teach(void *context) {
    hone__teaching *t;
    char why[HONE_ERROR_MESSAGE_SIZE];
    unsigned char picture[PIXELS];
    (void)context;
    hone_status status = hone__teaching_create(&t, model, why, NULL);
    if (status != HONE_OK) return status;
    stripes(picture, 3);
    status = hone__teaching_add(t, picture, "new", "a", NULL);
    hone__teaching_free(t);
    return status;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    assert_true(test_every_allocation(open_and_teach, NULL) > 5);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_taught_is_known_and_nothing_else),
        cmocka_unit_test(a_new_class_is_one_more),
        cmocka_unit_test(a_model_without_a_reference_is_served_as_it_is),
        cmocka_unit_test(every_allocation_may_fail),
    };
    return cmocka_run_group_tests(tests, train_model, drop_model);
}
