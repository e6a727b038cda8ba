/* SPDX-License-Identifier: Apache-2.0
 *
 * Two models on the same samples: what only one of them gets right, and whether that can be chance. */
#include "evaluate_internal.h"

#include <math.h>

/* The binomial probability of at most the smaller number of disagreements out of all, with a fair coin, twice. Terms are
 * kept as logarithms: 2^-n is beyond a double from 1075 on. */
double hone_mcnemar_exact(size_t only_first, size_t only_second) {
    size_t n = only_first + only_second, fewer = only_first < only_second ? only_first : only_second;
    double term = -(double)n * log(2), sum = 0;
    if (only_first == only_second) return 1;
    for (size_t k = 0; k <= fewer; k++) {
        sum += exp(term);
        term += log((double)(n - k)) - log((double)(k + 1));
    }
    return fmin(1, 2 * sum);
}

hone_status hone_comparison_create(hone_comparison *out, const hone_scores *first, const hone_scores *second,
                                   const int32_t *labels, hone_error *err) {
    hone_comparison c = {0};
    *out = c;
    if (first->samples != second->samples)
        HONE_FAIL(err, HONE_ARGUMENT, "scores of %zu and of %zu samples cannot be compared", first->samples,
                  second->samples);
    size_t changed = 0;
    for (size_t i = 0; i < first->samples; i++) {
        bool a = first->predicted[i] == labels[i], b = second->predicted[i] == labels[i];
        *(a && b ? &c.both : a ? &c.only_first : b ? &c.only_second : &c.neither) += 1;
        changed += first->predicted[i] != second->predicted[i];
    }
    c.p_value = hone_mcnemar_exact(c.only_first, c.only_second);
    c.changed = hone__alloc(changed, sizeof *c.changed);
    if (!c.changed) return hone__fail_memory(err, changed * sizeof *c.changed, "a comparison");
    for (size_t i = 0; i < first->samples; i++)
        if (first->predicted[i] != second->predicted[i]) c.changed[c.changed_count++] = (uint32_t)i;
    *out = c;
    return HONE_OK;
}

void hone_comparison_release(hone_comparison *comparison) {
    hone__free(comparison->changed);
    *comparison = (hone_comparison){0};
}
