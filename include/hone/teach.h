/* SPDX-License-Identifier: Apache-2.0
 *
 * Instant teaching: a trained network is shown a picture and told what it is, and knows it from then on. Its weights stay
 * as they are; what it is taught are examples in its feature space, which is the input of its head.
 *
 * The rule. A picture is compared with every example by the cosine of their features, around the mean of what the network
 * usually sees. The model's reference, a few hundred pictures that it was not trained on, says how near is near enough:
 *
 * - an example reaches no further than the nearest picture of another class in the reference, and no further than the
 *   cosine that 99 % of the reference's pairs of different classes stay below;
 * - and it answers only where the picture is nearer to it than to any picture of another class in the reference, by a
 *   third of what that one's cosine t lacks to 1: from t + (1 - t) / 3 on.
 *
 * Where no example answers, the answer is the network's, to the bit. Else the nearest one's class c does, with
 * y = (1 - a) p + a e_c and a from 1/2 at that edge to 1 at the example itself: p are the network's probabilities, e_c is
 * 1 for c. */
#ifndef HONE_TEACH_H
#define HONE_TEACH_H

#include <hone/data.h>
#include <hone/model.h>
#include <hone/train.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- the reference ---------------------------------------------------------------------------------------------- */

/* Puts the features of some of these samples (indices NULL: of all of data; labels as the model's classes; best what
 * validated) into the model's record "reference": a byte per number, as many of each class, no more than a twentieth of
 * the model's size or 64 KiB. HONE_UNSUPPORTED where the model has no head or its features cannot be had. */
HONE_API hone_status hone_model_fit_reference(hone_model *model, const hone_dataset *data, const uint32_t *indices,
                                              size_t count, hone_threads *threads, hone_error *err);
HONE_API bool hone_model_has_reference(const hone_model *model);
/* To be called after a model was trained further: its features are others. Takes reference and lessons away. */
HONE_API hone_status hone_model_forget_lessons(hone_model *model, hone_error *err);

/* ---- lessons ----------------------------------------------------------------------------------------------------- */

/* What was taught: immutable, and so for any number of threads. A change gives new lessons, which share nothing with the
 * old ones; who answers meanwhile goes on with those it holds. */
typedef struct hone_lessons hone_lessons;

enum { HONE_MAX_LESSONS = 10000 };

typedef struct hone_lesson_info {
    const char *label, *name; /* name: what the example is called, a path as a rule */
    size_t index;             /* of the class, as in hone_lessons_class_name */
    float reach;              /* the least cosine at which it may answer: at 1 it does for nothing but itself */
} hone_lesson_info;

/* Of the model's record; none there: lessons without examples. HONE_FORMAT where the record cannot be believed,
 * HONE_ARGUMENT where the weights have changed since. */
HONE_API hone_status hone_lessons_open(hone_lessons **out, const hone_model *model, hone_error *err);
/* Another owner of the same lessons: each calls hone_lessons_free once. Returns lessons. */
HONE_API hone_lessons *hone_lessons_hold(hone_lessons *lessons);
HONE_API void hone_lessons_free(hone_lessons *lessons);
/* Puts them into the model's record; a file takes them with hone_model_save or hone_model_save_records. */
HONE_API hone_status hone_lessons_store(const hone_lessons *lessons, hone_model *model, hone_error *err);

/* Before and one more example: feature as hone_taught_features gives it. A label that the network's classes have is one
 * of those, any other one is a new class. Teaching the same feature twice replaces its label. */
HONE_API hone_status hone_lessons_add(hone_lessons **out, const hone_lessons *before, const float *feature,
                                      const char *label, const char *name, hone_error *err);
/* The same of many at once: all of them, or none. Of two with the same feature the later one counts. */
typedef struct hone_lesson {
    const float *feature;
    const char *label, *name; /* name NULL: the label */
} hone_lesson;

HONE_API hone_status hone_lessons_add_all(hone_lessons **out, const hone_lessons *before, const hone_lesson *examples,
                                          size_t count, hone_error *err);
/* Before without the examples called so, or of the class of that name (which goes, if the network does not know it).
 * HONE_NOT_FOUND where there are none. */
HONE_API hone_status hone_lessons_forget(hone_lessons **out, const hone_lessons *before, const char *label_or_name,
                                         hone_error *err);

HONE_API size_t hone_lessons_count(const hone_lessons *lessons); /* examples */
HONE_API bool hone_lessons_info(const hone_lessons *lessons, size_t index, hone_lesson_info *out);
/* The network's classes and, behind them, those that are new. */
HONE_API size_t hone_lessons_classes(const hone_lessons *lessons);
HONE_API const char *hone_lessons_class_name(const hone_lessons *lessons, size_t index);
/* Numbers of a feature. */
HONE_API size_t hone_lessons_feature_size(const hone_lessons *lessons);
/* How many pictures the model's reference has; 0: it has none. */
HONE_API size_t hone_lessons_reference(const hone_lessons *lessons);

/* y (hone_lessons_classes) from a picture's feature and the network's probabilities (its own classes). Allocates nothing,
 * cannot fail, any number of threads. Returns the example that answered, or -1: the network did. */
HONE_API ptrdiff_t hone_lessons_combine(const hone_lessons *lessons, const float *feature, const float *probabilities,
                                        float *y);

/* A copy of the model whose every logit says how like example index a picture is, for hone_explainer to show where the
 * likeness lies. HONE_UNSUPPORTED where the head is no Dense layer. */
HONE_API hone_status hone_lessons_likeness(hone_model **out, const hone_lessons *lessons, const hone_model *model,
                                           size_t index, hone_error *err);

/* hone_evaluate of model and lessons together: loss and accuracy of their answers, with the model's temperature, and the
 * answers themselves, *probabilities (samples, hone_lessons_classes), which the caller frees with hone_predictions_free.
 * data's labels are those classes. Of config (NULL: the
 * default) threads, precision and tta are looked at: with variants of a picture the network is asked
 * about all of them, examples are compared with the picture itself. */
HONE_API hone_status hone_lessons_evaluate(hone_evaluation *out, float **probabilities, hone_model *model,
                                           const hone_lessons *lessons, const hone_dataset *data,
                                           const hone_evaluate_config *config, hone_error *err);

/* ---- a model that can be taught, as one caller runs it ----------------------------------------------------------- */

typedef struct hone_taught hone_taught;

/* Plans for the model's features and for what its head makes of them. model outlives it. HONE_UNSUPPORTED as above. */
HONE_API hone_status hone_taught_create(hone_taught **out, const hone_model *model, size_t max_batch,
                                        hone_threads *threads, hone_error *err);
HONE_API void hone_taught_free(hone_taught *taught);
HONE_API size_t hone_taught_feature_size(const hone_taught *taught);
/* features is (n, hone_taught_feature_size). Allocates nothing, cannot fail. */
HONE_API void hone_taught_features(hone_taught *taught, const unsigned char *pixels, size_t n, float *features);
/* The answers of model and lessons, (n, hone_lessons_classes), with the model's temperature. Allocates nothing, cannot
 * fail; lessons are those of this model. */
HONE_API void hone_taught_predict(hone_taught *taught, const hone_lessons *lessons, const unsigned char *pixels,
                                  size_t n, float *y);

#ifdef __cplusplus
}
#endif
#endif
