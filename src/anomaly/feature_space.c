/* SPDX-License-Identifier: Apache-2.0
 *
 * How far a sample is from everything known, in a model's feature space: the Mahalanobis distance to the nearest class
 * mean (Lee, Lee, Lee, Shin: "A simple unified framework for detecting out-of-distribution samples", NeurIPS 2018).
 *
 * One covariance is common to all classes. Features are whitened by the inverse of its Cholesky factor once, then
 * distances are plain. */
#include "feature_space.h"

#include "core_internal.h"

#include <math.h>
#include <string.h>

/* Part of the mean variance that is added to each: features may be dead (always 0) or few. */
static const double RIDGE = 0.01;

void hone__feature_space_release(hone__feature_space *s) {
    hone__free(s->whitening);
    hone__free(s->means);
    hone__free(s->is_empty);
    memset(s, 0, sizeof *s);
}

static void sum_means(hone__feature_space *s, double *counts, const float *features, const int32_t *labels,
                      size_t count) {
    size_t size = s->size;
    for (size_t i = 0; i < count; i++) {
        double *mean = s->means + (size_t)labels[i] * size;
        for (size_t j = 0; j < size; j++) mean[j] += (double)features[i * size + j];
        counts[labels[i]]++;
    }
    for (size_t k = 0; k < s->classes; k++) {
        s->is_empty[k] = counts[k] == 0;
        for (size_t j = 0; j < size && counts[k] > 0; j++) s->means[k * size + j] /= counts[k];
    }
}

/* Mixes the covariance (lower half) with the mean variance (Ledoit, Wolf: "A well-conditioned estimator for
 * large-dimensional covariance matrices", 2004): squares is the sum over samples of the fourth power of their
 * length. */
static void mix_ledoit_wolf(double *covariance, size_t size, size_t count, double mean_variance, double squares) {
    double norm = 0, p = (double)size, n = (double)count;
    for (size_t j = 0; j < size; j++)
        for (size_t k = 0; k <= j; k++) norm += (j == k ? 1 : 2) * covariance[j * size + k] * covariance[j * size + k];
    double spread = norm / p - mean_variance * mean_variance, error = (squares / n - norm) / (n * p);
    double share = spread > 0 ? fmin(fmax(error / spread, 0), 1) : 1;
    for (size_t j = 0; j < size; j++) {
        for (size_t k = 0; k <= j; k++) covariance[j * size + k] *= 1 - share;
        covariance[j * size + j] += share * mean_variance;
    }
}

/* The lower half of the covariance around the class means, kept invertible. */
static void fill_covariance(const hone__feature_space *s, double *covariance, double *row, const float *features,
                            const int32_t *labels, size_t count, hone__shrinkage shrinkage) {
    size_t size = s->size;
    double trace = 0, squares = 0;
    for (size_t i = 0; i < count; i++) {
        const double *mean = s->means + (size_t)labels[i] * size;
        double length = 0;
        for (size_t j = 0; j < size; j++) row[j] = (double)features[i * size + j] - mean[j];
        for (size_t j = 0; j < size; j++) {
            if (row[j] == 0) continue;
            length += row[j] * row[j];
            for (size_t k = 0; k <= j; k++) covariance[j * size + k] += row[j] * row[k];
        }
        squares += length * length;
    }
    for (size_t j = 0; j < size * size; j++) covariance[j] /= (double)count;
    for (size_t j = 0; j < size; j++) trace += covariance[j * size + j];
    double variance = trace / (double)size;
    if (shrinkage == HONE__LEDOIT_WOLF) mix_ledoit_wolf(covariance, size, count, variance, squares);
    double ridge = shrinkage == HONE__RIDGE ? RIDGE * variance : 0;
    for (size_t j = 0; j < size; j++) covariance[j * size + j] += ridge + 1e-12;
}

/* In place: the Cholesky factor. The ridge keeps the pivots above zero. */
static void factorize(double *a, size_t size) {
    for (size_t j = 0; j < size; j++) {
        for (size_t k = 0; k <= j; k++) {
            double sum = a[j * size + k];
            for (size_t m = 0; m < k; m++) sum -= a[j * size + m] * a[k * size + m];
            a[j * size + k] = j == k ? sqrt(fmax(sum, 1e-12)) : sum / a[k * size + k];
        }
    }
}

/* inverse (zeroed) becomes the inverse of the lower triangular a. */
static void invert(double *inverse, const double *a, size_t size) {
    for (size_t k = 0; k < size; k++) {
        inverse[k * size + k] = 1 / a[k * size + k];
        for (size_t j = k + 1; j < size; j++) {
            double sum = 0;
            for (size_t m = k; m < j; m++) sum -= a[j * size + m] * inverse[m * size + k];
            inverse[j * size + k] = sum / a[j * size + j];
        }
    }
}

static double whiten_at(const hone__feature_space *s, const double *vector, size_t j) {
    const double *row = s->whitening + j * s->size;
    double sum = 0;
    for (size_t k = 0; k <= j; k++) sum += row[k] * vector[k];
    return sum;
}

hone_status hone__feature_space_init(hone__feature_space *s, size_t size, size_t classes, hone_error *err) {
    *s = (hone__feature_space){.size = size, .classes = classes};
    size_t square, means;
    if (!hone__multiply(size, size, &square) || !hone__multiply(classes, size, &means))
        HONE_FAIL(err, HONE_LIMIT, "a feature space of %zu features and %zu classes", size, classes);
    s->whitening = hone__alloc(square, sizeof *s->whitening);
    s->means = hone__alloc(means, sizeof *s->means);
    s->is_empty = hone__alloc(classes, sizeof *s->is_empty);
    if (s->whitening && s->means && s->is_empty) return HONE_OK;
    hone__feature_space_release(s);
    return hone__fail_memory(err, (square + means) * sizeof(double), "a feature space");
}

hone_status hone__feature_space_fit(hone__feature_space *s, const float *features, const int32_t *labels, size_t count,
                                    size_t size, size_t classes, hone__shrinkage shrinkage, hone_error *err) {
    HONE_TRY(hone__feature_space_init(s, size, classes, err));
    double *covariance = hone__alloc(size * size, sizeof *covariance), *row = hone__alloc(size, sizeof *row);
    double *counts = hone__alloc(classes, sizeof *counts);
    bool ok = covariance && row && counts;
    if (ok) {
        sum_means(s, counts, features, labels, count);
        fill_covariance(s, covariance, row, features, labels, count, shrinkage);
        factorize(covariance, size);
        invert(s->whitening, covariance, size);
        for (size_t k = 0; k < classes; k++) {
            memcpy(row, s->means + k * size, size * sizeof *row);
            for (size_t j = 0; j < size; j++) s->means[k * size + j] = whiten_at(s, row, j);
        }
    } else {
        hone__feature_space_release(s);
    }
    hone__free(covariance);
    hone__free(row);
    hone__free(counts);
    return ok ? HONE_OK : hone__fail_memory(err, size * size * sizeof(double), "a feature space");
}

double hone__feature_space_distance(const hone__feature_space *s, const float *feature, double *scratch) {
    size_t size = s->size;
    double nearest = INFINITY;
    for (size_t j = 0; j < size; j++) {
        const double *row = s->whitening + j * size;
        double sum = 0;
        for (size_t k = 0; k <= j; k++) sum += row[k] * (double)feature[k];
        scratch[j] = sum;
    }
    for (size_t k = 0; k < s->classes; k++) {
        if (s->is_empty[k]) continue;
        const double *mean = s->means + k * size;
        double sum = 0;
        for (size_t j = 0; j < size; j++) sum += (scratch[j] - mean[j]) * (scratch[j] - mean[j]);
        if (sum < nearest) nearest = sum;
    }
    return isfinite(nearest) ? sqrt(nearest) : 0;
}
