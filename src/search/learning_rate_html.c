/* SPDX-License-Identifier: Apache-2.0
 *
 * The range test as a page: the loss over the logarithm of the rate, and what is read off it. */
#include "search_internal.h"

#include "report.h"

#include <math.h>

static void add_facts(hone__report *r, const hone_rate_curve *curve) {
    char number[32];
    const struct {
        double rate;
        const char *meaning;
    } facts[] = {{curve->suggested, "suggested learning rate"},
                 {curve->steepest, "where the loss falls fastest"},
                 {curve->lowest, "where it is lowest"},
                 {curve->diverged, "where it diverges"}};
    hone__report_facts_begin(r);
    for (size_t i = 0; i < sizeof facts / sizeof facts[0]; i++) {
        if (facts[i].rate == 0) continue;
        snprintf(number, sizeof number, "%.2g", facts[i].rate);
        hone__report_fact(r, number, facts[i].meaning);
    }
    hone__report_facts_end(r);
}

static void add_curve(hone__report *r, const hone_rate_curve *curve, double *x, double *y) {
    double low = INFINITY, high = -INFINITY;
    for (size_t i = 0; i < curve->count; i++) {
        x[i] = log10(curve->points[i].rate);
        y[i] = curve->points[i].smoothed;
        low = fmin(low, y[i]);
        high = fmax(high, y[i]);
    }
    double room = high > low ? 0.05 * (high - low) : 1;
    hone__report_axes axes = {.x_name = "learning rate, as a power of ten",
                              .y_name = "loss, smoothed",
                              .x_low = x[0],
                              .x_high = x[curve->count - 1],
                              .y_low = low - room,
                              .y_high = high + room};
    hone__report_curve line = {.name = "loss", .x = x, .y = y, .count = curve->count};
    hone__report_curves(r, "Loss while the learning rate grows", &axes, &line, 1);
    hone__report_note(r,
                      "A copy of the model, %zu batches, each at a higher rate. A good rate lies where the loss still "
                      "falls well: the one suggested is a tenth of where it is lowest.",
                      curve->count);
}

hone_status hone_rate_curve_write_html(const hone_rate_curve *curve, const char *title, const char *path,
                                       hone_error *err) {
    hone__report *r;
    if (curve->count == 0) HONE_FAIL(err, HONE_ARGUMENT, "the curve has no points");
    double *numbers = hone__alloc(curve->count, 2 * sizeof *numbers);
    if (!numbers) return hone__fail_memory(err, 2 * curve->count * sizeof *numbers, "a chart");
    hone_status status = hone__report_create(&r, "Learning rate", title, err);
    if (status == HONE_OK) {
        hone__report_section(r, "rate", "Learning rate");
        add_facts(r, curve);
        add_curve(r, curve, numbers, numbers + curve->count);
        status = hone__report_write(r, path, err);
        hone__report_free(r);
    }
    hone__free(numbers);
    return status;
}
