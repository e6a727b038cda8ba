/* SPDX-License-Identifier: Apache-2.0
 *
 * What becomes of training's numbers: means between points, thinning, epochs, a resumed past. Time is an argument here. */
#include "test.h"

#include "live_internal.h"

#include <math.h>
#include <string.h>

static hone__live_record record;

static void begin(int epochs) {
    memset(&record, 0, sizeof record);
    record.epochs = epochs;
    record.point_seconds = 0.1;
    hone__live_begin_epoch(&record, 0);
}

/* Step number step of a training whose single losses are given; the trainer tells the epoch's mean so far. */
static void tell(int64_t step, int64_t steps, double mean, double auc, double now) {
    const hone_logs logs = {.count = 3, .keys = {"loss", "accuracy", "auc"}, .values = {mean, mean / 10, auc}};
    hone__live_step(&record, step, steps, &logs, 0.01, now);
}

static void points_are_means_of_their_steps(void **state) {
    (void)state;
    begin(1);
    double sum = 0;
    for (int step = 1; step <= 100; step++) {
        sum += step; /* the single losses are 1, 2, 3, … */
        tell(step, 100, sum / step, 0.5, 0.02 * step);
    }
    assert_true(record.point_count >= 10);
    double last = 0;
    for (size_t i = 0; i < record.point_count; i++) {
        const hone__live_point *p = &record.points[i];
        double from = i > 0 ? record.points[i - 1].epoch * 100 : 0, to = p->epoch * 100;
        assert_true(to > last);
        last = to;
        assert_float_equal(p->values[0], (from + 1 + to) / 2, 1e-3); /* the mean of from + 1 … to */
        assert_float_equal(p->values[1], (from + 1 + to) / 20, 1e-4);
        assert_float_equal(p->values[2], 0.5, 0); /* no mean: as it was told */
        assert_float_equal(p->rate, 0.01, 0);
    }
}

static void a_long_training_has_no_more_points_than_a_short_one(void **state) {
    (void)state;
    begin(1000);
    double now = 0;
    for (int epoch = 0; epoch < 1000; epoch++) {
        hone__live_begin_epoch(&record, epoch);
        for (int step = 1; step <= 50; step++) tell(step, 50, 1, 0.5, now += 0.1);
        const hone_logs logs = {.count = 1, .keys = {"loss"}, .values = {epoch}};
        hone__live_end_epoch(&record, epoch, &logs, 0.01);
        assert_true(record.point_count <= HONE_LIVE_POINTS);
    }
    assert_true(record.generation > 0);
    assert_true(record.point_count >= HONE_LIVE_POINTS / 2 - 1);
    for (size_t i = 1; i < record.point_count; i++) assert_true(record.points[i].epoch > record.points[i - 1].epoch);
    assert_true(record.points[0].epoch < 10); /* from the beginning to the end */
    assert_true(record.points[record.point_count - 1].epoch > 990);
    assert_int_equal(record.history_count, HONE_LIVE_EPOCHS); /* the last ones */
    assert_int_equal(record.history[0].epoch, 1000 - HONE_LIVE_EPOCHS + 1);
    assert_int_equal(record.history[HONE_LIVE_EPOCHS - 1].epoch, 1000);
    assert_float_equal(record.history[HONE_LIVE_EPOCHS - 1].values[0], 999, 0);
}

static void the_pace_tells_what_is_left(void **state) {
    (void)state;
    begin(3);
    assert_true(hone__live_left(&record) < 0);
    for (int step = 1; step <= 10; step++) tell(step, 10, 1, 0, step);
    assert_float_equal(hone__live_left(&record), 20, 1e-9); /* ten steps took ten seconds, twenty are left */
    /* Resumed in the middle of the second of three epochs: 5 + 10 steps remain, one is done. */
    begin(3);
    hone__live_begin_epoch(&record, 1);
    tell(6, 10, 1, 0, 1);
    assert_float_equal(hone__live_left(&record), 14, 1e-9);
}

/* The sums of a resumed epoch are not known at its first step: no point may be made of them. */
static void a_resumed_epoch_begins_with_a_mean_of_its_own(void **state) {
    (void)state;
    begin(2);
    double sum = 500; /* of five steps, 100 each, that somebody else has seen */
    for (int step = 6; step <= 9; step++) {
        sum += 1;
        tell(step, 10, sum / step, 0, step);
    }
    assert_int_equal(record.point_count, 3);
    for (size_t i = 0; i < record.point_count; i++) assert_float_equal(record.points[i].values[0], 1, 1e-3);
}

static void an_epochs_last_batch_may_be_short(void **state) {
    (void)state;
    begin(1);
    tell(1, 3, 1, 0, 1);
    tell(2, 3, 1, 0, 2);
    tell(3, 3, 7, 0, 3); /* which the difference of two means would turn into nonsense */
    assert_int_equal(record.point_count, 2);
    assert_float_equal(record.points[1].values[0], 1, 1e-6);
}

static void keys_beyond_the_room_are_left_out(void **state) {
    (void)state;
    begin(1);
    hone_logs logs = {.count = HONE_MAX_LOGS};
    static char names[HONE_MAX_LOGS][80];
    for (size_t i = 0; i < HONE_MAX_LOGS; i++) {
        snprintf(names[i], sizeof names[i], i == 3 ? "%060zu" : "key%zu", i);
        logs.keys[i] = names[i];
        logs.values[i] = (double)i;
    }
    hone__live_step(&record, 1, 10, &logs, 0.1, 1);
    hone__live_step(&record, 2, 10, &logs, 0.1, 2);
    hone__live_end_epoch(&record, 0, &logs, 0.1);
    assert_int_equal(record.batch_keys.count, HONE_MAX_METRICS + 1);
    assert_int_equal(record.epoch_keys.count, HONE_MAX_LOGS - 1); /* the name that is too long */
    assert_float_equal(record.history[0].values[HONE_MAX_LOGS - 2], HONE_MAX_LOGS - 1, 0);
    assert_true(isnan(record.history[0].values[HONE_MAX_LOGS - 1]));
}

int main(void) {
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_are_means_of_their_steps),
        cmocka_unit_test(a_long_training_has_no_more_points_than_a_short_one),
        cmocka_unit_test(the_pace_tells_what_is_left),
        cmocka_unit_test(a_resumed_epoch_begins_with_a_mean_of_its_own),
        cmocka_unit_test(an_epochs_last_batch_may_be_short),
        cmocka_unit_test(keys_beyond_the_room_are_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
