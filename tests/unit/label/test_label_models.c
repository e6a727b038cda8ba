/* SPDX-License-Identifier: Apache-2.0
 *
 * The quick models: they learn what is easy, judge labelled pictures without having seen their labels, and stop when they
 * are told to. */
#include "test.h"

#include "label_internal.h"

#include <string.h>

enum { SIDE = 16, COUNT = 90, CLASSES = 2 };

/* A bright half, left or right; every third picture is unlabelled, and one label is wrong. */
static void make(hone__label_sample *s) {
    *s = (hone__label_sample){.count = COUNT, .height = SIDE, .width = SIDE, .channels = 3, .classes = CLASSES};
    size_t image = (size_t)SIDE * SIDE * 3;
    s->images = hone__alloc(COUNT, image);
    s->labels = hone__alloc(COUNT, sizeof *s->labels);
    s->folds = hone__alloc(COUNT, sizeof *s->folds);
    for (int i = 0; i < COUNT; i++) {
        for (int at = 0; at < SIDE * SIDE * 3; at++)
            s->images[(size_t)i * image + (size_t)at] =
                (unsigned char)((at / 3 % SIDE >= SIDE / 2) == (i % 2) ? 150 + i : 20 + i % 7);
        s->labels[i] = i % 3 == 0 ? -1 : i % 2;
        s->folds[i] = (uint8_t)(i / 2 % HONE_LABEL_FOLDS);
    }
    s->labels[1] = 0;
}

static void release(hone__label_sample *s) {
    hone__free(s->images);
    hone__free(s->labels);
    hone__free(s->folds);
}

static bool go_on(void *context, double fraction) {
    double *last = context;
    assert_true(fraction >= 0 && fraction <= 1.0001);
    assert_true(fraction + 1e-9 >= *last);
    *last = fraction;
    return true;
}

static bool stop(void *context, double fraction) {
    (void)context, (void)fraction;
    return false;
}

static void easy_pictures_are_learned_and_a_wrong_label_stands_out(void **state) {
    (void)state;
    hone__label_sample s;
    make(&s);
    float p[COUNT * CLASSES] = {0}, again[COUNT * CLASSES] = {0};
    double last = 0;
    hone_error err = {0};
    if (hone__label_learn(p, &s, NULL, 1, go_on, &last, &err) != HONE_OK) fail_msg("%s", err.message);
    int right = 0;
    for (int i = 0; i < COUNT; i++) {
        const float sum = p[2 * i] + p[2 * i + 1];
        assert_true(sum > 0.99f && sum < 1.01f);
        right += (p[2 * i + 1] > p[2 * i]) == (i % 2);
    }
    assert_true(right >= COUNT - 4);
    assert_true(p[3] > p[2]); /* picture 1 shows the other class, whatever its label says */
    /* The same bits again, also with other threads. */
    hone_threads *threads;
    assert_int_equal(hone_threads_create(&threads, 2, &err), HONE_OK);
    last = 0;
    assert_int_equal(hone__label_learn(again, &s, threads, 1, go_on, &last, &err), HONE_OK);
    assert_memory_equal(p, again, sizeof p);
    hone_threads_free(threads);
    assert_int_equal(hone__label_learn(p, &s, NULL, 1, stop, NULL, &err), HONE_CANCELLED);
    release(&s);
}

static void a_given_model_is_asked(void **state) {
    (void)state;
    hone__label_sample s;
    make(&s);
    hone_model *model;
    hone_error err = {0};
    const hone_shape shape = {3, {SIDE, SIDE, 3}};
    assert_int_equal(hone_model_create(&model, NULL, &err), HONE_OK);
    assert_int_equal(hone_model_input(model, &shape, &err), HONE_OK);
    assert_int_equal(hone_model_flatten(model, &err), HONE_OK);
    assert_int_equal(hone_model_dense(model, 1, "sigmoid", &err), HONE_OK);
    assert_int_equal(hone_model_build(model, 3, &err), HONE_OK);
    assert_int_equal(hone__label_model_classes(model), 2); /* one sigmoid tells two classes apart */
    float p[COUNT * CLASSES] = {0};
    double last = 0;
    assert_int_equal(hone__label_judge(p, model, &s, NULL, go_on, &last, &err), HONE_OK);
    for (int i = 0; i < COUNT; i++) assert_true(p[2 * i] >= 0 && p[2 * i] + p[2 * i + 1] > 0.999f);
    hone_model_free(model);
    release(&s);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(easy_pictures_are_learned_and_a_wrong_label_stands_out),
        cmocka_unit_test(a_given_model_is_asked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
