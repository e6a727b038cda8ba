/* SPDX-License-Identifier: Apache-2.0
 *
 * Why a model answers as it does: where in the picture the answer comes from, which pictures it learnt from are most
 * like it, and what its layers see. */
#ifndef HONE_EXPLAIN_H
#define HONE_EXPLAIN_H

#include <hone/data.h>
#include <hone/model.h>

#ifdef __cplusplus
extern "C" {
#endif

/* ---- heat maps --------------------------------------------------------------------------------------------------- */

typedef enum hone_explanation {
    HONE_EXPLAIN_GRAD_CAM, /* Selvaraju and others, 2017: a layer's maps, weighted by what they do for the class */
    /* Sundararajan and others, 2017: each pixel's share of the class's logit, summed up on the way from black */
    HONE_EXPLAIN_INTEGRATED_GRADIENTS
} hone_explanation;

/* "grad-cam", "integrated-gradients". */
HONE_API hone_status hone_explanation_parse(hone_explanation *out, const char *word, hone_error *err);
HONE_API const char *hone_explanation_word(hone_explanation explanation);

typedef struct hone_explain_config {
    hone_explanation explanation;
    /* Grad-CAM: the layer whose maps are weighed; NULL: the last one whose maps are 5x5 or larger, else the last one
     * with maps. */
    const char *layer;
    int steps; /* of integrated gradients; 32 */
    hone_threads *threads;
} hone_explain_config;

HONE_API hone_explain_config hone_explain_config_default(void);

/* Explains one picture after the other; serves one caller at a time. */
typedef struct hone_explainer hone_explainer;

/* model (built, one image in, one vector of classes out) outlives it. config NULL: Grad-CAM. HONE_UNSUPPORTED with
 * words where the model has no layer with maps. */
HONE_API hone_status hone_explainer_create(hone_explainer **out, hone_model *model, const hone_explain_config *config,
                                           hone_error *err);
HONE_API void hone_explainer_free(hone_explainer *explainer);
/* The layer that Grad-CAM looks at; NULL for integrated gradients. */
HONE_API const char *hone_explainer_layer(const hone_explainer *explainer);

typedef struct hone_explanation_result {
    size_t class_index; /* what was explained */
    /* Integrated gradients: the sum of all shares, and the logit's difference that they should add up to; 0 for
     * Grad-CAM. */
    double attributed, expected;
} hone_explanation_result;

/* map (height, width) becomes 0 … 1: how much each place speaks for class_index (-1: the model's answer); all 0 where
 * nothing does. pixels (height, width, channels) are of the model's input size. result may be NULL. Cannot fail,
 * allocates nothing. */
HONE_API void hone_explainer_run(hone_explainer *explainer, const unsigned char *pixels, int class_index, float *map,
                                 hone_explanation_result *result);

/* The map over the picture, in colours, enlarged by a whole number (0: so that the shorter side has 224 or more). map
 * is (height, width) of picture. The caller releases the image. */
HONE_API hone_status hone_heat_map_overlay(hone_image *out, const hone_image *picture, const float *map, int enlarge,
                                           hone_error *err);
/* ---- what the layers see ----------------------------------------------------------------------------------------- */

/* One sheet of pictures: a band of tiles for each layer with maps, at most 64 of them (16 in networks of more
 * than 24 layers), and a strip for each that gives a
 * vector, from the first layer to the last. Each tile is stretched to black … white on its own. layers (room for most)
 * become those shown, from the top; *count how many. The caller releases the image. */
HONE_API hone_status hone_activation_sheet(hone_image *out, size_t *layers, size_t most, size_t *count,
                                           hone_model *model, const unsigned char *pixels, hone_error *err);
/* Pictures (grey or RGB) side by side, the first one set apart, small ones enlarged. The caller releases the image. */
HONE_API hone_status hone_picture_row(hone_image *out, const hone_image *pictures, size_t count, hone_error *err);

/* ---- nearest training pictures ----------------------------------------------------------------------------------- */

/* Features of pictures, with the pictures in small: the model's, stored in its record "examples" (hone train
 * --keep-examples), or made of a data set. May be asked from several threads. */
typedef struct hone_examples hone_examples;

typedef struct hone_examples_config {
    size_t count; /* most; each class gets its share; 2000 */
    int side;     /* of the small pictures, at most; 64 */
    hone_threads *threads;
} hone_examples_config;

HONE_API hone_examples_config hone_examples_config_default(void);

/* Of samples of data (indices NULL: all). HONE_NOT_FOUND for a model without a head (hone_model_find_head). */
HONE_API hone_status hone_examples_create(hone_examples **out, hone_model *model, const hone_dataset *data,
                                          const uint32_t *indices, size_t count, const hone_examples_config *config,
                                          hone_error *err);
/* What the model's file carries; *out is NULL, and HONE_OK, where it carries none. HONE_FORMAT where that is
 * nonsense. */
HONE_API hone_status hone_examples_open(hone_examples **out, const hone_model *model, hone_error *err);
HONE_API void hone_examples_free(hone_examples *examples);
/* Makes them the model's record "examples". */
HONE_API hone_status hone_examples_store(const hone_examples *examples, hone_model *model, hone_error *err);
/* To be called after a model was trained further: its features are others now. */
HONE_API hone_status hone_model_forget_examples(hone_model *model, hone_error *err);

HONE_API size_t hone_examples_count(const hone_examples *examples);
/* What is compared are the outputs of the model's feature layer (hone_model_feature_layer), so many floats. */
HONE_API size_t hone_examples_feature_size(const hone_examples *examples);

typedef struct hone_neighbour {
    size_t index;   /* of the example */
    int32_t label;  /* -1: none */
    float distance; /* of the directions of the features: 0 the same … 2 opposite */
} hone_neighbour;

/* The nearest to features, nearest first; returns how many (fewer than wanted where there are fewer). Allocates
 * nothing. */
HONE_API size_t hone_examples_nearest(const hone_examples *examples, const float *features, hone_neighbour *out,
                                      size_t wanted);
/* A copy of the small picture; the caller releases it. */
HONE_API hone_status hone_examples_image(const hone_examples *examples, size_t index, hone_image *out, hone_error *err);

#ifdef __cplusplus
}
#endif
#endif
