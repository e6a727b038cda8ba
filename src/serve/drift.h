/* SPDX-License-Identifier: Apache-2.0
 *
 * The histograms that drift is told by: filled from the validation part at the end of training (model_statistics.c),
 * and from requests while serving (serve_drift.c), by the same functions. */
#ifndef HONE_DRIFT_H
#define HONE_DRIFT_H

#include <hone/model.h>

enum { HONE_DRIFT_BINS = 16 };
#define HONE_STATISTICS_RECORD "statistics"

typedef enum hone__drift_feature {
    HONE_DRIFT_MEAN,       /* brightness of a picture */
    HONE_DRIFT_STD,        /* contrast */
    HONE_DRIFT_PIXEL,      /* single pixels, a few of each picture */
    HONE_DRIFT_CLASS,      /* the class predicted */
    HONE_DRIFT_CONFIDENCE, /* how sure of it the model was */
    HONE_DRIFT_FEATURES
} hone__drift_feature;

const char *hone__drift_name(hone__drift_feature feature);

typedef struct hone__drift_counts {
    uint64_t *counts[HONE_DRIFT_FEATURES];
    size_t bins[HONE_DRIFT_FEATURES];
    uint64_t samples; /* of which outputs were counted */
} hone__drift_counts;

hone_status hone__drift_counts_init(hone__drift_counts *c, size_t outputs, hone_error *err);
void hone__drift_counts_release(hone__drift_counts *c);
/* A picture of size bytes; a row of outputs. */
void hone__drift_count_pixels(hone__drift_counts *c, const unsigned char *pixels, size_t size);
void hone__drift_count_output(hone__drift_counts *c, const float *row, size_t outputs);

/* What came in and went out of late, beside what it was when the model was trained. Used from several threads. */
typedef struct hone__drift hone__drift;

hone_status hone__drift_create(hone__drift **out, const hone_model *model, hone_error *err);
void hone__drift_free(hone__drift *d);
/* n pictures, or n rows of inputs (float32 of any alignment), and the answers to them (each at the begin of row
 * floats). */
void hone__drift_pixels(hone__drift *d, const unsigned char *pixels, size_t n);
void hone__drift_inputs(hone__drift *d, const void *rows, size_t n);
void hone__drift_outputs(hone__drift *d, const float *outputs, size_t row, size_t n);
bool hone__drift_has_reference(const hone__drift *d);
/* The population stability index against the reference; NaN while too little was seen or there is no reference. */
double hone__drift_psi(hone__drift *d, hone__drift_feature feature);

#endif
