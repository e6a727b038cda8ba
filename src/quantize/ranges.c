/* SPDX-License-Identifier: Apache-2.0
 *
 * Which range of a tensor's numbers the 256 numbers of 8 bits should cover. The whole range wastes them on a few
 * outliers; a narrower one cuts those off. A histogram of 2048 bins is enough to tell what either costs. */
#include "quantize_internal.h"

#include <math.h>
#include <string.h>

static const char *const names[] = {"auto", "min-max", "percentile", "mse"};

const char *hone_range_method_name(hone_range_method method) {
    return (size_t)method < sizeof names / sizeof *names ? names[method] : "unknown";
}

hone_status hone_range_method_parse(hone_range_method *out, const char *name, hone_error *err) {
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (strcmp(name, names[i]) != 0) continue;
        *out = (hone_range_method)i;
        return HONE_OK;
    }
    HONE_FAIL(err, HONE_ARGUMENT, "unknown way to choose ranges '%s': known are auto, min-max, percentile, mse", name);
}

/* ---- counting -------------------------------------------------------------------------------------------------- */

void hone__spread_widen(hone__spread *s, const float *values, size_t count) {
    s->seen = true;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i])) continue;
        if (values[i] < s->low) s->low = values[i]; /* both begin at 0: every range holds it */
        if (values[i] > s->high) s->high = values[i];
    }
}

void hone__spread_count(hone__spread *s, const float *values, size_t count) {
    double width = (double)s->high - s->low, bins = HONE_RANGE_BINS;
    if (!(width > 0)) return;
    for (size_t i = 0; i < count; i++) {
        if (!isfinite(values[i]) || values[i] == 0) continue;
        double at = ((double)values[i] - s->low) / width * bins;
        s->bins[at < bins - 1 ? at > 0 ? (size_t)at : 0 : HONE_RANGE_BINS - 1]++;
    }
}

/* ---- choosing -------------------------------------------------------------------------------------------------- */

static hone__quantisation quantisation_of(double low, double high) {
    if (!(high - low > 1e-30)) return (hone__quantisation){1, 0}; /* nothing but zeros */
    float scale = (float)((high - low) / 255);
    double zero = rint(-low / scale);
    return (hone__quantisation){scale, (int32_t)(zero < 255 ? zero : 255)};
}

static double bin_value(const hone__spread *s, size_t bin) {
    return s->low + ((double)s->high - s->low) * ((double)bin + 0.5) / HONE_RANGE_BINS;
}

/* Without the outermost part of the numbers at either end. */
static hone__quantisation percentile(const hone__spread *s) {
    const double part = 1e-4;
    uint64_t total = 0, below = 0, above = 0;
    for (size_t i = 0; i < HONE_RANGE_BINS; i++) total += s->bins[i];
    size_t first = 0, last = HONE_RANGE_BINS - 1;
    while (first < last && (double)(below + s->bins[first]) <= part * (double)total) below += s->bins[first++];
    while (last > first && (double)(above + s->bins[last]) <= part * (double)total) above += s->bins[last--];
    double width = ((double)s->high - s->low) / HONE_RANGE_BINS;
    double low = s->low + width * (double)first, high = s->low + width * (double)(last + 1);
    return quantisation_of(low < 0 ? low : 0, high > 0 ? high : 0);
}

static double squared_error(const hone__spread *s, hone__quantisation q) {
    double sum = 0;
    for (size_t i = 0; i < HONE_RANGE_BINS; i++) {
        if (s->bins[i] == 0) continue;
        double value = bin_value(s, i), number = rint(value / q.scale) + q.zero_point;
        double held = ((number < 0 ? 0 : number > 255 ? 255 : number) - q.zero_point) * q.scale;
        sum += (double)s->bins[i] * (value - held) * (value - held);
    }
    return sum;
}

static hone__quantisation least_error(const hone__spread *s) {
    enum { STEPS = 100, NARROWEST = 20 };
    hone__quantisation best = quantisation_of(s->low, s->high);
    double least = squared_error(s, best);
    for (int step = STEPS - 1; step >= NARROWEST; step--) {
        double part = (double)step / STEPS;
        hone__quantisation q = quantisation_of(s->low * part, s->high * part);
        double error = squared_error(s, q);
        if (error >= least) continue;
        least = error;
        best = q;
    }
    return best;
}

hone__quantisation hone__spread_quantisation(const hone__spread *s, hone_range_method method) {
    switch (method) {
    case HONE_RANGE_PERCENTILE: return percentile(s);
    case HONE_RANGE_MSE: return least_error(s);
    case HONE_RANGE_AUTO:
    case HONE_RANGE_MIN_MAX: break;
    }
    return quantisation_of(s->low, s->high);
}
