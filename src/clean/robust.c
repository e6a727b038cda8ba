/* SPDX-License-Identifier: Apache-2.0
 *
 * What is usual in this data set: median and median absolute deviation, which a few wild values cannot move. */
#include "clean_internal.h"

#include "core_internal.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int by_value(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

static double middle(const float *sorted, size_t count) {
    return 0.5 * ((double)sorted[(count - 1) / 2] + (double)sorted[count / 2]);
}

hone_status hone__robust_fit(hone__robust *out, const float *values, size_t count, hone_error *err) {
    const double normal = 1.4826; /* makes the deviation that of a normal distribution */
    float *sorted = hone__alloc(count, sizeof *sorted);
    size_t finite = 0;
    if (!sorted) return hone__fail_memory(err, count * sizeof *sorted, "statistics");
    for (size_t i = 0; i < count; i++)
        if (isfinite(values[i])) sorted[finite++] = values[i];
    *out = (hone__robust){0};
    if (finite > 0) {
        qsort(sorted, finite, sizeof *sorted, by_value);
        out->median = middle(sorted, finite);
        for (size_t i = 0; i < finite; i++) sorted[i] = (float)fabs(sorted[i] - out->median);
        qsort(sorted, finite, sizeof *sorted, by_value);
        out->scale = normal * middle(sorted, finite);
    }
    hone__free(sorted);
    return HONE_OK;
}

double hone__robust_score(const hone__robust *robust, double value) {
    double distance = value - robust->median;
    if (distance == 0) return 0;
    return robust->scale > 0 ? distance / robust->scale : copysign(INFINITY, distance);
}
