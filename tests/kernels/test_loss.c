/* SPDX-License-Identifier: Apache-2.0
 *
 * Softmax cross-entropy from logits against double: smoothing, weights, rows without a label, extreme logits. */
#include "kernel_test.h"

/* -sum of target ln p over a row, and where d is not NULL its gradient times weight. */
static double naive_loss(const float *logits, size_t c, int32_t label, double smoothing, double weight, double *d) {
    double largest = -INFINITY, sum = 0, loss = 0;
    for (size_t i = 0; i < c; i++) largest = fmax(largest, (double)logits[i]);
    for (size_t i = 0; i < c; i++) sum += exp(logits[i] - largest);
    for (size_t i = 0; i < c; i++) {
        double target = (i == (size_t)label ? 1 - smoothing : 0) + smoothing / (double)c;
        loss -= target * (logits[i] - largest - log(sum));
        if (d) d[i] = weight * (exp(logits[i] - largest) / sum - target);
    }
    return loss;
}

static void loss_matches(const hone_kernels *k, size_t rows, size_t c, float smoothing, bool weighted, float reach) {
    float *logits = kt_random_floats(rows * c, -reach, reach), *loss = kt_floats(rows), *alone = kt_floats(rows);
    float *d = kt_floats(rows * c), *same = kt_copy(logits, rows * c);
    float *weight = weighted ? kt_random_floats(rows, 0, 3) : NULL;
    double *want_d = kt_doubles(c);
    int32_t *labels = kt_alloc(rows, sizeof *labels);
    for (size_t row = 0; row < rows; row++) labels[row] = row % 5 == 3 ? -1 : (int32_t)kt_below(c);
    k->softmax_cross_entropy(rows, c, logits, labels, smoothing, weight, loss, d);
    k->softmax_cross_entropy(rows, c, logits, labels, smoothing, weight, alone, NULL);
    kt_same_bits(k, "loss without gradient", alone, loss, rows * sizeof *loss);
    k->softmax_cross_entropy(rows, c, same, labels, smoothing, weight, alone, same);
    kt_same_bits(k, "gradient in place", same, d, rows * c * sizeof *d);
    for (size_t row = 0; row < rows; row++) {
        double factor = weighted ? (double)weight[row] : 1;
        if (labels[row] < 0) {
            assert_true(loss[row] == 0);
            for (size_t i = 0; i < c; i++) assert_true(d[row * c + i] == 0);
            continue;
        }
        double want = naive_loss(logits + row * c, c, labels[row], (double)smoothing, factor, want_d);
        double places = 4 + (double)reach + sqrt((double)c);
        kt_near(k, "loss", row, loss[row], want, places * FLT_EPSILON * (1 + fabs(want)));
        for (size_t i = 0; i < c; i++)
            kt_near(k, "gradient of loss", row * c + i, d[row * c + i], want_d[i],
                    places * FLT_EPSILON * (factor + 1e-3));
    }
    kt_release_all();
}

static void losses_match(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
        for (size_t c = 1; c < (size_t)(2 * k->vector_floats) + 3; c++) {
            loss_matches(k, c % 7, c, 0, false, 6);
            loss_matches(k, 7, c, 0.1f, true, 6);
        }
        loss_matches(k, 5, 1000, 0.1f, true, 10);
    }
}

/* Clipping would give 16.118; from logits the loss is exact, and the gradient keeps pulling. */
static void extreme_logits(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
        const float logits[6] = {1000, 0, -1000, 0, -1000, 1000};
        const int32_t labels[2] = {2, 2};
        float loss[2], d[6];
        k->softmax_cross_entropy(2, 3, logits, labels, 0, NULL, loss, d);
        const float want[6] = {1, 0, -1, 0, 0, 0};
        assert_true(loss[0] == 2000 && loss[1] == 0);
        for (int i = 0; i < 6; i++) assert_true(d[i] == want[i]);
    }
}

static void specification_examples(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
        const float logits[3] = {logf(0.7f), logf(0.2f), logf(0.1f)}, even[2] = {3, 3};
        const int32_t label = 0;
        float loss;
        k->softmax_cross_entropy(1, 3, logits, &label, 0.1f, NULL, &loss, NULL);
        kt_near(k, "smoothed loss", 0, loss, 0.4632974, 2e-7);
        k->softmax_cross_entropy(1, 2, even, &label, 0, NULL, &loss, NULL);
        kt_within_ulps(k, "loss of even logits", 0, loss, log(2), 0.51);
    }
}

static void nan_and_infinity_are_noticed(void **state) {
    (void)state;
    for (const hone_kernels *k = NULL; (k = kt_next_level(k)) != NULL;) {
        const float logits[6] = {0, NAN, 1, INFINITY, 0, 1};
        const int32_t labels[2] = {0, 1}, beyond[2] = {3, INT32_MAX};
        float loss[2], d[6];
        k->softmax_cross_entropy(2, 3, logits, labels, 0, NULL, loss, d);
        assert_true(isnan(loss[0]) && isnan(loss[1]) && isnan(d[0]) && isnan(d[2]) && isnan(d[3]));
        k->softmax_cross_entropy(2, 3, logits, beyond, 0, NULL, loss, d); /* no such class: as no label */
        assert_true(loss[0] == 0 && loss[1] == 0 && d[0] == 0 && d[5] == 0);
    }
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(losses_match),
        cmocka_unit_test(extreme_logits),
        cmocka_unit_test(specification_examples),
        cmocka_unit_test(nan_and_infinity_are_noticed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
