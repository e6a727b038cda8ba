/* SPDX-License-Identifier: Apache-2.0
 *
 * Metrics, their counting over rows of outputs, AUC against the definition, logs, Wilson's interval. */
#include "test.h"
#include "train_internal.h"

#include <math.h>
#include <string.h>

static void test_names(void **state) {
    (void)state;
    hone_metric m;
    hone_error err;
    assert_int_equal(hone_metric_parse(&m, "acc", &err), HONE_OK);
    assert_string_equal(hone_metric_name(&m), "accuracy");
    assert_string_equal(hone__metric_key(&m, true), "val_accuracy");
    assert_int_equal(hone_metric_parse(&m, "top_k_categorical_accuracy", &err), HONE_OK);
    assert_int_equal(m.k, 5);
    assert_int_equal(hone_metric_parse(&m, "top_k_categorical_accuracy:3", &err), HONE_OK);
    assert_int_equal(m.k, 3);
    assert_int_equal(hone_metric_parse(&m, "top_k_categorical_accuracy:0", &err), HONE_ARGUMENT);
    assert_int_equal(hone_metric_parse(&m, "top_k_categorical_accuracy:x", &err), HONE_ARGUMENT);
    assert_int_equal(hone_metric_parse(&m, "accuracy:3", &err), HONE_ARGUMENT);
    assert_int_equal(hone_metric_parse(&m, "f1", &err), HONE_NOT_FOUND);
    assert_non_null(strstr(err.message, "'f1'"));
    assert_int_equal(hone_metric_parse(&m, NULL, &err), HONE_NOT_FOUND);
    assert_int_equal(hone__metric_direction("val_loss"), -1);
    assert_int_equal(hone__metric_direction("val_auc"), 1);
    assert_int_equal(hone__metric_direction("accuracy"), 1);
    assert_int_equal(hone__metric_direction("learning_rate"), 0);
}

static hone__objective objective(size_t outputs, int head, int k, bool areas) {
    hone_loss loss = {.kind = head == 2 ? HONE_LOSS_BINARY_CROSSENTROPY : HONE_LOSS_SPARSE_CATEGORICAL_CROSSENTROPY};
    return (hone__objective){.loss = loss,
                             .form = hone__loss_form_of(&loss, head != 0),
                             .head = head,
                             .outputs = outputs,
                             .k = k,
                             .has_areas = areas,
                             .kernels = hone__kernels()};
}

static void test_ties_and_top_k(void **state) {
    (void)state;
    /* Keras: argmax takes the lowest of equals; in_top_k counts a tie at the border as in. */
    const float p[] = {.3f, .3f, .3f, .5f, .1f, .4f, .1f, .2f, .7f, .2f, .2f, .6f};
    const int32_t labels[] = {2, 1, 0, 0};
    float losses[4];
    hone__tally t = {0};
    hone__objective o = objective(3, 0, 1, false);
    hone__objective_rows(&o, 4, p, labels, losses, NULL, NULL, &t);
    assert_int_equal(t.correct, 0);
    assert_int_equal(t.in_top_k, 1);
    const int32_t first[] = {0, 0, 2, 2};
    t = (hone__tally){0};
    o.k = 2;
    hone__objective_rows(&o, 4, p, first, losses, NULL, NULL, &t);
    assert_int_equal(t.correct, 4);
    assert_int_equal(t.in_top_k, 4);
    t = (hone__tally){0};
    hone__objective_rows(&o, 4, p, labels, losses, NULL, NULL, &t);
    assert_int_equal(t.in_top_k, 2); /* rows 0 (tie) and 3 (only .6 is larger) */
    /* A NaN is never right. */
    const float bad[] = {NAN, 0, 0};
    const int32_t zero = 0;
    t = (hone__tally){0};
    hone__objective_rows(&o, 1, bad, &zero, losses, NULL, NULL, &t);
    assert_int_equal(t.correct, 0);
    assert_int_equal(t.in_top_k, 0);
}

static void test_binary_threshold(void **state) {
    (void)state;
    const int32_t labels[] = {1, 0, 1, 0};
    float losses[4];
    hone__tally t = {0};
    hone__objective probabilities = objective(1, 0, 0, false), logits = objective(1, 2, 0, false);
    probabilities.loss.kind = HONE_LOSS_BINARY_CROSSENTROPY;
    probabilities.form = HONE__LOSS_SIGMOID_CLIPPED;
    hone__objective_rows(&probabilities, 4, (const float[]){.6f, .5f, .5f, .4f}, labels, losses, NULL, NULL, &t);
    assert_int_equal(t.correct, 3); /* 0.5 is no */
    t = (hone__tally){0};
    hone__objective_rows(&logits, 4, (const float[]){.6f, .5f, .5f, -.4f}, labels, losses, NULL, NULL, &t);
    assert_int_equal(t.correct, 3);
}

static void test_precision_and_recall(void **state) {
    (void)state;
    /* All outputs together: guesses .7 (right), .7 (wrong), none; misses 0 and 2. */
    const float p[] = {.2f, .7f, .1f, .2f, .7f, .1f, .4f, .3f, .3f};
    const int32_t labels[] = {1, 0, 2};
    float losses[3], logits[9], probabilities[9];
    hone__tally t = {0};
    hone__objective o = objective(3, 0, 0, true);
    hone__objective_rows(&o, 3, p, labels, losses, NULL, NULL, &t);
    assert_int_equal(t.true_positives, 1);
    assert_int_equal(t.false_positives, 1);
    assert_int_equal(t.false_negatives, 2);

    /* The same through logits: the probabilities are made for it. */
    for (int i = 0; i < 9; i++) logits[i] = logf(p[i]) + 2;
    hone__tally same = {0};
    o = objective(3, 1, 0, true);
    assert_true(hone__objective_needs_probabilities(&o));
    hone__objective_rows(&o, 3, logits, labels, losses, NULL, probabilities, &same);
    assert_memory_equal(&t, &same, sizeof t);
    for (int i = 0; i < 9; i++) assert_true(fabsf(probabilities[i] - p[i]) < 1e-6f);

    o.metrics[0].kind = HONE_METRIC_PRECISION;
    o.metrics[1].kind = HONE_METRIC_RECALL;
    o.metrics[2].kind = HONE_METRIC_AUC;
    o.metric_count = 3;
    o.has_auc = true;
    hone__sums sums = {.loss = 3, .samples = 3, .tally = t};
    hone_logs logs = {0};
    double value;
    hone__objective_logs(&o, &sums, true, false, .75, &logs);
    assert_int_equal(logs.count, 4);
    assert_true(hone_logs_get(&logs, "val_precision", &value) && value == 0.5);
    assert_true(hone_logs_get(&logs, "val_recall", &value) && value == 1.0 / 3);
    assert_true(hone_logs_get(&logs, "val_auc", &value) && value == .75);
    logs.count = 0;
    hone__objective_logs(&o, &sums, false, true, 0, &logs);
    assert_false(hone_logs_get(&logs, "auc", &value)); /* not before the epoch is over */
    assert_true(hone_logs_get(&logs, "loss", &value) && value == 1);
}

/* The definition: how often a positive's score beats a negative's, a tie counting half. */
static double auc_by_pairs(const float *scores, const int32_t *labels, size_t n, size_t outputs, size_t j,
                           int32_t positive) {
    double wins = 0, pairs = 0;
    for (size_t a = 0; a < n; a++) {
        for (size_t b = 0; b < n; b++) {
            if (labels[a] != positive || labels[b] == positive) continue;
            float x = scores[a * outputs + j], y = scores[b * outputs + j];
            wins += x > y ? 1 : x == y ? .5 : 0;
            pairs++;
        }
    }
    return pairs ? wins / pairs : NAN;
}

static void test_auc(void **state) {
    (void)state;
    enum { N = 157, C = 3 };
    float scores[N * C];
    int32_t labels[N];
    uint64_t keys[2 * N];
    hone__rng rng;
    hone__rng_init(&rng, 5, HONE_STREAM_TEST, 0);
    for (int i = 0; i < N; i++) {
        labels[i] = (int32_t)hone__rng_below(&rng, C);
        /* Few distinct values, of both signs, make many ties; some are -0. */
        for (int j = 0; j < C; j++) scores[i * C + j] = ((float)hone__rng_below(&rng, 9) - 4) * -.25f;
    }
    double mean = 0;
    for (size_t j = 0; j < C; j++) mean += auc_by_pairs(scores, labels, N, C, j, (int32_t)j) / C;
    assert_true(fabs(hone__auc(scores, labels, NULL, N, C, keys) - mean) < 1e-12);

    int32_t binary[N];
    for (int i = 0; i < N; i++) binary[i] = labels[i] == 1;
    double expected = auc_by_pairs(scores, binary, N, 1, 0, 1);
    assert_true(fabs(hone__auc(scores, binary, NULL, N, 1, keys) - expected) < 1e-12);

    const float four[] = {.1f, .4f, .35f, .8f};
    const int32_t sides[] = {0, 0, 1, 1}, same[] = {1, 1, 1, 1};
    assert_true(hone__auc(four, sides, NULL, 4, 1, keys) == .75); /* scikit-learn's example */
    const uint32_t order[] = {3, 2, 1, 0};                        /* labels are looked up through it */
    assert_true(hone__auc(four, sides, order, 4, 1, keys) == .25);
    assert_true(isnan(hone__auc(four, same, NULL, 4, 1, keys)));
    const float bad[] = {.1f, NAN, .35f, .8f};
    assert_true(isnan(hone__auc(bad, sides, NULL, 4, 1, keys)));
}

static void test_logs(void **state) {
    (void)state;
    hone_logs logs = {0};
    hone__logs_add(&logs, "val_loss", 4);
    hone__logs_add(&logs, "loss", 2);
    hone__logs_add(&logs, "accuracy", 1);
    hone__logs_add(&logs, "val_accuracy", 3);
    static const char *const expected[] = {"accuracy", "loss", "val_accuracy", "val_loss"};
    for (size_t i = 0; i < 4; i++) {
        assert_string_equal(logs.keys[i], expected[i]);
        assert_true(logs.values[i] == (double)(i + 1));
    }
    double value = 7;
    assert_false(hone_logs_get(&logs, "auc", &value));
    assert_true(value == 7);
    assert_false(hone_logs_get(NULL, "auc", &value));
}

static void test_wilson(void **state) {
    (void)state;
    double low, high;
    hone_wilson_interval(5, 10, &low, &high);
    assert_true(fabs(low - 0.236593090512564) < 1e-12 && fabs(high - 0.763406909487436) < 1e-12);
    hone_wilson_interval(0, 10, &low, &high);
    assert_true(low == 0 && fabs(high - 0.277532799862889) < 1e-9);
    hone_wilson_interval(10, 10, &low, &high);
    assert_true(high == 1 && fabs(low - 0.722467200137111) < 1e-9);
    hone_wilson_interval(0, 0, &low, &high);
    assert_true(low == 0 && high == 1);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_ties_and_top_k),
        cmocka_unit_test(test_binary_threshold),
        cmocka_unit_test(test_precision_and_recall),
        cmocka_unit_test(test_auc),
        cmocka_unit_test(test_logs),
        cmocka_unit_test(test_wilson),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
