/* SPDX-License-Identifier: Apache-2.0
 *
 * Lessons: what was taught is known, what was known stays known, and nothing is believed that a file only claims. */
#include "rng.h"
#include "teach_internal.h"
#include "test.h"

#include <hone/evaluate.h>

#include <math.h>
#include <string.h>

enum { SIZE = 8, PIXELS = SIZE * SIZE, CLASSES = 3, SAMPLES = 120, NEW_ROW = 7 };

static void assert_ok(hone_status status, const hone_error *err) {
    if (status != HONE_OK) fail_msg("%s", err->message);
}

/* Noise, and one bright row: row 2 c + 1 for class c, NEW_ROW for what the network never saw. */
static void draw(unsigned char *image, uint64_t number, size_t row) {
    hone__rng rng;
    hone__rng_init(&rng, 7, HONE_STREAM_TEST, number);
    for (size_t k = 0; k < PIXELS; k++) image[k] = (unsigned char)hone__rng_below(&rng, 60);
    for (size_t k = 0; k < SIZE; k++) image[row * SIZE + k] = (unsigned char)(180 + hone__rng_below(&rng, 70));
}

static hone_dataset *make_data(size_t samples, uint64_t first) {
    static unsigned char images[SAMPLES * PIXELS];
    static int32_t labels[SAMPLES];
    hone_dataset *data;
    hone_error err;
    for (size_t i = 0; i < samples; i++) {
        labels[i] = (int32_t)(i % CLASSES);
        draw(images + i * PIXELS, first + i, 2 * i % (2 * CLASSES) + 1);
    }
    assert_ok(hone_dataset_create(&data, images, labels, samples, SIZE, SIZE, 1, NULL, CLASSES, &err), &err);
    return data;
}

static hone_model *make_model(void) {
    hone_model *model;
    hone_error err;
    hone_shape input = {3, {SIZE, SIZE, 1}};
    assert_ok(hone_model_create(&model, NULL, &err), &err);
    assert_ok(hone_model_input(model, &input, &err), &err);
    assert_ok(hone_model_conv2d(model, 8, 3, "relu", &err), &err);
    assert_ok(hone_model_flatten(model, &err), &err);
    assert_ok(hone_model_dense(model, 20, "relu", &err), &err);
    assert_ok(hone_model_dropout(model, 0.1, &err), &err);
    assert_ok(hone_model_dense(model, CLASSES, "softmax", &err), &err);
    assert_ok(hone_model_build(model, 5, &err), &err);
    return model;
}

static hone_model *trained; /* with a reference; tests copy it */

static hone_model *copy_trained(void) {
    hone_model *copy;
    hone_error err;
    assert_ok(hone_model_copy(&copy, trained, &err), &err);
    return copy;
}

static int train(void **state) {
    (void)state;
    hone_error err;
    hone_dataset *data = make_data(SAMPLES, 0), *held = make_data(60, 1000);
    hone_trainer *trainer;
    hone_fit_config fit = hone_fit_config_default();
    trained = make_model();
    fit.optimizer.learning_rate = 0.01;
    fit.epochs = 8;
    assert_ok(hone_trainer_create(&trainer, trained, data, &fit, &err), &err);
    assert_ok(hone_trainer_fit(trainer, &err), &err);
    hone_trainer_free(trainer);
    assert_ok(hone_model_fit_reference(trained, held, NULL, 0, NULL, &err), &err);
    hone_dataset_free(data);
    hone_dataset_free(held);
    return 0;
}

static int release(void **state) {
    (void)state;
    hone_model_free(trained);
    return 0;
}

static size_t argmax(const float *y, size_t n) {
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (y[i] > y[best]) best = i;
    return best;
}

/* before and a picture of the row, taught as label. Takes before over. */
static hone_lessons *teach(hone_taught *taught, hone_lessons *before, uint64_t number, size_t row, const char *label) {
    unsigned char image[PIXELS];
    float feature[64];
    char name[32];
    hone_lessons *after;
    hone_error err;
    draw(image, number, row);
    hone_taught_features(taught, image, 1, feature);
    snprintf(name, sizeof name, "picture %d", (int)number);
    assert_ok(hone_lessons_add(&after, before, feature, label, name, &err), &err);
    hone_lessons_free(before);
    return after;
}

static void open_both(hone_model *model, hone_taught **taught, hone_lessons **lessons) {
    hone_error err;
    assert_ok(hone_taught_create(taught, model, 16, NULL, &err), &err);
    assert_int_equal(hone_taught_feature_size(*taught), 20);
    assert_ok(hone_lessons_open(lessons, model, &err), &err);
}

/* ---- the rule ----------------------------------------------------------------------------------------------------- */

static void a_new_class_is_known_and_the_old_stay(void **state) {
    (void)state;
    hone_taught *taught;
    hone_lessons *lessons;
    hone_model *model = copy_trained();
    hone_error err;
    open_both(model, &taught, &lessons);
    assert_int_equal(hone_lessons_count(lessons), 0);
    assert_int_equal(hone_lessons_reference(lessons), 60);
    for (uint64_t i = 0; i < 6; i++) lessons = teach(taught, lessons, 5000 + i, NEW_ROW, "cat");
    assert_int_equal(hone_lessons_classes(lessons), CLASSES + 1);
    assert_string_equal(hone_lessons_class_name(lessons, CLASSES), "cat");
    assert_null(hone_lessons_class_name(lessons, CLASSES + 1));

    hone_plan *plan;
    hone_plan_config config = hone_plan_config_default();
    assert_ok(hone_plan_create(&plan, model, &config, &err), &err);
    size_t known = 0, same = 0, right = 0;
    for (uint64_t i = 0; i < 90; i++) {
        unsigned char image[PIXELS];
        float y[CLASSES + 1], p[CLASSES];
        draw(image, 9000 + i, NEW_ROW);
        hone_taught_predict(taught, lessons, image, 1, y);
        known += argmax(y, CLASSES + 1) == CLASSES;
        assert_true(fabsf(y[0] + y[1] + y[2] + y[3] - 1) < 1e-5f);
        draw(image, 9000 + i, (size_t)(2 * (i % CLASSES) + 1));
        hone_taught_predict(taught, lessons, image, 1, y);
        hone_plan_predict_pixels(plan, image, 1, p);
        right += argmax(y, CLASSES + 1) == i % CLASSES;
        same += memcmp(y, p, sizeof p) == 0 && y[CLASSES] == 0;
    }
    hone_plan_free(plan);
    assert_true(known > 60);
    assert_int_equal(right, 90);
    assert_int_equal(same, 90); /* the network's answer, to the bit */
    hone_lessons_free(lessons);
    hone_taught_free(taught);
    hone_model_free(model);
}

/* The picture itself is known at once, also as a class that the network has, and also against the network. */
static void an_example_answers_for_itself(void **state) {
    (void)state;
    hone_taught *taught;
    hone_lessons *lessons;
    hone_model *model = copy_trained();
    unsigned char image[PIXELS];
    float y[CLASSES + 1], feature[64], p[CLASSES] = {0.5f, 0.25f, 0.25f};
    hone_lesson_info info;
    open_both(model, &taught, &lessons);
    lessons = teach(taught, lessons, 1, 1, "2"); /* row 1 is class 0 */
    lessons = teach(taught, lessons, 2, NEW_ROW, "dog");
    draw(image, 1, 1);
    hone_taught_predict(taught, lessons, image, 1, y);
    assert_int_equal(argmax(y, CLASSES + 1), 2);
    assert_true(y[2] >= 0.999f);
    hone_taught_features(taught, image, 1, feature);
    assert_int_equal(hone_lessons_combine(lessons, feature, p, y), 0);
    assert_true(hone_lessons_info(lessons, 0, &info));
    assert_string_equal(info.label, "2");
    assert_string_equal(info.name, "picture 1");
    assert_int_equal(info.index, 2);
    assert_false(hone_lessons_info(lessons, 2, &info));

    /* Taught again, it is of the other class; the first is gone. */
    lessons = teach(taught, lessons, 1, 1, "1");
    assert_int_equal(hone_lessons_count(lessons), 2);
    hone_taught_predict(taught, lessons, image, 1, y);
    assert_int_equal(argmax(y, CLASSES + 1), 1);

    /* What tells nothing apart answers for nothing. */
    memset(feature, 0, sizeof feature);
    memcpy(feature, lessons->reference->mean, 20 * sizeof *feature);
    assert_int_equal(hone_lessons_combine(lessons, feature, p, y), -1);
    assert_memory_equal(y, p, sizeof p);
    feature[3] = NAN;
    assert_int_equal(hone_lessons_combine(lessons, feature, p, y), -1);
    hone_lessons_free(lessons);
    hone_taught_free(taught);
    hone_model_free(model);
}

/* Rows of a batch do not depend on each other, nor on how many there are. */
static void a_batch_is_its_rows(void **state) {
    (void)state;
    enum { N = 37 };
    hone_taught *taught;
    hone_lessons *lessons;
    hone_model *model = copy_trained();
    static unsigned char images[N * PIXELS];
    static float all[N * (CLASSES + 1)];
    open_both(model, &taught, &lessons);
    lessons = teach(taught, lessons, 1, NEW_ROW, "cat");
    for (size_t i = 0; i < N; i++) draw(images + i * PIXELS, i, i % SIZE);
    hone_taught_predict(taught, lessons, images, N, all);
    for (size_t i = 0; i < N; i++) {
        float y[CLASSES + 1];
        hone_taught_predict(taught, lessons, images + i * PIXELS, 1, y);
        assert_memory_equal(y, all + i * (CLASSES + 1), sizeof y);
    }
    hone_lessons_free(lessons);
    hone_taught_free(taught);
    hone_model_free(model);
}

/* One sigmoid output: two classes, and a third that is taught. */
static void a_binary_head_is_two_classes(void **state) {
    (void)state;
    hone_model *model;
    hone_error err;
    hone_shape input = {3, {SIZE, SIZE, 1}};
    assert_ok(hone_model_create(&model, NULL, &err), &err);
    assert_ok(hone_model_input(model, &input, &err), &err);
    assert_ok(hone_model_flatten(model, &err), &err);
    assert_ok(hone_model_dense(model, 20, "relu", &err), &err);
    assert_ok(hone_model_dense(model, 1, "sigmoid", &err), &err);
    assert_ok(hone_model_build(model, 5, &err), &err);
    hone_taught *taught;
    hone_lessons *lessons;
    open_both(model, &taught, &lessons);
    assert_int_equal(hone_lessons_reference(lessons), 0);
    lessons = teach(taught, lessons, 3, 1, "third");
    assert_int_equal(hone_lessons_classes(lessons), 3);
    unsigned char image[PIXELS];
    float y[3], feature[64] = {0}, p = 0.75f;
    assert_int_equal(hone_lessons_combine(lessons, feature, &p, y), -1);
    assert_true(y[0] == 0.25f && y[1] == 0.75f && y[2] == 0);
    draw(image, 3, 1);
    hone_taught_predict(taught, lessons, image, 1, y);
    assert_int_equal(argmax(y, 3), 2);
    hone_lessons_free(lessons);
    hone_taught_free(taught);
    hone_model_free(model);
}

/* ---- lessons as a thing ------------------------------------------------------------------------------------------- */

static void a_change_leaves_the_old_ones_alone(void **state) {
    (void)state;
    hone_taught *taught;
    hone_lessons *before, *after;
    hone_model *model = copy_trained();
    hone_error err;
    open_both(model, &taught, &before);
    before = teach(taught, before, 1, NEW_ROW, "cat");
    before = teach(taught, before, 2, 1, "0");
    hone_lessons *held = hone_lessons_hold(before);
    assert_ok(hone_lessons_forget(&after, before, "cat", &err), &err);
    hone_lessons_free(before);
    assert_int_equal(hone_lessons_count(held), 2);
    assert_int_equal(hone_lessons_classes(held), CLASSES + 1);
    assert_int_equal(hone_lessons_count(after), 1);
    assert_int_equal(hone_lessons_classes(after), CLASSES);
    hone_lessons_free(held);
    assert_int_equal(hone_lessons_forget(&held, after, "cat", &err), HONE_NOT_FOUND);
    assert_null(held);
    assert_ok(hone_lessons_forget(&held, after, "picture 2", &err), &err);
    assert_int_equal(hone_lessons_count(held), 0);
    hone_lessons_free(held);
    hone_lessons_free(after);
    hone_taught_free(taught);
    hone_model_free(model);
}

static void lessons_come_back_from_the_record(void **state) {
    (void)state;
    hone_taught *taught;
    hone_lessons *lessons, *again;
    hone_model *model = copy_trained();
    hone_error err;
    open_both(model, &taught, &lessons);
    for (uint64_t i = 0; i < 4; i++) lessons = teach(taught, lessons, i, i % 2 ? NEW_ROW : 3, i % 2 ? "猫" : "1");
    assert_ok(hone_lessons_store(lessons, model, &err), &err);
    assert_ok(hone_lessons_open(&again, model, &err), &err);
    assert_int_equal(hone_lessons_count(again), 4);
    assert_string_equal(hone_lessons_class_name(again, CLASSES), "猫");
    for (uint64_t i = 0; i < 20; i++) {
        unsigned char image[PIXELS];
        float a[CLASSES + 1], b[CLASSES + 1];
        draw(image, i, i % SIZE);
        hone_taught_predict(taught, lessons, image, 1, a);
        hone_taught_predict(taught, again, image, 1, b);
        assert_memory_equal(a, b, sizeof a);
    }
    hone_lessons_free(again);

    /* Other weights: the examples mean nothing to them, and the reference is as if there were none. */
    hone_weight_info w;
    assert_ok(hone_model_weight(model, 0, &w), &err);
    w.data[0] += 1;
    assert_int_equal(hone_lessons_open(&again, model, &err), HONE_ARGUMENT);
    assert_int_equal(hone_lessons_store(lessons, model, &err), HONE_ARGUMENT);
    assert_ok(hone_model_forget_lessons(model, &err), &err);
    assert_ok(hone_lessons_open(&again, model, &err), &err);
    assert_int_equal(hone_lessons_count(again), 0);
    assert_int_equal(hone_lessons_reference(again), 0);
    hone_lessons_free(again);
    hone_lessons_free(lessons);
    hone_taught_free(taught);
    hone_model_free(model);
}

/* record with key replaced by value. */
static void spoil(hone_model *model, const char *record, const char *key, hone_value *value) {
    hone_error err;
    hone_value *copy = hone_value_copy(hone_model_record(model, record));
    assert_int_equal(hone_value_set(copy, key, value), HONE_OK);
    assert_ok(hone_model_set_record(model, record, copy, &err), &err);
}

static void malformed_records_are_refused(void **state) {
    (void)state;
    hone_error err;
    for (int i = 0; i < 9; i++) {
        hone_taught *taught;
        hone_lessons *lessons;
        hone_model *model = copy_trained();
        open_both(model, &taught, &lessons);
        lessons = teach(taught, lessons, 1, NEW_ROW, "cat");
        assert_ok(hone_lessons_store(lessons, model, &err), &err);
        hone_lessons_free(lessons);
        hone_value *examples = hone_value_list(), *example = hone_value_object();
        hone_value_set_string(example, "label", "cat");
        hone_value_set_string(example, "name", "x");
        hone_value_set_string(example, "feature", "00ff");
        hone_value_append(examples, example);
        switch (i) {
        case 0: spoil(model, "lessons", "version", hone_value_integer(2)); break;
        case 1: spoil(model, "lessons", "size", hone_value_integer(19)); break;
        case 2: spoil(model, "lessons", "examples", hone_value_copy(examples)); break;
        case 3: spoil(model, "lessons", "weights", hone_value_integer(1)); break;
        case 4: spoil(model, "reference", "rows", hone_value_string("zz")); break;
        case 5: spoil(model, "reference", "labels", hone_value_integers((const int64_t[]){9}, 1)); break;
        case 6: spoil(model, "reference", "mean", hone_value_string("")); break;
        case 7: spoil(model, "reference", "reach", hone_value_real(2)); break;
        default: spoil(model, "reference", "size", hone_value_integer(-1)); break;
        }
        hone_value_free(examples);
        assert_int_equal(hone_lessons_open(&lessons, model, &err), HONE_FORMAT);
        assert_null(lessons);
        hone_taught_free(taught);
        hone_model_free(model);
    }
}

static void what_cannot_be_taught_is_refused(void **state) {
    (void)state;
    hone_taught *taught;
    hone_lessons *lessons, *more;
    hone_model *model = copy_trained();
    hone_error err;
    float feature[64] = {0};
    char longest[HONE_MAX_CLASS_NAME + 2];
    open_both(model, &taught, &lessons);
    memset(longest, 'x', sizeof longest - 1);
    longest[sizeof longest - 1] = '\0';
    feature[0] = 1;
    assert_int_equal(hone_lessons_add(&more, lessons, feature, "", "x", &err), HONE_ARGUMENT);
    assert_int_equal(hone_lessons_add(&more, lessons, feature, longest, "x", &err), HONE_ARGUMENT);
    feature[1] = INFINITY;
    assert_int_equal(hone_lessons_add(&more, lessons, feature, "cat", "x", &err), HONE_NUMERIC);
    memcpy(feature, lessons->reference->mean, 20 * sizeof *feature);
    assert_int_equal(hone_lessons_add(&more, lessons, feature, "cat", "x", &err), HONE_ARGUMENT);
    hone_lessons_free(lessons);
    hone_taught_free(taught);
    hone_model_free(model);

    hone_shape input = {3, {SIZE, SIZE, 1}};
    assert_ok(hone_model_create(&model, NULL, &err), &err);
    assert_ok(hone_model_input(model, &input, &err), &err);
    assert_ok(hone_model_conv2d(model, 2, 3, "relu", &err), &err);
    assert_ok(hone_model_build(model, 5, &err), &err);
    assert_int_equal(hone_taught_create(&taught, model, 1, NULL, &err), HONE_NOT_FOUND); /* no head */
    assert_int_equal(hone_lessons_open(&lessons, model, &err), HONE_NOT_FOUND);
    hone_model_free(model);
}

/* ---- worth --------------------------------------------------------------------------------------------------------- */

static void both_are_evaluated_together(void **state) {
    (void)state;
    hone_taught *taught;
    hone_lessons *lessons;
    hone_model *model = copy_trained();
    hone_error err;
    hone_evaluation alone, both;
    float *p;
    hone_dataset *data = make_data(45, 3000);
    hone_evaluate_config config = hone_evaluate_config_default();
    open_both(model, &taught, &lessons);
    lessons = teach(taught, lessons, 1, NEW_ROW, "cat");
    assert_ok(hone_evaluate(&alone, model, data, &config, &err), &err);
    assert_ok(hone_lessons_evaluate(&both, &p, model, lessons, data, NULL, &err), &err);
    double loss_alone, loss_both;
    assert_true(hone_logs_get(&alone.logs, "loss", &loss_alone));
    assert_true(hone_logs_get(&both.logs, "loss", &loss_both));
    assert_true(alone.accuracy == both.accuracy && fabs(loss_alone - loss_both) < 1e-5);
    hone_predictions_free(p);
    /* With variants: where no example answers, the mean over them. */
    hone_augmentation *variants;
    assert_ok(hone_augmentation_parse(&variants, "shift=2", &err), &err);
    hone_tta_config tta = {.augmentation = variants, .variants = 3, .seed = 1};
    config.tta = &tta;
    assert_ok(hone_evaluate(&alone, model, data, &config, &err), &err);
    assert_ok(hone_lessons_evaluate(&both, &p, model, lessons, data, &config, &err), &err);
    double loss_variants;
    assert_true(hone_logs_get(&alone.logs, "loss", &loss_alone));
    assert_true(hone_logs_get(&both.logs, "loss", &loss_variants));
    assert_true(alone.accuracy == both.accuracy && fabs(loss_alone - loss_variants) < 1e-5);
    assert_true(fabs(loss_variants - loss_both) > 1e-5); /* and that is another one than without */
    hone_augmentation_free(variants);
    hone_predictions_free(p);
    hone_dataset_free(data);
    hone_lessons_free(lessons);
    hone_taught_free(taught);
    hone_model_free(model);
}

/* ---- many at once, and what is like one --------------------------------------------------------------------------- */

static void many_are_taught_at_once_or_none(void **state) {
    (void)state;
    unsigned char image[PIXELS];
    float a[64], b[64];
    hone_taught *taught;
    hone_lessons *lessons, *more;
    hone_model *model = copy_trained();
    hone_lesson_info info;
    hone_error err;
    open_both(model, &taught, &lessons);
    assert_true(hone_lessons_feature_size(lessons) <= 64);
    draw(image, 1, NEW_ROW);
    hone_taught_features(taught, image, 1, a);
    draw(image, 2, NEW_ROW);
    hone_taught_features(taught, image, 1, b);
    const hone_lesson three[] = {{a, "cat", "first"}, {b, "dog", NULL}, {a, "bird", "again"}};
    assert_ok(hone_lessons_add_all(&more, lessons, three, 3, &err), &err);
    assert_int_equal(hone_lessons_count(more), 2); /* of the same feature the later one counts */
    assert_true(hone_lessons_info(more, 0, &info) && strcmp(info.name, "dog") == 0);
    assert_true(hone_lessons_info(more, 1, &info) && strcmp(info.label, "bird") == 0);
    assert_int_equal(hone_lessons_classes(more), CLASSES + 2);
    hone_lessons_free(more);
    const hone_lesson wrong[] = {{a, "cat", NULL}, {b, "", NULL}};
    assert_int_equal(hone_lessons_add_all(&more, lessons, wrong, 2, &err), HONE_ARGUMENT);
    assert_null(more);
    hone_lessons_free(lessons);
    hone_taught_free(taught);
    hone_model_free(model);
}

static hone_status make_likeness(void *context) {
    hone_model *likeness;
    hone_status status = hone_lessons_likeness(&likeness, context, trained, 0, NULL);
    if (status == HONE_OK) hone_model_free(likeness);
    return status;
}

/* The head's logit is the product of the feature with the example's direction: largest for what is most like it. */
static void likeness_is_a_model(void **state) {
    (void)state;
    hone_taught *taught;
    hone_lessons *lessons;
    hone_model *model = copy_trained(), *likeness;
    hone_error err;
    open_both(model, &taught, &lessons);
    lessons = teach(taught, lessons, 1, NEW_ROW, "cat");
    assert_int_equal(hone_lessons_likeness(&likeness, lessons, model, 1, &err), HONE_ARGUMENT);
    assert_null(likeness);
    assert_ok(hone_lessons_likeness(&likeness, lessons, model, 0, &err), &err);
    size_t head, size = hone_lessons_feature_size(lessons);
    hone_layer_info info;
    hone_weight_info kernel, bias;
    assert_ok(hone_model_find_head(likeness, &head, &err), &err);
    assert_ok(hone_model_layer_info(likeness, head, &info), &err);
    assert_ok(hone_model_weight(likeness, info.first_weight, &kernel), &err);
    assert_ok(hone_model_weight(likeness, info.first_weight + 1, &bias), &err);
    double length = 0;
    for (size_t k = 0; k < size; k++) {
        for (size_t c = 0; c < CLASSES; c++) assert_true(kernel.data[k * CLASSES + c] == kernel.data[k * CLASSES]);
        length += (double)kernel.data[k * CLASSES] * (double)kernel.data[k * CLASSES];
    }
    for (size_t c = 0; c < CLASSES; c++) assert_true(bias.data[c] == 0);
    assert_true(fabs(length - 1) < 1e-5);
    hone_model_free(likeness);
    assert_true(test_every_allocation(make_likeness, lessons) > 3);
    hone_lessons_free(lessons);
    hone_taught_free(taught);
    hone_model_free(model);
}

/* ---- memory --------------------------------------------------------------------------------------------------------- */

static hone_status whole_story(void *context) {
    unsigned char image[PIXELS];
    float feature[64];
    hone_error err;
    hone_model *model = NULL;
    hone_taught *taught = NULL;
    hone_lessons *lessons = NULL, *more = NULL, *fewer = NULL, *again = NULL;
    hone_status status = hone_model_copy(&model, trained, &err);
    if (status == HONE_OK) status = hone_model_fit_reference(model, context, NULL, 0, NULL, &err);
    if (status == HONE_OK) status = hone_taught_create(&taught, model, 2, NULL, &err);
    if (status == HONE_OK) status = hone_lessons_open(&lessons, model, &err);
    if (status == HONE_OK) {
        draw(image, 1, NEW_ROW);
        hone_taught_features(taught, image, 1, feature);
        status = hone_lessons_add(&more, lessons, feature, "cat", NULL, &err);
    }
    if (status == HONE_OK) status = hone_lessons_store(more, model, &err);
    if (status == HONE_OK) status = hone_lessons_open(&again, model, &err);
    if (status == HONE_OK) status = hone_lessons_forget(&fewer, again, "cat", &err);
    if (status == HONE_OK) status = hone_model_forget_lessons(model, &err);
    hone_lessons_free(fewer);
    hone_lessons_free(again);
    hone_lessons_free(more);
    hone_lessons_free(lessons);
    hone_taught_free(taught);
    hone_model_free(model);
    return status;
}

static void every_allocation_may_fail(void **state) {
    (void)state;
    hone_dataset *data = make_data(6, 0);
    assert_true(test_every_allocation(whole_story, data) > 50);
    hone_dataset_free(data);
}

static void answering_allocates_nothing(void **state) {
    (void)state;
    test_allocator a;
    hone_taught *taught;
    hone_lessons *lessons;
    unsigned char image[PIXELS];
    float y[CLASSES + 1];
    hone_model *model = copy_trained();
    open_both(model, &taught, &lessons);
    lessons = teach(taught, lessons, 1, NEW_ROW, "cat");
    draw(image, 1, NEW_ROW);
    test_allocator_install(&a, 0);
    hone_taught_predict(taught, lessons, image, 1, y);
    test_allocator_remove();
    assert_int_equal(atomic_load(&a.count), 0);
    assert_int_equal(argmax(y, CLASSES + 1), CLASSES);
    hone_lessons_free(lessons);
    hone_taught_free(taught);
    hone_model_free(model);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_new_class_is_known_and_the_old_stay),
        cmocka_unit_test(an_example_answers_for_itself),
        cmocka_unit_test(a_batch_is_its_rows),
        cmocka_unit_test(a_binary_head_is_two_classes),
        cmocka_unit_test(a_change_leaves_the_old_ones_alone),
        cmocka_unit_test(lessons_come_back_from_the_record),
        cmocka_unit_test(malformed_records_are_refused),
        cmocka_unit_test(what_cannot_be_taught_is_refused),
        cmocka_unit_test(both_are_evaluated_together),
        cmocka_unit_test(many_are_taught_at_once_or_none),
        cmocka_unit_test(likeness_is_a_model),
        cmocka_unit_test(every_allocation_may_fail),
        cmocka_unit_test(answering_allocates_nothing),
    };
    return cmocka_run_group_tests(tests, train, release);
}
