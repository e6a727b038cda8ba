/* SPDX-License-Identifier: Apache-2.0
 *
 * How well a score tells strange from known: the area under the ROC curve by ranks (ties counting half), and what
 * passes at the threshold that lets 95 % of the known ones through. */
#include "anomaly_internal.h"

#include <math.h>
#include <stdlib.h>

static int ascending(const void *a, const void *b) {
    float x = *(const float *)a, y = *(const float *)b;
    return (x > y) - (x < y);
}

/* Pairs in which the strange one scores higher, ties counting half; both sides sorted. */
static double count_pairs(const float *known, size_t known_count, const float *strange, size_t strange_count) {
    double pairs = 0;
    size_t below = 0, up_to = 0;
    for (size_t i = 0; i < strange_count; i++) {
        while (below < known_count && known[below] < strange[i]) below++;
        if (up_to < below) up_to = below;
        while (up_to < known_count && known[up_to] <= strange[i]) up_to++;
        pairs += (double)below + 0.5 * (double)(up_to - below);
    }
    return pairs;
}

hone_status hone_separation_measure(hone_separation *out, const float *known, size_t known_count, const float *strange,
                                    size_t strange_count, hone_error *err) {
    size_t count;
    if (known_count == 0 || strange_count == 0 || !hone__add(known_count, strange_count, &count))
        HONE_FAIL(err, HONE_ARGUMENT, "%zu known and %zu strange scores: there must be some of each", known_count,
                  strange_count);
    float *sorted = hone__alloc(count, sizeof *sorted);
    if (!sorted) return hone__fail_memory(err, count * sizeof *sorted, "scores");
    bool finite = true;
    for (size_t i = 0; i < count; i++) {
        sorted[i] = i < known_count ? known[i] : strange[i - known_count];
        finite = finite && !isnan(sorted[i]);
    }
    if (finite) {
        const float *other = sorted + known_count;
        qsort(sorted, known_count, sizeof *sorted, ascending);
        qsort(sorted + known_count, strange_count, sizeof *sorted, ascending);
        double pairs = count_pairs(sorted, known_count, other, strange_count);
        /* the lowest threshold at which at least 95 % of the known ones pass */
        size_t last = (size_t)ceil(0.95 * (double)known_count - 1e-9) - 1, passed = 0;
        while (passed < strange_count && other[passed] <= sorted[last]) passed++;
        out->auroc = pairs / ((double)known_count * (double)strange_count);
        out->fpr95 = (double)passed / (double)strange_count;
    }
    hone__free(sorted);
    return finite ? HONE_OK : hone__fail(err, HONE_NUMERIC, "a score is no number: nothing can be told by it");
}
