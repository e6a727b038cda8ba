/* SPDX-License-Identifier: Apache-2.0
 *
 * What ImageDataGenerator.fit learns from the training pictures: means and deviations per channel, and the matrix of ZCA
 * whitening.
 *
 * Means and deviations come from sums of bytes, which are exact. The covariance is added up in double over stretches of
 * pictures whose products are made in float, in an order that does not depend on the threads. */
#include "augment_internal.h"
#include "data_internal.h"
#include "eigen.h"
#include "kernels.h"

#include <math.h>
#include <string.h>

enum {
    STRETCH = 128, /* pictures of one float product */
    ROWS = 64      /* of one piece of the matrix */
};

bool hone_augmentation_normalizes(const hone_augmentation *a) {
    const hone__normalize_settings *s = hone__augment_normalization(a);
    return s->featurewise_center || s->featurewise_std_normalization || s->samplewise_center ||
           s->samplewise_std_normalization || s->zca_whitening || s->rescale > 0;
}

/* ---- means and deviations -------------------------------------------------------------------------------------- */

/* The training pictures, and what each pixel becomes before the data's own statistics are taken: pixel * scale, less the
 * picture's own where our dialect says so (Keras' statistics leave that out). */
typedef struct sample_set {
    const hone_dataset *data;
    const uint32_t *indices;
    size_t count, size, channels;
    double scale;
    bool centers, scales; /* each picture */
    hone_threads *threads;
    unsigned char *block; /* a stretch of pictures that are fetched; NULL: they are in memory */
    size_t block_first;
} sample_set;

/* Fetches the count pictures (a stretch, at most) from first on, where they are not in memory. */
static hone_status begin_stretch(sample_set *set, size_t first, size_t count, hone_error *err) {
    if (!set->block) return HONE_OK;
    set->block_first = first;
    hone__dataset_expect(set->data, set->indices ? set->indices + first : NULL, first, count);
    return hone__dataset_gather(set->threads, set->data, set->indices ? set->indices + first : NULL, first, count,
                                set->block, err);
}

static size_t stretch_at(const sample_set *set, size_t first) {
    return set->count - first < STRETCH ? set->count - first : STRETCH;
}

/* Of the stretch that was begun last. */
static const unsigned char *picture_at(const sample_set *set, size_t i) {
    if (set->block) return set->block + (i - set->block_first) * set->size;
    return hone_dataset_image(set->data, set->indices ? set->indices[i] : i);
}

/* A pixel of this picture is pixel * a + b. */
static void picture_line(const sample_set *set, const uint64_t *sums, const uint64_t *squares, double *a, double *b) {
    *a = set->scale;
    *b = 0;
    if (!set->centers) return;
    double sum = 0, square = 0, n = (double)set->size;
    for (size_t c = 0; c < set->channels; c++) {
        sum += (double)sums[c];
        square += (double)squares[c];
    }
    double mean = sum / n, variance = square / n - mean * mean;
    if (set->scales && n * square > sum * sum) *a /= sqrt(variance > 0 ? variance : 0) * set->scale + 1e-6;
    *b = -mean * *a;
}

static void picture_sums(const sample_set *set, const unsigned char *picture, uint64_t *sums, uint64_t *squares) {
    memset(sums, 0, HONE_MAX_CHANNELS * sizeof *sums);
    memset(squares, 0, HONE_MAX_CHANNELS * sizeof *squares);
    for (size_t i = 0; i < set->size; i += set->channels)
        for (size_t c = 0; c < set->channels; c++) {
            sums[c] += picture[i + c];
            squares[c] += (uint64_t)picture[i + c] * picture[i + c];
        }
}

static hone_status channel_statistics(sample_set *set, double *mean, double *std, hone_error *err) {
    double totals[HONE_MAX_CHANNELS] = {0}, squared[HONE_MAX_CHANNELS] = {0};
    double pixels = (double)(set->size / set->channels);
    for (size_t i = 0; i < set->count; i++) {
        uint64_t sums[HONE_MAX_CHANNELS], squares[HONE_MAX_CHANNELS];
        double a, b;
        if (i % STRETCH == 0) HONE_TRY(begin_stretch(set, i, stretch_at(set, i), err));
        picture_sums(set, picture_at(set, i), sums, squares);
        picture_line(set, sums, squares, &a, &b);
        for (size_t c = 0; c < set->channels; c++) {
            double sum = (double)sums[c], square = (double)squares[c];
            totals[c] += a * sum + b * pixels;
            squared[c] += a * a * square + 2 * a * b * sum + b * b * pixels;
        }
    }
    for (size_t c = 0; c < set->channels; c++) {
        double n = pixels * (double)set->count, variance;
        mean[c] = totals[c] / n;
        variance = squared[c] / n - mean[c] * mean[c];
        std[c] = sqrt(variance > 0 ? variance : 0);
    }
    return HONE_OK;
}

/* ---- whitening ------------------------------------------------------------------------------------------------- */

typedef struct whitening {
    sample_set *set;
    const double *mean;
    size_t first, count; /* the stretch */
    float *pictures;     /* (STRETCH, size) */
    double *covariance;  /* (size, size) */
    float *products;     /* (workers, ROWS, size) */
    float *scratch;      /* (workers, scratch_size) for the products */
    size_t scratch_size;
    float *matrix; /* (size, size): the result */
} whitening;

static void convert_piece(void *context, int worker, size_t i) {
    const whitening *w = context;
    const sample_set *set = w->set;
    (void)worker;
    const unsigned char *picture = picture_at(set, w->first + i);
    uint64_t sums[HONE_MAX_CHANNELS], squares[HONE_MAX_CHANNELS];
    double a, b;
    picture_sums(set, picture, sums, squares);
    picture_line(set, sums, squares, &a, &b);
    float *out = w->pictures + i * set->size;
    for (size_t k = 0; k < set->size; k++) out[k] = (float)(a * picture[k] + b - w->mean[k % set->channels]);
}

static void covariance_piece(void *context, int worker, size_t piece) {
    const whitening *w = context;
    size_t n = w->set->size, first = piece * ROWS, rows = n - first < ROWS ? n - first : ROWS;
    float *product = w->products + (size_t)worker * ROWS * n;
    const hone_gemm g = {.m = rows,
                         .n = n,
                         .k = w->count,
                         .a = w->pictures + first,
                         .b = w->pictures,
                         .c = product,
                         .lda = n,
                         .ldb = n,
                         .ldc = n,
                         .a_transposed = true};
    hone__kernels()->gemm(&g, w->scratch + (size_t)worker * w->scratch_size);
    double *sum = w->covariance + first * n;
    for (size_t i = 0; i < rows * n; i++) sum[i] += (double)product[i];
}

/* matrix = V^T V of the scaled eigenvectors, which lie in pictures as floats. */
static void matrix_piece(void *context, int worker, size_t piece) {
    const whitening *w = context;
    size_t n = w->set->size, first = piece * ROWS, rows = n - first < ROWS ? n - first : ROWS;
    const hone_gemm g = {.m = rows,
                         .n = n,
                         .k = n,
                         .a = w->pictures + first,
                         .b = w->pictures,
                         .c = w->matrix + first * n,
                         .lda = n,
                         .ldb = n,
                         .ldc = n,
                         .a_transposed = true};
    hone__kernels()->gemm(&g, w->scratch + (size_t)worker * w->scratch_size);
}

static hone_status whiten_allocate(whitening *w, hone_threads *threads, hone_error *err) {
    size_t n = w->set->size, workers = (size_t)hone_threads_count(threads), most = n > STRETCH ? n : STRETCH;
    const hone_gemm g = {.m = ROWS, .n = n, .k = most, .a_transposed = true};
    w->scratch_size = (hone__kernels()->gemm_scratch(&g) + 15) / 16 * 16;
    w->pictures = hone__alloc(most * n, sizeof *w->pictures);
    w->covariance = hone__alloc(n * n, sizeof *w->covariance);
    w->products = hone__alloc(workers * ROWS * n, sizeof *w->products);
    w->scratch = hone__alloc(workers * w->scratch_size, sizeof *w->scratch);
    w->matrix = hone__alloc(n * n, sizeof *w->matrix);
    if (w->pictures && w->covariance && w->products && w->scratch && w->matrix) return HONE_OK;
    return hone__fail_memory(err, n * n * sizeof(double), "whitening");
}

/* How much a direction of this variance is stretched. Keras from 2.9 on divides by the singular value of the data plus
 * epsilon, before that (and we) by the root of the variance plus epsilon. */
static double stretch_of(const hone_augmentation *a, double sum_of_squares, size_t count) {
    double epsilon = hone__augment_normalization(a)->zca_epsilon;
    double positive = sum_of_squares > 0 ? sum_of_squares : 0;
    if (a->is_keras && !a->keras.old_dialect) return sqrt((double)count) / (sqrt(positive) + epsilon);
    return 1 / sqrt(positive / (double)count + epsilon);
}

static hone_status whiten(whitening *w, const hone_augmentation *a, double *values, hone_threads *threads,
                          hone_error *err) {
    const sample_set *set = w->set;
    size_t n = set->size, pieces = (n + ROWS - 1) / ROWS;
    HONE_TRY(whiten_allocate(w, threads, err));
    for (w->first = 0; w->first < set->count; w->first += w->count) {
        w->count = stretch_at(set, w->first);
        HONE_TRY(begin_stretch(w->set, w->first, w->count, err));
        hone__threads_run(threads, convert_piece, w, w->count);
        hone__threads_run(threads, covariance_piece, w, pieces);
    }
    HONE_TRY(hone__symmetric_eigen(w->covariance, n, values, threads, err));
    for (size_t k = 0; k < n; k++) {
        double root = sqrt(stretch_of(a, values[k], set->count));
        for (size_t i = 0; i < n; i++) w->pictures[k * n + i] = (float)(root * w->covariance[k * n + i]);
    }
    hone__threads_run(threads, matrix_piece, w, pieces);
    return HONE_OK;
}

static hone_status fit_whitening(hone_normalization *out, const hone_augmentation *a, sample_set *set,
                                 hone_threads *threads, hone_error *err) {
    if (set->size > HONE_MAX_WHITENING)
        HONE_FAIL(err, HONE_LIMIT,
                  "zca_whitening: pictures have %zu values, at most %d are possible (time grows with their cube); make "
                  "the pictures smaller",
                  set->size, HONE_MAX_WHITENING);
    whitening w = {.set = set, .mean = out->mean};
    double *values = hone__alloc(set->size, sizeof *values);
    hone_status status = values ? whiten(&w, a, values, threads, err) : hone__fail_memory(err, set->size, "whitening");
    if (status == HONE_OK) {
        out->whitening = w.matrix;
        out->size = set->size;
    } else {
        hone__free(w.matrix);
    }
    hone__free(values);
    hone__free(w.pictures);
    hone__free(w.covariance);
    hone__free(w.products);
    hone__free(w.scratch);
    return status;
}

/* ---- all of it ------------------------------------------------------------------------------------------------- */

hone_status hone_normalization_fit(hone_normalization *out, const hone_augmentation *a, const hone_dataset *data,
                                   const uint32_t *indices, size_t count, double scale, hone_threads *threads,
                                   hone_error *err) {
    const hone__normalize_settings *s = hone__augment_normalization(a);
    *out = (hone_normalization){.samplewise_center = s->samplewise_center,
                                .samplewise_std_normalization = s->samplewise_std_normalization,
                                .scale = scale};
    if (a->is_keras) out->scale = s->rescale > 0 ? s->rescale : 1;
    for (int c = 0; c < HONE_MAX_CHANNELS; c++) out->std[c] = 1;
    if (!s->featurewise_center) return HONE_OK;
    sample_set set = {.data = data,
                      .indices = indices,
                      .count = indices ? count : hone_dataset_samples(data),
                      .channels = (size_t)hone_dataset_channels(data),
                      .scale = out->scale,
                      .threads = threads,
                      .centers = !a->is_keras && s->samplewise_center,
                      .scales = s->samplewise_std_normalization};
    set.size = (size_t)hone_dataset_height(data) * (size_t)hone_dataset_width(data) * set.channels;
    if (set.count == 0) HONE_FAIL(err, HONE_ARGUMENT, "there are no pictures to take means and deviations of");
    if (hone__dataset_is_fetched(data)) {
        set.block = hone__alloc(STRETCH, set.size);
        if (!set.block) return hone__fail_memory(err, STRETCH * set.size, "pictures");
    }
    out->featurewise = true;
    hone_status status = channel_statistics(&set, out->mean, out->std, err);
    for (size_t c = 0; c < set.channels; c++) out->std[c] = s->featurewise_std_normalization ? out->std[c] + 1e-6 : 1;
    if (status == HONE_OK && s->zca_whitening) status = fit_whitening(out, a, &set, threads, err);
    hone__free(set.block);
    return status;
}

void hone_normalization_release(hone_normalization *n) {
    hone__free(n->whitening);
    *n = (hone_normalization){0};
}
