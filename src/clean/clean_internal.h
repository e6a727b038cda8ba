/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of this folder share. The one idea: reading and measuring fill in plain tables, one row per sample; each
 * detector reads tables and adds findings. Detectors do not know each other. */
#ifndef HONE_CLEAN_INTERNAL_H
#define HONE_CLEAN_INTERNAL_H

#include <hone/clean.h>

#include <stdbool.h>

enum {
    HONE_CLEAN_PARTS = 3,
    HONE_CLEAN_PATH = 4096,       /* the longest path of a folder with a catalog */
    HONE_CLEAN_MODEL_SIDE = 32,   /* longer sides are shrunk to this for the models and for comparing pixels */
    HONE_CLEAN_KEPT_SIDE = 40,    /* up to this they are taken as they are */
    HONE_CLEAN_MEASURE_SIDE = 256 /* sharpness and noise are measured at this size at most, so that they compare */
};

/* ---- tables ---------------------------------------------------------------------------------------------------- */

/* One sample as it is stored. */
typedef struct hone__sample {
    int height, width;
    float low, high;          /* 1st and 99th percentile of the luma, 0 … 255 */
    float range;              /* 99.5th less 0.5th percentile */
    float sharpness;          /* variance of the Laplacian / variance of the pixels; NaN: too small or flat */
    float noise;              /* standard deviation; NaN likewise */
    unsigned char sha256[32]; /* of size and pixels; zero: unknown */
    const char *format;       /* where the name's extension says another: what the contents are; else NULL */
} hone__sample;

/* A train, validation or test part. data holds small copies (see HONE_CLEAN_MODEL_SIDE). */
typedef struct hone__part_tables {
    hone_dataset *data; /* NULL: the source has no such part */
    hone__sample *samples;
    float *probabilities; /* (samples, classes), out of fold; NULL: no models */
    float *distances;     /* (samples) robust z-scores in feature space; NULL: no models */
} hone__part_tables;

typedef struct hone__bad_file {
    char *path, *reason;
    int part;
} hone__bad_file;

struct hone_clean_report {
    char *source, *description;
    char *catalog; /* the catalog's file; NULL: hone.db where the source lies */
    hone__part_tables parts[HONE_CLEAN_PARTS];
    hone__bad_file *bad_files;
    size_t bad_count, bad_capacity;
    hone_finding *findings;
    size_t count, capacity;
    size_t counts[HONE_FINDING_KINDS];
    size_t *class_counts; /* (parts, classes) */
    size_t classes;
    int channels;
    hone_clean_summary summary;
};

/* A run in progress: what every step gets. */
typedef struct hone__clean_run {
    hone_clean_report *report;
    const hone_clean_config *config;
    double from, to; /* the step's share of the whole, for progress */
    const char *step;
} hone__clean_run;

static inline bool hone__is_wanted(const hone__clean_run *run, hone_finding_kind kind) {
    return (run->config->kinds >> kind & 1) != 0;
}

/* Begins a step that takes the whole from its former end to `to`; HONE_CANCELLED when the caller says so. */
hone_status hone__clean_step(hone__clean_run *run, const char *step, double to, hone_error *err);
/* fraction of the step. */
hone_status hone__clean_advance(hone__clean_run *run, double fraction, hone_error *err);

/* ---- findings -------------------------------------------------------------------------------------------------- */

const char *hone__part_word(int part); /* "train", "validation", "test" */
/* The file that a path names; NULL for NULL and for "FILE#INDEX", an image inside a packed file. */
const char *hone__file_of(const char *path);
/* A finding about sample index of part: split, index, path and label are filled in; reason is formatted. */
hone_status hone__add_finding(hone__clean_run *run, hone_finding_kind kind, int part, int64_t index, double score,
                              double value, hone_error *err, const char *reason, ...) HONE_PRINTF(8, 9);
/* The other picture of the finding added last. */
void hone__set_other(hone__clean_run *run, int part, int64_t index);
void hone__set_suggested(hone__clean_run *run, size_t class_index);

/* ---- steps ----------------------------------------------------------------------------------------------------- */

/* Opens every part of the source (small copies) and collects files that cannot be decoded. */
hone_status hone__clean_read(hone__clean_run *run, hone_error *err);
/* Fills in the sample tables: from the files where the samples are files, else from the pixels. */
hone_status hone__clean_measure(hone__clean_run *run, hone_error *err);
hone_status hone__find_bad_quality(hone__clean_run *run, hone_error *err);
hone_status hone__find_duplicates(hone__clean_run *run, hone_error *err);
/* Trains the models and fills in probabilities and distances. */
hone_status hone__clean_ask_models(hone__clean_run *run, hone_error *err);
hone_status hone__find_label_errors(hone__clean_run *run, hone_error *err);
hone_status hone__find_outliers(hone__clean_run *run, hone_error *err);
/* Class sizes, mean and standard deviation of the training part, imbalance. */
hone_status hone__clean_statistics(hone__clean_run *run, hone_error *err);

/* ---- arithmetic ------------------------------------------------------------------------------------------------ */

/* Median and 1.4826 times the median absolute deviation of the finite ones of values; scale 0 where more than half are the
 * same. values is left as it is. */
typedef struct hone__robust {
    double median, scale;
} hone__robust;
hone_status hone__robust_fit(hone__robust *out, const float *values, size_t count, hone_error *err);
/* Distance from the median in units of scale; ±infinity where the scale is 0 and the value is not the median. */
double hone__robust_score(const hone__robust *robust, double value);

/* Confident learning (Northcutt, Jiang, Chuang: "Confident learning: estimating uncertainty in dataset labels", JAIR
 * 2021), pruned by noise rate. */
typedef struct hone__confident {
    size_t *expected; /* (classes) how many of the samples with that label are wrong */
    double noise;     /* their share of all */
} hone__confident;
hone_status hone__confident_learn(hone__confident *out, const float *probabilities, const int32_t *labels,
                                  size_t samples, size_t classes, hone_error *err);

#endif
