/* SPDX-License-Identifier: Apache-2.0
 *
 * Cleaning: what is probably wrong with a data set, as a list of findings, each with a score, the value that was
 * measured and a reason in words. Looking changes nothing; hone_clean_apply writes into the catalog what was found, and
 * hone_clean_undo takes the last application back. Pictures are never touched. */
#ifndef HONE_CLEAN_H
#define HONE_CLEAN_H

#include <hone/data.h>

#ifdef __cplusplus
extern "C" {
#endif

/* X(name, word, what it means). The word is the kind in JSON, options and reports. */
#define HONE_FINDING_MAP(X)                                                                                            \
    X(CORRUPT, "corrupt", "the file cannot be decoded: truncated, empty, or no picture that hone reads")               \
    X(EXTENSION, "extension", "the name's extension says another format than the contents")                            \
    X(SIZE, "size", "far more or far fewer pixels than the others")                                                    \
    X(ASPECT, "aspect", "far longer or far higher than the others")                                                    \
    X(UNIFORM, "uniform", "one colour, nothing to see")                                                                \
    X(DARK, "dark", "nearly nothing is brighter than dark grey")                                                       \
    X(BRIGHT, "bright", "nearly nothing is darker than light grey")                                                    \
    X(LOW_CONTRAST, "low-contrast", "all values lie close together")                                                   \
    X(BLURRY, "blurry", "no sharp edges: the variance of the Laplacian is small for so much contrast")                 \
    X(NOISY, "noisy", "much more noise than in the others")                                                            \
    X(DUPLICATE, "duplicate", "the same bytes or pixels as another picture of the part")                               \
    X(NEAR_DUPLICATE, "near-duplicate", "nearly the same pixels as another picture of the part")                       \
    X(CONFLICT, "conflict", "the same picture has two labels")                                                         \
    X(LEAK, "leak", "the same picture is in another part, too: what is measured there is flattered")                   \
    X(OUTLIER, "outlier", "unlike everything else, to the features of a model that was not trained on it")             \
    X(LABEL, "label", "models that were not trained on it are sure of another label")                                  \
    X(IMBALANCE, "imbalance", "a class with far fewer pictures than the largest")

typedef enum hone_finding_kind {
#define HONE_FINDING_ENUM(name, word, meaning) HONE_FINDING_##name,
    HONE_FINDING_MAP(HONE_FINDING_ENUM)
#undef HONE_FINDING_ENUM
        HONE_FINDING_KINDS
} hone_finding_kind;

HONE_API const char *hone_finding_word(hone_finding_kind kind);    /* "near-duplicate" */
HONE_API const char *hone_finding_meaning(hone_finding_kind kind); /* a line of words */

/* Sets of kinds: bit 1 << kind. */
enum { HONE_FINDINGS_ALL = (1 << HONE_FINDING_KINDS) - 1 };
/* "label,outlier", "all", or "all,-near-duplicate"; the words above. */
HONE_API hone_status hone_findings_parse(unsigned *kinds, const char *text, hone_error *err);

/* One finding. Strings belong to the report. */
typedef struct hone_finding {
    hone_finding_kind kind;
    const char *split; /* "train", "validation" or "test"; a set that is not divided is a train part */
    int64_t index;     /* of the sample in its part, in the order of the source; -1: a file that could not be opened,
                          or a class */
    const char *path;  /* the file, or NULL: samples of a packed file */
    const char *label; /* as given; NULL: none */
    const char *suggested;   /* LABEL: the label that the models are sure of; else NULL */
    const char *other_split; /* duplicates, conflicts and leaks: the other picture; else NULL */
    int64_t other_index;
    const char *other_path, *other_label;
    double score; /* 0 … 1: how sure, comparable within a kind */
    double value; /* what was measured, in the unit that reason names */
    const char *reason;
} hone_finding;

typedef struct hone_clean_progress {
    const char *step; /* "reading", "measuring", "comparing", "training model 2 of 3", … */
    double fraction;  /* of the whole, 0 … 1 */
} hone_clean_progress;

/* Limits are options: a picture is found where it is beyond the fixed limit and, where there is one, also beyond what is
 * usual in this data set (robust z-scores: distance from the median in units of 1.4826 times the median absolute
 * deviation), so that a set of X-rays is not all "dark". Values are of 0 … 255. */
typedef struct hone_clean_config {
    unsigned kinds;         /* what to look for; all */
    double unusual;         /* least robust z-score of measures that are also compared with the rest; 3.5 */
    double uniform_range;   /* largest range (99.5th less 0.5th percentile) of a uniform picture; 4 */
    double dark_level;      /* largest 99th percentile of a dark picture; 64 */
    double bright_level;    /* least 1st percentile of a bright one; 200 */
    double contrast_range;  /* largest range (99th less 1st percentile) of one with low contrast; 48 */
    double blur_limit;      /* largest variance of the Laplacian, divided by that of the pixels; 0.05 */
    double noise_limit;     /* least noise (standard deviation) of a noisy one; 12 */
    double size_factor;     /* side (root of the pixels) against the median, either way; 4 */
    double aspect_factor;   /* width / height against the median, either way; 2.5 */
    double near_distance;   /* largest distance of near duplicates: root mean square of the difference of the pixels,
                               each picture brought to mean 0 and variance 1; 0.1 */
    double outlier_score;   /* least robust z-score of the log distance in feature space; 4 */
    double label_margin;    /* least lead in probability of the suggested label over the given one; 0.2 */
    double imbalance_ratio; /* largest class against this one; 5 */
    int folds;              /* models for label errors and outliers, each asked about the part it has not seen; 4 */
    int epochs;             /* of each; 0: by the number of samples */
    uint64_t seed;          /* 0 */
    bool denoise;           /* the models see pictures through a 3x3 median filter, as in hone_preprocessing */
    bool download;          /* as in hone_dataset_config */
    const char *catalog;    /* as in hone_dataset_config; where --apply would write: data may lie where one must not */
    hone_threads *threads;
    bool (*progress)(void *context, const hone_clean_progress *progress); /* false cancels; may be NULL */
    void *context;
} hone_clean_config;

HONE_API hone_clean_config hone_clean_config_default(void);

typedef struct hone_clean_report hone_clean_report;

/* Looks at every part that source has (names and paths as hone_dataset_open takes them). Files that cannot be decoded
 * are findings. config NULL: defaults. The result does not depend on the number of threads. */
HONE_API hone_status hone_clean_run(hone_clean_report **out, const char *source, const hone_clean_config *config,
                                    hone_error *err);
HONE_API void hone_clean_report_free(hone_clean_report *report);

/* Sorted by kind, within a kind the highest score first. */
HONE_API size_t hone_clean_count(const hone_clean_report *report);
HONE_API const hone_finding *hone_clean_finding(const hone_clean_report *report, size_t index);
HONE_API size_t hone_clean_count_of(const hone_clean_report *report, hone_finding_kind kind);

/* What the whole looked like. */
typedef struct hone_clean_summary {
    const char *source, *description;
    size_t samples[3];      /* train, validation, test; 0: no such part */
    size_t unreadable;      /* files */
    size_t classes;         /* 0: no labels */
    int height, width;      /* most frequent size */
    int channels;           /* 1 or 3: of what mean and std are of */
    double mean[3], std[3]; /* per channel, pixels / 255, of the training part alone: normalisation statistics */
    double accuracy;    /* of the models on samples they have not seen, against the given labels; NaN: none trained */
    double label_noise; /* estimated share of wrong labels in the training part; NaN: the models cannot tell */
    double seconds;
} hone_clean_summary;
HONE_API hone_clean_summary hone_clean_summarize(const hone_clean_report *report);
HONE_API const char *hone_clean_class_name(const hone_clean_report *report, size_t index);
HONE_API size_t hone_clean_class_count(const hone_clean_report *report, size_t part, size_t index); /* samples */

/* The report as one self-contained HTML file with thumbnails (at most so many per kind; 0: 60). Atomic. */
HONE_API hone_status hone_clean_write_html(const hone_clean_report *report, const char *path, size_t per_kind,
                                           hone_error *err);

/* ---- acting on it ---------------------------------------------------------------------------------------------- */

/* What is quarantined by default: what is wrong whatever the task (corrupt, uniform, duplicates, conflicts, leaks).
 * The rest is a matter of judgement. */
enum {
    HONE_CLEAN_QUARANTINES = 1 << HONE_FINDING_CORRUPT | 1 << HONE_FINDING_UNIFORM | 1 << HONE_FINDING_DUPLICATE |
                             1 << HONE_FINDING_CONFLICT | 1 << HONE_FINDING_LEAK
};

typedef struct hone_clean_applied {
    int64_t quarantined; /* pictures newly left out */
    int64_t suspects;    /* pictures whose label is now marked as suspect in the catalog, with a suggestion */
    int64_t restored;    /* undo: pictures that are back */
    int64_t left_alone;  /* undo: changed by somebody since */
} hone_clean_applied;

/* Quarantines the pictures with findings of these kinds in the catalog of the source (made where there is none), and
 * records every finding of LABEL and OUTLIER as scores "label" and "outlier", with the suggested label: what hone label
 * sorts its queue of suspects by. One transaction: all of it or nothing. The source must lie in a folder (also a named set
 * does). The catalog is config.catalog of the run, or hone.db in that folder. */
HONE_API hone_status hone_clean_apply(const hone_clean_report *report, unsigned kinds, hone_clean_applied *applied,
                                      hone_error *err);
/* Takes the last application back that has not been taken back: statuses are what they were, scores and suggestions
 * are gone. HONE_NOT_FOUND where there is none. source and catalog as they were for the run; catalog may be NULL. */
HONE_API hone_status hone_clean_undo(const char *source, const char *catalog, hone_clean_applied *applied,
                                     hone_error *err);

#ifdef __cplusplus
}
#endif
#endif
