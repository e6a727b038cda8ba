/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores against scikit-learn's on the same predictions; calibration, temperature, McNemar's test; ugly input. */
#include "test.h"

#include <hone/evaluate.h>

#include "core_internal.h"
#include "evaluate_golden.h"

#include <math.h>
#include <string.h>

enum { SAMPLES = sizeof golden_labels / sizeof golden_labels[0], CLASSES = 5 };
enum { BINARY = sizeof golden_binary_labels / sizeof golden_binary_labels[0] };

static void near_to(double value, double expected) {
    if (isnan(expected)) {
        assert_true(isnan(value));
    } else if (!(fabs(value - expected) <= 1e-9 * fmax(1, fabs(expected)))) {
        fail_msg("%.17g, expected %.17g", value, expected);
    }
}

static hone_scores *scores_of(const float *p, const int32_t *labels, size_t n, size_t outputs, size_t k) {
    hone_scores *s;
    hone_error err = {0};
    if (hone_scores_create(&s, p, labels, n, outputs, k, &err) != HONE_OK) fail_msg("%s", err.message);
    return s;
}

static void test_as_scikit_learn(void **state) {
    (void)state;
    hone_scores *s = scores_of(golden_probabilities, golden_labels, SAMPLES, CLASSES, 2);
    assert_int_equal(s->classes, CLASSES);
    for (int c = 0; c < CLASSES; c++) {
        const hone_class_scores *one = &s->per_class[c];
        near_to(one->precision, golden_precision[c]);
        near_to(one->recall, golden_recall[c]);
        near_to(one->f1_score, golden_f1[c]);
        near_to(one->auc, golden_auc[c]);
        near_to(one->pr_auc, golden_pr_auc[c]);
        assert_int_equal(one->support, golden_support[c]);
    }
    for (int i = 0; i < CLASSES * CLASSES; i++) assert_int_equal(s->confusion[i], golden_confusion[i]);
    const hone_average *averages[] = {&s->macro, &s->weighted};
    const double *expected[] = {golden_macro, golden_weighted};
    for (int i = 0; i < 2; i++) {
        near_to(averages[i]->precision, expected[i][0]);
        near_to(averages[i]->recall, expected[i][1]);
        near_to(averages[i]->f1_score, expected[i][2]);
    }
    const hone_calibration *m = &s->calibration;
    const double numbers[] = {s->accuracy, s->top_k_accuracy, m->log_loss, m->brier, m->ece, m->mce};
    for (int i = 0; i < 6; i++) near_to(numbers[i], golden_numbers[i]);
    hone_scores_free(s);
}

static void test_one_output(void **state) {
    (void)state;
    hone_scores *s = scores_of(golden_binary, golden_binary_labels, BINARY, 1, 1);
    const hone_class_scores *yes = &s->per_class[1];
    const double numbers[] = {s->accuracy, yes->precision,          yes->recall,         yes->auc,
                              yes->pr_auc, s->calibration.log_loss, s->calibration.brier};
    assert_int_equal(s->classes, 2);
    for (int i = 0; i < 7; i++) near_to(numbers[i], golden_binary_numbers[i]);
    near_to(s->per_class[0].auc, yes->auc); /* the same ranking, read from the other end */
    hone_scores_free(s);
}

static void test_temperature(void **state) {
    (void)state;
    double t;
    assert_int_equal(hone_temperature_fit(&t, golden_probabilities, golden_labels, SAMPLES, CLASSES, NULL), HONE_OK);
    assert_true(fabs(t - golden_temperature[0]) < 1e-5 * golden_temperature[0]);
    assert_int_equal(hone_temperature_fit(&t, golden_binary, golden_binary_labels, BINARY, 1, NULL), HONE_OK);
    assert_true(fabs(t - golden_binary_temperature[0]) < 1e-5 * golden_binary_temperature[0]);
}

/* softmax(z / T), made from softmax(z) alone; also where float32 has nothing left of the small ones. */
static void test_temperature_needs_no_logits(void **state) {
    (void)state;
    const double logits[] = {3, -1, 0.5, -30}, t = 2.5;
    float p[4], again[4];
    double sum = 0, scaled = 0;
    for (int i = 0; i < 4; i++) sum += exp(logits[i]), scaled += exp(logits[i] / t);
    for (int i = 0; i < 4; i++) p[i] = again[i] = (float)(exp(logits[i]) / sum);
    hone_temperature_apply(t, p, 1, 4);
    for (int i = 0; i < 4; i++) assert_true(fabs(p[i] - exp(logits[i] / t) / scaled) < 1e-6);
    hone_temperature_apply(1 / t, p, 1, 4);
    for (int i = 0; i < 4; i++) assert_true(fabs(p[i] - again[i]) < 1e-6);

    float certain[] = {1, 0, 0}, one[] = {1, 0, 0.25f};
    hone_temperature_apply(3, certain, 1, 3);
    assert_true(certain[0] > 0.999f && certain[1] >= 0);
    hone_temperature_apply(1, certain, 1, 3);
    hone_temperature_apply(2, one, 3, 1);
    assert_true(one[0] > 0.99f && one[0] <= 1 && one[1] < 0.01f && one[1] >= 0);
    assert_true(fabs(one[2] - 1 / (1 + sqrt(3))) < 1e-6); /* odds of 1 : 3 become 1 : root of 3 */
}

static void test_separable_data_has_a_bound(void **state) {
    (void)state;
    const float p[] = {0.9f, 0.1f, 0.2f, 0.8f};
    const int32_t right[] = {0, 1}, wrong[] = {1, 0};
    double t;
    assert_int_equal(hone_temperature_fit(&t, p, right, 2, 2, NULL), HONE_OK);
    assert_true(t > 0.0099 && t < 0.1); /* the loss is 0 to the last bit of a double before the bound */
    assert_int_equal(hone_temperature_fit(&t, p, wrong, 2, 2, NULL), HONE_OK);
    assert_true(t > 99 && t < 101);
}

static void test_mcnemar(void **state) {
    (void)state;
    for (size_t i = 0; i < sizeof golden_mcnemar / sizeof golden_mcnemar[0]; i++) {
        double p = hone_mcnemar_exact((size_t)golden_mcnemar_pairs[2 * i], (size_t)golden_mcnemar_pairs[2 * i + 1]);
        double expected = golden_mcnemar[i];
        assert_true(p >= 0 && p <= 1);
        assert_true(fabs(p - expected) <= 1e-9 * expected + 1e-300);
    }
}

static void test_curves(void **state) {
    (void)state;
    hone_curve c;
    for (size_t most = 2; most < 100; most += 7) {
        assert_int_equal(hone_curve_create(&c, golden_probabilities, golden_labels, SAMPLES, CLASSES, 1, most, NULL),
                         HONE_OK);
        assert_in_range(c.count, 2, most);
        assert_true(c.true_positive_rate[0] == 0 && c.false_positive_rate[0] == 0 && c.precision[0] == 1);
        assert_true(c.true_positive_rate[c.count - 1] == 1 && c.false_positive_rate[c.count - 1] == 1);
        double area = 0;
        for (size_t i = 1; i < c.count; i++) {
            double width = c.false_positive_rate[i] - c.false_positive_rate[i - 1];
            assert_true(width >= 0 && c.true_positive_rate[i] >= c.true_positive_rate[i - 1]);
            area += width * (c.true_positive_rate[i] + c.true_positive_rate[i - 1]) / 2;
        }
        if (c.count < most) near_to(area, golden_auc[1]); /* every threshold is there */
        hone_curve_release(&c);
    }
    hone_error err = {0};
    assert_int_equal(hone_curve_create(&c, golden_probabilities, golden_labels, SAMPLES, CLASSES, 3, 10, &err),
                     HONE_ARGUMENT);
    hone_curve_release(&c);
}

static void test_mistakes(void **state) {
    (void)state;
    hone_scores *s = scores_of(golden_probabilities, golden_labels, SAMPLES, CLASSES, 1);
    size_t wrong = s->samples - s->correct;
    assert_true(wrong > 5);
    for (size_t most = 0; most <= wrong + 1; most++) {
        uint32_t *list;
        size_t count;
        assert_int_equal(hone_mistakes_create(&list, &count, s, golden_labels, most, NULL), HONE_OK);
        assert_int_equal(count, most < wrong ? most : wrong);
        for (size_t i = 0; i < count; i++) {
            assert_int_not_equal(s->predicted[list[i]], golden_labels[list[i]]);
            if (i > 0) assert_true(s->confidence[list[i]] <= s->confidence[list[i - 1]]);
        }
        /* none left out is worse than the last */
        size_t worse = 0;
        for (size_t i = 0; i < s->samples && count > 0; i++)
            worse += s->predicted[i] != golden_labels[i] && s->confidence[i] > s->confidence[list[count - 1]];
        assert_true(worse < count || count == 0);
        hone_mistakes_free(list);
    }
    hone_scores_free(s);
}

static void test_comparison(void **state) {
    (void)state;
    /* the same answers but for samples 10 and 20 */
    float other[SAMPLES * CLASSES];
    memcpy(other, golden_probabilities, sizeof other);
    const size_t changed[] = {10, 20};
    for (int i = 0; i < 2; i++) {
        float *row = other + changed[i] * CLASSES;
        for (int c = 0; c < CLASSES; c++) row[c] = 0;
        row[i == 0 ? golden_labels[10] : 3] = 1; /* one right for certain, one wrong for certain */
    }
    hone_scores *a = scores_of(golden_probabilities, golden_labels, SAMPLES, CLASSES, 1);
    hone_scores *b = scores_of(other, golden_labels, SAMPLES, CLASSES, 1);
    hone_comparison c;
    assert_int_equal(hone_comparison_create(&c, a, b, golden_labels, NULL), HONE_OK);
    assert_int_equal(c.both + c.only_first + c.only_second + c.neither, SAMPLES);
    assert_int_equal(c.both + c.only_first, a->correct);
    assert_int_equal(c.both + c.only_second, b->correct);
    assert_true(c.changed_count <= 2);
    for (size_t i = 0; i < c.changed_count; i++)
        assert_int_not_equal(a->predicted[c.changed[i]], b->predicted[c.changed[i]]);
    hone_comparison_release(&c);
    hone_scores_free(a);
    hone_scores_free(b);
}

static void test_ugly_input(void **state) {
    (void)state;
    hone_scores *s;
    const float p[] = {NAN, NAN, 0.5f, 0.5f, 0.25f, 0.75f};
    const int32_t labels[] = {0, 1, 1}, bad[] = {0, -1, 1}, high[] = {0, 2, 1};
    double t;
    s = scores_of(p, labels, 3, 2, 5); /* a diverged model: numbers, no crash */
    assert_int_equal(s->k, 2);
    assert_true(isnan(s->per_class[0].auc));
    assert_true(s->confidence[0] == 0);
    hone_scores_free(s);
    assert_int_equal(hone_temperature_fit(&t, p, labels, 3, 2, NULL), HONE_NUMERIC);
    assert_int_equal(hone_scores_create(&s, p, bad, 3, 2, 1, NULL), HONE_ARGUMENT);
    assert_null(s);
    assert_int_equal(hone_scores_create(&s, p, high, 3, 2, 1, NULL), HONE_ARGUMENT);
    assert_int_equal(hone_scores_create(&s, p, labels, 0, 2, 1, NULL), HONE_ARGUMENT);
    assert_int_equal(hone_scores_create(&s, p, labels, 3, 0, 1, NULL), HONE_ARGUMENT);
    assert_int_equal(hone_temperature_fit(&t, p, bad, 3, 2, NULL), HONE_ARGUMENT);

    const float only[] = {0.75f, 0.25f}; /* one sample, one class */
    const int32_t zero[] = {0};
    s = scores_of(only, zero, 1, 2, 1);
    assert_true(s->macro.f1_score == 1 && isnan(s->auc));
    hone_scores_free(s);
}

static hone_status everything(void *context) {
    (void)context;
    hone_scores *s = NULL;
    hone_curve curve = {0};
    hone_comparison comparison = {0};
    uint32_t *mistakes = NULL;
    size_t count;
    double t;
    hone_status status = hone_scores_create(&s, golden_probabilities, golden_labels, SAMPLES, CLASSES, 2, NULL);
    if (status == HONE_OK)
        status = hone_curve_create(&curve, golden_probabilities, golden_labels, SAMPLES, CLASSES, 0, 20, NULL);
    if (status == HONE_OK) status = hone_mistakes_create(&mistakes, &count, s, golden_labels, 5, NULL);
    if (status == HONE_OK) status = hone_comparison_create(&comparison, s, s, golden_labels, NULL);
    if (status == HONE_OK)
        status = hone_temperature_fit(&t, golden_probabilities, golden_labels, SAMPLES, CLASSES, NULL);
    hone_comparison_release(&comparison);
    hone_mistakes_free(mistakes);
    hone_curve_release(&curve);
    hone_scores_free(s);
    return status;
}

static void test_memory(void **state) {
    (void)state;
    assert_true(test_every_allocation(everything, NULL) > 10);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_as_scikit_learn),
        cmocka_unit_test(test_one_output),
        cmocka_unit_test(test_temperature),
        cmocka_unit_test(test_temperature_needs_no_logits),
        cmocka_unit_test(test_separable_data_has_a_bound),
        cmocka_unit_test(test_mcnemar),
        cmocka_unit_test(test_curves),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_comparison),
        cmocka_unit_test(test_ugly_input),
        cmocka_unit_test(test_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
