/* SPDX-License-Identifier: Apache-2.0
 *
 * What a classifier is worth: scores of its predictions, how far its probabilities can be believed, how it bears bad
 * pictures, and whether another one is better. All of it is computed from predictions that hone_evaluate filled in. */
#ifndef HONE_EVALUATE_H
#define HONE_EVALUATE_H

#include <hone/data.h>
#include <hone/model.h>
#include <hone/train.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- calibration ----------------------------------------------------------------------------------------------- */

enum { HONE_CALIBRATION_BINS = 15 };

/* Samples whose confidence (the largest probability) lies in ((i) / bins, (i + 1) / bins]. */
typedef struct hone_calibration_bin {
    size_t count;
    double confidence, accuracy; /* means over them; 0 where there are none */
} hone_calibration_bin;

typedef struct hone_calibration {
    double ece, mce; /* expected and maximum calibration error: |accuracy - confidence| of the bins */
    double brier;    /* mean over samples of the sum of squares of probabilities minus one-hot labels: 0 … 2 */
    double log_loss; /* mean of -log of the probability of the label */
    hone_calibration_bin bins[HONE_CALIBRATION_BINS];
} hone_calibration;

/* The temperature T > 0 (Guo et al. 2017) that minimises the log loss of softmax(log(p) / T), which is softmax of the
 * logits divided by T; above 1 the model was too sure. probabilities are (samples, outputs) that add up to 1, or one
 * column: a sigmoid's, whose logit is divided likewise. Labels without mistakes, or a model without right answers, have no
 * finite optimum: T then stays within 0.01 and 100. */
HONE_API hone_status hone_temperature_fit(double *temperature, const float *probabilities, const int32_t *labels,
                                          size_t samples, size_t outputs, hone_error *err);
/* In place. The order of the classes does not change. */
HONE_API void hone_temperature_apply(double temperature, float *probabilities, size_t samples, size_t outputs);

/* What a model carries along: the record "calibration". 1 where it has none. */
HONE_API double hone_model_temperature(const hone_model *model);
/* To be called after a model was trained further: its temperature was that of other weights. */
HONE_API hone_status hone_model_forget_temperature(hone_model *model, hone_error *err);

/* ---- predictions in words -------------------------------------------------------------------------------------- */

typedef struct hone_prediction {
    size_t index;      /* of the class */
    double confidence; /* its probability */
} hone_prediction;

/* Of one row of outputs; one output alone is the probability of class 1. */
HONE_API hone_prediction hone_prediction_of(const float *scores, size_t outputs);
/* {"file", "class", "index", "confidence", "probabilities", "unknown"}: what hone predict and hone serve answer of a picture;
 * unknown is what the model's rejection says (<hone/anomaly.h>). top > 0: and "top", the most likely so many classes.
 * class_names has as many as there are outputs, and two where there is one; NULL, or NULL in it: the number is the name. NULL
 * where memory is out. */
HONE_API hone_value *hone_prediction_value(const char *const *class_names, const char *file, const float *scores,
                                           size_t outputs, bool unknown, size_t top);

/* ---- scores ---------------------------------------------------------------------------------------------------- */

/* One class against the rest. Where a quotient is 0 / 0 it is 0, as scikit-learn's zero_division=0; areas then are NaN. */
typedef struct hone_class_scores {
    size_t support, predicted, correct; /* samples of the class; samples said to be; both */
    double precision, recall, f1_score;
    double auc;    /* area under the ROC curve, ties counting half */
    double pr_auc; /* average precision: the sum of precision times the step in recall, no interpolation */
} hone_class_scores;

typedef struct hone_average {
    double precision, recall, f1_score;
} hone_average;

typedef struct hone_scores {
    size_t samples, classes; /* one output: two classes */
    size_t correct;
    double accuracy, accuracy_low, accuracy_high; /* 95 % Wilson interval */
    size_t k;
    double top_k_accuracy;        /* the label is among the k largest outputs; ties are for it, as in Keras */
    hone_average macro, weighted; /* over the classes that occur or are predicted; by support */
    double auc, pr_auc;           /* means over the classes that have one; NaN where none has */
    hone_class_scores *per_class; /* (classes) */
    uint64_t *confusion; /* (classes, classes), labels by predictions; NULL beyond HONE_MAX_CONFUSION classes */
    hone_calibration calibration;
    int32_t *predicted; /* (samples): the first largest output; one output: whether it is above 0.5 */
    float *confidence;  /* (samples): the probability of that */
} hone_scores;

enum { HONE_MAX_CONFUSION = 1000 };

/* probabilities as above; k 1 … classes (larger: all), labels 0 … classes - 1. The caller frees. */
HONE_API hone_status hone_scores_create(hone_scores **out, const float *probabilities, const int32_t *labels,
                                        size_t samples, size_t outputs, size_t k, hone_error *err);
HONE_API void hone_scores_free(hone_scores *scores);

/* A curve of one class against the rest, both ways of drawing it, over every threshold from "nothing" to "everything". */
typedef struct hone_curve {
    size_t count;
    double *false_positive_rate, *true_positive_rate; /* (count): ROC; the second is also recall */
    double *precision;                                /* (count); where nothing is said to be of the class: 1 */
} hone_curve;

/* At most so many points, the first and last among them; HONE_ARGUMENT where the class does not occur or nothing else
 * does. */
HONE_API hone_status hone_curve_create(hone_curve *out, const float *probabilities, const int32_t *labels,
                                       size_t samples, size_t outputs, size_t class_index, size_t most,
                                       hone_error *err);
HONE_API void hone_curve_release(hone_curve *curve);

/* The indices of the wrong answers, the most confident first, at most so many; *count tells how many. The caller frees
 * with hone_mistakes_free. */
HONE_API hone_status hone_mistakes_create(uint32_t **out, size_t *count, const hone_scores *scores,
                                          const int32_t *labels, size_t most, hone_error *err);
HONE_API void hone_mistakes_free(uint32_t *mistakes);

/* ---- predictions ----------------------------------------------------------------------------------------------- */

/* hone_evaluate, and what the model said: *probabilities (samples, outputs), softmax or sigmoid applied where the loss is
 * from_logits; not calibrated. HONE_UNSUPPORTED for a regression, which has no classes. The caller frees with
 * hone_predictions_free. */
HONE_API hone_status hone_evaluate_predictions(hone_evaluation *out, float **probabilities, hone_model *model,
                                               const hone_dataset *data, const hone_evaluate_config *config,
                                               hone_error *err);
HONE_API void hone_predictions_free(float *probabilities);

/* Fits the temperature on samples the model was not trained on (indices NULL: all of data) and makes it the model's. before
 * and after (may be NULL) are measured on those samples, so after flatters; measure on others. */
HONE_API hone_status hone_model_calibrate(hone_model *model, const hone_dataset *data,
                                          const hone_evaluate_config *config, hone_calibration *before,
                                          hone_calibration *after, hone_error *err);

/* ---- bad pictures ---------------------------------------------------------------------------------------------- */

/* X(name, word, what the amount is). */
#define HONE_CORRUPTION_MAP(X)                                                                                         \
    X(NOISE, "noise", "standard deviation of Gaussian noise, of the range")                                            \
    X(BLUR, "blur", "standard deviation of a Gaussian, of the shorter side")                                           \
    X(SHIFT, "shift", "distance moved, in any direction, of the shorter side")                                         \
    X(ROTATION, "rotation", "degrees turned, either way")                                                              \
    X(CONTRAST, "contrast", "share of the contrast taken away")                                                        \
    X(OCCLUSION, "occlusion", "share of the picture behind a grey square, anywhere")

typedef enum hone_corruption {
#define HONE_CORRUPTION_ENUM(name, word, meaning) HONE_CORRUPTION_##name,
    HONE_CORRUPTION_MAP(HONE_CORRUPTION_ENUM)
#undef HONE_CORRUPTION_ENUM
        HONE_CORRUPTIONS
} hone_corruption;

enum { HONE_CORRUPTION_LEVELS = 5 };

/* As in the table above; the amount in the unit that its meaning tells. */
HONE_API const char *hone_corruption_word(hone_corruption corruption);
HONE_API const char *hone_corruption_meaning(hone_corruption corruption);
HONE_API double hone_corruption_amount(hone_corruption corruption, int level); /* 1 … 5; 0: 0 */

/* out becomes in (height, width, channels), corrupted; what is random is a function of (seed, corruption, index). scratch:
 * room for 2 * height * width * channels floats. in is not out. */
HONE_API void hone_corrupt(hone_corruption corruption, int level, uint64_t seed, uint64_t index,
                           const unsigned char *in, int height, int width, int channels, unsigned char *out,
                           float *scratch);

typedef struct hone_robustness {
    size_t samples;
    double clean;
    double accuracy[HONE_CORRUPTIONS][HONE_CORRUPTION_LEVELS];
    double mean; /* over all corruptions and levels */
} hone_robustness;

/* The accuracy on every corruption of data; config as for hone_evaluate (indices are not taken). progress, which may be
 * NULL, is told the share done and cancels by false. */
HONE_API hone_status hone_robustness_measure(hone_robustness *out, hone_model *model, const hone_dataset *data,
                                             const hone_evaluate_config *config, uint64_t seed,
                                             bool (*progress)(void *context, double fraction), void *context,
                                             hone_error *err);

/* ---- comparing two models -------------------------------------------------------------------------------------- */

typedef struct hone_comparison {
    size_t both, only_first, only_second, neither; /* answered rightly */
    /* McNemar's exact test, two-sided: how likely so unequal a share of the disagreements is between models that are
     * equally good. */
    double p_value;
    uint32_t *changed; /* (changed_count): samples on which their answers differ, ascending */
    size_t changed_count;
} hone_comparison;

/* Of scores on the same samples; the second model's labels must be the first one's. */
HONE_API hone_status hone_comparison_create(hone_comparison *out, const hone_scores *first, const hone_scores *second,
                                            const int32_t *labels, hone_error *err);
HONE_API void hone_comparison_release(hone_comparison *comparison);
/* Of McNemar's test for these numbers of disagreements. */
HONE_API double hone_mcnemar_exact(size_t only_first, size_t only_second);

/* ---- showing it ------------------------------------------------------------------------------------------------ */

/* Everything that was measured; NULL: was not, and is left out. */
typedef struct hone_evaluation_page {
    const char *model_name, *data_name;
    const hone_model *model; /* class names, provenance, the history of its training */
    const hone_dataset *data;
    const hone_evaluation *evaluation;
    const hone_scores *scores;
    const float *probabilities; /* what scores were made of: for the curves; may be NULL */
    size_t outputs;             /* of them per sample; 0: the model's */
    double temperature;
    const hone_calibration *uncalibrated; /* where temperature is not 1 */
    const hone_robustness *robustness;
    const char *other_name; /* the model compared with */
    const hone_scores *other;
    const hone_comparison *comparison;
    size_t pictures; /* most in a gallery */
} hone_evaluation_page;

/* One self-contained HTML file. Atomic. */
HONE_API hone_status hone_evaluation_write_html(const hone_evaluation_page *page, const char *path, hone_error *err);
/* The confusion matrix as a picture. HONE_UNSUPPORTED in a build without Cairo. Atomic. */
HONE_API hone_status hone_confusion_write_png(const hone_scores *scores, const char *const *names, const char *path,
                                              hone_error *err);

#ifdef __cplusplus
}
#endif
#endif
