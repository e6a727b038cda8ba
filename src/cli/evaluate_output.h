/* SPDX-License-Identifier: Apache-2.0
 *
 * What hone evaluate found, on a terminal and as JSON. */
#ifndef HONE_EVALUATE_OUTPUT_H
#define HONE_EVALUATE_OUTPUT_H

#include "evaluate_ood.h"

/* Everything that was measured; pointers are NULL where it was not asked for. */
typedef struct evaluation_results {
    const char *model_path, *source;
    const hone_dataset *data;
    const hone_evaluation *evaluation;
    const hone_scores *scores; /* NULL: a regression */
    const char *const *names;  /* of the classes */
    double temperature;
    const hone_calibration *uncalibrated; /* where temperature is not 1 */
    const uint32_t *mistakes;
    size_t mistake_count;
    const hone_robustness *robustness;
    const char *other_path;
    const hone_scores *other;
    const hone_comparison *comparison;
    const ood_result *ood;
} evaluation_results;

void print_results(const evaluation_results *r, size_t worst);
hone_value *results_value(const evaluation_results *r);

#endif
