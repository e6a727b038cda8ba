/* SPDX-License-Identifier: Apache-2.0
 *
 * Learning rate schedules: their formulas at the corners, and their text form. */
#include "test.h"
#include "train_internal.h"

#include <math.h>
#include <string.h>

static hone_schedule parse(const char *text) {
    hone_schedule s;
    hone_error err;
    if (hone_schedule_parse(&s, text, &err) != HONE_OK) fail_msg("%s", err.message);
    return s;
}

static void assert_rate(const hone_schedule *s, int64_t step, int64_t total, double expected) {
    double rate = hone_schedule_rate(s, 0.1, step, total);
    if (fabs(rate - expected) > 1e-12) fail_msg("step %lld: %.15g, expected %.15g", (long long)step, rate, expected);
}

static void test_decays(void **state) {
    (void)state;
    hone_schedule constant = parse("constant"), exponential = parse("exponential:0.5:10"), step = parse("step:0.5:10");
    assert_rate(&constant, 1000, 10, 0.1);
    assert_rate(&exponential, 0, 100, 0.1);
    assert_rate(&exponential, 5, 100, 0.1 * sqrt(0.5));
    assert_rate(&exponential, 20, 100, 0.025);
    assert_rate(&step, 9, 100, 0.1);
    assert_rate(&step, 10, 100, 0.05);
    assert_rate(&step, 29, 100, 0.025);
}

static void test_cosine(void **state) {
    (void)state;
    hone_schedule plain = parse("cosine"), warm = parse("cosine:10:0.1");
    assert_rate(&plain, 0, 100, 0.1);
    assert_rate(&plain, 50, 100, 0.05);
    assert_rate(&plain, 100, 100, 0);
    assert_rate(&plain, 500, 100, 0); /* past the end it stays */
    assert_rate(&warm, 0, 110, 0.01); /* never 0: the first step trains */
    assert_rate(&warm, 9, 110, 0.1);
    assert_rate(&warm, 10, 110, 0.1);
    assert_rate(&warm, 60, 110, 0.055);
    assert_rate(&warm, 110, 110, 0.01);
    hone_schedule long_warm_up = parse("cosine:200");
    assert_rate(&long_warm_up, 99, 100, 0.05);
    assert_rate(&long_warm_up, 300, 100, 0);
}

static void test_one_cycle(void **state) {
    (void)state;
    hone_schedule s = parse("one-cycle");
    assert_rate(&s, 0, 101, 0.1 / 25);
    assert_rate(&s, 30, 101, 0.1);
    assert_rate(&s, 15, 101, (0.1 + 0.1 / 25) / 2);
    assert_rate(&s, 65, 101, (0.1 + 0.1 / 1e4) / 2);
    assert_rate(&s, 100, 101, 0.1 / 1e4);
    assert_rate(&s, 5000, 101, 0.1 / 1e4);
    assert_rate(&s, 0, 1, 0.1); /* a single step is the peak */
    double last = 0;
    for (int64_t i = 0; i <= 30; i++) {
        double rate = hone_schedule_rate(&s, 0.1, i, 101);
        assert_true(rate > last);
        last = rate;
    }
}

static void test_text(void **state) {
    (void)state;
    hone_schedule s;
    hone_error err;
    static const char *const bad[] = {"exponential",      "exponential:0.5", "exponential:0.5:10:1", "step:a:10",
                                      "step:0.5:0",       "step:-1:10",      "constant:1",           "cosine:-1",
                                      "cosine:1:2:3",     "one-cycle:3",     "cosine:nan",           "step::",
                                      "exponential:inf:1"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (hone_schedule_parse(&s, bad[i], &err) != HONE_ARGUMENT) fail_msg("'%s' was not refused", bad[i]);
    assert_int_equal(hone_schedule_parse(&s, "linear", &err), HONE_NOT_FOUND);
    assert_non_null(strstr(err.message, "'linear'"));
    assert_int_equal(hone_schedule_parse(&s, NULL, &err), HONE_NOT_FOUND);
    assert_int_equal(hone_schedule_parse(&s, "", &err), HONE_NOT_FOUND);
    assert_int_equal(parse("one_cycle").kind, HONE_SCHEDULE_ONE_CYCLE);
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_decays),
        cmocka_unit_test(test_cosine),
        cmocka_unit_test(test_one_cycle),
        cmocka_unit_test(test_text),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
