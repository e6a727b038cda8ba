/* SPDX-License-Identifier: Apache-2.0
 *
 * "None of the above": how strange a picture is to a classifier, and models of what is normal that know nothing else.
 *
 * A classifier answers with one of its classes, whatever it is shown. A rejection is fitted on pictures that it was not
 * trained on, travels in the model's file, and says of an answer that it had better not be given. */
#ifndef HONE_ANOMALY_H
#define HONE_ANOMALY_H

#include <hone/data.h>
#include <hone/model.h>
#include <hone/train.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- scores ------------------------------------------------------------------------------------------------------ */

/* X(name, word, what it is). The larger a score, the stranger the picture. */
#define HONE_OOD_SCORE_MAP(X)                                                                                          \
    X(MAX_SOFTMAX, "max-softmax", "one minus the largest probability")                                                 \
    X(ENERGY, "energy", "minus the logarithm of the sum of the exponentials of the logits")                            \
    X(MAHALANOBIS, "mahalanobis", "distance of the features to the nearest class, by how classes vary")                \
    X(KNN, "knn", "distance of the direction of the features to a near neighbour of those that were held back")        \
    X(COMBINED, "combined", "knn plus half of energy (or of the logarithm of max-softmax), in units of their spread")

typedef enum hone_ood_score {
#define HONE_OOD_SCORE_ENUM(name, word, meaning) HONE_OOD_##name,
    HONE_OOD_SCORE_MAP(HONE_OOD_SCORE_ENUM)
#undef HONE_OOD_SCORE_ENUM
        HONE_OOD_SCORES
} hone_ood_score;

/* As in the table above. */
HONE_API const char *hone_ood_score_word(hone_ood_score score);
HONE_API const char *hone_ood_score_meaning(hone_ood_score score);
/* HONE_ARGUMENT, with the words there are, for another word. */
HONE_API hone_status hone_ood_score_parse(hone_ood_score *out, const char *word, hone_error *err);

/* How well a score tells known from strange samples, the strange ones being what is looked for. */
typedef struct hone_separation {
    double auroc; /* area under the ROC curve, ties counting half */
    double fpr95; /* share of the strange ones that pass where 95 % of the known ones do */
} hone_separation;

/* HONE_ARGUMENT where either side is empty, HONE_NUMERIC where a score is no number. */
HONE_API hone_status hone_separation_measure(hone_separation *out, const float *known, size_t known_count,
                                             const float *strange, size_t strange_count, hone_error *err);

/* ---- fitting ----------------------------------------------------------------------------------------------------- */

typedef struct hone_rejection_config {
    double tpr; /* the share of known pictures that are to be answered; 0.95 */
    /* A hone_ood_score, or -1: combined, unless another one is clearly better (by 0.05 of the mean area under the ROC
     * curve) at telling the held back pictures from what is made of them: two of them laid over each other, cut
     * together of two classes, shuffled, noise. */
    int score;
    size_t most; /* samples looked at; 4000 */
    uint64_t seed;
    hone_threads *threads;
    hone_precision precision;
} hone_rejection_config;

HONE_API hone_rejection_config hone_rejection_config_default(void);

typedef struct hone_rejection_report {
    hone_ood_score score;
    double threshold, tpr;
    size_t samples;
    bool has[HONE_OOD_SCORES];     /* energy needs a Dense head, the last two features and some samples */
    double auroc[HONE_OOD_SCORES]; /* against what was made of the pictures, as above */
} hone_rejection_report;

/* Fits all scores on samples the model was not trained on (indices NULL: all of data) and makes them the model's: its
 * record "rejection", which its file carries. Thresholds come from samples that the score in question was not fitted
 * on. report may be NULL. HONE_NOT_FOUND for a model without a head (hone_model_find_head), HONE_ARGUMENT for fewer
 * than 20 samples. */
HONE_API hone_status hone_model_fit_rejection(hone_model *model, const hone_dataset *data, const uint32_t *indices,
                                              size_t count, const hone_rejection_config *config,
                                              hone_rejection_report *report, hone_error *err);
/* Another share of known pictures, or another score (-1: the same), from what was fitted before. */
HONE_API hone_status hone_model_set_rejection(hone_model *model, double tpr, int score, hone_error *err);
/* To be called after a model was trained further: its features are others now. */
HONE_API hone_status hone_model_forget_rejection(hone_model *model, hone_error *err);

/* ---- asking ------------------------------------------------------------------------------------------------------ */

/* What a model carries, ready to be asked from any number of threads. */
typedef struct hone_rejection hone_rejection;

/* *out is NULL, and HONE_OK, where the model carries none. model outlives it; its weights stay as they are. HONE_FORMAT
 * where its file holds nonsense. */
HONE_API hone_status hone_rejection_create(hone_rejection **out, const hone_model *model, hone_error *err);
HONE_API void hone_rejection_free(hone_rejection *rejection);

/* It reads the model's answer and the outputs of its feature layer (hone_model_feature_layer): a plan that was asked
 * for that layer (hone_plan_config.layers) gives both in one row. */
HONE_API size_t hone_rejection_feature_size(const hone_rejection *rejection);
/* Doubles that hone_rejection_judge wants to scribble in. */
HONE_API size_t hone_rejection_scratch_size(const hone_rejection *rejection);
HONE_API hone_ood_score hone_rejection_score(const hone_rejection *rejection);
HONE_API double hone_rejection_threshold(const hone_rejection *rejection);
HONE_API double hone_rejection_tpr(const hone_rejection *rejection);
HONE_API bool hone_rejection_has(const hone_rejection *rejection, hone_ood_score score);

typedef struct hone_verdict {
    bool unknown;
    double score, threshold; /* unknown: score > threshold, or score is no number */
} hone_verdict;

/* Of one picture: outputs are the model's (not calibrated), features what its layer gave. Costs next to nothing beside
 * the network, cannot fail, allocates nothing; each thread brings its own scratch. */
HONE_API hone_verdict hone_rejection_judge(const hone_rejection *rejection, const float *outputs, const float *features,
                                           double *scratch);
/* All scores of one picture, for measuring; NaN for those there are none of. */
HONE_API void hone_rejection_scores(const hone_rejection *rejection, const float *outputs, const float *features,
                                    double *scratch, float scores[HONE_OOD_SCORES]);

/* ---- models of what is normal ------------------------------------------------------------------------------------ */

typedef enum hone_anomaly_method {
    HONE_ANOMALY_AUTOENCODER, /* a network that gives normal pictures back, and others badly */
    /* What a trained network's maps look like at every place of normal pictures, the most different of them kept; a
     * picture is as strange as its strangest place (after PatchCore: Roth and others, 2022). */
    HONE_ANOMALY_MEMORY
} hone_anomaly_method;

/* "autoencoder", "memory". */
HONE_API hone_status hone_anomaly_method_parse(hone_anomaly_method *out, const char *word, hone_error *err);
HONE_API const char *hone_anomaly_method_word(hone_anomaly_method method);

typedef struct hone_anomaly_config {
    hone_anomaly_method method;
    int epochs;           /* of the autoencoder; 10 */
    size_t batch_size;    /* 32 */
    double learning_rate; /* of Adam; 0.001 */
    const char *layer;    /* of the memory: whose maps; NULL: the last one that is still fine enough */
    size_t memory;        /* places kept; 1000 */
    double tpr;           /* the share of normal pictures that are to pass; 0.95 */
    uint64_t seed;
    hone_threads *threads;
    /* Go on where the training that the model's record "anomaly_training" is the state of was ended; the result is the
     * same to the bit as without the break. HONE_ARGUMENT where there is none, or it was another training. */
    bool resume;
    /* After each epoch of the autoencoder; false ends its training there, with what was learnt so far, and with the state to
     * go on from in the model's record "anomaly_training". May be NULL. */
    bool (*progress)(void *context, int epoch, int epochs, double loss);
    /* Asked while a memory is made, which is of no use before it is whole: false ends it with HONE_CANCELLED. May be NULL. */
    bool (*keep_going)(void *context);
    void *context;
} hone_anomaly_config;

HONE_API hone_anomaly_config hone_anomaly_config_default(hone_anomaly_method method);

typedef struct hone_anomaly_report {
    double threshold, tpr;
    size_t held_back; /* normal pictures the threshold was taken from */
    size_t memory;    /* places kept; 0: an autoencoder */
    double loss;      /* of the autoencoder's last epoch: the mean squared error of a pixel, 0 … 1 */
    int epochs;       /* that the autoencoder was trained for */
} hone_anomaly_report;

/* An autoencoder's network for pictures of this size, built: convolutions down, a bottleneck of 32 numbers,
 * convolutions up. */
HONE_API hone_status hone_anomaly_autoencoder(hone_model **out, const hone_shape *input, uint64_t seed,
                                              hone_error *err);
/* Teaches a network, a classifier of four classes, without labels which way up pictures are (Gidaris and others, 2018):
 * its maps then are of use to the memory. Square pictures; at most 5000 are taken. Of config: seed, threads and
 * keep_going. */
HONE_API hone_status hone_anomaly_pretrain(hone_model *model, const hone_dataset *data, const hone_split *split,
                                           int epochs, const hone_anomaly_config *config, hone_error *err);
/* Trains model (an autoencoder's network), or fills a memory from its maps (any network, which stays as it is).
 * Pictures are normal, whatever their labels. The split's validation part gives the threshold and is not learnt; 5
 * pictures at least. What is learnt becomes the model's record "anomaly". report may be NULL. */
HONE_API hone_status hone_anomaly_train(hone_model *model, const hone_dataset *data, const hone_split *split,
                                        const hone_anomaly_config *config, hone_anomaly_report *report,
                                        hone_error *err);

/* Asks such a model; serves one caller at a time. */
typedef struct hone_detector hone_detector;

/* Whether the model is one whose training was ended before its last epoch, after how many of them (epochs may be NULL). */
HONE_API bool hone_anomaly_is_unfinished(const hone_model *model, int *epochs);

/* *out is NULL, and HONE_OK, where the model carries no record of that kind. model outlives it. HONE_FORMAT where its
 * file holds nonsense. */
HONE_API hone_status hone_detector_create(hone_detector **out, hone_model *model, hone_threads *threads,
                                          hone_error *err);
HONE_API void hone_detector_free(hone_detector *detector);
HONE_API hone_anomaly_method hone_detector_method(const hone_detector *detector);
HONE_API double hone_detector_threshold(const hone_detector *detector);
/* unknown: the picture is no normal one. map (height, width), which may be NULL, becomes where: 0 … 1, normal places
 * below a half. Cannot fail, allocates nothing. */
HONE_API hone_verdict hone_detector_judge(hone_detector *detector, const unsigned char *pixels, float *map);

#ifdef __cplusplus
}
#endif
#endif
