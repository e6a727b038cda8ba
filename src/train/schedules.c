/* SPDX-License-Identifier: Apache-2.0
 *
 * Learning rate schedules: pure functions of the step, so resuming needs no state. */
#include "train_internal.h"

#include <math.h>
#include <string.h>

#define PI 3.14159265358979323846

hone_schedule hone_schedule_default(hone_schedule_kind kind) {
    return (hone_schedule){.kind = kind,
                           .decay_rate = 0.96,
                           .decay_steps = 1000,
                           .warm_fraction = 0.3,
                           .initial_divisor = 25,
                           .final_divisor = 1e4};
}

/* From high at t = 0 to low at t = 1 along half a cosine. */
static double anneal(double high, double low, double t) {
    return low + (high - low) * (1 + cos(PI * t)) / 2;
}

static double cosine(const hone_schedule *s, double rate, double step, double total) {
    if (step < s->warmup_steps) return rate * (step + 1) / s->warmup_steps;
    double length = total - s->warmup_steps;
    double t = length > 0 ? (step - s->warmup_steps) / length : 1;
    return anneal(rate, s->alpha * rate, t < 1 ? t : 1);
}

static double one_cycle(const hone_schedule *s, double rate, double step, double total) {
    double last = total - 1, peak = s->warm_fraction * last;
    if (step < peak) return anneal(rate / s->initial_divisor, rate, step / peak);
    double t = last > peak ? (step - peak) / (last - peak) : 0;
    return anneal(rate, rate / s->final_divisor, t < 1 ? t : 1);
}

double hone_schedule_rate(const hone_schedule *s, double learning_rate, int64_t step, int64_t total) {
    double at = (double)step;
    switch (s->kind) {
    case HONE_SCHEDULE_EXPONENTIAL: return learning_rate * pow(s->decay_rate, at / s->decay_steps);
    case HONE_SCHEDULE_STEP: return learning_rate * pow(s->decay_rate, floor(at / s->decay_steps));
    case HONE_SCHEDULE_COSINE: return cosine(s, learning_rate, at, (double)total);
    case HONE_SCHEDULE_ONE_CYCLE: return one_cycle(s, learning_rate, at, (double)total);
    default: return learning_rate;
    }
}

/* ---- text ------------------------------------------------------------------------------------------------------ */

typedef struct schedule_name {
    const char *name;
    hone_schedule_kind kind;
    int least, most; /* numbers behind it */
} schedule_name;

static const schedule_name schedule_names[] = {
    {"constant", HONE_SCHEDULE_CONSTANT, 0, 0},   {"exponential", HONE_SCHEDULE_EXPONENTIAL, 2, 2},
    {"step", HONE_SCHEDULE_STEP, 2, 2},           {"cosine", HONE_SCHEDULE_COSINE, 0, 2},
    {"one-cycle", HONE_SCHEDULE_ONE_CYCLE, 0, 0}, {"one_cycle", HONE_SCHEDULE_ONE_CYCLE, 0, 0},
};

/* The numbers of "name:1:2", at most two of them; -1 where one is none. */
static int read_numbers(const char *text, double numbers[2]) {
    int count = 0;
    while ((text = strchr(text, ':'))) {
        const char *end = strchr(++text, ':');
        size_t length = end ? (size_t)(end - text) : strlen(text);
        char number[HONE_NUMBER_SIZE];
        if (count == 2 || length >= sizeof number) return -1;
        memcpy(number, text, length);
        number[length] = '\0';
        if (!hone__parse_double(number, &numbers[count]) || !isfinite(numbers[count])) return -1;
        count++;
    }
    return count;
}

hone_status hone_schedule_parse(hone_schedule *out, const char *text, hone_error *err) {
    static const char forms[] = "constant, exponential:RATE:STEPS, step:RATE:STEPS, cosine[:WARMUP_STEPS[:ALPHA]], "
                                "one-cycle";
    if (!text) text = "";
    size_t length = strcspn(text, ":");
    for (size_t i = 0; i < sizeof schedule_names / sizeof schedule_names[0]; i++) {
        const schedule_name *name = &schedule_names[i];
        if (strlen(name->name) != length || memcmp(name->name, text, length) != 0) continue;
        hone_schedule s = hone_schedule_default(name->kind);
        double numbers[2] = {0, 0};
        int count = read_numbers(text, numbers);
        if (count < name->least || count > name->most)
            HONE_FAIL(err, HONE_ARGUMENT, "schedule '%s' is not one of: %s", text, forms);
        if (name->kind == HONE_SCHEDULE_COSINE) {
            s.warmup_steps = numbers[0];
            s.alpha = numbers[1];
        } else if (count == 2) {
            s.decay_rate = numbers[0];
            s.decay_steps = numbers[1];
        }
        HONE_TRY(hone__schedule_check(&s, err));
        *out = s;
        return HONE_OK;
    }
    HONE_FAIL(err, HONE_NOT_FOUND, "unknown schedule '%s': known are %s", text, forms);
}

static bool at_least(double value, double least) {
    return isfinite(value) && value >= least;
}

hone_status hone__schedule_check(const hone_schedule *s, hone_error *err) {
    const char *name = hone__schedule_name(s->kind);
    switch (s->kind) {
    case HONE_SCHEDULE_CONSTANT: return HONE_OK;
    case HONE_SCHEDULE_EXPONENTIAL:
    case HONE_SCHEDULE_STEP:
        if (!at_least(s->decay_rate, 0))
            HONE_FAIL(err, HONE_ARGUMENT, "schedule '%s': decay rate is %g, expected 0 or more", name, s->decay_rate);
        if (!at_least(s->decay_steps, 1))
            HONE_FAIL(err, HONE_ARGUMENT, "schedule '%s': decay steps are %g, expected 1 or more", name,
                      s->decay_steps);
        return HONE_OK;
    case HONE_SCHEDULE_COSINE:
        if (!at_least(s->warmup_steps, 0) || !at_least(s->alpha, 0))
            HONE_FAIL(err, HONE_ARGUMENT, "schedule 'cosine': warm-up steps %g and alpha %g must be 0 or more",
                      s->warmup_steps, s->alpha);
        return HONE_OK;
    case HONE_SCHEDULE_ONE_CYCLE:
        if (!at_least(s->warm_fraction, 0) || s->warm_fraction > 1 || !at_least(s->initial_divisor, 1) ||
            !at_least(s->final_divisor, 1))
            HONE_FAIL(
                err, HONE_ARGUMENT,
                "schedule 'one-cycle': the warm fraction %g must be within 0 to 1, the divisors %g and %g 1 or more",
                s->warm_fraction, s->initial_divisor, s->final_divisor);
        return HONE_OK;
    }
    HONE_FAIL(err, HONE_ARGUMENT, "schedule kind %d does not exist", (int)s->kind);
}

const char *hone__schedule_name(hone_schedule_kind kind) {
    for (size_t i = 0; i < sizeof schedule_names / sizeof schedule_names[0]; i++)
        if (schedule_names[i].kind == kind) return schedule_names[i].name;
    return "unknown";
}
