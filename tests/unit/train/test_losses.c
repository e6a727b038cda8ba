/* SPDX-License-Identifier: Apache-2.0
 *
 * Losses: Keras' numbers, and gradients against finite differences. */
#include "test.h"
#include "train_internal.h"

#include <math.h>
#include <string.h>

static hone_loss loss_of(hone_loss_kind kind, double smoothing) {
    return (hone_loss){.kind = kind, .label_smoothing = smoothing, .delta = 1.0};
}

static double value(const hone_loss *loss, bool logits, size_t c, const float *outputs, int32_t label) {
    float out, d[16];
    hone__loss_rows(hone__kernels(), loss, hone__loss_form_of(loss, logits), 1, c, outputs, &label, &out, d);
    return out;
}

static void assert_close(double got, double expected, double relative) {
    if (!(fabs(got - expected) <= relative * fabs(expected) + 1e-12))
        fail_msg("got %.9g, expected %.9g", got, expected);
}

static void test_keras_values(void **state) {
    (void)state;
    const float p[3] = {.2f, .7f, .1f}, x[3] = {1, -2, .5f}, large[3] = {.4f, 1.4f, .4f};
    hone_loss sparse = loss_of(HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY, 0);
    hone_loss dense = loss_of(HONE_LOSS_CATEGORICAL_CROSSENTROPY, 0);
    hone_loss smooth = loss_of(HONE_LOSS_CATEGORICAL_CROSSENTROPY, .1);
    assert_close(value(&sparse, false, 3, p, 1), 0.3566749691963196, 1e-6);
    assert_close(value(&sparse, true, 3, x, 1), 3.5045969486236572, 1e-6);
    assert_close(value(&dense, false, 3, large, 1), 0.4519851505756378, 1e-6); /* normalised first */
    assert_close(value(&smooth, true, 3, x, 1), 3.3212637901306152, 1e-6);
    assert_close(value(&smooth, false, 3, (const float[]){.7f, .2f, .1f}, 0), 0.4632974, 1e-6);

    hone_loss bce = loss_of(HONE_LOSS_BINARY_CROSSENTROPY, 0), soft = loss_of(HONE_LOSS_BINARY_CROSSENTROPY, .2);
    assert_close(value(&bce, false, 3, p, 1), 0.22839301824569702, 1e-6);
    assert_close(value(&soft, false, 3, p, 1), 0.37608692049980164, 1e-6);
    assert_close(value(&bce, true, 3, x, 1), 1.4714221954345703, 1e-6);

    hone_loss mse = loss_of(HONE_LOSS_MEAN_SQUARED_ERROR, 0), mae = loss_of(HONE_LOSS_MEAN_ABSOLUTE_ERROR, 0);
    hone_loss huber = loss_of(HONE_LOSS_HUBER, 0);
    assert_close(value(&mse, false, 3, x, 1), 3.4166667461395264, 1e-6);
    assert_close(value(&mae, false, 3, x, 1), 1.5, 1e-6);
    assert_close(value(&huber, false, 3, x, 1), 1.0416666269302368, 1e-6);
    huber.delta = 2;
    assert_close(value(&huber, false, 3, x, 1), 1.5416666269302368, 1e-6);
    /* One output: the label is the number. */
    assert_close(value(&mse, false, 1, (const float[]){4.5f}, 7), 6.25, 1e-6);
}

static void test_clipping_and_extremes(void **state) {
    (void)state;
    hone_loss sparse = loss_of(HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY, 0);
    hone_loss bce = loss_of(HONE_LOSS_BINARY_CROSSENTROPY, 0);
    const float zero[2] = {1, 0}, far[2] = {200, 0};
    int32_t one = 1;
    float loss, d[2];
    assert_close(value(&sparse, false, 2, zero, 1), 16.118095, 1e-6);
    hone__loss_rows(hone__kernels(), &sparse, HONE__LOSS_SOFTMAX_CLIPPED, 1, 2, zero, &one, &loss, d);
    assert_true(d[0] == 0 && d[1] == 0); /* a clipped probability has no gradient */
    assert_close(value(&sparse, true, 2, far, 1), 200, 1e-6);
    assert_close(value(&bce, false, 1, zero + 1, 1), 16.118095, 1e-6);
    assert_close(value(&bce, true, 1, (const float[]){-1000}, 1), 1000, 1e-6);
    assert_close(value(&bce, true, 1, (const float[]){1000}, 1), 0, 1e-6);
    /* A NaN must not be clipped away. */
    const float bad[2] = {NAN, .5f};
    assert_true(isnan(value(&sparse, false, 2, bad, 0)));
    assert_true(isnan(value(&sparse, true, 2, bad, 1)));
    assert_true(isnan(value(&bce, false, 2, bad, 0)));
    assert_true(isnan(value(&bce, true, 2, bad, 0)));
}

/* Central differences of step 1e-3 in float: good to about 1e-3. */
static void check_gradient(const hone_loss *loss, bool logits, size_t c, const float *outputs, int32_t label) {
    float x[16], y, d[16];
    hone__loss_form form = hone__loss_form_of(loss, logits);
    memcpy(x, outputs, c * sizeof *x);
    hone__loss_rows(hone__kernels(), loss, form, 1, c, x, &label, &y, d);
    for (size_t j = 0; j < c; j++) {
        const float h = 1e-3f;
        float keep = x[j], more, less;
        x[j] = keep + h;
        hone__loss_rows(hone__kernels(), loss, form, 1, c, x, &label, &more, NULL);
        x[j] = keep - h;
        hone__loss_rows(hone__kernels(), loss, form, 1, c, x, &label, &less, NULL);
        x[j] = keep;
        double numeric = ((double)more - less) / (2.0 * h);
        if (fabs(numeric - d[j]) > 2e-3 * (1 + fabs(numeric)))
            fail_msg("%s%s: d[%zu] is %g, differences say %g", hone_loss_name(loss->kind), logits ? " of logits" : "",
                     j, d[j], numeric);
    }
}

static void test_gradients(void **state) {
    (void)state;
    const float p[4] = {.2f, .45f, .1f, .3f}, x[4] = {1.2f, -.7f, .3f, 2.5f}; /* p need not sum to one */
    for (int smooth = 0; smooth < 2; smooth++) {
        hone_loss dense = loss_of(HONE_LOSS_CATEGORICAL_CROSSENTROPY, smooth ? .15 : 0);
        hone_loss bce = loss_of(HONE_LOSS_BINARY_CROSSENTROPY, smooth ? .15 : 0);
        for (int32_t label = 0; label < 4; label++) {
            check_gradient(&dense, false, 4, p, label);
            check_gradient(&dense, true, 4, x, label);
            check_gradient(&bce, false, 4, p, label);
            check_gradient(&bce, true, 4, x, label);
        }
        check_gradient(&bce, true, 1, x, 1);
        check_gradient(&bce, false, 1, p, 0);
    }
    hone_loss mse = loss_of(HONE_LOSS_MEAN_SQUARED_ERROR, 0), mae = loss_of(HONE_LOSS_MEAN_ABSOLUTE_ERROR, 0);
    hone_loss huber = loss_of(HONE_LOSS_HUBER, 0);
    check_gradient(&mse, false, 4, x, 2);
    check_gradient(&mae, false, 4, x, 2);
    check_gradient(&huber, false, 4, x, 2);
    check_gradient(&mse, false, 1, x, 3);
}

/* Rows stand for themselves. */
static void test_rows_are_independent(void **state) {
    (void)state;
    hone_loss loss = loss_of(HONE_LOSS_BINARY_CROSSENTROPY, 0);
    const float x[6] = {1, 2, -1, .5f, 0, -3};
    const int32_t labels[3] = {0, 1, 1};
    float together[3], d[6];
    hone__loss_rows(hone__kernels(), &loss, HONE__LOSS_SIGMOID_LOGITS, 3, 2, x, labels, together, d);
    for (size_t i = 0; i < 3; i++) {
        float alone, g[2];
        hone__loss_rows(hone__kernels(), &loss, HONE__LOSS_SIGMOID_LOGITS, 1, 2, x + 2 * i, labels + i, &alone, g);
        assert_true(alone == together[i] && g[0] == d[2 * i] && g[1] == d[2 * i + 1]);
    }
}

static void test_names(void **state) {
    (void)state;
    hone_loss loss;
    hone_error err;
    static const struct {
        const char *name;
        hone_loss_kind kind;
    } names[] = {{"sparse_categorical_crossentropy", HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY},
                 {"CategoricalCrossentropy", HONE_LOSS_CATEGORICAL_CROSSENTROPY},
                 {"bce", HONE_LOSS_BINARY_CROSSENTROPY},
                 {"mse", HONE_LOSS_MEAN_SQUARED_ERROR},
                 {"mean_absolute_error", HONE_LOSS_MEAN_ABSOLUTE_ERROR},
                 {"huber", HONE_LOSS_HUBER}};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        assert_int_equal(hone_loss_parse(&loss, names[i].name, &err), HONE_OK);
        assert_int_equal(loss.kind, names[i].kind);
        hone_loss again;
        assert_int_equal(hone_loss_parse(&again, hone_loss_name(loss.kind), &err), HONE_OK);
        assert_int_equal(again.kind, loss.kind);
    }
    assert_int_equal(hone_loss_parse(&loss, "hinge", &err), HONE_NOT_FOUND);
    assert_non_null(strstr(err.message, "'hinge'"));
    assert_int_equal(hone_loss_parse(&loss, NULL, &err), HONE_NOT_FOUND);
}

static void test_refused(void **state) {
    (void)state;
    hone_error err;
    hone_loss sparse = loss_of(HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY, .1);
    assert_int_equal(hone__loss_check(&sparse, &err), HONE_ARGUMENT);
    assert_non_null(strstr(err.message, "label_smoothing"));
    hone_loss dense = loss_of(HONE_LOSS_CATEGORICAL_CROSSENTROPY, 1.5);
    assert_int_equal(hone__loss_check(&dense, &err), HONE_ARGUMENT);
    dense.label_smoothing = NAN;
    assert_int_equal(hone__loss_check(&dense, &err), HONE_ARGUMENT);
    hone_loss huber = loss_of(HONE_LOSS_HUBER, 0);
    huber.delta = 0;
    assert_int_equal(hone__loss_check(&huber, &err), HONE_ARGUMENT);
    hone_loss unknown = loss_of((hone_loss_kind)77, 0);
    assert_int_equal(hone__loss_check(&unknown, &err), HONE_ARGUMENT);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_keras_values), cmocka_unit_test(test_clipping_and_extremes),
        cmocka_unit_test(test_gradients),    cmocka_unit_test(test_rows_are_independent),
        cmocka_unit_test(test_names),        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
