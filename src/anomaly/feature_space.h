/* SPDX-License-Identifier: Apache-2.0
 *
 * Distances in feature space: to the nearest class mean, in the metric of what varies within classes (Mahalanobis). */
#ifndef HONE_FEATURE_SPACE_H
#define HONE_FEATURE_SPACE_H

#include <hone/status.h>

#include <stdbool.h>

typedef struct hone__feature_space {
    size_t size, classes;
    double *whitening; /* (size, size) inverse of the Cholesky factor, lower triangular */
    double *means;     /* (classes, size), whitened */
    bool *is_empty;    /* (classes) */
} hone__feature_space;

/* How the covariance is kept invertible. */
typedef enum hone__shrinkage {
    HONE__RIDGE,      /* a hundredth of the mean variance is added to each */
    HONE__LEDOIT_WOLF /* the mix with the mean variance that comes nearest to the truth: for few samples */
} hone__shrinkage;

/* From labelled features (count, size). */
hone_status hone__feature_space_fit(hone__feature_space *out, const float *features, const int32_t *labels,
                                    size_t count, size_t size, size_t classes, hone__shrinkage shrinkage,
                                    hone_error *err);
/* Room for all of it, zeroed; to be filled from a file. */
hone_status hone__feature_space_init(hone__feature_space *out, size_t size, size_t classes, hone_error *err);
void hone__feature_space_release(hone__feature_space *space);
/* scratch: size doubles. */
double hone__feature_space_distance(const hone__feature_space *space, const float *feature, double *scratch);

#endif
