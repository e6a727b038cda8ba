/* SPDX-License-Identifier: Apache-2.0
 *
 * Outliers: samples that lie far from every class in the feature space of a model that has not seen them. */
#include "clean_internal.h"

#include "core_internal.h"

hone_status hone__find_outliers(hone__clean_run *run, hone_error *err) {
    double limit = run->config->outlier_score;
    if (!hone__is_wanted(run, HONE_FINDING_OUTLIER)) return HONE_OK;
    for (int part = 0; part < HONE_CLEAN_PARTS; part++) {
        const hone__part_tables *tables = &run->report->parts[part];
        if (!tables->distances) continue;
        for (size_t i = 0; i < hone_dataset_samples(tables->data); i++) {
            double score = (double)tables->distances[i];
            if (score < limit) continue;
            HONE_TRY(hone__add_finding(run, HONE_FINDING_OUTLIER, part, (int64_t)i, 1 - 0.5 * limit / score, score, err,
                                       "%.1f deviations farther from every class than usual", score));
        }
    }
    return HONE_OK;
}
